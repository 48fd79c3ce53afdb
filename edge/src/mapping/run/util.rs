//! `$util`.
//!
//! Shape: a text in, a text or a value out; other values are taken as they print. Units: bytes.
//! Errors: [`Fault::Method`] for texts that are no JSON, no Base64 and no URL encoding. Source: the
//! developer guide's `$util` variables; `java.net.URLEncoder`, `StringEscapeUtils`.

use super::Run;
use crate::{
    base::base64,
    mapping::{
        error::{Fault, Halt},
        json, plain,
        value::{Text, Value},
    },
};
use std::fmt::Write;

impl Run<'_> {
    /// A method of `$util`.
    pub(super) fn util_method(&mut self, name: &str, arguments: &[Value]) -> Result<Value, Halt> {
        let [value] = arguments else {
            return Ok(Value::Null);
        };
        if name != "escapeJavaScript" && !METHODS.contains(&name) {
            return Ok(Value::Null);
        }
        let Value::Text(text) = self.printed(*value)? else {
            return Ok(Value::Null);
        };
        self.meter.spend_bytes(text.bytes as usize)?;
        if name == "parseJson" {
            return self.parsed(text);
        }
        let mut made = self.heap.take_room();
        let given = self.text(text);
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
            _ => {
                // Bytes that are no UTF-8 become U+FFFD.
                let mut bytes = Vec::new();
                base64::decode(&mut bytes, given.as_bytes())
                    .map_err(|_| Fault::method(name, "no Base64"))?;
                made = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        self.meter.spend_bytes(made.len())?;
        self.kept_room(made)
    }

    /// `parseJson(text)`.
    fn parsed(&mut self, text: Text) -> Result<Value, Halt> {
        // The document is copied, since the heap it lies on grows while it is read.
        let mut document = self.heap.take_room();
        document.push_str(self.text(text));
        let parsed = json::parse(self.heap, &document, text.pool, text.at);
        self.heap.give_room(document);
        parsed?.ok_or_else(|| Fault::method("parseJson", "no JSON").into())
    }
}

/// Beside the most frequent one.
const METHODS: [&str; 5] = [
    "parseJson",
    "urlEncode",
    "urlDecode",
    "base64Encode",
    "base64Decode",
];

fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    loop {
        let run = plain::java_script_run(rest.as_bytes());
        out.push_str(rest.get(..run).unwrap_or(""));
        match rest.as_bytes().get(run).copied() {
            None => return,
            Some(b'\n') => out.push_str("\\n"),
            Some(b'\r') => out.push_str("\\r"),
            Some(b'\t') => out.push_str("\\t"),
            Some(0x08) => out.push_str("\\b"),
            Some(0x0c) => out.push_str("\\f"),
            Some(control @ ..b' ') => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{control:04X}");
            }
            Some(mark) => {
                out.push('\\');
                out.push(char::from(mark));
            }
        }
        rest = rest.get(run.saturating_add(1)..).unwrap_or("");
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
