//! Keys and plans that the settings declare.
//!
//! What it is: at every start and reload the declared records are made as they are declared; a
//! second time changes nothing. What is no longer declared stays, for orders may have built on it:
//! it is taken away by order. Shape: [`Seeds`] are resolved from the settings, with values from
//! files and the environment; [`Store::seed`] writes them as one. Units: none. Errors:
//! [`SeedFault`] with the pointer into the settings; [`StoreError`] from writing. Source:
//! docs/usage-plans.md.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path};

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use tidegate_edge::{
    base::time::Wall,
    limits::Id,
    model::settings::{ApiKey, PlanQuota, PlanThrottle, Settings, UsagePlan},
};

use super::{
    Store, StoreError,
    keys::{self, KeyValue, NewKey},
    period::second_at,
    plans::{self, ApiStage, NewPlan, PlanChange, QuotaChange, Throttle},
    vault::Vault,
};

/// What the settings declare, ready to be written.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Seeds {
    plans: Vec<SeedPlan>,
    keys: Vec<SeedKey>,
}

/// A declared plan.
#[derive(Clone, PartialEq, Debug)]
struct SeedPlan {
    id: String,
    plan: NewPlan,
    methods: Vec<(ApiStage, BTreeMap<String, Throttle>)>,
}

/// A declared key.
#[derive(Clone, PartialEq, Debug)]
struct SeedKey {
    id: String,
    key: NewKey,
    value: KeyValue,
    plans: Vec<String>,
}

/// A declaration that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SeedFault {
    /// JSON pointer into the settings.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl Seeds {
    /// Nothing is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plans.is_empty() && self.keys.is_empty()
    }

    /// Those of `settings`; values are read from their files and from `environment`.
    ///
    /// # Errors
    /// Every declaration that cannot be used.
    pub fn of(
        settings: &Settings,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Seeds, Vec<SeedFault>> {
        let (mut seeds, mut faults) = (Seeds::default(), Vec::new());
        let mut note = |kind: &str, index: usize, (field, message): (&str, String)| {
            let pointer = match field {
                "" => format!("/{kind}/{index}"),
                field => format!("/{kind}/{index}/{field}"),
            };
            faults.push(SeedFault { pointer, message });
        };
        for (index, plan) in settings.usage_plans.iter().enumerate() {
            let twice = seeds.plans.iter().any(|other| other.id == plan.id);
            match check_id(&plan.id, twice) {
                Ok(()) => seeds.plans.push(seed_plan(plan)),
                Err(message) => note("usage_plans", index, ("id", message)),
            }
        }
        for (index, key) in settings.api_keys.iter().enumerate() {
            let twice = seeds.keys.iter().any(|other| other.id == key.id);
            let seed = check_id(&key.id, twice)
                .map_err(|message| ("id", message))
                .and_then(|()| seed_key(key, &environment));
            match seed {
                Ok(seed) => seeds.keys.push(seed),
                Err(fault) => note("api_keys", index, fault),
            }
        }
        if faults.is_empty() {
            Ok(seeds)
        } else {
            Err(faults)
        }
    }
}

impl Store {
    /// Makes everything as it is declared, all or nothing; gives how many records that changed.
    ///
    /// # Errors
    /// A declaration contradicts what is there.
    pub fn seed(&mut self, seeds: &Seeds, now: Wall) -> Result<usize, StoreError> {
        self.write(|db, vault| {
            let mut changed = 0;
            for plan in &seeds.plans {
                let named = |error| within("usage plan", &plan.id, error);
                changed += usize::from(put_plan(db, plan).map_err(named)?);
            }
            for key in &seeds.keys {
                let named = |error| within("API key", &key.id, error);
                changed += usize::from(put_key(db, vault, key, now).map_err(named)?);
            }
            Ok(changed)
        })
    }
}

/// Says which declaration an error is about.
fn within(kind: &str, id: &str, error: StoreError) -> StoreError {
    let named = |text: String| format!("the declared {kind} {id}: {text}");
    match error {
        StoreError::Invalid(text) => StoreError::Invalid(named(text)),
        StoreError::Missing(text) => StoreError::Missing(named(text)),
        StoreError::Conflict(text) => StoreError::Conflict(named(text)),
        other => other,
    }
}

/// Writes a plan; says whether anything is different.
fn put_plan(db: &Connection, seed: &SeedPlan) -> Result<bool, StoreError> {
    let before = match plans::get(db, &seed.id) {
        Ok(plan) => Some(plan),
        Err(StoreError::Missing(_)) => None,
        Err(error) => return Err(error),
    };
    if let Some(before) = &before {
        let text =
            |text: &Option<String>| PlanChange::Description(text.clone().unwrap_or_default());
        let mut changes = vec![
            PlanChange::Name(seed.plan.name.clone()),
            text(&seed.plan.description),
            seed.plan
                .throttle
                .map_or(PlanChange::NoThrottle, |throttle| {
                    let (rate, burst) = (throttle.rate_limit, throttle.burst_limit);
                    PlanChange::Throttle {
                        rate: Some(rate),
                        burst: Some(burst),
                    }
                }),
            seed.plan
                .quota
                .clone()
                .map_or(PlanChange::NoQuota, PlanChange::Quota),
        ];
        let wanted = &seed.plan.stages;
        let gone = before.stages.keys().filter(|stage| !wanted.contains(stage));
        changes.extend(gone.cloned().map(PlanChange::RemoveStage));
        let fresh = wanted
            .iter()
            .filter(|stage| !before.stages.contains_key(stage));
        changes.extend(fresh.cloned().map(PlanChange::AddStage));
        for change in &changes {
            plans::apply(db, &seed.id, change)?;
        }
    } else {
        plans::insert(db, &seed.id, &seed.plan)?;
    }
    for (stage, throttles) in &seed.methods {
        let (stage, throttles) = (stage.clone(), throttles.clone());
        plans::apply(db, &seed.id, &PlanChange::Methods { stage, throttles })?;
    }
    Ok(before != Some(plans::get(db, &seed.id)?))
}

/// Writes a key; says whether anything is different.
fn put_key(db: &Connection, vault: &Vault, seed: &SeedKey, now: Wall) -> Result<bool, StoreError> {
    let tag = vault.tag(seed.value.text())?;
    let sql = "SELECT tag FROM api_keys WHERE id = ?1";
    let before: Option<Vec<u8>> = db
        .prepare_cached(sql)?
        .query_row([&seed.id], |row| row.get(0))
        .optional()?;
    let mut changed = false;
    match before {
        None => {
            keys::insert(db, vault, &seed.id, &seed.key, &seed.value, now)?;
            changed = true;
        }
        Some(before) => {
            if before != tag {
                keys::set_value(db, vault, &seed.id, &seed.value)?;
                changed = true;
            }
            let (old, new) = (keys::get(db, &seed.id)?, &seed.key);
            let as_before = old.name == new.name
                && old.description == new.description
                && old.customer_id == new.customer_id
                && old.enabled == new.enabled;
            if changed || !as_before {
                keys::check_texts(&new.name, &new.tags)?;
                db.execute(
                    "UPDATE api_keys SET name = ?2, description = ?3, customer_id = ?4,
                         enabled = ?5, updated_s = ?6 WHERE id = ?1",
                    params![
                        seed.id,
                        new.name,
                        new.description,
                        new.customer_id,
                        new.enabled,
                        second_at(now)
                    ],
                )?;
                changed = true;
            }
        }
    }
    for plan in &seed.plans {
        plans::get(db, plan)?;
        if !plans::has_key(db, plan, &seed.id)? {
            plans::attach(db, plan, &seed.id)?;
            changed = true;
        }
    }
    Ok(changed)
}

fn check_id(id: &str, twice: bool) -> Result<(), String> {
    if Id::parse(id).is_none() {
        let text = json!(id);
        return Err(format!(
            "an id has 1 to 12 lower-case letters and digits, {text} has not"
        ));
    }
    if twice {
        return Err(format!("{id} stands there twice"));
    }
    Ok(())
}

fn throttle(given: &PlanThrottle) -> Throttle {
    Throttle {
        rate_limit: given.rate_limit,
        burst_limit: given.burst_limit,
    }
}

fn quota(given: &PlanQuota) -> QuotaChange {
    QuotaChange {
        limit: Some(given.limit),
        offset: Some(given.offset),
        period: Some(given.period.clone()),
    }
}

fn seed_plan(given: &UsagePlan) -> SeedPlan {
    let stages = given.api_stages.iter().map(|stage| {
        let throttles = stage.throttle.iter();
        let throttles = throttles.map(|(method, given)| (method.clone(), throttle(given)));
        let place = ApiStage {
            api: stage.api.clone(),
            stage: stage.stage.clone(),
        };
        (place, throttles.collect())
    });
    let methods: Vec<(ApiStage, BTreeMap<String, Throttle>)> = stages.collect();
    SeedPlan {
        id: given.id.clone(),
        plan: NewPlan {
            name: given.name.clone().unwrap_or_else(|| given.id.clone()),
            description: given.description.clone(),
            throttle: given.throttle.as_ref().map(throttle),
            quota: given.quota.as_ref().map(quota),
            stages: methods.iter().map(|(stage, _)| stage.clone()).collect(),
            ..NewPlan::default()
        },
        methods,
    }
}

fn seed_key(
    given: &ApiKey,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<SeedKey, (&'static str, String)> {
    let value = match (&given.value_file, &given.value_env) {
        (Some(file), None) => read_value(file).map_err(|message| ("value_file", message))?,
        (None, Some(name)) => environment(name).ok_or_else(|| {
            (
                "value_env",
                format!("the environment has no variable {name}"),
            )
        })?,
        (Some(_), Some(_)) => {
            return Err(("value_env", "the value has a file already".to_owned()));
        }
        (None, None) => {
            return Err((
                "",
                "the value's place is missing: value_file or value_env".to_owned(),
            ));
        }
    };
    let value = KeyValue::new(value);
    keys::check_value(value.text(), keys::CREATE_CHARS_MIN).map_err(|error| {
        let field = if given.value_file.is_some() {
            "value_file"
        } else {
            "value_env"
        };
        (field, error.to_string())
    })?;
    Ok(SeedKey {
        id: given.id.clone(),
        key: NewKey {
            name: given.name.clone().unwrap_or_else(|| given.id.clone()),
            description: given.description.clone(),
            customer_id: given.customer_id.clone(),
            enabled: given.enabled,
            ..NewKey::default()
        },
        value,
        plans: given.plans.clone(),
    })
}

/// The value alone in a file of its own; a line end behind it does not belong to it.
fn read_value(file: &Path) -> Result<String, String> {
    let fault = |error: std::io::Error| format!("{}: {error}", file.display());
    let facts = fs::metadata(file).map_err(fault)?;
    if facts.mode() & 0o077 != 0 {
        let file = file.display();
        return Err(format!(
            "{file} can be read by others; set its mode to 0600"
        ));
    }
    if facts.len() > FILE_BYTES_MAX {
        return Err(format!("{} is too long for a key", file.display()));
    }
    let text = fs::read_to_string(file).map_err(fault)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// More than any value.
const FILE_BYTES_MAX: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(value_env: &str) -> ApiKey {
        ApiKey {
            id: "k1".to_owned(),
            name: None,
            description: None,
            customer_id: None,
            enabled: true,
            value_file: None,
            value_env: Some(value_env.to_owned()),
            plans: Vec::new(),
        }
    }

    #[test]
    fn values_come_from_the_environment_and_faults_have_their_place() {
        let environment = |name: &str| match name {
            "GOOD" => Some("a-value-of-the-environment".to_owned()),
            "SHORT" => Some("short".to_owned()),
            _ => None,
        };
        let both = ApiKey {
            value_file: Some("f".into()),
            ..declared("GOOD")
        };
        let upper = ApiKey {
            id: "K1".to_owned(),
            ..declared("GOOD")
        };
        let rows = [
            (vec![declared("GOOD")], None),
            (
                vec![declared("NONE")],
                Some(("/api_keys/0/value_env", "no variable NONE")),
            ),
            (
                vec![declared("SHORT")],
                Some(("/api_keys/0/value_env", "at least 20")),
            ),
            (
                vec![both],
                Some(("/api_keys/0/value_env", "has a file already")),
            ),
            (vec![upper], Some(("/api_keys/0/id", "1 to 12 lower-case"))),
            (
                vec![declared("GOOD"), declared("GOOD")],
                Some(("/api_keys/1/id", "k1 stands there twice")),
            ),
        ];
        for (api_keys, expected) in rows {
            let settings = Settings {
                api_keys,
                ..Settings::default()
            };
            match (Seeds::of(&settings, environment), expected) {
                (Ok(seeds), None) => {
                    assert_eq!(seeds.keys.len(), 1);
                    assert!(
                        !format!("{seeds:?}").contains("a-value"),
                        "no debug text has it"
                    );
                }
                (Err(faults), Some((pointer, text))) => {
                    assert_eq!(faults[0].pointer, pointer);
                    assert!(faults[0].message.contains(text), "{}", faults[0].message);
                }
                (got, expected) => panic!("{got:?}, not {expected:?}"),
            }
        }
    }
}
