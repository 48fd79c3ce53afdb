//! The store by examples: what goes in comes out, and what is over does not.

use tidegate_edge::{
    cache::{Entry, GeometryFault, Insert, InsertFault, Namespace, Owner, Store, StoreFault, Walk},
    ring::Lender as _,
};

use crate::shelf::{PLACE, START_S, Shelf, get, key, object, put, read};

const MIB: u64 = 1 << 20;
const BODY_MAX: u64 = 3000;
/// Of the region of [`shelf`].
const SEGMENT_BYTES: u64 = 64 << 10;

fn shelf() -> Shelf {
    Shelf::new(4 * MIB, 8 << 10)
}

#[test]
fn what_goes_in_comes_out() {
    for key_bytes in [None, Some([9; 32])] {
        let mut shelf = shelf();
        shelf.options.key = key_bytes;
        let store = shelf.open();
        assert!(store.was_made());
        let owner = store.owner().expect("an owner");
        for number in 0..200 {
            let wanted = object(number, 1, BODY_MAX);
            assert!(get(&owner, number, START_S).is_none());
            put(&owner, number, &wanted, START_S, 100).expect("stored");
            let hit = get(&owner, number, START_S).expect("a hit");
            assert_eq!(read(&hit), wanted);
            assert_eq!(
                (hit.stored_s(), hit.expires_s(), hit.keep_until_s()),
                (START_S, START_S + 50, START_S + 100)
            );
            assert_eq!(hit.is_pinned(), key_bytes.is_none());
        }
        let stats = store.stats();
        assert_eq!((stats.hits, stats.misses, stats.inserts), (200, 200, 200));
        assert_eq!((stats.objects, stats.damaged), (200, 0));
        let proof = owner.verify();
        assert_eq!((proof.good, proof.damaged, proof.astray), (200, 0, 0));
    }
}

#[test]
fn parts_are_copied_from_anywhere() {
    let shelf = shelf();
    let owner = shelf.open().owner().expect("an owner");
    let wanted = object(3, 1, BODY_MAX);
    put(&owner, 3, &wanted, START_S, 100).expect("stored");
    let hit = get(&owner, 3, START_S).expect("a hit");
    for from in [
        0,
        1,
        7,
        8,
        100,
        wanted.body.len(),
        wanted.body.len() + 1,
        usize::MAX,
    ] {
        for len in [0, 1, 50, 5000] {
            let mut into = vec![0; len];
            let copied = hit.copy_body(from, &mut into);
            let rest = wanted.body.get(from..).unwrap_or(&[]);
            assert_eq!(copied, rest.len().min(len), "{from} {len}");
            assert_eq!(into.get(..copied), rest.get(..copied), "{from} {len}");
        }
    }
    let body_bytes = wanted.body.len();
    for (at, bytes_len, is_there) in [
        (0, body_bytes, true),
        (body_bytes, 0, true),
        (1, body_bytes - 1, true),
        (1, body_bytes, false),
        (body_bytes + 1, 0, false),
        (usize::MAX, 2, false),
    ] {
        let address = hit.address(at, bytes_len);
        assert_eq!(address.is_some(), is_there, "{at} {bytes_len}");
    }
}

#[test]
fn a_newer_object_takes_the_place_of_an_older_one() {
    let shelf = shelf();
    let store = shelf.open();
    let owner = store.owner().expect("an owner");
    for version in 0..50 {
        put(&owner, 5, &object(5, version, BODY_MAX), START_S, 100).expect("stored");
        let hit = get(&owner, 5, START_S).expect("a hit");
        assert_eq!(read(&hit), object(5, version, BODY_MAX));
    }
    assert_eq!((store.stats().objects, store.stats().replaced), (1, 49));
}

#[test]
fn time_flush_and_removal_make_misses() {
    let shelf = shelf();
    let store = shelf.open();
    let owner = store.owner().expect("an owner");
    let fill = || put(&owner, 1, &object(1, 1, BODY_MAX), START_S, 100).expect("stored");
    fill();
    assert!(get(&owner, 1, START_S + 99).is_some(), "stale but kept");
    assert!(get(&owner, 1, START_S + 100).is_none(), "over");
    assert!(get(&owner, 1, START_S).is_some(), "the clock decides alone");

    let other = Namespace(8);
    let hash = owner.hash(other, &key(1));
    assert!(
        owner.lookup(other, hash, &key(1), START_S).is_none(),
        "another namespace"
    );

    let before = owner.hash(PLACE, &key(1));
    store.flush(PLACE);
    assert!(get(&owner, 1, START_S).is_none(), "flushed");
    assert!(
        owner.lookup(PLACE, before, &key(1), START_S).is_none(),
        "hashed before"
    );
    fill();
    store.flush(other);
    assert!(get(&owner, 1, START_S).is_some(), "another one flushed");

    assert!(owner.remove(PLACE, &key(1)));
    assert!(get(&owner, 1, START_S).is_none(), "removed");
    assert!(!owner.remove(PLACE, &key(1)));
    assert_eq!(store.stats().removed, 1);
}

#[test]
fn a_flush_outlives_more_generations_than_a_record_keeps_of_them() {
    let shelf = shelf();
    let store = shelf.open();
    let owner = store.owner().expect("an owner");
    put(&owner, 1, &object(1, 1, BODY_MAX), START_S, 100).expect("stored");
    for _ in 0..=u32::from(u16::MAX) {
        store.flush(PLACE); // the low 16 bits come round
    }
    assert!(get(&owner, 1, START_S).is_none());
}

#[test]
fn a_purge_removes_what_it_is_told_to() {
    for key_bytes in [None, Some([9; 32])] {
        let mut shelf = shelf();
        shelf.options.key = key_bytes;
        let owner = shelf.open().owner().expect("an owner");
        for number in 0..300 {
            let object = object(number, number % 3, BODY_MAX);
            put(&owner, number, &object, START_S, 100).expect("stored");
        }
        let mut seen = 0;
        let mut walk = Walk::default();
        let decide = |entry: &Entry, key: &[u8], meta: &[u8]| {
            seen += 1;
            assert_eq!((entry.stored_s, entry.is_flushed), (START_S, false));
            key.starts_with(b"GET|https|example.test|/items/1") && meta.first() == Some(&2)
        };
        let mut decide = decide;
        while owner.purge(&mut walk, 7, &mut decide) {}
        assert_eq!(seen, 300);
        for number in 0..300 {
            let is_purged = number.to_string().starts_with('1') && number % 3 == 2;
            assert_eq!(
                get(&owner, number, START_S).is_none(),
                is_purged,
                "{number}"
            );
        }
    }
}

#[test]
fn what_was_asked_for_before_a_purge_is_not_stored_behind_it() {
    let shelf = shelf();
    let (store, other) = (shelf.open(), shelf.open());
    let owner = store.owner().expect("an owner");
    // What happens while the origin is asked, and whether its answer is stored.
    type Meanwhile = fn(&Store, &Owner);
    let rows: [(&str, Meanwhile, bool); 5] = [
        ("nothing", |_, _| {}, true),
        ("a purge", |_, owner| purge_nothing(owner), false),
        ("a flush", |store, _| store.flush(PLACE), false),
        (
            "a flush of another",
            |store, _| store.flush(Namespace(77)),
            true,
        ),
        ("a flush of all", |store, _| store.flush_all(), false),
    ];
    for (name, meanwhile, is_stored) in rows {
        let generation = store.generation(PLACE);
        meanwhile(&other, &other.owner().expect("an owner"));
        let insert = Insert {
            namespace: PLACE,
            generation,
            key: b"key",
            meta: b"meta",
            body: &[b"body"],
            stored_s: START_S,
            expires_s: START_S + 1,
            keep_until_s: START_S + 1,
        };
        let stored = owner.insert(&insert, START_S);
        let hash = owner.hash(PLACE, b"key");
        let found = owner.lookup(PLACE, hash, b"key", START_S);
        assert_eq!(stored.is_ok(), is_stored, "{name}: {stored:?}");
        assert_eq!(found.is_some(), is_stored, "{name}");
        drop(found);
        owner.remove(PLACE, b"key");
    }
}

fn purge_nothing(owner: &Owner) {
    while owner.purge(&mut Walk::default(), usize::MAX, |_, _, _| false) {}
}

#[test]
fn impossible_objects_are_refused_by_name() {
    let shelf = Shelf::new(4 * MIB, 8 << 10);
    let store = shelf.open();
    let owner = store.owner().expect("an owner");
    let generation = store.generation(PLACE);
    let long = vec![1; 8 << 10];
    let stale = {
        store.flush(Namespace(1 << 40));
        store.generation(Namespace(1 << 40))
    };
    let insert = Insert {
        namespace: PLACE,
        generation,
        key: b"k",
        meta: b"",
        body: &[],
        stored_s: START_S,
        expires_s: START_S,
        keep_until_s: START_S + 1,
    };
    let too_large = InsertFault::TooLarge {
        object_bytes: (8 << 10) + 1,
        object_bytes_max: 8 << 10,
    };
    let all_but_one = &long[1..];
    let rows: [(&str, Insert<'_>, Result<(), InsertFault>); 7] = [
        ("empty body", insert, Ok(())),
        (
            "the limit",
            Insert {
                body: &[all_but_one],
                ..insert
            },
            Ok(()),
        ),
        (
            "body",
            Insert {
                body: &[&long],
                ..insert
            },
            Err(too_large),
        ),
        (
            "pieces",
            Insert {
                body: &[all_but_one, b"x"],
                ..insert
            },
            Err(too_large),
        ),
        (
            "no key",
            Insert { key: b"", ..insert },
            Err(InsertFault::Malformed),
        ),
        (
            "over",
            Insert {
                keep_until_s: START_S,
                ..insert
            },
            Err(InsertFault::OutOfDate),
        ),
        (
            "flushed",
            Insert {
                generation: stale,
                ..insert
            },
            Err(InsertFault::OutOfDate),
        ),
    ];
    for (name, insert, expected) in rows {
        assert_eq!(owner.insert(&insert, START_S), expected, "{name}");
    }
    assert_eq!(store.stats().refused, 5);
}

#[test]
fn another_process_finds_it_warm() {
    for key_bytes in [None, Some([9; 32])] {
        let mut shelf = shelf();
        shelf.options.key = key_bytes;
        {
            let owner = shelf.open().owner().expect("an owner");
            for number in 0..100 {
                put(&owner, number, &object(number, 4, BODY_MAX), START_S, 100).expect("stored");
            }
        }
        shelf.options.seed = 999; // the file's own counts
        let store = shelf.open();
        assert!(!store.was_made());
        let owner = store.owner().expect("an owner");
        for number in 0..100 {
            let hit = get(&owner, number, START_S).expect("warm");
            assert_eq!(read(&hit), object(number, 4, BODY_MAX));
        }
        let mut any_size = shelf.options.clone();
        any_size.capacity_bytes = 1;
        let tool = Store::open_existing(&any_size).expect("a region");
        assert_eq!(tool.stats().objects, 100);
        assert_eq!(tool.processes(), [std::process::id()]);
    }
}

#[test]
fn a_region_of_other_options_is_made_anew() {
    type Change = fn(&mut Shelf);
    let rows: [(&str, Change); 5] = [
        ("capacity", |shelf| shelf.options.capacity_bytes += 4096),
        ("object limit", |shelf| shelf.options.object_bytes_max += 1),
        ("object mean", |shelf| shelf.options.object_bytes_mean += 1),
        ("a key", |shelf| shelf.options.key = Some([1; 32])),
        ("another key", |shelf| shelf.options.key = Some([2; 32])),
    ];
    let mut shelf = shelf();
    drop(shelf.open());
    for (name, change) in rows {
        let before = shelf.open().owner().expect("an owner");
        put(&before, 1, &object(1, 1, BODY_MAX), START_S, 100).expect("stored");
        change(&mut shelf);
        let after = shelf.open();
        assert!(after.was_made(), "{name}");
        let owner = after.owner().expect("an owner");
        assert!(get(&owner, 1, START_S).is_none(), "{name}");
        let hit = get(&before, 1, START_S).expect("who has the old one keeps it");
        assert_eq!(read(&hit), object(1, 1, BODY_MAX));
    }
    let mut options = shelf.options.clone();
    options.key = None;
    let keyless = Store::open_existing(&options);
    assert!(matches!(keyless, Err(StoreFault::NotARegion { .. })));
    options.path = shelf.folder().join("missing");
    let fault = Store::open_existing(&options);
    assert!(matches!(fault, Err(StoreFault::NotARegion { .. })));
}

#[test]
fn impossible_regions_are_refused_by_name() {
    let mut shelf = shelf();
    let fault = |shelf: &Shelf| Store::open(&shelf.options).expect_err("refused");
    shelf.options.capacity_bytes = 100;
    assert!(matches!(
        fault(&shelf),
        StoreFault::Geometry(GeometryFault::Capacity)
    ));
    shelf.options.capacity_bytes = MIB;
    shelf.options.object_bytes_max = 512 << 10;
    let few = fault(&shelf);
    assert!(matches!(
        few,
        StoreFault::Geometry(GeometryFault::TooFewSegments { .. })
    ));
    shelf = self::shelf();
    std::fs::create_dir(shelf.path()).expect("a folder in its place");
    let text = fault(&shelf).to_string();
    assert!(text.ends_with("region: is not a regular file"), "{text}");
    shelf = self::shelf();
    shelf.options.path = shelf.folder().join("no/such/region");
    assert!(matches!(fault(&shelf), StoreFault::File { .. }));
}

#[test]
fn a_hit_outlives_its_owner_and_a_full_round_of_the_region() {
    let shelf = shelf();
    let store = shelf.open();
    let owner = store.owner().expect("an owner");
    let wanted = object(0, 1, BODY_MAX);
    put(&owner, 0, &wanted, START_S, 1000).expect("stored");
    let hit = get(&owner, 0, START_S).expect("a hit");
    drop(owner);
    let other = store.owner().expect("another owner");
    for number in 1..10_000 {
        let object = object(number, 1, BODY_MAX);
        put(&other, number, &object, START_S, 1000).expect("stored");
    }
    assert!(get(&other, 0, START_S).is_none(), "evicted");
    assert_eq!(store.stats().segments_parked, 1);
    assert_eq!(read(&hit), wanted, "and still there for whoever holds it");
    drop(hit);
    for number in 1..3000 {
        put(&other, number, &object(number, 2, BODY_MAX), START_S, 1000).expect("stored");
    }
    assert_eq!(store.stats().segments_parked, 0);
}

#[test]
fn readers_of_everything_stop_the_writer_and_nothing_else() {
    let shelf = shelf();
    let store = shelf.open();
    let owner = store.owner().expect("an owner");
    let fill =
        |owner: &Owner, number| put(owner, number, &object(number, 1, BODY_MAX), START_S, 1000);
    let mut held = Vec::new();
    let mut number = 0;
    let fault = loop {
        if let Err(fault) = fill(&owner, number) {
            break fault;
        }
        held.extend(get(&owner, number, START_S).map(|hit| (number, hit)));
        number += 1;
        assert!(
            number < 100_000,
            "a reader of each segment, and room all the same"
        );
    };
    assert_eq!(fault, InsertFault::Full);
    for (number, hit) in held {
        assert_eq!(read(&hit), object(number, 1, BODY_MAX), "{number}");
    }
    for number in number..number + 3000 {
        fill(&owner, number).expect("room again");
    }
}

/// Records of all sizes up to an eighth of a segment: of the bytes for objects, nearly all lead
/// somewhere, at any time after the region was full.
#[test]
fn little_room_is_lost() {
    let shelf = shelf();
    let store = shelf.open();
    let owner = store.owner().expect("an owner");
    let (mut held_bytes, mut looks) = (0, 0);
    for number in 0..20_000 {
        let wanted = object(number, 1, 7000);
        put(&owner, number, &wanted, START_S, 1000).expect("stored");
        if number >= 4000 && number % 199 == 0 {
            let sum = |entry: &Entry, key: &[u8], meta: &[u8]| {
                held_bytes += entry.body_bytes as usize + key.len() + meta.len() + 40;
                false
            };
            let mut sum = sum;
            while owner.purge(&mut Walk::default(), usize::MAX, &mut sum) {}
            looks += 1;
        }
    }
    let room_bytes = usize::try_from(store.stats().data_bytes).expect("small") * looks;
    let share = held_bytes * 1000 / room_bytes;
    println!("{share} of 1000");
    assert!(share >= 955, "{share} of 1000");
}

/// A reader of each segment: a writer gets what room there is in any before it is refused.
#[test]
fn a_writer_is_refused_when_there_is_no_room_at_all() {
    let shelf = shelf();
    let store = shelf.open();
    let owner = store.owner().expect("an owner");
    let mut held = Vec::new();
    for number in 0..100_000 {
        if put(&owner, number, &object(number, 1, 100), START_S, 1000).is_err() {
            break;
        }
        held.extend(get(&owner, number, START_S));
    }
    let stats = store.stats();
    // Given up, and still held: their room is nobody's.
    let parked_bytes = stats.segments_parked * SEGMENT_BYTES;
    let room_bytes = stats.data_bytes - stats.used_bytes - parked_bytes;
    println!("{room_bytes} of {} bytes left", stats.data_bytes);
    assert!(
        stats.refused == 1 && room_bytes < SEGMENT_BYTES / 4,
        "{room_bytes}"
    );
}

#[test]
fn owners_come_and_go() {
    let shelf = shelf();
    let store = shelf.open();
    for _ in 0..3 {
        let owners: Vec<Owner> = (0..256).map(|_| store.owner().expect("an owner")).collect();
        assert!(matches!(store.owner(), Err(StoreFault::OwnersTaken)));
        let second = shelf.open();
        assert!(
            matches!(second.owner(), Err(StoreFault::OwnersTaken)),
            "another handle"
        );
        drop(owners);
        assert!(second.owner().is_ok());
    }
    assert!(store.processes().is_empty());
}
