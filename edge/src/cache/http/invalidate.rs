//! What an unsafe request makes invalid: its own URI, and those that its answer names.
//!
//! Shape: method and status in, yes or no; a reference of the answer in, the URI it means out,
//! resolved in a caller's buffer. Units: bytes. Ranges: references that fit the buffer. Errors:
//! `None` for a reference to another origin, which could be used to empty its cache, and for one
//! that no request could have.
//! Source: RFC 9111 section 4.4; RFC 9110 sections 4.3.1, 9.2.1; RFC 3986 section 5.2.

use super::{facts::Response, hash::Uri};
use crate::wire::{
    Known, Method, host,
    target::check_path,
    token::{self, NOT_TARGET},
};

/// Whether an answer of `status` to `method` makes stored responses invalid. Methods that are not
/// known to be safe are unsafe.
#[must_use]
pub fn invalidates(method: Method, status: u16) -> bool {
    !method.is_safe() && (200..400).contains(&status)
}

/// The references in `response` to further URIs that are invalid.
pub fn references<'a>(response: &Response<'a>) -> impl Iterator<Item = &'a [u8]> {
    let location = response.lines(Known::Location);
    location.chain(response.named(b"content-location"))
}

/// The URI that `reference` means where `base` was asked for, when it has the same origin.
#[must_use]
pub fn resolve<'o>(base: &Uri<'_>, reference: &[u8], out: &'o mut [u8]) -> Option<SameOrigin<'o>> {
    let reference = reference
        .split(|byte| *byte == b'#')
        .next()
        .unwrap_or(reference);
    if token::union(reference) & NOT_TARGET != 0 {
        return None;
    }
    let reference = within_origin(base, reference)?;
    let (path, query) = match memchr::memchr(b'?', reference) {
        Some(at) => (reference.get(..at)?, reference.get(at + 1..)),
        None => (reference, None),
    };
    let mut path_out = Path { out, len: 0 };
    let query = match path {
        b"" => {
            path_out.put(base.path)?;
            query.or(base.query)
        }
        [b'/', ..] => {
            path_out.put_segments(path)?;
            query
        }
        _ => {
            let folder = memchr::memrchr(b'/', base.path).map_or(0, |at| at + 1);
            path_out.put_segments(base.path.get(..folder)?)?;
            path_out.put_segments(path)?;
            query
        }
    };
    let path_bytes = path_out.len;
    path_out.put_raw(query.unwrap_or(&[]))?;
    let len = path_out.len;
    let (path, query_text) = out.get(..len)?.split_at_checked(path_bytes)?;
    check_path(path).ok()?;
    Some(SameOrigin {
        path,
        query: query.map(|_| query_text),
    })
}

/// Path and query of a URI whose scheme, host and port are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SameOrigin<'o> {
    /// Path, raw.
    pub path: &'o [u8],
    /// Query without `?`, when there is one.
    pub query: Option<&'o [u8]>,
}

/// `reference` from its path on, when its scheme and authority are those of `base`.
fn within_origin<'r>(base: &Uri<'_>, reference: &'r [u8]) -> Option<&'r [u8]> {
    let scheme_end = reference.iter().position(|byte| !is_scheme(*byte));
    let (scheme, rest) = match scheme_end {
        Some(at) if at > 0 && reference.get(at) == Some(&b':') => {
            (Some(reference.get(..at)?), reference.get(at + 1..)?)
        }
        _ => (None, reference),
    };
    let own: &[u8] = if base.is_https { b"https" } else { b"http" };
    if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case(own)) {
        return None;
    }
    let Some(authority) = rest.strip_prefix(b"//") else {
        // A scheme without an authority is no HTTP URI.
        return scheme.is_none().then_some(rest);
    };
    let end = authority
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'));
    let (authority, rest) = authority.split_at(end.unwrap_or(authority.len()));
    let (name, port) = host::split(authority)?;
    let other = Uri {
        host: name,
        port,
        ..*base
    };
    let is_same = name.eq_ignore_ascii_case(base.host) && other.port_number() == base.port_number();
    // An empty path with an authority is `/`, not the base's.
    match (is_same, rest.first()) {
        (true, Some(b'/')) => Some(rest),
        (true, None) => Some(b"/"),
        _ => None,
    }
}

fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// A path under way, without dot segments.
struct Path<'o> {
    out: &'o mut [u8],
    len: usize,
}

impl Path<'_> {
    fn put(&mut self, path: &[u8]) -> Option<()> {
        self.put_raw(if path.is_empty() { b"/" } else { path })
    }

    fn put_raw(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.out.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    /// Adds the segments of `path`. What is there already ends with `/`, or is empty.
    fn put_segments(&mut self, path: &[u8]) -> Option<()> {
        let path = match path.strip_prefix(b"/") {
            Some(rest) if self.len == 0 => {
                self.put_raw(b"/")?;
                rest
            }
            _ => path,
        };
        let mut segments = path.split(|byte| *byte == b'/').peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            match segment {
                b"." => {}
                b".." => self.pop(),
                _ => {
                    self.put_raw(segment)?;
                    if !is_last {
                        self.put_raw(b"/")?;
                    }
                }
            }
        }
        Some(())
    }

    /// Takes the last segment away, but never the first `/`.
    fn pop(&mut self) {
        let path = self.out.get(..self.len.saturating_sub(1)).unwrap_or(&[]);
        self.len = memchr::memrchr(b'/', path).map_or(self.len.min(1), |at| at + 1);
    }
}
