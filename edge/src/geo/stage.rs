//! One deployment, played in a world of its own.
//!
//! What it is: hosts, gateways and clients are put on stage, time passes, regions are lost and come
//! back, and in the end everything is counted and taken down. Shape: [`Stage`]; what happens at
//! fixed moments is a list of `Cue`s. Units: virtual nanoseconds. Errors: text, when a gateway does
//! not start or a request got lost: bugs of ours, not of the scenario. Source: docs/simulator.md.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    rc::Rc,
};

use super::{
    backend::{self, Works},
    client::{City, Route},
    driver::Driver,
    gateway::{Common, Counts, Gateway, behind},
    health::{Diary, Loss},
    network::{Network, backend_address, backends_host, site_address},
    origin::{self, Filler, Origin},
    quota::Ledger,
    random::{hash, ns_of_s},
    result::{Detection, Role},
    scenario::{Failure, Kind},
    setup::Setup,
    tally::Tally,
};
use crate::{
    base::{text::counted, time::Mono},
    exec::Core,
    ring::{
        Ring,
        sim::{Faults, Sim, SimOptions, World},
    },
};

/// A deployment being played.
pub(super) struct Stage {
    pub(super) setup: Rc<Setup>,
    pub(super) kind: Kind,
    pub(super) tally: Rc<RefCell<Tally>>,
    world: World,
    driver: Driver,
    /// By site.
    gateways: BTreeMap<usize, Gateway>,
    /// What gateways counted that have ended.
    ended: BTreeMap<usize, Counts>,
    /// What had been counted when the warm-up was over.
    before: BTreeMap<usize, Counts>,
    works: Vec<Rc<RefCell<Works>>>,
    works_before: Vec<backend::Counts>,
    /// Where each city's clients go.
    routes: Vec<Route>,
    /// Sites that are known to be lost.
    known_lost: BTreeSet<usize>,
    /// What gateways have found out about each other.
    diary: Diary,
    /// By site: the books of its keys, which survive its gateway.
    ledgers: BTreeMap<usize, Rc<RefCell<Ledger>>>,
    hosts: Vec<Rc<Core>>,
}

/// What happens at a fixed moment.
#[derive(Clone, Copy, Debug)]
enum Cue {
    /// From now on it counts.
    Begin,
    /// The region at this site is lost.
    Lose(usize),
    /// Clients learn that it is.
    Notice(usize),
    /// It is back.
    Return(usize),
    /// Clients learn that it is.
    NoticeReturn(usize),
}

impl Stage {
    /// Puts everything on stage.
    ///
    /// # Errors
    /// What kept a host from starting.
    pub(super) fn new(setup: &Rc<Setup>, kind: Kind) -> Result<Stage, String> {
        let seed = hash(&[setup.scenario.seed, 6, kind as u64]);
        let world = World::new(seed, Faults::none());
        let network = Network::new(setup, kind);
        world.set_links(move |from, to| network.link(from, to));
        let mut stage = Stage {
            tally: Rc::new(RefCell::new(Tally::new(setup))),
            driver: Driver::new(&world),
            setup: Rc::clone(setup),
            kind,
            world,
            gateways: BTreeMap::new(),
            ended: BTreeMap::new(),
            before: BTreeMap::new(),
            works: Vec::new(),
            works_before: Vec::new(),
            routes: Vec::new(),
            known_lost: BTreeSet::new(),
            diary: Diary::default(),
            ledgers: BTreeMap::new(),
            hosts: Vec::new(),
        };
        for site in setup.sites_in(kind) {
            if setup.sites[site].role == Role::Region {
                stage.start_backends(site)?;
            }
        }
        for site in setup.sites_in(kind).into_iter().rev() {
            stage.start_gateway(site)?;
        }
        for city in 0..setup.cities.len() {
            stage.start_city(city)?;
        }
        Ok(stage)
    }

    fn start_gateway(&mut self, site: usize) -> Result<(), String> {
        let common = Common {
            world: &self.world,
            setup: &self.setup,
            kind: self.kind,
            diary: &self.diary,
        };
        let ledger = self.ledgers.entry(site).or_default();
        let gateway = Gateway::start(&common, site, ledger)?;
        self.driver.add(gateway.ring, &gateway.core);
        self.gateways.insert(site, gateway);
        Ok(())
    }

    fn start_backends(&mut self, site: usize) -> Result<(), String> {
        let (core, _) = self.host(backends_host(site))?;
        let filler = Filler::new();
        let setup = Rc::clone(&self.setup);
        for (index, backend) in setup.scenario.backends.iter().enumerate() {
            let seed = hash(&[setup.scenario.seed, 7, site as u64, index as u64]);
            let works = Rc::new(RefCell::new(Works::new(backend, seed)));
            let origin = Origin {
                core: Rc::clone(&core),
                setup: Rc::clone(&setup),
                works: Rc::clone(&works),
                filler: Rc::clone(&filler),
            };
            origin::serve(&origin, backend_address(site, index))
                .map_err(|errno| format!("backend {}: {errno}", backend.name))?;
            self.works.push(works);
        }
        Ok(())
    }

    fn start_city(&mut self, number: usize) -> Result<(), String> {
        let (core, ring) = self.host(super::network::client_address(number, 0))?;
        let route: Route = Rc::new(Cell::new(self.route_of(number)));
        self.routes.push(Rc::clone(&route));
        let (world, setup) = (&self.world, &self.setup);
        let city = City::new(world, &core, ring, setup, number, route, &self.tally);
        core.spawn(city.live());
        Ok(())
    }

    /// A core at `ip` that is no gateway's.
    fn host(&mut self, ip: IpAddr) -> Result<(Rc<Core>, usize), String> {
        let sim = Sim::new(&self.world, &PEOPLE).map_err(|error| error.to_string())?;
        let ring = sim.number();
        let core = Core::new(Ring::Sim(sim.with_source(ip)), SLOTS);
        self.driver.add(ring, &core);
        self.hosts.push(Rc::clone(&core));
        Ok((core, ring))
    }

    /// Where a city's clients go: to the nearest site that is not known to be lost.
    fn route_of(&self, city: usize) -> Option<usize> {
        let nearest = self.setup.meets(self.kind, city);
        let stands = nearest.iter().find(|site| !self.known_lost.contains(site));
        stands.or(nearest.first()).copied()
    }

    fn cues(&self) -> Vec<(u64, Cue)> {
        let scenario = &self.setup.scenario;
        let mut cues = vec![(ns_of_s(scenario.warm_up_s.into()), Cue::Begin)];
        for failure in &scenario.failures {
            let Some(site) = self.site_of(failure) else {
                continue; // this deployment is not there
            };
            let end_s = failure.at_s + failure.for_s;
            cues.push((ns_of_s(failure.at_s), Cue::Lose(site)));
            if failure.noticed_s < failure.for_s {
                cues.push((ns_of_s(failure.at_s + failure.noticed_s), Cue::Notice(site)));
            }
            cues.push((ns_of_s(end_s), Cue::Return(site)));
            cues.push((ns_of_s(end_s + failure.noticed_s), Cue::NoticeReturn(site)));
        }
        cues.sort_by_key(|(at_ns, _)| *at_ns);
        cues
    }

    /// The region of this deployment that `failure` is about.
    fn site_of(&self, failure: &Failure) -> Option<usize> {
        let named = |site: &usize| {
            let site = &self.setup.sites[*site];
            site.role == Role::Region && self.setup.places[site.place].name == failure.region
        };
        self.setup.sites_in(self.kind).into_iter().find(named)
    }

    /// How gateways found out that regions were lost.
    pub(super) fn detections(&self) -> Vec<Detection> {
        let setup = &self.setup;
        if setup.scenario.health.is_none() {
            return Vec::new();
        }
        let detection = |failure: &Failure| {
            let loss = Loss {
                site: self.site_of(failure)?,
                from_ns: ns_of_s(failure.at_s),
                to_ns: ns_of_s(failure.at_s + failure.for_s),
            };
            let asks = |site: &usize| {
                let next = behind(setup, self.kind, *site);
                setup.sites[*site].role != Role::Region
                    && next.iter().any(|(next, _)| *next == loss.site)
            };
            let watchers = setup
                .sites_in(self.kind)
                .iter()
                .filter(|site| asks(site))
                .count();
            (watchers > 0).then(|| self.diary.about(&loss, watchers as u64))
        };
        setup
            .scenario
            .failures
            .iter()
            .filter_map(detection)
            .collect()
    }

    fn take_cue(&mut self, cue: Cue) -> Result<(), String> {
        let set_dark = |stage: &Stage, site: usize, is_dark: bool| {
            stage.world.set_dark(site_address(site).ip(), is_dark);
            stage.world.set_dark(backends_host(site), is_dark);
        };
        match cue {
            Cue::Begin => {
                self.before = self.counts();
                self.works_before = self
                    .works
                    .iter()
                    .map(|works| works.borrow().counts)
                    .collect();
            }
            Cue::Lose(site) => {
                set_dark(self, site, true);
                if let Some(gateway) = self.gateways.remove(&site) {
                    let sum = self.ended.entry(site).or_default();
                    *sum = sum.and(gateway.counts());
                    self.driver.remove(gateway.ring);
                    gateway.end();
                }
            }
            Cue::Return(site) => {
                self.start_gateway(site)?;
                set_dark(self, site, false);
            }
            Cue::Notice(site) => {
                self.known_lost.insert(site);
                self.find_routes();
            }
            Cue::NoticeReturn(site) => {
                self.known_lost.remove(&site);
                self.find_routes();
            }
        }
        Ok(())
    }

    fn find_routes(&self) {
        for (city, route) in self.routes.iter().enumerate() {
            route.set(self.route_of(city));
        }
    }

    /// Plays it to the end; `tell` hears how much of it is over.
    ///
    /// # Errors
    /// A request that nobody answered or ended: a bug of ours.
    pub(super) fn play(&mut self, mut tell: impl FnMut(f64, u64)) -> Result<(), String> {
        let duration_ns = ns_of_s(self.setup.scenario.duration_s.into());
        let slice_ns = (duration_ns / SLICES).max(1);
        let mut cues = self.cues().into_iter().peekable();
        let patience_ns = u64::from(self.setup.scenario.clients.timeout_ms) * 1_000_000;
        let end_ns = duration_ns + 3 * patience_ns;
        loop {
            let now_ns = self.world.now().0;
            while let Some((_, cue)) = cues.next_if(|(at_ns, _)| *at_ns <= now_ns) {
                self.take_cue(cue)?;
            }
            let (wanted, ended) = {
                let tally = self.tally.borrow();
                (tally.wanted, tally.ended)
            };
            tell((now_ns as f64 / duration_ns as f64).min(1.0), ended);
            if now_ns >= end_ns || (now_ns > duration_ns && wanted == ended) {
                break;
            }
            let next_cue_ns = cues.peek().map_or(u64::MAX, |(at_ns, _)| *at_ns);
            self.driver.run(Mono((now_ns + slice_ns).min(next_cue_ns)));
        }
        let tally = self.tally.borrow();
        if tally.wanted != tally.ended {
            let (wanted, ended) = (tally.wanted, tally.ended);
            let wanted = counted(wanted, "request");
            return Err(format!("of {wanted} only {ended} came to an end"));
        }
        if tally.mixed > 0 {
            let mixed = counted(tally.mixed, "answer");
            return Err(format!("{mixed} about something else"));
        }
        Ok(())
    }

    /// What each site has counted until now.
    fn counts(&self) -> BTreeMap<usize, Counts> {
        let mut counts = self.ended.clone();
        for (site, gateway) in &self.gateways {
            let sum = counts.entry(*site).or_default();
            *sum = sum.and(gateway.counts());
        }
        counts
    }

    /// What each site has counted since the warm-up.
    pub(super) fn counted(&self) -> BTreeMap<usize, Counts> {
        let mut counts = self.counts();
        for (site, count) in &mut counts {
            let before = self.before.get(site).copied().unwrap_or_default();
            *count = count.since(before);
        }
        counts
    }

    /// What the backends have counted since the warm-up, all together.
    pub(super) fn worked(&self) -> backend::Counts {
        let mut sum = backend::Counts::default();
        for (index, works) in self.works.iter().enumerate() {
            let now = works.borrow().counts;
            let before = self.works_before.get(index).copied().unwrap_or_default();
            sum.requests += now.requests - before.requests;
            sum.refused += now.refused - before.refused;
            sum.cold_starts += now.cold_starts - before.cold_starts;
            sum.mib_ns += now.mib_ns - before.mib_ns;
            sum.busiest += now.busiest;
        }
        sum
    }

    /// Takes everything down.
    pub(super) fn end(self) {
        for host in self.hosts {
            host.shutdown();
        }
        for (_, gateway) in self.gateways {
            gateway.end();
        }
    }
}

impl Setup {
    /// The sites that a city's clients can meet, the nearest first; none when they cannot ask.
    pub(super) fn meets(&self, kind: Kind, city: usize) -> Vec<usize> {
        if kind == Kind::Private && !self.cities[city].is_inside {
            return Vec::new();
        }
        let role = if kind.has_edges() {
            Role::Edge
        } else {
            Role::Region
        };
        let mut sites = self.sites_in(kind);
        sites.retain(|site| self.sites[*site].role == role);
        let far = |site: &usize| self.client_rtt_ms(kind, city, *site);
        sites.sort_by(|a, b| f64::total_cmp(&far(a), &far(b)));
        sites
    }
}

/// Clients and backends have room for what they send ahead.
const PEOPLE: SimOptions = SimOptions {
    buffers: 8_192,
    buffer_bytes: 16_384,
    stock: 16,
};
const SLOTS: u32 = 1 << 18;
/// How often somebody hears of progress.
const SLICES: u64 = 200;
