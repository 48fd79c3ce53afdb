//! A small world for tests.

use super::{
    delays::RttTable,
    place::read_places,
    price::Prices,
    scenario::Scenario,
    setup::{Data, Setup},
};

/// The sample with the keys of `text` instead of its own.
pub(super) fn setup(text: &str) -> Setup {
    Setup::new(scenario(text), &data()).expect("a sample that can be played")
}

/// The same before it is resolved.
pub(super) fn scenario(text: &str) -> Scenario {
    let mut table: toml::Table = SAMPLE.parse().expect("the sample");
    let changes: toml::Table = text.parse().expect("changes");
    for (key, value) in changes {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => old.extend(new),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
    table.try_into().expect("a scenario")
}

/// The world that ships.
pub(super) fn data() -> Data {
    let places = include_str!("../../../configs/world/places.csv");
    let rtts = include_str!("../../../configs/world/rtt.csv");
    let prices: Prices =
        toml::from_str(include_str!("../../../configs/world/prices.toml")).expect("prices");
    Data {
        places: read_places(places).expect("places"),
        rtts: RttTable::read(rtts).expect("a table"),
        prices,
    }
}

const SAMPLE: &str = r#"
name = "sample"
title = "A small world"
seed = 1
requests = 600
duration_s = 60
compare = ["regional", "edge_cached"]
regions = ["Frankfurt"]
edges = ["Frankfurt", "London", "Tokyo"]
regional_edges = ["London"]

[clients]
cities = ["Frankfurt", "London", "Tokyo"]

[network.last_mile]
spread = 1.0

[[traffic]]
name = "pages"
share = 0.8
backend = "app"
objects = 1000
zipf = 1.0
max_age_s = 60
answer_bytes = { median = 4000, p90 = 20000 }

[[traffic]]
name = "orders"
share = 0.2
backend = "app"
method = "POST"
answer_bytes = { median = 300 }
request_bytes = { median = 800 }

[[backends]]
name = "app"
service_ms = 5.0
servers = { count = 1000 }
"#;
