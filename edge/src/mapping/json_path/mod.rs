//! JSONPath in the dialect of the gateway.
//!
//! Shape: a [`Path`] is a list of [`Segment`]s; `evaluate` walks values with it. Units: bytes of
//! the path, positions in lists. Errors: [`Fault::Path`]. Source: Jayway JsonPath, its documented
//! syntax: members, positions from both ends, slices, unions, wildcards, descent, filters, and
//! the functions `length`, `size`, `keys`, `min`, `max`, `sum`, `avg` at the end.

mod evaluate;
mod filter;

pub(super) use evaluate::{Walker, find};

use super::error::Fault;
use filter::Filter;

/// Longest path.
const PATH_BYTES_MAX: usize = 4_096;
/// Most segments of a path.
const SEGMENTS_MAX: usize = 64;

/// One parsed path.
#[derive(Clone, Debug)]
pub(super) struct Path {
    segments: Box<[Segment]>,
    /// Finds at most one value; any other path gives a list.
    is_definite: bool,
    /// Nothing but members and positions.
    is_straight: bool,
}

#[derive(Clone, Debug)]
enum Segment {
    Member(Box<str>),
    /// `['a','b']`.
    Members(Box<[Box<str>]>),
    /// Negative positions count from the end.
    Position(i64),
    Positions(Box<[i64]>),
    Slice(Option<i64>, Option<i64>),
    Wildcard,
    /// `..`: what follows is tried at every depth.
    Descent,
    Filter(Box<Filter>),
    Function(Function),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Function {
    Length,
    Keys,
    Min,
    Max,
    Sum,
    Average,
}

const FUNCTIONS: [(&str, Function); 7] = [
    ("length", Function::Length),
    ("size", Function::Length),
    ("keys", Function::Keys),
    ("min", Function::Min),
    ("max", Function::Max),
    ("sum", Function::Sum),
    ("avg", Function::Average),
];

/// Parses a path; one that does not begin with `$` is read as if `$.` stood before it.
pub(super) fn parse(source: &str) -> Result<Path, Fault> {
    let mut reader = Reader {
        source,
        at: 0,
        depth: 0,
    };
    reader.space();
    if source.len() > PATH_BYTES_MAX {
        return Err(reader.fault("it is too long"));
    }
    if reader.rest().is_empty() {
        return Err(reader.fault("it is empty"));
    }
    let is_rooted = reader.eat("$");
    let path = reader.segments(!is_rooted)?;
    reader.space();
    if !reader.rest().is_empty() {
        return Err(reader.fault("this cannot be read"));
    }
    Ok(path)
}

impl Path {
    fn new(segments: Vec<Segment>) -> Path {
        let count = segments.len();
        let is_definite = segments
            .iter()
            .enumerate()
            .all(|(at, segment)| match segment {
                Segment::Member(_) | Segment::Position(_) | Segment::Function(_) => true,
                Segment::Members(_) => at + 1 == count,
                _ => false,
            });
        // A function makes one value of whatever was found.
        let is_definite = is_definite || matches!(segments.last(), Some(Segment::Function(_)));
        let is_straight = segments
            .iter()
            .all(|segment| matches!(segment, Segment::Member(_) | Segment::Position(_)));
        Path {
            segments: segments.into_boxed_slice(),
            is_definite,
            is_straight,
        }
    }
}

/// Reads a path, or a path inside of a filter.
struct Reader<'s> {
    source: &'s str,
    at: usize,
    depth: usize,
}

impl<'s> Reader<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or("")
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let end = rest
            .find(|character| !wanted(character))
            .unwrap_or(rest.len());
        let taken = rest.get(..end).unwrap_or("");
        self.at += end;
        taken
    }

    fn fault(&self, reason: &str) -> Fault {
        let position = self.source.get(..self.at).unwrap_or("").chars().count() + 1;
        Fault::Path {
            path: self.source.chars().take(80).collect(),
            reason: format!("{reason} (character {position})"),
        }
    }

    /// Segments as far as there are any; `bare` lets the first be a name without its dot.
    fn segments(&mut self, bare: bool) -> Result<Path, Fault> {
        let mut segments = Vec::new();
        if bare && !self.rest().starts_with(['[', '.']) {
            segments.push(self.dotted()?);
        }
        loop {
            if segments.len() > SEGMENTS_MAX {
                return Err(self.fault("it has too many segments"));
            }
            if matches!(segments.last(), Some(Segment::Function(_))) {
                return Ok(Path::new(segments));
            }
            if self.eat("..") {
                segments.push(Segment::Descent);
                let next = if self.eat("[") {
                    self.bracketed()?
                } else {
                    self.dotted()?
                };
                segments.push(next);
            } else if self.eat(".") {
                let next = if self.eat("[") {
                    self.bracketed()?
                } else {
                    self.dotted()?
                };
                segments.push(next);
            } else if self.eat("[") {
                segments.push(self.bracketed()?);
            } else {
                return Ok(Path::new(segments));
            }
        }
    }

    /// What follows a dot.
    fn dotted(&mut self) -> Result<Segment, Fault> {
        if self.eat("*") {
            return Ok(Segment::Wildcard);
        }
        // Inside of a filter a name ends where an operator begins.
        let is_filter = self.depth > 0;
        let name = self.take_while(|character| match character {
            '.' | '[' | ']' | '(' | ')' | '\'' | '"' | '*' => false,
            ' ' | '\t' | '\n' | '\r' | '=' | '<' | '>' | '!' | '&' | '|' | ',' => !is_filter,
            _ => true,
        });
        if name.is_empty() {
            return Err(self.fault("a name is missing"));
        }
        if self.eat("()") {
            let known = FUNCTIONS.iter().find(|(word, _)| *word == name);
            return match known {
                Some((_, function)) => Ok(Segment::Function(*function)),
                None => Err(self.fault("this function is not known")),
            };
        }
        Ok(Segment::Member(name.into()))
    }

    /// What follows `[`, up to and with `]`.
    fn bracketed(&mut self) -> Result<Segment, Fault> {
        self.space();
        let segment = if self.eat("*") {
            Segment::Wildcard
        } else if self.eat("?") {
            Segment::Filter(Box::new(self.bracketed_filter()?))
        } else if self.rest().starts_with(['\'', '"']) {
            self.quoted_members()?
        } else {
            self.positions()?
        };
        self.space();
        if !self.eat("]") {
            return Err(self.fault("`]` is missing"));
        }
        Ok(segment)
    }

    fn quoted_members(&mut self) -> Result<Segment, Fault> {
        let mut names: Vec<Box<str>> = Vec::new();
        loop {
            self.space();
            names.push(self.quoted()?.into_boxed_str());
            self.space();
            if !self.eat(",") {
                break;
            }
        }
        if names.len() == 1
            && let Some(name) = names.pop()
        {
            return Ok(Segment::Member(name));
        }
        Ok(Segment::Members(names.into_boxed_slice()))
    }

    /// A text in quotes; a backslash takes the next character as it is.
    fn quoted(&mut self) -> Result<String, Fault> {
        let mut characters = self.rest().chars();
        let quote = characters
            .next()
            .filter(|quote| matches!(quote, '\'' | '"'));
        let quote = quote.ok_or_else(|| self.fault("a quote is missing"))?;
        self.at += 1;
        let mut out = String::new();
        while let Some(character) = characters.next() {
            self.at += character.len_utf8();
            if character == quote {
                return Ok(out);
            }
            if character != '\\' {
                out.push(character);
                continue;
            }
            if let Some(next) = characters.next() {
                self.at += next.len_utf8();
                out.push(next);
            }
        }
        Err(self.fault("this text has no end"))
    }

    fn positions(&mut self) -> Result<Segment, Fault> {
        let first = self.integer()?;
        self.space();
        if self.eat(":") {
            self.space();
            let end = self.integer()?;
            return Ok(Segment::Slice(first, end));
        }
        let Some(first) = first else {
            return Err(self.fault("a position is missing"));
        };
        let mut positions = vec![first];
        while self.eat(",") {
            self.space();
            let next = self.integer()?;
            positions.push(next.ok_or_else(|| self.fault("a position is missing"))?);
            self.space();
        }
        if positions.len() == 1 {
            return Ok(Segment::Position(first));
        }
        Ok(Segment::Positions(positions.into_boxed_slice()))
    }

    fn integer(&mut self) -> Result<Option<i64>, Fault> {
        let at = self.at;
        let _ = self.eat("-");
        let digits = self.take_while(|character| character.is_ascii_digit());
        if digits.is_empty() {
            self.at = at;
            return Ok(None);
        }
        let text = self.source.get(at..self.at).unwrap_or("");
        text.parse()
            .map(Some)
            .map_err(|_| self.fault("this position is too large"))
    }
}
