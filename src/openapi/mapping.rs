//! The rows of an integration that map: parameters in both directions, templates, cache keys.
//!
//! Shape: tables of a REST API become [`ParameterMapping`]s, those of an HTTP API stay as written
//! in [`HttpMapping`]s. Templates are texts; the plan compiler reads their language.
//! Units: HTTP status numbers.
//! Errors: targets and sources that are none. A value that is no text is a warning in the
//! service's words, and the row has no effect, as there.
//! Source: Amazon API Gateway developer guide, "Request and response parameter mapping"; the HTTP
//! API guide, "parameter mapping".

use tidegate_edge::model::api::{
    CacheKeyPart, CacheKeySource, HttpMapping, ParameterMapping, ParameterSource, ParameterTarget,
    StatusMappings, Template,
};

use super::Reader;
use crate::source::node::{Cursor, Value};

const REQUEST_SOURCES: &str = "write method.request.{path|querystring|header|body|multivaluequerystring|\
     multivalueheader}.NAME, context.NAME, stageVariables.NAME, \
     or a constant in both quotes: \"'text'\"";
const RESPONSE_SOURCES: &str = "write integration.response.{header|multivalueheader|body}.NAME, \
                                context.NAME, stageVariables.NAME, \
                                or a constant in both quotes: \"'text'\"";

impl<'a> Reader<'a> {
    pub(super) fn request_parameters(&mut self, at: &Cursor<'a>) -> Vec<ParameterMapping> {
        let mut mappings = Vec::new();
        for (key, row, text) in self.text_rows(at, "requestParameters") {
            let target = ParameterTarget::parse(key);
            if target.is_none() {
                let message = format!("`{key}` is no target of a mapping");
                let hint = "write integration.request.{path|querystring|header}.NAME";
                self.error_at_key(&row, message, Some(hint.to_owned()));
            }
            let source = ParameterSource::parse(text).filter(|source| !source.is_of_response());
            if source.is_none() {
                let message = format!("`{text}` is no source of a mapping");
                self.error(&row, message, REQUEST_SOURCES);
            }
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

    pub(super) fn response_parameters(&mut self, at: &Cursor<'a>) -> Vec<ParameterMapping> {
        let mut headers = Vec::new();
        for (key, row, text) in self.text_rows(at, "responseParameters") {
            let target = ParameterTarget::parse_response(key);
            if target.is_none() {
                let message = format!("`{key}` is no target of a mapping");
                let hint = "write method.response.header.NAME";
                self.error_at_key(&row, message, Some(hint.to_owned()));
            }
            let source = ParameterSource::parse(text).filter(is_for_answers);
            if source.is_none() {
                let message = format!("`{text}` is no source of a mapping");
                self.error(&row, message, RESPONSE_SOURCES);
            }
            if let (Some(target), Some(source)) = (target, source) {
                headers.push(ParameterMapping {
                    target,
                    source,
                    pointer: row.pointer,
                });
            }
        }
        headers
    }

    /// What an HTTP API changes, or the parameters of a subtype.
    pub(super) fn http_rows(&mut self, at: &Cursor<'a>, key: &str) -> Vec<HttpMapping> {
        let rows = self.text_rows(at, key).into_iter();
        rows.map(|(target, row, source)| HttpMapping {
            target: target.to_owned(),
            source: source.to_owned(),
            pointer: row.pointer,
        })
        .collect()
    }

    /// `responseParameters` of an HTTP API: tables by status.
    pub(super) fn response_changes(&mut self, at: &Cursor<'a>) -> Vec<StatusMappings> {
        let Some(table) = at.get("responseParameters") else {
            return Vec::new();
        };
        if !self.is_table(&table, "`responseParameters`") {
            return Vec::new();
        }
        let mut changes = Vec::new();
        for (entry, row) in table.members() {
            let status = entry
                .key
                .parse()
                .ok()
                .filter(|code| (200..=599).contains(code));
            let Some(status) = status else {
                let message = format!("`{}` is no status of an answer", entry.key);
                let hint = "write a status from 200 to 599";
                self.error_at_key(&row, message, Some(hint.to_owned()));
                continue;
            };
            changes.push(StatusMappings {
                status,
                rows: self.http_rows(&table, &entry.key),
                pointer: row.pointer,
            });
        }
        changes
    }

    /// Keys, places and texts of a table of texts.
    fn text_rows(&mut self, at: &Cursor<'a>, key: &str) -> Vec<(&'a str, Cursor<'a>, &'a str)> {
        let Some(table) = at.get(key) else {
            return Vec::new();
        };
        if !self.is_table(&table, &format!("`{key}`")) {
            return Vec::new();
        }
        let mut rows = Vec::new();
        for (entry, row) in table.members() {
            match row.text() {
                Some(text) => rows.push((entry.key.as_str(), row, text)),
                None => {
                    let message = format!(
                        "Invalid format for '{key}'. Expected type string for property '{}' of \
                         {} but got '{}'",
                        entry.key,
                        self.method,
                        shown(&row.node.value)
                    );
                    self.warn_at_key(&row, message, "quote the value; the row has no effect");
                }
            }
        }
        rows
    }

    pub(super) fn templates(&mut self, holder: &Cursor<'a>, key: &str) -> Vec<Template> {
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
            templates.push(Template {
                content_type: entry.key.clone(),
                text: text.to_owned(),
                pointer: row.pointer,
            });
        }
        templates
    }

    pub(super) fn cache_key(&mut self, at: &Cursor<'a>) -> Vec<CacheKeyPart> {
        const HINT: &str = "write a list of method.request.{path|querystring|header}.NAME";
        let Some(list) = at.get("cacheKeyParameters") else {
            return Vec::new();
        };
        if !self.is_list(&list, "`cacheKeyParameters`") {
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
}

/// Answers are not mapped from requests.
fn is_for_answers(source: &ParameterSource) -> bool {
    use ParameterSource::{Request, RequestBody, RequestValues};
    !matches!(
        source,
        Request { .. } | RequestValues { .. } | RequestBody { .. }
    )
}

/// A value as the service's warning prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Sequence(_) => "array".to_owned(),
        Value::Mapping(_) => "object".to_owned(),
    }
}
