//! What a ring promises, on the kernel and on its twin: one body per rule, run on both.

use std::{cell::Cell, net::SocketAddr, ptr::NonNull, rc::Rc};

use crate::bed::{self, Bed, Kind, ONE, Sizes, TWO, accept, any_port, bind, bytes, connect};
use tidegate_edge::{
    base::time::Mono,
    exec::{Core, Inbox, Listener, RecvEnd, SendEnd, Stream},
    ring::{Errno, Lender, ListenAddress, Piece, Transport},
};

macro_rules! rows {
    ($($name:ident on $sizes:expr;)*) => {
        mod on_the_kernel {
            $(#[test] fn $name() { super::run(super::Kind::Kernel, $sizes, super::$name); })*
        }
        mod on_the_twin {
            $(#[test] fn $name() { super::run(super::Kind::Twin, $sizes, super::$name); })*
        }
    };
}

rows! {
    accept_gives_each_client_a_socket_of_its_own on super::ONE;
    accept_stops_and_keeps_what_came on super::ONE;
    accept_pauses_and_goes_on on super::ONE;
    accepts_nobody_took_are_closed on super::ONE;
    listeners_share_an_address on super::TWO;
    an_address_that_is_not_shared_is_taken on super::ONE;
    a_unix_socket_is_a_stream on super::ONE;
    an_echo_comes_back_every_time on super::ONE;
    recv_gives_data_then_the_end on super::ONE;
    recv_without_buffers_goes_on_later on super::Sizes { buffers: 20, ..super::ONE };
    recv_deadline_leaves_the_stream_usable on super::ONE;
    a_slow_reader_pauses_its_source on super::ONE;
    small_pieces_do_not_take_every_buffer on super::Sizes { buffers: 128, ..super::ONE };
    send_one_and_many_pieces_in_order on super::Sizes { buffers: 128, ..super::ONE };
    send_waits_for_a_reader_that_does_not on super::Sizes { buffers: 512, ..super::ONE };
    lent_pieces_leave_in_order_among_others on super::Sizes { buffers: 512, ..super::ONE };
    lent_memory_is_held_until_its_send_has_landed on super::ONE;
    send_to_nobody_fails on super::ONE;
    a_half_closed_stream_still_answers on super::ONE;
    the_end_comes_behind_what_is_queued on super::Sizes { slots: 4, ..super::ONE };
    a_send_given_up_sends_no_more on super::Sizes { buffers: 512, ..super::ONE };
    a_reset_is_seen_as_one on super::ONE;
    close_with_a_receive_armed on super::ONE;
    close_with_unread_bytes_resets on super::Sizes { buffers: 512, ..super::ONE };
    connect_is_refused on super::ONE;
    connect_times_out on super::ONE;
    connect_may_be_dropped on super::ONE;
    datagrams_keep_their_borders on super::ONE;
    a_datagram_to_nobody_is_refused on super::ONE;
    mail_crosses_cores on super::TWO;
    deadlines_fire_in_order on super::ONE;
    shutdown_lands_everything on super::ONE;
}

fn run(kind: Kind, sizes: Sizes, row: fn(&Bed)) {
    let bed = Bed::new(kind, sizes);
    row(&bed);
    bed.finish();
}

fn accept_gives_each_client_a_socket_of_its_own(bed: &Bed) {
    let core = bed.core();
    let (mut listener, address) = bind(&core);
    for _ in 0..3 {
        let core = bed.core();
        bed.spawn(async move {
            let mut stream = connect(&core, address).await;
            let names = stream.names();
            assert_eq!(names.peer, Some(address));
            let port = names.local.expect("named").port();
            stream.send(bytes(&core, &port.to_be_bytes()));
            assert_eq!(&read(&mut stream, 2).await[..], b"ok");
        });
    }
    bed.spawn(async move {
        for _ in 0..3 {
            let mut stream = accept(&core, &mut listener).await;
            let names = stream.names();
            assert_eq!(names.local, Some(address));
            let port = names.peer.expect("named").port();
            assert_eq!(read(&mut stream, 2).await, port.to_be_bytes());
            stream.send(bytes(&core, b"ok"));
            stream.sent(0, Mono::FAR).await.expect("sent");
        }
    });
    bed.drive();
}

fn accept_stops_and_keeps_what_came(bed: &Bed) {
    let core = bed.core();
    let (mut listener, address) = bind(&core);
    bed.spawn(async move {
        let _client = connect(&core, address).await;
        let served = accept(&core, &mut listener).await;
        let _second = connect(&core, address).await;
        core.sleep_until(core.now().plus_ms(5)).await;
        listener.stop();
        let second = accept(&core, &mut listener).await;
        assert!(listener.accept().await.is_none(), "stopped and empty");
        drop((served, second));
    });
    bed.drive();
}

fn accept_pauses_and_goes_on(bed: &Bed) {
    let core = bed.core();
    let (mut listener, address) = bind(&core);
    bed.spawn(async move {
        let first = (
            connect(&core, address).await,
            accept(&core, &mut listener).await,
        );
        listener.pause();
        core.sleep_until(core.now().plus_ms(5)).await;
        let waiting = connect(&core, address).await; // the kernel takes it
        let soon = core.now().plus_ms(20);
        let polled = core
            .wait_for(soon, || match listener.poll_accept() {
                std::task::Poll::Ready(accepted) => Some(accepted),
                std::task::Poll::Pending => None,
            })
            .await;
        assert_eq!(polled, None, "it rests");
        listener.resume();
        let second = (waiting, accept(&core, &mut listener).await);

        listener.pause();
        listener.resume(); // too soon: the pause is still under way
        let client = connect(&core, address).await;
        let fd = std::future::poll_fn(|_| {
            listener.resume();
            listener.poll_accept()
        });
        let fd = fd.await.expect("not stopped").expect("accepted");
        let third = (client, Stream::new(&core, fd));

        listener.pause();
        listener.stop();
        assert!(listener.accept().await.is_none(), "stopped and empty");
        drop((first, second, third));
    });
    bed.drive();
}

fn accepts_nobody_took_are_closed(bed: &Bed) {
    let core = bed.core();
    let (listener, address) = bind(&core);
    bed.spawn(async move {
        let mut before = connect(&core, address).await;
        core.sleep_until(core.now().plus_ms(5)).await;
        let mut during = connect(&core, address).await;
        drop(listener);
        for stream in [&mut before, &mut during] {
            let end = stream.recv(Mono::FAR).await.map(|_| ()).unwrap_err();
            let ends = [RecvEnd::Closed, RecvEnd::Failed(Errno::RESET)];
            assert!(ends.contains(&end), "{end:?}");
        }
    });
    bed.drive();
}

fn listeners_share_an_address(bed: &Bed) {
    const CLIENTS: usize = 32;
    let (first, address) = bind(&bed.cores[0]);
    let second = Listener::bind(&bed.cores[1], &ListenAddress::Tcp(address)).expect("shared");
    let counts = Rc::new([Cell::new(0), Cell::new(0)]);
    for (place, mut listener) in [first, second].into_iter().enumerate() {
        let (core, counts) = (Rc::clone(&bed.cores[place]), Rc::clone(&counts));
        bed.cores[place].spawn(async move {
            while counts[0].get() + counts[1].get() < CLIENTS {
                let soon = core.now().plus_ms(1);
                let polled = core
                    .wait_for(soon, || match listener.poll_accept() {
                        std::task::Poll::Ready(accepted) => accepted,
                        std::task::Poll::Pending => None,
                    })
                    .await;
                if let Some(fd) = polled {
                    counts[place].set(counts[place].get() + 1);
                    drop(Stream::new(&core, fd.expect("accepted")));
                }
            }
        });
    }
    let core = bed.core();
    bed.spawn(async move {
        for _ in 0..CLIENTS {
            drop(connect(&core, address).await);
        }
    });
    bed.drive();
    assert!(counts.iter().all(|count| count.get() > 0), "both serve");
}

fn an_address_that_is_not_shared_is_taken(bed: &Bed) {
    let core = bed.core();
    let in_use = Err(Errno(libc::EADDRINUSE));
    for (first, second) in [(true, false), (false, true), (false, false)] {
        let fd = core.listen(&any_port(), first).expect("bound");
        let address = ListenAddress::Tcp(core.names(fd).local.expect("named"));
        let given = format!("{first} then {second}");
        assert_eq!(core.listen(&address, second), in_use, "{given}");
        core.close(fd);
        let again = core.listen(&address, second).expect("free again");
        core.close(again);
    }
}

fn a_unix_socket_is_a_stream(bed: &Bed) {
    let core = bed.core();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("admin");
    let mut listener = Listener::bind(&core, &ListenAddress::Unix(path.clone())).expect("bound");
    assert_eq!(listener.names().local, None);
    let mut client = Stream::new(&core, bed.connect_unix(&path));
    bed.spawn(async move {
        let mut served = accept(&core, &mut listener).await;
        client.send(bytes(&core, b"ping"));
        assert_eq!(&read(&mut served, 4).await[..], b"ping");
        served.send(bytes(&core, b"pong"));
        assert_eq!(&read(&mut client, 4).await[..], b"pong");
    });
    bed.drive();
}

fn an_echo_comes_back_every_time(bed: &Bed) {
    let core = bed.core();
    let (mut listener, address) = bind(&core);
    let inner = Rc::clone(&core);
    bed.spawn(async move {
        let mut stream = accept(&inner, &mut listener).await;
        while let Ok(buf) = stream.recv(Mono::FAR).await {
            stream.send(buf);
            stream.sent(0, Mono::FAR).await.expect("sent");
        }
    });
    bed.spawn(async move {
        let mut stream = connect(&core, address).await;
        for round in 0..100u8 {
            stream.send(bytes(&core, &[round; 100]));
            assert_eq!(read(&mut stream, 100).await, [round; 100]);
        }
    });
    bed.drive();
}

fn recv_gives_data_then_the_end(bed: &Bed) {
    on_a_connection(bed, |core, mut client, mut served| async move {
        served.send(bytes(&core, b"abc"));
        served.sent(0, Mono::FAR).await.expect("sent");
        drop(served);
        assert_eq!(&read(&mut client, 3).await[..], b"abc");
        for _ in 0..2 {
            let end = client.recv(Mono::FAR).await.map(|_| ());
            assert_eq!(end, Err(RecvEnd::Closed));
        }
    });
}

fn recv_without_buffers_goes_on_later(bed: &Bed) {
    on_a_connection(bed, |core, mut client, mut served| async move {
        let hello = bytes(&core, b"hello");
        let mut held = Vec::new();
        for _ in 0..40 {
            // Every buffer of the pool ends up with us, those of the receive ring too.
            while let Some(fresh) = core.pool().take() {
                held.push(fresh.freeze());
            }
            served.send(hello.clone());
            let soon = core.now().plus_ms(2);
            if let Ok(buf) = client.recv(soon).await {
                held.push(buf);
            }
        }
        assert_eq!(core.buffers_free(), 0, "all are held");
        let received = held.iter().map(|buf| buf.len()).sum::<usize>();
        held.truncate(4);
        let rest = read(&mut client, 40 * 5 - received).await;
        assert!(rest.len() + received == 200, "nothing is lost");
    });
}

fn recv_deadline_leaves_the_stream_usable(bed: &Bed) {
    on_a_connection(bed, |core, mut client, mut served| async move {
        let soon = core.now().plus_ms(5);
        let end = client.recv(soon).await.map(|_| ());
        assert_eq!(end, Err(RecvEnd::Timeout));
        assert!(core.now() >= soon);
        served.send(bytes(&core, b"late"));
        assert_eq!(&read(&mut client, 4).await[..], b"late");
    });
}

fn a_slow_reader_pauses_its_source(bed: &Bed) {
    const TOTAL: usize = 4 << 20;
    let core = bed.core();
    let (mut listener, address) = bind(&core);
    let inner = Rc::clone(&core);
    bed.spawn(async move {
        let mut stream = accept(&inner, &mut listener).await;
        let mut sent = 0;
        while sent < TOTAL {
            let Some(mut fresh) = inner.pool().take() else {
                inner.sleep_until(inner.now().plus_ms(1)).await;
                continue;
            };
            let spare = fresh.spare();
            for (offset, byte) in spare.iter_mut().enumerate() {
                *byte = byte_at(sent + offset);
            }
            let count = spare.len().min(TOTAL - sent);
            fresh.commit(count);
            sent += count;
            stream.send(fresh.freeze());
            stream.sent(64 * 1024, Mono::FAR).await.expect("sent");
        }
        stream.sent(0, Mono::FAR).await.expect("sent");
    });
    bed.spawn(async move {
        let mut stream = connect(&core, address).await;
        let mut got = 0usize;
        let end = loop {
            match stream.recv(Mono::FAR).await {
                Ok(buf) => {
                    for byte in buf.iter() {
                        assert_eq!(*byte, byte_at(got));
                        got += 1;
                    }
                    if got.is_multiple_of(7) {
                        core.sleep_until(core.now().plus_ms(2)).await;
                    }
                }
                Err(end) => break end,
            }
        };
        assert_eq!((end, got), (RecvEnd::Closed, TOTAL));
    });
    bed.drive();
}

fn small_pieces_do_not_take_every_buffer(bed: &Bed) {
    const PIECES: usize = 300;
    on_a_connection(bed, |core, mut client, mut served| async move {
        let piece = bytes(&core, b"x");
        for _ in 0..PIECES {
            served.send(piece.clone());
            served.sent(0, Mono::FAR).await.expect("sent");
            core.sleep_until(core.now().plus_ns(100_000)).await;
        }
        let held = core.pool().count() - core.buffers_free();
        assert!(held < 64, "{held} buffers for a reader that does not read");
        assert_eq!(read(&mut client, PIECES).await, [b'x'; PIECES]);
    });
}

fn send_one_and_many_pieces_in_order(bed: &Bed) {
    on_a_connection(bed, |core, mut client, mut served| async move {
        let mut expected = Vec::new();
        for (round, pieces) in [1u8, 2, 16, 17, 40].into_iter().enumerate() {
            for piece in 0..pieces {
                let data = vec![piece; 10 + round * 20];
                served.send(bytes(&core, &data));
                expected.extend(data);
            }
            served.sent(0, Mono::FAR).await.expect("sent");
        }
        assert_eq!(served.unsent_bytes(), 0);
        assert_eq!(read(&mut client, expected.len()).await, expected);
    });
}

fn send_waits_for_a_reader_that_does_not(bed: &Bed) {
    const TOTAL: usize = 64 << 20;
    on_a_connection(bed, |core, mut client, mut served| async move {
        let piece = bytes(&core, &[7; 16 * 1024]);
        for _ in 0..TOTAL / piece.len() {
            served.send(piece.clone());
        }
        let soon = core.now().plus_ms(100);
        assert_eq!(served.sent(0, soon).await, Err(SendEnd::Timeout));
        assert!(served.unsent_bytes() > 0);
        let mut got = 0;
        while got < TOTAL {
            got += client.recv(Mono::FAR).await.expect("data").len();
        }
        assert_eq!(served.sent(0, Mono::FAR).await, Ok(()));
    });
}

/// Lends the bytes of [`byte_at`].
struct Board(Vec<u8>);

impl Board {
    fn new(bytes_len: usize) -> Rc<Board> {
        Rc::new(Board((0..bytes_len).map(byte_at).collect()))
    }

    fn piece(self: &Rc<Board>, at: usize, bytes_len: usize) -> Piece {
        let lender: Rc<dyn Lender> = Rc::<Board>::clone(self);
        Piece::lent(lender, at, bytes_len).expect("inside")
    }
}

impl Lender for Board {
    fn address(&self, at: usize, bytes_len: usize) -> Option<NonNull<u8>> {
        let bytes = self.0.get(at..at.checked_add(bytes_len)?)?;
        NonNull::new(bytes.as_ptr().cast_mut())
    }

    fn copy(&self, at: usize, into: &mut [u8]) -> usize {
        let bytes = self.0.get(at..).unwrap_or(&[]);
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        count
    }
}

fn lent_pieces_leave_in_order_among_others(bed: &Bed) {
    const TOTAL: usize = 16 << 20; // more than fits on the way: sends are short
    const CUT: usize = 100_003;
    on_a_connection(bed, |core, mut client, mut served| async move {
        let board = Board::new(TOTAL);
        assert!(Piece::lent(Rc::<Board>::clone(&board), TOTAL - 1, 2).is_none());
        served.send(bytes(&core, b"head"));
        served.send(board.piece(0, CUT));
        served.send(bytes(&core, b"middle"));
        served.send(board.piece(CUT, TOTAL - CUT));
        served.send(bytes(&core, b"end"));
        let soon = core.now().plus_ms(100);
        assert_eq!(served.sent(0, soon).await, Err(SendEnd::Timeout));
        let got = read(&mut client, TOTAL + 13).await;
        assert_eq!(served.sent(0, Mono::FAR).await, Ok(()));
        let parts: [&[u8]; 5] = [b"head", &board.0[..CUT], b"middle", &board.0[CUT..], b"end"];
        assert!(got == parts.concat(), "the bytes arrive as they are lent");
        assert_eq!(Rc::strong_count(&board), 1, "nothing holds what has left");
    });
}

fn lent_memory_is_held_until_its_send_has_landed(bed: &Bed) {
    const TOTAL: usize = 32 << 20;
    on_a_connection(bed, |core, client, mut served| async move {
        let board = Board::new(TOTAL);
        served.send(board.piece(0, TOTAL));
        let mut before = TOTAL + 1;
        while served.unsent_bytes() < before {
            before = served.unsent_bytes();
            core.sleep_until(core.now().plus_ms(100)).await;
        }
        assert!(before > 0, "more than fits on the way");
        drop(served);
        assert!(Rc::strong_count(&board) > 1, "the send still flies");
        let patience = core.now().plus_ms(5_000);
        drop(client);
        let landed = core.wait_for(patience, || {
            core.wake_at(core.now().plus_ms(1));
            (Rc::strong_count(&board) == 1).then_some(())
        });
        assert_eq!(landed.await, Some(()), "it lands, and lets go");
    });
}

fn send_to_nobody_fails(bed: &Bed) {
    on_a_connection(bed, |core, client, mut served| async move {
        drop(client);
        let end = loop {
            served.send(bytes(&core, b"anybody there?"));
            if let Err(end) = served.sent(0, Mono::FAR).await {
                break end;
            }
            core.sleep_until(core.now().plus_ms(1)).await;
        };
        let errno = match end {
            SendEnd::Failed(errno) => errno,
            SendEnd::Timeout => panic!("no deadline was given"),
        };
        let possible = [Errno::RESET, Errno(libc::EPIPE)];
        assert!(possible.contains(&errno), "{errno}");
    });
}

fn a_half_closed_stream_still_answers(bed: &Bed) {
    on_a_connection(bed, |core, mut client, mut served| async move {
        client.send(bytes(&core, b"question"));
        client.sent(0, Mono::FAR).await.expect("sent");
        client.shutdown_when_sent();
        assert_eq!(&read(&mut served, 8).await[..], b"question");
        let end = served.recv(Mono::FAR).await.map(|_| ());
        assert_eq!(end, Err(RecvEnd::Closed));
        served.send(bytes(&core, b"answer"));
        assert_eq!(&read(&mut client, 6).await[..], b"answer");
        client.send(bytes(&core, b"more"));
        let end = client.sent(0, Mono::FAR).await;
        assert_eq!(end, Err(SendEnd::Failed(Errno(libc::EPIPE))));
    });
}

fn the_end_comes_behind_what_is_queued(bed: &Bed) {
    on_a_connection(bed, |core, mut client, mut served| async move {
        // An accept and two receives fly; a connect takes the last slot from the send.
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut attempt = Box::pin(try_connect(&core, nobody, Mono::FAR));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(attempt.as_mut().poll(&mut context).is_pending());
        assert_eq!(core.slots_used(), 4, "all slots");
        client.send(bytes(&core, b"last words"));
        client.shutdown_when_sent();
        assert_eq!(attempt.await, Err(Errno::REFUSED));
        assert_eq!(&read(&mut served, 10).await[..], b"last words");
        let end = served.recv(Mono::FAR).await.map(|_| ());
        assert_eq!(end, Err(RecvEnd::Closed));
    });
}

fn a_send_given_up_sends_no_more(bed: &Bed) {
    on_a_connection(bed, |core, mut client, mut served| async move {
        let piece = bytes(&core, &[7; 16 * 1024]);
        for _ in 0..2048 {
            client.send(piece.clone());
        }
        let soon = core.now().plus_ms(10);
        assert_eq!(client.sent(0, soon).await, Err(SendEnd::Timeout));
        client.fail_sending(Errno::TIMED_OUT);
        assert_eq!(client.unsent_bytes(), 0);
        let failed = Err(SendEnd::Failed(Errno::TIMED_OUT));
        assert_eq!(client.sent(0, Mono::FAR).await, failed);
        client.reset();
        while served.recv(Mono::FAR).await.is_ok() {}
    });
}

fn a_reset_is_seen_as_one(bed: &Bed) {
    on_a_connection(bed, |core, mut client, mut served| async move {
        served.send(bytes(&core, b"cut"));
        served.sent(0, Mono::FAR).await.expect("sent");
        served.reset();
        assert_eq!(&read(&mut client, 3).await[..], b"cut");
        let end = client.recv(Mono::FAR).await.map(|_| ());
        assert_eq!(end, Err(RecvEnd::Failed(Errno::RESET)));
    });
}

fn close_with_a_receive_armed(bed: &Bed) {
    on_a_connection(bed, |core, client, mut served| async move {
        core.sleep_until(core.now().plus_ms(1)).await; // both receives fly
        drop(client);
        let end = served.recv(Mono::FAR).await.map(|_| ());
        assert_eq!(end, Err(RecvEnd::Closed));
    });
}

fn close_with_unread_bytes_resets(bed: &Bed) {
    on_a_connection(bed, |core, client, mut served| async move {
        let piece = bytes(&core, &[7; 16 * 1024]);
        for _ in 0..64 {
            served.send(piece.clone());
        }
        core.sleep_until(core.now().plus_ms(20)).await; // more than the inbox takes
        drop(client);
        let end = served.recv(Mono::FAR).await.expect_err("nothing was sent");
        // A send in flight may be told of the reset first.
        let sent = served.sent(0, Mono::FAR).await;
        let reset = Errno::RESET;
        assert!(
            end == RecvEnd::Failed(reset) || sent == Err(SendEnd::Failed(reset)),
            "{end:?} {sent:?}"
        );
    });
}

fn connect_is_refused(bed: &Bed) {
    let core = bed.core();
    bed.spawn(async move {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let result = try_connect(&core, nobody, Mono::FAR).await;
        assert_eq!(result, Err(Errno::REFUSED));
    });
    bed.drive();
}

/// Connections that fill the queue of a listener that nobody accepts from.
async fn fill_house(core: &Rc<Core>, address: SocketAddr) -> Vec<Stream> {
    let mut inside = Vec::new();
    loop {
        let soon = core.now().plus_ms(30);
        match tidegate_edge::exec::connect(core, address, Transport::Stream, soon).await {
            Ok(stream) => inside.push(stream),
            Err(errno) => {
                assert_eq!(errno, Errno::TIMED_OUT);
                return inside;
            }
        }
        assert!(inside.len() < 10, "the queue has an end");
    }
}

/// A bed whose first ring has opened a listener with the smallest queue.
fn with_full_house(bed: &Bed, task: impl AsyncFnOnce(Rc<Core>, SocketAddr) + 'static) {
    let mut ring = bed::ring(bed.world.as_ref(), ONE);
    let fd = ring.listen(&any_port(), 0, false).expect("bound");
    let address = ring.names(fd).local.expect("named");
    let bed = Bed {
        kind: bed.kind,
        cores: vec![Core::new(ring, ONE.slots)],
        world: bed.world.clone(),
    };
    let core = bed.core();
    bed.spawn(async move {
        let inside = fill_house(&core, address).await;
        task(Rc::clone(&core), address).await;
        drop(inside);
        drop(Listener::new(&core, fd));
    });
    bed.drive();
    bed.finish();
}

fn connect_times_out(bed: &Bed) {
    with_full_house(bed, async |core: Rc<Core>, address| {
        let soon = core.now().plus_ms(20);
        assert_eq!(
            try_connect(&core, address, soon).await,
            Err(Errno::TIMED_OUT)
        );
        assert!(core.now() >= soon);
    });
}

fn connect_may_be_dropped(bed: &Bed) {
    with_full_house(bed, async |core: Rc<Core>, address| {
        core.sleep_until(core.now().plus_ms(5)).await; // what was closed has landed
        let slots_before = core.slots_used();
        {
            let mut attempt = Box::pin(try_connect(&core, address, Mono::FAR));
            let waker = std::task::Waker::noop();
            let mut context = std::task::Context::from_waker(waker);
            assert!(attempt.as_mut().poll(&mut context).is_pending());
            core.sleep_until(core.now().plus_ms(2)).await;
            assert_eq!(core.slots_used(), slots_before + 1);
        }
        core.sleep_until(core.now().plus_ms(5)).await;
        assert_eq!(core.slots_used(), slots_before, "cancelled, landed, closed");
    });
}

fn datagrams_keep_their_borders(bed: &Bed) {
    let core = bed.core();
    let address = bed.serve_datagrams();
    bed.spawn(async move {
        let mut socket =
            tidegate_edge::exec::connect(&core, address, Transport::Datagram, Mono::FAR)
                .await
                .expect("connected");
        for text in [&b"first"[..], b"the second one"] {
            socket.send(bytes(&core, text));
            let answer = socket.recv(Mono::FAR).await.expect("an answer");
            assert_eq!(&answer[..], text);
        }
    });
    bed.drive();
}

fn a_datagram_to_nobody_is_refused(bed: &Bed) {
    let core = bed.core();
    bed.spawn(async move {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut socket =
            tidegate_edge::exec::connect(&core, nobody, Transport::Datagram, Mono::FAR)
                .await
                .expect("connected");
        socket.send(bytes(&core, b"hello?"));
        let end = socket.recv(Mono::FAR).await.map(|_| ());
        assert_eq!(end, Err(RecvEnd::Failed(Errno::REFUSED)));
    });
    bed.drive();
}

fn mail_crosses_cores(bed: &Bed) {
    const LETTERS: u32 = 2_000;
    let (post, mut inbox) = Inbox::<u32>::new(&bed.cores[1], 64);
    bed.cores[1].spawn(async move {
        for expected in 0..LETTERS {
            assert_eq!(inbox.recv(Mono::FAR).await, Some(expected));
        }
    });
    let core = bed.core();
    bed.spawn(async move {
        for mut letter in 0..LETTERS {
            while let Err(back) = post.send(&core, letter) {
                letter = back;
                core.sleep_until(core.now().plus_ns(10_000)).await;
            }
        }
    });
    bed.drive();
}

fn deadlines_fire_in_order(bed: &Bed) {
    let fired = Rc::new(std::cell::RefCell::new(Vec::new()));
    let start = bed.core().now();
    for ms in [5u64, 1, 3, 2, 4] {
        let (core, fired) = (bed.core(), Rc::clone(&fired));
        bed.spawn(async move {
            core.sleep_until(start.plus_ms(ms)).await;
            assert!(core.now() >= start.plus_ms(ms));
            fired.borrow_mut().push(ms);
        });
    }
    bed.drive();
    assert_eq!(*fired.borrow(), [1, 2, 3, 4, 5]);
}

fn shutdown_lands_everything(bed: &Bed) {
    let core = bed.core();
    let (mut listener, address) = bind(&core);
    let inner = Rc::clone(&core);
    core.spawn(async move {
        let mut kept = Vec::new();
        loop {
            kept.push(accept(&inner, &mut listener).await);
        }
    });
    for _ in 0..5 {
        let inner = Rc::clone(&core);
        core.spawn(async move {
            let mut stream = connect(&inner, address).await;
            stream.send(bytes(&inner, b"never answered"));
            let _ = stream.recv(Mono::FAR).await;
        });
    }
    for _ in 0..8 {
        core.turn(false); // wherever they are
        if let Some(world) = &bed.world {
            world.advance(world.now().plus_ns(20_000));
        }
    }
    assert!(core.slots_used() > 0);
}

// --- helpers ---------------------------------------------------------------------------------

/// Runs `task` with both ends of a fresh connection.
fn on_a_connection<F>(bed: &Bed, task: impl FnOnce(Rc<Core>, Stream, Stream) -> F + 'static)
where
    F: Future<Output = ()>,
{
    let core = bed.core();
    let (mut listener, address) = bind(&core);
    bed.spawn(async move {
        let client = connect(&core, address).await;
        let served = accept(&core, &mut listener).await;
        task(Rc::clone(&core), client, served).await;
    });
    bed.drive();
}

async fn try_connect(core: &Rc<Core>, to: SocketAddr, deadline: Mono) -> Result<(), Errno> {
    tidegate_edge::exec::connect(core, to, Transport::Stream, deadline)
        .await
        .map(|_| ())
}

async fn read(stream: &mut Stream, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend_from_slice(&stream.recv(Mono::FAR).await.expect("data"));
    }
    assert_eq!(all.len(), count);
    all
}

#[allow(clippy::cast_possible_truncation)] // below 251
fn byte_at(offset: usize) -> u8 {
    (offset % 251) as u8
}
