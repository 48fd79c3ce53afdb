//! What a plan says about limits, apart from those of its routes.
//!
//! Shape: [`ThrottlePlan`] is there when any route has a limit or needs a key; the limits
//! themselves are [`crate::limits::RouteLimits`] of the routes. Units: none. Ranges: none.
//! Errors: none here. Source: API Gateway developer guide, "throttling".

use std::path::PathBuf;

/// Where limits are counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThrottlePlan {
    /// The mapped file; `None`: in the runtime directory.
    pub path: Option<PathBuf>,
    /// `RateLimit` and `RateLimit-Policy` are sent.
    pub headers: bool,
}
