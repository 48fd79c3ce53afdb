//! Storms over the simulated ring: clients, a relay and an echo on three cores, under faults.
//!
//! One seed draws its own fault rates and load. Safety under faults: what comes back is what was
//! sent, in order, up to a reset. Then the faults stop, and everything must finish; or the cores
//! are stopped in the middle. Either way nothing leaks. `TIDEGATE_SEED=n` runs one seed; a failure prints it.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, task::Poll};

use crate::bed::{self, bytes};
use tidegate_edge::{
    base::{prng::Prng, time::Mono},
    exec::{Core, Inbox, Listener, Post, RecvEnd, Stream},
    ring::{
        ListenAddress, Ring, Transport,
        sim::{Faults, Sim, SimOptions, World},
    },
    sim,
};

const SEEDS: u64 = 600;
const ROUNDS: u64 = 3;
/// Storms that are stopped while they rage.
const STOPPED_PER_MILLE: u64 = 300;
/// Bytes that a client sends ahead of what has come back.
const AHEAD_BYTES: usize = 32 * 1024;

#[test]
fn storms_lose_nothing_and_end() {
    let mut sums = Outcomes::default();
    let mut traces = 0u64;
    for seed in seeds() {
        let (trace, outcomes) = storm(seed);
        traces ^= trace;
        sums.whole += outcomes.whole;
        sums.broken += outcomes.broken;
    }
    eprintln!("{sums:?} {traces:x}");
    if std::env::var_os("TIDEGATE_SEED").is_none() {
        assert!(sums.whole > SEEDS && sums.broken > SEEDS / 2, "{sums:?}");
    }
}

#[test]
fn a_seed_repeats_its_run() {
    for seed in seeds().take(30) {
        assert_eq!(storm(seed).0, storm(seed).0, "seed {seed}");
    }
    assert_ne!(storm(1).0, storm(2).0);
}

#[test]
fn an_accept_that_ends_without_a_reason_starts_again() {
    let faults = Faults {
        multishot_end: 1000,
        ..Faults::none()
    };
    let world = World::new(1, faults);
    let core = core(&world, [127, 0, 0, 1]);
    let (mut listener, address) = bed::bind(&core);
    let inner = Rc::clone(&core);
    core.spawn(async move {
        for _ in 0..5 {
            let _client = bed::connect(&inner, address).await;
            let _served = bed::accept(&inner, &mut listener).await;
        }
    });
    let until = Mono::default().plus_ms(1_000);
    let cores = [core];
    assert_eq!(sim::run(&world, &cores, until), sim::Ran::Finished);
    sim::shutdown(&cores);
}

#[test]
fn descriptors_run_out_and_come_back() {
    let world = World::new(1, Faults::none());
    let core = core(&world, [127, 0, 0, 1]);
    let (mut listener, address) = bed::bind(&core);
    world.limit_files(3); // the listener, a client, its server
    let inner = Rc::clone(&core);
    core.spawn(async move {
        for _ in 0..3 {
            let client = bed::connect(&inner, address).await;
            let served = bed::accept(&inner, &mut listener).await;
            let refused =
                tidegate_edge::exec::connect(&inner, address, Transport::Stream, Mono::FAR);
            assert!(refused.await.is_err(), "no descriptor is left");
            drop((client, served));
            inner.sleep_until(inner.now().plus_ms(1)).await;
        }
    });
    let until = Mono::default().plus_ms(1_000);
    let cores = [core];
    assert_eq!(sim::run(&world, &cores, until), sim::Ran::Finished);
    sim::shutdown(&cores);
    assert_eq!(world.files_open(), 0);
}

#[test]
#[should_panic(expected = "waiting for ever")]
fn a_run_that_cannot_end_says_so() {
    let world = World::new(1, Faults::none());
    let core = core(&world, [127, 0, 0, 1]);
    let inner = Rc::clone(&core);
    core.spawn(async move { inner.sleep_until(Mono::FAR).await });
    core.run();
}

fn seeds() -> Box<dyn Iterator<Item = u64>> {
    match std::env::var("TIDEGATE_SEED") {
        Ok(seed) => Box::new(std::iter::once(seed.parse().expect("a number"))),
        Err(_) => Box::new(1..=SEEDS),
    }
}

/// Prints the seed when a storm panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with TIDEGATE_SEED={}", self.0);
        }
    }
}

/// How transfers ended.
#[derive(Default, Debug)]
struct Outcomes {
    whole: u64,
    broken: u64,
}

fn storm(seed: u64) -> (u64, Outcomes) {
    let _named = Named(seed);
    let mut prng = Prng::new(seed);
    let world = World::new(seed, Faults::drawn(&mut prng));
    let cores: Vec<Rc<Core>> = (1..=3)
        .map(|host| core(&world, [127, 0, 0, host]))
        .collect();
    let outcomes = Rc::new(RefCell::new(Outcomes::default()));

    let echo = SocketAddr::from(([127, 0, 0, 3], 7));
    let relay = SocketAddr::from(([127, 0, 0, 2], 80));
    serve(&cores[2], echo, |_, stream| echo_all(stream));
    serve(&cores[1], relay, move |core, stream| {
        relay_to(core, stream, echo)
    });
    let (post, letters) = count_letters(&cores[2]);

    let clients = 1 + prng.below(6);
    for client in 0..clients {
        let client = Client {
            core: Rc::clone(&cores[0]),
            to: if client % 3 == 0 { echo } else { relay },
            prng: Prng::new(prng.next_u64()),
            outcomes: Rc::clone(&outcomes),
            post: post.clone(),
        };
        cores[0].spawn(client.run(ROUNDS));
    }
    let stopped = prng.chance(STOPPED_PER_MILLE);
    let storm_ms = prng.below(if stopped { 60 } else { 2_000 });
    sim::run(&world, &cores, world.now().plus_ms(storm_ms));
    if stopped {
        stop(&world, &cores); // in the middle of it, faults and all
        return (world.trace(), outcomes.take());
    }

    // The faults stop: whoever is left finishes, and a newcomer gets everything through.
    world.set_faults(Faults::none());
    drive_clients(&world, &cores);
    let newcomer = Client {
        core: Rc::clone(&cores[0]),
        to: relay,
        prng: Prng::new(prng.next_u64()),
        outcomes: Rc::clone(&outcomes),
        post,
    };
    let whole = outcomes.borrow().whole;
    cores[0].spawn(newcomer.run_patiently());
    drive_clients(&world, &cores);
    assert_eq!(outcomes.borrow().whole, whole + 1, "all is well again");
    assert_eq!(letters.take(), clients * ROUNDS + 1, "letters");
    stop(&world, &cores);
    (world.trace(), outcomes.take())
}

/// Ends all cores, wherever they are, and asserts that nothing is left.
fn stop(world: &World, cores: &[Rc<Core>]) {
    let mut order: Vec<Rc<Core>> = cores.to_vec();
    let first = usize::try_from(world.draw() % 3).expect("small");
    order.rotate_left(first);
    sim::shutdown(&order);
    for core in cores {
        assert_eq!((core.slots_used(), core.sockets_open()), (0, 0));
        assert_eq!(core.buffers_free(), core.pool().count(), "buffers");
    }
    assert_eq!((world.files_open(), world.flights_count()), (0, 0));
    assert_eq!(world.sockets_count(), 0);
}

/// Runs until no client is left and the servers serve nobody.
fn drive_clients(world: &World, cores: &[Rc<Core>]) {
    let until = world.now().plus_ms(600_000);
    // Each server keeps one task for its listener, the last core one more for its letters.
    let busy = || {
        let counts: Vec<usize> = cores.iter().map(|core| core.tasks_count()).collect();
        counts != [0, 1, 2]
    };
    while busy() {
        let ran = sim::run(world, cores, world.now().plus_ms(20));
        assert!(world.now() < until, "clients do not end: {ran:?}");
        assert!(ran != sim::Ran::Stuck || !busy(), "clients are stuck");
    }
}

fn core(world: &World, host: [u8; 4]) -> Rc<Core> {
    // The clients' core has room for all they send ahead; the servers' run short.
    let (buffers, stock) = if host[3] == 1 { (1024, 64) } else { (200, 16) };
    let options = SimOptions {
        buffers,
        buffer_bytes: 2048,
        stock,
    };
    let sim = Sim::new(world, &options).expect("memory");
    Core::new(Ring::Sim(sim.with_source(host.into())), 512)
}

/// Accepts for ever and starts `task` with each connection.
fn serve<F>(core: &Rc<Core>, address: SocketAddr, task: impl Fn(Rc<Core>, Stream) -> F + 'static)
where
    F: Future<Output = ()> + 'static,
{
    let mut listener = Listener::bind(core, &ListenAddress::Tcp(address)).expect("bound");
    let inner = Rc::clone(core);
    core.spawn(async move {
        while let Some(accepted) = listener.accept().await {
            match accepted {
                Ok(fd) => {
                    let stream = Stream::new(&inner, fd);
                    inner.spawn(task(Rc::clone(&inner), stream));
                }
                Err(_) => listener.resume(),
            }
        }
    });
}

async fn echo_all(mut stream: Stream) {
    while let Ok(buf) = stream.recv(Mono::FAR).await {
        stream.send(buf);
        if stream.sent(AHEAD_BYTES, Mono::FAR).await.is_err() {
            return;
        }
    }
    let _ = stream.sent(0, Mono::FAR).await;
}

async fn relay_to(core: Rc<Core>, mut client: Stream, echo: SocketAddr) {
    let soon = core.now().plus_ms(3_000);
    let Ok(mut origin) = tidegate_edge::exec::connect(&core, echo, Transport::Stream, soon).await
    else {
        client.reset();
        return;
    };
    let mut open = [true, true];
    let failed = std::future::poll_fn(|_| {
        let ends = [
            carry(&mut client, &mut origin, &mut open[0]),
            carry(&mut origin, &mut client, &mut open[1]),
        ];
        match ends {
            [Poll::Ready(Ok(())), Poll::Ready(Ok(()))] => Poll::Ready(false),
            [Poll::Ready(Err(())), _] | [_, Poll::Ready(Err(()))] => Poll::Ready(true),
            _ => Poll::Pending,
        }
    })
    .await;
    if failed {
        client.reset();
    }
}

/// Moves bytes one way as far as they go: ready when `from` has ended and all has left.
fn carry(from: &mut Stream, to: &mut Stream, open: &mut bool) -> Poll<Result<(), ()>> {
    loop {
        match to.poll_sent(if *open { AHEAD_BYTES } else { 0 }) {
            Poll::Ready(Ok(())) if *open => {}
            Poll::Ready(Ok(())) => {
                to.shutdown_when_sent();
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
            Poll::Pending => return Poll::Pending,
        }
        match from.poll_recv() {
            Poll::Ready(Ok(buf)) => to.send(buf),
            Poll::Ready(Err(RecvEnd::Closed)) => *open = false,
            Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
            Poll::Pending => return Poll::Pending,
        }
    }
}

fn count_letters(core: &Rc<Core>) -> (Post<u64>, Rc<std::cell::Cell<u64>>) {
    let (post, mut inbox) = Inbox::new(core, 1024);
    let count = Rc::new(std::cell::Cell::new(0));
    let counted = Rc::clone(&count);
    core.spawn(async move {
        while let Some(letter) = inbox.recv(Mono::FAR).await {
            counted.set(counted.get() + letter);
        }
    });
    (post, count)
}

struct Client {
    core: Rc<Core>,
    to: SocketAddr,
    prng: Prng,
    outcomes: Rc<RefCell<Outcomes>>,
    post: Post<u64>,
}

impl Client {
    async fn run(mut self, rounds: u64) {
        for _ in 0..rounds {
            let patience_ms = 1 + self.prng.below(5_000);
            let whole = self.transfer(patience_ms).await;
            self.book(whole);
            let pause_ms = self.prng.below(50);
            let core = Rc::clone(&self.core);
            core.sleep_until(core.now().plus_ms(pause_ms)).await;
        }
    }

    async fn run_patiently(mut self) {
        let whole = self.transfer(600_000).await;
        self.book(whole);
    }

    fn book(&mut self, whole: bool) {
        let mut outcomes = self.outcomes.borrow_mut();
        *(if whole {
            &mut outcomes.whole
        } else {
            &mut outcomes.broken
        }) += 1;
        assert_eq!(self.post.send(&self.core, 1), Ok(()), "the box has room");
    }

    /// Sends some bytes and reads them back: `true` when all came.
    async fn transfer(&mut self, patience_ms: u64) -> bool {
        let core = Rc::clone(&self.core);
        let deadline = core.now().plus_ms(patience_ms);
        let total = usize::try_from(self.prng.below(60_000)).expect("small");
        let Ok(mut stream) =
            tidegate_edge::exec::connect(&core, self.to, Transport::Stream, deadline).await
        else {
            return false;
        };
        let salt = usize::try_from(self.prng.below(200)).expect("small");
        let (mut sent, mut got) = (0, 0);
        while got < total {
            while sent < total && sent - got < AHEAD_BYTES {
                let count = 1 + usize::try_from(self.prng.below(2047)).expect("small");
                let count = count.min(total - sent);
                let data: Vec<u8> = (sent..sent + count).map(|at| byte_at(salt, at)).collect();
                stream.send(bytes(&core, &data));
                sent += count;
            }
            match stream.recv(deadline).await {
                Ok(buf) => {
                    for byte in buf.iter() {
                        assert_eq!(*byte, byte_at(salt, got), "byte {got} of {total}");
                        got += 1;
                    }
                    assert!(got <= sent, "no byte comes back that was not sent");
                }
                Err(RecvEnd::Timeout) if self.prng.chance(500) => {
                    stream.reset();
                    return false;
                }
                Err(_) => return false,
            }
        }
        stream.shutdown_when_sent();
        let end = stream.recv(deadline).await.map(|_| ());
        assert!(end.is_err(), "nothing comes behind the end");
        true
    }
}

#[allow(clippy::cast_possible_truncation)] // below 251
fn byte_at(salt: usize, offset: usize) -> u8 {
    ((salt + offset) % 251) as u8
}
