//! The tables, as the steps that made them.
//!
//! Shape: [`STEPS`]; a file's `user_version` is the number of steps it has. A step is never edited
//! once it was released: the next one changes what it made. Units: seconds and days since 1970 in
//! UTC; rates in requests a second. Errors: [`StoreError::Newer`], [`StoreError::Damaged`]. Source:
//! sqlite.org/stricttables.html, sqlite.org/pragma.html#pragma_user_version.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// Applies the steps that are missing, each whole or not at all.
pub(super) fn bring_up_to_date(db: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found = version(db, path)?;
    let done = usize::try_from(found).unwrap_or(0);
    for (index, step) in STEPS.iter().enumerate().skip(done) {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", index + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The file has every step, no more and no less.
pub(super) fn is_current(db: &Connection, path: &Path) -> Result<bool, StoreError> {
    Ok(version(db, path)? == known())
}

/// The steps that the file has.
fn version(db: &Connection, path: &Path) -> Result<i64, StoreError> {
    let number = |name: &str| -> Result<i64, StoreError> {
        db.pragma_query_value(None, name, |row| row.get(0))
            .map_err(|error| StoreError::of_file(path, error))
    };
    let (application, found) = (number("application_id")?, number("user_version")?);
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| StoreError::of_file(path, error))?;
    let is_ours = application == APPLICATION || (application == 0 && tables == 0);
    if !is_ours || found < 0 {
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            reason: "another program made it".to_owned(),
        });
    }
    if found > known() {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: known(),
        });
    }
    Ok(found)
}

fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// "Tide", so that file(1) and we know whose file it is.
const APPLICATION: i64 = 0x5469_6465;

/// One row a change of the schema.
pub(super) const STEPS: &[&str] = &[KEYS_AND_PLANS, USAGE, DEPLOYMENTS];

/// Who may call, and how much.
const KEYS_AND_PLANS: &str = "
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE api_keys (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tag BLOB NOT NULL UNIQUE CHECK (length(tag) = 16),
    sealed BLOB NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    customer_id TEXT,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_s INTEGER NOT NULL,
    updated_s INTEGER NOT NULL,
    tags TEXT NOT NULL
) STRICT;
CREATE TABLE plans (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    product_code TEXT,
    rate REAL CHECK (rate >= 0),
    burst INTEGER CHECK (burst >= 0),
    quota_limit INTEGER CHECK (quota_limit >= 0),
    quota_offset INTEGER CHECK (quota_offset >= 0),
    quota_period TEXT CHECK (quota_period IN ('DAY', 'WEEK', 'MONTH')),
    tags TEXT NOT NULL,
    CHECK ((rate IS NULL) = (burst IS NULL)),
    CHECK ((quota_limit IS NULL) = (quota_period IS NULL)
       AND (quota_limit IS NULL) = (quota_offset IS NULL))
) STRICT;
CREATE TABLE plan_stages (
    plan TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    api TEXT NOT NULL,
    stage TEXT NOT NULL,
    PRIMARY KEY (plan, api, stage)
) STRICT, WITHOUT ROWID;
CREATE TABLE plan_methods (
    plan TEXT NOT NULL,
    api TEXT NOT NULL,
    stage TEXT NOT NULL,
    method TEXT NOT NULL,
    rate REAL NOT NULL CHECK (rate >= 0),
    burst INTEGER NOT NULL CHECK (burst >= 0),
    PRIMARY KEY (plan, api, stage, method),
    FOREIGN KEY (plan, api, stage) REFERENCES plan_stages (plan, api, stage) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE TABLE plan_keys (
    plan TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    api_key TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    PRIMARY KEY (plan, api_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX plan_keys_by_key ON plan_keys (api_key, plan);
";

/// What was used, and what was leased of the quotas. Both outlive the key's place in the plan: who
/// leaves a plan and comes back finds the same window.
const USAGE: &str = "
CREATE TABLE usage (
    plan TEXT NOT NULL,
    api_key TEXT NOT NULL,
    day INTEGER NOT NULL,
    used INTEGER NOT NULL CHECK (used >= 0),
    PRIMARY KEY (plan, api_key, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE windows (
    plan TEXT NOT NULL,
    api_key TEXT NOT NULL,
    number INTEGER NOT NULL,
    extra INTEGER NOT NULL DEFAULT 0,
    granted INTEGER NOT NULL DEFAULT 0 CHECK (granted >= 0),
    outstanding INTEGER NOT NULL DEFAULT 0 CHECK (outstanding >= 0 AND outstanding <= granted),
    PRIMARY KEY (plan, api_key, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX windows_outstanding ON windows (outstanding) WHERE outstanding > 0;
";

/// What is deployed, and where. A document that was deployed twice is there once.
const DEPLOYMENTS: &str = "
CREATE TABLE documents (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    text TEXT NOT NULL
) STRICT;
CREATE TABLE deployments (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    api TEXT NOT NULL,
    hash BLOB NOT NULL REFERENCES documents (hash),
    name TEXT NOT NULL,
    description TEXT,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX deployments_of_api ON deployments (api, number);
CREATE INDEX deployments_by_hash ON deployments (hash);
CREATE TABLE stages (
    api TEXT NOT NULL,
    stage TEXT NOT NULL,
    deployment TEXT NOT NULL REFERENCES deployments (id),
    variables TEXT NOT NULL,
    canary_deployment TEXT REFERENCES deployments (id),
    canary_percent REAL CHECK (canary_percent BETWEEN 0 AND 100),
    canary_variables TEXT,
    canary_use_stage_cache INTEGER CHECK (canary_use_stage_cache IN (0, 1)),
    UNIQUE (api, stage),
    CHECK ((canary_deployment IS NULL) = (canary_percent IS NULL)
       AND (canary_deployment IS NULL) = (canary_variables IS NULL)
       AND (canary_deployment IS NULL) = (canary_use_stage_cache IS NULL))
) STRICT;
CREATE TABLE stage_deployments (
    api TEXT NOT NULL,
    stage TEXT NOT NULL,
    deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    PRIMARY KEY (api, stage, deployment)
) STRICT, WITHOUT ROWID;
";
