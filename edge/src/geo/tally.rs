//! What clients saw, counted.
//!
//! What it is: counters and histograms of one city, of all of them, and of the run's parts. Shape:
//! [`Tally`] is told of every request's end; [`Tally::figures`] makes report rows of it. Units:
//! histograms count microseconds. Ranges: up to ten minutes, with three digits. Errors: none.
//! Source: HdrHistogram.

use hdrhistogram::Histogram;

use super::{
    result::{Figures, QUANTILES, Spread, Tick},
    setup::Setup,
};
use crate::base::time::Mono;

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// With an answer.
    Answered {
        status: u16,
        is_hit: bool,
        /// When its first byte came.
        first_ns: u64,
    },
    /// Without: refused, cut, or given up.
    Failed,
    /// It could not be asked.
    Unreachable,
}

/// What clients of one city saw.
struct CityTally {
    seen: Figures,
    latency: Histogram<u32>,
    first_byte: Histogram<u32>,
}

/// A connection's share of the counts.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct ConnectionCounts {
    pub(super) bytes_up: u64,
    pub(super) bytes_down: u64,
}

/// Everything counted in one deployment.
pub(super) struct Tally {
    cities: Vec<CityTally>,
    ticks: Vec<TickSum>,
    tick_ns: u64,
    /// Nothing before counts.
    from_ns: u64,
    /// Requests begun, and ended, whether they count or not.
    pub(super) wanted: u64,
    pub(super) ended: u64,
    /// Answers that were not about the thing that was asked for.
    pub(super) mixed: u64,
}

#[derive(Clone, Copy, Default)]
struct TickSum {
    requests: u64,
    errors: u64,
    throttled: u64,
    good: u64,
    sum_us: u64,
    max_us: u64,
}

impl Tally {
    pub(super) fn new(setup: &Setup) -> Tally {
        let scenario = &setup.scenario;
        let city = |_: &_| CityTally {
            seen: Figures::default(),
            latency: histogram(),
            first_byte: histogram(),
        };
        let duration_ns = u64::from(scenario.duration_s) * NS_PER_S;
        Tally {
            cities: setup.cities.iter().map(city).collect(),
            ticks: vec![TickSum::default(); TICKS],
            tick_ns: (duration_ns / TICKS as u64).max(1),
            from_ns: u64::from(scenario.warm_up_s) * NS_PER_S,
            wanted: 0,
            ended: 0,
            mixed: 0,
        }
    }

    /// A request that was wanted at `wanted` has ended now.
    pub(super) fn ended(&mut self, city: usize, wanted: Mono, now: Mono, end: End) {
        self.ended += 1;
        let tick = usize::try_from(wanted.0 / self.tick_ns).unwrap_or(TICKS);
        let tick = &mut self.ticks[tick.min(TICKS - 1)];
        tick.requests += 1;
        let counts = wanted.0 >= self.from_ns;
        let city = &mut self.cities[city];
        let mut seen = Figures::default();
        match end {
            End::Answered {
                status: ..400,
                is_hit,
                first_ns,
            } => {
                seen.good = 1;
                seen.hits = u64::from(is_hit);
                let us = now.since_ns(wanted) / 1_000;
                tick.good += 1;
                tick.sum_us += us;
                tick.max_us = tick.max_us.max(us);
                if counts {
                    city.latency.saturating_record(us);
                    let first_us = first_ns.saturating_sub(wanted.0) / 1_000;
                    city.first_byte.saturating_record(first_us);
                }
            }
            End::Answered { status: 429, .. } => {
                seen.throttled = 1;
                tick.throttled += 1;
            }
            End::Answered { status: 500.., .. } | End::Failed => {
                seen.errors = 1;
                tick.errors += 1;
            }
            End::Answered { .. } => seen.other = 1,
            End::Unreachable => seen.unreachable = 1,
        }
        if counts {
            seen.requests = 1;
            add(&mut city.seen, &seen);
        }
    }

    /// A connection was opened; `resumed` if it spoke TLS.
    pub(super) fn connected(&mut self, city: usize, now: Mono, resumed: Option<bool>) {
        if now.0 >= self.from_ns {
            let seen = &mut self.cities[city].seen;
            seen.connects += 1;
            seen.tls_full += u64::from(resumed == Some(false));
            seen.tls_resumed += u64::from(resumed == Some(true));
        }
    }

    /// A request found an open connection.
    pub(super) fn reused(&mut self, city: usize, wanted: Mono) {
        self.cities[city].seen.reused += u64::from(wanted.0 >= self.from_ns);
    }

    /// Bytes went both ways.
    pub(super) fn moved(&mut self, city: usize, now: Mono, counts: ConnectionCounts) {
        if now.0 >= self.from_ns {
            let seen = &mut self.cities[city].seen;
            seen.bytes_up += counts.bytes_up;
            seen.bytes_down += counts.bytes_down;
        }
    }

    /// What one city's clients saw.
    pub(super) fn figures(&self, city: usize) -> Figures {
        let city = &self.cities[city];
        finished(city.seen.clone(), &city.latency, &city.first_byte)
    }

    /// What all of them saw.
    pub(super) fn overall(&self) -> Figures {
        let mut seen = Figures::default();
        let (mut latency, mut first_byte) = (histogram(), histogram());
        for city in &self.cities {
            add(&mut seen, &city.seen);
            // All have one range, so they add up.
            let _ = latency.add(&city.latency);
            let _ = first_byte.add(&city.first_byte);
        }
        finished(seen, &latency, &first_byte)
    }

    /// The run in parts, its warm-up included.
    pub(super) fn timeline(&self) -> Vec<Tick> {
        let tick = |(index, sum): (usize, &TickSum)| Tick {
            from_s: (index as u64 * self.tick_ns) as f64 / 1e9,
            requests: sum.requests,
            errors: sum.errors,
            throttled: sum.throttled,
            mean_ms: sum.sum_us as f64 / sum.good.max(1) as f64 / 1e3,
            max_ms: sum.max_us as f64 / 1e3,
        };
        self.ticks.iter().enumerate().map(tick).collect()
    }
}

fn histogram() -> Histogram<u32> {
    match Histogram::new_with_bounds(1, LONGEST_US, 3) {
        Ok(histogram) => histogram,
        Err(_) => unreachable!("the bounds are right"),
    }
}

fn add(sum: &mut Figures, more: &Figures) {
    sum.requests += more.requests;
    sum.good += more.good;
    sum.throttled += more.throttled;
    sum.errors += more.errors;
    sum.other += more.other;
    sum.unreachable += more.unreachable;
    sum.connects += more.connects;
    sum.tls_full += more.tls_full;
    sum.tls_resumed += more.tls_resumed;
    sum.reused += more.reused;
    sum.hits += more.hits;
    sum.bytes_up += more.bytes_up;
    sum.bytes_down += more.bytes_down;
}

fn finished(mut seen: Figures, latency: &Histogram<u32>, first: &Histogram<u32>) -> Figures {
    seen.latency = spread(latency);
    seen.first_byte = spread(first);
    seen.hit_ratio = seen.hits as f64 / seen.good.max(1) as f64;
    seen
}

fn spread(histogram: &Histogram<u32>) -> Spread {
    if histogram.is_empty() {
        return Spread {
            cdf_ms: vec![0.0; QUANTILES.len()],
            ..Spread::default()
        };
    }
    let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e3;
    Spread {
        count: histogram.len(),
        p50_ms: at(0.5),
        p90_ms: at(0.9),
        p99_ms: at(0.99),
        p999_ms: at(0.999),
        mean_ms: histogram.mean() / 1e3,
        max_ms: histogram.max() as f64 / 1e3,
        cdf_ms: QUANTILES.iter().map(|quantile| at(*quantile)).collect(),
    }
}

/// Parts of a run.
const TICKS: usize = 60;
const NS_PER_S: u64 = 1_000_000_000;
/// Nobody waits longer.
const LONGEST_US: u64 = 600_000_000;
