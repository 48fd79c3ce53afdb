//! What the tables of the cache share: settings, rows, an origin that answers by path.
//!
//! Shape: [`Row`]s are requests in their order, each with what its answer has and has not, and how
//! often the origin was asked by then. Units: bytes. Errors: a row that differs prints the whole
//! head. Source: docs/caching.md.

use std::{net::SocketAddr, sync::Mutex};

use crate::running::{
    gateway::{API, Gateway},
    scripted::{Reply, Scripted, Seen, fetch},
};

/// One at a time: regions and workers of several gateways would only wait for each other.
pub(super) static ONE: Mutex<()> = Mutex::new(());

pub(super) const CACHE: &str = "[cache]\npath = \"c.cache\"\ncapacity = \"64 MiB\"\n";

/// Settings of two workers in front of `origin`; `api` stands in `[[apis]]`.
pub(super) fn settings(origin: SocketAddr, api: &str, more: &str) -> String {
    format!(
        "[server]\nworkers = 2\ndrain_delay_ms = 0\ndrain_deadline_ms = 2000\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\n\
         [admin]\nsocket = \"admin.sock\"\n\
         [process]\ntrial_ms = 0\n\
         [origins.test]\nmatch = \"http://origin.test\"\nallow_addresses = [\"loopback\"]\n\
         [[origins.test.endpoints]]\nurl = \"http://{origin}\"\n\
         {more}\n\
         [[apis]]\ndocument = \"api.yaml\"\nid = \"a\"\n{api}\n"
    )
}

/// A gateway with the policy `standard`, or another that `more` has.
pub(super) fn edge(origin: &Scripted, policy: &str, more: &str) -> Gateway {
    let api = format!("edge_cache = \"{policy}\"");
    let folder = tempfile::tempdir().expect("a folder");
    Gateway::start_in(folder, API, &settings(origin.address, &api, more))
}

/// A request, and what its answer must be.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) lines: &'static [&'static str],
    pub(super) status: u16,
    /// Parts that the head has, in lower case.
    pub(super) has: &'static [&'static str],
    /// Parts that it has not.
    pub(super) lacks: &'static [&'static str],
    /// `None`: not looked at.
    pub(super) body: Option<&'static str>,
    /// Requests for this path that the origin has got by then.
    pub(super) asked: usize,
}

pub(super) const ROW: Row = Row {
    name: "",
    method: "GET",
    path: "",
    lines: &[],
    status: 200,
    has: &[],
    lacks: &[],
    body: None,
    asked: 1,
};

pub(super) fn check(rows: &[Row], gateway: &Gateway, origin: &Scripted) {
    for row in rows {
        let path = format!("/dev{}", row.path);
        let got = fetch(gateway.address, row.method, &path, row.lines);
        let shown = format!("{}: {}\n{}", row.name, row.path, got.head);
        assert_eq!(got.status, row.status, "{shown}");
        let head = got.head.to_ascii_lowercase();
        for part in row.has {
            assert!(head.contains(part), "no {part:?}: {shown}");
        }
        for part in row.lacks {
            assert!(!head.contains(part), "{part:?}: {shown}");
        }
        if let Some(body) = row.body {
            assert_eq!(got.text(), body, "{shown}");
        }
        assert_eq!(origin.count(row.path), row.asked, "origin asked, {shown}");
    }
}

pub(super) const MISS: &str = "x-cache: miss from tidegate";
pub(super) const HIT: &str = "x-cache: hit from tidegate";

/// What the origin of the edge rows says.
pub(super) fn by_path(seen: &Seen) -> Reply {
    let body = format!("{} {}", seen.method, seen.before);
    let fresh = "Cache-Control: max-age=100";
    let stale = "Cache-Control: max-age=0, stale-if-error=60";
    match seen.target.as_str() {
        "/none" => Reply::ok(&["Cache-Control: no-store"], body),
        "/etag" if seen.field("if-none-match").is_some() => Reply {
            status: 304,
            ..Reply::ok(
                &["ETag: \"v1\"", "Cache-Control: max-age=0", "X-New: 1"],
                "",
            )
        },
        "/etag" => Reply::ok(&["ETag: \"v1\"", "Cache-Control: max-age=0"], "tagged"),
        "/fails" if seen.before > 0 => Reply {
            status: 500,
            ..Reply::ok(&[], "broken")
        },
        "/fails" => Reply::ok(&["ETag: \"v1\"", stale], body),
        "/behind" => Reply::ok(
            &[
                "ETag: W/\"1\"",
                "Cache-Control: max-age=0, stale-while-revalidate=60",
            ],
            body,
        ),
        "/language" => {
            let language = seen.field("accept-language").unwrap_or("none").to_owned();
            Reply::ok(&[fresh, "Vary: Accept-Language"], language)
        }
        "/letters" => Reply::ok(&[fresh, "ETag: \"l\""], "abcdefghij"),
        "/large" => Reply::ok(&[fresh], vec![b'L'; 1 << 20]),
        "/larger" => Reply::ok(&[fresh], vec![b'L'; (1 << 20) + 64 * 1024]),
        "/set" => Reply::ok(&[fresh, "Set-Cookie: a=b"], body),
        _ => Reply::ok(&[fresh, "Cache-Tag: pets, dogs"], body),
    }
}
