//! What: the comparison as a table for people and as JSON.
//! Shape: [`Results`] has a [`Row`] for each case, and what the run was like.
//! Units: milliseconds.
//! Errors: none.
//! Source: docs/wan.md.

use serde_json::{Value, json};

use super::case::{Case, Distances};
use super::load::{Measured, Pace};
use super::world::Repeated;

/// A case, and all that is known of it.
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) measured: Measured,
    pub(crate) formula_ns: u64,
    pub(crate) simulated: Option<Simulated>,
}

/// What the simulator says of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Simulated {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// A whole run.
pub(crate) struct Results {
    pub(crate) rows: Vec<Row>,
    /// Which places they are.
    pub(crate) title: String,
    pub(crate) distances: Distances,
    pub(crate) pace: Pace,
    /// What TCP did about congestion, and how the kernel queues packets where nobody says.
    pub(crate) tcp: String,
    pub(crate) repeated: Repeated,
    pub(crate) qdisc: String,
    /// By how much packets came out of the delay line late.
    pub(crate) late_p50_ns: u64,
    pub(crate) late_p99_ns: u64,
    pub(crate) late_max_ns: u64,
    pub(crate) packets: u64,
    /// Packets that should not have been lost.
    pub(crate) dropped: u64,
}

impl Results {
    /// Prints the tables.
    pub(crate) fn print(&self) {
        let Distances {
            client_edge_ns,
            edge_region_ns,
            client_region_ns,
        } = self.distances;
        println!("{}", self.title);
        println!(
            "round trips in ms: client to edge {:.1}, edge to region {:.1}, client to region {:.1}",
            ms(client_edge_ns),
            ms(edge_region_ns),
            ms(client_region_ns)
        );
        println!(
            "TCP: {}, queues: {}; each case {} a second",
            self.tcp, self.qdisc, self.pace.rate
        );
        println!(
            "delay line: {} packets, {} dropped, late by {:.3} ms (p50), {:.3} (p99), {:.3} (max)",
            self.packets,
            self.dropped,
            ms(self.late_p50_ns),
            ms(self.late_p99_ns),
            ms(self.late_max_ns)
        );
        println!(
            "TCP has sent {} segments again, {} behind a timeout, and {} probes",
            self.repeated.segments, self.repeated.timeouts, self.repeated.probes
        );
        println!(
            "\n{:<12} {:>8}  {:<12}{:>6} {:>9} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7} {:>7}",
            "connection",
            "bytes",
            "deployment",
            "count",
            "p50 ms",
            "p99 ms",
            "formula",
            "p50/f",
            "sim p50",
            "sim p99",
            "p50/s",
            "p99/s"
        );
        self.rows.iter().for_each(print_row);
    }

    /// The machine's view.
    pub(crate) fn to_json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(row_json).collect();
        json!({
            "format": "tidegate-wan/1",
            "title": self.title,
            "round_trips_ms": {
                "client_edge": ms(self.distances.client_edge_ns),
                "edge_region": ms(self.distances.edge_region_ns),
                "client_region": ms(self.distances.client_region_ns),
            },
            "tcp": self.tcp,
            "repeated": {
                "segments": self.repeated.segments,
                "timeouts": self.repeated.timeouts,
                "probes": self.repeated.probes,
            },
            "queues": self.qdisc,
            "rate_per_s": self.pace.rate,
            "line": {
                "packets": self.packets,
                "dropped": self.dropped,
                "late_p50_ms": ms(self.late_p50_ns),
                "late_p99_ms": ms(self.late_p99_ns),
                "late_max_ms": ms(self.late_max_ns),
            },
            "cases": rows,
        })
    }
}

fn print_row(row: &Row) {
    let Row {
        case,
        measured,
        formula_ns,
        simulated,
    } = row;
    let (p50, p99) = (ms(measured.p50_ns), ms(measured.p99_ns));
    let formula = ms(*formula_ns);
    print!(
        "{:<12} {:>8}  {:<12}{:>6} {p50:>9.2} {p99:>9.2} {formula:>9.2} {:>6.1}%",
        case.session.name(),
        case.body_bytes,
        case.deployment.name(),
        measured.count,
        beyond(p50, formula),
    );
    match simulated {
        Some(Simulated { p50_ms, p99_ms }) => println!(
            " {p50_ms:>9.2} {p99_ms:>9.2} {:>6.1}% {:>6.1}%",
            beyond(p50, *p50_ms),
            beyond(p99, *p99_ms)
        ),
        None => println!("{:>10}{:>10}{:>8}{:>8}", "-", "-", "-", "-"),
    }
}

fn row_json(row: &Row) -> Value {
    let measured = &row.measured;
    json!({
        "deployment": row.case.deployment.name(),
        "connection": row.case.session.name(),
        "body_bytes": row.case.body_bytes,
        "count": measured.count,
        "measured_ms": {
            "p50": ms(measured.p50_ns),
            "p90": ms(measured.p90_ns),
            "p99": ms(measured.p99_ns),
            "max": ms(measured.max_ns),
        },
        "generator_late_p99_ms": ms(measured.late_p99_ns),
        "formula_ms": ms(row.formula_ns),
        "simulated_ms": row.simulated.map(|s| json!({ "p50": s.p50_ms, "p99": s.p99_ms })),
    })
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// By how many percent `value` is above `reference`.
fn beyond(value: f64, reference: f64) -> f64 {
    (value / reference - 1.0) * 100.0
}
