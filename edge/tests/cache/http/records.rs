//! Records: what is written is read, and nothing else.

use tidegate_edge::{
    base::{prng::Prng, time::Wall},
    cache::http::{
        Caller, Decision, Draft, HttpCacheRules, Normalise, PassReason, Record, Response, Stored,
        VaryNames,
        encode::{write_mark, write_uncacheable, write_variants},
        hash::Hash64,
        record::{FIXED_BYTES, TAGS_MAX},
        storable,
    },
    wire::ResponseTo,
};

use super::text::{AnsweredText, AskedText, START, after};

/// The record of a response to GET, or why there is none.
pub(crate) fn record(
    asked: &AskedText,
    answered: &AnsweredText,
    rules: &HttpCacheRules,
    body_bytes: Option<u64>,
) -> Result<Vec<u8>, PassReason> {
    let request = asked.facts(Caller::Unknown);
    let sent = Wall(START.0 - 20);
    let bytes = answered.text.as_bytes();
    let response = Response::new(&answered.head, bytes, sent, START, rules);
    let terms = match storable(&request, &response, rules) {
        Decision::Store(terms) => terms,
        Decision::Pass { reason, .. } => return Err(reason),
    };
    let draft = Draft {
        request: &request,
        response: &response,
        terms: &terms,
        normalise: Normalise::default(),
        uri_tag: 77,
        body_bytes,
        is_dated: true,
    };
    let mut meta = vec![0; 70_000];
    let len = draft.write(&mut meta)?;
    meta.truncate(len);
    Ok(meta)
}

/// The record of a response with these lines, its body one byte long.
pub(crate) fn record_of(status: u16, lines: &[&str]) -> Vec<u8> {
    let answered = AnsweredText::with(status, lines);
    let asked = AskedText::get(&["Accept: text/html, */*", "X-Lang: de"]);
    record(&asked, &answered, &HttpCacheRules::default(), None)
        .unwrap_or_else(|reason| panic!("{reason:?} for {lines:?}"))
}

/// Reads a record whose body has `body_bytes`.
pub(crate) fn stored(meta: &[u8], body_bytes: u64) -> Stored<'_> {
    match Record::decode(meta, body_bytes) {
        Some(Record::Response(stored)) => stored,
        other => panic!("{other:?}"),
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

const FULL: &[&str] = &[
    "Server: o",
    "ETag: W/\"e\"",
    "Connection: x-hop, close",
    "X-Hop: 1",
    "Cache-Control: max-age=60, stale-while-revalidate=5, private=\"x-mine\"",
    "X-Mine: 1",
    "Age: 7",
    "Keep-Alive: 1",
    "x-amzn-RequestId: 1",
    "X-Cache: Hit",
    "Date: Tue, 09 Sep 2025 06:40:00 GMT",
    "Vary: X-Lang, accept , X-None",
    "Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT",
    "Access-Control-Allow-Origin: *",
    "Cache-Tag: a, b",
    "Surrogate-Key: c  d",
    "Cache-Status: up; hit",
];

#[test]
fn a_record_holds_what_may_be_sent_and_no_more() {
    let meta = record_of(200, FULL);
    let stored = stored(&meta, 1);
    let head = "HTTP/1.1 200 OK\r\n\
        ETag: W/\"e\"\r\n\
        Cache-Control: max-age=60, stale-while-revalidate=5, private=\"x-mine\"\r\n\
        Date: Tue, 09 Sep 2025 06:40:00 GMT\r\n\
        Vary: X-Lang, accept , X-None\r\n\
        Access-Control-Allow-Origin: *\r\n\
        Cache-Status: up; hit\r\n\
        Server: o\r\n\
        Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT\r\n\
        Cache-Tag: a, b\r\n\
        Surrogate-Key: c  d\r\n\
        Content-Length: 1\r\n";
    assert_eq!(text(stored.whole_lines()), head);
    assert!(stored.declares_length());
    assert!(text(stored.shared_lines()).ends_with("Cache-Status: up; hit\r\n"));
    assert!(text(stored.field_lines()).ends_with("Surrogate-Key: c  d\r\n"));
    assert_eq!(stored.fields().count(), 10);
    assert_eq!(text(stored.etag), "W/\"e\"");
    assert_eq!(text(stored.last_modified), "Tue, 09 Sep 2025 06:00:00 GMT");
    assert_eq!(text(stored.date), "Tue, 09 Sep 2025 06:40:00 GMT");
    assert_eq!((stored.status, stored.body_bytes), (200, 1));
    assert_eq!((stored.response_time, stored.request_delay_ms), (START, 20));
    assert_eq!((stored.lifetime_s, stored.initial_age_ms), (60, 7_020));
    assert_eq!(stored.lifetime_source.as_str(), "max-age");
    assert_eq!(stored.stale_while_revalidate_s, 5);
    assert_eq!(stored.stale_if_error_s, 86_400);
    assert!(!stored.must_revalidate && !stored.no_cache && !stored.immutable);
    let tags: Vec<u64> = stored.tags().collect();
    let expected = [b"a", b"b", b"c", b"d"].map(|tag| Hash64::of_tag(tag));
    assert_eq!(tags[0], 77);
    assert_eq!(tags[1..], expected);
    let selecting: Vec<(&str, &[u8])> = stored
        .selecting
        .iter()
        .map(|(name, value)| (text(name), value))
        .collect();
    assert_eq!(
        selecting,
        [
            ("accept", &b"\x01text/html,*/*"[..]),
            ("x-lang", b"\x01de"),
            ("x-none", b"\x00"),
        ]
    );
    assert_eq!(stored.age_ms(after(3)), 10_020);
    assert_eq!(stored.age_ms(Wall(0)), 7_020);
}

#[test]
fn flags_and_odd_heads() {
    let meta = record_of(
        299,
        &[
            "Cache-Control: s-maxage=3, no-cache, immutable",
            "ETag: x",
            "Date: nonsense",
        ],
    );
    let odd = stored(&meta, 1);
    assert!(odd.must_revalidate && odd.no_cache && odd.immutable);
    let head = "HTTP/1.1 299 \r\nDate: Tue, 09 Sep 2025 06:40:00 GMT\r\n\
        Cache-Control: s-maxage=3, no-cache, immutable\r\nETag: x\r\nContent-Length: 1\r\n";
    assert_eq!(text(odd.whole_lines()), head);
    assert_eq!(text(odd.date), "Tue, 09 Sep 2025 06:40:00 GMT");
    assert!(odd.selecting.is_empty());
    let meta = record_of(204, &["Cache-Control: max-age=5"]);
    let empty = stored(&meta, 0);
    assert!(empty.declares_length());
    assert!(text(empty.whole_lines()).ends_with("Cache-Control: max-age=5\r\n"));
}

#[test]
fn the_length_is_declared_once_it_is_known() {
    let rules = HttpCacheRules::default();
    let asked = AskedText::get(&[]);
    let answered = AnsweredText::of(
        "HTTP/1.1 200 x\r\nCache-Control: max-age=5\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
        ResponseTo::default(),
    );
    let known = record(&asked, &answered, &rules, Some(12)).expect("stored");
    assert!(
        stored(&known, 12)
            .whole_lines()
            .ends_with(b"Content-Length: 12\r\n")
    );
    assert!(Record::decode(&known, 11).is_none());
    let unknown = record(&asked, &answered, &rules, None).expect("stored");
    assert!(!stored(&unknown, 12).declares_length());
    assert_eq!(stored(&unknown, 13).body_bytes, 13);
}

#[test]
fn records_that_cannot_be_whole_are_not_written() {
    let rules = HttpCacheRules::default();
    let asked = AskedText::get(&[]);
    let tags = |count: usize| {
        let all: Vec<String> = (0..count).map(|tag| format!("{tag}")).collect();
        let lines: Vec<String> = all.chunks(200).map(|some| some.join(",")).collect();
        let lines: Vec<String> = lines
            .iter()
            .map(|line| format!("Cache-Tag: {line}"))
            .collect();
        let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.push("Cache-Control: max-age=5");
        record(&asked, &AnsweredText::with(200, &lines), &rules, None)
    };
    assert_eq!(
        stored(&tags(TAGS_MAX - 1).expect("fits"), 1).tags().count(),
        TAGS_MAX
    );
    assert_eq!(tags(TAGS_MAX), Err(PassReason::TooManyTags));
    let answered = AnsweredText::with(200, FULL);
    let request = asked.facts(Caller::Unknown);
    let response = answered.facts(START, &rules);
    let Decision::Store(terms) = storable(&request, &response, &rules) else {
        panic!("storable");
    };
    let draft = Draft {
        request: &request,
        response: &response,
        terms: &terms,
        normalise: Normalise::default(),
        uri_tag: 77,
        body_bytes: None,
        is_dated: true,
    };
    let whole = draft.write(&mut [0; 4_096]).expect("fits");
    for room in 0..whole {
        let found = draft.write(&mut vec![0; room]);
        assert_eq!(found, Err(PassReason::RecordTooLarge), "{room}");
    }
    assert_eq!(draft.write(&mut vec![0; whole]), Ok(whole));
}

#[test]
fn notes_and_lists_return() {
    let mut out = [0; 4_096];
    let len = write_uncacheable(PassReason::SetCookie, START, 120, &mut out).expect("fits");
    assert_eq!(len, FIXED_BYTES);
    let Some(Record::Uncacheable(note)) = Record::decode(&out[..len], 0) else {
        panic!("a note");
    };
    assert_eq!(note.reason, PassReason::SetCookie);
    assert!(note.holds(START) && note.holds(after(119)));
    assert!(!note.holds(after(120)) && !note.holds(Wall(START.0 - 1)));
    let answered = AnsweredText::with(200, &["Vary: B, a", "Vary: b, C"]);
    let rules = HttpCacheRules::default();
    let response = answered.facts(START, &rules);
    let names = VaryNames::of_response(&response).expect("names");
    let len = write_variants(&names, 9, &mut out).expect("fits");
    let Some(Record::Variants(variants)) = Record::decode(&out[..len], 0) else {
        panic!("a list");
    };
    let found: Vec<&str> = variants.names.iter().map(text).collect();
    assert_eq!((variants.nonce, found), (9, vec!["a", "b", "c"]));
    assert!(variants.names.is_same(&names));
    for end in 0..len {
        assert!(Record::decode(&out[..end], 0).is_none(), "{end}");
    }
    let len = write_mark(7, &mut out).expect("fits");
    let mark = Record::decode(&out[..len], 0);
    assert!(matches!(mark, Some(Record::Mark(7))), "{mark:?}");
    assert!(Record::decode(&out[..len - 1], 0).is_none());
    assert!(Record::decode(&out[..len + 1], 0).is_none());
    let none = write_variants(&VaryNames::none(), 9, &mut out).expect("fits");
    assert!(
        Record::decode(&out[..none], 0).is_none(),
        "a list of nothing"
    );
}

/// Touches everything that a record gives.
fn touch(meta: &[u8], body_bytes: u64) -> bool {
    let Some(record) = Record::decode(meta, body_bytes) else {
        return false;
    };
    match record {
        Record::Response(stored) => {
            let asked = AskedText::get(&["X-Lang: de"]);
            let bytes = asked.text.as_bytes();
            let fields = &asked.head.fields;
            let _ = stored
                .selecting
                .matches(fields, bytes, Normalise::default());
            let _ = (
                stored.fields().count(),
                stored.tags().count(),
                stored.has_validator(),
            );
            let _ = (stored.age_ms(Wall(u64::MAX)), stored.lifetime_ms());
            assert!(stored.whole_lines().ends_with(b"\r\n"));
            assert!(stored.shared_lines().is_empty() || stored.shared_lines().ends_with(b"\r\n"));
            assert!((200..=599).contains(&stored.status));
        }
        Record::Variants(variants) => assert!(!variants.names.is_empty()),
        Record::Mark(_) => assert_eq!(meta.len(), FIXED_BYTES),
        Record::Uncacheable(note) => {
            let _ = note.holds(START);
        }
    }
    true
}

#[test]
fn any_doubt_is_a_miss_and_never_a_panic() {
    let whole = record_of(200, FULL);
    assert!(touch(&whole, 1));
    assert!(!touch(&whole, 2), "another body");
    for end in 0..whole.len() {
        assert!(!touch(&whole[..end], 1), "cut at {end}");
    }
    assert!(!touch(&[&whole[..], b"\0"].concat(), 1), "a byte too many");
    for (at, version) in [(0, b'x'), (3, 2), (4, 0), (4, 4), (4, 2), (4, 3)] {
        let mut other = whole.clone();
        other[at] = version;
        assert!(!touch(&other, 1), "byte {at} is {version}");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            touch(&flipped, 1);
        }
    }
    let mut random = Prng::new(7);
    for _ in 0..200_000 {
        let mut broken = whole.clone();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(FIXED_BYTES as u64)).expect("small");
            broken[at] = u8::try_from(random.below(256)).expect("a byte");
        }
        touch(&broken, 1);
    }
}
