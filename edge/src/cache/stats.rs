//! What the store has done and what is in it, in numbers.
//!
//! Shape: each owner counts for itself in its place of the table, with plain loads and stores; a
//! reader sums all owners and what those that left had counted. What is in the store is counted
//! with the segments. Units: counts and bytes. Errors: none; a process that dies between an act
//! and its count leaves the sum off by one. Source: none.

use std::ops::AddAssign;

use super::{geometry::OWNERS_MAX, segment::Kind, store::Store, sync::Ordering};

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(super) enum Count {
    Hits,
    Misses,
    Inserts,
    InsertedBytes,
    Refused,
    Replaced,
    Removed,
    EvictedSmall,
    EvictedMain,
    EvictedExpired,
    EvictedFlushed,
    EvictedIndex,
    EvictedNoRoom,
    MovedToMain,
    Reinserted,
    MovedBytes,
    GhostHits,
    Damaged,
    Segments,
    SegmentsExpired,
}

/// The sums over all owners since the region was made, and the content now.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Size of the file.
    pub capacity_bytes: u64,
    /// Objects that can be found.
    pub objects: u64,
    /// Bytes of segments that are filled.
    pub used_bytes: u64,
    /// Bytes of all segments together.
    pub data_bytes: u64,
    /// Segments that wait for a slow reader before they can be used anew.
    pub segments_parked: u64,
    /// Segments that nobody uses.
    pub segments_free: u64,
    /// Look-ups that found the object.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Objects stored.
    pub inserts: u64,
    /// Their bytes, heads of records included.
    pub inserted_bytes: u64,
    /// Objects not stored for want of room or of a turn.
    pub refused: u64,
    /// Objects stored over an older one of their key.
    pub replaced: u64,
    /// Objects removed by key or by a purge.
    pub removed: u64,
    /// Evicted from the small queue: not asked for again while new.
    pub evicted_small: u64,
    /// Evicted from the main queue: not asked for since its last round.
    pub evicted_main: u64,
    /// Their time was over; of segments given up whole, as many as were in it.
    pub evicted_expired: u64,
    /// Their namespace was flushed.
    pub evicted_flushed: u64,
    /// Displaced because both of their buckets were full.
    pub evicted_index: u64,
    /// Would have stayed, but no segment was free to move them to.
    pub evicted_no_room: u64,
    /// Moved from the small to the main queue.
    pub moved_to_main: u64,
    /// Moved from the end of the main queue to its beginning.
    pub reinserted: u64,
    /// Bytes moved by both.
    pub moved_bytes: u64,
    /// Stored into the main queue because they had left the small one lately.
    pub ghost_hits: u64,
    /// Records that did not hold what they should.
    pub damaged: u64,
    /// Segments given up.
    pub segments_reclaimed: u64,
    /// Of these, without a look at their records, because all were out of date.
    pub segments_expired: u64,
}

impl Stats {
    /// Evictions by cause.
    #[must_use]
    pub fn evictions(&self) -> [(&'static str, u64); 6] {
        [
            ("small", self.evicted_small),
            ("main", self.evicted_main),
            ("expired", self.evicted_expired),
            ("flushed", self.evicted_flushed),
            ("index", self.evicted_index),
            ("no_room", self.evicted_no_room),
        ]
    }
}

/// What two regions have done and hold together.
impl AddAssign for Stats {
    fn add_assign(&mut self, other: Stats) {
        let Stats {
            capacity_bytes,
            objects,
            used_bytes,
            data_bytes,
            segments_parked,
            segments_free,
            hits,
            misses,
            inserts,
            inserted_bytes,
            refused,
            replaced,
            removed,
            evicted_small,
            evicted_main,
            evicted_expired,
            evicted_flushed,
            evicted_index,
            evicted_no_room,
            moved_to_main,
            reinserted,
            moved_bytes,
            ghost_hits,
            damaged,
            segments_reclaimed,
            segments_expired,
        } = other;
        let rows = [
            (&mut self.capacity_bytes, capacity_bytes),
            (&mut self.objects, objects),
            (&mut self.used_bytes, used_bytes),
            (&mut self.data_bytes, data_bytes),
            (&mut self.segments_parked, segments_parked),
            (&mut self.segments_free, segments_free),
            (&mut self.hits, hits),
            (&mut self.misses, misses),
            (&mut self.inserts, inserts),
            (&mut self.inserted_bytes, inserted_bytes),
            (&mut self.refused, refused),
            (&mut self.replaced, replaced),
            (&mut self.removed, removed),
            (&mut self.evicted_small, evicted_small),
            (&mut self.evicted_main, evicted_main),
            (&mut self.evicted_expired, evicted_expired),
            (&mut self.evicted_flushed, evicted_flushed),
            (&mut self.evicted_index, evicted_index),
            (&mut self.evicted_no_room, evicted_no_room),
            (&mut self.moved_to_main, moved_to_main),
            (&mut self.reinserted, reinserted),
            (&mut self.moved_bytes, moved_bytes),
            (&mut self.ghost_hits, ghost_hits),
            (&mut self.damaged, damaged),
            (&mut self.segments_reclaimed, segments_reclaimed),
            (&mut self.segments_expired, segments_expired),
        ];
        for (sum, more) in rows {
            *sum = sum.wrapping_add(more);
        }
    }
}

impl Store {
    /// The figures of the region, over all processes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let of = |count| self.sum(count);
        let mut stats = Stats {
            capacity_bytes: self.capacity_bytes(),
            data_bytes: u64::from(self.geometry.segments())
                * u64::from(self.geometry.segment_bytes),
            hits: of(Count::Hits),
            misses: of(Count::Misses),
            inserts: of(Count::Inserts),
            inserted_bytes: of(Count::InsertedBytes),
            refused: of(Count::Refused),
            replaced: of(Count::Replaced),
            removed: of(Count::Removed),
            evicted_small: of(Count::EvictedSmall),
            evicted_main: of(Count::EvictedMain),
            evicted_expired: of(Count::EvictedExpired),
            evicted_flushed: of(Count::EvictedFlushed),
            evicted_index: of(Count::EvictedIndex),
            evicted_no_room: of(Count::EvictedNoRoom),
            moved_to_main: of(Count::MovedToMain),
            reinserted: of(Count::Reinserted),
            moved_bytes: of(Count::MovedBytes),
            ghost_hits: of(Count::GhostHits),
            damaged: of(Count::Damaged),
            segments_reclaimed: of(Count::Segments),
            segments_expired: of(Count::SegmentsExpired),
            ..Stats::default()
        };
        self.count_segments(&mut stats);
        stats
    }

    /// The numbers of the processes that have owners, one for each owner.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.living_processes()
    }

    fn count_segments(&self, stats: &mut Stats) {
        for segment in 0..self.geometry.segments() {
            match self.standing(segment).kind {
                Kind::Free => stats.segments_free += 1,
                Kind::Condemned => stats.segments_parked += 1,
                Kind::Active(_) | Kind::Sealed(_) => {
                    let cursor = self.segment_cursor(segment).load(Ordering::Relaxed);
                    stats.used_bytes += cursor.min(u64::from(self.geometry.segment_bytes));
                    stats.objects += u64::from(self.objects_in(segment));
                }
            }
        }
    }

    /// As counted; what a damaged count says beyond any segment's size is not believed.
    pub(super) fn objects_in(&self, segment: u32) -> u32 {
        let count = self.segment_objects(segment).load(Ordering::Relaxed);
        if count > self.geometry.segment_bytes {
            return 0;
        }
        count
    }

    fn sum(&self, count: Count) -> u64 {
        let index = count as usize;
        let retired = self.retired_counter(index).load(Ordering::Relaxed);
        (0..OWNERS_MAX).fold(retired, |sum, place| {
            sum.wrapping_add(self.counter(place, index).load(Ordering::Relaxed))
        })
    }
}

/// Counters of an owner.
pub(super) const COUNTERS: usize = Count::SegmentsExpired as usize + 1;
/// Where they begin in its entry.
pub(super) const COUNTERS_AT: usize = 64;
