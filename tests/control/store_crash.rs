//! The store under kill -9: imports, rotations and leases, looked at from outside.
//!
//! Shape: a child does one thing again and again and is killed at some moment; whoever opens the
//! store then finds all of a thing or nothing. Units: milliseconds of life. Errors: what was half
//! done. Source: RELIABILITY sections 6 and 10.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tidegate::store::{
    Reading, Store,
    keys::{KeyFilter, KeyValue, NewKey},
    lease::{Grant, Spent, Wanted, lease_size},
    plans::{NewPlan, QuotaChange},
};
use tidegate_edge::base::time::Wall;

/// 2025-04-01 12:00 UTC.
const NOON: Wall = Wall(1_743_508_800_000);

fn value(number: usize) -> String {
    format!("value-number-{number:020}")
}

/// How long a child of round `round` lives: from an early end to a late one. On a busy host even
/// the early one may come late, so rounds begin anew until one was early.
fn life(round: u64) -> Duration {
    Duration::from_micros(round * round * 1_500)
}

/// Runs the binary in `folder` and kills it after `life`; says whether it had ended by itself, which
/// it does well.
fn killed(folder: &Path, line: &[&str], life: Duration) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(line)
        .arg("--store")
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    thread::sleep(life);
    let ended = child.try_wait().expect("a child");
    let _ = child.kill(); // SIGKILL, by its own id; gone already is as good
    let output = child.wait_with_output().expect("a child");
    if let Some(status) = ended {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(status.success(), "{line:?}: {status}: {said}");
    }
    ended.is_some()
}

#[test]
fn an_import_that_is_killed_leaves_all_or_nothing() {
    const COUNT: usize = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("clients.csv");
    let mut text = "Name,Key\n".to_owned();
    for number in 0..COUNT {
        writeln!(text, "client {number},{}", value(number)).expect("text");
    }
    fs::write(&file, text).expect("written");
    let line = ["keys", "import", file.to_str().expect("a path")];
    let (mut nothing, mut all, mut round) = (0, 0, 0);
    loop {
        round += 1;
        let state = folder.path().join(format!("state{}", nothing + all));
        let ended = killed(&state, &line, life(round));
        let count = match Store::open_existing(&state).expect("usable") {
            Some(store) => store
                .keys(&KeyFilter::default(), true)
                .expect("a list")
                .len(),
            None => 0,
        };
        match count {
            0 => nothing += 1,
            COUNT => all += 1,
            half => panic!("{half} keys"),
        }
        assert!(!ended || count == COUNT, "what was answered is there");
        if ended && nothing > 0 {
            break;
        }
        round = if ended { 0 } else { round };
    }
    assert!(all > 0, "none of {nothing}");
}

#[test]
fn a_rotation_that_is_killed_loses_no_value() {
    const COUNT: usize = 3_000;
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let values = |store: &Store| -> Vec<KeyValue> {
        let keys = store
            .keys(&KeyFilter::default(), true)
            .expect("every value opens");
        keys.into_iter().filter_map(|key| key.value).collect()
    };
    let mut store = Store::open(&state).expect("a store");
    for number in 0..COUNT {
        let new = NewKey {
            name: "n".to_owned(),
            value: Some(KeyValue::new(value(number))),
            ..NewKey::default()
        };
        if number < 100 {
            store.create_key(&new, NOON).expect("a key");
        }
    }
    let mut text = "Name,Key\n".to_owned();
    for number in 100..COUNT {
        writeln!(text, "n,{}", value(number)).expect("text");
    }
    store
        .import(
            text.as_bytes(),
            tidegate::store::import::ImportOptions::default(),
            NOON,
        )
        .expect("imported");
    let expected = values(&store);
    assert_eq!(expected.len(), COUNT);
    drop(store);
    let key = || fs::read(state.join("store.key")).expect("a key");
    let (mut old, mut new, mut round) = (0, 0, 0);
    loop {
        round += 1;
        let before = key();
        let ended = killed(&state, &["keys", "rotate"], life(round));
        let reading = Reading::open(&state).expect("readable").expect("there");
        let directory = reading.directory().expect("a directory");
        assert!(
            directory.find(value(7).as_bytes()).is_some(),
            "round {round}"
        );
        drop(reading);
        let store = Store::open(&state).expect("usable");
        assert!(values(&store) == expected, "round {round}");
        assert!(!state.join("store.key.next").exists());
        let changed = key() != before;
        assert!(changed || !ended, "what was answered is done");
        if changed {
            new += 1
        } else {
            old += 1
        }
        if ended && old > 0 {
            break;
        }
        round = if ended { 0 } else { round };
    }
    assert!(new > 0, "none of {old}");
}

/// The folder in which this process is the child that leases; see below.
const CHILD: &str = "TIDEGATE_TEST_LEASES";
const QUOTA: u64 = 4_000;

/// Not a test of its own: what the child of the next one does until it is killed.
#[test]
fn leases_until_killed() {
    let Ok(folder) = std::env::var(CHILD) else {
        return;
    };
    let folder = Path::new(&folder);
    let names = fs::read_to_string(folder.join("names")).expect("names");
    let (plan, key) = names.split_once(' ').expect("two names");
    let mut store = Store::open(&folder.join("state")).expect("a store");
    let lost = store.outstanding().expect("a list");
    store.write_off(&lost).expect("written off");
    let mut out = std::io::stdout();
    let mut say = |line: String| {
        // One write each: the parent sees a line whole or not at all.
        out.write_all(line.as_bytes())
            .and_then(|()| out.flush())
            .expect("a pipe");
    };
    say("\nchild\n".to_owned());
    loop {
        let grants = store
            .grant(&[Wanted { plan, key }], NOON)
            .expect("answered");
        let [Grant::Lease { count, number }] = grants[..] else {
            panic!("{grants:?}");
        };
        if count == 0 {
            say("child done\n".to_owned());
            return;
        }
        // Spending begins when the lease is on the disk, and ends before it is written down.
        for _ in 0..count {
            say("child spent\n".to_owned());
        }
        let spent = Spent {
            plan: plan.to_owned(),
            key: key.to_owned(),
            day: 20_179,
            used: count,
            lease: Some(number),
        };
        store.settle(&[spent]).expect("settled");
        say("child settled\n".to_owned());
    }
}

#[test]
fn nobody_spends_more_than_the_quota_however_often_leases_are_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let mut store = Store::open(&state).expect("a store");
    let key = NewKey {
        name: "n".to_owned(),
        ..NewKey::default()
    };
    let key = store.create_key(&key, NOON).expect("a key").id;
    let plan = NewPlan {
        name: "p".to_owned(),
        quota: Some(QuotaChange {
            limit: Some(QUOTA),
            offset: None,
            period: Some("MONTH".to_owned()),
        }),
        ..NewPlan::default()
    };
    let plan = store.create_plan(&plan).expect("a plan").id;
    store.attach_key(&plan, &key).expect("attached");
    drop(store);
    fs::write(folder.path().join("names"), format!("{plan} {key}")).expect("written");
    let (mut spent, mut kills) = (0, 0);
    for round in 1.. {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "store_crash::leases_until_killed",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut done = false;
        // It is killed behind so many lines; what it still says then counts too.
        let most = round * 37;
        let mut seen = 0;
        while let Some(Ok(line)) = lines.next() {
            spent += u64::from(line == "child spent");
            done |= line == "child done";
            seen += 1;
            if seen == most {
                let _ = child.kill();
                kills += 1;
            }
        }
        child.wait().expect("a child");
        assert!(spent <= QUOTA, "{spent} of {QUOTA}");
        if done {
            break;
        }
    }
    assert!(kills > 5, "{kills} kills");
    let lost_most = lease_size(QUOTA) * kills;
    assert!(
        spent + lost_most >= QUOTA,
        "{spent} spent, at most {lost_most} lost"
    );
    let mut store = Store::open(&state).expect("a store");
    let left = store
        .grant(
            &[Wanted {
                plan: &plan,
                key: &key,
            }],
            NOON,
        )
        .expect("answered");
    assert!(
        matches!(left[..], [Grant::Lease { count: 0, .. }]),
        "{left:?}"
    );
}
