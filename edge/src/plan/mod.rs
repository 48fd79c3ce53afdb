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
pub mod stage;
pub mod throttle;

use std::sync::Arc;

use crate::{
    model::settings::Limits,
    origin::{OriginIndex, OriginPlan},
    route::{HostMap, Params, RouteIndex, StageIndex, Verb},
};

pub use api::{ApiPlan, Validation};
pub use cache::{
    CachePlan, EdgeCachePlan, RegionIndex, RegionOf, RegionPlan, RouteCache, STAGE_KEY, SealPlan,
    StageCachePlan, stage_file, stage_namespace, stage_scope,
};
pub use compile::{Compiled, compile};
pub use fault::{Document, Findings, PlanFault};
pub use listen::{
    AccessLogPlan, AdminPlan, DnsPlan, ForwardingPlan, ListenAddress, ListenTlsPlan, ListenerPlan,
    LogSink, NetworkSet, ProcessPlan, ServerPlan,
};
pub use mapped::{
    AnswerPlan, Backend, FunctionPlan, HttpApiPlan, HttpPlan, MappedPlan, Piece, RequestPlan,
    TemplatePlan,
};
pub use stage::{Access, IntegrationPlan, RouteFacts, RoutePlan, StagePlan};
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
    /// Proxies whose word about the client counts.
    pub trusted_proxies: NetworkSet,
    pub forwarding: ForwardingPlan,
    pub access_log: AccessLogPlan,
    pub server: ServerPlan,
    pub admin: AdminPlan,
    pub process: ProcessPlan,
    pub dns: DnsPlan,
    /// Where answers are kept, if anywhere.
    pub cache: Option<CachePlan>,
    /// Where limits are counted, if there are any.
    pub throttle: Option<ThrottlePlan>,
    hosts: HostMap,
}

/// Where a request goes. Offsets count from the start of the path that was resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution {
    Route {
        route: RouteIndex,
        stage: StageIndex,
        /// Start of the path without doubled leading slashes (`$context.path`).
        path_from: usize,
        /// Start of the path behind the stage; the path's end when nothing follows.
        resource_from: usize,
    },
    /// The stage has no such resource or verb.
    NoRoute {
        stage: StageIndex,
        path_from: usize,
        resource_from: usize,
    },
    /// Neither host nor path names a stage.
    NoStage,
}

impl Plan {
    /// The route of a request. Allocates nothing; `params` gets the path parameters.
    pub fn resolve(&self, host: &[u8], path: &[u8], verb: Verb, params: &mut Params) -> Resolution {
        params.clear();
        let Some(place) = self.hosts.place(host, path) else {
            return Resolution::NoStage;
        };
        let (path_from, resource_from) = (place.path_from, place.resource_from);
        let tree = self.stage(place.stage).map(StagePlan::tree);
        match tree.and_then(|tree| tree.find(path, resource_from, verb, params)) {
            Some(route) => Resolution::Route {
                route,
                stage: place.stage,
                path_from,
                resource_from,
            },
            None => Resolution::NoRoute {
                stage: place.stage,
                path_from,
                resource_from,
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
