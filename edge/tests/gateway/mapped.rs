//! Requests that are mapped, through a whole worker, over the real ring and over its twin.
//!
//! What it is: examples as files, `wire/mapped/*.case`: an API in JSON, bytes in, bytes at the
//! backend and its answer, bytes out. Shape: all failing examples are listed at once; the sections
//! are those of `common/case.rs`, and `api` (see `common/mapped_api.rs`); `in2` and further are sent
//! once something has been heard, `answer2` and further answer what the backend gets next, one of
//! `events` with lines of a type and a payload behind its head. With
//! `SHOW` set, what was found is printed as a file has it, of the examples whose name has `CASE` in
//! it. Units: bytes. Errors: a leak fails the example that left it; so does a section that nobody
//! reads. Source: recorded behaviour, as the Amazon API Gateway developer guide describes it.

use crate::{
    bed::{self, Kind},
    case::{self, Case},
    events, mapped_api,
    play::{Answer, Lines, Stage, normal},
};
use serde_json::{Value, json};
use tidegate_edge::integrate::compression::{Codecs, Coding};

/// On the kernel this is real time, spent only where nothing must come.
const SILENCE_MS: u64 = 25;

fn settings_of(case: &Case) -> Value {
    match case.bytes("settings") {
        Some(text) => serde_json::from_slice(&text).expect("settings in JSON"),
        None => json!({}),
    }
}

/// `{length}` in a head is what lies behind it.
fn framed(mut bytes: Vec<u8>) -> Vec<u8> {
    const MARK: &[u8] = b"{length}";
    let at = bytes.windows(MARK.len()).position(|window| window == MARK);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    if let (Some(at), Some(end)) = (at, end)
        && at < end
    {
        let length = (bytes.len() - end - 4).to_string();
        bytes.splice(at..at + MARK.len(), length.into_bytes());
    }
    bytes
}

/// A head, and behind it lines of `TYPE payload`, each of which becomes an event: in a chunk of its
/// own where the head says so.
fn streamed(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, lines) = bytes.split_at(end.expect("a head") + 4);
    let is_chunked = head.windows(7).any(|window| window == b"chunked");
    let mut out = head.to_vec();
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let space = line.iter().position(|byte| *byte == b' ').expect("a type");
        let kind = std::str::from_utf8(&line[..space]).expect("a type");
        let event = events::event(kind, &line[space + 1..]);
        out.extend_from_slice(&if is_chunked {
            events::chunk(&event)
        } else {
            event
        });
    }
    if is_chunked {
        out.extend_from_slice(b"0\r\n\r\n");
    }
    out
}

/// The sections `name`, `name2`, `name3` and so on, as far as they go.
fn numbered(case: &Case, name: &'static str) -> impl Iterator<Item = String> {
    let names = (1..).map(move |nth| match nth {
        1 => name.to_owned(),
        nth => format!("{name}{nth}"),
    });
    names.take_while(|name| case.has(name))
}

/// What the sections say that nobody would read.
fn unread(case: &Case) -> Option<String> {
    let read: Vec<String> = ["api", "settings", "origin", "out", "end"]
        .into_iter()
        .map(str::to_owned)
        .chain(numbered(case, "in"))
        .chain(numbered(case, "answer"))
        .collect();
    let mut names = case.names();
    names
        .find(|name| !read.iter().any(|known| known == name))
        .map(|name| format!("nobody reads `{name}`"))
}

fn answers_of(case: &Case) -> Vec<Answer> {
    let answers = numbered(case, "answer").map(|name| {
        let arguments = case.arguments(&name);
        let delay = arguments
            .iter()
            .find_map(|word| word.strip_prefix("delay="));
        let mut bytes = case.bytes(&name).unwrap_or_default();
        if arguments.contains(&"events") {
            bytes = streamed(&bytes);
        }
        Answer {
            bytes: framed(bytes),
            close: arguments.contains(&"close"),
            early: arguments.contains(&"early"),
            delay_ms: delay.map_or(0, |ms| ms.parse().expect("milliseconds")),
            ..Answer::default()
        }
    });
    answers.collect()
}

/// The text between each `from` and the next character of `ends`, replaced by `word`.
fn masked(text: &str, from: &str, ends: &[char], word: &str) -> String {
    let mut parts = text.split(from);
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let end = part.find(ends).unwrap_or(part.len());
        out.push_str(from);
        out.push_str(word);
        out.push_str(&part[end..]);
    }
    out
}

/// As [`normal`], and what differs from run to run within events and mapped fields.
fn plain(bytes: &[u8], gateway: std::net::SocketAddr) -> String {
    let mut text = normal(bytes, gateway);
    for name in ["requestId", "extendedRequestId", "requestTime", "time"] {
        text = masked(&text, &format!("\"{name}\":\""), &['"'], "{}");
    }
    for name in ["requestTimeEpoch", "timeEpoch"] {
        text = masked(&text, &format!("\"{name}\":"), &[',', '}'], "{}");
    }
    text = masked(&text, "Retry-After: ", &['\r'], "{}");
    text = masked(&text, "Root=1-", &[';', '"', '\r'], "{}");
    text = masked(&text, "Parent=", &[';', '"', '\r'], "{}");
    text = text.replace(&format!("\"{}\"", gateway.port()), "\"{port}\"");
    if text.contains("\"requestContext\":") {
        text = masked(&text, "Content-Length: ", &['\r'], "{}");
    }
    text
}

/// Bytes as a file of an example has them.
fn escaped(bytes: &str) -> String {
    let mut out = String::new();
    for byte in bytes.chars() {
        match byte {
            '\n' if out.ends_with("\\r") => out.push_str("\\n\n"),
            '\r' => out.push_str("\\r"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(byte),
            other => out.push_str(&format!("\\x{:02x}", u32::from(other))),
        }
    }
    out
}

fn complaint(case: &Case, kind: Kind, piece: usize) -> Option<String> {
    if let Some(complaint) = unread(case) {
        return Some(complaint);
    }
    let api = mapped_api::read(&case.bytes("api").expect("== api"));
    let stage = Stage::with_api(kind, settings_of(case), &api, answers_of(case));
    let parts = numbered(case, "in").filter_map(|name| case.bytes(&name).map(framed));
    let end = case.arguments("end");
    let heard = stage.talk(Lines {
        parts: parts.collect(),
        piece,
        enough: Box::new(|_| false),
        patience_ms: if end == ["open"] { SILENCE_MS } else { 3_000 },
    });
    let seen = stage.seen();
    let at_origin: Vec<u8> = seen.iter().flat_map(|seen| seen.raw.clone()).collect();
    let found = [
        ("out", plain(&heard.bytes, stage.gateway)),
        ("origin", plain(&at_origin, stage.gateway)),
    ];
    stage.finish();
    let shows = std::env::var("SHOW").is_ok();
    if shows {
        println!("== case {}", case.name);
    }
    for (section, found) in found {
        if shows {
            println!("== {section}\n{}", escaped(&found));
        }
        let expected: Option<String> = case
            .bytes(section)
            .map(|bytes| bytes.iter().map(|byte| char::from(*byte)).collect());
        if expected.as_ref().is_some_and(|expected| *expected != found) {
            return Some(format!("{section}:\n{}", escaped(&found)));
        }
    }
    let found = format!("{:?}", heard.end).to_ascii_lowercase();
    (end != [&*found]).then(|| format!("the connection was {found}"))
}

fn play(kind: Kind, piece: usize) {
    let cases = case::load("wire/mapped");
    let wanted = std::env::var("CASE").unwrap_or_default();
    let complaints: Vec<String> = cases
        .iter()
        .filter(|case| case.name.contains(&wanted))
        .filter_map(|case| {
            complaint(case, kind, piece).map(|complaint| format!("{}: {complaint}", case.name))
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// A mock with a long answer, in an API that compresses.
const COMPRESSES: &str = r##"{"minimumCompressionSize": 64, "methods": {"ANY /m": {
    "type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": $input.json('$.s')}"},
    "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json":
        "#foreach($i in [1..100])$input.params('q') $i, #end"}}}}}}"##;

/// Sends `head` and `body` to an API that compresses; gives the answer's head and body.
fn exchanged(head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let api = mapped_api::read(COMPRESSES.as_bytes());
    let stage = Stage::with_api(Kind::Twin, json!({}), &api, Vec::new());
    let length = body.len();
    let line = format!("POST /m?q=word HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}");
    let mut request = format!("{line}Content-Length: {length}\r\n\r\n").into_bytes();
    request.extend_from_slice(body);
    let heard = stage.talk(Lines {
        parts: vec![request],
        piece: usize::MAX,
        enough: Box::new(|_| false),
        patience_ms: 3_000,
    });
    stage.finish();
    let end = heard
        .bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&heard.bytes[..end]).into_owned();
    (head, heard.bytes[end + 4..].to_vec())
}

#[test]
fn payloads_are_decoded_and_answers_coded() {
    let mut codecs = Codecs::new();
    let expected: String = (1..=100).map(|i| format!("word {i}, ")).collect();
    let plain = br#"{"s": 200}"#;
    let mut coded = Vec::new();
    assert!(codecs.encode(Coding::Gzip, plain, &mut coded));
    for (coding, name) in [(Coding::Gzip, "gzip"), (Coding::Deflate, "deflate")] {
        let accepts = format!("Accept-Encoding: {name}\r\nContent-Encoding: gzip\r\n");
        let (head, body) = exchanged(&accepts, &coded);
        assert!(
            head.contains(&format!("Content-Encoding: {name}")),
            "{head}"
        );
        assert!(head.contains("Vary: Accept-Encoding"), "{head}");
        let mut out = Vec::new();
        codecs
            .decode(coding, &body, 1 << 20, &mut out)
            .expect("coded as it says");
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
    let (head, body) = exchanged("", plain);
    assert!(!head.contains("Content-Encoding"), "{head}");
    assert_eq!(String::from_utf8_lossy(&body), expected);
    for (name, body) in [("gzip", &b"nonsense"[..]), ("br", b"{}")] {
        let (head, _) = exchanged(&format!("Content-Encoding: {name}\r\n"), body);
        assert!(head.starts_with("HTTP/1.1 415"), "{name}: {head}");
    }
}

/// What names a request: a UUID and an extended id in a REST API, the latter alone in an HTTP API.
#[test]
fn answers_name_their_request() {
    let mock = r#""GET /m": {"type": "mock", "requestTemplates": {"application/json":
        "{\"statusCode\": 200}"}, "responses": {"default": {"statusCode": "200"}}}"#;
    let rows = [
        (format!(r#"{{"methods": {{{mock}}}}}"#), "/m"),
        (format!(r#"{{"methods": {{{mock}}}}}"#), "/none"),
        (
            format!(r#"{{"kind": "http", "methods": {{{mock}}}}}"#),
            "/none",
        ),
    ];
    for (api, path) in rows {
        let api = mapped_api::read(api.as_bytes());
        let is_rest = api.kind == tidegate_edge::model::api::ApiKind::Rest;
        let stage = Stage::with_api(Kind::Twin, json!({}), &api, Vec::new());
        let line = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let heard = stage.talk(Lines {
            parts: vec![line.into_bytes()],
            piece: usize::MAX,
            enough: Box::new(|_| false),
            patience_ms: 3_000,
        });
        stage.finish();
        let head = String::from_utf8_lossy(&heard.bytes).into_owned();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let (uuid, extended) = (field("x-amzn-RequestId: "), field("x-amz-apigw-id: "));
        let own = field("apigw-requestid: ");
        let shape = |id: &str| {
            let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(id.split('-').all(digits), "{id}");
            id.split('-').map(str::len).collect::<Vec<_>>()
        };
        assert_eq!(uuid.map(shape), is_rest.then(|| vec![8, 4, 4, 4, 12]));
        assert_eq!(extended.is_some(), is_rest, "{head}");
        assert_eq!(own.is_some(), !is_rest, "{head}");
        assert!(
            extended.or(own).is_some_and(|id| id.ends_with('=')),
            "{head}"
        );
    }
}

#[test]
fn whole_over_the_kernel() {
    play(Kind::Kernel, usize::MAX);
}

#[test]
fn whole_over_the_twin() {
    play(Kind::Twin, usize::MAX);
}

#[test]
fn in_pieces_over_the_twin() {
    play(Kind::Twin, 7);
}

/// The same order, forwarded and mapped each way.
const BOTH_ROADS: &str = r##"{"methods": {
    "POST /proxied": {"type": "http_proxy", "uri": "http://origin.test/o"},
    "POST /mapped": {"type": "http", "uri": "http://origin.test/o",
        "requestTemplates": {"application/json": "{\"id\": $input.json('$.id')}"},
        "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json":
            "{\"found\": $input.json('$.id')}"}}}}}}"##;

/// Operations that a ring is given for one request on `path` of a connection that stays open.
fn operations(path: &str) -> u64 {
    const REQUESTS: u64 = 50;
    let api = mapped_api::read(BOTH_ROADS.as_bytes());
    let answer = Answer {
        bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"id\": 7}".to_vec(),
        ..Answer::default()
    };
    let stage = Stage::with_api(Kind::Twin, json!({}), &api, vec![answer]);
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    let request = [head.as_bytes(), b"{\"id\": 7}"].concat();
    let submitted = std::rc::Rc::new(std::cell::Cell::new(0));
    let told = std::rc::Rc::clone(&submitted);
    stage.perform(move |core, mut stream| async move {
        let mut before = 0;
        for number in 0..=REQUESTS {
            if number == 1 {
                before = core.figures().submitted; // the origin's connection is there
            }
            stream.send(bed::bytes(&core, &request));
            let answer = stream.recv(core.now().plus_ms(3_000)).await;
            assert!(answer.expect("an answer").starts_with(b"HTTP/1.1 200"));
        }
        told.set(core.figures().submitted - before);
    });
    stage.finish();
    submitted.get().div_ceil(REQUESTS)
}

#[test]
fn a_mapped_request_takes_no_more_operations_than_a_forwarded_one() {
    let (proxied, mapped) = (operations("/proxied"), operations("/mapped"));
    assert!(proxied > 0 && mapped <= proxied, "{mapped} over {proxied}");
}
