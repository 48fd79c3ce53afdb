//! Waiting for somebody who fetches the same.
//!
//! What it is: the first of several concurrent misses asks the origin, the others read its answer
//! as it arrives; each checks for itself whether the answer is for it. Shape: [`share`] ends with
//! what the request does next. Units: milliseconds. Errors: none; who has waited long enough asks
//! the origin alone, and a leader that fails leaves the fetch to one of its followers.
//! Source: RFC 9111 section 4; `cache::collapse`.

use std::task::Poll;

use super::{
    super::{
        exchange::Exchange,
        forward::{Call, RouteStore, unless_gone},
    },
    CacheOutcome,
    give::{Given, Source, give},
    look_up::{CALLER, Looked, look_up},
};
use crate::{
    base::time::Mono,
    cache::{
        collapse::{Boarding, Ended, Follower, Progress},
        http::{
            facts::Request,
            record::Record,
            serve::{self, Serve},
        },
    },
    net::conn::Conn,
    plan::RouteCache,
    telemetry::metrics::Metric,
    wire::Method,
};

/// Leaders that one request follows before it asks alone.
const LEADERS_MAX: usize = 2;

/// Fetches for others as well, or waits for one who does.
pub(in super::super) async fn share(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    keep_alive: bool,
) -> Looked {
    let Some(RouteStore { tier, .. }) = call.cache else {
        return Looked::Ask;
    };
    if x.cache.alone || x.cache.generation.is_none() || x.head.method != Method::Get {
        return Looked::Ask;
    }
    let plan = call.serving.plan.cache.as_ref();
    let collapse_ms = plan.map_or(0, |plan| u64::from(plan.collapse_ms));
    let deadline = call.local.core.now().plus_ms(collapse_ms);
    for _ in 0..LEADERS_MAX {
        let key = x.cache.key.get(..x.cache.primary_bytes).unwrap_or(&[]);
        let follower = match tier.seat.board(key) {
            Boarding::Leads(leader) => {
                x.cache.lead = Some(leader);
                return Looked::Ask;
            }
            Boarding::Follows(follower) => follower,
        };
        let awaited = wait(call, &follower, deadline);
        match unless_gone(call, conn, x, awaited).await {
            None => return Looked::Gone,
            Some(Progress::Begun { meta, body_bytes }) => {
                return match shared(call, conn, x, (follower, &meta, body_bytes), keep_alive) {
                    Some(given) => Looked::Answered {
                        given,
                        refresh: false,
                    },
                    None => Looked::Ask,
                };
            }
            Some(Progress::Ended(Ended::Stored | Ended::Failed)) => {
                match look_up(call, conn, x, keep_alive) {
                    Looked::Ask => {}
                    answered => return answered,
                }
            }
            Some(Progress::Ended(Ended::Private | Ended::Whole) | Progress::Waiting) => break,
        }
    }
    Looked::Ask
}

/// What the fetch has to share; [`Progress::Waiting`] when `deadline` came first.
async fn wait(call: &Call<'_>, follower: &Follower, deadline: Mono) -> Progress {
    let core = &call.local.core;
    std::future::poll_fn(|_| match follower.progress() {
        Progress::Waiting if core.now() < deadline => {
            core.wake_at(deadline);
            Poll::Pending
        }
        progress => Poll::Ready(progress),
    })
    .await
}

/// Gives what another fetches, if it is for this request too.
fn shared(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    (follower, meta, body_bytes): (Follower, &[u8], u64),
    keep_alive: bool,
) -> Option<Option<Given>> {
    let Some(Record::Response(stored)) = Record::decode(meta, body_bytes) else {
        return None;
    };
    let age_s = match call.cache?.plan {
        RouteCache::Stage(_) => None,
        RouteCache::Edge(plan) => {
            let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
            let now = call.local.core.wall();
            let normalise = plan.key.normalise();
            let Serve::Fresh { age_s } =
                serve::serve(&request, &stored, &plan.rules, normalise, now)
            else {
                return None;
            };
            x.cache.outcome = CacheOutcome::Collapsed;
            Some(age_s)
        }
    };
    call.local.metrics.cell(Metric::CacheCollapsed).add(1);
    let source = Source::Fetched(follower);
    let (local, serving) = (call.local, call.serving);
    Some(give(
        local,
        serving,
        conn,
        x,
        source,
        (&stored, age_s),
        keep_alive,
    ))
}
