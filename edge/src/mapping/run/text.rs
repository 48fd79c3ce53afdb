//! Methods of texts.
//!
//! Shape: a part of a text is a range of it, anything else is made on the heap. Units: positions
//! count UTF-16 units, as Java's do; half of a pair prints as `?`. Errors: [`Fault::Method`] where
//! Java throws. Source: `java.lang.String`.

use super::{Run, list::number, reference::as_text};
use crate::mapping::{
    error::{Fault, Halt},
    pattern::Pattern,
    value::{ListKind, Text, Value, small},
    vtl::program::Constant,
};
use std::cmp::Ordering;

impl Run<'_> {
    /// A method of a text.
    pub(super) fn text_method(
        &mut self,
        text: Text,
        name: &str,
        arguments: &[Value],
        constant: &Constant,
    ) -> Result<Value, Halt> {
        self.meter.spend_bytes(text.bytes as usize)?;
        let this = self.text(text);
        let other = as_text(arguments.first());
        let given = other.map(|other| self.text(other));
        Ok(match (name, arguments, given) {
            ("length", [], _) => number(units(this)),
            ("isEmpty", [], _) => Value::Bool(this.is_empty()),
            ("isBlank", [], _) => Value::Bool(this.trim().is_empty()),
            ("toString" | "intern", [], _) => Value::Text(text),
            ("trim" | "strip", [], _) => {
                let start = this.len() - this.trim_start_matches(|c| c <= ' ').len();
                let end = this.trim_end_matches(|c| c <= ' ').len();
                part(text, start, end.max(start))
            }
            ("hashCode", [], _) => Value::Int(hash(this)),
            ("equals", [value], _) => {
                let value = *value;
                Value::Bool(self.equals(Value::Text(text), value)?)
            }
            ("equalsIgnoreCase", [_], Some(given)) => {
                Value::Bool(this.to_lowercase() == given.to_lowercase())
            }
            ("contains", [_], Some(given)) => Value::Bool(find(this, given).is_some()),
            ("startsWith", [_], Some(given)) => Value::Bool(this.starts_with(given)),
            ("endsWith", [_], Some(given)) => Value::Bool(this.ends_with(given)),
            ("compareTo", [_], Some(given)) => Value::Int(compare(this, given)),
            ("compareToIgnoreCase", [_], Some(given)) => {
                Value::Int(compare(&this.to_lowercase(), &given.to_lowercase()))
            }
            ("indexOf", [_], Some(given)) => position(this, find(this, given)),
            ("indexOf", [_, Value::Int(from)], Some(given)) => {
                let from = usize::try_from(*from).unwrap_or(0);
                let start = offset(this, from).map_or(this.len(), |(at, _)| at);
                let rest = this.get(start..).unwrap_or("");
                position(this, find(rest, given).map(|at| at.saturating_add(start)))
            }
            ("lastIndexOf", [_], Some(given)) => position(this, this.rfind(given)),
            ("charAt", [Value::Int(at)], _) => {
                let next = at.saturating_add(1);
                self.substring("charAt", text, *at, next)?
            }
            ("substring" | "subSequence", [Value::Int(from)], _) => {
                let end = i64::from(small(units(this)));
                self.substring(name, text, *from, end)?
            }
            ("substring" | "subSequence", [Value::Int(from), Value::Int(to)], _) => {
                self.substring(name, text, *from, *to)?
            }
            _ => return self.text_made(text, name, arguments, constant),
        })
    }

    /// Methods that make a text, or texts.
    fn text_made(
        &mut self,
        text: Text,
        name: &str,
        arguments: &[Value],
        constant: &Constant,
    ) -> Result<Value, Halt> {
        let first = as_text(arguments.first());
        let second = as_text(arguments.get(1));
        let this = self.text(text);
        let made = match (name, arguments.len(), first, second) {
            ("toUpperCase", 0, _, _) => this.to_uppercase(),
            ("toLowerCase", 0, _, _) => this.to_lowercase(),
            ("concat", 1, Some(first), _) => {
                let mut made = this.to_owned();
                made.push_str(self.text(first));
                made
            }
            ("replace", 2, Some(first), Some(second)) => {
                let (from, to) = (self.text(first), self.text(second));
                self.bounded_growth(this, from, to)?;
                this.replace(from, to)
            }
            ("replaceAll" | "replaceFirst", 2, Some(first), Some(second)) => {
                return self.replaced(text, first, second, name == "replaceAll", constant);
            }
            ("matches", 1, Some(first), _) => {
                let pattern = self.pattern(first, true, constant)?;
                return Ok(Value::Bool(pattern.is_match(self.text(text))));
            }
            ("split", 1, Some(first), _) => return self.split(text, first, 0, constant),
            ("split", 2, Some(first), _) => {
                let Some(Value::Int(limit)) = arguments.get(1) else {
                    return Ok(Value::Null);
                };
                return self.split(text, first, *limit, constant);
            }
            _ => return Ok(Value::Null),
        };
        self.meter.spend_bytes(made.len())?;
        self.kept(&made)
    }

    /// Refuses a replacement whose result could not be kept anyway, before it is made.
    fn bounded_growth(&self, this: &str, from: &str, to: &str) -> Result<(), Halt> {
        let count = (this.len() / from.len().max(1)).saturating_add(1);
        let bytes = count.saturating_mul(to.len()).saturating_add(this.len());
        if bytes <= super::OUTPUT_BYTES_MAX {
            return Ok(());
        }
        let found = this.matches(from).count().saturating_mul(to.len());
        if found > crate::mapping::value::HEAP_BYTES_MAX {
            return Err(Fault::Memory.into());
        }
        Ok(())
    }

    fn substring(&mut self, method: &str, text: Text, from: i64, to: i64) -> Result<Value, Halt> {
        let this = self.text(text);
        let bound = |at: i64| {
            let at = usize::try_from(at).ok();
            at.and_then(|at| offset(this, at))
        };
        let bounds = bound(from).zip(bound(to)).filter(|_| from <= to);
        let Some(((start, cuts_first), (end, cuts_last))) = bounds else {
            let length = units(this);
            let reason = format!("{from} to {to} of {length}");
            return Err(Fault::method(method, reason).into());
        };
        if !cuts_first && !cuts_last {
            return Ok(part(text, start, end));
        }
        // Half of a pair at either side.
        let mut made = String::new();
        if cuts_first && from < to {
            made.push('?');
        }
        made.push_str(this.get(start..end).unwrap_or(""));
        if cuts_last && from < to {
            // The whole character before the cut is in the range; its second half is not.
            made.pop();
            made.push('?');
        }
        self.kept(&made)
    }

    fn replaced(
        &mut self,
        text: Text,
        first: Text,
        second: Text,
        all: bool,
        constant: &Constant,
    ) -> Result<Value, Halt> {
        let pattern = self.pattern(first, false, constant)?;
        let mut made = String::new();
        let bytes_max = crate::mapping::value::HEAP_BYTES_MAX;
        pattern.replace(
            &mut made,
            self.text(text),
            self.text(second),
            all,
            bytes_max,
        )?;
        self.meter.spend_bytes(made.len())?;
        self.kept(&made)
    }

    fn split(
        &mut self,
        text: Text,
        by: Text,
        limit: i64,
        constant: &Constant,
    ) -> Result<Value, Halt> {
        let pattern = self.pattern(by, false, constant)?;
        let this = self.text(text);
        let start = this.as_ptr().addr();
        let pieces = pattern.split(this, limit);
        let pieces = pieces.iter().map(|piece| {
            // A piece is a range of the text it was cut from.
            let at = piece.as_ptr().addr().saturating_sub(start);
            part(text, at, at.saturating_add(piece.len()))
        });
        let pieces: Vec<Value> = pieces.collect();
        self.meter.spend_looks(pieces.len())?;
        self.fixed_list(ListKind::Fixed, &pieces)
    }

    /// The compiled expression: a constant, one that was used before, or a new one.
    fn pattern(
        &mut self,
        source: Text,
        is_whole: bool,
        constant: &Constant,
    ) -> Result<Pattern, Halt> {
        let source = self.text(source);
        if let Constant::Pattern(pattern) = constant
            && pattern.is_of(source, is_whole)
        {
            return Ok(pattern.clone());
        }
        let known = self
            .patterns
            .iter()
            .find(|known| known.is_of(source, is_whole));
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let pattern = Pattern::compile(source, is_whole)?;
        self.meter.spend(PATTERN_STEPS)?;
        if self.patterns.len() < PATTERNS_MAX {
            self.patterns.push(pattern.clone());
        }
        Ok(pattern)
    }
}

/// What compiling an expression costs.
const PATTERN_STEPS: u64 = 500;
/// Expressions that a render remembers.
const PATTERNS_MAX: usize = 16;

/// A range of a text.
fn part(text: Text, start: usize, end: usize) -> Value {
    Value::Text(Text {
        pool: text.pool,
        at: text.at.saturating_add(small(start)),
        bytes: small(end.saturating_sub(start)),
    })
}

/// Length in UTF-16 units.
fn units(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(char::len_utf16).sum()
}

/// Byte offset of a position in UTF-16 units, at most the length; whether it cuts a pair, in which
/// case the offset is behind the character.
fn offset(text: &str, wanted: usize) -> Option<(usize, bool)> {
    if text.is_ascii() {
        return (wanted <= text.len()).then_some((wanted, false));
    }
    let mut passed: usize = 0;
    for (at, character) in text.char_indices() {
        if passed == wanted {
            return Some((at, false));
        }
        passed = passed.saturating_add(character.len_utf16());
        if passed > wanted {
            return Some((at.saturating_add(character.len_utf8()), true));
        }
    }
    (passed == wanted).then_some((text.len(), false))
}

fn position(text: &str, at: Option<usize>) -> Value {
    match at {
        Some(at) => number(units(text.get(..at).unwrap_or(""))),
        None => Value::Int(-1),
    }
}

/// Linear-time search.
fn find(text: &str, wanted: &str) -> Option<usize> {
    memchr::memmem::find(text.as_bytes(), wanted.as_bytes())
}

/// Java's `compareTo`: the difference of the first units that differ, or of the lengths.
fn compare(left: &str, right: &str) -> i64 {
    let (mut a, mut b) = (left.encode_utf16(), right.encode_utf16());
    loop {
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => {}
            (Some(x), Some(y)) => return i64::from(x).saturating_sub(i64::from(y)),
            _ => break,
        }
    }
    match units(left).cmp(&units(right)) {
        Ordering::Equal => 0,
        _ => i64::from(small(units(left))).saturating_sub(i64::from(small(units(right)))),
    }
}

fn hash(text: &str) -> i64 {
    let hash = text.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    i64::from(hash)
}
