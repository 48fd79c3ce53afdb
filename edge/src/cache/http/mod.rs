//! HTTP caching as RFC 9111 has it, for a cache that many share: decisions without I/O.
//!
//! Shape: borrowed heads and `now` in, plain values out. The way of a hit (1 to 4) allocates
//! nothing. Units: milliseconds for the clock, seconds for what peers say. Errors: none that reach a
//! client; every doubt is a miss. Source: RFC 9111, 9110, 5861, 8246, 9211, 9213.

pub mod condition;
pub mod date;
pub mod directives;
pub mod encode;
pub mod facts;
pub mod freshness;
pub mod hash;
pub mod key;
pub mod policy;
pub mod reason;
pub mod record;
pub mod rules;
pub mod select;
pub mod serve;
pub mod storable;
pub mod targeted;
pub mod vary;
