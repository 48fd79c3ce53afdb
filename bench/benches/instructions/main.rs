//! What: instruction counts of the hot nouns against their budgets.
//! Shape: without arguments all nouns are counted and judged; `--write` makes the counts the budgets,
//!   `--requests` counts whole requests, which have none.
//! Units: instructions of one operation.
//! Errors: exit code 1 when a noun is above its budget, has none, or cannot be counted.
//! Source: docs/performance.md, "Nouns".

mod budget;
mod callgrind;
#[path = "../nouns/mod.rs"]
mod nouns;

use std::collections::BTreeMap;
use std::io;
use std::iter;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::nouns::{NOUNS, Noun, REQUESTS};

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["--inside", name] => inside(name).map(|()| true),
        [] | ["--bench"] => check(),
        ["--write"] | ["--write", "--bench"] => write().map(|()| true),
        ["--requests"] | ["--requests", "--bench"] => requests().map(|()| true),
        _ => Err(io::Error::other(
            "only --write and --requests are arguments",
        )),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> io::Result<bool> {
    let verdicts = budget::judge(&budgets()?, &counts(NOUNS)?);
    for verdict in &verdicts {
        println!("{verdict}");
    }
    Ok(verdicts.iter().all(budget::Verdict::passes))
}

fn write() -> io::Result<()> {
    let text = budget::write(&budgets()?, &counts(NOUNS)?);
    std::fs::write(file(), text)
}

fn inside(name: &str) -> io::Result<()> {
    let noun = NOUNS.iter().chain(REQUESTS).find(|noun| noun.name == name);
    let noun = noun.ok_or_else(|| io::Error::other(format!("no noun is called {name}")))?;
    callgrind::run_inside(noun);
    Ok(())
}

/// Prints what whole requests take.
fn requests() -> io::Result<()> {
    for (name, instructions) in counts(REQUESTS)? {
        println!("{name:<24}{instructions:>8} instructions");
    }
    Ok(())
}

fn counts(nouns: &[Noun]) -> io::Result<BTreeMap<String, u64>> {
    if cfg!(debug_assertions) {
        let why = "built with assertions, which budgets are not for: run scripts/budgets.sh";
        return Err(io::Error::other(why));
    }
    if !callgrind::is_there() {
        return Err(io::Error::other("valgrind is not installed"));
    }
    let count = |noun: &Noun| {
        let counted = callgrind::count(noun);
        let counted = counted.map_err(|why| io::Error::other(format!("{}: {why}", noun.name)))?;
        Ok((noun.name.to_owned(), counted))
    };
    // Each is counted in a process of its own: as many at a time as there are processors.
    let next = AtomicUsize::new(0);
    let count_some = || -> io::Result<Vec<(String, u64)>> {
        iter::from_fn(|| nouns.get(next.fetch_add(1, Ordering::Relaxed)))
            .map(count)
            .collect()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let counted: io::Result<Vec<_>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(count_some)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    Ok(counted?.into_iter().flatten().collect())
}

fn budgets() -> io::Result<budget::Budgets> {
    let path = file();
    let text = std::fs::read_to_string(path)?;
    budget::parse(&text).map_err(|why| io::Error::other(format!("{}: {why}", path.display())))
}

fn file() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/budgets.toml"))
}
