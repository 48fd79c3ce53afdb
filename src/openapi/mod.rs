//! OpenAPI 3.0, 3.1 and Swagger 2 documents into the model, out of it again, and compared.
//!
//! Shape: [`import`] walks a tree once, with a file per noun; the [`Document`] stays beside the
//! [`Api`], so that pointers of later problems become lines and columns. Every
//! `x-amazon-apigateway-*` member ends in the model or in the report. [`export`] goes the other
//! way, [`diff`] compares two models.
//! Units: none of its own.
//! Errors: everything wrong at once. What is kept and has no effect here is a warning with its
//! pointer; what makes methods refuse calls is one of the plan compiler. Descriptions pass in silence
//! and come back in exports.
//! Source: OpenAPI Specification 3.0.3, 3.1.0 and 2.0; Amazon API Gateway developer guide,
//! "OpenAPI extensions".

use tidegate_edge::model::api::{Api, ApiKind, Model, Named};

use crate::{
    diagnostics::{Problem, Report, Severity},
    source::{
        Document, Format, Source,
        node::{Cursor, Node},
    },
};

mod authorizers;
pub mod diff;
mod endpoint;
pub mod export;
mod gateway_responses;
mod integration;
mod mapping;
mod models;
mod options;
mod paths;
mod reader;
mod responses;
mod root;
mod validators;

pub use options::{Account, BasePath, Options};

/// What one document gave.
#[derive(Clone, Debug)]
pub struct Imported {
    /// As far as it could be read; not to be served when the report has errors.
    pub api: Api,
    /// `None` when the text itself could not be read.
    pub document: Option<Document>,
    pub report: Report,
}

/// Reads a document; the format follows from the name.
pub fn import(source: Source, options: &Options) -> Imported {
    let format = Format::of_name(&source.name);
    match Document::parse(source, format) {
        Ok(document) => of_document(document, options),
        Err(problems) => Imported::failed(problems),
    }
}

/// Reads bytes that may be no text at all.
pub fn import_bytes(name: &str, bytes: &[u8], options: &Options) -> Imported {
    match Source::from_bytes(name, bytes) {
        Ok(source) => import(source, options),
        Err(problem) => Imported::failed(vec![*problem]),
    }
}

fn of_document(document: Document, options: &Options) -> Imported {
    let filled = options.filled(&document.root);
    let mut reader = Reader {
        document: &document,
        root: filled.as_ref().unwrap_or(&document.root),
        options,
        report: Report::default(),
        kind: ApiKind::Rest,
        dialect: Dialect::OpenApi,
        models: Vec::new(),
        descriptions: Vec::new(),
        named_integrations: Vec::new(),
        method: String::new(),
    };
    let api = reader.api();
    let report = reader.report;
    Imported {
        api,
        report,
        document: Some(document),
    }
}

impl Imported {
    fn failed(problems: Vec<Problem>) -> Imported {
        Imported {
            api: Api::default(),
            document: None,
            report: Report::of(problems),
        }
    }

    /// A later problem of this document, for example the plan compiler's.
    pub fn problem_at(
        &self,
        severity: Severity,
        pointer: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Problem {
        match &self.document {
            Some(document) => document.problem(severity, pointer, message, hint),
            None => Problem::of_file("", message, hint),
        }
    }
}

/// One walk over a document.
struct Reader<'a> {
    /// For places.
    document: &'a Document,
    /// Its tree, placeholders put in.
    root: &'a Node,
    options: &'a Options,
    report: Report,
    kind: ApiKind,
    dialect: Dialect,
    models: Vec<Model>,
    descriptions: Vec<Named>,
    /// Pointers of the named integrations that a method refers to.
    named_integrations: Vec<String>,
    /// The method being read, as the service's warnings name it.
    method: String,
}

/// The two families of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// OpenAPI 3.
    OpenApi,
    /// Swagger 2.
    Swagger,
}

impl<'a> Reader<'a> {
    /// The root, to walk from.
    fn cursor(&self) -> Cursor<'a> {
        Cursor {
            node: self.root,
            key_span: None,
            pointer: String::new(),
        }
    }
}

/// What to do with a member that is not read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Read elsewhere, or a description for people.
    Fine,
    /// It has no effect here; the text says what happens instead.
    Unserved(&'static str),
}

/// Whether unknown members are errors or warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strictness {
    Strict,
    Loose,
}

/// The verb of a path that names no verb.
const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
const INTEGRATION: &str = "x-amazon-apigateway-integration";
const INTEGRATIONS: &str = "x-amazon-apigateway-integrations";
const AUTH: &str = "x-amazon-apigateway-auth";
const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
const AUTH_TYPE: &str = "x-amazon-apigateway-authtype";
const VALIDATOR: &str = "x-amazon-apigateway-request-validator";
const VALIDATORS: &str = "x-amazon-apigateway-request-validators";
const GATEWAY_RESPONSES: &str = "x-amazon-apigateway-gateway-responses";
const POLICY: &str = "x-amazon-apigateway-policy";
const KEY_SOURCE: &str = "x-amazon-apigateway-api-key-source";
const BINARY_TYPES: &str = "x-amazon-apigateway-binary-media-types";
const COMPRESSION: &str = "x-amazon-apigateway-minimum-compression-size";
const ENDPOINT: &str = "x-amazon-apigateway-endpoint-configuration";
const SECURITY_POLICY: &str = "x-amazon-apigateway-security-policy";
const ACCESS_MODE: &str = "x-amazon-apigateway-endpoint-access-mode";
const CORS: &str = "x-amazon-apigateway-cors";
const EXPORT_VERSION: &str = "x-amazon-apigateway-importexport-version";
const DOCUMENTATION: &str = "x-amazon-apigateway-documentation";

/// Our own: the models of a request or an answer by content type, where Swagger 2 has one schema.
const REQUEST_MODELS: &str = "x-tidegate-request-models";
const RESPONSE_MODELS: &str = "x-tidegate-response-models";
/// Our own: a header that an answer must have, which Swagger 2 cannot say.
const HEADER_REQUIRED: &str = "x-tidegate-required";
