//! A worker that serves one connection of this process.
//!
//! What it is: a core on a thread of its own with the plan's pools. Shape: [`start`] gives it with
//! the client's end of the only connection; [`Running::finish`] waits until it is served. No
//! socket listens by then, and one that somebody else had connected to is refused. Units:
//! milliseconds. Errors: [`Fault`]. Source: own.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::{IntoRawFd, OwnedFd},
    rc::Rc,
    sync::mpsc,
    thread,
};

use tidegate_edge::{
    exec::{Core, Inbox},
    net::tls::{TlsClock, ticket::TicketKeys},
    plan::Plan,
    ring::{Fd, Ring, kernel::Kernel},
    server::{
        Admission, Blueprint, BlueprintError, CacheSecrets, Gauges, Keyring, LimitsHome, Worker,
    },
    telemetry::{
        execution::{Execution, ExecutionSink},
        histograms::CoreHistograms,
        metrics::Registry,
    },
};

use crate::process::{control, resolve, worker_ring};

/// Why no worker could be started.
pub(super) enum Fault {
    /// What the plan names cannot be used.
    Files(Vec<BlueprintError>),
    /// The system refused something.
    Start(String),
}

/// A worker at work.
pub(super) struct Running {
    thread: thread::JoinHandle<()>,
    executions: mpsc::Receiver<Execution>,
}

impl Running {
    /// Waits until the connection is served; gives what was noted, if a method took the request.
    pub(super) fn finish(self) -> Option<Execution> {
        // A worker that panicked has said so; what it noted counts.
        let _ = self.thread.join();
        self.executions.try_recv().ok()
    }
}

/// Starts a worker by `plan`.
pub(super) fn start(plan: Plan) -> Result<(Running, TcpStream), Fault> {
    let (server, client) = connected().map_err(|error| Fault::Start(error.to_string()))?;
    let (tell, executions) = mpsc::channel();
    let (ready, started) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("tidegate-invoke".to_owned())
        .spawn(move || work(plan, server, ExecutionSink::Held(tell), &ready))
        .map_err(|error| Fault::Start(error.to_string()))?;
    match started.recv() {
        Ok(Ok(())) => Ok((Running { thread, executions }, client)),
        Ok(Err(fault)) => Err(fault),
        Err(_) => Err(Fault::Start("the worker ended at its start".to_owned())),
    }
}

/// Two ends of one connection over the loopback, where requests have addresses.
fn connected() -> io::Result<(OwnedFd, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    loop {
        let (server, peer) = listener.accept()?;
        if peer == client.local_addr()? {
            return Ok((server.into(), client));
        }
    }
}

fn work(plan: Plan, server: OwnedFd, sink: ExecutionSink, ready: &mpsc::Sender<Result<(), Fault>>) {
    let made = make(plan, sink);
    let (core, worker, resolver) = match made {
        Ok(made) => made,
        Err(fault) => {
            let _ = ready.send(Err(fault));
            return;
        }
    };
    worker.take(Fd(server.into_raw_fd()), 0);
    core.spawn(end_with_connection(Rc::clone(&core), Rc::clone(&worker)));
    let _ = ready.send(Ok(()));
    core.run();
    drop((worker, resolver));
    core.shutdown();
}

type Made = (Rc<Core>, Rc<Worker>, Rc<tidegate_edge::origin::Resolver>);

fn make(plan: Plan, sink: ExecutionSink) -> Result<Made, Fault> {
    let start = |reason: &str| Fault::Start(reason.to_owned());
    let ring = Kernel::new(&worker_ring()).map_err(|error| Fault::Start(error.to_string()))?;
    let core = Core::new(Ring::Kernel(ring), SLOTS);
    let keyring = Keyring {
        tickets: TicketKeys::new(core.wall()).map_err(|error| Fault::Start(error.to_string()))?,
        clock: TlsClock::new(core.wall()),
        cache: CacheSecrets::fresh().ok_or_else(|| start("no randomness"))?,
        limits: LimitsHome::fresh(core.now()).ok_or_else(|| start("no randomness"))?,
    };
    let mut registry = Registry::new(1);
    let ids = registry.stages(&control::stage_names(&plan));
    let gauges = Gauges {
        metrics: registry.core(0).unwrap_or_default(),
        cells: registry.stage_cells(0, &ids),
        histograms: CoreHistograms::new(&ids),
        log: None,
        execution: Some(sink),
    };
    let blueprint = Blueprint::new(plan, &keyring, None).map_err(Fault::Files)?;
    let admission = Admission::new(std::array::from_fn(|_| core.random()));
    let (_, inbox) = Inbox::new(&core, 1);
    let resolver = resolve(&core, &blueprint);
    let worker = Worker::start(&core, &blueprint, &admission, &[], inbox, gauges);
    Ok((core, worker, resolver))
}

/// Ends the core when the connection is over.
async fn end_with_connection(core: Rc<Core>, worker: Rc<Worker>) {
    let mut has_begun = false;
    loop {
        let is_open = worker.local().connections_open() > 0;
        if has_begun && !is_open {
            return core.stop();
        }
        has_begun |= is_open;
        core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
    }
}

/// Operations in flight: few, for one connection.
const SLOTS: u32 = 1 << 10;
/// How often it is looked whether the connection is over.
const LOOK_MS: u64 = 2;
