//! Asking an origin without a client: behind a stale answer, or for a client that wants a part.
//!
//! What it is: a task of its own that sends the request once more, with the validators of what is
//! stored or without any condition, and stores or renews. Behind stale answers there is one at a
//! time for each key and core; for clients, one for each flight. Shape: the request's head is
//! copied and parsed again. Units: milliseconds. Errors: none; the next stale answer tries again.
//! Source: RFC 5861 section 3.

use std::{rc::Rc, task::Poll};

use super::{
    super::{
        exchange::{Exchange, Peer},
        forward::{self, Call, RouteStore},
        local::{Local, Serving},
        passage, rewrite,
        told::take_override,
    },
    keep::{self, Came},
};
use crate::{
    base::time::Mono,
    cache::collapse::Leader,
    integrate::HttpProxyPlan,
    net::{
        conn::Conn,
        pump::{OutFraming, Pump, PumpEnd},
    },
    plan::IntegrationPlan,
    ring::Buf,
    route::Verb,
    wire::{
        body::BodyReader, fault::BodyFault, finder::HeadFinder, head::parse_request, method::Method,
    },
};

/// Asks the origin of the answer that `x` got, as soon as the core has time.
pub(in super::super) fn refresh_later(call: &Call<'_>, x: &Exchange) {
    let Call { local, peer, .. } = *call;
    let tag = hash_of(&x.cache.key);
    if !local.refreshing.borrow_mut().insert(tag) {
        return; // somebody does
    }
    let mut fresh = copy_of(call, x);
    fresh.cache.ask("stale", None);
    if let Some(RouteStore { tier, .. }) = call.cache {
        fresh.cache.outdated = tier.seat.outdated(fresh.cache.flight_key());
    }
    let (here, serving) = (Rc::clone(local), Rc::clone(call.serving));
    local.core.spawn(async move {
        refresh(&here, &serving, peer, &mut fresh, Wish::Newer).await;
        here.refreshing.borrow_mut().remove(&tag);
        here.keep_exchange(fresh);
    });
}

/// Asks the origin for the whole of what `x` wants a part of, for all who follow `leader`.
pub(super) fn fetch_whole(call: &Call<'_>, x: &Exchange, leader: Leader) {
    let Call { local, peer, .. } = *call;
    let mut fresh = copy_of(call, x);
    fresh.cache.ask("uri-miss", None);
    fresh.cache.outdated = x.cache.outdated;
    fresh.cache.whole = true;
    fresh.cache.lead = Some(leader);
    let (here, serving) = (Rc::clone(local), Rc::clone(call.serving));
    local.core.spawn(async move {
        refresh(&here, &serving, peer, &mut fresh, Wish::Whole).await;
        here.keep_exchange(fresh);
    });
}

/// What the origin is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Whether what is stored is still good.
    Newer,
    /// All of it.
    Whole,
}

/// An exchange for the request of `x`, as far as asking its origin needs it.
fn copy_of(call: &Call<'_>, x: &Exchange) -> Box<Exchange> {
    let core = &call.local.core;
    let mut fresh = call.local.take_exchange();
    let random = (core.random(), core.random());
    fresh.begin(core.now(), core.wall(), random);
    fresh.head_bytes.push(x.head_bytes.bytes());
    fresh.stage = x.stage;
    fresh.route = x.route;
    fresh.path_from = x.path_from;
    fresh.resource_from = x.resource_from;
    fresh.told = x.told;
    fresh.cache.key.extend_from_slice(&x.cache.key);
    fresh.cache.primary_bytes = x.cache.primary_bytes;
    fresh.cache.meta.extend_from_slice(&x.cache.meta);
    fresh.cache.generation = x.cache.generation;
    fresh
}

fn hash_of(key: &[u8]) -> u64 {
    crate::cache::http::hash::Hash64::of_tag(key)
}

async fn refresh(
    local: &Rc<Local>,
    serving: &Rc<Serving>,
    peer: Peer,
    x: &mut Exchange,
    wish: Wish,
) {
    let parsed = parse_request(x.head_bytes.bytes(), &serving.head_limits, &mut x.head);
    take_override(x);
    let route = x.route.and_then(|route| serving.plan.route(route));
    let stage = x.stage.and_then(|stage| serving.plan.stage(stage));
    let (Ok(()), Some(route), Some(stage)) = (parsed, route, stage) else {
        return;
    };
    let (IntegrationPlan::HttpProxy(proxy), Some(plan), Some(tier)) = (
        &route.integration,
        &route.cache,
        serving.cache(stage.cache_region),
    ) else {
        return;
    };
    // The path's parameters are found again: they point into the request's own bytes.
    let bytes = x.head_bytes.bytes();
    let verb = Verb::from_token(x.head.method_name.of(bytes));
    let path = x.head.path(bytes);
    x.params.clear();
    (stage.tree()).find(path, x.resource_from, verb, &mut x.params);
    let call = Call {
        local,
        serving,
        peer,
        cache: Some(RouteStore { plan, stage, tier }),
    };
    if wish == Wish::Newer {
        let namespace = crate::cache::Namespace(stage.cache_namespace);
        let owner = &tier.owner;
        let hash = owner.hash(namespace, &x.cache.key);
        let now_s = super::seconds(local.core.wall());
        x.cache.held = owner.lookup(namespace, hash, &x.cache.key, now_s);
    }
    ask(&call, x, proxy).await;
}

/// Sends the request, reads the answer, stores what may be stored.
async fn ask(call: &Call<'_>, x: &mut Exchange, proxy: &HttpProxyPlan) -> Option<()> {
    let core = &call.local.core;
    let group = call.serving.group(proxy.origin)?;
    let deadline = core.now().plus_ms(u64::from(proxy.timeout_ms));
    let lease = group.acquire(core, deadline, proxy.face, None);
    let mut lease = lease.await.ok()?;
    let head = rewrite::request(call, proxy, x, core.pool()).ok()?;
    x.cache.asked_at = core.wall();
    lease.conn().send(head);
    let carry = head_of(call, x, lease.conn(), deadline).await?;
    rewrite::receive(proxy.rules, x);
    if let Came::Held { .. } = keep::answer_came(call, x) {
        if x.answer.keep_alive && carry.is_none() && x.answer.status == 304 {
            lease.keep();
        }
        return Some(());
    }
    let most = x.cache.fill.as_ref()?.body_bytes_max();
    let reader = BodyReader::new(x.answer.framing, passage::UNLIMITED).ok()?;
    let mut pump = Pump::new(reader, OutFraming::Nowhere, carry);
    pump.begin_copy(std::mem::take(&mut x.cache.room));
    let (mut moved_bytes, mut deadline) = (0, deadline);
    let read = std::future::poll_fn(|_| {
        let polled = pump.poll_away(lease.conn(), deadline, most as u64);
        if !keep::pass_on(x.cache.lead.as_ref(), pump.copied(), most) {
            return Poll::Ready(Err(PumpEnd::Fault(BodyFault::TooLarge)));
        }
        if polled.is_pending() && pump.moved_bytes() != moved_bytes {
            moved_bytes = pump.moved_bytes();
            deadline = core.now().plus_ms(u64::from(proxy.timeout_ms));
            core.wake_at(deadline);
        }
        polled
    });
    if let Err(end) = read.await {
        if let (PumpEnd::Fault(BodyFault::TooLarge), Some(lead)) = (end, &x.cache.lead) {
            lead.keep_private();
        }
        return None;
    }
    let body = pump.copied().take()?;
    keep::finish(call, x, &body);
    if x.answer.keep_alive && pump.take_carry().is_none() {
        lease.keep();
    }
    Some(())
}

/// Reads the answer's head, behind a few interim ones that nobody waits for; gives what came
/// behind it.
async fn head_of(
    call: &Call<'_>,
    x: &mut Exchange,
    origin: &mut Conn,
    deadline: Mono,
) -> Option<Option<Buf>> {
    let mut held: Option<Buf> = None;
    let to_head = x.head.method == Method::Head;
    for _ in 0..=call.serving.plan.limits.interim_responses_max {
        let mut finder = HeadFinder::response();
        x.answer_bytes.clear();
        let carry = loop {
            let buf = match held.take() {
                Some(buf) => buf,
                None => origin.recv(deadline).await.ok()?,
            };
            if let Some(carry) = forward::take_head(call, x, &mut finder, buf, to_head).ok()? {
                break (!carry.is_empty()).then_some(carry);
            }
        };
        if !x.answer.is_interim() {
            return Some(carry);
        }
        held = carry;
    }
    None
}
