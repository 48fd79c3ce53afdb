//! Whether a stored response answers a request, and what to do when its origin fails.
//!
//! Shape: request, stored response, rules and the time in, a decision out; nothing is copied and
//! nothing allocated. Units: seconds and milliseconds, as the names say. Ranges: ages saturate.
//! Errors: none; in doubt the origin is asked.
//! Source: RFC 9111 sections 4, 4.2.4, 4.3.1, 5.2.1; RFC 5861; RFC 8246.

use super::{
    directives::RequestDirectives,
    facts::Request,
    reason::{MissReason, RevalidateReason},
    record::Stored,
    rules::{HttpCacheRules, RequestDirectivesRule},
    select::Normalise,
};
use crate::base::time::Wall;

/// What a stored response is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Serve<'a> {
    /// It answers.
    Fresh {
        /// For the Age field.
        age_s: u64,
    },
    /// It answers though it is stale.
    Stale {
        /// For the Age field.
        age_s: u64,
        /// The origin is asked behind the answer: `stale-while-revalidate`. Else the client said
        /// that it takes it.
        refresh: bool,
    },
    /// The origin is asked first.
    Revalidate {
        /// What to ask with.
        validators: Validators<'a>,
        /// Why.
        reason: RevalidateReason,
    },
    /// It does not answer.
    Miss(MissReason),
    /// The client wants no other answer than a stored one, and there is none: 504.
    GatewayTimeout,
}

/// What an origin is asked with; both empty asks for the whole answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validators<'a> {
    /// Value of If-None-Match, empty for none.
    pub if_none_match: &'a [u8],
    /// Value of If-Modified-Since, empty for none.
    pub if_modified_since: &'a [u8],
}

/// Decides whether `stored` answers `request` at `now`.
#[must_use]
pub fn serve<'a>(
    request: &Request<'_>,
    stored: &Stored<'a>,
    rules: &HttpCacheRules,
    normalise: Normalise,
    now: Wall,
) -> Serve<'a> {
    if let Some(reason) = bypasses(request) {
        return Serve::Miss(reason);
    }
    if !stored
        .selecting
        .matches(&request.head.fields, request.bytes, normalise)
    {
        return miss(request, MissReason::Vary, rules);
    }
    let asks = honoured(request, rules);
    let age_ms = stored.age_ms(now);
    let age_s = age_ms / 1000;
    let reason = match judge(&asks, stored, age_ms) {
        Verdict::Fresh => return Serve::Fresh { age_s },
        Verdict::Stale { refresh } => return Serve::Stale { age_s, refresh },
        Verdict::Ask(reason) => reason,
    };
    if asks.only_if_cached {
        return Serve::GatewayTimeout;
    }
    let validators = Validators {
        if_none_match: stored.etag,
        if_modified_since: stored.last_modified,
    };
    Serve::Revalidate { validators, reason }
}

/// What happens to a request that no stored response answers.
#[must_use]
pub fn miss<'a>(request: &Request<'_>, reason: MissReason, rules: &HttpCacheRules) -> Serve<'a> {
    if honoured(request, rules).only_if_cached && bypasses(request).is_none() {
        Serve::GatewayTimeout
    } else {
        Serve::Miss(reason)
    }
}

/// Why `request` goes to its origin whatever is stored.
#[must_use]
pub fn bypasses(request: &Request<'_>) -> Option<MissReason> {
    if !request.is_retrieval() {
        return Some(if request.has_body() {
            MissReason::RequestBody
        } else {
            MissReason::Method
        });
    }
    request
        .has_origin_conditions()
        .then_some(MissReason::Precondition)
}

/// How an origin failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// No answer came: not connected, timed out, broken off, or no HTTP.
    Unreachable,
    /// This status came.
    Status(u16),
}

/// What to do when an origin failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// The stored response is given.
    Stale {
        /// For the Age field.
        age_s: u64,
    },
    /// 504: what is stored may not be given without its origin's word.
    GatewayTimeout,
    /// The failure is the answer.
    Forward,
}

/// Decides what answers `request` when the origin of `stored` failed.
#[must_use]
pub fn on_failure(
    request: &Request<'_>,
    stored: &Stored<'_>,
    rules: &HttpCacheRules,
    failure: Failure,
    now: Wall,
) -> OnFailure {
    let is_failure = match failure {
        Failure::Unreachable => true,
        Failure::Status(status) => matches!(status, 500 | 502 | 503 | 504),
    };
    let asks = honoured(request, rules);
    let age_ms = stored.age_ms(now);
    let stale_ms = age_ms.saturating_sub(stored.lifetime_ms());
    let asked_s = match asks.stale_if_error_s {
        Some(seconds) if !stored.must_revalidate => rules.at_most(seconds),
        _ => 0,
    };
    let window_ms = u64::from(stored.stale_if_error_s.max(asked_s)) * 1000;
    let is_allowed = !stored.no_cache && !asks.no_cache && stale_ms < window_ms;
    if is_failure && is_allowed {
        OnFailure::Stale {
            age_s: age_ms / 1000,
        }
    } else if failure == Failure::Unreachable && (stored.must_revalidate || stored.no_cache) {
        OnFailure::GatewayTimeout
    } else {
        OnFailure::Forward
    }
}

enum Verdict {
    Fresh,
    Stale { refresh: bool },
    Ask(RevalidateReason),
}

fn judge(asks: &RequestDirectives, stored: &Stored<'_>, age_ms: u64) -> Verdict {
    if stored.no_cache {
        return Verdict::Ask(RevalidateReason::NoCache);
    }
    if asks.no_cache {
        return Verdict::Ask(RevalidateReason::Request);
    }
    let lifetime_ms = stored.lifetime_ms();
    let is_fresh = lifetime_ms > age_ms;
    let within = |limit_s: Option<u32>, ms: u64| {
        limit_s.is_none_or(|limit_s| ms <= u64::from(limit_s).saturating_mul(1000))
    };
    // A reload of what will not change needs no origin: RFC 8246.
    let is_reload = asks.max_age_s == Some(0) && stored.immutable && is_fresh;
    if !is_reload && !within(asks.max_age_s, age_ms) {
        return Verdict::Ask(RevalidateReason::Request);
    }
    let left_ms = lifetime_ms.saturating_sub(age_ms);
    let min_fresh_ms = u64::from(asks.min_fresh_s.unwrap_or(0)) * 1000;
    if is_fresh && left_ms >= min_fresh_ms {
        return Verdict::Fresh;
    }
    if is_fresh || asks.min_fresh_s.is_some() {
        return Verdict::Ask(RevalidateReason::Request);
    }
    let stale_ms = age_ms.saturating_sub(lifetime_ms);
    if stale_ms < u64::from(stored.stale_while_revalidate_s) * 1000 && asks.max_age_s.is_none() {
        return Verdict::Stale { refresh: true };
    }
    let takes_stale = asks.max_stale_s.is_some() && within(asks.max_stale_s, stale_ms);
    if takes_stale && !stored.must_revalidate {
        return Verdict::Stale { refresh: false };
    }
    Verdict::Ask(RevalidateReason::Stale)
}

/// What a request asks, as far as the rules listen.
fn honoured(request: &Request<'_>, rules: &HttpCacheRules) -> RequestDirectives {
    match rules.request_directives {
        RequestDirectivesRule::Honour => request.asks,
        RequestDirectivesRule::Ignore => RequestDirectives::default(),
    }
}
