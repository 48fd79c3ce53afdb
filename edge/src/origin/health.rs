//! Active checks: is an endpoint well?
//!
//! What it is: one task per checked endpoint on the control core, which asks `GET path` every
//! interval and books the verdict where all cores read it. Shape: [`watch`] starts the tasks and
//! gives [`Checks`]; dropped, they end. A verdict changes after enough results of the other kind
//! in a row. Every check is a connection of its own, because "accepts connections" is part of
//! being well. Units: milliseconds. Ranges: intervals vary by 10 % so that hosts do not fall into
//! step. Errors: [`CheckFault`], each a failed check. Source: the rules for origin pools.

use std::{cell::Cell, net::SocketAddr, rc::Rc, sync::Arc};

use super::{
    plan::{Face, HealthPlan, OriginIndex, OriginPlan},
    pool::GroupTls,
    state::{EndpointState, GroupState},
    task::Running,
};
use crate::{
    base::time::Mono,
    exec::{Core, RecvEnd, connect},
    net::{address, conn::Conn},
    ring::{Errno, Transport},
    wire::{
        HeadFault, HeadFinder, HeadLimits, HeadWriter, ResponseHead, ResponseTo,
        limits::INTERIM_RESPONSES_MAX, parse_response,
    },
};

/// A group to check; without a health plan its endpoints count as well.
#[derive(Clone)]
pub struct Checked {
    pub origins: Arc<[OriginPlan]>,
    pub index: OriginIndex,
    pub state: Arc<GroupState>,
    /// For endpoints that use TLS, the same as the pools use.
    pub tls: Option<GroupTls>,
}

/// Why a check failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckFault {
    #[error("its name has no address")]
    NoAddress,
    #[error("its address is not allowed")]
    Forbidden,
    #[error("connecting failed: {0}")]
    Connect(Errno),
    #[error("the TLS handshake failed")]
    Tls,
    #[error("no answer in time")]
    Timeout,
    #[error("the connection ended before an answer")]
    Closed,
    #[error("the request could not be written")]
    Request,
    #[error("the answer is malformed: {0}")]
    Head(HeadFault),
    #[error("more interim answers than allowed")]
    Interim,
    #[error("it answered {0}")]
    Status(u16),
}

/// A verdict that has changed.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    pub origin: &'a OriginPlan,
    /// Index into the origin's endpoints.
    pub endpoint: usize,
    /// `None`: it is well again; otherwise why the last check failed.
    pub fault: Option<CheckFault>,
}

/// What is told about changed verdicts.
pub type OnChange = Rc<dyn Fn(&Change<'_>)>;

/// Checks under way; dropped, they end and verdicts stay as they are.
#[must_use]
pub struct Checks {
    tasks: Vec<Running>,
}

/// Starts the checks of `groups`.
pub fn watch(core: &Rc<Core>, groups: &[Checked], on_change: &OnChange) -> Checks {
    let mut tasks = Vec::new();
    for group in groups {
        let Some(plan) = group.origins.get(group.index.0 as usize) else {
            continue;
        };
        for (endpoint, state) in group.state.endpoints.iter().enumerate() {
            if plan.health.is_none() {
                // A reload may have removed the checks that found it ill.
                state.set_healthy(true);
                continue;
            }
            let check = Check {
                core: Rc::clone(core),
                group: group.clone(),
                endpoint,
                turn: Cell::new(0),
            };
            let on_change = Rc::clone(on_change);
            tasks.push(Running::spawn(core, async move {
                check.run(&on_change).await;
            }));
        }
    }
    Checks { tasks }
}

impl Checks {
    /// Endpoints checked.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tasks.len()
    }
}

/// The checks of one endpoint.
struct Check {
    core: Rc<Core>,
    group: Checked,
    endpoint: usize,
    /// Which of several addresses is asked; a failure moves it on.
    turn: Cell<usize>,
}

/// Results in a row, and the verdict they add up to.
#[derive(Clone, Copy, Debug)]
struct Verdict {
    healthy: bool,
    /// Results against the verdict.
    against: u8,
}

impl Verdict {
    /// Books a result; whether the verdict has changed.
    fn book(&mut self, good: bool, plan: &HealthPlan) -> bool {
        if good == self.healthy {
            self.against = 0;
            return false;
        }
        self.against = self.against.saturating_add(1);
        let needed = if good {
            plan.healthy_after
        } else {
            plan.unhealthy_after
        };
        if self.against < needed {
            return false;
        }
        *self = Verdict {
            healthy: good,
            against: 0,
        };
        true
    }
}

impl Check {
    async fn run(&self, on_change: &OnChange) {
        let origin = &self.group.origins[self.group.index.0 as usize];
        let (Some(plan), Some(state)) = (
            &origin.health,
            self.group.state.endpoints.get(self.endpoint),
        ) else {
            return;
        };
        let core = &self.core;
        let interval_ms = u64::from(plan.interval_ms.max(INTERVAL_MS_MIN));
        let first_ms = core.random() % interval_ms.min(FIRST_MS_MAX);
        let mut next = core.now().plus_ms(first_ms);
        let mut verdict = Verdict {
            healthy: state.is_healthy(),
            against: 0,
        };
        loop {
            core.sleep_until(next).await;
            next = core.now().plus_ms(varied(interval_ms, core.random()));
            let result = self.check(origin, plan, state).await;
            if result.is_err() {
                self.turn.set(self.turn.get().wrapping_add(1));
            }
            if verdict.book(result.is_ok(), plan) {
                state.set_healthy(verdict.healthy);
                on_change(&Change {
                    origin,
                    endpoint: self.endpoint,
                    fault: result.err(),
                });
            }
        }
    }

    async fn check(
        &self,
        origin: &OriginPlan,
        plan: &HealthPlan,
        state: &EndpointState,
    ) -> Result<(), CheckFault> {
        let deadline = self.core.now().plus_ms(u64::from(plan.timeout_ms));
        let address = self.address(state, deadline).await?;
        if !address::allowed(address.ip(), &origin.allow) {
            return Err(CheckFault::Forbidden);
        }
        let mut conn = self.open(origin, address, deadline).await?;
        self.send_request(&mut conn, origin, plan)?;
        let status = read_status(&mut conn, deadline).await?;
        drain(&mut conn, deadline.min(self.core.now().plus_ms(DRAIN_MS))).await;
        if plan.is_good(status) {
            Ok(())
        } else {
            Err(CheckFault::Status(status))
        }
    }

    /// One of its addresses: the one that answered last, else the next. So an endpoint is ill
    /// only when none of them answers.
    async fn address(
        &self,
        state: &EndpointState,
        deadline: Mono,
    ) -> Result<SocketAddr, CheckFault> {
        loop {
            let addresses = state.addresses();
            if let Some(at) = self.turn.get().checked_rem(addresses.len())
                && let Some(address) = addresses.get(at)
            {
                return Ok(*address);
            }
            let now = self.core.now();
            if now >= deadline {
                return Err(CheckFault::NoAddress);
            }
            let look_at = deadline.min(now.plus_ms(RESOLVE_LOOK_MS));
            self.core.sleep_until(look_at).await;
        }
    }

    async fn open(
        &self,
        origin: &OriginPlan,
        address: SocketAddr,
        deadline: Mono,
    ) -> Result<Conn, CheckFault> {
        let stream = connect(&self.core, address, Transport::Stream, deadline)
            .await
            .map_err(|errno| match errno {
                Errno::TIMED_OUT => CheckFault::Timeout,
                errno => CheckFault::Connect(errno),
            })?;
        let uses_tls = origin
            .endpoints
            .get(self.endpoint)
            .is_some_and(|row| row.tls);
        if !uses_tls {
            return Ok(Conn::plain(stream));
        }
        let tls = self.group.tls.as_ref().ok_or(CheckFault::Tls)?;
        let client = tls.face(Face::OWN).ok_or(CheckFault::Tls)?;
        let session = client.session(&tls.server_name);
        let session = session.map_err(|_| CheckFault::Tls)?;
        let mut conn = Conn::over(stream, session);
        match conn.handshake(deadline).await {
            Ok(()) => Ok(conn),
            Err(RecvEnd::Timeout) => Err(CheckFault::Timeout),
            Err(_) => Err(CheckFault::Tls),
        }
    }

    fn send_request(
        &self,
        conn: &mut Conn,
        origin: &OriginPlan,
        plan: &HealthPlan,
    ) -> Result<(), CheckFault> {
        let row = origin
            .endpoints
            .get(self.endpoint)
            .ok_or(CheckFault::Request)?;
        let mut fresh = self.core.pool().take().ok_or(CheckFault::Request)?;
        let count = HeadWriter::new(fresh.spare())
            .request_line(b"GET", &[plan.path.as_bytes()])
            .field(b"Host", row.authority.as_bytes())
            .lines(b"User-Agent: tidegate-health\r\nAccept: */*\r\nConnection: close\r\n")
            .end()
            .map_err(|_| CheckFault::Request)?;
        fresh.commit(count);
        conn.send(fresh.freeze());
        Ok(())
    }
}

/// The status of the final answer.
async fn read_status(conn: &mut Conn, deadline: Mono) -> Result<u16, CheckFault> {
    let limits = HeadLimits::default();
    let mut head = ResponseHead::new();
    let mut received: Vec<u8> = Vec::new();
    for _ in 0..=INTERIM_RESPONSES_MAX {
        let mut finder = HeadFinder::response();
        let head_bytes = loop {
            match finder.find(&received, &limits) {
                Ok(Some(head_bytes)) => break head_bytes,
                Ok(None) => {}
                Err(fault) => return Err(CheckFault::Head(fault)),
            }
            match conn.recv(deadline).await {
                Ok(buf) => received.extend_from_slice(&buf),
                Err(RecvEnd::Timeout) => return Err(CheckFault::Timeout),
                Err(_) => return Err(CheckFault::Closed),
            }
        };
        let rest = received.split_off(head_bytes);
        parse_response(&received, &limits, ResponseTo::default(), &mut head)
            .map_err(CheckFault::Head)?;
        if !head.is_interim() {
            return Ok(head.status);
        }
        received = rest;
    }
    Err(CheckFault::Interim)
}

/// Reads a little of the body, so that an origin that answers well does not see a reset.
async fn drain(conn: &mut Conn, deadline: Mono) {
    let mut bytes_left = DRAIN_BYTES_MAX;
    while let Ok(buf) = conn.recv(deadline).await {
        bytes_left = bytes_left.saturating_sub(buf.len());
        if bytes_left == 0 {
            return;
        }
    }
}

/// `ms`, up to a tenth more or less.
fn varied(ms: u64, random: u64) -> u64 {
    let per_mille = 900 + random % 201;
    ms.saturating_mul(per_mille) / 1000
}

/// A plan without a sensible interval does not make a busy loop.
const INTERVAL_MS_MIN: u32 = 10;
/// First checks come soon, but not all at once.
const FIRST_MS_MAX: u64 = 1_000;
/// How often a check looks whether the name of its endpoint has been resolved.
const RESOLVE_LOOK_MS: u64 = 20;
const DRAIN_MS: u64 = 100;
const DRAIN_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_needs_enough_results_in_a_row() {
        let plan = HealthPlan {
            path: "/".into(),
            interval_ms: 1,
            timeout_ms: 1,
            healthy_after: 2,
            unhealthy_after: 3,
            statuses: Box::from([200..=299]),
        };
        // Results: + good, - bad. Verdicts after each: H healthy, i ill.
        let rows = [
            ("+--+---+", "HHHHHHii"),
            ("---++", "HHiiH"),
            ("---+-++", "HHiiiiH"),
            ("--+--+--+", "HHHHHHHHH"),
        ];
        for (results, expected) in rows {
            let mut verdict = Verdict {
                healthy: true,
                against: 0,
            };
            let mut seen = String::new();
            for result in results.chars() {
                let before = verdict.healthy;
                let changed = verdict.book(result == '+', &plan);
                assert_eq!(changed, before != verdict.healthy, "{results}");
                seen.push(if verdict.healthy { 'H' } else { 'i' });
            }
            assert_eq!(seen, expected, "{results}");
        }
    }

    #[test]
    fn intervals_vary_by_a_tenth() {
        for (random, expected) in [(0, 900), (100, 1_000), (200, 1_100), (201, 900)] {
            assert_eq!(varied(1_000, random), expected);
        }
    }
}
