//! `$util`.
//!
//! Shape: a text in, a text or a value out; other values are taken as they print. Units: bytes.
//! Errors: [`Fault::Method`] for texts that are no JSON, no Base64 and no URL encoding. Source: the
//! developer guide's `$util` variables; `java.net.URLEncoder`, `StringEscapeUtils`.

use super::Run;
use crate::{
    base::base64,
    mapping::{
        error::Fault,
        json,
        value::{Pool, Value},
    },
};
use std::fmt::Write;

impl Run<'_> {
    /// A method of `$util`.
    pub(super) fn util_method(&mut self, name: &str, arguments: &[Value]) -> Result<Value, Fault> {
        let [value] = arguments else {
            return Ok(Value::Null);
        };
        if !METHODS.contains(&name) {
            return Ok(Value::Null);
        }
        let Value::Text(text) = self.printed(*value)? else {
            return Ok(Value::Null);
        };
        self.meter.spend_bytes(text.bytes as usize)?;
        let given = self.text(text);
        let mut made = String::with_capacity(given.len());
        match name {
            "escapeJavaScript" => escape(&mut made, given),
            "urlEncode" => url_encode(&mut made, given),
            "urlDecode" => {
                made = url_decode(given).ok_or_else(|| Fault::method(name, "no URL encoding"))?;
            }
            "base64Encode" => {
                let mut digits = Vec::new();
                base64::encode(&mut digits, given.as_bytes());
                made = String::from_utf8(digits).unwrap_or_default();
            }
            "base64Decode" => {
                // Bytes that are no UTF-8 become U+FFFD.
                let mut bytes = Vec::new();
                base64::decode(&mut bytes, given.as_bytes())
                    .map_err(|_| Fault::method(name, "no Base64"))?;
                made = String::from_utf8_lossy(&bytes).into_owned();
            }
            _ => {
                // The document is copied, since the heap it lies on grows while it is read.
                let document = given.to_owned();
                let (pool, base) = match text.pool {
                    Pool::Heap => (Pool::Heap, text.at),
                    pool => (pool, text.at),
                };
                let parsed = json::parse(self.heap, &document, pool, base)?;
                return parsed.ok_or_else(|| Fault::method(name, "no JSON"));
            }
        }
        self.meter.spend_bytes(made.len())?;
        self.kept(&made)
    }
}

const METHODS: [&str; 6] = [
    "escapeJavaScript",
    "parseJson",
    "urlEncode",
    "urlDecode",
    "base64Encode",
    "base64Decode",
];

fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' | '\'' | '/' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
}

fn url_encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
}

fn url_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut given = text.bytes();
    while let Some(byte) = given.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(given.next()?).to_digit(16)?;
                let low = char::from(given.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
