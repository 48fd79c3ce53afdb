//! Bodies of a gigabyte through the binary: constant memory, both ways, slow readers included.
//!
//! What it is: an origin and a client that make and check a pattern instead of keeping bytes.
//! Shape: one gateway a test. Units: bytes. Ranges: memory may grow by [`GROWTH_BYTES_MAX`].
//! Errors: a wrong byte, a wrong count, memory that grows. Source: the limits table.

#![allow(clippy::disallowed_methods)] // real time: the outside world

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::common::{self, Client, End, Gateway, Origin, head_end, settings, status};

const GIGABYTE: u64 = 1 << 30;
const GROWTH_BYTES_MAX: u64 = 64 << 20;
const BLOCK_BYTES: usize = 256 * 1024;
const PERIOD: u64 = 251;

/// Bytes that depend on their place, so that a lost, doubled or swapped piece shows.
struct Pattern(Vec<u8>);

impl Pattern {
    fn new() -> Pattern {
        let place = |index: usize| u8::try_from(index as u64 % PERIOD).unwrap_or(0);
        Pattern((0..BLOCK_BYTES + 256).map(place).collect())
    }

    fn at(&self, from: u64, count: usize) -> &[u8] {
        let start = usize::try_from(from % PERIOD).expect("small");
        &self.0[start..start + count]
    }

    /// Sends `total` bytes; gives how many left.
    fn send(&self, stream: &mut TcpStream, total: u64, sent: &AtomicU64) -> u64 {
        let mut at = 0;
        while at < total {
            let count = usize::try_from(total - at)
                .unwrap_or(BLOCK_BYTES)
                .min(BLOCK_BYTES);
            if stream.write_all(self.at(at, count)).is_err() {
                break;
            }
            at += count as u64;
            sent.store(at, Ordering::Relaxed);
        }
        at
    }

    /// Takes `total` bytes, `first` of which are here; gives how many were right.
    fn take(&self, stream: &mut TcpStream, first: &[u8], total: u64) -> u64 {
        assert_eq!(first, self.at(0, first.len()), "at the beginning");
        let mut at = first.len() as u64;
        let mut block = vec![0; BLOCK_BYTES];
        while at < total {
            match stream.read(&mut block) {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    assert!(block[..count] == *self.at(at, count), "behind byte {at}");
                    at += count as u64;
                }
            }
        }
        at
    }
}

/// An origin that sends `total` bytes behind `head` and counts them.
fn source(head: String, total: u64) -> (Origin, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let origin = Origin::serving(move |mut stream| {
        let mut input = Vec::new();
        while common::read_request(&mut stream, &mut input).is_some() {
            stream.write_all(head.as_bytes()).expect("sent");
            Pattern::new().send(&mut stream, total, &count);
        }
    });
    (origin, sent)
}

/// A request answered with a head; what came behind it.
fn begin(client: &mut Client, request: &str) -> Vec<u8> {
    client.send(request);
    client.hear_until(10_000, |heard| head_end(heard).is_some());
    assert_eq!(status(&client.heard), 200, "{}", client.text());
    let end = head_end(&client.heard).expect("a head");
    client.heard.split_off(end)
}

fn warm(gateway: &Gateway) -> u64 {
    let mut client = Client::connect(gateway.address());
    assert_eq!(client.ask("GET /dev/mock HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    gateway.memory().0
}

fn assert_grown_little(gateway: &Gateway, before: u64) {
    let most = gateway.memory().1;
    assert!(
        most.saturating_sub(before) < GROWTH_BYTES_MAX,
        "memory grew from {before} to {most}"
    );
}

const GET: &str = "GET /dev/big HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_gigabyte_down() {
    let (origin, _) = source(
        format!("HTTP/1.1 200 OK\r\nContent-Length: {GIGABYTE}\r\n\r\n"),
        GIGABYTE,
    );
    let gateway = Gateway::start(&settings(origin.address, ""));
    let before = warm(&gateway);
    let mut client = Client::connect(gateway.address());
    let first = begin(&mut client, GET);
    assert_eq!(
        Pattern::new().take(&mut client.stream, &first, GIGABYTE),
        GIGABYTE
    );
    // The connection goes on behind it.
    assert_eq!(client.ask("GET /dev/mock HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_grown_little(&gateway, before);
}

#[test]
fn a_gigabyte_up() {
    let origin = Origin::serving(|mut stream| {
        let mut client = Client {
            stream: stream.try_clone().expect("a handle"),
            heard: Vec::new(),
        };
        client.hear_until(10_000, |heard| head_end(heard).is_some());
        let Some(end) = head_end(&client.heard) else {
            return;
        };
        let first = client.heard.split_off(end);
        let got = Pattern::new().take(&mut stream, &first, GIGABYTE);
        let text = got.to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
        let _ = stream.write_all((head + &text).as_bytes());
    });
    let gateway = Gateway::start(&settings(
        origin.address,
        "[limits]\nbody_bytes_max = 2000000000\n",
    ));
    let before = warm(&gateway);
    let mut client = Client::connect(gateway.address());
    client.send(format!(
        "PUT /dev/big HTTP/1.1\r\nHost: a\r\nContent-Length: {GIGABYTE}\r\n\r\n"
    ));
    let mut stream = client.stream.try_clone().expect("a handle");
    let sent = Pattern::new().send(&mut stream, GIGABYTE, &AtomicU64::new(0));
    assert_eq!(sent, GIGABYTE);
    client.hear_until(10_000, |heard| {
        heard.ends_with(GIGABYTE.to_string().as_bytes())
    });
    assert_eq!(status(&client.heard), 200, "{}", client.text());
    assert_grown_little(&gateway, before);
}

#[test]
fn a_slow_reader_slows_its_origin() {
    const TOTAL: u64 = 256 << 20;
    let (origin, sent) = source(
        "HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n".to_owned(),
        TOTAL,
    );
    let gateway = Gateway::start(&settings(origin.address, ""));
    let before = warm(&gateway);
    let readers = 20;
    let mut clients: Vec<(Client, u64)> = (0..readers)
        .map(|_| {
            let mut client = Client::connect(gateway.address());
            let first = begin(&mut client, GET);
            (client, first.len() as u64)
        })
        .collect();
    let (pattern, mut block) = (Pattern::new(), vec![0; 16 * 1024]);
    for _ in 0..20 {
        for (client, at) in &mut clients {
            let count = client.stream.read(&mut block).expect("bytes");
            assert!(
                block[..count] == *pattern.at(*at, count),
                "behind byte {at}"
            );
            *at += count as u64;
        }
        thread::sleep(Duration::from_millis(50));
    }
    // What is under way is in socket buffers and below our high mark, far from all of it.
    let left = sent.load(Ordering::Relaxed);
    assert!(
        left < 64 << 20,
        "an origin sent {left} bytes to a reader of 400 KB"
    );
    assert_grown_little(&gateway, before);
    // One of them becomes fast and gets everything.
    let (client, at) = &mut clients[0];
    let mut rest = vec![0; 1 << 20];
    while *at < TOTAL {
        let count = client.stream.read(&mut rest[..BLOCK_BYTES]).expect("bytes");
        assert!(count > 0, "cut behind {at}");
        assert!(rest[..count] == *pattern.at(*at, count), "behind byte {at}");
        *at += count as u64;
    }
}

#[test]
fn a_slow_origin_slows_its_client() {
    let origin = Origin::serving(|stream| {
        let mut client = Client {
            stream,
            heard: Vec::new(),
        };
        client.hear_until(10_000, |heard| head_end(heard).is_some());
        thread::sleep(Duration::from_millis(1_500)); // and reads nothing
        let answer = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        client.send(answer);
    });
    let gateway = Gateway::start(&settings(
        origin.address,
        "[limits]\nbody_bytes_max = 2000000000\n",
    ));
    let before = warm(&gateway);
    let mut client = Client::connect(gateway.address());
    client.send(format!(
        "PUT /dev/big HTTP/1.1\r\nHost: a\r\nContent-Length: {GIGABYTE}\r\n\r\n"
    ));
    let mut stream = client.stream.try_clone().expect("a handle");
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let upload = thread::spawn(move || Pattern::new().send(&mut stream, GIGABYTE, &count));
    thread::sleep(Duration::from_millis(1_000));
    let left = sent.load(Ordering::Relaxed);
    assert!(
        left < 64 << 20,
        "the client sent {left} bytes to an origin that reads none"
    );
    let end = client.hear(5_000);
    assert_eq!(status(&client.heard), 503, "{end:?} {}", client.text());
    assert_ne!(end, End::Open);
    drop(client);
    assert!(upload.join().expect("ended") < GIGABYTE);
    assert_grown_little(&gateway, before);
}
