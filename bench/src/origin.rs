//! What: the origin behind every proxy under test: any request head gets the same response.
//! Shape: per connection, how many bytes of an empty line have been seen (0 to 3).
//!   What begins with `COUNT` is no request: it is answered with the number of requests so far.
//! Units: body size in bytes.
//! Errors: a ring that fails ends the program. Request bodies are not understood.
//! Source: RFC 9112 section 2.1 (a head ends with an empty line).

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::{ArgMatches, Command};

use crate::ring::Event;
use crate::server::{self, Place};

/// The parser.
pub(crate) fn command() -> Command {
    server::command("origin", "Answer every request head with a fixed body").args(server::answer())
}

/// Serves until its input ends.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    serve(Place::open(matches)?, server::response(matches))?;
    Ok(true)
}

/// Answers each request head with `response`.
fn serve(place: Place, response: &'static [u8]) -> io::Result<()> {
    let mut requests: u64 = 0;
    let mut ring = place.ring()?;
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
                    let bytes = ring.received(buffer, len);
                    if bytes.starts_with(COUNT) {
                        ring.give_back(buffer);
                        ring.send_owned(socket, format!("{requests}\n").into_bytes());
                        continue;
                    }
                    let ended = heads[socket].count(bytes);
                    ring.give_back(buffer);
                    requests += ended as u64;
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

/// A whole response with these header lines and a body of `body_bytes` printable bytes.
pub(crate) fn response(body_bytes: usize, headers: &[String]) -> &'static [u8] {
    let body: Vec<u8> = body(body_bytes).collect();
    response_of("text/plain", &body, headers)
}

/// A whole response with this type, this body and these header lines.
pub(crate) fn response_of(media_type: &str, body: &[u8], headers: &[String]) -> &'static [u8] {
    let length = body.len();
    let mut head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes.leak()
}

/// The body of a response, for those who check it.
pub(crate) fn body(body_bytes: usize) -> impl Iterator<Item = u8> {
    (b'a'..=b'z').cycle().take(body_bytes)
}

/// How many requests the origin at `address` has answered.
pub(crate) fn requests(address: SocketAddr) -> io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(COUNT_WITHIN))?;
    stream.write_all(COUNT)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    line.trim().parse().map_err(io::Error::other)
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

const COUNT: &[u8] = b"COUNT\n";
const COUNT_WITHIN: Duration = Duration::from_secs(5);

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
        let bytes = response(128, &["Connection: close".to_owned()]);
        let end = bytes
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a head")
            + 4;
        assert_eq!(bytes.len() - end, 128);
        assert!(bytes[..end].ends_with(b"\r\nConnection: close\r\n\r\n"));
    }
}
