//! Decodes what a function streams: payload chunks, and the event that ends them.
//!
//! Shape: [`EventDecoder`] gives payloads as ranges of its input, as the decoder of chunks does,
//! and keeps what the last event says. Units: bytes. Ranges: what the last event says, to
//! [`COMPLETE_BYTES_MAX`]. Errors: [`EventFault`]; a function that failed is none, but an end.
//! Source: AWS Lambda API reference, "InvokeWithResponseStream"; Smithy, "Amazon event stream
//! specification" (`:message-type`, `:event-type`; events of other types are passed over).

use serde::Deserialize;

use super::{
    chunked::Step,
    event_frame::{EventFault, FrameDecoder, FrameStep, HeaderValue},
};

/// The type of an answer that is a stream of events.
pub const EVENT_STREAM: &[u8] = b"application/vnd.amazon.eventstream";

/// Longest payload of the event that ends a stream.
pub const COMPLETE_BYTES_MAX: usize = 64 * 1024;

/// The decoder of one answer.
#[derive(Clone, Debug, Default)]
pub struct EventDecoder {
    frames: FrameDecoder,
    kind: Kind,
    /// What the event that ends the stream says, as far as it is there.
    text: Vec<u8>,
    end: Option<Result<(), Failure>>,
}

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Kind {
    /// `PayloadChunk`.
    Chunk,
    /// `InvokeComplete`.
    Complete,
    /// An exception of the service, or an error without a model.
    Exception,
    /// Anything else.
    #[default]
    Other,
}

/// How a function failed, or the service that runs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its name.
    pub code: Box<str>,
    /// What there is to say of it.
    pub details: Box<str>,
}

/// What `InvokeComplete` says.
#[derive(Deserialize, Default)]
struct Complete {
    #[serde(rename = "ErrorCode")]
    code: Option<Box<str>>,
    #[serde(rename = "ErrorDetails")]
    details: Option<Box<str>>,
}

impl EventDecoder {
    /// A decoder at the start of an answer.
    #[must_use]
    pub fn new() -> EventDecoder {
        EventDecoder::default()
    }

    /// The event that ends the stream was read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.end.is_some()
    }

    /// How it failed, if the stream has ended with that.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.end.as_ref()?.as_ref().err()
    }

    /// Reads on in `input`, the bytes behind those of the last step. [`Step::End`] never comes: the
    /// message that carries the stream ends by itself.
    ///
    /// # Errors
    /// What makes this no stream of events.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, EventFault> {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or(&[]);
            if self.end.is_some() && !rest.is_empty() {
                return Err(EventFault::BehindEnd);
            }
            match self.frames.decode(rest)? {
                FrameStep::Need => return Ok(Step::Need),
                FrameStep::Headers { consumed } => {
                    at = at.saturating_add(consumed);
                    self.kind = self.begin()?;
                }
                FrameStep::Payload { skip, len } if self.kind == Kind::Chunk => {
                    let skip = at.saturating_add(skip);
                    return Ok(Step::Data { skip, len });
                }
                FrameStep::Payload { skip, len } => {
                    let piece = rest.get(skip..).and_then(|piece| piece.get(..len));
                    self.keep(piece.unwrap_or(&[]))?;
                    at = at.saturating_add(skip).saturating_add(len);
                }
                FrameStep::End { consumed } => {
                    at = at.saturating_add(consumed);
                    self.finish()?;
                }
            }
        }
    }

    /// What the headers of the frame say it is.
    fn begin(&mut self) -> Result<Kind, EventFault> {
        let text = |wanted: &str| {
            let mut named = self
                .frames
                .headers()
                .filter(|row| row.0 == wanted.as_bytes());
            match (named.next(), named.next()) {
                (Some((_, HeaderValue::Text(value))), None) => Some(value),
                _ => None, // said twice is not said
            }
        };
        let kind = match text(":message-type") {
            Some(b"event") => match text(":event-type") {
                Some(b"PayloadChunk") => Kind::Chunk,
                Some(b"InvokeComplete") => Kind::Complete,
                Some(_) => Kind::Other,
                None => return Err(EventFault::Kind),
            },
            Some(b"exception" | b"error") => Kind::Exception,
            _ => return Err(EventFault::Kind),
        };
        self.text.clear();
        Ok(kind)
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), EventFault> {
        if matches!(self.kind, Kind::Complete | Kind::Exception) {
            if self.text.len().saturating_add(piece.len()) > COMPLETE_BYTES_MAX {
                return Err(EventFault::Complete);
            }
            self.text.extend_from_slice(piece);
        }
        Ok(())
    }

    /// A frame is whole.
    fn finish(&mut self) -> Result<(), EventFault> {
        match self.kind {
            Kind::Chunk | Kind::Other => {}
            Kind::Complete => {
                let said: Complete = match &self.text[..] {
                    [] => Complete::default(),
                    text => serde_json::from_slice(text).map_err(|_| EventFault::Complete)?,
                };
                let code = said.code.filter(|code| !code.is_empty());
                self.end = Some(match code {
                    None => Ok(()),
                    Some(code) => Err(Failure {
                        code,
                        details: said.details.unwrap_or_default(),
                    }),
                });
            }
            Kind::Exception => {
                let names = [":exception-type", ":error-code"];
                let mut headers = self.frames.headers();
                let name =
                    headers.find(|(name, _)| names.iter().any(|own| own.as_bytes() == *name));
                let code = match name {
                    Some((_, HeaderValue::Text(code))) => String::from_utf8_lossy(code),
                    _ => "error".into(),
                };
                self.end = Some(Err(Failure {
                    code: code.into(),
                    details: String::from_utf8_lossy(&self.text).into(),
                }));
            }
        }
        self.text.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Vec<u8> {
        let [name_bytes, value_bytes] =
            [name, value].map(|text| u8::try_from(text.len()).expect("short"));
        let mut out = vec![name_bytes];
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&[7, 0, value_bytes]);
        out.extend_from_slice(value.as_bytes());
        out
    }

    fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let headers: Vec<u8> = headers
            .iter()
            .flat_map(|(name, value)| header(name, value))
            .collect();
        let bytes = u32::try_from(headers.len() + payload.len() + 16).expect("short");
        let header_bytes = u32::try_from(headers.len()).expect("short");
        let mut out = [bytes.to_be_bytes(), header_bytes.to_be_bytes()].concat();
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out.extend_from_slice(&headers);
        out.extend_from_slice(payload);
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        out
    }

    fn event(kind: &str, payload: &[u8]) -> Vec<u8> {
        frame(
            &[(":message-type", "event"), (":event-type", kind)],
            payload,
        )
    }

    /// The payload, and how the stream ended: not at all, well, or with a code and details.
    type Read = (Vec<u8>, Option<Result<(), (String, String)>>);

    fn read(bytes: &[u8], piece: usize) -> Result<Read, EventFault> {
        let mut decoder = EventDecoder::new();
        let mut payload = Vec::new();
        for piece in bytes.chunks(piece) {
            let mut at = 0;
            while let Step::Data { skip, len } = decoder.decode(&piece[at..])? {
                payload.extend_from_slice(&piece[at + skip..at + skip + len]);
                at += skip + len;
            }
        }
        let end = decoder.is_complete().then(|| match decoder.failure() {
            None => Ok(()),
            Some(failure) => Err((failure.code.to_string(), failure.details.to_string())),
        });
        Ok((payload, end))
    }

    #[test]
    fn streams_and_their_ends() {
        let failed = |code: &str, details: &str| Some(Err((code.to_owned(), details.to_owned())));
        let exception = frame(
            &[
                (":message-type", "exception"),
                (":exception-type", "EventStreamError"),
            ],
            b"{}",
        );
        let error = frame(
            &[(":message-type", "error"), (":error-code", "Internal")],
            b"",
        );
        let rows = [
            (vec![], Ok((&b""[..], None))),
            (vec![event("PayloadChunk", b"ab")], Ok((b"ab", None))),
            (
                vec![
                    event("PayloadChunk", b"ab"),
                    event("PayloadChunk", b""),
                    event("Initial", b"--"),
                    event("PayloadChunk", b"cd"),
                    event("InvokeComplete", b"{\"LogResult\":\"x\"}"),
                ],
                Ok((b"abcd", Some(Ok(())))),
            ),
            (vec![event("InvokeComplete", b"")], Ok((b"", Some(Ok(()))))),
            (
                vec![event("InvokeComplete", b"{\"ErrorCode\":null}")],
                Ok((b"", Some(Ok(())))),
            ),
            (
                vec![event(
                    "InvokeComplete",
                    b"{\"ErrorCode\":\"Unhandled\",\"ErrorDetails\":\"d\"}",
                )],
                Ok((b"", failed("Unhandled", "d"))),
            ),
            (vec![exception], Ok((b"", failed("EventStreamError", "{}")))),
            (vec![error], Ok((b"", failed("Internal", "")))),
            (
                vec![event("InvokeComplete", b"no JSON")],
                Err(EventFault::Complete),
            ),
            (
                vec![event("InvokeComplete", &vec![b' '; COMPLETE_BYTES_MAX + 1])],
                Err(EventFault::Complete),
            ),
            (
                vec![event("InvokeComplete", b"{}"), event("PayloadChunk", b"x")],
                Err(EventFault::BehindEnd),
            ),
            (vec![frame(&[], b"x")], Err(EventFault::Kind)),
            (
                vec![frame(&[(":message-type", "event")], b"x")],
                Err(EventFault::Kind),
            ),
            (
                vec![frame(&[(":message-type", "other")], b"x")],
                Err(EventFault::Kind),
            ),
            (
                vec![frame(
                    &[(":message-type", "event"), (":message-type", "event")],
                    b"x",
                )],
                Err(EventFault::Kind),
            ),
        ];
        for (frames, expected) in rows {
            let bytes = frames.concat();
            let expected: Result<Read, _> = expected.map(|(payload, end)| (payload.to_vec(), end));
            for piece in [usize::MAX, 1, 2, 3, 7, 64] {
                assert_eq!(read(&bytes, piece), expected, "pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_seen_wherever_it_is() {
        let bytes = [
            event("PayloadChunk", b"abc"),
            event("InvokeComplete", b"{}"),
        ]
        .concat();
        for at in 0..bytes.len() {
            for bit in [0x01, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= bit;
                // A length that grew leaves the stream open: nothing is whole then either.
                let whole = matches!(read(&changed, 16), Ok((_, Some(_))));
                assert!(!whole, "byte {at}, bit {bit}");
            }
        }
    }
}
