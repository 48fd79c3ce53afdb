//! The simulated twin of the kernel driver.
//!
//! What it is: a ring without an operating system. Many rings share one [`World`] on one thread:
//! its clock, its sockets and links, its faults, its one seeded generator. Shape: [`Sim`] sits
//! below the slots exactly where [`super::kernel::Kernel`] does, so both run the same lifecycle
//! code. Units: virtual nanoseconds. Ranges: time stands still between turns and jumps to the
//! next event. Errors: those of Linux, as completions; misuse of a descriptor panics.
//! Source: io_uring(7); RELIABILITY sections 7 and 10.

mod connect;
mod faults;
mod link;
mod socket;
mod state;
mod stream;

use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    path::Path,
    rc::Rc,
};

use self::{socket::Flier, state::State};
use super::{
    Errno, Fd, Key, Landing, ListenAddress, Names, Op, Pool, RingAddress, RingFigures, Transport,
};
use crate::base::{
    prng::Prng,
    time::{Mono, NS_PER_MS, Wall},
};

pub use self::{
    faults::{Faults, Span},
    link::LinkProfile,
};

/// A simulated world; clones are handles to the same one.
#[derive(Clone)]
pub struct World {
    state: Rc<RefCell<State>>,
}

impl World {
    /// A world in which `seed` decides everything that is left open.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> World {
        World {
            state: Rc::new(RefCell::new(State::new(seed, faults))),
        }
    }

    /// Virtual time.
    #[must_use]
    pub fn now(&self) -> Mono {
        Mono(self.state.borrow().now_ns)
    }

    /// When the next event is due; [`Mono::FAR`] when none is.
    #[must_use]
    pub fn next_event(&self) -> Mono {
        Mono(self.state.borrow().next_ns().unwrap_or(Mono::FAR.0))
    }

    /// Lets time pass until `to`, and everything happen that is due by then.
    pub fn advance(&self, to: Mono) {
        self.state.borrow_mut().advance(to.0);
    }

    /// Other misfortunes from now on; links keep their speed.
    pub fn set_faults(&self, faults: Faults) {
        self.state.borrow_mut().faults = faults;
    }

    /// The misfortunes in force.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.state.borrow().faults.clone()
    }

    /// A word of the world's own generator, for choices that belong to the run.
    #[must_use]
    pub fn draw(&self) -> u64 {
        self.state.borrow_mut().prng.next_u64()
    }

    /// A hash of every completion so far; equal seeds give equal ones.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.state.borrow().trace
    }

    /// Descriptors that are open.
    #[must_use]
    pub fn files_open(&self) -> usize {
        self.state.borrow().files.count()
    }

    /// Sockets that exist, those waiting to be accepted included.
    #[must_use]
    pub fn sockets_count(&self) -> usize {
        self.state.borrow().sockets.len()
    }

    /// Operations in flight on all rings.
    #[must_use]
    pub fn flights_count(&self) -> usize {
        self.state.borrow().flights_count()
    }

    /// At most `max` descriptors at once from now on; more answer `EMFILE`.
    pub fn limit_files(&self, max: usize) {
        self.state.borrow_mut().files.limit(max);
    }

    /// Answers every datagram to `address` with what `service` makes of it. It must not reach
    /// back into the world.
    pub fn serve_datagrams(
        &self,
        address: SocketAddr,
        service: impl FnMut(&[u8]) -> Vec<Vec<u8>> + 'static,
    ) {
        let service = Box::new(service);
        self.state.borrow_mut().services.insert(address, service);
    }

    /// From now on connections cross the link that `links` names for the host that connects and the
    /// one that accepts; without one they go as the faults have it.
    pub fn set_links(&self, links: impl Fn(IpAddr, IpAddr) -> Option<LinkProfile> + 'static) {
        self.state.borrow_mut().links = Some(Box::new(links));
    }

    /// Whether the host at `ip` is dark: nothing reaches it and nothing leaves it. A connection that
    /// has lost something meanwhile stays silent until it is reset.
    pub fn set_dark(&self, ip: IpAddr, is_dark: bool) {
        let dark = &mut self.state.borrow_mut().dark;
        if is_dark {
            dark.insert(ip);
        } else {
            dark.remove(&ip);
        }
    }

    /// Connections that the ring of this number opens from now on come from `source`.
    pub fn set_source(&self, ring: usize, source: IpAddr) {
        self.state.borrow_mut().rings[ring].source = Some(source);
    }

    /// Appends the numbers of the rings on which something has landed since the last call.
    pub fn take_awake(&self, rings: &mut Vec<usize>) {
        let state = &mut *self.state.borrow_mut();
        for ring in state.awake.drain(..) {
            state.rings[ring].is_awake = false;
            rings.push(ring);
        }
    }

    /// A connection to the Unix listener at `path`, for `Stream::new`.
    ///
    /// # Errors
    /// `ENOENT` when nobody listens there, `EAGAIN` when its queue is full.
    pub fn connect_unix(&self, path: &Path) -> Result<Fd, Errno> {
        self.state.borrow_mut().connect_unix(path)
    }

    /// Completions that some ring has not reaped.
    #[must_use]
    pub fn has_unreaped(&self) -> bool {
        let state = self.state.borrow();
        state.rings.iter().any(|ring| !ring.landed.is_empty())
    }
}

/// Sizes of one simulated ring.
#[derive(Clone, Copy, Debug)]
pub struct SimOptions {
    /// Buffers in the pool.
    pub buffers: u16,
    /// Bytes of one buffer.
    pub buffer_bytes: u32,
    /// Buffers lent to receives at a time.
    pub stock: u16,
}

impl Default for SimOptions {
    fn default() -> SimOptions {
        SimOptions {
            buffers: 256,
            buffer_bytes: 16 * 1024,
            stock: 64,
        }
    }
}

/// One core's ring in a [`World`].
pub struct Sim {
    world: Rc<RefCell<State>>,
    ring: usize,
    pool: Rc<Pool>,
    stock: u16,
    prng: Prng,
    queue: Vec<Queued>,
    figures: RingFigures,
}

/// What waits for the next turn.
enum Queued {
    Start(Key),
    Cancel(Key),
}

impl Sim {
    /// A ring in `world`.
    ///
    /// # Errors
    /// The error of mmap(2) for the buffers.
    pub fn new(world: &World, options: &SimOptions) -> std::io::Result<Sim> {
        assert!(
            options.stock > 0 && options.stock <= options.buffers,
            "stock"
        );
        let pool = Pool::new(options.buffers, options.buffer_bytes)?;
        let seed = world.draw();
        let ring = world.state.borrow_mut().add_ring(Rc::clone(&pool));
        let mut sim = Sim {
            world: Rc::clone(&world.state),
            ring,
            pool,
            stock: options.stock,
            prng: Prng::new(seed),
            queue: Vec::new(),
            figures: RingFigures::default(),
        };
        sim.recycle();
        Ok(sim)
    }

    /// Connections of this ring come from `source`, as peers will see them.
    #[must_use]
    pub fn with_source(self, source: IpAddr) -> Sim {
        self.world.borrow_mut().rings[self.ring].source = Some(source);
        self
    }

    /// Its number in the world, from 0 on.
    #[must_use]
    pub fn number(&self) -> usize {
        self.ring
    }

    pub(super) fn submit(&mut self, key: Key, op: &Op) {
        self.figures.submitted += 1;
        self.world.borrow_mut().submit(self.ring, key, op);
        self.queue.push(Queued::Start(key));
    }

    pub(super) fn cancel(&mut self, key: Key) {
        self.figures.submitted += 1;
        self.queue.push(Queued::Cancel(key));
    }

    /// As the kernel's. Waiting moves the world's clock, which suits a world of one ring; several
    /// are driven together by [`crate::sim::run`] without waiting.
    ///
    /// # Panics
    /// When it would wait for ever.
    pub(super) fn turn(&mut self, until: Option<Mono>, landed: &mut Vec<Landing>) {
        self.figures.turns += 1;
        self.recycle();
        let mut state = self.world.borrow_mut();
        let state = &mut *state;
        let ring = self.ring;
        for queued in self.queue.drain(..) {
            match queued {
                Queued::Start(key) => state.start(Flier { ring, key }),
                Queued::Cancel(key) => state.cancel(Flier { ring, key }),
            }
        }
        state.advance(state.now_ns);
        if let Some(until) = until {
            wait(state, ring, until);
        }
        self.figures.landed += state.rings[ring].landed.len() as u64;
        landed.append(&mut state.rings[ring].landed);
    }

    pub(super) fn now(&self) -> (Mono, Wall) {
        let now_ns = self.world.borrow().now_ns;
        (Mono(now_ns), Wall(WALL_START_MS + now_ns / NS_PER_MS))
    }

    pub(super) fn random(&mut self) -> u64 {
        self.prng.next_u64()
    }

    pub(super) fn recycle(&mut self) {
        let mut state = self.world.borrow_mut();
        let lent = &mut state.rings[self.ring].lent;
        while lent.len() < usize::from(self.stock) {
            let Some(index) = self.pool.lend() else { break };
            lent.push_back(index);
        }
    }

    pub(super) fn lent(&self) -> usize {
        self.world.borrow().rings[self.ring].lent.len()
    }

    pub(super) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    pub(super) fn address(&self) -> RingAddress {
        RingAddress(i32::try_from(self.ring).unwrap_or(i32::MAX))
    }

    pub(super) fn figures(&self) -> RingFigures {
        self.figures
    }

    pub(super) fn listen(
        &mut self,
        address: &ListenAddress,
        backlog: i32,
        shared: bool,
    ) -> Result<Fd, Errno> {
        let mut state = self.world.borrow_mut();
        state.listen(address, backlog, shared)
    }

    pub(super) fn socket(&mut self, to: &SocketAddr, transport: Transport) -> Result<Fd, Errno> {
        let mut state = self.world.borrow_mut();
        state.new_socket(self.ring, to, transport)
    }

    pub(super) fn names(&self, fd: Fd) -> Names {
        let mut state = self.world.borrow_mut();
        let id = state.open_socket(fd);
        let socket = state.socket_mut(id);
        Names {
            peer: socket.peer,
            local: socket.local,
        }
    }

    pub(super) fn shutdown_send(&mut self, fd: Fd) {
        self.world.borrow_mut().shutdown_send(fd);
    }

    pub(super) fn reset_on_close(&mut self, fd: Fd) {
        let mut state = self.world.borrow_mut();
        let id = state.open_socket(fd);
        state.socket_mut(id).reset_on_close = true;
    }

    pub(super) fn close_now(&mut self, fd: Fd) {
        self.world.borrow_mut().close(fd);
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // A panic may have unwound through the world.
        if let Ok(mut state) = self.world.try_borrow_mut() {
            state.forget_ring(self.ring);
        }
    }
}

/// Moves the clock until something lands on `ring` or `until` has come.
fn wait(state: &mut State, ring: usize, until: Mono) {
    state.advance(state.now_ns + TURN_NS);
    while state.rings[ring].landed.is_empty() && state.now_ns < until.0 {
        match state.next_ns() {
            Some(at_ns) if at_ns <= until.0 => state.advance(at_ns),
            _ if until == Mono::FAR => panic!("waiting for ever: nothing will happen"),
            _ => state.advance(until.0),
        }
    }
}

/// What a turn costs, so that a task that only yields still sees time pass.
const TURN_NS: u64 = 1_000;
/// The wall clock when a world begins: 2026-01-01T00:00:00Z.
const WALL_START_MS: u64 = 1_767_225_600_000;
