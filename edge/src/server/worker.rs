//! One core's tasks.
//!
//! What it is: accepts from its listeners, follows the orders that the control thread mails, and
//! keeps its pools tidy. Shape: [`Worker`] runs on a core that somebody else made, kernel or
//! simulated. Units: milliseconds. Errors: a failing accept pauses and is counted.
//! Source: RELIABILITY sections 7 and 9.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use crossbeam::utils::CachePadded;

use super::{admission::Admission, blueprint::Blueprint, connection::connection, pressure};
use crate::{
    base::time::Mono,
    exec::{Core, Inbox, Listener, Post, TaskId},
    limits::Directory,
    pipeline::Local,
    ring::{Errno, Fd},
    telemetry::{
        access_log::LogSink,
        execution::ExecutionSink,
        histograms::{CoreHistograms, HistogramSet},
        metrics::{CoreMetrics, StageCells},
    },
};

/// What the control thread tells a worker.
pub enum Order {
    /// Serve new requests with this plan.
    Serve {
        /// The plan and what belongs to it.
        blueprint: Arc<Blueprint>,
        /// The worker's counters for its stages.
        cells: StageCells,
        /// Its histograms for the same.
        histograms: CoreHistograms,
        /// Takes what the old ones hold.
        leftover: Leftover,
        /// Every descriptor to accept from, with its position in the plan's listeners; those that
        /// are missing here are closed.
        listeners: Box<[(Fd, usize)]>,
    },
    /// Stop accepting, serve what was accepted, let connections end; cut them at the deadline. A
    /// second order can only bring the deadline closer.
    Drain {
        /// When the last request must be over.
        deadline: Mono,
    },
    /// Look anew at what waits to be accepted: who was woken for it may be gone.
    AcceptAnew,
    /// These are the keys from now on.
    Keys(Arc<Directory>),
    /// Hand over the histograms.
    Histograms(Box<dyn FnOnce(&Local) + Send>),
}

/// Takes the histograms of a plan that serves no more.
pub type Leftover = Box<dyn FnOnce(&Local, Box<HistogramSet>) + Send>;

/// Where a worker counts and logs.
pub struct Gauges {
    /// The core's counters.
    pub metrics: Arc<CachePadded<CoreMetrics>>,
    /// Its counters for the stages of the first plan.
    pub cells: StageCells,
    /// Its histograms for the same.
    pub histograms: CoreHistograms,
    /// Its way into the access log.
    pub log: Option<LogSink>,
    /// Where executions go.
    pub execution: Option<ExecutionSink>,
}

/// One core at work.
pub struct Worker {
    local: Rc<Local>,
    admission: Arc<Admission>,
    ears: RefCell<Vec<Ear>>,
    /// Tasks that still accept.
    accepting: Cell<u32>,
    /// When a drain must be over.
    drain_until: Cell<Mono>,
}

/// One listening socket of a worker.
struct Ear {
    fd: Fd,
    listener: Rc<RefCell<Listener>>,
    /// The task that accepts from it.
    task: TaskId,
    /// Its position in the listeners of the plan that serves; a reload may move it.
    index: Rc<Cell<usize>>,
}

/// No listener of any plan: what a removed one accepted last is turned away.
const NO_LISTENER: usize = usize::MAX;

impl Worker {
    /// Starts the tasks of a worker on `core`. `listeners` are descriptors with their position in
    /// the plan's listeners; `inbox` brings the orders.
    #[must_use]
    pub fn start(
        core: &Rc<Core>,
        blueprint: &Blueprint,
        admission: &Arc<Admission>,
        listeners: &[(Fd, usize)],
        inbox: Inbox<Order>,
        gauges: Gauges,
    ) -> Rc<Worker> {
        let Gauges {
            metrics,
            cells,
            histograms,
            log,
            execution,
        } = gauges;
        let local = Local::new(
            core,
            blueprint.serving(core, cells, None),
            metrics,
            histograms,
            log,
        );
        local.set_directory(blueprint.limits.directory());
        local.execution.replace(execution);
        let worker = Rc::new(Worker {
            local,
            admission: Arc::clone(admission),
            ears: RefCell::new(Vec::new()),
            accepting: Cell::new(0),
            drain_until: Cell::new(Mono::FAR),
        });
        for (fd, index) in listeners {
            worker.listen(*fd, *index);
        }
        core.spawn(Rc::clone(&worker).follow_orders(inbox));
        core.spawn(keep_tidy(Rc::clone(&worker.local)));
        core.spawn(pressure::watch(Rc::clone(&worker)));
        worker
    }

    /// What the core serves with.
    #[must_use]
    pub fn local(&self) -> &Rc<Local> {
        &self.local
    }

    /// Who may connect, and what presses the host.
    pub(super) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Lets the tasks that accept see whether they still should.
    pub(super) fn wake_listeners(&self) {
        for ear in &*self.ears.borrow() {
            self.local.core.wake(ear.task);
        }
    }

    /// Serves the connection on `fd`, accepted elsewhere, by the rules of the plan's listener at
    /// `index`.
    pub fn take(&self, fd: Fd, index: usize) {
        let (local, index) = (Rc::clone(&self.local), Rc::new(Cell::new(index)));
        let core = Rc::clone(&local.core);
        core.spawn(connection(local, Arc::clone(&self.admission), fd, index));
    }

    fn listen(self: &Rc<Worker>, fd: Fd, index: usize) {
        let core = &self.local.core;
        let listener = Rc::new(RefCell::new(Listener::new(core, fd)));
        let index = Rc::new(Cell::new(index));
        let accept = Rc::clone(self).accept(Rc::clone(&listener), Rc::clone(&index));
        self.accepting.set(self.accepting.get() + 1);
        self.admission.begin_accepting();
        let task = core.spawn(accept);
        self.ears.borrow_mut().push(Ear {
            fd,
            listener,
            task,
            index,
        });
    }

    /// Accepts from `wanted` from now on, and from nothing else.
    fn set_listeners(self: &Rc<Worker>, wanted: &[(Fd, usize)]) {
        self.ears.borrow_mut().retain(|ear| {
            let place = wanted.iter().find(|(fd, _)| *fd == ear.fd);
            ear.index
                .set(place.map_or(NO_LISTENER, |(_, index)| *index));
            if place.is_none() {
                ear.listener.borrow_mut().stop();
            }
            place.is_some()
        });
        self.local.core.wake_all(); // a stopped listener ends its task, which closes it
        for (fd, index) in wanted {
            let known = self.ears.borrow().iter().any(|ear| ear.fd == *fd);
            if !known {
                self.listen(*fd, *index);
            }
        }
    }

    async fn accept(self: Rc<Worker>, listener: Rc<RefCell<Listener>>, index: Rc<Cell<usize>>) {
        let core = Rc::clone(&self.local.core);
        loop {
            let next = std::future::poll_fn(|_| {
                let mut listener = listener.borrow_mut();
                let polled = listener.poll_accept();
                if polled.is_pending() && self.local.pressure.get().stops_accepting() {
                    listener.pause();
                } else if polled.is_pending() {
                    listener.resume();
                }
                polled
            });
            match next.await {
                Some(Ok(fd)) => {
                    let admission = Arc::clone(&self.admission);
                    let (local, index) = (Rc::clone(&self.local), Rc::clone(&index));
                    core.spawn(connection(local, admission, fd, index));
                }
                Some(Err(errno)) => {
                    core.sleep_until(core.now().plus_ms(pause_ms(errno))).await;
                }
                None => break,
            }
        }
        self.accepting.set(self.accepting.get().saturating_sub(1));
        self.admission.end_accepting();
    }

    async fn follow_orders(self: Rc<Worker>, mut inbox: Inbox<Order>) {
        loop {
            let Some(order) = inbox.recv(Mono::FAR).await else {
                continue;
            };
            match order {
                Order::Serve {
                    blueprint,
                    cells,
                    histograms,
                    leftover,
                    listeners,
                } => {
                    self.local.publish_figures();
                    let before = self.local.serving();
                    let old = self.local.set_serving(blueprint.serving(
                        &self.local.core,
                        cells,
                        Some(&before),
                    ));
                    let last = self.local.histograms.borrow_mut().replace(histograms);
                    leftover(&self.local, last);
                    if !self.local.draining.get() {
                        self.set_listeners(&listeners);
                    }
                    for group in &old.groups {
                        group.close_idle();
                    }
                }
                Order::AcceptAnew => {
                    for ear in &*self.ears.borrow() {
                        ear.listener.borrow_mut().restart();
                    }
                }
                Order::Keys(directory) => self.local.set_directory(directory),
                Order::Histograms(take) => take(&self.local),
                Order::Drain { deadline } => {
                    self.drain_until.set(deadline.min(self.drain_until.get()));
                    if !self.local.draining.get() {
                        self.stop_accepting();
                        self.local.core.spawn(Rc::clone(&self).drain());
                    }
                }
            }
        }
    }

    /// No new connections; those that idle get a short while for a request that is on its way.
    fn stop_accepting(&self) {
        let local = &self.local;
        let idle_until = local.core.now().plus_ms(local.idle_pressure_ms());
        local.draining.set(true);
        local.drain_idle_until.set(idle_until);
        for ear in self.ears.take() {
            // Its task serves what was accepted, then closes the socket.
            ear.listener.borrow_mut().stop();
        }
        local.core.wake_all(); // idle connections see that they should end
    }

    /// Ends in order: what was accepted is served, and the last connection ends the core.
    async fn drain(self: Rc<Worker>) {
        let core = &self.local.core;
        let mut was_over = false;
        loop {
            let is_over = self.accepting.get() == 0 && self.local.connections_open() == 0;
            // Seen twice: a connection accepted last may not have begun at the first look.
            if is_over && was_over || core.now() >= self.drain_until.get() {
                break;
            }
            was_over = is_over;
            let look_at = core.now().plus_ms(DRAIN_LOOK_MS);
            core.sleep_until(look_at.min(self.drain_until.get())).await;
        }
        if let Some(log) = &mut *self.local.log.borrow_mut() {
            log.flush();
        }
        if let Some(sink) = &mut *self.local.execution.borrow_mut() {
            sink.flush();
        }
        self.local.finished.set(true);
        core.stop();
    }
}

/// Accept fails for want of descriptors or memory: it will not get better at once.
fn pause_ms(errno: Errno) -> u64 {
    if errno == Errno::NO_FILES { 100 } else { 10 }
}

/// How often a drain looks whether it is over.
const DRAIN_LOOK_MS: u64 = 5;

/// Every second: old and closed origin connections go, log lines that waited leave.
async fn keep_tidy(local: Rc<Local>) {
    let core = Rc::clone(&local.core);
    let mut sweep_at = core.now().plus_ms(SWEEP_MS);
    loop {
        let flush_at = log_flush_at(&local);
        let look = core.now().plus_ms(FLUSH_LOOK_MS);
        core.sleep_until(sweep_at.min(flush_at.max(look))).await;
        if let Some(log) = &mut *local.log.borrow_mut() {
            log.flush_due(core.now());
        }
        if let Some(sink) = &mut *local.execution.borrow_mut() {
            sink.flush_due(core.now());
        }
        local.publish_figures();
        if core.now() >= sweep_at {
            sweep_at = core.now().plus_ms(SWEEP_MS);
            for group in &local.serving().groups {
                group.sweep(&core);
            }
        }
    }
}

/// When the first of the logs has lines that waited long enough.
fn log_flush_at(local: &Local) -> Mono {
    let (access, execution) = (local.log.borrow(), local.execution.borrow());
    let access = access.as_ref().map_or(Mono::FAR, LogSink::flush_at);
    let execution = execution.as_ref().map_or(Mono::FAR, |sink| sink.flush_at());
    access.min(execution)
}

const SWEEP_MS: u64 = 1_000;
const FLUSH_LOOK_MS: u64 = 100;

/// Every worker's address.
pub type Orders = Vec<Post<Order>>;
