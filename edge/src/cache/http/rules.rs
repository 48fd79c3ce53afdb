//! The rules of one edge cache policy, resolved: what an operator may choose.
//!
//! Shape: plain numbers and small enums, built once with a plan. Units: seconds and bytes, as the
//! names say. Ranges: any; [`HttpCacheRules::default`] is RFC 9111 as it stands. Errors: none.
//! Source: RFC 9111; RFC 5861; the time-to-live table of CDN cache policies.

use super::directives::SECONDS_MAX;

/// How responses are kept and given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpCacheRules {
    /// Least lifetime of an answer below 400, whatever the origin says; 0 leaves the origin its
    /// word. It never touches what may not be stored, unless [`Self::ttl_min_overrides`].
    pub ttl_min_s: u32,
    /// Lifetime of an answer below 400 that says nothing about it; 0 leaves it to the heuristic.
    pub ttl_default_s: u32,
    /// Greatest lifetime, and greatest time that a stale answer may be given. One year.
    pub ttl_max_s: u32,
    /// `no-cache`, `no-store` and `private` are stored too, for [`Self::ttl_min_s`], as the table
    /// has it for a minimum above 0. Off: this is the one rule that overrules an origin's
    /// prohibition, and it must be asked for by name.
    pub ttl_min_overrides: bool,
    /// Share of the time since Last-Modified that counts as lifetime where nothing says one: 10.
    pub heuristic_percent: u8,
    /// Greatest lifetime of that kind: one day.
    pub heuristic_max_s: u32,
    /// Lifetimes of errors that say nothing about it: none.
    pub negative: Vec<NegativeTtl>,
    /// `stale-while-revalidate` of answers that do not say: 0.
    pub stale_while_revalidate_s: u32,
    /// `stale-if-error` of answers that do not say: one day. An answer says no with
    /// `stale-if-error=0`, `must-revalidate`, `proxy-revalidate`, `s-maxage` or `no-cache`.
    pub stale_if_error_s: u32,
    /// How long past its freshness a response is kept because its origin can be asked about it: one
    /// day.
    pub keep_stale_s: u32,
    /// What a client's Cache-Control and Pragma do: nothing, since a shared cache protects its
    /// origin. `no-store` is obeyed all the same.
    pub request_directives: RequestDirectivesRule,
    /// What happens to answers with Set-Cookie: they pass.
    pub set_cookie: SetCookieRule,
    /// Whether CDN-Cache-Control replaces Cache-Control and Expires here: yes.
    pub targeted: bool,
    /// For how long it is remembered that a key's answers cannot be stored: 120.
    pub hit_for_miss_s: u32,
    /// Largest body that is stored: 1 GiB.
    pub body_bytes_max: u64,
}

/// The lifetime of errors of one status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NegativeTtl {
    /// 400 to 599.
    pub status: u16,
    /// 0 switches it off.
    pub ttl_s: u32,
}

/// What a client's directives do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RequestDirectivesRule {
    /// Nothing.
    #[default]
    Ignore,
    /// What RFC 9111 section 5.2.1 says.
    Honour,
}

/// What happens to answers with Set-Cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SetCookieRule {
    /// They are not stored.
    #[default]
    Pass,
    /// They are stored with their cookie, as RFC 9111 section 7.3 allows: for origins whose
    /// cookies say nothing of anybody.
    Store,
}

impl Default for HttpCacheRules {
    fn default() -> HttpCacheRules {
        HttpCacheRules {
            ttl_min_s: 0,
            ttl_default_s: 0,
            ttl_max_s: 31_536_000,
            ttl_min_overrides: false,
            heuristic_percent: 10,
            heuristic_max_s: 86_400,
            negative: Vec::new(),
            stale_while_revalidate_s: 0,
            stale_if_error_s: 86_400,
            keep_stale_s: 86_400,
            request_directives: RequestDirectivesRule::Ignore,
            set_cookie: SetCookieRule::Pass,
            targeted: true,
            hit_for_miss_s: 120,
            body_bytes_max: 1 << 30,
        }
    }
}

impl HttpCacheRules {
    /// The lifetime chosen for errors of `status`; `None` where there is none.
    #[must_use]
    pub fn negative_ttl_s(&self, status: u16) -> Option<u32> {
        self.negative
            .iter()
            .find(|row| row.status == status && row.ttl_s > 0 && status >= 400)
            .map(|row| row.ttl_s)
    }

    /// `seconds`, at most the greatest lifetime.
    #[must_use]
    pub fn at_most(&self, seconds: u32) -> u32 {
        seconds.min(self.ttl_max_s).min(SECONDS_MAX)
    }

    /// Whether an origin's prohibition is overruled.
    #[must_use]
    pub fn overrules(&self) -> bool {
        self.ttl_min_overrides && self.ttl_min_s > 0
    }
}
