//! Answers that the gateway writes itself.
//!
//! What it is: the only place that turns a [`Fault`] into status, headers and body, and that
//! writes mock answers. Shape: head and body leave in one buffer. Units: bytes. Errors: `false`
//! when no buffer was free, after which the connection can only be closed.
//! Source: API Gateway developer guide, "gateway responses"; the recorded error bodies.

use super::{
    cache::give::{self, Given},
    exchange::Exchange,
    fault::Fault,
    local::Local,
    room::{FieldList, head_fault},
    trace::extended_id,
};
use crate::{
    integrate::{MockAnswer, MockBody},
    net::conn::Conn,
    wire::{method::Method, write::HeadWriter},
};

/// What the fields common to all answers say.
#[derive(Clone, Copy)]
pub(super) struct Common<'a> {
    /// `Date`.
    pub(super) date: &'a [u8],
    /// `x-amzn-RequestId`.
    pub(super) request_id: &'a [u8],
    /// What the limits say, each line with its end.
    pub(super) limits: &'a [u8],
    /// The connection goes on.
    pub(super) keep_alive: bool,
}

impl Common<'_> {
    /// Writes them.
    pub(super) fn write(self, head: &mut HeadWriter<'_>) {
        head.field_verified(b"Date", self.date);
        self.write_own(head);
    }

    /// Those that no origin can have set.
    pub(super) fn write_own(self, head: &mut HeadWriter<'_>) {
        write_own(head, self.request_id, self.limits, self.keep_alive);
    }
}

/// The fields that no origin can have set.
#[inline]
pub(super) fn write_own(
    head: &mut HeadWriter<'_>,
    request_id: &[u8],
    limits: &[u8],
    keep_alive: bool,
) {
    head.field_verified(b"x-amzn-RequestId", request_id);
    head.lines(limits);
    head.lines(if keep_alive { KEEP_ALIVE } else { CLOSE });
}

const KEEP_ALIVE: &[u8] = b"Connection: keep-alive\r\n";
const CLOSE: &[u8] = b"Connection: close\r\n";

/// Answers with a fault.
pub(super) fn fault(
    local: &Local,
    x: &mut Exchange,
    conn: &mut Conn,
    fault: Fault,
    keep_alive: bool,
) -> bool {
    x.fault = Some(fault);
    let mut body = [0u8; FAULT_BODY_BYTES];
    let body = fault_body(fault, local, &mut body);
    let text = fault == Fault::Body(crate::wire::fault::BodyFault::TooLarge);
    let media_type: &[u8] = if text {
        b"text/plain"
    } else {
        b"application/json"
    };
    let error_type = fault.error_type().unwrap_or("");
    let retry_after_s = match fault.status() {
        503 => Some(retry_after_s(local.core.random())),
        _ => x.limits.retry_after_s,
    };
    write(local, x, conn, fault.status(), keep_alive, body, |head| {
        head.field_verified(b"Content-Type", media_type);
        if !error_type.is_empty() {
            head.field_verified(b"x-amzn-ErrorType", error_type.as_bytes());
        }
        if let Some(seconds) = retry_after_s {
            head.field_decimal(b"Retry-After", seconds);
        }
    })
}

/// When a refused client may come back, in seconds: drawn, so that those refused together do not
/// come back together.
fn retry_after_s(random: u64) -> u64 {
    1 + random % RETRY_AFTER_S_MAX
}

const RETRY_AFTER_S_MAX: u64 = 5;
const FAULT_BODY_BYTES: usize = 128;

/// `{"message":…}`, but the recorded plain text where the body was too large.
fn fault_body<'a>(fault: Fault, local: &Local, out: &'a mut [u8; FAULT_BODY_BYTES]) -> &'a [u8] {
    use std::io::Write;
    let mut rest = &mut out[..];
    let written = if fault == Fault::Body(crate::wire::fault::BodyFault::TooLarge) {
        let most = local.serving().plan.limits.body_bytes_max;
        write!(rest, "HTTP content length exceeded {most} bytes.")
    } else {
        write!(rest, "{{\"message\":\"{}\"}}", fault.message())
    };
    let left = rest.len();
    debug_assert!(written.is_ok(), "messages are short");
    &out[..FAULT_BODY_BYTES - left]
}

/// Answers as a mock integration says.
pub(super) fn mock(
    local: &Local,
    x: &mut Exchange,
    conn: &mut Conn,
    answer: &MockAnswer,
    body: Option<&MockBody>,
    keep_alive: bool,
) -> bool {
    let text = body.map_or(&b""[..], |body| &body.text);
    let sets_type = answer
        .fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let media_type = body.map_or("application/json", |body| &body.media_type);
    write(local, x, conn, answer.status, keep_alive, text, |head| {
        if !sets_type {
            head.field_verified(b"Content-Type", media_type.as_bytes());
        }
        for (name, value) in &answer.fields {
            head.field_verified(name.as_bytes(), value.as_bytes());
        }
    })
}

/// Answers with what a mapping has made. `body` is taken only when it is too long to leave with
/// its head. `None` when no buffer was free.
pub(super) fn mapped(
    local: &Local,
    x: &mut Exchange,
    conn: &mut Conn,
    (status, fields): (u16, &FieldList),
    body: &mut Vec<u8>,
    keep_alive: bool,
) -> Result<Option<Given>, Fault> {
    let Some(mut out) = local.core.pool().take() else {
        return Ok(None);
    };
    let mut dates = local.dates.borrow_mut();
    let common = Common {
        date: dates.at(local.core.wall()),
        request_id: &x.request_id,
        limits: &x.limits.lines,
        keep_alive,
    };
    let mut head = HeadWriter::new(out.spare());
    head.status_line(status);
    common.write(&mut head);
    head.field_verified(b"x-amz-apigw-id", &extended_id(&x.request_id));
    fields.write(&mut head);
    let has_body = status >= 200 && status != 204 && status != 304;
    if has_body {
        head.field_decimal(b"Content-Length", body.len() as u64);
    }
    let head_bytes = head.end().map_err(head_fault)?;
    out.commit(head_bytes);
    x.status = status;
    if !has_body || x.head.method == Method::Head {
        conn.send(out.freeze());
        return Ok(Some(Given::Whole));
    }
    x.response_bytes = body.len() as u64;
    let room = out.spare().len().saturating_sub(conn.added_bytes());
    let first = body.get(..room.min(body.len())).unwrap_or(&[]);
    let copied = out.extend(first);
    conn.send(out.freeze());
    Ok(Some(if copied == body.len() {
        Given::Whole
    } else {
        give::made(std::mem::take(body), copied)
    }))
}

/// A whole answer with a body that we have.
fn write(
    local: &Local,
    x: &mut Exchange,
    conn: &mut Conn,
    status: u16,
    keep_alive: bool,
    body: &[u8],
    fields: impl FnOnce(&mut HeadWriter<'_>),
) -> bool {
    let Some(mut out) = local.core.pool().take() else {
        return false;
    };
    let mut dates = local.dates.borrow_mut();
    let common = Common {
        date: dates.at(local.core.wall()),
        request_id: &x.request_id,
        limits: &x.limits.lines,
        keep_alive,
    };
    let mut head = HeadWriter::new(out.spare());
    head.status_line(status);
    common.write(&mut head);
    fields(&mut head);
    let has_body = status >= 200 && status != 204 && status != 304;
    if has_body {
        head.field_decimal(b"Content-Length", body.len() as u64);
    }
    let Ok(head_bytes) = head.end() else {
        return false;
    };
    out.commit(head_bytes);
    x.status = status;
    let shown = if has_body && x.head.method != Method::Head {
        body
    } else {
        b""
    };
    x.response_bytes = shown.len() as u64;
    let copied = out.extend(shown);
    conn.send(out.freeze());
    let mut rest = &shown[copied..];
    while !rest.is_empty() {
        let Some(mut more) = local.core.pool().take() else {
            return false;
        };
        let copied = more.extend(rest);
        rest = &rest[copied..];
        conn.send(more.freeze());
    }
    true
}
