//! What can go wrong with the store, and with what is asked of it.
//!
//! Shape: [`StoreError`]; [`StoreError::status`] is what operators' tools see. Units: HTTP
//! statuses. Errors: these are the errors. Source: API Gateway's texts where it has them.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was given cannot be.
    #[error("{0}")]
    Invalid(String),
    /// What is named is not there.
    #[error("{0}")]
    Missing(String),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// Another process has the store open.
    #[error(
        "the store in {} is open in another process; ask the running gateway, or stop it", .0.display()
    )]
    InUse(PathBuf),
    /// It cannot be asked here, or not now.
    #[error("{0}")]
    Unready(String),
    /// There is no store yet.
    #[error("there is no store in {}", .0.display())]
    NoStore(PathBuf),
    /// Written by a later version.
    #[error(
        "{} has schema version {found}, and this program knows {known}; use the version that wrote it",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The last one known here.
        known: i64,
    },
    /// It cannot be read as what it should be.
    #[error("{} is damaged or no store: {reason}; restore a copy of it", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Others may read it.
    #[error("{} can be read by others; set its mode to 0600", .0.display())]
    Exposed(PathBuf),
    /// The key does not fit, or there is none.
    #[error("{0}")]
    Key(String),
    /// The system refused.
    #[error("{}: {reason}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The database refused.
    #[error("the store: {0}")]
    Database(#[from] rusqlite::Error),
    /// No random numbers.
    #[error("the system gives no random numbers")]
    Randomness,
}

impl StoreError {
    /// The status by which an operator's tool knows the kind.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            StoreError::Invalid(_) => 400,
            StoreError::Missing(_) | StoreError::NoStore(_) => 404,
            StoreError::Conflict(_) => 409,
            StoreError::InUse(_) | StoreError::Unready(_) => 503,
            _ => 500,
        }
    }

    /// What SQLite said about the file at `path`.
    pub(super) fn of_file(path: &Path, error: rusqlite::Error) -> StoreError {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Damaged {
                path,
                reason: error.to_string(),
            },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Io {
                path,
                reason: "another program has locked it".to_owned(),
            },
            _ => StoreError::Io {
                path,
                reason: error.to_string(),
            },
        }
    }

    /// What the system said about `path`.
    pub(super) fn of_io(path: &Path, error: &io::Error) -> StoreError {
        StoreError::Io {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }

    /// 400 with this text.
    pub(super) fn invalid(message: impl Into<String>) -> StoreError {
        StoreError::Invalid(message.into())
    }
}
