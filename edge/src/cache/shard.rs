//! A shard: reserving room, and whose turn it is to make some.
//!
//! Reserving is one atomic addition in the active segment of a queue. Only what happens once a
//! segment (a new active one, the choice of a victim, its evacuation) is done under the shard's
//! lock, a word with the holder's seat in it. It is tried, never waited for beyond a few
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
        SHARD_ORDER, Seat,
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
        for _ in 0..RESERVE_TRIES {
            match self.reserve_active(shard, queue, bytes) {
                Ok(reservation) => return Ok(reservation),
                Err(seen) => self.rotate(shard, queue, seen, now_s)?,
            }
        }
        Err(InsertFault::Busy)
    }

    /// Takes room in the active segment; what was active when there was too little.
    pub(super) fn reserve_active(
        &self,
        shard: u32,
        queue: Queue,
        bytes: u32,
    ) -> Result<Reservation<'_>, u64> {
        let active = self.store.active(shard, queue).load(Ordering::Acquire);
        let segment = get(active, 0, 32).checked_sub(1).ok_or(active)?;
        if !self.store.geometry.segments_of(shard).contains(&segment) {
            return Err(active);
        }
        let (pin, word) = self.pin(segment);
        let standing = Standing::from_word(word);
        if standing.kind != Kind::Active(queue) {
            return Err(active);
        }
        let cursor = self.store.segment_cursor(segment);
        let end = u64::from(self.store.geometry.segment_bytes);
        match protocol::reserve(cursor, u64::from(bytes), end) {
            Ok(start) => {
                let offset = get(start, 0, 32);
                Ok(Reservation {
                    stamp: Stamp {
                        place: Place { segment, offset },
                        generation: standing.generation,
                    },
                    _pin: pin,
                })
            }
            Err(start) => {
                if start <= end {
                    // The one that the end cuts: what is behind holds no records.
                    let records_end = self.store.segment_end(segment);
                    records_end.store(get(start, 0, 32), Ordering::Relaxed);
                }
                Err(active)
            }
        }
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
                return lock.renew(queue, now_s);
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
    /// A new active segment for `queue`, of the free ones; the last is left for moves.
    fn renew(&self, queue: Queue, now_s: u32) -> Result<(), InsertFault> {
        let mut survey = self.survey(now_s);
        if survey.free < FREE_FOR_INSERT {
            survey = self.make_room(now_s).ok_or(InsertFault::Full)?;
        }
        let segment = survey.first_free.ok_or(InsertFault::Full)?;
        self.activate(queue, segment);
        self.note_filling(&survey);
        Ok(())
    }

    /// Counts the shard's segments. On the way: what was condemned and is quiet becomes free, what
    /// is active and not known as such is sealed.
    pub(super) fn survey(&self, now_s: u32) -> Survey {
        let store = &*self.inner.store;
        let mut survey = Survey::default();
        for segment in store.geometry.segments_of(self.shard) {
            let mut standing = store.standing(segment);
            if standing.kind == Kind::Condemned {
                standing = self.release(segment, standing);
            }
            if let Kind::Active(queue) = standing.kind
                && store.active_segment(self.shard, queue) != Some(segment)
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

    /// Makes a free segment the active one of `queue`, and seals the one before.
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
        store.segment_end(segment).store(0, Ordering::Relaxed);
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
        let before = store.active_segment(self.shard, queue);
        let cell = store.active(self.shard, queue);
        cell.store(u64::from(segment) + 1, Ordering::Release);
        store.pass(CrashPoint::Rotated);
        if let Some(before) = before {
            let standing = store.standing(before);
            if standing.kind == Kind::Active(queue) {
                store.turn(before, standing, Kind::Sealed(queue));
            }
        }
    }

    /// While segments are left that nothing was ever evicted from, new objects need no proof.
    fn note_filling(&self, survey: &Survey) {
        let store = &*self.inner.store;
        let has_room = survey.free > FREE_WANTED + 1;
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

    /// The active segment of a queue.
    pub(super) fn active_segment(&self, shard: u32, queue: Queue) -> Option<u32> {
        let word = self.active(shard, queue).load(Ordering::Acquire);
        let segment = get(word, 0, 32).checked_sub(1)?;
        self.geometry
            .segments_of(shard)
            .contains(&segment)
            .then_some(segment)
    }

    /// True while the shard has room for all, and new objects go to the main queue.
    pub(super) fn fills_main(&self, shard: u32) -> bool {
        self.shard_word(shard, SHARD_FILLS_MAIN)
            .load(Ordering::Relaxed)
            == 1
    }
}

/// Free segments that the shard tries to have: one to become active, one for survivors.
pub(super) const FREE_WANTED: u32 = 2;
/// Free segments that an insert needs to take one.
pub(super) const FREE_FOR_INSERT: u32 = 2;
/// Each try lost means that the new active segment was full again at once.
const RESERVE_TRIES: u32 = 8;
/// About 50 microseconds of looking at a lock.
const LOCK_SPINS: u32 = 1000;
