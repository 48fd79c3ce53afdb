//! What: the floor. A byte relay on one ring that parses nothing: what any proxy must pay the
//!   kernel. With TLS it also opens and seals records (rustls), still without looking at a byte.
//! Shape: each client socket has one origin socket; `links` maps each to the other.
//! Units: none of its own.
//! Errors: a ring or origin that fails ends the program; a broken pair is closed.
//! Source: rustls `ServerConnection` (buffered); the rest is this crate's `ring`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command, value_parser};
use rustls::{ServerConfig, ServerConnection};

use crate::arguments::file;
use crate::certificate;
use crate::ring::{Event, Ring};
use crate::server::{self, Place};

/// The parser.
pub(crate) fn command() -> Command {
    server::command("relay", "Relay bytes to an origin, parsing nothing")
        .arg(
            Arg::new("origin")
                .long("origin")
                .value_name("ADDRESS")
                .required(true)
                .value_parser(value_parser!(SocketAddr))
                .help("One connection goes here for each that comes"),
        )
        .arg(file("certificate", "Terminate TLS 1.3 with this PEM").requires("key"))
        .arg(file("key", "The certificate's key, PEM").requires("certificate"))
}

/// Serves until its input ends.
pub(crate) fn run(matches: &ArgMatches) -> io::Result<bool> {
    let place = Place::open(matches)?;
    let origin = *matches.get_one("origin").expect("it is required");
    let certificate: Option<&PathBuf> = matches.get_one("certificate");
    let key: Option<&PathBuf> = matches.get_one("key");
    let tls = certificate
        .zip(key)
        .map(|(c, k)| certificate::server_config(c, k));
    serve(place, origin, tls.transpose()?)?;
    Ok(true)
}

/// Relays every connection to one of its own at `origin`, until `place.stop` ends.
fn serve(place: Place, origin: SocketAddr, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    let mut ring = place.ring()?;
    let mut relay = Relay {
        origin,
        tls,
        links: Vec::new(),
    };
    let mut events = Vec::new();
    loop {
        ring.turn(&mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Accepted(client) => relay.accepted(&mut ring, client)?,
                Event::Received {
                    socket,
                    buffer,
                    len,
                } => {
                    relay.received(&mut ring, socket, buffer, len);
                }
                Event::Ended(socket) => relay.ended(&mut ring, socket),
                Event::Stop => return Ok(()),
            }
        }
    }
}

struct Relay {
    origin: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    links: Vec<Link>,
}

/// The other side of a socket.
#[derive(Default)]
enum Link {
    #[default]
    None,
    Plain(usize),
    /// This socket is a TLS client; the session lives with it.
    Sealed(usize, Box<ServerConnection>),
    /// This socket is the origin of a TLS client.
    ToSealed(usize),
}

impl Relay {
    fn accepted(&mut self, ring: &mut Ring, client: usize) -> io::Result<()> {
        let origin = ring.add(TcpStream::connect(self.origin)?)?;
        let (to_origin, to_client) = match &self.tls {
            None => (Link::Plain(origin), Link::Plain(client)),
            Some(config) => {
                let session = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
                (
                    Link::Sealed(origin, Box::new(session)),
                    Link::ToSealed(client),
                )
            }
        };
        self.link(client, to_origin);
        self.link(origin, to_client);
        Ok(())
    }

    fn received(&mut self, ring: &mut Ring, socket: usize, buffer: u16, len: u32) {
        match &mut self.links[socket] {
            Link::None => ring.give_back(buffer),
            Link::Plain(other) => ring.send_received(*other, buffer, len),
            Link::Sealed(origin, session) => {
                let origin = *origin;
                let opened = open(ring, session, buffer, len);
                ring.give_back(buffer);
                match opened {
                    Ok((plain, sealed)) => {
                        ring.send_owned(origin, plain);
                        ring.send_owned(socket, sealed);
                    }
                    Err(_) => self.ended(ring, socket),
                }
            }
            Link::ToSealed(client) => {
                let client = *client;
                let Link::Sealed(_, session) = &mut self.links[client] else {
                    ring.give_back(buffer);
                    return;
                };
                let mut sealed = ring.spare();
                let plain = ring.received(buffer, len);
                let outcome = session.writer().write_all(plain);
                let outcome = outcome.and_then(|()| write_sealed(session, &mut sealed));
                ring.give_back(buffer);
                ring.send_owned(client, sealed);
                if outcome.is_err() {
                    self.ended(ring, client);
                }
            }
        }
    }

    fn ended(&mut self, ring: &mut Ring, socket: usize) {
        ring.close(socket);
        match std::mem::take(&mut self.links[socket]) {
            Link::None => {}
            Link::Plain(other) | Link::Sealed(other, _) | Link::ToSealed(other) => {
                self.links[other] = Link::None;
                ring.close(other);
            }
        }
    }

    fn link(&mut self, socket: usize, link: Link) {
        if self.links.len() <= socket {
            self.links.resize_with(socket + 1, Link::default);
        }
        self.links[socket] = link;
    }
}

/// Feeds received records to the session; answers with plain bytes and records to send back.
fn open(
    ring: &mut Ring,
    session: &mut ServerConnection,
    buffer: u16,
    len: u32,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut plain, mut sealed) = (ring.spare(), ring.spare());
    let mut records = ring.received(buffer, len);
    while !records.is_empty() {
        session.read_tls(&mut records)?;
        let state = session.process_new_packets().map_err(io::Error::other)?;
        let ready = state.plaintext_bytes_to_read();
        if ready > 0 {
            let start = plain.len();
            plain.resize(start + ready, 0);
            session.reader().read_exact(&mut plain[start..])?;
        }
    }
    write_sealed(session, &mut sealed)?;
    Ok((plain, sealed))
}

fn write_sealed(session: &mut ServerConnection, sealed: &mut Vec<u8>) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(sealed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConnection, StreamOwned};

    use crate::certificate::{Certificate, server_config};
    use crate::ring::Sizes;
    use crate::server::Place;

    /// name, receive buffers, TLS, bytes sent through and back
    const CASES: &[(&str, u32, u16, bool, usize)] = &[
        ("as measured", 16 * 1024, 256, false, 24_000_000),
        ("starved of buffers", 1024, 4, false, 1_000_000),
        ("one buffer", 512, 1, false, 50_000),
        ("tls", 16 * 1024, 256, true, 16_000_000),
        ("tls, records cut small", 100, 8, true, 100_000),
    ];

    #[test]
    fn bytes_pass_unchanged_both_ways() {
        for &(name, buffer_bytes, buffers, tls, bytes) in CASES {
            let sizes = Sizes {
                buffer_bytes,
                buffers,
            };
            let sent: Vec<u8> = (0..bytes)
                .map(|i| (i * 7 + i / 251).to_le_bytes()[0])
                .collect();
            let echoed = through_relay(sizes, tls, &sent);
            assert_eq!(echoed.len(), sent.len(), "{name}");
            assert!(echoed == sent, "{name}: bytes differ");
        }
    }

    /// Sends all, then reads all, slowly at first: every socket buffer on the way fills up.
    fn through_relay(sizes: Sizes, tls: bool, sent: &[u8]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let certificate = Certificate::generate(directory.path()).unwrap();
        let config =
            tls.then(|| server_config(&certificate.certificate, &certificate.key).unwrap());
        let origin = start_echo(sent.len());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let place = Place {
            listener,
            stop: stopped.into(),
            sizes,
        };
        let relay = thread::spawn(move || super::serve(place, origin, config));

        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut echoed = vec![0; sent.len()];
        if tls {
            let name = ServerName::from(address.ip());
            let client = certificate.client_config().unwrap();
            let session = ClientConnection::new(client, name).unwrap();
            let mut stream = StreamOwned::new(session, stream);
            stream.write_all(sent).unwrap();
            stream.flush().unwrap();
            stream.read_exact(&mut echoed).unwrap();
        } else {
            let mut writing = stream.try_clone().unwrap();
            let sent: Arc<[u8]> = sent.into();
            let writer = thread::spawn(move || writing.write_all(&sent).unwrap());
            thread::sleep(Duration::from_millis(50));
            (&stream).read_exact(&mut echoed).unwrap();
            writer.join().unwrap();
        }
        drop(stop);
        relay.join().unwrap().unwrap();
        echoed
    }

    /// An origin that keeps `bytes` bytes and only then sends them back.
    fn start_echo(bytes: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            thread::sleep(Duration::from_millis(50));
            let mut held = vec![0; bytes];
            stream.read_exact(&mut held).unwrap();
            stream.write_all(&held).unwrap();
            let _ = stream.shutdown(Shutdown::Write);
        });
        address
    }
}
