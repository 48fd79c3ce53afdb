//! What the control core does for the origins: names, health, drains, and the list of them.
//!
//! What it is: one resolver and one set of health checks per host, started with each plan. Shape:
//! [`Upstreams`]. Units: in the names. Errors: a file that cannot be read counts as empty, as with
//! the system's own resolver. Source: RELIABILITY section 4; hosts(5), resolv.conf(5).

use std::{cell::RefCell, rc::Rc, sync::Arc};

use tidegate_edge::{
    base::time::Mono,
    exec::Core,
    origin::{
        EndpointReport, EndpointState, OriginIndex, OriginPlan, Resolver, ResolverConfig, describe,
        health::{self, Change, Checked, Checks, OnChange},
    },
    plan::DnsPlan,
    server::Blueprint,
};

/// Names and health of all origins.
#[derive(Default)]
pub(super) struct Upstreams {
    running: RefCell<Option<Running>>,
}

struct Running {
    resolver: Rc<Resolver>,
    dns: DnsPlan,
    _checks: Checks,
}

impl Upstreams {
    /// Resolves and checks what `blueprints` name from now on, and nothing else. A group that a
    /// later one has too is checked as that one says.
    pub(super) fn watch(&self, core: &Rc<Core>, blueprints: &[&Blueprint]) {
        let Some(dns_now) = blueprints.last().map(|last| &last.plan.dns) else {
            return self.stop();
        };
        let files =
            [HOSTS, RESOLV_CONF].map(|file| std::fs::read_to_string(file).unwrap_or_default());
        let before = self.running.take();
        let resolver = match before {
            Some(Running { resolver, dns, .. }) if dns == *dns_now => {
                resolver.set_files(&files[0], &files[1]);
                resolver
            }
            _ => Resolver::new(core, config(dns_now), &files[0], &files[1]),
        };
        let plans = blueprints
            .iter()
            .map(|one| (Arc::clone(&one.plan.origins), one.states.to_vec()));
        resolver.watch(&plans.collect::<Vec<_>>());
        let on_change: OnChange = Rc::new(say);
        *self.running.borrow_mut() = Some(Running {
            resolver,
            dns: dns_now.clone(),
            _checks: health::watch(core, &checked(blueprints), &on_change),
        });
    }

    /// Ends resolving and checking.
    pub(super) fn stop(&self) {
        self.running.take();
    }
}

/// Resolves what `blueprint` names, for as long as the answer is kept, and checks nothing: for who
/// asks once.
pub(crate) fn resolve(core: &Rc<Core>, blueprint: &Blueprint) -> Rc<Resolver> {
    let plan = &blueprint.plan;
    let files = [HOSTS, RESOLV_CONF].map(|file| std::fs::read_to_string(file).unwrap_or_default());
    let resolver = Resolver::new(core, config(&plan.dns), &files[0], &files[1]);
    resolver.watch(&[(Arc::clone(&plan.origins), blueprint.states.to_vec())]);
    resolver
}

/// Every group once, in its newest shape.
fn checked(blueprints: &[&Blueprint]) -> Vec<Checked> {
    let mut groups: Vec<Checked> = Vec::new();
    for blueprint in blueprints.iter().rev() {
        let origins = &blueprint.plan.origins;
        let each = origins.iter().zip(&blueprint.states);
        for (((plan, state), tls), index) in each.zip(&blueprint.origin_tls).zip(0..) {
            let is_known = groups.iter().any(|newer| {
                let index = newer.index.0 as usize;
                (newer.origins.get(index)).is_some_and(|newer| newer.name == plan.name)
            });
            if !is_known {
                groups.push(Checked {
                    origins: Arc::clone(origins),
                    index: OriginIndex(index),
                    state: Arc::clone(state),
                    tls: tls.clone(),
                });
            }
        }
    }
    groups
}

/// Every endpoint of every group.
pub(super) fn list(blueprint: &Blueprint, now: Mono) -> Vec<EndpointReport> {
    let groups = blueprint.plan.origins.iter().zip(&blueprint.states);
    groups
        .flat_map(|(plan, state)| describe(plan, state, now))
        .collect()
}

/// Takes a group, or those of its endpoints that `endpoint` names by region or authority, out of
/// use or back into it; gives how many endpoints that were. 0: nothing has these names.
pub(super) fn set_drained(
    blueprint: &Blueprint,
    origin: &str,
    endpoint: Option<&str>,
    drained: bool,
) -> usize {
    let named = |plan: &OriginPlan, state: &EndpointState, region: &str, authority: &str| {
        let hit = *plan.name == *origin
            && endpoint.is_none_or(|name| name == region || name == authority);
        if hit {
            state.set_drained(drained);
        }
        hit
    };
    each(blueprint)
        .filter(|(plan, state, region, authority)| named(plan, state, region, authority))
        .count()
}

/// What operators have taken out of use, one `origin TAB region TAB authority` a line.
pub(super) fn drained_text(blueprint: &Blueprint) -> String {
    each(blueprint)
        .filter(|(_, state, ..)| state.is_drained())
        .map(|(plan, _, region, authority)| format!("{}\t{region}\t{authority}\n", plan.name))
        .collect()
}

/// Takes the same out of use again, in the successor of an upgrade.
pub(super) fn drain_by_text(blueprint: &Blueprint, text: &str) {
    for line in text.lines() {
        for (plan, state, region, authority) in each(blueprint) {
            if line == format!("{}\t{region}\t{authority}", plan.name) {
                state.set_drained(true);
            }
        }
    }
}

fn each(blueprint: &Blueprint) -> impl Iterator<Item = (&OriginPlan, &EndpointState, &str, &str)> {
    let groups = blueprint.plan.origins.iter().zip(&blueprint.states);
    groups.flat_map(|(plan, state)| {
        let endpoints = plan.endpoints.iter().zip(&state.endpoints);
        endpoints
            .map(move |(endpoint, state)| (plan, &**state, &*endpoint.region, &*endpoint.authority))
    })
}

fn say(change: &Change<'_>) {
    let endpoint = change.origin.endpoints.get(change.endpoint);
    let (name, authority) = (
        &change.origin.name,
        endpoint.map_or("?", |endpoint| &endpoint.authority),
    );
    match change.fault {
        Some(fault) => eprintln!("tidegate: origin {name}: {authority} is ill: {fault}"),
        None => eprintln!("tidegate: origin {name}: {authority} is well again"),
    }
}

fn config(dns: &DnsPlan) -> ResolverConfig {
    ResolverConfig {
        servers: dns.servers.clone(),
        timeout_ms: dns.timeout_ms,
        attempts: dns.attempts,
        ttl_max_s: dns.ttl_max_s,
        negative_ttl_max_s: dns.negative_ttl_max_s,
        ..ResolverConfig::default()
    }
}

const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";
