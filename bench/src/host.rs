//! What: what a figure was measured on; a number without it says little.
//! Shape: one JSON object, every value a string or a count.
//! Units: none.
//! Errors: what cannot be read is "unknown".
//! Source: /proc/cpuinfo, /proc/sys/kernel/osrelease.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

/// Processor, kernel, tools and day of this run.
pub(crate) fn describe() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({
        "cpu": cpu_model(),
        "cores": cores,
        "kernel": read("/proc/sys/kernel/osrelease"),
        "rust": output_of("rustc", &["--version"]),
        "wrk": crate::wrk::version().unwrap_or_else(|_| UNKNOWN.to_owned()),
        "date": output_of("date", &["-u", "+%Y-%m-%d"]),
        "load_before": read("/proc/loadavg"),
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
    })
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let model = line
        .and_then(|line| line.split_once(':'))
        .map(|(_, model)| model.trim());
    model.unwrap_or(UNKNOWN).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or(UNKNOWN.to_owned(), |text| text.trim().to_owned())
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(UNKNOWN.to_owned(), |o| {
        String::from_utf8_lossy(&o.stdout).trim().to_owned()
    })
}

const UNKNOWN: &str = "unknown";
