//! How the file is divided: from three numbers to the place of every table.
//!
//! ```text
//! header | live words | namespaces | owners | pins | shards | states | segments | index | ghosts | data
//! ```
//!
//! Shape: [`Geometry`], computed the same by everybody who opens the file; nothing in it is read
//! from the file. A shard is a share of the segments with queues and a reclaim lock of its own; the
//! index is one for all. Units: bytes and counts. Ranges: [`CAPACITY_BYTES_MIN`] to
//! [`CAPACITY_BYTES_MAX`]; objects up to [`OBJECT_BYTES_MAX`]. Errors: [`GeometryFault`].
//! Source: docs/architecture.md, "The cache".

use super::{
    record::{RECORD_BYTES_MIN, SEAL_BYTES, UNIT_BYTES, record_bytes},
    region::{HALF_BYTES, LINE_BYTES, WORD_BYTES},
    slot::{Place, SEGMENT_BITS, UNIT_BITS},
};

/// What is asked of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub(super) capacity_bytes: u64,
    pub(super) object_bytes_max: u32,
    pub(super) object_bytes_mean: u32,
}

/// Where everything is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Geometry {
    pub(super) shape: Shape,
    pub(super) bytes_len: usize,
    pub(super) record_bytes_max: u32,
    pub(super) segment_bytes: u32,
    pub(super) shards: u32,
    /// Segments of each shard, and all of them.
    pub(super) shard_segments: u32,
    pub(super) segments: u32,
    pub(super) buckets: usize,
    /// Lines of ghosts of each shard.
    pub(super) ghost_lines: usize,
    /// From one owner's pins to the next one's.
    pub(super) pins_stride: usize,
    pub(super) pins_at: usize,
    pub(super) shards_at: usize,
    pub(super) states_at: usize,
    pub(super) segments_at: usize,
    pub(super) index_at: usize,
    pub(super) ghosts_at: usize,
    pub(super) data_at: usize,
}

/// Why there is no such store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GeometryFault {
    /// The capacity is out of range.
    #[error("the capacity must be {CAPACITY_BYTES_MIN} to {CAPACITY_BYTES_MAX} bytes")]
    Capacity,
    /// The object limit is out of range.
    #[error("the object limit must be {RECORD_BYTES_MIN} to {OBJECT_BYTES_MAX} bytes")]
    ObjectLimit,
    /// Too few segments would fit.
    #[error(
        "a capacity of {capacity_bytes} bytes is too small for objects of {object_bytes_max} bytes"
    )]
    TooFewSegments {
        /// As asked.
        capacity_bytes: u64,
        /// As asked.
        object_bytes_max: u32,
    },
}

impl Geometry {
    /// Divides a file for `shape`.
    ///
    /// # Errors
    /// As [`GeometryFault`].
    pub(super) fn new(shape: Shape) -> Result<Geometry, GeometryFault> {
        let capacity = shape.capacity_bytes;
        if !(CAPACITY_BYTES_MIN..=CAPACITY_BYTES_MAX).contains(&capacity) {
            return Err(GeometryFault::Capacity);
        }
        if !(RECORD_BYTES_MIN..=OBJECT_BYTES_MAX).contains(&shape.object_bytes_max) {
            return Err(GeometryFault::ObjectLimit);
        }
        let too_few = GeometryFault::TooFewSegments {
            capacity_bytes: capacity,
            object_bytes_max: shape.object_bytes_max,
        };
        let bytes_len = usize::try_from(capacity).map_err(|_| GeometryFault::Capacity)?;
        let record_bytes_max = record_bytes(shape.object_bytes_max + SEAL_BYTES);
        let segment_bytes = segment_bytes(bytes_len, record_bytes_max);
        let whole = bytes_len / segment_bytes as usize;
        let most = u32::try_from(whole).unwrap_or(u32::MAX).min(SEGMENTS_MAX);
        let at_least = SEGMENTS_MIN.min(most);
        // From as many as the bytes allow down to what leaves room for the tables.
        let fits = (at_least..=most).rev().find_map(|segments| {
            let geometry = Geometry::divided(shape, record_bytes_max, segment_bytes, segments);
            let end = geometry.data_at + geometry.segments() as usize * segment_bytes as usize;
            (end <= bytes_len).then_some(geometry)
        });
        match fits {
            Some(geometry) if geometry.segments() >= SEGMENTS_MIN => Ok(geometry),
            _ => Err(too_few),
        }
    }

    fn divided(shape: Shape, record_bytes_max: u32, segment_bytes: u32, segments: u32) -> Geometry {
        let shards = (segments / SHARD_SEGMENTS_LEAST).clamp(1, SHARDS_MAX);
        let shard_segments = segments / shards;
        let segments = (shards * shard_segments) as usize;
        let mean = record_bytes(shape.object_bytes_mean.min(shape.object_bytes_max));
        let objects = segments * segment_bytes as usize / mean as usize;
        let slots = objects / LOAD_OF * LOAD_SLOTS;
        let buckets = (slots / BUCKET_SLOTS).next_multiple_of(PAGE_BUCKETS);
        let ghost_lines = (slots / GHOSTS_PER_LINE / shards as usize).max(1);
        let pins_stride = (segments * HALF_BYTES).next_multiple_of(2 * LINE_BYTES);
        let pins_at = OWNERS_AT + OWNERS_MAX as usize * OWNER_BYTES;
        let shards_at = pins_at + OWNERS_MAX as usize * pins_stride;
        let states_at = shards_at + shards as usize * SHARD_BYTES;
        let segments_at = (states_at + segments * WORD_BYTES).next_multiple_of(LINE_BYTES);
        let index_at = (segments_at + segments * SEGMENT_ENTRY_BYTES).next_multiple_of(PAGE_BYTES);
        let ghosts_at = index_at + buckets * BUCKET_BYTES;
        let data_at = ghosts_at + shards as usize * ghost_lines * LINE_BYTES;
        Geometry {
            shape,
            bytes_len: usize::try_from(shape.capacity_bytes).unwrap_or(usize::MAX),
            record_bytes_max,
            segment_bytes,
            shards,
            shard_segments,
            segments: shards * shard_segments,
            buckets,
            ghost_lines,
            pins_stride,
            pins_at,
            shards_at,
            states_at,
            segments_at,
            index_at,
            ghosts_at,
            data_at: data_at.next_multiple_of(PAGE_BYTES),
        }
    }

    /// All segments.
    #[inline]
    pub(super) fn segments(&self) -> u32 {
        self.segments
    }

    /// Where the byte at `place` is; the caller has checked the place.
    #[inline]
    pub(super) fn data_at(&self, place: Place) -> usize {
        self.data_at + place.segment as usize * self.segment_bytes as usize + place.offset as usize
    }

    /// True when a record may begin at `place`.
    #[inline]
    pub(super) fn holds(&self, place: Place) -> bool {
        place.segment < self.segments()
            && place.offset >= RECORDS_AT
            && place.offset <= self.segment_bytes - RECORD_BYTES_MIN
    }

    /// The segments of `shard`.
    pub(super) fn segments_of(&self, shard: u32) -> std::ops::Range<u32> {
        let first = shard * self.shard_segments;
        first..first + self.shard_segments
    }

    /// Segments that the small queue of a shard holds when the shard is full.
    pub(super) fn small_segments(&self) -> u32 {
        (self.shard_segments * SMALL_PERCENT / 100).max(2)
    }

    /// Bytes that the main queue of a shard holds when the shard is full.
    pub(super) fn main_bytes(&self) -> u64 {
        let segments = self.shard_segments - self.small_segments();
        u64::from(segments) * u64::from(self.segment_bytes)
    }

    /// Every size that two programs must agree on to share a file.
    pub(super) fn layout(&self) -> [u64; 25] {
        [
            LAYOUT_OF_CODE,
            self.bytes_len as u64,
            u64::from(self.shape.object_bytes_max),
            u64::from(self.shape.object_bytes_mean),
            u64::from(self.record_bytes_max),
            u64::from(self.segment_bytes),
            u64::from(self.shards),
            u64::from(self.shard_segments),
            self.buckets as u64,
            self.ghost_lines as u64,
            self.pins_stride as u64,
            NAMESPACES_AT as u64,
            NAMESPACES_MAX as u64,
            OWNERS_AT as u64,
            u64::from(OWNERS_MAX),
            OWNER_BYTES as u64,
            self.pins_at as u64,
            self.shards_at as u64,
            self.states_at as u64,
            self.segments_at as u64,
            self.index_at as u64,
            self.ghosts_at as u64,
            self.data_at as u64,
            u64::from(RECORDS_AT),
            u64::from(SMALL_PERCENT),
        ]
    }
}

/// Room for two of the largest records at least, so that a segment is never mostly end; more in a
/// large region, so that there are not too many.
fn segment_bytes(bytes_len: usize, record_bytes_max: u32) -> u32 {
    let least = segment_bytes_least(record_bytes_max);
    let share = u32::try_from(bytes_len / SEGMENTS_WANTED).unwrap_or(u32::MAX);
    let wanted = share.min(SEGMENT_BYTES_WANTED) / SEGMENT_STEP_BYTES * SEGMENT_STEP_BYTES;
    least.max(wanted)
}

const fn segment_bytes_least(record_bytes_max: u32) -> u32 {
    (2 * record_bytes_max + RECORDS_AT).next_multiple_of(SEGMENT_STEP_BYTES)
}

/// The smallest region, for tests and very small objects; a stage asks for 64 MiB and more.
pub const CAPACITY_BYTES_MIN: u64 = 1 << 20;
/// The largest region.
pub const CAPACITY_BYTES_MAX: u64 = 240 << 30;
/// The highest object limit: key, meta and body of one object together.
pub const OBJECT_BYTES_MAX: u32 = (8 << 20) - (64 << 10);
/// Owners that can be registered at one time, in all processes together.
pub const OWNERS_MAX: u32 = 256;

/// Namespaces that have a counter of their own; more share them.
pub(super) const NAMESPACES_MAX: usize = 4096;
/// Words that change as long as the file lives, behind the page of the header.
pub(super) const LIVE_AT: usize = PAGE_BYTES;
/// Counters of the namespaces.
pub(super) const NAMESPACES_AT: usize = 2 * PAGE_BYTES;
/// The table of owners.
pub(super) const OWNERS_AT: usize = NAMESPACES_AT + NAMESPACES_MAX * WORD_BYTES;
/// Bytes of an owner's entry.
pub(super) const OWNER_BYTES: usize = 512;
/// Bytes of a shard's entry.
pub(super) const SHARD_BYTES: usize = 2 * LINE_BYTES;
/// Bytes of a segment's entry.
pub(super) const SEGMENT_ENTRY_BYTES: usize = LINE_BYTES;
/// Slots that share a line.
pub(super) const BUCKET_SLOTS: usize = 8;
/// Bytes of a bucket.
pub(super) const BUCKET_BYTES: usize = LINE_BYTES;
/// Buckets that share a page: a key's two are among them.
pub(super) const PAGE_BUCKETS: usize = PAGE_BYTES / BUCKET_BYTES;
/// Ghosts that share a line.
pub(super) const GHOSTS_PER_LINE: usize = LINE_BYTES / HALF_BYTES;
/// Where the first record of a segment begins: not at unit 0, so that no slot is zero.
pub(super) const RECORDS_AT: u32 = 64;

/// The index is made for this many slots ...
const LOAD_SLOTS: usize = 5;
/// ... for this many objects.
const LOAD_OF: usize = 4;
/// The share of the small queue, as S3-FIFO has it.
const SMALL_PERCENT: u32 = 10;
/// Segments of a shard, at least, before there is a second one.
const SHARD_SEGMENTS_LEAST: u32 = 128;
const SHARDS_MAX: u32 = 64;
const SEGMENTS_MAX: u32 = 1 << SEGMENT_BITS;
/// Two open in each queue, two free, and something to choose from.
const SEGMENTS_MIN: u32 = 8;
const SEGMENTS_WANTED: usize = 512;
const SEGMENT_BYTES_WANTED: u32 = 8 << 20;
const SEGMENT_STEP_BYTES: u32 = 64 << 10;
const PAGE_BYTES: usize = 4096;
/// Changes with the meaning of any table, so that an older program's file is made anew.
const LAYOUT_OF_CODE: u64 = 2;

const _: () =
    assert!(OWNERS_AT.is_multiple_of(LINE_BYTES) && OWNER_BYTES.is_multiple_of(LINE_BYTES));
const _: () = assert!(segment_bytes_least(OBJECT_BYTES_MAX) <= UNIT_BYTES << UNIT_BITS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::record::HEADER_BYTES;

    fn geometry(capacity_bytes: u64, object_bytes_max: u32) -> Result<Geometry, GeometryFault> {
        Geometry::new(Shape {
            capacity_bytes,
            object_bytes_max,
            object_bytes_mean: 512,
        })
    }

    #[test]
    fn every_size_divides() {
        let mib = 1 << 20;
        let rows: [(u64, u32); 9] = [
            (2 * mib, 4 << 10),
            (64 * mib, (1 << 20) + (64 << 10)),
            (64 * mib, 64 << 10),
            (537 * 1000 * 1000, (1 << 20) + (64 << 10)),
            (1 << 30, (1 << 20) + (64 << 10)),
            (1_600 * mib, (1 << 20) + (64 << 10)),
            (64 << 30, OBJECT_BYTES_MAX),
            (118 << 30, (1 << 20) + (64 << 10)),
            (237 << 30, (1 << 20) + (64 << 10)),
        ];
        for (capacity, object) in rows {
            let g = geometry(capacity, object).expect("a geometry");
            let data = g.segments() as usize * g.segment_bytes as usize;
            assert!(g.data_at + data <= g.bytes_len);
            assert!(g.segment_bytes >= 2 * g.record_bytes_max, "{capacity}");
            assert!(
                u64::from(g.segment_bytes) <= u64::from(UNIT_BYTES) << UNIT_BITS,
                "{capacity}"
            );
            let share = data * 100 / g.bytes_len;
            let least = if capacity < 64 * mib { 80 } else { 92 };
            assert!(
                share >= least,
                "{capacity} {object}: {share} % is data, {g:?}"
            );
            println!(
                "{capacity}: {} segments of {}, {} shards, {share} %",
                g.segments(),
                g.segment_bytes,
                g.shards
            );
            let last = Place {
                segment: g.segments() - 1,
                offset: g.segment_bytes - RECORD_BYTES_MIN,
            };
            assert!(g.holds(last) && g.data_at(last) + 64 <= g.bytes_len);
            for (segment, offset) in [(g.segments(), 64), (0, 0), (0, g.segment_bytes - 56)] {
                assert!(!g.holds(Place { segment, offset }));
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(geometry(1 << 10, 100), Err(GeometryFault::Capacity));
        assert_eq!(geometry(1 << 40, 100), Err(GeometryFault::Capacity));
        assert_eq!(geometry(1 << 30, 10), Err(GeometryFault::ObjectLimit));
        assert_eq!(
            geometry(1 << 30, OBJECT_BYTES_MAX + 1),
            Err(GeometryFault::ObjectLimit)
        );
        let few = geometry(8 << 20, 1 << 20);
        assert!(matches!(few, Err(GeometryFault::TooFewSegments { .. })));
    }

    #[test]
    fn an_object_costs_at_most_64_bytes_of_metadata() {
        let padding = UNIT_BYTES as usize - 1;
        let tables = (WORD_BYTES + HALF_BYTES) * LOAD_SLOTS / LOAD_OF; // a slot and a ghost
        let each = HEADER_BYTES as usize + tables + padding;
        assert!(each <= 64, "{each}");
    }
}
