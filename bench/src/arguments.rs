//! What: the arguments that several commands share, and how each is read back.
//! Shape: for every kind one function that makes it and one that reads it.
//! Units: bytes and counts, as the argument's help says.
//! Errors: those of the parser; what is read back has a default or is optional.
//! Source: docs/performance.md.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::ring::Sizes;

/// A number of at least one.
pub(crate) fn count(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    let parser = value_parser!(u32).range(1..);
    let arg = Arg::new(name)
        .long(name)
        .value_name("N")
        .default_value(default);
    arg.value_parser(parser).help(help)
}

/// Reads a [`count`].
pub(crate) fn number(matches: &ArgMatches, name: &str) -> u32 {
    *matches.get_one(name).expect("it has a default")
}

/// One name out of `known`, as often as wanted.
pub(crate) fn choice<const N: usize>(
    name: &'static str,
    known: [&'static str; N],
    help: &'static str,
) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("NAME")
        .action(ArgAction::Append)
        .value_parser(known)
        .help(help)
}

/// Reads all of what may be given repeatedly.
pub(crate) fn names(matches: &ArgMatches, name: &str) -> Vec<String> {
    let given = matches.get_many::<String>(name).unwrap_or_default();
    given.cloned().collect()
}

/// A file that need not be named.
pub(crate) fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help(help)
}

/// The binary to measure, for [`path`] under the name `gateway`.
pub(crate) fn gateway() -> Arg {
    file(
        "gateway",
        "Measure this binary instead of building the product",
    )
}

/// Reads a [`file()`].
pub(crate) fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one(name).cloned()
}

/// Where a cache region is made.
pub(crate) fn folder() -> Arg {
    Arg::new("folder")
        .long("folder")
        .value_name("FOLDER")
        .default_value("/dev/shm")
        .value_parser(value_parser!(PathBuf))
        .help("Where the region is made")
}

/// Reads [`folder`].
pub(crate) fn folder_of(matches: &ArgMatches) -> PathBuf {
    path(matches, "folder").expect("it has a default")
}

/// The size of answers or objects.
pub(crate) fn body() -> Arg {
    Arg::new("body-bytes")
        .long("body-bytes")
        .value_name("N")
        .default_value("128")
        .value_parser(value_parser!(usize))
        .help("Bytes in the body of each answer")
}

/// Reads [`body`].
pub(crate) fn body_bytes(matches: &ArgMatches) -> usize {
    *matches.get_one("body-bytes").expect("it has a default")
}

/// The buffers of a bench's own servers.
pub(crate) fn buffers() -> [Arg; 2] {
    [
        Arg::new("buffer-bytes")
            .long("buffer-bytes")
            .value_name("N")
            .default_value("16384")
            .value_parser(value_parser!(u32).range(64..=1 << 24))
            .help("Bytes of one receive buffer; give the gateway the same"),
        Arg::new("buffers")
            .long("buffers")
            .value_name("N")
            .default_value("256")
            .value_parser(power_of_two)
            .help("Receive buffers of one ring"),
    ]
}

/// Reads [`buffers`].
pub(crate) fn sizes(matches: &ArgMatches) -> Sizes {
    Sizes {
        buffer_bytes: *matches.get_one("buffer-bytes").expect("it has a default"),
        buffers: *matches.get_one("buffers").expect("it has a default"),
    }
}

fn power_of_two(text: &str) -> Result<u16, String> {
    let count: u16 = text.parse().map_err(|error| format!("{error}"))?;
    let fits = count.is_power_of_two() && count <= 1 << 15;
    fits.then_some(count)
        .ok_or_else(|| "a power of two up to 32768 is needed".to_owned())
}
