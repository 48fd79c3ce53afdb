//! A run on the terminal: while it goes on, and when it is over.
//!
//! What it is: a view that redraws itself, lines where there is no terminal, and the summary.
//! Shape: [`Live`] observes a run; [`summary`] is text. Colour only on a terminal and without
//! `NO_COLOR`. Units: times in µs, ms or s as fits. Errors: none; a terminal that is gone is not
//! missed. Source: no-color.org.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
};

use tidegate_edge::base::text::counted;

use crate::{
    plan::{Load, Plan},
    recorder::{CAUSES, Interval},
    report::figures::{Distribution, Figures},
    run::{Observer, Slice},
};

/// How output looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Redraws in place.
    pub is_live: bool,
    /// Colours.
    pub is_coloured: bool,
}

impl Style {
    /// As standard error and the environment want it.
    #[must_use]
    pub fn detect() -> Style {
        let is_live =
            io::stderr().is_terminal() && std::env::var("TERM").is_ok_and(|term| term != "dumb");
        let is_coloured =
            is_live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Style {
            is_live,
            is_coloured,
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.is_coloured {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// Shows a run while it goes on, on standard error.
pub struct Live {
    style: Style,
    title: String,
    duration_s: f64,
    interval_s: f64,
    planned_per_s: Option<f64>,
    rates: Vec<f64>,
    lines_drawn: usize,
    /// Of a view without a terminal: since its last line.
    quiet: Interval,
    quiet_s: f64,
}

impl Live {
    /// A view of the run of `plan`.
    #[must_use]
    pub fn new(plan: &Plan, style: Style) -> Live {
        let planned_per_s = match &plan.load {
            Load::Open(schedule) => Some(schedule.mean_per_s()),
            Load::Closed { .. } => None,
        };
        let pace = planned_per_s.map_or("closed loop".to_owned(), |rate| {
            format!("{} /s planned", count(rate))
        });
        let title = format!(
            "{}  {}, {}, {pace}",
            plan.target.url,
            counted(plan.connections, "connection"),
            counted(plan.workers(), "worker"),
        );
        Live {
            style,
            title,
            duration_s: plan.load.duration_ns() as f64 / 1e9,
            interval_s: plan.interval_ns as f64 / 1e9,
            planned_per_s,
            rates: Vec::new(),
            lines_drawn: 0,
            quiet: Interval::default(),
            quiet_s: 0.0,
        }
    }

    /// Takes the view away, so that the summary stands alone.
    pub fn clear(&mut self) {
        if self.lines_drawn > 0 {
            let mut out = io::stderr().lock();
            let _ = write!(out, "\x1b[{}A\x1b[J", self.lines_drawn);
            let _ = out.flush();
            self.lines_drawn = 0;
        }
    }

    fn draw(&mut self, slice: &Slice, total: &Interval) {
        let view = self.view(slice, total);
        self.clear();
        let mut out = io::stderr().lock();
        let _ = out.write_all(view.as_bytes());
        let _ = out.flush();
        self.lines_drawn = view.lines().count();
    }

    fn view(&self, slice: &Slice, total: &Interval) -> String {
        let s = self.style;
        let mut text = String::new();
        let at_s = slice.start_ns as f64 / 1e9 + self.interval_s;
        let share = (at_s / self.duration_s.max(1e-9)).clamp(0.0, 1.0);
        let _ = writeln!(text, "{}", s.paint(BOLD, &self.title));
        let _ = writeln!(
            text,
            "{} {:>3.0} %  {:.1} of {:.1} s",
            s.paint(CYAN, &bar(share, 40)),
            share * 100.0,
            at_s.min(self.duration_s),
            self.duration_s
        );
        let rate = self.rates.last().copied().unwrap_or(0.0);
        let _ = writeln!(
            text,
            "\n  {:<10}{:>12} /s   {}",
            "rate",
            s.paint(GREEN, &count(rate)),
            s.paint(CYAN, &sparkline(&self.rates, 40))
        );
        let counts = &total.counts;
        let _ = writeln!(
            text,
            "  {:<10}{:>12}      {} sent, {} late, {} waited, {} dropped",
            "scheduled", counts.scheduled, counts.sent, counts.late, counts.waited, counts.dropped
        );
        let failures = counts.failures();
        let colour = if failures > 0 { RED } else { DIM };
        let by_cause: Vec<String> = (CAUSES.iter().zip(counts.failed))
            .filter(|(_, count)| *count > 0)
            .map(|((_, name), count)| format!("{name} {count}"))
            .collect();
        let failed = format!(
            "{:<10}{failures:>12}      {}",
            "failed",
            by_cause.join(", ")
        );
        let _ = writeln!(text, "  {}", s.paint(colour, failed.trim_end()));
        let busy = slice.interval.cpu_ns as f64 / 1e9 / self.interval_s;
        let late = time(slice.interval.lateness.value_at_quantile(0.99));
        let own = format!(
            "{:<10}{:>11.0}%      of a processor, starts late by {late} (p99)",
            "own cost",
            busy * 100.0
        );
        let _ = writeln!(text, "  {}", s.paint(DIM, &own));
        let _ = writeln!(
            text,
            "\n  {}",
            s.paint(BOLD, "latency since the start of the run")
        );
        text.push_str(&histogram(total, s));
        text
    }
}

impl Observer for Live {
    fn slice(&mut self, slice: &Slice, total: &Interval) {
        let span_s = self.interval_s;
        self.rates.push(slice.interval.counts.ok as f64 / span_s);
        if self.style.is_live {
            self.draw(slice, total);
            return;
        }
        self.quiet.add(&slice.interval);
        self.quiet_s += span_s;
        if self.quiet_s + 1e-9 >= LINE_S {
            let part = std::mem::take(&mut self.quiet);
            let at_s = slice.start_ns as f64 / 1e9 + span_s;
            let rate = part.counts.ok as f64 / std::mem::take(&mut self.quiet_s);
            eprintln!("{}", line(at_s, rate, self.planned_per_s, &part));
        }
    }
}

/// Seconds between the lines of a view without a terminal.
const LINE_S: f64 = 1.0;

fn line(at_s: f64, rate: f64, planned: Option<f64>, part: &Interval) -> String {
    let at = |quantile| time(part.latency.value_at_quantile(quantile));
    let planned = planned.map_or(String::new(), |planned| format!(" of {}", count(planned)));
    format!(
        "{at_s:>7.1} s  {:>9}{planned} /s  p50 {}  p99 {}  max {}  failed {}  late {}",
        count(rate),
        at(0.5),
        at(0.99),
        time(part.latency.max()),
        part.counts.failures(),
        part.counts.late
    )
}

/// Bars of the latencies between round edges.
fn histogram(total: &Interval, style: Style) -> String {
    let latency = &total.latency;
    let mut text = String::new();
    if latency.is_empty() {
        return "  nothing answered yet\n".to_owned();
    }
    let (low, high) = (latency.value_at_quantile(0.001), latency.max());
    let mut from = 0;
    let rows: Vec<(u64, u64)> = (edges(low, high).into_iter())
        .map(|edge| {
            let seen = latency.count_between(from, edge - 1);
            from = edge;
            (edge, seen)
        })
        .collect();
    let most = rows.iter().map(|row| row.1).max().unwrap_or(1).max(1);
    for (edge, seen) in rows {
        let _ = writeln!(
            text,
            "  below {:>7}  {}  {:>6.2} %",
            edge_text(edge),
            style.paint(CYAN, &bar(seen as f64 / most as f64, 40)),
            seen as f64 / latency.len() as f64 * 100.0
        );
    }
    let at = |quantile| time(latency.value_at_quantile(quantile));
    let _ = writeln!(
        text,
        "\n  p50 {}   p90 {}   p99 {}   p99.9 {}   max {}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        time(latency.max())
    );
    text
}

/// Upper edges of bars, from above `low` to above `high`: 1, 2 and 5 of each power of ten, or the
/// powers alone where those would be too many.
fn edges(low: u64, high: u64) -> Vec<u64> {
    let of = |steps: &[u64]| -> Vec<u64> {
        let all = (2..12).flat_map(|power| steps.iter().map(move |step| step * 10_u64.pow(power)));
        let beyond = |edge: &u64| *edge > low;
        let mut edges: Vec<u64> = all.filter(beyond).collect();
        let end = edges
            .iter()
            .position(|edge| *edge > high)
            .map_or(edges.len(), |at| at + 1);
        edges.truncate(end);
        edges
    };
    let fine = of(&[1, 2, 5]);
    if fine.len() <= ROWS { fine } else { of(&[1]) }
}

/// An edge without digits behind a point.
fn edge_text(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} µs", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{} s", ns / 1_000_000_000),
    }
}

/// Bars at most.
const ROWS: usize = 12;

/// What a run has shown, for people.
#[must_use]
pub fn summary(figures: &Figures, style: Style) -> String {
    let mut text = String::new();
    let plan = &figures.plan;
    let _ = writeln!(text, "{}", style.paint(BOLD, &plan.url));
    let pace = match plan.rate_per_s {
        Some(rate) => format!("open loop, {} arrivals, {} /s", plan.arrivals, count(rate)),
        None => "closed loop".to_owned(),
    };
    let _ = writeln!(
        text,
        "{pace}, {:.1} s, connections: {}{}{}, workers: {}\n",
        figures.elapsed_s,
        plan.connections,
        if plan.new_connections {
            ", one for each request"
        } else {
            ""
        },
        if plan.tls { ", TLS" } else { "" },
        plan.workers
    );
    let counts = &figures.counts;
    let _ = writeln!(
        text,
        "  {:<11}{:>12}   {:.1} /s",
        "scheduled", counts.scheduled, figures.rates.scheduled_per_s
    );
    let _ = writeln!(
        text,
        "  {:<11}{:>12}   {:.1} /s",
        "sent", counts.sent, figures.rates.sent_per_s
    );
    let _ = writeln!(
        text,
        "  {:<11}{:>12}   {:.1} /s",
        "ok", counts.ok, figures.rates.ok_per_s
    );
    let _ = writeln!(
        text,
        "  {:<11}{:>12}   {} waited for a connection, {} dropped",
        "late", counts.late, counts.waited, counts.dropped
    );
    let causes: Vec<String> = counts
        .failed
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let failures = figures.failures();
    let failed = format!("  {:<11}{failures:>12}   {}", "failed", causes.join(", "));
    let colour = if failures > 0 { RED } else { GREEN };
    let _ = writeln!(text, "{}\n", style.paint(colour, failed.trim_end()));
    let _ = writeln!(
        text,
        "{}",
        style.paint(
            DIM,
            &format!(
                "  {:<11}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
                "", "mean", "p50", "p90", "p99", "p99.9", "max"
            )
        )
    );
    for (name, times) in [
        ("latency", &figures.latency),
        ("service", &figures.service),
        ("lateness", &figures.lateness),
    ] {
        let _ = writeln!(text, "  {name:<11}{}", row(times));
    }
    let own = &figures.generator;
    let _ = writeln!(
        text,
        "\n  {:<11}{:.2} µs for an answer, {:.0} % of a processor",
        "own cost",
        own.cpu_us_per_answer,
        own.busy_share * 100.0
    );
    if let Some(server) = &figures.server {
        let _ = writeln!(
            text,
            "  {:<11}{:.2} µs for an answer, {:.0} % of a processor",
            "server",
            server.cpu_us_per_answer,
            server.busy_share * 100.0
        );
    }
    for finding in &figures.findings {
        let (word, colour) = if finding.is_generator {
            ("generator", RED)
        } else {
            ("note", YELLOW)
        };
        let _ = writeln!(
            text,
            "\n{} {}",
            style.paint(colour, &format!("{word} [{}]", finding.kind)),
            finding.text
        );
    }
    text
}

fn row(times: &Distribution) -> String {
    let mean = crate::worker::whole(times.mean_ns);
    [
        mean,
        times.p50_ns,
        times.p90_ns,
        times.p99_ns,
        times.p999_ns,
        times.max_ns,
    ]
    .map(|ns| format!("{:>10}", time(ns)))
    .concat()
}

/// A time in the unit that fits.
#[must_use]
pub fn time(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}

fn count(value: f64) -> String {
    if value >= 1e6 {
        format!("{:.2}M", value / 1e6)
    } else if value >= 1e4 {
        format!("{:.1}k", value / 1e3)
    } else {
        format!("{value:.0}")
    }
}

fn bar(share: f64, width: usize) -> String {
    let eighths = crate::worker::whole(share.clamp(0.0, 1.0) * width as f64 * 8.0);
    let full = usize::try_from(eighths / 8).unwrap_or(0).min(width);
    let rest = usize::try_from(eighths % 8).unwrap_or(0);
    let mut text = "█".repeat(full);
    if full < width && rest > 0 {
        text.extend(" ▏▎▍▌▋▊▉".chars().nth(rest));
    }
    let used = text.chars().count();
    text.push_str(&" ".repeat(width - used));
    text
}

fn sparkline(values: &[f64], width: usize) -> String {
    let recent = &values[values.len().saturating_sub(width)..];
    let most = recent.iter().copied().fold(0.0, f64::max);
    let level = |value: &f64| {
        let height = if most > 0.0 { value / most * 7.0 } else { 0.0 };
        let step = usize::try_from(crate::worker::whole(height.round())).unwrap_or(0);
        "▁▂▃▄▅▆▇█".chars().nth(step.min(7)).unwrap_or('▁')
    };
    recent.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_places() {
        let rows = [
            (999, "999 ns"),
            (1_500, "1.5 µs"),
            (2_340_000, "2.34 ms"),
            (61_000_000_000, "61.00 s"),
        ];
        for (ns, text) in rows {
            assert_eq!(time(ns), text);
        }
        for (value, text) in [
            (7.0, "7"),
            (9_999.0, "9999"),
            (12_345.0, "12.3k"),
            (2e6, "2.00M"),
        ] {
            assert_eq!(count(value), text);
        }
        for (share, text) in [(0.0, "    "), (0.5, "██  "), (0.54, "██▏ "), (2.0, "████")]
        {
            assert_eq!(bar(share, 4), text);
        }
        assert_eq!(edges(30_000, 400_000), [50_000, 100_000, 200_000, 500_000]);
        assert_eq!(edges(900, 90_000_000).last(), Some(&100_000_000));
        assert_eq!(edges(900, 90_000_000).len(), 6, "powers of ten alone");
        assert_eq!(edge_text(500_000), "500 µs");
        assert_eq!(sparkline(&[0.0, 1.0, 2.0], 2), "▅█");
    }
}
