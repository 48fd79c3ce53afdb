//! What a run is: everything decided before the first byte leaves.
//!
//! Shape: a [`Plan`] is immutable and shared by all workers. Units: nanoseconds, counts; rates per
//! second. Ranges: as the fields say; the command line holds them. Errors: none here.
//! Source: docs/load-testing.md.

use std::{net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};
use tidegate_edge::base::prng::Prng;

use crate::{check::Expect, schedule::Schedule, template::Request};

/// Where the load goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// As it was written.
    pub url: String,
    /// The address.
    pub address: SocketAddr,
    /// The authority, for the Host header.
    pub host: String,
    /// Path and query, with holes.
    pub path: String,
    /// TLS, and the name to ask for.
    pub tls: Option<Tls>,
}

/// How connections are encrypted.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Of rustls; with or without a memory of sessions.
    pub config: Arc<ClientConfig>,
    /// Whom the certificate must name.
    pub name: ServerName<'static>,
}

/// One kind of request.
#[derive(Clone, Debug)]
pub struct Shape {
    /// In results.
    pub name: String,
    /// What is sent.
    pub request: Arc<Request>,
    /// What must come back.
    pub expect: Expect,
}

/// Which request comes next.
#[derive(Clone, Debug)]
pub enum Mix {
    /// By weight: the running sums, one for each shape.
    Weighted(Vec<u64>),
    /// In this order, again from the beginning behind the last.
    InOrder(Vec<u32>),
}

impl Mix {
    /// The shape of request `number`.
    pub fn pick(&self, number: u64, prng: &mut Prng) -> usize {
        match self {
            Mix::Weighted(sums) if sums.len() == 1 => 0,
            Mix::Weighted(sums) => {
                let point = prng.below(sums.last().copied().unwrap_or(1));
                sums.partition_point(|sum| *sum <= point)
            }
            Mix::InOrder(order) => {
                let turn = number % order.len().max(1) as u64;
                usize::try_from(turn)
                    .ok()
                    .and_then(|turn| order.get(turn))
                    .map_or(0, |shape| *shape as usize)
            }
        }
    }
}

/// What decides when a request starts.
#[derive(Clone, PartialEq, Debug)]
pub enum Load {
    /// The schedule.
    Open(Schedule),
    /// The answer before it: what a stalling server does not answer is not asked either.
    Closed {
        /// How long.
        duration_ns: u64,
        /// Mean time between an answer and the next request; exponentially spread.
        think_ns: u64,
    },
}

impl Load {
    /// When it is over.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        match self {
            Load::Open(schedule) => schedule.duration_ns(),
            Load::Closed { duration_ns, .. } => *duration_ns,
        }
    }
}

/// Everything about a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In results.
    pub label: String,
    /// Where it goes.
    pub target: Target,
    /// The kinds of requests.
    pub shapes: Vec<Shape>,
    /// Which comes next.
    pub mix: Mix,
    /// When requests start.
    pub load: Load,
    /// Starts at most, over all workers.
    pub requests_max: u64,
    /// Connections, over all workers.
    pub connections: usize,
    /// Requests on a connection at a time.
    pub pipelining: usize,
    /// Every request has a connection of its own.
    pub fresh: bool,
    /// New connections a second at the beginning; 0: at once.
    pub connects_per_s: f64,
    /// For a connection, and for an answer.
    pub timeout_ns: u64,
    /// A start handled later than this counts as late.
    pub late_ns: u64,
    /// Starts that may wait for a connection, for each worker.
    pub waiting_max: usize,
    /// Processors, one worker each; with none, one worker wherever the kernel puts it.
    pub cpus: Vec<usize>,
    /// API keys, taken in turn.
    pub keys: Vec<String>,
    /// Makes draws repeat.
    pub seed: u64,
    /// Names the run in request ids.
    pub run: u32,
    /// How often the workers hand over what they saw.
    pub interval_ns: u64,
    /// So long before a start a worker no longer sleeps.
    pub spin_ns: u64,
    /// A process whose processor time is read along.
    pub server_pid: Option<u32>,
}

impl Plan {
    /// Workers.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.cpus.len().max(1)
    }

    /// Connections of worker `index`.
    #[must_use]
    pub fn connections_of(&self, index: usize) -> usize {
        let workers = self.workers();
        (self.connections + workers - 1 - index) / workers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shares() {
        let mix = Mix::Weighted(vec![1, 4, 10]);
        let mut prng = Prng::new(1);
        let mut seen = [0u32; 3];
        for number in 0..100_000 {
            seen[mix.pick(number, &mut prng)] += 1;
        }
        for (count, share) in seen.into_iter().zip([0.1, 0.3, 0.6]) {
            assert!((f64::from(count) / 1e5 - share).abs() < 0.01, "{seen:?}");
        }
        let order = Mix::InOrder(vec![2, 0]);
        let picked: Vec<usize> = (0..4).map(|n| order.pick(n, &mut prng)).collect();
        assert_eq!(picked, [2, 0, 2, 0]);
    }
}
