//! What: the delay line at work: a thread that moves packets between pairs of devices.
//! Shape: a [`Joint`] for each pair, with a [`Line`] each way. A turn delivers what is due, takes
//!   what has come, and sleeps until the next packet is due or one comes.
//! Units: nanoseconds since the thread started.
//! Errors: `io::Error` when a device or the clock fails; packets that the kernel does not take are
//!   counted, as a router would drop them.
//! Source: ppoll(2), prctl(2) PR_SET_TIMERSLACK.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::line::{Counts, Line, Way};
use super::tun::{MTU, Tun};

/// A pair of devices, and both ways between them.
pub(crate) struct Joint {
    ends: [Tun; 2],
    /// From the first end to the second, and back.
    lines: [Line; 2],
}

impl Joint {
    /// Joins two devices; the same `way` there and back.
    pub(crate) fn new(ends: [Tun; 2], way: Way, seed: u64) -> Joint {
        let lines = [Line::new(way, seed), Line::new(way, seed.wrapping_add(1))];
        Joint { ends, lines }
    }

    /// Delivers what is due; `late` learns by how much each packet was late.
    fn deliver(&mut self, now_ns: u64, refused: &mut u64, late: &mut Histogram<u64>) {
        let [first, second] = &mut self.ends;
        for (line, end) in self.lines.iter_mut().zip([second, first]) {
            while let Some(late_ns) = line.deliver(now_ns, |packet| {
                *refused += u64::from(!end.send(packet));
            }) {
                late.saturating_record(late_ns);
            }
        }
    }

    /// Takes what has come, up to a budget that leaves the others their turn.
    fn take(&mut self, clock: &Clock, packet: &mut [u8]) -> io::Result<()> {
        for (end, line) in self.ends.iter_mut().zip(&mut self.lines) {
            for _ in 0..PACKETS_PER_TURN {
                let Some(len) = end.receive(packet)? else {
                    break;
                };
                line.take(clock.now_ns(), &packet[..len]);
            }
        }
        Ok(())
    }

    fn due_ns(&self) -> Option<u64> {
        self.lines.iter().filter_map(Line::due_ns).min()
    }
}

/// What the delay line has done.
pub(crate) struct Summary {
    /// By joint, there and back.
    pub(crate) counts: Vec<[Counts; 2]>,
    /// Packets that the kernel did not take.
    pub(crate) refused: u64,
    /// By how many nanoseconds packets came out late.
    pub(crate) late: Histogram<u64>,
}

/// The thread; it ends when this is dropped, and by itself when its time is over.
pub(crate) struct Pump {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<Summary>>>,
}

impl Pump {
    /// Begins to move packets, for at most `bound`.
    pub(crate) fn start(mut joints: Vec<Joint>, bound: Duration) -> io::Result<Pump> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("delay line".to_owned())
            .spawn(move || move_packets(&mut joints, &stopped, bound))?;
        Ok(Pump {
            stop,
            thread: Some(thread),
        })
    }

    /// Whether packets are still moved.
    pub(crate) fn is_running(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Ends it, and says what it has done.
    pub(crate) fn finish(mut self) -> io::Result<Summary> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is taken once");
        thread.join().expect("the delay line does not panic")
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Clock(Instant);

impl Clock {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn move_packets(joints: &mut [Joint], stop: &AtomicBool, bound: Duration) -> io::Result<Summary> {
    be_woken_exactly();
    let clock = Clock(Instant::now());
    let bound_ns = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    let mut late = Histogram::new_with_bounds(1, LATE_NS_MAX, 2).map_err(io::Error::other)?;
    let mut refused = 0;
    let mut packet = vec![0; usize::try_from(MTU).expect("positive")];
    let mut polled: Vec<libc::pollfd> = Vec::new();
    for end in joints.iter().flat_map(|joint| &joint.ends) {
        polled.push(libc::pollfd {
            fd: end.descriptor(),
            events: libc::POLLIN,
            revents: 0,
        });
    }
    while !stop.load(Ordering::Relaxed) && clock.now_ns() < bound_ns {
        for joint in joints.iter_mut() {
            joint.deliver(clock.now_ns(), &mut refused, &mut late);
            joint.take(&clock, &mut packet)?;
        }
        let now_ns = clock.now_ns();
        let due_ns = joints.iter().filter_map(Joint::due_ns).min();
        let sleep_ns = due_ns.map_or(LOOK_NS, |due| due.saturating_sub(now_ns).min(LOOK_NS));
        if sleep_ns > 0 {
            sleep(&mut polled, sleep_ns)?;
        }
    }
    let counts = joints.iter().map(|joint| {
        let [there, back] = &joint.lines;
        [there.counts(), back.counts()]
    });
    Ok(Summary {
        counts: counts.collect(),
        refused,
        late,
    })
}

/// The kernel may wake an ordinary thread 50 µs late, to save power; this one not.
fn be_woken_exactly() {
    const SLACK_NS: libc::c_ulong = 1;
    // SAFETY: this order takes a number and changes the calling thread alone.
    let result = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK_NS) };
    assert_eq!(result, 0, "every kernel has it");
}

/// Until a packet comes, or so long.
fn sleep(polled: &mut [libc::pollfd], ns: u64) -> io::Result<()> {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: libc::c_long::try_from(ns).expect("less than a second"),
    };
    let count = libc::nfds_t::try_from(polled.len()).expect("a few");
    // SAFETY: the array and its length belong together, and both outlive the call, as does `time`.
    let result = unsafe {
        libc::ppoll(
            polled.as_mut_ptr(),
            count,
            &raw const time,
            std::ptr::null(),
        )
    };
    let error = io::Error::last_os_error();
    if result < 0 && error.kind() != io::ErrorKind::Interrupted {
        return Err(error);
    }
    Ok(())
}

/// Of one device, before the others are looked at.
const PACKETS_PER_TURN: usize = 64;
/// How often the thread looks whether it is to end.
const LOOK_NS: u64 = 50_000_000;
const LATE_NS_MAX: u64 = 10_000_000_000;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::time::{Duration, Instant};

    use super::super::line::Way;
    use super::super::tun::Tun;
    use super::{Joint, Pump};

    const WAIT: Duration = Duration::from_secs(10);

    #[test]
    fn packets_come_out_at_the_other_end_and_never_early() {
        let (left, end) = UnixDatagram::pair().expect("a pair");
        let (right, other) = UnixDatagram::pair().expect("a pair");
        for socket in [&left, &right] {
            socket.set_read_timeout(Some(WAIT)).expect("a timeout");
        }
        let delay = Duration::from_millis(5);
        let ends = [end, other].map(|socket| {
            socket.set_nonblocking(true).expect("a mode");
            Tun::over(socket.into())
        });
        let joint = Joint::new(ends, Way::of_delay(5_000_000), 1);
        let pump = Pump::start(vec![joint], WAIT).expect("a thread");
        for (from, to, text) in [(&left, &right, &b"there"[..]), (&right, &left, b"back")] {
            let sent = Instant::now();
            from.send(text).expect("sent");
            let mut buffer = [0; 16];
            let len = to.recv(&mut buffer).expect("received");
            assert!(sent.elapsed() >= delay, "early");
            assert_eq!(&buffer[..len], text);
        }
        let summary = pump.finish().expect("a summary");
        let delivered = |index: usize| summary.counts[0][index].delivered;
        assert_eq!((delivered(0), delivered(1)), (1, 1));
        assert_eq!((summary.refused, summary.late.len()), (0, 2));
    }

    #[test]
    fn it_ends_by_itself() {
        let pump = Pump::start(Vec::new(), Duration::ZERO).expect("a thread");
        let started = Instant::now();
        while pump.is_running() {
            assert!(started.elapsed() < WAIT, "it still runs");
            std::thread::yield_now();
        }
    }
}
