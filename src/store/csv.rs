//! Comma-separated values, strictly.
//!
//! Shape: [`records`] gives each record with the number of the line it begins on, or what is wrong
//! with it. A quoted field may hold commas, line ends and doubled quotes. LF and CRLF end a record;
//! a byte order mark in front is passed over, and so are empty lines. Units: lines count from 1.
//! Ranges: as long as the text. Errors: texts. Source: RFC 4180.

/// A record and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record<'a> {
    /// Of its first character.
    pub(super) line: usize,
    /// Borrowed from the text, or without its quotes.
    pub(super) fields: Result<Vec<std::borrow::Cow<'a, str>>, &'static str>,
}

/// The records of `bytes`.
pub(super) fn records(bytes: &[u8]) -> Records<'_> {
    let mark = bytes.strip_prefix(b"\xef\xbb\xbf");
    Records {
        rest: mark.unwrap_or(bytes),
        line: 1,
    }
}

/// What is left of a text.
pub(super) struct Records<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = record_end(self.rest);
            let (whole, rest) = self.rest.split_at(end);
            self.rest = rest;
            let line = self.line;
            self.line += whole.iter().filter(|byte| **byte == b'\n').count();
            let text = whole.strip_suffix(b"\n").unwrap_or(whole);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if !text.is_empty() {
                let fields = std::str::from_utf8(text)
                    .map_err(|_| "the line is not UTF-8")
                    .and_then(fields);
                return Some(Record { line, fields });
            }
        }
    }
}

/// Behind the line end that is in no quotes. A quote that is never closed would swallow all that
/// follows and hide its faults: such a record ends with its line.
fn record_end(bytes: &[u8]) -> usize {
    let mut quoted = false;
    let mut first_end = None;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return at + 1,
            b'\n' => first_end = first_end.or(Some(at + 1)),
            _ => {}
        }
    }
    match first_end {
        Some(end) if quoted => end,
        _ => bytes.len(),
    }
}

/// The fields of one record.
fn fields(text: &str) -> Result<Vec<std::borrow::Cow<'_, str>>, &'static str> {
    let mut all = Vec::new();
    let mut rest = text;
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(inside) => quoted_field(inside)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, behind) = rest.split_at(end);
                if field.contains('"') {
                    return Err("a quote stands inside a field that does not begin with one");
                }
                if field.contains(['\r', '\n', '\0']) {
                    return Err("a control character stands in a field");
                }
                (field.into(), behind)
            }
        };
        all.push(field);
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None if behind.is_empty() => return Ok(all),
            None => return Err("something follows a closing quote"),
        }
    }
}

/// A field behind its opening quote, and what follows the closing one.
fn quoted_field(inside: &str) -> Result<(std::borrow::Cow<'_, str>, &str), &'static str> {
    let mut from = 0;
    loop {
        let Some(at) = inside[from..].find('"').map(|at| from + at) else {
            return Err("a quote is not closed");
        };
        let behind = &inside[at + 1..];
        if behind.starts_with('"') {
            from = at + 2;
            continue;
        }
        let field = &inside[..at];
        let field = if field.contains('"') {
            field.replace("\"\"", "\"").into()
        } else {
            field.into()
        };
        return Ok((field, behind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'a> = Vec<(usize, Result<Vec<&'a str>, &'a str>)>;

    #[test]
    fn records_have_their_line_and_fields() {
        let open = "a quote is not closed";
        let rows: &[(&[u8], Expected)] = &[
            (b"", vec![]),
            (b"\n\r\n\n", vec![]),
            (b"a,b", vec![(1, Ok(vec!["a", "b"]))]),
            (b"\xef\xbb\xbfa,b\r\n", vec![(1, Ok(vec!["a", "b"]))]),
            (b",\n", vec![(1, Ok(vec!["", ""]))]),
            (b"a\n\nb\n", vec![(1, Ok(vec!["a"])), (3, Ok(vec!["b"]))]),
            (b"\"a,\"\"b\"\"\",c\n", vec![(1, Ok(vec!["a,\"b\"", "c"]))]),
            (
                b"\"x\r\ny\",1\r\nz\n",
                vec![(1, Ok(vec!["x\r\ny", "1"])), (3, Ok(vec!["z"]))],
            ),
            (
                b"\"a\"b\nc",
                vec![
                    (1, Err("something follows a closing quote")),
                    (2, Ok(vec!["c"])),
                ],
            ),
            (
                b"a,\"b\nc\nd",
                vec![(1, Err(open)), (2, Ok(vec!["c"])), (3, Ok(vec!["d"]))],
            ),
            (b"\"", vec![(1, Err(open))]),
            (
                b"a\"b\"\n",
                vec![(
                    1,
                    Err("a quote stands inside a field that does not begin with one"),
                )],
            ),
            (
                b"a\rb\n",
                vec![(1, Err("a control character stands in a field"))],
            ),
            (
                b"\xff\nb",
                vec![(1, Err("the line is not UTF-8")), (2, Ok(vec!["b"]))],
            ),
        ];
        for (text, expected) in rows {
            let found: Vec<Record> = records(text).collect();
            let found: Expected = found
                .iter()
                .map(|record| {
                    let fields = record.fields.as_ref().map_err(|fault| *fault);
                    let fields = fields.map(|all| all.iter().map(AsRef::as_ref).collect());
                    (record.line, fields)
                })
                .collect();
            assert_eq!(found, *expected, "{:?}", String::from_utf8_lossy(text));
        }
    }
}
