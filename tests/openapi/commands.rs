//! `tidegate export` and `tidegate diff` as programs.
//!
//! Shape: command lines with their exit status and words of what they said.

use std::{fs, process::Command};

use super::running::gateway::Gateway;

/// Runs one command line; gives the status, standard output and standard error.
fn run(line: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let output = command.args(line).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

const PETSTORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/openapi/petstore.yaml");

#[test]
fn an_export_is_the_same_api_and_a_change_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let rows: &[(&str, &[&str])] = &[
        ("a.json", &["--format", "oas30"]),
        ("a.yaml", &["--format", "swagger", "--yaml"]),
    ];
    for (name, more) in rows {
        let line = [
            &["export", "--api", PETSTORE, "--extensions", "apigateway"],
            *more,
        ]
        .concat();
        let (status, document, said) = run(&line);
        assert_eq!((status, &*said), (Some(0), ""), "{line:?}");
        fs::write(path(name), &document).expect("written");
        let (status, text, said) = run(&["diff", PETSTORE, &path(name)]);
        assert_eq!((status, &*text, &*said), (Some(0), "", ""), "{name}");

        let changed = document.replace("5000", "5001");
        fs::write(path(name), changed).expect("written");
        let (status, text, _) = run(&["diff", PETSTORE, &path(name)]);
        assert_eq!(status, Some(1));
        let expected = "~ route GET /pets\n    ~ integration.timeoutInMillis: 5000 → 5001\n";
        assert_eq!(text, expected, "{name}");
        let (_, text, _) = run(&["diff", PETSTORE, &path(name), "--json"]);
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["changes"][0]["name"], "GET /pets");
    }
    fs::write(path("bad.yaml"), "openapi: 3.0.1\n").expect("written");
    for line in [
        &["diff", PETSTORE, &path("bad.yaml")][..],
        &["export", "--api", &path("bad.yaml")],
    ] {
        let (status, text, said) = run(line);
        assert_eq!((status, &*text), (Some(3), ""), "{line:?}");
        assert!(said.contains("`paths` is missing"), "{said}");
    }
    let (status, _, said) = run(&["diff", PETSTORE, &path("none.yaml")]);
    assert_eq!(status, Some(3));
    assert!(said.contains("cannot be read"), "{said}");
}

#[test]
fn an_http_api_has_no_swagger() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/openapi/http-api.yaml");
    let (status, text, said) = run(&["export", "--api", sample, "--format", "swagger"]);
    assert_eq!((status, &*text), (Some(1), ""));
    assert!(said.contains("oas30"), "{said}");
}

#[test]
fn an_api_without_version_gets_the_moment_of_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.yaml");
    let text = fs::read_to_string(PETSTORE).expect("the sample");
    fs::write(&path, text.replace("  version: \"1.0\"\n", "")).expect("written");
    let path = path.display().to_string();
    let (_, document, _) = run(&["export", "--api", &path]);
    let json: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    let version = json["info"]["version"].as_str().expect("a version");
    assert!(
        version.len() == 20 && version.ends_with('Z') && version.starts_with("20"),
        "{version}"
    );
}

#[test]
fn a_running_gateway_gives_its_apis_back() {
    let document = fs::read_to_string(PETSTORE).expect("the sample");
    let settings = "[server]\nworkers = 1\ndrain_delay_ms = 0\ndrain_deadline_ms = 2000\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\n[admin]\nsocket = \"admin.sock\"\n\
         [process]\ntrial_ms = 0\n[[apis]]\ndocument = \"api.yaml\"\nid = \"pets1\"\n";
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start_in(folder, &document, settings);
    let socket = gateway.socket().display().to_string();
    let line = [
        "export",
        "--running",
        "pets1",
        "--stage",
        "prod",
        "--extensions",
        "apigateway",
        "--admin",
        &socket,
    ];
    let (status, exported, said) = run(&line);
    assert_eq!((status, &*said), (Some(0), ""));
    let json: serde_json::Value = serde_json::from_str(&exported).expect("JSON");
    assert_eq!(
        json["servers"][0]["url"],
        "https://pets1.execute-api.us-east-1.amazonaws.com/{basePath}"
    );
    let copy = tempfile::tempdir().expect("a folder");
    let path = copy.path().join("a.json");
    fs::write(&path, &exported).expect("written");
    let path = path.display().to_string();
    let (status, text, _) = run(&["diff", PETSTORE, &path]);
    assert_eq!((status, &*text), (Some(0), ""));
    let (status, _, said) = run(&["export", "--running", "pets2", "--admin", &socket]);
    assert_eq!(status, Some(1));
    assert!(said.contains("no API `pets2` is served"), "{said}");
    drop(gateway);
    let (status, _, said) = run(&["export", "--running", "pets1", "--admin", &socket]);
    assert_eq!(status, Some(69), "{said}");
}
