//! Runs with caches: several workers over one store and one table of fetches.
//!
//! What it is: [`simulate`] lets clients storm at few objects while their origin fails, clients
//! leave, stages are flushed and a worker may end in the middle; then the faults stop, everybody
//! must be answered well, and nothing may be left: no pin, no fetch, no owner. Shape: as
//! `super::scenario`; `book` says what an answer must be, `client` and `origin` are the people.
//! Units: virtual milliseconds. Errors: a violation in the report. Source: RELIABILITY section 10.

mod book;
mod client;
mod origin;
mod plan;

use std::{cell::Cell, cell::RefCell, path::Path, rc::Rc, sync::Arc};

use self::{
    book::{Book, Site, Thing},
    client::Client,
};
use super::world;
use crate::{
    base::{
        prng::Prng,
        time::{Mono, Wall},
    },
    exec::{Core, Inbox, Post},
    net::tls::{TlsClock, ticket::TicketKeys},
    plan::{stage_namespace, stage_scope},
    ring::{
        ListenAddress, Ring,
        sim::{Faults, Sim, SimOptions, World},
    },
    server::{
        Admission, Blueprint, CacheSecrets, Gauges, Keyring, LimitsHome, Order, SharedCache, Worker,
    },
    telemetry::{
        histograms::CoreHistograms,
        metrics::{Registry, StageName},
    },
};

pub use book::Figures;

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Report {
    /// A hash of all that happened; equal seeds give equal ones.
    pub trace: u64,
    /// How the requests ended.
    pub figures: Figures,
    /// What must not have happened, if something did.
    pub violation: Option<String>,
    /// What happened, if that was asked for.
    pub events: Vec<String>,
}

/// Runs one seed with a region in the new file `region`; `verbose` keeps its events.
///
/// # Panics
/// When an assertion of the gateway fails, which is a finding too.
#[must_use]
pub fn simulate(seed: u64, region: &Path, verbose: bool) -> Report {
    let mut prng = Prng::new(seed);
    // In half of the seeds only the people misbehave, so that each failure has one cause.
    let is_sound = prng.chance(500);
    let faults = if is_sound {
        Faults::none()
    } else {
        Faults::drawn(&mut prng)
    };
    let world = World::new(seed, faults);
    let book = Rc::new(RefCell::new(Book::new(verbose)));
    let ended = Scenario::new(&mut prng, &world, &book, region)
        .and_then(|scenario| scenario.play(&mut prng, is_sound));
    let mut book = book.borrow_mut();
    if let Err(what) = ended {
        book.violate(world.now(), what);
    }
    Report {
        trace: world.trace(),
        figures: book.figures,
        violation: book.violation().map(str::to_owned),
        events: book.take_events(),
    }
}

/// One worker.
struct Place {
    core: Rc<Core>,
    _worker: Rc<Worker>,
    post: Post<Order>,
}

struct Scenario {
    world: World,
    book: Rc<RefCell<Book>>,
    places: Vec<Place>,
    clients: Rc<Core>,
    origins: Rc<Core>,
    caches: Box<[SharedCache]>,
    things: Vec<Thing>,
    /// What the workers share; kept while they run.
    _blueprint: Arc<Blueprint>,
}

impl Scenario {
    fn new(
        prng: &mut Prng,
        world: &World,
        book: &Rc<RefCell<Book>>,
        region: &Path,
    ) -> Result<Scenario, String> {
        let clients = core(world, [198, 51, 100, 1], &ROOMY)?;
        let origins = core(world, [10, 1, 0, 1], &ROOMY)?;
        let malice = [0, 100, 400][usize::try_from(prng.below(3)).unwrap_or(0)];
        origin::serve(&origins, book, Prng::new(prng.next_u64()), malice)
            .map_err(|errno| format!("origin: {errno:?}"))?;
        let keyring = Keyring {
            tickets: TicketKeys::new(Wall(0)).map_err(|error| format!("{error:?}"))?,
            clock: TlsClock::new(Wall(0)),
            cache: CacheSecrets {
                seed: 1,
                boot_key: [0; 32],
            },
            limits: LimitsHome::private([1, 2]),
        };
        let blueprint = plan::blueprint(prng, &keyring, region)?;
        let caches = blueprint.caches.clone();
        let places = start(prng, world, &blueprint)?;
        let mut things = Vec::new();
        for site in Site::ALL {
            for _ in 0..2 + prng.below(2) {
                let number = prng.below(16);
                things.push(Thing { site, number });
            }
        }
        Ok(Scenario {
            world: world.clone(),
            book: Rc::clone(book),
            places,
            clients,
            origins,
            caches,
            things,
            _blueprint: blueprint,
        })
    }

    fn play(mut self, prng: &mut Prng, is_sound: bool) -> Result<(), String> {
        for _ in 0..3 + prng.below(14) {
            self.spawn_client(prng);
        }
        self.spawn_operator(prng);
        self.drive(self.world.now().plus_ms(1 + prng.below(500)));
        if self.places.len() > 1 && prng.chance(300) {
            self.kill(prng)?;
        }
        self.drive(self.world.now().plus_ms(1 + prng.below(2_500)));
        self.world.set_faults(Faults::none());
        self.book
            .borrow_mut()
            .note(self.world.now(), || "calm".to_owned());
        self.book.borrow_mut().calm = true;
        self.drive_clients()?;
        let figures = self.book.borrow().figures;
        let Figures {
            own,
            unanswered,
            failed,
            killed,
            ..
        } = figures;
        // One failure costs one client its answer at most: who waited for it asks again.
        if is_sound && killed == 0 && own + unanswered > failed {
            let what = format!("{failed} fetches failed, {own} + {unanswered} clients for it");
            return Err(what);
        }
        self.drive(self.world.now().plus_ms(SETTLE_MS));
        self.recover(prng)?;
        self.drive(self.world.now().plus_ms(SETTLE_MS));
        self.nothing_is_held("after the last answer")?;
        self.drain()?;
        for place in std::mem::take(&mut self.places) {
            end(place)?;
        }
        self.nothing_is_held("at the end")?;
        let processes = |cache: &SharedCache| cache.store.processes().len();
        let owners: usize = self.caches.iter().map(processes).sum();
        if owners > 0 {
            return Err(format!("{owners} owners are left"));
        }
        world::shutdown(&[self.clients, self.origins]);
        match (self.world.files_open(), self.world.flights_count()) {
            (0, 0) => Ok(()),
            left => Err(format!("descriptors, operations left: {left:?}")),
        }
    }

    fn spawn_client(&self, prng: &mut Prng) {
        let mut client = self.client(prng, false);
        let (core, book) = (Rc::clone(&self.clients), Rc::clone(&self.book));
        self.clients.spawn(async move {
            for _ in 0..1 + client.prng.below(4) {
                let count = 1 + client.prng.below(5);
                client.visit(count).await;
                if book.borrow().violation().is_some() {
                    return;
                }
                let pause_ms = client.prng.below(80) * client.prng.below(2);
                core.sleep_until(core.now().plus_ms(pause_ms)).await;
            }
        });
    }

    fn client(&self, prng: &mut Prng, is_plain: bool) -> Client {
        Client {
            core: Rc::clone(&self.clients),
            book: Rc::clone(&self.book),
            prng: Prng::new(prng.next_u64()),
            things: self.things.clone(),
            is_plain,
        }
    }

    /// Flushes a stage now and then.
    fn spawn_operator(&self, prng: &mut Prng) {
        let mut prng = Prng::new(prng.next_u64());
        if !prng.chance(400) {
            return;
        }
        let (core, book) = (Rc::clone(&self.clients), Rc::clone(&self.book));
        let caches = self.caches.clone();
        self.clients.spawn(async move {
            for _ in 0..1 + prng.below(4) {
                core.sleep_until(core.now().plus_ms(prng.below(400))).await;
                let site = Site::ALL[usize::try_from(prng.below(3)).unwrap_or(0)];
                let namespace = stage_namespace(&stage_scope(&format!("{site:?}"), "dev"));
                for cache in &caches {
                    cache.store.flush(namespace);
                }
                let mut book = book.borrow_mut();
                book.note(core.now(), || format!("{site:?} is flushed"));
                book.know_flushed(site);
            }
        });
    }

    /// Ends one worker where it stands, with all that it leads and follows.
    fn kill(&mut self, prng: &mut Prng) -> Result<(), String> {
        let row = usize::try_from(prng.below(self.places.len() as u64)).unwrap_or(0);
        let mut book = self.book.borrow_mut();
        book.figures.killed += 1;
        book.note(self.world.now(), || format!("worker {row} ends"));
        drop(book);
        end(self.places.remove(row))
    }

    /// Fresh requests on fresh connections succeed, and what is kept is right.
    fn recover(&self, prng: &mut Prng) -> Result<(), String> {
        for _ in 0..8 {
            let mut client = self.client(prng, true);
            let good = Rc::new(Cell::new(0));
            let told = Rc::clone(&good);
            self.clients.spawn(async move {
                told.set(client.visit(2).await);
            });
            self.drive_clients()?;
            if good.get() != 2 {
                return Err("no recovery: a fresh request fails".to_owned());
            }
        }
        Ok(())
    }

    fn nothing_is_held(&self, when: &str) -> Result<(), String> {
        for (region, cache) in self.caches.iter().enumerate() {
            match (cache.store.pins_held(), cache.flights.count()) {
                (0, 0) => {}
                left => {
                    let what = format!("pins, fetches left {when} in region {region}: {left:?}");
                    return Err(what);
                }
            }
        }
        Ok(())
    }

    fn drain(&self) -> Result<(), String> {
        let deadline = self.world.now().plus_ms(2_000);
        for place in &self.places {
            let sent = place.post.send(&self.clients, Order::Drain { deadline });
            sent.map_err(|_| "a drain does not begin")?;
        }
        self.drive(deadline.plus_ms(1_000));
        Ok(())
    }

    /// Lets things happen until `until` or a violation.
    fn drive(&self, until: Mono) {
        let mut cores = vec![Rc::clone(&self.clients), Rc::clone(&self.origins)];
        cores.extend(self.places.iter().map(|place| Rc::clone(&place.core)));
        while self.world.now() < until && self.book.borrow().violation().is_none() {
            let slice = until.min(self.world.now().plus_ms(20));
            world::run(&self.world, &cores, slice);
            if self.world.now() < slice {
                return; // nothing more will happen
            }
        }
    }

    fn drive_clients(&self) -> Result<(), String> {
        let end = self.world.now().plus_ms(CLIENTS_MS);
        while self.clients.tasks_count() > 0 && self.book.borrow().violation().is_none() {
            let before = self.world.now();
            self.drive(before.plus_ms(20));
            if self.world.now() >= end || self.world.now() == before {
                let count = self.clients.tasks_count();
                return Err(format!("{count} clients do not end"));
            }
        }
        Ok(())
    }
}

fn start(prng: &mut Prng, world: &World, blueprint: &Arc<Blueprint>) -> Result<Vec<Place>, String> {
    let count = usize::try_from(1 + prng.below(3)).unwrap_or(1);
    let mut registry = Registry::new(count);
    let stages = blueprint.plan.stages.iter();
    let names: Vec<StageName> = stages
        .map(|stage| StageName {
            api: stage.api_id.to_string(),
            stage: stage.name.to_string(),
        })
        .collect();
    let ids = registry.stages(&names);
    let admission = Admission::new(std::array::from_fn(|_| prng.next_u64()));
    (0..count)
        .map(|index| {
            let core = core(world, [203, 0, 113, 1], &WORKING)?;
            let listen = ListenAddress::Tcp(plan::GATEWAY);
            let fd = core
                .listen(&listen, true)
                .map_err(|errno| format!("worker {index}: {errno:?}"))?;
            let (post, inbox) = Inbox::new(&core, ORDERS);
            let gauges = Gauges {
                metrics: registry.core(index).unwrap_or_default(),
                cells: registry.stage_cells(index, &ids),
                histograms: CoreHistograms::new(&ids),
                log: None,
                execution: None,
            };
            let worker = Worker::start(&core, blueprint, &admission, &[(fd, 0)], inbox, gauges);
            Ok(Place {
                core,
                _worker: worker,
                post,
            })
        })
        .collect()
}

/// Ends a worker's core, and sees that nothing is left of it.
fn end(place: Place) -> Result<(), String> {
    let Place { core, _worker, .. } = place;
    drop(_worker);
    core.shutdown();
    let left = (core.slots_used(), core.sockets_open(), core.tasks_count());
    if left != (0, 0, 0) {
        return Err(format!("slots, sockets, tasks left: {left:?}"));
    }
    let (free, all) = (core.buffers_free(), core.pool().count());
    if free != all {
        return Err(format!("{free} of {all} buffers are home"));
    }
    Ok(())
}

fn core(world: &World, host: [u8; 4], options: &SimOptions) -> Result<Rc<Core>, String> {
    let sim = Sim::new(world, options).map_err(|error| error.to_string())?;
    Ok(Core::new(Ring::Sim(sim.with_source(host.into())), SLOTS))
}

/// The people's cores have room for all that they send ahead.
const ROOMY: SimOptions = SimOptions {
    buffers: 2_048,
    buffer_bytes: 4_096,
    stock: 128,
};
/// Room enough for a worker: what happens without is another simulation's subject.
const WORKING: SimOptions = SimOptions {
    buffers: 512,
    buffer_bytes: 16_384,
    stock: 64,
};
const SLOTS: u32 = 512;
const ORDERS: usize = 8;
/// By then every client has ended: it waits at most a minute for an answer.
const CLIENTS_MS: u64 = 600_000;
/// What is left of the storm's delays and pauses is over by then.
const SETTLE_MS: u64 = 20_000;
