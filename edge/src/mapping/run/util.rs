//! `$util`.
//!
//! Shape: a text in, a text or a value out; other values are taken as they print. Units: bytes.
//! Errors: [`Fault::Method`] for texts that are no JSON, no Base64 and no URL encoding. Source: the
//! developer guide's `$util` variables; `java.net.URLEncoder`, `StringEscapeUtils`.

use super::Run;
use crate::mapping::{
    error::Fault,
    json,
    value::{Pool, Value},
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
            "base64Encode" => base64_encode(&mut made, given.as_bytes()),
            "base64Decode" => {
                made = base64_decode(given).ok_or_else(|| Fault::method(name, "no Base64"))?;
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

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4_usize {
            let shift = 18_u32.saturating_sub(u32::try_from(position).unwrap_or(0).wrapping_mul(6));
            let digit = ALPHABET.get((group >> shift & 63) as usize);
            let is_there = position <= chunk.len();
            out.push(
                digit
                    .filter(|_| is_there)
                    .map_or('=', |digit| char::from(*digit)),
            );
        }
    }
}

/// Line ends are passed over; bytes that are no UTF-8 become U+FFFD.
fn base64_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut group, mut digits, mut padding) = (0_u32, 0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding = padding.saturating_add(1);
                continue;
            }
            b'\n' | b'\r' => continue,
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        group = group << 6 | u32::from(value);
        digits = digits.wrapping_add(1);
        if digits == 4 {
            let [_, a, b, c] = group.to_be_bytes();
            bytes.extend([a, b, c]);
            (group, digits) = (0, 0);
        }
    }
    match (digits, padding) {
        (0, 0) => {}
        (2, 0 | 2) => bytes.push((group >> 4 & 0xff) as u8),
        (3, 0 | 1) => bytes.extend([(group >> 10 & 0xff) as u8, (group >> 2 & 0xff) as u8]),
        _ => return None,
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
