//! A request on its way to an HTTP origin: target and mapped fields, from compiled templates.
//!
//! Shape: the integration URI cut into literal bytes and values; values name a path parameter by
//! ordinal, a field or a query name. Units: bytes. Ranges: whatever fits into the caller's buffer.
//! Errors: [`TargetFault`]; nothing is repaired. Source: Amazon API Gateway developer guide,
//! "parameter mapping" (recorded: the client's query passes through, mapped values are appended
//! to it; an absent or empty source is not sent; an unknown `{name}` stays as written), RFC 3986
//! section 3.3 and 3.4 for what is percent-encoded.

use super::encode::Cursor;
use crate::{
    model::settings::HeaderRules,
    origin::{Face, OriginIndex},
    route::{Params, Verb},
    wire::target::check_path,
};

pub use super::encode::TargetFault;

/// An `http_proxy` integration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpProxyPlan {
    pub origin: OriginIndex,
    /// Which client certificate is shown.
    pub face: Face,
    /// The verb towards the origin; `None` passes the client's token.
    pub method: Option<Verb>,
    /// Which fields pass, and under which names.
    pub rules: HeaderRules,
    /// What `Host` says: the authority of the URI unless `Host` is mapped.
    pub host: Source,
    /// The URI after stage variables, for people.
    pub uri: Box<str>,
    pub timeout_ms: u32,
    /// Longest silence of an answer that streams because its document says so, and that takes
    /// `timeout_ms` at most; `None`: it does not say so.
    pub idle_ms: Option<u32>,
    /// Fields that mappings set; each replaces the client's field of that name.
    pub headers: Box<[HeaderMap]>,
    pub(crate) path: Box<[Segment]>,
    pub(crate) query: Box<[Segment]>,
    pub(crate) pairs: Box<[QueryPair]>,
    /// Whether values could make a path that the request's parser would have refused.
    pub(crate) check_path: bool,
}

/// A field set by a mapping.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderMap {
    pub name: Box<str>,
    pub source: Source,
}

/// A query pair appended by a mapping.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct QueryPair {
    /// Percent-encoded.
    pub(crate) name: Box<[u8]>,
    /// Static values are percent-encoded.
    pub(crate) source: Source,
}

/// A piece of the URI's path or query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Segment {
    Literal(Box<[u8]>),
    /// The value, or `{name}` as written when there is none.
    Value {
        source: Source,
        written: Box<[u8]>,
    },
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The path parameter of this ordinal; stays percent-encoded.
    Param(u8),
    /// The last field of this name.
    Header(Box<str>),
    /// The last query pair of this name (decoded).
    Query(Box<[u8]>),
    /// These bytes.
    Static(Box<[u8]>),
}

/// The request as the templates see it.
#[derive(Clone, Copy)]
pub struct RequestParts<'r> {
    /// The path that was matched; `params` point into it.
    pub path: &'r [u8],
    /// The raw query, without `?`.
    pub query: &'r [u8],
    pub params: &'r Params,
    /// The last field of a name, compared without case.
    pub header: &'r dyn Fn(&str) -> Option<&'r [u8]>,
}

impl HttpProxyPlan {
    /// Writes the outgoing path and query; returns their length.
    pub fn write_target(
        &self,
        request: &RequestParts<'_>,
        out: &mut [u8],
    ) -> Result<usize, TargetFault> {
        let mut cursor = Cursor::new(out);
        for segment in &self.path {
            match segment {
                Segment::Literal(bytes) => cursor.put(bytes)?,
                Segment::Value { source, written } => match request.value(source) {
                    Some(value) => put_path_value(source, value, &mut cursor)?,
                    None => cursor.put(written)?,
                },
            }
        }
        if self.check_path && check_path(cursor.written()).is_err() {
            return Err(TargetFault::ForbiddenPath);
        }
        let mut separator: &[u8] = b"?";
        if !self.query.is_empty() {
            cursor.put(separator)?;
            separator = b"&";
            for segment in &self.query {
                match segment {
                    Segment::Literal(bytes) => cursor.put(bytes)?,
                    Segment::Value { source, written } => match request.value(source) {
                        Some(value) => put_query_value(source, value, &mut cursor)?,
                        None => cursor.put(written)?,
                    },
                }
            }
        }
        if !request.query.is_empty() {
            cursor.put(separator)?;
            separator = b"&";
            cursor.put(request.query)?;
        }
        for pair in &self.pairs {
            if let Some(value) = request.value(&pair.source) {
                cursor.put(separator)?;
                separator = b"&";
                cursor.put(&pair.name)?;
                cursor.put(b"=")?;
                put_query_value(&pair.source, value, &mut cursor)?;
            }
        }
        Ok(cursor.len())
    }
}

impl Source {
    /// Writes the value of a field; `None` when there is nothing to send.
    pub fn write_field_value(
        &self,
        request: &RequestParts<'_>,
        out: &mut [u8],
    ) -> Result<Option<usize>, TargetFault> {
        let Some(value) = request.value(self) else {
            return Ok(None);
        };
        let mut cursor = Cursor::new(out);
        match self {
            Source::Query(_) => cursor.put_decoded(value)?,
            Source::Param(_) | Source::Header(_) | Source::Static(_) => cursor.put(value)?,
        }
        let is_bad = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
        if cursor.written().iter().any(is_bad) {
            return Err(TargetFault::BadFieldValue);
        }
        Ok(Some(cursor.len()))
    }
}

impl<'r> RequestParts<'r> {
    /// The raw value of `source`; absent and empty are the same.
    pub fn value<'v>(&self, source: &'v Source) -> Option<&'v [u8]>
    where
        'r: 'v,
    {
        let value = match source {
            Source::Param(ordinal) => self.params.value(usize::from(*ordinal), self.path),
            Source::Header(name) => (self.header)(name),
            Source::Query(name) => query_value(self.query, name),
            Source::Static(bytes) => Some(&**bytes),
        };
        value.filter(|value| !value.is_empty())
    }
}

fn put_path_value(
    source: &Source,
    value: &[u8],
    cursor: &mut Cursor<'_>,
) -> Result<(), TargetFault> {
    match source {
        Source::Param(_) | Source::Static(_) => cursor.put(value),
        Source::Header(_) => cursor.put_encoded(value),
        Source::Query(_) => cursor.put_recoded(value),
    }
}

fn put_query_value(
    source: &Source,
    value: &[u8],
    cursor: &mut Cursor<'_>,
) -> Result<(), TargetFault> {
    match source {
        Source::Query(_) | Source::Static(_) => cursor.put(value),
        Source::Header(_) => cursor.put_encoded(value),
        Source::Param(_) => cursor.put_reencoded(value),
    }
}

/// The last raw value of `name`; a pair without `=` has an empty one.
fn query_value<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    let mut found = None;
    for pair in query.split(|byte| *byte == b'&') {
        let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let (own, value) = pair.split_at_checked(end).unwrap_or((pair, &[]));
        if super::encode::decodes_to(own, name) {
            found = Some(value.get(1..).unwrap_or(&[]));
        }
    }
    found
}
