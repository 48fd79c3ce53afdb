//! A rate with its burst, as people write it and as buckets count it.
//!
//! Shape: [`Rate`] is what documents say; [`Limit`] is the same as time: how long one token takes
//! to come back, and how long all of them. Units: ticks of 4 ns, which 56 bits count for nine years
//! and which make 100,000 a second too slow by 0.04 % at most; rates in millionths of a token a
//! second. Ranges: rates of 0.000001 to 1,000,000 a second, bursts up to 2^31 - 1, filled in at
//! most a year; a rate or a burst of 0 refuses everything. Errors: [`RateFault`].
//! Source: API Gateway developer guide, `throttlingRateLimit`, `throttlingBurstLimit`.

/// Tokens that come back every second, and how many there are at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// `rateLimit`, in millionths.
    pub micro_per_s: u64,
    /// `burstLimit`.
    pub burst: u32,
}

/// Why a rate cannot be counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RateFault {
    /// Negative, no number, or beyond the greatest.
    #[error("a rate is a number from 0 to {RATE_PER_S_MAX}")]
    Rate,
    /// Beyond the greatest.
    #[error("a burst is a whole number from 0 to {BURST_MAX}")]
    Burst,
    /// The burst would need more than a year to come back.
    #[error("at this rate the burst takes more than a year to come back")]
    Slow,
}

impl RateFault {
    /// The key whose value is wrong.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            RateFault::Rate => "rate_limit",
            RateFault::Burst | RateFault::Slow => "burst_limit",
        }
    }
}

/// Greatest rate.
pub const RATE_PER_S_MAX: u64 = 1_000_000;
/// Greatest burst.
pub const BURST_MAX: u32 = i32::MAX as u32;

impl Rate {
    /// From a decimal rate; digits behind the sixth are cut.
    ///
    /// # Errors
    /// As [`RateFault`].
    pub fn new(per_s: f64, burst: u32) -> Result<Rate, RateFault> {
        let micro = (per_s * 1e6 * (1.0 + f64::EPSILON)).floor();
        if !(0.0..=(RATE_PER_S_MAX * MICRO) as f64).contains(&micro) {
            return Err(RateFault::Rate);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in the range above
        let rate = Rate {
            micro_per_s: micro as u64,
            burst,
        };
        Limit::new(rate).map(|_| rate)
    }

    /// The rate as documents write it.
    #[must_use]
    pub fn per_s(self) -> f64 {
        self.micro_per_s as f64 / 1e6
    }
}

/// A rate as buckets count it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Ticks until one token is back, rounded up; at least 1. Beyond the end of the clock where
    /// nothing is ever granted, so that no path has to ask.
    pub(super) token_ticks: u64,
    /// Ticks that all tokens but one take.
    pub(super) slack_ticks: u64,
    /// What marks words that are counted at this pace.
    pub(super) tag: u64,
    /// As it was written, for answers and explanations.
    pub rate: Rate,
}

impl Limit {
    /// Refuses everything.
    pub(super) const NOTHING: Limit = Limit {
        token_ticks: NEVER_TICKS,
        slack_ticks: 0,
        tag: tag(NEVER_TICKS),
        rate: Rate {
            micro_per_s: 0,
            burst: 0,
        },
    };

    /// Counts `rate`.
    ///
    /// # Errors
    /// As [`RateFault`].
    pub fn new(rate: Rate) -> Result<Limit, RateFault> {
        if rate.micro_per_s > RATE_PER_S_MAX * MICRO {
            return Err(RateFault::Rate);
        }
        if rate.burst > BURST_MAX {
            return Err(RateFault::Burst);
        }
        if rate.micro_per_s == 0 || rate.burst == 0 {
            return Ok(Limit {
                rate,
                ..Limit::NOTHING
            });
        }
        let token_ticks = (TICKS_PER_S * MICRO).div_ceil(rate.micro_per_s);
        let all = u128::from(token_ticks) * u128::from(rate.burst);
        match u64::try_from(all) {
            Ok(all) if all <= FILL_TICKS_MAX => Ok(Limit {
                token_ticks,
                slack_ticks: all - token_ticks,
                tag: tag(token_ticks),
                rate,
            }),
            _ => Err(RateFault::Slow),
        }
    }

    /// True when it refuses everything.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.token_ticks == NEVER_TICKS
    }

    /// Ticks in which an empty bucket becomes full.
    #[must_use]
    pub const fn fill_ticks(&self) -> u64 {
        if self.is_nothing() {
            return 0;
        }
        self.slack_ticks + self.token_ticks
    }
}

/// The upper eight bits of a word whose ticks are counted at `pace`; never 0.
#[inline]
pub(super) const fn tag(pace: u64) -> u64 {
    (pace.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 56) & !UNTIL
}

/// The bits of a bucket's word that are an instant.
pub(super) const UNTIL: u64 = (1 << 56) - 1;
/// What a token takes that never comes: no instant lies so far ahead.
const NEVER_TICKS: u64 = 1 << 57;

const MICRO: u64 = 1_000_000;
/// Nanoseconds in a tick.
pub const TICK_NS: u64 = 4;
/// Ticks in a second.
pub(super) const TICKS_PER_S: u64 = 1_000_000_000 / TICK_NS;
/// A year.
pub(super) const FILL_TICKS_MAX: u64 = 366 * 86_400 * TICKS_PER_S;

const _: () = assert!(
    TICKS_PER_S.checked_mul(MICRO).is_some(),
    "the product in `Limit::new`"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_counted_to_a_thousandth_and_never_too_fast() {
        let rows = [
            0.1, 0.5, 1.0, 3.0, 7.7, 99.9, 100.0, 9_999.0, 30_000.0, 99_999.0, 100_000.0,
        ];
        for per_s in rows {
            let limit = Limit::new(Rate::new(per_s, 5).expect("a rate")).expect("a limit");
            let counted = TICKS_PER_S as f64 / limit.token_ticks as f64;
            assert!(counted <= per_s * (1.0 + 1e-12), "{per_s}: {counted}");
            assert!(counted >= per_s * 0.999, "{per_s}: {counted}");
            assert_eq!(limit.fill_ticks(), limit.token_ticks * 5);
        }
    }

    #[test]
    fn what_cannot_be_counted_is_said() {
        let rows = [
            (-1.0, 1, Err(RateFault::Rate)),
            (f64::NAN, 1, Err(RateFault::Rate)),
            (f64::INFINITY, 1, Err(RateFault::Rate)),
            (1_000_001.0, 1, Err(RateFault::Rate)),
            (1.0, BURST_MAX + 1, Err(RateFault::Burst)),
            (0.001, 1_000_000, Err(RateFault::Slow)),
            (0.29, 1, Ok(290_000)),
            (0.0, 0, Ok(0)),
            (0.0, 5, Ok(0)),
            (10_000.0, 5_000, Ok(10_000_000_000)),
        ];
        for (per_s, burst, expected) in rows {
            let got = Rate::new(per_s, burst).map(|rate| rate.micro_per_s);
            assert_eq!(got, expected, "{per_s} {burst}");
        }
        for (per_s, burst) in [(0.0, 0), (0.0, 9), (9.0, 0)] {
            let limit = Limit::new(Rate::new(per_s, burst).expect("a rate")).expect("a limit");
            assert!(limit.is_nothing(), "refuses everything");
        }
    }
}
