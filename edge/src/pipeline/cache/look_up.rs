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
    CacheOutcome, flight_key,
    give::{self, Given, Source},
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
    let desk = Desk {
        call,
        stage,
        owner: &tier.owner,
        now: call.local.core.wall(),
        keep_alive,
    };
    // Written while the rest of the exchange is read.
    let mut room = Room {
        key: std::mem::take(&mut x.cache.key),
        meta: std::mem::take(&mut x.cache.meta),
    };
    let looked = match plan {
        RouteCache::Edge(plan) => by_policy(desk, plan, conn, x, &mut room),
        RouteCache::Stage(plan) => by_stage(desk, plan, conn, x, &mut room),
    };
    x.cache.key = room.key;
    x.cache.meta = room.meta;
    looked
}

/// What the functions below look at.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) stage: &'a StagePlan,
    pub(super) owner: &'a Owner,
    pub(super) now: Wall,
    keep_alive: bool,
}

/// What they write.
pub(super) struct Room {
    pub(super) key: Vec<u8>,
    pub(super) meta: Vec<u8>,
}

/// Looks up the key in `room` and copies the record found.
fn fetch(desk: Desk<'_>, room: &mut Room) -> Option<Hit> {
    let namespace = Namespace(desk.stage.cache_namespace);
    let hash = desk.owner.hash(namespace, &room.key);
    let hit = desk
        .owner
        .lookup(namespace, hash, &room.key, seconds(desk.now))?;
    room.meta.resize(hit.meta_bytes(), 0);
    let copied = hit.copy_meta(0, &mut room.meta);
    (copied == room.meta.len()).then_some(hit)
}

/// Gives what was found.
fn answer(
    desk: Desk<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    (stored, hit): (&Stored<'_>, Hit),
    age_s: Option<u64>,
) -> Option<Given> {
    x.cache.counted = Some(true);
    let Call { local, serving, .. } = *desk.call;
    let (source, keep_alive) = (Source::Stored(hit), desk.keep_alive);
    give::give(local, serving, conn, x, source, (stored, age_s), keep_alive)
}

/// The origin is asked, and its answer may be kept.
fn ask(x: &mut Exchange) -> Looked {
    x.cache.counted = Some(false);
    Looked::Ask
}

// --- by an edge policy ------------------------------------------------------------------------

fn by_policy(
    desk: Desk<'_>,
    plan: &EdgeCachePlan,
    conn: &mut Conn,
    x: &mut Exchange,
    room: &mut Room,
) -> Looked {
    let uri = key::uri_of(x, &desk.call.peer);
    if key::write_edge(x, uri, desk.stage, &plan.key, &mut room.key).is_none() {
        x.cache.ask("bypass", Some("key-too-long"));
        return Looked::Ask;
    }
    x.cache.primary_bytes = room.key.len();
    let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
    if let Some(reason) = serve::bypasses(&request) {
        // Its answer may still make stored ones invalid.
        x.cache.ask(reason.fwd(), None);
        return Looked::Ask;
    }
    let namespace = Namespace(desk.stage.cache_namespace);
    x.cache.generation = Some(desk.owner.store().generation(namespace));
    if !plan.key.is_of_uri() {
        if mark::append(desk, plan, x, room).is_none() {
            x.cache.generation = None;
            x.cache.ask("bypass", Some("no-room"));
            return Looked::Ask;
        }
        x.cache.primary_bytes = room.key.len();
    }
    let Some(hit) = fetch(desk, room) else {
        return miss(x, MissReason::Absent, plan);
    };
    match Record::decode(&room.meta, hit.body_bytes() as u64) {
        Some(Record::Response(stored)) => judge(desk, plan, conn, x, (&stored, hit)),
        Some(Record::Variants(variants)) => {
            drop(hit);
            let uri = key::uri_of(x, &desk.call.peer);
            let (key, policy) = (&mut room.key, &plan.key);
            match key::write_variant(x, uri, desk.stage, policy, &variants, key) {
                Some(()) => by_variant(desk, plan, conn, x, room),
                None => miss(x, MissReason::Absent, plan),
            }
        }
        Some(Record::Uncacheable(note)) if note.holds(desk.now) => {
            let reason = MissReason::HitForMiss;
            x.cache.ask(reason.fwd(), Some(reason.as_str()));
            x.cache.alone = true;
            ask(x)
        }
        _ => miss(x, MissReason::Absent, plan),
    }
}

/// The key is that of a variant; only a response may lie there.
fn by_variant(
    desk: Desk<'_>,
    plan: &EdgeCachePlan,
    conn: &mut Conn,
    x: &mut Exchange,
    room: &mut Room,
) -> Looked {
    let Some(hit) = fetch(desk, room) else {
        return miss(x, MissReason::Absent, plan);
    };
    match Record::decode(&room.meta, hit.body_bytes() as u64) {
        Some(Record::Response(stored)) => judge(desk, plan, conn, x, (&stored, hit)),
        _ => miss(x, MissReason::Absent, plan),
    }
}

fn judge(
    desk: Desk<'_>,
    plan: &EdgeCachePlan,
    conn: &mut Conn,
    x: &mut Exchange,
    (stored, hit): (&Stored<'_>, Hit),
) -> Looked {
    let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
    let normalise = plan.key.normalise();
    let (age_s, refresh) = match serve::serve(&request, stored, &plan.rules, normalise, desk.now) {
        Serve::Fresh { age_s } => (age_s, false),
        Serve::Stale { age_s, refresh } => (age_s, refresh),
        Serve::Revalidate { reason, .. } => {
            x.cache.ask(reason.fwd(), Some(reason.as_str()));
            x.cache.held = Some(hit);
            return ask(x);
        }
        Serve::Miss(reason) => return miss(x, reason, plan),
        Serve::GatewayTimeout => return Looked::Refused(Fault::NotStored),
    };
    x.cache.outcome = CacheOutcome::Hit {
        ttl_s: ttl_s(stored, age_s),
    };
    Looked::Answered {
        given: answer(desk, conn, x, (stored, hit), Some(age_s)),
        refresh,
    }
}

/// How long an answer of this age stays fresh; below 0 since when it is stale.
pub(super) fn ttl_s(stored: &Stored<'_>, age_s: u64) -> i64 {
    let lifetime_s = i64::from(stored.lifetime_s);
    lifetime_s.saturating_sub(i64::try_from(age_s).unwrap_or(i64::MAX))
}

fn miss(x: &mut Exchange, reason: MissReason, plan: &EdgeCachePlan) -> Looked {
    let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
    match serve::miss(&request, reason, &plan.rules) {
        Serve::GatewayTimeout => Looked::Refused(Fault::NotStored),
        _ => {
            x.cache.ask(reason.fwd(), None);
            ask(x)
        }
    }
}

// --- as a stage's cache -----------------------------------------------------------------------

fn by_stage(
    desk: Desk<'_>,
    plan: &StageCachePlan,
    conn: &mut Conn,
    x: &mut Exchange,
    room: &mut Room,
) -> Looked {
    if key::write_stage(x, desk.stage, plan, &mut room.key).is_none() {
        room.key.clear();
        return Looked::Ask;
    }
    x.cache.primary_bytes = room.key.len();
    let namespace = Namespace(desk.stage.cache_namespace);
    x.cache.generation = Some(desk.owner.store().generation(namespace));
    if asks_anew(x) {
        // Until callers can be authorized, nobody is.
        match plan.unauthorized {
            _ if !plan.require_authorization => {
                // What others fetch already is not what this client asks for.
                if let Some(RouteStore { tier, .. }) = desk.call.cache {
                    tier.seat
                        .outdate(flight_key(&room.key, x.cache.primary_bytes));
                }
                return ask(x);
            }
            Unauthorized::FailWith403 => return Looked::Refused(Fault::InvalidationDenied),
            Unauthorized::SucceedWithResponseHeader => x.warns = true,
            Unauthorized::SucceedWithoutResponseHeader => {}
        }
    }
    let hit = fetch(desk, room).filter(|hit| hit.expires_s() > seconds(desk.now));
    let Some(hit) = hit else { return ask(x) };
    match Record::decode(&room.meta, hit.body_bytes() as u64) {
        Some(Record::Response(stored)) => Looked::Answered {
            given: answer(desk, conn, x, (&stored, hit), None),
            refresh: false,
        },
        _ => ask(x),
    }
}

/// The client asks for a fresh answer: the directive `max-age=0`, and no other.
fn asks_anew(x: &Exchange) -> bool {
    let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
    request.asks.max_age_s == Some(0)
}
