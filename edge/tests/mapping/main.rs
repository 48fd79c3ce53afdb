//! Mapping templates: examples as files, bounds, and a second implementation.

mod bounds;
mod differential;
#[path = "../common/oracle.rs"]
mod oracle;
mod random;
mod tables;
#[path = "../common/templates.rs"]
mod templates;
