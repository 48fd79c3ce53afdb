//! Latency histograms: recorded by a core into memory of its own, handed to the reader on request.
//!
//! Shape: a core holds one active [`HistogramSet`] and a spare. When the reader's mail comes the
//! two are swapped and the full set goes out as a box; the reader adds it to its totals, empties it
//! and sends it back as the next spare. Nothing is shared while it is written.
//! Units and ranges: microseconds from 1 to 60 s, two significant digits (at most 1 % off); longer
//! latencies count as 60 s. A histogram takes 10 KB; a stage has two, so 40 KB with the spare.
//! Errors: none; without its spare back a core answers "nothing yet" and goes on recording.
//! Source: hdrhistogram.org; AWS guide, metrics `Latency` and `IntegrationLatency`.

use super::metrics::SeriesIds;
use hdrhistogram::{Counter, Histogram};

/// The longest latency told apart.
pub const LATENCY_US_MAX: u64 = 60_000_000;

/// A core's histograms: the set it records into, and its spare while that is at home.
#[derive(Debug)]
pub struct CoreHistograms {
    active: Box<HistogramSet>,
    spare: Option<Box<HistogramSet>>,
}

impl CoreHistograms {
    /// Histograms for the stages of `ids`.
    #[must_use]
    pub fn new(ids: &SeriesIds) -> CoreHistograms {
        CoreHistograms {
            active: Box::new(HistogramSet::new(ids)),
            spare: Some(Box::new(HistogramSet::new(ids))),
        }
    }

    /// Records one request of `stage` (by the plan's index), or of no stage; the second latency is
    /// that of its integration. Never allocates.
    #[inline]
    pub fn record(
        &mut self,
        stage: Option<usize>,
        latency_us: u64,
        integration_latency_us: Option<u64>,
    ) {
        let stages = &mut self.active.stages;
        let none = stages.len().saturating_sub(1);
        let index = stage.map_or(none, |index| index.min(none));
        if let Some(stage) = stages.get_mut(index) {
            stage.latency.record(latency_us);
            if let Some(us) = integration_latency_us {
                stage.integration_latency.record(us);
            }
        }
    }

    /// The set recorded so far, replaced by the spare; `None` while the spare is not back.
    pub fn swap(&mut self) -> Option<Box<HistogramSet>> {
        let spare = self.spare.take()?;
        Some(std::mem::replace(&mut self.active, spare))
    }

    /// Takes an emptied set back; one of an older plan is given back to be freed elsewhere.
    pub fn give_back(&mut self, set: Box<HistogramSet>) -> Option<Box<HistogramSet>> {
        if set.ids != self.active.ids || self.spare.is_some() {
            return Some(set);
        }
        self.spare = Some(set);
        None
    }

    /// Takes the histograms of a new plan; what the old ones hold goes to the reader.
    pub fn replace(&mut self, next: CoreHistograms) -> Box<HistogramSet> {
        std::mem::replace(self, next).active
    }
}

/// The histograms of all stages of one plan on one core.
#[derive(Debug)]
pub struct HistogramSet {
    ids: SeriesIds,
    /// As `ids`: by the plan's stage index, the last for requests that met no stage.
    stages: Box<[StageHistograms]>,
}

impl HistogramSet {
    fn new(ids: &SeriesIds) -> HistogramSet {
        HistogramSet {
            ids: SeriesIds::clone(ids),
            stages: ids.iter().map(|_| StageHistograms::new()).collect(),
        }
    }

    /// Each stage with its series.
    pub(super) fn stages_mut(&mut self) -> impl Iterator<Item = (usize, &mut StageHistograms)> {
        self.ids.iter().copied().zip(self.stages.iter_mut())
    }
}

/// What one core records of one stage.
pub(super) type StageHistograms = StageLatencies<u32>;

/// What the reader keeps of one stage.
pub(super) type StageTotals = StageLatencies<u64>;

/// Both latencies of a stage.
#[derive(Debug)]
pub(super) struct StageLatencies<T: Counter> {
    pub(super) latency: Latencies<T>,
    pub(super) integration_latency: Latencies<T>,
}

impl<T: Counter> StageLatencies<T> {
    pub(super) fn new() -> StageLatencies<T> {
        StageLatencies {
            latency: Latencies::new(),
            integration_latency: Latencies::new(),
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.latency.clear();
        self.integration_latency.clear();
    }
}

impl StageTotals {
    /// Adds what a core recorded.
    pub(super) fn add(&mut self, other: &StageHistograms) {
        self.latency.add(&other.latency);
        self.integration_latency.add(&other.integration_latency);
    }
}

/// A histogram and the exact sum of what it holds.
#[derive(Debug)]
pub(super) struct Latencies<T: Counter> {
    histogram: Histogram<T>,
    sum_us: u64,
}

impl<T: Counter> Latencies<T> {
    fn new() -> Latencies<T> {
        let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS);
        Latencies {
            histogram: histogram.expect("constant bounds are valid"),
            sum_us: 0,
        }
    }

    #[inline]
    fn record(&mut self, us: u64) {
        self.histogram.saturating_record(us);
        self.sum_us = self.sum_us.saturating_add(us);
    }

    fn clear(&mut self) {
        if !self.histogram.is_empty() {
            self.histogram.reset();
            self.sum_us = 0;
        }
    }

    /// The latencies recorded.
    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Their sum.
    pub(super) fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// How many are at or below each of `bounds_us` (ascending).
    pub(super) fn cumulative<const N: usize>(&self, bounds_us: &[u64; N]) -> [u64; N] {
        let mut counts = [0u64; N];
        let mut bucket = 0;
        for step in self.histogram.iter_recorded() {
            let lowest = self.histogram.lowest_equivalent(step.value_iterated_to());
            while bounds_us.get(bucket).is_some_and(|bound| *bound < lowest) {
                bucket += 1;
            }
            if let Some(count) = counts.get_mut(bucket) {
                *count = count.saturating_add(step.count_at_value().as_u64());
            }
        }
        let mut sum = 0u64;
        for count in &mut counts {
            sum = sum.saturating_add(*count);
            *count = sum;
        }
        counts
    }
}

impl Latencies<u64> {
    fn add(&mut self, other: &Latencies<u32>) {
        for step in other.histogram.iter_recorded() {
            let count = u64::from(step.count_at_value());
            let us = step.value_iterated_to();
            self.histogram.saturating_record_n(us, count);
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

const SIGNIFICANT_DIGITS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::{Registry, StageName};

    fn registry() -> (Registry, SeriesIds) {
        let mut registry = Registry::new(2);
        let ids = registry.stages(&[StageName {
            api: "a".to_owned(),
            stage: "dev".to_owned(),
        }]);
        (registry, ids)
    }

    #[test]
    fn two_cores_merge_into_one_total() {
        let (mut registry, ids) = registry();
        let mut cores = [CoreHistograms::new(&ids), CoreHistograms::new(&ids)];
        for _ in 0..2 {
            for core in &mut cores {
                core.record(Some(0), 900, Some(400));
                core.record(Some(0), 1_000, None);
                core.record(None, 90_000_000, None);
                let mut set = core.swap().expect("the spare is home");
                assert!(core.swap().is_none(), "one spare");
                core.record(Some(0), 2, None); // goes on while the set is away
                registry.merge(&mut set);
                assert!(core.give_back(set).is_none());
            }
        }
        let totals = &registry.series()[ids[0]].totals;
        assert_eq!(
            totals.latency.count(),
            10,
            "the last two are still with the cores"
        );
        assert_eq!(totals.latency.sum_us(), 4 * 1_900 + 2 * 2);
        assert_eq!(totals.integration_latency.count(), 4);
        assert_eq!(
            totals.latency.cumulative(&[1, 2, 899, 1_000]),
            [0, 2, 2, 10]
        );
        let none = &registry.series()[ids[1]].totals;
        assert_eq!(
            none.latency.cumulative(&[59_000_000, LATENCY_US_MAX]),
            [0, 4]
        );
        assert_eq!(
            none.latency.sum_us(),
            4 * 90_000_000,
            "the sum does not saturate"
        );
    }

    #[test]
    fn a_new_plan_takes_over_and_old_sets_do_not_come_back() {
        let (mut registry, ids) = registry();
        let mut core = CoreHistograms::new(&ids);
        core.record(Some(0), 5, None);
        let away = core.swap().expect("the spare is home");
        core.record(Some(0), 6, None);
        let next = registry.stages(&[]);
        let mut last = core.replace(CoreHistograms::new(&next));
        registry.merge(&mut last);
        assert!(core.give_back(away).is_some(), "of another plan");
        assert_eq!(registry.series()[ids[0]].totals.latency.count(), 1);
        core.record(Some(0), 7, None);
        registry.merge(&mut core.swap().expect("a spare of its own"));
        assert_eq!(registry.series()[next[0]].totals.latency.count(), 1);
    }

    #[test]
    fn a_stage_costs_what_the_docs_say() {
        let stage = StageHistograms::new();
        let cells = stage.latency.histogram.distinct_values();
        assert!(cells * size_of::<u32>() <= 10_500, "{cells} cells");
    }
}
