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

/// What makes a fetch out of date, by name.
type Outdates = fn(&Gateway);

#[test]
fn nobody_gets_what_was_fetched_before_it_was_invalid() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(|seen| Reply {
        pause_ms: if seen.method == "GET" && seen.before == 0 {
            1500
        } else {
            0
        },
        ..by_path(seen)
    });
    let gateway = edge(&origin, "standard", CACHE);
    let address = gateway.address;
    let rows: [(&str, Outdates); 4] = [
        ("/purged", |gateway| {
            let url = "http://gateway.test/dev/purged";
            assert_eq!(gateway.cli(&["cache", "purge", "--url", url]).0, Some(0));
        }),
        ("/flushed", |gateway| {
            let stage = ["cache", "flush", "--api", "a", "--stage", "dev"];
            assert_eq!(gateway.cli(&stage).0, Some(0));
        }),
        ("/changed", |gateway| {
            fetch(gateway.address, "POST", "/dev/changed", &[]);
        }),
        ("/asked-for-whole", |gateway| {
            fetch(gateway.address, "POST", "/dev/asked-for-whole", &[]);
        }),
    ];
    for (path, outdate) in rows {
        let target = format!("/dev{path}");
        let lines: &[&str] = match path {
            "/asked-for-whole" => &["Range: bytes=0-"],
            _ => &[],
        };
        let slow = {
            let target = target.clone();
            thread::spawn(move || fetch(address, "GET", &target, lines))
        };
        gateway.await_that("it is asked for", |_| origin.count(path) == 1);
        outdate(&gateway);
        let before = origin.count(path);
        let next = fetch(address, "GET", &target, &[]);
        assert_eq!(
            next.text(),
            format!("GET {before}"),
            "{path}: {}",
            next.head
        );
        assert_eq!(slow.join().expect("an answer").text(), "GET 0", "{path}");
        let last = fetch(address, "GET", &target, &[]);
        assert!(last.head.contains("X-Cache: Hit"), "{path}: {}", last.head);
        assert_eq!(
            last.text(),
            next.text(),
            "{path}: what came late replaced it"
        );
    }
}

#[test]
fn two_processes_share_a_region() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(by_path);
    let shared = tempfile::tempdir().expect("a folder");
    let file = shared.path().join("both.cache");
    let more = format!(
        "[cache]\npath = \"{}\"\ncapacity = \"64 MiB\"\n[cache.policies.keyed]\nheaders = [\"X-Shop\"]\n",
        file.display()
    );
    for policy in ["standard", "keyed"] {
        let [first, second] = [(); 2].map(|()| edge(&origin, policy, &more));
        assert_ne!(first.pid, second.pid);
        let path = format!("/both-{policy}");
        let get = |from: &Gateway| {
            let got = fetch(from.address, "GET", &format!("/dev{path}"), &["X-Shop: 1"]);
            let is_hit = got.head.contains("X-Cache: Hit");
            (is_hit, got.text())
        };
        let said = |count: usize| format!("GET {count}");
        assert_eq!(get(&first), (false, said(0)), "{policy}: the first stores");
        assert_eq!(get(&second), (true, said(0)), "{policy}: the second hits");
        let url = format!("http://gateway.test/dev{path}");
        let (code, text) = second.cli(&["cache", "purge", "--url", &url]);
        assert_eq!((code, text.starts_with("1 ")), (Some(0), true), "{text}");
        assert_eq!(
            get(&first),
            (false, said(1)),
            "{policy}: purged by the second"
        );
        assert_eq!(get(&second), (true, said(1)));
        let stage = ["cache", "flush", "--api", "a", "--stage", "dev"];
        assert_eq!(first.cli(&stage).0, Some(0));
        assert_eq!(
            get(&second),
            (false, said(2)),
            "{policy}: flushed by the first"
        );
        fetch(first.address, "POST", &format!("/dev{path}"), &[]);
        assert_eq!(
            get(&second),
            (false, said(4)),
            "{policy}: changed through the first"
        );
        assert_eq!(get(&first), (true, said(4)));
        first.signal(libc::SIGKILL);
        assert_eq!(
            get(&second),
            (true, said(4)),
            "{policy}: the first was killed"
        );
    }
}
