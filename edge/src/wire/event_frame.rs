//! Decodes frames of `application/vnd.amazon.eventstream` as their bytes arrive.
//!
//! Shape: a state machine over prelude, headers, payload and checksum; it keeps headers alone and
//! gives payloads as ranges of its input. Units: bytes; lengths and checksums are big-endian.
//! Ranges: frames to [`FRAME_BYTES_MAX`], their headers to [`HEADERS_BYTES_MAX`]. Errors:
//! [`EventFault`]; nothing is repaired. A payload is given before its checksum is known, so whoever
//! takes it has nothing whole until [`FrameStep::End`]. Source: Smithy, "Amazon event stream
//! specification"; the checksums are the CRC-32 of RFC 1952 section 8.

use thiserror::Error;

/// What a decoder made of its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameStep {
    /// All of the input was used.
    Need,
    /// The headers of a frame are there; call again with `input[consumed..]`.
    Headers {
        /// Bytes used.
        consumed: usize,
    },
    /// `input[skip..skip + len]` is payload. Call again with what follows.
    Payload {
        /// Bytes before it.
        skip: usize,
        /// Its length; above 0.
        len: usize,
    },
    /// The frame is whole, and its checksum is right; `input[consumed..]` begins the next.
    End {
        /// Bytes used.
        consumed: usize,
    },
}

/// Why a stream of events was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum EventFault {
    /// The lengths of a frame are not those that were checked.
    #[error("the checksum of a frame's lengths is wrong")]
    PreludeChecksum,
    /// The frame is not the one that was checked.
    #[error("the checksum of a frame is wrong")]
    FrameChecksum,
    /// A frame is too short for what is in it, or too long.
    #[error("the lengths of a frame are impossible")]
    Length,
    /// Headers are cut, without a name, or of an unknown type.
    #[error("the headers of a frame are malformed")]
    Headers,
    /// The headers do not say what kind of event it is.
    #[error("a frame does not say what it is")]
    Kind,
    /// What ends the stream is too long, or says nothing that can be read.
    #[error("the event that ends the stream is malformed")]
    Complete,
    /// There is something behind the event that ends the stream.
    #[error("a frame behind the end of the stream")]
    BehindEnd,
}

/// Longest frame.
pub const FRAME_BYTES_MAX: u32 = 16 << 20;
/// Most bytes of a frame's headers; those that are sent have about a hundred.
pub const HEADERS_BYTES_MAX: usize = 8 * 1024;

/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// What a frame has beside headers and payload.
const ADDED_BYTES: u32 = 16;

/// The decoder of one stream.
///
/// ```text
/// Prelude ──> Headers ──> Payload ──> Checksum ─┐
///    ^ 12 bytes                        4 bytes  │
///    └──────────────────────────────────────────┘
/// ```
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    state: State,
    /// A prelude or a checksum, as far as it is there.
    word: [u8; PRELUDE_BYTES],
    word_bytes: usize,
    headers: Vec<u8>,
    header_bytes: usize,
    /// Still to come.
    payload_bytes: usize,
    checksum: crc32fast::Hasher,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Prelude,
    Headers,
    Payload,
    Checksum,
}

impl Default for FrameDecoder {
    fn default() -> FrameDecoder {
        FrameDecoder {
            state: State::Prelude,
            word: [0; PRELUDE_BYTES],
            word_bytes: 0,
            headers: Vec::new(),
            header_bytes: 0,
            payload_bytes: 0,
            checksum: crc32fast::Hasher::new(),
        }
    }
}

impl FrameDecoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> FrameDecoder {
        FrameDecoder::default()
    }

    /// Whether a frame could begin here.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.state == State::Prelude && self.word_bytes == 0
    }

    /// The headers of the frame, from [`FrameStep::Headers`] to its end.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], HeaderValue<'_>)> {
        HeaderReader(&self.headers).filter_map(Result::ok)
    }

    /// Reads on in `input`, the bytes behind those of the last step.
    ///
    /// # Errors
    /// What makes this no stream of events.
    pub fn decode(&mut self, input: &[u8]) -> Result<FrameStep, EventFault> {
        let mut at = 0;
        loop {
            if self.state == State::Headers && self.headers.len() == self.header_bytes {
                if HeaderReader(&self.headers).any(|header| header.is_err()) {
                    return Err(EventFault::Headers);
                }
                self.state = State::Payload;
                return Ok(FrameStep::Headers { consumed: at });
            }
            if self.state == State::Payload && self.payload_bytes == 0 {
                self.state = State::Checksum;
            }
            let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) else {
                return Ok(FrameStep::Need);
            };
            match self.state {
                State::Prelude => at += self.prelude(rest)?,
                State::Headers => {
                    let missing = self.header_bytes.saturating_sub(self.headers.len());
                    let piece = rest.get(..missing).unwrap_or(rest);
                    self.headers.extend_from_slice(piece);
                    self.checksum.update(piece);
                    at += piece.len();
                }
                State::Payload => {
                    let piece = rest.get(..self.payload_bytes).unwrap_or(rest);
                    self.checksum.update(piece);
                    self.payload_bytes = self.payload_bytes.saturating_sub(piece.len());
                    let len = piece.len();
                    return Ok(FrameStep::Payload { skip: at, len });
                }
                State::Checksum => {
                    at += self.fill(rest, CHECKSUM_BYTES);
                    if self.word_bytes == CHECKSUM_BYTES {
                        self.end()?;
                        return Ok(FrameStep::End { consumed: at });
                    }
                }
            }
        }
    }

    /// Takes bytes of a word that has `wanted`; gives how many.
    fn fill(&mut self, rest: &[u8], wanted: usize) -> usize {
        let room = self.word.get_mut(self.word_bytes..wanted);
        let Some(room) = room else { return 0 };
        let len = room.len().min(rest.len());
        for (to, from) in room.iter_mut().zip(rest) {
            *to = *from;
        }
        self.word_bytes = self.word_bytes.saturating_add(len);
        len
    }

    fn prelude(&mut self, rest: &[u8]) -> Result<usize, EventFault> {
        let taken = self.fill(rest, PRELUDE_BYTES);
        if self.word_bytes < PRELUDE_BYTES {
            return Ok(taken);
        }
        let [a, b, c, d, e, f, g, h, checksum @ ..] = self.word;
        if crc32fast::hash(&[a, b, c, d, e, f, g, h]) != u32::from_be_bytes(checksum) {
            return Err(EventFault::PreludeChecksum);
        }
        let frame_bytes = u32::from_be_bytes([a, b, c, d]);
        let header_bytes = u32::from_be_bytes([e, f, g, h]);
        let inner_bytes = frame_bytes.checked_sub(ADDED_BYTES);
        let payload_bytes = inner_bytes.and_then(|bytes| bytes.checked_sub(header_bytes));
        let (Some(payload_bytes), true) = (payload_bytes, frame_bytes <= FRAME_BYTES_MAX) else {
            return Err(EventFault::Length);
        };
        self.header_bytes = header_bytes as usize;
        self.payload_bytes = payload_bytes as usize;
        if self.header_bytes > HEADERS_BYTES_MAX {
            return Err(EventFault::Length);
        }
        self.checksum.reset();
        self.checksum.update(&self.word);
        self.headers.clear();
        self.word_bytes = 0;
        self.state = State::Headers;
        Ok(taken)
    }

    fn end(&mut self) -> Result<(), EventFault> {
        let [a, b, c, d, ..] = self.word;
        let found = self.checksum.clone().finalize();
        if found != u32::from_be_bytes([a, b, c, d]) {
            return Err(EventFault::FrameChecksum);
        }
        self.word_bytes = 0;
        self.state = State::Prelude;
        Ok(())
    }
}

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderValue<'h> {
    /// A text, not yet known to be UTF-8.
    Text(&'h [u8]),
    /// A value of another type.
    Other,
}

/// Headers one behind the other: name with its length, type, value.
struct HeaderReader<'h>(&'h [u8]);

impl<'h> HeaderReader<'h> {
    fn take(&mut self, count: usize) -> Option<&'h [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn header(&mut self) -> Option<(&'h [u8], HeaderValue<'h>)> {
        let [name_bytes] = *self.take(1)?.first_chunk()?;
        let name = self.take(usize::from(name_bytes))?;
        let [kind] = *self.take(1)?.first_chunk()?;
        let value = match kind {
            6 | 7 => {
                let value_bytes = u16::from_be_bytes(*self.take(2)?.first_chunk()?);
                self.take(usize::from(value_bytes))?
            }
            // Truths, a byte, integers of 16, 32 and 64 bits, a time, a UUID.
            0 | 1 => &[],
            2 => self.take(1)?,
            3 => self.take(2)?,
            4 => self.take(4)?,
            5 | 8 => self.take(8)?,
            9 => self.take(16)?,
            _ => return None,
        };
        let value = match kind {
            7 => HeaderValue::Text(value),
            _ => HeaderValue::Other,
        };
        (!name.is_empty()).then_some((name, value))
    }
}

impl<'h> Iterator for HeaderReader<'h> {
    type Item = Result<(&'h [u8], HeaderValue<'h>), EventFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let header = self.header();
        if header.is_none() {
            self.0 = &[];
        }
        Some(header.ok_or(EventFault::Headers))
    }
}

#[cfg(test)]
#[path = "event_frame_tests.rs"]
mod tests;
