//! What: the command line of `wan`.
//! Shape: arguments in, [`Options`] out.
//! Units: as the help says.
//! Errors: those of the parser, and programs that are not there.
//! Source: docs/wan.md.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::case::{Distances, Session};
use super::load::Pace;
use super::world::Tools;
use crate::arguments;

/// What to measure, and on what.
pub(crate) struct Options {
    pub(crate) tools: Tools,
    /// What is to be compared with the simulator, in its smallest version.
    pub(crate) scenario: Option<PathBuf>,
    pub(crate) city: Option<String>,
    /// Where there is no scenario.
    pub(crate) distances: Distances,
    pub(crate) bits_per_s: Option<u64>,
    pub(crate) idle_restart: bool,
    pub(crate) sessions: Vec<Session>,
    pub(crate) sizes: Vec<u32>,
    pub(crate) pace: Pace,
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    /// What was asked for.
    pub(crate) fn read(matches: &ArgMatches) -> io::Result<Options> {
        let wanted = arguments::names(matches, "session");
        let is_wanted =
            |session: &Session| wanted.is_empty() || wanted.iter().any(|w| w == session.name());
        let rtts: &Rtts = matches.get_one("rtt-ms").expect("it has a default");
        let sizes = matches.get_many("body-bytes").expect("it has a default");
        let seconds = u64::from(arguments::number(matches, "seconds"));
        Ok(Options {
            tools: Tools {
                gateway: program(matches, "gateway", "tidegate")?,
                generator: program(matches, "load-generator", "tidegate-load")?,
            },
            scenario: arguments::path(matches, "scenario"),
            city: matches.get_one("city").cloned(),
            distances: rtts.0,
            bits_per_s: matches.get_one("mbit").map(|mbit: &u64| mbit * 1_000_000),
            idle_restart: matches.get_flag("idle-restart"),
            sessions: Session::ALL.into_iter().filter(is_wanted).collect(),
            sizes: sizes.copied().collect(),
            pace: Pace {
                rate: f64::from(arguments::number(matches, "rate")),
                warm_up: WARM_UP,
                counted: Duration::from_secs(seconds),
            },
            json: arguments::path(matches, "json"),
        })
    }
}

/// The parser.
pub(crate) fn command() -> Command {
    let all: Vec<&str> = Session::ALL.iter().map(|session| session.name()).collect();
    let names = <[&'static str; Session::ALL.len()]>::try_from(all).expect("as many");
    Command::new("wan")
        .about("The real gateways over lines with delays, in namespaces of their own")
        .args([
            Arg::new("scenario")
                .value_name("SCENARIO")
                .value_parser(value_parser!(PathBuf))
                .help("A scenario of `tidegate sim`; its smallest version is simulated and built"),
            Arg::new("city")
                .long("city")
                .value_name("NAME")
                .requires("scenario")
                .help("Where the clients are; else the largest city with an edge of its own"),
            Arg::new("rtt-ms")
                .long("rtt-ms")
                .value_name("A,B,C")
                .default_value("24,80,92")
                .value_parser(rtts)
                .conflicts_with("scenario")
                .help("Round trips: client to edge, edge to region, client to region"),
            Arg::new("mbit")
                .long("mbit")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..=100_000))
                .help("Rate of each line, either way; without it, packets leave at once"),
            Arg::new("idle-restart")
                .long("idle-restart")
                .action(ArgAction::SetTrue)
                .help("Windows shrink while connections rest, as is usual; here and in the simulation"),
            Arg::new("body-bytes")
                .long("body-bytes")
                .value_name("N,N,…")
                .value_delimiter(',')
                .default_value("1000,30000,150000")
                .value_parser(value_parser!(u32).range(1..=10_000_000))
                .help("Sizes of answers"),
            arguments::choice("session", names, "Only connections like that (repeatable)"),
            arguments::count("rate", "8", "Requests a second of each case"),
            arguments::count(
                "seconds",
                "12",
                "Time that is counted, for each kind of connection",
            ),
            arguments::gateway(),
            arguments::file(
                "load-generator",
                "The load generator; else the one beside this",
            ),
            arguments::file("json", "Write the figures here"),
        ])
}

/// Round trips as one argument has them.
#[derive(Clone)]
struct Rtts(Distances);

fn rtts(text: &str) -> Result<Rtts, String> {
    let one = |part: &str| {
        let wrong = || format!("{part:?} is no time in milliseconds, up to {RTT_MS_MAX}");
        let ms: f64 = part.trim().parse().map_err(|_| wrong())?;
        let fits = (0.0..=RTT_MS_MAX).contains(&ms);
        fits.then_some(ms).ok_or_else(wrong)
    };
    let parts: Vec<f64> = text.split(',').map(one).collect::<Result<_, String>>()?;
    let [client_edge, edge_region, client_region] = parts[..] else {
        return Err("three times, such as 24,80,92".to_owned());
    };
    Ok(Rtts(Distances {
        client_edge_ns: nanoseconds(client_edge),
        edge_region_ns: nanoseconds(edge_region),
        client_region_ns: nanoseconds(client_region),
    }))
}

fn nanoseconds(ms: f64) -> u64 {
    u64::try_from(Duration::from_secs_f64(ms / 1e3).as_nanos()).expect("below the greatest")
}

/// A program that was named, or lies beside this one.
fn program(matches: &ArgMatches, argument: &str, name: &str) -> io::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name(name);
    let path = arguments::path(matches, argument).unwrap_or(beside);
    if path.exists() {
        return Ok(path);
    }
    let path = path.display();
    Err(io::Error::other(format!(
        "no {path}; scripts/wan.sh builds it, --{argument} names another"
    )))
}

/// Caches fill and connections grow.
const WARM_UP: Duration = Duration::from_secs(4);
const RTT_MS_MAX: f64 = 2000.0;
