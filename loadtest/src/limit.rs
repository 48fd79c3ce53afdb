//! Whether the generator was the limit, before the server is blamed.
//!
//! What it is: findings from the figures of a run about the generator itself: late starts, its
//! processor, ports, file descriptors, buffers; and about the load, where it was not what was asked
//! for. Shape: an outcome in, [`Finding`]s out. Units: shares. Ranges: the marks are constants
//! below. Errors: none. Source: docs/load-testing.md, "Who is the limit".

use serde::{Deserialize, Serialize};
use tidegate_edge::base::text::counted;

use crate::{
    plan::{Load, Plan},
    recorder::Cause,
    run::Outcome,
};

/// Something to know before a figure is believed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// One word.
    pub kind: String,
    /// The generator was the limit; else it is about the load.
    pub is_generator: bool,
    /// What was seen, and what helps.
    pub text: String,
}

/// Share of starts that may be late.
const LATE_SHARE_MAX: f64 = 0.001;
/// Of the starts, the most that a worker may need to get to one.
const LATENESS_P99_MAX_NS: u64 = 1_000_000;
/// Share of the time that a worker may be on its processor.
const BUSY_SHARE_MAX: f64 = 0.9;
/// Share of the time that a worker may wait for its processor.
const STARVED_SHARE_MAX: f64 = 0.1;
/// Share of starts that may wait for a connection.
const WAITED_SHARE_MAX: f64 = 0.01;

/// Looks for what limited the run.
#[must_use]
pub fn findings(plan: &Plan, outcome: &Outcome) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut own = |kind: &str, text: String| {
        found.push(Finding {
            kind: kind.to_owned(),
            is_generator: true,
            text,
        });
    };
    let total = &outcome.total;
    let counts = &total.counts;
    let workers = plan.workers() as f64;
    let time_ns = outcome.elapsed_ns.max(1) as f64 * workers;
    let is_open = matches!(plan.load, Load::Open(_));
    let late = share(counts.late, counts.scheduled);
    let lateness_ns = total.lateness.value_at_quantile(0.99);
    if is_open && (late > LATE_SHARE_MAX || lateness_ns > LATENESS_P99_MAX_NS) {
        own(
            "late",
            format!(
                "{:.2} % of the starts were handled late by the generator (p99 {:.3} ms): latencies hold \
             its own delay. Lower the rate, add --cpus, or free its processor",
                late * 100.0,
                lateness_ns as f64 / 1e6
            ),
        );
    }
    let busy = total.cpu_ns as f64 / time_ns;
    if busy > BUSY_SHARE_MAX {
        own(
            "cpu",
            format!(
                "its {} spent {:.0} % of the time at work: add --cpus",
                counted(workers, "worker"),
                busy * 100.0
            ),
        );
    }
    let starved = total.cpu_waited_ns as f64 / time_ns;
    if starved > STARVED_SHARE_MAX {
        own(
            "starved",
            format!(
                "its workers waited {:.0} % of the time for a processor that others used: keep the \
             server and the generator on processors of their own",
                starved * 100.0
            ),
        );
    }
    let failed = |cause: Cause| counts.failed[cause as usize];
    if failed(Cause::Ports) > 0 {
        own(
            "ports",
            format!(
                "{} found no free local port: see net.ipv4.ip_local_port_range and \
             tcp_tw_reuse, or keep connections",
                counted(failed(Cause::Ports), "connection")
            ),
        );
    }
    if failed(Cause::Files) > 0 {
        own(
            "files",
            format!(
                "{} found no free file descriptor: raise ulimit -n",
                counted(failed(Cause::Files), "connection")
            ),
        );
    }
    if failed(Cause::Buffers) + counts.starved > 0 {
        own(
            "buffers",
            format!(
                "its receive buffers ran out {}: fewer connections or smaller answers for each \
             worker",
                counted(failed(Cause::Buffers) + counts.starved, "time")
            ),
        );
    }
    about_load(plan, outcome, &mut found);
    found
}

fn about_load(plan: &Plan, outcome: &Outcome, found: &mut Vec<Finding>) {
    let mut note = |kind: &str, text: String| {
        found.push(Finding {
            kind: kind.to_owned(),
            is_generator: false,
            text,
        });
    };
    let counts = &outcome.total.counts;
    match &plan.load {
        Load::Closed { .. } => note("closed", CLOSED_WARNING.to_owned()),
        Load::Open(_) if share(counts.waited, counts.scheduled) > WAITED_SHARE_MAX => {
            note(
                "connections",
                format!(
                    "{:.1} % of the starts waited for a free connection; their wait is in the latency. \
                 If the server should have kept up, raise --connections",
                    share(counts.waited, counts.scheduled) * 100.0
                ),
            );
        }
        Load::Open(_) => {}
    }
    if counts.dropped > 0 {
        note(
            "dropped",
            format!(
                "{} found no connection until the end, which no latency holds",
                counted(counts.dropped, "start")
            ),
        );
    }
    if counts.scheduled >= plan.requests_max {
        note(
            "count",
            format!("stopped at --requests-max {}", plan.requests_max),
        );
    }
    if cfg!(debug_assertions) {
        note(
            "debug",
            "a debug build: its own cost is several times that of a release".to_owned(),
        );
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// What a closed loop hides.
pub const CLOSED_WARNING: &str = "closed loop: each connection waits for its answer before it asks \
    again, so while the server stalls nothing is asked, and the requests that real clients would \
    have made meanwhile are missing from the percentiles. Use a rate to see them";
