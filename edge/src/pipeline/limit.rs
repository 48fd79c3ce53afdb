//! The stage that asks whether a request may go on: keys, throttles, quotas.
//!
//! What it is: hands key and clock to the gate of the plan, keeps what the log and the answer say
//! about it. Shape: [`LimitUse`] is what one exchange knows of its limits. Units: seconds in
//! fields. Errors: [`Fault`]s of the client. Source: API Gateway developer guide, "throttling";
//! RFC 9110 section 10.2.3 (Retry-After); draft-ietf-httpapi-ratelimit-headers-10.

use std::io::Write;

use super::{
    exchange::{Exchange, Peer},
    fault::Fault,
    journal,
    local::{Local, Serving},
};
use crate::{
    limits::{Caller, Id, Level, Refusal, Tightest},
    telemetry::metrics::Metric,
    wire::known::Known,
};

/// What an exchange knows of its limits.
#[derive(Default)]
pub struct LimitUse {
    /// The id of its key, if that was asked for and valid.
    pub key: Option<Id>,
    /// When to come back, in seconds, after a refusal.
    pub retry_after_s: Option<u64>,
    /// Fields for the answer, each with its line end.
    pub lines: Vec<u8>,
}

impl LimitUse {
    /// Forgets the exchange; memory stays.
    pub(super) fn clear(&mut self) {
        self.key = None;
        self.retry_after_s = None;
        self.lines.clear();
    }
}

/// Lets a request go on, or refuses it.
#[inline]
pub(super) fn limit(
    local: &Local,
    serving: &Serving,
    peer: &Peer,
    x: &mut Exchange,
) -> Result<(), Fault> {
    match &serving.gate {
        None => Ok(()),
        Some(gate) => {
            let Some(route) = x.route else { return Ok(()) };
            let fields = x.head.fields.all(Known::XApiKey);
            let value = fields.last().map(|field| x.text(field.value));
            let throttle = serving.plan.throttle.as_ref();
            let shows = throttle.is_some_and(|plan| plan.headers);
            let clients = throttle.and_then(|plan| plan.clients.as_ref());
            let caller = Caller {
                route: route.0 as usize,
                client: clients.and_then(|clients| clients.counts(x.source(peer))),
                key: value,
                now: local.core.now(),
                wall: local.core.wall(),
                tells: shows,
            };
            match gate.pass(&local.directory(), &caller) {
                Ok(passed) => {
                    x.limits.key = passed.key;
                    if let Some(at) = passed.tightest {
                        write_lines(&at, &mut x.limits.lines);
                    }
                    Ok(())
                }
                Err(refusal) => {
                    journal::limited(local, serving, x, &refusal);
                    Err(refused(local, x, refusal, shows))
                }
            }
        }
    }
}

#[cold]
fn refused(local: &Local, x: &mut Exchange, refusal: Refusal, shows: bool) -> Fault {
    let limits = &mut x.limits;
    match refusal {
        Refusal::Forbidden => Fault::InvalidApiKey,
        Refusal::Awaits => Fault::AwaitsLease,
        Refusal::Throttled { at, key } => {
            limits.key = key;
            if let Some(at) = at {
                limits.retry_after_s = seconds(at.wait_ns);
                if shows {
                    write_lines(&at, &mut limits.lines);
                }
            }
            local.metrics.cell(metric(at.map(|at| at.level))).add(1);
            Fault::Throttled
        }
        Refusal::QuotaExceeded { key, wait_ms } => {
            limits.key = Some(key);
            limits.retry_after_s = Some(wait_ms.div_ceil(1000).max(1));
            Fault::QuotaExceeded
        }
    }
}

/// Whole seconds, at least one; `None` for never.
fn seconds(ns: u64) -> Option<u64> {
    (ns != u64::MAX).then(|| ns.div_ceil(NS_PER_S).clamp(1, RETRY_S_MAX))
}

fn metric(level: Option<Level>) -> Metric {
    match level {
        Some(Level::Account) => Metric::ThrottledAccount,
        Some(Level::Stage) => Metric::ThrottledStage,
        Some(Level::Method) => Metric::ThrottledMethod,
        Some(Level::UsageMethod | Level::UsageKey | Level::Quota) => Metric::ThrottledKey,
        Some(Level::Client) => Metric::ThrottledClient,
        None => Metric::ThrottledOther,
    }
}

/// `RateLimit-Policy` and `RateLimit` of the tightest limit.
fn write_lines(at: &Tightest, lines: &mut Vec<u8>) {
    let name = match at.level {
        Level::UsageMethod => "key-method",
        Level::UsageKey | Level::Quota => "key",
        Level::Method => "method",
        Level::Stage => "stage",
        Level::Account => "account",
        Level::Client => "client",
    };
    let window_s = at.fill_ns.div_ceil(NS_PER_S).max(1);
    lines.clear();
    // Writing to a vector does not fail.
    let _ = write!(
        lines,
        "RateLimit-Policy: \"{name}\";q={};w={window_s}\r\nRateLimit: \"{name}\";r={}",
        at.burst, at.left
    );
    if let Some(wait_s) = seconds(at.wait_ns).filter(|_| at.wait_ns > 0) {
        let _ = write!(lines, ";t={wait_s}");
    }
    lines.extend_from_slice(b"\r\n");
}

/// Longest wait that a client is told: a year.
const RETRY_S_MAX: u64 = 366 * 86_400;
const NS_PER_S: u64 = 1_000_000_000;
/// How long a request waits for a part of its quota.
pub(super) const LEASE_WAIT_MS: u64 = 1_000;
/// How often it looks whether it has come.
pub(super) const LEASE_LOOK_MS: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_say_how_it_stands_with_the_tightest_limit() {
        let at = Tightest {
            level: Level::Stage,
            burst: 100,
            fill_ns: 2_500_000_000,
            left: 7,
            wait_ns: 0,
        };
        let rows = [
            (
                at,
                "RateLimit-Policy: \"stage\";q=100;w=3\r\nRateLimit: \"stage\";r=7\r\n",
            ),
            (
                Tightest {
                    level: Level::UsageKey,
                    left: 0,
                    wait_ns: 1_000_000_001,
                    ..at
                },
                "RateLimit-Policy: \"key\";q=100;w=3\r\nRateLimit: \"key\";r=0;t=2\r\n",
            ),
            (
                Tightest {
                    burst: 0,
                    fill_ns: 0,
                    left: 0,
                    wait_ns: u64::MAX,
                    ..at
                },
                "RateLimit-Policy: \"stage\";q=0;w=1\r\nRateLimit: \"stage\";r=0\r\n",
            ),
        ];
        for (at, expected) in rows {
            let mut lines = Vec::new();
            write_lines(&at, &mut lines);
            assert_eq!(String::from_utf8_lossy(&lines), expected);
        }
        assert_eq!(seconds(u64::MAX), None);
        assert_eq!(seconds(0), Some(1));
    }
}
