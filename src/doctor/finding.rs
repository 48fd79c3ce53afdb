//! What the doctor found, and how it is printed.
//!
//! Shape: a [`Report`] is a list of [`Finding`]s, each with a level, what was seen, why it matters
//! and the cure. Units: none. Errors: none. Source: NO_COLOR is no-color.org's convention.

use serde::Serialize;
use std::fmt::Write;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// The gateway runs, but less well or less large than it could.
    Warn,
    /// The gateway cannot do here what is wanted.
    Fail,
}

/// One thing about the host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at, a few words that stay the same from run to run.
    pub name: String,
    /// What was seen.
    pub seen: String,
    /// Why it matters to a gateway.
    pub why: &'static str,
    /// What to do, as a command or a setting; absent when there is nothing to do.
    pub cure: Option<String>,
}

/// All that was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// No ring can be made here: nothing else matters before that is cured.
    pub ring_refused: bool,
    /// In the order they are to be read.
    pub findings: Vec<Finding>,
}

/// How text is printed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Style {
    /// With ANSI colours.
    pub colour: bool,
    /// With the reason of good findings too.
    pub verbose: bool,
}

impl Finding {
    /// Nothing to do.
    pub(super) fn ok(name: &str, seen: impl Into<String>, why: &'static str) -> Finding {
        Finding {
            level: Level::Ok,
            name: name.into(),
            seen: seen.into(),
            why,
            cure: None,
        }
    }

    /// The same finding, at `level` and with its cure.
    pub(super) fn but(self, level: Level, cure: impl Into<String>) -> Finding {
        Finding {
            level,
            cure: Some(cure.into()),
            ..self
        }
    }
}

impl Report {
    /// Whether anything fails.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.count(Level::Fail) > 0
    }

    /// How many findings have this level.
    fn count(&self, level: Level) -> usize {
        let of_level = |finding: &&Finding| finding.level == level;
        self.findings.iter().filter(of_level).count()
    }

    /// For people: one aligned line per finding; what is amiss has its reason and cure below.
    #[must_use]
    pub fn to_text(&self, style: Style) -> String {
        let widths = self.findings.iter().map(|finding| finding.name.len());
        let width = widths.max().unwrap_or(0);
        let mut text = String::new();
        for finding in &self.findings {
            let (word, colour) = match finding.level {
                Level::Ok => ("ok  ", "32"),
                Level::Warn => ("warn", "33"),
                Level::Fail => ("FAIL", "31;1"),
            };
            let word = if style.colour {
                format!("\x1b[{colour}m{word}\x1b[0m")
            } else {
                word.to_owned()
            };
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{word}  {:width$}  {}", finding.name, finding.seen);
            let amiss = finding.level != Level::Ok;
            if amiss || style.verbose {
                let _ = writeln!(text, "{:6}{:width$}  why:  {}", "", "", finding.why);
            }
            if let Some(cure) = &finding.cure {
                let _ = writeln!(text, "{:6}{:width$}  cure: {cure}", "", "");
            }
        }
        let _ = writeln!(text, "\n{}", self.verdict());
        text
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> String {
        match serde_json::to_string_pretty(self) {
            Ok(json) => json + "\n",
            Err(error) => format!("{{\"error\": {:?}}}\n", error.to_string()),
        }
    }

    fn verdict(&self) -> String {
        let number = |count: usize, word: &str| match count {
            1 => format!("1 {word}"),
            count => format!("{count} {word}s"),
        };
        let warnings = number(self.count(Level::Warn), "warning");
        if self.ring_refused {
            return "The gateway cannot run here: io_uring is refused.".into();
        }
        match self.count(Level::Fail) {
            0 => format!("The gateway can run here; {warnings}."),
            failures => format!("{}, {warnings}.", number(failures, "failure")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            ring_refused: false,
            findings: vec![
                Finding::ok("kernel", "6.1", "a floor"),
                Finding::ok("open files", "64", "few").but(Level::Fail, "ulimit -n 9"),
            ],
        }
    }

    #[test]
    fn text_is_aligned_and_plain_unless_asked() {
        let plain = "ok    kernel      6.1\n\
                     FAIL  open files  64\n\
                     \x20                 why:  few\n\
                     \x20                 cure: ulimit -n 9\n\
                     \n1 failure, 0 warnings.\n";
        assert_eq!(report().to_text(Style::default()), plain);
        let verbose = Style {
            verbose: true,
            colour: true,
        };
        let text = report().to_text(verbose);
        assert!(text.contains("why:  a floor"), "{text}");
        assert!(text.contains("\x1b[31;1mFAIL\x1b[0m"), "{text}");
    }

    #[test]
    fn json_has_every_field() {
        let json: serde_json::Value = serde_json::from_str(&report().to_json()).expect("json");
        assert_eq!(json["ring_refused"], false);
        assert_eq!(json["findings"][0]["level"], "ok");
        assert_eq!(json["findings"][0]["cure"], serde_json::Value::Null);
        assert_eq!(json["findings"][1]["cure"], "ulimit -n 9");
    }

    #[test]
    fn the_verdict_counts() {
        let mut given = report();
        assert!(given.failed());
        given.findings.remove(1);
        assert!(!given.failed());
        assert_eq!(given.verdict(), "The gateway can run here; 0 warnings.");
        given.ring_refused = true;
        assert!(given.verdict().contains("refused"));
    }
}
