//! `tidegate usage report | export | extend`: what was used, and what remains.
//!
//! Shape: [`read`] makes an [`Order`] of a command line. Units: requests; UTC days. Errors: those of
//! `store`, and 1 for a file that cannot be written.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::Value;
use tidegate_edge::base::text::counted;

use super::{
    Exit, print,
    store::{self, Asked, StorePlace},
};
use crate::store::{
    order::Order,
    period::{date_text, day_at, parse_date},
    usage::ReportOf,
};

/// Adds the commands and their arguments.
pub(super) fn arguments(command: Command) -> Command {
    let named = |name: &'static str, about: &'static str| {
        let plan = Arg::new("plan").value_name("PLAN").required(true);
        Command::new(name)
            .about(about)
            .arg(plan.help("Id of the usage plan"))
    };
    let report = days(named("report", "Show use by key and day"));
    let export = days(named("export", "Write use by key and day to a file"))
        .arg(
            Arg::new("format")
                .long("format")
                .value_parser(["csv", "json"])
                .default_value("csv")
                .help("One line a key and day, or API Gateway's shape"),
        )
        .arg(
            Arg::new("output")
                .long("output")
                .short('o')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write there [default: standard output]"),
        );
    let extend = named(
        "extend",
        "Set what a key has left in the window that is running",
    )
    .arg(
        Arg::new("key")
            .value_name("KEY")
            .required(true)
            .help("Id of the key"),
    )
    .arg(
        Arg::new("remaining")
            .long("remaining")
            .value_name("COUNT")
            .required(true)
            .value_parser(value_parser!(u64))
            .help("Requests that are left from now on"),
    );
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([report, export, extend].map(store::place))
        .after_help(
            "Examples:
  tidegate usage report k3yp1an001
  tidegate usage export k3yp1an001 --from 2025-04-01 --to 2025-04-30 -o april.csv
  tidegate usage extend k3yp1an001 f0yrv6abcd --remaining 500

Without --config and --store the running gateway is asked.",
        )
}

fn days(command: Command) -> Command {
    let day = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("DATE")
            .value_parser(date)
            .help(help)
    };
    let key = Arg::new("key").long("key").value_name("KEY");
    command
        .arg(day("from", "First day, as in 2025-04-01 [default: today]"))
        .arg(day(
            "to",
            "Last day, at most 90 days later [default: today]",
        ))
        .arg(key.help("Only of this key"))
}

fn date(text: &str) -> Result<String, String> {
    match parse_date(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("a date is needed, as in 2025-04-01".to_owned()),
    }
}

/// What to do.
pub(super) fn read(given: &ArgMatches) -> Option<(Order, StorePlace, bool)> {
    let (name, given) = given.subcommand()?;
    let text = |name: &str| given.get_one::<String>(name).cloned();
    let today = || date_text(day_at(store::now()));
    let order = match name {
        "report" | "export" => Order::Usage {
            of: ReportOf {
                plan: text("plan")?,
                start: text("from").unwrap_or_else(today),
                end: text("to").unwrap_or_else(today),
                key: text("key"),
            },
        },
        "extend" => Order::Extend {
            plan: text("plan")?,
            key: text("key")?,
            remaining: given.get_one("remaining").copied()?,
        },
        _ => return None,
    };
    Some((order, StorePlace::read(given), given.get_flag("json")))
}

/// Does it.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let Some((order, place, json)) = read(given) else {
        return Exit::Usage.into();
    };
    let asked = Asked {
        order,
        place,
        payload: Vec::new(),
        json,
    };
    match given.subcommand() {
        Some(("export", given)) => export(&asked, given),
        Some(("extend", _)) => store::execute(&asked, |value| {
            let remaining = value["remaining"].as_u64().unwrap_or(0);
            format!("{} left\n", counted(remaining, "request"))
        }),
        _ => store::execute(&asked, report),
    }
}

fn export(asked: &Asked, given: &ArgMatches) -> ExitCode {
    let value = match store::answer(asked) {
        Ok(value) => value,
        Err((exit, reason)) => {
            eprintln!("tidegate: {}", reason.trim_end());
            return exit.into();
        }
    };
    let is_json = asked.json
        || given
            .get_one::<String>("format")
            .is_some_and(|it| it == "json");
    let text = if is_json {
        format!("{value:#}\n")
    } else {
        csv(&value)
    };
    match given.get_one::<PathBuf>("output") {
        None => print!("{text}"),
        Some(path) => {
            if let Err(error) = fs::write(path, text) {
                eprintln!("tidegate: {}: {error}", path.display());
                return Exit::Failed.into();
            }
        }
    }
    Exit::Ok.into()
}

/// Key, date, used and remaining of every pair; what remains is empty where there is no quota.
fn rows(value: &Value) -> Vec<Vec<String>> {
    let start = value["startDate"]
        .as_str()
        .and_then(parse_date)
        .unwrap_or(0);
    let mut rows = Vec::new();
    for (key, days) in value["values"].as_object().into_iter().flatten() {
        let days = days.as_array().into_iter().flatten();
        for (day, pair) in (start..).zip(days) {
            let (used, remaining) = (print::plain(&pair[0]), print::plain(&pair[1]));
            rows.push(vec![key.clone(), date_text(day), used, remaining]);
        }
    }
    rows
}

fn report(value: &Value) -> String {
    print::table(&["KEY", "DATE", "USED", "REMAINING"], &rows(value))
}

fn csv(value: &Value) -> String {
    let plan = print::plain(&value["usagePlanId"]);
    let mut text = "usagePlanId,keyId,date,used,remaining\n".to_owned();
    for row in rows(value) {
        // Ids, dates and numbers: nothing in them needs quotes.
        text.push_str(&format!("{plan},{}\n", row.join(",")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_becomes_lines() {
        let value = json!({"usagePlanId": "p1", "startDate": "2025-04-30", "endDate": "2025-05-01",
            "values": {"k1": [[120, 4880], [0, 4880]], "k2": [[1, null], [0, null]]}});
        let expected = "usagePlanId,keyId,date,used,remaining\n\
            p1,k1,2025-04-30,120,4880\np1,k1,2025-05-01,0,4880\n\
            p1,k2,2025-04-30,1,\np1,k2,2025-05-01,0,\n";
        assert_eq!(csv(&value), expected);
        assert!(
            report(&value).contains("k1   2025-04-30  120   4880\n"),
            "{}",
            report(&value)
        );
    }
}
