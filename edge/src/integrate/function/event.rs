//! Events: a request as the JSON that a function gets.
//!
//! Shape: an [`EventWriter`] keeps its memory; the formats write their members in the recorded
//! order, straight into the caller's bytes. Units: bytes. Ranges: any facts. Errors: none. Source:
//! Amazon API Gateway developer guide, "input format of a Lambda function for proxy integration"
//! and "payload format version"; recorded events.

use super::{
    facts::{ClientCertFacts, EventBody, EventFacts},
    groups::{Group, Groups},
    json,
};
use crate::{integrate::headers::is_visible, wire::query};

/// Which event a function gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventFormat {
    /// Format 1.0 of a REST API.
    Rest,
    /// Format 1.0 of an HTTP API, which says its version.
    Http1,
    /// Format 2.0.
    Http2,
}

/// Writes events; one serves one core.
#[derive(Debug, Default)]
pub struct EventWriter {
    pub(super) groups: Groups,
}

impl EventWriter {
    /// A new one.
    #[must_use]
    pub fn new() -> EventWriter {
        EventWriter::default()
    }

    /// Appends the event of `facts` to `out`.
    pub fn write(&mut self, format: EventFormat, facts: &EventFacts<'_>, out: &mut Vec<u8>) {
        match format {
            EventFormat::Rest => self.write_v1(facts, None, out),
            EventFormat::Http1 => self.write_v1(facts, Some("1.0"), out),
            EventFormat::Http2 => self.write_v2(facts, out),
        }
    }

    /// Groups the decoded query.
    pub(super) fn group_query(&mut self, query: &[u8]) {
        self.groups.clear();
        for pair in query::pairs(query) {
            self.groups.add_query(pair.name, pair.value);
        }
        self.groups.link(false);
    }
}

/// The fields that are seen, under the names that events have.
pub(super) fn visible_headers<'r>(
    facts: &EventFacts<'r>,
) -> impl Iterator<Item = (&'r [u8], &'r [u8])> {
    let visible = facts.headers.iter().filter(|(name, _)| is_visible(name));
    visible.map(|(name, value)| {
        let name: &[u8] = if name.eq_ignore_ascii_case(b"authorization") {
            b"Authorization"
        } else if name.eq_ignore_ascii_case(b"user-agent") {
            b"User-Agent"
        } else {
            name
        };
        (name, *value)
    })
}

/// Appends one member for each name.
pub(super) fn map<'g, T>(
    out: &mut Vec<u8>,
    members: impl Iterator<Item = T>,
    name: impl Fn(&T) -> &'g [u8],
    value: impl Fn(&mut Vec<u8>, &T),
) {
    let mut mark = b'{';
    for member in members {
        out.push(mark);
        mark = b',';
        json::string(out, name(&member));
        out.push(b':');
        value(out, &member);
    }
    if mark == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

/// Appends the last value of each name.
pub(super) fn last_values(out: &mut Vec<u8>, groups: &Groups) {
    let value = |out: &mut Vec<u8>, group: &Group<'_>| json::string(out, group.last());
    map(out, groups.iter(), |group| group.name(), value);
}

/// Appends all values of each name, as lists.
pub(super) fn all_values(out: &mut Vec<u8>, groups: &Groups) {
    let value = |out: &mut Vec<u8>, group: &Group<'_>| {
        let mut mark = b'[';
        for value in group.values() {
            out.push(mark);
            mark = b',';
            json::string(out, value);
        }
        out.push(b']');
    };
    map(out, groups.iter(), |group| group.name(), value);
}

/// Appends all values of each name, joined by commas.
pub(super) fn joined_values(out: &mut Vec<u8>, groups: &Groups) {
    let value = |out: &mut Vec<u8>, group: &Group<'_>| {
        let mut mark = b'"';
        for value in group.values() {
            out.push(mark);
            mark = b',';
            json::string_part(out, value);
        }
        out.push(b'"');
    };
    map(out, groups.iter(), |group| group.name(), value);
}

/// Appends path parameters.
pub(super) fn path_parameters(out: &mut Vec<u8>, parameters: &[(&str, &[u8])]) {
    let value = |out: &mut Vec<u8>, member: &&(&str, &[u8])| json::string(out, member.1);
    map(out, parameters.iter(), |member| member.0.as_bytes(), value);
}

/// Appends stage variables.
pub(super) fn stage_variables(out: &mut Vec<u8>, variables: &[(&str, &str)]) {
    let value = |out: &mut Vec<u8>, member: &&(&str, &str)| json::string(out, member.1.as_bytes());
    map(out, variables.iter(), |member| member.0.as_bytes(), value);
}

/// Appends the payload, and whether it is Base64.
pub(super) fn body(out: &mut Vec<u8>, body: EventBody<'_>) -> bool {
    match body {
        EventBody::None | EventBody::Text([]) | EventBody::Binary([]) => {
            out.extend_from_slice(b"null");
            false
        }
        EventBody::Text(text) => {
            json::string(out, text);
            false
        }
        EventBody::Binary(bytes) => {
            json::base64_string(out, bytes);
            true
        }
    }
}

/// Appends the client's certificate.
pub(super) fn client_cert(out: &mut Vec<u8>, cert: &ClientCertFacts<'_>) {
    let members: [(&[u8], &str); 4] = [
        (b"{\"clientCertPem\":", cert.pem),
        (b",\"subjectDN\":", cert.subject_dn),
        (b",\"issuerDN\":", cert.issuer_dn),
        (b",\"serialNumber\":", cert.serial_number),
    ];
    for (start, value) in members {
        member(out, start, value.as_bytes());
    }
    member(
        out,
        b",\"validity\":{\"notBefore\":",
        cert.not_before.as_bytes(),
    );
    member(out, b",\"notAfter\":", cert.not_after.as_bytes());
    out.extend_from_slice(b"}}");
}

/// Appends `start`, which ends with a member's colon, and a string.
pub(super) fn member(out: &mut Vec<u8>, start: &[u8], value: &[u8]) {
    out.extend_from_slice(start);
    json::string(out, value);
}

/// The same with null for none.
pub(super) fn member_or_null(out: &mut Vec<u8>, start: &[u8], value: Option<&[u8]>) {
    out.extend_from_slice(start);
    json::string_or_null(out, value);
}
