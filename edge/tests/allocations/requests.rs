//! A warm keep-alive request, proxied or mapped, allocates nothing of ours; rustls's own are counted.
//!
//! The gateway's thread alone is counted, while a client and an origin on threads of their own
//! keep it busy.

use crate::counted::{ANSWER, COUNTED_REQUESTS, Identity, Setup, connect, serve_origin, start};

#[test]
fn a_warm_request_allocates_nothing() {
    let running = start(serve_origin(ANSWER), &Setup::default());
    let plain = running.count(&mut connect(running.address), "");
    assert_eq!(plain, 0, "allocations in {COUNTED_REQUESTS} plain requests");

    let setup = Setup {
        is_mapped: true,
        ..Setup::default()
    };
    let running = start(serve_origin(ANSWER), &setup);
    let mapped = running.count(&mut connect(running.address), "");
    assert_eq!(
        mapped, 0,
        "allocations in {COUNTED_REQUESTS} mapped requests"
    );

    let setup = Setup {
        is_ruled: true,
        ..Setup::default()
    };
    let running = start(serve_origin(ANSWER), &setup);
    let ruled = running.count(&mut connect(running.address), "");
    assert_eq!(ruled, 0, "allocations in {COUNTED_REQUESTS} ruled requests");

    let folder = tempfile::tempdir().expect("a folder");
    let identity = Identity::new(folder.path());
    let setup = Setup {
        identity: Some(&identity),
        ..Setup::default()
    };
    let running = start(serve_origin(ANSWER), &setup);
    let tls = running.count(&mut identity.connect(running.address), "");
    // rustls 0.23: one vector for the record opened, one for the record sealed, and one for the
    // list of records to write.
    let each = tls.div_ceil(COUNTED_REQUESTS as u64);
    println!("rustls: {tls} allocations in {COUNTED_REQUESTS} requests");
    assert!(
        each <= 3,
        "{tls} allocations in {COUNTED_REQUESTS} TLS requests"
    );
}
