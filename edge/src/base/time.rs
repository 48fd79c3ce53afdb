//! Points in time and the two clocks a core knows.
//!
//! Shape: [`Mono`] counts from an arbitrary start and never goes back; [`Wall`] counts from the
//! Unix epoch and may be stepped. Units: nanoseconds and milliseconds, as the names say.
//! Ranges: 584 years for `Mono`. Errors: none, arithmetic saturates. Values come only from
//! `Ring::now`, so that a simulated run repeats.

/// A monotonic instant, nanoseconds; all rings of a host share its start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Debug)]
pub struct Mono(pub u64);

/// A wall-clock instant, milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Debug)]
pub struct Wall(pub u64);

impl Mono {
    /// Later than every deadline: "no deadline".
    pub const FAR: Mono = Mono(u64::MAX);

    /// This instant plus `ms` milliseconds, at most [`Mono::FAR`].
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Mono {
        Mono(self.0.saturating_add(ms.saturating_mul(NS_PER_MS)))
    }

    /// This instant plus `ns` nanoseconds, at most [`Mono::FAR`].
    #[must_use]
    pub const fn plus_ns(self, ns: u64) -> Mono {
        Mono(self.0.saturating_add(ns))
    }

    /// Nanoseconds from `earlier` to here, 0 when `earlier` is later.
    #[must_use]
    pub const fn since_ns(self, earlier: Mono) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole milliseconds from `earlier` to here.
    #[must_use]
    pub const fn since_ms(self, earlier: Mono) -> u64 {
        self.since_ns(earlier) / NS_PER_MS
    }
}

/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;
