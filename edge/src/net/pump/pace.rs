//! How slow a peer may be, and how much a sink may hold.
//!
//! What it is: books of the time in which we wait for a peer and of the bytes it moves meanwhile.
//! Shape: [`Pace`] is the bound, [`Waiting`] the books of one side, [`Room`] those of a sink with
//! what it has not sent yet. Units: bytes, milliseconds; [`Mono`] for points in time. Ranges: a
//! sink holds [`SINK_HIGH_BYTES`], fewer while buffers are scarce. Errors: [`PumpEnd`] of a sink;
//! none of [`Waiting`]. Source: RELIABILITY section 2.

use std::task::Poll;

use super::PumpEnd;
use crate::{
    base::time::{Mono, NS_PER_MS},
    exec::SendEnd,
    net::conn::Conn,
};

/// Unsent bytes at which the source is left alone.
pub const SINK_HIGH_BYTES: usize = 128 * 1024;
/// The same while buffers are scarce, so that slow readers cannot hold them all.
const SINK_HIGH_SCARCE_BYTES: usize = 16 * 1024;

/// The slowest a peer may be. Progress means bytes moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Bytes a second, once the grace is over.
    pub bytes_per_s: u64,
    /// Time before the rate counts.
    pub grace_ms: u64,
    /// Longest time without a byte.
    pub still_ms: u64,
}

/// How a peer does while we wait for it; time in which we do not wait does not count.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Waiting {
    since: Option<Mono>,
    last_move: Mono,
    moved_bytes: u64,
    waited_ns: u64,
}

impl Waiting {
    pub(super) fn moved(&mut self, bytes: u64, now: Mono) {
        self.moved_bytes = self.moved_bytes.saturating_add(bytes);
        if let Some(since) = self.since.take() {
            self.waited_ns = self.waited_ns.saturating_add(now.since_ns(since));
        }
    }

    /// Books that we wait at `now`; the time to look again, or `None` when it was too slow.
    pub(super) fn wait(&mut self, pace: Pace, now: Mono) -> Option<Mono> {
        if self.since.is_none() {
            self.since = Some(now);
            self.last_move = now;
        }
        let still = self.last_move.plus_ms(pace.still_ms);
        let waited_ms = (self.waited_ns + now.since_ns(self.last_move)) / NS_PER_MS;
        let least = pace.bytes_per_s.saturating_mul(waited_ms) / 1000;
        let too_slow = waited_ms > pace.grace_ms && self.moved_bytes < least;
        if now >= still || too_slow {
            return None;
        }
        Some(still.min(now.plus_ms(pace.grace_ms.max(1_000))))
    }
}

/// Room at a sink: how much it may hold unsent, and how slowly it may take it.
#[derive(Default)]
pub struct Room {
    pace: Option<Pace>,
    wait: Waiting,
    unsent: usize,
}

impl Room {
    /// Room at a sink that may take no slower than `pace`.
    #[must_use]
    pub fn with_pace(pace: Pace) -> Room {
        Room {
            pace: Some(pace),
            ..Room::default()
        }
    }

    /// Ready when something more may be queued.
    pub fn poll(&mut self, sink: &mut Conn) -> Poll<Result<(), PumpEnd>> {
        let scarce = sink.stream().core().pool().is_scarce();
        let polled = sink.poll_sent(if scarce {
            SINK_HIGH_SCARCE_BYTES
        } else {
            SINK_HIGH_BYTES
        });
        let now = sink.stream().core().now();
        let unsent = sink.unsent_bytes();
        if unsent < self.unsent {
            self.wait.moved((self.unsent - unsent) as u64, now);
        }
        self.unsent = unsent;
        match polled {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(SendEnd::Failed(_) | SendEnd::Timeout)) => {
                Poll::Ready(Err(PumpEnd::Sink))
            }
            Poll::Pending => {
                let Some(pace) = self.pace else {
                    return Poll::Pending;
                };
                match self.wait.wait(pace, now) {
                    Some(look) => {
                        sink.stream().core().wake_at(look);
                        Poll::Pending
                    }
                    None => Poll::Ready(Err(PumpEnd::SinkSlow)),
                }
            }
        }
    }

    /// Books what was queued since.
    pub fn note(&mut self, sink: &Conn) {
        self.unsent = sink.unsent_bytes();
    }
}
