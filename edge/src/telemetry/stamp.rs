//! The time of a request in print: `09/Apr/2025:12:34:56 +0000`.
//!
//! Shape: 26 bytes, kept for the second they belong to, so that a busy core formats once a second.
//! Units and ranges: wall milliseconds in; years 1970 to 9999, later instants print as the last
//! second of 9999. Errors: none.
//! Source: AWS guide, `$context.requestTime` (common log format, UTC); days to civil dates by
//! Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

use crate::base::time::Wall;

/// Bytes of a stamp.
pub const STAMP_BYTES: usize = 26;

/// The last stamp made and its second.
#[derive(Clone, Debug)]
pub struct Stamp {
    second: u64,
    text: [u8; STAMP_BYTES],
}

impl Default for Stamp {
    fn default() -> Stamp {
        Stamp {
            second: 0,
            text: render(0),
        }
    }
}

impl Stamp {
    /// The text of `at`, made anew only when its second differs from the last one asked for.
    pub fn text(&mut self, at: Wall) -> &[u8; STAMP_BYTES] {
        let second = (at.0 / MS_PER_S).min(SECOND_MAX);
        if second != self.second {
            self.second = second;
            self.text = render(second);
        }
        &self.text
    }
}

/// `2025-04-09T12:34:56.123Z`.
#[must_use]
pub fn iso(at: Wall) -> String {
    let second = (at.0 / MS_PER_S).min(SECOND_MAX);
    let (year, month, day) = civil(second / S_PER_DAY);
    let (hour, minute, second) = of_day(second);
    let ms = at.0 % MS_PER_S;
    let month = month + 1;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// `Wed Apr 09 12:34:56 UTC 2025`.
#[must_use]
pub fn dated(at: Wall) -> String {
    let second = (at.0 / MS_PER_S).min(SECOND_MAX);
    let days = second / S_PER_DAY;
    let (year, month, day) = civil(days);
    let (hour, minute, second) = of_day(second);
    let text = |bytes: Option<&&[u8; 3]>| {
        let bytes = bytes.map_or(&b"???"[..], |bytes| &bytes[..]);
        String::from_utf8_lossy(bytes).into_owned()
    };
    // The first of January 1970 was a Thursday, the first here.
    let weekday = text(usize::try_from(days % 7).ok().and_then(|day| DAYS.get(day)));
    let month = text(
        usize::try_from(month)
            .ok()
            .and_then(|month| MONTHS.get(month)),
    );
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

fn of_day(second: u64) -> (u64, u64, u64) {
    let of_day = second % S_PER_DAY;
    (of_day / 3600, of_day / 60 % 60, of_day % 60)
}

fn render(second: u64) -> [u8; STAMP_BYTES] {
    let (year, month, day) = civil(second / S_PER_DAY);
    let of_day = second % S_PER_DAY;
    let mut text = *b"00/Jan/1970:00:00:00 +0000";
    let mut two = |at: usize, number: u64| {
        text[at] = digit(number / 10);
        text[at + 1] = digit(number);
    };
    two(0, day);
    two(7, year / 100);
    two(9, year % 100);
    two(12, of_day / 3600);
    two(15, of_day / 60 % 60);
    two(18, of_day % 60);
    let name = usize::try_from(month).ok().and_then(|m| MONTHS.get(m));
    text[3..6].copy_from_slice(name.map_or(b"Jan", |name| *name));
    text
}

/// Year, month from 0, and day from 1 of a day counted from 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 2 } else { mp - 10 };
    (yoe + era * 400 + u64::from(month < 2), month, day)
}

fn digit(number: u64) -> u8 {
    #[allow(clippy::cast_possible_truncation)] // Below ten.
    let digit = (number % 10) as u8;
    b'0' + digit
}

const MS_PER_S: u64 = 1_000;
const S_PER_DAY: u64 = 86_400;
/// 9999-12-31T23:59:59Z.
const SECOND_MAX: u64 = 253_402_300_799;
const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_have_forms_of_their_own() {
        let rows = [
            (
                0,
                "1970-01-01T00:00:00.000Z",
                "Thu Jan 01 00:00:00 UTC 1970",
            ),
            (
                951_782_400_001,
                "2000-02-29T00:00:00.001Z",
                "Tue Feb 29 00:00:00 UTC 2000",
            ),
            (
                1_744_202_096_123,
                "2025-04-09T12:34:56.123Z",
                "Wed Apr 09 12:34:56 UTC 2025",
            ),
        ];
        for (ms, of_file, of_people) in rows {
            assert_eq!(iso(Wall(ms)), of_file);
            assert_eq!(dated(Wall(ms)), of_people);
        }
    }

    #[test]
    fn instants_print_as_the_calendar_says() {
        let rows = [
            (0, "01/Jan/1970:00:00:00 +0000"),
            (951_782_399_999, "28/Feb/2000:23:59:59 +0000"),
            (951_782_400_000, "29/Feb/2000:00:00:00 +0000"),
            (951_868_800_000, "01/Mar/2000:00:00:00 +0000"),
            (1_744_202_096_123, "09/Apr/2025:12:34:56 +0000"),
            (1_767_225_599_000, "31/Dec/2025:23:59:59 +0000"),
            (4_107_542_400_000, "01/Mar/2100:00:00:00 +0000"),
            (u64::MAX, "31/Dec/9999:23:59:59 +0000"),
        ];
        let mut stamp = Stamp::default();
        for (ms, expected) in rows {
            assert_eq!(stamp.text(Wall(ms)), expected.as_bytes(), "{ms}");
            assert_eq!(stamp.text(Wall(ms)), expected.as_bytes(), "{ms}, kept");
        }
    }
}
