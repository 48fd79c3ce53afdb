//! What: the store's hit ratio beside an exact S3-FIFO and an LRU, on made and on recorded traces.
//! Shape: a trace is a list of keys with sizes; a cache of a share of the trace's footprint sees it
//!   once, a miss stores. The store is the real one, in a region whose segments have that many bytes
//!   together; the simulators are exact, and charge for an object what its record takes.
//! Units: shares of requests, bytes.
//! Errors: `io::Error` when a trace cannot be read or a region not be made.
//! Source: Yang et al., "FIFO queues are all you need for cache eviction" (SOSP 2023), algorithm 1;
//!   libCacheSim's oracleGeneral format: u32 time, u64 object, u32 size, i64 next access.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use tidegate_edge::base::prng::Prng;
use tidegate_edge::cache::{Insert, InsertFault, Namespace, Store, StoreOptions};

/// What to replay.
pub(crate) struct Options {
    /// A recorded trace; without one the made ones.
    pub(crate) trace: Option<PathBuf>,
    /// Shares of the footprint.
    pub(crate) sizes: Vec<f64>,
    /// The region of made traces.
    pub(crate) capacity_bytes: u64,
    /// The store's object limit; larger objects of a trace are cut to it.
    pub(crate) object_bytes_max: u32,
    /// Requests of a made trace.
    pub(crate) requests: u32,
    /// Where regions are made.
    pub(crate) folder: PathBuf,
}

/// A key and its bytes.
#[derive(Clone, Copy)]
struct Request {
    key: u64,
    bytes: u32,
}

/// Replays and prints; false when the store is more than a point below the exact one, or below LRU.
pub(crate) fn run(options: &Options) -> io::Result<bool> {
    println!(
        "{:<22}{:>6}{:>9}{:>9}{:>9}{:>9}",
        "trace", "size", "store", "s3-fifo", "lru", "points"
    );
    let mut is_good = true;
    if let Some(path) = &options.trace {
        let trace = recorded(path, options.object_bytes_max)?;
        let name = path
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        for size in &options.sizes {
            let capacity = scaled(footprint(&trace), *size);
            is_good &= compare(&name, *size, &trace, capacity, options)?;
        }
        return Ok(is_good);
    }
    for size in &options.sizes {
        let bytes_of_all = scaled(options.capacity_bytes, 1.0 / size);
        for (name, trace) in made(bytes_of_all, options) {
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
    let (store, data_bytes) = replay(trace, capacity, options)?;
    let exact = S3Fifo::new(data_bytes).replay(trace);
    let lru = Lru::new(data_bytes).replay(trace);
    println!(
        "{name:<22}{size:>6.2}{store:>9.4}{exact:>9.4}{lru:>9.4}{:>9.2}",
        (store - exact) * 100.0
    );
    Ok(store >= exact - 0.01 && store >= lru)
}

/// The real store.
fn replay(trace: &[Request], capacity: u64, options: &Options) -> io::Result<(f64, u64)> {
    let path = options
        .folder
        .join(format!("tidegate-hit-ratio-{}", std::process::id()));
    let mean = trace.iter().map(|r| u64::from(r.bytes)).sum::<u64>() / trace.len().max(1) as u64;
    let mut wanted = StoreOptions::new(&path, capacity, 1);
    wanted.object_bytes_max = options.object_bytes_max;
    wanted.object_bytes_mean = u32::try_from(mean).unwrap_or(u32::MAX);
    let store = Store::open(&wanted).map_err(io::Error::other)?;
    let removed = std::fs::remove_file(&path);
    let owner = store.owner().map_err(io::Error::other)?;
    let generation = store.generation(PLACE);
    let body = vec![0x42; options.object_bytes_max as usize];
    let (mut hits, mut refused) = (0_u64, 0_u64);
    for request in trace {
        let key = request.key.to_le_bytes();
        if owner
            .lookup(PLACE, owner.hash(PLACE, &key), &key, NOW_S)
            .is_some()
        {
            hits += 1;
            continue;
        }
        let insert = Insert {
            namespace: PLACE,
            generation,
            key: &key,
            meta: b"",
            body: &[&body[..(request.bytes - KEY_BYTES) as usize]],
            stored_s: NOW_S,
            expires_s: NOW_S + 1,
            keep_until_s: u32::MAX,
        };
        match owner.insert(&insert, NOW_S) {
            Ok(()) => {}
            Err(InsertFault::Full | InsertFault::Busy) => refused += 1,
            Err(fault) => return Err(io::Error::other(fault)),
        }
    }
    removed?;
    if refused > 0 {
        println!("{refused} refused");
    }
    Ok((hits as f64 / trace.len() as f64, store.stats().data_bytes))
}

/// The paper's algorithm, with ghosts of as many bytes as the main queue has.
struct S3Fifo {
    small: VecDeque<u64>,
    main: VecDeque<u64>,
    ghosts: VecDeque<(u64, u64)>,
    ghost_turns: HashMap<u64, u64>,
    objects: HashMap<u64, Standing>,
    small_bytes: u64,
    main_bytes: u64,
    ghost_bytes: u64,
    capacity: u64,
    turn: u64,
    has_evicted: bool,
}

struct Standing {
    bytes: u64,
    frequency: u8,
    is_main: bool,
}

impl S3Fifo {
    fn new(capacity: u64) -> S3Fifo {
        S3Fifo {
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            ghost_turns: HashMap::new(),
            objects: HashMap::new(),
            small_bytes: 0,
            main_bytes: 0,
            ghost_bytes: 0,
            capacity,
            turn: 0,
            has_evicted: false,
        }
    }

    fn replay(mut self, trace: &[Request]) -> f64 {
        let mut hits = 0_u64;
        for request in trace {
            if let Some(standing) = self.objects.get_mut(&request.key) {
                standing.frequency = (standing.frequency + 1).min(3);
                hits += 1;
            } else {
                self.insert(request.key, record_bytes(request.bytes));
            }
        }
        hits as f64 / trace.len() as f64
    }

    fn insert(&mut self, key: u64, bytes: u64) {
        while self.small_bytes + self.main_bytes + bytes > self.capacity {
            self.has_evicted = true;
            if self.small_bytes * 10 >= self.capacity || self.main.is_empty() {
                self.evict_small();
            } else {
                self.evict_main();
            }
        }
        let is_ghost = self.ghost_turns.remove(&key).is_some();
        let fills = !self.has_evicted && self.small_bytes * 10 >= self.capacity;
        let is_main = is_ghost || fills;
        let standing = Standing {
            bytes,
            frequency: 0,
            is_main,
        };
        self.objects.insert(key, standing);
        self.push(key, bytes, is_main);
    }

    fn push(&mut self, key: u64, bytes: u64, is_main: bool) {
        if is_main {
            self.main.push_back(key);
            self.main_bytes += bytes;
        } else {
            self.small.push_back(key);
            self.small_bytes += bytes;
        }
    }

    fn evict_small(&mut self) {
        let Some(key) = self.small.pop_front() else {
            return;
        };
        let Some(standing) = self.objects.get_mut(&key) else {
            return;
        };
        let bytes = standing.bytes;
        self.small_bytes -= bytes;
        if standing.frequency > 1 {
            standing.frequency = 0;
            standing.is_main = true;
            self.push(key, bytes, true);
            return;
        }
        self.objects.remove(&key);
        self.turn += 1;
        self.ghosts.push_back((key, self.turn));
        self.ghost_turns.insert(key, self.turn);
        self.ghost_bytes += bytes;
        // Ghosts are counted by the mean size of what leaves.
        let each = (self.ghost_bytes / self.turn).max(1);
        while self.ghosts.len() as u64 * each > self.capacity / 10 * 9 {
            if let Some((old, turn)) = self.ghosts.pop_front()
                && self.ghost_turns.get(&old) == Some(&turn)
            {
                self.ghost_turns.remove(&old);
            }
        }
    }

    fn evict_main(&mut self) {
        while let Some(key) = self.main.pop_front() {
            let Some(standing) = self.objects.get_mut(&key) else {
                continue;
            };
            if standing.frequency > 0 {
                standing.frequency -= 1;
                self.main.push_back(key);
                continue;
            }
            self.main_bytes -= standing.bytes;
            self.objects.remove(&key);
            return;
        }
    }
}

/// Least recently used, by turns: an entry of the queue counts if it is its key's latest.
struct Lru {
    queue: VecDeque<(u64, u64)>,
    latest: HashMap<u64, (u64, u64)>,
    bytes: u64,
    capacity: u64,
    turn: u64,
}

impl Lru {
    fn new(capacity: u64) -> Lru {
        Lru {
            queue: VecDeque::new(),
            latest: HashMap::new(),
            bytes: 0,
            capacity,
            turn: 0,
        }
    }

    fn replay(mut self, trace: &[Request]) -> f64 {
        let mut hits = 0_u64;
        for request in trace {
            self.turn += 1;
            self.queue.push_back((request.key, self.turn));
            if let Some((turn, _)) = self.latest.get_mut(&request.key) {
                *turn = self.turn;
                hits += 1;
                continue;
            }
            let bytes = record_bytes(request.bytes);
            self.latest.insert(request.key, (self.turn, bytes));
            self.bytes += bytes;
            while self.bytes > self.capacity {
                self.evict();
            }
        }
        hits as f64 / trace.len() as f64
    }

    fn evict(&mut self) {
        while let Some((key, turn)) = self.queue.pop_front() {
            if self
                .latest
                .get(&key)
                .is_some_and(|(latest, _)| *latest == turn)
            {
                self.bytes -= self.latest.remove(&key).map_or(0, |(_, bytes)| bytes);
                return;
            }
        }
    }
}

fn made(bytes_of_all: u64, options: &Options) -> Vec<(String, Vec<Request>)> {
    let keys = usize::try_from(bytes_of_all / BYTES_MEAN)
        .unwrap_or(usize::MAX)
        .max(100);
    let mut traces = Vec::new();
    for skew in [0.7, 0.8, 0.9, 1.0, 1.1, 1.2] {
        let zipf = Zipf::new(keys, skew);
        let mut prng = Prng::new(7);
        let trace = (0..options.requests).map(|_| request(zipf.draw(&mut prng), options));
        traces.push((format!("zipf {skew}"), trace.collect()));
    }
    let zipf = Zipf::new(keys, 0.9);
    let mut prng = Prng::new(8);
    let mut trace = Vec::new();
    let mut fresh = 1 << 40;
    for i in 0..options.requests {
        // A scan of a tenth of the keys, now and then.
        let is_scan = i % (options.requests / 5).max(1) < options.requests / 25;
        fresh += u64::from(is_scan);
        let key = if is_scan { fresh } else { zipf.draw(&mut prng) };
        trace.push(request(key, options));
    }
    traces.push(("zipf 0.9, scans".to_owned(), trace));
    let mut trace = Vec::new();
    for _ in 0..options.requests {
        let is_single = prng.chance(500);
        fresh += u64::from(is_single);
        let key = if is_single {
            fresh
        } else {
            zipf.draw(&mut prng)
        };
        trace.push(request(key, options));
    }
    traces.push(("zipf 0.9, half once".to_owned(), trace));
    traces
}

/// A size that follows from the key: between an eighth of the mean and eight times it.
fn request(key: u64, options: &Options) -> Request {
    let bits = Prng::new(key).next_u64();
    let bytes = (BYTES_MEAN * 36 / 100) << (bits % 4);
    let bytes = bytes / 2 + bits / 16 % bytes;
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Request {
        key,
        bytes: bytes.clamp(KEY_BYTES + 1, options.object_bytes_max),
    }
}

struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    fn new(keys: usize, skew: f64) -> Zipf {
        let mut sum = 0.0;
        let weight = |rank: usize| (rank as f64).powf(-skew);
        let sums = (1..=keys).map(|rank| {
            sum += weight(rank);
            sum
        });
        Zipf {
            sums: sums.collect(),
        }
    }

    fn draw(&self, prng: &mut Prng) -> u64 {
        let most = self.sums.last().copied().unwrap_or(1.0);
        let point = prng.next_u64() as f64 / u64::MAX as f64 * most;
        self.sums.partition_point(|sum| *sum < point) as u64
    }
}

fn recorded(path: &Path, object_bytes_max: u32) -> io::Result<Vec<Request>> {
    let bytes = std::fs::read(path)?;
    let requests = bytes.chunks_exact(RECORD_BYTES).map(|record| {
        let key = record[4..12].try_into().map_or(0, u64::from_le_bytes);
        let bytes = record[12..16].try_into().map_or(0, u32::from_le_bytes);
        Request {
            key,
            bytes: bytes.clamp(KEY_BYTES + 1, object_bytes_max),
        }
    });
    Ok(requests.collect())
}

fn footprint(trace: &[Request]) -> u64 {
    let sizes: HashMap<u64, u32> = trace.iter().map(|r| (r.key, r.bytes)).collect();
    sizes.values().map(|bytes| record_bytes(*bytes)).sum()
}

#[allow(clippy::cast_possible_truncation)] // a size times a share is a size
fn scaled(bytes: u64, share: f64) -> u64 {
    (bytes as f64 * share) as u64
}

/// What the store's record of an object takes.
fn record_bytes(object_bytes: u32) -> u64 {
    (u64::from(object_bytes) + 40).next_multiple_of(8).max(64)
}

const PLACE: Namespace = Namespace(1);
const NOW_S: u32 = 1_800_000_000;
const KEY_BYTES: u32 = 8;
/// Of a made trace.
const BYTES_MEAN: u64 = 8 << 10;
/// Of the recorded format.
const RECORD_BYTES: usize = 24;
