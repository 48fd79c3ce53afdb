//! One seed, from an empty world to an empty world.
//!
//! What it is: draws how many workers, clients and origins there are and how badly the world
//! behaves; lets a storm rage; then the faults stop and everything must finish and be well; then
//! the workers drain. Some seeds drain in the middle of the storm. Shape: [`simulate`] gives a
//! [`Report`]. Units: virtual milliseconds. Errors: a violation in the report.
//! Source: RELIABILITY section 10.

use std::{cell::Cell, cell::RefCell, rc::Rc, sync::Arc};

use super::{
    check::{Figures, Ledger},
    client::Client,
    origin, plan,
    script::Script,
    world,
};
use crate::{
    base::{
        prng::Prng,
        time::{Mono, Wall},
    },
    exec::{Core, Inbox, Post},
    net::tls::{TlsClock, ticket::TicketKeys},
    ring::{
        Fd, ListenAddress, Ring,
        sim::{Faults, Sim, SimOptions, World},
    },
    server::{Admission, Blueprint, CacheSecrets, Gauges, Keyring, LimitsHome, Order, Worker},
    telemetry::{
        histograms::CoreHistograms,
        metrics::{Registry, SeriesIds, StageName},
    },
};

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Report {
    /// A hash of all that happened; equal seeds give equal ones.
    pub trace: u64,
    /// How the exchanges ended.
    pub figures: Figures,
    /// What must not have happened, if something did.
    pub violation: Option<String>,
    /// What happened, if that was asked for.
    pub events: Vec<String>,
}

/// Runs one seed; `verbose` keeps its events.
///
/// # Panics
/// When an assertion of the gateway fails, which is a finding too.
#[must_use]
pub fn simulate(seed: u64, verbose: bool) -> Report {
    let mut prng = Prng::new(seed);
    let faults = draw_faults(&mut prng);
    let world = World::new(seed, faults.clone());
    let mut ledger = Ledger::new(verbose);
    ledger.resets_none = faults.reset == 0;
    ledger.pieces_whole = faults.short_recv == 0 && faults.short_send == 0;
    let ledger = Rc::new(RefCell::new(ledger));
    let ended = match Scenario::new(&mut prng, &world, &ledger) {
        Ok(scenario) => {
            scenario.press(Prng::new(!seed));
            scenario.play(&mut prng, &faults)
        }
        Err(what) => Err(what),
    };
    let mut ledger = ledger.borrow_mut();
    if let Err(what) = ended {
        ledger.violate(world.now(), what);
    }
    Report {
        trace: world.trace(),
        figures: ledger.figures,
        violation: ledger.violation().map(str::to_owned),
        events: ledger.take_events(),
    }
}

/// The ring's own faults; a quarter of the seeds has none, so that only the people misbehave.
fn draw_faults(prng: &mut Prng) -> Faults {
    if prng.chance(250) {
        return Faults::none();
    }
    Faults::drawn(prng)
}

struct Gateway {
    cores: Vec<Rc<Core>>,
    workers: Vec<Rc<Worker>>,
    posts: Vec<Post<Order>>,
    /// One a worker.
    listening: Vec<Fd>,
    admission: Arc<Admission>,
    registry: Registry,
    ids: SeriesIds,
}

struct Scenario {
    world: World,
    ledger: Rc<RefCell<Ledger>>,
    gateway: Gateway,
    clients: Rc<Core>,
    origins: Rc<Core>,
    keyring: Keyring,
    blueprint: Arc<Blueprint>,
    origins_count: u8,
}

impl Scenario {
    fn new(
        prng: &mut Prng,
        world: &World,
        ledger: &Rc<RefCell<Ledger>>,
    ) -> Result<Scenario, String> {
        let clients = core(world, [198, 51, 100, 1], &ROOMY)?;
        let origins = core(world, [10, 1, 0, 1], &ROOMY)?;
        let origins_count = u8::try_from(1 + prng.below(3)).unwrap_or(1);
        let malice = [0, 150, 500][usize::try_from(prng.below(3)).unwrap_or(0)];
        for index in 0..origins_count {
            let address = plan::origin_address(index);
            origin::serve(
                &origins,
                address,
                ledger,
                Prng::new(prng.next_u64()),
                malice,
            )
            .map_err(|errno| format!("origin {index}: {errno:?}"))?;
        }
        let keyring = Keyring {
            tickets: TicketKeys::new(Wall(0)).map_err(|error| format!("{error:?}"))?,
            clock: TlsClock::new(Wall(0)),
            cache: CacheSecrets {
                seed: 1,
                boot_key: [0; 32],
            },
            limits: LimitsHome::private([1, 2]),
        };
        let blueprint = plan::blueprint(prng, &keyring, origins_count, 1, None)?;
        let gateway = Gateway::start(prng, world, &blueprint)?;
        Ok(Scenario {
            world: world.clone(),
            ledger: Rc::clone(ledger),
            gateway,
            clients,
            origins,
            keyring,
            blueprint,
            origins_count,
        })
    }

    fn play(mut self, prng: &mut Prng, faults: &Faults) -> Result<(), String> {
        self.note(|| format!("{} workers, {faults:?}", self.gateway.cores.len()));
        for _ in 0..1 + prng.below(8) {
            self.spawn_client(prng);
        }
        if prng.chance(400) {
            self.reload(prng)?;
        }
        self.drive(self.world.now().plus_ms(1 + prng.below(400)));
        if prng.chance(250) {
            self.drain(prng)?; // in the middle of it
            self.end_gateway(prng)?;
        }
        self.calm();
        self.drive_clients()?;
        if !self.gateway.cores.is_empty() {
            self.recover(prng)?;
            self.drain(prng)?;
            self.end_gateway(prng)?;
        }
        self.end_world()
    }

    /// A client that opens a few connections, one after the other.
    fn spawn_client(&self, prng: &mut Prng) {
        let mut prng = Prng::new(prng.next_u64());
        let (core, ledger) = (Rc::clone(&self.clients), Rc::clone(&self.ledger));
        self.clients.spawn(async move {
            let mut client = Client {
                core: Rc::clone(&core),
                ledger: Rc::clone(&ledger),
                to: plan::GATEWAY,
                prng: Prng::new(prng.next_u64()),
            };
            for _ in 0..1 + prng.below(4) {
                let script = Script::draw(&mut prng, &mut ledger.borrow_mut());
                client.perform(script).await;
                if ledger.borrow().violation().is_some() {
                    return;
                }
                let pause_ms = prng.below(60);
                core.sleep_until(core.now().plus_ms(pause_ms)).await;
            }
        });
    }

    /// In some seeds the host is short of memory, now more and now less, for a second at most.
    fn press(&self, mut prng: Prng) {
        if !prng.chance(300) {
            return;
        }
        let (core, admission) = (
            Rc::clone(&self.clients),
            Arc::clone(&self.gateway.admission),
        );
        self.clients.spawn(async move {
            for _ in 0..1 + prng.below(5) {
                core.sleep_until(core.now().plus_ms(prng.below(200))).await;
                let row = usize::try_from(prng.below(PRESSURES.len() as u64)).unwrap_or(0);
                admission.load().set_memory_percent(PRESSURES[row]);
            }
            admission.load().set_memory_percent(0);
        });
    }

    /// Another plan, at some time during the storm.
    fn reload(&mut self, prng: &mut Prng) -> Result<(), String> {
        let origins = u8::try_from(1 + prng.below(u64::from(self.origins_count))).unwrap_or(1);
        let before = Some(&*self.blueprint);
        let next = plan::blueprint(prng, &self.keyring, origins, 2, before)?;
        self.blueprint = Arc::clone(&next);
        for (index, post) in self.gateway.posts.iter().enumerate() {
            let listening = self.gateway.listening.get(index);
            let order = Order::Serve {
                blueprint: Arc::clone(&next),
                cells: self.gateway.registry.stage_cells(index, &self.gateway.ids),
                histograms: CoreHistograms::new(&self.gateway.ids),
                leftover: Box::new(|_, _| {}),
                listeners: listening.map(|fd| (*fd, 0)).into_iter().collect(),
            };
            let (core, post) = (Rc::clone(&self.clients), post.clone());
            let at = core.now().plus_ms(prng.below(100));
            self.clients.spawn(async move {
                core.sleep_until(at).await;
                let sent = post.send(&core, order);
                assert!(sent.is_ok(), "the box has room");
            });
        }
        Ok(())
    }

    /// The faults stop.
    fn calm(&self) {
        self.note(|| "the faults stop".to_owned());
        self.world.set_faults(Faults::none());
        self.ledger.borrow_mut().calm = true;
    }

    /// Lets things happen until `until` or a violation.
    fn drive(&self, until: Mono) {
        let cores = self.all_cores();
        while self.world.now() < until && self.ledger.borrow().violation().is_none() {
            let slice = until.min(self.world.now().plus_ms(20));
            world::run(&self.world, &cores, slice);
            if self.world.now() < slice {
                return; // nothing more will happen
            }
        }
    }

    fn all_cores(&self) -> Vec<Rc<Core>> {
        let mut cores = vec![Rc::clone(&self.clients), Rc::clone(&self.origins)];
        cores.extend(self.gateway.cores.iter().cloned());
        cores
    }

    fn drive_clients(&self) -> Result<(), String> {
        let end = self.world.now().plus_ms(CLIENTS_MS);
        while self.clients.tasks_count() > 0 && self.ledger.borrow().violation().is_none() {
            let before = self.world.now();
            self.drive(before.plus_ms(20));
            if self.world.now() >= end || self.world.now() == before {
                let count = self.clients.tasks_count();
                return Err(format!("{count} clients do not end"));
            }
        }
        Ok(())
    }

    /// Fresh requests on fresh connections succeed.
    fn recover(&self, prng: &mut Prng) -> Result<(), String> {
        self.drive(self.world.now().plus_ms(SETTLE_MS));
        for place in ["a", "b", "mock", "a", "b"] {
            let mut client = Client {
                core: Rc::clone(&self.clients),
                ledger: Rc::clone(&self.ledger),
                to: plan::GATEWAY,
                prng: Prng::new(prng.next_u64()),
            };
            let script = Script::plain(prng, &mut self.ledger.borrow_mut(), place);
            let good = Rc::new(Cell::new(0));
            let told = Rc::clone(&good);
            self.clients.spawn(async move {
                told.set(client.perform(script).await.good);
            });
            self.drive_clients()?;
            if good.get() != 1 {
                return Err(format!("no recovery: a fresh request to {place} fails"));
            }
        }
        Ok(())
    }

    /// Tells the workers to end, and waits until they have.
    fn drain(&self, prng: &mut Prng) -> Result<(), String> {
        self.note(|| "drain".to_owned());
        let deadline = self.world.now().plus_ms(1 + prng.below(3_000));
        for post in &self.gateway.posts {
            let sent = post.send(&self.clients, Order::Drain { deadline });
            assert!(sent.is_ok(), "the box has room");
        }
        let finished = || {
            let mut workers = self.gateway.workers.iter();
            workers.all(|worker| worker.local().finished.get())
        };
        let end = deadline.plus_ms(DRAIN_SLACK_MS);
        while !finished() && self.ledger.borrow().violation().is_none() {
            let before = self.world.now();
            self.drive(before.plus_ms(20));
            if before >= end || self.world.now() == before {
                return Err("a drain does not end".to_owned());
            }
        }
        Ok(())
    }

    /// Ends the workers' cores, wherever they are, and sees that nothing is left of them.
    fn end_gateway(&mut self, prng: &mut Prng) -> Result<(), String> {
        self.gateway.workers.clear();
        let mut cores = std::mem::take(&mut self.gateway.cores);
        let first = usize::try_from(prng.below(cores.len() as u64)).unwrap_or(0);
        cores.rotate_left(first);
        world::shutdown(&cores);
        for core in &cores {
            let left = (core.slots_used(), core.sockets_open(), core.tasks_count());
            if left != (0, 0, 0) {
                return Err(format!("slots, sockets, tasks left: {left:?}"));
            }
            let (free, all) = (core.buffers_free(), core.pool().count());
            if free != all {
                return Err(format!("{free} of {all} buffers are home"));
            }
        }
        match self.gateway.admission.open() {
            0 => Ok(()),
            open => Err(format!("{open} connections count as open")),
        }
    }

    fn end_world(self) -> Result<(), String> {
        world::shutdown(&[Rc::clone(&self.clients), Rc::clone(&self.origins)]);
        let world = &self.world;
        let left = (
            world.files_open(),
            world.flights_count(),
            world.sockets_count(),
        );
        if left != (0, 0, 0) {
            return Err(format!("descriptors, flights, sockets left: {left:?}"));
        }
        Ok(())
    }

    fn note(&self, event: impl FnOnce() -> String) {
        self.ledger.borrow_mut().note(self.world.now(), event);
    }
}

impl Gateway {
    fn start(
        prng: &mut Prng,
        world: &World,
        blueprint: &Arc<Blueprint>,
    ) -> Result<Gateway, String> {
        let count = usize::try_from(1 + prng.below(3)).unwrap_or(1);
        let mut registry = Registry::new(count);
        let names: Vec<StageName> = (blueprint.plan.stages.iter())
            .map(|stage| StageName {
                api: stage.api_id.to_string(),
                stage: stage.name.to_string(),
            })
            .collect();
        let ids = registry.stages(&names);
        let seeds = std::array::from_fn(|_| prng.next_u64());
        let mut gateway = Gateway {
            cores: Vec::new(),
            workers: Vec::new(),
            posts: Vec::new(),
            listening: Vec::new(),
            admission: Admission::new(seeds),
            registry,
            ids,
        };
        for index in 0..count {
            let buffers = [32, 96, 256][usize::try_from(prng.below(3)).unwrap_or(0)];
            let options = SimOptions {
                buffers,
                stock: buffers / 4,
                ..SimOptions::default()
            };
            let core = core(world, [203, 0, 113, 1], &options)?;
            let listen = ListenAddress::Tcp(plan::GATEWAY);
            let fd = core
                .listen(&listen, true)
                .map_err(|errno| format!("worker {index}: {errno:?}"))?;
            let (post, inbox) = Inbox::new(&core, ORDERS);
            let gauges = Gauges {
                metrics: gateway.registry.core(index).unwrap_or_default(),
                cells: gateway.registry.stage_cells(index, &gateway.ids),
                histograms: CoreHistograms::new(&gateway.ids),
                log: None,
                execution: None,
            };
            let admission = &gateway.admission;
            let worker = Worker::start(&core, blueprint, admission, &[(fd, 0)], inbox, gauges);
            gateway.cores.push(core);
            gateway.workers.push(worker);
            gateway.posts.push(post);
            gateway.listening.push(fd);
        }
        Ok(gateway)
    }
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
/// One for each step of overload.
const PRESSURES: [u8; 6] = [0, 72, 82, 87, 93, 97];
const SLOTS: u32 = 512;
const ORDERS: usize = 8;
/// By then every client has ended: it waits at most two minutes a connection.
const CLIENTS_MS: u64 = 600_000;
/// What is left of the storm's delays and pauses is over by then.
const SETTLE_MS: u64 = 8_000;
/// How much later than its deadline a drain may end.
const DRAIN_SLACK_MS: u64 = 1_000;
