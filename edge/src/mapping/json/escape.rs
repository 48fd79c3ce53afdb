//! Escapes of JSON strings.
//!
//! Shape: bytes in, a character and the bytes behind it out. Units: bytes. Errors: `None` for what
//! is no escape. Source: RFC 8259 section 7; half of a pair reads as `?`, as Java encodes it.

/// The character that stands behind a backslash, and what follows.
pub(super) fn unescaped(escape: &[u8]) -> Option<(char, &[u8])> {
    let (byte, rest) = escape.split_first()?;
    let character = match byte {
        b'"' | b'\\' | b'/' => char::from(*byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescaped_unit(rest),
        _ => return None,
    };
    Some((character, rest))
}

/// Whether what stands behind a backslash is what would be printed for its character.
pub(super) fn is_usual(escape: &[u8]) -> bool {
    matches!(
        escape,
        [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..]
    )
}

fn unescaped_unit(digits: &[u8]) -> Option<(char, &[u8])> {
    let (high, rest) = unit(digits)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high).unwrap_or('?'), rest));
    }
    if let [b'\\', b'u', digits @ ..] = rest {
        let (low, rest) = unit(digits)?;
        if (0xdc00..0xe000).contains(&low) {
            let both = ((high & 0x3ff) << 10 | low & 0x3ff).saturating_add(0x1_0000);
            return Some((char::from_u32(both).unwrap_or('?'), rest));
        }
    }
    // A half without its other prints as Java encodes it.
    Some(('?', rest))
}

/// Four hexadecimal digits.
fn unit(digits: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = digits.split_first_chunk::<4>()?;
    let unit = digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | digit)
    });
    Some((unit?, rest))
}
