//! Comparisons of generated runs: equal ones are never told apart, planted changes are found.
//!
//! Shape: runs whose intervals are drawn with noise that hangs together in time, as real ones do.
//! Units: shares. Errors: as the tests say. Source: docs/load-testing.md, "Comparing".

use std::slice::from_ref;

use tidegate_edge::base::prng::Prng;

use super::*;
use crate::{
    report::figures::{Cost, CountFigures, Distribution, PlanFigures, Rates},
    schedule::unit,
};

/// A run of 40 intervals around the given latency and cost.
fn run(seed: u64, latency_ns: f64, server_ns: f64) -> Figures {
    let mut prng = Prng::new(seed);
    let mut drift = 0.0;
    let intervals = (0..40u32).map(|index| {
        let mut noise = || (0..12).map(|_| unit(&mut prng)).sum::<f64>() - 6.0;
        drift = 0.6 * drift + 0.01 * noise();
        let latency_ns = latency_ns * (1.0 + drift + 0.01 * noise());
        let ok = 1000_u32;
        let server_ns = server_ns * (1.0 + 0.008 * noise() + drift / 2.0) * f64::from(ok);
        let whole = crate::worker::whole;
        IntervalFigures {
            start_s: f64::from(index) * 0.25,
            span_s: 0.25,
            scheduled: 1000,
            sent: 1000,
            ok: u64::from(ok),
            failed: 0,
            dropped: 0,
            mean_ns: latency_ns,
            p50_ns: whole(latency_ns),
            p90_ns: whole(latency_ns * 1.3),
            p99_ns: whole(latency_ns * (2.0 + 0.05 * noise())),
            p999_ns: whole(latency_ns * 3.0),
            max_ns: whole(latency_ns * 4.0),
            lateness_p99_ns: 1000,
            generator_cpu_ns: whole(4_000.0 * f64::from(ok) * (1.0 + 0.008 * noise())),
            server_cpu_ns: Some(whole(server_ns)),
        }
    });
    let cost = Cost {
        cpu_s: 1.0,
        cpu_us_per_answer: 1.0,
        busy_share: 0.1,
        waited_share: None,
    };
    Figures {
        format: crate::report::figures::FORMAT.to_owned(),
        label: String::new(),
        started_unix_ms: 0,
        host: crate::host::Host::default(),
        plan: PlanFigures {
            url: "http://localhost/".to_owned(),
            loop_kind: "open".to_owned(),
            arrivals: "even".to_owned(),
            rate_per_s: Some(4000.0),
            duration_s: 10.0,
            connections: 64,
            pipelining: 1,
            new_connections: false,
            tls: false,
            workers: 1,
            cpus: vec![],
            timeout_s: 10.0,
            requests: vec![],
        },
        elapsed_s: 10.0,
        stopped: false,
        counts: CountFigures::of_nothing(),
        rates: Rates {
            scheduled_per_s: 0.0,
            sent_per_s: 0.0,
            ok_per_s: 0.0,
            received_bytes_per_s: 0.0,
        },
        latency: Distribution::default(),
        service: Distribution::default(),
        lateness: Distribution::default(),
        intervals: intervals.collect(),
        generator: cost,
        server: Some(cost),
        generator_limited: false,
        findings: vec![],
    }
}

fn verdict_of(comparison: &Comparison, name: &str) -> Verdict {
    comparison
        .rows
        .iter()
        .find(|row| row.name == name)
        .expect("a row")
        .verdict
}

#[test]
fn equal_runs_are_never_told_apart() {
    let rules = Rules::default();
    let mut same = 0;
    for seed in 0..1000 {
        let (a, b) = (run(2 * seed, 1e6, 5e3), run(2 * seed + 1, 1e6, 5e3));
        let comparison = sides(&[a], &[b], &rules).expect("long enough");
        for row in &comparison.rows {
            let is_changed = matches!(row.verdict, Verdict::Better | Verdict::Worse);
            assert!(!is_changed, "seed {seed}: {} {:?}", row.name, row.change);
            same += usize::from(row.name == "own-cpu" && row.verdict == Verdict::Same);
        }
    }
    assert!(
        same > 100,
        "a verdict that never says anything is none: {same}"
    );
}

#[test]
fn a_planted_change_is_found_where_it_is() {
    let rules = Rules::default();
    let many = |seed: u64, latency, cost| -> Vec<Figures> {
        (0..8)
            .map(|n| run(seed * 1000 + n, latency, cost))
            .collect()
    };
    // Name of the measure, latency and cost of B, its verdict.
    let rows = [
        ("server-cpu", 1e6, 5e3 * 1.03, Verdict::Worse),
        ("server-cpu", 1e6, 5e3 * 0.97, Verdict::Better),
        ("p50", 1e6 * 1.03, 5e3, Verdict::Worse),
        ("p50", 1e6 * 0.97, 5e3, Verdict::Better),
        ("rate", 1e6 * 1.03, 5e3, Verdict::Same),
    ];
    for (name, latency, cost, verdict) in rows {
        let mut found = 0;
        for seed in 0..20 {
            let a = many(2 * seed, 1e6, 5e3);
            let b = many(2 * seed + 1, latency, cost);
            let comparison = sides(&a, &b, &rules).expect("long enough");
            found += usize::from(verdict_of(&comparison, name) == verdict);
        }
        assert!(
            found >= 19,
            "{name} {latency} {cost}: found in {found} of 20"
        );
    }
}

#[test]
fn one_run_a_side_finds_a_planted_change_of_cost() {
    let mut found = 0;
    for seed in 0..100 {
        let (a, b) = (run(2 * seed, 1e6, 5e3), run(2 * seed + 1, 1e6, 5e3 * 1.03));
        let comparison = sides(&[a], &[b], &Rules::default()).expect("long enough");
        found += usize::from(verdict_of(&comparison, "server-cpu") == Verdict::Worse);
    }
    assert!(found >= 90, "found in {found} of 100");
}

#[test]
fn thresholds_are_missed_by_what_is_worse() {
    let (a, b) = (run(1, 1e6, 5e3), run(2, 1.10e6, 5e3));
    let rules = |name: &str, most| Rules {
        thresholds: vec![(name.to_owned(), most)],
        ..Rules::default()
    };
    // Threshold, A, B, missed.
    let rows = [
        (rules("p50", 0.05), &a, &b, true),
        (rules("p50", 0.20), &a, &b, false),
        (rules("p50", 0.05), &b, &a, false),
        (rules("rate", 0.05), &a, &b, false),
    ];
    for (rules, a, b, missed) in rows {
        let comparison = sides(from_ref(a), from_ref(b), &rules).expect("long enough");
        assert_eq!(comparison.is_missed, missed, "{rules:?}");
        assert_eq!(
            comparison.to_text(&rules).contains("THRESHOLD MISSED"),
            missed
        );
    }
    let unknown = sides(from_ref(&a), from_ref(&b), &rules("p51", 0.1));
    assert_eq!(unknown.err(), Some(Fault::Unknown("p51".to_owned())));
    let mut short = a;
    short.intervals.truncate(5);
    assert_eq!(
        sides(&[short.clone()], &[short], &Rules::default()).err(),
        Some(Fault::Short(BATCHES + 2))
    );
}
