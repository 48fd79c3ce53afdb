//! Values as text: as Java prints them, and as JSON.
//!
//! Shape: a [`Printer`] borrows all three pools of text and appends to a string. Units: bytes.
//! Errors: [`Fault`] when the text passes its bound or the data nests too deep. Source: Java's
//! `toString` of collections and `Double`; RFC 8259 for JSON, with nothing escaped that need not.

use super::{
    decimal::{double, integer},
    error::{Fault, Halt},
    json::{self, Kind, Part, Source, part_at},
    plain,
    value::{Heap, ListKind, MapKind, Pool, Text, Value},
};
use std::fmt::Write;

/// Deepest nesting of lists and maps that is printed or read.
pub(super) const DATA_DEPTH_MAX: usize = 128;

/// Prints values.
#[derive(Clone, Copy)]
pub(super) struct Printer<'p> {
    pub(super) program: &'p str,
    pub(super) body: &'p str,
    pub(super) heap: &'p Heap,
    /// Most bytes that the output may have.
    pub(super) bytes_max: usize,
}

impl<'p> Printer<'p> {
    /// What a text says.
    pub(super) fn text(&self, text: Text) -> &'p str {
        text.of(self.pool(text))
    }

    /// What a text is a range of.
    #[inline]
    fn pool(&self, text: Text) -> &'p str {
        match text.pool {
            Pool::Program => self.program,
            Pool::Body | Pool::Plain => self.body,
            Pool::Heap => &self.heap.text,
        }
    }

    /// The same as bytes, where characters do not matter.
    #[inline]
    pub(super) fn bytes(&self, text: Text) -> &'p [u8] {
        text.bytes_of(self.pool(text))
    }

    /// Whether a key is this text.
    #[inline]
    pub(super) fn is_named(&self, key: Value, name: &[u8]) -> bool {
        match key {
            Value::Text(text) => {
                text.bytes as usize == name.len() && plain::are_same(self.bytes(text), name)
            }
            _ => false,
        }
    }

    /// Appends `value` as Java's `toString` has it.
    pub(super) fn java(&self, out: &mut String, value: Value, depth: usize) -> Result<(), Halt> {
        self.check(out, depth)?;
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Value::Int(value) => integer(out, value),
            Value::Double(value) => double(out, value),
            Value::Number(text) | Value::Text(text) => out.push_str(self.text(text)),
            Value::List(id) if self.heap.list_kind(id) == ListKind::Json => {
                return self.json(out, value, depth);
            }
            Value::List(id) => {
                out.push('[');
                for (position, item) in self.heap.items(id).iter().enumerate() {
                    if position > 0 {
                        out.push_str(", ");
                    }
                    self.java(out, *item, depth.saturating_add(1))?;
                }
                out.push(']');
            }
            Value::Map(id) if self.heap.map_kind(id) != MapKind::Plain => {}
            Value::Map(id) => {
                out.push('{');
                for (position, [key, item]) in self.heap.members(id).iter().enumerate() {
                    if position > 0 {
                        out.push_str(", ");
                    }
                    self.pair(out, *key, *item, depth)?;
                }
                out.push('}');
            }
            Value::Entry(id, position) => {
                if let Some([key, item]) = self.heap.members(id).get(position as usize) {
                    self.pair(out, *key, *item, depth)?;
                }
            }
            Value::Part(at) => return self.part(out, at, depth),
            Value::Block(_) | Value::Loop(_) => {}
            Value::Input | Value::Util | Value::Context(_) => {}
        }
        Ok(())
    }

    fn pair(&self, out: &mut String, key: Value, item: Value, depth: usize) -> Result<(), Halt> {
        let depth = depth.saturating_add(1);
        self.java(out, key, depth)?;
        out.push('=');
        self.java(out, item, depth)
    }

    /// Appends `value` as JSON.
    pub(super) fn json(&self, out: &mut String, value: Value, depth: usize) -> Result<(), Halt> {
        self.check(out, depth)?;
        // What was read nests no deeper than what is printed may, if it is not nested itself.
        if depth == 0
            && let Some(written) = self.heap.written(value)
        {
            out.push_str(self.text(written));
            return self.check(out, depth);
        }
        match value {
            Value::Text(text) => self.quoted(out, text),
            Value::List(id) => {
                out.push('[');
                for (position, item) in self.heap.items(id).iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    self.json(out, *item, depth.saturating_add(1))?;
                }
                out.push(']');
            }
            Value::Map(id) => {
                out.push('{');
                for (position, [key, item]) in self.heap.members(id).iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    match key {
                        Value::Text(text) => self.quoted(out, *text),
                        other => {
                            out.push('"');
                            self.java(out, *other, depth.saturating_add(1))?;
                            out.push('"');
                        }
                    }
                    out.push(':');
                    self.json(out, *item, depth.saturating_add(1))?;
                }
                out.push('}');
            }
            other => return self.java(out, other, depth),
        }
        Ok(())
    }

    /// Appends what was seen of the payload as JSON; whoever asks has had made what must be made
    /// before.
    fn part(&self, out: &mut String, at: u32, depth: usize) -> Result<(), Halt> {
        self.check(out, depth)?;
        let part = part_at(&self.heap.parts, at);
        let is_container = matches!(part.kind, Kind::List | Kind::Map);
        if part.is_as_written() && !(is_container && self.heap.is_changed()) {
            return self.part_as_written(out, part, depth);
        }
        match part.kind {
            Kind::MadeList => self.json(out, Value::List(part.at), depth),
            Kind::MadeMap => self.json(out, Value::Map(part.at), depth),
            Kind::List => self.parts(out, at, part, ['[', ']'], depth),
            Kind::Map => self.parts(out, at, part, ['{', '}'], depth),
            _ => self.java(out, json::number(Source::body(self.body), part), depth),
        }
    }

    fn part_as_written(&self, out: &mut String, part: Part, depth: usize) -> Result<(), Halt> {
        let (from, to) = (
            part.at as usize,
            part.at.saturating_add(part.bytes) as usize,
        );
        match part.kind {
            Kind::Text | Kind::Escaped => {
                // With its quotes.
                let range = from.saturating_sub(1)..to.saturating_add(1);
                out.push_str(self.body.get(range).unwrap_or(""));
            }
            Kind::MadeText => {
                let made = Text {
                    pool: Pool::Heap,
                    at: part.at,
                    bytes: part.bytes,
                };
                self.quoted(out, made);
            }
            Kind::MadeList => return self.json(out, Value::List(part.at), depth),
            Kind::MadeMap => return self.json(out, Value::Map(part.at), depth),
            _ => out.push_str(self.body.get(from..to).unwrap_or("")),
        }
        self.check(out, depth)
    }

    /// The members or items of the part at `at`.
    fn parts(
        &self,
        out: &mut String,
        at: u32,
        part: Part,
        [first, last]: [char; 2],
        depth: usize,
    ) -> Result<(), Halt> {
        let inner = depth.saturating_add(1);
        out.push(first);
        let mut inside = at.wrapping_add(1);
        while inside < part.next {
            let held = part_at(&self.heap.parts, inside);
            if inside > at.wrapping_add(1) {
                out.push(',');
            }
            if part.kind == Kind::Map {
                let from = (held.name_at as usize).saturating_sub(1);
                let to = held.name_at.saturating_add(held.name_bytes) as usize;
                out.push_str(self.body.get(from..to.saturating_add(1)).unwrap_or(""));
                out.push(':');
            }
            self.part(out, inside, inner)?;
            inside = held.next.max(inside.wrapping_add(1));
        }
        out.push(last);
        Ok(())
    }

    /// Appends a JSON string.
    fn quoted(&self, out: &mut String, text: Text) {
        let pool = self.pool(text);
        let (start, end) = (
            text.at as usize,
            text.at.saturating_add(text.bytes) as usize,
        );
        let is_plain =
            text.pool == Pool::Plain || plain::json_end(pool.as_bytes(), text.at) as usize >= end;
        if !is_plain {
            return escaped(out, text.of(pool));
        }
        // In a document it stands between quotes already.
        let is_quote = |at: Option<usize>| at.and_then(|at| pool.as_bytes().get(at)) == Some(&b'"');
        let before = start.checked_sub(1);
        if let Some(first) = before.filter(|_| is_quote(before) && is_quote(Some(end))) {
            out.push_str(pool.get(first..end.saturating_add(1)).unwrap_or(""));
        } else {
            out.push('"');
            out.push_str(text.of(pool));
            out.push('"');
        }
    }

    fn check(&self, out: &str, depth: usize) -> Result<(), Halt> {
        if depth > DATA_DEPTH_MAX {
            let max = DATA_DEPTH_MAX;
            return Err(Fault::Depth { what: "data", max }.into());
        }
        if out.len() > self.bytes_max {
            let max = self.bytes_max;
            return Err(Fault::Output { max }.into());
        }
        Ok(())
    }
}

/// Appends a JSON string of a text that needs escapes.
fn escaped(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    loop {
        let at = plain::json_run(rest.as_bytes());
        out.push_str(rest.get(..at).unwrap_or(""));
        match rest.as_bytes().get(at) {
            None => break,
            Some(b'"') => out.push_str("\\\""),
            Some(b'\\') => out.push_str("\\\\"),
            Some(b'\n') => out.push_str("\\n"),
            Some(b'\r') => out.push_str("\\r"),
            Some(b'\t') => out.push_str("\\t"),
            Some(0x08) => out.push_str("\\b"),
            Some(0x0c) => out.push_str("\\f"),
            Some(other) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{other:04X}");
            }
        }
        rest = rest.get(at.saturating_add(1)..).unwrap_or("");
    }
    out.push('"');
}
