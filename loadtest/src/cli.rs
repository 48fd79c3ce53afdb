//! The command line: one table from which the parser and the help come.
//!
//! Shape: `tidegate-load [options] URL`, `tidegate-load compare A B`, `tidegate-load schema`.
//! Units: times with `us`, `ms`, `s`, `m` or `h`. Errors: an exit status, and the reason on
//! standard error. Source: exit statuses after sysexits.h, as `tidegate` has them.

mod arguments;
mod compare;
mod load;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

pub use arguments::{command, options};

use crate::report::figures::SCHEMA;

/// Why the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// A request failed and `--fail-on-error` was given, or a file could not be written.
    Failed = 1,
    /// The command line is not understood, or asks for what cannot be had.
    Usage = 2,
    /// A threshold was missed.
    Missed = 5,
    /// Nobody answers there (EX_UNAVAILABLE).
    Unavailable = 69,
    /// The host refuses io_uring (EX_CONFIG).
    Refused = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// The table in the words of the help.
const EXIT_HELP: &str = "\
Exit status:
   0  done
   1  a request failed and --fail-on-error was given, or a file could not be written
   2  the command line is not understood, or asks for what cannot be had
   5  compare: a threshold was missed
  69  nobody answers there
  78  the host refuses io_uring (see `tidegate doctor`)";

/// Runs the command that `arguments` name; the first is the program's own name.
pub fn main<I>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = OsString>,
{
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(answer) => {
            let _ = answer.print();
            let exit = if answer.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            };
            return exit.into();
        }
    };
    let exit = match matches.subcommand() {
        Some(("compare", given)) => compare::execute(given),
        Some(("schema", _)) => {
            let _ = io::stdout().lock().write_all(SCHEMA.as_bytes());
            Exit::Ok
        }
        _ => load::execute(&matches),
    };
    exit.into()
}

/// Says why, and ends so.
fn refuse(exit: Exit, why: &dyn std::fmt::Display) -> Exit {
    eprintln!("tidegate-load: {why}");
    exit
}
