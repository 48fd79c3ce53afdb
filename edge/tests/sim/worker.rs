//! The real worker in a simulated world: clients, origins and faults drawn from seeds.
//!
//! `TIDEGATE_SEED=n` replays one seed and prints its events; `TIDEGATE_SEEDS=n` changes how many
//! fresh ones run, `TIDEGATE_SEED_BASE=n` where they begin (default: a number made of the date, so
//! that every day brings new ones). Rows of `seeds.txt` always run. A failure prints its seed.
//! Source: RELIABILITY section 10.

use tidegate_edge::sim::{Figures, simulate};

use crate::seeds::{campaign, caught, number};

const SEEDS: u64 = 2_000;

#[test]
fn every_seed_is_served() {
    if let Some(seed) = number("TIDEGATE_SEED") {
        return replay(seed);
    }
    let file = include_str!("seeds.txt");
    let (sums, count) = campaign((file, SEEDS), run, Figures::add);
    if count >= 500 {
        assert_is_rich(&sums, count);
    }
}

#[test]
fn a_seed_repeats_its_run() {
    let traces = |seed| (simulate(seed, false).trace, simulate(seed, true).trace);
    for seed in 1..=20 {
        let (first, second) = traces(seed);
        assert_eq!(first, second, "TIDEGATE_SEED={seed}");
    }
    assert_ne!(simulate(1, false).trace, simulate(2, false).trace);
}

/// A campaign in which nothing happens proves nothing.
fn assert_is_rich(sums: &Figures, count: u64) {
    let rows = [
        ("asked", sums.asked, 10),
        ("read whole", sums.read_whole, 5),
        ("answered", sums.answered, 5),
        ("own answers", sums.own, 1),
    ];
    for (name, sum, each) in rows {
        assert!(sum >= each * count, "{name}: {sum} in {count} seeds");
    }
    for (name, sum) in [
        ("cut", sums.cut),
        ("ended", sums.ended),
        ("repeated", sums.repeated),
    ] {
        assert!(sum >= count / 100, "{name}: {sum} in {count} seeds");
    }
}

fn run(seed: u64) -> Result<Figures, String> {
    let report = caught(|| simulate(seed, false))?;
    match report.violation {
        Some(what) => Err(what),
        None => Ok(report.figures),
    }
}

fn replay(seed: u64) {
    let report = simulate(seed, true);
    for event in &report.events {
        println!("{event}");
    }
    println!("{:#?} trace {:x}", report.figures, report.trace);
    assert_eq!(report.violation, None, "TIDEGATE_SEED={seed}");
}
