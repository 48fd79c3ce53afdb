//! Ghosts: what left the small queue lately, remembered by fingerprint.
//!
//! Shape: lines of 16 entries, chosen by the key's hash; an entry is a fingerprint of 20 bits and a
//! time of 12. Time is bytes: a shard's clock runs by the size of what it forgets, so that a ghost
//! lives until the main queue's worth of objects has left after it, as in S3-FIFO. Ghosts too old
//! are cleared as the clock runs, before its 12 bits come round.
//! Units: bytes of clock, [`TIMES_PER_LIFE`] times a life. Errors: a wrong or lost entry puts one
//! object into the other queue. Source: Yang et al., "FIFO queues are all you need for cache
//! eviction" (SOSP 2023), section 4.

use super::{
    geometry::GHOSTS_PER_LINE,
    region::{HALF_BYTES, LINE_BYTES},
    slot::{get, put},
    store::{Store, scale},
    sync::Ordering,
};

impl Store {
    /// Remembers `hash`, whose record of `record_bytes` is forgotten. Under the shard's lock.
    pub(super) fn remember_ghost(&self, shard: u32, hash: u64, record_bytes: u32) {
        let clock = self.ghost_clock(shard);
        let before = clock.load(Ordering::Relaxed);
        let after = before.wrapping_add(u64::from(record_bytes));
        clock.store(after, Ordering::Relaxed);
        self.sweep_ghosts(shard, before, after);
        let now = self.ghost_time(after);
        let line = self.ghost_line(shard, hash);
        let mut oldest = (line, 0);
        for i in 0..GHOSTS_PER_LINE {
            let at = line + i * HALF_BYTES;
            let age = match self.region.half(at).load(Ordering::Relaxed) {
                0 => u32::MAX,
                entry => age(now, entry),
            };
            if age >= oldest.1 {
                oldest = (at, age);
            }
        }
        let entry = get(
            put(fingerprint(hash), TIME_BITS, 20) | u64::from(now),
            0,
            32,
        );
        self.region.half(oldest.0).store(entry, Ordering::Relaxed);
    }

    /// True when `hash` is a ghost; it is none afterwards.
    pub(super) fn take_ghost(&self, shard: u32, hash: u64) -> bool {
        let line = self.ghost_line(shard, hash);
        let now = self.ghost_time(self.ghost_clock(shard).load(Ordering::Relaxed));
        for i in 0..GHOSTS_PER_LINE {
            let cell = self.region.half(line + i * HALF_BYTES);
            let entry = cell.load(Ordering::Relaxed);
            if entry >> TIME_BITS == fingerprint(hash) {
                cell.store(0, Ordering::Relaxed);
                return age(now, entry) <= TIMES_PER_LIFE;
            }
        }
        false
    }

    /// Clears the ghosts at the end of their life, in as many lines as the clock has run.
    fn sweep_ghosts(&self, shard: u32, before: u64, after: u64) {
        let lines = self.geometry.ghost_lines as u64;
        let step = (self.geometry.main_bytes() / lines).max(1);
        let now = self.ghost_time(after);
        let steps = (after / step).wrapping_sub(before / step).min(lines);
        for i in 0..steps {
            let line = usize::try_from((before / step + i) % lines).unwrap_or(0);
            let at = self.ghost_lines_at(shard) + line * LINE_BYTES;
            for i in 0..GHOSTS_PER_LINE {
                let cell = self.region.half(at + i * HALF_BYTES);
                let entry = cell.load(Ordering::Relaxed);
                if entry != 0 && age(now, entry) > TIMES_PER_LIFE {
                    cell.store(0, Ordering::Relaxed);
                }
            }
        }
    }

    fn ghost_time(&self, clock: u64) -> u32 {
        let step = (self.geometry.main_bytes() / u64::from(TIMES_PER_LIFE)).max(1);
        get(clock / step, 0, TIME_BITS)
    }

    fn ghost_lines_at(&self, shard: u32) -> usize {
        self.geometry.ghosts_at + shard as usize * self.geometry.ghost_lines * LINE_BYTES
    }

    fn ghost_line(&self, shard: u32, hash: u64) -> usize {
        let line = scale(hash.rotate_left(GHOST_ROTATION), self.geometry.ghost_lines);
        self.ghost_lines_at(shard) + line * LINE_BYTES
    }
}

/// Not 0, which marks a free entry.
fn fingerprint(hash: u64) -> u32 {
    get(hash, 0, 20) | 1
}

fn age(now: u32, entry: u32) -> u32 {
    now.wrapping_sub(entry) & ((1 << TIME_BITS) - 1)
}

/// Steps of the clock in the life of a ghost.
const TIMES_PER_LIFE: u32 = 1024;
const TIME_BITS: u32 = 12;
/// The bits that choose the line are not those of the fingerprint.
const GHOST_ROTATION: u32 = 8;

const _: () = assert!(TIMES_PER_LIFE * 2 < 1 << TIME_BITS);
