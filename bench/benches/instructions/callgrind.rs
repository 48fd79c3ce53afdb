//! What: the instructions of one noun, counted by callgrind.
//! Shape: this program runs itself under valgrind; there it makes the noun, warms it up, and enters
//!   [`counted_operations`], the one function that callgrind collects in; of whole requests only
//!   the gateway's turns are.
//! Units: instructions of one operation, rounded.
//! Errors: valgrind missing or failing, with its last words; a total of nothing.
//! Source: the callgrind manual, "Limiting the range of collected events", and its output's format.

use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::nouns::Noun;

/// True if valgrind can be run.
pub(crate) fn is_there() -> bool {
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--version").stdout(Stdio::null());
    valgrind.status().is_ok_and(|status| status.success())
}

/// Counts one operation of `noun`.
pub(crate) fn count(noun: &Noun) -> io::Result<u64> {
    // Nobody else's function knows where the warm-up ends: there it is counted along.
    let (function, operations) = if noun.name.starts_with(WHOLE_REQUESTS) {
        (COUNTED_TURN, WARM_OPERATIONS + OPERATIONS)
    } else {
        (COUNTED, OPERATIONS)
    };
    let folder = tempfile::tempdir()?;
    let profile = folder.path().join("profile");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--toggle-collect=*{function}*"))
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(std::env::current_exe()?)
        .args(["--inside", noun.name])
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let last: Vec<&str> = said.lines().rev().take(LINES_TOLD).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        return Err(io::Error::other(last.join("\n")));
    }
    let total = total(&profile)?;
    Ok((total + operations / 2) / operations)
}

/// What the profile says of all that was collected.
fn total(profile: &Path) -> io::Result<u64> {
    let text = std::fs::read_to_string(profile)?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals:"));
    match totals.and_then(|totals| totals.trim().parse().ok()) {
        Some(total) if total >= OPERATIONS => Ok(total),
        _ => Err(io::Error::other(format!(
            "callgrind saw nothing of what it counts"
        ))),
    }
}

/// The other side: does what is counted.
pub(crate) fn run_inside(noun: &Noun) {
    let mut operation = (noun.make)();
    for _ in 0..WARM_OPERATIONS {
        operation();
    }
    counted_operations(black_box(&mut *operation));
}

/// Callgrind finds it by its name and counts while it runs.
#[inline(never)]
fn counted_operations(operation: &mut dyn FnMut()) {
    for _ in 0..black_box(OPERATIONS) {
        operation();
    }
}

const COUNTED: &str = "counted_operations";
/// Of these only the gateway's turns count, not its client's and its origin's.
const WHOLE_REQUESTS: &str = "request_";
const COUNTED_TURN: &str = "counted_turn";
/// Past what allocates or grows on first use, and once through all data of every noun.
const WARM_OPERATIONS: u64 = 2_000;
const OPERATIONS: u64 = 4_000;
const LINES_TOLD: usize = 5;
