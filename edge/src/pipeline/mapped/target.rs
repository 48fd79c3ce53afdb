//! Path and query of a mapped request.
//!
//! What it is: the URI of the integration with its names filled in, and behind it the query that
//! mappings and templates ask for. Shape: [`Parameters`] collects them, of one name the last
//! writer counts; [`write_target`] puts the target together. Units: bytes. Errors:
//! [`Fault::Target`] for values that make a forbidden path. Source: Amazon API Gateway developer
//! guide, "parameter mapping" (an unknown `{name}` stays as written); RFC 3986 section 3.

use std::ops::Range;

use super::super::{context::decoded, fault::Fault};
use crate::{
    integrate::encode::put_percent_encoded,
    plan::{HttpPlan, Piece},
    wire::target::check_path,
};

/// Path and query parameters of an integration request; memory that the next request uses again.
#[derive(Default, Debug)]
pub(in crate::pipeline) struct Parameters {
    /// Names and values, one behind the other.
    text: Vec<u8>,
    rows: Vec<Row>,
    /// The whole path, in the place of the URI's.
    whole_path: Option<Range<usize>>,
}

/// A parameter: where its name and its value are in the text.
#[derive(Debug)]
struct Row {
    kind: RowKind,
    name: Range<usize>,
    value: Range<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RowKind {
    Path,
    Query,
    /// The name leaves the client's query.
    Removed,
}

impl Parameters {
    /// Forgets them; of their memory `kept_bytes` stay.
    pub(in crate::pipeline) fn clear(&mut self, kept_bytes: usize) {
        self.text.clear();
        self.text.shrink_to(kept_bytes);
        self.rows.clear();
        self.whole_path = None;
    }

    /// A path parameter, percent-encoded already or not.
    pub(super) fn set_path(&mut self, name: &str, value: &[u8], is_encoded: bool) {
        self.forget(RowKind::Path, name);
        self.add(RowKind::Path, name, value, is_encoded);
    }

    /// One more value of a query parameter.
    pub(super) fn add_query(&mut self, name: &str, value: &[u8], is_encoded: bool) {
        self.add(RowKind::Query, name, value, is_encoded);
    }

    /// The only value of a query parameter.
    pub(super) fn set_query(&mut self, name: &str, value: &[u8]) {
        self.forget(RowKind::Query, name);
        self.add_query(name, value, false);
    }

    /// No value of a query parameter, be it the client's.
    pub(super) fn remove_query(&mut self, name: &str) {
        self.forget(RowKind::Query, name);
        self.add(RowKind::Removed, name, b"", true);
    }

    /// The path, whatever the URI says.
    pub(super) fn overwrite_path(&mut self, path: &[u8]) {
        let from = self.text.len();
        let whole = &mut self.text;
        if !path.starts_with(b"/") {
            whole.push(b'/');
        }
        for part in path.split_inclusive(|byte| matches!(byte, b'/' | b'%')) {
            match part.split_last() {
                Some((mark @ (b'/' | b'%'), rest)) => {
                    put_percent_encoded(rest, whole);
                    whole.push(*mark);
                }
                _ => put_percent_encoded(part, whole),
            }
        }
        self.whole_path = Some(from..self.text.len());
    }

    fn add(&mut self, kind: RowKind, name: &str, value: &[u8], is_encoded: bool) {
        let from = self.text.len();
        self.text.extend_from_slice(name.as_bytes());
        let name_end = self.text.len();
        if is_encoded {
            self.text.extend_from_slice(value);
        } else {
            put_percent_encoded(value, &mut self.text);
        }
        self.rows.push(Row {
            kind,
            name: from..name_end,
            value: name_end..self.text.len(),
        });
    }

    fn forget(&mut self, kind: RowKind, name: &str) {
        let text = &self.text;
        let is_named = |row: &Row| text.get(row.name.clone()) == Some(name.as_bytes());
        self.rows.retain(|row| row.kind != kind || !is_named(row));
    }

    /// Names and values of one kind.
    fn of(&self, kind: RowKind) -> impl Iterator<Item = (&[u8], &[u8])> {
        let rows = self.rows.iter().filter(move |row| row.kind == kind);
        let text = |place: &Range<usize>| self.text.get(place.clone()).unwrap_or(&[]);
        rows.map(move |row| (text(&row.name), text(&row.value)))
    }

    fn path_value(&self, wanted: &str) -> Option<&[u8]> {
        let mut found = self.of(RowKind::Path);
        let found = found.find(|(name, _)| *name == wanted.as_bytes());
        found.map(|(_, value)| value)
    }
}

/// Writes the target; `query` is the client's own, for those that pass it on.
pub(super) fn write_target(
    plan: &HttpPlan,
    parameters: &Parameters,
    query: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.clear();
    let whole_path = parameters.whole_path.clone();
    match whole_path.and_then(|place| parameters.text.get(place)) {
        Some(path) => out.extend_from_slice(path),
        None => put(&plan.path, parameters, out),
    }
    check_path(out).map_err(|_| Fault::Target)?;
    let mut mark = b'?';
    if !plan.query.is_empty() {
        out.push(mark);
        mark = b'&';
        put(&plan.query, parameters, out);
    }
    let removes = parameters.of(RowKind::Removed).next().is_some();
    if !query.is_empty() && !removes {
        out.push(mark);
        mark = b'&';
        out.extend_from_slice(query);
    } else {
        let mut room = Vec::new();
        for pair in query.split(|byte| *byte == b'&') {
            let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let name = decoded(pair.get(..end).unwrap_or(pair), &mut room);
            let mut removed = parameters.of(RowKind::Removed);
            if !pair.is_empty() && !removed.any(|(known, _)| known == name) {
                out.push(mark);
                mark = b'&';
                out.extend_from_slice(pair);
            }
        }
    }
    for (name, value) in parameters.of(RowKind::Query) {
        out.push(mark);
        mark = b'&';
        put_percent_encoded(name, out);
        out.push(b'=');
        out.extend_from_slice(value);
    }
    Ok(())
}

fn put(pieces: &[Piece], parameters: &Parameters, out: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Name { name, written } => match parameters.path_value(name) {
                Some(value) => out.extend_from_slice(value),
                None => out.extend_from_slice(written.as_bytes()),
            },
        }
    }
}
