//! `tidegate deploy | deployments | rollback`: documents into stages, and back.
//!
//! What it is: a change goes to the running gateway, which serves it once it has been tried, or is
//! made in the store's files, whence the next start takes it. Shape: an [`Order`] and its bytes.
//! Units: percent. Errors: 3 for a document that cannot be served, with every fault in its place;
//! 69 when no gateway answers, 1 when the order was refused.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;

use super::{
    Exit, print,
    store::{self, Asked, StorePlace},
};
use crate::store::{
    deployments::{Change, StageChange, Variables},
    order::Order,
};

/// A deployment to be made.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Deploy {
    file: PathBuf,
    order: Order,
}

/// Reads `deploy`.
pub(super) fn read(given: &ArgMatches) -> Option<Deploy> {
    let file = given.get_one::<PathBuf>("file")?.clone();
    let change = Change::Deploy {
        name: file.display().to_string(),
        description: given.get_one::<String>("description").cloned(),
        variables: variables(given),
        canary: given.get_one::<f64>("canary").copied(),
    };
    Some(Deploy {
        file,
        order: order(given, change)?,
    })
}

/// `change` of the stage that the command line names.
pub(super) fn order(given: &ArgMatches, change: Change) -> Option<Order> {
    Some(Order::Change(StageChange {
        api: given.get_one::<String>("api")?.clone(),
        stage: given.get_one::<String>("stage")?.clone(),
        change,
    }))
}

/// `--variable`, as often as it was given.
pub(super) fn variables(given: &ArgMatches) -> Variables {
    let given = given.get_many::<(String, String)>("variable");
    given.unwrap_or_default().cloned().collect()
}

/// Adds `--api` and `--stage`.
pub(super) fn stage(command: Command) -> Command {
    let name = Arg::new("stage")
        .long("stage")
        .value_name("NAME")
        .required(true);
    command.arg(api()).arg(name.help("Its stage"))
}

fn api() -> Arg {
    Arg::new("api")
        .long("api")
        .value_name("ID")
        .required(true)
        .help("Id of the API")
}

/// `--variable NAME=VALUE`.
pub(super) fn variable() -> Arg {
    Arg::new("variable")
        .long("variable")
        .value_name("NAME=VALUE")
        .action(ArgAction::Append)
        .value_parser(store::pair)
        .help("Set a stage variable; NAME= takes it away")
}

/// Percent of the requests.
pub(super) fn percent(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("PERCENT")
        .value_parser(value_parser!(f64))
        .help(help)
}

/// Adds the arguments of `deploy`.
pub(super) fn arguments(command: Command) -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("API document: OpenAPI 3 or Swagger 2, YAML or JSON");
    let description = Arg::new("description")
        .long("description")
        .value_name("TEXT")
        .help("What is new, for people");
    let canary = percent(
        "canary",
        "Only to the canary, which gets so much of the requests",
    );
    let command = stage(command.arg(file)).arg(description).arg(variable());
    store::place(command.arg(canary)).after_help(
        "Examples:
  tidegate deploy pets.yaml --api pets --stage prod --description 'faster search'
  tidegate deploy pets.yaml --api pets --stage prod --canary 10.5
  tidegate deploy pets.yaml --api pets --stage prod --config tidegate.toml",
    )
}

/// Deploys.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let Some(Deploy { file, order }) = read(given) else {
        return Exit::Usage.into();
    };
    match fs::read(&file) {
        Ok(payload) => ask(given, order, payload, shown),
        Err(error) => {
            eprintln!("tidegate: {}: {error}", file.display());
            Exit::InvalidConfiguration.into()
        }
    }
}

/// Does `order` where the command line says.
pub(super) fn ask(
    given: &ArgMatches,
    order: Order,
    payload: Vec<u8>,
    shown: impl FnOnce(&Value) -> String,
) -> ExitCode {
    let asked = Asked {
        order,
        place: StorePlace::read(given),
        payload,
        json: given.get_flag("json"),
    };
    store::execute(&asked, shown)
}

/// A stage as it is now.
pub(super) fn shown(stage: &Value) -> String {
    print::members(stage)
}

/// Reads `deployments`.
pub(super) fn read_list(given: &ArgMatches) -> Option<Order> {
    let api = given.get_one::<String>("api")?.clone();
    let id = |name: &str| given.get_one::<String>(name).cloned();
    Some(match (id("delete"), id("document")) {
        (Some(id), _) => Order::DeleteDeployment { api, id },
        (None, Some(id)) => Order::Document { api, id },
        (None, None) => Order::Deployments { api },
    })
}

/// Adds the arguments of `deployments`.
pub(super) fn list_arguments(command: Command) -> Command {
    let one = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("DEPLOYMENT")
            .help(help)
    };
    let document = one("document", "Print the document of this one");
    let delete = one("delete", "Take this one away, which no stage may use");
    store::place(
        command
            .arg(api())
            .arg(document)
            .arg(delete.conflicts_with("document")),
    )
    .after_help(
        "Examples:
  tidegate deployments --api pets
  tidegate deployments --api pets --document 7y2k5x9q1b > pets.yaml
  tidegate deployments --api pets --delete 7y2k5x9q1b",
    )
}

/// Lists deployments, prints or deletes one.
pub(super) fn execute_list(given: &ArgMatches) -> ExitCode {
    let Some(order) = read_list(given) else {
        return Exit::Usage.into();
    };
    let shown = match order {
        Order::Document { .. } => |value: &Value| store_text(value, "text"),
        Order::Deployments { .. } => shown_list,
        _ => shown,
    };
    ask(given, order, Vec::new(), shown)
}

fn store_text(value: &Value, member: &str) -> String {
    let text = value.get(member).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn shown_list(value: &Value) -> String {
    let rows = |name: &str| value.get(name).and_then(Value::as_array).cloned();
    let cell = |row: &Value, name: &str| print::plain(row.get(name).unwrap_or(&Value::Null));
    let stages = rows("stages").unwrap_or_default();
    let used = |id: &str| -> String {
        let names = stages.iter().filter_map(|stage| {
            let name = cell(stage, "stageName");
            if cell(stage, "deploymentId") == id {
                return Some(name);
            }
            let canary = stage.get("canarySettings")?;
            (cell(canary, "deploymentId") == id)
                .then(|| format!("{name} {} %", cell(canary, "percentTraffic")))
        });
        names.collect::<Vec<_>>().join(", ")
    };
    let deployments = rows("items").unwrap_or_default();
    let lines: Vec<Vec<String>> = deployments
        .iter()
        .map(|row| {
            let id = cell(row, "id");
            let created = row.get("createdMs").and_then(Value::as_u64).unwrap_or(0);
            vec![
                id.clone(),
                crate::store::period::time_text(created),
                cell(row, "document"),
                used(&id),
                cell(row, "description"),
            ]
        })
        .collect();
    print::table(
        &["ID", "CREATED", "DOCUMENT", "STAGES", "DESCRIPTION"],
        &lines,
    )
}

/// Reads `rollback`.
pub(super) fn read_rollback(given: &ArgMatches) -> Option<Order> {
    let deployment = given.get_one::<String>("deployment").cloned();
    order(given, Change::Rollback { deployment })
}

/// Adds the arguments of `rollback`.
pub(super) fn rollback_arguments(command: Command) -> Command {
    let deployment = Arg::new("deployment")
        .value_name("DEPLOYMENT")
        .help("Which one [default: what the stage served before]");
    store::place(stage(command.arg(deployment))).after_help(
        "Examples:
  tidegate rollback --api pets --stage prod
  tidegate rollback 7y2k5x9q1b --api pets --stage prod",
    )
}

/// Rolls back.
pub(super) fn execute_rollback(given: &ArgMatches) -> ExitCode {
    match read_rollback(given) {
        Some(order) => ask(given, order, Vec::new(), shown),
        None => Exit::Usage.into(),
    }
}
