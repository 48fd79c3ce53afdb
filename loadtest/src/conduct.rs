//! The course of a run on one worker: connect, wait for the common start, run, wait for answers.
//!
//! What it is: the conductor's task, the one that follows the schedule, the one that hands
//! intervals over and the one that gives up requests without an answer. Shape: methods of
//! [`Worker`] that await, and [`run`], the body of its thread. Units: nanoseconds of the monotonic
//! clock, which all workers share. Errors: [`Report::Failed`] when the host refuses a ring.
//! Source: docs/load-testing.md.

use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering, mpsc},
    task::Poll,
};

use tidegate_edge::{
    base::time::Mono,
    exec::Core,
    ring::{
        Ring,
        kernel::{Kernel, KernelOptions},
    },
};

use crate::{
    host::ThreadTimes,
    plan::{Load, Plan},
    recorder::Cause,
    worker::{Job, Report, Signals, Worker},
};

/// Starts handled in one poll before answers are looked at again.
const STARTS_PER_POLL: u32 = 256;
/// Starts between two looks at the clock.
const STARTS_PER_LOOK: u32 = 8;
/// How often waiting requests are looked at.
const SWEEP_MS: u64 = 20;
/// How often the common start is looked for.
const LOOK_MS: u64 = 1;

/// The body of a worker's thread.
pub(crate) fn run(
    plan: &Arc<Plan>,
    index: usize,
    signals: &Arc<Signals>,
    reports: &mpsc::Sender<Report>,
) {
    if let Some(cpu) = plan.cpus.get(index)
        && !core_affinity::set_for_current(core_affinity::CoreId { id: *cpu })
    {
        let _ = reports.send(Report::Failed(format!("cannot run on processor {cpu}")));
        return;
    }
    let kernel = match Kernel::new(&KernelOptions::default()) {
        Ok(kernel) => kernel,
        Err(error) => {
            let _ = reports.send(Report::Failed(format!("no io_uring: {error}")));
            return;
        }
    };
    let links = u32::try_from(plan.connections_of(index)).unwrap_or(u32::MAX);
    let slots = links.saturating_mul(4).saturating_add(1024);
    let core = Core::new(Ring::Kernel(kernel), slots);
    let worker = Worker::new(&core, plan, index, signals, reports.clone());
    for index in 0..worker.links.len() {
        core.spawn(Rc::clone(&worker).serve(index));
    }
    core.spawn(Rc::clone(&worker).conduct());
    while !worker.over.get() {
        worker.turn();
    }
    worker.hand_over();
    for link in &worker.links {
        link.borrow_mut().conn = None; // the core waits for every socket
    }
    core.shutdown();
    let _ = reports.send(Report::Done {
        end_ns: worker.ended_at.get().0,
    });
}

impl Worker {
    /// One turn of the loop; shortly before a start it does not sleep, and what it found nothing to
    /// do in is not counted as its cost.
    fn turn(&self) {
        let spin_ns = self.plan.spin_ns;
        if spin_ns == 0 || self.next_due.get().since_ns(self.core.now()) > spin_ns {
            self.core.turn(true);
            return;
        }
        let before = self.core.clock();
        let turn = self.core.turn(false);
        if turn.ran == 0 && turn.landed == 0 {
            let spun_ns = self.core.clock().since_ns(before);
            self.spun_ns.set(self.spun_ns.get() + spun_ns);
        }
    }

    async fn conduct(self: Rc<Self>) {
        self.wait_for_links().await;
        let ready = Report::Ready {
            opened: self.opened.get(),
            refused: self.refused.get(),
            now_ns: self.core.clock().0,
            unix_ms: self.core.wall().0,
        };
        let _ = self.reports.send(ready);
        let Some(start) = self.wait_for_start().await else {
            self.over.set(true);
            return;
        };
        self.forget_what_came_before();
        self.times.set(ThreadTimes::read());
        self.core.spawn(Rc::clone(&self).report(start));
        self.core.spawn(Rc::clone(&self).sweep());
        match &self.plan.load {
            Load::Open(_) => self.pace(start).await,
            Load::Closed { duration_ns, .. } => self.loop_closed(start.plus_ns(*duration_ns)).await,
        }
        self.next_due.set(Mono::FAR);
        self.scheduling.set(false);
        self.ended_at.set(self.core.now().max(self.ended_at.get()));
        self.wait_for_answers().await;
        self.over.set(true);
    }

    /// Of the time before the start only the connections count.
    fn forget_what_came_before(&self) {
        let recorder = &mut self.state.borrow_mut().recorder;
        let before = recorder.take().counts;
        let counts = recorder.counts();
        counts.connects = before.connects;
        counts.resumed = before.resumed;
        counts.connects_failed = before.connects_failed;
    }

    async fn wait_for_links(&self) {
        let wanted = if self.plan.fresh { 0 } else { self.links.len() };
        while self.tried.get() < wanted && !self.signals.stop.load(Ordering::Relaxed) {
            self.core
                .sleep_until(self.core.now().plus_ms(LOOK_MS))
                .await;
        }
    }

    async fn wait_for_start(&self) -> Option<Mono> {
        loop {
            let start_ns = self.signals.start_ns.load(Ordering::Acquire);
            if start_ns > 0 {
                let start = Mono(start_ns);
                self.core.sleep_until(start).await;
                return Some(start);
            }
            if self.signals.stop.load(Ordering::Relaxed) {
                return None;
            }
            self.core
                .sleep_until(self.core.now().plus_ms(LOOK_MS))
                .await;
        }
    }

    /// Follows the schedule, whatever the server does.
    async fn pace(&self, start: Mono) {
        let Load::Open(schedule) = &self.plan.load else {
            return;
        };
        let mut ticks = schedule.ticks(
            self.index as u64,
            self.plan.workers() as u64,
            self.plan.seed,
        );
        let mut next = ticks.next();
        std::future::poll_fn(|_| {
            let mut now = self.core.clock();
            let mut handled = 0;
            while let Some(tick) = next {
                if tick.number >= self.plan.requests_max
                    || self.signals.stop.load(Ordering::Relaxed)
                {
                    break;
                }
                let at = start.plus_ns(tick.at_ns);
                if at > now {
                    self.next_due.set(at);
                    let awake = Mono(at.0.saturating_sub(self.plan.spin_ns));
                    self.core.wake_at(if awake > now { awake } else { at });
                    return Poll::Pending;
                }
                self.arrive(
                    Job {
                        scheduled: at,
                        number: tick.number,
                    },
                    now,
                );
                next = ticks.next();
                handled += 1;
                if handled == STARTS_PER_POLL {
                    self.core.wake(self.core.current());
                    return Poll::Pending;
                }
                if handled % STARTS_PER_LOOK == 0 {
                    now = self.core.clock();
                }
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Lets every connection ask until the end; the answers make the next requests.
    async fn loop_closed(&self, until: Mono) {
        self.until.set(Some(until));
        for (index, link) in self.links.iter().enumerate() {
            let mut state = self.state.borrow_mut();
            let mut link = link.borrow_mut();
            self.refill(&mut state, &mut link, index);
            if let (Some(task), Some(_)) = (link.task, link.resume_at) {
                self.core.wake(task); // it sets its own alarm
            }
        }
        while self.core.now() < until && self.scheduling.get() {
            if self.signals.stop.load(Ordering::Relaxed) {
                break;
            }
            let look = self.core.now().plus_ms(SWEEP_MS).min(until);
            self.core.sleep_until(look).await;
        }
        self.until.set(Some(self.core.now()));
    }

    /// What was asked may still be answered; then the rest has failed.
    async fn wait_for_answers(&self) {
        let deadline = self
            .core
            .now()
            .plus_ns(self.plan.timeout_ns)
            .plus_ms(2 * SWEEP_MS);
        let mut stopped_at = None;
        while self.core.now() < deadline {
            let is_quiet = {
                let state = self.state.borrow();
                state.in_flight == 0 && state.backlog.is_empty()
            };
            if is_quiet {
                break;
            }
            if self.signals.stop.load(Ordering::Relaxed) {
                let now = self.core.now();
                let since = *stopped_at.get_or_insert(now);
                if now.since_ms(since) > STOP_MS {
                    break;
                }
            }
            self.core
                .sleep_until(self.core.now().plus_ms(LOOK_MS))
                .await;
        }
        for link in &self.links {
            self.fail_all(&mut link.borrow_mut(), Cause::Timeout);
        }
        let mut state = self.state.borrow_mut();
        let left = state.backlog.len() as u64;
        state.backlog.clear();
        state.recorder.counts().dropped += left;
    }

    /// Gives up requests that have waited too long for their answer.
    async fn sweep(self: Rc<Self>) {
        loop {
            self.core
                .sleep_until(self.core.now().plus_ms(SWEEP_MS))
                .await;
            let then = Mono(self.core.now().0.saturating_sub(self.plan.timeout_ns));
            for link in &self.links {
                let mut link = link.borrow_mut();
                if link.waits_since_before(then) && link.doomed.is_none() {
                    link.doomed = Some(Cause::Timeout);
                    if let Some(task) = link.task {
                        self.core.wake(task);
                    }
                }
            }
        }
    }

    /// Hands over what was seen, interval by interval.
    async fn report(self: Rc<Self>, start: Mono) {
        loop {
            let end = start.plus_ns((self.interval.get() + 1) * self.plan.interval_ns);
            self.core.sleep_until(end).await;
            self.hand_over();
        }
    }

    fn hand_over(&self) {
        let now = ThreadTimes::read();
        let before = self.times.replace(now);
        let index = self.interval.get();
        self.interval.set(index + 1);
        let mut interval = self.state.borrow_mut().recorder.take();
        let ran_ns = now.run_ns.saturating_sub(before.run_ns);
        interval.cpu_ns = ran_ns.saturating_sub(self.spun_ns.take());
        interval.cpu_waited_ns = now.waited_ns.saturating_sub(before.waited_ns);
        interval.counts.starved = self.core.starved_count().saturating_sub(self.starved.get());
        self.starved.set(self.core.starved_count());
        let _ = self.reports.send(Report::Interval {
            index,
            interval: Box::new(interval),
        });
    }
}

/// How long answers are waited for once somebody asked to stop.
const STOP_MS: u64 = 300;
