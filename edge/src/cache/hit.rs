//! A hit: a stored object that stays as it is for as long as the hit lives.
//!
//! Shape: [`Hit`] pins the object's segment and can copy its parts, or lend its body to be sent
//! from where it lies. An opened object is a copy of our own and pins nothing. Units: bytes,
//! seconds since 1970. Errors: none; what is outside is neither copied nor lent.
//! Source: docs/architecture.md, "The cache".

use std::{ptr::NonNull, rc::Rc};

use crate::ring::Lender;

use super::{
    owner::{Inner, KeyHash},
    protocol,
    record::Header,
    seal::FRONT_BYTES,
    slot::FREQUENCY_MAX,
};

/// A found object.
#[derive(Debug)]
pub struct Hit {
    inner: Rc<Inner>,
    header: Header,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// In the region, pinned: the segment, and where the meta begins.
    Pinned { segment: u32, meta_at: usize },
    /// Opened, with the salt in front.
    Opened(Vec<u8>),
}

impl Inner {
    #[inline]
    pub(super) fn lookup(
        self: &Rc<Inner>,
        namespace: u32,
        hash: KeyHash,
        key: &[u8],
        now_s: u32,
    ) -> Option<Hit> {
        let mut found = self.find(hash, key)?;
        let header = found.header;
        let generation_low = self.store.flushes_at(namespace).low();
        if header.namespace != namespace || header.generation_low != generation_low {
            return None;
        }
        if header.keep_until_s <= now_s || !self.is_intact(&found) {
            return None;
        }
        let frequency = found.slot.frequency();
        if frequency < FREQUENCY_MAX {
            // One try: what it loses against is as good.
            let risen = found.slot.with_frequency(frequency + 1);
            protocol::publish(self.store.region.word(found.slot_at), found.slot.0, risen.0);
        }
        let held = match found.opened.take() {
            Some(opened) => Held::Opened(opened),
            None => {
                let segment = found.stamp.place.segment;
                let key_at = self.store.payload_at(found.stamp.place);
                found.pin.keep();
                let meta_at = key_at + header.key_bytes as usize;
                Held::Pinned { segment, meta_at }
            }
        };
        Some(Hit {
            inner: Rc::clone(self),
            header,
            held,
        })
    }
}

impl Hit {
    /// Bytes of the meta.
    #[must_use]
    pub fn meta_bytes(&self) -> usize {
        self.header.meta_bytes as usize
    }

    /// Bytes of the body.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.header.body_bytes as usize
    }

    /// When it was stored.
    #[must_use]
    pub fn stored_s(&self) -> u32 {
        self.header.stored_s
    }

    /// From when on it is stale.
    #[must_use]
    pub fn expires_s(&self) -> u32 {
        self.header.expires_s
    }

    /// From when on it is a miss.
    #[must_use]
    pub fn keep_until_s(&self) -> u32 {
        self.header.keep_until_s
    }

    /// Copies the meta from byte `from` on; how many bytes were copied.
    pub fn copy_meta(&self, from: usize, into: &mut [u8]) -> usize {
        let left = self.meta_bytes().saturating_sub(from);
        self.copy(from, left, into)
    }

    /// Copies the body from byte `from` on; how many bytes were copied.
    pub fn copy_body(&self, from: usize, into: &mut [u8]) -> usize {
        let left = self.body_bytes().saturating_sub(from);
        self.copy(self.meta_bytes().saturating_add(from), left, into)
    }

    /// True while the hit keeps a segment of the region from being used anew; false for one that
    /// is a copy.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        matches!(self.held, Held::Pinned { .. })
    }

    /// Copies up to `left` bytes from `from` bytes behind the beginning of the meta.
    fn copy(&self, from: usize, left: usize, into: &mut [u8]) -> usize {
        let bytes_len = left.min(into.len());
        let Some(into) = into.get_mut(..bytes_len).filter(|into| !into.is_empty()) else {
            return 0;
        };
        match &self.held {
            Held::Pinned { meta_at, .. } => {
                self.inner.store.region.copy_out(meta_at + from, into);
            }
            Held::Opened(opened) => {
                let first = self.opened_meta_at() + from;
                match opened.get(first..first + bytes_len) {
                    Some(bytes) => into.copy_from_slice(bytes),
                    None => return 0,
                }
            }
        }
        bytes_len
    }

    fn opened_meta_at(&self) -> usize {
        FRONT_BYTES + self.header.key_bytes as usize
    }
}

/// Lends its body. Nobody writes there while the hit lives, but other processes could: no reference
/// is made of it.
impl Lender for Hit {
    fn address(&self, at: usize, bytes_len: usize) -> Option<NonNull<u8>> {
        let end = at.checked_add(bytes_len)?;
        if end > self.body_bytes() {
            return None;
        }
        let from = self.meta_bytes() + at;
        match &self.held {
            Held::Pinned { meta_at, .. } => {
                let region = &self.inner.store.region;
                region.address(meta_at + from, bytes_len)
            }
            Held::Opened(opened) => {
                let first = self.opened_meta_at() + from;
                let bytes = opened.get(first..first + bytes_len)?;
                NonNull::new(bytes.as_ptr().cast_mut())
            }
        }
    }

    fn copy(&self, at: usize, into: &mut [u8]) -> usize {
        self.copy_body(at, into)
    }
}

impl Drop for Hit {
    fn drop(&mut self) {
        match &mut self.held {
            Held::Pinned { segment, .. } => self.inner.unpin(*segment),
            Held::Opened(opened) => self.inner.give_spare(std::mem::take(opened)),
        }
    }
}
