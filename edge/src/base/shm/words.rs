//! Mapped memory as words of 64 bits, behind bounds.
//!
//! What: for tables whose every word is an atomic that other processes may write at any time, so
//! that no reference to plain memory is made. Shape: indices of words. Ranges: a word outside the
//! map is one that nobody else sees; it stands for the doubt, and tests catch it. Units: words.
//! Errors: none. Source: the rules for shared files in docs/architecture.md.

use std::sync::atomic::AtomicU64;

use super::Region;

/// A map, word by word.
#[derive(Debug)]
pub struct Words {
    map: Region,
    count: usize,
    void: [AtomicU64; RUN_WORDS_MAX],
}

impl Words {
    /// All whole words of `map`.
    #[must_use]
    pub fn new(map: Region) -> Words {
        let count = map.bytes_len() / WORD_BYTES;
        Words {
            map,
            count,
            void: [const { AtomicU64::new(0) }; RUN_WORDS_MAX],
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The word `index`.
    #[inline]
    #[must_use]
    pub fn word(&self, index: usize) -> &AtomicU64 {
        let [word] = self.run::<1>(index);
        word
    }

    /// `N` words from `index` on, in bounds by one look.
    #[inline]
    #[must_use]
    pub fn run<const N: usize>(&self, index: usize) -> &[AtomicU64; N] {
        const { assert!(N <= RUN_WORDS_MAX) };
        if index >= self.count.saturating_sub(N - 1) {
            return self.nothing(index);
        }
        // SAFETY: in bounds of the map, which lives as long as `self`; a map begins on a page, so
        // the words are aligned; they are only ever accessed as atomics, which have their layout.
        unsafe {
            self.map
                .base()
                .cast::<[AtomicU64; N]>()
                .byte_add(index * WORD_BYTES)
                .as_ref()
        }
    }

    /// Stands for words that are not there.
    #[cold]
    fn nothing<const N: usize>(&self, index: usize) -> &[AtomicU64; N] {
        debug_assert!(false, "{N} words at {index} of {}", self.count);
        let Some(words) = self.void.first_chunk() else {
            unreachable!("a run is no longer than that")
        };
        words
    }
}

/// Bytes in a word.
pub const WORD_BYTES: usize = 8;
/// Most words of one run.
const RUN_WORDS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn every_word_is_its_own() {
        let words = Words::new(Region::anonymous(4096).expect("a map"));
        assert_eq!(words.count(), 512);
        for index in 0..words.count() {
            words.word(index).store(index as u64, Ordering::Relaxed);
        }
        for index in 0..words.count() {
            assert_eq!(words.word(index).load(Ordering::Relaxed), index as u64);
        }
    }
}
