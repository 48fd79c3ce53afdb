//! What the gateway remembers from one start to the next.
//!
//! What it is: a folder with two files, `last-good.json` ([`kept`]) and `starts.json` ([`starts`]).
//! Each is written whole under another name, brought to the disk and then renamed, so that a reader
//! finds the old or the new one. Shape: [`State`] is the folder. One gateway has one folder. Units:
//! bytes. Ranges: [`FILE_BYTES_MAX`]. Errors: texts for standard error; a folder that cannot be
//! used costs the memory, never the service. Source: rename(2), fsync(2); RELIABILITY section 9.

pub(super) mod kept;
pub(super) mod starts;

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use kept::Kept;
use starts::Starts;

/// The folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct State {
    folder: PathBuf,
}

impl State {
    /// The folder of the settings, else the one that the service manager made; `None`: nothing is
    /// to be remembered.
    pub(super) fn of(setting: Option<&Path>) -> Option<State> {
        let folder = state_folder(setting)?;
        Some(State { folder })
    }

    /// The folder at `folder`.
    #[cfg(test)]
    pub(super) fn at(folder: &Path) -> State {
        State {
            folder: folder.to_owned(),
        }
    }

    /// The starts that are remembered; a file that cannot be understood holds none.
    ///
    /// # Errors
    /// Why the file cannot be read.
    pub(super) fn starts(&self) -> Result<Starts, String> {
        let bytes = self.read(STARTS)?;
        Ok(bytes.map(|bytes| Starts::parse(&bytes)).unwrap_or_default())
    }

    /// Remembers these starts and no others.
    ///
    /// # Errors
    /// Why they cannot be written.
    pub(super) fn set_starts(&self, starts: &Starts) -> Result<(), String> {
        self.write(STARTS, &starts.print())
    }

    /// The last good configuration, if there is one.
    ///
    /// # Errors
    /// Why it cannot be read or understood.
    pub(super) fn kept(&self) -> Result<Option<Kept>, String> {
        let Some(bytes) = self.read(KEPT)? else {
            return Ok(None);
        };
        let kept = Kept::parse(&bytes);
        kept.map(Some)
            .map_err(|reason| format!("{}: {reason}", self.folder.join(KEPT).display()))
    }

    /// Keeps `kept` as the last good configuration.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(super) fn keep(&self, kept: &Kept) -> Result<(), String> {
        self.write(KEPT, &kept.print())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let path = self.folder.join(name);
        let mut bytes = Vec::new();
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened,
        };
        let read = file.and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Some(bytes)),
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let written = make_folder(&self.folder).and_then(|()| replace(&self.folder, name, bytes));
        written.map_err(|error| {
            let path = self.folder.join(name);
            format!("{} cannot be written: {error}", path.display())
        })
    }
}

/// The folder of the settings, else the one that the service manager made.
#[must_use]
pub fn state_folder(setting: Option<&Path>) -> Option<PathBuf> {
    match setting {
        Some(folder) => Some(folder.to_owned()),
        None => first_folder(&env::var("STATE_DIRECTORY").ok()?),
    }
}

/// The service manager separates several by colons.
fn first_folder(text: &str) -> Option<PathBuf> {
    let first = text.split(':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(first))
}

/// Settings may hold secrets: the folder is its owner's alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Puts `bytes` in place of the file `name`, whole or not at all, even if the power fails.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = folder.join(format!(".{name}.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&fresh)?;
    let placed = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&fresh, folder.join(name)));
    if placed.is_err() {
        let _ = fs::remove_file(&fresh); // nobody would ever read it
        return placed;
    }
    File::open(folder)?.sync_all() // the name too
}

const STARTS: &str = "starts.json";
const KEPT: &str = "last-good.json";
/// More than any configuration that was compiled.
const FILE_BYTES_MAX: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files::Contents, process::Sources};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_first_folder_of_the_service_manager_is_taken() {
        for (text, expected) in [
            ("", None),
            ("/var/lib/tidegate", Some("/var/lib/tidegate")),
            ("/a:/b", Some("/a")),
            (":/b", None),
        ] {
            assert_eq!(first_folder(text), expected.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("state");
        let state = State::at(&inner);
        assert_eq!(state.kept(), Ok(None), "nothing yet");
        assert_eq!(state.starts(), Ok(Starts::default()));
        for text in ["one", "two"] {
            let contents = Contents::from([("a".into(), text.into())]);
            let kept = Kept::new(&Sources::default(), &contents, 7).expect("text");
            state.keep(&kept).expect("kept");
            assert_eq!(state.kept(), Ok(Some(kept)));
        }
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&inner), 0o700);
        assert_eq!(mode(&inner.join(KEPT)), 0o600);
        let names: Vec<_> = fs::read_dir(&inner)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(names, [KEPT], "no other file is left behind");
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("file"), "x").expect("written");
        let state = State::at(&folder.path().join("file"));
        assert!(state.set_starts(&Starts::default()).is_err(), "no folder");
        let state = State::at(folder.path());
        fs::write(folder.path().join(KEPT), "{}").expect("written");
        let said = state.kept().expect_err("not a configuration");
        assert!(said.contains(KEPT), "{said}");
        fs::write(folder.path().join(STARTS), "}").expect("written");
        assert_eq!(
            state.starts(),
            Ok(Starts::default()),
            "starts are only counted"
        );
    }
}
