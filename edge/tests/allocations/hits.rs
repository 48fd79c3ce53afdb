//! A warm hit allocates nothing of ours through the whole gateway; rustls's own are counted.
//!
//! The gateway's thread alone is counted, while a client and an origin on threads of their own
//! keep it busy.

use crate::counted::{ANSWER, COUNTED_REQUESTS, Identity, Setup, connect, serve_origin, start};

#[test]
fn a_warm_hit_allocates_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = Identity::new(folder.path());
    let hit = "X-Cache: Hit from tidegate";
    // Name, over TLS, with an access log, allocations each. rustls 0.23 makes one vector for the
    // record opened and one for the record sealed.
    let rows = [
        ("plain", false, false, 0),
        ("logged", false, true, 0),
        ("tls", true, false, 2),
        ("tls, logged", true, true, 2),
    ];
    for (name, tls, logs, each) in rows {
        let setup = Setup {
            identity: tls.then_some(&identity),
            cache: Some(folder.path().join(format!("{name}.cache"))),
            log: logs.then(|| folder.path().join(format!("{name}.log"))),
            ..Setup::default()
        };
        let running = start(serve_origin(ANSWER), &setup);
        let counted = if tls {
            running.count(&mut identity.connect(running.address), hit)
        } else {
            running.count(&mut connect(running.address), hit)
        };
        println!("{name}: {counted} allocations in {COUNTED_REQUESTS} hits");
        assert!(
            counted <= each * COUNTED_REQUESTS as u64,
            "{name}: {counted} allocations in {COUNTED_REQUESTS} hits"
        );
    }
}
