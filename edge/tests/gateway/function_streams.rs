//! Functions that stream, through a whole worker: every cut, wrong framing, slow and leaving
//! clients, silences.
//!
//! What it is: a scripted endpoint that pauses where it is told to, mostly over the twin, where time
//! costs nothing. Units: bytes, milliseconds of the world's clock. Errors: a leak fails the example
//! that left it. Source: Amazon API Gateway developer guide, "Lambda proxy integration with payload
//! response streaming"; RELIABILITY sections 2 and 3.

use crate::{
    bed::{self, Kind, bytes},
    events::{chunk, event, frame},
    mapped_api,
    play::{Answer, End, Heard, Lines, Stage, first_answer},
};
use serde_json::json;
use tidegate_edge::exec::RecvEnd;

const URI: &str = "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/arn:aws:lambda:\
                   us-east-1:111122223333:function:f/response-streaming-invocations";
const GET: &[u8] = b"GET /f HTTP/1.1\r\nHost: a\r\n\r\n";
const NULS: &[u8] = &[0; 8];
const MINUTE_MS: u64 = 60_000;

fn stage(kind: Kind, endpoint: &str, answer: Answer) -> Stage {
    let api = json!({ "endpoint": endpoint, "methods": {
        "GET /f": { "type": "aws_proxy", "httpMethod": "POST", "uri": URI,
            "responseTransferMode": "STREAM", "timeoutInMillis": 900_000 },
        "GET /p": { "type": "http_proxy", "httpMethod": "GET", "uri": "http://origin.test/p",
            "responseTransferMode": "STREAM", "timeoutInMillis": 900_000 },
    }});
    let api = mapped_api::read(api.to_string().as_bytes());
    Stage::with_api(kind, json!({}), &api, vec![answer])
}

fn heard(kind: Kind, endpoint: &str, request: &[u8], answer: Answer) -> Heard {
    let stage = stage(kind, endpoint, answer);
    let patience_ms = match kind {
        Kind::Kernel => 3_000,
        Kind::Twin => 20 * MINUTE_MS,
    };
    let heard = stage.talk(Lines {
        parts: vec![request.to_vec()],
        piece: usize::MAX,
        enough: Box::new(|bytes| first_answer(bytes, false).is_some()),
        patience_ms,
    });
    stage.finish();
    heard
}

/// An answer whose body is `parts`, each in a chunk of its own.
fn events_of(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n\
        Transfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for part in parts {
        out.extend_from_slice(&chunk(part));
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// The same body as it is, to the end of the connection.
fn raw_of(body: &[u8]) -> Vec<u8> {
    [&b"HTTP/1.1 200 OK\r\n\r\n"[..], body].concat()
}

fn payload(text: &[u8]) -> Vec<u8> {
    event("PayloadChunk", text)
}

fn front(metadata: &str) -> Vec<u8> {
    [metadata.as_bytes(), NULS].concat()
}

fn complete() -> Vec<u8> {
    event("InvokeComplete", b"{}")
}

fn answer(bytes: Vec<u8>, close: bool) -> Answer {
    Answer {
        bytes,
        close,
        ..Answer::default()
    }
}

#[test]
fn every_cut_reads_the_same() {
    let metadata = r#"{"statusCode":201,"headers":{"x":"y"}}"#;
    let body = [&front(metadata)[..], b"hello"].concat();
    let (start, rest) = body.split_at(metadata.len() - 3);
    let streams = [
        (
            events_of(&[payload(start), payload(rest), complete()]),
            false,
        ),
        (raw_of(&body), true),
    ];
    for (bytes, close) in streams {
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        for cut in head.expect("a head") + 4..bytes.len() {
            let answer = Answer {
                pauses: vec![(cut, 1)],
                ..answer(bytes.clone(), close)
            };
            let heard = heard(Kind::Twin, "REGIONAL", GET, answer);
            let (status, body, _) = first_answer(&heard.bytes, false).expect("an answer");
            assert_eq!((status, &body[..]), (201, &b"hello"[..]), "cut at {cut}");
            let text = String::from_utf8_lossy(&heard.bytes);
            assert!(text.contains("\r\nx: y\r\n"), "cut at {cut}: {text}");
        }
    }
}

/// What the client gets: a whole answer of this status, or the beginning of one that is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gets {
    Status(u16),
    Cut(&'static str),
}

#[test]
fn what_is_not_framed_as_it_must_be() {
    let begun = || payload(&[&front("{}")[..], b"begun"].concat());
    let failed = br#"{"ErrorCode":"Unhandled","ErrorDetails":"d"}"#;
    let broken = |mut bytes: Vec<u8>, at: usize| {
        bytes[at] ^= 1;
        bytes
    };
    let last = |bytes: &[u8]| bytes.len() - 1;
    let long = vec![b' '; 16 * 1024 - 7];
    let anonymous = frame(&[(":content-type", "a/b")], &front("{}"));
    let head =
        |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}").into_bytes();
    let second = payload(b"second");
    let rows: Vec<(&str, Vec<u8>, Gets)> = vec![
        ("no delimiter", raw_of(b"{}"), Gets::Status(500)),
        ("nothing", raw_of(b""), Gets::Status(500)),
        (
            "seven NULs",
            raw_of(b"{}\0\0\0\0\0\0\0x"),
            Gets::Status(500),
        ),
        ("no JSON", raw_of(&front("hello")), Gets::Status(500)),
        ("no object", raw_of(&front("[]")), Gets::Status(500)),
        (
            "another member",
            raw_of(&front(r#"{"body":"x"}"#)),
            Gets::Status(500),
        ),
        (
            "no status",
            raw_of(&front(r#"{"statusCode":99}"#)),
            Gets::Status(500),
        ),
        (
            "too long",
            raw_of(&[&long[..], NULS].concat()),
            Gets::Status(500),
        ),
        ("refused", head("403 Forbidden"), Gets::Status(500)),
        ("service", head("503 Busy"), Gets::Status(502)),
        (
            "wrong lengths",
            events_of(&[broken(begun(), 9), complete()]),
            Gets::Status(500),
        ),
        (
            "no kind",
            events_of(&[anonymous, complete()]),
            Gets::Status(500),
        ),
        (
            "no events",
            events_of(&[b"hello, this is no event".to_vec()]),
            Gets::Status(500),
        ),
        (
            "ended early",
            events_of(&[payload(b"{}"), complete()]),
            Gets::Status(500),
        ),
        (
            "failed early",
            events_of(&[payload(b"{"), event("InvokeComplete", failed)]),
            Gets::Status(502),
        ),
        ("cut early", events_of(&[payload(b"{")]), Gets::Status(502)),
        ("well", events_of(&[begun(), complete()]), Gets::Status(200)),
        (
            "failed late",
            events_of(&[begun(), event("InvokeComplete", failed)]),
            Gets::Cut("begun"),
        ),
        ("without an end", events_of(&[begun()]), Gets::Cut("begun")),
        (
            "wrong checksum",
            events_of(&[begun(), broken(second.clone(), last(&second)), complete()]),
            Gets::Cut("begun"),
        ),
        (
            "behind the end",
            events_of(&[begun(), complete(), payload(b"more")]),
            Gets::Cut("begun"),
        ),
        (
            "short",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}\0\0\0\0\0\0\0\0begun".to_vec(),
            Gets::Cut("begun"),
        ),
    ];
    for (name, bytes, expected) in rows {
        // What is cut at once may be lost on its way: a pause lets it arrive.
        let begun = bytes.windows(5).position(|window| window == b"begun");
        let answer = Answer {
            pauses: begun.map(|at| (at + 5, 50)).into_iter().collect(),
            ..answer(bytes, true)
        };
        let heard = heard(Kind::Twin, "REGIONAL", GET, answer);
        let text = String::from_utf8_lossy(&heard.bytes).into_owned();
        let found = match first_answer(&heard.bytes, false) {
            Some((status, ..)) => Gets::Status(status),
            None if heard.end == End::Reset && text.contains("begun") => Gets::Cut("begun"),
            None => Gets::Cut("nothing"),
        };
        assert_eq!(found, expected, "{name}: {:?} {text}", heard.end);
    }
}

#[test]
fn a_slow_client_slows_its_function() {
    // What may be under way: buffers of sockets, which are large on the kernel, and our high mark.
    for (kind, total, most) in [
        (Kind::Kernel, 64 << 20, 32 << 20),
        (Kind::Twin, 16 << 20, 2 << 20),
    ] {
        let mut parts = vec![payload(&front("{}"))];
        parts.extend((0..total >> 16).map(|_| payload(&[b'x'; 1 << 16])));
        parts.push(complete());
        let stage = stage(kind, "REGIONAL", answer(events_of(&parts), false));
        stage.perform(async move |core, mut stream| {
            stream.send(bytes(&core, GET));
            core.sleep_until(core.now().plus_ms(300)).await; // and reads nothing
            drop(stream);
        });
        let sent: usize = stage.sent_bytes();
        assert!(sent < most, "{kind:?}: {sent} bytes for nobody");
        stage.finish();
    }
}

/// How a client goes.
#[derive(Clone, Copy, Debug)]
enum Going {
    Closes,
    Resets,
    EndsItsSide,
}

#[test]
fn a_function_is_left_with_its_client() {
    for kind in [Kind::Kernel, Kind::Twin] {
        for going in [Going::Closes, Going::Resets, Going::EndsItsSide] {
            for begins in [true, false] {
                let bytes = raw_of(&[&front("{}")[..], b"begun, and then silent"].concat());
                let at = if begins {
                    bytes.len() - 1
                } else {
                    bytes.len() - 30
                };
                let answer = Answer {
                    pauses: vec![(at, 10_000)],
                    ..answer(bytes, true)
                };
                let stage = stage(kind, "REGIONAL", answer);
                stage.perform(async move |core, mut stream| {
                    stream.send(bed::bytes(&core, GET));
                    core.sleep_until(core.now().plus_ms(50)).await;
                    match going {
                        Going::Closes => drop(stream),
                        Going::Resets => stream.reset(),
                        Going::EndsItsSide => {
                            stream.shutdown_when_sent();
                            let patience = core.now().plus_ms(5_000);
                            while stream.recv(patience).await.is_ok() {}
                            assert!(core.now() < patience, "{going:?}: nobody ends it");
                        }
                    }
                });
                let took_ms = stage.until_ended(1);
                assert!(took_ms < 5_000, "{kind:?} {going:?} {begins}: {took_ms} ms");
                stage.finish();
            }
        }
    }
}

/// Silences in front of each byte of `silent`, and whether the answer comes whole.
#[test]
fn silences_and_long_answers() {
    let body = [&front("{}")[..], b"0123456789"].concat();
    let bytes = raw_of(&body);
    let from = bytes.len() - 10;
    let every = |ms: u64, count: usize| (0..count).map(|n| (from + n, ms)).collect::<Vec<_>>();
    let in_front = |ms: u64| vec![(from - 9, ms)];
    let at_first = |ms: u64| vec![(0, ms)];
    let whole = (Some(200), true);
    let cut = (None, false);
    let late = (Some(504), true);
    let rows = [
        ("EDGE", every(29_000, 1), whole),
        ("EDGE", every(31_000, 1), cut),
        ("EDGE", every(29_000, 10), whole),
        ("EDGE", in_front(31_000), late),
        ("EDGE", at_first(29_000), whole),
        ("EDGE", at_first(31_000), late),
        ("REGIONAL", every(299_000, 2), whole),
        ("REGIONAL", every(301_000, 1), cut),
        ("REGIONAL", every(100_000, 8), whole),
        ("REGIONAL", every(100_000, 10), cut), // no longer than 15 minutes
    ];
    for (endpoint, pauses, expected) in rows {
        for path in ["/f", "/p"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            let answer = Answer {
                pauses: pauses.clone(),
                ..answer(bytes.clone(), true)
            };
            let in_metadata = pauses.first().is_some_and(|(at, _)| *at + 9 == from);
            if path == "/p" && in_metadata {
                continue; // to an endpoint it is payload as any other
            }
            let heard = heard(Kind::Twin, endpoint, request.as_bytes(), answer);
            let answered = first_answer(&heard.bytes, false).map(|(status, ..)| status);
            let found = (answered, heard.end != End::Reset);
            assert_eq!(found, expected, "{endpoint} {path} {pauses:?}");
        }
    }
}

#[test]
fn a_reader_however_slow_gets_all_of_a_stream() {
    // Slower than any other client may be: a few bytes every ten seconds.
    let text = vec![b'x'; 600 << 10];
    let body = [&front("{}")[..], &text].concat();
    let stage = stage(Kind::Twin, "REGIONAL", answer(raw_of(&body), true));
    let wanted = text.len();
    stage.perform(async move |core, mut stream| {
        stream.send(bytes(&core, GET));
        let mut heard = Vec::new();
        loop {
            core.sleep_until(core.now().plus_ms(10_000)).await;
            match stream.recv(core.now().plus_ms(MINUTE_MS)).await {
                Ok(buf) => heard.extend_from_slice(&buf),
                Err(RecvEnd::Timeout) => break,
                Err(end) => panic!("{end:?} behind {} bytes", heard.len()),
            }
            if let Some((_, body, _)) = first_answer(&heard, false) {
                assert_eq!(body.len(), wanted);
                return;
            }
        }
        panic!("{} bytes alone", heard.len());
    });
    stage.finish();
}
