//! `tidegate canary set | promote | remove`: a share of a stage's requests, served otherwise.
//!
//! Shape: an [`Order`]. Units: percent. Errors: as those of `deploy`.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use super::{Exit, deploy, store};
use crate::store::{deployments::Change, order::Order};

/// Reads the command line.
pub(super) fn read(given: &ArgMatches) -> Option<Order> {
    let (name, given) = given.subcommand()?;
    let change = match name {
        "set" => Change::SetCanary {
            percent: given.get_one::<f64>("percent").copied(),
            deployment: given.get_one::<String>("deployment").cloned(),
            variables: deploy::variables(given),
            use_stage_cache: match (
                given.get_flag("use-stage-cache"),
                given.get_flag("own-cache"),
            ) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            },
        },
        "promote" => Change::PromoteCanary,
        "remove" => Change::RemoveCanary,
        _ => return None,
    };
    deploy::order(given, change)
}

/// Adds the three commands.
pub(super) fn arguments(command: Command) -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    let deployment = Arg::new("deployment")
        .long("deployment")
        .value_name("DEPLOYMENT")
        .help("What it serves [default, for a new one: what the stage serves]");
    let own = flag(
        "own-cache",
        "Keep its answers apart from those of the stage",
    );
    let set = Command::new("set")
        .about("Change the canary of a stage, or make one")
        .arg(deploy::percent(
            "percent",
            "Share of the requests, for example 10.5",
        ))
        .arg(deployment)
        .arg(deploy::variable())
        .arg(flag(
            "use-stage-cache",
            "Keep its answers together with those of the stage",
        ))
        .arg(own.conflicts_with("use-stage-cache"))
        .group(
            ArgGroup::new("what")
                .args([
                    "percent",
                    "deployment",
                    "variable",
                    "use-stage-cache",
                    "own-cache",
                ])
                .multiple(true)
                .required(true),
        );
    let promote = Command::new("promote")
        .about("Let the stage serve what its canary serves, with its variables");
    let remove = Command::new("remove").about("Take the canary away");
    let commands = [set, promote, remove];
    command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(commands.map(|command| store::place(deploy::stage(command))))
        .after_help(
            "Examples:
  tidegate canary set --api pets --stage prod --percent 10.5
  tidegate canary promote --api pets --stage prod
  tidegate canary remove --api pets --stage prod",
        )
}

/// Does it.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let Some((order, (_, given))) = read(given).zip(given.subcommand()) else {
        return Exit::Usage.into();
    };
    deploy::ask(given, order, Vec::new(), deploy::shown)
}
