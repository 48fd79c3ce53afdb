//! The real workers with a cache in a simulated world: few objects, many clients, failing origins.
//!
//! `TIDEGATE_SEED=n` replays one seed and prints its events; `TIDEGATE_SEEDS=n` changes how many
//! fresh ones run, `TIDEGATE_SEED_BASE=n` where they begin (default: a number made of the date).
//! Rows of `cached_seeds.txt` always run; `scripts/sim-cached.sh` runs more. A failure prints its
//! seed. Source: RELIABILITY sections 5 and 10.

use std::path::Path;

use tidegate_edge::sim::cached::{Figures, Report, simulate};

use crate::seeds::{campaign, caught, number};

const SEEDS: u64 = 500;

/// A run over a region of its own, in memory.
fn run(seed: u64, verbose: bool) -> Report {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder");
    simulate(seed, &folder.path().join("region"), verbose)
}

#[test]
fn every_seed_is_served_from_the_cache() {
    if let Some(seed) = number("TIDEGATE_SEED") {
        return replay(seed);
    }
    let file = include_str!("cached_seeds.txt");
    let (sums, count) = campaign((file, SEEDS), outcome, Figures::add);
    if count >= 200 {
        assert_is_rich(&sums, count);
    }
}

#[test]
fn a_seed_repeats_its_run() {
    for seed in 1..=8 {
        let traces = [false, true].map(|verbose| run(seed, verbose).trace);
        assert_eq!(traces[0], traces[1], "TIDEGATE_SEED={seed}");
    }
    assert_ne!(run(1, false).trace, run(2, false).trace);
}

/// A campaign in which nothing happens proves nothing.
fn assert_is_rich(sums: &Figures, count: u64) {
    let rows = [
        ("asked", sums.asked, 10 * count),
        ("answered", sums.answered, 10 * count),
        ("hits", sums.hits, 2 * count),
        ("collapsed", sums.collapsed, count / 2),
        ("renewed", sums.renewed, count / 4),
        ("parts", sums.parts, count / 2),
        ("changes", sums.changes, count / 2),
        ("left", sums.left, count / 4),
        ("failed", sums.failed, count),
        ("cut", sums.cut, count / 4),
        ("own", sums.own, count / 10),
        ("killed", sums.killed, count / 20),
        ("flushed", sums.flushed, count / 4),
    ];
    for (name, sum, least) in rows {
        assert!(sum >= least, "{name}: {sum} in {count} seeds");
    }
}

fn outcome(seed: u64) -> Result<Figures, String> {
    let report = caught(|| run(seed, false))?;
    match report.violation {
        Some(what) => Err(what),
        None => Ok(report.figures),
    }
}

fn replay(seed: u64) {
    let report = run(seed, true);
    for event in &report.events {
        println!("{event}");
    }
    println!("{:#?} trace {:x}", report.figures, report.trace);
    assert_eq!(report.violation, None, "TIDEGATE_SEED={seed}");
}
