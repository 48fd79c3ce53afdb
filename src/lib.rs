//! The product: everything a person does to the gateway. The binary is a thin shell around it.

pub mod cache;
pub mod cli;
pub mod demo;
pub mod deploy;
pub mod diagnostics;
pub mod doctor;
pub mod explain;
pub mod files;
pub mod invoke;
pub mod openapi;
pub mod process;
mod query;
pub mod settings;
pub mod sim;
pub mod source;
pub mod store;
