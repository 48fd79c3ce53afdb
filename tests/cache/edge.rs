//! An edge cache from outside: what its origin says, and what clients get.
//!
//! Shape: a table of requests. Units: bytes. Errors: as `bed`. Source: docs/caching.md; RFC 9111,
//! 5861, 9211.

use std::sync::PoisonError;

use super::bed::{CACHE, HIT, MISS, ONE, ROW, Row, by_path, check, edge};
use crate::running::scripted::{Scripted, fetch};

const EDGE: &[Row] = &[
    Row {
        name: "a miss",
        path: "/a",
        has: &[MISS, "cache-status: tidegate; fwd=uri-miss", "stored"],
        lacks: &["\r\nage:"],
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "a hit",
        path: "/a",
        has: &[HIT, "cache-status: tidegate; hit; ttl=", "\r\nage: "],
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "HEAD from GET",
        method: "HEAD",
        path: "/a",
        has: &[HIT, "content-length: 5"],
        body: Some(""),
        ..ROW
    },
    Row {
        name: "no-store",
        path: "/none",
        has: &[MISS, "detail=no-store"],
        lacks: &["; stored"],
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "no-store again",
        path: "/none",
        has: &[MISS],
        body: Some("GET 1"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "Set-Cookie",
        path: "/set",
        has: &[MISS, "set-cookie: a=b"],
        ..ROW
    },
    Row {
        name: "Set-Cookie again",
        path: "/set",
        has: &[MISS],
        body: Some("GET 1"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "an unsafe method",
        method: "POST",
        path: "/a",
        has: &["fwd=method"],
        body: Some("POST 1"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "made it invalid",
        path: "/a",
        has: &[MISS],
        body: Some("GET 2"),
        asked: 3,
        ..ROW
    },
    Row {
        name: "with a validator",
        path: "/etag",
        has: &[MISS],
        body: Some("tagged"),
        ..ROW
    },
    Row {
        name: "it is asked about",
        path: "/etag",
        has: &[
            "x-cache: refreshhit from tidegate",
            "fwd=stale; fwd-status=304",
            "x-new: 1",
        ],
        body: Some("tagged"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "the client has it",
        path: "/etag",
        lines: &["If-None-Match: \"v1\""],
        status: 304,
        body: Some(""),
        asked: 3,
        ..ROW
    },
    Row {
        name: "before it fails",
        path: "/fails",
        has: &[MISS],
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "stale if error",
        path: "/fails",
        has: &[HIT, "detail=stale-if-error"],
        body: Some("GET 0"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "one language",
        path: "/language",
        lines: &["Accept-Language: de"],
        has: &[MISS],
        body: Some("de"),
        ..ROW
    },
    Row {
        name: "another",
        path: "/language",
        lines: &["Accept-Language: fr"],
        has: &[MISS],
        body: Some("fr"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "the first again",
        path: "/language",
        lines: &["Accept-Language: de"],
        has: &[HIT],
        body: Some("de"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "letters",
        path: "/letters",
        has: &[MISS],
        ..ROW
    },
    Row {
        name: "some of them",
        path: "/letters",
        lines: &["Range: bytes=2-4"],
        status: 206,
        has: &[HIT, "content-range: bytes 2-4/10"],
        body: Some("cde"),
        ..ROW
    },
    Row {
        name: "the last ones",
        path: "/letters",
        lines: &["Range: bytes=-2", "If-Range: \"l\""],
        status: 206,
        has: &[HIT],
        body: Some("ij"),
        ..ROW
    },
    Row {
        name: "none of them",
        path: "/letters",
        lines: &["Range: bytes=10-"],
        status: 416,
        has: &["content-range: bytes */10"],
        ..ROW
    },
    Row {
        name: "another query",
        path: "/a?x=1",
        has: &[MISS],
        ..ROW
    },
    Row {
        name: "1 MiB",
        path: "/large",
        has: &[MISS, "content-length: 1048576"],
        ..ROW
    },
    Row {
        name: "1 MiB again",
        path: "/large",
        has: &[HIT, "content-length: 1048576"],
        ..ROW
    },
    Row {
        name: "too large",
        path: "/larger",
        has: &[MISS],
        ..ROW
    },
    Row {
        name: "too large again",
        path: "/larger",
        has: &[MISS],
        asked: 2,
        ..ROW
    },
];

#[test]
fn an_edge_cache_answers_as_its_origin_says() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(by_path);
    let gateway = edge(&origin, "standard", CACHE);
    check(EDGE, &gateway, &origin);
    let large = fetch(gateway.address, "GET", "/dev/large", &[]);
    assert_eq!(large.body.len(), 1 << 20);
    assert!(large.body.iter().all(|byte| *byte == b'L'));

    // Behind a stale answer the origin is asked, and the next one is newer.
    let first = fetch(gateway.address, "GET", "/dev/behind", &[]);
    let second = fetch(gateway.address, "GET", "/dev/behind", &[]);
    assert_eq!(
        (first.text(), second.text()),
        ("GET 0".into(), "GET 0".into())
    );
    assert!(second.head.contains("X-Cache: Hit"), "{}", second.head);
    gateway.await_that("it is refreshed", |_| origin.count("/behind") == 2);
    gateway.await_that("and given", |gateway| {
        fetch(gateway.address, "GET", "/dev/behind", &[]).text() != "GET 0"
    });
}
