//! Runs of bytes that a text in quotes holds as they are.
//!
//! Shape: eight bytes are looked at as one word. Units: bytes. Errors: none. Source: RFC 8259
//! section 7 and `StringEscapeUtils.escapeJavaScript` for what ends a run; Hacker's Delight, "Find
//! First 0-Byte".

use super::value::small;

/// How many bytes at the start of `bytes` a JSON string holds as they are: all but quotes,
/// backslashes and control characters.
pub(super) fn json_run(bytes: &[u8]) -> usize {
    run(bytes, json_marks)
}

/// Where the run ends that begins at `from`.
#[inline(always)]
pub(super) fn json_end(bytes: &[u8], from: u32) -> u32 {
    let mut at = from;
    while let Some(word) = word(bytes, at) {
        let marks = json_marks(word);
        if marks != 0 {
            return at.wrapping_add(marks.trailing_zeros() / 8);
        }
        at = at.wrapping_add(u64::BITS / 8);
    }
    json_end_of_rest(bytes, at)
}

/// The same near the end of all bytes.
#[inline(never)]
fn json_end_of_rest(bytes: &[u8], from: u32) -> u32 {
    let rest = bytes.get(from as usize..).unwrap_or(&[]);
    from.wrapping_add(small(json_run(rest)))
}

/// Whether two short texts are the same, without a call for those of up to sixteen bytes.
#[inline]
pub(super) fn are_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // Both ends of either cover it whole; they may overlap.
    if a.len() < 4 {
        a.iter().eq(b)
    } else if a.len() < 8 {
        a.first_chunk::<4>() == b.first_chunk::<4>() && a.last_chunk::<4>() == b.last_chunk::<4>()
    } else if a.len() <= 16 {
        a.first_chunk::<8>() == b.first_chunk::<8>() && a.last_chunk::<8>() == b.last_chunk::<8>()
    } else {
        a == b
    }
}

/// Eight bytes from `at`, if there are so many.
#[inline(always)]
pub(super) fn word(bytes: &[u8], at: u32) -> Option<u64> {
    let at = at as usize;
    let word = bytes.get(at..at.wrapping_add(WORD_BYTES))?.first_chunk()?;
    Some(u64::from_le_bytes(*word))
}

/// The same with zeros behind the last byte.
#[inline(always)]
pub(super) fn ahead(bytes: &[u8], at: u32) -> u64 {
    word(bytes, at).unwrap_or_else(|| ahead_of_rest(bytes, at))
}

#[cold]
#[inline(never)]
fn ahead_of_rest(bytes: &[u8], at: u32) -> u64 {
    let rest = bytes.get(at as usize..).unwrap_or(&[]);
    let rest = rest.iter().take(WORD_BYTES).rev();
    rest.fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[inline(always)]
pub(super) fn json_marks(word: u64) -> u64 {
    // With quotes put at 0x20, and what was there behind them, they end the control characters.
    let quotes = (word ^ QUOTES_BEHIND_CONTROLS).wrapping_sub(BEHIND_SPACES);
    marked(word, quotes | differences(word, b'\\'))
}

/// The same for `escapeJavaScript`, which escapes apostrophes and slashes, too.
pub(super) fn java_script_run(bytes: &[u8]) -> usize {
    run(bytes, |word| {
        let quotes = (word ^ QUOTES_BEHIND_CONTROLS).wrapping_sub(BEHIND_SPACES);
        let quotes = quotes | differences(word, b'\'');
        let slashes = differences(word, b'\\') | differences(word, b'/');
        marked(word, quotes | slashes)
    })
}

/// How many bytes come before the first that `marks` marks by its high bit; what it says of bytes
/// behind that one does not matter.
#[inline(always)]
fn run(bytes: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    let first = |word: u64| marks(word).trailing_zeros() as usize / WORD_BYTES;
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<WORD_BYTES>() {
        let within = first(u64::from_le_bytes(*word));
        if within < WORD_BYTES {
            return bytes.len().wrapping_sub(rest.len()).wrapping_add(within);
        }
        rest = after;
    }
    let word = rest
        .iter()
        .rev()
        .fold(FILLER, |word, byte| word << 8 | u64::from(*byte));
    let within = first(word).min(rest.len());
    bytes.len().wrapping_sub(rest.len()).wrapping_add(within)
}

/// How many bytes at the start of a word are spaces.
#[inline(always)]
pub(super) fn spaces(word: u64) -> u32 {
    (word ^ SPACES).trailing_zeros() / 8
}

/// Of ASCII, passes below zero at the first byte that is `byte`, and perhaps behind it: a borrow
/// goes upwards only.
#[inline(always)]
fn differences(word: u64, byte: u8) -> u64 {
    (word ^ ONES.wrapping_mul(u64::from(byte))).wrapping_sub(ONES)
}

/// The high bits of bytes that have passed below zero, for those that are ASCII.
#[inline(always)]
fn marked(word: u64, passed: u64) -> u64 {
    passed & !word & HIGH_BITS
}

const WORD_BYTES: usize = 8;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = ONES * 0x80;
const SPACES: u64 = ONES * b' ' as u64;
const BEHIND_SPACES: u64 = ONES * (b' ' + 1) as u64;
const QUOTES_BEHIND_CONTROLS: u64 = ONES * (b'"' ^ b' ') as u64;
/// Bytes that end no run.
const FILLER: u64 = ONES * b'a' as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_anywhere_are_not_the_same() {
        for length in 0..40 {
            let text: Vec<u8> = (b'0'..).take(length).collect();
            assert!(are_same(&text, &text.clone()), "{length}");
            assert!(!are_same(&text, &[&text[..], b"x"].concat()), "{length}");
            for at in 0..length {
                let mut other = text.clone();
                other[at] ^= 0x80;
                assert!(!are_same(&text, &other), "{at} of {length}");
            }
        }
    }

    #[test]
    fn every_byte_at_every_place_ends_a_run_or_does_not() {
        let json = |byte: u8| byte < b' ' || b"\"\\".contains(&byte);
        let java_script = |byte: u8| byte < b' ' || b"\"'\\/".contains(&byte);
        for length in (0..20).chain([31, 32, 33]) {
            for (at, byte) in (0..length).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
                for filler in [b'a', b'!', b'#', b' ', 0x7f, 0x80, 0xff, b'[', b'0'] {
                    let mut bytes = vec![filler; length];
                    bytes[at] = byte;
                    let shown = format!("{byte} at {at} of {length}");
                    let expected = |ends: bool| if ends { at } else { length };
                    // What stands behind the first mark changes nothing.
                    for _ in 0..2 {
                        assert_eq!(json_run(&bytes), expected(json(byte)), "{shown}");
                        assert_eq!(
                            json_end(&bytes, 0) as usize,
                            expected(json(byte)),
                            "{shown}"
                        );
                        assert_eq!(
                            java_script_run(&bytes),
                            expected(java_script(byte)),
                            "{shown}"
                        );
                        bytes[at..].fill(byte);
                    }
                }
            }
        }
    }
}
