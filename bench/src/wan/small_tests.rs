//! What: the smallest version of a scenario by example.
//! Shape: a report of three cities and two places in, places and tables out.
//! Units: milliseconds in reports, nanoseconds in distances.
//! Errors: none.
//! Source: docs/simulator.md.

use serde_json::json;
use toml::Table;

use super::{Places, Small, anchor_world, between, great_circle_km, without_events};
use crate::wan::case::{Distances, Session};

/// Two regions would be one too many: sites are edges first, then the region.
fn report() -> serde_json::Value {
    let city = |name: &str, share: f64| json!({ "name": name, "share": share });
    let site = |name: &str, lat: f64, lon: f64| json!({ "name": name, "lat": lat, "lon": lon });
    let meets = |site: u64, rtt_ms: f64| json!({ "meets": site, "rtt_ms": rtt_ms });
    json!({
        "cities": [city("Here", 0.6), city("Far", 0.3), city("Off", 0.1)],
        "sites": [site("Here", 0.0, 0.0), site("Far", 0.0, 90.0), site("Here", 0.0, 0.0)],
        "delays": {
            "base_ms": 5.0,
            "stretch": 1.5,
            "residuals": [{ "from": "Here", "to": "Far", "measured_ms": 140.0 }],
        },
        "deployments": [
            { "kind": "regional", "cities": [meets(2, 13.0), meets(2, 153.0), meets(2, 90.0)] },
            { "kind": "edge", "cities": [meets(0, 13.0), meets(1, 12.5), meets(1, 60.0)] },
        ],
    })
}

#[test]
fn the_largest_city_with_an_edge_of_its_own_is_chosen() {
    // wanted, city, client to edge, client to region
    for (wanted, city, near_ns, far_ns) in [
        (None, "Far", 12_500_000, 153_000_000),
        (Some("Off"), "Off", 60_000_000, 90_000_000),
    ] {
        let expected = Places {
            city: city.to_owned(),
            edge: "Far".to_owned(),
            region: "Here".to_owned(),
            distances: Distances {
                client_edge_ns: near_ns,
                edge_region_ns: 70_000_000,
                client_region_ns: far_ns,
            },
        };
        assert_eq!(Places::choose(&report(), wanted, 0.5), Ok(expected));
    }
    assert!(Places::choose(&report(), Some("Nowhere"), 1.0).is_err());
}

#[test]
fn what_was_not_measured_follows_the_fit() {
    let mut report = report();
    let between = |report: &serde_json::Value| {
        between(report, &report["sites"][1], &report["sites"][2]).expect("a time")
    };
    assert_eq!(between(&report), 140.0, "measured, whichever way");
    report["delays"]["residuals"] = json!([]);
    let km = great_circle_km([0.0, 0.0], [0.0, 90.0]);
    assert!((km - 10_007.5).abs() < 0.5, "a quarter of the globe: {km}");
    assert_eq!(between(&report), 5.0 + 1.5 * km / 100.0);
}

#[test]
fn a_world_of_its_own_is_found_from_elsewhere() {
    let text = "[world]\nplaces = \"mine.csv\"\nprices = \"/else/prices.toml\"\n";
    let mut table: Table = text.parse().expect("TOML");
    anchor_world(&mut table, "/there".as_ref());
    assert_eq!(table["world"]["places"].as_str(), Some("/there/mine.csv"));
    assert_eq!(table["world"]["prices"].as_str(), Some("/else/prices.toml"));
}

#[test]
fn nothing_is_left_to_chance() {
    let table: Table = r#"
        regions = ["A", "B"]
        failures = [{ region = "A" }]
        network.last_mile = { delay_ms = 9.0, jitter_ms = 2.0 }
        traffic = [{ name = "x", keyed = true }, { name = "y" }]
    "#
    .parse()
    .expect("TOML");
    let mut events = table.clone();
    without_events(&mut events);
    assert!(!events.contains_key("failures"));
    assert!(events["traffic"][0].get("keyed").is_none());
    let small = Small {
        table,
        places: Places::choose(&report(), None, 1.0).expect("places"),
        idle_restart: false,
    };
    let only = small.only(Session::NewResumed, 1000, 8.0);
    for (path, expected) in [
        (&["regions", "0"][..], "\"Here\""),
        (&["edges", "0"], "\"Far\""),
        (&["requests"], "2880"),
        (&["clients", "tls"], "true"),
        (&["clients", "tls_resumed"], "1.0"),
        (&["clients", "requests_per_visit"], "1.0"),
        (&["network", "last_mile", "delay_ms"], "9.0"),
        (&["network", "last_mile", "jitter_ms"], "0.0"),
        (&["traffic", "0", "answer_bytes", "median"], "1000"),
    ] {
        let mut value = &toml::Value::Table(only.clone());
        for key in path {
            value = match key.parse::<usize>() {
                Ok(index) => &value[index],
                Err(_) => &value[*key],
            };
        }
        assert_eq!(value.to_string(), expected, "{path:?}");
    }
    assert_eq!(only["traffic"].as_array().map(Vec::len), Some(1));
}
