//! The simulated world itself: virtual time, events to come, operations in flight.
//!
//! What it is: a discrete-event machine. Shape: a heap of events ordered by time and then by the
//! order they were made in; per ring, the operations in flight and the completions not yet
//! reaped. Every random choice comes from one generator, so a seed repeats the whole run, and
//! every completion enters the trace hash. Units: nanoseconds. Errors: what an operation lands
//! with; misuse that the kernel would answer with `EBADF` or worse panics, for it is our bug.
//! Source: RELIABILITY section 7; io_uring_enter(2).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    rc::Rc,
};

use slab::Slab;

use super::{
    faults::{Faults, Span},
    link::{LinkProfile, Parcel},
    socket::{Files, Flier, Role, Socket, SocketId},
};
use crate::{
    base::prng::Prng,
    ring::{Errno, Fd, Key, Landing, Op, Outgoing, Piece, Pool, Transport},
};

/// Answers datagrams sent to an address: a simulated name server, say.
pub(super) type Service = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>>>;
/// Says what lies between two hosts, the connecting one first.
pub(super) type Links = Box<dyn Fn(IpAddr, IpAddr) -> Option<LinkProfile>>;

/// Everything that exists in the world.
pub(super) struct State {
    pub(super) now_ns: u64,
    pub(super) prng: Prng,
    pub(super) faults: Faults,
    pub(super) files: Files,
    pub(super) sockets: Slab<Socket>,
    pub(super) rings: Vec<RingState>,
    pub(super) listeners: BTreeMap<SocketAddr, Vec<SocketId>>,
    pub(super) unix: BTreeMap<PathBuf, SocketId>,
    pub(super) services: BTreeMap<SocketAddr, Service>,
    pub(super) next_port: u16,
    pub(super) trace: u64,
    pub(super) links: Option<Links>,
    /// Hosts that nothing reaches and nothing leaves.
    pub(super) dark: BTreeSet<IpAddr>,
    /// Rings on which something has landed since somebody asked.
    pub(super) awake: Vec<usize>,
    /// Scratch: what leaves at once, and when it arrives.
    pub(super) arrivals: Vec<(u64, Parcel)>,
    /// When, which, and where in `planned` it lies: what is moved about is small.
    events: BinaryHeap<Reverse<(u64, u64, usize)>>,
    planned: Slab<What>,
    /// Events of this very moment, in the order they were made in: most completions are.
    at_once: VecDeque<Event>,
    events_made: u64,
    sockets_made: u64,
}

/// What the world keeps of one ring.
pub(super) struct RingState {
    pub(super) pool: Rc<Pool>,
    pub(super) lent: VecDeque<u16>,
    pub(super) landed: Vec<Landing>,
    pub(super) source: Option<std::net::IpAddr>,
    pub(super) gone: bool,
    /// Listed in [`State::awake`].
    pub(super) is_awake: bool,
    flights: Vec<Option<Flight>>,
}

/// An operation in flight.
struct Flight {
    generation: u32,
    what: Flying,
    /// Its completions stay in order: the next one lands then at the earliest.
    last_landing_ns: u64,
}

/// What flies. Bytes to be sent are shared with the slot, never copied before they leave.
pub(super) enum Flying {
    Nop,
    Accept(Fd),
    Recv(Fd),
    Send(Fd, Box<Sending>),
    Connect(Fd, SocketAddr),
    Close(Fd),
    Post { to: usize, bell: u32 },
}

/// How far a send has come.
pub(super) struct Sending {
    pub(super) pieces: VecDeque<Piece>,
    pub(super) left_bytes: usize,
    pub(super) sent_bytes: usize,
    /// Moves what fits at once, and lands only if that was not all.
    pub(super) prompt: bool,
}

/// What will happen.
pub(super) enum What {
    /// A completion becomes visible.
    Land { ring: usize, landing: Landing },
    /// A cancel finds its target or not.
    Cancel(Flier),
    /// A send's bytes leave, as far as the window lets them.
    Transmit(Flier),
    /// Bytes arrive.
    Deliver {
        from: SocketId,
        to: SocketId,
        parcel: Parcel,
    },
    /// The end of the stream arrives.
    Fin { to: SocketId },
    /// A reset arrives.
    Reset { to: SocketId },
    /// The peer has read this much.
    Window { to: SocketId, bytes_len: u64 },
    /// A connect reaches the far end.
    Knock {
        client: SocketId,
        to: SocketAddr,
        tries: u32,
    },
    /// The answer to a connect is back.
    Answer { client: SocketId, result: i32 },
    /// A datagram reaches a service.
    Ask {
        from: SocketId,
        to: SocketAddr,
        bytes: Box<[u8]>,
    },
    /// A datagram, or the news that nobody takes any, reaches a socket.
    Reply {
        to: SocketId,
        bytes: Result<Box<[u8]>, i32>,
    },
}

struct Event {
    at_ns: u64,
    number: u64,
    what: What,
}

impl State {
    pub(super) fn new(seed: u64, faults: Faults) -> State {
        State {
            now_ns: 0,
            prng: Prng::new(seed),
            faults,
            files: Files::new(FILES_MAX),
            sockets: Slab::new(),
            rings: Vec::new(),
            listeners: BTreeMap::new(),
            unix: BTreeMap::new(),
            services: BTreeMap::new(),
            next_port: FIRST_PORT,
            trace: seed,
            links: None,
            dark: BTreeSet::new(),
            awake: Vec::new(),
            arrivals: Vec::new(),
            events: BinaryHeap::new(),
            planned: Slab::new(),
            at_once: VecDeque::new(),
            events_made: 0,
            sockets_made: 0,
        }
    }

    pub(super) fn add_ring(&mut self, pool: Rc<Pool>) -> usize {
        self.rings.push(RingState {
            pool,
            lent: VecDeque::new(),
            landed: Vec::new(),
            source: None,
            gone: false,
            is_awake: false,
            flights: Vec::new(),
        });
        self.rings.len() - 1
    }

    /// When the next event is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let later = self.events.peek().map(|Reverse((at_ns, ..))| *at_ns);
        let soon = self.at_once.front().map(|event| event.at_ns);
        later.into_iter().chain(soon).min()
    }

    /// Takes the next event, if it is due by `to_ns`.
    fn next_due(&mut self, to_ns: u64) -> Option<Event> {
        let later = self
            .events
            .peek()
            .map(|Reverse((at_ns, number, _))| (*at_ns, *number));
        let soon = self
            .at_once
            .front()
            .map(|event| (event.at_ns, event.number));
        if let Some(soon) = soon
            && later.is_none_or(|later| soon < later)
        {
            return self.at_once.pop_front();
        }
        later.filter(|(at_ns, _)| *at_ns <= to_ns)?;
        let Reverse((at_ns, number, place)) = self.events.pop()?;
        Some(Event {
            at_ns,
            number,
            what: self.planned.remove(place),
        })
    }

    /// Lets time pass until `to_ns`, and everything happen that is due by then.
    pub(super) fn advance(&mut self, to_ns: u64) {
        while let Some(event) = self.next_due(to_ns) {
            self.now_ns = self.now_ns.max(event.at_ns);
            self.happen(event.what);
        }
        self.now_ns = self.now_ns.max(to_ns);
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Land { ring, landing } => self.land(ring, landing),
            What::Cancel(flier) => self.cancel_now(flier),
            What::Transmit(flier) => self.transmit(flier),
            What::Deliver { from, to, parcel } => self.deliver(from, to, parcel),
            What::Fin { to } => self.fin_arrived(to),
            What::Reset { to } => self.reset_arrived(to),
            What::Window { to, bytes_len } => self.window_opened(to, bytes_len),
            What::Knock { client, to, tries } => self.knock(client, to, tries),
            What::Answer { client, result } => self.answered(client, result),
            What::Ask { from, to, bytes } => self.ask(from, to, &bytes),
            What::Reply { to, bytes } => self.reply_arrived(to, bytes),
        }
    }

    /// Plans `what` for `delay_ns` from now.
    pub(super) fn after(&mut self, delay_ns: u64, what: What) {
        self.at(self.now_ns.saturating_add(delay_ns), what);
    }

    /// Plans `what` for a point in time.
    pub(super) fn at(&mut self, at_ns: u64, what: What) {
        self.events_made += 1;
        let number = self.events_made;
        if at_ns == self.now_ns {
            self.at_once.push_back(Event {
                at_ns,
                number,
                what,
            });
        } else {
            let place = self.planned.insert(what);
            self.events.push(Reverse((at_ns, number, place)));
        }
    }

    /// Whether a misfortune of these odds strikes.
    pub(super) fn strikes(&mut self, odds: fn(&Faults) -> u64) -> bool {
        let per_mille = odds(&self.faults);
        per_mille > 0 && self.prng.chance(per_mille)
    }

    pub(super) fn draw(&mut self, span: fn(&Faults) -> Span) -> u64 {
        span(&self.faults).draw(&mut self.prng)
    }

    /// Mixes a word into the trace.
    pub(super) fn note(&mut self, word: u64) {
        self.trace = (self.trace ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(23);
    }

    // --- operations -------------------------------------------------------------------------

    /// Takes an operation over; it starts with the ring's next turn.
    pub(super) fn submit(&mut self, ring: usize, key: Key, op: &Op) {
        let flight = Flight {
            generation: key.generation,
            what: flying_of(op),
            last_landing_ns: 0,
        };
        let flights = &mut self.rings[ring].flights;
        let index = key.index as usize;
        if flights.len() <= index {
            flights.resize_with(index + 1, || None);
        }
        assert!(
            flights[index].is_none(),
            "slot {index} is used again while its operation flies"
        );
        flights[index] = Some(flight);
    }

    /// Starts a submitted operation.
    pub(super) fn start(&mut self, flier: Flier) {
        let Some(flight) = self.flight(flier) else {
            unreachable!("an operation starts before it ends")
        };
        match flight.what {
            Flying::Nop => self.land_last(flier, 0),
            Flying::Accept(fd) | Flying::Recv(fd) => {
                let socket = self.open_socket(fd);
                let armed = self.socket_mut(socket).receiving.replace(flier);
                assert!(armed.is_none(), "two receives on {fd:?}");
                self.receive(socket);
            }
            Flying::Send(fd, ref sending) => {
                let prompt = sending.prompt;
                let socket = self.open_socket(fd);
                let sending = self.socket_mut(socket).sending.replace(flier);
                assert!(sending.is_none(), "two sends on {fd:?}");
                if prompt {
                    self.transmit(flier);
                    return;
                }
                let delay_ns = self.draw(|faults| faults.start_delay_ns);
                self.after(delay_ns, What::Transmit(flier));
            }
            Flying::Connect(fd, to) => self.connect(flier, fd, to),
            Flying::Close(fd) => {
                self.close(fd);
                self.land_last(flier, 0);
            }
            Flying::Post { to, bell } => self.post(flier, to, bell),
        }
    }

    /// Plans a cancel; it comes behind the start of its target, maybe after the target's end.
    pub(super) fn cancel(&mut self, flier: Flier) {
        if self.strikes(|faults| faults.cancel_late) {
            let delay_ns = self.draw(|faults| faults.cancel_delay_ns);
            self.after(delay_ns, What::Cancel(flier));
        } else {
            self.cancel_now(flier);
        }
    }

    fn cancel_now(&mut self, flier: Flier) {
        let Some(flight) = self.flight(flier) else {
            return; // it has landed, or is about to
        };
        let (fd, sent_bytes) = match &flight.what {
            Flying::Accept(fd) | Flying::Recv(fd) | Flying::Connect(fd, _) => (*fd, 0),
            Flying::Send(fd, sending) => (*fd, sending.sent_bytes),
            Flying::Nop | Flying::Close(_) | Flying::Post { .. } => {
                unreachable!("these land when they start")
            }
        };
        let socket = self.open_socket(fd);
        let socket = self.socket_mut(socket);
        for place in [
            &mut socket.receiving,
            &mut socket.sending,
            &mut socket.connecting,
        ] {
            if *place == Some(flier) {
                *place = None;
            }
        }
        let result = result_of(sent_bytes, Errno::CANCELED.0);
        self.land_last(flier, result);
    }

    fn post(&mut self, flier: Flier, to: usize, bell: u32) {
        let open = self.rings.get(to).is_some_and(|ring| !ring.gone);
        if open {
            let delay_ns = self.draw(|faults| faults.landing_delay_ns);
            let landing = Landing {
                key: Key {
                    index: Key::BELL,
                    generation: bell,
                },
                result: 0,
                more: false,
                buffer: None,
            };
            self.after(delay_ns, What::Land { ring: to, landing });
        }
        self.land_last(flier, if open { 0 } else { -libc::EBADF });
    }

    /// Completes an operation for the last time; its slot may be used again.
    pub(super) fn land_last(&mut self, flier: Flier, result: i32) {
        self.complete(flier, result, false, None);
    }

    /// Ends a prompt send in the turn that began it, without a landing if all of it left.
    pub(super) fn end_prompt(&mut self, flier: Flier, result: i32, whole: bool) {
        self.rings[flier.ring].flights[flier.key.index as usize] = None;
        if whole {
            return;
        }
        let landing = Landing {
            key: flier.key,
            result,
            more: false,
            buffer: None,
        };
        self.land(flier.ring, landing);
    }

    /// Completes an operation, for the last time unless `more`.
    pub(super) fn complete(&mut self, flier: Flier, result: i32, more: bool, buffer: Option<u16>) {
        let landing = Landing {
            key: flier.key,
            result,
            more,
            buffer,
        };
        let mut at_ns = self.now_ns + self.draw(|faults| faults.landing_delay_ns);
        let Some(flight) = self.flight(flier) else {
            unreachable!("completing an operation that ended")
        };
        at_ns = at_ns.max(flight.last_landing_ns);
        flight.last_landing_ns = at_ns;
        if !more {
            self.rings[flier.ring].flights[flier.key.index as usize] = None;
        }
        let ring = flier.ring;
        self.at(at_ns, What::Land { ring, landing });
    }

    fn land(&mut self, ring: usize, landing: Landing) {
        self.note(self.now_ns);
        self.note(landing.key.to_user_data() ^ (ring as u64) << 56);
        self.note(u64::from(landing.result.cast_unsigned()) << 1 | u64::from(landing.more));
        let state = &mut self.rings[ring];
        if state.gone {
            return;
        }
        state.landed.push(landing);
        if !std::mem::replace(&mut state.is_awake, true) {
            self.awake.push(ring);
        }
    }

    /// Forgets a ring that is dropped, and whatever still flies on it.
    pub(super) fn forget_ring(&mut self, ring: usize) {
        let state = &mut self.rings[ring];
        state.gone = true;
        state.landed.clear();
        state.flights.clear();
        for index in state.lent.drain(..) {
            state.pool.give_back(index);
        }
        let of_ring = |place: &mut Option<Flier>| {
            if place.is_some_and(|flier| flier.ring == ring) {
                *place = None;
            }
        };
        for (_, socket) in &mut self.sockets {
            of_ring(&mut socket.receiving);
            of_ring(&mut socket.sending);
            of_ring(&mut socket.connecting);
        }
    }

    fn flight(&mut self, flier: Flier) -> Option<&mut Flight> {
        self.rings[flier.ring]
            .flights
            .get_mut(flier.key.index as usize)?
            .as_mut()
            .filter(|flight| flight.generation == flier.key.generation)
    }

    /// The send that flies as `flier`, if it has not ended.
    pub(super) fn sending(&mut self, flier: Flier) -> Option<(Fd, &mut Sending)> {
        match &mut self.flight(flier)?.what {
            Flying::Send(fd, sending) => Some((*fd, sending)),
            _ => None,
        }
    }

    /// Operations in flight on all rings.
    pub(super) fn flights_count(&self) -> usize {
        let flights = self.rings.iter().flat_map(|ring| &ring.flights);
        flights.filter(|flight| flight.is_some()).count()
    }

    // --- sockets ----------------------------------------------------------------------------

    pub(super) fn add_socket(&mut self, transport: Transport, role: Role) -> SocketId {
        self.sockets_made += 1;
        let serial = self.sockets_made;
        let index = self.sockets.insert(Socket::new(serial, transport, role));
        SocketId { index, serial }
    }

    /// The socket, unless it was closed.
    pub(super) fn socket(&mut self, id: SocketId) -> Option<&mut Socket> {
        self.sockets
            .get_mut(id.index)
            .filter(|socket| socket.serial == id.serial)
    }

    /// A socket known to be open.
    pub(super) fn socket_mut(&mut self, id: SocketId) -> &mut Socket {
        match self.socket(id) {
            Some(socket) => socket,
            None => unreachable!("socket {id:?} is closed"),
        }
    }

    /// The socket behind a descriptor; to use one that is not open is a bug of the caller's.
    pub(super) fn open_socket(&self, fd: Fd) -> SocketId {
        match self.files.get(fd.0) {
            Some(socket) => socket,
            None => panic!("{fd:?} is not open"),
        }
    }

    /// Gives a socket the lowest free descriptor.
    pub(super) fn open(&mut self, id: SocketId) -> Result<Fd, Errno> {
        let fd = self.files.open(id)?;
        self.socket_mut(id).fd = Some(fd);
        Ok(Fd(fd))
    }
}

/// What a send that ended early answers: what left, or the error when nothing did.
pub(super) fn result_of(sent_bytes: usize, errno: i32) -> i32 {
    if sent_bytes > 0 {
        count_of(sent_bytes)
    } else {
        -errno
    }
}

pub(super) fn count_of(bytes_len: usize) -> i32 {
    i32::try_from(bytes_len).unwrap_or(i32::MAX)
}

fn flying_of(op: &Op) -> Flying {
    match op {
        Op::Nop => Flying::Nop,
        Op::Accept { listener } => Flying::Accept(*listener),
        Op::Recv { socket } => Flying::Recv(*socket),
        Op::Send {
            socket,
            data,
            prompt,
        } => {
            let pieces = match data {
                Outgoing::One(piece) => VecDeque::from([piece.clone()]),
                Outgoing::Many(gather) => gather.pieces.iter().cloned().collect(),
            };
            let sending = Sending {
                pieces,
                left_bytes: data.bytes_len(),
                sent_bytes: 0,
                prompt: *prompt,
            };
            Flying::Send(*socket, Box::new(sending))
        }
        Op::Connect { socket, to } => Flying::Connect(*socket, to.address),
        Op::Close { fd } => Flying::Close(*fd),
        Op::Post { to, bell } => Flying::Post {
            to: usize::try_from(to.0).unwrap_or(usize::MAX),
            bell: *bell,
        },
    }
}

/// Descriptors of the process, until a test asks for fewer.
const FILES_MAX: usize = 1 << 20;
/// The first port that is handed out to whoever names none.
const FIRST_PORT: u16 = 32_768;
