//! `tidegate-load URL`: a run, and its results where they were asked for.
//!
//! Shape: plan, run, report. Units: none. Errors: 2 for what cannot be had, 69 when nobody
//! answers, 78 without io_uring, 1 for a file that cannot be written. Source: docs/load-testing.md.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use clap::ArgMatches;

use super::{Exit, options, refuse};
use crate::{
    limit::CLOSED_WARNING,
    plan::{Load, Plan},
    report::{
        figures::Figures,
        hlog, html,
        terminal::{Live, Style, summary},
    },
    run::{self, Fault, Outcome},
};

/// Runs and reports.
pub(super) fn execute(given: &ArgMatches) -> Exit {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let options = match options(given) {
        Ok(options) => options,
        Err(why) => return refuse(Exit::Usage, &why),
    };
    let plan = match options.plan() {
        Ok(plan) => Arc::new(plan),
        Err(why) => return refuse(Exit::Usage, &why),
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop));
        let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    if matches!(plan.load, Load::Closed { .. }) {
        eprintln!("tidegate-load: warning: {CLOSED_WARNING}");
    }
    let outcome = match execute_run(&plan, &stop, given.get_flag("quiet")) {
        Ok(outcome) => outcome,
        Err(why @ Fault::Unreachable(..)) => return refuse(Exit::Unavailable, &why),
        Err(why) => return refuse(Exit::Refused, &why),
    };
    let figures = Figures::of(&plan, &outcome);
    if let Err(error) = write_all(given, &plan, &outcome, &figures) {
        return refuse(Exit::Failed, &error);
    }
    if given.get_flag("fail-on-error") && (figures.failures() > 0 || figures.counts.dropped > 0) {
        return Exit::Failed;
    }
    Exit::Ok
}

fn execute_run(plan: &Arc<Plan>, stop: &Arc<AtomicBool>, is_quiet: bool) -> Result<Outcome, Fault> {
    if is_quiet {
        return run::run(plan, stop, &mut ());
    }
    let mut live = Live::new(plan, Style::detect());
    let outcome = run::run(plan, stop, &mut live);
    live.clear();
    outcome
}

fn write_all(
    given: &ArgMatches,
    plan: &Plan,
    outcome: &Outcome,
    figures: &Figures,
) -> io::Result<()> {
    let path = |name| given.get_one::<PathBuf>(name);
    let is_json_out = path("json").is_some_and(|path| path == Path::new("-"));
    if !is_json_out {
        let _ = io::stdout()
            .lock()
            .write_all(summary(figures, stdout_style()).as_bytes());
    }
    if let Some(file) = path("json") {
        write(file, figures.to_json().as_bytes())?;
    }
    if let Some(file) = path("html") {
        write(file, html::page(figures).as_bytes())?;
    }
    if let Some(file) = path("hlog") {
        let mut log = Vec::new();
        hlog::write(outcome, plan.interval_ns, &mut log)?;
        write(file, &log)?;
    }
    Ok(())
}

fn stdout_style() -> Style {
    let style = Style::detect();
    let is_terminal = io::IsTerminal::is_terminal(&io::stdout());
    Style {
        is_coloured: style.is_coloured && is_terminal,
        ..style
    }
}

fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if file == Path::new("-") {
        return io::stdout().lock().write_all(bytes);
    }
    fs::write(file, bytes).map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
}
