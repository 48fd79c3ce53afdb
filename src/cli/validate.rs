//! `tidegate validate`: compile the documents and name every fault, serving nothing.
//!
//! Shape: its arguments are [`Inputs`]. Units: none. Errors: 3 when anything does not compile, or
//! the regions of the response cache find no room on this host.

use super::{Exit, inputs::Inputs};
use crate::process::{load, regions};
use clap::ArgMatches;
use std::process::ExitCode;
use tidegate_edge::base::text::counted;

/// Compiles and reports.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let sources = Inputs::read(given).sources();
    let mut loaded = load::load(&sources, 1);
    let configuration = &mut loaded.configuration;
    let plan = loaded.plan.take().and_then(|mut plan| {
        regions::check_room(&mut plan, &sources, configuration).then_some(plan)
    });
    loaded.print_report();
    let Some(plan) = plan else {
        return Exit::InvalidConfiguration.into();
    };
    let stages = plan.stages.iter().filter(|stage| !stage.is_canary);
    println!(
        "valid: {}, {}, {}, {}",
        counted(stages.count(), "stage"),
        counted(plan.routes.len(), "route"),
        counted(plan.origins.len(), "origin"),
        counted(plan.listeners.len(), "listener")
    );
    Exit::Ok.into()
}
