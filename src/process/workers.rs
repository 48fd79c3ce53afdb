//! Cores on threads.
//!
//! What it is: starts one pinned thread per worker, each with its own ring and loop, and keeps
//! their mailboxes. Shape: [`Workers`]. Errors: a ring that cannot be made, a thread that cannot
//! be started. Source: core_affinity; cgroup quotas by `available_parallelism`.

use std::{
    sync::{Arc, Weak, mpsc},
    thread,
    time::Duration,
};

use tidegate_edge::{
    cache::Store,
    exec::{Core, Inbox, Post},
    model::settings::Workers as Count,
    plan::ServerPlan,
    ring::{Fd, Ring, kernel::Kernel},
    server::{Admission, Blueprint, Gauges, Order, Worker},
};

/// Operations in flight on one core.
const SLOTS: u32 = 1 << 16;
/// Orders that may wait at one worker.
const ORDERS: usize = 64;

/// What one worker starts with.
pub struct Seed {
    /// Descriptors with their position in the plan's listeners.
    pub listeners: Vec<(Fd, usize)>,
    /// Where it counts and logs.
    pub gauges: Gauges,
}

/// The running workers.
pub struct Workers {
    threads: Vec<thread::JoinHandle<()>>,
    posts: Vec<Post<Order>>,
}

impl Workers {
    /// How many workers, and on which CPUs.
    #[must_use]
    pub fn cpus(plan: &ServerPlan) -> Vec<Option<core_affinity::CoreId>> {
        let allowed = core_affinity::get_core_ids().unwrap_or_default();
        let chosen: Vec<core_affinity::CoreId> = if plan.cpus.is_empty() {
            allowed.clone()
        } else {
            plan.cpus
                .iter()
                .map(|cpu| core_affinity::CoreId {
                    id: usize::from(*cpu),
                })
                .collect()
        };
        let count = match plan.workers {
            Count::Count(count) => usize::from(count),
            Count::Auto => {
                let quota = thread::available_parallelism().map_or(1, usize::from);
                chosen.len().clamp(1, quota.max(1))
            }
        };
        (0..count)
            .map(|index| chosen.get(index % chosen.len().max(1)).copied())
            .collect()
    }

    /// Starts one worker per seed.
    ///
    /// # Errors
    /// What kept the first one from starting.
    pub fn start(
        cpus: &[Option<core_affinity::CoreId>],
        seeds: Vec<Seed>,
        blueprint: &Arc<Blueprint>,
        admission: &Arc<Admission>,
    ) -> Result<Workers, String> {
        let mut workers = Workers {
            threads: Vec::new(),
            posts: Vec::new(),
        };
        for (index, (seed, cpu)) in seeds.into_iter().zip(cpus).enumerate() {
            let (ready, started) = mpsc::channel();
            let (blueprint, admission, cpu) = (Arc::clone(blueprint), Arc::clone(admission), *cpu);
            let thread = thread::Builder::new()
                .name(format!("tidegate-{index}"))
                .spawn(move || work(seed, cpu, &blueprint, &admission, &ready))
                .map_err(|error| format!("worker {index}: {error}"))?;
            workers.threads.push(thread);
            match started.recv() {
                Ok(Ok(post)) => workers.posts.push(post),
                Ok(Err(error)) => return Err(format!("worker {index}: {error}")),
                Err(_) => return Err(format!("worker {index} ended at its start")),
            }
        }
        enlarge_pages(blueprint, None);
        Ok(workers)
    }

    /// The workers' mailboxes.
    #[must_use]
    pub fn posts(&self) -> &[Post<Order>] {
        &self.posts
    }

    /// Every worker's thread has ended.
    #[must_use]
    pub fn have_ended(&self) -> bool {
        self.threads.iter().all(thread::JoinHandle::is_finished)
    }

    /// The thread of one worker has ended.
    #[must_use]
    pub fn has_ended(&self, index: usize) -> bool {
        self.threads
            .get(index)
            .is_none_or(thread::JoinHandle::is_finished)
    }

    /// Waits for the threads, which were told to drain.
    pub fn join(self) {
        for thread in self.threads {
            // A worker that panicked has aborted the process.
            let _ = thread.join();
        }
    }
}

/// Moves the regions of the response cache that `before` did not have into large pages, beside the
/// workers and with a pause after each, so that nobody waits for it; the process may end meanwhile.
/// Without a thread look-ups stay slower. A store that is not served any more is let go.
#[allow(clippy::disallowed_methods)] // a thread of its own, not a core
pub(super) fn enlarge_pages(blueprint: &Blueprint, before: Option<&Blueprint>) {
    let stores = match before {
        Some(before) => blueprint.caches_without(before),
        None => blueprint
            .caches
            .iter()
            .map(|cache| Arc::clone(&cache.store))
            .collect(),
    };
    let stores: Vec<Weak<Store>> = stores.iter().map(Arc::downgrade).collect();
    if stores.is_empty() {
        return;
    }
    let run = move || {
        for store in stores {
            let mut at = 0;
            while (store.upgrade())
                .is_some_and(|store| store.enlarge_pages(&mut at, ENLARGED_BYTES))
            {
                thread::sleep(ENLARGE_PAUSE);
            }
        }
    };
    let _ = thread::Builder::new()
        .name("tidegate-pages".to_owned())
        .spawn(run);
}

/// Moved at a time: one large page of the processors we know.
const ENLARGED_BYTES: u64 = 2 << 20;
/// A gibibyte takes about a second.
const ENLARGE_PAUSE: Duration = Duration::from_millis(1);

fn work(
    seed: Seed,
    cpu: Option<core_affinity::CoreId>,
    blueprint: &Blueprint,
    admission: &Arc<Admission>,
    ready: &mpsc::Sender<Result<Post<Order>, String>>,
) {
    if let Some(cpu) = cpu {
        core_affinity::set_for_current(cpu);
    }
    let ring = match Kernel::new(&super::worker_ring()) {
        Ok(ring) => Ring::Kernel(ring),
        Err(error) => {
            let _ = ready.send(Err(format!("cannot make its ring: {error}")));
            return;
        }
    };
    let core = Core::new(ring, SLOTS);
    let (post, inbox) = Inbox::new(&core, ORDERS);
    let worker = Worker::start(
        &core,
        blueprint,
        admission,
        &seed.listeners,
        inbox,
        seed.gauges,
    );
    let _ = ready.send(Ok(post));
    core.run();
    drop(worker);
    core.shutdown();
}
