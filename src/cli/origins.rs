//! `tidegate origins list | drain | undrain`: the origins of the running gateway.
//!
//! Shape: [`Origins`], an action on an admin socket. Units: none. Errors: 69 when no gateway
//! answers on the socket, 1 when it knows no such origin.

use super::{Exit, client};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::{path::PathBuf, process::ExitCode};
use tidegate_edge::origin::EndpointReport;

/// What to ask, of whom, and how to print the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origins {
    /// What to do.
    pub action: OriginsAction,
    /// The admin socket; the default one when absent.
    pub admin: Option<PathBuf>,
    /// Print JSON instead of a table.
    pub json: bool,
}

/// The two things to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OriginsAction {
    /// Every group and endpoint with its state.
    List,
    /// Send it nothing new, let what it has finish.
    Drain(Target),
    /// Use it again.
    Undrain(Target),
}

/// A whole origin group, or one endpoint of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Name of the group, as in `[origins.NAME]`.
    pub origin: String,
    /// Name of the endpoint; all of them when absent.
    pub endpoint: Option<String>,
}

impl Origins {
    /// Takes them from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Origins {
        let target = |given: &ArgMatches| given.get_one::<Target>("target").cloned();
        let (action, given) = match given.subcommand() {
            Some(("drain", given)) => (target(given).map(OriginsAction::Drain), given),
            Some(("undrain", given)) => (target(given).map(OriginsAction::Undrain), given),
            Some((_, given)) => (None, given),
            None => (None, given),
        };
        Origins {
            action: action.unwrap_or(OriginsAction::List),
            admin: given.get_one("admin").cloned(),
            json: given.get_flag("json"),
        }
    }
}

/// Adds the three commands and their arguments.
pub(super) fn arguments(command: Command) -> Command {
    let target = Arg::new("target")
        .value_name("NAME[/ENDPOINT]")
        .required(true)
        .value_parser(target)
        .help("Origin group, or one endpoint of it");
    let list = Command::new("list").about("Show every origin and endpoint with its state");
    let drain = Command::new("drain").about("Send nothing new there; let what runs finish");
    let undrain = Command::new("undrain").about("Use it again");
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(add(list))
        .subcommand(add(drain.arg(target.clone())))
        .subcommand(add(undrain.arg(target)))
        .after_help(
            "Examples:
  tidegate origins list
  tidegate origins list --json
  tidegate origins drain pets/eu-central-1
  tidegate origins undrain pets

An endpoint is named by its region or by its authority, as the list shows them.",
        )
}

/// Asks the running gateway.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let origins = Origins::read(given);
    let (method, path) = match &origins.action {
        OriginsAction::List => ("GET", "/origins".to_owned()),
        OriginsAction::Drain(target) => ("POST", target.path("drain")),
        OriginsAction::Undrain(target) => ("POST", target.path("undrain")),
    };
    let answer = match client::ask(origins.admin.as_deref(), method, &path) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("tidegate: {error}");
            return Exit::Unavailable.into();
        }
    };
    if answer.status != 200 {
        eprint!("tidegate: {}", answer.body);
        return Exit::Failed.into();
    }
    if origins.json {
        print!("{}", answer.body);
        return Exit::Ok.into();
    }
    let shown = match &origins.action {
        OriginsAction::List => serde_json::from_str(&answer.body).map(|rows: Vec<_>| table(&rows)),
        OriginsAction::Drain(target) => Ok(format!("{} is drained\n", target.text())),
        OriginsAction::Undrain(target) => Ok(format!("{} is in use again\n", target.text())),
    };
    match shown {
        Ok(text) => {
            print!("{text}");
            Exit::Ok.into()
        }
        Err(error) => {
            eprintln!("tidegate: the gateway's answer cannot be read: {error}");
            Exit::Failed.into()
        }
    }
}

/// The endpoints in columns.
fn table(reports: &[EndpointReport]) -> String {
    let head = [
        "ORIGIN",
        "REGION",
        "ENDPOINT",
        "PRIORITY",
        "WEIGHT",
        "STATE",
        "ADDRESSES",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(reports.iter().map(|report| {
        let addresses = report.addresses.iter().map(ToString::to_string);
        [
            report.origin.clone(),
            or_dash(&report.region),
            report.authority.clone(),
            report.priority.to_string(),
            report.weight.to_string(),
            state(report),
            or_dash(&addresses.collect::<Vec<_>>().join(",")),
        ]
    }));
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}

fn state(report: &EndpointReport) -> String {
    let mut words = Vec::new();
    if report.drained {
        words.push("drained".to_owned());
    }
    if !report.healthy {
        words.push("ill".to_owned());
    }
    if report.ejected_for_ms > 0 {
        words.push(format!(
            "ejected for {} s",
            report.ejected_for_ms.div_ceil(1000)
        ));
    }
    if words.is_empty() {
        words.push("in use".to_owned());
    }
    words.join(", ")
}

impl Target {
    fn path(&self, order: &str) -> String {
        let origin = client::encode(&self.origin);
        match &self.endpoint {
            Some(endpoint) => format!("/origins/{origin}/{}/{order}", client::encode(endpoint)),
            None => format!("/origins/{origin}/{order}"),
        }
    }

    fn text(&self) -> String {
        let endpoint = self.endpoint.iter().map(|name| format!("/{name}"));
        std::iter::once(self.origin.clone())
            .chain(endpoint)
            .collect()
    }
}

/// The argument that names the admin socket.
pub(super) fn admin() -> Arg {
    Arg::new("admin")
        .long("admin")
        .value_name("SOCKET")
        .value_parser(value_parser!(PathBuf))
        .help("Admin socket of the running gateway [default: the first of those it would choose]")
}

fn add(command: Command) -> Command {
    let json = Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Print JSON");
    command.arg(admin()).arg(json)
}

fn target(text: &str) -> Result<Target, String> {
    // An origin that nobody wrote down is named by its URL.
    let from = text.find("://").map_or(0, |at| at + "://".len());
    let (origin, endpoint) = match text.get(from..).and_then(|rest| rest.find('/')) {
        Some(at) => (&text[..from + at], text.get(from + at + 1..)),
        None => (text, None),
    };
    if origin.is_empty() || endpoint.is_some_and(str::is_empty) {
        return Err("NAME or NAME/ENDPOINT is needed, neither part empty".into());
    }
    Ok(Target {
        origin: origin.to_owned(),
        endpoint: endpoint.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_name_origins_and_endpoints() {
        let rows = [
            ("pets", Ok(("pets", None))),
            ("pets/eu", Ok(("pets", Some("eu")))),
            ("https://a:8443", Ok(("https://a:8443", None))),
            ("http://a/b:80", Ok(("http://a", Some("b:80")))),
            ("", Err(())),
            ("/eu", Err(())),
            ("pets/", Err(())),
        ];
        for (text, expected) in rows {
            let found = target(text);
            let found = found
                .as_ref()
                .map(|found| (&found.origin[..], found.endpoint.as_deref()));
            assert_eq!(found.map_err(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn the_table_says_how_each_endpoint_is() {
        let well = EndpointReport {
            origin: "pets".to_owned(),
            region: "eu".to_owned(),
            authority: "a.test:80".to_owned(),
            addresses: vec![([192, 0, 2, 1], 80).into()],
            priority: 0,
            weight: 100,
            healthy: true,
            drained: false,
            ejected_for_ms: 0,
            failures: 0,
        };
        let ill = EndpointReport {
            region: String::new(),
            addresses: Vec::new(),
            healthy: false,
            drained: true,
            ejected_for_ms: 1_500,
            ..well.clone()
        };
        let text = table(&[well, ill]);
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines[0],
            "ORIGIN REGION ENDPOINT PRIORITY WEIGHT STATE ADDRESSES"
        );
        assert_eq!(lines[1], "pets eu a.test:80 0 100 in use 192.0.2.1:80");
        assert_eq!(
            lines[2],
            "pets - a.test:80 0 100 drained, ill, ejected for 2 s -"
        );
    }
}
