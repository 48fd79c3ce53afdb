//! Writing JSON into bytes.
//!
//! Shape: functions that append to the caller's bytes. Units: bytes. Ranges: any bytes; what is no
//! UTF-8 becomes U+FFFD. Errors: none. Source: RFC 8259, with nothing escaped that need not be.

use crate::base::base64;

/// Appends a string.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    string_part(out, text);
    out.push(b'"');
}

/// Appends the inside of a string.
pub(super) fn string_part(out: &mut Vec<u8>, text: &[u8]) {
    if std::str::from_utf8(text).is_ok() {
        return escaped(out, text);
    }
    for chunk in text.utf8_chunks() {
        escaped(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Appends a string or null.
pub(super) fn string_or_null(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends a string of Base64.
pub(super) fn base64_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    base64::encode(out, bytes);
    out.push(b'"');
}

/// Appends a number.
pub(super) fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    for place in digits.iter_mut().rev() {
        *place = b'0'.saturating_add(u8::try_from(number % 10).unwrap_or(0));
        start = start.saturating_sub(1);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or(&[]));
}

/// Appends valid UTF-8, whole runs at once.
fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = first_special(rest) {
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let [byte, after @ ..] = from else {
            return;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(control >> 4), digit(control & 15)]);
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Where the first byte stands that is escaped; sixteen bytes at a time.
fn first_special(text: &[u8]) -> Option<usize> {
    let is_special = |byte: &u8| *byte < 0x20 || matches!(*byte, b'"' | b'\\');
    let (chunks, _) = text.as_chunks::<16>();
    let clean = chunks
        .iter()
        .take_while(|chunk| {
            !chunk
                .iter()
                .fold(false, |seen, byte| seen | is_special(byte))
        })
        .count()
        .saturating_mul(16);
    let rest = text.get(clean..).unwrap_or(&[]);
    rest.iter()
        .position(is_special)
        .map(|at| clean.saturating_add(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_escape_what_must_be_escaped() {
        let rows: &[(&[u8], &str)] = &[
            (b"", r#""""#),
            (b"plain/text", r#""plain/text""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"\n\r\t\x08\x0c", r#""\n\r\t\b\f""#),
            (b"\x00\x1f\x7f", "\"\\u0000\\u001F\u{7f}\""),
            ("é\u{1f600}\u{2028}".as_bytes(), "\"é\u{1f600}\u{2028}\""),
            (b"a\xffb\xc3", "\"a\u{fffd}b\u{fffd}\""),
            (b"\xff\"", "\"\u{fffd}\\\"\""),
            (
                b"sixteen bytes--\\and some more than that\"",
                r#""sixteen bytes--\\and some more than that\"""#,
            ),
        ];
        for (text, expected) in rows {
            let mut out = Vec::new();
            string(&mut out, text);
            assert_eq!(String::from_utf8(out).as_deref(), Ok(*expected), "{text:?}");
        }
    }

    #[test]
    fn numbers_nulls_and_base64() {
        let mut out = Vec::new();
        for value in [0, 7, 1_744_202_096_123, u64::MAX] {
            number(&mut out, value);
            out.push(b' ');
        }
        string_or_null(&mut out, None);
        string_or_null(&mut out, Some(b"x"));
        base64_string(&mut out, b"\xff");
        let expected: &[u8] = b"0 7 1744202096123 18446744073709551615 null\"x\"\"/w==\"";
        assert_eq!(out, expected);
    }

    proptest::proptest! {
        #[test]
        fn any_text_reads_back_as_itself(text in ".*", bytes in proptest::collection::vec(0_u8.., 0..80)) {
            let mut out = Vec::new();
            string(&mut out, text.as_bytes());
            let read: String = serde_json::from_slice(&out).expect("JSON");
            proptest::prop_assert_eq!(read, text);
            out.clear();
            string(&mut out, &bytes);
            let read: String = serde_json::from_slice(&out).expect("JSON");
            proptest::prop_assert_eq!(read, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
