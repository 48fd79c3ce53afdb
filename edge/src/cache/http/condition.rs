//! A client's own conditions and ranges, answered from a stored response.
//!
//! Shape: request and stored response in, an [`Answer`] out, and its head into a writer. Units:
//! bytes for ranges, seconds for dates. Ranges: bodies up to 2^63 - 1. Errors: none; a condition
//! or range that is not understood is as if it were absent, and then the whole answer is given.
//! Several ranges get the whole answer too, which RFC 9110 section 14.2 allows.
//! Source: RFC 9110 sections 8.8.3.2, 13.1, 13.2.2, 14.1.2, 14.2, 15.3.7, 15.5.17;
//! RFC 9111 section 4.3.2.

use super::{date, facts::Request, record::Stored};
use crate::wire::{
    HeadWriter, Known, Method,
    token::{self, BLANK},
    write::{DECIMAL_BYTES_MAX, decimal},
};

/// How a stored response is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// As it is.
    Whole,
    /// 304: the client has it.
    NotModified,
    /// 206: from `first` to `last`, both included.
    Partial {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte.
        last: u64,
    },
    /// 416: no byte of the body is in the range.
    Unsatisfiable,
}

impl Answer {
    /// The status of the answer made from `stored`.
    #[must_use]
    pub fn status(self, stored: &Stored<'_>) -> u16 {
        match self {
            Answer::Whole => stored.status,
            Answer::NotModified => 304,
            Answer::Partial { .. } => 206,
            Answer::Unsatisfiable => 416,
        }
    }

    /// The part of the body that is sent: offset and length. A HEAD gets none of it.
    #[must_use]
    pub fn body(self, request: &Request<'_>, stored: &Stored<'_>) -> (u64, u64) {
        if request.head.method == Method::Head {
            return (0, 0);
        }
        match self {
            Answer::Whole => (0, stored.body_bytes),
            Answer::Partial { first, last } => (first, last.saturating_sub(first) + 1),
            Answer::NotModified | Answer::Unsatisfiable => (0, 0),
        }
    }

    /// Writes the head but for the fields of the moment (request id, connection, Cache-Status,
    /// X-Cache, and the Date of a 416) and its end. `age_s` is written unless the answer was just
    /// validated.
    pub fn write_head(self, stored: &Stored<'_>, age_s: Option<u64>, head: &mut HeadWriter<'_>) {
        match self {
            Answer::Whole => {
                head.lines(stored.whole_lines());
                if !stored.declares_length() {
                    head.field_decimal(b"Content-Length", stored.body_bytes);
                }
            }
            Answer::NotModified => {
                head.status_line(304).lines(stored.shared_lines());
            }
            Answer::Partial { first, last } => {
                head.status_line(206).lines(stored.field_lines());
                let mut digits = [[0; DECIMAL_BYTES_MAX]; 3];
                let [a, b, c] = &mut digits;
                let range = [
                    b"bytes ",
                    decimal(first, a),
                    b"-",
                    decimal(last, b),
                    b"/",
                    decimal(stored.body_bytes, c),
                ];
                head.field_parts(b"Content-Range", &range);
                head.field_decimal(b"Content-Length", last.saturating_sub(first) + 1);
            }
            Answer::Unsatisfiable => {
                let mut digits = [0; DECIMAL_BYTES_MAX];
                let total = decimal(stored.body_bytes, &mut digits);
                // Nothing of the stored head: a cache behind us could keep this answer by it.
                head.status_line(416);
                head.field_parts(b"Content-Range", &[b"bytes */", total]);
                head.lines(b"Content-Length: 0\r\n");
            }
        }
        if let Some(age_s) = age_s.filter(|_| self != Answer::Unsatisfiable) {
            head.field_decimal(b"Age", age_s);
        }
    }
}

/// How `stored`, which answers `request`, is given.
#[must_use]
pub fn answer(request: &Request<'_>, stored: &Stored<'_>) -> Answer {
    // Conditions are for answers that would have succeeded.
    if !(200..300).contains(&stored.status) {
        return Answer::Whole;
    }
    if is_not_modified(request, stored) {
        return Answer::NotModified;
    }
    let is_partial = stored.status == 200
        && request.head.method == Method::Get
        && request.head.fields.has(Known::Range);
    if !is_partial {
        return Answer::Whole;
    }
    match request
        .single(Known::Range)
        .map(|range| parse_range(range, stored.body_bytes))
    {
        None | Some(Range::None) => Answer::Whole,
        Some(found) if allows_range(request, stored) => match found {
            Range::Part { first, last } => Answer::Partial { first, last },
            _ => Answer::Unsatisfiable,
        },
        Some(_) => Answer::Whole,
    }
}

fn is_not_modified(request: &Request<'_>, stored: &Stored<'_>) -> bool {
    let fields = &request.head.fields;
    if fields.has(Known::IfNoneMatch) {
        return request
            .lines(Known::IfNoneMatch)
            .any(|line| line == b"*" || lists_tag(line, stored.etag));
    }
    if !fields.has(Known::IfModifiedSince) {
        return false;
    }
    let now_s = stored.response_time_s();
    let parse = |text: &[u8]| date::parse(text, now_s);
    let since_s = request.single(Known::IfModifiedSince).and_then(parse);
    let changed_s = if stored.last_modified.is_empty() {
        parse(stored.date)
    } else {
        parse(stored.last_modified)
    };
    match (since_s, changed_s) {
        (Some(since_s), Some(changed_s)) => changed_s <= since_s,
        _ => false,
    }
}

/// Whether a list of entity tags holds `tag`, weakness aside. Tags without quotes, which no
/// grammar knows, are compared as they are.
fn lists_tag(list: &[u8], tag: &[u8]) -> bool {
    !tag.is_empty() && tags(list).any(|listed| is_weakly_same(listed, tag))
}

/// Weak comparison: the opaque part decides.
#[must_use]
pub fn is_weakly_same(a: &[u8], b: &[u8]) -> bool {
    opaque(a) == opaque(b) && !opaque(a).is_empty()
}

/// Strong comparison: both are strong, and the same.
#[must_use]
pub fn is_strongly_same(a: &[u8], b: &[u8]) -> bool {
    is_strong(a) && a == b
}

/// Whether a tag is strong.
#[must_use]
pub fn is_strong(tag: &[u8]) -> bool {
    !tag.is_empty() && !tag.starts_with(b"W/")
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The tags of a list; commas within quotes belong to a tag.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        loop {
            let mut is_quoted = false;
            let end = rest.iter().position(|byte| {
                is_quoted ^= *byte == b'"';
                *byte == b',' && !is_quoted
            });
            let (tag, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = behind.get(1..).unwrap_or(&[]);
            match token::trim(tag) {
                b"" if rest.is_empty() => return None,
                b"" => {}
                tag => return Some(tag),
            }
        }
    })
}

/// If-Range: whether the range is of the response that is stored.
fn allows_range(request: &Request<'_>, stored: &Stored<'_>) -> bool {
    let mut lines = request.head.fields.named(request.bytes, b"if-range");
    let Some(line) = lines.next() else {
        return true;
    };
    let condition = line.value.of(request.bytes);
    if lines.next().is_some() {
        return false;
    }
    if condition.starts_with(b"\"") || condition.starts_with(b"W/") {
        return is_strongly_same(condition, stored.etag);
    }
    // A date is strong when the answer was made at least a second after the last change.
    let now_s = stored.response_time_s();
    let parse = |text: &[u8]| date::parse(text, now_s);
    match (
        parse(condition),
        parse(stored.last_modified),
        parse(stored.date),
    ) {
        (Some(condition_s), Some(changed_s), Some(date_s)) => {
            condition_s == changed_s && changed_s < date_s
        }
        _ => false,
    }
}

/// What one Range field says of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Range {
    /// Nothing that we follow.
    None,
    Part {
        first: u64,
        last: u64,
    },
    Unsatisfiable,
}

fn parse_range(text: &[u8], body_bytes: u64) -> Range {
    let Some((unit, set)) = text.split_at_checked(b"bytes=".len()) else {
        return Range::None;
    };
    let mut specs = token::list(set);
    let (Some(spec), None) = (specs.next(), specs.next()) else {
        return Range::None;
    };
    if !unit.eq_ignore_ascii_case(b"bytes=") || spec.iter().any(|byte| token::is(*byte, BLANK)) {
        return Range::None;
    }
    let Some(dash) = memchr::memchr(b'-', spec) else {
        return Range::None;
    };
    let (from, to) = (
        spec.get(..dash).unwrap_or(&[]),
        spec.get(dash + 1..).unwrap_or(&[]),
    );
    match (offset(from), offset(to)) {
        (Offset::None, Offset::At(suffix_bytes)) => match body_bytes.checked_sub(1) {
            _ if suffix_bytes == 0 => Range::Unsatisfiable,
            // All of nothing is nothing, which 206 cannot say.
            None => Range::None,
            Some(last) => Range::Part {
                first: body_bytes.saturating_sub(suffix_bytes),
                last,
            },
        },
        (Offset::At(first), Offset::At(last)) if last < first => Range::None,
        (Offset::At(first), _) if first >= body_bytes => match offset(to) {
            Offset::Bad => Range::None,
            _ => Range::Unsatisfiable,
        },
        (Offset::At(first), Offset::At(last)) => Range::Part {
            first,
            last: last.min(body_bytes.saturating_sub(1)),
        },
        (Offset::At(first), Offset::None) => Range::Part {
            first,
            last: body_bytes.saturating_sub(1),
        },
        _ => Range::None,
    }
}

enum Offset {
    None,
    At(u64),
    Bad,
}

fn offset(digits: &[u8]) -> Offset {
    if digits.is_empty() {
        return Offset::None;
    }
    let number = digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(value.saturating_mul(10).saturating_add(digit))
    });
    number.map_or(Offset::Bad, Offset::At)
}
