//! Numbers as decimal digits: read as JSON writes them, written as Java writes them.
//!
//! Shape: [`read`] takes a number from the start of a text, [`integer`] and [`double`] append to
//! one. Short decimals take a way of their own, in which one division or multiplication of exact
//! doubles gives the exact result. Units: bytes, digits. Errors: none; what is no number is `None`.
//! Source: RFC 8259 section 6; Java's `Double.toString`; Clinger, "How to Read Floating Point
//! Numbers Accurately".

use std::fmt::Write;

/// A number that was read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
    /// Longer than either holds; its text is kept.
    Long,
}

/// The number at the start of `text`, and its length in bytes.
pub(super) fn read(text: &[u8]) -> Option<(Number, usize)> {
    let (is_negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut digits = Digits::default();
    let mut rest = match unsigned {
        [b'0', rest @ ..] => rest,
        _ => digits.take(unsigned)?,
    };
    let mut is_decimal = false;
    let mut fraction: usize = 0;
    if let [b'.', after @ ..] = rest {
        is_decimal = true;
        let before = digits.count;
        rest = digits.take(after)?;
        fraction = digits.count.wrapping_sub(before);
    }
    let mut is_scaled = false;
    if let [b'e' | b'E', after @ ..] = rest {
        is_decimal = true;
        is_scaled = true;
        let unsigned = match after {
            [b'+' | b'-', after @ ..] => after,
            _ => after,
        };
        rest = Digits::default().take(unsigned)?;
    }
    let bytes = text.len().saturating_sub(rest.len());
    let said = || text.get(..bytes).and_then(|text| str::from_utf8(text).ok());
    let number = match is_decimal {
        false if digits.count <= INT_DIGITS_MAX => Number::Int(signed(is_negative, digits.value)),
        false => said()
            .and_then(|text| text.parse().ok())
            .map_or(Number::Long, Number::Int),
        true if bytes > DOUBLE_BYTES_MAX => Number::Long,
        true => {
            let short = (!is_scaled && digits.count <= EXACT_DIGITS_MAX)
                .then(|| POWERS_OF_TEN.get(fraction))
                .flatten()
                .map(|power| exact(digits.value) / power)
                .map(|value| if is_negative { -value } else { value });
            let read = short.or_else(|| said().and_then(|text| text.parse().ok()));
            read.map_or(Number::Long, Number::Double)
        }
    };
    Some((number, bytes))
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
    let mut room = [b'0'; U64_DIGITS];
    let mut rest = value;
    let mut first = U64_DIGITS;
    for (at, place) in room.iter_mut().enumerate().rev() {
        *place = digit(rest);
        first = at;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let digits = room.get(first..).unwrap_or(&[]);
    out.push_str(str::from_utf8(digits).unwrap_or(""));
}

/// The last digit of a number, as text.
fn digit(number: u64) -> u8 {
    b'0'.wrapping_add(u8::try_from(number % 10).unwrap_or(0))
}

/// Appends a double as `Double.toString` does: plain from 0.001 to 10,000,000.
pub(super) fn double(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
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
    let (before, behind) = (scaled / SHORT_UNITS, scaled % SHORT_UNITS);
    if value.is_sign_negative() {
        out.push('-');
    }
    unsigned(out, before);
    out.push('.');
    let mut room = [b'0'; SHORT_DIGITS];
    let mut rest = behind;
    let mut count = 1;
    for (at, place) in room.iter_mut().enumerate().rev() {
        *place = digit(rest);
        if rest % 10 != 0 && count == 1 {
            count = at.wrapping_add(1);
        }
        rest /= 10;
    }
    let digits = room.get(..count).unwrap_or(&[]);
    out.push_str(str::from_utf8(digits).unwrap_or(""));
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
/// Digits of the largest number of 64 bits.
const U64_DIGITS: usize = 20;
/// Powers that doubles hold exactly, as far as fifteen digits need them.
const POWERS_OF_TEN: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];
/// Digits behind the point that are written without looking for the shortest text.
const SHORT_DIGITS: usize = 6;
const SHORT_UNITS: u64 = 1_000_000;
const SHORT_SCALE: f64 = 1e6;

// Seven digits before the point and these behind it are exact.
const _: () = assert!(7 + SHORT_DIGITS <= EXACT_DIGITS_MAX);
const _: () = assert!(EXACT_DIGITS_MAX < POWERS_OF_TEN.len());

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(read(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn short_ways_say_what_long_ways_say() {
        // A generator of its own, so that every run reads the same numbers.
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        for round in 0..200_000_u64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (digits, places) = (
                (state >> 8) % 10_u64.pow(1 + (round % 16) as u32),
                round % 17,
            );
            let text = format!("{}e-{places}", digits);
            let value: f64 = text.parse().expect("a number");
            let text = format!("{value:.*}", places as usize);
            if text.contains('.') && text.len() <= DOUBLE_BYTES_MAX {
                let expected = Number::Double(text.parse().expect("a number"));
                assert_eq!(
                    read(text.as_bytes()),
                    Some((expected, text.len())),
                    "{text}"
                );
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
