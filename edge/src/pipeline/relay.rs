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
    journal,
    passage::{Passage, Shown},
    request::Next,
};
use crate::{
    base::time::Mono,
    cache::collapse::Leader,
    exec::RecvEnd,
    net::{
        conn::Conn,
        pump::{Pace, Pump, PumpEnd},
    },
    origin::Lease,
    ring::Buf,
    wire::{body::BodyReader, fault::BodyFault, framing::Framing},
};

/// An answer whose head is on its way.
pub(super) struct Begun {
    pub(super) download: Pump,
    /// The client's connection goes on behind it.
    pub(super) keep_alive: bool,
    pub(super) patience: Patience,
}

/// How long an answer may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Longest time without a byte of the endpoint.
    silence_ms: u64,
    /// Whatever comes, it is over then.
    until: Mono,
    /// The slowest its client may be.
    pub(super) pace: Pace,
}

impl Patience {
    /// With an answer that was asked for at `started`. One whose document says that it streams may
    /// be silent for `idle_ms` and takes `timeout_ms` as a whole, however slow its client is; any
    /// other may be silent for as long as its head may take.
    pub(super) fn new(
        call: &Call<'_>,
        timeout_ms: u32,
        idle_ms: Option<u32>,
        started: Mono,
    ) -> Patience {
        let pace = call.serving.pace;
        match idle_ms.map(u64::from) {
            None => Patience {
                silence_ms: u64::from(timeout_ms),
                until: Mono::FAR,
                pace,
            },
            Some(idle_ms) => Patience {
                silence_ms: idle_ms,
                until: started.plus_ms(u64::from(timeout_ms)),
                pace: Pace {
                    bytes_per_s: 0,
                    still_ms: idle_ms,
                    ..pace
                },
            },
        }
    }

    /// When the next byte has to be there, if none has come since `now`.
    pub(super) fn deadline(&self, now: Mono) -> Mono {
        now.plus_ms(self.silence_ms).min(self.until)
    }

    /// Whether the document says that it streams.
    fn is_bounded(&self) -> bool {
        self.until != Mono::FAR
    }
}

/// Sends the head of the answer in `x`, together with a small payload that is here already; `carry`
/// came behind it.
pub(super) fn begin(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    (passage, patience): (Passage<'_>, Patience),
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
    let mut download = Pump::new(reader, shown.framing(x), carry).with_sink_pace(patience.pace);
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
        patience,
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
        patience,
    } = begun;
    let copy_bytes_max = x.cache.fill.as_ref().map_or(0, keep::Fill::body_bytes_max);
    let ways = (&mut *upload, &mut *download);
    let kept = (x.cache.lead.as_ref(), copy_bytes_max);
    let moved = move_bodies(call, conn, lease.conn(), ways, kept, *patience).await;
    x.request_bytes = x.request_bytes.saturating_add(upload.moved_bytes());
    x.response_bytes = download.sent_bytes();
    if moved.is_err() {
        if let Some(failure) = download.failure() {
            journal::stream_failed(x, failure);
        }
        return Next::Reset;
    }
    if patience.is_bounded() && !hand_over(call, conn, *patience).await {
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

/// Waits until the client has taken everything, for it may take longer than a connection may idle;
/// `false` when it takes no more.
async fn hand_over(call: &Call<'_>, conn: &mut Conn, patience: Patience) -> bool {
    while let Some(less) = conn.unsent_bytes().checked_sub(1) {
        let deadline = patience.deadline(call.local.core.now());
        if conn.sent(less, deadline).await.is_err() {
            return false;
        }
    }
    true
}

/// Moves both bodies at the same time until the answer's is over. An origin that falls silent for
/// too long is given up, and so is a client that has ended its side of a stream in which nothing
/// moves.
async fn move_bodies(
    call: &Call<'_>,
    conn: &mut Conn,
    origin: &mut Conn,
    (upload, download): (&mut Pump, &mut Pump),
    (lead, copy_bytes_max): (Option<&Leader>, usize),
    patience: Patience,
) -> Result<(), PumpEnd> {
    let core = &call.local.core;
    let grace_ms = u64::from(call.serving.plan.limits.half_closed_ms);
    let mut moved_bytes = download.moved_bytes();
    let mut deadline = patience.deadline(core.now());
    let mut leaves_at = None;
    std::future::poll_fn(|_| {
        if !upload.is_done()
            && let Poll::Ready(Err(end)) = upload.poll(conn, origin, Mono::FAR)
            && !matches!(end, PumpEnd::Sink)
        {
            return Poll::Ready(Err(end));
        }
        let polled = download.poll(origin, conn, Mono::FAR);
        if !keep::pass_on(lead, download.copied(), copy_bytes_max) {
            *download.copied() = None; // too long to be kept
        }
        if polled.is_ready() {
            return polled;
        }
        let now = core.now();
        // An origin that nobody listens to, as its client takes no more, is not silent.
        if download.moved_bytes() != moved_bytes || !download.is_starved() {
            moved_bytes = download.moved_bytes();
            deadline = patience.deadline(now);
            leaves_at = None;
        }
        if upload.is_done() {
            match conn.poll_end() {
                Poll::Ready(RecvEnd::Failed(_)) => return Poll::Ready(Err(PumpEnd::Sink)),
                Poll::Ready(_) if patience.is_bounded() && download.is_starved() => {
                    let leaves_at = *leaves_at.get_or_insert(now.plus_ms(grace_ms));
                    core.wake_at(leaves_at);
                    if now >= leaves_at {
                        return Poll::Ready(Err(PumpEnd::Sink));
                    }
                }
                Poll::Ready(_) | Poll::Pending => {}
            }
        }
        let until = match download.is_starved() {
            true => deadline,
            false => patience.until,
        };
        core.wake_at(until);
        if now >= until {
            return Poll::Ready(Err(PumpEnd::Source(RecvEnd::Timeout)));
        }
        Poll::Pending
    })
    .await
}
