//! The life of the process: from documents to serving cores, reloads, drain, upgrade.
//!
//! What it is: everything around the cores. [`load`] turns documents into a plan, `start` says
//! which ones and `state` remembers what was good, [`listeners`]
//! opens or inherits sockets, [`workers`] puts cores on threads, [`control`] is the thread that
//! takes signals and orders: `reload`, `ending` and `upgrade` are what it can be told, `keeper` has
//! the store of keys and plans, `documents` what was read, `memory` and `watchdog` what it looks after, `manager` who started it all; [`admin`] is where
//! operators and their tools ask it. Shape: [`run`] lives until the process ends. Errors: an
//! [`Exit`] with its reason on standard error. Source: RELIABILITY section 9.

pub mod admin;
pub mod control;
mod documents;
mod ending;
mod keeper;
pub mod listeners;
pub mod load;
mod manager;
mod memory;
pub mod regions;
mod reload;
mod scrape;
mod start;
mod state;
mod tending;
mod trial;
mod upgrade;
mod upstreams;
mod watchdog;
pub mod workers;

use std::path::PathBuf;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use tidegate_edge::{
    base::shm::sigbus,
    ring::{kernel::KernelOptions, probe},
};

use crate::cli::Exit;
pub use documents::Running;
use listeners::Open;
use start::Chosen;
pub use state::state_folder;
pub(crate) use upstreams::resolve;

/// What to serve.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Sources {
    /// Settings of this host.
    pub config: Option<PathBuf>,
    /// API documents served with defaults.
    pub apis: Vec<PathBuf>,
    /// Listen here instead of where the settings say.
    pub listen: Option<std::net::SocketAddr>,
    /// The stage of `apis`.
    pub stage: Option<String>,
}

impl Sources {
    /// A word for this gateway among those of the host: the same after a restart, in an upgrade and
    /// with other contents of its files, another for files elsewhere. Links are not followed, so
    /// that a new release behind one is the same gateway.
    #[must_use]
    pub fn instance(&self) -> String {
        let mut hash = Context::new(&SHA256);
        for path in self.config.iter().chain(&self.apis) {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(b"\0");
        }
        let digest = hash.finish();
        let bytes = digest.as_ref().iter().take(INSTANCE_BYTES);
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Enough to tell the gateways of one host apart.
const INSTANCE_BYTES: usize = 6;

/// Serves `sources` until told to stop.
#[must_use]
pub fn run(sources: &Sources) -> Exit {
    abort_on_panic();
    let open = Open::inherited(); // first of all: what is inherited are numbers
    if let Err(error) = sigbus::install() {
        eprintln!("tidegate: a mapped file that is cut will not be named: {error}");
    }
    if let Err(refusal) = probe::probe(probe::RingSize::DEFAULT) {
        eprintln!("tidegate: {refusal}");
        return Exit::RingRefused;
    }
    let Chosen { loaded, memory } = start::choose(sources);
    loaded.print_report();
    let Some(plan) = loaded.plan else {
        return Exit::InvalidConfiguration;
    };
    match control::serve(sources.clone(), plan, loaded.configuration, open, memory) {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            eprintln!("tidegate: {failure}");
            failure.exit()
        }
    }
}

/// Sizes of a worker's ring.
#[must_use]
pub fn worker_ring() -> KernelOptions {
    KernelOptions::default()
}

/// A core whose state is in doubt must not go on serving.
fn abort_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        print(info);
        eprintln!(
            "tidegate: aborting: a fault of the program itself; please report the lines above"
        );
        std::process::abort();
    }));
}
