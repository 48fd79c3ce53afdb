//! Messages as text, for tests to write and to compare.

use tidegate_edge::{
    base::time::Wall,
    cache::http::{Caller, HttpCacheRules, Request, Response},
    wire::{
        HeadLimits, RequestHead, ResponseHead, ResponseTo, date::imf_fixdate, parse_request,
        parse_response,
    },
};

/// A head and the body behind it, in lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Message {
    /// `GET /a` or `200`.
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn new(start: &str, fields: &[(&str, &str)], body: &str) -> Message {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Message {
            start: start.to_owned(),
            fields: fields.iter().map(own).collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.start.parse().expect("a status")
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .find(named)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn drop(&mut self, name: &str) {
        self.fields
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// The head of a request to `http://host`.
    pub(crate) fn request_head(&self) -> String {
        format!(
            "{} HTTP/1.1\r\nHost: host\r\n{}\r\n",
            self.start,
            self.lines()
        )
    }

    /// The head of a response as it came.
    pub(crate) fn response_head(&self) -> String {
        format!("HTTP/1.1 {} x\r\n{}\r\n", self.start, self.lines())
    }

    fn lines(&self) -> String {
        let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
        self.fields.iter().map(line).collect()
    }
}

/// A parsed request, with its bytes.
pub(crate) struct AskedText {
    pub(crate) text: String,
    pub(crate) head: RequestHead,
}

impl AskedText {
    pub(crate) fn of(text: String) -> AskedText {
        let mut head = RequestHead::new();
        parse_request(text.as_bytes(), &HeadLimits::default(), &mut head)
            .unwrap_or_else(|fault| panic!("{fault:?} in {text}"));
        AskedText { text, head }
    }

    /// `GET /` with these lines.
    pub(crate) fn get(lines: &[&str]) -> AskedText {
        AskedText::with("GET /", lines)
    }

    pub(crate) fn with(start: &str, lines: &[&str]) -> AskedText {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        AskedText::of(format!("{start} HTTP/1.1\r\nHost: host\r\n{lines}\r\n"))
    }

    pub(crate) fn facts(&self, caller: Caller) -> Request<'_> {
        Request::new(&self.head, self.text.as_bytes(), caller)
    }
}

/// A parsed response, with its bytes.
pub(crate) struct AnsweredText {
    pub(crate) text: String,
    pub(crate) head: ResponseHead,
}

impl AnsweredText {
    pub(crate) fn of(text: String, to: ResponseTo) -> AnsweredText {
        let mut head = ResponseHead::new();
        parse_response(text.as_bytes(), &HeadLimits::default(), to, &mut head)
            .unwrap_or_else(|fault| panic!("{fault:?} in {text}"));
        AnsweredText { text, head }
    }

    /// A response of `status` with a body of one byte and these lines.
    pub(crate) fn with(status: u16, lines: &[&str]) -> AnsweredText {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let length = if matches!(status, 204 | 304) {
            ""
        } else {
            "Content-Length: 1\r\n"
        };
        AnsweredText::of(
            format!("HTTP/1.1 {status} x\r\n{lines}{length}\r\n"),
            ResponseTo::default(),
        )
    }

    pub(crate) fn facts(&self, at: Wall, rules: &HttpCacheRules) -> Response<'_> {
        Response::new(&self.head, self.text.as_bytes(), at, at, rules)
    }
}

/// Field lines, written with ` ; ` between them.
pub(crate) fn cut(lines: &str) -> Vec<&str> {
    lines.split(" ; ").filter(|line| !line.is_empty()).collect()
}

/// The rows of a table and their columns, ` | ` between them.
pub(crate) fn table(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter(|row| !row.is_empty());
    rows.map(|row| row.split('|').map(str::trim).collect())
}

/// The date of a second.
pub(crate) fn date(second: i64) -> String {
    let second = u64::try_from(second).expect("after 1970");
    String::from_utf8(imf_fixdate(second).to_vec()).expect("ASCII")
}

/// When tests begin: 9 September 2025, a little after a whole second.
pub(crate) const START: Wall = Wall(1_757_400_000_250);
/// The same in seconds.
pub(crate) const START_S: i64 = 1_757_400_000;

/// Some time later.
pub(crate) fn after(seconds: u64) -> Wall {
    Wall(START.0 + seconds * 1000)
}
