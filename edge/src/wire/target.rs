//! The request target: its form, its parts, and the tricks that are refused.
//!
//! Shape: spans into the head. Units: bytes. Ranges: visible ASCII without `#` and `\`.
//! Errors: `400` for malformed escapes in the path, an encoded NUL or overlong UTF-8 anywhere, and
//! dot segments raw, encoded, or between `%2F` or `%5C`. Whatever passes is literal (`%2F`, `%5C`,
//! `//`, `;` separate nothing) and is forwarded unchanged: there is nothing left to normalize.
//! Source: RFC 9112 §3.2; RFC 3986 §2.1, §3.3, §5.2.4; RFC 3629 §3.

use super::{
    fault::HeadFault,
    span::Span,
    token::{self, CAREFUL, NOT_TARGET, QUESTION},
};

/// How a target is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Form {
    /// `/path?query`
    #[default]
    Origin,
    /// `http://authority/path?query`
    AbsoluteHttp,
    /// `https://authority/path?query`
    AbsoluteHttps,
    /// `*`, for OPTIONS
    Asterisk,
}

/// A parsed target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Target {
    pub form: Form,
    /// From the first `/` to the query; empty for `*` and for an absolute target without a path.
    pub path: Span,
    /// Behind the `?`, when there is one.
    pub query: Option<Span>,
    /// Host and port of an absolute target, else empty.
    pub authority: Span,
}

impl Target {
    /// Reads `text`, a slice of `bytes`.
    pub fn parse(bytes: &[u8], text: &[u8]) -> Result<Target, HeadFault> {
        let span = |part| Span::within(bytes, part).ok_or(HeadFault::TargetTooLong);
        let seen = token::union(text);
        if seen & NOT_TARGET != 0 {
            return Err(HeadFault::Target);
        }
        let (form, authority, rest) = match text.first() {
            Some(b'/') => (Form::Origin, &text[..0], text),
            Some(b'*') if text.len() == 1 => (Form::Asterisk, &text[..0], &text[..0]),
            _ => split_absolute(text).ok_or(HeadFault::Target)?,
        };
        let question = if seen & QUESTION == 0 {
            None
        } else {
            memchr::memchr(b'?', rest)
        };
        let (path, query) = match question {
            None => (rest, None),
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        };
        if seen & CAREFUL != 0 {
            check_path(path)?;
            check_query(query.unwrap_or(&[]))?;
        }
        Ok(Target {
            form,
            path: span(path)?,
            query: query.map(span).transpose()?,
            authority: span(authority)?,
        })
    }

    /// The path of this target in `bytes`; `/` for an absolute target without one.
    #[must_use]
    pub fn path<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match self.form {
            Form::Asterisk => b"*",
            _ if self.path.is_empty() => b"/",
            _ => self.path.of(bytes),
        }
    }

    /// The query of this target in `bytes`, without `?`; empty when there is none.
    #[must_use]
    pub fn query<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.query.map_or(&[], |query| query.of(bytes))
    }
}

fn split_absolute(text: &[u8]) -> Option<(Form, &[u8], &[u8])> {
    let starts = |scheme: &[u8]| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let (form, rest) = if starts(b"http://") {
        (Form::AbsoluteHttp, text.get(7..)?)
    } else if starts(b"https://") {
        (Form::AbsoluteHttps, text.get(8..)?)
    } else {
        return None;
    };
    let end = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    (!authority.is_empty()).then_some((form, authority, rest))
}

/// Refuses a path that a decoding origin would read differently from us.
pub fn check_path(path: &[u8]) -> Result<(), HeadFault> {
    if memchr::memchr2(b'%', b'.', path).is_none() {
        return Ok(());
    }
    check_escapes(path, true)?;
    check_dot_segments(path)
}

/// Refuses a query with an encoded NUL or overlong UTF-8; a stray `%` there is literal.
pub fn check_query(query: &[u8]) -> Result<(), HeadFault> {
    check_escapes(query, false)
}

fn check_escapes(text: &[u8], strict: bool) -> Result<(), HeadFault> {
    let mut from = 0;
    let mut last_end = usize::MAX;
    let mut last_byte = 0u8;
    while let Some(found) = text.get(from..).and_then(|rest| memchr::memchr(b'%', rest)) {
        let at = from + found;
        let Some(byte) = escape_at(text, at) else {
            if strict {
                return Err(HeadFault::TargetEscape);
            }
            from = at + 1;
            continue;
        };
        let follows = if last_end == at { last_byte } else { 0 };
        if byte == 0 || is_overlong(follows, byte) {
            return Err(HeadFault::TargetEscape);
        }
        from = at + 3;
        last_end = from;
        last_byte = byte;
    }
    Ok(())
}

/// The byte that the escape at `at` stands for.
pub(super) fn escape_at(text: &[u8], at: usize) -> Option<u8> {
    match text.get(at..at.checked_add(3)?)? {
        [b'%', high, low] => Some(token::hex_value(*high)? << 4 | token::hex_value(*low)?),
        _ => None,
    }
}

/// Whether `byte`, behind `lead`, makes a longer UTF-8 form than its character needs. 0xC0 and
/// 0xC1 can start nothing else; the old five- and six-byte forms are there for lenient decoders.
fn is_overlong(lead: u8, byte: u8) -> bool {
    matches!(
        (lead, byte),
        (_, 0xc0 | 0xc1)
            | (0xe0, 0x80..=0x9f)
            | (0xf0, 0x80..=0x8f)
            | (0xf8, 0x80..=0x87)
            | (0xfc, 0x80..=0x83)
    )
}

fn check_dot_segments(path: &[u8]) -> Result<(), HeadFault> {
    let mut dots = 0u8;
    let mut other = false;
    let mut at = 0;
    while let Some(&raw) = path.get(at) {
        let (byte, len) = match (raw, escape_at(path, at)) {
            (b'%', Some(byte)) => (byte, 3),
            _ => (raw, 1),
        };
        at += len;
        match byte {
            b'/' | b'\\' => {
                if is_dot_segment(dots, other) {
                    return Err(HeadFault::TargetDotSegment);
                }
                dots = 0;
                other = false;
            }
            b'.' => dots = dots.saturating_add(1),
            _ => other = true,
        }
    }
    if is_dot_segment(dots, other) {
        Err(HeadFault::TargetDotSegment)
    } else {
        Ok(())
    }
}

fn is_dot_segment(dots: u8, other: bool) -> bool {
    !other && (dots == 1 || dots == 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_that_pass_and_paths_that_do_not() {
        use HeadFault::{TargetDotSegment, TargetEscape};
        let rows: &[(&str, Result<(), HeadFault>)] = &[
            ("/", Ok(())),
            ("/a//b", Ok(())),
            ("/a%2Fb%5Cc;d=1", Ok(())),
            ("/...", Ok(())),
            ("/.a/b./..c/d..", Ok(())),
            ("/a.b%2e", Ok(())),
            ("/..;/x", Ok(())),
            ("/%C3%A9/%E2%82%AC/%F0%9F%98%80", Ok(())),
            ("/%25%32%65", Ok(())),
            ("/%e0%a0%80", Ok(())),
            ("/.", Err(TargetDotSegment)),
            ("/..", Err(TargetDotSegment)),
            ("/../a", Err(TargetDotSegment)),
            ("/a/./b", Err(TargetDotSegment)),
            ("/a/%2e%2E/b", Err(TargetDotSegment)),
            ("/a/.%2e", Err(TargetDotSegment)),
            ("/a%2f..%2Fb", Err(TargetDotSegment)),
            ("/a%5c..%5Cb", Err(TargetDotSegment)),
            ("/a/..%5cb", Err(TargetDotSegment)),
            ("/%00", Err(TargetEscape)),
            ("/%c0%af", Err(TargetEscape)),
            ("/%C0/", Err(TargetEscape)),
            ("/%c1%1c", Err(TargetEscape)),
            ("/%e0%80%af", Err(TargetEscape)),
            ("/%F0%80%80%af", Err(TargetEscape)),
            ("/%f8%80%80%80%af", Err(TargetEscape)),
            ("/%fc%80%80%80%80%af", Err(TargetEscape)),
            ("/%", Err(TargetEscape)),
            ("/%2", Err(TargetEscape)),
            ("/%zz", Err(TargetEscape)),
            ("/%u002e", Err(TargetEscape)),
        ];
        for (given, expected) in rows {
            assert_eq!(check_path(given.as_bytes()), *expected, "{given}");
        }
    }

    #[test]
    fn targets_have_forms() {
        let row = |given: &str| {
            let bytes = given.as_bytes();
            Target::parse(bytes, bytes).map(|target| {
                let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
                (
                    target.form,
                    text(target.authority.of(bytes)),
                    text(target.path(bytes)),
                    target.query.map(|query| text(query.of(bytes))),
                )
            })
        };
        let ok = |form, authority: &str, path: &str, query: Option<&str>| {
            Ok((
                form,
                authority.to_owned(),
                path.to_owned(),
                query.map(str::to_owned),
            ))
        };
        let rows = [
            ("/a?b=c?d", ok(Form::Origin, "", "/a", Some("b=c?d"))),
            ("/?", ok(Form::Origin, "", "/", Some(""))),
            ("*", ok(Form::Asterisk, "", "*", None)),
            ("http://h:1/p", ok(Form::AbsoluteHttp, "h:1", "/p", None)),
            ("HTTPS://h?q", ok(Form::AbsoluteHttps, "h", "/", Some("q"))),
            (
                "/?a=%&b=../..",
                ok(Form::Origin, "", "/", Some("a=%&b=../..")),
            ),
            ("http://", Err(HeadFault::Target)),
            ("http:///p", Err(HeadFault::Target)),
            ("ftp://h/", Err(HeadFault::Target)),
            ("h:443", Err(HeadFault::Target)),
            ("**", Err(HeadFault::Target)),
            ("a", Err(HeadFault::Target)),
            ("?", Err(HeadFault::Target)),
            ("/#a", Err(HeadFault::Target)),
            ("/a\\b", Err(HeadFault::Target)),
            ("/\u{e9}", Err(HeadFault::Target)),
            ("/\u{7f}", Err(HeadFault::Target)),
            ("/?a=%00", Err(HeadFault::TargetEscape)),
            ("http://h/../", Err(HeadFault::TargetDotSegment)),
        ];
        for (given, expected) in rows {
            assert_eq!(row(given), expected, "{given}");
        }
    }

    /// What an eager origin does: decodes everything, takes both slashes as separators, and
    /// removes dot segments.
    fn eager_segments(path: &[u8], resolve: bool) -> Vec<Vec<u8>> {
        let mut decoded = Vec::new();
        let mut at = 0;
        while at < path.len() {
            let escape = escape_at(path, at);
            decoded.push(escape.unwrap_or(path[at]));
            at += if escape.is_some() { 3 } else { 1 };
        }
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
            match segment {
                b"." if resolve => {}
                b".." if resolve => {
                    kept.pop();
                }
                _ => kept.push(segment.to_vec()),
            }
        }
        kept
    }

    proptest! {
        #[test]
        fn an_accepted_path_survives_an_eager_origin(
            path in "(/|\\.|%2[eEfF]|%5[cC]|%2[0-9]|a|;){0,12}",
        ) {
            let path = format!("/{path}");
            let path = path.as_bytes();
            let same = eager_segments(path, true) == eager_segments(path, false);
            prop_assert_eq!(check_path(path).is_ok(), same);
        }
    }
}
