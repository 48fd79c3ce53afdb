//! The control plane: deployments, keys and usage plans, calls for trial, and its store when killed.
//!
//! Shape: one module a kind of resource, over the running binary's admin socket. Who is killed is a
//! child, which is this program again, started for one test by its full name.

#[path = "../common/mod.rs"]
mod common;
mod deploy;
mod keys;
mod keys_serving;
#[path = "../running/mod.rs"]
mod running;
mod store_crash;
mod test_invoke;
