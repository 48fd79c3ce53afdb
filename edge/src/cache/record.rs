//! A record: the head of a stored object, then its key, meta and body.
//!
//! ```text
//! word 0  body check (32)        | header check (32)
//! word 1  hash of namespace, generation and key (64)
//! word 2  flags (4) | key bytes (16) | meta bytes (20) | body bytes (24)
//! word 3  stored, s (32)         | namespace (16) | generation, low part (16)
//! word 4  keep until, s (32)     | expires, s (32)
//! ...     key, meta, body; or sealed: salt, number, the three encrypted, tag
//! ```
//!
//! Shape: [`Header`], to and from five words. The header check covers the words, the body check,
//! the place and the segment's generation, so a record is valid only where and when it was written.
//! Units: bytes, and seconds since 1970. Ranges: those of the fields; a record begins at a
//! multiple of [`UNIT_BYTES`] and is at least [`RECORD_BYTES_MIN`] long, so that one line holds one
//! beginning. Errors: `None`. Source: docs/architecture.md, "The cache".

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

use super::{
    region::{LINE_BYTES, WORD_BYTES},
    slot::{Place, get, put},
};

/// The head of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Header {
    pub(super) hash: u64,
    pub(super) key_bytes: u32,
    pub(super) meta_bytes: u32,
    pub(super) body_bytes: u32,
    pub(super) is_sealed: bool,
    /// The namespace's place in its table.
    pub(super) namespace: u32,
    /// The low 16 bits of the namespace's generation.
    pub(super) generation_low: u32,
    pub(super) stored_s: u32,
    pub(super) expires_s: u32,
    pub(super) keep_until_s: u32,
    pub(super) body_check: u32,
}

/// What a header check is bound to beside the words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    pub(super) place: Place,
    /// Of the segment.
    pub(super) generation: u32,
}

impl Header {
    /// The words to write at the place of `stamp`.
    pub(super) fn to_words(self, stamp: Stamp, secrets: &RapidSecrets) -> [u64; HEADER_WORDS] {
        let mut words = [0, self.hash, self.sizes(), self.origin(), self.times()];
        let check = check(self.body_check, &words, stamp, secrets);
        words[0] = put(self.body_check, 32, 32) | put(check, 0, 32);
        words
    }

    /// The header in `words`, if it was written for `stamp` and ends by `room_bytes`.
    #[inline]
    pub(super) fn from_words(
        words: &[u64; HEADER_WORDS],
        stamp: Stamp,
        room_bytes: u32,
        secrets: &RapidSecrets,
    ) -> Option<Header> {
        let [checks, hash, sizes, origin, times] = *words;
        let flags = get(sizes, FLAGS_AT, FLAGS_BITS);
        let header = Header {
            hash,
            key_bytes: get(sizes, KEY_AT, KEY_BITS),
            meta_bytes: get(sizes, META_AT, META_BITS),
            body_bytes: get(sizes, BODY_AT, BODY_BITS),
            is_sealed: flags & SEALED != 0,
            namespace: get(origin, 16, 16),
            generation_low: get(origin, 0, 16),
            stored_s: get(origin, 32, 32),
            expires_s: get(times, 0, 32),
            keep_until_s: get(times, 32, 32),
            body_check: get(checks, 32, 32),
        };
        let is_plausible =
            flags & !SEALED == 0 && header.key_bytes > 0 && header.record_bytes() <= room_bytes;
        let found = get(checks, 0, 32);
        (is_plausible && check(header.body_check, words, stamp, secrets) == found).then_some(header)
    }

    /// What authenticates a sealed record beside its bytes: all but place and checks.
    pub(super) fn associated(&self) -> [u8; 4 * WORD_BYTES] {
        let mut bytes = [0; 4 * WORD_BYTES];
        let words = [self.hash, self.sizes(), self.origin(), self.times()];
        for (to, word) in bytes.chunks_exact_mut(WORD_BYTES).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Bytes of key, meta and body together.
    pub(super) fn object_bytes(&self) -> u32 {
        self.key_bytes + self.meta_bytes + self.body_bytes // at most 2^24 + 2^20 + 2^16
    }

    /// Bytes behind the header words: the object, and when sealed what sealing adds.
    pub(super) fn payload_bytes(&self) -> u32 {
        let added = if self.is_sealed { SEAL_BYTES } else { 0 };
        self.object_bytes() + added
    }

    /// Bytes from this record's beginning to the next one's.
    pub(super) fn record_bytes(&self) -> u32 {
        record_bytes(self.payload_bytes())
    }

    fn sizes(&self) -> u64 {
        let flags = if self.is_sealed { SEALED } else { 0 };
        put(self.body_bytes, BODY_AT, BODY_BITS)
            | put(self.meta_bytes, META_AT, META_BITS)
            | put(self.key_bytes, KEY_AT, KEY_BITS)
            | put(flags, FLAGS_AT, FLAGS_BITS)
    }

    fn origin(&self) -> u64 {
        put(self.generation_low, 0, 16) | put(self.namespace, 16, 16) | put(self.stored_s, 32, 32)
    }

    fn times(&self) -> u64 {
        put(self.expires_s, 0, 32) | put(self.keep_until_s, 32, 32)
    }
}

/// Bytes that a record with `payload_bytes` behind its header takes.
pub(super) const fn record_bytes(payload_bytes: u32) -> u32 {
    let bytes = (HEADER_BYTES + payload_bytes).next_multiple_of(UNIT_BYTES);
    if bytes < RECORD_BYTES_MIN {
        RECORD_BYTES_MIN
    } else {
        bytes
    }
}

#[inline]
fn check(
    body_check: u32,
    words: &[u64; HEADER_WORDS],
    stamp: Stamp,
    secrets: &RapidSecrets,
) -> u32 {
    let place = u64::from(stamp.place.segment) << 32 | u64::from(stamp.place.offset);
    let about = u64::from(stamp.generation) << 32 | u64::from(body_check);
    let mut bytes = [0; 6 * WORD_BYTES];
    let parts = [words[1], words[2], words[3], words[4], place, about];
    for (to, part) in bytes.chunks_exact_mut(WORD_BYTES).zip(parts) {
        to.copy_from_slice(&part.to_le_bytes());
    }
    get(
        rapidhash_v3_inline::<true, true, false>(&bytes, secrets),
        0,
        32,
    )
}

/// Words of a header.
pub(super) const HEADER_WORDS: usize = 5;
/// Bytes of a header.
pub(super) const HEADER_BYTES: u32 = 40;
/// Records begin at multiples of this.
pub(super) const UNIT_BYTES: u32 = 8;
/// The least room that a record takes.
pub(super) const RECORD_BYTES_MIN: u32 = 64;
/// Salt, number and tag of a sealed record.
pub(super) const SEAL_BYTES: u32 = 16 + 8 + 16;

/// The longest key, bytes.
pub const KEY_BYTES_MAX: u32 = (1 << KEY_BITS) - 1;
/// The longest meta, bytes.
pub const META_BYTES_MAX: u32 = (1 << META_BITS) - 1;
/// The longest body, bytes; the store's object limit is lower.
pub const BODY_BYTES_MAX: u32 = (1 << BODY_BITS) - 1;

const BODY_AT: u32 = 0;
const BODY_BITS: u32 = 24;
const META_AT: u32 = BODY_AT + BODY_BITS;
const META_BITS: u32 = 20;
const KEY_AT: u32 = META_AT + META_BITS;
const KEY_BITS: u32 = 16;
const FLAGS_AT: u32 = KEY_AT + KEY_BITS;
const FLAGS_BITS: u32 = 4;
const SEALED: u32 = 1;

const _: () = assert!(FLAGS_AT + FLAGS_BITS == 64);
const _: () = assert!(HEADER_BYTES as usize == HEADER_WORDS * WORD_BYTES);
const _: () = assert!(RECORD_BYTES_MIN as usize == LINE_BYTES && UNIT_BYTES as usize == WORD_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        place: Place {
            segment: 12,
            offset: 4096,
        },
        generation: 9,
    };

    fn headers() -> [Header; 3] {
        let small = Header {
            hash: 1,
            key_bytes: 1,
            ..Header::default()
        };
        let full = Header {
            hash: u64::MAX,
            key_bytes: KEY_BYTES_MAX,
            meta_bytes: META_BYTES_MAX,
            body_bytes: BODY_BYTES_MAX,
            is_sealed: true,
            namespace: 0xffff,
            generation_low: 0xffff,
            stored_s: u32::MAX,
            expires_s: u32::MAX,
            keep_until_s: u32::MAX,
            body_check: u32::MAX,
        };
        let usual = Header {
            hash: 0x0123_4567_89ab_cdef,
            key_bytes: 60,
            meta_bytes: 200,
            body_bytes: 1000,
            is_sealed: false,
            namespace: 4095,
            generation_low: 3,
            stored_s: 1_700_000_000,
            expires_s: 1_700_000_300,
            keep_until_s: 1_700_000_600,
            body_check: 0xfeed_beef,
        };
        [small, full, usual]
    }

    #[test]
    fn words_come_back_and_any_changed_bit_is_refused() {
        let secrets = RapidSecrets::seed(5);
        for header in headers() {
            let words = header.to_words(STAMP, &secrets);
            let room = header.record_bytes();
            let read = |words: &[u64; HEADER_WORDS], stamp, room| {
                Header::from_words(words, stamp, room, &secrets)
            };
            assert_eq!(read(&words, STAMP, room), Some(header));
            assert_eq!(read(&words, STAMP, room - 1), None, "room");
            for bit in 0..64 * HEADER_WORDS {
                let mut changed = words;
                changed[bit / 64] ^= 1 << (bit % 64);
                assert_eq!(read(&changed, STAMP, u32::MAX), None, "bit {bit}");
            }
            let mut other = STAMP;
            other.generation += 1;
            assert_eq!(read(&words, other, room), None, "generation");
            other = STAMP;
            other.place.offset += UNIT_BYTES;
            assert_eq!(read(&words, other, room), None, "place");
            let foreign = RapidSecrets::seed(6);
            assert_eq!(
                Header::from_words(&words, STAMP, room, &foreign),
                None,
                "seed"
            );
        }
        let zero = [0; HEADER_WORDS];
        assert_eq!(Header::from_words(&zero, STAMP, u32::MAX, &secrets), None);
    }

    #[test]
    fn records_are_units_long() {
        for (payload, bytes) in [
            (0, 64),
            (1, 64),
            (24, 64),
            (25, 72),
            (100, 144),
            (1000, 1040),
        ] {
            assert_eq!(record_bytes(payload), bytes);
        }
    }
}
