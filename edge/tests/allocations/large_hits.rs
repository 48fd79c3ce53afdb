//! Bodies that are sent from the store itself: whole, in parts, to slow clients and to those that
//! leave; over TLS, where they are copied, as well.

use std::io::{Read, Write};

use crate::counted::{Identity, Running, Setup, connect, serve_origin, start};

/// More than is queued at a time, and no multiple of anything.
const BODY_BYTES: usize = 700_001;

fn body() -> Vec<u8> {
    let bytes = (0..BODY_BYTES).map(|at| u8::try_from(at % 251).expect("below 251"));
    bytes.collect()
}

fn origin_answer() -> &'static [u8] {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nETag: \"e\"\r\n\
         Content-Length: {BODY_BYTES}\r\n\r\n"
    )
    .into_bytes();
    answer.extend(body());
    answer.leak()
}

fn ask(stream: &mut impl Write, method: &str, fields: &str) {
    let request = format!("{method} /dev/large HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
}

/// Reads an answer, at most `bite` bytes at a time: its head and its body.
fn answer(stream: &mut impl Read, has_body: bool, bite: usize) -> (String, Vec<u8>) {
    let (mut got, mut piece) = (Vec::new(), vec![0; bite]);
    let head_bytes = loop {
        // One byte at a time, so that nothing of an answer behind it is taken.
        let count = stream.read(&mut piece[..1]).expect("an answer");
        assert!(count > 0, "{:?}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&piece[..count]);
        if got.ends_with(b"\r\n\r\n") {
            break got.len();
        }
    };
    let head = String::from_utf8(got.split_off(0)).expect("text");
    assert_eq!(head.len(), head_bytes);
    let length = head
        .split_once("\r\nContent-Length: ")
        .and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
    let mut left: usize = length.filter(|_| has_body).unwrap_or(0);
    while left > 0 {
        let most = left.min(bite);
        let count = stream.read(&mut piece[..most]).expect("a body");
        assert!(count > 0, "{left} bytes are missing");
        got.extend_from_slice(&piece[..count]);
        left -= count;
    }
    (head, got)
}

/// Method, fields, what the head begins with, the part of the body, bytes read at a time.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    (usize, usize),
    usize,
);

const ROWS: [Row; 7] = [
    ("GET", "", "HTTP/1.1 200", (0, BODY_BYTES), 1 << 16),
    ("GET", "", "HTTP/1.1 200", (0, BODY_BYTES), 1_000),
    ("HEAD", "", "HTTP/1.1 200", (0, 0), 1 << 16),
    (
        "GET",
        "Range: bytes=100-600099\r\n",
        "HTTP/1.1 206",
        (100, 600_100),
        1 << 16,
    ),
    (
        "GET",
        "Range: bytes=-9000\r\n",
        "HTTP/1.1 206",
        (BODY_BYTES - 9_000, BODY_BYTES),
        1 << 16,
    ),
    (
        "GET",
        "Range: bytes=5-9\r\n",
        "HTTP/1.1 206",
        (5, 10),
        1 << 16,
    ),
    ("GET", "If-None-Match: \"e\"\r\n", "HTTP/1.1 304", (0, 0), 8),
];

fn serve_all(stream: &mut (impl Read + Write)) {
    let body = body();
    ask(stream, "GET", "");
    let (head, got) = answer(stream, true, 1 << 16);
    assert!(got == body, "the origin's: {head}");
    for (method, fields, expected, (from, to), bite) in ROWS {
        ask(stream, method, fields);
        let (head, got) = answer(stream, method != "HEAD", bite);
        assert!(head.starts_with(expected), "{method} {fields}: {head}");
        assert!(head.contains("X-Cache: Hit"), "{method} {fields}: {head}");
        assert!(got == body[from..to], "{method} {fields}: the body");
    }
    // Several at once: each is sent behind the one before.
    for _ in 0..3 {
        ask(stream, "GET", "");
    }
    for nth in 0..3 {
        let (head, got) = answer(stream, true, 1 << 16);
        assert!(head.contains("X-Cache: Hit"), "{head}");
        assert!(got == body, "pipelined {nth}");
    }
}

#[test]
fn large_hits_arrive_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = Identity::new(folder.path());
    let started = |tls: bool| -> Running {
        let setup = Setup {
            identity: tls.then_some(&identity),
            cache: Some(folder.path().join(format!("{tls}.cache"))),
            ..Setup::default()
        };
        start(serve_origin(origin_answer()), &setup)
    };
    let plain = started(false);
    serve_all(&mut connect(plain.address));
    // Clients that leave in the middle of an answer take nothing from those that stay.
    for taken in [0, 1, 300_000] {
        let mut stream = connect(plain.address);
        ask(&mut stream, "GET", "");
        stream.read_exact(&mut vec![0; taken]).expect("a part");
        drop(stream);
        serve_all(&mut connect(plain.address));
    }
    let tls = started(true);
    serve_all(&mut identity.connect(tls.address));
}
