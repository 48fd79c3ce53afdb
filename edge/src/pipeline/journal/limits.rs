//! What the gate refused, for the execution log.
//!
//! Shape: one line a refusal. Which plan refused is found again when it is told, so that a request
//! which passes carries nothing of it. Units: requests a second. Errors: none. Source: Amazon API
//! Gateway developer guide, "throttling", "CloudWatch log formats for API Gateway" (texts as
//! observed).

use super::{Journal, api_key, stage_text};
use crate::{
    limits::{Id, Level, Quota, Refusal},
    pipeline::{
        exchange::Exchange,
        local::{Local, Serving},
    },
    wire::known::Known,
};

/// The gate refused it.
#[inline]
pub(in super::super) fn limited(local: &Local, serving: &Serving, x: &Exchange, refusal: &Refusal) {
    if let Some(journal) = &x.journal {
        journal.limited(local, serving, x, refusal);
    }
}

/// The part of a quota that it needs has not come in time.
#[inline]
pub(in super::super) fn no_lease(x: &Exchange) {
    if let Some(journal) = &x.journal {
        journal.error(format_args!(
            "Usage Plan check failed due to an internal error"
        ));
    }
}

impl Journal {
    #[cold]
    fn limited(&self, local: &Local, serving: &Serving, x: &Exchange, refusal: &Refusal) {
        let (key, stage) = (api_key(x), stage_text(serving, x));
        let plan = usage_plan(local, serving, x);
        match refusal {
            Refusal::Throttled { at, .. } => {
                let level = at.map_or("No", |at| level_text(at.level));
                let plan = plan.filter(|_| at.is_some_and(|at| is_of_plan(at.level)));
                let plan = plan.map_or(String::new(), |(id, _)| format!("Usage Plan ID {id}, "));
                self.error(format_args!(
                    "API Key {key} exceeded throttle limit for API Stage {stage}: {level} throttle \
                     limit exceeded for {plan}{}. Limit: {:.2} Burst: {}",
                    method_text(serving, x),
                    at.map_or(0.0, |at| rate(at.burst, at.fill_ns)),
                    at.map_or(0, |at| at.burst),
                ));
            }
            Refusal::QuotaExceeded { .. } => {
                let quota = plan.and_then(|(id, quota)| Some((id, quota?)));
                let quota = quota.map_or(String::new(), |(id, quota)| {
                    let (limit, period) = (quota.limit, quota.period.as_str());
                    format!(" for Usage Plan ID {id}. Limit: {limit} Period: {period}")
                });
                self.error(format_args!(
                    "API Key {key} exceeded quota limit for API Stage {stage}: Key quota \
                     exhausted{quota}"
                ));
            }
            Refusal::Forbidden | Refusal::Awaits => {}
        }
    }
}

/// The plan that the client's key falls under, and its quota.
fn usage_plan(local: &Local, serving: &Serving, x: &Exchange) -> Option<(Id, Option<Quota>)> {
    let route = serving.plan.route(x.route?)?;
    let field = x.head.fields.all(Known::XApiKey).last()?;
    let directory = local.directory();
    let found = directory.find(x.text(field.value))?;
    let (plan, _) = found.plan(route.limits.stage)?;
    Some((plan.id, plan.quota))
}

/// Whether it is a usage plan that sets the limit.
fn is_of_plan(level: Level) -> bool {
    matches!(level, Level::UsageMethod | Level::UsageKey | Level::Quota)
}

fn level_text(level: Level) -> &'static str {
    match level {
        Level::UsageMethod | Level::UsageKey | Level::Quota => "Key",
        Level::Method => "Method",
        Level::Stage => "Stage",
        Level::Account => "Account",
        Level::Client => "Client",
    }
}

/// Requests a second of a bucket that fills in `fill_ns`.
#[allow(clippy::cast_precision_loss)] // printed with two digits
fn rate(burst: u32, fill_ns: u64) -> f64 {
    f64::from(burst) * 1e9 / fill_ns.max(1) as f64
}

/// `RestApi a1, Stage dev, Resource r1, HttpMethod GET`.
fn method_text(serving: &Serving, x: &Exchange) -> String {
    let stage = x.stage.and_then(|stage| serving.plan.stage(stage));
    let route = x.route.and_then(|route| serving.plan.route(route));
    let (api, stage) = stage.map_or(("", ""), |stage| (&*stage.api_id, &*stage.name));
    let (resource, verb) =
        route.map_or(("", ""), |route| (&*route.resource_id, route.verb.token()));
    format!("RestApi {api}, Stage {stage}, Resource {resource}, HttpMethod {verb}")
}
