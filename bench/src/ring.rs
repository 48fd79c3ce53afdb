//! What: the smallest useful socket loop on one io_uring, under relay, responder and origin alike.
//! Shape: a slab of sockets, each with a queue of chunks to send; a turn submits one send per socket
//!   that has something queued, waits once, and hands out events. Received bytes stay in the
//!   kernel's provided buffer until the send that carries them on is done: no copy.
//! Units: socket = index into the slab; lengths in bytes; no time at all.
//! Errors: `io::Error` when the ring itself fails; a broken socket becomes `Event::Ended`.
//! Source: io_uring_prep_recv_multishot(3), io_uring_prep_send(3), io_uring_setup(2).
//!
//! A send carries MSG_DONTWAIT and MSG_WAITALL and suppresses its completion on success. It then
//! either moved every byte while it was submitted, silently, or it reports how far it came; so
//! after the submission its buffers can return without a completion. The rare rest goes out by a
//! send that waits for room.

use std::collections::VecDeque;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use io_uring::{IoUring, cqueue, opcode, squeue, types};
use slab::Slab;

use crate::buffers::{Buffers, GROUP};

/// Sizes of a ring; the gateway under test should use the same buffer size.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// Bytes of one receive buffer.
    pub(crate) buffer_bytes: u32,
    /// Receive buffers, a power of two.
    pub(crate) buffers: u16,
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes {
            buffer_bytes: 16 * 1024,
            buffers: 256,
        }
    }
}

/// What a turn saw.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// A client connected.
    Accepted(usize),
    /// Bytes came in a provided buffer: give the buffer to `send_received` or `give_back`.
    Received {
        socket: usize,
        buffer: u16,
        len: u32,
    },
    /// The peer closed or the socket broke; nothing more will be received.
    Ended(usize),
    /// The stop descriptor ended: whoever started this program is gone or done.
    Stop,
}

/// One ring, its listener, its sockets.
pub(crate) struct Ring {
    // Declared before the buffers: the ring must be closed before their memory is freed.
    uring: IoUring,
    buffers: Buffers,
    listener: TcpListener,
    stop: OwnedFd,
    sockets: Slab<Socket>,
    landed: Vec<(u64, i32, u32)>,
    unsent: Vec<usize>,
    flying: Vec<usize>,
    starved: Vec<usize>,
    doomed: Vec<usize>,
    spare: Vec<Vec<u8>>,
    stop_byte: Box<[u8; 1]>,
}

impl Ring {
    /// A ring that accepts from `listener` and watches `stop` for its end.
    pub(crate) fn new(listener: TcpListener, stop: OwnedFd, sizes: Sizes) -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(CQ_ENTRIES)
            .build(SQ_ENTRIES)?;
        let buffers = Buffers::register(&uring, sizes.buffers, sizes.buffer_bytes)?;
        let mut ring = Ring {
            uring,
            buffers,
            listener,
            stop,
            sockets: Slab::with_capacity(SOCKETS_EXPECTED),
            landed: Vec::with_capacity(CQ_ENTRIES as usize),
            unsent: Vec::with_capacity(SOCKETS_EXPECTED),
            flying: Vec::with_capacity(SOCKETS_EXPECTED),
            starved: Vec::new(),
            doomed: Vec::new(),
            spare: Vec::new(),
            stop_byte: Box::new([0]),
        };
        ring.accept();
        ring.watch_stop();
        Ok(ring)
    }

    /// Adds a connected socket and starts to receive from it.
    pub(crate) fn add(&mut self, stream: TcpStream) -> io::Result<usize> {
        stream.set_nodelay(true)?;
        let socket = self.sockets.insert(Socket::new(stream.into()));
        self.receive(socket);
        Ok(socket)
    }

    /// The received bytes of an event.
    pub(crate) fn received(&self, buffer: u16, len: u32) -> &[u8] {
        self.buffers.bytes(buffer, len as usize)
    }

    /// Returns a received buffer to the kernel without sending it.
    pub(crate) fn give_back(&mut self, buffer: u16) {
        self.buffers.give_back(buffer);
    }

    /// Sends a received buffer on, as it is.
    pub(crate) fn send_received(&mut self, socket: usize, buffer: u16, len: u32) {
        self.queue(
            socket,
            Chunk {
                bytes: Bytes::Lent(buffer),
                start: 0,
                end: len as usize,
            },
        );
    }

    /// Sends bytes that live as long as the program.
    pub(crate) fn send_fixed(&mut self, socket: usize, bytes: &'static [u8]) {
        self.queue(
            socket,
            Chunk {
                bytes: Bytes::Fixed(bytes),
                start: 0,
                end: bytes.len(),
            },
        );
    }

    /// Sends bytes written by the program; get the vector from [`Ring::spare`].
    pub(crate) fn send_owned(&mut self, socket: usize, bytes: Vec<u8>) {
        let end = bytes.len();
        self.queue(
            socket,
            Chunk {
                bytes: Bytes::Owned(bytes),
                start: 0,
                end,
            },
        );
    }

    /// An empty vector, reused from an earlier `send_owned`.
    pub(crate) fn spare(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Closes a socket once its queue is sent. Its index stays taken until the next turn at least.
    pub(crate) fn close(&mut self, socket: usize) {
        let state = &mut self.sockets[socket];
        if !state.closing {
            state.closing = true;
            self.doomed.push(socket);
        }
    }

    /// Submits all that is queued, waits for one completion, and appends what happened to `events`.
    pub(crate) fn turn(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        self.bury();
        self.buffers.publish();
        if !self.starved.is_empty() && self.buffers.any_free() {
            for socket in std::mem::take(&mut self.starved) {
                self.receive(socket);
            }
        }
        let mut unsent = std::mem::take(&mut self.unsent);
        for socket in unsent.drain(..) {
            self.start_send(socket);
        }
        self.unsent = unsent;

        // A silent send wakes no one: whoever waits for its end must not sleep through it.
        let awaited = !self.starved.is_empty() || !self.doomed.is_empty();
        let want = usize::from(self.flying.is_empty() || !awaited);
        match self.uring.submit_and_wait(want) {
            Ok(_) => {}
            // All was submitted; the wait alone was cut short.
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            Err(error) => return Err(error),
        }

        let mut landed = std::mem::take(&mut self.landed);
        landed.extend(
            self.uring
                .completion()
                .map(|c| (c.user_data(), c.result(), c.flags())),
        );
        self.finish_sends(&landed);
        for (key, result, flags) in landed.drain(..) {
            let socket = usize::try_from(key >> KIND_BITS).expect("an index we made");
            match key & KIND_MASK {
                KIND_ACCEPT => self.accepted(result, flags, events)?,
                KIND_RECEIVE => self.receive_landed(socket, result, flags, events),
                KIND_SEND => {} // A silent send that failed: finish_sends has seen it.
                KIND_SEND_REST => self.send_rest_landed(socket, result),
                KIND_STOP => events.push(Event::Stop),
                kind => unreachable!("kind {kind} is never submitted"),
            }
        }
        self.landed = landed;
        Ok(())
    }

    /// Every send of this turn is over: silently whole, or listed in `landed` with what it moved.
    fn finish_sends(&mut self, landed: &[(u64, i32, u32)]) {
        for &(key, result, _) in landed {
            if key & KIND_MASK == KIND_SEND {
                let socket = usize::try_from(key >> KIND_BITS).expect("an index we made");
                self.sockets[socket].short = Some(result);
            }
        }
        let mut flying = std::mem::take(&mut self.flying);
        for socket in flying.drain(..) {
            let state = &mut self.sockets[socket];
            let Send::Silent { chunks } = state.send else {
                unreachable!("it was flying")
            };
            state.send = Send::Idle;
            match state.short.take() {
                None => {
                    for _ in 0..chunks {
                        let chunk = self.sockets[socket].queue.pop_front();
                        self.release(chunk.expect("chunks stay queued while they fly"));
                    }
                    self.mark_unsent(socket);
                }
                Some(result) if result >= 0 || result == -libc::EAGAIN => {
                    self.advance(socket, usize::try_from(result).unwrap_or(0));
                    self.start_rest(socket);
                }
                Some(_) => self.broken(socket),
            }
        }
        self.flying = flying;
    }

    fn start_send(&mut self, socket: usize) {
        let state = &mut self.sockets[socket];
        state.listed = false;
        if state.queue.is_empty() || !matches!(state.send, Send::Idle) {
            return;
        }
        let fd = types::Fd(state.fd.as_raw_fd());
        let flags = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        let chunks = state.queue.len().min(GATHER_MAX);
        let entry = if chunks == 1 {
            let (start, len) = state.queue[0].span(&self.buffers);
            opcode::Send::new(fd, start, len).flags(flags).build()
        } else {
            let message = state
                .gather
                .get_or_insert_default()
                .fill(&state.queue, &self.buffers);
            let flags = u32::try_from(flags).expect("flags are positive");
            opcode::SendMsg::new(fd, message).flags(flags).build()
        };
        state.send = Send::Silent { chunks };
        self.flying.push(socket);
        self.push(
            entry
                .flags(squeue::Flags::SKIP_SUCCESS)
                .user_data(key(KIND_SEND, socket)),
        );
    }

    /// Sends the first chunk's rest with room to wait: the socket's send buffer is full.
    fn start_rest(&mut self, socket: usize) {
        let state = &mut self.sockets[socket];
        let Some(chunk) = state.queue.front() else {
            return;
        };
        let (start, len) = chunk.span(&self.buffers);
        let entry = opcode::Send::new(types::Fd(state.fd.as_raw_fd()), start, len)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build();
        state.send = Send::Rest;
        self.push(entry.user_data(key(KIND_SEND_REST, socket)));
    }

    fn send_rest_landed(&mut self, socket: usize, result: i32) {
        self.sockets[socket].send = Send::Idle;
        match usize::try_from(result) {
            Ok(moved) => {
                self.advance(socket, moved);
                self.start_rest(socket);
            }
            Err(_) => self.broken(socket),
        }
    }

    /// Drops `moved` bytes from the front of the queue.
    fn advance(&mut self, socket: usize, mut moved: usize) {
        while moved > 0 {
            let queue = &mut self.sockets[socket].queue;
            let front = queue.front_mut().expect("no more moved than was queued");
            let len = front.end - front.start;
            if moved < len {
                front.start += moved;
                return;
            }
            moved -= len;
            let chunk = queue.pop_front().expect("it was there");
            self.release(chunk);
        }
    }

    fn release(&mut self, chunk: Chunk) {
        match chunk.bytes {
            Bytes::Lent(buffer) => self.buffers.give_back(buffer),
            Bytes::Owned(mut bytes) => {
                bytes.clear();
                self.spare.push(bytes);
            }
            Bytes::Fixed(_) => {}
        }
    }

    /// The peer takes no more bytes: what is queued for it is dropped.
    fn broken(&mut self, socket: usize) {
        while let Some(chunk) = self.sockets[socket].queue.pop_front() {
            self.release(chunk);
        }
        shut_down(self.sockets[socket].fd.as_raw_fd());
    }

    fn queue(&mut self, socket: usize, chunk: Chunk) {
        if self.sockets[socket].closing || chunk.start == chunk.end {
            self.release(chunk);
            return;
        }
        self.sockets[socket].queue.push_back(chunk);
        self.mark_unsent(socket);
    }

    fn mark_unsent(&mut self, socket: usize) {
        let state = &mut self.sockets[socket];
        if !state.listed && !state.queue.is_empty() {
            state.listed = true;
            self.unsent.push(socket);
        }
    }

    fn accepted(&mut self, result: i32, flags: u32, events: &mut Vec<Event>) -> io::Result<()> {
        if result >= 0 {
            // SAFETY: the kernel has just opened this descriptor for us and no one else knows it.
            let stream = unsafe { TcpStream::from_raw_fd(result) };
            let socket = self.add(stream)?;
            events.push(Event::Accepted(socket));
        }
        if !cqueue::more(flags) {
            self.accept();
        }
        Ok(())
    }

    fn receive_landed(&mut self, socket: usize, result: i32, flags: u32, events: &mut Vec<Event>) {
        if let Some(buffer) = cqueue::buffer_select(flags) {
            self.buffers.lend();
            match u32::try_from(result) {
                Ok(len) if len > 0 => events.push(Event::Received {
                    socket,
                    buffer,
                    len,
                }),
                _ => self.buffers.give_back(buffer),
            }
        }
        if cqueue::more(flags) {
            return;
        }
        if result == -libc::ENOBUFS {
            self.starved.push(socket);
        } else if result > 0 {
            self.receive(socket);
        } else {
            self.sockets[socket].receiving = false;
            events.push(Event::Ended(socket));
        }
    }

    fn accept(&mut self) {
        let fd = types::Fd(self.listener.as_raw_fd());
        let entry = opcode::AcceptMulti::new(fd)
            .flags(libc::SOCK_CLOEXEC)
            .build();
        self.push(entry.user_data(key(KIND_ACCEPT, 0)));
    }

    fn receive(&mut self, socket: usize) {
        let state = &mut self.sockets[socket];
        state.receiving = true;
        let entry = opcode::RecvMulti::new(types::Fd(state.fd.as_raw_fd()), GROUP).build();
        self.push(entry.user_data(key(KIND_RECEIVE, socket)));
    }

    fn watch_stop(&mut self) {
        let byte = self.stop_byte.as_mut_ptr();
        let entry = opcode::Read::new(types::Fd(self.stop.as_raw_fd()), byte, 1).build();
        self.push(entry.user_data(key(KIND_STOP, 0)));
    }

    /// Closes the doomed whose queue is sent and whose operations have all landed.
    fn bury(&mut self) {
        let mut doomed = std::mem::take(&mut self.doomed);
        doomed.retain(|&socket| {
            let state = &mut self.sockets[socket];
            if !state.queue.is_empty() || state.listed {
                return true;
            }
            if state.receiving {
                shut_down(state.fd.as_raw_fd());
                return true;
            }
            self.sockets.remove(socket);
            false
        });
        self.doomed = doomed;
    }

    fn push(&mut self, entry: squeue::Entry) {
        loop {
            // SAFETY: buffers, message headers and descriptors named by an entry are owned by this
            // ring's sockets and stay in place until the operation has ended.
            if unsafe { self.uring.submission().push(&entry) }.is_ok() {
                return;
            }
            self.uring
                .submit()
                .expect("a full submission queue can be submitted");
        }
    }
}

struct Socket {
    fd: OwnedFd,
    queue: VecDeque<Chunk>,
    send: Send,
    short: Option<i32>,
    gather: Option<Box<Gather>>,
    receiving: bool,
    listed: bool,
    closing: bool,
}

impl Socket {
    fn new(fd: OwnedFd) -> Self {
        Socket {
            fd,
            queue: VecDeque::with_capacity(8),
            send: Send::Idle,
            short: None,
            gather: None,
            receiving: false,
            listed: false,
            closing: false,
        }
    }
}

/// What flies on a socket: nothing, this turn's silent send, or one that waits for room.
enum Send {
    Idle,
    Silent { chunks: usize },
    Rest,
}

struct Chunk {
    bytes: Bytes,
    start: usize,
    end: usize,
}

enum Bytes {
    Lent(u16),
    Owned(Vec<u8>),
    Fixed(&'static [u8]),
}

impl Chunk {
    fn span(&self, buffers: &Buffers) -> (*const u8, u32) {
        let bytes = match &self.bytes {
            Bytes::Lent(buffer) => buffers.bytes(*buffer, self.end),
            Bytes::Owned(bytes) => bytes,
            Bytes::Fixed(bytes) => bytes,
        };
        let bytes = &bytes[self.start..self.end];
        (
            bytes.as_ptr(),
            u32::try_from(bytes.len()).expect("chunks are far below 4 GiB"),
        )
    }
}

/// A message header over several chunks; boxed, so that the kernel's pointers stay good.
struct Gather {
    message: libc::msghdr,
    parts: [libc::iovec; GATHER_MAX],
}

impl Default for Gather {
    fn default() -> Self {
        let part = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        // SAFETY: an all-zero message header is a valid empty one.
        let message = unsafe { std::mem::zeroed() };
        Gather {
            message,
            parts: [part; GATHER_MAX],
        }
    }
}

impl Gather {
    fn fill(&mut self, queue: &VecDeque<Chunk>, buffers: &Buffers) -> *const libc::msghdr {
        let mut count = 0;
        for (part, chunk) in self.parts.iter_mut().zip(queue) {
            let (start, len) = chunk.span(buffers);
            *part = libc::iovec {
                iov_base: start.cast_mut().cast(),
                iov_len: len as usize,
            };
            count += 1;
        }
        self.message.msg_iov = self.parts.as_mut_ptr();
        self.message.msg_iovlen = count;
        &raw const self.message
    }
}

fn shut_down(fd: RawFd) {
    // SAFETY: no memory is involved; a wrong descriptor would only fail.
    unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
}

fn key(kind: u64, socket: usize) -> u64 {
    ((socket as u64) << KIND_BITS) | kind
}

const KIND_BITS: u32 = 3;
const KIND_MASK: u64 = (1 << KIND_BITS) - 1;
const KIND_ACCEPT: u64 = 0;
const KIND_RECEIVE: u64 = 1;
const KIND_SEND: u64 = 2;
const KIND_SEND_REST: u64 = 3;
const KIND_STOP: u64 = 4;

const SQ_ENTRIES: u32 = 1024;
const CQ_ENTRIES: u32 = 8192;
const SOCKETS_EXPECTED: usize = 1024;
const GATHER_MAX: usize = 64;
