//! Examines the host: can the gateway run here, how large, and what should be set otherwise.
//!
//! Shape: one file per part of the host, each turning what it reads into [`Finding`]s; [`examine`]
//! strings them together into a [`Report`]. Units: as the words of a finding say. Errors: none
//! leave here, what cannot be read is left out or said. Source: proc(5), sysfs, cgroups(7).

mod cgroup;
mod clock;
mod cpus;
mod finding;
mod host;
mod io_uring;
mod limits;
mod memory;
mod network;

pub use finding::{Finding, Level, Report, Style};
pub use host::Host;
pub use memory::{granted_bytes, resident_bytes};

use std::net::{Ipv4Addr, SocketAddr};
use tidegate_edge::ring::probe::{RingSize, probe};

/// What the gateway is to do on this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Addresses it is to listen on.
    pub listen: Vec<SocketAddr>,
    /// Connections to one origin at most.
    pub origin_connections_max: u32,
    /// The rings of one core; `cores` is set from the CPUs this process may use.
    pub ring: RingSize,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
            origin_connections_max: 1024,
            ring: RingSize::DEFAULT,
        }
    }
}

/// Looks at everything once. Makes a ring and binds each wanted address for a moment.
#[must_use]
pub fn examine(wanted: &Wanted) -> Report {
    let host = Host::real();
    let cores = cpus::usable(&host);
    let ring = RingSize {
        cores: u32::try_from(cores.len().max(1)).unwrap_or(u32::MAX),
        ..wanted.ring
    };
    let probed = probe(ring);
    let mut findings = io_uring::findings(&host, &probed);
    findings.push(limits::memlock(&host, ring));
    findings.push(limits::open_files(&host));
    findings.extend(cpus::findings(&host, &cores));
    findings.extend(memory::findings(&host));
    findings.extend(network::findings(&host, wanted));
    findings.extend(clock::findings(&host));
    Report {
        ring_refused: probed.is_err(),
        findings,
    }
}
