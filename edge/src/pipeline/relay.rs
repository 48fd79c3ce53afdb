//! The way of an answer whose payload passes while it comes.
//!
//! What it is: sends the answer's head to the client and moves what is left of both bodies at the
//! same time. Shape: [`begin`] needs nobody and sends the head, [`pass`] awaits; the bodies are two
//! [`Pump`]s polled by one task. Units: bytes, [`Mono`]. Errors: before the head a [`Fault`];
//! behind it the client's connection is cut visibly. Source: RELIABILITY sections 1 and 4; RFC 9112
//! sections 6 and 9.

use std::task::Poll;

use super::{
    cache::keep,
    exchange::Exchange,
    fault::Fault,
    finish::{linger, wants_keep_alive},
    forward::Call,
    passage::{Passage, Shown},
    request::Next,
};
use crate::{
    base::time::Mono,
    cache::collapse::Leader,
    exec::RecvEnd,
    net::{
        conn::Conn,
        pump::{Pump, PumpEnd},
    },
    origin::Lease,
    ring::Buf,
    wire::{body::BodyReader, fault::BodyFault, framing::Framing},
};

/// An answer whose head is on its way.
pub(super) struct Begun {
    download: Pump,
    keep_alive: bool,
    /// Longest time without a byte of the endpoint.
    silence_ms: u64,
}

/// Sends the head of the answer in `x`, together with a small payload that is here already; `carry`
/// came behind it.
pub(super) fn begin(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    passage: Passage<'_>,
    is_uploaded: bool,
    carry: Option<Buf>,
) -> Result<Begun, Fault> {
    let answer = passage.answer(call, x)?;
    let status = answer.status(x);
    let shown = Shown::of(x, status);
    let ends = shown == Shown::Close;
    let keep_alive = wants_keep_alive(call.local, x) && !ends && is_uploaded;
    let reader = BodyReader::new(x.answer.framing, passage.answer_limits());
    let reader = reader.map_err(too_large)?;
    let mut download = Pump::new(reader, shown.framing(x), carry).with_sink_pace(call.serving.pace);
    if x.cache.fill.is_some() {
        download.begin_copy(std::mem::take(&mut x.cache.room));
    }
    let mut head = call.local.core.pool().take().ok_or(Fault::Overload)?;
    answer.write(call, x, (shown, keep_alive), &mut head)?;
    x.status = status;
    download.prefill(&mut head);
    conn.send(head.freeze());
    if ends {
        conn.begin_saying();
    }
    Ok(Begun {
        download,
        keep_alive,
        silence_ms: u64::from(passage.timeout_ms()),
    })
}

fn too_large(_: BodyFault) -> Fault {
    Fault::AnswerTooLarge
}

/// Moves what is left of both bodies, and says how both connections go on.
pub(super) async fn pass(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    mut lease: Lease,
    upload: &mut Pump,
    begun: &mut Begun,
) -> Next {
    let Begun {
        download,
        keep_alive,
        silence_ms,
    } = begun;
    let copy_bytes_max = x.cache.fill.as_ref().map_or(0, keep::Fill::body_bytes_max);
    let ways = (&mut *upload, &mut *download);
    let kept = (x.cache.lead.as_ref(), copy_bytes_max);
    let moved = move_bodies(call, conn, lease.conn(), ways, kept, *silence_ms).await;
    x.request_bytes = upload.moved_bytes();
    x.response_bytes = download.sent_bytes();
    if moved.is_err() {
        return Next::Reset;
    }
    if let Some(body) = download.copied().take() {
        keep::finish(call, x, &body);
        x.cache.room = body;
    }
    let surplus = download.take_carry().is_some();
    let is_framed = x.answer.framing != Framing::UntilClose;
    if upload.is_done() && x.answer.keep_alive && is_framed && !surplus {
        lease.keep();
    }
    if *keep_alive {
        return Next::Request(upload.take_carry());
    }
    if !upload.is_done() || x.head.keep_alive {
        linger(call.local, conn).await;
    }
    Next::Close
}

/// Moves both bodies at the same time until the answer's is over. An origin that falls silent for
/// as long as it may take to answer is given up.
async fn move_bodies(
    call: &Call<'_>,
    conn: &mut Conn,
    origin: &mut Conn,
    (upload, download): (&mut Pump, &mut Pump),
    (lead, copy_bytes_max): (Option<&Leader>, usize),
    silence_ms: u64,
) -> Result<(), PumpEnd> {
    let core = &call.local.core;
    let mut moved_bytes = download.moved_bytes();
    let mut deadline = core.now().plus_ms(silence_ms);
    std::future::poll_fn(|_| {
        if !upload.is_done()
            && let Poll::Ready(Err(end)) = upload.poll(conn, origin, Mono::FAR)
            && !matches!(end, PumpEnd::Sink)
        {
            return Poll::Ready(Err(end));
        }
        let polled = download.poll(origin, conn, deadline);
        if !keep::pass_on(lead, download.copied(), copy_bytes_max) {
            *download.copied() = None; // too long to be kept
        }
        if polled.is_pending()
            && upload.is_done()
            && matches!(conn.poll_end(), Poll::Ready(RecvEnd::Failed(_)))
        {
            return Poll::Ready(Err(PumpEnd::Sink));
        }
        if polled.is_pending() && download.moved_bytes() != moved_bytes {
            moved_bytes = download.moved_bytes();
            deadline = core.now().plus_ms(silence_ms);
            core.wake_at(deadline);
        }
        polled
    })
    .await
}
