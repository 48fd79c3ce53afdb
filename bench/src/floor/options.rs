//! What: the command line of `floor`.
//! Shape: arguments in, [`Options`] out.
//! Units: seconds and counts.
//! Errors: those of the parser.
//! Source: docs/performance.md.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};

use crate::arguments::{self, choice, count, file, number, path};
use crate::ring::Sizes;

/// What to measure and how long.
pub(super) struct Options {
    pub(super) rounds: u32,
    pub(super) seconds: u32,
    pub(super) connections: u32,
    pub(super) idle_connections: u32,
    /// Names from [`CASE_NAMES`]; empty means all but `responder`.
    pub(super) cases: Vec<String>,
    pub(super) peers: Vec<String>,
    /// A server to profile instead of measuring.
    pub(super) perf: Option<String>,
    pub(super) gateway: Option<PathBuf>,
    pub(super) json: Option<PathBuf>,
    pub(super) sizes: Sizes,
}

impl Options {
    /// What was asked for.
    pub(super) fn read(matches: &ArgMatches) -> Options {
        Options {
            rounds: number(matches, "rounds"),
            seconds: number(matches, "seconds"),
            connections: number(matches, "connections"),
            idle_connections: number(matches, "idle-connections"),
            cases: arguments::names(matches, "case"),
            peers: arguments::names(matches, "peers"),
            perf: matches.get_one::<String>("perf").cloned(),
            gateway: path(matches, "gateway"),
            json: path(matches, "json"),
            sizes: arguments::sizes(matches),
        }
    }
}

/// The parser.
pub(crate) fn command() -> Command {
    Command::new("floor")
        .about("CPU per proxied request beside the bare relay, and memory per idle connection")
        .arg(count("rounds", "5", "Interleaved rounds over all cases"))
        .arg(count("seconds", "3", "Seconds of load per case and round"))
        .arg(count(
            "connections",
            "64",
            "Keep-alive connections of the load",
        ))
        .arg(count(
            "idle-connections",
            "4000",
            "Connections held open for the idle figure",
        ))
        .arg(choice(
            "case",
            CASE_NAMES,
            "Only this case (repeatable); all without it",
        ))
        .arg(choice("peers", ["nginx"], "Measure this rival too"))
        .arg(
            Arg::new("perf")
                .long("perf")
                .value_name("SERVER")
                .num_args(0..=1)
                .default_missing_value("proxy")
                .help("Profile one server under load instead of measuring: proxy, relay, nginx …"),
        )
        .args(arguments::buffers())
        .arg(arguments::gateway())
        .arg(file("json", "Write the figures here"))
}

/// What `--case` takes.
const CASE_NAMES: [&str; 12] = [
    "proxy",
    "proxy_log",
    "proxy_tls",
    "proxy_64k",
    "hit",
    "hit_log",
    "hit_tls",
    "refused",
    "limited",
    "mapped",
    "idle",
    "responder",
];
