//! How connections come about in the simulated world.
//!
//! What it is: listening, connecting, accepting, and datagrams to simulated services. Shape: a
//! connect knocks at an address; one of the listeners there, picked by the seed as
//! `SO_REUSEPORT` would, queues the new connection until it is accepted. Units: nanoseconds.
//! Errors: `ECONNREFUSED` where nobody listens, `ETIMEDOUT` when the queue stays full, `EMFILE`.
//! Source: tcp(7), listen(2), udp(7).

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use super::{
    link::{LinkProfile, Tcp},
    socket::{Flier, Role, SocketId},
    state::{State, What},
    stream::take_front,
};
use crate::ring::{Errno, Fd, ListenAddress, Transport};

impl State {
    pub(super) fn listen(
        &mut self,
        address: &ListenAddress,
        backlog: i32,
        shared: bool,
    ) -> Result<Fd, Errno> {
        let role = Role::Listener {
            queue: VecDeque::new(),
            backlog: usize::try_from(backlog).unwrap_or(0),
            shared,
        };
        if self.files.is_full() {
            return Err(Errno::NO_FILES);
        }
        if let ListenAddress::Tcp(tcp) = address
            && self.is_taken(tcp, shared)
        {
            return Err(Errno(libc::EADDRINUSE));
        }
        let id = self.add_socket(Transport::Stream, role);
        match address {
            ListenAddress::Tcp(tcp) => {
                let mut local = *tcp;
                if local.port() == 0 {
                    local.set_port(self.fresh_port());
                }
                self.socket_mut(id).local = Some(local);
                self.listeners.entry(local).or_default().push(id);
            }
            ListenAddress::Unix(path) => {
                self.unix.insert(path.clone(), id); // the file of an older one is replaced
            }
        }
        self.open(id)
    }

    /// Somebody listens there already, and does not share or is not to be shared with.
    fn is_taken(&mut self, address: &SocketAddr, shared: bool) -> bool {
        let others = self.listeners.get(address).cloned().unwrap_or_default();
        let mut alone = others.into_iter().filter(|other| {
            !matches!(
                self.socket_mut(*other).role,
                Role::Listener { shared: true, .. }
            )
        });
        let any_alone = alone.next().is_some();
        any_alone || (!shared && self.listeners.contains_key(address))
    }

    pub(super) fn close_listener(&mut self, id: SocketId) {
        let socket = self.socket_mut(id);
        let local = socket.local;
        let Role::Listener { queue, .. } = &mut socket.role else {
            return;
        };
        let unaccepted = std::mem::take(queue);
        if let Some(local) = local
            && let Some(all) = self.listeners.get_mut(&local)
        {
            all.retain(|other| *other != id);
            if all.is_empty() {
                self.listeners.remove(&local);
            }
        }
        self.unix.retain(|_, other| *other != id);
        // Whoever waited to be accepted is turned away.
        for connection in unaccepted {
            self.socket_mut(connection).reset_on_close = true;
            self.close_socket(connection);
        }
    }

    pub(super) fn new_socket(
        &mut self,
        ring: usize,
        to: &SocketAddr,
        transport: Transport,
    ) -> Result<Fd, Errno> {
        if self.files.is_full() {
            return Err(Errno::NO_FILES);
        }
        let id = self.add_socket(transport, Role::Fresh);
        let source = self.rings[ring].source;
        let ip = match (source, to) {
            (Some(source), to) if source.is_ipv4() == to.is_ipv4() => source,
            (_, SocketAddr::V4(_)) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            (_, SocketAddr::V6(_)) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        let local = SocketAddr::new(ip, self.fresh_port());
        self.socket_mut(id).local = Some(local);
        self.open(id)
    }

    pub(super) fn connect(&mut self, flier: Flier, fd: Fd, to: SocketAddr) {
        let id = self.open_socket(fd);
        let socket = self.socket_mut(id);
        assert!(
            matches!(socket.role, Role::Fresh) && socket.connecting.is_none(),
            "{fd:?} is connected already"
        );
        socket.peer = Some(to);
        if socket.transport == Transport::Datagram {
            socket.role = Role::Datagram {
                queue: VecDeque::new(),
                error: None,
            };
            self.land_last(flier, 0);
            return;
        }
        socket.connecting = Some(flier);
        let delay_ns = self.draw(|faults| faults.start_delay_ns);
        let latency_ns = self.knock_ns(id);
        let knock = What::Knock {
            client: id,
            to,
            tries: 1,
        };
        self.after(delay_ns + latency_ns, knock);
    }

    /// A connect reaches the address it was meant for.
    pub(super) fn knock(&mut self, client: SocketId, to: SocketAddr, tries: u32) {
        if self.socket(client).is_none() {
            return; // given up meanwhile
        }
        if self.is_cut_off(client) {
            let latency_ns = self.answer_ns(client);
            self.knock_again(client, to, tries, latency_ns);
            return;
        }
        let listener = self.pick_listener(to);
        let refused = listener.is_none() || self.strikes(|faults| faults.refuse_connect);
        let latency_ns = self.answer_ns(client);
        let answer = |state: &mut State, errno: i32| {
            let result = -errno;
            state.after(latency_ns, What::Answer { client, result });
        };
        let Some(listener) = listener.filter(|_| !refused) else {
            answer(self, libc::ECONNREFUSED);
            return;
        };
        if self.is_backlog_full(listener) {
            self.knock_again(client, to, tries, latency_ns);
            return;
        }
        self.establish(client, listener);
        answer(self, 0);
    }

    /// Knocks once more, with more patience, or gives up.
    fn knock_again(&mut self, client: SocketId, to: SocketAddr, tries: u32, latency_ns: u64) {
        if tries < KNOCKS_MAX {
            let again = What::Knock {
                client,
                to,
                tries: tries + 1,
            };
            self.after(KNOCK_AGAIN_NS << (tries - 1), again);
        } else {
            let result = -libc::ETIMEDOUT;
            self.after(latency_ns, What::Answer { client, result });
        }
    }

    /// The link that a connection of `client` crosses.
    fn link_of(&mut self, client: SocketId) -> Option<LinkProfile> {
        let socket = self.socket(client)?;
        let (from, to) = (socket.local?.ip(), socket.peer?.ip());
        self.link_between(from, to)
    }

    /// How long a connect takes to reach the far end.
    fn knock_ns(&mut self, client: SocketId) -> u64 {
        match self.link_of(client) {
            Some(link) => {
                link.draw_delay_ns(&mut self.prng) + link.draw_handshake_loss_ns(&mut self.prng)
            }
            None => self.draw(|faults| faults.latency_ns),
        }
    }

    /// How long its answer takes.
    fn answer_ns(&mut self, client: SocketId) -> u64 {
        match self.link_of(client) {
            Some(link) => link.draw_delay_ns(&mut self.prng),
            None => self.draw(|faults| faults.latency_ns),
        }
    }

    fn pick_listener(&mut self, to: SocketAddr) -> Option<SocketId> {
        let anywhere = match to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let all = self
            .listeners
            .get(&to)
            .or_else(|| self.listeners.get(&SocketAddr::new(anywhere, to.port())))?;
        let choice = if all.len() > 1 {
            self.prng.below(all.len() as u64)
        } else {
            0
        };
        all.get(usize::try_from(choice).ok()?).copied()
    }

    fn is_backlog_full(&mut self, listener: SocketId) -> bool {
        match &self.socket_mut(listener).role {
            // As Linux counts: one more than the backlog fits.
            Role::Listener { queue, backlog, .. } => queue.len() > *backlog,
            _ => true,
        }
    }

    /// Makes both ends of a connection; the server's waits to be accepted.
    fn establish(&mut self, client: SocketId, listener: SocketId) {
        let server = self.add_socket(Transport::Stream, Role::Fresh);
        let link = self.link_of(client);
        let tcp = |is_client| link.map(|link| Tcp::new(link, is_client));
        let (ours, theirs) = (
            self.new_end(server, tcp(true)),
            self.new_end(client, tcp(false)),
        );
        let socket = self.socket_mut(client);
        socket.role = Role::Stream(ours);
        let (local, peer) = (socket.local, socket.peer);
        let socket = self.socket_mut(server);
        socket.role = Role::Stream(theirs);
        (socket.local, socket.peer) = (peer, local);
        if let Role::Listener { queue, .. } = &mut self.socket_mut(listener).role {
            queue.push_back(server);
        }
        self.receive(listener);
    }

    /// The answer to a knock is back.
    pub(super) fn answered(&mut self, client: SocketId, result: i32) {
        if self.is_cut_off(client) {
            return; // whoever connects waits for its own deadline
        }
        let Some(socket) = self.socket(client) else {
            return;
        };
        if let Some(flier) = socket.connecting.take() {
            self.land_last(flier, result);
        }
    }

    /// Accepts one connection, if one waits: `true` when something was landed.
    pub(super) fn accept(&mut self, listener: SocketId, flier: Flier) -> bool {
        let waiting = match &self.socket_mut(listener).role {
            Role::Listener { queue, .. } => queue.front().copied(),
            _ => None,
        };
        let Some(connection) = waiting else {
            return false;
        };
        if self.files.is_full() || self.strikes(|faults| faults.accept_error) {
            self.socket_mut(listener).receiving = None;
            self.land_last(flier, -Errno::NO_FILES.0);
            return true;
        }
        let Ok(fd) = self.open(connection) else {
            return false;
        };
        let more = !self.strikes(|faults| faults.multishot_end);
        let socket = self.socket_mut(listener);
        if let Role::Listener { queue, .. } = &mut socket.role {
            queue.pop_front();
        }
        if !more {
            socket.receiving = None;
        }
        self.complete(flier, fd.0, more, None);
        true
    }

    /// A connection to a Unix listener, made at once; the descriptor is the client's end.
    pub(super) fn connect_unix(&mut self, path: &Path) -> Result<Fd, Errno> {
        let listener = *self.unix.get(path).ok_or(Errno(libc::ENOENT))?;
        if self.is_backlog_full(listener) {
            return Err(Errno(libc::EAGAIN));
        }
        if self.files.is_full() {
            return Err(Errno::NO_FILES);
        }
        let client = self.add_socket(Transport::Stream, Role::Fresh);
        let fd = self.open(client)?;
        self.establish(client, listener);
        Ok(fd)
    }

    fn fresh_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(PORT_AFTER_LAST);
        port
    }

    // --- datagrams --------------------------------------------------------------------------

    /// Sends one datagram whole, or loses it.
    pub(super) fn transmit_datagram(&mut self, flier: Flier, from: SocketId) {
        let to = self.socket_mut(from).peer;
        let Some((_, sending)) = self.sending(flier) else {
            return;
        };
        let bytes = take_front(&mut sending.pieces, sending.left_bytes);
        sending.left_bytes = 0;
        let result = super::state::count_of(bytes.len());
        self.end_send(flier, from, result);
        let lost = self.strikes(|faults| faults.datagram_loss);
        if let Some(to) = to.filter(|_| !lost) {
            let latency_ns = self.draw(|faults| faults.latency_ns);
            self.after(latency_ns, What::Ask { from, to, bytes });
        }
    }

    /// A datagram reaches its address: a service answers, or nobody is there.
    pub(super) fn ask(&mut self, from: SocketId, to: SocketAddr, bytes: &[u8]) {
        let replies = match self.services.get_mut(&to) {
            Some(service) => service(bytes).into_iter().map(Ok).collect(),
            None => vec![Err(libc::ECONNREFUSED)],
        };
        for reply in replies {
            if self.strikes(|faults| faults.datagram_loss) {
                continue;
            }
            let latency_ns = self.draw(|faults| faults.latency_ns);
            let bytes = reply.map(Vec::into_boxed_slice);
            self.after(latency_ns, What::Reply { to: from, bytes });
        }
    }

    pub(super) fn reply_arrived(&mut self, to: SocketId, bytes: Result<Box<[u8]>, i32>) {
        let Some(socket) = self.socket(to) else {
            return;
        };
        if let Role::Datagram { queue, error } = &mut socket.role {
            match bytes {
                Ok(bytes) => queue.push_back(bytes),
                Err(errno) => *error = Some(errno),
            }
            self.receive(to);
        }
    }
}

/// How often a connect knocks at a full queue, doubling its patience.
const KNOCKS_MAX: u32 = 6;
const KNOCK_AGAIN_NS: u64 = 1_000_000_000;
/// Where ports go on after the last one.
const PORT_AFTER_LAST: u16 = 10_000;
