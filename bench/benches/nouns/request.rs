//! What: a whole request through a gateway in the simulated world: proxied, read whole and passed,
//!   and mapped by a template each way; an order of 1 KB in, one out.
//! Shape: the gateway on a core of its own, whose turns are counted; client and origin on another.
//!   What the twin does in the place of the kernel is counted too, and is the same for all three.
//! Units: one operation is one request of a connection that stays open, to its last byte.
//! Errors: an answer that is not 200 panics.
//! Source: `templates/order.vtl`, `templates/order.json`.

use std::cell::Cell;
use std::hint::black_box;
use std::net::SocketAddr;
use std::rc::Rc;

use serde_json::json;
use tidegate_edge::base::time::Mono;
use tidegate_edge::exec::{Core, Inbox, Listener, Stream, connect};
use tidegate_edge::model::api::{
    Api, Integration, IntegrationKind, IntegrationResponse, Method, ParameterMapping,
    ParameterSource, ParameterTarget, Resource, Template, Verb,
};
use tidegate_edge::model::settings::Settings;
use tidegate_edge::net::tls::{TlsClock, ticket::TicketKeys};
use tidegate_edge::plan::compile;
use tidegate_edge::ring::sim::{Faults, Sim, SimOptions, World};
use tidegate_edge::ring::{ListenAddress, Ring, Transport};
use tidegate_edge::server::{
    Admission, Blueprint, CacheSecrets, Gauges, Keyring, LimitsHome, Worker,
};
use tidegate_edge::telemetry::histograms::CoreHistograms;
use tidegate_edge::telemetry::metrics::{Registry, StageName};

use super::Operation;

const TEMPLATE: &str = include_str!("../../templates/order.vtl");
const ORDER: &str = include_str!("../../templates/order.json");
const LOCALHOST: ([u8; 4], u16) = ([127, 0, 0, 1], 0);
const SLOTS: u32 = 256;
/// What a round costs when nothing is on its way.
const ROUND_NS: u64 = 1_000;

/// As `http_proxy` by the header rules of a proxy.
pub(super) fn proxied() -> Operation {
    operation(IntegrationKind::HttpProxy, false, "proxy")
}

/// As `http_proxy` by those of API Gateway.
pub(super) fn streamed() -> Operation {
    operation(IntegrationKind::HttpProxy, false, "api_gateway")
}

/// As `http` without a template.
pub(super) fn passed() -> Operation {
    operation(IntegrationKind::Http, false, "api_gateway")
}

/// As `http` with a template each way.
pub(super) fn mapped() -> Operation {
    operation(IntegrationKind::Http, true, "api_gateway")
}

fn operation(kind: IntegrationKind, has_templates: bool, header_rules: &str) -> Operation {
    let world = World::new(1, Faults::none());
    let (gateway, people) = (core(&world), core(&world));
    let origin = serve_origin(&people);
    let (worker, address) = serve(&gateway, origin, (kind, has_templates), header_rules);
    let answered = Rc::new(Cell::new(0u64));
    ask_forever(&people, address, Rc::clone(&answered));
    Box::new(move || {
        let _serves_on = &worker;
        let before = answered.get();
        while answered.get() == before {
            people.turn(false);
            let now = world.now();
            let event = world.next_event();
            let waits = world.has_unreaped() || event == Mono::FAR;
            world.advance(if waits { now.plus_ns(ROUND_NS) } else { event });
            counted_turn(&gateway);
        }
    })
}

/// Callgrind finds it by its name and counts while it runs.
#[inline(never)]
fn counted_turn(gateway: &Core) {
    black_box(gateway.turn(false));
}

fn core(world: &World) -> Rc<Core> {
    let sim = Sim::new(world, &SimOptions::default()).expect("memory");
    Core::new(Ring::Sim(sim), SLOTS)
}

/// A worker that sends orders on to `origin`.
fn serve(
    core: &Rc<Core>,
    origin: SocketAddr,
    (kind, has_templates): (IntegrationKind, bool),
    header_rules: &str,
) -> (Rc<Worker>, SocketAddr) {
    let settings = json!({
        "apis": [{
            "document": "a",
            "variables": { "host": "orders.example.com" },
            "header_rules": header_rules,
        }],
        "origins": { "o": { "match": format!("http://{origin}"),
                            "allow_addresses": ["loopback"] } },
        "limits": { "requests_per_connection_max": 0 },
    });
    let settings: Settings = serde_json::from_value(settings).expect("settings");
    let api = api(origin, kind, has_templates);
    let plan = compile(&settings, &[api], 1).expect("a plan").plan;
    let keyring = Keyring {
        tickets: TicketKeys::new(core.wall()).expect("randomness"),
        clock: TlsClock::new(core.wall()),
        cache: CacheSecrets::fresh().expect("randomness"),
        limits: LimitsHome::private([1, 2]),
    };
    let blueprint = Blueprint::new(plan, &keyring, None).expect("a usable plan");
    let mut registry = Registry::new(1);
    let ids = registry.stages(&[StageName {
        api: "a".into(),
        stage: "dev".into(),
    }]);
    let gauges = Gauges {
        metrics: registry.core(0).expect("a core"),
        cells: registry.stage_cells(0, &ids),
        histograms: CoreHistograms::new(&ids),
        log: None,
        execution: None,
    };
    let listen = ListenAddress::Tcp(LOCALHOST.into());
    let fd = core.listen(&listen, true).expect("a port");
    let address = core.names(fd).local.expect("an address");
    let (_, inbox) = Inbox::new(core, 4);
    let admission = Admission::new([1, 2, 3, 4]);
    let worker = Worker::start(core, &blueprint, &admission, &[(fd, 0)], inbox, gauges);
    (worker, address)
}

fn api(origin: SocketAddr, kind: IntegrationKind, has_templates: bool) -> Api {
    let template = |text: String| Template {
        content_type: "application/json".to_owned(),
        text,
        pointer: "/t".to_owned(),
    };
    let of_request = has_templates.then(|| template(TEMPLATE.to_owned()));
    let of_answer = has_templates.then(|| template(answer_template()));
    let response = IntegrationResponse {
        pointer: "/r".to_owned(),
        selection_pattern: None,
        status: 200,
        content_handling: None,
        parameters: Vec::new(),
        templates: of_answer.into_iter().collect(),
    };
    let id = ParameterMapping {
        target: ParameterTarget::parse("integration.request.path.id").expect("a target"),
        source: ParameterSource::parse("method.request.path.id").expect("a source"),
        pointer: "/m".to_owned(),
    };
    let integration = Integration {
        uri: format!("http://{origin}/orders/{{id}}"),
        request_parameters: vec![id],
        request_templates: of_request.into_iter().collect(),
        responses: vec![response],
        ..Integration::new(kind, "/i")
    };
    Api {
        id: "bench".to_owned(),
        resources: vec![Resource {
            path: "/orders/{id}".to_owned(),
            pointer: "/paths".to_owned(),
            methods: vec![Method::new(Verb::Post, "/post", integration)],
        }],
        ..Api::default()
    }
}

/// What one template has overridden the other may not.
fn answer_template() -> String {
    let lines = TEMPLATE.split_inclusive('\n');
    lines
        .filter(|line| !line.contains("responseOverride"))
        .collect()
}

/// One client that asks again as soon as it is answered.
fn ask_forever(core: &Rc<Core>, to: SocketAddr, answered: Rc<Cell<u64>>) {
    let length = ORDER.len();
    let request = format!(
        "POST /dev/orders/42?page=7 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.14.1\r\n\
         Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{ORDER}"
    );
    let inner = Rc::clone(core);
    core.spawn(async move {
        let connected = connect(&inner, to, Transport::Stream, Mono::FAR).await;
        let mut stream = connected.expect("a gateway");
        let mut held = Vec::new();
        loop {
            send(&mut stream, request.as_bytes());
            let answer = receive(&mut stream, &mut held).await;
            let answer = answer.expect("an answer");
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            answered.set(answered.get() + 1);
        }
    });
}

/// An origin that answers every order with the order.
fn serve_origin(core: &Rc<Core>) -> SocketAddr {
    let length = ORDER.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: keep-alive\r\n\r\n{ORDER}"
    );
    let listen = ListenAddress::Tcp(LOCALHOST.into());
    let mut listener = Listener::bind(core, &listen).expect("a port");
    let address = listener.names().local.expect("an address");
    let inner = Rc::clone(core);
    core.spawn(async move {
        while let Some(accepted) = listener.accept().await {
            let mut stream = Stream::new(&inner, accepted.expect("accepted"));
            let answer = answer.clone();
            inner.spawn(async move {
                let mut held = Vec::new();
                while receive(&mut stream, &mut held).await.is_some() {
                    send(&mut stream, answer.as_bytes());
                }
            });
        }
    });
    address
}

fn send(stream: &mut Stream, bytes: &[u8]) {
    let mut buf = stream.core().pool().take().expect("a buffer");
    assert_eq!(buf.extend(bytes), bytes.len(), "it fits");
    stream.send(buf.freeze());
}

/// The next message with a length; `None` when the other side has left.
async fn receive(stream: &mut Stream, held: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(length) = message_bytes(held) {
            return Some(held.drain(..length).collect());
        }
        held.extend_from_slice(&stream.recv(Mono::FAR).await.ok()?);
    }
}

/// How long the first message in `held` is, if all of it has come.
fn message_bytes(held: &[u8]) -> Option<usize> {
    let end = held.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&held[..end]).expect("a head is text");
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = lengths.next()?.1.parse().expect("a length");
    (held.len() >= end + length).then_some(end + length)
}
