//! Time: a server that stalls, a generator that starves.
//!
//! Shape: the theory of each case stands beside it. Units: nanoseconds and seconds. Errors: as the
//! tests say. Source: Gil Tene, "How NOT to measure latency".

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tidegate_loadtest::options::Pace;

use crate::{
    SECOND, figures, options, run_whole,
    server::{Request, Server, answer, serve},
};

const STALL_FROM_S: f64 = 1.0;

/// Answers nothing for `stall_s` from its second second on, counted from its first request.
fn stalling(stall_s: f64) -> Server {
    let epoch: OnceLock<Instant> = OnceLock::new();
    serve(move |_: &Request| {
        let at = epoch.get_or_init(Instant::now).elapsed().as_secs_f64();
        if (STALL_FROM_S..STALL_FROM_S + stall_s).contains(&at) {
            thread::sleep(Duration::from_secs_f64(STALL_FROM_S + stall_s - at));
        }
        answer("200 OK", "", b"x")
    })
}

#[test]
fn a_stall_is_in_the_percentiles_as_theory_has_it() {
    let (stall_s, run_s) = (10.0, 12.0);
    let server = stalling(stall_s);
    let mut wanted = options(&server, 200.0, 12 * SECOND);
    wanted.connections = 48;
    wanted.timeout_ns = 30 * SECOND;
    let (_, outcome) = run_whole(&wanted);
    let latency = &outcome.total.latency;
    assert_eq!(outcome.total.counts.ok, 2400);
    // Starts are spread evenly; one at time t of the stall waits for the rest of it. So the share
    // 1 - stall/run waits not at all, and the others are spread evenly from nothing to the stall.
    for quantile in [0.6, 0.75, 0.9, 0.99] {
        let theory_s = run_s * (quantile - (1.0 - stall_s / run_s));
        let seen_s = latency.value_at_quantile(quantile) as f64 / 1e9;
        assert!(
            (seen_s / theory_s - 1.0).abs() < 0.01,
            "quantile {quantile}: {seen_s} s for {theory_s} s"
        );
    }
}

#[test]
fn a_closed_loop_hides_the_stall_and_says_so() {
    let server = stalling(4.0);
    let mut wanted = options(&server, 1.0, 6 * SECOND);
    wanted.connections = 2;
    wanted.pace = Pace::Closed {
        think_ns: 3_000_000,
    };
    let figures = figures(&wanted);
    assert_eq!(figures.plan.loop_kind, "closed");
    assert!(
        figures
            .findings
            .iter()
            .any(|finding| finding.kind == "closed")
    );
    // Two of its many requests met the stall: the 90th percentile knows nothing of it.
    assert!(
        figures.latency.max_ns > 3 * SECOND,
        "{}",
        figures.latency.max_ns
    );
    assert!(
        figures.latency.p90_ns < SECOND / 2,
        "{}",
        figures.latency.p90_ns
    );
}

#[test]
fn a_starved_generator_says_so() {
    let server = serve(|_: &Request| answer("200 OK", "", b"x"));
    let cpu = core_affinity::get_core_ids().expect("processors")[0];
    let stop = Arc::new(AtomicBool::new(false));
    let hogs: Vec<_> = (0..6)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                core_affinity::set_for_current(cpu);
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let mut wanted = options(&server, 20_000.0, 2 * SECOND);
    wanted.cpus = vec![cpu.id];
    let figures = figures(&wanted);
    stop.store(true, Ordering::Relaxed);
    for hog in hogs {
        hog.join().expect("no panic");
    }
    assert!(figures.generator_limited, "{:?}", figures.findings);
    let kinds: Vec<&str> = figures
        .findings
        .iter()
        .map(|finding| finding.kind.as_str())
        .collect();
    assert!(
        kinds.contains(&"starved") && kinds.contains(&"late"),
        "{kinds:?}"
    );
    assert!(figures.counts.late > 0);
}
