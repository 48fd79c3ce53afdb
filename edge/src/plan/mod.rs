//! Level 7: the immutable plan that the cores read, and the compiler that makes it.
//!
//! Shape: [`Plan`] is one value behind an `Arc`, everything in it resolved, sorted and prepared;
//! `compile` is the only road from documents to a plan and the only validator on it. Units: in
//! the names. Ranges: indices are `u32`. Errors: a plan has none; [`Findings`] say why there is
//! no plan, or what is odd about it. Source: the documents' own formats, see `model`.

pub mod api;
pub mod cache;
pub mod compile;
pub mod fault;
pub mod listen;
pub mod mapped;
pub mod release;
pub mod stage;
pub mod template;
pub mod throttle;

use std::sync::Arc;

use crate::{
    model::settings::{Account, Limits},
    origin::{OriginIndex, OriginPlan},
    route::{Asked, Found, Headers, HostMap, Params, RouteIndex, StageIndex, Verb},
};

pub use api::{ApiPlan, Validation};
pub use cache::{
    CachePlan, EdgeCachePlan, RegionIndex, RegionOf, RegionPlan, RouteCache, STAGE_KEY, SealPlan,
    StageCachePlan, canary_scope, stage_file, stage_namespace, stage_scope,
};
pub use compile::{Compiled, compile, compile_releases, is_stage_variable};
pub use fault::{Document, Findings, PlanFault};
pub use listen::{
    AccessLogPlan, AdminPlan, CertificatePlan, DnsPlan, Door, ExecutionLogPlan, ForwardingPlan,
    ListenAddress, ListenTlsPlan, ListenerPlan, LogSink, NetworkSet, ProcessPlan, RouteLog,
    ServerPlan,
};
pub use mapped::{
    AnswerPlan, Backend, FunctionPlan, HttpApiPlan, HttpPlan, MappedPlan, Piece, RequestPlan,
};
pub use release::{CanaryRelease, Release};
pub use stage::{Access, CanaryPlan, IntegrationPlan, RouteFacts, RoutePlan, StagePlan};
pub use template::TemplatePlan;
pub use throttle::{ClientPlan, ThrottlePlan};

/// One revision of the configuration, ready to serve.
#[derive(Debug)]
pub struct Plan {
    pub revision: u64,
    pub stages: Box<[StagePlan]>,
    pub routes: Box<[RoutePlan]>,
    pub origins: Arc<[OriginPlan]>,
    pub listeners: Box<[ListenerPlan]>,
    pub listen_tls: ListenTlsPlan,
    pub limits: Limits,
    /// Whose APIs these are.
    pub account: Account,
    /// Proxies whose word about the client counts.
    pub trusted_proxies: NetworkSet,
    pub forwarding: ForwardingPlan,
    pub access_log: AccessLogPlan,
    pub execution_log: ExecutionLogPlan,
    pub server: ServerPlan,
    pub admin: AdminPlan,
    pub process: ProcessPlan,
    pub dns: DnsPlan,
    /// Where answers are kept, if anywhere.
    pub cache: Option<CachePlan>,
    /// Where limits are counted, if there are any.
    pub throttle: Option<ThrottlePlan>,
    /// What `/ping` and `/sping` are answered with on hosts that keep them for themselves.
    pub health: RoutePlan,
    hosts: HostMap,
}

/// Where a request goes. Offsets count from the start of the path that was resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution {
    Route {
        route: RouteIndex,
        /// The canary's, where it serves the request.
        stage: StageIndex,
        /// Whether the canary of a stage serves it; `None`: the stage has none.
        canary: Option<bool>,
        /// Start of the path without doubled leading slashes (`$context.path`).
        path_from: usize,
        /// End of the base path of a domain, `path_from` without one.
        base_to: usize,
        /// Start of the path behind the stage; the path's end when nothing follows.
        resource_from: usize,
        /// Priority of the rule of a domain that led to the stage.
        rule: Option<u32>,
    },
    /// The stage has no such resource or verb.
    NoRoute {
        stage: StageIndex,
        canary: Option<bool>,
        path_from: usize,
        base_to: usize,
        resource_from: usize,
        rule: Option<u32>,
    },
    /// The host is asked whether it is well.
    Health,
    /// Neither host nor path names a stage that may be reached this way.
    NoStage,
}

impl Plan {
    /// The route of a request that any listener took, without canaries and headers.
    pub fn resolve(&self, host: &[u8], path: &[u8], verb: Verb, params: &mut Params) -> Resolution {
        let asked = Asked {
            host,
            path,
            api_id: None,
            headers: Headers::default(),
        };
        self.resolve_asked(&asked, verb, Door::Any, || u64::MAX, params)
    }

    /// The route of a request that came through `door`. Allocates nothing; `params` gets the path
    /// parameters. `draw` gives a random number, by which a canary takes its share.
    pub fn resolve_asked(
        &self,
        asked: &Asked<'_>,
        verb: Verb,
        door: Door,
        draw: impl FnOnce() -> u64,
        params: &mut Params,
    ) -> Resolution {
        params.clear();
        let place = match self.hosts.find(asked) {
            Found::Place(place) => place,
            Found::Health if door != Door::Closed => return Resolution::Health,
            Found::Health | Found::Nothing => return Resolution::NoStage,
        };
        let Some(named) = self.stage(place.stage) else {
            return Resolution::NoStage;
        };
        if !door.leads_to(named.endpoint) {
            return Resolution::NoStage;
        }
        let canary = named
            .canary
            .map(|canary| (canary.stage, canary.takes(draw())));
        let stage = match canary {
            Some((stage, true)) => stage,
            _ => place.stage,
        };
        let canary = canary.map(|(_, taken)| taken);
        let (path_from, base_to) = (place.path_from, place.base_to);
        let (resource_from, rule) = (place.resource_from, place.rule);
        let tree = self.stage(stage).map(StagePlan::tree);
        match tree.and_then(|tree| tree.find(asked.path, resource_from, verb, params)) {
            Some(route) => Resolution::Route {
                route,
                stage,
                canary,
                path_from,
                base_to,
                resource_from,
                rule,
            },
            None => Resolution::NoRoute {
                stage,
                canary,
                path_from,
                base_to,
                resource_from,
                rule,
            },
        }
    }

    /// A route by index.
    #[must_use]
    pub fn route(&self, index: RouteIndex) -> Option<&RoutePlan> {
        self.routes.get(index.0 as usize)
    }

    /// A stage by index.
    #[must_use]
    pub fn stage(&self, index: StageIndex) -> Option<&StagePlan> {
        self.stages.get(index.0 as usize)
    }

    /// The region that answers of `stage` are kept in, if any are kept.
    #[must_use]
    pub fn region_of(&self, stage: &StagePlan) -> Option<&RegionPlan> {
        self.cache.as_ref()?.region(stage.cache_region)
    }

    /// An origin group by index.
    #[must_use]
    pub fn origin(&self, index: OriginIndex) -> Option<&OriginPlan> {
        self.origins.get(index.0 as usize)
    }

    /// What `explain` tells about a route.
    #[must_use]
    pub fn describe(&self, index: RouteIndex) -> Option<RouteFacts<'_>> {
        let route = self.route(index)?;
        let origin = match &route.integration {
            IntegrationPlan::HttpProxy(proxy) => self.origin(proxy.origin),
            IntegrationPlan::Mapped(plan) => plan.origin().and_then(|origin| self.origin(origin)),
            IntegrationPlan::Mock(_) => None,
        };
        Some(RouteFacts {
            revision: self.revision,
            stage: self.stage(route.stage)?,
            route,
            limits: &self.limits,
            origin,
            region: self.region_of(self.stage(route.stage)?),
        })
    }
}

const fn assert_shared<T: Send + Sync>() {}
const _: () = assert_shared::<Plan>();
