//! The atomics that the protocol is written in.
//!
//! What: one door to them, so that the model checker can put its own behind it and run the very
//! same source. Errors: none. Source: `tests/cache/interleavings.rs`.

pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
