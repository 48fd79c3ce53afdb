//! Eight real workers that one key hammers, in a simulated world, from seeds.
//!
//! What it is: whole requests through eight workers over one table, while links are slow, cut and
//! reordered and cores stall. Shape: a seed draws the limit, the clients and the faults; a failure
//! prints it. What is held: grants of all workers together stay within rate · t + burst; a request
//! that was refused never reaches the origin; tokens of all levels are taken together or not at
//! all, which the account's bucket tells, for it loses one for every request that the key's level
//! let through and none else. Units: virtual nanoseconds. Source: RELIABILITY sections 6 and 10.
//! `TIDEGATE_SEEDS=n` changes how many fresh seeds run, `TIDEGATE_SEED_BASE=n` where they begin.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
};

use crate::{
    bed::{self, Sizes},
    documents,
};
use serde_json::json;
use tidegate_edge::{
    base::{
        prng::Prng,
        time::{Mono, Wall},
    },
    exec::{Core, Inbox, Listener, Stream},
    limits::{
        Ask, Directory, Id, Identity, KeyHasher, KeyRecord, Level, Limit, PlanRecord, PlanStage,
        Rate,
    },
    net::tls::{TlsClock, ticket::TicketKeys},
    ring::{
        Transport,
        sim::{Faults, World},
    },
    server::{Admission, Blueprint, CacheSecrets, Gauges, Keyring, LimitsHome, Worker},
    sim,
    telemetry::{
        histograms::CoreHistograms,
        metrics::{Registry, StageName},
    },
};

const KEY: &str = "abcdef1234ghijklmnop8901234567abcdefghij";
const WORKERS: usize = 8;
const SECOND_NS: u64 = 1_000_000_000;
const ACCOUNT_BURST: u32 = 10_000;
const SIZES: Sizes = Sizes {
    cores: 1,
    slots: 512,
    buffers: 128,
    stock: 32,
};
/// These always run.
const PINNED: [u64; 6] = [1, 2, 3, 7, 11, 42];

/// What people saw.
#[derive(Default)]
struct Book {
    /// Numbers of requests that the origin got.
    forwarded: BTreeSet<u64>,
    granted: BTreeSet<u64>,
    refused: BTreeSet<u64>,
}

fn id(text: &str) -> Id {
    Id::parse(text).expect("an id")
}

fn directory(rate: Rate) -> Directory {
    let hasher = KeyHasher::new(&[3; 16]);
    let plan = PlanRecord {
        id: id("gold"),
        throttle: Some(rate),
        quota: None,
        stages: vec![PlanStage {
            api: "a".to_owned(),
            stage: "dev".to_owned(),
            methods: Vec::new(),
        }],
    };
    let key = KeyRecord {
        id: id("k1"),
        tag: hasher.tag(KEY.as_bytes()).expect("a tag"),
        enabled: true,
        plans: vec![id("gold")],
    };
    Directory::build(hasher, &[plan], [key]).expect("a directory")
}

fn account() -> Rate {
    Rate::new(0.001, ACCOUNT_BURST).expect("a rate")
}

/// The workers, and where each of them listens.
struct Gateway {
    workers: Vec<Rc<Worker>>,
    cores: Vec<Rc<Core>>,
    addresses: Vec<SocketAddr>,
    limits: LimitsHome,
}

impl Gateway {
    fn start(world: &World, origin: SocketAddr, rate: Rate) -> Gateway {
        let uri = documents::proxy("http://origin.test/keyed", &[]);
        let mut api = documents::api("a", vec![("ANY /keyed", uri)]);
        for method in api
            .resources
            .iter_mut()
            .flat_map(|resource| &mut resource.methods)
        {
            method.api_key_required = true;
        }
        let settings = documents::settings(json!({
            "apis": [{ "document": "a.yaml", "hosts": ["a"] }],
            "throttle": { "rate_limit": 0.001, "burst_limit": ACCOUNT_BURST },
            "origins": { "o": {
                "match": ["http://origin.test"],
                "allow_addresses": ["loopback"],
                "endpoints": [{ "url": format!("http://{origin}") }],
            } },
        }));
        let limits = LimitsHome::private([0x8f14_e45f_ceea_167a, 0x1b2d_6c0f_93a8_47e5]);
        let keyring = Keyring {
            tickets: TicketKeys::new(Wall(0)).expect("randomness"),
            clock: TlsClock::new(Wall(0)),
            cache: CacheSecrets {
                seed: 1,
                boot_key: [0; 32],
            },
            limits: limits.clone(),
        };
        let plan = documents::plan_of(&settings, &[api]);
        let blueprint = Blueprint::new(plan, &keyring, None).expect("a usable plan");
        let mut registry = Registry::new(WORKERS);
        let ids = registry.stages(&[StageName {
            api: "a".to_owned(),
            stage: "dev".to_owned(),
        }]);
        let admission = Admission::new([1, 2, 3, 4]);
        let keys = Arc::new(directory(rate));
        let mut gateway = Gateway {
            workers: Vec::new(),
            cores: Vec::new(),
            addresses: Vec::new(),
            limits,
        };
        for index in 0..WORKERS {
            let core = Core::new(bed::ring(Some(world), SIZES), SIZES.slots);
            let fd = core.listen(&bed::any_port(), true).expect("a port");
            let gauges = Gauges {
                metrics: registry.core(index).expect("a core"),
                cells: registry.stage_cells(index, &ids),
                histograms: CoreHistograms::new(&ids),
                log: None,
                execution: None,
            };
            gateway
                .addresses
                .push(core.names(fd).local.expect("an address"));
            let (_, inbox) = Inbox::new(&core, 8);
            let worker = Worker::start(&core, &blueprint, &admission, &[(fd, 0)], inbox, gauges);
            worker.local().set_directory(Arc::clone(&keys));
            gateway.workers.push(worker);
            gateway.cores.push(core);
        }
        gateway
    }

    /// Tokens that the account's level has given.
    fn account_spent(&self, now: Mono) -> u64 {
        let table = self.limits.table().expect("the plan wanted one");
        let place = table.known_place(Identity::single(Level::Account, &[]));
        let place = place.expect("found when the plan came");
        let limit = &Limit::new(account()).expect("a limit");
        let left = table.peek(now, &Ask { place, limit }).unwrap_or(0);
        u64::from(ACCOUNT_BURST) - left
    }
}

/// Answers every request, and writes down its number.
fn serve_origin(core: &Rc<Core>, book: &Rc<RefCell<Book>>) -> SocketAddr {
    let mut listener = Listener::bind(core, &bed::any_port()).expect("bound");
    let address = listener.names().local.expect("an address");
    let (core, book) = (Rc::clone(core), Rc::clone(book));
    Rc::clone(&core).spawn(async move {
        while let Some(accepted) = listener.accept().await {
            let Ok(fd) = accepted else { continue };
            let (stream, book) = (Stream::new(&core, fd), Rc::clone(&book));
            core.spawn(async move { answer(stream, &book).await });
        }
    });
    address
}

async fn answer(mut stream: Stream, book: &RefCell<Book>) {
    let core = Rc::clone(stream.core());
    let mut input = Vec::new();
    while let Ok(buf) = stream.recv(Mono::FAR).await {
        input.extend_from_slice(&buf);
        while let Some(end) = find(&input, b"\r\n\r\n") {
            let head: Vec<u8> = input.drain(..end + 4).collect();
            let number = field(&head, "x-number: ").expect("every request has one");
            book.borrow_mut().forwarded.insert(number);
            stream.send(bed::bytes(
                &core,
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ));
            if stream.sent(0, Mono::FAR).await.is_err() {
                return;
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn field(head: &[u8], name: &str) -> Option<u64> {
    let text = String::from_utf8_lossy(head).to_lowercase();
    let (_, rest) = text.split_once(name)?;
    rest.split("\r\n").next()?.parse().ok()
}

/// One request on a connection of its own; what came of it goes into the book, if it is known.
async fn ask(core: &Rc<Core>, to: SocketAddr, number: u64, book: &RefCell<Book>) {
    let deadline = core.now().plus_ms(5_000);
    let connected = tidegate_edge::exec::connect(core, to, Transport::Stream, deadline).await;
    let Ok(mut stream) = connected else { return };
    let request =
        format!("GET /keyed HTTP/1.1\r\nHost: a\r\nX-API-Key: {KEY}\r\nX-Number: {number}\r\n\r\n");
    stream.send(bed::bytes(core, request.as_bytes()));
    let mut heard = Vec::new();
    while find(&heard, b"\r\n\r\n").is_none() {
        match stream.recv(deadline).await {
            Ok(buf) => heard.extend_from_slice(&buf),
            Err(_) => return,
        }
    }
    let mut book = book.borrow_mut();
    if heard.starts_with(b"HTTP/1.1 429") {
        book.refused.insert(number);
    } else if heard.starts_with(b"HTTP/1.1 200") {
        book.granted.insert(number);
    }
}

/// What a run showed: requests granted and refused.
struct Figures {
    granted: usize,
    refused: usize,
}

fn run(seed: u64) -> Result<Figures, String> {
    let mut prng = Prng::new(seed);
    let faults = match prng.below(3) {
        0 => Faults::none(),
        _ => Faults::drawn(&mut prng),
    };
    let world = World::new(seed, faults);
    let burst = u32::try_from(1 + prng.below(40)).expect("small");
    let rate = Rate::new((1 + prng.below(400)) as f64 / 2.0, burst).expect("a rate");
    let people = Core::new(bed::ring(Some(&world), SIZES), 1024);
    let book = Rc::new(RefCell::new(Book::default()));
    let origin = serve_origin(&people, &book);
    let gateway = Gateway::start(&world, origin, rate);
    let clients = Rc::new(Cell::new(0));
    let numbers = Rc::new(Cell::new(0));
    let from = world.now();
    for index in 0..WORKERS * 2 {
        let to = gateway.addresses[index % WORKERS];
        let (core, book, clients) = (Rc::clone(&people), Rc::clone(&book), Rc::clone(&clients));
        let (numbers, mut prng) = (Rc::clone(&numbers), Prng::new(prng.next_u64()));
        clients.set(clients.get() + 1);
        people.spawn(async move {
            for _ in 0..10 + prng.below(20) {
                numbers.set(numbers.get() + 1);
                ask(&core, to, numbers.get(), &book).await;
                let pause_ms = prng.below(30) * prng.below(2);
                core.sleep_until(core.now().plus_ms(pause_ms)).await;
            }
            clients.set(clients.get() - 1);
        });
    }
    let mut cores = vec![people];
    cores.extend(gateway.cores.iter().cloned());
    let end = from.plus_ms(600_000);
    while clients.get() > 0 {
        sim::run(&world, &cores, world.now().plus_ms(20));
        if world.now() >= end {
            return Err(format!("{} clients do not end", clients.get()));
        }
    }
    let verdict = judge(&book.borrow(), &gateway, rate, (from, world.now()));
    drop(gateway);
    sim::shutdown(&cores);
    verdict
}

fn judge(
    book: &Book,
    gateway: &Gateway,
    rate: Rate,
    (from, to): (Mono, Mono),
) -> Result<Figures, String> {
    if let Some(number) = book.refused.intersection(&book.forwarded).next() {
        return Err(format!(
            "request {number} was refused and reached the origin"
        ));
    }
    let spent = gateway.account_spent(to);
    let known = book.forwarded.union(&book.granted).count() as u64;
    if known > spent {
        return Err(format!(
            "{known} requests for {spent} tokens of the account"
        ));
    }
    let elapsed = u128::from(to.since_ns(from));
    let refilled = u128::from(rate.micro_per_s) * elapsed / u128::from(SECOND_NS) / 1_000_000;
    let most = u128::from(rate.burst) + refilled + 1;
    if u128::from(spent) > most {
        return Err(format!(
            "{spent} grants, at most {most}: {rate:?} in {elapsed} ns"
        ));
    }
    Ok(Figures {
        granted: book.granted.len(),
        refused: book.refused.len(),
    })
}

#[test]
fn eight_workers_keep_to_one_keys_limit() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let count = number("TIDEGATE_SEEDS").unwrap_or(60);
    let base = number("TIDEGATE_SEED_BASE").unwrap_or_else(|| u64::from(std::process::id()) << 20);
    println!("seeds {base} to {} and the pinned ones", base + count);
    let (mut granted, mut refused) = (0, 0);
    let mut failures = Vec::new();
    for seed in PINNED.into_iter().chain(base..base + count) {
        match run(seed) {
            Ok(figures) => {
                granted += figures.granted;
                refused += figures.refused;
            }
            Err(what) => failures.push(format!("TIDEGATE_SEED_BASE={seed}: {what}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{granted} granted, {refused} refused");
    assert!(
        granted > 0 && refused > 0,
        "a run in which nothing happens proves nothing"
    );
}
