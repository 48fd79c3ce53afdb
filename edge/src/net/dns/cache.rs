//! What servers said, remembered by TTL, and a little longer when they fall silent.
//!
//! Shape: [`NameCache`] is two sorted maps, one per family. A row is fresh until its TTL ends,
//! then stale (addresses only, still used while somebody asks again), then gone.
//! Life of a row: Miss -> Fresh -> Stale -> Miss; a new answer makes it Fresh from anywhere.
//! Units and ranges: [`Mono`] in, milliseconds inside; [`CacheLimits`] clamps every TTL and
//! bounds the rows; when full, the row that would go first makes room.
//! Errors: none.
//! Source: RFC 1035 section 3.2.1, RFC 2308 section 5, RFC 8767 (serving stale data).

use super::{Family, message::Answer};
use crate::base::time::Mono;
use std::{collections::BTreeMap, net::IpAddr};

/// Names and what is known of them.
#[derive(Debug)]
pub struct NameCache {
    /// By family: IPv4, then IPv6.
    rows: [BTreeMap<String, Row>; 2],
    limits: CacheLimits,
}

/// How much is remembered for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheLimits {
    /// Names, both families together.
    pub rows_max: usize,
    /// Shorter TTLs are lengthened to this.
    pub ttl_ms_min: u64,
    /// Longer TTLs are cut to this.
    pub ttl_ms_max: u64,
    /// The same cut for "no such name" and "no address".
    pub negative_ttl_ms_max: u64,
    /// How long addresses are kept behind their TTL.
    pub stale_ms: u64,
    /// After a failed or silent attempt: not again before.
    pub retry_ms: u64,
}

/// What the cache knows of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known<'a> {
    /// Use them.
    Fresh(&'a [IpAddr]),
    /// Use them, and ask again if [`NameCache::claim`] says so.
    Stale(&'a [IpAddr]),
    /// The name exists without addresses of this family.
    NoData,
    /// The name does not exist.
    NoName,
    /// Ask.
    Miss,
}

#[derive(Debug)]
struct Row {
    found: Found,
    refresh_at: Mono,
    fresh_until: Mono,
    keep_until: Mono,
    /// Somebody is asking, or has failed: leave it until then.
    claimed_until: Mono,
}

#[derive(Debug)]
enum Found {
    Addresses(Vec<IpAddr>),
    NoData,
    NoName,
    /// Only a claim: nothing is known.
    Nothing,
}

impl NameCache {
    /// An empty cache.
    #[must_use]
    pub fn new(limits: CacheLimits) -> NameCache {
        NameCache {
            rows: [BTreeMap::new(), BTreeMap::new()],
            limits,
        }
    }

    /// What is known of `name` (normal) at `now`.
    #[must_use]
    pub fn lookup(&self, name: &str, family: Family, now: Mono) -> Known<'_> {
        let Some(row) = self.map(family).get(name) else {
            return Known::Miss;
        };
        match &row.found {
            Found::Addresses(ips) if now < row.fresh_until => Known::Fresh(ips),
            Found::Addresses(ips) if now < row.keep_until => Known::Stale(ips),
            Found::NoData if now < row.fresh_until => Known::NoData,
            Found::NoName if now < row.fresh_until => Known::NoName,
            _ => Known::Miss,
        }
    }

    /// May the caller ask for `name` now? True for one caller, until an answer is inserted or
    /// `retry_ms` have passed: a name is asked for once, however many connections want it.
    pub fn claim(&mut self, name: &str, family: Family, now: Mono) -> bool {
        let claimed_until = now.plus_ms(self.limits.retry_ms);
        if let Some(row) = self.map_mut(family).get_mut(name) {
            if now < row.claimed_until {
                return false;
            }
            row.claimed_until = claimed_until;
            row.keep_until = row.keep_until.max(claimed_until);
            return true;
        }
        self.insert_row(
            name,
            family,
            Row {
                found: Found::Nothing,
                refresh_at: now,
                fresh_until: now,
                keep_until: claimed_until,
                claimed_until,
            },
        );
        true
    }

    /// Remembers `answer`; a truncated one changes nothing.
    ///
    /// A negative answer replaces addresses: the server is alive and means it.
    pub fn insert(&mut self, name: &str, family: Family, answer: &Answer, now: Mono) {
        let limits = self.limits;
        let (found, ttl_s, ttl_ms_max) = match answer {
            Answer::Addresses { ips, ttl_s } => {
                (Found::Addresses(ips.clone()), *ttl_s, limits.ttl_ms_max)
            }
            Answer::NoData { ttl_s } => (Found::NoData, *ttl_s, limits.negative_ttl_ms_max),
            Answer::NoName { ttl_s } => (Found::NoName, *ttl_s, limits.negative_ttl_ms_max),
            Answer::Truncated => return,
        };
        let ttl_ms = u64::from(ttl_s)
            .saturating_mul(1000)
            .max(limits.ttl_ms_min)
            .min(ttl_ms_max);
        let fresh_until = now.plus_ms(ttl_ms);
        let (refresh_at, keep_until) = match found {
            Found::Addresses(_) => (
                now.plus_ms(ttl_ms - ttl_ms / 10),
                fresh_until.plus_ms(limits.stale_ms),
            ),
            _ => (fresh_until, fresh_until),
        };
        self.insert_row(
            name,
            family,
            Row {
                found,
                refresh_at,
                fresh_until,
                keep_until,
                claimed_until: Mono::default(),
            },
        );
    }

    /// When to ask for `name` again so that nobody waits: addresses shortly before their TTL
    /// ends, anything else when it does. `None` when nothing is remembered.
    #[must_use]
    pub fn refresh_at(&self, name: &str, family: Family) -> Option<Mono> {
        self.map(family).get(name).map(|row| row.refresh_at)
    }

    /// When the next row with addresses stops being fresh, for a timer that asks again before
    /// anybody waits.
    #[must_use]
    pub fn next_due(&self) -> Option<(Mono, &str, Family)> {
        let due = |family: Family| {
            self.map(family)
                .iter()
                .filter(|(_, row)| matches!(row.found, Found::Addresses(_)))
                .map(move |(name, row)| {
                    (
                        row.fresh_until.max(row.claimed_until),
                        name.as_str(),
                        family,
                    )
                })
        };
        due(Family::V4).chain(due(Family::V6)).min()
    }

    /// Drops what is over. Inserting does so when the cache is full.
    pub fn sweep(&mut self, now: Mono) {
        for map in &mut self.rows {
            map.retain(|_, row| now < row.keep_until);
        }
    }

    /// Names remembered, both families together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.iter().map(BTreeMap::len).sum()
    }

    /// Nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn insert_row(&mut self, name: &str, family: Family, row: Row) {
        if !self.map(family).contains_key(name) && self.len() >= self.limits.rows_max {
            self.evict();
        }
        self.map_mut(family).insert(name.to_owned(), row);
    }

    /// Linear, but only on a full cache and beside a query over the network.
    fn evict(&mut self) {
        let first = [Family::V4, Family::V6]
            .into_iter()
            .flat_map(|family| {
                self.map(family)
                    .iter()
                    .map(move |(name, row)| (row.keep_until, name, family))
            })
            .min()
            .map(|(_, name, family)| (name.clone(), family));
        if let Some((name, family)) = first {
            self.map_mut(family).remove(&name);
        }
    }

    fn map(&self, family: Family) -> &BTreeMap<String, Row> {
        let [four, six] = &self.rows;
        match family {
            Family::V4 => four,
            Family::V6 => six,
        }
    }

    fn map_mut(&mut self, family: Family) -> &mut BTreeMap<String, Row> {
        let [four, six] = &mut self.rows;
        match family {
            Family::V4 => four,
            Family::V6 => six,
        }
    }
}

impl Default for CacheLimits {
    fn default() -> CacheLimits {
        CacheLimits {
            rows_max: 4096,
            ttl_ms_min: 1_000,
            ttl_ms_max: 3_600_000,
            negative_ttl_ms_max: 30_000,
            stale_ms: 3_600_000,
            retry_ms: 5_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Mono = Mono(7_000_000_000);

    fn at(ms: u64) -> Mono {
        T0.plus_ms(ms)
    }

    fn one(last: u8, ttl_s: u32) -> Answer {
        Answer::Addresses {
            ips: vec![IpAddr::from([192, 0, 2, last])],
            ttl_s,
        }
    }

    fn cache_with(answer: &Answer) -> NameCache {
        let mut cache = NameCache::new(CacheLimits::default());
        cache.insert("a.test", Family::V4, answer, T0);
        cache
    }

    #[test]
    fn answers_live_as_long_as_their_ttl_within_the_limits() {
        let ip = [IpAddr::from([192, 0, 2, 1])];
        let hour = 3_600_000;
        let rows: &[(&str, Answer, u64, Known<'_>)] = &[
            ("fresh", one(1, 60), 59_999, Known::Fresh(&ip)),
            ("stale", one(1, 60), 60_000, Known::Stale(&ip)),
            (
                "stale to the end",
                one(1, 60),
                60_000 + hour - 1,
                Known::Stale(&ip),
            ),
            ("gone", one(1, 60), 60_000 + hour, Known::Miss),
            ("zero is a second", one(1, 0), 999, Known::Fresh(&ip)),
            ("zero is only a second", one(1, 0), 1_000, Known::Stale(&ip)),
            (
                "a year is an hour",
                one(1, u32::MAX),
                hour,
                Known::Stale(&ip),
            ),
            (
                "no name",
                Answer::NoName { ttl_s: 10 },
                9_999,
                Known::NoName,
            ),
            (
                "no name is never stale",
                Answer::NoName { ttl_s: 10 },
                10_000,
                Known::Miss,
            ),
            (
                "no data, cut",
                Answer::NoData { ttl_s: 600 },
                29_999,
                Known::NoData,
            ),
            (
                "no data, over",
                Answer::NoData { ttl_s: 600 },
                30_000,
                Known::Miss,
            ),
            ("truncated says nothing", Answer::Truncated, 0, Known::Miss),
        ];
        for (row, answer, ms, expected) in rows {
            let cache = cache_with(answer);
            assert_eq!(
                cache.lookup("a.test", Family::V4, at(*ms)),
                *expected,
                "{row}"
            );
            assert_eq!(
                cache.lookup("a.test", Family::V6, at(*ms)),
                Known::Miss,
                "{row}"
            );
            assert_eq!(
                cache.lookup("b.test", Family::V4, at(*ms)),
                Known::Miss,
                "{row}"
            );
        }
    }

    #[test]
    fn addresses_are_asked_for_again_before_they_expire() {
        for (answer, ms) in [
            (one(1, 60), 54_000),
            (one(1, 0), 900),
            (Answer::NoName { ttl_s: 10 }, 10_000),
        ] {
            let cache = cache_with(&answer);
            assert_eq!(cache.refresh_at("a.test", Family::V4), Some(at(ms)));
            assert_eq!(cache.refresh_at("a.test", Family::V6), None);
        }
    }

    #[test]
    fn one_caller_asks_and_a_silent_server_is_asked_again_later() {
        let mut cache = NameCache::new(CacheLimits::default());
        assert!(cache.claim("a.test", Family::V4, T0));
        assert!(!cache.claim("a.test", Family::V4, at(4_999)));
        assert_eq!(cache.lookup("a.test", Family::V4, at(1)), Known::Miss);
        assert!(
            cache.claim("a.test", Family::V6, at(1)),
            "families are asked apart"
        );
        assert!(
            cache.claim("a.test", Family::V4, at(5_000)),
            "silence ends a claim"
        );
        cache.insert("a.test", Family::V4, &one(1, 10), at(5_100));
        let ip = [IpAddr::from([192, 0, 2, 1])];
        assert_eq!(
            cache.lookup("a.test", Family::V4, at(15_100)),
            Known::Stale(&ip)
        );
        assert!(cache.claim("a.test", Family::V4, at(15_100)));
        assert!(!cache.claim("a.test", Family::V4, at(15_200)));
        assert_eq!(
            cache.lookup("a.test", Family::V4, at(15_200)),
            Known::Stale(&ip)
        );
        cache.insert(
            "a.test",
            Family::V4,
            &Answer::NoName { ttl_s: 5 },
            at(15_300),
        );
        assert_eq!(
            cache.lookup("a.test", Family::V4, at(15_301)),
            Known::NoName
        );
    }

    #[test]
    fn the_number_of_rows_is_bounded_and_the_first_to_go_makes_room() {
        let limits = CacheLimits {
            rows_max: 3,
            ..CacheLimits::default()
        };
        let mut cache = NameCache::new(limits);
        for (name, ttl_s) in [("a.test", 30), ("b.test", 10), ("c.test", 20)] {
            cache.insert(name, Family::V4, &one(1, ttl_s), T0);
        }
        assert_eq!(cache.next_due(), Some((at(10_000), "b.test", Family::V4)));
        cache.insert("a.test", Family::V4, &one(2, 30), T0);
        assert_eq!(cache.len(), 3, "replacing needs no room");
        cache.insert("d.test", Family::V6, &one(1, 40), T0);
        assert_eq!(cache.len(), 3);
        assert_eq!(cache.lookup("b.test", Family::V4, T0), Known::Miss);
        assert_eq!(cache.next_due(), Some((at(20_000), "c.test", Family::V4)));
        cache.sweep(at(3_600_000 + 30_000));
        assert_eq!((cache.len(), cache.is_empty()), (1, false));
    }
}
