//! Regular expressions of ECMA 262, as far as a linear-time engine has them.
//!
//! Shape: an expression is translated into the engine's syntax and compiled; a text matches when
//! some part of it does. Units: bytes, and steps for a byte. Ranges: [`PATTERN_BYTES_MAX`] as
//! written, [`COMPILED_BYTES_MAX`] compiled. Errors: look-around, back references, properties of
//! characters, and whatever is no expression. Source: ECMA 262 fifth edition, section 15.10, which
//! JSON Schema draft 4 names.

use regex_automata::{
    meta::{Config, Regex},
    util::syntax,
};
use std::{iter::Peekable, str::Chars};

/// Longest expression.
const PATTERN_BYTES_MAX: usize = 8 * 1024;
/// Most memory of a compiled expression.
const COMPILED_BYTES_MAX: usize = 2 << 20;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// Compiles an expression.
    pub(super) fn compile(source: &str) -> Result<Pattern, String> {
        if source.len() > PATTERN_BYTES_MAX {
            return Err(format!(
                "an expression longer than {PATTERN_BYTES_MAX} bytes"
            ));
        }
        let translated = Translator::translate(source)?;
        let config = Config::new().nfa_size_limit(Some(COMPILED_BYTES_MAX));
        let syntax = syntax::Config::new().nest_limit(64);
        let mut builder = Regex::builder();
        let regex = builder.configure(config).syntax(syntax).build(&translated);
        let regex = regex.map_err(|error| reason(&error))?;
        Ok(Pattern {
            source: source.into(),
            regex,
        })
    }

    /// As it was written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whether some part of `text` matches.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.regex.memory_usage()
    }

    /// What matching `text` can cost at most: a larger expression has more places to be in.
    pub(super) fn steps(&self, text: &str) -> u64 {
        let each = (self.bytes() / BYTES_PER_STEP).saturating_add(STEPS_PER_BYTE);
        let steps = each.saturating_mul(text.len().saturating_add(1));
        u64::try_from(steps).unwrap_or(u64::MAX)
    }
}

/// What a byte costs the smallest expression.
const STEPS_PER_BYTE: usize = 4;
/// Memory of the states that one step passes, if a text is in all of them at once.
const BYTES_PER_STEP: usize = 128;

fn reason(error: &regex_automata::meta::BuildError) -> String {
    match error.syntax_error() {
        Some(error) => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or("not an expression");
            last.trim_start_matches("error: ").to_owned()
        }
        None => "too large an expression".to_owned(),
    }
}

/// Writes an expression in the engine's syntax.
struct Translator<'s> {
    rest: Peekable<Chars<'s>>,
    out: String,
    /// Something stands before that can be repeated.
    has_atom: bool,
}

type Translated<T> = Result<T, &'static str>;

impl<'s> Translator<'s> {
    fn translate(source: &'s str) -> Result<String, String> {
        let mut translator = Translator {
            rest: source.chars().peekable(),
            out: String::with_capacity(source.len()),
            has_atom: false,
        };
        while let Some(character) = translator.rest.next() {
            translator.outside(character)?;
        }
        Ok(translator.out)
    }

    /// One character outside of classes.
    fn outside(&mut self, character: char) -> Translated<()> {
        let was_atom = std::mem::replace(&mut self.has_atom, true);
        match character {
            '\\' => return self.escape(),
            '[' => return self.class(),
            '(' => {
                self.has_atom = false;
                return self.group();
            }
            // Java's and Perl's possessive forms are no expressions here.
            '*' | '+' | '?' if !was_atom => return Err("there is nothing to repeat"),
            '*' | '+' | '?' => self.quantifier(character.to_string()),
            '{' => match self.braces() {
                Some(_) if !was_atom => return Err("there is nothing to repeat"),
                Some(braces) => self.quantifier(braces),
                None => self.out.push_str("\\{"),
            },
            '}' => self.out.push_str("\\}"),
            ']' => self.out.push_str("\\]"),
            '.' => self.out.push_str("[^\\n\\r\\u{2028}\\u{2029}]"),
            '^' | '|' => {
                self.has_atom = false;
                self.out.push(character);
            }
            '$' => {
                self.has_atom = false;
                self.out.push_str("\\z");
            }
            other => self.out.push(other),
        }
        Ok(())
    }

    /// A repetition, perhaps a lazy one.
    fn quantifier(&mut self, text: String) {
        self.out.push_str(&text);
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        self.has_atom = false;
    }

    /// `{2}`, `{2,}` or `{2,3}` behind its brace; anything else is text.
    fn braces(&mut self) -> Option<String> {
        let mut ahead = self.rest.clone();
        let mut text = String::from("{");
        let mut commas = 0;
        loop {
            match ahead.next()? {
                digit if digit.is_ascii_digit() => text.push(digit),
                ',' if commas == 0 && text.len() > 1 => {
                    commas = 1;
                    text.push(',');
                }
                '}' if text.len() > 1 => {
                    text.push('}');
                    self.rest = ahead;
                    return Some(text);
                }
                _ => return None,
            }
        }
    }

    /// What follows a `(`.
    fn group(&mut self) -> Translated<()> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        match (self.rest.next(), self.rest.peek()) {
            (Some(':'), _) => self.out.push_str("?:"),
            (Some('=' | '!'), _) | (Some('<'), Some('=' | '!')) => {
                return Err("look-around is not supported");
            }
            _ => return Err("this kind of group is not supported"),
        }
        Ok(())
    }

    /// An escape outside of classes.
    fn escape(&mut self) -> Translated<()> {
        match self.rest.next() {
            None => return Err("a backslash at the end"),
            Some('b') => {
                self.has_atom = false;
                self.out.push_str("(?-u:\\b)");
            }
            Some('B') => return Err("`\\B` is not supported"),
            Some('1'..='9' | 'k') => return Err("back references are not supported"),
            Some(other) => match class_of(other) {
                Some((class, false)) => self.push_all(&["[", class, "]"]),
                Some((class, true)) => self.push_all(&["[^", class, "]"]),
                None => {
                    let character = self.character(other)?;
                    self.push_character(character);
                }
            },
        }
        Ok(())
    }

    fn push_all(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.out.push_str(part));
    }

    /// The character that an escape stands for.
    fn character(&mut self, escape: char) -> Translated<char> {
        Ok(match escape {
            't' => '\t',
            'n' => '\n',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'r' => '\r',
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => '\0',
            '0' => return Err("octal escapes are not supported"),
            'p' | 'P' => return Err("properties of characters are not supported"),
            'c' => match self.rest.next() {
                Some(letter) if letter.is_ascii_alphabetic() => {
                    char::from(u8::try_from(letter).unwrap_or(0) & 0x1f)
                }
                _ => return Err("`\\c` without a letter"),
            },
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            other => other,
        })
    }

    /// `\xHH` or `\uHHHH` behind its letter, both halves of a pair.
    fn hex(&mut self, digits: u32) -> Translated<char> {
        let high = self.hex_value(digits)?;
        if let Some(character) = char::from_u32(high) {
            return Ok(character);
        }
        let has_low = self.rest.next_if_eq(&'\\').is_some() && self.rest.next_if_eq(&'u').is_some();
        let low = match has_low {
            true => self.hex_value(4)?,
            false => 0,
        };
        let units = [high, low].map(|unit| u16::try_from(unit).unwrap_or(0));
        let mut decoded = char::decode_utf16(units);
        match (decoded.next(), decoded.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err("half of a surrogate pair"),
        }
    }

    fn hex_value(&mut self, digits: u32) -> Translated<u32> {
        let mut value = 0u32;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|digit| digit.to_digit(16));
            let digit = digit.ok_or("an escape without its hexadecimal digits")?;
            value = value << 4 | digit;
        }
        Ok(value)
    }

    /// A class behind its bracket.
    fn class(&mut self) -> Translated<()> {
        let is_negated = self.rest.next_if_eq(&'^').is_some();
        if self.rest.next_if_eq(&']').is_some() {
            // Nothing, and everything.
            self.out.push_str(match is_negated {
                true => "[\\x00-\\u{10FFFF}]",
                false => "[^\\x00-\\u{10FFFF}]",
            });
            return Ok(());
        }
        self.out.push_str(if is_negated { "[^" } else { "[" });
        loop {
            let Some(first) = self.class_member()? else {
                self.out.push(']');
                return Ok(());
            };
            let mut ahead = self.rest.clone();
            let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|end| *end != ']');
            match first {
                Member::Class(text) => self.out.push_str(text),
                Member::Negated(text) => self.push_all(&["[^", text, "]"]),
                Member::One(from) if is_range => {
                    self.rest.next();
                    let Some(Member::One(to)) = self.class_member()? else {
                        return Err("a class as the end of a range");
                    };
                    self.push_character(from);
                    self.out.push('-');
                    self.push_character(to);
                }
                Member::One(character) => self.push_character(character),
            }
        }
    }

    /// The next member of a class; `None` at its end.
    fn class_member(&mut self) -> Translated<Option<Member>> {
        let character = match self.rest.next() {
            None => return Err("a class without its end"),
            Some(']') => return Ok(None),
            Some('\\') => match self.rest.next() {
                None => return Err("a backslash at the end"),
                Some('b') => '\u{8}',
                Some('1'..='9') => return Err("octal escapes are not supported"),
                Some(other) => match class_of(other) {
                    Some((class, false)) => return Ok(Some(Member::Class(class))),
                    Some((class, true)) => return Ok(Some(Member::Negated(class))),
                    None => self.character(other)?,
                },
            },
            Some(other) => other,
        };
        Ok(Some(Member::One(character)))
    }

    /// A character as itself, whatever it means to the engine.
    fn push_character(&mut self, character: char) {
        match character {
            plain if plain.is_alphanumeric() => self.out.push(plain),
            other => {
                self.out.push_str("\\u{");
                self.out.push_str(&format!("{:x}", u32::from(other)));
                self.out.push('}');
            }
        }
    }
}

/// What stands in a class.
enum Member {
    One(char),
    Class(&'static str),
    Negated(&'static str),
}

/// The class that an escape stands for, without its brackets, and whether it is the other one.
fn class_of(escape: char) -> Option<(&'static str, bool)> {
    let class = match escape {
        'd' | 'D' => "0-9",
        'w' | 'W' => "A-Za-z0-9_",
        's' | 'S' => {
            "\\t\\n\\x0b\\f\\r\\x20\\u{a0}\\u{1680}\\u{2000}-\\u{200a}\\u{2028}\\u{2029}\
             \\u{202f}\\u{205f}\\u{3000}\\u{feff}"
        }
        _ => return None,
    };
    Some((class, escape.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn expressions_match_as_ecma_says() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("", &["", "a"], &[]),
            ("a", &["a", "bab"], &["", "A"]),
            ("^a$", &["a"], &["a\n", "ba"]),
            ("^.$", &["a", "é", "🐲"], &["\n", "\r", "\u{2028}", ""]),
            (r"^\d{3}$", &["123"], &["१२३", "12", "1234"]),
            (r"^\w+$", &["a_1"], &["é", "-"]),
            (r"^\W$", &["é", "-"], &["_"]),
            (
                r"^\s$",
                &[" ", "\t", "\u{a0}", "\u{feff}"],
                &["\u{180e}", "a"],
            ),
            (r"^\S$", &["a"], &["\u{2029}"]),
            (r"^\D$", &["a"], &["1"]),
            (r"\bcat\b", &["a cat.", "cat"], &["cats"]),
            (r"^[a-z0-9\-_.]+$", &["a-b_c.1"], &["a+b"]),
            (r"^[\w.%+-]+@[\w-]+$", &["a.b+c@d-e"], &["a@b c"]),
            (r"^[^\s@]+$", &["a"], &["a b", "@"]),
            (r"^[[a&&b~~]+$", &["[a&b~"], &["]"]),
            (r"^[\]\\]$", &["]", "\\"], &["["]),
            (r"^[a-]$", &["a", "-"], &["b"]),
            (r"^[\b]$", &["\u{8}"], &["b"]),
            ("^[]$", &[], &["", "a"]),
            ("^[^]$", &["a", "\n"], &[""]),
            (r"^\cA$", &["\u{1}"], &["A"]),
            (r"^\x41\u0042$", &["AB"], &["ab"]),
            (r"^\uD83D\uDC32$", &["🐲"], &["🐉"]),
            (r"^[\uD83D\uDC32-🐳]$", &["🐳"], &["🐴"]),
            (r"^\/\-\_\@\<\>\ $", &["/-_@<> "], &[]),
            (r"^\a\z$", &["az"], &["a"]),
            ("^a{2}$", &["aa"], &["a"]),
            ("^a{2,}$", &["aaa"], &["a"]),
            ("^a{1,2}?$", &["aa"], &["aaa"]),
            ("^a{,2}$", &["a{,2}"], &["aa"]),
            ("^{a}]$", &["{a}]"], &[]),
            ("^(?:a|b)+?(c)$", &["abc"], &["c"]),
            ("^(GET|POST)$", &["POST"], &["PUT"]),
            (r"^\0$", &["\0"], &["0"]),
            (r"^\v\f$", &["\u{b}\u{c}"], &["vf"]),
            ("#x y", &["#x y"], &["xy"]),
        ];
        for (source, matching, others) in rows {
            let pattern = Pattern::compile(source).unwrap_or_else(|why| panic!("{source}: {why}"));
            for text in *matching {
                assert!(pattern.is_match(text), "{source} on {text:?}");
            }
            for text in *others {
                assert!(!pattern.is_match(text), "{source} on {text:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        let rows = [
            ("(?=a)", "look-around"),
            ("(?!a)", "look-around"),
            ("(?<=a)", "look-around"),
            ("(?<!a)", "look-around"),
            ("(?<name>a)", "group"),
            ("(?i)a", "group"),
            ("(?", "group"),
            (r"(a)\1", "back references"),
            (r"\k<a>", "back references"),
            (r"\p{L}", "properties"),
            (r"\B", "\\B"),
            (r"\01", "octal"),
            (r"[\1]", "octal"),
            (r"\uD83D", "surrogate"),
            (r"\uDC32\uD83D", "surrogate"),
            (r"\u12", "hexadecimal"),
            (r"\c1", "letter"),
            ("a\\", "backslash"),
            ("[\\", "backslash"),
            ("[a", "without its end"),
            ("[z-a]", "range"),
            (r"[a-\d]", "range"),
            ("a++", "repeat"),
            ("a**", "repeat"),
            ("*a", "repeat"),
            ("^*", "repeat"),
            ("(*a)", "repeat"),
            ("a{2}{3}", "repeat"),
            ("(a", "unclosed"),
            ("a)", "unopened"),
            ("a{2,1}", "repetition"),
            ("(a{1000}){1000}", "too large"),
        ];
        for (source, expected) in rows {
            let why = Pattern::compile(source).expect_err(source);
            assert!(why.contains(expected), "{source}: {why}");
        }
        assert!(Pattern::compile(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_err());
        assert!(Pattern::compile(&"(".repeat(500)).is_err());
        let long = Pattern::compile("^.{0,1000}$").expect("is not too large");
        assert!(long.steps(&"a".repeat(1_000)) > long.steps("a"));
    }

    proptest! {
        #[test]
        fn any_text_is_an_expression_or_refused(
            words in prop::collection::vec(prop_oneof![
                Just("[".to_owned()), Just("]".to_owned()), Just("\\".to_owned()),
                Just("{2,3}".to_owned()), Just("(".to_owned()), Just(")".to_owned()),
                Just("^".to_owned()), Just("-".to_owned()), Just("u{".to_owned()),
                Just("*".to_owned()), "[a-z]{1,3}", any::<String>(),
            ], 0..10),
            text in any::<String>(),
        ) {
            if let Ok(pattern) = Pattern::compile(&words.concat()) {
                let _ = pattern.is_match(&text);
            }
        }

        #[test]
        fn an_escaped_text_matches_itself(text in any::<String>()) {
            let escaped: String = text
                .encode_utf16()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect();
            let pattern = Pattern::compile(&format!("^{escaped}$"));
            if let Ok(pattern) = pattern {
                prop_assert!(pattern.is_match(&text));
            }
        }
    }
}
