//! The gate: all limits of a request, decided at once.
//!
//! What: finds the key, puts the limits of all levels in a row, takes a token of each or of none,
//! and spends one of the quota last. Shape: a [`Gate`] is made for one plan over the shared table;
//! limits that stand in the plan have their buckets found beforehand. Values and `now` in, a
//! decision out. Units: nanoseconds, requests. Errors: [`Refusal`].
//! Source: API Gateway developer guide, "throttling", the order of application.

use std::{net::IpAddr, sync::Arc};

use super::{
    clients::{ClientLimit, Clients},
    directory::Directory,
    id::Id,
    lease::{self, Spent},
    leases::{Leases, User, Wish, low},
    level::{Identity, Level},
    rate::{Limit, TICK_NS},
    table::{ASKS_MAX, Ask, Place, Table, TableFault, Taken},
};
use crate::base::time::{Mono, Wall};

/// The limits of one route, as the plan has them.
#[derive(Clone, PartialEq, Debug, Default)]
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
    clients: Option<Clients>,
    routes: Box<[RouteGate]>,
}

#[derive(Debug)]
struct RouteGate {
    limits: RouteLimits,
    asks: Box<[RouteAsk]>,
}

/// A limit that stands in the plan, with its bucket.
#[derive(Debug)]
struct RouteAsk {
    place: Place,
    level: Level,
    limit: Limit,
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The route's position in the plan.
    pub route: usize,
    /// The client's address, unless it is exempt.
    pub client: Option<IpAddr>,
    /// The value of the key that was sent.
    pub key: Option<&'a [u8]>,
    /// For buckets.
    pub now: Mono,
    /// For quotas.
    pub wall: Wall,
    /// Wants to know how it stands with the tightest limit, if it passes.
    pub tells: bool,
}

/// A request that may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Passed {
    /// Its key, if the route wants one.
    pub key: Option<Id>,
    /// The limit that has the fewest tokens left, if that was asked for.
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
            let mut asks = Vec::new();
            for rate in &limits.rates {
                asks.push(RouteAsk {
                    place: table.place_or_grow(rate.identity)?,
                    level: rate.level,
                    limit: rate.limit,
                });
            }
            gates.push(RouteGate {
                limits: limits.clone(),
                asks: asks.into(),
            });
        }
        Ok(Gate {
            table: Arc::clone(table),
            leases: Arc::clone(leases),
            clients: None,
            routes: gates.into(),
        })
    }

    /// The same with a limit for each client address.
    ///
    /// # Errors
    /// As [`TableFault`].
    pub fn with_clients(self, limit: &ClientLimit) -> Result<Gate, TableFault> {
        Ok(Gate {
            clients: Some(Clients::new(&self.table, limit)?),
            ..self
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
        let client = self.clients.as_ref().zip(caller.client);
        let client = client.and_then(|(clients, ip)| clients.ask(&self.table, ip));
        if route.limits.is_open() && client.is_none() {
            return Ok(Passed::default());
        }
        let mut row = Row::new(client, &route.asks);
        if !route.limits.needs_key {
            let tightest = self.take(&row, caller, None)?;
            return Ok(Passed {
                key: None,
                tightest,
            });
        }
        let found = caller.key.and_then(|value| directory.find(value));
        let found = found.filter(|found| found.enabled);
        let plan = found.and_then(|found| Some((found, found.plan(route.limits.stage)?)));
        let Some((found, (plan, stage))) = plan else {
            self.look(&row, caller)?;
            return Err(Refusal::Forbidden);
        };
        let key = found.id;
        let full = Refusal::Throttled {
            at: None,
            key: Some(key),
        };
        let own = self.table.place_hinted(plan.identity(key), found.hint);
        let own = own.ok_or(full)?;
        if let Some(limit) = &plan.limit {
            row.push(Ask { place: own, limit });
            row.has_key = true;
        }
        if let Some((limit, identity)) = stage.method_limit(route.limits.method, key) {
            let place = self.table.place(identity).ok_or(full)?;
            row.push(Ask { place, limit });
        }
        let tightest = match plan.quota {
            None => {
                let tightest = self.take(&row, caller, Some(key))?;
                let plan = plan.id;
                self.leases.count(&self.table, own, User { plan, key });
                tightest
            }
            Some(quota) => {
                let wish = Wish {
                    plan: plan.id,
                    key,
                    quota,
                    window: quota.window(caller.wall),
                    place: own,
                };
                self.take_and_spend(&row, caller, &wish)?
            }
        };
        Ok(Passed {
            key: Some(key),
            tightest,
        })
    }

    #[inline]
    fn take(
        &self,
        row: &Row<'_>,
        caller: &Caller<'_>,
        key: Option<Id>,
    ) -> Result<Option<Tightest>, Refusal> {
        match self.table.take(caller.now, row.asks()) {
            Ok(taken) => Ok(row.tightest(caller, &taken)),
            Err(refused) => Err(row.refused(refused.index, refused.empty.ticks, key)),
        }
    }

    /// Tokens first, the quota last: a request that is refused costs none of it.
    fn take_and_spend(
        &self,
        row: &Row<'_>,
        caller: &Caller<'_>,
        wish: &Wish,
    ) -> Result<Option<Tightest>, Refusal> {
        let taken = self.table.take(caller.now, row.asks());
        let taken = taken
            .map_err(|refused| row.refused(refused.index, refused.empty.ticks, Some(wish.key)))?;
        match lease::spend(self.table.lease(wish.place), wish.window, low(&wish.quota)) {
            Spent::One { asks, .. } => {
                if asks {
                    self.leases.wish(&self.table, *wish);
                }
                Ok(row.tightest(caller, &taken))
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
                return Err(row.refused(index, empty.ticks, None));
            }
        }
        Ok(())
    }
}

/// The limits of a request, in the order in which they are taken: that of the client's address,
/// those of the route, those of the key's plan.
struct Row<'a> {
    asks: [Ask<'a>; ASKS_MAX],
    count: usize,
    fixed: &'a [RouteAsk],
    has_client: bool,
    has_key: bool,
}

impl<'a> Row<'a> {
    #[inline]
    fn new(client: Option<Ask<'a>>, fixed: &'a [RouteAsk]) -> Row<'a> {
        let nothing = Ask {
            place: Place::NONE,
            limit: &Limit::NOTHING,
        };
        let mut row = Row {
            asks: [nothing; ASKS_MAX],
            count: 0,
            fixed,
            has_client: client.is_some(),
            has_key: false,
        };
        if let Some(ask) = client {
            row.push(ask);
        }
        for ask in fixed {
            row.push(Ask {
                place: ask.place,
                limit: &ask.limit,
            });
        }
        row
    }

    #[inline]
    fn push(&mut self, ask: Ask<'a>) {
        let room = self.asks.get_mut(self.count);
        debug_assert!(room.is_some(), "fewer levels than room");
        if let Some(room) = room {
            *room = ask;
            self.count += 1;
        }
    }

    #[inline]
    fn asks(&self) -> &[Ask<'a>] {
        self.asks.get(..self.count).unwrap_or(&self.asks)
    }

    #[inline]
    fn tightest(&self, caller: &Caller<'_>, taken: &Taken) -> Option<Tightest> {
        if caller.tells {
            return self.least(caller, taken);
        }
        None
    }

    #[cold]
    fn least(&self, caller: &Caller<'_>, taken: &Taken) -> Option<Tightest> {
        let (index, left) = taken.least(caller.now, self.asks())?;
        let limit = self.asks().get(index)?.limit;
        let wait_ns = if left > 0 {
            0
        } else {
            limit.token_ticks * TICK_NS
        };
        self.at(index, left, wait_ns)
    }

    #[cold]
    fn refused(&self, index: usize, ticks: u64, key: Option<Id>) -> Refusal {
        Refusal::Throttled {
            at: self.at(index, 0, ticks.saturating_mul(TICK_NS)),
            key,
        }
    }

    fn at(&self, index: usize, left: u64, wait_ns: u64) -> Option<Tightest> {
        let limit = self.asks().get(index)?.limit;
        let levels = self.has_client.then_some(Level::Client).into_iter();
        let levels = levels.chain(self.fixed.iter().map(|ask| ask.level));
        let mut levels = levels.chain(self.has_key.then_some(Level::UsageKey));
        let level = levels.nth(index).unwrap_or(Level::UsageMethod);
        Some(Tightest {
            level,
            burst: limit.rate.burst,
            fill_ns: limit.fill_ticks().saturating_mul(TICK_NS),
            left,
            wait_ns,
        })
    }
}

#[cfg(test)]
mod tests;
