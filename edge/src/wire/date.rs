//! The Date field's text, made once a second.
//!
//! Shape: 29 bytes and the second they stand for. Units: seconds since 1970. Ranges: to the end of
//! the year 9999, later times stay there. Errors: none.
//! Source: RFC 9110 §5.6.7 (IMF-fixdate); the calendar is Howard Hinnant's "civil from days".

use crate::base::time::Wall;

/// The text for the last second asked for.
#[derive(Clone, Debug)]
pub struct DateCache {
    second: u64,
    text: [u8; DATE_BYTES],
}

/// Length of every date.
pub const DATE_BYTES: usize = 29;

impl DateCache {
    /// A cache that holds the epoch.
    #[must_use]
    pub fn new() -> DateCache {
        DateCache {
            second: 0,
            text: imf_fixdate(0),
        }
    }

    /// The date at `now`, for example `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn at(&mut self, now: Wall) -> &[u8; DATE_BYTES] {
        let second = now.0 / 1000;
        if second != self.second {
            self.second = second;
            self.text = imf_fixdate(second);
        }
        &self.text
    }
}

impl Default for DateCache {
    fn default() -> DateCache {
        DateCache::new()
    }
}

/// The IMF-fixdate of a Unix time in seconds.
#[must_use]
pub fn imf_fixdate(second: u64) -> [u8; DATE_BYTES] {
    let second = second.min(SECOND_MAX);
    let days = second / SECONDS_PER_DAY;
    let clock = second % SECONDS_PER_DAY;
    // Years of this count start on 1 March, so that the leap day is the last of its year.
    let shifted = days + DAYS_BEFORE_1970;
    let era_day = shifted % DAYS_PER_ERA;
    let era_year = (era_day - era_day / 1_460 + era_day / 36_524 - era_day / 146_096) / 365;
    let year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
    let month_from_march = (5 * year_day + 2) / 153;
    let day = year_day - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = shifted / DAYS_PER_ERA * 400 + era_year + u64::from(month < 2);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    put(&mut text, 0, name(WEEKDAYS, days % 7));
    put(&mut text, 5, &digits(day));
    put(&mut text, 8, name(MONTHS, month));
    put(&mut text, 12, &digits(year / 100));
    put(&mut text, 14, &digits(year % 100));
    put(&mut text, 17, &digits(clock / 3600));
    put(&mut text, 20, &digits(clock / 60 % 60));
    put(&mut text, 23, &digits(clock % 60));
    text
}

fn put(text: &mut [u8; DATE_BYTES], at: usize, part: &[u8]) {
    for (to, &from) in text.iter_mut().skip(at).zip(part) {
        *to = from;
    }
}

fn name(names: &'static [u8], index: u64) -> &'static [u8] {
    let index = usize::try_from(index).unwrap_or(0);
    names.chunks_exact(3).nth(index).unwrap_or(b"???")
}

fn digits(number: u64) -> [u8; 2] {
    let digit = |n: u64| b'0' + u8::try_from(n % 10).unwrap_or(0);
    [digit(number / 10), digit(number)]
}

const WEEKDAYS: &[u8] = b"ThuFriSatSunMonTueWed";
const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
const SECONDS_PER_DAY: u64 = 86_400;
/// From 1 March of year 0 to 1 January 1970.
const DAYS_BEFORE_1970: u64 = 719_468;
const DAYS_PER_ERA: u64 = 146_097;
const SECOND_MAX: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_known_seconds() {
        let rows = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (SECOND_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        for (second, expected) in rows {
            assert_eq!(std::str::from_utf8(&imf_fixdate(second)), Ok(expected));
        }
        let mut cache = DateCache::new();
        assert_eq!(&cache.at(Wall(784_111_777_999))[..], rows[1].1.as_bytes());
        assert_eq!(&cache.at(Wall(999))[..], rows[0].1.as_bytes());
    }
}
