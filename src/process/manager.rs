//! The service manager: the sockets it passes, and what it is told.
//!
//! What it is: systemd's two protocols, which other managers speak too. Shape: [`passed`] names
//! descriptors, which are numbers that count from 3 and mean something only before this process
//! opens any of its own; [`tell`] sends one datagram. Units: milliseconds. Errors: on standard
//! error; where nobody listens the gateway runs on.
//! Source: sd_listen_fds(3), sd_notify(3).

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

use sd_notify::NotifyState;
use tidegate_edge::ring::Fd;

/// The sockets passed to this very process (`LISTEN_PID`), with their names.
///
/// # Errors
/// Numbers that are no descriptors, or another number of names than of sockets.
pub(super) fn passed() -> io::Result<Vec<(String, Fd)>> {
    let named = sd_notify::listen_fds_with_names()?;
    Ok(named.map(|(fd, name)| (name, Fd(fd))).collect())
}

/// Tells the manager, if there is one, all `states` in one message.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return;
    };
    let text: String = states.iter().map(|state| format!("{state}\n")).collect();
    if let Err(error) = send(&name, text.as_bytes()) {
        eprintln!("tidegate: the service manager cannot be told: {error}");
    }
}

fn send(name: &OsStr, text: &[u8]) -> io::Result<()> {
    let address = address(name)?;
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not keep the control thread.
    socket.set_write_timeout(Some(Duration::from_millis(SEND_MS)))?;
    let sent = socket.send_to_addr(text, &address)?;
    if sent != text.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

/// A path, or behind `@` a name in the abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("NOTIFY_SOCKET={} is no path and no @name", name.display()),
        )),
    }
}

/// Longest wait for the manager to take a message.
const SEND_MS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_are_found_by_path_or_abstract_name() {
        let found = |text: &str| address(OsStr::new(text)).ok();
        let path = found("/run/notify").expect("a path");
        assert_eq!(path.as_pathname(), Some("/run/notify".as_ref()));
        let name = found("@a/b").expect("a name");
        assert_eq!(name.as_abstract_name(), Some(&b"a/b"[..]));
        for text in ["notify", "vsock:2:1", &format!("/{}", "x".repeat(200))] {
            assert_eq!(found(text).map(|_| ()), None, "{text}");
        }
    }

    #[test]
    fn a_manager_that_does_not_read_is_an_error_and_no_standstill() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("bound");
        send(path.as_os_str(), b"READY=1\n").expect("told");
        let mut heard = [0; 64];
        let count = manager.recv(&mut heard).expect("heard");
        assert_eq!(&heard[..count], b"READY=1\n");
        let refused = (0..10_000).find_map(|_| send(path.as_os_str(), b"READY=1\n").err());
        assert_eq!(
            refused.map(|error| error.kind()),
            Some(io::ErrorKind::WouldBlock)
        );
        drop(manager);
        assert!(
            send(path.as_os_str(), b"READY=1\n").is_err(),
            "nobody there"
        );
    }
}
