//! `tidegate validate`: compile the documents and name every fault, serving nothing.
//!
//! Shape: its arguments are [`Inputs`]. Units: none. Errors: 3 when anything does not compile.

use super::{Exit, inputs::Inputs};
use crate::process::load;
use clap::ArgMatches;
use std::process::ExitCode;

/// Compiles and reports.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let loaded = load::load(&Inputs::read(given).sources(), 1);
    loaded.print_report();
    let Some(plan) = loaded.plan else {
        return Exit::InvalidConfiguration.into();
    };
    println!(
        "valid: {} stages, {} routes, {} origins, {} listeners",
        plan.stages.len(),
        plan.routes.len(),
        plan.origins.len(),
        plan.listeners.len()
    );
    Exit::Ok.into()
}
