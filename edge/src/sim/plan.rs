//! The plan that simulated workers serve.
//!
//! What it is: settings and an API as a user would write them, with limits drawn small so that a
//! run meets them, compiled by the real compiler. Shape: [`blueprint`]. Units: milliseconds,
//! bytes. Errors: the compiler's and the blueprint's, as text; a drawn plan has none.
//! Source: `configs/full.toml`.

use std::{net::SocketAddr, sync::Arc};

use serde_json::json;

use super::script::{BODY_BYTES_MAX, HOST, MOCK_BODY};
use crate::{
    base::prng::Prng,
    model::{
        api::{
            Api, Integration, IntegrationKind, IntegrationResponse, Method, ParameterMapping,
            ParameterSource, ParameterTarget, Resource, Template, Verb,
        },
        settings::Settings,
    },
    plan::compile,
    server::{Blueprint, Keyring},
};

/// Where the simulated gateway listens.
pub(super) const GATEWAY: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1)),
    80,
);

/// Where origins listen.
pub(super) fn origin_address(index: u8) -> SocketAddr {
    SocketAddr::from(([10, 1, 0, index + 1], 8080))
}

/// A plan of `revision` whose two groups lead to `origins` addresses.
///
/// # Errors
/// What the compiler or the blueprint says.
pub(super) fn blueprint(
    prng: &mut Prng,
    keyring: &Keyring,
    origins: u8,
    revision: u64,
    before: Option<&Blueprint>,
) -> Result<Arc<Blueprint>, String> {
    let settings: Settings = serde_json::from_value(settings(prng, origins, revision))
        .map_err(|error| error.to_string())?;
    let compiled =
        compile(&settings, &[api()], revision).map_err(|findings| format!("{findings:?}"))?;
    Blueprint::new(compiled.plan, keyring, before).map_err(|errors| format!("{errors:?}"))
}

fn settings(prng: &mut Prng, origins: u8, revision: u64) -> serde_json::Value {
    let mut pick = |rows: &[u64]| {
        let row = usize::try_from(prng.below(rows.len() as u64)).unwrap_or(0);
        rows[row]
    };
    let balances = ["least_outstanding", "round_robin", "random"];
    let mut group = |name: &str, endpoints: &[u8]| {
        let endpoints: Vec<_> = (endpoints.iter())
            .map(|index| {
                let url = format!("http://{}", origin_address(*index));
                json!({ "url": url, "region": format!("r{index}"), "priority": index % 2 })
            })
            .collect();
        json!({
            "match": format!("http://{name}.test"),
            "allow_addresses": ["private"],
            "endpoints": endpoints,
            "balance": balances[usize::try_from(pick(&[0, 1, 2])).unwrap_or(0)],
            "max_connections": pick(&[3, 12, 1_024]),
            "max_waiters": pick(&[3, 1_024]),
            "connect_ms": 800,
            "idle_ms": pick(&[300, 5_000]),
            "ejection": { "failures": pick(&[0, 3]), "base_ms": 300 },
        })
    };
    let first: Vec<u8> = (0..origins).collect();
    let (alpha, beta) = (group("alpha", &first), group("beta", &first[..1]));
    json!({
        "listen": [{ "address": GATEWAY.to_string() }],
        "apis": [{
            "document": "sim.yaml",
            "hosts": [HOST],
            "header_rules": if revision.is_multiple_of(2) { "proxy" } else { "api_gateway" },
        }],
        "origins": { "alpha": alpha, "beta": beta },
        "limits": {
            "body_bytes_max": BODY_BYTES_MAX,
            "head_ms": 2_000,
            "still_ms": 3_000,
            "idle_ms": pick(&[200, 4_000]),
            "progress_grace_ms": 2_000,
            "progress_bytes_per_s": pick(&[0, 256]),
            "requests_per_connection_max": pick(&[0, 3, 10_000]),
            "drain_body_ms": 400,
        },
    })
}

fn api() -> Api {
    let proxied = |place: &str, group: &str| Resource {
        path: format!("/{place}/{{proxy+}}"),
        pointer: format!("/paths/{place}"),
        methods: vec![method(Integration {
            uri: format!("http://{group}.test/{place}/{{proxy}}"),
            timeout_ms: INTEGRATION_MS,
            request_parameters: proxy_mapping().into_iter().collect(),
            ..Integration::new(IntegrationKind::HttpProxy, "/i")
        })],
    };
    let mock = Resource {
        path: "/mock/{proxy+}".to_owned(),
        pointer: "/paths/mock".to_owned(),
        methods: vec![method(mock())],
    };
    Api {
        id: "simulated".to_owned(),
        name: "Simulated".to_owned(),
        resources: vec![proxied("a", "alpha"), proxied("b", "beta"), mock],
        ..Api::default()
    }
}

fn method(integration: Integration) -> Method {
    Method::new(Verb::Any, "/any", integration)
}

fn proxy_mapping() -> Option<ParameterMapping> {
    Some(ParameterMapping {
        target: ParameterTarget::parse("integration.request.path.proxy")?,
        source: ParameterSource::parse("method.request.path.proxy")?,
        pointer: "/m".to_owned(),
    })
}

fn mock() -> Integration {
    let template = |text: &str| Template {
        content_type: "application/json".to_owned(),
        text: text.to_owned(),
        pointer: "/t".to_owned(),
    };
    Integration {
        request_templates: vec![template("{\"statusCode\": 200}")],
        responses: vec![IntegrationResponse {
            pointer: "/r".to_owned(),
            selection_pattern: None,
            status: 200,
            content_handling: None,
            parameters: Vec::new(),
            templates: vec![template(MOCK_BODY)],
        }],
        ..Integration::new(IntegrationKind::Mock, "/i")
    }
}

/// From a request to its answer's head.
const INTEGRATION_MS: u32 = 2_500;
