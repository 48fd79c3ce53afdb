//! Metrics in print: OpenMetrics text, summed over the cores.
//!
//! Shape: tables of families; each prints HELP, TYPE, UNIT and its samples, `# EOF` ends it.
//! Units and ranges: base units (seconds, bytes); histogram buckets are cumulative.
//! Errors: none; writing into a `String` cannot fail. Runs on the control thread and allocates.
//! Source: OpenMetrics 1.0, sections "Overall Structure" to "Histogram".

use super::{
    fault_kind::FaultKind,
    histograms::Latencies,
    metrics::{Cell, Metric, Registry, Series, StageCounters},
    writer::WriterTotals,
};
use crate::{base::time::Wall, cache::Stats};
use std::{fmt::Write, sync::atomic::Ordering};

mod store;

/// The `Content-Type` of [`render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Figures of the process that no core owns.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessFigures<'a> {
    /// The product's version.
    pub version: &'a str,
    /// When the process started.
    pub started: Wall,
    /// Whether the newest configuration was taken; false while an older one serves.
    pub config_ok: bool,
    /// Whether the last good configuration serves in place of the one that was started.
    pub config_last_good: bool,
    /// Revision of the plan that serves.
    pub config_revision: u64,
    /// Reloads that were taken.
    pub reloads_ok: u64,
    /// Reloads that were refused.
    pub reloads_failed: u64,
    /// Reloads that were tried on one worker and taken back.
    pub reloads_reverted: u64,
    /// The access-log writer, when there is one.
    pub log: Option<&'a WriterTotals>,
    /// The regions of the response cache by name, when there is one.
    pub cache: &'a [(String, Stats)],
}

/// The whole text, ready to be sent.
#[must_use]
pub fn render(registry: &Registry, process: &ProcessFigures<'_>) -> String {
    let mut out = String::with_capacity(16 * 1024);
    render_process(&mut out, process);
    render_stages(&mut out, registry);
    render_cores(&mut out, registry);
    if !process.cache.is_empty() {
        store::render(&mut out, process.cache);
    }
    out.push_str("# EOF\n");
    out
}

fn render_process(out: &mut String, process: &ProcessFigures<'_>) {
    head(out, &Family::info("tidegate_build", "What is running."));
    sample(
        out,
        "tidegate_build_info",
        &[("version", process.version)],
        1,
    );
    let started = Family::gauge("tidegate_start_time_seconds", "When the process started.");
    head(
        out,
        &Family {
            unit: "seconds",
            ..started
        },
    );
    let ms = process.started.0;
    line(
        out,
        started.name,
        &[],
        &format!("{}.{:03}", ms / 1_000, ms % 1_000),
    );
    for (name, help, value) in [
        (
            "tidegate_config_loaded",
            "1 when the newest configuration serves, 0 while it is refused.",
            u64::from(process.config_ok),
        ),
        (
            "tidegate_config_last_good",
            "1 while the last good configuration serves in place of one that did not last.",
            u64::from(process.config_last_good),
        ),
        (
            "tidegate_config_revision",
            "Revision of the plan that serves.",
            process.config_revision,
        ),
    ] {
        head(out, &Family::gauge(name, help));
        sample(out, name, &[], value);
    }
    let reloads = Family::counter("tidegate_config_reloads", "Configurations read.");
    head(out, &reloads);
    for (result, value) in [
        ("ok", process.reloads_ok),
        ("failed", process.reloads_failed),
        ("reverted", process.reloads_reverted),
    ] {
        total(out, reloads.name, &[("result", result)], value);
    }
    let Some(log) = process.log else { return };
    for (name, help, unit, value) in [
        (
            "tidegate_log_lines_written",
            "Access-log lines written.",
            "",
            &log.lines,
        ),
        (
            "tidegate_log_lines_lost",
            "Lines given up at shutdown.",
            "",
            &log.lines_lost,
        ),
        (
            "tidegate_log_written_bytes",
            "Access-log bytes written.",
            "bytes",
            &log.bytes,
        ),
        (
            "tidegate_log_errors",
            "Failed writes and opens of the log.",
            "",
            &log.errors,
        ),
        (
            "tidegate_log_reopens",
            "Reopens of the log.",
            "",
            &log.reopens,
        ),
    ] {
        head(
            out,
            &Family {
                unit,
                ..Family::counter(name, help)
            },
        );
        total(out, name, &[], value.load(Ordering::Relaxed));
    }
}

fn render_stages(out: &mut String, registry: &Registry) {
    type Pick = fn(&StageCounters) -> &Cell;
    let counters: [(&'static str, &'static str, Pick); 5] = [
        ("tidegate_requests", "Requests answered (Count).", |s| {
            &s.requests
        }),
        (
            "tidegate_errors_4xx",
            "Answers of 400 to 499 (4XXError).",
            |s| &s.errors_4xx,
        ),
        (
            "tidegate_errors_5xx",
            "Answers of 500 to 599 (5XXError).",
            |s| &s.errors_5xx,
        ),
        (
            "tidegate_cache_hit_count",
            "Answers from the response cache (CacheHitCount).",
            |s| &s.cache_hits,
        ),
        (
            "tidegate_cache_miss_count",
            "Answers of origins where the response cache was asked (CacheMissCount).",
            |s| &s.cache_misses,
        ),
    ];
    let used = || registry.series().iter().filter(|series| series.is_used());
    for (name, help, cell) in counters {
        head(out, &Family::counter(name, help));
        for series in used() {
            total(out, name, &labels(series), series.sum(cell));
        }
    }
    type Times = fn(&Series) -> &Latencies<u64>;
    let histograms: [(&'static str, &'static str, Times); 2] = [
        (
            "tidegate_latency_seconds",
            "First byte of the request to last byte of the answer (Latency).",
            |series| &series.totals.latency,
        ),
        (
            "tidegate_integration_latency_seconds",
            "Request relayed to answer received (IntegrationLatency).",
            |series| &series.totals.integration_latency,
        ),
    ];
    for (name, help, latencies) in histograms {
        let family = Family {
            name,
            help,
            kind: "histogram",
            unit: "seconds",
        };
        head(out, &family);
        for series in used() {
            histogram(out, name, &labels(series), latencies(series));
        }
    }
}

fn labels(series: &Series) -> [(&str, &str); 2] {
    [("api", &series.name.api), ("stage", &series.name.stage)]
}

fn histogram(out: &mut String, name: &str, labels: &[(&str, &str); 2], times: &Latencies<u64>) {
    let counts = times.cumulative(&BOUNDS.map(|(us, _)| us));
    let [api, stage] = *labels;
    let bucket = format!("{name}_bucket");
    for ((_, le), count) in BOUNDS.iter().zip(counts) {
        sample(out, &bucket, &[api, stage, ("le", le)], count);
    }
    sample(out, &bucket, &[api, stage, ("le", "+Inf")], times.count());
    sample(out, &format!("{name}_count"), labels, times.count());
    let us = times.sum_us();
    let seconds = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    line(out, &format!("{name}_sum"), labels, &seconds);
}

fn render_cores(out: &mut String, registry: &Registry) {
    for row in CORE_FAMILIES {
        head(out, &row.family);
        let counter = row.family.kind == "counter";
        let mut print = |labels: &[(&str, &str)], value| {
            if counter {
                total(out, row.family.name, labels, value);
            } else {
                sample(out, row.family.name, labels, value);
            }
        };
        for (metric, label) in row.cells {
            let values = registry.cores().iter().map(|core| core.cell(*metric).get());
            if row.per_core {
                for (core, value) in values.enumerate() {
                    let core = core.to_string();
                    let mut labels = vec![("core", core.as_str())];
                    labels.extend(label);
                    print(&labels, value);
                }
            } else {
                print(label.as_slice(), values.fold(0, u64::wrapping_add));
            }
        }
    }
    let faults = Family::counter("tidegate_faults", "Requests refused or failed, by type.");
    head(out, &faults);
    for kind in FaultKind::ALL {
        let values = registry.cores().iter().map(|core| core.fault(*kind).get());
        let sum = values.fold(0, u64::wrapping_add);
        total(out, faults.name, &[("type", kind.name())], sum);
    }
}

/// What stands above the samples of a name.
#[derive(Clone, Copy)]
struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    /// Empty, or the end of the name.
    unit: &'static str,
}

impl Family {
    const fn counter(name: &'static str, help: &'static str) -> Family {
        Family {
            name,
            help,
            kind: "counter",
            unit: "",
        }
    }

    const fn gauge(name: &'static str, help: &'static str) -> Family {
        Family {
            name,
            help,
            kind: "gauge",
            unit: "",
        }
    }

    const fn info(name: &'static str, help: &'static str) -> Family {
        Family {
            name,
            help,
            kind: "info",
            unit: "",
        }
    }
}

/// A family over the cells of the cores.
struct CoreFamily {
    family: Family,
    /// Each cell with its label, if the family has several.
    cells: &'static [(Metric, Option<(&'static str, &'static str)>)],
    /// One sample a core, or their sum.
    per_core: bool,
}

fn head(out: &mut String, family: &Family) {
    let Family {
        name,
        help,
        kind,
        unit,
    } = family;
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    if !unit.is_empty() {
        debug_assert!(name.ends_with(unit));
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
}

fn total(out: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    sample(out, &format!("{name}_total"), labels, value);
}

fn sample(out: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    line(out, name, labels, &value.to_string());
}

fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: &str) {
    out.push_str(name);
    for (i, (label, text)) in labels.iter().enumerate() {
        let _ = write!(out, "{}{label}=\"", if i == 0 { '{' } else { ',' });
        for c in text.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    if !labels.is_empty() {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

const fn summed(family: Family, metric: &'static [(Metric, Option<(&str, &str)>)]) -> CoreFamily {
    CoreFamily {
        family,
        cells: metric,
        per_core: false,
    }
}

const fn each(family: Family, metric: &'static [(Metric, Option<(&str, &str)>)]) -> CoreFamily {
    CoreFamily {
        family,
        cells: metric,
        per_core: true,
    }
}

const fn bytes(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        kind: "counter",
        unit: "bytes",
    }
}

/// Every cell of a core stands in exactly one row.
const CORE_FAMILIES: &[CoreFamily] = &[
    summed(
        Family::counter(
            "tidegate_connections_accepted",
            "Client connections accepted.",
        ),
        &[(Metric::ConnectionsAccepted, None)],
    ),
    summed(
        Family::gauge("tidegate_connections_open", "Client connections open now."),
        &[(Metric::ConnectionsOpen, None)],
    ),
    summed(
        Family::counter(
            "tidegate_connections_refused",
            "Client connections refused by a limit.",
        ),
        &[(Metric::ConnectionsRefused, None)],
    ),
    summed(
        Family::gauge(
            "tidegate_requests_in_flight",
            "Requests received and not yet answered.",
        ),
        &[(Metric::RequestsInFlight, None)],
    ),
    summed(
        bytes("tidegate_received_bytes", "Bytes received from clients."),
        &[(Metric::BytesIn, None)],
    ),
    summed(
        bytes("tidegate_sent_bytes", "Bytes sent to clients."),
        &[(Metric::BytesOut, None)],
    ),
    summed(
        Family::counter(
            "tidegate_log_lines_dropped",
            "Access-log lines dropped: writer behind.",
        ),
        &[(Metric::LogLinesDropped, None)],
    ),
    summed(
        Family::counter("tidegate_tls_handshakes", "TLS handshakes with clients."),
        &[
            (Metric::TlsFull, Some(("result", "full"))),
            (Metric::TlsResumed, Some(("result", "resumed"))),
            (Metric::TlsFailed, Some(("result", "failed"))),
        ],
    ),
    summed(
        Family::counter("tidegate_origin_connects", "Connections opened to origins."),
        &[(Metric::OriginConnects, None)],
    ),
    summed(
        Family::counter(
            "tidegate_origin_reuses",
            "Requests sent on a kept origin connection.",
        ),
        &[(Metric::OriginReuses, None)],
    ),
    summed(
        Family::counter(
            "tidegate_origin_retries",
            "Requests sent to an origin again.",
        ),
        &[(Metric::OriginRetries, None)],
    ),
    summed(
        Family::counter(
            "tidegate_origin_ejections",
            "Origin endpoints taken out for a while.",
        ),
        &[(Metric::OriginEjections, None)],
    ),
    summed(
        Family::counter(
            "tidegate_throttled",
            "Requests refused by a rate limit, by the level that refused.",
        ),
        &[
            (Metric::ThrottledAccount, Some(("level", "account"))),
            (Metric::ThrottledStage, Some(("level", "stage"))),
            (Metric::ThrottledMethod, Some(("level", "method"))),
            (Metric::ThrottledKey, Some(("level", "key"))),
            (Metric::ThrottledClient, Some(("level", "client"))),
            (Metric::ThrottledOther, Some(("level", "other"))),
        ],
    ),
    summed(
        Family::counter(
            "tidegate_cache_lookups",
            "Requests that looked for a stored answer.",
        ),
        &[
            (Metric::CacheHits, Some(("result", "hit"))),
            (Metric::CacheMisses, Some(("result", "miss"))),
        ],
    ),
    summed(
        Family::counter(
            "tidegate_cache_stale",
            "Stale answers given because the origin failed.",
        ),
        &[(Metric::CacheStale, None)],
    ),
    summed(
        Family::counter(
            "tidegate_cache_collapsed",
            "Requests that shared another's answer.",
        ),
        &[(Metric::CacheCollapsed, None)],
    ),
    each(
        Family::counter("tidegate_ring_turns", "Turns of a core's loop."),
        &[(Metric::RingTurns, None)],
    ),
    each(
        Family::counter(
            "tidegate_ring_submitted",
            "Operations handed to the kernel.",
        ),
        &[(Metric::RingSubmitted, None)],
    ),
    each(
        Family::counter("tidegate_ring_landed", "Completions reaped."),
        &[(Metric::RingLanded, None)],
    ),
    each(
        Family::counter(
            "tidegate_ring_overflows",
            "Completions kept aside by the kernel.",
        ),
        &[(Metric::RingOverflows, None)],
    ),
    each(
        Family::counter("tidegate_ring_no_buffers", "Receives that found no buffer."),
        &[(Metric::RingNoBuffers, None)],
    ),
    each(
        Family::gauge("tidegate_ring_slots_used", "Operations in flight."),
        &[(Metric::RingSlotsUsed, None)],
    ),
    each(
        Family::gauge(
            "tidegate_ring_buffers_free",
            "Buffers free in a core's pool.",
        ),
        &[(Metric::RingBuffersFree, None)],
    ),
    each(
        Family::gauge(
            "tidegate_pressure_percent",
            "How near a core is to its limits, by cause; the worst one counts.",
        ),
        &[
            (Metric::PressureMemory, Some(("cause", "memory"))),
            (Metric::PressureFiles, Some(("cause", "files"))),
            (Metric::PressureLag, Some(("cause", "lag"))),
        ],
    ),
    each(
        Family::gauge(
            "tidegate_pressure_step",
            "0 calm, 1 short idle, 2 no keep-alive, 3 no streams, 4 refuses, 5 accepts nothing.",
        ),
        &[(Metric::PressureStep, None)],
    ),
];

/// Upper bounds of the latency buckets in microseconds, and as OpenMetrics prints them in seconds.
const BOUNDS: [(u64, &str); 16] = [
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1.0"),
    (2_500_000, "2.5"),
    (5_000_000, "5.0"),
    (10_000_000, "10.0"),
    (30_000_000, "30.0"),
];

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
