//! A request from its first byte to its log line.
//!
//! What it is: the page to read first. [`serve`] goes through the stages in the order of the API
//! Gateway guide; a stage is one line. The first half is plain functions that need nobody else
//! (resolve, admit, a refusal, a mock); awaiting begins where bytes are missing or an origin must
//! be asked. Shape: a stage takes the plan and the exchange and says what is [`Next`], or a
//! [`Fault`], which `respond` turns into an answer; a pressed core refuses behind `receive`.
//! Errors: never to the caller; the connection learns only whether it goes on.
//!
//! ```text
//! receive ─▶ resolve ─▶ admit ─▶ integrate ──▶ http: forward to an origin
//!    │          │         │          └───────▶ mock
//!    └──────────┴─────────┴── Fault ─▶ respond ─▶ record
//! ```

use std::rc::Rc;

use super::{
    cache::{give::Given, look_up::Looked, refresh::refresh_later, share::find},
    exchange::{Exchange, Peer},
    fault::Fault,
    forward, hops,
    local::{Local, Serving},
    respond,
};
use crate::{
    exec::RecvEnd,
    integrate::{MockOutcome, MockPlan},
    net::{
        conn::Conn,
        pump::{OutFraming, Pump},
    },
    plan::{IntegrationPlan, Resolution},
    ring::Buf,
    route::Verb,
    wire::{
        body::BodyReader, fields::Fields, finder::HeadFinder, head::parse_request, known::Known,
        method::Method,
    },
};

/// How the connection goes on.
pub enum Next {
    /// With another request, whose first bytes may have come already.
    Request(Option<Buf>),
    /// Not at all: everything queued leaves, then it closes.
    Close,
    /// Not at all, and the client must see that its answer is cut.
    Reset,
}

/// Serves one request whose first bytes are `first`; the connection ends behind the `last`.
pub async fn serve(local: &Rc<Local>, conn: &mut Conn, peer: Peer, last: bool, first: Buf) -> Next {
    let serving = local.serving();
    let pressure = local.pressure.get();
    let mut x = local.take_exchange();
    x.last = last || pressure.ends_keep_alive();
    x.begin(
        local.core.now(),
        local.core.wall(),
        (local.core.random(), local.core.random()),
    );

    let next = match receive(local, &serving, conn, &peer, &mut x, first).await {
        Ok(carry) if pressure.refuses() => shed(local, conn, &mut x, carry),
        Ok(carry) => match resolve(&serving, conn, &mut x) {
            Ok(integration) => match admit(&serving, &x) {
                Ok(body) => match integration {
                    IntegrationPlan::HttpProxy(proxy) => {
                        let call = forward::Call {
                            local,
                            serving: &serving,
                            peer,
                            proxy,
                            cache: route_store(&serving, &x),
                        };
                        let keep = keeps_alive_early(local, &serving, &x, &body);
                        match find(&call, conn, &mut x, keep).await {
                            Looked::Gone => Next::Close,
                            Looked::Ask => forward::forward(&call, conn, &mut x, body, carry).await,
                            Looked::Answered { given, refresh } => {
                                if refresh {
                                    refresh_later(&call, &x);
                                }
                                let rest = (body, carry);
                                finish_given(local, &serving, conn, &x, rest, given, keep).await
                            }
                            Looked::Refused(fault) => {
                                forward::early(&call, conn, &mut x, fault, body, carry).await
                            }
                        }
                    }
                    IntegrationPlan::Mock(plan) => {
                        let keep = keeps_alive_early(local, &serving, &x, &body);
                        let sent = mock(local, conn, &mut x, plan, keep);
                        finish_early(local, &serving, conn, &x, body, carry, keep && sent).await
                    }
                },
                Err(fault) => refuse(local, conn, &mut x, fault).await,
            },
            Err(fault) => match admit(&serving, &x) {
                Ok(body) => {
                    let keep = keeps_alive_early(local, &serving, &x, &body) && !fault.closes();
                    let sent = respond::fault(local, &mut x, conn, fault, keep);
                    finish_early(local, &serving, conn, &x, body, carry, keep && sent).await
                }
                Err(worse) => refuse(local, conn, &mut x, worse).await,
            },
        },
        Err(Some(fault)) => {
            // The head was not parsed, but whoever asked with HEAD, as far as one can see,
            // takes no body.
            let seen = x.head_bytes.bytes();
            if seen.starts_with(b"HEAD ") || b"HEAD ".starts_with(seen) {
                x.head.method = Method::Head;
            }
            refuse(local, conn, &mut x, fault).await
        }
        Err(None) => Next::Close, // the client left before it asked for anything
    };

    super::record::record(local, &serving, peer, conn, &x);
    local.keep_exchange(x);
    next
}

/// Reads until the head is whole and parses it; gives what came behind it. A listed proxy's word
/// about the client is taken here, before anybody asks who the client is.
async fn receive(
    local: &Local,
    serving: &Serving,
    conn: &mut Conn,
    peer: &Peer,
    x: &mut Exchange,
    first: Buf,
) -> Result<Option<Buf>, Option<Fault>> {
    let limits = &serving.head_limits;
    let deadline = local
        .core
        .now()
        .plus_ms(u64::from(serving.plan.limits.head_ms));
    let mut finder = HeadFinder::request();
    let mut buf = first;
    let fault = |fault| Some(Fault::Head(fault));
    let found = finder.find(&buf, limits);
    if found.is_err() {
        x.head_bytes.push(&buf); // how it begins still tells
    }
    let carry = match found.map_err(fault)? {
        Some(end) => {
            let head = buf.split_to(end);
            x.head_bytes.set_whole(head);
            buf
        }
        None => {
            x.head_bytes.push(&buf);
            loop {
                let before = x.head_bytes.bytes().len();
                buf = conn.recv(deadline).await.map_err(|end| match end {
                    RecvEnd::Timeout => Some(Fault::HeadTimeout),
                    RecvEnd::Closed | RecvEnd::Failed(_) => None,
                })?;
                x.head_bytes.push(&buf);
                if let Some(end) = finder.find(x.head_bytes.bytes(), limits).map_err(fault)? {
                    x.head_bytes.truncate(end);
                    buf.advance(end.saturating_sub(before));
                    break buf;
                }
            }
        }
    };
    parse_request(x.head_bytes.bytes(), limits, &mut x.head).map_err(fault)?;
    x.told = hops::told(&serving.plan.trusted_proxies, peer, x);
    Ok((!carry.is_empty()).then_some(carry))
}

/// Finds host, stage and route.
fn resolve<'s>(
    serving: &'s Serving,
    conn: &Conn,
    x: &mut Exchange,
) -> Result<&'s IntegrationPlan, Fault> {
    let bytes = x.head_bytes.bytes();
    let host = x.head.host.name.of(bytes);
    if let Some(tls) = conn.tls()
        && !std::str::from_utf8(host).is_ok_and(|host| covers(tls, host))
    {
        return Err(Fault::Misdirected);
    }
    let verb = Verb::from_token(x.head.method_name.of(bytes));
    let path = x.head.path(bytes);
    match serving.plan.resolve(host, path, verb, &mut x.params) {
        Resolution::Route {
            route,
            stage,
            path_from,
            ..
        } => {
            x.stage = Some(stage);
            x.route = Some(route);
            x.path_from = path_from;
            serving
                .plan
                .route(route)
                .map(|route| &route.integration)
                .ok_or(Fault::NoRoute)
        }
        Resolution::NoRoute {
            stage, path_from, ..
        } => {
            x.stage = Some(stage);
            x.path_from = path_from;
            Err(Fault::NoRoute)
        }
        Resolution::NoStage => Err(Fault::NoStage),
    }
}

/// Names are compared in lower case, which most clients send.
fn covers(tls: &crate::net::tls::session::TlsSession, host: &str) -> bool {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return tls.covers(&host.to_ascii_lowercase());
    }
    tls.covers(host)
}

/// Judges the body before anybody reads it.
fn admit(serving: &Serving, x: &Exchange) -> Result<BodyReader, Fault> {
    let limits = serving.body_limits.after_head(
        &serving.head_limits,
        x.head.fields.len(),
        x.head.head_bytes,
    );
    BodyReader::new(x.head.framing, limits).map_err(Fault::Body)
}

/// Answers from the plan alone.
fn mock(
    local: &Local,
    conn: &mut Conn,
    x: &mut Exchange,
    plan: &MockPlan,
    keep_alive: bool,
) -> bool {
    let bytes = x.head_bytes.bytes();
    let last = |fields: &Fields, known| fields.all(known).last().map(|field| field.value);
    let content_type = last(&x.head.fields, Known::ContentType).map(|span| span.of(bytes));
    let accept = last(&x.head.fields, Known::Accept).map(|span| span.of(bytes));
    match plan.answer(content_type, accept) {
        MockOutcome::Answer { answer, body } => {
            respond::mock(local, x, conn, answer, body, keep_alive)
        }
        MockOutcome::Misconfigured => {
            respond::fault(local, x, conn, Fault::Configuration, keep_alive)
        }
        MockOutcome::UnsupportedMediaType => {
            respond::fault(local, x, conn, Fault::UnsupportedMediaType, keep_alive)
        }
    }
}

/// Where answers of the request's route are kept, if anywhere.
fn route_store<'s>(serving: &'s Serving, x: &Exchange) -> Option<forward::RouteStore<'s>> {
    let tier = serving.cache.as_deref()?;
    let plan = serving.plan.route(x.route?)?.cache.as_ref()?;
    let stage = serving.plan.stage(x.stage?)?;
    Some(forward::RouteStore { plan, stage, tier })
}

/// Sends what is left of an answer from the store, then goes on as after any early answer.
pub(super) async fn finish_given(
    local: &Rc<Local>,
    serving: &Serving,
    conn: &mut Conn,
    x: &Exchange,
    (body, carry): (BodyReader, Option<Buf>),
    given: Option<Given>,
    keep_alive: bool,
) -> Next {
    let sent = match given {
        None => false,
        Some(Given::Whole) => true,
        Some(Given::Begun(rest)) => match rest.send(local, serving, conn).await {
            Ok(()) => true,
            Err(_) => return Next::Reset,
        },
    };
    finish_early(local, serving, conn, x, body, carry, keep_alive && sent).await
}

/// Answers with a fault after which nothing more can be read as a request.
async fn refuse(local: &Rc<Local>, conn: &mut Conn, x: &mut Exchange, fault: Fault) -> Next {
    respond::fault(local, x, conn, fault, false);
    linger(local, conn).await;
    Next::Close
}

/// Answers that there is no room for the request now. The connection lingers where it costs
/// least: behind the exchange, in the task that holds no buffer.
fn shed(local: &Local, conn: &mut Conn, x: &mut Exchange, carry: Option<Buf>) -> Next {
    drop(carry);
    respond::fault(local, x, conn, Fault::Shed, false);
    Next::Close
}

/// After an answer that did not need the body: the body is read and thrown away, if it is short,
/// so that the next request is found; else the connection ends (RELIABILITY section 4).
pub(super) async fn finish_early(
    local: &Rc<Local>,
    serving: &Serving,
    conn: &mut Conn,
    x: &Exchange,
    body: BodyReader,
    carry: Option<Buf>,
    keep_alive: bool,
) -> Next {
    if body.is_done() && keep_alive {
        return Next::Request(carry);
    }
    if body.is_done() && !x.head.keep_alive {
        return Next::Close; // the client sends nothing more
    }
    let limits = &serving.plan.limits;
    let bytes_max = u64::from(limits.drain_body_bytes_max);
    if keep_alive {
        let deadline = local.core.now().plus_ms(u64::from(limits.drain_body_ms));
        let mut pump = Pump::new(body, OutFraming::Nowhere, carry);
        let drained = std::future::poll_fn(|_| pump.poll_away(conn, deadline, bytes_max)).await;
        if drained.is_ok() {
            return Next::Request(pump.take_carry());
        }
    }
    linger(local, conn).await;
    Next::Close
}

/// Lets the answer arrive before the connection ends: a close with unread bytes would reset it,
/// be they a body or another request of a client that did not know yet.
pub(super) async fn linger(local: &Rc<Local>, conn: &mut Conn) {
    let limits = &local.serving().plan.limits;
    let deadline = local.core.now().plus_ms(u64::from(limits.drain_body_ms));
    conn.shutdown_send();
    let mut left = limits.drain_body_bytes_max as usize;
    while let Ok(buf) = conn.recv(deadline).await {
        if buf.len() > left {
            return;
        }
        left -= buf.len();
    }
}

/// Both sides may go on after an answer that does not need the body: nothing is left of it, or it
/// is on its way and short enough to be thrown away.
pub(super) fn keeps_alive_early(
    local: &Local,
    serving: &Serving,
    x: &Exchange,
    body: &BodyReader,
) -> bool {
    let bytes_max = u64::from(serving.plan.limits.drain_body_bytes_max);
    let short = body.length_left().is_none_or(|left| left <= bytes_max);
    let drains = body.is_done() || (short && !x.head.expect_continue);
    wants_keep_alive(local, x) && drains
}

/// Both sides may go on.
pub(super) fn wants_keep_alive(local: &Local, x: &Exchange) -> bool {
    x.head.keep_alive && !x.last && !local.draining.get()
}
