//! The answers that the gateway itself gives, changed.
//!
//! Shape: one [`GatewayResponse`] per type of fault. Units: HTTP status numbers.
//! Errors: unknown types and targets, statuses out of range.
//! Source: `x-amazon-apigateway-gateway-responses`; "Gateway response types".

use tidegate_edge::model::api::{GatewayResponse, GatewayResponseHeader};

use super::{
    Fate::{self, Fine},
    GATEWAY_RESPONSES, Reader, Strictness,
};
use crate::{diagnostics::did_you_mean, source::node::Cursor};

/// Every type there is.
pub(super) const TYPES: [&str; 21] = [
    "ACCESS_DENIED",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "BAD_REQUEST_BODY",
    "BAD_REQUEST_PARAMETERS",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
];

/// Where a header's value is named.
pub(super) const HEADER: &str = "gatewayresponse.header.";

impl<'a> Reader<'a> {
    pub(super) fn gateway_responses(&mut self, root: &Cursor<'a>) -> Vec<GatewayResponse> {
        const MEMBERS: &[(&str, Fate)] = &[
            ("statusCode", Fine),
            ("responseParameters", Fine),
            ("responseTemplates", Fine),
            ("responseType", Fine),
            ("defaultResponse", Fine),
        ];
        let Some(table) = root.get(GATEWAY_RESPONSES) else {
            return Vec::new();
        };
        if !self.is_table(&table, "gateway responses") {
            return Vec::new();
        }
        let mut responses = Vec::new();
        for (entry, at) in table.members() {
            let response_type = entry.key.as_str();
            if !TYPES.contains(&response_type) {
                let message = format!("`{response_type}` is no type of gateway response");
                self.error_at_key(&at, message, did_you_mean(response_type, &TYPES));
                continue;
            }
            if !self.is_table(&at, "a gateway response") {
                continue;
            }
            self.sort_out(&at, MEMBERS, Strictness::Strict);
            let status = self.number_of(&at, "statusCode", 100..=599);
            let headers = self.gateway_headers(&at);
            let templates = self.templates(&at, "responseTemplates").into_iter();
            responses.push(GatewayResponse {
                response_type: response_type.to_owned(),
                status: status.and_then(|status| u16::try_from(status).ok()),
                headers,
                templates: templates.map(|one| (one.content_type, one.text)).collect(),
                pointer: at.pointer,
            });
        }
        responses
    }

    fn gateway_headers(&mut self, at: &Cursor<'a>) -> Vec<GatewayResponseHeader> {
        let Some(table) = at.get("responseParameters") else {
            return Vec::new();
        };
        if !self.is_table(&table, "`responseParameters`") {
            return Vec::new();
        }
        let mut headers = Vec::new();
        for (entry, row) in table.members() {
            let name = entry
                .key
                .strip_prefix(HEADER)
                .filter(|name| !name.is_empty());
            let Some(name) = name else {
                let message = format!("`{}` is no target of a mapping", entry.key);
                self.error_at_key(&row, message, Some(format!("write {HEADER}NAME")));
                continue;
            };
            let Some(source) = row.text() else {
                let message = format!("{} is no source of a mapping", row.node.kind());
                self.error(&row, message, GATEWAY_SOURCES);
                continue;
            };
            headers.push(GatewayResponseHeader {
                name: name.to_owned(),
                source: source.to_owned(),
                pointer: row.pointer,
            });
        }
        headers
    }
}

const GATEWAY_SOURCES: &str = "write \"'text'\", method.request.{path|querystring|header}.NAME, \
                               context.NAME or stageVariables.NAME";
