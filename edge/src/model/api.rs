//! One API as its document describes it.
//!
//! Shape: an [`Api`] owns resources, a resource its methods, a method one integration; beside them
//! stand the parts that methods name: models, validators, authorizers. Each part keeps the JSON
//! pointer of the place in the document that defined it.
//! Units: milliseconds, bytes and HTTP status numbers.
//! Errors: the `parse` functions answer `None` for other text.
//! Source: the gateway's REST API guide, "OpenAPI extensions" and "Integration settings"; the HTTP
//! API guide, "routes" and "parameter mapping".

use std::fmt;

mod integration;
mod parameter;
mod parts;

pub use integration::{
    Connection, ContentHandling, HttpMapping, Integration, IntegrationKind, IntegrationResponse,
    IntegrationTls, Passthrough, PayloadFormat, StatusMappings, Template, TransferMode,
};
pub use parameter::{
    CacheKeyPart, CacheKeySource, ParameterMapping, ParameterSource, ParameterTarget,
};
pub use parts::{
    ApiKeySource, Authorization, Authorizer, Cors, Endpoint, EndpointType, GatewayResponse,
    GatewayResponseHeader, MediaType, MethodModel, MethodResponse, MethodResponseHeader, Model,
    Named, Opaque, RequestValidator,
};

/// An API document.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Api {
    pub kind: ApiKind,
    /// Short stable identifier: in logs, `$context.apiId` and the default host form.
    pub id: String,
    /// `info.title`, for people.
    pub name: String,
    /// `info.description`.
    pub description: Option<String>,
    /// `info.version`.
    pub version: Option<String>,
    /// In document order.
    pub resources: Vec<Resource>,
    /// The `$default` route of an HTTP API: whatever no other route takes.
    pub default_route: Option<Method>,
    /// In document order, no name twice.
    pub models: Vec<Model>,
    /// `x-amazon-apigateway-request-validators`.
    pub validators: Vec<RequestValidator>,
    /// `x-amazon-apigateway-gateway-responses`.
    pub gateway_responses: Vec<GatewayResponse>,
    /// Security schemes, those of API keys and signatures left out.
    pub authorizers: Vec<Authorizer>,
    /// `x-amazon-apigateway-policy`.
    pub policy: Option<Opaque>,
    /// `x-amazon-apigateway-api-key-source`.
    pub api_key_source: ApiKeySource,
    /// `x-amazon-apigateway-binary-media-types`.
    pub binary_media_types: Vec<MediaType>,
    /// `x-amazon-apigateway-minimum-compression-size`, in bytes; `None`: never compressed.
    pub minimum_compression_bytes: Option<u32>,
    /// `x-amazon-apigateway-endpoint-configuration`.
    pub endpoint: Endpoint,
    /// `x-amazon-apigateway-cors` of an HTTP API.
    pub cors: Option<Cors>,
    /// What is for people alone and comes back in an export, each under its place in an OpenAPI 3
    /// document: `/tags`, `/paths/~1pets/get/summary`, a parameter's text under
    /// `/paths/~1pets/get/parameters/query page/description`.
    pub descriptions: Vec<Named>,
}

/// Which of the two kinds of API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ApiKind {
    /// REST API (v1).
    #[default]
    Rest,
    /// HTTP API (v2).
    Http,
}

/// One path with its methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// As written: `/pets/{id}`, `/files/{proxy+}`, `/`.
    pub path: String,
    /// Pointer of the path item, for example `/paths/~1pets`.
    pub pointer: String,
    /// In document order, no verb twice.
    pub methods: Vec<Method>,
}

/// What happens to one verb of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    pub verb: Verb,
    /// Pointer of the operation, for example `/paths/~1pets/get`.
    pub pointer: String,
    /// `operationId`.
    pub operation_name: Option<String>,
    /// Parameters declared by the operation and by its path item; the operation wins.
    pub parameters: Vec<Parameter>,
    pub integration: Integration,
    /// Who may call it, beside keys.
    pub authorization: Authorization,
    /// `apiKeyRequired`.
    pub api_key_required: bool,
    /// `x-amazon-apigateway-request-validator` of the operation, or else of the document.
    pub request_validator: Option<Named>,
    /// By content type.
    pub request_models: Vec<MethodModel>,
    /// By status.
    pub responses: Vec<MethodResponse>,
}

impl Method {
    /// A method that anybody may call, with nothing declared.
    pub fn new(verb: Verb, pointer: impl Into<String>, integration: Integration) -> Method {
        Method {
            verb,
            pointer: pointer.into(),
            operation_name: None,
            parameters: Vec::new(),
            integration,
            authorization: Authorization::None,
            api_key_required: false,
            request_validator: None,
            request_models: Vec::new(),
            responses: Vec::new(),
        }
    }
}

/// The verbs a REST API can route, and `ANY` for those a resource does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Any,
}

impl Verb {
    /// Every verb, `ANY` last.
    pub const ALL: [Verb; 8] = [
        Verb::Get,
        Verb::Head,
        Verb::Post,
        Verb::Put,
        Verb::Patch,
        Verb::Delete,
        Verb::Options,
        Verb::Any,
    ];

    /// Upper case, as in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Head => "HEAD",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
            Verb::Options => "OPTIONS",
            Verb::Any => "ANY",
        }
    }

    /// Reads a verb in any case; `None` for what cannot be routed (`TRACE`, `CONNECT`).
    pub fn parse(text: &str) -> Option<Verb> {
        Verb::ALL
            .into_iter()
            .find(|verb| verb.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A declared parameter of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub place: Place,
    pub name: String,
    pub required: bool,
    pub pointer: String,
}

/// Where a request carries a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    Path,
    Querystring,
    Header,
}

impl Place {
    /// The word used in mapping expressions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Place::Path => "path",
            Place::Querystring => "querystring",
            Place::Header => "header",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Place> {
        [Place::Path, Place::Querystring, Place::Header]
            .into_iter()
            .find(|place| place.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_read_in_any_case() {
        for verb in Verb::ALL {
            assert_eq!(
                Verb::parse(&verb.as_str().to_ascii_lowercase()),
                Some(verb),
                "{verb}"
            );
        }
        assert_eq!(Verb::parse("TRACE"), None);
    }
}
