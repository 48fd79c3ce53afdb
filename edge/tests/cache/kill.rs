//! Processes that share one region are killed, at random moments and at named steps, and nobody
//! else notices.
//!
//! This program starts itself again as readers and writers; each checks every hit by key and bytes.
//! A round is one death. What the dead held must be found and used again: at the end this process,
//! attached all along, fills the region several times over without a refusal.
//! Counts: `TIDEGATE_CACHE_ROUNDS` (500), `TIDEGATE_SEED` (drawn from the clock, printed).
#![allow(clippy::disallowed_methods)] // processes are killed on the clock of the host

use std::{
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use tidegate_edge::{
    base::prng::Prng,
    cache::{CrashPlan, CrashPoint, Hit, InsertFault, Owner, Stats, Store, StoreOptions},
};

use crate::shelf::{PLACE, START_S, Shelf, check, get, key, object, put, read};

const PROCESSES: usize = 4;
const CAPACITY_BYTES: u64 = 4 << 20;
const OBJECT_MAX: u32 = 8 << 10;
const BODY_MAX: u64 = 6000;
const KEYS: u64 = 1500;
const KEY: [u8; 32] = [5; 32];
const PATH_VARIABLE: &str = "TIDEGATE_CACHE_CHILD";

#[test]
fn nobody_notices_the_dead() {
    let number = |name, default| {
        let text = std::env::var(name).ok();
        text.map_or(default, |text| text.parse::<u64>().expect("a number"))
    };
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = number(
        "TIDEGATE_SEED",
        clock.map_or(1, |time| time.subsec_nanos().into()),
    );
    let rounds = number("TIDEGATE_CACHE_ROUNDS", 500);
    println!("TIDEGATE_SEED={seed}, {rounds} rounds");
    for is_sealed in [false, true] {
        let rounds = if is_sealed { rounds / 10 } else { rounds };
        campaign(seed, rounds, is_sealed);
    }
}

fn campaign(seed: u64, rounds: u64, is_sealed: bool) {
    let mut prng = Prng::new(seed);
    let shelf = shelf_of(is_sealed);
    let store = shelf.open();
    let mut children: Vec<Reader> = Vec::new();
    let (mut killed, mut stepped) = (0, [0; CrashPoint::ALL.len()]);
    for round in 0..rounds {
        while children.len() < PROCESSES {
            children.push(start(&shelf, is_sealed, &mut prng));
        }
        thread::sleep(Duration::from_micros(2000 + prng.below(15_000)));
        children.retain_mut(|child| {
            let Some(status) = child.process.try_wait().expect("asked") else {
                return true;
            };
            let step = child
                .step
                .filter(|_| status.signal() == Some(libc::SIGABRT));
            let step = step.unwrap_or_else(|| panic!("a child failed: {status}; see above"));
            stepped[step] += 1;
            false
        });
        let victim = usize::try_from(prng.below(PROCESSES as u64)).expect("small");
        if victim < children.len() {
            kill(children.swap_remove(victim), round);
            killed += 1;
        }
    }
    for child in children {
        kill(child, rounds);
    }
    let steps: Vec<_> = CrashPoint::ALL
        .iter()
        .zip(stepped)
        .map(|(at, n)| (at.0, n))
        .collect();
    println!(
        "sealed {is_sealed}: {killed} killed, at steps {steps:?}, {:?}",
        store.stats()
    );
    let total: u32 = stepped.iter().sum();
    assert!(rounds < 200 || total > 0, "no process died at a named step");
    survive(&store.owner().expect("an owner"));
}

/// The dead are gone and the region is whole: it takes three times what fits, and gives it back.
fn survive(owner: &Owner) {
    let before = owner.store().stats();
    assert!(before.hits > 0 && before.inserts > 0 && before.segments_reclaimed > 0);
    assert_eq!((before.damaged, owner.verify().damaged), (0, 0));
    for number in 0..KEYS {
        if let Some(hit) = get(owner, number, START_S) {
            check(number, &read(&hit), BODY_MAX);
        }
    }
    for number in 0..4500 {
        let fresh = object(number, 0, BODY_MAX);
        put(owner, number, &fresh, START_S, 1000).expect("room, for the dead hold none");
        let hit = get(owner, number, START_S).expect("just stored");
        assert!(read(&hit) == fresh);
    }
    let Stats {
        segments_parked,
        damaged,
        ..
    } = owner.store().stats();
    assert_eq!((segments_parked, damaged), (0, 0));
    assert_eq!(
        owner.store().processes(),
        [std::process::id()],
        "who is alive"
    );
}

fn shelf_of(is_sealed: bool) -> Shelf {
    let mut shelf = Shelf::new(CAPACITY_BYTES, OBJECT_MAX);
    shelf.options.key = is_sealed.then_some(KEY);
    shelf
}

/// Another process, and the step at which it is to die, if any.
struct Reader {
    process: Child,
    step: Option<usize>,
}

fn start(shelf: &Shelf, is_sealed: bool, prng: &mut Prng) -> Reader {
    let steps = CrashPoint::ALL.len() as u64;
    let step = prng
        .chance(500)
        .then(|| usize::try_from(prng.below(steps)).expect("small"));
    let seed = prng.next_u64();
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(PATH_VARIABLE, shelf.path())
        .env("SEALED", if is_sealed { "1" } else { "0" })
        .env("SEED", seed.to_string())
        .env("STEP", step.map_or(String::new(), |step| step.to_string()))
        .stdout(Stdio::null());
    // SAFETY: both calls are async-signal-safe and touch no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            let none = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
            Ok(())
        });
    }
    Reader {
        process: command.spawn().expect("a child"),
        step,
    }
}

fn kill(mut child: Reader, round: u64) {
    child.process.kill().expect("killed");
    let status = child.process.wait().expect("waited");
    let is_expected = match status.signal() {
        Some(libc::SIGKILL) => true,
        Some(libc::SIGABRT) => child.step.is_some(),
        _ => false,
    };
    assert!(
        is_expected,
        "round {round}: a child failed: {status}; its words are above"
    );
}

/// What the other processes run: reads and writes until it is killed. A test only in name.
#[test]
fn child() {
    let Some(path) = std::env::var_os(PATH_VARIABLE) else {
        return;
    };
    let variable = |name| std::env::var(name).expect("set by the parent");
    // No folder of its own: it would be left behind.
    let mut options = StoreOptions::new(Path::new(&path), CAPACITY_BYTES, 42);
    options.object_bytes_max = OBJECT_MAX;
    options.key = (variable("SEALED") == "1").then_some(KEY);
    let mut prng = Prng::new(variable("SEED").parse().expect("a number"));
    if let Ok(step) = variable("STEP").parse::<usize>() {
        options.crash = Some(CrashPlan {
            point: CrashPoint::ALL[step].1,
            pass: 1 + u32::try_from(prng.below(20)).expect("small"),
        });
    }
    let store = Store::open(&options).expect("a store");
    assert!(!store.was_made(), "the parent's region");
    let owner = store.owner().expect("an owner");
    let mut held: Vec<(u64, Hit)> = Vec::new();
    loop {
        work(&owner, &mut prng, &mut held);
    }
}

fn work(owner: &Owner, prng: &mut Prng, held: &mut Vec<(u64, Hit)>) {
    // Some keys are asked for far more often than others.
    let spread = 1 + prng.below(KEYS);
    let number = prng.below(spread);
    let now_s = START_S + u32::try_from(prng.below(50)).expect("small");
    match prng.below(1000) {
        0..600 => {
            if let Some(hit) = get(owner, number, now_s) {
                check(number, &read(&hit), BODY_MAX);
                if prng.chance(50) {
                    held.push((number, hit));
                }
            }
        }
        600..950 => {
            let keep_s = 1 + u32::try_from(prng.below(200)).expect("small");
            let object = object(number, prng.below(1 << 40), BODY_MAX);
            match put(owner, number, &object, now_s, keep_s) {
                Ok(()) | Err(InsertFault::Full | InsertFault::Busy | InsertFault::OutOfDate) => {}
                Err(fault) => panic!("{fault}"),
            }
        }
        950..990 => {
            owner.remove(PLACE, &key(number));
        }
        990 if prng.chance(50) => owner.store().flush(PLACE),
        990..999 => {}
        _ => {
            let proof = owner.verify();
            assert_eq!(proof.damaged, 0);
        }
    }
    if held.len() > 5 {
        // Held for a while, and still what it was.
        let at = usize::try_from(prng.below(held.len() as u64)).expect("small");
        let (number, hit) = held.swap_remove(at);
        check(number, &read(&hit), BODY_MAX);
    }
}
