//! What a cache says about itself in its answers: Cache-Status and X-Cache.
//!
//! Shape: a value with one field per parameter, written into a buffer of known size. Units:
//! seconds. Ranges: names of up to 64 bytes that are tokens. Errors: none; a name that is no token
//! is left to the plan's compiler to refuse.
//! Source: RFC 9211; the X-Cache words of CDN documentation.

use crate::wire::write::{DECIMAL_BYTES_MAX, decimal};

/// One member of Cache-Status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheStatus<'a> {
    /// Which cache speaks: a token.
    pub name: &'a str,
    /// Whether the store answered.
    pub outcome: Outcome,
    /// How long the answer stays fresh; below 0 since when it is stale.
    pub ttl_s: Option<i64>,
    /// The origin's answer was stored.
    pub stored: bool,
    /// The request waited for another's answer.
    pub collapsed: bool,
    /// A word on top: a token.
    pub detail: Option<&'static str>,
}

/// Whether the store answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It did, and nobody else was asked.
    Hit,
    /// The request went on.
    Forwarded {
        /// Why: a word of RFC 9211 section 2.2.
        reason: &'static str,
        /// What came back.
        status: Option<u16>,
    },
}

impl CacheStatus<'_> {
    /// Writes the member's text.
    pub fn write<'o>(&self, out: &'o mut [u8; CACHE_STATUS_BYTES_MAX]) -> &'o [u8] {
        let mut text = Text { out, len: 0 };
        text.put(self.name.as_bytes());
        match self.outcome {
            Outcome::Hit => text.put(b"; hit"),
            Outcome::Forwarded { reason, status } => {
                text.put(b"; fwd=");
                text.put(reason.as_bytes());
                if let Some(status) = status {
                    text.put(b"; fwd-status=");
                    text.number(u64::from(status));
                }
            }
        }
        if let Some(ttl_s) = self.ttl_s {
            text.put(if ttl_s < 0 { b"; ttl=-" } else { b"; ttl=" });
            text.number(ttl_s.unsigned_abs());
        }
        if self.stored {
            text.put(b"; stored");
        }
        if self.collapsed {
            text.put(b"; collapsed");
        }
        if let Some(detail) = self.detail {
            text.put(b"; detail=");
            text.put(detail.as_bytes());
        }
        let Text { len, .. } = text;
        out.get(..len).unwrap_or(&[])
    }
}

/// Longest member with a name of 64 bytes.
pub const CACHE_STATUS_BYTES_MAX: usize = 256;
/// Longest name.
pub const CACHE_NAME_BYTES_MAX: usize = 64;

struct Text<'o> {
    out: &'o mut [u8; CACHE_STATUS_BYTES_MAX],
    len: usize,
}

impl Text<'_> {
    /// Parts that do not fit are left out whole.
    fn put(&mut self, part: &[u8]) {
        let end = self.len.saturating_add(part.len());
        if let Some(to) = self.out.get_mut(self.len..end) {
            to.copy_from_slice(part);
            self.len = end;
        }
    }

    fn number(&mut self, number: u64) {
        self.put(decimal(number, &mut [0; DECIMAL_BYTES_MAX]));
    }
}

/// The word of X-Cache, before ` from ` and the cache's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XCache {
    /// The store answered.
    Hit,
    /// The store answered after the origin consented.
    RefreshHit,
    /// The origin answered.
    Miss,
    /// The answer is an error, the origin's or ours.
    Error,
}

impl XCache {
    /// Its text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            XCache::Hit => "Hit",
            XCache::RefreshHit => "RefreshHit",
            XCache::Miss => "Miss",
            XCache::Error => "Error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        let hit = CacheStatus {
            name: "tidegate",
            outcome: Outcome::Hit,
            ttl_s: Some(376),
            stored: false,
            collapsed: false,
            detail: None,
        };
        let miss = CacheStatus {
            outcome: Outcome::Forwarded {
                reason: "uri-miss",
                status: Some(200),
            },
            ttl_s: None,
            ..hit
        };
        let rows = [
            (hit, "tidegate; hit; ttl=376"),
            (
                CacheStatus {
                    ttl_s: Some(-412),
                    ..hit
                },
                "tidegate; hit; ttl=-412",
            ),
            (
                CacheStatus {
                    stored: true,
                    collapsed: true,
                    ..miss
                },
                "tidegate; fwd=uri-miss; fwd-status=200; stored; collapsed",
            ),
            (
                CacheStatus {
                    detail: Some("set-cookie"),
                    ..miss
                },
                "tidegate; fwd=uri-miss; fwd-status=200; detail=set-cookie",
            ),
        ];
        for (member, expected) in rows {
            let mut out = [0; CACHE_STATUS_BYTES_MAX];
            assert_eq!(
                std::str::from_utf8(member.write(&mut out)),
                Ok(expected),
                "{member:?}"
            );
        }
        let longest = CacheStatus {
            name: &"n".repeat(CACHE_NAME_BYTES_MAX),
            outcome: Outcome::Forwarded {
                reason: "vary-miss",
                status: Some(u16::MAX),
            },
            ttl_s: Some(i64::MIN),
            stored: true,
            collapsed: true,
            detail: Some("stale-without-validator"),
        };
        let mut out = [0; CACHE_STATUS_BYTES_MAX];
        assert!(
            longest
                .write(&mut out)
                .ends_with(b"detail=stale-without-validator")
        );
    }
}
