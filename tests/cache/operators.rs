//! What operators do with a cache: look, purge, verify, seal, switch on.
//!
//! Shape: a run each. Units: bytes. Errors: a panic with what the command said.
//! Source: docs/caching.md.

use std::{
    fs, os::unix::fs::PermissionsExt, path::Path, sync::PoisonError, thread, time::Duration,
};

use super::bed::{CACHE, ONE, by_path, edge, settings};
use crate::running::{
    gateway::{API, Gateway},
    scripted::{Reply, Scripted, fetch},
};

#[test]
fn operators_look_purge_and_prove() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(|seen| Reply {
        pause_ms: if seen.target == "/slow" { 700 } else { 0 },
        ..by_path(seen)
    });
    let mut gateway = edge(&origin, "standard", CACHE);
    let get = |path: &str| fetch(gateway.address, "GET", &format!("/dev{path}"), &[]);
    let is_kept = |path: &str| get(path).head.contains("X-Cache: Hit");
    for path in ["/p/1", "/p/1?x", "/p/2", "/q", "/letters"] {
        get(path);
        assert!(is_kept(path), "{path}");
    }
    let url = |path: &str| format!("http://gateway.test/dev{path}");
    let removed = |arguments: &[&str]| {
        let (code, said) = gateway.cli(&[&["cache", "purge"], arguments].concat());
        assert_eq!(code, Some(0), "{said}");
        let count = said
            .split(' ')
            .next()
            .and_then(|word| word.parse::<u32>().ok());
        count.unwrap_or_else(|| panic!("{said}"))
    };
    assert_eq!(removed(&["--url", &url("/p/1")]), 1);
    assert_eq!(origin.count("/p/1"), 1);
    assert!(is_kept("/p/1?x") && is_kept("/p/2") && !is_kept("/p/1"));
    assert_eq!(removed(&["--prefix", &url("/p/")]), 3);
    assert_eq!(
        removed(&["--prefix", "https://gateway.test/"]),
        0,
        "another scheme"
    );
    assert_eq!(
        removed(&["--prefix", "http://gateway.test:81/"]),
        0,
        "another port"
    );
    assert_eq!(removed(&["--tag", "cats"]), 0);
    assert_eq!(removed(&["--tag", "dogs"]), 1);
    assert!(is_kept("/letters") && !is_kept("/q"));
    let (code, said) = gateway.cli(&["cache", "purge", "--url", "gateway.test/"]);
    assert_eq!(code, Some(1), "{said}");

    let (code, said) = gateway.cli(&["cache", "get", &url("/letters")]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "edge policy `standard`",
        "body bytes",
        "HTTP/1.1 200",
        "max-age=100",
    ] {
        assert!(said.contains(part), "no {part}: {said}");
    }
    assert_eq!(gateway.cli(&["cache", "get", &url("/nothing")]).0, Some(1));
    get("/language");
    let language = [
        "cache",
        "get",
        &url("/language"),
        "-H",
        "Accept-Language: xx",
    ];
    assert_eq!(gateway.cli(&language[..3]).0, Some(0));
    assert_eq!(gateway.cli(&language).0, Some(1), "another variant");
    assert_eq!(gateway.cli(&["cache", "verify"]).0, Some(0));

    // A fetch that a purge overtakes brings nothing back.
    let address = gateway.address;
    let slow = thread::spawn(move || fetch(address, "GET", "/dev/slow", &[]));
    gateway.await_that("it is asked for", |_| origin.count("/slow") == 1);
    assert_eq!(removed(&["--url", &url("/slow")]), 0);
    assert_eq!(slow.join().expect("an answer").text(), "GET 0");
    assert_eq!(get("/slow").text(), "GET 1");
    assert!(is_kept("/slow"));

    // The same on the file of a stopped one.
    gateway.signal(libc::SIGTERM);
    gateway.wait(Duration::from_secs(8));
    let config = gateway.folder.path().join("tidegate.toml");
    let file = gateway.folder.path().join("c.cache");
    let text = |path: &Path| path.to_str().expect("a plain path").to_owned();
    let (config, file) = (text(&config), text(&file));
    let cli = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("cache")
            .args(arguments)
            .output()
            .expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let show = ["get", &url("/slow"), "--config", &config];
    assert_eq!(cli(&show).0, Some(0));
    let (code, said) = cli(&["stat", "--path", &file, "--json"]);
    let stat: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (code, &stat["capacity_bytes"]),
        (Some(0), &(64u64 << 20).into())
    );
    assert!(stat["objects"].as_u64() > Some(0) && stat["lookups"]["hits"].as_u64() > Some(5));
    assert_eq!(cli(&["verify", "--path", &file]).0, Some(0));
    assert_eq!(
        cli(&["flush", "--api", "a", "--stage", "dev", "--path", &file]).0,
        Some(0)
    );
    assert_eq!(cli(&show).0, Some(1));
    assert_eq!(
        cli(&["stat", "--path", &config]).0,
        Some(1),
        "no cache's file"
    );
    assert_eq!(
        gateway.cli(&["cache", "stat"]).0,
        Some(69),
        "nobody answers"
    );
}

#[test]
fn what_is_kept_is_sealed() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    const SECRET: &[u8] = b"a body that nobody else may read";
    let origin = Scripted::start(|_| Reply::ok(&["Cache-Control: max-age=100"], SECRET));
    // The setting, and whether the body can be read in the region's file.
    let rows = [
        ("", true),
        ("key_file = \"key\"", false),
        ("key_file = \"boot\"", false),
    ];
    for (key, is_plain) in rows {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        fs::write(&file, [7; 32]).expect("a key");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
        let more = format!("{CACHE}{key}\n");
        let settings = settings(origin.address, "edge_cache = \"standard\"", &more);
        let mut gateway = Gateway::start_in(folder, API, &settings);
        for word in ["X-Cache: Miss", "X-Cache: Hit"] {
            let got = fetch(gateway.address, "GET", "/dev/secret", &[]);
            assert!(got.head.contains(word), "{key}: {}", got.head);
            assert_eq!(got.body, SECRET);
        }
        let bytes = fs::read(gateway.folder.path().join("c.cache")).expect("the region");
        let found = bytes.windows(SECRET.len()).any(|part| part == SECRET);
        assert_eq!(found, is_plain, "{key}");
        // The key is the file's or this process's: after a restart the one is known, the other not.
        gateway.restart(libc::SIGTERM);
        let got = fetch(gateway.address, "GET", "/dev/secret", &[]);
        let is_warm = got.head.contains("X-Cache: Hit");
        assert_eq!(is_warm, !key.contains("boot"), "{key}: {}", got.head);
        if key.contains("\"key\"") {
            let file = gateway.folder.path().join("key");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
            gateway.signal(libc::SIGTERM);
            gateway.wait(Duration::from_secs(8));
            gateway.start_again();
            let status = gateway.wait(Duration::from_secs(8));
            assert_eq!(status.code(), Some(3), "{}", gateway.log());
            assert!(
                gateway.log().contains("set its mode to 0600"),
                "{}",
                gateway.log()
            );
        }
    }
}

#[test]
fn an_empty_table_is_enough() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Scripted::start(by_path);
    let gateway = edge(&origin, "standard", "[cache]");
    for word in ["X-Cache: Miss", "X-Cache: Hit"] {
        let got = fetch(gateway.address, "GET", "/dev/a", &[]);
        assert!(got.head.contains(word), "{}", got.head);
    }
    // One file in the runtime directory, with this gateway's own name.
    let files = fs::read_dir(gateway.folder.path()).expect("listed");
    let files = files.map(|file| file.expect("an entry"));
    let regions: Vec<u64> = files
        .filter(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.starts_with("responses-") && name.ends_with(".cache")
        })
        .map(|file| file.metadata().expect("its size").len())
        .collect();
    assert_eq!(regions, [512 << 20]);
}
