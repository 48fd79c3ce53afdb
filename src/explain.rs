//! What would happen to a request: stage, route, integration, outgoing target, limits, origin.
//!
//! What it is: the parser and the plan that serve requests, asked once without a connection.
//! Shape: [`explain`] gives an [`Explanation`], printed as text or JSON. Units: in the names.
//! Errors: none; a request that would be refused is explained with its status and what is near.
//! Source: `Plan::resolve` and `HttpProxyPlan::write_target`, as `pipeline/request.rs` calls them.

mod cache;
mod throttling;

use std::fmt::{self, Write};

use serde::Serialize;
use tidegate_edge::{
    base::text::counted,
    integrate::{HttpProxyPlan, RequestParts, headers::Kind},
    origin::{Face, OriginPlan},
    pipeline::Fault,
    plan::{
        Backend, CanaryPlan, Document, Door, IntegrationPlan, MappedPlan, Plan, Resolution,
        RouteFacts,
    },
    route::{Asked, Headers, Params, StageIndex, Verb},
    wire::{
        head::{RequestHead, parse_request},
        limits::HeadLimits,
    },
};

pub use cache::Caching;
pub use throttling::{LevelRow, Throttling};

use crate::{
    cache::key::{self, counted_query},
    diagnostics::Severity,
    diagnostics::nearest,
    settings::Configuration,
};

/// What would happen to one request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    pub method: String,
    pub host: String,
    pub path: String,
    /// Of the plan; 1 unless the gateway was reloaded.
    pub revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration: Option<Integration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caching: Option<Caching>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttling: Option<Throttling>,
    pub limits: Limits,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// Which stage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Stage {
    pub name: String,
    pub api_id: String,
    pub api_name: String,
    /// `path`, `host`, `base path` or `rule`.
    pub form: &'static str,
    /// Priority of the routing rule that led here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<u32>,
    /// Empty: its document is a file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deployment: String,
    /// What its canary serves, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
}

/// Which method of which resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Route {
    pub verb: &'static str,
    pub resource_path: String,
    /// File and line of its definition.
    pub defined_at: String,
    /// Names with values, in path order, percent-encoded as they came.
    pub path_parameters: Vec<(String, String)>,
}

/// Who answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Integration {
    HttpProxy {
        uri: String,
        method: String,
        target: String,
        host: String,
        timeout_ms: u32,
        headers_set: Vec<String>,
        /// `api_gateway` or `proxy`: by which rules fields pass.
        header_rules: &'static str,
    },
    Mock {
        statuses: Vec<u16>,
    },
    /// Whatever maps: its request and answer are made when they are there.
    Mapped {
        kind: &'static str,
        /// Who is asked; empty: nobody.
        asks: String,
        timeout_ms: u32,
        statuses: Vec<u16>,
        /// `whole`, `stream`, or `answers stream`: how payloads pass.
        payloads: &'static str,
    },
}

/// The group behind an `http_proxy`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Origin {
    pub name: String,
    /// Nobody wrote it down: the URI's own authority with defaults.
    pub implicit: bool,
    pub balance: String,
    pub connect_ms: u32,
    pub connections_max: u32,
    pub health_check: Option<String>,
    /// What the stage shows in place of the group's own certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint, in the order of priority.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Endpoint {
    pub region: String,
    pub url: String,
    pub priority: u8,
    pub weight: u16,
}

/// The limits that a request meets first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Limits {
    pub head_bytes_max: u32,
    pub target_bytes_max: u32,
    pub fields_max: u32,
    pub body_bytes_max: u64,
    pub head_ms: u32,
}

/// Why it would not be served.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Refusal {
    pub status: u16,
    pub reason: String,
    /// What would have matched.
    pub near: Vec<String>,
}

/// Explains the request of a method for a URL, absolute or a path, with some headers.
#[must_use]
pub fn explain(
    plan: &Plan,
    configuration: &Configuration,
    (method, url, headers): (&str, &str, &[(String, String)]),
) -> Explanation {
    let (host, target) = split(url, plan);
    let limits = &plan.limits;
    let mut explanation = Explanation {
        method: method.to_owned(),
        host: host.clone(),
        path: target.split('?').next().unwrap_or("").to_owned(),
        revision: plan.revision,
        stage: None,
        route: None,
        integration: None,
        origin: None,
        caching: None,
        throttling: None,
        limits: Limits {
            head_bytes_max: limits.head_bytes_max,
            target_bytes_max: limits.target_bytes_max,
            fields_max: limits.fields_max,
            body_bytes_max: limits.body_bytes_max,
            head_ms: limits.head_ms,
        },
        refusal: None,
    };
    let lines: Vec<String> = (headers.iter())
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let fields: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let bytes = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").into_bytes();
    let head_limits = HeadLimits {
        head_bytes_max: limits.head_bytes_max as usize,
        target_bytes_max: limits.target_bytes_max as usize,
        fields_max: limits.fields_max as usize,
    }
    .clamped();
    let mut head = RequestHead::new();
    if let Err(fault) = parse_request(&bytes, &head_limits, &mut head) {
        let refusal = refusal(Fault::Head(fault), fault.to_string(), Vec::new());
        explanation.refusal = Some(refusal);
        return explanation;
    }
    let request = Request {
        plan,
        configuration,
        url,
        lines: &lines,
        bytes: &bytes,
        head: &head,
    };
    request.fill(&mut explanation);
    explanation
}

/// A request that the parser took.
struct Request<'a> {
    plan: &'a Plan,
    configuration: &'a Configuration,
    url: &'a str,
    /// Its headers but for `Host`.
    lines: &'a [String],
    bytes: &'a [u8],
    head: &'a RequestHead,
}

impl Request<'_> {
    fn resolve(&self, verb: Verb, params: &mut Params) -> Resolution {
        let asked = Asked {
            host: self.head.host.name.of(self.bytes),
            path: self.head.path(self.bytes),
            api_id: None,
            headers: Headers::of(&self.head.fields, self.bytes),
        };
        // Whoever draws the largest number is not the canary's.
        self.plan
            .resolve_asked(&asked, verb, Door::Any, || u64::MAX, params)
    }

    fn fill(&self, out: &mut Explanation) {
        let mut params = Params::new();
        let verb = Verb::from_token(self.head.method_name.of(self.bytes));
        match self.resolve(verb, &mut params) {
            Resolution::Route {
                route,
                stage,
                path_from,
                base_to,
                resource_from,
                rule,
                ..
            } => {
                let form = form(path_from, base_to, resource_from, rule);
                out.stage = self.stage(stage, form, rule);
                if let Some(facts) = self.plan.describe(route) {
                    self.fill_route(out, &facts, &params);
                }
            }
            Resolution::NoRoute {
                stage,
                path_from,
                base_to,
                resource_from,
                rule,
                ..
            } => {
                let form = form(path_from, base_to, resource_from, rule);
                out.stage = self.stage(stage, form, rule);
                let path = text(self.head.path(self.bytes));
                let resource = path.get(resource_from..).unwrap_or("");
                out.refusal = Some(self.no_route(stage, resource));
            }
            Resolution::Health => {
                let statuses = vec![200];
                out.integration = Some(Integration::Mock { statuses });
            }
            Resolution::NoStage => out.refusal = Some(self.no_stage(&out.path)),
        }
    }

    fn stage(&self, index: StageIndex, form: &'static str, rule: Option<u32>) -> Option<Stage> {
        let stage = self.plan.stage(index)?;
        Some(Stage {
            name: stage.name.to_string(),
            api_id: stage.api_id.to_string(),
            api_name: stage.api_name.to_string(),
            form,
            rule,
            deployment: stage.deployment_id.to_string(),
            canary: (stage.canary.as_ref()).map(|canary| self.canary(canary)),
        })
    }

    /// A canary in words.
    fn canary(&self, canary: &CanaryPlan) -> String {
        let share = (canary.share.saturating_mul(1_000_000) + (1 << 31)) >> 32;
        let (whole, rest) = (share / 10_000, share % 10_000);
        let percent = format!("{whole}.{rest:04}");
        let percent = percent.trim_end_matches('0').trim_end_matches('.');
        let stage = self.plan.stage(canary.stage);
        match stage.map_or("", |stage| &*stage.deployment_id) {
            "" => format!("{percent} % of the requests"),
            id => format!("{percent} % of the requests, deployment {id}"),
        }
    }

    fn fill_route(&self, out: &mut Explanation, facts: &RouteFacts<'_>, params: &Params) {
        let path = self.head.path(self.bytes);
        let values = (0..).map_while(|ordinal| params.value(ordinal, path));
        out.route = Some(Route {
            verb: facts.route.verb.token(),
            resource_path: facts.route.resource_path.to_string(),
            defined_at: self.place(facts.stage.document, &facts.route.pointer),
            path_parameters: (facts.route.variables.iter())
                .zip(values)
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
        });
        let settings = &self.configuration.settings;
        out.throttling = throttling::throttling(self.plan, settings, facts);
        let mut counted = None;
        if settings.cache.is_some()
            && let Ok(asked) = key::Asked::parse(Some(self.plan), &out.method, self.url, self.lines)
        {
            out.caching = Some(cache::caching(facts, settings, params, &asked));
            let cache = facts.route.cache.as_ref();
            counted = cache.and_then(|cache| counted_query(cache, &asked));
        }
        let query = counted.as_deref().unwrap_or(self.head.query(self.bytes));
        match &facts.route.integration {
            IntegrationPlan::HttpProxy(proxy) => match self.http_proxy(proxy, query, params) {
                Ok(integration) => {
                    out.integration = Some(integration);
                    out.origin = facts.origin.map(|plan| origin(plan, proxy.face));
                }
                Err(refusal) => out.refusal = Some(refusal),
            },
            IntegrationPlan::Mapped(plan) => {
                out.integration = Some(mapped(plan));
                let face = match &plan.backend {
                    Backend::Http(http) => http.face,
                    Backend::Function(_) | Backend::Mock => Face::OWN,
                };
                out.origin = facts.origin.map(|plan| origin(plan, face));
            }
            IntegrationPlan::Mock(mock) => {
                let statuses = mock.answers().iter().map(|answer| answer.status);
                out.integration = Some(Integration::Mock {
                    statuses: statuses.collect(),
                });
            }
        }
    }

    /// What an origin is asked whose request has `query`.
    fn http_proxy(
        &self,
        proxy: &HttpProxyPlan,
        query: &[u8],
        params: &Params,
    ) -> Result<Integration, Refusal> {
        let field = |name: &str| {
            let named = self.head.fields.named(self.bytes, name.as_bytes());
            named.last().map(|field| field.value.of(self.bytes))
        };
        let parts = RequestParts {
            path: self.head.path(self.bytes),
            query,
            params,
            header: &field,
        };
        let mut room = vec![0; TARGET_BYTES_MAX];
        let bad = |_| refusal(Fault::Target, Fault::Target.detail().to_owned(), Vec::new());
        let target_bytes = proxy.write_target(&parts, &mut room).map_err(bad)?;
        let target = text(room.get(..target_bytes).unwrap_or(&[]));
        let host_bytes = proxy.host.write_field_value(&parts, &mut room);
        let host_bytes = host_bytes.map_err(bad)?.unwrap_or(0);
        let method = match proxy.method {
            Some(verb) => verb.token().to_owned(),
            None => text(self.head.method_name.of(self.bytes)),
        };
        Ok(Integration::HttpProxy {
            uri: proxy.uri.to_string(),
            method,
            target,
            host: text(room.get(..host_bytes).unwrap_or(&[])),
            timeout_ms: proxy.timeout_ms,
            headers_set: (proxy.headers.iter())
                .map(|header| header.name.to_string())
                .collect(),
            header_rules: proxy.rules.as_str(),
        })
    }

    /// `file:line`, or the pointer where there is no text.
    fn place(&self, document: Document, pointer: &str) -> String {
        let api = match document {
            Document::Api(index) => self.configuration.apis.get(index),
            Document::Settings => None,
        };
        match api {
            Some(api) => {
                let at = api.problem_at(Severity::Warning, pointer, "", None);
                format!("{}:{}", at.file, at.line)
            }
            None => pointer.to_owned(),
        }
    }

    fn no_route(&self, stage: StageIndex, resource: &str) -> Refusal {
        let mut params = Params::new();
        let others: Vec<String> = Verb::ALL
            .into_iter()
            .filter(|verb| matches!(self.resolve(*verb, &mut params), Resolution::Route { .. }))
            .filter_map(|verb| verb.as_str().map(str::to_owned))
            .collect();
        if !others.is_empty() {
            let reason = "the resource exists, but not for this verb; it has those below";
            return refusal(Fault::NoRoute, reason.to_owned(), others);
        }
        let mut known: Vec<&str> = (self.plan.routes.iter())
            .filter(|route| route.stage == stage)
            .map(|route| &*route.resource_path)
            .collect();
        known.dedup();
        let near = nearest(resource, known.iter().copied());
        let rest = known.iter().filter(|path| Some(**path) != near);
        let near = near.iter().chain(rest).take(NEAR_MAX);
        let reason = "the stage has no such resource; it has, the nearest first, those below";
        let near = near.map(|path| (*path).to_owned()).collect();
        refusal(Fault::NoRoute, reason.to_owned(), near)
    }

    fn no_stage(&self, path: &str) -> Refusal {
        let given = path.trim_start_matches('/').split('/').next().unwrap_or("");
        let by_path = (self.plan.stages.iter()).filter(|stage| stage.by_path);
        let names: Vec<&str> = by_path.map(|stage| &*stage.name).collect();
        let hosts = (self.plan.stages.iter()).flat_map(|stage| stage.hosts.iter());
        let first = nearest(given, names.iter().copied());
        let rest = names.iter().copied().filter(|name| Some(*name) != first);
        let paths = first
            .into_iter()
            .chain(rest)
            .map(|name| format!("/{name}/…"));
        let hosts = hosts.map(|host| format!("http://{host}/…"));
        let near = paths.chain(hosts).take(NEAR_MAX).collect();
        let reason = "neither the host nor the first part of the path names a stage; these do";
        refusal(Fault::NoStage, reason.to_owned(), near)
    }
}

/// How a stage was reached.
fn form(path_from: usize, base_to: usize, resource_from: usize, rule: Option<u32>) -> &'static str {
    if rule.is_some() {
        "rule"
    } else if base_to > path_from {
        "base path"
    } else if resource_from == path_from {
        "host"
    } else {
        "path"
    }
}

/// Longest outgoing target that is shown; longer ones are refused when serving, too.
const TARGET_BYTES_MAX: usize = 16 * 1024;
/// Most near misses.
const NEAR_MAX: usize = 10;

fn refusal(fault: Fault, reason: String, near: Vec<String>) -> Refusal {
    Refusal {
        status: fault.status(),
        reason,
        near,
    }
}

fn origin(plan: &OriginPlan, face: Face) -> Origin {
    let endpoints = plan.endpoints.iter().map(|endpoint| Endpoint {
        region: endpoint.region.to_string(),
        url: format!(
            "{}://{}",
            if endpoint.tls { "https" } else { "http" },
            endpoint.authority
        ),
        priority: endpoint.priority,
        weight: endpoint.weight,
    });
    Origin {
        name: plan.name.to_string(),
        implicit: plan.implicit,
        balance: balance(plan),
        connect_ms: plan.connect_ms,
        connections_max: plan.connections_max,
        health_check: (plan.health.as_ref())
            .map(|health| format!("GET {} every {} ms", health.path, health.interval_ms)),
        client_certificate: plan.identity(face).map(|shown| shown.name.to_string()),
        endpoints: endpoints.collect(),
    }
}

fn balance(plan: &OriginPlan) -> String {
    use tidegate_edge::model::settings::Balance;
    let word = match plan.balance {
        Balance::LeastOutstanding => "least_outstanding",
        Balance::RoundRobin => "round_robin",
        Balance::Random => "random",
    };
    word.to_owned()
}

/// What can be said of an integration that maps without a request to map.
fn mapped(plan: &MappedPlan) -> Integration {
    let (asks, timeout_ms, idle_ms) = match &plan.backend {
        Backend::Mock => (String::new(), 0, None),
        Backend::Http(http) => (http.uri.to_string(), http.timeout_ms, http.idle_ms),
        Backend::Function(function) => (
            function.arn.to_string(),
            function.timeout_ms,
            function.idle_ms,
        ),
    };
    let payloads = match idle_ms {
        _ if plan.streams => "stream",
        Some(_) => "answers stream",
        None => "whole",
    };
    Integration::Mapped {
        kind: match plan.kind {
            Kind::Mock => "mock",
            Kind::Http => "http",
            Kind::HttpProxy => "http_proxy",
            Kind::Aws => "aws",
            Kind::AwsProxy => "aws_proxy",
        },
        asks,
        timeout_ms,
        statuses: plan.answers.iter().map(|answer| answer.status).collect(),
        payloads,
    }
}

fn one_of(statuses: &[u16]) -> String {
    let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
    statuses.join(" or ")
}

/// Host and target of a URL; a path is asked of the first address that is listened on.
fn split(url: &str, plan: &Plan) -> (String, String) {
    let bare = url.split('#').next().unwrap_or(url);
    let Some((_, rest)) = bare.split_once("://") else {
        let address = plan.listeners.first().and_then(|listener| {
            use tidegate_edge::plan::ListenAddress;
            match &listener.address {
                ListenAddress::Socket(address) => Some(address.to_string()),
                ListenAddress::Passed(_) => None,
            }
        });
        return (address.unwrap_or("localhost".to_owned()), bare.to_owned());
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(end);
    let slash = if target.starts_with('/') { "" } else { "/" };
    (host.to_owned(), format!("{slash}{target}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Explanation {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A value of texts and numbers cannot fail to become JSON.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(out, "{name:<13}{value}");
        };
        row(
            "request",
            &format!("{} {} on {}", self.method, self.path, self.host),
        );
        if let Some(stage) = &self.stage {
            let Stage {
                name,
                api_id,
                api_name,
                form,
                rule,
                deployment,
                canary,
            } = stage;
            let rule = rule.map_or(String::new(), |priority| format!(" {priority}"));
            row(
                "stage",
                &format!("{name} of \"{api_name}\" ({api_id}), found by {form}{rule}"),
            );
            if !deployment.is_empty() {
                row("deployment", deployment);
            }
            if let Some(canary) = canary {
                row("canary", canary);
            }
        }
        if let Some(route) = &self.route {
            row("route", &format!("{} {}", route.verb, route.resource_path));
            row("defined at", &route.defined_at);
            for (name, value) in &route.path_parameters {
                row("parameter", &format!("{name} = {value}"));
            }
        }
        match &self.integration {
            Some(Integration::HttpProxy {
                uri,
                method,
                target,
                host,
                timeout_ms,
                headers_set,
                header_rules,
            }) => {
                row("integration", &format!("http_proxy {uri}"));
                row("sends", &format!("{method} {target}, Host: {host}"));
                if !headers_set.is_empty() {
                    row("sets", &headers_set.join(", "));
                }
                row("header rules", header_rules);
                row("payloads", "stream");
                row("timeout", &format!("{timeout_ms} ms"));
            }
            Some(Integration::Mock { statuses }) => {
                let answers = format!("mock, answers {}", one_of(statuses));
                row("integration", &answers);
            }
            Some(Integration::Mapped {
                kind,
                asks,
                timeout_ms,
                statuses,
                payloads,
            }) => {
                row("integration", format!("{kind} {asks}").trim_end());
                if !statuses.is_empty() {
                    row("maps to", &one_of(statuses));
                }
                row("payloads", payloads);
                if !asks.is_empty() {
                    row("timeout", &format!("{timeout_ms} ms"));
                }
            }
            None => {}
        }
        if let Some(origin) = &self.origin {
            write_origin(origin, &mut row);
        }
        if let Some(caching) = &self.caching {
            write_caching(caching, &mut row);
        }
        if let Some(throttling) = &self.throttling {
            throttling::write(throttling, &mut row);
        }
        if let Some(refusal) = &self.refusal {
            row(
                "refused",
                &format!("{}: {}", refusal.status, refusal.reason),
            );
            for near in &refusal.near {
                row("", near);
            }
        }
        let limits = &self.limits;
        row(
            "limits",
            &format!(
                "head {} B in {} ms, target {} B, {}, body {} B",
                limits.head_bytes_max,
                limits.head_ms,
                limits.target_bytes_max,
                counted(limits.fields_max, "field"),
                limits.body_bytes_max
            ),
        );
        row("revision", &self.revision.to_string());
        f.write_str(&out)
    }
}

fn write_caching(caching: &Caching, row: &mut impl FnMut(&str, &str)) {
    row("cache", caching.by.as_deref().unwrap_or("none"));
    if let Some(region) = &caching.region {
        row("region", region);
    }
    let name = if caching.answers { "" } else { "not cached" };
    for (nth, line) in caching.because.iter().enumerate() {
        row(if nth == 0 { name } else { "" }, line);
    }
    for (nth, line) in caching.lifetime.iter().enumerate() {
        row(if nth == 0 { "lifetime" } else { "" }, line);
    }
    if let Some(forwarded) = &caching.forwarded {
        row("forwarded", forwarded);
    }
    for (nth, (part, value)) in caching.key.iter().enumerate() {
        let name = if nth == 0 { "key" } else { "" };
        row(name, &format!("{part}: {value}"));
    }
}

fn write_origin(origin: &Origin, row: &mut impl FnMut(&str, &str)) {
    let implicit = if origin.implicit {
        ", not in the settings"
    } else {
        ""
    };
    row(
        "origin",
        &format!("{}, {}{implicit}", origin.name, origin.balance),
    );
    for endpoint in &origin.endpoints {
        let Endpoint {
            region,
            url,
            priority,
            weight,
        } = endpoint;
        let region = if region.is_empty() { "-" } else { region };
        row(
            "",
            &format!("{url}  region {region}, priority {priority}, weight {weight}"),
        );
    }
    row(
        "",
        &format!(
            "at most {}, {} ms to connect, checks: {}",
            counted(origin.connections_max, "connection"),
            origin.connect_ms,
            origin.health_check.as_deref().unwrap_or("none")
        ),
    );
    if let Some(name) = &origin.client_certificate {
        row("", &format!("is shown the client certificate `{name}`"));
    }
}
