//! Which seeds a simulation runs.
//!
//! What it is: the environment's wishes, the pinned seeds of a file, fresh ones by date. Shape: plain
//! functions. Units: none. Errors: panics name what cannot be read. Source: RELIABILITY section 10.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The number in an environment variable.
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// The seeds of a file: one at the beginning of each line that is no comment.
pub(crate) fn pinned(text: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| !word.starts_with('#'))
        .map(|word| word.parse().expect("a seed"))
        .collect()
}

/// Millions of days since 1970: days share no seed.
#[allow(clippy::disallowed_methods)] // the date only names the seeds, which are printed
pub(crate) fn today() -> u64 {
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
