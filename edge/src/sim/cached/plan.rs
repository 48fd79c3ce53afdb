//! The plan with caches that simulated workers serve.
//!
//! What it is: three APIs over one origin, one for each [`Site`], compiled by the real compiler; the
//! stage cache has a region of its own, the others share one. Both are smaller than an operator may
//! choose, so that runs fill them. Shape: [`blueprint`].
//! Units: bytes, milliseconds. Errors: the compiler's, the blueprint's and the store's, as text.
//! Source: `configs/full.toml`.

use std::{net::SocketAddr, path::Path, sync::Arc};

use serde_json::json;

use super::book::{BODY_BYTES_KEPT, Site};
use crate::{
    base::prng::Prng,
    cache::{Store, StoreOptions},
    model::{
        api::{
            Api, CacheKeyPart, CacheKeySource, Integration, IntegrationKind, Method,
            ParameterMapping, ParameterSource, ParameterTarget, Resource, Verb,
        },
        settings::Settings,
    },
    plan::compile,
    server::{Blueprint, Keyring, SharedCache},
};

/// Where the simulated gateway listens.
pub(super) const GATEWAY: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1)),
    80,
);

/// Where the origin listens.
pub(super) const ORIGIN: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 0, 1)),
    8080,
);

/// A plan whose regions are a new file at `path` and one beside it.
///
/// # Errors
/// What the compiler, the blueprint or the store says.
pub(super) fn blueprint(
    prng: &mut Prng,
    keyring: &Keyring,
    path: &Path,
) -> Result<Arc<Blueprint>, String> {
    let collapse_ms = [40, 400, 5_000][usize::try_from(prng.below(3)).unwrap_or(0)];
    let settings: Settings =
        serde_json::from_value(settings(collapse_ms)).map_err(|error| error.to_string())?;
    let apis = Site::ALL.map(api);
    let mut plan = compile(&settings, &apis, 1)
        .map_err(|findings| format!("{findings:?}"))?
        .plan;
    let cache = plan.cache.take();
    let blueprint = Blueprint::new(plan, keyring, None).map_err(|errors| format!("{errors:?}"))?;
    let mut blueprint = Arc::into_inner(blueprint).ok_or("a blueprint of our own")?;
    let plan = Arc::get_mut(&mut blueprint.plan).ok_or("a plan of our own")?;
    plan.cache = cache;
    let capacity_bytes = [2 << 20, 8 << 20][usize::try_from(prng.below(2)).unwrap_or(0)];
    let mut options = StoreOptions::new(path, capacity_bytes, prng.next_u64());
    options.object_bytes_max = OBJECT_BYTES_MAX;
    options.key = prng.chance(250).then_some([7; 32]);
    blueprint.caches = [
        shared(&options)?,
        shared(&StoreOptions {
            path: path.with_extension("own"),
            ..options
        })?,
    ]
    .into();
    Ok(Arc::new(blueprint))
}

fn shared(options: &StoreOptions) -> Result<SharedCache, String> {
    let store = Store::open(options).map_err(|error| error.to_string())?;
    Ok(SharedCache {
        store,
        flights: Arc::default(),
    })
}

fn settings(collapse_ms: u64) -> serde_json::Value {
    let api = |site: Site, cache: (&str, serde_json::Value)| {
        let mut api = json!({
            "document": format!("{site:?}.yaml"),
            "id": format!("{site:?}"),
            "hosts": [site.host()],
        });
        api[cache.0] = cache.1;
        if site == Site::Callers {
            api["header_rules"] = json!("proxy");
        }
        api
    };
    json!({
        "listen": [{ "address": GATEWAY.to_string() }],
        "apis": [
            api(Site::Shared, ("edge_cache", json!("standard"))),
            api(Site::Callers, ("edge_cache", json!("callers"))),
            api(Site::Stage, ("stage_cache", json!({
                "ttl_s": 2,
                "capacity": "64 MiB",
                "require_authorization": false,
            }))),
        ],
        "origins": { "all": {
            "match": "http://origin.test",
            "allow_addresses": ["private"],
            "endpoints": [{ "url": format!("http://{ORIGIN}") }],
            "ejection": { "failures": 0 },
        }},
        "cache": {
            "path": "/nowhere",
            "object_bytes_max": BODY_BYTES_KEPT,
            "collapse_ms": collapse_ms,
            "policies": { "callers": {
                "per_caller": true,
                "headers": ["X-Lang"],
                "query": { "only": ["v"] },
            }},
        },
        "limits": { "head_ms": 2_000, "still_ms": 3_000, "idle_ms": 4_000, "drain_body_ms": 400 },
    })
}

fn api(site: Site) -> Api {
    let path = CacheKeySource::parse("method.request.path.proxy");
    let part = |source| CacheKeyPart {
        source,
        pointer: "/k".to_owned(),
    };
    Api {
        id: format!("{site:?}"),
        name: format!("{site:?}"),
        resources: vec![Resource {
            path: "/{proxy+}".to_owned(),
            pointer: "/paths/proxy".to_owned(),
            methods: [Verb::Get, Verb::Any]
                .map(|verb| {
                    let integration = Integration {
                        uri: format!("http://origin.test/{site:?}/{{proxy}}"),
                        timeout_ms: INTEGRATION_MS,
                        request_parameters: mapping().into_iter().collect(),
                        cache_key: path.clone().map(part).into_iter().collect(),
                        ..Integration::new(IntegrationKind::HttpProxy, "/i")
                    };
                    Method::new(verb, "/any", integration)
                })
                .into(),
        }],
        ..Api::default()
    }
}

fn mapping() -> Option<ParameterMapping> {
    Some(ParameterMapping {
        target: ParameterTarget::parse("integration.request.path.proxy")?,
        source: ParameterSource::parse("method.request.path.proxy")?,
        pointer: "/m".to_owned(),
    })
}

/// Body, head and key of the largest object.
const OBJECT_BYTES_MAX: u32 = 72 * 1024;
const _: () = assert!((OBJECT_BYTES_MAX as u64) > BODY_BYTES_KEPT);
/// From a request to its answer's head.
const INTEGRATION_MS: u32 = 2_500;
