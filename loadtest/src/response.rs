//! A reader of HTTP/1 answers that shares no code with the engine it measures.
//!
//! What it is: bytes in any cut in, a status, fields and body pieces out. Shape: a small state
//! machine; a head that lies whole in the bytes given is not copied. Units: bytes. Ranges: heads
//! up to [`HEAD_BYTES_MAX`]. Errors: [`Malformed`]; nothing is repaired. It judges less than a
//! proxy has to (a client is not smuggled through), yet never guesses where an answer ends.
//! Source: RFC 9112 sections 4, 6 and 7.

/// What an answer's parts are given to.
pub trait Sink {
    /// The final status.
    fn status(&mut self, status: u16);
    /// A field of the final head.
    fn field(&mut self, name: &[u8], value: &[u8]);
    /// The next bytes of the body, framing removed.
    fn body(&mut self, bytes: &[u8]);
}

/// How far the bytes went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// All were taken, more must come.
    More,
    /// The answer is whole.
    Done {
        /// Bytes that belonged to it.
        used: usize,
        /// The server sends nothing behind it.
        closes: bool,
    },
}

/// Why it is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// No status line.
    #[error("no HTTP/1 status line")]
    StatusLine,
    /// A line that is no field.
    #[error("a line that is no header")]
    Field,
    /// The head does not end.
    #[error("a head above {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// Lengths that disagree or are none.
    #[error("the framing is in doubt")]
    Framing,
    /// A chunk that is none.
    #[error("a broken chunk")]
    Chunk,
    /// The connection ended inside the answer.
    #[error("the connection ended inside an answer")]
    Cut,
}

/// The longest head.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Reads one answer after the other.
#[derive(Default, Debug)]
pub struct Reader {
    state: State,
    /// Of a line or a head that came in pieces.
    held: Vec<u8>,
    closes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    #[default]
    Head,
    Sized(u64),
    UntilEnd,
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    Trailer,
}

impl Reader {
    /// Nothing of an answer has come.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.state == State::Head && self.held.is_empty()
    }

    /// Takes the next bytes of the connection, up to the end of one answer. `to_head`: the request
    /// was a HEAD.
    ///
    /// # Errors
    /// The bytes are no answer.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        to_head: bool,
        sink: &mut impl Sink,
    ) -> Result<Step, Malformed> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let more = match self.state {
                State::Head => self.feed_head(rest, to_head, sink)?,
                State::Sized(left) => {
                    let count = take(rest, left);
                    sink.body(&rest[..count]);
                    let left = left - count as u64;
                    self.state = State::Sized(left);
                    used += count;
                    if left == 0 {
                        return Ok(self.done(used));
                    }
                    return Ok(Step::More);
                }
                State::UntilEnd => {
                    sink.body(rest);
                    return Ok(Step::More);
                }
                State::ChunkLine => self.feed_chunk_line(rest)?,
                State::Chunk(left) => {
                    let count = take(rest, left);
                    sink.body(&rest[..count]);
                    let left = left - count as u64;
                    self.state = if left == 0 {
                        State::ChunkEnd
                    } else {
                        State::Chunk(left)
                    };
                    (count > 0).then_some(count)
                }
                State::ChunkEnd => {
                    let (line, count) = self.line(rest)?;
                    match line {
                        Some(line) if !line.is_empty() => return Err(Malformed::Chunk),
                        Some(_) => self.state = State::ChunkLine,
                        None => {}
                    }
                    count
                }
                State::Trailer => {
                    let (line, count) = self.line(rest)?;
                    if let Some(line) = line {
                        if line.is_empty() {
                            return Ok(self.done(used + count.unwrap_or(0)));
                        }
                        split_field(&line)?;
                    }
                    count
                }
            };
            match more {
                Some(count) => used += count,
                None => return Ok(Step::More),
            }
            if self.state == State::Sized(0) {
                return Ok(self.done(used));
            }
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// It ended inside an answer. `Ok(true)`: its end was the end of one.
    pub fn end(&mut self) -> Result<bool, Malformed> {
        match self.state {
            State::UntilEnd => {
                self.state = State::Head;
                Ok(true)
            }
            _ if self.is_fresh() => Ok(false),
            _ => Err(Malformed::Cut),
        }
    }

    fn done(&mut self, used: usize) -> Step {
        self.state = State::Head;
        Step::Done {
            used,
            closes: self.closes,
        }
    }

    /// Bytes of the head in `rest`, or `None` when it is not whole yet.
    fn feed_head(
        &mut self,
        rest: &[u8],
        to_head: bool,
        sink: &mut impl Sink,
    ) -> Result<Option<usize>, Malformed> {
        if self.held.is_empty() {
            if let Some(at) = memchr::memmem::find(rest, b"\r\n\r\n") {
                let used = at + 4;
                self.read_head(&rest[..at], to_head, sink)?;
                return Ok(Some(used));
            }
            self.hold(rest)?;
            return Ok(None);
        }
        let before = self.held.len();
        self.hold(rest)?;
        let from = before.saturating_sub(3);
        let Some(at) = memchr::memmem::find(&self.held[from..], b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::mem::take(&mut self.held);
        let end = from + at;
        self.read_head(&head[..end], to_head, sink)?;
        Ok(Some(end + 4 - before))
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        // A whole answer may follow in the same bytes: only what is no head at all is too long.
        if self.held.len() >= HEAD_BYTES_MAX {
            return Err(Malformed::HeadTooLong);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn read_head(
        &mut self,
        head: &[u8],
        to_head: bool,
        sink: &mut impl Sink,
    ) -> Result<(), Malformed> {
        let mut rest = head;
        let (status, minor) = read_status_line(next_line(&mut rest))?;
        if status < 200 && status != 101 {
            return Ok(()); // an interim answer: the final one follows
        }
        sink.status(status);
        let mut framing = Framing {
            closes: minor == 0,
            ..Framing::default()
        };
        while !rest.is_empty() {
            let (name, value) = split_field(next_line(&mut rest))?;
            framing.note(name, value)?;
            sink.field(name, value);
        }
        self.closes = framing.closes;
        self.state = if to_head || status == 204 || status == 304 || status == 101 {
            State::Sized(0)
        } else if framing.chunked {
            if framing.length.is_some() {
                return Err(Malformed::Framing);
            }
            State::ChunkLine
        } else if let Some(length) = framing.length {
            State::Sized(length)
        } else {
            self.closes = true;
            State::UntilEnd
        };
        Ok(())
    }

    fn feed_chunk_line(&mut self, rest: &[u8]) -> Result<Option<usize>, Malformed> {
        let (line, count) = self.line(rest)?;
        if let Some(line) = line {
            let digits = line
                .split(|byte| matches!(byte, b';' | b' ' | b'\t'))
                .next()
                .unwrap_or(&[]);
            let size = read_hex(digits).ok_or(Malformed::Chunk)?;
            self.state = if size == 0 {
                State::Trailer
            } else {
                State::Chunk(size)
            };
        }
        Ok(count)
    }

    /// The next line without its break, and the bytes of `rest` it took; holds back what has no
    /// break yet.
    fn line(&mut self, rest: &[u8]) -> Result<(Option<Vec<u8>>, Option<usize>), Malformed> {
        let Some(at) = memchr::memchr(b'\n', rest) else {
            self.hold(rest)?;
            return Ok((None, None));
        };
        let mut line = std::mem::take(&mut self.held);
        line.extend_from_slice(&rest[..at]);
        if line.pop() != Some(b'\r') {
            return Err(Malformed::Chunk);
        }
        Ok((Some(line), Some(at + 1)))
    }
}

/// Where a body ends, as its head says.
#[derive(Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    closes: bool,
}

impl Framing {
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = read_decimal(value).ok_or(Malformed::Framing)?;
            if self
                .length
                .replace(length)
                .is_some_and(|before| before != length)
            {
                return Err(Malformed::Framing);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed::Framing);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"connection") {
            for word in value.split(|byte| *byte == b',') {
                self.closes |= word.trim_ascii().eq_ignore_ascii_case(b"close");
                self.closes &= !word.trim_ascii().eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(())
    }
}

fn next_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = memchr::memmem::find(rest, b"\r\n").unwrap_or(rest.len());
    let line = &rest[..end];
    *rest = rest.get(end + 2..).unwrap_or(&[]);
    line
}

fn read_status_line(line: &[u8]) -> Result<(u16, u8), Malformed> {
    let rest = line.strip_prefix(b"HTTP/1.").ok_or(Malformed::StatusLine)?;
    let [minor @ (b'0' | b'1'), b' ', a, b, c, rest @ ..] = rest else {
        return Err(Malformed::StatusLine);
    };
    if !matches!(rest.first(), None | Some(b' ')) {
        return Err(Malformed::StatusLine);
    }
    let status = read_decimal(&[*a, *b, *c]).and_then(|status| u16::try_from(status).ok());
    match status {
        Some(status @ 100..=599) => Ok((status, minor - b'0')),
        _ => Err(Malformed::StatusLine),
    }
}

fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let colon = memchr::memchr(b':', line).ok_or(Malformed::Field)?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() || name.iter().any(|byte| *byte <= b' ') {
        return Err(Malformed::Field);
    }
    Ok((name, value[1..].trim_ascii()))
}

fn read_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')),
    )
}

fn read_hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn take(rest: &[u8], left: u64) -> usize {
    usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()))
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
