//! Behind a stale answer: its origin is asked without a client.
//!
//! What it is: a task of its own that sends the request once more, with the validators of what is
//! stored, and stores or renews. One at a time for each key and core. Shape: the request's head is
//! copied and parsed again. Units: milliseconds. Errors: none; the next stale answer tries again.
//! Source: RFC 5861 section 3.

use std::rc::Rc;

use super::{
    super::{
        exchange::{Exchange, Peer},
        forward::{self, Call, RouteStore},
        local::{Local, Serving},
        rewrite,
    },
    keep::{self, Came},
};
use crate::{
    integrate::HttpProxyPlan,
    net::pump::{OutFraming, Pump},
    plan::IntegrationPlan,
    route::Verb,
    wire::{body::BodyReader, finder::HeadFinder, head::parse_request},
};

/// Asks the origin of the answer that `x` got, as soon as the core has time.
pub(in super::super) fn refresh_later(call: &Call<'_>, x: &Exchange) {
    let Call { local, peer, .. } = *call;
    let tag = hash_of(&x.cache.key);
    if !local.refreshing.borrow_mut().insert(tag) {
        return; // somebody does
    }
    let mut fresh = local.take_exchange();
    let random = (local.core.random(), local.core.random());
    fresh.begin(local.core.now(), local.core.wall(), random);
    fresh.head_bytes.push(x.head_bytes.bytes());
    fresh.stage = x.stage;
    fresh.route = x.route;
    fresh.path_from = x.path_from;
    fresh.told = x.told;
    fresh.cache.key.extend_from_slice(&x.cache.key);
    fresh.cache.primary_bytes = x.cache.primary_bytes;
    fresh.cache.meta.extend_from_slice(&x.cache.meta);
    fresh.cache.generation = x.cache.generation;
    fresh.cache.ask("stale", None);
    let (here, serving) = (Rc::clone(local), Rc::clone(call.serving));
    local.core.spawn(async move {
        refresh(&here, &serving, peer, &mut fresh).await;
        here.refreshing.borrow_mut().remove(&tag);
        here.keep_exchange(fresh);
    });
}

fn hash_of(key: &[u8]) -> u64 {
    crate::cache::http::hash::Hash64::of_tag(key)
}

async fn refresh(local: &Rc<Local>, serving: &Rc<Serving>, peer: Peer, x: &mut Exchange) {
    let parsed = parse_request(x.head_bytes.bytes(), &serving.head_limits, &mut x.head);
    let route = x.route.and_then(|route| serving.plan.route(route));
    let stage = x.stage.and_then(|stage| serving.plan.stage(stage));
    let (Ok(()), Some(route), Some(stage)) = (parsed, route, stage) else {
        return;
    };
    let (IntegrationPlan::HttpProxy(proxy), Some(plan), Some(tier)) =
        (&route.integration, &route.cache, serving.cache.as_deref())
    else {
        return;
    };
    // The path's parameters are found again: they point into the request's own bytes.
    let bytes = x.head_bytes.bytes();
    let verb = Verb::from_token(x.head.method_name.of(bytes));
    let (host, path) = (x.head.host.name.of(bytes), x.head.path(bytes));
    serving.plan.resolve(host, path, verb, &mut x.params);
    let call = Call {
        local,
        serving,
        peer,
        proxy,
        cache: Some(RouteStore { plan, stage, tier }),
    };
    let namespace = crate::cache::Namespace(stage.cache_namespace);
    let owner = &tier.owner;
    let hash = owner.hash(namespace, &x.cache.key);
    let now_s = super::seconds(local.core.wall());
    x.cache.held = owner.lookup(namespace, hash, &x.cache.key, now_s);
    ask(&call, x, proxy).await;
}

/// Sends the request, reads the answer, stores what may be stored.
async fn ask(call: &Call<'_>, x: &mut Exchange, proxy: &HttpProxyPlan) -> Option<()> {
    let core = &call.local.core;
    let group = call.serving.group(proxy.origin)?;
    let deadline = core.now().plus_ms(u64::from(proxy.timeout_ms));
    let mut lease = group.acquire(core, deadline, None).await.ok()?;
    let head = rewrite::request(call, x, core.pool()).ok()?;
    x.cache.asked_at = core.wall();
    lease.conn().send(head);
    let mut finder = HeadFinder::response();
    x.answer_bytes.clear();
    let carry = loop {
        let buf = lease.conn().recv(deadline).await.ok()?;
        let Some(carry) = forward::take_head(call, x, &mut finder, buf).ok()? else {
            continue;
        };
        if x.answer.is_interim() {
            return None; // not worth the trouble behind an answer
        }
        break (!carry.is_empty()).then_some(carry);
    };
    if let Came::Held { .. } = keep::answer_came(call, x) {
        if x.answer.keep_alive && carry.is_none() && x.answer.status == 304 {
            lease.keep();
        }
        return Some(());
    }
    let most = x.cache.fill.as_ref()?.body_bytes_max();
    let reader = BodyReader::new(x.answer.framing, forward::UNLIMITED).ok()?;
    let mut pump = Pump::new(reader, OutFraming::Nowhere, carry);
    pump.begin_copy(std::mem::take(&mut x.cache.room));
    let read = std::future::poll_fn(|_| pump.poll_away(lease.conn(), deadline, most as u64)).await;
    read.ok()?;
    let body = pump.copied().take()?;
    keep::finish(call, x, &body);
    if x.answer.keep_alive && pump.take_carry().is_none() {
        lease.keep();
    }
    Some(())
}
