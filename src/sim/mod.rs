//! Simulations of deployments: from files to a report, and a report for people.
//!
//! Shape: [`load`] reads a scenario and the world it plays in; [`table`] shows what came of it in a
//! terminal, [`html`] on a page. The world is part of the program, and so are some scenarios
//! ([`SHIPPED`]), which are known by their names; a scenario may bring files of its own, next to it.
//! Units: as in the report. Errors: text that names the file. Source: docs/simulator.md.

pub mod html;
pub mod table;

use std::{fs, io, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use tidegate_edge::geo::{Data, RttTable, Scenario, Setup, read_places};

/// What a person may change of a scenario on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Changes {
    /// Another seed.
    pub seed: Option<u64>,
    /// Other many requests.
    pub requests: Option<u64>,
}

/// A scenario's file: the world it plays in, if that is not the usual one, and the scenario.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    world: World,
    #[serde(flatten)]
    scenario: toml::Table,
}

/// Files instead of those that are part of the program, relative to the scenario's folder.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct World {
    places: Option<String>,
    rtts: Option<String>,
    prices: Option<String>,
}

/// A scenario that is part of the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shipped {
    /// What to call it by.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

impl Shipped {
    /// The one of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Shipped> {
        SHIPPED.iter().copied().find(|known| known.name == name)
    }

    /// What it is about, in a line.
    #[must_use]
    pub fn title(self) -> String {
        let table: Option<toml::Table> = self.text.parse().ok();
        let title = table
            .as_ref()
            .and_then(|table| table.get("title")?.as_str());
        title.unwrap_or_default().to_owned()
    }
}

/// Reads the scenario at `path`, or the one that ships with this name, and all that belongs to it.
///
/// # Errors
/// The file that cannot be used, and why.
pub fn load(path: &Path, changes: Changes) -> Result<Setup, String> {
    let name = path.display();
    let text = match (
        fs::read_to_string(path),
        path.to_str().and_then(Shipped::find),
    ) {
        (Ok(text), _) => text,
        (Err(error), Some(shipped)) if error.kind() == io::ErrorKind::NotFound => {
            shipped.text.to_owned()
        }
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!(
                "{name}: there is no such file, and no scenario that ships has this name (see --list)"
            ));
        }
        (Err(error), _) => return Err(format!("{name}: {error}")),
    };
    // Once for faults with their line, and once for the parts.
    let file: File = parse(&name.to_string(), &text)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let read = |file: &Option<String>, own: &str| match file {
        None => Ok(("the world".to_owned(), own.to_owned())),
        Some(file) => {
            let path = folder.join(file);
            let text = fs::read_to_string(&path);
            let name = path.display().to_string();
            text.map(|text| (name.clone(), text))
                .map_err(|error| format!("{name}: {error}"))
        }
    };
    let places = read(&file.world.places, PLACES)?;
    let rtts = read(&file.world.rtts, RTTS)?;
    let prices = read(&file.world.prices, PRICES)?;
    let data = Data {
        places: read_places(&places.1).map_err(|why| format!("{}: {why}", places.0))?,
        rtts: RttTable::read(&rtts.1).map_err(|why| format!("{}: {why}", rtts.0))?,
        prices: parse(&prices.0, &prices.1)?,
    };
    let mut scenario: Scenario = (file.scenario.try_into())
        .map_err(|error: toml::de::Error| format!("{name}: {}", error.to_string().trim()))?;
    scenario.seed = changes.seed.unwrap_or(scenario.seed);
    scenario.requests = changes.requests.unwrap_or(scenario.requests);
    Setup::new(scenario, &data).map_err(|fault| format!("{name}: {fault}"))
}

fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| format!("{name}: {}", error.to_string().trim()))
}

/// Every scenario that is part of the program.
pub const SHIPPED: &[Shipped] = &[
    Shipped {
        name: "global-read-heavy",
        text: include_str!("../../configs/scenarios/global-read-heavy.toml"),
    },
    Shipped {
        name: "single-country",
        text: include_str!("../../configs/scenarios/single-country.toml"),
    },
    Shipped {
        name: "burst-to-functions",
        text: include_str!("../../configs/scenarios/burst-to-functions.toml"),
    },
    Shipped {
        name: "region-loss",
        text: include_str!("../../configs/scenarios/region-loss.toml"),
    },
    Shipped {
        name: "write-heavy",
        text: include_str!("../../configs/scenarios/write-heavy.toml"),
    },
];
const PLACES: &str = include_str!("../../configs/world/places.csv");
const RTTS: &str = include_str!("../../configs/world/rtt.csv");
const PRICES: &str = include_str!("../../configs/world/prices.toml");
/// Describes the JSON of a report.
pub const SCHEMA: &str = include_str!("../../configs/scenarios/report.schema.json");
