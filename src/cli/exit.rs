//! What the process tells its caller when it ends.
//!
//! Shape: [`Exit`], one variant per meaning; the table below is also the help text. Units: exit
//! status, 0 to 255. Errors: these are the errors. Source: sysexits.h for 69, 70 and 78.

use std::process::ExitCode;

/// Why the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing is amiss.
    Ok = 0,
    /// It was tried and failed; `doctor` found something that fails.
    Failed = 1,
    /// The command line is not understood.
    Usage = 2,
    /// The configuration or an API document is invalid.
    InvalidConfiguration = 3,
    /// No gateway answers (EX_UNAVAILABLE).
    Unavailable = 69,
    /// A fault of ours (EX_SOFTWARE).
    Software = 70,
    /// The host refuses io_uring (EX_CONFIG).
    RingRefused = 78,
}

/// The table in the words of the help.
pub(super) const HELP: &str = "\
Exit status:
   0  done
   1  failed
   2  the command line is not understood
   3  the configuration or an API document is invalid
  69  no gateway answers
  70  a fault of the program itself
  78  the host refuses io_uring (see `tidegate doctor`)";

impl Exit {
    /// The status the shell sees.
    #[must_use]
    pub const fn status(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_status() {
        let rows = [
            (Exit::Ok, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::InvalidConfiguration, 3),
            (Exit::Unavailable, 69),
            (Exit::Software, 70),
            (Exit::RingRefused, 78),
        ];
        assert_eq!(HELP.lines().count(), rows.len() + 1);
        for ((exit, status), line) in rows.into_iter().zip(HELP.lines().skip(1)) {
            assert_eq!(exit.status(), status);
            assert!(
                line.trim_start().starts_with(&format!("{status}  ")),
                "{line}"
            );
        }
    }
}
