//! One worker: a core of the engine, its connections, and the requests on them.
//!
//! What it is: what happens to a start, from its moment on: it is given to a free connection, or
//! waits for one, or is dropped; and to an answer: it is judged and booked. Shape: [`Worker`] is
//! shared by the tasks of its core; `link.rs` has a task for each connection, `conduct.rs` the one
//! that runs the schedule. Nothing borrowed is held over an await. Units: nanoseconds.
//! Errors: every failure is a [`Cause`] in the counts. Source: docs/load-testing.md.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
        mpsc,
    },
};

use tidegate_edge::{
    base::{prng::Prng, time::Mono},
    exec::{Core, TaskId},
    net::conn::Conn,
};

use crate::{
    check::{Judge, Watch},
    host::ThreadTimes,
    plan::{Load, Plan},
    recorder::{Cause, Interval, Recorder},
    response::{Reader, Step},
    schedule::exponential,
    template::{Filling, Id},
};

/// What workers tell the one who started them.
pub(crate) enum Report {
    /// Its connections stand, or could not be made.
    Ready {
        opened: usize,
        refused: Option<Cause>,
        now_ns: u64,
        unix_ms: u64,
    },
    /// What was seen in one interval.
    Interval { index: u64, interval: Box<Interval> },
    /// It is done.
    Done { end_ns: u64 },
    /// The host refused something.
    Failed(String),
}

/// What all workers look at.
#[derive(Default)]
pub(crate) struct Signals {
    /// When the load starts; 0 until it is known.
    pub(crate) start_ns: AtomicU64,
    /// No further starts.
    pub(crate) stop: AtomicBool,
}

/// A start.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    pub(crate) scheduled: Mono,
    pub(crate) number: u64,
}

/// A request that waits for its answer.
struct Flight {
    job: Job,
    sent: Mono,
    shape: usize,
    id: Id,
}

/// A connection, or the place for one.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) conn: Option<Conn>,
    reader: Reader,
    judge: Judge,
    flying: VecDeque<Flight>,
    /// It stands in the line of free ones.
    offered: bool,
    /// The request that its next connection is for.
    pub(crate) assigned: Option<Job>,
    pub(crate) task: Option<TaskId>,
    /// Why it is to be given up.
    pub(crate) doomed: Option<Cause>,
    /// When its client has thought enough.
    pub(crate) resume_at: Option<Mono>,
}

impl Link {
    pub(crate) fn is_flying(&self) -> bool {
        !self.flying.is_empty()
    }

    /// The oldest of its requests was sent before `then`.
    pub(crate) fn waits_since_before(&self, then: Mono) -> bool {
        self.flying.front().is_some_and(|flight| flight.sent < then)
    }
}

pub(crate) struct State {
    idle: VecDeque<usize>,
    pub(crate) backlog: VecDeque<Job>,
    pub(crate) recorder: Recorder,
    prng: Prng,
    scratch: Vec<u8>,
    out: Vec<u8>,
    /// Requests sent and not ended.
    pub(crate) in_flight: u64,
    /// Of the next start, when answers decide it.
    next_number: u64,
}

/// One core's share of a run.
pub(crate) struct Worker {
    pub(crate) core: Rc<Core>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) index: usize,
    pub(crate) links: Vec<RefCell<Link>>,
    pub(crate) state: RefCell<State>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) reports: mpsc::Sender<Report>,
    /// Connections that stand for the first time, and the last reason why one did not.
    pub(crate) opened: Cell<usize>,
    pub(crate) refused: Cell<Option<Cause>>,
    pub(crate) tried: Cell<usize>,
    /// When the load started, and when closed load ends.
    pub(crate) until: Cell<Option<Mono>>,
    pub(crate) scheduling: Cell<bool>,
    pub(crate) over: Cell<bool>,
    /// The next start.
    pub(crate) next_due: Cell<Mono>,
    /// The interval that is being recorded, and the thread's times at its beginning.
    pub(crate) interval: Cell<u64>,
    pub(crate) times: Cell<ThreadTimes>,
    pub(crate) starved: Cell<u64>,
    /// The last request's end, or the schedule's if that is later.
    pub(crate) ended_at: Cell<Mono>,
    /// Time of the interval spent awake with nothing to do.
    pub(crate) spun_ns: Cell<u64>,
}

/// Why a connection is no longer read.
pub(crate) enum LinkEnd {
    /// Its request is answered, or the server says that it closes.
    Finished,
    /// Whatever is on it has failed.
    Failed(Cause),
    /// The run is over.
    Over,
}

impl Worker {
    pub(crate) fn new(
        core: &Rc<Core>,
        plan: &Arc<Plan>,
        index: usize,
        signals: &Arc<Signals>,
        reports: mpsc::Sender<Report>,
    ) -> Rc<Worker> {
        let links = plan.connections_of(index);
        Rc::new(Worker {
            core: Rc::clone(core),
            plan: Arc::clone(plan),
            index,
            links: (0..links).map(|_| RefCell::new(Link::default())).collect(),
            state: RefCell::new(State {
                idle: VecDeque::with_capacity(links),
                backlog: VecDeque::new(),
                recorder: Recorder::default(),
                prng: Prng::new(plan.seed.wrapping_add(index as u64 + 1)),
                scratch: Vec::new(),
                out: Vec::new(),
                in_flight: 0,
                next_number: index as u64,
            }),
            signals: Arc::clone(signals),
            reports,
            opened: Cell::new(0),
            refused: Cell::new(None),
            tried: Cell::new(0),
            until: Cell::new(None),
            scheduling: Cell::new(true),
            over: Cell::new(false),
            next_due: Cell::new(Mono::FAR),
            interval: Cell::new(0),
            times: Cell::new(ThreadTimes::default()),
            starved: Cell::new(0),
            ended_at: Cell::new(Mono(0)),
            spun_ns: Cell::new(0),
        })
    }

    /// A start has come due; `now` is when we got to it.
    pub(crate) fn arrive(&self, job: Job, now: Mono) {
        let mut state = self.state.borrow_mut();
        let lateness_ns = now.since_ns(job.scheduled);
        state.recorder.start(lateness_ns);
        let counts = state.recorder.counts();
        counts.scheduled += 1;
        counts.late += u64::from(lateness_ns > self.plan.late_ns);
        self.place(&mut state, job, now);
    }

    /// Gives a start to a free connection, or lets it wait.
    fn place(&self, state: &mut State, job: Job, now: Mono) {
        while let Some(index) = state.idle.pop_front() {
            let mut link = self.links[index].borrow_mut();
            link.offered = false;
            if self.has_room(&link) {
                self.put(state, &mut link, job, now);
                self.offer(state, &mut link, index);
                return;
            }
        }
        state.recorder.counts().waited += 1;
        if state.backlog.len() < self.plan.waiting_max {
            state.backlog.push_back(job);
        } else {
            state.recorder.counts().dropped += 1;
        }
    }

    fn has_room(&self, link: &Link) -> bool {
        if self.plan.fresh {
            return link.assigned.is_none() && link.conn.is_none() && link.task.is_some();
        }
        link.conn.is_some() && link.doomed.is_none() && link.flying.len() < self.plan.pipelining
    }

    /// Puts a connection in the line of free ones if it is.
    fn offer(&self, state: &mut State, link: &mut Link, index: usize) {
        if !link.offered && self.has_room(link) && matches!(self.plan.load, Load::Open(_)) {
            link.offered = true;
            state.idle.push_back(index);
        }
    }

    /// Gives a start to this connection.
    fn put(&self, state: &mut State, link: &mut Link, job: Job, now: Mono) {
        state.in_flight += 1;
        state.recorder.counts().sent += 1;
        if self.plan.fresh && link.conn.is_none() {
            link.assigned = Some(job);
            if let Some(task) = link.task {
                self.core.wake(task);
            }
        } else {
            self.transmit(state, link, job, now);
        }
    }

    /// Writes the request.
    pub(crate) fn transmit(&self, state: &mut State, link: &mut Link, job: Job, now: Mono) {
        let Some(conn) = &mut link.conn else { return };
        let shape = self.plan.mix.pick(job.number, &mut state.prng);
        let id = Id {
            run: self.plan.run,
            number: job.number,
        };
        let mut filling = Filling {
            number: job.number,
            id,
            keys: &self.plan.keys,
            prng: &mut state.prng,
        };
        self.plan.shapes[shape]
            .request
            .render(&mut filling, &mut state.scratch, &mut state.out);
        state.recorder.counts().sent_bytes += state.out.len() as u64;
        let mut rest = &state.out[..];
        while !rest.is_empty() {
            let Some(mut buf) = self.core.pool().take() else {
                link.doomed = Some(Cause::Buffers);
                if let Some(task) = link.task {
                    self.core.wake(task);
                }
                break;
            };
            let count = buf.extend(rest);
            rest = &rest[count..];
            conn.send(buf.freeze());
        }
        link.flying.push_back(Flight {
            job,
            sent: now,
            shape,
            id,
        });
    }

    /// Takes what a connection received.
    pub(crate) fn receive(&self, link: &mut Link, index: usize, bytes: &[u8]) -> Option<LinkEnd> {
        let mut state = self.state.borrow_mut();
        state.recorder.counts().received_bytes += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let Link {
                reader,
                judge,
                flying,
                ..
            } = &mut *link;
            let Some(flight) = flying.front() else {
                state.recorder.counts().unasked += 1;
                return Some(LinkEnd::Finished);
            };
            let shape = &self.plan.shapes[flight.shape];
            let mut watch = Watch {
                expect: &shape.expect,
                id: flight.id,
                judge,
            };
            match reader.feed(rest, shape.request.is_head, &mut watch) {
                Err(_) => return Some(LinkEnd::Failed(Cause::Malformed)),
                Ok(Step::More) => return None,
                Ok(Step::Done { used, closes }) => {
                    rest = &rest[used..];
                    self.complete(&mut state, link);
                    if closes || self.plan.fresh {
                        state.recorder.counts().unasked += u64::from(!rest.is_empty());
                        return Some(LinkEnd::Finished);
                    }
                }
            }
        }
        self.refill(&mut state, link, index);
        None
    }

    /// The oldest request of a connection has its whole answer.
    fn complete(&self, state: &mut State, link: &mut Link) {
        let Some(flight) = link.flying.pop_front() else {
            return;
        };
        let now = self.core.now();
        let counts = state.recorder.counts();
        counts.answered += 1;
        counts.note_status(link.judge.status());
        let shape = &self.plan.shapes[flight.shape];
        match link.judge.finish(&shape.expect, flight.id) {
            Ok(()) => {
                counts.ok += 1;
                let service_ns = now.since_ns(flight.sent);
                state
                    .recorder
                    .answer(now.since_ns(flight.job.scheduled), service_ns);
            }
            Err(cause) => counts.fail(cause, 1),
        }
        state.in_flight = state.in_flight.saturating_sub(1);
        self.ended_at.set(now);
    }

    /// Gives a connection that has room what waits, or offers it.
    pub(crate) fn refill(&self, state: &mut State, link: &mut Link, index: usize) {
        if matches!(self.plan.load, Load::Closed { .. }) {
            self.ask_again(state, link);
            return;
        }
        let now = self.core.now();
        while self.has_room(link) {
            let Some(job) = state.backlog.pop_front() else {
                break;
            };
            self.put(state, link, job, now);
        }
        self.offer(state, link, index);
    }

    /// In a closed loop the answer makes the next request.
    fn ask_again(&self, state: &mut State, link: &mut Link) {
        let Load::Closed { think_ns, .. } = self.plan.load else {
            return;
        };
        let now = self.core.now();
        while self.has_room(link) {
            if self.until.get().is_none_or(|until| now >= until) {
                return;
            }
            if state.next_number >= self.plan.requests_max {
                self.scheduling.set(false);
                return;
            }
            if think_ns > 0 && link.resume_at.is_none_or(|at| at > now) {
                if link.resume_at.is_none() {
                    let think = exponential(&mut state.prng) * think_ns as f64;
                    link.resume_at = Some(now.plus_ns(whole(think)));
                }
                return;
            }
            link.resume_at = None;
            let job = Job {
                scheduled: now,
                number: state.next_number,
            };
            state.next_number += self.plan.workers() as u64;
            state.recorder.counts().scheduled += 1;
            self.put(state, link, job, now);
        }
    }

    /// Everything on a connection has failed.
    pub(crate) fn fail_all(&self, link: &mut Link, cause: Cause) {
        let mut state = self.state.borrow_mut();
        let count = link.flying.len() as u64 + u64::from(link.assigned.is_some());
        link.flying.clear();
        link.assigned = None;
        state.recorder.counts().fail(cause, count);
        state.in_flight = state.in_flight.saturating_sub(count);
        if count > 0 {
            self.ended_at.set(self.core.now());
        }
    }

    /// The connection ended; its end may have been that of an answer.
    pub(crate) fn ended(&self, link: &mut Link) -> LinkEnd {
        match link.reader.end() {
            Ok(true) => {
                self.complete(&mut self.state.borrow_mut(), link);
                LinkEnd::Finished
            }
            Ok(false) if link.flying.is_empty() => LinkEnd::Finished,
            _ => LinkEnd::Failed(Cause::Closed),
        }
    }

    /// Forgets the connection of a link; what was still on it has failed.
    pub(crate) fn clear(&self, link: &mut Link, end: &LinkEnd) {
        match end {
            LinkEnd::Failed(cause) => self.fail_all(link, *cause),
            LinkEnd::Finished => self.fail_all(link, Cause::Closed),
            LinkEnd::Over => {}
        }
        link.conn = None;
        link.reader = Reader::default();
        link.judge = Judge::default();
        link.doomed = None;
        link.resume_at = None;
    }

    /// In the line of free places, for a connection yet to be made.
    pub(crate) fn offer_place(&self, index: usize) {
        let mut state = self.state.borrow_mut();
        let mut link = self.links[index].borrow_mut();
        self.refill(&mut state, &mut link, index);
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // never negative; saturates
pub(crate) fn whole(value: f64) -> u64 {
    value as u64
}
