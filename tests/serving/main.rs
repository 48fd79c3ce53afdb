//! Requests through the running binary, with real clients and real servers beside it.
//!
//! Shape: one module a subject: curl, OpenSSL, nginx, Python's server, a browser; each gateway has its
//! own folder and ports.

mod browser;
mod client_certificates;
#[path = "../common/mod.rs"]
mod common;
mod function_streams;
mod limits;
mod mapped;
mod nginx;
mod streaming;
mod tls;
