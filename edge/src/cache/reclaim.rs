//! Making room: S3-FIFO, a segment at a time.
//!
//! The oldest segment of the small queue is walked while that queue has more than its share, else
//! the oldest of the main queue. From the small queue, records asked for at least twice move to the
//! main queue, the others become ghosts; from the main queue, those asked for since their last round
//! are inserted again with one less to their credit. A segment whose latest record is out of date
//! goes first, and unseen. Each insert walks a few times what it stored, so no insert pays for a
//! whole segment unless there is no other way.
//! Shape: the walk is kept in the shard's words, so that the next owner goes on where one stopped or
//! died. A body that was never written is stepped over unit by unit, to the next head that is one.
//! Units: bytes. Errors: none; what cannot be moved is evicted. Source: Yang et al., "FIFO queues are
//! all you need for cache eviction" (SOSP 2023); docs/architecture.md, "The cache".

use super::{
    crash::CrashPoint,
    geometry::{BUCKET_SLOTS, OWNERS_MAX, RECORDS_AT},
    insert::Reservation,
    life::{SHARD_FREE, SHARD_VICTIM, SHARD_VICTIM_AT},
    owner::{Inner, KeyHash},
    protocol,
    record::{HEADER_BYTES, Header, RECORD_BYTES_MIN, Stamp, UNIT_BYTES},
    region::WORD_BYTES,
    segment::{Kind, Queue, Standing},
    shard::{ShardLock, Survey},
    slot::{Place, Slot, get, put, tag_of},
    stats::Count,
    store::Store,
    sync::Ordering,
};

/// What became of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The budget is used up.
    Going,
    /// A segment was given up.
    Done,
    /// There is nothing to give up.
    Nothing,
}

/// A segment on its way out.
#[derive(Clone, Copy, Debug)]
struct Victim {
    segment: u32,
    standing: Standing,
    queue: Queue,
}

/// A record whose turn has come.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    stamp: Stamp,
    header: Header,
}

impl Inner {
    /// After an insert of `record_bytes`: when the queue's active segment is nearly full, walks a
    /// part of the next victim, so that another segment is free by then, and not long before.
    pub(super) fn keep_pace(&self, shard: u32, queue: Queue, record_bytes: u32, now_s: u32) {
        let store = &*self.store;
        if store.room_in_active(shard, queue) > store.geometry.segment_bytes / PACE_PART {
            return;
        }
        let free = store.shard_word(shard, SHARD_FREE).load(Ordering::Relaxed);
        if free >= u64::from(store.free_wanted(shard)) {
            return;
        }
        if let Some(lock) = self.try_lock(shard, false) {
            let budget = record_bytes
                .saturating_mul(PACE)
                .saturating_add(PACE_LEAST_BYTES);
            lock.step(budget, 0, now_s);
        }
    }
}

impl ShardLock<'_> {
    /// Gives up segments until an insert can have one. With each that brought nothing, survivors
    /// need more to their credit, so that it ends; when readers hold all that was given up, the last
    /// free segment is not kept for survivors.
    pub(super) fn make_room(&self, now_s: u32) -> Survey {
        let mut survey = Survey::default();
        for effort in 0..EFFORT_MAX {
            let step = self.step(u32::MAX, effort, now_s);
            survey = self.survey(now_s);
            let is_enough = survey.free >= self.inner.store.free_wanted(self.shard);
            if is_enough || step == Step::Nothing {
                break;
            }
        }
        survey
    }

    /// Walks up to `budget` bytes of the present victim, or of a new one.
    fn step(&self, budget: u32, effort: u32, now_s: u32) -> Step {
        let Some(victim) = self.victim().or_else(|| self.choose(now_s)) else {
            return Step::Nothing;
        };
        if !self.evacuate(victim, budget, effort, now_s) {
            return Step::Going;
        }
        self.inner.store.pass(CrashPoint::Evacuated);
        self.condemn(victim.segment, victim.standing);
        self.inner
            .store
            .shard_word(self.shard, SHARD_VICTIM)
            .store(0, Ordering::Relaxed);
        Step::Done
    }

    /// The victim being walked, if it still is what it was.
    fn victim(&self) -> Option<Victim> {
        let store = &*self.inner.store;
        let word = store
            .shard_word(self.shard, SHARD_VICTIM)
            .load(Ordering::Relaxed);
        let segment = get(word, 0, 32).checked_sub(1)?;
        if !store.geometry.segments_of(self.shard).contains(&segment) {
            return None;
        }
        let standing = store.standing(segment);
        match standing.kind {
            Kind::Sealed(queue) if standing.generation == get(word, 32, 32) => Some(Victim {
                segment,
                standing,
                queue,
            }),
            _ => None,
        }
    }

    /// Gives up what is wholly out of date, then chooses whose turn it is.
    fn choose(&self, now_s: u32) -> Option<Victim> {
        let store = &*self.inner.store;
        let mut survey = self.survey(now_s);
        while let Some(segment) = survey.expired {
            let standing = store.standing(segment);
            let objects = store.objects_in(segment);
            self.inner.count(Count::EvictedExpired, u64::from(objects));
            self.inner.count(Count::SegmentsExpired, 1);
            self.condemn(segment, standing);
            survey = self.survey(now_s);
            if survey.free >= store.free_wanted(self.shard) {
                return None;
            }
        }
        let has_share = survey.small > store.geometry.small_segments();
        let (first, second) = match has_share {
            true => (survey.oldest_small, survey.oldest_main),
            false => (survey.oldest_main, survey.oldest_small),
        };
        let mut turn = first.or(second).map(|(_, segment)| segment);
        if survey.parked >= store.geometry.shard_segments / PARKED_SHARE {
            turn = self.oldest_quiet();
        }
        let segment = turn?;
        let standing = store.standing(segment);
        let mark = put(segment + 1, 0, 32) | put(standing.generation, 32, 32);
        let victim_at = store.shard_word(self.shard, SHARD_VICTIM_AT);
        victim_at.store(u64::from(RECORDS_AT), Ordering::Relaxed);
        store
            .shard_word(self.shard, SHARD_VICTIM)
            .store(mark, Ordering::Relaxed);
        self.victim()
    }

    /// The oldest sealed segment without pins: when slow readers hold many, the others go first.
    fn oldest_quiet(&self) -> Option<u32> {
        let store = &*self.inner.store;
        let candidates = store.geometry.segments_of(self.shard).filter(|segment| {
            matches!(store.standing(*segment).kind, Kind::Sealed(_))
                && protocol::is_quiet(store.all_pins(*segment))
        });
        candidates.min_by_key(|segment| store.segment_order(*segment).load(Ordering::Relaxed))
    }

    /// Nothing new can be found in the segment, and it is free as soon as nobody reads it.
    fn condemn(&self, segment: u32, standing: Standing) {
        let store = &*self.inner.store;
        if !store.turn(segment, standing, Kind::Condemned) {
            return;
        }
        store.pass(CrashPoint::Condemned);
        self.inner.count(Count::Segments, 1);
        if self.release(segment, standing.turned(Kind::Condemned)).kind == Kind::Free {
            let free = store.shard_word(self.shard, SHARD_FREE);
            free.store(
                free.load(Ordering::Relaxed).wrapping_add(1),
                Ordering::Relaxed,
            );
        }
    }

    /// Frees a condemned segment if nobody living has it pinned.
    pub(super) fn release(&self, segment: u32, condemned: Standing) -> Standing {
        let store = &*self.inner.store;
        if !protocol::is_quiet(store.all_pins(segment)) {
            for place in 0..OWNERS_MAX {
                if store.pins(place, segment).load(Ordering::Relaxed) != 0 {
                    store.bury_if_dead(place);
                }
            }
            if !protocol::is_quiet(store.all_pins(segment)) {
                return condemned;
            }
        }
        let free = condemned.turned(Kind::Free);
        store.restand(segment, free);
        free
    }

    /// Walks up to `budget` bytes of the victim; true when its end is reached.
    fn evacuate(&self, victim: Victim, budget: u32, effort: u32, now_s: u32) -> bool {
        let store = &*self.inner.store;
        let progress = store.shard_word(self.shard, SHARD_VICTIM_AT);
        let end = store.records_end(victim.segment);
        let mut at = get(progress.load(Ordering::Relaxed), 0, 32);
        at = at.max(RECORDS_AT).next_multiple_of(UNIT_BYTES);
        let stop = at.saturating_add(budget).min(end);
        while at < stop {
            let mut batch = [None; BATCH];
            for entry in &mut batch {
                *entry = self.next_record(victim, &mut at, stop);
            }
            for leaving in batch.iter().flatten() {
                self.leave(victim.queue, leaving, effort, now_s);
            }
        }
        progress.store(u64::from(at), Ordering::Relaxed);
        at >= end
    }

    /// The next head before `stop`, its buckets asked for; `at` is moved behind its record.
    fn next_record(&self, victim: Victim, at: &mut u32, stop: u32) -> Option<Leaving> {
        let store = &*self.inner.store;
        let last = store.geometry.segment_bytes - RECORD_BYTES_MIN;
        while *at < stop && *at <= last {
            let stamp = Stamp {
                place: Place {
                    segment: victim.segment,
                    offset: *at,
                },
                generation: victim.standing.generation,
            };
            if let Some(header) = store.read_header(stamp) {
                *at += header.record_bytes();
                for bucket in store.buckets(KeyHash(header.hash)) {
                    store.region.prefetch(bucket);
                }
                return Some(Leaving { stamp, header });
            }
            *at += UNIT_BYTES;
        }
        *at = (*at).max(stop);
        None
    }

    /// Decides over one record.
    fn leave(&self, queue: Queue, leaving: &Leaving, effort: u32, now_s: u32) {
        let (store, header) = (&*self.inner.store, &leaving.header);
        let Some((slot_at, slot)) = store.slot_of(leaving) else {
            return; // replaced, removed or never published
        };
        let frequency = slot.frequency();
        let (stays, left) = match queue {
            Queue::Small => (frequency >= MOVE_FREQUENCY_MIN, 0),
            Queue::Main => (frequency > 0, frequency.saturating_sub(1)),
        };
        let why = if header.keep_until_s <= now_s {
            Count::EvictedExpired
        } else if store.is_flushed(header.namespace, header.generation_low) {
            Count::EvictedFlushed
        } else if stays && frequency > effort.saturating_sub(EFFORT_FREE) {
            if self.relocate(leaving, slot_at, slot, left) {
                let moved = match queue {
                    Queue::Small => Count::MovedToMain,
                    Queue::Main => Count::Reinserted,
                };
                self.inner.count(moved, 1);
                self.inner
                    .count(Count::MovedBytes, u64::from(header.record_bytes()));
                return;
            }
            Count::EvictedNoRoom
        } else if queue == Queue::Small {
            store.remember_ghost(self.shard, header.hash, header.record_bytes());
            Count::EvictedSmall
        } else {
            Count::EvictedMain
        };
        if self.inner.forget(slot_at, slot) {
            self.inner.count(why, 1);
        }
    }

    /// Copies a record to the main queue's active segment and leads its slot there; false when
    /// there is no room.
    fn relocate(&self, leaving: &Leaving, slot_at: usize, slot: Slot, frequency: u32) -> bool {
        let (store, header) = (&*self.inner.store, &leaving.header);
        let Some(room) = self.reserve_moved(header.record_bytes()) else {
            return false;
        };
        let payload_bytes = (header.record_bytes() - HEADER_BYTES) as usize;
        let (from, to) = (leaving.stamp.place, room.stamp.place);
        let copied =
            store
                .region
                .copy_within(store.payload_at(from), store.payload_at(to), payload_bytes);
        if !copied {
            return false;
        }
        self.inner.write_moved_header(&room, header);
        store.pass(CrashPoint::Moved);
        let new = Slot::new(to, room.stamp.generation, tag_of(header.hash), frequency);
        let cell = store.region.word(slot_at);
        let mut seen = slot;
        while seen.is_same_record(slot) {
            store.count_in(to);
            if protocol::publish(cell, seen.0, new.0) {
                store.count_out(from);
                return true;
            }
            store.count_out(to);
            seen = Slot(protocol::observe(cell));
        }
        true // replaced or removed meanwhile: the copy is lost room
    }

    fn reserve_moved(&self, record_bytes: u32) -> Option<Reservation<'_>> {
        let inner = self.inner;
        if let Ok(room) = inner.reserve_open(self.shard, Queue::Main, record_bytes) {
            return Some(room);
        }
        let store = &*inner.store;
        let free = store.geometry.segments_of(self.shard).find(|segment| {
            let word = store.segment_state(*segment).load(Ordering::Acquire);
            Standing::from_word(word).kind == Kind::Free
        })?;
        self.activate(Queue::Main, free);
        inner
            .reserve_open(self.shard, Queue::Main, record_bytes)
            .ok()
    }
}

impl Store {
    /// Free segments that an insert needs to take one: while the main queue's active segment has
    /// less room than what may survive the next victims, one more is left for that.
    pub(super) fn free_wanted(&self, shard: u32) -> u32 {
        let room = self.room_in_active(shard, Queue::Main);
        1 + u32::from(room < self.geometry.segment_bytes / 2)
    }

    /// Bytes that are left in a queue's active segment.
    fn room_in_active(&self, shard: u32, queue: Queue) -> u32 {
        let active = self.active(shard, queue).load(Ordering::Acquire);
        self.segment_named(shard, active).map_or(0, |segment| {
            self.geometry.segment_bytes - self.records_end(segment)
        })
    }

    /// Where the records of a sealed segment end.
    fn records_end(&self, segment: u32) -> u32 {
        let cursor = self.segment_cursor(segment).load(Ordering::Relaxed);
        let segment_bytes = self.geometry.segment_bytes;
        u32::try_from(cursor).map_or(segment_bytes, |end| end.min(segment_bytes))
    }

    /// The slot that leads to this very record.
    fn slot_of(&self, leaving: &Leaving) -> Option<(usize, Slot)> {
        let Stamp { place, generation } = leaving.stamp;
        let wanted = Slot::new(place, generation, tag_of(leaving.header.hash), 0);
        for bucket in self.buckets(KeyHash(leaving.header.hash)) {
            for i in 0..BUCKET_SLOTS {
                let slot_at = bucket + i * WORD_BYTES;
                let slot = Slot(protocol::observe(self.region.word(slot_at)));
                if slot.is_same_record(wanted) {
                    return Some((slot_at, slot));
                }
            }
        }
        None
    }
}

/// How often a record of the small queue must have been asked for to move to the main one.
const MOVE_FREQUENCY_MIN: u32 = 2;
/// The last part of a segment, one of so many: while it is being filled, room is made.
const PACE_PART: u32 = 4;
/// Bytes walked for each byte stored there: two segments in all.
const PACE: u32 = 8;
/// Walked at least, so that small objects do not leave the walk behind.
const PACE_LEAST_BYTES: u32 = 4096;
/// Segments that one insert gives up at most.
const EFFORT_MAX: u32 = 8;
/// Of these, how many by the rules alone.
const EFFORT_FREE: u32 = 3;
/// When this share of the segments waits for slow readers, segments without pins go first.
const PARKED_SHARE: u32 = 4;
/// Records whose buckets are fetched together.
const BATCH: usize = 16;
