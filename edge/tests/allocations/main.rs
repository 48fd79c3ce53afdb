//! The ways of warm requests and hits allocate nothing, by a counting allocator.
//!
//! A program of its own, because an allocator is one for the whole process. What is counted belongs
//! to one thread, so that its tests run beside one another.

#[path = "../common/counted.rs"]
mod counted;
#[path = "../common/documents.rs"]
mod documents;
mod hits;
mod http;
mod large_hits;
mod requests;
