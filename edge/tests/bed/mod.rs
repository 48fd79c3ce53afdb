//! Cores to test on, over the kernel or over its simulated twin.
//!
//! What it is: one face for both worlds, so that a test body runs on either. Shape: a [`Bed`] has
//! one or two cores on one thread. Units: virtual or real time, as the world has it. Errors: a
//! test that does not end within [`PATIENCE_MS`] panics.

#![allow(dead_code)] // each test file uses a part

use std::{cell::Cell, future::Future, net::SocketAddr, path::Path, rc::Rc};

use tidegate_edge::{
    base::time::Mono,
    exec::{Core, Listener, Stream},
    ring::{
        Buf, Errno, Fd, ListenAddress, Ring,
        kernel::{Kernel, KernelOptions},
        sim::{Faults, Sim, SimOptions, World},
    },
    sim,
};

/// Which world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Kernel,
    Twin,
}

pub(crate) struct Bed {
    pub(crate) kind: Kind,
    pub(crate) cores: Vec<Rc<Core>>,
    pub(crate) world: Option<World>,
}

/// Sizes of a core under test.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) cores: usize,
    pub(crate) slots: u32,
    pub(crate) buffers: u16,
    pub(crate) stock: u16,
}

pub(crate) const ONE: Sizes = Sizes {
    cores: 1,
    slots: 256,
    buffers: 64,
    stock: 16,
};

pub(crate) const TWO: Sizes = Sizes { cores: 2, ..ONE };

const PATIENCE_MS: u64 = 20_000;

impl Bed {
    pub(crate) fn new(kind: Kind, sizes: Sizes) -> Bed {
        let world = (kind == Kind::Twin).then(|| World::new(1, Faults::none()));
        let cores = (0..sizes.cores)
            .map(|_| Core::new(ring(world.as_ref(), sizes), sizes.slots))
            .collect();
        Bed { kind, cores, world }
    }

    pub(crate) fn core(&self) -> Rc<Core> {
        Rc::clone(&self.cores[0])
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.cores[0].spawn(task);
    }

    /// Runs until every task has ended.
    pub(crate) fn drive(&self) {
        if let [core] = &self.cores[..] {
            let (inner, late) = (Rc::clone(core), Rc::new(Cell::new(false)));
            let flag = Rc::clone(&late);
            core.spawn(async move {
                let end = inner.now().plus_ms(PATIENCE_MS);
                while inner.now() < end {
                    // Short naps: the turn that ends the last task also waits once more.
                    inner.sleep_until(inner.now().plus_ms(2)).await;
                }
                flag.set(true);
            });
            while core.tasks_count() > 1 {
                core.turn(true);
                assert!(!late.get(), "the test does not end");
            }
            return;
        }
        if let Some(world) = &self.world {
            let until = world.now().plus_ms(PATIENCE_MS);
            assert_eq!(sim::run(world, &self.cores, until), sim::Ran::Finished);
            return;
        }
        let until = self.cores[0].now().plus_ms(PATIENCE_MS);
        while self.cores.iter().any(|core| core.tasks_count() > 0) {
            for core in &self.cores {
                core.turn(false);
            }
            assert!(self.cores[0].now() < until, "the test does not end");
        }
    }

    /// Ends what is left and asserts that nothing leaked.
    pub(crate) fn finish(self) {
        for core in &self.cores {
            core.shutdown();
        }
        for core in &self.cores {
            assert_eq!(core.slots_used(), 0, "slots");
            assert_eq!(core.sockets_open(), 0, "sockets");
            assert_eq!(core.buffers_free(), core.pool().count(), "buffers");
        }
        if let Some(world) = &self.world {
            assert_eq!(world.files_open(), 0, "descriptors");
            assert_eq!(world.flights_count(), 0, "flights");
        }
    }

    /// The client's end of a connection to the Unix listener at `path`.
    pub(crate) fn connect_unix(&self, path: &Path) -> Fd {
        use std::os::{fd::IntoRawFd, unix::net::UnixStream};
        match &self.world {
            Some(world) => world.connect_unix(path).expect("somebody listens"),
            None => Fd(UnixStream::connect(path)
                .expect("somebody listens")
                .into_raw_fd()),
        }
    }

    /// Somebody who sends every datagram back.
    pub(crate) fn serve_datagrams(&self) -> SocketAddr {
        if let Some(world) = &self.world {
            let address = SocketAddr::from(([127, 0, 0, 1], 53));
            world.serve_datagrams(address, |bytes| vec![bytes.to_vec()]);
            return address;
        }
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
        let address = socket.local_addr().expect("bound");
        std::thread::spawn(move || {
            let mut bytes = [0; 2048];
            while let Ok((count, from)) = socket.recv_from(&mut bytes) {
                socket.send_to(&bytes[..count], from).expect("sent");
            }
        });
        address
    }
}

pub(crate) fn ring(world: Option<&World>, sizes: Sizes) -> Ring {
    if let Some(world) = world {
        let options = SimOptions {
            buffers: sizes.buffers,
            stock: sizes.stock,
            ..SimOptions::default()
        };
        return Ring::Sim(Sim::new(world, &options).expect("memory"));
    }
    let options = KernelOptions {
        buffers: sizes.buffers,
        stock: sizes.stock,
        ..KernelOptions::default()
    };
    Ring::Kernel(Kernel::new(&options).expect("a ring"))
}

pub(crate) fn any_port() -> ListenAddress {
    ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
}

pub(crate) fn bind(core: &Rc<Core>) -> (Listener, SocketAddr) {
    let listener = Listener::bind(core, &any_port()).expect("bound");
    let address = listener.names().local.expect("an address");
    (listener, address)
}

pub(crate) async fn accept(core: &Rc<Core>, listener: &mut Listener) -> Stream {
    let fd: Result<Fd, Errno> = listener.accept().await.expect("open");
    Stream::new(core, fd.expect("accepted"))
}

pub(crate) async fn connect(core: &Rc<Core>, to: SocketAddr) -> Stream {
    use tidegate_edge::ring::Transport;
    tidegate_edge::exec::connect(core, to, Transport::Stream, Mono::FAR)
        .await
        .expect("connected")
}

pub(crate) fn bytes(core: &Core, data: &[u8]) -> Buf {
    let mut fresh = core.pool().take().expect("a buffer");
    assert_eq!(fresh.extend(data), data.len());
    fresh.freeze()
}
