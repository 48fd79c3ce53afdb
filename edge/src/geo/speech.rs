//! What a simulated client says, and how it reads what it hears.
//!
//! What it is: HTTP/1.1 over plain links or over the size-true null cipher, from the client's side
//! and without copies: records are taken apart where they arrive, a head is gathered, a body is
//! counted. Shape: [`Writer`] makes the bytes of a request, [`Reader`] is fed what came and says
//! what it was. Units: bytes. Errors: [`Broken`]: an answer that no client would take. Source: RFC
//! 9112; `net::tls::null`.

use crate::net::tls::{
    null::{
        APPLICATION_DATA, FINISHED_BYTES, HANDSHAKE, HEADER_BYTES, NullSession,
        RECORD_PLAIN_BYTES_MAX, SERVER_FLIGHT_AGAIN_BYTES, SERVER_FLIGHT_BYTES, TAIL_BYTES,
    },
    session::TlsSession,
};

/// An answer that makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Broken;

/// The head of an answer, as far as a client looks.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) body_bytes: u64,
    /// An edge's cache gave it.
    pub(super) is_hit: bool,
    pub(super) closes: bool,
    /// The thing it is about, as the origin names it.
    pub(super) object: Option<(usize, u32)>,
}

/// What was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// Nothing that counts yet.
    Nothing,
    /// The server's part of the handshake is whole.
    Greeting,
    /// The answer is whole.
    Answer(Head),
}

/// Reads one connection.
pub(super) struct Reader {
    is_tls: bool,
    /// Bytes of the record that is arriving: its header so far, and what is missing of the rest.
    header: [u8; HEADER_BYTES],
    header_len: usize,
    record_left: usize,
    is_greeted: bool,
    head: Vec<u8>,
    parsed: Option<Head>,
    body_left: u64,
    /// Bytes of answers, records included.
    pub(super) bytes: u64,
}

impl Reader {
    pub(super) fn new(is_tls: bool) -> Reader {
        Reader {
            is_tls,
            header: [0; HEADER_BYTES],
            header_len: 0,
            record_left: 0,
            is_greeted: !is_tls,
            head: Vec::new(),
            parsed: None,
            body_left: 0,
            bytes: 0,
        }
    }

    /// Takes `input`, of which nothing is left unless an answer ended inside.
    pub(super) fn feed(&mut self, mut input: &[u8]) -> Result<Heard, Broken> {
        self.bytes += input.len() as u64;
        if !self.is_tls {
            return self.plain(input);
        }
        let mut heard = Heard::Nothing;
        while !input.is_empty() {
            if self.record_left == 0 && self.header_len < HEADER_BYTES {
                let count = input.len().min(HEADER_BYTES - self.header_len);
                let (header, rest) = input.split_at(count);
                self.header[self.header_len..self.header_len + count].copy_from_slice(header);
                self.header_len += count;
                input = rest;
                if self.header_len == HEADER_BYTES {
                    let [_, _, _, high, low] = self.header;
                    self.record_left = usize::from(u16::from_be_bytes([high, low]));
                }
                continue;
            }
            let (part, rest) = input.split_at(input.len().min(self.record_left));
            let before = self.record_left;
            self.record_left -= part.len();
            input = rest;
            let told = match self.header[0] {
                APPLICATION_DATA => {
                    let plain = before.saturating_sub(TAIL_BYTES).min(part.len());
                    self.plain(&part[..plain])?
                }
                HANDSHAKE if self.record_left == 0 && !self.is_greeted => {
                    self.is_greeted = true;
                    Heard::Greeting
                }
                HANDSHAKE => Heard::Nothing,
                _ => return Err(Broken), // an alert in front of an answer's end
            };
            if told != Heard::Nothing {
                heard = told;
            }
            if self.record_left == 0 {
                self.header_len = 0;
            }
        }
        Ok(heard)
    }

    /// An answer has begun.
    pub(super) fn is_inside(&self) -> bool {
        !self.head.is_empty() || self.parsed.is_some()
    }

    fn plain(&mut self, mut input: &[u8]) -> Result<Heard, Broken> {
        if input.is_empty() {
            return Ok(Heard::Nothing);
        }
        if self.parsed.is_none() {
            let Some((head, rest)) = self.head(input)? else {
                return Ok(Heard::Nothing);
            };
            input = rest;
            self.body_left = head.body_bytes;
            self.parsed = Some(head);
        }
        let count = input.len() as u64;
        if count > self.body_left {
            return Err(Broken); // more than was announced, and nobody asked ahead
        }
        self.body_left -= count;
        match self.parsed {
            Some(head) if self.body_left == 0 => {
                self.parsed = None;
                Ok(Heard::Answer(head))
            }
            _ => Ok(Heard::Nothing),
        }
    }

    /// The head, once it is whole, and what stands behind it. One that comes in a piece, as nearly
    /// all do, is read where it lies; nothing is kept while a connection idles.
    fn head<'a>(&mut self, input: &'a [u8]) -> Result<Option<(Head, &'a [u8])>, Broken> {
        let end_of = |bytes: &[u8]| memchr::memmem::find(bytes, HEAD_END).map(|at| at + 4);
        if self.head.is_empty()
            && let Some(end) = end_of(input)
        {
            let (head, rest) = input.split_at(end);
            return Ok(Some((parse(head).ok_or(Broken)?, rest)));
        }
        let before = self.head.len();
        self.head.extend_from_slice(input);
        let from = before.saturating_sub(3);
        let Some(end) = end_of(&self.head[from..]) else {
            return if self.head.len() > HEAD_BYTES_MAX {
                Err(Broken)
            } else {
                Ok(None)
            };
        };
        let end = from + end;
        let head = parse(&self.head[..end]).ok_or(Broken)?;
        self.head = Vec::new();
        Ok(Some((head, &input[end - before..])))
    }
}

fn parse(head: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()?
        .strip_prefix("HTTP/1.1 ")?
        .get(..3)?
        .parse()
        .ok()?;
    let mut found = Head {
        status,
        ..Head::default()
    };
    for line in lines {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        match name.len() {
            14 if name.eq_ignore_ascii_case("content-length") => {
                found.body_bytes = value.parse().ok()?;
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => return None,
            7 if name.eq_ignore_ascii_case("x-cache") => found.is_hit = value.starts_with("Hit"),
            10 if name.eq_ignore_ascii_case("connection") => found.closes = value == "close",
            8 if name.eq_ignore_ascii_case("x-object") => {
                let (class, object) = value.split_once('/')?;
                found.object = Some((class.parse().ok()?, object.parse().ok()?));
            }
            _ => {}
        }
    }
    Some(found)
}

const HEAD_END: &[u8] = b"\r\n\r\n";
/// Longest head that is taken.
const HEAD_BYTES_MAX: usize = 16_384;

/// Makes what one connection says.
pub(super) struct Writer {
    is_tls: bool,
}

impl Writer {
    pub(super) fn new(is_tls: bool) -> Writer {
        Writer { is_tls }
    }

    /// The client's greeting, with a ticket of an earlier visit if it has one.
    pub(super) fn greeting(resumes: bool, out: &mut Vec<u8>) {
        let session = if resumes {
            NullSession::client_again(super::gateway::HOST)
        } else {
            NullSession::client(super::gateway::HOST)
        };
        TlsSession::Null(Box::new(session)).take_output(out);
    }

    /// What ends the client's part of the handshake.
    pub(super) fn finished(out: &mut Vec<u8>) {
        let mut session = TlsSession::null_client("");
        let mut server = TlsSession::null_server();
        let (mut hello, mut flight) = (Vec::new(), Vec::new());
        session.take_output(&mut hello);
        // Both ends of it are ours, so neither can be refused.
        if server.feed(&mut hello.as_slice()).is_ok() {
            server.take_output(&mut flight);
        }
        if session.feed(&mut flight.as_slice()).is_ok() {
            session.take_output(out);
        }
    }

    /// Plain bytes as they go onto the line.
    pub(super) fn say(&self, plain: &[u8], out: &mut Vec<u8>) {
        if !self.is_tls {
            out.extend_from_slice(plain);
            return;
        }
        for part in plain.chunks(RECORD_PLAIN_BYTES_MAX) {
            let len = u16::try_from(part.len() + TAIL_BYTES).unwrap_or(u16::MAX);
            let [high, low] = len.to_be_bytes();
            out.extend_from_slice(&[APPLICATION_DATA, 3, 3, high, low]);
            out.extend_from_slice(part);
            out.extend_from_slice(&[0; TAIL_BYTES]);
        }
    }
}

const _: () = assert!(FINISHED_BYTES > HEADER_BYTES);
const _: () = assert!(SERVER_FLIGHT_AGAIN_BYTES < SERVER_FLIGHT_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_however_they_are_cut() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Cache: Hit from x\r\n\
            X-Object: 2/77\r\n\r\nhello";
        let expected = Head {
            status: 200,
            body_bytes: 5,
            is_hit: true,
            closes: false,
            object: Some((2, 77)),
        };
        for is_tls in [false, true] {
            let mut bytes = Vec::new();
            if is_tls {
                let mut server = TlsSession::null_server();
                let mut hello = Vec::new();
                Writer::greeting(true, &mut hello);
                server.feed(&mut hello.as_slice()).expect("a hello");
                server.take_output(&mut bytes);
                assert_eq!(
                    bytes.len(),
                    SERVER_FLIGHT_AGAIN_BYTES,
                    "no certificate again"
                );
                let mut finished = Vec::new();
                Writer::finished(&mut finished);
                server.feed(&mut finished.as_slice()).expect("finished");
                assert!(server.resumed());
                server.take_output(&mut bytes);
                server.write_plain(plain);
                server.take_output(&mut bytes);
            } else {
                bytes.extend_from_slice(plain);
            }
            for step in [1, 3, 7, bytes.len()] {
                let mut reader = Reader::new(is_tls);
                let heard: Vec<Heard> = (bytes.chunks(step))
                    .map(|part| reader.feed(part).expect("sense"))
                    .filter(|heard| *heard != Heard::Nothing)
                    .collect();
                let answer = heard.last().copied();
                assert_eq!(
                    answer,
                    Some(Heard::Answer(expected)),
                    "by {step}, tls {is_tls}"
                );
                let greeted = step < bytes.len() && is_tls;
                assert_eq!(heard.contains(&Heard::Greeting), greeted, "by {step}");
                assert_eq!(reader.bytes, bytes.len() as u64);
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
        ] {
            assert_eq!(
                Reader::new(false).feed(bytes.as_bytes()),
                Err(Broken),
                "{bytes}"
            );
        }
    }
}
