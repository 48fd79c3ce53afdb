//! A connected socket as a task sees it.
//!
//! What it is: received buffers come out, buffers to send go in. Receiving runs by itself from the
//! moment the stream is made and pauses when its inbox is full. Sends are collected and leave once
//! per turn. Shape: a handle; dropping it closes the socket once nothing flies. Units: deadlines
//! as [`Mono`]. Errors: [`RecvEnd`], [`SendEnd`]. Source: RELIABILITY section 7.

use std::{net::SocketAddr, rc::Rc, task::Poll};

use super::{
    core::Core,
    sockets::{Receiving, Socket},
    tasks::TaskId,
};
use crate::{
    base::time::Mono,
    ring::{Buf, Errno, Fd, Key, Names, Op, Piece, Transport, op::SocketAddress},
};

/// Why no more bytes came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecvEnd {
    /// The peer closed its side.
    Closed,
    /// The deadline came first; the stream is as it was.
    Timeout,
    /// The connection failed.
    Failed(Errno),
}

/// Why bytes did not leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendEnd {
    /// The deadline came first; sending goes on.
    Timeout,
    /// The connection failed.
    Failed(Errno),
}

/// A connected stream or datagram socket.
pub struct Stream {
    core: Rc<Core>,
    index: u32,
}

impl Stream {
    /// Takes over a connected descriptor and starts receiving.
    #[must_use]
    pub fn new(core: &Rc<Core>, fd: Fd) -> Stream {
        let index = core.add_socket(fd, Socket::stream_inbox());
        core.state.borrow_mut().arm(index);
        Stream {
            core: Rc::clone(core),
            index,
        }
    }

    /// The core it lives on.
    #[must_use]
    pub fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Both addresses.
    #[must_use]
    pub fn names(&self) -> Names {
        let state = self.core.state.borrow();
        state.ring.names(state.sockets[self.index as usize].fd)
    }

    /// The next received bytes, if some are here; else notes the running task.
    pub fn poll_recv(&mut self) -> Poll<Result<Buf, RecvEnd>> {
        let mut state = self.core.state.borrow_mut();
        if let Some(buf) = state.take_received(self.index) {
            return Poll::Ready(Ok(buf));
        }
        let socket = &mut state.sockets[self.index as usize];
        match socket.receiving {
            Receiving::Ended => Poll::Ready(Err(RecvEnd::Closed)),
            Receiving::Failed(errno) => Poll::Ready(Err(RecvEnd::Failed(errno))),
            _ => {
                socket.reader = self.core.current();
                Poll::Pending
            }
        }
    }

    /// The next received bytes.
    ///
    /// # Errors
    /// The end of the stream, a failure, or `deadline`.
    pub async fn recv(&mut self, deadline: Mono) -> Result<Buf, RecvEnd> {
        std::future::poll_fn(|_| self.poll_recv_until(deadline)).await
    }

    /// As [`Stream::recv`], for a task that waits for several things at once.
    pub fn poll_recv_until(&mut self, deadline: Mono) -> Poll<Result<Buf, RecvEnd>> {
        let polled = self.poll_recv();
        if polled.is_pending() {
            if self.core.now() >= deadline {
                return Poll::Ready(Err(RecvEnd::Timeout));
            }
            self.core.wake_at(deadline);
        }
        polled
    }

    /// How the peer's side ended, be everything before it read or not; else notes the running
    /// task.
    pub fn poll_end(&mut self) -> Poll<RecvEnd> {
        let mut state = self.core.state.borrow_mut();
        let socket = &mut state.sockets[self.index as usize];
        match socket.receiving {
            Receiving::Ended => Poll::Ready(RecvEnd::Closed),
            Receiving::Failed(errno) => Poll::Ready(RecvEnd::Failed(errno)),
            _ => {
                socket.reader = self.core.current();
                Poll::Pending
            }
        }
    }

    /// Names the task to wake when something arrives, without taking it.
    pub fn watch(&mut self, task: TaskId) {
        self.core.state.borrow_mut().sockets[self.index as usize].reader = task;
    }

    /// Open in both directions, and nothing received that nobody read.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let state = self.core.state.borrow();
        let socket = &state.sockets[self.index as usize];
        let super::sockets::Inbox::Bytes { bytes_len, .. } = socket.inbox else {
            return false;
        };
        bytes_len == 0
            && socket.unsent_bytes == 0
            && socket.send_error.is_none()
            && matches!(
                socket.receiving,
                Receiving::On(_) | Receiving::Starved | Receiving::Off
            )
    }

    /// Queues `piece`; it leaves with the next turn, behind what was queued before.
    pub fn send(&mut self, piece: impl Into<Piece>) {
        let piece = piece.into();
        if piece.is_empty() {
            return;
        }
        let mut state = self.core.state.borrow_mut();
        let socket = &mut state.sockets[self.index as usize];
        if socket.send_error.is_some() {
            return; // reported by the next `sent`
        }
        let bytes_len = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        socket.unsent_bytes = socket.unsent_bytes.saturating_add(bytes_len);
        socket.outbox.push(piece);
        state.mark_dirty(self.index);
    }

    /// Bytes queued or in flight.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.core.state.borrow().sockets[self.index as usize].unsent_bytes as usize
    }

    /// Ready when at most `bytes_left` bytes are unsent.
    pub fn poll_sent(&mut self, bytes_left: usize) -> Poll<Result<(), SendEnd>> {
        let mut state = self.core.state.borrow_mut();
        let socket = &mut state.sockets[self.index as usize];
        if let Some(errno) = socket.send_error {
            return Poll::Ready(Err(SendEnd::Failed(errno)));
        }
        if socket.unsent_bytes as usize <= bytes_left {
            return Poll::Ready(Ok(()));
        }
        socket.writer = self.core.current();
        Poll::Pending
    }

    /// Waits until at most `bytes_left` bytes are unsent.
    ///
    /// # Errors
    /// A failed connection, or `deadline`.
    pub async fn sent(&mut self, bytes_left: usize, deadline: Mono) -> Result<(), SendEnd> {
        std::future::poll_fn(|_| {
            let polled = self.poll_sent(bytes_left);
            if polled.is_pending() {
                if self.core.now() >= deadline {
                    return Poll::Ready(Err(SendEnd::Timeout));
                }
                self.core.wake_at(deadline);
            }
            polled
        })
        .await
    }

    /// Tells the peer that nothing more will come, once everything queued has left.
    pub fn shutdown_when_sent(&mut self) {
        let mut state = self.core.state.borrow_mut();
        state.sockets[self.index as usize].shutdown_due = true;
        state.mark_dirty(self.index);
    }

    /// Gives up sending: what is queued is thrown away, and the next wait says why.
    pub fn fail_sending(&mut self, errno: Errno) {
        let mut state = self.core.state.borrow_mut();
        let socket = &mut state.sockets[self.index as usize];
        socket.send_error = Some(errno);
        socket.outbox.clear();
        socket.unsent_bytes = 0;
    }

    /// Closes with a reset, so that a cut answer is seen as cut.
    pub fn reset(mut self) {
        self.begin_saying();
    }

    /// From now on a drop closes with a reset, for what left so far must not look whole; until
    /// [`Stream::shutdown_when_sent`] has said everything.
    pub fn begin_saying(&mut self) {
        self.core.state.borrow_mut().sockets[self.index as usize].half_said = true;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.core.state.borrow_mut().begin_close(self.index);
    }
}

/// Connects to `to`.
///
/// # Errors
/// What connect(2) answered; `ETIMEDOUT` when `deadline` came first.
pub async fn connect(
    core: &Rc<Core>,
    to: SocketAddr,
    transport: Transport,
    deadline: Mono,
) -> Result<Stream, Errno> {
    let mut attempt = Attempt::start(core, to, transport)?;
    let mut cancelled = false;
    let result = std::future::poll_fn(|_| {
        let mut state = core.state.borrow_mut();
        if let Some(result) = state.slots.wait(attempt.key, core.current().index) {
            return Poll::Ready(result);
        }
        if core.now() < deadline {
            core.wake_at(deadline);
        } else if !cancelled {
            cancelled = true;
            state.ring.cancel(attempt.key);
        }
        Poll::Pending
    })
    .await;
    let socket = attempt.finish();
    if result < 0 {
        core.state.borrow_mut().close(socket);
        return Err(if cancelled {
            Errno::TIMED_OUT
        } else {
            Errno::of(result)
        });
    }
    Ok(Stream::new(core, socket))
}

/// A connect under way; dropped, its landing closes the socket.
struct Attempt<'a> {
    core: &'a Rc<Core>,
    key: Key,
    socket: Fd,
    landed: bool,
}

impl<'a> Attempt<'a> {
    fn start(core: &'a Rc<Core>, to: SocketAddr, transport: Transport) -> Result<Self, Errno> {
        let mut state = core.state.borrow_mut();
        let socket = state.ring.socket(&to, transport)?;
        let op = Op::Connect {
            socket,
            to: SocketAddress::new(to),
        };
        match state.submit(op, core.current().index) {
            Ok(key) => Ok(Attempt {
                core,
                key,
                socket,
                landed: false,
            }),
            Err(errno) => {
                state.close(socket);
                Err(errno)
            }
        }
    }

    fn finish(&mut self) -> Fd {
        self.landed = true;
        self.core.state.borrow_mut().slots.take(self.key);
        self.socket
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        let mut state = self.core.state.borrow_mut();
        if state.slots.orphan(self.key) {
            state.ring.cancel(self.key);
        } else {
            let socket = self.socket;
            state.close(socket);
        }
    }
}
