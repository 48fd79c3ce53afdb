//! Writes heads and chunk lines into a caller's buffer.
//!
//! Shape: a cursor over `&mut [u8]`; it allocates nothing. A fault sticks, so that a head is a
//! plain list of calls with one check at its end. Units: bytes. Ranges: whatever fits.
//! Errors: [`WriteFault`], Full or Invalid; only [`HeadWriter::field`] and its kin look at what
//! they are given, so text that no parser checked must pass through them.
//! Source: RFC 9112 §3, §4, §5, §7.1.

use super::{
    fault::WriteFault,
    fields::Field,
    status,
    token::{self, NOT_TARGET, VALUE},
};

/// The end of a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// The answer to a client that holds its body back.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Longest chunk size line: 16 digits and the line end.
pub const CHUNK_LINE_BYTES_MAX: usize = 18;

/// A head under way.
#[derive(Debug)]
pub struct HeadWriter<'a> {
    out: &'a mut [u8],
    len: usize,
    fault: Option<WriteFault>,
}

impl<'a> HeadWriter<'a> {
    /// A writer at the start of `out`.
    #[must_use]
    pub fn new(out: &'a mut [u8]) -> HeadWriter<'a> {
        HeadWriter {
            out,
            len: 0,
            fault: None,
        }
    }

    /// `METHOD target HTTP/1.1`, the target in parts that stand next to each other.
    pub fn request_line(&mut self, method: &[u8], target: &[&[u8]]) -> &mut Self {
        let is_empty = target.iter().all(|part| part.is_empty());
        if is_empty
            || !token::is_token(method)
            || target
                .iter()
                .any(|part| token::union(part) & NOT_TARGET != 0)
        {
            return self.fail(WriteFault::Invalid);
        }
        self.put(method).put(b" ");
        for part in target {
            self.put(part);
        }
        self.put(b" HTTP/1.1\r\n")
    }

    /// `HTTP/1.1 200 OK`; a status without a registered phrase gets none.
    pub fn status_line(&mut self, code: u16) -> &mut Self {
        match status::line(code) {
            Some(line) => self.put(line),
            None if (100..=599).contains(&code) => self
                .put(b"HTTP/1.1 ")
                .decimal(u64::from(code))
                .put(b" \r\n"),
            None => self.fail(WriteFault::Invalid),
        }
    }

    /// A field whose name or value may come from anywhere: both are checked.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        self.field_parts(name, &[value])
    }

    /// As [`Self::field`], the value in parts that stand next to each other.
    pub fn field_parts(&mut self, name: &[u8], value: &[&[u8]]) -> &mut Self {
        if !token::is_token(name) || !value.iter().all(|part| token::all(part, VALUE)) {
            return self.fail(WriteFault::Invalid);
        }
        self.put(name).put(b": ");
        for part in value {
            self.put(part);
        }
        self.put(b"\r\n")
    }

    /// A list field of what others said, in order, and `own` parts as its last element.
    pub fn field_list<'v>(
        &mut self,
        name: &[u8],
        before: impl Iterator<Item = &'v [u8]>,
        own: &[&[u8]],
    ) -> &mut Self {
        if !token::is_token(name) || !own.iter().all(|part| token::all(part, VALUE)) {
            return self.fail(WriteFault::Invalid);
        }
        self.put(name).put(b": ");
        for value in before.filter(|value| !value.is_empty()) {
            if !token::all(value, VALUE) {
                return self.fail(WriteFault::Invalid);
            }
            self.put(value).put(b", ");
        }
        for part in own {
            self.put(part);
        }
        self.put(b"\r\n")
    }

    /// A field that our parser or compiler checked before: not looked at again.
    #[inline]
    pub fn field_verified(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        debug_assert!(token::is_token(name) && token::all(value, VALUE));
        let line_bytes = name.len().saturating_add(value.len()).saturating_add(4);
        let Some(line) = self.reserve(line_bytes) else {
            return self.fail(WriteFault::Full);
        };
        let (to_name, line) = line.split_at_mut(name.len());
        to_name.copy_from_slice(name);
        let (to_colon, line) = line.split_at_mut(2);
        to_colon.copy_from_slice(b": ");
        let (to_value, line) = line.split_at_mut(value.len());
        to_value.copy_from_slice(value);
        line.copy_from_slice(b"\r\n");
        self
    }

    /// A field of the head in `bytes` that goes on, under the name that it goes on with.
    #[inline]
    pub fn field_onward(&mut self, field: &Field, bytes: &[u8]) -> &mut Self {
        if field.remapped {
            self.put(field.prefix());
        }
        self.field_verified(field.name.of(bytes), field.value.of(bytes))
    }

    /// A field of ours with a number.
    pub fn field_decimal(&mut self, name: &[u8], value: u64) -> &mut Self {
        let mut digits = [0; DECIMAL_BYTES_MAX];
        self.field_verified(name, decimal(value, &mut digits))
    }

    /// Prepared text that ends within a field's value, behind it a number and the line's end.
    #[inline]
    pub fn line_decimal(&mut self, prepared: &[u8], value: u64) -> &mut Self {
        debug_assert!(prepared.contains(&b':') && !prepared.ends_with(b"\r\n"));
        self.put(prepared).decimal(value).put(b"\r\n")
    }

    /// Whole lines that were prepared before, each with its line end.
    pub fn lines(&mut self, prepared: &[u8]) -> &mut Self {
        debug_assert!(prepared.is_empty() || prepared.ends_with(b"\r\n"));
        self.put(prepared)
    }

    /// Ends the head and gives its length.
    pub fn end(&mut self) -> Result<usize, WriteFault> {
        self.put(b"\r\n");
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.len),
        }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn decimal(&mut self, value: u64) -> &mut Self {
        let mut digits = [0; DECIMAL_BYTES_MAX];
        self.put(decimal(value, &mut digits))
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        match self.reserve(bytes.len()) {
            Some(to) => to.copy_from_slice(bytes),
            None => {
                self.fail(WriteFault::Full);
            }
        }
        self
    }

    #[inline]
    fn reserve(&mut self, bytes: usize) -> Option<&mut [u8]> {
        let end = self.len.checked_add(bytes)?;
        let to = self.out.get_mut(self.len..end)?;
        self.len = end;
        Some(to)
    }

    #[cold]
    fn fail(&mut self, fault: WriteFault) -> &mut Self {
        self.fault.get_or_insert(fault);
        self
    }
}

/// `value` in decimal, at the end of `out`.
pub fn decimal(value: u64, out: &mut [u8; DECIMAL_BYTES_MAX]) -> &[u8] {
    let mut left = value;
    let mut start = out.len();
    for (at, digit) in out.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        start = at;
        if left == 0 {
            break;
        }
    }
    &out[start..]
}

/// The line before a chunk of `chunk_bytes`, which is not 0: that would end the body. The chunk is
/// followed by `\r\n`.
pub fn chunk_size_line(chunk_bytes: u64, out: &mut [u8; CHUNK_LINE_BYTES_MAX]) -> &[u8] {
    debug_assert!(chunk_bytes > 0, "a chunk of nothing ends the body");
    let mut left = chunk_bytes;
    let mut start = 16;
    out[16..].copy_from_slice(b"\r\n");
    for (at, digit) in out.iter_mut().enumerate().take(16).rev() {
        let nibble = u8::try_from(left & 0xf).unwrap_or(0);
        *digit = if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + nibble - 10
        };
        left >>= 4;
        start = at;
        if left == 0 {
            break;
        }
    }
    &out[start..]
}

/// Digits of the longest decimal.
pub const DECIMAL_BYTES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{HeadLimits, RequestHead, ResponseHead, ResponseTo};
    use crate::wire::{parse_request, parse_response};

    #[test]
    fn a_written_head_parses() {
        let mut out = [0; 256];
        let len = HeadWriter::new(&mut out)
            .request_line(b"GET", &[b"/base", b"/a?b"])
            .field(b"Host", b"h")
            .field_parts(b"X-Forwarded-For", &[b"10.0.0.1", b", ", b"10.0.0.2"])
            .field_decimal(b"Content-Length", 10)
            .field_verified(b"A", b"")
            .lines(b"B: c\r\n")
            .line_decimal(b"D: e; f=", 7)
            .end();
        let text = &out[..len.expect("fits")];
        let expected: &[u8] = b"GET /base/a?b HTTP/1.1\r\nHost: h\r\n\
            X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nContent-Length: 10\r\nA: \r\nB: c\r\nD: e; f=7\r\n\r\n";
        assert_eq!(text, expected);
        let mut head = RequestHead::new();
        assert_eq!(
            parse_request(text, &HeadLimits::default(), &mut head),
            Ok(())
        );
        for code in 100..=599 {
            let mut out = [0; 128];
            let len = HeadWriter::new(&mut out)
                .status_line(code)
                .end()
                .expect("fits");
            let mut head = ResponseHead::new();
            let parsed = parse_response(
                &out[..len],
                &HeadLimits::default(),
                ResponseTo::default(),
                &mut head,
            );
            let fits = if code == 101 {
                parsed.is_err()
            } else {
                parsed.is_ok()
            };
            assert!(fits, "{code}");
            assert_eq!(head.status, code);
        }
    }

    #[test]
    fn a_head_that_does_not_fit_or_splits_is_refused() {
        let write = |room: usize, value: &[u8]| {
            let mut out = vec![0; room];
            HeadWriter::new(&mut out)
                .status_line(200)
                .field(b"a", value)
                .end()
        };
        assert_eq!(write(25, b"b"), Ok(25));
        assert_eq!(write(24, b"b"), Err(WriteFault::Full));
        assert_eq!(write(0, b"b"), Err(WriteFault::Full));
        for bad in [&b"b\r\nc: d"[..], b"b\n", b"\r", b"\0", b"\x7f"] {
            assert_eq!(write(99, bad), Err(WriteFault::Invalid));
        }
        let mut out = [0; 99];
        let line = |method: &[u8], target: &[u8], out: &mut [u8]| {
            HeadWriter::new(out).request_line(method, &[target]).end()
        };
        assert_eq!(line(b"GET", b"/ x", &mut out), Err(WriteFault::Invalid));
        assert_eq!(line(b"G T", b"/", &mut out), Err(WriteFault::Invalid));
        assert_eq!(line(b"GET", b"", &mut out), Err(WriteFault::Invalid));
        let fault = HeadWriter::new(&mut out)
            .status_line(200)
            .field(b"a b", b"")
            .end();
        assert_eq!(fault, Err(WriteFault::Invalid));
    }

    #[test]
    fn numbers() {
        for number in [0, 1, 9, 10, 255, 256, 65_535, u64::MAX] {
            let text = number.to_string();
            assert_eq!(
                decimal(number, &mut [0; DECIMAL_BYTES_MAX]),
                text.as_bytes()
            );
            if number > 0 {
                let line = format!("{number:x}\r\n");
                assert_eq!(chunk_size_line(number, &mut [0; 18]), line.as_bytes());
            }
        }
    }
}
