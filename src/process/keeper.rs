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
};

use super::{
    control::{Control, Phase},
    state::state_folder,
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
    /// What request cores are to know.
    directory: RefCell<Arc<Directory>>,
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
        is_successor: bool,
        now: Wall,
    ) -> Result<Keeper, StoreError> {
        let (standing, directory) = match &folder {
            None => (Standing::Nowhere, Directory::empty()),
            Some(folder) if is_successor => {
                let reading = Reading::open(folder)?;
                let directory = reading.map_or(Ok(Directory::empty()), |it| it.directory());
                (Standing::Waiting, directory?)
            }
            Some(folder) => match open(folder, &seeds, now, IsFirst::Yes) {
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
        Ok(Keeper {
            folder,
            standing: RefCell::new(standing),
            seeds: RefCell::new(seeds),
            directory: RefCell::new(Arc::new(directory)),
        })
    }

    /// What request cores are to know.
    pub(super) fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.borrow())
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
    pub(super) fn close(&self) {
        let before = self.standing.replace(Standing::Closed);
        if let Standing::Open(Thread { jobs, handle }) = before {
            drop(jobs); // the thread ends behind the last job
            if handle.join().is_err() {
                eprintln!("tidegate: the store's thread has ended in a fault");
            }
        }
    }

    /// An order and its bytes, done. `None` where the directory is as it was.
    pub(super) async fn perform(
        &self,
        control: &Control,
        order: Order,
        payload: Vec<u8>,
    ) -> Result<serde_json::Value, StoreError> {
        let served = served(control);
        let now = control.core.wall();
        let done = self.ask(&control.core, move |store| {
            let is_served = |stage: &ApiStage| served.contains(stage);
            let value = order.perform(store, &payload, Some(&is_served), now)?;
            let directory = order.changes_directory().then(|| store.directory());
            Ok((value, directory.transpose()?))
        });
        let (value, directory) = done.await?;
        if let Some(directory) = directory {
            self.publish(directory);
        }
        Ok(value)
    }

    fn publish(&self, directory: Directory) {
        *self.directory.borrow_mut() = Arc::new(directory);
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
            self.publish(directory);
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

/// Whether leases that are out are in nobody's memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IsFirst {
    /// No process before this one lives.
    Yes,
    /// The process before has handed over.
    No,
}

fn open(
    folder: &Path,
    seeds: &Seeds,
    now: Wall,
    is_first: IsFirst,
) -> Result<(Standing, Directory), StoreError> {
    let mut store = Store::open(folder)?;
    if is_first == IsFirst::Yes {
        let lost = store.write_off()?;
        if lost > 0 {
            eprintln!(
                "tidegate: {lost} requests of leased quotas were lost with the process before"
            );
        }
    }
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
        match open(&folder, &seeds, core.wall(), IsFirst::No) {
            Ok((standing, directory)) => {
                keeper.standing.replace(standing);
                keeper.publish(directory);
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
