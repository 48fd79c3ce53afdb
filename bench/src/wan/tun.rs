//! What: one end of a line in a network namespace: a TUN device with an address.
//! Shape: a descriptor that is read and written a packet at a time.
//! Units: bytes.
//! Errors: those of the kernel; [`Tun::open`] says which step it was.
//! Source: Linux, Documentation/networking/tuntap.rst; netdevice(7).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;

/// A device; it goes when this does.
pub(crate) struct Tun {
    file: File,
}

impl Tun {
    /// Makes the device in the namespace of this thread: `own` here, `peer` at the other end. No
    /// offload is asked for, so the kernel hands over whole packets of at most [`MTU`] bytes, their
    /// checksums filled in, and verifies those of what it is given.
    pub(crate) fn open(name: &str, own: Ipv4Addr, peer: Ipv4Addr) -> io::Result<Tun> {
        let step = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"))
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(DEVICE)
            .map_err(step(DEVICE))?;
        let flags = libc::IFF_TUN | libc::IFF_NO_PI;
        let device = Request::named(name).flags(flags);
        device
            .order(file.as_raw_fd(), libc::TUNSETIFF)
            .map_err(step("TUNSETIFF"))?;
        let configure = || -> io::Result<()> {
            let socket = socket()?;
            let order = |request: Request, code| request.order(socket.as_raw_fd(), code);
            order(Request::named(name).address(own), libc::SIOCSIFADDR)?;
            order(Request::named(name).address(peer), libc::SIOCSIFDSTADDR)?;
            order(Request::named(name).number(MTU), libc::SIOCSIFMTU)?;
            order(Request::named(name).flags(libc::IFF_UP), libc::SIOCSIFFLAGS)
        };
        configure().map_err(step(name))?;
        Ok(Tun { file })
    }

    /// Reads the next packet, if there is one.
    pub(crate) fn receive(&mut self, packet: &mut [u8]) -> io::Result<Option<usize>> {
        match self.file.read(packet) {
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands a packet to the kernel; false if it did not take it.
    pub(crate) fn send(&mut self, packet: &[u8]) -> bool {
        self.file.write(packet).is_ok_and(|len| len == packet.len())
    }

    /// What else gives and takes packets, for tests.
    #[cfg(test)]
    pub(crate) fn over(fd: OwnedFd) -> Tun {
        Tun { file: fd.into() }
    }

    /// To be polled.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// Brings up the loopback device of this thread's namespace.
pub(crate) fn raise_loopback() -> io::Result<()> {
    let socket = socket()?;
    let request = Request::named("lo").flags(libc::IFF_UP);
    request.order(socket.as_raw_fd(), libc::SIOCSIFFLAGS)
}

/// Where TUN devices come from.
pub(crate) const DEVICE: &str = "/dev/net/tun";
/// Ethernet's, as on nearly every way through the Internet.
pub(crate) const MTU: i32 = 1500;

/// Any socket will do to configure a device.
fn socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: socket(2) takes three numbers.
    let fd = unsafe { libc::socket(libc::AF_INET, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened just now, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What an ioctl of a device takes.
struct Request(libc::ifreq);

impl Request {
    /// About the device of that name, at most 15 bytes.
    fn named(name: &str) -> Request {
        assert!(name.len() < libc::IFNAMSIZ, "{name} is too long");
        // SAFETY: it is made of plain integers, for which zero is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        Request(request)
    }

    fn flags(mut self, flags: libc::c_int) -> Request {
        let flags = libc::c_short::try_from(flags).expect("flags of a device are 16 bits");
        self.0.ifr_ifru.ifru_flags = flags;
        self
    }

    fn number(mut self, number: i32) -> Request {
        self.0.ifr_ifru.ifru_mtu = number;
        self
    }

    fn address(mut self, address: Ipv4Addr) -> Request {
        // The family in the machine's order, a port of zero, the address in network order.
        let family = libc::sa_family_t::try_from(libc::AF_INET).expect("a small number");
        let mut data = [0; 14];
        for (to, from) in data[2..6].iter_mut().zip(address.octets()) {
            *to = from.cast_signed();
        }
        self.0.ifr_ifru.ifru_addr = libc::sockaddr {
            sa_family: family,
            sa_data: data,
        };
        self
    }

    fn order(mut self, fd: RawFd, code: libc::Ioctl) -> io::Result<()> {
        // SAFETY: each code used here takes a pointer to an `ifreq`, which lives until it returns.
        let result = unsafe { libc::ioctl(fd, code, &raw mut self.0) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}
