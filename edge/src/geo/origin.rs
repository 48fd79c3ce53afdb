//! The hosts behind a region: what answers for its backends.
//!
//! What it is: one task per connection that reads a request, asks the queueing model when it is
//! done, waits, and answers with the thing's size, name and lifetime. Shape: [`serve`] listens for
//! one backend. Bodies are lent from one run of bytes, never copied before they leave. Units:
//! bytes, nanoseconds. Errors: a request that no gateway sends ends its connection. Source: RFC
//! 9112.

use std::{cell::RefCell, fmt::Write, ptr::NonNull, rc::Rc};

use super::{
    backend::Works,
    setup::{BODY_BYTES_MAX, Setup},
};
use crate::{
    base::time::Mono,
    exec::{Core, Listener, Stream},
    ring::{Errno, Lender, ListenAddress, Piece},
};

/// One backend in one region.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) core: Rc<Core>,
    pub(super) setup: Rc<Setup>,
    pub(super) works: Rc<RefCell<Works>>,
    pub(super) filler: Rc<Filler>,
}

/// What a request asks for.
struct Ask {
    class: usize,
    object: u32,
    body_bytes: u64,
    /// It knows the thing already.
    has_tag: bool,
}

/// The bytes of all bodies.
pub(super) struct Filler(Box<[u8]>);

impl Filler {
    pub(super) fn new() -> Rc<Filler> {
        // Zeroes that nobody writes take no memory.
        Rc::new(Filler(vec![0; BODY_BYTES_MAX as usize].into_boxed_slice()))
    }
}

impl Lender for Filler {
    fn address(&self, at: usize, bytes_len: usize) -> Option<NonNull<u8>> {
        let bytes = self.0.get(at..at.checked_add(bytes_len)?)?;
        NonNull::new(bytes.as_ptr().cast_mut())
    }

    fn copy(&self, at: usize, into: &mut [u8]) -> usize {
        let from = self.0.get(at..).unwrap_or_default();
        let count = from.len().min(into.len());
        into[..count].copy_from_slice(&from[..count]);
        count
    }
}

/// Listens at `address` and serves every connection.
///
/// # Errors
/// What listen(2) answered.
pub(super) fn serve(origin: &Origin, address: std::net::SocketAddr) -> Result<(), Errno> {
    let mut listener = Listener::bind(&origin.core, &ListenAddress::Tcp(address))?;
    let origin = origin.clone();
    let core = Rc::clone(&origin.core);
    core.spawn(async move {
        while let Some(accepted) = listener.accept().await {
            match accepted {
                Ok(fd) => {
                    let stream = Stream::new(&origin.core, fd);
                    origin.core.spawn(connection(origin.clone(), stream));
                }
                Err(_) => listener.resume(),
            }
        }
    });
    Ok(())
}

async fn connection(origin: Origin, mut stream: Stream) {
    let mut head = Vec::new();
    let mut body_left = 0u64;
    let mut ask: Option<Ask> = None;
    let mut text = String::new();
    while let Ok(buf) = stream.recv(Mono::FAR).await {
        let mut input = &buf[..];
        while !input.is_empty() {
            if ask.is_none() {
                let before = head.len();
                head.extend_from_slice(input);
                let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") else {
                    break;
                };
                input = &input[end + 4 - before..];
                let Some(found) = read(&origin.setup, &head[..end]) else {
                    return; // nothing that a gateway sends
                };
                head.clear();
                body_left = found.body_bytes;
                ask = Some(found);
            }
            let count = body_left.min(input.len() as u64);
            body_left -= count;
            input = &input[usize::try_from(count).unwrap_or(0)..];
            if body_left > 0 {
                break;
            }
            if let Some(ask) = ask.take() {
                answer(&origin, &mut stream, &ask, &mut text).await;
            }
        }
    }
}

async fn answer(origin: &Origin, stream: &mut Stream, ask: &Ask, text: &mut String) {
    let core = &origin.core;
    let done = origin.works.borrow_mut().take(core.now().0);
    text.clear();
    let mut body_bytes = 0;
    match done {
        None => text.push_str("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        Some(done_ns) => {
            core.sleep_until(Mono(done_ns)).await;
            if !ask.has_tag {
                body_bytes = origin.setup.answer_bytes(ask.class, ask.object);
            }
            write_head(origin, ask, body_bytes, text);
        }
    }
    let mut head = loop {
        match core.pool().take() {
            Some(head) => break head,
            None => core.sleep_until(core.now().plus_ms(1)).await,
        }
    };
    head.extend(text.as_bytes());
    stream.send(head.freeze());
    let lender: Rc<dyn Lender> = Rc::<Filler>::clone(&origin.filler);
    if body_bytes > 0
        && let Some(body) = Piece::lent(lender, 0, body_bytes as usize)
    {
        stream.send(body);
    }
}

fn write_head(origin: &Origin, ask: &Ask, body_bytes: u32, text: &mut String) {
    let class = &origin.setup.scenario.traffic[ask.class];
    let status = if ask.has_tag {
        "304 Not Modified"
    } else {
        "200 OK"
    };
    // Writing into a string does not fail.
    let _ = write!(
        text,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nServer: backend\r\n\
         X-Object: {}/{}\r\nETag: \"{}-{}\"\r\n",
        ask.class, ask.object, ask.class, ask.object
    );
    let _ = match class.max_age_s {
        0 => write!(text, "Cache-Control: no-store\r\n"),
        seconds => write!(text, "Cache-Control: public, max-age={seconds}\r\n"),
    };
    if !ask.has_tag {
        let _ = write!(text, "Content-Length: {body_bytes}\r\n");
    }
    text.push_str("\r\n");
}

/// Reads `/class/object` and what counts of the fields.
fn read(setup: &Setup, head: &[u8]) -> Option<Ask> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let target = lines.next()?.split(' ').nth(1)?;
    let (class, object) = target.strip_prefix('/')?.split_once('/')?;
    let classes = &setup.scenario.traffic;
    let mut ask = Ask {
        class: classes.iter().position(|row| row.name == class)?,
        object: object.parse().ok()?,
        body_bytes: 0,
        has_tag: false,
    };
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        match name.len() {
            14 if name.eq_ignore_ascii_case("content-length") => {
                ask.body_bytes = value.parse().ok()?;
            }
            13 if name.eq_ignore_ascii_case("if-none-match") => ask.has_tag = true,
            _ => {}
        }
    }
    Some(ask)
}
