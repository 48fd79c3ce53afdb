//! What one core has to serve requests with.
//!
//! What it is: the current plan with this core's origin pools, the exchange pool, the clocks made
//! into text, and where records go. Shape: [`Local`] lives as long as its core; [`Serving`] is one
//! plan on one core, pinned by every request that it serves. Errors: none.

use std::{
    cell::{Cell, Ref, RefCell},
    collections::BTreeSet,
    rc::Rc,
    sync::Arc,
};

use super::{cache::Tier, exchange::Exchange, pressure::Step, room::Room};
use crossbeam::utils::CachePadded;

use crate::{
    base::time::Mono,
    exec::{Core, Spares},
    integrate::compression::Codecs,
    limits::{Directory, Gate},
    model::api::EndpointType,
    net::{pump::Pace, tls::server::ServerTls},
    origin::{Group, OriginIndex},
    plan::{Door, Plan, RegionIndex},
    telemetry::{
        access_log::LogSink,
        execution::ExecutionSink,
        format::LogFormat,
        histograms::CoreHistograms,
        metrics::{CoreMetrics, Metric, StageCells},
        stamp::Stamp,
    },
    wire::{
        date::DateCache,
        limits::{BodyLimits, HeadLimits},
    },
};

/// One plan on one core.
pub struct Serving {
    /// The plan.
    pub plan: Arc<Plan>,
    /// This core's pools, in the order of the plan's origins.
    pub groups: Box<[Rc<Group>]>,
    /// Certificates of the TLS listeners.
    pub tls: Option<Arc<ServerTls>>,
    /// How access records are printed; `None`: not at all.
    pub log_format: Option<Arc<LogFormat>>,
    /// Bounds of request heads.
    pub head_limits: HeadLimits,
    /// Bounds of request bodies.
    pub body_limits: BodyLimits,
    /// Bounds of origins' heads.
    pub answer_limits: HeadLimits,
    /// The slowest a client may be.
    pub pace: Pace,
    /// This core's counters for the plan's stages.
    pub stage_cells: StageCells,
    /// This core's handles to the regions of the response cache, in the order of the plan's.
    pub caches: Box<[Option<Rc<Tier>>]>,
    /// The limits of its routes, if any has one.
    pub gate: Option<Arc<Gate>>,
}

impl Serving {
    /// `plan` with pools for its origins.
    #[must_use]
    pub fn new(
        plan: Arc<Plan>,
        groups: Box<[Rc<Group>]>,
        tls: Option<Arc<ServerTls>>,
        log_format: Option<Arc<LogFormat>>,
        stage_cells: StageCells,
        caches: Box<[Option<Rc<Tier>>]>,
        gate: Option<Arc<Gate>>,
    ) -> Rc<Serving> {
        let limits = &plan.limits;
        let head_limits = HeadLimits {
            head_bytes_max: limits.head_bytes_max as usize,
            target_bytes_max: limits.target_bytes_max as usize,
            fields_max: limits.fields_max as usize,
        }
        .clamped();
        let body_limits = BodyLimits {
            body_bytes_max: limits.body_bytes_max,
            extension_bytes_max: limits.chunk_extension_bytes_max,
            ..BodyLimits::default()
        };
        let answer_limits = HeadLimits {
            head_bytes_max: limits.response_head_bytes_max as usize,
            ..HeadLimits::default()
        }
        .clamped();
        let pace = Pace {
            bytes_per_s: u64::from(limits.progress_bytes_per_s),
            grace_ms: u64::from(limits.progress_grace_ms),
            still_ms: u64::from(limits.still_ms),
        };
        Rc::new(Serving {
            plan,
            groups,
            tls,
            log_format,
            head_limits,
            body_limits,
            answer_limits,
            pace,
            stage_cells,
            caches,
            gate,
        })
    }

    /// This core's handle to a region of the response cache.
    #[must_use]
    pub fn cache(&self, index: RegionIndex) -> Option<&Tier> {
        self.caches.get(index.0 as usize)?.as_deref()
    }

    /// Bounds of request heads behind `door`: each type of endpoint has its own, within those of
    /// the settings.
    #[must_use]
    pub fn head_limits_behind(&self, door: Door) -> HeadLimits {
        let limits = self.head_limits;
        let Door::Only(endpoint) = door else {
            return limits;
        };
        match endpoint {
            EndpointType::Edge => HeadLimits {
                target_bytes_max: limits.target_bytes_max.min(EDGE_TARGET_BYTES_MAX),
                ..limits
            },
            // What the settings leave as it is, the type of endpoint raises.
            EndpointType::Regional if limits.target_bytes_max == EDGE_TARGET_BYTES_MAX => {
                HeadLimits {
                    target_bytes_max: limits.head_bytes_max.min(REGIONAL_TARGET_BYTES_MAX),
                    ..limits
                }
            }
            EndpointType::Regional => limits,
            EndpointType::Private => HeadLimits {
                head_bytes_max: limits.head_bytes_max.min(PRIVATE_HEAD_BYTES_MAX),
                ..limits
            },
        }
    }

    /// The pool of an origin group.
    #[must_use]
    pub fn group(&self, index: OriginIndex) -> Option<&Rc<Group>> {
        self.groups.get(index.0 as usize)
    }
}

/// Longest target of an edge endpoint, and the default of the settings.
const EDGE_TARGET_BYTES_MAX: usize = 8_192;
/// Longest target of a regional endpoint.
const REGIONAL_TARGET_BYTES_MAX: usize = 10_240;
/// Longest request line and headers of a private endpoint.
const PRIVATE_HEAD_BYTES_MAX: usize = 8_000;

/// What one core has.
pub struct Local {
    /// Its loop.
    pub core: Rc<Core>,
    serving: RefCell<Rc<Serving>>,
    directory: RefCell<Arc<Directory>>,
    /// Room for exchanges under way.
    pub spares: Rc<Spares>,
    /// Room for those of them that are mapped.
    pub mapped_spares: Rc<Spares>,
    #[allow(clippy::vec_box)] // large, and handed about by pointer
    exchanges: RefCell<Vec<Box<Exchange>>>,
    /// Memory for mapped requests that are not under way.
    #[allow(clippy::vec_box)] // large, and handed about by pointer
    rooms: RefCell<Vec<Box<Room>>>,
    /// Payload bytes that mapped requests hold.
    pub payload_bytes: Cell<u64>,
    /// What codes and decodes payloads.
    pub codecs: RefCell<Codecs>,
    /// `$context.requestTime` of the last second asked for.
    pub stamp: RefCell<Stamp>,
    /// The `Date` of this second.
    pub dates: RefCell<DateCache>,
    /// Its counters.
    pub metrics: Arc<CachePadded<CoreMetrics>>,
    /// Its histograms.
    pub histograms: RefCell<CoreHistograms>,
    /// Where access records go.
    pub log: RefCell<Option<LogSink>>,
    /// Where executions go.
    pub execution: RefCell<Option<ExecutionSink>>,
    /// How pressed the core is.
    pub pressure: Cell<Step>,
    /// Requests end their connection: the process is draining.
    pub draining: Cell<bool>,
    /// How long a drain waits for requests on idle connections; far while there is none.
    pub drain_idle_until: Cell<Mono>,
    /// The drain is over; nothing is served any more.
    pub finished: Cell<bool>,
    /// Keys of stale answers whose origin is being asked.
    pub refreshing: RefCell<BTreeSet<u64>>,
    handshakes: Cell<u32>,
    connections: Cell<u32>,
}

/// Exchanges kept while unused.
const EXCHANGES_KEPT: usize = 1024;
/// Rooms kept while unused.
const ROOMS_KEPT: usize = 64;
/// Bytes of the future of an exchange's mapped part.
pub const MAPPED_FUTURE_BYTES: usize = 4096;
/// Bytes of an exchange's future.
pub const EXCHANGE_FUTURE_BYTES: usize = 4608;

impl Local {
    /// A core that serves `serving`.
    #[must_use]
    pub fn new(
        core: &Rc<Core>,
        serving: Rc<Serving>,
        metrics: Arc<CachePadded<CoreMetrics>>,
        histograms: CoreHistograms,
        log: Option<LogSink>,
    ) -> Rc<Local> {
        Rc::new(Local {
            core: Rc::clone(core),
            serving: RefCell::new(serving),
            directory: RefCell::new(Arc::new(Directory::empty())),
            spares: Spares::new(EXCHANGE_FUTURE_BYTES, EXCHANGES_KEPT),
            mapped_spares: Spares::new(MAPPED_FUTURE_BYTES, ROOMS_KEPT),
            exchanges: RefCell::new(Vec::with_capacity(64)),
            rooms: RefCell::new(Vec::new()),
            payload_bytes: Cell::new(0),
            codecs: RefCell::new(Codecs::new()),
            stamp: RefCell::new(Stamp::default()),
            dates: RefCell::new(DateCache::new()),
            metrics,
            histograms: RefCell::new(histograms),
            log: RefCell::new(log),
            execution: RefCell::new(None),
            pressure: Cell::new(Step::Calm),
            draining: Cell::new(false),
            drain_idle_until: Cell::new(Mono::FAR),
            finished: Cell::new(false),
            refreshing: RefCell::new(BTreeSet::new()),
            handshakes: Cell::new(0),
            connections: Cell::new(0),
        })
    }

    /// The plan to serve a new request with; the request keeps it to its end.
    #[must_use]
    pub fn serving(&self) -> Rc<Serving> {
        Rc::clone(&self.serving.borrow())
    }

    /// From now on new requests are served with `serving`.
    pub fn set_serving(&self, serving: Rc<Serving>) -> Rc<Serving> {
        self.serving.replace(serving)
    }

    /// The API keys, for as long as one decision takes.
    #[must_use]
    pub fn directory(&self) -> Ref<'_, Directory> {
        Ref::map(self.directory.borrow(), |directory| &**directory)
    }

    /// From now on these are the API keys.
    pub fn set_directory(&self, directory: Arc<Directory>) {
        self.directory.replace(directory);
    }

    /// An exchange to fill.
    #[must_use]
    pub fn take_exchange(&self) -> Box<Exchange> {
        self.exchanges
            .borrow_mut()
            .pop()
            .unwrap_or_else(Exchange::new)
    }

    /// Takes a finished exchange back.
    pub fn keep_exchange(&self, mut exchange: Box<Exchange>) {
        exchange.end();
        let mut exchanges = self.exchanges.borrow_mut();
        if exchanges.len() < EXCHANGES_KEPT {
            exchanges.push(exchange);
        }
    }

    /// Memory for a mapped request.
    #[must_use]
    pub fn take_room(&self) -> Box<Room> {
        self.rooms.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes the memory of a mapped request back.
    pub fn keep_room(&self, mut room: Box<Room>) {
        room.clear();
        let mut rooms = self.rooms.borrow_mut();
        if rooms.len() < ROOMS_KEPT {
            rooms.push(room);
        }
    }

    /// Longest time a connection may idle, as pressed as the core is now.
    #[must_use]
    pub fn idle_ms(&self) -> u64 {
        let idle_ms = u64::from(self.serving.borrow().plan.limits.idle_ms);
        if self.pressure.get().shortens_idle() {
            return idle_ms.min(self.idle_pressure_ms());
        }
        idle_ms
    }

    /// The same during a drain, and at most so long under pressure.
    #[must_use]
    pub fn idle_pressure_ms(&self) -> u64 {
        u64::from(self.serving.borrow().plan.limits.idle_pressure_ms)
    }

    /// Longest time bytes may wait for a client that takes none.
    #[must_use]
    pub fn still_ms(&self) -> u64 {
        u64::from(self.serving.borrow().plan.limits.still_ms)
    }

    /// Requests one connection may carry; 0: any number.
    #[must_use]
    pub fn requests_max(&self) -> u32 {
        self.serving
            .borrow()
            .plan
            .limits
            .requests_per_connection_max
    }

    /// One more TLS handshake, unless `most` are under way.
    #[must_use]
    pub fn begin_handshake(&self, most: u32) -> bool {
        let allowed = self.handshakes.get() < most;
        if allowed {
            self.handshakes.set(self.handshakes.get() + 1);
        }
        allowed
    }

    /// A handshake is over.
    pub fn end_handshake(&self) {
        self.handshakes.set(self.handshakes.get().saturating_sub(1));
    }

    /// A connection began.
    pub fn connection_opened(&self) {
        self.connections.set(self.connections.get() + 1);
        self.metrics.cell(Metric::ConnectionsAccepted).add(1);
        self.metrics.cell(Metric::ConnectionsOpen).add(1);
    }

    /// A connection ended.
    pub fn connection_closed(&self) {
        self.connections
            .set(self.connections.get().saturating_sub(1));
        self.metrics.cell(Metric::ConnectionsOpen).take(1);
    }

    /// Connections open on this core.
    #[must_use]
    pub fn connections_open(&self) -> u32 {
        self.connections.get()
    }

    /// Copies what is counted elsewhere into the cells that others read.
    pub fn publish_figures(&self) {
        let (figures, serving) = (self.core.figures(), self.serving.borrow());
        let set = |metric, value| self.metrics.cell(metric).set(value);
        set(Metric::RingTurns, figures.turns);
        set(Metric::RingSubmitted, figures.submitted);
        set(Metric::RingLanded, figures.landed);
        set(Metric::RingOverflows, figures.overflows);
        set(Metric::RingNoBuffers, self.core.starved_count());
        set(Metric::RingSlotsUsed, u64::from(self.core.slots_used()));
        set(
            Metric::RingBuffersFree,
            self.core.pool().free_count() as u64,
        );
        for group in &serving.groups {
            let new = group.take_figures();
            self.metrics.cell(Metric::OriginConnects).add(new.connects);
            self.metrics.cell(Metric::OriginReuses).add(new.reused);
            self.metrics.cell(Metric::OriginRetries).add(new.retries);
            self.metrics
                .cell(Metric::OriginEjections)
                .add(new.ejections);
        }
    }
}
