//! Heads of exchanges whose payloads pass while they come.
//!
//! What it is: what the other stages of this road make of a request and of an answer, without their
//! payloads. Shape: [`request_head`] gives a whole head, [`answer_head`] leaves fields in the room
//! and gives the status. Units: status numbers. Errors: [`Fault`], as where payloads are whole.
//! Source: Amazon API Gateway developer guide, "HTTP proxy integrations for HTTP APIs", "transform
//! API requests and responses for HTTP APIs".

use super::{
    super::{
        exchange::Exchange, fault::Fault, forward::Call, journal, room::Room, trace::write_trace,
    },
    Road, answer, http_api, request,
};
use crate::{plan::HttpPlan, ring::Buf};

/// The head of the request for the endpoint.
pub(in super::super) fn request_head(
    call: &Call<'_>,
    x: &mut Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
) -> Result<Buf, Fault> {
    if x.trace.is_empty() {
        write_trace(x, || call.local.core.random());
    }
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
