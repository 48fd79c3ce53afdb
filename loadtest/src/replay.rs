//! The requests and the moments of a Tidegate access log.
//!
//! What it is: a reader of the log's JSON lines. Shape: distinct requests become shapes, lines an
//! order of them, moments a trace. Moments come from `requestTimeEpoch` (milliseconds) where the
//! format has it, else from `requestTime` (seconds), whose lines are spread over their second.
//! Units: nanoseconds. Ranges: [`LINES_MAX`] lines. Errors: [`Fault`] with the line; lines of
//! requests that had no path are left out and counted.
//! Source: docs/configuration.md, `[access_log]`; RFC 3339 is not what `requestTime` is.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a log holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Log {
    /// Distinct methods and paths.
    pub requests: Vec<(String, String)>,
    /// Which of them each line has.
    pub order: Vec<u32>,
    /// When each line's request came, from the first.
    pub at_ns: Vec<u64>,
    /// Lines left out.
    pub skipped: u64,
}

/// Why a log cannot be replayed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// A line is no JSON object.
    #[error("line {0}: no JSON; `[access_log] format = \"json\"` writes what can be replayed")]
    Line(usize),
    /// Too many lines.
    #[error("more than {LINES_MAX} lines")]
    TooLong,
    /// Nothing to do.
    #[error("no line with httpMethod, path and requestTime")]
    Empty,
}

/// The longest log.
pub const LINES_MAX: usize = 20_000_000;

impl Log {
    /// Reads lines; `speed` 2 replays in half the time.
    ///
    /// # Errors
    /// A line that is no JSON, or nothing to replay.
    pub fn parse(text: &str, speed: f64) -> Result<Log, Fault> {
        let mut log = Log::default();
        let mut known: BTreeMap<(String, String), u32> = BTreeMap::new();
        // Moment in milliseconds, whether it is one of a whole second, and the request.
        let mut lines: Vec<(u64, bool, u32)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            if index >= LINES_MAX {
                return Err(Fault::TooLong);
            }
            let value: Value = serde_json::from_str(line).map_err(|_| Fault::Line(index + 1))?;
            let (Some(request), Some((at_ms, is_second))) = (request_of(&value), moment_of(&value))
            else {
                log.skipped += 1;
                continue;
            };
            let next = u32::try_from(known.len()).map_err(|_| Fault::TooLong)?;
            let shape = *known.entry(request.clone()).or_insert(next);
            if shape == next {
                log.requests.push(request);
            }
            lines.push((at_ms, is_second, shape));
        }
        // Lines are written when requests end, so they may be out of order a little.
        lines.sort_by_key(|(at_ms, ..)| *at_ms);
        let first_ms = lines.first().ok_or(Fault::Empty)?.0;
        let mut from = 0;
        while from < lines.len() {
            let (at_ms, is_second, _) = lines[from];
            let same = lines[from..]
                .iter()
                .take_while(|line| line.0 == at_ms)
                .count();
            let step_ns = if is_second {
                1_000_000_000 / same as u64
            } else {
                0
            };
            for (place, line) in lines[from..from + same].iter().enumerate() {
                let offset_ns = (at_ms - first_ms) * 1_000_000 + step_ns * place as u64;
                log.at_ns
                    .push(crate::worker::whole(offset_ns as f64 / speed));
                log.order.push(line.2);
            }
            from += same;
        }
        Ok(log)
    }
}

fn request_of(value: &Value) -> Option<(String, String)> {
    let method = value.get("httpMethod")?.as_str()?;
    let path = value.get("path")?.as_str()?;
    let is_path = path.starts_with('/') && !path.contains([' ', '\r', '\n']);
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    // A logged path is text, not a template.
    (is_path && is_method && !path.contains("${")).then(|| (method.to_owned(), path.to_owned()))
}

/// Milliseconds since 1970, and whether only the second is known.
fn moment_of(value: &Value) -> Option<(u64, bool)> {
    let epoch = value.get("requestTimeEpoch");
    let epoch = epoch.and_then(|at| at.as_u64().or_else(|| at.as_str()?.parse().ok()));
    if let Some(at_ms) = epoch {
        return Some((at_ms, false));
    }
    let seconds = read_stamp(value.get("requestTime")?.as_str()?)?;
    Some((seconds * 1000, true))
}

/// `21/Nov/2026:16:26:16 +0000` as seconds since 1970.
fn read_stamp(text: &str) -> Option<u64> {
    let (stamp, zone) = text.split_once(' ')?;
    let mut parts = stamp.split(['/', ':']);
    let day: i64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let month = i64::try_from(month).ok()? + 1;
    let mut number = || parts.next().and_then(|part| part.parse::<i64>().ok());
    let (year, hour, minute, second) = (number()?, number()?, number()?, number()?);
    let (sign, digits) = zone.split_at_checked(1)?;
    let offset: i64 = digits.parse().ok()?;
    let offset_s = (offset / 100 * 60 + offset % 100) * 60 * if sign == "-" { -1 } else { 1 };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset_s;
    u64::try_from(seconds).ok()
}

/// Days from 1970-01-01 in the Gregorian calendar, after Hinnant's `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read() {
        let rows = [
            ("01/Jan/1970:00:00:00 +0000", Some(0)),
            ("21/Nov/2026:16:26:16 +0000", Some(1_795_278_376)),
            ("29/Feb/2024:01:00:00 +0130", Some(1_709_163_000)),
            ("21/Nov/2026", None),
            ("21/Nix/2026:16:26:16 +0000", None),
        ];
        for (text, expected) in rows {
            assert_eq!(read_stamp(text), expected, "{text}");
        }
    }

    #[test]
    fn lines_become_an_order_and_a_trace() {
        let line = |second: u32, path: &str| {
            format!(
                "{{\"httpMethod\":\"GET\",\"path\":\"{path}\",\"requestTime\":\"21/Nov/2026:16:26:{second} +0000\"}}\n"
            )
        };
        let text = [
            line(11, "/a"),
            line(10, "/b"),
            line(11, "/b"),
            line(10, "-"),
        ]
        .concat();
        let log = Log::parse(&text, 1.0).expect("a log");
        assert_eq!(
            log.requests,
            [("GET".into(), "/a".into()), ("GET".into(), "/b".into())]
        );
        assert_eq!((log.order.clone(), log.skipped), (vec![1, 0, 1], 1));
        assert_eq!(log.at_ns, [0, 1_000_000_000, 1_500_000_000]);
        let exact = "{\"httpMethod\":\"GET\",\"path\":\"/\",\"requestTimeEpoch\":\"1007\"}\n\
                     {\"httpMethod\":\"GET\",\"path\":\"/\",\"requestTimeEpoch\":1000}";
        assert_eq!(Log::parse(exact, 2.0).expect("a log").at_ns, [0, 3_500_000]);
        assert_eq!(Log::parse("x", 1.0), Err(Fault::Line(1)));
        assert_eq!(Log::parse("{}\n", 1.0), Err(Fault::Empty));
    }
}
