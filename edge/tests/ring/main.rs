//! The ring and the loop over it, on the kernel and on its twin.

#[path = "../bed/mod.rs"]
mod bed;
mod conformance;
mod operations;
mod twin;
