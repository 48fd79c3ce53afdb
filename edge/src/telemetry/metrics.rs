//! Counters: one set of cells per core, written by that core alone and read by anybody.
//!
//! Shape: [`CoreMetrics`] is an array of cells indexed by [`Metric`]; [`StageCells`] holds the
//! counters of each stage of a plan; the [`Registry`] on the control thread owns the other end of
//! all of them and the totals of the histograms.
//! Units and ranges: events, bytes and gauges as `u64`; they wrap after centuries.
//! Errors: none. Past [`SERIES_MAX`] stages the rest share one series.
//! Source: AWS guide, "Amazon API Gateway dimensions and metrics". A cell is written with a relaxed
//! load and store, no locked instruction: that is sound only with one writer.

use super::{
    fault_kind::FaultKind,
    histograms::{HistogramSet, StageTotals},
};
use crossbeam::utils::CachePadded;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Adds `count`; only from the owning thread.
    #[inline]
    pub fn add(&self, count: u64) {
        let sum = self.get().wrapping_add(count);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// Takes `count` off a gauge, at most to 0; only from the owning thread.
    #[inline]
    pub fn take(&self, count: u64) {
        let rest = self.get().saturating_sub(count);
        self.0.store(rest, Ordering::Relaxed);
    }

    /// Sets a gauge, or a counter that is kept elsewhere; only from the owning thread.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The cells of a core. Rows of `render::CORE_FAMILIES` give each its name and meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // The name says it.
pub enum Metric {
    ConnectionsAccepted,
    ConnectionsOpen,
    ConnectionsRefused,
    RequestsInFlight,
    BytesIn,
    BytesOut,
    LogLinesDropped,
    TlsFull,
    TlsResumed,
    TlsFailed,
    OriginConnects,
    OriginReuses,
    OriginRetries,
    OriginEjections,
    ThrottledAccount,
    ThrottledStage,
    ThrottledMethod,
    ThrottledKey,
    ThrottledClient,
    ThrottledOther,
    CacheHits,
    CacheMisses,
    CacheStale,
    CacheCollapsed,
    RingTurns,
    RingSubmitted,
    RingLanded,
    RingOverflows,
    RingNoBuffers,
    RingSlotsUsed,
    RingBuffersFree,
    PressureMemory,
    PressureFiles,
    PressureLag,
    PressureStep,
}

impl Metric {
    /// How many there are.
    pub const COUNT: usize = Metric::PressureStep as usize + 1;
}

/// Everything one core counts, but for its stages.
#[derive(Debug)]
pub struct CoreMetrics {
    cells: [Cell; Metric::COUNT],
    faults: [Cell; FaultKind::COUNT],
}

impl Default for CoreMetrics {
    fn default() -> CoreMetrics {
        CoreMetrics {
            cells: std::array::from_fn(|_| Cell::default()),
            faults: std::array::from_fn(|_| Cell::default()),
        }
    }
}

impl CoreMetrics {
    /// The cell of `metric`.
    #[inline]
    #[must_use]
    pub fn cell(&self, metric: Metric) -> &Cell {
        &self.cells[metric as usize] // In range: COUNT covers the enum.
    }

    /// The cell of a kind of fault.
    #[inline]
    #[must_use]
    pub fn fault(&self, kind: FaultKind) -> &Cell {
        &self.faults[kind.index()] // In range: COUNT covers the enum.
    }
}

/// What one core counts of one stage.
#[derive(Debug, Default)]
pub struct StageCounters {
    /// Requests answered, refusals included.
    pub requests: Cell,
    /// Answers of 400 to 499.
    pub errors_4xx: Cell,
    /// Answers of 500 to 599.
    pub errors_5xx: Cell,
    /// Answers from the response cache.
    pub cache_hits: Cell,
    /// Answers from an origin although the response cache was asked.
    pub cache_misses: Cell,
}

/// One core's counters for the stages of one plan.
#[derive(Clone, Debug)]
pub struct StageCells {
    /// By the plan's stage index; the last is for requests that met no stage.
    stages: Box<[Arc<CachePadded<StageCounters>>]>,
}

impl StageCells {
    /// Counts an answer of `stage`, or of no stage at all.
    #[inline]
    pub fn count(&self, stage: Option<usize>, status: u16) {
        let own = stage.and_then(|index| self.stages.get(index));
        let Some(cells) = own.or(self.stages.last()) else {
            return;
        };
        cells.requests.add(1);
        match status {
            400..=499 => cells.errors_4xx.add(1),
            500..=599 => cells.errors_5xx.add(1),
            _ => {}
        }
    }

    /// Counts that the response cache was asked for an answer of `stage`, and whether it had one.
    #[inline]
    pub fn count_cached(&self, stage: Option<usize>, hit: bool) {
        if let Some(cells) = stage.and_then(|index| self.stages.get(index)) {
            let cell = if hit {
                &cells.cache_hits
            } else {
                &cells.cache_misses
            };
            cell.add(1);
        }
    }
}

/// An API and one of its stages, as labels.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StageName {
    /// The API's id.
    pub api: String,
    /// The stage's name.
    pub stage: String,
}

/// Answers of one core, or of several.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// All of them.
    pub answers: u64,
    /// Those of 5xx that the gateway gave by itself.
    pub failures: u64,
}

/// The series behind the stages of one plan, with the series of stageless requests at the end.
pub type SeriesIds = Arc<[usize]>;

/// The reading side, on the control thread.
#[derive(Debug)]
pub struct Registry {
    cores: Vec<Arc<CachePadded<CoreMetrics>>>,
    series: Vec<Series>,
}

impl Registry {
    /// Cells for `cores` cores.
    #[must_use]
    pub fn new(cores: usize) -> Registry {
        let mut registry = Registry {
            cores: (0..cores).map(|_| Arc::default()).collect(),
            series: Vec::new(),
        };
        for name in ["-", "other"] {
            registry.series_add(StageName {
                api: name.to_owned(),
                stage: name.to_owned(),
            });
        }
        registry
    }

    /// The cells of core `core`, to be given to it.
    #[must_use]
    pub fn core(&self, core: usize) -> Option<Arc<CachePadded<CoreMetrics>>> {
        self.cores.get(core).cloned()
    }

    /// The series of a plan's stages, in the plan's order. A stage that was known before goes on
    /// where it was, so that counters never fall at a reload.
    pub fn stages(&mut self, names: &[StageName]) -> SeriesIds {
        let mut ids = Vec::with_capacity(names.len() + 1);
        for name in names {
            let known = self.series.iter().position(|series| series.name == *name);
            ids.push(match known {
                Some(id) => id,
                None if self.series.len() < SERIES_MAX => self.series_add(name.clone()),
                None => SERIES_OTHER,
            });
        }
        ids.push(SERIES_NONE);
        ids.into()
    }

    /// The stage counters of core `core`, to be sent to it together with the plan.
    #[must_use]
    pub fn stage_cells(&self, core: usize, ids: &SeriesIds) -> StageCells {
        let cells = |id: &usize| {
            let series = self.series.get(*id);
            let cells = series.and_then(|series| series.cores.get(core));
            cells.cloned().unwrap_or_default()
        };
        StageCells {
            stages: ids.iter().map(cells).collect(),
        }
    }

    /// Adds what a core recorded to the totals and empties the set, so that it can go back.
    pub fn merge(&mut self, set: &mut HistogramSet) {
        for (id, stage) in set.stages_mut() {
            if let Some(series) = self.series.get_mut(id) {
                series.totals.add(stage);
            }
            stage.clear();
        }
    }

    /// What core `core` has answered so far.
    #[must_use]
    pub fn tally(&self, core: usize) -> Tally {
        let requests = |series: &Series| series.cores.get(core).map(|stage| stage.requests.get());
        let failures = |cells: &Arc<CachePadded<CoreMetrics>>| {
            let kinds = FaultKind::ALL.iter().filter(|kind| kind.is_failure());
            kinds.fold(0, |sum: u64, kind| {
                sum.wrapping_add(cells.fault(*kind).get())
            })
        };
        Tally {
            answers: (self.series.iter())
                .filter_map(requests)
                .fold(0, u64::wrapping_add),
            failures: self.cores.get(core).map_or(0, failures),
        }
    }

    /// The sum of a counter over all cores.
    #[must_use]
    pub fn sum(&self, metric: Metric) -> u64 {
        let values = self.cores.iter().map(|core| core.cell(metric).get());
        values.fold(0, u64::wrapping_add)
    }

    /// Every core.
    pub(super) fn cores(&self) -> &[Arc<CachePadded<CoreMetrics>>] {
        &self.cores
    }

    /// Every stage that was ever served.
    pub(super) fn series(&self) -> &[Series] {
        &self.series
    }

    fn series_add(&mut self, name: StageName) -> usize {
        self.series.push(Series {
            name,
            cores: self.cores.iter().map(|_| Arc::default()).collect(),
            totals: StageTotals::new(),
        });
        self.series.len() - 1
    }
}

/// One stage over all cores.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: StageName,
    pub(super) totals: StageTotals,
    cores: Vec<Arc<CachePadded<StageCounters>>>,
}

impl Series {
    /// The sum of a counter over all cores.
    pub(super) fn sum(&self, cell: impl Fn(&StageCounters) -> &Cell) -> u64 {
        let values = self.cores.iter().map(|core| cell(core).get());
        values.fold(0, u64::wrapping_add)
    }

    /// Whether anything was ever counted here.
    pub(super) fn is_used(&self) -> bool {
        self.sum(|stage| &stage.requests) > 0
    }
}

/// Stages with a series of their own.
pub const SERIES_MAX: usize = 10_000;
/// Requests that met no stage.
pub(super) const SERIES_NONE: usize = 0;
/// Stages beyond [`SERIES_MAX`].
pub(super) const SERIES_OTHER: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(api: &str, stage: &str) -> StageName {
        StageName {
            api: api.to_owned(),
            stage: stage.to_owned(),
        }
    }

    #[test]
    fn answers_count_by_class_and_stage() {
        let mut registry = Registry::new(2);
        let ids = registry.stages(&[name("a", "dev"), name("a", "prod")]);
        let cores = [registry.stage_cells(0, &ids), registry.stage_cells(1, &ids)];
        for (core, stage, status) in [
            (0, Some(0), 200),
            (1, Some(0), 404),
            (0, Some(1), 599),
            (1, None, 403),
            (1, Some(99), 500),
        ] {
            cores[core].count(stage, status);
        }
        let figures: Vec<(&str, u64, u64, u64)> = registry
            .series()
            .iter()
            .map(|s| {
                let sums = (s.sum(|c| &c.requests), s.sum(|c| &c.errors_4xx));
                (
                    s.name.stage.as_str(),
                    sums.0,
                    sums.1,
                    s.sum(|c| &c.errors_5xx),
                )
            })
            .collect();
        let expected = [
            ("-", 2, 1, 1),
            ("other", 0, 0, 0),
            ("dev", 2, 1, 0),
            ("prod", 1, 0, 1),
        ];
        assert_eq!(figures, expected);
    }

    #[test]
    fn a_tally_is_of_one_core_and_of_failures_of_its_own() {
        let mut registry = Registry::new(2);
        let ids = registry.stages(&[name("a", "dev")]);
        let (cells, core) = (registry.stage_cells(1, &ids), registry.core(1));
        let core = core.expect("a core");
        cells.count(Some(0), 200);
        cells.count(Some(0), 502); // an origin's, passed on
        for (kind, status) in [
            (FaultKind::IntegrationFailure, 504),
            (FaultKind::Overloaded, 503),
            (FaultKind::MissingAuthenticationToken, 403),
            (FaultKind::NotImplemented, 501), // the request's mistake
        ] {
            cells.count(None, status);
            core.fault(kind).add(1);
        }
        let expected = Tally {
            answers: 6,
            failures: 2,
        };
        assert_eq!(registry.tally(1), expected);
        assert_eq!(registry.tally(0), Tally::default());
        assert_eq!(registry.tally(9), Tally::default(), "no such core");
    }

    #[test]
    fn a_stage_keeps_its_series_over_plans() {
        let mut registry = Registry::new(1);
        let old = registry.stages(&[name("a", "dev"), name("b", "dev")]);
        registry.stage_cells(0, &old).count(Some(1), 200);
        let new = registry.stages(&[name("b", "dev"), name("c", "dev")]);
        registry.stage_cells(0, &new).count(Some(0), 200);
        assert_eq!(old[1], new[0]);
        assert_eq!(registry.series()[new[0]].sum(|c| &c.requests), 2);
    }

    #[test]
    fn cells_are_gauges_and_counters() {
        let core = CoreMetrics::default();
        let open = core.cell(Metric::ConnectionsOpen);
        open.add(3);
        open.take(1);
        assert_eq!(open.get(), 2);
        open.take(9);
        assert_eq!(open.get(), 0);
        core.cell(Metric::RingBuffersFree).set(512);
        assert_eq!(core.cell(Metric::RingBuffersFree).get(), 512);
        core.fault(FaultKind::Throttled).add(1);
        assert_eq!(core.fault(FaultKind::Throttled).get(), 1);
    }
}
