//! What the loop works on between two system calls: sockets are served, landings are booked.
//!
//! What it is: [`State`], all that a core owns. Before the ring is entered, sockets that have
//! something to hand over are served: sends, receives that start again, closes. Behind it every
//! landing is booked with its socket, and whoever waits is woken. Shape: plain methods without a
//! poll or an await; no task runs while one of them does. Units: bytes. Errors: a full slot table
//! leaves a socket in line for the next turn. Source: io_uring(7); RELIABILITY section 7.

use slab::Slab;

use super::{
    sockets::{Inbox, Receiving, Socket},
    tasks::{TaskId, Tasks},
    timer::Timers,
};
use crate::{
    base::time::Mono,
    ring::{
        Buf, Errno, Fd, Gather, Key, Landing, Op, Outgoing, Piece, Ring, Slots, op::PIECES_MAX,
        slots::Landed, slots::SLOTS_FULL,
    },
};

/// Everything of one core.
pub(super) struct State {
    pub(super) ring: Ring,
    pub(super) slots: Slots,
    pub(super) sockets: Slab<Socket>,
    pub(super) tasks: Tasks,
    pub(super) timers: Timers,
    pub(super) bells: Vec<TaskId>,
    pub(super) dirty: Vec<u32>,
    starved: Vec<u32>,
    pub(super) starved_count: u64,
    /// Prompt sends of this turn: whose, and which.
    prompts: Vec<(u32, Key)>,
    pub(super) landed: Vec<Landing>,
    #[allow(clippy::vec_box)] // the kernel reads them in place: they never move
    gathers: Vec<Box<Gather>>,
}

/// Gathers kept for the next message of several pieces.
const GATHERS_KEPT: usize = 256;

impl State {
    pub(super) fn new(ring: Ring, slots: u32) -> State {
        State {
            ring,
            slots: Slots::new(slots),
            sockets: Slab::new(),
            tasks: Tasks::default(),
            timers: Timers::default(),
            bells: Vec::new(),
            dirty: Vec::new(),
            starved: Vec::new(),
            starved_count: 0,
            prompts: Vec::new(),
            landed: Vec::with_capacity(1024),
            gathers: Vec::new(),
        }
    }

    pub(super) fn submit(&mut self, op: Op, waiter: u32) -> Result<Key, Errno> {
        let key = self.slots.put(op).map_err(|_| SLOTS_FULL)?;
        self.ring.submit(key, self.slots.op(key));
        self.slots.wait(key, waiter);
        Ok(key)
    }

    pub(super) fn submit_detached(&mut self, op: Op) -> Result<(), Errno> {
        let key = self.slots.put(op).map_err(|_| SLOTS_FULL)?;
        self.ring.submit(key, self.slots.op(key));
        self.slots.orphan(key);
        Ok(())
    }

    /// Notes that a socket has something to hand over before the next turn.
    pub(super) fn mark_dirty(&mut self, index: u32) {
        let socket = &mut self.sockets[index as usize];
        if !socket.dirty {
            socket.dirty = true;
            self.dirty.push(index);
        }
    }

    /// Hands over sends, starts receives again, closes what has landed.
    pub(super) fn serve_sockets(&mut self) {
        self.feed_starved();
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            self.serve_socket(index);
        }
        // Serving may have marked sockets for the next turn: a full slot table, say.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    /// Starts as many starved receives again as there are buffers for, the oldest first.
    fn feed_starved(&mut self) {
        if self.starved.is_empty() {
            return;
        }
        let buffers = self.ring.pool().free_count() + self.ring.lent();
        let count = self.starved.len().min(buffers);
        let fed: Vec<u32> = self.starved.drain(..count).collect();
        for index in fed {
            if let Some(socket) = self.sockets.get_mut(index as usize)
                && socket.receiving == Receiving::Starved
            {
                socket.receiving = Receiving::Off;
                self.mark_dirty(index);
            }
        }
    }

    fn serve_socket(&mut self, index: u32) {
        let Some(socket) = self.sockets.get_mut(index as usize) else {
            return;
        };
        socket.dirty = false;
        if socket.closing {
            self.close_when_landed(index);
            return;
        }
        if socket.receiving == Receiving::Off {
            self.arm(index);
        }
        self.send_next(index);
        let socket = &mut self.sockets[index as usize];
        if socket.shutdown_due && socket.sending.is_none() && socket.outbox.is_empty() {
            socket.shutdown_due = false;
            socket.half_said &= socket.send_error.is_some();
            let fd = socket.fd;
            self.ring.shutdown_send(fd);
        }
    }

    /// Starts the multishot receive or accept of a socket.
    pub(super) fn arm(&mut self, index: u32) {
        let socket = &self.sockets[index as usize];
        let op = match socket.inbox {
            Inbox::Bytes { .. } => Op::Recv { socket: socket.fd },
            Inbox::Accepted(_) => Op::Accept {
                listener: socket.fd,
            },
        };
        let receiving = match self.submit(op, index) {
            Ok(key) => Receiving::On(key),
            Err(_) => {
                self.starved.push(index);
                Receiving::Starved
            }
        };
        self.sockets[index as usize].receiving = receiving;
    }

    fn send_next(&mut self, index: u32) {
        let socket = &mut self.sockets[index as usize];
        if socket.sending.is_some() || socket.outbox.is_empty() {
            return;
        }
        let fd = socket.fd;
        let data = if socket.outbox.len() == 1 {
            let Some(piece) = socket.outbox.pop() else {
                return;
            };
            Outgoing::One(piece)
        } else {
            let mut gather = self.gathers.pop().unwrap_or_else(Gather::new);
            while gather.pieces.len() < PIECES_MAX {
                let Some(piece) = socket.outbox.pop() else {
                    break;
                };
                gather.pieces.push(piece);
            }
            Outgoing::Many(gather)
        };
        // Whoever waits for its end needs a landing, and so does what is left behind it.
        let prompt = !socket.is_blocked
            && socket.outbox.is_empty()
            && !socket.shutdown_due
            && socket.writer == TaskId::NONE;
        let op = Op::Send {
            socket: fd,
            data,
            prompt,
        };
        match self.slots.put(op) {
            Ok(key) => {
                self.ring.submit(key, self.slots.op(key));
                self.slots.wait(key, index);
                self.sockets[index as usize].sending = Some(key);
                if prompt {
                    self.prompts.push((index, key));
                }
            }
            Err(op) => {
                self.put_unsent_back(index, op, 0);
                self.mark_dirty(index);
            }
        }
    }

    /// Ends the prompt sends that did not land: everything of theirs has left.
    pub(super) fn settle_prompts(&mut self) {
        let mut prompts = std::mem::take(&mut self.prompts);
        for (index, key) in prompts.drain(..) {
            if let Some(socket) = self.sockets.get_mut(index as usize)
                && socket.sending == Some(key)
            {
                socket.sending = None;
                socket.unsent_bytes = 0;
                if socket.closing {
                    self.mark_dirty(index);
                }
                if let Op::Send {
                    data: Outgoing::Many(gather),
                    ..
                } = self.slots.settle(key)
                {
                    self.keep_gather(gather);
                }
            }
        }
        self.prompts = prompts;
    }

    fn keep_gather(&mut self, mut gather: Box<Gather>) {
        gather.pieces.clear();
        if self.gathers.len() < GATHERS_KEPT {
            self.gathers.push(gather);
        }
    }

    /// Books one completion.
    pub(super) fn land(&mut self, landing: &Landing) {
        if landing.key.index == Key::BELL {
            if let Some(task) = self.bells.get(landing.key.generation as usize) {
                self.tasks.wake(*task);
            }
            return;
        }
        let waiter = match self.slots.land(landing) {
            Landed::Owned { waiter } => waiter.unwrap_or(u32::MAX),
            Landed::Orphan { close } => {
                if let Some(index) = landing.buffer {
                    self.ring.give_back(index);
                }
                if let Some(fd) = close {
                    self.close(fd);
                }
                return;
            }
        };
        match self.slots.op(landing.key) {
            Op::Recv { .. } => self.land_recv(waiter, landing),
            Op::Send { .. } => self.land_send(waiter, landing),
            Op::Accept { .. } => self.land_accept(waiter, landing),
            Op::Connect { .. } => self.tasks.wake_index(waiter),
            Op::Nop | Op::Close { .. } | Op::Post { .. } => {
                unreachable!("nobody waits for these")
            }
        }
    }

    fn land_recv(&mut self, index: u32, landing: &Landing) {
        if !landing.more {
            self.slots.take(landing.key);
        }
        let filled = landing.buffer.and_then(|buffer| {
            if landing.result > 0 {
                Some(
                    self.ring
                        .adopt_buffer(buffer, landing.result.unsigned_abs()),
                )
            } else {
                self.ring.give_back(buffer);
                None
            }
        });
        let socket = &mut self.sockets[index as usize];
        let pausing = matches!(socket.receiving, Receiving::Pausing(_));
        if !landing.more {
            socket.receiving = match landing.result {
                // After a reset the kernel tells only the first who asks: here a failed send.
                0 => socket
                    .send_error
                    .map_or(Receiving::Ended, Receiving::Failed),
                n if n > 0 && pausing => Receiving::Paused,
                n if n > 0 => Receiving::Off,
                n if Errno::of(n) == Errno::CANCELED && pausing => Receiving::Paused,
                n if Errno::of(n) == Errno::NO_BUFFERS => Receiving::Starved,
                n => Receiving::Failed(Errno::of(n)),
            };
        }
        if socket.closing {
            drop(filled);
            self.mark_dirty(index);
            return;
        }
        if let Some(buf) = filled {
            self.deliver(index, buf);
        }
        self.resume_or_pause(index);
        let reader = self.sockets[index as usize].reader;
        self.tasks.wake(reader);
    }

    fn deliver(&mut self, index: u32, buf: Buf) {
        if let Inbox::Bytes { queue, bytes_len } = &mut self.sockets[index as usize].inbox {
            *bytes_len = bytes_len.saturating_add(u32::try_from(buf.len()).unwrap_or(u32::MAX));
            queue.push(buf);
        }
    }

    /// Keeps the receive going while the inbox has room, and stops it while it has not.
    fn resume_or_pause(&mut self, index: u32) {
        let scarce = self.ring.pool().is_scarce();
        let socket = &mut self.sockets[index as usize];
        match socket.receiving {
            Receiving::On(key) if socket.inbox.is_full(scarce) => {
                socket.receiving = Receiving::Pausing(key);
                self.ring.cancel(key);
            }
            Receiving::Off | Receiving::Starved if socket.inbox.is_full(scarce) => {
                socket.receiving = Receiving::Paused;
            }
            Receiving::Paused if socket.inbox.has_room(scarce) => {
                socket.receiving = Receiving::Off;
                self.mark_dirty(index);
            }
            Receiving::Off => self.mark_dirty(index),
            Receiving::Starved => {
                self.starved_count += 1;
                self.starved.push(index);
            }
            _ => {}
        }
    }

    /// Takes the oldest received buffer.
    pub(super) fn take_received(&mut self, index: u32) -> Option<Buf> {
        let socket = &mut self.sockets[index as usize];
        let Inbox::Bytes { queue, bytes_len } = &mut socket.inbox else {
            return None;
        };
        let buf = queue.pop()?;
        *bytes_len = bytes_len.saturating_sub(u32::try_from(buf.len()).unwrap_or(u32::MAX));
        if socket.receiving == Receiving::Paused {
            self.resume_or_pause(index);
        }
        Some(buf)
    }

    fn land_send(&mut self, index: u32, landing: &Landing) {
        let (op, _) = self.slots.take(landing.key);
        let socket = &mut self.sockets[index as usize];
        socket.sending = None;
        if socket.closing {
            self.mark_dirty(index);
            return;
        }
        // A prompt send lands because there was no room for all of it: the next one waits for room.
        let prompt = matches!(op, Op::Send { prompt: true, .. });
        let found_no_room = prompt && Errno::of(landing.result) == Errno::TRY_AGAIN;
        socket.is_blocked = prompt;
        match u32::try_from(if found_no_room { 0 } else { landing.result }) {
            Ok(sent) => {
                socket.unsent_bytes = socket.unsent_bytes.saturating_sub(sent);
                let given_up = socket.send_error.is_some();
                let gone = if given_up { usize::MAX } else { sent as usize };
                self.put_unsent_back(index, op, gone);
                let socket = &self.sockets[index as usize];
                if !socket.outbox.is_empty() || socket.shutdown_due {
                    self.mark_dirty(index);
                }
            }
            Err(_) => {
                let errno = Errno::of(landing.result);
                socket.send_error = Some(errno);
                if socket.receiving == Receiving::Ended {
                    socket.receiving = Receiving::Failed(errno);
                }
                socket.outbox.clear();
                socket.unsent_bytes = 0;
            }
        }
        let socket = &mut self.sockets[index as usize];
        let writer = std::mem::replace(&mut socket.writer, TaskId::NONE);
        self.tasks.wake(writer);
    }

    /// Returns what a short send left over to the front of the outbox.
    fn put_unsent_back(&mut self, index: u32, op: Op, mut sent: usize) {
        let outbox = &mut self.sockets[index as usize].outbox;
        let mut put = |mut piece: Piece| {
            if sent < piece.len() {
                piece.advance(sent);
                sent = 0;
                outbox.push_front(piece);
            } else {
                sent -= piece.len();
            }
        };
        match op {
            Op::Send {
                data: Outgoing::One(piece),
                ..
            } => put(piece),
            Op::Send {
                data: Outgoing::Many(mut gather),
                ..
            } => {
                let total: usize = gather.pieces.iter().map(Piece::len).sum();
                if sent < total {
                    let mut rest = Vec::new();
                    for mut piece in gather.pieces.drain(..) {
                        let skip = sent.min(piece.len());
                        sent -= skip;
                        piece.advance(skip);
                        if !piece.is_empty() {
                            rest.push(piece);
                        }
                    }
                    for piece in rest.into_iter().rev() {
                        outbox.push_front(piece);
                    }
                }
                self.keep_gather(gather);
            }
            _ => unreachable!("only sends come back"),
        }
    }

    fn land_accept(&mut self, index: u32, landing: &Landing) {
        if !landing.more {
            self.slots.take(landing.key);
        }
        let socket = &mut self.sockets[index as usize];
        let wanted = matches!(socket.receiving, Receiving::On(_)) && !socket.closing;
        if !landing.more {
            socket.receiving = match socket.receiving {
                Receiving::Stopping(_) => Receiving::Ended,
                _ if socket.closing => Receiving::Ended,
                Receiving::On(_) if landing.result >= 0 => Receiving::Off, // it starts again
                Receiving::Restarting(_) => Receiving::Off,
                _ => Receiving::Paused,
            };
        }
        let restart = socket.receiving == Receiving::Off;
        let result = match u32::try_from(landing.result) {
            Ok(_) => Ok(Fd(landing.result)),
            Err(_) => Err(Errno::of(landing.result)),
        };
        if socket.closing {
            if let Ok(fd) = result {
                self.close(fd);
            }
            self.mark_dirty(index);
            return;
        }
        let reader = socket.reader;
        if let Inbox::Accepted(queue) = &mut socket.inbox
            && (result.is_ok() || wanted)
        {
            queue.push_back(result);
        }
        self.tasks.wake(reader);
        if restart {
            self.mark_dirty(index);
        }
    }

    /// Gives up a socket: cancels what flies; it is closed when all has landed.
    pub(super) fn begin_close(&mut self, index: u32) {
        let socket = &mut self.sockets[index as usize];
        // All has left but the goodbye, which the close says as well.
        let is_said = socket.shutdown_due && socket.outbox.is_empty() && socket.sending.is_none();
        socket.half_said &= !is_said || socket.send_error.is_some();
        socket.closing = true;
        socket.outbox.clear();
        if socket.half_said {
            self.ring.reset_on_close(socket.fd);
        }
        let mut accepted = Vec::new();
        match &mut socket.inbox {
            Inbox::Bytes { queue, bytes_len } => {
                queue.clear();
                *bytes_len = 0;
            }
            Inbox::Accepted(queue) => accepted.extend(queue.drain(..).filter_map(Result::ok)),
        }
        if let Receiving::On(key) = socket.receiving {
            socket.receiving = Receiving::Pausing(key);
            self.ring.cancel(key);
        }
        if let Some(key) = self.sockets[index as usize].sending {
            self.ring.cancel(key);
        }
        for fd in accepted {
            self.close(fd);
        }
        self.mark_dirty(index);
    }

    fn close_when_landed(&mut self, index: u32) {
        let socket = &self.sockets[index as usize];
        if socket.is_flying() {
            return;
        }
        let fd = socket.fd;
        self.sockets.remove(index as usize);
        self.close(fd);
    }

    pub(super) fn close(&mut self, fd: Fd) {
        if self.submit_detached(Op::Close { fd }).is_err() {
            self.ring.close_now(fd);
        }
    }

    pub(super) fn fire_timers(&mut self, now: Mono) {
        while let Some((at, task)) = self.timers.pop_due(now) {
            let Some(alarm) = self.tasks.alarm(task) else {
                continue;
            };
            if self.timers.fired(at, task, alarm, now) {
                self.tasks.wake(task);
            }
        }
    }
}
