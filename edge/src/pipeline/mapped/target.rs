//! Path and query of a mapped request.
//!
//! What it is: the URI of the integration with its names filled in, and behind it the query that
//! mappings and templates ask for. Shape: [`Parameters`] collects them, of one name the last
//! writer counts; [`write_target`] puts the target together. Units: bytes. Errors:
//! [`Fault::Target`] for values that make a forbidden path. Source: Amazon API Gateway developer
//! guide, "parameter mapping" (an unknown `{name}` stays as written); RFC 3986 section 3.

use super::super::{context::decoded, fault::Fault};
use crate::{
    integrate::encode::put_percent_encoded,
    plan::{HttpPlan, Piece},
    wire::target::check_path,
};

/// Path and query parameters of an integration request.
#[derive(Default)]
pub(super) struct Parameters {
    path: Vec<(String, Vec<u8>)>,
    query: Vec<(String, Vec<u8>)>,
    /// Names that leave the client's query.
    removed: Vec<String>,
    /// The whole path, in the place of the URI's.
    whole_path: Option<Vec<u8>>,
}

impl Parameters {
    /// A path parameter, percent-encoded already or not.
    pub(super) fn set_path(&mut self, name: &str, value: &[u8], is_encoded: bool) {
        let value = encoded(value, is_encoded);
        self.path.retain(|(known, _)| known != name);
        self.path.push((name.to_owned(), value));
    }

    /// One more value of a query parameter.
    pub(super) fn add_query(&mut self, name: &str, value: &[u8], is_encoded: bool) {
        self.query
            .push((name.to_owned(), encoded(value, is_encoded)));
    }

    /// The only value of a query parameter.
    pub(super) fn set_query(&mut self, name: &str, value: &[u8]) {
        self.query.retain(|(known, _)| known != name);
        self.add_query(name, value, false);
    }

    /// No value of a query parameter, be it the client's.
    pub(super) fn remove_query(&mut self, name: &str) {
        self.query.retain(|(known, _)| known != name);
        self.removed.push(name.to_owned());
    }

    /// The path, whatever the URI says.
    pub(super) fn overwrite_path(&mut self, path: &[u8]) {
        let mut whole = Vec::with_capacity(path.len().saturating_add(1));
        if !path.starts_with(b"/") {
            whole.push(b'/');
        }
        for part in path.split_inclusive(|byte| matches!(byte, b'/' | b'%')) {
            match part.split_last() {
                Some((mark @ (b'/' | b'%'), rest)) => {
                    put_percent_encoded(rest, &mut whole);
                    whole.push(*mark);
                }
                _ => put_percent_encoded(part, &mut whole),
            }
        }
        self.whole_path = Some(whole);
    }

    fn path_value(&self, wanted: &str) -> Option<&[u8]> {
        let found = self.path.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| &**value)
    }
}

fn encoded(value: &[u8], is_encoded: bool) -> Vec<u8> {
    if is_encoded {
        return value.to_vec();
    }
    let mut out = Vec::with_capacity(value.len());
    put_percent_encoded(value, &mut out);
    out
}

/// Writes the target; `query` is the client's own, for those that pass it on.
pub(super) fn write_target(
    plan: &HttpPlan,
    parameters: &Parameters,
    query: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.clear();
    match &parameters.whole_path {
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
    if !query.is_empty() && parameters.removed.is_empty() {
        out.push(mark);
        mark = b'&';
        out.extend_from_slice(query);
    } else {
        let mut room = Vec::new();
        for pair in query.split(|byte| *byte == b'&') {
            let end = pair
                .iter()
                .position(|byte| *byte == b'=')
                .unwrap_or(pair.len());
            let name = decoded(pair.get(..end).unwrap_or(pair), &mut room);
            let is_removed = parameters
                .removed
                .iter()
                .any(|known| known.as_bytes() == name);
            if !pair.is_empty() && !is_removed {
                out.push(mark);
                mark = b'&';
                out.extend_from_slice(pair);
            }
        }
    }
    for (name, value) in &parameters.query {
        out.push(mark);
        mark = b'&';
        put_percent_encoded(name.as_bytes(), out);
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
