//! The figures of a run, as they stand in its JSON file.
//!
//! What it is: the form that the schema `loadtest/schema/result.schema.json` describes, made from an
//! outcome, written and read. Shape: plain structures; the names are the JSON's. Units: at the end
//! of the names; times in whole nanoseconds, spans in seconds. Errors: those of the JSON.
//! Source: docs/load-testing.md, "The JSON file".

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::{
    host::Host,
    limit::{Finding, findings},
    plan::{Load, Plan},
    recorder::{CAUSES, Counts},
    run::{Outcome, Slice},
    schedule::{Arrivals, Schedule},
};

/// Names the form; another one is refused.
pub const FORMAT: &str = "tidegate-load/1";

/// The schema of the form.
pub const SCHEMA: &str = include_str!("../../schema/result.schema.json");

/// Everything that a run has shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// [`FORMAT`].
    pub format: String,
    /// As it was given.
    pub label: String,
    /// When it began.
    pub started_unix_ms: u64,
    /// Where it took place.
    pub host: Host,
    /// What was asked for.
    pub plan: PlanFigures,
    /// From the start to the last answer.
    pub elapsed_s: f64,
    /// Somebody ended it early.
    pub stopped: bool,
    /// What was counted.
    pub counts: CountFigures,
    /// By second of the run.
    pub rates: Rates,
    /// From the scheduled start to the last byte of right answers.
    pub latency: Distribution,
    /// From the sending to the last byte of right answers.
    pub service: Distribution,
    /// How late the generator was for its starts.
    pub lateness: Distribution,
    /// In order.
    pub intervals: Vec<IntervalFigures>,
    /// What the generator itself cost.
    pub generator: Cost,
    /// What the server cost, where its process was named.
    pub server: Option<Cost>,
    /// The generator was the limit somewhere.
    pub generator_limited: bool,
    /// What to know before a figure is believed.
    pub findings: Vec<Finding>,
}

/// What was asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PlanFigures {
    /// Where it went.
    pub url: String,
    /// `open` or `closed`.
    #[serde(rename = "loop")]
    pub loop_kind: String,
    /// `even`, `poisson`, `trace` or `answers`.
    pub arrivals: String,
    /// The mean rate that was scheduled; none in a closed loop.
    pub rate_per_s: Option<f64>,
    /// How long.
    pub duration_s: f64,
    /// Connections.
    pub connections: usize,
    /// Requests on a connection at a time.
    pub pipelining: usize,
    /// A connection for every request.
    pub new_connections: bool,
    /// Encrypted.
    pub tls: bool,
    /// Workers.
    pub workers: usize,
    /// Where they ran, if somebody said.
    pub cpus: Vec<usize>,
    /// For a connection, and for an answer.
    pub timeout_s: f64,
    /// Kinds of requests.
    pub requests: Vec<String>,
}

/// What was counted; the names are those of [`Counts`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CountFigures {
    pub scheduled: u64,
    pub sent: u64,
    pub late: u64,
    pub waited: u64,
    pub dropped: u64,
    pub answered: u64,
    pub ok: u64,
    /// By cause; causes that did not happen are left out.
    pub failed: BTreeMap<String, u64>,
    /// By class: `2xx`.
    pub statuses: BTreeMap<String, u64>,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub connects: u64,
    pub resumed: u64,
    pub connects_failed: u64,
    pub unasked: u64,
}

/// By second of the run.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Rates {
    pub scheduled_per_s: f64,
    pub sent_per_s: f64,
    pub ok_per_s: f64,
    pub received_bytes_per_s: f64,
}

/// A distribution of times.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Distribution {
    pub count: u64,
    pub min_ns: u64,
    pub mean_ns: f64,
    pub deviation_ns: f64,
    pub p50_ns: u64,
    pub p75_ns: u64,
    pub p90_ns: u64,
    pub p95_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub p9999_ns: u64,
    pub max_ns: u64,
    /// Shares of all, and the time that they did not exceed.
    pub curve: Vec<(f64, u64)>,
}

/// One interval.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct IntervalFigures {
    pub start_s: f64,
    pub span_s: f64,
    pub scheduled: u64,
    pub sent: u64,
    pub ok: u64,
    pub failed: u64,
    pub dropped: u64,
    pub mean_ns: f64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
    pub lateness_p99_ns: u64,
    pub generator_cpu_ns: u64,
    pub server_cpu_ns: Option<u64>,
}

/// What somebody's processor time was.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// In all.
    pub cpu_s: f64,
    /// For each answer, right or wrong.
    pub cpu_us_per_answer: f64,
    /// Of one processor.
    pub busy_share: f64,
    /// Of one processor, while others had it; the generator's alone.
    pub waited_share: Option<f64>,
}

impl Figures {
    /// Those of a run.
    #[must_use]
    pub fn of(plan: &Plan, outcome: &Outcome) -> Figures {
        let elapsed_s = outcome.elapsed_ns.max(1) as f64 / 1e9;
        let counts = &outcome.total.counts;
        let scheduled_s = (plan.load.duration_ns() as f64 / 1e9)
            .min(elapsed_s)
            .max(1e-9);
        let findings = findings(plan, outcome);
        let server_ns: Option<u64> = (outcome.slices.iter())
            .map(|slice| slice.server_cpu_ns)
            .sum::<Option<u64>>()
            .filter(|_| plan.server_pid.is_some());
        let cost = |cpu_ns: u64, waited_ns: Option<u64>| Cost {
            cpu_s: cpu_ns as f64 / 1e9,
            cpu_us_per_answer: cpu_ns as f64 / 1e3 / counts.answered.max(1) as f64,
            busy_share: cpu_ns as f64 / 1e9 / elapsed_s,
            waited_share: waited_ns.map(|ns| ns as f64 / 1e9 / elapsed_s),
        };
        Figures {
            format: FORMAT.to_owned(),
            label: plan.label.clone(),
            started_unix_ms: outcome.started_unix_ms,
            host: Host::read(),
            plan: PlanFigures::of(plan),
            elapsed_s,
            stopped: outcome.stopped,
            counts: CountFigures::of(counts),
            rates: Rates {
                scheduled_per_s: counts.scheduled as f64 / scheduled_s,
                sent_per_s: counts.sent as f64 / scheduled_s,
                ok_per_s: counts.ok as f64 / elapsed_s,
                received_bytes_per_s: counts.received_bytes as f64 / elapsed_s,
            },
            latency: Distribution::of(&outcome.total.latency),
            service: Distribution::of(&outcome.total.service),
            lateness: Distribution::of(&outcome.total.lateness),
            intervals: interval_figures(plan, outcome),
            generator: cost(outcome.total.cpu_ns, Some(outcome.total.cpu_waited_ns)),
            server: server_ns.map(|ns| cost(ns, None)),
            generator_limited: findings.iter().any(|finding| finding.is_generator),
            findings,
        }
    }

    /// Reads a JSON file's text.
    ///
    /// # Errors
    /// It is no result of this form.
    pub fn parse(text: &str) -> Result<Figures, String> {
        let figures: Figures = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if figures.format == FORMAT {
            Ok(figures)
        } else {
            Err(format!(
                "a result of the form {}, not {FORMAT}",
                figures.format
            ))
        }
    }

    /// As text for a file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Requests that failed, whatever the cause.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.counts.failed.values().sum()
    }
}

impl PlanFigures {
    fn of(plan: &Plan) -> PlanFigures {
        let (loop_kind, arrivals, rate_per_s) = match &plan.load {
            Load::Closed { .. } => ("closed", "answers", None),
            Load::Open(schedule) => {
                let kind = match schedule {
                    Schedule::Trace(_) => "trace",
                    Schedule::Rate {
                        arrivals: Arrivals::Even,
                        ..
                    } => "even",
                    Schedule::Rate {
                        arrivals: Arrivals::Poisson,
                        ..
                    } => "poisson",
                };
                ("open", kind, Some(schedule.mean_per_s()))
            }
        };
        let names = plan
            .shapes
            .iter()
            .take(NAMES_MAX)
            .map(|shape| shape.name.clone());
        PlanFigures {
            url: plan.target.url.clone(),
            loop_kind: loop_kind.to_owned(),
            arrivals: arrivals.to_owned(),
            rate_per_s,
            duration_s: plan.load.duration_ns() as f64 / 1e9,
            connections: plan.connections,
            pipelining: plan.pipelining,
            new_connections: plan.fresh,
            tls: plan.target.tls.is_some(),
            workers: plan.workers(),
            cpus: plan.cpus.clone(),
            timeout_s: plan.timeout_ns as f64 / 1e9,
            requests: names.collect(),
        }
    }
}

impl CountFigures {
    #[cfg(test)]
    pub(crate) fn of_nothing() -> CountFigures {
        CountFigures::of(&Counts::default())
    }

    fn of(counts: &Counts) -> CountFigures {
        let failed = CAUSES
            .iter()
            .zip(counts.failed)
            .filter(|(_, count)| *count > 0);
        let classes = counts
            .statuses
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0);
        CountFigures {
            scheduled: counts.scheduled,
            sent: counts.sent,
            late: counts.late,
            waited: counts.waited,
            dropped: counts.dropped,
            answered: counts.answered,
            ok: counts.ok,
            failed: failed
                .map(|((_, name), count)| ((*name).to_owned(), count))
                .collect(),
            statuses: classes
                .map(|(class, count)| (format!("{}xx", class + 1), *count))
                .collect(),
            sent_bytes: counts.sent_bytes,
            received_bytes: counts.received_bytes,
            connects: counts.connects,
            resumed: counts.resumed,
            connects_failed: counts.connects_failed,
            unasked: counts.unasked,
        }
    }
}

impl Distribution {
    /// Of a histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Distribution {
        if histogram.is_empty() {
            return Distribution::default();
        }
        let at = |quantile| histogram.value_at_quantile(quantile);
        let mut curve: Vec<(f64, u64)> = histogram
            .iter_quantiles(CURVE_TICKS)
            .map(|step| (step.quantile_iterated_to(), step.value_iterated_to()))
            .collect();
        curve.dedup_by_key(|point| point.0);
        Distribution {
            count: histogram.len(),
            min_ns: histogram.min(),
            mean_ns: histogram.mean(),
            deviation_ns: histogram.stdev(),
            p50_ns: at(0.5),
            p75_ns: at(0.75),
            p90_ns: at(0.9),
            p95_ns: at(0.95),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            p9999_ns: at(0.9999),
            max_ns: histogram.max(),
            curve,
        }
    }
}

/// Intervals up to the end; a last one much shorter than the others is added to none.
fn interval_figures(plan: &Plan, outcome: &Outcome) -> Vec<IntervalFigures> {
    let figures = |slice: &Slice| {
        let interval = &slice.interval;
        let at = |quantile| interval.latency.value_at_quantile(quantile);
        let left_ns = outcome.elapsed_ns.saturating_sub(slice.start_ns);
        IntervalFigures {
            start_s: slice.start_ns as f64 / 1e9,
            span_s: plan.interval_ns.min(left_ns).max(1) as f64 / 1e9,
            scheduled: interval.counts.scheduled,
            sent: interval.counts.sent,
            ok: interval.counts.ok,
            failed: interval.counts.failures(),
            dropped: interval.counts.dropped,
            mean_ns: interval.latency.mean(),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: interval.latency.max(),
            lateness_p99_ns: interval.lateness.value_at_quantile(0.99),
            generator_cpu_ns: interval.cpu_ns,
            server_cpu_ns: slice.server_cpu_ns,
        }
    };
    outcome.slices.iter().map(figures).collect()
}

/// Points of the curve in each halving of what is left.
const CURVE_TICKS: u32 = 5;
/// Names of requests that are listed.
const NAMES_MAX: usize = 100;
