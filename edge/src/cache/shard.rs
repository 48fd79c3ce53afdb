//! A shard: reserving room, and whose turn it is to make some.
//!
//! Each queue has two open segments: the active one, and the one before it, its tail, which takes
//! the records that still fit into its end. Reserving is one atomic step in either. Only what happens
//! once a segment (a new active one, the choice of a victim, its evacuation) is done under the
//! shard's lock, a word with the holder's seat in it. It is tried, never waited for beyond a few
//! microseconds, and taken over from a holder that died: every step leaves a state that the next
//! holder can go on from.
//! Shape: [`ShardLock`] is the right to change the shard's segments. Units: bytes, segments.
//! Errors: [`InsertFault`]. Source: docs/architecture.md, "The cache".

use super::{
    crash::CrashPoint,
    fault::InsertFault,
    geometry::RECORDS_AT,
    insert::Reservation,
    life::{
        SHARD_ACTIVE_MAIN, SHARD_ACTIVE_SMALL, SHARD_FILLS_MAIN, SHARD_FREE, SHARD_LOCK,
        SHARD_ORDER, SHARD_TAIL_MAIN, SHARD_TAIL_SMALL, Seat,
    },
    owner::Inner,
    protocol,
    record::Stamp,
    segment::{Kind, Queue, Standing},
    slot::{Place, get},
    store::Store,
    sync::{AtomicU64, Ordering},
};

/// The right to change the segments of a shard, until it is dropped.
pub(super) struct ShardLock<'a> {
    pub(super) inner: &'a Inner,
    pub(super) shard: u32,
}

/// What the segments of a shard are at one moment.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Survey {
    pub(super) free: u32,
    pub(super) first_free: Option<u32>,
    pub(super) parked: u32,
    pub(super) small: u32,
    /// Sealed and wholly out of date.
    pub(super) expired: Option<u32>,
    /// The sealed segment of each queue whose turn it is, with its order.
    pub(super) oldest_small: Option<(u64, u32)>,
    pub(super) oldest_main: Option<(u64, u32)>,
}

impl Inner {
    /// Takes room for a record, making some if need be.
    pub(super) fn reserve(
        &self,
        shard: u32,
        queue: Queue,
        bytes: u32,
        now_s: u32,
    ) -> Result<Reservation<'_>, InsertFault> {
        let mut fault = InsertFault::Busy;
        for _ in 0..RESERVE_TRIES {
            let rotated = match self.reserve_open(shard, queue, bytes) {
                Ok(reservation) => return Ok(reservation),
                Err(seen) => self.rotate(shard, queue, seen, now_s),
            };
            if let Err(why) = rotated {
                fault = why;
                break;
            }
        }
        self.reserve_elsewhere(shard, queue, bytes).ok_or(fault)
    }

    /// Takes room where the record does not belong, but will be found all the same: when readers
    /// hold the segments of its own queue, or somebody is making room there at this moment.
    fn reserve_elsewhere(&self, shard: u32, queue: Queue, bytes: u32) -> Option<Reservation<'_>> {
        let next = (shard + 1) % self.store.geometry.shards;
        let places = [(shard, queue.other()), (next, queue), (next, queue.other())];
        places
            .into_iter()
            .find_map(|(shard, queue)| self.reserve_open(shard, queue, bytes).ok())
    }

    /// Takes room in an open segment; what was active when there was too little.
    pub(super) fn reserve_open(
        &self,
        shard: u32,
        queue: Queue,
        bytes: u32,
    ) -> Result<Reservation<'_>, u64> {
        let active = self.store.active(shard, queue).load(Ordering::Acquire);
        let tail = self.store.tail(shard, queue).load(Ordering::Acquire);
        self.reserve_in(shard, queue, tail, bytes)
            .or_else(|| self.reserve_in(shard, queue, active, bytes))
            .ok_or(active)
    }

    /// Takes room in the segment that `word` names, if it is open and has some.
    fn reserve_in(
        &self,
        shard: u32,
        queue: Queue,
        word: u64,
        bytes: u32,
    ) -> Option<Reservation<'_>> {
        let store = &*self.store;
        let segment = store.segment_named(shard, word)?;
        let (bytes, end) = (u64::from(bytes), u64::from(store.geometry.segment_bytes));
        let cursor = store.segment_cursor(segment);
        if cursor.load(Ordering::Relaxed).saturating_add(bytes) > end {
            return None; // most tails: not worth a pin
        }
        let (pin, word) = self.pin(segment);
        let standing = Standing::from_word(word);
        if standing.kind != Kind::Active(queue) {
            return None;
        }
        let offset = get(protocol::reserve(cursor, bytes, end)?, 0, 32);
        Some(Reservation {
            stamp: Stamp {
                place: Place { segment, offset },
                generation: standing.generation,
            },
            _pin: pin,
        })
    }

    /// Gives the shard a new active segment in place of `seen`, unless somebody has.
    fn rotate(&self, shard: u32, queue: Queue, seen: u64, now_s: u32) -> Result<(), InsertFault> {
        for spin in 1..=LOCK_SPINS {
            if self.store.active(shard, queue).load(Ordering::Acquire) != seen {
                return Ok(());
            }
            // Whether the holder lives is asked at the end only: that is a system call.
            if let Some(lock) = self.try_lock(shard, spin == LOCK_SPINS) {
                if self.store.active(shard, queue).load(Ordering::Acquire) != seen {
                    return Ok(());
                }
                return lock.renew(queue, seen, now_s);
            }
            std::hint::spin_loop();
        }
        Err(InsertFault::Busy)
    }

    /// The shard's lock, if it is free, or its holder is dead and `thorough` says to find out.
    pub(super) fn try_lock(&self, shard: u32, thorough: bool) -> Option<ShardLock<'_>> {
        let cell = self.store.shard_word(shard, SHARD_LOCK);
        let word = cell.load(Ordering::Relaxed);
        let may_take = match Seat::from_word(word) {
            None => true,
            Some(holder) => thorough && !self.store.is_seat_alive(holder),
        };
        if !may_take || !protocol::publish(cell, word, self.seat.to_word()) {
            return None;
        }
        self.store.pass(CrashPoint::Locked);
        Some(ShardLock { inner: self, shard })
    }
}

impl Drop for ShardLock<'_> {
    fn drop(&mut self) {
        let cell = self.inner.store.shard_word(self.shard, SHARD_LOCK);
        protocol::publish(cell, self.inner.seat.to_word(), 0);
    }
}

impl ShardLock<'_> {
    /// A new active segment for `queue` in place of `seen`, of the free ones.
    fn renew(&self, queue: Queue, seen: u64, now_s: u32) -> Result<(), InsertFault> {
        let store = &*self.inner.store;
        let mut survey = self.survey(now_s);
        if survey.free < store.free_wanted(self.shard) {
            survey = self.make_room(now_s);
            if store.active(self.shard, queue).load(Ordering::Acquire) != seen {
                return Ok(()); // survivors have opened one, and not filled it
            }
        }
        let segment = survey.first_free.ok_or(InsertFault::Full)?;
        self.activate(queue, segment);
        self.note_filling(&survey);
        Ok(())
    }

    /// Counts the shard's segments. On the way: what was condemned and is quiet becomes free, what
    /// is active and neither its queue's active segment nor its tail is sealed.
    pub(super) fn survey(&self, now_s: u32) -> Survey {
        let store = &*self.inner.store;
        let mut survey = Survey::default();
        for segment in store.geometry.segments_of(self.shard) {
            let mut standing = store.standing(segment);
            if standing.kind == Kind::Condemned {
                standing = self.release(segment, standing);
            }
            if let Kind::Active(queue) = standing.kind
                && !store.is_open(self.shard, queue, segment)
            {
                standing = standing.turned(Kind::Sealed(queue));
                store.restand(segment, standing);
            }
            self.survey_one(&mut survey, segment, standing.kind, now_s);
        }
        let free = store.shard_word(self.shard, SHARD_FREE);
        free.store(u64::from(survey.free), Ordering::Relaxed);
        survey
    }

    fn survey_one(&self, survey: &mut Survey, segment: u32, kind: Kind, now_s: u32) {
        let store = &*self.inner.store;
        match kind {
            Kind::Free => {
                survey.free += 1;
                survey.first_free = survey.first_free.or(Some(segment));
            }
            Kind::Condemned => survey.parked += 1,
            Kind::Active(queue) => survey.small += u32::from(queue == Queue::Small),
            Kind::Sealed(queue) => {
                survey.small += u32::from(queue == Queue::Small);
                if store.segment_expiry(segment).load(Ordering::Relaxed) <= now_s {
                    survey.expired = Some(segment);
                }
                let oldest = match queue {
                    Queue::Small => &mut survey.oldest_small,
                    Queue::Main => &mut survey.oldest_main,
                };
                let order = store.segment_order(segment).load(Ordering::Relaxed);
                if oldest.is_none_or(|(least, _)| order < least) {
                    *oldest = Some((order, segment));
                }
            }
        }
    }

    /// Makes a free segment the active one of `queue`, the one before its tail, and seals the tail
    /// before that.
    pub(super) fn activate(&self, queue: Queue, segment: u32) {
        let store = &*self.inner.store;
        let free = store.standing(segment);
        debug_assert_eq!(free.kind, Kind::Free, "a segment in use");
        let order = store.shard_word(self.shard, SHARD_ORDER);
        let turn = order.load(Ordering::Relaxed).wrapping_add(1);
        order.store(turn, Ordering::Relaxed);
        store
            .segment_cursor(segment)
            .store(u64::from(RECORDS_AT), Ordering::Relaxed);
        store.segment_order(segment).store(turn, Ordering::Relaxed);
        store.segment_expiry(segment).store(0, Ordering::Relaxed);
        store.segment_objects(segment).store(0, Ordering::Relaxed);
        let active = Standing {
            kind: Kind::Active(queue),
            generation: free.generation.wrapping_add(1),
        };
        store.restand(segment, active);
        store.pass(CrashPoint::Activated);
        let free = store.shard_word(self.shard, SHARD_FREE);
        free.store(
            free.load(Ordering::Relaxed).saturating_sub(1),
            Ordering::Relaxed,
        );
        let (active, tail) = (
            store.active(self.shard, queue),
            store.tail(self.shard, queue),
        );
        let full = store.segment_named(self.shard, tail.load(Ordering::Acquire));
        tail.store(active.load(Ordering::Acquire), Ordering::Release);
        active.store(u64::from(segment) + 1, Ordering::Release);
        store.pass(CrashPoint::Rotated);
        if let Some(full) = full {
            let standing = store.standing(full);
            if standing.kind == Kind::Active(queue) && !store.is_open(self.shard, queue, full) {
                store.turn(full, standing, Kind::Sealed(queue));
            }
        }
    }

    /// While segments are left that nothing was ever evicted from, new objects need no proof.
    fn note_filling(&self, survey: &Survey) {
        let store = &*self.inner.store;
        let has_room = survey.free > FREE_OF_A_FULL_SHARD;
        let fills_main = has_room && survey.small >= store.geometry.small_segments();
        let cell = store.shard_word(self.shard, SHARD_FILLS_MAIN);
        cell.store(u64::from(fills_main), Ordering::Relaxed);
    }
}

impl Store {
    /// The active segment of a queue plus 1, 0 without.
    pub(super) fn active(&self, shard: u32, queue: Queue) -> &AtomicU64 {
        let index = match queue {
            Queue::Small => SHARD_ACTIVE_SMALL,
            Queue::Main => SHARD_ACTIVE_MAIN,
        };
        self.shard_word(shard, index)
    }

    /// The tail of a queue plus 1, 0 without.
    fn tail(&self, shard: u32, queue: Queue) -> &AtomicU64 {
        let index = match queue {
            Queue::Small => SHARD_TAIL_SMALL,
            Queue::Main => SHARD_TAIL_MAIN,
        };
        self.shard_word(shard, index)
    }

    /// The segment that such a word names, if it is one of the shard's.
    pub(super) fn segment_named(&self, shard: u32, word: u64) -> Option<u32> {
        let segment = get(word, 0, 32).checked_sub(1)?;
        self.geometry
            .segments_of(shard)
            .contains(&segment)
            .then_some(segment)
    }

    /// True when the queue still writes into `segment`.
    fn is_open(&self, shard: u32, queue: Queue, segment: u32) -> bool {
        [self.active(shard, queue), self.tail(shard, queue)]
            .into_iter()
            .any(|cell| self.segment_named(shard, cell.load(Ordering::Acquire)) == Some(segment))
    }

    /// True while the shard has room for all, and new objects go to the main queue.
    pub(super) fn fills_main(&self, shard: u32) -> bool {
        self.shard_word(shard, SHARD_FILLS_MAIN)
            .load(Ordering::Relaxed)
            == 1
    }
}

/// More free segments than this are left only before anything was evicted.
const FREE_OF_A_FULL_SHARD: u32 = 3;
/// Each try lost means that the new active segment was full again at once.
const RESERVE_TRIES: u32 = 8;
/// About 50 microseconds of looking at a lock.
const LOCK_SPINS: u32 = 1000;
