//! `tidegate keys …`: API keys.
//!
//! Shape: [`read`] makes an [`Order`] of a command line; `store` says where it goes. A value is
//! printed where a key is made and where it is asked for, and read from a file, never from the
//! command line, which others can see. Units: none. Errors: those of `store`, and 1 for a file that
//! cannot be read.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use serde_json::Value;
use tidegate_edge::base::text::counted;

use super::{
    Exit, print,
    store::{self, Asked, StorePlace},
};
use crate::store::{
    import::ImportOptions,
    keys::{KeyChange, KeyFilter, KeyValue, NewKey},
    order::Order,
};

/// Adds the commands and their arguments.
pub(super) fn arguments(command: Command) -> Command {
    let id = || {
        Arg::new("id")
            .value_name("KEY")
            .required(true)
            .help("Id of the key")
    };
    let create = texts(
        Command::new("create").about("Make a key and print its value"),
        true,
    )
    .arg(
        Arg::new("value-file")
            .long("value-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Take the value from this file, `-` is standard input [default: random]"),
    )
    .arg(flag(
        "disabled",
        "Calls with it are refused until it is enabled",
    ))
    .arg(
        Arg::new("plan")
            .long("plan")
            .value_name("PLAN")
            .action(ArgAction::Append)
            .help("Put it into this usage plan; may be repeated"),
    );
    let import = Command::new("import")
        .about("Make keys out of a CSV file, all or none")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("With a header that names at least Name and Key; `-` is standard input"),
        )
        .arg(flag(
            "fail-on-warnings",
            "Import nothing if a usage plan is missing",
        ));
    let list = Command::new("list")
        .about("List keys, the newest first")
        .arg(text("name-prefix", "TEXT", "Only names that begin so"))
        .arg(text("customer-id", "TEXT", "Only keys of this customer"))
        .arg(text("plan", "PLAN", "Only keys in this usage plan"))
        .arg(
            Arg::new("limit")
                .long("limit")
                .value_name("COUNT")
                .value_parser(value_parser!(u32))
                .help("At most so many"),
        )
        .arg(flag("show-values", "Print their values"));
    let show = Command::new("show")
        .about("Show a key")
        .arg(id())
        .arg(flag("show-value", "Print its value"));
    let update = texts(Command::new("update").about("Change a key"), false)
        .arg(id())
        .group(
            ArgGroup::new("change")
                .args(["name", "description", "customer-id", "tag"])
                .multiple(true)
                .required(true),
        );
    let one = |name: &'static str, about: &'static str| Command::new(name).about(about).arg(id());
    let rotate = Command::new("rotate").about("Make a new key file and encrypt every value anew");
    let all = [
        create,
        import,
        list,
        show,
        update,
        one("enable", "Let calls with a key in"),
        one("disable", "Refuse calls with a key"),
        one("delete", "Take a key away, and out of its plans"),
        rotate,
    ];
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(all.map(store::place))
        .after_help(
            "Examples:
  tidegate keys create --name 'Client A' --plan gold
  tidegate keys import clients.csv --config /etc/tidegate/tidegate.toml
  tidegate keys list --name-prefix Client
  tidegate keys disable f0yrv6abcd
  tidegate keys rotate

Without --config and --store the running gateway is asked.",
        )
}

fn texts(command: Command, is_new: bool) -> Command {
    let empty = if is_new { "" } else { "; empty takes it away" };
    command
        .arg(text("name", "TEXT", "Its name, at most 1024 characters").required(is_new))
        .arg(text("description", "TEXT", &format!("Free text{empty}")))
        .arg(text(
            "customer-id",
            "TEXT",
            &format!("The customer in another system{empty}"),
        ))
        .arg(
            Arg::new("tag")
                .long("tag")
                .value_name("NAME=VALUE")
                .action(ArgAction::Append)
                .value_parser(store::pair)
                .help(format!("A tag{empty}; may be repeated")),
        )
}

fn text(name: &'static str, value: &'static str, help: &str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name(value)
        .help(help.to_owned())
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// What to do, without the files that belong to it.
pub(super) fn read(given: &ArgMatches) -> Option<(Order, StorePlace, bool)> {
    let (name, given) = given.subcommand()?;
    let text = |name: &str| given.get_one::<String>(name).cloned();
    let tags = || {
        let pairs = given.get_many::<(String, String)>("tag");
        pairs
            .map(|pairs| pairs.cloned().collect())
            .unwrap_or_default()
    };
    let id = || text("id");
    let enabled = |enabled: bool| KeyChange {
        enabled: Some(enabled),
        ..KeyChange::default()
    };
    let order = match name {
        "create" => Order::CreateKey {
            key: NewKey {
                name: text("name")?,
                description: text("description"),
                customer_id: text("customer-id"),
                enabled: !given.get_flag("disabled"),
                tags: tags(),
                value: None,
            },
            plans: given
                .get_many("plan")
                .map(|plans| plans.cloned().collect())
                .unwrap_or_default(),
        },
        "import" => Order::ImportKeys {
            options: ImportOptions {
                fail_on_warnings: given.get_flag("fail-on-warnings"),
            },
        },
        "list" => Order::ListKeys {
            filter: KeyFilter {
                name_prefix: text("name-prefix"),
                customer_id: text("customer-id"),
                plan: text("plan"),
                limit: given.get_one("limit").copied(),
            },
            show_values: given.get_flag("show-values"),
        },
        "show" => Order::GetKey {
            id: id()?,
            show_value: given.get_flag("show-value"),
        },
        "update" => Order::UpdateKey {
            id: id()?,
            change: KeyChange {
                name: text("name"),
                description: text("description"),
                customer_id: text("customer-id"),
                enabled: None,
                tags: tags(),
            },
        },
        "enable" | "disable" => Order::UpdateKey {
            id: id()?,
            change: enabled(name == "enable"),
        },
        "delete" => Order::DeleteKey { id: id()? },
        "rotate" => Order::RotateKey,
        _ => return None,
    };
    Some((order, StorePlace::read(given), given.get_flag("json")))
}

/// Does it.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let Some((mut order, place, json)) = read(given) else {
        return Exit::Usage.into();
    };
    let payload = match with_files(&mut order, given) {
        Ok(payload) => payload,
        Err(reason) => {
            eprintln!("tidegate: {reason}");
            return Exit::Failed.into();
        }
    };
    let kind = order.clone();
    let asked = Asked {
        order,
        place,
        payload,
        json,
    };
    store::execute(&asked, |value| shown(&kind, value))
}

/// Reads the files that the command line names; gives the bytes that follow the order.
fn with_files(order: &mut Order, given: &ArgMatches) -> Result<Vec<u8>, String> {
    let file = |name: &str| {
        let (_, given) = given.subcommand()?;
        given.get_one::<PathBuf>(name)
    };
    match order {
        Order::CreateKey { key, .. } => {
            if let Some(path) = file("value-file") {
                let text = String::from_utf8(bytes_of(path)?)
                    .map_err(|_| format!("{} is no text", path.display()))?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                key.value = Some(KeyValue::new(text.to_owned()));
            }
            Ok(Vec::new())
        }
        Order::ImportKeys { .. } => file("file").map_or(Ok(Vec::new()), |path| bytes_of(path)),
        _ => Ok(Vec::new()),
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        fs::read(path).map(|read| bytes = read)
    };
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(bytes)
}

fn shown(order: &Order, value: &Value) -> String {
    match order {
        Order::ListKeys { show_values, .. } => list(value, *show_values),
        Order::ImportKeys { .. } => {
            let count = |name: &str| value[name].as_array().map_or(0, Vec::len);
            let mut text = format!("{} imported", counted(count("ids"), "key"));
            let updated = value["updated"].as_u64().unwrap_or(0);
            if updated > 0 {
                text.push_str(&format!(", {updated} of them were there before"));
            }
            text.push('\n');
            for warning in value["warnings"].as_array().into_iter().flatten() {
                text.push_str(&format!("warning: {}\n", print::plain(warning)));
            }
            text
        }
        Order::RotateKey => {
            let values = value["values"].as_u64().unwrap_or(0);
            format!("{} encrypted anew\n", counted(values, "value"))
        }
        Order::DeleteKey { id } => format!("{id} deleted\n"),
        _ => print::members(value),
    }
}

fn list(value: &Value, show_values: bool) -> String {
    let mut heading = vec!["ID", "NAME", "ENABLED", "CUSTOMER"];
    let mut fields = vec!["id", "name", "enabled", "customerId"];
    if show_values {
        heading.push("VALUE");
        fields.push("value");
    }
    let items = value["items"].as_array().into_iter().flatten();
    let rows: Vec<Vec<String>> = items
        .map(|key| {
            fields
                .iter()
                .map(|field| print::plain(&key[*field]))
                .collect()
        })
        .collect();
    print::table(&heading, &rows)
}
