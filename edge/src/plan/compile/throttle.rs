//! Limits of account, stages and methods.
//!
//! Shape: the account's limit is compiled once and handed to every route; a route gets those of
//! its method and its stage beside it, in the order in which tokens are taken. Units: requests a
//! second. Ranges: those of [`Rate`]. Errors: findings on the settings.
//! Source: API Gateway developer guide, "throttling", levels 3 and 4.

use super::super::{
    fault::{Document, Findings, Reporter},
    stage::RoutePlan,
    throttle::{ClientPlan, ThrottlePlan},
};
use super::listen::networks;
use crate::{
    limits::{
        ClientLimit, Identity, Level, Limit, Rate, RouteLimits, RouteRate,
        names::{method_tag, stage_tag},
    },
    model::{
        api::{self, Api, Method, Resource},
        settings::{ApiSource, Settings, StageThrottle, ThrottlePreset},
    },
};

/// Where limits are counted, if any of `routes` has one.
pub(super) fn plan(
    settings: &Settings,
    routes: &[RoutePlan],
    clients: Option<ClientPlan>,
) -> Option<ThrottlePlan> {
    let is_open = routes.iter().all(|route| route.limits.is_open());
    (!is_open || clients.is_some()).then(|| ThrottlePlan {
        path: settings.throttle.path.clone(),
        headers: settings.throttle.headers,
        clients,
    })
}

/// The limit of each client address.
pub(super) fn clients(settings: &Settings, reporter: &mut Reporter<'_>) -> Option<ClientPlan> {
    let client = settings.throttle.client.as_ref()?;
    let given = (Some(client.rate_limit), Some(client.burst_limit));
    let exempt = networks("/throttle/client/exempt", &client.exempt, reporter);
    let mut prefix = |key: &str, bits: u8, most: u8| {
        if !(1..=most).contains(&bits) {
            let message = format!("a prefix has 1 to {most} bits");
            reporter.error(format!("/throttle/client/{key}"), message, "");
        }
    };
    prefix("ipv4_prefix", client.ipv4_prefix, 32);
    prefix("ipv6_prefix", client.ipv6_prefix, 128);
    let limit = pair(given, "/throttle/client", reporter)?;
    Some(ClientPlan {
        limit: ClientLimit {
            limit,
            ipv4_prefix: client.ipv4_prefix,
            ipv6_prefix: client.ipv6_prefix,
        },
        exempt,
    })
}

/// The limit that all stages share.
pub(super) fn account(settings: &Settings, reporter: &mut Reporter<'_>) -> Option<RouteRate> {
    let throttle = &settings.throttle;
    let preset = match throttle.limits {
        ThrottlePreset::None => (None, None),
        ThrottlePreset::Aws => (Some(AWS_RATE), Some(AWS_BURST)),
    };
    let given = (
        throttle.rate_limit.or(preset.0),
        throttle.burst_limit.or(preset.1),
    );
    let limit = pair(given, "/throttle", reporter)?;
    Some(RouteRate {
        level: Level::Account,
        limit,
        identity: Identity::single(Level::Account, &[]),
    })
}

/// What the settings say about one API's limits.
pub(super) fn check_source(
    index: usize,
    source: &ApiSource,
    resources: &[Resource],
    findings: &mut Findings,
) {
    let Some(throttle) = &source.throttle else {
        return;
    };
    let mut reporter = Reporter {
        document: Document::Settings,
        findings,
    };
    let at = format!("/apis/{index}/throttle");
    let known = source.stage_names();
    for name in &throttle.stages {
        if !known.contains(&name.as_str()) {
            let message = format!("there is no stage `{name}`");
            let hint = format!("there are {}", known.join(", "));
            reporter.error(format!("{at}/stages"), message, hint);
        }
    }
    pair(
        (throttle.rate_limit, throttle.burst_limit),
        &at,
        &mut reporter,
    );
    for (row, method) in throttle.methods.iter().enumerate() {
        let at = format!("{at}/methods/{row}");
        let given = (Some(method.rate_limit), Some(method.burst_limit));
        pair(given, &at, &mut reporter);
        let verb = api::Verb::parse(&method.method);
        let fits = resources
            .iter()
            .filter(|resource| resource.path == method.path)
            .flat_map(|resource| &resource.methods)
            .any(|known| Some(known.verb) == verb);
        if !fits {
            let message = format!("the API has no {} {}", method.method, method.path);
            let hint = "write path and verb as the document has them";
            reporter.error(format!("{at}/path"), message, hint);
        }
    }
}

/// The limits of one method in `stage`. What is wrong with them was reported.
pub(super) fn route(
    api: &Api,
    source: &ApiSource,
    stage: &str,
    resource: &str,
    method: &Method,
    account: Option<RouteRate>,
) -> RouteLimits {
    let (stage_name, method_name) = (
        stage_tag(&api.id, stage),
        method_tag(method.verb.as_str(), resource),
    );
    let mut rates: Vec<RouteRate> = account.into_iter().collect();
    let throttle = source.throttle.as_ref();
    if let Some(throttle) = throttle.filter(|throttle| is_for(throttle, stage)) {
        let whole = throttle.rate_limit.zip(throttle.burst_limit);
        rates.extend(rate(Level::Stage, whole, &[stage_name]));
        let row =
            throttle.methods.iter().rev().find(|row| {
                row.path == resource && api::Verb::parse(&row.method) == Some(method.verb)
            });
        let own = row.map(|row| (row.rate_limit, row.burst_limit));
        rates.extend(rate(Level::Method, own, &[stage_name, method_name]));
    }
    RouteLimits {
        stage: stage_name,
        method: method_name,
        needs_key: method.api_key_required,
        rates: rates.into(),
    }
}

fn is_for(throttle: &StageThrottle, stage: &str) -> bool {
    throttle.stages.is_empty() || throttle.stages.iter().any(|name| name == stage)
}

fn rate(level: Level, given: Option<(f64, u32)>, names: &[u64]) -> Option<RouteRate> {
    let (per_s, burst) = given?;
    Some(RouteRate {
        level,
        limit: Limit::new(Rate::new(per_s, burst).ok()?).ok()?,
        identity: Identity::single(level, names),
    })
}

/// A rate and its burst below `at`, both or none of them.
fn pair(given: (Option<f64>, Option<u32>), at: &str, reporter: &mut Reporter<'_>) -> Option<Limit> {
    pair_named(given, (at, ""), reporter)
}

/// The same, whose keys begin with `prefix`.
pub(super) fn pair_named(
    given: (Option<f64>, Option<u32>),
    (at, prefix): (&str, &str),
    reporter: &mut Reporter<'_>,
) -> Option<Limit> {
    let mut lonely = |key: &str, other: &str, hint: &str| {
        let message = format!("`{prefix}{key}` needs `{prefix}{other}`");
        reporter.error(format!("{at}/{prefix}{key}"), message, hint);
    };
    let (per_s, burst) = match given {
        (None, None) => return None,
        (Some(per_s), Some(burst)) => (per_s, burst),
        (Some(_), None) => {
            let hint = "add how many requests may come at once";
            lonely("rate_limit", "burst_limit", hint);
            return None;
        }
        (None, Some(_)) => {
            let hint = "add how many requests may come in a second";
            lonely("burst_limit", "rate_limit", hint);
            return None;
        }
    };
    match Rate::new(per_s, burst).and_then(Limit::new) {
        Ok(limit) => Some(limit),
        Err(fault) => {
            reporter.error(format!("{at}/{prefix}{}", fault.key()), fault, "");
            None
        }
    }
}

/// An account's limits in API Gateway.
const AWS_RATE: f64 = 10_000.0;
const AWS_BURST: u32 = 5_000;
