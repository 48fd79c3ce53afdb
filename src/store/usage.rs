//! What was used: one counter a plan, key and day, and the report of it.
//!
//! Shape: [`Report`], as JSON in API Gateway's shape or as CSV. Units: requests; UTC days. Ranges:
//! at most `DAYS_MAX` days apart. Errors: [`StoreError`]. Source: API Gateway, `GetUsage`.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{
    Store, StoreError,
    lease::{self, State, Wanted},
    period::{date_text, parse_date},
    plans::{self, UsagePlan},
};

/// What to report.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportOf {
    /// Id of the plan.
    pub plan: String,
    /// First day, as in `2025-04-01`.
    pub start: String,
    /// Last day.
    pub end: String,
    /// Only of this key.
    pub key: Option<String>,
}

/// Use by key and day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Id of the plan.
    pub plan: String,
    /// First day.
    pub start_day: i64,
    /// Last day.
    pub end_day: i64,
    /// By key, a pair a day: used, and remaining of the window where there is a quota.
    pub values: BTreeMap<String, Vec<(u64, Option<u64>)>>,
}

impl Report {
    /// As API Gateway shows it; `null` stands where there is no quota to remain.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "usagePlanId": self.plan,
            "startDate": date_text(self.start_day),
            "endDate": date_text(self.end_day),
            "values": self.values,
        })
    }
}

impl Store {
    /// Use in the days that `of` names.
    ///
    /// # Errors
    /// There is no such plan or key, or the days cannot be.
    pub fn report(&self, of: &ReportOf) -> Result<Report, StoreError> {
        let day = |text: &str| {
            let fault = || StoreError::Invalid(format!("{text:?} is no date as in 2025-04-01"));
            parse_date(text).ok_or_else(fault)
        };
        let (start_day, end_day) = (day(&of.start)?, day(&of.end)?);
        if start_day > end_day || end_day - start_day > DAYS_MAX {
            return Err(StoreError::Invalid(format!(
                "the last day is at most {DAYS_MAX} days behind the first one"
            )));
        }
        let plan = plans::get(&self.db, &of.plan)?;
        let mut keys = BTreeSet::new();
        match &of.key {
            Some(key) => {
                if !self.is_known(&of.plan, key)? {
                    let text = format!("API Key {key} is not in usage plan {}", of.plan);
                    return Err(StoreError::Missing(text));
                }
                keys.insert(key.clone());
            }
            None => {
                let mut statement = self.db.prepare_cached(
                    "SELECT DISTINCT api_key FROM usage
                     WHERE plan = ?1 AND day BETWEEN ?2 AND ?3",
                )?;
                let found =
                    statement.query_map(params![of.plan, start_day, end_day], |row| row.get(0))?;
                for key in found {
                    keys.insert(key?);
                }
            }
        }
        let mut values = BTreeMap::new();
        for key in keys {
            let days = days_of(&self.db, &plan, &key, start_day, end_day)?;
            values.insert(key, days);
        }
        Ok(Report {
            plan: of.plan.clone(),
            start_day,
            end_day,
            values,
        })
    }

    /// The key is in the plan, or was.
    fn is_known(&self, plan: &str, key: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM usage WHERE plan = ?1 AND api_key = ?2";
        let was = self.db.prepare_cached(sql)?.exists([plan, key])?;
        Ok(was || plans::has_key(&self.db, plan, key)?)
    }
}

/// Adds to the counter of a day.
pub(super) fn add(
    db: &Connection,
    plan: &str,
    key: &str,
    day: i64,
    used: u64,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO usage (plan, api_key, day, used) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET used = used + excluded.used",
    )?
    .execute(params![plan, key, day, used])?;
    Ok(())
}

/// A pair a day. What remains is the window's total without what was used up to that day and what
/// was lost with leases.
fn days_of(
    db: &Connection,
    plan: &UsagePlan,
    key: &str,
    start_day: i64,
    end_day: i64,
) -> Result<Vec<(u64, Option<u64>)>, StoreError> {
    let mut days = Vec::new();
    let mut window = None;
    let (mut total, mut cumulative) = (0, 0);
    for day in start_day..=end_day {
        let used = used_between(db, &plan.id, key, day, day + 1)?;
        let Some((limit, of_day)) = lease::limit_at(plan, day) else {
            days.push((used, None));
            continue;
        };
        if window != Some(of_day) {
            window = Some(of_day);
            let wanted = Wanted {
                plan: &plan.id,
                key,
            };
            let state = State::of(db, wanted, of_day.number)?;
            let all = used_between(db, &plan.id, key, of_day.first_day, of_day.end_day)?;
            let known = state.granted.saturating_sub(state.outstanding);
            total = lease::total(limit, state.extra).saturating_sub(known.saturating_sub(all));
            cumulative = used_between(db, &plan.id, key, of_day.first_day, day)?;
        }
        cumulative += used;
        days.push((used, Some(total.saturating_sub(cumulative))));
    }
    Ok(days)
}

/// Use from the first day on, before the other.
fn used_between(
    db: &Connection,
    plan: &str,
    key: &str,
    first_day: i64,
    end_day: i64,
) -> Result<u64, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT coalesce(sum(used), 0) FROM usage
         WHERE plan = ?1 AND api_key = ?2 AND day >= ?3 AND day < ?4",
    )?;
    let used = statement.query_row(params![plan, key, first_day, end_day], |row| row.get(0))?;
    Ok(used)
}

/// Days that one report covers.
const DAYS_MAX: i64 = 90;
