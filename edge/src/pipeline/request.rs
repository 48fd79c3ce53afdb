//! A request from its first byte to its log line.
//!
//! What it is: the page to read first. Its stages stand in the order of the API Gateway guide, and
//! a stage is one line. [`start`] is the half that needs nobody else, plain functions run straight
//! from a completion: a hit, a mock, a refusal end there. [`serve`] is the half that awaits: more
//! bytes, somebody who fetches the same, an origin. Shape: a stage takes the plan and the exchange
//! and says which `Way` the request goes on, or a [`Fault`], which `respond` turns into an answer.
//! Errors: never to the caller; the connection learns only whether it goes on.
//!
//! ```text
//! receive ─▶ resolve ─▶ admit ─▶ authorize ─▶ limit ─▶ validate ─▶ look up ─▶ integrate ─▶ keep
//!    │          │         │          │          │          │           │          ├─ http: forward
//!    │          │         │          │          │          │          hit         ├─ mapped: map
//!    │          │         │          │          │          │                      └─ mock
//!    └──────────┴─────────┴──────────┴──────────┴──────────┴─── Fault ─▶ respond ─▶ record
//! ```

use std::rc::Rc;

use super::{
    cache::{
        give::Given,
        look_up::{Looked, look_up},
        refresh::refresh_later,
        share::share,
    },
    exchange::{Exchange, Peer},
    fault::Fault,
    finish::{finish_given, keeps_alive_early, linger, wants_keep_alive},
    forward, hops, journal,
    limit::{LEASE_LOOK_MS, LEASE_WAIT_MS, limit},
    local::{Local, Serving},
    mapped::{self, Mapped, Passing, Road},
    passage::Passage,
    relay,
    respond::{self, At},
    told::{api_id, take_override},
    validate,
};
use crate::{
    exec::RecvEnd,
    integrate::{MockOutcome, MockPlan},
    model::api::ApiKind,
    net::{
        conn::Conn,
        pump::{OutFraming, Pump},
    },
    plan::{Access, Backend, IntegrationPlan, Resolution, RoutePlan},
    ring::Buf,
    route::{Asked, Headers, StageIndex, Verb},
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

/// What became of a request when its first bytes had been looked at.
pub enum Started {
    /// It is answered and recorded.
    Done(Next),
    /// Somebody has to be awaited.
    Waits(Waiting),
}

/// A request that waits, for [`serve`] to go on with.
pub struct Waiting {
    serving: Rc<Serving>,
    exchange: Box<Exchange>,
    way: Way,
}

/// How a request goes on.
enum Way {
    /// Its head is not whole yet.
    Receives(HeadFinder),
    /// Its answer is queued, as far as `given` says; what is left of its body is thrown away.
    Answered {
        given: Option<Given>,
        keep_alive: bool,
        rest: Rest,
    },
    /// It is refused, and nothing behind it can be read as a request.
    Refused,
    /// A part of its key's quota is on its way.
    Leases(Rest),
    /// An origin has to be asked.
    Asks(Rest),
    /// Its payload has to be read whole; `looked`: the store has been asked already.
    Maps { rest: Rest, looked: bool },
    /// It is over.
    Over(Next),
}

/// What is left of a request: its body, and what came behind its head.
type Rest = (BodyReader, Option<Buf>);

/// Begins a request whose first bytes are `first`, and ends it if nobody has to be awaited; the
/// connection ends behind the `last`.
pub fn start(local: &Rc<Local>, conn: &mut Conn, peer: &Peer, last: bool, first: Buf) -> Started {
    let serving = local.serving();
    let mut x = local.take_exchange();
    x.last = last || local.pressure.get().ends_keep_alive();
    x.begin(
        local.core.now(),
        local.core.wall(),
        (local.core.random(), local.core.random()),
    );

    let mut finder = HeadFinder::request();
    let at = At {
        local,
        serving: &serving,
        peer,
    };
    let way = match receive(&serving, peer, &mut x, &mut finder, first) {
        Ok(Some(carry)) => decide(local, &serving, conn, peer, &mut x, carry),
        Ok(None) => Way::Receives(finder),
        Err(fault) => refuse_head(at, conn, &mut x, fault),
    };

    let next = match way {
        Way::Answered {
            given: Some(Given::Whole),
            keep_alive: true,
            rest: (body, carry),
        } if body.is_done() => Next::Request(carry),
        Way::Over(next) => next,
        way => {
            let exchange = x;
            return Started::Waits(Waiting {
                serving,
                exchange,
                way,
            });
        }
    };
    super::record::record(local, &serving, *peer, conn, &x);
    local.keep_exchange(x);
    Started::Done(next)
}

/// Goes on with a request that waits.
pub async fn serve(local: &Rc<Local>, conn: &mut Conn, peer: Peer, waiting: Waiting) -> Next {
    let Waiting {
        serving,
        exchange: mut x,
        mut way,
    } = waiting;
    if let Way::Receives(finder) = way {
        let at = At {
            local,
            serving: &serving,
            peer: &peer,
        };
        way = match receive_rest(&serving, conn, &peer, &mut x, finder).await {
            Ok(carry) => decide(local, &serving, conn, &peer, &mut x, carry),
            Err(Some(fault)) => refuse_head(at, conn, &mut x, fault),
            Err(None) => Way::Over(Next::Close), // the client left before it asked for anything
        };
    }
    if let Way::Leases(rest) = way {
        way = lease(local, &serving, conn, peer, &mut x, rest).await;
    }
    if let Way::Asks(rest) = way {
        way = fetch(local, &serving, conn, peer, &mut x, rest).await;
    }
    if let Way::Maps { rest, looked } = way {
        way = map(local, &serving, conn, peer, &mut x, rest, looked).await;
    }
    let next = match way {
        Way::Answered {
            given,
            keep_alive,
            rest,
        } => finish_given(local, &serving, conn, &x, rest, given, keep_alive).await,
        Way::Over(next) => next,
        Way::Refused | Way::Receives(_) | Way::Leases(_) | Way::Asks(_) | Way::Maps { .. } => {
            linger(local, conn).await;
            Next::Close
        }
    };
    super::record::record(local, &serving, peer, conn, &x);
    local.keep_exchange(x);
    next
}

/// The stages that need nobody else, for a request whose head is whole.
fn decide(
    local: &Rc<Local>,
    serving: &Rc<Serving>,
    conn: &mut Conn,
    peer: &Peer,
    x: &mut Exchange,
    carry: Option<Buf>,
) -> Way {
    let at = At {
        local,
        serving,
        peer,
    };
    if local.pressure.get().refuses() {
        return shed(at, conn, x);
    }
    let resolved = resolve(local, serving, conn, peer, x);
    let body = match admit(serving, x) {
        Ok(body) => body,
        Err(fault) => return refuse(at, conn, x, fault),
    };
    if x.is_http_api {
        let keep_alive = keeps_alive_early(local, serving, x, &body);
        if let Some(sent) = respond::preflight(at, x, conn, keep_alive) {
            return sent_way(sent, keep_alive, (body, carry));
        }
    }
    let passed = resolved.and_then(|route| {
        journal::begin(local, serving, x, route);
        authorize(at, x, route)?;
        limit(local, serving, peer, x)?;
        Ok(route)
    });
    go_on(local, serving, conn, *peer, x, passed, (body, carry))
}

/// The stages behind the limits, as far as they need nobody else.
fn go_on(
    local: &Rc<Local>,
    serving: &Rc<Serving>,
    conn: &mut Conn,
    peer: Peer,
    x: &mut Exchange,
    passed: Result<&RoutePlan, Fault>,
    rest: Rest,
) -> Way {
    let keep_alive = keeps_alive_early(local, serving, x, &rest.0);
    let at = At {
        local,
        serving,
        peer: &peer,
    };
    journal::passed(at, x, passed, rest.0.is_done());
    let passed = passed.and_then(|route| {
        validate::parameters(at, x, route)?;
        Ok(route)
    });
    let route = match passed {
        Ok(route) => route,
        Err(Fault::AwaitsLease) => return Way::Leases(rest),
        Err(fault) => return fault_way(at, conn, x, fault, keep_alive, rest),
    };
    if let IntegrationPlan::Mock(plan) = &route.integration {
        let outcome = mock_outcome(x, plan);
        if matches!(outcome, MockOutcome::Passes) && !rest.0.is_done() {
            return Way::Maps { rest, looked: true };
        }
        let sent = mock(at, conn, x, outcome, keep_alive);
        return sent_way(sent, keep_alive, rest);
    }
    let call = call(local, serving, peer, x);
    let looks = route
        .validation
        .as_ref()
        .is_some_and(|asked| !asked.bodies.is_empty());
    if looks && call.cache.is_some() {
        return Way::Maps {
            rest,
            looked: false,
        }; // what is not valid is not answered
    }
    match look_up(&call, conn, x, keep_alive) {
        Looked::Ask => {}
        looked => return answered(&call, conn, x, looked, keep_alive, rest),
    }
    match &route.integration {
        IntegrationPlan::Mapped(plan) if plan.streams => Way::Asks(rest),
        IntegrationPlan::Mapped(plan) => {
            let is_local = matches!(plan.backend, Backend::Mock) && call.cache.is_none();
            match road(serving, x).filter(|_| is_local && rest.0.is_done()) {
                Some(road) => {
                    let mapped = mapped::now(&call, conn, x, road, rest, keep_alive);
                    mapped_way(&call, conn, x, mapped)
                }
                None => Way::Maps { rest, looked: true },
            }
        }
        IntegrationPlan::HttpProxy(_) | IntegrationPlan::Mock(_) => Way::Asks(rest),
    }
}

/// Waits for a part of the quota, then goes on.
async fn lease(
    local: &Rc<Local>,
    serving: &Rc<Serving>,
    conn: &mut Conn,
    peer: Peer,
    x: &mut Exchange,
    rest: Rest,
) -> Way {
    let deadline = x.received.plus_ms(LEASE_WAIT_MS);
    let mut limited = Err(Fault::AwaitsLease);
    while limited == Err(Fault::AwaitsLease) && local.core.now() < deadline {
        let look_at = local.core.now().plus_ms(LEASE_LOOK_MS);
        local.core.sleep_until(look_at).await;
        limited = limit(local, serving, &peer, x);
    }
    let route = x.route.and_then(|route| serving.plan.route(route));
    let passed = match (limited, route) {
        (Ok(()), Some(route)) => Ok(route),
        (Ok(()), None) => Err(Fault::NoRoute), // it was one when it was resolved
        (Err(Fault::AwaitsLease), _) => {
            journal::no_lease(x);
            Err(Fault::QuotaExceeded)
        }
        (Err(fault), _) => Err(fault),
    };
    go_on(local, serving, conn, peer, x, passed, rest)
}

/// The stages that await others: somebody who fetches the same, or an origin.
async fn fetch(
    local: &Rc<Local>,
    serving: &Rc<Serving>,
    conn: &mut Conn,
    peer: Peer,
    x: &mut Exchange,
    rest: Rest,
) -> Way {
    let Some(passage) = Passage::of(serving, x) else {
        return Way::Over(Next::Close); // it had one when it was resolved
    };
    let call = call(local, serving, peer, x);
    if call.cache.is_some() {
        let keep_alive = keeps_alive_early(local, serving, x, &rest.0);
        match share(&call, conn, x, keep_alive).await {
            Looked::Ask => {}
            looked => return answered(&call, conn, x, looked, keep_alive, rest),
        }
    }
    let (body, carry) = rest;
    Way::Over(forward::forward(&call, passage, conn, x, body, carry).await)
}

/// The stages that need the payload whole.
async fn map(
    local: &Rc<Local>,
    serving: &Rc<Serving>,
    conn: &mut Conn,
    peer: Peer,
    x: &mut Exchange,
    rest: Rest,
    looked: bool,
) -> Way {
    let Some(road) = road(serving, x) else {
        return Way::Over(Next::Close); // it was one when it was resolved
    };
    let call = call(local, serving, peer, x);
    let served = mapped::serve(&call, conn, x, road, rest, looked);
    let mapped = local.mapped_spares.place(served).await;
    match mapped {
        Mapped::Passes(passing, (body, carry)) => {
            let Passing { lease, mut begun } = *passing;
            let mut upload = Pump::new(body, OutFraming::Raw, carry); // nothing is left of it
            Way::Over(relay::pass(&call, conn, x, lease, &mut upload, &mut begun).await)
        }
        mapped => mapped_way(&call, conn, x, mapped),
    }
}

/// What the request's route maps, if it does.
fn road<'s>(serving: &'s Serving, x: &Exchange) -> Option<Road<'s>> {
    let route = serving.plan.route(x.route?)?;
    let stage = serving.plan.stage(x.stage?)?;
    let plan = match &route.integration {
        IntegrationPlan::Mapped(plan) => plan,
        IntegrationPlan::HttpProxy(_) | IntegrationPlan::Mock(_) => route.passing.as_ref()?,
    };
    Some(Road {
        api: &stage.api,
        plan,
        route,
    })
}

/// The way of a request that was mapped.
fn mapped_way(call: &forward::Call<'_>, conn: &mut Conn, x: &mut Exchange, mapped: Mapped) -> Way {
    let keep_alive = wants_keep_alive(call.local, x);
    match mapped {
        Mapped::Answered(given, rest) => Way::Answered {
            given,
            keep_alive,
            rest,
        },
        Mapped::Looked(looked, rest) => answered(call, conn, x, looked, keep_alive, rest),
        Mapped::Fault(fault, rest) => fault_way(call.at(), conn, x, fault, keep_alive, rest),
        Mapped::Refused(fault) => refuse(call.at(), conn, x, fault),
        // What passes was moved before anybody asked.
        Mapped::Passes(..) | Mapped::Gone => Way::Over(Next::Close),
    }
}

/// What a forwarded request needs of its surroundings.
fn call<'a>(
    local: &'a Rc<Local>,
    serving: &'a Rc<Serving>,
    peer: Peer,
    x: &Exchange,
) -> forward::Call<'a> {
    forward::Call {
        local,
        serving,
        peer,
        cache: route_store(serving, x),
    }
}

/// The way of a request that the store has answered, or that is refused for its sake.
fn answered(
    call: &forward::Call<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    looked: Looked,
    keep_alive: bool,
    rest: Rest,
) -> Way {
    match looked {
        Looked::Answered { given, refresh } => {
            if refresh {
                refresh_later(call, x);
            }
            Way::Answered {
                given,
                keep_alive,
                rest,
            }
        }
        Looked::Refused(fault) => fault_way(call.at(), conn, x, fault, keep_alive, rest),
        Looked::Gone => Way::Over(Next::Close),
        Looked::Ask => Way::Asks(rest),
    }
}

/// The way of a request that the gateway answers with a fault.
fn fault_way(
    at: At<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    fault: Fault,
    keep_alive: bool,
    rest: Rest,
) -> Way {
    let keep_alive = keep_alive && !fault.closes();
    let sent = respond::fault(at, x, conn, fault, keep_alive);
    sent_way(sent, keep_alive, rest)
}

/// The way of a request whose answer is queued, if there was a buffer for it.
fn sent_way(sent: bool, keep_alive: bool, rest: Rest) -> Way {
    Way::Answered {
        given: sent.then_some(Given::Whole),
        keep_alive,
        rest,
    }
}

/// Answers with a fault after which nothing more can be read as a request.
fn refuse(at: At<'_>, conn: &mut Conn, x: &mut Exchange, fault: Fault) -> Way {
    respond::fault(at, x, conn, fault, false);
    Way::Refused
}

/// Refuses a head. It was not parsed, but whoever asked with HEAD, as far as one can see, takes no
/// body.
fn refuse_head(at: At<'_>, conn: &mut Conn, x: &mut Exchange, fault: Fault) -> Way {
    let seen = x.head_bytes.bytes();
    if seen.starts_with(b"HEAD ") || b"HEAD ".starts_with(seen) {
        x.head.method = Method::Head;
    }
    refuse(at, conn, x, fault)
}

/// Answers that there is no room for the request now. The connection lingers where it costs
/// least: behind the exchange, in the task that holds no buffer.
fn shed(at: At<'_>, conn: &mut Conn, x: &mut Exchange) -> Way {
    respond::fault(at, x, conn, Fault::Shed, false);
    Way::Over(Next::Close)
}

/// Takes bytes until the head is whole, and parses it; gives what came behind it, `None` while
/// bytes are missing.
fn receive(
    serving: &Serving,
    peer: &Peer,
    x: &mut Exchange,
    finder: &mut HeadFinder,
    mut buf: Buf,
) -> Result<Option<Option<Buf>>, Fault> {
    let limits = &serving.head_limits_behind(peer.door);
    let before = x.head_bytes.bytes().len();
    if before == 0 {
        let found = finder.find(&buf, limits);
        match found {
            Ok(Some(end)) => x.head_bytes.set_whole(buf.split_to(end)),
            Ok(None) | Err(_) => x.head_bytes.push(&buf), // how it begins still tells
        }
        if found.map_err(Fault::Head)?.is_none() {
            return Ok(None);
        }
    } else {
        x.head_bytes.push(&buf);
        let found = finder.find(x.head_bytes.bytes(), limits);
        let Some(end) = found.map_err(Fault::Head)? else {
            return Ok(None);
        };
        x.head_bytes.truncate(end);
        buf.advance(end.saturating_sub(before));
    }
    parse_request(x.head_bytes.bytes(), limits, &mut x.head).map_err(Fault::Head)?;
    // A listed proxy's word about the client is taken before anybody asks who the client is.
    x.told = hops::told(&serving.plan.trusted_proxies, peer, x);
    Ok(Some((!buf.is_empty()).then_some(buf)))
}

/// Awaits the bytes that are missing of a head; without a fault the client has left.
async fn receive_rest(
    serving: &Serving,
    conn: &mut Conn,
    peer: &Peer,
    x: &mut Exchange,
    mut finder: HeadFinder,
) -> Result<Option<Buf>, Option<Fault>> {
    let deadline = x.received.plus_ms(u64::from(serving.plan.limits.head_ms));
    loop {
        let buf = conn.recv(deadline).await.map_err(|end| match end {
            RecvEnd::Timeout => Some(Fault::HeadTimeout),
            RecvEnd::Closed | RecvEnd::Failed(_) => None,
        })?;
        if let Some(carry) = receive(serving, peer, x, &mut finder, buf)? {
            return Ok(carry);
        }
    }
}

/// Finds host, stage and route.
fn resolve<'s>(
    local: &Local,
    serving: &'s Serving,
    conn: &Conn,
    peer: &Peer,
    x: &mut Exchange,
) -> Result<&'s RoutePlan, Fault> {
    take_override(x);
    let bytes = x.head_bytes.bytes();
    let host = x.head.host.name.of(bytes);
    if let Some(tls) = conn.tls()
        && !std::str::from_utf8(host).is_ok_and(|host| covers(tls, host))
    {
        return Err(Fault::Misdirected);
    }
    let verb = Verb::from_token(x.head.method_name.of(bytes));
    let asked = Asked {
        host,
        path: x.head.path(bytes),
        api_id: api_id(&x.head, bytes, peer.door),
        headers: Headers::of(&x.head.fields, bytes),
    };
    let draw = || local.core.random();
    let plan = &serving.plan;
    match plan.resolve_asked(&asked, verb, peer.door, draw, &mut x.params) {
        Resolution::Route {
            route,
            stage,
            canary,
            path_from,
            base_to,
            resource_from,
            ..
        } => {
            x.stage = Some(stage);
            x.route = Some(route);
            x.canary = canary;
            (x.path_from, x.base_to, x.resource_from) = (path_from, base_to, resource_from);
            x.is_http_api = is_http_api(serving, stage);
            serving.plan.route(route).ok_or(Fault::NoRoute)
        }
        Resolution::NoRoute {
            stage,
            canary,
            path_from,
            base_to,
            resource_from,
            ..
        } => {
            x.stage = Some(stage);
            x.canary = canary;
            (x.path_from, x.base_to, x.resource_from) = (path_from, base_to, resource_from);
            x.is_http_api = is_http_api(serving, stage);
            x.route = serving
                .plan
                .stage(stage)
                .and_then(|stage| stage.default_route);
            let route = x.route.and_then(|route| serving.plan.route(route));
            route.ok_or(Fault::NoRoute)
        }
        Resolution::Health => Ok(&plan.health),
        Resolution::NoStage => Err(Fault::NoStage),
    }
}

fn is_http_api(serving: &Serving, stage: StageIndex) -> bool {
    let stage = serving.plan.stage(stage);
    stage.is_some_and(|stage| stage.api.kind == ApiKind::Http)
}

/// Asks who may call the method. Where somebody else would have to say so, nobody may.
#[inline]
fn authorize(at: At<'_>, x: &mut Exchange, route: &RoutePlan) -> Result<(), Fault> {
    match route.access {
        Access::Open => Ok(()),
        Access::Signed => Err(Fault::Unsigned),
        Access::Authorized => Err(Fault::Authorizer),
        Access::ByPolicy => {
            x.detail = refusal_by_policy(at, x);
            Err(Fault::Policy)
        }
    }
}

/// What somebody reads whom a policy does not name.
#[cold]
fn refusal_by_policy(at: At<'_>, x: &Exchange) -> String {
    let plan = &at.serving.plan;
    let stage = x.stage.and_then(|stage| plan.stage(stage));
    let (api_id, stage) = stage.map_or(("", ""), |stage| (&*stage.api_id, &*stage.name));
    let bytes = x.head_bytes.bytes();
    let text = |bytes| String::from_utf8_lossy(bytes);
    let path = x.head.path(bytes).get(x.resource_from..).unwrap_or(b"");
    let account = &plan.account;
    let shown = account
        .id
        .get(account.id.len().saturating_sub(4)..)
        .unwrap_or("");
    format!(
        "User: anonymous is not authorized to perform: execute-api:Invoke on resource: \
         arn:{}:execute-api:{}:********{shown}:{api_id}/{stage}/{}{}",
        account.partition,
        account.region,
        text(x.head.method_name.of(bytes)),
        text(path),
    )
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

/// What the plan alone says to the request.
fn mock_outcome<'p>(x: &Exchange, plan: &'p MockPlan) -> MockOutcome<'p> {
    let bytes = x.head_bytes.bytes();
    let last = |fields: &Fields, known| fields.all(known).last().map(|field| field.value);
    let content_type = last(&x.head.fields, Known::ContentType).map(|span| span.of(bytes));
    let accept = last(&x.head.fields, Known::Accept).map(|span| span.of(bytes));
    plan.answer(content_type, accept)
}

/// Answers from the plan alone.
fn mock(
    at: At<'_>,
    conn: &mut Conn,
    x: &mut Exchange,
    outcome: MockOutcome<'_>,
    keep_alive: bool,
) -> bool {
    match outcome {
        MockOutcome::Answer { answer, body } => {
            respond::mock(at.local, x, conn, answer, body, keep_alive)
        }
        MockOutcome::Misconfigured | MockOutcome::Passes => {
            respond::fault(at, x, conn, Fault::Configuration, keep_alive)
        }
        MockOutcome::UnsupportedMediaType => {
            respond::fault(at, x, conn, Fault::UnsupportedMediaType, keep_alive)
        }
    }
}

/// Where answers of the request's route are kept, if anywhere.
fn route_store<'s>(serving: &'s Serving, x: &Exchange) -> Option<forward::RouteStore<'s>> {
    let plan = serving.plan.route(x.route?)?.cache.as_ref()?;
    let stage = serving.plan.stage(x.stage?)?;
    let tier = serving.cache(stage.cache_region)?;
    Some(forward::RouteStore { plan, stage, tier })
}
