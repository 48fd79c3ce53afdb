//! The half of the way that awaits an origin.
//!
//! What it is: sends the rebuilt request to an endpoint, its body while it comes, and waits for the
//! answer's head; what is behind that passes in `relay`. Shape: `forward` is the order of events;
//! a `Passage` says who is asked and makes both heads, so that requests which are mapped have no
//! exchange of their own. Units: bytes, [`Mono`]. Errors: before the answer's head they become a
//! [`Fault`]; afterwards the client's connection is cut visibly.
//! Source: RELIABILITY sections 1 and 4; RFC 9110 section 7.6; RFC 9112 section 6.

use std::{rc::Rc, task::Poll};

use super::{
    cache::{
        Tier, give,
        keep::{self, Came},
    },
    exchange::{Exchange, Peer},
    fault::Fault,
    finish::{finish_early, finish_given, keeps_alive_early, linger},
    journal,
    local::{Local, Serving},
    passage::Passage,
    relay::{self, Begun, Patience},
    request::Next,
    respond::{self, At},
    rewrite,
};
use crate::{
    base::time::Mono,
    cache::Hit,
    exec::RecvEnd,
    net::{
        conn::Conn,
        pump::{OutFraming, Pump, PumpEnd},
    },
    origin::{Group, Lease},
    plan::{RouteCache, StagePlan},
    ring::Buf,
    wire::{
        body::BodyReader,
        fault::HeadFault,
        finder::HeadFinder,
        framing::Framing,
        method::Method,
        response::{ResponseTo, parse_response},
        write::CONTINUE,
    },
};

/// What a forwarded request needs of its surroundings.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) local: &'a Rc<Local>,
    pub(super) serving: &'a Rc<Serving>,
    pub(super) peer: Peer,
    /// Where answers of its route are kept, if anywhere.
    pub(super) cache: Option<RouteStore<'a>>,
}

impl Call<'_> {
    /// Where its answer is given.
    pub(super) fn at(&self) -> At<'_> {
        At {
            local: self.local,
            serving: self.serving,
            peer: &self.peer,
        }
    }
}

/// The store as one route uses it.
#[derive(Clone, Copy)]
pub(super) struct RouteStore<'a> {
    pub(super) plan: &'a RouteCache,
    pub(super) stage: &'a StagePlan,
    pub(super) tier: &'a Tier,
}

/// Why there is no answer.
enum NoAnswer {
    /// The client is gone or broke a rule.
    Client(PumpEnd),
    /// No request can be made of what it asked.
    Request(Fault),
    /// The origin failed; nothing of its answer was seen.
    Origin(Fault),
}

/// Forwards the request and its answer.
pub(super) async fn forward(
    call: &Call<'_>,
    passage: Passage<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    body: BodyReader,
    carry: Option<Buf>,
) -> Next {
    let Call { local, serving, .. } = *call;
    let core = &local.core;
    let Some(group) = serving.group(passage.origin()) else {
        return early(call, conn, x, Fault::Configuration, body, carry).await;
    };
    let started = core.now();
    let passing = (passage, passage.patience(call, started));
    let deadline = passing.1.deadline(started);
    let method = passage.method(x);
    let out = match x.head.framing {
        Framing::Chunked => OutFraming::Chunked,
        _ => OutFraming::Raw,
    };
    let mut before = None;
    let mut upload = Pump::new(body, out, carry).with_source_pace(serving.pace);
    if method.is_idempotent() && !upload.is_done() {
        let bytes_max = serving.plan.limits.retry_body_bytes_max as usize;
        upload = upload.with_hold(std::mem::take(&mut x.held), bytes_max);
    }
    loop {
        x.integration.attempts += 1;
        let acquired = group.acquire(core, deadline, passage.face(), before);
        let acquired = unless_gone(call, conn, x, acquired);
        let mut lease = match acquired.await {
            Some(Ok(lease)) => lease,
            Some(Err(fault)) => {
                let fault = Fault::Unreachable(fault);
                return origin_failed(call, conn, x, fault, upload).await;
            }
            None => return Next::Close,
        };
        x.integration.endpoint = Some(lease.endpoint());
        let fault = match ask(call, conn, x, passage, &mut lease, &mut upload, deadline).await {
            Ok(carry) => {
                x.integration.latency_ns = core.now().since_ns(started);
                journal::answered(x, None);
                passage.receive(x);
                note_status(group, lease.endpoint(), x.answer.status, core.now());
                return match answered(call, conn, x, passing, upload.is_done(), carry) {
                    Answered::Begun(mut begun) => {
                        relay::pass(call, conn, x, lease, &mut upload, &mut begun).await
                    }
                    Answered::Held(hit, age_s, is_bare) => {
                        if is_bare && upload.is_done() {
                            lease.keep();
                        }
                        give_held(call, conn, x, (hit, age_s), upload).await
                    }
                    Answered::Fault(fault) => give_up(call, conn, x, fault, upload).await,
                };
            }
            Err(NoAnswer::Client(end)) => return client_failed(call, conn, x, end).await,
            Err(NoAnswer::Request(fault)) => return give_up(call, conn, x, fault, upload).await,
            Err(NoAnswer::Origin(fault)) => fault,
        };
        if !lease.reused {
            group.record_failure(lease.endpoint(), core.now());
        }
        if !may_retry(group, x, method, &upload, fault) {
            x.integration.latency_ns = core.now().since_ns(started);
            return origin_failed(call, conn, x, fault, upload).await;
        }
        before = Some(lease.failed());
    }
}

/// Asks one endpoint; gives what came behind the answer's head.
async fn ask(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    passage: Passage<'_>,
    lease: &mut Lease,
    upload: &mut Pump,
    deadline: Mono,
) -> Result<Option<Buf>, NoAnswer> {
    let head = passage.request(call, x).map_err(NoAnswer::Request)?;
    x.cache.asked_at = call.local.core.wall();
    journal::asks(call, x, passage.origin(), &head, None);
    lease.conn().send(head);
    upload.replay(lease.conn());
    continue_upload(call, conn, x, upload);
    let carry = await_answer(call, conn, (lease.conn(), passage), x, upload, deadline).await?;
    x.integration.status = x.answer.status;
    Ok(carry)
}

/// What becomes of an answer whose head has come.
#[allow(clippy::large_enum_variant)] // one at a time, for one match: a box would cost every request
enum Answered {
    /// It passes.
    Begun(Begun),
    /// What is held stands in for it, so old; whether the connection it came on is free again.
    Held(Hit, Option<u64>, bool),
    /// It cannot be passed.
    Fault(Fault),
}

/// Judges the answer whose head is in `x`.
fn answered(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    passing: (Passage<'_>, Patience),
    is_uploaded: bool,
    carry: Option<Buf>,
) -> Answered {
    match keep::answer_came(call, x) {
        Came::Pass => match relay::begin(call, conn, x, passing, is_uploaded, carry) {
            Ok(begun) => Answered::Begun(begun),
            Err(fault) => Answered::Fault(fault),
        },
        Came::Held { hit, age_s } => {
            let is_bare = x.answer.framing == Framing::None && carry.is_none();
            Answered::Held(hit, age_s, is_bare && x.answer.keep_alive)
        }
    }
}

/// One more try is allowed, and only one: no byte of an answer was seen, the method can be
/// repeated, what was sent of the body is still held, and the budget of retries lasts.
fn may_retry(group: &Group, x: &Exchange, method: Method, upload: &Pump, fault: Fault) -> bool {
    let repeatable = method.is_idempotent() && upload.can_replay();
    may_repeat(group, x, repeatable, fault)
}

/// The same for a request that can be repeated, or cannot.
pub(super) fn may_repeat(group: &Group, x: &Exchange, repeatable: bool, fault: Fault) -> bool {
    let transient = matches!(fault, Fault::OriginGone);
    let unseen = !x.integration.answer_seen && x.integration.attempts == 1;
    repeatable && transient && unseen && group.spend_retry()
}

pub(super) fn note_status(group: &Group, endpoint: usize, status: u16, now: Mono) {
    if matches!(status, 502..=504) {
        group.record_failure(endpoint, now);
    } else {
        group.record_success(endpoint);
    }
}

/// Awaits `work` unless the client leaves first: nobody would want what comes of it.
pub(super) async fn unless_gone<T>(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        if is_gone(call, conn, x) {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// The client has left: by a reset, or by an end that is as old as it may be. A client that only
/// ends its side looks the same as one that leaves, until something is sent to it.
pub(super) fn is_gone(call: &Call<'_>, conn: &mut Conn, x: &mut Exchange) -> bool {
    match conn.poll_end() {
        Poll::Pending => false,
        Poll::Ready(RecvEnd::Failed(_)) => true,
        Poll::Ready(RecvEnd::Closed | RecvEnd::Timeout) => {
            let core = &call.local.core;
            let grace_ms = u64::from(call.serving.plan.limits.half_closed_ms);
            let until = *(x.leaves_at).get_or_insert_with(|| core.now().plus_ms(grace_ms));
            core.wake_at(until);
            core.now() >= until
        }
    }
}

/// A client that waits for permission to send its body gets it once an origin is there.
fn continue_upload(call: &Call<'_>, conn: &mut Conn, x: &mut Exchange, upload: &Pump) {
    if x.head.expect_continue
        && !upload.is_done()
        && let Some(mut out) = call.local.core.pool().take()
    {
        x.head.expect_continue = false;
        out.extend(CONTINUE);
        conn.send(out.freeze());
    }
}

/// Sends the body while waiting for the answer's head; gives what came behind the head.
async fn await_answer(
    call: &Call<'_>,
    conn: &mut Conn,
    (origin, passage): (&mut Conn, Passage<'_>),
    x: &mut Exchange,
    upload: &mut Pump,
    deadline: Mono,
) -> Result<Option<Buf>, NoAnswer> {
    let mut finder = HeadFinder::response();
    let mut interims = 0u32;
    let mut held: Option<Buf> = None;
    x.answer_bytes.clear();
    loop {
        let buf = match held.take() {
            Some(buf) => buf,
            None => {
                std::future::poll_fn(|_| {
                    if let Poll::Ready(Err(end)) = upload.poll(conn, origin, deadline)
                        && !matches!(end, PumpEnd::Sink)
                    {
                        return Poll::Ready(Err(NoAnswer::Client(end)));
                    }
                    if upload.is_done() && is_gone(call, conn, x) {
                        let end = PumpEnd::Source(RecvEnd::Closed);
                        return Poll::Ready(Err(NoAnswer::Client(end)));
                    }
                    origin.poll_recv_until(deadline).map_err(|end| {
                        NoAnswer::Origin(match end {
                            RecvEnd::Timeout => Fault::OriginTimeout,
                            RecvEnd::Closed | RecvEnd::Failed(_) => Fault::OriginGone,
                        })
                    })
                })
                .await?
            }
        };
        if !std::mem::replace(&mut x.integration.answer_seen, true) {
            upload.let_go(&mut x.held);
        }
        let to_head = x.head.method == Method::Head || passage.method(x) == Method::Head;
        let taken = take_head(call, x, &mut finder, buf, to_head).map_err(NoAnswer::Origin)?;
        let Some(carry) = taken else {
            continue;
        };
        if !x.answer.is_interim() {
            return Ok((!carry.is_empty()).then_some(carry));
        }
        interims += 1;
        if interims > call.serving.plan.limits.interim_responses_max {
            return Err(NoAnswer::Origin(Fault::OriginAnswer(HeadFault::StatusCode)));
        }
        if passage.passes_interim() {
            pass_interim(call, conn, x).map_err(NoAnswer::Origin)?;
        }
        finder = HeadFinder::response();
        x.answer_bytes.clear();
        held = (!carry.is_empty()).then_some(carry);
    }
}

/// Sends the interim answer in `x` on, as RFC 9110 section 15.2 asks of a proxy. Two kinds end
/// here: what HTTP/1.0 could not read, and a 100, of which the client has had ours.
fn pass_interim(call: &Call<'_>, conn: &mut Conn, x: &Exchange) -> Result<(), Fault> {
    if x.head.minor == 0 || x.answer.status == 100 {
        return Ok(());
    }
    let mut out = call.local.core.pool().take().ok_or(Fault::Overload)?;
    rewrite::interim(x, &mut out).map_err(|_| Fault::OriginAnswer(HeadFault::HeadTooLarge))?;
    conn.send(out.freeze());
    Ok(())
}

/// Adds received bytes to the answer's head; when it is whole, parses it and gives the rest.
pub(super) fn take_head(
    call: &Call<'_>,
    x: &mut Exchange,
    finder: &mut HeadFinder,
    mut buf: Buf,
    to_head: bool,
) -> Result<Option<Buf>, Fault> {
    let limits = &call.serving.answer_limits;
    let before = x.answer_bytes.bytes().len();
    let end = if before == 0 {
        let end = finder.find(&buf, limits).map_err(Fault::OriginAnswer)?;
        match end {
            Some(end) => x.answer_bytes.set_whole(buf.split_to(end)),
            None => x.answer_bytes.push(&buf),
        }
        end
    } else {
        x.answer_bytes.push(&buf);
        let end = finder
            .find(x.answer_bytes.bytes(), limits)
            .map_err(Fault::OriginAnswer)?;
        if let Some(end) = end {
            x.answer_bytes.truncate(end);
            buf.advance(end.saturating_sub(before));
        }
        end
    };
    if end.is_none() {
        return Ok(None);
    }
    let to = ResponseTo {
        head: to_head,
        upgrade: false,
    };
    parse_response(x.answer_bytes.bytes(), limits, to, &mut x.answer)
        .map_err(Fault::OriginAnswer)?;
    Ok(Some(buf))
}

/// No answer came from the origin: what is held may stand in for it.
async fn origin_failed(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    fault: Fault,
    upload: Pump,
) -> Next {
    match keep::origin_failed(call, x) {
        Some((hit, age_s)) => give_held(call, conn, x, (hit, Some(age_s)), upload).await,
        None => give_up(call, conn, x, fault, upload).await,
    }
}

/// Answers with what is held.
async fn give_held(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    held: (Hit, Option<u64>),
    upload: Pump,
) -> Next {
    let Call { local, serving, .. } = *call;
    let (body, carry) = upload.into_rest();
    let keep = keeps_alive_early(local, serving, x, &body);
    let given = give::held(local, serving, conn, x, held, keep);
    finish_given(local, serving, conn, x, (body, carry), given, keep).await
}

/// Answers with a fault instead of the origin.
async fn give_up(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    fault: Fault,
    upload: Pump,
) -> Next {
    x.request_bytes = upload.moved_bytes();
    let (body, carry) = upload.into_rest();
    early(call, conn, x, fault, body, carry).await
}

async fn early(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    fault: Fault,
    body: BodyReader,
    carry: Option<Buf>,
) -> Next {
    let keep = keeps_alive_early(call.local, call.serving, x, &body) && !fault.closes();
    let sent = respond::fault(call.at(), x, conn, fault, keep);
    finish_early(call.local, call.serving, conn, x, body, carry, keep && sent).await
}

/// The client broke a rule in its body, was too slow, or is gone.
async fn client_failed(call: &Call<'_>, conn: &mut Conn, x: &mut Exchange, end: PumpEnd) -> Next {
    let fault = match end {
        PumpEnd::Fault(fault) => Fault::Body(fault),
        PumpEnd::SourceSlow => Fault::BodyTimeout,
        PumpEnd::Buffers => Fault::Overload,
        PumpEnd::Source(_)
        | PumpEnd::Sink
        | PumpEnd::SinkSlow
        | PumpEnd::Events(_)
        | PumpEnd::Failed => return Next::Close,
    };
    respond::fault(call.at(), x, conn, fault, false);
    linger(call.local, conn).await;
    Next::Close
}
