//! Quota leases: what may be spent before the next commit.
//!
//! ```text
//! granted       = all that was ever leased in a window
//! outstanding   = the part of it of which nobody knows yet whether it was spent
//! grantable     = limit + extra - granted
//! ```
//!
//! What it is: a lease is committed with full synchronisation before any of it is spent, and given
//! back when it was not. Where nobody knows what was spent, because the memory that knew is gone or
//! the window over, [`Store::write_off`] takes it as spent: at most one lease a key is lost, and
//! nothing is added. Shape: [`Grant`], [`Spent`]. Units: requests; days. Ranges: a lease is
//! [`lease_size`] of the limit. Errors: [`StoreError`]. Source: RELIABILITY section 6.

use rusqlite::{Connection, OptionalExtension, params};
use tidegate_edge::base::time::Wall;

use super::{
    Store, StoreError,
    period::{Window, day_at},
    plans::{self, UsagePlan},
    usage,
};

/// Who wants to spend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted<'a> {
    /// Id of the plan.
    pub plan: &'a str,
    /// Id of the key.
    pub key: &'a str,
}

/// What was granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grant {
    /// So many requests, in this window alone. 0: the quota is used up.
    Lease {
        /// How many.
        count: u64,
        /// In which window.
        number: u32,
    },
    /// The plan has no quota.
    Unlimited,
    /// There is no such plan.
    NoPlan,
}

/// What was spent, to be written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spent {
    /// Id of the plan.
    pub plan: String,
    /// Id of the key.
    pub key: String,
    /// The day on which it was.
    pub day: i64,
    /// How many requests.
    pub used: u64,
    /// Number of the window whose lease it came from; `None`: from no lease.
    pub lease: Option<u32>,
}

/// What is out of a quota.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outstanding {
    /// Id of the plan.
    pub plan: String,
    /// Id of the key.
    pub key: String,
    /// Number of the window.
    pub number: u32,
    /// How many requests.
    pub count: u64,
}

/// How much one lease has: 1 % of the limit, at least 1, at most 1,000.
#[must_use]
pub fn lease_size(limit: u64) -> u64 {
    (limit / 100).clamp(1, LEASE_MAX)
}

impl Store {
    /// Grants a lease to each of `wanted`, in one commit. What is granted is on the disk.
    ///
    /// # Errors
    /// Nothing was granted.
    pub fn grant(&mut self, wanted: &[Wanted<'_>], now: Wall) -> Result<Vec<Grant>, StoreError> {
        let today = day_at(now);
        self.write(|db, _| {
            let grants = wanted.iter().map(|wanted| grant_one(db, *wanted, today));
            grants.collect()
        })
    }

    /// Grants a lease to each of `wanted` in the window with its number, in one commit: request
    /// cores say which window they count in.
    ///
    /// # Errors
    /// Nothing was granted.
    pub fn grant_in(&mut self, wanted: &[(Wanted<'_>, u32)]) -> Result<Vec<Grant>, StoreError> {
        self.write(|db, _| {
            let grants = wanted
                .iter()
                .map(|(wanted, number)| grant_in(db, *wanted, *number));
            grants.collect()
        })
    }

    /// Every lease of which nobody knows yet whether it was spent.
    ///
    /// # Errors
    /// Those of the database.
    pub fn outstanding(&self) -> Result<Vec<Outstanding>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT plan, api_key, number, outstanding FROM windows WHERE outstanding > 0",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(Outstanding {
                plan: row.get(0)?,
                key: row.get(1)?,
                number: row.get(2)?,
                count: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Writes down what was spent: the counters of the day, and the leases it came from.
    ///
    /// # Errors
    /// Nothing of it was written.
    pub fn settle(&mut self, spent: &[Spent]) -> Result<(), StoreError> {
        self.write(|db, _| spent.iter().try_for_each(|spent| settle_one(db, spent)))
    }

    /// Takes back what was not spent of the leases of a window; gives how much that is.
    ///
    /// # Errors
    /// Nothing was taken back.
    pub fn give_back(
        &mut self,
        wanted: Wanted<'_>,
        number: u32,
        unused: u64,
    ) -> Result<u64, StoreError> {
        self.write(|db, _| {
            let key = params![wanted.plan, wanted.key, number];
            let sql = "SELECT outstanding FROM windows
                       WHERE plan = ?1 AND api_key = ?2 AND number = ?3";
            let found: Option<u64> = db
                .prepare_cached(sql)?
                .query_row(key, |row| row.get(0))
                .optional()?;
            // Never more than is out: an error elsewhere must not become somebody's quota.
            let back = unused.min(found.unwrap_or(0));
            let sql = "UPDATE windows SET granted = granted - ?4, outstanding = outstanding - ?4
                       WHERE plan = ?1 AND api_key = ?2 AND number = ?3";
            db.prepare_cached(sql)?
                .execute(params![wanted.plan, wanted.key, number, back])?;
            Ok(back)
        })
    }

    /// Takes what is out as spent, although nobody knows: it is lost to its key.
    ///
    /// # Errors
    /// Nothing was written off.
    pub fn write_off(&mut self, lost: &[Outstanding]) -> Result<(), StoreError> {
        self.write(|db, _| {
            let sql = "UPDATE windows SET outstanding = outstanding - min(outstanding, ?4)
                       WHERE plan = ?1 AND api_key = ?2 AND number = ?3";
            let mut statement = db.prepare_cached(sql)?;
            for out in lost {
                statement.execute(params![out.plan, out.key, out.number, out.count])?;
            }
            Ok(())
        })
    }

    /// Sets what the key has left in the window of `now`; gives what it really has then: a lease
    /// that is out cannot be called back.
    ///
    /// # Errors
    /// The plan has no quota, or the key is not in it.
    pub fn extend(
        &mut self,
        wanted: Wanted<'_>,
        remaining: u64,
        now: Wall,
    ) -> Result<u64, StoreError> {
        self.write(|db, _| {
            let plan = plans::get(db, wanted.plan)?;
            if !plans::has_key(db, wanted.plan, wanted.key)? {
                let text = format!(
                    "API Key {} is not in usage plan {}",
                    wanted.key, wanted.plan
                );
                return Err(StoreError::Missing(text));
            }
            let Some((limit, window)) = limit_at(&plan, day_at(now)) else {
                let text = format!("usage plan {} has no quota", wanted.plan);
                return Err(StoreError::Invalid(text));
            };
            if remaining > EXTENSION_MAX {
                let text = format!("at most {EXTENSION_MAX} requests can remain");
                return Err(StoreError::Invalid(text));
            }
            let state = State::of(db, wanted, window.number)?;
            let grantable = remaining.saturating_sub(state.outstanding);
            let total = grantable.saturating_add(state.granted);
            let extra = i128::from(total) - i128::from(limit);
            let extra = i64::try_from(extra)
                .map_err(|_| StoreError::invalid("the quota would be too large"))?;
            db.prepare_cached(
                "INSERT INTO windows (plan, api_key, number, extra) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET extra = excluded.extra",
            )?
            .execute(params![wanted.plan, wanted.key, window.number, extra])?;
            Ok(grantable + state.outstanding)
        })
    }
}

/// What is known of a key in a window.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct State {
    pub(super) extra: i64,
    pub(super) granted: u64,
    pub(super) outstanding: u64,
}

impl State {
    pub(super) fn of(
        db: &Connection,
        wanted: Wanted<'_>,
        number: u32,
    ) -> Result<State, StoreError> {
        let mut statement = db.prepare_cached(
            "SELECT extra, granted, outstanding FROM windows
             WHERE plan = ?1 AND api_key = ?2 AND number = ?3",
        )?;
        let found = statement.query_row(params![wanted.plan, wanted.key, number], |row| {
            Ok(State {
                extra: row.get(0)?,
                granted: row.get(1)?,
                outstanding: row.get(2)?,
            })
        });
        Ok(found.optional()?.unwrap_or_default())
    }
}

/// The limit of the window that `day` lies in, without what one key got on top.
pub(super) fn limit_at(plan: &UsagePlan, day: i64) -> Option<(u64, Window)> {
    let quota = plan.quota?;
    Some((quota.limit, Window::of(&quota, day)))
}

/// `limit` and what a key got on top, or lost.
pub(super) fn total(limit: u64, extra: i64) -> u64 {
    limit.saturating_add_signed(extra)
}

fn grant_one(db: &Connection, wanted: Wanted<'_>, today: i64) -> Result<Grant, StoreError> {
    match plans::get(db, wanted.plan) {
        Err(StoreError::Missing(_)) => Ok(Grant::NoPlan),
        plan => match limit_at(&plan?, today) {
            Some((_, window)) => grant_in(db, wanted, window.number),
            None => Ok(Grant::Unlimited),
        },
    }
}

fn grant_in(db: &Connection, wanted: Wanted<'_>, number: u32) -> Result<Grant, StoreError> {
    let sql = "SELECT quota_limit FROM plans WHERE id = ?1";
    let limit: Option<Option<u64>> = db
        .prepare_cached(sql)?
        .query_row([wanted.plan], |row| row.get(0))
        .optional()?;
    let limit = match limit {
        None => return Ok(Grant::NoPlan),
        Some(None) => return Ok(Grant::Unlimited),
        Some(Some(limit)) => limit,
    };
    let state = State::of(db, wanted, number)?;
    let total = total(limit, state.extra);
    let count = lease_size(total).min(total.saturating_sub(state.granted));
    if count > 0 {
        db.prepare_cached(
            "INSERT INTO windows (plan, api_key, number, granted, outstanding)
             VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT DO UPDATE SET granted = granted + ?4, outstanding = outstanding + ?4",
        )?
        .execute(params![wanted.plan, wanted.key, number, count])?;
    }
    Ok(Grant::Lease { count, number })
}

fn settle_one(db: &Connection, spent: &Spent) -> Result<(), StoreError> {
    usage::add(db, &spent.plan, &spent.key, spent.day, spent.used)?;
    if let Some(number) = spent.lease {
        db.prepare_cached(
            "UPDATE windows SET outstanding = outstanding - min(outstanding, ?4)
             WHERE plan = ?1 AND api_key = ?2 AND number = ?3",
        )?
        .execute(params![spent.plan, spent.key, number, spent.used])?;
    }
    Ok(())
}

const LEASE_MAX: u64 = 1_000;
/// No counter overflows by it.
const EXTENSION_MAX: u64 = 1 << 50;
