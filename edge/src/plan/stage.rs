//! Stages and their routes.
//!
//! Shape: a [`StagePlan`] owns the resource tree of one API in one stage; a [`RoutePlan`] is one
//! method of one resource there. Units: none. Ranges: indices below `u32::MAX`. Errors: none here.
//! Source: Amazon API Gateway developer guide, "stages" and "method requests".

use std::sync::Arc;

use super::{
    api::{ApiPlan, Validation},
    cache::{RegionIndex, RegionPlan, RouteCache},
    fault::Document,
    listen::RouteLog,
    mapped::MappedPlan,
};
use crate::{
    integrate::{HttpProxyPlan, MockPlan},
    limits::RouteLimits,
    model::{
        api::EndpointType,
        settings::{HeaderRules, Limits},
    },
    origin::OriginPlan,
    route::{RouteIndex, StageIndex, Tree, VerbKey},
};

/// One API in one stage.
#[derive(Debug)]
pub struct StagePlan {
    pub api_id: Box<str>,
    pub api_name: Box<str>,
    /// Every stage of the document has the same.
    pub api: Arc<ApiPlan>,
    /// Stage name.
    pub name: Box<str>,
    /// The document that it serves.
    pub document: Document,
    /// Position of its API in the settings.
    pub source: usize,
    /// The deployment that the document is of; empty: it is a file.
    pub deployment_id: Box<str>,
    /// By which listeners it may be reached; `None`: by all that are not private.
    pub endpoint: Option<EndpointType>,
    /// The default hosts of its API lead to it.
    pub by_default_host: bool,
    /// Who serves a share of its requests.
    pub canary: Option<CanaryPlan>,
    /// It is the canary of another, with the same name.
    pub is_canary: bool,
    /// Host patterns whose root is this stage.
    pub hosts: Box<[Box<str>]>,
    /// Whether `/{name}/…` reaches it on hosts that no pattern names.
    pub by_path: bool,
    /// Whatever no other route takes goes here, in an HTTP API.
    pub default_route: Option<RouteIndex>,
    /// `$stageVariables`, by name.
    pub variables: Box<[(Box<str>, Box<str>)]>,
    /// What its stored answers are told apart by from those of other stages.
    pub cache_scope: Box<[u8]>,
    /// The number under which they are flushed.
    pub cache_namespace: u64,
    /// Where they are.
    pub cache_region: RegionIndex,
    pub(super) tree: Tree,
}

/// A share of a stage's requests, and who serves it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CanaryPlan {
    /// Requests of 2^32.
    pub share: u64,
    /// A stage of its own in the plan.
    pub stage: StageIndex,
}

impl CanaryPlan {
    /// Whether a request that drew `number` is the canary's.
    #[must_use]
    pub const fn takes(&self, number: u64) -> bool {
        number >> 32 < self.share
    }
}

/// One method of one resource in one stage.
#[derive(Debug)]
pub struct RoutePlan {
    pub stage: StageIndex,
    pub verb: VerbKey,
    /// As documents write it: `/pets/{id}`.
    pub resource_path: Box<str>,
    /// Names of the path variables, by ordinal.
    pub variables: Box<[Box<str>]>,
    /// `$context.resourceId`.
    pub resource_id: Box<str>,
    /// `$context.routeKey` of an HTTP API: `GET /pets`, `$default`; empty in REST APIs.
    pub route_key: Box<str>,
    /// `$context.operationName`.
    pub operation_name: Option<Box<str>>,
    /// Where the API's document defines it.
    pub pointer: Box<str>,
    /// Who may call it, beside keys.
    pub access: Access,
    /// What is checked of a request; `None`: nothing. Every stage of the document has the same.
    pub validation: Option<Arc<Validation>>,
    pub integration: IntegrationPlan,
    /// What maps the requests whose payload stands for a template of a prepared mock.
    pub passing: Option<Box<MappedPlan>>,
    /// How its answers are kept; `None`: not at all.
    pub cache: Option<RouteCache>,
    /// How often it may be called, and whether by anybody.
    pub limits: RouteLimits,
    /// What the execution log tells of its requests.
    pub log: RouteLog,
}

/// Who may call a method. What this gateway cannot decide yet, it refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Anybody.
    Open,
    /// Whoever signs; nobody's signature is known.
    Signed,
    /// Whom an authorizer lets pass; none can be asked.
    Authorized,
    /// Whom the API's policy allows; none is read.
    ByPolicy,
}

impl RoutePlan {
    /// Whether its answers name the request as an API Gateway does.
    #[must_use]
    pub fn speaks_as_gateway(&self) -> bool {
        match &self.integration {
            IntegrationPlan::HttpProxy(proxy) => proxy.rules == HeaderRules::ApiGateway,
            IntegrationPlan::Mock(_) | IntegrationPlan::Mapped(_) => true,
        }
    }
}

/// Who answers.
#[derive(Debug)]
pub enum IntegrationPlan {
    /// An origin, to which bodies stream.
    HttpProxy(HttpProxyPlan),
    /// The gateway, with answers that were prepared.
    Mock(MockPlan),
    /// Anybody, with requests and answers mapped.
    Mapped(Box<MappedPlan>),
}

/// Everything `explain` says about a route, as data.
#[derive(Clone, Copy, Debug)]
pub struct RouteFacts<'p> {
    pub revision: u64,
    pub stage: &'p StagePlan,
    pub route: &'p RoutePlan,
    pub limits: &'p Limits,
    /// The group behind an `http_proxy` integration.
    pub origin: Option<&'p OriginPlan>,
    /// Where answers of its stage are kept.
    pub region: Option<&'p RegionPlan>,
}

impl StagePlan {
    /// The resource tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }
}
