//! How long a response lives and how old it is.
//!
//! Shape: facts and rules in, numbers out. Units: seconds for lifetimes, milliseconds for ages, so
//! that no age is rounded before it is compared. Ranges: lifetimes up to 2^31 s; arithmetic
//! saturates. Errors: none; what cannot be read makes the response old.
//! Source: RFC 9111 sections 4.2.1 to 4.2.3; the time-to-live table of CDN cache policies.

use super::{directives::SECONDS_MAX, facts::Response, rules::HttpCacheRules};
use crate::base::time::Wall;

/// A lifetime and what gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetime {
    /// How long the response is fresh, counted from its making.
    pub seconds: u32,
    /// Where the number comes from, before it was bounded by the rules.
    pub source: LifetimeSource,
}

/// Where a lifetime comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LifetimeSource {
    /// `s-maxage`
    SMaxage,
    /// `max-age`
    MaxAge,
    /// Expires less Date
    Expires,
    /// The rules' table of errors
    Negative,
    /// The rules' default
    Default,
    /// A share of Date less Last-Modified
    Heuristic,
    /// Nothing says a lifetime: stale from the start.
    Nothing,
}

impl LifetimeSource {
    /// Whether the origin said it.
    #[must_use]
    pub fn is_explicit(self) -> bool {
        use LifetimeSource::{Expires, MaxAge, SMaxage};
        matches!(self, SMaxage | MaxAge | Expires)
    }

    /// Its name in explanations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LifetimeSource::SMaxage => "s-maxage",
            LifetimeSource::MaxAge => "max-age",
            LifetimeSource::Expires => "expires",
            LifetimeSource::Negative => "negative",
            LifetimeSource::Default => "default",
            LifetimeSource::Heuristic => "heuristic",
            LifetimeSource::Nothing => "nothing",
        }
    }
}

impl Lifetime {
    /// The lifetime of `response` under `rules`.
    #[must_use]
    pub fn of(response: &Response<'_>, rules: &HttpCacheRules) -> Lifetime {
        let status = response.head.status;
        let found = explicit(response)
            .or_else(|| chosen(response, rules))
            .or_else(|| heuristic(response, rules))
            .unwrap_or(Lifetime {
                seconds: 0,
                source: LifetimeSource::Nothing,
            });
        // A least lifetime is for what was asked for; errors have a table of their own.
        let is_raised = status < 400 && (found.source.is_explicit() || is_guessable(response));
        let least = if is_raised { rules.ttl_min_s } else { 0 };
        Lifetime {
            seconds: rules.at_most(found.seconds.max(least)),
            ..found
        }
    }
}

fn explicit(response: &Response<'_>) -> Option<Lifetime> {
    let allows = &response.allows;
    let (seconds, source) = if let Some(seconds) = allows.s_maxage_s {
        (seconds, LifetimeSource::SMaxage)
    } else if let Some(seconds) = allows.max_age_s {
        (seconds, LifetimeSource::MaxAge)
    } else if response.is_targeted {
        return None;
    } else {
        let date_s = response.date_s().unwrap_or(response.response_time_s());
        let seconds = response.expires_s()?.saturating_sub(date_s);
        (bounded(seconds), LifetimeSource::Expires)
    };
    Some(Lifetime { seconds, source })
}

fn chosen(response: &Response<'_>, rules: &HttpCacheRules) -> Option<Lifetime> {
    let status = response.head.status;
    if let Some(seconds) = rules.negative_ttl_s(status) {
        let source = LifetimeSource::Negative;
        return Some(Lifetime { seconds, source });
    }
    let applies = rules.ttl_default_s > 0 && status < 400 && is_guessable(response);
    applies.then_some(Lifetime {
        seconds: rules.ttl_default_s,
        source: LifetimeSource::Default,
    })
}

fn heuristic(response: &Response<'_>, rules: &HttpCacheRules) -> Option<Lifetime> {
    if !is_guessable(response) || rules.heuristic_percent == 0 {
        return None;
    }
    let date_s = response.date_s().unwrap_or(response.response_time_s());
    let unchanged_s = date_s.saturating_sub(response.last_modified_s()?).max(0);
    let share_s = unchanged_s.saturating_mul(i64::from(rules.heuristic_percent)) / 100;
    Some(Lifetime {
        seconds: bounded(share_s).min(rules.heuristic_max_s),
        source: LifetimeSource::Heuristic,
    })
}

/// Whether a lifetime may be guessed: for statuses that allow it, or where `public` does.
#[must_use]
pub fn is_guessable(response: &Response<'_>) -> bool {
    is_heuristically_cacheable(response.head.status) || response.allows.public
}

/// The statuses that RFC 9110 section 15.1 calls heuristically cacheable.
#[must_use]
pub fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(
        status,
        200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// How old `response` was when it came: `corrected_initial_age`.
#[must_use]
pub fn initial_age_ms(response: &Response<'_>) -> u64 {
    // Date has whole seconds, so only whole seconds can be told from it.
    let apparent_s = response.date_s().map_or(0, |date_s| {
        response.response_time_s().saturating_sub(date_s).max(0)
    });
    let apparent_ms = u64::from(bounded(apparent_s)) * 1000;
    let delay_ms = since_ms(response.request_time, response.response_time);
    let corrected_ms = (u64::from(response.age_s()) * 1000).saturating_add(delay_ms);
    apparent_ms.max(corrected_ms)
}

/// Milliseconds from `earlier` to `later`; 0 when the clock was set back between them.
#[must_use]
pub fn since_ms(earlier: Wall, later: Wall) -> u64 {
    later.0.saturating_sub(earlier.0)
}

fn bounded(seconds: i64) -> u32 {
    u32::try_from(seconds.clamp(0, i64::from(SECONDS_MAX))).unwrap_or(SECONDS_MAX)
}
