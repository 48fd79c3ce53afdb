//! What is kept or fetched once for many: clients at once, processes after each other.
//!
//! Shape: a run each. Units: milliseconds. Errors: a panic with the answer's head.
//! Source: docs/caching.md.

use std::{sync::PoisonError, thread, time::Duration};

use super::bed::{CACHE, ONE, by_path, edge, settings};
use crate::running::{
    gateway::{Gateway, install},
    scripted::{Got, Reply, Scripted, fetch},
};

#[test]
fn fifty_misses_at_once_ask_the_origin_once() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(|seen| Reply {
        pause_ms: 400,
        ..by_path(seen)
    });
    let gateway = edge(&origin, "standard", CACHE);
    let address = gateway.address;
    let clients: Vec<_> = (0..50)
        .map(|_| thread::spawn(move || fetch(address, "GET", "/dev/herd", &[])))
        .collect();
    let answers: Vec<Got> = clients
        .into_iter()
        .filter_map(|one| one.join().ok())
        .collect();
    assert_eq!(answers.len(), 50);
    assert!(answers.iter().all(|got| got.text() == "GET 0"));
    assert_eq!(origin.count("/herd"), 1);
    let collapsed = answers.iter().filter(|got| got.head.contains("collapsed"));
    assert!(collapsed.count() > 40);
    let (_, said) = gateway.cli(&["cache", "stat", "--json"]);
    let stat: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(stat["answers"]["collapsed"], 49, "{said}");
    assert_eq!(stat["answers"]["misses"], 50, "{said}");
}

#[test]
fn what_is_kept_outlives_reload_restart_and_upgrade() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(by_path);
    // The port is part of the key, and each process gets its own here: clients name one.
    let host: &[&str] = &[];
    let mut gateway = edge(&origin, "standard", CACHE);
    let hits = |gateway: &Gateway, what: &str| {
        let got = fetch(gateway.address, "GET", "/dev/kept", host);
        assert!(got.head.contains("X-Cache: Hit"), "{what}: {}", got.head);
        assert_eq!(origin.count("/kept"), 1, "{what}");
    };
    fetch(gateway.address, "GET", "/dev/kept", host);
    hits(&gateway, "at once");
    gateway.configure(&settings(
        origin.address,
        "edge_cache = \"standard\"",
        &format!("{CACHE}collapse_ms = 1000"),
    ));
    let (status, said) = gateway.ask("POST", "/reload");
    assert_eq!(status, 200, "{said}");
    hits(&gateway, "reloaded");
    install(&gateway.program());
    gateway.upgrade();
    hits(&gateway, "upgraded");
    gateway.wait(Duration::from_secs(8));
    gateway.signal(libc::SIGKILL);
    gateway.await_that("it is gone", |gateway| {
        gateway.try_ask("GET", "/livez").is_none()
    });
    gateway.start_again();
    gateway.await_that("it listens", |gateway| {
        let ready = gateway.try_ask("GET", "/readyz");
        ready.is_some_and(|(status, _)| status == 200)
    });
    let log = gateway.log();
    let last = log
        .rsplit("listening on ")
        .next()
        .and_then(|text| text.split(',').next());
    gateway.address = last.expect("a line").parse().expect("an address");
    hits(&gateway, "after a kill");
}
