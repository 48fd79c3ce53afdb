//! Level 5: outgoing calls: groups, pools, health, balancing.
//!
//! What it is: everything between "this request goes to that group" and a connection to one of
//! its endpoints. Shape: [`plan`] is what the plan compiles a group to; [`state`] is what all
//! cores of the host know about it; [`pool`] is one core's connections; [`resolver`] and [`health`]
//! run once per host and write the state; [`report`] shows it. Errors: [`AcquireFault`]. Source: RELIABILITY section 4.

pub mod health;
pub mod plan;
pub mod pool;
pub mod report;
pub mod resolver;
pub mod state;
mod task;

pub use plan::{
    ClientIdentity, EjectionPlan, EndpointHost, EndpointPlan, Face, HealthPlan, OriginIndex,
    OriginPlan, OriginTlsPlan,
};
pub use pool::{AcquireFault, Failed, Group, GroupTls, Lease};
pub use report::{EndpointReport, describe};
pub use resolver::{PlanStates, Resolver, ResolverConfig, ResolverFigures};
pub use state::{EndpointState, GroupState};
