//! `[[domains]]`: names of one's own, and which API is behind which path.
//!
//! Shape: a [`Domain`] has its [`Mapping`]s, as API Gateway's base path mappings. Units: none.
//! Ranges: at most [`MAPPINGS_MAX`] mappings of a domain. Errors: unknown keys are refused by
//! serde; values are judged by the compiler. Source: API Gateway developer guide, "custom domain
//! names" and "API mappings".

use std::path::PathBuf;

use serde::Deserialize;

/// Most mappings of one domain.
pub const MAPPINGS_MAX: usize = 200;

/// One name and what is behind it.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Domain {
    /// `api.example.com`, or `*.example.com`.
    pub name: String,
    /// The chain as PEM, leaf first, beside those of `[tls]`.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The longest that fits counts; a path that none fits is refused.
    pub mappings: Vec<Mapping>,
}

/// What is behind a path of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// `v1`, `shop/v1`; empty or `(none)`: whatever no other mapping fits.
    #[serde(default)]
    pub path: String,
    /// Id of the API.
    pub api: String,
    /// Left out: the next part of the path names the stage.
    #[serde(default)]
    pub stage: Option<String>,
}

impl Mapping {
    /// The path without slashes around it; empty for none.
    pub fn base_path(&self) -> &str {
        match self.path.trim_matches('/') {
            "(none)" => "",
            path => path,
        }
    }
}
