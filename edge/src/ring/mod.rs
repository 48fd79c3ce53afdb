//! Level 1: owned operations over io_uring, and the simulated twin.
//!
//! What it is: the one door to the operating system. Six verbs carry the life of an operation
//! (submit, cancel, turn, now, random, recycle); `listen`, `socket` and `names` are the few calls
//! that set up or describe a descriptor. Shape: [`Ring`] is an enum of the kernel driver and the
//! twin; no type parameter spreads upward. Units: see [`crate::base::time`]. Errors: an
//! [`Errno`] as the kernel numbers them. Source: io_uring(7).

pub mod buf;
pub mod inherit;
pub mod kernel;
pub mod op;
pub mod piece;
pub mod probe;
pub mod sim;
pub mod slots;

use std::{net::SocketAddr, rc::Rc};

use crate::base::time::{Mono, Wall};

pub use buf::{Buf, BufMut, Pool};
pub use op::{Fd, Gather, Key, Landing, Op, Outgoing};
pub use piece::{Lender, Piece};
pub use slots::Slots;

/// An error number of the kernel, positive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub i32);

impl Errno {
    /// The operation was cancelled.
    pub const CANCELED: Errno = Errno(libc::ECANCELED);
    /// No buffer (or slot) was free.
    pub const NO_BUFFERS: Errno = Errno(libc::ENOBUFS);
    /// The deadline came first.
    pub const TIMED_OUT: Errno = Errno(libc::ETIMEDOUT);
    /// Nobody listens there.
    pub const REFUSED: Errno = Errno(libc::ECONNREFUSED);
    /// The peer reset the connection.
    pub const RESET: Errno = Errno(libc::ECONNRESET);
    /// The peer broke the protocol.
    pub const PROTOCOL: Errno = Errno(libc::EPROTO);
    /// There is no room now.
    pub const TRY_AGAIN: Errno = Errno(libc::EAGAIN);
    /// No local port is left towards that address.
    pub const NO_PORTS: Errno = Errno(libc::EADDRNOTAVAIL);
    /// The process has no descriptor left.
    pub const NO_FILES: Errno = Errno(libc::EMFILE);

    /// The error of a negative completion.
    #[must_use]
    pub const fn of(result: i32) -> Errno {
        Errno(result.saturating_neg())
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", std::io::Error::from_raw_os_error(self.0))
    }
}

impl std::error::Error for Errno {}

/// Where a ring can be reached by another one's [`Op::Post`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingAddress(pub i32);

/// What to listen on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenAddress {
    /// A TCP address; several rings may listen on one (`SO_REUSEPORT`).
    Tcp(SocketAddr),
    /// A Unix socket, created with mode 0600; a stale file is replaced.
    Unix(std::path::PathBuf),
}

/// The protocol of a socket to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP.
    Stream,
    /// UDP.
    Datagram,
}

/// Both ends of a connection, `None` where the family has no address (Unix sockets).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Names {
    /// The far end.
    pub peer: Option<SocketAddr>,
    /// Our end.
    pub local: Option<SocketAddr>,
}

/// Counts of what a ring has done since it was made.
#[derive(Clone, Copy, Default, Debug)]
pub struct RingFigures {
    /// Turns taken.
    pub turns: u64,
    /// Operations handed to the kernel.
    pub submitted: u64,
    /// Completions reaped.
    pub landed: u64,
    /// Completions the kernel had to keep aside because the queue was full.
    pub overflows: u64,
}

/// One core's way to the operating system, or to the simulated world.
#[allow(clippy::large_enum_variant)] // one per core, and the larger one is the one that ships
pub enum Ring {
    /// The real thing.
    Kernel(kernel::Kernel),
    /// The twin.
    Sim(sim::Sim),
}

impl Ring {
    /// Starts `op`, which its slot keeps where it is until its last completion has landed.
    pub fn submit(&mut self, key: Key, op: &mut Op) {
        match self {
            Ring::Kernel(ring) => ring.submit(key, op),
            Ring::Sim(ring) => ring.submit(key, op),
        }
    }

    /// Asks for the operation to end early; its own last completion still lands.
    pub fn cancel(&mut self, key: Key) {
        match self {
            Ring::Kernel(ring) => ring.cancel(key),
            Ring::Sim(ring) => ring.cancel(key),
        }
    }

    /// Hands over all that was submitted, waits for a completion until `until` (`None`: does not
    /// wait), and appends what landed.
    pub fn turn(&mut self, until: Option<Mono>, landed: &mut Vec<Landing>) {
        match self {
            Ring::Kernel(ring) => ring.turn(until, landed),
            Ring::Sim(ring) => ring.turn(until, landed),
        }
    }

    /// The clocks.
    pub fn now(&mut self) -> (Mono, Wall) {
        match self {
            Ring::Kernel(ring) => ring.now(),
            Ring::Sim(ring) => ring.now(),
        }
    }

    /// Unpredictable bits, seeded in the twin.
    pub fn random(&mut self) -> u64 {
        match self {
            Ring::Kernel(ring) => ring.random(),
            Ring::Sim(ring) => ring.random(),
        }
    }

    /// Gives the pool's returned buffers back to the receive ring, up to its stock.
    pub fn recycle(&mut self) {
        match self {
            Ring::Kernel(ring) => ring.recycle(),
            Ring::Sim(ring) => ring.recycle(),
        }
    }

    /// Buffers that wait in the receive ring.
    #[must_use]
    pub fn lent(&self) -> usize {
        match self {
            Ring::Kernel(ring) => ring.lent(),
            Ring::Sim(ring) => ring.lent(),
        }
    }

    /// The buffers that receives land in and sends leave from.
    #[must_use]
    pub fn pool(&self) -> &Rc<Pool> {
        match self {
            Ring::Kernel(ring) => ring.pool(),
            Ring::Sim(ring) => ring.pool(),
        }
    }

    /// Where other rings can post to.
    #[must_use]
    pub fn address(&self) -> RingAddress {
        match self {
            Ring::Kernel(ring) => ring.address(),
            Ring::Sim(ring) => ring.address(),
        }
    }

    /// What the ring has done so far.
    #[must_use]
    pub fn figures(&self) -> RingFigures {
        match self {
            Ring::Kernel(ring) => ring.figures(),
            Ring::Sim(ring) => ring.figures(),
        }
    }

    /// Opens a listening socket with `backlog` pending connections; `shared` ones may stand beside
    /// others on one address.
    ///
    /// # Errors
    /// What bind(2) or listen(2) answered, such as `EADDRINUSE` or `EACCES`.
    pub fn listen(
        &mut self,
        address: &ListenAddress,
        backlog: i32,
        shared: bool,
    ) -> Result<Fd, Errno> {
        match self {
            Ring::Kernel(_) => kernel::listen(address, backlog, shared),
            Ring::Sim(ring) => ring.listen(address, backlog, shared),
        }
    }

    /// Makes an unconnected socket of the family of `to`.
    ///
    /// # Errors
    /// What socket(2) answered, such as `EMFILE`.
    pub fn socket(&mut self, to: &SocketAddr, transport: Transport) -> Result<Fd, Errno> {
        match self {
            Ring::Kernel(_) => kernel::socket(to, transport),
            Ring::Sim(ring) => ring.socket(to, transport),
        }
    }

    /// The addresses of a connected or listening socket.
    #[must_use]
    pub fn names(&self, fd: Fd) -> Names {
        match self {
            Ring::Kernel(_) => kernel::names(fd),
            Ring::Sim(ring) => ring.names(fd),
        }
    }

    /// Takes over a descriptor that came from outside: passed by the parent process or systemd.
    /// The caller must own it and not close it.
    #[must_use]
    pub fn adopt(&self, fd: i32) -> Fd {
        Fd(fd)
    }

    /// Tells the peer that nothing more will be sent (a FIN behind what is queued).
    pub fn shutdown_send(&mut self, fd: Fd) {
        match self {
            Ring::Kernel(_) => kernel::shutdown_send(fd),
            Ring::Sim(ring) => ring.shutdown_send(fd),
        }
    }

    /// Makes the coming close reset the connection, so that a cut answer is seen as cut.
    pub fn reset_on_close(&mut self, fd: Fd) {
        match self {
            Ring::Kernel(_) => kernel::reset_on_close(fd),
            Ring::Sim(ring) => ring.reset_on_close(fd),
        }
    }

    /// Closes a descriptor on which nothing flies, without a slot.
    pub fn close_now(&mut self, fd: Fd) {
        match self {
            Ring::Kernel(_) => kernel::close(fd),
            Ring::Sim(ring) => ring.close_now(fd),
        }
    }

    /// A buffer the kernel picked, as a view of its first `len` bytes.
    #[must_use]
    pub fn adopt_buffer(&self, index: u16, len: u32) -> Buf {
        self.pool().adopt(index, len)
    }

    /// Takes back a buffer the kernel picked and did not fill.
    pub fn give_back(&self, index: u16) {
        self.pool().give_back(index);
    }
}
