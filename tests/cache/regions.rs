//! Stages with regions of their own: who displaces whom, and what becomes of the files.
//!
//! Shape: a run each; one API, whose stages `dev` and `prod` have or have not a region of their own.
//! Units: bytes. Errors: a panic with what the command said. Source: docs/caching.md, "Regions".

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    sync::{
        PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use super::bed::{CACHE, ONE, settings};
use crate::running::{
    gateway::{Gateway, install},
    scripted::{Reply, Scripted, fetch},
};

const API: &str = r#"
openapi: 3.0.1
info: { title: Test, version: "1" }
paths:
  /{proxy+}:
    get:
      parameters:
        - { name: proxy, in: path, required: true, schema: { type: string } }
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: GET
        uri: http://origin.test/{proxy}
        requestParameters:
          integration.request.path.proxy: method.request.path.proxy
        cacheKeyParameters: [method.request.path.proxy]
"#;

/// `capacity` of the stage cache; an empty text: none.
fn stages(origin: &Scripted, capacity: &str) -> String {
    let capacity = match capacity {
        "" => String::new(),
        given => format!("capacity = {given}\n"),
    };
    let api = format!(
        "stages = [\"dev\", \"prod\"]\n[apis.stage_cache]\nttl_s = 3600\n\
         require_authorization = false\n{capacity}"
    );
    settings(origin.address, &api, CACHE)
}

const OWN: &str = "{ dev = \"64 MiB\" }";

/// An origin that counts, and whose answers below `/large` fill a region soon.
fn origin() -> Scripted {
    Scripted::start(|seen| {
        let body = match seen.target.starts_with("/large") {
            true => vec![b'L'; 1 << 20],
            false => seen.before.to_string().into_bytes(),
        };
        Reply::ok(&["Cache-Tag: pets"], body)
    })
}

fn start(origin: &Scripted, capacity: &str) -> Gateway {
    let folder = tempfile::tempdir().expect("a folder");
    Gateway::start_in(folder, API, &stages(origin, capacity))
}

/// What `stage` answers for `path`: how often its origin had been asked before.
fn of(gateway: &Gateway, stage: &str, path: &str) -> String {
    let got = fetch(gateway.address, "GET", &format!("/{stage}{path}"), &[]);
    assert_eq!(got.status, 200, "{}", got.head);
    got.text()
}

fn reload(gateway: &Gateway, settings: &str) {
    gateway.configure(settings);
    let (status, said) = gateway.ask("POST", "/reload");
    assert_eq!(status, 200, "{said}\n{}", gateway.log());
}

/// The names of the regions' files.
fn files(gateway: &Gateway) -> BTreeSet<String> {
    let entries = fs::read_dir(gateway.folder.path()).expect("listed");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("c.cache")).collect()
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// Runs `tidegate cache` on the files of the gateway's settings, or on one file.
fn beside(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("cache")
        .args(arguments)
        .current_dir(gateway.folder.path())
        .output()
        .expect("the binary runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn stop(gateway: &mut Gateway) {
    gateway.signal(libc::SIGTERM);
    gateway.wait(Duration::from_secs(8));
}

/// More than a region of the least size holds.
const FLOOD: usize = 80;

#[test]
fn a_flood_of_one_stage_displaces_nothing_of_another() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = origin();
    let gateway = start(&origin, OWN);
    let flood = |stage: &str, round: usize| {
        for number in 0..FLOOD {
            let path = format!("/large/{stage}/{round}/{number}");
            assert_eq!(of(&gateway, stage, &path).len(), 1 << 20);
        }
    };
    let fill = |stage: &str, round: usize| {
        for number in 0..8 {
            of(&gateway, stage, &format!("/{stage}/{round}/{number}"));
        }
    };
    // How many of them the origin is asked for again.
    let lost = |stage: &str, round: usize| {
        let paths = (0..8).map(|number| format!("/{stage}/{round}/{number}"));
        paths
            .filter(|path| of(&gateway, stage, path) != "0")
            .count()
    };
    let evicted = |region: &str| {
        let (_, metrics) = gateway.ask("GET", "/metrics");
        let name = format!("tidegate_cache_region_evictions_total{{region=\"{region}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        let count = line.and_then(|count| count.parse::<u64>().ok());
        count.unwrap_or_else(|| panic!("no {name}\n{metrics}"))
    };
    // Asked for once: the first to go where there is no room.
    for (flooding, quiet) in [("prod", "dev"), ("dev", "prod")] {
        let round = usize::from(quiet == "prod");
        fill("dev", round);
        fill("prod", round);
        flood(flooding, round);
        assert_eq!(lost(quiet, round), 0, "a flood of {flooding}");
        assert_eq!(lost(flooding, round), 8, "{flooding} has had its flood");
        assert!(evicted(if flooding == "dev" { "a/dev" } else { "common" }) > 0);
        assert_eq!(evicted("a/dev") > 0, flooding == "dev");
    }
}

#[test]
fn all_regions_outlive_restart_and_upgrade() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = origin();
    let mut gateway = start(&origin, OWN);
    let warm = |gateway: &Gateway, what: &str| {
        assert_eq!(of(gateway, "dev", "/d"), "0", "{what}");
        assert_eq!(of(gateway, "prod", "/p"), "0", "{what}");
        assert_eq!(
            files(gateway),
            names(&["c.cache", "c.cache.a@dev"]),
            "{what}"
        );
    };
    warm(&gateway, "at first");
    reload(&gateway, &format!("{}\n", stages(&origin, OWN)));
    warm(&gateway, "reloaded");
    gateway.restart(libc::SIGTERM);
    warm(&gateway, "restarted");
    gateway.restart(libc::SIGKILL);
    warm(&gateway, "killed");
    install(&gateway.program());
    gateway.upgrade();
    warm(&gateway, "upgraded");
}

#[test]
fn orders_reach_every_region() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    const D: &str = "http://gateway.test/dev/d";
    const P: &str = "http://gateway.test/prod/p";
    let origin = origin();
    let mut gateway = start(&origin, OWN);
    let both = |gateway: &Gateway| (of(gateway, "dev", "/d"), of(gateway, "prod", "/p"));
    let are = |dev: &str, prod: &str| (dev.to_owned(), prod.to_owned());
    let json = |said: &str| -> Value {
        serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"))
    };
    let regions = |stat: &Value| -> Vec<String> {
        let all = stat["regions"].as_array().expect("regions").iter();
        all.map(|region| format!("{} {}", region["region"], region["objects"]))
            .collect()
    };
    assert_eq!(both(&gateway), are("0", "0"));
    of(&gateway, "dev", "/more");

    let (code, said) = gateway.cli(&["cache", "stat"]);
    assert_eq!(code, Some(0), "{said}");
    for part in ["common", "a/dev", "c.cache.a@dev", "134217728", "67108864"] {
        assert!(said.contains(part), "no {part}: {said}");
    }
    let stat = json(&gateway.cli(&["cache", "stat", "--json"]).1);
    assert_eq!(regions(&stat), ["\"common\" 1", "\"a/dev\" 2"]);
    assert_eq!(stat["objects"], 3, "{stat}");
    assert_eq!(stat["capacity_bytes"], 128 << 20, "{stat}");
    for (path, region) in [(D, "a/dev"), (P, "common")] {
        let (code, said) = gateway.cli(&["cache", "get", path]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(region), "{said}");
    }
    let verified = json(&gateway.cli(&["cache", "verify", "--json"]).1);
    assert_eq!(
        (&verified["good"], &verified["damaged"]),
        (&3.into(), &0.into())
    );
    assert_eq!(verified["regions"][1]["good"], 2, "{verified}");

    let (_, said) = gateway.cli(&["cache", "purge", "--tag", "pets"]);
    assert_eq!(said, "3 objects removed\n");
    assert_eq!(both(&gateway), are("1", "1"));
    let flush = |stage: &str| {
        gateway
            .cli(&["cache", "flush", "--api", "a", "--stage", stage])
            .0
    };
    assert_eq!(flush("dev"), Some(0));
    assert_eq!(both(&gateway), are("2", "1"));
    assert_eq!(flush("prod"), Some(0));
    assert_eq!(both(&gateway), are("2", "2"));
    assert_eq!(gateway.cli(&["cache", "flush", "--all"]).0, Some(0));
    assert_eq!(both(&gateway), are("3", "3"));

    // The same on the files of a stopped one.
    stop(&mut gateway);
    let config = ["--config", "tidegate.toml"];
    let on_files = |arguments: &[&str]| beside(&gateway, &[arguments, &config].concat());
    let (code, said) = on_files(&["stat", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(json(&said)["regions"][1]["region"], "a/dev");
    assert_eq!(on_files(&["get", D]).0, Some(0));
    assert_eq!(on_files(&["get", P]).0, Some(0));
    assert_eq!(on_files(&["verify"]).0, Some(0));
    let (code, said) = beside(&gateway, &["stat", "--path", "c.cache.a@dev", "--json"]);
    assert_eq!(
        (code, &json(&said)["capacity_bytes"]),
        (Some(0), &(64 << 20).into())
    );
    let flush = ["flush", "--api", "a", "--stage", "dev"];
    assert_eq!(on_files(&flush).0, Some(0));
    assert_eq!(on_files(&["get", D]).0, Some(1));
    assert_eq!(on_files(&["get", P]).0, Some(0));
    assert_eq!(on_files(&["flush", "--all"]).0, Some(0));
    assert_eq!(on_files(&["get", P]).0, Some(1));
    let path = gateway.folder.path().join("c.cache.a@dev");
    fs::remove_file(path).expect("removed");
    let (code, said) = on_files(&["flush", "--all"]);
    assert_eq!(code, Some(1), "nothing by halves: {said}");
}

#[test]
fn a_stage_that_moves_finds_nothing_old() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = origin();
    let mut gateway = start(&origin, "");
    let file = |gateway: &Gateway| {
        let about = fs::metadata(gateway.folder.path().join("c.cache.a@dev"));
        about.map_or(0, |about| about.len() >> 20)
    };
    // Name, `capacity`, MiB of the stage's file behind the change, how often the origin was asked
    // before what is given from then on.
    let rows = [
        ("to a region of its own", OWN, 64, "1"),
        ("which is the same", OWN, 64, "1"),
        ("a larger one", "{ dev = \"128 MiB\" }", 128, "2"),
        ("a smaller one", OWN, 64, "3"),
        ("back to all", "", 0, "4"),
        ("and to its own", "\"64 MiB\"", 64, "5"),
    ];
    assert_eq!(of(&gateway, "dev", "/d"), "0");
    for (name, capacity, file_mib, asked) in rows {
        reload(&gateway, &stages(&origin, capacity));
        assert_eq!(of(&gateway, "dev", "/d"), asked, "{name}");
        assert_eq!(of(&gateway, "dev", "/d"), asked, "{name}, once more");
        assert_eq!(file(&gateway), file_mib, "{name}\n{}", gateway.log());
    }
    // Both have one now; the same by restarts.
    assert_eq!(of(&gateway, "prod", "/p"), "0");
    let rows = [("", "6", "1"), (OWN, "7", "1"), ("", "8", "1")];
    for (capacity, dev, prod) in rows {
        gateway.configure(&stages(&origin, capacity));
        gateway.restart(libc::SIGTERM);
        assert_eq!(of(&gateway, "dev", "/d"), dev, "{capacity}");
        assert_eq!(of(&gateway, "prod", "/p"), prod, "{capacity}");
    }
    assert_eq!(files(&gateway), names(&["c.cache"]));
    // Nor by an upgrade; and a stage that is gone leaves no file.
    gateway.configure(&stages(&origin, "\"64 MiB\""));
    install(&gateway.program());
    gateway.upgrade();
    gateway.wait(Duration::from_secs(8));
    assert_eq!(of(&gateway, "dev", "/d"), "9");
    let all = names(&["c.cache", "c.cache.a@dev", "c.cache.a@prod"]);
    assert_eq!(files(&gateway), all);
    let one = stages(&origin, "\"64 MiB\"").replace("[\"dev\", \"prod\"]", "[\"dev\"]");
    reload(&gateway, &one);
    assert_eq!(of(&gateway, "dev", "/d"), "9");
    assert_eq!(files(&gateway), names(&["c.cache", "c.cache.a@dev"]));
    // Nor when it was gone in between.
    let gone = stages(&origin, "").replace("[\"dev\", \"prod\"]", "[\"prod\"]");
    reload(&gateway, &gone);
    assert_eq!(files(&gateway), names(&["c.cache"]));
    reload(&gateway, &stages(&origin, ""));
    assert_eq!(of(&gateway, "dev", "/d"), "10");
}

#[test]
fn a_file_that_was_left_tells_of_a_move() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = origin();
    let mut gateway = start(&origin, OWN);
    let own = gateway.folder.path().join("c.cache.a@dev");
    let kept = gateway.folder.path().join("kept");
    assert_eq!(of(&gateway, "dev", "/d"), "0");
    fs::copy(&own, &kept).expect("a copy");
    reload(&gateway, &stages(&origin, ""));
    assert_eq!(of(&gateway, "dev", "/d"), "1");
    // It could not be removed, say: what lies in it is of the earlier stay.
    fs::copy(&kept, &own).expect("a copy");
    reload(&gateway, &stages(&origin, OWN));
    assert_eq!(of(&gateway, "dev", "/d"), "2", "{}", gateway.log());
    reload(&gateway, &stages(&origin, ""));
    assert_eq!(of(&gateway, "dev", "/d"), "3");
    stop(&mut gateway);
    // It had a region of its own in between, and was killed there.
    fs::copy(&kept, &own).expect("a copy");
    gateway.restart_stopped();
    assert_eq!(of(&gateway, "dev", "/d"), "4");
    assert_eq!(files(&gateway), names(&["c.cache"]));
}

#[test]
fn every_region_is_sealed() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    const SECRET: &[u8] = b"a body that nobody else may read";
    let origin = Scripted::start(|_| Reply::ok(&[], SECRET));
    for (key, is_plain) in [("", true), ("key_file = \"boot\"\n", false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let text = stages(&origin, OWN).replace(CACHE, &format!("{CACHE}{key}"));
        let gateway = Gateway::start_in(folder, API, &text);
        for (stage, file) in [("dev", "c.cache.a@dev"), ("prod", "c.cache")] {
            of(&gateway, stage, "/secret");
            let bytes = fs::read(gateway.folder.path().join(file)).expect("the region");
            let found = bytes.windows(SECRET.len()).any(|part| part == SECRET);
            assert_eq!(found, is_plain, "{file} with {key:?}");
        }
    }
}

#[test]
fn what_was_left_in_the_runtime_directory_goes() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = origin();
    let in_runtime = |capacity: &str| stages(&origin, capacity).replace("path = \"c.cache\"\n", "");
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = Gateway::start_in(folder, API, &in_runtime("\"64 MiB\""));
    let left = |gateway: &Gateway| {
        let entries = fs::read_dir(gateway.folder.path()).expect("listed");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.filter_map(|name| {
            name.to_str()?
                .split_once('@')
                .map(|parts| parts.1.to_owned())
        });
        names.collect::<BTreeSet<String>>()
    };
    assert_eq!(left(&gateway), names(&["dev", "prod"]));
    // Stages that are not there any more when it starts again.
    let other = in_runtime("").replace("[\"dev\", \"prod\"]", "[\"test\"]");
    gateway.configure(&other);
    gateway.restart(libc::SIGTERM);
    assert_eq!(left(&gateway), names(&[]), "{}", gateway.log());
}

#[test]
fn regions_must_fit_together() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    const MIB: u64 = 1 << 20;
    let origin = origin();
    let folder = tempfile::tempdir().expect("a folder");
    let room = tidegate_edge::base::shm::file::room_bytes(folder.path());
    let Some(room) = room.filter(|room| *room > 256 * MIB) else {
        return; // the host does not say, or has none
    };
    // Each would fit alone.
    let each = (room / 10 * 6).min(237 << 30) / MIB;
    let count = room / (each * MIB) + 1;
    let list: Vec<String> = (0..count).map(|number| format!("\"s{number}\"")).collect();
    let capacity = format!("\"{each} MiB\"");
    let text = stages(&origin, &capacity);
    let text = text.replace("[\"dev\", \"prod\"]", &format!("[{}]", list.join(", ")));
    fs::write(folder.path().join("api.yaml"), API).expect("the document");
    let validate = |text: &str| {
        fs::write(folder.path().join("t.toml"), text).expect("the settings");
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["validate", "--config"])
            .arg(folder.path().join("t.toml"))
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = validate(&text);
    assert_eq!(code, Some(3), "{said}");
    for part in [
        "do not fit into",
        "more, and its file system has",
        "capacity =",
    ] {
        assert!(said.contains(part), "no {part}: {said}");
    }
    assert!(!folder.path().join("c.cache").exists(), "nothing was made");
    assert_eq!(validate(&stages(&origin, "\"64 MiB\"")).0, Some(0));

    // A reload is refused alike, and what serves goes on.
    let gateway = start(&origin, OWN);
    assert_eq!(of(&gateway, "dev", "/d"), "0");
    gateway.configure(&text);
    let (status, said) = gateway.ask("POST", "/reload");
    assert_ne!(status, 200, "{said}");
    assert!(said.contains("do not fit into"), "{said}");
    assert_eq!(of(&gateway, "dev", "/d"), "0");
    assert_eq!(files(&gateway), names(&["c.cache", "c.cache.a@dev"]));
}

/// The settings with a trial of so many milliseconds.
fn tried(settings: &str, trial_ms: u32) -> String {
    settings.replace("trial_ms = 0", &format!("trial_ms = {trial_ms}"))
}

#[test]
fn a_flush_reaches_the_region_on_trial() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = origin();
    let gateway = start(&origin, "");
    gateway.configure(&tried(&stages(&origin, OWN), 3_000));
    let asked = thread::scope(|scope| {
        let reload = scope.spawn(|| gateway.ask("POST", "/reload"));
        gateway.await_that("the worker on trial has kept something", |gateway| {
            of(gateway, "dev", "/d");
            let (_, said) = gateway.cli(&["cache", "stat", "--json"]);
            let stat: Value = serde_json::from_str(&said).expect("JSON");
            stat["regions"][1]["objects"].as_u64() > Some(0)
        });
        let asked = origin.count("/d");
        let flush = ["cache", "flush", "--api", "a", "--stage", "dev"];
        assert_eq!(gateway.cli(&flush).0, Some(0));
        assert!(!reload.is_finished(), "the trial was over before");
        let (status, said) = reload.join().expect("an answer");
        assert_eq!(status, 200, "{said}\n{}", gateway.log());
        asked
    });
    for _ in 0..16 {
        let before: usize = of(&gateway, "dev", "/d").parse().expect("a number");
        assert!(
            before >= asked,
            "{before} is from before the flush, {asked}"
        );
    }
}

#[test]
fn a_change_that_is_reverted_leaves_no_region() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = origin();
    let gateway = start(&origin, "");
    assert_eq!(of(&gateway, "dev", "/d"), "0");
    let worse = stages(&origin, OWN).replace(&origin.address.to_string(), "127.0.0.1:1");
    gateway.configure(&tried(&worse, 600_000));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in 0..4 {
            let (gateway, over) = (&gateway, &over);
            scope.spawn(move || {
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let path = format!("/dev/{client}/{number}");
                    fetch(gateway.address, "GET", &path, &[]);
                }
            });
        }
        let (status, said) = gateway.ask("POST", "/reload");
        over.store(true, Ordering::Relaxed);
        assert_eq!(status, 409, "{said}");
    });
    assert_eq!(files(&gateway), names(&["c.cache"]));
    assert_eq!(of(&gateway, "dev", "/d"), "0", "what serves kept it");
}
