//! Writing peer-made text into one log line so that it can end neither its field nor the line.
//!
//! Shape: [`Line`] is a cursor over a fixed slice; [`Escape`] says what surrounds the value.
//! Units and ranges: `bytes_max` bounds the bytes written for one value, never cutting an escape
//! or a character in two. Values may be any bytes.
//! Errors: a line that does not fit sets [`Line::overflowed`]; what was written is then useless.
//! Source: RFC 8259 section 7 (JSON strings); nginx `log_format` for `\xHH` in plain text; XML 1.0
//! section 2.4. C1 controls, line and paragraph separators and direction overrides are escaped too,
//! since terminals and line splitters obey them.

/// What a value is written into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Escape {
    /// Inside a JSON string.
    Json,
    /// XML text or attribute.
    Xml,
    /// Plain text; the byte (0 for none) is the separator that follows the field.
    Plain(u8),
}

/// A line under construction in a slice that never grows.
pub(super) struct Line<'a> {
    out: &'a mut [u8],
    used_bytes: usize,
    overflowed: bool,
}

impl<'a> Line<'a> {
    pub(super) fn new(out: &'a mut [u8]) -> Line<'a> {
        Line {
            out,
            used_bytes: 0,
            overflowed: false,
        }
    }

    /// Bytes written, or `None` when something did not fit.
    pub(super) fn finish(self) -> Option<usize> {
        (!self.overflowed).then_some(self.used_bytes)
    }

    /// Whether something did not fit.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let end = self.used_bytes.saturating_add(bytes.len());
        match self.out.get_mut(self.used_bytes..end) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.used_bytes = end;
            }
            None => self.overflowed = true,
        }
    }

    /// Decimal digits of `number`.
    pub(super) fn put_number(&mut self, mut number: u64) {
        let mut digits = [0u8; 20];
        let mut from = digits.len();
        for place in digits.iter_mut().rev() {
            #[allow(clippy::cast_possible_truncation)] // Below ten.
            let digit = (number % 10) as u8;
            *place = b'0' + digit;
            from -= 1;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.put(digits.get(from..).unwrap_or_default());
    }

    /// `value`, escaped, cut so that at most `bytes_max` bytes are written.
    #[inline]
    pub(super) fn put_value(&mut self, value: &[u8], escape: Escape, bytes_max: usize) {
        if is_clean(value, escape) {
            self.put(value.get(..bytes_max).unwrap_or(value));
        } else {
            self.put_value_escaped(value, escape, bytes_max);
        }
    }

    #[cold]
    fn put_value_escaped(&mut self, value: &[u8], escape: Escape, bytes_max: usize) {
        let mut left = bytes_max;
        for chunk in value.utf8_chunks() {
            for c in chunk.valid().chars() {
                if !self.put_piece(&Piece::of_char(c, escape), &mut left) {
                    return;
                }
            }
            for byte in chunk.invalid() {
                if !self.put_piece(&Piece::of_stray(*byte, escape), &mut left) {
                    return;
                }
            }
        }
    }

    fn put_piece(&mut self, piece: &Piece, left: &mut usize) -> bool {
        let bytes = piece.bytes.get(..piece.len).unwrap_or_default();
        if bytes.len() > *left || self.overflowed {
            return false;
        }
        *left -= bytes.len();
        self.put(bytes);
        true
    }
}

/// One character in print: itself or its escape.
struct Piece {
    bytes: [u8; PIECE_BYTES],
    len: usize,
}

impl Piece {
    fn of_char(c: char, escape: Escape) -> Piece {
        let mut utf8 = [0u8; 4];
        let raw: &[u8] = c.encode_utf8(&mut utf8).as_bytes();
        let mut piece = Piece {
            bytes: [0; PIECE_BYTES],
            len: 0,
        };
        match escape {
            Escape::Json => match c {
                '"' => piece.push(b"\\\""),
                '\\' => piece.push(b"\\\\"),
                '\n' => piece.push(b"\\n"),
                '\r' => piece.push(b"\\r"),
                '\t' => piece.push(b"\\t"),
                c if is_tricky(c) => piece.push_unicode(u32::from(c)),
                _ => piece.push(raw),
            },
            Escape::Xml => match c {
                '"' => piece.push(b"&quot;"),
                '&' => piece.push(b"&amp;"),
                '\'' => piece.push(b"&apos;"),
                '<' => piece.push(b"&lt;"),
                '>' => piece.push(b"&gt;"),
                '\u{fffe}' | '\u{ffff}' => piece.push_hex(raw),
                c if is_tricky(c) => piece.push_hex(raw),
                _ => piece.push(raw),
            },
            Escape::Plain(separator) => match c {
                '"' | '\\' => piece.push_hex(raw),
                ' '..='~' if !(separator != 0 && raw == [separator]) => piece.push(raw),
                _ => piece.push_hex(raw),
            },
        }
        piece
    }

    /// A byte that is no part of a UTF-8 character. JSON knows no bytes: it is shown as the
    /// character of the same number.
    fn of_stray(byte: u8, escape: Escape) -> Piece {
        let mut piece = Piece {
            bytes: [0; PIECE_BYTES],
            len: 0,
        };
        match escape {
            Escape::Json => piece.push_unicode(u32::from(byte)),
            Escape::Xml | Escape::Plain(_) => piece.push_hex(&[byte]),
        }
        piece
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        let place = self.bytes.get_mut(self.len..end);
        debug_assert!(place.is_some(), "PIECE_BYTES holds every escape");
        if let Some(place) = place {
            place.copy_from_slice(bytes);
            self.len = end;
        }
    }

    fn push_hex(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(&[b'\\', b'x', hex(byte >> 4), hex(*byte)]);
        }
    }

    fn push_unicode(&mut self, code: u32) {
        let [_, _, high, low] = code.to_be_bytes();
        self.push(b"\\u");
        self.push(&[hex(high >> 4), hex(high), hex(low >> 4), hex(low)]);
    }
}

/// Characters below U+10000 that steer a terminal, a line splitter or the reading direction.
fn is_tricky(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn hex(nibble: u8) -> u8 {
    let nibble = nibble & 15;
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + nibble - 10
    }
}

/// Whether every byte may stand as it is: printable ASCII without the marks of `escape`.
#[inline]
fn is_clean(value: &[u8], escape: Escape) -> bool {
    let common = is_clean_common(value);
    match escape {
        Escape::Json | Escape::Plain(0) => common,
        Escape::Plain(separator) => common && !value.contains(&separator),
        Escape::Xml => {
            common
                && !value
                    .iter()
                    .any(|b| matches!(b, b'&' | b'\'' | b'<' | b'>'))
        }
    }
}

/// Printable ASCII without `"` and `\`, eight bytes at a time, the last word overlapping.
#[inline]
fn is_clean_common(value: &[u8]) -> bool {
    let Some(last) = value.last_chunk::<8>() else {
        return value
            .iter()
            .all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\'));
    };
    let mut marks = word_marks(u64::from_le_bytes(*last));
    let (words, _) = value.as_chunks::<8>();
    for word in words {
        marks |= word_marks(u64::from_le_bytes(*word));
    }
    marks == 0
}

/// Not zero when a byte of `word` is a control, `"`, `\`, or 0x7F and above.
#[inline]
fn word_marks(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let slash = word ^ (ONES * 0x5c);
    let delete = word ^ (ONES * 0x7f);
    let zero = |w: u64| w.wrapping_sub(ONES) & !w;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | zero(quote) | zero(slash) | zero(delete) | word) & HIGHS
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
/// Four bytes of a character, each as `\xHH`.
const PIECE_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &[u8], escape: Escape, bytes_max: usize) -> Vec<u8> {
        let mut out = [0u8; 256];
        let mut line = Line::new(&mut out);
        line.put_value(value, escape, bytes_max);
        let used = line.finish().expect("fits");
        out[..used].to_vec()
    }

    #[test]
    fn values_print_escaped() {
        use Escape::{Json, Plain, Xml};
        let rows: &[(&[u8], Escape, usize, &str)] = &[
            (b"plain", Json, 99, "plain"),
            (b"a\"b\\c", Json, 99, r#"a\"b\\c"#),
            (
                b"a\n\r\t\x00\x1b\x7f",
                Json,
                99,
                r"a\n\r\t\u0000\u001b\u007f",
            ),
            ("é€😀".as_bytes(), Json, 99, "é€😀"),
            (
                "\u{85}\u{2028}\u{202e}".as_bytes(),
                Json,
                99,
                r"\u0085\u2028\u202e",
            ),
            (b"\xff\xc3", Json, 99, r"\u00ff\u00c3"),
            (b"0123456789", Json, 4, "0123"),
            ("aé".as_bytes(), Json, 2, "a"),
            (b"a\"b", Json, 2, "a"),
            (b"a\"b", Json, 3, "a\\\""),
            (
                b"<a b='c' d=\"&\">",
                Xml,
                99,
                "&lt;a b=&apos;c&apos; d=&quot;&amp;&quot;&gt;",
            ),
            (b"a\nb\xff", Xml, 99, r"a\x0ab\xff"),
            (b"a \"b\" \\", Plain(0), 99, r"a \x22b\x22 \x5c"),
            (b"a b,c", Plain(b' '), 99, r"a\x20b,c"),
            (b"a b,c", Plain(b','), 99, r"a b\x2cc"),
            ("é".as_bytes(), Plain(0), 99, r"\xc3\xa9"),
        ];
        for (value, escape, bytes_max, expected) in rows {
            let got = written(value, *escape, *bytes_max);
            assert_eq!(
                String::from_utf8_lossy(&got),
                *expected,
                "{value:?} {escape:?}"
            );
        }
    }

    #[test]
    fn the_word_scan_agrees_with_the_byte_scan() {
        for byte in 0..=255u8 {
            let slow = matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
            for len in [1, 7, 8, 9, 15, 16, 17, 31] {
                for at in 0..len {
                    let mut value = vec![b'a'; len];
                    value[at] = byte;
                    assert_eq!(is_clean_common(&value), slow, "{byte:#x} at {at} of {len}");
                }
            }
        }
        assert!(is_clean_common(b""));
    }

    #[test]
    fn numbers_print_in_decimal() {
        for number in [0, 9, 10, 200, 65_535, u64::MAX] {
            let mut out = [0u8; 32];
            let mut line = Line::new(&mut out);
            line.put_number(number);
            let used = line.finish().expect("fits");
            assert_eq!(out[..used], *number.to_string().as_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let mut out = [0u8; 4];
        let mut line = Line::new(&mut out);
        line.put(b"12345");
        line.put(b"1");
        assert!(line.overflowed());
        assert_eq!(line.finish(), None);
    }
}
