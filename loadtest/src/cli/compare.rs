//! `tidegate-load compare A.json B.json`: what changed, and whether that may be.
//!
//! Shape: files in, a table out. Units: shares and percent. Errors: 5 when a threshold is missed,
//! 2 for files that are no results. Source: docs/load-testing.md, "Comparing".

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::{Exit, refuse};
use crate::{
    compare::{Rules, sides},
    report::figures::Figures,
};

/// Its arguments.
pub(super) fn arguments() -> Vec<Arg> {
    let file = |name: &'static str| {
        Arg::new(name)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
    };
    let also = |name, help| file(name).long(name).action(ArgAction::Append).help(help);
    let percent = |name: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("PERCENT")
            .value_parser(percent)
    };
    vec![
        file("a").required(true).help("A result, the one before"),
        file("b").required(true).help("A result, the one after"),
        also("also-a", "A further run of A (repeatable); three a side make runs the samples"),
        also("also-b", "A further run of B (repeatable)"),
        percent("margin").default_value("1").help("A change within it is none"),
        percent("confidence").default_value("99").help("Of the intervals"),
        Arg::new("threshold")
            .long("threshold")
            .value_name("MEASURE=PERCENT")
            .action(ArgAction::Append)
            .value_parser(threshold)
            .help("Exit status 5 when B is worse by more (repeatable): rate, mean, p50, p90, p99, server-cpu, own-cpu"),
    ]
}

/// Compares.
pub(super) fn execute(given: &ArgMatches) -> Exit {
    let share = |name, fallback| given.get_one::<f64>(name).copied().unwrap_or(fallback);
    let thresholds = given
        .get_many::<(String, f64)>("threshold")
        .unwrap_or_default();
    let rules = Rules {
        confidence: share("confidence", 0.99),
        margin: share("margin", 0.01),
        thresholds: thresholds.cloned().collect(),
    };
    if !(0.5..1.0).contains(&rules.confidence) {
        return refuse(Exit::Usage, &"--confidence is 50 to below 100");
    }
    let read = |first, rest| {
        let paths = given.get_many::<PathBuf>(first).into_iter().flatten();
        let more = given.get_many::<PathBuf>(rest).into_iter().flatten();
        paths
            .chain(more)
            .map(read)
            .collect::<Result<Vec<Figures>, String>>()
    };
    let (a, b) = match (read("a", "also-a"), read("b", "also-b")) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(why), _) | (_, Err(why)) => return refuse(Exit::Usage, &why),
    };
    match sides(&a, &b, &rules) {
        Ok(comparison) => {
            let _ = io::stdout()
                .lock()
                .write_all(comparison.to_text(&rules).as_bytes());
            if comparison.is_missed {
                Exit::Missed
            } else {
                Exit::Ok
            }
        }
        Err(why) => refuse(Exit::Usage, &why),
    }
}

fn read(path: &PathBuf) -> Result<Figures, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Figures::parse(&text).map_err(|why| format!("{}: {why}", path.display()))
}

fn percent(text: &str) -> Result<f64, String> {
    let digits = text.strip_suffix('%').unwrap_or(text);
    match digits.trim().parse::<f64>() {
        Ok(value) if (0.0..=1000.0).contains(&value) => Ok(value / 100.0),
        _ => Err("a share in percent, such as 5 or 5%".to_owned()),
    }
}

fn threshold(text: &str) -> Result<(String, f64), String> {
    let (name, most) = text
        .split_once('=')
        .ok_or("write MEASURE=PERCENT, such as p99=5%")?;
    Ok((name.trim().to_owned(), percent(most)?))
}
