//! API documents from outside: what an import keeps, what an export gives back, what differs.
//!
//! Shape: one module per command. Units: none. Errors: a row that differs prints both sides.
//! Source: Amazon API Gateway developer guide, "OpenAPI extensions"; `configs/openapi`.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

mod commands;
mod diff;
mod export;
mod extensions;
mod faults;
mod import;
mod members;
mod models;
#[path = "../common/problems.rs"]
mod problems;
#[path = "../running/mod.rs"]
mod running;
mod samples;
