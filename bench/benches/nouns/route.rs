//! What: the resolution of host, path and verb to a route, in an API of 300 resources.
//! Shape: 30 collections of 10 resources each, with variables of one and two levels; requests go to
//!   one of each kind in turn, the deepest included.
//! Units: none.
//! Errors: a plan that does not compile, or a request without a route, panics.
//! Source: `Plan::resolve`.

use std::hint::black_box;

use serde_json::json;
use tidegate_edge::{
    model::api::{Api, Integration, IntegrationKind, Method, Resource, Verb as ApiVerb},
    plan::{Plan, Resolution, compile},
    route::{Params, Verb},
};

use super::Operation;

const HOST: &str = "api.example.com";
const COLLECTIONS: usize = 30;
/// What a collection has below its own path.
const BELOW: [&str; 10] = [
    "",
    "/search",
    "/{id}",
    "/{id}/status",
    "/{id}/history",
    "/{id}/items",
    "/{id}/items/{item}",
    "/{id}/items/{item}/price",
    "/{id}/notes",
    "/{id}/files/{file+}",
];
/// What is asked for, in turn.
const PATHS: [&[u8]; 4] = [
    b"/collection17/4711",
    b"/collection03/search",
    b"/collection29/4711/items/12/price",
    b"/collection11/4711/files/2026/11/report.pdf",
];

/// Resolves one request after the other.
pub(super) fn resolve() -> Operation {
    let plan = plan();
    assert_eq!(plan.routes.len(), COLLECTIONS * BELOW.len());
    let mut params = Params::new();
    let mut paths = PATHS.iter().cycle();
    Box::new(move || {
        let path = paths.next().copied().unwrap_or_default();
        let (host, path) = (black_box(HOST.as_bytes()), black_box(path));
        let found = plan.resolve(host, path, Verb::from_token(b"GET"), &mut params);
        assert!(matches!(black_box(found), Resolution::Route { .. }));
    })
}

fn plan() -> Plan {
    let settings = json!({
        "listen": [{ "address": "127.0.0.1:8080" }],
        "apis": [{ "document": "api.yaml", "hosts": [HOST] }],
    });
    let settings = serde_json::from_value(settings).expect("settings");
    let mut resources = Vec::new();
    for collection in 0..COLLECTIONS {
        for below in BELOW {
            resources.push(resource(format!("/collection{collection:02}{below}")));
        }
    }
    let api = Api {
        id: "bench".to_owned(),
        name: "Bench".to_owned(),
        resources,
        ..Api::default()
    };
    compile(&settings, &[api], 1).expect("a plan").plan
}

fn resource(path: String) -> Resource {
    let integration = Integration::new(IntegrationKind::Mock, "/i");
    let method = Method::new(ApiVerb::Any, "/any", integration);
    Resource {
        pointer: format!("/paths{path}"),
        path,
        methods: vec![method],
    }
}
