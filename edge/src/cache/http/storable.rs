//! Whether a response may be stored, and for how long it may be given.
//!
//! Shape: request, response and rules in, a [`Decision`] out; nothing is written here. Units:
//! seconds and milliseconds, as the names say. Ranges: as in `freshness`. Errors: none; every
//! doubt passes the response on unstored, with its reason. A response is decided on when its head
//! has come; that its body came whole is for the caller to see.
//! Source: RFC 9111 sections 3, 3.5, 5.2.2; RFC 5861; RFC 9213; the never-store rules.

use super::{
    facts::{Request, Response},
    freshness::{self, Lifetime},
    reason::PassReason,
    rules::{HttpCacheRules, SetCookieRule},
    vary::VaryNames,
};
use crate::wire::{Framing, Known, Method};

/// What is done with a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It is stored.
    Store(Terms),
    /// It passes.
    Pass {
        /// Why.
        reason: PassReason,
        /// For how long the key is worth remembering for it; 0: not at all.
        remember_s: u32,
    },
}

/// Under which terms a response is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// How long it is fresh, and why so.
    pub lifetime: Lifetime,
    /// How old it was when it came.
    pub initial_age_ms: u64,
    /// How long after that it may be given while it is refreshed.
    pub stale_while_revalidate_s: u32,
    /// How long after that it may be given when the origin fails.
    pub stale_if_error_s: u32,
    /// Never to be given stale because a client would take it.
    pub must_revalidate: bool,
    /// Every use needs the origin's consent.
    pub no_cache: bool,
    /// Does not change while it is fresh.
    pub immutable: bool,
}

impl Terms {
    /// How long it will be fresh from the moment it came; waiters may share it when above 0.
    #[must_use]
    pub fn fresh_for_ms(&self) -> u64 {
        if self.no_cache {
            return 0;
        }
        (u64::from(self.lifetime.seconds) * 1000).saturating_sub(self.initial_age_ms)
    }

    /// How long after it came it is worth its place.
    #[must_use]
    pub fn keep_for_ms(&self, has_validator: bool, rules: &HttpCacheRules) -> u64 {
        let lifetime_ms = u64::from(self.lifetime.seconds) * 1000;
        let asked_s = if has_validator { rules.keep_stale_s } else { 0 };
        let stale_s = self
            .stale_while_revalidate_s
            .max(self.stale_if_error_s)
            .max(asked_s);
        lifetime_ms.saturating_sub(self.initial_age_ms) + u64::from(stale_s) * 1000
    }
}

/// Decides on `response` to `request`.
#[must_use]
pub fn storable(
    request: &Request<'_>,
    response: &Response<'_>,
    rules: &HttpCacheRules,
) -> Decision {
    if request.head.method != Method::Get {
        return pass(PassReason::Method, rules);
    }
    renewable(request, response, rules)
}

/// Decides on `response`, a stored one that the answer to `request`, GET or HEAD, has updated. A
/// refusal that [`PassReason::is_of_response`] ends the stored response; any other leaves it as it
/// was.
#[must_use]
pub fn renewable(
    request: &Request<'_>,
    response: &Response<'_>,
    rules: &HttpCacheRules,
) -> Decision {
    let decided = check_request(request)
        .and_then(|()| check_message(response, rules))
        .and_then(|()| check_permission(request, response, rules))
        .and_then(|()| terms(response, rules));
    match decided {
        Ok(terms) => Decision::Store(terms),
        Err(reason) => pass(reason, rules),
    }
}

/// Whether `response` to `request`, stored or not, ends whatever is stored for their key: any whole
/// answer but a failure of the server does.
#[must_use]
pub fn outdates(request: &Request<'_>, response: &Response<'_>) -> bool {
    let is_whole = !matches!(response.head.status, 100..=199 | 206 | 304 | 416 | 500..);
    is_whole && request.head.method == Method::Get && !request.has_origin_conditions()
}

fn pass(reason: PassReason, rules: &HttpCacheRules) -> Decision {
    Decision::Pass {
        reason,
        remember_s: if reason.is_of_response() {
            rules.hit_for_miss_s
        } else {
            0
        },
    }
}

fn check_request(request: &Request<'_>) -> Result<(), PassReason> {
    if request.has_body() {
        return Err(PassReason::RequestBody);
    }
    if !request.is_retrieval() {
        return Err(PassReason::Method);
    }
    if request.has_origin_conditions() {
        return Err(PassReason::Precondition);
    }
    if request.asks.no_store {
        return Err(PassReason::RequestNoStore);
    }
    Ok(())
}

fn check_message(response: &Response<'_>, rules: &HttpCacheRules) -> Result<(), PassReason> {
    let head = response.head;
    match head.status {
        100..=199 => return Err(PassReason::Interim),
        // 416 speaks of the range that was asked for, and so of nobody else's request.
        206 | 416 => return Err(PassReason::Partial),
        304 => return Err(PassReason::NotModified),
        _ => {}
    }
    match head.framing {
        Framing::UntilClose => return Err(PassReason::CloseDelimited),
        Framing::Length(length) if length > rules.body_bytes_max => {
            return Err(PassReason::TooLarge);
        }
        _ => {}
    }
    Ok(())
}

fn check_permission(
    request: &Request<'_>,
    response: &Response<'_>,
    rules: &HttpCacheRules,
) -> Result<(), PassReason> {
    let allows = &response.allows;
    let status = response.head.status;
    if allows.malformed {
        return Err(PassReason::Malformed);
    }
    if allows.must_understand && !is_understood(status) {
        return Err(PassReason::MustUnderstand);
    }
    if allows.no_store && !allows.must_understand && !rules.overrules() {
        return Err(PassReason::NoStore);
    }
    if allows.private && !rules.overrules() {
        return Err(PassReason::Private);
    }
    let sets_cookie = response.head.fields.has(Known::SetCookie);
    if sets_cookie
        && rules.set_cookie == SetCookieRule::Pass
        && !response.withholds(Known::SetCookie.name().as_bytes())
    {
        return Err(PassReason::SetCookie);
    }
    if VaryNames::of_response(response).is_none() {
        return Err(PassReason::Vary);
    }
    let is_shareable = allows.public || allows.s_maxage_s.is_some() || allows.must_revalidate;
    if request.needs_permission() && !is_shareable {
        return Err(PassReason::Authorized);
    }
    Ok(())
}

fn terms(response: &Response<'_>, rules: &HttpCacheRules) -> Result<Terms, PassReason> {
    let allows = &response.allows;
    let lifetime = Lifetime::of(response, rules);
    let is_listed = rules.negative_ttl_s(response.head.status).is_some();
    if !lifetime.source.is_explicit() && !is_listed && !freshness::is_guessable(response) {
        return Err(PassReason::NoLifetime);
    }
    let no_cache = allows.no_cache && !rules.overrules();
    let must_revalidate = allows.must_revalidate || allows.proxy_revalidate || no_cache;
    // s-maxage forbids what nobody asked for; the extensions of RFC 5861 ask for it by name.
    let is_silent = allows.s_maxage_s.is_some();
    let window = |said: Option<u32>, otherwise: u32| match said {
        _ if must_revalidate => 0,
        Some(seconds) => rules.at_most(seconds),
        None if is_silent => 0,
        None => rules.at_most(otherwise),
    };
    let terms = Terms {
        lifetime,
        initial_age_ms: freshness::initial_age_ms(response),
        stale_while_revalidate_s: window(
            allows.stale_while_revalidate_s,
            rules.stale_while_revalidate_s,
        ),
        stale_if_error_s: window(allows.stale_if_error_s, rules.stale_if_error_s),
        must_revalidate: must_revalidate || is_silent,
        no_cache,
        immutable: allows.immutable,
    };
    // Only what can be given again is worth its place: fresh, checked, or stale with leave.
    let is_asked_for = allows.stale_if_error_s.is_some() && terms.stale_if_error_s > 0;
    let has_window = is_asked_for || terms.stale_while_revalidate_s > 0;
    if terms.fresh_for_ms() == 0 && !has_window && !response.has_validator() {
        return Err(PassReason::Useless);
    }
    Ok(terms)
}

/// The final statuses whose caching rules are implemented here: those of RFC 9110 and RFC 7538
/// that need nothing but being stored whole.
#[must_use]
pub fn is_understood(status: u16) -> bool {
    matches!(
        status,
        200..=204 | 300..=303 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505
    )
}
