//! API keys: who calls.
//!
//! Shape: [`ApiKey`] is a record, [`NewKey`] what it is made of, [`KeyChange`] what can be changed.
//! A value is sealed in the store and found by its tag; it is shown where somebody asks for it by
//! name, and in no debug text. Units: wall seconds; characters. Ranges: values of 20 to 128 visible
//! ASCII characters, names of at most 1,024 characters. Errors: [`StoreError`] with the texts of API
//! Gateway where it has them. Source: API Gateway, "Create an API key".

use std::{collections::BTreeMap, fmt};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate_edge::base::time::Wall;
use zeroize::Zeroizing;

use super::{Store, StoreError, ids, period::second_at, plans, vault::Vault};

/// A key's value; no debug text has it.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub struct KeyValue(Zeroizing<String>);

impl From<String> for KeyValue {
    fn from(text: String) -> KeyValue {
        KeyValue::new(text)
    }
}

impl From<KeyValue> for String {
    fn from(value: KeyValue) -> String {
        value.text().to_owned()
    }
}

impl KeyValue {
    /// Of its text.
    #[must_use]
    pub fn new(text: String) -> KeyValue {
        KeyValue(Zeroizing::new(text))
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyValue")
    }
}

/// A key as the store has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    /// 10 lower-case letters and digits, or what a declaration gave.
    pub id: String,
    /// Not unique.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The customer in another system.
    pub customer_id: Option<String>,
    /// Calls with it are let in.
    pub enabled: bool,
    /// When it was made.
    pub created_s: i64,
    /// When it was changed last.
    pub updated_s: i64,
    /// Free names and values.
    pub tags: BTreeMap<String, String>,
    /// Only where it was asked for.
    pub value: Option<KeyValue>,
}

/// What a key is made of.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewKey {
    /// Not unique.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The customer in another system.
    pub customer_id: Option<String>,
    /// Calls with it are let in.
    pub enabled: bool,
    /// Free names and values.
    pub tags: BTreeMap<String, String>,
    /// `None`: 40 random characters.
    pub value: Option<KeyValue>,
}

/// What is to be different; `None` leaves it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyChange {
    /// Not unique.
    pub name: Option<String>,
    /// Empty takes it away.
    pub description: Option<String>,
    /// Empty takes it away.
    pub customer_id: Option<String>,
    /// Calls with it are let in.
    pub enabled: Option<bool>,
    /// Names and values to set; an empty value takes the name away.
    pub tags: BTreeMap<String, String>,
}

/// Which keys to list.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyFilter {
    /// Names that begin so; case counts.
    pub name_prefix: Option<String>,
    /// Of this customer.
    pub customer_id: Option<String>,
    /// In this usage plan.
    pub plan: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

impl ApiKey {
    /// As API Gateway shows it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut object = json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "customerId": self.customer_id,
            "enabled": self.enabled,
            "createdDate": self.created_s,
            "lastUpdatedDate": self.updated_s,
            "tags": self.tags,
        });
        if let (Some(value), Some(object)) = (&self.value, object.as_object_mut()) {
            object.insert("value".to_owned(), json!(value.text()));
        }
        object
    }
}

impl Store {
    /// Makes a key; the answer holds its value.
    ///
    /// # Errors
    /// A value, name or tag that cannot be, or a value that another key has.
    pub fn create_key(&mut self, new: &NewKey, now: Wall) -> Result<ApiKey, StoreError> {
        self.create_key_in(new, &[], now)
    }

    /// Makes a key and puts it into `plans`, all or nothing.
    ///
    /// # Errors
    /// As [`Store::create_key`] and [`Store::attach_key`].
    pub fn create_key_in(
        &mut self,
        new: &NewKey,
        plans: &[String],
        now: Wall,
    ) -> Result<ApiKey, StoreError> {
        let id = ids::id()?;
        let value = match &new.value {
            Some(value) => value.clone(),
            None => KeyValue(ids::value()?),
        };
        self.write(|db, vault| {
            insert(db, vault, &id, new, &value, now)?;
            for plan in plans {
                plans::get(db, plan)?;
                plans::attach(db, plan, &id)?;
            }
            let key = get(db, &id)?;
            Ok(ApiKey {
                value: Some(value),
                ..key
            })
        })
    }

    /// The key `id`; `with_value`: its value too.
    ///
    /// # Errors
    /// There is none.
    pub fn key(&self, id: &str, with_value: bool) -> Result<ApiKey, StoreError> {
        let mut key = get(&self.db, id)?;
        if with_value {
            key.value = Some(value_of(&self.db, &self.vault, id)?);
        }
        Ok(key)
    }

    /// The keys that `filter` lets through, the newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn keys(&self, filter: &KeyFilter, with_values: bool) -> Result<Vec<ApiKey>, StoreError> {
        let limit = filter.limit.map_or(-1, i64::from);
        // No index on names: whoever lists keys reads them.
        let sql = "SELECT id, name, description, customer_id, enabled, created_s, updated_s, tags
             FROM api_keys k
             WHERE (?1 IS NULL OR substr(name, 1, length(?1)) = ?1)
               AND (?2 IS NULL OR customer_id = ?2)
               AND (?3 IS NULL OR EXISTS
                    (SELECT 1 FROM plan_keys p WHERE p.api_key = k.id AND p.plan = ?3))
             ORDER BY number DESC LIMIT ?4";
        let mut statement = self.db.prepare_cached(sql)?;
        let given = params![filter.name_prefix, filter.customer_id, filter.plan, limit];
        let keys = statement.query_map(given, of_row)?;
        let mut keys = keys.collect::<Result<Vec<ApiKey>, _>>()?;
        if with_values {
            for key in &mut keys {
                key.value = Some(value_of(&self.db, &self.vault, &key.id)?);
            }
        }
        Ok(keys)
    }

    /// Changes the key `id`.
    ///
    /// # Errors
    /// There is none, or the change cannot be.
    pub fn update_key(
        &mut self,
        id: &str,
        change: &KeyChange,
        now: Wall,
    ) -> Result<ApiKey, StoreError> {
        self.write(|db, _| {
            let mut key = get(db, id)?;
            if let Some(name) = &change.name {
                key.name.clone_from(name);
            }
            let cleared = |text: &String| (!text.is_empty()).then(|| text.clone());
            if let Some(text) = &change.description {
                key.description = cleared(text);
            }
            if let Some(text) = &change.customer_id {
                key.customer_id = cleared(text);
            }
            key.enabled = change.enabled.unwrap_or(key.enabled);
            merge_tags(&mut key.tags, &change.tags);
            check_texts(&key.name, &key.tags)?;
            db.execute(
                "UPDATE api_keys SET name = ?2, description = ?3, customer_id = ?4, enabled = ?5,
                     tags = ?6, updated_s = ?7 WHERE id = ?1",
                params![
                    id,
                    key.name,
                    key.description,
                    key.customer_id,
                    key.enabled,
                    json!(key.tags).to_string(),
                    second_at(now)
                ],
            )?;
            get(db, id)
        })
    }

    /// Takes the key `id` away, and out of its plans. What it used stays written.
    ///
    /// # Errors
    /// There is none.
    pub fn delete_key(&mut self, id: &str) -> Result<(), StoreError> {
        self.write(|db, _| {
            if db.execute("DELETE FROM api_keys WHERE id = ?1", [id])? == 0 {
                return Err(missing());
            }
            Ok(())
        })
    }

    /// The id of the key that has `value`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn id_of_value(&self, value: &KeyValue) -> Result<Option<String>, StoreError> {
        id_of_tag(&self.db, &self.vault.tag(value.text())?)
    }
}

/// Writes a key that is not there yet.
pub(super) fn insert(
    db: &Connection,
    vault: &Vault,
    id: &str,
    new: &NewKey,
    value: &KeyValue,
    now: Wall,
) -> Result<(), StoreError> {
    check_value(value.text(), CREATE_CHARS_MIN)?;
    check_texts(&new.name, &new.tags)?;
    let tag = vault.tag(value.text())?;
    if id_of_tag(db, &tag)?.is_some() {
        return Err(StoreError::Conflict("API Key already exists".to_owned()));
    }
    let mut statement = db.prepare_cached(
        "INSERT INTO api_keys (id, tag, sealed, name, description, customer_id, enabled,
             created_s, updated_s, tags) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)",
    )?;
    statement.execute(params![
        id,
        tag,
        vault.seal(id, value.text())?,
        new.name,
        new.description,
        new.customer_id,
        new.enabled,
        second_at(now),
        json!(new.tags).to_string(),
    ])?;
    Ok(())
}

/// Gives a key that is there another value.
pub(super) fn set_value(
    db: &Connection,
    vault: &Vault,
    id: &str,
    value: &KeyValue,
) -> Result<(), StoreError> {
    let tag = vault.tag(value.text())?;
    if id_of_tag(db, &tag)?.is_some_and(|other| other != id) {
        return Err(StoreError::Conflict("API Key already exists".to_owned()));
    }
    let sealed = vault.seal(id, value.text())?;
    let sql = "UPDATE api_keys SET tag = ?2, sealed = ?3 WHERE id = ?1";
    db.execute(sql, params![id, tag, sealed])?;
    Ok(())
}

/// The key `id` without its value.
pub(super) fn get(db: &Connection, id: &str) -> Result<ApiKey, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT id, name, description, customer_id, enabled, created_s, updated_s, tags
         FROM api_keys WHERE id = ?1",
    )?;
    let found = statement.query_row([id], of_row).optional()?;
    found.ok_or_else(missing)
}

pub(super) fn id_of_tag(db: &Connection, tag: &[u8]) -> Result<Option<String>, StoreError> {
    let mut statement = db.prepare_cached("SELECT id FROM api_keys WHERE tag = ?1")?;
    let found = statement.query_row([tag], |row| row.get(0)).optional()?;
    Ok(found)
}

fn value_of(db: &Connection, vault: &Vault, id: &str) -> Result<KeyValue, StoreError> {
    let mut statement = db.prepare_cached("SELECT sealed FROM api_keys WHERE id = ?1")?;
    let sealed: Vec<u8> = statement.query_row([id], |row| row.get(0))?;
    vault.open(id, &sealed).map(KeyValue)
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let tags: String = row.get(7)?;
    Ok(ApiKey {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        customer_id: row.get(3)?,
        enabled: row.get(4)?,
        created_s: row.get(5)?,
        updated_s: row.get(6)?,
        tags: serde_json::from_str(&tags).unwrap_or_default(),
        value: None,
    })
}

pub(super) fn missing() -> StoreError {
    StoreError::Missing("Invalid API Key identifier specified".to_owned())
}

/// A value can be sent in a header field and is long enough to be hard to guess.
pub(super) fn check_value(value: &str, chars_min: usize) -> Result<(), StoreError> {
    if value.len() < chars_min {
        return Err(StoreError::Invalid(format!(
            "API Key value should be at least {chars_min} characters"
        )));
    }
    if value.len() > VALUE_CHARS_MAX {
        return Err(StoreError::invalid(
            "API Key value exceeds maximum size of 128 characters",
        ));
    }
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(StoreError::invalid(
            "API Key value has characters other than visible ASCII",
        ));
    }
    Ok(())
}

/// What people write beside it stays within bounds.
pub(super) fn check_texts(name: &str, tags: &BTreeMap<String, String>) -> Result<(), StoreError> {
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(StoreError::invalid(
            "Invalid API Key name, can be at most 1024 characters.",
        ));
    }
    check_tags(tags)
}

/// As many tags, and as long ones, as API Gateway takes.
pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), StoreError> {
    let fits = |(name, value): (&String, &String)| {
        (1..=128).contains(&name.chars().count()) && value.chars().count() <= 256
    };
    if tags.len() > 50 || !tags.iter().all(fits) {
        return Err(StoreError::invalid(
            "at most 50 tags, with names of 1 to 128 and values of at most 256 characters",
        ));
    }
    Ok(())
}

/// Sets `changes`; an empty value takes its name away.
pub(super) fn merge_tags(tags: &mut BTreeMap<String, String>, changes: &BTreeMap<String, String>) {
    for (name, value) in changes {
        if value.is_empty() {
            tags.remove(name);
        } else {
            tags.insert(name.clone(), value.clone());
        }
    }
}

/// Of a value that is given at a key's creation.
pub(super) const CREATE_CHARS_MIN: usize = 20;
/// Of a value that is imported.
pub(super) const IMPORT_CHARS_MIN: usize = 30;
const VALUE_CHARS_MAX: usize = 128;
const NAME_CHARS_MAX: usize = 1024;
