//! The segment table: what each segment is for at the moment.
//!
//! ```text
//!  Free --activate--> Active --full--> Sealed --withdraw--> Condemned --no pins--> Free
//!  (generation + 1 at each activation)
//! ```
//!
//! Shape: state words, side by side, for readers; and apart, because inserts write there, a line of
//! counts each: cursor, order, latest expiry, objects. Active and Sealed
//! can be read, and belong to one queue; Condemned waits for readers to leave. Only the state word
//! is decisive: a generation that came back would bring its records back, so the word has a check,
//! looked at when the region is opened. The rest are counts and hints, and a wrong one costs objects,
//! never truth. Units: bytes, seconds. Errors: an unknown state reads as Condemned.
//! Source: docs/architecture.md, "The cache".

use super::{
    geometry::SEGMENT_ENTRY_BYTES,
    protocol,
    region::WORD_BYTES,
    slot::{get, put},
    store::Store,
    sync::{AtomicU32, AtomicU64, Ordering},
};
use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

/// A queue of S3-FIFO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Queue {
    /// Where objects prove themselves.
    Small,
    /// Where they stay.
    Main,
}

impl Queue {
    pub(super) fn other(self) -> Queue {
        match self {
            Queue::Small => Queue::Main,
            Queue::Main => Queue::Small,
        }
    }
}

/// What a segment is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Free,
    Active(Queue),
    Sealed(Queue),
    Condemned,
}

/// A state word, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Standing {
    pub(super) kind: Kind,
    pub(super) generation: u32,
}

impl Standing {
    #[inline]
    pub(super) fn from_word(word: u64) -> Standing {
        let kind = match get(word, 0, CODE_BITS) {
            0 => Kind::Free,
            1 => Kind::Active(Queue::Small),
            2 => Kind::Active(Queue::Main),
            3 => Kind::Sealed(Queue::Small),
            4 => Kind::Sealed(Queue::Main),
            _ => Kind::Condemned,
        };
        let generation = get(word, 32, 32);
        Standing { kind, generation }
    }

    fn to_word(self, segment: u32, secrets: &RapidSecrets) -> u64 {
        let code = match self.kind {
            Kind::Free => 0,
            Kind::Active(Queue::Small) => 1,
            Kind::Active(Queue::Main) => 2,
            Kind::Sealed(Queue::Small) => 3,
            Kind::Sealed(Queue::Main) => 4,
            Kind::Condemned => 5,
        };
        let bare = put(code, 0, CODE_BITS) | put(self.generation, 32, 32);
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&bare.to_le_bytes());
        bytes[8..].copy_from_slice(&segment.to_le_bytes());
        let check = get(rapidhash_v3_seeded(&bytes, secrets), 0, CHECK_BITS);
        bare | put(check, CODE_BITS, CHECK_BITS)
    }

    /// The same generation with another kind.
    pub(super) fn turned(self, kind: Kind) -> Standing {
        Standing { kind, ..self }
    }

    #[inline]
    pub(super) fn is_readable(self) -> bool {
        matches!(self.kind, Kind::Active(_) | Kind::Sealed(_))
    }

    /// The queue that its records stand in.
    pub(super) fn queue(self) -> Option<Queue> {
        match self.kind {
            Kind::Active(queue) | Kind::Sealed(queue) => Some(queue),
            Kind::Free | Kind::Condemned => None,
        }
    }
}

impl Store {
    /// What the segment is for now.
    #[inline]
    pub(super) fn standing(&self, segment: u32) -> Standing {
        Standing::from_word(self.segment_state(segment).load(Ordering::Acquire))
    }

    /// Gives a standing to a segment that nobody can see into.
    pub(super) fn restand(&self, segment: u32, to: Standing) {
        let word = to.to_word(segment, &self.secrets);
        protocol::restate(self.segment_state(segment), word);
    }

    /// Changes the kind of a segment if its standing is still `from`.
    pub(super) fn turn(&self, segment: u32, from: Standing, to: Kind) -> bool {
        let word = |standing: Standing| standing.to_word(segment, &self.secrets);
        let state = self.segment_state(segment);
        protocol::withdraw(state, word(from), word(from.turned(to)))
    }

    /// The standing that the region was left with; `None` when the word is damaged.
    pub(super) fn standing_left(&self, segment: u32) -> Option<Standing> {
        let word = self.segment_state(segment).load(Ordering::Relaxed);
        let standing = Standing::from_word(word);
        (standing.to_word(segment, &self.secrets) == word).then_some(standing)
    }

    /// The state word.
    #[inline]
    pub(super) fn segment_state(&self, segment: u32) -> &AtomicU64 {
        let first = self.geometry.states_at;
        self.region.word(first + segment as usize * WORD_BYTES)
    }

    /// Bytes from the segment's start that are taken.
    pub(super) fn segment_cursor(&self, segment: u32) -> &AtomicU64 {
        self.region.word(self.segment_at(segment))
    }

    /// Rises with each activation in the shard: the order of the queues.
    pub(super) fn segment_order(&self, segment: u32) -> &AtomicU64 {
        self.region.word(self.segment_at(segment) + 8)
    }

    /// The latest second that a record in it is kept until.
    pub(super) fn segment_expiry(&self, segment: u32) -> &AtomicU32 {
        self.region.half(self.segment_at(segment) + 16)
    }

    /// Records in it that slots lead to.
    pub(super) fn segment_objects(&self, segment: u32) -> &AtomicU32 {
        self.region.half(self.segment_at(segment) + 20)
    }

    #[inline]
    fn segment_at(&self, segment: u32) -> usize {
        debug_assert!(segment < self.geometry.segments());
        self.geometry.segments_at + segment as usize * SEGMENT_ENTRY_BYTES
    }
}

const CODE_BITS: u32 = 4;
const CHECK_BITS: u32 = 28;

const _: () = assert!(SEGMENT_ENTRY_BYTES >= 24 && CODE_BITS + CHECK_BITS == 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_back() {
        let queues = [Queue::Small, Queue::Main];
        let kinds = [Kind::Free, Kind::Condemned]
            .into_iter()
            .chain(queues.map(Kind::Active))
            .chain(queues.map(Kind::Sealed));
        let secrets = RapidSecrets::seed(3);
        for kind in kinds {
            for generation in [0, 1, u32::MAX] {
                let standing = Standing { kind, generation };
                let word = standing.to_word(3, &secrets);
                assert_eq!(Standing::from_word(word), standing);
                assert_ne!(word, standing.to_word(4, &secrets), "another segment");
            }
        }
        let unknown = Standing::from_word(0x0000_0007_0000_009f);
        assert_eq!((unknown.kind, unknown.generation), (Kind::Condemned, 7));
    }
}
