//! Deployments, rollback and canaries of the real binary, and both ends under kill -9.
//!
//! Shape: a gateway whose API is deployed, asked as a client does, changed as an operator does.
//! Units: milliseconds of life. Errors: a change that is half made, lost, or served unmade.
//! Source: API Gateway's operations on deployments and stages; RELIABILITY sections 9 and 10.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::running::{client::Client, gateway::Gateway};
use tidegate::store::{
    Store,
    deployments::{Deployed, DeployedStage},
};

const SETTINGS: &str = "[server]\nworkers = 2\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
     [[apis]]\nid = \"pets\"\ndeployed = true\n\
     [admin]\nsocket = \"admin.sock\"\n\
     [process]\nstate_dir = \"state\"\ntrial_ms = 20\n";

/// An API that answers `word` at `/word`.
fn document(word: &str) -> String {
    format!(
        "openapi: 3.0.1\ninfo: {{ title: Pets, version: \"1\" }}\npaths:\n  /word:\n    get:\n      \
         x-amazon-apigateway-integration:\n        type: mock\n        requestTemplates:\n          \
         application/json: '{{\"statusCode\": 200}}'\n        responses:\n          default:\n            \
         statusCode: 200\n            responseTemplates:\n              application/json: '{word}'\n"
    )
}

struct Place {
    gateway: Gateway,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        for word in ["one", "two", "three"] {
            fs::write(folder.path().join(word), document(word)).expect("written");
            let named = folder.path().join(format!("{word}.yaml"));
            fs::rename(folder.path().join(word), named).expect("renamed");
        }
        Place {
            gateway: Gateway::start_in(folder, "", SETTINGS),
        }
    }

    fn path(&self, name: &str) -> String {
        let path = self.gateway.folder.path().join(name);
        path.display().to_string()
    }

    /// Runs the command line: exit status and what it said.
    fn cli(&self, line: &[&str]) -> (Option<i32>, String) {
        let words: Vec<String> = line
            .iter()
            .map(|word| match word.strip_suffix(".yaml") {
                Some(_) => self.path(word),
                None => (*word).to_owned(),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.gateway.cli(&words)
    }

    /// The same for a command that must be done; gives its JSON.
    fn done(&self, line: &[&str]) -> serde_json::Value {
        let line = [line, &["--api", "pets", "--json"]].concat();
        let (status, said) = self.cli(&line);
        assert_eq!(status, Some(0), "{line:?}: {said}\n{}", self.gateway.log());
        serde_json::from_str(&said).expect("JSON")
    }

    fn deploy(&self, file: &str, stage: &str) -> String {
        let stage = self.done(&["deploy", file, "--stage", stage]);
        stage["id"].as_str().expect("an id").to_owned()
    }

    /// What a client reads.
    fn word(&self, stage: &str) -> String {
        let answer = Client::new(self.gateway.address).get(&format!("/{stage}/word"));
        match answer {
            Ok(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
            Err(reason) => reason,
        }
    }
}

#[test]
fn stages_serve_what_is_deployed_to_them() {
    let place = Place::new();
    assert_eq!(place.word("prod"), "status 403");
    let one = place.deploy("one.yaml", "prod");
    assert_eq!(place.word("prod"), "one");
    assert_eq!(place.word("dev"), "status 403");
    let two = place.deploy("two.yaml", "dev");
    assert_eq!(
        (place.word("prod"), place.word("dev")),
        ("one".into(), "two".into())
    );

    // What is not one deployment changes nothing.
    fs::write(
        place.path("bad.yaml"),
        document("x").replace("statusCode: 200\n", "statusCode: 9\n"),
    )
    .expect("written");
    let bad = ["deploy", "bad.yaml", "--api", "pets", "--stage", "prod"];
    let (status, said) = place.cli(&bad);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("bad.yaml:12:"), "{said}");
    for (api, expected) in [
        ("dogs", "no deployed API `dogs`"),
        ("a b", "no name of an API"),
    ] {
        let (status, said) = place.cli(&["deploy", "one.yaml", "--api", api, "--stage", "prod"]);
        assert_ne!(status, Some(0));
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(place.word("prod"), "one");
    let listed = place.done(&["deployments"]);
    assert_eq!(
        listed["items"].as_array().map(Vec::len),
        Some(2),
        "{listed}"
    );

    let third = place.deploy("three.yaml", "prod");
    assert_eq!(place.word("prod"), "three");
    let back = place.done(&["rollback", "--stage", "prod"]);
    assert_eq!(back["deploymentId"], one.as_str());
    assert_eq!(place.word("prod"), "one");
    let (status, said) = place.cli(&["rollback", "--api", "pets", "--stage", "prod"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("has served nothing before"), "{said}");
    place.done(&["rollback", &two, "--stage", "prod"]);
    assert_eq!(place.word("prod"), "two");

    let (status, said) = place.cli(&["deployments", "--api", "pets", "--delete", &two]);
    assert_eq!(status, Some(1));
    let recorded = "Active stages pointing to this deployment must be moved or deleted";
    assert!(said.contains(recorded), "{said}");
    place.done(&["deployments", "--delete", &third]);
    let text = place.done(&["deployments", "--document", &one]);
    assert_eq!(text["text"], document("one"));
}

#[test]
fn a_canary_is_set_promoted_and_removed() {
    let mut place = Place::new();
    let one = place.deploy("one.yaml", "prod");
    let (status, said) = place.cli(&["canary", "remove", "--api", "pets", "--stage", "prod"]);
    assert_eq!(status, Some(1), "{said}");
    let made = place.done(&["canary", "set", "--stage", "prod", "--variable", "k=v"]);
    assert_eq!(made["canarySettings"]["percentTraffic"], 0.0);
    assert_eq!(made["canarySettings"]["deploymentId"], one.as_str());
    place.done(&["canary", "remove", "--stage", "prod"]);

    let deployed = place.done(&["deploy", "two.yaml", "--stage", "prod", "--canary", "100"]);
    assert_eq!(
        deployed["deploymentId"],
        one.as_str(),
        "the stage stays as it is"
    );
    assert_eq!(place.word("prod"), "two");
    place.done(&["canary", "set", "--stage", "prod", "--percent", "0"]);
    assert_eq!(place.word("prod"), "one");
    let (status, said) = place.cli(&[
        "canary",
        "set",
        "--api",
        "pets",
        "--stage",
        "prod",
        "--percent",
        "100.5",
    ]);
    assert_eq!(status, Some(1), "{said}");
    place.done(&["canary", "set", "--stage", "prod", "--variable", "k=w"]);
    let promoted = place.done(&["canary", "promote", "--stage", "prod"]);
    assert_eq!(promoted["deploymentId"], deployed["id"]);
    assert_eq!(promoted["variables"]["k"], "w");
    assert!(promoted["canarySettings"].is_null());
    assert_eq!(place.word("prod"), "two");

    // Nothing of it is lost, whether a gateway runs or not.
    place.gateway.restart(libc::SIGTERM);
    assert_eq!(place.word("prod"), "two");
}

#[test]
fn a_stopped_gateway_serves_the_deployment_at_its_next_start() {
    let mut place = Place::new();
    place.deploy("one.yaml", "prod");
    place.gateway.signal(libc::SIGTERM);
    place.gateway.wait(Duration::from_secs(20));
    let config = place.path("tidegate.toml");
    let run = |line: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(line)
            .args(["--api", "pets", "--stage", "prod", "--config", &config])
            .output()
            .expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    fs::write(place.path("bad.yaml"), "openapi: 3.0.1\npaths: 5\n").expect("written");
    let (status, said) = run(&["deploy", &place.path("bad.yaml")]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("bad.yaml:2:8"), "{said}");
    let (status, said) = run(&["deploy", &place.path("two.yaml")]);
    assert_eq!(status, Some(0), "{said}");
    place.gateway.start_again();
    place.gateway.await_ready();
    assert_eq!(place.word("prod"), "two");
}

/// Each round kills the gateway somewhere in a deployment; the next one serves one of the two, and
/// what its store says.
#[test]
fn a_gateway_that_is_killed_serves_the_old_or_the_new() {
    let mut place = Place::new();
    place.deploy("one.yaml", "prod");
    let mut served = "one".to_owned();
    let (mut old, mut new) = (0, 0);
    for round in 0..32 {
        // Late enough for one that is done, however slow the host.
        if round >= 12 && old > 0 && new > 0 {
            break;
        }
        let next = if served == "one" { "two" } else { "one" };
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["deploy", &place.path(&format!("{next}.yaml"))])
            .args(["--api", "pets", "--stage", "prod", "--admin"])
            .arg(place.gateway.socket())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        thread::sleep(Duration::from_millis(round * round * 2));
        place.gateway.restart(libc::SIGKILL);
        let answered = child.wait().expect("a child").success();
        let found = place.word("prod");
        assert!(
            found == served || found == next,
            "{found}: neither {served} nor {next}"
        );
        assert!(!answered || found == next, "what was answered is served");
        let stages = Deployed::of_folder(Path::new(&place.path("state")), "pets");
        let stages = stages.expect("readable");
        let text = stages.documents.values().map(|document| &document.text);
        assert_eq!(text.collect::<Vec<_>>(), [&document(&found)]);
        if found == next {
            new += 1;
        } else {
            old += 1;
        }
        served = found;
    }
    assert!(
        old > 0 && new > 0,
        "{old} old and {new} new: no round was in between"
    );
}

/// Each round kills a command that deploys; its store has all of the deployment or nothing.
#[test]
fn a_command_that_is_killed_leaves_the_old_or_the_new() {
    let folder = tempfile::tempdir().expect("a folder");
    let (state, file) = (folder.path().join("state"), folder.path().join("a.yaml"));
    let padding = format!("# {}\n", "x".repeat(1 << 20)); // large enough to be cut
    let (mut old, mut new) = (0, 0);
    let mut before: Option<DeployedStage> = None;
    for round in 1u64.. {
        let text = format!("{}{padding}# {round}\n", document("one"));
        fs::write(&file, &text).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["deploy", "--api", "pets", "--stage", "prod", "--store"])
            .args([&state, &file])
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        thread::sleep(Duration::from_micros(round * round * 800));
        let ended = child.try_wait().expect("a child").is_some();
        let _ = child.kill(); // SIGKILL, by its own id; gone already is as good
        child.wait().expect("a child");
        let deployed = match Store::open_existing(&state).expect("usable") {
            Some(store) => store.deployed("pets").expect("readable"),
            None => Deployed::default(),
        };
        let now = deployed.stages.first().cloned();
        if now == before {
            old += 1;
            assert!(!ended, "what was answered is there");
        } else {
            new += 1;
            let texts: Vec<&String> = deployed.documents.values().map(|it| &it.text).collect();
            assert_eq!(texts, [&text], "all of it");
        }
        before = now;
        if ended {
            break;
        }
    }
    assert!(old > 0 && new > 0, "{old} and {new}");
}
