//! A small regional origin for the demonstration.
//!
//! What it is: an HTTP/1.1 server on a thread, ring and loop of its own, built from the same parts
//! as the gateway. It answers JSON that says which region and pod it is. Shape: [`start`] gives
//! its address; [`Region`] is all it knows. Units: milliseconds, requests. Errors: a request that
//! breaks a rule, or one that comes while the region is stopped, ends its connection.
//! Source: `openapi.yaml` beside this file lists its paths.

use std::{
    cell::Cell,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::mpsc,
    task::Poll,
    thread,
};

use tidegate_edge::{
    base::time::Mono,
    exec::{Core, Listener, Stream},
    net::{
        conn::Conn,
        pump::{OutFraming, Pump},
    },
    ring::{
        Buf, Fd, ListenAddress, Ring,
        kernel::{Kernel, KernelOptions},
    },
    wire::{
        body::BodyReader,
        finder::HeadFinder,
        head::{RequestHead, parse_request},
        limits::{BodyLimits, HeadLimits},
        method::Method,
        write::HeadWriter,
    },
};

/// Starts the origin of a region on a free port of 127.0.0.1.
pub(super) fn start(name: &'static str) -> Result<SocketAddr, String> {
    let (ready, started) = mpsc::channel();
    let fail = |reason: String| format!("the origin {name} does not start: {reason}");
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || serve(name, &ready))
        .map_err(|error| fail(error.to_string()))?;
    match started.recv() {
        Ok(Ok(address)) => Ok(address),
        Ok(Err(reason)) => Err(fail(reason)),
        Err(_) => Err(fail("its thread ended".to_owned())),
    }
}

/// What an origin knows.
struct Region {
    name: &'static str,
    core: Rc<Core>,
    served: Cell<u64>,
    /// Until then it answers nothing.
    stopped_until: Cell<Mono>,
}

const STOP_MS: u64 = 10_000;
const HEALTH: &str = "/health";
const SLOW_MS: u64 = 2_000;
const STREAM_LINES: u32 = 10;
const STREAM_PAUSE_MS: u64 = 300;
/// Largest body that is read, and longest time for it.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
const BODY_MS: u64 = 60_000;

fn serve(name: &'static str, ready: &mpsc::Sender<Result<SocketAddr, String>>) {
    let options = KernelOptions {
        submissions: 64,
        completions: 512,
        buffers: 256,
        stock: 64,
        ..KernelOptions::default()
    };
    let started = Kernel::new(&options)
        .map_err(|error| error.to_string())
        .and_then(|ring| {
            let core = Core::new(Ring::Kernel(ring), 1024);
            let any = ListenAddress::Tcp((Ipv4Addr::LOCALHOST, 0).into());
            let listener = Listener::bind(&core, &any).map_err(|errno| errno.to_string())?;
            let local = listener.names().local.ok_or("no address")?;
            Ok((core, listener, local))
        });
    match started {
        Ok((core, listener, local)) => {
            let region = Rc::new(Region {
                name,
                core: Rc::clone(&core),
                served: Cell::new(0),
                stopped_until: Cell::new(Mono::default()),
            });
            core.spawn(accept(region, listener));
            let _ = ready.send(Ok(local));
            core.run();
        }
        Err(reason) => {
            let _ = ready.send(Err(reason));
        }
    }
}

async fn accept(region: Rc<Region>, mut listener: Listener) {
    while let Some(arrival) = listener.accept().await {
        match arrival {
            Ok(fd) => {
                region.core.spawn(connection(Rc::clone(&region), fd));
            }
            Err(_) => {
                let core = &region.core;
                core.sleep_until(core.now().plus_ms(100)).await;
                listener.resume();
            }
        }
    }
}

/// Serves one connection until either side ends it.
async fn connection(region: Rc<Region>, fd: Fd) {
    let mut conn = Conn::plain(Stream::new(&region.core, fd));
    let mut carry = None;
    while let Some((head, bytes, rest)) = receive(&region, &mut conn, carry.take()).await {
        let limits = BodyLimits {
            body_bytes_max: BODY_BYTES_MAX,
            ..BodyLimits::default()
        };
        let Ok(body) = BodyReader::new(head.framing, limits) else {
            return;
        };
        if head.expect_continue && !body.is_done() {
            region.send(&mut conn, tidegate_edge::wire::write::CONTINUE);
        }
        let mut pump = Pump::new(body, OutFraming::Nowhere, rest);
        let deadline = region.core.now().plus_ms(BODY_MS);
        let read = std::future::poll_fn(|_| pump.poll_away(&mut conn, deadline, BODY_BYTES_MAX));
        if read.await.is_err() {
            return;
        }
        let body_bytes = pump.moved_bytes();
        carry = pump.take_carry();
        answer(&region, &mut conn, &head, &bytes, body_bytes).await;
        if !head.keep_alive || region.is_stopped() {
            break;
        }
    }
    let _ = conn.sent(0, region.core.now().plus_ms(BODY_MS)).await;
}

/// The next request's head, and what came behind it. `None`: the connection is to end.
async fn receive(
    region: &Region,
    conn: &mut Conn,
    carry: Option<Buf>,
) -> Option<(RequestHead, Vec<u8>, Option<Buf>)> {
    let limits = HeadLimits::default();
    let mut finder = HeadFinder::request();
    let mut bytes: Vec<u8> = Vec::new();
    let mut next = carry;
    loop {
        let mut buf = match next.take() {
            Some(buf) => buf,
            None => region.recv(conn).await?,
        };
        let before = bytes.len();
        bytes.extend_from_slice(&buf);
        if let Some(end) = finder.find(&bytes, &limits).ok()? {
            bytes.truncate(end);
            buf.advance(end.saturating_sub(before));
            let mut head = RequestHead::new();
            parse_request(&bytes, &limits, &mut head).ok()?;
            return Some((head, bytes, (!buf.is_empty()).then_some(buf)));
        }
    }
}

async fn answer(
    region: &Region,
    conn: &mut Conn,
    head: &RequestHead,
    bytes: &[u8],
    body_bytes: u64,
) {
    let core = &region.core;
    let path = String::from_utf8_lossy(head.path(bytes)).into_owned();
    if path != HEALTH {
        region.served.set(region.served.get() + 1);
    }
    match (head.method, path.as_str()) {
        (Method::Get, "/hello") => region.json(conn, head, 200, r#""message":"hello""#),
        (_, HEALTH) => region.json(conn, head, 200, r#""healthy":true"#),
        (Method::Get, "/slow") => {
            core.sleep_until(core.now().plus_ms(SLOW_MS)).await;
            region.json(conn, head, 200, r#""message":"here at last""#);
        }
        (Method::Get, "/stream") => stream(region, conn).await,
        (Method::Get, "/pets") => region.json(conn, head, 200, PETS),
        (Method::Post, "/pets") => {
            let fields = format!(r#""created":true,"bodyBytes":{body_bytes}"#);
            region.json(conn, head, 201, &fields);
        }
        (Method::Post, "/stop") => {
            region.json(conn, head, 202, r#""message":"no answers for ten seconds""#);
            region.stopped_until.set(core.now().plus_ms(STOP_MS));
            core.wake_all(); // idle connections end as well
        }
        (Method::Get, path) if path.starts_with("/pets/") => {
            let id = quoted(path.trim_start_matches("/pets/"));
            region.json(conn, head, 200, &format!(r#""pet":{{"id":{id}}}"#));
        }
        (_, path) if path.starts_with("/echo/") => {
            let fields = echo(head, bytes, body_bytes);
            region.json(conn, head, 200, &fields);
        }
        _ => region.json(conn, head, 404, r#""message":"no such page""#),
    }
}

const PETS: &str =
    r#""pets":[{"id":"1","type":"dog"},{"id":"2","type":"cat"},{"id":"7","type":"fish"}]"#;

/// The request as it arrived here.
fn echo(head: &RequestHead, bytes: &[u8], body_bytes: u64) -> String {
    let text = |part: &[u8]| quoted(&String::from_utf8_lossy(part));
    let fields: Vec<String> = head
        .fields
        .iter()
        .map(|field| {
            format!(
                "[{},{}]",
                text(field.name.of(bytes)),
                text(field.value.of(bytes))
            )
        })
        .collect();
    format!(
        r#""method":{},"target":{},"fields":[{}],"bodyBytes":{body_bytes}"#,
        text(head.method_name.of(bytes)),
        text(head.target_text.of(bytes)),
        fields.join(",")
    )
}

/// A body whose length nobody knows when it begins.
async fn stream(region: &Region, conn: &mut Conn) {
    region.send(
        conn,
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for number in 1..=STREAM_LINES {
        let line = format!("line {number} of {STREAM_LINES} from {}\n", region.name);
        let chunk = format!("{:x}\r\n{line}\r\n", line.len());
        region.send(conn, chunk.as_bytes());
        let core = &region.core;
        core.sleep_until(core.now().plus_ms(STREAM_PAUSE_MS)).await;
    }
    region.send(conn, b"0\r\n\r\n");
}

impl Region {
    fn is_stopped(&self) -> bool {
        self.core.now() < self.stopped_until.get()
    }

    /// Received bytes; `None` when the connection ends or the region is stopped.
    async fn recv(&self, conn: &mut Conn) -> Option<Buf> {
        std::future::poll_fn(|_| {
            if self.is_stopped() {
                return Poll::Ready(None);
            }
            conn.poll_recv_until(Mono::FAR).map(Result::ok)
        })
        .await
    }

    /// Answers `{"region":…,"pod":…,"served":…,` and `fields` `}`.
    fn json(&self, conn: &mut Conn, head: &RequestHead, status: u16, fields: &str) {
        let body = format!(
            "{{\"region\":\"{name}\",\"pod\":\"{name}-1\",\"served\":{},{fields}}}\n",
            self.served.get(),
            name = self.name,
        );
        let mut out = [0; 256];
        let mut writer = HeadWriter::new(&mut out);
        writer.status_line(status);
        writer.field(b"Content-Type", b"application/json");
        writer.field_decimal(b"Content-Length", body.len() as u64);
        let Ok(head_bytes) = writer.end() else { return };
        self.send(conn, out.get(..head_bytes).unwrap_or(&[]));
        if head.method != Method::Head {
            self.send(conn, body.as_bytes());
        }
    }

    fn send(&self, conn: &mut Conn, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Some(mut out) = self.core.pool().take() else {
                return; // the client sees its answer cut
            };
            let copied = out.extend(bytes);
            conn.send(out.freeze());
            bytes = bytes.get(copied..).unwrap_or(&[]);
        }
    }
}

/// `text` as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
