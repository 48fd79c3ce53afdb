//! What: the figures of a run: samples in, a table for people and one JSON object for machines out.
//! Shape: per server a sample per round; per ratio a quotient per round, of the two samples that
//!   were taken seconds apart, then the median of those.
//! Units: CPU in microseconds per request, idle memory in bytes per connection.
//! Errors: `io::Error` from writing the JSON file.
//! Source: issue text; docs/performance.md says what each figure means.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

/// One server in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// CPU per request, user and system.
    pub(crate) cost_us: f64,
    /// Requests each second.
    pub(crate) rate: f64,
    /// Share of its processor that the server used, 0 to 1.
    pub(crate) busy: f64,
    /// Share of the time in which something else held that processor although the server was
    /// ready: above a few percent the cost is inflated, by lost caches and by a shared core.
    pub(crate) disturbed: f64,
}

/// A quotient worth stating.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) name: &'static str,
    pub(crate) of: &'static str,
    pub(crate) over: &'static str,
    /// Where we want to be at most; none for peers and figures for information.
    pub(crate) target: Option<f64>,
}

/// Everything a run has learned.
#[derive(Default)]
pub(crate) struct Report {
    samples: BTreeMap<&'static str, BTreeMap<u32, Sample>>,
    idle_bytes: BTreeMap<&'static str, f64>,
    failures: Vec<String>,
}

impl Report {
    /// Adds a server's sample of one round.
    pub(crate) fn add(&mut self, server: &'static str, round: u32, sample: Sample) {
        self.samples
            .entry(server)
            .or_default()
            .insert(round, sample);
    }

    /// Adds the memory of an idle connection.
    pub(crate) fn add_idle(&mut self, name: &'static str, bytes: f64) {
        self.idle_bytes.insert(name, bytes);
    }

    /// Notes what could not be measured.
    pub(crate) fn fail(&mut self, why: String) {
        eprintln!("{why}");
        self.failures.push(why);
    }

    /// Whether everything asked for was measured.
    pub(crate) fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// Prints the tables.
    pub(crate) fn print(&self, ratios: &[Ratio]) {
        if !self.samples.is_empty() {
            let figure = "µs CPU per request";
            println!(
                "\n{figure:<24}{:>9}{:>9}{:>9}{:>14}",
                "min", "median", "max", "disturbed"
            );
        }
        for (name, samples) in &self.samples {
            let cost = Spread::of(samples.values().map(|sample| sample.cost_us));
            println!("{name:<24}{cost}{:>13.1}%", disturbed_max(samples) * 100.0);
        }
        if self
            .samples
            .values()
            .any(|samples| disturbed_max(samples) > DISTURBED_BEARABLE)
        {
            println!("the host was busy with something else: the figures are too high");
        }
        let quotients = self.quotients(ratios);
        if !quotients.is_empty() {
            println!(
                "\n{:<24}{:>9}{:>9}{:>9}{:>12}",
                "ratio", "min", "median", "max", "target"
            );
        }
        for (ratio, spread) in quotients {
            let verdict = ratio.target.map_or(String::new(), |target| {
                let reached = if spread.median <= target {
                    "reached"
                } else {
                    "missed"
                };
                format!("{target:>12.2} {reached}")
            });
            println!("{:<24}{spread}{verdict}", ratio.name);
        }
        if !self.idle_bytes.is_empty() {
            println!("\nbytes of private memory per idle connection");
        }
        for (name, bytes) in &self.idle_bytes {
            println!("{name:<24}{bytes:>9.0}");
        }
        if !self.failures.is_empty() {
            println!("\nnot measured:");
        }
        for why in &self.failures {
            println!("  {why}");
        }
    }

    /// Writes the machine's view.
    pub(crate) fn write_json(&self, ratios: &[Ratio], host: Value, path: &Path) -> io::Result<()> {
        let value = self.to_json(ratios, host);
        fs::write(path, format!("{value:#}\n"))
    }

    fn to_json(&self, ratios: &[Ratio], host: Value) -> Value {
        let (mut own, mut peers, mut spread) = (Map::new(), Map::new(), Map::new());
        for (ratio, quotient) in self.quotients(ratios) {
            let is_peer = ratio.name.starts_with("nginx");
            let target = if is_peer { &mut peers } else { &mut own };
            target.insert(ratio.name.to_owned(), rounded(quotient.median));
            let ends = json!([rounded(quotient.min), rounded(quotient.max)]);
            spread.insert(ratio.name.to_owned(), ends);
        }
        let (mut us, mut us_rounds, mut disturbed) = (Map::new(), Map::new(), Map::new());
        for (name, samples) in &self.samples {
            let costs = samples.values().map(|sample| sample.cost_us);
            us.insert(
                (*name).to_owned(),
                rounded(Spread::of(costs.clone()).median),
            );
            us_rounds.insert((*name).to_owned(), costs.map(rounded).collect());
            disturbed.insert((*name).to_owned(), rounded(disturbed_max(samples)));
        }
        let idle = self
            .idle_bytes
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), json!(bytes.round())));
        json!({
            "ratios": own,
            "ratios_spread": spread,
            "peers": peers,
            "us": us,
            "us_rounds": us_rounds,
            "disturbed": disturbed,
            "idle_bytes": Value::Object(idle.collect()),
            "failures": self.failures,
            "host": host,
        })
    }

    /// Per ratio the spread of its per-round quotients; ratios without samples are left out.
    fn quotients(&self, ratios: &[Ratio]) -> Vec<(Ratio, Spread)> {
        let quotients = ratios.iter().filter_map(|&ratio| {
            let (of, over) = (self.samples.get(ratio.of)?, self.samples.get(ratio.over)?);
            let pairs = of
                .iter()
                .filter_map(|(round, of)| Some((of, over.get(round)?)));
            let mut quotients = pairs.map(|(of, over)| of.cost_us / over.cost_us).peekable();
            quotients.peek()?;
            Some((ratio, Spread::of(quotients)))
        });
        quotients.collect()
    }
}

/// Least, middle and greatest of a few numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.collect();
        assert!(!sorted.is_empty(), "a spread needs a number");
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Spread {
            min: sorted[0],
            median: low.midpoint(high),
            max: sorted[sorted.len() - 1],
        }
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Sample {
            cost_us,
            rate,
            busy,
            disturbed,
        } = self;
        let (busy, disturbed) = (busy * 100.0, disturbed * 100.0);
        write!(
            f,
            "{cost_us:>8.3} µs{rate:>9.0} requests/s{busy:>4.0}% busy"
        )?;
        write!(f, "{disturbed:>6.1}% disturbed")
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>9.3}{:>9.3}{:>9.3}", self.min, self.median, self.max)
    }
}

fn disturbed_max(samples: &BTreeMap<u32, Sample>) -> f64 {
    samples
        .values()
        .map(|sample| sample.disturbed)
        .fold(0.0, f64::max)
}

fn rounded(number: f64) -> Value {
    json!((number * 1000.0).round() / 1000.0)
}

/// What a quiet host shows at most.
const DISTURBED_BEARABLE: f64 = 0.03;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Ratio, Report, Sample, Spread};

    #[test]
    fn the_median_is_the_middle() {
        for (numbers, min, median, max) in [
            (&[3.0][..], 3.0, 3.0, 3.0),
            (&[9.0, 1.0][..], 1.0, 5.0, 9.0),
            (&[9.0, 1.0, 2.0][..], 1.0, 2.0, 9.0),
        ] {
            assert_eq!(
                Spread::of(numbers.iter().copied()),
                Spread { min, median, max }
            );
        }
    }

    #[test]
    fn a_ratio_pairs_the_samples_of_a_round() {
        let ratio = Ratio {
            name: "proxy",
            of: "proxy",
            over: "relay",
            target: Some(1.2),
        };
        let unmeasured = Ratio {
            name: "proxy_tls",
            of: "proxy_tls",
            over: "relay",
            target: None,
        };
        let mut report = Report::default();
        // The host slows down by half in the last round: both samples do, the ratio does not.
        // Round 2 lost its relay: its proxy is in no ratio.
        let sample = |cost_us| Sample {
            cost_us,
            rate: 1.0,
            busy: 1.0,
            disturbed: 0.0,
        };
        for (round, relay, proxy) in [
            (1, Some(4.0), 5.0),
            (2, None, 9.0),
            (3, Some(5.0), 6.0),
            (4, Some(8.0), 10.0),
        ] {
            report.add("proxy", round, sample(proxy));
            if let Some(relay) = relay {
                report.add("relay", round, sample(relay));
            }
        }
        let value = report.to_json(&[ratio, unmeasured], json!({}));
        assert_eq!(value["ratios"], json!({ "proxy": 1.25 }));
        assert_eq!(value["ratios_spread"], json!({ "proxy": [1.2, 1.25] }));
        assert_eq!(value["us"], json!({ "relay": 5.0, "proxy": 7.5 }));
    }
}
