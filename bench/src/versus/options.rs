//! What: the command line of `versus`.
//! Shape: arguments in, [`Options`] out.
//! Units: seconds and counts.
//! Errors: those of the parser.
//! Source: docs/performance.md, "Beside others".

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::case::CASES;
use super::contestant::contestants;
use crate::arguments::{self, file, number, path};

/// What to measure, and where to write it.
pub(super) struct Options {
    pub(super) rounds: u32,
    pub(super) seconds: u32,
    pub(super) connections: u32,
    pub(super) idle_connections: u32,
    /// Names of cases; empty means all.
    pub(super) cases: Vec<String>,
    /// Names of contestants; empty means all. Floors always take part.
    pub(super) peers: Vec<String>,
    /// `off`, `on` or `both`.
    pub(super) log: String,
    pub(super) gateway: Option<PathBuf>,
    pub(super) generator: Option<PathBuf>,
    /// Results to report instead of measuring.
    pub(super) from: Option<PathBuf>,
    pub(super) json: Option<PathBuf>,
    pub(super) html: Option<PathBuf>,
    pub(super) markdown: Option<PathBuf>,
    pub(super) document: Option<PathBuf>,
}

impl Options {
    /// What was asked for.
    pub(super) fn read(matches: &ArgMatches) -> Options {
        let path = |name| path(matches, name);
        let log: Option<&String> = matches.get_one("log");
        Options {
            rounds: number(matches, "rounds"),
            seconds: number(matches, "seconds"),
            connections: number(matches, "connections"),
            idle_connections: number(matches, "idle-connections"),
            cases: arguments::names(matches, "case"),
            peers: arguments::names(matches, "peer"),
            log: log.expect("it has a default").clone(),
            gateway: path("gateway"),
            generator: path("load-generator"),
            from: path("from"),
            json: path("json"),
            html: path("html"),
            markdown: path("markdown"),
            document: path("document"),
        }
    }

    pub(super) fn wants_case(&self, name: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|case| case == name)
    }

    pub(super) fn wants_contestant(&self, name: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|peer| peer == name)
    }

    /// The log settings to measure.
    pub(super) fn logs(&self) -> &'static [bool] {
        match self.log.as_str() {
            "off" => &[false],
            "on" => &[true],
            _ => &[false, true],
        }
    }
}

/// The parser.
pub(crate) fn command() -> Command {
    let names = contestants().filter(|contestant| !contestant.is_floor());
    let names: Vec<&str> = names.map(|contestant| contestant.name()).collect();
    Command::new("versus")
        .about("CPU per request beside rival proxies (scripts/peers.sh installs them)")
        .arg(arguments::count(
            "rounds",
            "5",
            "Interleaved rounds in each case",
        ))
        .arg(arguments::count(
            "seconds",
            "3",
            "Seconds of load per server and round",
        ))
        .arg(arguments::count(
            "connections",
            "64",
            "Keep-alive connections of the load",
        ))
        .arg(arguments::count(
            "idle-connections",
            "10000",
            "Connections held open in the idle cases",
        ))
        .arg(arguments::choice(
            "case",
            CASES.map(|case| case.name),
            "Only this case (repeatable); all without it",
        ))
        .arg(
            Arg::new("peer")
                .long("peer")
                .value_name("NAME")
                .action(ArgAction::Append)
                .value_parser(names)
                .help("Only this server beside the floors (repeatable); all without it"),
        )
        .arg(
            Arg::new("log")
                .long("log")
                .value_name("WHICH")
                .default_value("both")
                .value_parser(["off", "on", "both"])
                .help("Measure with access logs off, on, or both"),
        )
        .arg(arguments::gateway())
        .arg(file(
            "load-generator",
            "The tidegate-load to take latencies with",
        ))
        .arg(file(
            "from",
            "Report these results (JSON) instead of measuring",
        ))
        .arg(file("json", "Write the figures here"))
        .arg(file("html", "Write a page with charts here"))
        .arg(file("markdown", "Write the short table here"))
        .arg(file(
            "document",
            "Replace the section between its markers in this page",
        ))
}
