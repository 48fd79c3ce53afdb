//! Java regular expressions, as far as a linear-time engine has them.
//!
//! Shape: a [`Pattern`] is a plain text when nothing in it is special, or a compiled expression.
//! Units: bytes; characters from 1 in errors. Errors: [`Fault::Pattern`] for look-around, back
//! references, possessive quantifiers and anything else that is not supported. Source:
//! `java.util.regex.Pattern`; replacements know `$1`, `${name}` and `\$`.

mod translate;

use super::error::Fault;
use regex_automata::{
    meta::{Config, Regex},
    util::captures::Captures,
};
use regex_syntax::hir::{Hir, Look};

/// Longest expression.
const PATTERN_BYTES_MAX: usize = 4_096;
/// Most memory of a compiled expression.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// One compiled expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: Box<str>,
    /// Compiled to match whole texts.
    is_whole: bool,
    engine: Engine,
}

#[derive(Clone, Debug)]
enum Engine {
    /// Nothing special in it.
    Plain(String),
    Regex(Box<Regex>),
}

impl Pattern {
    /// Compiles `source`, to find it in texts or to match whole ones.
    pub(super) fn compile(source: &str, is_whole: bool) -> Result<Pattern, Fault> {
        let refused = |reason: String| Fault::Pattern {
            pattern: source.chars().take(80).collect(),
            reason,
        };
        if source.len() > PATTERN_BYTES_MAX {
            return Err(refused(format!("longer than {PATTERN_BYTES_MAX} bytes")));
        }
        let engine = match plain(source) {
            Some(plain) => Engine::Plain(plain),
            None => {
                let mut parsed = translate::parse(source).map_err(|refusal| {
                    let before = source.get(..refusal.at).unwrap_or(source);
                    let position = before.chars().count().saturating_add(1);
                    refused(format!("{} (character {position})", refusal.reason))
                })?;
                if is_whole {
                    parsed =
                        Hir::concat(vec![Hir::look(Look::Start), parsed, Hir::look(Look::End)]);
                }
                let config = Config::new().nfa_size_limit(Some(COMPILED_BYTES_MAX));
                let mut builder = Regex::builder();
                let built = builder.configure(config).build_from_hir(&parsed);
                let too_large = |_| refused("too large when compiled".to_owned());
                Engine::Regex(Box::new(built.map_err(too_large)?))
            }
        };
        Ok(Pattern {
            source: source.into(),
            is_whole,
            engine,
        })
    }

    /// Whether it was compiled from this text for this use.
    pub(super) fn is_of(&self, source: &str, is_whole: bool) -> bool {
        &*self.source == source && self.is_whole == is_whole
    }

    /// Whether it matches `text`; only for one compiled to match whole texts.
    pub(super) fn is_match(&self, text: &str) -> bool {
        match &self.engine {
            Engine::Plain(plain) => plain == text,
            Engine::Regex(regex) => regex.is_match(text),
        }
    }

    /// Appends `text` to `out` with its matches replaced, the first of them or all.
    pub(super) fn replace(
        &self,
        out: &mut String,
        text: &str,
        replacement: &str,
        all: bool,
        bytes_max: usize,
    ) -> Result<(), Fault> {
        let mut last = 0;
        let bounded = |out: &String| {
            if out.len() > bytes_max {
                return Err(Fault::Memory);
            }
            Ok(())
        };
        match &self.engine {
            Engine::Plain(plain) => {
                let is_plain = !replacement.contains(['$', '\\']);
                let count = if all { usize::MAX } else { 1 };
                for (at, _) in text.match_indices(plain.as_str()).take(count) {
                    out.push_str(text.get(last..at).unwrap_or(""));
                    if is_plain {
                        out.push_str(replacement);
                    } else {
                        // There is only the whole match.
                        expand(out, replacement, |group| match group {
                            Group::Number(0) => Some(Some(plain)),
                            _ => None,
                        })?;
                    }
                    last = at.saturating_add(plain.len());
                    bounded(out)?;
                }
            }
            Engine::Regex(regex) => {
                let mut captures = regex.create_captures();
                let count = if all { usize::MAX } else { 1 };
                let mut searcher = regex_automata::Input::new(text);
                for _ in 0..count {
                    regex.search_captures(&searcher, &mut captures);
                    let Some(found) = captures.get_match() else {
                        break;
                    };
                    out.push_str(text.get(last..found.start()).unwrap_or(""));
                    expand(out, replacement, |group| group_text(&captures, text, group))?;
                    last = found.end();
                    bounded(out)?;
                    let Some(next) = next_start(text, found.start(), found.end()) else {
                        break;
                    };
                    searcher.set_start(next);
                }
            }
        }
        out.push_str(text.get(last..).unwrap_or(""));
        Ok(())
    }

    /// Pieces of `text` between matches as Java's `split` has them: no empty ones at the end, and
    /// none before a match of no length at the start.
    pub(super) fn split<'t>(&self, text: &'t str, limit: i64) -> Vec<&'t str> {
        let mut pieces = Vec::new();
        let mut last = 0;
        let pieces_max = usize::try_from(limit).ok().filter(|limit| *limit > 0);
        let is_full = |count: usize| pieces_max.is_some_and(|max| count.saturating_add(1) >= max);
        let mut add = |from: usize, to: usize, pieces: &mut Vec<&'t str>| {
            if to == 0 && from == to {
                return;
            }
            pieces.push(text.get(last..from).unwrap_or(""));
            last = to;
        };
        match &self.engine {
            Engine::Plain(plain) => {
                for (at, _) in text.match_indices(plain.as_str()) {
                    if is_full(pieces.len()) {
                        break;
                    }
                    add(at, at.saturating_add(plain.len()), &mut pieces);
                }
            }
            Engine::Regex(regex) => {
                for found in regex.find_iter(text) {
                    if is_full(pieces.len()) {
                        break;
                    }
                    if found.is_empty() && found.start() == text.len() {
                        continue;
                    }
                    add(found.start(), found.end(), &mut pieces);
                }
            }
        }
        if pieces.is_empty() {
            return vec![text];
        }
        pieces.push(text.get(last..).unwrap_or(""));
        if limit == 0 {
            while pieces.last().is_some_and(|piece| piece.is_empty()) {
                pieces.pop();
            }
        }
        pieces
    }
}

/// An expression that matches whole texts, as a selection pattern does.
#[derive(Clone, Debug)]
pub struct WholePattern {
    pattern: Pattern,
}

impl WholePattern {
    /// Compiles `source`.
    ///
    /// # Errors
    /// [`Fault::Pattern`] with the reason and the character.
    pub fn compile(source: &str) -> Result<WholePattern, Fault> {
        Pattern::compile(source, true).map(|pattern| WholePattern { pattern })
    }

    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.pattern.is_match(text)
    }

    /// The expression as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.pattern.source
    }
}

/// The text that an expression without special characters stands for.
fn plain(source: &str) -> Option<String> {
    let mut out = String::with_capacity(source.len());
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next()? {
                escaped if escaped.is_ascii_punctuation() => out.push(escaped),
                _ => return None,
            },
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' | '|' => {
                return None;
            }
            other => out.push(other),
        }
    }
    (!out.is_empty()).then_some(out)
}

fn group_text<'t>(captures: &Captures, text: &'t str, group: Group<'_>) -> Option<Option<&'t str>> {
    let span = match group {
        Group::Number(number) if number >= captures.group_len() => return None,
        Group::Number(number) => captures.get_group(number),
        Group::Name(name) => {
            let known = captures.group_info().to_index(captures.pattern()?, name)?;
            captures.get_group(known)
        }
    };
    Some(span.and_then(|span| text.get(span.start..span.end)))
}

/// A group that a replacement names.
enum Group<'g> {
    Number(usize),
    Name(&'g str),
}

/// Appends a replacement; `group` gives `None` for a group that is not there.
fn expand<'t>(
    out: &mut String,
    replacement: &str,
    group: impl Fn(Group<'_>) -> Option<Option<&'t str>>,
) -> Result<(), Fault> {
    let refused = |reason: &str| Err(Fault::method("replacement", reason));
    let mut rest = replacement;
    while let Some(at) = rest.find(['$', '\\']) {
        out.push_str(rest.get(..at).unwrap_or(""));
        let mark = rest.as_bytes().get(at).copied();
        rest = rest.get(at.saturating_add(1)..).unwrap_or("");
        if mark == Some(b'\\') {
            let Some(next) = rest.chars().next() else {
                return refused("a backslash at the end");
            };
            out.push(next);
            rest = rest.get(next.len_utf8()..).unwrap_or("");
            continue;
        }
        let found = if let Some(named) = rest.strip_prefix('{') {
            let Some((name, after)) = named.split_once('}') else {
                return refused("`${` without `}`");
            };
            rest = after;
            group(Group::Name(name))
        } else {
            let digit = rest.bytes().next().filter(u8::is_ascii_digit);
            let Some(digit) = digit else {
                return refused("`$` without a group; write `\\$`");
            };
            let mut number = usize::from(digit.saturating_sub(b'0'));
            rest = rest.get(1..).unwrap_or("");
            // Java takes a second digit when there are so many groups.
            let second = rest.bytes().next().filter(u8::is_ascii_digit);
            if let Some(second) = second {
                let both = number * 10 + usize::from(second.saturating_sub(b'0'));
                if group(Group::Number(both)).is_some() {
                    number = both;
                    rest = rest.get(1..).unwrap_or("");
                }
            }
            group(Group::Number(number))
        };
        match found {
            Some(text) => out.push_str(text.unwrap_or("")),
            None => return refused("no such group"),
        }
    }
    out.push_str(rest);
    Ok(())
}

/// Where the search goes on after a match.
fn next_start(text: &str, start: usize, end: usize) -> Option<usize> {
    if end > start {
        return Some(end);
    }
    let step = text.get(end..)?.chars().next()?.len_utf8();
    Some(end.saturating_add(step))
}
