//! What: the bench of the gateway: commands that measure, and the servers that they start.
//! Shape: [`COMMANDS`] has a row per command; a command lives in the module of its name.
//! Units: seconds, bytes and counts on the command line.
//! Errors: one line on standard error and exit code 1; 3 where the host forbids what is needed.
//! Source: docs/performance.md.
#![allow(clippy::disallowed_methods)] // A bench lives on the host's clock and may sleep.

mod arguments;
mod buckets;
mod buffers;
mod cache;
mod certificate;
mod cpu;
mod floor;
mod gateway;
mod hit_ratio;
mod host;
mod idle;
mod origin;
mod peers;
mod plan;
mod process;
mod relay;
mod report;
mod responder;
mod restart;
mod ring;
mod server;
mod template;
mod versus;
mod wan;
mod wrk;

use std::io;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

/// One command: its arguments under its name, and what runs it.
struct Entry {
    command: fn() -> Command,
    /// False if something asked for could not be measured, or missed its goal.
    run: fn(&ArgMatches) -> io::Result<bool>,
}

/// Every command there is, in the order of the help.
const COMMANDS: &[Entry] = &[
    Entry {
        command: floor::command,
        run: floor::run,
    },
    Entry {
        command: relay::command,
        run: relay::run,
    },
    Entry {
        command: cache::command,
        run: cache::run,
    },
    Entry {
        command: hit_ratio::command,
        run: hit_ratio::run,
    },
    Entry {
        command: restart::command,
        run: restart::run,
    },
    Entry {
        command: buckets::command,
        run: buckets::run,
    },
    Entry {
        command: versus::command,
        run: versus::run,
    },
    Entry {
        command: wan::command,
        run: wan::run,
    },
    Entry {
        command: template::command,
        run: template::run,
    },
    Entry {
        command: plan::command,
        run: plan::run,
    },
    Entry {
        command: responder::command,
        run: responder::run,
    },
    Entry {
        command: origin::command,
        run: origin::run,
    },
];

fn main() -> ExitCode {
    // More sockets than a default shell allows; what the host refuses shows up as a failed case.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    match run(&command().get_matches()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tidegate-bench: {error}");
            if wan::is_refusal(&error) {
                return ExitCode::from(EXIT_FORBIDDEN);
            }
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let root = Command::new("tidegate-bench")
        .about("CPU cost of the gateway beside bare relays and rival proxies")
        .subcommand_required(true)
        .arg_required_else_help(true);
    root.subcommands(COMMANDS.iter().map(|entry| (entry.command)()))
}

fn run(matches: &ArgMatches) -> io::Result<bool> {
    let (name, matches) = matches.subcommand().expect("a command is required");
    let entry = COMMANDS
        .iter()
        .find(|entry| (entry.command)().get_name() == name)
        .expect("the parser knows only the table's names");
    (entry.run)(matches)
}

/// The host does not allow what a command needs; scripts use the same number.
const EXIT_FORBIDDEN: u8 = 3;

#[cfg(test)]
mod tests {
    use super::{COMMANDS, command};

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let mut names: Vec<String> = COMMANDS
            .iter()
            .map(|entry| (entry.command)().get_name().to_owned())
            .collect();
        names.sort();
        let rows = names.len();
        names.dedup();
        assert_eq!(names.len(), rows, "two rows share a name: {names:?}");
    }
}
