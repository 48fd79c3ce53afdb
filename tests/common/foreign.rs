//! Servers that others wrote: nginx, Python's.
//!
//! Shape: [`Server`] is a process that ends with the test. Units: milliseconds. Errors: a program
//! that is missing, or does not answer, panics. Source: own.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use super::{signal, wait_for};

/// An address that was free a moment ago.
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// A server of others, ended with the test.
pub struct Server(Child);

impl Server {
    /// Starts it; it answers on `address` then.
    pub fn start(command: &mut Command, address: SocketAddr) -> Server {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Server(child.expect("the server starts; it is a package of the system"));
        wait_for("a server", 10_000, || TcpStream::connect(address).is_ok());
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        signal(self.0.id(), libc::SIGTERM);
        let _ = self.0.wait();
    }
}
