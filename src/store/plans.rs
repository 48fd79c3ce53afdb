//! Usage plans: what the keys in them may use, of which APIs, how fast and how much.
//!
//! Shape: [`UsagePlan`] is a record; [`PlanChange`] is one patch operation of API Gateway as a
//! value. Units: requests a second, requests, days. Ranges: a key is in at most `PLANS_MAX` plans
//! and never in two that contain the same stage. Errors: [`StoreError`] with the texts of API
//! Gateway where it has them. Source: API Gateway, "Usage plans and API keys for REST APIs".

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tidegate_edge::limits::{Period, Quota, Rate};

use super::{Store, StoreError, ids, keys};

/// A rate and the burst above it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Throttle {
    /// Requests a second.
    pub rate_limit: f64,
    /// Requests at once.
    pub burst_limit: u32,
}

/// An amount per window of the calendar; `None` leaves what is there.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaChange {
    /// Requests in a window.
    pub limit: Option<u64>,
    /// First day of the window: 0 is Sunday, or the 1st.
    pub offset: Option<u32>,
    /// `DAY`, `WEEK` or `MONTH`.
    pub period: Option<String>,
}

/// A stage of an API that a plan opens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiStage {
    /// Id of the API.
    pub api: String,
    /// Name of the stage.
    pub stage: String,
}

/// A plan as the store has it.
#[derive(Clone, PartialEq, Debug)]
pub struct UsagePlan {
    /// 10 lower-case letters and digits, or what a declaration gave.
    pub id: String,
    /// Not unique.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Of a marketplace.
    pub product_code: Option<String>,
    /// Of each key; `None`: no limit.
    pub throttle: Option<Throttle>,
    /// Of each key; `None`: no limit.
    pub quota: Option<Quota>,
    /// What it opens, each with the throttles of single methods, as in `/pets/GET`.
    pub stages: BTreeMap<ApiStage, BTreeMap<String, Throttle>>,
    /// Free names and values.
    pub tags: BTreeMap<String, String>,
}

/// What a plan is made of.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewPlan {
    /// Not empty.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Of a marketplace.
    pub product_code: Option<String>,
    /// Of each key.
    pub throttle: Option<Throttle>,
    /// Of each key.
    pub quota: Option<QuotaChange>,
    /// What it opens.
    pub stages: Vec<ApiStage>,
    /// Free names and values.
    pub tags: BTreeMap<String, String>,
}

/// One change of a plan.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PlanChange {
    /// `replace /name`.
    Name(String),
    /// `replace /description`; empty takes it away.
    Description(String),
    /// `replace /productCode`; empty takes it away.
    ProductCode(String),
    /// `replace /throttle/rateLimit`, `/throttle/burstLimit`; what is `None` stays as it is.
    Throttle {
        /// Requests a second.
        rate: Option<f64>,
        /// Requests at once.
        burst: Option<u32>,
    },
    /// `remove /throttle`.
    NoThrottle,
    /// `replace /quota/limit`, `/quota/offset`, `/quota/period`.
    Quota(QuotaChange),
    /// `remove /quota`.
    NoQuota,
    /// `add /apiStages`.
    AddStage(ApiStage),
    /// `remove /apiStages`.
    RemoveStage(ApiStage),
    /// `replace|add /apiStages/{api}:{stage}/throttle/{path}/{VERB}/…`.
    Method {
        /// The stage, which the plan contains.
        stage: ApiStage,
        /// As in `/pets/GET`.
        method: String,
        /// Requests a second.
        rate: Option<f64>,
        /// Requests at once.
        burst: Option<u32>,
    },
    /// `remove /apiStages/{api}:{stage}/throttle/{path}/{VERB}`.
    NoMethod {
        /// The stage.
        stage: ApiStage,
        /// As in `/pets/GET`.
        method: String,
    },
    /// `replace /apiStages/{api}:{stage}/throttle`: these and no others.
    Methods {
        /// The stage.
        stage: ApiStage,
        /// By method, as in `/pets/GET`.
        throttles: BTreeMap<String, Throttle>,
    },
    /// Sets tags; an empty value takes the name away.
    Tags(BTreeMap<String, String>),
}

impl UsagePlan {
    /// As API Gateway shows it.
    #[must_use]
    pub fn json(&self) -> Value {
        let stages: Vec<Value> = self
            .stages
            .iter()
            .map(|(stage, methods)| {
                let mut object = Map::new();
                object.insert("apiId".to_owned(), json!(stage.api));
                object.insert("stage".to_owned(), json!(stage.stage));
                if !methods.is_empty() {
                    object.insert("throttle".to_owned(), json!(methods));
                }
                Value::Object(object)
            })
            .collect();
        let mut object = json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "apiStages": stages,
        });
        if let Some(object) = object.as_object_mut() {
            // What is unset is left out, as API Gateway does.
            let set = [
                ("throttle", self.throttle.map(|throttle| json!(throttle))),
                ("quota", self.quota.as_ref().map(quota_json)),
                (
                    "productCode",
                    self.product_code.as_ref().map(|code| json!(code)),
                ),
            ];
            for (name, value) in set {
                object.extend(value.map(|value| (name.to_owned(), value)));
            }
            object.insert("tags".to_owned(), json!(self.tags));
        }
        object
    }
}

impl Store {
    /// Makes a plan.
    ///
    /// # Errors
    /// A part of it cannot be.
    pub fn create_plan(&mut self, new: &NewPlan) -> Result<UsagePlan, StoreError> {
        let id = ids::id()?;
        self.write(|db, _| {
            insert(db, &id, new)?;
            get(db, &id)
        })
    }

    /// The plan `id`.
    ///
    /// # Errors
    /// There is none.
    pub fn plan(&self, id: &str) -> Result<UsagePlan, StoreError> {
        get(&self.db, id)
    }

    /// All plans, the newest first; `key`: those that this key is in.
    ///
    /// # Errors
    /// Those of the database.
    pub fn plans(&self, key: Option<&str>) -> Result<Vec<UsagePlan>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT id FROM plans p WHERE ?1 IS NULL OR EXISTS
                 (SELECT 1 FROM plan_keys k WHERE k.plan = p.id AND k.api_key = ?1)
             ORDER BY number DESC",
        )?;
        let ids = statement.query_map([key], |row| row.get(0))?;
        let ids = ids.collect::<Result<Vec<String>, _>>()?;
        ids.iter().map(|id| get(&self.db, id)).collect()
    }

    /// Ids of the keys in a plan; none where there is no such plan.
    ///
    /// # Errors
    /// Those of the database.
    pub fn keys_of_plan(&self, plan: &str) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT api_key FROM plan_keys WHERE plan = ?1";
        let mut statement = self.db.prepare_cached(sql)?;
        let ids = statement.query_map([plan], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// Makes `changes` in their order, all or none.
    ///
    /// # Errors
    /// There is no such plan, or one of the changes cannot be.
    pub fn update_plan(
        &mut self,
        id: &str,
        changes: &[PlanChange],
    ) -> Result<UsagePlan, StoreError> {
        self.write(|db, _| {
            get(db, id)?;
            for change in changes {
                apply(db, id, change)?;
            }
            get(db, id)
        })
    }

    /// Takes the plan away, with its places for keys and what was written of its use.
    ///
    /// # Errors
    /// There is none.
    pub fn delete_plan(&mut self, id: &str) -> Result<(), StoreError> {
        self.write(|db, _| {
            if db.execute("DELETE FROM plans WHERE id = ?1", [id])? == 0 {
                return Err(missing());
            }
            db.execute("DELETE FROM usage WHERE plan = ?1", [id])?;
            db.execute("DELETE FROM windows WHERE plan = ?1", [id])?;
            Ok(())
        })
    }

    /// Puts the key into the plan.
    ///
    /// # Errors
    /// One of the two is not there, or the key is in a plan that contains one of the stages.
    pub fn attach_key(&mut self, plan: &str, key: &str) -> Result<Value, StoreError> {
        self.write(|db, _| {
            get(db, plan)?;
            let found = keys::get(db, key)?;
            if has_key(db, plan, key)? {
                let text = format!("API Key {key} is in usage plan {plan} already");
                return Err(StoreError::Conflict(text));
            }
            attach(db, plan, key)?;
            Ok(json!({"id": key, "type": "API_KEY", "name": found.name}))
        })
    }

    /// Takes the key out of the plan.
    ///
    /// # Errors
    /// It is not in it.
    pub fn detach_key(&mut self, plan: &str, key: &str) -> Result<(), StoreError> {
        self.write(|db, _| {
            get(db, plan)?;
            let sql = "DELETE FROM plan_keys WHERE plan = ?1 AND api_key = ?2";
            if db.execute(sql, [plan, key])? == 0 {
                let text = format!("API Key {key} is not in usage plan {plan}");
                return Err(StoreError::Missing(text));
            }
            Ok(())
        })
    }
}

/// The ids of all plans.
pub(super) fn ids(db: &Connection) -> Result<BTreeSet<String>, StoreError> {
    let mut statement = db.prepare_cached("SELECT id FROM plans")?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// The key is in the plan.
pub(super) fn has_key(db: &Connection, plan: &str, key: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM plan_keys WHERE plan = ?1 AND api_key = ?2";
    Ok(db.prepare_cached(sql)?.exists([plan, key])?)
}

/// Puts a key that is not in the plan into it.
pub(super) fn attach(db: &Connection, plan: &str, key: &str) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM plan_keys WHERE api_key = ?1";
    let count: usize = db.prepare_cached(sql)?.query_row([key], |row| row.get(0))?;
    if count >= PLANS_MAX {
        let text = format!("API Key {key} is in {PLANS_MAX} usage plans, the most there can be");
        return Err(StoreError::Conflict(text));
    }
    let mut statement = db.prepare_cached(
        "SELECT other.plan, other.api, other.stage
         FROM plan_stages mine
         JOIN plan_stages other ON other.api = mine.api AND other.stage = mine.stage
         JOIN plan_keys k ON k.plan = other.plan
         WHERE mine.plan = ?1 AND other.plan <> ?1 AND k.api_key = ?2 LIMIT 1",
    )?;
    refuse_clash(statement.query_row([plan, key], clash).optional()?, key)?;
    db.prepare_cached("INSERT INTO plan_keys (plan, api_key) VALUES (?1, ?2)")?
        .execute([plan, key])?;
    Ok(())
}

/// A plan in the way, with the stage that both contain.
fn clash(row: &Row<'_>) -> rusqlite::Result<(String, ApiStage)> {
    let (api, stage) = (row.get(1)?, row.get(2)?);
    Ok((row.get(0)?, ApiStage { api, stage }))
}

fn refuse_clash(found: Option<(String, ApiStage)>, key: &str) -> Result<(), StoreError> {
    let Some((plan, ApiStage { api, stage })) = found else {
        return Ok(());
    };
    Err(StoreError::Conflict(format!(
        "API Key {key} is in usage plan {plan}, which contains API Stage {api}/{stage} too"
    )))
}

/// Writes a plan that is not there yet.
pub(super) fn insert(db: &Connection, id: &str, new: &NewPlan) -> Result<(), StoreError> {
    check_name(&new.name)?;
    keys::check_tags(&new.tags)?;
    db.execute(
        "INSERT INTO plans (id, name, description, product_code, tags) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            id,
            new.name,
            new.description,
            new.product_code,
            json!(new.tags).to_string()
        ],
    )?;
    if let Some(throttle) = new.throttle {
        set_throttle(db, id, Some(throttle))?;
    }
    if let Some(change) = &new.quota {
        set_quota(db, id, change)?;
    }
    new.stages
        .iter()
        .try_for_each(|stage| add_stage(db, id, stage))
}

/// The plan `id` with all that belongs to it.
pub(super) fn get(db: &Connection, id: &str) -> Result<UsagePlan, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT id, name, description, product_code, rate, burst, quota_limit, quota_offset,
             quota_period, tags FROM plans WHERE id = ?1",
    )?;
    let plan = statement.query_row([id], of_row).optional()?;
    let mut plan = plan.ok_or_else(missing)?;
    let mut statement = db.prepare_cached(
        "SELECT s.api, s.stage, m.method, m.rate, m.burst FROM plan_stages s
         LEFT JOIN plan_methods m ON m.plan = s.plan AND m.api = s.api AND m.stage = s.stage
         WHERE s.plan = ?1",
    )?;
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        let (api, stage) = (row.get(0)?, row.get(1)?);
        let methods = plan.stages.entry(ApiStage { api, stage }).or_default();
        if let Some(method) = row.get(2)? {
            let (rate_limit, burst_limit) = (row.get(3)?, row.get(4)?);
            methods.insert(
                method,
                Throttle {
                    rate_limit,
                    burst_limit,
                },
            );
        }
    }
    Ok(plan)
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<UsagePlan> {
    let (rate, burst): (Option<f64>, Option<u32>) = (row.get(4)?, row.get(5)?);
    let throttle = rate.zip(burst).map(|(rate_limit, burst_limit)| Throttle {
        rate_limit,
        burst_limit,
    });
    let (limit, offset): (Option<u64>, Option<u32>) = (row.get(6)?, row.get(7)?);
    let period: Option<String> = row.get(8)?;
    let period = period.and_then(|name| Period::parse(&name));
    let quota = limit.zip(offset).zip(period);
    let quota = quota.and_then(|((limit, offset), period)| Quota::new(limit, offset, period));
    let tags: String = row.get(9)?;
    Ok(UsagePlan {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        product_code: row.get(3)?,
        throttle,
        quota,
        stages: BTreeMap::new(),
        tags: serde_json::from_str(&tags).unwrap_or_default(),
    })
}

/// Makes one change of a plan that is there.
pub(super) fn apply(db: &Connection, id: &str, change: &PlanChange) -> Result<(), StoreError> {
    let set = |column: &str, text: Option<&str>| -> Result<(), StoreError> {
        let sql = format!("UPDATE plans SET {column} = ?2 WHERE id = ?1");
        db.execute(&sql, params![id, text])?;
        Ok(())
    };
    let filled = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
    match change {
        PlanChange::Name(name) => {
            check_name(name)?;
            set("name", Some(name))
        }
        PlanChange::Description(text) => set("description", filled(text).as_deref()),
        PlanChange::ProductCode(text) => set("product_code", filled(text).as_deref()),
        PlanChange::Throttle { rate, burst } => {
            let throttle = merged(get(db, id)?.throttle, *rate, *burst)?;
            set_throttle(db, id, Some(throttle))
        }
        PlanChange::NoThrottle => set_throttle(db, id, None),
        PlanChange::Quota(change) => set_quota(db, id, change),
        PlanChange::NoQuota => {
            let sql = "UPDATE plans SET quota_limit = NULL, quota_offset = NULL,
                           quota_period = NULL WHERE id = ?1";
            db.execute(sql, [id])?;
            Ok(())
        }
        PlanChange::Tags(changes) => {
            let mut tags = get(db, id)?.tags;
            keys::merge_tags(&mut tags, changes);
            keys::check_tags(&tags)?;
            set("tags", Some(&json!(tags).to_string()))
        }
        PlanChange::AddStage(stage) => add_stage(db, id, stage),
        PlanChange::RemoveStage(stage) => {
            let sql = "DELETE FROM plan_stages WHERE plan = ?1 AND api = ?2 AND stage = ?3";
            if db.execute(sql, [id, &stage.api, &stage.stage])? == 0 {
                return Err(missing_stage(id, stage));
            }
            Ok(())
        }
        PlanChange::Method {
            stage,
            method,
            rate,
            burst,
        } => {
            let before = methods_of(db, id, stage)?.get(method).copied();
            set_method(db, id, stage, method, merged(before, *rate, *burst)?)
        }
        PlanChange::NoMethod { stage, method } => {
            if !methods_of(db, id, stage)?.contains_key(method) {
                let text = format!("usage plan {id} has no throttle of its own for {method}");
                return Err(StoreError::Missing(text));
            }
            let sql = "DELETE FROM plan_methods
                       WHERE plan = ?1 AND api = ?2 AND stage = ?3 AND method = ?4";
            db.execute(sql, [id, &stage.api, &stage.stage, method])?;
            Ok(())
        }
        PlanChange::Methods { stage, throttles } => {
            methods_of(db, id, stage)?;
            let sql = "DELETE FROM plan_methods WHERE plan = ?1 AND api = ?2 AND stage = ?3";
            db.execute(sql, [id, &stage.api, &stage.stage])?;
            throttles
                .iter()
                .try_for_each(|(method, throttle)| set_method(db, id, stage, method, *throttle))
        }
    }
}

/// What is given, over what was there.
fn merged(
    before: Option<Throttle>,
    rate: Option<f64>,
    burst: Option<u32>,
) -> Result<Throttle, StoreError> {
    let rate = rate.or(before.map(|throttle| throttle.rate_limit));
    let burst = burst.or(before.map(|throttle| throttle.burst_limit));
    let (Some(rate_limit), Some(burst_limit)) = (rate, burst) else {
        return Err(StoreError::invalid("a throttle needs a rate and a burst"));
    };
    Ok(Throttle {
        rate_limit,
        burst_limit,
    })
}

fn set_throttle(db: &Connection, id: &str, throttle: Option<Throttle>) -> Result<(), StoreError> {
    throttle.map_or(Ok(()), |throttle| check_throttle(&throttle))?;
    let (rate, burst) = throttle.map(|it| (it.rate_limit, it.burst_limit)).unzip();
    let sql = "UPDATE plans SET rate = ?2, burst = ?3 WHERE id = ?1";
    db.execute(sql, params![id, rate, burst])?;
    Ok(())
}

fn set_quota(db: &Connection, id: &str, change: &QuotaChange) -> Result<(), StoreError> {
    let before = get(db, id)?.quota;
    let limit = change.limit.or(before.map(|quota| quota.limit));
    let period = match &change.period {
        Some(name) => Some(Period::parse(name).ok_or_else(|| {
            StoreError::Invalid(format!("the period {name:?} is none of DAY, WEEK, MONTH"))
        })?),
        None => before.map(|quota| quota.period),
    };
    let (Some(limit), Some(period)) = (limit, period) else {
        return Err(StoreError::invalid("a quota needs a limit and a period"));
    };
    // Another period counts from its own first day.
    let same = before.filter(|quota| quota.period == period);
    let offset = change
        .offset
        .or(same.map(|quota| quota.offset))
        .unwrap_or(0);
    if Quota::new(limit, offset, period).is_none() {
        let (name, max) = (period.as_str(), period.offset_max());
        return Err(StoreError::Invalid(match max {
            0 => format!("Usage Plan quota offset must be zero in the {name} period"),
            _ => {
                format!("Usage Plan quota offset must be between 0 and {max} in the {name} period")
            }
        }));
    }
    if limit > QUOTA_MAX {
        return Err(StoreError::Invalid(format!(
            "a quota's limit is at most {QUOTA_MAX}"
        )));
    }
    let sql = "UPDATE plans SET quota_limit = ?2, quota_offset = ?3, quota_period = ?4
               WHERE id = ?1";
    db.execute(sql, params![id, limit, offset, period.as_str()])?;
    Ok(())
}

fn add_stage(db: &Connection, id: &str, stage: &ApiStage) -> Result<(), StoreError> {
    let ApiStage { api, stage: name } = stage;
    if api.is_empty() || name.is_empty() || api.contains(':') || name.contains(':') {
        return Err(invalid_stage(id, stage));
    }
    let mut statement = db.prepare_cached(
        "SELECT other.plan, other.api, other.stage, k.api_key FROM plan_keys k
         JOIN plan_keys elsewhere ON elsewhere.api_key = k.api_key AND elsewhere.plan <> k.plan
         JOIN plan_stages other ON other.plan = elsewhere.plan
         WHERE k.plan = ?1 AND other.api = ?2 AND other.stage = ?3 LIMIT 1",
    )?;
    let found = statement
        .query_row([id, api, name], |row| {
            Ok((clash(row)?, row.get::<_, String>(3)?))
        })
        .optional()?;
    if let Some((found, key)) = found {
        refuse_clash(Some(found), &key)?;
    }
    let sql = "INSERT OR IGNORE INTO plan_stages (plan, api, stage) VALUES (?1, ?2, ?3)";
    if db.execute(sql, [id, api, name])? == 0 {
        let text = format!("usage plan {id} contains API Stage {api}/{name} already");
        return Err(StoreError::Conflict(text));
    }
    Ok(())
}

/// The throttles of single methods of a stage that the plan contains.
fn methods_of(
    db: &Connection,
    id: &str,
    stage: &ApiStage,
) -> Result<BTreeMap<String, Throttle>, StoreError> {
    let mut stages = get(db, id)?.stages;
    stages.remove(stage).ok_or_else(|| missing_stage(id, stage))
}

fn set_method(
    db: &Connection,
    id: &str,
    stage: &ApiStage,
    method: &str,
    throttle: Throttle,
) -> Result<(), StoreError> {
    check_throttle(&throttle)?;
    let verb = method.rsplit_once('/').map(|(_, verb)| verb);
    if !method.starts_with('/') || !verb.is_some_and(|verb| VERBS.contains(&verb)) {
        return Err(StoreError::invalid(format!(
            "{method:?} is no path with a method behind it, as in /pets/GET"
        )));
    }
    db.prepare_cached(
        "INSERT INTO plan_methods (plan, api, stage, method, rate, burst)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET rate = excluded.rate, burst = excluded.burst",
    )?
    .execute(params![
        id,
        stage.api,
        stage.stage,
        method,
        throttle.rate_limit,
        throttle.burst_limit
    ])?;
    Ok(())
}

fn check_throttle(throttle: &Throttle) -> Result<(), StoreError> {
    let rate = Rate::new(throttle.rate_limit, throttle.burst_limit);
    rate.map(|_| ())
        .map_err(|fault| StoreError::Invalid(fault.to_string()))
}

fn quota_json(quota: &Quota) -> Value {
    json!({"limit": quota.limit, "offset": quota.offset, "period": quota.period.as_str()})
}

fn check_name(name: &str) -> Result<(), StoreError> {
    if name.is_empty() || name.chars().count() > 1024 {
        return Err(StoreError::invalid(
            "a usage plan's name has 1 to 1024 characters",
        ));
    }
    Ok(())
}

pub(super) fn missing() -> StoreError {
    StoreError::Missing("Invalid Usage Plan ID specified".to_owned())
}

fn missing_stage(id: &str, stage: &ApiStage) -> StoreError {
    StoreError::Missing(stage_text(id, stage))
}

fn invalid_stage(id: &str, stage: &ApiStage) -> StoreError {
    StoreError::Invalid(stage_text(id, stage))
}

/// Nothing is served there.
pub(super) fn unknown_stage(id: &str, stage: &ApiStage) -> StoreError {
    missing_stage(id, stage)
}

fn stage_text(id: &str, ApiStage { api, stage }: &ApiStage) -> String {
    format!("Invalid API Stage {{api: {api}, stage: {stage}}} specified for usageplan {id}")
}

/// Plans that a key can be in.
pub(super) const PLANS_MAX: usize = 10;
/// The verbs of a REST API's methods.
const VERBS: &[&str] = &[
    "GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY",
];
/// Of a window: no counter of ours overflows by it.
const QUOTA_MAX: u64 = 1 << 50;
