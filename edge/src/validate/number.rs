//! Numbers of JSON, compared and divided without rounding.
//!
//! Shape: integers as they are, everything else as the double whose shortest decimal form it is.
//! Units: none. Ranges: integers of 64 bits; larger ones are doubles. Errors: none. Source: JSON
//! Schema validation, draft 4, section 5.1; numbers are decimals, so 0.3 is a multiple of 0.1.

use std::{cmp::Ordering, fmt};

/// A number of a body or a schema.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Number {
    Unsigned(u64),
    /// Less than zero.
    Signed(i64),
    /// Written with a fraction or an exponent, or too large for the others.
    Float(f64),
}

impl Number {
    /// The value of a JSON number.
    pub(super) fn of(number: &serde_json::Number) -> Number {
        match (number.as_u64(), number.as_i64()) {
            (Some(unsigned), _) => Number::Unsigned(unsigned),
            (None, Some(signed)) => Number::Signed(signed),
            (None, None) => Number::Float(number.as_f64().unwrap_or(0.0)),
        }
    }

    /// Whether it is written as an integer, which is what the type means in draft 4: 1.0 is none.
    /// A double beyond 64 bits is taken for one.
    pub(super) fn is_integer(self) -> bool {
        match self {
            Number::Unsigned(_) | Number::Signed(_) => true,
            Number::Float(float) => !(-TWO_TO_64 / 2.0..TWO_TO_64).contains(&float),
        }
    }

    fn integer(self) -> Result<i128, f64> {
        match self {
            Number::Unsigned(unsigned) => Ok(unsigned.into()),
            Number::Signed(signed) => Ok(signed.into()),
            Number::Float(float) => Err(float),
        }
    }

    /// Compares values.
    pub(super) fn compare(self, other: Number) -> Ordering {
        match (self.integer(), other.integer()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Ok(left), Err(right)) => compare_mixed(left, right),
            (Err(left), Ok(right)) => compare_mixed(right, left).reverse(),
            // Adding zero makes -0 and 0 the same.
            (Err(left), Err(right)) => (left + 0.0).total_cmp(&(right + 0.0)),
        }
    }

    /// Whether it is `divisor`, which is greater than 0, times an integer.
    pub(super) fn is_multiple_of(self, divisor: Number) -> bool {
        if let (Ok(value), Ok(divisor)) = (self.integer(), divisor.integer()) {
            return value.checked_rem(divisor).is_none_or(|rest| rest == 0);
        }
        self.decimal().is_multiple_of(divisor.decimal())
    }

    fn decimal(self) -> Decimal {
        match self.integer() {
            Ok(integer) => Decimal {
                digits: integer.unsigned_abs(),
                exponent: 0,
            },
            Err(float) => Decimal::of(float),
        }
    }

    /// A value that equal numbers share.
    pub(super) fn mark(self) -> u64 {
        match self {
            Number::Unsigned(unsigned) => unsigned,
            Number::Signed(signed) => signed.cast_unsigned(),
            Number::Float(float) if float.fract() == 0.0 && float.abs() < TWO_TO_64 => {
                // An integer in the range of this one: nothing is cut.
                #[allow(clippy::cast_possible_truncation)]
                let whole = float as i128;
                let low = whole & i128::from(u64::MAX);
                u64::try_from(low).unwrap_or(0)
            }
            Number::Float(float) => float.to_bits(),
        }
    }
}

const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

fn compare_mixed(integer: i128, float: f64) -> Ordering {
    if float >= TWO_TO_64 {
        return Ordering::Less;
    }
    if float <= -TWO_TO_64 {
        return Ordering::Greater;
    }
    // In range: the cast takes the fraction off and changes nothing else.
    #[allow(clippy::cast_possible_truncation)]
    let whole = float as i128;
    let fraction = 0.0f64.total_cmp(&(float.fract() + 0.0));
    integer.cmp(&whole).then(fraction)
}

/// `digits` times ten to the power of `exponent`; the sign does not matter here.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    digits: u128,
    exponent: i32,
}

impl Decimal {
    /// The shortest one that reads as this double.
    fn of(float: f64) -> Decimal {
        let text = format!("{:e}", float.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let decimals = mantissa.split_once('.').map_or(0, |(_, rest)| rest.len());
        let digits = mantissa.bytes().filter(u8::is_ascii_digit);
        let digits = digits.fold(0u128, |value, digit| {
            value
                .saturating_mul(10)
                .saturating_add(u128::from(digit.wrapping_sub(b'0')))
        });
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Decimal {
            digits,
            exponent: exponent.saturating_sub(i32::try_from(decimals).unwrap_or(0)),
        }
    }

    fn is_multiple_of(self, divisor: Decimal) -> bool {
        let shift = i64::from(self.exponent) - i64::from(divisor.exponent);
        if self.digits == 0 || divisor.digits == 0 {
            return true;
        }
        if shift >= 0 {
            let mut rest = self.digits % divisor.digits;
            for _ in 0..shift {
                if rest == 0 {
                    return true;
                }
                // Both have at most 20 digits.
                rest = rest.saturating_mul(10) % divisor.digits;
            }
            return rest == 0;
        }
        let power = u32::try_from(-shift)
            .ok()
            .and_then(|shift| 10u128.checked_pow(shift));
        // A divisor that is too large to be written is larger than the value.
        let divisor = power.and_then(|power| divisor.digits.checked_mul(power));
        divisor.is_some_and(|divisor| self.digits.checked_rem(divisor) == Some(0))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Unsigned(unsigned) => write!(out, "{unsigned}"),
            Number::Signed(signed) => write!(out, "{signed}"),
            Number::Float(float) => match serde_json::Number::from_f64(*float) {
                Some(number) => write!(out, "{number}"),
                None => write!(out, "null"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::of(&serde_json::from_str(text).expect(text))
    }

    #[test]
    fn numbers_compare_by_value() {
        let rows = [
            ("1", Ordering::Equal, "1.0"),
            ("-0.0", Ordering::Equal, "0"),
            ("-0.0", Ordering::Equal, "0.0"),
            ("0.0", Ordering::Equal, "-0.0"),
            ("1", Ordering::Less, "1.5"),
            ("-1", Ordering::Greater, "-1.5"),
            ("-2", Ordering::Less, "-1.5"),
            ("9007199254740994", Ordering::Equal, "9007199254740994.0"),
            ("9007199254740993", Ordering::Greater, "9007199254740992.0"),
            (
                "18446744073709551615",
                Ordering::Less,
                "18446744073709551616",
            ),
            ("18446744073709551615", Ordering::Less, "1e300"),
            (
                "-9223372036854775808",
                Ordering::Equal,
                "-9223372036854775808.0",
            ),
            ("-9223372036854775808", Ordering::Greater, "-1e300"),
            ("-1", Ordering::Less, "18446744073709551615"),
            ("0.1", Ordering::Less, "0.2"),
        ];
        for (left, expected, right) in rows {
            assert_eq!(
                number(left).compare(number(right)),
                expected,
                "{left} {right}"
            );
            assert_eq!(
                number(right).compare(number(left)),
                expected.reverse(),
                "{left} {right}"
            );
            if expected == Ordering::Equal {
                assert_eq!(number(left).mark(), number(right).mark(), "{left} {right}");
            }
        }
    }

    #[test]
    fn multiples_are_those_of_decimals() {
        let rows = [
            ("10", "2", true),
            ("7", "2", false),
            ("0", "2", true),
            ("-9", "3", true),
            ("4.5", "1.5", true),
            ("35", "1.5", false),
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("0.3", "0.1", true),
            ("19.99", "0.01", true),
            ("19.999", "0.01", false),
            ("1e308", "0.123456789", false),
            ("1e308", "0.5", true),
            ("12391239123", "1e-8", true),
            ("1e-300", "1e300", false),
            ("1e300", "1e-300", true),
            ("0.0", "1e300", true),
            ("3", "1e300", false),
            ("-4.5", "1.5", true),
            ("18446744073709551616", "2", true),
        ];
        for (value, divisor, expected) in rows {
            let result = number(value).is_multiple_of(number(divisor));
            assert_eq!(result, expected, "{value} / {divisor}");
        }
    }

    #[test]
    fn integers_are_written_without_a_fraction() {
        let rows = [
            ("1", true),
            ("-1", true),
            ("1.0", false),
            ("1e3", false),
            ("18446744073709551615", true),
            ("-9223372036854775808", true),
            (
                "12345678910111213141516171819202122232425262728293031",
                true,
            ),
            (
                "-12345678910111213141516171819202122232425262728293031",
                true,
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(number(text).is_integer(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_print_as_they_are_written() {
        for text in ["0", "315529200000", "-7", "1.5", "0.1", "-0.25", "1.0"] {
            assert_eq!(number(text).to_string(), text);
        }
    }
}
