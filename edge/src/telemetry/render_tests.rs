//! The exposition text: rows by hand, and a small parser that holds the format's rules.

use super::*;
use crate::telemetry::{histograms::CoreHistograms, metrics::StageName};
use std::collections::{BTreeMap, BTreeSet};

fn text() -> String {
    let mut registry = Registry::new(2);
    let name = |api: &str, stage: &str| StageName {
        api: api.to_owned(),
        stage: stage.to_owned(),
    };
    let ids = registry.stages(&[name("pets", "dev"), name("odd\"\\\n", "prod")]);
    for core in 0..2 {
        let cells = registry.stage_cells(core, &ids);
        let mut histograms = CoreHistograms::new(&ids);
        for (stage, status, us) in [
            (Some(0), 200, 900),
            (Some(0), 404, 1_000),
            (Some(1), 503, 45_000_000),
            (None, 403, 3),
        ] {
            cells.count(stage, status);
            cells.count_cached(stage, status == 200);
            histograms.record(stage, us, (status == 200).then_some(us / 2));
        }
        registry.merge(&mut histograms.swap().expect("the spare is home"));
        let cells = registry.core(core).expect("a core");
        cells.cell(Metric::BytesIn).add(100);
        cells.cell(Metric::RingTurns).add(7);
        cells.cell(Metric::TlsResumed).add(2);
        cells.cell(Metric::PressureLag).set(90 + core as u64);
        cells.fault(FaultKind::Throttled).add(1);
    }
    let log = WriterTotals::default();
    log.lines.store(42, Ordering::Relaxed);
    let region = |name: &str, objects| {
        let stats = Stats {
            capacity_bytes: 1 << 26,
            objects,
            evicted_main: objects + 3,
            ..Stats::default()
        };
        (name.to_owned(), stats)
    };
    let regions = [region("common", 5), region("pets/dev", 2)];
    let process = ProcessFigures {
        version: "0.1.0",
        started: Wall(1_744_202_096_123),
        config_ok: true,
        config_last_good: false,
        config_revision: 3,
        reloads_ok: 2,
        reloads_failed: 1,
        reloads_reverted: 4,
        log: Some(&log),
        cache: &regions,
    };
    render(&registry, &process)
}

#[test]
fn samples_print_as_expected() {
    let text = text();
    let rows = [
        "tidegate_build_info{version=\"0.1.0\"} 1",
        "tidegate_start_time_seconds 1744202096.123",
        "tidegate_config_loaded 1",
        "tidegate_config_last_good 0",
        "tidegate_config_reloads_total{result=\"failed\"} 1",
        "tidegate_config_reloads_total{result=\"reverted\"} 4",
        "tidegate_log_lines_written_total 42",
        "# UNIT tidegate_latency_seconds seconds",
        "tidegate_requests_total{api=\"pets\",stage=\"dev\"} 4",
        "tidegate_requests_total{api=\"-\",stage=\"-\"} 2",
        "tidegate_errors_4xx_total{api=\"pets\",stage=\"dev\"} 2",
        "tidegate_errors_5xx_total{api=\"odd\\\"\\\\\\n\",stage=\"prod\"} 2",
        "tidegate_cache_hit_count_total{api=\"pets\",stage=\"dev\"} 2",
        "tidegate_cache_miss_count_total{api=\"pets\",stage=\"dev\"} 2",
        "tidegate_cache_miss_count_total{api=\"-\",stage=\"-\"} 0",
        "tidegate_cache_capacity_bytes 134217728",
        "tidegate_cache_objects 7",
        "tidegate_cache_evictions_total{cause=\"main\"} 13",
        "tidegate_cache_region_capacity_bytes{region=\"common\"} 67108864",
        "tidegate_cache_region_objects{region=\"pets/dev\"} 2",
        "tidegate_cache_region_evictions_total{region=\"common\"} 8",
        "tidegate_cache_region_evictions_total{region=\"pets/dev\"} 5",
        "tidegate_latency_seconds_bucket{api=\"pets\",stage=\"dev\",le=\"0.0005\"} 0",
        "tidegate_latency_seconds_bucket{api=\"pets\",stage=\"dev\",le=\"0.001\"} 4",
        "tidegate_latency_seconds_bucket{api=\"pets\",stage=\"dev\",le=\"+Inf\"} 4",
        "tidegate_latency_seconds_sum{api=\"pets\",stage=\"dev\"} 0.003800",
        "tidegate_integration_latency_seconds_count{api=\"pets\",stage=\"dev\"} 2",
        "tidegate_received_bytes_total 200",
        "tidegate_tls_handshakes_total{result=\"resumed\"} 4",
        "tidegate_ring_turns_total{core=\"1\"} 7",
        "tidegate_pressure_percent{core=\"1\",cause=\"lag\"} 91",
        "tidegate_pressure_step{core=\"0\"} 0",
        "tidegate_faults_total{type=\"THROTTLED\"} 2",
    ];
    for row in rows {
        assert!(
            text.lines().any(|line| line == row),
            "missing: {row}\n{text}"
        );
    }
    let unused = "stage=\"other\"";
    assert!(!text.contains(unused), "an unused series is not shown");
}

#[test]
fn the_text_keeps_the_rules_of_the_format() {
    let text = text();
    assert!(text.ends_with("# EOF\n"));
    let mut families = BTreeSet::new();
    let mut family = (String::new(), String::new());
    let mut seen = BTreeSet::new();
    let mut buckets: BTreeMap<String, f64> = BTreeMap::new();
    for line in text.trim_end_matches("# EOF\n").lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (key, name, value) = (words.next(), words.next(), words.next().expect("value"));
            match key {
                Some("HELP") => assert!(families.insert(name), "{line}: family twice"),
                Some("TYPE") => family = (name.expect("name").to_owned(), value.to_owned()),
                Some("UNIT") => assert!(family.0.ends_with(&format!("_{value}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        assert!(seen.insert(series), "{line}: sample twice");
        let value: f64 = value.parse().expect("a number");
        let name = series.split('{').next().expect("a name");
        let suffix = name
            .strip_prefix(family.0.as_str())
            .expect("of this family");
        let allowed: &[&str] = match family.1.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum"],
            other => panic!("type {other}"),
        };
        assert!(
            allowed.contains(&suffix),
            "{line}: suffix of a {}",
            family.1
        );
        if suffix == "_bucket" {
            let stage = series.split(",le=").next().expect("le is last").to_owned();
            let before = buckets.insert(stage, value).unwrap_or(0.0);
            assert!(value >= before, "{line}: buckets are cumulative");
        }
    }
    assert!(families.len() > 25);
}

#[test]
fn every_cell_is_shown_once() {
    for index in 0..Metric::COUNT {
        let rows = CORE_FAMILIES.iter().flat_map(|row| row.cells);
        let count = rows.filter(|(metric, _)| *metric as usize == index).count();
        assert_eq!(count, 1, "cell {index}");
    }
}

/// Prints the text for a parser from outside: `cargo test … -- --ignored --nocapture`.
#[test]
#[ignore = "prints for prometheus_client's parser"]
fn print_for_a_parser() {
    print!("=====\n{}=====\n", text());
}
