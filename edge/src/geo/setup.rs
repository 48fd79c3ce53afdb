//! From a scenario to what can be played: names resolved, values judged, weights made shares.
//!
//! What it is: the only road from [`Scenario`] to a simulation. Shape: [`Setup`] is immutable and
//! shared by all deployments; sites are numbered edges first, then regional edges, then regions.
//! Units: as in the scenario. Errors: [`SetupFault`] with the key it is about. Source: own.

use super::{
    delays::{Delays, RttTable},
    place::Place,
    price::Prices,
    random::{hash, log_normal_of, whole},
    result::Role,
    scenario::{Kind, Scenario, Select, Size},
};
use crate::base::text::counted;

/// The world that scenarios play in.
#[derive(Clone, Debug)]
pub struct Data {
    /// Where anything can be.
    pub places: Vec<Place>,
    /// What was measured.
    pub rtts: RttTable,
    /// What things cost.
    pub prices: Prices,
}

/// Why a scenario cannot be played.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{key}: {why}")]
pub struct SetupFault {
    /// The key, as `traffic.0.share`.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

/// A scenario that can be played.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(super) scenario: Scenario,
    pub(super) places: Vec<Place>,
    pub(super) delays: Delays,
    pub(super) prices: Prices,
    pub(super) cities: Vec<CityPlan>,
    pub(super) sites: Vec<SitePlan>,
    pub(super) classes: Vec<Class>,
}

/// Where clients are.
#[derive(Clone, Debug)]
pub(super) struct CityPlan {
    pub(super) place: usize,
    /// Of all clients.
    pub(super) share: f64,
    /// A private network reaches here.
    pub(super) is_inside: bool,
}

/// Where a gateway is.
#[derive(Clone, Copy, Debug)]
pub(super) struct SitePlan {
    pub(super) place: usize,
    pub(super) role: Role,
    /// Its number among those of its role.
    pub(super) index: usize,
}

/// A class of requests.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) share: f64,
    /// How likely an object of this rank or a more popular one is asked for.
    pub(super) popularity: Vec<f64>,
}

impl Setup {
    /// Resolves and judges `scenario`.
    ///
    /// # Errors
    /// The first key that cannot be used.
    pub fn new(scenario: Scenario, data: &Data) -> Result<Setup, SetupFault> {
        judge(&scenario)?;
        let places = &data.places;
        let cities = cities(&scenario, places)?;
        let mut sites = Vec::new();
        let mut add = |places: Vec<usize>, role: Role| {
            for (index, place) in places.into_iter().enumerate() {
                sites.push(SitePlan { place, role, index });
            }
        };
        add(select("edges", &scenario.edges, places)?, Role::Edge);
        let tier = listed("regional_edges", &scenario.regional_edges, places)?;
        add(tier, Role::RegionalEdge);
        let regions = listed("regions", &scenario.regions, places)?;
        add(regions, Role::Region);
        let classes = classes(&scenario)?;
        Ok(Setup {
            delays: Delays::new(places, &data.rtts),
            places: places.clone(),
            prices: data.prices.clone(),
            scenario,
            cities,
            sites,
            classes,
        })
    }

    /// The scenario.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The sites of a role, by their numbers.
    pub(super) fn sites_of(&self, role: Role) -> impl Iterator<Item = usize> {
        let sites = self.sites.iter().enumerate();
        sites
            .filter(move |(_, site)| site.role == role)
            .map(|(number, _)| number)
    }

    /// The sites that a deployment has.
    pub(super) fn sites_in(&self, kind: Kind) -> Vec<usize> {
        let has = |site: &SitePlan| match site.role {
            Role::Edge => kind.has_edges(),
            Role::RegionalEdge => kind == Kind::OwnTier,
            Role::Region => site.index == 0 || kind.has_all_regions(),
        };
        let sites = self.sites.iter().enumerate();
        sites
            .filter(|(_, site)| has(site))
            .map(|(number, _)| number)
            .collect()
    }

    /// Round trip between two places' backbones.
    pub(super) fn rtt_ms(&self, from: usize, to: usize) -> f64 {
        self.delays.rtt_ms(from, to)
    }

    /// Bytes of the answer about an object: the same whenever it is asked for.
    pub(super) fn answer_bytes(&self, class: usize, object: u32) -> u32 {
        let size = &self.scenario.traffic[class].answer_bytes;
        sized(size, &[self.scenario.seed, 1, class as u64, object.into()])
    }

    /// Bytes of a request's body.
    pub(super) fn request_bytes(&self, class: usize, object: u32) -> u32 {
        let size = self.scenario.traffic[class].request_bytes.as_ref();
        size.map_or(0, |size| {
            sized(size, &[self.scenario.seed, 2, class as u64, object.into()])
        })
    }
}

fn sized(size: &Size, words: &[u64]) -> u32 {
    let Some(p90) = size.p90 else {
        return size.median;
    };
    let word = hash(words);
    let (median, p90) = (f64::from(size.median), f64::from(p90));
    let drawn = whole(log_normal_of(word, hash(&[word]), median, p90));
    u32::try_from(drawn)
        .unwrap_or(u32::MAX)
        .clamp(1, BODY_BYTES_MAX)
}

/// Larger bodies are not answered by an API.
pub(super) const BODY_BYTES_MAX: u32 = 10 << 20;

fn fault(key: &str, why: impl Into<String>) -> SetupFault {
    SetupFault {
        key: key.to_owned(),
        why: why.into(),
    }
}

fn find(key: &str, name: &str, places: &[Place]) -> Result<usize, SetupFault> {
    let found = places.iter().position(|place| place.name == name);
    found.ok_or_else(|| fault(key, format!("there is no place {name:?}")))
}

fn listed(key: &str, names: &[String], places: &[Place]) -> Result<Vec<usize>, SetupFault> {
    let mut found = Vec::new();
    for name in names {
        let place = find(key, name, places)?;
        if found.contains(&place) {
            return Err(fault(key, format!("{name} stands there twice")));
        }
        found.push(place);
    }
    Ok(found)
}

fn select(key: &str, choice: &Select, places: &[Place]) -> Result<Vec<usize>, SetupFault> {
    let first = match choice {
        Select::Listed(names) => return listed(key, names, places),
        Select::Word(_) => places.len(),
        Select::First { first } => *first,
    };
    if first > places.len() {
        return Err(fault(
            key,
            format!("the list has only {}", counted(places.len(), "place")),
        ));
    }
    let mut by_size: Vec<usize> = (0..places.len()).collect();
    by_size.sort_by(|a, b| f64::total_cmp(&places[*b].population_m, &places[*a].population_m));
    by_size.truncate(first);
    Ok(by_size)
}

fn cities(scenario: &Scenario, places: &[Place]) -> Result<Vec<CityPlan>, SetupFault> {
    let found = select("clients.cities", &scenario.clients.cities, places)?;
    if found.is_empty() || found.len() > CITIES_MAX {
        let why = format!("1 to {CITIES_MAX} cities are needed");
        return Err(fault("clients.cities", why));
    }
    for row in &scenario.clients.weights {
        let place = find("clients.weights", &row.city, places)?;
        if !found.contains(&place) || row.weight.is_nan() || row.weight < 0.0 {
            let why = format!("{} is none of the cities, or weighs less than 0", row.city);
            return Err(fault("clients.weights", why));
        }
    }
    let inside = listed(
        "network.private.cities",
        &scenario.network.private.cities,
        places,
    )?;
    let weight = |place: usize| {
        let rows = &scenario.clients.weights;
        let own = rows.iter().find(|row| row.city == places[place].name);
        own.map_or(places[place].population_m, |row| row.weight)
    };
    let total: f64 = found.iter().map(|place| weight(*place)).sum();
    if total <= 0.0 {
        return Err(fault("clients.cities", "nobody lives there"));
    }
    let city = |place: usize| CityPlan {
        place,
        share: weight(place) / total,
        is_inside: inside.is_empty() || inside.contains(&place),
    };
    Ok(found.into_iter().map(city).collect())
}

fn classes(scenario: &Scenario) -> Result<Vec<Class>, SetupFault> {
    let total: f64 = scenario.traffic.iter().map(|class| class.share).sum();
    let class = |(number, class): (usize, &super::scenario::Traffic)| {
        let key = |name: &str| format!("traffic.{number}.{name}");
        let mut backends = scenario.backends.iter();
        if !backends.any(|backend| backend.name == class.backend) {
            return Err(fault(
                &key("backend"),
                format!("no backend {:?}", class.backend),
            ));
        }
        if class.share.is_nan() || class.share <= 0.0 {
            return Err(fault(&key("share"), "a share is above 0"));
        }
        if class.objects == 0 || class.objects > OBJECTS_MAX {
            return Err(fault(&key("objects"), format!("1 to {OBJECTS_MAX}")));
        }
        if !is_word(&class.name) {
            return Err(fault(
                &key("name"),
                "a name has lower-case letters and digits",
            ));
        }
        let sizes = [Some(class.answer_bytes), class.request_bytes];
        if sizes
            .iter()
            .flatten()
            .any(|size| size.median > BODY_BYTES_MAX)
        {
            return Err(fault(
                &key("answer_bytes"),
                format!("at most {BODY_BYTES_MAX}"),
            ));
        }
        Ok(Class {
            share: class.share / total,
            popularity: popularity(class.objects, class.zipf),
        })
    };
    scenario.traffic.iter().enumerate().map(class).collect()
}

/// Zipf's law, summed up.
fn popularity(objects: u32, exponent: f64) -> Vec<f64> {
    let mut sum = 0.0;
    let mut sums: Vec<f64> = (1..=objects)
        .map(|rank| {
            sum += f64::from(rank).powf(-exponent);
            sum
        })
        .collect();
    sums.iter_mut().for_each(|share| *share /= sum);
    sums
}

fn is_word(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !text.is_empty() && text.len() <= WORD_CHARS_MAX && text.bytes().all(is_plain)
}

/// What does not need places.
fn judge(scenario: &Scenario) -> Result<(), SetupFault> {
    let clients = &scenario.clients;
    let network = &scenario.network;
    let share = |value: f64| (0.0..=1.0).contains(&value);
    let known = |name: &String| scenario.regions.contains(name);
    let class = |name: &String| scenario.traffic.iter().any(|class| class.name == *name);
    let kinds = &scenario.compare;
    let once = |kind: &Kind| kinds.iter().filter(|other| *other == kind).count() == 1;
    let has_edges = scenario.edges != Select::Listed(Vec::new());
    let losses = [
        network.last_mile.loss,
        network.transit.loss,
        network.backbone.loss,
        network.private.line.loss,
    ];
    let backend_is_whole = |backend: &super::scenario::Backend| {
        backend.servers.is_some() != backend.functions.is_some()
            && backend.service_ms >= 0.0
            && backend.servers.is_none_or(|servers| servers.count > 0)
            && backend.functions.is_none_or(|functions| {
                functions.burst > 0 && functions.step_s > 0.0 && functions.cold_start_ms >= 0.0
            })
    };
    let rules: &[(bool, &str, &str)] = &[
        (!kinds.is_empty(), "compare", "name a deployment"),
        (kinds.iter().all(once), "compare", "each deployment once"),
        (
            has_edges || !kinds.iter().any(|kind| kind.has_edges()),
            "edges",
            "deployments with edges need some",
        ),
        (
            !scenario.regional_edges.is_empty() || !kinds.contains(&Kind::OwnTier),
            "regional_edges",
            "an own tier needs some",
        ),
        (!scenario.regions.is_empty(), "regions", "name a region"),
        (
            (1..=REQUESTS_MAX).contains(&scenario.requests),
            "requests",
            "1 to 1,000,000,000",
        ),
        (
            scenario.duration_s > scenario.warm_up_s,
            "duration_s",
            "longer than the warm-up",
        ),
        (scenario.day_s > 0, "day_s", "above 0"),
        (!scenario.traffic.is_empty(), "traffic", "name a class"),
        (share(clients.diurnal), "clients.diurnal", "from 0 to 1"),
        (
            share(clients.tls_resumed),
            "clients.tls_resumed",
            "from 0 to 1",
        ),
        (
            clients.requests_per_visit >= 1.0 && clients.think_ms >= 0.0,
            "clients.requests_per_visit",
            "a visit has a request, and thinking takes time",
        ),
        (
            clients.connections_max > 0 && clients.timeout_ms > 0,
            "clients.connections_max",
            "a client has a connection and some patience",
        ),
        (
            network.last_mile.spread >= 1.0,
            "network.last_mile.spread",
            "1 or more",
        ),
        (
            losses.iter().all(|loss| (0.0..=0.2).contains(loss)),
            "network",
            "losses are from 0 to 0.2",
        ),
        (
            scenario.backends.iter().all(backend_is_whole),
            "backends",
            "either servers or functions, some of them, and no time below 0",
        ),
        (
            scenario
                .failures
                .iter()
                .all(|failure| known(&failure.region)),
            "failures",
            "only regions are lost",
        ),
        (
            (scenario.bursts.iter())
                .all(|burst| burst.factor >= 1.0 && burst.traffic.as_ref().is_none_or(class)),
            "bursts",
            "a factor is 1 or more, and its traffic is a class",
        ),
        (
            scenario
                .plans
                .iter()
                .all(|plan| is_word(&plan.name) && plan.keys > 0),
            "plans",
            "a plan has a name of lower-case letters and digits, and keys",
        ),
        (
            (scenario.plans.iter().filter_map(|plan| plan.quota)).all(|quota| quota.limit > 0),
            "plans",
            "a quota is 1 or more",
        ),
        (
            scenario.health.is_none_or(|health| {
                health.interval_ms > 0
                    && health.timeout_ms > 0
                    && health.healthy_after > 0
                    && health.unhealthy_after > 0
            }),
            "health",
            "times and counts are above 0",
        ),
        (
            !scenario.plans.is_empty() || !scenario.traffic.iter().any(|class| class.keyed),
            "plans",
            "traffic with keys needs a plan",
        ),
        (
            (1..=1024).contains(&scenario.cache.capacity_mib)
                && (1..=1024).contains(&scenario.own_tier.edge.capacity_mib)
                && (1..=1024).contains(&scenario.own_tier.regional_edge.capacity_mib),
            "cache.capacity_mib",
            "1 to 1,024",
        ),
    ];
    match rules.iter().find(|(holds, ..)| !holds) {
        Some((_, key, why)) => Err(fault(key, *why)),
        None => Ok(()),
    }
}

/// Addresses of clients have so much room for cities.
const CITIES_MAX: usize = 1_024;
const OBJECTS_MAX: u32 = 10_000_000;
const REQUESTS_MAX: u64 = 1_000_000_000;
const WORD_CHARS_MAX: usize = 10;
