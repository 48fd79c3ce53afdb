//! One core's pool over a real ring: which address a connection goes to.

#[path = "common/origins.rs"]
mod origins;

use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc};

use origins::{core, endpoint, group, shut_down, until};
use tidegate_edge::{
    exec::Listener,
    origin::{AcquireFault, Group, OriginIndex},
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
                let lease = pool.acquire(&inner, deadline, None).await;
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
            let lease = pool.acquire(&inner, deadline, None).await;
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
