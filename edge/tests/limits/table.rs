//! The table of buckets from outside: the bound on grants, restarts, damage, threads, processes.
//!
//! What it is: properties over random arrivals, clocks that differ from core to core and reloads
//! with other rates, each against every window of the grants; then real threads and two real
//! processes on one file. Shape: clocks are numbers that the test draws. Units: nanoseconds.
//! Errors: a failing property prints its case. Source: RELIABILITY section 6.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use proptest::prelude::*;
use tidegate_edge::{
    base::time::Mono,
    limits::{Ask, Identity, Level, Limit, Rate, Table, TableOptions},
};

const SECOND: u64 = 1_000_000_000;

fn limit(per_s: f64, burst: u32) -> Limit {
    Limit::new(Rate::new(per_s, burst).expect("a rate")).expect("a limit")
}

fn identity(number: u64) -> Identity {
    Identity::of(Level::UsageKey.scope(&[1]), number)
}

fn take(table: &Table, limit: &Limit, now: u64) -> bool {
    let place = table.place(identity(1)).expect("a place");
    let ask = Ask { place, limit };
    table.take(Mono(now), &[ask]).is_ok()
}

/// The first window with more grants than `micro_per_s` and `burst` allow.
fn beyond(grants: &[u64], micro_per_s: u64, burst: u32) -> Option<(u64, u64, usize)> {
    let mut sorted = grants.to_vec();
    sorted.sort_unstable();
    for (i, from) in sorted.iter().enumerate() {
        for (j, to) in sorted.iter().enumerate().skip(i) {
            let count = (j - i + 1) as u128;
            // Both sides in millionths of a token times nanoseconds.
            let most = u128::from(burst) * 1_000_000 * u128::from(SECOND)
                + u128::from(micro_per_s) * u128::from(to - from);
            if count * 1_000_000 * u128::from(SECOND) > most {
                return Some((*from, *to, j - i + 1));
            }
        }
    }
    None
}

/// A bucket as one would explain it: tokens come back evenly, each request takes one.
struct Slow {
    tokens_nanos: u128,
    at: u64,
}

impl Slow {
    /// Tokens count in parts of `SECOND * 1_000_000`.
    const ONE: u128 = 1_000_000 * SECOND as u128;

    fn take(&mut self, rate: Rate, now: u64) -> bool {
        let back = u128::from(now - self.at) * u128::from(rate.micro_per_s);
        self.tokens_nanos = (self.tokens_nanos + back).min(u128::from(rate.burst) * Slow::ONE);
        self.at = now;
        let has = self.tokens_nanos >= Slow::ONE;
        if has {
            self.tokens_nanos -= Slow::ONE;
        }
        has
    }
}

/// Gaps between requests: mostly short, some long.
fn gaps() -> impl Strategy<Value = Vec<u64>> {
    let gap = prop_oneof![
        4 => 0..2_000_000_u64,
        2 => 0..200_000_000_u64,
        1 => 0..30 * SECOND,
        2 => Just(0),
    ];
    proptest::collection::vec(gap, 1..150)
}

fn rates() -> impl Strategy<Value = (f64, u32)> {
    let rate = prop_oneof![
        (1..200_u32).prop_map(f64::from),
        (1..100_000_u32).prop_map(f64::from),
        (1..2_000_u32).prop_map(|rate| f64::from(rate) / 100.0),
    ];
    (rate, 1..40_u32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// One clock: exactly the slow bucket where a token is a whole number of ticks, and never
    /// beyond the bound anywhere.
    #[test]
    fn grants_are_those_of_a_slow_bucket((per_s, burst) in rates(), gaps in gaps()) {
        let table = Table::private(64, [1, 2]).expect("a table");
        let limit = limit(per_s, burst);
        let mut slow = Slow { tokens_nanos: u128::from(burst) * Slow::ONE, at: 0 };
        let is_exact = (250_000_000 * 1_000_000) % limit.rate.micro_per_s == 0;
        let (mut now, mut grants) = (100 * SECOND, Vec::new());
        slow.at = now;
        for gap in gaps {
            now += gap / 4 * 4; // ticks
            let granted = take(&table, &limit, now);
            if granted {
                grants.push(now);
            }
            let expected = slow.take(limit.rate, now);
            if is_exact {
                prop_assert_eq!(granted, expected, "at {}", now);
            }
        }
        prop_assert_eq!(beyond(&grants, limit.rate.micro_per_s, burst), None);
    }

    /// Clocks of several cores that run apart by up to a second, forwards and backwards.
    #[test]
    fn no_clock_gets_more_than_the_bound(
        (per_s, burst) in rates(),
        gaps in gaps(),
        skews in proptest::collection::vec(0..SECOND, 150),
    ) {
        let table = Table::private(64, [1, 2]).expect("a table");
        let limit = limit(per_s, burst);
        let (mut now, mut grants) = (100 * SECOND, Vec::new());
        for (gap, skew) in gaps.into_iter().zip(skews) {
            now += gap;
            if take(&table, &limit, now - skew) {
                grants.push(now - skew);
            }
        }
        prop_assert_eq!(beyond(&grants, limit.rate.micro_per_s, burst), None);
    }

    /// Reloads with other rates and bursts, on all cores or on some.
    #[test]
    fn a_reload_gives_nothing_away(
        one in rates(),
        two in rates(),
        gaps in gaps(),
        choices in proptest::collection::vec(any::<bool>(), 150),
    ) {
        let table = Table::private(64, [1, 2]).expect("a table");
        let limits = [limit(one.0, one.1), limit(two.0, two.1)];
        let (mut now, mut grants) = (100 * SECOND, Vec::new());
        for (gap, second) in gaps.into_iter().zip(choices) {
            now += gap;
            let limit = &limits[usize::from(second)];
            if take(&table, limit, now) {
                grants.push(now);
            }
        }
        let rate = limits[0].rate.micro_per_s.max(limits[1].rate.micro_per_s);
        prop_assert_eq!(beyond(&grants, rate, one.1.max(two.1)), None);
    }
}

#[test]
fn too_many_grants_are_noticed() {
    let grants = [0, SECOND / 2, SECOND];
    assert_eq!(beyond(&grants, 1_000_000, 2), None);
    assert_eq!(beyond(&grants, 1_000_000, 1), Some((0, SECOND / 2, 2)));
}

/// Under steady load a thousandth at most is lost to rounding.
#[test]
fn the_long_run_is_the_rate() {
    for per_s in [100_u64, 333, 1_000, 7_777, 30_000, 99_999, 100_000] {
        let table = Table::private(64, [1, 2]).expect("a table");
        let limit = limit(per_s as f64, 10);
        let seconds = if per_s > 1_000 { 2 } else { 60 };
        let step = SECOND / (per_s * 3);
        let mut granted = 0_u64;
        for turn in 0..per_s * 3 * seconds {
            granted += u64::from(take(&table, &limit, SECOND + turn * step));
        }
        let wanted = per_s * seconds;
        assert!(granted <= wanted + 10, "{per_s}: {granted}");
        assert!(
            granted + wanted / 1_000 >= wanted,
            "{per_s}: {granted} of {wanted}"
        );
    }
}

#[test]
fn those_who_insert_the_same_at_once_get_the_same_slot() {
    for round in 0..50 {
        let table = Arc::new(Table::private(256, [round, 9]).expect("a table"));
        let insert = |order: Vec<u64>| {
            let table = Arc::clone(&table);
            std::thread::spawn(move || {
                let place = |number| (number, table.place(identity(number)).expect("room"));
                let mut places: Vec<_> = order.into_iter().map(place).collect();
                places.sort_by_key(|(number, _)| *number);
                places
            })
        };
        let threads = [insert((0..40).collect()), insert((0..40).rev().collect())];
        let [one, two] = threads.map(|thread| thread.join().expect("joined"));
        assert_eq!(one, two);
        assert_eq!(table.slots_used(), 40);
    }
}

#[test]
fn many_threads_get_no_more_than_the_bound() {
    let table = Arc::new(Table::private(64, [1, 2]).expect("a table"));
    let granted: usize = hammer(&table, 8);
    assert_eq!(granted, BURST as usize + STEPS - 1, "exact");
}

fn hammer(table: &Arc<Table>, threads: usize) -> usize {
    let work = |_| {
        let table = Arc::clone(table);
        std::thread::spawn(move || spend_all(&table))
    };
    let threads: Vec<_> = (0..threads).map(work).collect();
    threads
        .into_iter()
        .map(|thread| thread.join().expect("joined"))
        .sum()
}

const BURST: u32 = 50;
const STEPS: usize = 2_000;

/// Goes through time, one token a step, asking more often than there are tokens.
fn spend_all(table: &Table) -> usize {
    let limit = limit(1_000.0, BURST);
    let now = |step: usize| 5 * SECOND + step as u64 * (SECOND / 1_000);
    let tries = |step: usize| (0..60).filter(|_| take(table, &limit, now(step))).count();
    (0..STEPS).map(tries).sum()
}

fn options(path: &Path, now: u64) -> TableOptions {
    TableOptions {
        first_slots: 64,
        ..TableOptions::new(path, [3, 5], Mono(now))
    }
}

/// What the other process of `two_processes_share_one_bound` does.
#[test]
#[ignore = "run by another test, as a process of its own"]
fn child() {
    let path = std::env::var("LIMITS_TABLE").expect("a path");
    let table = Table::open(&options(Path::new(&path), SECOND)).expect("opened");
    println!("granted={}", spend_all(&table));
}

#[test]
fn two_processes_share_one_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("limits.table");
    let children: Vec<_> = (0..2)
        .map(|_| {
            Command::new(std::env::current_exe().expect("this program"))
                .args(["--exact", "table::child", "--ignored", "--nocapture"])
                .env("LIMITS_TABLE", &path)
                .stdout(Stdio::piped())
                .spawn()
                .expect("started")
        })
        .collect();
    let granted: usize = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().expect("ended");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let number = text.split("granted=").nth(1).expect("a count");
            let number = number.split_whitespace().next().expect("a number");
            number.parse::<usize>().expect("a number")
        })
        .sum();
    assert_eq!(granted, BURST as usize + STEPS - 1, "exact");
}

/// Whoever makes the table holds its lock until others can read what it is.
#[test]
fn those_who_open_at_once_share_one_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let limit = limit(1.0, 5);
    for round in 0..500 {
        let path = folder.path().join(round.to_string());
        let together = Arc::new(std::sync::Barrier::new(2));
        let openers = [(), ()].map(|()| {
            let (path, together) = (path.clone(), Arc::clone(&together));
            std::thread::spawn(move || {
                together.wait();
                Table::open(&options(&path, SECOND)).expect("opened")
            })
        });
        let tables = openers.map(|opener| opener.join().expect("joined"));
        let spent = tables.map(|table| (0..10).filter(|_| take(&table, &limit, SECOND)).count());
        assert_eq!(spent, [5, 0], "round {round}");
    }
}

#[test]
fn a_restart_fills_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("limits.table");
    let limit = limit(1.0, 5);
    let spend = |table: &Table, now| (0..10).filter(|_| take(table, &limit, now)).count();
    let now = 100 * SECOND;
    let open = |now| Table::open(&options(&path, now)).expect("opened");
    let table = open(now);
    assert_eq!(spend(&table, now), 5, "a new table begins full");
    let other = open(now);
    assert_eq!(spend(&other, now), 0, "another process");
    drop((table, other));
    let table = open(now);
    assert_eq!(spend(&table, now), 0, "a restart");
    let before = table.bytes_len();
    table.grow().expect("grown");
    let other = open(now);
    assert_eq!(other.bytes_len(), table.bytes_len());
    assert!(other.bytes_len() > before);
    assert_eq!(spend(&table, 102 * SECOND), 2);
    drop((table, other));

    let image = std::fs::read(&path).expect("the file");
    for bit in 0..8 * 64 {
        let mut damaged = image.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &damaged).expect("written");
        assert_eq!(spend(&open(200 * SECOND), 200 * SECOND), 0, "bit {bit}");
    }
    std::fs::write(&path, &image[..image.len() / 2]).expect("cut");
    let table = open(now);
    assert_eq!(spend(&table, now), 0, "a cut file");
    assert_eq!(spend(&table, 103 * SECOND), 3, "it fills as time goes by");
}
