//! Path items, operations and parameters.
//!
//! Shape: one [`Resource`] per path, one [`Method`] per verb with an integration; the route
//! `$default` of an HTTP API stands beside them.
//! Units: none.
//! Errors: unknown verbs, methods without integration, faulty parameters, each at its key.
//! Source: OpenAPI "Path Item Object"; `x-amazon-apigateway-any-method`; the HTTP API guide,
//! "Export an HTTP API".

use tidegate_edge::model::api::{Api, ApiKind, Method, Named, Parameter, Place, Resource, Verb};

use super::{
    ANY_METHOD, AUTH, AUTHORIZER, CORS, DOCUMENTATION,
    Fate::{self, Fine, Unserved},
    INTEGRATION, Reader, Strictness, VALIDATOR,
};
use crate::source::node::{Cursor, Value, join};

/// The route that takes what no other takes, as exports and as people write it.
pub(super) const DEFAULT_ROUTES: [&str; 2] = ["/$default", "$default"];
/// The same in `$context.routeKey`.
pub(super) const DEFAULT_ROUTE: &str = "$default";

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
    (CORS, Unserved("CORS stands at the root of an HTTP API")),
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
    ("isDefaultRoute", Fine),
    ("callbacks", Unserved("callbacks are not routed")),
    (AUTH, Fine),
    (AUTHORIZER, Fine),
    ("x-amazon-apigateway-api-key-required", Fine),
    (VALIDATOR, Fine),
    (DOCUMENTATION, Fine),
];

/// Members of an operation for people.
const FOR_PEOPLE: &[&str] = &[
    "tags",
    "summary",
    "description",
    "externalDocs",
    "deprecated",
    DOCUMENTATION,
];

/// What the operations of a path share.
struct Shared {
    parameters: Vec<Parameter>,
    validator: Option<Named>,
}

impl<'a> Reader<'a> {
    /// Resources, and the default route.
    pub(super) fn paths(&mut self, root: &Cursor<'a>, api: &mut Api) {
        let Some(paths) = root.get("paths") else {
            let hint = "add `paths:` with at least one path";
            return self.error(root, "`paths` is missing", hint);
        };
        if !self.is_table(&paths, "`paths`") {
            return;
        }
        self.stray(&paths, &[]);
        let validator = self.validator(root);
        let base = self.base_path();
        for (entry, item) in paths.members() {
            let key = entry.key.as_str();
            if key.starts_with("x-") {
                continue;
            }
            if self.kind == ApiKind::Http && DEFAULT_ROUTES.contains(&key) {
                api.default_route = self.default_route(&item, validator.clone());
                continue;
            }
            if !key.starts_with('/') {
                let message = format!("the path `{key}` does not begin with `/`");
                self.error_at_key(&item, message, Some(format!("write `/{key}`")));
            }
            let path = self.options.resource_path(&base, key);
            if DEFAULT_ROUTES.contains(&path.as_str()) {
                let message = "the base path makes this the default route";
                self.error_at_key(
                    &item,
                    message.to_owned(),
                    Some("name it otherwise".to_owned()),
                );
            }
            let pointer = item.pointer.clone();
            let methods = self.methods(&item, &path, validator.clone());
            let (default, methods): (Vec<_>, Vec<_>) =
                methods.into_iter().partition(|(is_default, _)| *is_default);
            if let Some((_, method)) = default.into_iter().next() {
                api.default_route = Some(method);
            }
            api.resources.push(Resource {
                path,
                pointer,
                methods: methods.into_iter().map(|(_, method)| method).collect(),
            });
        }
        let is_path = |key: &str| !key.starts_with("x-");
        if !(paths.node.entries().iter()).any(|entry| is_path(&entry.key)) {
            let message = "`paths` holds no path, so every request gets 403";
            self.error(&paths, message, "add one, for example `/{proxy+}`");
        }
    }

    fn default_route(&mut self, item: &Cursor<'a>, validator: Option<Named>) -> Option<Method> {
        let path = DEFAULT_ROUTES.first().copied().unwrap_or(DEFAULT_ROUTE);
        let mut found = None;
        for (_, method) in self.methods(item, path, validator) {
            if method.verb == Verb::Any {
                found = Some(method);
            } else {
                let message = format!(
                    "the default route takes every verb, not {} alone",
                    method.verb
                );
                let hint = format!("write `{ANY_METHOD}`");
                let problem = self.document.problem(
                    crate::diagnostics::Severity::Error,
                    &method.pointer,
                    message,
                    Some(hint),
                );
                self.report.push(problem);
            }
        }
        found
    }

    /// The methods of `path`, each with whether it is the default route.
    fn methods(
        &mut self,
        item: &Cursor<'a>,
        path: &str,
        validator: Option<Named>,
    ) -> Vec<(bool, Method)> {
        let Some(item) = self.resolve(item) else {
            return Vec::new();
        };
        if !self.is_table(&item, "a path") {
            return Vec::new();
        }
        self.sort_out(&item, PATH_ITEM, Strictness::Strict);
        let place = join("/paths", path);
        self.describe_members(&place, &item, &["summary", "description"]);
        let shared = Shared {
            parameters: self.parameters(&item),
            validator,
        };
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
            if let Some(method) = self.method(verb, path, &operation, &shared) {
                let is_default = self.flag_of(&operation, "isDefaultRoute") == Some(true);
                methods.push((is_default && self.kind == ApiKind::Http, method));
            }
        }
        methods
    }

    fn method(
        &mut self,
        verb: Verb,
        path: &str,
        operation: &Cursor<'a>,
        shared: &Shared,
    ) -> Option<Method> {
        if !self.is_table(operation, "a method") {
            return None;
        }
        self.method = format!("resource '{path}' and method '{verb}'");
        self.sort_out(operation, OPERATION, Strictness::Loose);
        let key = operation_key(verb);
        let place = join(&join("/paths", path), &key);
        self.describe_members(&place, operation, FOR_PEOPLE);
        let Some(integration) = operation.get(INTEGRATION) else {
            let message = format!("{verb} has no integration, so nothing can answer it");
            let hint = format!("add `{INTEGRATION}` with `type: http_proxy` and `uri`");
            self.error_at_key(operation, message, Some(hint));
            return None;
        };
        let parameters = self.own_parameters(operation, &place, &shared.parameters);
        let (api_key_required, authorization) = self.security(operation);
        let own_validator = self.validator(operation);
        let request_models = self.request_models(operation);
        let responses = self.method_responses(operation, &place, &route_key(verb, path));
        let operation_name = self.text_of(operation, "operationId").map(str::to_owned);
        let integration = self.integration(&integration, &join(&place, INTEGRATION))?;
        Some(Method {
            verb,
            pointer: operation.pointer.clone(),
            operation_name,
            parameters,
            integration,
            authorization,
            api_key_required,
            request_validator: own_validator.or_else(|| shared.validator.clone()),
            request_models,
            responses,
        })
    }

    /// The operation's parameters, and those of its path that it does not declare itself.
    fn own_parameters(
        &mut self,
        operation: &Cursor<'a>,
        place: &str,
        shared: &[Parameter],
    ) -> Vec<Parameter> {
        let mut parameters = self.parameters(operation);
        for parameter in shared {
            let is_overridden = parameters
                .iter()
                .any(|own| own.place == parameter.place && own.name == parameter.name);
            if !is_overridden {
                parameters.push(parameter.clone());
            }
        }
        for parameter in &parameters {
            let at = self.at(&parameter.pointer);
            if let Some(text) = at.and_then(|at| at.get("description")) {
                let row = format!("{} {}", parameter.place.as_str(), parameter.name);
                let row = join(&join(place, "parameters"), &row);
                self.describe(join(&row, "description"), &text);
            }
        }
        parameters
    }

    /// The node of a pointer that was read before.
    fn at(&self, pointer: &str) -> Option<Cursor<'a>> {
        let mut found = self.cursor();
        for part in pointer.split('/').skip(1) {
            found = found.child(&part.replace("~1", "/").replace("~0", "~"))?;
        }
        Some(found)
    }

    fn parameters(&mut self, holder: &Cursor<'a>) -> Vec<Parameter> {
        let Some(list) = holder.get("parameters") else {
            return Vec::new();
        };
        if !self.is_list(&list, "`parameters`") {
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

    /// `None` for bodies, which are models, for forms and cookies, and for faulty ones.
    fn parameter(&mut self, at: &Cursor<'a>) -> Option<Parameter> {
        const PLACES: &str = "`in` is one of path, query, header, cookie, body, formData";
        if !self.is_table(at, "a parameter") {
            return None;
        }
        self.stray(at, &[]);
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
        // Exports of HTTP APIs name a greedy variable as it stands in the path.
        let name = match place {
            Place::Path => name.strip_suffix('+').unwrap_or(name),
            _ => name,
        };
        Some(Parameter {
            place,
            name: name.to_owned(),
            required: place == Place::Path || required == Some(&Value::Bool(true)),
            pointer: at.pointer.clone(),
        })
    }
}

/// The member of a path item that describes `verb`.
pub(super) fn operation_key(verb: Verb) -> String {
    match verb {
        Verb::Any => ANY_METHOD.to_owned(),
        named => named.as_str().to_ascii_lowercase(),
    }
}

/// `GET /pets`, or `$default`.
pub(super) fn route_key(verb: Verb, path: &str) -> String {
    if DEFAULT_ROUTES.contains(&path) {
        DEFAULT_ROUTE.to_owned()
    } else {
        format!("{verb} {path}")
    }
}
