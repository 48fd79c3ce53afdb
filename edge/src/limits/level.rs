//! The levels of limits, and what the bucket of each is found by.
//!
//! Shape: an [`Identity`] is 128 bits: a hash of the level with its names, and a number that is
//! exact within them: a key's id, a client's network, or 0. Units: none. Errors: none.
//! Source: API Gateway developer guide, "throttling", the order of application.

use super::names;

/// Where a limit stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// A usage plan's, for one key at one method.
    UsageMethod,
    /// A usage plan's, for one key.
    UsageKey,
    /// A method's in its stage.
    Method,
    /// The stage's, for its methods that have none of their own.
    Stage,
    /// The account's, for all stages together.
    Account,
    /// One client address's, at the edge.
    Client,
    /// A usage plan's quota, for one key.
    Quota,
}

impl Level {
    /// As explanations name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::UsageMethod => "usage plan, key and method",
            Level::UsageKey => "usage plan, key",
            Level::Method => "method",
            Level::Stage => "stage",
            Level::Account => "account",
            Level::Client => "client address",
            Level::Quota => "quota",
        }
    }

    /// The first half of the identities of this level's buckets under `names`.
    #[must_use]
    pub fn scope(self, names: &[u64]) -> u64 {
        let parts: Vec<[u8; 8]> = names.iter().map(|name| name.to_le_bytes()).collect();
        let parts: Vec<&[u8]> = parts.iter().map(<[u8; 8]>::as_slice).collect();
        names::hash(names::LEVELS + self as u8, &parts)
    }
}

/// What a bucket is found by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    pub(super) scope: u64,
    pub(super) number: u64,
}

impl Identity {
    /// The bucket of `number` in `scope`.
    #[inline]
    #[must_use]
    pub const fn of(scope: u64, number: u64) -> Identity {
        Identity { scope, number }
    }

    /// The only bucket of `level` under `names`.
    #[must_use]
    pub fn single(level: Level, names: &[u64]) -> Identity {
        Identity::of(level.scope(names), 0)
    }
}
