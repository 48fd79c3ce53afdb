//! What: the head of an answer that an origin gave: its fields, then those that are ours.
//! Shape: six fields of the origin, already judged by the parser, and four of the gateway.
//! Units: bytes.
//! Errors: a head that does not fit panics.
//! Source: RFC 9112 section 4; `pipeline/rewrite.rs` writes the same lines.

use std::hint::black_box;

use tidegate_edge::wire::write::HeadWriter;

use super::Operation;

/// What passes from the origin.
const PASSING: [(&[u8], &[u8]); 6] = [
    (b"Content-Type", b"application/json; charset=utf-8"),
    (b"Cache-Control", b"private, max-age=0, must-revalidate"),
    (b"ETag", b"\"9f620878e06d28774406017480a59fd4\""),
    (b"Server", b"nginx/1.22.1"),
    (b"Vary", b"Accept-Encoding"),
    (b"X-Frame-Options", b"DENY"),
];

/// Writes it.
pub(super) fn write_head() -> Operation {
    let mut out = [0; 2048];
    Box::new(move || {
        let mut head = HeadWriter::new(&mut out);
        head.status_line(black_box(200));
        for (name, value) in black_box(&PASSING) {
            head.field_verified(name, value);
        }
        head.field_verified(b"Date", black_box(b"Sat, 21 Nov 2026 12:00:00 GMT"));
        head.field_verified(
            b"x-amzn-RequestId",
            black_box(b"c6af9ac6-7b61-11e6-9a41-93e8deadbeef"),
        );
        head.lines(black_box(b"Connection: keep-alive\r\n"));
        head.field_decimal(b"Content-Length", black_box(1_357));
        let bytes = head.end().expect("room");
        black_box(&out[..bytes]);
    })
}
