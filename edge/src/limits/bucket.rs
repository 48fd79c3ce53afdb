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
//! RELIABILITY section 6; model-checked by `tests/limits_model.rs`, which includes this file.

use super::{
    rate::Limit,
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

/// A token that was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    before: u64,
    after: u64,
    /// Whole tokens that are left.
    pub(super) left: u64,
}

/// There is no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Empty {
    /// Ticks until there is one; `u64::MAX`: never.
    pub ticks: u64,
}

impl Bucket<'_> {
    /// Takes a token at `now`.
    #[inline]
    pub(super) fn take(self, limit: &Limit, now: u64) -> Result<Grant, Empty> {
        let Some(slack) = limit.slack_ticks else {
            return Err(Empty { ticks: u64::MAX });
        };
        let mut before = self.until.load(Ordering::Acquire);
        loop {
            let full_at = self.full_at(before, limit, now);
            let missing = full_at.saturating_sub(now);
            if missing > slack {
                return Err(Empty {
                    ticks: missing - slack,
                });
            }
            let full_at = full_at.max(now).saturating_add(limit.token_ticks);
            if full_at > UNTIL {
                return Err(Empty { ticks: u64::MAX }); // behind the end of the clock
            }
            let after = full_at | tag(limit.token_ticks);
            match self.until.compare_exchange_weak(
                before,
                after,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    if self.pace.load(Ordering::Relaxed) != limit.token_ticks {
                        self.pace.store(limit.token_ticks, Ordering::Release);
                    }
                    let left = (slack - missing) / limit.token_ticks;
                    return Ok(Grant {
                        before,
                        after,
                        left,
                    });
                }
                Err(now_there) => before = now_there,
            }
        }
    }

    /// Gives a token back, if nobody took one since; else it is lost, for whoever came in between
    /// counted with it, and no bound may be passed.
    #[inline]
    pub(super) fn undo(self, grant: &Grant) {
        let _ = self.until.compare_exchange(
            grant.after,
            grant.before,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }

    /// Whether [`Bucket::take`] would find a token, and how many are there.
    pub(super) fn peek(self, limit: &Limit, now: u64) -> Result<u64, Empty> {
        let Some(slack) = limit.slack_ticks else {
            return Err(Empty { ticks: u64::MAX });
        };
        let full_at = self.full_at(self.until.load(Ordering::Acquire), limit, now);
        match slack.checked_sub(full_at.saturating_sub(now)) {
            Some(left) => Ok(left / limit.token_ticks + 1),
            None => Err(Empty {
                ticks: full_at.saturating_sub(now).saturating_sub(slack),
            }),
        }
    }

    /// When the bucket is full again by `limit`, if its word is `word`.
    #[inline]
    fn full_at(self, word: u64, limit: &Limit, now: u64) -> u64 {
        if word == 0 {
            return match self.empty_since {
                0 => 0,
                since => since.saturating_add(limit.fill_ticks()),
            };
        }
        let until = word & UNTIL;
        if until <= now {
            return until; // full by any rate
        }
        let pace = self.pace.load(Ordering::Acquire);
        let tag_seen = word & !UNTIL;
        let is_own = tag_seen == tag(limit.token_ticks);
        // With our tag but another's pace, whoever granted last is about to write the pace.
        if is_own && (pace == limit.token_ticks || pace == 0 || tag(pace) != tag_seen) {
            return until;
        }
        self.full_at_new_pace(word, pace, limit, now)
    }

    /// The same after a reload: the tokens that are missing stay missing.
    #[cold]
    fn full_at_new_pace(self, word: u64, pace: u64, limit: &Limit, now: u64) -> u64 {
        let empty = now.saturating_add(limit.fill_ticks());
        if pace == 0 || word & !UNTIL != tag(pace) {
            return empty;
        }
        let missing = u128::from((word & UNTIL).saturating_sub(now));
        let ticks = (missing * u128::from(limit.token_ticks)).div_ceil(u128::from(pace));
        let ticks = u64::try_from(ticks).unwrap_or(u64::MAX);
        now.saturating_add(ticks).min(empty)
    }
}

/// The upper eight bits of a word whose ticks are counted at `pace`; never 0.
#[inline]
const fn tag(pace: u64) -> u64 {
    (pace.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 56) & !UNTIL
}

/// The bits that are an instant.
const UNTIL: u64 = (1 << 56) - 1;
