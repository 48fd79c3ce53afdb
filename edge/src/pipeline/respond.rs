//! Answers that the gateway writes itself.
//!
//! What it is: the only place that turns a [`Fault`] into status, headers and body, and that
//! writes mock answers. Shape: head and body leave in one buffer. Units: bytes. Errors: `false`
//! when no buffer was free, after which the connection can only be closed.
//! Source: API Gateway developer guide, "gateway responses"; the recorded error bodies.

use std::rc::Rc;

use super::{
    cache::give::{self, Given},
    context::Context,
    exchange::{Exchange, Peer},
    fault::Fault,
    journal,
    local::{Local, Serving},
    room::{FieldList, head_fault},
    trace::extended_id,
};
use crate::{
    integrate::{MockAnswer, MockBody, cors::is_preflight},
    mapping::gateway_response::{GatewayResponses, ResponseType, quote},
    model::api::ApiKind,
    net::conn::Conn,
    ring::BufMut,
    wire::{known::Known, method::Method, write::HeadWriter},
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

/// The fields common to all answers, as the kind of the API names the request's id.
#[inline]
pub(super) fn write_ids(x: &Exchange, common: Common<'_>, head: &mut HeadWriter<'_>) {
    if x.is_http_api {
        head.field_verified(b"Date", common.date);
        head.field_verified(b"apigw-requestid", &extended_id(&x.request_id));
        head.lines(common.limits);
        head.lines(if common.keep_alive { KEEP_ALIVE } else { CLOSE });
    } else {
        common.write(head);
        head.field_verified(b"x-amz-apigw-id", &extended_id(&x.request_id));
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

/// Where an answer is given.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) local: &'a Rc<Local>,
    pub(super) serving: &'a Serving,
    pub(super) peer: &'a Peer,
}

/// Answers with a fault, as the API says or as the gateway does of itself.
pub(super) fn fault(
    at: At<'_>,
    x: &mut Exchange,
    conn: &mut Conn,
    fault: Fault,
    keep_alive: bool,
) -> bool {
    x.fault = Some(fault);
    journal::failed(x, fault);
    let api = x.stage.and_then(|stage| at.serving.plan.stage(stage));
    match api.map(|stage| &*stage.api) {
        Some(api) if api.kind == ApiKind::Http => http_api(at, x, conn, fault, keep_alive),
        Some(api) => match api.responses.as_deref() {
            Some(responses) => customized(at, x, conn, responses, (fault, keep_alive)),
            None => plain(at, x, conn, fault, keep_alive),
        },
        None => plain(at, x, conn, fault, keep_alive),
    }
}

/// Answers as HTTP APIs do.
#[cold]
fn http_api(at: At<'_>, x: &mut Exchange, conn: &mut Conn, fault: Fault, keep_alive: bool) -> bool {
    let (status, message) = fault.of_http_api();
    let mut fields = FieldList::default();
    let stage = x.stage.and_then(|stage| at.serving.plan.stage(stage));
    if let Some(cors) = stage.and_then(|stage| stage.api.cors.as_ref()) {
        let origin = x.head.fields.all(Known::Origin).last();
        let origin = origin.map(|field| x.text(field.value));
        cors.answer(origin, |name, value| fields.add(name.as_bytes(), value));
    }
    let body = [b"{\"message\":\"", message.as_bytes(), b"\"}"].concat();
    let retry_after_s = retry_after(at.local, x, status);
    write(at.local, x, conn, status, keep_alive, &body, |head| {
        head.field_verified(b"Content-Type", b"application/json");
        if let Some(seconds) = retry_after_s {
            head.field_decimal(b"Retry-After", seconds);
        }
        fields.write(head);
    })
}

/// Answers a preflight of a browser, if it is one and the API has told what to say; gives whether
/// a buffer was free.
pub(super) fn preflight(
    at: At<'_>,
    x: &mut Exchange,
    conn: &mut Conn,
    keep_alive: bool,
) -> Option<bool> {
    let stage = at.serving.plan.stage(x.stage?)?;
    let cors = stage.api.cors.as_ref()?;
    let bytes = x.head_bytes.bytes();
    let origin = x.head.fields.all(Known::Origin).last();
    let origin = origin.map(|field| field.value.of(bytes));
    let mut methods = x.head.fields.named(bytes, b"Access-Control-Request-Method");
    let method = methods.next().map(|field| field.value.of(bytes));
    if !is_preflight(x.head.method == Method::Options, origin, method) {
        return None;
    }
    let mut fields = FieldList::default();
    cors.preflight(origin?, |name, value| fields.add(name.as_bytes(), value));
    drop(methods);
    let written = write(at.local, x, conn, 204, keep_alive, b"", |head| {
        fields.write(head);
    });
    Some(written)
}

/// Answers as the API's gateway responses say, if one is for the fault.
#[cold]
fn customized(
    at: At<'_>,
    x: &mut Exchange,
    conn: &mut Conn,
    responses: &GatewayResponses,
    (fault, keep_alive): (Fault, bool),
) -> bool {
    let kind = ResponseType::parse(fault.response_type());
    // Recorded: what a client reads that sends too much cannot be changed.
    let kind = kind.filter(|kind| *kind != ResponseType::RequestTooLarge);
    let Some(response) = kind.and_then(|kind| responses.of(kind)) else {
        return plain(at, x, conn, fault, keep_alive);
    };
    let route = x.route.and_then(|route| at.serving.plan.route(route));
    let context = Context::of(at, x, route);
    let accept = context.known_field(Known::Accept);
    let mut body = Vec::new();
    let Ok(media_type) = response.body(accept, &context, &mut body) else {
        return plain(at, x, conn, fault, keep_alive);
    };
    let mut fields = FieldList::default();
    fields.add(b"Content-Type", media_type.as_bytes());
    if let Some(error_type) = fault.error_type() {
        fields.add(b"x-amzn-ErrorType", error_type.as_bytes());
    }
    if let Some(seconds) = retry_after(at.local, x, fault.status()) {
        fields.add(b"Retry-After", seconds.to_string().as_bytes());
    }
    response.fields(&context, |name, value| fields.set(name.as_bytes(), value));
    let status = response.status().unwrap_or(fault.status());
    write(at.local, x, conn, status, keep_alive, &body, |head| {
        fields.write(head);
    })
}

/// When to come back, in seconds, if that is said.
fn retry_after(local: &Local, x: &Exchange, status: u16) -> Option<u64> {
    match status {
        503 => Some(retry_after_s(local.core.random())),
        _ => x.limits.retry_after_s,
    }
}

/// Answers as the gateway does of itself.
fn plain(
    At { local, serving, .. }: At<'_>,
    x: &mut Exchange,
    conn: &mut Conn,
    fault: Fault,
    keep_alive: bool,
) -> bool {
    let mut room = [0u8; FAULT_BODY_BYTES];
    let detailed;
    let body = match &*x.detail {
        "" => fault_body(fault, serving, &mut room),
        detail => {
            let mut out = [b"{\"", fault.member().as_bytes(), b"\":"].concat();
            quote(detail.as_bytes(), &mut out);
            out.push(b'}');
            detailed = out;
            &detailed[..]
        }
    };
    let text = fault == Fault::Body(crate::wire::fault::BodyFault::TooLarge);
    let media_type: &[u8] = if text {
        b"text/plain"
    } else {
        b"application/json"
    };
    let error_type = fault.error_type().unwrap_or("");
    let retry_after_s = retry_after(local, x, fault.status());
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
fn fault_body<'a>(
    fault: Fault,
    serving: &Serving,
    out: &'a mut [u8; FAULT_BODY_BYTES],
) -> &'a [u8] {
    use std::io::Write;
    let mut rest = &mut out[..];
    let written = if fault == Fault::Body(crate::wire::fault::BodyFault::TooLarge) {
        let most = serving.plan.limits.body_bytes_max;
        write!(rest, "HTTP content length exceeded {most} bytes.")
    } else {
        write!(rest, "{{\"{}\":\"{}\"}}", fault.member(), fault.message())
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
    journal::mocks(x, answer, media_type, text);
    write(local, x, conn, answer.status, keep_alive, text, |head| {
        if !sets_type {
            head.field_verified(b"Content-Type", media_type.as_bytes());
        }
        for (name, value) in &answer.fields {
            head.field_verified(name.as_bytes(), value.as_bytes());
        }
    })
}

/// What a mapping has made, but for its payload.
#[derive(Clone, Copy)]
pub(super) struct Made<'m> {
    pub(super) status: u16,
    pub(super) fields: &'m FieldList,
    /// How long the payload would be that HEAD has left out.
    pub(super) left_out_bytes: Option<u64>,
}

/// Answers with what a mapping has made. `body` is taken only when it is too long to leave with
/// its head. `None` when no buffer was free.
pub(super) fn mapped(
    local: &Local,
    x: &mut Exchange,
    conn: &mut Conn,
    made: Made<'_>,
    body: &mut Vec<u8>,
    keep_alive: bool,
) -> Result<Option<Given>, Fault> {
    let status = made.status;
    let Some(mut out) = local.core.pool().take() else {
        return Ok(None);
    };
    let has_body = status >= 200 && status != 204 && status != 304;
    let ends = |head: &mut HeadWriter<'_>| {
        if has_body {
            let length = made.left_out_bytes.unwrap_or(body.len() as u64);
            head.field_decimal(b"Content-Length", length);
        }
    };
    made_head(local, x, (status, made.fields, keep_alive), ends, &mut out)?;
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

/// Writes the head of an answer that a mapping has made; `ends` says where its payload does.
pub(super) fn made_head(
    local: &Local,
    x: &Exchange,
    (status, fields, keep_alive): (u16, &FieldList, bool),
    ends: impl FnOnce(&mut HeadWriter<'_>),
    out: &mut BufMut,
) -> Result<(), Fault> {
    let mut dates = local.dates.borrow_mut();
    let common = Common {
        date: dates.at(local.core.wall()),
        request_id: &x.request_id,
        limits: &x.limits.lines,
        keep_alive,
    };
    let mut head = HeadWriter::new(out.spare());
    head.status_line(status);
    write_ids(x, common, &mut head);
    fields.write(&mut head);
    ends(&mut head);
    let head_bytes = head.end().map_err(head_fault)?;
    out.commit(head_bytes);
    Ok(())
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
    write_ids(x, common, &mut head);
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
