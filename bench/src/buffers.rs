//! What: the provided buffers that multishot receives of the bare programs pick from.
//! Shape: one page-aligned array of kernel entries (the ring) and one block cut into equal buffers;
//!   a buffer is named by its index and is either the kernel's or lent to the program.
//! Units: sizes in bytes; `count` is a power of two up to 32,768.
//! Errors: `io::Error` from registration; misuse of an index is a panic (this is a bench).
//! Source: io_uring_register_buf_ring(3), io_uring_buf_ring_add(3).

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// Buffers shared with the kernel; lives until after its ring is gone.
pub(crate) struct Buffers {
    entries: NonNull<BufRingEntry>,
    block: NonNull<u8>,
    count: u16,
    buffer_bytes: u32,
    tail: u16,
    lent: u16,
}

impl Buffers {
    /// Allocates and registers `count` buffers as group [`GROUP`] of `ring`.
    pub(crate) fn register(ring: &IoUring, count: u16, buffer_bytes: u32) -> io::Result<Self> {
        assert!(
            count.is_power_of_two() && count <= 1 << 15,
            "count is a power of two"
        );
        assert!(buffer_bytes > 0);
        let entries = allocate(entries_layout(count))?.cast::<BufRingEntry>();
        let block = allocate(block_layout(count, buffer_bytes))?;
        let mut buffers = Buffers {
            entries,
            block,
            count,
            buffer_bytes,
            tail: 0,
            lent: count,
        };
        // SAFETY: the entries are page aligned, hold `count` of them, and are freed only by drop,
        // which the owner runs after the ring is closed.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                entries.as_ptr() as u64,
                count,
                GROUP,
                0,
            )?;
        }
        for index in 0..count {
            buffers.give_back(index);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The first `len` bytes of buffer `index`, which a completion has just lent to us.
    pub(crate) fn bytes(&self, index: u16, len: usize) -> &[u8] {
        assert!(index < self.count && len <= self.buffer_bytes as usize);
        // SAFETY: inside the block, initialized by allocation or the kernel, and while it is lent
        // the kernel does not write to it.
        unsafe { std::slice::from_raw_parts(self.start(index), len) }
    }

    /// Notes that the kernel picked a buffer.
    pub(crate) fn lend(&mut self) {
        self.lent += 1;
        assert!(
            self.lent <= self.count,
            "the kernel picked more buffers than exist"
        );
    }

    /// Whether the kernel has at least one buffer to pick.
    pub(crate) fn any_free(&self) -> bool {
        self.lent < self.count
    }

    /// Queues buffer `index` for the kernel; seen by it after [`Buffers::publish`].
    pub(crate) fn give_back(&mut self, index: u16) {
        assert!(index < self.count && self.lent > 0);
        let slot = usize::from(self.tail & (self.count - 1));
        // SAFETY: `slot` is below `count`; the kernel reads the entry only after `publish`. Only
        // the entry's three own fields are written: the ring's tail lies over entry 0's fourth.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(slot);
            entry.set_addr(self.start(index) as u64);
            entry.set_len(self.buffer_bytes);
            entry.set_bid(index);
        }
        self.tail = self.tail.wrapping_add(1);
        self.lent -= 1;
    }

    /// Shows the kernel every buffer given back so far.
    pub(crate) fn publish(&self) {
        // SAFETY: the pointer is the base of the ring; the tail is a u16 shared with the kernel.
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail)
        };
        tail.store(self.tail, Ordering::Release);
    }

    fn start(&self, index: u16) -> *mut u8 {
        let offset = usize::from(index) * self.buffer_bytes as usize;
        // SAFETY: `index` is below `count`, so the offset lies inside the block.
        unsafe { self.block.as_ptr().add(offset) }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: both were allocated with exactly these layouts.
        unsafe {
            dealloc(self.entries.as_ptr().cast(), entries_layout(self.count));
            dealloc(
                self.block.as_ptr(),
                block_layout(self.count, self.buffer_bytes),
            );
        }
    }
}

fn allocate(layout: Layout) -> io::Result<NonNull<u8>> {
    // SAFETY: no layout here has size zero.
    NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(io::ErrorKind::OutOfMemory.into())
}

fn entries_layout(count: u16) -> Layout {
    let bytes = usize::from(count) * size_of::<BufRingEntry>();
    Layout::from_size_align(bytes, PAGE_BYTES).expect("a small ring")
}

fn block_layout(count: u16, buffer_bytes: u32) -> Layout {
    let bytes = usize::from(count) * buffer_bytes as usize;
    Layout::from_size_align(bytes, PAGE_BYTES).expect("a block below the address space")
}

/// The only buffer group of a ring.
pub(crate) const GROUP: u16 = 0;
const PAGE_BYTES: usize = 4096;
