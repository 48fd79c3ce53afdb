//! Every interleaving of those who share a bucket, a lease or a free slot.
//!
//! What it is: the shipped `limits/bucket.rs`, `limits/lease.rs` and `limits/claim.rs`, here over
//! the checker's atomics. Shape: a scenario is two or three threads on the words of one slot.
//! Units: ticks, requests. Errors: loom prints the interleaving. Source: RELIABILITY section 10.

#![allow(dead_code, unreachable_pub)]

use loom::{model::Builder, sync::Arc, thread};

#[path = "../../src/limits/bucket.rs"]
mod bucket;
#[path = "../../src/limits/claim.rs"]
mod claim;
#[path = "../../src/limits/lease.rs"]
mod lease;
#[path = "../../src/limits/rate.rs"]
mod rate;
mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}

use bucket::Bucket;
use lease::Spent;
use rate::{Limit, Rate};
use sync::{AtomicU64, Ordering};

fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(scenario);
}

struct Slot {
    until: AtomicU64,
    pace: AtomicU64,
}

impl Slot {
    fn new() -> Arc<Slot> {
        Arc::new(Slot {
            until: AtomicU64::new(0),
            pace: AtomicU64::new(0),
        })
    }

    fn bucket(&self) -> Bucket<'_> {
        Bucket {
            until: &self.until,
            pace: &self.pace,
            empty_since: 0,
        }
    }
}

fn limit(per_s: f64, burst: u32) -> Limit {
    Limit::new(Rate::new(per_s, burst).expect("a rate")).expect("a limit")
}

/// How many of `tries` are granted.
fn grants(slot: &Slot, limit: &Limit, now: u64, tries: usize) -> usize {
    (0..tries)
        .filter(|_| slot.bucket().take(limit, now).is_ok())
        .count()
}

#[test]
fn a_token_is_granted_once() {
    explore(|| {
        let (slot, limit) = (Slot::new(), limit(1.0, 3));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || grants(&slot, &limit, 1_000, 2))
            })
            .collect();
        let granted: usize = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert_eq!(granted, 3);
    });
}

#[test]
fn a_token_that_is_given_back_is_granted_once_more_at_most() {
    explore(|| {
        let (slot, limit) = (Slot::new(), limit(1.0, 2));
        let other = Arc::clone(&slot);
        let undoes = thread::spawn(move || {
            if let Ok(grant) = other.bucket().take(&limit, 1_000) {
                other.bucket().undo(grant, &limit);
            }
        });
        let kept = grants(&slot, &limit, 1_000, 2);
        undoes.join().unwrap();
        let later = grants(&slot, &limit, 1_000, 2);
        assert!(kept + later <= 2, "{kept} {later}");
        assert!(kept + later >= 1, "at most the one that was undone is lost");
    });
}

#[test]
fn a_reload_on_one_core_gives_nothing_away_on_the_other() {
    explore(|| {
        let (slot, slow, fast) = (Slot::new(), limit(1.0, 2), limit(4.0, 2));
        let other = Arc::clone(&slot);
        let reloaded = thread::spawn(move || grants(&other, &fast, 1_000, 2));
        let granted = grants(&slot, &slow, 1_000, 2);
        let granted = granted + reloaded.join().unwrap();
        assert!(granted <= 2, "{granted}");
        assert_eq!(
            grants(&slot, &slow, 1_000, 1) + grants(&slot, &fast, 1_000, 1) + granted,
            2
        );
    });
}

#[test]
fn a_lease_is_spent_once_and_asked_for_once() {
    explore(|| {
        let word = Arc::new(AtomicU64::new(0));
        assert_eq!(lease::fill(&word, 7, 3), 3);
        let spend = |word: Arc<AtomicU64>| {
            thread::spawn(move || {
                let spent = [(); 2].map(|()| lease::spend(&word, 7, 1));
                let count = spent
                    .iter()
                    .filter(|spent| matches!(spent, Spent::One { .. }));
                let asks = |spent: &&Spent| matches!(spent, Spent::One { asks: true, .. });
                (count.count(), spent.iter().filter(asks).count())
            })
        };
        let threads = [spend(Arc::clone(&word)), spend(Arc::clone(&word))];
        let spent = threads.map(|thread| thread.join().unwrap());
        assert_eq!(spent[0].0 + spent[1].0, 3, "all and no more");
        assert_eq!(spent[0].1 + spent[1].1, 1, "one asks");
    });
}

#[test]
fn what_is_filled_in_is_spent_once() {
    explore(|| {
        let word = Arc::new(AtomicU64::new(0));
        assert_eq!(lease::fill(&word, 7, 1), 1);
        let other = Arc::clone(&word);
        let filler = thread::spawn(move || lease::fill(&other, 7, 2));
        let spend = || usize::from(matches!(lease::spend(&word, 7, 0), Spent::One { .. }));
        let early = spend() + spend();
        assert_eq!(filler.join().unwrap(), 2);
        let late: usize = (0..4).map(|_| spend()).sum();
        assert_eq!(early + late, 3, "{early} {late}");
        // The next window begins without what was left, and an old grant does not come back.
        assert_eq!(lease::fill(&word, 8, 1), 1);
        assert_eq!(lease::fill(&word, 7, 5), 0);
        assert_eq!(lease::left(&word, 8), 1);
        assert_eq!(word.load(Ordering::Relaxed) >> 32, 8);
    });
}

#[test]
fn a_slot_has_one_owner() {
    explore(|| {
        let words = Arc::new([(); 4].map(|()| AtomicU64::new(0)));
        // Two slots, three who want one: two the same identity, one another of the same scope.
        let place = |words: Arc<[AtomicU64; 4]>, number: u64| {
            thread::spawn(move || {
                let [a, b, c, d] = &*words;
                if claim::claim(a, b, 5, number) {
                    1
                } else if claim::claim(c, d, 5, number) {
                    2
                } else {
                    0
                }
            })
        };
        let threads = [
            place(Arc::clone(&words), 7),
            place(Arc::clone(&words), 7),
            place(Arc::clone(&words), 8),
        ];
        let [one, two, other] = threads.map(|thread| thread.join().unwrap());
        assert_eq!(one, two, "the same identity has one slot");
        assert_ne!(one, other);
        assert!(one != 0 && other != 0);
    });
}

#[test]
fn what_is_counted_is_taken_once() {
    explore(|| {
        let word = Arc::new(AtomicU64::new(0));
        let counting = {
            let word = Arc::clone(&word);
            thread::spawn(move || {
                lease::count(&word, 1);
                lease::count(&word, 1);
            })
        };
        let first = lease::take_count(&word);
        lease::count(&word, 1);
        counting.join().expect("no panic");
        assert_eq!(first + lease::take_count(&word), 3);
    });
}

#[test]
fn a_count_is_no_lease_and_a_lease_no_count() {
    explore(|| {
        let word = AtomicU64::new(0);
        lease::fill(&word, 20_000, 7);
        assert_eq!(lease::take_count(&word), 0, "a lease stays");
        assert_eq!(lease::left(&word, 20_000), 7);
        assert!(lease::count(&word, 1), "the plan has no quota any more");
        assert_eq!(lease::left(&word, 20_000), 0);
        assert_eq!(lease::spend(&word, 20_000, 1), Spent::NeedsLease);
    });
}
