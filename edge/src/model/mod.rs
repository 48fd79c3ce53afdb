//! Documents as users write them, before anything is resolved.
//!
//! Shape: [`api`] holds one API (resources, methods, integrations), [`settings`] the host's own
//! file. Both are plain data: names, optional fields, defaults; `plan::compile` is their only
//! validator.
//! Units: in the field names (`timeout_ms`, `body_bytes_max`).
//! Errors: none here; what is wrong with a document is reported by its JSON pointer.
//! Source: OpenAPI with `x-amazon-apigateway-*`, and `configs/full.toml`.

pub mod api;
pub mod settings;
