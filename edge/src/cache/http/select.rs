//! Values of request fields in the form in which two requests are compared.
//!
//! What it is: the normal form behind Vary and behind header parts of a key: lines joined, blanks
//! around list elements gone, empty elements gone. Shape: a mode byte says how the value was
//! treated, so that values treated differently are never equal. Units: bytes. Ranges: any value.
//! Errors: a sink that is full says so at its end.
//! Source: RFC 9111 section 4.1; RFC 9110 sections 5.3, 5.6.1, 12.5.3, 12.5.4.

use aws_lc_rs::digest::{SHA256, digest};

use crate::wire::{
    Fields, Known,
    known::IDENTITY,
    token::{self, BLANK},
};

/// How values are treated beyond what always holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Normalise {
    /// Accept-Encoding counts only as far as it takes `br` and `gzip`. The same reduced value must
    /// go to the origin: [`accept_encoding`].
    pub encodings: bool,
    /// The order of Accept-Language does not count. RFC 9110 section 12.5.4 gives it no meaning,
    /// but origins do: off.
    pub languages_unordered: bool,
}

/// The field is absent.
pub(super) const ABSENT: u8 = 0;
/// A comma list without blanks around its elements.
const LIST: u8 = 1;
/// Lines as they came, with LF between them.
const EXACT: u8 = 2;
/// SHA-256: who asks is nobody's business who reads the store.
const DIGEST: u8 = 3;

/// Where a value goes.
pub(super) trait Sink {
    /// Takes more of it.
    fn put(&mut self, bytes: &[u8]);
}

/// Writes the mode and the value of the fields named `name` to `sink`.
pub(super) fn value(
    fields: &Fields,
    bytes: &[u8],
    name: &[u8],
    normalise: Normalise,
    sink: &mut impl Sink,
) {
    let lines = || fields.named(bytes, name).map(|field| field.value.of(bytes));
    if lines().next().is_none() {
        return sink.put(&[ABSENT]);
    }
    let known = Known::of(name);
    match known {
        _ if known.marks() & IDENTITY != 0 => {
            sink.put(&[DIGEST]);
            sink.put(&secret(lines()));
        }
        Known::AcceptEncoding if normalise.encodings => {
            sink.put(&[LIST]);
            sink.put(accept_encoding(lines()));
        }
        Known::AcceptLanguage => {
            sink.put(&[LIST]);
            languages(lines(), normalise.languages_unordered, sink);
        }
        _ if is_single(known) || !lines().all(has_whole_strings) => {
            sink.put(&[EXACT]);
            for (nth, line) in lines().enumerate() {
                if nth > 0 {
                    sink.put(b"\n");
                }
                sink.put(line);
            }
        }
        _ => {
            sink.put(&[LIST]);
            for (nth, element) in lines().flat_map(Elements).enumerate() {
                if nth > 0 {
                    sink.put(b",");
                }
                sink.put(element);
            }
        }
    }
}

/// What stands for a secret in keys and records: equal for equal ones and nothing else.
pub(super) fn secret<'a>(lines: impl Iterator<Item = &'a [u8]>) -> [u8; SECRET_BYTES] {
    let mut chained = [0u8; 2 * SECRET_BYTES];
    for line in lines {
        chained[SECRET_BYTES..].copy_from_slice(digest(&SHA256, line).as_ref());
        let both = digest(&SHA256, &chained);
        chained[..SECRET_BYTES].copy_from_slice(both.as_ref());
    }
    let mut out = [0; SECRET_BYTES];
    out.copy_from_slice(&chained[..SECRET_BYTES]);
    out
}

/// Bytes of [`secret`].
pub(super) const SECRET_BYTES: usize = 32;

/// What of Accept-Encoding counts when it is reduced to the codings that differ.
#[must_use]
pub fn accept_encoding<'a>(lines: impl Iterator<Item = &'a [u8]>) -> &'static [u8] {
    let (mut br, mut gzip) = (false, false);
    for element in lines.flat_map(token::list) {
        let mut parts = element.split(|byte| *byte == b';').map(token::trim);
        let coding = parts.next().unwrap_or(b"");
        let is_refused = parts.any(is_weight_zero);
        br |= coding.eq_ignore_ascii_case(b"br") && !is_refused;
        gzip |= coding.eq_ignore_ascii_case(b"gzip") && !is_refused;
    }
    match (br, gzip) {
        (true, true) => b"br,gzip",
        (true, false) => b"br",
        (false, true) => b"gzip",
        (false, false) => b"",
    }
}

fn is_weight_zero(parameter: &[u8]) -> bool {
    let weight = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="));
    weight.is_some_and(|weight| weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
}

/// Language ranges have no strings and no case, and blanks mean nothing in them.
fn languages<'a>(lines: impl Iterator<Item = &'a [u8]>, is_unordered: bool, sink: &mut impl Sink) {
    let mut elements = [&b""[..]; LANGUAGES_MAX];
    let mut count = 0usize;
    let mut rest = lines.flat_map(token::list);
    for (slot, element) in elements.iter_mut().zip(rest.by_ref()) {
        *slot = element;
        count += 1;
    }
    let found = elements.get_mut(..count).unwrap_or_default();
    let more = rest.next();
    if is_unordered && more.is_none() {
        found.sort_unstable_by(|a, b| plain(a).cmp(plain(b)));
    }
    let all = found.iter().copied().chain(more).chain(rest);
    for (nth, element) in all.enumerate() {
        if nth > 0 {
            sink.put(b",");
        }
        for byte in plain(element) {
            sink.put(&[byte]);
        }
    }
}

fn plain(element: &[u8]) -> impl Iterator<Item = u8> {
    element
        .iter()
        .filter(|byte| !token::is(**byte, BLANK))
        .map(u8::to_ascii_lowercase)
}

/// Longer lists keep their order.
const LANGUAGES_MAX: usize = 32;

/// Fields whose value is no list, so that its blanks and commas count.
fn is_single(known: Known) -> bool {
    matches!(
        known,
        Known::Host
            | Known::UserAgent
            | Known::Referer
            | Known::Origin
            | Known::ContentType
            | Known::Range
            | Known::IfModifiedSince
            | Known::Date
            | Known::XForwardedHost
    )
}

/// Whether every string of a line ends in it.
fn has_whole_strings(line: &[u8]) -> bool {
    let mut state = Quotes::default();
    for &byte in line {
        state.take(byte);
    }
    !state.quoted
}

/// Whether a byte is inside a string.
#[derive(Default)]
struct Quotes {
    quoted: bool,
    escaped: bool,
}

impl Quotes {
    fn take(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = self.quoted,
            b'"' => self.quoted = !self.quoted,
            _ => {}
        }
    }
}

/// The elements of a list, strings respected, blanks around them and empty ones left out.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.0.is_empty() {
            let mut state = Quotes::default();
            let is_end = |byte: &u8| {
                state.take(*byte);
                *byte == b',' && !state.quoted
            };
            let end = self.0.iter().position(is_end).unwrap_or(self.0.len());
            let (element, rest) = self.0.split_at(end);
            self.0 = rest.get(1..).unwrap_or(&[]);
            let element = token::trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// Compares with what was written before.
pub(super) struct Same<'a> {
    expected: &'a [u8],
    is_same: bool,
}

impl<'a> Same<'a> {
    pub(super) fn as_in(expected: &'a [u8]) -> Same<'a> {
        Same {
            expected,
            is_same: true,
        }
    }

    /// Whether all of it came, and nothing else.
    pub(super) fn is_whole(&self) -> bool {
        self.is_same && self.expected.is_empty()
    }
}

impl Sink for Same<'_> {
    fn put(&mut self, bytes: &[u8]) {
        match self.expected.strip_prefix(bytes) {
            Some(rest) => self.expected = rest,
            None => self.is_same = false,
        }
    }
}

/// Writes into a caller's buffer.
pub(super) struct Out<'a> {
    bytes: &'a mut [u8],
    len: usize,
    is_full: bool,
}

impl<'a> Out<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Out<'a> {
        Out::behind(bytes, 0)
    }

    /// Goes on behind the first `len` bytes.
    pub(super) fn behind(bytes: &'a mut [u8], len: usize) -> Out<'a> {
        Out {
            is_full: len > bytes.len(),
            bytes,
            len,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes written; `None` when they did not fit.
    pub(super) fn end(&self) -> Option<usize> {
        (!self.is_full).then_some(self.len)
    }

    /// Takes bytes in lower case.
    pub(super) fn put_lower(&mut self, bytes: &[u8]) {
        let start = self.len;
        self.put(bytes);
        if let Some(written) = self.bytes.get_mut(start..self.len) {
            written.make_ascii_lowercase();
        }
    }

    /// Gives up: what follows would not be what was meant.
    pub(super) fn fail(&mut self) {
        self.is_full = true;
    }

    /// Overwrites what was written at `at`.
    pub(super) fn patch(&mut self, at: usize, bytes: &[u8]) {
        match self.bytes.get_mut(at..at.saturating_add(bytes.len())) {
            Some(to) => to.copy_from_slice(bytes),
            None => self.is_full = true,
        }
    }

    /// Writes the length of what `body` writes, two bytes, in front of it.
    #[inline]
    pub(super) fn sized(&mut self, body: impl FnOnce(&mut Out<'a>)) {
        let at = self.len;
        self.put(&[0, 0]);
        let start = self.len;
        body(self);
        match u16::try_from(self.len.saturating_sub(start)) {
            Ok(len) => self.patch(at, &len.to_le_bytes()),
            Err(_) => self.is_full = true,
        }
    }
}

impl Sink for Out<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        match self.bytes.get_mut(self.len..end) {
            Some(to) if !self.is_full => {
                to.copy_from_slice(bytes);
                self.len = end;
            }
            _ => self.is_full = true,
        }
    }
}
