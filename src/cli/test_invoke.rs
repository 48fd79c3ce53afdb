//! `tidegate test-invoke METHOD URL`: one request, and what every stage does with it.
//!
//! Shape: [`TestInvoke`]; [`crate::invoke`] sends it. Units: none. Errors: 2 for arguments that are
//! none, 3 for documents that do not compile, 1 when no method takes the request or no answer
//! comes. Source: Amazon API Gateway developer guide, "test a method" (`TestInvokeMethod`).

use super::{Exit, explain, inputs, inputs::Inputs};
use crate::invoke::{self, Failure, Invocation};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::{fs, io, io::Write, process::ExitCode};
use tidegate_edge::plan::is_stage_variable;

/// The request to send, and the documents by which it is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestInvoke {
    /// What is sent.
    pub invocation: Invocation,
    /// JSON instead of text.
    pub json: bool,
    /// What the plan is compiled from.
    pub inputs: Inputs,
}

impl TestInvoke {
    /// Takes them from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> TestInvoke {
        let text = |name| given.get_one::<String>(name).cloned().unwrap_or_default();
        let rows = |name| {
            let rows = given.get_many::<(String, String)>(name);
            rows.map(|rows| rows.cloned().collect()).unwrap_or_default()
        };
        TestInvoke {
            invocation: Invocation {
                method: text("method"),
                url: text("url"),
                headers: rows("header"),
                body: text("body"),
                stage_variables: rows("stage-variable"),
            },
            json: given.get_flag("json"),
            inputs: Inputs::read(given),
        }
    }
}

/// Adds the arguments.
pub(super) fn arguments(command: Command) -> Command {
    let method = Arg::new("method")
        .value_name("METHOD")
        .required(true)
        .value_parser(explain::method)
        .help("Request method, for example GET");
    let url = Arg::new("url")
        .value_name("URL")
        .required(true)
        .value_parser(explain::url)
        .help("Absolute URL, or a path with its stage; with its query");
    let header = Arg::new("header")
        .long("header")
        .value_name("NAME:VALUE")
        .action(ArgAction::Append)
        .value_parser(header)
        .help("A header of the request; may be repeated");
    let body = Arg::new("body")
        .long("body")
        .value_name("TEXT")
        .value_parser(body)
        .help("The payload, or @FILE");
    let variable = Arg::new("stage-variable")
        .long("stage-variable")
        .value_name("NAME=VALUE")
        .action(ArgAction::Append)
        .value_parser(stage_variable)
        .help("A stage variable in the place of the stage's; may be repeated");
    let json = Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Print JSON, as TestInvokeMethod answers");
    let command = command.arg(method).arg(url).arg(header).arg(body);
    inputs::add(command.arg(variable).arg(json)).after_help(
        "Examples:
  tidegate test-invoke GET '/dev/pets/7?full=1' --api petstore.yaml
  tidegate test-invoke POST /dev/pets --config tidegate.toml --header Content-Type:application/json \\
    --body '{\"name\":\"Rex\"}' --stage-variable backend=staging.example.com

The request goes to the backends that the configuration names. Keys, throttles, authorizers and
caches are left out, as the service leaves them out of test invocations.",
    )
}

/// Sends it.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let wanted = TestInvoke::read(given);
    let as_json = wanted.json;
    match invoke::run(&wanted.inputs.sources(), &wanted.invocation) {
        Ok(outcome) => {
            let text = if as_json {
                outcome.to_json()
            } else {
                outcome.to_string()
            };
            // A reader that left has what it wanted.
            let _ = io::stdout().lock().write_all(text.as_bytes());
            if outcome.log.is_none() {
                eprintln!("tidegate: no method of the configuration takes this request");
                return Exit::Failed.into();
            }
            Exit::Ok.into()
        }
        Err(failure) => {
            match &failure {
                Failure::Configuration => {} // its report was printed
                failure => eprintln!("tidegate: {failure}"),
            }
            failure.exit().into()
        }
    }
}

pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is NAME:VALUE")?;
    explain::method(name).map_err(|_| "the name of a header is a token, as in NAME:VALUE")?;
    let is_own = |own: &&str| name.eq_ignore_ascii_case(own);
    if OWN_FIELDS.iter().any(is_own) {
        return Err(format!("`{name}` is the command's own"));
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// What frames the request.
const OWN_FIELDS: &[&str] = &["Connection", "Content-Length", "Transfer-Encoding", "Host"];

fn stage_variable(text: &str) -> Result<(String, String), String> {
    let row = text
        .split_once('=')
        .ok_or("a stage variable is NAME=VALUE")?;
    if !is_stage_variable(row.0, row.1) {
        return Err(format!("`{text}` is no stage variable"));
    }
    Ok((row.0.to_owned(), row.1.to_owned()))
}

fn body(text: &str) -> Result<String, String> {
    match text.strip_prefix('@') {
        Some(path) => fs::read_to_string(path).map_err(|error| format!("{path}: {error}")),
        None => Ok(text.to_owned()),
    }
}
