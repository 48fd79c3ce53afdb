//! Routing rules of a domain: which stage gets the requests whose path and headers fit.
//!
//! Shape: rules in the order of their priority; a [`Rule`] holds conditions that must all hold, each
//! of them a list of which one must fit. Patterns are taken apart when the plan is made, so a request
//! is compared in place. Units: none. Ranges: globs with `*` at their ends alone. Errors:
//! [`GlobFault`] for what is no glob. Source: Amazon API Gateway developer guide, "routing rules to
//! connect API stages to a custom domain name".

use memchr::memmem::Finder;

use super::{BasePath, Headers, Place, StageIndex, slashes};

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) priority: u32,
    /// The longest first; `None`: any path.
    pub(super) paths: Option<Box<[BasePath]>>,
    /// All must hold.
    pub(super) headers: Box<[AnyHeader]>,
    pub(super) stage: StageIndex,
    pub(super) strips: bool,
}

/// Holds when one of these headers says what it must.
pub(super) type AnyHeader = Box<[(Box<[u8]>, Glob)]>;

/// A text with `*` at its ends.
#[derive(Clone, Debug)]
pub enum Glob {
    Any,
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Suffix(Box<[u8]>),
    Contains(Box<Finder<'static>>),
}

/// Why a text is no glob.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GlobFault {
    #[error("it is empty")]
    Empty,
    #[error("it has more than {GLOB_BYTES_MAX} bytes")]
    TooLong,
    #[error("`{0}` does not stand in such values")]
    BadCharacter(char),
    #[error("`*` stands within it")]
    StarWithin,
}

/// Longest glob.
const GLOB_BYTES_MAX: usize = 128;
/// Longest name of a header that a rule looks at.
const HEADER_BYTES_MAX: usize = 40;

impl Glob {
    /// Takes `text` apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Glob, GlobFault> {
        if text.is_empty() {
            return Err(GlobFault::Empty);
        }
        if text.len() > GLOB_BYTES_MAX {
            return Err(GlobFault::TooLong);
        }
        if let Some(bad) = text.chars().find(|&c| !is_rule_character(c)) {
            return Err(GlobFault::BadCharacter(bad));
        }
        let (begins, rest) = match text.strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (ends, rest) = match rest.strip_suffix('*') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if rest.contains('*') {
            return Err(GlobFault::StarWithin);
        }
        let bytes = rest.as_bytes();
        Ok(match (begins, ends) {
            _ if rest.is_empty() => Glob::Any,
            (false, false) => Glob::Exact(bytes.into()),
            (false, true) => Glob::Prefix(bytes.into()),
            (true, false) => Glob::Suffix(bytes.into()),
            (true, true) => Glob::Contains(Box::new(Finder::new(bytes).into_owned())),
        })
    }

    /// Whether all of `value` fits.
    #[must_use]
    pub fn fits(&self, value: &[u8]) -> bool {
        match self {
            Glob::Any => true,
            Glob::Exact(text) => value == &**text,
            Glob::Prefix(text) => value.starts_with(text),
            Glob::Suffix(text) => value.ends_with(text),
            Glob::Contains(finder) => finder.find(value).is_some(),
        }
    }
}

/// Whether `name` can be a header that a rule looks at.
#[must_use]
pub fn is_rule_header(name: &str) -> bool {
    (1..=HEADER_BYTES_MAX).contains(&name.len())
        && name.chars().all(|c| is_rule_character(c) && c != '?')
}

/// What headers and globs of rules are made of; `*` is a wildcard in globs and a letter in names.
fn is_rule_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "*?-!#$%&'.^_`|~".contains(c)
}

impl Rule {
    /// The place of a request that fits.
    pub(super) fn place(
        &self,
        path: &[u8],
        path_from: usize,
        headers: &Headers<'_>,
    ) -> Option<Place> {
        let base_to = match &self.paths {
            None => path_from,
            Some(paths) => paths.iter().find_map(|base| base.end(path, path_from))?,
        };
        let holds = |any: &AnyHeader| {
            let mut rows = any.iter();
            rows.any(|(name, glob)| headers.values(name).any(|value| glob.fits(value)))
        };
        if !self.headers.iter().all(holds) {
            return None;
        }
        let resource_from = if self.strips {
            base_to + slashes(path, base_to).saturating_sub(1)
        } else {
            path_from
        };
        Some(Place {
            stage: self.stage,
            path_from,
            base_to,
            resource_from,
            rule: Some(self.priority),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_compared_whole_and_by_case() {
        // glob, values that fit, values that do not
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("beta", &["beta"], &["", "Beta", "beta2", "abeta"]),
            ("a*", &["a", "alpha", "a*"], &["", "beta", "Alpha"]),
            ("*a", &["a", "alpha", "beta"], &["", "alphas", "A"]),
            ("*v*", &["v", "xv1", "v1", "av"], &["", "V"]),
            ("*", &["", "anything", "*"], &[]),
            ("**", &["", "x"], &[]),
            ("a?", &["a?"], &["ab"]), // a letter like any other
            ("*aba*", &["ababa", "xaba"], &["abba"]),
        ];
        for (text, fitting, others) in rows {
            let glob = Glob::parse(text).expect("a glob");
            for value in *fitting {
                assert!(glob.fits(value.as_bytes()), "{text} and {value:?}");
            }
            for value in *others {
                assert!(!glob.fits(value.as_bytes()), "{text} and {value:?}");
            }
        }
    }

    #[test]
    fn what_is_no_glob() {
        let longest = "x".repeat(GLOB_BYTES_MAX);
        assert!(Glob::parse(&longest).is_ok());
        let rows = [
            (String::new(), GlobFault::Empty),
            (format!("{longest}x"), GlobFault::TooLong),
            ("a b".to_owned(), GlobFault::BadCharacter(' ')),
            ("a/b".to_owned(), GlobFault::BadCharacter('/')),
            ("ä".to_owned(), GlobFault::BadCharacter('ä')),
            ("a*b".to_owned(), GlobFault::StarWithin),
            ("*a*b*".to_owned(), GlobFault::StarWithin),
        ];
        for (text, expected) in rows {
            assert_eq!(Glob::parse(&text).err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn headers_are_tokens_of_forty_bytes() {
        let longest = "h".repeat(HEADER_BYTES_MAX);
        let longer = format!("{longest}h");
        for (name, expected) in [
            ("X-Tenant", true),
            (&*longest, true),
            (&*longer, false),
            ("", false),
            ("a b", false),
            ("a:", false),
            ("a?", false),
        ] {
            assert_eq!(is_rule_header(name), expected, "{name}");
        }
    }
}
