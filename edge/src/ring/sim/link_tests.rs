//! Links against the formulas of TCP, one connection at a time.

use std::{
    cell::{Cell, RefCell},
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
};

use super::LinkProfile;
use crate::{
    base::time::Mono,
    ring::{
        Fd, Key, ListenAddress, Op, Outgoing, Ring, Transport,
        op::SocketAddress,
        sim::{Faults, Sim, SimOptions, World},
    },
};

/// Two hosts with a ring each; operations are driven by hand.
struct Pair {
    world: World,
    client: Ring,
    server: Ring,
    next: u32,
    /// What landed on either ring: when, whose, result, buffer.
    landed: Vec<(u64, bool, u32, i32, Option<u16>)>,
    listener: Fd,
}

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(11, 0, 0, 2)), 80);
const MS: u64 = 1_000_000;

impl Pair {
    fn new(link: LinkProfile) -> Pair {
        let world = World::new(1, Faults::none());
        world.set_links(move |_, _| Some(link));
        let options = SimOptions {
            buffers: 2_048,
            buffer_bytes: 16_384,
            stock: 64,
        };
        let ring = |last: u8| {
            let sim = Sim::new(&world, &options).expect("memory");
            Ring::Sim(sim.with_source(Ipv4Addr::new(11, 0, 0, last).into()))
        };
        let (client, mut server) = (ring(1), ring(2));
        let listener = server
            .listen(&ListenAddress::Tcp(SERVER), 16, false)
            .expect("a listener");
        Pair {
            world,
            client,
            server,
            next: 1,
            landed: Vec::new(),
            listener,
        }
    }

    fn submit(&mut self, at_server: bool, mut op: Op) -> u32 {
        let key = Key {
            index: self.next,
            generation: 1,
        };
        self.next += 1;
        let ring = if at_server {
            &mut self.server
        } else {
            &mut self.client
        };
        ring.submit(key, &mut op);
        key.index
    }

    /// Lets things happen until `done` says so, or nothing is left.
    fn drive(&mut self, mut done: impl FnMut(&Pair) -> bool) {
        let mut landed = Vec::new();
        for _ in 0..100_000 {
            for at_server in [false, true] {
                let ring = if at_server {
                    &mut self.server
                } else {
                    &mut self.client
                };
                ring.turn(None, &mut landed);
                let now = self.world.now().0;
                for landing in landed.drain(..) {
                    if let Some(buffer) = landing.buffer {
                        ring.give_back(buffer);
                    }
                    let row = (
                        now,
                        at_server,
                        landing.key.index,
                        landing.result,
                        landing.buffer,
                    );
                    self.landed.push(row);
                }
            }
            if done(self) {
                return;
            }
            let next = self.world.next_event();
            if next == Mono::FAR {
                return;
            }
            self.world.advance(next);
        }
        panic!("it does not end");
    }

    /// Connects; gives both descriptors.
    fn connect(&mut self) -> (Fd, Fd) {
        let listener = self.listener;
        let accept = self.submit(true, Op::Accept { listener });
        let fd = self
            .client
            .socket(&SERVER, Transport::Stream)
            .expect("a socket");
        let to = SocketAddress::new(SERVER);
        let connect = self.submit(false, Op::Connect { socket: fd, to });
        self.drive(|pair| pair.result_of(connect).is_some() && pair.result_of(accept).is_some());
        assert_eq!(self.result_of(connect), Some(0));
        let accepted = self.result_of(accept).expect("accepted");
        (fd, Fd(accepted))
    }

    fn result_of(&self, index: u32) -> Option<i32> {
        let mut rows = self.landed.iter().rev();
        rows.find(|row| row.2 == index).map(|row| row.3)
    }

    /// Sends `bytes_len` from `from`, and gives when the first and the last of them are read.
    fn carry(&mut self, at_server: bool, from: Fd, receive: u32, bytes_len: usize) -> (u64, u64) {
        let pool = Rc::clone(if at_server {
            self.server.pool()
        } else {
            self.client.pool()
        });
        let mut gather = crate::ring::Gather::new();
        let mut left = bytes_len;
        let begun = self.landed.len();
        while left > 0 {
            let count = left.min(16_384);
            let mut buffer = pool.take().expect("a buffer");
            buffer.extend(&vec![7; count]);
            gather.pieces.push(buffer.freeze().into());
            left -= count;
        }
        self.submit(
            at_server,
            Op::Send {
                socket: from,
                data: Outgoing::Many(gather),
                prompt: false,
            },
        );
        let read = |pair: &Pair| {
            let rows = pair.landed[begun..].iter();
            let own = rows.filter(|row| row.2 == receive && row.1 != at_server);
            own.map(|row| (row.0, row.3)).collect::<Vec<_>>()
        };
        self.drive(|pair| {
            let sum: i32 = read(pair).iter().map(|(_, count)| *count).sum();
            sum == i32::try_from(bytes_len).expect("small")
        });
        let rows = read(self);
        (
            rows.first().expect("bytes").0,
            rows.last().expect("bytes").0,
        )
    }
}

/// How long `bytes_len` take from a fresh window of `window` segments, the handshake apart: whole
/// round trips for the flights in front of the last one, then the last one's own time.
fn formula_ns(link: &LinkProfile, bytes_len: u64, mut window: u64) -> f64 {
    let mut segments = bytes_len.div_ceil(link.segment_bytes);
    let mut bytes_left = bytes_len;
    let mut time_ns = 0.0;
    while segments > window {
        time_ns += 2.0 * link.delay_ns as f64;
        segments -= window;
        bytes_left -= window * link.segment_bytes;
        window *= 2;
    }
    let line = (bytes_left + segments * link.header_bytes) as f64 * 1e9;
    time_ns + link.delay_ns as f64 + line / link.down_bytes_per_s as f64
}

fn close_to(found_ns: u64, expected_ns: f64, what: &str) {
    let error = (found_ns as f64 - expected_ns).abs() / expected_ns;
    assert!(
        error <= 0.01,
        "{what}: {found_ns} instead of {expected_ns:.0}"
    );
}

#[test]
fn a_fresh_connection_sends_as_slow_start_has_it() {
    for delay_ms in [5, 40, 120] {
        let link = LinkProfile::line(delay_ms * MS, 125_000_000);
        for bytes_len in [
            1usize, 1_000, 14_480, 14_481, 43_440, 60_000, 100_000, 200_000,
        ] {
            let mut pair = Pair::new(link);
            let begun = pair.world.now().0;
            let (client, server) = pair.connect();
            let connected = pair.world.now().0;
            close_to(connected - begun, 2.0 * link.delay_ns as f64, "a handshake");
            let receive = pair.submit(false, Op::Recv { socket: client });
            let (_, last) = pair.carry(true, server, receive, bytes_len);
            let expected = formula_ns(&link, bytes_len as u64, 10);
            close_to(
                last - connected,
                expected,
                &format!("{bytes_len} over {delay_ms}"),
            );
        }
    }
}

#[test]
fn a_grown_window_is_kept_in_use_and_shrinks_while_idle() {
    let link = LinkProfile::line(40 * MS, 125_000_000);
    for (idle_restart, pause_ms, window) in [
        (true, 100, 160),   // shorter than the timeout of 280 ms
        (true, 300, 80),    // one of them
        (true, 900, 20),    // three
        (true, 60_000, 10), // never below the initial one
        (false, 60_000, 160),
    ] {
        let link = LinkProfile {
            idle_restart,
            ..link
        };
        let mut pair = Pair::new(link);
        let (client, server) = pair.connect();
        let receive = pair.submit(false, Op::Recv { socket: client });
        // 150 segments and a little: flights of 10, 20, 40 and the rest; all acknowledged grows to
        // 160.
        pair.carry(true, server, receive, 150 * 1_448);
        pair.world.advance(pair.world.now().plus_ms(80));
        pair.drive(|_| false);
        pair.world.advance(pair.world.now().plus_ms(pause_ms - 80));
        let begun = pair.world.now().0;
        let (_, last) = pair.carry(true, server, receive, 200_000);
        let expected = formula_ns(&link, 200_000, window);
        close_to(last - begun, expected, &format!("after {pause_ms} ms"));
    }
}

#[test]
fn a_slow_line_is_kept_busy() {
    // 1 MB/s and a window that soon holds more than the line: the line's time counts.
    let link = LinkProfile::line(10 * MS, 1_000_000);
    let mut pair = Pair::new(link);
    let (client, server) = pair.connect();
    let begun = pair.world.now().0;
    let receive = pair.submit(false, Op::Recv { socket: client });
    let (first, last) = pair.carry(true, server, receive, 200_000);
    close_to(first - begun, 10e6 + 1_500_000.0, "the first segment");
    let line = (200_000.0 + 139.0 * 52.0) * 1_000.0;
    // The first flight of 15 ms leaves the line idle for 5 ms of the round trip.
    close_to(last - begun, 10e6 + line + 5e6 + 1.5e6, "all of it");
}

#[test]
fn what_is_lost_comes_later_and_nothing_is_lost_for_ever() {
    let clean = LinkProfile::line(40 * MS, 125_000_000);
    let lossy = LinkProfile {
        loss_ppm: 50_000,
        ..clean
    };
    let time = |link: LinkProfile, bytes_len: usize| {
        let mut pair = Pair::new(link);
        let (client, server) = pair.connect();
        let receive = pair.submit(false, Op::Recv { socket: client });
        let begun = pair.world.now().0;
        let times: Vec<u64> = (0..200)
            .map(|_| {
                let begun = pair.world.now().0;
                let time = pair.carry(true, server, receive, bytes_len).1 - begun;
                pair.drive(|_| false); // until all of it is acknowledged
                time
            })
            .collect();
        (pair.world.now().0 - begun, times)
    };
    for bytes_len in [1_000, 20_000, 100_000] {
        let ((without, _), (with, times)) = (time(clean, bytes_len), time(lossy, bytes_len));
        assert!(
            with > without + without / 20,
            "{bytes_len}: {with} against {without}"
        );
        let worst = times.iter().max().copied().unwrap_or(0);
        assert!(worst > 200 * MS, "{bytes_len}: a tail loss waits: {worst}");
    }
    // One segment of one: nobody tells of it, so that the timeout of 280 ms passes.
    let (_, times) = time(lossy, 1_000);
    let late = times.iter().filter(|ns| **ns > 100 * MS).count();
    assert!((2..=25).contains(&late), "{late} of 200 at 5 %");
    let first = times
        .iter()
        .find(|ns| **ns > 100 * MS)
        .copied()
        .unwrap_or(0);
    close_to(first, (40 + 280) as f64 * 1e6, "a timeout");
}

#[test]
fn jitter_is_added_and_order_is_kept() {
    let link = LinkProfile {
        jitter_ns: 5 * MS,
        idle_restart: false,
        ..LinkProfile::line(20 * MS, 125_000_000)
    };
    let mut pair = Pair::new(link);
    let (client, server) = pair.connect();
    let receive = pair.submit(false, Op::Recv { socket: client });
    let sum = Cell::new(0);
    let seen = RefCell::new(Vec::new());
    for _ in 0..400 {
        let begun = pair.world.now().0;
        let (_, last) = pair.carry(true, server, receive, 1_000);
        sum.set(sum.get() + last - begun);
        seen.borrow_mut().push(last);
        pair.drive(|_| false);
    }
    let mean = sum.get() / 400;
    assert!((24 * MS..26 * MS).contains(&mean), "{mean}");
    assert!(seen.borrow().is_sorted());
}

#[test]
fn a_dark_host_is_silent_and_its_peers_learn_of_it_later() {
    let link = LinkProfile::line(MS, 125_000_000);
    let mut pair = Pair::new(link);
    let (client, server) = pair.connect();
    let receive = pair.submit(false, Op::Recv { socket: client });
    pair.carry(true, server, receive, 100);
    pair.world.set_dark(SERVER.ip(), true);
    let pool = Rc::clone(pair.client.pool());
    let send = |pair: &mut Pair| {
        let mut buffer = pool.take().expect("a buffer");
        buffer.extend(b"hello");
        let data = Outgoing::One(buffer.freeze().into());
        pair.submit(
            false,
            Op::Send {
                socket: client,
                data,
                prompt: false,
            },
        )
    };
    let before = pair.landed.len();
    let sent = send(&mut pair);
    pair.drive(|_| false);
    assert_eq!(pair.result_of(sent), Some(5), "it left");
    assert_eq!(pair.landed.len(), before + 1, "and nothing came of it");
    // The host comes back and has forgotten the connection.
    pair.server.close_now(server);
    pair.drive(|_| false);
    pair.world.set_dark(SERVER.ip(), false);
    send(&mut pair);
    pair.drive(|_| false);
    assert_eq!(pair.result_of(receive), Some(-libc::ECONNRESET));
}
