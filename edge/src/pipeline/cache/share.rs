//! Waiting for somebody who fetches the same.
//!
//! What it is: the first of several concurrent misses asks the origin, the others read its answer
//! as it arrives; each checks for itself whether the answer is for it. Who wants a part of what is
//! not there has the whole fetched, and reads it like the others. Shape: [`share`] ends with
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
    refresh::fetch_whole,
};
use crate::{
    base::time::Mono,
    cache::{
        collapse::{Boarding, Ended, Follower, Progress, Since},
        http::{
            facts::Request,
            record::Record,
            serve::{self, Serve},
        },
    },
    net::conn::Conn,
    plan::RouteCache,
    telemetry::metrics::Metric,
    wire::{Known, Method},
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
    let Some(mut generation) = x.cache.generation else {
        return Looked::Ask;
    };
    x.cache.outdated = tier.seat.outdated(x.cache.flight_key());
    if x.cache.alone || x.head.method != Method::Get {
        return Looked::Ask;
    }
    let plan = call.serving.plan.cache.as_ref();
    let collapse_ms = plan.map_or(0, |plan| u64::from(plan.collapse_ms));
    let deadline = call.local.core.now().plus_ms(collapse_ms);
    for _ in 0..LEADERS_MAX {
        let since = Since {
            generation,
            outdated: x.cache.outdated,
        };
        let (follower, is_own) = match tier.seat.board(x.cache.flight_key(), since) {
            Boarding::Leads(leader) if wants_other_than_whole(x) => {
                let follower = leader.follower();
                fetch_whole(call, x, leader);
                (follower, true)
            }
            Boarding::Leads(leader) => {
                x.cache.lead = Some(leader);
                return Looked::Ask;
            }
            Boarding::Follows(follower) => (follower, false),
        };
        let awaited = wait(call, &follower, deadline);
        match unless_gone(call, conn, x, awaited).await {
            None => return Looked::Gone,
            Some(Progress::Begun { meta, body_bytes }) => {
                let fetch = Fetch {
                    follower,
                    meta: &meta,
                    body_bytes,
                    is_own,
                };
                return match shared(call, conn, x, fetch, keep_alive) {
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
                // Whoever asks the origin from now on asks it under these circumstances.
                generation = x.cache.generation.unwrap_or(generation);
                x.cache.outdated = tier.seat.outdated(x.cache.flight_key());
                if x.cache.alone {
                    break;
                }
            }
            Some(Progress::Ended(Ended::Private | Ended::Whole) | Progress::Waiting) => break,
        }
    }
    Looked::Ask
}

/// The client wants a part of the answer, or none if it has it already, and nothing is held that
/// could say so. Then the whole is fetched and stored, and the client's wish answered from it. Not
/// for those who name themselves: what they get is theirs alone, as a rule.
fn wants_other_than_whole(x: &Exchange) -> bool {
    let fields = &x.head.fields;
    let wants = [Known::Range, Known::IfNoneMatch, Known::IfModifiedSince];
    let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
    wants.iter().any(|known| fields.has(*known))
        && !fields.has(Known::Authorization)
        && !request.asks.no_store
        && !x.cache.is_validating()
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

/// A fetch that has begun to answer.
struct Fetch<'a> {
    follower: Follower,
    meta: &'a [u8],
    body_bytes: u64,
    /// It was begun for this very request.
    is_own: bool,
}

/// Gives what another task fetches, if it is for this request too.
fn shared(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    fetch: Fetch<'_>,
    keep_alive: bool,
) -> Option<Option<Given>> {
    let Fetch {
        follower,
        meta,
        body_bytes,
        is_own,
    } = fetch;
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
            match &mut x.cache.outcome {
                CacheOutcome::Miss { stored, .. } if is_own => *stored = true,
                outcome => *outcome = CacheOutcome::Collapsed,
            }
            Some(age_s).filter(|_| !is_own)
        }
    };
    if is_own {
        x.integration.status = stored.status;
        x.integration.latency_ns = call.local.core.now().since_ns(x.received);
    } else {
        call.local.metrics.cell(Metric::CacheCollapsed).add(1);
    }
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
