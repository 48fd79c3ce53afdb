//! The operators' door: HTTP/1.1 on a Unix socket and, if set, on a loopback address.
//!
//! What it is: a small server on the control core, so that it answers while workers are saturated.
//! The socket has mode 0600 and takes every order; the loopback address has no password, so it
//! only shows probes and metrics, and only to requests whose Host is a loopback name (a web page
//! that resolves its name to 127.0.0.1 gets nothing). Shape: `Admin` holds the sockets, `routes`
//! is the table of what can be asked. Units: milliseconds. Ranges: `CONNECTIONS_MAX` connections,
//! bodies for the store alone. Errors: [`AdminError`] at the start; later, statuses. Source: RFC 9112.

mod cache;
mod routes;
mod sockets;
mod store;

use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use tidegate_edge::{
    exec::{Core, Listener, Stream},
    net::conn::Conn,
    plan::AdminPlan,
    ring::Fd,
    wire::{Framing, HeadFinder, HeadLimits, HeadWriter, Method, RequestHead, parse_request},
};

pub use sockets::{AdminError, known_runtime_file, runtime_file, socket_candidates};

use super::{control::Control, listeners::Open};
use crate::store::order::MESSAGE_BYTES_MAX;
use routes::Answer;

/// The doors, open.
pub(super) struct Admin {
    doors: Vec<Door>,
    /// Present while accepting.
    listeners: RefCell<Vec<Rc<RefCell<Listener>>>>,
    /// Listeners that have not ended.
    accepting: Cell<u32>,
    connections: Cell<u32>,
    answering: Cell<u32>,
    /// A walk over the response cache is under way.
    walking: Cell<bool>,
}

/// One listening socket.
struct Door {
    kind: Kind,
    fd: Fd,
}

/// Where a request came in.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Kind {
    /// Whoever may open the file is an operator.
    Socket(sockets::File),
    /// Anybody on this host.
    Loopback(SocketAddr),
}

impl Admin {
    /// Takes over or opens the sockets of `plan`.
    ///
    /// # Errors
    /// A socket that was asked for and cannot be had. The default one may be missing.
    pub(super) fn open(
        core: &Rc<Core>,
        plan: &AdminPlan,
        open: &mut Open,
    ) -> Result<Admin, AdminError> {
        Ok(Admin {
            doors: sockets::open(core, plan, open)?,
            listeners: RefCell::new(Vec::new()),
            accepting: Cell::new(0),
            connections: Cell::new(0),
            answering: Cell::new(0),
            walking: Cell::new(false),
        })
    }

    /// Starts answering.
    pub(super) fn serve(control: &Rc<Control>) {
        let admin = &control.admin;
        for (index, door) in admin.doors.iter().enumerate() {
            let listener = Rc::new(RefCell::new(Listener::new(&control.core, door.fd)));
            admin.listeners.borrow_mut().push(Rc::clone(&listener));
            admin.accepting.set(admin.accepting.get() + 1);
            control
                .core
                .spawn(accept(Rc::clone(control), listener, index));
        }
    }

    /// Accepts no more; a successor does. What was accepted is answered.
    pub(super) fn stop(&self, core: &Core) {
        for listener in self.listeners.take() {
            listener.borrow_mut().stop();
        }
        core.wake_all();
    }

    /// Looks anew at what waits to be accepted: who was woken for it may be gone.
    pub(super) fn accept_anew(&self) {
        for listener in &*self.listeners.borrow() {
            listener.borrow_mut().restart();
        }
    }

    /// Something is accepted, or a cancelled accept has not landed.
    pub(super) fn is_accepting(&self) -> bool {
        self.accepting.get() > 0
    }

    /// Takes the socket's file away.
    pub(super) fn remove(&self) {
        for door in &self.doors {
            if let Kind::Socket(file) = &door.kind {
                file.remove();
            }
        }
    }

    /// The sockets by the names under which a successor finds them.
    pub(super) fn sockets(&self) -> Vec<(String, Fd)> {
        let doors = self.doors.iter();
        doors
            .map(|door| (sockets::name(&door.kind), door.fd))
            .collect()
    }

    /// Somebody waits for an answer.
    pub(super) fn is_answering(&self) -> bool {
        self.answering.get() > 0
    }
}

async fn accept(control: Rc<Control>, listener: Rc<RefCell<Listener>>, door: usize) {
    let core = Rc::clone(&control.core);
    loop {
        let next = std::future::poll_fn(|_| listener.borrow_mut().poll_accept()).await;
        match next {
            Some(Ok(fd)) => {
                core.spawn(connection(Rc::clone(&control), fd, door));
            }
            Some(Err(_)) => {
                core.sleep_until(core.now().plus_ms(ACCEPT_PAUSE_MS)).await;
                listener.borrow_mut().resume();
            }
            None => break,
        }
    }
    let accepting = &control.admin.accepting;
    accepting.set(accepting.get() - 1);
}

async fn connection(control: Rc<Control>, fd: Fd, door: usize) {
    let mut conn = Conn::plain(Stream::new(&control.core, fd));
    let admin = &control.admin;
    let Some(kind) = admin.doors.get(door).map(|door| &door.kind) else {
        return;
    };
    if admin.connections.get() >= CONNECTIONS_MAX {
        return;
    }
    admin.connections.set(admin.connections.get() + 1);
    let mut received = Vec::new();
    while exchange(&control, &mut conn, kind, &mut received).await {}
    admin.connections.set(admin.connections.get() - 1);
    // What the client still sends must not reset the answer on its way.
    conn.shutdown_send();
    let deadline = control.core.now().plus_ms(GOODBYE_MS);
    while conn.recv(deadline).await.is_ok() {}
}

/// One request; `false` ends the connection. `received` keeps what came behind the request.
async fn exchange(
    control: &Rc<Control>,
    conn: &mut Conn,
    kind: &Kind,
    received: &mut Vec<u8>,
) -> bool {
    let core = &control.core;
    let limits = HeadLimits::default();
    let deadline = core.now().plus_ms(IDLE_MS);
    let mut finder = HeadFinder::request();
    let mut head = RequestHead::new();
    let found = loop {
        match finder.find(received, &limits) {
            Ok(Some(end)) => break Ok(end),
            Ok(None) => {}
            Err(fault) => break Err(fault),
        }
        match conn.recv(deadline).await {
            Ok(buf) => received.extend_from_slice(&buf),
            Err(_) => return false,
        }
    };
    control
        .admin
        .answering
        .set(control.admin.answering.get() + 1);
    let parsed = found.and_then(|end| {
        let rest = received.split_off(end);
        let bytes = std::mem::replace(received, rest);
        parse_request(&bytes, &limits, &mut head).map(|()| bytes)
    });
    let (answer, keep_alive) = match &parsed {
        Err(fault) => (Answer::text(fault.status(), format!("{fault}\n")), false),
        Ok(bytes) if !takes_body(kind, &head, bytes) => (
            Answer::text(413, "this request takes no body, or none of this size\n"),
            false,
        ),
        Ok(bytes) if !may_ask(kind, head.host.name.of(bytes)) => {
            (Answer::text(403, "Host names no loopback address\n"), false)
        }
        Ok(bytes) => {
            let trusted = matches!(kind, Kind::Socket(_));
            let path = String::from_utf8_lossy(head.path(bytes)).into_owned();
            let query = head.query(bytes).to_vec();
            let Some(body) = receive_body(core, conn, &head, received).await else {
                control
                    .admin
                    .answering
                    .set(control.admin.answering.get() - 1);
                return false;
            };
            let asked = (head.method, path.as_str(), query.as_slice());
            let answer = routes::answer(control, asked, &body, trusted).await;
            (answer, head.keep_alive)
        }
    };
    let shows_body = head.method != Method::Head;
    let sent = send(control, conn, &answer, keep_alive, shows_body).await;
    control
        .admin
        .answering
        .set(control.admin.answering.get() - 1);
    sent && keep_alive
}

/// Orders to the store have bodies, and they come over the socket.
fn takes_body(kind: &Kind, head: &RequestHead, bytes: &[u8]) -> bool {
    match head.framing {
        Framing::None | Framing::Length(0) => true,
        Framing::Length(length) => {
            let fits = usize::try_from(length).is_ok_and(|length| length <= MESSAGE_BYTES_MAX);
            fits && matches!(kind, Kind::Socket(_)) && routes::has_body(head.path(bytes))
        }
        _ => false,
    }
}

/// The body whole; `received` keeps what came behind it.
async fn receive_body(
    core: &Core,
    conn: &mut Conn,
    head: &RequestHead,
    received: &mut Vec<u8>,
) -> Option<Vec<u8>> {
    let length = match head.framing {
        Framing::Length(length) => usize::try_from(length).ok()?,
        _ => 0,
    };
    while received.len() < length {
        let deadline = core.now().plus_ms(IDLE_MS);
        let buf = conn.recv(deadline).await.ok()?;
        received.extend_from_slice(&buf);
    }
    let rest = received.split_off(length);
    Some(std::mem::replace(received, rest))
}

/// Only a request that was meant for this host may come over the loopback address.
fn may_ask(kind: &Kind, host: &[u8]) -> bool {
    if matches!(kind, Kind::Socket(_)) {
        return true;
    }
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || literal
            .parse()
            .is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

async fn send(
    control: &Control,
    conn: &mut Conn,
    answer: &Answer,
    keep_alive: bool,
    shows_body: bool,
) -> bool {
    let core = &control.core;
    let Some(mut out) = core.pool().take() else {
        return false;
    };
    let mut head = HeadWriter::new(out.spare());
    head.status_line(answer.status);
    head.field(b"Content-Type", answer.media_type.as_bytes());
    head.field_decimal(b"Content-Length", answer.body.len() as u64);
    head.lines(b"Cache-Control: no-store\r\n");
    if !answer.allow.is_empty() {
        head.field(b"Allow", answer.allow.as_bytes());
    }
    if !keep_alive {
        head.lines(b"Connection: close\r\n");
    }
    let Ok(head_bytes) = head.end() else {
        return false;
    };
    out.commit(head_bytes);
    conn.send(out.freeze());
    let deadline = core.now().plus_ms(SEND_MS);
    let mut rest = if shows_body {
        answer.body.as_bytes()
    } else {
        b""
    };
    while !rest.is_empty() {
        let Some(mut out) = core.pool().take() else {
            return false;
        };
        let copied = out.extend(rest);
        rest = rest.get(copied..).unwrap_or(&[]);
        conn.send(out.freeze());
        if conn.sent(UNSENT_BYTES_MAX, deadline).await.is_err() {
            return false;
        }
    }
    conn.sent(0, deadline).await.is_ok()
}

/// Operators, probes and scrapers are few.
const CONNECTIONS_MAX: u32 = 64;
const ACCEPT_PAUSE_MS: u64 = 100;
const IDLE_MS: u64 = 60_000;
const SEND_MS: u64 = 10_000;
const GOODBYE_MS: u64 = 250;
const UNSENT_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_pass_the_loopback_door() {
        let door = Kind::Loopback(([127, 0, 0, 1], 9901).into());
        let rows = [
            ("localhost", true),
            ("LocalHost", true),
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("[::1]", true),
            ("::1", true),
            ("10.0.0.1", false),
            ("localhost.evil.example", false),
            ("evil.example", false),
            ("", false),
        ];
        for (host, expected) in rows {
            assert_eq!(may_ask(&door, host.as_bytes()), expected, "{host}");
            let file = sockets::File::unbound("/nowhere".into());
            assert!(may_ask(&Kind::Socket(file), host.as_bytes()));
        }
    }
}
