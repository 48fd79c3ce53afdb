//! Updates of a stored response by a 304 or by the answer to HEAD.
//!
//! Shape: stored response and update in; the updated head is written as a response of its own and
//! read again, so that what decides on it and stores it is the code for any response. Units:
//! bytes. Ranges: heads of up to 64 KiB and 256 fields. Errors: `None` for a head that outgrew
//! them; the stored response is then to be dropped.
//! Source: RFC 9111 sections 3.2, 4.3.3 to 4.3.5; RFC 9110 section 8.8.

use super::{
    condition::{is_strong, is_strongly_same, is_weakly_same},
    encode::is_stored,
    facts::Response,
    record::Stored,
    rules::{HttpCacheRules, SetCookieRule},
};
use crate::wire::{
    Field, HeadLimits, HeadWriter, Known, ResponseHead, ResponseTo,
    limits::{FIELDS_CEILING, HEAD_BYTES_CEILING},
    parse_response,
};

/// Where an updated head is put together.
#[derive(Debug, Default)]
pub struct Scratch {
    bytes: Vec<u8>,
    head: ResponseHead,
}

/// How an update fits a stored response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fit {
    /// One strong validator is the same: every such response is updated.
    Strong,
    /// Only weak ones are the same: the latest such response is updated.
    Weak,
    /// The update has no validator. Servers that forget theirs are common, so it is taken to be
    /// about the response whose validators were sent, and about no other.
    Lone,
    /// It is about another response.
    Other,
}

/// How the 304 `update` fits `stored`.
#[must_use]
pub fn fit(update: &Response<'_>, stored: &Stored<'_>) -> Fit {
    let last_modified = update.lines(Known::LastModified).next();
    match update.etag() {
        Some(tag) if is_strong(tag) => {
            if is_strongly_same(tag, stored.etag) {
                Fit::Strong
            } else {
                Fit::Other
            }
        }
        Some(tag) if is_weakly_same(tag, stored.etag) => Fit::Weak,
        Some(_) => Fit::Other,
        None => match last_modified {
            Some(text) if text == stored.last_modified => Fit::Weak,
            Some(_) => Fit::Other,
            None => Fit::Lone,
        },
    }
}

/// Which of `candidates`, all of one key, the 304 `update` is for, as bits; `asked` is the one
/// whose validators were sent, and takes what names no other. Only the first 64 are looked at.
#[must_use]
pub fn selected(update: &Response<'_>, candidates: &[Stored<'_>], asked: usize) -> u64 {
    let fits = |wanted: Fit| {
        let all = candidates.iter().take(64).enumerate();
        all.filter(move |(_, stored)| fit(update, stored) == wanted)
    };
    let strong = fits(Fit::Strong).fold(0u64, |bits, (at, _)| bits | 1 << at);
    if strong != 0 {
        return strong;
    }
    let latest = fits(Fit::Weak).max_by_key(|(_, stored)| stored.response_time);
    match latest {
        Some((at, _)) => 1 << at,
        None => fits(Fit::Lone)
            .find(|(at, _)| *at == asked)
            .map_or(0, |(at, _)| 1 << at),
    }
}

/// What the answer to a HEAD says about a stored response to GET.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeadEffect {
    /// It is the same: it is updated.
    Update,
    /// It has changed: it is to be dropped.
    Outdate,
    /// Nothing.
    Nothing,
}

/// What `update`, the answer to a HEAD, says about `stored`.
#[must_use]
pub fn head_effect(update: &Response<'_>, stored: &Stored<'_>) -> HeadEffect {
    if stored.status == 200 && matches!(update.head.status, 404 | 410) {
        return HeadEffect::Outdate; // there is nothing to GET any more
    }
    if update.head.status != 200 || stored.status != 200 {
        return HeadEffect::Nothing;
    }
    let is_same = |known, value: &[u8]| update.lines(known).all(|line| line == value);
    let length = update.head.content_length;
    let fits = is_same(Known::Etag, stored.etag)
        && is_same(Known::LastModified, stored.last_modified)
        && length.is_none_or(|length| length == stored.body_bytes);
    if fits {
        HeadEffect::Update
    } else {
        HeadEffect::Outdate
    }
}

impl Scratch {
    /// The response that `stored` becomes by `update`.
    pub fn merge<'s>(
        &'s mut self,
        stored: &Stored<'_>,
        update: &Response<'_>,
        rules: &HttpCacheRules,
    ) -> Option<Response<'s>> {
        self.bytes.resize(HEAD_BYTES_CEILING, 0);
        let mut out = HeadWriter::new(&mut self.bytes);
        out.status_line(stored.status);
        for (name, value) in stored.fields() {
            if Known::of(name) != Known::Date && !replaces(update, name, rules) {
                out.field(name, value);
            }
        }
        for field in &update.head.fields {
            let name = field.name.of(update.bytes);
            if updates(field, name, rules) {
                out.field_onward(field, update.bytes);
            }
        }
        if stored.status != 204 {
            out.field_decimal(b"Content-Length", stored.body_bytes);
        }
        let len = out.end().ok()?;
        self.bytes.truncate(len);
        let limits = HeadLimits {
            head_bytes_max: HEAD_BYTES_CEILING,
            target_bytes_max: HEAD_BYTES_CEILING,
            fields_max: FIELDS_CEILING,
        };
        let to = ResponseTo::default();
        parse_response(&self.bytes, &limits, to, &mut self.head).ok()?;
        Some(Response::new(
            &self.head,
            &self.bytes,
            update.request_time,
            update.response_time,
            rules,
        ))
    }
}

/// Whether `update` brings a value for the field `name`.
fn replaces(update: &Response<'_>, name: &[u8], rules: &HttpCacheRules) -> bool {
    let mut fields = update.head.fields.named(update.bytes, name);
    fields.any(|field| updates(field, name, rules))
}

/// Whether a field of an update counts: not what frames or describes the stored body.
fn updates(field: &Field, name: &[u8], rules: &HttpCacheRules) -> bool {
    match field.known {
        // How old the update is; it is never stored.
        Known::Age => true,
        Known::ContentEncoding | Known::ContentRange | Known::ContentType => false,
        Known::SetCookie => rules.set_cookie == SetCookieRule::Store && !field.hop_by_hop,
        _ => is_stored(field, name),
    }
}
