//! One API: its stages, its tree, its routes.
//!
//! Shape: [`Served`] grows stage by stage; route indices are global. Units: none. Ranges: stage
//! names 1 to 128 of `[A-Za-z0-9_-]`. Errors: findings on the API's document, and on the settings
//! for what stands there. Several stages may serve one document, so a finding is reported once.
//! Source: Amazon API Gateway developer guide, "stages" and "path part".

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    super::{
        api::{ApiPlan, Validation},
        cache::{RegionIndex, RegionPlan, RouteCache, canary_scope, stage_namespace, stage_scope},
        fault::{Document, Findings, Reporter},
        listen::RouteLog,
        mapped::MappedPlan,
        release::Release,
        stage::{Access, CanaryPlan, IntegrationPlan, RoutePlan, StagePlan},
    },
    cache::{self, Policies},
    function, http_proxy, mapped, mock,
    origins::OriginTable,
    parts::{self, Parts},
    places::DEFAULT_STAGE,
    stages, stream, throttle,
};
use crate::{
    cache::http::hash::Hash64,
    limits::{RouteLimits, RouteRate},
    model::{
        api::{
            self, Api, ApiKeySource, ApiKind, Authorization, EndpointType, Integration,
            IntegrationKind, IntegrationResponse, Method, Resource, Template, TransferMode,
        },
        settings::{ApiSource, FunctionRegion, HeaderRules, Limits, LoggingLevel, Settings},
    },
    origin::ClientIdentity,
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
    /// What all stages of a document share, by its position.
    parts: BTreeMap<usize, Arc<Parts>>,
    /// Documents whose findings have been reported.
    documents: BTreeSet<usize>,
}

/// What a method's integration is compiled with.
pub(super) struct MethodScope<'s, 'f> {
    pub(super) api_kind: ApiKind,
    /// As the document says; `None`: it does not.
    pub(super) endpoint: Option<EndpointType>,
    pub(super) method: &'s Method,
    /// Path variables by ordinal.
    pub(super) variables: &'s [&'s str],
    pub(super) stage_variables: &'s BTreeMap<String, String>,
    pub(super) functions: &'s BTreeMap<String, FunctionRegion>,
    pub(super) limits: &'s Limits,
    /// By which fields pass where nothing maps.
    pub(super) header_rules: HeaderRules,
    /// What the stage shows to HTTP origins.
    pub(super) client_identity: Option<&'s ClientIdentity>,
    pub(super) origins: &'s mut OriginTable,
    pub(super) reporter: Reporter<'f>,
}

/// One stage, and its canary.
pub(super) fn compile(
    release: &Release,
    apis: &[Api],
    shared: (&Settings, &Policies, Option<RouteRate>),
    origins: &mut OriginTable,
    served: &mut Served,
    findings: &mut Findings,
) {
    let (settings, _, _) = shared;
    let (Some(source), Some(api)) = (
        settings.apis.get(release.source),
        apis.get(release.document),
    ) else {
        return;
    };
    let mut source = source.for_stage(&release.stage);
    source.variables.extend(release.variables.clone());
    let stage = Stage {
        release,
        document: release.document,
        deployment: &release.deployment,
        api,
        source: &source,
        cache_scope: stage_scope(&api.id, &release.stage),
        cache_region: None,
        is_canary: false,
    };
    let Some(plan) = build(&stage, shared, origins, served, findings) else {
        return;
    };
    let (index, region) = (served.stages.len(), plan.cache_region);
    served.stages.push(plan);
    let Some((canary, api)) =
        (release.canary.as_ref()).and_then(|canary| Some((canary, apis.get(canary.document)?)))
    else {
        return;
    };
    let mut reporter = Reporter {
        document: Document::Settings,
        findings: &mut *findings,
    };
    let Some(share) = stages::share(release, canary, &mut reporter) else {
        return;
    };
    source.variables.extend(canary.variables.clone());
    let shares_cache = canary.use_stage_cache || canary.document == release.document;
    let stage = Stage {
        release,
        document: canary.document,
        deployment: &canary.deployment,
        api,
        source: &source,
        cache_scope: if shares_cache {
            stage_scope(&api.id, &release.stage)
        } else {
            canary_scope(&api.id, &release.stage)
        },
        cache_region: Some(region),
        is_canary: true,
    };
    if let Some(plan) = build(&stage, shared, origins, served, findings) {
        served.stages[index].canary = Some(CanaryPlan {
            share,
            stage: next_stage(served),
        });
        served.stages.push(plan);
    }
}

/// What one stage in a plan is made of.
struct Stage<'s> {
    release: &'s Release,
    document: usize,
    deployment: &'s str,
    api: &'s Api,
    /// What the settings say, as it is for this stage.
    source: &'s ApiSource,
    cache_scope: Vec<u8>,
    /// That of another stage; without one it has its own.
    cache_region: Option<RegionIndex>,
    is_canary: bool,
}

/// Compiles a stage; what was found in its document before is not found again.
fn build(
    stage: &Stage<'_>,
    (settings, policies, account): (&Settings, &Policies, Option<RouteRate>),
    origins: &mut OriginTable,
    served: &mut Served,
    findings: &mut Findings,
) -> Option<StagePlan> {
    let mut found = Findings::default();
    let api = stage.api;
    let mut reporter = Reporter {
        document: Document::Api(stage.document),
        findings: &mut found,
    };
    let parts = (served.parts.entry(stage.document))
        .or_insert_with(|| Arc::new(parts::compile(api, &mut reporter)));
    let parts = Arc::clone(parts);
    let identity = client_identity(stage, settings);
    let mut builder = StageBuilder {
        document: Document::Api(stage.document),
        name: &stage.release.stage,
        api,
        shared: &parts.plan,
        source: stage.source,
        settings,
        policies,
        account,
        client_identity: identity.as_ref(),
        origins,
        findings: &mut found,
        index: next_stage(served),
        routes: &mut served.routes,
        regions: &mut served.regions,
        pointers: Vec::new(),
        tree: TreeBuilder::new(),
        default_route: None,
    };
    builder.resources(&parts);
    let plan = builder.finish(stage);
    if served.documents.insert(stage.document) {
        findings.errors.append(&mut found.errors);
        findings.warnings.append(&mut found.warnings);
    } else {
        let (errors, warnings) = (&findings.errors, &findings.warnings);
        found.errors.retain(|fault| !errors.contains(fault));
        found.warnings.retain(|fault| !warnings.contains(fault));
        findings.errors.append(&mut found.errors);
        findings.warnings.append(&mut found.warnings);
    }
    plan
}

/// What a stage shows to HTTP origins, its canary too.
fn client_identity(stage: &Stage<'_>, settings: &Settings) -> Option<ClientIdentity> {
    let own = stage.source.stages.get(&stage.release.stage)?;
    let id = own.client_certificate_id.as_deref()?;
    let named = settings.client_certificates.get(id)?;
    Some(ClientIdentity {
        name: id.into(),
        chain: named.certificate.clone(),
        key: named.key.clone(),
    })
}

fn next_stage(served: &Served) -> StageIndex {
    StageIndex(u32::try_from(served.stages.len()).expect("few stages"))
}

/// The answer to `/ping` and `/sping`, made as any mock is.
pub(super) fn health(
    settings: &Settings,
    origins: &mut OriginTable,
    findings: &mut Findings,
) -> Option<RoutePlan> {
    let template = |content_type: &str, text: &str| Template {
        content_type: content_type.to_owned(),
        text: text.to_owned(),
        pointer: String::new(),
    };
    let integration = Integration {
        request_templates: vec![template("$default", "{\"statusCode\": 200}")],
        responses: vec![IntegrationResponse {
            pointer: String::new(),
            selection_pattern: None,
            status: 200,
            content_handling: None,
            parameters: Vec::new(),
            templates: vec![template("text/plain", "healthy")],
        }],
        ..Integration::new(IntegrationKind::Mock, "")
    };
    let method = Method::new(api::Verb::Any, "", integration);
    let mut scope = MethodScope {
        api_kind: ApiKind::Rest,
        endpoint: None,
        method: &method,
        variables: &[],
        stage_variables: &BTreeMap::new(),
        functions: &settings.functions,
        limits: &settings.limits,
        header_rules: HeaderRules::default(),
        client_identity: None,
        origins,
        reporter: Reporter {
            document: Document::Settings,
            findings,
        },
    };
    let answer = mock::compile(&method.integration, &mut scope)?;
    Some(RoutePlan {
        stage: StageIndex(u32::MAX),
        verb: VerbKey::Any,
        resource_path: "".into(),
        variables: Box::default(),
        resource_id: "".into(),
        route_key: "".into(),
        operation_name: None,
        pointer: "".into(),
        access: Access::Open,
        validation: None,
        integration: IntegrationPlan::Mock(answer),
        passing: None,
        cache: None,
        limits: RouteLimits::default(),
        log: RouteLog::default(),
    })
}

/// What the settings say about an API, and whether its documents agree.
pub(super) fn check(
    index: usize,
    source: &ApiSource,
    (settings, policies): (&Settings, &Policies),
    (apis, releases): (&[Api], &[Release]),
    served: &mut Served,
    findings: &mut Findings,
) {
    let own = releases.iter().filter(|release| release.source == index);
    let documents: BTreeSet<usize> = own
        .flat_map(|release| {
            let canary = release.canary.as_ref().map(|canary| canary.document);
            std::iter::once(release.document).chain(canary)
        })
        .collect();
    let documents: Vec<&Api> = documents
        .into_iter()
        .filter_map(|at| apis.get(at))
        .collect();
    let id = match (&source.id, documents.first()) {
        (Some(id), _) => id,
        (None, Some(api)) => &api.id,
        (None, None) => "",
    };
    check_source(index, id, source, served, findings);
    let Some((first, others)) = documents.split_first() else {
        return;
    };
    if first.kind == ApiKind::Http && source.header_rules == HeaderRules::Proxy {
        let mut reporter = Reporter {
            document: Document::Settings,
            findings: &mut *findings,
        };
        reporter.error(
            format!("/apis/{index}/header_rules"),
            "HTTP APIs have header rules of their own",
            "leave `header_rules` out, or serve a REST API",
        );
    }
    // What one of several documents has may be named.
    let mut all = Vec::new();
    let resources = if others.is_empty() {
        &first.resources
    } else {
        all.extend(
            documents
                .iter()
                .flat_map(|api| api.resources.iter().cloned()),
        );
        &all
    };
    cache::check_source(index, source, settings, policies, resources, findings);
    throttle::check_source(index, source, resources, findings);
    stages::check_source(index, source, settings, resources, findings);
}

/// What the settings say about the API.
fn check_source(
    index: usize,
    id: &str,
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
    if !is_name(id, b"-_.") {
        reporter.error(
            at("id"),
            format!("`{id}` is no API id"),
            "use letters and digits",
        );
    }
    if let Some(earlier) = served.ids.insert(id.to_owned(), index) {
        reporter.error(
            at("id"),
            format!("the API id `{id}` is taken by /apis/{earlier}"),
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
        if !is_name(name, b"_-") && *name != DEFAULT_STAGE {
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
}

struct StageBuilder<'b> {
    document: Document,
    name: &'b str,
    api: &'b Api,
    shared: &'b Arc<ApiPlan>,
    source: &'b ApiSource,
    settings: &'b Settings,
    policies: &'b Policies,
    account: Option<RouteRate>,
    client_identity: Option<&'b ClientIdentity>,
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

    fn resources(&mut self, parts: &Parts) {
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
        for (resource, asked) in api.resources.iter().zip(&parts.validations) {
            match pattern::parse(&resource.path) {
                Ok(parts) => self.resource(resource, &parts, asked),
                Err(fault) => {
                    let hint = "a part is text of A-Za-z0-9._:-, `{name}`, or `{name+}` at the end";
                    self.reporter().error(&*resource.pointer, fault, hint);
                }
            }
        }
        if let Some(method) = &api.default_route {
            let next = u32::try_from(self.routes.len()).expect("fewer routes than u32");
            self.default_route = Some(RouteIndex(next));
            self.route("$default", method, &[], parts.default_validation.clone());
        }
    }

    fn resource(
        &mut self,
        resource: &'b Resource,
        parts: &[Part<'_>],
        asked: &[Option<Arc<Validation>>],
    ) {
        if let Err(fault) = self.tree.resource(&resource.path) {
            self.insert_failed(&resource.pointer, &fault);
            return;
        }
        let variables: Vec<&str> = parts.iter().filter_map(|part| part.name()).collect();
        for (method, asked) in resource.methods.iter().zip(asked) {
            self.method(resource, method, &variables, asked.clone());
        }
    }

    fn method(
        &mut self,
        resource: &Resource,
        method: &'b Method,
        variables: &[&str],
        validation: Option<Arc<Validation>>,
    ) {
        let next = u32::try_from(self.routes.len()).expect("fewer routes than u32");
        let verb = verb_key(method.verb);
        if let Err(fault) = self.tree.insert(&resource.path, verb, RouteIndex(next)) {
            self.insert_failed(&method.pointer, &fault);
        }
        self.pointers.push((next, &method.pointer));
        self.route(&resource.path, method, variables, validation);
    }

    /// Compiles a method; the tree leads to it, or nothing does.
    fn route(
        &mut self,
        path: &str,
        method: &'b Method,
        variables: &[&str],
        validation: Option<Arc<Validation>>,
    ) {
        let verb = verb_key(method.verb);
        let log = self.log(path, method);
        let mut scope = MethodScope {
            api_kind: self.api.kind,
            endpoint: self.api.endpoint.kind,
            method,
            variables,
            stage_variables: &self.source.variables,
            functions: &self.settings.functions,
            limits: &self.settings.limits,
            header_rules: self.source.header_rules,
            client_identity: self.client_identity,
            origins: &mut *self.origins,
            reporter: Reporter {
                document: self.document,
                findings: &mut *self.findings,
            },
        };
        let described = &method.integration;
        let looks = validation
            .as_ref()
            .is_some_and(|asked| !asked.bodies.is_empty());
        let tells = log.data && log.level == LoggingLevel::Info;
        let is_told = tells && self.source.edge_cache.is_none();
        let says_stream = described.transfer_mode == TransferMode::Stream;
        let compresses = self.shared.compression_bytes_min.is_some() && !says_stream;
        let is_mapped = looks || is_told || self.shared.kind == ApiKind::Http;
        let access = access(self.api, method, &mut scope.reporter);
        stream::check(described, &mut scope);
        let mut integration = integration(described, (is_mapped, compresses), &mut scope);
        let passing = match &integration {
            Some(IntegrationPlan::Mock(plan)) if plan.may_pass() => {
                let mut told = Findings::default(); // what is wrong is told already
                let mut again = MethodScope {
                    reporter: Reporter {
                        document: self.document,
                        findings: &mut told,
                    },
                    origins: &mut *scope.origins,
                    ..scope
                };
                mapped::mock(described, &mut again).map(Box::new)
            }
            _ => None,
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
        let cache = stream::cache(described, cache, &mut scope);
        let cache = match (&integration, cache) {
            (Some(IntegrationPlan::Mapped(_)), Some(RouteCache::Edge(_))) => {
                let message = "`edge_cache` does not cover integrations that map";
                let hint = "use a stage cache for them";
                scope.reporter.warning(&*described.pointer, message, hint);
                None
            }
            (_, cache) => cache,
        };
        if let Some(IntegrationPlan::Mapped(plan)) = &mut integration {
            let is_handled = described.content_handling.is_some();
            let needs_payloads = looks || is_told || compresses || is_handled || cache.is_some();
            let passes = described.kind == IntegrationKind::HttpProxy && !plan.reads_payloads();
            plan.streams = passes && !needs_payloads;
        }
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
            route_key: route_key(self.api.kind, verb, path),
            operation_name: method.operation_name.as_deref().map(Into::into),
            pointer: method.pointer.as_str().into(),
            access,
            validation,
            integration,
            passing,
            cache,
            limits,
            log,
        });
    }

    /// What the execution log tells of a method; nothing when there is no log.
    fn log(&self, path: &str, method: &Method) -> RouteLog {
        if !self.settings.execution_log.is_on() && !self.source.tells_all {
            return RouteLog::default();
        }
        let verb = method.verb.as_str();
        let (level, data) = self.source.logging(self.name, path, verb);
        RouteLog { level, data }
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

    fn finish(mut self, stage: &Stage<'_>) -> Option<StagePlan> {
        let name = self.name;
        let tree = match std::mem::take(&mut self.tree).finish() {
            Ok(tree) => tree,
            Err(fault) => {
                self.reporter().error("/paths", fault, "");
                return None;
            }
        };
        let is_host_stage = !stage.is_canary && name == self.source.host_stage_name();
        let cache_scope = stage.cache_scope.clone();
        let of = (self.api.id.as_str(), name);
        let source = stage.release.source;
        let own = || cache::region(self.settings, source, of, self.regions);
        let cache_region = stage.cache_region.unwrap_or_else(own);
        let hosts = self.source.hosts.iter().filter(|_| is_host_stage);
        Some(StagePlan {
            api_id: self.api.id.as_str().into(),
            api_name: self.api.name.as_str().into(),
            api: Arc::clone(self.shared),
            name: name.into(),
            document: self.document,
            source: stage.release.source,
            deployment_id: stage.deployment.into(),
            endpoint: self.api.endpoint.kind,
            by_default_host: !self.api.endpoint.disable_execute_api,
            canary: None,
            is_canary: stage.is_canary,
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

/// Who answers a method. `is_mapped`: heads or payloads have to be looked at; `compresses`: answers
/// of endpoints have to be read whole.
fn integration(
    described: &Integration,
    (is_mapped, compresses): (bool, bool),
    scope: &mut MethodScope<'_, '_>,
) -> Option<IntegrationPlan> {
    match described.kind {
        IntegrationKind::HttpProxy
            if is_mapped || compresses || !http_proxy::streams(described) =>
        {
            mapped::http(described, scope).map(mapped_plan)
        }
        IntegrationKind::HttpProxy => {
            http_proxy::compile(described, scope).map(IntegrationPlan::HttpProxy)
        }
        IntegrationKind::Mock if !is_mapped && mock::is_static(described) => {
            mock::compile(described, scope).map(IntegrationPlan::Mock)
        }
        IntegrationKind::Mock => mapped::mock(described, scope).map(mapped_plan),
        IntegrationKind::Http => mapped::http(described, scope).map(mapped_plan),
        IntegrationKind::Aws | IntegrationKind::AwsProxy => {
            function::compile(described, scope).map(mapped_plan)
        }
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
        Authorization::None
            if method.api_key_required && api.api_key_source == ApiKeySource::Authorizer =>
        {
            let message = "keys come from an authorizer, which is not asked yet, so every call is answered with 500";
            let hint = "write `x-amazon-apigateway-api-key-source: HEADER`";
            reporter.warning(&*method.pointer, message, hint);
            Access::Authorized
        }
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

/// How an HTTP API names the route of `verb` and `path`; REST APIs have no such name.
fn route_key(kind: ApiKind, verb: VerbKey, path: &str) -> Box<str> {
    match (kind, path) {
        (ApiKind::Rest, _) => "".into(),
        (ApiKind::Http, "$default") => path.into(),
        (ApiKind::Http, _) => format!("{} {path}", verb.token()).into(),
    }
}

/// A document's verb as the tree knows it.
pub(super) fn verb_key(verb: api::Verb) -> VerbKey {
    match verb {
        api::Verb::Any => VerbKey::Any,
        named => VerbKey::One(Verb::from_token(named.as_str().as_bytes())),
    }
}
