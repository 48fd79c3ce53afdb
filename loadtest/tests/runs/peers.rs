//! Beside other generators: wrk counts what we count, oha measures what we measure.
//!
//! Shape: one server, one load after the other. Units: requests, seconds. Errors: without the other
//! generator a test says so and ends. Source: wrk(1); oha's `--help`.

use std::{path::Path, process::Command, thread, time::Duration};

use tidegate_loadtest::options::Pace;

use crate::{
    SECOND, figures, options, run_whole,
    server::{Request, answer, serve},
};

#[test]
fn wrk_and_we_count_what_the_server_counts() {
    let server = serve(|_: &Request| answer("200 OK", "", b"hello"));
    let mut wanted = options(&server, 1.0, SECOND);
    wanted.pace = Pace::Closed { think_ns: 0 };
    wanted.connections = 4;
    let ours = figures(&wanted);
    assert_eq!(server.count(), ours.counts.ok);
    let before = server.count();
    let wrk = Command::new("wrk")
        .args(["-t1", "-c4", "-d1s"])
        .arg(format!("http://{}/", server.address))
        .output();
    let Ok(output) = wrk else {
        eprintln!("skipped: wrk is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains("requests in"))
        .expect("a summary");
    let count: u64 = line
        .trim()
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a count");
    let seen = server.count() - before;
    // It does not wait for what is under way at its end, one on each connection.
    assert!(
        seen >= count && seen - count <= 4,
        "wrk {count}, server {seen}"
    );
    println!("ours {} requests, wrk {count}", ours.counts.ok);
}

/// Where `scripts/peers.sh` puts it.
const OHA_INSTALLED: &str = "../target/peers/oha/bin/oha";

/// Every fiftieth request waits three times as long as the others.
fn slow_now_and_then(request: &Request) -> u64 {
    if request.number % 50 == 49 { 90 } else { 30 }
}

/// The 50th and the 99th percentile in seconds, as oha has them; `None` without oha.
fn percentiles_of_oha(url: &str) -> Option<(f64, f64)> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(OHA_INSTALLED);
    let program = if installed.exists() {
        installed
    } else {
        "oha".into()
    };
    let output = Command::new(program)
        .args(["-q", "200", "-z", "5s", "-c", "32", "-w", "--no-tui"])
        .args(["--latency-correction", "--output-format", "json", url])
        .output()
        .ok()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "oha: {told}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let all_well = report["statusCodeDistribution"]["200"].as_u64();
    assert!(all_well.is_some_and(|count| count >= 990), "{report}");
    let percentile = |name: &str| report["latencyPercentiles"][name].as_f64();
    Some((percentile("p50")?, percentile("p99")?))
}

#[test]
fn oha_and_we_agree_on_percentiles() {
    let server = serve(|request: &Request| {
        thread::sleep(Duration::from_millis(slow_now_and_then(request)));
        answer("200 OK", "", b"hello")
    });
    let url = format!("http://{}/", server.address);
    let mut last = String::new();
    for _ in 0..3 {
        let Some(theirs) = percentiles_of_oha(&url) else {
            eprintln!("skipped: oha is not installed");
            return;
        };
        let mut wanted = options(&server, 200.0, 5 * SECOND);
        wanted.connections = 32;
        let (_, outcome) = run_whole(&wanted);
        let at = |quantile| outcome.total.latency.value_at_quantile(quantile) as f64 / 1e9;
        let ours = (at(0.5), at(0.99));
        last = format!("ours {ours:?} s, oha's {theirs:?} s");
        let agree = |one: f64, other: f64| (one / other - 1.0).abs() < 0.05;
        if agree(ours.0, theirs.0) && agree(ours.1, theirs.1) {
            println!("{last}");
            return;
        }
    }
    panic!("never within 5 %: {last}");
}
