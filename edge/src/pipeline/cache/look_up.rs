//! Whether the store answers.
//!
//! What it is: plain functions that need nobody else; a hit goes out from here. Shape: [`Looked`].
//! Units: seconds. Errors: none; whatever is in doubt asks the origin.
//! Source: RFC 9111 section 4; the API Gateway developer guide, "invalidate a cache entry".

use super::{
    super::{
        exchange::Exchange,
        fault::Fault,
        forward::{Call, RouteStore},
    },
    CacheOutcome, CacheUse,
    give::{self, Given},
    key, mark, seconds,
};
use crate::{
    base::time::Wall,
    cache::{
        Hit, Namespace, Owner,
        http::{
            facts::{Caller, Request},
            reason::MissReason,
            record::{Record, Stored},
            serve::{self, Serve},
        },
    },
    model::settings::Unauthorized,
    net::conn::Conn,
    plan::{EdgeCachePlan, RouteCache, StageCachePlan, StagePlan},
};

/// Nobody is known to the gateway yet; credentials in the request count all the same.
pub(super) const CALLER: Caller = Caller::Unknown;

/// What the store says.
pub(in super::super) enum Looked {
    /// It answers; no `given` when there was no buffer to answer with.
    Answered {
        given: Option<Given>,
        /// Its origin is to be asked behind the answer.
        refresh: bool,
    },
    /// The origin is asked.
    Ask,
    /// The request is refused.
    Refused(Fault),
    /// Its client has left.
    Gone,
}

/// Looks for a stored answer to the request in `x`, and gives it if it may be given.
pub(in super::super) fn look_up(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    keep_alive: bool,
) -> Looked {
    let Some(RouteStore { plan, stage, tier }) = call.cache else {
        return Looked::Ask;
    };
    let owner = &tier.owner;
    let desk = Desk { call, stage, owner };
    let mut cache = std::mem::take(&mut x.cache);
    let found = match plan {
        RouteCache::Edge(plan) => by_policy(desk, plan, x, &mut cache),
        RouteCache::Stage(plan) => by_stage(desk, plan, x, &mut cache),
    };
    let (hit, refresh, age_s) = match found {
        Found::Give {
            hit,
            refresh,
            age_s,
        } => (hit, refresh, age_s),
        Found::Ask => {
            cache.counted = Some(false);
            x.cache = cache;
            return Looked::Ask;
        }
        Found::Pass => {
            x.cache = cache;
            return Looked::Ask;
        }
        Found::Refused(fault) => {
            x.cache = cache;
            return Looked::Refused(fault);
        }
    };
    cache.counted = Some(true);
    x.cache = cache;
    let given = give::held(
        desk.call.local,
        desk.call.serving,
        conn,
        x,
        (hit, age_s),
        keep_alive,
    );
    Looked::Answered { given, refresh }
}

/// What the functions below look at.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) stage: &'a StagePlan,
    pub(super) owner: &'a Owner,
}

enum Found {
    Give {
        hit: Hit,
        refresh: bool,
        age_s: Option<u64>,
    },
    /// The origin is asked, and its answer may be kept.
    Ask,
    /// The store takes no part.
    Pass,
    Refused(Fault),
}

// --- by an edge policy ------------------------------------------------------------------------

fn by_policy(desk: Desk<'_>, plan: &EdgeCachePlan, x: &Exchange, cache: &mut CacheUse) -> Found {
    let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
    let uri = key::uri_of(x, &desk.call.peer);
    if key::write_edge(x, uri, desk.stage, &plan.key, &mut cache.key).is_none() {
        cache.ask("bypass", Some("key-too-long"));
        return Found::Pass;
    }
    cache.primary_bytes = cache.key.len();
    if let Some(reason) = serve::bypasses(&request) {
        // Its answer may still make stored ones invalid.
        cache.ask(reason.fwd(), None);
        return Found::Pass;
    }
    let namespace = Namespace(desk.stage.cache_namespace);
    cache.generation = Some(desk.owner.store().generation(namespace));
    let now = desk.call.local.core.wall();
    if !plan.key.is_of_uri() && mark::append(desk, plan, x, cache, now).is_none() {
        cache.generation = None;
        cache.ask("bypass", Some("no-room"));
        return Found::Pass;
    }
    let Some(hit) = find(desk, plan, x, cache, now) else {
        if let CacheOutcome::Miss { .. } = cache.outcome {
            return Found::Ask;
        }
        return miss(&request, MissReason::Absent, plan, cache);
    };
    let meta = std::mem::take(&mut cache.meta);
    let found = judge(&request, (&meta, hit), plan, cache, now);
    cache.meta = meta;
    found
}

/// Finds the record of a response; notes in the outcome why there can be none.
fn find(
    desk: Desk<'_>,
    plan: &EdgeCachePlan,
    x: &Exchange,
    cache: &mut CacheUse,
    now: Wall,
) -> Option<Hit> {
    let hit = fetch(desk, cache, now)?;
    let meta = std::mem::take(&mut cache.meta);
    let next = match Record::decode(&meta, hit.body_bytes() as u64) {
        Some(Record::Response(_)) => Next::This,
        Some(Record::Variants(variants)) => {
            let uri = key::uri_of(x, &desk.call.peer);
            let (key, policy) = (&mut cache.key, &plan.key);
            match key::write_variant(x, uri, desk.stage, policy, &variants, key) {
                Some(()) => Next::Variant,
                None => Next::None,
            }
        }
        Some(Record::Uncacheable(note)) if note.holds(now) => {
            let reason = MissReason::HitForMiss;
            cache.ask(reason.fwd(), Some(reason.as_str()));
            cache.alone = true;
            Next::None
        }
        _ => Next::None,
    };
    cache.meta = meta;
    match next {
        Next::This => Some(hit),
        Next::None => None,
        Next::Variant => {
            let hit = fetch(desk, cache, now)?;
            let is_response = matches!(
                Record::decode(&cache.meta, hit.body_bytes() as u64),
                Some(Record::Response(_))
            );
            is_response.then_some(hit)
        }
    }
}

enum Next {
    This,
    Variant,
    None,
}

/// Looks up the key in `cache` and copies the record found.
fn fetch(desk: Desk<'_>, cache: &mut CacheUse, now: Wall) -> Option<Hit> {
    let namespace = Namespace(desk.stage.cache_namespace);
    let hash = desk.owner.hash(namespace, &cache.key);
    let hit = desk
        .owner
        .lookup(namespace, hash, &cache.key, seconds(now))?;
    cache.meta.resize(hit.meta_bytes(), 0);
    let copied = hit.copy_meta(0, &mut cache.meta);
    (copied == cache.meta.len()).then_some(hit)
}

fn judge(
    request: &Request<'_>,
    (meta, hit): (&[u8], Hit),
    plan: &EdgeCachePlan,
    cache: &mut CacheUse,
    now: Wall,
) -> Found {
    let Some(Record::Response(stored)) = Record::decode(meta, hit.body_bytes() as u64) else {
        return miss(request, MissReason::Absent, plan, cache);
    };
    match serve::serve(request, &stored, &plan.rules, plan.key.normalise(), now) {
        Serve::Fresh { age_s } => give_aged(hit, &stored, age_s, false, cache),
        Serve::Stale { age_s, refresh } => give_aged(hit, &stored, age_s, refresh, cache),
        Serve::Revalidate { reason, .. } => {
            cache.ask(reason.fwd(), Some(reason.as_str()));
            cache.held = Some(hit);
            Found::Ask
        }
        Serve::Miss(reason) => miss(request, reason, plan, cache),
        Serve::GatewayTimeout => Found::Refused(Fault::NotStored),
    }
}

fn give_aged(
    hit: Hit,
    stored: &Stored<'_>,
    age_s: u64,
    refresh: bool,
    cache: &mut CacheUse,
) -> Found {
    cache.outcome = CacheOutcome::Hit {
        ttl_s: ttl_s(stored, age_s),
    };
    Found::Give {
        hit,
        refresh,
        age_s: Some(age_s),
    }
}

/// How long an answer of this age stays fresh; below 0 since when it is stale.
pub(super) fn ttl_s(stored: &Stored<'_>, age_s: u64) -> i64 {
    let lifetime_s = i64::from(stored.lifetime_s);
    lifetime_s.saturating_sub(i64::try_from(age_s).unwrap_or(i64::MAX))
}

fn miss(
    request: &Request<'_>,
    reason: MissReason,
    plan: &EdgeCachePlan,
    cache: &mut CacheUse,
) -> Found {
    match serve::miss(request, reason, &plan.rules) {
        Serve::GatewayTimeout => Found::Refused(Fault::NotStored),
        _ => {
            cache.ask(reason.fwd(), None);
            Found::Ask
        }
    }
}

// --- as a stage's cache -----------------------------------------------------------------------

fn by_stage(
    desk: Desk<'_>,
    plan: &StageCachePlan,
    x: &mut Exchange,
    cache: &mut CacheUse,
) -> Found {
    if key::write_stage(x, desk.stage, plan, &mut cache.key).is_none() {
        cache.key.clear();
        return Found::Pass;
    }
    cache.primary_bytes = cache.key.len();
    let namespace = Namespace(desk.stage.cache_namespace);
    cache.generation = Some(desk.owner.store().generation(namespace));
    if asks_anew(x) {
        // Until callers can be authorized, nobody is.
        match plan.unauthorized {
            _ if !plan.require_authorization => {
                // What others fetch already is not what this client asks for.
                if let Some(RouteStore { tier, .. }) = desk.call.cache {
                    tier.seat.outdate(cache.flight_key());
                }
                return Found::Ask;
            }
            Unauthorized::FailWith403 => return Found::Refused(Fault::InvalidationDenied),
            Unauthorized::SucceedWithResponseHeader => x.warns = true,
            Unauthorized::SucceedWithoutResponseHeader => {}
        }
    }
    let now = desk.call.local.core.wall();
    match fetch(desk, cache, now) {
        Some(hit) if hit.expires_s() > seconds(now) => Found::Give {
            hit,
            refresh: false,
            age_s: None,
        },
        _ => Found::Ask,
    }
}

/// The client asks for a fresh answer: the directive `max-age=0`, and no other.
fn asks_anew(x: &Exchange) -> bool {
    let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
    request.asks.max_age_s == Some(0)
}
