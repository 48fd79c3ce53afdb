//! A response head, as hostile as any other.
//!
//! Shape: offsets into the bytes given, plus the decisions; reused from response to response.
//! Units: bytes. Ranges: status 100 to 599. Errors: [`HeadFault`]; towards the client each means
//! 502, and the origin's connection is dropped. Interim responses are heads of their own: the
//! caller reads on, up to [`super::limits::INTERIM_RESPONSES_MAX`] of them.
//! Source: RFC 9112 §4, §6.3; RFC 9110 §15.2.

use std::mem::MaybeUninit;

use super::{
    fault::HeadFault,
    fields::Fields,
    framing::{Facts, Framing, Role},
    head::{check_ending, version_fault},
    limits::{FIELDS_CEILING, HeadLimits},
};

/// What was asked, as far as it changes how the answer is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResponseTo {
    /// The request was HEAD: no body follows.
    pub head: bool,
    /// The request asked for another protocol: 101 is an answer.
    pub upgrade: bool,
}

/// A parsed response head. All spans are offsets into the bytes given to [`parse_response`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ResponseHead {
    pub status: u16,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub minor: u8,
    pub framing: Framing,
    /// The declared length, also where no body follows (HEAD, 304).
    pub content_length: Option<u64>,
    /// Whether the connection may carry another exchange once the body is over.
    pub keep_alive: bool,
    /// The connection switches protocols after this head.
    pub switches: bool,
    pub fields: Fields,
    /// Length of the head, its blank line included.
    pub head_bytes: usize,
}

impl ResponseHead {
    /// An empty head with room for the usual number of fields.
    #[must_use]
    pub fn new() -> ResponseHead {
        ResponseHead {
            fields: Fields::with_capacity(FIELDS_USUAL),
            ..ResponseHead::default()
        }
    }

    /// Whether the final response is still to come.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200 && !self.switches
    }
}

/// Parses `bytes`, exactly one whole head as [`super::HeadFinder`] found it, into `head`. On a
/// fault the head's content is of no use.
pub fn parse_response(
    bytes: &[u8],
    limits: &HeadLimits,
    to: ResponseTo,
    head: &mut ResponseHead,
) -> Result<(), HeadFault> {
    if bytes.len() > limits.head_bytes_max {
        return Err(HeadFault::HeadTooLarge);
    }
    if let Some(b'\r' | b'\n') = bytes.first() {
        return Err(HeadFault::LeadingBlank);
    }
    let mut raw = [const { MaybeUninit::uninit() }; FIELDS_CEILING];
    let raw = raw
        .get_mut(..limits.fields_max)
        .ok_or(HeadFault::TooManyFields)?;
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut parsed, bytes, raw) {
        Ok(httparse::Status::Complete(end)) if end == bytes.len() => {}
        Ok(_) => return Err(HeadFault::NotWhole),
        Err(error) => return Err(response_fault(error, bytes)),
    }
    check_ending(bytes)?;
    let facts = Facts::collect(bytes, parsed.headers, Role::Response, &mut head.fields)?;
    head.head_bytes = bytes.len();
    head.minor = parsed.version.unwrap_or(0);
    head.status = parsed.code.unwrap_or(0);
    if !(100..=599).contains(&head.status) {
        return Err(HeadFault::StatusCode);
    }
    if facts.chunked && head.minor == 0 {
        return Err(HeadFault::TransferEncodingInvalid);
    }
    head.content_length = facts.content_length;
    head.switches = head.status == 101;
    if head.switches && !(to.upgrade && facts.upgrade) {
        return Err(HeadFault::SwitchUnasked);
    }
    head.framing = framing(head.status, to, &facts);
    // A status without a body that announces one leaves doubt about what follows: read no further.
    let is_announced = facts.chunked || facts.content_length.is_some_and(|length| length > 0);
    let is_doubtful = is_announced && matches!(head.status, 100..=199 | 204);
    let ends = head.framing != Framing::UntilClose && !head.switches && !is_doubtful;
    head.keep_alive = ends && facts.stays_open(head.minor);
    Ok(())
}

fn framing(status: u16, to: ResponseTo, facts: &Facts) -> Framing {
    match (status, facts.content_length) {
        (100..=199 | 204 | 304, _) => Framing::None,
        _ if to.head => Framing::None,
        _ if facts.chunked => Framing::Chunked,
        (_, Some(length)) => Framing::Length(length),
        (_, None) => Framing::UntilClose,
    }
}

#[cold]
fn response_fault(error: httparse::Error, bytes: &[u8]) -> HeadFault {
    match error {
        httparse::Error::HeaderName => HeadFault::FieldName,
        httparse::Error::HeaderValue => HeadFault::FieldValue,
        httparse::Error::NewLine => HeadFault::BareLineBreak,
        httparse::Error::TooManyHeaders => HeadFault::TooManyFields,
        httparse::Error::Version => version_fault(bytes),
        _ => HeadFault::StartLine,
    }
}

const FIELDS_USUAL: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str, to: ResponseTo) -> Result<ResponseHead, HeadFault> {
        let mut head = ResponseHead::new();
        parse_response(given.as_bytes(), &HeadLimits::default(), to, &mut head).map(|()| head)
    }

    #[test]
    fn framing_and_reuse_follow_status_and_fields() {
        use Framing::{Chunked, Length, None as Empty, UntilClose};
        let get = ResponseTo::default();
        let asked_head = ResponseTo { head: true, ..get };
        let upgrade = ResponseTo {
            upgrade: true,
            ..get
        };
        let rows: &[(&str, ResponseTo, Framing, bool)] = &[
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
                get,
                Length(5),
                true,
            ),
            (
                "HTTP/1.1 200\r\nContent-Length: 0\r\n",
                get,
                Length(0),
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
                get,
                Chunked,
                true,
            ),
            ("HTTP/1.1 200 OK\r\n", get, UntilClose, false),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n",
                get,
                Length(5),
                false,
            ),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n",
                get,
                Length(5),
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n",
                get,
                Length(5),
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
                asked_head,
                Empty,
                true,
            ),
            ("HTTP/1.1 204 No Content\r\n", get, Empty, true),
            (
                "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n",
                get,
                Empty,
                true,
            ),
            (
                "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n",
                get,
                Empty,
                false,
            ),
            (
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n",
                get,
                Empty,
                true,
            ),
            ("HTTP/1.1 100 Continue\r\n", get, Empty, true),
            (
                "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n",
                upgrade,
                Empty,
                false,
            ),
        ];
        for (given, to, framing, keep_alive) in rows {
            let head = parse(&format!("{given}\r\n"), *to).expect(given);
            assert_eq!(
                (head.framing, head.keep_alive),
                (*framing, *keep_alive),
                "{given}"
            );
        }
        assert!(
            parse("HTTP/1.1 103 Early Hints\r\n\r\n", get)
                .expect("fine")
                .is_interim()
        );
    }
}
