//! Upgrades of the real binary under load: no request fails.
//!
//! Shape: closed-loop clients, some busy and some that pause between requests, while the gateway
//! is replaced again and again. Units: milliseconds. Errors: any request without its whole answer.
//! Source: RELIABILITY sections 9 and 10.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use crate::running::{
    client::Load,
    gateway::{Gateway, install, install_script},
    origin,
};

const SERVER: &str = "drain_delay_ms = 0\ndrain_deadline_ms = 5000";

#[test]
fn upgrades_under_load_lose_no_request() {
    let mut gateway = Gateway::start(origin::start(), SERVER);
    let busy = Load::start(gateway.address, "/dev/now", 6, 0);
    let pausing = Load::start(gateway.address, "/dev/sleep/20", 8, 40);
    let first = gateway.pid;
    for round in 0..3 {
        thread::sleep(Duration::from_millis(300));
        let before = busy.answered();
        // A new file at the old path, as a package manager puts it there.
        install(&gateway.program());
        gateway.upgrade();
        gateway.await_that("the clients go on", |_| busy.answered() > before + 20);
        assert_ne!(gateway.pid, first, "round {round}");
    }
    let status = gateway.wait(Duration::from_secs(8));
    assert!(
        status.success(),
        "the first process ended with {status}\n{}",
        gateway.log()
    );
    let (status, body) = gateway.ask("GET", "/config");
    assert!(
        status == 200 && body.contains(&gateway.pid.to_string()),
        "{body}"
    );
    for tally in [busy.stop(), pausing.stop()] {
        assert!(tally.failures.is_empty(), "{tally:?}\n{}", gateway.log());
        assert!(tally.answered > 50, "{tally:?}");
    }
}

/// Nobody else connects, so that nobody else's wake-up can help.
#[test]
fn a_lone_connection_behind_an_upgrade_is_answered() {
    let mut gateway = Gateway::start(origin::start(), SERVER);
    for round in 0..12 {
        gateway.upgrade();
        let mut stream = TcpStream::connect(gateway.address).expect("connected");
        let patience = Some(Duration::from_secs(5));
        stream.set_read_timeout(patience).expect("a timeout");
        let request = b"GET /dev/now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request).expect("sent");
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let good = read.is_ok() && answer.starts_with(b"HTTP/1.1 200 ");
        assert!(good, "round {round}: {read:?}\n{}", gateway.log());
    }
}

#[test]
fn a_binary_that_does_not_serve_changes_nothing() {
    let mut gateway = Gateway::start(origin::start(), SERVER);
    let load = Load::start(gateway.address, "/dev/now", 2, 0);
    let (status, _) = gateway.ask("POST", "/origins/test/here/drain");
    assert_eq!(status, 200);
    let (status, _) = gateway.ask("POST", "/origins/test/here/undrain");
    assert_eq!(status, 200);
    let good = gateway.folder.path().join("good");
    // What stands at the path, and what the answer must say.
    let rows = [
        ("#!/bin/sh\nexit 3\n", "the configuration is invalid"),
        ("#!/bin/sh\nkill -9 $$\n", "signal"),
        ("no program at all\n", "cannot be started"),
    ];
    fs::rename(gateway.program(), &good).expect("put aside");
    for (program, words) in rows {
        install_script(&gateway.program(), program);
        let (code, said) = gateway.cli(&["upgrade"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(words), "{program:?}: {said}");
        let before = load.answered();
        gateway.await_that("it goes on", |_| load.answered() > before + 10);
    }
    fs::rename(&good, gateway.program()).expect("put back");
    let (status, _) = gateway.ask("POST", "/origins/test/drain");
    assert_eq!(status, 200);
    gateway.upgrade();
    let (_, list) = gateway.ask("GET", "/origins");
    assert!(
        list.contains("\"drained\": true"),
        "a drain outlives an upgrade: {list}"
    );
    let (code, said) = gateway.cli(&["origins", "undrain", "test"]);
    assert_eq!(code, Some(0), "{said}");
    drop(load.stop());
}
