//! What is wrong with a document, shown so that a person can fix it.
//!
//! Shape: a [`Report`] is a list of [`Problem`]s; each names file, line, column, the source line
//! and a hint. All problems of a run are collected first and printed at once.
//! Units: lines and columns count from 1; columns count characters, not bytes.
//! Errors: none; a report with errors makes the caller end with [`EXIT_INVALID`].
//! Source: the look follows miette's; colour only on a terminal and without `NO_COLOR`.

use std::{
    fmt::{self, Write},
    io::IsTerminal,
};

use tidegate_edge::base::text::counted;

/// Exit code of a run whose configuration is invalid.
pub const EXIT_INVALID: u8 = 3;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is served.
    Error,
    /// Served, but not as the document says.
    Warning,
}

/// One thing to fix, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// As the user named it.
    pub file: String,
    /// JSON pointer into the document; empty for the document itself and for syntax errors.
    pub pointer: String,
    /// From 1; 0 when there is no place (a file that cannot be read).
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// How many characters the caret underlines, at least 1.
    pub width: u32,
    pub source_line: String,
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    /// A problem with a whole file: missing, unreadable, too large.
    pub fn of_file(file: &str, message: impl Into<String>, hint: Option<String>) -> Problem {
        Problem {
            severity: Severity::Error,
            file: file.to_owned(),
            pointer: String::new(),
            line: 0,
            column: 0,
            width: 0,
            source_line: String::new(),
            message: message.into(),
            hint,
        }
    }
}

/// Every problem of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    problems: Vec<Problem>,
}

impl Report {
    pub fn of(problems: Vec<Problem>) -> Report {
        Report { problems }
    }

    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Takes over what another part of the run found.
    pub fn absorb(&mut self, other: Report) {
        self.problems.extend(other.problems);
    }

    /// In the order found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub fn has_errors(&self) -> bool {
        self.error_count() > 0
    }

    pub fn error_count(&self) -> usize {
        let is_error = |problem: &&Problem| problem.severity == Severity::Error;
        self.problems.iter().filter(is_error).count()
    }

    pub fn warning_count(&self) -> usize {
        self.problems.len().saturating_sub(self.error_count())
    }

    /// All problems by file, line and column, then a line that counts them.
    pub fn render(&self, colour: Colour) -> String {
        let mut sorted: Vec<&Problem> = self.problems.iter().collect();
        sorted.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        let mut out = String::new();
        for problem in sorted {
            render_problem(&mut out, problem, colour);
        }
        if !self.problems.is_empty() {
            let _ = writeln!(
                out,
                "{}, {}",
                counted(self.error_count(), "error"),
                counted(self.warning_count(), "warning")
            );
        }
        out
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.render(Colour::Never))
    }
}

/// Whether escape sequences are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Always,
    Never,
}

impl Colour {
    /// Colour for standard error: a terminal, and `NO_COLOR` unset or empty.
    pub fn for_stderr() -> Colour {
        Colour::of(std::io::stderr().is_terminal())
    }

    /// The same for standard output.
    pub fn for_stdout() -> Colour {
        Colour::of(std::io::stdout().is_terminal())
    }

    fn of(is_terminal: bool) -> Colour {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if !refused && is_terminal {
            Colour::Always
        } else {
            Colour::Never
        }
    }

    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        match self {
            Colour::Always => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Colour::Never => text.to_owned(),
        }
    }
}

/// The known word nearest to `given`, if it is near enough to be a slip.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_ascii_lowercase();
    let allowed = (given.len() / 3).max(1);
    known
        .into_iter()
        .map(|word| {
            let distance = strsim::damerau_levenshtein(&lower, &word.to_ascii_lowercase());
            (distance, word)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The hint for a word that is not known.
pub fn did_you_mean(given: &str, known: &[&str]) -> Option<String> {
    if given.len() <= WORD_BYTES_MAX
        && let Some(word) = nearest(given, known.iter().copied())
    {
        return Some(format!("did you mean `{word}`?"));
    }
    if known.is_empty() {
        return None;
    }
    Some(format!("known here: {}", known.join(", ")))
}

/// Longer words are no slip of the pen, and comparing them costs a product of lengths.
const WORD_BYTES_MAX: usize = 128;

/// A longer source line is cut around the caret.
const LINE_CHARS_MAX: usize = 110;

const RED: &str = "31";
const YELLOW: &str = "33";
const CYAN: &str = "36";
const DIM: &str = "2";

fn render_problem(out: &mut String, problem: &Problem, colour: Colour) {
    let (mark, word, code) = match problem.severity {
        Severity::Error => ("×", "error", RED),
        Severity::Warning => ("⚠", "warning", YELLOW),
    };
    let _ = writeln!(
        out,
        "  {} {}: {}",
        colour.paint(code, mark),
        colour.paint(code, word),
        printable(&problem.message)
    );
    if problem.line == 0 {
        let _ = writeln!(out, "   ╭─[{}]", printable(&problem.file));
    } else {
        render_place(out, problem, colour, code);
    }
    let at = if problem.pointer.is_empty() {
        String::new()
    } else {
        format!(" at {}", printable(&problem.pointer))
    };
    let _ = writeln!(out, "   ╰──{}", colour.paint(DIM, &at));
    if let Some(hint) = &problem.hint {
        let _ = writeln!(out, "  {}: {}", colour.paint(CYAN, "help"), printable(hint));
    }
    out.push('\n');
}

fn render_place(out: &mut String, problem: &Problem, colour: Colour, code: &str) {
    let number = problem.line.to_string();
    let blank = " ".repeat(number.len());
    let chars: Vec<char> = problem.source_line.chars().collect();
    let at = usize::try_from(problem.column.saturating_sub(1)).unwrap_or(0);
    let from = if chars.len() > LINE_CHARS_MAX {
        at.saturating_sub(LINE_CHARS_MAX / 3)
    } else {
        0
    };
    let shown: String = chars.iter().skip(from).take(LINE_CHARS_MAX).collect();
    let shown = printable(&shown.replace('\t', " "));
    let caret_at = at.saturating_sub(from);
    let room = LINE_CHARS_MAX.saturating_sub(caret_at).max(1);
    let width = usize::try_from(problem.width).unwrap_or(1).clamp(1, room);
    let _ = writeln!(
        out,
        " {blank} ╭─[{}:{}:{}]",
        printable(&problem.file),
        problem.line,
        problem.column
    );
    let _ = writeln!(out, " {} │ {shown}", colour.paint(DIM, &number));
    let _ = writeln!(
        out,
        " {blank} · {}{}",
        " ".repeat(caret_at),
        colour.paint(code, &"^".repeat(width))
    );
}

/// Control characters of a hostile document must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        Problem {
            severity: Severity::Error,
            file: "petstore.yaml".to_owned(),
            pointer: "/paths/~1pets".to_owned(),
            line: 12,
            column: 3,
            width: 4,
            source_line: "  urii: https://example.com".to_owned(),
            message: "`urii` is not known".to_owned(),
            hint: Some("did you mean `uri`?".to_owned()),
        }
    }

    #[test]
    fn a_problem_shows_place_line_caret_and_hint() {
        let mut report = Report::default();
        report.push(problem());
        let expected = "  × error: `urii` is not known
    ╭─[petstore.yaml:12:3]
 12 │   urii: https://example.com
    ·   ^^^^
   ╰── at /paths/~1pets
  help: did you mean `uri`?

1 error, 0 warnings
";
        assert_eq!(report.to_string(), expected);
        assert!(report.render(Colour::Always).contains("\u{1b}[31m"));
    }

    #[test]
    fn long_lines_are_cut_and_controls_hidden() {
        let mut long = problem();
        long.source_line = format!("{}\u{1b}[31m!{}", "a".repeat(5_000), "b".repeat(5_000));
        long.column = 5_001;
        long.width = 9_000;
        let mut report = Report::default();
        report.push(long);
        let shown = report.to_string();
        assert!(!shown.contains('\u{1b}'));
        assert!(
            shown.lines().all(|line| line.chars().count() < 140),
            "{shown}"
        );
    }

    #[test]
    fn slips_are_recognized() {
        let known = ["uri", "type", "httpMethod"];
        let rows = [
            ("urii", Some("uri")),
            ("htpMethod", Some("httpMethod")),
            ("HTTPMETHOD", Some("httpMethod")),
            ("tpye", Some("type")),
            ("credentials", None),
        ];
        for (given, expected) in rows {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
    }
}
