//! Decodes the chunked coding as its bytes arrive, copying none of them.
//!
//! Shape: a state machine of one byte a step outside data; inside data it gives ranges of the
//! input. It holds no input, only the name of the trailer being read.
//! Units: bytes. Ranges: chunk sizes of 1 to 16 hexadecimal digits, the sum within the body's
//! limit. Errors: [`BodyFault`]; nothing is repaired: no bare LF, no blank around a size.
//! Extensions and trailers are checked, counted and dropped.
//! Source: RFC 9112 §7.1; RFC 9110 §6.5.

use super::{
    fault::BodyFault,
    known::{FRAMING, IDENTITY, Known, NAME_BYTES_MAX, ROUTING},
    limits::BodyLimits,
    token::{self, BLANK, QUOTED, TOKEN, VALUE},
};

/// What a decoder made of its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// All of the input was used, and none of it is body that was not given yet.
    Need,
    /// `input[skip..skip + len]` is body. Call again with what follows.
    Data { skip: usize, len: usize },
    /// The body is over; `input[consumed..]` belongs to the next message.
    End { consumed: usize },
}

/// The decoder of one body.
///
/// ```text
/// Size ── ; ──> Ext* ─┐            ┌──────────────── next chunk ───────────────┐
///   └─────── CR ──────┴─> SizeLf ──┤ Data ──> DataCr ──> DataLf ──> Size       │
///                                  └ size 0: LineStart ── CR ──> EndLf ──> Done
///                                       ^  └─> Name ─> Value ─> ValueLf ─┐
///                                       └────────────────────────────────┘
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChunkedDecoder {
    limits: BodyLimits,
    state: State,
    digits: u8,
    name_bytes: u8,
    /// The size being read, then the bytes of the chunk still to come.
    chunk_bytes: u64,
    body_bytes: u64,
    extension_bytes: u32,
    trailer_bytes: u32,
    trailers: u32,
    name: [u8; NAME_BYTES_MAX],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Size,
    Ext(Ext),
    SizeLf,
    Data,
    DataCr,
    DataLf,
    LineStart,
    Name,
    Value,
    ValueLf,
    EndLf,
    Done,
}

/// Inside a chunk extension; blanks may stand around names and `=`, not before the line's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ext {
    NameStart,
    Name,
    NameEnd,
    ValueStart,
    Token,
    Quoted,
    QuotedPair,
    QuotedEnd,
    ValueEnd,
}

impl ChunkedDecoder {
    /// A decoder at the start of a body.
    #[must_use]
    pub fn new(limits: BodyLimits) -> ChunkedDecoder {
        ChunkedDecoder {
            limits,
            state: State::Size,
            digits: 0,
            name_bytes: 0,
            chunk_bytes: 0,
            body_bytes: 0,
            extension_bytes: 0,
            trailer_bytes: 0,
            trailers: 0,
            name: [0; NAME_BYTES_MAX],
        }
    }

    /// Reads on in `input`, the bytes behind those of the last step.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, BodyFault> {
        let mut at = 0;
        loop {
            if self.state == State::Done {
                return Ok(Step::End { consumed: at });
            }
            let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) else {
                return Ok(Step::Need);
            };
            if self.state == State::Data {
                return Ok(Step::Data {
                    skip: at,
                    len: self.take(rest.len()),
                });
            }
            self.step(rest[0])?;
            at += 1;
        }
    }

    /// Whether the last trailer's line was read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Body bytes announced so far.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    fn take(&mut self, available: usize) -> usize {
        let wanted = usize::try_from(self.chunk_bytes).unwrap_or(usize::MAX);
        let len = wanted.min(available);
        self.chunk_bytes = self.chunk_bytes.saturating_sub(len as u64);
        if self.chunk_bytes == 0 {
            self.state = State::DataCr;
        }
        len
    }

    fn step(&mut self, byte: u8) -> Result<(), BodyFault> {
        self.state = match (self.state, byte) {
            (State::Size, _) => self.size(byte)?,
            (State::Ext(ext), _) => self.extension(ext, byte)?,
            (State::SizeLf, b'\n') => self.chunk_starts()?,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.digits = 0;
                State::Size
            }
            (State::DataCr | State::DataLf, _) => return Err(BodyFault::ChunkEnd),
            (State::LineStart | State::Name | State::Value, _) => self.trailer(byte)?,
            (State::ValueLf, b'\n') => State::LineStart,
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(BodyFault::BareLineBreak),
        };
        Ok(())
    }

    fn size(&mut self, byte: u8) -> Result<State, BodyFault> {
        match (token::hex_value(byte), byte) {
            (Some(digit), _) if self.digits < SIZE_DIGITS_MAX => {
                self.chunk_bytes = self.chunk_bytes << 4 | u64::from(digit);
                self.digits += 1;
                Ok(State::Size)
            }
            (None, b'\r') if self.digits > 0 => Ok(State::SizeLf),
            (None, b';') if self.digits > 0 => self.extension(Ext::ValueEnd, byte),
            (None, b'\n') => Err(BodyFault::BareLineBreak),
            _ => Err(BodyFault::ChunkSize),
        }
    }

    fn chunk_starts(&mut self) -> Result<State, BodyFault> {
        if self.chunk_bytes == 0 {
            return Ok(State::LineStart);
        }
        self.body_bytes = self.body_bytes.saturating_add(self.chunk_bytes);
        if self.body_bytes > self.limits.body_bytes_max {
            return Err(BodyFault::TooLarge);
        }
        Ok(State::Data)
    }

    fn extension(&mut self, ext: Ext, byte: u8) -> Result<State, BodyFault> {
        let is = |class| token::is(byte, class);
        let next = match (ext, byte) {
            (Ext::NameStart, _) if is(BLANK) => Ext::NameStart,
            (Ext::NameStart | Ext::Name, _) if is(TOKEN) => Ext::Name,
            (Ext::Name | Ext::NameEnd, b'=') => Ext::ValueStart,
            (Ext::Name | Ext::NameEnd, _) if is(BLANK) => Ext::NameEnd,
            (Ext::ValueStart, b'"') => Ext::Quoted,
            (Ext::ValueStart, _) if is(BLANK) => Ext::ValueStart,
            (Ext::ValueStart | Ext::Token, _) if is(TOKEN) => Ext::Token,
            (Ext::Quoted, b'"') => Ext::QuotedEnd,
            (Ext::Quoted, b'\\') => Ext::QuotedPair,
            (Ext::Quoted, _) if is(QUOTED) => Ext::Quoted,
            (Ext::QuotedPair, _) if is(VALUE) => Ext::Quoted,
            (Ext::Token | Ext::QuotedEnd | Ext::ValueEnd, _) if is(BLANK) => Ext::ValueEnd,
            (ended, b';') if ended.is_complete() || ended.is_closed() => Ext::NameStart,
            (ended, b'\r') if ended.is_complete() => return Ok(State::SizeLf),
            (_, b'\n') => return Err(BodyFault::BareLineBreak),
            _ => return Err(BodyFault::ChunkExtension),
        };
        self.extension_bytes = self.extension_bytes.saturating_add(1);
        if self.extension_bytes > self.limits.extension_bytes_max {
            return Err(BodyFault::ChunkExtensionTooLong);
        }
        Ok(State::Ext(next))
    }

    fn trailer(&mut self, byte: u8) -> Result<State, BodyFault> {
        if byte == b'\n' {
            return Err(BodyFault::BareLineBreak);
        }
        self.trailer_bytes = self.trailer_bytes.saturating_add(1);
        let next = match (self.state, byte) {
            (State::LineStart, b'\r') => return Ok(State::EndLf),
            (State::LineStart, _) if token::is(byte, TOKEN) => {
                self.trailers = self.trailers.saturating_add(1);
                self.name_bytes = 0;
                self.keep_name(byte);
                State::Name
            }
            (State::Name, _) if token::is(byte, TOKEN) => {
                self.keep_name(byte);
                State::Name
            }
            (State::Name, b':') => {
                self.check_name()?;
                State::Value
            }
            (State::Value, b'\r') => State::ValueLf,
            (State::Value, _) if token::is(byte, VALUE) => State::Value,
            _ => return Err(BodyFault::Trailer),
        };
        if self.trailers > self.limits.trailers_max
            || self.trailer_bytes > self.limits.trailer_bytes_max
        {
            return Err(BodyFault::TrailersTooLarge);
        }
        Ok(next)
    }

    /// Keeps a name byte with `_` read as `-`; a name longer than any known one counts past the end.
    fn keep_name(&mut self, byte: u8) {
        if let Some(slot) = self.name.get_mut(usize::from(self.name_bytes)) {
            *slot = if byte == b'_' { b'-' } else { byte };
        }
        self.name_bytes = self.name_bytes.saturating_add(1);
    }

    fn check_name(&self) -> Result<(), BodyFault> {
        let name = self.name.get(..usize::from(self.name_bytes)).unwrap_or(&[]);
        if Known::of(name).marks() & (FRAMING | ROUTING | IDENTITY) != 0 {
            return Err(BodyFault::TrailerGuarded);
        }
        Ok(())
    }
}

impl Ext {
    /// Whether the extension may end its line here.
    fn is_complete(self) -> bool {
        matches!(self, Ext::Name | Ext::Token | Ext::QuotedEnd)
    }

    /// Whether, after blanks, another may follow but the line may not end.
    fn is_closed(self) -> bool {
        matches!(self, Ext::NameEnd | Ext::ValueEnd)
    }
}

const SIZE_DIGITS_MAX: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::write::{LAST_CHUNK, chunk_size_line};
    use proptest::prelude::*;

    /// Body, bytes left over when the end was seen, and the fault if any.
    type Outcome = (Vec<u8>, Option<usize>, Option<BodyFault>);

    fn limits() -> BodyLimits {
        BodyLimits {
            body_bytes_max: 100,
            extension_bytes_max: 12,
            trailer_bytes_max: 30,
            trailers_max: 2,
        }
    }

    fn decode(pieces: &[&[u8]]) -> Outcome {
        let mut decoder = ChunkedDecoder::new(limits());
        let mut body = Vec::new();
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut used = 0;
        for piece in pieces {
            let mut rest = *piece;
            loop {
                match decoder.decode(rest) {
                    Err(fault) => return (body, None, Some(fault)),
                    Ok(Step::Need) => break,
                    Ok(Step::Data { skip, len }) => {
                        body.extend_from_slice(&rest[skip..skip + len]);
                        used += skip + len;
                        rest = &rest[skip + len..];
                        continue;
                    }
                    Ok(Step::End { consumed }) => {
                        return (body, Some(total - used - consumed), None);
                    }
                }
            }
            used += rest.len();
        }
        (body, None, None)
    }

    #[test]
    fn bodies_and_faults() {
        use BodyFault::*;
        let ok = |body: &str, left| (body.as_bytes().to_vec(), Some(left), None);
        let open = |body: &str| (body.as_bytes().to_vec(), None, None);
        let bad = |body: &str, fault| (body.as_bytes().to_vec(), None, Some(fault));
        let rows: &[(&str, Outcome)] = &[
            ("0\r\n\r\n", ok("", 0)),
            ("5\r\nhello\r\n0\r\n\r\nGET", ok("hello", 3)),
            ("A\r\n0123456789\r\n00\r\n\r\n", ok("0123456789", 0)),
            ("0000000000000001\r\nx\r\n0\r\n\r\n", ok("x", 0)),
            ("1;a\r\nx\r\n0;b=c\r\n\r\n", ok("x", 0)),
            ("1;a=\"q\\\"\"\r\nx\r\n0\r\n\r\n", ok("x", 0)),
            ("1; a = b ;c\r\nx\r\n0\r\n\r\n", ok("x", 0)),
            ("0\r\na: b\r\nc:\r\n\r\n", ok("", 0)),
            ("5\r\nhel", open("hel")),
            ("5\r\nhello", open("hello")),
            ("0\r\n", open("")),
            ("", open("")),
            ("\r\n", bad("", ChunkSize)),
            ("+5\r\n", bad("", ChunkSize)),
            ("-1\r\n", bad("", ChunkSize)),
            ("0x5\r\n", bad("", ChunkSize)),
            (" 5\r\n", bad("", ChunkSize)),
            ("5 \r\n", bad("", ChunkSize)),
            ("5 ;a\r\n", bad("", ChunkSize)),
            ("1_0\r\n", bad("", ChunkSize)),
            ("5,5\r\n", bad("", ChunkSize)),
            (";a\r\n", bad("", ChunkSize)),
            ("00000000000000001\r\n", bad("", ChunkSize)),
            ("5\n", bad("", BareLineBreak)),
            ("5\r\r\n", bad("", BareLineBreak)),
            ("5;a\n", bad("", BareLineBreak)),
            ("1\r\nx\n0\r\n\r\n", bad("x", ChunkEnd)),
            ("1\r\nxy", bad("x", ChunkEnd)),
            ("1\r\nx\r\r\n", bad("x", ChunkEnd)),
            ("0\r\n\n", bad("", BareLineBreak)),
            ("0\r\n\rx", bad("", BareLineBreak)),
            ("0\r\na: b\n", bad("", BareLineBreak)),
            ("0\r\na: b\rc", bad("", BareLineBreak)),
            ("1;\r\n", bad("", ChunkExtension)),
            ("1;;\r\n", bad("", ChunkExtension)),
            ("1;=b\r\n", bad("", ChunkExtension)),
            ("1;a=\r\n", bad("", ChunkExtension)),
            ("1;a=\"b\r\n", bad("", ChunkExtension)),
            ("1;a=\"b\"c\r\n", bad("", ChunkExtension)),
            ("1;a b\r\n", bad("", ChunkExtension)),
            ("1;a\0\r\n", bad("", ChunkExtension)),
            ("1;a=b \r\n", bad("", ChunkExtension)),
            ("1;abcdefghijk\r\nx", open("x")),
            ("1;abcdefghijkl\r\nx", bad("", ChunkExtensionTooLong)),
            (
                "1;abcdef\r\nx\r\n1;abcdef\r\n",
                bad("x", ChunkExtensionTooLong),
            ),
            ("64\r\n", open("")),
            ("65\r\n", bad("", TooLarge)),
            ("FFFFFFFFFFFFFFFF\r\n", bad("", TooLarge)),
            ("1\r\nx\r\nFFFFFFFFFFFFFFFF\r\n", bad("x", TooLarge)),
            ("0\r\n a: b\r\n", bad("", Trailer)),
            ("0\r\na : b\r\n", bad("", Trailer)),
            ("0\r\n: b\r\n", bad("", Trailer)),
            ("0\r\na\r\n", bad("", Trailer)),
            ("0\r\na: \0\r\n", bad("", Trailer)),
            ("0\r\na: b\r\n c\r\n", bad("", Trailer)),
            ("0\r\nContent-Length: 5\r\n", bad("", TrailerGuarded)),
            ("0\r\nhost: a\r\n", bad("", TrailerGuarded)),
            ("0\r\nAuthorization: a\r\n", bad("", TrailerGuarded)),
            ("0\r\ntransfer_encoding: a\r\n", bad("", TrailerGuarded)),
            ("0\r\na:\r\nb:\r\nc:\r\n\r\n", bad("", TrailersTooLarge)),
            (
                "0\r\na: 4567890123456789012345678901\r\n",
                bad("", TrailersTooLarge),
            ),
        ];
        for (given, expected) in rows {
            assert_eq!(decode(&[given.as_bytes()]), *expected, "{given:?}");
        }
    }

    #[test]
    fn a_long_trailer_name_is_not_a_known_one() {
        let long = format!("0\r\nhost{}:\r\n", "x".repeat(300));
        let mut decoder = ChunkedDecoder::new(BodyLimits::default());
        assert_eq!(decoder.decode(long.as_bytes()), Ok(Step::Need));
    }

    fn pieces<'a>(given: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (given.len() + 1)).collect();
        ends.push(given.len());
        ends.sort_unstable();
        let mut from = 0;
        ends.into_iter()
            .map(|end| &given[std::mem::replace(&mut from, end)..end])
            .collect()
    }

    proptest! {
        #[test]
        fn any_cut_decodes_the_same(
            given in "([0-3](;[a\" =]{0,4})?(\r\n|\n)[x\r]{0,3}\r\n){0,4}0\r\n([a-c:]{1,3}: ?v?\r\n){0,3}(\r\n)?G{0,3}",
            cuts in proptest::collection::vec(0usize..100, 0..10),
        ) {
            let whole = decode(&[given.as_bytes()]);
            prop_assert_eq!(whole, decode(&pieces(given.as_bytes(), &cuts)));
        }

        #[test]
        fn what_was_encoded_decodes(
            chunks in proptest::collection::vec("[a-z]{1,20}", 0..5),
            cuts in proptest::collection::vec(0usize..200, 0..10),
        ) {
            let mut encoded = Vec::new();
            for chunk in &chunks {
                let mut line = [0; 18];
                encoded.extend_from_slice(chunk_size_line(chunk.len() as u64, &mut line));
                encoded.extend_from_slice(chunk.as_bytes());
                encoded.extend_from_slice(b"\r\n");
            }
            encoded.extend_from_slice(LAST_CHUNK);
            let expected = (chunks.concat().into_bytes(), Some(0), None);
            prop_assert_eq!(decode(&pieces(&encoded, &cuts)), expected);
        }
    }
}
