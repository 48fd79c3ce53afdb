//! Exchanges whose payloads pass while they come.
//!
//! What it is: what the other stages of this road make of a request and of an answer, without their
//! payloads; and answers that pass behind requests that had to be whole, which is what all do that
//! ask functions. Shape: [`request_head`] gives a whole head, [`answer_head`] leaves fields in the
//! room and gives the status; [`http`] and [`function`] ask, send the client's head, and give what
//! is left to be moved. Units: bytes, status numbers. Errors: [`Fault`], as where payloads are
//! whole; [`Fault::StreamFraming`]. Source: Amazon API Gateway developer guide, "transform API
//! requests and responses for HTTP APIs", "Lambda proxy integration with payload response
//! streaming"; AWS Lambda API reference, "InvokeWithResponseStream".

use std::task::Poll;

use super::{
    super::{
        ask::{Asked, Question, Unasked, ask_head, body_fault},
        exchange::Exchange,
        fault::Fault,
        finish::wants_keep_alive,
        forward::{Call, is_gone},
        journal,
        passage::{Passage, Shown, UNLIMITED},
        relay::{self, Begun, Patience},
        respond,
        room::Room,
        trace::write_trace,
    },
    Mapped, Rest, Road, answer, function, function_target, http_api, http_target, question,
    request,
};
use crate::{
    base::time::Mono,
    integrate::{
        content::media_type_of,
        function::{Front, Invoked},
    },
    net::{
        conn::Conn,
        pump::{OutFraming, Pump, PumpEnd},
    },
    origin::Lease,
    plan::{FunctionPlan, HttpPlan},
    ring::Buf,
    wire::{body::BodyReader, events::EVENT_STREAM, known::Known, write::HeadWriter},
};

/// An answer that passes.
pub(in super::super) struct Passing {
    pub(in super::super) lease: Lease,
    pub(in super::super) begun: Begun,
}

/// The head of the request for the endpoint.
pub(in super::super) fn request_head(
    call: &Call<'_>,
    x: &mut Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
) -> Result<Buf, Fault> {
    write_trace(x, || call.local.core.random());
    let mut room = call.local.take_room();
    let head = request::http_streamed(call, x, (road, plan), &mut room);
    call.local.keep_room(room);
    head
}

/// The fields of the answer for the client, made of the head in `x`; gives the status.
pub(in super::super) fn answer_head(
    call: &Call<'_>,
    x: &Exchange,
    road: Road<'_>,
    room: &mut Room,
) -> Result<u16, Fault> {
    answer::pass_fields(x, road, &mut room.fields, false);
    let status = match &road.plan.http_api {
        Some(plan) => http_api::edit_answer(call, x, (road, plan), x.answer.status, room)?,
        None => x.answer.status,
    };
    journal::responds(x, room.fields.iter(), None);
    Ok(status)
}

/// Asks an HTTP endpoint whose answer passes.
pub(super) async fn http(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
    rest: Rest,
    room: &mut Room,
) -> Mapped {
    let target = http_target(x, plan);
    let asked = match request::http(call, x, (road, plan), room) {
        Ok(ready) => {
            let question = question(call, x, target, &ready, room);
            ask(call, conn, x, &question).await
        }
        Err(fault) => Err(Unasked::Fault(fault)),
    };
    let begun = asked.and_then(|asked| {
        let passage = Passage::Mapped(road, plan);
        let patience = passage.patience(call, asked.started);
        let carry = asked.carry;
        let begun = relay::begin(call, conn, x, (passage, patience), true, carry);
        let begun = begun.map_err(Unasked::Fault)?;
        note_unsent(x, asked.is_sent);
        Ok((asked.lease, begun))
    });
    passing(begun, rest)
}

/// Calls a function whose answer passes.
pub(super) async fn function(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    (road, plan): (Road<'_>, &FunctionPlan),
    rest: Rest,
    room: &mut Room,
) -> Mapped {
    let target = function_target(plan);
    let asked = match function::call_of(call, x, (road, plan), room) {
        Ok(ready) => {
            let question = question(call, x, target, &ready, room);
            ask(call, conn, x, &question).await
        }
        Err(fault) => Err(Unasked::Fault(fault)),
    };
    let begun = match asked {
        Ok(asked) => begin_function(call, conn, x, (road, plan), asked, room).await,
        Err(unasked) => Err(unasked),
    };
    passing(begun, rest)
}

/// Asks, and tells of it.
async fn ask(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    question: &Question<'_>,
) -> Result<Asked, Unasked> {
    let asked = ask_head(call, conn, x, question).await?;
    journal::answered(x, None);
    Ok(asked)
}

fn passing(begun: Result<(Lease, Begun), Unasked>, rest: Rest) -> Mapped {
    match begun {
        Ok((lease, begun)) => Mapped::Passes(Box::new(Passing { lease, begun }), rest),
        Err(Unasked::Gone) => Mapped::Gone,
        Err(Unasked::Fault(fault)) => Mapped::Fault(fault, rest),
    }
}

/// An endpoint that answers before it has read everything is not asked again on its connection.
fn note_unsent(x: &mut Exchange, is_sent: bool) {
    x.answer.keep_alive &= is_sent;
}

/// Reads what stands in front of a function's output, and sends the client's head.
async fn begin_function(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    (road, plan): (Road<'_>, &FunctionPlan),
    asked: Asked,
    room: &mut Room,
) -> Result<(Lease, Begun), Unasked> {
    let patience = Patience::new(call, plan.timeout_ms, plan.idle_ms, asked.started);
    if function::outcome(x).map_err(Unasked::Fault)? == Invoked::FunctionError {
        return Err(Unasked::Fault(Fault::Function));
    }
    note_unsent(x, asked.is_sent);
    let Asked {
        mut lease, carry, ..
    } = asked;
    let reader = BodyReader::new(x.answer.framing, UNLIMITED);
    let reader = reader.map_err(|_| Unasked::Fault(Fault::AnswerTooLarge))?;
    let mut download = Pump::new(reader, OutFraming::Nowhere, carry).with_sink_pace(patience.pace);
    if is_event_stream(x) {
        download = download.with_events();
    }
    let deadline = patience.deadline(call.local.core.now());
    let front = read_front(call, conn, x, (&mut lease, &mut download), deadline).await?;
    let status = function::streamed(x, road, &front, room).map_err(Unasked::Fault)?;
    x.integration.function_status = status;
    journal::responds(x, room.fields.iter(), None);
    let shown = Shown::of_stream(x, status);
    let ends = shown == Shown::Close;
    let keep_alive = wants_keep_alive(call.local, x) && !ends;
    let head = call.local.core.pool().take();
    let mut head = head.ok_or(Unasked::Fault(Fault::Overload))?;
    let made = (status, &room.fields, keep_alive);
    let shows = |head: &mut HeadWriter<'_>| shown.write(head);
    respond::made_head(call.local, x, made, shows, &mut head).map_err(Unasked::Fault)?;
    x.status = status;
    conn.send(head.freeze());
    if ends {
        conn.begin_saying();
    }
    download.frame_as(match shown {
        Shown::None(_) => OutFraming::Nowhere,
        Shown::Chunked => OutFraming::Chunked,
        Shown::Length(_) | Shown::Close => OutFraming::Raw,
    });
    let begun = Begun {
        download,
        keep_alive,
        patience,
    };
    Ok((lease, begun))
}

/// The service streams events; whoever runs functions otherwise streams what they write.
fn is_event_stream(x: &Exchange) -> bool {
    let bytes = x.answer_bytes.bytes();
    let field = x.answer.fields.all(Known::ContentType).last();
    field.is_some_and(|field| {
        media_type_of(field.value.of(bytes)).eq_ignore_ascii_case(EVENT_STREAM)
    })
}

/// Reads to the end of what stands in front of the payload.
async fn read_front(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    (lease, download): (&mut Lease, &mut Pump),
    deadline: Mono,
) -> Result<Front, Unasked> {
    let mut front = Front::default();
    let read = std::future::poll_fn(|_| {
        loop {
            let byte = match download.poll_byte(lease.conn(), deadline) {
                Poll::Pending if is_gone(call, conn, x) => return Poll::Ready(Err(Unasked::Gone)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(byte)) => byte,
                Poll::Ready(Err(end)) => return Poll::Ready(Err(no_front(x, download, end))),
            };
            let pushed = byte.map(|byte| front.push(byte));
            match pushed {
                Some(Ok(false)) => {}
                Some(Ok(true)) => return Poll::Ready(Ok(())),
                Some(Err(_)) | None => {
                    return Poll::Ready(Err(Unasked::Fault(Fault::StreamFraming)));
                }
            }
        }
    })
    .await;
    read.map(|()| front)
}

/// Why nothing stands in front of a payload.
fn no_front(x: &Exchange, download: &Pump, end: PumpEnd) -> Unasked {
    if let Some(failure) = download.failure() {
        journal::stream_failed(x, failure);
    }
    Unasked::Fault(body_fault(end))
}
