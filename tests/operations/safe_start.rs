//! Starts that do not last, of the real binary: what was good before serves instead.
//!
//! Shape: one folder whose gateway is killed and started again. Units: none. Errors: a start that
//! serves the wrong configuration, or does not say which. Source: RELIABILITY section 9.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::net::SocketAddr;

use crate::running::{
    client::Client,
    gateway::{Gateway, settings},
    origin,
};

/// Good at once, so that it is kept.
const GOOD_SOON: &str = "drain_delay_ms = 0\n[process]\nstate_dir = \"state\"\ngood_after_ms = 100";
/// Not good for as long as a test takes.
const GOOD_LATE: &str =
    "drain_delay_ms = 0\n[process]\nstate_dir = \"state\"\ngood_after_ms = 600000\ntrial_ms = 0";

/// Nobody listens there.
fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

/// A gateway whose configuration is kept as good, before one that leads nowhere and whose document
/// has changed too.
fn gateway_before_a_bad_change(origin: SocketAddr) -> Gateway {
    let gateway = Gateway::start(origin, GOOD_SOON);
    let kept = gateway.folder.path().join("state/last-good.json");
    gateway.await_that("it is kept", |_| kept.exists());
    let document = gateway.folder.path().join("api.yaml");
    let text = std::fs::read_to_string(&document).expect("the document");
    std::fs::write(&document, text.replace("/{proxy}", "/changed/{proxy}")).expect("written");
    gateway.configure(&settings(nowhere(), GOOD_LATE, "127.0.0.1:0"));
    gateway
}

fn serves(gateway: &Gateway) -> Result<(), String> {
    Client::new(gateway.address).get("/dev/now").map(|_| ())
}

fn metric(gateway: &Gateway, line: &str) {
    let (_, metrics) = gateway.ask("GET", "/metrics");
    assert!(metrics.contains(line), "no {line:?} in {metrics}");
}

#[test]
fn a_third_start_serves_what_was_good() {
    let origin = origin::start();
    let mut gateway = gateway_before_a_bad_change(origin);
    for _ in 0..2 {
        gateway.restart(libc::SIGKILL);
        assert_eq!(serves(&gateway), Err("status 504".to_owned()));
        metric(&gateway, "tidegate_config_last_good 0\n");
    }
    gateway.restart(libc::SIGKILL);
    assert_eq!(serves(&gateway), Ok(()), "{}", gateway.log());
    let said = "was started 2 times and did not last; the last good one, ";
    assert!(gateway.log().contains(said), "{}", gateway.log());
    let (_, config) = gateway.ask("GET", "/config");
    assert!(config.contains(said), "{config}");
    let (status, ready) = gateway.ask("GET", "/readyz?verbose");
    assert_eq!(status, 200);
    assert!(ready.contains("the last good one serves"), "{ready}");
    metric(&gateway, "tidegate_config_last_good 1\n");
    metric(&gateway, "tidegate_config_loaded 0\n");

    // It still reads what the command line names.
    gateway.configure(&settings(origin, GOOD_LATE, "127.0.0.1:0"));
    assert_eq!(gateway.ask("POST", "/reload").0, 200);
    metric(&gateway, "tidegate_config_last_good 0\n");
    metric(&gateway, "tidegate_config_loaded 1\n");
    gateway.restart(libc::SIGKILL);
    metric(&gateway, "tidegate_config_last_good 0\n");
}

#[test]
fn ends_in_order_do_not_count() {
    let mut gateway = gateway_before_a_bad_change(origin::start());
    for number in [libc::SIGKILL, libc::SIGTERM, libc::SIGTERM, libc::SIGTERM] {
        gateway.restart(number);
        assert_eq!(serves(&gateway), Err("status 504".to_owned()));
    }
    for _ in 0..3 {
        gateway.upgrade();
        metric(&gateway, "tidegate_config_last_good 0\n");
    }
}

#[test]
fn a_configuration_that_does_not_compile_gives_way_too() {
    let patience = std::time::Duration::from_secs(20);
    let mut gateway = gateway_before_a_bad_change(origin::start());
    gateway.configure(&(settings(nowhere(), GOOD_LATE, "127.0.0.1:0") + "[dns]\nattempts = 0\n"));
    gateway.signal(libc::SIGTERM);
    gateway.wait(patience);
    for _ in 0..2 {
        gateway.start_again();
        assert_eq!(gateway.wait(patience).code(), Some(3), "{}", gateway.log());
    }
    gateway.start_again();
    gateway.await_that("it is ready", |gateway| {
        gateway.try_ask("GET", "/readyz").is_some()
    });
    metric(&gateway, "tidegate_config_last_good 1\n");
}

#[test]
fn without_a_folder_nothing_is_remembered() {
    let mut gateway = Gateway::start(nowhere(), "drain_delay_ms = 0");
    for _ in 0..4 {
        gateway.restart(libc::SIGKILL);
        assert_eq!(serves(&gateway), Err("status 504".to_owned()));
    }
    assert!(!gateway.folder.path().join("state").exists());
}
