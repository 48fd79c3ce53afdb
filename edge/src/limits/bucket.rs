//! A token bucket in one word.
//!
//! ```text
//!  63      56 55                                  0
//! ┌──────────┬─────────────────────────────────────┐
//! │ pace tag │ when the bucket is full again, ticks │
//! └──────────┴─────────────────────────────────────┘
//! ```
//!
//! What: the generic cell rate algorithm. A grant moves the instant at which all tokens will be
//! back by the time that one token takes, and is allowed while that instant lies no further ahead
//! than all tokens take; so grants in any window of t are at most rate · t + burst, exactly and
//! over all who share the word. Zero is a full bucket. The second word, `pace`, says how long a
//! token took for who granted last: after a reload with another rate what is missing is counted in
//! tokens, not in time. The tag ties the two words together; where they disagree about
//! another's rate, because it is between them or died there, the bucket is taken to be empty.
//! Shape: functions over two atomics, wherever those lie. Units: ticks. Errors: [`Empty`]; a word
//! that cannot be right refuses until its time. Source: ITU-T I.371, "GCRA, virtual scheduling";
//! RELIABILITY section 6; model-checked by `tests/limits/interleavings.rs`, which includes it.

use super::{
    rate::{Limit, UNTIL, tag},
    sync::{AtomicU64, Ordering},
};

/// The two words of a bucket.
#[derive(Clone, Copy)]
pub(super) struct Bucket<'a> {
    pub(super) until: &'a AtomicU64,
    pub(super) pace: &'a AtomicU64,
    /// Since when a bucket that was never used counts as empty; 0: it is full.
    pub(super) empty_since: u64,
}

/// A token that was taken: the word as it is without it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grant(u64);

impl Grant {
    /// False for what stands where none was taken.
    pub(super) fn is_one(self) -> bool {
        self.0 != 0 // a tag never is
    }

    /// Whole tokens that were left after it was taken at `now`.
    pub(super) fn left(self, limit: &Limit, now: u64) -> u64 {
        let missing = (self.0 & UNTIL).saturating_sub(now);
        limit.fill_ticks().saturating_sub(missing) / limit.token_ticks
    }
}

/// There is no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Empty {
    /// Ticks until there is one; `u64::MAX`: never.
    pub ticks: u64,
}

/// How a bucket stands.
struct Standing {
    /// Ticks until it is full.
    missing: u64,
    /// The second word says the limit's own pace.
    is_own_pace: bool,
}

impl Bucket<'_> {
    /// Takes a token at `now`.
    #[inline]
    pub(super) fn take(self, limit: &Limit, now: u64) -> Result<Grant, Empty> {
        let mut before = self.until.load(Ordering::Acquire);
        loop {
            let standing = self.standing(before, limit, now);
            let missing = standing.missing;
            // Saturation ends beyond the clock, as what is never granted does.
            let full_at = now.saturating_add(missing + limit.token_ticks);
            if missing > limit.slack_ticks || full_at > UNTIL {
                return Err(self.refuse(before, missing, limit, now));
            }
            let after = full_at | limit.tag;
            match self.until.compare_exchange_weak(
                before,
                after,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    // A pace that was there when the word was needs no second look: who writes
                    // another one meanwhile granted before us, and the tag tells that it is late.
                    if !standing.is_own_pace
                        && self.pace.load(Ordering::Relaxed) != limit.token_ticks
                    {
                        self.pace.store(limit.token_ticks, Ordering::Release);
                    }
                    return Ok(Grant(after));
                }
                Err(now_there) => before = now_there,
            }
        }
    }

    /// What a request is told that finds no token.
    #[cold]
    fn refuse(self, before: u64, missing: u64, limit: &Limit, now: u64) -> Empty {
        if limit.is_nothing() || missing <= limit.slack_ticks {
            return Empty { ticks: u64::MAX }; // never, or behind the end of the clock
        }
        self.settle(before, limit, now);
        Empty {
            ticks: missing - limit.slack_ticks,
        }
    }

    /// Gives a token back, if nobody took one since; else it is lost, for whoever came in between
    /// counted with it, and no bound may be passed.
    #[inline]
    pub(super) fn undo(self, grant: Grant, limit: &Limit) {
        let Grant(after) = grant;
        let _ = self.until.compare_exchange(
            after,
            after.saturating_sub(limit.token_ticks),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }

    /// Whether [`Bucket::take`] would find a token, and how many are there.
    pub(super) fn peek(self, limit: &Limit, now: u64) -> Result<u64, Empty> {
        if limit.is_nothing() {
            return Err(Empty { ticks: u64::MAX });
        }
        let word = self.until.load(Ordering::Acquire);
        let missing = self.standing(word, limit, now).missing;
        match limit.slack_ticks.checked_sub(missing) {
            Some(left) => Ok(left / limit.token_ticks + 1),
            None => Err(Empty {
                ticks: missing.saturating_sub(limit.slack_ticks),
            }),
        }
    }

    /// How the bucket stands by `limit`, if its word is `word`.
    #[inline]
    fn standing(self, word: u64, limit: &Limit, now: u64) -> Standing {
        let until = word & UNTIL;
        if until <= now {
            // Full by any rate, if it was ever used or began full.
            let is_full = word != 0 || self.empty_since == 0;
            return Standing {
                missing: if is_full {
                    0
                } else {
                    missing_unused(self.empty_since, limit, now)
                },
                is_own_pace: false,
            };
        }
        let pace = self.pace.load(Ordering::Acquire);
        if word & !UNTIL == limit.tag && pace == limit.token_ticks {
            return Standing {
                missing: until - now, // it lies ahead
                is_own_pace: true,
            };
        }
        Standing {
            missing: missing_by(word, pace, limit, now),
            is_own_pace: false,
        }
    }

    /// A bucket that refuses after a reload is counted at the new pace from now on: else it would
    /// fill at the old one until it grants again.
    fn settle(self, word: u64, limit: &Limit, now: u64) {
        let pace = self.pace.load(Ordering::Acquire);
        if word == 0 || pace == limit.token_ticks || word & UNTIL <= now {
            return;
        }
        // More than the burst may be missing, and stays missing.
        let Some(until) = counted_anew(word, pace, limit, now).filter(|until| *until <= UNTIL)
        else {
            return;
        };
        let after = until | limit.tag;
        let settled = self
            .until
            .compare_exchange(word, after, Ordering::AcqRel, Ordering::Relaxed);
        if settled.is_ok() {
            self.pace.store(limit.token_ticks, Ordering::Release);
        }
    }
}

/// What a bucket misses that was never used and was empty `since`.
#[cold]
#[inline(never)]
fn missing_unused(since: u64, limit: &Limit, now: u64) -> u64 {
    let full_at = since.saturating_add(limit.fill_ticks());
    full_at.saturating_sub(now).min(UNTIL)
}

/// What a bucket misses that another pace was written for, or is being written for: after a reload
/// the tokens that are missing stay missing.
#[cold]
#[inline(never)]
fn missing_by(word: u64, pace: u64, limit: &Limit, now: u64) -> u64 {
    let tag_seen = word & !UNTIL;
    // With our tag but another's pace, whoever granted last is about to write the pace.
    if tag_seen == limit.tag && (pace == 0 || tag(pace) != tag_seen) {
        return (word & UNTIL).saturating_sub(now);
    }
    match counted_anew(word, pace, limit, now) {
        Some(until) => until.saturating_sub(now).min(limit.fill_ticks()),
        None => limit.fill_ticks(),
    }
}

/// When a bucket that was counted at `pace` is full by `limit`; `None` when it was not.
fn counted_anew(word: u64, pace: u64, limit: &Limit, now: u64) -> Option<u64> {
    if pace == 0 || word & !UNTIL != tag(pace) {
        return None;
    }
    let missing = u128::from((word & UNTIL).saturating_sub(now));
    let ticks = (missing * u128::from(limit.token_ticks)).div_ceil(u128::from(pace));
    let ticks = u64::try_from(ticks).unwrap_or(u64::MAX);
    Some(now.saturating_add(ticks))
}
