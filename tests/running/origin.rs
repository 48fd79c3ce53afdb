//! A small origin: one thread per connection, keep-alive, answers as the path asks.
//!
//! Shape: `/sleep/MS` answers after a while, `/drip/MS` sends its body in ten pieces over that
//! time, everything else at once. Units: milliseconds. Errors: end the connection.
#![allow(clippy::disallowed_methods)] // a slow origin sleeps
#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

/// Bytes of every body.
pub(crate) const BODY_BYTES: usize = 1000;

/// Starts one that lives as long as the test.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(&stream));
        }
    });
    address
}

fn serve(stream: &TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).ok()? == 0 {
            return None;
        }
        let mut line = String::new();
        while reader.read_line(&mut line).ok()? > 2 {
            line.clear();
        }
        let path = first.split(' ').nth(1)?;
        let mut parts = path.split('/').skip(1);
        let (kind, ms) = (parts.next()?, parts.next().and_then(|ms| ms.parse().ok()));
        let pause = Duration::from_millis(ms.unwrap_or(0));
        if kind == "sleep" {
            thread::sleep(pause);
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
        out.write_all(head.as_bytes()).ok()?;
        for piece in [b'x'; BODY_BYTES].chunks(BODY_BYTES / 10) {
            if kind == "drip" {
                thread::sleep(pause / 10);
            }
            out.write_all(piece).ok()?;
        }
    }
}
