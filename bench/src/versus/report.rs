//! What: results as Markdown: the section of docs/performance.md and the short table.
//! Shape: tables with a row for each case and a column for each contestant; sentences that say
//!   where Tidegate costs less, where more, and who is missing why. `html` uses the same words.
//! Units: as in `results`, rounded to what the spread allows.
//! Errors: a document without the two markers, in their order, is refused.
//! Source: docs/performance.md, "Beside others".

use super::judge::{Verdict, missing, verdicts};
use super::results::{BUSY_AT_PEAK, Case, Contestant, Figures, Latency, Results};

/// The section for the document, without its markers.
pub(crate) fn section(results: &Results) -> String {
    let mut text = String::new();
    let mut part = |title: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("### {title}\n\n{body}\n"));
        }
    };
    part("Conditions", conditions(results));
    part(
        "µs of processor time per request, access log off",
        costs(results, false),
    );
    part("The same with the access log on", costs(results, true));
    part(
        "Where Tidegate costs more, and where less",
        verdicts_list(results),
    );
    part(
        "Requests per second at saturation, access log off",
        rates(results),
    );
    for share_percent in shares_percent(results) {
        let title = format!("p50 / p99 / p99.9 in µs at {share_percent} % of each one's peak");
        part(&title, latencies(results, share_percent));
    }
    let title = "Bytes of private memory per idle connection";
    part(title, idle(results));
    part("What is missing", list(&missing(results)));
    text
}

/// The short table, for the README.
pub(crate) fn table(results: &Results) -> String {
    format!("{}\n{}", host_line(results), costs(results, false))
}

/// `document` with everything between its markers replaced by `section`.
pub(crate) fn replaced(document: &str, section: &str) -> Result<String, String> {
    let missing = |marker| format!("no line {marker}");
    let (before, rest) = document.split_once(BEGIN).ok_or_else(|| missing(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok(format!("{before}{BEGIN}\n\n{section}\n{END}{after}"))
}

/// One line about the host and the day.
pub(crate) fn host_line(results: &Results) -> String {
    let (host, settings) = (&results.host, &results.settings);
    let disturbed = figures(results)
        .map(|figures| figures.disturbed)
        .fold(0.0, f64::max);
    let mut line = format!(
        "{}, {} cores, Linux {}, {}, {}. {} rounds of {} s, {} connections. ",
        host.cpu,
        host.cores,
        host.kernel,
        host.rust,
        host.date,
        settings.rounds,
        settings.seconds,
        settings.connections
    );
    if host.build != "release" {
        line.push_str("The bench was a debug build: ratios mean nothing. ");
    }
    line.push_str(&format!(
        "Disturbed for {:.0} % of the time at most",
        disturbed * 100.0
    ));
    line.push_str(if disturbed > DISTURBED_BEARABLE {
        ": the times are too high.\n"
    } else {
        ".\n"
    });
    line
}

/// A cost with its ratio: `5.10 (1.28)`.
pub(crate) fn cost(figures: &Figures) -> String {
    let cost = number(figures.cost_us.median);
    match figures.ratio {
        Some(ratio) => format!("{cost} ({:.2})", ratio.median),
        None => cost,
    }
}

/// The rate at saturation; where the server was not the limit, what was, and that there is more.
pub(crate) fn rate(figures: &Figures) -> String {
    let rate = format!("{:.0}", figures.rate_per_s.median);
    if figures.is_load_bound {
        format!("load-bound (> {rate})")
    } else if figures.busy < BUSY_AT_PEAK {
        format!("host busy (> {rate})")
    } else {
        rate
    }
}

/// Three percentiles.
pub(crate) fn latency(latency: &Latency) -> String {
    let Latency {
        p50_us,
        p99_us,
        p999_us,
        ..
    } = latency;
    let mut text = format!("{p50_us:.0} / {p99_us:.0} / {p999_us:.0}");
    if latency.is_load_bound {
        text.push_str(", load-bound");
    }
    if latency.failed > 0 {
        text.push_str(&format!(", {} failed", latency.failed));
    }
    text
}

/// The shares of a peak that latencies were taken at.
pub(crate) fn shares_percent(results: &Results) -> Vec<u32> {
    let latencies = figures(results).flat_map(|figures| &figures.latency);
    let mut shares: Vec<u32> = latencies.map(|latency| latency.share_percent).collect();
    shares.sort_unstable();
    shares.dedup();
    shares
}

fn figures(results: &Results) -> impl Iterator<Item = &Figures> {
    let rows = results.cases.iter().flat_map(|case| &case.rows);
    rows.filter_map(|row| row.figures.as_ref())
}

fn verdicts_list(results: &Results) -> String {
    let verdicts = verdicts(results);
    let count = |wanted| {
        verdicts
            .iter()
            .filter(|(verdict, _)| *verdict == wanted)
            .count()
    };
    if verdicts.is_empty() {
        return String::new();
    }
    let sentences: Vec<String> = verdicts
        .iter()
        .map(|(_, sentence)| sentence.clone())
        .collect();
    format!(
        "Against the cheapest rival of each case: more in {}, less in {}, no difference in {}.\n\n{}",
        count(Verdict::More),
        count(Verdict::Less),
        count(Verdict::Same),
        list(&sentences)
    )
}

fn conditions(results: &Results) -> String {
    let mut text = host_line(results);
    text.push_str(&format!(
        "\n{}; `tidegate-bench {}`.\n",
        results.host.wrk, results.settings.command
    ));
    text.push_str("\n| Server | Version | How |\n|---|---|---|\n");
    for contestant in &results.contestants {
        let version = contestant.version.as_deref().unwrap_or("absent");
        text.push_str(&format!(
            "| {} | {version} | {} |\n",
            contestant.name, contestant.note
        ));
    }
    text
}

fn costs(results: &Results, is_logging: bool) -> String {
    let is_measured = |case: &Case| case.rows.iter().any(|row| row.is_logging == is_logging);
    if !results.cases.iter().any(is_measured) {
        return String::new();
    }
    let rows = results.cases.iter().map(|case| {
        let floor = case.figures(&case.floor, false);
        let floor = floor.map_or("-".to_owned(), |f| number(f.cost_us.median));
        let mut cells = vec![case.title.clone(), floor];
        cells.extend(contenders(results).map(|contestant| {
            let figures = case.figures(&contestant.name, is_logging);
            figures.map_or("-".to_owned(), cost)
        }));
        cells
    });
    let floor = "Floor".to_owned();
    let heads = ["Case".to_owned(), floor].into_iter().chain(names(results));
    let table = grid(heads.collect(), rows);
    format!(
        "{table}\nIn brackets: how many times the floor's cost in the same round, the median.\n"
    )
}

fn rates(results: &Results) -> String {
    let rows = results.cases.iter().map(|case| {
        let rate_of = |name: &str| case.figures(name, false).map_or("-".to_owned(), rate);
        let mut cells = vec![case.title.clone(), rate_of(&case.floor)];
        cells.extend(contenders(results).map(|contestant| rate_of(&contestant.name)));
        cells
    });
    if results.cases.is_empty() {
        return String::new();
    }
    let heads = ["Case".to_owned(), "Floor".to_owned()]
        .into_iter()
        .chain(names(results));
    grid(heads.collect(), rows)
}

fn latencies(results: &Results, share_percent: u32) -> String {
    let rows = results.cases.iter().map(|case| {
        let cells = contenders(results).map(|contestant| {
            let figures = case.figures(&contestant.name, false)?;
            figures
                .latency
                .iter()
                .find(|latency| latency.share_percent == share_percent)
        });
        let cells = cells.map(|cell| cell.map_or("-".to_owned(), latency));
        [case.title.clone()].into_iter().chain(cells).collect()
    });
    grid(
        ["Case".to_owned()]
            .into_iter()
            .chain(names(results))
            .collect(),
        rows,
    )
}

fn idle(results: &Results) -> String {
    if results.idle.is_empty() {
        return String::new();
    }
    let rows = results.idle.iter().map(|case| {
        let bytes = |contestant: &Contestant| {
            let row = case
                .rows
                .iter()
                .find(|row| row.contestant == contestant.name)?;
            row.bytes.map(|bytes| format!("{bytes:.0}"))
        };
        let cells = contenders(results).map(bytes);
        let cells = cells.map(|cell| cell.unwrap_or("-".to_owned()));
        [case.title.clone()].into_iter().chain(cells).collect()
    });
    let table = grid(
        ["Case".to_owned()]
            .into_iter()
            .chain(names(results))
            .collect(),
        rows,
    );
    format!(
        "{table}\n{} connections.\n",
        results.settings.idle_connections
    )
}

/// Everybody who has a column: Tidegate and the rivals that took part.
pub(crate) fn contenders(results: &Results) -> impl Iterator<Item = &Contestant> {
    results
        .contestants
        .iter()
        .filter(|c| !c.is_floor && c.absent.is_none())
}

fn names(results: &Results) -> impl Iterator<Item = String> {
    contenders(results).map(|contestant| contestant.name.clone())
}

fn grid(heads: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&heads);
    text.push_str(&"|---".repeat(heads.len()));
    text.push_str("|\n");
    rows.for_each(|cells| text.push_str(&line(&cells)));
    text
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| format!("- {item}\n")).collect()
}

/// Three digits that count.
pub(crate) fn number(number: f64) -> String {
    match number {
        n if n < 10.0 => format!("{n:.2}"),
        n if n < 100.0 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}

const BEGIN: &str = "<!-- versus: begin, generated -->";
const END: &str = "<!-- versus: end -->";
pub(crate) const DISTURBED_BEARABLE: f64 = 0.03;

#[cfg(test)]
mod tests {
    use super::{number, replaced, section, table};
    use crate::versus::results::Results;

    fn sample() -> Results {
        Results::parse(include_str!("../../samples/versus.json")).expect("the stored sample")
    }

    #[test]
    fn the_stored_sample_renders() {
        let results = sample();
        let section = section(&results);
        for case in &results.cases {
            assert!(
                section.contains(&format!("| {} |", case.title)),
                "{}",
                case.title
            );
        }
        for contestant in &results.contestants {
            assert!(
                section.contains(&format!("| {} |", contestant.name)),
                "{}",
                contestant.name
            );
        }
        assert!(table(&results).contains("| Case | Floor | tidegate |"));
        // Each table has as many cells in every row.
        let tables = section.split("\n\n").filter(|part| part.starts_with("| "));
        for table in tables {
            let cells = |line: &str| line.matches('|').count();
            let wanted = table.lines().next().map(cells);
            for line in table.lines().filter(|line| line.starts_with('|')) {
                assert_eq!(Some(cells(line)), wanted, "{line}");
            }
        }
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let begin = "<!-- versus: begin, generated -->";
        let end = "<!-- versus: end -->";
        let document = format!("a\n{begin}\nold\n{end}\nb\n");
        let once = replaced(&document, "new").expect("both markers");
        assert_eq!(once, format!("a\n{begin}\n\nnew\n{end}\nb\n"));
        assert_eq!(replaced(&once, "new").as_ref(), Ok(&once));
        assert!(replaced("no markers", "new").is_err());
        assert!(replaced(begin, "new").is_err());
    }

    #[test]
    fn texts_are_short() {
        for (given, expected) in [(2.344, "2.34"), (23.44, "23.4"), (234.4, "234")] {
            assert_eq!(number(given), expected);
        }
    }
}
