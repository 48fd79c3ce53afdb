//! What the commands that compile a plan read: one settings file, API documents, two overrides.
//!
//! Shape: [`Inputs`]. Units, ranges: paths are as given, relative to the working directory.
//! Errors: usage errors come from the parser; at least one of `--config` and `--api` is needed.

use crate::process::Sources;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use std::{net::SocketAddr, path::PathBuf};

/// Where `run` listens when neither the settings nor the command line say.
pub(super) const LISTEN_DEFAULT: &str = "127.0.0.1:8080";

/// The documents and overrides a plan is compiled from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inputs {
    /// The settings of this host, TOML.
    pub config: Option<PathBuf>,
    /// API documents, OpenAPI 3 or Swagger 2, in the order given.
    pub apis: Vec<PathBuf>,
    /// Listen here instead of where the settings say.
    pub listen: Option<SocketAddr>,
    /// The stage that `--api` documents are deployed to.
    pub stage: Option<String>,
}

impl Inputs {
    /// Takes them from a parsed command line.
    #[must_use]
    pub fn read(given: &ArgMatches) -> Inputs {
        Inputs {
            config: given.get_one("config").cloned(),
            apis: given
                .get_many("api")
                .map(|paths| paths.cloned().collect())
                .unwrap_or_default(),
            listen: given.get_one("listen").copied(),
            stage: given.get_one("stage").cloned(),
        }
    }
}

impl Inputs {
    /// The same, as the process takes it.
    #[must_use]
    pub fn sources(self) -> Sources {
        Sources {
            config: self.config,
            apis: self.apis,
            listen: self.listen,
            stage: self.stage,
        }
    }
}

/// Adds the four arguments, with the examples of `validate`.
pub(super) fn arguments(command: Command) -> Command {
    add(command).after_help(
        "Examples:
  tidegate validate --api petstore.yaml
  tidegate validate --config /etc/tidegate/tidegate.toml

All faults of a run are printed at once, each with file, line and a hint. Exit status 3 if any.",
    )
}

/// Adds the four arguments alone.
pub(super) fn add(command: Command) -> Command {
    command
        .arg(
            Arg::new("config")
                .long("config")
                .short('c')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Settings of this host (TOML)"),
        )
        .arg(
            Arg::new("api")
                .long("api")
                .short('a')
                .value_name("FILE")
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("API document: OpenAPI 3 or Swagger 2, YAML or JSON; may be repeated"),
        )
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDR")
                .value_parser(address)
                .help("Listen here, for example 0.0.0.0:8080 [default: 127.0.0.1:8080]"),
        )
        .arg(
            Arg::new("stage")
                .long("stage")
                .value_name("NAME")
                .value_parser(stage)
                .help("Stage of the --api documents [default: dev]"),
        )
        .group(
            ArgGroup::new("documents")
                .args(["config", "api"])
                .multiple(true)
                .required(true),
        )
}

/// An address with a port; a bare port would leave open who may connect.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("an IP address and a port are needed, as in {LISTEN_DEFAULT}"))
}

/// A stage name as the gateway allows it: letters, digits, hyphen and underscore, at most 128.
fn stage(text: &str) -> Result<String, String> {
    const STAGE_BYTES_MAX: usize = 128;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'$');
    if (1..=STAGE_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("a stage is named by 1 to 128 letters, digits, '-', '_' or '$'".into())
    }
}
