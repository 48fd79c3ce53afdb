//! The end of an exchange, as its connection sees it.
//!
//! What it is: whether the connection goes on after an answer, what becomes of a body that nobody
//! needed, and how an answer gets to a client that is still sending. Shape: each ends in a
//! [`Next`]. Units: bytes, milliseconds. Errors: none. Source: RELIABILITY section 4; RFC 9112
//! section 9.

use std::rc::Rc;

use super::{
    cache::give::Given,
    exchange::Exchange,
    local::{Local, Serving},
    request::Next,
};
use crate::{
    net::{
        conn::Conn,
        pump::{OutFraming, Pump},
    },
    ring::Buf,
    wire::body::BodyReader,
};

/// Sends what is left of an answer from the store, then goes on as after any early answer.
pub(super) async fn finish_given(
    local: &Rc<Local>,
    serving: &Serving,
    conn: &mut Conn,
    x: &Exchange,
    (body, carry): (BodyReader, Option<Buf>),
    given: Option<Given>,
    keep_alive: bool,
) -> Next {
    let sent = match given {
        None => false,
        Some(Given::Whole) => true,
        Some(Given::Begun(rest)) => match rest.send(local, serving, conn).await {
            Ok(()) => true,
            Err(_) => return Next::Reset,
        },
    };
    finish_early(local, serving, conn, x, body, carry, keep_alive && sent).await
}

/// After an answer that did not need the body: the body is read and thrown away, if it is short,
/// so that the next request is found; else the connection ends (RELIABILITY section 4).
pub(super) async fn finish_early(
    local: &Rc<Local>,
    serving: &Serving,
    conn: &mut Conn,
    x: &Exchange,
    body: BodyReader,
    carry: Option<Buf>,
    keep_alive: bool,
) -> Next {
    if body.is_done() && keep_alive {
        return Next::Request(carry);
    }
    if body.is_done() && !x.head.keep_alive {
        return Next::Close; // the client sends nothing more
    }
    let limits = &serving.plan.limits;
    let bytes_max = u64::from(limits.drain_body_bytes_max);
    if keep_alive {
        let deadline = local.core.now().plus_ms(u64::from(limits.drain_body_ms));
        let mut pump = Pump::new(body, OutFraming::Nowhere, carry);
        let drained = std::future::poll_fn(|_| pump.poll_away(conn, deadline, bytes_max)).await;
        if drained.is_ok() {
            return Next::Request(pump.take_carry());
        }
    }
    linger(local, conn).await;
    Next::Close
}

/// Lets the answer arrive before the connection ends: a close with unread bytes would reset it,
/// be they a body or another request of a client that did not know yet.
pub(super) async fn linger(local: &Rc<Local>, conn: &mut Conn) {
    let limits = &local.serving().plan.limits;
    let deadline = local.core.now().plus_ms(u64::from(limits.drain_body_ms));
    conn.shutdown_send();
    let mut left = limits.drain_body_bytes_max as usize;
    while let Ok(buf) = conn.recv(deadline).await {
        if buf.len() > left {
            return;
        }
        left -= buf.len();
    }
}

/// Both sides may go on after an answer that does not need the body: nothing is left of it, or it
/// is on its way and short enough to be thrown away.
pub(super) fn keeps_alive_early(
    local: &Local,
    serving: &Serving,
    x: &Exchange,
    body: &BodyReader,
) -> bool {
    let bytes_max = u64::from(serving.plan.limits.drain_body_bytes_max);
    let short = body.length_left().is_none_or(|left| left <= bytes_max);
    let drains = body.is_done() || (short && !x.head.expect_continue);
    wants_keep_alive(local, x) && drains
}

/// Both sides may go on.
pub(super) fn wants_keep_alive(local: &Local, x: &Exchange) -> bool {
    x.head.keep_alive && !x.last && !local.draining.get()
}
