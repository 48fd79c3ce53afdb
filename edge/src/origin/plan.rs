//! Origin groups as the cores use them: endpoints in regions, and the rules between them.
//!
//! Shape: [`OriginPlan`] holds its endpoints sorted by priority, then as written. Units: in the
//! names. Ranges: at least one endpoint each; ports 1 to 65,535. Errors: none here, they were
//! found when compiling. Source: the rules for retry and origin pools.

use std::{net::IpAddr, ops::RangeInclusive, path::PathBuf};

use crate::{model::settings::Balance, model::settings::Roots, net::address::AllowList};

/// An origin group, an index into the plan's origins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct OriginIndex(pub u32);

/// As whom a connection of a group introduces itself: [`Face::OWN`], or one of
/// [`OriginTlsPlan::faces`]. Connections with different faces never stand for each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub struct Face(u16);

impl Face {
    /// With the group's own certificate, or without any.
    pub const OWN: Face = Face(0);

    /// With the certificate at `index` of [`OriginTlsPlan::faces`].
    #[must_use]
    pub fn of(index: usize) -> Option<Face> {
        index.checked_add(1)?.try_into().ok().map(Face)
    }

    /// Its place among all faces of a group, [`Face::OWN`] before the others.
    #[must_use]
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

/// A group of endpoints that answers for some integration URIs.
#[derive(Clone, Debug)]
pub struct OriginPlan {
    /// The key in `[origins]`; for an implicit group its scheme and authority.
    pub name: Box<str>,
    /// Scheme and authority of the URIs it answers: `https://host` or `https://host:8443`.
    pub matches: Box<[Box<str>]>,
    /// Whether nobody wrote it down: one endpoint, the authority of the URI.
    pub implicit: bool,
    /// By priority, then as written; never empty.
    pub endpoints: Box<[EndpointPlan]>,
    pub balance: Balance,
    pub tls: OriginTlsPlan,
    pub health: Option<HealthPlan>,
    pub ejection: EjectionPlan,
    /// What may be connected to beyond global addresses.
    pub allow: AllowList,
    pub connections_max: u32,
    pub waiters_max: u32,
    pub connect_ms: u32,
    pub idle_ms: u32,
    pub retry_percent_max: u8,
}

/// One place that answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointPlan {
    pub region: Box<str>,
    pub host: EndpointHost,
    pub port: u16,
    pub tls: bool,
    /// 0 is asked first.
    pub priority: u8,
    /// At least 1.
    pub weight: u16,
    /// `host` or `host:port` as a `Host` field carries it, for health checks and logs.
    pub authority: Box<str>,
}

/// Where an endpoint is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EndpointHost {
    Address(IpAddr),
    /// Lower case, resolved by DNS while running.
    Name(Box<str>),
}

/// TLS towards the endpoints that use it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OriginTlsPlan {
    pub roots: Roots,
    /// Certificate chain and key.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// What stages show in place of that, each once.
    pub faces: Vec<ClientIdentity>,
    /// Name to send and to verify.
    pub server_name: Box<str>,
    pub insecure_skip_verification: bool,
}

/// A client certificate of the settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientIdentity {
    /// The key in `[client_certificates]`.
    pub name: Box<str>,
    /// PEM, leaf first.
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// Active checks, once per host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthPlan {
    pub path: Box<str>,
    pub interval_ms: u32,
    pub timeout_ms: u32,
    pub healthy_after: u8,
    pub unhealthy_after: u8,
    pub statuses: Box<[RangeInclusive<u16>]>,
}

/// Passive ejection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EjectionPlan {
    /// Failures in a row; 0 switches ejection off.
    pub failures: u16,
    pub base_ms: u32,
    pub percent_max: u8,
}

impl OriginPlan {
    /// What a stage shows as `face`; `None`: the group's own certificate, or none.
    #[must_use]
    pub fn identity(&self, face: Face) -> Option<&ClientIdentity> {
        self.tls.faces.get(face.place().checked_sub(1)?)
    }
}

impl HealthPlan {
    /// Whether `status` counts as healthy.
    #[must_use]
    pub fn is_good(&self, status: u16) -> bool {
        self.statuses.iter().any(|range| range.contains(&status))
    }
}
