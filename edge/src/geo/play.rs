//! From a scenario to a report.
//!
//! What it is: plays each deployment, one after the other, and puts together what was counted.
//! Shape: [`simulate`] is the whole of it. Units: as in the report. Errors: text; a scenario that
//! was accepted has none unless the gateway or the simulator is wrong. Source: docs/simulator.md.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    advice,
    price::Usage,
    random::whole,
    result::{
        BurstFacts, City, CityFigures, Deployment, FailureFacts, Inside, PriceFacts, QUANTILES,
        Report, Role, SCHEMA, ScenarioFacts, Site,
    },
    scenario::Kind,
    setup::Setup,
    stage::Stage,
};

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Progress {
    /// Which deployment.
    pub kind: Kind,
    /// Its place among all of them.
    pub index: usize,
    /// How many there are.
    pub count: usize,
    /// How much of its time is over.
    pub share: f64,
    /// Requests that have ended.
    pub requests: u64,
}

/// Plays `setup`; `tell` hears of progress. Nothing is written anywhere.
///
/// # Errors
/// What went wrong in the gateway or the simulator.
pub fn simulate(setup: Setup, mut tell: impl FnMut(&Progress)) -> Result<Report, String> {
    let setup = Rc::new(setup);
    let kinds = setup.scenario.compare.clone();
    let mut deployments = Vec::new();
    let mut requests_simulated = 0;
    for (index, kind) in kinds.iter().copied().enumerate() {
        let wrong = |what: String| format!("{}: {what}", kind.as_str());
        let mut stage = Stage::new(&setup, kind).map_err(wrong)?;
        let told = stage.play(|share, requests| {
            tell(&Progress {
                kind,
                index,
                count: kinds.len(),
                share,
                requests,
            });
        });
        told.map_err(wrong)?;
        requests_simulated += stage.tally.borrow().ended;
        deployments.push(deployment(&stage));
        stage.end();
    }
    let first = deployments
        .first()
        .map_or(0, |first| first.inside.long_handshakes);
    for deployment in &mut deployments {
        let own = deployment.inside.long_handshakes;
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        deployment.inside.handshakes_saved = signed(first) - signed(own);
    }
    let advice = advice::advise(&setup, &deployments);
    Ok(Report {
        schema: SCHEMA,
        scenario: facts(&setup, requests_simulated),
        quantiles: QUANTILES.to_vec(),
        cities: cities(&setup),
        sites: sites(&setup),
        delays: setup.delays.fit.clone(),
        prices: PriceFacts {
            date: setup.prices.date.clone(),
            source: setup.prices.source.clone(),
            currency: setup.prices.currency.clone(),
        },
        deployments,
        advice,
    })
}

fn deployment(stage: &Stage) -> Deployment {
    let (setup, kind) = (&stage.setup, stage.kind);
    let tally = stage.tally.borrow();
    let overall = tally.overall();
    let city = |city: usize| {
        let meets = setup.meets(kind, city).first().copied();
        CityFigures {
            meets,
            rtt_ms: meets.map_or(0.0, |site| setup.client_rtt_ms(kind, city, site)),
            seen: tally.figures(city),
        }
    };
    let by_site = stage.counted();
    let sum = |role: Role| {
        let own = by_site
            .iter()
            .filter(|(site, _)| setup.sites[**site].role == role);
        own.fold(super::gateway::Counts::default(), |sum, (_, count)| {
            sum.and(*count)
        })
    };
    let (edges, tiers, regions) = (sum(Role::Edge), sum(Role::RegionalEdge), sum(Role::Region));
    let worked = stage.worked();
    let answered = overall.good + overall.other;
    let inside = Inside {
        at_edges: edges.requests,
        at_regional_edges: tiers.requests,
        at_regions: regions.requests,
        at_backends: worked.requests,
        origin_offload: (1.0 - worked.requests as f64 / answered.max(1) as f64).max(0.0),
        regional_edge_hits: tiers.hits,
        collapsed: edges.collapsed + tiers.collapsed,
        long_handshakes: if kind.has_edges() {
            edges.connects + tiers.connects
        } else {
            overall.connects
        },
        handshakes_saved: 0,
        warm: edges.reuses + tiers.reuses,
        bytes_between: if kind.has_edges() {
            regions.bytes_out + tiers.bytes_out
        } else {
            0
        },
        cold_starts: worked.cold_starts,
        refused_by_backends: worked.refused,
        busiest: worked.busiest,
    };
    let mut edge_bytes_out = BTreeMap::new();
    for (site, count) in &by_site {
        let plan = setup.sites[*site];
        if plan.role == Role::Edge {
            let zone = setup.places[plan.place].zone.clone();
            *edge_bytes_out.entry(zone).or_default() += count.bytes_out;
        }
    }
    let scenario = &setup.scenario;
    let hours = f64::from(scenario.duration_s - scenario.warm_up_s) / 3_600.0;
    let hosts = setup.sites_in(kind).len() - setup.sites_of(Role::Region).count().min(1);
    let has_functions = scenario
        .backends
        .iter()
        .any(|backend| backend.functions.is_some());
    let usage = Usage {
        owns_edges: kind == Kind::OwnTier,
        requests: overall.requests,
        at_edges: edges.requests,
        at_regions: regions.requests,
        region_bytes_out: if kind.has_edges() {
            0
        } else {
            regions.bytes_out
        },
        bytes_between: inside.bytes_between,
        edge_bytes_out,
        edge_hours: hosts as f64 * hours,
        function_calls: if has_functions { worked.requests } else { 0 },
        function_gb_s: worked.mib_ns as f64 / 1e9 * 1_048_576.0 / 1e9,
    };
    Deployment {
        kind,
        title: kind.title().to_owned(),
        sites: setup.sites_in(kind),
        cities: (0..setup.cities.len()).map(city).collect(),
        timeline: tally.timeline(),
        detections: stage.detections(),
        cost: setup.prices.bill(&usage),
        overall,
        inside,
    }
}

fn facts(setup: &Setup, requests_simulated: u64) -> ScenarioFacts {
    let scenario = &setup.scenario;
    ScenarioFacts {
        name: scenario.name.clone(),
        title: scenario.title.clone(),
        about: scenario.about.trim().to_owned(),
        seed: scenario.seed,
        duration_s: scenario.duration_s,
        warm_up_s: scenario.warm_up_s,
        requests_simulated,
        failures: (scenario.failures.iter())
            .map(|failure| FailureFacts {
                region: failure.region.clone(),
                from_s: failure.at_s,
                to_s: failure.at_s + failure.for_s,
            })
            .collect(),
        bursts: (scenario.bursts.iter())
            .map(|burst| BurstFacts {
                from_s: burst.at_s,
                to_s: burst.at_s + burst.for_s,
                factor: burst.factor,
            })
            .collect(),
    }
}

fn cities(setup: &Setup) -> Vec<City> {
    let city = |city: &super::setup::CityPlan| {
        let place = &setup.places[city.place];
        City {
            name: place.name.clone(),
            lat: place.lat,
            lon: place.lon,
            // Rounded, so that reports do not end in the noise of a division.
            share: whole(city.share * 1e6) as f64 / 1e6,
        }
    };
    setup.cities.iter().map(city).collect()
}

fn sites(setup: &Setup) -> Vec<Site> {
    let site = |site: &super::setup::SitePlan| {
        let place = &setup.places[site.place];
        Site {
            name: place.name.clone(),
            role: site.role,
            lat: place.lat,
            lon: place.lon,
        }
    };
    setup.sites.iter().map(site).collect()
}

#[cfg(test)]
#[path = "play_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "formula_tests.rs"]
mod formulas;
