//! An origin that answers as the test says, and remembers what it was asked.
//!
//! Shape: one thread a connection; [`Scripted::start`] takes a function from [`Seen`] to [`Reply`].
//! [`fetch`] is one request of a client, on a connection of its own. Units: milliseconds. Errors:
//! end the connection, or panic in the client.
#![allow(clippy::disallowed_methods)] // a slow origin sleeps
#![allow(dead_code)]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// A request as the origin saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// In lower case.
    pub(crate) head: String,
    /// How many requests for this target came before.
    pub(crate) before: usize,
}

impl Seen {
    /// The value of a field, in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }
}

/// What the origin answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Lines without their ends.
    pub(crate) fields: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// Before it answers.
    pub(crate) pause_ms: u64,
}

impl Reply {
    pub(crate) fn ok(fields: &[&str], body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status: 200,
            fields: fields.iter().map(|line| (*line).to_owned()).collect(),
            body: body.into(),
            pause_ms: 0,
        }
    }
}

/// The running origin.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Scripted {
    pub(crate) fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (reply, log) = (Arc::new(reply), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (reply, log) = (Arc::clone(&reply), Arc::clone(&log));
                thread::spawn(move || serve(stream, &*reply, &log));
            }
        });
        Scripted { address, seen }
    }

    /// Requests for `target` so far.
    pub(crate) fn count(&self, target: &str) -> usize {
        let seen = self.seen.lock().expect("whole");
        seen.iter().filter(|seen| seen.target == target).count()
    }
}

fn serve(
    mut stream: TcpStream,
    reply: &(impl Fn(&Seen) -> Reply + ?Sized),
    log: &Mutex<Vec<Seen>>,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut input = Vec::new();
    loop {
        let (head, _) = message(&mut stream, &mut input, true)?;
        let mut words = head.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let seen = {
            let mut log = log.lock().expect("whole");
            let before = log.iter().filter(|seen| seen.target == target).count();
            let head = head.to_ascii_lowercase();
            let seen = Seen {
                method,
                target,
                head,
                before,
            };
            log.push(seen.clone());
            seen
        };
        let reply = reply(&seen);
        thread::sleep(Duration::from_millis(reply.pause_ms));
        let mut out = format!("HTTP/1.1 {} Word\r\n", reply.status);
        for line in &reply.fields {
            out.push_str(line);
            out.push_str("\r\n");
        }
        if reply.status != 304 {
            out.push_str(&format!("Content-Length: {}\r\n", reply.body.len()));
        }
        out.push_str("\r\n");
        stream.write_all(out.as_bytes()).ok()?;
        if seen.method != "HEAD" && reply.status != 304 {
            stream.write_all(&reply.body).ok()?;
        }
    }
}

/// The next head, and its body if it has one.
fn message(
    stream: &mut TcpStream,
    input: &mut Vec<u8>,
    has_body: bool,
) -> Option<(String, Vec<u8>)> {
    let mut piece = [0; 64 * 1024];
    loop {
        if let Some(at) = input.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&input[..at]).into_owned();
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let length = lines
                .filter(|(name, _)| has_body && name.eq_ignore_ascii_case("content-length"))
                .find_map(|(_, value)| value.parse::<usize>().ok())
                .unwrap_or(0);
            if input.len() >= at + 4 + length {
                let rest = input.split_off(at + 4 + length);
                let body = input.split_off(at + 4);
                *input = rest;
                return Some((head, body));
            }
        }
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => input.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    /// Status line and fields, with a line end behind each.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request for `path` with header lines and maybe a body; waits for the whole answer.
pub(crate) fn fetch(to: SocketAddr, method: &str, path: &str, lines: &[&str]) -> Got {
    let mut stream = TcpStream::connect(to).expect("connected");
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).expect("a timeout");
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: gateway.test\r\n");
    for line in lines {
        request.push_str(line);
        request.push_str("\r\n");
    }
    if method == "POST" {
        request.push_str("Content-Length: 0\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut input = Vec::new();
    let (head, body) = message(&mut stream, &mut input, method != "HEAD")
        .unwrap_or_else(|| panic!("no whole answer to {method} {path}: {} bytes", input.len()));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Got {
        status: status.expect("a status"),
        head: head + "\r\n",
        body,
    }
}
