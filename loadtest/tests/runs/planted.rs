//! A change of cost that was planted in a real server is found, and none between equal servers.
//!
//! Shape: each server is this test program again, as a process of its own that burns a counted
//! number of rounds for every request; runs of the three servers alternate. Units: rounds;
//! microseconds of processor time. Errors: on a host whose processor time for one amount of work
//! varies by more than was planted nothing can be told, and the test says so. Source:
//! docs/load-testing.md, "Comparing".

use std::{
    hint::black_box,
    io::{BufRead, BufReader, Lines, Read},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::AtomicU64,
};

use tidegate_loadtest::{
    compare::{Rules, Verdict, sides},
    statistics::Change,
};

use crate::{
    SECOND, figures, options,
    server::{Request, Server, answer, serve},
};

/// Tells this program how many rounds its server burns for a request.
const ROUNDS: &str = "TIDEGATE_TEST_ROUNDS";
/// Some milliseconds, beside which what the kernel takes for a request is small.
const BASE: u64 = 2_000_000;
const PLANTED_PERCENT: u64 = 3;
/// Runs of each server, unless [`RUNS`] says otherwise; a host that others share needs hundreds.
const RUNS_DEFAULT: usize = 16;
/// Names their number.
const RUNS: &str = "TIDEGATE_TEST_RUNS";
/// Of one run.
const RUN_NS: u64 = SECOND * 3 / 10;

#[test]
#[ignore = "the server of the test below, which starts it"]
fn serves_until_its_input_ends() {
    let Ok(rounds) = std::env::var(ROUNDS) else {
        return; // started by hand
    };
    let rounds: u64 = rounds.parse().expect("a number");
    let server = serve(move |_: &Request| {
        let mut mixed = 1_u64;
        for round in 0..rounds {
            mixed = black_box(mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31) ^ round);
        }
        answer("200 OK", "", b"x")
    });
    println!("\n{ROUNDS} {}", server.address);
    let _ = std::io::stdin().read(&mut [0]);
}

/// A server in a process of its own; it ends with its input.
struct Burning {
    server: Server,
    child: Child,
    /// What it still writes at its end has a reader.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Burning {
    fn start(rounds: u64) -> Burning {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "planted::serves_until_its_input_ends"])
            .args(["--ignored", "--nocapture"])
            .env(ROUNDS, rounds.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(ROUNDS)?.trim().parse::<SocketAddr>().ok())
            .expect("its address");
        let server = Server {
            address,
            requests: AtomicU64::new(0).into(),
            connections: AtomicU64::new(0).into(),
        };
        Burning {
            server,
            child,
            _lines: lines,
        }
    }
}

impl Drop for Burning {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn a_planted_change_of_processor_time_is_found_and_none_between_equal_servers() {
    let dearer = BASE + BASE / 100 * PLANTED_PERCENT;
    let servers = [BASE, BASE, dearer].map(Burning::start);
    let run = |burning: &Burning| {
        let mut wanted = options(&burning.server, 100.0, RUN_NS);
        wanted.interval_ns = RUN_NS / 3;
        wanted.server_pid = Some(burning.child.id());
        figures(&wanted)
    };
    // In turn, so that what drifts meets all of them.
    let mut runs = [const { Vec::new() }; 3];
    let count = std::env::var(RUNS).map_or(RUNS_DEFAULT, |runs| runs.parse().expect("a number"));
    for _ in 0..count {
        for (runs, server) in runs.iter_mut().zip(&servers) {
            runs.push(run(server));
        }
    }
    let [first, again, slower] = runs;
    let verdict = |a: &[_], b: &[_]| -> (Verdict, Change) {
        let comparison = sides(a, b, &Rules::default()).expect("long enough");
        let mut rows = comparison.rows.iter();
        let row = rows.find(|row| row.name == "server-cpu").expect("a row");
        (row.verdict, row.change)
    };
    let (equal, change) = verdict(&first, &again);
    assert!(
        matches!(equal, Verdict::Same | Verdict::Unclear),
        "{change:?}"
    );
    let (planted, change) = verdict(&first, &slower);
    println!("planted {PLANTED_PERCENT} %: {planted:?}, {change:?}");
    if planted == Verdict::Unclear && change.high - change.low > PLANTED_PERCENT as f64 / 100.0 {
        eprintln!("skipped: one amount of work costs this host too unequal times: {change:?}");
        return;
    }
    assert_eq!(planted, Verdict::Worse, "{change:?}");
}
