//! All state of one request.
//!
//! What it is: what the stages read and fill, from the first byte to the log line. Shape: one box,
//! drawn from the core's pool when a request's first byte arrives and given back when its answer
//! has left; everything in it keeps its memory. Units: [`Mono`] and [`Wall`] for times. Errors:
//! none.

use std::net::IpAddr;

use super::{cache::CacheUse, fault::Fault, hops::Told, journal::Journal, limit::LimitUse};
use crate::{
    base::time::{Mono, Wall},
    plan::Door,
    ring::Buf,
    route::{Params, RouteIndex, StageIndex},
    wire::{head::RequestHead, method::Method, response::ResponseHead, span::Span},
};

/// A head's bytes: usually the buffer they arrived in, copied together when they came in pieces.
#[derive(Default)]
pub struct HeadBytes {
    whole: Option<Buf>,
    pieces: Vec<u8>,
}

impl HeadBytes {
    /// The bytes so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.whole {
            Some(buf) => buf,
            None => &self.pieces,
        }
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.whole = None;
        self.pieces.clear();
    }

    /// Takes a buffer that holds the whole head.
    pub fn set_whole(&mut self, buf: Buf) {
        self.whole = Some(buf);
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.pieces.extend_from_slice(piece);
    }

    /// Adds text behind a whole head, for a field that did not come with it; `None` where it
    /// would lie too far behind.
    pub fn append(&mut self, text: &[u8]) -> Option<Span> {
        if let Some(whole) = self.whole.take() {
            self.pieces.clear();
            self.pieces.extend_from_slice(&whole);
        }
        let span = Span::new(self.pieces.len(), text.len())?;
        self.pieces.extend_from_slice(text);
        Some(span)
    }

    /// Drops what lies behind the head.
    pub fn truncate(&mut self, bytes_len: usize) {
        self.pieces.truncate(bytes_len);
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The peer's address, after a PROXY header if the listener has one. It is the client's,
    /// unless a listed proxy tells of another: see [`Exchange::source_ip`].
    pub ip: IpAddr,
    /// The same as text.
    pub ip_text: AddressText,
    /// The port it reached.
    pub local_port: u16,
    /// Over TLS.
    pub tls: bool,
    /// Which APIs its listener leads to.
    pub door: Door,
    /// The peer is a proxy whose word about the client counts.
    pub trusted: bool,
}

/// An address as text, written once per connection.
#[derive(Clone, Copy)]
pub struct AddressText {
    bytes: [u8; ADDRESS_TEXT_BYTES],
    len: u8,
}

/// The longest IPv6 text.
const ADDRESS_TEXT_BYTES: usize = 45;

impl AddressText {
    /// `ip` as RFC 5952 writes it.
    #[must_use]
    pub fn new(ip: IpAddr) -> AddressText {
        use std::io::Write;
        let mut text = AddressText {
            bytes: [0; ADDRESS_TEXT_BYTES],
            len: 0,
        };
        let mut rest = &mut text.bytes[..];
        let written = write!(rest, "{ip}");
        debug_assert!(written.is_ok(), "an address fits");
        let left = rest.len();
        text.len = u8::try_from(ADDRESS_TEXT_BYTES - left).unwrap_or(0);
        text
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl std::fmt::Debug for AddressText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(self.as_bytes()).unwrap_or("?"))
    }
}

/// Length of a request id.
pub const REQUEST_ID_BYTES: usize = 36;

/// How the origin did.
#[derive(Clone, Copy, Default, Debug)]
pub struct Integration {
    /// Its status; 0: none.
    pub status: u16,
    /// From the request to its answer's head.
    pub latency_ns: u64,
    /// Connections tried.
    pub attempts: u32,
    /// Some byte of an answer came, so that the request may have been served.
    pub answer_seen: bool,
    /// Position of the endpoint in its group.
    pub endpoint: Option<usize>,
    /// The status in the output of a proxied function; 0: none.
    pub function_status: u16,
}

/// All state of one request.
pub struct Exchange {
    /// The parsed request.
    pub head: RequestHead,
    /// What `head` points into.
    pub head_bytes: HeadBytes,
    /// The parsed answer of an origin.
    pub answer: ResponseHead,
    /// What `answer` points into.
    pub answer_bytes: HeadBytes,
    /// What listed proxies say of the client; `None`: the peer is none, it is the client.
    pub told: Option<Told>,
    /// Path parameters.
    pub params: Params,
    /// Which stage serves it.
    pub stage: Option<StageIndex>,
    /// Which route.
    pub route: Option<RouteIndex>,
    /// Where `$context.path` begins in the path.
    pub path_from: usize,
    /// Where the base path of a domain ends; `path_from` without one.
    pub base_to: usize,
    /// Where the path behind the stage begins.
    pub resource_from: usize,
    /// Whether the canary of its stage serves it; `None`: the stage has none.
    pub canary: Option<bool>,
    /// `$context.requestId`, a version 4 UUID.
    pub request_id: [u8; REQUEST_ID_BYTES],
    /// First byte received.
    pub received: Mono,
    /// The same on the wall.
    pub received_wall: Wall,
    /// The client's status; 0: none was sent.
    pub status: u16,
    /// Body bytes from the client.
    pub request_bytes: u64,
    /// Body bytes to the client.
    pub response_bytes: u64,
    /// How the origin did.
    pub integration: Integration,
    /// How the endpoint named the request, where the head of its answer was not kept.
    pub endpoint_id: Vec<u8>,
    /// Why it was not answered by its integration.
    pub fault: Option<Fault>,
    /// The connection may not carry another request.
    pub last: bool,
    /// The client has ended its side: until then it still gets an answer.
    pub leaves_at: Option<Mono>,
    /// What it has to do with the response cache.
    pub cache: CacheUse,
    /// What it has to do with keys and limits.
    pub limits: LimitUse,
    /// The answer says that the client's wish for a fresh one was ignored.
    pub warns: bool,
    /// It is for an HTTP API.
    pub is_http_api: bool,
    /// `X-Amzn-Trace-Id`; empty until something is going to send it.
    pub trace: String,
    /// What a fault says to this client in the place of its usual text; empty: nothing else.
    pub detail: String,
    /// `$context.error.validationErrorString`.
    pub validation: String,
    /// What its stages did, where its method is logged.
    pub journal: Option<Box<Journal>>,
    /// Room for a target on its way out.
    pub scratch: Vec<u8>,
    /// Room for a body that may be sent once more.
    pub held: Vec<Buf>,
}

/// The fields in which endpoints name a request, the likelier first.
const ENDPOINT_IDS: [&[u8]; 2] = [b"x-amzn-requestid", b"x-amz-request-id"];
/// Longest outgoing target.
const SCRATCH_BYTES: usize = 16 * 1024;

impl Exchange {
    /// An empty one.
    #[must_use]
    pub fn new() -> Box<Exchange> {
        Box::new(Exchange {
            head: RequestHead::new(),
            head_bytes: HeadBytes::default(),
            answer: ResponseHead::new(),
            answer_bytes: HeadBytes::default(),
            told: None,
            params: Params::new(),
            stage: None,
            route: None,
            path_from: 0,
            base_to: 0,
            resource_from: 0,
            canary: None,
            request_id: [b'0'; REQUEST_ID_BYTES],
            received: Mono::default(),
            received_wall: Wall::default(),
            status: 0,
            request_bytes: 0,
            response_bytes: 0,
            integration: Integration::default(),
            endpoint_id: Vec::new(),
            fault: None,
            last: false,
            leaves_at: None,
            cache: CacheUse::default(),
            limits: LimitUse::default(),
            warns: false,
            is_http_api: false,
            trace: String::new(),
            detail: String::new(),
            validation: String::new(),
            journal: None,
            scratch: vec![0; SCRATCH_BYTES],
            held: Vec::new(),
        })
    }

    /// Begins a request.
    pub fn begin(&mut self, now: Mono, wall: Wall, random: (u64, u64)) {
        self.head_bytes.clear();
        self.answer_bytes.clear();
        self.told = None;
        self.params.clear();
        // A head that is refused before it is parsed is answered too, and not as the one before.
        self.head.method = Method::default();
        self.head.method_name = Span::default();
        self.head.minor = 1;
        self.stage = None;
        self.route = None;
        self.path_from = 0;
        self.base_to = 0;
        self.resource_from = 0;
        self.canary = None;
        write_uuid(random, &mut self.request_id);
        self.received = now;
        self.received_wall = wall;
        self.status = 0;
        self.request_bytes = 0;
        self.response_bytes = 0;
        self.integration = Integration::default();
        self.endpoint_id.clear();
        self.fault = None;
        self.leaves_at = None;
        self.warns = false;
        self.is_http_api = false;
        self.trace.clear();
        self.detail.clear();
        self.validation.clear();
        self.journal = None;
        self.limits.clear();
    }

    /// Lets go of what it holds of the core's buffers.
    pub fn end(&mut self) {
        self.journal = None;
        self.cache.clear();
        self.head_bytes.clear();
        self.answer_bytes.clear();
    }

    /// The client's address; `peer` is the connection's.
    #[must_use]
    pub fn source(&self, peer: &Peer) -> IpAddr {
        self.told.as_ref().map_or(peer.ip, |told| told.ip)
    }

    /// The client's address as text; `peer` is the connection's.
    #[must_use]
    pub fn source_ip<'a>(&'a self, peer: &'a Peer) -> &'a [u8] {
        let told = self.told.as_ref();
        told.map_or(&peer.ip_text, |told| &told.ip_text).as_bytes()
    }

    /// The base path of a domain that led to the stage, without its slash.
    #[must_use]
    pub fn base_path(&self) -> &[u8] {
        let path = self.head.path(self.head_bytes.bytes());
        let from = self.path_from.saturating_add(1);
        path.get(from..self.base_to).unwrap_or(b"")
    }

    /// How the endpoint that answered named the request; empty: not at all.
    #[must_use]
    pub fn endpoint_id(&self) -> &[u8] {
        if self.integration.status == 0 || !self.endpoint_id.is_empty() {
            return &self.endpoint_id;
        }
        let bytes = self.answer_bytes.bytes();
        // As it was named, whatever the client reads it as.
        let mut named = ENDPOINT_IDS.iter().filter_map(|name| {
            let mut fields = self.answer.fields.iter();
            let field = fields.find(|field| field.name.of(bytes).eq_ignore_ascii_case(name));
            field.map(|field| field.value.of(bytes))
        });
        named.next().unwrap_or(b"")
    }

    /// A part of the request head.
    #[must_use]
    pub fn text(&self, span: Span) -> &[u8] {
        span.of(self.head_bytes.bytes())
    }
}

/// A version 4 UUID (RFC 9562 section 5.4) of 128 random bits.
fn write_uuid((high, low): (u64, u64), out: &mut [u8; REQUEST_ID_BYTES]) {
    let high = ((high & !0xf000) | 0x4000).to_be_bytes();
    let low = ((low & !(0b11 << 62)) | (0b10 << 62)).to_be_bytes();
    for (byte, at) in high.into_iter().zip([0, 2, 4, 6, 9, 11, 14, 16]) {
        out[at..at + 2].copy_from_slice(&hex_pair(byte));
    }
    for (byte, at) in low.into_iter().zip([19, 21, 24, 26, 28, 30, 32, 34]) {
        out[at..at + 2].copy_from_slice(&hex_pair(byte));
    }
    for at in [8, 13, 18, 23] {
        out[at] = b'-';
    }
}

/// A byte as two hexadecimal digits.
#[inline]
pub(super) fn hex_pair(byte: u8) -> [u8; 2] {
    HEX_PAIRS[usize::from(byte)]
}

/// Every byte as two hexadecimal digits.
const HEX_PAIRS: [[u8; 2]; 256] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [HEX[byte >> 4], HEX[byte & 15]];
        byte += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_version_4_uuids() {
        let mut id = [0; REQUEST_ID_BYTES];
        write_uuid((u64::MAX, u64::MAX), &mut id);
        assert_eq!(&id, b"ffffffff-ffff-4fff-bfff-ffffffffffff");
        write_uuid((0, 0), &mut id);
        assert_eq!(&id, b"00000000-0000-4000-8000-000000000000");
    }
}
