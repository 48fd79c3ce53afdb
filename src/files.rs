//! Where the files of a configuration are read from, and what was read.
//!
//! What it is: one place through which settings and API documents come, from the disk or from a
//! copy of what it once held, so that a configuration can be kept whole and served again. Shape:
//! [`Files`] answers by path and remembers each answer. Certificates and keys do not come this
//! way: they are read where they stand, and never copied. Units: bytes. Ranges: a file of
//! [`DOCUMENT_BYTES_MAX`] bytes, and one more so that a larger one is seen. Errors: a [`Problem`]
//! that names the file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use crate::{diagnostics::Problem, source::DOCUMENT_BYTES_MAX, store::deployments::Deployed};

/// Contents by the path that they were asked for.
pub type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// A source of files.
#[derive(Clone, Default, Debug)]
pub struct Files {
    /// All that there is; `None`: what the disk has.
    kept: Option<Contents>,
    /// What is to be taken for deployed, in place of what the store has.
    proposed: Contents,
    read: Contents,
}

impl Files {
    /// Those of this host.
    #[must_use]
    pub fn on_disk() -> Files {
        Files::default()
    }

    /// These and no others.
    #[must_use]
    pub fn kept(contents: Contents) -> Files {
        Files {
            kept: Some(contents),
            ..Files::default()
        }
    }

    /// These files, if `deployed` were what the API `id` has in the store.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn propose(&mut self, id: &str, deployed: &Deployed) -> Result<(), String> {
        let bytes = deployed.print()?;
        self.proposed.insert(deployed_path(id), bytes);
        Ok(())
    }

    /// What the API `id` has deployed in the store in `folder`.
    ///
    /// # Errors
    /// Why that cannot be read.
    pub fn deployed(&mut self, folder: &Path, id: &str) -> Result<Deployed, String> {
        let path = deployed_path(id);
        let bytes = match (self.proposed.get(&path), &self.kept) {
            (Some(bytes), _) => bytes.clone(),
            (None, Some(kept)) => kept.get(&path).cloned().ok_or("it was not kept")?,
            (None, None) => Deployed::of_folder(folder, id)
                .map_err(|error| error.to_string())?
                .print()?,
        };
        let deployed = Deployed::parse(&bytes)?;
        self.read.insert(path, bytes);
        Ok(deployed)
    }

    /// What was read so far.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.read
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(&mut self, path: &Path) -> Result<&[u8], Box<Problem>> {
        let bytes = match &self.kept {
            None => from_disk(path),
            Some(kept) => {
                let missing = || io::Error::new(ErrorKind::NotFound, "it was not kept");
                kept.get(path).cloned().ok_or_else(missing)
            }
        };
        match bytes {
            Ok(bytes) => Ok(self
                .read
                .entry(path.to_owned())
                .insert_entry(bytes)
                .into_mut()),
            Err(error) => Err(Box::new(problem(path, &error))),
        }
    }
}

/// The name under which deployed documents are kept beside files; no file has one like it, as
/// those of settings are joined to a folder.
fn deployed_path(id: &str) -> PathBuf {
    PathBuf::from(format!("deployed:{id}"))
}

/// At most one byte more than a document may have.
fn from_disk(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(DOCUMENT_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn problem(path: &Path, error: &io::Error) -> Problem {
    let hint = match error.kind() {
        ErrorKind::NotFound => "check the name and the folder",
        ErrorKind::PermissionDenied => "let the gateway's user read it",
        _ => "check the file",
    };
    let message = format!("the file cannot be read: {error}");
    Problem::of_file(&path.display().to_string(), message, Some(hint.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_answers_as_the_disk_did() {
        let folder = tempfile::tempdir().expect("a folder");
        let (here, gone) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&here, "one").expect("written");
        let mut disk = Files::on_disk();
        assert_eq!(disk.read(&here).expect("there"), b"one");
        assert!(disk.read(&gone).is_err());
        std::fs::write(&here, "two").expect("written");
        std::fs::write(&gone, "new").expect("written");
        let mut kept = Files::kept(disk.contents().clone());
        assert_eq!(kept.read(&here).expect("kept"), b"one");
        assert!(
            kept.read(&gone).is_err(),
            "a copy does not look at the disk"
        );
        assert_eq!(kept.contents(), disk.contents());
        assert_eq!(disk.read(&here).expect("there"), b"two");
    }
}
