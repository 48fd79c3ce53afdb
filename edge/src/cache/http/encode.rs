//! Writes the records that `record` reads.
//!
//! Shape: request, response and terms in, bytes out in a caller's buffer. Units: bytes. Ranges: as
//! the layout allows. Errors: a [`PassReason`], after which the response passes unstored. What a
//! response carries is written as it came, but: fields of the connection, framing, Age, ids of this
//! hop and what the response itself withholds are left out; Date is added where there is none,
//! since a cache never changes it (RFC 9110 section 6.6.1), unless whoever gives the response dates
//! it anew. What goes on under a second name is stored under that.
//! Source: RFC 9111 section 3.1; RFC 9110 sections 7.6.1, 15.4.5.

use super::{
    facts::{Request, Response},
    freshness,
    hash::{self, Hash64},
    reason::PassReason,
    record::{self, FIXED_BYTES, TAGS_MAX, UNKNOWN_BYTES},
    select::{Normalise, Out, Sink},
    storable::Terms,
    vary::VaryNames,
};
use crate::{
    base::time::Wall,
    wire::{
        Field, Framing, Known,
        date::imf_fixdate,
        status,
        write::{DECIMAL_BYTES_MAX, decimal},
    },
};

/// A response about to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The request that it answers.
    pub request: &'a Request<'a>,
    /// The response.
    pub response: &'a Response<'a>,
    /// Its terms.
    pub terms: &'a Terms,
    /// How request fields are compared.
    pub normalise: Normalise,
    /// Its URI's tag, see [`super::hash::uri_tag`].
    pub uri_tag: u64,
    /// Length of the body, when its framing does not say it but it is known already.
    pub body_bytes: Option<u64>,
    /// A response without Date gets that of its arrival; else it is kept without one, and whoever
    /// gives it says when.
    pub is_dated: bool,
}

impl Draft<'_> {
    /// Writes the record to `out` and gives its length.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, PassReason> {
        let mut out = Out::new(out);
        out.put(&[0; FIXED_BYTES]);
        out.patch(0, &record::MAGIC);
        out.patch(record::KIND_AT, &[record::KIND_RESPONSE]);
        self.write_terms(&mut out);
        self.write_head(&mut out);
        let names = VaryNames::of_response(self.response).ok_or(PassReason::Vary)?;
        let start = out.len();
        let head = self.request.head;
        names.write_values(&head.fields, self.request.bytes, self.normalise, &mut out);
        patch_len(&mut out, record::SELECTING_BYTES_AT, start);
        let tags = self.write_tags(&mut out)?;
        out.patch(record::TAGS_AT, &tags.to_le_bytes());
        out.end().ok_or(PassReason::RecordTooLarge)
    }

    fn write_terms(&self, out: &mut Out<'_>) {
        let (terms, response) = (self.terms, self.response);
        let mut flags = record::source_number(terms.lifetime.source) << record::SOURCE_SHIFT;
        for (is_on, flag) in [
            (terms.must_revalidate, record::FLAG_MUST_REVALIDATE),
            (terms.no_cache, record::FLAG_NO_CACHE),
            (terms.immutable, record::FLAG_IMMUTABLE),
        ] {
            flags |= if is_on { flag } else { 0 };
        }
        let delay_ms = freshness::since_ms(response.request_time, response.response_time);
        let delay_ms = u32::try_from(delay_ms).unwrap_or(u32::MAX);
        let body_bytes = self.body_bytes().unwrap_or(UNKNOWN_BYTES);
        out.patch(record::FLAGS_AT, &[flags]);
        out.patch(record::STATUS_AT, &response.head.status.to_le_bytes());
        out.patch(
            record::RESPONSE_TIME_AT,
            &response.response_time.0.to_le_bytes(),
        );
        out.patch(record::INITIAL_AGE_AT, &terms.initial_age_ms.to_le_bytes());
        out.patch(record::REQUEST_DELAY_AT, &delay_ms.to_le_bytes());
        out.patch(record::LIFETIME_AT, &terms.lifetime.seconds.to_le_bytes());
        out.patch(
            record::STALE_WHILE_REVALIDATE_AT,
            &terms.stale_while_revalidate_s.to_le_bytes(),
        );
        out.patch(
            record::STALE_IF_ERROR_AT,
            &terms.stale_if_error_s.to_le_bytes(),
        );
        out.patch(record::BODY_BYTES_AT, &body_bytes.to_le_bytes());
    }

    fn body_bytes(&self) -> Option<u64> {
        match self.response.head.framing {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::UntilClose => self.body_bytes,
        }
    }

    fn write_head(&self, out: &mut Out<'_>) {
        let response = self.response;
        let start = out.len();
        match status::line(response.head.status) {
            Some(line) => out.put(line),
            None => {
                let mut digits = [0; DECIMAL_BYTES_MAX];
                out.put(b"HTTP/1.1 ");
                out.put(decimal(u64::from(response.head.status), &mut digits));
                out.put(b" \r\n");
            }
        }
        patch_len(out, record::STATUS_LINE_BYTES_AT, start);
        let keeps_date = response.date_s().is_some();
        let shared_start = out.len();
        if !keeps_date && self.is_dated {
            let second = response.response_time.0 / 1000;
            let date = imf_fixdate(second);
            self.write_field((b"", b"Date"), &date, Known::Date, start, out);
        }
        self.write_fields(true, start, out);
        patch_len(out, record::SHARED_BYTES_AT, shared_start);
        let rest_start = out.len();
        self.write_fields(false, start, out);
        patch_len(out, record::REST_BYTES_AT, rest_start);
        let length_start = out.len();
        if let Some(length) = self.body_bytes()
            && response.head.framing != Framing::None
        {
            out.put(b"Content-Length: ");
            out.put(decimal(length, &mut [0; DECIMAL_BYTES_MAX]));
            out.put(b"\r\n");
        }
        patch_len(out, record::LENGTH_LINE_BYTES_AT, length_start);
    }

    fn write_fields(&self, shared: bool, start: usize, out: &mut Out<'_>) {
        let response = self.response;
        let has_etag = response.etag().is_some();
        let keeps_date = response.date_s().is_some();
        for field in &response.head.fields {
            let name = field.name.of(response.bytes);
            if is_shared(field, name, has_etag) == shared
                && is_stored(field, name)
                && (field.known != Known::Date || keeps_date)
                && !response.withholds(name)
            {
                self.write_field(
                    (field.prefix(), name),
                    field.value.of(response.bytes),
                    field.known,
                    start,
                    out,
                );
            }
        }
    }

    fn write_field(
        &self,
        (prefix, name): (&[u8], &[u8]),
        value: &[u8],
        known: Known,
        start: usize,
        out: &mut Out<'_>,
    ) {
        out.put(prefix);
        out.put(name);
        out.put(b": ");
        let value_start = out.len();
        out.put(value);
        let at = match known {
            Known::Etag if self.response.etag().is_some() => record::ETAG_AT,
            Known::LastModified if self.response.last_modified_s().is_some() => {
                record::LAST_MODIFIED_AT
            }
            Known::Date => record::DATE_AT,
            _ => 0,
        };
        if at > 0 {
            patch_number(out, at, value_start.saturating_sub(start));
            patch_number(out, at + 2, value.len());
        }
        out.put(b"\r\n");
    }

    fn write_tags(&self, out: &mut Out<'_>) -> Result<u16, PassReason> {
        let mut count = 1usize;
        out.put(&self.uri_tag.to_le_bytes());
        for tag in hash::tags(self.response) {
            count += 1;
            if count > TAGS_MAX {
                return Err(PassReason::TooManyTags);
            }
            out.put(&Hash64::of_tag(tag).to_le_bytes());
        }
        u16::try_from(count).map_err(|_| PassReason::TooManyTags)
    }
}

/// Whether a field of a response may lie in a store at all.
pub(super) fn is_stored(field: &Field, name: &[u8]) -> bool {
    if field.hop_by_hop {
        return false;
    }
    match field.known {
        Known::ContentLength | Known::TransferEncoding | Known::Age | Known::XAmznRequestId => {
            false
        }
        Known::Other => !name.eq_ignore_ascii_case(b"x-cache"),
        _ => true,
    }
}

/// Whether a 304 repeats the field: what guides caches, and what scripts may read of it.
fn is_shared(field: &Field, name: &[u8], has_etag: bool) -> bool {
    match field.known {
        Known::CacheControl | Known::Date | Known::Etag | Known::Expires | Known::Vary => true,
        Known::LastModified => !has_etag,
        Known::Other => {
            SHARED.iter().any(|known| name.eq_ignore_ascii_case(known))
                || name
                    .get(..CORS.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(CORS))
        }
        _ => false,
    }
}

const SHARED: [&[u8]; 3] = [b"content-location", b"cdn-cache-control", b"cache-status"];
const CORS: &[u8] = b"access-control-";

/// Writes the list of variants under a key.
pub fn write_variants(
    names: &VaryNames<'_>,
    nonce: u64,
    out: &mut [u8],
) -> Result<usize, PassReason> {
    let mut out = fixed(record::KIND_VARIANTS, out);
    out.patch(record::NONCE_AT, &nonce.to_le_bytes());
    names.write(&mut out);
    out.end().ok_or(PassReason::RecordTooLarge)
}

/// Writes the mark of a URI.
pub fn write_mark(nonce: u64, out: &mut [u8]) -> Result<usize, PassReason> {
    let mut out = fixed(record::KIND_MARK, out);
    out.patch(record::NONCE_AT, &nonce.to_le_bytes());
    out.end().ok_or(PassReason::RecordTooLarge)
}

/// Writes that a key's answers cannot be stored, from `now` on for `remember_s`.
pub fn write_uncacheable(
    reason: PassReason,
    now: Wall,
    remember_s: u32,
    out: &mut [u8],
) -> Result<usize, PassReason> {
    let until_ms = now.0.saturating_add(u64::from(remember_s) * 1000);
    let mut out = fixed(record::KIND_UNCACHEABLE, out);
    out.patch(record::FLAGS_AT, &[reason as u8]);
    out.patch(record::SINCE_AT, &now.0.to_le_bytes());
    out.patch(record::UNTIL_AT, &until_ms.to_le_bytes());
    out.end().ok_or(PassReason::RecordTooLarge)
}

fn fixed(kind: u8, out: &mut [u8]) -> Out<'_> {
    let mut out = Out::new(out);
    out.put(&[0; FIXED_BYTES]);
    out.patch(0, &record::MAGIC);
    out.patch(record::KIND_AT, &[kind]);
    out
}

fn patch_len(out: &mut Out<'_>, at: usize, start: usize) {
    patch_number(out, at, out.len().saturating_sub(start));
}

fn patch_number(out: &mut Out<'_>, at: usize, number: usize) {
    match u16::try_from(number) {
        Ok(number) => out.patch(at, &number.to_le_bytes()),
        Err(_) => out.fail(),
    }
}
