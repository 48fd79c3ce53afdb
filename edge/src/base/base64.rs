//! Base64, both ways.
//!
//! Shape: bytes in, appended to the caller's bytes. Units: bytes. Ranges: any length. Errors:
//! [`NotBase64`]; what was appended before is then useless. Source: RFC 4648 section 4. Reading
//! passes over line ends and does without padding, as Java's decoders do.

/// A text that is no Base64.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the text is no Base64")]
pub struct NotBase64;

/// Appends `bytes` in digits, padded.
pub fn encode(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len().div_ceil(3).saturating_mul(4));
    let (groups, rest) = bytes.as_chunks::<3>();
    for &[a, b, c] in groups {
        out.extend_from_slice(&digits(u32::from_be_bytes([0, a, b, c])));
    }
    match *rest {
        [a] => {
            let [first, second, _, _] = digits(u32::from_be_bytes([0, a, 0, 0]));
            out.extend_from_slice(&[first, second, b'=', b'=']);
        }
        [a, b] => {
            let [first, second, third, _] = digits(u32::from_be_bytes([0, a, b, 0]));
            out.extend_from_slice(&[first, second, third, b'=']);
        }
        _ => {}
    }
}

/// Appends the bytes that `text` stands for.
pub fn decode(out: &mut Vec<u8>, text: &[u8]) -> Result<(), NotBase64> {
    out.reserve(text.len() / 4 * 3);
    let (groups, _) = text.as_chunks::<4>();
    let mut read: usize = 0;
    for group in groups {
        let [a, b, c, d] = group.map(value);
        // A byte that is no digit has a bit that no value has.
        if (a | b | c | d) & NONE != 0 {
            break;
        }
        let [_, first, second, third] = join(a, b, c, d).to_be_bytes();
        out.extend_from_slice(&[first, second, third]);
        read = read.saturating_add(4);
    }
    decode_rest(out, text.get(read..).unwrap_or(&[]))
}

/// The part with line ends or padding, byte by byte.
fn decode_rest(out: &mut Vec<u8>, text: &[u8]) -> Result<(), NotBase64> {
    let mut group = [0_u8; 4];
    let (mut count, mut padding) = (0_usize, 0_usize);
    for byte in text {
        match byte {
            b'\r' | b'\n' => continue,
            b'=' => {
                padding = padding.saturating_add(1);
                continue;
            }
            _ => {}
        }
        let value = value(*byte);
        if value & NONE != 0 || padding > 0 {
            return Err(NotBase64);
        }
        if let Some(place) = group.get_mut(count) {
            *place = value;
        }
        count = count.saturating_add(1);
        if count == group.len() {
            let [a, b, c, d] = group;
            let [_, first, second, third] = join(a, b, c, d).to_be_bytes();
            out.extend_from_slice(&[first, second, third]);
            count = 0;
        }
    }
    let [a, b, c, _] = group;
    match (count, padding) {
        (0, 0) => {}
        (2, 0 | 2) => out.extend(join(a, b, 0, 0).to_be_bytes().get(1..2).unwrap_or(&[])),
        (3, 0 | 1) => out.extend(join(a, b, c, 0).to_be_bytes().get(1..3).unwrap_or(&[])),
        _ => return Err(NotBase64),
    }
    Ok(())
}

/// Four digits of 24 bits.
#[inline]
fn digits(group: u32) -> [u8; 4] {
    [18, 12, 6, 0].map(|shift| {
        let at = (group >> shift & 63) as usize;
        ALPHABET.get(at).copied().unwrap_or(b'A')
    })
}

#[inline]
fn join(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d)
}

#[inline]
fn value(byte: u8) -> u8 {
    VALUES[usize::from(byte)]
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The bit of a byte that is no digit.
const NONE: u8 = 0x80;

static VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        // Below 64.
        #[allow(clippy::cast_possible_truncation)]
        let value = at as u8;
        values[ALPHABET[at] as usize] = value;
        at += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        encode(&mut out, bytes);
        String::from_utf8(out).expect("digits")
    }

    fn decoded(text: &str) -> Result<Vec<u8>, NotBase64> {
        let mut out = Vec::new();
        decode(&mut out, text.as_bytes()).map(|()| out)
    }

    #[test]
    fn the_vectors_of_the_standard() {
        let rows = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, text) in rows {
            assert_eq!(encoded(plain.as_bytes()), text);
            assert_eq!(decoded(text), Ok(plain.as_bytes().to_vec()));
            let bare = text.trim_end_matches('=');
            assert_eq!(decoded(bare), Ok(plain.as_bytes().to_vec()), "{bare}");
        }
        assert_eq!(encoded(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn what_is_passed_over_and_what_is_refused() {
        let rows = [
            ("Zm9v\r\nYmFy\n", Ok(b"foobar".to_vec())),
            ("Z\nm9vYg==", Ok(b"foob".to_vec())),
            ("Zg=", Err(NotBase64)),
            ("Zg===", Err(NotBase64)),
            ("Z", Err(NotBase64)),
            ("=", Err(NotBase64)),
            ("Zm9v=", Err(NotBase64)),
            ("Zg==Zg==", Err(NotBase64)),
            ("Zm9-", Err(NotBase64)),
            ("Zm 9v", Err(NotBase64)),
            ("Zm9v\u{e9}", Err(NotBase64)),
        ];
        for (text, expected) in rows {
            assert_eq!(decoded(text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_length_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for len in 0..all.len() {
            let bytes = &all[len / 2..len];
            assert_eq!(decoded(&encoded(bytes)).as_deref(), Ok(bytes));
        }
    }
}
