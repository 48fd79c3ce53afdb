//! Execution logs: what the stages of a request did, line by line.
//!
//! What it is: the form of the lines, and where they go. Shape: an [`Execution`] is one request's
//! lines; an [`ExecutionSink`] writes them to the log, or hands them to who invoked the request.
//! [`masked`], [`map_text`] and [`payload_text`] print what lines tell. Units: wall milliseconds,
//! bytes. Ranges: a line of the log tells at most [`EVENT_BYTES_MAX`]. Errors: none; lines that
//! find no room are dropped and counted. Source: Amazon API Gateway developer guide, "CloudWatch
//! log formats for API Gateway", "test a method".

use std::{fmt::Write as _, sync::mpsc};

use super::{
    access_log::LogSink,
    stamp::{dated, iso},
};
use crate::base::time::{Mono, Wall};

/// One line, and when it came to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub at: Wall,
    pub text: String,
}

/// One request's lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Execution {
    pub request_id: String,
    /// `API/STAGE`, behind it `/Canary` where that served.
    pub stage: String,
    pub events: Vec<Event>,
}

/// Where executions go.
pub enum ExecutionSink {
    /// To a log.
    Log(LogSink),
    /// To who invoked the request: whole, without cuts.
    Held(mpsc::Sender<Execution>),
}

/// What a line of the log tells at most, and with it what one event does in the guide.
pub const EVENT_BYTES_MAX: usize = 1_024;

/// Ends what was cut.
const CUT: &str = "[TRUNCATED]";

/// Begins the name of the log group.
const GROUP: &str = "API-Gateway-Execution-Logs_";

impl ExecutionSink {
    /// Whether somebody waits for the executions themselves.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self, ExecutionSink::Held(_))
    }

    /// Takes one; gives how many of its lines were dropped.
    pub fn take(&mut self, execution: Execution, now: Mono) -> u64 {
        match self {
            ExecutionSink::Log(sink) => {
                let lines = execution.events.iter().map(|event| execution.line(event));
                let dropped = lines.filter(|line| !sink.log_line(line.as_bytes(), now));
                dropped.count() as u64
            }
            ExecutionSink::Held(held) => {
                // Whoever waited may have left.
                let _ = held.send(execution);
                0
            }
        }
    }

    /// When [`ExecutionSink::flush_due`] next has work.
    #[must_use]
    pub fn flush_at(&self) -> Mono {
        match self {
            ExecutionSink::Log(sink) => sink.flush_at(),
            ExecutionSink::Held(_) => Mono::FAR,
        }
    }

    /// As [`LogSink::flush_due`].
    pub fn flush_due(&mut self, now: Mono) {
        if let ExecutionSink::Log(sink) = self {
            sink.flush_due(now);
        }
    }

    /// As [`LogSink::flush`].
    pub fn flush(&mut self) {
        if let ExecutionSink::Log(sink) = self {
            sink.flush();
        }
    }
}

impl Execution {
    /// A line of the log: time, group, request, text. What could end or forge a line is escaped.
    #[must_use]
    pub fn line(&self, event: &Event) -> String {
        let Execution {
            stage, request_id, ..
        } = self;
        let mut line = format!("{} {GROUP}{stage} ({request_id}) ", iso(event.at));
        for char in event.text.chars() {
            match char {
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push('\t'),
                char if char.is_control() => {
                    // Writing to a string does not fail.
                    let _ = write!(line, "\\u{:04x}", u32::from(char));
                }
                char => line.push(char),
            }
        }
        line
    }

    /// The whole as the console shows it: each line with its time, behind the one that names the
    /// request.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("Execution log for request {}\n", self.request_id);
        for event in &self.events {
            text.push_str(&dated(event.at));
            text.push_str(" : ");
            text.push_str(&event.text);
            text.push('\n');
        }
        text
    }
}

/// `text`, at most `bytes_max` long.
pub fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let mut end = bytes_max.saturating_sub(CUT.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(CUT);
    }
}

/// `{a=1, b=2}`, with secrets masked; a name that comes again comes again.
pub fn map_text<'a>(rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let mut text = String::from("{");
    for (nth, (name, value)) in rows.enumerate() {
        if nth > 0 {
            text.push_str(", ");
        }
        text.push_str(&String::from_utf8_lossy(name));
        text.push('=');
        if is_secret(name) {
            text.push_str(&masked(value));
        } else {
            text.push_str(&String::from_utf8_lossy(value));
        }
    }
    text.push('}');
    text
}

/// A payload as far as a line of `bytes_max` can show it.
#[must_use]
pub fn payload_text(payload: &[u8], bytes_max: usize) -> String {
    let shown = payload
        .get(..bytes_max.saturating_add(1))
        .unwrap_or(payload);
    match std::str::from_utf8(shown) {
        Ok(text) => text.to_owned(),
        // A character that the end of what is shown cuts is no fault.
        Err(fault) if fault.error_len().is_none() && shown.len() < payload.len() => {
            String::from_utf8_lossy(shown.get(..fault.valid_up_to()).unwrap_or(b"")).into_owned()
        }
        Err(_) => "[Binary Data]".to_owned(),
    }
}

/// Stars for all of a secret but its last characters, of which short ones show fewer.
#[must_use]
pub fn masked(secret: &[u8]) -> String {
    let shown_bytes = (secret.len() / 3).min(SHOWN_BYTES_MAX);
    let (hidden, shown) = secret.split_at(secret.len() - shown_bytes);
    let mut text = "*".repeat(hidden.len());
    text.push_str(&String::from_utf8_lossy(shown));
    text
}

const SHOWN_BYTES_MAX: usize = 6;

/// Whether a field of this name proves who somebody is.
fn is_secret(name: &[u8]) -> bool {
    SECRETS
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

const SECRETS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "x-amz-security-token",
    "cookie",
    "set-cookie",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn execution(text: &str) -> Execution {
        Execution {
            request_id: "an-id".to_owned(),
            stage: "a1/dev".to_owned(),
            events: vec![Event {
                at: Wall(1_744_202_096_123),
                text: text.to_owned(),
            }],
        }
    }

    #[test]
    fn lines_have_two_forms() {
        let rows = [
            ("HTTP Method: GET", "HTTP Method: GET"),
            ("a\nb\r\n\u{1b}[2Jc\td", "a\\nb\\r\\n\\u001b[2Jc\td"),
            ("\u{85}ü", "\\u0085ü"),
        ];
        for (text, escaped) in rows {
            let one = execution(text);
            assert_eq!(
                one.line(&one.events[0]),
                format!(
                    "2025-04-09T12:34:56.123Z API-Gateway-Execution-Logs_a1/dev (an-id) {escaped}"
                )
            );
            assert_eq!(
                one.text(),
                format!("Execution log for request an-id\nWed Apr 09 12:34:56 UTC 2025 : {text}\n")
            );
        }
    }

    #[test]
    fn secrets_show_their_last_characters() {
        let rows = [
            ("12345678901234F0yrv6", "**************F0yrv6"),
            ("abcdf2", "****f2"),
            ("ab", "**"),
            ("", ""),
        ];
        for (secret, expected) in rows {
            assert_eq!(masked(secret.as_bytes()), expected);
        }
        let rows: [(&[u8], &[u8]); 7] = [
            (b"authorization", b"abcdf2"),
            (b"X-API-Key", b"abcdf2"),
            (b"Proxy-Authorization", b"abcdf2"),
            (b"Cookie", b"a=cdf2"),
            (b"Set-Cookie", b"a=cdf2"),
            (b"X-Amz-Security-Token", b"abcdf2"),
            (b"Accept", b"*/*"),
        ];
        assert_eq!(
            map_text(rows.into_iter()),
            "{authorization=****f2, X-API-Key=****f2, Proxy-Authorization=****f2, Cookie=****f2, \
             Set-Cookie=****f2, X-Amz-Security-Token=****f2, Accept=*/*}"
        );
        assert_eq!(map_text([].into_iter()), "{}");
    }

    #[test]
    fn long_events_are_cut_between_characters() {
        let mut short = "a".repeat(20);
        cut(&mut short, 20);
        assert_eq!(short, "a".repeat(20));
        let mut long = "a".repeat(21);
        cut(&mut long, 20);
        assert_eq!(long, "aaaaaaaaa[TRUNCATED]");
        let mut wide = "ü".repeat(11);
        cut(&mut wide, 20);
        assert_eq!(wide, "üüüü[TRUNCATED]");
        assert_eq!(payload_text("üü".as_bytes(), 2), "ü");
        assert_eq!(payload_text("üü".as_bytes(), 4), "üü");
        assert_eq!(payload_text(b"a\xff", 4), "[Binary Data]");
        assert_eq!(payload_text(b"a\xc3", 4), "[Binary Data]");
    }
}
