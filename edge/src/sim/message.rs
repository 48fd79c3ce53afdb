//! HTTP/1 messages as the simulated peers read and write them.
//!
//! What it is: a second reader of messages, which shares nothing with `wire`, so that a mistake
//! there is not repeated here. Shape: [`Reader`] is fed bytes and gives [`Piece`]s; a body's bytes
//! are a function of its token ([`body_byte`]), so that a byte of another exchange is recognized.
//! Units: bytes. Ranges: heads up to [`HEAD_BYTES_MAX`]. Errors: [`Piece::Broken`] with a reason.
//! Source: RFC 9112 sections 2, 6 and 7.

/// How a body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ends {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    WithConnection,
}

/// A first line and its fields, names in lower case.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Head {
    pub(super) start: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Head {
    /// The value of the only field of this name; `None` too when there are several.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.fields.iter().filter(|(known, _)| known == name);
        let (_, value) = all.next()?;
        all.next().is_none().then_some(value)
    }

    /// How many fields have this name.
    pub(super) fn count(&self, name: &str) -> usize {
        self.fields
            .iter()
            .filter(|(known, _)| known == name)
            .count()
    }

    /// What the framing fields say, or why they are no good.
    pub(super) fn framing(&self) -> Result<Option<Ends>, String> {
        match (
            self.count("content-length"),
            self.count("transfer-encoding"),
        ) {
            (0, 0) => Ok(None),
            (1, 0) => match self.get("content-length").map(str::parse) {
                Some(Ok(length)) => Ok(Some(Ends::Length(length))),
                _ => Err("a length that is no number".to_owned()),
            },
            (0, 1) if self.get("transfer-encoding") == Some("chunked") => Ok(Some(Ends::Chunked)),
            _ => Err(format!("framing fields in doubt: {:?}", self.fields)),
        }
    }

    /// `Connection` names `close`.
    pub(super) fn says_close(&self) -> bool {
        self.get("connection") == Some("close")
    }
}

/// What a reader finds next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// More bytes are needed.
    Nothing,
    /// A head; [`Reader::expect_body`] comes next.
    Head(Head),
    /// Bytes of the body.
    Body(Vec<u8>),
    /// The body's end.
    End,
    /// No message.
    Broken(String),
}

enum State {
    Head,
    Body { left: u64 },
    ChunkLine,
    ChunkData { left: u64 },
    ChunkEnd,
    Trailer,
    ToTheEnd,
}

/// Reads one message after the other.
pub(super) struct Reader {
    held: Vec<u8>,
    state: State,
}

impl Reader {
    pub(super) fn new() -> Reader {
        Reader {
            held: Vec::new(),
            state: State::Head,
        }
    }

    /// Adds received bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Nothing is held, and no message has begun.
    pub(super) fn is_between(&self) -> bool {
        self.held.is_empty() && matches!(self.state, State::Head)
    }

    /// Bytes received and not read.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Says how the body behind the head just read ends; `None`: there is none.
    pub(super) fn expect_body(&mut self, ends: Option<Ends>) {
        self.state = match ends {
            None => State::Head,
            Some(Ends::Length(left)) => State::Body { left },
            Some(Ends::Chunked) => State::ChunkLine,
            Some(Ends::WithConnection) => State::ToTheEnd,
        };
    }

    /// The next piece.
    pub(super) fn next(&mut self) -> Piece {
        loop {
            match self.state {
                State::Head => return self.next_head(),
                State::Body { left: 0 } => {
                    self.state = State::Head;
                    return Piece::End;
                }
                State::Body { left } => {
                    let piece = self.take(left);
                    self.state = State::Body {
                        left: left - piece.len() as u64,
                    };
                    return some(piece);
                }
                State::ToTheEnd => return some(std::mem::take(&mut self.held)),
                State::ChunkLine => match self.take_line() {
                    None => return Piece::Nothing,
                    Some(line) => match u64::from_str_radix(&line, 16) {
                        Ok(0) => self.state = State::Trailer,
                        Ok(left) => self.state = State::ChunkData { left },
                        Err(_) => return Piece::Broken(format!("chunk line {line:?}")),
                    },
                },
                State::ChunkData { left: 0 } => self.state = State::ChunkEnd,
                State::ChunkData { left } => {
                    let piece = self.take(left);
                    self.state = State::ChunkData {
                        left: left - piece.len() as u64,
                    };
                    return some(piece);
                }
                State::ChunkEnd => match self.take_line() {
                    None => return Piece::Nothing,
                    Some(line) if line.is_empty() => self.state = State::ChunkLine,
                    Some(line) => return Piece::Broken(format!("{line:?} behind a chunk")),
                },
                State::Trailer => match self.take_line() {
                    None => return Piece::Nothing,
                    Some(line) if line.is_empty() => {
                        self.state = State::Head;
                        return Piece::End;
                    }
                    Some(line) => return Piece::Broken(format!("trailer {line:?}")),
                },
            }
        }
    }

    fn next_head(&mut self) -> Piece {
        let Some(end) = self.held.windows(4).position(|four| four == b"\r\n\r\n") else {
            if self.held.len() > HEAD_BYTES_MAX {
                return Piece::Broken("a head without an end".to_owned());
            }
            return Piece::Nothing;
        };
        let bytes: Vec<u8> = self.held.drain(..end + 4).collect();
        let Ok(text) = std::str::from_utf8(&bytes[..end]) else {
            return Piece::Broken("a head that is no text".to_owned());
        };
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or("").to_owned();
        let mut fields = Vec::new();
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                return Piece::Broken(format!("field {line:?}"));
            };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Piece::Head(Head { start, fields })
    }

    fn take(&mut self, left: u64) -> Vec<u8> {
        let count = usize::try_from(left).unwrap_or(usize::MAX);
        let count = count.min(self.held.len());
        self.held.drain(..count).collect()
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.held.windows(2).position(|two| two == b"\r\n")?;
        let line: Vec<u8> = self.held.drain(..end + 2).take(end).collect();
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

fn some(piece: Vec<u8>) -> Piece {
    if piece.is_empty() {
        Piece::Nothing
    } else {
        Piece::Body(piece)
    }
}

/// The byte at `offset` of the body that belongs to `token`.
pub(super) fn body_byte(token: u64, offset: u64) -> u8 {
    let word = (token ^ (offset >> 3).rotate_left(40))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word.to_le_bytes()[(offset & 7) as usize]
}

/// A body, or a part of it.
pub(super) fn body_bytes(token: u64, from: u64, to: u64) -> Vec<u8> {
    (from..to).map(|offset| body_byte(token, offset)).collect()
}

/// Where `bytes`, found at `from`, differs first from the body of `token`.
pub(super) fn body_differs(token: u64, from: u64, bytes: &[u8]) -> Option<u64> {
    (from..)
        .zip(bytes)
        .find(|(offset, byte)| body_byte(token, *offset) != **byte)
        .map(|(offset, _)| offset)
}

/// A chunk with its line and its end.
pub(super) fn chunk(data: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    out
}

/// The chunk that ends a body.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

const HEAD_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8], step: usize) -> Vec<String> {
        let mut reader = Reader::new();
        let mut found: Vec<String> = Vec::new();
        for part in bytes.chunks(step) {
            reader.feed(part);
            loop {
                match reader.next() {
                    Piece::Nothing => break,
                    Piece::Head(head) => {
                        reader.expect_body(head.framing().expect("framed"));
                        found.push(head.start);
                    }
                    Piece::Body(bytes) => match found.last_mut() {
                        Some(last) if last.starts_with('=') => {
                            last.push_str(&String::from_utf8_lossy(&bytes));
                        }
                        _ => found.push(format!("={}", String::from_utf8_lossy(&bytes))),
                    },
                    Piece::End => found.push(".".to_owned()),
                    Piece::Broken(why) => return vec![why],
                }
            }
        }
        found
    }

    #[test]
    fn any_cut_reads_the_same() {
        let bytes = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
            3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nPUT /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nxyGET /";
        for step in 1..bytes.len() {
            let expected = [
                "POST /a HTTP/1.1",
                "=abcde",
                ".",
                "PUT /b HTTP/1.1",
                "=xy",
                ".",
            ];
            assert_eq!(read_all(bytes, step), expected, "cut every {step}");
        }
    }

    #[test]
    fn a_strange_byte_is_found() {
        let mut body = body_bytes(7, 10, 90);
        assert_eq!(body_differs(7, 10, &body), None);
        assert!(body_differs(8, 10, &body).is_some());
        body[20] ^= 1;
        assert_eq!(body_differs(7, 10, &body), Some(30));
    }
}
