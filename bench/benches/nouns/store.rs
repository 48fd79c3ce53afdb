//! What: a hit in the cache's store: hash of the key, look-up, pin, and the pin's end.
//! Shape: a region of 64 MiB with 1,000 objects of 128 bytes, asked for in turn. All have been asked
//!   for as often as frequencies count, so that a hit changes nothing in the store.
//! Units: seconds, bytes.
//! Errors: a region that cannot be made, or a miss, panics.
//! Source: docs/architecture.md, the cache.

use std::hint::black_box;

use tidegate_edge::cache::{Insert, Namespace, Owner, Store, StoreOptions};

use super::Operation;

const CAPACITY_BYTES: u64 = 64 << 20;
const OBJECTS: u64 = 1_000;
const PLACE: Namespace = Namespace(1);
const NOW_S: u32 = 1_800_000_000;
const META: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const BODY: &[u8] = &[b'x'; 128];
/// Look-ups behind which an object's frequency no longer grows.
const WARM: usize = 3;

/// Looks one object up after the other.
pub(super) fn look_up() -> Operation {
    // The file is gone from its folder at once; the mapping keeps it.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("region");
    let store = Store::open(&StoreOptions::new(&path, CAPACITY_BYTES, 1)).expect("a region");
    let owner = store.owner().expect("an owner");
    let keys: Vec<String> = (0..OBJECTS).map(key).collect();
    for key in &keys {
        insert(&owner, key.as_bytes());
    }
    for key in (0..WARM).flat_map(|_| &keys) {
        hit(&owner, key.as_bytes());
    }
    let mut at = 0;
    Box::new(move || {
        hit(&owner, keys[at].as_bytes());
        at = (at + 1) % keys.len();
    })
}

fn hit(owner: &Owner, key: &[u8]) {
    let key = black_box(key);
    let hash = owner.hash(PLACE, key);
    let hit = owner.lookup(PLACE, hash, key, NOW_S).expect("a hit");
    assert_eq!(black_box(&hit).body_bytes(), BODY.len());
}

fn insert(owner: &Owner, key: &[u8]) {
    let insert = Insert {
        namespace: PLACE,
        generation: owner.store().generation(PLACE),
        key,
        meta: META,
        body: &[BODY],
        stored_s: NOW_S,
        expires_s: NOW_S + 1_000,
        keep_until_s: NOW_S + 2_000,
    };
    owner.insert(&insert, NOW_S).expect("room");
}

fn key(number: u64) -> String {
    format!("GET|https|api.example.com|/v1/orders/{number:016}/items")
}
