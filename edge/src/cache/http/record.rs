//! What is kept beside a stored body: the record, read in place.
//!
//! What it is: four kinds. A response has its times and terms and its head as it will be sent; a
//! list of variants says which request fields select under a key; a note says that a key's answers
//! cannot be stored; a mark has the nonce that is in all keys of one URI. Shape: 72 fixed bytes, little-endian, then head, selecting values and tags,
//! which fill the record to its last byte; nothing depends on where it lies. The head is cut so
//! that every answer made from it is a copy of neighbouring bytes:
//!
//! ```text
//! | status line | fields of a 304 too | other fields | Content-Length |
//! |<------------------------- a whole answer ------------------------>|
//!               |<--- 304 ----------->|
//!               |<------------- 206 -------------->|
//! ```
//!
//! Units: milliseconds for times, seconds for terms, bytes for lengths. Ranges: a head of up to
//! 65,535 bytes a cut, 1,024 tags. Errors: the bytes may be anybody's, so any doubt gives `None`,
//! which is a miss. Source: own; RFC 9111 section 3.1 for what a head may hold.

use super::{
    facts::seconds_of,
    freshness::LifetimeSource,
    reason::PassReason,
    vary::{Selecting, VaryNames},
};
use crate::base::time::Wall;

/// What was found under a key.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A response.
    Response(Stored<'a>),
    /// The key has variants.
    Variants(Variants<'a>),
    /// The key's answers cannot be stored.
    Uncacheable(Uncacheable),
    /// What all keys of this URI hold, see [`super::policy::KeyPolicy::write_uri`].
    Mark(u64),
}

impl<'a> Record<'a> {
    /// Reads `meta`, kept beside a body of `body_bytes`.
    #[must_use]
    #[inline]
    pub fn decode(meta: &'a [u8], body_bytes: u64) -> Option<Record<'a>> {
        let reader = Reader::of(meta)?;
        match reader.u8(KIND_AT) {
            KIND_RESPONSE => Stored::decode(reader, body_bytes).map(Record::Response),
            KIND_VARIANTS => Variants::decode(reader).map(Record::Variants),
            KIND_UNCACHEABLE => Uncacheable::decode(reader).map(Record::Uncacheable),
            KIND_MARK if reader.rest.is_empty() => Some(Record::Mark(reader.u64(NONCE_AT))),
            _ => None,
        }
    }
}

/// A stored response.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Its status.
    pub status: u16,
    /// When its head had come.
    pub response_time: Wall,
    /// How long before that the request for it was sent.
    pub request_delay_ms: u32,
    /// How old it was when it came.
    pub initial_age_ms: u64,
    /// How long it is fresh.
    pub lifetime_s: u32,
    /// What gave the lifetime.
    pub lifetime_source: LifetimeSource,
    /// How long after that it may be given while it is refreshed.
    pub stale_while_revalidate_s: u32,
    /// How long after that it may be given when the origin fails.
    pub stale_if_error_s: u32,
    /// Never to be given stale because a client would take it.
    pub must_revalidate: bool,
    /// Every use needs the origin's consent.
    pub no_cache: bool,
    /// Does not change while it is fresh.
    pub immutable: bool,
    /// Length of the body.
    pub body_bytes: u64,
    /// ETag as it came, empty without one.
    pub etag: &'a [u8],
    /// Last-Modified as it came, empty without a valid one.
    pub last_modified: &'a [u8],
    /// Date as it came, or when the response came.
    pub date: &'a [u8],
    /// Which requests it answers.
    pub selecting: Selecting<'a>,
    head: &'a [u8],
    status_line_end: usize,
    shared_end: usize,
    fields_end: usize,
    tags: &'a [u8],
}

impl<'a> Stored<'a> {
    fn decode(reader: Reader<'a>, body_bytes: u64) -> Option<Stored<'a>> {
        let flags = reader.u8(FLAGS_AT);
        let status_line_end = reader.len16(STATUS_LINE_BYTES_AT);
        let shared_end = status_line_end + reader.len16(SHARED_BYTES_AT);
        let fields_end = shared_end + reader.len16(REST_BYTES_AT);
        let head_end = fields_end + reader.len16(LENGTH_LINE_BYTES_AT);
        let (head, behind) = reader.rest.split_at_checked(head_end)?;
        let (selecting, tags) = behind.split_at_checked(reader.len16(SELECTING_BYTES_AT))?;
        if tags.len() != reader.len16(TAGS_AT) * TAG_BYTES {
            return None;
        }
        let is_cut = [status_line_end, shared_end, fields_end, head_end]
            .iter()
            .all(|end| head.get(..*end).is_some_and(|cut| cut.ends_with(b"\r\n")));
        let status = reader.u16(STATUS_AT);
        let told_bytes = reader.u64(BODY_BYTES_AT);
        let has_length = head_end > fields_end;
        let is_known = told_bytes == body_bytes || (told_bytes == UNKNOWN_BYTES && !has_length);
        if !is_cut
            || !is_known
            || !(200..=599).contains(&status)
            || flags & FLAGS_UNUSED != 0
            || !head.starts_with(b"HTTP/1.1 ")
        {
            return None;
        }
        Some(Stored {
            status,
            response_time: Wall(reader.u64(RESPONSE_TIME_AT)),
            request_delay_ms: reader.u32(REQUEST_DELAY_AT),
            initial_age_ms: reader.u64(INITIAL_AGE_AT),
            lifetime_s: reader.u32(LIFETIME_AT),
            lifetime_source: source_of(flags >> SOURCE_SHIFT & SOURCE_MASK)?,
            stale_while_revalidate_s: reader.u32(STALE_WHILE_REVALIDATE_AT),
            stale_if_error_s: reader.u32(STALE_IF_ERROR_AT),
            must_revalidate: flags & FLAG_MUST_REVALIDATE != 0,
            no_cache: flags & FLAG_NO_CACHE != 0,
            immutable: flags & FLAG_IMMUTABLE != 0,
            body_bytes,
            etag: reader.piece(ETAG_AT, head)?,
            last_modified: reader.piece(LAST_MODIFIED_AT, head)?,
            date: reader.piece(DATE_AT, head)?,
            selecting: Selecting::read(selecting)?,
            head,
            status_line_end,
            shared_end,
            fields_end,
            tags,
        })
    }

    /// Its age at `now`.
    #[must_use]
    #[inline]
    pub fn age_ms(&self, now: Wall) -> u64 {
        let resident_ms = now.0.saturating_sub(self.response_time.0);
        self.initial_age_ms.saturating_add(resident_ms)
    }

    /// How long it is fresh, in milliseconds.
    #[must_use]
    pub fn lifetime_ms(&self) -> u64 {
        u64::from(self.lifetime_s) * 1000
    }

    /// Whether the origin can be asked for a change.
    #[must_use]
    pub fn has_validator(&self) -> bool {
        !self.etag.is_empty() || !self.last_modified.is_empty()
    }

    /// When it came, in seconds.
    #[must_use]
    pub fn response_time_s(&self) -> i64 {
        seconds_of(self.response_time)
    }

    /// Status line, fields and Content-Length, ready to send: all but the blank line and what
    /// belongs to the moment. Content-Length is missing where a body has none, and where it was
    /// not known in time ([`Self::declares_length`]).
    #[must_use]
    pub fn whole_lines(&self) -> &'a [u8] {
        self.head
    }

    /// Whether [`Self::whole_lines`] say the body's length, or need not.
    #[must_use]
    pub fn declares_length(&self) -> bool {
        self.fields_end < self.head.len() || self.status == 204
    }

    /// The fields that a 304 repeats.
    #[must_use]
    pub fn shared_lines(&self) -> &'a [u8] {
        self.head
            .get(self.status_line_end..self.shared_end)
            .unwrap_or(&[])
    }

    /// All fields but Content-Length.
    #[must_use]
    pub fn field_lines(&self) -> &'a [u8] {
        self.head
            .get(self.status_line_end..self.fields_end)
            .unwrap_or(&[])
    }

    /// Names and values of all fields but Content-Length.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.field_lines();
        std::iter::from_fn(move || {
            let end = memchr::memmem::find(rest, b"\r\n")?;
            let (line, behind) = rest.split_at_checked(end)?;
            rest = behind.get(2..)?;
            let colon = memchr::memmem::find(line, b": ")?;
            Some((line.get(..colon)?, line.get(colon + 2..)?))
        })
    }

    /// The hashes by which it can be purged; the first is its URI's.
    pub fn tags(&self) -> impl Iterator<Item = u64> {
        let (tags, _) = self.tags.as_chunks::<TAG_BYTES>();
        tags.iter().map(|tag| u64::from_le_bytes(*tag))
    }
}

/// A key that has variants.
#[derive(Clone, Copy, Debug)]
pub struct Variants<'a> {
    /// Part of the variants' keys: variants of a list that was purged are never found again.
    pub nonce: u64,
    /// The fields that select.
    pub names: VaryNames<'a>,
}

impl<'a> Variants<'a> {
    fn decode(reader: Reader<'a>) -> Option<Variants<'a>> {
        let names = VaryNames::read(reader.rest)?;
        (!names.is_empty()).then_some(Variants {
            nonce: reader.u64(NONCE_AT),
            names,
        })
    }
}

/// A key whose answers cannot be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uncacheable {
    /// Why.
    pub reason: PassReason,
    /// From when this holds.
    pub since: Wall,
    /// Until when.
    pub until: Wall,
}

impl Uncacheable {
    fn decode(reader: Reader<'_>) -> Option<Uncacheable> {
        reader.rest.is_empty().then_some(())?;
        Some(Uncacheable {
            reason: PassReason::of_number(reader.u8(FLAGS_AT))?,
            since: Wall(reader.u64(SINCE_AT)),
            until: Wall(reader.u64(UNTIL_AT)),
        })
    }

    /// Whether it holds at `now`; a clock that was set back ends it.
    #[must_use]
    pub fn holds(&self, now: Wall) -> bool {
        (self.since..self.until).contains(&now)
    }
}

/// The fixed part, and what follows it.
#[derive(Clone, Copy)]
struct Reader<'a> {
    fixed: &'a [u8; FIXED_BYTES],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn of(meta: &'a [u8]) -> Option<Reader<'a>> {
        let (fixed, rest) = meta.split_first_chunk()?;
        fixed.starts_with(&MAGIC).then_some(Reader { fixed, rest })
    }

    /// Offsets are constants below, asserted to lie inside.
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.fixed
            .get(at..)
            .and_then(|bytes| bytes.first_chunk())
            .copied()
            .unwrap_or([0; N])
    }

    fn u8(&self, at: usize) -> u8 {
        u8::from_le_bytes(self.bytes(at))
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }

    fn len16(&self, at: usize) -> usize {
        usize::from(self.u16(at))
    }

    /// A piece of the head: offset and length.
    fn piece(&self, at: usize, head: &'a [u8]) -> Option<&'a [u8]> {
        let (start, len) = (self.len16(at), self.len16(at + 2));
        head.get(start..start + len)
    }
}

/// Number of a lifetime's source in the flags.
pub(super) fn source_number(source: LifetimeSource) -> u8 {
    SOURCES
        .iter()
        .position(|known| *known == source)
        .and_then(|at| u8::try_from(at).ok())
        .unwrap_or(SOURCE_MASK)
}

fn source_of(number: u8) -> Option<LifetimeSource> {
    SOURCES.get(usize::from(number)).copied()
}

/// The order is part of the format.
const SOURCES: [LifetimeSource; 7] = [
    LifetimeSource::Nothing,
    LifetimeSource::SMaxage,
    LifetimeSource::MaxAge,
    LifetimeSource::Expires,
    LifetimeSource::Negative,
    LifetimeSource::Default,
    LifetimeSource::Heuristic,
];

/// First bytes of every record; the last is the version.
pub(super) const MAGIC: [u8; 4] = *b"TGh\x01";
/// Bytes before the head.
pub const FIXED_BYTES: usize = 72;
/// Most surrogate tags of a response, the URI's own among them.
pub const TAGS_MAX: usize = 1_024;
pub(super) const TAG_BYTES: usize = 8;
/// The body's length was not known when the record was written.
pub(super) const UNKNOWN_BYTES: u64 = u64::MAX;

pub(super) const KIND_RESPONSE: u8 = 1;
pub(super) const KIND_VARIANTS: u8 = 2;
pub(super) const KIND_UNCACHEABLE: u8 = 3;
pub(super) const KIND_MARK: u8 = 4;

pub(super) const FLAG_MUST_REVALIDATE: u8 = 1;
pub(super) const FLAG_NO_CACHE: u8 = 2;
pub(super) const FLAG_IMMUTABLE: u8 = 4;
pub(super) const SOURCE_SHIFT: u8 = 4;
pub(super) const SOURCE_MASK: u8 = 7;
const FLAGS_UNUSED: u8 = 0b1000_1000;

pub(super) const KIND_AT: usize = 4;
pub(super) const FLAGS_AT: usize = 5;
pub(super) const STATUS_AT: usize = 6;
pub(super) const RESPONSE_TIME_AT: usize = 8;
pub(super) const INITIAL_AGE_AT: usize = 16;
pub(super) const REQUEST_DELAY_AT: usize = 24;
pub(super) const LIFETIME_AT: usize = 28;
pub(super) const STALE_WHILE_REVALIDATE_AT: usize = 32;
pub(super) const STALE_IF_ERROR_AT: usize = 36;
pub(super) const BODY_BYTES_AT: usize = 40;
pub(super) const ETAG_AT: usize = 48;
pub(super) const LAST_MODIFIED_AT: usize = 52;
pub(super) const DATE_AT: usize = 56;
pub(super) const STATUS_LINE_BYTES_AT: usize = 60;
pub(super) const SHARED_BYTES_AT: usize = 62;
pub(super) const REST_BYTES_AT: usize = 64;
pub(super) const LENGTH_LINE_BYTES_AT: usize = 66;
pub(super) const SELECTING_BYTES_AT: usize = 68;
pub(super) const TAGS_AT: usize = 70;
pub(super) const NONCE_AT: usize = 8;
pub(super) const SINCE_AT: usize = 8;
pub(super) const UNTIL_AT: usize = 16;

const _: () = assert!(TAGS_AT + 2 == FIXED_BYTES);
const _: () = assert!(SOURCES.len() <= SOURCE_MASK as usize + 1);
const _: () = assert!((SOURCE_MASK << SOURCE_SHIFT) & FLAGS_UNUSED == 0);
