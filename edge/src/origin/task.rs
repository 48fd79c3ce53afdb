//! A task that ends with its handle.
//!
//! What it is: what resolver and health checks start once per host and a reload ends. Shape:
//! [`Running`] holds a flag that the task looks at before each step. Units: none. Errors: none.
//! Source: own. A stopped task is dropped where it stands, so that its sockets close at once.

use std::{cell::Cell, future::Future, rc::Rc, task::Poll};

use crate::exec::{Core, TaskId};

/// A task under way; dropped, it ends.
pub(super) struct Running {
    core: Rc<Core>,
    task: TaskId,
    stopped: Rc<Cell<bool>>,
}

impl Running {
    /// Starts `future` on `core`.
    pub(super) fn spawn(core: &Rc<Core>, future: impl Future<Output = ()> + 'static) -> Running {
        let stopped = Rc::new(Cell::new(false));
        let flag = Rc::clone(&stopped);
        let mut future = Box::pin(future);
        let task = core.spawn(std::future::poll_fn(move |context| {
            if flag.get() {
                return Poll::Ready(());
            }
            future.as_mut().poll(context)
        }));
        Running {
            core: Rc::clone(core),
            task,
            stopped,
        }
    }

    /// Has it look at its condition again.
    pub(super) fn wake(&self) {
        self.core.wake(self.task);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopped.set(true);
        self.core.wake(self.task);
    }
}
