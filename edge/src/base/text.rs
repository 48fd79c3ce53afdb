//! Bytes as text.
//!
//! What it is: the reading that payloads, parameters and fields get before a template sees them.
//! Shape: one function. Units: bytes. Errors: none; what is no UTF-8 becomes U+FFFD. Source: own.

use std::borrow::Cow;

/// `bytes` as text; borrowed when it is one.
#[must_use]
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    // The check alone goes by words where the text is ASCII; the replacing one goes by bytes.
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_replaced_and_the_rest_is_borrowed() {
        let rows: &[(&[u8], &str)] = &[
            (b"", ""),
            (b"a\xc3\xa9", "a\u{e9}"),
            (b"a\xffb", "a\u{fffd}b"),
            (b"\xe2\x82", "\u{fffd}"),
        ];
        for (bytes, expected) in rows {
            let text = lossy(bytes);
            assert_eq!(text, *expected);
            let is_borrowed = matches!(text, Cow::Borrowed(_));
            assert_eq!(is_borrowed, std::str::from_utf8(bytes).is_ok());
        }
    }
}
