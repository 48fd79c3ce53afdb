//! `[functions.REGION]`: who runs the functions that integrations name in a region.
//!
//! Shape: one [`FunctionRegion`] by the region of the integrations' URIs. Units: none.
//! Errors: none; `plan::compile` parses the endpoint and reports by pointer.
//! Source: AWS Lambda API reference, "Invoke".

use serde::Deserialize;

/// Who runs the functions of a region.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionRegion {
    /// `http://127.0.0.1:9001`, without a path: what answers `Invoke`. Its group of connections
    /// is found as for any integration URI, so `[origins.NAME]` may match it.
    pub endpoint: String,
}
