//! A scenario as people write it: who asks for what, from where, and how the API may stand.
//!
//! What it is: the document of `tidegate sim`, one TOML file. Shape: [`Scenario`] mirrors the
//! tables of the files in `configs/scenarios` one to one; nearly every key has a default. Names of
//! places stay text here; `setup` resolves and judges them. Units: in the names: `_s`, `_ms`,
//! `_mbit` (10^6 bits a second), `_bytes`; shares and losses from 0 to 1. Errors: unknown keys are
//! refused by serde, values are judged by `setup`. Source: docs/simulator.md.

use serde::{Deserialize, Serialize};

/// Everything one file says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One word, for file names and reports.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// What there is to learn from it.
    #[serde(default)]
    pub about: String,
    /// Decides everything that is left open; equal seeds give equal results.
    #[serde(default = "defaults::seed")]
    pub seed: u64,
    /// Simulated time in which requests begin.
    #[serde(default = "defaults::duration_s")]
    pub duration_s: u32,
    /// At first nothing is counted, while caches and connections warm up.
    #[serde(default)]
    pub warm_up_s: u32,
    /// Requests of each deployment, warm-up included, as planned; chance makes it a few more or
    /// less.
    pub requests: u64,
    /// The hour at which it begins, UTC.
    #[serde(default)]
    pub start_hour_utc: f64,
    /// How long a day takes. Shorter ones show day and night in a short run.
    #[serde(default = "defaults::day_s")]
    pub day_s: u32,
    /// What is compared, in this order; the first is what the others are held against.
    pub compare: Vec<Kind>,
    /// Where the API and its backends run. One: the first; several serve where a deployment has
    /// several regions.
    pub regions: Vec<String>,
    /// Where edges are.
    #[serde(default)]
    pub edges: Select,
    /// Where regional edges are, the second tier of one's own.
    #[serde(default)]
    pub regional_edges: Vec<String>,
    /// Who asks.
    #[serde(default)]
    pub clients: Clients,
    /// What lies between.
    #[serde(default)]
    pub network: Network,
    /// What is asked for, by classes.
    pub traffic: Vec<Traffic>,
    /// What answers in a region.
    pub backends: Vec<Backend>,
    /// How edges ask whether what is behind them is well; left out: they do not.
    #[serde(default)]
    pub health: Option<Health>,
    /// How edges keep answers.
    #[serde(default)]
    pub cache: EdgeCache,
    /// How one's own two tiers keep answers.
    #[serde(default)]
    pub own_tier: OwnTier,
    /// What the API lets through.
    #[serde(default)]
    pub limits: Limits,
    /// Usage plans with their keys.
    #[serde(default)]
    pub plans: Vec<UsagePlan>,
    /// More than usual.
    #[serde(default)]
    pub bursts: Vec<Burst>,
    /// Regions that are lost.
    #[serde(default)]
    pub failures: Vec<Failure>,
}

/// How an API can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Clients travel to the region.
    Regional,
    /// Clients meet the nearest edge, which passes everything on.
    Edge,
    /// The same, and edges keep what may be kept.
    EdgeCached,
    /// Edges of one's own that keep answers, behind them regional edges that keep them too.
    OwnTier,
    /// Only from inside a network that reaches into the region.
    Private,
    /// Several regions; clients travel to the nearest one.
    ActiveActive,
    /// Several regions behind caching edges, which ask the nearest one.
    EdgeActiveActive,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 7] = [
        Kind::Regional,
        Kind::Edge,
        Kind::EdgeCached,
        Kind::OwnTier,
        Kind::Private,
        Kind::ActiveActive,
        Kind::EdgeActiveActive,
    ];

    /// As scenarios and reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Regional => "regional",
            Kind::Edge => "edge",
            Kind::EdgeCached => "edge_cached",
            Kind::OwnTier => "own_tier",
            Kind::Private => "private",
            Kind::ActiveActive => "active_active",
            Kind::EdgeActiveActive => "edge_active_active",
        }
    }

    /// For people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Kind::Regional => "regional",
            Kind::Edge => "edge-optimized",
            Kind::EdgeCached => "edge-optimized, caching",
            Kind::OwnTier => "regional, own edge tier",
            Kind::Private => "private",
            Kind::ActiveActive => "active-active",
            Kind::EdgeActiveActive => "active-active, caching edges",
        }
    }

    /// Clients meet edges.
    #[must_use]
    pub const fn has_edges(self) -> bool {
        matches!(
            self,
            Kind::Edge | Kind::EdgeCached | Kind::OwnTier | Kind::EdgeActiveActive
        )
    }

    /// All regions serve, not the first alone.
    #[must_use]
    pub const fn has_all_regions(self) -> bool {
        matches!(self, Kind::ActiveActive | Kind::EdgeActiveActive)
    }
}

/// Some places, or all that are known.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Select {
    /// These.
    Listed(Vec<String>),
    /// `"all"`, or `{ first = 20 }`: the largest.
    Word(All),
    /// The most populous places.
    First {
        /// How many.
        first: usize,
    },
}

/// The word for every place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum All {
    /// Every place.
    All,
}

impl Default for Select {
    fn default() -> Select {
        Select::Listed(Vec::new())
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clients {
    /// Where they live, weighted by population.
    pub cities: Select,
    /// How much of them lives where, instead of the population: a row counts for its city.
    pub weights: Vec<Weight>,
    /// How far the busiest hour is above the mean: 0 is the same all day.
    pub diurnal: f64,
    /// The busiest hour, local time.
    pub peak_hour: f64,
    /// Requests of a visit, on average; the later ones find a connection.
    pub requests_per_visit: f64,
    /// Time between two requests of a visit, on average.
    pub think_ms: f64,
    /// How long a client keeps a connection that it does not use.
    pub keep_alive_s: f64,
    /// Most connections of one client.
    pub connections_max: u32,
    /// Clients speak TLS 1.3.
    pub tls: bool,
    /// Share of the handshakes that resume an earlier session.
    pub tls_resumed: f64,
    /// When a client gives up.
    pub timeout_ms: u32,
}

impl Default for Clients {
    fn default() -> Clients {
        Clients {
            cities: Select::Word(All::All),
            weights: Vec::new(),
            diurnal: 0.5,
            peak_hour: 20.0,
            requests_per_visit: 6.0,
            think_ms: 1_500.0,
            keep_alive_s: 20.0,
            connections_max: 6,
            tls: true,
            tls_resumed: 0.4,
            timeout_ms: 10_000,
        }
    }
}

/// A city's share of the clients.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// The city.
    pub city: String,
    /// Compared with the other cities' populations in millions, or weights.
    pub weight: f64,
}

/// What lies between clients, edges and regions.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// From clients to the backbone of their city.
    pub last_mile: LastMile,
    /// Between cities, for clients on their way.
    pub transit: Path,
    /// Between edges and regions.
    pub backbone: Path,
    /// The network of a private API: how its clients reach the region.
    pub private: Private,
    /// A connection that was idle begins with a small window again, as Linux has it.
    pub idle_restart: bool,
    /// Segments that a fresh connection may send at once.
    pub initial_window_segments: u32,
}

impl Default for Network {
    fn default() -> Network {
        Network {
            last_mile: LastMile::default(),
            transit: Path::default(),
            backbone: Path {
                jitter_ms: 0.1,
                loss: 0.000_01,
                mbit: 1_000.0,
                delay_factor: 1.0,
            },
            private: Private::default(),
            idle_restart: true,
            initial_window_segments: 10,
        }
    }
}

/// The way from a home to the backbone.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LastMile {
    /// One way, median over clients.
    pub delay_ms: f64,
    /// A client's delay lies between the median divided by this and multiplied by it,
    /// log-uniformly.
    pub spread: f64,
    /// Added to each flight, on average.
    pub jitter_ms: f64,
    /// Share of the segments that are lost.
    pub loss: f64,
    /// Rate towards the client.
    pub down_mbit: f64,
    /// Rate from the client.
    pub up_mbit: f64,
}

impl Default for LastMile {
    fn default() -> LastMile {
        LastMile {
            delay_ms: 6.0,
            spread: 2.0,
            jitter_ms: 1.0,
            loss: 0.001,
            down_mbit: 50.0,
            up_mbit: 15.0,
        }
    }
}

/// A way between cities.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Path {
    /// Added to each flight, on average.
    pub jitter_ms: f64,
    /// Share of the segments that are lost.
    pub loss: f64,
    /// Rate of one connection.
    pub mbit: f64,
    /// Delays compared with the table of measured ones.
    pub delay_factor: f64,
}

impl Default for Path {
    fn default() -> Path {
        Path {
            jitter_ms: 0.5,
            loss: 0.000_2,
            mbit: 1_000.0,
            delay_factor: 1.0,
        }
    }
}

/// The network of a private API.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Private {
    /// Cities with a site of that network; clients elsewhere cannot ask. Empty: all.
    pub cities: Vec<String>,
    /// From a client to its site, one way.
    pub access_ms: f64,
    /// The leased line.
    pub line: Path,
}

impl Default for Private {
    fn default() -> Private {
        Private {
            cities: Vec::new(),
            access_ms: 1.0,
            line: Path {
                jitter_ms: 0.05,
                loss: 0.0,
                mbit: 200.0,
                delay_factor: 1.0,
            },
        }
    }
}

/// A class of requests.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// The first part of its paths.
    pub name: String,
    /// Compared with the other classes.
    pub share: f64,
    /// What answers.
    pub backend: String,
    /// `GET` or `POST`.
    #[serde(default)]
    pub method: Method,
    /// How many things of it there are.
    #[serde(default = "defaults::objects")]
    pub objects: u32,
    /// Their popularity: the exponent of Zipf's law; 0 makes all alike.
    #[serde(default)]
    pub zipf: f64,
    /// How long an answer may be kept, as its origin says; 0: not at all.
    #[serde(default)]
    pub max_age_s: u32,
    /// An API key is needed.
    #[serde(default)]
    pub keyed: bool,
    /// Bytes of an answer's body.
    pub answer_bytes: Size,
    /// Bytes of a request's body.
    #[serde(default)]
    pub request_bytes: Option<Size>,
}

/// A method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    #[default]
    Get,
    /// Writes.
    Post,
}

/// A size: log-normal about its median, so that the 90th percentile is `p90`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Half of them are smaller.
    pub median: u32,
    /// Nine of ten are smaller. Left out: all have the median.
    #[serde(default)]
    pub p90: Option<u32>,
}

/// What answers in a region.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// For [`Traffic::backend`].
    pub name: String,
    /// Median time to serve a request.
    pub service_ms: f64,
    /// The 90th percentile; left out: all take the median.
    #[serde(default)]
    pub service_p90_ms: Option<f64>,
    /// Servers with a queue; left out with `functions`.
    #[serde(default)]
    pub servers: Option<Servers>,
    /// Functions that scale out; left out with `servers`.
    #[serde(default)]
    pub functions: Option<Functions>,
}

/// Some servers behind one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Servers {
    /// Requests at a time.
    pub count: u32,
    /// Requests that may wait; more are refused with 503.
    #[serde(default = "defaults::queue_max")]
    pub queue_max: u32,
}

/// Functions: an instance serves one request at a time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Functions {
    /// Instances that may run at once at first.
    pub burst: u32,
    /// Then so many more
    pub step: u32,
    /// in each interval.
    pub step_s: f64,
    /// Never more than that.
    pub instances_max: u32,
    /// What the first request of an instance waits.
    pub cold_start_ms: f64,
    /// An instance that nobody needed so long is gone.
    #[serde(default = "defaults::keep_s")]
    pub keep_s: f64,
    /// For the price: memory of an instance.
    #[serde(default = "defaults::memory_mib")]
    pub memory_mib: u32,
}

/// Active checks by edges, as `[origins.NAME.health]` of the gateway has them. A check asks for
/// `/ping`, and every answer but a failure is a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// From one check to the next.
    pub interval_ms: u32,
    /// A check that takes longer has failed.
    pub timeout_ms: u32,
    /// Good answers in a row until it is used again.
    pub healthy_after: u8,
    /// Failed checks in a row until it is not used any more.
    pub unhealthy_after: u8,
}

impl Default for Health {
    fn default() -> Health {
        Health {
            interval_ms: 5_000,
            timeout_ms: 2_000,
            healthy_after: 2,
            unhealthy_after: 3,
        }
    }
}

/// How edges keep answers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeCache {
    /// Room at each edge.
    pub capacity_mib: u32,
    /// An answer is kept so long at most, whatever its origin says.
    pub ttl_max_s: u32,
    /// How long after its end an answer is given while it is fetched anew.
    pub stale_while_revalidate_s: u32,
    /// How long after its end an answer is given when the region fails.
    pub stale_if_error_s: u32,
}

impl Default for EdgeCache {
    fn default() -> EdgeCache {
        EdgeCache {
            capacity_mib: 16,
            ttl_max_s: 31_536_000,
            stale_while_revalidate_s: 0,
            stale_if_error_s: 86_400,
        }
    }
}

/// Two tiers of one's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnTier {
    /// The edges.
    pub edge: EdgeCache,
    /// The regional edges behind them.
    pub regional_edge: EdgeCache,
}

/// What the API lets through, in each region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests a second; left out: no limit.
    pub rate: Option<f64>,
    /// How many may come at once; left out: twice the rate.
    pub burst: Option<u32>,
}

/// A usage plan and its keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsagePlan {
    /// 1 to 10 lower-case letters and digits.
    pub name: String,
    /// Clients that fall under it, compared with the other plans.
    pub share: f64,
    /// Keys that they share.
    pub keys: u32,
    /// Requests a second of each key.
    pub rate: f64,
    /// How many may come at once.
    pub burst: u32,
    /// What each key may ask for in a longer time; left out: no bound.
    #[serde(default)]
    pub quota: Option<Quota>,
}

/// A bound of a key in a window of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Requests, in each region.
    pub limit: u64,
    /// In what time. A run begins at midnight UTC on a 1st, so only long ones see a second window.
    pub period: Period,
}

/// When a quota begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// At midnight UTC.
    Day,
    /// On Sundays.
    Week,
    /// On the 1st.
    Month,
}

/// More than usual for a while.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// When it begins.
    pub at_s: f64,
    /// How long it lasts.
    pub for_s: f64,
    /// Times the usual number of visits.
    pub factor: f64,
    /// Where; empty: everywhere.
    #[serde(default)]
    pub cities: Vec<String>,
    /// What for; left out: the usual mixture.
    #[serde(default)]
    pub traffic: Option<String>,
}

/// A region that is lost.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Which.
    pub region: String,
    /// When.
    pub at_s: f64,
    /// For how long.
    pub for_s: f64,
    /// How long clients still go there: health checks, and names that are remembered.
    #[serde(default = "defaults::noticed_s")]
    pub noticed_s: f64,
}

/// What is left out.
mod defaults {
    pub(super) const fn seed() -> u64 {
        1
    }
    pub(super) const fn duration_s() -> u32 {
        600
    }
    pub(super) const fn day_s() -> u32 {
        86_400
    }
    pub(super) const fn objects() -> u32 {
        1_000
    }
    pub(super) const fn queue_max() -> u32 {
        1_000
    }
    pub(super) const fn keep_s() -> f64 {
        300.0
    }
    pub(super) const fn memory_mib() -> u32 {
        512
    }
    pub(super) const fn noticed_s() -> f64 {
        60.0
    }
}
