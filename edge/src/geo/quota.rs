//! The books of a region's keys.
//!
//! What it is: who grants leases of quotas to a simulated region, in place of the store that writes
//! them down. Its arithmetic is the store's: never more than the limit in a window, and what was
//! leased counts as used even if its region is lost. Shape: [`Ledger`], which outlives the gateway
//! whose keys it counts. Units: requests. Ranges: an entry for each key and window. Errors: none.
//! Source: RELIABILITY section 6; Amazon API Gateway developer guide, "usage plans".

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::scenario;
use crate::{
    exec::Core,
    limits::{self, Id, LeaseSource, Wish},
    server::LimitsHome,
};

/// What was leased so far.
#[derive(Default)]
pub(super) struct Ledger {
    /// By plan, key and window.
    granted: BTreeMap<(Id, Id, u32), u64>,
}

impl LeaseSource for Ledger {
    fn lease(&mut self, wishes: &[Wish], answers: &mut [u32]) -> Result<(), String> {
        for (wish, answer) in wishes.iter().zip(answers) {
            let entry = (self.granted)
                .entry((wish.plan, wish.key, wish.window))
                .or_default();
            let left = wish.quota.limit.saturating_sub(*entry);
            let count = left.min(wish.quota.lease().into());
            *entry += count;
            *answer = u32::try_from(count).unwrap_or(0);
        }
        Ok(())
    }
}

/// Looks after the limits of a region until its core ends: the table gets room if it wants some, and
/// wishes are answered.
pub(super) async fn tend(core: Rc<Core>, limits: LimitsHome, ledger: Rc<RefCell<Ledger>>) {
    loop {
        core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
        // A table that cannot grow refuses whom it has no room for, here as elsewhere.
        let _ = limits.tend(&mut *ledger.borrow_mut());
    }
}

/// A quota as gateways have it.
pub(super) fn of(quota: scenario::Quota) -> Option<limits::Quota> {
    let period = match quota.period {
        scenario::Period::Day => limits::Period::Day,
        scenario::Period::Week => limits::Period::Week,
        scenario::Period::Month => limits::Period::Month,
    };
    limits::Quota::new(quota.limit, 0, period)
}

/// How often the control thread looks.
const LOOK_MS: u64 = 2;
