//! One origin request for any number of concurrent misses of a key, across all cores.
//!
//! What it is: the book of fetches under way. Who asks first leads; the others follow and read what
//! the leader has so far, as it arrives. Shape: [`Flights`] is shared by the process, a core works
//! with it through its [`Seat`]; a [`Leader`] that is dropped before it has ended lets its followers
//! choose another. Nobody follows a fetch that began before something it may hold was flushed, purged
//! or invalidated: [`Since`] says when each began. Locks are held for a copy of one buffer at most,
//! and only by misses. Units: bytes. Ranges: one body per key, as long as the store's limit.
//! Errors: none. Source: RFC 9111 sections 4 (collapsed requests), 4.4; RFC 9211 section 2.6.

use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use super::namespace::Generation;
use crate::{
    base::time::Mono,
    exec::{Core, Inbox, Post, TaskId},
};

/// All fetches under way.
pub struct Flights {
    shards: [Mutex<UnderWay>; SHARDS],
    cores: Mutex<Vec<Post<TaskId>>>,
    /// How often keys were invalidated; keys share counters.
    outdated: Box<[AtomicU64]>,
}

type UnderWay = BTreeMap<Box<[u8]>, Arc<Flight>>;

/// What was so when a fetch began. Two fetches of one key may share an answer only if it is equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Since {
    /// Flushes and purges, in all processes.
    pub generation: Generation,
    /// Invalidations of the key, in this one: see [`Seat::outdated`].
    pub outdated: u64,
}

/// Counters of invalidations. Two keys with one counter cost a fetch, and nothing else.
const OUTDATED_COUNTERS: usize = 4096;
/// Locks that different keys do not share, as a rule.
const SHARDS: usize = 64;
/// Tasks of one core that may be woken at once by others; more are woken by their own deadline.
const WAKES_MAX: usize = 4096;

/// One fetch.
struct Flight {
    since: Since,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The record, and the length of the body that it is for.
    begun: Option<(Arc<[u8]>, u64)>,
    body: Vec<u8>,
    ended: Option<Ended>,
    /// Core and task.
    waiters: Vec<(usize, TaskId)>,
}

/// How a fetch ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Its answer came whole.
    Whole,
    /// What it found is in the store: look again.
    Stored,
    /// Its answer is for its own client alone.
    Private,
    /// It failed: somebody else may lead.
    Failed,
}

/// What there is of a fetch.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Nothing that could be shared yet.
    Waiting,
    /// The answer's body is coming, or has come.
    Begun {
        /// Its record.
        meta: Arc<[u8]>,
        /// Length of its body.
        body_bytes: u64,
    },
    /// It ended without anything to share.
    Ended(Ended),
}

/// What a follower can read next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// So many bytes were copied.
    Some(usize),
    /// More will come.
    Later,
    /// The body is over.
    End,
    /// The fetch failed in the middle.
    Cut,
}

/// One core's place at the [`Flights`].
pub struct Seat {
    flights: Arc<Flights>,
    core: Rc<Core>,
    index: usize,
}

/// What became of a request that wants to fetch.
pub enum Boarding {
    /// It is the first.
    Leads(Leader),
    /// Another fetches the same.
    Follows(Follower),
}

impl Default for Flights {
    fn default() -> Flights {
        Flights {
            shards: std::array::from_fn(|_| Mutex::default()),
            cores: Mutex::default(),
            outdated: (0..OUTDATED_COUNTERS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Flights {
    /// A place for `core`.
    #[must_use]
    pub fn seat(self: &Arc<Flights>, core: &Rc<Core>) -> Rc<Seat> {
        let (post, mut inbox) = Inbox::new(core, WAKES_MAX);
        let index = {
            let mut cores = lock(&self.cores);
            cores.push(post);
            cores.len() - 1
        };
        let here = Rc::clone(core);
        core.spawn(async move {
            loop {
                if let Some(task) = inbox.recv(Mono::FAR).await {
                    here.wake(task);
                }
            }
        });
        Rc::new(Seat {
            flights: Arc::clone(self),
            core: Rc::clone(core),
            index,
        })
    }

    /// Fetches under way.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, key: &[u8]) -> &Mutex<UnderWay> {
        let hash = rapidhash_v3_seeded(key, &RapidSecrets::seed(0));
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        &self.shards[index] // in range: the remainder of its length
    }

    fn counter(&self, key: &[u8]) -> &AtomicU64 {
        let hash = rapidhash_v3_seeded(key, &RapidSecrets::seed(1));
        let index = usize::try_from(hash % OUTDATED_COUNTERS as u64).unwrap_or(0);
        &self.outdated[index] // in range: the remainder of its length
    }
}

impl Seat {
    /// How often `key` was invalidated: to be read before its origin is asked.
    #[must_use]
    pub fn outdated(&self, key: &[u8]) -> u64 {
        self.flights.counter(key).load(Ordering::SeqCst)
    }

    /// What is being fetched for `key` is out of date: nobody else follows it, and whoever stores it
    /// compares [`Seat::outdated`] before and after.
    pub fn outdate(&self, key: &[u8]) {
        self.flights.counter(key).fetch_add(1, Ordering::SeqCst);
    }

    /// Leads the fetch of `key`, or follows the one under way if both began under the same
    /// circumstances.
    #[must_use]
    pub fn board(self: &Rc<Seat>, key: &[u8], since: Since) -> Boarding {
        let mut shard = lock(self.flights.shard(key));
        if let Some(flight) = shard.get(key)
            && flight.since == since
        {
            return Boarding::Follows(Follower {
                seat: Rc::clone(self),
                flight: Arc::clone(flight),
            });
        }
        let flight = Arc::new(Flight {
            since,
            state: Mutex::new(State::default()),
        });
        shard.insert(key.into(), Arc::clone(&flight));
        Boarding::Leads(Leader {
            seat: Rc::clone(self),
            flight,
            key: key.into(),
            ended: Ended::Failed,
        })
    }

    fn wake(&self, waiters: Vec<(usize, TaskId)>) {
        if waiters.is_empty() {
            return;
        }
        let cores = lock(&self.flights.cores);
        for (index, task) in waiters {
            if index == self.index {
                self.core.wake(task);
            } else if let Some(post) = cores.get(index) {
                // A full box: the task's own deadline wakes it.
                let _ = post.send(&self.core, task);
            }
        }
    }
}

/// The one that fetches.
pub struct Leader {
    seat: Rc<Seat>,
    flight: Arc<Flight>,
    key: Box<[u8]>,
    ended: Ended,
}

impl Leader {
    /// The record of an answer that may be shared; its body of `body_bytes` follows.
    pub fn begin(&self, meta: &[u8], body_bytes: u64) {
        self.change(|state| state.begun = Some((meta.into(), body_bytes)));
    }

    /// More of the body.
    pub fn append(&self, bytes: &[u8]) {
        self.change(|state| state.body.extend_from_slice(bytes));
    }

    /// Bytes of the body so far.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        lock(&self.flight.state).body.len()
    }

    /// Looks at the body so far.
    pub fn with_body<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&lock(&self.flight.state).body)
    }

    /// Ends the fetch.
    pub fn end(mut self, how: Ended) {
        self.ended = how;
    }

    /// Ends it for its followers: it goes on, but there is nothing to share.
    pub fn keep_private(&self) {
        self.leave();
        self.change(|state| state.ended = Some(Ended::Private));
    }

    /// A place among its own followers, for a client whose request another task performs.
    #[must_use]
    pub fn follower(&self) -> Follower {
        Follower {
            seat: Rc::clone(&self.seat),
            flight: Arc::clone(&self.flight),
        }
    }

    /// New requests must not follow what has ended. Another may lead in its place already.
    fn leave(&self) {
        let mut shard = lock(self.seat.flights.shard(&self.key));
        if shard
            .get(&self.key)
            .is_some_and(|flight| Arc::ptr_eq(flight, &self.flight))
        {
            shard.remove(&self.key);
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waiters = {
            let mut state = lock(&self.flight.state);
            change(&mut state);
            std::mem::take(&mut state.waiters)
        };
        self.seat.wake(waiters);
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.leave();
        let ended = self.ended;
        self.change(|state| {
            state.ended.get_or_insert(ended);
        });
    }
}

/// One that reads what another fetches.
pub struct Follower {
    seat: Rc<Seat>,
    flight: Arc<Flight>,
}

impl Follower {
    /// What there is; while there is nothing, the running task is woken when that changes.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mut state = lock(&self.flight.state);
        match (&state.begun, state.ended) {
            (_, Some(ended)) if ended != Ended::Whole => Progress::Ended(ended),
            (Some((meta, body_bytes)), _) => Progress::Begun {
                meta: Arc::clone(meta),
                body_bytes: *body_bytes,
            },
            (None, Some(ended)) => Progress::Ended(ended),
            (None, None) => {
                self.wait(&mut state);
                Progress::Waiting
            }
        }
    }

    /// Copies the body from byte `at` on; when nothing is there yet, the running task is woken when
    /// that changes.
    pub fn read(&self, at: usize, into: &mut [u8]) -> Read {
        let mut state = lock(&self.flight.state);
        let rest = state.body.get(at..).unwrap_or(&[]);
        let count = rest.len().min(into.len());
        if let (Some(into), Some(bytes)) = (into.get_mut(..count), rest.get(..count))
            && count > 0
        {
            into.copy_from_slice(bytes);
            return Read::Some(count);
        }
        match state.ended {
            Some(Ended::Whole) => Read::End,
            Some(_) => Read::Cut,
            None => {
                self.wait(&mut state);
                Read::Later
            }
        }
    }

    fn wait(&self, state: &mut State) {
        let me = (self.seat.index, self.seat.core.current());
        if !state.waiters.contains(&me) {
            state.waiters.push(me);
        }
    }
}

/// A panic ends the process, so a poisoned lock is never seen in it; a test may go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
