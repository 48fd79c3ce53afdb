//! Storing an object: reserve, write hidden, publish.
//!
//! Shape: [`Insert`] holds the parts of an object, its body in pieces. Until the last step nobody can
//! find the record; what is left by a process that dies before is room lost until its segment's turn.
//! Units: bytes, seconds since 1970. Ranges: the store's object limit. Errors: [`InsertFault`]; an
//! object that is not stored is fetched again. Source: docs/architecture.md, "The cache".

use super::{
    crash::CrashPoint,
    fault::InsertFault,
    geometry::BUCKET_SLOTS,
    namespace::{Generation, Namespace, namespace_place},
    owner::{Inner, KeyHash, Pin},
    protocol,
    record::{Header, KEY_BYTES_MAX, META_BYTES_MAX, Stamp},
    region::WORD_BYTES,
    segment::Queue,
    slot::{Slot, tag_of},
    stats::Count,
    store::{Store, scale},
    sync::{Ordering, fence},
};

/// An object to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Insert<'a> {
    /// What it is flushed with.
    pub namespace: Namespace,
    /// The namespace's generation when its origin was asked: a flush or a purge since then refuses
    /// it.
    pub generation: Generation,
    /// All that tells it from others, the namespace apart.
    pub key: &'a [u8],
    /// What goes before the body, such as a prepared head.
    pub meta: &'a [u8],
    /// The body, in pieces.
    pub body: &'a [&'a [u8]],
    /// When it was fresh from its origin.
    pub stored_s: u32,
    /// From when on it is stale.
    pub expires_s: u32,
    /// From when on it is a miss.
    pub keep_until_s: u32,
}

/// Room in an active segment, pinned.
pub(super) struct Reservation<'a> {
    pub(super) stamp: Stamp,
    pub(super) _pin: Pin<'a>,
}

impl Inner {
    pub(super) fn insert(&self, insert: &Insert<'_>, now_s: u32) -> Result<(), InsertFault> {
        let store = &*self.store;
        let mut header = self.header_of(insert, now_s)?;
        let hash = store.hash_of(insert.namespace, insert.generation.flushes, insert.key);
        header.hash = hash.0;
        let shard = store.shard_of(hash);
        let (queue, frequency) = self.choose_queue(shard, hash);
        let reservation = self.reserve(shard, queue, header.record_bytes(), now_s)?;
        store.pass(CrashPoint::Reserved);
        if header.is_sealed {
            self.write_sealed(&reservation, &mut header, insert)?;
        } else {
            self.write_plain(&reservation, &mut header, insert);
        }
        self.write_header(&reservation, &header);
        store.pass(CrashPoint::Written);
        let Stamp { place, generation } = reservation.stamp;
        let slot = Slot::new(place, generation, tag_of(hash.0), frequency);
        self.publish(hash, slot)?;
        store.pass(CrashPoint::Published);
        fence(Ordering::SeqCst);
        if store.purges() != insert.generation.purges {
            // The purge that began meanwhile may have passed this slot.
            self.remove_all(hash);
            return Err(InsertFault::OutOfDate);
        }
        self.count(Count::Inserts, 1);
        self.count(Count::InsertedBytes, u64::from(header.record_bytes()));
        drop(reservation);
        self.keep_pace(shard, queue, header.record_bytes(), now_s);
        Ok(())
    }

    fn header_of(&self, insert: &Insert<'_>, now_s: u32) -> Result<Header, InsertFault> {
        let store = &*self.store;
        let body_bytes: u64 = insert.body.iter().map(|piece| piece.len() as u64).sum();
        let object_bytes = body_bytes
            .saturating_add(insert.meta.len() as u64)
            .saturating_add(insert.key.len() as u64);
        let object_bytes_max = store.object_bytes_max();
        if object_bytes > u64::from(object_bytes_max) {
            return Err(InsertFault::TooLarge {
                object_bytes,
                object_bytes_max,
            });
        }
        let within = |len: u64, max: u32| u32::try_from(len).ok().filter(|len| *len <= max);
        let (Some(key_bytes), Some(meta_bytes), Some(body_bytes)) = (
            within(insert.key.len() as u64, KEY_BYTES_MAX).filter(|len| *len > 0),
            within(insert.meta.len() as u64, META_BYTES_MAX),
            within(body_bytes, object_bytes_max),
        ) else {
            return Err(InsertFault::Malformed);
        };
        let namespace = namespace_place(insert.namespace);
        let Generation { flushes, purges } = insert.generation;
        let is_outdated = store.flushes_at(namespace) != flushes || store.purges() != purges;
        if insert.keep_until_s <= now_s || is_outdated {
            return Err(InsertFault::OutOfDate);
        }
        Ok(Header {
            hash: 0,
            key_bytes,
            meta_bytes,
            body_bytes,
            is_sealed: store.is_sealed(),
            namespace,
            generation_low: flushes.low(),
            stored_s: insert.stored_s,
            expires_s: insert.expires_s,
            keep_until_s: insert.keep_until_s,
            body_check: 0,
        })
    }

    /// An object that is in the main queue stays there, one that left the small queue lately goes
    /// there; others must prove themselves, unless there is room for all.
    fn choose_queue(&self, shard: u32, hash: KeyHash) -> (Queue, u32) {
        if let Some(old) = self.find_hash(hash, None) {
            let standing = self.store.standing(old.stamp.place.segment);
            let queue = standing.queue().unwrap_or(Queue::Small);
            return (queue, old.slot.frequency());
        }
        if self.store.take_ghost(shard, hash.0) {
            self.count(Count::GhostHits, 1);
            return (Queue::Main, 0);
        }
        if self.store.fills_main(shard) {
            return (Queue::Main, 0);
        }
        (Queue::Small, 0)
    }

    fn write_plain(&self, to: &Reservation<'_>, header: &mut Header, insert: &Insert<'_>) {
        let store = &*self.store;
        let first = store.payload_at(to.stamp.place);
        let mut at = first;
        for part in [insert.key, insert.meta] {
            store.region.copy_in(at, part);
            at += part.len();
        }
        store.pass(CrashPoint::HalfWritten);
        for piece in insert.body {
            store.region.copy_in(at, piece);
            at += piece.len();
        }
        header.body_check = store.payload_check(first, header.payload_bytes() as usize);
    }

    fn write_sealed(
        &self,
        to: &Reservation<'_>,
        header: &mut Header,
        insert: &Insert<'_>,
    ) -> Result<(), InsertFault> {
        let sealing = self.sealing.as_ref().ok_or(InsertFault::Unsealed)?;
        let mut object = self.take_spare();
        for part in [insert.key, insert.meta].iter().chain(insert.body) {
            object.extend_from_slice(part);
        }
        let wrapping = sealing.borrow_mut().seal(header, &mut object);
        let Some(wrapping) = wrapping else {
            self.give_spare(object);
            return Err(InsertFault::Unsealed);
        };
        let mut at = self.store.payload_at(to.stamp.place);
        for part in [&wrapping.front[..], &object, &wrapping.tag] {
            self.store.region.copy_in(at, part);
            at += part.len();
            self.store.pass(CrashPoint::HalfWritten);
        }
        self.give_spare(object);
        Ok(())
    }

    /// Writes the head, last of all parts, and makes the segment live as long as the record.
    pub(super) fn write_header(&self, to: &Reservation<'_>, header: &Header) {
        self.write_moved_header(to, header);
        self.store
            .verified
            .note(to.stamp.place, to.stamp.generation);
    }

    /// The same for bytes that this process has not checked.
    pub(super) fn write_moved_header(&self, to: &Reservation<'_>, header: &Header) {
        let store = &*self.store;
        let place = to.stamp.place;
        protocol::payload_written();
        let words = header.to_words(to.stamp, &store.secrets);
        let at = store.geometry.data_at(place);
        for (i, word) in words.iter().enumerate() {
            store
                .region
                .word(at + i * WORD_BYTES)
                .store(*word, Ordering::Relaxed);
        }
        let expiry = store.segment_expiry(place.segment);
        expiry.fetch_max(header.keep_until_s, Ordering::Relaxed);
    }

    /// Makes the record of `slot` the one that `hash` leads to.
    fn publish(&self, hash: KeyHash, slot: Slot) -> Result<(), InsertFault> {
        let store = &*self.store;
        for _ in 0..PUBLISH_TRIES {
            let (slot_at, old, count) = match self.find_hash(hash, None) {
                Some(found) => (found.slot_at, found.slot, Some(Count::Replaced)),
                None => store.place_for(hash),
            };
            // Counted before it can be found: whoever removes it counts it out.
            store.count_in(slot.place());
            if !protocol::publish(store.region.word(slot_at), old.0, slot.0) {
                store.count_out(slot.place());
                continue;
            }
            if let Some(count) = count {
                store.count_out(old.place());
                self.count(count, 1);
            }
            self.settle(hash, slot_at, slot);
            return Ok(());
        }
        Err(InsertFault::Busy)
    }

    /// Two owners that published one key at the same time leave one record: the one in the earlier
    /// slot. Each looks after publishing, so at least one of them sees both.
    fn settle(&self, hash: KeyHash, slot_at: usize, slot: Slot) {
        protocol::look_around();
        if let Some(other) = self.find_hash(hash, Some(slot_at)) {
            if other.slot_at < slot_at {
                self.forget(slot_at, slot);
            } else {
                self.forget(other.slot_at, other.slot);
            }
        }
    }
}

impl Store {
    /// The shard of `hash`.
    pub(super) fn shard_of(&self, hash: KeyHash) -> u32 {
        let shard = scale(
            hash.0.rotate_left(SHARD_ROTATION),
            self.geometry.shards as usize,
        );
        u32::try_from(shard).unwrap_or(0)
    }

    /// Where a new key's slot goes: a free one of the first bucket while few are taken there, so
    /// that most look-ups touch one line; then of the bucket with more; without any, in place of the
    /// least used of both. With it what is there now, and how to count it.
    fn place_for(&self, hash: KeyHash) -> (usize, Slot, Option<Count>) {
        let [first, second] = self.buckets(hash);
        let here = self.vacancy(first);
        if here.taken < FIRST_BUCKET_TAKEN {
            return here.place;
        }
        let there = self.vacancy(second);
        match here.taken <= there.taken {
            true if here.taken < BUCKET_SLOTS => here.place,
            _ if there.taken < BUCKET_SLOTS => there.place,
            _ if here.place.1.frequency() <= there.place.1.frequency() => here.place,
            _ => there.place,
        }
    }

    /// How full a bucket is, and which of its slots to use.
    fn vacancy(&self, bucket: usize) -> Vacancy {
        let (mut taken, mut free, mut least) = (0, None, (0, Slot::EMPTY, u32::MAX));
        for i in 0..BUCKET_SLOTS {
            let slot_at = bucket + i * WORD_BYTES;
            let slot = Slot(protocol::observe(self.region.word(slot_at)));
            if slot.is_empty() || self.is_left_behind(slot) {
                free = free.or(Some((slot_at, slot, None)));
                continue;
            }
            taken += 1;
            if slot.frequency() < least.2 {
                least = (slot_at, slot, slot.frequency());
            }
        }
        let place = free.unwrap_or((least.0, least.1, Some(Count::EvictedIndex)));
        Vacancy { taken, place }
    }

    /// True when the slot's segment was given up since.
    pub(super) fn is_left_behind(&self, slot: Slot) -> bool {
        let place = slot.place();
        if !self.geometry.holds(place) {
            return true;
        }
        let standing = self.standing(place.segment);
        !standing.is_readable() || !slot.may_be_of(standing.generation)
    }
}

/// A bucket, as a new key sees it.
struct Vacancy {
    taken: usize,
    place: (usize, Slot, Option<Count>),
}

/// From so many taken slots on, the second bucket is looked at. With all eight, one in sixty new
/// objects found both full at four fifths of the index in use; with six, one in six hundred, and
/// one look-up in seven goes on to the second bucket.
const FIRST_BUCKET_TAKEN: usize = 6;
/// The bits that choose the shard are neither those of the bucket nor those of the tag.
const SHARD_ROTATION: u32 = 36;
/// Each try lost means that another owner changed the slot.
const PUBLISH_TRIES: u32 = 16;
