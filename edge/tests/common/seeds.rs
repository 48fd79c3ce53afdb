//! Which seeds a simulation runs.
//!
//! What it is: the environment's wishes, the pinned seeds of a file, fresh ones by date, on all
//! processors. Shape: plain functions. Units: none. Errors: panics name what cannot be read, and
//! the seeds that failed. Source: RELIABILITY section 10.

use std::{
    any::Any,
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Runs the seeds of a file and `TIDEGATE_SEEDS` fresh ones, or `fresh`; gives the sum of what they
/// tell and how many fresh ones there were.
pub(crate) fn campaign<F: Debug + Default + Send>(
    (file, fresh): (&str, u64),
    run: impl Fn(u64) -> Result<F, String> + Sync,
    add: impl Fn(&mut F, &F) + Sync,
) -> (F, u64) {
    let count = number("TIDEGATE_SEEDS").unwrap_or(fresh);
    let base = number("TIDEGATE_SEED_BASE").unwrap_or_else(today);
    println!("seeds {base} to {} and the pinned ones", base + count);
    let seeds: Vec<u64> = pinned(file).into_iter().chain(base..base + count).collect();
    let (next, sums) = (AtomicUsize::new(0), Mutex::new(F::default()));
    let failures = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match run(*seed) {
                        Ok(figures) => add(&mut sums.lock().expect("sums"), &figures),
                        Err(what) => failures.lock().expect("failures").push((*seed, what)),
                    }
                }
            });
        }
    });
    let sums = sums.into_inner().expect("sums");
    println!("{sums:#?}");
    let failures = failures.into_inner().expect("failures");
    for (seed, what) in &failures {
        println!("TIDEGATE_SEED={seed}: {what}");
    }
    assert!(failures.is_empty(), "{} seeds failed", failures.len());
    (sums, count)
}

/// The number in an environment variable.
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// The seeds of a file: one at the beginning of each line that is no comment.
fn pinned(text: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| !word.starts_with('#'))
        .map(|word| word.parse().expect("a seed"))
        .collect()
}

/// Millions of days since 1970: days share no seed.
#[allow(clippy::disallowed_methods)] // the date only names the seeds, which are printed
fn today() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() / 86_400) * 1_000_000
}

/// What `run` gives; an assertion of the gateway that fails is a finding like any other.
pub(crate) fn caught<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    let said = |panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("panic: {}", text.unwrap_or("?"))
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(said)
}
