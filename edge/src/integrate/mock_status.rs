//! The `statusCode` of a mock's request template, read as leniently as the service reads it.
//!
//! Shape: one pass over the text, nothing is kept but the number. Units: bytes. Ranges: nesting to
//! [`DEPTH_MAX`], the number to nine digits. Errors: `None` for whatever is no object with an
//! integer `statusCode`; the service answers such a request with 500.
//! Source: recorded behaviour: bare and single-quoted names, single-quoted texts and a trailing
//! comma are accepted, `"200"` as a text is not.

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 32;

/// The integer `statusCode` of the object in `text`; of several the last counts.
#[must_use]
pub fn status_code(text: &[u8]) -> Option<u32> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    let status = reader.object(DEPTH_MAX)?;
    reader.skip_space();
    if reader.at != text.len() {
        return None;
    }
    status
}

/// What a value was, as far as anyone asks.
#[derive(Clone, Copy)]
enum Value {
    Integer(u32),
    Other,
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// An object; the inner option is its `statusCode`.
    fn object(&mut self, depth: usize) -> Option<Option<u32>> {
        self.take(b'{')?;
        let mut status = None;
        loop {
            self.skip_space();
            if self.take(b'}').is_some() {
                return Some(status);
            }
            let name = self.name()?;
            let is_status = self.text.get(name) == Some(b"statusCode");
            self.skip_space();
            self.take(b':')?;
            let value = self.value(depth)?;
            if is_status {
                status = match value {
                    Value::Integer(number) => Some(number),
                    Value::Other => None,
                };
            }
            self.skip_space();
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(status);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.take(b'[')?;
        loop {
            self.skip_space();
            if self.take(b']').is_some() {
                return Some(());
            }
            self.value(depth)?;
            self.skip_space();
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.skip_space();
        match self.peek()? {
            b'{' => self.object(depth).map(|_| Value::Other),
            b'[' => self.array(depth).map(|()| Value::Other),
            b'"' | b'\'' => self.quoted().map(|_| Value::Other),
            _ => self.word(),
        }
    }

    fn name(&mut self) -> Option<std::ops::Range<usize>> {
        if matches!(self.peek()?, b'"' | b'\'') {
            return self.quoted();
        }
        self.run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-'))
    }

    fn quoted(&mut self) -> Option<std::ops::Range<usize>> {
        let quote = self.peek()?;
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                byte => {
                    self.at += 1;
                    if byte == quote {
                        return Some(start..self.at - 1);
                    }
                }
            }
        }
    }

    /// A number, `true`, `null` or a bare word.
    fn word(&mut self) -> Option<Value> {
        let range = self.run(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-' | b'+' | b'.')
        })?;
        let word = self.text.get(range)?;
        let digits = word.len() <= 9 && word.iter().all(u8::is_ascii_digit);
        if !digits {
            return Some(Value::Other);
        }
        let number = word.iter().fold(0, |number: u32, digit| {
            number * 10 + u32::from(digit - b'0')
        });
        Some(Value::Integer(number))
    }

    /// The longest non-empty run of bytes that `accept` takes.
    fn run(&mut self, accept: impl Fn(u8) -> bool) -> Option<std::ops::Range<usize>> {
        let start = self.at;
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
        (self.at > start).then_some(start..self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_accepts_and_refuses() {
        let deep = format!("{{a:{}1{}}}", "[".repeat(40), "]".repeat(40));
        let rows: &[(&str, Option<u32>)] = &[
            (r#"{"statusCode": 200}"#, Some(200)),
            ("{statusCode: 200}", Some(200)),
            ("{'statusCode': 200}", Some(200)),
            (r#" { "statusCode" : 404 , } "#, Some(404)),
            (
                "{\n \"statusCode\": 200,\n \"message\": \"a } \\\" b\"\n}",
                Some(200),
            ),
            (
                r#"{"a":{"statusCode":1},"b":[1,'x',{}],"statusCode":302}"#,
                Some(302),
            ),
            (r#"{"statusCode":200,"statusCode":201}"#, Some(201)),
            (r#"{"statusCode": "200"}"#, None),
            (r#"{"statusCode": 200.5}"#, None),
            (r#"{"statusCode": -200}"#, None),
            (r#"{"statusCode": 99999999999}"#, None),
            (r#"{"status": 200}"#, None),
            ("{}", None),
            ("", None),
            ("200", None),
            (r#"[{"statusCode":200}]"#, None),
            (r#"{"statusCode": 200"#, None),
            (r#"{"statusCode": 200} x"#, None),
            (r#"{"statusCode" 200}"#, None),
            (r#"{"statusCode": "200}"#, None),
            (&deep, None),
            ("{\"a\\", None),
        ];
        for (given, expected) in rows {
            assert_eq!(status_code(given.as_bytes()), *expected, "{given}");
        }
    }
}
