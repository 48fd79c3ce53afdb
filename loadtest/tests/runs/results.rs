//! Results: the JSON fits its schema, the log can be read back, the page opens.
//!
//! Shape: one run, written in every form. Units: as the forms have them. Errors: without Chromium
//! the page's test says so and ends. Source: loadtest/schema/result.schema.json.

use std::{process::Command, sync::OnceLock};

use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    },
};
use tidegate_loadtest::{
    recorder,
    report::{
        figures::{Figures, SCHEMA},
        hlog, html,
    },
    run::Outcome,
};

use crate::{
    SECOND, options, run_whole,
    server::{Request, answer, serve},
};

/// A run with right answers and wrong ones, made once.
fn example() -> &'static (Figures, Outcome, u64) {
    static RUN: OnceLock<(Figures, Outcome, u64)> = OnceLock::new();
    RUN.get_or_init(|| {
        let server = serve(|request: &Request| {
            let status = if request.number % 10 == 9 {
                "500 No"
            } else {
                "200 OK"
            };
            answer(status, "", b"x")
        });
        let mut wanted = options(&server, 1000.0, SECOND);
        wanted.interval_ns = SECOND / 10;
        wanted.label = "</script><b>".to_owned();
        wanted.server_pid = Some(std::process::id());
        let (plan, outcome) = run_whole(&wanted);
        (Figures::of(&plan, &outcome), outcome, plan.interval_ns)
    })
}

#[test]
fn the_json_fits_its_schema_and_comes_back() {
    let (figures, ..) = example();
    let schema = serde_json::from_str(SCHEMA).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let text = figures.to_json();
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let faults: Vec<String> = validator
        .iter_errors(&value)
        .map(|fault| fault.to_string())
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(Figures::parse(&text).as_ref(), Ok(figures));
    // The schema can refuse.
    for (name, change) in [
        ("counts", serde_json::json!({})),
        ("format", serde_json::json!("tidegate-load/2")),
        ("elapsed_s", serde_json::json!("1")),
        ("surplus", serde_json::json!(1)),
    ] {
        let mut changed = value.clone();
        changed[name] = change;
        assert!(!validator.is_valid(&changed), "{name}");
    }
    assert!(Figures::parse(&text.replace("tidegate-load/1", "tidegate-load/2")).is_err());
}

#[test]
fn intervals_add_up_to_the_whole() {
    let (figures, ..) = example();
    let counts = &figures.counts;
    let sum = |pick: fn(&tidegate_loadtest::report::figures::IntervalFigures) -> u64| {
        figures.intervals.iter().map(pick).sum::<u64>()
    };
    assert_eq!(counts.scheduled, 1000);
    assert_eq!(sum(|interval| interval.scheduled), counts.scheduled);
    assert_eq!(sum(|interval| interval.ok), counts.ok);
    assert_eq!(sum(|interval| interval.failed), 100);
    assert_eq!(counts.failed["status"], 100);
    assert_eq!(figures.latency.count, counts.ok);
    assert!(figures.server.is_some_and(|server| server.cpu_s > 0.0));
}

#[test]
fn the_log_is_read_back_to_the_same_histogram() {
    let (_, outcome, interval_ns) = example();
    let mut bytes = Vec::new();
    hlog::write(outcome, *interval_ns, &mut bytes).expect("written");
    let mut whole = recorder::histogram();
    let mut intervals = 0;
    for entry in IntervalLogIterator::new(&bytes) {
        if let LogEntry::Interval(interval) = entry.expect("a line") {
            let compressed = base64(interval.encoded_histogram());
            let part: Histogram<u64> = Deserializer::new()
                .deserialize(&mut &compressed[..])
                .expect("a histogram");
            whole.add(&part).expect("the same bounds");
            intervals += 1;
        }
    }
    assert_eq!(intervals, outcome.slices.len());
    assert_eq!(whole, outcome.total.latency);
}

/// The bytes of base64 text.
fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four
            .iter()
            .fold(0u32, |bits, byte| bits << 6 | u32::from(value(*byte)));
        let whole = (bits << (6 * (4 - four.len()))).to_be_bytes();
        bytes.extend_from_slice(&whole[1..four.len()]);
    }
    bytes
}

#[test]
fn the_page_opens_without_a_console_message() {
    let (figures, ..) = example();
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    std::fs::write(&page, html::page(figures)).expect("written");
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--enable-logging=stderr", "--timeout=20000", "--dump-dom"])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("file://{}", page.display()))
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: chromium is not installed");
        return;
    };
    let messages = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = messages
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(console.is_empty(), "{console:?}");
    let dom = String::from_utf8_lossy(&output.stdout);
    assert_eq!(dom.matches("<svg ").count(), 6, "six charts were drawn");
    assert!(dom.contains("&lt;/script&gt;&lt;b&gt;"), "a label is text");
}
