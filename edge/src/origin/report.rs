//! Origins as operators list them.
//!
//! Shape: one [`EndpointReport`] per endpoint, in the plan's order; it travels as JSON from a
//! running host to its command line. Units: milliseconds. Ranges: whatever the plan has.
//! Errors: none. Source: own.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{plan::OriginPlan, state::GroupState};
use crate::base::time::Mono;

/// One endpoint: what was configured, and how it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndpointReport {
    pub origin: String,
    pub region: String,
    pub authority: String,
    /// Empty while its name is not resolved.
    pub addresses: Vec<SocketAddr>,
    pub priority: u8,
    pub weight: u16,
    /// What the last active checks say.
    pub healthy: bool,
    /// Taken out of use by an operator.
    pub drained: bool,
    /// How long it stays out of use after failures; 0 when it is in use.
    pub ejected_for_ms: u64,
    /// Failed calls in a row.
    pub failures: u32,
}

/// The endpoints of a group.
#[must_use]
pub fn describe(plan: &OriginPlan, state: &GroupState, now: Mono) -> Vec<EndpointReport> {
    plan.endpoints
        .iter()
        .zip(&state.endpoints)
        .map(|(endpoint, state)| EndpointReport {
            origin: plan.name.to_string(),
            region: endpoint.region.to_string(),
            authority: endpoint.authority.to_string(),
            addresses: state.addresses().to_vec(),
            priority: endpoint.priority,
            weight: endpoint.weight,
            healthy: state.is_healthy(),
            drained: state.is_drained(),
            ejected_for_ms: state.ejected_until().since_ms(now),
            failures: state.failures(),
        })
        .collect()
}
