//! What: what each noun may cost, and the judgement of what it does cost.
//! Shape: a TOML table per noun; [`judge`] makes a verdict for every noun that is in the file or was
//!   counted.
//! Units: instructions of one operation, percent.
//! Errors: a file that cannot be read as budgets, as text with its line.
//! Source: `budgets.toml`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Deserialize;

/// Budgets by noun.
pub(crate) type Budgets = BTreeMap<String, Budget>;

/// What one operation of a noun may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// As counted when the budget was set.
    pub(crate) instructions: u64,
    /// How far above it is still within.
    pub(crate) tolerance_percent: u64,
}

/// What became of a noun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// As budgeted.
    Within,
    /// Below by more than the tolerance: the budget could be lowered.
    Below,
    /// Above by more than the tolerance.
    Above,
    /// Counted, but not in the file.
    NoBudget,
    /// In the file, but not counted.
    NotCounted,
}

/// A noun's budget beside its count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) noun: String,
    pub(crate) was: Option<Budget>,
    pub(crate) is: Option<u64>,
    pub(crate) judgement: Judgement,
}

impl Verdict {
    /// The gate lets it pass.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.judgement, Judgement::Within | Judgement::Below)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = if self.passes() { "ok" } else { "FAILED" };
        write!(out, "{result:<7}{:<24}", self.noun)?;
        match (self.was, self.is) {
            (Some(was), Some(is)) => {
                let (budget, tolerance) = (was.instructions, was.tolerance_percent);
                let change = 100.0 * (is as f64 / budget.max(1) as f64 - 1.0);
                write!(
                    out,
                    "was {budget:>6} instructions, is {is:>6}, {change:+.1} % ({tolerance} % allowed)"
                )?;
            }
            (None, Some(is)) => write!(out, "is {is:>6} instructions, has no budget")?,
            (Some(was), None) => {
                write!(out, "was {:>6} instructions, not counted", was.instructions)?
            }
            (None, None) => {}
        }
        if self.judgement == Judgement::Below {
            write!(out, ": its budget can be lowered")?;
        }
        Ok(())
    }
}

/// Reads a file of budgets.
///
/// # Errors
/// What TOML or the form of a budget says.
pub(crate) fn parse(text: &str) -> Result<Budgets, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// A verdict for each noun, in the order of their names.
pub(crate) fn judge(budgets: &Budgets, counts: &BTreeMap<String, u64>) -> Vec<Verdict> {
    let mut nouns: Vec<&String> = budgets.keys().chain(counts.keys()).collect();
    nouns.sort();
    nouns.dedup();
    let verdict = |noun: &String| {
        let (was, is) = (budgets.get(noun).copied(), counts.get(noun).copied());
        let judgement = match (was, is) {
            (Some(was), Some(is)) => within(was, is),
            (None, _) => Judgement::NoBudget,
            (_, None) => Judgement::NotCounted,
        };
        Verdict {
            noun: noun.clone(),
            was,
            is,
            judgement,
        }
    };
    nouns.into_iter().map(verdict).collect()
}

fn within(was: Budget, is: u64) -> Judgement {
    // Both sides in hundredths of an instruction.
    let (budget, is) = (u128::from(was.instructions) * 100, u128::from(is) * 100);
    let tolerance = u128::from(was.instructions) * u128::from(was.tolerance_percent);
    if is > budget + tolerance {
        Judgement::Above
    } else if is + tolerance < budget {
        Judgement::Below
    } else {
        Judgement::Within
    }
}

/// The file's text with `counts` in it, each with the tolerance that it had.
pub(crate) fn write(before: &Budgets, counts: &BTreeMap<String, u64>) -> String {
    let mut text = HEADING.to_owned();
    for (noun, instructions) in counts {
        let was = before.get(noun);
        let tolerance_percent = was.map_or(TOLERANCE_PERCENT, |was| was.tolerance_percent);
        let _ = write!(
            text,
            "\n[{noun}]\ninstructions = {instructions}\ntolerance_percent = {tolerance_percent}\n"
        );
    }
    text
}

const TOLERANCE_PERCENT: u64 = 5;
const HEADING: &str = "\
# Instructions that one operation of each hot noun takes, and how many percent more it may take.
# scripts/budgets.sh checks them and, with --write, writes them. They hold for the profile that it
# builds with and for no other, and for the compiler of rust-toolchain.toml on x86-64 with AVX2.
";
