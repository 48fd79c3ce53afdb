//! A payload read whole.
//!
//! What it is: receives what is left of a request, no slower than a client may be, and keeps it.
//! Shape: the bytes end in the caller's vector; what is left of the connection comes back. Units:
//! bytes. Ranges: `limits.body_bytes_max` for one, `limits.payload_bytes_max` for all of a core.
//! Errors: [`NoBody`]. Source: Amazon API Gateway developer guide, "quotas" (10 MB);
//! RELIABILITY sections 2 and 3.

use std::task::Poll;

use super::{exchange::Exchange, fault::Fault, forward::Call, room::Account};
use crate::{
    base::time::Mono,
    net::{
        conn::Conn,
        pump::{OutFraming, Pump, PumpEnd},
    },
    ring::Buf,
    wire::{body::BodyReader, write::CONTINUE},
};

/// Why there is no payload.
pub(super) enum NoBody {
    /// The client is gone.
    Gone,
    /// It is refused, and nothing behind it can be read as a request.
    Fault(Fault),
}

/// Reads the body of the request in `x` into `into`.
pub(super) async fn collect(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    (mut body, mut carry): (BodyReader, Option<Buf>),
    account: &mut Account<'_>,
    into: &mut Vec<u8>,
) -> Result<(BodyReader, Option<Buf>), NoBody> {
    into.clear();
    if body.is_done() {
        return Ok((body, carry));
    }
    invite(call, conn, x);
    let bytes_max = call.serving.plan.limits.payload_bytes_max;
    if let Some(length) = body.length_left() {
        account.holds(length, bytes_max).map_err(NoBody::Fault)?;
        // A declared length is only believed as far as usual payloads go.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        into.reserve(length.min(RESERVED_BYTES_MAX));
    }
    if let Some(bytes) = take_whole(&mut body, &mut carry, into) {
        x.request_bytes = bytes;
        return Ok((body, carry));
    }
    let mut pump = Pump::new(body, OutFraming::Nowhere, carry).with_source_pace(call.serving.pace);
    pump.begin_copy(std::mem::take(into));
    let read = std::future::poll_fn(|_| {
        let polled = pump.poll_away(conn, Mono::FAR, u64::MAX);
        let held = account.holds(pump.moved_bytes(), bytes_max);
        match (polled, held) {
            (Poll::Pending, Err(fault)) => Poll::Ready(Err(NoBody::Fault(fault))),
            (polled, _) => polled.map_err(no_body),
        }
    })
    .await;
    *into = pump.copied().take().unwrap_or_default();
    x.request_bytes = pump.moved_bytes();
    read.map(|()| pump.into_rest())
}

/// Takes a payload of declared length that has come whole behind its head; gives its length.
pub(super) fn take_whole(
    body: &mut BodyReader,
    carry: &mut Option<Buf>,
    into: &mut Vec<u8>,
) -> Option<u64> {
    let length = body.length_left()?;
    if length > 0 {
        let buf = carry.as_mut()?;
        let bytes = usize::try_from(length).ok()?;
        into.extend_from_slice(buf.get(..bytes)?);
        buf.advance(bytes);
        *body = BodyReader::Length(0);
    }
    if carry.as_ref().is_some_and(|buf| buf.is_empty()) {
        *carry = None;
    }
    Some(length)
}

/// A client that waits for permission to send its body gets it.
fn invite(call: &Call<'_>, conn: &mut Conn, x: &mut Exchange) {
    if x.head.expect_continue
        && let Some(mut out) = call.local.core.pool().take()
    {
        x.head.expect_continue = false;
        out.extend(CONTINUE);
        conn.send(out.freeze());
    }
}

fn no_body(end: PumpEnd) -> NoBody {
    match end {
        PumpEnd::Fault(fault) => NoBody::Fault(Fault::Body(fault)),
        PumpEnd::SourceSlow => NoBody::Fault(Fault::BodyTimeout),
        PumpEnd::Buffers => NoBody::Fault(Fault::Overload),
        PumpEnd::Source(_)
        | PumpEnd::Sink
        | PumpEnd::SinkSlow
        | PumpEnd::Events(_)
        | PumpEnd::Failed => NoBody::Gone,
    }
}

/// Room made at once for a declared length.
const RESERVED_BYTES_MAX: usize = 64 * 1024;
