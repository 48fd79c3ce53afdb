//! When each request should start: fixed before the run, so that a slow server cannot move it.
//!
//! What it is: a profile of rates and the arrivals drawn from it, or a recorded trace. Shape: a
//! [`Profile`] is a list of segments whose rate runs straight from one value to another; constant,
//! ramp and steps are all that. [`Ticks`] is one worker's share, every `stride`-th arrival.
//! Units: nanoseconds from the start; rates per second. Ranges: 2^53 arrivals. Errors: [`Fault`].
//! Source: Schroeder, Wierman, Harchol-Balter, "Open versus closed: a cautionary tale" (2006).

use std::sync::Arc;

use tidegate_edge::base::prng::Prng;

/// A stretch of time in which the rate runs straight from one value to another.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Segment {
    /// How long.
    pub duration_ns: u64,
    /// Arrivals a second at its beginning.
    pub from_per_s: f64,
    /// Arrivals a second at its end.
    pub to_per_s: f64,
}

/// Rates over time.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    segments: Vec<Segment>,
}

/// How arrivals follow their rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrivals {
    /// At equal distances.
    Even,
    /// Independently of each other, as many unrelated clients arrive.
    Poisson,
}

/// All starts of a run.
#[derive(Clone, PartialEq, Debug)]
pub enum Schedule {
    /// By rate.
    Rate {
        /// Rates over time.
        profile: Profile,
        /// How arrivals follow them.
        arrivals: Arrivals,
    },
    /// As recorded: offsets from the start, ascending.
    Trace(Arc<[u64]>),
}

/// One start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tick {
    /// When, from the start of the run.
    pub at_ns: u64,
    /// Which of all starts, over all workers.
    pub number: u64,
}

/// Why a schedule is none.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Fault {
    /// A rate is negative or no number, or all are zero.
    #[error("a rate must be above zero and below {RATE_MAX_PER_S:e} a second")]
    Rate,
    /// A segment takes no time.
    #[error("a schedule needs a duration above zero")]
    Duration,
}

/// The highest rate that can be asked for.
pub const RATE_MAX_PER_S: f64 = 1e9;

impl Profile {
    /// A profile of segments that follow each other.
    ///
    /// # Errors
    /// A rate or a duration out of range.
    pub fn new(segments: Vec<Segment>) -> Result<Profile, Fault> {
        let is_rate = |rate: f64| rate.is_finite() && (0.0..=RATE_MAX_PER_S).contains(&rate);
        if segments.is_empty() || segments.iter().any(|segment| segment.duration_ns == 0) {
            return Err(Fault::Duration);
        }
        let rates_fit =
            (segments.iter()).all(|each| is_rate(each.from_per_s) && is_rate(each.to_per_s));
        let profile = Profile { segments };
        if !rates_fit || profile.arrivals() <= 0.0 {
            return Err(Fault::Rate);
        }
        Ok(profile)
    }

    /// One rate all the time.
    ///
    /// # Errors
    /// A rate or a duration out of range.
    pub fn constant(per_s: f64, duration_ns: u64) -> Result<Profile, Fault> {
        Profile::ramp(per_s, per_s, duration_ns)
    }

    /// A rate that changes evenly.
    ///
    /// # Errors
    /// A rate or a duration out of range.
    pub fn ramp(from_per_s: f64, to_per_s: f64, duration_ns: u64) -> Result<Profile, Fault> {
        Profile::new(vec![Segment {
            duration_ns,
            from_per_s,
            to_per_s,
        }])
    }

    /// Rates that hold for equal parts of the duration.
    ///
    /// # Errors
    /// A rate or a duration out of range.
    pub fn steps(rates_per_s: &[f64], duration_ns: u64) -> Result<Profile, Fault> {
        let each_ns = duration_ns / rates_per_s.len().max(1) as u64;
        let segment = |rate: &f64| Segment {
            duration_ns: each_ns,
            from_per_s: *rate,
            to_per_s: *rate,
        };
        Profile::new(rates_per_s.iter().map(segment).collect())
    }

    /// All of its time.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.segments.iter().map(|each| each.duration_ns).sum()
    }

    /// Arrivals expected in all of its time.
    #[must_use]
    pub fn arrivals(&self) -> f64 {
        self.segments.iter().map(Segment::arrivals).sum()
    }
}

impl Segment {
    fn arrivals(&self) -> f64 {
        (self.from_per_s + self.to_per_s) / 2.0 * self.duration_ns as f64 / NS_PER_S
    }

    /// When `count` arrivals have come, in seconds from its beginning. The root of the area below
    /// the rate, in the form that also holds for a rate that does not change.
    fn seconds_at(&self, count: f64) -> f64 {
        let duration_s = self.duration_ns as f64 / NS_PER_S;
        let slope = (self.to_per_s - self.from_per_s) / duration_s;
        let root = (self.from_per_s.powi(2) + 2.0 * slope * count)
            .max(0.0)
            .sqrt();
        let speed = self.from_per_s + root;
        if speed > 0.0 {
            2.0 * count / speed
        } else {
            duration_s
        }
    }
}

impl Schedule {
    /// When it is over.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        match self {
            Schedule::Rate { profile, .. } => profile.duration_ns(),
            Schedule::Trace(at_ns) => at_ns.last().map_or(0, |last| last.saturating_add(1)),
        }
    }

    /// The mean rate over its duration, per second.
    #[must_use]
    pub fn mean_per_s(&self) -> f64 {
        let count = match self {
            Schedule::Rate { profile, .. } => profile.arrivals(),
            Schedule::Trace(at_ns) => at_ns.len() as f64,
        };
        count * NS_PER_S / self.duration_ns().max(1) as f64
    }

    /// The share of worker `phase` of `stride`; `seed` makes it repeat.
    #[must_use]
    pub fn ticks(&self, phase: u64, stride: u64, seed: u64) -> Ticks {
        assert!(stride > 0 && phase < stride, "a worker is one of all");
        Ticks {
            schedule: self.clone(),
            number: phase,
            stride,
            // Independent workers of a part of the rate each make up the whole.
            count: match self {
                Schedule::Rate {
                    arrivals: Arrivals::Even,
                    ..
                } => phase as f64,
                _ => 0.0,
            },
            segment: 0,
            begun: Begun::default(),
            prng: Prng::new(seed ^ phase.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        }
    }
}

/// What came before the current segment.
#[derive(Clone, Copy, Default, Debug)]
struct Begun {
    seconds: f64,
    arrivals: f64,
}

/// One worker's share of a schedule.
#[derive(Clone, Debug)]
pub struct Ticks {
    schedule: Schedule,
    number: u64,
    stride: u64,
    /// Arrivals until the next start, its own included when they are random.
    count: f64,
    segment: usize,
    begun: Begun,
    prng: Prng,
}

impl Iterator for Ticks {
    type Item = Tick;

    fn next(&mut self) -> Option<Tick> {
        let number = self.number;
        let at_ns = match &self.schedule {
            Schedule::Trace(at_ns) => *at_ns.get(usize::try_from(number).ok()?)?,
            Schedule::Rate { profile, arrivals } => {
                if *arrivals == Arrivals::Poisson {
                    self.count += exponential(&mut self.prng) * self.stride as f64;
                }
                let segment = loop {
                    let segment = profile.segments.get(self.segment)?;
                    if self.count < self.begun.arrivals + segment.arrivals() {
                        break segment;
                    }
                    self.segment += 1;
                    self.begun.arrivals += segment.arrivals();
                    self.begun.seconds += segment.duration_ns as f64 / NS_PER_S;
                };
                let inside_s = segment.seconds_at(self.count - self.begun.arrivals);
                if *arrivals == Arrivals::Even {
                    self.count += self.stride as f64;
                }
                whole_ns(self.begun.seconds + inside_s)
            }
        };
        self.number = number.saturating_add(self.stride);
        Some(Tick { at_ns, number })
    }
}

/// A draw from the exponential distribution of mean 1.
pub fn exponential(prng: &mut Prng) -> f64 {
    -(1.0 - unit(prng)).ln()
}

/// A draw from `0.0..1.0`.
pub fn unit(prng: &mut Prng) -> f64 {
    (prng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // never negative; saturates
fn whole_ns(seconds: f64) -> u64 {
    (seconds * NS_PER_S) as u64
}

const NS_PER_S: f64 = 1e9;

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(profile: Result<Profile, Fault>, arrivals: Arrivals) -> Schedule {
        let profile = profile.expect("a profile");
        Schedule::Rate { profile, arrivals }
    }

    #[test]
    fn rates_give_their_counts_in_each_part() {
        let second = 1_000_000_000;
        let even = |profile| schedule(profile, Arrivals::Even);
        // Name, schedule, arrivals in the first and in the second half.
        let rows = [
            (
                "constant",
                even(Profile::constant(1000.0, 2 * second)),
                1000,
                1000,
            ),
            (
                "ramp",
                even(Profile::ramp(0.0, 2000.0, 2 * second)),
                500,
                1500,
            ),
            (
                "ramp down",
                even(Profile::ramp(2000.0, 0.0, 2 * second)),
                1500,
                500,
            ),
            (
                "steps",
                even(Profile::steps(&[100.0, 900.0], 2 * second)),
                100,
                900,
            ),
            (
                "pause",
                even(Profile::steps(&[0.0, 900.0], 2 * second)),
                0,
                900,
            ),
            ("trace", Schedule::Trace([1, 2, second + 1].into()), 2, 1),
        ];
        for (name, schedule, first, rest) in rows {
            for workers in [1, 3] {
                let all: Vec<Tick> = (0..workers)
                    .flat_map(|phase| schedule.ticks(phase, workers, 1))
                    .collect();
                let early = all.iter().filter(|tick| tick.at_ns < second).count();
                let near = |a: usize, b: usize| a.abs_diff(b) <= 1;
                assert!(
                    near(early, first),
                    "{name} × {workers}: {early} for {first}"
                );
                assert!(near(all.len() - early, rest), "{name} × {workers}");
                let mut numbers: Vec<u64> = all.iter().map(|tick| tick.number).collect();
                numbers.sort_unstable();
                assert!(
                    numbers.iter().copied().eq(0..all.len() as u64),
                    "{name}: numbers"
                );
            }
        }
    }

    #[test]
    fn constant_ones_are_at_equal_distances() {
        let schedule = schedule(Profile::constant(8000.0, 50_000_000), Arrivals::Even);
        let at: Vec<u64> = schedule.ticks(0, 1, 1).map(|tick| tick.at_ns).collect();
        assert_eq!(at.len(), 400);
        for (index, at_ns) in at.iter().enumerate() {
            assert!(
                at_ns.abs_diff(index as u64 * 125_000) <= 1,
                "{index}: {at_ns}"
            );
        }
    }

    #[test]
    fn random_ones_have_the_mean_and_the_spread_of_their_kind() {
        let profile = Profile::constant(100_000.0, 2_000_000_000);
        let schedule = schedule(profile, Arrivals::Poisson);
        let mut at: Vec<u64> = (0..2)
            .flat_map(|w| schedule.ticks(w, 2, 7))
            .map(|t| t.at_ns)
            .collect();
        at.sort_unstable();
        let gaps: Vec<f64> = at
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64)
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean / 10_000.0 - 1.0).abs() < 0.01, "mean {mean}");
        assert!(
            (variance.sqrt() / mean - 1.0).abs() < 0.02,
            "spread {}",
            variance.sqrt() / mean
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        let rows = [
            (Profile::constant(0.0, 5), Fault::Rate),
            (Profile::constant(f64::NAN, 5), Fault::Rate),
            (Profile::constant(-1.0, 5), Fault::Rate),
            (Profile::constant(2e9, 5), Fault::Rate),
            (Profile::constant(1.0, 0), Fault::Duration),
            (Profile::steps(&[], 5), Fault::Duration),
        ];
        for (given, fault) in rows {
            assert_eq!(given, Err(fault));
        }
    }
}
