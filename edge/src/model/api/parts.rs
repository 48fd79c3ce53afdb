//! What stands beside the methods of an API: models, validators, gateway responses, authorizers,
//! and settings of the whole.
//!
//! Shape: plain parts, each with the pointer of its place. What is not interpreted is an
//! [`Opaque`] value, kept for exports. Units: in the names.
//! Errors: the `parse` functions answer `None` for other words.
//! Source: the gateway's REST API guide, "Models", "Gateway responses" and "Endpoint types"; the
//! HTTP API guide, "CORS".

use serde_json::Value;

/// A JSON value that is kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    pub value: Value,
    pub pointer: String,
}

/// A value under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    /// [`Value::Null`] where the name is all there is.
    pub value: Value,
    pub pointer: String,
}

/// A JSON Schema that methods name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub name: String,
    /// The schema; `$ref`s to other models read `#/components/schemas/NAME`,
    /// `#/definitions/NAME`, or the service's URL form.
    pub schema: Value,
    pub pointer: String,
}

/// The model of one content type of a method's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodModel {
    pub content_type: String,
    /// A name in `Api::models`.
    pub model: String,
    pub pointer: String,
}

/// One of `x-amazon-apigateway-request-validators`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestValidator {
    pub name: String,
    pub validates_body: bool,
    pub validates_parameters: bool,
    pub pointer: String,
}

/// An answer that a method declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodResponse {
    /// 100 to 599.
    pub status: u16,
    pub headers: Vec<MethodResponseHeader>,
    /// By content type.
    pub models: Vec<MethodModel>,
    pub description: Option<String>,
    pub pointer: String,
}

/// A header that a method's answer declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodResponseHeader {
    pub name: String,
    pub required: bool,
}

/// One of `x-amazon-apigateway-gateway-responses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayResponse {
    /// `THROTTLED`, `DEFAULT_4XX`, ….
    pub response_type: String,
    /// `None`: the type's own.
    pub status: Option<u16>,
    pub headers: Vec<GatewayResponseHeader>,
    /// Content type and text, in document order.
    pub templates: Vec<(String, String)>,
    pub pointer: String,
}

/// A header that a gateway response sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayResponseHeader {
    pub name: String,
    /// As written: `'static'`, `method.request.header.X`, `context.X`, `stageVariables.X`.
    pub source: String,
    pub pointer: String,
}

/// Who may call a method.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Authorization {
    /// Anybody.
    #[default]
    None,
    /// Signed requests.
    Iam { pointer: String },
    /// Whom an authorizer lets pass.
    Authorizer {
        /// A name in `Api::authorizers`.
        name: String,
        scopes: Vec<String>,
        pointer: String,
    },
}

/// A security scheme that is neither an API key nor a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// The scheme's name.
    pub name: String,
    /// The whole scheme.
    pub scheme: Value,
    pub pointer: String,
}

/// Where API keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ApiKeySource {
    /// The header `x-api-key`.
    #[default]
    Header,
    /// An authorizer's answer.
    Authorizer,
}

impl ApiKeySource {
    pub const fn as_str(self) -> &'static str {
        match self {
            ApiKeySource::Header => "HEADER",
            ApiKeySource::Authorizer => "AUTHORIZER",
        }
    }
}

/// An entry of a list of media types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    pub text: String,
    pub pointer: String,
}

/// Where an API may be called.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// `None`: the document does not say; then it is [`EndpointType::Edge`].
    pub kind: Option<EndpointType>,
    pub vpc_endpoint_ids: Vec<String>,
    /// The default host form answers 403.
    pub disable_execute_api: bool,
    /// `ipAddressType`: `ipv4` or `dualstack`.
    pub ip_address_type: Option<String>,
    /// `x-amazon-apigateway-security-policy`; the settings' `[tls]` decides here.
    pub security_policy: Option<String>,
    /// `x-amazon-apigateway-endpoint-access-mode`; every listener serves the API here.
    pub access_mode: Option<String>,
    /// Pointer of the configuration; empty without one.
    pub pointer: String,
}

/// `endpointConfiguration.types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointType {
    Edge,
    Regional,
    Private,
}

impl EndpointType {
    pub const fn as_str(self) -> &'static str {
        match self {
            EndpointType::Edge => "EDGE",
            EndpointType::Regional => "REGIONAL",
            EndpointType::Private => "PRIVATE",
        }
    }

    /// Reads the word in any case.
    pub fn parse(text: &str) -> Option<EndpointType> {
        [
            EndpointType::Edge,
            EndpointType::Regional,
            EndpointType::Private,
        ]
        .into_iter()
        .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// `corsConfiguration` of an HTTP API.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cors {
    pub allow_origins: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub allow_credentials: bool,
    /// -1 to 86,400 seconds; `None`: not said.
    pub max_age_s: Option<i32>,
    pub pointer: String,
}
