//! Fuzz body: a compressed body.
//!
//! Asserts: decoding ends, within its bound, and leaves nothing of what it refuses; what was decoded
//! can be encoded and decoded again; `Accept-Encoding` takes any bytes.
//! Shape: the first byte chooses the coding, the rest is the body. Units: bytes. Errors: a broken
//! promise panics. Source: RFC 1950, 1951, 1952; RFC 9110 section 12.5.3.

use tidegate_edge::integrate::compression::{Accepted, Codecs, Coding};

/// Most bytes that a body decodes to here.
const BYTES_MAX: usize = 1 << 20;

/// Checks all promises on `data`.
pub(crate) fn check(data: &[u8]) {
    let mut accepted = Accepted::default();
    accepted.read(data);
    let _ = accepted.best();
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let coding = match choice % 2 {
        0 => Coding::Gzip,
        _ => Coding::Deflate,
    };
    let mut codecs = Codecs::new();
    let mut plain = Vec::new();
    if codecs.decode(coding, body, BYTES_MAX, &mut plain).is_err() {
        return assert!(plain.is_empty());
    }
    assert!(plain.len() <= BYTES_MAX);
    let (mut coded, mut again) = (Vec::new(), Vec::new());
    assert!(codecs.encode(coding, &plain, &mut coded));
    // What was small may have come from something that is not.
    if codecs.decode(coding, &coded, BYTES_MAX, &mut again).is_ok() {
        assert!(again == plain, "another text came back");
    } else {
        assert!(plain.len() > 100 * coded.len(), "only a bomb is refused");
    }
}
