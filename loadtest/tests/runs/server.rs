//! Servers for the tests: blocking, a thread for each connection, on loopback only.
//!
//! What it is: reads whole requests, asks a function for the answer, counts. Shape: [`serve`] and
//! [`serve_tls`]; a server ends with the process of the test. Units: bytes. Errors: a connection
//! that fails ends its thread. Source: RFC 9112.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// What a handler sees.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Of all requests of the server, from 0.
    pub(crate) number: u64,
}

impl Request {
    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// What it answers: bytes, and whether the connection ends behind them.
pub(crate) struct Answer(pub(crate) Vec<u8>, pub(crate) bool);

/// A whole answer with a length.
pub(crate) fn answer(status: &str, fields: &str, body: &[u8]) -> Answer {
    let head = format!(
        "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    Answer([head.as_bytes(), body].concat(), false)
}

/// A server that runs.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicU64>,
    pub(crate) connections: Arc<AtomicU64>,
}

impl Server {
    /// Requests read so far.
    pub(crate) fn count(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Something that answers.
pub(crate) trait Handler: Fn(&Request) -> Answer + Send + Sync + 'static {}
impl<F: Fn(&Request) -> Answer + Send + Sync + 'static> Handler for F {}

/// Starts a server.
pub(crate) fn serve(handler: impl Handler) -> Server {
    start(handler, Some)
}

/// Starts one that speaks TLS.
pub(crate) fn serve_tls(config: Arc<rustls::ServerConfig>, handler: impl Handler) -> Server {
    start(handler, move |stream| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).ok()?;
        Some(rustls::StreamOwned::new(session, stream))
    })
}

fn start<S: Read + Write>(
    handler: impl Handler,
    wrap: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = Server {
        address: listener.local_addr().expect("an address"),
        requests: Arc::default(),
        connections: Arc::default(),
    };
    let (requests, connections) = (
        Arc::clone(&server.requests),
        Arc::clone(&server.connections),
    );
    let (handler, wrap) = (Arc::new(handler), Arc::new(wrap));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let _ = stream.set_nodelay(true);
            connections.fetch_add(1, Ordering::SeqCst);
            let (handler, wrap, requests) = (
                Arc::clone(&handler),
                Arc::clone(&wrap),
                Arc::clone(&requests),
            );
            thread::spawn(move || {
                if let Some(mut stream) = wrap(stream) {
                    let _ = talk(&mut stream, &*handler, &requests);
                }
            });
        }
    });
    server
}

fn talk(
    stream: &mut (impl Read + Write),
    handler: &impl Handler,
    requests: &AtomicU64,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        while let Some((head, body, used)) = whole(&bytes) {
            let number = requests.fetch_add(1, Ordering::SeqCst);
            let Answer(out, closes) = handler(&Request { head, body, number });
            stream.write_all(&out)?;
            stream.flush()?;
            if closes {
                return Ok(());
            }
            bytes.drain(..used);
        }
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
}

/// The first request of the bytes, if it is whole.
fn whole(bytes: &[u8]) -> Option<(String, Vec<u8>, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(0, |digits| digits.parse().expect("a length"));
    let body = bytes.get(end..end + length)?.to_vec();
    Some((head, body, end + length))
}
