//! HTTP caching as RFC 9111 has it, for a cache that many share: decisions without I/O.
//!
//! What it is: everything an edge cache must decide, in the order in which a request meets it:
//!
//! 1. [`key`]: where its answer would lie, under a key [`policy`]; [`select`] and [`vary`] add what
//!    Vary asks for.
//! 2. [`record`]: what lies there, read in place.
//! 3. `serve`: whether it answers, from [`facts`] (the request's and response's heads, with
//!    their [`directives`], [`targeted`] ones and [`date`]s) and [`rules`].
//! 4. [`condition`]: how it answers: whole, 304, a range.
//! 5. `storable`: whether an origin's answer is kept, and for how long ([`freshness`]);
//!    [`encode`] writes it.
//! 6. [`freshen`]: what a 304 or a HEAD makes of it; [`invalidate`]: what an unsafe request does.
//! 7. [`reason`], [`report`], [`hash`]: why, said how, and found again by which tag.
//!
//! Shape: borrowed heads and `now` in, plain values out. The way of a hit (1 to 4) allocates
//! nothing. Units: milliseconds for the clock, seconds for what peers say. Errors: none that reach
//! a client; every doubt is a miss. Source: RFC 9111, 9110, 5861, 8246, 9211, 9213.

pub mod condition;
pub mod date;
pub mod directives;
pub mod encode;
pub mod facts;
pub mod freshen;
pub mod freshness;
pub mod hash;
pub mod invalidate;
pub mod key;
mod lexer;
pub mod policy;
pub mod reason;
pub mod record;
pub mod report;
pub mod rules;
pub mod select;
pub mod serve;
pub mod storable;
pub mod targeted;
pub mod vary;

pub use self::{
    condition::{Answer, answer},
    encode::Draft,
    facts::{Caller, Request, Response},
    key::{KeyFault, KeyQuery, KeySource, KeyView},
    policy::{KeyChoice, KeyPolicy, Names},
    reason::{MissReason, PassReason, RevalidateReason},
    record::{Record, Stored, Uncacheable, Variants},
    rules::{HttpCacheRules, NegativeTtl, RequestDirectivesRule, SetCookieRule},
    select::Normalise,
    serve::{Failure, OnFailure, Serve, Validators, miss, on_failure, serve},
    storable::{Decision, Terms, outdates, renewable, storable},
    vary::VaryNames,
};
