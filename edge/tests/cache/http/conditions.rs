//! A client's conditions and ranges, and the heads that answer them.

use tidegate_edge::{
    cache::http::{Answer, Caller, answer},
    wire::HeadWriter,
};

use super::{
    records::{record, stored},
    text::{AnsweredText, AskedText, cut, table},
};
use tidegate_edge::{cache::http::HttpCacheRules, wire::ResponseTo};

/// A stored response of ten bytes.
fn kept(status: u16, lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let text = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: 10\r\nCache-Control: max-age=60\r\n\
         Date: Tue, 09 Sep 2025 06:40:00 GMT\r\n{lines}\r\n"
    );
    let answered = AnsweredText::of(text, ResponseTo::default());
    let asked = AskedText::get(&[]);
    record(&asked, &answered, &HttpCacheRules::default(), None).expect("stored")
}

fn show(found: Answer) -> String {
    match found {
        Answer::Whole => "whole".to_owned(),
        Answer::NotModified => "304".to_owned(),
        Answer::Partial { first, last } => format!("{first}-{last}"),
        Answer::Unsatisfiable => "416".to_owned(),
    }
}

fn decide(status: u16, lines: &[&str], start: &str, asks: &[&str]) -> String {
    let meta = kept(status, lines);
    let stored = stored(&meta, 10);
    let asked = AskedText::with(start, asks);
    show(answer(&asked.facts(Caller::Unknown), &stored))
}

#[test]
fn conditions() {
    for row in table(CONDITIONS) {
        let [lines, asks, expected] = row[..] else {
            panic!("{row:?}");
        };
        let (lines, asks) = (cut(lines), cut(asks));
        for start in ["GET /", "HEAD /"] {
            assert_eq!(decide(200, &lines, start, &asks), expected, "{row:?}");
        }
        let of_error = decide(404, &lines, "GET /", &asks);
        assert_eq!(of_error, "whole", "an error has no conditions");
    }
}

/// Fields of the stored response, of the request, answer. Without Last-Modified, Date stands in.
const CONDITIONS: &str = r#"
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: "a,b" | 304
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: W/"a,b" | 304
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: "x",, "a,b" , | 304
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: "x" ; If-None-Match: "a,b" | 304
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: * | 304
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: "a" | whole
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: "x*", "*" | whole
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match:  | whole
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: "A,B" | whole
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: "a,b | whole
ETag: W/"a" | If-None-Match: "a" | 304
ETag: W/"a" | If-None-Match: W/"a" | 304
 | If-None-Match: "a" | whole
 | If-None-Match: W/ | whole
ETag: W/ | If-None-Match: W/ | whole
 | If-None-Match: * | 304
Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-Modified-Since: Tue, 09 Sep 2025 06:00:00 GMT | 304
Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-Modified-Since: Tue, 09 Sep 2025 05:59:59 GMT | whole
Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-Modified-Since: Tuesday, 09-Sep-25 06:00:00 GMT | 304
Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-Modified-Since: nonsense | whole
Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-Modified-Since: Tue, 09 Sep 2025 06:00:00 GMT ; If-Modified-Since: Tue, 09 Sep 2025 06:00:00 GMT | whole
 | If-Modified-Since: Tue, 09 Sep 2025 06:40:00 GMT | 304
 | If-Modified-Since: Tue, 09 Sep 2025 06:39:59 GMT | whole
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: "x" ; If-Modified-Since: Tue, 09 Sep 2025 06:00:00 GMT | whole
ETag: "a,b" ; Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | If-None-Match: "a,b" ; If-Modified-Since: Tue, 09 Sep 2020 06:00:00 GMT | 304
"#;

#[test]
fn ranges() {
    for row in table(RANGES) {
        let [lines, asks, expected] = row[..] else {
            panic!("{row:?}");
        };
        assert_eq!(
            decide(200, &cut(lines), "GET /", &cut(asks)),
            expected,
            "{row:?}"
        );
    }
    assert_eq!(decide(200, &[], "HEAD /", &["Range: bytes=0-1"]), "whole");
    assert_eq!(decide(404, &[], "GET /", &["Range: bytes=0-1"]), "whole");
}

/// Fields of the stored response, of the request, answer. A date of the second in which the
/// response was sent is weak; a condition that holds comes before the range.
const RANGES: &str = r#"
 | Range: bytes=0-0 | 0-0
 | Range: bytes=2-5 | 2-5
 | Range: BYTES=2- | 2-9
 | Range: bytes=2-99999999999999999999999 | 2-9
 | Range: bytes=-3 | 7-9
 | Range: bytes=-99 | 0-9
 | Range: bytes=-0 | 416
 | Range: bytes=10- | 416
 | Range: bytes=10-20 | 416
 | Range: bytes=99999999999999999999999- | 416
 | Range: bytes=0-9 | 0-9
 | Range: bytes=,2-5 , | 2-5
 | Range: bytes=0-1,3-4 | whole
 | Range: bytes=5-2 | whole
 | Range: bytes=10-2 | whole
 | Range: bytes=- | whole
 | Range: bytes= | whole
 | Range: bytes=a-b | whole
 | Range: bytes=1-b | whole
 | Range: bytes=99-b | whole
 | Range: bytes=1 - 2 | whole
 | Range: bytes 0-1 | whole
 | Range: lines=0-1 | whole
 | Range: bytes=0-1 ; Range: bytes=0-1 | whole
 | If-Range: "a" | whole
ETag: "a" | Range: bytes=0-1 ; If-Range: "a" | 0-1
ETag: "a" | Range: bytes=0-1 ; If-Range: "b" | whole
ETag: "a" | Range: bytes=99- ; If-Range: "b" | whole
ETag: W/"a" | Range: bytes=0-1 ; If-Range: W/"a" | whole
ETag: "a" | Range: bytes=0-1 ; If-Range: a | whole
ETag: "a" | Range: bytes=0-1 ; If-Range: "a" ; If-Range: "a" | whole
Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | Range: bytes=0-1 ; If-Range: Tue, 09 Sep 2025 06:00:00 GMT | 0-1
Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT | Range: bytes=0-1 ; If-Range: Tue, 09 Sep 2025 06:00:01 GMT | whole
Last-Modified: Tue, 09 Sep 2025 06:40:00 GMT | Range: bytes=0-1 ; If-Range: Tue, 09 Sep 2025 06:40:00 GMT | whole
ETag: "a" | Range: bytes=0-1 ; If-None-Match: "a" | 304
ETag: "a" | Range: bytes=0-1 ; If-None-Match: "b" | 0-1
"#;

#[test]
fn an_empty_body_has_no_ranges() {
    let answered = AnsweredText::of(
        "HTTP/1.1 200 x\r\nContent-Length: 0\r\nCache-Control: max-age=60\r\n\r\n".into(),
        ResponseTo::default(),
    );
    let asked = AskedText::get(&[]);
    let meta = record(&asked, &answered, &HttpCacheRules::default(), None).expect("stored");
    let stored = stored(&meta, 0);
    for (range, expected) in [
        ("-5", "whole"),
        ("0-", "416"),
        ("0-0", "416"),
        ("-0", "416"),
    ] {
        let line = format!("Range: bytes={range}");
        let asked = AskedText::get(&[&line]);
        let found = answer(&asked.facts(Caller::Unknown), &stored);
        assert_eq!(show(found), expected, "{range}");
    }
}

#[test]
fn heads() {
    let meta = kept(
        200,
        &["ETag: \"a\"", "Content-Type: text/plain", "Location: /x"],
    );
    let stored = stored(&meta, 10);
    let shared = "Cache-Control: max-age=60\r\nDate: Tue, 09 Sep 2025 06:40:00 GMT\r\n\
        ETag: \"a\"\r\n";
    let rest = "Content-Type: text/plain\r\nLocation: /x\r\n";
    let rows = [
        (
            "GET /",
            Answer::Whole,
            (0, 10),
            format!("HTTP/1.1 200 OK\r\n{shared}{rest}Content-Length: 10\r\nAge: 3\r\n\r\n"),
        ),
        (
            "HEAD /",
            Answer::Whole,
            (0, 0),
            format!("HTTP/1.1 200 OK\r\n{shared}{rest}Content-Length: 10\r\nAge: 3\r\n\r\n"),
        ),
        (
            "GET /",
            Answer::NotModified,
            (0, 0),
            format!("HTTP/1.1 304 Not Modified\r\n{shared}Age: 3\r\n\r\n"),
        ),
        (
            "GET /",
            Answer::Partial { first: 2, last: 5 },
            (2, 4),
            format!(
                "HTTP/1.1 206 Partial Content\r\n{shared}{rest}\
                 Content-Range: bytes 2-5/10\r\nContent-Length: 4\r\nAge: 3\r\n\r\n"
            ),
        ),
        (
            "GET /",
            Answer::Unsatisfiable,
            (0, 0),
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */10\r\n\
             Content-Length: 0\r\n\r\n"
                .to_owned(),
        ),
    ];
    for (start, how, body, expected) in rows {
        let mut out = [0; 1_024];
        let mut head = HeadWriter::new(&mut out);
        how.write_head(&stored, Some(3), &mut head);
        let len = head.end().expect("fits");
        assert_eq!(std::str::from_utf8(&out[..len]), Ok(expected.as_str()));
        let asked = AskedText::with(start, &[]);
        assert_eq!(
            how.body(&asked.facts(Caller::Unknown), &stored),
            body,
            "{how:?}"
        );
    }
}
