//! Bytes between the two ends of a simulated connection.
//!
//! What it is: sending, receiving, ending and resetting. Shape: a send moves bytes onto the link
//! as far as the window allows; they arrive in order after the link's time; a receive moves them
//! into lent buffers and opens the window again. Units: bytes, nanoseconds. Errors: as Linux: a
//! reset is told once (`ECONNRESET`) to whoever asks first, afterwards a receive sees the end of
//! the stream and a send `EPIPE`; closing with unread bytes resets.
//! Source: tcp(7); RFC 9293 section 3.10.7; RFC 2525 section 2.17.

use std::collections::VecDeque;

use super::{
    link::{Parcel, Tcp},
    socket::{End, Flier, Inbox, Role, SocketId},
    state::{State, What, count_of, result_of},
};
use crate::ring::{Errno, Fd, Piece};

const NS_PER_S: u64 = 1_000_000_000;

impl State {
    /// One end of a new connection with `peer`.
    pub(super) fn new_end(&mut self, peer: SocketId, tcp: Option<Box<Tcp>>) -> Box<End> {
        let slow = self.strikes(|faults| faults.slow_link);
        let link_bytes_per_s = if slow {
            self.faults.slow_link_bytes_per_s
        } else {
            self.faults.link_bytes_per_s
        };
        Box::new(End {
            peer,
            inbox: Inbox::default(),
            ended: false,
            dead: false,
            error: None,
            fin_sent: false,
            unread_bytes: 0,
            window_bytes: self.draw(|faults| faults.window_bytes).max(1),
            link_bytes_per_s: link_bytes_per_s.max(1),
            link_free_ns: 0,
            last_arrival_ns: 0,
            tcp,
        })
    }

    /// How long the news that `id` has read something takes.
    fn acknowledgement_ns(&mut self, id: SocketId) -> u64 {
        let delay_ns = self.tcp(id).map(|tcp| tcp.profile.delay_ns);
        delay_ns.unwrap_or_else(|| self.draw(|faults| faults.latency_ns))
    }

    pub(super) fn end(&mut self, id: SocketId) -> Option<&mut End> {
        match &mut self.socket(id)?.role {
            Role::Stream(end) => Some(end),
            _ => None,
        }
    }

    /// A send's turn to move bytes onto its link.
    pub(super) fn transmit(&mut self, flier: Flier) {
        let Some((fd, sending)) = self.sending(flier) else {
            return; // cancelled meanwhile
        };
        let (sent_bytes, left_bytes) = (sending.sent_bytes, sending.left_bytes);
        let prompt = sending.prompt;
        let id = self.open_socket(fd);
        if matches!(self.socket_mut(id).role, Role::Datagram { .. }) {
            self.transmit_datagram(flier, id);
            return;
        }
        if self.strikes(|faults| faults.reset) {
            self.reset_by_network(id);
        }
        let Some(end) = self.end(id) else {
            self.end_send(flier, id, -libc::ENOTCONN);
            return;
        };
        if end.dead || end.fin_sent {
            // What did leave counts first; the error waits for the next to ask.
            let result = if sent_bytes > 0 {
                count_of(sent_bytes)
            } else {
                -end.error.take().unwrap_or(libc::EPIPE)
            };
            self.end_send(flier, id, result);
            return;
        }
        if end.tcp.is_some() {
            self.transmit_linked(flier, id);
            return;
        }
        let room = end.window_bytes.saturating_sub(end.unread_bytes);
        let mut count = left_bytes.min(usize::try_from(room).unwrap_or(usize::MAX));
        if count == 0 && left_bytes > 0 && !prompt {
            return; // goes on when the peer has read
        }
        let short = count > 1 && self.strikes(|faults| faults.short_send);
        if short {
            count = 1 + usize::try_from(self.prng.below(count as u64 - 1)).unwrap_or(0);
        }
        let Some((_, sending)) = self.sending(flier) else {
            return;
        };
        let bytes = take_front(&mut sending.pieces, count);
        sending.sent_bytes += count;
        sending.left_bytes -= count;
        let (sent_bytes, done) = (sending.sent_bytes, sending.left_bytes == 0 || short);
        if !bytes.is_empty() {
            self.put_on_link(id, bytes);
        }
        if done || prompt {
            self.end_send(flier, id, result_of(sent_bytes, libc::EAGAIN));
        }
    }

    pub(super) fn end_send(&mut self, flier: Flier, id: SocketId, result: i32) {
        self.socket_mut(id).sending = None;
        match self.sending(flier) {
            Some((_, sending)) if sending.prompt => {
                let whole = result >= 0 && sending.left_bytes == 0;
                self.end_prompt(flier, result, whole);
            }
            _ => self.land_last(flier, result),
        }
    }

    fn put_on_link(&mut self, from: SocketId, bytes: Box<[u8]>) {
        let latency_ns = self.draw(|faults| faults.latency_ns);
        let now_ns = self.now_ns;
        let bytes_len = bytes.len() as u64;
        let Some(end) = self.end(from) else { return };
        end.unread_bytes += bytes_len;
        let starts_ns = end.link_free_ns.max(now_ns);
        end.link_free_ns = starts_ns + bytes_len.saturating_mul(NS_PER_S) / end.link_bytes_per_s;
        let at_ns = (end.link_free_ns + latency_ns).max(end.last_arrival_ns);
        end.last_arrival_ns = at_ns;
        let to = end.peer;
        let parcel = Parcel::new(bytes);
        self.at(at_ns, What::Deliver { from, to, parcel });
    }

    pub(super) fn deliver(&mut self, from: SocketId, to: SocketId, parcel: Parcel) {
        let is_cut_off = self.is_cut_off(to);
        let Some(end) = self.end(to).filter(|end| !end.is_left()) else {
            // Nobody is there any more: the far end answers with a reset.
            let latency_ns = self.delay_from(from);
            self.after(latency_ns, What::Reset { to: from });
            return;
        };
        if let Some(tcp) = &mut end.tcp {
            tcp.hole |= is_cut_off;
            if tcp.hole {
                return;
            }
        }
        if end.dead {
            return; // a reset overtook it
        }
        end.inbox.push(parcel);
        self.receive(to);
    }

    /// The peer has read `bytes_len` of what was sent from here.
    pub(super) fn window_opened(&mut self, to: SocketId, bytes_len: u64) {
        if self.is_cut_off(to) {
            return;
        }
        let Some(end) = self.end(to) else { return };
        end.unread_bytes -= bytes_len;
        self.acknowledge(to, bytes_len);
        self.resume_send(to);
    }

    fn resume_send(&mut self, id: SocketId) {
        if let Some(flier) = self.socket(id).and_then(|socket| socket.sending) {
            self.transmit(flier);
        }
    }

    /// Moves what has arrived to the receive or accept in flight.
    pub(super) fn receive(&mut self, id: SocketId) {
        while let Some(socket) = self.socket(id)
            && let Some(flier) = socket.receiving
        {
            let result = match &mut socket.role {
                Role::Listener { .. } => {
                    if self.accept(id, flier) {
                        continue;
                    }
                    return;
                }
                Role::Stream(end) if !end.inbox.is_empty() => {
                    self.receive_bytes(id, flier);
                    continue;
                }
                Role::Stream(end) if end.ended => 0,
                Role::Stream(end) if end.dead => end.error.take().map_or(0, |errno| -errno),
                Role::Datagram { queue, .. } if !queue.is_empty() => {
                    self.receive_bytes(id, flier);
                    continue;
                }
                Role::Datagram { error, .. } if error.is_some() => {
                    error.take().map_or(0, |errno| -errno)
                }
                Role::Stream(_) | Role::Datagram { .. } => return,
                Role::Fresh => -libc::ENOTCONN,
            };
            socket.receiving = None;
            self.land_last(flier, result);
        }
    }

    /// Fills one lent buffer, or ends the receive for want of one.
    fn receive_bytes(&mut self, id: SocketId, flier: Flier) {
        let starved = self.strikes(|faults| faults.no_buffers);
        let ring = &mut self.rings[flier.ring];
        let lent = if starved { None } else { ring.lent.pop_front() };
        let Some(index) = lent else {
            self.socket_mut(id).receiving = None;
            self.land_last(flier, -Errno::NO_BUFFERS.0);
            return;
        };
        let room = ring.pool.buffer_bytes() as usize;
        let buffer = ring.pool.pointer(index);
        let short = self.strikes(|faults| faults.short_recv);
        let fraction = self.prng.next_u64();
        // SAFETY: the buffer was lent to this ring alone, so nobody reads or writes it, and it
        // holds `room` bytes; no more are copied from `at` on.
        let fill = |at: usize, bytes: &[u8]| unsafe {
            let count = bytes.len().min(room - at);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.add(at), count);
            at + count
        };
        let socket = self.socket_mut(id);
        let mut read = None;
        let count = match &mut socket.role {
            Role::Stream(end) => {
                let mut count = end.inbox.len().min(room);
                if short {
                    count = 1 + usize::try_from(fraction % count as u64).unwrap_or(0);
                }
                read = Some((end.peer, count as u64));
                let mut at = 0;
                end.inbox.read(count, |part| at = fill(at, part));
                count
            }
            // One that is longer is cut.
            Role::Datagram { queue, .. } => fill(0, &queue.pop_front().unwrap_or_default()),
            Role::Fresh | Role::Listener { .. } => unreachable!("nothing arrives there"),
        };
        let more = !self.strikes(|faults| faults.multishot_end);
        if !more {
            self.socket_mut(id).receiving = None;
        }
        self.complete(flier, count_of(count), more, Some(index));
        if let Some((to, bytes_len)) = read {
            let latency_ns = self.acknowledgement_ns(id);
            self.after(latency_ns, What::Window { to, bytes_len });
        }
    }

    pub(super) fn shutdown_send(&mut self, fd: Fd) {
        let id = self.open_socket(fd);
        if !self.defers_fin(id) {
            self.send_fin(id);
        }
        self.resume_send(id); // a send that still waits fails
    }

    pub(super) fn send_fin(&mut self, id: SocketId) {
        let latency_ns = self.delay_from(id);
        let now_ns = self.now_ns;
        let Some(end) = self.end(id) else { return };
        if end.fin_sent || end.dead {
            return;
        }
        end.fin_sent = true;
        let at_ns = (now_ns + latency_ns).max(end.last_arrival_ns);
        end.last_arrival_ns = at_ns;
        let to = end.peer;
        self.at(at_ns, What::Fin { to });
    }

    pub(super) fn fin_arrived(&mut self, to: SocketId) {
        let is_cut_off = self.is_cut_off(to);
        let Some(end) = self.end(to) else { return };
        if end.dead {
            return;
        }
        if let Some(tcp) = &mut end.tcp {
            tcp.hole |= is_cut_off;
            if tcp.hole {
                return;
            }
        }
        end.ended = true;
        self.receive(to);
    }

    /// Sends a reset to the peer, behind the bytes on their way or past them.
    pub(super) fn send_reset(&mut self, id: SocketId) {
        let latency_ns = self.delay_from(id);
        let overtakes = self.strikes(|faults| faults.reset_overtakes);
        let mut at_ns = self.now_ns + latency_ns;
        let Some(end) = self.end(id) else { return };
        if !overtakes {
            at_ns = at_ns.max(end.last_arrival_ns);
        }
        let to = end.peer;
        self.at(at_ns, What::Reset { to });
    }

    pub(super) fn reset_arrived(&mut self, to: SocketId) {
        if self.is_cut_off(to) {
            return;
        }
        let Some(end) = self.end(to) else { return };
        if end.is_left() {
            self.sockets.remove(to.index);
            return;
        }
        if end.dead {
            return;
        }
        end.dead = true;
        end.error = Some(if end.ended {
            libc::EPIPE
        } else {
            libc::ECONNRESET
        });
        // Whichever of the two is woken first is told of the reset.
        if self.prng.chance(500) {
            self.receive(to);
            self.resume_send(to);
        } else {
            self.resume_send(to);
            self.receive(to);
        }
    }

    fn reset_by_network(&mut self, id: SocketId) {
        self.send_reset(id);
        if let Some(end) = self.end(id)
            && !end.dead
        {
            end.dead = true;
            end.error = Some(libc::ECONNRESET);
            self.receive(id);
        }
    }

    /// Closes a descriptor on which nothing flies.
    pub(super) fn close(&mut self, fd: Fd) {
        let Some(id) = self.files.close(fd.0) else {
            panic!("closing {fd:?}, which is not open")
        };
        assert!(
            !self.socket_mut(id).is_flying(),
            "closing {fd:?} while an operation flies on it"
        );
        self.close_socket(id);
    }

    pub(super) fn close_socket(&mut self, id: SocketId) {
        let socket = self.socket_mut(id);
        let reset_on_close = socket.reset_on_close;
        match &mut socket.role {
            Role::Listener { .. } => self.close_listener(id),
            Role::Stream(end) => {
                if end.dead {
                } else if reset_on_close || !end.inbox.is_empty() {
                    self.send_reset(id);
                } else if self.lingers(id) {
                    return;
                } else {
                    self.send_fin(id);
                }
            }
            Role::Fresh | Role::Datagram { .. } => {}
        }
        self.sockets.remove(id.index);
    }
}

/// The first `count` bytes of `pieces`, which keep the rest.
pub(super) fn take_front(pieces: &mut VecDeque<Piece>, mut count: usize) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(count);
    while count > 0
        && let Some(piece) = pieces.front_mut()
    {
        let part = count.min(piece.len());
        piece.copy_front(part, &mut bytes);
        count -= part;
        if part == piece.len() {
            pieces.pop_front();
        } else {
            piece.advance(part);
        }
    }
    bytes.into_boxed_slice()
}
