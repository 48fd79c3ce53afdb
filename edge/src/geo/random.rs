//! Draws from distributions, from the seeded generator alone.
//!
//! Shape: functions over a [`Prng`], and hashes for what must be the same in every deployment
//! whatever was drawn before. Units: none. Ranges: as each says. Errors: none.
//! Source: inversion for exponential and geometric draws; Box and Muller (1958) for normal ones.

use crate::base::prng::Prng;

/// Above 0, at most 1.
pub(super) fn unit(prng: &mut Prng) -> f64 {
    unit_of(prng.next_u64())
}

/// The same from a word.
pub(super) fn unit_of(word: u64) -> f64 {
    ((word >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// Exponential with `mean`.
pub(super) fn exponential(prng: &mut Prng, mean: f64) -> f64 {
    -unit(prng).ln() * mean
}

/// From 1 on, with `mean`: how many until one fails.
pub(super) fn geometric(prng: &mut Prng, mean: f64) -> u32 {
    if mean <= 1.0 {
        return 1;
    }
    let more = unit(prng).ln() / (1.0 - 1.0 / mean).ln();
    u32::try_from(whole(more))
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}

/// A standard normal value from two words.
pub(super) fn normal_of(one: u64, two: u64) -> f64 {
    (-2.0 * unit_of(one).ln()).sqrt() * (std::f64::consts::TAU * unit_of(two)).cos()
}

/// Log-normal with `median`, so that nine of ten are below `p90`.
pub(super) fn log_normal_of(one: u64, two: u64, median: f64, p90: f64) -> f64 {
    if p90 <= median {
        return median;
    }
    let sigma = (p90 / median).ln() / NORMAL_P90;
    median * (sigma * normal_of(one, two)).exp()
}

/// A word that follows from others alone: splitmix64 over them.
pub(super) fn hash(words: &[u64]) -> u64 {
    words.iter().fold(0x2545_f491_4f6c_dd1d, |state, word| {
        let mut z = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// The whole part, 0 for what is below, the greatest for what is beyond.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, which is meant
pub(super) fn whole(value: f64) -> u64 {
    value as u64
}

/// Milliseconds as nanoseconds.
pub(super) fn ns_of_ms(ms: f64) -> u64 {
    whole((ms * 1e6).round())
}

/// Seconds as nanoseconds.
pub(super) fn ns_of_s(s: f64) -> u64 {
    whole((s * 1e9).round())
}

/// Megabits a second as bytes a second.
pub(super) fn bytes_per_s(mbit: f64) -> u64 {
    whole(mbit * 125_000.0).max(1)
}

/// The quantile of a standard normal value at 0.9.
const NORMAL_P90: f64 = 1.281_551_565_544_600_4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_means_and_quantiles_they_promise() {
        let mut prng = Prng::new(7);
        let count = 200_000;
        let mean = |sum: f64| sum / f64::from(count);
        let spread: f64 = (0..count).map(|_| exponential(&mut prng, 3.0)).sum();
        assert!((mean(spread) - 3.0).abs() < 0.05, "{}", mean(spread));
        for expected in [1.0, 1.5, 6.0] {
            let sum: f64 = (0..count)
                .map(|_| f64::from(geometric(&mut prng, expected)))
                .sum();
            assert!(
                (mean(sum) - expected).abs() < 0.05,
                "{} of {expected}",
                mean(sum)
            );
        }
        let below = |limit: f64, prng: &mut Prng| {
            let draw = |prng: &mut Prng| {
                log_normal_of(prng.next_u64(), prng.next_u64(), 10.0, 45.0) < limit
            };
            (0..count).filter(|_| draw(prng)).count() as f64 / f64::from(count)
        };
        assert!((below(10.0, &mut prng) - 0.5).abs() < 0.01);
        assert!((below(45.0, &mut prng) - 0.9).abs() < 0.01);
    }
}
