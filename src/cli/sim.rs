//! `tidegate sim SCENARIO.toml`: what a choice of deployment does to one's users.
//!
//! Shape: [`Sim`]; the table goes to standard output, progress to standard error, the report as JSON
//! and as a page wherever they are wanted. Equal seeds give equal bytes. Units: as in the report.
//! Errors: 3 for a scenario that cannot be played, 1 for a file that cannot be written, 70 for a
//! fault of the simulator. Source: docs/simulator.md.

use super::Exit;
use crate::sim::{self, Changes, SHIPPED, Shipped, html, table};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use tidegate_edge::{
    base::text::counted,
    geo::{Progress, Report, simulate},
};

/// What is to be simulated, and where it goes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sim {
    /// The scenario.
    pub scenario: PathBuf,
    /// Where the report goes as JSON; `-` is standard output, without the table.
    pub json: Option<PathBuf>,
    /// Where the page goes.
    pub html: Option<PathBuf>,
    /// What is different from the file.
    pub changes: Changes,
    /// No progress.
    pub is_quiet: bool,
}

impl Sim {
    /// Takes it from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Option<Sim> {
        Some(Sim {
            scenario: given.get_one::<PathBuf>("scenario").cloned()?,
            json: given.get_one::<PathBuf>("json").cloned(),
            html: given.get_one::<PathBuf>("html").cloned(),
            changes: Changes {
                seed: given.get_one::<u64>("seed").copied(),
                requests: given.get_one::<u64>("requests").copied(),
            },
            is_quiet: given.get_flag("quiet"),
        })
    }
}

/// Adds the arguments.
pub(super) fn arguments(command: Command) -> Command {
    command
        .arg(
            Arg::new("scenario")
                .value_name("SCENARIO")
                .required_unless_present_any(["schema", "list", "show"])
                .value_parser(value_parser!(PathBuf))
                .help("What is simulated: a TOML file, or the name of a scenario that ships"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write the report as JSON; `-` is standard output, instead of the table"),
        )
        .arg(
            Arg::new("html")
                .long("html")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write a page with a map and charts, which fetches nothing"),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("NUMBER")
                .value_parser(value_parser!(u64))
                .help("Another seed than the scenario's"),
        )
        .arg(
            Arg::new("requests")
                .long("requests")
                .value_name("NUMBER")
                .value_parser(value_parser!(u64))
                .help("Other many requests than the scenario's, for each deployment"),
        )
        .arg(
            Arg::new("quiet")
                .long("quiet")
                .short('q')
                .action(ArgAction::SetTrue)
                .help("Tell nothing while it runs"),
        )
        .arg(
            Arg::new("schema")
                .long("schema")
                .action(ArgAction::SetTrue)
                .exclusive(true)
                .help("Print the JSON schema of reports"),
        )
        .arg(
            Arg::new("list")
                .long("list")
                .action(ArgAction::SetTrue)
                .exclusive(true)
                .help("List the scenarios that ship"),
        )
        .arg(
            Arg::new("show")
                .long("show")
                .value_name("NAME")
                .exclusive(true)
                .value_parser(SHIPPED.iter().map(|one| one.name).collect::<Vec<_>>())
                .help("Print one of them, as a file to begin with"),
        )
        .after_help(
            "Examples:
  tidegate sim global-read-heavy
  tidegate sim --show region-loss > scenario.toml
  tidegate sim scenario.toml --requests 10000 --json report.json --html report.html",
        )
}

/// Simulates.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    if given.get_flag("schema") {
        return written(io::stdout().lock().write_all(sim::SCHEMA.as_bytes()));
    }
    if given.get_flag("list") {
        let longest = SHIPPED.iter().map(|one| one.name.len()).max().unwrap_or(0);
        let line = |one: &Shipped| format!("{:<longest$}  {}\n", one.name, one.title());
        let lines: String = SHIPPED.iter().map(line).collect();
        return written(io::stdout().lock().write_all(lines.as_bytes()));
    }
    if let Some(shown) = given.get_one::<String>("show") {
        let text = Shipped::find(shown).map_or("", |one| one.text);
        return written(io::stdout().lock().write_all(text.as_bytes()));
    }
    let Some(wanted) = Sim::read(given) else {
        return Exit::Usage.into();
    };
    let setup = match sim::load(&wanted.scenario, wanted.changes) {
        Ok(setup) => setup,
        Err(why) => return failed(Exit::InvalidConfiguration, &why),
    };
    let mut teller = Teller::new(wanted.is_quiet);
    let simulated = simulate(setup, |progress| teller.tell(progress));
    teller.end();
    match simulated {
        Ok(report) => written(publish(&wanted, &report)),
        Err(why) => failed(Exit::Software, &why),
    }
}

fn publish(wanted: &Sim, report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let json = || serde_json::to_string_pretty(report).map(|text| text + "\n");
    if let Some(path) = &wanted.html {
        write(path, &html::page(report))?;
    }
    match &wanted.json {
        Some(path) if path == Path::new("-") => return out.write_all(json()?.as_bytes()),
        Some(path) => write(path, &json()?)?,
        None => {}
    }
    out.write_all(table::render(report).as_bytes())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn written(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => Exit::Ok.into(),
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok.into(),
        Err(error) => failed(Exit::Failed, &error.to_string()),
    }
}

fn failed(exit: Exit, why: &str) -> ExitCode {
    eprintln!("tidegate sim: {why}");
    exit.into()
}

/// Tells how far it has come: on a terminal in one line, else a line for each tenth.
struct Teller {
    is_quiet: bool,
    is_terminal: bool,
    last: Option<(usize, u32)>,
}

impl Teller {
    fn new(is_quiet: bool) -> Teller {
        Teller {
            is_quiet,
            is_terminal: io::stderr().is_terminal(),
            last: None,
        }
    }

    fn tell(&mut self, progress: &Progress) {
        let steps = if self.is_terminal { 100.0 } else { 10.0 };
        let step = (0..=100)
            .rev()
            .find(|step| f64::from(*step) <= progress.share * steps);
        let now = (progress.index, step.unwrap_or(0));
        if self.is_quiet || self.last == Some(now) {
            return;
        }
        self.last = Some(now);
        let line = format!(
            "{} of {}, {}: {:.0} %, {}",
            progress.index + 1,
            progress.count,
            progress.kind.title(),
            progress.share * 100.0,
            counted(progress.requests, "request")
        );
        if self.is_terminal {
            eprint!("\r\x1b[K{line}");
        } else {
            eprintln!("{line}");
        }
    }

    fn end(&self) {
        if self.is_terminal && self.last.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}
