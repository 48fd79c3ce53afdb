//! The workers of a simulated world: regions, edges and regional edges.
//!
//! What it is: settings and an API as a user would write them for each role, compiled by the real
//! compiler, served by a real worker with its own cache region and its own limits. Shape:
//! [`Gateway`] is one of them, on a core of its own. Units: in the names. Errors: the compiler's,
//! the blueprint's and the store's, as text; they mean a scenario that was not judged well. Source:
//! `configs/full.toml`; Amazon API Gateway developer guide, "endpoint types".

use std::{cell::RefCell, path::PathBuf, rc::Rc, sync::Arc};

use serde_json::{Value, json};

use super::{
    health::Diary,
    network::{SITES_NETWORK, backend_address, site_address},
    quota::{self, Ledger},
    result::Role,
    scenario::{EdgeCache, Kind},
    setup::Setup,
};
use crate::{
    base::time::Wall,
    cache::{Store, StoreOptions},
    exec::{Core, Inbox, Post},
    limits::{Directory, Id, KeyHasher, KeyRecord, PlanRecord, PlanStage, Rate},
    model::{
        api::{
            Api, Integration, IntegrationKind, Method, ParameterMapping, ParameterSource,
            ParameterTarget, Resource, Verb,
        },
        settings::Settings,
    },
    net::tls::{TlsClock, client::OriginTls, server::ServerTls, ticket::TicketKeys},
    origin::health::Checks,
    plan::compile,
    ring::{
        ListenAddress, Ring,
        sim::{Sim, SimOptions, World},
    },
    server::{
        Admission, Blueprint, CacheSecrets, Gauges, Keyring, LimitsHome, Order, SharedCache, Worker,
    },
    telemetry::{
        histograms::CoreHistograms,
        metrics::{Metric, Registry, StageName},
    },
};

/// The name that clients ask for, and edges behind them.
pub(super) const HOST: &str = "api.test";

/// One worker.
pub(super) struct Gateway {
    pub(super) core: Rc<Core>,
    /// The number of its ring.
    pub(super) ring: usize,
    worker: Rc<Worker>,
    checks: Option<Checks>,
    registry: Registry,
    _post: Post<Order>,
}

/// What gateways of a deployment have in common.
pub(super) struct Common<'a> {
    pub(super) world: &'a World,
    pub(super) setup: &'a Setup,
    pub(super) kind: Kind,
    pub(super) diary: &'a Diary,
}

/// What a gateway has counted.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) hits: u64,
    pub(super) collapsed: u64,
    pub(super) connects: u64,
    pub(super) reuses: u64,
    pub(super) bytes_out: u64,
}

impl Counts {
    /// What came on top of `before`.
    pub(super) fn since(self, before: Counts) -> Counts {
        Counts {
            requests: self.requests - before.requests,
            hits: self.hits - before.hits,
            collapsed: self.collapsed - before.collapsed,
            connects: self.connects - before.connects,
            reuses: self.reuses - before.reuses,
            bytes_out: self.bytes_out - before.bytes_out,
        }
    }

    /// Both together.
    pub(super) fn and(self, other: Counts) -> Counts {
        Counts {
            requests: self.requests + other.requests,
            hits: self.hits + other.hits,
            collapsed: self.collapsed + other.collapsed,
            connects: self.connects + other.connects,
            reuses: self.reuses + other.reuses,
            bytes_out: self.bytes_out + other.bytes_out,
        }
    }
}

impl Gateway {
    /// Starts the worker of `site`, whose keys are counted in `ledger`.
    ///
    /// # Errors
    /// What kept it from starting.
    pub(super) fn start(
        common: &Common<'_>,
        site: usize,
        ledger: &Rc<RefCell<Ledger>>,
    ) -> Result<Gateway, String> {
        let Common {
            world, setup, kind, ..
        } = *common;
        let blueprint = blueprint(world, setup, kind, site)?;
        let role = setup.sites[site].role;
        let options = SimOptions {
            buffers: if role == Role::Region { 16_384 } else { 8_192 },
            buffer_bytes: 16_384,
            stock: 16,
        };
        let address = site_address(site);
        let sim = Sim::new(world, &options).map_err(|error| error.to_string())?;
        let ring = sim.number();
        let core = Core::new(Ring::Sim(sim.with_source(address.ip())), SLOTS);
        let fd = core
            .listen(&ListenAddress::Tcp(address), true)
            .map_err(|errno| format!("site {site}: {errno}"))?;
        let mut registry = Registry::new(1);
        let name = |stage: &crate::plan::StagePlan| StageName {
            api: stage.api_id.to_string(),
            stage: stage.name.to_string(),
        };
        let names: Vec<StageName> = blueprint.plan.stages.iter().map(name).collect();
        let ids = registry.stages(&names);
        let admission = Admission::new(std::array::from_fn(|_| world.draw()));
        let (post, inbox) = Inbox::new(&core, ORDERS);
        let gauges = Gauges {
            metrics: registry.core(0).unwrap_or_default(),
            cells: registry.stage_cells(0, &ids),
            histograms: CoreHistograms::new(&ids),
            log: None,
            execution: None,
        };
        let worker = Worker::start(&core, &blueprint, &admission, &[(fd, 0)], inbox, gauges);
        if blueprint.limits.table().is_some() {
            let limits = blueprint.limits.clone();
            core.spawn(quota::tend(Rc::clone(&core), limits, Rc::clone(ledger)));
        }
        let is_checking = setup.scenario.health.is_some() && role != Role::Region;
        let behind = || behind(setup, kind, site).into_iter().map(|(next, _)| next);
        let checks = is_checking.then(|| {
            common
                .diary
                .watch(&core, &blueprint, site, behind().collect())
        });
        Ok(Gateway {
            core,
            ring,
            worker,
            checks,
            registry,
            _post: post,
        })
    }

    /// What it has counted so far.
    pub(super) fn counts(&self) -> Counts {
        self.worker.local().publish_figures();
        let sum = |metric| self.registry.sum(metric);
        Counts {
            requests: self.registry.tally(0).answers,
            hits: sum(Metric::CacheHits) + sum(Metric::CacheStale),
            collapsed: sum(Metric::CacheCollapsed),
            connects: sum(Metric::OriginConnects),
            reuses: sum(Metric::OriginReuses),
            bytes_out: sum(Metric::BytesOut),
        }
    }

    /// Ends it where it stands.
    pub(super) fn end(self) {
        drop((self.worker, self.checks));
        self.core.shutdown();
    }
}

/// What a site serves in a deployment, ready for its core.
fn blueprint(world: &World, setup: &Setup, kind: Kind, site: usize) -> Result<Blueprint, String> {
    let is_region = setup.sites[site].role == Role::Region;
    let limits = LimitsHome::private([world.draw(), world.draw()]);
    let (settings, api) = if is_region {
        limits.set_directory(Arc::new(directory(setup)?));
        (region_settings(setup, site), region_api(setup))
    } else {
        (edge_settings(setup, kind, site), edge_api(setup))
    };
    let settings: Settings = serde_json::from_value(settings).map_err(|e| e.to_string())?;
    let mut plan = compile(&settings, &[api], 1)
        .map_err(|findings| format!("{findings:?}"))?
        .plan;
    let region = plan.cache.take(); // the store is made below, smaller than an operator may
    let keyring = Keyring {
        tickets: TicketKeys::new(Wall(0)).map_err(|error| format!("{error:?}"))?,
        clock: TlsClock::new(Wall(0)),
        cache: CacheSecrets {
            seed: 1,
            boot_key: [0; 32],
        },
        limits,
    };
    let blueprint = Blueprint::new(plan, &keyring, None).map_err(|errors| format!("{errors:?}"))?;
    let mut blueprint = Arc::into_inner(blueprint).ok_or("a blueprint of our own")?;
    let plan = Arc::get_mut(&mut blueprint.plan).ok_or("a plan of our own")?;
    plan.cache = region;
    if setup.scenario.clients.tls {
        plan.listeners
            .iter_mut()
            .for_each(|listener| listener.tls = true);
        blueprint.tls = Some(ServerTls::null());
        for tls in blueprint.origin_tls.iter_mut().flatten() {
            tls.faces.fill(OriginTls::null());
        }
    }
    if let Some(cache) = cache_of(setup, kind, setup.sites[site].role) {
        blueprint.caches = [SharedCache {
            store: store(&cache, site, world.draw())?,
            flights: Arc::default(),
        }]
        .into();
    }
    Ok(blueprint)
}

/// How a role keeps answers in a deployment, if it does.
fn cache_of(setup: &Setup, kind: Kind, role: Role) -> Option<EdgeCache> {
    let scenario = &setup.scenario;
    match (kind, role) {
        (Kind::EdgeCached | Kind::EdgeActiveActive, Role::Edge) => Some(scenario.cache),
        (Kind::OwnTier, Role::Edge) => Some(scenario.own_tier.edge),
        (Kind::OwnTier, Role::RegionalEdge) => Some(scenario.own_tier.regional_edge),
        _ => None,
    }
}

fn store(cache: &EdgeCache, site: usize, seed: u64) -> Result<Arc<Store>, String> {
    let path = PathBuf::from(format!("region-{site}"));
    let mut options = StoreOptions::new(&path, u64::from(cache.capacity_mib) << 20, seed);
    options.object_bytes_max = body_bytes_max(cache) + HEAD_BYTES;
    options.object_bytes_mean = OBJECT_BYTES_MEAN;
    // Without a name nothing is left behind, whatever happens to us.
    Store::unnamed(&options).map_err(|error| error.to_string())
}

/// Largest body that an edge keeps: a small part of its room, which has to hold some of them.
pub(super) fn body_bytes_max(cache: &EdgeCache) -> u32 {
    ((cache.capacity_mib << 20) / 40).min(1 << 20) - HEAD_BYTES
}

/// Where the requests of a site go on to: sites with their order.
pub(super) fn behind(setup: &Setup, kind: Kind, site: usize) -> Vec<(usize, usize)> {
    let here = setup.sites[site].place;
    let far = |other: &usize| setup.rtt_ms(here, setup.sites[*other].place);
    let is_tiered = kind == Kind::OwnTier && setup.sites[site].role == Role::Edge;
    let role = if is_tiered {
        Role::RegionalEdge
    } else {
        Role::Region
    };
    let mut next: Vec<usize> = setup.sites_of(role).collect();
    if !is_tiered && !kind.has_all_regions() {
        next.truncate(1);
    }
    next.sort_by(|a, b| f64::total_cmp(&far(a), &far(b)));
    if is_tiered {
        next.truncate(1);
    }
    next.into_iter()
        .enumerate()
        .map(|(order, site)| (site, order))
        .collect()
}

fn common(site: usize) -> Value {
    json!({
        "listen": [{ "address": site_address(site).to_string() }],
        "trust": { "proxies": [SITES_NETWORK] },
        "limits": {
            "connections_per_address_max": 1_000_000,
            "tls_handshakes_max": 65_536,
            "idle_ms": 60_000,
        },
    })
}

fn scheme(setup: &Setup) -> &'static str {
    if setup.scenario.clients.tls {
        "https"
    } else {
        "http"
    }
}

fn edge_settings(setup: &Setup, kind: Kind, site: usize) -> Value {
    let scheme = scheme(setup);
    let endpoint = |(next, order): (usize, usize)| {
        json!({
            "url": format!("{scheme}://{}", site_address(next)),
            "region": setup.places[setup.sites[next].place].name,
            "priority": order,
        })
    };
    let endpoints: Vec<Value> = behind(setup, kind, site)
        .into_iter()
        .map(endpoint)
        .collect();
    let mut settings = common(site);
    settings["apis"] = json!([{
        "document": "edge.yaml", "id": "edge", "hosts": [HOST],
        "header_rules": "proxy", // the gateway behind it speaks
    }]);
    settings["origins"] = json!({ "next": {
        "match": format!("{scheme}://{HOST}"),
        "endpoints": endpoints,
        "max_connections": 8_192,
        "max_waiters": 8_192,
        "tls": { "insecure_skip_verification": true }, // a null cipher has nothing to verify
    }});
    if let Some(health) = setup.scenario.health {
        settings["origins"]["next"]["health"] = json!({
            "path": HEALTH_PATH,
            "interval_ms": health.interval_ms,
            "timeout_ms": health.timeout_ms,
            "healthy_after": health.healthy_after,
            "unhealthy_after": health.unhealthy_after,
            "statuses": ["200-499"], // checks name a gateway by its address, where no API is
        });
    }
    if let Some(cache) = cache_of(setup, kind, setup.sites[site].role) {
        settings["apis"][0]["edge_cache"] = json!("edge");
        settings["cache"] = json!({
            "path": "/nowhere",
            "object_bytes_max": body_bytes_max(&cache),
            "policies": { "edge": {
                "ttl_max_s": cache.ttl_max_s,
                "stale_while_revalidate_s": cache.stale_while_revalidate_s,
                "stale_if_error_s": cache.stale_if_error_s,
            }},
        });
    }
    settings
}

fn region_settings(setup: &Setup, site: usize) -> Value {
    let scenario = &setup.scenario;
    let mut origins = serde_json::Map::new();
    for (index, backend) in scenario.backends.iter().enumerate() {
        let url = format!("http://{}", backend_address(site, index));
        let group = json!({
            "match": format!("http://{}.test", backend.name),
            "endpoints": [{ "url": url }],
            "max_connections": 16_384,
            "max_waiters": 16_384,
            "ejection": { "failures": 0 },
        });
        origins.insert(backend.name.clone(), group);
    }
    let mut settings = common(site);
    settings["apis"] = json!([{ "document": "api.yaml", "id": API, "hosts": [HOST] }]);
    settings["origins"] = Value::Object(origins);
    if let Some(rate) = scenario.limits.rate {
        let twice = super::random::whole((rate * 2.0).ceil()).max(1);
        let burst = scenario.limits.burst.map_or(twice, u64::from);
        settings["apis"][0]["throttle"] = json!({ "rate_limit": rate, "burst_limit": burst });
    }
    settings
}

fn edge_api(setup: &Setup) -> Api {
    let uri = format!("{}://{HOST}/{{proxy}}", scheme(setup));
    Api {
        id: "edge".to_owned(),
        name: "Edge".to_owned(),
        resources: vec![proxied("/{proxy+}".to_owned(), uri, false)],
        ..Api::default()
    }
}

fn region_api(setup: &Setup) -> Api {
    let resource = |class: &super::scenario::Traffic| {
        let (name, backend) = (&class.name, &class.backend);
        let uri = format!("http://{backend}.test/{name}/{{proxy}}");
        proxied(format!("/{name}/{{proxy+}}"), uri, class.keyed)
    };
    Api {
        id: API.to_owned(),
        name: "Simulated".to_owned(),
        resources: setup.scenario.traffic.iter().map(resource).collect(),
        ..Api::default()
    }
}

fn proxied(path: String, uri: String, api_key_required: bool) -> Resource {
    let mapping = || {
        Some(ParameterMapping {
            target: ParameterTarget::parse("integration.request.path.proxy")?,
            source: ParameterSource::parse("method.request.path.proxy")?,
            pointer: "/m".to_owned(),
        })
    };
    let pointer = format!("/paths{path}");
    let integration = Integration {
        uri,
        request_parameters: mapping().into_iter().collect(),
        ..Integration::new(IntegrationKind::HttpProxy, format!("{pointer}/any/i"))
    };
    Resource {
        path,
        methods: vec![Method {
            api_key_required,
            ..Method::new(Verb::Any, format!("{pointer}/any"), integration)
        }],
        pointer,
    }
}

/// The keys of all plans.
fn directory(setup: &Setup) -> Result<Directory, String> {
    let hasher = KeyHasher::new(&[7; 16]);
    let id = |text: &str| Id::parse(text).ok_or(format!("{text:?} is no id"));
    let (mut plans, mut keys) = (Vec::new(), Vec::new());
    for (index, plan) in setup.scenario.plans.iter().enumerate() {
        let rate = Rate::new(plan.rate, plan.burst).map_err(|fault| fault.to_string())?;
        plans.push(PlanRecord {
            id: id(&plan.name)?,
            throttle: Some(rate),
            quota: plan.quota.and_then(quota::of),
            stages: vec![PlanStage {
                api: API.to_owned(),
                stage: "dev".to_owned(),
                methods: Vec::new(),
            }],
        });
        for key in 0..plan.keys {
            let tag = hasher.tag(key_value(index, key).as_bytes());
            keys.push(KeyRecord {
                id: id(&format!("{index}k{key}"))?,
                tag: tag.ok_or("a key has a value")?,
                enabled: true,
                plans: vec![id(&plan.name)?],
            });
        }
    }
    Directory::build(hasher, &plans, keys).map_err(|fault| fault.to_string())
}

/// The value of a plan's key, as long as those that are generated.
pub(super) fn key_value(plan: usize, key: u32) -> String {
    format!("{plan:08}{key:032}")
}

const API: &str = "api";
const HEALTH_PATH: &str = "/ping";
/// Operations in flight at a gateway: one for each connection, and some more.
const SLOTS: u32 = 1 << 18;
const ORDERS: usize = 8;
/// Room for a head and a key beside the largest body.
const HEAD_BYTES: u32 = 4 * 1024;
/// For the index: answers of an API are small.
const OBJECT_BYTES_MEAN: u32 = 4_096;
