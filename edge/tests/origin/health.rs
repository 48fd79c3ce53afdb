//! Active checks over a real ring: origins that answer well, badly, or not at all.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
};

use crate::origins::{core, endpoint, group, shut_down, until};
use tidegate_edge::{
    base::time::Mono,
    exec::{Core, Listener, Stream},
    net::{
        conn::Conn,
        tls::{
            Identity, TlsClock, TlsVersion,
            client::{OriginTls, OriginTlsSettings, Verify, server_name},
            load::{certificates_from_pem, key_from_pem},
            provider,
            server::{ClientAuth, ServerCertificate, ServerTls, ServerTlsSettings},
            ticket::TicketKeys,
        },
    },
    origin::{
        GroupTls, HealthPlan, OriginIndex,
        health::{Change, CheckFault, Checked, Checks, OnChange, watch},
    },
    ring::{Errno, ListenAddress},
};

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// An origin that answers every connection with one text; empty says nothing and holds on.
struct Origin {
    address: SocketAddr,
    answer: Rc<Cell<&'static str>>,
    /// The first bytes of the last request.
    request: Rc<RefCell<String>>,
    requests: Rc<Cell<usize>>,
}

impl Origin {
    fn start(core: &Rc<Core>, tls: Option<Arc<ServerTls>>) -> Origin {
        let any = ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut listener = Listener::bind(core, &any).expect("bound");
        let origin = Origin {
            address: listener.names().local.expect("an address"),
            answer: Rc::new(Cell::new(GOOD)),
            request: Rc::default(),
            requests: Rc::default(),
        };
        let (answer, request) = (Rc::clone(&origin.answer), Rc::clone(&origin.request));
        let requests = Rc::clone(&origin.requests);
        let inner = Rc::clone(core);
        core.spawn(async move {
            while let Some(Ok(fd)) = listener.accept().await {
                let stream = Stream::new(&inner, fd);
                let conn = match &tls {
                    Some(tls) => Conn::tls_server(stream, tls),
                    None => Conn::plain(stream),
                };
                let (answer, request) = (Rc::clone(&answer), Rc::clone(&request));
                let requests = Rc::clone(&requests);
                inner.spawn(async move {
                    serve(conn, &answer, &request, &requests).await;
                });
            }
        });
        origin
    }
}

async fn serve(
    mut conn: Conn,
    answer: &Cell<&'static str>,
    request: &RefCell<String>,
    requests: &Cell<usize>,
) {
    if conn.handshake(Mono::FAR).await.is_err() {
        return;
    }
    let Ok(head) = conn.recv(Mono::FAR).await else {
        return;
    };
    *request.borrow_mut() = String::from_utf8_lossy(&head).into_owned();
    requests.set(requests.get() + 1);
    let text = answer.get();
    if !text.is_empty() {
        let mut fresh = conn.stream().core().pool().take().expect("a buffer");
        assert_eq!(fresh.extend(text.as_bytes()), text.len());
        conn.send(fresh.freeze());
        let _ = conn.sent(0, Mono::FAR).await;
        conn.shutdown_send();
    }
    while conn.recv(Mono::FAR).await.is_ok() {}
}

fn plan() -> HealthPlan {
    HealthPlan {
        path: "/health?deep=1".into(),
        interval_ms: 20,
        timeout_ms: 60,
        healthy_after: 2,
        unhealthy_after: 2,
        statuses: Box::from([200..=299, 401..=401]),
    }
}

/// Verdicts as they changed: `None` is well.
#[derive(Default)]
struct Verdicts(Rc<RefCell<Vec<Option<CheckFault>>>>);

impl Verdicts {
    fn listen(&self) -> OnChange {
        let seen = Rc::clone(&self.0);
        Rc::new(move |change: &Change<'_>| seen.borrow_mut().push(change.fault))
    }

    fn seen(&self) -> Vec<Option<CheckFault>> {
        self.0.borrow().clone()
    }
}

fn checked(host: &str, port: u16, allow: &[&str]) -> Checked {
    let (origins, state) = group(vec![endpoint(host, port)], Some(plan()), allow);
    Checked {
        origins,
        index: OriginIndex(0),
        state,
        tls: None,
    }
}

fn start(core: &Rc<Core>, group: &Checked) -> (Checks, Verdicts) {
    let verdicts = Verdicts::default();
    let checks = watch(core, std::slice::from_ref(group), &verdicts.listen());
    assert_eq!(checks.count(), 1);
    (checks, verdicts)
}

#[test]
fn bad_answers_make_an_endpoint_ill_and_good_ones_well_again() {
    const INTERIM: &str = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let many: &'static str = Box::leak(format!("{}{GOOD}", INTERIM.repeat(9)).into_boxed_str());
    let few: &'static str = Box::leak(format!("{}{GOOD}", INTERIM.repeat(8)).into_boxed_str());
    let rows: &[(&str, &'static str, Option<CheckFault>)] = &[
        ("good", GOOD, None),
        ("without a body's end", "HTTP/1.0 204 x\r\n\r\n", None),
        (
            "a status that the plan names",
            "HTTP/1.1 401 x\r\n\r\n",
            None,
        ),
        ("interim answers first", few, None),
        ("hangs", "", Some(CheckFault::Timeout)),
        (
            "half a head, then silence",
            "HTTP/1.1 200 OK\r\nA: b",
            Some(CheckFault::Closed),
        ),
        (
            "wrong status",
            "HTTP/1.1 503 x\r\nContent-Length: 2\r\n\r\nno",
            Some(CheckFault::Status(503)),
        ),
        (
            "a redirect is not followed",
            "HTTP/1.1 302 x\r\nLocation: /\r\n\r\n",
            Some(CheckFault::Status(302)),
        ),
        (
            "not HTTP",
            "\x16\x03\x01",
            Some(CheckFault::Head(tidegate_edge::wire::HeadFault::StartLine)),
        ),
        ("too many interim answers", many, Some(CheckFault::Interim)),
    ];
    let core = core();
    for (row, answer, fault) in rows {
        let origin = Origin::start(&core, None);
        origin.answer.set(answer);
        let group = checked("127.0.0.1", origin.address.port(), &["loopback"]);
        let (checks, verdicts) = start(&core, &group);
        let state = &group.state.endpoints[0];
        match fault {
            None => {
                assert!(until(&core, 2_000, || origin.requests.get() >= 4), "{row}");
                assert_eq!(
                    (verdicts.seen(), state.is_healthy()),
                    (vec![], true),
                    "{row}"
                );
            }
            Some(fault) => {
                assert!(until(&core, 2_000, || !state.is_healthy()), "{row}");
                assert_eq!(verdicts.seen(), [Some(*fault)], "{row}");
                assert!(
                    origin.requests.get() >= 2,
                    "{row}: one failure is not enough"
                );
                origin.answer.set(GOOD);
                let before = origin.requests.get();
                assert!(until(&core, 2_000, || state.is_healthy()), "{row}");
                assert_eq!(verdicts.seen(), [Some(*fault), None], "{row}");
                assert!(
                    origin.requests.get() >= before + 2,
                    "{row}: nor one success"
                );
            }
        }
        assert_eq!(
            *origin.request.borrow(),
            format!(
                "GET /health?deep=1 HTTP/1.1\r\nHost: {}\r\nUser-Agent: tidegate-health\r\n\
                 Accept: */*\r\nConnection: close\r\n\r\n",
                origin.address
            ),
            "{row}"
        );
        drop(checks);
        until(&core, 50, || false);
        let asked = origin.requests.get();
        until(&core, 50, || false);
        assert_eq!(origin.requests.get(), asked, "{row}: dropped checks end");
    }
    shut_down(&core);
}

#[test]
fn endpoints_that_cannot_be_asked_are_ill() {
    let core = core();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = closed.local_addr().expect("an address").port();
    drop(closed);
    let open = Origin::start(&core, None);
    let open_port = open.address.port();
    let rows: &[(&str, &str, u16, &[&str], CheckFault)] = &[
        (
            "nobody listens",
            "127.0.0.1",
            port,
            &["loopback"],
            CheckFault::Connect(Errno::REFUSED),
        ),
        (
            "not allowed",
            "127.0.0.1",
            open_port,
            &["private"],
            CheckFault::Forbidden,
        ),
        (
            "not resolved",
            "a.test",
            open_port,
            &["loopback"],
            CheckFault::NoAddress,
        ),
    ];
    for (row, host, port, allow, fault) in rows {
        let group = checked(host, *port, allow);
        let (_checks, verdicts) = start(&core, &group);
        let state = &group.state.endpoints[0];
        assert!(until(&core, 2_000, || !state.is_healthy()), "{row}");
        assert_eq!(verdicts.seen(), [Some(*fault)], "{row}");
        assert_eq!(open.requests.get(), 0, "{row}");
    }
    shut_down(&core);
}

#[test]
fn an_endpoint_is_well_while_one_of_its_addresses_answers() {
    let core = core();
    let origin = Origin::start(&core, None);
    let group = checked("a.test", origin.address.port(), &["loopback"]);
    let state = &group.state.endpoints[0];
    let dead = SocketAddr::from(([127, 0, 0, 2], origin.address.port()));
    state.set_addresses(Arc::from([dead, origin.address]));
    let (_checks, verdicts) = start(&core, &group);
    assert!(until(&core, 2_000, || origin.requests.get() >= 4));
    assert_eq!(verdicts.seen(), []);
    state.set_addresses(Arc::from([dead, dead]));
    assert!(until(&core, 2_000, || !state.is_healthy()));
    shut_down(&core);
}

#[test]
fn a_group_without_checks_is_well_again() {
    let core = core();
    let (origins, state) = group(vec![endpoint("127.0.0.1", 1)], None, &[]);
    state.endpoints[0].set_healthy(false);
    let group = Checked {
        origins,
        index: OriginIndex(0),
        state,
        tls: None,
    };
    let checks = watch(
        &core,
        std::slice::from_ref(&group),
        &Verdicts::default().listen(),
    );
    assert_eq!(checks.count(), 0);
    assert!(group.state.endpoints[0].is_healthy());
}

#[test]
fn checks_over_tls_verify_the_name() {
    let core = core();
    core.turn(false);
    let clock = TlsClock::new(core.wall());
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = rcgen::CertificateParams::new(vec!["origin.test".to_owned()])
        .expect("parameters")
        .self_signed(&key)
        .expect("a certificate");
    let chain = certificates_from_pem(leaf.pem().as_bytes()).expect("a chain");
    let settings = ServerTlsSettings {
        hello_bytes_max: tidegate_edge::net::tls::session::HELLO_BYTES_MAX,
        certificates: vec![ServerCertificate {
            identity: Identity {
                chain: chain.clone(),
                key: key_from_pem(key.serialize_pem().as_bytes()).expect("a key"),
            },
            names: Vec::new(),
            client_auth: ClientAuth::Off,
            policy: None,
        }],
        version_min: TlsVersion::V12,
    };
    let keys = TicketKeys::new(core.wall()).expect("keys");
    let server = ServerTls::new(settings, &provider(), &keys, &clock).expect("good settings");
    let settings = OriginTlsSettings {
        verify: Verify::Roots(chain),
        identity: None,
        version_min: TlsVersion::V12,
    };
    let tls = OriginTls::new(settings, &provider(), &clock).expect("good settings");
    let rows = [("origin.test", None), ("other.test", Some(CheckFault::Tls))];
    for (name, fault) in rows {
        let origin = Origin::start(&core, Some(Arc::clone(&server)));
        let mut row = endpoint("127.0.0.1", origin.address.port());
        row.tls = true;
        let slow = HealthPlan {
            timeout_ms: 2_000,
            ..plan()
        };
        let (origins, state) = group(vec![row], Some(slow), &["loopback"]);
        let group = Checked {
            origins,
            index: OriginIndex(0),
            state,
            tls: Some(GroupTls {
                server_name: server_name(name).expect("a name"),
                faces: [tls.clone()].into(),
            }),
        };
        let (_checks, verdicts) = start(&core, &group);
        let is_over = || match fault {
            None => origin.requests.get() >= 3,
            Some(_) => !verdicts.seen().is_empty(),
        };
        assert!(until(&core, 5_000, is_over), "{name}");
        let expected: Vec<_> = fault.into_iter().map(Some).collect();
        assert_eq!(verdicts.seen(), expected, "{name}");
    }
    shut_down(&core);
}
