//! Who answers a method, and how the request and its answer are mapped on the way.
//!
//! Shape: one [`Integration`] for all types; members that a type does not use keep their defaults.
//! Units: milliseconds and HTTP status numbers.
//! Errors: the `parse` functions answer `None` for other words.
//! Source: the gateway's REST API guide, "Integration settings" and
//! "x-amazon-apigateway-integration object"; the HTTP API guide, "integrations".

use std::collections::BTreeMap;

use super::{ApiKind, CacheKeyPart, ParameterMapping, Verb};

/// `x-amazon-apigateway-integration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// Pointer of the integration object; `uri_pointer` and others name its members.
    pub pointer: String,
    pub kind: IntegrationKind,
    /// The verb sent to the backend; `None` and `ANY` send the client's.
    pub http_method: Option<Verb>,
    /// As written, `{name}` and `${stageVariables.name}` included; empty for a mock.
    pub uri: String,
    pub connection: Connection,
    /// A role's ARN, or whose credentials are passed on.
    pub credentials: Option<String>,
    /// From 50, to 900,000 for an answer that streams; see [`Integration::timeout_ms_default`].
    pub timeout_ms: u32,
    pub passthrough: Passthrough,
    pub content_handling: Option<ContentHandling>,
    pub request_parameters: Vec<ParameterMapping>,
    /// By content type, in document order.
    pub request_templates: Vec<Template>,
    /// In document order.
    pub responses: Vec<IntegrationResponse>,
    /// `cacheKeyParameters`, in document order.
    pub cache_key: Vec<CacheKeyPart>,
    /// `cacheNamespace`; methods that name the same one share their answers.
    pub cache_namespace: Option<String>,
    pub tls: IntegrationTls,
    pub transfer_mode: TransferMode,
    /// The event's format in an HTTP API.
    pub payload_format: PayloadFormat,
    /// `integrationSubtype` of an HTTP API: `SQS-SendMessage` and others.
    pub subtype: Option<String>,
    /// `integrationTarget`: the load balancer behind a VPC link.
    pub target: Option<String>,
    /// What an HTTP API changes in the request, or the parameters of its subtype.
    pub request_changes: Vec<HttpMapping>,
    /// What an HTTP API changes in the answer, by status.
    pub response_changes: Vec<StatusMappings>,
}

impl Integration {
    /// Longest and default wait for a backend of a REST API.
    pub const TIMEOUT_MS_DEFAULT: u32 = 29_000;
    /// The same of an HTTP API.
    pub const TIMEOUT_MS_DEFAULT_HTTP: u32 = 30_000;
    /// Longest answer that streams, of an integration that says `STREAM`.
    pub const TIMEOUT_MS_MAX_STREAM: u32 = 900_000;
    /// Shortest wait a document may ask for.
    pub const TIMEOUT_MS_MIN: u32 = 50;

    /// One of this kind with nothing mapped.
    pub fn new(kind: IntegrationKind, pointer: impl Into<String>) -> Integration {
        Integration {
            pointer: pointer.into(),
            kind,
            http_method: None,
            uri: String::new(),
            connection: Connection::Internet,
            credentials: None,
            timeout_ms: Integration::TIMEOUT_MS_DEFAULT,
            passthrough: Passthrough::default(),
            content_handling: None,
            request_parameters: Vec::new(),
            request_templates: Vec::new(),
            responses: Vec::new(),
            cache_key: Vec::new(),
            cache_namespace: None,
            tls: IntegrationTls::default(),
            transfer_mode: TransferMode::default(),
            payload_format: PayloadFormat::default(),
            subtype: None,
            target: None,
            request_changes: Vec::new(),
            response_changes: Vec::new(),
        }
    }

    /// How long a backend of such an API is waited for, unless its document says otherwise.
    pub const fn timeout_ms_default(kind: ApiKind) -> u32 {
        match kind {
            ApiKind::Rest => Integration::TIMEOUT_MS_DEFAULT,
            ApiKind::Http => Integration::TIMEOUT_MS_DEFAULT_HTTP,
        }
    }

    pub fn uri_pointer(&self) -> String {
        format!("{}/uri", self.pointer)
    }

    pub fn timeout_pointer(&self) -> String {
        format!("{}/timeoutInMillis", self.pointer)
    }

    /// The URI with `${stageVariables.NAME}` replaced; an unknown name becomes nothing.
    pub fn uri_for_stage(&self, variables: &BTreeMap<String, String>) -> String {
        const OPEN: &str = "${stageVariables.";
        let mut out = String::with_capacity(self.uri.len());
        let mut rest = self.uri.as_str();
        while let Some((before, after)) = rest.split_once(OPEN) {
            let Some((name, tail)) = after.split_once('}') else {
                break;
            };
            out.push_str(before);
            out.push_str(variables.get(name).map_or("", String::as_str));
            rest = tail;
        }
        out.push_str(rest);
        out
    }
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntegrationKind {
    /// The gateway itself, from templates.
    Mock,
    /// An HTTP endpoint; request and answer are mapped.
    Http,
    /// An HTTP endpoint; the whole request goes there and its answer comes back.
    HttpProxy,
    /// An action of a service, or a function with mapped request and answer.
    Aws,
    /// A function that reads the request as an event.
    AwsProxy,
}

impl IntegrationKind {
    /// Every kind.
    pub const ALL: [IntegrationKind; 5] = [
        IntegrationKind::Mock,
        IntegrationKind::Http,
        IntegrationKind::HttpProxy,
        IntegrationKind::Aws,
        IntegrationKind::AwsProxy,
    ];

    /// The word of an OpenAPI document.
    pub const fn as_str(self) -> &'static str {
        match self {
            IntegrationKind::Mock => "mock",
            IntegrationKind::Http => "http",
            IntegrationKind::HttpProxy => "http_proxy",
            IntegrationKind::Aws => "aws",
            IntegrationKind::AwsProxy => "aws_proxy",
        }
    }

    /// Reads the word in any case.
    pub fn parse(text: &str) -> Option<IntegrationKind> {
        IntegrationKind::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// How the backend is reached.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Connection {
    #[default]
    Internet,
    /// `VPC_LINK` with `connectionId`, as written.
    VpcLink { id: String, pointer: String },
}

/// What to do with a request whose content type has no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Passthrough {
    #[default]
    WhenNoMatch,
    WhenNoTemplates,
    Never,
}

impl Passthrough {
    /// The word of an OpenAPI document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Passthrough::WhenNoMatch => "when_no_match",
            Passthrough::WhenNoTemplates => "when_no_templates",
            Passthrough::Never => "never",
        }
    }

    /// Reads the words of `passthroughBehavior`, in any case.
    pub fn parse(text: &str) -> Option<Passthrough> {
        [
            Passthrough::WhenNoMatch,
            Passthrough::WhenNoTemplates,
            Passthrough::Never,
        ]
        .into_iter()
        .find(|behavior| behavior.as_str().eq_ignore_ascii_case(text))
    }
}

/// What becomes of a payload on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentHandling {
    ConvertToBinary,
    ConvertToText,
}

impl ContentHandling {
    pub const fn as_str(self) -> &'static str {
        match self {
            ContentHandling::ConvertToBinary => "CONVERT_TO_BINARY",
            ContentHandling::ConvertToText => "CONVERT_TO_TEXT",
        }
    }

    /// Reads the words of `contentHandling`, in any case.
    pub fn parse(text: &str) -> Option<ContentHandling> {
        [
            ContentHandling::ConvertToBinary,
            ContentHandling::ConvertToText,
        ]
        .into_iter()
        .find(|handling| handling.as_str().eq_ignore_ascii_case(text))
    }
}

/// A template for one content type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub content_type: String,
    pub text: String,
    pub pointer: String,
}

/// One answer that an integration can be mapped to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationResponse {
    pub pointer: String,
    /// The member's name in `responses`: a pattern, or `default` (then `None`).
    pub selection_pattern: Option<String>,
    /// 100 to 599.
    pub status: u16,
    pub content_handling: Option<ContentHandling>,
    /// `method.response.header.NAME` with their sources.
    pub parameters: Vec<ParameterMapping>,
    /// By content type, in document order.
    pub templates: Vec<Template>,
}

/// `tlsConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct IntegrationTls {
    pub insecure_skip_verification: bool,
    pub server_name_to_verify: Option<String>,
}

/// `responseTransferMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TransferMode {
    #[default]
    Buffered,
    Stream,
}

impl TransferMode {
    pub const fn as_str(self) -> &'static str {
        match self {
            TransferMode::Buffered => "BUFFERED",
            TransferMode::Stream => "STREAM",
        }
    }
}

/// `payloadFormatVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PayloadFormat {
    #[default]
    V1,
    V2,
}

impl PayloadFormat {
    pub const fn as_str(self) -> &'static str {
        match self {
            PayloadFormat::V1 => "1.0",
            PayloadFormat::V2 => "2.0",
        }
    }
}

/// A row of an HTTP API's parameters, as written: `append:header.X` and its source, or a
/// subtype's parameter and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpMapping {
    pub target: String,
    pub source: String,
    /// Pointer of the row's value.
    pub pointer: String,
}

/// What an HTTP API changes in answers of one status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusMappings {
    /// 200 to 599.
    pub status: u16,
    pub rows: Vec<HttpMapping>,
    pub pointer: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_variables_are_put_in() {
        let variables = BTreeMap::from([("host".to_owned(), "h.example".to_owned())]);
        let rows = [
            ("https://a/b", "https://a/b"),
            (
                "https://${stageVariables.host}/{p}",
                "https://h.example/{p}",
            ),
            (
                "${stageVariables.host}${stageVariables.none}x",
                "h.examplex",
            ),
            (
                "https://${stageVariables.host",
                "https://${stageVariables.host",
            ),
        ];
        for (given, expected) in rows {
            let mut proxy = Integration::new(IntegrationKind::HttpProxy, "");
            given.clone_into(&mut proxy.uri);
            assert_eq!(proxy.uri_for_stage(&variables), expected, "{given}");
        }
    }

    #[test]
    fn words_read_in_any_case() {
        for kind in IntegrationKind::ALL {
            let upper = kind.as_str().to_ascii_uppercase();
            assert_eq!(IntegrationKind::parse(&upper), Some(kind));
        }
        assert_eq!(IntegrationKind::parse("lambda"), None);
        let never = Passthrough::parse("NEVER");
        assert_eq!(never, Some(Passthrough::Never));
        let text = ContentHandling::parse("convert_to_text");
        assert_eq!(text, Some(ContentHandling::ConvertToText));
    }
}
