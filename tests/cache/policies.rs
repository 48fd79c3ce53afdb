//! What policies add to a key, and what that does to origins and to invalidation.
//!
//! Shape: tables of requests, each under settings of their own. Units: bytes. Errors: as `bed`.
//! Source: docs/caching.md; RFC 9111 sections 4.3.5 and 4.4; the cache key section of CDN policies.

use std::sync::PoisonError;

use super::bed::{CACHE, HIT, MISS, ONE, ROW, Row, check, edge};
use crate::running::scripted::{Reply, Scripted, Seen, fetch};

const POLICIES: &str = r#"[cache.policies.listed]
query = { only = ["b", "a"] }
[cache.policies.except]
query = { except = ["utm"] }
[cache.policies.open]
query = { only = ["a"] }
forward_other_query = true
[cache.policies.keyed]
headers = ["X-Shop"]
cookies = { only = ["plan"] }
per_caller = true
"#;

/// Says what it was asked for.
fn echo(seen: &Seen) -> Reply {
    let fresh = "Cache-Control: max-age=100, public";
    let body = format!("{} {} {}", seen.method, seen.target, seen.before);
    match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", "/names") => Reply::ok(&["Location: /dev/named?x=1"], body),
        ("POST", "/foreign") => Reply::ok(&["Location: http://other.test/dev/named?x=1"], body),
        ("PUT", "/refused") => Reply {
            status: 409,
            ..Reply::ok(&[], body)
        },
        (_, "/language") => Reply::ok(&[fresh, "Vary: Accept-Language"], body),
        _ => Reply::ok(&[fresh], body),
    }
}

/// Which request under which policy leads to which target, or to a hit.
const FORWARDED: &[(&str, &[(&str, &str, &str)])] = &[
    (
        "listed",
        &[
            ("GET", "/q?utm=1&a=2&x", "GET /q?a=2 0"),
            ("GET", "/q?a=2&utm=<script>", ""),
            ("GET", "/q?a=2", ""),
            ("GET", "/q?b=2&a=1", "GET /q?a=1&b=2 0"),
            ("GET", "/q?a=1&b=2&c=3", ""),
            ("GET", "/q?utm=1", "GET /q 0"),
            ("GET", "/q?%61=3&utm=1", "GET /q?%61=3 0"),
            ("GET", "/q?a=4&a=5&utm", "GET /q?a=4&a=5 0"),
            // Read in several ways: all of it counts, and all of it is forwarded.
            ("GET", "/q?A=1&utm=1", "GET /q?A=1&utm=1 0"),
            ("GET", "/q?a=1;utm=1", "GET /q?a=1;utm=1 0"),
            ("POST", "/q?a=2&utm=1", "POST /q?a=2&utm=1 0"),
        ],
    ),
    (
        "except",
        &[
            ("GET", "/q?b=1&utm=1&a=2", "GET /q?b=1&a=2 0"),
            ("GET", "/q?b=1&a=2&utm=7", ""),
            ("GET", "/q?utm", "GET /q 0"),
        ],
    ),
    (
        "optimized",
        &[("GET", "/q?a=1", "GET /q 0"), ("GET", "/q?b=1", "")],
    ),
    (
        "open",
        &[
            ("GET", "/q?a=2&utm=1", "GET /q?a=2&utm=1 0"),
            ("GET", "/q?a=2&utm=2", ""),
        ],
    ),
    ("standard", &[("GET", "/q?x&&a=%zz", "GET /q?x&&a=%zz 0")]),
];

#[test]
fn parameters_that_do_not_count_stay_here() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (policy, rows) in FORWARDED {
        let origin = Scripted::start(echo);
        let gateway = edge(&origin, policy, &format!("{CACHE}{POLICIES}"));
        let mut before = String::new();
        for (method, path, seen) in *rows {
            let got = fetch(gateway.address, method, &format!("/dev{path}"), &[]);
            let what = format!("{policy}: {method} {path}\n{}", got.head);
            let is_hit = got.head.contains("X-Cache: Hit");
            assert_eq!(is_hit, seen.is_empty(), "{what}");
            if !is_hit {
                assert_eq!(got.text(), *seen, "{what}");
                before = got.text();
            }
            if policy == &"open" {
                assert_eq!(got.text(), before, "{what}");
            }
        }
    }
}

const fn get(name: &'static str, path: &'static str, lines: &'static [&'static str]) -> Row {
    Row {
        name,
        path,
        lines,
        ..ROW
    }
}

const A: &[&str] = &["X-Shop: 1"];
const B: &[&str] = &["X-Shop: 2", "Cookie: plan=gold"];
const C: &[&str] = &["Authorization: Basic YTpi"];

/// Every key of a URI is out of date when the URI is.
const KEYED: &[Row] = &[
    Row {
        has: &[MISS],
        ..get("one", "/a", A)
    },
    Row {
        has: &[MISS],
        asked: 2,
        ..get("another", "/a", B)
    },
    Row {
        has: &[MISS],
        asked: 3,
        ..get("a caller", "/a", C)
    },
    Row {
        has: &[HIT],
        asked: 3,
        ..get("one again", "/a", A)
    },
    Row {
        has: &[HIT],
        asked: 3,
        ..get("another again", "/a", B)
    },
    Row {
        has: &[HIT],
        asked: 3,
        ..get("the caller again", "/a", C)
    },
    Row {
        has: &[MISS],
        ..get("another query", "/a?x", A)
    },
    Row {
        method: "POST",
        asked: 4,
        ..get("by none of them", "/a", &[])
    },
    Row {
        has: &[MISS],
        asked: 5,
        ..get("one is gone", "/a", A)
    },
    Row {
        has: &[MISS],
        asked: 6,
        ..get("another is gone", "/a", B)
    },
    Row {
        has: &[MISS],
        asked: 7,
        ..get("the caller's is gone", "/a", C)
    },
    Row {
        has: &[HIT],
        asked: 7,
        ..get("and kept anew", "/a", B)
    },
    Row {
        has: &[HIT],
        ..get("the other query is not touched", "/a?x", A)
    },
    Row {
        has: &[MISS],
        ..get("before a refusal", "/refused", A)
    },
    Row {
        method: "PUT",
        status: 409,
        asked: 2,
        ..get("an error", "/refused", &[])
    },
    Row {
        has: &[HIT],
        asked: 2,
        ..get("changes nothing", "/refused", A)
    },
    Row {
        has: &[MISS],
        ..get("to be named", "/named?x=1", A)
    },
    Row {
        has: &[MISS],
        asked: 2,
        ..get("the same", "/named?x=1", B)
    },
    Row {
        method: "POST",
        ..get("another site's", "/foreign", &[])
    },
    Row {
        has: &[HIT],
        asked: 2,
        ..get("is not believed", "/named?x=1", A)
    },
    Row {
        method: "POST",
        ..get("names it", "/names", &[])
    },
    Row {
        has: &[MISS],
        asked: 3,
        ..get("is gone", "/named?x=1", A)
    },
    Row {
        has: &[MISS],
        asked: 4,
        ..get("is gone too", "/named?x=1", B)
    },
    Row {
        has: &[MISS],
        ..get("a language", "/language", &["Accept-Language: de"])
    },
    Row {
        has: &[MISS],
        asked: 2,
        ..get("the next", "/language", &["Accept-Language: fr"])
    },
    Row {
        has: &[HIT],
        asked: 2,
        ..get("the first", "/language", &["Accept-Language: de"])
    },
    Row {
        method: "DELETE",
        asked: 3,
        ..get("deleted", "/language", &[])
    },
    Row {
        has: &[MISS],
        asked: 4,
        ..get("the first is gone", "/language", &["Accept-Language: de"])
    },
    Row {
        has: &[MISS],
        asked: 5,
        ..get("the next is gone", "/language", &["Accept-Language: fr"])
    },
];

#[test]
fn an_unsafe_method_invalidates_every_key_of_its_uri() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(echo);
    let gateway = edge(&origin, "keyed", &format!("{CACHE}{POLICIES}"));
    check(KEYED, &gateway, &origin);
    let url = "http://gateway.test/dev/a";
    for (line, code) in [("X-Shop: 1", 0), ("X-Shop: 3", 1)] {
        let (found, said) = gateway.cli(&["cache", "get", url, "-H", line]);
        assert_eq!(found, Some(code), "{line}: {said}");
    }
    let (_, said) = gateway.cli(&["cache", "purge", "--url", url]);
    // Those that no request could find any more are counted too.
    assert!(said.starts_with("6 "), "{said}");
    let row = Row {
        has: &[MISS],
        asked: 8,
        ..get("purged", "/a", A)
    };
    check(&[row], &gateway, &origin);
}

/// An object that must be asked about each time; its GET and its HEAD may differ.
fn asked_about(seen: &Seen) -> Reply {
    let fields = [
        "ETag: \"v\"",
        "Cache-Control: max-age=0",
        "Cache-Tag: pets, dogs",
    ];
    let status = match (seen.method.as_str(), seen.target.as_str()) {
        ("HEAD", "/gone") => 410,
        ("HEAD", "/missing") => 404,
        ("HEAD", "/fails") => 500,
        _ if seen.field("if-none-match").is_some() => 304,
        _ => 200,
    };
    // A 304 need not repeat what its answer is tagged with.
    let fields = if status == 304 { &fields[..2] } else { &fields };
    Reply {
        status,
        ..Reply::ok(fields, "the same for both")
    }
}

const RENEWED: &str = "x-cache: refreshhit";

#[test]
fn what_head_says_is_gone_is_gone() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(asked_about);
    let gateway = edge(&origin, "standard", CACHE);
    // What HEAD answers, and whether the stored GET is of use afterwards.
    for (path, status, is_kept) in [
        ("/gone", 410, false),
        ("/missing", 404, false),
        ("/fails", 200, true), // stale if error,
        ("/there", 200, true),
    ] {
        let ask = |method: &str| fetch(gateway.address, method, &format!("/dev{path}"), &[]);
        assert!(ask("GET").head.contains("X-Cache: Miss"));
        assert_eq!(ask("HEAD").status, status, "{path}");
        let got = ask("GET");
        let is_renewed = got.head.to_ascii_lowercase().contains(RENEWED);
        assert_eq!(is_renewed, is_kept, "{path}: {}", got.head);
    }
}

#[test]
fn a_renewed_answer_keeps_its_tags() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(asked_about);
    let gateway = edge(&origin, "standard", CACHE);
    for purge in [
        &["--tag", "pets"][..],
        &["--tag", "dogs"],
        &["--url", "http://gateway.test/dev/renewed"],
    ] {
        let head = || fetch(gateway.address, "GET", "/dev/renewed", &[]).head;
        assert!(head().contains("X-Cache: Miss"));
        for _ in 0..3 {
            assert!(head().contains("X-Cache: RefreshHit"));
        }
        let (_, said) = gateway.cli(&[&["cache", "purge"], purge].concat());
        assert!(said.starts_with("1 "), "{purge:?}: {said}");
    }
}
