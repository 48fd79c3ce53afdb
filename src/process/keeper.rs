//! The store of API keys and usage plans, in the hands of a running gateway.
//!
//! ```text
//! start                     Open: reads, writes, has the lock
//! start of a successor      Waiting: has read the keys, the process before still writes
//! its predecessor lets go   Waiting -> Open
//! an upgrade's handover     Open -> Closed: nothing is written any more, the lock is free
//! the end                   Open -> Closed
//! ```
//!
//! What it is: one thread that owns the store and does one piece of work after the other, so that a
//! long import holds neither the control core nor any worker. Shape: [`Keeper`]. Units:
//! milliseconds. Errors: [`StoreError`]; a store that is there and cannot be used keeps the gateway
//! from starting, for it would turn every key away. Source: RELIABILITY section 9.

use std::{
    cell::RefCell,
    os::{fd::IntoRawFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
};

use tidegate_edge::{
    base::time::{Mono, Wall},
    exec::{Core, Stream},
    limits::Directory,
    model::settings::Settings,
    ring::Fd,
    server::{LimitsHome, Order as Mail},
};

use super::{
    control::{Control, Phase},
    state::state_folder,
    tending,
};
use crate::store::{
    Reading, Store, StoreError,
    order::Order,
    plans::ApiStage,
    seed::{SeedFault, Seeds},
};

/// The store and who has it.
pub(super) struct Keeper {
    folder: Option<PathBuf>,
    standing: RefCell<Standing>,
    /// What is declared, to be made once the store may be written.
    seeds: RefCell<Seeds>,
    /// What cores share: keys, and the leases of their quotas.
    limits: LimitsHome,
}

/// Whether it may be written.
enum Standing {
    /// There is no folder for it.
    Nowhere,
    /// The process before has it.
    Waiting,
    /// A thread of ours has it.
    Open(Thread),
    /// It is somebody else's.
    Closed,
}

struct Thread {
    jobs: mpsc::Sender<Job>,
    handle: thread::JoinHandle<()>,
}

type Job = Box<dyn FnOnce(&mut Store) + Send>;

/// The declared keys and plans of `settings`.
///
/// # Errors
/// Every declaration that cannot be used.
pub(super) fn declared(settings: &Settings) -> Result<Seeds, Vec<SeedFault>> {
    let seeds = Seeds::of(settings, |name| std::env::var(name).ok())?;
    let folder = state_folder(settings.process.state_dir.as_deref());
    if !seeds.is_empty() && folder.is_none() {
        return Err(vec![SeedFault {
            pointer: "/process/state_dir".to_owned(),
            message: "declared keys and plans need `[process] state_dir`".to_owned(),
        }]);
    }
    Ok(seeds)
}

impl Keeper {
    /// Opens the store in `folder`, or reads it where a predecessor still writes.
    ///
    /// # Errors
    /// It is there and cannot be used, or declarations contradict it.
    pub(super) fn start(
        folder: Option<PathBuf>,
        seeds: Seeds,
        limits: LimitsHome,
        (is_successor, now): (bool, Wall),
    ) -> Result<Keeper, StoreError> {
        let (standing, directory) = match &folder {
            None => (Standing::Nowhere, Directory::empty()),
            Some(folder) if is_successor => {
                let reading = Reading::open(folder)?;
                let directory = reading.map_or(Ok(Directory::empty()), |it| it.directory());
                (Standing::Waiting, directory?)
            }
            Some(folder) => match open(folder, &seeds, now) {
                // A folder that cannot be used costs what nobody has asked for yet.
                Err(error @ StoreError::Io { .. })
                    if seeds.is_empty() && !crate::store::exists(folder) =>
                {
                    eprintln!("tidegate: no store of keys and plans: {error}");
                    (Standing::Nowhere, Directory::empty())
                }
                opened => opened?,
            },
        };
        limits.set_directory(Arc::new(directory));
        Ok(Keeper {
            folder,
            standing: RefCell::new(standing),
            seeds: RefCell::new(seeds),
            limits,
        })
    }

    /// What cores share.
    pub(super) fn limits(&self) -> &LimitsHome {
        &self.limits
    }

    /// Orders can be done here and now.
    pub(super) fn is_open(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Open(_))
    }

    /// Does `work` on the store and waits for it without holding the core.
    ///
    /// # Errors
    /// There is no store here, or the work's own.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        core: &Rc<Core>,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::Unready("the store's thread has ended".to_owned());
        let (reader, writer) = UnixStream::pair()
            .map_err(|error| StoreError::Unready(format!("no socket pair: {error}")))?;
        let (answer, answered) = mpsc::channel();
        let job: Job = Box::new(move |store| {
            // Who waits is the control core, which outlives its orders.
            let _ = answer.send(work(store));
            drop(writer); // its end is the signal
        });
        self.send(job)?;
        let mut ends = Stream::new(core, Fd(reader.into_raw_fd()));
        while ends.recv(Mono::FAR).await.is_ok() {}
        answered.try_recv().map_err(|_| gone())?
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let unready = |text: &str| StoreError::Unready(text.to_owned());
        match &*self.standing.borrow() {
            Standing::Open(thread) => thread
                .jobs
                .send(job)
                .map_err(|_| unready("the store's thread has ended")),
            Standing::Nowhere => Err(unready(
                "there is no folder for keys and plans; set `[process] state_dir` to one that can be made",
            )),
            Standing::Waiting => Err(unready("the process before still has the store; try again")),
            Standing::Closed => Err(unready("this process has handed the store over")),
        }
    }

    /// Lets the store go, when what was asked of it is done: everything is on the disk and the lock
    /// is free. May be called again.
    pub(super) fn close(&self, now: Wall) {
        let before = self.standing.replace(Standing::Closed);
        if let Standing::Open(Thread { jobs, handle }) = before {
            let limits = self.limits.clone();
            let last: Job = Box::new(move |store| {
                if let Err(error) = tending::checkpoint(store, &limits, now) {
                    eprintln!("tidegate: the last use of keys is not written down: {error}");
                }
            });
            // A thread that has ended says so below.
            let _ = jobs.send(last);
            drop(jobs); // the thread ends behind the last job
            if handle.join().is_err() {
                eprintln!("tidegate: the store's thread has ended in a fault");
            }
        }
    }

    /// An order and its bytes, done; when it is answered, cores have been told.
    pub(super) async fn perform(
        &self,
        control: &Control,
        order: Order,
        payload: Vec<u8>,
    ) -> Result<serde_json::Value, StoreError> {
        let served = served(control);
        let now = control.core.wall();
        let limits = self.limits.clone();
        let done = self.ask(&control.core, move |store| {
            if let Order::Usage { .. } | Order::Extend { .. } = order {
                tending::checkpoint(store, &limits, now)?;
            }
            let is_served = |stage: &ApiStage| served.contains(stage);
            let value = order.perform(store, &payload, Some(&is_served), now)?;
            if let Order::Extend { plan, key, .. } = &order {
                tending::revive(store, &limits, (plan, key), now)?;
            }
            let directory = order.changes_directory().then(|| store.directory());
            Ok((value, directory.transpose()?))
        });
        let (value, directory) = done.await?;
        if let Some(directory) = directory {
            self.publish(control, directory);
        }
        Ok(value)
    }

    /// Every core knows these keys from its next turn on, and those that start later too.
    fn publish(&self, control: &Control, directory: Directory) {
        let directory = Arc::new(directory);
        self.limits.set_directory(Arc::clone(&directory));
        let workers = control.workers.borrow();
        for post in workers.iter().flat_map(|workers| workers.posts()) {
            let order = Mail::Keys(Arc::clone(&directory));
            if post.send(&control.core, order).is_err() {
                eprintln!("tidegate: a worker does not take orders");
            }
        }
    }

    /// Makes what a reloaded configuration declares.
    ///
    /// # Errors
    /// It contradicts what is there; nothing was made.
    pub(super) async fn reseed(&self, control: &Control, seeds: Seeds) -> Result<(), StoreError> {
        self.seeds.replace(seeds.clone());
        if seeds.is_empty() || matches!(*self.standing.borrow(), Standing::Waiting) {
            return Ok(()); // taking over makes them
        }
        let now = control.core.wall();
        let done = self.ask(&control.core, move |store| {
            let changed = store.seed(&seeds, now)?;
            (changed > 0).then(|| store.directory()).transpose()
        });
        if let Some(directory) = done.await? {
            self.publish(control, directory);
        }
        Ok(())
    }
}

/// The stages that are served.
fn served(control: &Control) -> Vec<ApiStage> {
    let blueprint = control.blueprint.borrow();
    let stages = blueprint.plan.stages.iter();
    stages
        .map(|stage| ApiStage {
            api: stage.api_id.to_string(),
            stage: stage.name.to_string(),
        })
        .collect()
}

fn open(folder: &Path, seeds: &Seeds, now: Wall) -> Result<(Standing, Directory), StoreError> {
    let mut store = Store::open(folder)?;
    store.seed(seeds, now)?;
    let directory = store.directory()?;
    let (jobs, waiting) = mpsc::channel::<Job>();
    let work = move || {
        for job in waiting {
            job(&mut store);
        }
    };
    let handle = thread::Builder::new()
        .name("tidegate-store".to_owned())
        .spawn(work)
        .map_err(|error| StoreError::Unready(format!("no thread for the store: {error}")))?;
    Ok((Standing::Open(Thread { jobs, handle }), directory))
}

/// Takes the store over from a predecessor that accepts no more, as soon as it lets go.
pub(super) async fn take_over(control: Rc<Control>) {
    let (core, keeper) = (&control.core, &control.keeper);
    let Some(folder) = keeper.folder.clone() else {
        return;
    };
    let mut said = false;
    while matches!(*keeper.standing.borrow(), Standing::Waiting)
        && control.phase.get() == Phase::Serving
    {
        let seeds = keeper.seeds.borrow().clone();
        match open(&folder, &seeds, core.wall()) {
            Ok((standing, directory)) => {
                keeper.standing.replace(standing);
                keeper.publish(&control, directory);
                return;
            }
            Err(StoreError::InUse(_)) => {}
            Err(error) if !said => {
                eprintln!("tidegate: the store cannot be taken over yet: {error}");
                said = true;
            }
            Err(_) => {}
        }
        core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
    }
}

/// How often it is looked whether a predecessor has let go.
const LOOK_MS: u64 = 20;
