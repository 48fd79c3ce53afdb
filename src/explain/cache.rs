//! What the response cache would do with a request, and why.
//!
//! Shape: [`Caching`], printed by [`super::Explanation`]. Units: seconds. Errors: none; a route
//! without a cache is told why it has none. Source: `plan::compile::cache`, which decides the same.

use serde::Serialize;
use tidegate_edge::{
    cache::http::{
        Caller, HttpCacheRules, Request, RequestDirectivesRule, SetCookieRule, serve::bypasses,
    },
    model::settings::{ApiSource, Settings, Unauthorized},
    plan::{IntegrationPlan, RegionOf, RegionPlan, RouteCache, RouteFacts, StageCachePlan},
    route::Params,
};

use crate::cache::{entry::kind, key, key::Asked, sized};

/// How the answer would be kept and found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Caching {
    /// The policy or stage cache that applies; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The region that answers are kept in, and its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The store may answer this request.
    pub answers: bool,
    /// Why not, or what else decides.
    pub because: Vec<String>,
    /// The key's parts.
    pub key: Vec<(String, String)>,
    /// For how long an answer is kept.
    pub lifetime: Vec<String>,
    /// What of the query reaches the origin, where that is not all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<String>,
}

/// What becomes of the request `asked` on the route of `facts`.
pub(super) fn caching(
    facts: &RouteFacts<'_>,
    settings: &Settings,
    params: &Params,
    asked: &Asked,
) -> Caching {
    let Some(cache) = &facts.route.cache else {
        return Caching {
            by: None,
            region: None,
            answers: false,
            because: vec![why_not(facts, settings)],
            key: Vec::new(),
            lifetime: Vec::new(),
            forwarded: None,
        };
    };
    let (because, lifetime, answers) = match cache {
        RouteCache::Edge(plan) => {
            let request = Request::new(asked.head(), asked.bytes(), Caller::Unknown);
            let bypass = bypasses(&request);
            let because = match bypass {
                Some(reason) => vec![format!(
                    "the origin is always asked ({}); a success makes what is stored of this URL \
                     invalid if the method is unsafe",
                    reason.as_str()
                )],
                None => by_origin(&plan.rules),
            };
            (because, edge_lifetime(&plan.rules), bypass.is_none())
        }
        RouteCache::Stage(plan) => {
            let lifetime = format!("{} s, whatever the origin's fields say", plan.ttl_s);
            (vec![fresh_answers(plan)], vec![lifetime], true)
        }
    };
    Caching {
        by: Some(kind(cache)),
        region: facts.region.map(region),
        answers,
        because,
        key: key::parts(cache, facts.route, facts.stage, params, asked),
        lifetime,
        forwarded: key::forwarded(cache, asked),
    }
}

/// Whose region it is, and how large.
fn region(plan: &RegionPlan) -> String {
    let size = sized(plan.capacity_bytes);
    match &plan.of {
        RegionOf::Common => format!("common, {size}"),
        RegionOf::Stage { .. } => format!("own of {}, {size}", plan.of),
    }
}

/// Why a route has no cache.
fn why_not(facts: &RouteFacts<'_>, settings: &Settings) -> String {
    let source = settings.apis.get(facts.stage.source);
    let source = source.map(|source| source.for_stage(&facts.stage.name));
    if matches!(facts.route.integration, IntegrationPlan::Mock(_)) {
        return "a mock answers from the plan".to_owned();
    }
    let stage_cache = source
        .as_ref()
        .and_then(|source: &ApiSource| source.stage_cache.as_ref());
    let Some(cache) = stage_cache else {
        return "its `[[apis]]` has neither `edge_cache` nor `stage_cache`".to_owned();
    };
    let name = &*facts.stage.name;
    if !cache.stages.is_empty() && !cache.stages.iter().any(|known| known == name) {
        return format!("`stage_cache.stages` does not name `{name}`");
    }
    let (verb, path) = (facts.route.verb.token(), &facts.route.resource_path);
    let is_row = |row: &&tidegate_edge::model::settings::MethodCache| {
        *row.path == **path && row.method.eq_ignore_ascii_case(verb)
    };
    let row = cache.methods.iter().rev().find(is_row);
    if row.and_then(|row| row.enabled) == Some(false) {
        return format!("`stage_cache.methods` switches {verb} {path} off");
    }
    if row.and_then(|row| row.ttl_s).unwrap_or(cache.ttl_s) == 0 {
        return "its lifetime is 0 s".to_owned();
    }
    format!("a stage cache keeps GET only; {verb} {path} needs a row of `stage_cache.methods`")
}

/// What of the origin's answer decides.
fn by_origin(rules: &HttpCacheRules) -> Vec<String> {
    let mut rows = Vec::new();
    let mut never = vec!["no-store", "private"];
    if rules.overrules() {
        rows.push(format!(
            "no-store, private and no-cache are overruled for {} s",
            rules.ttl_min_s
        ));
        never.clear();
    }
    if rules.set_cookie == SetCookieRule::Pass {
        never.push("Set-Cookie");
    }
    never.push("Vary: *");
    never.push("answers to Authorization without public, s-maxage or must-revalidate");
    rows.push(format!("not kept: {}", never.join(", ")));
    rows.push(match rules.request_directives {
        RequestDirectivesRule::Ignore => "a client's Cache-Control counts for no-store only".into(),
        RequestDirectivesRule::Honour => "a client's Cache-Control counts".into(),
    });
    rows
}

fn edge_lifetime(rules: &HttpCacheRules) -> Vec<String> {
    let mut rows = vec![format!(
        "s-maxage, max-age or Expires, from {} to {} s",
        rules.ttl_min_s, rules.ttl_max_s
    )];
    rows.push(match rules.ttl_default_s {
        0 => format!(
            "without them {} % of the time since Last-Modified, at most {} s",
            rules.heuristic_percent, rules.heuristic_max_s
        ),
        seconds => format!("without them {seconds} s"),
    });
    rows.extend(
        (rules.negative.iter()).map(|row| format!("{} without them {} s", row.status, row.ttl_s)),
    );
    rows.push(format!(
        "stale: {} s while it is fetched anew, {} s while the origin fails",
        rules.stale_while_revalidate_s, rules.stale_if_error_s
    ));
    rows
}

/// What `Cache-Control: max-age=0` of a client does.
fn fresh_answers(plan: &StageCachePlan) -> String {
    let what = match plan.unauthorized {
        _ if !plan.require_authorization => "gets a fresh answer",
        Unauthorized::FailWith403 => "is refused with 403",
        Unauthorized::SucceedWithResponseHeader => "is ignored with a Warning",
        Unauthorized::SucceedWithoutResponseHeader => "is ignored",
    };
    format!("Cache-Control: max-age=0 {what}")
}
