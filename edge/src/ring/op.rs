//! An operation and everything the kernel will touch for it.
//!
//! What it is: the closed list of what a core may ask for. Shape: an [`Op`] owns its buffers,
//! addresses and message headers, and waits in a slot until its last completion. Units: bytes.
//! Errors: a completion's negative result is an errno. Source: io_uring_enter(2).

use super::{Errno, RingAddress, piece::Piece};

/// A descriptor of the kernel, or of the simulated world. Whoever holds it closes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fd(pub i32);

/// What names a slot in flight: its index, and the generation that outlives its reuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Place in the slot table, or [`Key::BELL`].
    pub index: u32,
    /// How often the slot was used, or the number of the bell.
    pub generation: u32,
}

impl Key {
    /// Names no slot.
    pub const NONE: Key = Key {
        index: u32::MAX,
        generation: 0,
    };
    /// Index of a doorbell: a landing that another ring posted.
    pub const BELL: u32 = u32::MAX - 1;
    /// Index of the answer to a cancel, which proves nothing and is dropped.
    pub const CANCEL: u32 = u32::MAX - 2;

    /// As the kernel carries it.
    #[must_use]
    pub const fn to_user_data(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// As it comes back.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // two halves of one word
    pub const fn from_user_data(word: u64) -> Key {
        Key {
            index: word as u32,
            generation: (word >> 32) as u32,
        }
    }
}

/// One completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Landing {
    /// Whose it is.
    pub key: Key,
    /// A count, a descriptor, or a negative errno.
    pub result: i32,
    /// Another completion of the same operation will follow.
    pub more: bool,
    /// The pool buffer the kernel picked for received bytes.
    pub buffer: Option<u16>,
}

/// What a core may ask of its ring.
#[derive(Debug)]
pub enum Op {
    /// Nothing; proves that the ring works.
    Nop,
    /// Connections, one landing each, until cancelled or failed.
    Accept {
        /// The listening socket.
        listener: Fd,
    },
    /// Bytes, one landing per buffer, until the end of the stream, a cancel, or no buffer left.
    Recv {
        /// The connected socket.
        socket: Fd,
    },
    /// All of `data`; a smaller result is a short send.
    Send {
        /// The connected socket.
        socket: Fd,
        /// The bytes, kept until the landing.
        data: Outgoing,
        /// Does not wait for room: while it is submitted it moves what fits. It lands, in the
        /// same turn, only if that was not all (`EAGAIN`: nothing). What has not landed when the
        /// turn is over has moved everything, and has ended.
        prompt: bool,
    },
    /// Connects `socket`.
    Connect {
        /// A fresh socket of the address's family.
        socket: Fd,
        /// Where to, in the kernel's own form.
        to: Box<SocketAddress>,
    },
    /// Closes a descriptor on which nothing flies any more.
    Close {
        /// The descriptor.
        fd: Fd,
    },
    /// Rings a bell of another ring: lands there with [`Key::BELL`].
    Post {
        /// The other ring.
        to: RingAddress,
        /// The number of the bell.
        bell: u32,
    },
}

impl Op {
    /// What must happen to a result that nobody waits for any more. A descriptor that arrived is
    /// handed back to be closed; the caller returns a buffer the kernel picked.
    #[must_use]
    pub fn discard(&self, result: i32) -> Option<Fd> {
        match self {
            Op::Accept { .. } if result >= 0 => Some(Fd(result)),
            // Connected or not, nobody will use the socket.
            Op::Connect { socket, .. } => Some(*socket),
            Op::Accept { .. }
            | Op::Nop
            | Op::Recv { .. }
            | Op::Send { .. }
            | Op::Close { .. }
            | Op::Post { .. } => None,
        }
    }
}

/// A result as the caller reads it.
///
/// # Errors
/// The errno of a negative result.
pub fn checked(result: i32) -> Result<u32, Errno> {
    u32::try_from(result).map_err(|_| Errno(result.saturating_neg()))
}

/// Bytes on their way out.
#[derive(Debug)]
pub enum Outgoing {
    /// One piece.
    One(Piece),
    /// Several pieces in one message.
    Many(Box<Gather>),
}

impl Outgoing {
    /// Bytes in all pieces.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        match self {
            Outgoing::One(piece) => piece.len(),
            Outgoing::Many(gather) => gather.pieces.iter().map(Piece::len).sum(),
        }
    }
}

/// Most pieces of one message.
pub const PIECES_MAX: usize = 16;

/// Several pieces and the headers the kernel reads for them.
pub struct Gather {
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
    pub(super) iovecs: [libc::iovec; PIECES_MAX],
    pub(super) header: libc::msghdr,
}

impl Gather {
    /// An empty gather; `pieces` is filled by the caller, at most [`PIECES_MAX`].
    #[must_use]
    pub fn new() -> Box<Gather> {
        let iovec = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        Box::new(Gather {
            pieces: Vec::with_capacity(PIECES_MAX),
            iovecs: [iovec; PIECES_MAX],
            // SAFETY: msghdr is a plain C struct for which all zeroes is a valid empty value.
            header: unsafe { std::mem::zeroed() },
        })
    }

    /// Points the headers at the pieces as they are now; called when the box has its place.
    pub(super) fn seal(&mut self) -> *const libc::msghdr {
        assert!(
            self.pieces.len() <= PIECES_MAX,
            "a gather has at most {PIECES_MAX} pieces"
        );
        for (iovec, piece) in self.iovecs.iter_mut().zip(&self.pieces) {
            iovec.iov_base = piece.as_ptr().cast_mut().cast();
            iovec.iov_len = piece.len();
        }
        self.header.msg_iov = self.iovecs.as_mut_ptr();
        self.header.msg_iovlen = self.pieces.len() as _;
        &raw const self.header
    }
}

impl std::fmt::Debug for Gather {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gather")
            .field("pieces", &self.pieces)
            .finish_non_exhaustive()
    }
}

/// An internet address as the kernel reads it.
pub struct SocketAddress {
    /// The same in our form.
    pub address: std::net::SocketAddr,
    pub(super) storage: libc::sockaddr_storage,
    pub(super) bytes_len: libc::socklen_t,
}

impl std::fmt::Debug for SocketAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.address)
    }
}
