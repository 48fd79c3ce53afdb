//! What an origin's answer does to the store.
//!
//! What it is: decides, when the answer's head has come, whether it is kept, renews what is held,
//! or makes stored answers invalid; stores it when its body has come whole. Shape: [`Came`] and
//! [`Fill`]. Units: seconds, bytes. Errors: none; what cannot be stored passes.
//! Source: RFC 9111 sections 3, 4.3 and 4.4; RFC 5861.

use super::{
    super::{
        exchange::Exchange,
        forward::{Call, RouteStore},
    },
    CacheOutcome, CacheUse, Tier, key,
    look_up::{CALLER, ttl_s},
    mark, seconds,
};
use crate::{
    cache::{
        Hit, Insert, Namespace, Owner,
        collapse::{Ended, Leader, Seat},
        http::{
            encode::{self, Draft},
            facts::{Request, Response},
            freshen::{self, Fit, HeadEffect, Scratch},
            freshness::{Lifetime, LifetimeSource},
            hash::{Uri, uri_tag},
            invalidate,
            key::turn_primary,
            record::{Record, Stored},
            rules::HttpCacheRules,
            select::Normalise,
            serve::{self, Failure, OnFailure},
            storable::{self, Decision, Terms},
            vary::VaryNames,
        },
    },
    plan::{EdgeCachePlan, RouteCache, StageCachePlan, StagePlan},
    telemetry::metrics::Metric,
    wire::{Framing, Known, Method},
};

/// An answer on its way into the store.
pub(in super::super) struct Fill {
    meta: Vec<u8>,
    /// Times in seconds since 1970.
    stored_s: u32,
    expires_s: u32,
    keep_until_s: u32,
    body_bytes_max: usize,
    /// It is fresh: those who wait for it may have it.
    shared: bool,
}

/// What to do with an answer whose head has come.
pub(in super::super) enum Came {
    /// It goes to the client; a copy of its body may be wanted, see [`Fill`].
    Pass,
    /// What is held answers instead, `age_s` old.
    Held { hit: Hit, age_s: Option<u64> },
}

/// Room for a record. Longer ones are not kept: their head could not be sent in one buffer.
const META_BYTES_MAX: usize = 12 * 1024;

/// Judges the answer in `x`.
pub(in super::super) fn answer_came(call: &Call<'_>, x: &mut Exchange) -> Came {
    let Some(RouteStore { plan, stage, tier }) = call.cache else {
        return Came::Pass;
    };
    if x.cache.key.is_empty() {
        return Came::Pass;
    }
    let mut cache = std::mem::take(&mut x.cache);
    let desk = Desk::new(call, stage, tier);
    let came = match plan {
        RouteCache::Edge(plan) => desk.by_policy(plan, x, &mut cache),
        RouteCache::Stage(plan) => desk.by_stage(plan, x, &mut cache),
    };
    match (&cache.fill, &came) {
        (Some(fill), _) if fill.shared => {
            let length = match x.answer.framing {
                Framing::Length(length) => Some(length),
                Framing::None => Some(0),
                Framing::Chunked | Framing::UntilClose => None, // known at its end
            };
            if let (Some(lead), Some(length)) = (&cache.lead, length) {
                lead.begin(&fill.meta, length);
            }
        }
        (_, came) => {
            let how = match came {
                Came::Held { .. } => Ended::Stored,
                Came::Pass => Ended::Private,
            };
            if let Some(lead) = cache.lead.take() {
                lead.end(how);
            }
        }
    }
    x.cache = cache;
    came
}

/// Hands what was copied of a body to whoever waits for it; `false` when it is too long to keep.
pub(in super::super) fn pass_on(
    lead: Option<&Leader>,
    copied: &mut Option<Vec<u8>>,
    bytes_max: usize,
) -> bool {
    let Some(copy) = copied else { return true };
    let Some(lead) = lead else {
        return copy.len() <= bytes_max;
    };
    if copy.is_empty() {
        return true;
    }
    lead.append(copy);
    copy.clear();
    let fits = lead.body_bytes() <= bytes_max;
    if !fits {
        lead.keep_private(); // its followers need not wait for the end of something they cannot use
    }
    fits
}

struct Desk<'a> {
    call: &'a Call<'a>,
    stage: &'a StagePlan,
    owner: &'a Owner,
    seat: &'a Seat,
}

impl<'a> Desk<'a> {
    fn new(call: &'a Call<'a>, stage: &'a StagePlan, tier: &'a Tier) -> Desk<'a> {
        Desk {
            call,
            stage,
            owner: &tier.owner,
            seat: &tier.seat,
        }
    }
}

impl Desk<'_> {
    fn by_policy(&self, plan: &EdgeCachePlan, x: &Exchange, cache: &mut CacheUse) -> Came {
        let now = self.call.local.core.wall();
        let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
        let bytes = x.answer_bytes.bytes();
        let response = Response::new(&x.answer, bytes, cache.asked_at, now, &plan.rules);
        if invalidate::invalidates(x.head.method, x.answer.status) {
            self.invalidate(plan, x, &response, cache);
            return Came::Pass;
        }
        if cache.generation.is_none() {
            return Came::Pass; // the store took no part
        }
        if let Some(hit) = cache.held.take() {
            let meta = std::mem::take(&mut cache.meta);
            if let Some(Record::Response(stored)) = Record::decode(&meta, hit.body_bytes() as u64) {
                if x.answer.status == 304 {
                    return self.renew(plan, (&request, &response), (&stored, hit), cache);
                }
                let failure = Failure::Status(x.answer.status);
                if let OnFailure::Stale { age_s } =
                    serve::on_failure(&request, &stored, &plan.rules, failure, now)
                {
                    let ttl_s = ttl_s(&stored, age_s);
                    cache.outcome = CacheOutcome::StaleIfError { ttl_s };
                    cache.meta = meta;
                    self.call.local.metrics.cell(Metric::CacheStale).add(1);
                    return Came::Held {
                        hit,
                        age_s: Some(age_s),
                    };
                }
                if x.head.method == Method::Head {
                    let both = (&request, &response);
                    self.head_came(plan, both, (&stored, &hit), cache);
                }
            }
            cache.meta = meta;
        }
        match storable::storable(&request, &response, &plan.rules) {
            Decision::Store(terms) => self.begin(plan, (&request, &response), &terms, x, cache),
            Decision::Pass { reason, remember_s } => {
                if let CacheOutcome::Miss { detail, .. } = &mut cache.outcome {
                    *detail = detail.or(Some(reason.as_str()));
                }
                if remember_s > 0 && request.is_retrieval() {
                    turn_primary(&mut cache.key, cache.primary_bytes);
                    self.note_uncacheable(reason, remember_s, cache);
                }
            }
        }
        Came::Pass
    }

    /// A 304 came: what is held is as good as new, with the fields that came along.
    fn renew(
        &self,
        plan: &EdgeCachePlan,
        (request, update): (&Request<'_>, &Response<'_>),
        (stored, hit): (&Stored<'_>, Hit),
        cache: &mut CacheUse,
    ) -> Came {
        let mut scratch = Scratch::default();
        let merged = match freshen::fit(update, stored) {
            Fit::Other => None,
            Fit::Strong | Fit::Weak | Fit::Lone => scratch.merge(stored, update, &plan.rules),
        };
        let Some(merged) = merged else {
            cache.outcome = CacheOutcome::RefreshHit;
            return self.hold(stored, hit, cache);
        };
        let terms = match storable::storable(request, &merged, &plan.rules) {
            Decision::Store(terms) => terms,
            Decision::Pass { .. } => {
                self.owner.remove(self.namespace(), &cache.key);
                cache.outcome = CacheOutcome::RefreshHit;
                return self.hold(stored, hit, cache);
            }
        };
        let Some(meta) = self.rewrite(plan, (request, &merged), &terms, (stored, &hit), cache)
        else {
            return self.hold(stored, hit, cache);
        };
        cache.outcome = CacheOutcome::RefreshHit;
        cache.meta = meta;
        Came::Held { hit, age_s: None }
    }

    /// The answer to a HEAD came: what is stored for GET has changed, or is updated by it.
    fn head_came(
        &self,
        plan: &EdgeCachePlan,
        (request, update): (&Request<'_>, &Response<'_>),
        (stored, hit): (&Stored<'_>, &Hit),
        cache: &mut CacheUse,
    ) {
        let is_kept = match freshen::head_effect(update, stored) {
            HeadEffect::Nothing => return,
            HeadEffect::Outdate => false,
            HeadEffect::Update => {
                let mut scratch = Scratch::default();
                let merged = scratch.merge(stored, update, &plan.rules);
                let decided = merged.as_ref().map(|merged| {
                    let decision = storable::renewable(request, merged, &plan.rules);
                    (merged, decision)
                });
                match decided {
                    Some((merged, Decision::Store(terms))) => {
                        self.rewrite(plan, (request, merged), &terms, (stored, hit), cache);
                        true
                    }
                    // What forbids this request alone says nothing about the stored response.
                    Some((_, Decision::Pass { reason, .. })) => !reason.is_of_response(),
                    None => false,
                }
            }
        };
        if !is_kept {
            self.owner.remove(self.namespace(), &cache.key);
        }
    }

    /// Stores the body of `hit` once more under the head `merged`; gives the new record.
    fn rewrite(
        &self,
        plan: &EdgeCachePlan,
        (request, merged): (&Request<'_>, &Response<'_>),
        terms: &Terms,
        (stored, hit): (&Stored<'_>, &Hit),
        cache: &CacheUse,
    ) -> Option<Vec<u8>> {
        let draft = Draft {
            request,
            response: merged,
            terms,
            normalise: plan.key.normalise(),
            // The first of a record's tags is its URI's.
            uri_tag: stored.tags().next().unwrap_or(0),
            body_bytes: Some(stored.body_bytes),
            is_dated: true,
        };
        let mut meta = vec![0; META_BYTES_MAX];
        let len = draft.write(&mut meta).ok()?;
        meta.truncate(len);
        let now_s = seconds(merged.response_time);
        let (expires_s, keep_until_s) = lasts(terms, &plan.rules, now_s, true);
        let mut body = vec![0; hit.body_bytes()];
        let copied = hit.copy_body(0, &mut body);
        if copied == body.len() {
            let times = (now_s, expires_s, keep_until_s);
            self.insert(cache, (&meta, &body), times);
        }
        Some(meta)
    }

    /// What is held is given as it is.
    fn hold(&self, stored: &Stored<'_>, hit: Hit, cache: &mut CacheUse) -> Came {
        let mut meta = vec![0; hit.meta_bytes()];
        hit.copy_meta(0, &mut meta);
        cache.meta = meta;
        let age_ms = stored.age_ms(self.call.local.core.wall());
        Came::Held {
            hit,
            age_s: Some(age_ms / 1000),
        }
    }

    /// Prepares the store for the body that comes.
    fn begin(
        &self,
        plan: &EdgeCachePlan,
        (request, response): (&Request<'_>, &Response<'_>),
        terms: &Terms,
        x: &Exchange,
        cache: &mut CacheUse,
    ) {
        let Some(names) = VaryNames::of_response(response) else {
            return;
        };
        let uri = key::uri_of(x, &self.call.peer);
        turn_primary(&mut cache.key, cache.primary_bytes);
        if !names.is_empty() && self.choose_variant(plan, &names, x, cache).is_none() {
            return;
        }
        let draft = Draft {
            request,
            response,
            terms,
            normalise: plan.key.normalise(),
            uri_tag: uri_tag(&self.stage.cache_scope, &uri),
            body_bytes: None,
            is_dated: true,
        };
        let has_validator = response.has_validator();
        if let Some(fill) = self.fill(&draft, &plan.rules, has_validator) {
            cache.fill = Some(fill);
            if let CacheOutcome::Miss { stored, .. } = &mut cache.outcome {
                *stored = true;
            }
        }
    }

    /// Extends the key to the variant that the request selects; the list of variants is written
    /// if it is not there with these names.
    fn choose_variant(
        &self,
        plan: &EdgeCachePlan,
        names: &VaryNames<'_>,
        x: &Exchange,
        cache: &mut CacheUse,
    ) -> Option<()> {
        let now_s = seconds(self.call.local.core.wall());
        let uri = key::uri_of(x, &self.call.peer);
        let (policy, namespace) = (&plan.key, self.namespace());
        let hash = self.owner.hash(namespace, &cache.key);
        let mut known = Vec::new();
        if let Some(hit) = self.owner.lookup(namespace, hash, &cache.key, now_s) {
            known.resize(hit.meta_bytes(), 0);
            hit.copy_meta(0, &mut known);
        }
        if let Some(Record::Variants(variants)) = Record::decode(&known, 0)
            && variants.names.is_same(names)
        {
            return key::write_variant(x, uri, self.stage, policy, &variants, &mut cache.key);
        }
        let nonce = self.call.local.core.random();
        let mut meta = vec![0; META_BYTES_MAX];
        let len = encode::write_variants(names, nonce, &mut meta).ok()?;
        meta.truncate(len);
        let keep_until_s = now_s.saturating_add(plan.rules.ttl_max_s);
        let times = (now_s, keep_until_s, keep_until_s);
        self.insert(cache, (&meta, &[]), times);
        let Some(Record::Variants(variants)) = Record::decode(&meta, 0) else {
            return None;
        };
        key::write_variant(x, uri, self.stage, policy, &variants, &mut cache.key)
    }

    fn note_uncacheable(
        &self,
        reason: crate::cache::http::reason::PassReason,
        remember_s: u32,
        cache: &mut CacheUse,
    ) {
        let now = self.call.local.core.wall();
        let mut meta = [0; 256];
        if let Ok(len) = encode::write_uncacheable(reason, now, remember_s, &mut meta) {
            let until_s = seconds(now).saturating_add(remember_s);
            let times = (seconds(now), until_s, until_s);
            let meta = meta.get(..len).unwrap_or(&[]);
            self.insert(cache, (meta, &[]), times);
        }
    }

    /// An unsafe request succeeded: what is stored of its URI, and of those its answer names on
    /// the same origin, is gone.
    fn invalidate(
        &self,
        plan: &EdgeCachePlan,
        x: &Exchange,
        response: &Response<'_>,
        cache: &mut CacheUse,
    ) {
        let base = key::uri_of(x, &self.call.peer);
        self.invalidate_uri(plan, x, base, cache);
        let mut room = [0; 8 * 1024];
        for reference in invalidate::references(response) {
            if let Some(same) = invalidate::resolve(&base, reference, &mut room) {
                let uri = Uri {
                    path: same.path,
                    query: same.query,
                    ..base
                };
                self.invalidate_uri(plan, x, uri, cache);
            }
        }
        cache.key.clear();
    }

    /// Makes every answer of `uri` unreachable: the variants go with their list, and where the key
    /// has more than the URI in it, all of its keys with their mark.
    fn invalidate_uri(
        &self,
        plan: &EdgeCachePlan,
        x: &Exchange,
        uri: Uri<'_>,
        cache: &mut CacheUse,
    ) {
        if !plan.key.is_of_uri() {
            return mark::remove(self.owner, x, uri, (self.stage, &plan.key), &mut cache.key);
        }
        if key::write_edge(x, uri, self.stage, &plan.key, &mut cache.key).is_some() {
            cache.primary_bytes = cache.key.len();
            self.seat.outdate(cache.flight_key());
            self.owner.remove(self.namespace(), &cache.key);
        }
    }

    fn by_stage(&self, plan: &StageCachePlan, x: &Exchange, cache: &mut CacheUse) -> Came {
        let now = self.call.local.core.wall();
        if x.answer.framing == Framing::UntilClose || matches!(x.answer.status, 206 | 304) {
            return Came::Pass; // a part, nothing, or nobody could tell whether it came whole
        }
        let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
        let rules = HttpCacheRules::default();
        let bytes = x.answer_bytes.bytes();
        let response = Response::new(&x.answer, bytes, cache.asked_at, now, &rules);
        let terms = Terms {
            lifetime: Lifetime {
                seconds: plan.ttl_s,
                source: LifetimeSource::Default,
            },
            initial_age_ms: 0,
            stale_while_revalidate_s: 0,
            stale_if_error_s: 0,
            must_revalidate: true,
            no_cache: false,
            immutable: false,
        };
        let draft = Draft {
            request: &request,
            response: &response,
            terms: &terms,
            normalise: Normalise::default(),
            uri_tag: 0,
            body_bytes: None,
            is_dated: false,
        };
        cache.fill = self.fill(&draft, &rules, false);
        Came::Pass
    }

    fn fill(&self, draft: &Draft<'_>, rules: &HttpCacheRules, validator: bool) -> Option<Fill> {
        let mut meta = vec![0; META_BYTES_MAX];
        let len = draft.write(&mut meta).ok()?;
        meta.truncate(len);
        let stored_s = seconds(draft.response.response_time);
        let (expires_s, keep_until_s) = lasts(draft.terms, rules, stored_s, validator);
        let body_bytes_max = self.owner.store().object_bytes_max() as usize;
        Some(Fill {
            meta,
            stored_s,
            expires_s,
            keep_until_s,
            body_bytes_max,
            shared: draft.terms.fresh_for_ms() > 0,
        })
    }

    fn namespace(&self) -> Namespace {
        Namespace(self.stage.cache_namespace)
    }

    /// Stores under the key of `cache`, unless that was flushed, purged or invalidated since its
    /// origin was asked.
    fn insert(
        &self,
        cache: &CacheUse,
        (meta, body): (&[u8], &[u8]),
        (stored_s, expires_s, keep_until_s): (u32, u32, u32),
    ) {
        let (Some(generation), key) = (cache.generation, &*cache.key) else {
            return;
        };
        let is_outdated = || self.seat.outdated(cache.flight_key()) != cache.outdated;
        if is_outdated() {
            return;
        }
        let namespace = self.namespace();
        let insert = Insert {
            namespace,
            generation,
            key,
            meta,
            body: &[body],
            stored_s,
            expires_s,
            keep_until_s,
        };
        // What is not stored is fetched again, and the store counts it.
        let _ = self.owner.insert(&insert, stored_s);
        if is_outdated() {
            // Whoever invalidated it meanwhile counted first and then removed, maybe before this.
            self.owner.remove(namespace, key);
        }
    }
}

/// When an answer turns stale, and when it is of no use any more.
fn lasts(terms: &Terms, rules: &HttpCacheRules, stored_s: u32, validator: bool) -> (u32, u32) {
    let fresh_s = u32::try_from(terms.fresh_for_ms() / 1000).unwrap_or(u32::MAX);
    let expires_s = stored_s.saturating_add(fresh_s);
    let stale_s = terms.stale_while_revalidate_s.max(terms.stale_if_error_s);
    // A 304 costs the origin little: what can be validated is worth its room for a day.
    let useful_s = stale_s.max(if validator { VALIDATED_S } else { 0 });
    let keep_until_s = expires_s.saturating_add(useful_s.min(rules.ttl_max_s));
    (expires_s, keep_until_s.max(stored_s.saturating_add(1)))
}

const VALIDATED_S: u32 = 86_400;

/// Whether the origin's silence may be covered by what is held.
pub(in super::super) fn origin_failed(call: &Call<'_>, x: &mut Exchange) -> Option<(Hit, u64)> {
    let RouteCache::Edge(plan) = call.cache?.plan else {
        return None;
    };
    let hit = x.cache.held.take()?;
    let meta = std::mem::take(&mut x.cache.meta);
    let now = call.local.core.wall();
    let request = Request::new(&x.head, x.head_bytes.bytes(), CALLER);
    let stale = match Record::decode(&meta, hit.body_bytes() as u64) {
        Some(Record::Response(stored)) => {
            let failure = Failure::Unreachable;
            match serve::on_failure(&request, &stored, &plan.rules, failure, now) {
                OnFailure::Stale { age_s } => Some((age_s, ttl_s(&stored, age_s))),
                OnFailure::GatewayTimeout | OnFailure::Forward => None,
            }
        }
        _ => None,
    };
    x.cache.meta = meta;
    let (age_s, ttl_s) = stale?;
    x.cache.outcome = CacheOutcome::StaleIfError { ttl_s };
    call.local.metrics.cell(Metric::CacheStale).add(1);
    Some((hit, age_s))
}

impl Fill {
    /// The answer's body is at most this long; longer ones are not kept.
    pub(in super::super) fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }
}

/// Stores the answer in `x`, whose whole body is in `body`, or with those who wait for it.
pub(in super::super) fn finish(call: &Call<'_>, x: &mut Exchange, body: &[u8]) {
    let (Some(fill), Some(store)) = (x.cache.fill.take(), call.cache) else {
        return;
    };
    let RouteStore { stage, tier, .. } = store;
    let desk = Desk::new(call, stage, tier);
    let times = (fill.stored_s, fill.expires_s, fill.keep_until_s);
    let lead = x.cache.lead.take();
    let insert = |body: &[u8]| desk.insert(&x.cache, (&fill.meta, body), times);
    match lead {
        None => insert(body),
        Some(lead) => {
            lead.append(body);
            lead.with_body(insert);
            lead.begin(&fill.meta, lead.body_bytes() as u64);
            lead.end(Ended::Whole);
        }
    }
}

/// What a request asks its origin instead of its client's own conditions.
pub(in super::super) fn replaces_condition(x: &Exchange, known: Known) -> bool {
    (x.cache.is_validating() || x.cache.whole)
        && matches!(
            known,
            Known::IfNoneMatch | Known::IfModifiedSince | Known::Range | Known::IfRange
        )
}

/// The validators of what is held: entity tag and date, empty for none.
pub(in super::super) fn validators(x: &Exchange) -> (&[u8], &[u8]) {
    let Some(hit) = &x.cache.held else {
        return (&[], &[]);
    };
    match Record::decode(&x.cache.meta, hit.body_bytes() as u64) {
        Some(Record::Response(stored)) if x.head.method != Method::Head => {
            (stored.etag, stored.last_modified)
        }
        _ => (&[], &[]),
    }
}
