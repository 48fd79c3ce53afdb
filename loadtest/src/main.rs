//! The program `tidegate-load`: arguments in, exit status out.
//!
//! Shape: see [`tidegate_loadtest::cli`]. Units: none. Errors: an exit status.
//! Source: docs/load-testing.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegate_loadtest::cli::main(std::env::args_os())
}
