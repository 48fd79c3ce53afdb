//! The lease of a quota in one word.
//!
//! ```text
//!  63           32 31    30   15         0
//! ┌───────────────┬─────┬────┬───────────┐
//! │ window        │asked│ dry│ left      │
//! └───────────────┴─────┴────┴───────────┘
//! ```
//!
//! What: a part of a quota that is durably counted as used, to be spent without asking anybody. The
//! control thread has it counted first and puts it here then; so a crash loses what is left of it
//! and never gives anything twice. Of those who spend, one sees that little is left and asks for
//! more. `dry` says that the quota has nothing more to give in this window. Where a plan has no quota
//! the window is 0, which no quota has, and the lower half counts what was used since somebody took
//! the count.
//! Shape: functions over one atomic. Units: requests. Ranges: at most two leases are held at once.
//! Errors: [`Spent`] says what came of it. Source: RELIABILITY section 6; model-checked by
//! `tests/limits/interleavings.rs`, which includes this file.

use super::sync::{AtomicU64, Ordering};

/// What came of a request's try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spent {
    /// It is counted; `asks`: this one has to ask for another lease.
    One {
        /// What is left of the lease.
        left: u32,
        /// Nobody has asked yet.
        asks: bool,
    },
    /// Nothing is left, but the quota may have more; who sees it asks.
    NeedsLease,
    /// Nothing is left in this window.
    Dry,
}

/// Spends one request in `window`; at `low` or less left, somebody asks for more.
#[inline]
pub(super) fn spend(word: &AtomicU64, window: u32, low: u32) -> Spent {
    let mut seen = word.load(Ordering::Acquire);
    loop {
        let lease = Lease::of(seen);
        // A wall clock that was set back does not bring an old window back.
        if lease.window < window {
            return Spent::NeedsLease;
        }
        if lease.left == 0 {
            return if lease.dry {
                Spent::Dry
            } else {
                Spent::NeedsLease
            };
        }
        let left = lease.left - 1;
        let asks = left <= low && !lease.asked && !lease.dry;
        let asked = lease.asked || asks;
        let next = Lease {
            left,
            asked,
            ..lease
        };
        match word.compare_exchange_weak(seen, next.word(), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Spent::One { left, asks },
            Err(there) => seen = there,
        }
    }
}

/// Puts `count` durably counted requests of `window` into the word; what there was of an earlier
/// window is lost. Zero: there are no more. Gives how many found room.
pub(super) fn fill(word: &AtomicU64, window: u32, count: u32) -> u32 {
    let mut seen = word.load(Ordering::Acquire);
    loop {
        let lease = Lease::of(seen);
        if lease.window > window {
            return 0; // it took longer than its window
        }
        let kept = if lease.window == window {
            lease.left
        } else {
            0
        };
        let left = kept.saturating_add(count).min(LEFT_MAX);
        let next = Lease {
            window,
            asked: false,
            dry: count == 0,
            left,
        };
        match word.compare_exchange_weak(seen, next.word(), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return left.saturating_sub(kept),
            Err(there) => seen = there,
        }
    }
}

/// Nobody has an answer to who asked: the next one asks again.
pub(super) fn forget_asked(word: &AtomicU64) {
    word.fetch_and(!ASKED, Ordering::AcqRel);
}

/// What is left in `window`.
pub(super) fn left(word: &AtomicU64, window: u32) -> u32 {
    let lease = Lease::of(word.load(Ordering::Acquire));
    if lease.window == window {
        lease.left
    } else {
        0
    }
}

/// Counts requests of a plan without a quota; true for the first since [`take_count`]. What is left
/// of a lease of earlier is forgotten.
#[inline]
pub(super) fn count(word: &AtomicU64, requests: u64) -> bool {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let before = counted(seen);
        let next = before.saturating_add(requests).min(COUNT);
        match word.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return before == 0,
            Err(there) => seen = there,
        }
    }
}

/// Takes the count; a lease stays as it is.
pub(super) fn take_count(word: &AtomicU64) -> u64 {
    let mut seen = word.load(Ordering::Acquire);
    loop {
        let count = counted(seen);
        if count == 0 {
            return 0;
        }
        match word.compare_exchange_weak(seen, 0, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return count,
            Err(there) => seen = there,
        }
    }
}

/// The count in a word without a window.
#[inline]
const fn counted(word: u64) -> u64 {
    if word <= COUNT { word } else { 0 }
}

#[derive(Clone, Copy)]
struct Lease {
    window: u32,
    asked: bool,
    dry: bool,
    left: u32,
}

impl Lease {
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the halves are meant
    fn of(word: u64) -> Lease {
        let left = (word & LEFT) as u32;
        Lease {
            window: (word >> 32) as u32,
            asked: word & ASKED != 0,
            dry: word & DRY != 0,
            // More than can have been put here was not put here by us.
            left: if left <= LEFT_MAX { left } else { 0 },
        }
    }

    #[inline]
    fn word(self) -> u64 {
        let flag = |is_set: bool, bit: u64| if is_set { bit } else { 0 };
        u64::from(self.window) << 32
            | flag(self.asked, ASKED)
            | flag(self.dry, DRY)
            | u64::from(self.left)
    }
}

const ASKED: u64 = 1 << 31;
const DRY: u64 = 1 << 30;
const LEFT: u64 = 0xffff;
const COUNT: u64 = 0xffff_ffff;
/// Two leases of the greatest size.
const LEFT_MAX: u32 = 2_000;
