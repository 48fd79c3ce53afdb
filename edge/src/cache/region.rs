//! The mapped bytes, behind bounds.
//!
//! What: the one place of the cache with raw pointers. Other processes write to these bytes at any
//! time, so no reference to plain memory is made of them: numbers are read and written as atomics,
//! runs of bytes are copied through atomics, word by word where the alignment allows.
//! Shape: offsets from the start of the map. Units: bytes. Ranges: an offset comes from the
//! geometry, or from a slot that was checked against it. Errors: one that lies outside all the same
//! reads as zero and is written nowhere: a doubt, so a miss.
//! Source: the rules for shared files in docs/architecture.md, "The cache".

use std::ptr::NonNull;

use super::sync::{AtomicU32, AtomicU64, Ordering};
use crate::base::shm;
use std::sync::atomic::AtomicU8;

/// A map of the shared file, or an anonymous one for what each process knows for itself.
#[derive(Debug)]
pub(super) struct Region {
    map: shm::Region,
    bytes_len: usize,
    /// What stands for words outside.
    void: AtomicU64,
    void_half: AtomicU32,
}

impl Region {
    pub(super) fn new(map: shm::Region) -> Region {
        let bytes_len = map.bytes_len();
        Region {
            map,
            bytes_len,
            void: AtomicU64::new(0),
            void_half: AtomicU32::new(0),
        }
    }

    /// The eight bytes at `at`, a multiple of 8.
    #[inline]
    pub(super) fn word(&self, at: usize) -> &AtomicU64 {
        if !self.holds(at, WORD_BYTES) || !at.is_multiple_of(WORD_BYTES) {
            debug_assert!(false, "word {at} of {} bytes", self.bytes_len);
            return &self.void;
        }
        // SAFETY: in bounds of the map, which lives as long as `self`; a map begins on a page, so
        // the word is aligned; it is only ever accessed as an atomic.
        unsafe { AtomicU64::from_ptr(self.place(at).cast().as_ptr()) }
    }

    /// The four bytes at `at`, a multiple of 4.
    #[inline]
    pub(super) fn half(&self, at: usize) -> &AtomicU32 {
        if !self.holds(at, HALF_BYTES) || !at.is_multiple_of(HALF_BYTES) {
            debug_assert!(false, "half word {at} of {} bytes", self.bytes_len);
            return &self.void_half;
        }
        // SAFETY: as for `word`.
        unsafe { AtomicU32::from_ptr(self.place(at).cast().as_ptr()) }
    }

    /// The `N` words from `at` on, a multiple of 8, each read with acquire; zeros outside. All are
    /// read at about one time, not at one.
    #[inline]
    pub(super) fn words<const N: usize>(&self, at: usize) -> [u64; N] {
        let mut words = [0; N];
        if self.holds(at, N * WORD_BYTES) && at.is_multiple_of(WORD_BYTES) {
            for (i, word) in words.iter_mut().enumerate() {
                *word = self
                    .word_within(at + i * WORD_BYTES)
                    .load(Ordering::Acquire);
            }
        }
        words
    }

    /// Copies the bytes from `at` into all of `into`; false, with nothing copied, outside.
    pub(super) fn copy_out(&self, at: usize, into: &mut [u8]) -> bool {
        if !self.holds(at, into.len()) {
            return false;
        }
        let head = head_bytes(at, into.len());
        let (first, rest) = into.split_at_mut(head);
        for (i, byte) in first.iter_mut().enumerate() {
            *byte = self.byte(at + i).load(Ordering::Relaxed);
        }
        let mut at = at + head;
        let mut words = rest.chunks_exact_mut(WORD_BYTES);
        for word in &mut words {
            let value = self.word_within(at).load(Ordering::Relaxed);
            word.copy_from_slice(&value.to_ne_bytes());
            at += WORD_BYTES;
        }
        for (i, byte) in words.into_remainder().iter_mut().enumerate() {
            *byte = self.byte(at + i).load(Ordering::Relaxed);
        }
        true
    }

    /// Copies all of `from` to `at`; false, with nothing copied, outside.
    pub(super) fn copy_in(&self, at: usize, from: &[u8]) -> bool {
        if !self.holds(at, from.len()) {
            return false;
        }
        let (first, rest) = from.split_at(head_bytes(at, from.len()));
        for (i, byte) in first.iter().enumerate() {
            self.byte(at + i).store(*byte, Ordering::Relaxed);
        }
        let mut at = at + first.len();
        let words = rest.chunks_exact(WORD_BYTES);
        let last = words.remainder();
        for word in words {
            let value = word.try_into().map_or(0, u64::from_ne_bytes);
            self.word_within(at).store(value, Ordering::Relaxed);
            at += WORD_BYTES;
        }
        for (i, byte) in last.iter().enumerate() {
            self.byte(at + i).store(*byte, Ordering::Relaxed);
        }
        true
    }

    /// Copies `bytes_len` bytes inside the map, word by word; all three are multiples of 8.
    pub(super) fn copy_within(&self, from: usize, to: usize, bytes_len: usize) -> bool {
        let aligned = (from | to | bytes_len).is_multiple_of(WORD_BYTES);
        if !aligned || !self.holds(from, bytes_len) || !self.holds(to, bytes_len) {
            return false;
        }
        for i in (0..bytes_len).step_by(WORD_BYTES) {
            let value = self.word_within(from + i).load(Ordering::Relaxed);
            self.word_within(to + i).store(value, Ordering::Relaxed);
        }
        true
    }

    /// True when the bytes at `at`, a multiple of 8, are those of `bytes`.
    pub(super) fn equals(&self, at: usize, bytes: &[u8]) -> bool {
        if !self.holds(at, bytes.len()) || !at.is_multiple_of(WORD_BYTES) {
            return false;
        }
        let mut at = at;
        let words = bytes.chunks_exact(WORD_BYTES);
        let last = words.remainder();
        for word in words {
            let value = self.word_within(at).load(Ordering::Relaxed);
            if word != value.to_ne_bytes() {
                return false;
            }
            at += WORD_BYTES;
        }
        let mut tail = last.iter().enumerate();
        tail.all(|(i, byte)| self.byte(at + i).load(Ordering::Relaxed) == *byte)
    }

    /// Sets the words of `bytes_len` bytes from `at` to zero, both multiples of 8.
    pub(super) fn clear(&self, at: usize, bytes_len: usize) {
        for i in (0..bytes_len).step_by(WORD_BYTES) {
            self.word(at + i).store(0, Ordering::Relaxed);
        }
    }

    /// Asks the processor to fetch the line with the byte at `at`.
    #[inline]
    pub(super) fn prefetch(&self, at: usize) {
        #[cfg(target_arch = "x86_64")]
        if self.holds(at, 1) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch reads nothing and faults never; the address is in the map.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.place(at).as_ptr().cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at;
    }

    /// Moves a part of the map into large pages.
    pub(super) fn enlarge_pages(&self, at: usize, bytes_len: usize) -> std::io::Result<()> {
        self.map.enlarge_pages(at, bytes_len)
    }

    /// Where the byte at `at` is, if `bytes_len` bytes from there are in the map: for the kernel,
    /// which reads them without a reference of ours.
    pub(super) fn address(&self, at: usize, bytes_len: usize) -> Option<NonNull<u8>> {
        self.holds(at, bytes_len).then(|| self.place(at))
    }

    #[inline]
    fn holds(&self, at: usize, bytes_len: usize) -> bool {
        at.checked_add(bytes_len)
            .is_some_and(|end| end <= self.bytes_len)
    }

    /// In bounds by the caller's check.
    #[inline]
    fn place(&self, at: usize) -> NonNull<u8> {
        debug_assert!(at <= self.bytes_len);
        // SAFETY: every caller has checked `at` against the map's length.
        unsafe { self.map.base().add(at) }
    }

    /// In bounds by the caller's check.
    #[inline]
    fn byte(&self, at: usize) -> &AtomicU8 {
        debug_assert!(at < self.bytes_len);
        // SAFETY: the callers, all above, have checked the run that holds `at`.
        unsafe { AtomicU8::from_ptr(self.place(at).as_ptr()) }
    }

    /// In bounds and aligned by the caller's check.
    #[inline]
    fn word_within(&self, at: usize) -> &AtomicU64 {
        debug_assert!(at + WORD_BYTES <= self.bytes_len && at.is_multiple_of(WORD_BYTES));
        // SAFETY: the callers, all above, have checked the run and its alignment.
        unsafe { AtomicU64::from_ptr(self.place(at).cast().as_ptr()) }
    }
}

/// Bytes up to the next multiple of 8, at most `bytes_len`.
#[inline]
fn head_bytes(at: usize, bytes_len: usize) -> usize {
    (at.wrapping_neg() % WORD_BYTES).min(bytes_len)
}

/// Bytes in a word.
pub(super) const WORD_BYTES: usize = 8;
/// Bytes in half a word.
pub(super) const HALF_BYTES: usize = 4;
/// Bytes that the processor fetches at once.
pub(super) const LINE_BYTES: usize = 64;

const _: () = assert!(usize::BITS == 64, "offsets of up to 237 GiB");

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Region {
        Region::new(shm::Region::anonymous(4096).expect("a map"))
    }

    #[test]
    fn runs_of_any_alignment_come_back() {
        let region = region();
        let bytes: Vec<u8> = (0..100).map(|i| i ^ 0x5a).collect();
        for at in 64..81 {
            for len in [0, 1, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 100] {
                region.clear(0, 256);
                let sent = bytes.get(..len).expect("in bounds");
                assert!(region.copy_in(at, sent));
                let mut back = vec![0; len + 2];
                assert!(region.copy_out(at - 1, &mut back));
                assert_eq!(back.first(), Some(&0), "before {at}+{len}");
                assert_eq!(back.last(), Some(&0), "behind {at}+{len}");
                assert_eq!(back.get(1..=len), Some(sent), "{at}+{len}");
                if at.is_multiple_of(8) {
                    assert!(region.equals(at, sent));
                    let mut other = sent.to_vec();
                    if let Some(last) = other.last_mut() {
                        *last ^= 1;
                        assert!(!region.equals(at, &other), "{at}+{len}");
                    }
                }
            }
        }
        assert!(region.copy_within(64, 512, 104));
        let mut back = [0; 104];
        let mut moved = [0; 104];
        assert!(region.copy_out(64, &mut back) && region.copy_out(512, &mut moved));
        assert_eq!(back, moved);
    }

    #[test]
    fn outside_is_refused() {
        let region = region();
        let rows = [(4096, 1), (4095, 2), (usize::MAX, 8), (usize::MAX - 3, 4)];
        for (at, len) in rows {
            let mut into = vec![7; len];
            assert!(!region.copy_out(at, &mut into) && into.iter().all(|byte| *byte == 7));
            assert!(!region.copy_in(at, &into));
            assert!(!region.equals(at, &into));
            assert!(region.address(at, len).is_none());
            region.prefetch(at);
        }
        assert!(!region.copy_within(0, 4096, 8) && !region.copy_within(4096, 0, 8));
        assert!(region.address(4095, 1).is_some());
    }
}
