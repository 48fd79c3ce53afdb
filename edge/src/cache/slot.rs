//! An index slot: where a record is, in one word that changes in one step.
//!
//! ```text
//! 63         42 41     38 37    36 35      21 20                 0
//! | tag (22)   | gen (4) | freq(2)| seg (15) | unit in seg (21)  |
//! ```
//!
//! Shape: `Slot(0)` is empty; a record never begins at unit 0. Units: [`UNIT_BYTES`] for places.
//! Ranges: as drawn. The generation is the low part of its segment's, which tells most slots left
//! behind in a reused segment without a look at the record. Errors: none; a slot is a hint, the
//! record it leads to decides. Source: docs/architecture.md, "The cache".

use super::record::UNIT_BYTES;

/// The word of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(pub(super) u64);

/// Where a record begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The segment's number.
    pub(super) segment: u32,
    /// Bytes from the segment's start, a multiple of [`UNIT_BYTES`].
    pub(super) offset: u32,
}

impl Slot {
    pub(super) const EMPTY: Slot = Slot(0);

    pub(super) fn new(place: Place, generation: u32, tag: u32, frequency: u32) -> Slot {
        let unit = place.offset / UNIT_BYTES;
        Slot(
            put(unit, UNIT_AT, UNIT_BITS)
                | put(place.segment, SEGMENT_AT, SEGMENT_BITS)
                | put(frequency, FREQUENCY_AT, FREQUENCY_BITS)
                | put(generation, GENERATION_AT, GENERATION_BITS)
                | put(tag, TAG_AT, TAG_BITS),
        )
    }

    pub(super) fn is_empty(self) -> bool {
        self == Slot::EMPTY
    }

    pub(super) fn place(self) -> Place {
        Place {
            segment: get(self.0, SEGMENT_AT, SEGMENT_BITS),
            offset: get(self.0, UNIT_AT, UNIT_BITS) * UNIT_BYTES,
        }
    }

    pub(super) fn tag(self) -> u32 {
        get(self.0, TAG_AT, TAG_BITS)
    }

    pub(super) fn frequency(self) -> u32 {
        get(self.0, FREQUENCY_AT, FREQUENCY_BITS)
    }

    pub(super) fn with_frequency(self, frequency: u32) -> Slot {
        let cleared = self.0 & !put(u32::MAX, FREQUENCY_AT, FREQUENCY_BITS);
        Slot(cleared | put(frequency, FREQUENCY_AT, FREQUENCY_BITS))
    }

    /// False when the slot was made in another generation of its segment than `generation`.
    pub(super) fn may_be_of(self, generation: u32) -> bool {
        let low = get(u64::from(generation), 0, GENERATION_BITS);
        get(self.0, GENERATION_AT, GENERATION_BITS) == low
    }

    /// True when both differ in the frequency at most.
    pub(super) fn is_same_record(self, other: Slot) -> bool {
        self.with_frequency(0) == other.with_frequency(0)
    }
}

/// The low `TAG_BITS` of a key's hash.
pub(super) fn tag_of(hash: u64) -> u32 {
    get(hash, 0, TAG_BITS)
}

/// `bits` bits of `word` from bit `at`.
pub(super) fn get(word: u64, at: u32, bits: u32) -> u32 {
    u32::try_from((word >> at) & mask(bits)).unwrap_or(0)
}

/// The low `bits` bits of `value`, moved to bit `at`.
pub(super) fn put(value: u32, at: u32, bits: u32) -> u64 {
    (u64::from(value) & mask(bits)) << at
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// The highest frequency; a record that has it is not counted further.
pub(super) const FREQUENCY_MAX: u32 = (1 << FREQUENCY_BITS) - 1;

pub(super) const UNIT_BITS: u32 = 21;
pub(super) const SEGMENT_BITS: u32 = 15;
pub(super) const FREQUENCY_BITS: u32 = 2;
pub(super) const GENERATION_BITS: u32 = 4;
pub(super) const TAG_BITS: u32 = 22;
const UNIT_AT: u32 = 0;
const SEGMENT_AT: u32 = UNIT_AT + UNIT_BITS;
const FREQUENCY_AT: u32 = SEGMENT_AT + SEGMENT_BITS;
const GENERATION_AT: u32 = FREQUENCY_AT + FREQUENCY_BITS;
const TAG_AT: u32 = GENERATION_AT + GENERATION_BITS;

const _: () = assert!(TAG_AT + TAG_BITS == 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back() {
        let rows = [
            (0, 64, 0, 1, 0),
            (32_767, (1 << 24) - 8, u32::MAX, (1 << 22) - 1, 3),
            (77, 4096, 0x1234_5678, 0x2a_aaaa, 2),
        ];
        for (segment, offset, generation, tag, frequency) in rows {
            let place = Place { segment, offset };
            let slot = Slot::new(place, generation, tag, frequency);
            assert_eq!(slot.place(), place);
            assert_eq!(slot.tag(), tag);
            assert_eq!(slot.frequency(), frequency);
            assert!(slot.may_be_of(generation));
            assert!(!slot.may_be_of(generation.wrapping_add(1)));
            assert!(!slot.is_empty());
            for other in 0..=FREQUENCY_MAX {
                let changed = slot.with_frequency(other);
                assert_eq!(changed.frequency(), other);
                assert!(changed.is_same_record(slot));
                assert_eq!(changed.place(), place);
            }
        }
    }
}
