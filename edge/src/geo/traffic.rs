//! Who wants what, and when.
//!
//! What it is: the arrivals of one city, drawn from the seed alone, so that every deployment meets
//! the same ones. Visits come as a Poisson process whose rate follows the hour and the bursts; a
//! visit is some requests of one client with time to think between them. Shape: [`Arrivals`] is an
//! iterator in order of time. Units: nanoseconds from the start. Ranges: ends with the scenario.
//! Errors: none. Source: thinning after Lewis and Shedler (1979).

use std::{cmp::Reverse, collections::BinaryHeap, rc::Rc};

use super::{
    network::CLIENT_MASK,
    random::{exponential, geometric, hash, ns_of_s, unit, whole},
    setup::Setup,
};
use crate::base::prng::Prng;

/// A request that somebody wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Arrival {
    /// When.
    pub(super) at_ns: u64,
    /// Which client of the city.
    pub(super) client: u32,
    /// Index of its class.
    pub(super) class: usize,
    /// Which thing of that class, the most popular first.
    pub(super) object: u32,
    /// The client has been here before: its handshake resumes.
    pub(super) resumes: bool,
}

/// The arrivals of one city.
pub(super) struct Arrivals {
    setup: Rc<Setup>,
    city: usize,
    prng: Prng,
    /// Visits a second at the mean hour.
    visits_per_s: f64,
    /// The rate never exceeds so many times that.
    rate_most: f64,
    next_visit_ns: u64,
    visits: u32,
    under_way: BinaryHeap<Reverse<(u64, u32, Visit)>>,
    end_ns: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Visit {
    left: u32,
    resumes: bool,
    /// All of it is of this class.
    class: Option<usize>,
}

impl Arrivals {
    pub(super) fn new(setup: &Rc<Setup>, city: usize) -> Arrivals {
        let scenario = &setup.scenario;
        let seconds = f64::from(scenario.duration_s);
        let activity = |city: usize| setup.cities[city].share * mean_activity(setup, city);
        let all: f64 = (0..setup.cities.len()).map(activity).sum();
        let requests = scenario.requests as f64 * setup.cities[city].share / all.max(1e-9);
        let bursts = scenario.bursts.iter().map(|burst| burst.factor);
        let mut arrivals = Arrivals {
            setup: Rc::clone(setup),
            city,
            prng: Prng::new(hash(&[scenario.seed, 4, city as u64])),
            visits_per_s: requests / scenario.clients.requests_per_visit / seconds,
            rate_most: (1.0 + scenario.clients.diurnal) * bursts.product::<f64>(),
            next_visit_ns: 0,
            visits: 0,
            under_way: BinaryHeap::new(),
            end_ns: ns_of_s(seconds),
        };
        arrivals.draw_next_visit();
        arrivals
    }

    /// Moves on to the next visit.
    fn draw_next_visit(&mut self) {
        let rate = self.visits_per_s * self.rate_most;
        loop {
            let pause_ns = whole(exponential(&mut self.prng, 1e9 / rate.max(1e-12)));
            self.next_visit_ns = self.next_visit_ns.saturating_add(pause_ns);
            if self.next_visit_ns >= self.end_ns {
                return;
            }
            let at_s = self.next_visit_ns as f64 / 1e9;
            let (usual, burst) = rate_at(&self.setup, self.city, at_s);
            if unit(&mut self.prng) * self.rate_most <= usual * burst {
                return;
            }
        }
    }

    /// Begins the visit that is due.
    fn begin_visit(&mut self) {
        let clients = &self.setup.scenario.clients;
        let visit = Visit {
            left: geometric(&mut self.prng, clients.requests_per_visit),
            resumes: unit(&mut self.prng) <= clients.tls_resumed,
            class: self.burst_class(),
        };
        let client = self.visits & CLIENT_MASK;
        self.visits = self.visits.wrapping_add(1);
        let begun = (self.next_visit_ns, client, visit);
        self.under_way.push(Reverse(begun));
        self.draw_next_visit();
    }

    /// What a visit is for that a burst has brought.
    fn burst_class(&mut self) -> Option<usize> {
        let at_s = self.next_visit_ns as f64 / 1e9;
        let scenario = &self.setup.scenario;
        let city = &self.setup.places[self.setup.cities[self.city].place].name;
        let burst = (scenario.bursts.iter())
            .find(|burst| is_on(burst, city, at_s) && burst.traffic.is_some())?;
        let extra = 1.0 - 1.0 / burst.factor;
        if unit(&mut self.prng) > extra {
            return None;
        }
        (scenario.traffic.iter()).position(|class| Some(&class.name) == burst.traffic.as_ref())
    }

    fn draw_class(&mut self) -> usize {
        let mut at = unit(&mut self.prng);
        for (index, class) in self.setup.classes.iter().enumerate() {
            at -= class.share;
            if at <= 0.0 {
                return index;
            }
        }
        self.setup.classes.len() - 1
    }

    fn draw_object(&mut self, class: usize) -> u32 {
        let at = unit(&mut self.prng);
        let popularity = &self.setup.classes[class].popularity;
        let rank = popularity.partition_point(|sum| *sum < at);
        u32::try_from(rank.min(popularity.len() - 1)).unwrap_or(0)
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let due_ns = |heap: &BinaryHeap<Reverse<(u64, u32, Visit)>>| {
            heap.peek().map_or(u64::MAX, |Reverse((at_ns, ..))| *at_ns)
        };
        while self.next_visit_ns < self.end_ns && self.next_visit_ns <= due_ns(&self.under_way) {
            self.begin_visit();
        }
        let Reverse((at_ns, client, mut visit)) = self.under_way.pop()?;
        let class = visit.class.unwrap_or_else(|| self.draw_class());
        let object = self.draw_object(class);
        let think_ms = self.setup.scenario.clients.think_ms;
        let pause_ns = whole(exponential(&mut self.prng, think_ms * 1e6));
        visit.left -= 1;
        let next_ns = at_ns.saturating_add(pause_ns);
        if visit.left > 0 && next_ns < self.end_ns {
            self.under_way.push(Reverse((next_ns, client, visit)));
        }
        Some(Arrival {
            at_ns,
            client,
            class,
            object,
            resumes: visit.resumes,
        })
    }
}

/// How many times the mean rate it is by the hour, and by bursts.
fn rate_at(setup: &Setup, city: usize, at_s: f64) -> (f64, f64) {
    let scenario = &setup.scenario;
    let place = &setup.places[setup.cities[city].place];
    let hours = at_s / f64::from(scenario.day_s) * 24.0;
    let local = scenario.start_hour_utc + hours + place.lon / 15.0;
    let angle = (local - scenario.clients.peak_hour) / 24.0 * std::f64::consts::TAU;
    let usual = 1.0 + scenario.clients.diurnal * angle.cos();
    let on = (scenario.bursts.iter()).filter(|burst| is_on(burst, &place.name, at_s));
    (usual, on.map(|burst| burst.factor).product())
}

fn is_on(burst: &super::scenario::Burst, city: &String, at_s: f64) -> bool {
    (burst.at_s..burst.at_s + burst.for_s).contains(&at_s)
        && (burst.cities.is_empty() || burst.cities.contains(city))
}

/// The mean over the run, bursts apart.
fn mean_activity(setup: &Setup, city: usize) -> f64 {
    let seconds = f64::from(setup.scenario.duration_s);
    let at = |step: u32| (f64::from(step) + 0.5) / f64::from(STEPS) * seconds;
    let sum: f64 = (0..STEPS)
        .map(|step| rate_at(setup, city, at(step)).0)
        .sum();
    sum / f64::from(STEPS)
}

const STEPS: u32 = 256;

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
