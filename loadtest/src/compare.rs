//! Two runs beside each other: what changed, by how much, and how sure that is.
//!
//! What it is: for each measure a change with its interval of confidence, and a verdict. Shape: one
//! or several results a side. With one a side the samples are stretches of the run; with three or
//! more they are the runs, whose spread also holds what differs from start to start. Units: shares.
//! Ranges: a change counts when its whole interval is beyond the margin. Errors: [`Fault`].
//! Source: Georges, Buytaert, Eeckhout, "Statistically rigorous Java performance evaluation" (2007).

use std::fmt::Write as _;

use tidegate_edge::base::text::counted;

use crate::{
    report::figures::{Figures, IntervalFigures},
    statistics::{Change, batches, compare},
};

/// Something that is compared.
pub struct Measure {
    /// As thresholds name it.
    pub name: &'static str,
    /// With its unit.
    pub title: &'static str,
    is_better_higher: bool,
    of_interval: fn(&IntervalFigures) -> Option<f64>,
}

/// All of them, in the order of the report.
pub const MEASURES: &[Measure] = &[
    Measure {
        name: "rate",
        title: "right answers /s",
        is_better_higher: true,
        of_interval: |i| Some(i.ok as f64 / i.span_s),
    },
    Measure {
        name: "mean",
        title: "latency, mean µs",
        is_better_higher: false,
        of_interval: |i| latency(i, i.mean_ns),
    },
    Measure {
        name: "p50",
        title: "latency, p50 µs",
        is_better_higher: false,
        of_interval: |i| latency(i, i.p50_ns as f64),
    },
    Measure {
        name: "p90",
        title: "latency, p90 µs",
        is_better_higher: false,
        of_interval: |i| latency(i, i.p90_ns as f64),
    },
    Measure {
        name: "p99",
        title: "latency, p99 µs",
        is_better_higher: false,
        of_interval: |i| latency(i, i.p99_ns as f64),
    },
    Measure {
        name: "server-cpu",
        title: "server, CPU µs an answer",
        is_better_higher: false,
        of_interval: |i| {
            (i.ok > 0)
                .then(|| i.server_cpu_ns.map(|ns| ns as f64 / 1e3 / i.ok as f64))
                .flatten()
        },
    },
    Measure {
        name: "own-cpu",
        title: "generator, CPU µs an answer",
        is_better_higher: false,
        of_interval: |i| (i.ok > 0).then(|| i.generator_cpu_ns as f64 / 1e3 / i.ok as f64),
    },
];

fn latency(interval: &IntervalFigures, ns: f64) -> Option<f64> {
    (interval.ok > 0).then_some(ns / 1e3)
}

/// What a change means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Surely within the margin.
    Same,
    /// Surely beyond it, for the better.
    Better,
    /// Surely beyond it, for the worse.
    Worse,
    /// Neither is sure.
    Unclear,
}

/// How strict to be.
#[derive(Clone, PartialEq, Debug)]
pub struct Rules {
    /// Of all intervals together.
    pub confidence: f64,
    /// A change within it is none.
    pub margin: f64,
    /// By measure: how much worse B may be.
    pub thresholds: Vec<(String, f64)>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            confidence: 0.99,
            margin: 0.01,
            thresholds: Vec::new(),
        }
    }
}

/// One measure of both sides.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// With its unit.
    pub title: &'static str,
    /// Mean of A.
    pub a: f64,
    /// Mean of B.
    pub b: f64,
    /// From A to B.
    pub change: Change,
    /// What that means.
    pub verdict: Verdict,
    /// B is worse by more than it may be.
    pub is_missed: bool,
}

/// Both sides.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Measures that both sides have.
    pub rows: Vec<Row>,
    /// What to know before it is believed.
    pub notes: Vec<String>,
    /// A threshold was missed.
    pub is_missed: bool,
}

/// Why nothing can be compared.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Fault {
    /// Too little to know its spread.
    #[error("a run of at least {0} intervals is needed on each side, or three runs")]
    Short(usize),
    /// No measure has that name.
    #[error("no measure `{0}`; there are {names}", names = MEASURES.iter().map(|m| m.name).collect::<Vec<_>>().join(", "))]
    Unknown(String),
}

/// Compares the runs of A with those of B.
///
/// # Errors
/// Runs that are too short, or a threshold for nothing.
pub fn sides(a: &[Figures], b: &[Figures], rules: &Rules) -> Result<Comparison, Fault> {
    if let Some((name, _)) = rules
        .thresholds
        .iter()
        .find(|(name, _)| !MEASURES.iter().any(|m| m.name == name))
    {
        return Err(Fault::Unknown(name.clone()));
    }
    // So many intervals are looked at: all of them are to hold together (Bonferroni).
    let confidence = 1.0 - (1.0 - rules.confidence) / MEASURES.len() as f64;
    let mut rows = Vec::new();
    for measure in MEASURES {
        let (samples_a, samples_b) = (samples(a, measure), samples(b, measure));
        if let Some(change) = compare(&samples_a, &samples_b, confidence) {
            rows.push(row(measure, &samples_a, &samples_b, change, rules));
        }
    }
    if rows.is_empty() {
        return Err(Fault::Short(BATCHES + 2));
    }
    let is_missed = rows.iter().any(|row| row.is_missed);
    Ok(Comparison {
        rows,
        notes: notes(a, b),
        is_missed,
    })
}

fn row(measure: &Measure, a: &[f64], b: &[f64], change: Change, rules: &Rules) -> Row {
    let mean = |samples: &[f64]| samples.iter().sum::<f64>() / samples.len().max(1) as f64;
    let verdict = verdict(measure, change, rules.margin);
    let worse = if measure.is_better_higher {
        -change.share
    } else {
        change.share
    };
    let threshold = rules
        .thresholds
        .iter()
        .find(|(name, _)| name == measure.name);
    let is_missed = verdict == Verdict::Worse && threshold.is_some_and(|(_, most)| worse > *most);
    Row {
        name: measure.name,
        title: measure.title,
        a: mean(a),
        b: mean(b),
        change,
        verdict,
        is_missed,
    }
}

fn verdict(measure: &Measure, change: Change, margin: f64) -> Verdict {
    let grew = change.low > margin;
    let fell = change.high < -margin;
    match (grew, fell) {
        (true, _) if measure.is_better_higher => Verdict::Better,
        (true, _) => Verdict::Worse,
        (_, true) if measure.is_better_higher => Verdict::Worse,
        (_, true) => Verdict::Better,
        _ if change.low >= -margin && change.high <= margin => Verdict::Same,
        _ => Verdict::Unclear,
    }
}

/// Of one side: stretches of its run, or its runs where there are several.
fn samples(runs: &[Figures], measure: &Measure) -> Vec<f64> {
    match runs {
        [run] => batches(&series(run, measure), BATCHES),
        [_, _] => runs
            .iter()
            .flat_map(|run| batches(&series(run, measure), BATCHES))
            .collect(),
        _ => (runs.iter())
            .filter_map(|run| median(series(run, measure)))
            .collect(),
    }
}

/// What most intervals of a run are like: a host that paused once does not speak for the run.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The measure over the whole intervals of a run; the last one, which may be short, is left out.
fn series(run: &Figures, measure: &Measure) -> Vec<f64> {
    let scheduled = run
        .intervals
        .iter()
        .filter(|interval| interval.start_s < run.plan.duration_s);
    let mut values: Vec<f64> = scheduled.filter_map(measure.of_interval).collect();
    values.pop();
    values
}

fn notes(a: &[Figures], b: &[Figures]) -> Vec<String> {
    let mut notes = Vec::new();
    if a.len() < 3 || b.len() < 3 {
        notes.push(
            "fewer than three runs a side: what differs from one start to the next is not in the \
             intervals; add runs with --also-a and --also-b"
                .to_owned(),
        );
    }
    for (side, runs) in [("A", a), ("B", b)] {
        if runs.iter().any(|run| run.generator_limited) {
            notes.push(format!(
                "the generator was the limit in a run of {side}: see its findings"
            ));
        }
        if runs.iter().any(|run| run.failures() > 0) {
            let failed: u64 = runs.iter().map(Figures::failures).sum();
            notes.push(format!("{} of {side} failed", counted(failed, "request")));
        }
    }
    let (first, second) = (&a[0].plan, &b[0].plan);
    let differ = [
        ("loop", first.loop_kind != second.loop_kind),
        ("rate", first.rate_per_s != second.rate_per_s),
        ("connections", first.connections != second.connections),
        ("TLS", first.tls != second.tls),
        ("pipelining", first.pipelining != second.pipelining),
    ];
    for (name, _) in differ.iter().filter(|(_, differs)| *differs) {
        notes.push(format!("A and B were not loaded alike: {name}"));
    }
    if a[0].host != b[0].host {
        notes.push("A and B come from different hosts, kernels or builds".to_owned());
    }
    notes
}

impl Comparison {
    /// For people.
    #[must_use]
    pub fn to_text(&self, rules: &Rules) -> String {
        let mut text = format!(
            "{:<30}{:>12}{:>12}{:>10}   {:<20}verdict\n",
            "",
            "A",
            "B",
            "change",
            format!("{:.0} % interval", rules.confidence * 100.0)
        );
        for row in &self.rows {
            let word = match row.verdict {
                Verdict::Same => "same",
                Verdict::Better => "better",
                Verdict::Worse => "worse",
                Verdict::Unclear => "unclear",
            };
            let interval = format!(
                "{:+.2} … {:+.2} %",
                row.change.low * 100.0,
                row.change.high * 100.0
            );
            let _ = writeln!(
                text,
                "{:<30}{:>12.2}{:>12.2}{:>8.2} %   {interval:<20}{word}{}",
                row.title,
                row.a,
                row.b,
                row.change.share * 100.0,
                if row.is_missed {
                    "  THRESHOLD MISSED"
                } else {
                    ""
                }
            );
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }
}

/// Stretches of one run: few, so that each is long beside what hangs together in time.
const BATCHES: usize = 8;

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
