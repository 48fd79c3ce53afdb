//! What one worker has seen: histograms and counts, handed over interval by interval.
//!
//! What it is: three histograms and plain counters; recording is a few additions. Shape: a
//! [`Recorder`] belongs to its worker; [`Recorder::take`] leaves an empty one and gives an
//! [`Interval`] away, and intervals add up. Units: nanoseconds. Ranges: [`LOWEST_NS`] to
//! [`HIGHEST_NS`] with three significant digits; what is longer is recorded as the highest.
//! Errors: none. Source: Gil Tene, HdrHistogram.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Below this, values are told apart by this much.
pub const LOWEST_NS: u64 = 64;
/// Ten minutes.
pub const HIGHEST_NS: u64 = 600_000_000_000;
const DIGITS: u8 = 3;

/// Why a request has no right answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cause {
    /// The server refused the connection or could not be reached.
    Connect,
    /// No local port was free.
    Ports,
    /// No file descriptor was free.
    Files,
    /// The TLS handshake failed.
    Tls,
    /// The server closed the connection before the answer.
    Closed,
    /// The connection was reset or failed.
    Reset,
    /// No answer in time.
    Timeout,
    /// What came is no HTTP answer.
    Malformed,
    /// The status is not one that was expected.
    Status,
    /// The body is not the one that was expected.
    Body,
    /// Bytes of another request, or of none.
    Foreign,
    /// We had no buffer for it.
    Buffers,
}

/// All of them, with the names they have in results.
pub const CAUSES: [(Cause, &str); 12] = [
    (Cause::Connect, "connect"),
    (Cause::Ports, "ports"),
    (Cause::Files, "files"),
    (Cause::Tls, "tls"),
    (Cause::Closed, "closed"),
    (Cause::Reset, "reset"),
    (Cause::Timeout, "timeout"),
    (Cause::Malformed, "malformed"),
    (Cause::Status, "status"),
    (Cause::Body, "body"),
    (Cause::Foreign, "foreign"),
    (Cause::Buffers, "buffers"),
];

/// What was counted. Every scheduled request ends as sent or dropped, every sent one as ok or
/// failed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// Starts that came due.
    pub scheduled: u64,
    /// Requests given to a connection.
    pub sent: u64,
    /// Starts that the generator itself was late for.
    pub late: u64,
    /// Starts that had to wait for a free connection.
    pub waited: u64,
    /// Starts that were given up without a connection.
    pub dropped: u64,
    /// Whole answers, right or wrong.
    pub answered: u64,
    /// Right answers.
    pub ok: u64,
    /// By cause, in the order of [`CAUSES`].
    pub failed: [u64; CAUSES.len()],
    /// By the first digit of the status, from 1 to 5.
    pub statuses: [u64; 5],
    /// Bytes of requests, TLS not counted.
    pub sent_bytes: u64,
    /// Bytes of answers, TLS not counted.
    pub received_bytes: u64,
    /// Connections opened.
    pub connects: u64,
    /// TLS handshakes that resumed an earlier session.
    pub resumed: u64,
    /// Attempts to connect that failed with nobody waiting for them.
    pub connects_failed: u64,
    /// How often a receive found no free buffer.
    pub starved: u64,
    /// How often bytes came that nobody had asked for.
    pub unasked: u64,
}

impl Counts {
    /// Books a failure.
    pub fn fail(&mut self, cause: Cause, count: u64) {
        self.failed[cause as usize] += count;
    }

    /// All failures.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }

    /// Books the status of an answer.
    pub fn note_status(&mut self, status: u16) {
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(count) = self.statuses.get_mut(class) {
            *count += 1;
        }
    }

    fn add(&mut self, other: &Counts) {
        for (sum, part) in self
            .numbers_mut()
            .into_iter()
            .zip(other.clone().numbers_mut())
        {
            *sum += *part;
        }
        for (sum, part) in self.failed.iter_mut().zip(other.failed) {
            *sum += part;
        }
        for (sum, part) in self.statuses.iter_mut().zip(other.statuses) {
            *sum += part;
        }
    }

    fn numbers_mut(&mut self) -> [&mut u64; 14] {
        [
            &mut self.scheduled,
            &mut self.sent,
            &mut self.late,
            &mut self.waited,
            &mut self.dropped,
            &mut self.answered,
            &mut self.ok,
            &mut self.sent_bytes,
            &mut self.received_bytes,
            &mut self.connects,
            &mut self.resumed,
            &mut self.connects_failed,
            &mut self.starved,
            &mut self.unasked,
        ]
    }
}

/// What was seen in a stretch of time.
#[derive(Clone, Debug)]
pub struct Interval {
    /// From the scheduled start to the last byte of the answer.
    pub latency: Histogram<u64>,
    /// From the sending to the last byte of the answer: what closed-loop tools show.
    pub service: Histogram<u64>,
    /// How late the generator itself was for a start.
    pub lateness: Histogram<u64>,
    /// Counts.
    pub counts: Counts,
    /// Processor time of the workers.
    pub cpu_ns: u64,
    /// Time in which the workers could have run, but others had the processor.
    pub cpu_waited_ns: u64,
}

impl Default for Interval {
    fn default() -> Interval {
        Interval {
            latency: histogram(),
            service: histogram(),
            lateness: histogram(),
            counts: Counts::default(),
            cpu_ns: 0,
            cpu_waited_ns: 0,
        }
    }
}

impl Interval {
    /// Adds what was seen elsewhere or later.
    pub fn add(&mut self, other: &Interval) {
        for (sum, part) in [
            (&mut self.latency, &other.latency),
            (&mut self.service, &other.service),
            (&mut self.lateness, &other.lateness),
        ] {
            sum.add(part).expect("all have the same bounds");
        }
        self.counts.add(&other.counts);
        self.cpu_ns += other.cpu_ns;
        self.cpu_waited_ns += other.cpu_waited_ns;
    }
}

/// An empty histogram with the bounds of all.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS).expect("the bounds are fixed")
}

/// One worker's book.
#[derive(Default)]
pub struct Recorder {
    interval: Interval,
}

impl Recorder {
    /// Books a whole answer.
    pub fn answer(&mut self, latency_ns: u64, service_ns: u64) {
        self.interval.latency.saturating_record(latency_ns);
        self.interval.service.saturating_record(service_ns);
    }

    /// Books how late a start was handled.
    pub fn start(&mut self, lateness_ns: u64) {
        self.interval.lateness.saturating_record(lateness_ns);
    }

    /// The counts.
    pub fn counts(&mut self) -> &mut Counts {
        &mut self.interval.counts
    }

    /// Gives away what was booked since the last time.
    #[must_use]
    pub fn take(&mut self) -> Interval {
        std::mem::take(&mut self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_stand_where_their_numbers_say() {
        for (index, (cause, name)) in CAUSES.iter().enumerate() {
            assert_eq!(*cause as usize, index, "{name}");
        }
    }

    #[test]
    fn intervals_add_up() {
        let mut recorder = Recorder::default();
        let mut whole = Interval::default();
        for round in 1..=3u64 {
            for value in 1..=1000u64 {
                recorder.answer(value * 1000 * round, value);
                recorder.start(1);
            }
            recorder.counts().sent += 1000;
            recorder.counts().fail(Cause::Timeout, round);
            recorder.counts().note_status(503);
            whole.add(&recorder.take());
        }
        assert_eq!((whole.latency.len(), whole.lateness.len()), (3000, 3000));
        assert_eq!((whole.counts.sent, whole.counts.failures()), (3000, 6));
        assert_eq!(whole.counts.statuses, [0, 0, 0, 0, 3]);
        assert_eq!(recorder.take().latency.len(), 0);
        let median = whole.latency.value_at_quantile(0.5);
        assert!(median.abs_diff(818_000) < 12_000, "{median}");
    }

    #[test]
    fn what_is_too_long_is_the_highest() {
        let mut recorder = Recorder::default();
        recorder.answer(u64::MAX, 0);
        assert!(recorder.take().latency.max() >= HIGHEST_NS);
    }
}
