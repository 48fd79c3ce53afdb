//! Wishes for leases, from the cores to whoever grants them.
//!
//! What: a core that runs low on a quota leaves a [`Wish`]; the control thread takes all wishes
//! together ([`Leases::serve`]), asks its [`LeaseSource`] (which has the lease counted durably
//! before it answers) and puts what it gets into the shared table. Shape: a bounded queue; a full
//! one drops a wish, and the next request that runs low leaves another. Units: requests.
//! Errors: a source that cannot be asked leaves the quota to what is left of its lease.
//! Source: RELIABILITY section 6.

use std::sync::atomic::{AtomicBool, Ordering};

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

/// Wishes that wait, and who was counted without a quota.
#[derive(Debug)]
pub struct Leases {
    queue: ArrayQueue<Wish>,
    users: ArrayQueue<User>,
    /// Somebody was counted whom the queue does not name: before the start, or for want of room.
    has_unnamed: AtomicBool,
}

/// A key in a plan without a quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct User {
    /// The usage plan.
    pub plan: Id,
    /// The key.
    pub key: Id,
}

/// Who was counted since the last call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Users {
    /// These.
    Named(Vec<User>),
    /// Anybody may have been.
    Any,
}

/// Most wishes that wait.
pub const WISHES_MAX: usize = 4096;
/// Most users that are named.
const USERS_MAX: usize = 16_384;

impl Default for Leases {
    fn default() -> Leases {
        Leases {
            queue: ArrayQueue::new(WISHES_MAX),
            users: ArrayQueue::new(USERS_MAX),
            has_unnamed: AtomicBool::new(true),
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

    /// Counts a request of `user` at `place`.
    #[inline]
    pub(super) fn count(&self, table: &Table, place: Place, user: User) {
        if lease::count(table.lease(place), 1) && self.users.push(user).is_err() {
            self.has_unnamed.store(true, Ordering::Release);
        }
    }

    /// Who was counted since the last call; their counts are there for [`Leases::take_count`].
    #[must_use]
    pub fn users(&self) -> Users {
        let is_any = self.has_unnamed.swap(false, Ordering::AcqRel);
        let named = std::iter::from_fn(|| self.users.pop()).take(USERS_MAX);
        let named: Vec<User> = named.collect();
        if is_any {
            return Users::Any;
        }
        Users::Named(named)
    }

    /// Takes what was counted at `place`.
    #[must_use]
    pub fn take_count(&self, table: &Table, place: Place) -> u64 {
        lease::take_count(table.lease(place))
    }

    /// Puts back what was taken and could not be written down.
    pub fn put_back(&self, table: &Table, place: Place, requests: u64) {
        lease::count(table.lease(place), requests);
        self.has_unnamed.store(true, Ordering::Release);
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
