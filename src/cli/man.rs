//! `tidegate man`: manual pages from the table of commands, without a shell or an installer.
//!
//! Shape: roff text, one page for the program and one per command. Units: none. Errors: 2 for a
//! command there is none of, 1 when a file cannot be written. Source: man-pages(7).

use super::{COMMANDS, Exit};
use clap::{Arg, ArgMatches, Command, builder::PossibleValuesParser, value_parser};
use std::{io, io::Write, path::Path, path::PathBuf, process::ExitCode};

/// Adds the arguments.
pub(super) fn arguments(command: Command) -> Command {
    let names = COMMANDS.iter().map(|entry| entry.name);
    let page = Arg::new("page")
        .value_name("COMMAND")
        .value_parser(PossibleValuesParser::new(names))
        .conflicts_with("dir")
        .hide_possible_values(true)
        .help("The command whose page is meant; the program's own when absent");
    let dir = Arg::new("dir")
        .long("dir")
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help("Write every page into this directory");
    command.arg(page).arg(dir).after_help(
        "Examples:
  tidegate man | man -l -
  tidegate man doctor | man -l -
  tidegate man --dir /usr/local/share/man/man1",
    )
}

/// Prints or writes.
pub(super) fn execute(given: &ArgMatches) -> ExitCode {
    let done = match given.get_one::<PathBuf>("dir") {
        Some(dir) => write_all(dir),
        None => print(given.get_one::<String>("page").map(String::as_str)),
    };
    match done {
        Ok(()) => Exit::Ok.into(),
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok.into(),
        Err(error) => {
            eprintln!("tidegate man: {error}");
            Exit::Failed.into()
        }
    }
}

/// The program's page, or a command's, as roff.
fn page(name: Option<&str>) -> io::Result<(String, Vec<u8>)> {
    let mut root = super::command().disable_help_subcommand(true);
    root.build();
    let command = match name {
        None => root,
        Some(name) => root
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| io::Error::other(format!("no command {name}")))?,
    };
    let man = clap_mangen::Man::new(command).manual("Tidegate");
    let mut roff = Vec::new();
    man.render(&mut roff)?;
    Ok((man.get_filename(), roff))
}

fn print(name: Option<&str>) -> io::Result<()> {
    let (_, roff) = page(name)?;
    let mut out = io::stdout().lock();
    out.write_all(&roff)?;
    out.flush()
}

fn write_all(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let names = COMMANDS.iter().map(|entry| Some(entry.name));
    for name in std::iter::once(None).chain(names) {
        let (file, roff) = page(name)?;
        std::fs::write(dir.join(file), roff)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        for entry in COMMANDS {
            let (file, roff) = page(Some(entry.name)).expect("a page");
            assert_eq!(file, format!("tidegate-{}.1", entry.name));
            let roff = String::from_utf8(roff).expect("utf-8");
            assert!(roff.contains(".SH SYNOPSIS"), "{}", entry.name);
            assert!(roff.contains("Examples:"), "{}", entry.name);
        }
        let (file, roff) = page(None).expect("a page");
        assert_eq!(file, "tidegate.1");
        assert!(String::from_utf8_lossy(&roff).contains("Exit status"));
    }
}
