//! What: the store of the response cache alone: nanoseconds for a look-up with its pin, for an insert,
//!   and how two cores compare with one.
//! Shape: a region in memory is filled with small objects, then looked up at random, in batches as
//!   the gateway has them after a turn of its loop: hash all, prefetch all, look all up. Rounds of
//!   one thread and of two alternate; the table has medians.
//! Units: nanoseconds of processor time for an operation, so that a neighbour does not count.
//! Errors: `io::Error` when the region cannot be made.
//! Source: docs/performance.md says what each figure means.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::thread;

use clap::{Arg, ArgAction, ArgMatches, Command};
use tidegate_edge::base::prng::Prng;
use tidegate_edge::cache::{Hit, Insert, KeyHash, Namespace, Owner, Store, StoreOptions};

use crate::arguments::{self, choice, count, folder, number};

/// What to measure.
struct Options {
    /// Objects in the region.
    keys: u64,
    /// Bytes in the body of each.
    body_bytes: usize,
    /// Rounds over all cases.
    rounds: u32,
    /// Millions of look-ups in a round and thread.
    millions: u32,
    /// Where the region is made, and removed.
    folder: PathBuf,
    /// Encrypts the objects.
    is_sealed: bool,
    /// Moves the region into large pages first.
    has_large_pages: bool,
    /// Only these; all when empty.
    cases: Vec<String>,
}

/// One way to look up.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// Look-ups whose memory is asked for before the first.
    batch: usize,
    /// Asks for it at all.
    prefetches: bool,
    /// Copies the object, as a send of small objects does.
    copies: bool,
    /// Looks up keys that were never stored.
    misses: bool,
}

const CASES: [Case; 5] = [
    Case {
        name: "lookup_batch_16",
        batch: 16,
        prefetches: true,
        copies: false,
        misses: false,
    },
    Case {
        name: "lookup_copy_batch_16",
        batch: 16,
        prefetches: true,
        copies: true,
        misses: false,
    },
    Case {
        name: "lookup_batch_4",
        batch: 4,
        prefetches: true,
        copies: false,
        misses: false,
    },
    Case {
        name: "lookup_one_by_one",
        batch: 1,
        prefetches: false,
        copies: false,
        misses: false,
    },
    Case {
        name: "miss_batch_16",
        batch: 16,
        prefetches: true,
        copies: false,
        misses: true,
    },
];

/// The parser.
pub(crate) fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        let arg = Arg::new(name).long(name);
        arg.action(ArgAction::SetTrue).help(help)
    };
    Command::new("cache")
        .about(
            "Nanoseconds for a look-up and an insert in the cache's store, on one core and on two",
        )
        .arg(count("keys", "10000000", "Objects in the region"))
        .arg(count("rounds", "5", "Rounds of one thread and of two"))
        .arg(count(
            "millions",
            "4",
            "Millions of look-ups for a round and thread",
        ))
        .arg(folder())
        .arg(choice(
            "case",
            CASES.map(|case| case.name),
            "Only this case (repeatable); all without it",
        ))
        .arg(flag("sealed", "Encrypt the objects"))
        .arg(flag("small-pages", "Leave the region in pages of 4 KiB"))
        .arg(arguments::body())
}

/// Measures and prints.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    let options = &Options {
        keys: u64::from(number(matches, "keys")),
        body_bytes: arguments::body_bytes(matches),
        rounds: number(matches, "rounds"),
        millions: number(matches, "millions"),
        folder: arguments::folder_of(matches),
        is_sealed: matches.get_flag("sealed"),
        has_large_pages: !matches.get_flag("small-pages"),
        cases: arguments::names(matches, "case"),
    };
    let path = options
        .folder
        .join(format!("tidegate-bench-{}", std::process::id()));
    let result = measure(options, &path);
    let _ = std::fs::remove_file(&path);
    result
}

fn measure(options: &Options, path: &std::path::Path) -> io::Result<bool> {
    let object = META.len() + options.body_bytes + KEY_BYTES;
    let per_key = (object as u64 + OVERHEAD_BYTES).max(128);
    let capacity = (options.keys * per_key * 5 / 4)
        .next_multiple_of(1 << 20)
        .max(64 << 20);
    let mut wanted = StoreOptions::new(path, capacity, 1);
    wanted.object_bytes_mean = u32::try_from(object).unwrap_or(u32::MAX);
    wanted.key = options.is_sealed.then_some([7; 32]);
    let store = Store::open(&wanted).map_err(io::Error::other)?;
    let mut at = 0;
    while options.has_large_pages && store.enlarge_pages(&mut at, 2 << 20) {}
    let body = vec![0x42; options.body_bytes];
    println!(
        "{} keys of {object} bytes, {capacity} bytes of region",
        options.keys
    );
    let insert_ns = fill(&store, options.keys, &body);
    println!("{:<24}{insert_ns:>8.1} ns", "insert");
    let stats = store.stats();
    println!(
        "{:<24}{:>8.1} bytes",
        "metadata_per_object",
        metadata_bytes(&stats, object)
    );
    let found = warm(&store, options.keys);
    println!("{:<24}{:>8.4}", "found", found as f64 / options.keys as f64);
    let is_wanted = |case: &Case| {
        options.cases.is_empty() || options.cases.iter().any(|name| name == case.name)
    };
    for case in CASES.into_iter().filter(is_wanted) {
        let (mut alone, mut both, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..options.rounds {
            let one = threads(&store, options, case, 1, round);
            let two = threads(&store, options, case, 2, round);
            ratios.push(2.0 * one / two);
            alone.push(one);
            both.push(two);
        }
        println!(
            "{:<24}{:>8.1} ns alone{:>8.1} ns beside another{:>6.2} x on two cores",
            case.name,
            median(&mut alone),
            median(&mut both),
            median(&mut ratios)
        );
    }
    Ok(true)
}

/// What an object costs beside its own bytes, all tables of the region shared out.
fn metadata_bytes(stats: &tidegate_edge::cache::Stats, object: usize) -> f64 {
    let objects = stats.objects.max(1) as f64;
    let tables = (stats.capacity_bytes - stats.data_bytes) as f64
        * (stats.used_bytes as f64 / stats.data_bytes as f64);
    (tables + stats.used_bytes as f64) / objects - object as f64
}

fn fill(store: &Arc<Store>, keys: u64, body: &[u8]) -> f64 {
    let owner = store.owner().expect("an owner");
    let generation = store.generation(PLACE);
    let start = cpu_ns();
    for number in 0..keys {
        let insert = Insert {
            namespace: PLACE,
            generation,
            key: &key(number),
            meta: META,
            body: &[body],
            stored_s: NOW_S,
            expires_s: NOW_S + 1000,
            keep_until_s: NOW_S + 2000,
        };
        owner.insert(&insert, NOW_S).expect("room for all");
    }
    (cpu_ns() - start) as f64 / keys as f64
}

/// Looks everything up as often as frequencies count, so that hits write nothing afterwards.
fn warm(store: &Arc<Store>, keys: u64) -> u64 {
    let owner = store.owner().expect("an owner");
    let mut found = 0;
    for _ in 0..3 {
        found = 0;
        for number in 0..keys {
            let key = key(number);
            let hash = owner.hash(PLACE, &key);
            found += u64::from(owner.lookup(PLACE, hash, &key, NOW_S).is_some());
        }
    }
    found
}

/// The mean cost of a look-up over `count` threads, each on a processor of its own.
fn threads(store: &Arc<Store>, options: &Options, case: Case, count: usize, round: u32) -> f64 {
    let cpus = core_affinity::get_core_ids().unwrap_or_default();
    let start = Arc::new(Barrier::new(count));
    let workers: Vec<_> = (0..count)
        .map(|index| {
            let (store, start) = (Arc::clone(store), Arc::clone(&start));
            let cpu = cpus.get((index + 1) % cpus.len().max(1)).copied();
            let (keys, millions) = (options.keys, u64::from(options.millions));
            let worker = thread::Builder::new().name("lookups".to_owned());
            worker.spawn(move || {
                if let Some(cpu) = cpu {
                    core_affinity::set_for_current(cpu);
                }
                let owner = store.owner().expect("an owner");
                let mut prng = Prng::new(u64::from(round) * 64 + index as u64);
                start.wait();
                look_up(&owner, &mut prng, case, keys, millions * 1_000_000)
            })
        })
        .collect();
    let costs: Vec<f64> = workers
        .into_iter()
        .map(|w| w.expect("a thread").join().expect("no panic"))
        .collect();
    costs.iter().sum::<f64>() / count as f64
}

fn look_up(owner: &Owner, prng: &mut Prng, case: Case, keys: u64, lookups: u64) -> f64 {
    let mut keys_of_batch = [[0; KEY_BYTES]; BATCH_MAX];
    let mut hashes: Vec<KeyHash> = Vec::with_capacity(BATCH_MAX);
    let mut hits: Vec<Hit> = Vec::with_capacity(BATCH_MAX);
    let mut copy = vec![0; 1 << 16];
    let first = if case.misses { keys } else { 0 };
    let (mut done, mut found) = (0, 0);
    let start = cpu_ns();
    while done < lookups {
        let batch = &mut keys_of_batch[..case.batch];
        batch
            .iter_mut()
            .for_each(|key| *key = self::key(first + prng.below(keys)));
        hashes.clear();
        hashes.extend(batch.iter().map(|key| owner.hash(PLACE, key)));
        if case.prefetches {
            hashes.iter().for_each(|hash| owner.prefetch(*hash));
            hashes.iter().for_each(|hash| owner.prefetch_record(*hash));
        }
        for (key, hash) in batch.iter().zip(&hashes) {
            hits.extend(owner.lookup(PLACE, *hash, key, NOW_S));
        }
        if case.copies {
            for hit in &hits {
                let meta_bytes = hit.copy_meta(0, &mut copy);
                hit.copy_body(0, &mut copy[meta_bytes..]);
            }
        }
        found += hits.len();
        hits.clear(); // the kernel has sent them
        done += case.batch as u64;
    }
    let cost = (cpu_ns() - start) as f64 / done as f64;
    assert!(case.misses == (found == 0), "{found} found");
    cost
}

/// A key like those of a gateway, with its number in it.
fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"GET|https|example.test|/items/________________";
    if let Some(place) = key.last_chunk_mut() {
        *place = number.to_le_bytes();
    }
    key
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Processor time of this thread.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

const PLACE: Namespace = Namespace(1);
const NOW_S: u32 = 1_800_000_000;
const META: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const KEY_BYTES: usize = 46;
const BATCH_MAX: usize = 16;
/// Room to plan with for each object.
const OVERHEAD_BYTES: u64 = 64;
