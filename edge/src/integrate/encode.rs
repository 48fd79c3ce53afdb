//! Percent-encoding into a fixed buffer.
//!
//! Shape: [`Cursor`] appends to the caller's bytes. Units: bytes. Ranges: the buffer's length.
//! Errors: [`TargetFault::TooLong`] when it is full; nothing is cut. Source: RFC 3986 section 2;
//! the form encoding of queries, where `+` is a space.

/// Why an outgoing target or field was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TargetFault {
    #[error("the outgoing target or field is longer than its buffer")]
    TooLong,
    #[error("the mapped values make a forbidden path")]
    ForbiddenPath,
    #[error("a mapped field value holds a control character")]
    BadFieldValue,
}

/// Appends to a fixed buffer.
pub(crate) struct Cursor<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> Cursor<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Cursor<'b> {
        Cursor { buffer, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn written(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or(&[])
    }

    /// These bytes as they are.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), TargetFault> {
        let end = self
            .len
            .checked_add(bytes.len())
            .ok_or(TargetFault::TooLong)?;
        let place = self
            .buffer
            .get_mut(self.len..end)
            .ok_or(TargetFault::TooLong)?;
        place.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Plain bytes: everything but unreserved characters is encoded.
    pub(crate) fn put_encoded(&mut self, bytes: &[u8]) -> Result<(), TargetFault> {
        bytes.iter().try_for_each(|byte| self.put_byte(*byte))
    }

    /// Bytes of a path, for a query: escapes stay, the rest as [`Cursor::put_encoded`].
    pub(crate) fn put_reencoded(&mut self, bytes: &[u8]) -> Result<(), TargetFault> {
        bytes.iter().try_for_each(|byte| match byte {
            b'%' => self.put(b"%"),
            byte => self.put_byte(*byte),
        })
    }

    /// Bytes of a query, for a path: escapes stay, `+` is a space.
    pub(crate) fn put_recoded(&mut self, bytes: &[u8]) -> Result<(), TargetFault> {
        bytes.iter().try_for_each(|byte| match byte {
            b'%' => self.put(b"%"),
            b'+' => self.put(b"%20"),
            byte => self.put_byte(*byte),
        })
    }

    /// Bytes of a query, decoded; a broken escape stays.
    pub(crate) fn put_decoded(&mut self, bytes: &[u8]) -> Result<(), TargetFault> {
        let mut rest = bytes;
        while let Some((byte, after)) = next_decoded(rest) {
            self.put(&[byte])?;
            rest = after;
        }
        Ok(())
    }

    fn put_byte(&mut self, byte: u8) -> Result<(), TargetFault> {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            return self.put(&[byte]);
        }
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        self.put(&[b'%', digit(byte >> 4), digit(byte & 0xf)])
    }
}

/// Whether the raw query text `raw` decodes to `plain`.
pub(crate) fn decodes_to(raw: &[u8], plain: &[u8]) -> bool {
    let mut rest = raw;
    for wanted in plain {
        match next_decoded(rest) {
            Some((byte, after)) if byte == *wanted => rest = after,
            _ => return false,
        }
    }
    rest.is_empty()
}

/// The byte that two hexadecimal digits spell.
fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    Some(nibble(high)? << 4 | nibble(low)?)
}

/// `text` percent-encoded, for values known when compiling.
pub(crate) fn encoded(text: &str) -> Box<[u8]> {
    let mut buffer = vec![0; text.len() * 3];
    let mut cursor = Cursor::new(&mut buffer);
    let put = cursor.put_encoded(text.as_bytes());
    debug_assert_eq!(put, Ok(()), "three bytes for each");
    cursor.written().into()
}

/// Appends plain bytes: everything but unreserved characters is encoded.
pub(crate) fn put_percent_encoded(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(*byte);
        } else {
            let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
}

fn next_decoded(raw: &[u8]) -> Option<(u8, &[u8])> {
    match raw {
        [] => None,
        [b'+', after @ ..] => Some((b' ', after)),
        [b'%', high, low, after @ ..] => match hex_pair(*high, *low) {
            Some(byte) => Some((byte, after)),
            None => Some((b'%', raw.get(1..)?)),
        },
        [byte, after @ ..] => Some((*byte, after)),
    }
}
