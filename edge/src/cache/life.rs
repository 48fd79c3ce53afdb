//! Owners: who may pin, who is alive, and what the dead leave behind.
//!
//! An owner has a place in the table, an array of pins there, and a lock on a byte of the file that
//! ends with its process. The lock alone proves life: numbers of processes are used again, and mean
//! nothing across containers. What a dead owner held is cleared by whoever needs the room: its pins
//! are zeroed, its counters kept, and a shard lock of an epoch that is over counts as free.
//! Shape: an entry is the state word (epoch, alive), the process number for people, and counters.
//! Units: counts. Ranges: [`OWNERS_MAX`] places. Errors: [`StoreFault::OwnersTaken`].
//! Source: fcntl(2) "Open file description locks"; RELIABILITY section 5.

use std::sync::atomic::AtomicU64 as LocalU64;

use super::{
    crash::CrashPoint,
    fault::StoreFault,
    geometry::{OWNER_BYTES, OWNERS_AT, OWNERS_MAX, SHARD_BYTES},
    region::{HALF_BYTES, WORD_BYTES},
    slot::{get, put},
    stats::{COUNTERS, COUNTERS_AT},
    store::{EPOCHS, OWNER_LOCKS, RETIRED, Store},
    sync::{AtomicU32, AtomicU64, Ordering},
};
use crate::base::shm::file::Lock;

/// A registration: a place in the table, and the epoch that tells it from earlier ones there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seat {
    pub(super) place: u32,
    pub(super) epoch: u32,
}

impl Seat {
    /// The word of a lock that this seat holds.
    pub(super) fn to_word(self) -> u64 {
        put(self.place + 1, 0, 32) | put(self.epoch, 32, 32)
    }

    /// Who holds a lock with this word; `None` when it is free.
    pub(super) fn from_word(word: u64) -> Option<Seat> {
        let place = get(word, 0, 32).checked_sub(1)?;
        let epoch = get(word, 32, 32);
        Some(Seat { place, epoch })
    }
}

impl Store {
    /// Takes a free place, or a dead owner's.
    pub(super) fn claim_seat(&self) -> Result<Seat, StoreFault> {
        for place in 0..OWNERS_MAX {
            if !self.take_place(place) {
                continue;
            }
            let lock = self.file.try_lock(OWNER_LOCKS + place, Lock::Exclusive);
            if !matches!(lock, Ok(true)) {
                self.give_place(place);
                continue;
            }
            self.pass(CrashPoint::Registering);
            self.bury(place);
            let epochs = self.live_word(EPOCHS).fetch_add(1, Ordering::Relaxed);
            let epoch = get(epochs.wrapping_add(1), 0, 32);
            let process = self.region.word(owner_at(place) + WORD_BYTES);
            process.store(u64::from(std::process::id()), Ordering::Relaxed);
            let seat = Seat { place, epoch };
            self.seat_state(place)
                .store(seat.to_word(), Ordering::Release);
            return Ok(seat);
        }
        Err(StoreFault::OwnersTaken)
    }

    /// Gives a place back; the owner has no pins left.
    pub(super) fn leave_seat(&self, seat: Seat) {
        self.bury(seat.place);
        let _ = self.file.unlock(OWNER_LOCKS + seat.place); // else it ends with the file
        self.give_place(seat.place);
    }

    /// True while the owner with this seat lives. Asks the system, unless it is one of ours.
    pub(super) fn is_seat_alive(&self, seat: Seat) -> bool {
        if seat.place >= OWNERS_MAX {
            return false;
        }
        self.seat_state(seat.place).load(Ordering::Acquire) == seat.to_word()
            && self.is_place_alive(seat.place)
    }

    /// Clears what the owner of `place` held if it is dead; true if it was.
    pub(super) fn bury_if_dead(&self, place: u32) -> bool {
        if !self.take_place(place) {
            return false;
        }
        let lock = self.file.try_lock(OWNER_LOCKS + place, Lock::Exclusive);
        let is_dead = matches!(lock, Ok(true));
        if is_dead {
            self.bury(place);
            let _ = self.file.unlock(OWNER_LOCKS + place);
        }
        self.give_place(place);
        is_dead
    }

    /// The pins of the owner in `place` on `segment`.
    #[inline]
    pub(super) fn pins(&self, place: u32, segment: u32) -> &AtomicU32 {
        let first = self.geometry.pins_at + place as usize * self.geometry.pins_stride;
        self.region.half(first + segment as usize * HALF_BYTES)
    }

    /// All pins on `segment`, with the place of each owner.
    pub(super) fn all_pins(&self, segment: u32) -> impl Iterator<Item = &AtomicU32> {
        (0..OWNERS_MAX).map(move |place| self.pins(place, segment))
    }

    /// Pins that owners hold now, in all processes: none when nothing is being sent.
    #[must_use]
    pub fn pins_held(&self) -> u64 {
        let segments = 0..self.geometry.segments();
        let pins = segments.flat_map(|segment| self.all_pins(segment));
        pins.map(|pins| u64::from(pins.load(Ordering::Relaxed)))
            .sum()
    }

    /// A counter of the owner in `place`.
    pub(super) fn counter(&self, place: u32, index: usize) -> &AtomicU64 {
        self.region
            .word(owner_at(place) + COUNTERS_AT + index * WORD_BYTES)
    }

    /// A counter of owners that are gone.
    pub(super) fn retired_counter(&self, index: usize) -> &AtomicU64 {
        self.live_word(RETIRED + index)
    }

    /// Processes and threads that have the region open: the numbers of their processes.
    pub(super) fn living_processes(&self) -> Vec<u32> {
        let is_alive = |place: &u32| {
            self.seat_state(*place).load(Ordering::Acquire) != 0 && self.is_place_alive(*place)
        };
        let number = |place| {
            let word = self.region.word(owner_at(place) + WORD_BYTES);
            get(word.load(Ordering::Relaxed), 0, 32)
        };
        (0..OWNERS_MAX).filter(is_alive).map(number).collect()
    }

    /// Nobody is attached: all places are free.
    pub(super) fn clear_owners(&self) {
        (0..OWNERS_MAX).for_each(|place| self.bury(place));
    }

    /// Nobody is attached: the shard's locks and plans are void.
    pub(super) fn clear_shard(&self, shard: u32) {
        for word in SHARD_VOLATILE {
            self.shard_word(shard, word).store(0, Ordering::Relaxed);
        }
    }

    /// A word of a shard's entry.
    pub(super) fn shard_word(&self, shard: u32, index: usize) -> &AtomicU64 {
        let entry = self.geometry.shards_at + shard as usize * SHARD_BYTES;
        self.region.word(entry + index * WORD_BYTES)
    }

    pub(super) fn ghost_clock(&self, shard: u32) -> &AtomicU64 {
        self.shard_word(shard, SHARD_GHOST_CLOCK)
    }

    fn bury(&self, place: u32) {
        for index in 0..COUNTERS {
            let count = self.counter(place, index).swap(0, Ordering::Relaxed);
            if count != 0 {
                self.retired_counter(index)
                    .fetch_add(count, Ordering::Relaxed);
            }
        }
        for segment in 0..self.geometry.segments() {
            let pins = self.pins(place, segment);
            if pins.load(Ordering::Relaxed) != 0 {
                pins.store(0, Ordering::Release);
            }
        }
        self.seat_state(place).store(0, Ordering::Release);
    }

    fn is_place_alive(&self, place: u32) -> bool {
        let is_ours = self
            .place_bit(place)
            .is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0);
        // A question that cannot be asked is no proof of death.
        is_ours
            || self
                .file
                .is_locked_elsewhere(OWNER_LOCKS + place)
                .unwrap_or(true)
    }

    fn seat_state(&self, place: u32) -> &AtomicU64 {
        self.region.word(owner_at(place))
    }

    /// A lock of a file description does not exclude its own threads: this does.
    fn take_place(&self, place: u32) -> bool {
        self.place_bit(place)
            .is_some_and(|(word, bit)| word.fetch_or(bit, Ordering::AcqRel) & bit == 0)
    }

    fn give_place(&self, place: u32) {
        if let Some((word, bit)) = self.place_bit(place) {
            word.fetch_and(!bit, Ordering::AcqRel);
        }
    }

    fn place_bit(&self, place: u32) -> Option<(&LocalU64, u64)> {
        let word = self.taken.get(place as usize / 64)?;
        Some((word, 1 << (place % 64)))
    }
}

fn owner_at(place: u32) -> usize {
    OWNERS_AT + place as usize * OWNER_BYTES
}

/// Word of a shard: who holds its lock.
pub(super) const SHARD_LOCK: usize = 0;
/// Words of a shard: the active segment of each queue plus 1, 0 without.
pub(super) const SHARD_ACTIVE_SMALL: usize = 1;
pub(super) const SHARD_ACTIVE_MAIN: usize = 2;
/// Word of a shard: the order of the latest activation.
pub(super) const SHARD_ORDER: usize = 3;
/// Word of a shard: bytes that its small queue has forgotten.
pub(super) const SHARD_GHOST_CLOCK: usize = 4;
/// Word of a shard: the segment being evacuated plus 1, and its generation.
pub(super) const SHARD_VICTIM: usize = 5;
/// Word of a shard: how far the evacuation is.
pub(super) const SHARD_VICTIM_AT: usize = 6;
/// Word of a shard: free segments, as last counted.
pub(super) const SHARD_FREE: usize = 7;
/// Word of a shard: 1 while new objects go to the main queue, because there is room for all.
pub(super) const SHARD_FILLS_MAIN: usize = 8;
/// Words of a shard: the segment of each queue that was active before, plus 1, 0 without.
pub(super) const SHARD_TAIL_SMALL: usize = 9;
pub(super) const SHARD_TAIL_MAIN: usize = 10;

/// What does not outlive the last process.
const SHARD_VOLATILE: [usize; 9] = [
    SHARD_LOCK,
    SHARD_ACTIVE_SMALL,
    SHARD_ACTIVE_MAIN,
    SHARD_TAIL_SMALL,
    SHARD_TAIL_MAIN,
    SHARD_VICTIM,
    SHARD_VICTIM_AT,
    SHARD_FREE,
    SHARD_FILLS_MAIN,
];

const _: () = assert!(SHARD_TAIL_MAIN * WORD_BYTES < SHARD_BYTES);
const _: () = assert!(COUNTERS_AT + COUNTERS * WORD_BYTES <= OWNER_BYTES);
