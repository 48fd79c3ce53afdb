//! The windows of quotas, numbered.
//!
//! Shape: a [`Quota`] has a limit for each window of the calendar in UTC; windows are numbered
//! from 1970 on, so that two of them are told apart by one small number. Units: requests, days.
//! Ranges: `offset` is the first day of the window: 0 to 6 in a week (0 is Sunday), 0 to 27 in a
//! month (0 is the 1st), 0 in a day. Errors: `None` for another offset.
//! Source: API Gateway API reference, `QuotaSettings`.

use crate::base::time::Wall;

/// How often a quota begins anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Period {
    /// At 00:00 UTC.
    Day,
    /// On Sunday, or the day of the offset, at 00:00 UTC.
    Week,
    /// On the 1st, or the day of the offset, at 00:00 UTC.
    Month,
}

/// Requests that a key may make in a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// `limit`.
    pub limit: u64,
    /// `offset`.
    pub offset: u32,
    /// `period`.
    pub period: Period,
}

impl Period {
    /// As documents write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Period::Day => "DAY",
            Period::Week => "WEEK",
            Period::Month => "MONTH",
        }
    }

    /// Reads what [`Period::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Period> {
        let all = [Period::Day, Period::Week, Period::Month];
        all.into_iter().find(|period| period.as_str() == text)
    }

    /// Greatest offset.
    #[must_use]
    pub const fn offset_max(self) -> u32 {
        match self {
            Period::Day => 0,
            Period::Week => 6,
            Period::Month => 27,
        }
    }
}

impl Quota {
    /// A quota whose offset fits its period.
    #[must_use]
    pub fn new(limit: u64, offset: u32, period: Period) -> Option<Quota> {
        (offset <= period.offset_max()).then_some(Quota {
            limit,
            offset,
            period,
        })
    }

    /// The number of the window that `now` lies in; later windows have greater ones.
    #[must_use]
    pub fn window(&self, now: Wall) -> u32 {
        let day = now.0 / DAY_MS;
        let number = match self.period {
            Period::Day => day,
            // 1970-01-01 was a Thursday, four days behind a Sunday.
            Period::Week => (day + 4 + 7 - u64::from(self.offset)) / 7,
            Period::Month => {
                let (months, day_of_month) = month_of(day);
                (months + 1).saturating_sub(u64::from(day_of_month < u64::from(self.offset)))
            }
        };
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// Milliseconds from `now` to the next window.
    #[must_use]
    pub fn ms_to_next(&self, now: Wall) -> u64 {
        let day = now.0 / DAY_MS;
        let window = self.window(now);
        // At most a month ahead; asked on refusals only.
        let next = (day + 1..=day + 32)
            .find(|day| self.window(Wall(day * DAY_MS)) != window)
            .unwrap_or(day + 1);
        (next * DAY_MS).saturating_sub(now.0)
    }

    /// What is taken from the limit at once: a hundredth of it, from 1 to 1,000.
    #[must_use]
    pub fn lease(&self) -> u32 {
        u32::try_from((self.limit / 100).clamp(1, LEASE_MAX)).unwrap_or(1)
    }
}

/// Greatest lease.
pub const LEASE_MAX: u64 = 1_000;
const DAY_MS: u64 = 86_400_000;

/// Months since 1970 and days since the 1st, of a day since 1970. Source: Howard Hinnant,
/// "chrono-compatible low-level date algorithms".
fn month_of(day: u64) -> (u64, u64) {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * from_march + 2) / 5;
    let months = (year_of_era + era * 400) * 12 + from_march + 2;
    (months - 1970 * 12, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Midnight of a day since 1970.
    fn at(day: u64) -> Wall {
        Wall(day * DAY_MS)
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        let rows = [
            (0, (0, 0)),         // 1970-01-01
            (30, (0, 30)),       // 1970-01-31
            (31, (1, 0)),        // 1970-02-01
            (58, (1, 27)),       // 1970-02-28
            (59, (2, 0)),        // 1970-03-01
            (789, (25, 28)),     // 1972-02-29
            (11_016, (361, 28)), // 2000-02-29
            (11_017, (362, 0)),  // 2000-03-01
            (19_722, (647, 30)), // 2023-12-31
            (19_723, (648, 0)),  // 2024-01-01
        ];
        for (day, expected) in rows {
            assert_eq!(month_of(day), expected, "day {day}");
        }
    }

    #[test]
    fn windows_begin_where_the_calendar_says() {
        // 1970-01-04 was a Sunday, 1970-01-05 a Monday.
        let rows = [
            (Period::Day, 0, vec![1, 2, 3]),
            (Period::Week, 0, vec![3, 10, 17]),
            (Period::Week, 1, vec![4, 11, 18]),
            (Period::Week, 6, vec![2, 9, 16]),
            (Period::Month, 0, vec![31, 59, 90]),
            (Period::Month, 14, vec![14, 45, 73]),
            (Period::Month, 27, vec![27, 58, 86]),
        ];
        for (period, offset, begins) in rows {
            let quota = Quota::new(5, offset, period).expect("an offset");
            let last = begins.last().copied().unwrap_or(0);
            let found: Vec<u64> = (1..=last)
                .filter(|day| quota.window(at(*day)) != quota.window(at(day - 1)))
                .collect();
            assert_eq!(found, begins, "{period:?} {offset}");
            for day in 0..last {
                let next = begins.iter().find(|begin| **begin > day).expect("a next");
                assert_eq!(
                    quota.ms_to_next(at(day)),
                    (next - day) * DAY_MS,
                    "{period:?} {day}"
                );
            }
        }
        assert_eq!(Quota::new(5, 1, Period::Day), None);
        assert_eq!(Quota::new(5, 28, Period::Month), None);
    }

    #[test]
    fn a_lease_is_a_hundredth() {
        for (limit, lease) in [
            (0, 1),
            (1, 1),
            (199, 1),
            (200, 2),
            (5_000, 50),
            (1 << 40, 1_000),
        ] {
            let quota = Quota::new(limit, 0, Period::Day).expect("a quota");
            assert_eq!(quota.lease(), lease, "{limit}");
        }
    }
}
