//! A whole gateway between scripted clients and origins, over the real ring and over its twin.
//!
//! Shape: one module a subject; all play on the stage of `common/play.rs`, which has a core, ports
//! and a folder of its own for each example.

#[path = "../bed/mod.rs"]
mod bed;
#[path = "../common/case.rs"]
mod case;
mod client_leaves;
mod context_values;
#[path = "../common/documents.rs"]
mod documents;
mod endpoints;
#[path = "../common/events.rs"]
mod events;
mod execution_log;
mod function_streams;
mod limits;
mod mapped;
#[path = "../common/mapped_api.rs"]
mod mapped_api;
#[path = "../common/play.rs"]
mod play;
mod pressure;
mod stages;
mod wire;
