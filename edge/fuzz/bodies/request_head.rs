//! Fuzz body: a request head on the wire.
//!
//! Asserts: any cut finds the same end or fault; parsing into a used head equals parsing into a
//! fresh one; an accepted head written out again parses to the same decisions; limits hold.
//! Shape: the input is what a client sends. Units: bytes. Errors: a broken promise panics.
//! Source: the parsing and limits tables.

use tidegate_edge::wire::{
    HeadFault, HeadFinder, HeadLimits, HeadWriter, RequestHead, parse_request,
};

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let limits = HeadLimits::default();
    let found = find(data, usize::MAX, &limits);
    for piece in [1, 3, data.len() % 61 + 4] {
        assert_eq!(find(data, piece, &limits), found, "in pieces of {piece}");
    }
    let Ok(Some(end)) = found else {
        // The parser must not need the finder to be safe.
        let _ = parse_request(data, &limits, &mut RequestHead::new());
        return;
    };
    let bytes = &data[..end];
    let mut head = RequestHead::new();
    let parsed = parse_request(bytes, &limits, &mut head);
    let mut used = RequestHead::new();
    let _ = parse_request(OTHER, &limits, &mut used);
    assert_eq!(parse_request(bytes, &limits, &mut used), parsed);
    if parsed.is_err() {
        return;
    }
    assert_eq!(used, head);
    assert!(end <= limits.head_bytes_max && head.head_bytes == end);
    assert!(head.fields.len() <= limits.fields_max);
    assert!(head.target_text.len() <= limits.target_bytes_max);
    assert!(!head.host.name.of(bytes).is_empty());
    rewrite(bytes, &head, &limits);
}

fn find(data: &[u8], piece: usize, limits: &HeadLimits) -> Result<Option<usize>, HeadFault> {
    let mut finder = HeadFinder::request();
    let mut have = 0usize;
    while have < data.len() {
        have = have.saturating_add(piece).min(data.len());
        if let Some(end) = finder.find(&data[..have], limits)? {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

fn rewrite(bytes: &[u8], head: &RequestHead, limits: &HeadLimits) {
    let mut out = vec![0; bytes.len() + 8 + 2 * head.fields.len()];
    let mut writer = HeadWriter::new(&mut out);
    writer.request_line(head.method_name.of(bytes), &[head.target_text.of(bytes)]);
    for field in &head.fields {
        writer.field(field.name.of(bytes), field.value.of(bytes));
    }
    let end = writer.end().expect("what was accepted can be written");
    let limits = HeadLimits {
        head_bytes_max: limits.head_bytes_max * 2,
        ..*limits
    };
    let written = &out[..end];
    let mut again = RequestHead::new();
    parse_request(written, &limits, &mut again).expect("what was written parses");
    assert_eq!(again.method, head.method);
    assert_eq!(again.path(written), head.path(bytes));
    assert_eq!(again.query(written), head.query(bytes));
    assert_eq!(again.host.name.of(written), head.host.name.of(bytes));
    assert_eq!(again.host.port, head.host.port);
    // It is written as HTTP/1.1 whatever it came as; only the body's end must stay.
    assert_eq!(again.framing, head.framing);
    assert_eq!(again.fields.len(), head.fields.len());
    for (a, b) in again.fields.iter().zip(&head.fields) {
        assert_eq!((a.known, a.hop_by_hop), (b.known, b.hop_by_hop));
        assert_eq!(a.name.of(written), b.name.of(bytes));
        assert_eq!(a.value.of(written), b.value.of(bytes));
    }
}

const OTHER: &[u8] = b"POST http://b:1/c?d HTTP/1.0\r\nHost: b:1\r\nContent-Length: 3\r\n\
    Connection: keep-alive, x\r\nX: y\r\n\r\n";
