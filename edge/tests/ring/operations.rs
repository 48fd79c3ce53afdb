//! A ring by itself, below the loop: every operation, on the kernel and on its twin.

use crate::bed::{self, Kind, ONE, any_port};
use tidegate_edge::ring::{Fd, Key, Landing, Op, Outgoing, Ring, Transport, op::SocketAddress};

/// A ring and the operations on it, driven by hand.
struct Bare {
    ring: Ring,
    #[allow(clippy::vec_box)] // the kernel reads them in place
    ops: Vec<Box<Op>>,
    landed: Vec<Landing>,
}

impl Bare {
    fn new(kind: Kind) -> Bare {
        use tidegate_edge::ring::sim::{Faults, World};
        let world = (kind == Kind::Twin).then(|| World::new(1, Faults::none()));
        Bare {
            ring: bed::ring(world.as_ref(), ONE),
            ops: Vec::new(),
            landed: Vec::new(),
        }
    }

    fn submit(&mut self, op: Op) -> Key {
        let key = Key {
            index: u32::try_from(self.ops.len()).expect("few"),
            generation: 7,
        };
        let mut op = Box::new(op);
        self.ring.submit(key, &mut op);
        self.ops.push(op);
        key
    }

    /// The next completion of `key`.
    fn next(&mut self, key: Key) -> Landing {
        loop {
            if let Some(at) = self.landed.iter().position(|landing| landing.key == key) {
                return self.landed.remove(at);
            }
            let until = self.ring.now().0.plus_ms(2_000);
            let before = self.landed.len();
            self.ring.turn(Some(until), &mut self.landed);
            assert!(self.landed.len() > before, "{key:?} does not land");
        }
    }

    fn result(&mut self, key: Key) -> (i32, bool) {
        let landing = self.next(key);
        (landing.result, landing.more)
    }
}

#[test]
fn a_bare_ring_runs_every_operation() {
    for kind in [Kind::Kernel, Kind::Twin] {
        let mut bare = Bare::new(kind);
        let nop = bare.submit(Op::Nop);
        assert_eq!(bare.result(nop), (0, false), "{kind:?}");

        let listener = bare.ring.listen(&any_port(), 16, true).expect("bound");
        let address = bare.ring.names(listener).local.expect("named");
        let accept = bare.submit(Op::Accept { listener });
        let socket = bare
            .ring
            .socket(&address, Transport::Stream)
            .expect("a socket");
        let to = SocketAddress::new(address);
        let connect = bare.submit(Op::Connect { socket, to });
        assert_eq!(bare.result(connect), (0, false));
        let (accepted, more) = bare.result(accept);
        assert!(accepted >= 0 && more);
        let served = Fd(accepted);

        let recv = bare.submit(Op::Recv { socket: served });
        let mut fresh = bare.ring.pool().take().expect("free");
        fresh.extend(b"hello");
        let data = Outgoing::One(fresh.freeze().into());
        let send = bare.submit(Op::Send {
            socket,
            data,
            prompt: false,
        });
        assert_eq!(bare.result(send), (5, false));
        let landing = bare.next(recv);
        assert_eq!((landing.result, landing.more), (5, true));
        let buf = bare.ring.adopt_buffer(landing.buffer.expect("a buffer"), 5);
        assert_eq!(&buf[..], b"hello");

        bare.ring.shutdown_send(socket);
        assert_eq!(bare.result(recv), (0, false), "the end of the stream");
        let post = bare.submit(Op::Post {
            to: bare.ring.address(),
            bell: 3,
        });
        assert_eq!(bare.result(post), (0, false));
        let bell = Key {
            index: Key::BELL,
            generation: 3,
        };
        assert_eq!(bare.next(bell).key, bell);

        bare.ring.cancel(accept);
        assert_eq!(bare.result(accept), (-libc::ECANCELED, false));
        for fd in [socket, served, listener] {
            let close = bare.submit(Op::Close { fd });
            assert_eq!(bare.result(close), (0, false));
        }
        let again = bare.ring.socket(&address, Transport::Stream);
        if kind == Kind::Twin {
            assert_eq!(again, Ok(listener), "the lowest descriptor is used again");
        }
        bare.ring.close_now(again.expect("a socket"));
    }
}

#[test]
fn a_cancel_ends_what_flies_and_spares_what_has_landed() {
    for kind in [Kind::Kernel, Kind::Twin] {
        let mut bare = Bare::new(kind);
        let listener = bare.ring.listen(&any_port(), 16, true).expect("bound");
        let accept = bare.submit(Op::Accept { listener });
        bare.ring.cancel(accept);
        assert_eq!(bare.result(accept), (-libc::ECANCELED, false), "{kind:?}");

        let nop = bare.submit(Op::Nop);
        assert_eq!(bare.result(nop), (0, false));
        bare.ring.cancel(nop);
        let other = bare.submit(Op::Nop);
        assert_eq!(bare.result(other), (0, false));
        assert!(
            bare.landed.is_empty(),
            "the cancel of a landed one is silent"
        );

        let address = bare.ring.names(listener).local.expect("named");
        let socket = bare
            .ring
            .socket(&address, Transport::Stream)
            .expect("a socket");
        let to = SocketAddress::new(address);
        let connect = bare.submit(Op::Connect { socket, to });
        assert_eq!(bare.result(connect), (0, false));
        let recv = bare.submit(Op::Recv { socket });
        bare.ring.cancel(recv);
        assert_eq!(bare.result(recv), (-libc::ECANCELED, false));
        bare.ring.close_now(socket);
        bare.ring.close_now(listener);
    }
}

/// Two connected sockets.
fn pair(bare: &mut Bare) -> (Fd, Fd) {
    let listener = bare.ring.listen(&any_port(), 16, true).expect("bound");
    let address = bare.ring.names(listener).local.expect("named");
    let accept = bare.submit(Op::Accept { listener });
    let socket = bare
        .ring
        .socket(&address, Transport::Stream)
        .expect("a socket");
    let to = SocketAddress::new(address);
    let connect = bare.submit(Op::Connect { socket, to });
    assert_eq!(bare.result(connect), (0, false));
    let (accepted, _) = bare.result(accept);
    bare.ring.cancel(accept);
    assert_eq!(bare.result(accept), (-libc::ECANCELED, false));
    bare.ring.close_now(listener);
    (socket, Fd(accepted))
}

fn send(bare: &mut Bare, socket: Fd, bytes_len: usize, prompt: bool) -> Key {
    let mut fresh = bare.ring.pool().take().expect("free");
    fresh.commit(bytes_len);
    let data = Outgoing::One(fresh.freeze().into());
    bare.submit(Op::Send {
        socket,
        data,
        prompt,
    })
}

/// Reads and throws away until the end of the stream, which `after_each` brings about.
fn read_to_end(bare: &mut Bare, socket: Fd, mut after_each: impl FnMut(&mut Bare)) {
    let mut recv = bare.submit(Op::Recv { socket });
    loop {
        let landing = bare.next(recv);
        if let Some(buffer) = landing.buffer {
            bare.ring.give_back(buffer);
        }
        if landing.result == 0 {
            return;
        }
        if !landing.more {
            recv = bare.submit(Op::Recv { socket }); // there was no buffer
        }
        after_each(bare);
    }
}

#[test]
fn a_prompt_send_is_silent_while_there_is_room_and_tells_when_there_is_none() {
    for kind in [Kind::Kernel, Kind::Twin] {
        let mut bare = Bare::new(kind);
        let (socket, served) = pair(&mut bare);
        send(&mut bare, socket, 5, true);
        let now = bare.ring.now().0;
        bare.ring.turn(Some(now), &mut bare.landed);
        assert!(bare.landed.is_empty(), "{kind:?}: all of it left");
        let recv = bare.submit(Op::Recv { socket: served });
        let first = bare.next(recv);
        assert_eq!((first.result, first.more), (5, true), "{kind:?}");
        bare.ring.give_back(first.buffer.expect("a buffer"));
        bare.ring.cancel(recv);
        assert_eq!(bare.result(recv), (-libc::ECANCELED, false));

        // Nobody reads: the room ends, at last with a send that moves nothing.
        let (mut silent, mut told) = (0, Vec::new());
        while told.last() != Some(&-libc::EAGAIN) {
            let key = send(&mut bare, socket, 4_096, true);
            let now = bare.ring.now().0;
            bare.ring.turn(Some(now), &mut bare.landed);
            match bare.landed.pop() {
                Some(landing) => {
                    assert_eq!((landing.key, landing.more), (key, false));
                    assert!(landing.result < 4_096, "a whole one says nothing");
                    told.push(landing.result);
                }
                None => silent += 1,
            }
            *bare.ops[key.index as usize] = Op::Nop; // its turn is over: the buffer is free
            assert!(silent < 100_000, "the room never ends");
        }
        assert!(silent > 0, "{kind:?}");
        assert!(told.len() <= 3, "{kind:?}: {told:?}");

        // A patient one waits until the peer has read.
        let patient = send(&mut bare, socket, 4_096, false);
        read_to_end(&mut bare, served, |bare| {
            if bare.landed.iter().any(|landing| landing.key == patient) {
                bare.ring.shutdown_send(socket);
            }
        });
        assert_eq!(bare.result(patient), (4_096, false));
        for fd in [socket, served] {
            bare.ring.close_now(fd);
        }

        let (socket, served) = pair(&mut bare);
        bare.ring.shutdown_send(socket);
        let late = send(&mut bare, socket, 5, true);
        assert_eq!(bare.result(late), (-libc::EPIPE, false), "{kind:?}");
        for fd in [socket, served] {
            bare.ring.close_now(fd);
        }
    }
}
