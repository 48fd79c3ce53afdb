//! What: the client that checks a server before it is measured: bodies, statuses, where they came
//!   from, and whether its log is on.
//! Shape: one connection for each exchange or for many, read to the end of each answer.
//! Units: bytes and counts.
//! Errors: `io::Error` that says what was expected and what came.
//! Source: RFC 9112 sections 6.3 and 9.3; each server's manual for its log.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::case::{Case, Way};
use crate::origin;

/// An answer, whole.
pub(crate) struct Answer {
    status: u16,
    body: Vec<u8>,
    is_closed: bool,
}

/// A client connection.
pub(crate) struct Client {
    stream: Box<dyn ReadWrite>,
    address: SocketAddr,
    received: Vec<u8>,
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

impl Client {
    /// Connects, over TLS 1.3 if a configuration is given.
    pub(crate) fn connect(
        address: SocketAddr,
        tls: Option<&Arc<ClientConfig>>,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let stream: Box<dyn ReadWrite> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::from(address.ip());
                let session =
                    ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(session, stream))
            }
        };
        Ok(Client {
            stream,
            address,
            received: Vec::new(),
        })
    }

    /// One request with the head that the load sends.
    pub(crate) fn get(&mut self, number: usize, closes: bool) -> io::Result<Answer> {
        let close = if closes { "Connection: close\r\n" } else { "" };
        let head = format!(
            "GET /dev/items/{number} HTTP/1.1\r\nHost: {}\r\nUser-Agent: curl/8.14.1\r\n\
             Accept: */*\r\n{close}\r\n",
            self.address
        );
        self.stream.write_all(head.as_bytes())?;
        self.stream.flush()?;
        let head_end = self.read_until(end_of_head)?;
        let head = String::from_utf8_lossy(&self.received[..head_end]).to_lowercase();
        let field = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(':'));
            fields
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.trim().to_owned())
        };
        let status = head.get(9..12).and_then(|text| text.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status in {head:?}")))?;
        let is_closed = field("connection").is_some_and(|value| value.contains("close"));
        let body_end = match field("content-length").and_then(|value| value.parse::<usize>().ok()) {
            Some(len) => {
                let end = head_end + len;
                self.read_until(|bytes| (bytes.len() >= end).then_some(end))?
            }
            None if field("transfer-encoding").is_some_and(|value| value == "chunked") => {
                // Only short refusals come so: their text is not looked at.
                self.read_until(|bytes| bytes.ends_with(b"0\r\n\r\n").then_some(bytes.len()))?
            }
            None => return Err(io::Error::other(format!("no framing in {head:?}"))),
        };
        let body = self.received[head_end..body_end].to_vec();
        self.received.drain(..body_end);
        Ok(Answer {
            status,
            body,
            is_closed,
        })
    }

    fn read_until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> io::Result<usize> {
        let mut part = [0; 16 << 10];
        loop {
            if let Some(end) = end(&self.received) {
                return Ok(end);
            }
            match self.stream.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => self.received.extend_from_slice(&part[..len]),
            }
        }
    }
}

/// What a check is about.
pub(crate) struct Subject<'a> {
    pub(crate) case: &'a Case,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<&'a Arc<ClientConfig>>,
    /// Where the server's own origin is; floors of hits have none.
    pub(crate) origin: Option<SocketAddr>,
    /// Its access log, which must be written, or must not be there.
    pub(crate) log: Option<&'a Path>,
    pub(crate) is_logging: bool,
}

impl Subject<'_> {
    /// Sends a few requests of the case and holds every answer against it.
    pub(crate) fn check(&self) -> io::Result<()> {
        // Every URL once, so that a cache has all of them however slow the host is just now.
        let warming = if self.case.way == Way::Hit {
            self.case.urls()
        } else {
            WARM_REQUESTS
        };
        self.exchange(warming, false)?;
        let logged_before = self.logged_bytes();
        let asked_before = self.origin.map(origin::requests).transpose()?;
        self.exchange(CHECKED_REQUESTS, true)?;
        let asked = self.origin.map(origin::requests).transpose()?;
        let asked = asked
            .zip(asked_before)
            .map(|(after, before)| after - before);
        if let Some(asked) = asked {
            came_from_the_right_place(self.case.way, CHECKED_REQUESTS as u64, asked)?;
        }
        self.check_log(logged_before)
    }

    fn exchange(&self, requests: usize, is_strict: bool) -> io::Result<()> {
        let closes = self.case.is_new_connection;
        let mut client = Client::connect(self.address, self.tls)?;
        for number in 0..requests {
            let answer = client.get(1 + number % self.case.urls(), closes)?;
            if is_strict {
                expected(self.case, &answer)?;
            }
            if answer.is_closed || closes {
                client = Client::connect(self.address, self.tls)?;
            }
        }
        Ok(())
    }

    fn check_log(&self, before: u64) -> io::Result<()> {
        if !self.is_logging {
            return match self.logged_bytes() - before {
                0 => Ok(()),
                more => Err(io::Error::other(format!(
                    "it logs ({more} bytes), but must not"
                ))),
            };
        }
        let least = before + (CHECKED_REQUESTS * LINE_BYTES_MIN) as u64;
        let started = Instant::now();
        while self.logged_bytes() < least {
            if started.elapsed() > LOGGED_WITHIN {
                let found = self.logged_bytes() - before;
                let why = format!("its access log grew by {found} bytes for {CHECKED_REQUESTS}");
                return Err(io::Error::other(format!("{why} requests")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn logged_bytes(&self) -> u64 {
        let metadata = self.log.and_then(|path| std::fs::metadata(path).ok());
        metadata.map_or(0, |metadata| metadata.len())
    }
}

/// Whether `requests` of a way asked the origin as often as they should have.
pub(crate) fn came_from_the_right_place(way: Way, requests: u64, asked: u64) -> io::Result<()> {
    let (is_right, expected) = match way {
        // What one run refreshes of a thousand is still a run of hits.
        Way::Hit | Way::Refused => (asked * 1000 <= requests, "none of them"),
        Way::Proxy => (asked >= requests, "all of them"),
    };
    if is_right {
        return Ok(());
    }
    let why = format!("the origin saw {asked} of {requests} requests, not {expected}");
    Err(io::Error::other(why))
}

fn expected(case: &Case, answer: &Answer) -> io::Result<()> {
    let status = if case.way == Way::Refused { 429 } else { 200 };
    if answer.status != status {
        let why = format!("it answered {}, not {status}", answer.status);
        return Err(io::Error::other(why));
    }
    if case.way != Way::Refused && !origin::body(case.body_bytes).eq(answer.body.iter().copied()) {
        let (came, wanted) = (answer.body.len(), case.body_bytes);
        let why = format!("its body of {came} bytes is not the origin's of {wanted}");
        return Err(io::Error::other(why));
    }
    Ok(())
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let position = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    position.map(|position| position + 4)
}

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const LOGGED_WITHIN: Duration = Duration::from_secs(15);
const WARM_REQUESTS: usize = 30;
const CHECKED_REQUESTS: usize = 50;
const LINE_BYTES_MIN: usize = 40;

#[cfg(test)]
mod tests {
    use super::{Answer, came_from_the_right_place, expected};
    use crate::versus::case::{CASES, Case, Way};

    fn case_of(way: Way) -> &'static Case {
        CASES
            .iter()
            .find(|case| case.way == way)
            .expect("a case of each way")
    }

    #[test]
    fn an_answer_is_held_against_its_case() {
        let body: Vec<u8> = crate::origin::body(128).collect();
        for (name, way, status, body, is_right) in [
            ("whole", Way::Hit, 200, body.clone(), true),
            ("short", Way::Hit, 200, body[..127].to_vec(), false),
            ("other bytes", Way::Proxy, 200, vec![b'x'; 128], false),
            ("not found", Way::Proxy, 404, body.clone(), false),
            ("refused", Way::Refused, 429, Vec::new(), true),
            ("not refused", Way::Refused, 200, body, false),
        ] {
            let answer = Answer {
                status,
                body,
                is_closed: false,
            };
            assert_eq!(expected(case_of(way), &answer).is_ok(), is_right, "{name}");
        }
    }

    #[test]
    fn an_origin_sees_what_is_not_a_hit() {
        for (way, requests, asked, is_right) in [
            (Way::Hit, 50, 0, true),
            (Way::Hit, 50, 1, false),
            (Way::Hit, 100_000, 100, true),
            (Way::Hit, 100_000, 101, false),
            (Way::Proxy, 50, 50, true),
            (Way::Proxy, 50, 49, false),
            (Way::Proxy, 50, 51, true),
            (Way::Refused, 50, 50, false),
        ] {
            let result = came_from_the_right_place(way, requests, asked);
            assert_eq!(result.is_ok(), is_right, "{way:?} {asked}/{requests}");
        }
    }
}
