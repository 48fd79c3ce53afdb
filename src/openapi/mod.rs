//! OpenAPI 3.0, 3.1 and Swagger 2 documents into the model.
//!
//! Shape: [`import`] walks the tree once; `paths` reads path items and methods,
//! `integration` their integrations. The [`Document`] stays beside the [`Api`], so that
//! pointers of later problems become lines and columns.
//! Units: none of its own.
//! Errors: everything wrong at once. What changes behaviour and is not served yet is a warning
//! with its pointer; purely descriptive parts pass in silence.
//! Source: OpenAPI Specification 3.0.3, 3.1.0 and 2.0; the gateway's `x-amazon-apigateway-*`.

use tidegate_edge::model::api::Api;

use crate::{
    diagnostics::{Problem, Report, Severity, did_you_mean, nearest},
    source::{
        Document, Format, Source,
        node::{Cursor, Value},
    },
};

mod integration;
mod paths;
mod security;

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
pub fn import(source: Source) -> Imported {
    let format = Format::of_name(&source.name);
    let document = match Document::parse(source, format) {
        Ok(document) => document,
        Err(problems) => {
            return Imported {
                api: Api::default(),
                document: None,
                report: Report::of(problems),
            };
        }
    };
    let mut reader = Reader {
        document: &document,
        report: Report::default(),
    };
    let api = reader.api();
    let report = reader.report;
    Imported {
        api,
        report,
        document: Some(document),
    }
}

/// Reads bytes that may be no text at all.
pub fn import_bytes(name: &str, bytes: &[u8]) -> Imported {
    match Source::from_bytes(name, bytes) {
        Ok(source) => import(source),
        Err(problem) => Imported {
            api: Api::default(),
            document: None,
            report: Report::of(vec![*problem]),
        },
    }
}

impl Imported {
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
    document: &'a Document,
    report: Report,
}

/// What to do with a member that is not read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Read elsewhere, or a description for people.
    Fine,
    /// Changes behaviour and is not served yet; the text says what happens instead.
    Unserved(&'static str),
}

use Fate::{Fine, Unserved};

/// Members of the document itself.
const ROOT: &[(&str, Fate)] = &[
    ("openapi", Fine),
    ("swagger", Fine),
    ("paths", Fine),
    ("info", Fine),
    ("tags", Fine),
    ("externalDocs", Fine),
    ("servers", Fine),
    ("host", Fine),
    ("schemes", Fine),
    ("consumes", Fine),
    ("produces", Fine),
    ("components", Fine),
    ("definitions", Fine),
    ("parameters", Fine),
    ("responses", Fine),
    ("securityDefinitions", Fine),
    ("jsonSchemaDialect", Fine),
    (
        "basePath",
        Unserved("routes begin with the stage, not with this path"),
    ),
    ("security", Fine),
    ("webhooks", Unserved("webhooks are not routed")),
    ("x-amazon-apigateway-api-key-source", Fine),
    (
        "x-amazon-apigateway-binary-media-types",
        Unserved("bodies pass through unchanged"),
    ),
    (
        "x-amazon-apigateway-cors",
        Unserved("no CORS headers are added and no preflight is answered"),
    ),
    (
        "x-amazon-apigateway-endpoint-configuration",
        Unserved("the settings file says where to listen"),
    ),
    (
        "x-amazon-apigateway-endpoint-access-mode",
        Unserved("every listener serves this API"),
    ),
    (
        "x-amazon-apigateway-gateway-responses",
        Unserved("errors have their default bodies"),
    ),
    (
        "x-amazon-apigateway-minimum-compression-size",
        Unserved("bodies are not compressed"),
    ),
    (
        "x-amazon-apigateway-policy",
        Unserved("requests are served without this policy"),
    ),
    ("x-amazon-apigateway-request-validator", Unserved(VALIDATOR)),
    (
        "x-amazon-apigateway-request-validators",
        Unserved(VALIDATOR),
    ),
    (
        "x-amazon-apigateway-security-policy",
        Unserved("`[tls] min_version` of the settings file decides"),
    ),
    ("x-amazon-apigateway-documentation", Fine),
    ("x-amazon-apigateway-importexport-version", Fine),
    ("x-amazon-apigateway-tag-value", Fine),
];

const SECURITY: &str = "requests are served without this check";
const VALIDATOR: &str = "requests are not validated";

impl<'a> Reader<'a> {
    fn api(&mut self) -> Api {
        let root = self.document.cursor();
        if !matches!(root.node.value, Value::Mapping(_)) {
            self.error(
                &root,
                "this is not an OpenAPI document",
                "begin with `openapi: 3.0.1`, `info` and `paths`",
            );
            return Api::default();
        }
        self.version(&root);
        self.sort_out(&root, ROOT, Strictness::Loose);
        self.key_source(&root);
        self.shared_security(&root);
        let name = root.get("info").and_then(|info| info.get("title"));
        let name = name.and_then(|title| title.text()).unwrap_or("");
        let resources = match root.get("paths") {
            Some(paths) => self.resources(&paths),
            None => {
                let hint = "add `paths:` with at least one path";
                self.error(&root, "`paths` is missing", hint);
                Vec::new()
            }
        };
        Api {
            id: id_of(name),
            name: name.to_owned(),
            resources,
            ..Api::default()
        }
    }

    fn version(&mut self, root: &Cursor<'a>) {
        const HINT: &str = "write `openapi: 3.0.1`, `openapi: 3.1.0` or `swagger: \"2.0\"`";
        let (at, good): (_, &[&str]) = match (root.get("openapi"), root.get("swagger")) {
            (Some(at), _) => (at, &["3.0", "3.1"]),
            (None, Some(at)) => (at, &["2.0"]),
            (None, None) => {
                return self.error(root, "`openapi` or `swagger` is missing", HINT);
            }
        };
        let version = match &at.node.value {
            Value::Text(text) => text.clone(),
            Value::Float(number) => format!("{number:.1}"),
            Value::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        let is_good = good.iter().any(|good| {
            let rest = version.strip_prefix(good);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        if !is_good {
            self.error(&at, format!("version `{version}` is not read"), HINT);
        }
    }

    /// Judges every member by `table`; those it does not hold by `strictness`.
    fn sort_out(&mut self, at: &Cursor<'a>, table: &[(&str, Fate)], strictness: Strictness) {
        for (entry, member) in at.members() {
            let key = entry.key.as_str();
            match table.iter().find(|(known, _)| *known == key) {
                Some((_, Fine)) => {}
                Some((_, Unserved(instead))) => {
                    let is_empty = match &member.node.value {
                        Value::Sequence(items) => items.is_empty(),
                        Value::Mapping(entries) => entries.is_empty(),
                        _ => false,
                    };
                    if !is_empty {
                        self.unserved(&member, key, instead);
                    }
                }
                None => self.unknown(&member, key, table, strictness),
            }
        }
    }

    fn unknown(
        &mut self,
        at: &Cursor<'a>,
        key: &str,
        table: &[(&str, Fate)],
        strictness: Strictness,
    ) {
        let is_ours = key.starts_with("x-amazon-");
        if key.starts_with("x-") && !is_ours {
            return;
        }
        let known: Vec<&str> = table.iter().map(|(known, _)| *known).collect();
        let near = nearest(key, known.iter().copied()).is_some();
        let hint = if near || !is_ours {
            did_you_mean(key, &known)
        } else {
            Some("it has no effect".to_owned())
        };
        let severity = match strictness {
            Strictness::Strict => Severity::Error,
            Strictness::Loose => Severity::Warning,
        };
        self.push(
            severity,
            at,
            true,
            format!("`{key}` is not known here"),
            hint,
        );
    }

    fn unserved(&mut self, at: &Cursor<'a>, what: &str, instead: &str) {
        let message = format!("`{what}` is not served yet");
        self.push(
            Severity::Warning,
            at,
            true,
            message,
            Some(instead.to_owned()),
        );
    }

    fn error(&mut self, at: &Cursor<'a>, message: impl Into<String>, hint: impl Into<String>) {
        self.push(
            Severity::Error,
            at,
            false,
            message.into(),
            Some(hint.into()),
        );
    }

    fn error_at_key(&mut self, at: &Cursor<'a>, message: String, hint: Option<String>) {
        self.push(Severity::Error, at, true, message, hint);
    }

    fn push(
        &mut self,
        severity: Severity,
        at: &Cursor<'a>,
        is_about_key: bool,
        message: String,
        hint: Option<String>,
    ) {
        let span = at.key_span.filter(|_| is_about_key);
        let span = span.unwrap_or_else(|| at.span());
        let source = &self.document.source;
        let problem = source.problem(severity, span, &at.pointer, message, hint);
        self.report.push(problem);
    }

    /// The node itself, or what its `$ref` leads to within the document.
    fn resolve(&mut self, at: &Cursor<'a>) -> Option<Cursor<'a>> {
        let mut found = at.clone();
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = found.get("$ref") else {
                return Some(found);
            };
            let Some(target) = reference.text() else {
                self.error(&reference, "`$ref` must be a text", "write \"#/…\"");
                return None;
            };
            let Some(pointer) = target.strip_prefix('#') else {
                let message = format!("`{target}` leads out of this document");
                self.error(&reference, message, "copy that part into this document");
                return None;
            };
            let document = self.document;
            let mut next = document.cursor();
            for part in pointer.split('/').skip(1) {
                let name = part.replace("~1", "/").replace("~0", "~");
                let Some(child) = next.child(&name) else {
                    let known: Vec<&str> = next.node.entries().iter().map(|e| &*e.key).collect();
                    let message = format!("`{target}` leads nowhere: there is no `{name}`");
                    let hint = did_you_mean(&name, &known);
                    self.push(Severity::Error, &reference, false, message, hint);
                    return None;
                };
                next = child;
            }
            found = next;
        }
        self.error(at, "this `$ref` leads back to itself", "break the circle");
        None
    }

    /// A text member; an error when it is something else.
    fn text_of(&mut self, at: &Cursor<'a>, key: &str) -> Option<&'a str> {
        let member = at.get(key)?;
        if member.text().is_none() {
            let message = format!("`{key}` must be a text, here it is {}", member.node.kind());
            self.error(&member, message, "quote the value");
        }
        member.text()
    }

    /// Whether this is a table; an error when not.
    fn is_table(&mut self, at: &Cursor<'a>, what: &str) -> bool {
        if matches!(at.node.value, Value::Mapping(_)) {
            return true;
        }
        let message = format!("{what} must be a table, here it is {}", at.node.kind());
        self.error(at, message, "write its members indented below it");
        false
    }
}

/// Whether unknown members are errors or warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strictness {
    Strict,
    Loose,
}

/// A longer chain of `$ref`s is taken for a circle.
const REFERENCES_MAX: usize = 16;

/// Ten characters that depend on the title alone, as the gateway's own identifiers look.
fn id_of(title: &str) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut hash = FNV_OFFSET;
    for byte in title.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    }
    (0..10)
        .map(|_| {
            let digit = usize::try_from(hash % 36).unwrap_or(0);
            hash /= 36;
            char::from(DIGITS.get(digit).copied().unwrap_or(b'0'))
        })
        .collect()
}

/// FNV-1a, 64 bits.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
