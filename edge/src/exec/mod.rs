//! Level 2: one core's loop: tasks, timers, streams, mail.
//!
//! What it is: the single-threaded executor that everything asynchronous runs on. Shape: a
//! [`Core`] owns the ring, the slots, the sockets, the tasks and the timers; tasks await only
//! what the core offers ([`Stream`], [`Listener`], [`Inbox`], sleep), so there are no wakers: a
//! primitive notes the running task's number. Units: see [`crate::base::time`]. Errors: errno.

mod core;
mod listener;
mod mail;
mod pooled;
mod sockets;
mod state;
mod stream;
mod tasks;
mod timer;

pub use self::{
    core::{Core, Turn},
    listener::Listener,
    mail::{Inbox, Post},
    pooled::{Pooled, Spares},
    stream::{RecvEnd, SendEnd, Stream, connect},
    tasks::TaskId,
};
