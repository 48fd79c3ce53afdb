//! Pairs of a query, and percent-decoding into a caller's buffer.
//!
//! Shape: an iterator over raw slices; decoding is a second step, for those who read the value.
//! Units: bytes. Ranges: any bytes; pairs are split at `&` alone, `;` is literal, and a pair
//! without `=` has an empty value. Errors: a malformed escape stays as written; a buffer too small
//! gives `None`. Source: WHATWG URL, application/x-www-form-urlencoded; RFC 3986 §2.1.

use super::target::escape_at;

/// One raw pair of a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair<'a> {
    /// Before the first `=`, still escaped.
    pub name: &'a [u8],
    /// Behind it, still escaped.
    pub value: &'a [u8],
}

/// The pairs of `query`, empty ones passed over.
pub fn pairs(query: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    query
        .split(|&byte| byte == b'&')
        .filter(|part| !part.is_empty())
        .map(|part| match memchr::memchr(b'=', part) {
            Some(at) => Pair {
                name: &part[..at],
                value: &part[at + 1..],
            },
            None => Pair {
                name: part,
                value: &[],
            },
        })
}

/// Decodes a name or value of a query into `out`: escapes, and `+` as a space.
pub fn decode_query<'o>(raw: &[u8], out: &'o mut [u8]) -> Option<&'o [u8]> {
    decode(raw, b' ', out)
}

/// Decodes a piece of a path into `out`: escapes only.
pub fn decode_path<'o>(raw: &[u8], out: &'o mut [u8]) -> Option<&'o [u8]> {
    decode(raw, b'+', out)
}

fn decode<'o>(raw: &[u8], plus: u8, out: &'o mut [u8]) -> Option<&'o [u8]> {
    let mut from = 0;
    let mut len = 0;
    while let Some(&byte) = raw.get(from) {
        let (byte, step) = match byte {
            b'+' => (plus, 1),
            b'%' => escape_at(raw, from).map_or((b'%', 1), |decoded| (decoded, 3)),
            _ => (byte, 1),
        };
        *out.get_mut(len)? = byte;
        from += step;
        len += 1;
    }
    out.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_their_decoding() {
        let found: Vec<(String, String)> = pairs(b"a=1&&b&=c&d=x=y&e=p+q%2B%&f;g=%26&h=%C3%A9")
            .map(|pair| {
                let text = |raw| {
                    let mut out = [0u8; 64];
                    let decoded = decode_query(raw, &mut out).expect("fits");
                    String::from_utf8(decoded.to_vec()).expect("utf-8")
                };
                (text(pair.name), text(pair.value))
            })
            .collect();
        let expected = [
            ("a", "1"),
            ("b", ""),
            ("", "c"),
            ("d", "x=y"),
            ("e", "p q+%"),
            ("f;g", "&"),
            ("h", "\u{e9}"),
        ];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let mut out = [0u8; 8];
        assert_eq!(decode_path(b"a+%2b%2", &mut out), Some(&b"a++%2"[..]));
        assert_eq!(decode_path(b"123456789", &mut out), None);
        assert_eq!(
            decode_path(b"%31%32345678", &mut out),
            Some(&b"12345678"[..])
        );
    }
}
