//! Days of the calendar in UTC, and the days that share a quota.
//!
//! Shape: a day is its number since 1970-01-01; a [`Window`] has the number by which request cores
//! know it, begins on one day and ends before another. Units: days, wall milliseconds. Ranges: the
//! years 1 to 9999 as text. Errors: `None`. Source: Howard Hinnant, "chrono-compatible low-level
//! date algorithms".

use tidegate_edge::{base::time::Wall, limits::Quota};

/// Days that share one quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// As [`Quota::window`] numbers it.
    pub number: u32,
    /// The first day.
    pub first_day: i64,
    /// The day behind the last one.
    pub end_day: i64,
}

impl Window {
    /// The window of `quota` that `day` lies in.
    #[must_use]
    pub fn of(quota: &Quota, day: i64) -> Window {
        let number_of = |day: i64| quota.window(start_of(day));
        let number = number_of(day);
        // A month at most to either side.
        let mut first_day = day;
        while first_day > 0 && number_of(first_day - 1) == number {
            first_day -= 1;
        }
        let mut end_day = day + 1;
        while end_day <= day + 31 && number_of(end_day) == number {
            end_day += 1;
        }
        Window {
            number,
            first_day,
            end_day,
        }
    }
}

/// The first moment of a day.
#[must_use]
pub fn start_of(day: i64) -> Wall {
    Wall(u64::try_from(day).unwrap_or(0).saturating_mul(DAY_MS))
}

/// The day that `now` lies in.
#[must_use]
pub fn day_at(now: Wall) -> i64 {
    i64::try_from(now.0 / DAY_MS).unwrap_or(i64::MAX)
}

/// The second that `now` lies in.
#[must_use]
pub fn second_at(now: Wall) -> i64 {
    i64::try_from(now.0 / 1000).unwrap_or(i64::MAX)
}

/// `2025-04-01`.
#[must_use]
pub fn date_text(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The day that `text` names, as in `2025-04-01`.
#[must_use]
pub fn parse_date(text: &str) -> Option<i64> {
    let digits = |part: &str, count: usize| {
        let fits = part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| part.parse::<i64>().ok()).flatten()
    };
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    if parts.next().is_some() || year == 0 || !(1..=12).contains(&month) {
        return None;
    }
    let number = day_of(year, month, day);
    (civil(number) == (year, month, day)).then_some(number)
}

/// `2025-04-01 12:00:00` in UTC, of milliseconds since 1970.
#[must_use]
pub fn time_text(ms: u64) -> String {
    let now = Wall(ms);
    let in_day = second_at(now).rem_euclid(86_400);
    let (hours, minutes, seconds) = (in_day / 3_600, in_day / 60 % 60, in_day % 60);
    format!(
        "{} {hours:02}:{minutes:02}:{seconds:02}",
        date_text(day_at(now))
    )
}

/// Year, month and day of the month.
fn civil(day: i64) -> (i64, i64, i64) {
    let z = day.saturating_add(719_468);
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The number of a day of the calendar.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

/// Of a day without leap seconds, which the wall clock has none of.
pub(super) const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_edge::limits::Period;

    #[test]
    fn times_are_written_to_the_second() {
        assert_eq!(time_text(1_743_508_799_999), "2025-04-01 11:59:59");
        assert_eq!(time_text(0), "1970-01-01 00:00:00");
    }

    #[test]
    fn dates_are_read_and_written() {
        let rows = [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2000-02-29", Some(11_016)),
            ("2025-04-01", Some(20_179)),
            ("2025-02-29", None),
            ("2025-13-01", None),
            ("2025-00-10", None),
            ("2025-04-31", None),
            ("25-04-01", None),
            ("2025-4-1", None),
            ("2025-04-01-", None),
            ("2025-04", None),
            ("+025-04-01", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_date(text), expected, "{text}");
            if let Some(day) = expected {
                assert_eq!(date_text(day), text);
            }
        }
        for day in (-800_000..800_000).step_by(17) {
            let (year, month, of_month) = civil(day);
            assert_eq!(day_of(year, month, of_month), day);
        }
    }

    #[test]
    fn windows_are_those_of_the_calendar() {
        let rows = [
            (Period::Day, 0, "2025-04-01", "2025-04-01", "2025-04-02"),
            (Period::Week, 0, "2025-04-05", "2025-03-30", "2025-04-06"), // Saturday
            (Period::Week, 0, "2025-04-06", "2025-04-06", "2025-04-13"), // Sunday
            (Period::Week, 1, "2025-04-06", "2025-03-31", "2025-04-07"),
            (Period::Month, 0, "2024-02-29", "2024-02-01", "2024-03-01"),
            (Period::Month, 0, "2025-12-31", "2025-12-01", "2026-01-01"),
            (Period::Month, 14, "2025-04-14", "2025-03-15", "2025-04-15"),
        ];
        for (period, offset, day, first, end) in rows {
            let quota = Quota::new(1, offset, period).expect("a quota");
            let day = parse_date(day).expect("a date");
            let window = Window::of(&quota, day);
            let text = (date_text(window.first_day), date_text(window.end_day));
            assert_eq!(text, (first.to_owned(), end.to_owned()), "{period:?}");
            for day in window.first_day..window.end_day {
                assert_eq!(Window::of(&quota, day), window);
            }
            assert_ne!(Window::of(&quota, window.end_day), window);
        }
        assert_eq!((day_at(Wall(DAY_MS - 1)), day_at(Wall(DAY_MS))), (0, 1));
        assert_eq!(start_of(1), Wall(DAY_MS));
    }
}
