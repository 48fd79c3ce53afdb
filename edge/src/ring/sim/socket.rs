//! What the simulated world keeps of a socket.
//!
//! What it is: the records behind descriptors. Shape: a [`Socket`] has a role; a [`SocketId`]
//! outlives the socket and never names another one, so that what is still on its way to a closed
//! socket is recognized. [`Files`] hands out the lowest free descriptor at once, as the kernel
//! does, so that a stale one soon names somebody else's socket. Units: bytes, nanoseconds.
//! Errors: `EMFILE` when all descriptors are taken.

use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
};

use super::link::{Parcel, Tcp};
use crate::ring::{Errno, Key, Transport};

/// Names a socket for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SocketId {
    pub(super) index: usize,
    pub(super) serial: u64,
}

/// An operation in flight: whose, and which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Flier {
    pub(super) ring: usize,
    pub(super) key: Key,
}

/// One socket, open or waiting to be accepted.
pub(super) struct Socket {
    pub(super) serial: u64,
    pub(super) fd: Option<i32>,
    pub(super) transport: Transport,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) role: Role,
    /// The receive or accept in flight.
    pub(super) receiving: Option<Flier>,
    pub(super) sending: Option<Flier>,
    pub(super) connecting: Option<Flier>,
    pub(super) reset_on_close: bool,
}

impl Socket {
    pub(super) fn new(serial: u64, transport: Transport, role: Role) -> Socket {
        Socket {
            serial,
            fd: None,
            transport,
            local: None,
            peer: None,
            role,
            receiving: None,
            sending: None,
            connecting: None,
            reset_on_close: false,
        }
    }

    pub(super) fn is_flying(&self) -> bool {
        self.receiving.is_some() || self.sending.is_some() || self.connecting.is_some()
    }
}

/// What a socket is.
pub(super) enum Role {
    /// Not connected.
    Fresh,
    /// Listening; established connections wait here to be accepted.
    Listener {
        queue: VecDeque<SocketId>,
        backlog: usize,
        /// Others may listen on the same address.
        shared: bool,
    },
    /// One end of a connection.
    Stream(Box<End>),
    /// A connected datagram socket and what arrived.
    Datagram {
        queue: VecDeque<Box<[u8]>>,
        error: Option<i32>,
    },
}

/// One end of a connection, with the direction that leaves it.
pub(super) struct End {
    pub(super) peer: SocketId,
    /// Arrived and unread.
    pub(super) inbox: Inbox,
    /// The peer's end of stream has arrived.
    pub(super) ended: bool,
    /// A reset has arrived: nothing more comes or goes.
    pub(super) dead: bool,
    /// The reset's errno, told once, to whoever asks first.
    pub(super) error: Option<i32>,
    /// Our end of stream has left.
    pub(super) fin_sent: bool,
    /// Sent, and not yet known to be read.
    pub(super) unread_bytes: u64,
    pub(super) window_bytes: u64,
    pub(super) link_bytes_per_s: u64,
    /// The link carries what was sent before until then.
    pub(super) link_free_ns: u64,
    /// The last thing sent arrives then; nothing may overtake it.
    pub(super) last_arrival_ns: u64,
    /// What the connection is carried by, if it crosses a link with a profile.
    pub(super) tcp: Option<Box<Tcp>>,
}

impl End {
    /// Its descriptor is closed; it only sends what is left.
    pub(super) fn is_left(&self) -> bool {
        self.tcp.as_ref().is_some_and(|tcp| tcp.closing)
    }
}

/// Bytes that have arrived, as they came. What has been read takes no room: an end that idles keeps
/// nothing of the answers that it has carried.
#[derive(Default)]
pub(super) struct Inbox {
    parcels: VecDeque<Parcel>,
    bytes_len: usize,
}

impl Inbox {
    /// Bytes in it.
    pub(super) fn len(&self) -> usize {
        self.bytes_len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes_len == 0
    }

    pub(super) fn push(&mut self, parcel: Parcel) {
        self.bytes_len += parcel.len();
        if !parcel.is_empty() {
            self.parcels.push_back(parcel);
        }
    }

    /// Gives the first `count` bytes to `take`, in pieces, and forgets them.
    pub(super) fn read(&mut self, mut count: usize, mut take: impl FnMut(&[u8])) {
        assert!(count <= self.bytes_len, "no more is read than is there");
        self.bytes_len -= count;
        while count > 0
            && let Some(parcel) = self.parcels.front_mut()
        {
            if count < parcel.len() {
                take(&parcel.split_to(count));
                break;
            }
            take(parcel);
            count -= parcel.len();
            self.parcels.pop_front();
        }
        if self.parcels.is_empty() {
            self.parcels.shrink_to(PARCELS_KEPT);
        }
    }
}

/// Room for parcels that an empty inbox keeps.
const PARCELS_KEPT: usize = 4;

/// The descriptors of the process.
pub(super) struct Files {
    open: Vec<Option<SocketId>>,
    free: BTreeSet<usize>,
    max: usize,
}

/// Below are standard input, output and error.
const FIRST_FD: usize = 3;

impl Files {
    pub(super) fn new(max: usize) -> Files {
        Files {
            open: Vec::new(),
            free: BTreeSet::new(),
            max,
        }
    }

    /// The lowest free descriptor, from now on `socket`'s.
    pub(super) fn open(&mut self, socket: SocketId) -> Result<i32, Errno> {
        if self.count() >= self.max {
            return Err(Errno::NO_FILES);
        }
        let place = self.free.pop_first().unwrap_or_else(|| {
            self.open.push(None);
            self.open.len() - 1
        });
        self.open[place] = Some(socket);
        i32::try_from(place + FIRST_FD).map_err(|_| Errno::NO_FILES)
    }

    pub(super) fn get(&self, fd: i32) -> Option<SocketId> {
        self.open.get(place_of(fd)?).copied().flatten()
    }

    pub(super) fn close(&mut self, fd: i32) -> Option<SocketId> {
        let place = place_of(fd)?;
        let socket = self.open.get_mut(place)?.take()?;
        self.free.insert(place);
        Some(socket)
    }

    pub(super) fn count(&self) -> usize {
        self.open.len() - self.free.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.count() >= self.max
    }

    pub(super) fn limit(&mut self, max: usize) {
        self.max = max;
    }
}

fn place_of(fd: i32) -> Option<usize> {
    usize::try_from(fd).ok()?.checked_sub(FIRST_FD)
}
