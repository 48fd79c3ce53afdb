//! Named points at which a process can be made to die, for the tests that kill it.
//!
//! Shape: [`CrashPoint`] names a step after which nothing more is done; [`CrashPlan`] says at which
//! pass. Without a plan a point costs one comparison on the way of a write, none on that of a read.
//! Units: passes. Errors: none. Source: RELIABILITY section 10, "kill -9".

use std::sync::atomic::{AtomicU32, Ordering};

/// A step of a writer or of whoever makes room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrashPoint {
    /// An owner has its lock, and is not yet in the table.
    Registering,
    /// Room is reserved, nothing written.
    Reserved,
    /// Half of the body is written.
    HalfWritten,
    /// The record is whole and hidden.
    Written,
    /// The record is published, its pin still held.
    Published,
    /// A shard's lock was just taken.
    Locked,
    /// A survivor is copied, and not yet published in its new place.
    Moved,
    /// All survivors have moved, the segment is still sealed.
    Evacuated,
    /// The segment is withdrawn, not yet free.
    Condemned,
    /// A new segment is active, and nobody has been told.
    Activated,
    /// The new segment is known, the full one not yet sealed.
    Rotated,
}

impl CrashPoint {
    /// All points, with the names that tests give them by.
    pub const ALL: [(&'static str, CrashPoint); 11] = [
        ("registering", CrashPoint::Registering),
        ("reserved", CrashPoint::Reserved),
        ("half-written", CrashPoint::HalfWritten),
        ("written", CrashPoint::Written),
        ("published", CrashPoint::Published),
        ("locked", CrashPoint::Locked),
        ("moved", CrashPoint::Moved),
        ("evacuated", CrashPoint::Evacuated),
        ("condemned", CrashPoint::Condemned),
        ("activated", CrashPoint::Activated),
        ("rotated", CrashPoint::Rotated),
    ];
}

/// Where to die, and at which pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CrashPlan {
    /// The step.
    pub point: CrashPoint,
    /// 1 is the first pass.
    pub pass: u32,
}

/// A plan with its passes so far.
#[derive(Debug)]
pub(super) struct Crash {
    plan: CrashPlan,
    passes: AtomicU32,
}

impl Crash {
    pub(super) fn new(plan: CrashPlan) -> Crash {
        Crash {
            plan,
            passes: AtomicU32::new(0),
        }
    }

    /// Dies here if the plan says so.
    pub(super) fn pass(&self, point: CrashPoint) {
        if point == self.plan.point
            && self.passes.fetch_add(1, Ordering::Relaxed) + 1 == self.plan.pass
        {
            std::process::abort();
        }
    }
}
