//! A listening socket as a task sees it.
//!
//! What it is: a multishot accept whose arrivals queue until the task takes them. Shape: a handle;
//! [`Listener::stop`] cancels the accept and lets what was already accepted be served, which is
//! what a drain needs: connections accepted and unreaped would die with the process.
//! [`Listener::pause`] does the same for a while. Errors: an errno such as `EMFILE`, after which
//! [`Listener::resume`] starts accepting again.
//! Source: io_uring_prep_multishot_accept(3); RELIABILITY section 7.

use std::{rc::Rc, task::Poll};

use super::{
    core::Core,
    sockets::{Inbox, Receiving},
};
use crate::ring::{Errno, Fd, ListenAddress, Names};

/// A listening socket.
pub struct Listener {
    core: Rc<Core>,
    index: u32,
}

impl Listener {
    /// Binds and starts accepting.
    ///
    /// # Errors
    /// What bind(2) or listen(2) answered.
    pub fn bind(core: &Rc<Core>, address: &ListenAddress) -> Result<Listener, Errno> {
        let fd = core.listen(address, true)?;
        Ok(Listener::new(core, fd))
    }

    /// Takes over a listening descriptor and starts accepting.
    #[must_use]
    pub fn new(core: &Rc<Core>, fd: Fd) -> Listener {
        let index = core.add_socket(fd, Inbox::Accepted(std::collections::VecDeque::new()));
        core.state.borrow_mut().arm(index);
        Listener {
            core: Rc::clone(core),
            index,
        }
    }

    /// Its own address.
    #[must_use]
    pub fn names(&self) -> Names {
        let state = self.core.state.borrow();
        state.ring.names(state.sockets[self.index as usize].fd)
    }

    /// The descriptor, to be passed to a successor.
    #[must_use]
    pub fn fd(&self) -> Fd {
        self.core.state.borrow().sockets[self.index as usize].fd
    }

    /// The next connection; `None` once stopped and empty.
    ///
    /// # Errors
    /// What accept(2) answered; accepting has stopped until [`Listener::resume`].
    pub async fn accept(&mut self) -> Option<Result<Fd, Errno>> {
        std::future::poll_fn(|_| self.poll_accept()).await
    }

    /// As [`Listener::accept`], for a task that waits for several things at once.
    pub fn poll_accept(&mut self) -> Poll<Option<Result<Fd, Errno>>> {
        let mut state = self.core.state.borrow_mut();
        let socket = &mut state.sockets[self.index as usize];
        if let Inbox::Accepted(queue) = &mut socket.inbox
            && let Some(arrival) = queue.pop_front()
        {
            return Poll::Ready(Some(arrival));
        }
        match socket.receiving {
            Receiving::Ended | Receiving::Failed(_) => Poll::Ready(None),
            _ => {
                socket.reader = self.core.current();
                Poll::Pending
            }
        }
    }

    /// Accepts no more for a while; what has arrived can still be taken, and who connects waits in
    /// the kernel's queue.
    pub fn pause(&mut self) {
        let mut state = self.core.state.borrow_mut();
        let socket = &mut state.sockets[self.index as usize];
        if let Receiving::On(key) = socket.receiving {
            socket.receiving = Receiving::Pausing(key);
            state.ring.cancel(key);
        }
    }

    /// Accepts again after an error or a pause. One that is still on its way to rest is not held
    /// up: its landing wakes the task that accepts, which may ask again.
    pub fn resume(&mut self) {
        let mut state = self.core.state.borrow_mut();
        if state.sockets[self.index as usize].receiving == Receiving::Paused {
            state.arm(self.index);
        }
    }

    /// Starts accepting anew, which looks at what waits in the kernel's queue. An accept of another
    /// process on the same socket may have been woken for it and then been cancelled: it would
    /// wait there until the next one comes.
    pub fn restart(&mut self) {
        let mut state = self.core.state.borrow_mut();
        let socket = &mut state.sockets[self.index as usize];
        if let Receiving::On(key) = socket.receiving {
            socket.receiving = Receiving::Restarting(key);
            state.ring.cancel(key);
        }
    }

    /// Stops accepting; what has arrived can still be taken.
    pub fn stop(&mut self) {
        let mut state = self.core.state.borrow_mut();
        let socket = &mut state.sockets[self.index as usize];
        match socket.receiving {
            Receiving::On(key) => {
                socket.receiving = Receiving::Stopping(key);
                state.ring.cancel(key);
            }
            Receiving::Pausing(key) | Receiving::Restarting(key) => {
                socket.receiving = Receiving::Stopping(key);
            }
            Receiving::Stopping(_) => {}
            _ => socket.receiving = Receiving::Ended,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.core.state.borrow_mut().begin_close(self.index);
    }
}
