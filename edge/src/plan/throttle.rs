//! What a plan says about limits, apart from those of its routes.
//!
//! Shape: [`ThrottlePlan`] is there when any route or client has a limit or needs a key; the limits
//! themselves are [`crate::limits::RouteLimits`] of the routes. Units: none. Ranges: none.
//! Errors: none here. Source: API Gateway developer guide, "throttling".

use std::{net::IpAddr, path::PathBuf};

use super::listen::NetworkSet;
use crate::limits::ClientLimit;

/// Where limits are counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThrottlePlan {
    /// The mapped file; `None`: in the runtime directory.
    pub path: Option<PathBuf>,
    /// `RateLimit` and `RateLimit-Policy` are sent.
    pub headers: bool,
    /// What each client address may do, if that is limited.
    pub clients: Option<ClientPlan>,
}

/// The limit of client addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientPlan {
    /// For each network.
    pub limit: ClientLimit,
    /// Who has none.
    pub exempt: NetworkSet,
}

impl ClientPlan {
    /// `ip`, unless it is exempt.
    #[must_use]
    pub fn counts(&self, ip: IpAddr) -> Option<IpAddr> {
        (self.exempt.is_empty() || !self.exempt.contains(ip)).then_some(ip)
    }
}
