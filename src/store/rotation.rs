//! Which key file opens the store, and how it is exchanged.
//!
//! ```text
//! 1 the new key is written to store.key.next and brought to the disk
//! 2 one transaction: every value sealed anew, every tag and the check made anew
//! 3 store.key.next is renamed to store.key
//! ```
//!
//! The check in the database says which of the two files is the key: an end before the commit leaves
//! the old one and a `next` that is worth nothing, an end behind it a `next` that only waits for its
//! name. Shape: [`open_vault`], and `rotate` of the [`Store`]. Units: none. Errors:
//! [`StoreError::Key`]; a store whose key is missing is never given another. Source: rename(2).

use std::{fs, path::Path};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Store, StoreError,
    vault::{self, Vault},
};

impl Store {
    /// Exchanges the key: a new file, and every value encrypted anew. Gives the number of values.
    ///
    /// # Errors
    /// The old key stays the key.
    pub fn rotate(&mut self) -> Result<u64, StoreError> {
        let (file, next) = (self.folder.join(KEY), self.folder.join(NEXT));
        let fresh = Vault::new(&*vault::write_key(&next)?)?;
        let count = self.write(|db, old| {
            let mut count = 0;
            let mut update =
                db.prepare("UPDATE api_keys SET sealed = ?2, tag = ?3 WHERE number = ?1")?;
            let mut all = db.prepare("SELECT number, id, sealed FROM api_keys")?;
            let mut rows = all.query([])?;
            while let Some(row) = rows.next()? {
                let (number, id): (i64, String) = (row.get(0)?, row.get(1)?);
                let value = old.open(&id, row.get_ref(2)?.as_blob().unwrap_or(&[]))?;
                let sealed = fresh.seal(&id, &value)?;
                update.execute(params![number, sealed, fresh.tag(&value)?])?;
                count += 1;
            }
            set_check(db, &fresh)?;
            Ok(count)
        })?;
        self.vault = fresh;
        rename(&next, &file)?;
        // Pages that the old key sealed leave the journal too.
        self.db.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
        Ok(count)
    }
}

/// The vault of the store in `folder`; makes the key of a store that has none yet.
pub(super) fn open_vault(db: &Connection, folder: &Path) -> Result<Vault, StoreError> {
    let (file, next) = (folder.join(KEY), folder.join(NEXT));
    let Some(check) = check(db)? else {
        let key = match vault::read_key(&file)? {
            Some(key) => key,
            None => vault::write_key(&file)?,
        };
        let vault = Vault::new(&key)?;
        set_check(db, &vault)?;
        return Ok(vault);
    };
    let (vault, is_next) = vault_of(&check, folder)?;
    if is_next {
        rename(&next, &file)?;
    } else if next.exists() {
        // Of a rotation that did not come to its end.
        fs::remove_file(&next).map_err(|error| StoreError::of_io(&next, &error))?;
    }
    Ok(vault)
}

/// The vault that reads what `db` holds, and nothing is changed.
pub(super) fn read_vault(db: &Connection, folder: &Path) -> Result<Option<Vault>, StoreError> {
    match check(db)? {
        Some(check) => vault_of(&check, folder).map(|(vault, _)| Some(vault)),
        None => Ok(None),
    }
}

/// The one of the two files that belongs to `check`, and whether it is the next one.
fn vault_of(check: &[u8], folder: &Path) -> Result<(Vault, bool), StoreError> {
    let mut found = false;
    for (name, is_next) in [(KEY, false), (NEXT, true)] {
        if let Some(key) = vault::read_key(&folder.join(name))? {
            found = true;
            let vault = Vault::new(&key)?;
            if vault.check()[..] == *check {
                return Ok((vault, is_next));
            }
        }
    }
    let file = folder.join(KEY);
    let file = file.display();
    Err(StoreError::Key(if found {
        format!("{file} is not the key of this store; restore the one that belongs to it")
    } else {
        format!("{file}, the key of this store, is missing; restore it")
    }))
}

fn check(db: &Connection) -> Result<Option<Vec<u8>>, StoreError> {
    let found = db.query_row("SELECT value FROM meta WHERE name = ?1", [CHECK], |row| {
        row.get(0)
    });
    Ok(found.optional()?)
}

fn set_check(db: &Connection, vault: &Vault) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.execute(sql, params![CHECK, vault.check()])?;
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|error| StoreError::of_io(to, &error))?;
    vault::sync_folder(to)
}

const CHECK: &str = "key check";
pub(super) const KEY: &str = "store.key";
pub(super) const NEXT: &str = "store.key.next";
