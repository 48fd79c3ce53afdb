//! What: one direction of a long line: packets go in, and come out later, in their order.
//! Shape: [`Way`] is what it is like, [`Line`] the queue of what is on its way. It reads no clock
//!   and touches no device, so a table of packets and moments tests it.
//! Units: nanoseconds of any clock that does not go back, bytes, bits per second.
//! Errors: none; what a line does not carry is in its [`Counts`].
//! Source: RFC 8867 and the manual of tc-netem(8) for what such a line has to be able to do.

use std::collections::VecDeque;

use tidegate_edge::base::prng::Prng;

/// What a direction is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Way {
    /// Each packet takes at least so long.
    pub(crate) delay_ns: u64,
    /// And up to so much longer, evenly drawn; a packet never overtakes the one before it.
    pub(crate) jitter_ns: u64,
    /// How fast packets leave, one behind the other; none: at once.
    pub(crate) bits_per_s: Option<u64>,
    /// Packets lost of a million.
    pub(crate) loss_ppm: u64,
}

impl Way {
    /// Nothing but a delay.
    pub(crate) const fn of_delay(delay_ns: u64) -> Way {
        Way {
            delay_ns,
            jitter_ns: 0,
            bits_per_s: None,
            loss_ppm: 0,
        }
    }
}

/// What a direction has done. Every packet taken is delivered, or still held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) taken: u64,
    pub(crate) delivered: u64,
    pub(crate) delivered_bytes: u64,
    /// Drawn to be lost.
    pub(crate) lost: u64,
    /// Found the queue in front of the line full, or the line itself.
    pub(crate) overflowed: u64,
}

/// A packet on its way.
struct Held {
    due_ns: u64,
    bytes: Vec<u8>,
}

/// One direction.
pub(crate) struct Line {
    way: Way,
    prng: Prng,
    held: VecDeque<Held>,
    /// Of packets that have left, to be used again.
    spare: Vec<Vec<u8>>,
    /// When the last packet will have left its sender.
    free_ns: u64,
    counts: Counts,
}

impl Line {
    /// An empty line; draws repeat with the seed.
    pub(crate) fn new(way: Way, seed: u64) -> Line {
        Line {
            way,
            prng: Prng::new(seed),
            held: VecDeque::new(),
            spare: Vec::new(),
            free_ns: 0,
            counts: Counts::default(),
        }
    }

    /// A packet has come to the beginning of the line.
    pub(crate) fn take(&mut self, now_ns: u64, packet: &[u8]) {
        if self.way.loss_ppm > 0 && self.prng.below(1_000_000) < self.way.loss_ppm {
            self.counts.lost += 1;
            return;
        }
        let waits_ns = self.free_ns.saturating_sub(now_ns);
        if self.held.len() >= PACKETS_MAX || self.waiting_bytes(waits_ns) > WAITING_BYTES_MAX {
            self.counts.overflowed += 1;
            return;
        }
        self.free_ns = now_ns + waits_ns + self.leaving_ns(packet.len());
        let jitter_ns = self.prng.below(self.way.jitter_ns);
        let due_ns = self.free_ns + self.way.delay_ns + jitter_ns;
        let last_ns = self.held.back().map_or(0, |held| held.due_ns);
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.extend_from_slice(packet);
        let due_ns = due_ns.max(last_ns);
        self.held.push_back(Held { due_ns, bytes });
        self.counts.taken += 1;
    }

    /// When the next packet comes out.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        self.held.front().map(|held| held.due_ns)
    }

    /// Gives the next packet to `deliver` if its time has come; the answer is how late that was.
    pub(crate) fn deliver(&mut self, now_ns: u64, deliver: impl FnOnce(&[u8])) -> Option<u64> {
        let held = self.held.pop_front_if(|held| held.due_ns <= now_ns)?;
        deliver(&held.bytes);
        self.counts.delivered += 1;
        self.counts.delivered_bytes += held.bytes.len() as u64;
        let mut bytes = held.bytes;
        if self.spare.len() < SPARE_MAX {
            bytes.clear();
            self.spare.push(bytes);
        }
        Some(now_ns - held.due_ns)
    }

    /// What it has done so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes in front of a line that is busy for so long.
    fn waiting_bytes(&self, waits_ns: u64) -> u64 {
        let rate = self.way.bits_per_s.unwrap_or(0);
        let bits = u128::from(waits_ns) * u128::from(rate) / NS_PER_S;
        u64::try_from(bits / 8).unwrap_or(u64::MAX)
    }

    /// How long the sender needs for a packet.
    fn leaving_ns(&self, len: usize) -> u64 {
        let Some(rate) = self.way.bits_per_s else {
            return 0;
        };
        let ns = len as u128 * 8 * NS_PER_S / u128::from(rate.max(1));
        u64::try_from(ns).unwrap_or(u64::MAX)
    }
}

/// A router's queue: what waits for a slow line.
pub(crate) const WAITING_BYTES_MAX: u64 = 1 << 20;
/// Packets on the way of one direction, which bounds its memory to 24 MiB.
const PACKETS_MAX: usize = 1 << 14;
const SPARE_MAX: usize = 1 << 10;
const NS_PER_S: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::{Counts, Line, PACKETS_MAX, WAITING_BYTES_MAX, Way};

    /// Everything that comes out until `until_ns`: when, and which packet.
    fn drain(line: &mut Line, until_ns: u64) -> Vec<(u64, u8)> {
        let mut out = Vec::new();
        while let Some(due_ns) = line.due_ns().filter(|due| *due <= until_ns) {
            let mut name = 0;
            let late_ns = line.deliver(due_ns, |bytes| name = bytes[0]);
            assert_eq!(late_ns, Some(0), "what is due is delivered");
            out.push((due_ns, name));
        }
        out
    }

    #[test]
    fn packets_come_out_when_they_are_due() {
        let delay = Way::of_delay(1000);
        let slow = Way {
            bits_per_s: Some(8_000_000), // a microsecond a byte
            ..delay
        };
        // name, way, packets in (moment, bytes), packets out (moment)
        type Row = (
            &'static str,
            Way,
            &'static [(u64, usize)],
            &'static [(u64, u8)],
        );
        let rows: &[Row] = &[
            ("alone", delay, &[(5, 40)], &[(1005, 0)]),
            (
                "two at once",
                delay,
                &[(5, 40), (5, 1500)],
                &[(1005, 0), (1005, 1)],
            ),
            ("no delay", Way::of_delay(0), &[(5, 40)], &[(5, 0)]),
            (
                "one behind the other",
                slow,
                &[(0, 2), (0, 3), (9000, 1)],
                &[(3000, 0), (6000, 1), (11_000, 2)],
            ),
        ];
        for (name, way, given, expected) in rows {
            let mut line = Line::new(*way, 1);
            for (index, (at_ns, len)) in given.iter().enumerate() {
                let index = u8::try_from(index).expect("few");
                line.take(*at_ns, &vec![index; *len]);
            }
            assert_eq!(drain(&mut line, u64::MAX), *expected, "{name}");
        }
    }

    #[test]
    fn nothing_comes_out_early() {
        let mut line = Line::new(Way::of_delay(1000), 1);
        line.take(0, &[7; 40]);
        assert_eq!(line.deliver(999, |_| panic!("early")), None);
        assert_eq!(line.deliver(1250, |_| {}), Some(250), "late by so much");
    }

    #[test]
    fn jitter_keeps_the_order_and_its_bounds() {
        let way = Way {
            jitter_ns: 500,
            ..Way::of_delay(1000)
        };
        let mut line = Line::new(way, 7);
        for index in 0..200_u8 {
            line.take(u64::from(index), &[index]);
        }
        let out = drain(&mut line, u64::MAX);
        let names: Vec<u8> = out.iter().map(|(_, name)| *name).collect();
        assert_eq!(names, (0..200).collect::<Vec<u8>>(), "in their order");
        let mut dues = out.iter().map(|(due, _)| *due);
        assert!(
            dues.all(|due| (1000..1700).contains(&due)),
            "within the jitter"
        );
        assert!(
            out.iter().any(|(due, name)| due - u64::from(*name) > 1000),
            "some are late"
        );
    }

    #[test]
    fn what_is_not_carried_is_counted() {
        let lossy = Way {
            loss_ppm: 250_000,
            ..Way::of_delay(1)
        };
        let mut line = Line::new(lossy, 3);
        (0..10_000).for_each(|_| line.take(0, &[0]));
        let Counts { taken, lost, .. } = line.counts();
        assert_eq!(taken + lost, 10_000);
        assert!((2300..2700).contains(&lost), "a quarter: {lost}");

        let mut full = Line::new(Way::of_delay(1), 1);
        (0..PACKETS_MAX + 5).for_each(|_| full.take(0, &[0]));
        assert_eq!(full.counts().overflowed, 5);

        let slow = Way {
            bits_per_s: Some(8),
            ..Way::of_delay(0)
        };
        let mut queue = Line::new(slow, 1);
        let packets = WAITING_BYTES_MAX / 1024 + 3;
        (0..packets).for_each(|_| queue.take(0, &[0; 1024]));
        assert_eq!(
            queue.counts().overflowed,
            2,
            "the last to fit finds the queue exactly full"
        );
    }
}
