//! JSON values as YAML.
//!
//! Shape: block style, texts always in double quotes, keys bare where no reader can mistake them.
//! Units: two blanks a level. Errors: none.
//! Source: YAML 1.2.2, chapters 5.7, 7.3.1 and 8.2; the look follows the service's exports.

use std::fmt::Write;

use serde_json::Value;

/// The value as a YAML document.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => node(&mut out, value, 0),
        Value::Array(items) if !items.is_empty() => node(&mut out, value, 0),
        scalar => line(&mut out, scalar),
    }
    out
}

/// A mapping or sequence that is not empty, its lines `level` levels in.
fn node(out: &mut String, value: &Value, level: usize) {
    let indent = "  ".repeat(level);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                out.push_str(&indent);
                key(out, name);
                out.push(':');
                below(out, value, level);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&indent);
                out.push('-');
                below(out, item, level);
            }
        }
        scalar => line(out, scalar),
    }
}

/// What follows a key or a dash.
fn below(out: &mut String, value: &Value, level: usize) {
    let is_block = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        out.push('\n');
        node(out, value, level + 1);
    } else {
        out.push(' ');
        line(out, value);
    }
}

fn line(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => quoted(out, text),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => {
            let _ = write!(out, "{other}");
        }
    }
    out.push('\n');
}

/// Letters, digits and a few marks in the middle cannot be anything but a text, unless the whole
/// is a word or a number.
fn key(out: &mut String, name: &str) {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let first = name.bytes().next().unwrap_or(b' ');
    let is_start = first.is_ascii_alphabetic() || first == b'/' || first == b'_';
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./{}+$".contains(&byte);
    let is_word = WORDS.iter().any(|word| name.eq_ignore_ascii_case(word));
    if is_start && !is_word && name.bytes().all(is_inner) {
        out.push_str(name);
    } else {
        quoted(out, name);
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Document, Format, Source};
    use serde_json::json;

    #[test]
    fn values_have_one_look() {
        let value = json!({
            "openapi": "3.0.1",
            "/pets/{id+}": {"get": {"tags": ["a"], "x": [], "y": {}, "z": null}},
            "200": [[1, 2.5], {"deep": true}],
            "no": "yes",
        });
        let expected = "\
openapi: \"3.0.1\"
/pets/{id+}:
  get:
    tags:
      - \"a\"
    x: []
    \"y\": {}
    z: null
\"200\":
  -
    - 1
    - 2.5
  -
    deep: true
\"no\": \"yes\"
";
        assert_eq!(to_yaml(&value), expected);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let hard = "\u{0}\u{7}\n\t\r\"\\ ü \u{85}\u{2028}\u{feff}\u{1f600} #: - ? | > ' @ `";
        let value = json!({
            "<<": hard,
            "": hard,
            hard: {"~": [hard], "y": 1, "1": -0.5, "1e3": i64::MIN, "- a": {}},
            "x-a": [[], [[]], [{}]],
        });
        let document = Document::parse(Source::new("a", to_yaml(&value)), Format::Yaml);
        let document = document.unwrap_or_else(|problems| panic!("{problems:#?}"));
        let read = super::super::super::reader::json(&document.root);
        assert_eq!(read, value);
    }
}
