//! What this process knows for itself: which bodies it has checked.
//!
//! Shape: one bit for each 64 bytes of data, of which at most one record begins in each, and the
//! generation of each segment that the bits are for. A segment in use anew begins without bits.
//! Threads share it: a bit is set only under a pin, so the segment cannot change in between; two
//! threads that clear the same bits cost a check more. Lies in an anonymous map that is committed as
//! it is touched, 1/512 of the region at most. Units: bits. Errors: a lost bit is one more check.
//! Source: none.

use std::io;

use super::{
    geometry::Geometry,
    record::RECORD_BYTES_MIN,
    region::{Region, WORD_BYTES},
    slot::Place,
    sync::Ordering,
};
use crate::base::shm;

/// The bits of this process.
#[derive(Debug)]
pub(super) struct Verified {
    region: Region,
    /// Bytes of bits for each segment.
    stride: usize,
    bits_at: usize,
}

impl Verified {
    pub(super) fn new(geometry: &Geometry) -> io::Result<Verified> {
        let blocks = geometry.segment_bytes.div_ceil(RECORD_BYTES_MIN) as usize;
        let stride = blocks.div_ceil(64) * WORD_BYTES;
        let segments = geometry.segments() as usize;
        let bits_at = segments * WORD_BYTES;
        let map = shm::Region::anonymous(bits_at + segments * stride)?;
        map.prefer_large_pages();
        Ok(Verified {
            region: Region::new(map),
            stride,
            bits_at,
        })
    }

    /// True when the record at `place` was checked in this generation. The caller has it pinned.
    #[inline]
    pub(super) fn holds(&self, place: Place, generation: u32) -> bool {
        let (word, bit) = self.bit(place);
        self.is_of(place.segment, generation)
            && self.region.word(word).load(Ordering::Relaxed) & bit != 0
    }

    /// Notes that the record at `place` was checked. The caller has it pinned.
    pub(super) fn note(&self, place: Place, generation: u32) {
        if !self.is_of(place.segment, generation) {
            let first = self.bits_at + place.segment as usize * self.stride;
            self.region.clear(first, self.stride);
            let mark = self.region.word(place.segment as usize * WORD_BYTES);
            mark.store(mark_of(generation), Ordering::Release);
        }
        let (word, bit) = self.bit(place);
        self.region.word(word).fetch_or(bit, Ordering::Relaxed);
    }

    /// Asks for the line of the bit.
    #[inline]
    pub(super) fn prefetch(&self, place: Place) {
        self.region.prefetch(self.bit(place).0);
    }

    #[inline]
    fn is_of(&self, segment: u32, generation: u32) -> bool {
        let mark = self.region.word(segment as usize * WORD_BYTES);
        mark.load(Ordering::Acquire) == mark_of(generation)
    }

    #[inline]
    fn bit(&self, place: Place) -> (usize, u64) {
        let block = (place.offset / RECORD_BYTES_MIN) as usize;
        let word = self.bits_at + place.segment as usize * self.stride + block / 64 * WORD_BYTES;
        (word, 1 << (block % 64))
    }
}

/// Not 0, which is no generation at all.
fn mark_of(generation: u32) -> u64 {
    u64::from(generation) + 1
}
