//! `tidegate diff A B`: what differs between two API documents, in the terms of the model.
//!
//! Shape: [`Diff`], two files. Units: none. Errors: as diff(1) has it, 0 when they are the same and
//! 1 when they differ; 3 for a document with errors.

use super::{
    Exit,
    export::{base_path, base_path_argument, read},
};
use crate::{
    diagnostics::Colour,
    openapi::{
        BasePath,
        diff::{Change, diff, to_json, to_text},
    },
};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::{io, io::Write, path::PathBuf, process::ExitCode};

/// What to compare, and how to print it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diff {
    pub before: PathBuf,
    pub after: PathBuf,
    pub base_path: BasePath,
    pub json: bool,
}

impl Diff {
    /// Takes them from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Option<Diff> {
        let path = |name| given.get_one::<PathBuf>(name).cloned();
        Some(Diff {
            before: path("before")?,
            after: path("after")?,
            base_path: base_path(given),
            json: given.get_flag("json"),
        })
    }
}

/// Adds the arguments.
pub(super) fn arguments(command: Command) -> Command {
    let file = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .value_name(value)
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    command
        .arg(file("before", "A", "The document as it was"))
        .arg(file("after", "B", "The document as it is"))
        .arg(base_path_argument())
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print JSON"),
        )
        .after_help(
            "Examples:
  tidegate diff deployed.json petstore.yaml
  tidegate diff a.yaml b.yaml --json

How a document is written is no difference: its format, the order of its keys, references,
names of its schemes for keys and signatures. Exit status 0 if the APIs are the same, 1 if not.",
        )
}

/// Compares.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let Some(wanted) = Diff::read(given) else {
        return Exit::Usage.into();
    };
    let apis = read(&wanted.before, wanted.base_path)
        .and_then(|before| Ok((before, read(&wanted.after, wanted.base_path)?)));
    let changes: Vec<Change> = match apis {
        Ok((before, after)) => diff(&before, &after),
        Err((exit, said)) => {
            eprint!("{said}");
            return exit.into();
        }
    };
    let text = match wanted.json {
        true => format!("{:#}\n", to_json(&changes)),
        false => to_text(&changes, Colour::for_stdout()),
    };
    // A reader that left has what it wanted.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    match changes.is_empty() {
        true => Exit::Ok.into(),
        false => Exit::Failed.into(),
    }
}
