//! `[throttle]` and `[apis.throttle]`: how often all, a stage or a method may be called.
//!
//! Shape: [`Throttle`] is the account's, which all stages share; [`StageThrottle`] is one API's, in
//! the names that API Gateway gives them. What is not set is not limited. Units: requests a second,
//! decimals allowed; requests for bursts. Ranges: as [`crate::limits::Rate`] has them; the compiler
//! reports others. Errors: unknown keys are refused by serde.
//! Source: API Gateway developer guide, "throttling"; `throttlingRateLimit`,
//! `throttlingBurstLimit`.

use std::path::PathBuf;

use serde::Deserialize;

/// What all stages share.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Throttle {
    /// Where limits begin: `"none"`, or `"aws"` for API Gateway's 10,000 a second with bursts of
    /// 5,000. `"none"`.
    pub limits: ThrottlePreset,
    /// The account's `rateLimit`, in place of the preset's.
    pub rate_limit: Option<f64>,
    /// The account's `burstLimit`.
    pub burst_limit: Option<u32>,
    /// `RateLimit` and `RateLimit-Policy` in answers. Off.
    pub headers: bool,
    /// The file that is mapped; absent: `limits.table` in the runtime directory.
    pub path: Option<PathBuf>,
    /// What each client address may do; absent: no limit.
    pub client: Option<ClientThrottle>,
}

/// What each client address allows itself, whatever it asks for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientThrottle {
    /// Requests a second.
    pub rate_limit: f64,
    /// Requests that may come at once.
    pub burst_limit: u32,
    /// Bits of an IPv4 address that count. 32.
    #[serde(default = "ipv4_prefix")]
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that count. 64.
    #[serde(default = "ipv6_prefix")]
    pub ipv6_prefix: u8,
    /// CIDRs of those that have no such limit. None.
    #[serde(default)]
    pub exempt: Vec<String>,
}

const fn ipv4_prefix() -> u8 {
    32
}

/// What one customer gets at least.
const fn ipv6_prefix() -> u8 {
    64
}

/// Limits that a service has from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottlePreset {
    /// None.
    #[default]
    None,
    /// Those of an API Gateway account.
    Aws,
}

/// What one API's stages and methods allow.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageThrottle {
    /// The stages that it is for; empty: all of this API.
    pub stages: Vec<String>,
    /// `throttlingRateLimit` of a whole stage.
    pub rate_limit: Option<f64>,
    /// `throttlingBurstLimit` of a whole stage.
    pub burst_limit: Option<u32>,
    /// Limits of single methods; the last one that fits counts.
    pub methods: Vec<MethodThrottle>,
}

/// What one method allows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodThrottle {
    /// The resource as its document writes it.
    pub path: String,
    /// `GET`, or `ANY` for the rest.
    pub method: String,
    /// `throttlingRateLimit`.
    pub rate_limit: f64,
    /// `throttlingBurstLimit`.
    pub burst_limit: u32,
}
