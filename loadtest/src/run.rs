//! A run: workers are started, what they saw is gathered, an [`Outcome`] comes back.
//!
//! What it is: threads, the common start, and the merging of their intervals in order. Shape: one
//! call; an observer sees every interval that all workers have handed over. Units: nanoseconds.
//! Errors: [`Fault`]; requests that fail are figures of the outcome. Source: docs/load-testing.md.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::{
    conduct,
    host::ThreadTimes,
    plan::Plan,
    recorder::{CAUSES, Cause, Interval},
    worker::{Report, Signals},
};

/// What all workers saw in one interval.
#[derive(Clone, Debug)]
pub struct Slice {
    /// From the start.
    pub start_ns: u64,
    /// What was seen.
    pub interval: Interval,
    /// Processor time of the server, where one was named.
    pub server_cpu_ns: Option<u64>,
}

/// What a run has shown.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Interval by interval.
    pub slices: Vec<Slice>,
    /// All of them.
    pub total: Interval,
    /// From the start to the end of the last worker.
    pub elapsed_ns: u64,
    /// When it began.
    pub started_unix_ms: u64,
    /// Somebody asked to stop before the end.
    pub stopped: bool,
}

/// Why there was no run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// No connection could be made.
    #[error("no connection to {0}: {1}")]
    Unreachable(String, String),
    /// The host refused a ring or a processor.
    #[error("{0}")]
    Host(String),
}

/// Sees a run while it goes on.
pub trait Observer {
    /// An interval is complete.
    fn slice(&mut self, slice: &Slice, total: &Interval);
}

impl Observer for () {
    fn slice(&mut self, _slice: &Slice, _total: &Interval) {}
}

/// Runs `plan` to its end, or until `stop` is set.
///
/// # Errors
/// Nobody could be reached, or the host refuses io_uring.
pub fn run(
    plan: &Arc<Plan>,
    stop: &Arc<AtomicBool>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Fault> {
    let signals = Arc::new(Signals::default());
    let (sender, reports) = mpsc::channel();
    let workers: Vec<_> = (0..plan.workers())
        .map(|index| {
            let (plan, signals, sender) = (Arc::clone(plan), Arc::clone(&signals), sender.clone());
            let thread = thread::Builder::new().name(format!("load-{index}"));
            thread.spawn(move || conduct::run(&plan, index, &signals, &sender))
        })
        .collect();
    drop(sender);
    let mut gathering = Gathering {
        plan,
        signals: &signals,
        reports: &reports,
        stop,
        open: BTreeMap::new(),
        slices: Vec::new(),
        total: Interval::default(),
        server: None,
        end_ns: 0,
        started_unix_ms: 0,
    };
    let result = gathering.gather(observer);
    signals.stop.store(true, Ordering::Relaxed);
    for worker in workers {
        let worker = worker.map_err(|error| Fault::Host(error.to_string()))?;
        if worker.join().is_err() {
            return Err(Fault::Host("a worker panicked".to_owned()));
        }
    }
    result
}

struct Gathering<'a> {
    plan: &'a Plan,
    signals: &'a Signals,
    reports: &'a mpsc::Receiver<Report>,
    stop: &'a AtomicBool,
    /// Intervals that some workers have handed over, and how many.
    open: BTreeMap<u64, (Interval, usize)>,
    slices: Vec<Slice>,
    total: Interval,
    server: Option<ThreadTimes>,
    end_ns: u64,
    started_unix_ms: u64,
}

impl Gathering<'_> {
    fn gather(&mut self, observer: &mut dyn Observer) -> Result<Outcome, Fault> {
        let ready_ns = self.wait_until_ready()?;
        self.server = self.server_times();
        let start_ns = ready_ns + START_AFTER_NS;
        self.signals.start_ns.store(start_ns, Ordering::Release);
        let mut running = self.plan.workers();
        while running > 0 {
            match self.next()? {
                Report::Interval { index, interval } => self.merge(index, &interval, observer),
                Report::Done { end_ns } => {
                    running -= 1;
                    self.end_ns = self.end_ns.max(end_ns);
                }
                Report::Failed(why) => return Err(Fault::Host(why)),
                Report::Ready { .. } => {}
            }
        }
        // The last intervals of workers that ended earlier have fewer parts.
        let rest = std::mem::take(&mut self.open);
        for (index, (interval, _)) in rest {
            self.close(index, interval, observer);
        }
        Ok(Outcome {
            slices: std::mem::take(&mut self.slices),
            total: self.total.clone(),
            elapsed_ns: self.end_ns.saturating_sub(start_ns),
            started_unix_ms: self.started_unix_ms,
            stopped: self.stop.load(Ordering::Relaxed),
        })
    }

    /// When the last worker was ready.
    fn wait_until_ready(&mut self) -> Result<u64, Fault> {
        let (mut opened, mut refused, mut ready_ns) = (0, None, 0);
        let mut waiting = self.plan.workers();
        while waiting > 0 {
            match self.next()? {
                Report::Ready {
                    opened: count,
                    refused: cause,
                    now_ns,
                    unix_ms,
                } => {
                    self.started_unix_ms = unix_ms;
                    waiting -= 1;
                    ready_ns = ready_ns.max(now_ns);
                    opened += count;
                    refused = refused.or(cause);
                }
                Report::Failed(why) => return Err(Fault::Host(why)),
                Report::Interval { .. } | Report::Done { .. } => {}
            }
        }
        if opened == 0 && !self.plan.fresh && self.plan.connections > 0 {
            let why = refused.map_or("stopped", cause_text);
            let address = self.plan.target.address.to_string();
            return Err(Fault::Unreachable(address, why.to_owned()));
        }
        Ok(ready_ns)
    }

    fn next(&self) -> Result<Report, Fault> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                self.signals.stop.store(true, Ordering::Relaxed);
            }
            match self.reports.recv_timeout(LOOK) {
                Ok(report) => return Ok(report),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(Fault::Host("a worker panicked".to_owned()));
                }
            }
        }
    }

    fn merge(&mut self, index: u64, part: &Interval, observer: &mut dyn Observer) {
        let (sum, parts) = self.open.entry(index).or_default();
        sum.add(part);
        *parts += 1;
        if *parts == self.plan.workers()
            && let Some((interval, _)) = self.open.remove(&index)
        {
            self.close(index, interval, observer);
        }
    }

    fn close(&mut self, index: u64, interval: Interval, observer: &mut dyn Observer) {
        self.total.add(&interval);
        let server = self.server_times();
        let used =
            |(now, before): (ThreadTimes, ThreadTimes)| now.run_ns.saturating_sub(before.run_ns);
        let server_cpu_ns = server.zip(self.server).map(used);
        self.server = server;
        let slice = Slice {
            start_ns: index * self.plan.interval_ns,
            interval,
            server_cpu_ns,
        };
        observer.slice(&slice, &self.total);
        self.slices.push(slice);
    }

    fn server_times(&self) -> Option<ThreadTimes> {
        self.plan.server_pid.and_then(ThreadTimes::of_process)
    }
}

/// What a cause means, in a few words.
#[must_use]
pub fn cause_text(cause: Cause) -> &'static str {
    match cause {
        Cause::Connect => "nobody listens there, or the way is closed",
        Cause::Ports => "no local port is free",
        Cause::Files => "no file descriptor is free; raise the limit with ulimit -n",
        Cause::Tls => "the TLS handshake failed; see --ca, --server-name and --insecure",
        Cause::Closed => "closed before the answer",
        Cause::Reset => "reset before the answer",
        Cause::Timeout => "no answer in time",
        Cause::Malformed => "what came is no HTTP/1.1 answer",
        Cause::Status => "another status than expected",
        Cause::Body => "another body than expected",
        Cause::Foreign => "bytes of another request",
        Cause::Buffers => "we had no buffer for it",
    }
}

/// The name of a cause in results.
#[must_use]
pub fn cause_name(cause: Cause) -> &'static str {
    CAUSES[cause as usize].1
}

/// Time for every worker to see when the start is.
const START_AFTER_NS: u64 = 5_000_000;
const LOOK: Duration = Duration::from_millis(20);
