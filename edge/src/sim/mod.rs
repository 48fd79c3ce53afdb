//! Level 11: simulated clients, origins, faults, checkers.
//!
//! What it is: [`simulate`] runs real workers in a simulated world for one seed and says what went
//! wrong. `scenario` draws and drives a run, `client` and `origin` are its people, `script`
//! what clients say, `check` the book that all of them keep, `world` the scheduler; `cached` is
//! another company, which asks for the same again and again. Errors: a [`Report`] with a violation. Source: RELIABILITY section 10.

pub mod cached;
mod check;
mod client;
mod message;
mod origin;
mod peer;
mod plan;
mod scenario;
mod script;
mod world;

pub use check::Figures;
pub use scenario::{Report, simulate};
pub use world::{Ran, run, shutdown};
