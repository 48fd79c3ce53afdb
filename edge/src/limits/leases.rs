//! Wishes for leases, from the cores to whoever grants them.
//!
//! What: a core that runs low on a quota leaves a [`Wish`]; the control thread takes all wishes
//! together ([`Leases::serve`]), asks its [`LeaseSource`] (which has the lease counted durably
//! before it answers) and puts what it gets into the shared table. Shape: a bounded queue; a full
//! one drops a wish, and the next request that runs low leaves another. Units: requests.
//! Errors: a source that cannot be asked leaves the quota to what is left of its lease.
//! Source: RELIABILITY section 6.

use crossbeam::queue::ArrayQueue;

use super::{
    id::Id,
    lease,
    quota::Quota,
    table::{Place, Table},
};

/// A lease that somebody wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Of which usage plan.
    pub plan: Id,
    /// For which key.
    pub key: Id,
    /// Its quota.
    pub quota: Quota,
    /// For which window, as [`Quota::window`] numbers them.
    pub window: u32,
    /// Where it goes.
    pub place: Place,
}

/// Grants leases; the store is one.
pub trait LeaseSource {
    /// Counts up to `wish.quota.lease()` requests as used, durably, and answers how many; 0: the
    /// quota has no more in this window. Wishes come in batches, so that one commit serves many:
    /// `answers` has one place for each.
    ///
    /// # Errors
    /// A text for the log; then nothing was counted.
    fn lease(&mut self, wishes: &[Wish], answers: &mut [u32]) -> Result<(), String>;
}

/// Wishes that wait.
#[derive(Debug)]
pub struct Leases {
    queue: ArrayQueue<Wish>,
}

/// Most wishes that wait.
pub const WISHES_MAX: usize = 4096;

impl Default for Leases {
    fn default() -> Leases {
        Leases {
            queue: ArrayQueue::new(WISHES_MAX),
        }
    }
}

impl Leases {
    /// Leaves a wish; one that finds no room is dropped.
    pub(super) fn wish(&self, table: &Table, wish: Wish) {
        if self.queue.push(wish).is_err() {
            lease::forget_asked(table.lease(wish.place));
        }
    }

    /// True when somebody waits.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Answers all wishes by `source`; gives how many.
    ///
    /// # Errors
    /// What the source says.
    pub fn serve(&self, table: &Table, source: &mut impl LeaseSource) -> Result<usize, String> {
        let mut wishes: Vec<Wish> = Vec::new();
        for _ in 0..WISHES_MAX {
            let Some(wish) = self.queue.pop() else { break };
            let left = lease::left(table.lease(wish.place), wish.window);
            let is_known = wishes.iter().any(|known| known.place == wish.place);
            if !is_known && left <= low(&wish.quota) {
                wishes.push(wish);
            }
        }
        if wishes.is_empty() {
            return Ok(0);
        }
        let mut answers = vec![0; wishes.len()];
        if let Err(error) = source.lease(&wishes, &mut answers) {
            for wish in &wishes {
                lease::forget_asked(table.lease(wish.place));
            }
            return Err(error);
        }
        for (wish, count) in wishes.iter().zip(answers) {
            lease::fill(table.lease(wish.place), wish.window, count);
        }
        Ok(wishes.len())
    }

    /// More requests for a quota that was extended while it ran, already counted.
    pub fn extend(&self, table: &Table, wish: &Wish, count: u32) {
        lease::fill(table.lease(wish.place), wish.window, count);
    }

    /// What `key` has left of its lease: counted as used, but not yet spent.
    #[must_use]
    pub fn unspent(&self, table: &Table, place: Place, window: u32) -> u32 {
        lease::left(table.lease(place), window)
    }
}

/// What is left when the next lease is wished for.
pub(super) fn low(quota: &Quota) -> u32 {
    quota.lease() / 4
}
