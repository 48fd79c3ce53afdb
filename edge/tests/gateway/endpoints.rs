//! Endpoint types, private APIs and closed hosts over a whole worker, on the real ring and its twin.
//!
//! Shape: tables of requests with the status that each gets; a stage of the play serves one listener.
//! Units: bytes. Errors: what differs from the service. Source: Amazon API Gateway developer guide,
//! "quotas", "invoke a private API" and "disable the default endpoint".

use crate::{
    bed::Kind,
    documents::{api, ok_mock},
    play::{Lines, Stage, first_answer},
};
use serde_json::{Value, json};
use tidegate_edge::model::api::{Api, EndpointType};

/// Everything is answered with 200.
fn api_of(id: &str, endpoint: Option<EndpointType>) -> Api {
    let mut api = api(id, vec![("ANY /{proxy+}", ok_mock())]);
    api.endpoint.kind = endpoint;
    api
}

/// Status and body of what `request` gets.
fn ask(stage: &Stage, request: String) -> (u16, String) {
    let heard = stage.talk(Lines {
        parts: vec![request.into_bytes()],
        piece: usize::MAX,
        enough: Box::new(|bytes| first_answer(bytes, false).is_some()),
        patience_ms: 3_000,
    });
    let (status, body, _) = first_answer(&heard.bytes, false).expect("an answer");
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// A request with a target and a head of these sizes.
fn sized(host: &str, target_bytes: usize, head_bytes: usize) -> String {
    let target = format!("/dev/{}", "x".repeat(target_bytes - "/dev/".len()));
    let bare = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Pad: \r\n\r\n");
    let pad = "p".repeat(head_bytes.checked_sub(bare.len()).expect("room"));
    let request = bare.replace("X-Pad: ", &format!("X-Pad: {pad}"));
    assert_eq!(request.len(), head_bytes);
    request
}

/// Endpoint type of API and listener, limits, bytes of the target and of the head, status.
const SIZES: &[(&str, &str, usize, usize, u16)] = &[
    ("", "{}", 8_192, 8_300, 200),
    ("", "{}", 8_193, 8_300, 414),
    ("", "{}", 100, 10_240, 200),
    ("", "{}", 100, 10_241, 431),
    ("edge", "{}", 8_192, 8_300, 200),
    ("edge", "{}", 8_193, 8_300, 414),
    ("edge", "{}", 100, 10_240, 200),
    ("edge", "{}", 100, 10_241, 431),
    ("edge", TARGET_9000, 8_192, 8_300, 200),
    ("edge", TARGET_9000, 8_193, 8_300, 414),
    ("regional", "{}", 8_193, 8_300, 200),
    ("regional", "{}", 10_100, 10_240, 200),
    ("regional", "{}", 10_100, 10_241, 431),
    ("regional", HEAD_16384, 10_240, 10_400, 200),
    ("regional", HEAD_16384, 10_241, 10_400, 414),
    ("regional", TARGET_300, 300, 400, 200),
    ("regional", TARGET_300, 301, 400, 414),
    ("private", "{}", 100, 8_000, 200),
    ("private", "{}", 100, 8_001, 431),
    ("private", "{}", 7_800, 8_000, 200),
    ("private", "{}", 7_800, 8_001, 431),
    ("private", BOTH_4000, 100, 4_000, 200),
    ("private", BOTH_4000, 100, 4_001, 431),
];
const TARGET_300: &str = r#"{"target_bytes_max": 300}"#;
const TARGET_9000: &str = r#"{"target_bytes_max": 9000}"#;
const HEAD_16384: &str = r#"{"head_bytes_max": 16384}"#;
const BOTH_4000: &str = r#"{"head_bytes_max": 4000, "target_bytes_max": 4000}"#;

fn heads_are_limited_by_endpoint(kind: Kind) {
    for rows in SIZES.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)) {
        let (word, limits) = (rows[0].0, rows[0].1);
        let (mut listen, mut endpoint) = (json!({ "address": "127.0.0.1:0" }), None);
        if !word.is_empty() {
            listen["endpoint"] = json!(word);
            endpoint = Some(match word {
                "edge" => EndpointType::Edge,
                "regional" => EndpointType::Regional,
                _ => EndpointType::Private,
            });
        }
        let settings = json!({
            "apis": [{ "document": "a.yaml", "id": "a" }],
            "listen": [listen],
            "limits": serde_json::from_str::<Value>(limits).expect("JSON"),
        });
        let stage = Stage::with(kind, settings, &[api_of("a", endpoint)], Vec::new());
        for (_, _, target_bytes, head_bytes, expected) in rows {
            let request = sized("a.execute-api.localhost", *target_bytes, *head_bytes);
            let (status, body) = ask(&stage, request);
            assert_eq!(
                status, *expected,
                "{word} {limits}: {target_bytes} of {head_bytes} B: {body}"
            );
        }
        stage.finish();
    }
}

/// A private API `p`, which lists an endpoint, and a public one `q`, behind one listener.
fn private(kind: Kind, listen: &Value) -> Stage {
    let mut inner = api_of("p", Some(EndpointType::Private));
    inner.endpoint.vpc_endpoint_ids = vec!["vpce-1a".to_owned()];
    let settings = json!({
        "apis": [
            { "document": "p.yaml", "id": "p", "stage": "dev" },
            { "document": "q.yaml", "id": "q", "stage": "open" },
        ],
        "listen": [listen],
    });
    let apis = [inner, api_of("q", Some(EndpointType::Regional))];
    Stage::with(kind, settings, &apis, Vec::new())
}

/// Host, `x-apigw-api-id` (`-` for none) and path, and the status by listener: private, public,
/// private to others.
const NAMES: &str = "\
p.execute-api.localhost                           -      /dev/x   200 403 403
P.Execute-Api.eu-west-1.amazonaws.com             -      /dev/x   200 403 403
p-vpce-1a.execute-api.eu-west-1.amazonaws.com     -      /dev/x   200 403 403
# An endpoint that the API does not list.
p-vpce-2b.execute-api.eu-west-1.amazonaws.com     -      /dev/x   403 403 403
vpce-1a.execute-api.eu-west-1.vpce.amazonaws.com  p      /dev/x   200 403 403
10.1.2.3                                          p      /dev/x   200 403 403
10.1.2.3                                          nobody /dev/x   403 403 403
# Private APIs have no path on other hosts.
10.1.2.3                                          -      /dev/x   403 403 403
# The public API, which the header does not name where it does not count.
q.execute-api.localhost                           -      /open/x  403 200 403
q-vpce-1a.execute-api.localhost                   -      /open/x  403 403 403
10.1.2.3                                          q      /open/x  403 200 403
10.1.2.3                                          p      /open/x  403 200 403
p.execute-api.localhost                           -      /ping    200 200 403
";

fn private_apis_have_their_own_names(kind: Kind) {
    const FORBIDDEN: &str = r#"{"message":"Forbidden"}"#;
    let closed = json!({
        "address": "127.0.0.1:0", "endpoint": "private", "networks": ["10.0.0.0/8"],
    });
    let open = json!({
        "address": "127.0.0.1:0", "endpoint": "private", "networks": ["127.0.0.0/8"],
    });
    let local = json!({ "address": "127.0.0.1:0", "endpoint": "private" });
    let public = json!({ "address": "127.0.0.1:0" });
    for (listen, column) in [(&open, 0), (&local, 0), (&public, 1), (&closed, 2)] {
        let stage = private(kind, listen);
        for row in NAMES.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<&str> = row.split_whitespace().collect();
            let ([host, api_id, path], statuses) = cells.split_first_chunk().expect("three cells");
            let header = match *api_id {
                "-" => String::new(),
                id => format!("X-Apigw-Api-Id: {id}\r\n"),
            };
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n");
            let (status, body) = ask(&stage, request);
            let expected: u16 = statuses[column].parse().expect("a status");
            assert_eq!(status, expected, "{listen}: {row}: {body}");
            if status == 403 {
                assert_eq!(body, FORBIDDEN);
            }
        }
        stage.finish();
    }
}

/// A closed default host leaves the domain: with a stage in the path where the mapping has none.
fn a_closed_default_host_leaves_the_domain(kind: Kind) {
    let mut shut = api_of("a", None);
    shut.endpoint.disable_execute_api = true;
    let settings = json!({
        "apis": [{ "document": "a.yaml", "id": "a", "stages": ["dev", "prod"] }],
        "domains": [{ "name": "shop.test", "mappings": [
            { "path": "v1", "api": "a" },
            { "path": "v1/prod/deep", "api": "a", "stage": "dev" },
        ] }],
    });
    let stage = Stage::with(kind, settings, &[shut], Vec::new());
    let rows = [
        ("a.execute-api.localhost", "/dev/x", 403),
        ("a.execute-api.us-east-1.amazonaws.com", "/dev/x", 403),
        ("a.execute-api.localhost", "/ping", 403),
        ("any.test", "/dev/x", 403),
        ("shop.test", "/v1/dev/x", 200),
        ("shop.test", "/v1/prod/x", 200),
        ("shop.test", "/v1/prod/deep/x", 200),
        // The longest decides alone: nothing is left for its resources.
        ("shop.test", "/v1/prod/deep", 403),
        ("shop.test", "/v1/none/x", 403),
        ("shop.test", "/dev/x", 403),
        ("shop.test", "/", 403),
    ];
    for (host, path, expected) in rows {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (status, body) = ask(&stage, request);
        assert_eq!(status, expected, "{host}{path}: {body}");
    }
    stage.finish();
}

macro_rules! both_worlds {
    ($($name:ident)*) => {
        mod kernel { $(#[test] fn $name() { super::$name(super::Kind::Kernel); })* }
        mod twin { $(#[test] fn $name() { super::$name(super::Kind::Twin); })* }
    };
}

both_worlds! {
    heads_are_limited_by_endpoint
    private_apis_have_their_own_names
    a_closed_default_host_leaves_the_domain
}
