//! Where the store is, and how `keys`, `plans` and `usage` reach it.
//!
//! What it is: an order goes to the running gateway over its admin socket, or is done here on the
//! files. With `--config` the store's lock decides: who has it is asked. Shape: [`StorePlace`];
//! [`execute`] does an order and prints the answer. Units: none. Errors: 69 when no gateway answers,
//! 3 for settings that cannot be read, 1 when the order was refused.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;
use tidegate_edge::base::time::Wall;

use super::{Exit, client, origins};
use crate::{
    deploy::{self, Refused},
    diagnostics::Colour,
    process::state_folder,
    settings,
    store::{self, Store, StoreError, order::Order},
};

/// Whose store it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StorePlace {
    /// The running gateway's, asked on this socket or on the default one.
    Running(Option<PathBuf>),
    /// That of these settings: asked of the gateway that has it open, else opened here.
    Settings(PathBuf),
    /// That in this folder, opened here.
    Folder(PathBuf),
}

impl StorePlace {
    /// Takes it from a parsed command line.
    pub(super) fn read(given: &ArgMatches) -> StorePlace {
        let path = |name: &str| given.get_one::<PathBuf>(name).cloned();
        match (path("store"), path("config")) {
            (Some(folder), _) => StorePlace::Folder(folder),
            (None, Some(config)) => StorePlace::Settings(config),
            (None, None) => StorePlace::Running(path("admin")),
        }
    }
}

/// Adds where the store is, and `--json`.
pub(super) fn place(command: Command) -> Command {
    let path = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    command
        .arg(origins::admin().conflicts_with_all(["store", "config"]))
        .arg(
            path(
                "config",
                "FILE",
                "The store of these settings, with or without a gateway",
            )
            .short('c')
            .conflicts_with("store"),
        )
        .arg(path(
            "store",
            "FOLDER",
            "The store in this folder, while no gateway runs",
        ))
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print JSON"),
        )
}

/// An order, where it goes, what goes with it, and how its answer is printed.
pub(super) struct Asked {
    pub(super) order: Order,
    pub(super) place: StorePlace,
    pub(super) payload: Vec<u8>,
    pub(super) json: bool,
}

/// Does it; `shown` makes text of the answer.
pub(super) fn execute(asked: &Asked, shown: impl FnOnce(&Value) -> String) -> ExitCode {
    match answer(asked) {
        Ok(value) => {
            if asked.json {
                println!("{value:#}");
            } else {
                print!("{}", shown(&value));
            }
            Exit::Ok.into()
        }
        Err((exit, reason)) => {
            eprintln!("tidegate: {}", reason.trim_end());
            exit.into()
        }
    }
}

/// Does it and gives the answer.
pub(super) fn answer(asked: &Asked) -> Result<Value, (Exit, String)> {
    match &asked.place {
        StorePlace::Running(admin) => ask(admin.as_deref(), asked),
        StorePlace::Folder(folder) => perform(folder, None, asked).map_err(failed),
        StorePlace::Settings(config) => {
            let loaded = settings::load(config);
            if loaded.report.has_errors() {
                eprint!("{}", loaded.report.render(Colour::for_stderr()));
                let reason = "the settings cannot be read".to_owned();
                return Err((Exit::InvalidConfiguration, reason));
            }
            let process = &loaded.settings.process;
            let folder = state_folder(process.state_dir.as_deref()).ok_or_else(|| {
                let reason = "the settings name no `[process] state_dir`, where the store would be";
                (Exit::Failed, reason.to_owned())
            })?;
            match perform(&folder, Some(config), asked) {
                Err(Refused::Store(StoreError::InUse(_))) => {
                    ask(loaded.settings.admin.socket.as_deref(), asked)
                }
                done => done.map_err(failed),
            }
        }
    }
}

fn failed(refused: Refused) -> (Exit, String) {
    (exit(refused.status()), refused.to_string())
}

/// What the caller sees of an order that was answered with `status`.
fn exit(status: u16) -> Exit {
    if status == deploy::CONFIGURATION {
        Exit::InvalidConfiguration
    } else {
        Exit::Failed
    }
}

fn ask(admin: Option<&Path>, asked: &Asked) -> Result<Value, (Exit, String)> {
    let message = asked.order.message(&asked.payload);
    let answer = client::send(admin, "POST", "/store", &message, ORDER_MAX)
        .map_err(|error| (Exit::Unavailable, error.to_string()))?;
    if answer.status != 200 {
        return Err((exit(answer.status), answer.body));
    }
    serde_json::from_str(&answer.body).map_err(|error| {
        let reason = format!("the gateway's answer cannot be read: {error}");
        (Exit::Failed, reason)
    })
}

fn perform(folder: &Path, config: Option<&Path>, asked: &Asked) -> Result<Value, Refused> {
    let opened = if asked.order.begins_store() {
        Some(Store::open(folder)?)
    } else {
        Store::open_existing(folder)?
    };
    let mut opened = opened.ok_or_else(|| StoreError::NoStore(folder.to_owned()))?;
    if let Order::Change(change) = &asked.order {
        return deploy::offline(&mut opened, config, change, &asked.payload, now());
    }
    let done = asked
        .order
        .perform(&mut opened, &asked.payload, None, now());
    Ok(done?)
}

/// The wall clock; there is no ring to ask.
#[allow(clippy::disallowed_methods)] // a command, not a core
pub(super) fn now() -> Wall {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Wall(since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }))
}

/// `NAME=VALUE`, for tags.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a name and a value are needed, as in team=billing".to_owned()),
    }
}

/// `API:STAGE`.
pub(super) fn stage(text: &str) -> Result<store::plans::ApiStage, String> {
    match text.split_once(':') {
        Some((api, stage)) if !api.is_empty() && !stage.is_empty() => Ok(store::plans::ApiStage {
            api: api.to_owned(),
            stage: stage.to_owned(),
        }),
        _ => Err("the id of an API and a stage are needed, as in petstore01:dev".to_owned()),
    }
}

/// Longest order: an import of a million keys.
const ORDER_MAX: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_tags_have_two_parts() {
        for text in ["", "a", ":b", "a:"] {
            assert!(stage(text).is_err(), "{text}");
        }
        assert_eq!(stage("a:b").map(|stage| stage.stage), Ok("b".to_owned()));
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("=b").is_err() && pair("a").is_err());
    }
}
