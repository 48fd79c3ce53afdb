//! The response cache on the way of a request: looked up before an origin is asked, kept behind
//! its answer.
//!
//! What it is: `look_up` decides whether the store answers, `give` writes such an answer,
//! `share` waits for somebody who fetches the same, `keep` stores what an origin said, `refresh`
//! asks it behind a stale answer, `mark` lets one step invalidate many keys of a URI. The rules are
//! [`crate::cache::http`]'s and the bytes [`crate::cache`]'s; here both meet the exchange. Shape:
//! [`CacheUse`] is what one exchange knows of its key and of what was found. Units: bytes,
//! seconds. Errors: none of its own; every doubt asks the origin. Source: RFC 9111; the API Gateway
//! developer guide, "cache settings".

pub(super) mod give;
pub(super) mod keep;
pub(super) mod key;
pub(super) mod look_up;
mod mark;
pub(super) mod refresh;
pub(super) mod share;

use std::rc::Rc;

use crate::{
    base::time::Wall,
    cache::{
        Generation, Hit, Owner,
        collapse::{Leader, Seat},
    },
    plan::STAGE_KEY,
};

/// One region of the response cache as one core has it.
pub struct Tier {
    /// Its handle to the store.
    pub owner: Owner,
    /// Its place among those that fetch.
    pub seat: Rc<Seat>,
}

/// What an exchange knows of the store.
#[derive(Default)]
pub struct CacheUse {
    /// How the store took part; what answers say of it.
    pub outcome: CacheOutcome,
    /// Whether the store was asked, and whether it answered; counted once a request.
    pub(super) counted: Option<bool>,
    /// The key, in front the primary one; empty: the store takes no part.
    pub(super) key: Vec<u8>,
    pub(super) primary_bytes: usize,
    /// Record of what was found, while `held` holds its body.
    pub(super) meta: Vec<u8>,
    /// A stored answer that needs the origin's word, or stands in if there is none.
    pub(super) held: Option<Hit>,
    /// The namespace's generation when the origin was asked.
    pub(super) generation: Option<Generation>,
    /// How often its key had been invalidated then.
    pub(super) outdated: u64,
    /// The origin is asked for the whole answer, whatever part or change of it the client wants.
    pub(super) whole: bool,
    /// When it was asked.
    pub(super) asked_at: Wall,
    /// An answer that is on its way into the store.
    pub(super) fill: Option<keep::Fill>,
    /// Others may wait for what this exchange fetches.
    pub(super) lead: Option<Leader>,
    /// What is fetched is for this exchange alone.
    pub(super) alone: bool,
    /// Room for a body that is copied.
    pub(super) room: Vec<u8>,
    /// Room for a query without what does not count.
    pub(super) query: Vec<u8>,
}

/// How the store took part in an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CacheOutcome {
    /// Not at all.
    #[default]
    Off,
    /// It answered.
    Hit {
        /// How long the answer stays fresh; below 0 since when it is stale.
        ttl_s: i64,
    },
    /// Another's fetch answered.
    Collapsed,
    /// It answered after the origin consented.
    RefreshHit,
    /// It answered because the origin failed.
    StaleIfError {
        /// Since when it is stale, below 0.
        ttl_s: i64,
    },
    /// The origin answered.
    Miss {
        /// Why it was asked: a word of RFC 9211 section 2.2.
        reason: &'static str,
        /// What it said was stored.
        stored: bool,
        /// Why not, or what is special.
        detail: Option<&'static str>,
    },
}

impl CacheUse {
    /// Forgets the exchange; memory stays.
    pub(super) fn clear(&mut self) {
        self.outcome = CacheOutcome::Off;
        self.counted = None;
        self.key.clear();
        self.primary_bytes = 0;
        self.meta.clear();
        self.held = None;
        self.generation = None;
        self.outdated = 0;
        self.whole = false;
        self.fill = None;
        self.lead = None;
        self.alone = false;
        self.room.clear();
        if self.room.capacity() > ROOM_KEPT_BYTES {
            self.room = Vec::new();
        }
    }

    /// What tells the URI of its key, and what else is in the primary key, from others.
    pub(super) fn flight_key(&self) -> &[u8] {
        flight_key(&self.key, self.primary_bytes)
    }

    /// The origin is asked whether what is held is still good.
    pub(super) fn is_validating(&self) -> bool {
        self.held.is_some()
    }

    /// The origin is asked, and why.
    pub(super) fn ask(&mut self, reason: &'static str, detail: Option<&'static str>) {
        self.outcome = CacheOutcome::Miss {
            reason,
            stored: false,
            detail,
        };
    }
}

/// What tells the URI of `key`, and what else is in its primary part, from others.
pub(super) fn flight_key(key: &[u8], primary_bytes: usize) -> &[u8] {
    // A variant's key begins with the primary one but for the bytes that say which it is; a
    // stage's keys have no variants.
    let from = match key.first() {
        Some(&STAGE_KEY) => 0,
        _ => KIND_BYTES,
    };
    key.get(from..primary_bytes).unwrap_or(&[])
}

/// Bytes in front of an edge key that say its version and kind; what follows is not [`STAGE_KEY`].
const KIND_BYTES: usize = 2;
/// Room for bodies that an unused exchange keeps.
const ROOM_KEPT_BYTES: usize = 64 * 1024;

/// The name by which the cache speaks of itself.
pub(super) const CACHE_NAME: &str = "tidegate";

/// The clock as the store counts: seconds since 1970.
pub(super) fn seconds(now: Wall) -> u32 {
    u32::try_from(now.0 / 1000).unwrap_or(u32::MAX)
}
