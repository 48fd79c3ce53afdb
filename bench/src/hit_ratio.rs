//! What: the store's hit ratio beside an exact S3-FIFO, SIEVE and an LRU, on made and on recorded traces.
//! Shape: a cache of a share of the trace's footprint sees each request once, a miss stores. The store
//!   is the real one; the exact caches hold as many bytes as its segments have together, and charge for
//!   an object what its record takes. So the store's tables are nobody's, and whatever it loses by
//!   segments that are free, half full or half evacuated counts against it.
//! Units: shares of requests, and of the segments' bytes.
//! Errors: `io::Error` when a trace cannot be read or a region not be made.
//! Source: docs/caching.md, "Hit ratio".

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command, value_parser};
use tidegate_edge::cache::{
    GeometryFault, Insert, InsertFault, Namespace, Owner, Store, StoreFault, StoreOptions, Walk,
};

mod exact;
mod trace;

use crate::arguments::{count, file, folder, folder_of, number, path};
use exact::{Exact, Lru, S3Fifo, Sieve};
use trace::{KEY_BYTES, Made, Request, record_bytes};

/// What to replay.
struct Options {
    /// A recorded trace; without one the made ones.
    trace: Option<PathBuf>,
    /// Shares of the footprint.
    sizes: Vec<f64>,
    /// The region of made traces.
    capacity_bytes: u64,
    /// The store's object limit; larger objects of a trace are cut to it.
    object_bytes_max: u32,
    /// Requests of a made trace.
    requests: u32,
    /// Where regions are made.
    folder: PathBuf,
}

/// What the store made of a trace.
struct Replay {
    hit_ratio: f64,
    /// Bytes of all its segments.
    data_bytes: u64,
    /// The mean share of these that could be found.
    held: f64,
    refused: u64,
}

/// The parser.
pub(crate) fn command() -> Command {
    Command::new("hit-ratio")
        .about("The cache's hit ratio beside an exact S3-FIFO and an LRU")
        .arg(count(
            "capacity-mib",
            "64",
            "MiB of the region, for made traces",
        ))
        .arg(count("object-kib", "1088", "KiB of the largest object"))
        .arg(count("requests", "2000000", "Requests of a made trace"))
        .arg(folder())
        .arg(file(
            "trace",
            "Replay this recorded trace, in libCacheSim's oracleGeneral format",
        ))
        .arg(
            Arg::new("sizes")
                .long("sizes")
                .value_name("SHARES")
                .default_value("0.01,0.1,0.3")
                .value_delimiter(',')
                .value_parser(value_parser!(f64))
                .help("The cache as shares of all bytes of the trace"),
        )
}

/// Replays and prints; false when the store is more than a point below the exact one, or below LRU.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    let sizes = matches.get_many::<f64>("sizes").unwrap_or_default();
    replay_all(&Options {
        trace: path(matches, "trace"),
        sizes: sizes.copied().collect(),
        capacity_bytes: u64::from(number(matches, "capacity-mib")) << 20,
        object_bytes_max: number(matches, "object-kib") << 10,
        requests: number(matches, "requests"),
        folder: folder_of(matches),
    })
}

fn replay_all(options: &Options) -> io::Result<bool> {
    println!(
        "{:<20}{:>6}{:>8}{:>9}{:>8}{:>8}{:>8}{:>8}{:>8}{:>7}{:>8}",
        "trace",
        "size",
        "store",
        "s3-fifo",
        "by 1",
        "by 3",
        "sieve",
        "lru",
        "points",
        "held",
        "refused"
    );
    let mut is_good = true;
    if let Some(path) = &options.trace {
        let trace = trace::recorded(path, options.object_bytes_max)?;
        let name = path
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        for size in &options.sizes {
            let capacity = scaled(trace::footprint(&trace), *size);
            is_good &= compare(&name, *size, &trace, capacity, options)?;
        }
        return Ok(is_good);
    }
    for size in &options.sizes {
        let wanted = Made {
            footprint_bytes: scaled(options.capacity_bytes, 1.0 / size),
            requests: options.requests,
            object_bytes_max: options.object_bytes_max,
        };
        for (name, trace) in trace::made(wanted) {
            is_good &= compare(&name, *size, &trace, options.capacity_bytes, options)?;
        }
    }
    Ok(is_good)
}

fn compare(
    name: &str,
    size: f64,
    trace: &[Request],
    capacity: u64,
    options: &Options,
) -> io::Result<bool> {
    let store = match open(trace, capacity, options)? {
        Ok(store) => store,
        Err(fault) => {
            println!("{name:<20}{size:>6.2}  no region of {capacity} bytes: {fault}");
            return Ok(true);
        }
    };
    let store = replay(&store, trace, options)?;
    let bytes = store.data_bytes;
    let exact = share(trace, S3Fifo::new(bytes, PROMOTION));
    let lru = share(trace, Lru::new(bytes));
    let points = (store.hit_ratio - exact) * 100.0;
    println!(
        "{name:<20}{size:>6.2}{:>8.4}{exact:>9.4}{:>8.4}{:>8.4}{:>8.4}{lru:>8.4}{points:>8.2}{:>7.3}{:>8}",
        store.hit_ratio,
        share(trace, S3Fifo::new(bytes, 1)),
        share(trace, S3Fifo::new(bytes, 3)),
        share(trace, Sieve::new(bytes)),
        store.held,
        store.refused,
    );
    Ok(points >= -1.0 && store.hit_ratio >= lru)
}

fn share(trace: &[Request], mut cache: impl Exact) -> f64 {
    let hits = trace
        .iter()
        .filter(|request| cache.request(request.key, record_bytes(request.bytes)))
        .count();
    hits as f64 / trace.len() as f64
}

/// A region whose file is gone already; inside, why there cannot be one of that size.
fn open(
    trace: &[Request],
    capacity: u64,
    options: &Options,
) -> io::Result<Result<Arc<Store>, GeometryFault>> {
    let path = options
        .folder
        .join(format!("tidegate-hit-ratio-{}", std::process::id()));
    let mean = trace.iter().map(|r| u64::from(r.bytes)).sum::<u64>() / trace.len().max(1) as u64;
    let mut wanted = StoreOptions::new(&path, capacity, 1);
    wanted.object_bytes_max = options.object_bytes_max;
    wanted.object_bytes_mean = u32::try_from(mean).unwrap_or(u32::MAX);
    match Store::open(&wanted) {
        Ok(store) => {
            std::fs::remove_file(&path)?;
            Ok(Ok(store))
        }
        Err(StoreFault::Geometry(fault)) => Ok(Err(fault)),
        Err(fault) => Err(io::Error::other(fault)),
    }
}

/// The real store sees each request once.
fn replay(store: &Arc<Store>, trace: &[Request], options: &Options) -> io::Result<Replay> {
    let owner = store.owner().map_err(io::Error::other)?;
    let body = vec![0x42; options.object_bytes_max as usize];
    let (mut hits, mut refused) = (0_u64, 0);
    let (mut held, mut looks) = (0, 0);
    for (index, request) in trace.iter().enumerate() {
        let key = request.key.to_le_bytes();
        let hash = owner.hash(PLACE, &key);
        if owner.lookup(PLACE, hash, &key, NOW_S).is_some() {
            hits += 1;
        } else if !insert(&owner, request, &body)? {
            refused += 1;
        }
        // In the second half, when the region is full.
        if index >= trace.len() / 2 && index.is_multiple_of((trace.len() / LOOKS).max(1)) {
            held += held_bytes(&owner);
            looks += 1;
        }
    }
    let data_bytes = store.stats().data_bytes;
    Ok(Replay {
        hit_ratio: hits as f64 / trace.len() as f64,
        data_bytes,
        held: held as f64 / (data_bytes * looks.max(1)) as f64,
        refused,
    })
}

/// False when there was no room for it.
fn insert(owner: &Owner, request: &Request, body: &[u8]) -> io::Result<bool> {
    let insert = Insert {
        namespace: PLACE,
        generation: owner.store().generation(PLACE),
        key: &request.key.to_le_bytes(),
        meta: b"",
        body: &[&body[..(request.bytes - KEY_BYTES) as usize]],
        stored_s: NOW_S,
        expires_s: NOW_S + 1,
        keep_until_s: u32::MAX,
    };
    match owner.insert(&insert, NOW_S) {
        Ok(()) => Ok(true),
        Err(InsertFault::Full | InsertFault::Busy) => Ok(false),
        Err(fault) => Err(io::Error::other(fault)),
    }
}

/// The bytes of all records that can be found.
fn held_bytes(owner: &Owner) -> u64 {
    let mut bytes = 0;
    let mut walk = Walk::default();
    while owner.purge(&mut walk, usize::MAX, |entry, key, _| {
        let key_bytes = u32::try_from(key.len()).unwrap_or(u32::MAX);
        bytes += record_bytes(entry.body_bytes.saturating_add(key_bytes));
        false
    }) {}
    bytes
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a size times a share is a size
fn scaled(bytes: u64, share: f64) -> u64 {
    (bytes as f64 * share) as u64
}

/// As in the store.
const PROMOTION: u8 = 2;
const PLACE: Namespace = Namespace(1);
const NOW_S: u32 = 1_800_000_000;
/// How often what is held is looked at, were it from the beginning.
const LOOKS: usize = 32;
