//! What a process has of limits: the shared table, the keys, the wishes for leases.
//!
//! What it is: one [`LimitsHome`] for a process, which all its blueprints share. The control side
//! puts keys in with [`LimitsHome::set_directory`] and mails them to the cores that run already
//! ([`super::Order::Keys`]); it adds room when the table wants it, and answers wishes. Shape: a
//! table is opened when the first plan with limits comes, and kept. Units: none. Errors: a file
//! that cannot be used, when a plan comes. Source: RELIABILITY section 6.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    base::time::Mono,
    limits::{Directory, Gate, LeaseSource, Leases, Table, TableFault, TableOptions},
    plan::Plan,
};

/// All that a process shares of limits.
#[derive(Clone)]
pub struct LimitsHome(Arc<Home>);

struct Home {
    seeds: [u64; 2],
    /// When the process started, by the clock of buckets; `None`: tables are the process's own.
    started: Option<Mono>,
    table: Mutex<Option<(Option<PathBuf>, Arc<Table>)>>,
    directory: Mutex<Arc<Directory>>,
    leases: Arc<Leases>,
}

impl LimitsHome {
    /// With fresh seeds and tables that other processes share; `None` without randomness.
    #[must_use]
    pub fn fresh(now: Mono) -> Option<LimitsHome> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        let (one, two) = bytes.split_first_chunk()?;
        let seeds = [
            u64::from_le_bytes(*one),
            u64::from_le_bytes(two.try_into().ok()?),
        ];
        Some(LimitsHome::new(seeds, Some(now)))
    }

    /// With given seeds and tables of its own, so that a simulated run repeats.
    #[must_use]
    pub fn private(seeds: [u64; 2]) -> LimitsHome {
        LimitsHome::new(seeds, None)
    }

    fn new(seeds: [u64; 2], started: Option<Mono>) -> LimitsHome {
        LimitsHome(Arc::new(Home {
            seeds,
            started,
            table: Mutex::new(None),
            directory: Mutex::new(Arc::new(Directory::empty())),
            leases: Arc::default(),
        }))
    }

    /// The keys for cores that start from now on; those that run are told by mail.
    pub fn set_directory(&self, directory: Arc<Directory>) {
        *self
            .0
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = directory;
    }

    /// The keys.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        let directory = self
            .0
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&directory)
    }

    /// Wishes for leases.
    #[must_use]
    pub fn leases(&self) -> &Arc<Leases> {
        &self.0.leases
    }

    /// The table, once a plan has wanted one.
    #[must_use]
    pub fn table(&self) -> Option<Arc<Table>> {
        let table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.as_ref().map(|(_, table)| Arc::clone(table))
    }

    /// What has to be done every few milliseconds, on the control thread: the table gets room if
    /// it wants some, and wishes are answered by `source`.
    ///
    /// # Errors
    /// What kept the table from growing, or the source from answering.
    pub fn tend(&self, source: &mut impl LeaseSource) -> Result<(), String> {
        let Some(table) = self.table() else {
            return Ok(());
        };
        if table.takes_wish() {
            table.grow().map_err(|fault| fault.to_string())?;
        }
        self.leases().serve(&table, source).map(|_| ())
    }

    /// The gate for `plan`, if it has limits.
    pub(super) fn gate(&self, plan: &Plan) -> Result<Option<Arc<Gate>>, GateFault> {
        let Some(throttle) = &plan.throttle else {
            return Ok(None);
        };
        let mut home = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        let known = home.as_ref().filter(|(path, _)| *path == throttle.path);
        let table = match known {
            Some((_, table)) => Arc::clone(table),
            None => Arc::new(self.open(throttle.path.as_ref())?),
        };
        let routes = plan.routes.iter().map(|route| &route.limits);
        let mut gate = Gate::new(&table, &self.0.leases, routes)?;
        if let Some(clients) = &throttle.clients {
            gate = gate.with_clients(&clients.limit)?;
        }
        *home = Some((throttle.path.clone(), table));
        Ok(Some(Arc::new(gate)))
    }

    fn open(&self, path: Option<&PathBuf>) -> Result<Table, GateFault> {
        match (self.0.started, path) {
            (None, _) => Ok(Table::private(PRIVATE_SLOTS, self.0.seeds)?),
            (Some(_), None) => Err(GateFault::NoPath),
            (Some(now), Some(path)) => {
                Ok(Table::open(&TableOptions::new(path, self.0.seeds, now))?)
            }
        }
    }
}

/// Why a plan has no gate.
#[derive(Debug, thiserror::Error)]
pub(super) enum GateFault {
    #[error("there is no runtime directory; name a file")]
    NoPath,
    #[error(transparent)]
    Table(#[from] TableFault),
}

/// Slots of the first segment of a table that nobody shares.
const PRIVATE_SLOTS: usize = 1024;
