//! Fuzz body: the lists in which proxies name who stood before them.
//!
//! Asserts: elements lie in their list, from the right, without overlap; whatever stands on the
//! left, a well-formed element on the right is read as if it stood alone; an address that is read
//! is written plainly and reads back. Shape: one field value. Units: bytes. Errors: a broken
//! promise panics. Source: RFC 7239 sections 4 and 6.

use tidegate_edge::wire::forwarded::{Elements, forwarded, forwarded_for};

/// What a neighbour may append.
const APPENDED: &[&[u8]] = &[
    b"192.0.2.1",
    b"for=192.0.2.1;proto=https",
    b"for=\"[2001:db8::7]:4711\";host=\"a, \\\"b\\\\\";by=_x",
];

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let mut left = data.len();
    for element in Elements::of(data) {
        let at = element.as_ptr().addr() - data.as_ptr().addr();
        assert!(!element.is_empty() && at + element.len() <= left);
        assert!(!matches!(element, [b' ' | b'\t', ..] | [.., b' ' | b'\t']));
        left = at;
        let found = forwarded(element).map(|hop| hop.ip);
        for ip in [found, forwarded_for(element)].into_iter().flatten() {
            assert_eq!(forwarded_for(ip.to_string().as_bytes()), Some(ip));
        }
    }
    for element in APPENDED {
        for comma in [&b","[..], b", "] {
            let list = [data, comma, element].concat();
            assert_eq!(Elements::of(&list).next(), Some(*element));
        }
    }
}
