//! The binary: arguments in, exit code out.
//!
//! Shape: nothing of its own; the commands are the table in `cli`. Units, errors: as there, an
//! error is an exit code with its reason on standard error.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate::cli::main(std::env::args_os())
}
