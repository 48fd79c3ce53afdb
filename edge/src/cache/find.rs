//! From a hash to a record: the index.
//!
//! Shape: a bucket is one line of eight slots, a key has two buckets. The first is filled first, so
//! that most look-ups touch one line. A slot is a hint: the record behind it is read under a pin and
//! decides by its head, the hash and the full key.
//! Units: offsets in bytes. Errors: `None` for any doubt. Source: docs/architecture.md, "The cache".

use super::{
    geometry::{BUCKET_BYTES, BUCKET_SLOTS, PAGE_BUCKETS},
    owner::{Inner, KeyHash, Pin},
    protocol,
    record::{HEADER_BYTES, HEADER_WORDS, Header, Stamp},
    region::{LINE_BYTES, WORD_BYTES},
    seal::FRONT_BYTES,
    segment::Standing,
    slot::{Place, Slot, tag_of},
    stats::Count,
    store::{Store, scale},
    sync::Ordering,
};
use rapidhash::v3::{RapidStreamHasherV3, rapidhash_v3_seeded};

/// A record that a slot led to, pinned.
pub(super) struct Found<'a> {
    /// Where the slot is.
    pub(super) slot_at: usize,
    pub(super) slot: Slot,
    pub(super) stamp: Stamp,
    pub(super) header: Header,
    /// The payload of a sealed record, opened: salt and number, then the object.
    pub(super) opened: Option<Vec<u8>>,
    pub(super) pin: Pin<'a>,
}

impl Inner {
    /// The record of `key`, of any age and namespace generation.
    #[inline]
    pub(super) fn find(&self, hash: KeyHash, key: &[u8]) -> Option<Found<'_>> {
        self.find_where(hash, None, |found| self.has_key(found, key))
    }

    /// A record with all 64 bits of `hash`, not the one in the slot at `skip`. For replacing and
    /// removing: of two keys with one hash, one may go for the other.
    pub(super) fn find_hash(&self, hash: KeyHash, skip: Option<usize>) -> Option<Found<'_>> {
        self.find_where(hash, skip, |_| true)
    }

    #[inline]
    fn find_where(
        &self,
        hash: KeyHash,
        skip: Option<usize>,
        is_wanted: impl Fn(&mut Found<'_>) -> bool,
    ) -> Option<Found<'_>> {
        let tag = tag_of(hash.0);
        for bucket in self.store.buckets(hash) {
            let slots = self.store.region.words::<BUCKET_SLOTS>(bucket).map(Slot);
            for (i, slot) in slots.into_iter().enumerate() {
                let slot_at = bucket + i * WORD_BYTES;
                if slot.tag() == tag
                    && skip != Some(slot_at)
                    && let Some(found) = self.follow(slot_at, slot, hash, &is_wanted)
                {
                    return Some(found);
                }
            }
        }
        None
    }

    /// The record that `slot` at `slot_at` leads to, if it is wanted. A slot that changes while it
    /// is followed is followed again: the record has moved, or a newer one has come.
    #[inline]
    fn follow(
        &self,
        slot_at: usize,
        mut slot: Slot,
        hash: KeyHash,
        is_wanted: &impl Fn(&mut Found<'_>) -> bool,
    ) -> Option<Found<'_>> {
        for _ in 0..FOLLOW_TRIES {
            if let Some(mut found) = self.examine(slot_at, slot)
                && found.header.hash == hash.0
                && is_wanted(&mut found)
            {
                return Some(found);
            }
            let seen = Slot(protocol::observe(self.store.region.word(slot_at)));
            if seen.is_same_record(slot) || seen.tag() != tag_of(hash.0) {
                return None;
            }
            slot = seen;
        }
        None
    }

    /// The record behind `slot`, pinned, if its head is whole. A sealed one is not opened yet.
    #[inline]
    pub(super) fn examine(&self, slot_at: usize, slot: Slot) -> Option<Found<'_>> {
        let place = slot.place();
        if !self.store.geometry.holds(place) {
            return None;
        }
        let (pin, word) = self.pin(place.segment);
        let standing = Standing::from_word(word);
        if !standing.is_readable() || !slot.may_be_of(standing.generation) {
            return None;
        }
        let stamp = Stamp {
            place,
            generation: standing.generation,
        };
        let header = self.store.read_header(stamp)?;
        Some(Found {
            slot_at,
            slot,
            stamp,
            header,
            opened: None,
            pin,
        })
    }

    /// Compares the key in place, or in an opened copy.
    #[inline]
    fn has_key(&self, found: &mut Found<'_>, key: &[u8]) -> bool {
        if found.header.key_bytes as usize != key.len() {
            return false;
        }
        if found.header.is_sealed && !self.open(found) {
            return false;
        }
        match &found.opened {
            Some(opened) => opened.get(FRONT_BYTES..FRONT_BYTES + key.len()) == Some(key),
            None => self
                .store
                .region
                .equals(self.store.payload_at(found.stamp.place), key),
        }
    }

    /// Opens a sealed record into a copy of our own.
    pub(super) fn open(&self, found: &mut Found<'_>) -> bool {
        let (Some(sealing), Some(vault)) = (&self.sealing, &self.store.vault) else {
            return false;
        };
        let mut payload = self.take_spare();
        payload.resize(found.header.payload_bytes() as usize, 0);
        let at = self.store.payload_at(found.stamp.place);
        let is_open = self.store.region.copy_out(at, &mut payload)
            && sealing
                .borrow_mut()
                .open(vault, &found.header, &mut payload)
                .is_some();
        if is_open {
            found.opened = Some(payload);
        } else {
            self.give_spare(payload);
            self.count(Count::Damaged, 1);
        }
        is_open
    }

    /// True when the payload is what was written: checked once in each process.
    #[inline]
    pub(super) fn is_intact(&self, found: &Found<'_>) -> bool {
        let (place, generation) = (found.stamp.place, found.stamp.generation);
        if found.header.is_sealed || self.store.verified.holds(place, generation) {
            return true; // opening a sealed one was the check
        }
        self.is_intact_anew(found)
    }

    /// True when the payload is what was written: checked now.
    pub(super) fn is_intact_anew(&self, found: &Found<'_>) -> bool {
        let at = self.store.payload_at(found.stamp.place);
        let check = self
            .store
            .payload_check(at, found.header.payload_bytes() as usize);
        let is_intact = check == found.header.body_check || found.header.is_sealed;
        if is_intact {
            self.store
                .verified
                .note(found.stamp.place, found.stamp.generation);
        } else {
            self.count(Count::Damaged, 1);
        }
        is_intact
    }

    /// Empties the slot at `slot_at` if it still leads to the record of `slot`; the frequency may
    /// have changed.
    pub(super) fn forget(&self, slot_at: usize, slot: Slot) -> bool {
        let cell = self.store.region.word(slot_at);
        let mut seen = slot;
        while seen.is_same_record(slot) {
            if protocol::publish(cell, seen.0, Slot::EMPTY.0) {
                self.store.count_out(slot.place());
                return true;
            }
            seen = Slot(protocol::observe(cell));
        }
        false
    }

    /// Empties every slot that leads to a record with `hash`; how many did.
    pub(super) fn remove_all(&self, hash: KeyHash) -> u32 {
        let mut removed = 0;
        for _ in 0..REMOVE_TRIES {
            let Some(found) = self.find_hash(hash, None) else {
                break;
            };
            removed += u32::from(self.forget(found.slot_at, found.slot));
        }
        removed
    }
}

impl Store {
    /// Where the two buckets of `hash` begin. Both lie in one page, so that the second costs no
    /// walk through the page tables.
    #[inline]
    pub(super) fn buckets(&self, hash: KeyHash) -> [usize; 2] {
        let first = scale(hash.0, self.geometry.buckets);
        let step = 1 + scale(hash.0.rotate_left(STEP_ROTATION), PAGE_BUCKETS - 1);
        [first, first ^ step].map(|bucket| self.bucket_at(bucket))
    }

    /// Where the bucket with this number begins.
    #[inline]
    pub(super) fn bucket_at(&self, bucket: usize) -> usize {
        self.geometry.index_at + bucket * BUCKET_BYTES
    }

    #[inline]
    pub(super) fn prefetch_buckets(&self, hash: KeyHash) {
        for bucket in self.buckets(hash) {
            self.region.prefetch(bucket);
        }
    }

    /// Fetches what a look-up reads of the record: head and key, and whether it was checked.
    #[inline]
    pub(super) fn prefetch_record(&self, hash: KeyHash) {
        let tag = tag_of(hash.0);
        for bucket in self.buckets(hash) {
            let slots = self.region.words::<BUCKET_SLOTS>(bucket).map(Slot);
            for slot in slots {
                if slot.tag() == tag && self.geometry.holds(slot.place()) {
                    let at = self.geometry.data_at(slot.place());
                    for line in 0..PREFETCHED_LINES {
                        self.region.prefetch(at + line * LINE_BYTES);
                    }
                    self.verified.prefetch(slot.place());
                    return;
                }
            }
        }
    }

    /// The header at `stamp`, if there is one. The caller has the segment pinned or locked.
    #[inline]
    pub(super) fn read_header(&self, stamp: Stamp) -> Option<Header> {
        let at = self.geometry.data_at(stamp.place);
        let words = self.region.words::<HEADER_WORDS>(at);
        // A slot left behind may lead to a record just being written: its payload was written
        // before its header, and is read after.
        protocol::header_read();
        let room_bytes = self.geometry.segment_bytes - stamp.place.offset;
        Header::from_words(&words, stamp, room_bytes, &self.secrets)
    }

    /// Where the payload of the record at `place` begins.
    #[inline]
    pub(super) fn payload_at(&self, place: Place) -> usize {
        self.geometry.data_at(place) + HEADER_BYTES as usize
    }

    /// The check of the `bytes_len` bytes at `at`.
    pub(super) fn payload_check(&self, at: usize, bytes_len: usize) -> u32 {
        let mut block = [0; CHECK_BLOCK_BYTES];
        if let Some(whole) = block.get_mut(..bytes_len) {
            self.region.copy_out(at, whole);
            return super::slot::get(rapidhash_v3_seeded(whole, &self.secrets), 0, 32);
        }
        let mut hasher = RapidStreamHasherV3::new(&self.secrets);
        let mut done = 0;
        while let Some(part) = block.get_mut(..CHECK_BLOCK_BYTES.min(bytes_len - done)) {
            if part.is_empty() {
                break;
            }
            self.region.copy_out(at + done, part);
            hasher.write(part);
            done += part.len();
        }
        super::slot::get(hasher.finish(), 0, 32)
    }

    /// A slot leads to a record of this segment.
    pub(super) fn count_in(&self, place: Place) {
        self.segment_objects(place.segment)
            .fetch_add(1, Ordering::Relaxed);
    }

    /// A slot leads there no more.
    pub(super) fn count_out(&self, place: Place) {
        self.segment_objects(place.segment)
            .fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where in the hash the way to the second bucket begins: below what chooses the first, above the
/// tag.
const STEP_ROTATION: u32 = 36;
/// Lines of a record that are fetched before a look-up.
const PREFETCHED_LINES: usize = 3;
/// Bytes copied at a time to be checked.
const CHECK_BLOCK_BYTES: usize = 1024;
/// Changes of a slot that one look-up keeps up with.
const FOLLOW_TRIES: u32 = 4;
/// A key is in one slot, in two after a race.
const REMOVE_TRIES: u32 = 32;
