//! One client's connection, from accept to close.
//!
//! What it is: PROXY header, TLS handshake, then one request after the other. Shape: a small
//! future that lives while the connection idles; each request runs in a block drawn from the
//! core's pool at its first byte. Units: milliseconds in the limits. Errors: they end the
//! connection. Source: RELIABILITY sections 2 and 4; RFC 9112 section 9.

use std::{cell::Cell, net::IpAddr, rc::Rc, sync::Arc};

use super::admission::{Admission, Admitted};
use crate::{
    base::time::Mono,
    exec::{RecvEnd, Stream},
    net::{
        conn::Conn,
        proxy_protocol::{Decoded, decode},
    },
    pipeline::{AddressText, Local, Next, Peer, Serving, Started, serve, start},
    ring::{Buf, Fd},
    telemetry::metrics::Metric,
};

/// Greets the connection on `fd`, accepted by the listener that is at `listener` of the plan, and
/// leaves the rest of its life to a smaller task.
pub(super) async fn connection(
    local: Rc<Local>,
    admission: Arc<Admission>,
    fd: Fd,
    listener: Rc<Cell<usize>>,
) {
    let stream = Stream::new(&local.core, fd);
    let (serving, listener) = (local.serving(), listener.get());
    let names = stream.names();
    let Some(peer) = names.peer else { return };
    // A dual-stack socket, as systemd opens them, reports IPv4 mapped into IPv6.
    let ip = peer.ip().to_canonical();
    let Some(admitted) = admit(&admission, &serving, ip) else {
        local.metrics.cell(Metric::ConnectionsRefused).add(1);
        return;
    };
    let open = Open::new(&local, admitted);
    let local_port = names.local.map_or(0, |address| address.port());
    let greeted = greet(&local, &serving, stream, ip, local_port, listener).await;
    if let Some((conn, peer, first)) = greeted {
        local.core.spawn(requests(open, conn, peer, first));
    }
}

/// A connection that counts as open.
struct Open {
    local: Rc<Local>,
    _admitted: Admitted,
}

impl Open {
    fn new(local: &Rc<Local>, admitted: Admitted) -> Open {
        local.connection_opened();
        Open {
            local: Rc::clone(local),
            _admitted: admitted,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.local.connection_closed();
    }
}

fn admit(admission: &Arc<Admission>, serving: &Serving, ip: IpAddr) -> Option<Admitted> {
    let limits = &serving.plan.limits;
    admission.admit(
        ip,
        limits.connections_max,
        limits.connections_per_address_max,
    )
}

/// What comes before the first request: the PROXY header and the TLS handshake.
async fn greet(
    local: &Rc<Local>,
    serving: &Serving,
    mut stream: Stream,
    ip: IpAddr,
    local_port: u16,
    listener: usize,
) -> Option<(Conn, Peer, Option<Buf>)> {
    let plan = &serving.plan;
    let deadline = local
        .core
        .now()
        .plus_ms(u64::from(plan.limits.tls_handshake_ms));
    let rules = plan.listeners.get(listener)?;
    let mut peer = Peer {
        ip,
        ip_text: AddressText::new(ip),
        local_port,
        tls: rules.tls,
        door: rules.door(ip),
        trusted: plan.trusted_proxies.contains(ip),
    };
    let mut first = None;
    if rules.proxy_protocol_from.contains(ip) {
        let (source, rest) = proxy_header(&mut stream, deadline).await?;
        if let Some(source) = source.map(|source| source.to_canonical()) {
            peer.ip = source;
            peer.door = rules.door(source);
            peer.ip_text = AddressText::new(source);
            peer.trusted = plan.trusted_proxies.contains(source);
        }
        first = rest;
    }
    if !rules.tls {
        return Some((Conn::plain(stream), peer, first));
    }
    let tls = serving.tls.as_ref()?;
    if !local.begin_handshake(plan.limits.tls_handshakes_max) {
        return None;
    }
    let mut conn = Conn::tls_server(stream, tls);
    if let Some(cipher) = first {
        conn.unread(cipher);
    }
    let done = conn.handshake(deadline).await;
    local.end_handshake();
    let resumed = conn.tls().is_some_and(|tls| tls.resumed());
    local
        .metrics
        .cell(handshake_metric(done.is_ok(), resumed))
        .add(1);
    if done.is_err() {
        // The alert leaves before the socket closes.
        let _ = conn.sent(0, local.core.now().plus_ms(ALERT_MS)).await;
        return None;
    }
    Some((conn, peer, None))
}

fn handshake_metric(done: bool, resumed: bool) -> Metric {
    match (done, resumed) {
        (false, _) => Metric::TlsFailed,
        (true, false) => Metric::TlsFull,
        (true, true) => Metric::TlsResumed,
    }
}

/// Longest wait for an alert to leave.
const ALERT_MS: u64 = 1_000;

/// Reads a PROXY header; gives the client's address and what came behind.
async fn proxy_header(
    stream: &mut Stream,
    deadline: Mono,
) -> Option<(Option<IpAddr>, Option<Buf>)> {
    let mut pieces = Vec::new();
    loop {
        let mut buf = stream.recv(deadline).await.ok()?;
        let before = pieces.len();
        pieces.extend_from_slice(&buf);
        match decode(&pieces) {
            Decoded::Need => {}
            Decoded::Fault(_) => return None,
            Decoded::Done(header) => {
                buf.advance(header.consumed.saturating_sub(before));
                let source = header.source.map(|address| address.ip());
                return Some((source, (!buf.is_empty()).then_some(buf)));
            }
        }
    }
}

/// One request after the other. A block, not an `async fn`: its arguments are stored once.
fn requests(
    open: Open,
    mut conn: Conn,
    peer: Peer,
    mut first: Option<Buf>,
) -> impl Future<Output = ()> {
    let mut count = 0u32;
    async move {
        let local = &open.local;
        loop {
            let buf = match first.take() {
                Some(buf) => buf,
                None => match idle(local, &mut conn).await {
                    Ok(buf) => buf,
                    Err(RecvEnd::Closed | RecvEnd::Timeout | RecvEnd::Failed(_)) => break,
                },
            };
            count = count.saturating_add(1);
            let last = count == local.requests_max();
            let next = match start(local, &mut conn, &peer, last, buf) {
                Started::Done(next) => next,
                Started::Waits(waiting) => {
                    let served = serve(local, &mut conn, peer, waiting);
                    local.spares.place(served).await
                }
            };
            match next {
                Next::Request(carry) => first = carry,
                Next::Close => break,
                Next::Reset => return conn.reset(),
            }
            if first.is_none() {
                conn.trim();
            } else if conn.unsent_bytes() > PIPELINED_BYTES_MAX {
                // Whoever asks ahead and reads nothing must not fill our buffers.
                let deadline = local.core.now().plus_ms(local.still_ms());
                if conn.sent(PIPELINED_BYTES_MAX, deadline).await.is_err() {
                    return conn.reset();
                }
            }
        }
        let deadline = local.core.now().plus_ms(local.still_ms());
        conn.shutdown_send();
        let _ = conn.sent(0, deadline).await; // a drop would take back what has not left
        if local.draining.get() || local.pressure.get().shortens_idle() {
            // A request that crosses our goodbye must meet an end, not a reset.
            let deadline = local.core.now().plus_ms(GOODBYE_MS);
            let mut bytes_left = GOODBYE_BYTES_MAX;
            while let Ok(buf) = conn.recv(deadline).await
                && buf.len() <= bytes_left
            {
                bytes_left -= buf.len();
            }
        }
    }
}

/// Answers to pipelined requests that may wait for a client to read them.
const PIPELINED_BYTES_MAX: usize = 64 * 1024;
/// How long a drain, or a pressed core, waits for a client to take note of an end.
const GOODBYE_MS: u64 = 250;
/// What a client may send meanwhile.
const GOODBYE_BYTES_MAX: usize = 1 << 20;

/// Waits for the next request. A drain shortens the wait, but does not end it at once: what is on
/// its way then finds an open connection and is answered with `Connection: close`. Pressure that
/// begins meanwhile shortens it too.
async fn idle(local: &Rc<Local>, conn: &mut Conn) -> Result<Buf, RecvEnd> {
    let since = local.core.now();
    std::future::poll_fn(|_| {
        let deadline = since.plus_ms(local.idle_ms());
        conn.poll_recv_until(deadline.min(local.drain_idle_until.get()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<F: Future>(_: impl Fn(Open, Conn, Peer, Option<Buf>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_is_a_small_future() {
        let bytes = future_bytes(requests);
        assert!(bytes <= 512, "{bytes} bytes");
    }
}
