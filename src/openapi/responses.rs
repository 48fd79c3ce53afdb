//! The answers that a method declares.
//!
//! Shape: one [`MethodResponse`] per status; `default` and classes of statuses are descriptions.
//! Units: HTTP status numbers. Errors: keys that are no status.
//! Source: OpenAPI "Responses Object"; Amazon API Gateway developer guide, "Method response".

use tidegate_edge::model::api::{MethodResponse, MethodResponseHeader};

use super::{Dialect, HEADER_REQUIRED, RESPONSE_MODELS, Reader};
use crate::source::node::{Cursor, join};

/// What an export says of an answer without a description.
pub(super) fn described(status: u16) -> String {
    format!("{status} response")
}

/// What an export of an HTTP API says of a route.
pub(super) fn described_default(route: &str) -> String {
    format!("Default response for {route}")
}

impl<'a> Reader<'a> {
    /// The answers of `operation`; `place` is the operation's, `route` its key in an HTTP API.
    pub(super) fn method_responses(
        &mut self,
        operation: &Cursor<'a>,
        place: &str,
        route: &str,
    ) -> Vec<MethodResponse> {
        let Some(table) = operation.get("responses") else {
            return Vec::new();
        };
        if !self.is_table(&table, "`responses`") {
            return Vec::new();
        }
        let produces = match self.dialect {
            Dialect::OpenApi => Vec::new(),
            Dialect::Swagger => self.media_types(operation, "produces"),
        };
        let mut responses = Vec::new();
        for (entry, at) in table.members() {
            let key = entry.key.as_str();
            if key.starts_with("x-") {
                continue;
            }
            let Some(at) = self.resolve(&at) else {
                continue;
            };
            if !self.is_table(&at, "a response") {
                continue;
            }
            self.stray(&at, &[]);
            let status = key
                .parse()
                .ok()
                .filter(|status| (100..=599).contains(status));
            match status {
                Some(status) => responses.push(self.method_response(status, &at, &produces)),
                None if key == "default" || is_class(key) => {
                    self.describe_response(&at, &join(&join(place, "responses"), key), route);
                }
                None => {
                    let hint = "write a status from 100 to 599, or `default`";
                    let message = format!("`{key}` is no HTTP status");
                    self.error_at_key(&at, message, Some(hint.to_owned()));
                }
            }
        }
        responses
    }

    fn method_response(
        &mut self,
        status: u16,
        at: &Cursor<'a>,
        produces: &[String],
    ) -> MethodResponse {
        let description = self.text_of(at, "description");
        let description = description.filter(|text| *text != described(status));
        let models = if let Some(table) = at.get(RESPONSE_MODELS) {
            self.models_by_name(&table)
        } else {
            match self.dialect {
                Dialect::OpenApi => self.content(at),
                Dialect::Swagger => self.produced(at, produces),
            }
        };
        MethodResponse {
            status,
            headers: self.declared_headers(at),
            models,
            description: description.map(str::to_owned),
            pointer: at.pointer.clone(),
        }
    }

    fn produced(
        &mut self,
        at: &Cursor<'a>,
        produces: &[String],
    ) -> Vec<tidegate_edge::model::api::MethodModel> {
        let Some(schema) = at.get("schema") else {
            return Vec::new();
        };
        let Some(model) = self.model_of(&schema) else {
            return Vec::new();
        };
        let row = |content_type: &String| tidegate_edge::model::api::MethodModel {
            content_type: content_type.clone(),
            model: model.clone(),
            pointer: schema.pointer.clone(),
        };
        produces.iter().map(row).collect()
    }

    fn declared_headers(&mut self, at: &Cursor<'a>) -> Vec<MethodResponseHeader> {
        let Some(table) = at.get("headers") else {
            return Vec::new();
        };
        if !self.is_table(&table, "`headers`") {
            return Vec::new();
        }
        let mut headers = Vec::new();
        for (entry, at) in table.members() {
            let Some(at) = self.resolve(&at) else {
                continue;
            };
            let mut flag = |key| self.flag_of(&at, key) == Some(true);
            headers.push(MethodResponseHeader {
                name: entry.key.clone(),
                required: flag("required") || flag(HEADER_REQUIRED),
            });
        }
        headers
    }

    /// Keeps the words, but not those that an export puts there itself.
    fn describe_response(&mut self, at: &Cursor<'a>, place: &str, route: &str) {
        if let Some(text) = at.get("description")
            && text.text() != Some(described_default(route).as_str())
        {
            self.describe(join(place, "description"), &text);
        }
    }
}

/// `2XX` and others.
fn is_class(key: &str) -> bool {
    matches!(key.as_bytes(), [b'1'..=b'5', b'X' | b'x', b'X' | b'x'])
}
