//! A model as an OpenAPI 3.0.1 or Swagger 2 document, with or without the vendor's extensions.
//!
//! Shape: [`export`] gives one JSON value; `operation`, `integration` and `parts` write what their
//! names say, `yaml` prints. With all extensions an import of the document gives the same API.
//! Units: as in documents: milliseconds, bytes, statuses as texts.
//! Errors: [`ExportFault`] for what a format cannot say.
//! Source: Amazon API Gateway developer guide, "Export a REST API" and "Export an HTTP API";
//! OpenAPI Specification 3.0.1 and 2.0.

use std::{collections::BTreeMap, ops::Bound};

use serde_json::{Map, Value, json};
use tidegate_edge::model::api::{Api, ApiKind, Method};

use super::{ANY_METHOD, DOCUMENTATION, paths};
use crate::source::node::join;

mod integration;
mod operation;
mod parts;
mod yaml;

pub use yaml::to_yaml;

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportOptions {
    pub format: ExportFormat,
    pub extensions: Extensions,
    /// The stage whose address the document names.
    pub stage: String,
    /// The region of that address.
    pub region: String,
    /// The version of an API that names none.
    pub version: String,
}

impl ExportOptions {
    /// Everything an import needs to make the same API, in `format`.
    #[must_use]
    pub fn whole(format: ExportFormat) -> ExportOptions {
        ExportOptions {
            format,
            extensions: Extensions::all(),
            stage: "dev".to_owned(),
            region: "us-east-1".to_owned(),
            version: String::new(),
        }
    }
}

/// The two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// OpenAPI 3.0.1.
    Oas30,
    /// Swagger 2.0.
    Swagger,
}

impl ExportFormat {
    /// Both.
    pub const ALL: [ExportFormat; 2] = [ExportFormat::Oas30, ExportFormat::Swagger];

    /// The service's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ExportFormat::Oas30 => "oas30",
            ExportFormat::Swagger => "swagger",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<ExportFormat> {
        let mut all = ExportFormat::ALL.into_iter();
        all.find(|format| format.as_str() == text)
    }
}

/// Which of the vendor's members to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Extensions {
    pub integrations: bool,
    pub authorizers: bool,
    pub validators: bool,
    pub gateway_responses: bool,
    pub documentation: bool,
    /// `apigateway`: what the others leave, and all of theirs.
    pub api_gateway: bool,
}

impl Extensions {
    /// The words of a list.
    pub const WORDS: [&str; 6] = [
        "apigateway",
        "integrations",
        "authorizers",
        "validators",
        "gatewayresponses",
        "documentation",
    ];

    /// All of them.
    #[must_use]
    pub fn all() -> Extensions {
        let mut all = Extensions::default();
        all.add("apigateway");
        all
    }

    /// Adds what `word` means; `false` for other words.
    pub fn add(&mut self, word: &str) -> bool {
        match word {
            "integrations" => self.integrations = true,
            "authorizers" => self.authorizers = true,
            "validators" => self.validators = true,
            "gatewayresponses" => self.gateway_responses = true,
            "documentation" => self.documentation = true,
            "apigateway" => {
                *self = Extensions {
                    integrations: true,
                    authorizers: true,
                    validators: true,
                    gateway_responses: true,
                    documentation: true,
                    api_gateway: true,
                }
            }
            _ => return false,
        }
        true
    }
}

/// Why there is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportFault {
    #[error("HTTP APIs are exported as oas30: Swagger 2 cannot describe them")]
    HttpApiAsSwagger,
}

/// The document of `api`.
///
/// # Errors
/// The format cannot describe this kind of API.
pub fn export(api: &Api, options: &ExportOptions) -> Result<Value, ExportFault> {
    if api.kind == ApiKind::Http && options.format == ExportFormat::Swagger {
        return Err(ExportFault::HttpApiAsSwagger);
    }
    let described = api.descriptions.iter();
    let described = described.map(|one| (one.name.as_str(), &one.value));
    let writer = Writer {
        api,
        options,
        described: described.collect(),
        key_scheme: free_name(api, "api_key"),
        signature_scheme: free_name(api, "sigv4"),
    };
    Ok(writer.document().into())
}

/// A name that no authorizer has.
fn free_name(api: &Api, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    while api.authorizers.iter().any(|one| one.name == name) {
        name.push('_');
    }
    name
}

/// One document on its way.
struct Writer<'a> {
    api: &'a Api,
    options: &'a ExportOptions,
    /// `Api::descriptions` by place.
    described: BTreeMap<&'a str, &'a Value>,
    key_scheme: String,
    signature_scheme: String,
}

type Object = Map<String, Value>;

impl Writer<'_> {
    fn document(&self) -> Object {
        let mut root = Object::new();
        let is_swagger = self.is_swagger();
        match is_swagger {
            true => root.insert("swagger".to_owned(), "2.0".into()),
            false => root.insert("openapi".to_owned(), "3.0.1".into()),
        };
        root.insert("info".to_owned(), self.info().into());
        self.address(&mut root);
        self.describe("", &mut root);
        root.insert("paths".to_owned(), self.paths().into());
        self.parts(&mut root);
        root
    }

    fn is_swagger(&self) -> bool {
        self.options.format == ExportFormat::Swagger
    }

    fn info(&self) -> Object {
        let api = self.api;
        let mut info = Object::new();
        info.insert("title".to_owned(), api.name.as_str().into());
        if let Some(text) = &api.description {
            info.insert("description".to_owned(), text.as_str().into());
        }
        let version = api.version.as_ref().unwrap_or(&self.options.version);
        info.insert("version".to_owned(), version.as_str().into());
        self.describe("/info", &mut info);
        info
    }

    fn address(&self, root: &mut Object) {
        let (id, region) = (&self.api.id, &self.options.region);
        let host = format!("{id}.execute-api.{region}.amazonaws.com");
        let stage = match self.options.stage.as_str() {
            "$default" => String::new(),
            name => format!("/{name}"),
        };
        if self.is_swagger() {
            root.insert("host".to_owned(), host.into());
            root.insert("basePath".to_owned(), stage.into());
            root.insert("schemes".to_owned(), json!(["https"]));
        } else {
            let server = json!({
                "url": format!("https://{host}/{{basePath}}"),
                "variables": {"basePath": {"default": stage}},
            });
            root.insert("servers".to_owned(), json!([server]));
        }
    }

    fn paths(&self) -> Object {
        let mut paths = Object::new();
        let default = paths::DEFAULT_ROUTES.first().copied().unwrap_or_default();
        if let Some(method) = &self.api.default_route {
            let mut item = self.path_item(default, std::slice::from_ref(method));
            if let Some(Value::Object(operation)) = item.get_mut(ANY_METHOD) {
                operation.insert("isDefaultRoute".to_owned(), true.into());
            }
            paths.insert(default.to_owned(), item.into());
        }
        for resource in &self.api.resources {
            let item = self.path_item(&resource.path, &resource.methods);
            paths.insert(resource.path.clone(), item.into());
        }
        paths
    }

    fn path_item(&self, path: &str, methods: &[Method]) -> Object {
        let place = join("/paths", path);
        let mut item = Object::new();
        self.describe(&place, &mut item);
        for method in methods {
            let key = paths::operation_key(method.verb);
            let operation = self.operation(method, path, &join(&place, &key));
            item.insert(key, operation.into());
        }
        item
    }

    /// Puts the descriptions that stand directly at `place` into `object`.
    fn describe(&self, place: &str, object: &mut Object) {
        for (key, value) in self.below(place) {
            if key.contains('/') || (key == DOCUMENTATION && !self.options.extensions.documentation)
            {
                continue;
            }
            let key = key.replace("~1", "/").replace("~0", "~");
            object.entry(key).or_insert_with(|| value.clone());
        }
    }

    /// Descriptions below `place`, each by the rest of its own place.
    fn below(&self, place: &str) -> Vec<(&str, &Value)> {
        let start = format!("{place}/");
        let bounds = (Bound::Included(start.as_str()), Bound::Unbounded);
        let range = self.described.range::<str, _>(bounds);
        let inside = range.map_while(|(place, value)| Some((place.strip_prefix(&*start)?, *value)));
        inside.collect()
    }
}

/// Inserts a text, if there is one.
fn put(object: &mut Object, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        object.insert(key.to_owned(), text.into());
    }
}

/// Inserts an object, unless it is empty.
fn put_object(object: &mut Object, key: &str, value: Object) {
    if !value.is_empty() {
        object.insert(key.to_owned(), value.into());
    }
}

/// Inserts a list, unless it is empty.
fn put_list(object: &mut Object, key: &str, items: impl IntoIterator<Item = Value>) {
    let items: Vec<Value> = items.into_iter().collect();
    if !items.is_empty() {
        object.insert(key.to_owned(), items.into());
    }
}
