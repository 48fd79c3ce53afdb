//! What a core knows of its sockets: what arrived, what waits to leave, what still flies.
//!
//! What it is: a slab of [`Socket`], each owned by one stream or listener. Received buffers and
//! accepted descriptors queue here whether or not a task waits. Units: bytes. Ranges: the inbox
//! pauses at a mark and goes on at half of it. Errors: the errno that ended a
//! direction. Closing waits until nothing flies on the socket (RELIABILITY section 7).

use std::collections::VecDeque;

use super::tasks::TaskId;
use crate::ring::{Buf, Errno, Fd, Key, Piece};

/// What may wait for a reader before the kernel is asked to stop; at half of it, it goes on.
#[derive(Clone, Copy)]
struct Mark {
    bytes: u32,
    /// Buffers, however little is in each: they are the whole core's.
    buffers: usize,
}

/// While the pool has plenty: a body of 64 KiB passes without a pause.
const HIGH: Mark = Mark {
    bytes: 256 * 1024,
    buffers: 32,
};
/// While buffers are scarce, so that slow readers cannot hold them all.
const HIGH_SCARCE: Mark = Mark {
    bytes: 16 * 1024,
    buffers: 2,
};

fn mark(scarce: bool) -> Mark {
    if scarce { HIGH_SCARCE } else { HIGH }
}

/// How receiving stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Receiving {
    /// Not started.
    Off,
    /// Armed: the kernel delivers.
    On(Key),
    /// A cancel is under way: the inbox is full, or the owner wants a rest.
    Pausing(Key),
    /// At rest; a reader that makes room, or the owner, starts it again.
    Paused,
    /// A cancel is under way after which a listener has ended.
    Stopping(Key),
    /// A cancel is under way, behind which it starts anew.
    Restarting(Key),
    /// The buffer ring was empty; it starts again when buffers are back.
    Starved,
    /// The peer closed its side.
    Ended,
    /// It failed.
    Failed(Errno),
}

/// What a socket is for.
pub(super) enum Inbox {
    /// A stream's received buffers.
    Bytes { queue: Queue<Buf>, bytes_len: u32 },
    /// A listener's accepted descriptors.
    Accepted(VecDeque<Result<Fd, Errno>>),
}

impl Inbox {
    /// The kernel should stop.
    pub(super) fn is_full(&self, scarce: bool) -> bool {
        match self {
            Inbox::Bytes { queue, bytes_len } => {
                let high = mark(scarce);
                *bytes_len >= high.bytes || queue.len() >= high.buffers
            }
            Inbox::Accepted(_) => false,
        }
    }

    /// A kernel that was stopped may go on.
    pub(super) fn has_room(&self, scarce: bool) -> bool {
        match self {
            Inbox::Bytes { queue, bytes_len } => {
                let high = mark(scarce);
                *bytes_len <= high.bytes / 2 && queue.len() <= high.buffers / 2
            }
            Inbox::Accepted(_) => true,
        }
    }
}

/// A first-in-first-out queue whose first element needs no memory of its own.
pub(super) struct Queue<T> {
    first: Option<T>,
    #[allow(clippy::box_collection)] // 8 bytes instead of 32 in every idle socket
    rest: Option<Box<VecDeque<T>>>,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue {
            first: None,
            rest: None,
        }
    }
}

impl<T> Queue<T> {
    pub(super) fn push(&mut self, item: T) {
        if self.first.is_none() {
            self.first = Some(item);
        } else {
            self.rest.get_or_insert_default().push_back(item);
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let item = self.first.take()?;
        self.first = self.rest.as_mut().and_then(|rest| rest.pop_front());
        Some(item)
    }

    pub(super) fn push_front(&mut self, item: T) {
        if let Some(old) = self.first.replace(item) {
            self.rest.get_or_insert_default().push_front(old);
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn clear(&mut self) {
        self.first = None;
        self.rest = None;
    }
}

/// One socket.
pub(super) struct Socket {
    pub(super) fd: Fd,
    pub(super) receiving: Receiving,
    pub(super) inbox: Inbox,
    pub(super) reader: TaskId,
    pub(super) outbox: Queue<Piece>,
    /// Bytes in the outbox and in flight.
    pub(super) unsent_bytes: u32,
    pub(super) sending: Option<Key>,
    pub(super) send_error: Option<Errno>,
    pub(super) writer: TaskId,
    /// There was no room for all of the last send: the next one waits for some.
    pub(super) is_blocked: bool,
    /// Listed among the sockets to be served before the next turn.
    pub(super) dirty: bool,
    /// A FIN is due once everything has left.
    pub(super) shutdown_due: bool,
    /// What left so far must not look whole: until everything queued has left in front of a FIN,
    /// it closes with a reset.
    pub(super) half_said: bool,
    /// Its owner is gone; it is closed when nothing flies any more.
    pub(super) closing: bool,
}

impl Socket {
    pub(super) fn new(fd: Fd, inbox: Inbox) -> Socket {
        Socket {
            fd,
            receiving: Receiving::Off,
            inbox,
            reader: TaskId::NONE,
            outbox: Queue::default(),
            unsent_bytes: 0,
            sending: None,
            send_error: None,
            writer: TaskId::NONE,
            is_blocked: false,
            dirty: false,
            shutdown_due: false,
            half_said: false,
            closing: false,
        }
    }

    pub(super) fn stream_inbox() -> Inbox {
        Inbox::Bytes {
            queue: Queue::default(),
            bytes_len: 0,
        }
    }

    /// Something of the kernel's still refers to it.
    pub(super) fn is_flying(&self) -> bool {
        let receives = matches!(
            self.receiving,
            Receiving::On(_)
                | Receiving::Pausing(_)
                | Receiving::Stopping(_)
                | Receiving::Restarting(_)
        );
        self.sending.is_some() || receives
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_keeps_its_order() {
        let mut queue = Queue::default();
        for n in 1..=3 {
            queue.push(n);
        }
        queue.push_front(0);
        assert_eq!(queue.len(), 4);
        let all: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(all, [0, 1, 2, 3]);
        assert!(queue.is_empty());
    }
}
