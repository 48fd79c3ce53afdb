//! Configuration text, its tree, and the way back from the tree to line and column.
//!
//! Shape: a [`Source`] is a named text; a [`Document`] adds the [`node::Node`] tree that
//! [`yaml`], [`json`] or [`toml`] read from it. Every node and key keeps its byte span.
//! Units: spans in bytes, lines and columns from 1.
//! Errors: [`Problem`]s; syntax problems have an empty pointer.
//! Source: RFC 6901 for pointers; YAML 1.2.2, RFC 8259, TOML 1.0 for the texts.

use std::sync::Arc;

use crate::diagnostics::{Problem, Severity};

pub mod json;
pub mod node;
pub mod read;
pub mod toml;
pub mod yaml;

use self::node::{Cursor, Node, Value};

/// Where something stands in a text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub const fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }
}

/// A named text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// As the user named it.
    pub name: String,
    pub text: String,
    line_starts: Vec<usize>,
}

/// The largest document that is read: the gateway's import limit, 6 MB.
pub const DOCUMENT_BYTES_MAX: usize = 6 * 1024 * 1024;

/// Deepest nesting of a document, and the most nodes it may have once aliases are expanded.
pub const DEPTH_MAX: usize = 64;
pub const NODES_MAX: usize = 400_000;

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        let text = text.into();
        let after_newline = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_newline).collect();
        Source {
            name: name.into(),
            text,
            line_starts,
        }
    }

    /// Reads bytes that must be UTF-8 and within [`DOCUMENT_BYTES_MAX`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Source, Box<Problem>> {
        if bytes.len() > DOCUMENT_BYTES_MAX {
            let message = format!(
                "the file has {} bytes, more than {DOCUMENT_BYTES_MAX}",
                bytes.len()
            );
            return Err(Box::new(Problem::of_file(name, message, None)));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Source::new(
                name,
                text.strip_prefix('\u{feff}').unwrap_or(text),
            )),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let good = String::from_utf8_lossy(good).into_owned();
                let end = good.len();
                let problem = Source::new(name, good).problem(
                    Severity::Error,
                    Span::new(end, end),
                    "",
                    "the file is not UTF-8 from here on",
                    Some("save it as UTF-8".to_owned()),
                );
                Err(Box::new(problem))
            }
        }
    }

    /// Line and column, from 1, and the bounds of the line.
    fn position(&self, at: usize) -> (u32, u32, Span) {
        let at = at.min(self.text.len());
        let index = self.line_starts.partition_point(|start| *start <= at) - 1;
        let start = self.line_starts.get(index).copied().unwrap_or(0);
        let end = self.text.get(start..).and_then(|rest| rest.find('\n'));
        let end = end.map_or(self.text.len(), |length| start + length);
        let before = self.text.as_bytes().get(start..at).unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (
            number(index).saturating_add(1),
            number(chars_of(before)).saturating_add(1),
            Span::new(start, end),
        )
    }

    /// A problem at a place of this text.
    pub fn problem(
        &self,
        severity: Severity,
        span: Span,
        pointer: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Problem {
        let (line, column, bounds) = self.position(span.start);
        let on_line = span.end.min(bounds.end).max(span.start);
        let marked = self.text.as_bytes().get(span.start..on_line);
        let marked = marked.unwrap_or_default().trim_ascii_end();
        let source_line = self.text.get(bounds.start..bounds.end).unwrap_or_default();
        Problem {
            severity,
            file: self.name.clone(),
            pointer: pointer.to_owned(),
            line,
            column,
            width: u32::try_from(chars_of(marked)).unwrap_or(1).max(1),
            source_line: source_line.trim_end_matches('\r').to_owned(),
            message: message.into(),
            hint,
        }
    }

    /// The byte offset of a line (from 1) and column (from 1, in characters).
    fn offset(&self, line: usize, column: usize) -> usize {
        let start = self.line_starts.get(line.saturating_sub(1)).copied();
        let start = start.unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        let within = rest.char_indices().nth(column.saturating_sub(1));
        within.map_or(self.text.len(), |(at, _)| start + at)
    }
}

/// Characters that begin in these bytes: all but continuation bytes.
fn chars_of(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

/// The formats a document can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
    Toml,
}

impl Format {
    /// By the file's name; what is neither `.json` nor `.toml` is YAML, which JSON fits into.
    pub fn of_name(name: &str) -> Format {
        let name = name.to_ascii_lowercase();
        if name.ends_with(".json") {
            Format::Json
        } else if name.ends_with(".toml") {
            Format::Toml
        } else {
            Format::Yaml
        }
    }
}

/// A text with its tree.
#[derive(Clone, Debug)]
pub struct Document {
    pub source: Arc<Source>,
    pub root: Node,
}

impl Document {
    /// Reads the tree; all syntax problems the format's reader can tell apart.
    pub fn parse(source: Source, format: Format) -> Result<Document, Vec<Problem>> {
        let parsed = match format {
            Format::Yaml => yaml::parse(&source),
            Format::Json => json::parse(&source),
            Format::Toml => toml::parse(&source),
        };
        Ok(Document {
            root: parsed?,
            source: Arc::new(source),
        })
    }

    /// The root, to walk from.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor {
            node: &self.root,
            key_span: None,
            pointer: String::new(),
        }
    }

    /// Where to point for a pointer: a scalar itself, else the key of the table or list; for a
    /// missing member the nearest parent that exists.
    pub fn locate(&self, pointer: &str) -> Span {
        let mut at = self.cursor();
        for part in pointer.split('/').skip(1) {
            let name = part.replace("~1", "/").replace("~0", "~");
            match at.child(&name) {
                Some(child) => at = child,
                None => break,
            }
        }
        at.span()
    }

    /// A problem at a pointer.
    pub fn problem(
        &self,
        severity: Severity,
        pointer: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Problem {
        let span = self.locate(pointer);
        self.source.problem(severity, span, pointer, message, hint)
    }
}

impl Cursor<'_> {
    /// Where to point for this node.
    pub fn span(&self) -> Span {
        match (&self.node.value, self.key_span) {
            (Value::Mapping(_) | Value::Sequence(_), Some(key)) => key,
            (Value::Null, Some(key)) => key,
            _ => self.node.span,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source::new("a", "äb\ncd\n");
        let rows = [
            (0, 1, 1),
            (2, 1, 2),
            (3, 1, 3),
            (4, 2, 1),
            (7, 3, 1),
            (99, 3, 1),
        ];
        for (at, line, column) in rows {
            let found = source.position(at);
            assert_eq!((found.0, found.1), (line, column), "{at}");
        }
        assert_eq!(source.offset(1, 2), 2);
        assert_eq!(source.offset(2, 1), 4);
        assert_eq!(source.offset(9, 1), source.text.len());
    }

    #[test]
    fn pointers_lead_to_scalars_keys_or_parents() {
        let text = "a:\n  b/c: 1\n  d:\n    - x\n";
        let document = Document::parse(Source::new("t", text), Format::Yaml).expect("YAML");
        let rows = [
            ("/a/b~1c", (2, 8)),
            ("/a/d", (3, 3)),
            ("/a/d/0", (4, 7)),
            ("/a/d/7", (3, 3)),
            ("/a/nothing/here", (1, 1)),
        ];
        for (pointer, expected) in rows {
            let found = document.problem(Severity::Error, pointer, "m", None);
            assert_eq!((found.line, found.column), expected, "{pointer}");
        }
    }
}
