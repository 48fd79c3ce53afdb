//! Taking a slot for an identity, without a lock.
//!
//! What: a slot's two words go from zero to what they say for ever, the scope first. Whoever finds
//! a slot between the two steps of another may finish it with a number of its own; then the other
//! finds that, and goes on. So of two who want the same identity, both get the same slot, and of
//! two who want different ones, one does. Shape: a function over two atomics. Units: none.
//! Errors: false when the slot is another's. Source: own; model-checked by
//! `tests/limits/interleavings.rs`, which includes this file.

use super::sync::{AtomicU64, Ordering};

/// Takes a slot for `scope` and `number`, neither of them 0; true when it says so afterwards.
pub(super) fn claim(first: &AtomicU64, second: &AtomicU64, scope: u64, number: u64) -> bool {
    put(first, scope) && put(second, number)
}

fn put(word: &AtomicU64, mark: u64) -> bool {
    match word.compare_exchange(0, mark, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => true,
        Err(there) => there == mark,
    }
}
