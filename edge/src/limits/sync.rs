//! The atomics that buckets and leases are written in.
//!
//! What: one door to them, so that the model checker can put its own behind it and run the very
//! same source. Errors: none. Source: `tests/limits/interleavings.rs`.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};
