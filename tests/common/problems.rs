//! Rows of expected problems, and the only place where they meet a report.
//!
//! Shape: [`Expected`], in the order of the document. Units: lines and columns from 1.
//! Errors: a row that differs prints the whole report. Source: own.

use tidegate::diagnostics::{Problem, Report, Severity};

/// Line, column, severity, and words of the message or the hint.
pub(crate) type Expected<'a> = &'a [(u32, u32, Severity, &'a str)];

/// The only place where rows of problems meet the report.
pub(crate) fn assert_problems(name: &str, report: &Report, expected: Expected<'_>) {
    let mut found: Vec<&Problem> = report.problems().iter().collect();
    found.sort_by_key(|problem| (problem.line, problem.column));
    assert_eq!(found.len(), expected.len(), "{name}:\n{report}");
    for (problem, (line, column, severity, words)) in found.iter().zip(expected) {
        let place = (problem.line, problem.column, problem.severity);
        assert_eq!(place, (*line, *column, *severity), "{name}:\n{report}");
        let hint = problem.hint.as_deref().unwrap_or("");
        let all = format!("{} | {hint}", problem.message);
        assert!(all.contains(words), "{name}: {words:?} not in {all:?}");
        assert!(!hint.is_empty(), "{name}: no hint for {}", problem.message);
        if *line > 0 {
            let shown = report.to_string();
            assert!(
                shown.contains(problem.source_line.trim()),
                "{name}:\n{shown}"
            );
        }
    }
}

pub(crate) const E: Severity = Severity::Error;
