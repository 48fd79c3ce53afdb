//! Memory for futures that come and go with every exchange.
//!
//! What it is: a stack of equal blocks. A future of up to the block's size moves into one, runs
//! there, and leaves the block behind for the next; so a warm request allocates nothing, and an
//! idle connection does not carry the room that a busy one needs. Shape: [`Spares`] holds the
//! blocks, [`Pooled`] is a pinned future in one. Units: bytes. Ranges: `keep_max` idle blocks.
//! Errors: none; a future larger than the block is a bug and asserts.

use std::{
    alloc::Layout,
    cell::RefCell,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    ptr::NonNull,
    rc::Rc,
    task::{Context, Poll},
};

/// Blocks that are free.
pub struct Spares {
    layout: Layout,
    keep_max: usize,
    free: RefCell<Vec<NonNull<u8>>>,
}

impl Spares {
    /// Blocks of `block_bytes`, of which at most `keep_max` are kept while unused.
    #[must_use]
    pub fn new(block_bytes: usize, keep_max: usize) -> Rc<Spares> {
        let layout = Layout::from_size_align(block_bytes.max(BLOCK_ALIGN), BLOCK_ALIGN)
            .expect("a block fits the address space");
        Rc::new(Spares {
            layout,
            keep_max,
            free: RefCell::new(Vec::with_capacity(keep_max)),
        })
    }

    /// Moves `future` into a block.
    #[must_use]
    pub fn place<F: Future>(self: &Rc<Spares>, future: F) -> Pooled<F> {
        assert!(
            size_of::<F>() <= self.layout.size() && align_of::<F>() <= BLOCK_ALIGN,
            "a future of {} bytes in blocks of {}",
            size_of::<F>(),
            self.layout.size()
        );
        let block = self.free.borrow_mut().pop().unwrap_or_else(|| {
            // SAFETY: the layout has a size above zero.
            let raw = unsafe { std::alloc::alloc(self.layout) };
            NonNull::new(raw).unwrap_or_else(|| std::alloc::handle_alloc_error(self.layout))
        });
        let place = block.cast::<F>();
        // SAFETY: the block is ours alone, large enough and aligned for an F.
        unsafe { place.write(future) };
        Pooled {
            spares: Rc::clone(self),
            place,
            owns: PhantomData,
        }
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        for block in self.free.borrow_mut().drain(..) {
            // SAFETY: every free block was allocated with this layout.
            unsafe { std::alloc::dealloc(block.as_ptr(), self.layout) };
        }
    }
}

const BLOCK_ALIGN: usize = 64;

/// A future in a block, pinned there until it is dropped.
pub struct Pooled<F> {
    spares: Rc<Spares>,
    place: NonNull<F>,
    owns: PhantomData<F>,
}

impl<F: Future> Future for Pooled<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future was written at creation and never moves out of its block.
        let future = unsafe { Pin::new_unchecked(self.place.as_mut()) };
        future.poll(context)
    }
}

impl<F> Unpin for Pooled<F> {}

impl<F> Drop for Pooled<F> {
    fn drop(&mut self) {
        // SAFETY: the future is dropped once, here; afterwards the block holds nothing.
        unsafe { self.place.drop_in_place() };
        let block = self.place.cast::<u8>();
        let mut free = self.spares.free.borrow_mut();
        if free.len() < self.spares.keep_max {
            free.push(block);
        } else {
            // SAFETY: allocated with this layout and not handed out again.
            unsafe { std::alloc::dealloc(block.as_ptr(), self.spares.layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_used_again() {
        let spares = Spares::new(256, 4);
        let first = spares.place(async { 7 });
        let address = first.place.cast::<u8>();
        drop(first);
        let second = spares.place(async { 8 });
        assert_eq!(second.place.cast::<u8>(), address);
    }

    #[test]
    fn it_runs_and_drops_what_it_holds() {
        let spares = Spares::new(256, 0);
        let held = Rc::new(());
        let clone = Rc::clone(&held);
        let mut future = spares.place(async move { Rc::strong_count(&clone) });
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert_eq!(Pin::new(&mut future).poll(&mut context), Poll::Ready(2));
        drop(future);
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
