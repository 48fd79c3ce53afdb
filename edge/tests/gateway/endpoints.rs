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

/// Rows of a target's and a head's bytes with the status.
type Sizes<'s> = &'s [(usize, usize, u16)];

fn heads_are_limited_by_endpoint(kind: Kind) {
    use EndpointType::{Edge, Private, Regional};
    let rows: &[(Option<EndpointType>, Value, Sizes<'_>)] = &[
        (
            None,
            json!({}),
            &[
                (8_192, 8_300, 200),
                (8_193, 8_300, 414),
                (100, 10_240, 200),
                (100, 10_241, 431),
            ],
        ),
        (
            Some(Edge),
            json!({}),
            &[
                (8_192, 8_300, 200),
                (8_193, 8_300, 414),
                (100, 10_240, 200),
                (100, 10_241, 431),
            ],
        ),
        (
            Some(Edge),
            json!({ "target_bytes_max": 9_000 }),
            &[(8_192, 8_300, 200), (8_193, 8_300, 414)],
        ),
        (
            Some(Regional),
            json!({}),
            &[
                (8_193, 8_300, 200),
                (10_100, 10_240, 200),
                (10_100, 10_241, 431),
            ],
        ),
        (
            Some(Regional),
            json!({ "head_bytes_max": 16_384 }),
            &[(10_240, 10_400, 200), (10_241, 10_400, 414)],
        ),
        (
            Some(Regional),
            json!({ "target_bytes_max": 300 }),
            &[(300, 400, 200), (301, 400, 414)],
        ),
        (
            Some(Private),
            json!({}),
            &[
                (100, 8_000, 200),
                (100, 8_001, 431),
                (7_800, 8_000, 200),
                (7_800, 8_001, 431),
            ],
        ),
        (
            Some(Private),
            json!({ "head_bytes_max": 4_000, "target_bytes_max": 4_000 }),
            &[(100, 4_000, 200), (100, 4_001, 431)],
        ),
    ];
    for (endpoint, limits, sizes) in rows {
        let mut listen = json!({ "address": "127.0.0.1:0" });
        let word = match endpoint {
            Some(Edge) => json!("edge"),
            Some(Regional) => json!("regional"),
            Some(Private) => json!("private"),
            None => Value::Null,
        };
        if word != Value::Null {
            listen["endpoint"] = word;
        }
        let settings = json!({
            "apis": [{ "document": "a.yaml", "id": "a" }],
            "listen": [listen],
            "limits": limits,
        });
        let stage = Stage::with(kind, settings, &[api_of("a", *endpoint)], Vec::new());
        for (target_bytes, head_bytes, expected) in *sizes {
            let request = sized("a.execute-api.localhost", *target_bytes, *head_bytes);
            let (status, body) = ask(&stage, request);
            assert_eq!(
                status, *expected,
                "{endpoint:?} {limits}: {target_bytes} of {head_bytes} B: {body}"
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
    // Host, x-apigw-api-id, path, statuses by listener: private, public, private to others
    let rows: &[(&str, Option<&str>, &str, [u16; 3])] = &[
        ("p.execute-api.localhost", None, "/dev/x", [200, 403, 403]),
        (
            "P.Execute-Api.eu-west-1.amazonaws.com",
            None,
            "/dev/x",
            [200, 403, 403],
        ),
        (
            "p-vpce-1a.execute-api.eu-west-1.amazonaws.com",
            None,
            "/dev/x",
            [200, 403, 403],
        ),
        // An endpoint that the API does not list.
        (
            "p-vpce-2b.execute-api.eu-west-1.amazonaws.com",
            None,
            "/dev/x",
            [403, 403, 403],
        ),
        (
            "vpce-1a.execute-api.eu-west-1.vpce.amazonaws.com",
            Some("p"),
            "/dev/x",
            [200, 403, 403],
        ),
        ("10.1.2.3", Some("p"), "/dev/x", [200, 403, 403]),
        ("10.1.2.3", Some("nobody"), "/dev/x", [403, 403, 403]),
        // Private APIs have no path on other hosts.
        ("10.1.2.3", None, "/dev/x", [403, 403, 403]),
        // The public API, which the header does not name where it does not count.
        ("q.execute-api.localhost", None, "/open/x", [403, 200, 403]),
        (
            "q-vpce-1a.execute-api.localhost",
            None,
            "/open/x",
            [403, 403, 403],
        ),
        ("10.1.2.3", Some("q"), "/open/x", [403, 200, 403]),
        ("10.1.2.3", Some("p"), "/open/x", [403, 200, 403]),
        ("p.execute-api.localhost", None, "/ping", [200, 200, 403]),
    ];
    for (listen, column) in [(&open, 0), (&local, 0), (&public, 1), (&closed, 2)] {
        let stage = private(kind, listen);
        for (host, api_id, path, statuses) in rows {
            let header = api_id.map_or(String::new(), |id| format!("X-Apigw-Api-Id: {id}\r\n"));
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n");
            let (status, body) = ask(&stage, request);
            assert_eq!(
                status, statuses[column],
                "{listen}: {host} {api_id:?} {path}: {body}"
            );
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
