//! Java's expressions in the words of the engine.
//!
//! Shape: one pass over the expression writes the engine's text and remembers which byte of the
//! source each piece came from, so that a refusal names its place. Units: byte offsets. Errors:
//! [`Refusal`]. Source: `java.util.regex.Pattern`: classes are ASCII, `.` stops at every line
//! terminator; `(?i)` and `(?s)` are read at the beginning.

use regex_syntax::{Error, ParserBuilder, hir::Hir};
use std::{iter::Peekable, str::CharIndices};

/// Why an expression is not served.
pub(super) struct Refusal {
    /// Offset in the source.
    pub(super) at: usize,
    pub(super) reason: String,
}

/// The expression as the engine compiles it.
pub(super) fn parse(source: &str) -> Result<Hir, Refusal> {
    let mut translator = Translator::new(source);
    translator.run()?;
    let mut parser = ParserBuilder::new().nest_limit(NESTING_MAX).build();
    parser.parse(&translator.out).map_err(|error| {
        let (offset, reason) = match &error {
            Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
            Error::Translate(error) => (error.span().start.offset, error.kind().to_string()),
            _ => (0, "not supported".to_owned()),
        };
        Refusal {
            at: translator.source_of(offset),
            reason,
        }
    })
}

/// Deepest nesting of groups.
const NESTING_MAX: u32 = 64;

type Characters<'s> = Peekable<CharIndices<'s>>;

struct Translator<'s> {
    characters: Characters<'s>,
    out: String,
    /// Where pieces begin: offset in `out`, offset in the source.
    places: Vec<(usize, usize)>,
    /// `(?i)`.
    folds: bool,
    /// `(?s)`.
    dot_is_all: bool,
    /// How many classes are open.
    class_depth: usize,
    /// Whether a class has just been opened, so that `]` is itself.
    is_class_start: bool,
    /// Whether a quantifier has just been read.
    after_quantifier: bool,
}

impl<'s> Translator<'s> {
    fn new(source: &'s str) -> Translator<'s> {
        let flags = source.strip_prefix("(?").and_then(|rest| {
            let (flags, _) = rest.split_once(')')?;
            let known = !flags.is_empty() && flags.bytes().all(|flag| matches!(flag, b'i' | b's'));
            known.then_some(flags)
        });
        let mut characters = source.char_indices().peekable();
        if let Some(flags) = flags {
            for _ in 0..flags.len().saturating_add("(?)".len()) {
                characters.next();
            }
        }
        Translator {
            characters,
            out: String::with_capacity(source.len().saturating_mul(2)),
            places: Vec::new(),
            folds: flags.is_some_and(|flags| flags.contains('i')),
            dot_is_all: flags.is_some_and(|flags| flags.contains('s')),
            class_depth: 0,
            is_class_start: false,
            after_quantifier: false,
        }
    }

    /// The source's offset behind one of the output.
    fn source_of(&self, offset: usize) -> usize {
        let before = self.places.partition_point(|(out, _)| *out <= offset);
        let place = before.checked_sub(1).and_then(|at| self.places.get(at));
        place.map_or(0, |(_, source)| *source)
    }

    fn run(&mut self) -> Result<(), Refusal> {
        while let Some((at, character)) = self.characters.next() {
            self.places.push((self.out.len(), at));
            let refused = |reason: &str| {
                Err(Refusal {
                    at,
                    reason: reason.to_owned(),
                })
            };
            let done = if character == '\\' {
                self.escape()
            } else if self.class_depth > 0 {
                self.in_class(character)
            } else {
                self.outside(character)
            };
            if let Err(reason) = done {
                return refused(reason);
            }
        }
        Ok(())
    }

    fn outside(&mut self, character: char) -> Result<(), &'static str> {
        let is_quantifier = matches!(character, '*' | '+' | '?' | '}');
        // `a++` and `a*+` are possessive in Java, a repetition of a repetition here.
        if character == '+' && self.after_quantifier {
            return Err("possessive quantifiers are not supported");
        }
        self.after_quantifier = is_quantifier;
        match character {
            '.' if self.dot_is_all => self.out.push_str("(?s:.)"),
            '.' => self.out.push_str("[^\\n\\r\\x{85}\\x{2028}\\x{2029}]"),
            '[' => self.open_class(),
            '(' => {
                self.out.push('(');
                return self.group();
            }
            letter if self.folds && letter.is_ascii_alphabetic() => {
                let both = [letter.to_ascii_lowercase(), letter.to_ascii_uppercase()];
                self.out.push('[');
                self.out.extend(both);
                self.out.push(']');
            }
            other => self.out.push(other),
        }
        Ok(())
    }

    /// What follows a parenthesis: only groups, with or without a name.
    fn group(&mut self) -> Result<(), &'static str> {
        let mut ahead = self.characters.clone().map(|(_, character)| character);
        if ahead.next() != Some('?') {
            return Ok(());
        }
        match (ahead.next(), ahead.next()) {
            (Some(':'), _) => {}
            (Some('<'), Some(letter)) if letter.is_ascii_alphabetic() => {}
            (Some('=' | '!' | '<'), _) => return Err("look-around is not supported"),
            (Some('>'), _) => return Err("atomic groups are not supported"),
            _ => return Err("of the flags, (?i) and (?s) are supported, at the beginning"),
        }
        self.characters.next();
        self.out.push('?');
        // The name of a group is not an expression.
        if self.characters.next_if(|(_, next)| *next == '<').is_some() {
            self.out.push('<');
            for (_, character) in self.characters.by_ref() {
                self.out.push(character);
                if character == '>' {
                    break;
                }
            }
        }
        Ok(())
    }

    fn open_class(&mut self) {
        self.out.push('[');
        self.class_depth = self.class_depth.saturating_add(1);
        self.is_class_start = true;
        self.after_quantifier = false;
        if self.characters.next_if(|(_, next)| *next == '^').is_some() {
            self.out.push('^');
        }
    }

    fn in_class(&mut self, character: char) -> Result<(), &'static str> {
        let is_first = std::mem::replace(&mut self.is_class_start, false);
        match character {
            '[' => self.open_class(),
            ']' if is_first => self.out.push_str("\\]"),
            ']' => {
                self.out.push(']');
                self.class_depth = self.class_depth.saturating_sub(1);
            }
            '-' if self.characters.peek().is_some_and(|(_, next)| *next == '-') => {
                return Err("`--` in a class is not supported; escape it");
            }
            // Words of the engine that Java does not have.
            ':' | '~' => {
                self.out.push('\\');
                self.out.push(character);
            }
            letter if self.folds && letter.is_ascii_alphabetic() => self.fold_range(letter),
            other => self.out.push(other),
        }
        Ok(())
    }

    /// A letter of a class, or a range of letters, in both cases.
    fn fold_range(&mut self, from: char) {
        let mut ahead = self.characters.clone();
        let dash = ahead.next_if(|(_, next)| *next == '-');
        let end = dash.and_then(|_| ahead.next_if(|(_, next)| next.is_ascii_alphabetic()));
        if end.is_some() {
            self.characters = ahead;
        }
        for both in [char::to_ascii_lowercase, char::to_ascii_uppercase] {
            self.out.push(both(&from));
            if let Some((_, to)) = end {
                self.out.push('-');
                self.out.push(both(&to));
            }
        }
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        self.after_quantifier = false;
        self.is_class_start = false;
        let Some((_, escaped)) = self.characters.next() else {
            return Err("a backslash at the end");
        };
        let class = match escaped {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            'w' => "[A-Za-z0-9_]",
            'W' => "[^A-Za-z0-9_]",
            's' => "[ \\t\\n\\x0B\\f\\r]",
            'S' => "[^ \\t\\n\\x0B\\f\\r]",
            'h' => BLANKS,
            'v' => "[\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}]",
            'e' => "\\x1B",
            'b' | 'Z' if self.class_depth > 0 => return Err("this escape is none of a class"),
            'b' => "(?-u:\\b)",
            'B' => return Err("`\\B` is not supported"),
            'Z' => "(?:\\n?\\z)",
            'p' | 'P' => return self.named_class(escaped == 'P'),
            '1'..='9' | 'k' => return Err("back references are not supported"),
            't' | 'n' | 'r' | 'f' | 'a' | 'A' | 'z' | 'x' | 'u' => {
                self.out.push('\\');
                self.out.push(escaped);
                return Ok(());
            }
            other if other.is_ascii_alphanumeric() => return Err("this escape is not supported"),
            other => {
                // `\<` and `\>` are words of the engine.
                if other.is_ascii_punctuation() && !matches!(other, '<' | '>') {
                    self.out.push('\\');
                }
                self.out.push(other);
                return Ok(());
            }
        };
        self.out.push_str(class);
        Ok(())
    }

    /// `\p{Alpha}` and its like.
    fn named_class(&mut self, is_negated: bool) -> Result<(), &'static str> {
        let rest: String = (self.characters.clone().map(|(_, character)| character))
            .take(NAME_CHARACTERS_MAX)
            .collect();
        let name = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let known = name.and_then(|(name, _)| {
            let row = POSIX.iter().find(|(known, _)| *known == name)?;
            Some((name.len(), row.1))
        });
        let Some((name_bytes, ranges)) = known else {
            return Err("of `\\p`, only the POSIX classes such as \\p{Alpha} are supported");
        };
        for _ in 0..name_bytes.saturating_add("{}".len()) {
            self.characters.next();
        }
        self.out.push_str(if is_negated { "[^" } else { "[" });
        self.out.push_str(ranges);
        self.out.push(']');
        Ok(())
    }
}

const NAME_CHARACTERS_MAX: usize = 16;

const BLANKS: &str =
    "[ \\t\\x{a0}\\x{1680}\\x{180e}\\x{2000}-\\x{200a}\\x{202f}\\x{205f}\\x{3000}]";

const POSIX: &[(&str, &str)] = &[
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", "\\x00-\\x7F"),
    ("Alpha", "A-Za-z"),
    ("Digit", "0-9"),
    ("Alnum", "A-Za-z0-9"),
    ("Punct", "!-/\\:-@\\[-`{-\\~"),
    ("Graph", "!-\\~"),
    ("Print", " -\\~"),
    ("Blank", " \\t"),
    ("Cntrl", "\\x00-\\x1F\\x7F"),
    ("XDigit", "0-9A-Fa-f"),
    ("Space", " \\t\\n\\x0B\\f\\r"),
];
