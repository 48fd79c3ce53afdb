//! The clients of one city.
//!
//! What it is: real connections from every client's own address: connect, TLS, requests one after
//! another, and a new connection when all are busy, as browsers do it. Shape: one task takes
//! arrivals when they are due and hands each to a connection; each connection is a task. A request
//! whose connection turns out to have ended is sent once more on a fresh one. Units: virtual
//! nanoseconds; what is told counts from the moment the request was wanted. Errors: counted.
//! Source: RFC 9112 section 9.3; RFC 9110 section 9.2.2.

use std::{cell::RefCell, collections::BTreeMap, collections::VecDeque, fmt::Write, rc::Rc};

use super::{
    gateway::{HOST, key_value},
    network::{client_address, site_address},
    random::{hash, ns_of_s, unit_of},
    scenario::Method,
    setup::Setup,
    speech::{self, Heard, Reader},
    tally::{ConnectionCounts, End, Tally},
    traffic::{Arrival, Arrivals},
};
use crate::{
    base::time::Mono,
    exec::{Core, RecvEnd, Stream, TaskId, connect},
    ring::{Transport, sim::World},
};

/// Where clients of a city go, as it may change during a run.
pub(super) type Route = Rc<std::cell::Cell<Option<usize>>>;

/// The clients of one city.
pub(super) struct City {
    pub(super) world: World,
    pub(super) core: Rc<Core>,
    /// The number of the core's ring.
    pub(super) ring: usize,
    pub(super) setup: Rc<Setup>,
    pub(super) number: usize,
    /// The site they meet now; none: they cannot ask.
    pub(super) route: Route,
    pub(super) tally: Rc<RefCell<Tally>>,
    connections: RefCell<Connections>,
    /// What ends a client's handshake.
    finished: Vec<u8>,
    /// Scratch for heads.
    text: RefCell<(String, Vec<u8>)>,
}

/// Open connections by client, and their slots.
#[derive(Default)]
struct Connections {
    by_client: BTreeMap<u32, Vec<usize>>,
    slots: slab::Slab<Slot>,
}

/// What others see of a connection.
struct Slot {
    task: TaskId,
    site: usize,
    is_busy: bool,
    queue: VecDeque<Job>,
}

/// A request to be made.
#[derive(Clone, Copy)]
struct Job {
    arrival: Arrival,
    wanted: Mono,
    /// It has been sent before, on a connection that had ended.
    again: bool,
}

/// How a request on a connection ended.
enum Outcome {
    Answered(speech::Head, Mono),
    /// The connection had ended before anything of an answer came.
    Unheard,
    Failed,
}

impl City {
    pub(super) fn new(
        world: &World,
        core: &Rc<Core>,
        ring: usize,
        setup: &Rc<Setup>,
        number: usize,
        route: Route,
        tally: &Rc<RefCell<Tally>>,
    ) -> Rc<City> {
        let mut finished = Vec::new();
        speech::Writer::finished(&mut finished);
        Rc::new(City {
            world: world.clone(),
            core: Rc::clone(core),
            ring,
            setup: Rc::clone(setup),
            number,
            route,
            tally: Rc::clone(tally),
            connections: RefCell::default(),
            finished,
            text: RefCell::default(),
        })
    }

    /// Takes arrivals when they are due, until there are none.
    pub(super) async fn live(self: Rc<City>) {
        for arrival in Arrivals::new(&self.setup, self.number) {
            let wanted = Mono(arrival.at_ns);
            self.core.sleep_until(wanted).await;
            self.tally.borrow_mut().wanted += 1;
            self.dispatch(Job {
                arrival,
                wanted,
                again: false,
            });
        }
    }

    /// Hands a request to a connection of its client: an idle one, a new one, or the shortest line.
    fn dispatch(self: &Rc<City>, job: Job) {
        let Some(site) = self.route.get() else {
            self.ended(&job, End::Unreachable);
            return;
        };
        let client = job.arrival.client;
        let mut connections = self.connections.borrow_mut();
        let Connections { by_client, slots } = &mut *connections;
        let own = by_client.entry(client).or_default();
        let there = || own.iter().copied().filter(|slot| slots[*slot].site == site);
        let idle = there().find(|slot| !slots[*slot].is_busy && !job.again);
        let most = self.setup.scenario.clients.connections_max as usize;
        let shortest = there().min_by_key(|slot| slots[*slot].queue.len());
        let chosen = match (idle, shortest) {
            (Some(slot), _) => Some(slot),
            (None, Some(slot)) if own.len() >= most && !job.again => Some(slot),
            _ => None,
        };
        if let Some(slot) = chosen {
            let slot = &mut slots[slot];
            slot.is_busy = true;
            slot.queue.push_back(job);
            let task = slot.task;
            drop(connections);
            self.core.wake(task);
            return;
        }
        let number = slots.insert(Slot {
            task: TaskId::NONE,
            site,
            is_busy: true,
            queue: VecDeque::from([job]),
        });
        own.push(number);
        drop(connections);
        let task = self
            .core
            .spawn(Rc::clone(self).connection(number, client, site));
        self.connections.borrow_mut().slots[number].task = task;
    }

    /// The life of one connection.
    async fn connection(self: Rc<City>, slot: usize, client: u32, site: usize) {
        let rest = self.serve(slot, client, site).await;
        let mut connections = self.connections.borrow_mut();
        let Connections { by_client, slots } = &mut *connections;
        let mut left = slots.remove(slot).queue;
        if let Some(own) = by_client.get_mut(&client) {
            own.retain(|other| *other != slot);
            if own.is_empty() {
                by_client.remove(&client);
            }
        }
        drop(connections);
        if let Some(job) = rest {
            left.push_front(job);
        }
        // Whoever stood in line behind it goes elsewhere.
        for job in left {
            self.dispatch(job);
        }
    }

    /// Opens a connection and makes its requests; gives back one that has to be made again.
    async fn serve(self: &Rc<City>, slot: usize, client: u32, site: usize) -> Option<Job> {
        let first = self.next_job(slot)?;
        let (mut stream, mut reader) = match self.open(&first, client, site).await {
            Some(open) => open,
            None => {
                self.ended(&first, End::Failed);
                return None;
            }
        };
        let mut job = first;
        let mut says_finished = self.setup.scenario.clients.tls;
        let mut is_fresh = true;
        loop {
            let before = reader.bytes;
            let bytes_up = self.send(&mut stream, &job, says_finished).await;
            let outcome = self.hear(&mut stream, &mut reader, &job).await;
            let counts = ConnectionCounts {
                bytes_up,
                bytes_down: reader.bytes - before,
            };
            self.tally
                .borrow_mut()
                .moved(self.number, self.core.now(), counts);
            let goes_on = match outcome {
                Outcome::Answered(head, first) => {
                    self.answered(&job, &head, first);
                    !head.closes
                }
                Outcome::Unheard if !is_fresh && !job.again => {
                    return Some(Job { again: true, ..job });
                }
                Outcome::Unheard | Outcome::Failed => {
                    self.ended(&job, End::Failed);
                    false
                }
            };
            if !goes_on {
                return None;
            }
            (says_finished, is_fresh) = (false, false);
            job = self.idle(slot, site, &mut stream, &mut reader).await?;
            self.tally.borrow_mut().reused(self.number, job.wanted);
        }
    }

    /// Connects and agrees on keys.
    async fn open(&self, job: &Job, client: u32, site: usize) -> Option<(Stream, Reader)> {
        let clients = &self.setup.scenario.clients;
        let deadline = self.deadline(job);
        // Read when the socket is made, which is in this very step.
        self.world
            .set_source(self.ring, client_address(self.number, client));
        let to = site_address(site);
        let mut stream = connect(&self.core, to, Transport::Stream, deadline)
            .await
            .ok()?;
        let mut reader = Reader::new(clients.tls);
        let resumes = clients.tls.then_some(job.arrival.resumes);
        let mut counts = ConnectionCounts::default();
        if let Some(resumes) = resumes {
            let mut hello = Vec::new();
            speech::Writer::greeting(resumes, &mut hello);
            counts.bytes_up = self.put(&mut stream, &hello).await;
            loop {
                let buf = stream.recv(deadline).await.ok()?;
                if reader.feed(&buf).ok()? == Heard::Greeting {
                    break;
                }
            }
        }
        counts.bytes_down = reader.bytes;
        let now = self.core.now();
        let mut tally = self.tally.borrow_mut();
        tally.connected(self.number, now, resumes);
        tally.moved(self.number, now, counts);
        drop(tally);
        Some((stream, reader))
    }

    /// Sends a request; how many bytes it took.
    async fn send(&self, stream: &mut Stream, job: &Job, says_finished: bool) -> u64 {
        let setup = &self.setup;
        let writer = speech::Writer::new(setup.scenario.clients.tls);
        let arrival = &job.arrival;
        let (mut text, mut bytes) = self.text.take();
        text.clear();
        bytes.clear();
        let class = &setup.scenario.traffic[arrival.class];
        let body_bytes = match class.method {
            Method::Get => None,
            Method::Post => Some(setup.request_bytes(arrival.class, arrival.object)),
        };
        let verb = if body_bytes.is_some() { "POST" } else { "GET" };
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "{verb} /{}/{} HTTP/1.1\r\nHost: {HOST}\r\n{USUAL_FIELDS}",
            class.name, arrival.object
        );
        if class.keyed {
            let _ = write!(text, "X-Api-Key: {}\r\n", self.key_of(arrival.client));
        }
        if let Some(count) = body_bytes {
            let _ = write!(text, "Content-Length: {count}\r\n");
        }
        text.push_str("\r\n");
        if says_finished {
            bytes.extend_from_slice(&self.finished);
        }
        writer.say(text.as_bytes(), &mut bytes);
        let mut sent = self.put(stream, &bytes).await;
        let mut left = body_bytes.unwrap_or(0) as usize;
        while left > 0 {
            let count = left.min(BODY_PART_BYTES);
            bytes.clear();
            writer.say(&ZEROES[..count], &mut bytes);
            sent += self.put(stream, &bytes).await;
            left -= count;
        }
        self.text.replace((text, bytes));
        sent
    }

    /// Queues `bytes`; waits while the pool has no room for them.
    async fn put(&self, stream: &mut Stream, bytes: &[u8]) -> u64 {
        let room = self.core.pool().buffer_bytes() as usize;
        for part in bytes.chunks(room) {
            let mut buf = loop {
                match self.core.pool().take() {
                    Some(buf) => break buf,
                    None => self.core.sleep_until(self.core.now().plus_ms(1)).await,
                }
            };
            buf.extend(part);
            stream.send(buf.freeze());
        }
        bytes.len() as u64
    }

    /// Reads an answer.
    async fn hear(&self, stream: &mut Stream, reader: &mut Reader, job: &Job) -> Outcome {
        let deadline = self.deadline(job);
        let mut first = None;
        loop {
            let buf = match stream.recv(deadline).await {
                Ok(buf) => buf,
                Err(RecvEnd::Closed | RecvEnd::Failed(_)) if first.is_none() => {
                    return Outcome::Unheard;
                }
                Err(_) => return Outcome::Failed,
            };
            let heard = reader.feed(&buf);
            if reader.is_inside() || matches!(heard, Ok(Heard::Answer(_))) {
                first.get_or_insert(self.core.now());
            }
            match (heard, first) {
                (Ok(Heard::Answer(head)), Some(first)) => return Outcome::Answered(head, first),
                (Ok(_), _) => {}
                (Err(_), _) => return Outcome::Failed,
            }
        }
    }

    /// Waits for another request, as long as the connection is worth keeping.
    async fn idle(
        &self,
        slot: usize,
        site: usize,
        stream: &mut Stream,
        reader: &mut Reader,
    ) -> Option<Job> {
        let keep_ns = ns_of_s(self.setup.scenario.clients.keep_alive_s);
        let until = self.core.now().plus_ns(keep_ns);
        if let Some(job) = self.next_job(slot) {
            return Some(job);
        }
        self.connections.borrow_mut().slots[slot].is_busy = false;
        std::future::poll_fn(|_| {
            if let Some(job) = self.next_job(slot) {
                return std::task::Poll::Ready(Some(job));
            }
            if self.route.get() != Some(site) {
                return std::task::Poll::Ready(None); // nobody goes there any more
            }
            match stream.poll_recv_until(until) {
                std::task::Poll::Pending => std::task::Poll::Pending,
                // Tickets may come late; anything else ends it.
                std::task::Poll::Ready(Ok(buf)) if reader.feed(&buf) == Ok(Heard::Nothing) => {
                    self.core.wake(self.core.current());
                    std::task::Poll::Pending
                }
                std::task::Poll::Ready(_) => std::task::Poll::Ready(None),
            }
        })
        .await
    }

    fn next_job(&self, slot: usize) -> Option<Job> {
        self.connections.borrow_mut().slots[slot].queue.pop_front()
    }

    fn deadline(&self, job: &Job) -> Mono {
        let timeout_ms = u64::from(self.setup.scenario.clients.timeout_ms);
        job.wanted
            .plus_ms(timeout_ms)
            .max(self.core.now().plus_ms(1))
    }

    fn answered(&self, job: &Job, head: &speech::Head, first: Mono) {
        let asked = (job.arrival.class, job.arrival.object);
        if head.status == 200 && head.object != Some(asked) {
            self.tally.borrow_mut().mixed += 1;
        }
        let end = End::Answered {
            status: head.status,
            is_hit: head.is_hit,
            first_ns: first.0,
        };
        self.ended(job, end);
    }

    fn ended(&self, job: &Job, end: End) {
        let now = self.core.now();
        self.tally
            .borrow_mut()
            .ended(self.number, job.wanted, now, end);
    }

    /// The key of a client: one of its plan's, always the same.
    fn key_of(&self, client: u32) -> String {
        let setup = &self.setup;
        let plans = &setup.scenario.plans;
        let word = hash(&[setup.scenario.seed, 5, self.number as u64, client.into()]);
        let total: f64 = plans.iter().map(|plan| plan.share).sum();
        let mut at = unit_of(word) * total;
        let chosen = plans.iter().position(|plan| {
            at -= plan.share;
            at <= 0.0
        });
        let plan = chosen.unwrap_or(plans.len().saturating_sub(1));
        let keys = plans.get(plan).map_or(1, |plan| u64::from(plan.keys));
        let key = hash(&[word]) % keys.max(1);
        key_value(plan, u32::try_from(key).unwrap_or(0))
    }
}

/// What clients usually send beside it.
const USUAL_FIELDS: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 \
    (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r\nAccept: application/json\r\n\
    Accept-Language: en-US,en;q=0.9\r\n";
/// A body leaves in records of so many bytes.
const BODY_PART_BYTES: usize = 16_000;
static ZEROES: [u8; BODY_PART_BYTES] = [0; BODY_PART_BYTES];
