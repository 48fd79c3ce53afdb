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

use slab::Slab;

use super::{
    sockets::{Inbox, Receiving, Socket},
    tasks::{TaskId, Tasks},
    timer::Timers,
};
use crate::{
    base::time::{Mono, Wall},
    ring::{
        Buf, Errno, Fd, Gather, Key, Landing, ListenAddress, Names, Op, Outgoing, Pool, Ring,
        RingAddress, RingFigures, Slots, op::PIECES_MAX, slots::Landed, slots::SLOTS_FULL,
    },
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

pub(super) struct State {
    pub(super) ring: Ring,
    pub(super) slots: Slots,
    pub(super) sockets: Slab<Socket>,
    tasks: Tasks,
    timers: Timers,
    pub(super) bells: Vec<TaskId>,
    dirty: Vec<u32>,
    starved: Vec<u32>,
    starved_count: u64,
    /// Prompt sends of this turn: whose, and which.
    prompts: Vec<(u32, Key)>,
    landed: Vec<Landing>,
    #[allow(clippy::vec_box)] // the kernel reads them in place: they never move
    gathers: Vec<Box<Gather>>,
}

impl Core {
    /// A core on `ring`, with room for `slots` operations in flight.
    #[must_use]
    pub fn new(mut ring: Ring, slots: u32) -> Rc<Core> {
        let (now, wall) = ring.now();
        let pool = Rc::clone(ring.pool());
        Rc::new(Core {
            state: RefCell::new(State {
                ring,
                slots: Slots::new(slots),
                sockets: Slab::new(),
                tasks: Tasks::default(),
                timers: Timers::default(),
                bells: Vec::new(),
                dirty: Vec::new(),
                starved: Vec::new(),
                starved_count: 0,
                prompts: Vec::new(),
                landed: Vec::with_capacity(1024),
                gathers: Vec::new(),
            }),
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

impl State {
    pub(super) fn submit(&mut self, op: Op, waiter: u32) -> Result<Key, Errno> {
        let key = self.slots.put(op).map_err(|_| SLOTS_FULL)?;
        self.ring.submit(key, self.slots.op(key));
        self.slots.wait(key, waiter);
        Ok(key)
    }

    fn submit_detached(&mut self, op: Op) -> Result<(), Errno> {
        let key = self.slots.put(op).map_err(|_| SLOTS_FULL)?;
        self.ring.submit(key, self.slots.op(key));
        self.slots.orphan(key);
        Ok(())
    }

    /// Notes that a socket has something to hand over before the next turn.
    pub(super) fn mark_dirty(&mut self, index: u32) {
        let socket = &mut self.sockets[index as usize];
        if !socket.dirty {
            socket.dirty = true;
            self.dirty.push(index);
        }
    }

    /// Hands over sends, starts receives again, closes what has landed.
    fn serve_sockets(&mut self) {
        self.feed_starved();
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            self.serve_socket(index);
        }
        // Serving may have marked sockets for the next turn: a full slot table, say.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    /// Starts as many starved receives again as there are buffers for, the oldest first.
    fn feed_starved(&mut self) {
        if self.starved.is_empty() {
            return;
        }
        let buffers = self.ring.pool().free_count() + self.ring.lent();
        let count = self.starved.len().min(buffers);
        let fed: Vec<u32> = self.starved.drain(..count).collect();
        for index in fed {
            if let Some(socket) = self.sockets.get_mut(index as usize)
                && socket.receiving == Receiving::Starved
            {
                socket.receiving = Receiving::Off;
                self.mark_dirty(index);
            }
        }
    }

    fn serve_socket(&mut self, index: u32) {
        let Some(socket) = self.sockets.get_mut(index as usize) else {
            return;
        };
        socket.dirty = false;
        if socket.closing {
            self.close_when_landed(index);
            return;
        }
        if socket.receiving == Receiving::Off {
            self.arm(index);
        }
        self.send_next(index);
        let socket = &mut self.sockets[index as usize];
        if socket.shutdown_due && socket.sending.is_none() && socket.outbox.is_empty() {
            socket.shutdown_due = false;
            socket.half_said &= socket.send_error.is_some();
            let fd = socket.fd;
            self.ring.shutdown_send(fd);
        }
    }

    /// Starts the multishot receive or accept of a socket.
    pub(super) fn arm(&mut self, index: u32) {
        let socket = &self.sockets[index as usize];
        let op = match socket.inbox {
            Inbox::Bytes { .. } => Op::Recv { socket: socket.fd },
            Inbox::Accepted(_) => Op::Accept {
                listener: socket.fd,
            },
        };
        let receiving = match self.submit(op, index) {
            Ok(key) => Receiving::On(key),
            Err(_) => {
                self.starved.push(index);
                Receiving::Starved
            }
        };
        self.sockets[index as usize].receiving = receiving;
    }

    fn send_next(&mut self, index: u32) {
        let socket = &mut self.sockets[index as usize];
        if socket.sending.is_some() || socket.outbox.is_empty() {
            return;
        }
        let fd = socket.fd;
        let data = if socket.outbox.len() == 1 {
            let Some(buf) = socket.outbox.pop() else {
                return;
            };
            Outgoing::One(buf)
        } else {
            let mut gather = self.gathers.pop().unwrap_or_else(Gather::new);
            while gather.bufs.len() < PIECES_MAX {
                let Some(buf) = socket.outbox.pop() else {
                    break;
                };
                gather.bufs.push(buf);
            }
            Outgoing::Many(gather)
        };
        // Whoever waits for its end needs a landing, and so does what is left behind it.
        let prompt = !socket.is_blocked
            && socket.outbox.is_empty()
            && !socket.shutdown_due
            && socket.writer == TaskId::NONE;
        let op = Op::Send {
            socket: fd,
            data,
            prompt,
        };
        match self.slots.put(op) {
            Ok(key) => {
                self.ring.submit(key, self.slots.op(key));
                self.slots.wait(key, index);
                self.sockets[index as usize].sending = Some(key);
                if prompt {
                    self.prompts.push((index, key));
                }
            }
            Err(op) => {
                self.put_unsent_back(index, op, 0);
                self.mark_dirty(index);
            }
        }
    }

    /// Ends the prompt sends that did not land: everything of theirs has left.
    fn settle_prompts(&mut self) {
        let mut prompts = std::mem::take(&mut self.prompts);
        for (index, key) in prompts.drain(..) {
            if let Some(socket) = self.sockets.get_mut(index as usize)
                && socket.sending == Some(key)
            {
                socket.sending = None;
                socket.unsent_bytes = 0;
                if socket.closing {
                    self.mark_dirty(index);
                }
                if let Op::Send {
                    data: Outgoing::Many(gather),
                    ..
                } = self.slots.settle(key)
                {
                    self.keep_gather(gather);
                }
            }
        }
        self.prompts = prompts;
    }

    fn keep_gather(&mut self, mut gather: Box<Gather>) {
        gather.bufs.clear();
        if self.gathers.len() < GATHERS_KEPT {
            self.gathers.push(gather);
        }
    }

    /// Books one completion.
    fn land(&mut self, landing: &Landing) {
        if landing.key.index == Key::BELL {
            if let Some(task) = self.bells.get(landing.key.generation as usize) {
                self.tasks.wake(*task);
            }
            return;
        }
        let waiter = match self.slots.land(landing) {
            Landed::Owned { waiter } => waiter.unwrap_or(u32::MAX),
            Landed::Orphan { close } => {
                if let Some(index) = landing.buffer {
                    self.ring.give_back(index);
                }
                if let Some(fd) = close {
                    self.close(fd);
                }
                return;
            }
        };
        match self.slots.op(landing.key) {
            Op::Recv { .. } => self.land_recv(waiter, landing),
            Op::Send { .. } => self.land_send(waiter, landing),
            Op::Accept { .. } => self.land_accept(waiter, landing),
            Op::Connect { .. } => self.tasks.wake_index(waiter),
            Op::Nop | Op::Close { .. } | Op::Post { .. } => {
                unreachable!("nobody waits for these")
            }
        }
    }

    fn land_recv(&mut self, index: u32, landing: &Landing) {
        if !landing.more {
            self.slots.take(landing.key);
        }
        let filled = landing.buffer.and_then(|buffer| {
            if landing.result > 0 {
                Some(
                    self.ring
                        .adopt_buffer(buffer, landing.result.unsigned_abs()),
                )
            } else {
                self.ring.give_back(buffer);
                None
            }
        });
        let socket = &mut self.sockets[index as usize];
        let pausing = matches!(socket.receiving, Receiving::Pausing(_));
        if !landing.more {
            socket.receiving = match landing.result {
                // After a reset the kernel tells only the first who asks: here a failed send.
                0 => socket
                    .send_error
                    .map_or(Receiving::Ended, Receiving::Failed),
                n if n > 0 && pausing => Receiving::Paused,
                n if n > 0 => Receiving::Off,
                n if Errno::of(n) == Errno::CANCELED && pausing => Receiving::Paused,
                n if Errno::of(n) == Errno::NO_BUFFERS => Receiving::Starved,
                n => Receiving::Failed(Errno::of(n)),
            };
        }
        if socket.closing {
            drop(filled);
            self.mark_dirty(index);
            return;
        }
        if let Some(buf) = filled {
            self.deliver(index, buf);
        }
        self.resume_or_pause(index);
        let reader = self.sockets[index as usize].reader;
        self.tasks.wake(reader);
    }

    fn deliver(&mut self, index: u32, buf: Buf) {
        if let Inbox::Bytes { queue, bytes_len } = &mut self.sockets[index as usize].inbox {
            *bytes_len = bytes_len.saturating_add(u32::try_from(buf.len()).unwrap_or(u32::MAX));
            queue.push(buf);
        }
    }

    /// Keeps the receive going while the inbox has room, and stops it while it has not.
    fn resume_or_pause(&mut self, index: u32) {
        let scarce = self.ring.pool().is_scarce();
        let socket = &mut self.sockets[index as usize];
        match socket.receiving {
            Receiving::On(key) if socket.inbox.is_full(scarce) => {
                socket.receiving = Receiving::Pausing(key);
                self.ring.cancel(key);
            }
            Receiving::Off | Receiving::Starved if socket.inbox.is_full(scarce) => {
                socket.receiving = Receiving::Paused;
            }
            Receiving::Paused if socket.inbox.has_room(scarce) => {
                socket.receiving = Receiving::Off;
                self.mark_dirty(index);
            }
            Receiving::Off => self.mark_dirty(index),
            Receiving::Starved => {
                self.starved_count += 1;
                self.starved.push(index);
            }
            _ => {}
        }
    }

    /// Takes the oldest received buffer.
    pub(super) fn take_received(&mut self, index: u32) -> Option<Buf> {
        let socket = &mut self.sockets[index as usize];
        let Inbox::Bytes { queue, bytes_len } = &mut socket.inbox else {
            return None;
        };
        let buf = queue.pop()?;
        *bytes_len = bytes_len.saturating_sub(u32::try_from(buf.len()).unwrap_or(u32::MAX));
        if socket.receiving == Receiving::Paused {
            self.resume_or_pause(index);
        }
        Some(buf)
    }

    fn land_send(&mut self, index: u32, landing: &Landing) {
        let (op, _) = self.slots.take(landing.key);
        let socket = &mut self.sockets[index as usize];
        socket.sending = None;
        if socket.closing {
            self.mark_dirty(index);
            return;
        }
        // A prompt send lands because there was no room for all of it: the next one waits for room.
        let prompt = matches!(op, Op::Send { prompt: true, .. });
        let found_no_room = prompt && Errno::of(landing.result) == Errno::TRY_AGAIN;
        socket.is_blocked = prompt;
        match u32::try_from(if found_no_room { 0 } else { landing.result }) {
            Ok(sent) => {
                socket.unsent_bytes = socket.unsent_bytes.saturating_sub(sent);
                let given_up = socket.send_error.is_some();
                let gone = if given_up { usize::MAX } else { sent as usize };
                self.put_unsent_back(index, op, gone);
                let socket = &self.sockets[index as usize];
                if !socket.outbox.is_empty() || socket.shutdown_due {
                    self.mark_dirty(index);
                }
            }
            Err(_) => {
                let errno = Errno::of(landing.result);
                socket.send_error = Some(errno);
                if socket.receiving == Receiving::Ended {
                    socket.receiving = Receiving::Failed(errno);
                }
                socket.outbox.clear();
                socket.unsent_bytes = 0;
            }
        }
        let socket = &mut self.sockets[index as usize];
        let writer = std::mem::replace(&mut socket.writer, TaskId::NONE);
        self.tasks.wake(writer);
    }

    /// Returns what a short send left over to the front of the outbox.
    fn put_unsent_back(&mut self, index: u32, op: Op, mut sent: usize) {
        let outbox = &mut self.sockets[index as usize].outbox;
        let mut put = |mut buf: Buf| {
            if sent < buf.len() {
                buf.advance(sent);
                sent = 0;
                outbox.push_front(buf);
            } else {
                sent -= buf.len();
            }
        };
        match op {
            Op::Send {
                data: Outgoing::One(buf),
                ..
            } => put(buf),
            Op::Send {
                data: Outgoing::Many(mut gather),
                ..
            } => {
                let total: usize = gather.bufs.iter().map(|buf| buf.len()).sum();
                if sent < total {
                    let mut rest = Vec::new();
                    for mut buf in gather.bufs.drain(..) {
                        let skip = sent.min(buf.len());
                        sent -= skip;
                        buf.advance(skip);
                        if !buf.is_empty() {
                            rest.push(buf);
                        }
                    }
                    for buf in rest.into_iter().rev() {
                        outbox.push_front(buf);
                    }
                }
                self.keep_gather(gather);
            }
            _ => unreachable!("only sends come back"),
        }
    }

    fn land_accept(&mut self, index: u32, landing: &Landing) {
        if !landing.more {
            self.slots.take(landing.key);
        }
        let socket = &mut self.sockets[index as usize];
        let wanted = matches!(socket.receiving, Receiving::On(_)) && !socket.closing;
        if !landing.more {
            socket.receiving = match socket.receiving {
                Receiving::Stopping(_) => Receiving::Ended,
                _ if socket.closing => Receiving::Ended,
                Receiving::On(_) if landing.result >= 0 => Receiving::Off, // it starts again
                _ => Receiving::Paused,
            };
        }
        let restart = socket.receiving == Receiving::Off;
        let result = match u32::try_from(landing.result) {
            Ok(_) => Ok(Fd(landing.result)),
            Err(_) => Err(Errno::of(landing.result)),
        };
        if socket.closing {
            if let Ok(fd) = result {
                self.close(fd);
            }
            self.mark_dirty(index);
            return;
        }
        let reader = socket.reader;
        if let Inbox::Accepted(queue) = &mut socket.inbox
            && (result.is_ok() || wanted)
        {
            queue.push_back(result);
        }
        self.tasks.wake(reader);
        if restart {
            self.mark_dirty(index);
        }
    }

    /// Gives up a socket: cancels what flies; it is closed when all has landed.
    pub(super) fn begin_close(&mut self, index: u32) {
        let socket = &mut self.sockets[index as usize];
        socket.closing = true;
        socket.outbox.clear();
        if socket.half_said {
            self.ring.reset_on_close(socket.fd);
        }
        let mut accepted = Vec::new();
        match &mut socket.inbox {
            Inbox::Bytes { queue, bytes_len } => {
                queue.clear();
                *bytes_len = 0;
            }
            Inbox::Accepted(queue) => accepted.extend(queue.drain(..).filter_map(Result::ok)),
        }
        if let Receiving::On(key) = socket.receiving {
            socket.receiving = Receiving::Pausing(key);
            self.ring.cancel(key);
        }
        if let Some(key) = self.sockets[index as usize].sending {
            self.ring.cancel(key);
        }
        for fd in accepted {
            self.close(fd);
        }
        self.mark_dirty(index);
    }

    fn close_when_landed(&mut self, index: u32) {
        let socket = &self.sockets[index as usize];
        if socket.is_flying() {
            return;
        }
        let fd = socket.fd;
        self.sockets.remove(index as usize);
        self.close(fd);
    }

    pub(super) fn close(&mut self, fd: Fd) {
        if self.submit_detached(Op::Close { fd }).is_err() {
            self.ring.close_now(fd);
        }
    }

    fn fire_timers(&mut self, now: Mono) {
        while let Some((at, task)) = self.timers.pop_due(now) {
            let Some(alarm) = self.tasks.alarm(task) else {
                continue;
            };
            if self.timers.fired(at, task, alarm, now) {
                self.tasks.wake(task);
            }
        }
    }
}

/// Connections that may wait to be accepted; the kernel caps it by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Gathers kept for the next message of several pieces.
const GATHERS_KEPT: usize = 256;
