//! Descriptors that cross an exec.
//!
//! What it is: what the process needs to hand its sockets to its successor and to take over those
//! of its predecessor. Shape: plain calls on descriptors, no ring. Units: none. Errors: what the
//! system answered, such as `EMFILE` or `EBADF`. Source: fcntl(2), `F_DUPFD` and `FD_CLOEXEC`.

use super::{Errno, Fd};

/// A second descriptor for the same socket, which a program started next inherits.
///
/// # Errors
/// `EBADF` for a number that is no descriptor, `EMFILE` when there are too many.
pub fn duplicate_for_child(fd: Fd) -> Result<Fd, Errno> {
    duplicate(fd, libc::F_DUPFD)
}

/// A second descriptor for the same socket, which stays in this process.
///
/// # Errors
/// As [`duplicate_for_child`].
pub fn duplicate_for_self(fd: Fd) -> Result<Fd, Errno> {
    duplicate(fd, libc::F_DUPFD_CLOEXEC)
}

/// Takes over an inherited descriptor: programs started from here on do not inherit it.
///
/// # Errors
/// `EBADF` for a number that is no descriptor.
pub fn keep_from_children(fd: Fd) -> Result<(), Errno> {
    // SAFETY: changes a flag of a descriptor and touches no memory.
    let result = unsafe { libc::fcntl(fd.0, libc::F_SETFD, libc::FD_CLOEXEC) };
    if result < 0 {
        return Err(last_errno());
    }
    Ok(())
}

/// Whether connections can be accepted from it.
#[must_use]
pub fn is_listening(fd: Fd) -> bool {
    let mut value: libc::c_int = 0;
    #[allow(clippy::cast_possible_truncation)] // 4 bytes
    let mut value_bytes = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the call writes at most `value_bytes` bytes into `value`.
    let result = unsafe {
        libc::getsockopt(
            fd.0,
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut value).cast(),
            &raw mut value_bytes,
        )
    };
    result == 0 && value != 0
}

/// Standard streams keep their numbers.
const LOWEST: i32 = 3;

fn duplicate(fd: Fd, how: i32) -> Result<Fd, Errno> {
    // SAFETY: makes a descriptor and touches no memory.
    let copy = unsafe { libc::fcntl(fd.0, how, LOWEST) };
    if copy < 0 {
        return Err(last_errno());
    }
    Ok(Fd(copy))
}

fn last_errno() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsRawFd, IntoRawFd};

    fn is_inherited(fd: Fd) -> bool {
        // SAFETY: reads a flag of a descriptor.
        let flags = unsafe { libc::fcntl(fd.0, libc::F_GETFD) };
        assert!(flags >= 0, "{fd:?} is open");
        flags & libc::FD_CLOEXEC == 0
    }

    #[test]
    fn only_the_copy_for_a_child_is_inherited() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let fd = Fd(socket.as_raw_fd());
        assert!(!is_inherited(fd));
        let own = duplicate_for_self(fd).expect("a copy");
        assert!(!is_inherited(own));
        let child = duplicate_for_child(fd).expect("a copy");
        assert!(is_inherited(child));
        keep_from_children(child).expect("open");
        assert!(!is_inherited(child));
        for copy in [own, child] {
            super::super::kernel::close(copy);
        }
        let gone = Fd(socket.into_raw_fd());
        super::super::kernel::close(gone);
        assert!(duplicate_for_child(Fd(-1)).is_err());
    }

    #[test]
    fn only_a_listening_socket_is_one() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("bound");
        let stream = std::net::TcpStream::connect(address).expect("connected");
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let file = std::fs::File::open("/dev/null").expect("a file");
        let rows = [
            (listener.as_raw_fd(), true),
            (stream.as_raw_fd(), false),
            (datagrams.as_raw_fd(), false),
            (file.as_raw_fd(), false),
            (-1, false),
        ];
        for (fd, expected) in rows {
            assert_eq!(is_listening(Fd(fd)), expected, "{fd}");
        }
    }
}
