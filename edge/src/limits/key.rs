//! From the value of an API key to its tag.
//!
//! What: [`KeyHasher`] is SipHash-1-3 with 128 bits of output under a secret of 16 bytes. Who does
//! not know the secret learns nothing from a tag, cannot aim values at one place of a table, and
//! cannot find out by timing how much of a guess is right: the whole value goes through the hash,
//! and tags are compared in one step. Shape: a [`Tag`] is 16 bytes; a store may keep it beside the
//! sealed value and so fill a directory without opening any value. Units: bytes. Ranges: values of
//! 1 to [`VALUE_BYTES_MAX`]; longer ones are nobody's. Errors: `None`.
//! Source: Aumasson and Bernstein, "SipHash"; API Gateway developer guide, "API keys".

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// Longest value of a key.
pub const VALUE_BYTES_MAX: usize = 128;

/// The keyed hash of a key's value.
#[derive(Clone, Copy)]
pub struct Tag(u128);

impl Tag {
    /// From the bytes that [`Tag::to_bytes`] gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Tag {
        Tag(u128::from_le_bytes(bytes))
    }

    /// To be kept.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// True for the same tag; takes as long wherever two tags differ.
    #[inline]
    #[must_use]
    pub const fn equals(self, other: Tag) -> bool {
        self.0 ^ other.0 == 0
    }

    /// The upper half, which says where an entry lies.
    #[inline]
    pub(super) const fn high(self) -> u64 {
        halves(self.0).1
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Tag) -> bool {
        self.equals(*other)
    }
}

impl Eq for Tag {}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tag(…)")
    }
}

/// Makes tags; one secret for a store, kept with it.
#[derive(Clone)]
pub struct KeyHasher(SipHasher13);

impl KeyHasher {
    /// With the store's secret.
    #[must_use]
    pub fn new(secret: &[u8; 16]) -> KeyHasher {
        KeyHasher(SipHasher13::new_with_key(secret))
    }

    /// The tag of `value`; `None` for one that no key can have.
    #[inline]
    #[must_use]
    pub fn tag(&self, value: &[u8]) -> Option<Tag> {
        if value.is_empty() || value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let mut hasher = self.0;
        hasher.write(value);
        Some(Tag(hasher.finish128().as_u128()))
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // the halves are meant
const fn halves(wide: u128) -> (u64, u64) {
    (wide as u64, (wide >> 64) as u64)
}

impl std::fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHasher(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_that_stores_keep() {
        let hasher = KeyHasher::new(b"0123456789abcdef");
        let tag = hasher
            .tag(b"abcdef1234ghijklmnop8901234567")
            .expect("a tag");
        assert_eq!(Tag::from_bytes(tag.to_bytes()), tag);
        assert_eq!(u128::from_le_bytes(tag.to_bytes()), KNOWN, "{:#x}", tag.0);
        assert_eq!(format!("{tag:?} {hasher:?}"), "Tag(…) KeyHasher(…)");
    }

    /// What SipHash-1-3-128 gives for the value above.
    const KNOWN: u128 = 0x7955_8b1a_eb80_9e27_cd0a_dbae_9755_a79d;

    #[test]
    fn every_byte_of_the_value_and_of_the_secret_counts() {
        let value = [b'x'; VALUE_BYTES_MAX];
        let secret = [7; 16];
        let tag = KeyHasher::new(&secret).tag(&value);
        for at in 0..value.len() {
            let mut other = value;
            other[at] ^= 1;
            assert_ne!(KeyHasher::new(&secret).tag(&other), tag, "byte {at}");
            assert_ne!(
                KeyHasher::new(&secret).tag(&value[..at]),
                tag,
                "cut at {at}"
            );
        }
        for at in 0..secret.len() {
            let mut other = secret;
            other[at] ^= 1;
            assert_ne!(KeyHasher::new(&other).tag(&value), tag, "secret {at}");
        }
        assert_eq!(KeyHasher::new(&secret).tag(&[b'x'; 129]), None);
        assert_eq!(KeyHasher::new(&secret).tag(b""), None);
    }
}
