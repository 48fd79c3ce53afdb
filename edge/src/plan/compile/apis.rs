//! One API: its stages, its tree, its routes.
//!
//! Shape: [`Served`] grows stage by stage; route indices are global. Units: none. Ranges: stage
//! names 1 to 128 of `[A-Za-z0-9_-]`, stage variables as the service allows them. Errors:
//! findings on the API's document, and on the settings for what stands there. An API's document
//! is the same in all its stages, so its findings are reported for the first one only.
//! Source: Amazon API Gateway developer guide, "stages" and "path part".

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::{
        api::ApiPlan,
        cache::{RegionPlan, RouteCache, stage_namespace, stage_scope},
        fault::{Document, Findings, Reporter, pointer_part},
        mapped::MappedPlan,
        stage::{Access, IntegrationPlan, RoutePlan, StagePlan},
    },
    cache::{self, Policies},
    function, http_proxy, mapped, mock,
    origins::OriginTable,
    parts, throttle,
};
use crate::{
    cache::http::hash::Hash64,
    limits::RouteRate,
    model::{
        api::{self, Api, ApiKind, Authorization, IntegrationKind, Method, Resource},
        settings::{ApiSource, FunctionRegion, Limits, Settings},
    },
    route::{InsertFault, Part, RouteIndex, StageIndex, TreeBuilder, Verb, VerbKey, pattern},
};

/// What all APIs together serve.
#[derive(Default)]
pub(super) struct Served {
    pub(super) stages: Vec<StagePlan>,
    pub(super) routes: Vec<RoutePlan>,
    /// Of single stages; the common one stands before them.
    pub(super) regions: Vec<RegionPlan>,
    ids: BTreeMap<String, usize>,
}

/// What a method's integration is compiled with.
pub(super) struct MethodScope<'s, 'f> {
    pub(super) api_kind: ApiKind,
    pub(super) method: &'s Method,
    /// Path variables by ordinal.
    pub(super) variables: &'s [&'s str],
    pub(super) stage_variables: &'s BTreeMap<String, String>,
    pub(super) functions: &'s BTreeMap<String, FunctionRegion>,
    pub(super) limits: &'s Limits,
    pub(super) origins: &'s mut OriginTable,
    pub(super) reporter: Reporter<'f>,
}

pub(super) fn compile(
    index: usize,
    api: &Api,
    source: &ApiSource,
    (settings, policies, account): (&Settings, &Policies, Option<RouteRate>),
    origins: &mut OriginTable,
    served: &mut Served,
    findings: &mut Findings,
) {
    check_source(index, api, source, served, findings);
    cache::check_source(index, source, settings, policies, &api.resources, findings);
    throttle::check_source(index, source, &api.resources, findings);
    let mut reporter = Reporter {
        document: Document::Api(index),
        findings: &mut *findings,
    };
    let shared = Arc::new(parts::compile(api, &mut reporter));
    for (nth, name) in source.stage_names().iter().enumerate() {
        let mut repeated = Findings::default();
        let mut stage = StageBuilder {
            document: Document::Api(index),
            name,
            api,
            shared: &shared,
            source,
            settings,
            at: index,
            policies,
            account,
            origins: &mut *origins,
            findings: if nth == 0 {
                &mut *findings
            } else {
                &mut repeated
            },
            index: StageIndex(u32::try_from(served.stages.len()).expect("few stages")),
            routes: &mut served.routes,
            regions: &mut served.regions,
            pointers: Vec::new(),
            tree: TreeBuilder::new(),
            default_route: None,
        };
        stage.resources();
        if let Some(plan) = stage.finish() {
            served.stages.push(plan);
        }
    }
}

/// What the settings say about the API.
fn check_source(
    index: usize,
    api: &Api,
    source: &ApiSource,
    served: &mut Served,
    findings: &mut Findings,
) {
    let mut reporter = Reporter {
        document: Document::Settings,
        findings,
    };
    let at = |key: &str| format!("/apis/{index}/{key}");
    let is_name = |text: &str, more: &[u8]| {
        (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    if !is_name(&api.id, b"-_.") {
        reporter.error(
            at("id"),
            format!("`{}` is no API id", api.id),
            "use letters and digits",
        );
    }
    if let Some(earlier) = served.ids.insert(api.id.clone(), index) {
        reporter.error(
            at("id"),
            format!("the API id `{}` is taken by /apis/{earlier}", api.id),
            "give one of the two another `id`",
        );
    }
    if source.stage.is_some() && !source.stages.is_empty() {
        reporter.error(
            at("stage"),
            "`stage` and `stages` exclude each other",
            "keep `stages`",
        );
    }
    let names = source.stage_names();
    for (nth, name) in names.iter().enumerate() {
        if !is_name(name, b"_-") {
            let hint = "a stage name has 1 to 128 letters, digits, `_` or `-`";
            reporter.error(at("stage"), format!("`{name}` is no stage name"), hint);
        }
        if names.iter().take(nth).any(|earlier| earlier == name) {
            reporter.error(at("stages"), format!("the stage `{name}` stands twice"), "");
        }
    }
    if let Some(stage) = &source.host_stage {
        if !names.contains(&stage.as_str()) {
            let hint = format!("its stages are {}", names.join(", "));
            reporter.error(
                at("host_stage"),
                format!("there is no stage `{stage}`"),
                hint,
            );
        }
        if source.hosts.is_empty() {
            reporter.error(
                at("host_stage"),
                "`host_stage` needs `hosts`",
                "add the host names",
            );
        }
    }
    for (name, value) in &source.variables {
        let good_name = name.len() <= 64 && is_name(name, b"_");
        let good_value = value.len() <= 512
            && (value.bytes())
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte));
        if !good_name || !good_value {
            reporter.error(
                format!("/apis/{index}/variables/{}", pointer_part(name)),
                format!("`{name}` is no stage variable"),
                "name: 1 to 64 of A-Za-z0-9_, value: to 512 of A-Za-z0-9-._~:/?#&=,",
            );
        }
    }
}

struct StageBuilder<'b> {
    document: Document,
    name: &'b str,
    api: &'b Api,
    shared: &'b Arc<ApiPlan>,
    source: &'b ApiSource,
    settings: &'b Settings,
    /// Position of the API in the settings.
    at: usize,
    policies: &'b Policies,
    account: Option<RouteRate>,
    origins: &'b mut OriginTable,
    findings: &'b mut Findings,
    index: StageIndex,
    routes: &'b mut Vec<RoutePlan>,
    regions: &'b mut Vec<RegionPlan>,
    /// Pointers of the methods in the tree, by route index less the first one.
    pointers: Vec<(u32, &'b str)>,
    tree: TreeBuilder,
    default_route: Option<RouteIndex>,
}

impl<'b> StageBuilder<'b> {
    fn reporter(&mut self) -> Reporter<'_> {
        Reporter {
            document: self.document,
            findings: &mut *self.findings,
        }
    }

    fn resources(&mut self) {
        let api = self.api;
        if api
            .resources
            .iter()
            .all(|resource| resource.methods.is_empty())
        {
            let hint = "add a path with an operation and its x-amazon-apigateway-integration";
            self.reporter()
                .warning("/paths", "the API has no method", hint);
        }
        for resource in &api.resources {
            match pattern::parse(&resource.path) {
                Ok(parts) => self.resource(resource, &parts),
                Err(fault) => {
                    let hint = "a part is text of A-Za-z0-9._:-, `{name}`, or `{name+}` at the end";
                    self.reporter().error(&*resource.pointer, fault, hint);
                }
            }
        }
        if let Some(method) = &api.default_route {
            let next = u32::try_from(self.routes.len()).expect("fewer routes than u32");
            self.default_route = Some(RouteIndex(next));
            self.route("$default", method, &[]);
        }
    }

    fn resource(&mut self, resource: &'b Resource, parts: &[Part<'_>]) {
        if let Err(fault) = self.tree.resource(&resource.path) {
            self.insert_failed(&resource.pointer, &fault);
            return;
        }
        let variables: Vec<&str> = parts.iter().filter_map(|part| part.name()).collect();
        for method in &resource.methods {
            self.method(resource, method, &variables);
        }
    }

    fn method(&mut self, resource: &Resource, method: &'b Method, variables: &[&str]) {
        let next = u32::try_from(self.routes.len()).expect("fewer routes than u32");
        let verb = verb_key(method.verb);
        if let Err(fault) = self.tree.insert(&resource.path, verb, RouteIndex(next)) {
            self.insert_failed(&method.pointer, &fault);
        }
        self.pointers.push((next, &method.pointer));
        self.route(&resource.path, method, variables);
    }

    /// Compiles a method; the tree leads to it, or nothing does.
    fn route(&mut self, path: &str, method: &'b Method, variables: &[&str]) {
        let verb = verb_key(method.verb);
        let mut scope = MethodScope {
            api_kind: self.api.kind,
            method,
            variables,
            stage_variables: &self.source.variables,
            functions: &self.settings.functions,
            limits: &self.settings.limits,
            origins: &mut *self.origins,
            reporter: Reporter {
                document: self.document,
                findings: &mut *self.findings,
            },
        };
        let described = &method.integration;
        let models = &self.shared.models;
        let validation = parts::validation(self.api, models, method, &mut scope.reporter);
        let looks = validation
            .as_ref()
            .is_some_and(|asked| !asked.bodies.is_empty());
        let needs_payload = looks || self.shared.kind == ApiKind::Http;
        let access = access(self.api, method, &mut scope.reporter);
        let integration = match described.kind {
            IntegrationKind::HttpProxy
                if needs_payload
                    || self.shared.compression_bytes_min.is_some()
                    || !http_proxy::streams(described) =>
            {
                mapped::http(described, &mut scope).map(mapped_plan)
            }
            IntegrationKind::HttpProxy => {
                http_proxy::compile(described, &mut scope).map(IntegrationPlan::HttpProxy)
            }
            IntegrationKind::Mock if !needs_payload && mock::is_static(described) => {
                mock::compile(described, &mut scope).map(IntegrationPlan::Mock)
            }
            IntegrationKind::Mock => mapped::mock(described, &mut scope).map(mapped_plan),
            IntegrationKind::Http => mapped::http(described, &mut scope).map(mapped_plan),
            IntegrationKind::Aws | IntegrationKind::AwsProxy => {
                function::compile(described, &mut scope).map(mapped_plan)
            }
        };
        let cache = match described.kind {
            IntegrationKind::Mock => None, // it costs nothing to make anew
            _ => cache::route(
                self.source,
                self.name,
                path,
                described,
                self.policies,
                &mut scope,
            ),
        };
        let cache = match (&integration, cache) {
            (Some(IntegrationPlan::Mapped(_)), Some(RouteCache::Edge(_))) => {
                let message = "`edge_cache` does not cover integrations that map";
                let hint = "use a stage cache for them";
                scope.reporter.warning(&*described.pointer, message, hint);
                None
            }
            (_, cache) => cache,
        };
        let limits = throttle::route(self.api, self.source, self.name, path, method, self.account);
        // Without an integration there is an error, so no plan will use the indices.
        let Some(integration) = integration else {
            return;
        };
        self.routes.push(RoutePlan {
            stage: self.index,
            verb,
            resource_path: path.into(),
            variables: variables.iter().map(|name| (*name).into()).collect(),
            resource_id: resource_id(&self.api.id, path),
            operation_name: method.operation_name.as_deref().map(Into::into),
            pointer: method.pointer.as_str().into(),
            access,
            validation,
            integration,
            cache,
            limits,
        });
    }

    fn insert_failed(&mut self, pointer: &str, fault: &InsertFault) {
        let hint = match fault {
            InsertFault::Duplicate { earlier, .. } => {
                let first = self.pointers.iter().find(|(index, _)| *index == earlier.0);
                format!(
                    "the first one is at {}",
                    first.map_or("", |(_, pointer)| pointer)
                )
            }
            InsertFault::SiblingVariable { earlier, .. } => {
                format!("name both `{{{earlier}}}`")
            }
            _ => String::new(),
        };
        self.reporter().error(pointer, fault, hint);
    }

    fn finish(mut self) -> Option<StagePlan> {
        let name = self.name;
        let tree = match std::mem::take(&mut self.tree).finish() {
            Ok(tree) => tree,
            Err(fault) => {
                self.reporter().error("/paths", fault, "");
                return None;
            }
        };
        let is_host_stage = name == self.source.host_stage_name();
        let cache_scope = stage_scope(&self.api.id, name);
        let of = (self.api.id.as_str(), name);
        let cache_region = cache::region(self.settings, self.at, of, self.regions);
        let hosts = self.source.hosts.iter().filter(|_| is_host_stage);
        Some(StagePlan {
            api_id: self.api.id.as_str().into(),
            api_name: self.api.name.as_str().into(),
            api: Arc::clone(self.shared),
            name: name.into(),
            document: self.document,
            hosts: hosts.map(|host| host.as_str().into()).collect(),
            by_path: false,
            default_route: self.default_route,
            variables: (self.source.variables.iter())
                .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
                .collect(),
            cache_namespace: stage_namespace(&cache_scope).0,
            cache_scope: cache_scope.into(),
            cache_region,
            tree,
        })
    }
}

fn mapped_plan(plan: MappedPlan) -> IntegrationPlan {
    IntegrationPlan::Mapped(Box::new(plan))
}

/// Who may call a method. The policy of an API comes before anything of its methods, and has been
/// reported with it.
fn access(api: &Api, method: &Method, reporter: &mut Reporter<'_>) -> Access {
    let hint = "remove it to let everybody call the method";
    match &method.authorization {
        _ if api.policy.is_some() => Access::ByPolicy,
        Authorization::None => Access::Open,
        Authorization::Iam { pointer } => {
            let message = "signatures are not checked yet, so every call is answered with 403";
            reporter.warning(&**pointer, message, hint);
            Access::Signed
        }
        Authorization::Authorizer { name, pointer, .. } => {
            let message = format!(
                "the authorizer `{name}` is not asked yet, so every call is answered with 500"
            );
            reporter.warning(&**pointer, message, hint);
            Access::Authorized
        }
    }
}

/// Six characters that stay the same as long as API and path do.
fn resource_id(api: &str, path: &str) -> Box<str> {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = Hash64::of_tag(format!("{api}\0{path}").as_bytes());
    let digit = |_| {
        let digit = usize::try_from(rest % 36).unwrap_or(0);
        rest /= 36;
        char::from(DIGITS.get(digit).copied().unwrap_or(b'0'))
    };
    (0..RESOURCE_ID_CHARS).map(digit).collect::<String>().into()
}

const RESOURCE_ID_CHARS: usize = 6;

/// A document's verb as the tree knows it.
pub(super) fn verb_key(verb: api::Verb) -> VerbKey {
    match verb {
        api::Verb::Any => VerbKey::Any,
        named => VerbKey::One(Verb::from_token(named.as_str().as_bytes())),
    }
}
