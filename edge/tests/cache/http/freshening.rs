//! Updates by 304 and HEAD, and invalidation.

use tidegate_edge::{
    cache::http::{
        Caller, Decision, HttpCacheRules, Response, Stored,
        freshen::{Fit, HeadEffect, Scratch, fit, head_effect, selected},
        hash::Uri,
        invalidate::{invalidates, references, resolve},
        renewable,
    },
    wire::{Method, ResponseTo},
};

use super::{
    records::{record, record_of, stored},
    text::{AnsweredText, AskedText, START, after},
};

#[test]
fn which_response_a_304_is_about() {
    let changed = "Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT";
    let rows: &[(&[&str], &[&str], Fit)] = &[
        (&["ETag: \"a\""], &["ETag: \"a\""], Fit::Strong),
        (&["ETag: \"a\""], &["ETag: \"b\""], Fit::Other),
        (&["ETag: W/\"a\""], &["ETag: \"a\""], Fit::Other),
        (&["ETag: \"a\""], &["ETag: W/\"a\""], Fit::Weak),
        (&["ETag: W/\"a\""], &["ETag: W/\"a\""], Fit::Weak),
        (&["ETag: W/\"a\""], &["ETag: W/\"b\""], Fit::Other),
        (&[changed], &["ETag: \"a\""], Fit::Other),
        (&["ETag: \"a\"", changed], &["ETag: \"a\""], Fit::Strong),
        (&[changed], &[changed], Fit::Weak),
        (&["ETag: \"a\"", changed], &[changed], Fit::Weak),
        (
            &[changed],
            &["Last-Modified: Tue, 09 Sep 2025 06:00:01 GMT"],
            Fit::Other,
        ),
        (&["ETag: \"a\""], &[changed], Fit::Other),
        (&["ETag: \"a\""], &[], Fit::Lone),
        (&[], &[], Fit::Lone),
    ];
    let rules = HttpCacheRules::default();
    for (lines, update, expected) in rows {
        let meta = record_of(200, &[*lines, &["Cache-Control: max-age=5"][..]].concat());
        let answered = AnsweredText::with(304, update);
        let update_facts = answered.facts(after(9), &rules);
        assert_eq!(
            fit(&update_facts, &stored(&meta, 1)),
            *expected,
            "{lines:?} {update:?}"
        );
    }
}

#[test]
fn strong_tags_select_all_and_weak_ones_the_latest() {
    let rules = HttpCacheRules::default();
    let make = |line: &str, later_s: u64| {
        let answered = AnsweredText::with(200, &["Cache-Control: max-age=5", line]);
        let asked = AskedText::get(&[]);
        let mut meta = record(&asked, &answered, &rules, None).expect("stored");
        meta[8..16].copy_from_slice(&after(later_s).0.to_le_bytes());
        meta
    };
    let metas = [
        make("ETag: \"a\"", 1),
        make("ETag: W/\"a\"", 3),
        make("ETag: W/\"a\"", 2),
        make("ETag: \"a\"", 0),
        make("X: y", 4),
    ];
    let candidates: Vec<Stored<'_>> = metas.iter().map(|meta| stored(meta, 1)).collect();
    for (line, asked, expected) in [
        ("ETag: \"a\"", 4, 0b01001),
        ("ETag: W/\"a\"", 4, 0b00010),
        ("ETag: W/\"b\"", 4, 0),
        ("ETag: \"b\"", 4, 0),
        ("X: y", 4, 0b10000),
        ("X: y", 0, 0b00001),
        ("X: y", 9, 0),
    ] {
        let answered = AnsweredText::with(304, &[line]);
        let update = answered.facts(after(9), &rules);
        assert_eq!(
            selected(&update, &candidates, asked),
            expected,
            "{line} {asked}"
        );
    }
}

#[test]
fn merging() {
    let meta = record_of(
        200,
        &[
            "Cache-Control: max-age=5",
            "Date: Tue, 09 Sep 2025 06:30:00 GMT",
            "ETag: \"a\"",
            "Content-Type: text/plain",
            "Content-Encoding: gzip",
            "X-Old: 1",
            "X-Both: 1",
            "X-Both: 2",
        ],
    );
    let stored = stored(&meta, 1);
    let rules = HttpCacheRules::default();
    let answered = AnsweredText::of(
        "HTTP/1.1 304 x\r\nCache-Control: max-age=9\r\nAge: 2\r\nETag: \"a\"\r\n\
         Content-Type: text/html\r\nContent-Encoding: br\r\nContent-Length: 99\r\n\
         x-both: 3\r\nX-New: 1\r\nSet-Cookie: a=b\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
         Content-Range: x\r\n\r\n"
            .into(),
        ResponseTo::default(),
    );
    let update = answered.facts(after(9), &rules);
    let mut scratch = Scratch::default();
    let merged = scratch.merge(&stored, &update, &rules).expect("fits");
    let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\
        X-Old: 1\r\nCache-Control: max-age=9\r\nAge: 2\r\nETag: \"a\"\r\nx-both: 3\r\n\
        X-New: 1\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(std::str::from_utf8(merged.bytes), Ok(text));
    // The old Date is gone: the update is as old as its own Age says.
    let asked = AskedText::with("HEAD /", &[]);
    let Decision::Store(terms) = renewable(&asked.facts(Caller::Unknown), &merged, &rules) else {
        panic!("still storable");
    };
    assert_eq!((terms.lifetime.seconds, terms.initial_age_ms), (9, 2_000));
    // An update may also end what it updates.
    let answered = AnsweredText::with(304, &["Cache-Control: no-store"]);
    let update = answered.facts(after(9), &rules);
    let merged = scratch.merge(&stored, &update, &rules).expect("fits");
    let decision = renewable(&asked.facts(Caller::Unknown), &merged, &rules);
    assert!(matches!(decision, Decision::Pass { reason, .. } if reason.is_of_response()));
    // Or be of nobody else's business.
    let answered = AnsweredText::with(304, &["Cache-Control: max-age=9"]);
    let update = answered.facts(after(9), &rules);
    let merged = scratch.merge(&stored, &update, &rules).expect("fits");
    let decision = renewable(&asked.facts(Caller::Authorized), &merged, &rules);
    assert!(matches!(decision, Decision::Pass { reason, .. } if !reason.is_of_response()));
}

#[test]
fn an_update_that_outgrows_a_head_is_refused() {
    let fields: Vec<String> = (0..60).map(|at| format!("X-{at}: 1")).collect();
    let mut lines: Vec<&str> = fields.iter().map(String::as_str).collect();
    lines.push("Cache-Control: max-age=5");
    let meta = record_of(200, &lines);
    let rules = HttpCacheRules::default();
    let mut scratch = Scratch::default();
    let many: String = (0..250).map(|at| format!("Y-{at}: 1\r\n")).collect();
    let text = format!("HTTP/1.1 304 x\r\n{many}\r\n");
    let mut head = tidegate_edge::wire::ResponseHead::new();
    let limits = tidegate_edge::wire::HeadLimits {
        fields_max: 256,
        ..tidegate_edge::wire::HeadLimits::default()
    };
    let to = ResponseTo::default();
    tidegate_edge::wire::parse_response(text.as_bytes(), &limits, to, &mut head).expect("parses");
    let update = Response::new(&head, text.as_bytes(), START, START, &rules);
    assert!(scratch.merge(&stored(&meta, 1), &update, &rules).is_none());
}

#[test]
fn answers_to_head() {
    let kept = &["Cache-Control: max-age=5", "ETag: \"a\""][..];
    let rows: &[(u16, &[&str], &str, HeadEffect)] = &[
        (200, kept, "ETag: \"a\"\r\n", HeadEffect::Update),
        (200, kept, "", HeadEffect::Update),
        (200, kept, "Content-Length: 1\r\n", HeadEffect::Update),
        (200, kept, "Content-Length: 2\r\n", HeadEffect::Outdate),
        (200, kept, "ETag: \"b\"\r\n", HeadEffect::Outdate),
        (200, kept, "ETag: W/\"a\"\r\n", HeadEffect::Outdate),
        (
            200,
            kept,
            "Last-Modified: Tue, 09 Sep 2025 06:00:00 GMT\r\n",
            HeadEffect::Outdate,
        ),
        (404, kept, "ETag: \"b\"\r\n", HeadEffect::Outdate),
        (410, kept, "", HeadEffect::Outdate),
        (403, kept, "ETag: \"b\"\r\n", HeadEffect::Nothing),
        (500, kept, "", HeadEffect::Nothing),
    ];
    let rules = HttpCacheRules::default();
    for (status, lines, update, expected) in rows {
        let meta = record_of(200, lines);
        let to = ResponseTo {
            head: true,
            upgrade: false,
        };
        let answered = AnsweredText::of(format!("HTTP/1.1 {status} x\r\n{update}\r\n"), to);
        let found = head_effect(&answered.facts(after(1), &rules), &stored(&meta, 1));
        assert_eq!(found, *expected, "{status} {update}");
    }
}

#[test]
fn methods_that_invalidate() {
    for (method, unsafe_method) in [
        (Method::Get, false),
        (Method::Head, false),
        (Method::Options, false),
        (Method::Trace, false),
        (Method::Post, true),
        (Method::Put, true),
        (Method::Delete, true),
        (Method::Patch, true),
        (Method::Other, true),
    ] {
        for (status, fine) in [
            (199, false),
            (200, true),
            (204, true),
            (304, true),
            (399, true),
        ] {
            assert_eq!(
                invalidates(method, status),
                unsafe_method && fine,
                "{method:?} {status}"
            );
        }
        assert!(!invalidates(method, 400) && !invalidates(method, 503));
    }
}

#[test]
fn references_within_the_origin() {
    let base = Uri {
        is_https: true,
        host: b"Host",
        port: None,
        path: b"/a/b",
        query: Some(b"q"),
    };
    let rows = [
        ("", Some("/a/b?q")),
        ("#f", Some("/a/b?q")),
        ("?x=1", Some("/a/b?x=1")),
        ("?", Some("/a/b?")),
        ("c", Some("/a/c")),
        ("c/d?e#f", Some("/a/c/d?e")),
        ("./c", Some("/a/c")),
        ("../c", Some("/c")),
        ("../../../c/", Some("/c/")),
        ("..", Some("/")),
        (".", Some("/a/")),
        ("/c/./d/../e", Some("/c/e")),
        ("/", Some("/")),
        ("//host/c", Some("/c")),
        ("//HOST:443/c", Some("/c")),
        ("//host:444/c", None),
        ("//other/c", None),
        ("//user@host/c", None),
        ("https://host/c?d", Some("/c?d")),
        ("HTTPS://host", Some("/")),
        ("https://host?d", None),
        ("http://host/c", None),
        ("https:c", None),
        ("mailto:a", None),
        ("a:b", None),
        ("./a:b", Some("/a/a:b")),
        ("/c d", None),
        ("/%2e%2e/c", None),
        ("/\u{e9}", None),
    ];
    for (reference, expected) in rows {
        let mut out = [0; 64];
        let found = resolve(&base, reference.as_bytes(), &mut out).map(|found| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("ASCII");
            let query = found.query.map(|query| format!("?{}", text(query)));
            text(found.path) + &query.unwrap_or_default()
        });
        assert_eq!(found.as_deref(), expected, "{reference:?}");
    }
    assert!(resolve(&base, b"/longer/than/room", &mut [0; 8]).is_none());
    let answered = AnsweredText::with(200, &["Location: /a", "content-location: b"]);
    let rules = HttpCacheRules::default();
    let response = answered.facts(START, &rules);
    let found: Vec<&[u8]> = references(&response).collect();
    assert_eq!(found, [&b"/a"[..], b"b"]);
}
