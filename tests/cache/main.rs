//! The response cache from outside: the real binary, a real origin, plain clients.
//!
//! Shape: one module a theme, tables of requests in their order. Units: milliseconds, bytes.
//! Errors: a row that differs prints the whole head. Source: docs/caching.md; RFC 9111, 5861, 9211.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

mod bed;
mod edge;
mod operators;
mod parts;
mod policies;
mod regions;
#[path = "../running/mod.rs"]
mod running;
mod sharing;
mod stage;
