//! The ids of API keys and usage plans, as one word.
//!
//! Shape: a number in base 37, first character first; so an id is compared, hashed and kept like
//! an integer, and its text comes back exactly. Units: characters. Ranges: 1 to 12 lower-case
//! letters and digits; API Gateway makes 10. Errors: `None` for any other text.
//! Source: API Gateway API reference, `ApiKey$id`.

use std::num::NonZeroU64;

/// An id of 1 to 12 lower-case letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(NonZeroU64);

/// Most characters of an id.
pub const ID_CHARS_MAX: usize = 12;

impl Id {
    /// Reads `text`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Id> {
        if !(1..=ID_CHARS_MAX).contains(&text.len()) {
            return None;
        }
        let number = text.bytes().try_fold(0u64, |number, byte| {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0' + 1,
                b'a'..=b'z' => byte - b'a' + 11,
                _ => return None,
            };
            number.checked_mul(BASE)?.checked_add(u64::from(digit))
        })?;
        NonZeroU64::new(number).map(Id)
    }

    /// The same as a number, never 0.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.get()
    }

    /// The id with this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Id> {
        let id = Id(NonZeroU64::new(number)?);
        (Id::parse(id.text().as_str()) == Some(id)).then_some(id)
    }

    /// Its text.
    #[must_use]
    pub fn text(self) -> IdText {
        let mut text = IdText {
            bytes: [0; ID_CHARS_MAX],
            from: ID_CHARS_MAX,
        };
        let mut rest = self.number();
        for (at, byte) in text.bytes.iter_mut().enumerate().rev() {
            if rest == 0 {
                break;
            }
            let digit = u8::try_from(rest % BASE).unwrap_or(0);
            *byte = match digit {
                0 => b'?', // no id has it
                1..=10 => b'0' + (digit - 1),
                _ => b'a' + (digit - 11),
            };
            text.from = at;
            rest /= BASE;
        }
        text
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// The characters of an [`Id`].
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; ID_CHARS_MAX],
    from: usize,
}

impl IdText {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// As bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or(&[])
    }
}

const BASE: u64 = 37;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back() {
        for text in [
            "0",
            "a",
            "z",
            "00",
            "0a",
            "k1",
            "f0yrv6abcd",
            "zzzzzzzzzzzz",
            "000000000000",
        ] {
            let id = Id::parse(text).expect(text);
            assert_eq!(id.to_string(), text);
            assert_eq!(Id::from_number(id.number()), Some(id));
        }
        assert_ne!(Id::parse("0"), Id::parse("00"), "zeros count");
        for text in ["", "A", "a-b", "ä", "aaaaaaaaaaaaa", " a"] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
        for number in [0, 37, 37 * 37, u64::MAX] {
            assert_eq!(Id::from_number(number), None, "{number}");
        }
    }
}
