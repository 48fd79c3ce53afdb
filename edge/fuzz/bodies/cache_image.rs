//! Fuzz body: the cache's file, damaged before it is opened.
//!
//! Asserts: whatever was done to the image, it opens or is made anew, and from then on every hit is
//! exactly what was stored last; nothing removed, flushed or over comes back; nothing panics.
//! Shape: edits of 8 bytes: what (1), where (3, scaled to the file), with what (4). Units: bytes.
//! Errors: a broken promise panics. Source: RELIABILITY section 5.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tidegate_edge::cache::{Insert, Namespace, Owner, Store, StoreOptions, Walk};

const CAPACITY_BYTES: u64 = 1 << 20;
const KEYS: u32 = 400;
const NOW_S: u32 = 1_800_000_000;
const KEPT: Namespace = Namespace(1);
const FLUSHED: Namespace = Namespace(2);

/// Checks all promises on the image that `data` describes.
pub(crate) fn check(data: &[u8]) {
    let (base, _) = base();
    let mut image = base.clone();
    let mut cut = None;
    for edit in data.chunks_exact(8) {
        damage(&mut image, &mut cut, edit);
    }
    if let Some(cut) = cut {
        image.resize(cut, 0);
    }
    let path = scratch();
    fs::write(&path, &image).expect("written");
    drop(Store::open_existing(&options(&path, 12))); // refused or not: no panic
    fs::write(&path, &image).expect("written");
    live_on(&path);
    let _ = fs::remove_file(&path);
}

fn damage(image: &mut [u8], cut: &mut Option<usize>, edit: &[u8]) {
    let &[what, a, b, c, v0, v1, v2, v3] = edit else {
        return;
    };
    let len = image.len();
    let scaled = (((usize::from(a) << 16) | (usize::from(b) << 8) | usize::from(c)) * len) >> 24;
    // Half of the edits go where the tables are.
    let at = if v3 & 1 == 0 { scaled } else { scaled / 4 };
    let value = u32::from_le_bytes([v0, v1, v2, v3]);
    let page = at & !4095;
    match what % 8 {
        0 | 1 => image[at] ^= 1 << (v0 & 7),
        2 => image[at] = v0,
        3 => {
            let end = (at + usize::from(v1)).min(len);
            let mut state = u64::from(value) | 1;
            for byte in &mut image[at..end] {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = state.to_le_bytes()[7];
            }
        }
        4 => image[page..page + 4096].fill(v0 & v1),
        5 => {
            let other = usize::from(v1) << 12 & (len - 1);
            let copy = image[other..other + 4096].to_vec();
            image[page..page + 4096].copy_from_slice(&copy);
        }
        6 => image[8..12].copy_from_slice(&value.to_le_bytes()), // the version
        _ => *cut = Some(if v0 == 0 { len + 4096 } else { at }),
    }
}

/// Opens what is at `path` and uses it, as a gateway would.
fn live_on(path: &Path) {
    let store = Store::open(&options(path, 13)).expect("opened or made anew");
    let owner = store.owner().expect("an owner");
    let mut versions: Vec<Option<u32>> = base().1.clone();
    read_all(&owner, &versions);
    let mut purged = 0;
    let mut walk = Walk::default();
    while owner.purge(&mut walk, 64, |_, key, _| key.ends_with(b"3")) {
        purged += 1;
        assert!(purged < 1 << 20, "an endless walk");
    }
    for (number, version) in (0..).zip(&mut versions) {
        if number % 10 == 3 {
            *version = None;
        }
        if number % 4 == 0 && store_version(&owner, KEPT, number, 7) {
            *version = Some(7);
        }
    }
    read_all(&owner, &versions);
    for number in KEYS..3 * KEYS {
        store_version(&owner, KEPT, number, 1); // others have to go
    }
    read_all(&owner, &versions);
    assert!(owner.verify().damaged <= store.stats().damaged);
}

fn read_all(owner: &Owner, versions: &[Option<u32>]) {
    for (number, version) in (0..).zip(versions) {
        let key = key(number);
        let hash = owner.hash(FLUSHED, &key);
        let lost = owner.lookup(FLUSHED, hash, &key, NOW_S);
        assert!(lost.is_none(), "a flushed object came back");
        let hash = owner.hash(KEPT, &key);
        let Some(hit) = owner.lookup(KEPT, hash, &key, NOW_S) else {
            continue;
        };
        let version = version.expect("an object that is over came back");
        let mut body = vec![0; hit.body_bytes()];
        hit.copy_body(0, &mut body);
        assert!(
            body == self::body(number, version),
            "key {number} has other bytes"
        );
    }
}

/// The image before the damage, and the version of each key in it.
fn base() -> &'static (Vec<u8>, Vec<Option<u32>>) {
    static BASE: OnceLock<(Vec<u8>, Vec<Option<u32>>)> = OnceLock::new();
    BASE.get_or_init(|| {
        let path = scratch();
        let store = Store::open(&options(&path, 11)).expect("made");
        let owner = store.owner().expect("an owner");
        let mut versions = Vec::new();
        for number in 0..KEYS {
            assert!(store_version(&owner, FLUSHED, number, 1));
            assert!(store_version(&owner, KEPT, number, 1));
        }
        store.flush(FLUSHED);
        for number in 0..KEYS {
            // Some are replaced, some removed, some looked up often.
            let replaced = number % 3 == 0 && store_version(&owner, KEPT, number, 2);
            let removed = number % 7 == 0 && owner.remove(KEPT, &key(number));
            let now = if replaced { 2 } else { 1 };
            versions.push((!removed).then_some(now));
            for _ in 0..number % 4 {
                let hash = owner.hash(KEPT, &key(number));
                drop(owner.lookup(KEPT, hash, &key(number), NOW_S));
            }
        }
        let image = fs::read(&path).expect("the image");
        let _ = fs::remove_file(&path);
        (image, versions)
    })
}

fn store_version(owner: &Owner, namespace: Namespace, number: u32, version: u32) -> bool {
    let insert = Insert {
        namespace,
        generation: owner.store().generation(namespace),
        key: &key(number),
        meta: b"meta",
        body: &[&body(number, version)],
        stored_s: NOW_S,
        expires_s: NOW_S + 10,
        keep_until_s: NOW_S + 20,
    };
    owner.insert(&insert, NOW_S).is_ok()
}

fn options(path: &Path, seed: u64) -> StoreOptions {
    let mut options = StoreOptions::new(path, CAPACITY_BYTES, seed);
    options.object_bytes_max = 4096;
    options.object_bytes_mean = 256;
    options
}

fn key(number: u32) -> Vec<u8> {
    format!("https://example.test/{number}").into_bytes()
}

fn body(number: u32, version: u32) -> Vec<u8> {
    let bytes_len = 40 + number * 37 % 900;
    let byte = |i: u32| (i.wrapping_mul(number + 3) ^ version.wrapping_mul(0x55)).to_le_bytes()[0];
    (0..bytes_len).map(byte).collect()
}

fn scratch() -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("tidegate-image-{}-{count}", process::id()))
}
