//! The store through its methods: what was written is read, what cannot be is refused whole.

mod deployments;
mod imports;
mod leases;
mod plan_rules;

use std::os::unix::fs::PermissionsExt;

use tidegate_edge::base::time::Wall;

use super::{
    keys::{KeyChange, KeyFilter, KeyValue, NewKey},
    period::DAY_MS,
    plans::{ApiStage, NewPlan, PlanChange, QuotaChange, Throttle},
    *,
};

/// 2025-04-01 12:00 UTC, a Tuesday.
pub(super) const NOON: Wall = Wall(20_179 * DAY_MS + DAY_MS / 2);

pub(super) fn fresh() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("state")).expect("a store");
    (folder, store)
}

fn again(store: Store) -> Store {
    let folder = store.folder().to_owned();
    drop(store);
    Store::open(&folder).expect("the same store")
}

fn key(store: &mut Store, name: &str) -> String {
    let new = NewKey {
        name: name.to_owned(),
        enabled: true,
        ..NewKey::default()
    };
    store.create_key(&new, NOON).expect("a key").id
}

fn stage(text: &str) -> ApiStage {
    let (api, stage) = text.split_once(':').expect("api:stage");
    ApiStage {
        api: api.to_owned(),
        stage: stage.to_owned(),
    }
}

fn plan(store: &mut Store, stages: &[&str], quota: Option<(u64, &str)>) -> String {
    let new = NewPlan {
        name: "p".to_owned(),
        quota: quota.map(|(limit, period)| QuotaChange {
            limit: Some(limit),
            offset: None,
            period: Some(period.to_owned()),
        }),
        stages: stages.iter().map(|text| stage(text)).collect(),
        ..NewPlan::default()
    };
    store.create_plan(&new).expect("a plan").id
}

fn said<T: std::fmt::Debug>(result: Result<T, StoreError>) -> (u16, String) {
    let error = result.expect_err("a refusal");
    (error.status(), error.to_string())
}

#[test]
fn keys_come_back_as_they_were_made() {
    let (_folder, mut store) = fresh();
    let new = NewKey {
        name: "Client A".to_owned(),
        description: Some("first".to_owned()),
        customer_id: Some("c-1".to_owned()),
        enabled: true,
        tags: [("team".to_owned(), "a".to_owned())].into(),
        value: Some(KeyValue::new("abcdef1234ghijklmnop".to_owned())),
    };
    let made = store.create_key(&new, NOON).expect("made");
    assert_eq!(made.value, new.value, "shown where it is made");
    let mut store = again(store);
    let read = store.key(&made.id, false).expect("there");
    assert_eq!(read.value, None, "not shown unasked");
    assert_eq!(store.key(&made.id, true).expect("there"), made);
    assert_eq!(
        (read.created_s, read.updated_s),
        (1_743_508_800, 1_743_508_800)
    );
    let value = new.value.clone().expect("given");
    assert_eq!(
        store.id_of_value(&value).expect("read"),
        Some(made.id.clone())
    );

    let change = KeyChange {
        description: Some(String::new()),
        enabled: Some(false),
        tags: [
            ("team".to_owned(), String::new()),
            ("x".to_owned(), "y".to_owned()),
        ]
        .into(),
        ..KeyChange::default()
    };
    let changed = store
        .update_key(&made.id, &change, Wall(NOON.0 + 5_000))
        .expect("changed");
    assert_eq!(
        (changed.description, changed.enabled, changed.name.as_str()),
        (None, false, "Client A")
    );
    assert_eq!(changed.tags, [("x".to_owned(), "y".to_owned())].into());
    assert_eq!(changed.updated_s, changed.created_s + 5);

    let generated = key(&mut store, "Client B");
    let value = store
        .key(&generated, true)
        .expect("there")
        .value
        .expect("shown");
    assert_eq!(value.text().len(), 40);
    let names = |filter: &KeyFilter| -> Vec<String> {
        let keys = store.keys(filter, false).expect("a list");
        keys.into_iter().map(|key| key.name).collect()
    };
    let prefix = |text: &str| KeyFilter {
        name_prefix: Some(text.to_owned()),
        ..KeyFilter::default()
    };
    assert_eq!(
        names(&KeyFilter::default()),
        ["Client B", "Client A"],
        "the newest first"
    );
    assert_eq!(names(&prefix("Client A")), ["Client A"]);
    assert_eq!(names(&prefix("client")), [""; 0], "case counts");
    assert_eq!(
        names(&KeyFilter {
            limit: Some(1),
            ..KeyFilter::default()
        }),
        ["Client B"]
    );
    store.delete_key(&made.id).expect("deleted");
    assert_eq!(said(store.delete_key(&made.id)).0, 404);
}

#[test]
fn keys_that_cannot_be_are_refused() {
    let (_folder, mut store) = fresh();
    let mut refusal = |value: &str, name: &str| {
        let new = NewKey {
            name: name.to_owned(),
            value: Some(KeyValue::new(value.to_owned())),
            ..NewKey::default()
        };
        store.create_key(&new, NOON).map_or_else(
            |error| (error.status(), error.to_string()),
            |_| (201, String::new()),
        )
    };
    let good = "x".repeat(20);
    let rows = [
        (good.clone(), "n", 201, ""),
        (good.clone(), "n", 409, "API Key already exists"),
        (
            "x".repeat(19),
            "n",
            400,
            "API Key value should be at least 20 characters",
        ),
        ("x".repeat(128), "n", 201, ""),
        (
            "x".repeat(129),
            "n",
            400,
            "API Key value exceeds maximum size of 128 characters",
        ),
        (
            format!("{good} y"),
            "n",
            400,
            "API Key value has characters other than visible ASCII",
        ),
    ];
    for (value, name, status, text) in rows {
        assert_eq!(refusal(&value, name), (status, text.to_owned()), "{value}");
    }
    let long = "n".repeat(1025);
    assert_eq!(
        refusal(&"y".repeat(20), &long).1,
        "Invalid API Key name, can be at most 1024 characters."
    );
}

#[test]
fn nothing_on_the_disk_has_a_value_and_nobody_else_may_look() {
    let (folder, mut store) = fresh();
    let id = key(&mut store, "n");
    let value = store.key(&id, true).expect("there").value.expect("shown");
    for dropped in [false, true] {
        if dropped {
            store = again(store);
        }
        for entry in std::fs::read_dir(folder.path().join("state")).expect("a folder") {
            let path = entry.expect("an entry").path();
            let mode = std::fs::metadata(&path)
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
            let bytes = std::fs::read(&path).expect("read");
            let found = bytes
                .windows(40)
                .any(|window| window == value.text().as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    let mode = std::fs::metadata(store.folder())
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

/// A file of keys that take several pages of the database.
fn many_keys() -> String {
    let row =
        |number| format!("a name that takes room on a page of the database,value-{number:024}\n");
    let rows: String = (0..200).map(row).collect();
    format!("Name,Key\n{rows}")
}

#[test]
fn files_that_cannot_be_used_are_named_and_left_alone() {
    type Spoil = fn(&Path);
    let open_db = |folder: &Path| Connection::open(folder.join("store.db")).expect("opened");
    let rows: &[(&str, Spoil, &str)] = &[
        (
            "other bytes",
            |at| {
                std::fs::write(at.join("store.db"), vec![b'x'; 8192]).expect("written");
            },
            "is damaged or no store",
        ),
        (
            "a page torn out",
            |at| {
                let mut bytes = std::fs::read(at.join("store.db")).expect("read");
                bytes[4096..8192].fill(0xa5);
                std::fs::write(at.join("store.db"), bytes).expect("written");
            },
            "is damaged or no store",
        ),
        (
            "cut",
            |at| {
                let bytes = std::fs::read(at.join("store.db")).expect("read");
                std::fs::write(at.join("store.db"), &bytes[..bytes.len() / 2]).expect("written");
            },
            "is damaged or no store",
        ),
        (
            "newer",
            |at| {
                let db = Connection::open(at.join("store.db")).expect("opened");
                db.pragma_update(None, "user_version", 77).expect("set");
            },
            "has schema version 77, and this program knows 3",
        ),
        (
            "of another program",
            |at| {
                let db = Connection::open(at.join("store.db")).expect("opened");
                db.pragma_update(None, "application_id", 5).expect("set");
            },
            "another program made it",
        ),
        (
            "exposed",
            |at| {
                let mode = std::fs::Permissions::from_mode(0o644);
                std::fs::set_permissions(at.join("store.db"), mode).expect("set");
            },
            "store.db can be read by others; set its mode to 0600",
        ),
        (
            "key exposed",
            |at| {
                let mode = std::fs::Permissions::from_mode(0o640);
                std::fs::set_permissions(at.join("store.key"), mode).expect("set");
            },
            "store.key can be read by others",
        ),
        (
            "key gone",
            |at| {
                std::fs::remove_file(at.join("store.key")).expect("removed");
            },
            "the key of this store, is missing; restore it",
        ),
        (
            "another key",
            |at| {
                std::fs::write(at.join("store.key"), [9; 32]).expect("written");
            },
            "is not the key of this store",
        ),
        (
            "half a key",
            |at| {
                std::fs::write(at.join("store.key"), [9; 16]).expect("written");
            },
            "the key has 16 bytes, not 32",
        ),
    ];
    for (name, spoil, expected) in rows {
        let (_folder, mut store) = fresh();
        // At once: two hundred transactions would wait for the disk two hundred times.
        let keys = many_keys();
        store
            .import(keys.as_bytes(), import::ImportOptions::default(), NOON)
            .expect("imported");
        let folder = store.folder().to_owned();
        drop(store);
        spoil(&folder);
        let before = std::fs::read(folder.join("store.db")).expect("read");
        let text = Store::open(&folder).expect_err(name).to_string();
        assert!(text.contains(expected), "{name}: {text}");
        assert!(Reading::open(&folder).is_err(), "{name}");
        assert_eq!(
            std::fs::read(folder.join("store.db")).expect("read"),
            before,
            "{name}"
        );
    }
    // Held by another program.
    let (_folder, store) = fresh();
    let folder = store.folder().to_owned();
    drop(store);
    let other = open_db(&folder);
    other
        .pragma_update(None, "locking_mode", "EXCLUSIVE")
        .expect("set");
    other
        .execute_batch("BEGIN IMMEDIATE; CREATE TABLE t (x); COMMIT;")
        .expect("locked");
    let text = Store::open(&folder).expect_err("locked").to_string();
    assert!(text.contains("another program has locked it"), "{text}");
    drop(other);
    Store::open(&folder).expect("free again");
}

#[test]
fn there_is_one_writer_and_readers_see_what_it_wrote() {
    let (_folder, mut store) = fresh();
    let folder = store.folder().to_owned();
    let text = Store::open(&folder).expect_err("taken").to_string();
    assert!(text.contains("is open in another process"), "{text}");
    let id = key(&mut store, "n");
    let value = store.key(&id, true).expect("there").value.expect("shown");
    let reading = Reading::open(&folder).expect("readable").expect("there");
    let directory = reading.directory().expect("a directory");
    let found = directory.find(value.text().as_bytes()).expect("found");
    assert_eq!((found.id.to_string(), found.enabled), (id, true));
    assert!(
        Reading::open(&folder.join("nowhere"))
            .expect("no fault")
            .is_none()
    );
}

#[test]
fn an_older_store_is_brought_up_to_date_and_keeps_its_records() {
    for steps in 0..schema::STEPS.len() {
        let (_folder, mut store) = fresh();
        let (id, plan) = (key(&mut store, "kept"), plan(&mut store, &["a:b"], None));
        store.attach_key(&plan, &id).expect("attached");
        let folder = store.folder().to_owned();
        drop(store);
        // Back to what the first steps made.
        let db = Connection::open(folder.join("store.db")).expect("opened");
        if steps == 0 {
            drop(db);
            std::fs::remove_file(folder.join("store.db")).expect("removed");
            create_private(&folder.join("store.db")).expect("made");
        } else {
            let later = [
                "DROP TABLE usage; DROP TABLE windows;",
                "DROP TABLE stage_deployments; DROP TABLE stages; DROP TABLE deployments; \
                 DROP TABLE documents;",
            ];
            assert_eq!(
                later.len() + 1,
                schema::STEPS.len(),
                "a row for each later step"
            );
            for step in &later[steps - 1..] {
                db.execute_batch(step).expect("dropped");
            }
            db.pragma_update(None, "user_version", steps).expect("set");
            drop(db);
            let before = std::fs::read(folder.join("store.db")).expect("read");
            let reading = Reading::open(&folder).expect("readable").expect("there");
            assert_eq!(reading.directory().expect("a directory").keys_count(), 1);
            drop(reading);
            let after = std::fs::read(folder.join("store.db")).expect("read");
            assert!(before == after, "a reader changes nothing");
        }
        let store = Store::open(&folder).expect("brought up to date");
        assert_eq!(store.key(&id, true).is_ok(), steps > 0);
        assert_eq!(store.outstanding().expect("the new tables are there"), []);
    }
}

#[test]
fn rotation_seals_everything_anew_and_the_old_key_opens_nothing() {
    let (_folder, mut store) = fresh();
    let ids: Vec<String> = (0..50).map(|_| key(&mut store, "n")).collect();
    let all = KeyFilter::default();
    let before = store.keys(&all, true).expect("a list");
    let folder = store.folder().to_owned();
    let old_key = std::fs::read(folder.join("store.key")).expect("a key");
    let sealed_before: Vec<Vec<u8>> = {
        let mut statement = store
            .db
            .prepare("SELECT sealed FROM api_keys")
            .expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("read")
    };
    assert_eq!(store.rotate().expect("rotated"), 50);
    assert_eq!(store.keys(&all, true).expect("a list"), before);
    let store = again(store);
    assert_eq!(store.keys(&all, true).expect("a list"), before);
    let value = before[0].value.clone().expect("shown");
    assert_eq!(
        store.id_of_value(&value).expect("read"),
        Some(ids[49].clone()),
        "tags too"
    );
    let directory = store.directory().expect("a directory");
    assert!(directory.find(value.text().as_bytes()).is_some());
    assert!(!folder.join("store.key.next").exists());
    assert_ne!(
        std::fs::read(folder.join("store.key")).expect("a key"),
        old_key
    );
    drop(store);
    // What the old key sealed is in no page any more.
    let file = std::fs::read(folder.join("store.db")).expect("a store");
    for sealed in sealed_before {
        assert!(!file.windows(sealed.len()).any(|part| part == sealed));
    }
    std::fs::write(folder.join("store.key"), old_key).expect("written");
    assert!(Store::open(&folder).is_err());
}

#[test]
fn a_rotation_that_was_cut_off_ends_at_the_next_opening() {
    for committed in [false, true] {
        let (_folder, mut store) = fresh();
        let id = key(&mut store, "n");
        let value = store.key(&id, true).expect("there").value;
        let folder = store.folder().to_owned();
        let (file, next) = (folder.join("store.key"), folder.join("store.key.next"));
        let old = std::fs::read(&file).expect("a key");
        if committed {
            store.rotate().expect("rotated");
            // As if the last rename had not come.
            std::fs::rename(&file, &next).expect("renamed");
            std::fs::write(&file, &old).expect("written");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
        } else {
            vault::write_key(&next).expect("written");
        }
        drop(store);
        let reading = Reading::open(&folder).expect("readable").expect("there");
        assert_eq!(reading.directory().expect("a directory").keys_count(), 1);
        assert!(next.exists(), "a reader leaves it");
        let store = Store::open(&folder).expect("opened");
        assert_eq!(
            store.key(&id, true).expect("there").value,
            value,
            "{committed}"
        );
        assert!(!next.exists());
        assert_eq!(std::fs::read(&file).expect("a key") == old, !committed);
    }
}
