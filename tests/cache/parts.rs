//! Parts of answers, and conditions on them: from a stored whole, or one that is fetched for them.
//!
//! Shape: tables of requests. Units: bytes. Errors: as `bed`.
//! Source: docs/caching.md; RFC 9110 sections 13 and 14; RFC 9111 sections 3.3 and 4.3.2.

use std::sync::PoisonError;

use super::{
    bed::{CACHE, HIT, MISS, ONE, ROW, Row, check, edge, settings},
    stage::STAGE_API,
};
use crate::running::{
    gateway::Gateway,
    scripted::{Reply, Scripted, Seen, fetch},
};

/// An origin that follows ranges and conditions, so that one who forwards them is seen.
fn partial(seen: &Seen) -> Reply {
    let fresh = match seen.target.as_str() {
        "/never" => "Cache-Control: no-store",
        _ => "Cache-Control: max-age=100",
    };
    let fields = [
        fresh,
        "ETag: \"l\"",
        "Last-Modified: Sat, 01 Aug 2026 00:00:00 GMT",
    ];
    if seen.field("if-none-match").is_some() || seen.field("if-modified-since").is_some() {
        return Reply {
            status: 304,
            ..Reply::ok(&fields, "")
        };
    }
    if seen.field("range").is_some() {
        let fields = [&fields[..], &["Content-Range: bytes 0-3/10"]].concat();
        return Reply {
            status: 206,
            ..Reply::ok(&fields, "part")
        };
    }
    match seen.target.as_str() {
        "/larger" => Reply::ok(&fields, vec![b'L'; (1 << 20) + 128 * 1024]),
        "/large" => Reply::ok(&fields, vec![b'L'; 1 << 20]),
        "/broken" => Reply {
            status: 500,
            ..Reply::ok(&[], "broken")
        },
        _ => Reply::ok(&fields, "abcdefghij"),
    }
}

const RANGE: &[&str] = &["Range: bytes=2-4"];
const HAS_IT: &[&str] = &["If-None-Match: \"l\""];

const EDGE: &[Row] = &[
    Row {
        name: "a part of what is not there",
        path: "/range",
        lines: RANGE,
        status: 206,
        has: &[
            MISS,
            "; stored",
            "content-range: bytes 2-4/10",
            "etag: \"l\"",
        ],
        body: Some("cde"),
        ..ROW
    },
    Row {
        name: "now it is there",
        path: "/range",
        has: &[HIT],
        body: Some("abcdefghij"),
        ..ROW
    },
    Row {
        name: "several parts get the whole",
        path: "/range",
        lines: &["Range: bytes=0-1, 4-5"],
        has: &[HIT],
        body: Some("abcdefghij"),
        ..ROW
    },
    Row {
        name: "a part of another version gets the whole",
        path: "/if-range",
        lines: &["Range: bytes=2-4", "If-Range: \"k\""],
        has: &[MISS],
        body: Some("abcdefghij"),
        ..ROW
    },
    Row {
        name: "no byte is in the range",
        path: "/outside",
        lines: &["Range: bytes=10-"],
        status: 416,
        has: &["content-range: bytes */10"],
        ..ROW
    },
    Row {
        name: "it is kept all the same",
        path: "/outside",
        has: &[HIT],
        body: Some("abcdefghij"),
        ..ROW
    },
    Row {
        name: "the client has what is not there",
        path: "/etag",
        lines: HAS_IT,
        status: 304,
        has: &[MISS, "etag: \"l\""],
        body: Some(""),
        ..ROW
    },
    Row {
        name: "the next gets it",
        path: "/etag",
        has: &[HIT],
        body: Some("abcdefghij"),
        ..ROW
    },
    Row {
        name: "the client has another",
        path: "/other",
        lines: &["If-None-Match: \"k\""],
        has: &[MISS],
        body: Some("abcdefghij"),
        ..ROW
    },
    Row {
        name: "the client has one of that day",
        path: "/date",
        lines: &["If-Modified-Since: Sat, 01 Aug 2026 00:00:00 GMT"],
        status: 304,
        has: &[MISS],
        ..ROW
    },
    Row {
        name: "a part of something large",
        path: "/large",
        lines: &["Range: bytes=1048570-"],
        status: 206,
        has: &[MISS, "content-range: bytes 1048570-1048575/1048576"],
        body: Some("LLLLLL"),
        ..ROW
    },
    Row {
        name: "too large to be kept: forwarded as it is",
        path: "/larger",
        lines: RANGE,
        status: 206,
        has: &[MISS],
        body: Some("part"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "which is remembered",
        path: "/larger",
        lines: RANGE,
        status: 206,
        body: Some("part"),
        asked: 3,
        ..ROW
    },
    Row {
        name: "not to be kept: forwarded as it is",
        path: "/never",
        lines: HAS_IT,
        status: 304,
        asked: 2,
        ..ROW
    },
    Row {
        name: "an error: forwarded as it is",
        path: "/broken",
        lines: RANGE,
        status: 206,
        body: Some("part"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "for a caller alone: forwarded as it is",
        path: "/mine",
        lines: &["Range: bytes=2-4", "Authorization: Basic YTpi"],
        status: 206,
        body: Some("part"),
        ..ROW
    },
    Row {
        name: "a part that came is not kept",
        path: "/mine",
        has: &[MISS],
        body: Some("abcdefghij"),
        asked: 2,
        ..ROW
    },
];

#[test]
fn a_part_of_what_is_not_there_fetches_the_whole() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(partial);
    let gateway = edge(&origin, "standard", CACHE);
    check(EDGE, &gateway, &origin);
}

#[test]
fn a_stage_keeps_no_part() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(partial);
    let folder = tempfile::tempdir().expect("a folder");
    let text = settings(origin.address, "[apis.stage_cache]", CACHE);
    let gateway = Gateway::start_in(folder, STAGE_API, &text);
    let rows: [(&str, &[&str], u16, &str); 5] = [
        ("/all", RANGE, 206, "cde"),
        ("/all", &[], 200, "abcdefghij"),
        ("/all", HAS_IT, 304, ""),
        ("/open", HAS_IT, 304, ""),
        ("/open", &[], 200, "abcdefghij"),
    ];
    for (path, lines, status, body) in rows {
        let got = fetch(gateway.address, "GET", &format!("/dev{path}"), lines);
        assert_eq!(
            (got.status, got.text().as_str()),
            (status, body),
            "{path} {lines:?}"
        );
        assert_eq!(origin.count(path), 1, "{path} {lines:?}");
    }
}
