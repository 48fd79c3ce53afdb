//! Who may connect.
//!
//! What it is: counts of open connections, in all and per client address, over all cores of the
//! host. Shape: one atomic, and a few locked maps that are touched only when a connection begins
//! and ends. Units: connections. Errors: a refusal, after which the socket is closed at once.
//! Source: RELIABILITY section 2.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use ahash::RandomState;

use super::pressure::HostLoad;

/// Counts of open connections, and what else the cores of a host share of their load.
pub struct Admission {
    open: AtomicU32,
    accepting: AtomicU32,
    load: HostLoad,
    hasher: RandomState,
    by_address: [Mutex<HashMap<IpAddr, u32, RandomState>>; SHARDS],
}

const SHARDS: usize = 16;

/// One admitted connection; dropped when it ends.
pub struct Admitted {
    admission: Arc<Admission>,
    ip: IpAddr,
}

impl Admission {
    /// No connections yet; `seed` comes from the ring.
    #[must_use]
    pub fn new(seed: [u64; 4]) -> Arc<Admission> {
        let hasher = RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        let by_address = std::array::from_fn(|_| Mutex::new(HashMap::with_hasher(hasher.clone())));
        Arc::new(Admission {
            open: AtomicU32::new(0),
            accepting: AtomicU32::new(0),
            load: HostLoad::default(),
            hasher,
            by_address,
        })
    }

    /// Admits one more connection of `ip`, if both counts allow it. 0 means no limit.
    #[must_use]
    pub fn admit(
        self: &Arc<Admission>,
        ip: IpAddr,
        connections_max: u32,
        per_address_max: u32,
    ) -> Option<Admitted> {
        if connections_max != 0 && self.open.load(Ordering::Relaxed) >= connections_max {
            return None;
        }
        {
            let mut counts = self.shard(ip);
            let count = counts.entry(ip).or_insert(0);
            if per_address_max != 0 && *count >= per_address_max {
                return None;
            }
            *count += 1;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Admitted {
            admission: Arc::clone(self),
            ip,
        })
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// Sockets that are accepted from, each core's counted; a cancelled one counts until it has
    /// landed.
    #[must_use]
    pub fn accepting(&self) -> u32 {
        self.accepting.load(Ordering::Acquire)
    }

    pub(super) fn begin_accepting(&self) {
        self.accepting.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_accepting(&self) {
        self.accepting.fetch_sub(1, Ordering::Release);
    }

    /// What presses the host besides connections.
    #[must_use]
    pub fn load(&self) -> &HostLoad {
        &self.load
    }

    fn shard(&self, ip: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, u32, RandomState>> {
        let index = usize::try_from(self.hasher.hash_one(ip) % SHARDS as u64).unwrap_or(0);
        self.by_address[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        let mut counts = self.admission.shard(self.ip);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counts_bound_and_are_given_back() {
        let admission = Admission::new([1, 2, 3, 4]);
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = admission.admit(a, 3, 2).expect("first of a");
        let _second = admission.admit(a, 3, 2).expect("second of a");
        assert!(admission.admit(a, 3, 2).is_none(), "address bound");
        let _third = admission.admit(b, 3, 2).expect("first of b");
        assert!(admission.admit(b, 3, 2).is_none(), "total bound");
        drop(first);
        assert_eq!(admission.open(), 2);
        assert!(admission.admit(a, 3, 2).is_some());
    }
}
