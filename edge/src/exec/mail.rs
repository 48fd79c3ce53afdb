//! Messages from core to core.
//!
//! What it is: a bounded queue with a bell on the receiving ring. Shape: [`Inbox`] lives on its
//! core, [`Post`] can be cloned and sent anywhere; the sender rings through its own ring, so
//! neither side makes a system call of its own. The bell is rung once per batch. Ranges: the
//! capacity given. Errors: a full queue gives the letter back. Source: io_uring_prep_msg_ring(3).

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use crossbeam::queue::ArrayQueue;

use super::{core::Core, tasks::TaskId};
use crate::{
    base::time::Mono,
    ring::{Op, RingAddress},
};

struct Letters<T> {
    queue: ArrayQueue<T>,
    rung: AtomicBool,
}

/// The sending end.
pub struct Post<T> {
    shared: Arc<Letters<T>>,
    to: RingAddress,
    bell: u32,
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Post<T> {
        Post {
            shared: Arc::clone(&self.shared),
            to: self.to,
            bell: self.bell,
        }
    }
}

impl<T: Send> Post<T> {
    /// Puts `letter` in the box and rings through `core`'s ring.
    ///
    /// # Errors
    /// Gives the letter back when the box is full.
    pub fn send(&self, core: &Core, letter: T) -> Result<(), T> {
        self.shared.queue.push(letter)?;
        if !self.shared.rung.swap(true, Ordering::SeqCst) {
            let op = Op::Post {
                to: self.to,
                bell: self.bell,
            };
            if core.submit_detached(op).is_err() {
                self.shared.rung.store(false, Ordering::Release); // the next letter rings
            }
        }
        Ok(())
    }
}

/// The receiving end.
pub struct Inbox<T> {
    core: Rc<Core>,
    shared: Arc<Letters<T>>,
    bell: u32,
}

impl<T: Send> Inbox<T> {
    /// A box for `capacity` letters on `core`.
    #[must_use]
    pub fn new(core: &Rc<Core>, capacity: usize) -> (Post<T>, Inbox<T>) {
        let shared = Arc::new(Letters {
            queue: ArrayQueue::new(capacity),
            rung: AtomicBool::new(false),
        });
        let bell = {
            let mut state = core.state.borrow_mut();
            state.bells.push(TaskId::NONE);
            u32::try_from(state.bells.len() - 1).unwrap_or(u32::MAX)
        };
        let post = Post {
            shared: Arc::clone(&shared),
            to: core.ring_address(),
            bell,
        };
        (
            post,
            Inbox {
                core: Rc::clone(core),
                shared,
                bell,
            },
        )
    }

    /// The next letter, if one is here; else notes the running task.
    pub fn poll_recv(&mut self) -> Poll<T> {
        if let Some(letter) = self.shared.queue.pop() {
            return Poll::Ready(letter);
        }
        self.core.state.borrow_mut().bells[self.bell as usize] = self.core.current();
        self.shared.rung.swap(false, Ordering::SeqCst);
        // A letter may have come between the look and the reset; its sender did not ring.
        match self.shared.queue.pop() {
            Some(letter) => Poll::Ready(letter),
            None => Poll::Pending,
        }
    }

    /// The next letter, or `None` at `deadline`.
    pub async fn recv(&mut self, deadline: Mono) -> Option<T> {
        std::future::poll_fn(|_| {
            if let Poll::Ready(letter) = self.poll_recv() {
                return Poll::Ready(Some(letter));
            }
            if self.core.now() >= deadline {
                return Poll::Ready(None);
            }
            self.core.wake_at(deadline);
            Poll::Pending
        })
        .await
    }
}
