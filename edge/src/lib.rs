//! Everything that happens to a request, from the ring to the answer.
//!
//! Modules are levels: each imports only smaller numbers (the table is held by
//! `tests/tidy.rs`). Start reading at [`pipeline::request`].

pub mod base;
pub mod cache;
pub mod exec;
pub mod geo;
pub mod integrate;
pub mod limits;
pub mod mapping;
pub mod model;
pub mod net;
pub mod origin;
pub mod pipeline;
pub mod plan;
pub mod ring;
pub mod route;
pub mod server;
pub mod sim;
pub mod telemetry;
pub mod wire;
