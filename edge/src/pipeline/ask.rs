//! One exchange with an origin, the request whole.
//!
//! What it is: sends a prepared head and payload to an endpoint of a group, reads the answer's
//! head into the exchange and its payload into the caller's vector, or leaves that to whoever
//! passes it on ([`ask_head`]). Shape: the same pools, retries and deadlines as a forwarded request
//! has. Units: bytes, [`Mono`]. Ranges: the answer's payload
//! is at most [`ANSWER_BYTES_MAX`]. Errors: [`Unasked`]. Source: RELIABILITY section 4; Amazon API
//! Gateway developer guide, "quotas".

use std::task::Poll;

use super::{
    collect::take_whole,
    exchange::Exchange,
    fault::Fault,
    forward::{Call, is_gone, may_repeat, note_status, take_head, unless_gone},
    room::Account,
};
use crate::{
    base::time::Mono,
    exec::RecvEnd,
    net::{
        conn::Conn,
        pump::{OutFraming, Pump, PumpEnd, Room},
    },
    origin::{Face, Group, Lease, OriginIndex},
    ring::Buf,
    wire::{
        body::BodyReader,
        fault::{BodyFault, HeadFault},
        finder::HeadFinder,
        framing::Framing,
        limits::BodyLimits,
    },
};

/// Who is asked, and how.
pub(super) struct Target {
    pub(super) origin: OriginIndex,
    /// Which client certificate is shown.
    pub(super) face: Face,
    /// From the first look for a connection to the last byte that is waited for here.
    pub(super) timeout_ms: u32,
    /// Asking twice does no harm.
    pub(super) is_idempotent: bool,
    /// The answer has no payload, whatever its head says.
    pub(super) is_head: bool,
}

/// What an origin is asked.
pub(super) struct Question<'a> {
    pub(super) target: Target,
    /// The request's head, and its payload if that is short.
    pub(super) first: &'a Buf,
    /// The payload, if it is not there.
    pub(super) rest: &'a [u8],
    /// How long the payload is, wherever it lies.
    pub(super) body_bytes: usize,
}

/// Why there is no answer.
pub(super) enum Unasked {
    /// The client is gone.
    Gone,
    /// The origin failed.
    Fault(Fault),
}

/// Largest payload of an answer.
pub(super) const ANSWER_BYTES_MAX: u64 = 10_485_760;

/// An answer whose head has come.
pub(super) struct Asked {
    pub(super) lease: Lease,
    /// What came behind the head.
    pub(super) carry: Option<Buf>,
    /// All of the question has been queued.
    pub(super) is_sent: bool,
    /// When the first look for a connection was.
    pub(super) started: Mono,
}

/// Asks; the answer's head is in `x` then, its payload in `into`.
pub(super) async fn ask(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    question: &Question<'_>,
    account: &mut Account<'_>,
    into: &mut Vec<u8>,
) -> Result<(), Unasked> {
    let mut asked = ask_head(call, conn, x, question).await?;
    let deadline = asked.started.plus_ms(u64::from(question.target.timeout_ms));
    let has_surplus = read_body(call, conn, &mut asked, x, account, into, deadline).await?;
    x.integration.latency_ns = call.local.core.now().since_ns(asked.started);
    if asked.is_sent && x.answer.keep_alive && !has_surplus {
        asked.lease.keep();
    }
    Ok(())
}

/// Asks; the answer's head is in `x` then, and its payload on its way.
pub(super) async fn ask_head(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    question: &Question<'_>,
) -> Result<Asked, Unasked> {
    let core = &call.local.core;
    let Some(group) = call.serving.group(question.target.origin) else {
        return Err(Unasked::Fault(Fault::Configuration));
    };
    let started = core.now();
    let deadline = started.plus_ms(u64::from(question.target.timeout_ms));
    let mut before = None;
    loop {
        x.integration.attempts += 1;
        let acquired = group.acquire(core, deadline, question.target.face, before);
        let acquired = unless_gone(call, conn, x, acquired);
        let mut lease = match acquired.await {
            Some(Ok(lease)) => lease,
            Some(Err(fault)) => return Err(Unasked::Fault(Fault::Unreachable(fault))),
            None => return Err(Unasked::Gone),
        };
        x.integration.endpoint = Some(lease.endpoint());
        x.cache.asked_at = core.wall();
        lease.conn().send(question.first.clone());
        let answered = await_head(call, conn, lease.conn(), x, question, deadline).await;
        x.integration.latency_ns = core.now().since_ns(started);
        match answered {
            Ok((carry, is_sent)) => {
                x.integration.status = x.answer.status;
                note_status(group, lease.endpoint(), x.answer.status, core.now());
                return Ok(Asked {
                    lease,
                    carry,
                    is_sent,
                    started,
                });
            }
            Err(Unasked::Gone) => return Err(Unasked::Gone),
            Err(Unasked::Fault(fault)) => {
                if !lease.reused {
                    group.record_failure(lease.endpoint(), core.now());
                }
                if !may_retry(call, group, x, question, fault) {
                    return Err(Unasked::Fault(fault));
                }
                before = Some(lease.failed());
            }
        }
    }
}

/// As for a forwarded request; the payload is held in any case, but long ones are not sent twice.
fn may_retry(
    call: &Call<'_>,
    group: &Group,
    x: &Exchange,
    question: &Question<'_>,
    fault: Fault,
) -> bool {
    let bytes_max = call.serving.plan.limits.retry_body_bytes_max as usize;
    let repeatable = question.target.is_idempotent && question.body_bytes <= bytes_max;
    may_repeat(group, x, repeatable, fault)
}

/// Sends the payload while waiting for the answer's head. Gives what came behind the head, and
/// whether all of the payload has been queued.
async fn await_head(
    call: &Call<'_>,
    conn: &mut Conn,
    origin: &mut Conn,
    x: &mut Exchange,
    question: &Question<'_>,
    deadline: Mono,
) -> Result<(Option<Buf>, bool), Unasked> {
    let mut finder = HeadFinder::response();
    let mut interims = 0u32;
    let mut held: Option<Buf> = None;
    let mut sending = Sending::new(question.rest, origin);
    x.answer_bytes.clear();
    loop {
        let buf = match held.take() {
            Some(buf) => buf,
            None => {
                std::future::poll_fn(|_| {
                    if let Err(fault) = sending.go_on(origin) {
                        return Poll::Ready(Err(Unasked::Fault(fault)));
                    }
                    if is_gone(call, conn, x) {
                        return Poll::Ready(Err(Unasked::Gone));
                    }
                    origin
                        .poll_recv_until(deadline)
                        .map_err(|end| Unasked::Fault(origin_fault(end)))
                })
                .await?
            }
        };
        x.integration.answer_seen = true;
        let taken = take_head(call, x, &mut finder, buf, question.target.is_head)
            .map_err(Unasked::Fault)?;
        let Some(carry) = taken else { continue };
        if !x.answer.is_interim() {
            return Ok(((!carry.is_empty()).then_some(carry), sending.is_done()));
        }
        interims += 1;
        if interims > call.serving.plan.limits.interim_responses_max {
            let fault = Fault::OriginAnswer(HeadFault::StatusCode);
            return Err(Unasked::Fault(fault));
        }
        finder = HeadFinder::response();
        x.answer_bytes.clear();
        held = (!carry.is_empty()).then_some(carry);
    }
}

fn origin_fault(end: RecvEnd) -> Fault {
    match end {
        RecvEnd::Timeout => Fault::OriginTimeout,
        RecvEnd::Closed | RecvEnd::Failed(_) => Fault::OriginGone,
    }
}

/// A payload on its way to an origin, no faster than that takes it.
struct Sending<'b> {
    rest: &'b [u8],
    room: Room,
    is_over: bool,
}

impl<'b> Sending<'b> {
    fn new(body: &'b [u8], origin: &Conn) -> Sending<'b> {
        let mut room = Room::default();
        room.note(origin);
        Sending {
            rest: body,
            room,
            is_over: body.is_empty(),
        }
    }

    fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Queues what may be queued now. An origin that takes no more may still answer.
    fn go_on(&mut self, origin: &mut Conn) -> Result<(), Fault> {
        while !self.is_over {
            match self.room.poll(origin) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) => self.is_over = true,
                Poll::Ready(Ok(())) => {
                    let pool = origin.stream().core().pool();
                    let mut out = pool.take().ok_or(Fault::Overload)?;
                    let copied = out.extend(self.rest);
                    self.rest = self.rest.get(copied..).unwrap_or(&[]);
                    self.is_over = self.rest.is_empty();
                    origin.send(out.freeze());
                    self.room.note(origin);
                }
            }
        }
        Ok(())
    }
}

/// Reads the payload of the answer whose head is in `x`; tells whether more came than belongs to
/// it.
async fn read_body(
    call: &Call<'_>,
    conn: &mut Conn,
    asked: &mut Asked,
    x: &mut Exchange,
    account: &mut Account<'_>,
    into: &mut Vec<u8>,
    deadline: Mono,
) -> Result<bool, Unasked> {
    let fault = |fault| Unasked::Fault(fault);
    let reader = BodyReader::new(x.answer.framing, LIMITS);
    let mut reader = reader.map_err(|_| fault(Fault::AnswerTooLarge))?;
    into.clear();
    if let Some(bytes) = take_whole(&mut reader, &mut asked.carry, into) {
        let bytes_max = call.serving.plan.limits.payload_bytes_max;
        // What is there already is served, however much that makes.
        let _ = account.holds(x.request_bytes.saturating_add(bytes), bytes_max);
        return Ok(asked.carry.is_some());
    }
    let mut pump = Pump::new(reader, OutFraming::Nowhere, asked.carry.take());
    pump.begin_copy(std::mem::take(into));
    let bytes_max = call.serving.plan.limits.payload_bytes_max;
    let before_bytes = x.request_bytes;
    let read = std::future::poll_fn(|_| {
        let polled = pump.poll_away(asked.lease.conn(), deadline, u64::MAX);
        let bytes = before_bytes.saturating_add(pump.moved_bytes());
        if polled.is_pending() && is_gone(call, conn, x) {
            return Poll::Ready(Err(Unasked::Gone));
        }
        match (polled, account.holds(bytes, bytes_max)) {
            (Poll::Pending, Err(fault)) => Poll::Ready(Err(Unasked::Fault(fault))),
            (Poll::Pending, Ok(())) => Poll::Pending,
            (Poll::Ready(Ok(())), _) => Poll::Ready(Ok(())),
            (Poll::Ready(Err(PumpEnd::Source(RecvEnd::Closed))), _)
                if x.answer.framing == Framing::UntilClose =>
            {
                Poll::Ready(Ok(()))
            }
            (Poll::Ready(Err(end)), _) => Poll::Ready(Err(fault(body_fault(end)))),
        }
    })
    .await;
    *into = pump.copied().take().unwrap_or_default();
    read.map(|()| pump.take_carry().is_some())
}

pub(super) fn body_fault(end: PumpEnd) -> Fault {
    match end {
        PumpEnd::Fault(BodyFault::TooLarge) => Fault::AnswerTooLarge,
        PumpEnd::Source(end) => origin_fault(end),
        PumpEnd::Buffers => Fault::Overload,
        PumpEnd::Events(_) => Fault::StreamFraming,
        PumpEnd::Failed => Fault::Function,
        PumpEnd::Fault(_) | PumpEnd::Sink | PumpEnd::SourceSlow | PumpEnd::SinkSlow => {
            Fault::OriginGone
        }
    }
}

const LIMITS: BodyLimits = BodyLimits {
    body_bytes_max: ANSWER_BYTES_MAX,
    extension_bytes_max: 4_096,
    trailer_bytes_max: 10_240,
    trailers_max: 100,
};
