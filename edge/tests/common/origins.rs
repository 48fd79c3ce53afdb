//! What tests of the control core's tasks share: a core, a clocked loop, plans of one origin.
//!
//! Shape: functions. Units: milliseconds. Ranges: loopback only. Errors: tests panic. Source: own.

#![allow(dead_code, unreachable_pub)]

use std::{cell::Cell, rc::Rc, sync::Arc};

use tidegate_edge::{
    exec::Core,
    model::settings::{Balance, Roots},
    net::address::AllowList,
    origin::{
        EjectionPlan, EndpointHost, EndpointPlan, GroupState, HealthPlan, OriginPlan, OriginTlsPlan,
    },
    ring::{
        Ring,
        kernel::{Kernel, KernelOptions},
    },
};

pub fn core() -> Rc<Core> {
    let options = KernelOptions {
        buffers: 256,
        stock: 64,
        ..KernelOptions::default()
    };
    Core::new(Ring::Kernel(Kernel::new(&options).expect("a ring")), 512)
}

/// Turns until `condition` holds, at most `ms`; whether it did.
pub fn until(core: &Rc<Core>, ms: u64, mut condition: impl FnMut() -> bool) -> bool {
    core.turn(false); // so that the clock stands at now
    let end = core.now().plus_ms(ms);
    let done = Rc::new(Cell::new(false));
    let (inner, flag) = (Rc::clone(core), Rc::clone(&done));
    core.spawn(async move {
        while !flag.get() {
            inner.sleep_until(inner.now().plus_ms(1)).await;
        }
    });
    let mut held = condition();
    while !held && core.now() < end {
        core.turn(true);
        held = condition();
    }
    done.set(true);
    held
}

/// Ends everything, and nothing may be left.
pub fn shut_down(core: &Rc<Core>) {
    core.shutdown();
    assert_eq!((core.slots_used(), core.sockets_open()), (0, 0));
}

/// `host` as a plan has it.
pub fn endpoint(host: &str, port: u16) -> EndpointPlan {
    EndpointPlan {
        region: "here".into(),
        host: match host.parse() {
            Ok(ip) => EndpointHost::Address(ip),
            Err(_) => EndpointHost::Name(host.into()),
        },
        port,
        tls: false,
        priority: 0,
        weight: 1,
        authority: format!("{host}:{port}").into(),
    }
}

/// A group of these endpoints, and its state.
pub fn group(
    endpoints: Vec<EndpointPlan>,
    health: Option<HealthPlan>,
    allow: &[&str],
) -> (Arc<[OriginPlan]>, Arc<GroupState>) {
    let plan = OriginPlan {
        name: "group".into(),
        matches: Box::from([]),
        implicit: false,
        endpoints: endpoints.into(),
        balance: Balance::RoundRobin,
        tls: OriginTlsPlan {
            roots: Roots::System,
            client_identity: None,
            faces: Vec::new(),
            server_name: "origin.test".into(),
            insecure_skip_verification: false,
        },
        health,
        ejection: EjectionPlan {
            failures: 5,
            base_ms: 30_000,
            percent_max: 50,
        },
        allow: AllowList::parse(allow).expect("a list"),
        connections_max: 16,
        waiters_max: 16,
        connect_ms: 1_000,
        idle_ms: 1_000,
        retry_percent_max: 10,
    };
    let state = GroupState::new(&plan, None);
    (Arc::from([plan]), state)
}
