//! Wire examples through a whole worker, over the real ring and over its twin.
//!
//! What it is: every request and response example of the parsers, and the examples of the whole
//! gateway (`wire/gateway/*.case`, those of its response cache `wire/cache/*.case`, of stages, hosts
//! and paths `wire/stage/*.case`: bytes in,
//! bytes at the origin, bytes out), played by `common/play.rs`. Shape: all failing examples are listed at once. Units: bytes. Errors: a leak
//! fails the example that left it. Source: the parsing and limits tables.

use crate::{
    bed::Kind,
    case::{self, Case},
    play::{Answer, End, Heard, Lines, Seen, Stage, first_answer, normal},
};
use serde_json::{Value, json};

/// Names that must never reach the other side.
const HOP_BY_HOP: &[&str] = &[
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// Examples whose feature does not exist in this gateway, with what is answered instead.
const OTHERWISE: &[(&str, u16)] = &[
    ("options-asterisk", 403), // `*` is no resource
];

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// On the kernel this is real time, spent only where nothing must come.
const SILENCE_MS: u64 = 25;

fn settings_of(case: &Case) -> Value {
    let mut settings = match case.bytes("settings") {
        Some(text) => serde_json::from_slice(&text).expect("settings in JSON"),
        None => json!({}),
    };
    for word in case.arguments("limits") {
        let (name, number) = word.split_once('=').expect("name=number");
        settings["limits"][name] = json!(number.parse::<u64>().expect("a number"));
    }
    // What passes stays as it was sent, unless an example says otherwise.
    let mut rule = |place: &mut Value| {
        let place = place.as_object_mut().expect("an object");
        place
            .entry("header_rules")
            .or_insert_with(|| json!("proxy"));
    };
    match settings.get("apis").is_some() {
        true => (settings["apis"].as_array_mut().expect("apis"))
            .iter_mut()
            .for_each(&mut rule),
        false => rule(&mut settings),
    }
    settings
}

/// Lines of a head as (lower-case name, value).
fn fields(head: &[u8]) -> Vec<(String, String)> {
    head.split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(|line| {
            let line: String = line.iter().map(|byte| char::from(*byte)).collect();
            let (name, value) = line.trim_end().split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        })
        .collect()
}

/// What is wrong with a request that should have been forwarded.
fn origin_complaint(case: &Case, seen: &[Seen]) -> Option<String> {
    let Some(first) = seen.first() else {
        return Some("nothing reached the origin".to_owned());
    };
    let found = fields(&first.raw[..first.head_bytes]);
    let count = |name: &str| found.iter().filter(|field| field.0 == name).count();
    if count("host") != 1 {
        return Some(format!("{} times Host", count("host")));
    }
    if count("content-length") + count("transfer-encoding") > 1 {
        return Some(format!("framed twice: {found:?}"));
    }
    let listed = case.facts("head");
    let hop = listed
        .iter()
        .filter(|fact| fact.0 == "hop")
        .flat_map(|fact| fact.1.split(','))
        .map(str::to_ascii_lowercase)
        .filter(|name| !matches!(&**name, "" | "transfer-encoding"));
    for name in hop.chain(HOP_BY_HOP.iter().map(|name| (*name).to_owned())) {
        if count(&name) != 0 {
            return Some(format!("{name} passed"));
        }
    }
    let absent = listed.iter().filter(|fact| fact.0 == "absent");
    for (_, name) in absent {
        if count(&name.to_ascii_lowercase()) != 0 {
            return Some(format!("{name} passed"));
        }
    }
    if let Some(body) = case.bytes("body")
        && body != first.body
    {
        return Some(format!("body {:?}", String::from_utf8_lossy(&first.body)));
    }
    None
}

fn request_complaint(case: &Case, kind: Kind, piece: usize) -> Option<String> {
    let answer = Answer {
        bytes: OK.to_vec(),
        ..Answer::default()
    };
    let stage = Stage::new(kind, settings_of(case), vec![answer]);
    let to_head = case.input().starts_with(b"HEAD");
    let refused = case.status();
    let closes = refused.is_some() || case.facts("head").contains(&("keep-alive", "no"));
    let waits = case.has("wait");
    let heard = stage.talk(Lines {
        parts: vec![case.input()],
        piece,
        enough: Box::new(move |bytes| !closes && first_answer(bytes, to_head).is_some()),
        patience_ms: if waits { SILENCE_MS } else { 3_000 },
    });
    let complaint = judge_request(case, &stage, &heard, to_head);
    stage.finish();
    complaint
}

fn judge_request(case: &Case, stage: &Stage, heard: &Heard, to_head: bool) -> Option<String> {
    let say = || {
        Some(format!(
            "{:?} {:?}",
            heard.end,
            normal(&heard.bytes, stage.gateway)
        ))
    };
    if case.has("wait") {
        return (!heard.bytes.is_empty() || heard.end != End::Open).then(say)?;
    }
    let Some((status, body, _)) = first_answer(&heard.bytes, to_head) else {
        return say();
    };
    let otherwise = OTHERWISE.iter().find(|row| row.0 == case.name);
    if let Some((_, expected)) = otherwise {
        return (status != *expected).then(say)?;
    }
    if let Some(expected) = case.status() {
        let declared = matches!(expected, 413 | 417 | 431 | 414) && case.bytes("body").is_none();
        let reached = declared && !case.name.contains("chunk") && !stage.seen().is_empty();
        let reached = reached && !case.name.contains("trailer");
        return (status != expected || heard.end != End::Closed || reached).then(say)?;
    }
    let body_right = to_head || body == b"ok";
    let closes = case.facts("head").contains(&("keep-alive", "no"));
    if status != 200 || !body_right || (closes && heard.end != End::Closed) {
        return say();
    }
    origin_complaint(case, &stage.seen())
}

/// What the origin sends for a response example.
fn answer_bytes(case: &Case) -> Vec<u8> {
    let mut bytes = case.input();
    if case.facts("head").contains(&("interim", "yes")) {
        let rest = case.bytes("rest").unwrap_or_default();
        bytes.truncate(bytes.len() - rest.len());
        bytes.extend_from_slice(OK);
    }
    bytes
}

fn response_complaint(case: &Case, kind: Kind) -> Option<String> {
    let bytes = answer_bytes(case);
    let answer = Answer {
        bytes,
        close: true,
        ..Answer::default()
    };
    let mut settings = settings_of(case);
    settings["limits"]["response_head_bytes_max"] = json!(10_240); // as the parsers' examples
    let stage = Stage::new(kind, settings, vec![answer]);
    let to_head = case.arguments("to").contains(&"head");
    let method = if to_head { "HEAD" } else { "GET" };
    let heard = stage.talk(Lines {
        parts: vec![format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()],
        piece: usize::MAX,
        enough: Box::new(move |bytes| first_answer(bytes, to_head).is_some()),
        patience_ms: 3_000,
    });
    let complaint = judge_response(case, &stage, &heard, to_head);
    stage.finish();
    complaint
}

fn judge_response(case: &Case, stage: &Stage, heard: &Heard, to_head: bool) -> Option<String> {
    let say = || {
        Some(format!(
            "{:?} {:?}",
            heard.end,
            normal(&heard.bytes, stage.gateway)
        ))
    };
    let answer = first_answer(&heard.bytes, to_head);
    if case.status().is_some() {
        return match answer {
            Some((502, _, _)) => None,
            None if heard.end == End::Reset => None, // its head had left: cut visibly
            _ => say(),
        };
    }
    let Some((status, body, length)) = answer else {
        return say();
    };
    if heard.bytes.len() != length {
        return say(); // surplus bytes of the origin must not pass
    }
    let interim = case.facts("head").contains(&("interim", "yes"));
    if interim {
        return (status != 200 || body != b"ok").then(say)?;
    }
    for (key, value) in case.facts("head") {
        let right = match key {
            "status" => value == status.to_string(),
            "hop" => {
                let found = fields(&heard.bytes);
                let names = value.split(',').map(str::to_ascii_lowercase);
                names
                    .filter(|name| name != "connection")
                    .all(|name| found.iter().all(|field| field.0 != name))
            }
            _ => true,
        };
        if !right {
            return say();
        }
    }
    case.bytes("body")
        .filter(|expected| *expected != body)
        .and_then(|_| say())
}

fn gateway_complaint(case: &Case, kind: Kind, piece: usize) -> Option<String> {
    let parts = ["in", "in2", "in3"]
        .iter()
        .filter_map(|name| case.bytes(name));
    let answers = ["answer", "answer2", "answer3"];
    let answers = answers
        .iter()
        .filter(|name| case.has(name))
        .map(|name| Answer {
            bytes: case.bytes(name).unwrap_or_default(),
            early: case.arguments(name).contains(&"early"),
            close: case.arguments(name).contains(&"close"),
            ..Answer::default()
        });
    let stage = Stage::new(kind, settings_of(case), answers.collect());
    let heard = stage.talk(Lines {
        parts: parts.collect(),
        piece,
        enough: Box::new(|_| false),
        patience_ms: if case.arguments("end") == ["open"] {
            SILENCE_MS
        } else {
            3_000
        },
    });
    let at_origin: Vec<u8> = stage
        .seen()
        .iter()
        .flat_map(|seen| seen.raw.clone())
        .collect();
    let connections: Vec<usize> = stage.seen().iter().map(|seen| seen.connection).collect();
    let found = [
        ("out", normal(&heard.bytes, stage.gateway)),
        ("origin", normal(&at_origin, stage.gateway)),
    ];
    stage.finish();
    for (section, found) in found {
        let expected: Option<String> = case
            .bytes(section)
            .map(|bytes| bytes.iter().map(|byte| char::from(*byte)).collect());
        if expected.as_ref().is_some_and(|expected| *expected != found) {
            return Some(format!("{section}:\n{}", found.replace("\r\n", "\\r\\n\n")));
        }
    }
    let end = format!("{:?}", heard.end).to_ascii_lowercase();
    if case.arguments("end") != [&*end] {
        return Some(format!("the connection was {end}"));
    }
    let listed: Vec<String> = connections.iter().map(usize::to_string).collect();
    let expected = case.arguments("connections");
    (case.has("connections") && expected != listed).then(|| format!("connections {listed:?}"))
}

fn play(folder: &str, cases_min: usize, run: impl Fn(&Case) -> Option<String>) {
    let cases = case::load(folder);
    assert!(cases.len() >= cases_min, "only {} in {folder}", cases.len());
    let complaints: Vec<String> = cases
        .iter()
        .filter_map(|case| run(case).map(|complaint| format!("{}: {complaint}", case.name)))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

macro_rules! both_worlds {
    ($($name:ident($kind:ident) $body:block)*) => {
        mod kernel { $(#[test] fn $name() { let $kind = super::Kind::Kernel; $body })* }
        mod twin { $(#[test] fn $name() { let $kind = super::Kind::Twin; $body })* }
    };
}

both_worlds! {
    requests_whole(kind) {
        super::play("wire/requests", 250, |case| super::request_complaint(case, kind, usize::MAX));
    }
    requests_in_pieces(kind) {
        let small = |case: &super::Case| case.input().len() < 500;
        super::play("wire/requests", 250, |case| {
            small(case).then(|| super::request_complaint(case, kind, 5)).flatten()
        });
    }
    responses(kind) {
        // WebSocket routes do not exist yet, so that nobody asks an origin for 101.
        super::play("wire/responses", 50, |case| {
            let asks = case.arguments("to").contains(&"upgrade");
            (!asks).then(|| super::response_complaint(case, kind)).flatten()
        });
    }
    gateway_whole(kind) {
        super::play("wire/gateway", 20, |case| super::gateway_complaint(case, kind, usize::MAX));
    }
    stage(kind) {
        super::play("wire/stage", 40, |case| super::gateway_complaint(case, kind, usize::MAX));
    }
    cache(kind) {
        super::play("wire/cache", 3, |case| super::gateway_complaint(case, kind, usize::MAX));
    }
    gateway_in_pieces(kind) {
        super::play("wire/gateway", 20, |case| super::gateway_complaint(case, kind, 7));
    }
}

#[test]
fn a_wrong_expectation_is_noticed() {
    let head = "== in\nGET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n\n== answer\n";
    let answer = "HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n\n";
    for (planted, is_wrong) in [
        ("== end closed\n", false),
        ("== end open\n", true),
        ("== end reset\n", true),
        ("== end closed\n== out\nHTTP\n", true),
        ("== end closed\n== origin\nGET\n", true),
        ("== end closed\n== connections 2\n", true),
    ] {
        let text = format!("{head}{answer}{planted}");
        let case = case::parse("planted".to_owned(), &text);
        let complaint = gateway_complaint(&case, Kind::Twin, usize::MAX);
        assert_eq!(complaint.is_some(), is_wrong, "{planted}: {complaint:?}");
    }
}
