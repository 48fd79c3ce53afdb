//! `x-amazon-apigateway-integration` of the types `http_proxy` and `mock`.
//!
//! Shape: one function per type; both judge their members by one table first.
//! Units: milliseconds, HTTP status numbers.
//! Errors: other types, missing or faulty members, values out of range, each at its place.
//! Source: the gateway's guide, "x-amazon-apigateway-integration object".

use tidegate_edge::model::api::{
    CacheKeyPart, CacheKeySource, Integration, IntegrationKind, IntegrationResponse,
    ParameterMapping, ParameterSource, ParameterTarget, Passthrough, Template, Verb,
};

use super::{
    Fate::{self, Fine, Unserved},
    Reader, Strictness,
};
use crate::{
    diagnostics::did_you_mean,
    source::node::{Cursor, Value},
};

/// Members of an integration. Those without meaning for its type pass, as in the gateway.
const INTEGRATION: &[(&str, Fate)] = &[
    ("type", Fine),
    ("httpMethod", Fine),
    ("uri", Fine),
    ("timeoutInMillis", Fine),
    ("passthroughBehavior", Fine),
    ("requestParameters", Fine),
    ("requestTemplates", Fine),
    ("responses", Fine),
    ("$ref", Fine),
    ("description", Fine),
    ("connectionType", Fine),
    ("connectionId", Fine),
    ("integrationTarget", Fine),
    ("payloadFormatVersion", Fine),
    ("responseTransferMode", Fine),
    ("credentials", Unserved("the request is sent without them")),
    ("cacheKeyParameters", Fine),
    ("cacheNamespace", Fine),
    ("contentHandling", Unserved("bodies pass through unchanged")),
    (
        "tlsConfig",
        Unserved("set `[origins.NAME.tls]` in the settings file"),
    ),
];

/// Members of one entry of `responses`.
const RESPONSE: &[(&str, Fate)] = &[
    ("statusCode", Fine),
    ("responseParameters", Fine),
    ("responseTemplates", Fine),
    ("contentHandling", Unserved("bodies pass through unchanged")),
];

/// Types of the gateway that this one does not serve yet.
const TYPES_UNSERVED: &[&str] = &["aws", "aws_proxy", "http"];

impl<'a> Reader<'a> {
    pub(super) fn integration(&mut self, at: &Cursor<'a>) -> Option<Integration> {
        let at = self.resolve(at)?;
        if !self.is_table(&at, "an integration") {
            return None;
        }
        self.sort_out(&at, INTEGRATION, Strictness::Strict);
        let Some(kind) = self.text_of(&at, "type") else {
            if at.get("type").is_none() {
                let hint = "add `type: http_proxy` or `type: mock`";
                self.error(&at, "this integration has no `type`", hint);
            }
            return None;
        };
        match kind.to_ascii_lowercase().as_str() {
            "http_proxy" => self.http_proxy(&at),
            "mock" => Some(self.mock(&at)),
            other => {
                let member = at.get("type").unwrap_or_else(|| at.clone());
                let message = if TYPES_UNSERVED.contains(&other) {
                    format!("integrations of type `{kind}` are not served yet")
                } else {
                    format!("`{kind}` is no type of integration")
                };
                let hint = did_you_mean(other, &["http_proxy", "mock"]);
                self.error(&member, message, hint.unwrap_or_default());
                None
            }
        }
    }

    fn http_proxy(&mut self, at: &Cursor<'a>) -> Option<Integration> {
        self.connection(at);
        self.passthrough(at);
        let http_method = self.http_method(at);
        let timeout_ms = self.timeout_ms(at);
        let request_parameters = self.request_parameters(at);
        let cache_key = self.cache_key(at);
        let cache_namespace = self.text_of(at, "cacheNamespace").map(str::to_owned);
        let uri = self.uri(at)?;
        Some(Integration {
            http_method,
            uri: uri.to_owned(),
            timeout_ms,
            request_parameters,
            cache_key,
            cache_namespace,
            ..Integration::new(IntegrationKind::HttpProxy, &*at.pointer)
        })
    }

    /// What says how to reach the origin, beside its address.
    fn connection(&mut self, at: &Cursor<'a>) {
        if let Some(kind) = self.text_of(at, "connectionType")
            && !kind.eq_ignore_ascii_case("INTERNET")
        {
            let member = at.get("connectionType").unwrap_or_else(|| at.clone());
            let message = format!("connections of type `{kind}` are not served yet");
            let hint = "write `INTERNET`, and `[origins.NAME] match` in the settings file";
            self.error(&member, message, hint);
        }
        if let Some(version) = at.get("payloadFormatVersion")
            && !matches!(version.text(), Some("1.0"))
            && version.node.value != Value::Float(1.0)
        {
            let instead = "requests are forwarded as they are";
            self.unserved(&version, "payloadFormatVersion", instead);
        }
        if let Some(mode) = self.text_of(at, "responseTransferMode")
            && !["STREAM", "BUFFERED"].contains(&mode.to_ascii_uppercase().as_str())
        {
            let member = at.get("responseTransferMode").unwrap_or_else(|| at.clone());
            self.error(
                &member,
                format!("`{mode}` is no mode"),
                "write STREAM or BUFFERED",
            );
        }
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

    fn timeout_ms(&mut self, at: &Cursor<'a>) -> u32 {
        let Some(member) = at.get("timeoutInMillis") else {
            return Integration::TIMEOUT_MS_DEFAULT;
        };
        let (min, max) = (Integration::TIMEOUT_MS_MIN, Integration::TIMEOUT_MS_DEFAULT);
        match member.node.value {
            Value::Integer(number) => {
                if let Ok(timeout_ms) = u32::try_from(number)
                    && (min..=max).contains(&timeout_ms)
                {
                    return timeout_ms;
                }
                let message = format!("a timeout of {number} ms is out of range");
                self.error(&member, message, format!("write {min} to {max}"));
            }
            _ => {
                let message = format!(
                    "`timeoutInMillis` must be a number, here it is {}",
                    member.node.kind()
                );
                self.error(&member, message, format!("write {min} to {max}"));
            }
        }
        max
    }

    fn uri(&mut self, at: &Cursor<'a>) -> Option<&'a str> {
        let hint = "write `uri: https://host/path`";
        let Some(uri) = self.text_of(at, "uri") else {
            if at.get("uri").is_none() {
                self.error(at, "this integration has no `uri`", hint);
            }
            return None;
        };
        let lower = uri.to_ascii_lowercase();
        let schemes = ["http://", "https://", "${stagevariables."];
        if !schemes.iter().any(|scheme| lower.starts_with(scheme)) {
            let member = at.get("uri").unwrap_or_else(|| at.clone());
            let message = format!("`{uri}` does not begin with http:// or https://");
            self.error(&member, message, hint);
            return None;
        }
        Some(uri)
    }

    fn request_parameters(&mut self, at: &Cursor<'a>) -> Vec<ParameterMapping> {
        let Some(table) = at.get("requestParameters") else {
            return Vec::new();
        };
        if !self.is_table(&table, "`requestParameters`") {
            return Vec::new();
        }
        let mut mappings = Vec::new();
        for (entry, row) in table.members() {
            let target = ParameterTarget::parse(&entry.key);
            if target.is_none() {
                let message = format!("`{}` is no target of a mapping", entry.key);
                let hint = "write integration.request.{path|querystring|header}.NAME";
                self.error_at_key(&row, message, Some(hint.to_owned()));
            }
            let source = self.parameter_source(&row);
            if let (Some(target), Some(source)) = (target, source) {
                mappings.push(ParameterMapping {
                    target,
                    source,
                    pointer: row.pointer,
                });
            }
        }
        mappings
    }

    fn cache_key(&mut self, at: &Cursor<'a>) -> Vec<CacheKeyPart> {
        const HINT: &str = "write a list of method.request.{path|querystring|header}.NAME";
        let Some(list) = at.get("cacheKeyParameters") else {
            return Vec::new();
        };
        if !matches!(list.node.value, Value::Sequence(_)) {
            let message = format!(
                "`cacheKeyParameters` must be a list, here it is {}",
                list.node.kind()
            );
            self.error(&list, message, HINT);
            return Vec::new();
        }
        let mut parts = Vec::new();
        for entry in list.items() {
            let text = entry.text().unwrap_or("");
            match CacheKeySource::parse(text) {
                Some(source) => parts.push(CacheKeyPart {
                    source,
                    pointer: entry.pointer,
                }),
                None => {
                    let message = format!("`{text}` is no parameter of a cache key");
                    self.error(&entry, message, HINT);
                }
            }
        }
        parts
    }

    fn parameter_source(&mut self, at: &Cursor<'a>) -> Option<ParameterSource> {
        const UNSERVED: &[&str] = &[
            "context.",
            "stageVariables.",
            "method.request.body",
            "method.request.multivalue",
        ];
        let text = at.text().unwrap_or("");
        let is_served = |source: &ParameterSource| {
            use ParameterSource::{Request, Static};
            matches!(source, Request { .. } | Static(_))
        };
        let source = ParameterSource::parse(text).filter(is_served);
        if source.is_none() {
            if UNSERVED.iter().any(|start| text.starts_with(start)) {
                self.unserved(at, text, "this parameter is not sent");
            } else {
                let message = match at.text() {
                    Some(text) => format!("`{text}` is no source of a mapping"),
                    None => format!("{} is no source of a mapping", at.node.kind()),
                };
                let hint = "write method.request.{path|querystring|header}.NAME, \
                            or a constant in both quotes: \"'text'\"";
                self.error(at, message, hint);
            }
        }
        source
    }

    fn passthrough(&mut self, at: &Cursor<'a>) -> Passthrough {
        let Some(text) = self.text_of(at, "passthroughBehavior") else {
            return Passthrough::default();
        };
        let behavior = Passthrough::parse(text);
        if behavior.is_none() {
            let known = ["when_no_match", "when_no_templates", "never"];
            let member = at.get("passthroughBehavior").unwrap_or_else(|| at.clone());
            let hint = did_you_mean(text, &known).unwrap_or_default();
            self.error(&member, format!("`{text}` is no behaviour"), hint);
        }
        behavior.unwrap_or_default()
    }

    fn mock(&mut self, at: &Cursor<'a>) -> Integration {
        Integration {
            passthrough: self.passthrough(at),
            request_templates: self.templates(at, "requestTemplates"),
            responses: self.mock_responses(at),
            ..Integration::new(IntegrationKind::Mock, &*at.pointer)
        }
    }

    fn templates(&mut self, holder: &Cursor<'a>, key: &str) -> Vec<Template> {
        let Some(table) = holder.get(key) else {
            return Vec::new();
        };
        if !self.is_table(&table, &format!("`{key}`")) {
            return Vec::new();
        }
        let mut templates = Vec::new();
        for (entry, row) in table.members() {
            let text = match &row.node.value {
                Value::Text(text) => text.as_str(),
                Value::Null => "",
                _ => {
                    let message = format!("a template is a text, here it is {}", row.node.kind());
                    self.error(&row, message, "quote it, or write `|` and indent it below");
                    continue;
                }
            };
            if text.contains(['$', '#']) {
                let what = format!("{key}: mapping language");
                self.unserved(&row, &what, "the text is used as it stands here");
            }
            templates.push(Template {
                content_type: entry.key.clone(),
                text: text.to_owned(),
                pointer: row.pointer,
            });
        }
        templates
    }

    fn mock_responses(&mut self, at: &Cursor<'a>) -> Vec<IntegrationResponse> {
        let Some(table) = at.get("responses") else {
            let hint = "add `responses: {default: {statusCode: \"200\"}}`";
            self.error(
                at,
                "this mock has no `responses`, so it can only fail",
                hint,
            );
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
                content_handling: None,
                parameters: self.response_parameters(&row),
                templates: self.templates(&row, "responseTemplates"),
                pointer: row.pointer,
            });
        }
        responses
    }

    fn status(&mut self, at: &Cursor<'a>) -> Option<u16> {
        const HINT: &str = "write a status from 100 to 599";
        let Some(member) = at.get("statusCode") else {
            self.error(at, "this response has no `statusCode`", HINT);
            return None;
        };
        let number = match &member.node.value {
            Value::Integer(number) => u16::try_from(*number).ok(),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        let status = number.filter(|status| (100..=599).contains(status));
        if status.is_none() {
            self.error(&member, "this is no HTTP status", HINT);
        }
        status
    }

    fn response_parameters(&mut self, at: &Cursor<'a>) -> Vec<ParameterMapping> {
        let Some(table) = at.get("responseParameters") else {
            return Vec::new();
        };
        if !self.is_table(&table, "`responseParameters`") {
            return Vec::new();
        }
        let mut headers = Vec::new();
        for (entry, row) in table.members() {
            let Some(target) = ParameterTarget::parse_response(&entry.key) else {
                let message = format!("`{}` is no target of a mapping", entry.key);
                let hint = "write method.response.header.NAME";
                self.error_at_key(&row, message, Some(hint.to_owned()));
                continue;
            };
            match ParameterSource::parse(row.text().unwrap_or("")) {
                Some(source @ ParameterSource::Static(_)) => headers.push(ParameterMapping {
                    target,
                    source,
                    pointer: row.pointer,
                }),
                _ => self.response_source_fault(&row),
            }
        }
        headers
    }

    fn response_source_fault(&mut self, row: &Cursor<'a>) {
        let text = row.text().unwrap_or("");
        let unserved = ["integration.response.", "context.", "stageVariables."];
        if unserved.iter().any(|start| text.starts_with(start)) {
            self.unserved(row, text, "this header is not sent");
            return;
        }
        let message = format!("`{text}` is no source of a mapping");
        self.error(row, message, "write a constant in both quotes: \"'text'\"");
    }
}
