//! One client and no queue: what a simulation says, and what the formula says.
//!
//! Every combination of fresh and open connections, no TLS, full and resumed handshakes, hits at an
//! edge, misses through one and a region without edges, and answers of 1 to 200 KB. The formulas
//! know distances, rates, round trips and segments; the bytes are those that were counted.

use super::{
    super::{
        result::{Deployment, Report},
        sample,
        scenario::Kind,
    },
    simulate,
};
use crate::net::tls::null::{
    CLIENT_HELLO_AGAIN_BYTES, CLIENT_HELLO_BYTES, FINISHED_BYTES, SERVER_FLIGHT_AGAIN_BYTES,
    SERVER_FLIGHT_BYTES, TICKETS_BYTES,
};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Tls {
    None,
    Full,
    Resumed,
}

/// What is asked, by whom.
#[derive(Clone, Copy, Debug)]
struct Case {
    kind: Kind,
    is_hit: bool,
    is_fresh: bool,
    tls: Tls,
    answer_bytes: u32,
}

const DELAY_MS: f64 = 20.0;
const DOWN_MBIT: f64 = 80.0;
const UP_MBIT: f64 = 20.0;
const SERVICE_MS: f64 = 7.0;
const SEGMENT: f64 = 1_448.0;
const HEADERS: f64 = 52.0;
/// A request leaves in one record, or in none.
const RECORD: f64 = 22.0;

fn play(case: &Case) -> Report {
    let tls = case.tls != Tls::None;
    let resumed = if case.tls == Tls::Resumed { 1.0 } else { 0.0 };
    let per_visit = if case.is_fresh { 1.0 } else { 40.0 };
    let max_age_s = if case.is_hit { 3_600 } else { 0 };
    let (kind, answer) = (case.kind.as_str(), case.answer_bytes);
    let text = format!(
        "requests = 80\nduration_s = 600\ncompare = [\"{kind}\"]\nedges = [\"London\"]\n\
         [clients]\ncities = [\"London\"]\ntls = {tls}\ntls_resumed = {resumed:.1}\n\
         requests_per_visit = {per_visit:.1}\nthink_ms = 3000.0\nkeep_alive_s = 50.0\n\
         diurnal = 0.0\n\
         [network]\nidle_restart = false\n\
         last_mile = {{ delay_ms = {DELAY_MS:.1}, spread = 1.0, jitter_ms = 0.0, loss = 0.0, \
         down_mbit = {DOWN_MBIT:.1}, up_mbit = {UP_MBIT:.1} }}\n\
         transit = {{ jitter_ms = 0.0, loss = 0.0 }}\n\
         backbone = {{ jitter_ms = 0.0, loss = 0.0, mbit = 10000.0 }}\n\
         [[traffic]]\nname = \"things\"\nshare = 1.0\nbackend = \"app\"\nobjects = 1\n\
         max_age_s = {max_age_s}\nanswer_bytes = {{ median = {answer} }}\n\
         [[backends]]\nname = \"app\"\nservice_ms = {SERVICE_MS:.1}\n\
         servers = {{ count = 1000 }}\n"
    );
    simulate(sample::setup(&text), |_| {}).expect("a simulation")
}

/// Milliseconds on a line.
fn line_ms(bytes: f64, mbit: f64) -> f64 {
    (bytes + (bytes / SEGMENT).ceil() * HEADERS) * 8.0 / mbit / 1e3
}

/// From the moment an answer leaves a fresh server to its last byte, `before` segments being under
/// way already; an open connection has grown long ago.
fn answer_ms(bytes: f64, one_way_ms: f64, is_fresh: bool, before: f64) -> f64 {
    let mut window = 10.0 - before;
    let mut next = 20.0;
    let (mut left, mut time_ms) = (bytes, one_way_ms);
    while is_fresh && (left / SEGMENT).ceil() > window {
        left -= window * SEGMENT;
        time_ms += 2.0 * one_way_ms;
        (window, next) = (next, next * 2.0);
    }
    time_ms + line_ms(left, DOWN_MBIT)
}

/// What `case` takes, by the formula.
fn expected_ms(case: &Case, report: &Report, row: &Deployment) -> f64 {
    let seen = &row.overall;
    let city = &row.cities[0];
    let one_way_ms = city.rtt_ms / 2.0;
    let per_request = |bytes: u64| bytes as f64 / seen.requests as f64;
    let handshakes = seen.connects as f64 / seen.requests as f64;
    let (hello, flight) = match case.tls {
        Tls::None => (0.0, 0.0),
        Tls::Full => (CLIENT_HELLO_BYTES as f64, SERVER_FLIGHT_BYTES as f64),
        Tls::Resumed => (
            CLIENT_HELLO_AGAIN_BYTES as f64,
            SERVER_FLIGHT_AGAIN_BYTES as f64,
        ),
    };
    let (finished, tickets) = match case.tls {
        Tls::None => (0.0, 0.0),
        _ => (FINISHED_BYTES as f64, TICKETS_BYTES as f64),
    };
    // What was counted, without what handshakes took.
    let up = per_request(seen.bytes_up) - handshakes * (hello + finished);
    let down = per_request(seen.bytes_down) - handshakes * (flight + tickets);
    assert!(
        up > 200.0 && up < 400.0 + RECORD,
        "a request has {up} bytes"
    );
    assert!(
        down > f64::from(case.answer_bytes),
        "an answer has {down} bytes"
    );
    let mut time_ms = 0.0;
    let mut before = 0.0;
    if case.is_fresh {
        time_ms += 2.0 * one_way_ms;
        if case.tls != Tls::None {
            time_ms += one_way_ms + line_ms(hello, UP_MBIT);
            time_ms += one_way_ms + line_ms(flight, DOWN_MBIT);
            time_ms += line_ms(finished, UP_MBIT) - HEADERS * 8.0 / UP_MBIT / 1e3;
            time_ms += line_ms(tickets, DOWN_MBIT);
            before = 1.0;
        }
    }
    time_ms += one_way_ms + line_ms(up, UP_MBIT);
    if !case.is_hit {
        time_ms += SERVICE_MS + 0.3; // indoors, there and back
        if case.kind.has_edges() {
            time_ms += backbone_rtt_ms(report);
        }
    }
    time_ms + answer_ms(down, one_way_ms, case.is_fresh, before)
}

/// London to Frankfurt, as measured.
fn backbone_rtt_ms(report: &Report) -> f64 {
    let rows = report.delays.residuals.iter();
    let both =
        |row: &&super::super::result::Residual| [&*row.from, &*row.to] == ["Frankfurt", "London"];
    rows.filter(both).map(|row| row.measured_ms).sum()
}

fn check(kind: Kind, is_hit: bool, is_fresh: bool) {
    let mut wrong = Vec::new();
    for tls in [Tls::None, Tls::Full, Tls::Resumed] {
        for answer_bytes in [1_000, 5_000, 10_000, 30_000, 60_000, 120_000, 200_000] {
            let case = Case {
                kind,
                is_hit,
                is_fresh,
                tls,
                answer_bytes,
            };
            let report = play(&case);
            let row = &report.deployments[0];
            let seen = &row.overall;
            assert_eq!(seen.good, seen.requests, "{case:?}");
            assert_eq!(seen.hit_ratio > 0.9, is_hit, "{case:?}: {}", seen.hit_ratio);
            let (found, expected) = (seen.latency.p50_ms, expected_ms(&case, &report, row));
            if (found - expected).abs() > expected / 100.0 {
                wrong.push(format!("{case:?}: {found:.3} instead of {expected:.3}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_hit_on_a_fresh_connection() {
    check(Kind::EdgeCached, true, true);
}

#[test]
fn a_hit_on_an_open_connection() {
    check(Kind::EdgeCached, true, false);
}

#[test]
fn a_miss_on_a_fresh_connection() {
    check(Kind::Edge, false, true);
}

#[test]
fn a_miss_on_an_open_connection() {
    check(Kind::Edge, false, false);
}

#[test]
fn a_region_on_a_fresh_connection() {
    check(Kind::Regional, false, true);
}

#[test]
fn a_region_on_an_open_connection() {
    check(Kind::Regional, false, false);
}
