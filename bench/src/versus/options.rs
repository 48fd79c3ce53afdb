//! What: the command line of `versus`.
//! Shape: arguments in, [`Options`] out.
//! Units: seconds and counts.
//! Errors: those of the parser.
//! Source: docs/performance.md, "Beside others".

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::case::CASES;
use super::contestant::contestants;

/// What to measure, and where to write it.
pub(crate) struct Options {
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) connections: u32,
    pub(crate) idle_connections: u32,
    /// Names of cases; empty means all.
    pub(crate) cases: Vec<String>,
    /// Names of contestants; empty means all. Floors always take part.
    pub(crate) peers: Vec<String>,
    /// `off`, `on` or `both`.
    pub(crate) log: String,
    pub(crate) gateway: Option<PathBuf>,
    pub(crate) generator: Option<PathBuf>,
    /// Results to report instead of measuring.
    pub(crate) from: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) html: Option<PathBuf>,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) document: Option<PathBuf>,
}

impl Options {
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
        .arg(crate::count(
            "rounds",
            "5",
            "Interleaved rounds in each case",
        ))
        .arg(crate::count(
            "seconds",
            "3",
            "Seconds of load per server and round",
        ))
        .arg(crate::count(
            "connections",
            "64",
            "Keep-alive connections of the load",
        ))
        .arg(crate::count(
            "idle-connections",
            "10000",
            "Connections held open in the idle cases",
        ))
        .arg(
            Arg::new("case")
                .long("case")
                .value_name("NAME")
                .action(ArgAction::Append)
                .value_parser(CASES.map(|case| case.name))
                .help("Only this case (repeatable); all without it"),
        )
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
        .arg(file(
            "gateway",
            "Measure this binary instead of building the product",
        ))
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

/// What was asked for.
pub(crate) fn options(matches: &ArgMatches) -> Options {
    let number = |name| *matches.get_one::<u32>(name).expect("it has a default");
    let path = |name| matches.get_one::<PathBuf>(name).cloned();
    let log: Option<&String> = matches.get_one("log");
    Options {
        rounds: number("rounds"),
        seconds: number("seconds"),
        connections: number("connections"),
        idle_connections: number("idle-connections"),
        cases: crate::names(matches, "case"),
        peers: crate::names(matches, "peer"),
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

fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help(help)
}
