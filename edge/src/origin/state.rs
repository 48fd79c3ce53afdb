//! What the whole host knows about an origin group.
//!
//! What it is: health, drain, ejection and addresses of every endpoint, shared by all cores.
//! Shape: atomics that cores read at each pick, and a list of addresses read at each connect;
//! health checks and name resolution (once per host) write them. Units: [`Mono`] nanoseconds,
//! which all rings of a host share. Errors: none.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use super::plan::{EjectionPlan, EndpointHost, OriginPlan};
use crate::base::time::Mono;

/// One endpoint, host-wide.
#[derive(Debug)]
pub struct EndpointState {
    healthy: AtomicBool,
    drained: AtomicBool,
    failures: AtomicU32,
    ejections: AtomicU32,
    ejected_until: AtomicU64,
    addresses: Mutex<Arc<[SocketAddr]>>,
}

/// One group, host-wide.
#[derive(Debug)]
pub struct GroupState {
    /// In the order of the plan's endpoints.
    pub endpoints: Box<[Arc<EndpointState>]>,
}

impl GroupState {
    /// The state of a group that nobody has called yet. Endpoints that a predecessor (the same
    /// group in the plan before) also has keep what is known about them.
    #[must_use]
    pub fn new(plan: &OriginPlan, before: Option<(&OriginPlan, &GroupState)>) -> Arc<GroupState> {
        let endpoints = plan
            .endpoints
            .iter()
            .map(|endpoint| {
                let known = before.and_then(|(old, state)| {
                    let index = old.endpoints.iter().position(|other| {
                        other.host == endpoint.host
                            && other.port == endpoint.port
                            && other.region == endpoint.region
                    })?;
                    state.endpoints.get(index).cloned()
                });
                known.unwrap_or_else(|| {
                    let addresses: Arc<[SocketAddr]> = match &endpoint.host {
                        EndpointHost::Address(ip) => {
                            Arc::from([SocketAddr::new(*ip, endpoint.port)])
                        }
                        EndpointHost::Name(_) => Arc::from([]),
                    };
                    Arc::new(EndpointState {
                        healthy: AtomicBool::new(true),
                        drained: AtomicBool::new(false),
                        failures: AtomicU32::new(0),
                        ejections: AtomicU32::new(0),
                        ejected_until: AtomicU64::new(0),
                        addresses: Mutex::new(addresses),
                    })
                })
            })
            .collect();
        Arc::new(GroupState { endpoints })
    }

    fn ejected_count(&self, now: Mono) -> usize {
        self.endpoints
            .iter()
            .filter(|endpoint| endpoint.is_ejected(now))
            .count()
    }

    /// Books a failed call; after enough in a row the endpoint is ejected for a while, longer
    /// each time, but never more than `percent_max` of the group and never the last one.
    /// Returns whether it was ejected now.
    pub fn record_failure(&self, index: usize, rule: EjectionPlan, now: Mono) -> bool {
        let Some(endpoint) = self.endpoints.get(index) else {
            return false;
        };
        let failures = endpoint.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if rule.failures == 0 || failures < u32::from(rule.failures) {
            return false;
        }
        let count = self.endpoints.len();
        let after = self.ejected_count(now) + 1;
        if endpoint.is_ejected(now)
            || after >= count
            || after * 100 > count * usize::from(rule.percent_max)
        {
            return false;
        }
        let times = endpoint.ejections.fetch_add(1, Ordering::Relaxed) + 1;
        let until = now.plus_ms(u64::from(rule.base_ms) * u64::from(times));
        endpoint.ejected_until.store(until.0, Ordering::Relaxed);
        endpoint.failures.store(0, Ordering::Relaxed);
        true
    }

    /// Books an answered call.
    pub fn record_success(&self, index: usize) {
        if let Some(endpoint) = self.endpoints.get(index)
            && endpoint.failures.load(Ordering::Relaxed) != 0
        {
            endpoint.failures.store(0, Ordering::Relaxed);
        }
    }
}

impl EndpointState {
    /// May be picked: not drained, not found ill, not ejected.
    #[must_use]
    pub fn is_available(&self, now: Mono) -> bool {
        !self.is_drained() && self.is_healthy() && !self.is_ejected(now)
    }

    /// What the last active checks say; true where there are none.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Books the verdict of the active checks.
    pub fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Relaxed);
    }

    /// An operator takes it out of use.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// Takes it out of use, or back in.
    pub fn set_drained(&self, drained: bool) {
        self.drained.store(drained, Ordering::Relaxed);
    }

    /// Out of use for a while after failures.
    #[must_use]
    pub fn is_ejected(&self, now: Mono) -> bool {
        self.ejected_until() > now
    }

    /// When its last ejection ends or ended.
    #[must_use]
    pub fn ejected_until(&self) -> Mono {
        Mono(self.ejected_until.load(Ordering::Relaxed))
    }

    /// Failed calls in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Where it is now; empty while its name is not resolved.
    #[must_use]
    pub fn addresses(&self) -> Arc<[SocketAddr]> {
        match self.addresses.lock() {
            Ok(addresses) => Arc::clone(&addresses),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }

    /// Where it is from now on.
    pub fn set_addresses(&self, addresses: Arc<[SocketAddr]>) {
        match self.addresses.lock() {
            Ok(mut guard) => *guard = addresses,
            Err(poisoned) => *poisoned.into_inner() = addresses,
        }
    }
}
