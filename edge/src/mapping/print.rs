//! Values as text: as Java prints them, and as JSON.
//!
//! Shape: a [`Printer`] borrows all three pools of text and appends to a string. Units: bytes.
//! Errors: [`Fault`] when the text passes its bound or the data nests too deep. Source: Java's
//! `toString` of collections and `Double`; RFC 8259 for JSON, with nothing escaped that need not.

use super::{
    error::Fault,
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
        match text.pool {
            Pool::Program => text.of(self.program),
            Pool::Body => text.of(self.body),
            Pool::Heap => text.of(&self.heap.text),
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
                for (position, (key, item)) in self.heap.members(id).iter().enumerate() {
                    if position > 0 {
                        out.push_str(", ");
                    }
                    self.pair(out, *key, *item, depth)?;
                }
                out.push('}');
            }
            Value::Entry(id, position) => {
                if let Some((key, item)) = self.heap.members(id).get(position as usize) {
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
        match value {
            Value::Text(text) => quoted(out, self.text(text)),
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
                for (position, (key, item)) in self.heap.members(id).iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    match key {
                        Value::Text(text) => quoted(out, self.text(*text)),
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

/// Appends an integer.
pub(super) fn integer(out: &mut String, value: i64) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value}");
}

/// Appends a double as `Double.toString` does: plain from 0.001 to 10,000,000.
pub(super) fn double(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        let _ = write!(out, "{value:?}");
    } else {
        // Rust writes 1e-5 and 1.25e10 where Java writes 1.0E-5 and 1.25E10.
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        out.push_str(digits);
        if !digits.contains('.') {
            out.push_str(".0");
        }
        out.push('E');
        out.push_str(exponent);
    }
}

/// Appends a JSON string.
fn quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest
        .bytes()
        .position(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\'))
    {
        out.push_str(rest.get(..at).unwrap_or(""));
        match rest.as_bytes().get(at).copied().unwrap_or(0) {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            other => {
                let _ = write!(out, "\\u{other:04X}");
            }
        }
        rest = rest.get(at.saturating_add(1)..).unwrap_or("");
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_java_prints_them() {
        let rows = [
            (10.5, "10.5"),
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (1.25e10, "1.25E10"),
            (1.0 / 3.0, "0.3333333333333333"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in rows {
            let mut out = String::new();
            double(&mut out, value);
            assert_eq!(out, expected);
        }
    }
}
