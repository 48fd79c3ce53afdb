//! The way of a request that is mapped.
//!
//! What it is: payload in, request made, backend asked, answer made, kept and sent; the stages of
//! the page for integrations that need payloads whole. Shape: [`serve`] awaits, [`now`] is the same
//! for a mock whose request has no payload and needs nobody; `request` makes what is asked,
//! `answer` what the client gets; `streamed` makes heads alone, for payloads that pass while they
//! come. Units: bytes. Errors: [`Mapped`] says how the request goes on.
//! Source: Amazon API Gateway developer guide, "integrations", "mapping template reference".

mod answer;
mod function;
mod http_api;
mod inputs;
mod request;
mod streamed;
mod target;

pub(super) use inputs::InputMemory;
pub(super) use streamed::{Passing, answer_head, request_head};
pub(super) use target::Parameters;

use super::{
    ask::{Question, Target, Unasked, ask},
    cache::{
        give::Given,
        keep as store,
        look_up::{Looked, look_up},
        share::share,
    },
    coding,
    collect::{NoBody, collect},
    context::Context,
    exchange::Exchange,
    fault::Fault,
    finish::wants_keep_alive,
    forward::Call,
    journal, respond,
    room::{Account, FieldList, Room},
    trace::write_trace,
    validate,
};
use crate::{
    integrate::headers::Kind,
    net::conn::Conn,
    origin::Face,
    plan::{ApiPlan, Backend, FunctionPlan, HttpPlan, MappedPlan, RoutePlan},
    ring::Buf,
    wire::{
        body::BodyReader,
        limits::HeadLimits,
        method::Method,
        response::{ResponseTo, parse_response},
        write::HeadWriter,
    },
};

/// What is left of a request: its body, and what came behind it.
type Rest = (BodyReader, Option<Buf>);

/// How a mapped request goes on.
pub(super) enum Mapped {
    /// Its answer is queued, as far as `given` says; no `given` without a buffer.
    Answered(Option<Given>, Rest),
    /// The store has answered, or refused.
    Looked(Looked, Rest),
    /// It is refused.
    Fault(Fault, Rest),
    /// It is refused, and nothing behind it can be read as a request.
    Refused(Fault),
    /// Its answer passes: the head is on its way, and somebody has to move the rest.
    Passes(Box<Passing>, Rest),
    /// Its client is gone.
    Gone,
}

/// A route that maps.
#[derive(Clone, Copy)]
pub(super) struct Road<'a> {
    pub(super) api: &'a ApiPlan,
    pub(super) plan: &'a MappedPlan,
    pub(super) route: &'a RoutePlan,
}

/// Serves a request whose payload may still be on its way. `looked`: the store has been asked.
pub(super) async fn serve(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    road: Road<'_>,
    rest: Rest,
    looked: bool,
) -> Mapped {
    let mut account = Account::new(call.local);
    let mut room = call.local.take_room();
    let collected = collect(call, conn, x, rest, &mut account, &mut room.body).await;
    let mapped = match collected {
        Ok(rest) => go_on(call, conn, x, road, rest, looked, (&mut account, &mut room)).await,
        Err(NoBody::Gone) => Mapped::Gone,
        Err(NoBody::Fault(fault)) => Mapped::Refused(fault),
    };
    call.local.keep_room(room);
    mapped
}

/// The stages behind the payload.
async fn go_on(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    road: Road<'_>,
    rest: Rest,
    looked: bool,
    (account, room): (&mut Account<'_>, &mut Room),
) -> Mapped {
    let keep_alive = wants_keep_alive(call.local, x);
    let bytes_max = call.serving.plan.limits.body_bytes_max;
    let decoded = coding::decode_request(call.local, x, &mut room.body, bytes_max).await;
    let valid = decoded.and_then(|()| {
        journal::payload(x, &room.body);
        validate::body(road.api, road.route, x, &room.body)
    });
    if let Err(fault) = valid {
        return Mapped::Fault(fault, rest);
    }
    if !looked {
        match look_up(call, conn, x, keep_alive) {
            Looked::Ask => {}
            looked => return Mapped::Looked(looked, rest),
        }
    }
    if call.cache.is_some() {
        match share(call, conn, x, keep_alive).await {
            Looked::Ask => {}
            looked => return Mapped::Looked(looked, rest),
        }
    }
    begin(call, x, road.plan.kind);
    let made = match &road.plan.backend {
        Backend::Http(http) if http.idle_ms.is_some() => {
            return streamed::http(call, conn, x, (road, http), rest, room).await;
        }
        Backend::Function(plan) if plan.idle_ms.is_some() => {
            return streamed::function(call, conn, x, (road, plan), rest, room).await;
        }
        _ => make_answer(call, conn, x, road, (account, &mut *room)).await,
    };
    let made = match (&road.plan.http_api, made) {
        (Some(plan), Ok(status)) => {
            let edited = http_api::edit_answer(call, x, (road, plan), status, room);
            edited.map_err(Unasked::Fault)
        }
        (_, made) => made,
    };
    match made {
        Ok(status) => {
            journal::responds(x, room.fields.iter(), Some(&room.out));
            keep(call, x, status, room);
            let bytes_min = road.api.compression_bytes_min;
            coding::encode(call.local, x, bytes_min, status, room).await;
            send(call, conn, x, status, room, (rest, keep_alive))
        }
        Err(Unasked::Gone) => Mapped::Gone,
        Err(Unasked::Fault(fault)) => Mapped::Fault(fault, rest),
    }
}

/// Serves a mock whose request has no payload.
pub(super) fn now(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    road: Road<'_>,
    rest: Rest,
    keep_alive: bool,
) -> Mapped {
    let mut room = call.local.take_room();
    begin(call, x, road.plan.kind);
    let valid = validate::body(road.api, road.route, x, &[]);
    let mapped = match valid.and_then(|()| answer_mock(call, x, road, &mut room)) {
        Ok(status) => {
            journal::responds(x, room.fields.iter(), Some(&room.out));
            coding::encode_now(
                call.local,
                x,
                road.api.compression_bytes_min,
                status,
                &mut room,
            );
            send(call, conn, x, status, &mut room, (rest, keep_alive))
        }
        Err(fault) => Mapped::Fault(fault, rest),
    };
    call.local.keep_room(room);
    mapped
}

/// What has to be known of a request before it is mapped.
fn begin(call: &Call<'_>, x: &mut Exchange, kind: Kind) {
    if kind != Kind::Mock {
        write_trace(x, || call.local.core.random());
    }
}

/// Makes the answer of a mock; gives its status.
fn answer_mock(
    call: &Call<'_>,
    x: &Exchange,
    road: Road<'_>,
    room: &mut Room,
) -> Result<u16, Fault> {
    let chosen = request::mock(call, x, road, room)?;
    answer::map(call, x, road, chosen, room)
}

/// Makes the answer, and asks an endpoint or a function for it unless it is a mock's; gives its
/// status.
async fn make_answer(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    road: Road<'_>,
    (account, room): (&mut Account<'_>, &mut Room),
) -> Result<u16, Unasked> {
    let (target, ready) = match &road.plan.backend {
        Backend::Mock => return answer_mock(call, x, road, room).map_err(Unasked::Fault),
        Backend::Http(http) => (
            http_target(x, http),
            request::http(call, x, (road, http), room),
        ),
        Backend::Function(plan) => (
            function_target(plan),
            function::call_of(call, x, (road, plan), room),
        ),
    };
    let ready = ready.map_err(Unasked::Fault)?;
    ask_in(call, conn, x, target, &ready, (account, &mut *room)).await?;
    let by = match road.plan.kind {
        Kind::HttpProxy => {
            let decoded = coding::decode_answer(call.local, x, &mut room.answer).await;
            let passed = decoded.map(|decoded| answer::pass(x, road, room, decoded));
            return passed.map_err(Unasked::Fault);
        }
        Kind::AwsProxy => {
            let status = function::proxied(x, road, room);
            x.integration.function_status = *status.as_ref().unwrap_or(&0);
            return status.map_err(Unasked::Fault);
        }
        Kind::Aws => function::chosen_by(x, room).map_err(Unasked::Fault)?,
        Kind::Http | Kind::Mock => answer::By::Status(x.answer.status),
    };
    let overrides = ready.overrides;
    let chosen = answer::Chosen { by, overrides };
    answer::map(call, x, road, chosen, room).map_err(Unasked::Fault)
}

/// Who is asked of an HTTP endpoint.
fn http_target(x: &Exchange, http: &HttpPlan) -> Target {
    let own = http.method.as_ref();
    let method = own.map_or(x.head.method, |method| Method::of(method.as_bytes()));
    Target {
        origin: http.origin,
        face: http.face,
        timeout_ms: http.idle_ms.unwrap_or(u32::MAX).min(http.timeout_ms),
        is_idempotent: method.is_idempotent(),
        is_head: method == Method::Head,
    }
}

/// Who is asked of a function.
fn function_target(plan: &FunctionPlan) -> Target {
    Target {
        origin: plan.origin,
        face: Face::OWN,
        timeout_ms: plan.idle_ms.unwrap_or(u32::MAX).min(plan.timeout_ms),
        is_idempotent: false,
        is_head: false,
    }
}

/// Asks; the answer's payload is in `room` then.
async fn ask_in(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    target: Target,
    ready: &request::Ready,
    (account, room): (&mut Account<'_>, &mut Room),
) -> Result<(), Unasked> {
    let mut answer = std::mem::take(&mut room.answer);
    let question = question(call, x, target, ready, room);
    let asked = ask(call, conn, x, &question, account, &mut answer).await;
    journal::asked(x, &asked, &answer);
    room.answer = answer;
    asked
}

/// What `ready` asks, with its payload in `room`.
fn question<'a>(
    call: &Call<'_>,
    x: &Exchange,
    target: Target,
    ready: &'a request::Ready,
    room: &'a Room,
) -> Question<'a> {
    let body = ready.sent.bytes(room);
    let head = ready.first.get(..ready.head_bytes).unwrap_or(&[]);
    journal::asks(call, x, target.origin, head, Some(body));
    let is_whole = ready.first.len() > ready.head_bytes;
    Question {
        target,
        first: &ready.first,
        rest: if is_whole { &[] } else { body },
        body_bytes: body.len(),
    }
}

/// Keeps the answer in `room` if it is to be kept.
fn keep(call: &Call<'_>, x: &mut Exchange, status: u16, room: &Room) {
    if call.cache.is_some() && keep_answer(call, x, (status, &room.fields), &room.out).is_none() {
        x.cache.lead = None; // whoever waits for it asks alone
    }
}

/// Sends the answer in `room`.
fn send(
    call: &Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    status: u16,
    room: &mut Room,
    (rest, keep_alive): (Rest, bool),
) -> Mapped {
    let answer = respond::Made {
        status,
        fields: &room.fields,
        left_out_bytes: room.left_out_bytes,
    };
    match respond::mapped(call.local, x, conn, answer, &mut room.out, keep_alive) {
        Ok(given) => Mapped::Answered(given, rest),
        Err(fault) => Mapped::Fault(fault, rest),
    }
}

/// Hands the answer to the store as an origin would have sent it.
fn keep_answer(
    call: &Call<'_>,
    x: &mut Exchange,
    (status, fields): (u16, &FieldList),
    body: &[u8],
) -> Option<()> {
    let mut out = call.local.core.pool().take()?;
    let mut head = HeadWriter::new(out.spare());
    head.status_line(status);
    for (name, value) in fields.iter() {
        // The trace is this request's alone.
        if !name.eq_ignore_ascii_case(b"x-amzn-trace-id") {
            head.field(name, value);
        }
    }
    head.field_decimal(b"Content-Length", body.len() as u64);
    let head_bytes = head.end().ok()?;
    out.commit(head_bytes);
    x.endpoint_id = x.endpoint_id().to_vec();
    x.answer_bytes.clear();
    x.answer_bytes.set_whole(out.freeze());
    let limits = HeadLimits::default();
    let to = ResponseTo::default();
    parse_response(x.answer_bytes.bytes(), &limits, to, &mut x.answer).ok()?;
    store::answer_came(call, x);
    let kept_bytes_max = x.cache.fill.as_ref()?.body_bytes_max();
    if body.len() > kept_bytes_max {
        x.cache.fill = None;
        return None;
    }
    store::finish(call, x, body);
    Some(())
}

/// The exchange as mappings see it.
fn context<'a>(
    call: &'a Call<'_>,
    x: &'a Exchange,
    road: Road<'a>,
    body: &'a [u8],
    answer: Option<&'a [u8]>,
) -> Context<'a> {
    Context {
        local: call.local,
        peer: &call.peer,
        x,
        account: &call.serving.plan.account,
        stage: x.stage.and_then(|stage| call.serving.plan.stage(stage)),
        route: Some(road.route),
        body,
        answer,
    }
}
