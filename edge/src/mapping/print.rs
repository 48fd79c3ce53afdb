//! Values as text: as Java prints them, and as JSON.
//!
//! Shape: a [`Printer`] borrows all three pools of text and appends to a string. Units: bytes.
//! Errors: [`Fault`] when the text passes its bound or the data nests too deep. Source: Java's
//! `toString` of collections and `Double`; RFC 8259 for JSON, with nothing escaped that need not.

use super::{
    decimal::{double, integer},
    error::Fault,
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
            Pool::Body => self.body,
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
    pub(super) fn java(&self, out: &mut String, value: Value, depth: usize) -> Result<(), Fault> {
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
            Value::Block(_) | Value::Loop(_) => {}
            Value::Input | Value::Util | Value::Context(_) => {}
        }
        Ok(())
    }

    fn pair(&self, out: &mut String, key: Value, item: Value, depth: usize) -> Result<(), Fault> {
        let depth = depth.saturating_add(1);
        self.java(out, key, depth)?;
        out.push('=');
        self.java(out, item, depth)
    }

    /// Appends `value` as JSON.
    pub(super) fn json(&self, out: &mut String, value: Value, depth: usize) -> Result<(), Fault> {
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

    /// Appends a JSON string.
    fn quoted(&self, out: &mut String, text: Text) {
        let pool = self.pool(text);
        let end = text.at.saturating_add(text.bytes);
        if plain::json_end(pool.as_bytes(), text.at) < end {
            return escaped(out, text.of(pool));
        }
        // In a document it stands between quotes already.
        let around = text.at.saturating_sub(1) as usize..end.saturating_add(1) as usize;
        match pool.get(around) {
            Some(quoted) if quoted.starts_with('"') && quoted.ends_with('"') && text.at > 0 => {
                out.push_str(quoted);
            }
            _ => {
                out.push('"');
                out.push_str(text.of(pool));
                out.push('"');
            }
        }
    }

    fn check(&self, out: &str, depth: usize) -> Result<(), Fault> {
        if depth > DATA_DEPTH_MAX {
            let max = DATA_DEPTH_MAX;
            return Err(Fault::Depth { what: "data", max });
        }
        if out.len() > self.bytes_max {
            let max = self.bytes_max;
            return Err(Fault::Output { max });
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
