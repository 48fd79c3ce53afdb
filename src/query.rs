//! Paths and queries of the admin interface: percent-encoded text.
//!
//! Shape: text in, text out. Units: none. Errors: `None` for a malformed escape or what is no
//! UTF-8. A `+` is a plus sign: these are no forms. Source: RFC 3986, section 2.1.

/// Names and values of a query string; `None` for a malformed escape or what is no text.
pub(crate) fn pairs(query: &[u8]) -> Option<Vec<(String, String)>> {
    let query = std::str::from_utf8(query).ok()?;
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

/// Everything but letters, digits and `-._~` as `%XX`.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `%XX` as bytes; `None` for a malformed escape or what is no text.
pub(crate) fn decode(part: &str) -> Option<String> {
    let mut pieces = part.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        if digits.starts_with('+') {
            return None; // which the number below may have, an escape may not
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back() {
        for text in ["", "a", "a b&c=d%2B+", "ä/ß", "-._~"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
        for malformed in ["%", "%4", "%zz", "%ff", "a%+1", "%4ä"] {
            assert_eq!(decode(malformed), None, "{malformed}");
        }
        let read = pairs(b"a=b&&c&d=%26").expect("pairs");
        let expected = [("a", "b"), ("c", ""), ("d", "&")];
        assert_eq!(read, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(pairs(b"a=\xff"), None);
    }
}
