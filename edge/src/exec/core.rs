//! One core's loop.
//!
//! What it is: the turn. Run ready tasks up to a budget, hand over what they want sent, wait for
//! completions until the next deadline, read the clock once, book what landed, fire timers.
//! Shape: [`Core`] is shared by its tasks through `Rc`; its state is borrowed only between polls
//! and inside its own short methods, never while a task runs. Units: see
//! [`crate::base::time`]. Errors: a full slot table refuses an operation with `ENOBUFS`.
//! Source: io_uring(7); RELIABILITY section 7.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use super::{
    sockets::{Inbox, Socket},
    state::State,
    tasks::TaskId,
};
use crate::{
    base::time::{Mono, Wall},
    ring::{Errno, Fd, ListenAddress, Names, Op, Pool, Ring, RingAddress, RingFigures},
};

/// Tasks polled in one turn before completions are looked at again.
const TASKS_PER_TURN: usize = 256;

/// What one turn did.
#[derive(Clone, Copy, Default, Debug)]
pub struct Turn {
    /// Tasks polled.
    pub ran: usize,
    /// Completions booked.
    pub landed: usize,
    /// Tasks that could go on at once.
    pub ready: usize,
    /// The next deadline.
    pub next: Mono,
}

/// One core: its ring, and all that runs on it.
pub struct Core {
    pub(super) state: RefCell<State>,
    pool: Rc<Pool>,
    now: Cell<Mono>,
    wall: Cell<Wall>,
    current: Cell<TaskId>,
    /// The earliest deadline that the running task has named.
    deadline: Cell<Mono>,
    stopped: Cell<bool>,
}

impl Core {
    /// A core on `ring`, with room for `slots` operations in flight.
    #[must_use]
    pub fn new(mut ring: Ring, slots: u32) -> Rc<Core> {
        let (now, wall) = ring.now();
        let pool = Rc::clone(ring.pool());
        Rc::new(Core {
            state: RefCell::new(State::new(ring, slots)),
            pool,
            now: Cell::new(now),
            wall: Cell::new(wall),
            current: Cell::new(TaskId::NONE),
            deadline: Cell::new(Mono::FAR),
            stopped: Cell::new(false),
        })
    }

    /// The monotonic clock as of this turn.
    #[must_use]
    pub fn now(&self) -> Mono {
        self.now.get()
    }

    /// The monotonic clock right now, for those who measure inside a turn.
    #[must_use]
    pub fn clock(&self) -> Mono {
        self.state.borrow_mut().ring.now().0
    }

    /// The wall clock as of this turn.
    #[must_use]
    pub fn wall(&self) -> Wall {
        self.wall.get()
    }

    /// Unpredictable bits; a simulated run repeats them.
    #[must_use]
    pub fn random(&self) -> u64 {
        self.state.borrow_mut().ring.random()
    }

    /// The core's buffers.
    #[must_use]
    pub fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    /// Buffers that hold nothing, those that wait in the receive ring included.
    #[must_use]
    pub fn buffers_free(&self) -> usize {
        self.pool.free_count() + self.state.borrow().ring.lent()
    }

    /// What the ring has done.
    #[must_use]
    pub fn figures(&self) -> RingFigures {
        self.state.borrow().ring.figures()
    }

    /// How often a receive found no free buffer.
    #[must_use]
    pub fn starved_count(&self) -> u64 {
        self.state.borrow().starved_count
    }

    /// Operations in flight.
    #[must_use]
    pub fn slots_used(&self) -> u32 {
        self.state.borrow().slots.used()
    }

    /// Sockets that are not closed yet.
    #[must_use]
    pub fn sockets_open(&self) -> usize {
        self.state.borrow().sockets.len()
    }

    /// Tasks that have not ended.
    #[must_use]
    pub fn tasks_count(&self) -> usize {
        self.state.borrow().tasks.count()
    }

    /// Starts a task.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskId {
        self.state.borrow_mut().tasks.spawn(Box::pin(future))
    }

    /// Lets `task` be polled again.
    pub fn wake(&self, task: TaskId) {
        self.state.borrow_mut().tasks.wake(task);
    }

    /// Lets every task be polled again: something that all of them look at has changed.
    pub fn wake_all(&self) {
        self.state.borrow_mut().tasks.wake_all();
    }

    /// Makes [`Core::run`] return after this turn.
    pub fn stop(&self) {
        self.stopped.set(true);
    }

    /// The task that is running now.
    #[must_use]
    pub fn current(&self) -> TaskId {
        self.current.get()
    }

    /// Has the running task polled again at `deadline` at the latest.
    pub fn wake_at(&self, deadline: Mono) {
        self.deadline.set(self.deadline.get().min(deadline));
    }

    /// Waits for `deadline`.
    pub async fn sleep_until(&self, deadline: Mono) {
        std::future::poll_fn(|_| {
            if self.now() >= deadline {
                return Poll::Ready(());
            }
            self.wake_at(deadline);
            Poll::Pending
        })
        .await;
    }

    /// Waits until `task` has been woken by other means or `deadline` has come; for conditions
    /// that other tasks of this core change.
    pub async fn wait_for<T>(
        &self,
        deadline: Mono,
        mut condition: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        std::future::poll_fn(|_| {
            if let Some(value) = condition() {
                return Poll::Ready(Some(value));
            }
            if self.now() >= deadline {
                return Poll::Ready(None);
            }
            self.wake_at(deadline);
            Poll::Pending
        })
        .await
    }

    /// Lets every other ready task run first.
    pub async fn yield_now(&self) {
        let mut yielded = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            self.wake(self.current());
            Poll::Pending
        })
        .await;
    }

    /// Turns until no task is left.
    pub fn run(&self) {
        while self.tasks_count() > 0 && !self.stopped.get() {
            self.turn(true);
        }
    }

    /// One turn; without `may_wait` it returns at once.
    pub fn turn(&self, may_wait: bool) -> Turn {
        let ran = self.run_ready();
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        state.serve_sockets();
        let may_wait = may_wait && !self.stopped.get();
        let until = if !may_wait || (state.tasks.count() == 0 && state.slots.used() == 0) {
            None // nothing could ever wake it
        } else if state.tasks.ready_count() > 0 || !state.dirty.is_empty() {
            Some(Mono::default())
        } else {
            Some(state.timers.next())
        };
        let mut landed = std::mem::take(&mut state.landed);
        state.ring.turn(until, &mut landed);
        let (now, wall) = state.ring.now();
        self.now.set(now);
        self.wall.set(wall);
        let count = landed.len();
        for landing in landed.drain(..) {
            state.land(&landing);
        }
        state.landed = landed;
        state.settle_prompts();
        state.fire_timers(now);
        Turn {
            ran,
            landed: count,
            ready: state.tasks.ready_count(),
            next: state.timers.next(),
        }
    }

    fn run_ready(&self) -> usize {
        let budget = self.state.borrow().tasks.ready_count().min(TASKS_PER_TURN);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..budget {
            let next = self.state.borrow_mut().tasks.next_ready();
            let Some((id, mut future)) = next else { break };
            self.current.set(id);
            self.deadline.set(Mono::FAR);
            let polled = Pin::new(&mut future).poll(&mut context);
            self.current.set(TaskId::NONE);
            let mut state = self.state.borrow_mut();
            if polled.is_ready() {
                state.tasks.finish(id);
                drop(state); // what the future holds reaches back into the core
                drop(future);
            } else {
                state.tasks.put_back(id, future);
                let State { tasks, timers, .. } = &mut *state;
                if let Some(alarm) = tasks.alarm(id) {
                    timers.set(id, alarm, self.deadline.get());
                }
            }
        }
        budget
    }

    /// Ends every task and turns until nothing flies; afterwards the ring may be dropped.
    pub fn shutdown(&self) {
        self.stopped.set(false); // what still flies is waited for
        loop {
            let futures = self.state.borrow_mut().tasks.drain();
            let done = futures.is_empty();
            drop(futures);
            if done && self.slots_used() == 0 && self.sockets_open() == 0 {
                return;
            }
            self.turn(true);
        }
    }

    /// Opens a listening socket that nothing accepts from yet; `shared` ones may stand beside
    /// others on one address.
    ///
    /// # Errors
    /// What bind(2) or listen(2) answered.
    pub fn listen(&self, address: &ListenAddress, shared: bool) -> Result<Fd, Errno> {
        self.state
            .borrow_mut()
            .ring
            .listen(address, BACKLOG, shared)
    }

    /// Closes a descriptor on which nothing flies.
    pub fn close(&self, fd: Fd) {
        self.state.borrow_mut().ring.close_now(fd);
    }

    /// Both addresses of a socket.
    #[must_use]
    pub fn names(&self, fd: Fd) -> Names {
        self.state.borrow().ring.names(fd)
    }

    pub(super) fn add_socket(&self, fd: Fd, inbox: Inbox) -> u32 {
        let index = self
            .state
            .borrow_mut()
            .sockets
            .insert(Socket::new(fd, inbox));
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Starts an operation that lands by itself.
    pub(super) fn submit_detached(&self, op: Op) -> Result<(), Errno> {
        self.state.borrow_mut().submit_detached(op)
    }

    pub(super) fn ring_address(&self) -> RingAddress {
        self.state.borrow().ring.address()
    }
}

/// Connections that may wait to be accepted; the kernel caps it by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
