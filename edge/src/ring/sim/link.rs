//! A way between two hosts of the simulated world, with TCP as users feel it.
//!
//! What it is: what a connection across the world adds to the twin's perfect streams: one-way delay
//! and jitter, a rate in each direction, loss, a handshake of one round trip, an initial window,
//! slow start, recovery, and a window that shrinks while the connection idles. Shape: a
//! [`LinkProfile`] for a pair of hosts; a `Tcp` at each end of a connection between them, with the
//! bytes that have not left; a flight leaves in parcels of whole segments, each short against the
//! round trip, whose arrivals are computed, so that no segment is an event. Without a profile
//! nothing here happens and streams behave as ever. Units: bytes, nanoseconds, bytes a second,
//! losses in a million. Errors: none; what gets lost comes later. Source: RFC 9293; RFC 5681 (slow
//! start, recovery, idle restart); RFC 6928 (initial window); RFC 8985 section 7 (tail loss probe);
//! RFC 9438 section 4.6 (a loss leaves 0.7 of the window).

use std::{collections::VecDeque, net::IpAddr, ops::Deref, rc::Rc};

use super::{
    socket::{End, Flier, Role, SocketId},
    state::{State, What, result_of},
    stream::take_front,
};
use crate::base::prng::Prng;

/// What lies between two hosts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LinkProfile {
    /// One way, without queues.
    pub delay_ns: u64,
    /// Added to each flight: the mean of an exponential, cut at eight times it.
    pub jitter_ns: u64,
    /// Rate of what the connecting side sends.
    pub up_bytes_per_s: u64,
    /// Rate of what the accepting side sends.
    pub down_bytes_per_s: u64,
    /// Segments that are lost, of a million.
    pub loss_ppm: u32,
    /// Payload of a segment.
    pub segment_bytes: u64,
    /// Headers of a segment, which take time on the line as well.
    pub header_bytes: u64,
    /// Segments that may leave at first, and after a long rest.
    pub initial_window_segments: u64,
    /// The window never grows beyond.
    pub window_bytes_max: u64,
    /// What a sender may hand over before it has left.
    pub send_buffer_bytes: u64,
    /// The window shrinks while nothing is sent.
    pub idle_restart: bool,
}

impl LinkProfile {
    /// A line of `delay_ns` one way and `bytes_per_s` both ways, without jitter and loss; TCP as
    /// Linux sets it up.
    #[must_use]
    pub const fn line(delay_ns: u64, bytes_per_s: u64) -> LinkProfile {
        LinkProfile {
            delay_ns,
            jitter_ns: 0,
            up_bytes_per_s: bytes_per_s,
            down_bytes_per_s: bytes_per_s,
            loss_ppm: 0,
            segment_bytes: 1_448,
            header_bytes: 52,
            initial_window_segments: 10,
            window_bytes_max: 3 << 20,
            send_buffer_bytes: 256 << 10,
            idle_restart: true,
        }
    }

    const fn rtt_ns(&self) -> u64 {
        2 * self.delay_ns
    }

    /// From a loss of everything under way to its repetition.
    const fn timeout_ns(&self) -> u64 {
        self.rtt_ns() + RTO_LEAST_NS
    }

    /// One way, as it happens to be.
    pub(super) fn draw_delay_ns(&self, prng: &mut Prng) -> u64 {
        if self.jitter_ns == 0 {
            return self.delay_ns;
        }
        let extra = -unit(prng).ln() * self.jitter_ns as f64;
        self.delay_ns + whole(extra).min(8 * self.jitter_ns)
    }

    /// How long a connect's own segments are kept by losses.
    pub(super) fn draw_handshake_loss_ns(&self, prng: &mut Prng) -> u64 {
        let mut lost_ns = 0;
        let mut patience_ns = SYN_AGAIN_NS;
        while self.loss_ppm > 0 && prng.below(MILLION) < u64::from(self.loss_ppm) {
            lost_ns += patience_ns;
            patience_ns *= 2;
        }
        lost_ns
    }
}

/// One direction of a connection over a link.
pub(super) struct Tcp {
    pub(super) profile: LinkProfile,
    bytes_per_s: u64,
    window_bytes: u64,
    /// Below it the window doubles in a round trip.
    threshold_bytes: u64,
    /// The most that was under way since all was acknowledged.
    flying_most_bytes: u64,
    last_sent_ns: u64,
    /// Handed over and not sent.
    queue: VecDeque<Parcel>,
    queued_bytes: u64,
    /// The end of the stream leaves behind the queue.
    pub(super) fin_due: bool,
    /// The descriptor is closed; the socket goes when the queue has left.
    pub(super) closing: bool,
    /// Something that was sent to this end is lost for ever: nothing behind it can be read.
    pub(super) hole: bool,
}

impl Tcp {
    pub(super) fn new(profile: LinkProfile, is_client: bool) -> Box<Tcp> {
        let bytes_per_s = if is_client {
            profile.up_bytes_per_s
        } else {
            profile.down_bytes_per_s
        };
        Box::new(Tcp {
            profile,
            bytes_per_s: bytes_per_s.max(1),
            window_bytes: profile.initial_window_segments * profile.segment_bytes,
            threshold_bytes: u64::MAX,
            flying_most_bytes: 0,
            last_sent_ns: 0,
            queue: VecDeque::new(),
            queued_bytes: 0,
            fin_due: false,
            closing: false,
            hole: false,
        })
    }

    fn restart_bytes(&self) -> u64 {
        self.profile.initial_window_segments * self.profile.segment_bytes
    }

    /// A window that was not used for long is not to be trusted: half of it for each timeout.
    fn rest(&mut self, now_ns: u64) {
        let timeout_ns = self.profile.timeout_ns();
        let mut idle_ns = now_ns.saturating_sub(self.last_sent_ns);
        if !self.profile.idle_restart || idle_ns < timeout_ns {
            return;
        }
        let restart = self.restart_bytes().min(self.window_bytes);
        self.threshold_bytes = self.threshold_bytes.max(self.window_bytes / 4 * 3);
        while idle_ns >= timeout_ns && self.window_bytes > restart {
            self.window_bytes /= 2;
            idle_ns -= timeout_ns;
        }
        self.window_bytes = self.window_bytes.max(restart);
    }

    /// `bytes_len` were read; `flying_bytes` are still under way.
    fn acknowledged(&mut self, bytes_len: u64, flying_bytes: u64) {
        // Only a window that was needed grows.
        if self.flying_most_bytes * 2 > self.window_bytes {
            let segment = self.profile.segment_bytes;
            self.window_bytes += if self.window_bytes < self.threshold_bytes {
                bytes_len
            } else {
                segment * bytes_len / self.window_bytes.max(1)
            };
            self.window_bytes = self.window_bytes.min(self.profile.window_bytes_max);
        }
        if flying_bytes == 0 {
            self.flying_most_bytes = 0;
        }
    }

    /// A loss that the segments behind it told of.
    fn lost(&mut self) {
        let least = 2 * self.profile.segment_bytes;
        self.window_bytes = (self.window_bytes / 10 * 7).max(least);
        self.threshold_bytes = self.window_bytes;
    }

    /// A loss that nobody told of.
    fn timed_out(&mut self) {
        self.lost();
        self.window_bytes = self.profile.segment_bytes;
    }

    /// How long `parcel_bytes` take on the line.
    fn line_ns(&self, parcel_bytes: u64) -> u64 {
        let segments = parcel_bytes.div_ceil(self.profile.segment_bytes);
        let bytes = parcel_bytes + segments * self.profile.header_bytes;
        bytes.saturating_mul(NS_PER_S) / self.bytes_per_s
    }

    /// Bytes of a parcel: whole segments that take a hundredth of a round trip.
    fn parcel_bytes(&self) -> u64 {
        let segment = self.profile.segment_bytes;
        let line_bytes = segment + self.profile.header_bytes;
        let quantum_ns = self.profile.rtt_ns() / PARCELS_PER_RTT;
        let segments = quantum_ns.saturating_mul(self.bytes_per_s) / (line_bytes * NS_PER_S);
        segments.max(1) * segment
    }

    /// How much later the rest of a flight comes when its segment `lost` of `segments` is lost.
    fn recovery_ns(&mut self, lost: u64, segments: u64, flying_bytes: u64, prng: &mut Prng) -> u64 {
        let rtt_ns = self.profile.rtt_ns();
        let behind = segments.saturating_sub(lost + 1);
        let mut late_ns = if behind >= DUPLICATES {
            self.lost();
            rtt_ns
        } else if flying_bytes > self.profile.segment_bytes {
            self.lost();
            2 * rtt_ns + PROBE_SLACK_NS
        } else {
            self.timed_out();
            self.profile.timeout_ns()
        };
        let mut patience_ns = self.profile.timeout_ns();
        while prng.below(MILLION) < u64::from(self.profile.loss_ppm) {
            self.timed_out();
            late_ns += patience_ns;
            patience_ns *= 2;
        }
        late_ns
    }
}

impl End {
    /// The next bytes that may leave now.
    fn next_flight(&mut self, now_ns: u64) -> Option<Parcel> {
        let tcp = self.tcp.as_mut()?;
        let front_bytes = tcp.queue.front()?.len() as u64;
        if self.unread_bytes == 0 {
            tcp.rest(now_ns);
        }
        let room = tcp.window_bytes.saturating_sub(self.unread_bytes);
        let segment = tcp.profile.segment_bytes;
        let count = if front_bytes <= room {
            front_bytes
        } else {
            room / segment * segment // a segment leaves whole
        };
        if count == 0 {
            tcp.flying_most_bytes = tcp.flying_most_bytes.max(tcp.window_bytes);
            return None;
        }
        self.unread_bytes += count;
        tcp.queued_bytes -= count;
        tcp.last_sent_ns = now_ns;
        tcp.flying_most_bytes = tcp.flying_most_bytes.max(self.unread_bytes);
        if count == front_bytes {
            return tcp.queue.pop_front();
        }
        let front = tcp.queue.front_mut()?;
        Some(front.split_to(usize::try_from(count).unwrap_or(0)))
    }
}

impl State {
    /// The profile between two hosts, if there is one.
    pub(super) fn link_between(&self, from: IpAddr, to: IpAddr) -> Option<LinkProfile> {
        self.links.as_ref().and_then(|links| links(from, to))
    }

    /// A send's turn to hand bytes over, on a connection over a link.
    pub(super) fn transmit_linked(&mut self, flier: Flier, id: SocketId) {
        let Some(tcp) = self.tcp(id) else { return };
        let room = tcp.profile.send_buffer_bytes - tcp.queued_bytes;
        let Some((_, sending)) = self.sending(flier) else {
            return;
        };
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let count = sending.left_bytes.min(room);
        let prompt = sending.prompt;
        if count == 0 && sending.left_bytes > 0 && !prompt {
            return; // goes on when something has left
        }
        let bytes = take_front(&mut sending.pieces, count);
        sending.sent_bytes += count;
        sending.left_bytes -= count;
        let (sent_bytes, done) = (sending.sent_bytes, sending.left_bytes == 0);
        if let Some(tcp) = self.tcp(id)
            && !bytes.is_empty()
        {
            tcp.queued_bytes += bytes.len() as u64;
            tcp.queue.push_back(Parcel::new(bytes));
        }
        self.pump(id);
        if done || prompt {
            self.end_send(flier, id, result_of(sent_bytes, libc::EAGAIN));
        }
    }

    /// Lets leave what may.
    fn pump(&mut self, id: SocketId) {
        let now_ns = self.now_ns;
        while let Some(flight) = self.end(id).and_then(|end| end.next_flight(now_ns)) {
            self.send_flight(id, flight);
        }
        let Some(tcp) = self.tcp(id) else { return };
        if tcp.queue.is_empty() && tcp.fin_due {
            tcp.fin_due = false;
            let is_closing = tcp.closing;
            self.send_fin(id);
            if is_closing {
                self.sockets.remove(id.index);
            }
        }
    }

    fn send_flight(&mut self, id: SocketId, mut flight: Parcel) {
        let now_ns = self.now_ns;
        let State { sockets, prng, .. } = self;
        let Some(Role::Stream(end)) = sockets.get_mut(id.index).map(|socket| &mut socket.role)
        else {
            return;
        };
        let (to, flying_bytes) = (end.peer, end.unread_bytes);
        let Some(tcp) = &mut end.tcp else { return };
        let segment = tcp.profile.segment_bytes;
        let segments = (flight.len() as u64).div_ceil(segment);
        let delay_ns = tcp.profile.draw_delay_ns(prng);
        let lost = first_lost(segments, tcp.profile.loss_ppm, prng);
        let recovery_ns = lost.map_or(0, |lost| {
            tcp.recovery_ns(lost, segments, flying_bytes, prng)
        });
        let lost_at = lost.map_or(u64::MAX, |lost| lost * segment);
        let parcel_bytes = tcp.parcel_bytes();
        let mut at_bytes = 0;
        let mut arrivals = std::mem::take(&mut self.arrivals);
        while !flight.is_empty() {
            // What stands in front of a lost segment is read, what comes behind it waits for it.
            let (late_ns, stop) = if at_bytes < lost_at {
                (0, lost_at)
            } else {
                (recovery_ns, u64::MAX)
            };
            let until = (at_bytes + parcel_bytes).min(stop);
            let count = usize::try_from(until - at_bytes).unwrap_or(usize::MAX);
            let parcel = flight.split_to(count.min(flight.len()));
            let bytes_len = parcel.len() as u64;
            at_bytes += bytes_len;
            end.link_free_ns = end.link_free_ns.max(now_ns) + tcp.line_ns(bytes_len);
            let at_ns = (end.link_free_ns + delay_ns + late_ns).max(end.last_arrival_ns);
            end.last_arrival_ns = at_ns;
            arrivals.push((at_ns, parcel));
        }
        for (at_ns, parcel) in arrivals.drain(..) {
            let deliver = What::Deliver {
                from: id,
                to,
                parcel,
            };
            self.at(at_ns, deliver);
        }
        self.arrivals = arrivals;
    }

    /// The peer has read `bytes_len` more.
    pub(super) fn acknowledge(&mut self, id: SocketId, bytes_len: u64) {
        let Some(end) = self.end(id) else { return };
        let flying_bytes = end.unread_bytes;
        if let Some(tcp) = &mut end.tcp {
            tcp.acknowledged(bytes_len, flying_bytes);
            self.pump(id);
        }
    }

    /// The socket's link, if it has one.
    pub(super) fn tcp(&mut self, id: SocketId) -> Option<&mut Tcp> {
        self.end(id)?.tcp.as_deref_mut()
    }

    /// The end of the stream has to wait for what is queued.
    pub(super) fn defers_fin(&mut self, id: SocketId) -> bool {
        let Some(tcp) = self.tcp(id).filter(|tcp| !tcp.queue.is_empty()) else {
            return false;
        };
        tcp.fin_due = true;
        true
    }

    /// A close that leaves bytes to be sent: the socket outlives its descriptor until they are.
    pub(super) fn lingers(&mut self, id: SocketId) -> bool {
        let Some(tcp) = self.tcp(id).filter(|tcp| !tcp.queue.is_empty()) else {
            return false;
        };
        (tcp.fin_due, tcp.closing) = (true, true);
        true
    }

    /// One way from `id`, on a link or as the faults have it.
    pub(super) fn delay_from(&mut self, id: SocketId) -> u64 {
        let profile = self.tcp(id).map(|tcp| tcp.profile);
        match profile {
            Some(profile) => profile.draw_delay_ns(&mut self.prng),
            None => self.draw(|faults| faults.latency_ns),
        }
    }

    /// Nothing reaches `to`: its host or its peer's has gone dark.
    pub(super) fn is_cut_off(&mut self, to: SocketId) -> bool {
        if self.dark.is_empty() {
            return false;
        }
        let Some(socket) = self.socket(to) else {
            return false;
        };
        let hosts = [socket.local, socket.peer];
        hosts
            .iter()
            .flatten()
            .any(|address| self.dark.contains(&address.ip()))
    }
}

/// The first lost segment of a flight, if one is.
fn first_lost(segments: u64, loss_ppm: u32, prng: &mut Prng) -> Option<u64> {
    if loss_ppm == 0 {
        return None;
    }
    // How many pass before one does not: geometric.
    let passes = 1.0 - f64::from(loss_ppm) / MILLION as f64;
    let before = whole(unit(prng).ln() / passes.ln());
    (before < segments).then_some(before)
}

/// From above 0 to 1.
fn unit(prng: &mut Prng) -> f64 {
    ((prng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, which is meant
fn whole(value: f64) -> u64 {
    value as u64
}

/// Bytes on their way; parts of one send share its memory.
pub(super) struct Parcel {
    bytes: Rc<Box<[u8]>>,
    from: usize,
    to: usize,
}

impl Parcel {
    pub(super) fn new(bytes: Box<[u8]>) -> Parcel {
        let to = bytes.len();
        Parcel {
            bytes: Rc::new(bytes),
            from: 0,
            to,
        }
    }

    /// Takes the first `count` bytes off.
    pub(super) fn split_to(&mut self, count: usize) -> Parcel {
        let at = self.from + count;
        assert!(at <= self.to, "a parcel is split inside");
        let front = Parcel {
            bytes: Rc::clone(&self.bytes),
            from: self.from,
            to: at,
        };
        self.from = at;
        front
    }
}

impl Deref for Parcel {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }
}

const NS_PER_S: u64 = 1_000_000_000;
const MILLION: u64 = 1_000_000;
/// Linux waits at least so long behind the round trip.
const RTO_LEAST_NS: u64 = 200_000_000;
const SYN_AGAIN_NS: u64 = 1_000_000_000;
/// A probe behind the last segment goes out two round trips and this later.
const PROBE_SLACK_NS: u64 = 2_000_000;
/// Segments behind a lost one that tell of it.
const DUPLICATES: u64 = 3;
/// How finely a flight is cut: what is acknowledged late keeps the next flight waiting.
const PARCELS_PER_RTT: u64 = 100;

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
