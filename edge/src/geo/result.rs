//! What a simulation found, as data: the root of the JSON report.
//!
//! What it is: plain records that the terminal table, the JSON file and the HTML page are made of.
//! Shape: [`Report`] has the places once; a deployment's rows stand in the order of
//! [`Report::cities`]. Units: in the names: milliseconds, bytes, seconds of simulated time,
//! degrees; shares from 0 to 1; money in [`PriceFacts::currency`]. Ranges: a quantile of nothing is
//! 0. Errors: none. Source: `configs/scenarios/report.schema.json` describes the JSON.

use serde::Serialize;

use super::scenario::Kind;

/// The name and version of this structure.
pub const SCHEMA: &str = "tidegate-sim/1";

/// Quantiles of every [`Spread::cdf_ms`].
pub const QUANTILES: [f64; 41] = [
    0.0, 0.01, 0.02, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.275, 0.3, 0.325,
    0.35, 0.375, 0.4, 0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85,
    0.9, 0.925, 0.95, 0.975, 0.98, 0.99, 0.995, 0.999, 0.9999, 1.0,
];

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What was simulated.
    pub scenario: ScenarioFacts,
    /// The quantiles of all curves.
    pub quantiles: Vec<f64>,
    /// Where clients are, in the order of all rows.
    pub cities: Vec<City>,
    /// Where gateways are.
    pub sites: Vec<Site>,
    /// How distances became delays.
    pub delays: Fit,
    /// What things cost.
    pub prices: PriceFacts,
    /// One for each deployment, in the order of the scenario; the first is what the others are
    /// held against.
    pub deployments: Vec<Deployment>,
    /// What to choose.
    pub advice: Advice,
}

/// What was simulated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScenarioFacts {
    /// One word.
    pub name: String,
    /// One line.
    pub title: String,
    /// What there is to learn from it.
    pub about: String,
    /// Decides everything.
    pub seed: u64,
    /// Simulated time.
    pub duration_s: u32,
    /// Of which nothing was counted.
    pub warm_up_s: u32,
    /// Requests that were made in all deployments together, those of the warm-up included.
    pub requests_simulated: u64,
    /// When regions were lost.
    pub failures: Vec<FailureFacts>,
    /// When there was more than usual.
    pub bursts: Vec<BurstFacts>,
}

/// A region that was lost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureFacts {
    /// Which.
    pub region: String,
    /// From then on.
    pub from_s: f64,
    /// Until then.
    pub to_s: f64,
}

/// More than usual.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BurstFacts {
    /// From then on.
    pub from_s: f64,
    /// Until then.
    pub to_s: f64,
    /// Times the usual number.
    pub factor: f64,
}

/// Where clients are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct City {
    /// Its name; spaces are underscores.
    pub name: String,
    /// Latitude.
    pub lat: f64,
    /// Longitude.
    pub lon: f64,
    /// Of the clients.
    pub share: f64,
}

/// Where a gateway is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Site {
    /// Its city.
    pub name: String,
    /// What it is there.
    pub role: Role,
    /// Latitude.
    pub lat: f64,
    /// Longitude.
    pub lon: f64,
}

/// What a gateway is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Meets clients.
    Edge,
    /// Stands between edges and a region.
    RegionalEdge,
    /// The API itself.
    Region,
}

/// How distances became delays.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Round trip that any two places have.
    pub base_ms: f64,
    /// How much longer than the great circle light in fibre travels.
    pub stretch: f64,
    /// Half of the measured pairs are off by less.
    pub median_error: f64,
    /// Every measured pair.
    pub residuals: Vec<Residual>,
}

/// A measured pair.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Residual {
    /// One place.
    pub from: String,
    /// The other.
    pub to: String,
    /// Along the great circle.
    pub distance_km: f64,
    /// Round trip, both directions' mean.
    pub measured_ms: f64,
    /// Round trip by the fit.
    pub fitted_ms: f64,
}

/// What things cost, and since when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PriceFacts {
    /// When the prices were noted.
    pub date: String,
    /// Where they are from.
    pub source: String,
    /// `USD`.
    pub currency: String,
}

/// One deployment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Deployment {
    /// Which.
    pub kind: Kind,
    /// For people.
    pub title: String,
    /// Indices into [`Report::sites`] of the gateways it has.
    pub sites: Vec<usize>,
    /// All cities together.
    pub overall: Figures,
    /// Each city.
    pub cities: Vec<CityFigures>,
    /// What gateways and origins counted.
    pub inside: Inside,
    /// The run in parts of equal length.
    pub timeline: Vec<Tick>,
    /// How gateways found out that regions were lost, by the checks that they make; none without
    /// checks.
    pub detections: Vec<Detection>,
    /// What it would cost.
    pub cost: Cost,
}

/// How gateways found out that a region was lost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// Index into [`Report::sites`].
    pub region: usize,
    /// When it was lost.
    pub from_s: f64,
    /// Gateways that check it.
    pub watchers: u64,
    /// From then on until they knew.
    pub lost: Learned,
    /// From its return until they knew.
    pub back: Learned,
}

/// How long it took those that came to know.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Learned {
    /// How many did.
    pub count: u64,
    /// The first.
    pub first_s: f64,
    /// Half of them.
    pub median_s: f64,
    /// The last.
    pub last_s: f64,
}

/// What one city's clients saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CityFigures {
    /// Index into [`Report::sites`] of the gateway that they usually meet; none when they cannot
    /// ask.
    pub meets: Option<usize>,
    /// Round trip to it, last mile included.
    pub rtt_ms: f64,
    /// What they saw.
    pub seen: Figures,
}

/// What some clients saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Requests they made.
    pub requests: u64,
    /// Those that were answered well (below 400).
    pub good: u64,
    /// Refused by a limit (429).
    pub throttled: u64,
    /// Answered 500 and above, cut, or given up.
    pub errors: u64,
    /// Any other answer.
    pub other: u64,
    /// Those who cannot ask at all: outside of a private network.
    pub unreachable: u64,
    /// From the moment it was wanted to the last byte of a good answer.
    pub latency: Spread,
    /// To its first byte.
    pub first_byte: Spread,
    /// Connections opened.
    pub connects: u64,
    /// Full TLS handshakes.
    pub tls_full: u64,
    /// Resumed ones.
    pub tls_resumed: u64,
    /// Requests that found an open connection.
    pub reused: u64,
    /// Answers from an edge's cache, of the good ones.
    pub hits: u64,
    /// `hits` as a share.
    pub hit_ratio: f64,
    /// Bytes from clients, as TCP carries them.
    pub bytes_up: u64,
    /// Bytes to clients.
    pub bytes_down: u64,
}

/// How a time is spread.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Of how many.
    pub count: u64,
    /// Half are faster.
    pub p50_ms: f64,
    /// Nine of ten are.
    pub p90_ms: f64,
    /// 99 of a hundred.
    pub p99_ms: f64,
    /// 999 of a thousand.
    pub p999_ms: f64,
    /// Mean.
    pub mean_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// At each of [`Report::quantiles`].
    pub cdf_ms: Vec<f64>,
}

/// What gateways and origins counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inside {
    /// Requests that reached edges, regional edges, regions, backends.
    pub at_edges: u64,
    /// The second tier.
    pub at_regional_edges: u64,
    /// The API.
    pub at_regions: u64,
    /// Functions and servers.
    pub at_backends: u64,
    /// Of the answers to clients, how many no backend was asked for.
    pub origin_offload: f64,
    /// Answers from regional edges' caches.
    pub regional_edge_hits: u64,
    /// Requests that waited for another's fetch, at both tiers.
    pub collapsed: u64,
    /// Handshakes over the whole distance: clients with regions, or edges with what is behind them.
    pub long_handshakes: u64,
    /// How many fewer than in the first deployment.
    pub handshakes_saved: i64,
    /// Requests between gateways that found a warm connection.
    pub warm: u64,
    /// Bytes from regions to edges.
    pub bytes_between: u64,
    /// Cold starts of functions.
    pub cold_starts: u64,
    /// Requests that functions or full queues refused.
    pub refused_by_backends: u64,
    /// The most requests at backends at once.
    pub busiest: u64,
}

/// A part of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tick {
    /// When it began.
    pub from_s: f64,
    /// Requests that were wanted in it.
    pub requests: u64,
    /// Of which failed.
    pub errors: u64,
    /// Of which a limit refused.
    pub throttled: u64,
    /// Mean latency of the good ones.
    pub mean_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// What it would cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Each part; their sum is `total`.
    pub parts: Vec<CostPart>,
    /// The whole run.
    pub total: f64,
    /// The same for a million requests.
    pub per_million_requests: f64,
}

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostPart {
    /// What for.
    pub what: String,
    /// How much of it: millions of requests, GB, hours.
    pub count: f64,
    /// Of what.
    pub unit: String,
    /// How much money.
    pub amount: f64,
}

/// What to choose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// The deployment.
    pub choice: Kind,
    /// One paragraph.
    pub text: String,
    /// Each city's gain by each deployment, in the order of both lists: median latency in the first
    /// deployment minus that here.
    pub gains_ms: Vec<Vec<f64>>,
}
