//! `tidegate demo`: two embedded origins, the gateway before them, and a ready API.
//!
//! Shape: [`Demo`]. Units: a TCP port, 0 lets the kernel choose. Errors: 1 when the port is
//! taken, 78 when the host refuses io_uring. Source: [`crate::demo`] does it.

use clap::{Arg, ArgMatches, Command, value_parser};
use std::process::ExitCode;

/// How to run the demo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Demo {
    /// The gateway's port on 127.0.0.1, 0 lets the kernel choose; none: 8080 if it is free.
    pub port: Option<u16>,
}

impl Demo {
    /// Takes it from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Demo {
        Demo {
            port: given.get_one("port").copied(),
        }
    }
}

/// Adds the arguments.
pub(super) fn arguments(command: Command) -> Command {
    let port = Arg::new("port")
        .long("port")
        .value_name("N")
        .value_parser(value_parser!(u16))
        .help(
            "Port on 127.0.0.1; 0 lets the kernel choose [default: 8080, or any when it is taken]",
        );
    command.arg(port).after_help(
        "Examples:
  tidegate demo
  tidegate demo --port 9000",
    )
}

/// Serves the demo.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    crate::demo::run(Demo::read(given).port).into()
}
