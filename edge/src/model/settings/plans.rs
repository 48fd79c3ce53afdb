//! Usage plans and API keys that the settings declare.
//!
//! Shape: [`UsagePlan`] and [`ApiKey`] mirror `[[usage_plans]]` and `[[api_keys]]`. A key's value
//! stands in a file or in the environment, never here. Units: requests, requests a second. Errors:
//! unknown keys are refused by serde; values are judged where they are written down. Source: API
//! Gateway API reference, `UsagePlan`, `ApiKey`.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

/// What keys may use, how fast and how much.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsagePlan {
    /// 1 to 12 lower-case letters and digits.
    pub id: String,
    /// Default: the id.
    #[serde(default)]
    pub name: Option<String>,
    /// Free text.
    #[serde(default)]
    pub description: Option<String>,
    /// Of each key; absent: no limit.
    #[serde(default)]
    pub throttle: Option<PlanThrottle>,
    /// Of each key; absent: no limit.
    #[serde(default)]
    pub quota: Option<PlanQuota>,
    /// What the plan is for.
    #[serde(default)]
    pub api_stages: Vec<PlanStage>,
}

/// A rate, and how many requests may come at once.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanThrottle {
    /// Requests a second.
    pub rate_limit: f64,
    /// Requests at once.
    pub burst_limit: u32,
}

/// Requests in a window of the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanQuota {
    /// How many.
    pub limit: u64,
    /// `DAY`, `WEEK` or `MONTH`.
    pub period: String,
    /// First day of the window, 0 being Sunday or the 1st. 0.
    #[serde(default)]
    pub offset: u32,
}

/// A stage that a plan is for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStage {
    /// Id of the API.
    pub api: String,
    /// Name of the stage.
    pub stage: String,
    /// Of each key at single methods, as in `"/pets/GET"`.
    #[serde(default)]
    pub throttle: BTreeMap<String, PlanThrottle>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// 1 to 12 lower-case letters and digits.
    pub id: String,
    /// Default: the id.
    #[serde(default)]
    pub name: Option<String>,
    /// Free text.
    #[serde(default)]
    pub description: Option<String>,
    /// The customer in another system.
    #[serde(default)]
    pub customer_id: Option<String>,
    /// Calls with it are let in. true.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// The file that holds the value and nothing else, mode 0600.
    #[serde(default)]
    pub value_file: Option<PathBuf>,
    /// The environment variable that holds the value.
    #[serde(default)]
    pub value_env: Option<String>,
    /// Ids of the usage plans that the key is in.
    #[serde(default)]
    pub plans: Vec<String>,
}

fn enabled() -> bool {
    true
}
