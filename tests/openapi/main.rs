//! API documents from outside: what an import keeps, what an export gives back, what differs.
//!
//! Shape: one module per command. Units: none. Errors: a row that differs prints both sides.
//! Source: Amazon API Gateway developer guide, "OpenAPI extensions"; `configs/openapi`.

mod export;
mod import;
mod models;
