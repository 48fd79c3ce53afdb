//! The handle that one core works with.
//!
//! Shape: [`Owner`] is a registration in the region: a place for pins and counters that nobody else
//! writes. It stays on its thread; hits keep what they need of it alive, so it may go first.
//! Units: bytes, seconds since 1970 (`u32`, to the year 2106), passed in by the caller: there is no
//! clock here. Errors: [`StoreFault`] at registration, [`InsertFault`] when storing; reading has
//! none. Source: docs/architecture.md, "The cache".

use std::{cell::RefCell, rc::Rc, sync::Arc};

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

use super::{
    fault::{InsertFault, StoreFault},
    hit::Hit,
    insert::Insert,
    life::Seat,
    namespace::{Flushes, Namespace, namespace_place},
    protocol,
    seal::Sealing,
    stats::Count,
    store::Store,
    sync::Ordering,
};

/// What a key is found by. Valid for the namespace and generation it was made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyHash(pub(super) u64);

/// One core's handle to a [`Store`]. Neither sent nor shared among threads.
#[derive(Debug)]
pub struct Owner {
    pub(super) inner: Rc<Inner>,
}

/// What hits share with their owner.
pub(super) struct Inner {
    pub(super) store: Arc<Store>,
    pub(super) seat: Seat,
    pub(super) sealing: Option<RefCell<Sealing>>,
    /// Buffers for opened objects, given back by hits.
    pub(super) spare: RefCell<Vec<Vec<u8>>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}

impl Owner {
    pub(super) fn register(store: &Arc<Store>) -> Result<Owner, StoreFault> {
        let sealing = match &store.vault {
            Some(vault) => {
                let sealing = vault.sealing().ok_or(StoreFault::NoRandomness)?;
                Some(RefCell::new(sealing))
            }
            None => None,
        };
        let seat = store.claim_seat()?;
        Ok(Owner {
            inner: Rc::new(Inner {
                store: Arc::clone(store),
                seat,
                sealing,
                spare: RefCell::new(Vec::with_capacity(SPARES_MAX)),
            }),
        })
    }

    /// The store this is an owner of.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.inner.store
    }

    /// Hashes `key` for a look-up in `namespace` as it stands now.
    #[inline]
    #[must_use]
    pub fn hash(&self, namespace: Namespace, key: &[u8]) -> KeyHash {
        let flushes = self.inner.store.flushes_at(namespace_place(namespace));
        self.inner.store.hash_of(namespace, flushes, key)
    }

    /// Asks the processor for where `hash` is looked up. For a batch: all of these first, then
    /// [`Owner::prefetch_record`] for all, then the look-ups.
    #[inline]
    pub fn prefetch(&self, hash: KeyHash) {
        self.inner.store.prefetch_buckets(hash);
    }

    /// Asks the processor for the record that `hash` seems to lead to.
    #[inline]
    pub fn prefetch_record(&self, hash: KeyHash) {
        self.inner.store.prefetch_record(hash);
    }

    /// Finds the object of `key`, and pins it until the hit is dropped. `None` is a miss, whatever
    /// the reason. A hit may be past its `expires_s`; one past its `keep_until_s` is a miss.
    #[inline]
    #[must_use]
    pub fn lookup(
        &self,
        namespace: Namespace,
        hash: KeyHash,
        key: &[u8],
        now_s: u32,
    ) -> Option<Hit> {
        let hit = self
            .inner
            .lookup(namespace_place(namespace), hash, key, now_s);
        self.inner.count(
            if hit.is_some() {
                Count::Hits
            } else {
                Count::Misses
            },
            1,
        );
        hit
    }

    /// Stores an object, in place of an older one of the same key.
    ///
    /// # Errors
    /// As [`InsertFault`]; the older object may then be there or not.
    pub fn insert(&self, insert: &Insert<'_>, now_s: u32) -> Result<(), InsertFault> {
        let stored = self.inner.insert(insert, now_s);
        if stored.is_err() {
            self.inner.count(Count::Refused, 1);
        }
        stored
    }

    /// Removes the object of `key`; false when there was none.
    pub fn remove(&self, namespace: Namespace, key: &[u8]) -> bool {
        let hash = self.hash(namespace, key);
        let removed = self.inner.remove_all(hash);
        self.inner.count(Count::Removed, u64::from(removed));
        removed > 0
    }
}

impl Inner {
    /// Adds to a counter that only this owner writes.
    #[inline]
    pub(super) fn count(&self, count: Count, by: u64) {
        let cell = self.store.counter(self.seat.place, count as usize);
        let sum = cell.load(Ordering::Relaxed).wrapping_add(by);
        cell.store(sum, Ordering::Relaxed);
    }

    /// Pins `segment` and gives its state word as it is under the pin.
    #[inline]
    pub(super) fn pin(&self, segment: u32) -> (Pin<'_>, u64) {
        let pins = self.store.pins(self.seat.place, segment);
        let word = protocol::pin(pins, self.store.segment_state(segment));
        let inner = self;
        (Pin { inner, segment }, word)
    }

    pub(super) fn unpin(&self, segment: u32) {
        protocol::unpin(self.store.pins(self.seat.place, segment));
    }

    /// An empty buffer.
    pub(super) fn take_spare(&self) -> Vec<u8> {
        let mut spare = self.spare.borrow_mut().pop().unwrap_or_default();
        spare.clear();
        spare
    }

    pub(super) fn give_spare(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARES_MAX {
            spare.push(buffer);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.store.leave_seat(self.seat);
    }
}

/// Holds a segment while it lives.
pub(super) struct Pin<'a> {
    inner: &'a Inner,
    segment: u32,
}

impl Pin<'_> {
    /// Leaves the pin to whoever will call [`Inner::unpin`].
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.inner.unpin(self.segment);
    }
}

impl Store {
    /// The hash by which an object of this namespace, generation and key is found.
    #[inline]
    pub(super) fn hash_of(&self, namespace: Namespace, flushes: Flushes, key: &[u8]) -> KeyHash {
        let which = namespace.0.wrapping_mul(SPREAD_NAMESPACE)
            ^ flushes.0.wrapping_mul(SPREAD_GENERATION).rotate_left(32);
        let secrets = RapidSecrets {
            seed: self.secrets.seed ^ which,
            secrets: self.secrets.secrets,
        };
        KeyHash(rapidhash_v3_inline::<true, false, false>(key, &secrets))
    }
}

/// Buffers kept for the next opened objects.
const SPARES_MAX: usize = 8;
/// Odd, so that different namespaces stay different.
const SPREAD_NAMESPACE: u64 = 0x9e37_79b9_7f4a_7c15;
const SPREAD_GENERATION: u64 = 0xd6e8_feb8_6659_fd93;
