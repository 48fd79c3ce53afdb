//! `tidegate export`: an API as OpenAPI 3.0.1 or Swagger 2.
//!
//! Shape: [`Export`], a document or an API of the running gateway, and how to write it; the
//! document goes to standard output. Units: none. Errors: 3 for a document with errors, 1 for an
//! API that the format cannot describe or the gateway does not know, 69 when no gateway answers.
//! Source: Amazon API Gateway developer guide, "Export a REST API".

use super::{Exit, client};
use crate::{
    diagnostics::{Colour, Problem, Report},
    files::Files,
    openapi::{
        self, BasePath, Options,
        export::{ExportFormat, ExportOptions, Extensions, export, to_yaml},
    },
    process::Running,
    store::period::date_text,
};
use clap::{
    Arg, ArgAction, ArgGroup, ArgMatches, Command, builder::PossibleValuesParser, value_parser,
};
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::UNIX_EPOCH,
};

/// What to export, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    pub from: From,
    pub base_path: BasePath,
    pub format: ExportFormat,
    pub extensions: Extensions,
    pub stage: String,
    pub region: String,
    pub yaml: bool,
}

/// Where the API comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum From {
    Document(PathBuf),
    /// An API of the running gateway, by its id, over this admin socket or the default one.
    Running(String, Option<PathBuf>),
}

impl Export {
    /// Takes them from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Option<Export> {
        let text = |name| given.get_one::<String>(name).cloned();
        let document = given.get_one::<PathBuf>("api").cloned();
        let running = || {
            let admin = given.get_one("admin").cloned();
            text("running").map(|id| From::Running(id, admin))
        };
        let mut extensions = Extensions::default();
        for word in given.get_many::<String>("extensions").into_iter().flatten() {
            extensions.add(word);
        }
        Some(Export {
            from: document.map(From::Document).or_else(running)?,
            base_path: base_path(given),
            format: ExportFormat::parse(&text("format")?)?,
            extensions,
            stage: text("stage")?,
            region: text("region")?,
            yaml: given.get_flag("yaml"),
        })
    }
}

/// Adds the arguments.
pub(super) fn arguments(command: Command) -> Command {
    let file = |name: &'static str| {
        Arg::new(name)
            .long(name)
            .value_parser(value_parser!(PathBuf))
    };
    let word = |name: &'static str, default: &'static str| {
        Arg::new(name).long(name).default_value(default)
    };
    command
        .arg(
            file("api")
                .short('a')
                .value_name("FILE")
                .help("The API document to read"),
        )
        .arg(
            Arg::new("running")
                .long("running")
                .value_name("ID")
                .help("An API that the running gateway serves, by its id"),
        )
        .arg(
            file("admin")
                .value_name("SOCKET")
                .requires("running")
                .help("Admin socket of the gateway"),
        )
        .group(
            ArgGroup::new("from")
                .args(["api", "running"])
                .required(true),
        )
        .arg(base_path_argument())
        .arg(
            word("format", "oas30")
                .value_parser(PossibleValuesParser::new(
                    ExportFormat::ALL.map(ExportFormat::as_str),
                ))
                .help("OpenAPI 3.0.1 or Swagger 2.0"),
        )
        .arg(
            Arg::new("extensions")
                .long("extensions")
                .value_name("LIST")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .value_parser(PossibleValuesParser::new(Extensions::WORDS))
                .help("The vendor's members to write; `apigateway` is all of them [default: none]"),
        )
        .arg(
            word("stage", "dev")
                .value_name("NAME")
                .help("The stage whose address is written"),
        )
        .arg(
            word("region", "us-east-1")
                .value_name("NAME")
                .help("The region of that address"),
        )
        .arg(
            Arg::new("yaml")
                .long("yaml")
                .action(ArgAction::SetTrue)
                .help("Print YAML instead of JSON"),
        )
        .after_help(
            "Examples:
  tidegate export --api petstore.yaml --format swagger
  tidegate export --running petstore01 --stage prod --extensions apigateway --yaml

With the extensions `apigateway` the document makes the same API when it is read again.",
        )
}

/// `--base-path`, as other commands have it too.
pub(super) fn base_path_argument() -> Arg {
    Arg::new("base-path")
        .long("base-path")
        .value_name("MODE")
        .value_parser(PossibleValuesParser::new(
            BasePath::ALL.map(BasePath::as_str),
        ))
        .help("What becomes of a document's base path [default: ignore]")
}

/// Its value.
pub(super) fn base_path(given: &ArgMatches) -> BasePath {
    let word = given.get_one::<String>("base-path");
    word.and_then(|word| BasePath::parse(word))
        .unwrap_or_default()
}

/// Exports.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let Some(wanted) = Export::read(given) else {
        return Exit::Usage.into();
    };
    match run(&wanted) {
        Ok(text) => {
            // A reader that left has what it wanted.
            let _ = io::stdout().lock().write_all(text.as_bytes());
            Exit::Ok.into()
        }
        Err((exit, said)) => {
            eprint!("{said}");
            exit.into()
        }
    }
}

type Failed = (Exit, String);

fn run(wanted: &Export) -> Result<String, Failed> {
    let (api, changed_s) = match &wanted.from {
        From::Document(path) => (read(path, wanted.base_path)?, changed_s(path)),
        From::Running(id, admin) => running(id, admin.as_deref())?,
    };
    let options = ExportOptions {
        format: wanted.format,
        extensions: wanted.extensions,
        stage: wanted.stage.clone(),
        region: wanted.region.clone(),
        version: version(changed_s),
    };
    let document = export(&api, &options).map_err(|fault| failed(Exit::Failed, &fault))?;
    Ok(match wanted.yaml {
        true => to_yaml(&document),
        false => format!("{document:#}\n"),
    })
}

fn failed(exit: Exit, reason: &dyn std::fmt::Display) -> Failed {
    (exit, format!("tidegate: {reason}\n"))
}

/// Reads a document; what is wrong with it, if anything is, is the failure.
pub(super) fn read(
    path: &Path,
    base_path: BasePath,
) -> Result<tidegate_edge::model::api::Api, Failed> {
    let invalid = |report: &Report| {
        let said = report.render(Colour::for_stderr());
        (Exit::InvalidConfiguration, said)
    };
    let of_file = |problem: Box<Problem>| invalid(&Report::of(vec![*problem]));
    let mut files = Files::on_disk();
    let bytes = files.read(path).map_err(of_file)?;
    let options = Options::with_base_path(base_path);
    let imported = openapi::import_bytes(&path.display().to_string(), bytes, &options);
    if imported.report.has_errors() {
        return Err(invalid(&imported.report));
    }
    Ok(imported.api)
}

/// The API with the time at which the gateway read it.
fn running(
    id: &str,
    admin: Option<&Path>,
) -> Result<(tidegate_edge::model::api::Api, u64), Failed> {
    let path = format!("/apis/{}", client::encode(id));
    let answer = client::ask(admin, "GET", &path);
    let answer = answer.map_err(|silence| failed(Exit::Unavailable, &silence))?;
    if answer.status != 200 {
        return Err(failed(Exit::Failed, &answer.body.trim_end()));
    }
    let running: Running = serde_json::from_str(&answer.body)
        .map_err(|error| failed(Exit::Failed, &format!("the answer cannot be read: {error}")))?;
    let base_path = BasePath::parse(&running.base_path).unwrap_or_default();
    let options = Options::with_base_path(base_path);
    let imported = openapi::import_bytes(&running.document, running.text.as_bytes(), &options);
    let mut api = imported.api;
    api.id = running.id;
    Ok((api, running.read_at_ms / 1_000))
}

/// When the file was changed last, in seconds since 1970.
fn changed_s(path: &Path) -> u64 {
    let changed = fs::metadata(path).and_then(|about| about.modified());
    let since = changed
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_secs())
}

/// A moment as the service's exports write it: `2026-11-21T19:30:00Z`.
fn version(seconds: u64) -> String {
    const DAY_S: u64 = 86_400;
    let day = i64::try_from(seconds / DAY_S).unwrap_or(0);
    let second = seconds % DAY_S;
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!(
        "{}T{hour:02}:{minute:02}:{:02}Z",
        date_text(day),
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_moment() {
        let rows = [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_289_405, "2026-11-21T19:30:05Z"),
        ];
        for (seconds, expected) in rows {
            assert_eq!(version(seconds), expected);
        }
    }
}
