//! Regions and objects for the cache's tests.
//!
//! Shape: [`Shelf`] is a folder in memory with one region; [`object`] gives the bytes that belong to
//! a key and a version, so that whoever finds an object can tell whether it is right.
#![allow(dead_code, reason = "each test program uses a part")]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tidegate_edge::{
    base::prng::Prng,
    cache::{Hit, Insert, InsertFault, Namespace, Owner, Store, StoreOptions},
};

/// A time to begin with, seconds since 1970.
pub(crate) const START_S: u32 = 1_800_000_000;
/// The namespace of tests that need one only.
pub(crate) const PLACE: Namespace = Namespace(7);

/// A folder with a region in it.
pub(crate) struct Shelf {
    folder: tempfile::TempDir,
    pub(crate) options: StoreOptions,
}

impl Shelf {
    /// A region of `capacity_bytes` for objects of up to `object_bytes_max`.
    pub(crate) fn new(capacity_bytes: u64, object_bytes_max: u32) -> Shelf {
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let folder = folder.expect("a folder");
        let mut options = StoreOptions::new(&folder.path().join("region"), capacity_bytes, 42);
        options.object_bytes_max = object_bytes_max;
        Shelf { folder, options }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.options.path.clone()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn open(&self) -> Arc<Store> {
        Store::open(&self.options).expect("a store")
    }
}

/// An object as the tests store it: a version, and bytes that follow from key and version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Object {
    pub(crate) meta: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// The key with this number.
pub(crate) fn key(number: u64) -> Vec<u8> {
    let tail = "x".repeat(usize::try_from(number % 40).expect("small"));
    format!("GET|https|example.test|/items/{number}|{tail}").into_bytes()
}

/// What version `version` of the key with `number` is, with a body of up to `body_bytes_max`.
pub(crate) fn object(number: u64, version: u64, body_bytes_max: u64) -> Object {
    let mut prng = Prng::new(number.wrapping_mul(0x1_0001).wrapping_add(version << 20));
    let body_bytes = prng.below(body_bytes_max + 1);
    let words = (0..body_bytes.div_ceil(8)).flat_map(|_| prng.next_u64().to_le_bytes());
    let mut body: Vec<u8> = words.collect();
    body.truncate(usize::try_from(body_bytes).expect("small"));
    let mut meta = version.to_le_bytes().to_vec();
    meta.extend_from_slice(b"content-type: application/octet-stream\r\n");
    meta.extend_from_slice(&number.to_le_bytes());
    Object { meta, body }
}

/// Stores `object` under the key with `number`, for `keep_s` seconds from `now_s`.
pub(crate) fn put(
    owner: &Owner,
    number: u64,
    object: &Object,
    now_s: u32,
    keep_s: u32,
) -> Result<(), InsertFault> {
    let (first, second) = object.body.split_at(object.body.len() / 3);
    let insert = Insert {
        namespace: PLACE,
        generation: owner.store().generation(PLACE),
        key: &key(number),
        meta: &object.meta,
        body: &[first, second],
        stored_s: now_s,
        expires_s: now_s + keep_s / 2,
        keep_until_s: now_s + keep_s,
    };
    owner.insert(&insert, now_s)
}

/// Looks the key with `number` up.
pub(crate) fn get(owner: &Owner, number: u64, now_s: u32) -> Option<Hit> {
    let key = key(number);
    owner.lookup(PLACE, owner.hash(PLACE, &key), &key, now_s)
}

/// All of a hit, copied.
pub(crate) fn read(hit: &Hit) -> Object {
    let mut meta = vec![0; hit.meta_bytes()];
    let mut body = vec![0; hit.body_bytes()];
    assert_eq!(hit.copy_meta(0, &mut meta), meta.len());
    assert_eq!(hit.copy_body(0, &mut body), body.len());
    Object { meta, body }
}

/// The version that a found object says it is.
pub(crate) fn version(object: &Object) -> u64 {
    let bytes = object.meta.first_chunk().expect("a meta of ours");
    u64::from_le_bytes(*bytes)
}

/// Fails unless `found` is what was stored for the key with `number`, whichever version.
pub(crate) fn check(number: u64, found: &Object, body_bytes_max: u64) {
    let wanted = object(number, version(found), body_bytes_max);
    assert!(*found == wanted, "key {number}: another object was found");
}
