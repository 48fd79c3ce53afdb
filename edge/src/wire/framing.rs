//! Reads the fields of a head once and decides what they mean together.
//!
//! Shape: httparse's tokens in, [`Fields`] and `Facts` out; requests and responses share it.
//! Units: bytes for lengths. Ranges: Content-Length up to 2^63 - 1. Errors: every doubt about
//! where a message ends is a [`HeadFault`]; nothing is repaired.
//! Source: RFC 9112 §6, §7.1, §9.3, §9.6; RFC 9110 §7.6.1, §7.8, §8.6, §10.1.1.

use super::{
    fault::HeadFault,
    fields::Fields,
    known::{END_TO_END, FRAMING, Known},
    span::Span,
    token,
};

/// Where the body of a message ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Framing {
    /// There is none.
    #[default]
    None,
    /// After this many bytes.
    Length(u64),
    /// After the last chunk and its trailers.
    Chunked,
    /// With the connection; responses only.
    UntilClose,
}

/// Whose head it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Request,
    Response,
}

/// What the fields say together.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) host: Option<Span>,
    pub(super) content_length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) expect_continue: bool,
    /// Connection names Upgrade, and an Upgrade field is there.
    pub(super) upgrade: bool,
    /// Upgrade lists `websocket`.
    pub(super) websocket: bool,
    connection_upgrade: bool,
    named_known: u128,
    named_other: [Span; NAMED_OTHER_MAX],
    named_other_count: usize,
}

impl Facts {
    /// Reads `raw`, slices of `bytes`, into `fields`.
    pub(super) fn collect(
        bytes: &[u8],
        raw: &[httparse::Header<'_>],
        role: Role,
        fields: &mut Fields,
    ) -> Result<Facts, HeadFault> {
        let mut facts = Facts::default();
        fields.clear();
        fields.reserve(raw.len());
        for header in raw {
            let name = Span::within(bytes, header.name.as_bytes()).ok_or(HeadFault::NotWhole)?;
            let value = Span::within(bytes, header.value).ok_or(HeadFault::NotWhole)?;
            // httparse takes a bare LF for a line end; we do not.
            if bytes.get(name.at().wrapping_sub(2)..name.at()) != Some(b"\r\n") {
                return Err(HeadFault::BareLineBreak);
            }
            let (known, marks) = Known::with_marks(header.name.as_bytes());
            let again = fields.push(name, value, known, marks);
            if known == Known::Other {
                check_disguise(header.name.as_bytes(), role)?;
            } else if marks & FRAMING != 0 {
                facts.read(bytes, known, value, again, role)?;
            }
        }
        facts.upgrade = facts.connection_upgrade && fields.has(Known::Upgrade);
        facts.websocket &= facts.upgrade;
        if fields.has(Known::TransferEncoding) && fields.has(Known::ContentLength) {
            return Err(HeadFault::FramingConflict);
        }
        facts.mark(bytes, fields);
        Ok(facts)
    }

    fn read(
        &mut self,
        bytes: &[u8],
        known: Known,
        value: Span,
        again: bool,
        role: Role,
    ) -> Result<(), HeadFault> {
        let text = value.of(bytes);
        match known {
            Known::Host if role == Role::Request => {
                if again {
                    return Err(HeadFault::HostRepeated);
                }
                self.host = Some(value);
            }
            Known::ContentLength => {
                if again {
                    return Err(HeadFault::ContentLengthRepeated);
                }
                let length = parse_length(text).ok_or(HeadFault::ContentLengthInvalid)?;
                self.content_length = Some(length);
            }
            Known::TransferEncoding => {
                if again {
                    return Err(HeadFault::TransferEncodingInvalid);
                }
                check_coding(text)?;
                self.chunked = true;
            }
            Known::Connection => self.read_connection(bytes, text, role)?,
            Known::Upgrade => {
                self.websocket |=
                    token::list(text).any(|word| word.eq_ignore_ascii_case(b"websocket"));
            }
            Known::Expect if role == Role::Request => {
                if again || !text.eq_ignore_ascii_case(b"100-continue") {
                    return Err(HeadFault::ExpectUnknown);
                }
                self.expect_continue = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn read_connection(&mut self, bytes: &[u8], text: &[u8], role: Role) -> Result<(), HeadFault> {
        // An origin may keep what is its own from the client, but not the end of a message.
        let guarded = match role {
            Role::Request => Known::NOT_PER_HOP,
            Role::Response => END_TO_END,
        };
        if Known::of(text) == Known::KeepAlive {
            // By far the most common value, and alone.
            self.keep_alive = true;
            self.named_known |= Known::KeepAlive.bit();
            return Ok(());
        }
        for word in token::list(text) {
            if word.eq_ignore_ascii_case(b"close") {
                self.close = true;
                continue;
            }
            let known = Known::of(word);
            match known {
                Known::KeepAlive => self.keep_alive = true,
                Known::Upgrade => self.connection_upgrade = true,
                Known::Other => self.name_other(bytes, word, guarded)?,
                _ if known.marks() & guarded != 0 => {
                    return Err(HeadFault::ConnectionNamesGuarded);
                }
                _ => {}
            }
            self.named_known |= known.bit();
        }
        Ok(())
    }

    fn name_other(&mut self, bytes: &[u8], word: &[u8], guarded: u8) -> Result<(), HeadFault> {
        if !token::is_token(word) {
            return Err(HeadFault::ConnectionInvalid);
        }
        let is_guarded = Known::of_disguised(word).marks() & guarded != 0;
        let span = Span::within(bytes, word).ok_or(HeadFault::NotWhole)?;
        let slot = self.named_other.get_mut(self.named_other_count);
        match slot {
            Some(slot) if !is_guarded => *slot = span,
            Some(_) => return Err(HeadFault::ConnectionNamesGuarded),
            // Every name costs a look at every field: an honest peer names two or three.
            None => return Err(HeadFault::ConnectionInvalid),
        }
        self.named_other_count += 1;
        Ok(())
    }

    fn mark(&self, bytes: &[u8], fields: &mut Fields) {
        if self.named_known != 0 {
            fields.mark_known(self.named_known);
        }
        for name in self.named_other.iter().take(self.named_other_count) {
            fields.mark_named(bytes, name.of(bytes));
        }
    }

    /// Whether the connection may carry another message after this one.
    pub(super) fn stays_open(&self, minor: u8) -> bool {
        !self.close && (minor > 0 || self.keep_alive)
    }
}

/// Names that an origin reading `_` as `-`, as CGI does, takes for one it trusts. Responses end at
/// us, so there only framing counts.
fn check_disguise(name: &[u8], role: Role) -> Result<(), HeadFault> {
    let guarded = match role {
        Role::Request => Known::GUARDED,
        Role::Response => FRAMING,
    };
    if name.contains(&b'_') && Known::of_disguised(name).marks() & guarded != 0 {
        return Err(HeadFault::FieldDisguised);
    }
    Ok(())
}

/// A Content-Length: digits alone, no leading zero but `0` itself, at most 2^63 - 1.
fn parse_length(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > LENGTH_DIGITS_MAX || (text.len() > 1 && text[0] == b'0') {
        return None;
    }
    let mut length: u64 = 0;
    for &digit in text {
        if !digit.is_ascii_digit() {
            return None;
        }
        length = length
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    (length <= LENGTH_MAX).then_some(length)
}

/// Accepts `chunked` alone. A well-formed list that ends in `chunked`, or one other coding, is
/// something we do not implement; all else leaves the end of the message in doubt.
fn check_coding(text: &[u8]) -> Result<(), HeadFault> {
    if text.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let is_chunked = |word: &[u8]| word.eq_ignore_ascii_case(b"chunked");
    let mut words = text.split(|&byte| byte == b',').map(token::trim).peekable();
    while let Some(word) = words.next() {
        let is_last = words.peek().is_none();
        if !token::is_token(word) || (is_chunked(word) && !is_last) {
            return Err(HeadFault::TransferEncodingInvalid);
        }
    }
    Err(HeadFault::TransferCodingUnknown)
}

const LENGTH_MAX: u64 = i64::MAX.unsigned_abs();
const LENGTH_DIGITS_MAX: usize = 19;
const NAMED_OTHER_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_plain_numbers() {
        let rows: &[(&str, Option<u64>)] = &[
            ("0", Some(0)),
            ("5", Some(5)),
            ("9223372036854775807", Some(LENGTH_MAX)),
            ("9223372036854775808", None),
            ("18446744073709551616", None),
            ("99999999999999999999999999", None),
            ("", None),
            ("00", None),
            ("05", None),
            ("+5", None),
            ("-1", None),
            ("5 ", None),
            ("5,5", None),
            ("0x5", None),
            ("5e1", None),
            ("5.0", None),
        ];
        for (given, expected) in rows {
            assert_eq!(parse_length(given.as_bytes()), *expected, "{given:?}");
        }
    }

    #[test]
    fn codings_are_one_chunked() {
        use HeadFault::{TransferCodingUnknown, TransferEncodingInvalid};
        let rows: &[(&str, Result<(), HeadFault>)] = &[
            ("chunked", Ok(())),
            ("CHUNKED", Ok(())),
            ("gzip", Err(TransferCodingUnknown)),
            ("identity", Err(TransferCodingUnknown)),
            ("xchunked", Err(TransferCodingUnknown)),
            ("gzip, chunked", Err(TransferCodingUnknown)),
            ("", Err(TransferEncodingInvalid)),
            ("chunked, chunked", Err(TransferEncodingInvalid)),
            ("chunked, gzip", Err(TransferEncodingInvalid)),
            ("chunked,", Err(TransferEncodingInvalid)),
            (",chunked", Err(TransferEncodingInvalid)),
            ("chunked;q=1", Err(TransferEncodingInvalid)),
            ("\"chunked\"", Err(TransferEncodingInvalid)),
            ("chunked chunked", Err(TransferEncodingInvalid)),
        ];
        for (given, expected) in rows {
            assert_eq!(check_coding(given.as_bytes()), *expected, "{given:?}");
        }
    }
}
