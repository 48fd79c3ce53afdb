//! A report as text for a terminal.
//!
//! What it is: one table of deployments, one of cities for the chosen one against the first, and
//! the paragraph. Shape: [`render`] gives all of it. Units: milliseconds, per cent. Errors: none.
//! Source: docs/simulator.md.

use std::fmt::Write;

use tidegate_edge::{
    base::text::counted,
    geo::{
        Report,
        result::{Deployment, Learned},
    },
};

/// All of it, in lines of at most 100 columns.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    let facts = &report.scenario;
    let fit = &report.delays;
    // Writing into a string does not fail.
    let _ = writeln!(
        out,
        "{}: {}\n{} simulated, seed {}, {} s ({} s warm-up); {}, delays fitted to {}\nwithin {:.0} % \
         (median)\n",
        facts.name,
        facts.title,
        counted(facts.requests_simulated, "request"),
        facts.seed,
        facts.duration_s,
        facts.warm_up_s,
        counted(report.cities.len(), "city"),
        counted(fit.residuals.len(), "pair"),
        fit.median_error * 100.0,
    );
    deployments(&mut out, report);
    detections(&mut out, report);
    cities(&mut out, report);
    for line in wrapped(&report.advice.text, COLUMNS) {
        let _ = writeln!(out, "{line}");
    }
    out
}

fn deployments(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "{:<28}{:>7}{:>7}{:>7}{:>7}{:>7}{:>7}{:>8}{:>7}{:>7}{:>8}",
        "deployment",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "first",
        "hits",
        "offload",
        "429",
        "fail",
        format!("{}/M", report.prices.currency),
    );
    for row in &report.deployments {
        let _ = writeln!(out, "{}", deployment(row));
    }
    let _ = writeln!(
        out,
        "\n{:<28}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "", "connects", "long", "saved", "warm", "collapsed", "cold", "at origin"
    );
    for row in &report.deployments {
        let inside = &row.inside;
        let _ = writeln!(
            out,
            "{:<28}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            row.title,
            row.overall.connects,
            inside.long_handshakes,
            inside.handshakes_saved,
            inside.warm,
            inside.collapsed,
            inside.cold_starts,
            inside.at_backends,
        );
    }
}

/// What the gateways' own checks found out about lost regions.
fn detections(out: &mut String, report: &Report) {
    let known = |what: &Learned| {
        format!(
            "{} knew after {:.1} s ({:.1} to {:.1})",
            what.count, what.median_s, what.first_s, what.last_s
        )
    };
    for row in &report.deployments {
        for found in &row.detections {
            let region = report.sites.get(found.region);
            let text = format!(
                "{}: {} is checked by {}; of its loss at {:.0} s {}, of its return {}",
                row.title,
                region
                    .map_or("", |site| site.name.as_str())
                    .replace('_', " "),
                found.watchers,
                found.from_s,
                known(&found.lost),
                known(&found.back),
            );
            out.push('\n');
            for line in wrapped(&text, COLUMNS) {
                let _ = writeln!(out, "{line}");
            }
        }
    }
}

fn deployment(row: &Deployment) -> String {
    let seen = &row.overall;
    let latency = &seen.latency;
    let percent = |count: u64| count as f64 * 100.0 / seen.requests.max(1) as f64;
    format!(
        "{:<28}{:>7.0}{:>7.0}{:>7.0}{:>7.0}{:>7.0}{:>6.1}%{:>7.1}%{:>6.2}%{:>6.2}%{:>8.2}",
        row.title,
        latency.p50_ms,
        latency.p90_ms,
        latency.p99_ms,
        latency.p999_ms,
        seen.first_byte.p50_ms,
        seen.hit_ratio * 100.0,
        row.inside.origin_offload * 100.0,
        percent(seen.throttled),
        percent(seen.errors + seen.unreachable),
        row.cost.per_million_requests,
    )
}

/// Cities by what the choice gains them, the most first; all, or the ends of a long list.
fn cities(out: &mut String, report: &Report) {
    let kinds = report.deployments.iter();
    let Some(choice) = kinds
        .clone()
        .position(|row| row.kind == report.advice.choice)
    else {
        return;
    };
    let (Some(chosen), Some(first)) = (report.deployments.get(choice), report.deployments.first())
    else {
        return;
    };
    // Against the first, or when that is chosen, against the last.
    let (one, other) = if choice == 0 {
        (first, report.deployments.last().unwrap_or(first))
    } else {
        (first, chosen)
    };
    let mut rows: Vec<(f64, usize)> = (0..report.cities.len())
        .filter_map(|city| {
            // Cities that got no answer in one of them gain and lose nothing.
            let at = |row: &Deployment| {
                let latency = &row.cities.get(city)?.seen.latency;
                (latency.count > 0).then_some(latency.p50_ms)
            };
            Some((at(one)? - at(other)?, city))
        })
        .collect();
    rows.sort_by(|a, b| f64::total_cmp(&b.0, &a.0));
    let _ = writeln!(
        out,
        "\n{:<20}{:>30}{:>30}{:>20}",
        "median, ms", one.title, other.title, "gain"
    );
    let hidden = rows.len().saturating_sub(2 * CITIES_SHOWN);
    for (index, (gain, city)) in rows.iter().enumerate() {
        if hidden > 0 && index == CITIES_SHOWN {
            let _ = writeln!(out, "... {hidden} more");
        }
        if hidden > 0 && (CITIES_SHOWN..CITIES_SHOWN + hidden).contains(&index) {
            continue;
        }
        let at = |row: &Deployment| {
            let city = row.cities.get(*city);
            city.map_or(0.0, |city| city.seen.latency.p50_ms)
        };
        let name = report
            .cities
            .get(*city)
            .map_or("", |city| city.name.as_str());
        let _ = writeln!(
            out,
            "{:<20}{:>30.1}{:>30.1}{:>20.1}",
            name.replace('_', " "),
            at(one),
            at(other),
            gain
        );
    }
    out.push('\n');
}

fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.len() + 1 + word.len() > columns {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

const COLUMNS: usize = 100;
/// Of a long list, so many at each end.
const CITIES_SHOWN: usize = 12;
