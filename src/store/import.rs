//! API keys out of a CSV file.
//!
//! ```text
//! Name,key,description,Enabled,usageplanIds
//! Client A,abcdef1234ghijklmnop8901234567,first,TRUE,"p1,p2"
//! ```
//!
//! What it is: the header's names come in any order and any case; `Name` and `Key` must be there,
//! other columns are passed over. Every bad line is reported with its number, and one of them leaves
//! the store as it was: all is one transaction. A value that the store has already is not a fault:
//! its key gets what the line says. What a line asks for and does not get, a plan that is not there,
//! is a warning. Shape: [`ImportOptions`] and bytes in, [`Imported`] out. Units: lines count from 1,
//! the header is one. Ranges: values of 30 to 128 characters. Errors: one text that names up to
//! `FAULTS_SHOWN` lines. Source: API Gateway, "API key file format".

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate_edge::base::{text::counted, time::Wall};

use super::{
    Store, StoreError, csv, ids,
    keys::{self, IMPORT_CHARS_MIN, KeyValue, NewKey},
    period::second_at,
    plans,
    vault::{TAG_BYTES, Vault},
};

/// How to import.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportOptions {
    /// A warning is a reason to import nothing.
    pub fail_on_warnings: bool,
}

/// What an import did.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Imported {
    /// Of every line, in their order.
    pub ids: Vec<String>,
    /// How many of them were there before.
    pub updated: usize,
    /// What was asked for and not done.
    pub warnings: Vec<String>,
}

impl Imported {
    /// As API Gateway shows it, with the number of keys that were there before.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({"ids": self.ids, "warnings": self.warnings, "updated": self.updated})
    }
}

/// A line that can be imported.
struct Line {
    number: usize,
    key: NewKey,
    value: KeyValue,
    plans: Vec<String>,
}

impl Store {
    /// Imports the keys of `csv`, all of them or none.
    ///
    /// # Errors
    /// Every bad line with its number.
    pub fn import(
        &mut self,
        csv: &[u8],
        options: ImportOptions,
        now: Wall,
    ) -> Result<Imported, StoreError> {
        let lines = read(csv, &self.vault)?;
        self.write(|db, vault| {
            let mut imported = Imported::default();
            let known = plans::ids(db)?;
            for line in &lines {
                let (id, is_new) = put(db, vault, line, now)?;
                for plan in &line.plans {
                    if let Some(reason) = join(db, &known, plan, &id)? {
                        let warning = format!("line {}: {reason}", line.number);
                        imported.warnings.push(warning);
                    }
                }
                imported.updated += usize::from(!is_new);
                imported.ids.push(id);
            }
            if options.fail_on_warnings && !imported.warnings.is_empty() {
                return Err(refusal(&imported.warnings));
            }
            Ok(imported)
        })
    }
}

/// Writes the key of `line`; gives its id and whether it is new.
fn put(
    db: &Connection,
    vault: &Vault,
    line: &Line,
    now: Wall,
) -> Result<(String, bool), StoreError> {
    if let Some(id) = keys::id_of_tag(db, &vault.tag(line.value.text())?)? {
        let mut statement = db.prepare_cached(
            "UPDATE api_keys SET name = ?2, description = coalesce(?3, description), enabled = ?4,
                 updated_s = ?5 WHERE id = ?1",
        )?;
        let key = &line.key;
        statement.execute(params![
            id,
            key.name,
            key.description,
            key.enabled,
            second_at(now)
        ])?;
        return Ok((id, false));
    }
    let id = ids::id()?;
    keys::insert(db, vault, &id, &line.key, &line.value, now)?;
    Ok((id, true))
}

/// All lines, or what is wrong with which.
fn read(text: &[u8], vault: &Vault) -> Result<Vec<Line>, StoreError> {
    let mut records = csv::records(text);
    let header = records.next().map(|record| record.fields);
    let header = match header {
        None => Err("the file is empty".to_owned()),
        Some(Err(fault)) => Err(fault.to_owned()),
        Some(Ok(names)) => Header::of(&names),
    };
    let header = header.map_err(|fault| refusal(&[format!("line 1: {fault}")]))?;
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<[u8; TAG_BYTES], usize> = BTreeMap::new();
    for record in records {
        let fields = record.fields.map_err(str::to_owned);
        match fields.and_then(|fields| header.line(record.line, &fields)) {
            Err(fault) => faults.push(format!("line {}: {fault}", record.line)),
            Ok(line) => {
                let tag = vault.tag(line.value.text())?;
                let first = *seen.entry(tag).or_insert(record.line);
                if first != record.line {
                    faults.push(format!(
                        "line {}: the same key as on line {first}",
                        record.line
                    ));
                }
                lines.push(line);
            }
        }
    }
    if faults.is_empty() {
        Ok(lines)
    } else {
        Err(refusal(&faults))
    }
}

/// Puts the key into the plan; gives why it is not in it.
fn join(
    db: &Connection,
    known: &BTreeSet<String>,
    plan: &str,
    id: &str,
) -> Result<Option<String>, StoreError> {
    if !known.contains(plan) {
        return Ok(Some(format!("there is no usage plan {plan}")));
    }
    if plans::has_key(db, plan, id)? {
        return Ok(None);
    }
    match plans::attach(db, plan, id) {
        Ok(()) => Ok(None),
        Err(StoreError::Conflict(reason)) => Ok(Some(reason)),
        Err(error) => Err(error),
    }
}

/// One text for all faults.
fn refusal(faults: &[String]) -> StoreError {
    let mut text = format!("nothing was imported, {} faults:", faults.len());
    if faults.len() == 1 {
        text = "nothing was imported:".to_owned();
    }
    for fault in faults.iter().take(FAULTS_SHOWN) {
        text.push_str("\n  ");
        text.push_str(fault);
    }
    if faults.len() > FAULTS_SHOWN {
        text.push_str(&format!("\n  and {} more", faults.len() - FAULTS_SHOWN));
    }
    StoreError::Invalid(text)
}

/// Where each column is.
struct Header {
    columns: usize,
    name: usize,
    key: usize,
    description: Option<usize>,
    enabled: Option<usize>,
    plans: Option<usize>,
}

impl Header {
    fn of(names: &[std::borrow::Cow<'_, str>]) -> Result<Header, String> {
        let place = |wanted: &str| {
            let mut found = names
                .iter()
                .enumerate()
                .filter(|(_, name)| name.trim().eq_ignore_ascii_case(wanted));
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => Err(format!("the column {wanted} stands there twice")),
                (first, None) => Ok(first.map(|(at, _)| at)),
                (None, Some(_)) => Ok(None),
            }
        };
        let needed = |wanted: &str| {
            place(wanted)?.ok_or_else(|| format!("the header has no column {wanted}"))
        };
        Ok(Header {
            columns: names.len(),
            name: needed("Name")?,
            key: needed("Key")?,
            description: place("Description")?,
            enabled: place("Enabled")?,
            plans: place("UsagePlanIds")?,
        })
    }

    fn line(&self, number: usize, fields: &[std::borrow::Cow<'_, str>]) -> Result<Line, String> {
        if fields.len() != self.columns {
            let (has, wants) = (counted(fields.len(), "field"), self.columns);
            return Err(format!("it has {has}, and the header {wants}"));
        }
        let field = |at: usize| fields.get(at).map_or("", AsRef::as_ref);
        let optional = |at: Option<usize>| at.map(field).unwrap_or_default();
        let description = Some(optional(self.description)).filter(|text| !text.is_empty());
        let key = NewKey {
            name: field(self.name).to_owned(),
            description: description.map(str::to_owned),
            enabled: enabled(optional(self.enabled).trim())?,
            ..NewKey::default()
        };
        if key.name.is_empty() {
            return Err("the name is empty".to_owned());
        }
        let value = KeyValue::new(field(self.key).to_owned());
        keys::check_value(value.text(), IMPORT_CHARS_MIN).map_err(|error| error.to_string())?;
        keys::check_texts(&key.name, &key.tags).map_err(|error| error.to_string())?;
        let plans = optional(self.plans).split(',').map(str::trim);
        let plans = plans.filter(|plan| !plan.is_empty()).map(str::to_owned);
        Ok(Line {
            number,
            key,
            value,
            plans: plans.collect(),
        })
    }
}

fn enabled(text: &str) -> Result<bool, String> {
    match text {
        "" => Ok(true),
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(format!("Enabled is {text:?}, not TRUE or FALSE")),
    }
}

/// Lines that one message names: more than any screen, less than an answer's bound.
pub(super) const FAULTS_SHOWN: usize = 100_000;
