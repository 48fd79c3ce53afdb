//! Walks over everything: purge by what an object is, and proof of what is there.
//!
//! Shape: a walk goes bucket by bucket through the index, a few at a time, while others read and
//! write. What was stored when it began, and is there when it ends, was seen: an object keeps its
//! slot when it moves. Units: buckets. Errors: none. Source: none.

use super::{
    find::Found,
    geometry::BUCKET_SLOTS,
    owner::{Inner, Owner},
    protocol,
    region::WORD_BYTES,
    seal::FRONT_BYTES,
    slot::Slot,
    stats::Count,
};

/// How far a walk is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Walk {
    next_bucket: usize,
}

/// What a walk shows of an object beside key and meta.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Bytes of the body.
    pub body_bytes: u32,
    /// When it was stored.
    pub stored_s: u32,
    /// From when on it is stale.
    pub expires_s: u32,
    /// From when on it is a miss.
    pub keep_until_s: u32,
    /// True when its namespace was flushed since.
    pub is_flushed: bool,
}

/// What a proof found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Proof {
    /// Records that are what was written.
    pub good: u64,
    /// Records whose head is right and whose bytes are not.
    pub damaged: u64,
    /// Slots that lead to no record: left behind by a segment given up whole, or damaged.
    pub astray: u64,
}

impl Owner {
    /// Goes on with `walk` for up to `buckets_max` buckets, and removes the objects for which
    /// `decide` answers true to what they are, their key and their meta. False at the end. Fetches
    /// that are under way when the walk begins store nothing.
    pub fn purge(
        &self,
        walk: &mut Walk,
        buckets_max: usize,
        mut decide: impl FnMut(&Entry, &[u8], &[u8]) -> bool,
    ) -> bool {
        if *walk == Walk::default() {
            self.inner.store.count_purge();
        }
        let (mut key, mut meta) = (Vec::new(), Vec::new());
        self.inner.walk(walk, buckets_max, |_, found| {
            let Some(mut found) = found else {
                return;
            };
            if let Some(entry) = self.inner.show(&mut found, &mut key, &mut meta)
                && decide(&entry, &key, &meta)
                && self.inner.forget(found.slot_at, found.slot)
            {
                self.inner.count(Count::Removed, 1);
            }
        })
    }

    /// Reads every object and compares it with its checks, a few buckets at a time like
    /// [`Owner::purge`]. False at the end.
    pub fn prove(&self, walk: &mut Walk, buckets_max: usize, proof: &mut Proof) -> bool {
        self.inner.walk(walk, buckets_max, |slot, found| {
            let Some(mut found) = found else {
                proof.astray += u64::from(!slot.is_empty());
                return;
            };
            let is_good = if found.header.is_sealed {
                self.inner.open(&mut found)
            } else {
                self.inner.is_intact_anew(&found)
            };
            proof.good += u64::from(is_good);
            proof.damaged += u64::from(!is_good);
        })
    }

    /// [`Owner::prove`] over everything at once.
    #[must_use]
    pub fn verify(&self) -> Proof {
        let (mut walk, mut proof) = (Walk::default(), Proof::default());
        while self.prove(&mut walk, usize::MAX, &mut proof) {}
        proof
    }
}

impl Inner {
    fn walk(
        &self,
        walk: &mut Walk,
        buckets_max: usize,
        mut visit: impl FnMut(Slot, Option<Found<'_>>),
    ) -> bool {
        let store = &*self.store;
        let end = walk
            .next_bucket
            .saturating_add(buckets_max)
            .min(store.geometry.buckets);
        for bucket in walk.next_bucket..end {
            let first = store.bucket_at(bucket);
            for slot_at in (0..BUCKET_SLOTS).map(|i| first + i * WORD_BYTES) {
                let slot = Slot(protocol::observe(store.region.word(slot_at)));
                if !slot.is_empty() {
                    visit(slot, self.examine(slot_at, slot));
                }
            }
        }
        walk.next_bucket = end;
        end < store.geometry.buckets
    }

    /// Copies key and meta; `None` when they are not what was written.
    fn show(&self, found: &mut Found<'_>, key: &mut Vec<u8>, meta: &mut Vec<u8>) -> Option<Entry> {
        let header = found.header;
        key.resize(header.key_bytes as usize, 0);
        meta.resize(header.meta_bytes as usize, 0);
        if header.is_sealed {
            if !self.open(found) {
                return None;
            }
            let object = found.opened.as_ref()?.get(FRONT_BYTES..)?;
            let (first, rest) = object.split_at_checked(key.len())?;
            key.copy_from_slice(first);
            meta.copy_from_slice(rest.get(..header.meta_bytes as usize)?);
        } else {
            if !self.is_intact(found) {
                return None;
            }
            let at = self.store.payload_at(found.stamp.place);
            self.store.region.copy_out(at, key);
            self.store.region.copy_out(at + key.len(), meta);
        }
        Some(Entry {
            body_bytes: header.body_bytes,
            stored_s: header.stored_s,
            expires_s: header.expires_s,
            keep_until_s: header.keep_until_s,
            is_flushed: self
                .store
                .is_flushed(header.namespace, header.generation_low),
        })
    }
}
