//! The buffers of one core, and handles to them.
//!
//! What it is: a pool of equal buffers in one map; receives land in them, sends leave from them.
//! Shape: [`Buf`] is a counted view (index, offset, length), [`BufMut`] the only writer of a fresh
//! buffer. Neither can leave its core (`!Send`). Free buffers are a stack, so that the warmest is
//! used first. Units: bytes. Ranges: up to 65,535 buffers. Errors: an empty pool gives `None`.

use std::{cell::Cell, cell::RefCell, ops::Deref, rc::Rc};

use crate::base::shm::Region;

/// All buffers of one core.
pub struct Pool {
    region: Region,
    buffer_bytes: u32,
    refs: Box<[Cell<u32>]>,
    free: RefCell<Vec<u16>>,
}

impl Pool {
    /// Reserves `count` buffers of `buffer_bytes` each; memory is committed at first use.
    ///
    /// # Errors
    /// The error of mmap(2).
    pub fn new(count: u16, buffer_bytes: u32) -> std::io::Result<Rc<Pool>> {
        assert!(count > 0 && buffer_bytes > 0, "a pool has buffers");
        let region = Region::anonymous(usize::from(count) * buffer_bytes as usize)?;
        let refs = (0..count).map(|_| Cell::new(0)).collect();
        let free = RefCell::new((0..count).rev().collect());
        Ok(Rc::new(Pool {
            region,
            buffer_bytes,
            refs,
            free,
        }))
    }

    /// A fresh buffer to write into; `None` when all are in use.
    #[must_use]
    pub fn take(self: &Rc<Pool>) -> Option<BufMut> {
        let index = self.free.borrow_mut().pop()?;
        self.refs[usize::from(index)].set(1);
        Some(BufMut {
            pool: Rc::clone(self),
            index,
            len: 0,
        })
    }

    /// Buffers nobody holds, those lent to the kernel excluded.
    #[must_use]
    pub fn free_count(&self) -> usize {
        self.free.borrow().len()
    }

    /// Fewer than a quarter are free: whoever holds many should hold fewer.
    #[must_use]
    pub fn is_scarce(&self) -> bool {
        self.free_count() < self.count() / 4
    }

    /// Buffers in all.
    #[must_use]
    pub fn count(&self) -> usize {
        self.refs.len()
    }

    /// Bytes of one buffer.
    #[must_use]
    pub fn buffer_bytes(&self) -> u32 {
        self.buffer_bytes
    }

    /// Takes a free buffer for the kernel (or the twin) to fill.
    pub(super) fn lend(&self) -> Option<u16> {
        self.free.borrow_mut().pop()
    }

    /// A buffer that the kernel filled with `len` bytes.
    pub(super) fn adopt(self: &Rc<Pool>, index: u16, len: u32) -> Buf {
        assert!(len <= self.buffer_bytes, "the kernel stays inside a buffer");
        let count = &self.refs[usize::from(index)];
        assert_eq!(
            count.get(),
            0,
            "a buffer lent to the kernel has no other holder"
        );
        count.set(1);
        Buf {
            pool: Rc::clone(self),
            index,
            start: 0,
            len,
        }
    }

    /// Takes back a lent buffer that was not filled.
    pub(super) fn give_back(&self, index: u16) {
        self.free.borrow_mut().push(index);
    }

    pub(super) fn pointer(&self, index: u16) -> *mut u8 {
        assert!(usize::from(index) < self.refs.len(), "buffer index {index}");
        // SAFETY: index < count, so the offset stays inside the region.
        unsafe {
            self.region
                .base()
                .as_ptr()
                .add(usize::from(index) * self.buffer_bytes as usize)
        }
    }

    fn release(&self, index: u16) {
        let count = &self.refs[usize::from(index)];
        count.set(count.get() - 1);
        if count.get() == 0 {
            self.free.borrow_mut().push(index);
        }
    }
}

/// A view of received or finished bytes; clones share the buffer.
pub struct Buf {
    pool: Rc<Pool>,
    index: u16,
    start: u32,
    len: u32,
}

impl Buf {
    /// Forgets the first `count` bytes.
    pub fn advance(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        assert!(count <= self.len, "advance stays inside the view");
        self.start += count;
        self.len -= count;
    }

    /// Keeps the first `count` bytes.
    pub fn truncate(&mut self, count: usize) {
        self.len = self.len.min(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Splits the view: this one keeps what follows the first `count` bytes, the result has them.
    #[must_use]
    pub fn split_to(&mut self, count: usize) -> Buf {
        let mut head = self.clone();
        head.truncate(count);
        self.advance(count);
        head
    }

    /// The pool it came from.
    #[must_use]
    pub fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }
}

impl Clone for Buf {
    fn clone(&self) -> Buf {
        let count = &self.pool.refs[usize::from(self.index)];
        count.set(count.get() + 1);
        Buf {
            pool: Rc::clone(&self.pool),
            index: self.index,
            start: self.start,
            len: self.len,
        }
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        self.pool.release(self.index);
    }
}

impl Deref for Buf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the view lies inside its buffer, which nobody writes while a Buf holds it: a
        // BufMut is consumed by freeze, and the kernel writes only into buffers it was lent.
        unsafe {
            std::slice::from_raw_parts(
                self.pool.pointer(self.index).add(self.start as usize),
                self.len as usize,
            )
        }
    }
}

impl std::fmt::Debug for Buf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buf#{}[{}..+{}]", self.index, self.start, self.len)
    }
}

/// A fresh buffer with one writer.
pub struct BufMut {
    pool: Rc<Pool>,
    index: u16,
    len: u32,
}

impl BufMut {
    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Nothing written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is still free, to be written and then claimed by [`BufMut::commit`].
    pub fn spare(&mut self) -> &mut [u8] {
        let room = self.pool.buffer_bytes - self.len;
        // SAFETY: the rest of the buffer, mapped and initialized (anonymous maps are zeroed), and
        // exclusively ours until freeze.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.pool.pointer(self.index).add(self.len as usize),
                room as usize,
            )
        }
    }

    /// Claims `count` bytes written to [`BufMut::spare`].
    pub fn commit(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        assert!(
            count <= self.pool.buffer_bytes - self.len,
            "commit stays inside the buffer"
        );
        self.len += count;
    }

    /// Appends as much of `bytes` as fits and says how much that was.
    pub fn extend(&mut self, bytes: &[u8]) -> usize {
        let spare = self.spare();
        let count = bytes.len().min(spare.len());
        spare[..count].copy_from_slice(&bytes[..count]);
        self.commit(count);
        count
    }

    /// What was written.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        // SAFETY: the written part of our own buffer.
        unsafe { std::slice::from_raw_parts(self.pool.pointer(self.index), self.len as usize) }
    }

    /// Ends the writing.
    #[must_use]
    pub fn freeze(self) -> Buf {
        let this = std::mem::ManuallyDrop::new(self);
        Buf {
            // SAFETY: `this` is not dropped, so its handle on the pool moves here, once.
            pool: unsafe { std::ptr::read(&raw const this.pool) },
            index: this.index,
            start: 0,
            len: this.len,
        }
    }
}

impl Drop for BufMut {
    fn drop(&mut self) {
        self.pool.release(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_share_and_return_their_buffer() {
        let pool = Pool::new(2, 64).expect("map");
        let mut fresh = pool.take().expect("free");
        assert_eq!(fresh.extend(b"hello world"), 11);
        let mut all = fresh.freeze();
        let head = all.split_to(6);
        assert_eq!((&head[..], &all[..]), (&b"hello "[..], &b"world"[..]));
        assert_eq!(pool.free_count(), 1);
        drop(all);
        assert_eq!(pool.free_count(), 1, "the head still holds it");
        drop(head);
        assert_eq!(pool.free_count(), 2);
    }

    #[test]
    fn an_empty_pool_says_so_and_a_full_buffer_takes_what_fits() {
        let pool = Pool::new(1, 4).expect("map");
        let mut only = pool.take().expect("free");
        assert!(pool.take().is_none());
        assert_eq!(only.extend(b"abcdef"), 4);
        assert_eq!(only.written(), b"abcd");
    }
}
