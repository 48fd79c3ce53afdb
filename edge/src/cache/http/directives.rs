//! Cache-Control and Pragma, read as leniently as is safe.
//!
//! What it is: what the directives of a request or of a response say together.
//! Shape: field lines in, plain values out; nothing is copied. Units: seconds. Ranges: numbers
//! above 2^31 count as 2^31. Errors: a number that is none counts as 0, so the response is stale; a
//! restricting directive holds whatever its argument; a quoted string without an end, behind which
//! anything may hide, makes the whole field [`ResponseDirectives::malformed`].
//! Source: RFC 9111 section 5.2; RFC 5861; RFC 8246.

use super::lexer::{Argument, Directive, Directives};
use crate::wire::token;

/// The largest number of seconds that is told apart.
pub const SECONDS_MAX: u32 = 1 << 31;

/// What a client asks of caches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RequestDirectives {
    /// Older answers are not wanted.
    pub max_age_s: Option<u32>,
    /// Answers stale for no longer than this are welcome.
    pub max_stale_s: Option<u32>,
    /// The answer shall stay fresh for as long.
    pub min_fresh_s: Option<u32>,
    /// Answers stale for no longer than this are welcome when the origin fails.
    pub stale_if_error_s: Option<u32>,
    /// The origin shall be asked: `no-cache`, or Pragma where there is no Cache-Control.
    pub no_cache: bool,
    /// Nothing of this exchange shall be stored.
    pub no_store: bool,
    /// The origin shall not be asked.
    pub only_if_cached: bool,
}

impl RequestDirectives {
    /// Reads the lines of Cache-Control, and of Pragma when there are none.
    pub fn read<'a>(
        cache_control: impl Iterator<Item = &'a [u8]>,
        pragma: impl Iterator<Item = &'a [u8]>,
    ) -> RequestDirectives {
        let mut asks = RequestDirectives::default();
        let mut is_present = false;
        for line in cache_control {
            is_present = true;
            for directive in Directives::of(line) {
                asks.take(&directive);
            }
        }
        if !is_present {
            asks.no_cache = pragma
                .flat_map(token::list)
                .any(|word| word.eq_ignore_ascii_case(b"no-cache"));
        }
        asks
    }

    fn take(&mut self, directive: &Directive<'_>) {
        // A number that is none asks for nothing but the strictest: a client can only lose a hit.
        let number = directive.argument.seconds().unwrap_or(0);
        match Word::of(directive.name) {
            Word::MaxAge => set_first(&mut self.max_age_s, number),
            Word::MaxStale => {
                let any_age = matches!(directive.argument, Argument::None);
                set_first(
                    &mut self.max_stale_s,
                    if any_age { u32::MAX } else { number },
                );
            }
            Word::MinFresh => {
                let number = directive.argument.seconds().unwrap_or(SECONDS_MAX);
                set_first(&mut self.min_fresh_s, number);
            }
            Word::StaleIfError => set_first(&mut self.stale_if_error_s, number),
            Word::NoCache => self.no_cache = true,
            Word::NoStore => self.no_store = true,
            Word::OnlyIfCached => self.only_if_cached = true,
            _ => {}
        }
    }
}

/// What an origin allows a shared cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResponseDirectives {
    /// Lifetime for every cache; 0 when it was no number.
    pub max_age_s: Option<u32>,
    /// Lifetime for shared caches; 0 when it was no number.
    pub s_maxage_s: Option<u32>,
    /// How long a stale answer may be given while it is refreshed.
    pub stale_while_revalidate_s: Option<u32>,
    /// How long a stale answer may be given when the origin fails.
    pub stale_if_error_s: Option<u32>,
    /// Nothing may be stored.
    pub no_store: bool,
    /// Every use needs the origin's consent. The form with field names is [`Self::withholds`].
    pub no_cache: bool,
    /// Not for shared caches. The form with field names is [`Self::withholds`].
    pub private: bool,
    /// May be stored even where it otherwise may not.
    pub public: bool,
    /// Never reused once stale; shared in spite of Authorization.
    pub must_revalidate: bool,
    /// Never reused once stale by a shared cache.
    pub proxy_revalidate: bool,
    /// Storing needs a cache that knows the status.
    pub must_understand: bool,
    /// Will not change while it is fresh.
    pub immutable: bool,
    /// `private` or `no-cache` name fields that may not be stored.
    pub withholds: bool,
    /// A quoted string has no end.
    pub malformed: bool,
}

impl ResponseDirectives {
    /// Reads the lines of Cache-Control. Of a repeated number the first counts.
    pub fn read<'a>(cache_control: impl Iterator<Item = &'a [u8]>) -> ResponseDirectives {
        let mut allows = ResponseDirectives::default();
        for line in cache_control {
            let mut directives = Directives::of(line);
            for directive in directives.by_ref() {
                allows.take(&directive);
            }
            allows.malformed |= directives.is_open;
        }
        allows
    }

    fn take(&mut self, directive: &Directive<'_>) {
        let number = directive.argument.seconds().unwrap_or(0);
        let is_plain = matches!(directive.argument, Argument::None);
        let names = directive.argument.field_names().is_some();
        match Word::of(directive.name) {
            Word::MaxAge => set_first(&mut self.max_age_s, number),
            Word::SMaxage => set_first(&mut self.s_maxage_s, number),
            Word::StaleWhileRevalidate => set_first(&mut self.stale_while_revalidate_s, number),
            Word::StaleIfError => set_first(&mut self.stale_if_error_s, number),
            Word::NoStore => self.no_store = true,
            Word::NoCache if names => self.withholds = true,
            Word::Private if names => self.withholds = true,
            Word::NoCache => self.no_cache = true,
            Word::Private => self.private = true,
            Word::MustRevalidate => self.must_revalidate = true,
            Word::ProxyRevalidate => self.proxy_revalidate = true,
            Word::MustUnderstand => self.must_understand = true,
            // What permits has no argument, or it is another directive.
            Word::Public if is_plain => self.public = true,
            Word::Immutable if is_plain => self.immutable = true,
            _ => {}
        }
    }

    /// Whether there is a lifetime in it.
    #[must_use]
    pub fn has_lifetime(&self) -> bool {
        self.max_age_s.is_some() || self.s_maxage_s.is_some()
    }
}

fn set_first(slot: &mut Option<u32>, number: u32) {
    slot.get_or_insert(number);
}

/// Whether `private="…"` or `no-cache="…"` of a Cache-Control line names the field `name`.
#[must_use]
pub fn withholds(line: &[u8], name: &[u8]) -> bool {
    Directives::of(line)
        .filter(|directive| matches!(Word::of(directive.name), Word::NoCache | Word::Private))
        .filter_map(|directive| directive.argument.field_names())
        .any(|names| token::list(names).any(|given| given.eq_ignore_ascii_case(name)))
}

/// A number of seconds: digits and nothing else.
#[must_use]
pub fn seconds(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u32, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        Some(
            value
                .saturating_mul(10)
                .saturating_add(digit)
                .min(SECONDS_MAX),
        )
    })
}

/// Names of the directives that mean something here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Word {
    MaxAge,
    SMaxage,
    MaxStale,
    MinFresh,
    StaleWhileRevalidate,
    StaleIfError,
    NoCache,
    NoStore,
    Private,
    Public,
    MustRevalidate,
    ProxyRevalidate,
    MustUnderstand,
    Immutable,
    OnlyIfCached,
    Other,
}

impl Word {
    pub(super) fn of(name: &[u8]) -> Word {
        WORDS
            .iter()
            .find(|(text, _)| name.eq_ignore_ascii_case(text.as_bytes()))
            .map_or(Word::Other, |(_, word)| *word)
    }
}

const WORDS: [(&str, Word); 15] = [
    ("max-age", Word::MaxAge),
    ("s-maxage", Word::SMaxage),
    ("public", Word::Public),
    ("private", Word::Private),
    ("no-cache", Word::NoCache),
    ("no-store", Word::NoStore),
    ("must-revalidate", Word::MustRevalidate),
    ("proxy-revalidate", Word::ProxyRevalidate),
    ("stale-while-revalidate", Word::StaleWhileRevalidate),
    ("stale-if-error", Word::StaleIfError),
    ("immutable", Word::Immutable),
    ("must-understand", Word::MustUnderstand),
    ("max-stale", Word::MaxStale),
    ("min-fresh", Word::MinFresh),
    ("only-if-cached", Word::OnlyIfCached),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn response(lines: &[&str]) -> ResponseDirectives {
        ResponseDirectives::read(lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn lifetimes() {
        let rows: &[(&[&str], Option<u32>, Option<u32>)] = &[
            (&["max-age=3600"], Some(3600), None),
            (&["MaX-aGe=3600"], Some(3600), None),
            (&["foobar, max-age=3600"], Some(3600), None),
            (&["max-age=003600"], Some(3600), None),
            (&["max-age=\"3600\""], Some(3600), None),
            (&["max-age=2147483647"], Some(SECONDS_MAX - 1), None),
            (&["max-age=2147483648"], Some(SECONDS_MAX), None),
            (&["max-age=2147483649"], Some(SECONDS_MAX), None),
            (
                &["max-age=99999999999999999999999"],
                Some(SECONDS_MAX),
                None,
            ),
            (&["max-age=1800, max-age=1"], Some(1800), None),
            (&["max-age=1800", "max-age=1"], Some(1800), None),
            (&["max-age=1", "max-age=1800"], Some(1), None),
            (&["extension=\"max-age=3600\", max-age=1"], Some(1), None),
            (&["max-age=1, extension=\"max-age=3600\""], Some(1), None),
            (&["e=\"a\\\", max-age=3600\", max-age=1"], Some(1), None),
            (&["max-age =3600"], Some(0), None),
            (&["max-age= 3600"], Some(0), None),
            (&["max-age='3600'"], Some(0), None),
            (&["max-age=3600.0"], Some(0), None),
            (&["max-age=a3600"], Some(0), None),
            (&["max-age=3600a"], Some(0), None),
            (&["max-age=-3600"], Some(0), None),
            (&["max-age=+3600"], Some(0), None),
            (&["max-age="], Some(0), None),
            (&["max-age=\"\""], Some(0), None),
            (&["max-age=\"36\\00\""], Some(0), None),
            (&["max-age=3600;s-maxage=9"], Some(0), None),
            (&["max-age"], Some(0), None),
            (&["s-maxage=5,max-age=9"], Some(9), Some(5)),
            (&["max-age=9", "S-MaxAge=x"], Some(9), Some(0)),
            (&["", ",, ,"], None, None),
            (&["=3", "\"max-age=3\""], None, None),
        ];
        for (lines, max_age_s, s_maxage_s) in rows {
            let found = response(lines);
            assert_eq!(
                (found.max_age_s, found.s_maxage_s),
                (*max_age_s, *s_maxage_s),
                "{lines:?}"
            );
        }
    }

    /// The words that hold, in the order of the fields.
    fn show(allows: &ResponseDirectives) -> String {
        let mut text = Vec::new();
        for (is_on, word) in [
            (allows.no_store, "no-store"),
            (allows.no_cache, "no-cache"),
            (allows.private, "private"),
            (allows.public, "public"),
            (allows.must_revalidate, "must"),
            (allows.proxy_revalidate, "proxy"),
            (allows.must_understand, "understand"),
            (allows.immutable, "immutable"),
            (allows.withholds, "withholds"),
            (allows.malformed, "malformed"),
        ] {
            text.extend(is_on.then_some(word));
        }
        text.join(" ")
    }

    #[test]
    fn words() {
        let rows: &[(&[&str], &str)] = &[
            (&["No-StOrE"], "no-store"),
            (&["no-store=1"], "no-store"),
            (&["no-store;x"], "no-store"),
            (&["no-cache"], "no-cache"),
            (&["no-cache=\"a, B\""], "withholds"),
            (&["no-cache=a"], "no-cache"),
            (&["no-cache=\"\""], "no-cache"),
            (&["private=\"a b\""], "private"),
            (&["private=\"a\""], "withholds"),
            (&["private=\"a\", private"], "private withholds"),
            (&["public"], "public"),
            (&["public=\"no\""], ""),
            (&["proxy-revalidate"], "proxy"),
            (&["must-revalidate=0"], "must"),
            (&["immutable,must-understand"], "understand immutable"),
            (&["ext=\"a, no-store"], "malformed"),
            (&["a\"b, public"], "malformed"),
            (&["ext=\"a\\\"", "public"], "public malformed"),
        ];
        for (lines, expected) in rows {
            assert_eq!(show(&response(lines)), *expected, "{lines:?}");
        }
        let windows = response(&["stale-while-revalidate=5, stale-if-error=\"6\""]);
        assert_eq!(windows.stale_while_revalidate_s, Some(5));
        assert_eq!(windows.stale_if_error_s, Some(6));
    }

    #[test]
    fn requests() {
        let rows: &[(&[&str], &[&str], &str)] = &[
            (&[], &[], ""),
            (&["nothing-to-see-here"], &["no-cache"], ""),
            (&[], &["foo"], ""),
            (&[], &["foo, No-Cache"], "no-cache"),
            (&["no-cache"], &[], "no-cache"),
            (&["max-age=0"], &[], "age 0"),
            (&["max-age=x"], &[], "age 0"),
            (&["max-stale"], &[], "stale 4294967295"),
            (&["max-stale=7"], &[], "stale 7"),
            (&["max-stale=x"], &[], "stale 0"),
            (&["min-fresh=x"], &[], "fresh 2147483648"),
            (
                &["no-store, only-if-cached", "stale-if-error=3"],
                &[],
                "no-store only error 3",
            ),
        ];
        for (cache_control, pragma, expected) in rows {
            let asks = RequestDirectives::read(
                cache_control.iter().map(|line| line.as_bytes()),
                pragma.iter().map(|line| line.as_bytes()),
            );
            let mut text = Vec::new();
            text.extend(asks.no_cache.then_some("no-cache".to_owned()));
            text.extend(asks.no_store.then_some("no-store".to_owned()));
            text.extend(asks.only_if_cached.then_some("only".to_owned()));
            text.extend(asks.max_age_s.map(|seconds| format!("age {seconds}")));
            text.extend(asks.max_stale_s.map(|seconds| format!("stale {seconds}")));
            text.extend(asks.min_fresh_s.map(|seconds| format!("fresh {seconds}")));
            text.extend(
                asks.stale_if_error_s
                    .map(|seconds| format!("error {seconds}")),
            );
            assert_eq!(text.join(" "), *expected, "{cache_control:?} {pragma:?}");
        }
    }

    #[test]
    fn withheld_fields() {
        let line = b"private=\"X-A, b\", max-age=1, no-cache=\"c\"";
        for (name, expected) in [("x-a", true), ("B", true), ("c", true), ("max-age", false)] {
            assert_eq!(withholds(line, name.as_bytes()), expected, "{name}");
        }
        assert!(!withholds(b"private=x-a, ext=\"x-a\"", b"x-a"));
    }
}
