//! What: the parse of a request's head, with the judging that comes with it.
//! Shape: one head as a browser sends it, 12 fields.
//! Units: bytes.
//! Errors: a head that does not parse panics.
//! Source: RFC 9112 sections 2 and 3.

use std::hint::black_box;

use tidegate_edge::wire::{
    head::{RequestHead, parse_request},
    limits::HeadLimits,
};

use super::Operation;

/// What a browser asks.
pub(super) const BYTES: &[u8] = b"GET /v1/orders/4711/items?page=2&sort=name HTTP/1.1\r\n\
Host: api.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: application/json\r\n\
Accept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Referer: https://www.example.com/orders\r\n\
Origin: https://www.example.com\r\n\
Connection: keep-alive\r\n\
Cookie: session=0f1e2d3c4b5a69788796a5b4c3d2e1f0; theme=dark\r\n\
Sec-Fetch-Dest: empty\r\n\
Sec-Fetch-Mode: cors\r\n\
Sec-Fetch-Site: same-site\r\n\
\r\n";

/// The head of [`BYTES`].
pub(super) fn parsed() -> RequestHead {
    let mut head = RequestHead::new();
    parse_request(BYTES, &HeadLimits::default(), &mut head).expect("a head");
    head
}

/// Parses into a head that was used before, as a connection does.
pub(super) fn parse() -> Operation {
    let mut head = parsed();
    assert_eq!(head.fields.len(), 12);
    let limits = HeadLimits::default();
    Box::new(move || {
        parse_request(black_box(BYTES), &limits, black_box(&mut head)).expect("a head");
    })
}
