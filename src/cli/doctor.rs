//! `tidegate doctor`: examine this host and name the cure for whatever is amiss.
//!
//! Shape: arguments and settings into [`crate::doctor::Wanted`], findings out, as text or JSON.
//! Units: as the findings say. Errors: 1 when a finding fails, 3 when the settings cannot be read,
//! 78 when io_uring cannot work. Source: [`crate::doctor`] examines.

use super::{Exit, inputs};
use crate::{
    diagnostics::Colour,
    doctor::{self, Style, Wanted},
    settings,
};
use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource, value_parser};
use std::{io, io::IsTerminal, io::Write, net::SocketAddr, path::PathBuf, process::ExitCode};

/// The container profile that lets the ring through, as shipped.
const SECCOMP_PROFILE: &str = include_str!("../../configs/seccomp-io-uring.json");

/// Adds the arguments.
pub(super) fn arguments(command: Command) -> Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let listen = Arg::new("listen")
        .long("listen")
        .value_name("ADDR")
        .action(ArgAction::Append)
        .default_value(inputs::LISTEN_DEFAULT)
        .value_parser(inputs::address)
        .help("Address the gateway is to listen on; may be repeated");
    let config = Arg::new("config")
        .long("config")
        .short('c')
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Settings whose addresses and origins are meant, unless --listen says otherwise");
    let json = flag("json").help("Print JSON");
    let verbose = flag("verbose")
        .short('v')
        .help("Say why each finding matters, good ones too");
    let profile = flag("seccomp-profile")
        .conflicts_with_all(["json", "verbose", "config"])
        .help("Print a container seccomp profile that lets io_uring through, and end");
    let arguments = [config, listen, json, verbose, profile];
    command.args(arguments).after_help(
        "Examples:
  tidegate doctor
  tidegate doctor --config /etc/tidegate/tidegate.toml
  tidegate doctor --json --listen 0.0.0.0:443
  tidegate doctor --seccomp-profile > seccomp.json",
    )
}

/// Examines and prints.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let mut out = io::stdout().lock();
    if given.get_flag("seccomp-profile") {
        // A reader that left has what it wanted.
        let _ = out.write_all(SECCOMP_PROFILE.as_bytes());
        return Exit::Ok.into();
    }
    let wanted = match wanted(given) {
        Ok(wanted) => wanted,
        Err(exit) => return exit.into(),
    };
    let report = doctor::examine(&wanted);
    let text = if given.get_flag("json") {
        report.to_json()
    } else {
        report.to_text(Style {
            colour: out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
            verbose: given.get_flag("verbose"),
        })
    };
    let _ = out.write_all(text.as_bytes());
    let exit = if report.ring_refused {
        Exit::RingRefused
    } else if report.failed() {
        Exit::Failed
    } else {
        Exit::Ok
    };
    exit.into()
}

/// What the gateway is to do here, by the settings and the command line.
fn wanted(given: &ArgMatches) -> Result<Wanted, Exit> {
    let listen = given.get_many::<SocketAddr>("listen");
    let mut wanted = Wanted {
        listen: listen.map(|all| all.copied().collect()).unwrap_or_default(),
        ..Wanted::default()
    };
    let Some(path) = given.get_one::<PathBuf>("config") else {
        return Ok(wanted);
    };
    let loaded = settings::load(path);
    if !loaded.report.is_empty() {
        eprint!("{}", loaded.report.render(Colour::for_stderr()));
    }
    if loaded.report.has_errors() {
        return Err(Exit::InvalidConfiguration);
    }
    if given.value_source("listen") != Some(ValueSource::CommandLine) {
        // Sockets passed by the service manager (`fd:NAME`) are its business; `validate` names
        // addresses that are none.
        let addresses = loaded.settings.listen.iter();
        wanted.listen = addresses
            .filter_map(|listen| listen.address.parse().ok())
            .collect();
    }
    let origins = loaded.settings.origins.values();
    if let Some(most) = origins.map(|origin| origin.max_connections).max() {
        wanted.origin_connections_max = most;
    }
    Ok(wanted)
}
