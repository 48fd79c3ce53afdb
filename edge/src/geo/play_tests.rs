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
    simulate(sample::setup(text), |_| {}).expect("a simulation")
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

#[test]
fn a_lost_region_fails_those_who_go_there_and_nobody_else() {
    let report = play(
        "compare = [\"regional\", \"active_active\", \"edge_active_active\"]\n\
         regions = [\"Frankfurt\", \"Tokyo\"]\nrequests = 1200\n\
         [clients]\ntimeout_ms = 2000\n\
         [[failures]]\nregion = \"Frankfurt\"\nat_s = 20.0\nfor_s = 20.0\nnoticed_s = 5.0\n",
    );
    // A long answer over a path that loses may take longer than its client waits, at any time.
    let is_stray = |errors: u64| errors <= 2;
    let errors_outside = |kind: Kind, from_s: f64, to_s: f64| -> u64 {
        let ticks = of(&report, kind).timeline.iter();
        let outside = ticks.filter(|tick| !(from_s..=to_s).contains(&tick.from_s));
        outside.map(|tick| tick.errors).sum()
    };
    let regional = of(&report, Kind::Regional);
    // Whoever asked shortly before is cut off too; 60 parts of a second each.
    assert!(regional.overall.errors > 100, "{}", regional.overall.errors);
    let stray = errors_outside(Kind::Regional, 19.0, 40.0);
    assert!(is_stray(stray), "{stray} while it was there");
    let active = of(&report, Kind::ActiveActive);
    assert!(active.overall.errors > 20, "{}", active.overall.errors);
    let stray = errors_outside(Kind::ActiveActive, 19.0, 25.0);
    assert!(is_stray(stray), "{stray} when it was noticed");
    let tokyo = &active.cities[2].seen;
    assert_eq!(tokyo.errors, 0, "its region was not lost");
    // Edges wait for a connection longer than these clients do, and then ask the other region.
    let edges = of(&report, Kind::EdgeActiveActive).overall.errors;
    assert!(edges < regional.overall.errors / 2, "{edges}");
    for row in &report.deployments {
        let last: u64 = row.timeline[45..].iter().map(|tick| tick.errors).sum();
        assert_eq!(last, 0, "{:?}: it is back", row.kind);
    }
}

#[test]
fn limits_let_through_what_they_promise() {
    let report = play(
        "requests = 3000\ncompare = [\"regional\", \"edge\"]\n\
         [limits]\nrate = 10.0\nburst = 20\n",
    );
    for row in &report.deployments {
        let seen = &row.overall;
        assert_eq!(seen.good + seen.throttled, seen.requests, "{:?}", row.kind);
        let most = 10 * 60 + 20;
        assert!(
            seen.good <= most && seen.good > most * 9 / 10,
            "{:?}: {}",
            row.kind,
            seen.good
        );
        assert_eq!(row.inside.at_backends, seen.good, "{:?}", row.kind);
    }
}

#[test]
fn keys_have_the_limits_of_their_plans() {
    let report = play(
        "requests = 3000\ncompare = [\"edge_cached\"]\n\
         [[plans]]\nname = \"free\"\nshare = 1.0\nkeys = 2\nrate = 3.0\nburst = 5\n\
         [[traffic]]\nname = \"keyed\"\nshare = 1.0\nbackend = \"app\"\nkeyed = true\n\
         answer_bytes = { median = 100 }\n",
    );
    let seen = &report.deployments[0].overall;
    let most = 2 * (3 * 60 + 5);
    assert!(seen.throttled > 0 && seen.other == 0, "{seen:?}");
    assert!(
        seen.good <= most && seen.good > most * 9 / 10,
        "{} of {most}",
        seen.good
    );
}

#[test]
fn quotas_end_where_they_say_whatever_their_region_goes_through() {
    let text = |loss: &str| {
        format!(
            "requests = 3000\ncompare = [\"regional\"]\n\
             [[plans]]\nname = \"free\"\nshare = 1.0\nkeys = 2\nrate = 1000.0\nburst = 1000\n\
             quota = {{ limit = 450, period = \"month\" }}\n\
             [[traffic]]\nname = \"keyed\"\nshare = 1.0\nbackend = \"app\"\nkeyed = true\n\
             answer_bytes = {{ median = 100 }}\n{loss}"
        )
    };
    let report = play(&text(""));
    let seen = &report.deployments[0].overall;
    assert_eq!(seen.good, 2 * 450, "{seen:?}");
    assert_eq!(seen.good + seen.throttled, seen.requests, "{seen:?}");
    // A lost region loses at most the lease that each key had.
    let report = play(&text(
        "[[failures]]\nregion = \"Frankfurt\"\nat_s = 5.0\nfor_s = 1.0\n",
    ));
    let seen = &report.deployments[0].overall;
    let leases = 2 * 2 * (450 / 100);
    assert!(seen.errors > 0, "{seen:?}");
    assert!(
        (2 * 450 - leases..=2 * 450).contains(&seen.good),
        "{seen:?}"
    );
}

#[test]
fn edges_that_check_their_regions_find_out_that_one_is_lost() {
    let text = |health: &str| {
        format!(
            "compare = [\"edge_active_active\", \"active_active\"]\n\
             regions = [\"Frankfurt\", \"Tokyo\"]\n\
             requests = 400\n[clients]\ntimeout_ms = 2000\n{health}\n\
             [[failures]]\nregion = \"Frankfurt\"\nat_s = 20.0\nfor_s = 20.0\nnoticed_s = 5.0\n"
        )
    };
    let blind = play(&text(""));
    assert!(
        blind
            .deployments
            .iter()
            .all(|row| row.detections.is_empty())
    );
    let report = play(&text(
        "[health]\ninterval_ms = 2000\ntimeout_ms = 1500\nunhealthy_after = 2\nhealthy_after = 2",
    ));
    let edges = of(&report, Kind::EdgeActiveActive);
    let [found] = &edges.detections[..] else {
        panic!("{:?}", edges.detections);
    };
    assert_eq!(report.sites[found.region].name, "Frankfurt");
    assert_eq!((found.from_s, found.watchers), (20.0, 3));
    for (what, learned, least_s, most_s) in [
        // Two checks, each a second and a half at most, and no further apart than 2.2.
        ("lost", &found.lost, 2.0, 2.2 + 2.2 + 1.5),
        ("back", &found.back, 1.8, 2.2 + 2.2 + 1.5),
    ] {
        assert_eq!(learned.count, 3, "{what}: {learned:?}");
        assert!(learned.first_s >= least_s, "{what}: {learned:?}");
        assert!(learned.last_s <= most_s, "{what}: {learned:?}");
        assert!(learned.first_s <= learned.median_s && learned.median_s <= learned.last_s);
    }
    let errors = |report: &Report| of(report, Kind::EdgeActiveActive).overall.errors;
    assert!(
        errors(&report) < errors(&blind),
        "{} and {} without checks",
        errors(&report),
        errors(&blind)
    );
    let counted = &edges.inside;
    assert_eq!(
        counted.at_edges, edges.overall.requests,
        "checks are nobody's requests"
    );
}
