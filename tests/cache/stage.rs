//! A stage's cache from outside: lifetimes and keys of the stage, whatever the origin says.
//!
//! Shape: a table of requests. Units: bytes. Errors: as `bed`. Source: docs/caching.md; the API
//! Gateway developer guide, "cache settings".

use std::sync::PoisonError;

use super::bed::{CACHE, ONE, ROW, Row, check, settings};
use crate::running::{
    gateway::Gateway,
    scripted::{Reply, Scripted, fetch},
};

pub(super) const STAGE_API: &str = r#"
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
  /cats:
    get: { x-amazon-apigateway-integration: { type: http_proxy, httpMethod: GET, uri: "http://origin.test/cats", cacheNamespace: animals } }
  /dogs:
    get: { x-amazon-apigateway-integration: { type: http_proxy, httpMethod: GET, uri: "http://origin.test/dogs", cacheNamespace: animals } }
  /birds:
    get: { x-amazon-apigateway-integration: { type: http_proxy, httpMethod: GET, uri: "http://origin.test/birds", cacheNamespace: birds } }
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
        name: "a namespace",
        path: "/cats",
        body: Some("GET 0"),
        ..ROW
    },
    Row {
        name: "shared by another resource, whose origin is not asked",
        path: "/dogs",
        body: Some("GET 0"),
        asked: 0,
        ..ROW
    },
    Row {
        name: "another namespace",
        path: "/birds",
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
