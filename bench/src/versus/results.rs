//! What: what a run has found, as it stands in the JSON file and as the reports read it.
//! Shape: contestants, then cases with a row per contestant and log setting; a row has figures or
//!   the reason why there are none. The form is `bench/schema/versus.schema.json`.
//! Units: microseconds, requests per second, bytes; shares from 0 to 1; at the end of the names.
//! Errors: text that is no result, or of another form, is refused with serde's message.
//! Source: docs/performance.md, "Beside others".

use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Results {
    /// [`FORMAT`].
    pub(crate) format: String,
    pub(crate) host: Host,
    pub(crate) settings: Settings,
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) cases: Vec<Case>,
    pub(crate) idle: Vec<Idle>,
    /// Samples that were lost, each with its reason.
    pub(crate) failures: Vec<String>,
}

/// What a figure was measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Host {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) rust: String,
    pub(crate) wrk: String,
    pub(crate) date: String,
    pub(crate) load_before: String,
    pub(crate) build: String,
}

/// How it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) connections: u32,
    pub(crate) idle_connections: u32,
    /// The program that latencies come from; none if they were left out.
    pub(crate) latency: Option<String>,
    /// Why latencies were left out.
    pub(crate) latency_absent: Option<String>,
    pub(crate) command: String,
}

/// Who took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) is_floor: bool,
    pub(crate) version: Option<String>,
    pub(crate) note: String,
    /// Why it took no part at all.
    pub(crate) absent: Option<String>,
}

/// One kind of traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) title: String,
    /// The contestant that ratios are over.
    pub(crate) floor: String,
    pub(crate) rows: Vec<Row>,
}

/// One contestant in one case, with its access log on or off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) contestant: String,
    pub(crate) is_logging: bool,
    pub(crate) figures: Option<Figures>,
    /// Why there are none.
    pub(crate) absent: Option<String>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    /// Processor time of the server for a request, user and system.
    pub(crate) cost_us: Spread,
    /// Over the floor of the same round; the floor's own is 1.
    pub(crate) ratio: Option<Spread>,
    pub(crate) rate_per_s: Spread,
    /// The least share of its processor that the server used.
    pub(crate) busy: f64,
    /// The greatest share of time in which something else used it.
    pub(crate) disturbed: f64,
    /// The load filled its processor first: the rate is no peak of the server.
    pub(crate) is_load_bound: bool,
    pub(crate) rounds: Vec<Round>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) latency_absent: Option<String>,
}

/// One round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Round {
    pub(crate) round: u32,
    pub(crate) cost_us: f64,
    pub(crate) rate_per_s: f64,
    pub(crate) busy: f64,
    pub(crate) disturbed: f64,
}

/// Times under an open loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Latency {
    pub(crate) share_percent: u32,
    pub(crate) planned_per_s: f64,
    pub(crate) answered_per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) failed: u64,
    pub(crate) is_load_bound: bool,
}

/// Private memory of an idle connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Idle {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) rows: Vec<IdleRow>,
}

/// One contestant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdleRow {
    pub(crate) contestant: String,
    pub(crate) bytes: Option<f64>,
    pub(crate) absent: Option<String>,
}

/// Least, middle and greatest over the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Results {
    /// Reads a file's text.
    pub(crate) fn parse(text: &str) -> Result<Results, String> {
        let results: Results = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if results.format == FORMAT {
            Ok(results)
        } else {
            Err(format!(
                "a result of the form {}, not {FORMAT}",
                results.format
            ))
        }
    }

    /// As text for a file.
    pub(crate) fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("numbers and text alone");
        text + "\n"
    }

    /// Whether everything that was asked for is there; what a contestant cannot do is no fault.
    pub(crate) fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Case {
    /// The figures of a contestant.
    pub(crate) fn figures(&self, contestant: &str, is_logging: bool) -> Option<&Figures> {
        self.row(contestant, is_logging)?.figures.as_ref()
    }

    /// The row of a contestant.
    pub(crate) fn row(&self, contestant: &str, is_logging: bool) -> Option<&Row> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.contestant == contestant && row.is_logging == is_logging)
    }
}

impl Figures {
    /// From the rounds of a server and those of its floor; none without a round.
    pub(crate) fn of(rounds: Vec<Round>, floor: &[Round]) -> Option<Figures> {
        let over = |round: &Round| {
            let floor = floor.iter().find(|floor| floor.round == round.round)?;
            Some(round.cost_us / floor.cost_us)
        };
        let busy = rounds.iter().map(|round| round.busy).fold(1.0, f64::min);
        let disturbed = rounds
            .iter()
            .map(|round| round.disturbed)
            .fold(0.0, f64::max);
        Some(Figures {
            cost_us: Spread::of(rounds.iter().map(|round| round.cost_us))?,
            ratio: Spread::of(rounds.iter().filter_map(over)),
            rate_per_s: Spread::of(rounds.iter().map(|round| round.rate_per_s))?,
            busy,
            disturbed,
            is_load_bound: busy + disturbed < BUSY_AT_PEAK,
            rounds,
            latency: Vec::new(),
            latency_absent: None,
        })
    }
}

impl Spread {
    /// None without a number.
    pub(crate) fn of(numbers: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = numbers.collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Spread {
            min,
            median: low.midpoint(high),
            max,
        })
    }

    /// Whether two ranges have a number in common.
    pub(crate) fn overlaps(&self, other: &Spread) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

/// Names the form; another one is refused.
pub(crate) const FORMAT: &str = "tidegate-versus/1";

/// A server below this share of its processor waits for the load.
pub(crate) const BUSY_AT_PEAK: f64 = 0.95;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Figures, Results, Round, Spread};
    use crate::versus::schema;

    const SAMPLE: &str = include_str!("../../samples/versus.json");

    fn round(round: u32, cost_us: f64, busy: f64) -> Round {
        Round {
            round,
            cost_us,
            rate_per_s: 1000.0,
            busy,
            disturbed: 0.0,
        }
    }

    #[test]
    fn a_ratio_is_over_the_floor_of_its_round() {
        let floor = [round(1, 4.0, 1.0), round(3, 8.0, 1.0)];
        let rounds = vec![round(1, 5.0, 1.0), round(2, 9.0, 0.99), round(3, 12.0, 1.0)];
        let figures = Figures::of(rounds, &floor).expect("there are rounds");
        let ratio = figures.ratio.expect("there is a floor");
        assert_eq!((ratio.min, ratio.median, ratio.max), (1.25, 1.375, 1.5));
        assert_eq!(figures.cost_us.median, 9.0);
        assert!(!figures.is_load_bound);
        assert_eq!(Figures::of(Vec::new(), &floor), None);
    }

    #[test]
    fn a_server_that_waits_is_load_bound() {
        for (name, busy, disturbed, is_load_bound) in [
            ("full", 0.99, 0.0, false),
            ("waiting", 0.8, 0.0, true),
            ("shared with others", 0.8, 0.19, false),
        ] {
            let round = Round {
                disturbed,
                ..round(1, 5.0, busy)
            };
            let figures = Figures::of(vec![round], &[]).expect("a round");
            assert_eq!(figures.is_load_bound, is_load_bound, "{name}");
        }
    }

    #[test]
    fn ranges_overlap_or_do_not() {
        let spread = |min, max| Spread {
            min,
            median: min,
            max,
        };
        assert!(spread(1.0, 2.0).overlaps(&spread(2.0, 3.0)));
        assert!(!spread(1.0, 2.0).overlaps(&spread(2.1, 3.0)));
    }

    #[test]
    fn results_are_as_their_schema_says() {
        let schema = include_str!("../../schema/versus.schema.json");
        let schema: Value = serde_json::from_str(schema).expect("JSON");
        let fault_of = |value: &Value| schema::fault(&schema, &schema, value);
        let written = Results::parse(SAMPLE).expect("the stored sample").to_json();
        let written: Value = serde_json::from_str(&written).expect("JSON");
        assert_eq!(fault_of(&written), None);
        for (name, pointer, value) in [
            ("another form", "/format", json!("tidegate-versus/2")),
            (
                "a cost of nothing",
                "/cases/0/rows/0/figures/cost_us/min",
                json!(0),
            ),
            (
                "no reason and no figures",
                "/cases/0/rows/0/figures",
                Value::Null,
            ),
            ("text for a number", "/settings/rounds", json!("five")),
            ("a field too many", "/host", json!({ "more": 1 })),
        ] {
            let mut faulty = written.clone();
            *faulty.pointer_mut(pointer).expect(name) = value;
            assert!(fault_of(&faulty).is_some(), "{name}");
        }
    }

    #[test]
    fn another_form_is_refused() {
        let sample = SAMPLE;
        let results = Results::parse(sample).expect("the stored sample");
        assert_eq!(Results::parse(&results.to_json()), Ok(results));
        let other = sample.replace(super::FORMAT, "tidegate-versus/2");
        assert!(Results::parse(&other).is_err());
        assert!(Results::parse("{}").is_err());
    }
}
