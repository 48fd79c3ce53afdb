//! The steps that make sharing safe: reserve, publish, pin, withdraw, quiet.
//!
//! ```text
//! writer                        reader                       reclaimer
//! pin the segment               read the slot                remove the segment's slots
//! reserve room                  pin the segment              withdraw the segment
//! write, hidden                 segment still readable?      no pins?  then use it anew
//! publish in a slot             read; unpin                  pins?     then look again later
//! unpin
//! ```
//!
//! What holds it together: a pin is stored before the segment's state is read, and the state is
//! changed before the pins are read, each pair with a full fence between. So of a reader and a
//! reclaimer that meet, at least one sees the other: either the reader finds the segment withdrawn
//! and leaves, or the reclaimer finds the pin and waits. A pinned segment in a readable state is
//! therefore not written over, and what a slot led to stays as it was published.
//! Shape: functions over single atomics, wherever those lie. Units: bytes and counts.
//! Errors: false or an `Err`, never a wait. Source: hazard pointers (Michael, 2004), with segments
//! in the place of nodes; model-checked by `tests/cache/interleavings.rs`, which includes it.

use super::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// Adds a pin and gives the segment's state as it is behind the fence. If that state is not
/// readable, or of another generation than wanted, the caller unpins and has seen nothing.
/// Only the owner of `pins` may call it.
#[inline]
pub(super) fn pin(pins: &AtomicU32, state: &AtomicU64) -> u64 {
    let count = pins.load(Ordering::Relaxed);
    pins.store(count.wrapping_add(1), Ordering::Relaxed);
    fence(Ordering::SeqCst);
    state.load(Ordering::Acquire)
}

/// Takes a pin back. What was read under it was read before.
#[inline]
pub(super) fn unpin(pins: &AtomicU32) {
    let count = pins.load(Ordering::Relaxed);
    pins.store(count.saturating_sub(1), Ordering::Release);
}

/// Changes a segment's state from one that can be pinned to one that cannot; false when it was
/// another. From here on no new pin holds; [`is_quiet`] tells when the old ones are gone.
pub(super) fn withdraw(state: &AtomicU64, from: u64, to: u64) -> bool {
    state
        .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

/// True when none of `pins`, those of all owners on one segment withdrawn before, is held. What their
/// holders read, they have read: the segment may be written.
pub(super) fn is_quiet<'a>(mut pins: impl Iterator<Item = &'a AtomicU32>) -> bool {
    fence(Ordering::SeqCst);
    pins.all(|pins| pins.load(Ordering::Acquire) == 0)
}

/// Takes `bytes` of a pinned, open segment: where they begin. Without room for them nothing is
/// taken, so what is left stays for smaller records.
pub(super) fn reserve(cursor: &AtomicU64, bytes: u64, end: u64) -> Option<u64> {
    let next = |start: u64| start.checked_add(bytes).filter(|stop| *stop <= end);
    cursor
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
        .ok()
}

/// Makes a written record visible, in place of what the slot held; false when that changed.
/// Everything written before is seen by whoever reads the slot.
pub(super) fn publish(slot: &AtomicU64, old: u64, new: u64) -> bool {
    slot.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

/// Between writing a record's payload and writing its head. Whoever comes by a slot that was left
/// behind, and finds a head that is whole, then finds the payload whole.
pub(super) fn payload_written() {
    fence(Ordering::Release);
}

/// Between reading a record's head and reading its payload.
#[inline]
pub(super) fn header_read() {
    fence(Ordering::Acquire);
}

/// Between publishing in one slot and looking into others: of two owners that do so at the same
/// time, at least one sees the other's.
pub(super) fn look_around() {
    fence(Ordering::SeqCst);
}

/// Reads a slot, and with it what its publisher wrote before.
#[inline]
pub(super) fn observe(slot: &AtomicU64) -> u64 {
    slot.load(Ordering::Acquire)
}

/// Gives a state to a segment that nobody can see into: quiet, or not yet used.
pub(super) fn restate(state: &AtomicU64, to: u64) {
    state.store(to, Ordering::Release);
}
