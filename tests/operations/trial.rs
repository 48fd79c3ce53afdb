//! Reloads that are tried on one worker first, of the real binary.
//!
//! Shape: two workers under load, whose settings are changed. Units: none. Errors: a change for
//! the worse that reaches both workers, a good one that does not. Source: RELIABILITY section 9.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use crate::running::{
    client::{Client, Load},
    gateway::{Gateway, settings},
    origin,
};

/// So many that both workers have some.
const CLIENTS: usize = 16;
/// Longer than a test waits for an answer: who is answered was not kept by the clock.
const FOR_EVER: &str = "[process]\ntrial_ms = 600000";

/// Nobody listens there.
fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

/// Runs `body` while clients ask, whatever they are answered.
fn under_load(gateway: &Gateway, body: impl FnOnce()) {
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // A client of its own for each: both workers get their share.
                    let _ = Client::new(gateway.address).get("/dev/now");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        gateway.await_that("there is load", |_| answered.load(Ordering::Relaxed) > 500);
        body();
        stop.store(true, Ordering::Relaxed);
    });
}

fn metric(gateway: &Gateway, line: &str) {
    let (_, metrics) = gateway.ask("GET", "/metrics");
    assert!(metrics.contains(line), "no {line:?} in {metrics}");
}

#[test]
fn a_change_for_the_worse_is_reverted() {
    let origin = origin::start();
    let gateway = Gateway::start(origin, FOR_EVER);
    gateway.configure(&settings(nowhere(), FOR_EVER, "127.0.0.1:0"));
    under_load(&gateway, || {
        let (status, body) = gateway.ask("POST", "/reload");
        assert_eq!(status, 409, "{body}");
        assert!(body.contains("tried on one worker and reverted"), "{body}");
    });
    for _ in 0..2 * CLIENTS {
        let served = Client::new(gateway.address).get("/dev/now").map(|_| ());
        assert_eq!(served, Ok(()), "{}", gateway.log());
    }
    for line in [
        "tidegate_config_reloads_total{result=\"reverted\"} 1\n",
        "tidegate_config_reloads_total{result=\"ok\"} 0\n",
        "tidegate_config_loaded 0\n",
        "tidegate_config_revision 1\n",
    ] {
        metric(&gateway, line);
    }
    let (_, config) = gateway.ask("GET", "/config");
    assert!(config.contains("tried on one worker"), "{config}");

    // The next one is judged by itself.
    gateway.configure(&settings(
        origin,
        "[process]\ntrial_ms = 100",
        "127.0.0.1:0",
    ));
    under_load(&gateway, || {
        let (status, body) = gateway.ask("POST", "/reload");
        assert_eq!(status, 200, "{body}");
    });
    metric(&gateway, "tidegate_config_loaded 1\n");
}

#[test]
fn a_good_change_reaches_every_worker() {
    let origin = origin::start();
    let gateway = Gateway::start(origin, "");
    let load = Load::start(gateway.address, "/dev/now", 8, 0);
    let more = "[process]\ntrial_ms = 300\n[limits]\nrequests_per_connection_max = 1";
    gateway.configure(&settings(origin, more, "127.0.0.1:0"));
    let (status, body) = gateway.ask("POST", "/reload");
    assert_eq!(status, 200, "{body}");
    let tally = load.stop();
    assert!(tally.failures.is_empty(), "{tally:?}");
    assert!(
        gateway.log().contains("on trial on one worker"),
        "{}",
        gateway.log()
    );
    // Orders are on their way; then both workers know.
    gateway.await_that("both serve it", |gateway| {
        let closes = |_| {
            Client::new(gateway.address)
                .get("/dev/now")
                .is_ok_and(|a| a.closes)
        };
        (0..2 * CLIENTS).all(closes)
    });
}

#[test]
fn what_changes_during_a_trial_is_read_behind_it() {
    let origin = origin::start();
    let gateway = Gateway::start(origin, "");
    let short = "[process]\ntrial_ms = 500";
    gateway.configure(&settings(origin, short, "127.0.0.1:0"));
    thread::scope(|scope| {
        let first = scope.spawn(|| gateway.ask("POST", "/reload"));
        gateway.await_that("it is on trial", |gateway| {
            gateway.log().contains("revision 2 is on trial")
        });
        gateway.signal(libc::SIGHUP);
        let (status, body) = gateway.ask("POST", "/reload");
        assert_eq!(status, 409, "an operator is told: {body}");
        assert_eq!(first.join().expect("asked").0, 200);
    });
    gateway.await_that("the signal was not lost", |gateway| {
        let (_, metrics) = gateway.ask("GET", "/metrics");
        metrics.contains("tidegate_config_revision 3\n")
    });
}

#[test]
fn an_end_does_not_wait_for_a_trial() {
    let origin = origin::start();
    let mut gateway = Gateway::start(origin, "drain_delay_ms = 0");
    gateway.configure(&settings(origin, FOR_EVER, "127.0.0.1:0"));
    gateway.signal(libc::SIGHUP);
    gateway.await_that("it is on trial", |gateway| {
        gateway.log().contains("on trial on one worker")
    });
    gateway.signal(libc::SIGTERM);
    let status = gateway.wait(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0), "{}", gateway.log());
}
