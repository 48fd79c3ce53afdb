//! What: the small deployment of real programs over lines with delays, beside what is expected of it.
//! Shape: `tidegate-bench wan` run as a program, its JSON judged case by case; of three runs the best
//!   counts for each case, for a host that does something else meanwhile makes any of them late. One
//!   that is so busy that even the delay line is late says nothing about the slowest hundredth.
//! Units: milliseconds.
//! Errors: panics with the rows that are beyond what is allowed. Where the host forbids namespaces
//!   or TUN devices the test says so and passes.
//! Source: docs/wan.md.

#![allow(clippy::disallowed_methods)] // the outside world has a clock

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use serde_json::Value;

/// Medians may be so far from what is expected, the slowest hundredth so far.
const MEDIAN_SHARE: f64 = 0.05;
const SLOW_SHARE: f64 = 0.15;
const RUNS: usize = 3;
/// A line, or a generator, that is later than that in a hundredth of all cases shares its host.
const LATE_MS: f64 = 1.0;
/// The exit status that says that the host forbids it.
const FORBIDDEN: i32 = 3;

/// Whoever measures wants the host for itself.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn real_connections_take_as_long_as_expected() {
    let _alone = ALONE.lock();
    let directory = tempfile::tempdir().expect("a folder");
    let json = directory.path().join("wan.json");
    let mut beyond: Option<BTreeMap<String, String>> = None;
    for _ in 0..RUNS {
        let arguments = [
            "--rtt-ms=60,120,150",
            "--seconds=5",
            "--body-bytes=1000,30000",
        ];
        let output = wan(&arguments, &json);
        if output.status.code() == Some(FORBIDDEN) {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("skipped: this host does not allow it\n{why}");
            return;
        }
        let found = judge(&output, &json);
        let still = match beyond {
            Some(before) => (before.into_iter())
                .filter(|(what, _)| found.contains_key(what))
                .collect(),
            None => found,
        };
        if still.is_empty() {
            return;
        }
        beyond = Some(still);
    }
    panic!("in none of {RUNS} runs:\n{beyond:#?}");
}

#[test]
fn a_signal_ends_it_and_leaves_nothing_behind() {
    let _alone = ALONE.lock();
    let directory = tempfile::tempdir().expect("a folder");
    let mut command = bench();
    command
        .args(["wan", "--seconds=60"])
        .env("TMPDIR", directory.path());
    let mut child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program");
    let made = || fs::read_dir(directory.path()).expect("the folder").count() > 0;
    let is_loaded = || !processes_naming(&format!("{}/", directory.path().display())).is_empty();
    while !is_loaded() && child.try_wait().expect("a child").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    if child.try_wait().expect("a child").is_none() {
        let pid = child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &pid]).status();
        assert!(killed.expect("kill(1)").success());
    }
    let output = child.wait_with_output().expect("its end");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(FORBIDDEN) {
        println!("skipped: this host does not allow it\n{words}");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("signal"), "{words}");
    assert!(!made(), "its folder is still there");
    let started = format!("{}", directory.path().display());
    assert_eq!(processes_naming(&started), Vec::<String>::new());
}

/// What is beyond the allowed of a run: which case, and how far.
fn judge(output: &Output, json: &Path) -> BTreeMap<String, String> {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}");
    let text = fs::read_to_string(json).expect("the figures");
    let figures: Value = serde_json::from_str(&text).expect("JSON");
    let cases = figures["cases"].as_array().expect("a list");
    assert_eq!(
        cases.len(),
        30,
        "three deployments, five connections, two sizes"
    );
    let late_ms = |value: &Value, name: &str| value[name].as_f64().expect("a time");
    let line_ms = late_ms(&figures["line"], "late_p99_ms");
    let mut beyond = BTreeMap::new();
    for case in cases {
        let ms = |pointer: &str| case.pointer(pointer).and_then(Value::as_f64);
        let formula = ms("/formula_ms").expect("the formula");
        let late_ms = line_ms.max(late_ms(case, "generator_late_p99_ms"));
        for (quantile, share) in [("p50", MEDIAN_SHARE), ("p99", SLOW_SHARE)] {
            let measured = ms(&format!("/measured_ms/{quantile}")).expect("a quantile");
            let is_judged = quantile == "p50" || late_ms <= LATE_MS;
            if is_judged && (measured / formula - 1.0).abs() > share {
                let [deployment, connection, bytes] =
                    ["deployment", "connection", "body_bytes"].map(|key| case[key].to_string());
                let name = format!("{deployment} {connection} {bytes} {quantile}");
                beyond.insert(name, format!("{measured:.2} ms, expected {formula:.2}"));
            }
        }
    }
    if line_ms > LATE_MS {
        println!("the delay line itself was late by {line_ms:.2} ms: only medians are judged");
    }
    beyond
}

fn wan(arguments: &[&str], json: &Path) -> Output {
    let mut command = bench();
    command.arg("wan").args(arguments).arg("--json").arg(json);
    command.output().expect("the program")
}

/// The program under test, with those that it needs beside it: a test of the whole workspace has
/// built them, one of this package alone may not.
fn bench() -> Command {
    let bench = PathBuf::from(env!("CARGO_BIN_EXE_tidegate-bench"));
    let is_there = |name: &str| bench.with_file_name(name).exists();
    if !is_there("tidegate") || !is_there("tidegate-load") {
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--locked",
            "-p",
            "tidegate",
            "-p",
            "tidegate-loadtest",
        ]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(
            build.status().expect("cargo").success(),
            "it does not build"
        );
    }
    Command::new(bench)
}

/// Command lines with this text in them.
fn processes_naming(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(text)).collect()
}
