//! The end of the real binary: warned, in order, or at once.
//!
//! Shape: requests under way while SIGTERM arrives. Units: milliseconds. Errors: an answer that is
//! cut after its first byte, a process that does not end. Source: RELIABILITY section 9.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::running::{
    client::{Client, Load},
    gateway::Gateway,
    origin,
};

#[test]
fn a_drain_warns_first_and_finishes_what_is_under_way() {
    let server = "drain_delay_ms = 600\ndrain_deadline_ms = 8000";
    let mut gateway = Gateway::start(origin::start(), server);
    let address = gateway.address;
    // Begin before the signal and end after the listeners are closed; one is in its body.
    let late: Vec<_> = ["/dev/sleep/1500", "/dev/drip/1500", "/dev/drip/1200"]
        .map(|path| thread::spawn(move || Client::new(address).get(path)))
        .into();
    let load = Load::start(address, "/dev/now", 4, 15);
    thread::sleep(Duration::from_millis(300));
    gateway.signal(libc::SIGTERM);
    gateway.await_that("/readyz says 503", |gateway| {
        gateway.ask("GET", "/readyz").0 == 503
    });
    assert_eq!(gateway.ask("GET", "/livez").0, 200);
    // The warned balancer is still sending: new connections are served.
    Client::new(address)
        .get("/dev/now")
        .expect("served during the delay");
    let tally = load.stop();
    assert!(tally.failures.is_empty(), "{tally:?}\n{}", gateway.log());
    for request in late {
        let answer = request.join().expect("no panic").expect("a whole answer");
        assert_eq!(answer.body.len(), origin::BODY_BYTES);
    }
    let status = gateway.wait(Duration::from_secs(8));
    assert!(status.success(), "{status}\n{}", gateway.log());
    assert!(!gateway.socket().exists(), "its socket is taken away");
}

#[test]
fn a_second_signal_ends_at_once() {
    let server = "drain_delay_ms = 60000\ndrain_deadline_ms = 60000";
    let mut gateway = Gateway::start(origin::start(), server);
    let address = gateway.address;
    let hangs = thread::spawn(move || Client::new(address).get("/dev/sleep/15000"));
    thread::sleep(Duration::from_millis(200));
    gateway.signal(libc::SIGTERM);
    gateway.await_that("it drains", |gateway| {
        gateway.ask("GET", "/readyz").0 == 503
    });
    let start = Instant::now();
    gateway.signal(libc::SIGTERM);
    let status = gateway.wait(Duration::from_secs(3));
    assert!(status.success(), "{status}\n{}", gateway.log());
    assert!(start.elapsed() < Duration::from_secs(2));
    hangs
        .join()
        .expect("no panic")
        .expect_err("its answer never came");
}

#[test]
fn a_worker_that_stands_still_ends_the_process() {
    let mut gateway = Gateway::start(origin::start(), "");
    let (status, _) = gateway.ask("POST", "/debug/block/1");
    assert_eq!(status, 200);
    // The control core answers all the while.
    assert_eq!(gateway.ask("GET", "/livez").0, 200);
    assert_eq!(gateway.ask("GET", "/metrics").0, 200);
    let signal = gateway.wait_for_signal(Duration::from_secs(8));
    assert_eq!(signal, Some(libc::SIGABRT), "{}", gateway.log());
    assert!(
        gateway.log().contains("worker 1 has not turned"),
        "{}",
        gateway.log()
    );
}
