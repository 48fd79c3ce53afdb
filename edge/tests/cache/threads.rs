//! Two threads, or more, on the same few keys: nothing lost, nothing torn.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use tidegate_edge::{base::prng::Prng, cache::InsertFault};

use crate::shelf::{PLACE, START_S, Shelf, check, get, key, object, put, read, version};

const MIB: u64 = 1 << 20;
const BODY_MAX: u64 = 2000;

/// One thread writes ever newer versions, the others read. Each key is in the store at all times
/// (everything fits), so a reader must find it, whole, and never an older version than it or
/// another has seen.
#[test]
fn a_version_that_was_seen_is_not_lost_again() {
    const KEYS: u64 = 20;
    let shelf = Shelf::new(8 * MIB, 4 << 10);
    let store = shelf.open();
    let seen: Arc<Vec<AtomicU64>> = Arc::new((0..KEYS).map(|_| AtomicU64::new(0)).collect());
    let done = Arc::new(AtomicBool::new(false));
    let writer = store.owner().expect("an owner");
    for number in 0..KEYS {
        put(&writer, number, &object(number, 0, BODY_MAX), START_S, 100).expect("stored");
    }
    let readers: Vec<_> = (0..2)
        .map(|reader| {
            let (store, seen, done) = (Arc::clone(&store), Arc::clone(&seen), Arc::clone(&done));
            thread::spawn(move || {
                let owner = store.owner().expect("an owner");
                let mut prng = Prng::new(reader);
                let mut lookups = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    let number = prng.below(KEYS);
                    let newest = &seen[usize::try_from(number).expect("small")];
                    let least = newest.load(Ordering::SeqCst);
                    let hit = get(&owner, number, START_S).expect("it is there at all times");
                    let found = read(&hit);
                    check(number, &found, BODY_MAX);
                    assert!(version(&found) >= least, "an older version came back");
                    newest.fetch_max(version(&found), Ordering::SeqCst);
                    lookups += 1;
                }
                lookups
            })
        })
        .collect();
    for round in 1..30_000 {
        let number = round % KEYS;
        put(
            &writer,
            number,
            &object(number, round, BODY_MAX),
            START_S,
            100,
        )
        .expect("stored");
        seen[usize::try_from(number).expect("small")].fetch_max(round, Ordering::SeqCst);
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().expect("no panic") > 0);
    }
    assert_eq!((store.stats().objects, store.stats().damaged), (KEYS, 0));
}

/// All threads do everything in a region that is far too small.
#[test]
fn nothing_is_torn_where_segments_are_used_anew_all_the_time() {
    const KEYS: u64 = 600;
    let shelf = Shelf::new(MIB, 4 << 10);
    let store = shelf.open();
    let threads: Vec<_> = (0..3)
        .map(|seed| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                let owner = store.owner().expect("an owner");
                let mut prng = Prng::new(seed);
                let mut held = Vec::new();
                let mut hits = 0;
                for round in 0..40_000_u64 {
                    let number = prng.below(KEYS);
                    match prng.below(10) {
                        0..5 => {
                            if let Some(hit) = get(&owner, number, START_S) {
                                check(number, &read(&hit), BODY_MAX);
                                hits += 1;
                                if round % 8 == 0 {
                                    held.push((number, hit));
                                }
                            }
                        }
                        5..9 => {
                            let object = object(number, prng.below(1 << 40), BODY_MAX);
                            match put(&owner, number, &object, START_S, 100) {
                                Ok(()) | Err(InsertFault::Busy | InsertFault::Full) => {}
                                Err(fault) => panic!("{fault}"),
                            }
                        }
                        _ => {
                            owner.remove(PLACE, &key(number));
                        }
                    }
                    if held.len() > 3 {
                        let (number, hit) = held.remove(0);
                        check(number, &read(&hit), BODY_MAX);
                    }
                }
                hits
            })
        })
        .collect();
    for thread in threads {
        assert!(thread.join().expect("no panic") > 1000);
    }
    let owner = store.owner().expect("an owner");
    let proof = owner.verify();
    assert_eq!((proof.damaged, store.stats().damaged), (0, 0));
    // What slots lead to and what is counted agree when nobody is at work.
    assert_eq!(proof.good, store.stats().objects);
    assert!(store.stats().segments_reclaimed > 500);
}
