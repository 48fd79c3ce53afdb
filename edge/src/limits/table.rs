//! The table of buckets: memory that all cores share, and both processes of an upgrade.
//!
//! ```text
//! page 0   magic, version, boot, seeds, check │ segments in use
//! segment 0   first_slots × slot
//! segment 1   twice as many …                       set aside when it is needed
//! slot        scope │ number + 1 │ full again at │ pace │ lease of a quota
//! ```
//!
//! What: a slot is claimed once and never given to another identity while the table lives, so a
//! place that was found may be kept. An identity goes to the first slot that is free in its
//! windows, segment by segment from the first on. Everybody walks the same way and a slot that is
//! taken stays taken; so two who insert the same identity end at the same slot, without a lock (see
//! `claim`).
//! Shape: segments that double; [`Place`] is a slot's first word. Units: slots, words. Ranges:
//! [`SEGMENTS_MAX`] segments, [`WINDOW`] slots to look at in each. Errors: `None` when no slot is
//! free until the control thread has added a segment; who has no bucket is refused.
//! Source: RELIABILITY sections 5 and 6.

mod file;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};

pub use file::{TableFault, TableOptions};

use super::{
    bucket::{Bucket, Empty, Grant},
    claim::claim,
    level::Identity,
    rate::{Limit, TICK_NS},
    sync::{AtomicU64, Ordering},
};
use crate::base::{
    shm::{file::SharedFile, words::Words},
    time::Mono,
};

/// Buckets by identity.
#[derive(Debug)]
pub struct Table {
    words: Words,
    /// `None` for a table of this process alone.
    file: Option<SharedFile>,
    seeds: [u64; 2],
    /// Since when what is not in the table counts as empty, ticks; 0: it is full.
    empty_since: u64,
    first_slots: usize,
    /// Segments that this process has seen to be there.
    known: AtomicUsize,
    /// Words in them, with the header.
    known_words: AtomicUsize,
    wants_room: AtomicBool,
}

/// Where a bucket is, for as long as the table lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place(usize);

impl Place {
    /// The table's header, which is nobody's place.
    pub(super) const NONE: Place = Place(0);
}

/// A limit that a request has to pass.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Where its bucket is.
    pub place: Place,
    /// What it allows.
    pub limit: &'a Limit,
}

/// The limit that refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Its position in what was asked.
    pub index: usize,
    /// When to come back.
    pub empty: Empty,
}

/// Tokens of several levels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    grants: [Grant; ASKS_MAX],
}

/// Where an identity was found last, kept with whatever has that identity; so its next request
/// need not look for it. One that is out of date does no harm: a slot says whose it is.
#[derive(Debug, Default)]
pub struct Hint(AtomicU32);

/// Most limits of one request.
pub const ASKS_MAX: usize = 8;
/// Slots that an identity may lie in, in each segment.
pub const WINDOW: usize = 16;
/// Most segments.
pub const SEGMENTS_MAX: usize = 9;
const SLOT_WORDS: usize = 5;
const HEADER_WORDS: usize = 512;
/// The header's word that counts segments.
const SEGMENTS: usize = 7;

impl Table {
    /// The slot of `identity`, taken for it if it has none.
    #[inline]
    #[must_use]
    pub fn place(&self, identity: Identity) -> Option<Place> {
        let segments = self.segments();
        let hash = self.hash(identity);
        // Half of all slots are in the last segment, so it is looked at first.
        let last = segments.saturating_sub(1);
        let (at, first, second) = self.slot(hash, last, 0);
        let (scope, number) = marks(identity);
        if first.load(Ordering::Acquire) == scope && second.load(Ordering::Acquire) == number {
            return Some(Place(at)); // as most are
        }
        self.place_further(identity, hash, segments)
    }

    #[cold]
    fn place_further(&self, identity: Identity, hash: u64, segments: usize) -> Option<Place> {
        for segment in (0..segments).rev() {
            if let Some(place) = self.find(identity, hash, segment) {
                return Some(place);
            }
        }
        self.insert(identity, hash, segments)
    }

    /// The slot of `identity`, in a new segment if there is no room; for the control thread.
    pub(super) fn place_or_grow(&self, identity: Identity) -> Result<Place, TableFault> {
        loop {
            match self.place(identity) {
                Some(place) => return Ok(place),
                None => self.grow()?,
            }
        }
    }

    /// The slot of `identity`, looked for first where `hint` says, which is brought up to date.
    #[inline]
    #[must_use]
    pub fn place_hinted(&self, identity: Identity, hint: &Hint) -> Option<Place> {
        let at = hint.0.load(Ordering::Relaxed) as usize;
        // The hint may be from another table: what is not set aside in this one is not touched.
        if at != 0 && at + SLOT_WORDS <= self.known_words.load(Ordering::Acquire) {
            let [first, second] = self.words.run(at);
            let (scope, number) = marks(identity);
            if first.load(Ordering::Acquire) == scope && second.load(Ordering::Acquire) == number {
                return Some(Place(at));
            }
        }
        self.place_and_hint(identity, hint)
    }

    #[cold]
    fn place_and_hint(&self, identity: Identity, hint: &Hint) -> Option<Place> {
        let place = self.place(identity)?;
        if let Ok(at) = u32::try_from(place.0) {
            hint.0.store(at, Ordering::Relaxed);
        }
        Some(place)
    }

    /// The slot of `identity`, if it has one.
    #[must_use]
    pub fn known_place(&self, identity: Identity) -> Option<Place> {
        let hash = self.hash(identity);
        let mut segments = 0..self.segments();
        segments.find_map(|segment| self.find(identity, hash, segment))
    }

    /// Takes a token of every limit in `asks`, or of none.
    ///
    /// # Errors
    /// The first limit that has none.
    #[inline]
    pub fn take(&self, now: Mono, asks: &[Ask<'_>]) -> Result<Taken, Refused> {
        let ticks = now.0 / TICK_NS;
        let mut taken = Taken::default();
        for (ask, room) in asks.iter().zip(&mut taken.grants) {
            match self.bucket(ask.place).take(ask.limit, ticks) {
                Ok(grant) => *room = grant,
                Err(empty) => return Err(self.give_back(asks, &taken, empty)),
            }
        }
        if asks.len() > ASKS_MAX {
            return Err(self.give_back(asks, &taken, Empty { ticks: u64::MAX }));
        }
        Ok(taken)
    }

    /// After `empty`, whose place is behind those that were `taken`.
    #[cold]
    #[inline(never)]
    fn give_back(&self, asks: &[Ask<'_>], taken: &Taken, empty: Empty) -> Refused {
        self.undo(asks, taken);
        let index = taken.grants.iter().take_while(|grant| grant.is_one());
        let index = index.count();
        Refused { index, empty }
    }

    /// Gives back what [`Table::take`] took for `asks`.
    #[cold]
    pub fn undo(&self, asks: &[Ask<'_>], taken: &Taken) {
        for (ask, grant) in asks.iter().zip(&taken.grants) {
            if grant.is_one() {
                self.bucket(ask.place).undo(*grant, ask.limit);
            }
        }
    }

    /// The tokens that `ask` would find.
    ///
    /// # Errors
    /// When to come back, if there are none.
    pub fn peek(&self, now: Mono, ask: &Ask<'_>) -> Result<u64, Empty> {
        self.bucket(ask.place).peek(ask.limit, now.0 / TICK_NS)
    }

    /// The word of the lease at `place`.
    #[inline]
    pub(super) fn lease(&self, place: Place) -> &AtomicU64 {
        self.words.word(place.0 + 4)
    }

    #[inline]
    fn bucket(&self, place: Place) -> Bucket<'_> {
        let [_, _, until, pace] = self.words.run(place.0);
        Bucket {
            until,
            pace,
            empty_since: self.empty_since,
        }
    }

    /// True when somebody found little room since the last call.
    pub fn takes_wish(&self) -> bool {
        self.wants_room.swap(false, Ordering::Relaxed)
    }

    /// Bytes that are set aside.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        bytes_of(self.first_slots, self.segments())
    }

    /// Slots that are taken, counted one by one.
    #[must_use]
    pub fn slots_used(&self) -> usize {
        let slots = slots_of(self.first_slots, self.segments());
        let is_used = |slot: &usize| {
            let scope = self.words.word(HEADER_WORDS + slot * SLOT_WORDS);
            scope.load(Ordering::Relaxed) != 0
        };
        (0..slots).filter(is_used).count()
    }

    #[inline]
    fn segments(&self) -> usize {
        let known = self.known.load(Ordering::Acquire);
        if self.words.word(SEGMENTS).load(Ordering::Acquire) == known as u64 {
            return known;
        }
        self.follow(known)
    }

    /// Words of the `nth` slot that `hash` may lie in, in `segment`.
    #[inline]
    fn slot(&self, hash: u64, segment: usize, nth: usize) -> (usize, &AtomicU64, &AtomicU64) {
        let slots = self.first_slots << segment;
        #[allow(clippy::cast_possible_truncation)] // `slots` is a power of two below 2^32
        let within = (hash as usize).wrapping_add(nth) & (slots - 1);
        let slot = slots_of(self.first_slots, segment) + within;
        let at = HEADER_WORDS + slot * SLOT_WORDS;
        let [first, second] = self.words.run(at);
        (at, first, second)
    }

    #[inline]
    fn find(&self, identity: Identity, hash: u64, segment: usize) -> Option<Place> {
        let (scope, number) = marks(identity);
        for nth in 0..WINDOW {
            let (at, first, second) = self.slot(hash, segment, nth);
            let seen = first.load(Ordering::Acquire);
            if seen == scope && second.load(Ordering::Acquire) == number {
                return Some(Place(at));
            }
            if seen == 0 {
                return None; // it would have been put here
            }
        }
        None
    }

    #[cold]
    fn insert(&self, identity: Identity, hash: u64, segments: usize) -> Option<Place> {
        let (scope, number) = marks(identity);
        for segment in 0..segments {
            for nth in 0..WINDOW {
                let (at, first, second) = self.slot(hash, segment, nth);
                if claim(first, second, scope, number) {
                    if segment + 1 == segments && nth >= WINDOW / 2 {
                        self.wants_room.store(true, Ordering::Relaxed);
                    }
                    return Some(Place(at));
                }
            }
        }
        self.wants_room.store(true, Ordering::Relaxed);
        None
    }

    /// Where in a segment an identity is looked for first. The seeds are the table's own, so that
    /// nobody outside can aim.
    #[inline]
    pub(super) fn hash(&self, identity: Identity) -> u64 {
        let [one, two] = self.seeds;
        fold(fold(identity.number ^ one, identity.scope ^ two), one | 1)
    }
}

impl Taken {
    /// The fewest tokens that one of `asks`, for which these were taken at `now`, has left, with
    /// its position.
    #[must_use]
    pub fn least(&self, now: Mono, asks: &[Ask<'_>]) -> Option<(usize, u64)> {
        let ticks = now.0 / TICK_NS;
        let lefts = asks.iter().zip(&self.grants);
        lefts
            .map(|(ask, grant)| grant.left(ask.limit, ticks))
            .enumerate()
            .min_by_key(|(_, left)| *left)
    }
}

/// What a slot of this identity says; never 0.
#[inline]
const fn marks(identity: Identity) -> (u64, u64) {
    let scope = if identity.scope == 0 {
        1
    } else {
        identity.scope
    };
    (scope, identity.number.saturating_add(1))
}

#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let wide = a as u128 * b as u128;
    #[allow(clippy::cast_possible_truncation)] // both halves are meant
    {
        (wide as u64) ^ ((wide >> 64) as u64)
    }
}

/// Slots of the first `segments` segments.
#[inline]
const fn slots_of(first_slots: usize, segments: usize) -> usize {
    first_slots * ((1 << segments) - 1)
}

/// Bytes of a table with that many segments.
const fn bytes_of(first_slots: usize, segments: usize) -> usize {
    (HEADER_WORDS + slots_of(first_slots, segments) * SLOT_WORDS) * 8
}

#[cfg(test)]
mod tests;
