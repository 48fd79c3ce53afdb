//! What: requests to replay: made ones, and those of libCacheSim's files.
//! Shape: a list of keys with sizes. A made size follows from the key, between an eighth of the mean
//!   and three times it; a file's records are 24 bytes, little endian: u32 time, u64 object,
//!   u32 size, i64 next access.
//! Units: bytes.
//! Errors: `io::Error` when a file cannot be read or is not of whole records.
//! Source: libCacheSim, "oracleGeneral" format.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use tidegate_edge::base::prng::Prng;

/// A key and the bytes of its object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) key: u64,
    pub(crate) bytes: u32,
}

/// What to make.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    /// Of all keys together, those apart that are asked for once.
    pub(crate) footprint_bytes: u64,
    pub(crate) requests: u32,
    pub(crate) object_bytes_max: u32,
}

/// All made traces by name, made when they are asked for.
pub(crate) fn made(wanted: Made) -> impl Iterator<Item = (String, Vec<Request>)> {
    let keys = usize::try_from(wanted.footprint_bytes / BYTES_MEAN)
        .unwrap_or(usize::MAX)
        .max(100);
    let skews = [0.7, 0.8, 0.9, 1.0, 1.1, 1.2].into_iter();
    let plain = skews.map(move |skew| (format!("zipf {skew}"), zipf_alone(wanted, keys, skew)));
    let others = [
        ("zipf 0.9, scans", scans as Maker),
        ("zipf 0.9, half once", half_once),
    ];
    plain.chain(others.map(move |(name, make)| (name.to_owned(), make(wanted, keys))))
}

type Maker = fn(Made, usize) -> Vec<Request>;

fn zipf_alone(wanted: Made, keys: usize, skew: f64) -> Vec<Request> {
    let zipf = Zipf::new(keys, skew);
    let mut prng = Prng::new(7);
    let draws = (0..wanted.requests).map(|_| request(zipf.draw(&mut prng), wanted));
    draws.collect()
}

/// Now and then keys that come once and one after the other, a fifth of all requests.
fn scans(wanted: Made, keys: usize) -> Vec<Request> {
    let zipf = Zipf::new(keys, 0.9);
    let mut prng = Prng::new(8);
    let draws = (0..wanted.requests).map(|i| {
        let is_scan = i % (wanted.requests / 5).max(1) < wanted.requests / 25;
        let once = FRESH_FROM + u64::from(i);
        request(if is_scan { once } else { zipf.draw(&mut prng) }, wanted)
    });
    draws.collect()
}

/// Every second request is for a key that comes once.
fn half_once(wanted: Made, keys: usize) -> Vec<Request> {
    let zipf = Zipf::new(keys, 0.9);
    let mut prng = Prng::new(9);
    let draws = (0..wanted.requests).map(|i| {
        let once = FRESH_FROM + u64::from(i);
        let is_once = prng.chance(500);
        request(if is_once { once } else { zipf.draw(&mut prng) }, wanted)
    });
    draws.collect()
}

/// A size that follows from the key.
fn request(key: u64, wanted: Made) -> Request {
    let bits = Prng::new(key).next_u64();
    let bytes = (BYTES_MEAN * 27 / 100) << (bits % 4);
    let bytes = bytes / 2 + bits / 16 % bytes;
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let bytes = bytes.clamp(BYTES_MIN, wanted.object_bytes_max);
    Request { key, bytes }
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

/// The requests of a file; larger objects are cut to the limit.
pub(crate) fn recorded(path: &Path, object_bytes_max: u32) -> io::Result<Vec<Request>> {
    let bytes = std::fs::read(path)?;
    let (records, rest) = bytes.as_chunks::<RECORD_BYTES>();
    if !rest.is_empty() || records.is_empty() {
        let text = format!(
            "{}: not a list of {RECORD_BYTES}-byte records",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let requests = records.iter().map(|record| {
        let key = record[4..12].try_into().map_or(0, u64::from_le_bytes);
        let bytes = record[12..16].try_into().map_or(0, u32::from_le_bytes);
        let bytes = bytes.clamp(BYTES_MIN, object_bytes_max);
        Request { key, bytes }
    });
    Ok(requests.collect())
}

/// The bytes of all records of the trace's objects together.
pub(crate) fn footprint(trace: &[Request]) -> u64 {
    let sizes: HashMap<u64, u32> = trace.iter().map(|r| (r.key, r.bytes)).collect();
    sizes.values().map(|bytes| record_bytes(*bytes)).sum()
}

/// What the store's record of an object takes: its head, its bytes, and up to the next unit.
pub(crate) fn record_bytes(object_bytes: u32) -> u64 {
    (u64::from(object_bytes) + 40).next_multiple_of(8).max(64)
}

/// Of every key, which is part of its object.
pub(crate) const KEY_BYTES: u32 = 8;
const BYTES_MIN: u32 = KEY_BYTES + 1;
/// Of a made trace.
const BYTES_MEAN: u64 = 8 << 10;
/// Keys that come once begin here.
const FRESH_FROM: u64 = 1 << 40;
/// Of the recorded format.
const RECORD_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(records: &[(u32, u64, u32, i64)], rest: &[u8]) -> tempfile::NamedTempFile {
        let mut bytes = Vec::new();
        for (time_s, key, object_bytes, next) in records {
            bytes.extend(time_s.to_le_bytes());
            bytes.extend(key.to_le_bytes());
            bytes.extend(object_bytes.to_le_bytes());
            bytes.extend(next.to_le_bytes());
        }
        bytes.extend(rest);
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        file
    }

    #[test]
    fn recorded_traces_are_read() {
        let most = u64::MAX;
        let records = [
            (1, 7, 100, 3),
            (2, most, 5000, -2),
            (3, 7, 100, -1),
            (4, 8, 0, -1),
        ];
        let file = file_of(&records, b"");
        let requests = recorded(file.path(), 4096).expect("a trace");
        let of = |key, bytes| Request { key, bytes };
        let wanted = [of(7, 100), of(most, 4096), of(7, 100), of(8, BYTES_MIN)];
        assert_eq!(requests, wanted);
        assert_eq!(footprint(&requests), 144 + 4136 + 64);
    }

    #[test]
    fn other_files_are_refused() {
        for file in [file_of(&[], b""), file_of(&[(1, 7, 100, 3)], b"more")] {
            let fault = recorded(file.path(), 4096).expect_err("refused");
            assert_eq!(fault.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn made_traces_are_what_they_say() {
        let wanted = Made {
            footprint_bytes: 64 << 20,
            requests: 40_000,
            object_bytes_max: 1 << 20,
        };
        let traces: Vec<_> = made(wanted).collect();
        assert_eq!(traces.len(), 8);
        for (name, trace) in &traces {
            assert_eq!(trace.len(), 40_000, "{name}");
            let once = trace.iter().filter(|r| r.key >= FRESH_FROM).count();
            let share = once * 10 / trace.len();
            let wanted = match name.as_str() {
                "zipf 0.9, scans" => 2,
                "zipf 0.9, half once" => 5,
                _ => 0,
            };
            assert!(share.abs_diff(wanted) <= 1, "{name}: {once} once");
        }
        let all: u64 = (1..8192)
            .map(|key| u64::from(request(key, wanted).bytes))
            .sum();
        let mean = all / 8191;
        assert!(mean.abs_diff(BYTES_MEAN) < BYTES_MEAN / 5, "{mean}");
    }
}
