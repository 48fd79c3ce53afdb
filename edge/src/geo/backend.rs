//! Servers and functions as queues.
//!
//! What it is: when a request that comes now will be done, or that it is refused. Servers: some at
//! a time, the others wait in line. Functions: an idle instance takes it; else a new one starts,
//! cold, if the scale allows one more; else it is refused. Shape: [`Queue`] and [`Fleet`] are given
//! the time and the service time and keep no clock. Units: nanoseconds. Ranges: as in the scenario.
//! Errors: none; a refusal is an answer. Source: first come, first served; AWS Lambda developer
//! guide, "function scaling".

use std::{cmp::Reverse, collections::BinaryHeap, collections::VecDeque};

use super::{
    random::{log_normal_of, ns_of_ms, ns_of_s},
    scenario::{Backend, Functions, Servers},
};
use crate::base::prng::Prng;

/// A backend at work.
pub(super) struct Works {
    model: Model,
    median_ms: f64,
    p90_ms: f64,
    prng: Prng,
    pub(super) counts: Counts,
}

/// What it has done.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) refused: u64,
    pub(super) cold_starts: u64,
    /// The most at once.
    pub(super) busiest: u64,
    /// Time that functions ran, cold starts included, times their memory.
    pub(super) mib_ns: u128,
}

enum Model {
    Queue(Queue),
    Fleet(Fleet, u32),
}

impl Works {
    pub(super) fn new(backend: &Backend, seed: u64) -> Works {
        let model = match (&backend.servers, &backend.functions) {
            (Some(servers), _) => Model::Queue(Queue::new(*servers)),
            (None, Some(functions)) => Model::Fleet(Fleet::new(functions), functions.memory_mib),
            (None, None) => unreachable!("a backend was judged to be one of the two"),
        };
        Works {
            model,
            median_ms: backend.service_ms,
            p90_ms: backend.service_p90_ms.unwrap_or(backend.service_ms),
            prng: Prng::new(seed),
            counts: Counts::default(),
        }
    }

    /// When a request that comes at `now_ns` is done; none: refused.
    pub(super) fn take(&mut self, now_ns: u64) -> Option<u64> {
        let (one, two) = (self.prng.next_u64(), self.prng.next_u64());
        let service_ns = ns_of_ms(log_normal_of(one, two, self.median_ms, self.p90_ms));
        self.counts.requests += 1;
        let (done, busy) = match &mut self.model {
            Model::Queue(queue) => (queue.take(now_ns, service_ns), queue.busy()),
            Model::Fleet(fleet, memory_mib) => {
                let done = fleet.take(now_ns, service_ns);
                if let Some((done_ns, is_cold)) = done {
                    let ran_ns = done_ns - now_ns;
                    self.counts.cold_starts += u64::from(is_cold);
                    self.counts.mib_ns += u128::from(ran_ns) * u128::from(*memory_mib);
                }
                (done.map(|(done_ns, _)| done_ns), fleet.busy())
            }
        };
        self.counts.refused += u64::from(done.is_none());
        self.counts.busiest = self.counts.busiest.max(busy as u64);
        done
    }
}

/// Servers behind one line.
pub(super) struct Queue {
    /// When each busy server, and each in line, is done.
    done_ns: BinaryHeap<Reverse<u64>>,
    /// When the servers are free, the earliest first.
    free_ns: BinaryHeap<Reverse<u64>>,
    places: usize,
}

impl Queue {
    pub(super) fn new(servers: Servers) -> Queue {
        Queue {
            done_ns: BinaryHeap::new(),
            free_ns: (0..servers.count).map(|_| Reverse(0)).collect(),
            places: servers.count as usize + servers.queue_max as usize,
        }
    }

    /// When it is done; none when the line is full.
    pub(super) fn take(&mut self, now_ns: u64, service_ns: u64) -> Option<u64> {
        while let Some(Reverse(done_ns)) = self.done_ns.peek()
            && *done_ns <= now_ns
        {
            self.done_ns.pop();
        }
        if self.done_ns.len() >= self.places {
            return None;
        }
        let Reverse(free_ns) = self.free_ns.pop()?;
        let done_ns = free_ns.max(now_ns) + service_ns;
        self.free_ns.push(Reverse(done_ns));
        self.done_ns.push(Reverse(done_ns));
        Some(done_ns)
    }

    fn busy(&self) -> usize {
        self.done_ns.len()
    }
}

/// Instances that come when they are needed.
pub(super) struct Fleet {
    functions: Functions,
    /// Busy ones, the first to be done first.
    busy_ns: BinaryHeap<Reverse<u64>>,
    /// Idle ones by the moment they became idle, the latest last.
    idle_ns: VecDeque<u64>,
    /// What may run at once, and since when.
    allowed: u32,
    since_ns: u64,
}

impl Fleet {
    pub(super) fn new(functions: &Functions) -> Fleet {
        Fleet {
            functions: *functions,
            busy_ns: BinaryHeap::new(),
            idle_ns: VecDeque::new(),
            allowed: functions.burst.min(functions.instances_max),
            since_ns: 0,
        }
    }

    /// When it is done, and whether it waited for a start; none when no instance is to be had.
    pub(super) fn take(&mut self, now_ns: u64, service_ns: u64) -> Option<(u64, bool)> {
        self.settle(now_ns);
        if self.idle_ns.pop_back().is_some() {
            let done_ns = now_ns + service_ns;
            self.busy_ns.push(Reverse(done_ns));
            return Some((done_ns, false));
        }
        if self.busy_ns.len() >= self.allowed as usize {
            return None;
        }
        let done_ns = now_ns + ns_of_ms(self.functions.cold_start_ms) + service_ns;
        self.busy_ns.push(Reverse(done_ns));
        Some((done_ns, true))
    }

    /// What has changed until now.
    fn settle(&mut self, now_ns: u64) {
        while let Some(Reverse(done_ns)) = self.busy_ns.peek().copied()
            && done_ns <= now_ns
        {
            self.busy_ns.pop();
            self.idle_ns.push_back(done_ns);
        }
        let keep_ns = ns_of_s(self.functions.keep_s);
        while let Some(idle_ns) = self.idle_ns.front()
            && now_ns - idle_ns > keep_ns
        {
            self.idle_ns.pop_front();
        }
        // The scale grows while it is used up, and begins anew when it is not needed.
        let used = self.busy_ns.len() + self.idle_ns.len();
        let burst = self.functions.burst.min(self.functions.instances_max);
        if used < burst as usize {
            (self.allowed, self.since_ns) = (burst, now_ns);
            return;
        }
        let step_ns = ns_of_s(self.functions.step_s).max(1);
        let steps = (now_ns - self.since_ns) / step_ns;
        self.since_ns += steps * step_ns;
        let more = u32::try_from(steps)
            .unwrap_or(u32::MAX)
            .saturating_mul(self.functions.step);
        let most = self.functions.instances_max;
        self.allowed = self.allowed.saturating_add(more).min(most);
    }

    fn busy(&self) -> usize {
        self.busy_ns.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn servers_serve_in_order_and_refuse_beyond_their_line() {
        let mut queue = Queue::new(Servers {
            count: 2,
            queue_max: 1,
        });
        // comes, takes, is done (milliseconds; 0: refused)
        let rows = [
            (0, 10, 10),
            (0, 20, 20),
            (1, 5, 15),
            (2, 5, 0),
            (12, 5, 20),
            (40, 1, 41),
        ];
        for (comes, takes, done) in rows {
            let found = queue.take(comes * MS, takes * MS).map_or(0, |ns| ns / MS);
            assert_eq!(found, done, "comes at {comes}");
        }
    }

    #[test]
    fn functions_start_cold_and_scale_by_steps() {
        let mut fleet = Fleet::new(&Functions {
            burst: 2,
            step: 1,
            step_s: 1.0,
            instances_max: 4,
            cold_start_ms: 100.0,
            keep_s: 10.0,
            memory_mib: 128,
        });
        // comes (ms), takes, done and whether it was cold
        let rows = [
            (0, 5_000, Some((5_100, true))),
            (10, 50, Some((160, true))),
            (20, 50, None),                     // two are busy
            (200, 5_000, Some((5_200, false))), // the second one, warm
            (300, 5_000, None),
            (1_100, 5_000, Some((6_200, true))), // a second later one more
            (1_200, 5_000, None),
            (2_100, 9_000, Some((11_200, true))),
            (9_000, 1, Some((9_001, false))),
            (40_000, 1, Some((40_101, true))), // all were gone
        ];
        for (comes, takes, expected) in rows {
            let found = fleet.take(comes * MS, takes * MS);
            let found = found.map(|(done_ns, is_cold)| (done_ns / MS, is_cold));
            assert_eq!(found, expected, "comes at {comes}");
        }
    }

    #[test]
    fn a_queue_of_one_server_waits_as_theory_says() {
        // Poisson arrivals, exponential service, load 0.8: the time in the system is 1 / (1 -
        // load).
        let mut queue = Queue::new(Servers {
            count: 1,
            queue_max: u32::MAX / 2,
        });
        let mut prng = Prng::new(5);
        let (mut now, mut sum) = (0.0, 0.0);
        let count = 400_000;
        for _ in 0..count {
            now += super::super::random::exponential(&mut prng, 1e6 / 0.8);
            let service = super::super::random::exponential(&mut prng, 1e6);
            let whole = super::super::random::whole;
            let done = queue.take(whole(now), whole(service)).expect("a long line");
            sum += done as f64 - now;
        }
        let mean = sum / f64::from(count) / 1e6;
        assert!((mean - 5.0).abs() < 0.4, "{mean}");
    }
}
