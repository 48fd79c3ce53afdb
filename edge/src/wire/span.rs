//! Where a piece of a head lies: an offset and a length, never a slice.
//!
//! Shape: two 16-bit numbers relative to the first byte given to the parser. Units: bytes.
//! Ranges: a head is at most 64 KiB and ends with a blank line, so every piece starts below 65,536.
//! Errors: bytes that are not those parsed give an empty slice, never a panic. Source: own.

/// A piece of a head.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Debug)]
pub struct Span {
    at: u16,
    len: u16,
}

impl Span {
    /// A span of nothing.
    pub const EMPTY: Span = Span { at: 0, len: 0 };

    /// The span at `at` of `len` bytes; `None` past 64 KiB.
    #[must_use]
    #[inline]
    pub fn new(at: usize, len: usize) -> Option<Span> {
        Some(Span {
            at: u16::try_from(at).ok()?,
            len: u16::try_from(len).ok()?,
        })
    }

    /// The span that `part`, a slice of `whole`, takes there; `None` when it starts elsewhere.
    #[must_use]
    #[inline]
    pub fn within(whole: &[u8], part: &[u8]) -> Option<Span> {
        let at = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        if at > whole.len() {
            return None;
        }
        Span::new(at, part.len())
    }

    /// The bytes of this span in `bytes`, the head it was made from.
    #[must_use]
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.at()..self.end()).unwrap_or(&[])
    }

    /// Offset of the first byte.
    #[must_use]
    pub fn at(self) -> usize {
        usize::from(self.at)
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(self) -> usize {
        usize::from(self.len)
    }

    /// Offset behind the last byte.
    #[must_use]
    pub fn end(self) -> usize {
        self.at() + self.len()
    }

    /// Whether it holds no byte.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_slice_of_its_head_or_nothing() {
        let whole = b"GET /a HTTP/1.1";
        let span = Span::within(whole, &whole[4..6]).expect("inside");
        assert_eq!((span.at(), span.len(), span.of(whole)), (4, 2, &b"/a"[..]));
        assert_eq!(span.of(b"GE"), b"");
        assert_eq!(Span::within(&whole[4..], &whole[..2]), None);
        assert_eq!(Span::within(&whole[..4], &whole[6..8]), None);
        assert_eq!(Span::new(65_536, 1), None);
    }
}
