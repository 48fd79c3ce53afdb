//! Closed-loop clients that forgive nothing.
//!
//! What it is: each thread sends one request after the other over keep-alive connections. A
//! connection may end after a whole answer that said `Connection: close`; any other end, a refused
//! connection, a reset, a cut or odd answer is a failure. Shape: [`Load`] runs until it is stopped.
//! Units: milliseconds. Errors: texts in [`Tally`].
#![allow(clippy::disallowed_methods)] // clients pause on the clock of the host
#![allow(dead_code)]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// What became of the requests.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    pub(crate) answered: u64,
    pub(crate) failures: Vec<String>,
}

/// Clients at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// Starts `count` clients; client `n` pauses `n * pause_ms` between two requests.
    pub(crate) fn start(address: SocketAddr, path: &str, count: u64, pause_ms: u64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let threads = (0..count)
            .map(|number| {
                let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
                let pause = Duration::from_millis(number * pause_ms);
                let path = path.to_owned();
                thread::spawn(move || work(address, &path, pause, &stop, &answered))
            })
            .collect();
        Load {
            stop,
            answered,
            threads,
        }
    }

    /// Requests answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends them and adds up.
    pub(crate) fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for thread in self.threads {
            let tally = thread.join().expect("a client does not panic");
            all.answered += tally.answered;
            all.failures.extend(tally.failures);
        }
        all
    }
}

fn work(
    address: SocketAddr,
    path: &str,
    pause: Duration,
    stop: &AtomicBool,
    answered: &AtomicU64,
) -> Tally {
    let mut tally = Tally::default();
    let mut client = Client::new(address);
    while !stop.load(Ordering::Relaxed) {
        match client.get(path) {
            Ok(_) => {
                tally.answered += 1;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(failure) => {
                let age = client.on_connection;
                tally
                    .failures
                    .push(format!("{failure} (request {age} of its connection)"));
                client.stream = None;
                if tally.failures.len() > 20 {
                    break;
                }
            }
        }
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
    tally
}

/// One keep-alive client.
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    on_connection: u32,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) closes: bool,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Client {
        Client {
            address,
            stream: None,
            on_connection: 0,
        }
    }

    /// One request; only 200 with a whole body counts.
    pub(crate) fn get(&mut self, path: &str) -> Result<Answer, String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                self.on_connection = 0;
                TcpStream::connect(self.address).map_err(|error| format!("connect: {error}"))?
            }
        };
        self.on_connection += 1;
        let limit = Some(Duration::from_secs(20));
        stream
            .set_read_timeout(limit)
            .map_err(|error| error.to_string())?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: gateway.test\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .map_err(|error| format!("send: {error}"))?;
        let answer = read(&mut stream)?;
        if !answer.closes {
            self.stream = Some(stream);
        }
        if answer.status == 200 {
            Ok(answer)
        } else {
            Err(format!("status {}", answer.status))
        }
    }
}

fn read(stream: &mut TcpStream) -> Result<Answer, String> {
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..at]).to_ascii_lowercase();
            let field = |name: &str| {
                let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
                lines
                    .find(|(found, _)| *found == name)
                    .map(|(_, value)| value.to_owned())
            };
            let length = field("content-length").and_then(|text| text.parse().ok());
            let length: usize = length.ok_or_else(|| format!("no length in {head}"))?;
            if received.len() >= at + 4 + length {
                let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
                return Ok(Answer {
                    status: status.ok_or("no status")?,
                    body: received[at + 4..].to_vec(),
                    closes: field("connection").is_some_and(|value| value == "close"),
                });
            }
        }
        match stream.read(&mut piece) {
            Ok(0) => return Err(format!("ended after {} bytes", received.len())),
            Ok(count) => received.extend_from_slice(&piece[..count]),
            Err(error) => return Err(format!("{error} after {} bytes", received.len())),
        }
    }
}
