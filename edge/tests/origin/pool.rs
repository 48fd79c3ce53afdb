//! One core's pool over a real ring: which address a connection goes to.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc};

use crate::origins::{core, endpoint, group, shut_down, until};
use tidegate_edge::{
    exec::Listener,
    origin::{AcquireFault, ClientIdentity, Face, Group, OriginIndex, OriginPlan},
    ring::{Errno, ListenAddress},
};

#[test]
fn an_address_that_leads_nowhere_is_passed_over() {
    let core = core();
    let any = ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = Listener::bind(&core, &any).expect("bound");
    let alive = listener.names().local.expect("an address");
    let dead = SocketAddr::from(([127, 0, 0, 2], alive.port()));
    let refused = Err(AcquireFault::Connect(Errno::REFUSED));
    let rows: &[(&str, &[SocketAddr], Result<(), AcquireFault>)] = &[
        ("the only one", &[alive], Ok(())),
        ("the first is dead", &[dead, alive], Ok(())),
        ("the last is dead", &[alive, dead], Ok(())),
        ("two of three are dead", &[dead, dead, alive], Ok(())),
        ("all are dead", &[dead, dead], refused),
    ];
    for (row, addresses, expected) in rows {
        let (origins, state) = group(vec![endpoint("a.test", 80)], None, &["loopback"]);
        state.endpoints[0].set_addresses(Arc::from(*addresses));
        let pool = Group::new(&origins, OriginIndex(0), state, None);
        let results = Rc::new(RefCell::new(Vec::new()));
        let (inner, seen) = (Rc::clone(&core), Rc::clone(&results));
        core.spawn(async move {
            let deadline = inner.now().plus_ms(1_000);
            for _ in 0..6 {
                let lease = pool.acquire(&inner, deadline, Face::OWN, None).await;
                seen.borrow_mut().push(lease.map(|_| ()));
            }
        });
        assert!(until(&core, 2_000, || results.borrow().len() == 6), "{row}");
        assert_eq!(*results.borrow(), vec![*expected; 6], "{row}");
    }
    drop(listener);
    shut_down(&core);
}

#[test]
fn an_endpoint_that_cannot_be_reached_gives_way_to_the_next() {
    let core = core();
    let any = ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = Listener::bind(&core, &any).expect("bound");
    let alive = listener.names().local.expect("an address");
    let dead = SocketAddr::from(([127, 0, 0, 2], alive.port()));
    let endpoints = vec![endpoint("a.test", 80), endpoint("b.test", 80)];
    let (origins, state) = group(endpoints, None, &["loopback"]);
    state.endpoints[0].set_addresses(Arc::from([dead]));
    state.endpoints[1].set_addresses(Arc::from([alive]));
    let pool = Group::new(&origins, OriginIndex(0), state, None);
    let results = Rc::new(RefCell::new(Vec::new()));
    let (inner, seen) = (Rc::clone(&core), Rc::clone(&results));
    core.spawn(async move {
        let deadline = inner.now().plus_ms(1_000);
        for _ in 0..4 {
            let lease = pool.acquire(&inner, deadline, Face::OWN, None).await;
            seen.borrow_mut().push(lease.map(|lease| lease.endpoint()));
        }
    });
    assert!(until(&core, 2_000, || results.borrow().len() == 4));
    assert_eq!(
        *results.borrow(),
        vec![Ok(1); 4],
        "none failed, all went to the second"
    );
    drop(listener);
    shut_down(&core);
}

/// A pool in front of `listeners`, one endpoint each, with two faces beside its own.
fn faced(listeners: &[SocketAddr], connections_max: u32) -> Rc<Group> {
    let endpoints = (0..listeners.len()).map(|nth| endpoint(&format!("h{nth}.test"), 80));
    let (mut origins, state) = group(endpoints.collect(), None, &["loopback"]);
    let origin: &mut OriginPlan = Arc::get_mut(&mut origins)
        .and_then(|origins| origins.first_mut())
        .expect("one of our own");
    origin.connections_max = connections_max;
    origin.tls.faces = ["one", "two"]
        .map(|name| ClientIdentity {
            name: name.into(),
            chain: "chain".into(),
            key: "key".into(),
        })
        .to_vec();
    for (endpoint, address) in state.endpoints.iter().zip(listeners) {
        endpoint.set_addresses(Arc::from([*address]));
    }
    Group::new(&origins, OriginIndex(0), state, None)
}

/// A connection is used again as the face that it was made for, and as no other.
#[test]
fn faces_have_connections_of_their_own() {
    let core = core();
    let any = ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = Listener::bind(&core, &any).expect("bound");
    let address = listener.names().local.expect("an address");
    let one = Face::of(0).expect("a face");
    let two = Face::of(1).expect("a face");
    // most connections; faces in turn, each with whether its connection was used before
    let rows: &[(u32, &[(Face, bool)])] = &[
        (
            16,
            &[
                (Face::OWN, false),
                (one, false),
                (two, false),
                (one, true),
                (Face::OWN, true),
                (two, true),
                (two, true),
            ],
        ),
        // The connection of another face gives way.
        (
            1,
            &[
                (Face::OWN, false),
                (Face::OWN, true),
                (one, false),
                (Face::OWN, false),
                (two, false),
                (two, true),
            ],
        ),
    ];
    for (connections_max, turns) in rows {
        let pool = faced(&[address], *connections_max);
        let results = Rc::new(RefCell::new(Vec::new()));
        let (inner, seen) = (Rc::clone(&core), Rc::clone(&results));
        let faces: Vec<Face> = turns.iter().map(|(face, _)| *face).collect();
        core.spawn(async move {
            for face in faces {
                let deadline = inner.now().plus_ms(1_000);
                let lease = pool.acquire(&inner, deadline, face, None).await;
                let reused = lease.map(|lease| {
                    let reused = lease.reused;
                    lease.keep();
                    reused
                });
                seen.borrow_mut().push(reused);
            }
        });
        assert!(until(&core, 2_000, || results.borrow().len() == turns.len()));
        let expected: Vec<Result<bool, AcquireFault>> =
            turns.iter().map(|(_, reused)| Ok(*reused)).collect();
        assert_eq!(*results.borrow(), expected, "{connections_max}");
    }
    drop(listener);
    shut_down(&core);
}

/// Where all connections that are allowed lie idle at another endpoint, one of them gives way.
#[test]
fn idle_connections_elsewhere_hold_nobody_up() {
    let core = core();
    let any = ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = Listener::bind(&core, &any).expect("bound");
    let address = listener.names().local.expect("an address");
    let pool = faced(&[address, address], 1);
    let results = Rc::new(RefCell::new(Vec::new()));
    let (inner, seen) = (Rc::clone(&core), Rc::clone(&results));
    core.spawn(async move {
        for _ in 0..4 {
            let deadline = inner.now().plus_ms(200);
            let lease = pool.acquire(&inner, deadline, Face::OWN, None).await;
            let endpoint = lease.map(|lease| {
                let endpoint = lease.endpoint();
                lease.keep();
                endpoint
            });
            seen.borrow_mut().push(endpoint);
        }
    });
    assert!(until(&core, 2_000, || results.borrow().len() == 4));
    let failed = results.borrow().iter().filter(|end| end.is_err()).count();
    assert_eq!(failed, 0, "{:?}", results.borrow());
    drop(listener);
    shut_down(&core);
}
