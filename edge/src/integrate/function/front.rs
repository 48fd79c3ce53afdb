//! What stands in front of a streamed output: metadata, then eight NULs.
//!
//! Shape: [`Front`] takes byte after byte until it is whole; [`super::AnswerReader`] reads it then.
//! Units: bytes. Ranges: [`FRONT_BYTES_MAX`] with the NULs. Errors: [`FrontFault`]; the gateway
//! answers 500. Source: Amazon API Gateway developer guide, "Lambda proxy integration with payload
//! response streaming".

/// What there is in front of a payload.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Front {
    metadata: Vec<u8>,
    nuls: usize,
}

/// Why there is no metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrontFault {
    #[error("metadata and delimiter are longer than {FRONT_BYTES_MAX} bytes")]
    TooLong,
    #[error("the delimiter has fewer than {DELIMITER_BYTES} NULs")]
    Delimiter,
}

/// Longest metadata, delimiter included.
pub const FRONT_BYTES_MAX: usize = 16 * 1024;
/// NULs between metadata and payload.
const DELIMITER_BYTES: usize = 8;

impl Front {
    /// Takes the next byte; gives whether it was the last.
    ///
    /// # Errors
    /// What makes this no front; nothing may be taken after that.
    pub fn push(&mut self, byte: u8) -> Result<bool, FrontFault> {
        let bytes = self.metadata.len().saturating_add(self.nuls);
        if bytes >= FRONT_BYTES_MAX {
            return Err(FrontFault::TooLong);
        }
        match byte {
            0 => self.nuls = self.nuls.saturating_add(1),
            _ if self.nuls > 0 => return Err(FrontFault::Delimiter), // JSON has no NUL
            byte => self.metadata.push(byte),
        }
        Ok(self.nuls == DELIMITER_BYTES)
    }

    /// The metadata.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        &self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes were taken, and what of them is metadata.
    fn read(bytes: &[u8]) -> Result<Option<(usize, Vec<u8>)>, FrontFault> {
        let mut front = Front::default();
        for (at, byte) in bytes.iter().enumerate() {
            if front.push(*byte)? {
                return Ok(Some((at + 1, front.metadata().to_vec())));
            }
        }
        Ok(None)
    }

    #[test]
    fn fronts_end_with_eight_nuls() {
        let long = |metadata: usize, nuls: usize| [vec![b' '; metadata], vec![0; nuls]].concat();
        let most = FRONT_BYTES_MAX - DELIMITER_BYTES;
        let rows: &[(Vec<u8>, Result<Option<(usize, usize)>, FrontFault>)] = &[
            (b"{}\0\0\0\0\0\0\0\0".to_vec(), Ok(Some((10, 2)))),
            (b"{}\0\0\0\0\0\0\0\0\0x".to_vec(), Ok(Some((10, 2)))),
            (b"\0\0\0\0\0\0\0\0".to_vec(), Ok(Some((8, 0)))),
            (b"{}\0\0\0\0\0\0\0".to_vec(), Ok(None)),
            (b"{}\0\0\0\0\0\0\0x".to_vec(), Err(FrontFault::Delimiter)),
            (b"{}\0x".to_vec(), Err(FrontFault::Delimiter)),
            (b"{}".to_vec(), Ok(None)),
            (Vec::new(), Ok(None)),
            (long(most, 8), Ok(Some((FRONT_BYTES_MAX, most)))),
            (long(most + 1, 8), Err(FrontFault::TooLong)),
            (long(FRONT_BYTES_MAX, 0), Ok(None)),
            (long(FRONT_BYTES_MAX + 1, 0), Err(FrontFault::TooLong)),
        ];
        for (bytes, expected) in rows {
            let found = read(bytes).map(|whole| whole.map(|(taken, bytes)| (taken, bytes.len())));
            assert_eq!(found, *expected, "{} bytes", bytes.len());
        }
    }
}
