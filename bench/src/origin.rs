//! What: the stub origin behind every proxy under test: any request head gets the same response.
//! Shape: per connection, how many bytes of an empty line have been seen (0 to 3).
//! Units: body size in bytes.
//! Errors: a ring that fails ends the program. Request bodies are not understood.
//! Source: RFC 9112 section 2.1 (a head ends with an empty line).

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use crate::ring::{Event, Ring, Sizes};

/// Answers each request head with `body_bytes` bytes over keep-alive.
pub(crate) fn run(
    listener: TcpListener,
    stop: OwnedFd,
    body_bytes: usize,
    sizes: Sizes,
) -> io::Result<()> {
    let response = response(body_bytes);
    let mut ring = Ring::new(listener, stop, sizes)?;
    let mut heads: Vec<HeadEnd> = Vec::new();
    let mut events = Vec::new();
    loop {
        ring.turn(&mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Accepted(socket) => {
                    if heads.len() <= socket {
                        heads.resize(socket + 1, HeadEnd::default());
                    }
                    heads[socket] = HeadEnd::default();
                }
                Event::Received {
                    socket,
                    buffer,
                    len,
                } => {
                    let ended = heads[socket].count(ring.received(buffer, len));
                    ring.give_back(buffer);
                    for _ in 0..ended {
                        ring.send_fixed(socket, response);
                    }
                }
                Event::Ended(socket) => ring.close(socket),
                Event::Stop => return Ok(()),
            }
        }
    }
}

/// A whole keep-alive response with a body of `body_bytes` printable bytes.
pub(crate) fn response(body_bytes: usize) -> &'static [u8] {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body_bytes}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend((b'a'..=b'z').cycle().take(body_bytes));
    bytes.leak()
}

/// Finds `\r\n\r\n` in a stream however it is cut.
#[derive(Debug, Clone, Copy, Default)]
struct HeadEnd {
    seen: u8,
}

impl HeadEnd {
    /// How many heads end in `bytes`, which follow all bytes counted before.
    fn count(&mut self, bytes: &[u8]) -> usize {
        let mut ended = 0;
        for &byte in bytes {
            self.seen = match (self.seen, byte) {
                (0 | 2, b'\r') => self.seen + 1,
                (1, b'\n') => 2,
                (3, b'\n') => {
                    ended += 1;
                    0
                }
                (_, b'\r') => 1,
                _ => 0,
            };
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::{HeadEnd, response};

    /// name, stream, heads that end in it
    const STREAMS: &[(&str, &str, usize)] = &[
        ("one head", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
        (
            "two pipelined",
            "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            2,
        ),
        ("unfinished", "GET / HTTP/1.1\r\nHost: a\r\n", 0),
        ("a lone CR restarts", "a\r\r\n\r\n", 1),
        ("CR CR LF is one line end", "a\r\n\r\r\n", 0),
        ("bare LF does not count", "a\n\n", 0),
    ];

    #[test]
    fn heads_are_counted_at_any_cut() {
        for (name, stream, expected) in STREAMS {
            for cut in 0..=stream.len() {
                let (before, after) = stream.as_bytes().split_at(cut);
                let mut head = HeadEnd::default();
                let counted = head.count(before) + head.count(after);
                assert_eq!(counted, *expected, "{name}, cut at {cut}");
            }
        }
    }

    #[test]
    fn the_response_has_its_body() {
        let bytes = response(128);
        let end = bytes
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a head")
            + 4;
        assert_eq!(bytes.len() - end, 128);
    }
}
