//! Level 12: edge-optimized versus regional, simulated with the gateway that serves.
//!
//! What it is: [`simulate`] plays a [`Scenario`] for each of its deployments, with the same clients
//! wanting the same at the same moments, and gives a [`Report`]. Every edge and every region is a
//! worker as it ships, with its own cache region and limits, on the simulated ring; what is
//! modelled is the world around them. `place`, `delays` and `network` are the map, `traffic` and
//! `client` the people, `origin` and `backend` what answers, `gateway` the workers, with
//! `health` the checks that they make and `quota` the books of their keys, `stage` one
//! deployment's world and `driver` its clock; `tally`, `price` and `advice` say what came of it.
//! Shape: one deployment after the other, each in a world of its own. Units: virtual nanoseconds
//! inside, the names say which outside. Errors: a [`SetupFault`] for a scenario that cannot be
//! played. Source: docs/simulator.md.

mod advice;
mod backend;
mod client;
mod delays;
mod driver;
mod gateway;
mod health;
mod network;
mod origin;
mod place;
mod play;
mod price;
mod quota;
mod random;
pub mod result;
#[cfg(test)]
mod sample;
pub mod scenario;
mod setup;
mod speech;
mod stage;
mod tally;
mod traffic;

pub use delays::{RttTable, distance_km};
pub use place::{Place, read_places};
pub use play::{Progress, simulate};
pub use price::Prices;
pub use result::Report;
pub use scenario::Scenario;
pub use setup::{Data, Setup, SetupFault};
