//! The control thread: signals, reloads, drain, and the end.
//!
//! What it is: an unpinned core of its own, with its own ring, that serves no clients. It reads
//! signals from pipes, answers operators, compiles reloads, and mails orders to the workers. Shape:
//! `serve` starts everything and returns when the last worker has ended. Errors: [`Failure`].
//! Source: RELIABILITY section 9.

use std::{
    cell::{Cell, RefCell},
    io,
    os::{fd::IntoRawFd, unix::net::UnixStream},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
};

use sd_notify::NotifyState;
use signal_hook::{consts::signal, low_level::pipe};
use tidegate_edge::{
    base::{
        text::counted,
        time::{Mono, Wall},
    },
    exec::{Core, Stream},
    net::tls::{TlsClock, ticket::TicketKeys},
    pipeline::Step,
    plan::{LogSink as LogTargetPlan, Plan},
    ring::{
        Fd, Ring,
        kernel::{Kernel, KernelOptions},
    },
    server::{Admission, Blueprint, CacheSecrets, Gauges, Keyring, LimitsHome},
    telemetry::{
        access_log::{CHUNK_BYTES, LogSink},
        execution::ExecutionSink,
        histograms::CoreHistograms,
        metrics::{Metric, Registry, StageName, Tally},
        writer::{LogTarget, LogWriter},
    },
};

use super::{
    Running, Sources,
    admin::{self, Admin, AdminError},
    documents, ending,
    keeper::{self, Keeper},
    listeners::{ListenError, Open},
    load, manager, memory, regions,
    reload::{self, LastLoad},
    scrape::Scrape,
    start::{Memory, keep_good},
    state::state_folder,
    tending,
    upgrade::{self, Handover},
    upstreams::{self, Upstreams},
    watchdog,
    workers::{Seed, Workers},
};
use crate::{cache::Region, cli::Exit, settings::Configuration};

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// An address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The operators' door.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A certificate, key or log format; the report was printed.
    #[error("the configuration names files that cannot be used")]
    Blueprint,
    /// The system refused something at the start.
    #[error("{0}")]
    Start(String),
    /// The store of keys and plans.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl Failure {
    /// What the caller sees.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Blueprint => Exit::InvalidConfiguration,
            Failure::Listen(_) | Failure::Admin(_) | Failure::Start(_) | Failure::Store(_) => {
                Exit::Failed
            }
        }
    }
}

/// The running gateway, as the control thread sees it.
pub(super) struct Control {
    pub(super) core: Rc<Core>,
    pub(super) sources: Sources,
    /// Where this program stood when it started; a successor is started from there.
    pub(super) program: Result<PathBuf, String>,
    pub(super) keyring: Keyring,
    pub(super) memory: Memory,
    pub(super) keeper: Keeper,
    pub(super) blueprint: RefCell<Arc<Blueprint>>,
    /// What one worker serves for a while before the others.
    pub(super) trying: RefCell<Option<Arc<Blueprint>>>,
    pub(super) workers: RefCell<Option<Workers>>,
    pub(super) admission: Arc<Admission>,
    pub(super) registry: RefCell<Registry>,
    pub(super) log: RefCell<Option<LogWriter>>,
    pub(super) execution_log: RefCell<Option<LogWriter>>,
    pub(super) open: RefCell<Open>,
    pub(super) admin: Admin,
    pub(super) upstreams: Upstreams,
    pub(super) scrape: Scrape,
    pub(super) started: Wall,
    /// Revision of the plan that serves.
    pub(super) revision: Cell<u64>,
    pub(super) last_load: RefCell<LastLoad>,
    /// What was read for that revision.
    pub(super) documents: RefCell<Vec<Running>>,
    pub(super) reloads_ok: Cell<u64>,
    pub(super) reloads_failed: Cell<u64>,
    pub(super) reloads_reverted: Cell<u64>,
    /// What the worker that tries had answered when it began with the plan that serves.
    pub(super) tried_since: Cell<Tally>,
    pub(super) phase: Cell<Phase>,
    /// A reload or an upgrade is under way.
    pub(super) changing: Cell<bool>,
}

impl Control {
    /// The regions of the response cache that requests may meet now, in the order of the plan
    /// that serves, behind them those of the one on trial alone.
    pub(super) fn regions(&self) -> Vec<Region> {
        let mut all = Region::of(&self.blueprint.borrow());
        if let Some(tried) = &*self.trying.borrow() {
            let known = all.len();
            for region in Region::of(tried) {
                let mut known = all.iter().take(known);
                if !known.any(|known| Arc::ptr_eq(&known.store, &region.store)) {
                    all.push(region);
                }
            }
        }
        all
    }

    /// The step of the worker that is pressed most.
    pub(super) fn pressure(&self) -> Step {
        let (registry, workers) = (self.registry.borrow(), self.workers.borrow());
        let count = workers.as_ref().map_or(0, |workers| workers.posts().len());
        let steps = (0..count).filter_map(|index| {
            let step = registry.core(index)?.cell(Metric::PressureStep).get();
            Step::ALL.get(usize::try_from(step).ok()?).copied()
        });
        steps.max().unwrap_or_default()
    }
}

/// Where the process is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// It serves.
    Serving,
    /// It ends: `/readyz` says so, and connections are let go in order.
    Draining,
    /// It ends at once.
    Hurrying,
}

/// Starts everything and serves until told to stop; `open` was inherited.
///
/// # Errors
/// What kept it from starting.
pub(super) fn serve(
    sources: Sources,
    plan: Plan,
    mut configuration: Configuration,
    open: Open,
    memory: Memory,
) -> Result<(), Failure> {
    raise_open_files();
    let options = KernelOptions {
        submissions: 64,
        completions: 512,
        buffers: 256,
        stock: 32,
        ..KernelOptions::default()
    };
    let ring = Kernel::new(&options).map_err(|error| Failure::Start(error.to_string()))?;
    let core = Core::new(Ring::Kernel(ring), 4096);
    let handover = Handover::of_environment(&core);
    let keyring = keyring(core.now(), core.wall(), &handover).map_err(Failure::Start)?;
    let refuse = |configuration: &Configuration| {
        let colour = crate::diagnostics::Colour::for_stderr();
        eprint!("{}", configuration.report.render(colour));
        Failure::Blueprint
    };
    let mut plan = with_limits(plan, &sources);
    if !regions::check_room(&mut plan, &sources, &mut configuration) {
        return Err(refuse(&configuration));
    }
    let blueprint = Blueprint::new(plan, &keyring, None).map_err(|errors| {
        load::add_blueprint_errors(&mut configuration, &errors);
        refuse(&configuration)
    })?;
    let seeds = keeper::declared(&configuration.settings).map_err(|faults| {
        load::add_seed_faults(&mut configuration, &faults);
        refuse(&configuration)
    })?;
    let folder = state_folder(blueprint.plan.process.state_dir.as_deref());
    let keeper = Keeper::start(
        folder,
        seeds,
        keyring.limits.clone(),
        (upgrade::is_successor(), core.wall()),
    )?;
    keyring.follow(&blueprint.plan);
    upstreams::drain_by_text(&blueprint, &handover.drained);
    let control = start(core, sources, keyring, blueprint, (open, memory, keeper))?;
    control
        .documents
        .replace(documents::of(&configuration, control.started));
    let core = Rc::clone(&control.core);
    listen_for_signals(&control).map_err(|error| Failure::Start(error.to_string()))?;
    control
        .upstreams
        .watch(&core, &[&control.blueprint.borrow()]);
    Admin::serve(&control);
    core.spawn(keep_clock(Rc::clone(&control)));
    core.spawn(watchdog::watch(Rc::clone(&control)));
    core.spawn(memory::watch(Rc::clone(&control)));
    core.spawn(keep_good(Rc::clone(&control)));
    core.spawn(tending::tend(Rc::clone(&control)));
    control.blueprint.borrow().leave_common();
    regions::tidy(&control.blueprint.borrow().plan, None, &control.sources);
    if !handover.ready(&control) {
        // A predecessor names this process as the main one itself; before that it has no say.
        manager::tell(&[NotifyState::Ready]);
    }
    core.run();
    if let Some(workers) = control.workers.take() {
        workers.join();
    }
    let logs = [control.log.take(), control.execution_log.take()];
    for log in logs.into_iter().flatten() {
        log.finish(LOG_FINISH_MS);
    }
    control.keeper.close(core.wall());
    control.upstreams.stop();
    control.admin.stop(&core); // sockets that are still held would keep the core from ending
    core.shutdown();
    Ok(())
}

/// Longest wait for the log's last lines.
const LOG_FINISH_MS: u64 = 5_000;

fn start(
    core: Rc<Core>,
    sources: Sources,
    keyring: Keyring,
    blueprint: Arc<Blueprint>,
    (mut open, memory, keeper): (Open, Memory, Keeper),
) -> Result<Rc<Control>, Failure> {
    let plan = &blueprint.plan;
    let cpus = Workers::cpus(&plan.server);
    let admin = Admin::open(&core, &plan.admin, &mut open)?;
    for (key, fd) in open.take_unlisted(&plan.listeners) {
        if key.starts_with("fd:") {
            eprintln!("tidegate: a socket was passed that nothing listens on; is `{key}` missing?");
        }
        core.close(fd); // handed over, but no longer configured
    }
    open.open(&core, &plan.listeners, cpus.len())?;
    let access = (&plan.access_log.sink, plan.access_log.buffer_bytes);
    let (log, mut sinks) = open_log("access", access, cpus.len())?;
    let execution = (&plan.execution_log.sink, plan.execution_log.buffer_bytes);
    let (execution_log, mut executions) = open_log("execution", execution, cpus.len())?;
    let mut registry = Registry::new(cpus.len());
    let ids = registry.stages(&stage_names(plan));
    let admission = Admission::new(std::array::from_fn(|_| core.random()));
    admission.load().set_files_max(open_files_max());
    let mut seeds = Vec::new();
    for index in 0..cpus.len() {
        let metrics = registry.core(index).unwrap_or_default();
        let cells = registry.stage_cells(index, &ids);
        let histograms = CoreHistograms::new(&ids);
        let gauges = Gauges {
            metrics,
            cells,
            histograms,
            log: sinks.pop(),
            execution: executions.pop().map(ExecutionSink::Log),
        };
        let listeners = open.of_worker(&plan.listeners, index, cpus.len());
        seeds.push(Seed { listeners, gauges });
    }
    let workers = Workers::start(&cpus, seeds, &blueprint, &admission).map_err(Failure::Start)?;
    for fd in open.first_of_each(&plan.listeners) {
        if let Some(address) = core.names(fd).local {
            let workers = counted(cpus.len(), "worker");
            eprintln!("tidegate: listening on {address}, {workers}");
        }
    }
    memory.serving_since(core.now(), blueprint.plan.process.good_after_ms);
    let last_load = LastLoad::first(core.wall(), memory.instead());
    Ok(Rc::new(Control {
        sources,
        program: std::env::current_exe().map_err(|error| error.to_string()),
        keyring,
        memory,
        keeper,
        blueprint: RefCell::new(blueprint),
        trying: RefCell::new(None),
        workers: RefCell::new(Some(workers)),
        admission,
        registry: RefCell::new(registry),
        log: RefCell::new(log),
        execution_log: RefCell::new(execution_log),
        open: RefCell::new(open),
        admin,
        upstreams: Upstreams::default(),
        scrape: Scrape::new(&core),
        started: core.wall(),
        revision: Cell::new(1),
        last_load: RefCell::new(last_load),
        documents: RefCell::default(),
        reloads_ok: Cell::new(0),
        reloads_failed: Cell::new(0),
        reloads_reverted: Cell::new(0),
        tried_since: Cell::new(Tally::default()),
        phase: Cell::new(Phase::Serving),
        changing: Cell::new(false),
        core,
    }))
}

/// The predecessor's ticket keys, so that its clients' sessions go on, or fresh ones.
fn keyring(now_mono: Mono, now: Wall, handover: &Handover) -> Result<Keyring, String> {
    let tickets = match TicketKeys::import(&handover.ticket_keys) {
        Ok(tickets) => tickets,
        Err(_) => TicketKeys::new(now).map_err(|error| error.to_string())?,
    };
    let limits = LimitsHome::fresh(now_mono).ok_or("no randomness")?;
    Ok(Keyring {
        limits,
        tickets,
        clock: TlsClock::new(now),
        cache: CacheSecrets::fresh().ok_or("no randomness")?,
    })
}

/// What the settings leave to the host: connections are bounded by descriptors (45 %), and what is
/// mapped lies in the runtime directory, in files of this gateway alone.
pub fn with_limits(mut plan: Plan, sources: &Sources) -> Plan {
    regions::place(&mut plan, sources, admin::runtime_file);
    if let Some(throttle) = &mut plan.throttle
        && throttle.path.is_none()
    {
        throttle.path = admin::runtime_file(&format!("limits-{}.table", sources.instance()));
    }
    if plan.limits.connections_max == 0 {
        let connections = open_files_max().saturating_mul(45) / 100;
        plan.limits.connections_max = u32::try_from(connections).unwrap_or(u32::MAX);
    }
    plan
}

/// Descriptors that this process may have.
fn open_files_max() -> u64 {
    rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(1024, |(soft, _)| soft)
}

fn raise_open_files() {
    if let Ok((soft, hard)) = rlimit::getrlimit(rlimit::Resource::NOFILE)
        && soft < hard
    {
        // A refusal leaves the soft limit, which `connections_max` follows.
        let _ = rlimit::setrlimit(rlimit::Resource::NOFILE, hard, hard);
    }
}

type Log = (Option<LogWriter>, Vec<LogSink>);

/// Opens the log called `name`, if there is one: its writer, and a sink for each worker.
fn open_log(
    name: &str,
    (target, buffer_bytes): (&LogTargetPlan, u32),
    workers: usize,
) -> Result<Log, Failure> {
    let target = match target {
        LogTargetPlan::Off => return Ok((None, Vec::new())),
        LogTargetPlan::Stdout => LogTarget::Stdout,
        LogTargetPlan::File(path) => LogTarget::File(path.clone()),
    };
    let chunks = buffer_bytes as usize / CHUNK_BYTES;
    let (writer, sinks) = LogWriter::start(target, workers, chunks)
        .map_err(|error| Failure::Start(format!("the {name} log cannot be opened: {error}")))?;
    Ok((Some(writer), sinks))
}

pub(crate) fn stage_names(plan: &Plan) -> Vec<StageName> {
    plan.stages
        .iter()
        .map(|stage| StageName {
            api: stage.api_id.to_string(),
            stage: stage.name.to_string(),
        })
        .collect()
}

fn listen_for_signals(control: &Rc<Control>) -> io::Result<()> {
    for number in [
        signal::SIGTERM,
        signal::SIGINT,
        signal::SIGHUP,
        signal::SIGUSR1,
        signal::SIGUSR2,
    ] {
        let (reader, writer) = UnixStream::pair()?;
        pipe::register(number, writer)?;
        let stream = Stream::new(&control.core, Fd(reader.into_raw_fd()));
        control
            .core
            .spawn(follow_signal(Rc::clone(control), stream, number));
    }
    Ok(())
}

async fn follow_signal(control: Rc<Control>, mut stream: Stream, number: i32) {
    while stream.recv(Mono::FAR).await.is_ok() {
        match number {
            signal::SIGTERM | signal::SIGINT => ending::end(&control),
            signal::SIGHUP => {
                // What changed during another change is read behind it.
                while control.changing.get() && control.phase.get() == Phase::Serving {
                    let core = &control.core;
                    core.sleep_until(core.now().plus_ms(CHANGE_LOOK_MS)).await;
                }
                reload::reload(&control).await;
            }
            signal::SIGUSR1 => {
                for log in [&control.log, &control.execution_log] {
                    if let Some(log) = &*log.borrow() {
                        log.reopen();
                    }
                }
            }
            signal::SIGUSR2 => {
                // What became of it was said on standard error.
                let _ = upgrade::upgrade(&control).await;
            }
            _ => {}
        }
    }
}

/// Moves the clock that TLS reads, and rotates the ticket keys.
async fn keep_clock(control: Rc<Control>) {
    loop {
        let core = &control.core;
        core.sleep_until(core.now().plus_ms(CLOCK_MS)).await;
        control.keyring.clock.set(core.wall());
        // Without randomness the old keys stay, which is safe for their life time.
        let _ = control.keyring.tickets.rotate(core.wall());
    }
}

const CLOCK_MS: u64 = 500;
const CHANGE_LOOK_MS: u64 = 20;
