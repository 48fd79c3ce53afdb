//! One request and one response, as far as a cache looks at them.
//!
//! Shape: borrowed heads plus the directives read from them once; every other file of this folder
//! takes these two. Units: seconds for dates, milliseconds for the clock. Ranges: those of heads.
//! Errors: none; a field that must be single and is repeated counts as absent.
//! Source: RFC 9110 sections 8.8 and 13.1; RFC 9111 sections 4.2 and 5.

use super::{
    date,
    directives::{self, RequestDirectives, ResponseDirectives},
    rules::HttpCacheRules,
    targeted,
};
use crate::{
    base::time::Wall,
    wire::{Field, Framing, Known, Method, RequestHead, ResponseHead, token},
};

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// The bytes of its head.
    pub bytes: &'a [u8],
    /// What it asks of caches.
    pub asks: RequestDirectives,
    /// Who asks.
    pub caller: Caller,
}

/// Who asks, and whether the key tells callers apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Caller {
    /// Nobody in particular, as far as the gateway knows; credentials count all the same.
    #[default]
    Unknown,
    /// An authorizer, a signature or an API key let this request in.
    Authorized,
    /// The same, and the cache key holds who it is: answers are shared with nobody else.
    InKey,
}

impl<'a> Request<'a> {
    /// Reads what `head` asks of caches.
    #[must_use]
    #[inline]
    pub fn new(head: &'a RequestHead, bytes: &'a [u8], caller: Caller) -> Request<'a> {
        let fields = &head.fields;
        let asks = if fields.has(Known::CacheControl) || fields.has(Known::Pragma) {
            let lines = |known| fields.all(known).map(|field| field.value.of(bytes));
            RequestDirectives::read(lines(Known::CacheControl), lines(Known::Pragma))
        } else {
            RequestDirectives::default()
        };
        Request {
            head,
            bytes,
            asks,
            caller,
        }
    }

    /// Whether it has a body, if only an empty chunked one.
    #[must_use]
    pub fn has_body(&self) -> bool {
        !matches!(self.head.framing, Framing::None | Framing::Length(0))
    }

    /// Whether a store may answer such a request: GET or HEAD without a body.
    #[must_use]
    pub fn is_retrieval(&self) -> bool {
        matches!(self.head.method, Method::Get | Method::Head) && !self.has_body()
    }

    /// Whether it has conditions that only an origin may judge.
    #[must_use]
    pub fn has_origin_conditions(&self) -> bool {
        let is_one = |field: &Field| {
            let name = field.name.of(self.bytes);
            name.eq_ignore_ascii_case(b"if-match")
                || name.eq_ignore_ascii_case(b"if-unmodified-since")
        };
        let mut fields = self.head.fields.iter();
        fields.any(|field| field.known == Known::Other && is_one(field))
    }

    /// Whether its answer is for its caller alone, unless the answer says otherwise.
    #[must_use]
    pub fn needs_permission(&self) -> bool {
        match self.caller {
            Caller::InKey => false,
            Caller::Authorized => true,
            Caller::Unknown => CREDENTIALS.iter().any(|known| self.head.fields.has(*known)),
        }
    }

    /// The values of a known field, in order.
    pub fn lines(&self, known: Known) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        let fields = &self.head.fields;
        fields.all(known).map(move |field| field.value.of(bytes))
    }

    /// The value of a known field that must be single.
    #[must_use]
    pub fn single(&self, known: Known) -> Option<&'a [u8]> {
        single(self.lines(known))
    }

    /// The value of a field by name that must be single.
    #[must_use]
    pub fn single_named(&self, name: &'static [u8]) -> Option<&'a [u8]> {
        let bytes = self.bytes;
        let fields = self.head.fields.named(bytes, name);
        single(fields.map(|field| field.value.of(bytes)))
    }
}

/// Fields by which an origin may know its caller. Cookies are not among them: RFC 9111 section 3.5
/// leaves those to the origin's own Cache-Control.
pub(super) const CREDENTIALS: [Known; 3] = [
    Known::Authorization,
    Known::XApiKey,
    Known::XAmzSecurityToken,
];

/// A response and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// Its head.
    pub head: &'a ResponseHead,
    /// The bytes of its head.
    pub bytes: &'a [u8],
    /// What it allows a shared cache: CDN-Cache-Control where that counts, else Cache-Control.
    pub allows: ResponseDirectives,
    /// CDN-Cache-Control counts: Cache-Control and Expires do not.
    pub is_targeted: bool,
    /// When the request for it was sent.
    pub request_time: Wall,
    /// When its head had come.
    pub response_time: Wall,
}

impl<'a> Response<'a> {
    /// Reads what `head` allows.
    #[must_use]
    pub fn new(
        head: &'a ResponseHead,
        bytes: &'a [u8],
        request_time: Wall,
        response_time: Wall,
        rules: &HttpCacheRules,
    ) -> Response<'a> {
        let fields = &head.fields;
        let of_targeted = rules
            .targeted
            .then(|| {
                let lines = fields.named(bytes, targeted::CDN_CACHE_CONTROL);
                targeted::read(lines.map(|field| field.value.of(bytes)))
            })
            .flatten();
        let allows = of_targeted.unwrap_or_else(|| {
            let lines = fields.all(Known::CacheControl);
            ResponseDirectives::read(lines.map(|field| field.value.of(bytes)))
        });
        Response {
            head,
            bytes,
            allows,
            is_targeted: of_targeted.is_some(),
            request_time,
            response_time,
        }
    }

    /// The values of a known field, in order.
    pub fn lines(&self, known: Known) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        let fields = &self.head.fields;
        fields.all(known).map(move |field| field.value.of(bytes))
    }

    /// The values of the fields named `name`, in order.
    pub fn named(&self, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        let fields = self.head.fields.named(bytes, name);
        fields.map(move |field| field.value.of(bytes))
    }

    /// When it came, in seconds.
    #[must_use]
    pub fn response_time_s(&self) -> i64 {
        seconds_of(self.response_time)
    }

    /// Date, when there is a valid one.
    #[must_use]
    pub fn date_s(&self) -> Option<i64> {
        single(self.lines(Known::Date)).and_then(|text| self.date(text))
    }

    /// Last-Modified, when there is a valid one.
    #[must_use]
    pub fn last_modified_s(&self) -> Option<i64> {
        single(self.lines(Known::LastModified)).and_then(|text| self.date(text))
    }

    /// ETag, when there is exactly one.
    #[must_use]
    pub fn etag(&self) -> Option<&'a [u8]> {
        single(self.lines(Known::Etag)).filter(|tag| !tag.is_empty())
    }

    /// Whether the origin can be asked for a change.
    #[must_use]
    pub fn has_validator(&self) -> bool {
        self.etag().is_some() || self.last_modified_s().is_some()
    }

    /// Expires: `None` without one, else when; invalid ones lie in the past. Of two the first
    /// counts.
    #[must_use]
    pub fn expires_s(&self) -> Option<i64> {
        let first = self.lines(Known::Expires).next()?;
        Some(self.date(first).unwrap_or(i64::MIN))
    }

    /// Age, 0 without one. Of a list the first counts; what is no number is ignored, because the
    /// age that follows from Date holds all the same.
    #[must_use]
    pub fn age_s(&self) -> u32 {
        let first = self.lines(Known::Age).next().unwrap_or(b"");
        let element = first.split(|byte| *byte == b',').next().unwrap_or(b"");
        directives::seconds(token::trim(element)).unwrap_or(0)
    }

    /// Whether the response itself forbids storing this field of it.
    #[must_use]
    pub fn withholds(&self, name: &[u8]) -> bool {
        if !self.allows.withholds {
            return false;
        }
        if self.is_targeted {
            return self
                .named(targeted::CDN_CACHE_CONTROL)
                .any(|line| directives::withholds(line, name));
        }
        self.lines(Known::CacheControl)
            .any(|line| directives::withholds(line, name))
    }

    fn date(&self, text: &[u8]) -> Option<i64> {
        date::parse(text, self.response_time_s())
    }
}

/// A clock's time in seconds.
#[must_use]
pub fn seconds_of(time: Wall) -> i64 {
    i64::try_from(time.0 / 1000).unwrap_or(i64::MAX)
}

fn single<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let first = lines.next()?;
    lines.next().is_none().then_some(first)
}
