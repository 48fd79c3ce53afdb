//! Namespaces: what is flushed together, at once, by one atomic step.
//!
//! Shape: a fixed table of counters; a namespace's number chooses one, and a record holds only
//! while its namespace's counter is what it was. Two namespaces may share a counter, then a flush
//! of one takes the other along: a miss is always allowed. A counter carries a check, because a
//! damaged one could bring flushed objects back: when a region is opened, such a one is replaced by
//! one never used.
//! Units: counts, 40 bits. Errors: none. Source: docs/architecture.md, "The cache".

use rapidhash::v3::rapidhash_v3_seeded;

use super::{
    geometry::{NAMESPACES_AT, NAMESPACES_MAX},
    region::WORD_BYTES,
    slot::get,
    store::Store,
    sync::{AtomicU64, Ordering},
};

/// The number of a namespace: a hash of what it stands for, such as API and stage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Namespace(pub u64);

/// How often a namespace was flushed, counted from an arbitrary start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Generation(pub(super) u64);

impl Generation {
    /// What a record keeps of it; the whole is part of the record's hash.
    pub(super) fn low(self) -> u32 {
        get(self.0, 0, 16)
    }
}

impl Store {
    /// The generation that objects of `namespace` must have now.
    #[inline]
    #[must_use]
    pub fn generation(&self, namespace: Namespace) -> Generation {
        let place = namespace_place(namespace);
        self.generation_at(place)
    }

    /// Makes every object of `namespace` a miss, from now on and in every process.
    pub fn flush(&self, namespace: Namespace) {
        self.advance(namespace_place(namespace));
    }

    pub(super) fn generation_at(&self, place: u32) -> Generation {
        let word = self.namespace_word(place).load(Ordering::Acquire);
        Generation(word & COUNT_MASK)
    }

    /// True when a record with these marks is of a flushed generation.
    pub(super) fn is_flushed(&self, place: u32, generation_low: u32) -> bool {
        self.generation_at(place).low() != generation_low
    }

    /// Starts the counters whose check fails: all of them in a new region.
    pub(super) fn repair_namespaces(&self) {
        for place in 0..NAMESPACES_MAX_U32 {
            let word = self.namespace_word(place).load(Ordering::Relaxed);
            if self.checked_count(place, word).is_none() {
                self.advance(place);
            }
        }
    }

    fn advance(&self, place: u32) {
        let cell = self.namespace_word(place);
        let mut word = cell.load(Ordering::Acquire);
        loop {
            let next = match self.checked_count(place, word) {
                Some(count) => count.wrapping_add(1) & COUNT_MASK,
                // Far from every count of the past, whatever the damage was.
                None => u64::from(self.fresh_number(!place)) << 8 & COUNT_MASK,
            };
            let new = self.with_check(place, next);
            match cell.compare_exchange(word, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(seen) => word = seen,
            }
        }
    }

    fn checked_count(&self, place: u32, word: u64) -> Option<u64> {
        let count = word & COUNT_MASK;
        (self.with_check(place, count) == word).then_some(count)
    }

    fn with_check(&self, place: u32, count: u64) -> u64 {
        count | self.mixed(place, count) & !COUNT_MASK
    }

    fn mixed(&self, place: u32, word: u64) -> u64 {
        let mut bytes = [0; 2 * WORD_BYTES];
        bytes[..WORD_BYTES].copy_from_slice(&u64::from(place).to_le_bytes());
        bytes[WORD_BYTES..].copy_from_slice(&word.to_le_bytes());
        rapidhash_v3_seeded(&bytes, &self.secrets)
    }

    fn namespace_word(&self, place: u32) -> &AtomicU64 {
        let place = place as usize % NAMESPACES_MAX;
        self.region.word(NAMESPACES_AT + place * WORD_BYTES)
    }
}

/// Where the namespace's counter is.
pub(super) fn namespace_place(namespace: Namespace) -> u32 {
    get(namespace.0 ^ namespace.0 >> 32, 0, NAMESPACE_BITS)
}

const NAMESPACE_BITS: u32 = 12;
const NAMESPACES_MAX_U32: u32 = 1 << NAMESPACE_BITS;
/// The count's bits; the check has the rest.
const COUNT_MASK: u64 = (1 << 40) - 1;

const _: () = assert!(NAMESPACES_MAX == NAMESPACES_MAX_U32 as usize);
