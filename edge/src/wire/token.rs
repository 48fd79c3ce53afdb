//! Byte classes of HTTP/1, one table for all parsers.
//!
//! Shape: a bit per class for each of the 256 bytes. Ranges: every byte. Errors: none.
//! Source: RFC 9110 §5.6.2 (token), §5.5 (field value), §5.6.4 (quoted string); RFC 3986 §2.

/// Byte of a token.
pub const TOKEN: u8 = 1;
/// Byte of a field value: visible, space, tab, or 0x80 and above, which pass opaque.
pub const VALUE: u8 = 2;
/// Byte that a request target may not hold: all but visible ASCII, `#` and `\`.
pub const NOT_TARGET: u8 = 4;
/// Byte of a host name's label.
pub const LABEL: u8 = 8;
/// `?`, which ends a path.
pub const QUESTION: u8 = 16;
/// Byte of a quoted string besides its quotes and backslash.
pub const QUOTED: u8 = 32;
/// `%` or `.`: a target with one needs the careful look.
pub const CAREFUL: u8 = 64;
/// Space or tab.
pub const BLANK: u8 = 128;

/// Classes of `byte`, as bits.
#[must_use]
#[inline]
pub fn classes(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

/// Whether `byte` is in one of `classes`.
#[must_use]
#[inline]
pub fn is(byte: u8, class: u8) -> bool {
    classes(byte) & class != 0
}

/// Whether `bytes` is a token: one or more token bytes.
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, TOKEN)
}

/// Every class that some byte of `bytes` is in.
#[must_use]
#[inline]
pub fn union(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |seen, &byte| seen | classes(byte))
}

/// Whether all of `bytes` are in `class`.
#[must_use]
pub fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().fold(class, |seen, &byte| seen & classes(byte)) == class
}

/// Value of a hexadecimal digit.
#[must_use]
#[inline]
pub fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// `bytes` without spaces and tabs at both ends.
#[must_use]
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes {
        if !is(*first, BLANK) {
            break;
        }
        bytes = rest;
    }
    while let [rest @ .., last] = bytes {
        if !is(*last, BLANK) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// The elements of a comma list, trimmed; empty ones, which senders may leave, are passed over.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

static CLASSES: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut at = 0;
    while at < 256 {
        // The loop's bound keeps this in a byte.
        #[allow(clippy::cast_possible_truncation)]
        let byte = at as u8;
        let mut bits = 0;
        let alphanumeric = byte.is_ascii_alphanumeric();
        let symbol = matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        if alphanumeric || symbol {
            bits |= TOKEN;
        }
        if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
            bits |= VALUE;
            if byte != b'"' && byte != b'\\' {
                bits |= QUOTED;
            }
        }
        if !byte.is_ascii_graphic() || byte == b'#' || byte == b'\\' {
            bits |= NOT_TARGET;
        }
        if alphanumeric || byte == b'-' || byte == b'_' {
            bits |= LABEL;
        }
        if byte == b'?' {
            bits |= QUESTION;
        }
        if byte == b'%' || byte == b'.' {
            bits |= CAREFUL;
        }
        if byte == b' ' || byte == b'\t' {
            bits |= BLANK;
        }
        table[at] = bits;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_the_grammar() {
        let count = |class| (0..=255u8).filter(|byte| is(*byte, class)).count();
        assert_eq!(count(TOKEN), 77);
        assert_eq!(count(VALUE), 1 + 95 + 128);
        assert_eq!(count(NOT_TARGET), 256 - (94 - 2));
        assert_eq!(count(LABEL), 64);
        assert_eq!(count(QUESTION), 1);
        assert_eq!(count(QUOTED), 1 + 93 + 128);
        for byte in b"()<>@,;:\\\"/[]?={} \t\x7f\x80" {
            assert!(!is(*byte, TOKEN), "{byte:#x}");
        }
    }

    #[test]
    fn a_list_passes_over_empty_elements() {
        let given: Vec<&[u8]> = list(b" a ,\t,b c,").collect();
        assert_eq!(given, [&b"a"[..], b"b c"]);
    }
}
