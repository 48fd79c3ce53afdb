//! API keys and quotas as clients meet them: the command line on one side, requests on the other.
//!
//! Shape: one API with a method that needs a key. Units: requests. Errors: a status that differs
//! prints what the gateway said. Source: docs/usage-plans.md.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::running::{gateway::Gateway, scripted::fetch};
use serde_json::Value;

const KEYED: &str = r#"
openapi: 3.0.1
info: { title: Keyed, version: "1" }
components:
  securitySchemes:
    api_key: { type: apiKey, name: x-api-key, in: header }
paths:
  /pets:
    get:
      security: [ { api_key: [] } ]
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: { application/json: '{"statusCode": 200}' }
        responses:
          default:
            statusCode: "200"
            responseTemplates: { application/json: '{"mock": true}' }
"#;

const SETTINGS: &str = "[server]\nworkers = 2\ndrain_delay_ms = 0\ndrain_deadline_ms = 2000\n\
     [[listen]]\naddress = \"127.0.0.1:0\"\n\
     [admin]\nsocket = \"admin.sock\"\n\
     [process]\ntrial_ms = 0\nstate_dir = \"state\"\n\
     [[apis]]\ndocument = \"api.yaml\"\nid = \"a1\"\n";

fn gateway() -> Gateway {
    Gateway::start_in(tempfile::tempdir().expect("a folder"), KEYED, SETTINGS)
}

fn status(gateway: &Gateway, value: &str) -> u16 {
    let line = format!("x-api-key: {value}");
    fetch(gateway.address, "GET", "/dev/pets", &[&line]).status
}

fn json(gateway: &Gateway, line: &[&str]) -> Value {
    let (status, said) = gateway.cli(&[line, &["--json"]].concat());
    assert_eq!(status, Some(0), "{line:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{line:?}: {error}: {said}"))
}

fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
        .to_owned()
}

/// A key in a plan with a quota of `limit` a month: the plan's id, the key's id and its value.
fn key_with_quota(gateway: &Gateway, limit: &str) -> (String, String, String) {
    let line = [
        "plans",
        "create",
        "--name",
        "p",
        "--stage",
        "a1:dev",
        "--quota-limit",
        limit,
    ];
    let plan = text(
        &json(gateway, &[&line[..], &["--quota-period", "MONTH"]].concat()),
        "id",
    );
    let key = json(gateway, &["keys", "create", "--name", "n", "--plan", &plan]);
    (plan, text(&key, "id"), text(&key, "value"))
}

/// Requests until one is refused; gives how many were answered, and the refusal.
fn spend(gateway: &Gateway, value: &str, most: usize) -> (usize, u16) {
    for count in 0..most {
        let status = status(gateway, value);
        if status != 200 {
            return (count, status);
        }
    }
    (most, 200)
}

#[test]
fn what_a_command_does_counts_for_the_next_request() {
    let gateway = gateway();
    assert_eq!(fetch(gateway.address, "GET", "/dev/pets", &[]).status, 403);
    let (plan, key, value) = key_with_quota(&gateway, "1000");
    let rows: [(&[&str], u16); 7] = [
        (&["keys", "show", &key], 200),
        (&["keys", "disable", &key], 403),
        (&["keys", "enable", &key], 200),
        (&["plans", "detach", &plan, &key], 403),
        (&["plans", "attach", &plan, &key], 200),
        (&["keys", "rotate"], 200),
        (&["keys", "delete", &key], 403),
    ];
    for (line, expected) in rows {
        json(&gateway, line);
        assert_eq!(
            status(&gateway, &value),
            expected,
            "{line:?}\n{}",
            gateway.log()
        );
    }
    assert!(!gateway.log().contains(&value), "{}", gateway.log());
}

#[test]
fn a_quota_ends_is_extended_and_reported() {
    let gateway = gateway();
    let (plan, key, value) = key_with_quota(&gateway, "7");
    assert_eq!(spend(&gateway, &value, 20), (7, 429), "{}", gateway.log());
    let used = |gateway: &Gateway| {
        let report = json(gateway, &["usage", "report", &plan, "--key", &key]);
        report["values"][&key].to_string()
    };
    assert_eq!(used(&gateway), "[[7,0]]");
    json(
        &gateway,
        &["usage", "extend", &plan, &key, "--remaining", "3"],
    );
    assert_eq!(spend(&gateway, &value, 20), (3, 429), "{}", gateway.log());
    assert_eq!(used(&gateway), "[[10,0]]");
}

#[test]
fn what_is_used_without_a_quota_is_counted_too() {
    let mut gateway = gateway();
    let line = ["plans", "create", "--name", "p", "--stage", "a1:dev"];
    let plan = text(&json(&gateway, &line), "id");
    let key = json(
        &gateway,
        &["keys", "create", "--name", "n", "--plan", &plan],
    );
    let (key, value) = (text(&key, "id"), text(&key, "value"));
    let used = |gateway: &Gateway| {
        let report = json(gateway, &["usage", "report", &plan]);
        report["values"][&key].to_string()
    };
    assert_eq!(spend(&gateway, &value, 5), (5, 200));
    assert_eq!(used(&gateway), "[[5,null]]", "{}", gateway.log());
    assert_eq!(spend(&gateway, &value, 3), (3, 200));
    gateway.restart(libc::SIGKILL); // what was counted is in the table still
    assert_eq!(spend(&gateway, &value, 2), (2, 200));
    assert_eq!(used(&gateway), "[[10,null]]", "{}", gateway.log());
    assert_eq!(used(&gateway), "[[10,null]]", "nothing is counted twice");
    json(
        &gateway,
        &[
            "plans", "quota", &plan, "--limit", "12", "--period", "MONTH",
        ],
    );
    let (answered, refusal) = spend(&gateway, &value, 20);
    assert_eq!(refusal, 429, "{}", gateway.log());
    assert!(answered <= 12, "{answered}");
}

#[test]
fn kills_and_upgrades_add_nothing_to_a_quota() {
    let mut gateway = gateway();
    let (_, _, value) = key_with_quota(&gateway, "200");
    let mut answered = 0;
    for round in 0..6 {
        answered += spend(&gateway, &value, 23).0;
        if round % 3 == 2 {
            gateway.upgrade();
            gateway.await_that("the successor has the store", |gateway| {
                gateway.cli(&["keys", "list"]).0 == Some(0)
            });
        } else if round < 2 {
            gateway.restart(libc::SIGKILL);
        }
    }
    loop {
        match spend(&gateway, &value, 50) {
            (count, 200) => answered += count,
            (count, _) => {
                answered += count;
                break;
            }
        }
        assert!(answered <= 200, "{answered} of 200");
    }
    assert!(answered <= 200, "{answered} of 200");
    // Two kills: two leases of 2 at most.
    assert!(answered >= 200 - 3 * 2 - 2, "{answered}\n{}", gateway.log());
}

#[test]
fn a_restart_refills_nothing_and_others_on_the_host_have_buckets_of_their_own() {
    let shared = tempfile::tempdir().expect("a folder");
    let open = KEYED.replace("      security: [ { api_key: [] } ]\n", "");
    let settings = format!("{SETTINGS}[apis.throttle]\nrate_limit = 0.001\nburst_limit = 3\n");
    let start = || {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(shared.path(), folder.path().join("runtime")).expect("a link");
        Gateway::start_in(folder, &open, &settings)
    };
    let ask = |gateway: &Gateway| {
        let ask = |_| fetch(gateway.address, "GET", "/dev/pets", &[]).status;
        (0..4).map(ask).collect::<Vec<_>>()
    };
    let mut first = start();
    assert_eq!(ask(&first), [200, 200, 200, 429]);
    first.restart(libc::SIGKILL);
    assert_eq!(ask(&first), [429; 4], "{}", first.log());
    let second = start(); // the same API and stage, by settings elsewhere
    assert_eq!(ask(&second), [200, 200, 200, 429], "{}", second.log());
}

/// One request whose gateway may die: its status, if it got one.
fn try_status(address: SocketAddr, value: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let head = "GET /dev/pets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let request = format!("{head}x-api-key: {value}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

/// Ends the clients, also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_quota_holds_while_its_gateway_is_killed_under_load() {
    const LIMIT: usize = 3_000;
    let mut gateway = gateway();
    let (_, _, value) = key_with_quota(&gateway, &LIMIT.to_string());
    let address = Mutex::new(gateway.address);
    let (answered, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
    let client = || {
        while !ends.load(Ordering::Relaxed) {
            let to = *address.lock().expect("no panic");
            match try_status(to, &value) {
                Some(200) => {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Some(429) => return,
                Some(other) => panic!("{other}"),
                None => thread::sleep(Duration::from_millis(2)),
            }
        }
    };
    thread::scope(|scope| {
        let _ends = Ends(&ends);
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        for kill in 1..=4 {
            let from = answered.load(Ordering::Relaxed);
            gateway.await_that("the load goes on", |_| {
                let now = answered.load(Ordering::Relaxed);
                now >= from + 200 || now + 400 >= LIMIT
            });
            gateway.restart(if kill == 3 {
                libc::SIGTERM
            } else {
                libc::SIGKILL
            });
            *address.lock().expect("no panic") = gateway.address;
        }
        gateway.await_that("the quota is used up", |_| {
            clients.iter().all(thread::ScopedJoinHandle::is_finished)
        });
    });
    let answered = answered.load(Ordering::Relaxed);
    assert!(answered <= LIMIT, "{answered} of {LIMIT}");
    // Each kill may take requests that were spent and not answered, and parts of a lease or two.
    let lost_max = 4 * (2 * LIMIT / 100 + 8);
    assert!(
        answered >= LIMIT - lost_max,
        "{answered} of {LIMIT}\n{}",
        gateway.log()
    );
}
