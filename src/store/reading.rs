//! What request cores have to know: keys by their tags and plans, and nothing secret.
//!
//! What it is: the [`Directory`] is made from tags as they are stored; no value is opened for it.
//! Shape: [`Store::directory`] for the writer; [`Reading`] for a process that may not write yet,
//! because the one before it still does. Units: none. Errors: [`StoreError`]. Source:
//! sqlite.org/wal.html, "Read-only databases"; sqlite.org/backup.html.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, backup::Backup};
use tidegate_edge::limits::{
    Directory, Id, KeyRecord, MethodRate, PlanRecord, PlanStage, Rate, Tag,
};

use super::{
    BUSY_MAX, DATABASE, Store, StoreError, connect, plans, rotation, schema,
    vault::{TAG_BYTES, Vault},
};

impl Store {
    /// All keys and plans for request cores.
    ///
    /// # Errors
    /// The records contradict each other, which no order allows.
    pub fn directory(&self) -> Result<Directory, StoreError> {
        directory(&self.db, &self.vault)
    }
}

/// A look into a store that another process may be writing.
#[derive(Debug)]
pub struct Reading {
    db: Connection,
    vault: Option<Vault>,
}

impl Reading {
    /// Opens the store in `folder`; `None` where there is none. One of an older version is copied
    /// and brought up to date in memory: its file belongs to its writer.
    ///
    /// # Errors
    /// The files cannot be used as they are.
    pub fn open(folder: &Path) -> Result<Option<Reading>, StoreError> {
        if !super::exists(folder) {
            return Ok(None);
        }
        let path = folder.join(DATABASE);
        let mut db = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(BUSY_MAX)?;
        if !schema::is_current(&db, &path)? {
            let mut copy = Connection::open_in_memory()?;
            Backup::new(&db, &mut copy)?.run_to_completion(PAGES_A_STEP, PAUSE, None)?;
            schema::bring_up_to_date(&mut copy, &path)?;
            db = copy;
        }
        let vault = rotation::read_vault(&db, folder)?;
        Ok(Some(Reading { db, vault }))
    }

    /// All keys and plans for request cores.
    ///
    /// # Errors
    /// As [`Store::directory`].
    pub fn directory(&self) -> Result<Directory, StoreError> {
        match &self.vault {
            Some(vault) => directory(&self.db, vault),
            None => Ok(Directory::empty()),
        }
    }
}

fn directory(db: &Connection, vault: &Vault) -> Result<Directory, StoreError> {
    let mut records = Vec::new();
    for id in plans::ids(db)? {
        records.push(plan_record(&plans::get(db, &id)?)?);
    }
    let keys = key_records(db)?;
    Directory::build(vault.hasher().clone(), &records, keys)
        .map_err(|fault| StoreError::Conflict(fault.to_string()))
}

fn plan_record(plan: &plans::UsagePlan) -> Result<PlanRecord, StoreError> {
    let stages = plan.stages.iter().map(|(stage, methods)| {
        let methods = methods.iter().map(|(method, throttle)| {
            let (path, verb) = method.rsplit_once('/').unwrap_or(("", method));
            Ok(MethodRate {
                verb: verb.to_owned(),
                // The root's method is written `//GET`, as in API Gateway, or `/GET`.
                path: if path.is_empty() { "/" } else { path }.to_owned(),
                rate: rate(throttle)?,
            })
        });
        Ok(PlanStage {
            api: stage.api.clone(),
            stage: stage.stage.clone(),
            methods: methods.collect::<Result<_, StoreError>>()?,
        })
    });
    Ok(PlanRecord {
        id: parse_id(&plan.id)?,
        throttle: plan.throttle.as_ref().map(rate).transpose()?,
        quota: plan.quota,
        stages: stages.collect::<Result<_, StoreError>>()?,
    })
}

/// Keys with their plans, in one pass over both tables.
fn key_records(db: &Connection) -> Result<Vec<KeyRecord>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT k.number, k.id, k.tag, k.enabled, p.plan FROM api_keys k
         LEFT JOIN plan_keys p ON p.api_key = k.id ORDER BY k.number",
    )?;
    let mut rows = statement.query([])?;
    let mut records: Vec<KeyRecord> = Vec::new();
    let mut last = None;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        if last != Some(number) {
            last = Some(number);
            let tag: [u8; TAG_BYTES] = row.get(2)?;
            records.push(KeyRecord {
                id: parse_id(&row.get::<_, String>(1)?)?,
                tag: Tag::from_bytes(tag),
                enabled: row.get(3)?,
                plans: Vec::new(),
            });
        }
        let plan: Option<String> = row.get(4)?;
        if let (Some(plan), Some(record)) = (plan, records.last_mut()) {
            record.plans.push(parse_id(&plan)?);
        }
    }
    Ok(records)
}

fn rate(throttle: &plans::Throttle) -> Result<Rate, StoreError> {
    Rate::new(throttle.rate_limit, throttle.burst_limit)
        .map_err(|fault| StoreError::Invalid(fault.to_string()))
}

fn parse_id(text: &str) -> Result<Id, StoreError> {
    Id::parse(text).ok_or_else(|| StoreError::Invalid(format!("{text:?} is no id")))
}

/// One step copies all there is: nobody waits for this copy but us.
const PAGES_A_STEP: i32 = i32::MAX;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(1);
