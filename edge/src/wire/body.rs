//! One reader for every way a body can end.
//!
//! Shape: an enum over [`Framing`]; it gives ranges of the caller's input and copies nothing.
//! Units: bytes. Ranges: bodies up to `body_bytes_max`; a declared length above it is refused
//! before the first byte. Errors: [`BodyFault`]; a connection that ends early is a short body.
//! Source: RFC 9112 §6.3, §8.

use super::{
    chunked::{ChunkedDecoder, Step},
    fault::BodyFault,
    framing::Framing,
    limits::BodyLimits,
};

/// The reader of one body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BodyReader {
    /// So many bytes are still to come; 0 also stands for "no body".
    Length(u64),
    /// Chunks.
    Chunked(ChunkedDecoder),
    /// Everything until the connection ends, at most so many bytes.
    UntilClose(u64),
}

impl BodyReader {
    /// A reader at the start of a body; refuses a declared length above the limit.
    pub fn new(framing: Framing, limits: BodyLimits) -> Result<BodyReader, BodyFault> {
        match framing {
            Framing::None => Ok(BodyReader::Length(0)),
            Framing::Length(length) if length > limits.body_bytes_max => Err(BodyFault::TooLarge),
            Framing::Length(length) => Ok(BodyReader::Length(length)),
            Framing::Chunked => Ok(BodyReader::Chunked(ChunkedDecoder::new(limits))),
            Framing::UntilClose => Ok(BodyReader::UntilClose(limits.body_bytes_max)),
        }
    }

    /// Reads on in `input`, the bytes behind those of the last step.
    pub fn read(&mut self, input: &[u8]) -> Result<Step, BodyFault> {
        match self {
            BodyReader::Length(0) => Ok(Step::End { consumed: 0 }),
            BodyReader::Length(left) => {
                let len = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                *left = left.saturating_sub(len as u64);
                Ok(data(len))
            }
            BodyReader::Chunked(decoder) => decoder.decode(input),
            BodyReader::UntilClose(left) => {
                if input.len() as u64 > *left {
                    return Err(BodyFault::TooLarge);
                }
                *left = left.saturating_sub(input.len() as u64);
                Ok(data(input.len()))
            }
        }
    }

    /// The peer ended the connection: is the body whole?
    pub fn close(&self) -> Result<(), BodyFault> {
        match self {
            BodyReader::UntilClose(_) => Ok(()),
            _ if self.is_done() => Ok(()),
            _ => Err(BodyFault::Short),
        }
    }

    /// Whether the end was read. A body that lasts until the connection ends never is.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            BodyReader::Length(left) => *left == 0,
            BodyReader::Chunked(decoder) => decoder.is_done(),
            BodyReader::UntilClose(_) => false,
        }
    }

    /// Bytes still to come, when the head told.
    #[must_use]
    pub fn length_left(&self) -> Option<u64> {
        match self {
            BodyReader::Length(left) => Some(*left),
            _ => None,
        }
    }
}

fn data(len: usize) -> Step {
    if len == 0 {
        Step::Need
    } else {
        Step::Data { skip: 0, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Framing, given bytes, the body in them, bytes left over, and the end.
    type Row = (
        Framing,
        &'static str,
        &'static str,
        usize,
        Result<(), BodyFault>,
    );
    type Outcome = (Vec<u8>, usize, Result<(), BodyFault>);

    /// Body, bytes that were not part of it, and how it ended once the connection closed.
    fn read(framing: Framing, body_bytes_max: u64, pieces: &[&[u8]]) -> Outcome {
        let limits = BodyLimits {
            body_bytes_max,
            ..BodyLimits::default()
        };
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut reader = match BodyReader::new(framing, limits) {
            Ok(reader) => reader,
            Err(fault) => return (Vec::new(), total, Err(fault)),
        };
        let mut body = Vec::new();
        let mut used = 0;
        for piece in pieces {
            let mut at = 0;
            loop {
                match reader.read(&piece[at..]) {
                    Ok(Step::Data { skip, len }) => {
                        body.extend_from_slice(&piece[at + skip..at + skip + len]);
                        at += skip + len;
                    }
                    Ok(Step::Need) => break,
                    Ok(Step::End { consumed }) => {
                        return (body, total - used - at - consumed, Ok(()));
                    }
                    Err(fault) => return (body, 0, Err(fault)),
                }
            }
            used += piece.len();
        }
        (body, 0, reader.close())
    }

    #[test]
    fn bodies_end_as_framed() {
        use Framing::{Chunked, Length, None as Empty, UntilClose};
        let rows: &[Row] = &[
            (Empty, "GET", "", 3, Ok(())),
            (Length(0), "GET", "", 3, Ok(())),
            (Length(3), "abcGET", "abc", 3, Ok(())),
            (Length(3), "abc", "abc", 0, Ok(())),
            (Length(3), "ab", "ab", 0, Err(BodyFault::Short)),
            (Length(10), "abcdefghijk", "abcdefghij", 1, Ok(())),
            (Length(11), "abc", "", 3, Err(BodyFault::TooLarge)),
            (Chunked, "3\r\nabc\r\n0\r\n\r\nGET", "abc", 3, Ok(())),
            (
                Chunked,
                "3\r\nabc\r\n0\r\n",
                "abc",
                0,
                Err(BodyFault::Short),
            ),
            (Chunked, "b\r\n", "", 0, Err(BodyFault::TooLarge)),
            (UntilClose, "abc", "abc", 0, Ok(())),
            (UntilClose, "", "", 0, Ok(())),
            (UntilClose, "abcdefghij", "abcdefghij", 0, Ok(())),
            (UntilClose, "abcdefghijk", "", 0, Err(BodyFault::TooLarge)),
        ];
        for (framing, given, body, left, end) in rows {
            let found = read(*framing, 10, &[given.as_bytes()]);
            assert_eq!(
                found,
                (body.as_bytes().to_vec(), *left, *end),
                "{framing:?} {given:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_cut_reads_the_same(
            framing in prop_oneof![
                Just(Framing::None),
                (0u64..24).prop_map(Framing::Length),
                Just(Framing::Chunked),
                Just(Framing::UntilClose),
            ],
            given in "(3\r\nabc\r\n){0,3}0\r\n(\r\n)?[a-z]{0,9}",
            cuts in proptest::collection::vec(0usize..60, 0..8),
        ) {
            let bytes = given.as_bytes();
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            ends.push(bytes.len());
            ends.sort_unstable();
            let mut from = 0;
            let pieces: Vec<&[u8]> =
                ends.into_iter().map(|end| &bytes[std::mem::replace(&mut from, end)..end]).collect();
            // Above every total, since a body without a declared end is cut where it passes the
            // limit, and that depends on the pieces.
            prop_assert_eq!(read(framing, 60, &[bytes]), read(framing, 60, &pieces));
        }
    }
}
