//! The first page of the file: what it is, for whom, and how it is divided.
//!
//! Shape: words of 64 bits, written once before the file has its name and never again. All of
//! them must be exactly what this program would write for the same options, seed apart; else the
//! file is made anew. Units: bytes. Errors: `None`. Source: RELIABILITY section 5.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use super::{
    geometry::{Geometry, Shape},
    region::{Region, WORD_BYTES},
    slot::{get, put},
    sync::Ordering,
};

/// What the first page says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileHeader {
    pub(super) shape: Shape,
    /// Of the hash, drawn when the file was made.
    pub(super) seed: u64,
    /// Two words that only the holder of the key can compute; zeros without encryption.
    pub(super) key_check: [u64; 2],
}

impl FileHeader {
    /// The words, as this program writes them.
    pub(super) fn to_words(self, geometry: &Geometry) -> [u64; WORDS] {
        let secrets = RapidSecrets::seed(self.seed);
        let mut words = [0; WORDS];
        words[0] = MAGIC;
        words[1] = put(VERSION, 0, 32) | put(ALGORITHM, 32, 32);
        words[2] = self.shape.capacity_bytes;
        words[3] =
            put(self.shape.object_bytes_max, 0, 32) | put(self.shape.object_bytes_mean, 32, 32);
        words[4] = self.seed;
        words[5] = rapidhash_v3_seeded(PROBE, &secrets);
        words[6] = hash_of(&geometry.layout(), &secrets);
        words[7] = self.key_check[0];
        words[8] = self.key_check[1];
        words[WORDS - 1] = hash_of(&words[..WORDS - 1], &secrets);
        words
    }

    /// Reads the bytes of a first page; `None` when this program would not have written them.
    pub(super) fn from_bytes(bytes: &[u8; BYTES]) -> Option<(FileHeader, Geometry)> {
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(WORD_BYTES)) {
            *word = bytes.try_into().map_or(0, u64::from_ne_bytes);
        }
        let header = FileHeader {
            shape: Shape {
                capacity_bytes: words[2],
                object_bytes_max: get(words[3], 0, 32),
                object_bytes_mean: get(words[3], 32, 32),
            },
            seed: words[4],
            key_check: [words[7], words[8]],
        };
        let geometry = Geometry::new(header.shape).ok()?;
        (header.to_words(&geometry) == words).then_some((header, geometry))
    }

    /// Writes the first page.
    pub(super) fn write(self, geometry: &Geometry, region: &Region) {
        for (i, word) in self.to_words(geometry).iter().enumerate() {
            region.word(i * WORD_BYTES).store(*word, Ordering::Relaxed);
        }
    }
}

fn hash_of(words: &[u64], secrets: &RapidSecrets) -> u64 {
    words.iter().fold(0, |hash, word| {
        let mut both = [0; 2 * WORD_BYTES];
        both[..WORD_BYTES].copy_from_slice(&hash.to_le_bytes());
        both[WORD_BYTES..].copy_from_slice(&word.to_le_bytes());
        rapidhash_v3_seeded(&both, secrets)
    })
}

/// Bytes of the header.
pub(super) const BYTES: usize = WORDS * WORD_BYTES;
const WORDS: usize = 10;
/// "tidecach", read as the host reads words: a file of the other byte order is not ours.
const MAGIC: u64 = u64::from_le_bytes(*b"tidecach");
/// Raised with every change of what the tables mean.
const VERSION: u32 = 1;
/// Which function the hashes are of: rapidhash, its third version.
const ALGORITHM: u32 = 3;
/// Hashed into the header, to find out a function that changed.
const PROBE: &[u8] = b"the same bytes give the same hash in every program that shares this file";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_any_changed_bit_is_refused() {
        let header = FileHeader {
            shape: Shape {
                capacity_bytes: 64 << 20,
                object_bytes_max: 1 << 20,
                object_bytes_mean: 512,
            },
            seed: 77,
            key_check: [3, 4],
        };
        let geometry = Geometry::new(header.shape).expect("a geometry");
        let mut bytes = [0; BYTES];
        for (to, word) in bytes.chunks_exact_mut(8).zip(header.to_words(&geometry)) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        assert_eq!(FileHeader::from_bytes(&bytes), Some((header, geometry)));
        for bit in 0..BYTES * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::from_bytes(&changed), None, "bit {bit}");
        }
        assert_eq!(FileHeader::from_bytes(&[0; BYTES]), None);
    }

    #[test]
    fn the_hash_is_the_one_that_files_were_made_with() {
        let secrets = RapidSecrets::seed(1);
        assert_eq!(rapidhash_v3_seeded(PROBE, &secrets), 0x0be9_6aa5_da64_bd9d);
    }
}
