//! Deployments: documents as they were deployed, and which of them each stage serves.
//!
//! What it is: a deployment never changes; a stage points to one, and its canary to another. Who
//! deploys the same text twice keeps it once. Shape: [`Change`] is what can be done, whole or not
//! at all; [`Deployed`] is what a gateway serves of one API. Units: wall milliseconds, percent.
//! Ranges: documents of [`DOCUMENT_BYTES_MAX`] bytes. Errors: [`StoreError`], in the service's
//! words where it has some. Source: API Gateway's operations on deployments and stages.

use std::{collections::BTreeMap, path::Path};

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate_edge::{
    base::time::Wall,
    plan::{CanaryRelease, Release, is_stage_variable},
};

use super::{BUSY_MAX, DATABASE, Store, StoreError, ids, schema};
use crate::source::DOCUMENT_BYTES_MAX;

/// Stage variables by name.
pub type Variables = BTreeMap<String, String>;

/// What a gateway serves of one API.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Deployed {
    /// By name.
    pub stages: Vec<DeployedStage>,
    /// Those that a stage or a canary points to, by the ids of their deployments.
    pub documents: BTreeMap<String, DeployedDocument>,
}

/// One stage.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct DeployedStage {
    pub stage: String,
    /// Id of its deployment.
    pub deployment: String,
    /// Over those of the settings.
    pub variables: Variables,
    pub canary: Option<DeployedCanary>,
}

/// A stage's canary.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct DeployedCanary {
    /// Id of its deployment.
    pub deployment: String,
    /// `percentTraffic`.
    pub percent: f64,
    /// `stageVariableOverrides`.
    pub variables: Variables,
    pub use_stage_cache: bool,
}

/// A document as it was deployed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DeployedDocument {
    /// The name of its file then, by which its format is known.
    pub name: String,
    pub text: String,
}

/// One thing to do to the deployments of an API.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Keep the document that follows, and let a stage or its canary serve it.
    Deploy {
        /// Name of the document's file.
        name: String,
        description: Option<String>,
        /// Merged into those of the stage, or of the canary; an empty value takes one away.
        variables: Variables,
        /// Percent of the requests: only the canary gets it, the stage stays as it is.
        canary: Option<f64>,
    },
    /// Let a stage serve another of its deployments; `None`: the newest before the one it serves.
    Rollback { deployment: Option<String> },
    /// Change the canary, or make one; what is left out stays as it is.
    SetCanary {
        percent: Option<f64>,
        deployment: Option<String>,
        variables: Variables,
        use_stage_cache: Option<bool>,
    },
    /// Let the stage serve what its canary serves, with its variables; then there is none.
    PromoteCanary,
    /// Take the canary away.
    RemoveCanary,
}

/// A change, of what, and what follows from it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StageChange {
    pub api: String,
    pub stage: String,
    pub change: Change,
}

impl Deployed {
    /// What the store in `folder` has of the API `id`, whoever writes it; nothing where there is
    /// no store.
    ///
    /// # Errors
    /// The file cannot be used as it is.
    pub fn of_folder(folder: &Path, id: &str) -> Result<Deployed, StoreError> {
        if !super::exists(folder) {
            return Ok(Deployed::default());
        }
        let path = folder.join(DATABASE);
        super::private(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, flags)
            .map_err(|error| StoreError::of_file(&path, error))?;
        db.busy_timeout(BUSY_MAX)?;
        // One of an older version has none.
        if !schema::is_current(&db, &path)? {
            return Ok(Deployed::default());
        }
        // All that follows is read at one moment.
        let transaction = db.unchecked_transaction()?;
        deployed(&transaction, id)
    }

    /// As one document.
    ///
    /// # Errors
    /// None that these values can have.
    pub fn print(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    /// The other way.
    ///
    /// # Errors
    /// It is no such document.
    pub fn parse(bytes: &[u8]) -> Result<Deployed, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

impl DeployedStage {
    /// What the plan compiles: `source` and `document` are positions.
    #[must_use]
    pub fn release(
        &self,
        source: usize,
        document: usize,
        canary: Option<CanaryRelease>,
    ) -> Release {
        Release {
            source,
            stage: self.stage.clone(),
            document,
            deployment: self.deployment.clone(),
            variables: self.variables.clone(),
            canary,
        }
    }
}

impl DeployedCanary {
    /// What the plan compiles: `document` is a position.
    #[must_use]
    pub fn release(&self, document: usize) -> CanaryRelease {
        CanaryRelease {
            document,
            deployment: self.deployment.clone(),
            percent: self.percent,
            variables: self.variables.clone(),
            use_stage_cache: self.use_stage_cache,
        }
    }
}

impl Store {
    /// What a gateway serves of the API `id`.
    ///
    /// # Errors
    /// The database's.
    pub fn deployed(&self, id: &str) -> Result<Deployed, StoreError> {
        deployed(&self.db, id)
    }

    /// A fresh id for what [`Store::change`] may deploy.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn deployment_id() -> Result<String, StoreError> {
        ids::id()
    }

    /// Does `change`; `id` is that of the deployment, if it makes one of `text`.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn change(
        &mut self,
        change: &StageChange,
        (id, text): (&str, &[u8]),
        now: Wall,
    ) -> Result<Value, StoreError> {
        self.write(|db, _| {
            apply(db, change, (id, text), now)?;
            shown_stage(db, change, id)
        })
    }

    /// What the gateway would serve of the API behind `change`, which is not made.
    ///
    /// # Errors
    /// Those of [`Store::change`].
    pub fn rehearse(
        &mut self,
        change: &StageChange,
        (id, text): (&str, &[u8]),
        now: Wall,
    ) -> Result<Deployed, StoreError> {
        let transaction = self.db.transaction()?;
        apply(&transaction, change, (id, text), now)?;
        let after = deployed(&transaction, &change.api)?;
        transaction.rollback()?;
        Ok(after)
    }

    /// The deployments of an API, the newest first, and its stages.
    ///
    /// # Errors
    /// The database's.
    pub fn deployments(&self, api: &str) -> Result<Value, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT id, name, description, created_ms, lower(hex(hash)) FROM deployments
             WHERE api = ?1 ORDER BY number DESC",
        )?;
        let rows = statement.query_map([api], |row| {
            Ok(json!({
                "id": row.get::<_, String>(0)?,
                "document": row.get::<_, String>(1)?,
                "description": row.get::<_, Option<String>>(2)?,
                "createdMs": row.get::<_, i64>(3)?,
                "sha256": row.get::<_, String>(4)?,
            }))
        })?;
        let items: Vec<Value> = rows.collect::<Result<_, _>>()?;
        let stages = stages(&self.db, api)?;
        let stages: Vec<Value> = stages.iter().map(stage_json).collect();
        Ok(json!({"items": items, "stages": stages}))
    }

    /// The document of a deployment.
    ///
    /// # Errors
    /// There is none.
    pub fn deployed_document(&self, api: &str, id: &str) -> Result<DeployedDocument, StoreError> {
        document(&self.db, api, id)
    }

    /// Takes a deployment away that no stage uses.
    ///
    /// # Errors
    /// A stage or a canary uses it, or there is none.
    pub fn delete_deployment(&mut self, api: &str, id: &str) -> Result<(), StoreError> {
        self.write(|db, _| {
            known(db, api, id)?;
            let uses: i64 = db.query_row(
                "SELECT count(*) FROM stages WHERE deployment = ?1 OR canary_deployment = ?1",
                [id],
                |row| row.get(0),
            )?;
            if uses > 0 {
                return Err(StoreError::invalid(
                    "Active stages pointing to this deployment must be moved or deleted",
                ));
            }
            db.execute("DELETE FROM deployments WHERE id = ?1", [id])?;
            db.execute(
                "DELETE FROM documents WHERE hash NOT IN (SELECT hash FROM deployments)",
                [],
            )?;
            Ok(())
        })
    }
}

fn apply(
    db: &Connection,
    StageChange { api, stage, change }: &StageChange,
    (id, text): (&str, &[u8]),
    now: Wall,
) -> Result<(), StoreError> {
    check_name("an API", api, b"-_.")?;
    check_name("a stage", stage, b"-_$")?;
    let found = find(db, api, stage)?;
    match change {
        Change::Deploy {
            name,
            description,
            variables,
            canary,
        } => {
            check_variables(variables)?;
            insert(db, (id, api), (name, text), description.as_deref(), now)?;
            let next = match (found, canary) {
                (Some(mut row), Some(percent)) => {
                    let mut canary = row.canary.take().unwrap_or_default();
                    canary.deployment = id.to_owned();
                    canary.percent = checked_percent(*percent)?;
                    merge(&mut canary.variables, variables);
                    row.canary = Some(canary);
                    row
                }
                (None, Some(_)) => return Err(no_stage(api, stage)),
                (found, None) => {
                    let mut row = found.unwrap_or_else(|| DeployedStage {
                        stage: stage.clone(),
                        ..DeployedStage::default()
                    });
                    row.deployment = id.to_owned();
                    merge(&mut row.variables, variables);
                    row
                }
            };
            put(db, api, &next)
        }
        other => {
            let mut row = found.ok_or_else(|| no_stage(api, stage))?;
            move_stage(db, api, &mut row, other)?;
            put(db, api, &row)
        }
    }
}

/// What is done to a stage that is there.
fn move_stage(
    db: &Connection,
    api: &str,
    row: &mut DeployedStage,
    change: &Change,
) -> Result<(), StoreError> {
    let no_canary = || StoreError::Missing(format!("the stage `{}` has no canary", row.stage));
    match change {
        Change::Deploy { .. } => {}
        Change::Rollback { deployment } => {
            row.deployment = match deployment {
                Some(id) => known(db, api, id).map(|()| id.clone())?,
                None => before(db, api, row)?,
            };
        }
        Change::SetCanary {
            percent,
            deployment,
            variables,
            use_stage_cache,
        } => {
            check_variables(variables)?;
            let fresh = || DeployedCanary {
                deployment: row.deployment.clone(),
                ..DeployedCanary::default()
            };
            let mut canary = row.canary.take().unwrap_or_else(fresh);
            if let Some(percent) = percent {
                canary.percent = checked_percent(*percent)?;
            }
            if let Some(id) = deployment {
                known(db, api, id)?;
                canary.deployment.clone_from(id);
            }
            merge(&mut canary.variables, variables);
            canary.use_stage_cache = use_stage_cache.unwrap_or(canary.use_stage_cache);
            row.canary = Some(canary);
        }
        Change::PromoteCanary => {
            let canary = row.canary.take().ok_or_else(no_canary)?;
            row.deployment = canary.deployment;
            row.variables.extend(canary.variables);
        }
        Change::RemoveCanary => {
            row.canary.take().ok_or_else(no_canary)?;
        }
    }
    Ok(())
}

/// The newest deployment that the stage has served before the one it serves.
fn before(db: &Connection, api: &str, row: &DeployedStage) -> Result<String, StoreError> {
    let found = db
        .prepare_cached(
            "SELECT d.id FROM deployments d
             JOIN stage_deployments s ON s.deployment = d.id AND s.api = ?1 AND s.stage = ?2
             WHERE d.number < (SELECT number FROM deployments WHERE id = ?3)
             ORDER BY d.number DESC LIMIT 1",
        )?
        .query_row([api, &row.stage, &row.deployment], |row| row.get(0))
        .optional()?;
    found.ok_or_else(|| {
        StoreError::Missing(format!(
            "the stage `{}` has served nothing before `{}`",
            row.stage, row.deployment
        ))
    })
}

fn insert(
    db: &Connection,
    (id, api): (&str, &str),
    (name, text): (&str, &[u8]),
    description: Option<&str>,
    now: Wall,
) -> Result<(), StoreError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        let message = format!("a document has at most {DOCUMENT_BYTES_MAX} bytes");
        return Err(StoreError::Invalid(message));
    }
    let text = std::str::from_utf8(text)
        .map_err(|_| StoreError::invalid("a document is text in UTF-8"))?;
    let hash = digest(&SHA256, text.as_bytes());
    db.prepare_cached("INSERT OR IGNORE INTO documents (hash, text) VALUES (?1, ?2)")?
        .execute(params![hash.as_ref(), text])?;
    db.prepare_cached(
        "INSERT INTO deployments (id, api, hash, name, description, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        id,
        api,
        hash.as_ref(),
        name,
        description,
        i64::try_from(now.0).unwrap_or(i64::MAX)
    ])?;
    Ok(())
}

/// Writes a stage down, and that it has served its deployment.
fn put(db: &Connection, api: &str, row: &DeployedStage) -> Result<(), StoreError> {
    let canary = row.canary.as_ref();
    let text = |variables: &Variables| json!(variables).to_string();
    db.prepare_cached(
        "INSERT INTO stages (api, stage, deployment, variables, canary_deployment,
                             canary_percent, canary_variables, canary_use_stage_cache)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (api, stage) DO UPDATE SET
            deployment = excluded.deployment, variables = excluded.variables,
            canary_deployment = excluded.canary_deployment,
            canary_percent = excluded.canary_percent,
            canary_variables = excluded.canary_variables,
            canary_use_stage_cache = excluded.canary_use_stage_cache",
    )?
    .execute(params![
        api,
        row.stage,
        row.deployment,
        text(&row.variables),
        canary.map(|canary| &canary.deployment),
        canary.map(|canary| canary.percent),
        canary.map(|canary| text(&canary.variables)),
        canary.map(|canary| canary.use_stage_cache),
    ])?;
    db.prepare_cached(
        "INSERT OR IGNORE INTO stage_deployments (api, stage, deployment) VALUES (?1, ?2, ?3)",
    )?
    .execute([api, &row.stage, &row.deployment])?;
    Ok(())
}

fn deployed(db: &Connection, api: &str) -> Result<Deployed, StoreError> {
    let stages = stages(db, api)?;
    let mut documents = BTreeMap::new();
    for stage in &stages {
        let canary = stage.canary.as_ref().map(|canary| &canary.deployment);
        for id in std::iter::once(&stage.deployment).chain(canary) {
            if !documents.contains_key(id) {
                documents.insert(id.clone(), document(db, api, id)?);
            }
        }
    }
    Ok(Deployed { stages, documents })
}

const STAGE: &str = "SELECT stage, deployment, variables, canary_deployment, canary_percent,
                            canary_variables, canary_use_stage_cache FROM stages";

fn stages(db: &Connection, api: &str) -> Result<Vec<DeployedStage>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{STAGE} WHERE api = ?1 ORDER BY rowid"))?;
    let rows = statement.query_map([api], of_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn find(db: &Connection, api: &str, stage: &str) -> Result<Option<DeployedStage>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{STAGE} WHERE api = ?1 AND stage = ?2"))?;
    Ok(statement.query_row([api, stage], of_row).optional()?)
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<DeployedStage> {
    let variables = |index: usize| -> rusqlite::Result<Variables> {
        let text: Option<String> = row.get(index)?;
        let read = text.map(|text| serde_json::from_str(&text)).transpose();
        read.map(Option::unwrap_or_default).map_err(|error| {
            let kind = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(index, kind, Box::new(error))
        })
    };
    let canary = match row.get::<_, Option<String>>(3)? {
        None => None,
        Some(deployment) => Some(DeployedCanary {
            deployment,
            percent: row.get::<_, Option<f64>>(4)?.unwrap_or(0.0),
            variables: variables(5)?,
            use_stage_cache: row.get::<_, Option<bool>>(6)?.unwrap_or(false),
        }),
    };
    Ok(DeployedStage {
        stage: row.get(0)?,
        deployment: row.get(1)?,
        variables: variables(2)?,
        canary,
    })
}

fn document(db: &Connection, api: &str, id: &str) -> Result<DeployedDocument, StoreError> {
    let found = db
        .prepare_cached(
            "SELECT d.name, t.text FROM deployments d JOIN documents t ON t.hash = d.hash
             WHERE d.api = ?1 AND d.id = ?2",
        )?
        .query_row([api, id], |row| {
            Ok(DeployedDocument {
                name: row.get(0)?,
                text: row.get(1)?,
            })
        })
        .optional()?;
    found.ok_or_else(|| no_deployment(id))
}

fn known(db: &Connection, api: &str, id: &str) -> Result<(), StoreError> {
    let mut statement =
        db.prepare_cached("SELECT 1 FROM deployments WHERE api = ?1 AND id = ?2")?;
    if statement.exists([api, id])? {
        Ok(())
    } else {
        Err(no_deployment(id))
    }
}

fn no_deployment(id: &str) -> StoreError {
    StoreError::Missing(format!("the API has no deployment `{id}`"))
}

fn no_stage(api: &str, stage: &str) -> StoreError {
    StoreError::Missing(format!(
        "nothing is deployed to the stage `{stage}` of `{api}`"
    ))
}

fn check_name(what: &str, name: &str, more: &[u8]) -> Result<(), StoreError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(StoreError::Invalid(format!(
        "`{name}` is no name of {what}"
    )))
}

fn check_variables(variables: &Variables) -> Result<(), StoreError> {
    let mut odd = variables.iter();
    match odd.find(|(name, value)| !is_stage_variable(name, value)) {
        Some((name, _)) => Err(StoreError::Invalid(format!(
            "`{name}` is no stage variable"
        ))),
        None => Ok(()),
    }
}

fn checked_percent(percent: f64) -> Result<f64, StoreError> {
    if (0.0..=100.0).contains(&percent) {
        return Ok(percent);
    }
    Err(StoreError::Invalid(format!(
        "a canary cannot serve {percent} percent; write 0 to 100"
    )))
}

/// An empty value takes a variable away: no stage has one.
fn merge(into: &mut Variables, changes: &Variables) {
    into.extend(changes.clone());
    into.retain(|_, value| !value.is_empty());
}

fn shown_stage(db: &Connection, change: &StageChange, id: &str) -> Result<Value, StoreError> {
    let stage = find(db, &change.api, &change.stage)?;
    let mut shown = stage.as_ref().map_or(Value::Null, stage_json);
    if let (Some(shown), Change::Deploy { .. }) = (shown.as_object_mut(), &change.change) {
        shown.insert("id".to_owned(), json!(id));
    }
    Ok(shown)
}

fn stage_json(row: &DeployedStage) -> Value {
    let canary = row.canary.as_ref().map(|canary| {
        json!({
            "percentTraffic": canary.percent,
            "deploymentId": canary.deployment,
            "stageVariableOverrides": canary.variables,
            "useStageCache": canary.use_stage_cache,
        })
    });
    json!({
        "stageName": row.stage,
        "deploymentId": row.deployment,
        "variables": row.variables,
        "canarySettings": canary,
    })
}

const NAME_BYTES_MAX: usize = 128;
