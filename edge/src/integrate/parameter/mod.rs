//! Parameter mapping: values of a request, its context and an answer as parameters of the next.
//!
//! Shape: [`ParameterMapping`] for REST APIs and gateway responses, [`HttpApiMapping`] for HTTP
//! APIs, both compiled once and run over [`crate::mapping::Variables`] into a [`MappingMemory`]
//! that is kept. Units: bytes. Errors: [`RowFault`] when compiled, [`MappingFault`] when run.
//! Source: Amazon API Gateway developer guide, "request and response data mapping" and "transform
//! API requests and responses"; recorded rows.

mod fault;
mod http_api;
mod memory;
mod rest;
mod source;

pub use fault::{MappingFault, RowFault, RowPart};
pub use http_api::{Edit, EditTarget, HttpApiMapping, MappedEdit};
pub use memory::MappingMemory;
pub use rest::{MappedValue, ParameterMapping};

#[cfg(test)]
mod fixture;
