//! JSON text to a tree.
//!
//! Shape: recursive descent over bytes, one function per kind of value.
//! Units: spans in bytes; depth and nodes are bounded by [`DEPTH_MAX`] and [`NODES_MAX`].
//! Errors: a syntax error ends the reading; duplicate keys are collected and reading goes on.
//! Source: RFC 8259, stricter in one point: a key that stands twice is an error.

use super::{
    DEPTH_MAX, NODES_MAX, Source, Span,
    node::{Entry, Keys, Node, Value},
};
use crate::diagnostics::{Problem, Severity};

/// Reads one value and nothing after it.
pub fn parse(source: &Source) -> Result<Node, Vec<Problem>> {
    let mut reader = Reader {
        source,
        bytes: source.text.as_bytes(),
        at: 0,
        depth: 0,
        nodes: 0,
        problems: Vec::new(),
    };
    let read = reader.document();
    match read {
        Ok(node) if reader.problems.is_empty() => Ok(node),
        _ => Err(reader.problems),
    }
}

/// Reading cannot go on; the problem is already noted.
struct Stop;

struct Reader<'a> {
    source: &'a Source,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    nodes: usize,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Node, Stop> {
        let node = self.value()?;
        self.space();
        if self.at < self.bytes.len() {
            return self.stop("something follows the end of the document", "remove it");
        }
        Ok(node)
    }

    fn value(&mut self) -> Result<Node, Stop> {
        self.space();
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let message = format!("the document has more than {NODES_MAX} values");
            return self.stop(&message, "split it into several APIs");
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::mapping)?,
            Some(b'[') => self.nested(Self::sequence)?,
            Some(b'"') => Value::Text(self.text()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(b'\'') => return self.stop("a text stands in double quotes", "write \"…\""),
            Some(_) => return self.stop("a value is expected here", "quote texts with \"…\""),
            None => return self.stop("the document ends too early", "close what is open"),
        };
        Ok(Node {
            span: Span::new(start, self.at),
            value,
        })
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Value, Stop>,
    ) -> Result<Value, Stop> {
        if self.depth >= DEPTH_MAX {
            let message = format!("values are nested more than {DEPTH_MAX} deep");
            return self.stop(&message, "flatten the document");
        }
        self.depth += 1;
        self.at += 1;
        let value = inner(self);
        self.depth -= 1;
        value
    }

    fn mapping(&mut self) -> Result<Value, Stop> {
        let mut entries = Vec::new();
        let mut keys = Keys::default();
        self.space();
        if self.skip(b'}') {
            return Ok(Value::Mapping(entries));
        }
        loop {
            self.space();
            let start = self.at;
            if self.peek() != Some(b'"') {
                let hint = "keys stand in double quotes; no comma before `}`";
                return self.stop("a key is expected here", hint);
            }
            let key = self.text()?;
            let key_span = Span::new(start, self.at);
            self.space();
            if !self.skip(b':') {
                return self.stop("`:` is expected here", "write \"key\": value");
            }
            let node = self.value()?;
            if keys.insert(&key) {
                entries.push(Entry {
                    key,
                    key_span,
                    node,
                });
            } else {
                let message = format!("the key `{key}` stands here a second time");
                self.problem(key_span, &message, "remove one of the two");
            }
            self.space();
            if self.skip(b'}') {
                return Ok(Value::Mapping(entries));
            }
            if !self.skip(b',') {
                return self.stop("`,` or `}` is expected here", "is a comma missing?");
            }
        }
    }

    fn sequence(&mut self) -> Result<Value, Stop> {
        let mut items = Vec::new();
        self.space();
        if self.skip(b']') {
            return Ok(Value::Sequence(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.skip(b']') {
                return Ok(Value::Sequence(items));
            }
            if !self.skip(b',') {
                return self.stop("`,` or `]` is expected here", "is a comma missing?");
            }
        }
    }

    fn text(&mut self) -> Result<String, Stop> {
        self.at += 1;
        let mut out: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    // Bytes came from UTF-8 text and whole escapes, so nothing is replaced.
                    return Ok(String::from_utf8_lossy(&out).into_owned());
                }
                Some(b'\\') => {
                    let mut buffer = [0; 4];
                    let c = self.escape()?;
                    out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                }
                Some(0..0x20) => {
                    let hint = "write a line break as \\n, a tab as \\t";
                    return self.stop("a control character stands in this text", hint);
                }
                Some(byte) => {
                    out.push(byte);
                    self.at += 1;
                }
                None => return self.stop("this text has no end", "is a quote missing?"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let start = self.at;
        self.at += 1;
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let high = self.hex4(start)?;
                return self.surrogate(high, start);
            }
            _ => {
                self.at = start;
                return self.stop("this escape is not known", "write a backslash as \\\\");
            }
        };
        self.at += 1;
        Ok(c)
    }

    fn surrogate(&mut self, high: u32, start: usize) -> Result<char, Stop> {
        let mut code = high;
        if (0xd800..0xdc00).contains(&high) && self.skip(b'\\') && self.skip(b'u') {
            let low = self.hex4(start)?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        match char::from_u32(code) {
            Some(c) => Ok(c),
            None => {
                self.at = start;
                self.stop(
                    "half of a surrogate pair",
                    "write both halves or the character",
                )
            }
        }
    }

    fn hex4(&mut self, start: usize) -> Result<u32, Stop> {
        let digits = self.bytes.get(self.at..self.at.saturating_add(4));
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let text = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match text.and_then(|text| u32::from_str_radix(text, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => {
                self.at = start;
                self.stop("\\u needs four hexadecimal digits", "for example \\u00e9")
            }
        }
    }

    fn number(&mut self) -> Result<Value, Stop> {
        let start = self.at;
        self.skip(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        let mut is_good = whole > 0 && !(leading_zero && whole > 1);
        let mut is_integer = true;
        if self.skip(b'.') {
            is_integer = false;
            is_good &= self.digits() > 0;
        }
        if self.skip(b'e') || self.skip(b'E') {
            is_integer = false;
            let _sign = self.skip(b'+') || self.skip(b'-');
            is_good &= self.digits() > 0;
        }
        let text = self.source.text.get(start..self.at).unwrap_or_default();
        if is_good {
            if is_integer && let Ok(integer) = text.parse::<i64>() {
                return Ok(Value::Integer(integer));
            }
            if let Ok(number) = text.parse::<f64>() {
                return Ok(Value::Float(number));
            }
        }
        self.at = start;
        self.stop("this is no number", "quote it if it is a text")
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Stop> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        self.stop("a value is expected here", "quote texts with \"…\"")
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn stop<T>(&mut self, message: &str, hint: &str) -> Result<T, Stop> {
        let message = format!("not valid JSON: {message}");
        self.problem(Span::new(self.at, self.at + 1), &message, hint);
        Err(Stop)
    }

    fn problem(&mut self, span: Span, message: &str, hint: &str) {
        self.problems.push(self.source.problem(
            Severity::Error,
            span,
            "",
            message,
            Some(hint.to_owned()),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Vec<Problem>> {
        parse(&Source::new("t.json", text))
    }

    #[test]
    fn scalars_read_as_written() {
        let rows = [
            ("1", Value::Integer(1)),
            ("-0.5e1", Value::Float(-5.0)),
            (
                r#""a\/\u00e9\ud83d\ude00\n""#,
                Value::Text("a/é😀\n".into()),
            ),
            ("true", Value::Bool(true)),
            (" null\n", Value::Null),
            ("\t[]", Value::Sequence(vec![])),
            ("{}", Value::Mapping(vec![])),
        ];
        for (given, expected) in rows {
            assert_eq!(read(given).map(|node| node.value), Ok(expected), "{given}");
        }
    }

    #[test]
    fn faults_have_a_place() {
        let rows = [
            ("{\"a\": 1,\n \"a\": 2}", 2, 2, "second time"),
            ("{\"a\": 1,}", 1, 9, "key is expected"),
            ("{\"a\" 1}", 1, 6, "`:`"),
            ("[1 2]", 1, 4, "`,` or `]`"),
            ("{'a': 1}", 1, 2, "key is expected"),
            ("[01]", 1, 2, "no number"),
            ("\"\\ud800\"", 1, 2, "surrogate"),
            ("\"\\x\"", 1, 2, "escape"),
            ("\"a", 1, 3, "no end"),
            ("\"a\nb\"", 1, 3, "control character"),
            ("{} {}", 1, 4, "follows"),
            ("[tru]", 1, 2, "value is expected"),
            ("", 1, 1, "too early"),
        ];
        for (given, line, column, message) in rows {
            let problems = read(given).expect_err(given);
            let first = &problems[0];
            assert_eq!(
                (first.line, first.column),
                (line, column),
                "{given}: {first:?}"
            );
            assert!(first.message.contains(message), "{given}: {first:?}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
