//! Intervals of confidence for the ratio of two means.
//!
//! What it is: batch means, Student's t and Welch's way of comparing samples whose spreads differ.
//! Shape: slices of numbers in, a [`Change`] out. Units: shares (0.03 is 3 %). Ranges: two or more
//! samples a side. Errors: `None` where there are too few samples or no mean.
//! Source: Welch (1947); Hill, "Algorithm 396: Student's t-quantiles" (1970); for batch means, Law,
//! "Simulation Modeling and Analysis".

/// By how much a mean differs from another, with its interval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Change {
    /// Of the mean of B to that of A, less one.
    pub share: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Mean and variance of the mean.
#[derive(Clone, Copy)]
struct Mean {
    value: f64,
    variance: f64,
    freedom: f64,
}

impl Mean {
    fn of(samples: &[f64]) -> Option<Mean> {
        let count = samples.len() as f64;
        if samples.len() < 2 || samples.iter().any(|sample| !sample.is_finite()) {
            return None;
        }
        let value = samples.iter().sum::<f64>() / count;
        let squares: f64 = samples.iter().map(|sample| (sample - value).powi(2)).sum();
        Some(Mean {
            value,
            variance: squares / (count - 1.0) / count,
            freedom: count - 1.0,
        })
    }
}

/// Compares two samples at the given confidence, such as 0.99.
#[must_use]
pub fn compare(a: &[f64], b: &[f64], confidence: f64) -> Option<Change> {
    let (a, b) = (Mean::of(a)?, Mean::of(b)?);
    if a.value <= 0.0 {
        return None;
    }
    let ratio = b.value / a.value;
    // Of a ratio, to the first order.
    let of_a = a.variance * (ratio / a.value).powi(2);
    let of_b = b.variance / a.value.powi(2);
    let variance = of_a + of_b;
    let share = ratio - 1.0;
    if variance <= 0.0 {
        return Some(Change {
            share,
            low: share,
            high: share,
        });
    }
    let freedom = variance.powi(2) / (of_a.powi(2) / a.freedom + of_b.powi(2) / b.freedom);
    let half = student_t(1.0 - confidence, freedom) * variance.sqrt();
    Some(Change {
        share,
        low: share - half,
        high: share + half,
    })
}

/// Means of `count` equal stretches of a series, so that what hangs together in time is one sample.
#[must_use]
pub fn batches(series: &[f64], count: usize) -> Vec<f64> {
    let each = series.len() / count.max(1);
    if each == 0 {
        return Vec::new();
    }
    // What does not divide is left out at the beginning, where things warm up.
    let kept = &series[series.len() - each * count..];
    kept.chunks(each)
        .map(|part| part.iter().sum::<f64>() / part.len() as f64)
        .collect()
}

/// The value that Student's t exceeds in size with `probability`.
#[must_use]
pub fn student_t(probability: f64, freedom: f64) -> f64 {
    let p = probability.clamp(1e-9, 1.0 - 1e-9);
    let n = freedom.max(1.0);
    if n < 1.000_001 {
        let angle = p * std::f64::consts::FRAC_PI_2;
        return angle.cos() / angle.sin();
    }
    if (n - 2.0).abs() < 1e-6 {
        return (2.0 / (p * (2.0 - p)) - 2.0).sqrt();
    }
    let a = 1.0 / (n - 0.5);
    let b = 48.0 / (a * a);
    let mut c = ((20_700.0 * a / b - 98.0) * a - 16.0) * a + 96.36;
    let d = ((94.5 / (b + c) - 3.0) / b + 1.0) * (a * std::f64::consts::FRAC_PI_2).sqrt() * n;
    let mut y = (d * p).powf(2.0 / n);
    if y > 0.05 + a {
        let x = normal(p * 0.5);
        y = x * x;
        if n < 5.0 {
            c += 0.3 * (n - 4.5) * (x + 0.6);
        }
        c += (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b;
        y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x;
        y = a * y * y;
        y = if y > 0.002 {
            y.exp_m1()
        } else {
            0.5 * y * y + y
        };
    } else {
        y = ((1.0 / (((n + 6.0) / (n * y) - 0.089 * d - 0.822) * (n + 2.0) * 3.0)
            + 0.5 / (n + 4.0))
            * y
            - 1.0)
            * (n + 1.0)
            / (n + 2.0)
            + 1.0 / y;
    }
    (n * y).sqrt()
}

/// The quantile of the normal distribution (Acklam's rational approximation), below one half.
fn normal(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
    ];
    let horner = |terms: &[f64], x: f64| terms.iter().fold(0.0, |sum, term| sum * x + term);
    if p < 0.024_25 {
        let q = (-2.0 * p.ln()).sqrt();
        return horner(&C, q) / (horner(&D, q) * q + 1.0);
    }
    let q = p - 0.5;
    let r = q * q;
    horner(&A, r) * q / (horner(&B, r) * r + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // Two-sided probability, degrees of freedom, value.
        let rows = [
            (0.05, 1.0, 12.706),
            (0.05, 2.0, 4.303),
            (0.05, 5.0, 2.571),
            (0.05, 30.0, 2.042),
            (0.01, 3.0, 5.841),
            (0.01, 7.0, 3.499),
            (0.01, 14.0, 2.977),
            (0.01, 1000.0, 2.581),
            (0.5, 10.0, 0.700),
        ];
        for (p, freedom, value) in rows {
            let seen = student_t(p, freedom);
            assert!(
                (seen - value).abs() < 0.01 * value,
                "{p} {freedom}: {seen} for {value}"
            );
        }
    }

    #[test]
    fn intervals_hold_what_they_should() {
        let a = [10.0, 11.0, 9.0, 10.0];
        let b = [20.0, 22.0, 18.0, 20.0];
        let change = compare(&a, &b, 0.99).expect("a change");
        assert!((change.share - 1.0).abs() < 1e-9);
        assert!(change.low < 1.0 && change.high > 1.0 && change.low > 0.0);
        assert_eq!(compare(&[1.0], &b, 0.99), None);
        assert_eq!(compare(&[0.0, 0.0], &b, 0.99), None);
        let same = compare(&[5.0, 5.0], &[5.0, 5.0], 0.99).expect("a change");
        assert_eq!((same.low, same.high), (0.0, 0.0));
    }

    #[test]
    fn batches_leave_the_beginning_out() {
        let series = [100.0, 1.0, 3.0, 5.0, 7.0];
        assert_eq!(batches(&series, 2), [2.0, 6.0]);
        assert!(batches(&series, 6).is_empty());
    }
}
