//! Bytes as text, and numbers of things.
//!
//! What it is: the reading that payloads, parameters and fields get before a template sees them,
//! and the wording of counts that people read. Shape: functions. Units: bytes. Errors: none; what
//! is no UTF-8 becomes U+FFFD. Source: own.

use std::{borrow::Cow, fmt::Display};

/// `bytes` as text; borrowed when it is one.
#[must_use]
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    // The check alone goes by words where the text is ASCII; the replacing one goes by bytes.
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// `1 worker`, `2 workers`, `3 cities`: a number and its noun, for people.
#[must_use]
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    if count == N::from(1) {
        return format!("{count} {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_nouns() {
        for (count, noun, expected) in [
            (0, "worker", "0 workers"),
            (1, "worker", "1 worker"),
            (2, "worker", "2 workers"),
            (1, "city", "1 city"),
            (11, "city", "11 cities"),
            (21, "API key", "21 API keys"),
        ] {
            assert_eq!(counted::<u64>(count, noun), expected);
        }
    }

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
