//! `tidegate explain METHOD URL`: which route, limits and origin a request would meet.
//!
//! Shape: [`Explain`]; [`crate::explain`] finds it out. Units: none. Errors: 2 for a method or URL
//! that is none, 3 for documents that do not compile, 1 when the request would be refused.
//! Source: RFC 9110 section 5.6.2 (token).

use super::{Exit, inputs, inputs::Inputs, test_invoke};
use crate::process::load;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::{io, io::Write, process::ExitCode};

/// The request to explain, and the documents to explain it by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explain {
    /// As it would stand in the request line, case kept.
    pub method: String,
    /// Absolute, or a path that begins with `/`.
    pub url: String,
    /// Names with values.
    pub headers: Vec<(String, String)>,
    /// JSON instead of text.
    pub json: bool,
    /// What the plan is compiled from.
    pub inputs: Inputs,
}

impl Explain {
    /// Takes them from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Explain {
        let text = |name| given.get_one::<String>(name).cloned().unwrap_or_default();
        Explain {
            method: text("method"),
            url: text("url"),
            headers: (given.get_many("header"))
                .map(|rows| rows.cloned().collect())
                .unwrap_or_default(),
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
        .value_parser(method)
        .help("Request method, for example GET");
    let url = Arg::new("url")
        .value_name("URL")
        .required(true)
        .value_parser(url)
        .help("Absolute URL, or a path with its stage");
    let header = Arg::new("header")
        .long("header")
        .value_name("NAME:VALUE")
        .action(ArgAction::Append)
        .value_parser(test_invoke::header)
        .help("A header of the request, which rules of domains look at; may be repeated");
    let json = Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Print JSON");
    let command = command.arg(method).arg(url).arg(header).arg(json);
    inputs::add(command).after_help(
        "Examples:
  tidegate explain GET /dev/pets/7 --api petstore.yaml
  tidegate explain POST https://api.example.com/pets --config tidegate.toml
  tidegate explain GET https://shop.example.com/v1 --config tidegate.toml --header X-Version:beta",
    )
}

/// Explains.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let wanted = Explain::read(given);
    let loaded = load::load(&wanted.inputs.sources(), 1);
    loaded.print_report();
    let Some(plan) = &loaded.plan else {
        return Exit::InvalidConfiguration.into();
    };
    let request = (&*wanted.method, &*wanted.url, &*wanted.headers);
    let explanation = crate::explain::explain(plan, &loaded.configuration, request);
    let text = if wanted.json {
        explanation.to_json()
    } else {
        explanation.to_string()
    };
    // A reader that left has what it wanted.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    match explanation.refusal {
        None => Exit::Ok.into(),
        Some(_) => Exit::Failed.into(),
    }
}

pub(super) fn method(text: &str) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(token) {
        Ok(text.to_owned())
    } else {
        Err("a method is a token, as in GET".into())
    }
}

pub(super) fn url(text: &str) -> Result<String, String> {
    let begins = ["/", "http://", "https://"];
    if begins.iter().any(|begin| text.starts_with(begin)) {
        Ok(text.to_owned())
    } else {
        Err("a URL begins with http://, https:// or /".into())
    }
}
