//! Numbers by popularity: the first is asked for most, the k-th by 1/k^s as often.
//!
//! What it is: draws in constant time and memory, however many numbers there are. Shape: rejection
//! against the area below a curve that stays above the probabilities. Ranges: 1 to 2^53 numbers,
//! exponents from 0 (all alike) to 10. Errors: none; the template's parser holds the ranges.
//! Source: Hörmann, Derflinger, "Rejection-inversion to generate variates from monotone discrete
//! distributions" (1996).

use tidegate_edge::base::prng::Prng;

use crate::schedule::unit;

/// A distribution over `1..=count`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Zipf {
    count: f64,
    exponent: f64,
    area_first: f64,
    area_last: f64,
    near: f64,
}

impl Zipf {
    /// Over `1..=count`, falling with `exponent`.
    #[must_use]
    pub(crate) fn new(count: u64, exponent: f64) -> Zipf {
        assert!(
            count > 0 && (0.0..=10.0).contains(&exponent),
            "the parser holds the ranges"
        );
        let count = count as f64;
        Zipf {
            count,
            exponent,
            area_first: area(1.5, exponent) - 1.0,
            area_last: area(count + 0.5, exponent),
            near: 2.0 - area_inverse(area(2.5, exponent) - height(2.0, exponent), exponent),
        }
    }

    /// A draw.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 1 and the count
    pub(crate) fn draw(&self, prng: &mut Prng) -> u64 {
        loop {
            let point = self.area_last + unit(prng) * (self.area_first - self.area_last);
            let x = area_inverse(point, self.exponent);
            let k = (x + 0.5).floor().clamp(1.0, self.count);
            let below = area(k + 0.5, self.exponent) - height(k, self.exponent);
            if k - x <= self.near || point >= below {
                return k as u64;
            }
        }
    }
}

fn height(x: f64, exponent: f64) -> f64 {
    x.powf(-exponent)
}

/// The area below the curve up to `x`, from wherever makes it simple.
fn area(x: f64, exponent: f64) -> f64 {
    let log = x.ln();
    let rest = (1.0 - exponent) * log;
    if rest.abs() < 1e-8 {
        log
    } else {
        rest.exp_m1() / rest * log
    }
}

fn area_inverse(area: f64, exponent: f64) -> f64 {
    let t = (area * (1.0 - exponent)).max(-1.0);
    if t.abs() < 1e-8 {
        area.exp()
    } else {
        (t.ln_1p() / t * area).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_law() {
        for (count, exponent) in [(1, 1.0), (10, 0.0), (100, 1.0), (1000, 0.8), (50, 2.5)] {
            let zipf = Zipf::new(count, exponent);
            let mut prng = Prng::new(3);
            let draws = 400_000;
            let mut seen = vec![0u32; usize::try_from(count).expect("small")];
            for _ in 0..draws {
                let number = usize::try_from(zipf.draw(&mut prng)).expect("small");
                seen[number - 1] += 1;
            }
            let total: f64 = (1..=count).map(|k| height(k as f64, exponent)).sum();
            for k in [1, 2, 3, 7] {
                if k > count {
                    continue;
                }
                let share =
                    f64::from(seen[usize::try_from(k).expect("small") - 1]) / f64::from(draws);
                let law = height(k as f64, exponent) / total;
                let error = (law * (1.0 - law) / f64::from(draws)).sqrt();
                assert!(
                    (share - law).abs() < 5.0 * error + 1e-9,
                    "{count} {exponent} {k}: {share} {law}"
                );
            }
        }
    }
}
