//! The gate: all limits of a request, decided at once.
//!
//! What: finds the key, puts the limits of all levels in a row, takes a token of each or of none,
//! and spends one of the quota last. Shape: a [`Gate`] is made for one plan over the shared table;
//! limits that stand in the plan have their buckets found beforehand. Values and `now` in, a
//! decision out. Units: nanoseconds, requests. Errors: [`Refusal`].
//! Source: API Gateway developer guide, "throttling", the order of application.

use std::sync::Arc;

use super::{
    directory::{Directory, Found},
    id::Id,
    lease::{self, Spent},
    leases::{Leases, Wish, low},
    level::{Identity, Level},
    plans::UsagePlan,
    rate::{Limit, TICK_NS},
    table::{ASKS_MAX, Ask, Place, Table, TableFault},
};
use crate::base::time::{Mono, Wall};

/// The limits of one route, as the plan has them.
#[derive(Clone, PartialEq, Debug)]
pub struct RouteLimits {
    /// Its stage, as directories know it.
    pub stage: u64,
    /// Its method, as directories know it.
    pub method: u64,
    /// It takes requests with a valid key only.
    pub needs_key: bool,
    /// Limits of method, stage and account, those that are set.
    pub rates: Box<[RouteRate]>,
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RouteRate {
    /// Where it stands.
    pub level: Level,
    /// What it allows.
    pub limit: Limit,
    /// What its bucket is found by.
    pub identity: Identity,
}

impl RouteLimits {
    /// True when nothing is to be decided.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.needs_key && self.rates.is_empty()
    }
}

/// All limits of a plan.
#[derive(Debug)]
pub struct Gate {
    table: Arc<Table>,
    leases: Arc<Leases>,
    routes: Box<[RouteGate]>,
}

#[derive(Debug)]
struct RouteGate {
    limits: RouteLimits,
    places: Box<[Place]>,
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The route's position in the plan.
    pub route: usize,
    /// The value of the key that was sent.
    pub key: Option<&'a [u8]>,
    /// For buckets.
    pub now: Mono,
    /// For quotas.
    pub wall: Wall,
}

/// A request that may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Passed {
    /// Its key, if the route wants one.
    pub key: Option<Id>,
    /// The limit that has the fewest tokens left.
    pub tightest: Option<Tightest>,
}

/// How it stands with a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tightest {
    /// Which level.
    pub level: Level,
    /// `burstLimit`.
    pub burst: u32,
    /// From an empty bucket to a full one.
    pub fill_ns: u64,
    /// Tokens that are left.
    pub left: u64,
    /// Until there is another; `u64::MAX`: never.
    pub wait_ns: u64,
}

/// Why a request may not go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It needs a key that is valid here.
    Forbidden,
    /// A bucket is empty.
    Throttled {
        /// Which.
        at: Option<Tightest>,
        /// The key.
        key: Option<Id>,
    },
    /// The quota of its key is used up.
    QuotaExceeded {
        /// The key.
        key: Id,
        /// Until the next window.
        wait_ms: u64,
    },
    /// A part of the quota is on its way: to be asked again in a moment.
    Awaits,
}

impl Gate {
    /// The gate of a plan's `routes`, in their order; for the control thread.
    ///
    /// # Errors
    /// As [`TableFault`].
    pub fn new<'r>(
        table: &Arc<Table>,
        leases: &Arc<Leases>,
        routes: impl Iterator<Item = &'r RouteLimits>,
    ) -> Result<Gate, TableFault> {
        let mut gates = Vec::new();
        for limits in routes {
            let mut places = Vec::new();
            for rate in &limits.rates {
                let place = loop {
                    match table.place(rate.identity) {
                        Some(place) => break place,
                        None => table.grow()?,
                    }
                };
                places.push(place);
            }
            gates.push(RouteGate {
                limits: limits.clone(),
                places: places.into(),
            });
        }
        Ok(Gate {
            table: Arc::clone(table),
            leases: Arc::clone(leases),
            routes: gates.into(),
        })
    }

    /// The table behind it.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Decides.
    ///
    /// # Errors
    /// As [`Refusal`].
    #[inline]
    pub fn pass(&self, directory: &Directory, caller: &Caller<'_>) -> Result<Passed, Refusal> {
        let Some(route) = self.routes.get(caller.route) else {
            return Ok(Passed::default());
        };
        if route.limits.is_open() {
            return Ok(Passed::default());
        }
        let mut row = Row::new();
        for (rate, place) in route.limits.rates.iter().zip(&route.places) {
            row.push(rate.level, *place, &rate.limit);
        }
        if !route.limits.needs_key {
            let tightest = self.take(&row, caller, None)?;
            return Ok(Passed {
                key: None,
                tightest,
            });
        }
        let found = caller.key.and_then(|value| directory.find(value));
        let found = found.filter(|found| found.enabled);
        let plan = found.and_then(|found| found.plan(route.limits.stage));
        let (Some(found), Some(plan)) = (found, plan) else {
            self.look(&row, caller)?;
            return Err(Refusal::Forbidden);
        };
        self.pass_plan(route, &mut row, (&found, plan), caller)
    }

    fn pass_plan<'d>(
        &self,
        route: &RouteGate,
        row: &mut Row<'d>,
        (found, plan): (&Found<'d>, &'d UsagePlan),
        caller: &Caller<'_>,
    ) -> Result<Passed, Refusal> {
        let key = found.id;
        let full = Refusal::Throttled {
            at: None,
            key: Some(key),
        };
        let own = if plan.limit.is_some() || plan.quota.is_some() {
            Some(self.table.place(plan.identity(key)).ok_or(full)?)
        } else {
            None
        };
        if let (Some(limit), Some(place)) = (&plan.limit, own) {
            row.push(Level::UsageKey, place, limit);
        }
        let stage = plan.stage(route.limits.stage);
        if let Some((limit, identity)) =
            stage.and_then(|stage| stage.method_limit(route.limits.method, key))
        {
            let place = self.table.place(identity).ok_or(full)?;
            row.push(Level::UsageMethod, place, limit);
        }
        let key = Some(key);
        let quota = plan.quota.as_ref().zip(own);
        let Some((quota, place)) = quota else {
            let tightest = self.take(row, caller, key)?;
            return Ok(Passed { key, tightest });
        };
        let wish = Wish {
            plan: plan.id,
            key: found.id,
            quota: *quota,
            window: quota.window(caller.wall),
            place,
        };
        let tightest = self.take_and_spend(row, caller, &wish)?;
        Ok(Passed { key, tightest })
    }

    fn take(
        &self,
        row: &Row<'_>,
        caller: &Caller<'_>,
        key: Option<Id>,
    ) -> Result<Option<Tightest>, Refusal> {
        match self.table.take(caller.now, row.asks()) {
            Ok(taken) => Ok(row.tightest(taken.least())),
            Err(refused) => Err(Refusal::Throttled {
                at: row.refused(refused.index, refused.empty.ticks),
                key,
            }),
        }
    }

    /// Tokens first, the quota last: a request that is refused costs none of it.
    fn take_and_spend(
        &self,
        row: &Row<'_>,
        caller: &Caller<'_>,
        wish: &Wish,
    ) -> Result<Option<Tightest>, Refusal> {
        let taken = self.table.take(caller.now, row.asks()).map_err(|refused| {
            let at = row.refused(refused.index, refused.empty.ticks);
            let key = Some(wish.key);
            Refusal::Throttled { at, key }
        })?;
        match lease::spend(self.table.lease(wish.place), wish.window, low(&wish.quota)) {
            Spent::One { asks, .. } => {
                if asks {
                    self.leases.wish(&self.table, *wish);
                }
                Ok(row.tightest(taken.least()))
            }
            Spent::NeedsLease => {
                self.table.undo(row.asks(), &taken);
                self.leases.wish(&self.table, *wish);
                Err(Refusal::Awaits)
            }
            Spent::Dry => {
                self.table.undo(row.asks(), &taken);
                Err(Refusal::QuotaExceeded {
                    key: wish.key,
                    wait_ms: wish.quota.ms_to_next(caller.wall),
                })
            }
        }
    }

    /// Refuses as [`Gate::take`] would, and takes nothing.
    #[cold]
    fn look(&self, row: &Row<'_>, caller: &Caller<'_>) -> Result<(), Refusal> {
        for (index, ask) in row.asks().iter().enumerate() {
            if let Err(empty) = self.table.peek(caller.now, ask) {
                let at = row.refused(index, empty.ticks);
                return Err(Refusal::Throttled { at, key: None });
            }
        }
        Ok(())
    }
}

/// The limits of a request, in the order in which they are taken.
struct Row<'a> {
    asks: [Ask<'a>; ASKS_MAX],
    levels: [Level; ASKS_MAX],
    count: usize,
}

impl<'a> Row<'a> {
    #[inline]
    fn new() -> Row<'a> {
        let nothing = Ask {
            place: Place::NONE,
            limit: &NOTHING,
        };
        Row {
            asks: [nothing; ASKS_MAX],
            levels: [Level::Account; ASKS_MAX],
            count: 0,
        }
    }

    #[inline]
    fn push(&mut self, level: Level, place: Place, limit: &'a Limit) {
        let room = self
            .asks
            .get_mut(self.count)
            .zip(self.levels.get_mut(self.count));
        debug_assert!(room.is_some(), "fewer levels than room");
        if let Some((ask, at)) = room {
            (*ask, *at) = (Ask { place, limit }, level);
            self.count += 1;
        }
    }

    #[inline]
    fn asks(&self) -> &[Ask<'a>] {
        self.asks.get(..self.count).unwrap_or(&self.asks)
    }

    #[inline]
    fn tightest(&self, least: Option<(usize, u64)>) -> Option<Tightest> {
        let (index, left) = least?;
        let limit = self.asks.get(index)?.limit;
        let wait_ns = if left > 0 {
            0
        } else {
            limit.token_ticks * TICK_NS
        };
        self.at(index, left, wait_ns)
    }

    #[cold]
    fn refused(&self, index: usize, ticks: u64) -> Option<Tightest> {
        self.at(index, 0, ticks.saturating_mul(TICK_NS))
    }

    fn at(&self, index: usize, left: u64, wait_ns: u64) -> Option<Tightest> {
        let limit = self.asks.get(index)?.limit;
        Some(Tightest {
            level: *self.levels.get(index)?,
            burst: limit.rate.burst,
            fill_ns: limit.fill_ticks().saturating_mul(TICK_NS),
            left,
            wait_ns,
        })
    }
}

/// What stands in rows where no limit is.
static NOTHING: Limit = Limit::NOTHING;

#[cfg(test)]
mod tests;
