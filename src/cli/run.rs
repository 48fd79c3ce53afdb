//! `tidegate run`: serve until told to stop.
//!
//! Shape: its arguments are [`Inputs`]. Units: none. Errors: 3 for documents that do not compile,
//! 78 when the host refuses io_uring, 1 when an address cannot be bound.

use super::{inputs, inputs::Inputs};
use crate::process;
use clap::{ArgMatches, Command};
use std::process::ExitCode;

/// Adds the arguments.
pub(super) fn arguments(command: Command) -> Command {
    inputs::add(command).after_help(
        "Examples:
  tidegate run --api petstore.yaml
  tidegate run --config /etc/tidegate/tidegate.toml
  tidegate run --api petstore.yaml --listen 0.0.0.0:8080 --stage prod

Signals: HUP reloads, TERM drains and ends, USR1 reopens logs, USR2 upgrades.",
    )
}

/// Serves.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    process::run(&Inputs::read(given).sources()).into()
}
