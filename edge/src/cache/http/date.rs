//! Reads HTTP dates: the one form that is written, and the two obsolete ones.
//!
//! Shape: text in, seconds out. Units: seconds since 1970, negative before. Ranges: years 0001 to
//! 9999. Errors: `None` for whatever is not exactly one of the three forms; letters may have any
//! case, and every zone but GMT is refused, as RFC 9111 section 4.2 asks.
//! Source: RFC 9110 section 5.6.7; the calendar is Howard Hinnant's "days from civil".

/// The second that `text` names. `now_s` places the two-digit years of RFC 850 within fifty years.
#[must_use]
pub fn parse(text: &[u8], now_s: i64) -> Option<i64> {
    match text.get(3)? {
        b',' => imf_fixdate(text),
        b' ' => asctime(text),
        _ => rfc850(text, now_s),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<i64> {
    let &[
        w0,
        w1,
        w2,
        b',',
        b' ',
        d0,
        d1,
        b' ',
        m0,
        m1,
        m2,
        b' ',
        ref rest @ ..,
    ] = text
    else {
        return None;
    };
    let &[y0, y1, y2, y3, b' ', ref clock @ ..] = rest else {
        return None;
    };
    weekday_short(&[w0, w1, w2])?;
    let day = Day {
        year: number(&[y0, y1, y2, y3])?,
        month: month(&[m0, m1, m2])?,
        day: number(&[d0, d1])?,
    };
    day.at(time_of_day(clock.split_last_chunk::<4>().and_then(zone)?)?)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8], now_s: i64) -> Option<i64> {
    let comma = memchr::memchr(b',', text.get(..WEEKDAY_BYTES_MAX + 1).unwrap_or(text))?;
    let (weekday, rest) = text.split_at_checked(comma)?;
    WEEKDAYS
        .iter()
        .find(|name| weekday.eq_ignore_ascii_case(name.as_bytes()))?;
    let &[
        b',',
        b' ',
        d0,
        d1,
        b'-',
        m0,
        m1,
        m2,
        b'-',
        y0,
        y1,
        b' ',
        ref clock @ ..,
    ] = rest
    else {
        return None;
    };
    let time_of_day_s = time_of_day(clock.split_last_chunk::<4>().and_then(zone)?)?;
    let (month, day) = (month(&[m0, m1, m2])?, number(&[d0, d1])?);
    let year_now = year_of(now_s);
    let mut year = year_now - year_now.rem_euclid(100) + number(&[y0, y1])?;
    // More than fifty years ahead means the last year with these digits.
    if year > year_now + 50 {
        year -= 100;
    }
    Day { year, month, day }.at(time_of_day_s)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<i64> {
    let &[
        w0,
        w1,
        w2,
        b' ',
        m0,
        m1,
        m2,
        b' ',
        d0,
        d1,
        b' ',
        ref rest @ ..,
    ] = text
    else {
        return None;
    };
    weekday_short(&[w0, w1, w2])?;
    let (clock, &[b' ', y0, y1, y2, y3]) = rest.split_last_chunk::<5>()? else {
        return None;
    };
    let day = Day {
        year: number(&[y0, y1, y2, y3])?,
        month: month(&[m0, m1, m2])?,
        day: number(&[if d0 == b' ' { b'0' } else { d0 }, d1])?,
    };
    day.at(time_of_day(clock)?)
}

struct Day {
    year: i64,
    month: i64,
    day: i64,
}

impl Day {
    fn at(&self, time_of_day_s: i64) -> Option<i64> {
        let is_leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            2 => 28 + i64::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if self.year == 0 || !(1..=days).contains(&self.day) {
            return None;
        }
        Some(self.days_since_1970() * SECONDS_PER_DAY + time_of_day_s)
    }

    fn days_since_1970(&self) -> i64 {
        // Years of this count start on 1 March, so that the leap day is the last of its year.
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let era_year = year.rem_euclid(400);
        let month_from_march = (self.month + 9) % 12;
        let year_day = (153 * month_from_march + 2) / 5 + self.day - 1;
        let era_day = era_year * 365 + era_year / 4 - era_year / 100 + year_day;
        era * 146_097 + era_day - 719_468
    }
}

/// What stands before a zone that is GMT.
fn zone<'a>((clock, zone): (&'a [u8], &[u8; 4])) -> Option<&'a [u8]> {
    zone.eq_ignore_ascii_case(b" GMT").then_some(clock)
}

/// Seconds of `08:49:37`.
fn time_of_day(clock: &[u8]) -> Option<i64> {
    let &[h0, h1, b':', m0, m1, b':', s0, s1] = clock else {
        return None;
    };
    let (hour, minute, second) = (number(&[h0, h1])?, number(&[m0, m1])?, number(&[s0, s1])?);
    // A leap second is written as 60 and counts as the next.
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, &byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i64::from(byte - b'0'))
    })
}

fn month(name: &[u8; 3]) -> Option<i64> {
    let at = MONTHS
        .iter()
        .position(|month| name.eq_ignore_ascii_case(*month))?;
    i64::try_from(at + 1).ok()
}

fn weekday_short(name: &[u8; 3]) -> Option<()> {
    WEEKDAYS
        .iter()
        .any(|day| day.as_bytes()[..3].eq_ignore_ascii_case(name))
        .then_some(())
}

/// The year of a second, from days alone: off by none, since years are counted in whole days.
fn year_of(second: i64) -> i64 {
    let shifted = second.div_euclid(SECONDS_PER_DAY) + 719_468;
    let era = shifted.div_euclid(146_097);
    let era_day = shifted.rem_euclid(146_097);
    let era_year = (era_day - era_day / 1_460 + era_day / 36_524 - era_day / 146_096) / 365;
    let year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
    era * 400 + era_year + i64::from(year_day >= MARCH_TO_JANUARY_DAYS)
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const WEEKDAY_BYTES_MAX: usize = 9;
const SECONDS_PER_DAY: i64 = 86_400;
/// From 1 March to 1 January.
const MARCH_TO_JANUARY_DAYS: i64 = 306;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::date::imf_fixdate as write;

    const NOW_S: i64 = 1_760_000_000; // October 2025

    #[test]
    fn forms() {
        let rows: &[(&str, Option<i64>)] = &[
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Sun Nov 06 08:49:37 1994", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", Some(-1)),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400)),
            ("Tue, 19 Jan 2038 14:14:08 GMT", Some(2_147_523_248)),
            ("Sun, 21 Nov 2286 04:46:39 GMT", Some(10_000_039_599)),
            ("THU, 18 AUG 2050 02:01:18 gMT", Some(2_544_400_878)),
            ("Thursday, 18-Aug-50 02:01:18 GMT", Some(2_544_400_878)),
            ("Thu Aug 18 02:01:18 2050", Some(2_544_400_878)),
            ("Monday, 01-Jan-75 00:00:00 GMT", Some(3_313_526_400)),
            ("Thursday, 01-Jan-76 00:00:00 GMT", Some(189_302_400)),
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_800)),
            ("Thu, 18 Aug 2050 02:01:18 UTC", None),
            ("Thu, 18 Aug 2050 02:01:18 AEST", None),
            ("Thu, 18 Aug 2050 02:01:18", None),
            ("Thu, 18 Aug 50 02:01:18 GMT", None),
            ("Thu 18 Aug 2050 02:01:18 GMT", None),
            ("Thu, 18  Aug  2050 02:01:18 GMT", None),
            ("Thu, 18-Aug-2050 02:01:18 GMT", None),
            ("Thu, 18 Aug 2050 02.01.18 GMT", None),
            ("Thu, 18 Aug 2050 2:01:18 GMT", None),
            ("Thu, 18 Aug 2050 24:01:18 GMT", None),
            ("Thu, 18 Aug 2050 02:60:18 GMT", None),
            ("Thu, 18 Aug 2050 02:01:61 GMT", None),
            ("Thu, 00 Aug 2050 02:01:18 GMT", None),
            ("Thu, 32 Aug 2050 02:01:18 GMT", None),
            ("Tue, 29 Feb 2100 00:00:00 GMT", None),
            ("Thu, 18 Avg 2050 02:01:18 GMT", None),
            ("Foo, 18 Aug 2050 02:01:18 GMT", None),
            ("Thu, 18 Aug 2050 02:01:18 GMT ", None),
            ("Thu, 18 Aug 0000 02:01:18 GMT", None),
            ("Foosday, 18-Aug-50 02:01:18 GMT", None),
            ("Sun Nov 00 08:49:37 1994", None),
            ("Sun Nov  0 08:49:37 1994", None),
            ("Sun Nov  6 08:49:37 1994 GMT", None),
            ("0", None),
            ("-1", None),
            ("", None),
            ("Thu", None),
            ("Thu,", None),
            ("Sun Nov", None),
            ("Wednesday, ", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text.as_bytes(), NOW_S), *expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut second = 0u64;
        while second < 253_402_300_799 {
            let text = write(second);
            let signed = i64::try_from(second).expect("below 2^63");
            assert_eq!(parse(&text, NOW_S), Some(signed));
            assert_eq!(
                Some(year_of(signed)),
                std::str::from_utf8(&text[12..16])
                    .ok()
                    .and_then(|year| year.parse().ok())
            );
            second += 86_400 * 17 + 12_347;
        }
    }
}
