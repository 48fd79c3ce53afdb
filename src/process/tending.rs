//! Leases for cores that run low, and what became of the leases before.
//!
//! What it is: every few milliseconds the shared table gets room if it wants some, and wishes go to
//! the store's thread, which commits them before it fills them in; every few seconds what was spent is
//! written down. Shape: [`tend`] lives as long as the process; [`checkpoint`] and [`revive`] are
//! done on the store's thread. Units: milliseconds, requests. Errors: a store that cannot be asked
//! leaves the cores with what is left of their leases. Source: RELIABILITY section 6.

use std::{cell::Cell, rc::Rc};

use tidegate_edge::{
    base::time::{Mono, Wall},
    limits::{Directory, Id, Identity, LeaseSource, Quota, Table, User, Users, Wish},
    server::LimitsHome,
};

use super::control::Control;
use crate::store::{
    Store, StoreError,
    lease::{Grant, Outstanding, Spent, Wanted},
    period::day_at,
};

/// The store as cores ask it.
struct Source<'a>(&'a mut Store);

impl LeaseSource for Source<'_> {
    fn lease(&mut self, wishes: &[Wish], answers: &mut [u32]) -> Result<(), String> {
        let names: Vec<(String, String)> = wishes
            .iter()
            .map(|wish| (wish.plan.to_string(), wish.key.to_string()))
            .collect();
        let wanted = names.iter().zip(wishes);
        let wanted: Vec<(Wanted<'_>, u32)> = wanted
            .map(|((plan, key), wish)| (Wanted { plan, key }, wish.window))
            .collect();
        let grants = self
            .0
            .grant_in(&wanted)
            .map_err(|error| error.to_string())?;
        for ((answer, grant), wish) in answers.iter_mut().zip(grants).zip(wishes) {
            *answer = match grant {
                Grant::Lease { count, .. } => u32::try_from(count).unwrap_or(0),
                // Its cores will soon know that there is no quota any more.
                Grant::Unlimited => wish.quota.lease(),
                Grant::NoPlan => 0,
            };
        }
        Ok(())
    }
}

/// Nobody grants anything now.
struct Nobody;

impl LeaseSource for Nobody {
    fn lease(&mut self, _: &[Wish], _: &mut [u32]) -> Result<(), String> {
        Err("the store cannot be asked now".to_owned())
    }
}

/// Looks after limits until the process ends.
pub(super) async fn tend(control: Rc<Control>) {
    let core = &control.core;
    let limits = control.keeper.limits().clone();
    let next_checkpoint = Cell::new(core.now().plus_ms(CHECKPOINT_MS));
    let mut failing = false;
    loop {
        if limits.table().is_none() {
            core.sleep_until(core.now().plus_ms(IDLE_MS)).await;
            continue;
        }
        let done = once(&control, &limits, &next_checkpoint).await;
        // What goes wrong is said once, not every few milliseconds.
        if let Err(reason) = &done
            && !failing
        {
            eprintln!("tidegate: leases cannot be granted: {reason}");
        }
        failing = done.is_err();
        core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
    }
}

async fn once(
    control: &Control,
    limits: &LimitsHome,
    next_checkpoint: &Cell<Mono>,
) -> Result<(), String> {
    let core = &control.core;
    if !control.keeper.is_open() {
        let wanted = limits.leases().is_wanted();
        let tended = limits.tend(&mut Nobody);
        return if wanted { tended } else { Ok(()) };
    }
    let (due, now) = (core.now() >= next_checkpoint.get(), core.wall());
    if due {
        next_checkpoint.set(core.now().plus_ms(CHECKPOINT_MS));
    }
    if !due && !limits.leases().is_wanted() {
        // Room alone.
        return limits.tend(&mut Nobody).or(Ok(()));
    }
    let home = limits.clone();
    let done = control.keeper.ask(core, move |store| {
        home.tend(&mut Source(store)).map_err(StoreError::Unready)?;
        if due {
            checkpoint(store, &home, now)?;
        }
        Ok(())
    });
    done.await.map_err(|error| error.to_string())
}

/// Writes down what was spent of the leases that are out.
///
/// # Errors
/// Nothing was written.
pub(super) fn checkpoint(
    store: &mut Store,
    limits: &LimitsHome,
    now: Wall,
) -> Result<(), StoreError> {
    let Some(table) = limits.table() else {
        return Ok(());
    };
    let (mut spent, mut lost) = (Vec::new(), Vec::new());
    for out in store.outstanding()? {
        let Some((identity, quota)) = quota_of(limits, &out.plan, &out.key) else {
            lost.push(out); // there is no such quota any more
            continue;
        };
        // Of a window that is over nobody knows what was spent of its last lease.
        if quota.window(now) != out.number {
            lost.push(out);
            continue;
        }
        // Without a place nobody has asked since the table was made.
        if let Some(place) = table.known_place(identity) {
            let unspent = u64::from(limits.leases().unspent(&table, place, out.number));
            let used = out.count.saturating_sub(unspent);
            if used > 0 {
                spent.push(spent_of(out, used, now));
            }
        }
    }
    if !lost.is_empty() {
        store.write_off(&lost)?;
    }
    if !spent.is_empty() {
        store.settle(&spent)?;
    }
    write_counts(store, limits, &table, day_at(now))
}

/// Writes down what was used of plans without a quota. It is taken first, so that a process that
/// dies in between loses a few seconds of it and counts nothing twice.
fn write_counts(
    store: &mut Store,
    limits: &LimitsHome,
    table: &Table,
    day: i64,
) -> Result<(), StoreError> {
    let (leases, directory) = (limits.leases(), limits.directory());
    let users = match leases.users() {
        Users::Named(users) => users,
        Users::Any => members(store, &directory)?,
    };
    let (mut spent, mut taken) = (Vec::new(), Vec::new());
    for User { plan, key } in users {
        let plans = directory.plans();
        let Some(plan) = plans.iter().find(|known| known.id == plan) else {
            continue; // it is gone
        };
        let Some(place) = table.known_place(plan.identity(key)) else {
            continue;
        };
        let used = leases.take_count(table, place);
        if used > 0 {
            taken.push((place, used));
            let (plan, key) = (plan.id.to_string(), key.to_string());
            spent.push(Spent {
                plan,
                key,
                day,
                used,
                lease: None,
            });
        }
    }
    if spent.is_empty() {
        return Ok(());
    }
    let written = store.settle(&spent);
    if written.is_err() {
        for (place, used) in taken {
            leases.put_back(table, place, used);
        }
    }
    written
}

/// All keys of plans without a quota.
fn members(store: &Store, directory: &Directory) -> Result<Vec<User>, StoreError> {
    let plans = directory.plans().iter().filter(|plan| plan.quota.is_none());
    let mut users = Vec::new();
    for plan in plans {
        let keys = store.keys_of_plan(&plan.id.to_string())?;
        let keys = keys.iter().filter_map(|key| Id::parse(key));
        users.extend(keys.map(|key| User { plan: plan.id, key }));
    }
    Ok(users)
}

fn spent_of(out: Outstanding, used: u64, now: Wall) -> Spent {
    Spent {
        day: day_at(now),
        used,
        lease: Some(out.number),
        plan: out.plan,
        key: out.key,
    }
}

/// A lease for a quota that was used up and has been extended: its cores do not ask any more.
///
/// # Errors
/// Nothing was granted.
pub(super) fn revive(
    store: &mut Store,
    limits: &LimitsHome,
    (plan, key): (&str, &str),
    now: Wall,
) -> Result<(), StoreError> {
    let Some(table) = limits.table() else {
        return Ok(());
    };
    let Some((identity, quota)) = quota_of(limits, plan, key) else {
        return Ok(());
    };
    let Some(place) = table.known_place(identity) else {
        return Ok(()); // who has never asked will
    };
    let (Some(plan_id), Some(key_id)) = (Id::parse(plan), Id::parse(key)) else {
        return Ok(());
    };
    let window = quota.window(now);
    let wish = Wish {
        plan: plan_id,
        key: key_id,
        quota,
        window,
        place,
    };
    if limits.leases().unspent(&table, place, window) > 0 {
        return Ok(()); // it runs on, and asks when it runs low
    }
    let grants = store.grant_in(&[(Wanted { plan, key }, window)])?;
    if let [Grant::Lease { count, .. }] = grants[..]
        && count > 0
    {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        limits.leases().extend(&table, &wish, count);
    }
    Ok(())
}

/// By what the lease of a key is found, and its quota.
fn quota_of(limits: &LimitsHome, plan: &str, key: &str) -> Option<(Identity, Quota)> {
    let (plan, key) = (Id::parse(plan)?, Id::parse(key)?);
    let directory = limits.directory();
    let plan = directory.plans().iter().find(|known| known.id == plan)?;
    Some((plan.identity(key), plan.quota?))
}

/// How often wishes are looked for: the first request of a window waits for it.
const LOOK_MS: u64 = 2;
/// The same while no plan has limits.
const IDLE_MS: u64 = 100;
/// How often what was spent is written down.
const CHECKPOINT_MS: u64 = 5_000;
