//! The segment table: what each segment is for at the moment.
//!
//! ```text
//!  Free --activate--> Active --full--> Sealed --withdraw--> Condemned --no pins--> Free
//!  (generation + 1 at each activation)
//! ```
//!
//! Shape: a line each: state word, cursor, order, latest expiry, end, objects. Active and Sealed
//! can be read, and belong to one queue; Condemned waits for readers to leave. Only the state word
//! is decisive; the rest are counts and hints, and a wrong one costs objects, never truth.
//! Units: bytes, seconds. Errors: an unknown state reads as Condemned.
//! Source: docs/architecture.md, "The cache".

use super::{
    geometry::SEGMENT_ENTRY_BYTES,
    slot::{get, put},
    store::Store,
    sync::{AtomicU32, AtomicU64},
};

/// A queue of S3-FIFO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Queue {
    /// Where objects prove themselves.
    Small,
    /// Where they stay.
    Main,
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
        let kind = match get(word, 0, 32) {
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

    pub(super) fn to_word(self) -> u64 {
        let code = match self.kind {
            Kind::Free => 0,
            Kind::Active(Queue::Small) => 1,
            Kind::Active(Queue::Main) => 2,
            Kind::Sealed(Queue::Small) => 3,
            Kind::Sealed(Queue::Main) => 4,
            Kind::Condemned => 5,
        };
        put(code, 0, 32) | put(self.generation, 32, 32)
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
    /// The state word.
    #[inline]
    pub(super) fn segment_state(&self, segment: u32) -> &AtomicU64 {
        self.region.word(self.segment_at(segment))
    }

    /// Bytes from the segment's start that are taken, or were asked for.
    pub(super) fn segment_cursor(&self, segment: u32) -> &AtomicU64 {
        self.region.word(self.segment_at(segment) + 8)
    }

    /// Rises with each activation in the shard: the order of the queues.
    pub(super) fn segment_order(&self, segment: u32) -> &AtomicU64 {
        self.region.word(self.segment_at(segment) + 16)
    }

    /// The latest second that a record in it is kept until.
    pub(super) fn segment_expiry(&self, segment: u32) -> &AtomicU32 {
        self.region.half(self.segment_at(segment) + 24)
    }

    /// Where the records end, once the segment was full; 0 before.
    pub(super) fn segment_end(&self, segment: u32) -> &AtomicU32 {
        self.region.half(self.segment_at(segment) + 28)
    }

    /// Records in it that slots lead to.
    pub(super) fn segment_objects(&self, segment: u32) -> &AtomicU32 {
        self.region.half(self.segment_at(segment) + 32)
    }

    #[inline]
    fn segment_at(&self, segment: u32) -> usize {
        debug_assert!(segment < self.geometry.segments());
        self.geometry.segments_at + segment as usize * SEGMENT_ENTRY_BYTES
    }
}

const _: () = assert!(SEGMENT_ENTRY_BYTES >= 36);

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
        for kind in kinds {
            for generation in [0, 1, u32::MAX] {
                let standing = Standing { kind, generation };
                assert_eq!(Standing::from_word(standing.to_word()), standing);
            }
        }
        let unknown = Standing::from_word(0x0000_0007_0000_0099);
        assert_eq!((unknown.kind, unknown.generation), (Kind::Condemned, 7));
    }
}
