//! What must outlive the process: API keys, usage plans, usage and quota leases, in SQLite.
//!
//! What it is: one file in the state folder with one writer, which holds a lock for as long as it
//! has the store open: the running gateway, or a command where no gateway runs. Request cores never
//! touch it. Shape: [`Store`] is the writer, with its methods in the file of each noun ([`keys`],
//! [`plans`], [`usage`], [`lease`], [`import`], [`seed`]); [`order`] is what can be asked of it as
//! data. Units: wall seconds and UTC days. Ranges: as each noun says. Errors: [`StoreError`]; a file
//! that is damaged, newer, locked or readable by others is named and left alone. Source:
//! RELIABILITY sections 6 and 9; sqlite.org/wal.html.

mod csv;
pub mod deployments;
mod faults;
mod ids;
pub mod import;
pub mod keys;
pub mod lease;
mod lock;
pub mod order;
pub mod period;
pub mod plans;
mod reading;
mod rotation;
mod schema;
pub mod seed;
pub mod usage;
mod vault;

pub use faults::StoreError;
pub use reading::Reading;

use std::{
    fs::{self, OpenOptions},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use lock::Lock;
use vault::Vault;

/// The store, open for writing.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    vault: Vault,
    folder: PathBuf,
    /// Held for as long as the rest is open; dropped last.
    _lock: Lock,
}

impl Store {
    /// Opens the store in `folder`, and makes what is missing of it.
    ///
    /// # Errors
    /// Another process has it open, or the files cannot be used as they are.
    pub fn open(folder: &Path) -> Result<Store, StoreError> {
        make_folder(folder)?;
        let lock = Lock::take(folder)?;
        let path = folder.join(DATABASE);
        create_private(&path)?;
        let mut db = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        prepare(&db).map_err(|error| StoreError::of_file(&path, error))?;
        schema::bring_up_to_date(&mut db, &path)?;
        let vault = rotation::open_vault(&db, folder)?;
        Ok(Store {
            db,
            vault,
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// Opens a store that is there already; `None` where there is none.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_existing(folder: &Path) -> Result<Option<Store>, StoreError> {
        if exists(folder) {
            Store::open(folder).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes as one: all of `work` or, when it fails, nothing of it.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &Vault) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction, &self.vault)?;
        transaction.commit()?;
        Ok(value)
    }
}

/// There is a store in `folder`.
#[must_use]
pub fn exists(folder: &Path) -> bool {
    folder.join(DATABASE).exists()
}

impl Drop for Store {
    /// Leaves no journal beside the file, for whoever copies it.
    fn drop(&mut self) {
        // A reader that is still there keeps the journal, which costs nothing but a second file.
        let _ = self.db.pragma_update(None, "wal_checkpoint", "TRUNCATE");
    }
}

/// How every connection that writes is set up.
fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_MAX)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on the disk before anything is done on its word.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    // What was sealed by a key that is gone does not stay in free pages.
    db.pragma_update(None, "secure_delete", true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Connects to `path`, which must be a database of ours that nobody else may read.
fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    private(path)?;
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)
        .map_err(|error| StoreError::of_file(path, error))?;
    let damaged = |reason: String| StoreError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let check: String = db
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| StoreError::of_file(path, error))?;
    if check != "ok" {
        return Err(damaged(check));
    }
    Ok(db)
}

/// The folder is its owner's alone.
fn make_folder(folder: &Path) -> Result<(), StoreError> {
    let made = fs::DirBuilder::new().mode(0o700).create(folder);
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(StoreError::of_io(folder, &error))
        }
        _ => Ok(()),
    }
}

/// Makes an empty file of mode 0600 where there is none.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(StoreError::of_io(path, &error))
        }
        _ => Ok(()),
    }
}

/// Nobody but the owner may open `path`.
fn private(path: &Path) -> Result<(), StoreError> {
    let facts = fs::metadata(path).map_err(|error| StoreError::of_io(path, &error))?;
    if facts.mode() & 0o077 != 0 {
        return Err(StoreError::Exposed(path.to_owned()));
    }
    Ok(())
}

/// The database's name in the folder.
const DATABASE: &str = "store.db";
/// Longest wait for another program that reads or copies the file.
const BUSY_MAX: Duration = Duration::from_secs(5);
/// Statements that stay prepared; more than there are.
const STATEMENTS: usize = 64;

#[cfg(test)]
mod tests;
