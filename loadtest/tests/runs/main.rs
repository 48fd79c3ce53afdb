//! Whole runs against servers of the tests, on loopback, bounded in time and count.
//!
//! Shape: `server` answers, the other modules load it and look at the outcome. Units: as named.
//! Errors: as the tests say. Source: docs/load-testing.md.
#![allow(clippy::disallowed_methods)] // These servers live on the host's clock and may sleep.

mod answers;
mod load;
mod peers;
mod planted;
mod results;
mod server;
mod timing;

use std::sync::{Arc, atomic::AtomicBool};

use tidegate_loadtest::{
    options::{Options, Pace},
    plan::Plan,
    report::figures::Figures,
    run::{self, Outcome},
};

const SECOND: u64 = 1_000_000_000;

/// Options for a short run against a server.
fn options(server: &server::Server, rate: f64, duration_ns: u64) -> Options {
    let mut options = Options::new(&format!("http://{}/", server.address));
    options.pace = Pace::Constant(rate);
    options.duration_ns = duration_ns;
    options.connections = 8;
    options
}

/// The one way the tests run a load.
fn run_whole(options: &Options) -> (Arc<Plan>, Outcome) {
    let plan = Arc::new(options.plan().expect("a plan"));
    let outcome = run::run(&plan, &Arc::new(AtomicBool::new(false)), &mut ()).expect("a run");
    (plan, outcome)
}

/// Its figures; every request must be accounted for.
fn figures(options: &Options) -> Figures {
    let (plan, outcome) = run_whole(options);
    let figures = Figures::of(&plan, &outcome);
    let counts = &figures.counts;
    assert_eq!(counts.scheduled, counts.sent + counts.dropped, "{counts:?}");
    assert_eq!(counts.sent, counts.ok + figures.failures(), "{counts:?}");
    figures
}
