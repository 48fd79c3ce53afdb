//! The kernel driver: one io_uring per core.
//!
//! What it is: the real world behind [`super::Ring`]. Shape: a submission queue, a completion
//! queue four times as long (eight with bursts), and a provided-buffer ring that lends pool
//! buffers to multishot receives, so that an idle connection holds none. Units: nanoseconds for
//! deadlines. Errors: set-up fails with the system's error; in flight, results carry the errno.
//! Source: io_uring(7), io_uring_enter(2), io_uring_register_buf_ring(3).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
    rc::Rc,
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{
    EnterFlags, IoUring, cqueue, opcode, squeue,
    types::{BufRingEntry, Fd as RingFd, SubmitArgs, Timespec},
};

use super::{
    Errno, Fd, Key, Landing, ListenAddress, Names, Op, Outgoing, Pool, RingAddress, RingFigures,
    Transport, op::SocketAddress,
};
use crate::base::{
    prng::Prng,
    shm::Region,
    time::{Mono, Wall},
};

/// Sizes of one ring.
#[derive(Clone, Copy, Debug)]
pub struct KernelOptions {
    /// Submissions that fit between two turns before an extra one is made.
    pub submissions: u32,
    /// Completions that fit before the kernel keeps them aside.
    pub completions: u32,
    /// Buffers in the pool.
    pub buffers: u16,
    /// Bytes of one buffer.
    pub buffer_bytes: u32,
    /// Buffers lent to the kernel at a time, a power of two.
    pub stock: u16,
}

impl Default for KernelOptions {
    fn default() -> KernelOptions {
        KernelOptions {
            submissions: 1024,
            completions: 8192,
            buffers: 4096,
            buffer_bytes: 16 * 1024,
            stock: 256,
        }
    }
}

const GROUP: u16 = 0;

/// One core's ring.
pub struct Kernel {
    // Declared first, so dropped first: the kernel lets go of the lent memory before it is
    // unmapped.
    ring: IoUring,
    pool: Rc<Pool>,
    entries: Region,
    stock: u16,
    lent: u16,
    tail: u16,
    prng: Prng,
    figures: RingFigures,
}

impl Kernel {
    /// Makes the ring on the thread that will use it (single issuer).
    ///
    /// # Errors
    /// What io_uring_setup(2), mmap(2) or io_uring_register(2) answered.
    pub fn new(options: &KernelOptions) -> io::Result<Kernel> {
        assert!(
            options.stock.is_power_of_two() && options.stock <= options.buffers,
            "stock"
        );
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(options.completions)
            .build(options.submissions)?;
        let pool = Pool::new(options.buffers, options.buffer_bytes)?;
        let entries =
            Region::anonymous(usize::from(options.stock) * std::mem::size_of::<BufRingEntry>())?;
        // SAFETY: the region is page-aligned, holds `stock` entries and outlives the ring.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                entries.base().as_ptr() as u64,
                options.stock,
                GROUP,
                0,
            )?;
        }
        let seed = seed_from_system()?;
        let mut kernel = Kernel {
            ring,
            pool,
            entries,
            stock: options.stock,
            lent: 0,
            tail: 0,
            prng: Prng::new(seed),
            figures: RingFigures::default(),
        };
        kernel.recycle();
        Ok(kernel)
    }

    pub(super) fn submit(&mut self, key: Key, op: &mut Op) {
        let entry = entry_of(op).user_data(key.to_user_data());
        self.push(&entry);
    }

    pub(super) fn cancel(&mut self, key: Key) {
        let answer = Key {
            index: Key::CANCEL,
            generation: key.generation,
        };
        let entry = opcode::AsyncCancel::new(key.to_user_data())
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(answer.to_user_data());
        self.push(&entry);
    }

    fn push(&mut self, entry: &squeue::Entry) {
        self.figures.submitted += 1;
        loop {
            // SAFETY: the operation that the entry points into sits in its slot, at a fixed
            // address, until its last completion.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
            self.enter(0, None);
        }
    }

    pub(super) fn turn(&mut self, until: Option<Mono>, landed: &mut Vec<Landing>) {
        self.figures.turns += 1;
        self.recycle();
        let wait = until.map(|until| until.since_ns(self.now().0));
        let want = usize::from(wait.is_some_and(|ns| ns > 0));
        self.enter(want, wait);
        self.reap(landed);
        // The kernel may take part of a batch only, when it is short of memory: prompt sends
        // promise that all of them have been submitted.
        while !self.ring.submission().is_empty() {
            self.enter(0, None);
            self.reap(landed);
        }
    }

    /// One system call: hands over submissions, runs deferred work, waits for `want` completions.
    fn enter(&mut self, want: usize, wait_ns: Option<u64>) {
        let result = if want == 0 {
            let queued = self.ring.submission().len();
            let to_submit = u32::try_from(queued).unwrap_or(u32::MAX);
            // SAFETY: no argument; GETEVENTS runs the deferred completions without waiting.
            unsafe {
                self.ring.submitter().enter::<libc::sigset_t>(
                    to_submit,
                    0,
                    EnterFlags::GETEVENTS.bits(),
                    None,
                )
            }
        } else {
            match wait_ns {
                Some(ns) if ns < FOREVER_NS => {
                    let span = Timespec::from(std::time::Duration::from_nanos(ns));
                    self.ring
                        .submitter()
                        .submit_with_args(want, &SubmitArgs::new().timespec(&span))
                }
                _ => self.ring.submitter().submit_and_wait(want),
            }
        };
        match result {
            Ok(_) => {}
            Err(error) => match error.raw_os_error() {
                // Time is up, a signal came, or the kernel wants its completions reaped first.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => {}
                _ => panic!("io_uring_enter failed: {error}"),
            },
        }
    }

    fn reap(&mut self, landed: &mut Vec<Landing>) {
        let mut completions = self.ring.completion();
        self.figures.overflows = u64::from(completions.overflow());
        completions.sync();
        for entry in &mut completions {
            let key = Key::from_user_data(entry.user_data());
            if key.index == Key::CANCEL {
                continue;
            }
            let flags = entry.flags();
            let buffer = cqueue::buffer_select(flags);
            if buffer.is_some() {
                self.lent -= 1;
            }
            self.figures.landed += 1;
            landed.push(Landing {
                key,
                result: entry.result(),
                more: cqueue::more(flags),
                buffer,
            });
        }
    }

    #[allow(clippy::unused_self, clippy::needless_pass_by_ref_mut)] // the twin's clock moves
    pub(super) fn now(&mut self) -> (Mono, Wall) {
        let mono = Mono(clock_ns(libc::CLOCK_MONOTONIC));
        (
            mono,
            Wall(clock_ns(libc::CLOCK_REALTIME) / crate::base::time::NS_PER_MS),
        )
    }

    pub(super) fn random(&mut self) -> u64 {
        self.prng.next_u64()
    }

    pub(super) fn recycle(&mut self) {
        if self.lent == self.stock {
            return;
        }
        let mask = self.stock - 1;
        let base: *mut BufRingEntry = self.entries.base().as_ptr().cast();
        while self.lent < self.stock {
            let Some(index) = self.pool.lend() else { break };
            // SAFETY: the masked tail is a place inside the ring that the kernel has consumed.
            let entry = unsafe { &mut *base.add(usize::from(self.tail & mask)) };
            entry.set_addr(self.pool.pointer(index) as u64);
            entry.set_len(self.pool.buffer_bytes());
            entry.set_bid(index);
            self.tail = self.tail.wrapping_add(1);
            self.lent += 1;
        }
        // SAFETY: the tail lies in the first entry's reserved field and is only written here.
        let tail = unsafe { &*BufRingEntry::tail(base).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    pub(super) fn lent(&self) -> usize {
        usize::from(self.lent)
    }

    pub(super) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    pub(super) fn address(&self) -> RingAddress {
        RingAddress(self.ring.as_raw_fd())
    }

    pub(super) fn figures(&self) -> RingFigures {
        self.figures
    }
}

/// Longer waits than this are waits without an end.
const FOREVER_NS: u64 = 1 << 60;

fn entry_of(op: &mut Op) -> squeue::Entry {
    match op {
        Op::Nop => opcode::Nop::new().build(),
        Op::Accept { listener } => opcode::AcceptMulti::new(RingFd(listener.0))
            .flags(libc::SOCK_CLOEXEC)
            .build(),
        Op::Recv { socket } => opcode::RecvMulti::new(RingFd(socket.0), GROUP).build(),
        Op::Send {
            socket,
            data,
            prompt,
        } => {
            let flags = if *prompt { PROMPT_FLAGS } else { SEND_FLAGS };
            let entry = match data {
                Outgoing::One(piece) => {
                    let len = u32::try_from(piece.len()).unwrap_or(u32::MAX);
                    opcode::Send::new(RingFd(socket.0), piece.as_ptr(), len)
                        .flags(flags)
                        .build()
                }
                Outgoing::Many(gather) => opcode::SendMsg::new(RingFd(socket.0), gather.seal())
                    .flags(flags.unsigned_abs())
                    .build(),
            };
            if *prompt {
                entry.flags(squeue::Flags::SKIP_SUCCESS)
            } else {
                entry
            }
        }
        Op::Connect { socket, to } => {
            let address = (&raw const to.storage).cast::<libc::sockaddr>();
            opcode::Connect::new(RingFd(socket.0), address, to.bytes_len).build()
        }
        Op::Close { fd } => opcode::Close::new(RingFd(fd.0)).build(),
        Op::Post { to, bell } => {
            let bell = Key {
                index: Key::BELL,
                generation: *bell,
            };
            opcode::MsgRingData::new(RingFd(to.0), 0, bell.to_user_data(), None).build()
        }
    }
}

/// Without `MSG_WAITALL`: a short send lands at once, which shows how fast the peer reads.
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;
/// With `MSG_WAITALL` a part of the bytes counts as a failure, which is told; with `MSG_DONTWAIT`
/// the kernel does not wait for room behind our back.
const PROMPT_FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_WAITALL;

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one timespec; both clocks always exist.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

fn seed_from_system() -> io::Result<u64> {
    let mut seed = [0u8; 8];
    // SAFETY: writes at most eight bytes into `seed`.
    let got = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
    if got == 8 {
        Ok(u64::from_ne_bytes(seed))
    } else {
        Err(io::Error::last_os_error())
    }
}

impl SocketAddress {
    /// `address` as the kernel reads it.
    #[must_use]
    pub fn new(address: SocketAddr) -> Box<SocketAddress> {
        // SAFETY: sockaddr_storage is plain data for which all zeroes is valid.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        let bytes_len = match address {
            SocketAddr::V4(v4) => {
                let to = (&raw mut storage).cast::<libc::sockaddr_in>();
                // SAFETY: storage is large enough and aligned for every address family.
                unsafe {
                    (*to).sin_family = family_of(libc::AF_INET);
                    (*to).sin_port = v4.port().to_be();
                    (*to).sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
                }
                std::mem::size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                let to = (&raw mut storage).cast::<libc::sockaddr_in6>();
                // SAFETY: as above.
                unsafe {
                    (*to).sin6_family = family_of(libc::AF_INET6);
                    (*to).sin6_port = v6.port().to_be();
                    (*to).sin6_addr.s6_addr = v6.ip().octets();
                    (*to).sin6_flowinfo = v6.flowinfo();
                    (*to).sin6_scope_id = v6.scope_id();
                }
                std::mem::size_of::<libc::sockaddr_in6>()
            }
        };
        let bytes_len = libc::socklen_t::try_from(bytes_len).unwrap_or(0);
        Box::new(SocketAddress {
            address,
            storage,
            bytes_len,
        })
    }
}

/// An address family as a socket address holds it.
fn family_of(family: i32) -> libc::sa_family_t {
    libc::sa_family_t::try_from(family).unwrap_or(0)
}

fn address_of(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which structure the storage holds.
            let v4 = unsafe { &*std::ptr::from_ref(storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*std::ptr::from_ref(storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(IpAddr::V6(ip), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

pub(super) fn names(fd: Fd) -> Names {
    type Call =
        unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;
    let ask = |call: Call| {
        // SAFETY: sockaddr_storage is plain data; the call writes at most `len` bytes into it.
        let (mut storage, mut len) = (
            unsafe { std::mem::zeroed::<libc::sockaddr_storage>() },
            STORAGE_BYTES,
        );
        // SAFETY: as above.
        let result = unsafe { call(fd.0, (&raw mut storage).cast(), &raw mut len) };
        if result == 0 {
            address_of(&storage)
        } else {
            None
        }
    };
    Names {
        peer: ask(libc::getpeername),
        local: ask(libc::getsockname),
    }
}

#[allow(clippy::cast_possible_truncation)] // 128 bytes
const STORAGE_BYTES: libc::socklen_t =
    std::mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;

pub(super) fn socket(to: &SocketAddr, transport: Transport) -> Result<Fd, Errno> {
    let family = if to.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let kind = match transport {
        Transport::Stream => libc::SOCK_STREAM,
        Transport::Datagram => libc::SOCK_DGRAM,
    };
    let fd = new_socket(family, kind)?;
    if transport == Transport::Stream {
        set_flag(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY);
    }
    Ok(fd)
}

fn new_socket(family: i32, kind: i32) -> Result<Fd, Errno> {
    // SAFETY: makes a descriptor and touches no memory.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        Err(last_errno())
    } else {
        Ok(Fd(fd))
    }
}

fn set_flag(fd: Fd, level: i32, name: i32) {
    let on: libc::c_int = 1;
    // SAFETY: reads one int. A refusal leaves the default, which is slower but correct.
    unsafe { libc::setsockopt(fd.0, level, name, (&raw const on).cast(), 4) };
}

fn last_errno() -> Errno {
    Errno(
        io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO),
    )
}

pub(super) fn shutdown_send(fd: Fd) {
    // SAFETY: touches no memory. An error means that the connection is already down.
    unsafe { libc::shutdown(fd.0, libc::SHUT_WR) };
}

pub(super) fn reset_on_close(fd: Fd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let len = libc::socklen_t::try_from(std::mem::size_of_val(&linger)).unwrap_or(0);
    // SAFETY: reads one linger structure.
    unsafe {
        libc::setsockopt(
            fd.0,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            len,
        )
    };
}

/// Closes a descriptor that never flew.
pub(super) fn close(fd: Fd) {
    // SAFETY: the caller owns the descriptor and nothing flies on it.
    unsafe { libc::close(fd.0) };
}

pub(super) fn listen(address: &ListenAddress, backlog: i32, shared: bool) -> Result<Fd, Errno> {
    match address {
        ListenAddress::Tcp(tcp) => {
            let fd = socket(tcp, Transport::Stream)?;
            set_flag(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR);
            if shared {
                set_flag(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT);
            }
            if tcp.is_ipv6() {
                set_flag(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY);
            }
            let to = SocketAddress::new(*tcp);
            bind_and_listen(fd, (&raw const to.storage).cast(), to.bytes_len, backlog)
        }
        ListenAddress::Unix(path) => listen_unix(path, backlog),
    }
}

fn listen_unix(path: &std::path::Path, backlog: i32) -> Result<Fd, Errno> {
    use std::os::unix::ffi::OsStrExt;
    // SAFETY: sockaddr_un is plain data for which all zeroes is valid.
    let mut name: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    name.sun_family = family_of(libc::AF_UNIX);
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= name.sun_path.len() {
        return Err(Errno(libc::ENAMETOOLONG));
    }
    for (to, from) in name.sun_path.iter_mut().zip(bytes) {
        *to = from.cast_signed();
    }
    let fd = new_socket(libc::AF_UNIX, libc::SOCK_STREAM)?;
    let _ = std::fs::remove_file(path);
    let len = libc::socklen_t::try_from(std::mem::size_of_val(&name)).unwrap_or(0);
    // SAFETY: changes only the mask with which the socket's file is made: owner alone.
    let mask = unsafe { libc::umask(0o177) };
    let result = bind_and_listen(fd, (&raw const name).cast(), len, backlog);
    // SAFETY: puts the mask back.
    unsafe { libc::umask(mask) };
    result
}

fn bind_and_listen(
    fd: Fd,
    name: *const libc::sockaddr,
    len: libc::socklen_t,
    backlog: i32,
) -> Result<Fd, Errno> {
    // SAFETY: `name` points at `len` bytes of an address that lives across both calls.
    let failed = unsafe { libc::bind(fd.0, name, len) != 0 || libc::listen(fd.0, backlog) != 0 };
    if failed {
        let errno = last_errno();
        close(fd);
        return Err(errno);
    }
    Ok(fd)
}
