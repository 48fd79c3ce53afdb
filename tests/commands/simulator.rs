//! `tidegate sim` from outside: the scenarios that ship are played, small, and their reports are
//! what the schema says.
//!
//! Shape: the files of `configs/scenarios`. Units: as in the report. Errors: the file that differs.
//! Source: docs/simulator.md.

#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

fn scenarios() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("configs/scenarios");
    let files = fs::read_dir(folder).expect("configs/scenarios");
    let mut files: Vec<PathBuf> = files
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .collect();
    files.sort();
    files
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn sim(arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("sim")
        .args(arguments)
        .output()
        .expect("the binary");
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

fn report(scenario: &Path) -> (String, Value) {
    let path = scenario.to_str().expect("text");
    let said = sim(&[path, "--requests", "400", "--json", "-", "--quiet"]);
    assert_eq!(said.code, Some(0), "{path}: {}", said.err);
    assert_eq!(said.err, "", "{path}: quiet");
    let value = serde_json::from_str(&said.out).expect("json");
    (said.out, value)
}

#[test]
fn every_scenario_is_played_and_reported_by_the_schema() {
    let schema: Value = serde_json::from_str(&sim(&["--schema"]).out).expect("a schema");
    let files = scenarios();
    assert_eq!(files.len(), 5, "{files:?}");
    for file in &files {
        let (_, report) = report(file);
        if let Some(fault) = fault(&schema, &schema, &report) {
            panic!("{}: {fault}", file.display());
        }
        let name = file.file_stem().and_then(|name| name.to_str());
        assert_eq!(report["scenario"]["name"].as_str(), name);
        let deployments = report["deployments"].as_array().expect("deployments");
        let wanted = &deployments[0]["overall"]["requests"];
        for row in deployments {
            let seen = &row["overall"];
            assert_eq!(&seen["requests"], wanted, "{name:?}: the same in each");
            let ends = ["good", "throttled", "errors", "other", "unreachable"];
            let sum: u64 = ends.iter().filter_map(|end| seen[*end].as_u64()).sum();
            assert_eq!(Some(sum), wanted.as_u64(), "{name:?}: {row:#}");
        }
    }
}

#[test]
fn what_ships_is_found_by_its_name_anywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let listed = sim(&["--list"]).out;
    for file in scenarios() {
        let name = file
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("text");
        let text = fs::read_to_string(&file).expect("a scenario");
        assert_eq!(sim(&["--show", name]).out, text, "{name}");
        let title = text.lines().find_map(|line| line.strip_prefix("title = "));
        let title = title.expect("a title").trim_matches('"');
        let line = listed.lines().find(|line| line.starts_with(name));
        assert!(line.expect("a line").ends_with(title), "{listed}");
    }
    assert_eq!(listed.lines().count(), scenarios().len());
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["sim", "single-country", "--requests", "300", "--quiet"])
        .current_dir(folder.path())
        .output()
        .expect("the binary");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("single-country"));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let file = &scenarios()[0];
    assert_eq!(report(file).0, report(file).0);
}

#[test]
fn a_person_gets_a_table_and_a_paragraph() {
    let files = scenarios();
    let file = files
        .iter()
        .find(|file| file.ends_with("single-country.toml"));
    let path = file.and_then(|file| file.to_str()).expect("a scenario");
    let said = sim(&[path, "--requests", "500"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for words in [
        "regional",
        "edge-optimized",
        "p99.9",
        "USD/M",
        "We would choose",
        "Osaka",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert!(
        said.out.lines().all(|line| line.chars().count() <= 100),
        "{}",
        said.out
    );
    assert!(said.err.contains("4 of 4, private: 100 %"), "{}", said.err);
}

#[test]
fn a_signal_ends_it_and_nothing_is_left_behind() {
    let files = scenarios();
    let file = files
        .iter()
        .find(|file| file.ends_with("global-read-heavy.toml"));
    let text = fs::read_to_string(file.expect("a scenario")).expect("its text");
    let compare = "compare = [\"regional\", \"edge\", \"edge_cached\", \"own_tier\"]";
    assert!(text.contains(compare));
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = folder.path().join("scenario.toml");
    let cached = text.replace(compare, "compare = [\"edge_cached\"]");
    fs::write(&scenario, cached).expect("a file");
    for signal in ["-INT", "-TERM", "-KILL"] {
        // Whoever starts tests in the background has them ignore SIGINT, and their children too.
        let mut child = Command::new("env")
            .args(["--default-signal", env!("CARGO_BIN_EXE_tidegate")])
            .args(["sim", "--quiet", "--requests", "3000000"])
            .arg(&scenario)
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary");
        let pid = child.id().to_string();
        // It has regions, and they have no name that anybody could find.
        let maps = || fs::read_to_string(format!("/proc/{pid}/maps")).expect("its maps");
        while !maps().contains("/memfd:tidegate (deleted)") {
            assert!(child.try_wait().expect("a child").is_none(), "it has ended");
            std::thread::sleep(Duration::from_millis(10));
        }
        let killed = Command::new("kill").args([signal, &pid]).status();
        assert!(killed.expect("kill(1)").success());
        assert!(!child.wait().expect("its end").success(), "{signal}");
        for place in [folder.path(), Path::new("/dev/shm")] {
            let names = fs::read_dir(place).into_iter().flatten().flatten();
            let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let own: Vec<String> = names
                .filter(|name| name.starts_with("tidegate-sim") && name.ends_with(&pid))
                .collect();
            assert!(own.is_empty(), "{signal}: {own:?} in {}", place.display());
        }
    }
}

#[test]
fn what_cannot_be_played_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = fs::read_to_string(&scenarios()[0]).expect("a scenario");
    // what is changed, into what, words of the answer
    let rows = [
        ("seed = 1\n", "seeds = 1\n", "unknown field `seeds`"),
        (
            "regions = [\"Washington_DC\"]",
            "regions = [\"Atlantis\"]",
            "no place \"Atlantis\"",
        ),
        ("share = 0.9\n", "share = 0.9\nkeys = 0\n", "duplicate key"),
        (
            "factor = 12.0",
            "factor = 0.5",
            "bursts: a factor is 1 or more",
        ),
        (
            "duration_s = 600",
            "duration_s = 60",
            "longer than the warm-up",
        ),
        (
            "compare = [",
            "compare = [\"moon\", ",
            "unknown variant `moon`",
        ),
    ];
    for (from, to, words) in rows {
        assert!(shipped.contains(from), "{from}");
        let path = folder.path().join("scenario.toml");
        fs::write(&path, shipped.replacen(from, to, 1)).expect("a file");
        let said = sim(&[path.to_str().expect("text")]);
        assert_eq!(said.code, Some(3), "{to}: {}", said.err);
        assert!(said.err.contains(words), "{to}: {}", said.err);
        assert!(said.err.contains("scenario.toml"), "{to}: {}", said.err);
    }
    let said = sim(&["/nowhere.toml"]);
    assert_eq!(said.code, Some(3), "{}", said.err);
}

/// The first fault of `value` against `schema`, by the keywords that the schema uses.
fn fault(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let rules = schema.as_object().expect("a schema is an object");
    rules.iter().find_map(|(keyword, rule)| {
        let holds = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#'));
                let target = pointer.and_then(|pointer| root.pointer(pointer));
                return fault(root, target.expect("a reference leads somewhere"), value);
            }
            "properties" => {
                let mut properties = rule.as_object().expect("properties").iter();
                return properties.find_map(|(name, schema)| {
                    let why = fault(root, schema, value.get(name)?)?;
                    Some(format!("{name}: {why}"))
                });
            }
            "items" => {
                let mut items = value.as_array().into_iter().flatten();
                return items.find_map(|item| fault(root, rule, item));
            }
            "required" => {
                let mut names = rule.as_array().expect("names").iter();
                names.all(|name| value.get(name.as_str().expect("a name")).is_some())
            }
            "additionalProperties" => {
                let known = &schema["properties"];
                let mut names = value
                    .as_object()
                    .into_iter()
                    .flat_map(|object| object.keys());
                names.all(|name| known.get(name).is_some())
            }
            "type" => {
                let types = rule
                    .as_array()
                    .map_or(std::slice::from_ref(rule), Vec::as_slice);
                types.iter().any(|name| match name.as_str() {
                    Some("object") => value.is_object(),
                    Some("array") => value.is_array(),
                    Some("string") => value.is_string(),
                    Some("number") => value.is_number(),
                    Some("integer") => value.is_u64() || value.is_i64(),
                    Some("null") => value.is_null(),
                    other => panic!("the type {other:?} is not understood"),
                })
            }
            "const" => rule == value,
            "enum" => rule.as_array().expect("values").contains(value),
            "minimum" => value.as_f64() >= rule.as_f64() || !value.is_number(),
            "maximum" => value.as_f64() <= rule.as_f64(),
            other => panic!("the keyword {other} is not understood"),
        };
        (!holds).then(|| format!("{keyword} {rule} does not hold for {value}"))
    })
}
