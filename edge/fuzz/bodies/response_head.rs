//! Fuzz body: a response head on the wire.
//!
//! Asserts: any cut finds the same end or fault; parsing into a used head equals parsing into a
//! fresh one; an accepted head written out again parses to the same decisions; limits hold.
//! Shape: the input is what an origin sends. Units: bytes. Errors: a broken promise panics.
//! Source: the parsing and limits tables.

use tidegate_edge::wire::{
    Framing, HeadFault, HeadFinder, HeadLimits, HeadWriter, ResponseHead, ResponseTo,
    parse_response,
};

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let limits = HeadLimits::default();
    let found = find(data, usize::MAX, &limits);
    for piece in [1, 3, data.len() % 61 + 4] {
        assert_eq!(find(data, piece, &limits), found, "in pieces of {piece}");
    }
    for head in [false, true] {
        for upgrade in [false, true] {
            let to = ResponseTo { head, upgrade };
            match found {
                Ok(Some(end)) => check_head(&data[..end], to, &limits),
                _ => {
                    let _ = parse_response(data, &limits, to, &mut ResponseHead::new());
                }
            }
        }
    }
}

fn check_head(bytes: &[u8], to: ResponseTo, limits: &HeadLimits) {
    let mut head = ResponseHead::new();
    let parsed = parse_response(bytes, limits, to, &mut head);
    let mut used = ResponseHead::new();
    let _ = parse_response(OTHER, limits, ResponseTo::default(), &mut used);
    assert_eq!(parse_response(bytes, limits, to, &mut used), parsed);
    if parsed.is_err() {
        return;
    }
    assert_eq!(used, head);
    assert!((100..=599).contains(&head.status));
    assert!(head.fields.len() <= limits.fields_max && head.head_bytes <= limits.head_bytes_max);
    assert!(!head.switches || to.upgrade);
    assert!(head.framing != Framing::UntilClose || !head.keep_alive);
    assert!(!to.head || head.framing == Framing::None);
    let mut out = vec![0; bytes.len() + 64 + 2 * head.fields.len()];
    let mut writer = HeadWriter::new(&mut out);
    writer.status_line(head.status);
    for field in &head.fields {
        writer.field(field.name.of(bytes), field.value.of(bytes));
    }
    let end = writer.end().expect("what was accepted can be written");
    let limits = HeadLimits {
        head_bytes_max: limits.head_bytes_max * 2,
        ..*limits
    };
    let mut again = ResponseHead::new();
    parse_response(&out[..end], &limits, to, &mut again).expect("what was written parses");
    assert_eq!((again.status, again.framing), (head.status, head.framing));
    assert_eq!(again.content_length, head.content_length);
    assert_eq!(again.fields.len(), head.fields.len());
}

fn find(data: &[u8], piece: usize, limits: &HeadLimits) -> Result<Option<usize>, HeadFault> {
    let mut finder = HeadFinder::response();
    let mut have = 0usize;
    while have < data.len() {
        have = have.saturating_add(piece).min(data.len());
        if let Some(end) = finder.find(&data[..have], limits)? {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

const OTHER: &[u8] =
    b"HTTP/1.0 404 No\r\nContent-Length: 3\r\nConnection: keep-alive\r\nX: y\r\n\r\n";
