//! One core's connections to one origin group.
//!
//! What it is: picks an endpoint, hands out a connection to it, takes it back. Shape: a stack of
//! idle connections per endpoint and face (the warmest is used first), counts of what is out, and a
//! bounded line of waiters. Units: milliseconds in the plan, [`Mono`] here. Ranges:
//! `connections_max` connections and `waiters_max` waiters a core. Errors: [`AcquireFault`]. A
//! connection is used again only if it is quiet: nothing unread, nothing unsent, not closed.
//! Source: RELIABILITY section 4.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
};

use rustls_pki_types::ServerName;

use super::{
    plan::{Face, OriginIndex, OriginPlan},
    state::GroupState,
};
use crate::{
    base::time::Mono,
    exec::{Core, RecvEnd, Stream, TaskId, connect},
    model::settings::Balance,
    net::{address, conn::Conn, tls::client::OriginTls},
    ring::{Errno, Transport},
};

/// Why no connection could be had. None of them has sent a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AcquireFault {
    /// Every endpoint is drained, or none is left to try.
    NoEndpoint,
    /// The name has no address, or did not resolve in time.
    NoAddress,
    /// The address is not allowed (loopback, private, link-local, metadata).
    Forbidden,
    /// Connecting failed.
    Connect(Errno),
    /// The TLS handshake failed.
    Tls,
    /// The deadline came first.
    Timeout,
    /// Too many wait already.
    Overloaded,
}

/// What a core counts about a group.
#[derive(Clone, Copy, Default, Debug)]
pub struct GroupFigures {
    /// Connections opened.
    pub connects: u64,
    /// Requests that found an idle connection.
    pub reused: u64,
    /// Connections that could not be opened.
    pub failed: u64,
    /// Endpoints taken out after failures.
    pub ejections: u64,
    /// Requests sent once more.
    pub retries: u64,
}

/// TLS towards a group.
#[derive(Clone, Debug)]
pub struct GroupTls {
    /// What is sent and verified.
    pub server_name: ServerName<'static>,
    /// As [`Face::OWN`], then as each of the plan's faces. Sessions are resumed under the face that
    /// they were made under, as each has a cache of its own.
    pub faces: Box<[OriginTls]>,
}

impl GroupTls {
    /// As `face`.
    #[must_use]
    pub fn face(&self, face: Face) -> Option<&OriginTls> {
        self.faces.get(face.place())
    }
}

struct Endpoint {
    /// By face.
    idle: Box<[RefCell<Vec<Idle>>]>,
    /// Requests under way.
    outstanding: Cell<u32>,
    /// Which of several addresses is next.
    turn: Cell<usize>,
}

struct Idle {
    conn: Conn,
    since: Mono,
}

/// One group on one core.
pub struct Group {
    origins: Arc<[OriginPlan]>,
    index: OriginIndex,
    state: Arc<GroupState>,
    tls: Option<GroupTls>,
    endpoints: Box<[Endpoint]>,
    connections: Cell<u32>,
    waiters: RefCell<VecDeque<TaskId>>,
    turn: Cell<usize>,
    figures: Cell<GroupFigures>,
    taken: Cell<GroupFigures>,
}

impl Group {
    /// The group at `index` of `origins`, without connections yet.
    #[must_use]
    pub fn new(
        origins: &Arc<[OriginPlan]>,
        index: OriginIndex,
        state: Arc<GroupState>,
        tls: Option<GroupTls>,
    ) -> Rc<Group> {
        let faces = (origins.get(index.0 as usize)).map_or(0, |origin| origin.tls.faces.len()) + 1;
        let endpoints = state
            .endpoints
            .iter()
            .map(|_| Endpoint {
                idle: (0..faces).map(|_| RefCell::default()).collect(),
                outstanding: Cell::new(0),
                turn: Cell::new(0),
            })
            .collect();
        Rc::new(Group {
            origins: Arc::clone(origins),
            index,
            state,
            tls,
            endpoints,
            connections: Cell::new(0),
            waiters: RefCell::new(VecDeque::new()),
            turn: Cell::new(0),
            figures: Cell::new(GroupFigures::default()),
            taken: Cell::new(GroupFigures::default()),
        })
    }

    /// Its configuration.
    #[must_use]
    pub fn plan(&self) -> &OriginPlan {
        &self.origins[self.index.0 as usize]
    }

    /// Host-wide state.
    #[must_use]
    pub fn state(&self) -> &Arc<GroupState> {
        &self.state
    }

    /// Counts so far.
    #[must_use]
    pub fn figures(&self) -> GroupFigures {
        self.figures.get()
    }

    /// Counts since the last call.
    pub fn take_figures(&self) -> GroupFigures {
        let (now, before) = (self.figures.get(), self.taken.replace(self.figures.get()));
        GroupFigures {
            connects: now.connects - before.connects,
            reused: now.reused - before.reused,
            failed: now.failed - before.failed,
            ejections: now.ejections - before.ejections,
            retries: now.retries - before.retries,
        }
    }

    /// A connection to the best endpoint, as `face`. A request that failed before gets a fresh one:
    /// whatever ended an idle connection may have ended the others, and there is no third try.
    ///
    /// # Errors
    /// Why there is none; nothing was sent.
    pub async fn acquire(
        self: &Rc<Group>,
        core: &Rc<Core>,
        deadline: Mono,
        face: Face,
        before: Option<Failed>,
    ) -> Result<Lease, AcquireFault> {
        let avoid = before.and_then(|failed| (!failed.reused).then_some(failed.endpoint));
        loop {
            if before.is_none()
                && let Some(lease) = self.acquire_idle(core, face)
            {
                return Ok(lease);
            }
            if self.connections.get() < self.plan().connections_max {
                break;
            }
            // Those that are idle are of another endpoint or face.
            if !self.drop_idle() {
                self.wait_for_room(core, deadline).await?;
            }
        }
        let endpoint = self.pick(core, avoid).ok_or(AcquireFault::NoEndpoint)?;
        match self.lease_fresh(core, (endpoint, face), deadline).await {
            Ok(lease) => Ok(lease),
            Err(fault) => {
                // No byte was sent, so another endpoint may be asked, once.
                let other = self
                    .pick(core, Some(endpoint))
                    .filter(|other| *other != endpoint);
                match other {
                    Some(other) if before.is_none() && self.spend_retry() => {
                        self.lease_fresh(core, (other, face), deadline).await
                    }
                    _ => Err(fault),
                }
            }
        }
    }

    /// A fresh connection to `endpoint`; books how that went.
    async fn lease_fresh(
        self: &Rc<Group>,
        core: &Rc<Core>,
        (endpoint, face): (usize, Face),
        deadline: Mono,
    ) -> Result<Lease, AcquireFault> {
        // It counts from here on: others must not open one too many meanwhile.
        self.connections.set(self.connections.get() + 1);
        let lease = Lease::new(self, core, endpoint, face);
        let connect_ms = u64::from(self.plan().connect_ms);
        let deadline = deadline.min(core.now().plus_ms(connect_ms));
        let opened = self.open(core, (endpoint, face), deadline).await;
        match opened {
            Ok(conn) => {
                self.count(|figures| figures.connects += 1);
                Ok(lease.with(conn, false))
            }
            Err(fault) => {
                self.count(|figures| figures.failed += 1);
                self.record_failure(endpoint, core.now());
                Err(fault)
            }
        }
    }

    /// A warm connection to the best endpoint as `face`, if there is one.
    fn acquire_idle(self: &Rc<Group>, core: &Rc<Core>, face: Face) -> Option<Lease> {
        let endpoint = self.pick(core, None)?;
        let oldest = core.now().0.saturating_sub(self.idle_ns());
        loop {
            let stack = self.endpoints[endpoint].idle.get(face.place())?;
            let idle = stack.borrow_mut().pop()?;
            if idle.conn.is_quiet() && idle.since.0 >= oldest {
                self.count(|figures| figures.reused += 1);
                return Some(Lease::new(self, core, endpoint, face).with(idle.conn, true));
            }
            drop(idle);
            self.connection_closed(core);
        }
    }

    /// Closes one idle connection to make room for a fresh one; `false` when there is none.
    fn drop_idle(&self) -> bool {
        let stacks = self.endpoints.iter().flat_map(|endpoint| &endpoint.idle);
        for stack in stacks {
            let idle = stack.borrow_mut().pop();
            if idle.is_some() {
                drop(idle);
                self.connections
                    .set(self.connections.get().saturating_sub(1));
                return true;
            }
        }
        false
    }

    /// The endpoint to ask: best priority first, then by the balancing rule. When checks and
    /// ejections leave none, those not drained are asked all the same.
    fn pick(&self, core: &Core, avoid: Option<usize>) -> Option<usize> {
        let now = core.now();
        if self.endpoints.len() == 1 {
            return (!self.state.endpoints[0].is_drained()).then_some(0);
        }
        self.pick_among(core, |index| {
            Some(index) != avoid && self.state.endpoints[index].is_available(now)
        })
        .or_else(|| {
            self.pick_among(core, |index| {
                Some(index) != avoid && !self.state.endpoints[index].is_drained()
            })
        })
        .or_else(|| self.pick_among(core, |index| !self.state.endpoints[index].is_drained()))
    }

    fn pick_among(&self, core: &Core, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let rows = &self.plan().endpoints;
        let best = (0..rows.len())
            .filter(|index| usable(*index))
            .map(|i| rows[i].priority)
            .min()?;
        let candidates =
            || (0..rows.len()).filter(|index| rows[*index].priority == best && usable(*index));
        let weights = || {
            candidates()
                .map(|index| u64::from(rows[index].weight))
                .sum::<u64>()
        };
        let at_weight = |mut point: u64| {
            candidates().find(|index| {
                let weight = u64::from(rows[*index].weight);
                let hit = point < weight;
                point = point.saturating_sub(weight);
                hit
            })
        };
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        match self.plan().balance {
            Balance::LeastOutstanding => {
                // Equal loads take turns, or a quiet group would lean on its first endpoint.
                let count = rows.len();
                candidates().min_by_key(|index| {
                    let busy = u64::from(self.endpoints[*index].outstanding.get());
                    let load = busy * 65_536 / u64::from(rows[*index].weight.max(1));
                    (load, (index + count - turn % count) % count)
                })
            }
            Balance::RoundRobin => at_weight(turn as u64 % weights().max(1)),
            Balance::Random => at_weight(core.random() % weights().max(1)),
        }
    }

    async fn wait_for_room(&self, core: &Rc<Core>, deadline: Mono) -> Result<(), AcquireFault> {
        if self.waiters.borrow().len() >= self.plan().waiters_max as usize {
            return Err(AcquireFault::Overloaded);
        }
        let task = core.current();
        self.waiters.borrow_mut().push_back(task);
        let mut woken = false;
        let found = core
            .wait_for(deadline, || {
                // The first poll only joins the line; release takes the task out of it.
                if !std::mem::replace(&mut woken, true) {
                    return None;
                }
                (!self.waiters.borrow().contains(&task)).then_some(())
            })
            .await;
        if found.is_none() {
            self.waiters.borrow_mut().retain(|waiter| *waiter != task);
            return Err(AcquireFault::Timeout);
        }
        Ok(())
    }

    async fn open(
        &self,
        core: &Rc<Core>,
        (endpoint, face): (usize, Face),
        deadline: Mono,
    ) -> Result<Conn, AcquireFault> {
        let stream = self.connect(core, endpoint, deadline).await?;
        if !self.plan().endpoints[endpoint].tls {
            return Ok(Conn::plain(stream));
        }
        let tls = self.tls.as_ref().ok_or(AcquireFault::Tls)?;
        let client = tls.face(face).ok_or(AcquireFault::Tls)?;
        let session = client.session(&tls.server_name);
        let session = session.map_err(|_| AcquireFault::Tls)?;
        let mut conn = Conn::over(stream, session);
        match conn.handshake(deadline).await {
            Ok(()) => Ok(conn),
            Err(RecvEnd::Timeout) => Err(AcquireFault::Timeout),
            Err(_) => Err(AcquireFault::Tls),
        }
    }

    /// Connects to the next address; where that leads nowhere (a name with IPv6 addresses on a
    /// host without IPv6, say) to the one after it, each once. No byte was sent.
    async fn connect(
        &self,
        core: &Rc<Core>,
        endpoint: usize,
        deadline: Mono,
    ) -> Result<Stream, AcquireFault> {
        let mut tries_left = None;
        loop {
            let address = self.address(core, endpoint, deadline).await?;
            let fault = match connect(core, address, Transport::Stream, deadline).await {
                Ok(stream) => return Ok(stream),
                Err(Errno::TIMED_OUT) => return Err(AcquireFault::Timeout),
                Err(errno) => AcquireFault::Connect(errno),
            };
            let count = self.state.endpoints[endpoint].addresses().len();
            let left = tries_left.get_or_insert(count);
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Err(fault);
            }
        }
    }

    /// The next address of the endpoint, judged where it is used: names may resolve anywhere.
    async fn address(
        &self,
        core: &Rc<Core>,
        endpoint: usize,
        deadline: Mono,
    ) -> Result<SocketAddr, AcquireFault> {
        let mut addresses = self.state.endpoints[endpoint].addresses();
        while addresses.is_empty() {
            if core.now() >= deadline {
                return Err(AcquireFault::NoAddress);
            }
            core.sleep_until(deadline.min(core.now().plus_ms(RESOLVE_LOOK_MS)))
                .await;
            addresses = self.state.endpoints[endpoint].addresses();
        }
        let turn = &self.endpoints[endpoint].turn;
        let address = addresses[turn.get() % addresses.len()];
        turn.set(turn.get().wrapping_add(1));
        if !address::allowed(address.ip(), &self.plan().allow) {
            return Err(AcquireFault::Forbidden);
        }
        Ok(address)
    }

    /// Books a failed call; returns nothing, ejections are counted.
    pub fn record_failure(&self, endpoint: usize, now: Mono) {
        if self
            .state
            .record_failure(endpoint, self.plan().ejection, now)
        {
            self.count(|figures| figures.ejections += 1);
        }
    }

    /// Books an answered call.
    pub fn record_success(&self, endpoint: usize) {
        self.state.record_success(endpoint);
    }

    /// One more retry, if they stay below their share of all requests (a few are always free).
    #[must_use]
    pub fn spend_retry(&self) -> bool {
        let figures = self.figures.get();
        let requests = figures.connects + figures.reused;
        let most = requests * u64::from(self.plan().retry_percent_max) / 100 + RETRIES_FREE;
        if figures.retries >= most {
            return false;
        }
        self.count(|figures| figures.retries += 1);
        true
    }

    /// Drops idle connections that are not quiet any more or too old. Called every second.
    pub fn sweep(&self, core: &Core) {
        let oldest = core.now().0.saturating_sub(self.idle_ns());
        for (endpoint, state) in self.endpoints.iter().zip(&self.state.endpoints) {
            let keep =
                |idle: &Idle| idle.conn.is_quiet() && idle.since.0 >= oldest && !state.is_drained();
            let mut gone = Vec::new();
            for stack in &endpoint.idle {
                let mut idle = stack.borrow_mut();
                let mut index = 0;
                while index < idle.len() {
                    if keep(&idle[index]) {
                        index += 1;
                    } else {
                        gone.push(idle.swap_remove(index));
                    }
                }
            }
            for idle in gone {
                drop(idle);
                self.connection_closed(core);
            }
        }
    }

    /// Drops every idle connection: the group is being replaced.
    pub fn close_idle(&self) {
        let stacks = self.endpoints.iter().flat_map(|endpoint| &endpoint.idle);
        for stack in stacks {
            let idle = std::mem::take(&mut *stack.borrow_mut());
            let count = u32::try_from(idle.len()).unwrap_or(u32::MAX);
            self.connections
                .set(self.connections.get().saturating_sub(count));
        }
    }

    /// Connections, idle ones included.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections.get()
    }

    /// Requests under way at one endpoint.
    #[must_use]
    pub fn outstanding(&self, endpoint: usize) -> u32 {
        self.endpoints
            .get(endpoint)
            .map_or(0, |endpoint| endpoint.outstanding.get())
    }

    fn idle_ns(&self) -> u64 {
        u64::from(self.plan().idle_ms) * crate::base::time::NS_PER_MS
    }

    fn connection_closed(&self, core: &Core) {
        self.connections
            .set(self.connections.get().saturating_sub(1));
        self.wake_waiter(core);
    }

    fn wake_waiter(&self, core: &Core) {
        let waiter = self.waiters.borrow_mut().pop_front();
        if let Some(task) = waiter {
            core.wake(task);
        }
    }

    fn count(&self, change: impl FnOnce(&mut GroupFigures)) {
        let mut figures = self.figures.get();
        change(&mut figures);
        self.figures.set(figures);
    }
}

/// Retries allowed before any share is counted.
const RETRIES_FREE: u64 = 10;
/// How often a request looks whether the name of its origin has been resolved.
const RESOLVE_LOOK_MS: u64 = 2;

/// A call that found no answer, for the one that follows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed {
    /// Where it went.
    pub endpoint: usize,
    /// Its connection had carried requests before, so that little is said about the endpoint.
    pub reused: bool,
}

/// A connection lent to one request, or the place for one that is being opened.
pub struct Lease {
    group: Rc<Group>,
    core: Rc<Core>,
    endpoint: usize,
    face: Face,
    conn: Option<Conn>,
    /// The group's count of connections holds this one, which ends with the lease.
    counted: bool,
    /// It had carried requests before: a failure before the first answer byte may only mean that
    /// the origin had closed it.
    pub reused: bool,
}

impl Lease {
    fn new(group: &Rc<Group>, core: &Rc<Core>, endpoint: usize, face: Face) -> Lease {
        let outstanding = &group.endpoints[endpoint].outstanding;
        outstanding.set(outstanding.get() + 1);
        Lease {
            group: Rc::clone(group),
            core: Rc::clone(core),
            endpoint,
            face,
            conn: None,
            counted: true,
            reused: false,
        }
    }

    fn with(mut self, conn: Conn, reused: bool) -> Lease {
        self.conn = Some(conn);
        self.reused = reused;
        self
    }

    /// The connection.
    pub fn conn(&mut self) -> &mut Conn {
        match &mut self.conn {
            Some(conn) => conn,
            None => unreachable!("a lease that was handed out has a connection"),
        }
    }

    /// Which endpoint it leads to.
    #[must_use]
    pub fn endpoint(&self) -> usize {
        self.endpoint
    }

    /// The group it belongs to.
    #[must_use]
    pub fn group(&self) -> &Rc<Group> {
        &self.group
    }

    /// What a second try must know of this one.
    #[must_use]
    pub fn failed(&self) -> Failed {
        Failed {
            endpoint: self.endpoint,
            reused: self.reused,
        }
    }

    /// Gives the connection back for the next request: the request was sent whole, its answer
    /// read whole, and the origin did not ask to close.
    pub fn keep(mut self) {
        let Some(mut conn) = self.conn.take() else {
            return;
        };
        if !conn.is_quiet() || self.group.state.endpoints[self.endpoint].is_drained() {
            return;
        }
        conn.watch(TaskId::NONE);
        let since = self.core.now();
        let endpoint = &self.group.endpoints[self.endpoint];
        let Some(stack) = endpoint.idle.get(self.face.place()) else {
            return;
        };
        stack.borrow_mut().push(Idle { conn, since });
        self.counted = false;
        self.group.wake_waiter(&self.core);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let outstanding = &self.group.endpoints[self.endpoint].outstanding;
        outstanding.set(outstanding.get().saturating_sub(1));
        drop(self.conn.take());
        if self.counted {
            self.group.connection_closed(&self.core);
        }
    }
}
