//! `tidegate upgrade`: hand every listener of the running gateway to a new binary.
//!
//! Shape: [`Upgrade`], which gateway is meant. Units: none. Errors: 69 when that gateway is not
//! there, 1 when the new binary does not become ready (the old one keeps serving).

use super::{Exit, client, origins};
use clap::{Arg, ArgMatches, Command, parser::ValueSource, value_parser};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Which gateway to upgrade.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Upgrade {
    /// The one that answers on this admin socket, or on the default one.
    Admin(Option<PathBuf>),
    /// The one with this process id.
    Pid(i32),
}

impl Upgrade {
    /// Takes it from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Upgrade {
        match given.get_one("pid") {
            Some(pid) if given.value_source("pid") == Some(ValueSource::CommandLine) => {
                Upgrade::Pid(*pid)
            }
            _ => Upgrade::Admin(given.get_one("admin").cloned()),
        }
    }
}

/// Adds the arguments.
pub(super) fn arguments(command: Command) -> Command {
    let pid = Arg::new("pid")
        .long("pid")
        .value_name("PID")
        .conflicts_with("admin")
        .value_parser(value_parser!(i32).range(1..))
        .help("Process id of the running gateway, signalled with USR2");
    command.arg(origins::admin()).arg(pid).after_help(
        "Examples:
  tidegate upgrade
  tidegate upgrade --pid $(pidof tidegate)

The new process must become ready before the old one stops accepting; no request is lost.",
    )
}

/// Upgrades.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    match Upgrade::read(given) {
        Upgrade::Admin(admin) => ask(admin.as_deref()),
        Upgrade::Pid(pid) => signal(pid),
    }
}

fn ask(admin: Option<&Path>) -> ExitCode {
    match client::ask(admin, "POST", "/upgrade") {
        Ok(answer) => {
            let word = |key: &str| {
                let body: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
                let word = body.get(key)?;
                Some(
                    word.as_str()
                        .map_or_else(|| word.to_string(), str::to_owned),
                )
            };
            if answer.status == 200 {
                println!("process {} serves", word("pid").unwrap_or_default());
                return Exit::Ok.into();
            }
            let reason = word("reason").unwrap_or(answer.body.clone());
            eprintln!("tidegate: no upgrade: {}", reason.trim_end());
            Exit::Failed.into()
        }
        Err(error) => {
            eprintln!("tidegate: {error}");
            Exit::Unavailable.into()
        }
    }
}

/// Signals it; what comes of it stands in its own messages.
fn signal(pid: i32) -> ExitCode {
    // kill(1) keeps `unsafe` out of here, and is wherever a shell is.
    let sent = std::process::Command::new("kill")
        .args(["-USR2", &pid.to_string()])
        .status();
    match sent {
        Ok(status) if status.success() => {
            println!("process {pid} was told; its messages say what came of it");
            Exit::Ok.into()
        }
        _ => Exit::Unavailable.into(),
    }
}
