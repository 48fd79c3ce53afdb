//! `tidegate template run FILE`: render a mapping template by hand.
//!
//! Shape: [`TemplateRun`]; the output goes to standard output, overrides to standard error, one a
//! line. Units: none. Errors: 3 for a template that does not compile, 1 for a file that cannot be
//! read and a render that the gateway would answer with 500; both with line and column.
//! Source: docs/mapping-templates.md.

use super::Exit;
use crate::diagnostics::{Colour, Problem, Report, Severity};
use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::{Map, Value};
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};
use tidegate_edge::mapping::{ContextValue, Inputs, Output, Overrides, Template};

/// A template with what it is rendered for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TemplateRun {
    /// The template.
    pub file: PathBuf,
    /// The payload.
    pub input: Option<PathBuf>,
    /// `$context`, a JSON object.
    pub context: Option<PathBuf>,
    /// `$input.params()`: a JSON object of `path`, `querystring` and `header`.
    pub params: Option<PathBuf>,
    /// `$stageVariables`, a JSON object.
    pub stage_variables: Option<PathBuf>,
}

impl TemplateRun {
    /// Takes them from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Option<TemplateRun> {
        let ("run", given) = given.subcommand()? else {
            return None;
        };
        let path = |name| given.get_one::<PathBuf>(name).cloned();
        Some(TemplateRun {
            file: path("file")?,
            input: path("input"),
            context: path("context"),
            params: path("params"),
            stage_variables: path("stage-variables"),
        })
    }
}

/// Adds the arguments.
pub(super) fn arguments(command: Command) -> Command {
    let file = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .value_name(value)
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    let run = Command::new("run")
        .about("Render a template and print what it says")
        .arg(file("file", "FILE", "The template").required(true))
        .arg(file("input", "BODY", "The payload; none when absent").long("input"))
        .arg(file("context", "JSON", "`$context`, an object").long("context"))
        .arg(
            file(
                "params",
                "JSON",
                "An object of `path`, `querystring` and `header`",
            )
            .long("params"),
        )
        .arg(
            file("stage-variables", "JSON", "`$stageVariables`, an object").long("stage-variables"),
        );
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run)
        .after_help(
            "Examples:
  tidegate template run request.vtl --input body.json
  tidegate template run request.vtl --context context.json --params params.json",
        )
}

/// Renders.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let Some(wanted) = TemplateRun::read(given) else {
        return Exit::Usage.into();
    };
    match run(&wanted) {
        Ok((text, overrides)) => {
            // A reader that left has what it wanted.
            let _ = io::stdout().lock().write_all(text.as_bytes());
            for line in override_lines(&overrides) {
                eprintln!("{line}");
            }
            Exit::Ok.into()
        }
        Err((exit, report)) => {
            eprint!("{}", report.render(Colour::for_stderr()));
            exit.into()
        }
    }
}

type Failed = (Exit, Report);

fn run(wanted: &TemplateRun) -> Result<(String, Overrides), Failed> {
    let source = read(&wanted.file)?;
    let body = wanted.input.as_deref().map(read).transpose()?;
    let context = object(wanted.context.as_deref())?;
    let params = object(wanted.params.as_deref())?;
    let variables = object(wanted.stage_variables.as_deref())?;
    let part = |name: &str| params.get(name).and_then(Value::as_object);
    let maps = ["path", "querystring", "header"].map(|name| pairs(part(name)));
    let [path, query, header] = maps.each_ref().map(|map| borrowed(map));
    let variables = pairs(Some(&variables));
    let inputs = Inputs {
        body: body.as_deref().unwrap_or(""),
        path: &path,
        query: &query,
        header: &header,
        stage_variables: &borrowed(&variables),
        context: members(&context),
        overrides: None,
    };
    let place = |line, column, message: String| {
        let problem = problem_at(&wanted.file, &source, line, column, message);
        Report::of(vec![problem])
    };
    let template = Template::compile(&source).map_err(|error| {
        let report = place(error.line, error.column, error.message);
        (Exit::InvalidConfiguration, report)
    })?;
    let mut output = Output::new();
    let overrides = template.render(&inputs, &mut output).map_err(|error| {
        let report = place(error.line, error.column, error.fault.to_string());
        (Exit::Failed, report)
    })?;
    Ok((output.text().to_owned(), overrides))
}

fn read(path: &Path) -> Result<String, Failed> {
    let bytes = fs::read(path).map_err(|error| of_file(path, error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn of_file(path: &Path, message: String) -> Failed {
    let problem = Problem::of_file(&path.display().to_string(), message, None);
    (Exit::Failed, Report::of(vec![problem]))
}

fn object(path: Option<&Path>) -> Result<Map<String, Value>, Failed> {
    let Some(path) = path else {
        return Ok(Map::new());
    };
    match serde_json::from_str(&read(path)?) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(of_file(path, "this is no JSON object".to_owned())),
        Err(error) => Err(of_file(path, error.to_string())),
    }
}

/// A member as `$context` prints it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn pairs(map: Option<&Map<String, Value>>) -> Vec<(String, String)> {
    let members = map.into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect()
}

/// `$context` as the engine takes it; it lives as long as the process, which renders once.
fn members(map: &Map<String, Value>) -> &'static [(&'static str, ContextValue<'static>)] {
    let members = map.iter().map(|(name, value)| {
        let name: &'static str = name.clone().leak();
        let value = match value {
            Value::Object(inner) => ContextValue::Map(members(inner)),
            other => ContextValue::Text(text(other).leak()),
        };
        (name, value)
    });
    members.collect::<Vec<_>>().leak()
}

fn problem_at(file: &Path, source: &str, line: u32, column: u32, message: String) -> Problem {
    let row = usize::try_from(line.saturating_sub(1)).unwrap_or(0);
    Problem {
        severity: Severity::Error,
        file: file.display().to_string(),
        pointer: String::new(),
        line,
        column,
        width: 1,
        source_line: source.lines().nth(row).unwrap_or("").to_owned(),
        message,
        hint: None,
    }
}

fn override_lines(overrides: &Overrides) -> Vec<String> {
    let lists = [
        ("requestOverride.path", &overrides.request_path),
        ("requestOverride.querystring", &overrides.request_query),
        ("requestOverride.header", &overrides.request_header),
        ("responseOverride.header", &overrides.response_header),
    ];
    let mut lines = Vec::new();
    for (place, list) in lists {
        for (name, value) in list {
            lines.push(format!("{place}.{name} = {value}"));
        }
    }
    if let Some(status) = overrides.status {
        lines.push(format!("responseOverride.status = {status}"));
    }
    lines
}
