//! The cache: its store, alone and shared between processes that die, and HTTP caching over it.
//!
//! Shape: one module a subject. Those that need a process of its own, to be cut, limited or killed,
//! start this program again for one test by its full name; nothing here changes the process that
//! runs the tests. Source: RELIABILITY section 5.

mod damage;
mod files;
mod http;
mod interleavings;
mod kill;
mod properties;
#[path = "../common/shelf.rs"]
mod shelf;
mod store;
mod threads;
