//! A request head: one parse, which every stage reads.
//!
//! Shape: offsets into the bytes given, plus the decisions; reused from request to request.
//! Units: bytes. Ranges: as [`HeadLimits`] allows. Errors: [`HeadFault`], whose status answers the
//! client before its connection closes. httparse finds the tokens, this module judges them.
//! Source: RFC 9112 §2, §3, §6, §9; RFC 9110 §7.2, §9.

use std::mem::MaybeUninit;

use super::{
    fault::HeadFault,
    fields::Fields,
    finder,
    framing::{Facts, Framing, Role},
    host::Host,
    limits::{FIELDS_CEILING, HeadLimits},
    method::Method,
    span::Span,
    target::{Form, Target},
};

/// A parsed request head. All spans are offsets into the bytes given to [`parse_request`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RequestHead {
    pub method: Method,
    /// The method's spelling.
    pub method_name: Span,
    /// The whole target as it was sent.
    pub target_text: Span,
    pub target: Target,
    /// The host the request is for: of the Host field, which an absolute target must repeat.
    pub host: Host,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub minor: u8,
    pub framing: Framing,
    /// Whether the client lets the connection live on.
    pub keep_alive: bool,
    /// A body follows, and the client waits for `100 Continue` first.
    pub expect_continue: bool,
    /// The client asks for another protocol.
    pub upgrade: bool,
    /// That protocol may be WebSocket.
    pub upgrade_websocket: bool,
    pub fields: Fields,
    /// Length of the head, its blank line included.
    pub head_bytes: usize,
}

impl RequestHead {
    /// An empty head with room for the usual number of fields.
    #[must_use]
    pub fn new() -> RequestHead {
        RequestHead {
            fields: Fields::with_capacity(FIELDS_USUAL),
            ..RequestHead::default()
        }
    }

    /// The path; `/` for an absolute target without one, `*` for the asterisk form.
    #[must_use]
    pub fn path<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.target.path(bytes)
    }

    /// The raw query without `?`, empty when there is none.
    #[must_use]
    pub fn query<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.target.query(bytes)
    }
}

/// Parses `bytes`, exactly one whole head as [`super::HeadFinder`] found it, into `head`. On a
/// fault the head's content is of no use.
pub fn parse_request(
    bytes: &[u8],
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<(), HeadFault> {
    if bytes.len() > limits.head_bytes_max {
        return Err(finder::too_large(bytes, limits));
    }
    let line = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    if let Some(b'\r' | b'\n') = line.first() {
        return Err(HeadFault::LeadingBlank);
    }
    let mut raw = [const { MaybeUninit::uninit() }; FIELDS_CEILING];
    let raw = raw
        .get_mut(..limits.fields_max)
        .ok_or(HeadFault::TooManyFields)?;
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(line, raw) {
        Ok(httparse::Status::Complete(end)) if end == line.len() => {}
        Ok(_) => return Err(HeadFault::NotWhole),
        Err(error) => return Err(request_fault(error, &parsed, line, limits)),
    }
    check_ending(bytes)?;
    let method = parsed.method.unwrap_or("").as_bytes();
    let target = parsed.path.unwrap_or("").as_bytes();
    head.head_bytes = bytes.len();
    head.minor = parsed.version.unwrap_or(0);
    head.method = Method::of(method);
    head.method_name = Span::within(bytes, method).ok_or(HeadFault::NotWhole)?;
    if head.method.is_refused() {
        return Err(HeadFault::MethodRefused);
    }
    if target.len() > limits.target_bytes_max {
        return Err(HeadFault::TargetTooLong);
    }
    head.target_text = Span::within(bytes, target).ok_or(HeadFault::NotWhole)?;
    head.target = Target::parse(bytes, target)?;
    if head.target.form == Form::Asterisk && head.method != Method::Options {
        return Err(HeadFault::Target);
    }
    let facts = Facts::collect(bytes, parsed.headers, Role::Request, &mut head.fields)?;
    judge(bytes, &facts, head)
}

fn judge(bytes: &[u8], facts: &Facts, head: &mut RequestHead) -> Result<(), HeadFault> {
    let host = facts.host.ok_or(HeadFault::HostMissing)?;
    head.host = Host::parse(bytes, host.of(bytes))?;
    if !head.target.authority.is_empty() {
        let authority = Host::parse(bytes, head.target.authority.of(bytes))?;
        if !authority.is_same(head.host, bytes) {
            return Err(HeadFault::HostMismatch);
        }
    }
    head.framing = match (facts.chunked, facts.content_length) {
        (true, _) if head.minor == 0 => return Err(HeadFault::TransferEncodingInvalid),
        (true, _) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::None,
    };
    let has_body = !matches!(head.framing, Framing::None | Framing::Length(0));
    let is_current = head.minor > 0;
    head.keep_alive = facts.stays_open(head.minor);
    // An expectation without a body to hold back asks for nothing; HTTP/1.0 knows neither.
    head.expect_continue = facts.expect_continue && has_body && is_current;
    head.upgrade = facts.upgrade && is_current;
    head.upgrade_websocket = facts.websocket && is_current;
    Ok(())
}

/// Two line ends close a head, both whole: httparse would take bare LFs. The ends of the lines
/// above are checked where their fields are read.
pub(super) fn check_ending(bytes: &[u8]) -> Result<(), HeadFault> {
    if bytes.ends_with(b"\r\n\r\n") {
        Ok(())
    } else {
        Err(HeadFault::BareLineBreak)
    }
}

#[cold]
fn request_fault(
    error: httparse::Error,
    parsed: &httparse::Request<'_, '_>,
    line: &[u8],
    limits: &HeadLimits,
) -> HeadFault {
    match error {
        httparse::Error::HeaderName => HeadFault::FieldName,
        httparse::Error::HeaderValue => HeadFault::FieldValue,
        // Behind the version: bare line ends were refused by the finder, or are by the ends' checks.
        httparse::Error::NewLine => HeadFault::StartLine,
        httparse::Error::TooManyHeaders => HeadFault::TooManyFields,
        httparse::Error::Version => {
            let method = parsed.method.unwrap_or("");
            let target = parsed.path.unwrap_or("");
            if Method::of(method.as_bytes()).is_refused() {
                return HeadFault::MethodRefused;
            }
            if target.len() > limits.target_bytes_max {
                return HeadFault::TargetTooLong;
            }
            let at = method.len().saturating_add(target.len()).saturating_add(2);
            version_fault(line.get(at..).unwrap_or(&[]))
        }
        _ if parsed.method.is_some() => HeadFault::Target,
        _ => HeadFault::StartLine,
    }
}

/// A version we know to be one gets its own answer; everything else is noise.
#[cold]
pub(super) fn version_fault(rest: &[u8]) -> HeadFault {
    match rest {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            major,
            b'.',
            minor,
            b'\r' | b' ',
            ..,
        ] if major.is_ascii_digit() && minor.is_ascii_digit() && *major > b'0' => {
            HeadFault::VersionUnsupported
        }
        _ => HeadFault::VersionMalformed,
    }
}

const FIELDS_USUAL: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Known;

    fn parse(given: &[u8]) -> Result<RequestHead, HeadFault> {
        let mut head = RequestHead::new();
        parse_request(given, &HeadLimits::default(), &mut head).map(|()| head)
    }

    #[test]
    fn a_head_as_curl_sends_it() {
        let bytes = b"GET /pets/7?x=1 HTTP/1.1\r\nHost: Api.example:8080\r\n\
            User-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";
        let head = parse(bytes).expect("well-formed");
        assert_eq!(head.method, Method::Get);
        assert_eq!(head.path(bytes), b"/pets/7");
        assert_eq!(head.query(bytes), b"x=1");
        assert_eq!(head.host.name.of(bytes), b"Api.example");
        assert_eq!(head.host.port, Some(8080));
        assert_eq!(
            (head.minor, head.framing, head.keep_alive),
            (1, Framing::None, true)
        );
        assert_eq!(head.fields.len(), 3);
        let accept = head.fields.first(Known::Accept).expect("present");
        assert_eq!(accept.value.of(bytes), b"*/*");
        assert_eq!(head.head_bytes, bytes.len());
    }

    #[test]
    fn connection_marks_what_it_names() {
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nConnection: x-one, TE\r\n\
            TE: trailers\r\nX-Two: 2\r\nPragma: p\r\nconnection: pragma,, close\r\n\r\n";
        let head = parse(bytes).expect("well-formed");
        let kept: Vec<&[u8]> = head
            .fields
            .iter()
            .filter(|field| !field.hop_by_hop)
            .map(|field| field.name.of(bytes))
            .collect();
        assert_eq!(kept, [&b"Host"[..], b"X-Two"]);
        assert!(!head.keep_alive);
    }

    #[test]
    fn every_byte_in_name_and_value_is_judged() {
        for byte in 0..=255u8 {
            // Short and long, since the tokeniser reads long runs another way than short ones.
            for pad in [0usize, 40] {
                let pad = vec![b'a'; pad];
                let head = |name: &[u8], value: &[u8]| {
                    [
                        &b"GET / HTTP/1.1\r\nHost: a\r\n"[..],
                        &pad,
                        name,
                        &pad,
                        b"z: ",
                        &pad,
                        value,
                        &pad,
                        b"\r\n\r\n",
                    ]
                    .concat()
                };
                let name_ok = parse(&head(&[byte], b"v")).is_ok();
                let colon = byte == b':' && !pad.is_empty();
                let expected = super::super::token::is(byte, super::super::token::TOKEN) || colon;
                assert_eq!(name_ok, expected, "name {byte:#x} {}", pad.len());
                let value_ok = parse(&head(b"n", &[b'a', byte, b'b'])).is_ok();
                let expected = super::super::token::is(byte, super::super::token::VALUE);
                assert_eq!(value_ok, expected, "value {byte:#x} {}", pad.len());
            }
        }
    }

    #[test]
    fn bare_line_ends_are_refused_without_the_finder_too() {
        let whole = "GET / HTTP/1.1\r\nHost: a\r\nb: c\r\n\r\n";
        for (at, _) in whole.match_indices('\r') {
            let mut broken = whole.as_bytes().to_vec();
            broken.remove(at);
            assert!(parse(&broken).is_err(), "without the CR at {at}");
        }
        assert!(parse(whole.as_bytes()).is_ok());
        assert_eq!(parse(&whole.as_bytes()[..20]), Err(HeadFault::NotWhole));
        let surplus = [whole.as_bytes(), b"x"].concat();
        assert_eq!(parse(&surplus), Err(HeadFault::NotWhole));
    }

    #[test]
    fn a_warm_head_keeps_nothing_of_the_last_one() {
        let first = b"POST /long?q HTTP/1.0\r\nHost: other:9\r\nContent-Length: 5\r\n\
            Expect: 100-continue\r\nX: y\r\n\r\n";
        let second = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut reused = parse(first).expect("well-formed");
        parse_request(second, &HeadLimits::default(), &mut reused).expect("well-formed");
        assert_eq!(reused, parse(second).expect("well-formed"));
    }
}
