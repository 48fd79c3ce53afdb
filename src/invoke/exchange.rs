//! The client's side of an invocation: one request, one answer, over one connection.
//!
//! Shape: [`exchange`] gives an [`Answer`] and how long it took. Units: milliseconds, bytes.
//! Ranges: heads of 64 KiB. Errors: text for people. Source: RFC 9112.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use tidegate_edge::wire::{
    BodyLimits, BodyReader, HeadFinder, HeadLimits, ResponseHead, ResponseTo, Step, parse_response,
    write::HeadWriter,
};

use super::Invocation;

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    /// As they came.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Sends `invocation` and reads the answer to it.
pub(super) fn exchange(
    mut stream: TcpStream,
    invocation: &Invocation,
) -> Result<(Answer, u64), String> {
    let refused = |error: std::io::Error| format!("the worker does not answer: {error}");
    let head = head(invocation)?;
    stream.set_nodelay(true).map_err(refused)?;
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(refused)?;
    stream
        .set_write_timeout(Some(ANSWER_MAX))
        .map_err(refused)?;
    let begun = now();
    // Who is refused before all was sent is told why.
    let sent = stream.write_all(&head);
    let _ = sent.and_then(|()| stream.write_all(invocation.body.as_bytes()));
    let mut received = Vec::new();
    let read = stream.read_to_end(&mut received);
    let latency_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if received.is_empty() {
        return Err(match read {
            Ok(_) => "the request was cut without an answer".to_owned(),
            Err(error) => refused(error),
        });
    }
    let answer = parse(&received, invocation.method == "HEAD");
    Ok((answer.ok_or("the answer is cut or malformed")?, latency_ms))
}

#[allow(clippy::disallowed_methods)] // a client, not a core
fn now() -> Instant {
    Instant::now()
}

/// The request's head.
fn head(invocation: &Invocation) -> Result<Vec<u8>, String> {
    let (host, target) = host_and_target(&invocation.url);
    let mut out = vec![0; HEAD_BYTES_MAX];
    let mut head = HeadWriter::new(&mut out);
    head.request_line(invocation.method.as_bytes(), &[target.as_bytes()]);
    head.field(b"Host", host.as_bytes());
    for (name, value) in &invocation.headers {
        head.field(name.as_bytes(), value.as_bytes());
    }
    if !invocation.body.is_empty() {
        head.field_decimal(b"Content-Length", invocation.body.len() as u64);
    }
    head.field(b"Connection", b"close");
    let bytes = head.end();
    let bytes = bytes.map_err(|fault| format!("this is no request: {fault:?}"))?;
    out.truncate(bytes);
    Ok(out)
}

/// Host and target of a URL; of a path, our own host.
fn host_and_target(url: &str) -> (&str, &str) {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let url = url.split('#').next().unwrap_or(url);
    match rest.map(|rest| rest.split('#').next().unwrap_or(rest)) {
        None => ("localhost", url),
        Some(rest) => match rest.find(['/', '?']) {
            None => (rest, "/"),
            Some(at) => rest.split_at(at),
        },
    }
}

/// The final answer in `received`, which must be whole.
fn parse(received: &[u8], to_head: bool) -> Option<Answer> {
    let limits = HeadLimits {
        head_bytes_max: HEAD_BYTES_MAX,
        fields_max: usize::MAX,
        ..HeadLimits::default()
    }
    .clamped();
    let to = ResponseTo {
        head: to_head,
        upgrade: false,
    };
    let mut rest = received;
    loop {
        let end = HeadFinder::response().find(rest, &limits).ok()??;
        let (bytes, behind) = rest.split_at_checked(end)?;
        let mut head = ResponseHead::new();
        parse_response(bytes, &limits, to, &mut head).ok()?;
        rest = behind;
        if head.is_interim() {
            continue;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = head.fields.iter();
        return Some(Answer {
            status: head.status,
            fields: fields
                .map(|field| (text(field.name.of(bytes)), text(field.value.of(bytes))))
                .collect(),
            body: body(&head, rest)?,
        });
    }
}

fn body(head: &ResponseHead, mut rest: &[u8]) -> Option<Vec<u8>> {
    let limits = BodyLimits {
        body_bytes_max: u64::MAX,
        ..BodyLimits::default()
    };
    let mut reader = BodyReader::new(head.framing, limits).ok()?;
    let mut body = Vec::new();
    while !reader.is_done() {
        match reader.read(rest).ok()? {
            Step::Need => {
                reader.close().ok()?; // cut, unless its end is the connection's
                break;
            }
            Step::Data { skip, len } => {
                let to = skip.checked_add(len)?;
                body.extend_from_slice(rest.get(skip..to)?);
                rest = rest.get(to..)?;
            }
            Step::End { consumed } => rest = rest.get(consumed..)?,
        }
    }
    Some(body)
}

/// Longer than any integration may take.
const ANSWER_MAX: Duration = Duration::from_secs(120);
const HEAD_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_and_a_target() {
        let rows = [
            ("/dev/a?x=1", ("localhost", "/dev/a?x=1")),
            ("/a#b", ("localhost", "/a")),
            ("http://h/a#b", ("h", "/a")),
            ("http://h:80/dev/a?x", ("h:80", "/dev/a?x")),
            ("https://h", ("h", "/")),
        ];
        for (url, expected) in rows {
            assert_eq!(host_and_target(url), expected, "{url}");
        }
    }

    #[test]
    fn requests_are_framed() {
        let mut invocation = Invocation {
            method: "POST".to_owned(),
            url: "http://h/a".to_owned(),
            headers: vec![("X-Y".to_owned(), "1".to_owned())],
            body: "hello".to_owned(),
            ..Invocation::default()
        };
        assert_eq!(
            head(&invocation).map(|head| String::from_utf8_lossy(&head).into_owned()),
            Ok(
                "POST /a HTTP/1.1\r\nHost: h\r\nX-Y: 1\r\nContent-Length: 5\r\n\
                Connection: close\r\n\r\n"
                    .to_owned()
            )
        );
        invocation.headers[0].1 = "a\r\nb: c".to_owned();
        assert!(head(&invocation).is_err());
    }

    #[test]
    fn answers_are_read_whole() {
        let rows: [(&[u8], Option<&[u8]>); 6] = [
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                Some(b"ok"),
            ),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", None),
            (
                b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\
                  \r\n\r\n2\r\nok\r\n0\r\n\r\n",
                Some(b"ok"),
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
                None,
            ),
            (
                b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
                Some(b"until the end"),
            ),
            (b"HTTP/1.1 200", None),
        ];
        for (bytes, expected) in rows {
            let answer = parse(bytes, false);
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(
                answer.map(|answer| answer.body).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
