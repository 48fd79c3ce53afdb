//! What: what results say: where Tidegate costs more or less than the cheapest rival, and which
//!   figures are not there, with the reason.
//! Shape: sentences in plain text, which both reports take.
//! Units: as in `results`.
//! Errors: none.
//! Source: docs/performance.md, "Beside others".

use super::report::number;
use super::results::{Case, Contestant, Figures, Results, Spread};

/// What Tidegate's cost is beside the best rival's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    More,
    Same,
    Less,
}

/// One sentence for each case in which Tidegate and a rival were measured.
pub(crate) fn verdicts(results: &Results) -> Vec<(Verdict, String)> {
    let mut verdicts: Vec<(Verdict, String)> = results
        .cases
        .iter()
        .filter_map(|case| verdict(results, case))
        .collect();
    verdicts.sort_by_key(|(verdict, _)| *verdict);
    verdicts
}

/// Every figure that is not there, with its reason; the same reason is said once.
pub(crate) fn missing(results: &Results) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |who: &str, what: &str, why: &str| {
        let key = format!("{who}: {}", brief(why));
        match reasons.iter_mut().find(|(known, _)| *known == key) {
            Some((_, cases)) if cases.iter().any(|case| case == what) => {}
            Some((_, cases)) => cases.push(what.to_owned()),
            None => reasons.push((key, vec![what.to_owned()])),
        }
    };
    for contestant in &results.contestants {
        if let Some(why) = &contestant.absent {
            add(&contestant.name, "all", why);
        }
    }
    for case in &results.cases {
        for row in &case.rows {
            let latency = row.figures.as_ref().and_then(|f| f.latency_absent.as_ref());
            for why in row.absent.iter().chain(latency) {
                add(&row.contestant, &case.name, why);
            }
        }
    }
    for case in &results.idle {
        for row in &case.rows {
            if let Some(why) = &row.absent {
                add(&row.contestant, &case.name, why);
            }
        }
    }
    if let Some(why) = &results.settings.latency_absent {
        add("latencies", "all", why);
    }
    let is_new = |failure: &&String| {
        let rows = results.cases.iter().flat_map(|case| &case.rows);
        let idle = results.idle.iter().flat_map(|case| &case.rows);
        let reasons = rows.filter_map(|row| row.absent.as_ref());
        let mut reasons = reasons.chain(idle.filter_map(|row| row.absent.as_ref()));
        !reasons.any(|reason| failure.ends_with(reason.as_str()))
    };
    for why in results.failures.iter().filter(is_new) {
        add("lost", "a sample", why);
    }
    let said = |(key, cases): (String, Vec<String>)| format!("{key} ({})", cases.join(", "));
    reasons.into_iter().map(said).collect()
}

fn verdict(results: &Results, case: &Case) -> Option<(Verdict, String)> {
    let own = case.figures(SUBJECT, false)?;
    let rivals = results
        .contestants
        .iter()
        .filter(|c| !c.is_floor && c.name != SUBJECT);
    let measured = rivals.filter_map(|rival| Some((rival, case.figures(&rival.name, false)?)));
    let mut measured: Vec<(&Contestant, &Figures)> = measured.collect();
    measured.sort_by(|(_, a), (_, b)| a.cost_us.median.total_cmp(&b.cost_us.median));
    let (best, rival) = measured.first()?;
    let share = own.cost_us.median / rival.cost_us.median - 1.0;
    // Ratios over the floor compare within a round; a host's drift is not in them.
    let is_same = match own.ratio.zip(rival.ratio) {
        Some((own, rival)) => own.overlaps(&rival),
        None => own.cost_us.overlaps(&rival.cost_us),
    };
    let (verdict, words) = if is_same {
        (Verdict::Same, "no difference beyond the spread".to_owned())
    } else if share > 0.0 {
        (Verdict::More, format!("**{:.0} % more**", share * 100.0))
    } else {
        (Verdict::Less, format!("{:.0} % less", -share * 100.0))
    };
    let rivals = match measured.len() {
        1 => "the only rival here".to_owned(),
        count => format!("the least of {count} rivals"),
    };
    let sentence = format!(
        "{}: {words}: {} µs, and {} needs {} µs, {rivals}",
        case.title,
        spread(&own.cost_us),
        best.name,
        spread(&rival.cost_us),
    );
    Some((verdict, sentence))
}

fn spread(spread: &Spread) -> String {
    let Spread { min, median, max } = *spread;
    format!("{} ({} to {})", number(median), number(min), number(max))
}

/// The first and the last line: what happened, and the program's last words.
pub(crate) fn brief(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    let last = lines.next_back().unwrap_or_default();
    let all = format!("{first} {last}");
    let mut short: String = all.trim().chars().take(BRIEF_CHARS_MAX).collect();
    if short.len() < all.trim().len() {
        short.push('…');
    }
    short
}

/// Whom the reports are about.
pub(crate) const SUBJECT: &str = "tidegate";
const BRIEF_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::{Verdict, brief, missing, verdicts};
    use crate::versus::results::{Results, Spread};

    fn sample() -> Results {
        Results::parse(include_str!("../../samples/versus.json")).expect("the stored sample")
    }

    #[test]
    fn losses_are_said_as_wins_are() {
        for (factor, expected) in [(0.1, Verdict::Less), (10.0, Verdict::More)] {
            let times = |spread: Spread| Spread {
                min: spread.min * factor,
                median: spread.median * factor,
                max: spread.max * factor,
            };
            let mut results = sample();
            let case = &mut results.cases[0];
            let rows = case
                .rows
                .iter_mut()
                .filter(|row| row.contestant == super::SUBJECT);
            for figures in rows.filter_map(|row| row.figures.as_mut()) {
                figures.cost_us = times(figures.cost_us);
                figures.ratio = figures.ratio.map(times);
            }
            let title = case.title.clone();
            let verdicts = verdicts(&results);
            let found = verdicts
                .iter()
                .find(|(_, sentence)| sentence.starts_with(&title));
            assert_eq!(found.map(|(verdict, _)| *verdict), Some(expected));
        }
    }

    #[test]
    fn who_is_absent_is_named() {
        let mut results = sample();
        let row = &mut results.cases[0].rows[1];
        row.figures = None;
        row.absent = Some("it ended:\n  line\n  a bad port".to_owned());
        results.contestants[3].absent = Some("not installed".to_owned());
        results.failures.push("a lost round".to_owned());
        let missing = missing(&results).join("\n");
        for words in [
            "it ended: a bad port",
            "not installed (all)",
            "lost: a lost round",
        ] {
            assert!(missing.contains(words), "{words}: {missing}");
        }
    }

    #[test]
    fn reasons_are_short() {
        assert_eq!(brief("one line"), "one line");
        assert_eq!(brief("it ended:\n  much\n  why"), "it ended: why");
        assert_eq!(brief(&"x".repeat(500)).chars().count(), 201);
    }
}
