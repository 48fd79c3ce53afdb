//! API keys and usage plans from outside: the command line, on a running gateway and without one.
//!
//! Shape: tables of command lines in their order, each with what its answer has. Units: none.
//! Errors: a row that differs prints the whole answer. Source: docs/usage-plans.md.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::running::gateway::{API, Gateway};
use serde_json::Value;

/// One worker; the store is in `state`.
const SETTINGS: &str = "[server]\nworkers = 1\ndrain_delay_ms = 0\ndrain_deadline_ms = 2000\n\
     [[listen]]\naddress = \"127.0.0.1:0\"\n\
     [admin]\nsocket = \"admin.sock\"\n\
     [process]\ntrial_ms = 0\nstate_dir = \"state\"\n\
     [[apis]]\ndocument = \"api.yaml\"\nid = \"a1\"\n";

fn gateway(more: &str) -> Gateway {
    gateway_in(tempfile::tempdir().expect("a folder"), more)
}

fn gateway_in(folder: tempfile::TempDir, more: &str) -> Gateway {
    Gateway::start_in(folder, API, &format!("{SETTINGS}{more}"))
}

/// Where the commands of a table go.
enum Place<'a> {
    Running(&'a Gateway),
    Config(PathBuf),
    Store(PathBuf),
}

/// Runs one command line; gives the status and what it said.
fn run(place: &Place, line: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(line);
    match place {
        Place::Running(gateway) => command.arg("--admin").arg(gateway.socket()),
        Place::Config(file) => command.arg("--config").arg(file),
        Place::Store(folder) => command.arg("--store").arg(folder),
    };
    let output = command.output().expect("the binary runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// The answer of a command that must succeed.
fn json(place: &Place, line: &[&str]) -> Value {
    let line = [line, &["--json"]].concat();
    let (status, said) = run(place, &line);
    assert_eq!(status, Some(0), "{line:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{line:?}: {error}: {said}"))
}

fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
        .to_owned()
}

/// Everything below `folder` as bytes, to look for what must not be there.
fn has_secret(folder: &Path, secret: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if let Some(found) = has_secret(&path, secret) {
                return Some(found);
            }
        } else if let Ok(bytes) = fs::read(&path)
            && bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        {
            return Some(path);
        }
    }
    None
}

/// What can be done with keys and plans, whoever does it.
fn work_through(place: &Place, folder: &Path) {
    let key = json(
        place,
        &["keys", "create", "--name", "Client A", "--tag", "team=a"],
    );
    let (id, value) = (text(&key, "id"), text(&key, "value"));
    assert_eq!((id.len(), value.len()), (10, 40));
    assert_eq!(key["enabled"], true);
    let plan = [
        "plans", "create", "--name", "gold", "--rate", "50", "--burst", "100",
    ];
    let more = [
        "--quota-limit",
        "5000",
        "--quota-period",
        "MONTH",
        "--stage",
        "a1:dev",
    ];
    let plan = json(place, &[&plan[..], &more].concat());
    let plan = text(&plan, "id");
    let given = folder.join("value");
    fs::write(&given, "given-value-of-thirty-characters\n").expect("written");
    let given = given.to_str().expect("a path");
    let import = folder.join("clients.csv");
    let line = format!("imported-value-of-thirty-characters,B,\"{plan}, other\"\n");
    fs::write(&import, format!("key,name,usageplanIds\n{line}")).expect("written");
    let import = import.to_str().expect("a path");
    let bad = folder.join("bad.csv");
    fs::write(&bad, "Name,Key\nx,short\n\ny\n").expect("written");
    let bad = bad.to_str().expect("a path");
    // Command line, its status, what its answer has.
    let rows: Vec<(Vec<&str>, i32, Vec<&str>)> = vec![
        (vec!["keys", "show", &id], 0, vec!["Client A", "team"]),
        (vec!["keys", "show", &id, "--show-value"], 0, vec![&value]),
        (vec!["keys", "list"], 0, vec!["ID", &id]),
        (vec!["keys", "list", "--show-values"], 0, vec![&value]),
        (
            vec!["keys", "show", "nobody"],
            1,
            vec!["Invalid API Key identifier specified"],
        ),
        (
            vec!["keys", "create", "--name", "G", "--value-file", given],
            0,
            vec!["given-value-of-thirty-characters"],
        ),
        (
            vec!["keys", "create", "--name", "G", "--value-file", given],
            1,
            vec!["API Key already exists"],
        ),
        (
            vec!["keys", "create", "--name", "N", "--plan", "none"],
            1,
            vec!["Invalid Usage Plan ID specified"],
        ),
        (vec!["keys", "list", "--name-prefix", "N"], 0, vec!["ID"]),
        (vec!["plans", "attach", &plan, &id], 0, vec!["is in"]),
        (vec!["plans", "attach", &plan, &id], 1, vec!["already"]),
        (
            vec!["plans", "list"],
            0,
            vec!["50.0/s, 100", "5000/MONTH", "a1:dev"],
        ),
        (
            vec![
                "plans",
                "throttle",
                &plan,
                "--stage",
                "a1:dev",
                "--method",
                "/pets/GET",
                "--rate",
                "1",
                "--burst",
                "2",
            ],
            0,
            vec!["/pets/GET"],
        ),
        (
            vec!["plans", "throttle", &plan, "--burst", "7"],
            0,
            vec!["\"burstLimit\":7"],
        ),
        (
            vec!["plans", "quota", &plan, "--limit", "600"],
            0,
            vec!["\"limit\":600"],
        ),
        (
            vec!["plans", "add-stage", &plan, "a1:dev"],
            1,
            vec!["contains API Stage a1/dev already"],
        ),
        (
            vec!["keys", "import", import],
            0,
            vec![
                "1 key imported",
                "warning: line 2: there is no usage plan other",
            ],
        ),
        (
            vec!["keys", "import", import, "--fail-on-warnings"],
            1,
            vec!["nothing was imported", "line 2:"],
        ),
        (
            vec!["keys", "import", bad],
            1,
            vec![
                "nothing was imported, 2 faults",
                "line 2: API Key value should",
                "line 4: it has 1 field,",
            ],
        ),
        (
            vec!["keys", "list", "--plan", &plan],
            0,
            vec!["Client A", "B"],
        ),
        (
            vec!["usage", "extend", &plan, &id, "--remaining", "50"],
            0,
            vec!["50 requests left"],
        ),
        (
            vec!["usage", "report", &plan, "--key", &id],
            0,
            vec![&id, "0     50"],
        ),
        (
            vec!["usage", "export", &plan, "--key", &id],
            0,
            vec!["usagePlanId,keyId,date,used,remaining\n", ",0,50\n"],
        ),
        (
            vec![
                "usage",
                "report",
                &plan,
                "--from",
                "2025-01-01",
                "--to",
                "2025-12-31",
            ],
            1,
            vec!["at most 90 days"],
        ),
        (vec!["keys", "disable", &id], 0, vec!["false"]),
        (vec!["keys", "rotate"], 0, vec!["3 values encrypted anew"]),
        (vec!["keys", "show", &id, "--show-value"], 0, vec![&value]),
        (vec!["plans", "detach", &plan, &id], 0, vec!["not in"]),
        (
            vec!["plans", "detach", &plan, &id],
            1,
            vec!["is not in usage plan"],
        ),
        (vec!["keys", "delete", &id], 0, vec!["deleted"]),
        (vec!["plans", "delete", &plan], 0, vec!["deleted"]),
        (
            vec!["plans", "show", &plan],
            1,
            vec!["Invalid Usage Plan ID specified"],
        ),
    ];
    let asks_for_it = |line: &[&str]| {
        line.contains(&"--show-value") || line.contains(&"--show-values") || line[1] == "create"
    };
    for (line, status, has) in rows {
        let (got, said) = run(place, &line);
        assert_eq!(got, Some(status), "{line:?}: {said}");
        for part in has {
            assert!(said.contains(part), "{line:?}: no {part:?} in\n{said}");
        }
        assert!(
            asks_for_it(&line) || !said.contains(&value),
            "{line:?}: {said}"
        );
    }
    let state = folder.join("state");
    assert_eq!(has_secret(&state, &value), None);
    assert_eq!(has_secret(&state, "imported-value"), None);
    for name in ["store.db", "store.key", "store.lock"] {
        let mode = fs::metadata(state.join(name))
            .expect(name)
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn keys_and_plans_on_a_running_gateway() {
    let gateway = gateway("");
    work_through(&Place::Running(&gateway), gateway.folder.path());
    let log = gateway.log();
    assert!(!log.contains("value-of-thirty"), "{log}");
}

#[test]
fn keys_and_plans_without_a_gateway() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::Store(folder.path().join("state"));
    let (status, said) = run(&place, &["keys", "list"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("there is no store in"), "{said}");
    work_through(&place, folder.path());
}

#[test]
fn a_lock_decides_who_writes() {
    let mut gateway = gateway("");
    let folder = gateway.folder.path().to_owned();
    let store = Place::Store(folder.join("state"));
    let config = Place::Config(folder.join("tidegate.toml"));
    let (status, said) = run(&store, &["keys", "create", "--name", "n"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("is open in another process"), "{said}");
    let made = json(
        &config,
        &["keys", "create", "--name", "asked of the gateway"],
    );
    let count = |gateway: &Gateway| {
        let (_, config) = gateway.ask("GET", "/config");
        let config: Value = serde_json::from_str(&config).expect("JSON");
        config["api_keys"].as_u64()
    };
    assert_eq!(count(&gateway), Some(1), "its cores know of it at once");
    let refused = ["plans", "create", "--name", "p", "--stage", "x:y"];
    let (status, said) = run(&config, &refused);
    assert_eq!(status, Some(1));
    let expected = "Invalid API Stage {api: x, stage: y} specified for usageplan new";
    assert!(said.contains(expected), "{said}");
    gateway.signal(libc::SIGTERM);
    gateway.wait(std::time::Duration::from_secs(20));
    json(&config, &["keys", "create", "--name", "offline"]);
    json(&store, &["keys", "create", "--name", "offline too"]);
    gateway.start_again();
    gateway.await_that("it is ready", |gateway| {
        gateway
            .try_ask("GET", "/readyz")
            .is_some_and(|(status, _)| status == 200)
    });
    assert_eq!(count(&gateway), Some(3));
    let id = text(&made, "id");
    json(&Place::Running(&gateway), &["keys", "show", &id]);
}

#[test]
fn an_upgrade_moves_the_store_to_the_successor() {
    let mut gateway = gateway("");
    let made = json(
        &Place::Running(&gateway),
        &["keys", "create", "--name", "before"],
    );
    for round in 0..3 {
        gateway.upgrade();
        let place = Place::Running(&gateway);
        // The process before lets go when it accepts no more; until then orders are put off.
        gateway.await_that("the successor has the store", |_| {
            let (status, said) = run(&place, &["keys", "create", "--name", "behind"]);
            assert!(
                status == Some(0) || said.contains("still has the store"),
                "{said}"
            );
            status == Some(0)
        });
        let list = json(&place, &["keys", "list"]);
        let items = list["items"].as_array().expect("a list");
        assert_eq!(items.len(), round + 2, "{list}");
        assert_eq!(items[round + 1]["id"], made["id"]);
    }
    assert!(
        !gateway.log().contains("cannot be taken over"),
        "{}",
        gateway.log()
    );
}

const DECLARED: &str = "[[usage_plans]]\nid = \"gold\"\n\
     throttle = { rate_limit = 50.0, burst_limit = 100 }\n\
     quota = { limit = 5000, period = \"MONTH\" }\n\
     [[usage_plans.api_stages]]\napi = \"a1\"\nstage = \"dev\"\n\
     throttle = { \"/pets/GET\" = { rate_limit = 1.5, burst_limit = 2 } }\n\
     [[api_keys]]\nid = \"mobile\"\nname = \"Mobile app\"\nvalue_file = \"mobile.key\"\n\
     plans = [\"gold\"]\n";

fn value_file(folder: &Path, value: &str, mode: u32) {
    let path = folder.join("mobile.key");
    fs::write(&path, value).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn declarations_are_made_once_and_again_when_they_change() {
    let folder = tempfile::tempdir().expect("a folder");
    value_file(folder.path(), "the-value-of-the-mobile-app\n", 0o600);
    let mut gateway = gateway_in(folder, DECLARED);
    let shown = |gateway: &Gateway| {
        let place = Place::Running(gateway);
        let key = json(&place, &["keys", "show", "mobile", "--show-value"]);
        let plans = json(&place, &["plans", "list", "--key", "mobile"]);
        (key, plans)
    };
    let first = shown(&gateway);
    assert_eq!(first.0["value"], "the-value-of-the-mobile-app");
    let plan = first.1["items"][0].to_string();
    for part in [
        "\"id\":\"gold\"",
        "\"limit\":5000",
        "\"/pets/GET\":{\"rateLimit\":1.5",
    ] {
        assert!(plan.contains(part), "{plan}");
    }
    assert_eq!(gateway.ask("POST", "/reload").0, 200, "{}", gateway.log());
    assert_eq!(shown(&gateway), first, "a second time changes nothing");
    gateway.restart(libc::SIGKILL);
    assert_eq!(shown(&gateway), first);

    value_file(
        gateway.folder.path(),
        "another-value-of-the-mobile-app\n",
        0o600,
    );
    let changed = DECLARED.replace("limit = 5000", "limit = 6000");
    gateway.configure(&format!("{SETTINGS}{changed}"));
    assert_eq!(gateway.ask("POST", "/reload").0, 200, "{}", gateway.log());
    let (key, plans) = shown(&gateway);
    assert_eq!(key["value"], "another-value-of-the-mobile-app");
    assert!(plans.to_string().contains("\"limit\":6000"), "{plans}");
    assert_eq!(
        key["createdDate"], first.0["createdDate"],
        "it is the same key"
    );

    // What cannot be used is refused, and what is there stays.
    let place = |gateway: &Gateway| shown(gateway);
    let before = place(&gateway);
    let rows = [
        (
            DECLARED.replace("plans = [\"gold\"]", "plans = [\"none\"]"),
            0o600,
            "Invalid Usage Plan ID specified",
        ),
        (
            DECLARED.replace("mobile.key", "missing.key"),
            0o600,
            "missing.key",
        ),
        (DECLARED.to_owned(), 0o644, "can be read by others"),
        (
            DECLARED.replace("id = \"gold\"", "id = \"Gold!\""),
            0o600,
            "an id has 1 to 12",
        ),
        (
            DECLARED.replace("\"MONTH\"", "\"YEAR\""),
            0o600,
            "none of DAY, WEEK, MONTH",
        ),
        (
            DECLARED.replace("value_file = \"mobile.key\"\n", ""),
            0o600,
            "value_file or value_env",
        ),
    ];
    for (declared, mode, expected) in rows {
        value_file(
            gateway.folder.path(),
            "another-value-of-the-mobile-app\n",
            mode,
        );
        gateway.configure(&format!("{SETTINGS}{declared}"));
        let (status, report) = gateway.ask("POST", "/reload");
        assert_eq!(status, 409, "{expected}: {report}");
        assert!(report.contains(expected), "{expected}: {report}");
        assert_eq!(place(&gateway), before, "{expected}");
    }
    assert!(
        !gateway.log().contains("value-of-the-mobile"),
        "{}",
        gateway.log()
    );
}

#[test]
fn a_store_that_cannot_be_used_keeps_the_gateway_from_starting() {
    let mut gateway = gateway("");
    json(
        &Place::Running(&gateway),
        &["keys", "create", "--name", "n"],
    );
    gateway.signal(libc::SIGTERM);
    let patience = std::time::Duration::from_secs(20);
    gateway.wait(patience);
    let path = gateway.folder.path().join("state/store.db");
    let good = fs::read(&path).expect("a store");
    let mut torn = good.clone();
    torn[4096..8192].fill(0x5a);
    let key = gateway.folder.path().join("state/store.key");
    let rows: [(&[u8], bool, &str); 3] = [
        (&torn, true, "is damaged or no store"),
        (b"no store", true, "is damaged or no store"),
        (
            &good,
            false,
            "the key of this store, is missing; restore it",
        ),
    ];
    for (bytes, has_key, expected) in rows {
        fs::write(&path, bytes).expect("written");
        let kept = fs::read(&key).expect("a key");
        if !has_key {
            fs::remove_file(&key).expect("removed");
        }
        gateway.start_again();
        assert_eq!(gateway.wait(patience).code(), Some(1), "{}", gateway.log());
        assert!(gateway.log().contains(expected), "{}", gateway.log());
        let (status, said) = run(
            &Place::Store(gateway.folder.path().join("state")),
            &["keys", "list"],
        );
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(fs::read(&path).expect("there"), bytes, "left alone");
        if !has_key {
            fs::write(&key, kept).expect("written");
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
        }
    }
    fs::write(&path, good).expect("written");
    let list = json(
        &Place::Store(gateway.folder.path().join("state")),
        &["keys", "list"],
    );
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn without_a_folder_there_are_no_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = SETTINGS.replace("state_dir = \"state\"\n", "");
    let gateway = Gateway::start_in(folder, API, &settings);
    let (status, said) = run(
        &Place::Running(&gateway),
        &["keys", "create", "--name", "n"],
    );
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("set `[process] state_dir`"), "{said}");
    let large = "x".repeat(100);
    let (status, _) = gateway.ask("GET", &format!("/livez?{large}"));
    assert_eq!(status, 200);
}
