//! Whole simulations: what must hold in each of them, and what the formulas say.

use super::{
    super::{
        result::{Deployment, Report},
        sample,
        scenario::Kind,
    },
    simulate,
};

fn play(text: &str) -> Report {
    let scratch = tempfile::tempdir().expect("a folder");
    simulate(sample::setup(text), scratch.path(), |_| {}).expect("a simulation")
}

fn of(report: &Report, kind: Kind) -> &Deployment {
    let mut all = report.deployments.iter();
    all.find(|row| row.kind == kind).expect("a deployment")
}

#[test]
fn every_request_ends_once_in_every_deployment() {
    let all = "compare = [\"regional\", \"edge\", \"edge_cached\", \"own_tier\", \"private\", \
        \"active_active\", \"edge_active_active\"]\nregions = [\"Frankfurt\", \"Washington_DC\"]\n";
    let report = play(all);
    assert_eq!(report.deployments.len(), Kind::ALL.len());
    let wanted = report.deployments[0].overall.requests;
    assert!((400..800).contains(&wanted), "{wanted}");
    for row in &report.deployments {
        let (kind, seen) = (row.kind, &row.overall);
        assert_eq!(
            seen.requests, wanted,
            "{kind:?}: the same is wanted in each"
        );
        let ends = seen.good + seen.throttled + seen.errors + seen.other + seen.unreachable;
        assert_eq!(ends, wanted, "{kind:?}");
        assert_eq!(seen.good, wanted, "{kind:?}: nothing fails here");
        assert_eq!(seen.latency.count, seen.good, "{kind:?}");
        let by_city: u64 = row.cities.iter().map(|city| city.seen.requests).sum();
        assert_eq!(by_city, wanted, "{kind:?}");
        let in_time: u64 = row.timeline.iter().map(|tick| tick.requests).sum();
        assert_eq!(in_time, wanted, "{kind:?}");
        // Requests came on a fresh connection or on an open one.
        assert_eq!(seen.connects, seen.tls_full + seen.tls_resumed, "{kind:?}");
        assert!(seen.connects + seen.reused >= wanted, "{kind:?}: {seen:?}");
        let inside = &row.inside;
        let met = if kind.has_edges() {
            inside.at_edges
        } else {
            inside.at_regions
        };
        assert_eq!(met, wanted, "{kind:?}: gateways met all of them");
        assert_eq!(inside.at_backends, inside.at_regions, "{kind:?}");
        assert!(row.cost.total > 0.0, "{kind:?}");
    }
    let cached = of(&report, Kind::EdgeCached);
    assert_eq!(
        cached.overall.hits + cached.inside.at_regions,
        wanted,
        "a hit asks nobody"
    );
    assert!(cached.overall.hits > 0);
    assert_eq!(
        of(&report, Kind::Edge).overall.hits,
        0,
        "without a cache there is no hit"
    );
    let tiered = of(&report, Kind::OwnTier);
    assert!(tiered.inside.regional_edge_hits > 0, "{:?}", tiered.inside);
    assert!(tiered.inside.at_regions < cached.inside.at_regions);
}

#[test]
fn a_seed_repeats_to_the_byte_and_another_differs() {
    let json = |text: &str| serde_json::to_string(&play(text)).expect("json");
    let once = json("");
    assert_eq!(once, json(""));
    assert_ne!(once, json("seed = 2"));
}
