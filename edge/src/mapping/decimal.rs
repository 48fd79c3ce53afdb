//! Numbers as decimal digits: read as JSON writes them, written as Java writes them.
//!
//! Shape: [`read`] takes a number from the start of a text, [`skim`] only says how far it goes,
//! [`integer`] and [`double`] append to one. Short decimals take a way of their own, in which one
//! division or multiplication of exact doubles gives the exact result. Units: bytes, digits. Errors:
//! none; what is no number is `None`. Source: RFC 8259 section 6; Java's `Double.toString`; Clinger,
//! "How to Read Floating Point Numbers Accurately".

use super::value::small;
use std::fmt::Write;

/// A number that was read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
    /// Longer than either holds; its text is kept.
    Long,
}

/// A number at the start of a text.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Read {
    pub(super) number: Number,
    pub(super) bytes: usize,
    /// It is known to be written as it prints.
    pub(super) is_as_written: bool,
}

/// A number that was seen at the start of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub(super) bytes: u32,
    /// It is known to be written as it prints.
    pub(super) is_as_written: bool,
}

/// As [`read`], for whoever does not need the number.
#[inline]
pub(super) fn skim(text: &[u8]) -> Option<Seen> {
    let (is_negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (before, rest) = match unsigned {
        [b'0', rest @ ..] => (0, rest),
        _ => past_digits(unsigned)?,
    };
    if let [b'.' | b'e' | b'E', ..] = rest {
        return skim_decimal(text, before, rest);
    }
    Some(Seen {
        bytes: small(text.len().wrapping_sub(rest.len())),
        is_as_written: !is_negative || before > 0,
    })
}

/// The number at the start of `text`, of whose digits those before `rest` were passed; a leading
/// zero is none of them.
fn skim_decimal(text: &[u8], before: usize, rest: &[u8]) -> Option<Seen> {
    let (mut fraction, mut rest): (&[u8], _) = (&[], rest);
    if let [b'.', after @ ..] = rest {
        let (count, behind) = past_digits(after)?;
        fraction = after.get(..count)?;
        rest = behind;
    }
    let mut is_scaled = false;
    if let [b'e' | b'E', after @ ..] = rest {
        is_scaled = true;
        let unsigned = match after {
            [b'+' | b'-', after @ ..] => after,
            _ => after,
        };
        rest = past_digits(unsigned)?.1;
    }
    let bytes = text.len().wrapping_sub(rest.len());
    let is_short = fraction.len() == 1 || fraction.last() != Some(&b'0');
    // A double of this size prints without an exponent: it is zero, or not near it.
    let has_size = before > 0 || fraction.len() == 1 || fraction.iter().take(3).any(|d| *d != b'0');
    let is_plain = has_size && before <= PLAIN_DIGITS_MAX;
    let is_exact = before.wrapping_add(fraction.len()) <= EXACT_DIGITS_MAX;
    Some(Seen {
        bytes: small(bytes),
        is_as_written: bytes > DOUBLE_BYTES_MAX || !is_scaled && is_short && is_plain && is_exact,
    })
}

/// How many digits a text begins with, at least one, and what follows.
#[inline(always)]
fn past_digits(text: &[u8]) -> Option<(usize, &[u8])> {
    let mut rest = text;
    while let [b'0'..=b'9', after @ ..] = rest {
        rest = after;
    }
    let count = text.len().wrapping_sub(rest.len());
    (count > 0).then_some((count, rest))
}

/// The number at the start of `text`.
pub(super) fn read(text: &[u8]) -> Option<Read> {
    let (is_negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut digits = Digits::default();
    let rest = match unsigned {
        [b'0', rest @ ..] => rest,
        _ => digits.take(unsigned)?,
    };
    if let [b'.' | b'e' | b'E', ..] = rest {
        return read_decimal(text, is_negative, digits, rest);
    }
    let bytes = text.len().saturating_sub(rest.len());
    let number = if digits.count <= INT_DIGITS_MAX {
        Number::Int(signed(is_negative, digits.value))
    } else {
        said(text, bytes)
            .and_then(|said| said.parse().ok())
            .map_or(Number::Long, Number::Int)
    };
    Some(Read {
        number,
        bytes,
        is_as_written: !is_negative || digits.value != 0,
    })
}

/// The number at the start of `text`, whose digits before `rest` were read.
fn read_decimal(text: &[u8], is_negative: bool, before: Digits, rest: &[u8]) -> Option<Read> {
    let mut digits = before;
    let mut rest = rest;
    if let [b'.', after @ ..] = rest {
        rest = digits.take(after)?;
    }
    let fraction = digits.count.wrapping_sub(before.count);
    let mut is_scaled = false;
    if let [b'e' | b'E', after @ ..] = rest {
        is_scaled = true;
        let unsigned = match after {
            [b'+' | b'-', after @ ..] => after,
            _ => after,
        };
        rest = Digits::default().take(unsigned)?;
    }
    let bytes = text.len().saturating_sub(rest.len());
    let long = Read {
        number: Number::Long,
        bytes,
        is_as_written: true,
    };
    if bytes > DOUBLE_BYTES_MAX {
        return Some(long);
    }
    if let Some(power) = POWERS_OF_TEN.get(fraction)
        && digits.count <= EXACT_DIGITS_MAX
        && !is_scaled
    {
        let size = exact(digits.value) / power;
        let is_short = fraction == 1 || !digits.value.is_multiple_of(10);
        return Some(Read {
            number: Number::Double(if is_negative { -size } else { size }),
            bytes,
            is_as_written: is_short && is_plain(size),
        });
    }
    let number = said(text, bytes).and_then(|said| said.parse().ok());
    Some(number.map_or(long, |number| Read {
        number: Number::Double(number),
        bytes,
        is_as_written: false,
    }))
}

fn said(text: &[u8], bytes: usize) -> Option<&str> {
    str::from_utf8(text.get(..bytes)?).ok()
}

/// Whether Java prints a double without an exponent.
fn is_plain(value: f64) -> bool {
    value == 0.0 || (1e-3..1e7).contains(&value.abs())
}

/// Digits as they are read.
#[derive(Clone, Copy, Default)]
struct Digits {
    /// Their value; past nineteen of them, nonsense.
    value: u64,
    count: usize,
}

impl Digits {
    /// Takes digits, at least one, and gives what follows.
    fn take<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        let mut rest = text;
        while let [digit @ b'0'..=b'9', after @ ..] = rest {
            let digit = u64::from(digit.wrapping_sub(b'0'));
            self.value = self.value.wrapping_mul(10).wrapping_add(digit);
            rest = after;
        }
        self.count = self.count.wrapping_add(text.len().wrapping_sub(rest.len()));
        (rest.len() < text.len()).then_some(rest)
    }
}

fn signed(is_negative: bool, digits: u64) -> i64 {
    let value = i64::try_from(digits).unwrap_or(i64::MAX);
    if is_negative {
        value.wrapping_neg()
    } else {
        value
    }
}

/// Up to fifteen digits as a double, which holds them exactly.
#[allow(clippy::cast_precision_loss)] // there is none
fn exact(digits: u64) -> f64 {
    digits as f64
}

/// Appends an integer.
pub(super) fn integer(out: &mut String, value: i64) {
    if value < 0 {
        out.push('-');
    }
    unsigned(out, value.unsigned_abs());
}

fn unsigned(out: &mut String, value: u64) {
    let mut room = [0; U64_DIGITS];
    let mut rest = value;
    let mut count: usize = 0;
    for place in room.iter_mut().rev() {
        *place = digit(rest);
        count = count.wrapping_add(1);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    for digit in room.iter().skip(U64_DIGITS.wrapping_sub(count)) {
        out.push(char::from(*digit));
    }
}

/// The last digit of a number, as text.
#[inline(always)]
fn digit(number: u64) -> u8 {
    b'0'.wrapping_add((number % 10).to_le_bytes()[0])
}

/// Appends a double as `Double.toString` does: plain from 0.001 to 10,000,000.
pub(super) fn double(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else if is_plain(value) {
        if !short(out, value) {
            let _ = write!(out, "{value:?}");
        }
    } else {
        // Rust writes 1e-5 and 1.25e10 where Java writes 1.0E-5 and 1.25E10.
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        out.push_str(digits);
        if !digits.contains('.') {
            out.push_str(".0");
        }
        out.push('E');
        out.push_str(exponent);
    }
}

/// Appends a double below 10,000,000 that is the nearest to a decimal of few digits behind the
/// point; others are left. Decimals of up to fifteen digits are all nearest to doubles of their
/// own, so that decimal is the shortest text that means the double.
fn short(out: &mut String, value: f64) -> bool {
    let size = value.abs();
    let scaled = whole(size * SHORT_SCALE + 0.5);
    if exact(scaled) / SHORT_SCALE != size {
        return false;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    unsigned(out, scaled / SHORT_UNITS);
    out.push('.');
    let mut rest = scaled % SHORT_UNITS;
    for unit in SHORT_PLACES {
        out.push(char::from(digit(rest / unit)));
        rest %= unit;
        if rest == 0 {
            break;
        }
    }
    true
}

/// What stands before the point of a double that is not negative and below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(value: f64) -> u64 {
    value as u64
}

/// Digits that 64 bits hold whatever they are.
const INT_DIGITS_MAX: usize = 18;
/// Digits that a double holds exactly whatever they are.
const EXACT_DIGITS_MAX: usize = 15;
/// Longer decimals keep their text, as the Java library makes big decimals of them.
const DOUBLE_BYTES_MAX: usize = 18;
/// Digits before the point of a double that prints without an exponent.
const PLAIN_DIGITS_MAX: usize = 7;
/// Digits of the largest number of 64 bits.
const U64_DIGITS: usize = 20;
/// Bytes of the longest integer of 64 bits: nineteen digits and a sign.
pub(super) const INT_BYTES_MAX: u32 = 20;
/// Powers that doubles hold exactly, as far as fifteen digits need them.
const POWERS_OF_TEN: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];
/// Places behind the point that are written without looking for the shortest text.
const SHORT_PLACES: [u64; 6] = [100_000, 10_000, 1_000, 100, 10, 1];
const SHORT_UNITS: u64 = 1_000_000;
const SHORT_SCALE: f64 = 1e6;

// Seven digits before the point and these behind it are exact.
const _: () = assert!(PLAIN_DIGITS_MAX + SHORT_PLACES.len() <= EXACT_DIGITS_MAX);
const _: () = assert!(EXACT_DIGITS_MAX < POWERS_OF_TEN.len());
const _: () = assert!(DOUBLE_BYTES_MAX <= INT_BYTES_MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    fn as_seen(read: Read) -> Seen {
        Seen {
            bytes: small(read.bytes),
            is_as_written: read.is_as_written,
        }
    }

    #[test]
    fn numbers_are_read_up_to_where_they_end() {
        let rows = [
            ("0", Some((Number::Int(0), 1))),
            ("-0", Some((Number::Int(0), 2))),
            ("01", Some((Number::Int(0), 1))),
            ("12,", Some((Number::Int(12), 2))),
            ("-12]", Some((Number::Int(-12), 3))),
            (
                "999999999999999999",
                Some((Number::Int(999_999_999_999_999_999), 18)),
            ),
            ("9223372036854775807", Some((Number::Int(i64::MAX), 19))),
            ("-9223372036854775808", Some((Number::Int(i64::MIN), 20))),
            ("9223372036854775808", Some((Number::Long, 19))),
            ("19.95}", Some((Number::Double(19.95), 5))),
            ("-0.0", Some((Number::Double(-0.0), 4))),
            ("0.001", Some((Number::Double(0.001), 5))),
            ("1e2", Some((Number::Double(100.0), 3))),
            ("1E+2", Some((Number::Double(100.0), 4))),
            ("1.5e-3 ", Some((Number::Double(0.0015), 6))),
            ("1e999", Some((Number::Double(f64::INFINITY), 5))),
            (
                "1234567890123.456",
                Some((Number::Double(1_234_567_890_123.456), 17)),
            ),
            (
                "0.3333333333333333",
                Some((Number::Double(0.333_333_333_333_333_3), 18)),
            ),
            ("0.33333333333333333", Some((Number::Long, 19))),
            ("", None),
            ("-", None),
            ("+1", None),
            ("1.", None),
            ("1.e1", None),
            ("1e", None),
            ("1e+", None),
            (".5", None),
            ("-a", None),
        ];
        for (text, expected) in rows {
            let found = read(text.as_bytes());
            assert_eq!(
                found.map(|found| (found.number, found.bytes)),
                expected,
                "{text}"
            );
            assert_eq!(skim(text.as_bytes()), found.map(as_seen), "{text}");
        }
    }

    #[test]
    fn short_ways_say_what_long_ways_say() {
        // A generator of its own, so that every run reads the same numbers.
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut as_written = 0;
        for round in 0..200_000_u64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (digits, places) = (
                (state >> 8) % 10_u64.pow(1 + (round % 16) as u32),
                usize::try_from(round % 17).expect("small"),
            );
            let text = format!("{}e-{places}", digits);
            let value: f64 = text.parse().expect("a number");
            let text = format!("{value:.*}", places);
            if text.contains('.') && text.len() <= DOUBLE_BYTES_MAX {
                let expected: f64 = text.parse().expect("a number");
                let found = read(text.as_bytes()).expect("a number");
                assert_eq!(found.number, Number::Double(expected), "{text}");
                assert_eq!(skim(text.as_bytes()), Some(as_seen(found)), "{text}");
                let mut printed = String::new();
                double(&mut printed, expected);
                assert!(!found.is_as_written || printed == text, "{text}");
                as_written += usize::from(found.is_as_written);
            }
            for value in [value, -value, f64::from_bits(value.to_bits() + 1)] {
                if (1e-3..1e7).contains(&value.abs()) {
                    let mut made = String::new();
                    double(&mut made, value);
                    assert_eq!(made, format!("{value:?}"));
                }
            }
            let number = (state >> (round % 64)) as i64;
            for number in [number, number.wrapping_neg()] {
                let mut made = String::new();
                integer(&mut made, number);
                assert_eq!(made, number.to_string());
            }
        }
        assert!(
            as_written > 10_000,
            "{as_written} are known to be written as they print"
        );
    }

    #[test]
    fn doubles_print_as_java_prints_them() {
        let rows = [
            (10.5, "10.5"),
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (-2.25, "-2.25"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (9_999_999.999_999, "9999999.999999"),
            (9_999_999.999_999_9, "9999999.9999999"),
            (0.000_999_999_9, "9.999999E-4"),
            (1.25e10, "1.25E10"),
            (1.0 / 3.0, "0.3333333333333333"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in rows {
            let mut out = String::new();
            double(&mut out, value);
            assert_eq!(out, expected);
        }
    }
}
