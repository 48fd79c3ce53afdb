//! Path items, operations and parameters.
//!
//! Shape: one [`Resource`] per path, one [`Method`] per verb with an integration.
//! Units: none.
//! Errors: unknown verbs, methods without integration, faulty parameters, each at its key.
//! Source: OpenAPI "Path Item Object"; `x-amazon-apigateway-any-method`.

use tidegate_edge::model::api::{Method, Parameter, Place, Resource, Verb};

use super::{
    Fate::{self, Fine, Unserved},
    Reader, SECURITY, Strictness, VALIDATOR,
};
use crate::source::node::{Cursor, Value};

/// Members of a path item, verbs included.
const PATH_ITEM: &[(&str, Fate)] = &[
    ("get", Fine),
    ("head", Fine),
    ("post", Fine),
    ("put", Fine),
    ("patch", Fine),
    ("delete", Fine),
    ("options", Fine),
    (ANY_METHOD, Fine),
    ("parameters", Fine),
    ("summary", Fine),
    ("description", Fine),
    ("servers", Fine),
    ("$ref", Fine),
    ("trace", Unserved("TRACE is always answered with 405")),
    (
        "x-amazon-apigateway-cors",
        Unserved("no CORS headers are added and no preflight is answered"),
    ),
];

/// Members of an operation.
const OPERATION: &[(&str, Fate)] = &[
    (INTEGRATION, Fine),
    ("parameters", Fine),
    ("tags", Fine),
    ("summary", Fine),
    ("description", Fine),
    ("externalDocs", Fine),
    ("operationId", Fine),
    ("responses", Fine),
    ("requestBody", Fine),
    ("deprecated", Fine),
    ("consumes", Fine),
    ("produces", Fine),
    ("schemes", Fine),
    ("servers", Fine),
    ("security", Fine),
    ("callbacks", Unserved("callbacks are not routed")),
    ("x-amazon-apigateway-auth", Unserved(SECURITY)),
    ("x-amazon-apigateway-authorizer", Unserved(SECURITY)),
    ("x-amazon-apigateway-api-key-required", Fine),
    ("x-amazon-apigateway-request-validator", Unserved(VALIDATOR)),
    ("x-amazon-apigateway-documentation", Fine),
];

const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
const INTEGRATION: &str = "x-amazon-apigateway-integration";

impl<'a> Reader<'a> {
    pub(super) fn resources(&mut self, paths: &Cursor<'a>) -> Vec<Resource> {
        if !self.is_table(paths, "`paths`") {
            return Vec::new();
        }
        let mut resources = Vec::new();
        for (entry, item) in paths.members() {
            if entry.key.starts_with("x-") {
                continue;
            }
            if !entry.key.starts_with('/') {
                let message = format!("the path `{}` does not begin with `/`", entry.key);
                let hint = format!("write `/{}`", entry.key);
                self.error_at_key(&item, message, Some(hint));
            }
            let pointer = item.pointer.clone();
            let methods = self.methods(&item);
            resources.push(Resource {
                path: entry.key.clone(),
                pointer,
                methods,
            });
        }
        if resources.is_empty() {
            let message = "`paths` holds no path, so every request gets 403";
            self.error(paths, message, "add one, for example `/{proxy+}`");
        }
        resources
    }

    fn methods(&mut self, item: &Cursor<'a>) -> Vec<Method> {
        let Some(item) = self.resolve(item) else {
            return Vec::new();
        };
        if !self.is_table(&item, "a path") {
            return Vec::new();
        }
        self.sort_out(&item, PATH_ITEM, Strictness::Strict);
        let shared = self.parameters(&item);
        let mut methods = Vec::new();
        for (entry, operation) in item.members() {
            let verb = match entry.key.as_str() {
                ANY_METHOD => Verb::Any,
                key if key.bytes().any(|byte| byte.is_ascii_uppercase()) => continue,
                key => match Verb::parse(key) {
                    Some(Verb::Any) | None => continue,
                    Some(verb) => verb,
                },
            };
            if let Some(method) = self.method(verb, &operation, &shared) {
                methods.push(method);
            }
        }
        methods
    }

    fn method(
        &mut self,
        verb: Verb,
        operation: &Cursor<'a>,
        shared: &[Parameter],
    ) -> Option<Method> {
        if !self.is_table(operation, "a method") {
            return None;
        }
        self.sort_out(operation, OPERATION, Strictness::Loose);
        let mut parameters = self.parameters(operation);
        for parameter in shared {
            let is_overridden = parameters
                .iter()
                .any(|own| own.place == parameter.place && own.name == parameter.name);
            if !is_overridden {
                parameters.push(parameter.clone());
            }
        }
        let Some(integration) = operation.get(INTEGRATION) else {
            let message = format!("{verb} has no integration, so nothing can answer it");
            let hint = format!("add `{INTEGRATION}` with `type: http_proxy` and `uri`");
            self.error_at_key(operation, message, Some(hint));
            return None;
        };
        let api_key_required = self.needs_key(operation);
        Some(Method {
            parameters,
            api_key_required,
            ..Method::new(verb, &*operation.pointer, self.integration(&integration)?)
        })
    }

    fn parameters(&mut self, holder: &Cursor<'a>) -> Vec<Parameter> {
        let Some(list) = holder.get("parameters") else {
            return Vec::new();
        };
        if !matches!(list.node.value, Value::Sequence(_)) {
            let message = format!(
                "`parameters` must be a list, here it is {}",
                list.node.kind()
            );
            self.error(&list, message, "write `- name: …` rows below it");
            return Vec::new();
        }
        let mut parameters = Vec::new();
        for item in list.items() {
            if let Some(parameter) = self.resolve(&item).and_then(|at| self.parameter(&at)) {
                parameters.push(parameter);
            }
        }
        parameters
    }

    /// `None` for bodies, forms and cookies, which are descriptions here, and for faulty ones.
    fn parameter(&mut self, at: &Cursor<'a>) -> Option<Parameter> {
        const PLACES: &str = "`in` is one of path, query, header, cookie, body, formData";
        if !self.is_table(at, "a parameter") {
            return None;
        }
        let Some(word) = self.text_of(at, "in") else {
            if at.get("in").is_none() {
                self.error(at, "this parameter has no `in`", PLACES);
            }
            return None;
        };
        let place = match word {
            "path" => Place::Path,
            "query" => Place::Querystring,
            "header" => Place::Header,
            "cookie" | "body" | "formData" | "querystring" => return None,
            _ => {
                let member = at.get("in").unwrap_or_else(|| at.clone());
                let message = format!("parameters cannot stand in `{word}`");
                self.error(&member, message, PLACES);
                return None;
            }
        };
        let Some(name) = self.text_of(at, "name") else {
            if at.get("name").is_none() {
                self.error(at, "this parameter has no `name`", "add `name: …`");
            }
            return None;
        };
        let required = at.get("required").map(|flag| &flag.node.value);
        Some(Parameter {
            place,
            name: name.to_owned(),
            required: required == Some(&Value::Bool(true)),
            pointer: at.pointer.clone(),
        })
    }
}
