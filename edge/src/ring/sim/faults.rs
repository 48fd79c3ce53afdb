//! How badly the simulated world behaves.
//!
//! What it is: the odds of each misfortune, and the spans that delays are drawn from. Shape: one
//! flat record that may be exchanged in mid-run. Units: odds in per mille, spans in nanoseconds or
//! bytes, rates in bytes per second. Ranges: 0 to 1000 for odds. Errors: none.
//! Source: RELIABILITY section 7 names what a loop must survive.

use crate::base::prng::Prng;

/// A range to draw from, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

impl Span {
    /// A range of one value.
    #[must_use]
    pub const fn only(value: u64) -> Span {
        Span {
            min: value,
            max: value,
        }
    }

    /// From `min` to `max`.
    #[must_use]
    pub const fn new(min: u64, max: u64) -> Span {
        assert!(min <= max, "a span runs upward");
        Span { min, max }
    }

    /// A value of the range. Takes nothing from `prng` when there is no choice.
    pub(super) fn draw(self, prng: &mut Prng) -> u64 {
        if self.min == self.max {
            return self.min;
        }
        self.min + prng.below((self.max - self.min).saturating_add(1))
    }
}

/// Odds in per mille, and the spans of delays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Faults {
    /// A receive fills less of its buffer than it could.
    pub short_recv: u64,
    /// A send lands with fewer bytes than it was given.
    pub short_send: u64,
    /// The network resets the connection, at every piece sent.
    pub reset: u64,
    /// A reset overtakes bytes on their way, which are lost.
    pub reset_overtakes: u64,
    /// A connect is refused although somebody listens.
    pub refuse_connect: u64,
    /// An accept ends with `EMFILE`; the connection waits for the next one.
    pub accept_error: u64,
    /// A receive finds no buffer although some are lent.
    pub no_buffers: u64,
    /// A multishot operation ends without a reason.
    pub multishot_end: u64,
    /// A cancel comes late, after `cancel_delay_ns`.
    pub cancel_late: u64,
    /// A datagram is lost.
    pub datagram_loss: u64,
    /// A core is passed over in one round of turns.
    pub core_stall: u64,
    /// From a start to its first effect: the bytes leave, the connect goes out.
    pub start_delay_ns: Span,
    /// From an effect to its completion; reorders completions of different operations.
    pub landing_delay_ns: Span,
    /// How late a late cancel comes.
    pub cancel_delay_ns: Span,
    /// From one end of a link to the other, drawn for every piece; order is kept.
    pub latency_ns: Span,
    /// Bytes on their way or unread in one direction.
    pub window_bytes: Span,
    /// Speed of a link.
    pub link_bytes_per_s: u64,
    /// A new link is a slow one.
    pub slow_link: u64,
    /// Speed of a slow link.
    pub slow_link_bytes_per_s: u64,
}

impl Faults {
    /// A perfect local network: 50 µs away, 1.25 GB/s, windows of 256 KiB.
    #[must_use]
    pub const fn none() -> Faults {
        Faults {
            short_recv: 0,
            short_send: 0,
            reset: 0,
            reset_overtakes: 0,
            refuse_connect: 0,
            accept_error: 0,
            no_buffers: 0,
            multishot_end: 0,
            cancel_late: 0,
            datagram_loss: 0,
            core_stall: 0,
            start_delay_ns: Span::only(0),
            landing_delay_ns: Span::only(0),
            cancel_delay_ns: Span::only(0),
            latency_ns: Span::only(50_000),
            window_bytes: Span::only(256 * 1024),
            link_bytes_per_s: 1_250_000_000,
            slow_link: 0,
            slow_link_bytes_per_s: 1_250_000_000,
        }
    }

    /// Rates of their own for a seed: each kind of fault is absent, rare or common.
    #[must_use]
    pub fn drawn(prng: &mut Prng) -> Faults {
        let mut odds = |common: u64| match prng.below(3) {
            0 => 0,
            1 => 1 + common / 10,
            _ => common,
        };
        let mut faults = Faults {
            short_recv: odds(400),
            short_send: odds(300),
            reset: odds(20),
            reset_overtakes: odds(500),
            refuse_connect: odds(150),
            accept_error: odds(150),
            no_buffers: odds(150),
            multishot_end: odds(200),
            cancel_late: odds(500),
            datagram_loss: odds(200),
            core_stall: odds(200),
            slow_link: odds(300),
            ..Faults::none()
        };
        let mut span = |max: u64| match prng.below(3) {
            0 => Span::only(0),
            1 => Span::new(0, max / 20),
            _ => Span::new(0, max),
        };
        faults.start_delay_ns = span(2_000_000);
        faults.landing_delay_ns = span(1_000_000);
        faults.cancel_delay_ns = span(3_000_000);
        faults.latency_ns = Span::new(1_000, 1_000 + span(20_000_000).max);
        faults.window_bytes = Span::new(64 * 1024, 256 * 1024);
        faults.slow_link_bytes_per_s = 20_000 + prng.below(2_000_000);
        faults
    }
}
