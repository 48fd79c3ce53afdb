//! `x-amazon-apigateway-integration` of every type.
//!
//! Shape: one [`Integration`] whatever the type; what a type does not use is read all the same, so
//! that an export has it. `mapping` reads the rows that map. Units: milliseconds, HTTP status
//! numbers.
//! Errors: unknown types and members, addresses of the wrong kind, values out of range, each at
//! its place.
//! Source: Amazon API Gateway developer guide, "x-amazon-apigateway-integration object" and
//! "Integration settings"; the HTTP API guide, "integrations".

use tidegate_edge::model::api::{
    ApiKind, Connection, ContentHandling, Integration, IntegrationKind, IntegrationResponse,
    IntegrationTls, Passthrough, PayloadFormat, TransferMode, Verb,
};

use super::{
    Fate::{self, Fine},
    INTEGRATIONS, Reader, Strictness,
    root::scalar,
};
use crate::{
    diagnostics::did_you_mean,
    source::node::{Cursor, join},
};

/// Members of an integration. Those without meaning for its type pass, as in the service.
const INTEGRATION: &[(&str, Fate)] = &[
    ("type", Fine),
    ("httpMethod", Fine),
    ("uri", Fine),
    ("timeoutInMillis", Fine),
    ("passthroughBehavior", Fine),
    ("requestParameters", Fine),
    ("requestTemplates", Fine),
    ("responses", Fine),
    ("responseParameters", Fine),
    ("$ref", Fine),
    ("description", Fine),
    ("connectionType", Fine),
    ("connectionId", Fine),
    ("integrationTarget", Fine),
    ("integrationSubtype", Fine),
    ("payloadFormatVersion", Fine),
    ("responseTransferMode", Fine),
    ("credentials", Fine),
    ("cacheKeyParameters", Fine),
    ("cacheNamespace", Fine),
    ("contentHandling", Fine),
    ("tlsConfig", Fine),
];

/// Members of one entry of `responses`.
const RESPONSE: &[(&str, Fate)] = &[
    ("statusCode", Fine),
    ("responseParameters", Fine),
    ("responseTemplates", Fine),
    ("contentHandling", Fine),
];

impl<'a> Reader<'a> {
    /// The integration at `at`, or where its `$ref` leads; `place` is where descriptions go.
    pub(super) fn integration(&mut self, at: &Cursor<'a>, place: &str) -> Option<Integration> {
        let at = self.resolve(at)?;
        if !self.is_table(&at, "an integration") {
            return None;
        }
        self.named_integrations.push(at.pointer.clone());
        self.sort_out(&at, INTEGRATION, Strictness::Strict);
        let kind = self.integration_type(&at)?;
        if let Some(text) = at.get("description") {
            self.describe(join(place, "description"), &text);
        }
        let is_http = self.kind == ApiKind::Http;
        let (connection, subtype) = (self.connection(&at), self.subtype(&at));
        let uri = self.uri(&at, kind, &connection, subtype.is_some());
        let passthroughs = PASSTHROUGHS;
        let passthrough =
            self.word_of(&at, "passthroughBehavior", Passthrough::parse, passthroughs);
        let text = |text: Option<&str>| text.map(str::to_owned);
        let mut integration = Integration {
            http_method: self.http_method(&at),
            connection,
            subtype,
            credentials: text(self.text_of(&at, "credentials")),
            timeout_ms: self.timeout_ms(&at),
            passthrough: passthrough.unwrap_or_default(),
            content_handling: self.content_handling(&at),
            request_templates: self.templates(&at, "requestTemplates"),
            responses: self.integration_responses(&at, kind),
            cache_key: self.cache_key(&at),
            cache_namespace: text(self.text_of(&at, "cacheNamespace")),
            tls: self.tls(&at),
            transfer_mode: self.transfer_mode(&at),
            payload_format: self.payload_format(&at),
            target: text(self.text_of(&at, "integrationTarget")),
            ..Integration::new(kind, &*at.pointer)
        };
        if is_http {
            integration.request_changes = self.http_rows(&at, "requestParameters");
            integration.response_changes = self.response_changes(&at);
        } else {
            integration.request_parameters = self.request_parameters(&at);
            if let Some(member) = at.get("responseParameters") {
                let hint = "in a REST API they stand in an entry of `responses`";
                self.unserved(&member, "responseParameters", hint);
            }
        }
        uri?.clone_into(&mut integration.uri);
        Some(integration)
    }

    /// Named integrations that no method refers to would vanish in silence.
    pub(super) fn unused_integrations(&mut self) {
        let components = self.cursor().get("components");
        let Some(table) = components.and_then(|components| components.get(INTEGRATIONS)) else {
            return;
        };
        for (entry, at) in table.members() {
            if !self.named_integrations.contains(&at.pointer) {
                let message = format!("no method refers to the integration `{}`", entry.key);
                let hint = "refer to it by `$ref`, or take it away";
                self.warn_at_key(&at, message, hint);
            }
        }
    }

    fn integration_type(&mut self, at: &Cursor<'a>) -> Option<IntegrationKind> {
        let known = IntegrationKind::ALL.map(IntegrationKind::as_str);
        if at.get("type").is_none() {
            let hint = "add `type: http_proxy` or `type: mock`";
            self.error(at, "this integration has no `type`", hint);
            return None;
        }
        let text = self.text_of(at, "type")?;
        let kind = IntegrationKind::parse(text);
        if kind.is_none() {
            let member = at.get("type").unwrap_or_else(|| at.clone());
            let hint = did_you_mean(text, &known).unwrap_or_default();
            self.error(&member, format!("`{text}` is no type of integration"), hint);
        }
        kind
    }

    fn connection(&mut self, at: &Cursor<'a>) -> Connection {
        let words = ["INTERNET", "VPC_LINK"];
        let parse = |text: &str| {
            let mut words = words.into_iter();
            words.find(|word| word.eq_ignore_ascii_case(text))
        };
        let kind = self.word_of(at, "connectionType", parse, &words);
        let id = self.text_of(at, "connectionId");
        match (kind, id, at.get("connectionId")) {
            (Some("VPC_LINK"), Some(id), Some(member)) => Connection::VpcLink {
                id: id.to_owned(),
                pointer: member.pointer,
            },
            (Some("VPC_LINK"), None, _) => {
                let member = at.get("connectionType").unwrap_or_else(|| at.clone());
                let hint = "add `connectionId: …`, the id of the link";
                self.error(&member, "a VPC link without `connectionId`", hint);
                Connection::Internet
            }
            (_, Some(_), Some(member)) => {
                let message = "`connectionId` without a VPC link has no effect";
                let hint = "add `connectionType: VPC_LINK`";
                self.warn_at_key(&member, message.to_owned(), hint);
                Connection::Internet
            }
            _ => Connection::Internet,
        }
    }

    fn subtype(&mut self, at: &Cursor<'a>) -> Option<String> {
        let text = self.text_of(at, "integrationSubtype")?;
        if self.kind == ApiKind::Rest {
            let member = at.get("integrationSubtype").unwrap_or_else(|| at.clone());
            let message = "REST APIs have no integration subtypes";
            let hint = "write a `uri`, or make it an HTTP API: \
                        `x-amazon-apigateway-importexport-version: \"1.0\"`";
            self.error_at_key(&member, message.to_owned(), Some(hint.to_owned()));
            return None;
        }
        Some(text.to_owned())
    }

    fn http_method(&mut self, at: &Cursor<'a>) -> Option<Verb> {
        let text = self.text_of(at, "httpMethod")?;
        let verb = Verb::parse(text);
        if verb.is_none() {
            let known = Verb::ALL.map(Verb::as_str);
            let member = at.get("httpMethod").unwrap_or_else(|| at.clone());
            let hint = did_you_mean(text, &known).unwrap_or_default();
            self.error(&member, format!("`{text}` is no verb to send"), hint);
        }
        verb
    }

    /// Longer waits than the default are judged with the settings, which may allow them.
    fn timeout_ms(&mut self, at: &Cursor<'a>) -> u32 {
        let most = Integration::TIMEOUT_MS_MAX_STREAM;
        let range = i64::from(Integration::TIMEOUT_MS_MIN)..=i64::from(most);
        let number = self.number_of(at, "timeoutInMillis", range);
        let number = number.and_then(|number| u32::try_from(number).ok());
        number.unwrap_or(Integration::timeout_ms_default(self.kind))
    }

    /// `None`: there is none, or one of the wrong kind, and an error says so.
    fn uri(
        &mut self,
        at: &Cursor<'a>,
        kind: IntegrationKind,
        connection: &Connection,
        has_subtype: bool,
    ) -> Option<&'a str> {
        let text = self.text_of(at, "uri");
        if kind == IntegrationKind::Mock || has_subtype {
            return Some(text.unwrap_or(""));
        }
        let is_service = matches!(kind, IntegrationKind::Aws | IntegrationKind::AwsProxy);
        let hint = match is_service {
            true => "write `uri: arn:aws:apigateway:REGION:SERVICE:path/…` or `…:action/…`",
            false => "write `uri: https://host/path`",
        };
        let Some(uri) = text else {
            if at.get("uri").is_none() {
                self.error(at, "this integration has no `uri`", hint);
            }
            return None;
        };
        let lower = uri.to_ascii_lowercase();
        let starts = |words: &[&str]| words.iter().any(|word| lower.starts_with(word));
        let is_link = *connection != Connection::Internet;
        let is_good = starts(&["${stagevariables."])
            || match is_service {
                true => starts(&["arn:"]),
                false => starts(&["http://", "https://"]) || (is_link && starts(&["arn:"])),
            };
        if !is_good {
            let member = at.get("uri").unwrap_or_else(|| at.clone());
            let message = match is_service {
                true => format!("`{uri}`: Invalid ARN specified in the request"),
                false => format!("`{uri}` does not begin with http:// or https://"),
            };
            self.error(&member, message, hint);
            return None;
        }
        Some(uri)
    }

    fn content_handling(&mut self, at: &Cursor<'a>) -> Option<ContentHandling> {
        let known = ["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"];
        self.word_of(at, "contentHandling", ContentHandling::parse, &known)
    }

    fn tls(&mut self, at: &Cursor<'a>) -> IntegrationTls {
        const MEMBERS: &[(&str, Fate)] = &[
            ("insecureSkipVerification", Fine),
            ("serverNameToVerify", Fine),
        ];
        let Some(at) = at.get("tlsConfig") else {
            return IntegrationTls::default();
        };
        if !self.is_table(&at, "`tlsConfig`") {
            return IntegrationTls::default();
        }
        self.sort_out(&at, MEMBERS, Strictness::Strict);
        let skip = self.flag_of(&at, "insecureSkipVerification");
        IntegrationTls {
            insecure_skip_verification: skip.unwrap_or(false),
            server_name_to_verify: self.text_of(&at, "serverNameToVerify").map(str::to_owned),
        }
    }

    fn transfer_mode(&mut self, at: &Cursor<'a>) -> TransferMode {
        let modes = [TransferMode::Buffered, TransferMode::Stream];
        let parse = |text: &str| {
            let mut modes = modes.into_iter();
            modes.find(|mode| mode.as_str().eq_ignore_ascii_case(text))
        };
        let known = modes.map(TransferMode::as_str);
        self.word_of(at, "responseTransferMode", parse, &known)
            .unwrap_or_default()
    }

    /// Often written without quotes.
    fn payload_format(&mut self, at: &Cursor<'a>) -> PayloadFormat {
        let Some(member) = at.get("payloadFormatVersion") else {
            return PayloadFormat::default();
        };
        let text = scalar(member.node);
        let formats = [PayloadFormat::V1, PayloadFormat::V2];
        let found = formats.into_iter().find(|format| format.as_str() == text);
        if found.is_none() {
            let message = format!("`{text}` is no format of an event");
            self.error(&member, message, "write \"1.0\" or \"2.0\"");
        }
        found.unwrap_or_default()
    }

    fn integration_responses(
        &mut self,
        at: &Cursor<'a>,
        kind: IntegrationKind,
    ) -> Vec<IntegrationResponse> {
        let Some(table) = at.get("responses") else {
            if kind == IntegrationKind::Mock {
                let hint = "add `responses: {default: {statusCode: \"200\"}}`";
                let message = "this mock has no `responses`, so it can only fail";
                self.error(at, message, hint);
            }
            return Vec::new();
        };
        if !self.is_table(&table, "`responses`") {
            return Vec::new();
        }
        let mut responses = Vec::new();
        for (entry, row) in table.members() {
            if !self.is_table(&row, "a response") {
                continue;
            }
            self.sort_out(&row, RESPONSE, Strictness::Strict);
            let Some(status) = self.status(&row) else {
                continue;
            };
            responses.push(IntegrationResponse {
                selection_pattern: (entry.key != "default").then(|| entry.key.clone()),
                status,
                content_handling: self.content_handling(&row),
                parameters: self.response_parameters(&row),
                templates: self.templates(&row, "responseTemplates"),
                pointer: row.pointer,
            });
        }
        responses
    }

    fn status(&mut self, at: &Cursor<'a>) -> Option<u16> {
        if at.get("statusCode").is_none() {
            let hint = "write a status from 100 to 599";
            self.error(at, "this response has no `statusCode`", hint);
            return None;
        }
        let status = self.number_of(at, "statusCode", 100..=599)?;
        u16::try_from(status).ok()
    }
}

const PASSTHROUGHS: &[&str] = &["when_no_match", "when_no_templates", "never"];
