//! The response cache from outside: the real binary, a real origin, plain clients.
//!
//! Shape: tables of requests in their order, each with what its answer has and has not, and how
//! often the origin was asked by then. Units: milliseconds, bytes. Errors: a row that differs
//! prints the whole head. Source: docs/caching.md; RFC 9111, 5861, 9211.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

mod running;

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use running::{
    gateway::{API, Gateway, install},
    scripted::{Got, Reply, Scripted, Seen, fetch},
};

/// One at a time: regions and workers of several gateways would only wait for each other.
static ONE: Mutex<()> = Mutex::new(());

const CACHE: &str = "[cache]\npath = \"c.cache\"\ncapacity = \"64 MiB\"\n";

/// Settings of two workers in front of `origin`; `api` stands in `[[apis]]`.
fn settings(origin: SocketAddr, api: &str, more: &str) -> String {
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
fn edge(origin: &Scripted, policy: &str, more: &str) -> Gateway {
    let api = format!("edge_cache = \"{policy}\"");
    let folder = tempfile::tempdir().expect("a folder");
    Gateway::start_in(folder, API, &settings(origin.address, &api, more))
}

/// A request, and what its answer must be.
struct Row {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    lines: &'static [&'static str],
    status: u16,
    /// Parts that the head has, in lower case.
    has: &'static [&'static str],
    /// Parts that it has not.
    lacks: &'static [&'static str],
    /// `None`: not looked at.
    body: Option<&'static str>,
    /// Requests for this path that the origin has got by then.
    asked: usize,
}

const ROW: Row = Row {
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

fn check(rows: &[Row], gateway: &Gateway, origin: &Scripted) {
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

const MISS: &str = "x-cache: miss from tidegate";
const HIT: &str = "x-cache: hit from tidegate";

/// What the origin of the edge rows says.
fn by_path(seen: &Seen) -> Reply {
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

#[test]
fn fifty_misses_at_once_ask_the_origin_once() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(|seen| Reply {
        pause_ms: 400,
        ..by_path(seen)
    });
    let gateway = edge(&origin, "standard", CACHE);
    let address = gateway.address;
    let clients: Vec<_> = (0..50)
        .map(|_| thread::spawn(move || fetch(address, "GET", "/dev/herd", &[])))
        .collect();
    let answers: Vec<Got> = clients
        .into_iter()
        .filter_map(|one| one.join().ok())
        .collect();
    assert_eq!(answers.len(), 50);
    assert!(answers.iter().all(|got| got.text() == "GET 0"));
    assert_eq!(origin.count("/herd"), 1);
    let collapsed = answers.iter().filter(|got| got.head.contains("collapsed"));
    assert!(collapsed.count() > 40);
    let (_, said) = gateway.cli(&["cache", "stat", "--json"]);
    let stat: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(stat["answers"]["collapsed"], 49, "{said}");
    assert_eq!(stat["answers"]["misses"], 50, "{said}");
}

#[test]
fn what_is_kept_outlives_reload_restart_and_upgrade() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(by_path);
    // The port is part of the key, and each process gets its own here: clients name one.
    let host: &[&str] = &[];
    let mut gateway = edge(&origin, "standard", CACHE);
    let hits = |gateway: &Gateway, what: &str| {
        let got = fetch(gateway.address, "GET", "/dev/kept", host);
        assert!(got.head.contains("X-Cache: Hit"), "{what}: {}", got.head);
        assert_eq!(origin.count("/kept"), 1, "{what}");
    };
    fetch(gateway.address, "GET", "/dev/kept", host);
    hits(&gateway, "at once");
    gateway.configure(&settings(
        origin.address,
        "edge_cache = \"standard\"",
        &format!("{CACHE}collapse_ms = 1000"),
    ));
    let (status, said) = gateway.ask("POST", "/reload");
    assert_eq!(status, 200, "{said}");
    hits(&gateway, "reloaded");
    install(&gateway.program());
    gateway.upgrade();
    hits(&gateway, "upgraded");
    gateway.wait(Duration::from_secs(8));
    gateway.signal(libc::SIGKILL);
    gateway.await_that("it is gone", |gateway| {
        gateway.try_ask("GET", "/livez").is_none()
    });
    gateway.start_again();
    gateway.await_that("it listens", |gateway| {
        let ready = gateway.try_ask("GET", "/readyz");
        ready.is_some_and(|(status, _)| status == 200)
    });
    let log = gateway.log();
    let last = log
        .rsplit("listening on ")
        .next()
        .and_then(|text| text.split(',').next());
    gateway.address = last.expect("a line").parse().expect("an address");
    hits(&gateway, "after a kill");
}

const STAGE_API: &str = r#"
openapi: 3.0.1
info: { title: Test, version: "1" }
paths:
  /pets/{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get: &pets
      parameters:
        - { name: type, in: query, schema: { type: string } }
        - { name: X-Shop, in: header, schema: { type: string } }
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: GET
        uri: http://origin.test/pets/{id}
        requestParameters:
          integration.request.path.id: method.request.path.id
        cacheKeyParameters: [method.request.path.id, method.request.querystring.type, method.request.header.X-Shop]
    post:
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: POST
        uri: http://origin.test/pets/{id}
        requestParameters:
          integration.request.path.id: method.request.path.id
        cacheKeyParameters: [method.request.path.id]
  /all:
    get: { x-amazon-apigateway-integration: { type: http_proxy, httpMethod: GET, uri: "http://origin.test/all" } }
    post: { x-amazon-apigateway-integration: { type: http_proxy, httpMethod: POST, uri: "http://origin.test/all" } }
  /short:
    get: { x-amazon-apigateway-integration: { type: http_proxy, httpMethod: GET, uri: "http://origin.test/short" } }
  /open:
    get: { x-amazon-apigateway-integration: { type: http_proxy, httpMethod: GET, uri: "http://origin.test/open" } }
  /strict:
    get: { x-amazon-apigateway-integration: { type: http_proxy, httpMethod: GET, uri: "http://origin.test/strict" } }
  /silent:
    get: { x-amazon-apigateway-integration: { type: http_proxy, httpMethod: GET, uri: "http://origin.test/silent" } }
  /none:
    get: { x-amazon-apigateway-integration: { type: http_proxy, httpMethod: GET, uri: "http://origin.test/none" } }
"#;

const STAGE_CACHE: &str = r#"
[apis.stage_cache]
ttl_s = 300
methods = [
  { path = "/pets/{id}", method = "POST", enabled = true },
  { path = "/short", method = "GET", ttl_s = 1 },
  { path = "/open", method = "GET", require_authorization = false },
  { path = "/strict", method = "GET", unauthorized = "fail_with_403" },
  { path = "/silent", method = "GET", unauthorized = "succeed_without_response_header" },
]
"#;

const ANEW: &[&str] = &["Cache-Control: max-age=0"];
const NO_MARKS: &[&str] = &["x-cache", "cache-status", "\r\nage:", "warning"];

const STAGE: &[Row] = &[
    Row {
        name: "a miss",
        path: "/pets/1",
        lacks: NO_MARKS,
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "a hit",
        path: "/pets/1",
        lacks: NO_MARKS,
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "another path",
        path: "/pets/2",
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "another query",
        path: "/pets/1?type=dog",
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "another header",
        path: "/pets/1",
        lines: &["X-Shop: 7"],
        body: Some("GET 1"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "the header again",
        path: "/pets/1",
        lines: &["X-Shop: 7"],
        body: Some("GET 1"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "no header again",
        path: "/pets/1",
        body: Some("GET 0"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "a parameter that is no key",
        path: "/pets/1?x=1",
        body: Some("GET 0"),
        asked: 0,
        ..ROW
    },
    Row {
        name: "POST by override",
        method: "POST",
        path: "/pets/3",
        body: Some("POST 0"),
        ..ROW
    },
    Row {
        name: "POST again",
        method: "POST",
        path: "/pets/3",
        body: Some("POST 0"),
        ..ROW
    },
    Row {
        name: "GET is another method",
        path: "/pets/3",
        body: Some("GET 1"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "POST without",
        method: "POST",
        path: "/all",
        body: Some("POST 0"),
        ..ROW
    },
    Row {
        name: "is never kept",
        method: "POST",
        path: "/all",
        body: Some("POST 1"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "no-store is not asked",
        path: "/none",
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "it is kept",
        path: "/none",
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "ignored, with a warning",
        path: "/pets/1",
        lines: ANEW,
        has: &["warning: 199 "],
        body: Some("GET 0"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "strict",
        path: "/strict",
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "refused",
        path: "/strict",
        lines: ANEW,
        status: 403,
        ..ROW
    },
    Row {
        name: "strict again",
        path: "/strict",
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "silent",
        path: "/silent",
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "ignored in silence",
        path: "/silent",
        lines: ANEW,
        lacks: &["warning"],
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "open",
        path: "/open",
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "fetched anew",
        path: "/open",
        lines: ANEW,
        lacks: &["warning"],
        body: Some("GET 1"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "and kept",
        path: "/open",
        body: Some("GET 1"),
        asked: 2,
        ..ROW
    },
    Row {
        name: "no-cache means nothing",
        path: "/open",
        lines: &["Cache-Control: no-cache"],
        body: Some("GET 1"),
        asked: 2,
        ..ROW
    },
];

#[test]
fn a_stage_cache_answers_as_its_stage_says() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(|seen| {
        let body = format!("{} {}", seen.method, seen.before);
        Reply::ok(&["Cache-Control: no-store"], body)
    });
    let folder = tempfile::tempdir().expect("a folder");
    let api = format!("stages = [\"dev\", \"prod\"]\n{STAGE_CACHE}");
    let gateway = Gateway::start_in(folder, STAGE_API, &settings(origin.address, &api, CACHE));
    check(STAGE, &gateway, &origin);

    // A lifetime of one second ends.
    let short = || fetch(gateway.address, "GET", "/dev/short", &[]).text();
    assert_eq!(short(), "GET 0");
    gateway.await_that("it is over", |_| short() == "GET 1");

    // Stages share nothing; each has its own figures; a flush is of one stage.
    let of = |stage: &str| fetch(gateway.address, "GET", &format!("/{stage}/all"), &[]).text();
    assert_eq!((of("dev"), of("prod")), ("GET 2".into(), "GET 3".into()));
    assert_eq!((of("dev"), of("prod")), ("GET 2".into(), "GET 3".into()));
    let (_, metrics) = gateway.ask("GET", "/metrics");
    for line in [
        "tidegate_cache_hit_count_total{api=\"a\",stage=\"prod\"} 1",
        "tidegate_cache_miss_count_total{api=\"a\",stage=\"prod\"} 1",
        "tidegate_cache_capacity_bytes 67108864",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
    let flush = |stage| gateway.cli(&["cache", "flush", "--api", "a", "--stage", stage]);
    let (code, said) = flush("test");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("there are a/dev, a/prod"), "{said}");
    assert_eq!(flush("dev"), (Some(0), "flushed\n".to_owned()));
    assert_eq!((of("dev"), of("prod")), ("GET 4".into(), "GET 3".into()));
    assert_eq!(gateway.cli(&["cache", "flush", "--all"]).0, Some(0));
    assert_eq!(of("prod"), "GET 5");
}

#[test]
fn operators_look_purge_and_prove() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(|seen| Reply {
        pause_ms: if seen.target == "/slow" { 700 } else { 0 },
        ..by_path(seen)
    });
    let mut gateway = edge(&origin, "standard", CACHE);
    let get = |path: &str| fetch(gateway.address, "GET", &format!("/dev{path}"), &[]);
    let is_kept = |path: &str| get(path).head.contains("X-Cache: Hit");
    for path in ["/p/1", "/p/1?x", "/p/2", "/q", "/letters"] {
        get(path);
        assert!(is_kept(path), "{path}");
    }
    let url = |path: &str| format!("http://gateway.test/dev{path}");
    let removed = |arguments: &[&str]| {
        let (code, said) = gateway.cli(&[&["cache", "purge"], arguments].concat());
        assert_eq!(code, Some(0), "{said}");
        let count = said
            .split(' ')
            .next()
            .and_then(|word| word.parse::<u32>().ok());
        count.unwrap_or_else(|| panic!("{said}"))
    };
    assert_eq!(removed(&["--url", &url("/p/1")]), 1);
    assert_eq!(origin.count("/p/1"), 1);
    assert!(is_kept("/p/1?x") && is_kept("/p/2") && !is_kept("/p/1"));
    assert_eq!(removed(&["--prefix", &url("/p/")]), 3);
    assert_eq!(
        removed(&["--prefix", "https://gateway.test/"]),
        0,
        "another scheme"
    );
    assert_eq!(
        removed(&["--prefix", "http://gateway.test:81/"]),
        0,
        "another port"
    );
    assert_eq!(removed(&["--tag", "cats"]), 0);
    assert_eq!(removed(&["--tag", "dogs"]), 1);
    assert!(is_kept("/letters") && !is_kept("/q"));
    let (code, said) = gateway.cli(&["cache", "purge", "--url", "gateway.test/"]);
    assert_eq!(code, Some(1), "{said}");

    let (code, said) = gateway.cli(&["cache", "get", &url("/letters")]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "edge policy `standard`",
        "body bytes",
        "HTTP/1.1 200",
        "max-age=100",
    ] {
        assert!(said.contains(part), "no {part}: {said}");
    }
    assert_eq!(gateway.cli(&["cache", "get", &url("/nothing")]).0, Some(1));
    get("/language");
    let language = [
        "cache",
        "get",
        &url("/language"),
        "-H",
        "Accept-Language: xx",
    ];
    assert_eq!(gateway.cli(&language[..3]).0, Some(0));
    assert_eq!(gateway.cli(&language).0, Some(1), "another variant");
    assert_eq!(gateway.cli(&["cache", "verify"]).0, Some(0));

    // A fetch that a purge overtakes brings nothing back.
    let address = gateway.address;
    let slow = thread::spawn(move || fetch(address, "GET", "/dev/slow", &[]));
    gateway.await_that("it is asked for", |_| origin.count("/slow") == 1);
    assert_eq!(removed(&["--url", &url("/slow")]), 0);
    assert_eq!(slow.join().expect("an answer").text(), "GET 0");
    assert_eq!(get("/slow").text(), "GET 1");
    assert!(is_kept("/slow"));

    // The same on the file of a stopped one.
    gateway.signal(libc::SIGTERM);
    gateway.wait(Duration::from_secs(8));
    let config = gateway.folder.path().join("tidegate.toml");
    let file = gateway.folder.path().join("c.cache");
    let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let (config, file) = (text(&config), text(&file));
    let cli = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("cache")
            .args(arguments)
            .output()
            .expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let show = ["get", &url("/slow"), "--config", &config];
    assert_eq!(cli(&show).0, Some(0));
    let (code, said) = cli(&["stat", "--path", &file, "--json"]);
    let stat: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (code, &stat["capacity_bytes"]),
        (Some(0), &(64u64 << 20).into())
    );
    assert!(stat["objects"].as_u64() > Some(0) && stat["lookups"]["hits"].as_u64() > Some(5));
    assert_eq!(cli(&["verify", "--path", &file]).0, Some(0));
    assert_eq!(
        cli(&["flush", "--api", "a", "--stage", "dev", "--path", &file]).0,
        Some(0)
    );
    assert_eq!(cli(&show).0, Some(1));
    assert_eq!(
        cli(&["stat", "--path", &config]).0,
        Some(1),
        "no cache's file"
    );
    assert_eq!(
        gateway.cli(&["cache", "stat"]).0,
        Some(69),
        "nobody answers"
    );
}

#[test]
fn what_is_kept_is_sealed() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    const SECRET: &[u8] = b"a body that nobody else may read";
    let origin = Scripted::start(|_| Reply::ok(&["Cache-Control: max-age=100"], SECRET));
    // The setting, and whether the body can be read in the region's file.
    let rows = [
        ("", true),
        ("key_file = \"key\"", false),
        ("key_file = \"boot\"", false),
    ];
    for (key, is_plain) in rows {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        fs::write(&file, [7; 32]).expect("a key");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
        let more = format!("{CACHE}{key}\n");
        let settings = settings(origin.address, "edge_cache = \"standard\"", &more);
        let mut gateway = Gateway::start_in(folder, API, &settings);
        for word in ["X-Cache: Miss", "X-Cache: Hit"] {
            let got = fetch(gateway.address, "GET", "/dev/secret", &[]);
            assert!(got.head.contains(word), "{key}: {}", got.head);
            assert_eq!(got.body, SECRET);
        }
        let bytes = fs::read(gateway.folder.path().join("c.cache")).expect("the region");
        let found = bytes.windows(SECRET.len()).any(|part| part == SECRET);
        assert_eq!(found, is_plain, "{key}");
        // The key is the file's or this process's: after a restart the one is known, the other not.
        gateway.restart(libc::SIGTERM);
        let got = fetch(gateway.address, "GET", "/dev/secret", &[]);
        let is_warm = got.head.contains("X-Cache: Hit");
        assert_eq!(is_warm, !key.contains("boot"), "{key}: {}", got.head);
        if key.contains("\"key\"") {
            let file = gateway.folder.path().join("key");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
            gateway.signal(libc::SIGTERM);
            gateway.wait(Duration::from_secs(8));
            gateway.start_again();
            let status = gateway.wait(Duration::from_secs(8));
            assert_eq!(status.code(), Some(3), "{}", gateway.log());
            assert!(
                gateway.log().contains("set its mode to 0600"),
                "{}",
                gateway.log()
            );
        }
    }
}

#[test]
fn an_empty_table_is_enough() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(by_path);
    let gateway = edge(&origin, "standard", "[cache]");
    for word in ["X-Cache: Miss", "X-Cache: Hit"] {
        let got = fetch(gateway.address, "GET", "/dev/a", &[]);
        assert!(got.head.contains(word), "{}", got.head);
    }
    let file = gateway.folder.path().join("responses.cache");
    let bytes = fs::metadata(file).expect("in the runtime directory").len();
    assert_eq!(bytes, 512 << 20);
}
