//! What all stages and methods of an API share, and what a method asks of its requests.
//!
//! Shape: one [`ApiPlan`] for each API; a method has a [`Validation`] if its validator looks at
//! anything. Units: bytes. Errors: none here. Source: Amazon API Gateway developer guide, "request
//! validation", "gateway responses", "payload compression", "binary media types".

use crate::{
    integrate::{content::BinaryTypes, cors::Cors},
    mapping::gateway_response::GatewayResponses,
    model::api::ApiKind,
    validate::{Models, RequestModels, RequiredParameters},
};

/// One API.
#[derive(Debug)]
pub struct ApiPlan {
    pub kind: ApiKind,
    /// Media types whose payloads are no text.
    pub binary: BinaryTypes,
    /// Answers from this size on may be compressed; `None`: none is, and no request is decoded.
    pub compression_bytes_min: Option<u32>,
    /// What is said instead of the gateway's own errors; `None`: nothing is.
    pub responses: Option<Box<GatewayResponses>>,
    /// What browsers are told, in an HTTP API.
    pub cors: Option<Cors>,
    /// Schemas of payloads.
    pub models: Models,
}

/// What is checked of a request before its integration is asked.
#[derive(Debug)]
pub struct Validation {
    pub parameters: RequiredParameters,
    /// None: payloads are not looked at.
    pub bodies: RequestModels,
}
