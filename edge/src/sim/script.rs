//! What a simulated client will say, drawn before it speaks.
//!
//! What it is: requests as bytes, with the places where the client waits, stops or leaves.
//! Shape: a [`Script`] is the life of one connection. Units: bytes, milliseconds. Ranges: up to
//! seven requests, bodies up to 64 KiB, a rare one above the limit. Errors: none.
//! Source: RFC 9112; RELIABILITY section 1 for what is not a request.

use super::{
    check::Ledger,
    message::{LAST_CHUNK, body_bytes, chunk},
};
use crate::base::{prng::Prng, time::Mono};

/// The life of one connection.
pub(super) struct Script {
    pub(super) requests: Vec<Request>,
    pub(super) habits: Habits,
}

/// How a client behaves on a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Requests it sends ahead of their answers.
    pub(super) depth: usize,
    /// Most bytes of one write.
    pub(super) piece_bytes: usize,
    /// Longest pause between two writes; 0: none.
    pub(super) write_pause_ms: u64,
    /// Pause behind every read; 0: none.
    pub(super) read_pause_ms: u64,
    /// Ends its side behind the last request.
    pub(super) half_closes: bool,
    /// Leaves with a reset.
    pub(super) resets: bool,
    /// Stays until the gateway ends the connection.
    pub(super) waits_for_close: bool,
    /// Does nothing that could go wrong.
    pub(super) is_plain: bool,
}

/// What a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Goes to an origin.
    Forwarded,
    /// Is answered by the plan.
    Mock,
    /// Meets no route.
    Unknown,
    /// Goes to an origin, but its body is above the limit.
    TooLarge,
    /// Is no request.
    Garbage,
}

/// One request, ready to be written.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) token: u64,
    pub(super) kind: Kind,
    pub(super) method: &'static str,
    pub(super) minor: u8,
    pub(super) keep_alive: bool,
    pub(super) bytes: Vec<u8>,
    /// Where it waits for a 100, and how long.
    pub(super) hold_at: Option<usize>,
    pub(super) hold_ms: u64,
    pub(super) hold_until: Mono,
    /// Where the client leaves.
    pub(super) cut_at: Option<usize>,
    /// Where it falls silent for good.
    pub(super) stall_at: Option<usize>,
}

impl Request {
    /// For the events of a run.
    pub(super) fn label(&self) -> String {
        let end = self.bytes.iter().position(|byte| *byte == b'\r');
        let line = String::from_utf8_lossy(&self.bytes[..end.unwrap_or(0).min(60)]).into_owned();
        let Request { kind, .. } = self;
        let places = [self.hold_at, self.cut_at, self.stall_at];
        format!(
            "{line:?} {kind:?} {} bytes, hold/cut/stall {places:?}",
            self.bytes.len()
        )
    }
}

/// What the mock route says.
pub(super) const MOCK_BODY: &str = "{\"mock\":true}";
/// The host of the simulated API.
pub(super) const HOST: &str = "api.test";
/// Largest body that the simulated plan takes.
pub(super) const BODY_BYTES_MAX: u64 = 100_000;

impl Script {
    /// Some requests of any kind, performed in any way.
    pub(super) fn draw(prng: &mut Prng, ledger: &mut Ledger) -> Script {
        let habits = draw_habits(prng);
        let count = 1 + prng.below(6);
        let mut requests = Vec::new();
        for nth in 0..count {
            let mut request = draw_request(prng, ledger, habits.write_pause_ms > 0);
            let ends = request.kind == Kind::Garbage || !request.keep_alive;
            if prng.chance(40) {
                request.cut_at = Some(any_place(prng, &request));
            } else if prng.chance(15) {
                request.stall_at = Some(any_place(prng, &request));
            }
            let last = ends || request.cut_at.is_some() || request.stall_at.is_some();
            requests.push(request);
            if last || nth + 1 == count {
                break;
            }
        }
        Script { requests, habits }
    }

    /// One plain request that nothing keeps from being answered well.
    pub(super) fn plain(prng: &mut Prng, ledger: &mut Ledger, place: &'static str) -> Script {
        let method = pick(prng, &["GET", "POST", "PUT"]);
        let body = if method == "GET" {
            0
        } else {
            prng.below(5_000)
        };
        let kind = if place == "mock" {
            Kind::Mock
        } else {
            Kind::Forwarded
        };
        let request = Draft {
            method,
            place,
            kind,
            minor: 1,
            keep_alive: true,
            body_bytes: body,
            chunked: prng.chance(300),
            expects: false,
        };
        Script {
            requests: vec![request.write(prng, ledger)],
            habits: Habits {
                depth: 1,
                piece_bytes: usize::MAX >> 1,
                write_pause_ms: 0,
                read_pause_ms: 0,
                half_closes: false,
                resets: false,
                waits_for_close: false,
                is_plain: true,
            },
        }
    }
}

fn draw_habits(prng: &mut Prng) -> Habits {
    let slow_writer = prng.chance(150);
    let piece_bytes = match prng.below(4) {
        0 if slow_writer => 40,
        0 | 1 => 700,
        _ => 16_000,
    };
    Habits {
        depth: pick(prng, &[1, 1, 2, 4]),
        piece_bytes,
        write_pause_ms: if slow_writer { pick(prng, &[2, 30]) } else { 0 },
        read_pause_ms: if prng.chance(120) {
            pick(prng, &[1, 40])
        } else {
            0
        },
        half_closes: prng.chance(80),
        resets: prng.chance(200),
        waits_for_close: prng.chance(80),
        is_plain: false,
    }
}

fn draw_request(prng: &mut Prng, ledger: &mut Ledger, slow: bool) -> Request {
    if prng.chance(30) {
        return garbage(prng, ledger);
    }
    let (place, kind) = match prng.below(20) {
        0 | 1 => ("mock", Kind::Mock),
        2 => ("nowhere", Kind::Unknown),
        3..11 => ("b", Kind::Forwarded),
        _ => ("a", Kind::Forwarded),
    };
    let methods = [
        "GET", "GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS",
    ];
    let method = pick(prng, &methods);
    let minor = if prng.chance(100) { 0 } else { 1 };
    let with_body = matches!(method, "POST" | "PUT" | "PATCH") || prng.chance(40);
    let body_bytes = match prng.below(12) {
        _ if !with_body => 0,
        _ if slow => prng.below(600),
        0 => 0,
        1 => 30_000 + prng.below(60_000),
        2..4 => prng.below(12_000),
        _ => prng.below(1_000),
    };
    let too_large = kind == Kind::Forwarded && with_body && prng.chance(15);
    let draft = Draft {
        method,
        place,
        kind: if too_large { Kind::TooLarge } else { kind },
        minor,
        keep_alive: prng.chance(if minor == 0 { 500 } else { 930 }),
        body_bytes: if too_large {
            BODY_BYTES_MAX + 1 + prng.below(20_000)
        } else {
            body_bytes
        },
        chunked: minor == 1 && prng.chance(400),
        expects: minor == 1 && prng.chance(100),
    };
    draft.write(prng, ledger)
}

/// A request before it is bytes.
struct Draft {
    method: &'static str,
    place: &'static str,
    kind: Kind,
    minor: u8,
    keep_alive: bool,
    body_bytes: u64,
    chunked: bool,
    expects: bool,
}

impl Draft {
    fn write(self, prng: &mut Prng, ledger: &mut Ledger) -> Request {
        let Draft { method, place, .. } = self;
        let query = prng.chance(300).then(|| prng.below(1_000));
        let token = ledger.ask(method, self.body_bytes, |token| {
            let query = query.map_or(String::new(), |word| format!("?q={word}&x=%20y"));
            format!("/{place}/{token:x}/part%2Fof{query}")
        });
        let target = ledger.ask_mut(token).map(|ask| ask.target.clone());
        let target = target.unwrap_or_default();
        let mut head = format!("{method} {target} HTTP/1.{}\r\n", self.minor);
        head.push_str(&format!("Host: {HOST}\r\nX-Token: {token:x}\r\n"));
        if prng.chance(300) {
            let filler = usize::try_from(prng.below(2_000)).unwrap_or(0);
            head.push_str(&format!("X-Filler: {}\r\n", "f".repeat(filler)));
        }
        match (self.minor, self.keep_alive) {
            (0, true) => head.push_str("Connection: keep-alive\r\n"),
            (1, false) => head.push_str("Connection: close\r\n"),
            _ => {}
        }
        let chunked = self.chunked && self.body_bytes > 0;
        if chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        } else if self.body_bytes > 0 || matches!(method, "POST" | "PUT") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body_bytes));
        }
        let expects = self.expects && self.body_bytes > 0;
        if expects {
            head.push_str("Expect: 100-continue\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        let head_bytes = bytes.len();
        let body = body_bytes(token, 0, self.body_bytes);
        if chunked {
            let mut rest = &body[..];
            while !rest.is_empty() {
                let most = if self.body_bytes > 2_000 { 9_000 } else { 200 };
                let part = 1 + usize::try_from(prng.below(most)).unwrap_or(0);
                let (data, after) = rest.split_at(part.min(rest.len()));
                bytes.extend_from_slice(&chunk(data));
                rest = after;
            }
            bytes.extend_from_slice(LAST_CHUNK);
        } else {
            bytes.extend_from_slice(&body);
        }
        Request {
            token,
            kind: self.kind,
            method,
            minor: self.minor,
            keep_alive: self.keep_alive,
            bytes,
            hold_at: expects.then_some(head_bytes),
            hold_ms: if prng.chance(500) { 60 } else { 1_500 },
            hold_until: Mono::FAR,
            cut_at: None,
            stall_at: None,
        }
    }
}

fn garbage(prng: &mut Prng, ledger: &mut Ledger) -> Request {
    let row = usize::try_from(prng.below(GARBAGE.len() as u64)).unwrap_or(0);
    let token = ledger.ask("GARBAGE", 0, |token| format!("{token:x}"));
    Request {
        token,
        kind: Kind::Garbage,
        method: "GARBAGE",
        minor: 1,
        keep_alive: false,
        bytes: GARBAGE[row].to_vec(),
        hold_at: None,
        hold_ms: 0,
        hold_until: Mono::FAR,
        cut_at: None,
        stall_at: None,
    }
}

fn any_place(prng: &mut Prng, request: &Request) -> usize {
    1 + usize::try_from(prng.below(request.bytes.len() as u64)).unwrap_or(0)
}

fn pick<T: Copy>(prng: &mut Prng, rows: &[T]) -> T {
    let row = usize::try_from(prng.below(rows.len() as u64)).unwrap_or(0);
    rows[row]
}

/// Rows of RELIABILITY section 1 that must be refused.
const GARBAGE: &[&[u8]] = &[
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET / HTTP/1.1\nHost: api.test\n\n",
    b"GET /a/x HTTP/1.1\r\nHost: api.test\r\nHost: api.test\r\n\r\n",
    b"GET /a/x HTTP/1.1\r\n\r\n",
    b"POST /a/x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\n\
      Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /a/x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 03\r\n\r\nabc",
    b"POST /a/x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"GET  /a/x HTTP/1.1\r\nHost: api.test\r\n\r\n",
    b"GET /a/x HTTP/1.1\r\nHost: api.test\r\nBad Name: x\r\n\r\n",
    b"GET /a/../b HTTP/1.1\r\nHost: api.test\r\n\r\n",
    b"GET /a/x HTTP/3.7\r\nHost: api.test\r\n\r\n",
    b"CONNECT api.test:80 HTTP/1.1\r\nHost: api.test\r\n\r\n",
    b"GET /a/x HTTP/1.1\r\nHost: api.test\r\nExpect: miracles\r\n\r\n",
];
