//! Which limits a request has to pass, in the order in which they are asked.
//!
//! Shape: [`Throttling`], printed by [`super::Explanation`]; levels with numbers from 1 on. Usage
//! plans are those of the settings: what the store says besides is `tidegate plans`. Units: requests
//! a second, requests at once. Errors: none; a rate that cannot be counted was reported by the
//! compiler. Source: `limits::gate`, which asks in the same order.

use serde::Serialize;
use tidegate_edge::{
    limits::{Level, Rate},
    model::settings::{PlanStage, Settings, UsagePlan},
    plan::{Plan, RouteFacts},
};

/// What stands between a request and its integration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Throttling {
    /// A key of a usage plan for this stage has to be sent.
    pub needs_key: bool,
    /// Those that apply, the first to be asked first.
    pub levels: Vec<LevelRow>,
    /// Spent last, and not by who was refused before.
    pub quotas: Vec<String>,
    /// Who refuses when requests keep coming faster than every level allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_at_rate: Option<String>,
    /// Who refuses when many come at once, while all buckets are full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_at_burst: Option<String>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LevelRow {
    pub level: String,
    /// Whose requests are counted together.
    pub counts: String,
    /// Decimals allowed, so as text.
    pub rate_limit: String,
    pub burst_limit: u32,
    #[serde(skip)]
    rate: Rate,
}

/// The limits of the route of `facts`.
pub(super) fn throttling(
    plan: &Plan,
    settings: &Settings,
    facts: &RouteFacts<'_>,
) -> Option<Throttling> {
    let limits = &facts.route.limits;
    let mut levels = Vec::new();
    let clients = plan
        .throttle
        .as_ref()
        .and_then(|plan| plan.clients.as_ref());
    if let Some(clients) = clients {
        let (v4, v6) = (clients.limit.ipv4_prefix, clients.limit.ipv6_prefix);
        let counts = format!("one client address (IPv4 /{v4}, IPv6 /{v6})");
        let rate = clients.limit.limit.rate;
        levels.push(row(Level::Client.as_str(), counts, rate));
    }
    for limit in &limits.rates {
        let counts = match limit.level {
            Level::Account => "all stages",
            Level::Stage => "this stage",
            _ => "this method",
        };
        levels.push(row(
            limit.level.as_str(),
            counts.to_owned(),
            limit.limit.rate,
        ));
    }
    if limits.needs_key {
        plans(settings, facts, &mut levels);
    }
    if levels.is_empty() && !limits.needs_key {
        return None;
    }
    let first = |least: &dyn Fn(&LevelRow) -> u64| {
        let first = levels.iter().min_by_key(|level| least(level));
        first.map(|level| level.level.clone())
    };
    let quotas = if limits.needs_key {
        quotas(settings, facts)
    } else {
        Vec::new()
    };
    Some(Throttling {
        needs_key: limits.needs_key,
        quotas,
        first_at_rate: first(&|level| level.rate.micro_per_s),
        first_at_burst: first(&|level| u64::from(level.burst_limit)),
        levels,
    })
}

/// The levels of every usage plan in the settings that lists the stage.
fn plans(settings: &Settings, facts: &RouteFacts<'_>, levels: &mut Vec<LevelRow>) {
    let method = format!("{}/{}", facts.route.resource_path, facts.route.verb.token());
    for plan in &settings.usage_plans {
        let mut stages = plan.api_stages.iter();
        let Some(stage) = stages.find(|stage| is_for(stage, facts)) else {
            continue;
        };
        let own = stage.throttle.get(&method);
        let rows = [
            (Level::UsageKey, plan.throttle.as_ref(), "one key"),
            (Level::UsageMethod, own, "one key at this method"),
        ];
        for (level, throttle, counts) in rows {
            let rate = throttle.and_then(|it| Rate::new(it.rate_limit, it.burst_limit).ok());
            if let Some(rate) = rate {
                let level = format!("{} ({})", level.as_str(), plan.id);
                levels.push(row(&level, counts.to_owned(), rate));
            }
        }
    }
}

/// What each key may use up, by usage plans of the settings that list the stage.
fn quotas(settings: &Settings, facts: &RouteFacts<'_>) -> Vec<String> {
    let plans = settings.usage_plans.iter().filter(|plan| {
        let mut stages = plan.api_stages.iter();
        stages.any(|stage| is_for(stage, facts))
    });
    let text = |plan: &UsagePlan| {
        let quota = plan.quota.as_ref()?;
        let period = quota.period.to_lowercase();
        Some(format!(
            "{} a {period} for one key ({})",
            quota.limit, plan.id
        ))
    };
    plans.filter_map(text).collect()
}

fn is_for(stage: &PlanStage, facts: &RouteFacts<'_>) -> bool {
    stage.api == *facts.stage.api_id && stage.stage == *facts.stage.name
}

fn row(level: &str, counts: String, rate: Rate) -> LevelRow {
    LevelRow {
        level: level.to_owned(),
        counts,
        rate_limit: rate.per_s().to_string(),
        burst_limit: rate.burst,
        rate,
    }
}

/// As rows of text.
pub(super) fn write(throttling: &Throttling, out: &mut impl FnMut(&str, &str)) {
    let key = if throttling.needs_key {
        "needed, of a usage plan for this stage"
    } else {
        "not needed"
    };
    out("API key", key);
    for (nth, level) in throttling.levels.iter().enumerate() {
        let LevelRow {
            level,
            counts,
            rate_limit,
            burst_limit,
            ..
        } = level;
        let text = format!(
            "{}. {level}: {rate_limit} a second, {burst_limit} at once, for {counts}",
            nth + 1
        );
        out(if nth == 0 { "throttles" } else { "" }, &text);
    }
    for quota in &throttling.quotas {
        out("quota", quota);
    }
    if let (Some(rate), Some(burst)) = (&throttling.first_at_rate, &throttling.first_at_burst) {
        out(
            "refuses",
            &format!("first at once: {burst}; first at a steady rate: {rate}"),
        );
    }
}
