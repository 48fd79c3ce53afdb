//! The document itself: its version, its kind, and settings of the whole API.
//!
//! Shape: one [`Api`] out of one root. Units: bytes for the compression size, seconds for CORS.
//! Errors: unknown versions, values out of range, a document without paths.
//! Source: OpenAPI "OpenAPI Object"; `x-amazon-apigateway-binary-media-types`,
//! `-minimum-compression-size`, `-policy`, `-cors` and `-importexport-version`.

use tidegate_edge::model::api::{Api, ApiKind, Cors, MediaType, Opaque};

use super::{
    ACCESS_MODE, BINARY_TYPES, COMPRESSION, CORS, DOCUMENTATION, Dialect, ENDPOINT, EXPORT_VERSION,
    Fate::{self, Fine, Unserved},
    GATEWAY_RESPONSES, INTEGRATIONS, KEY_SOURCE, POLICY, Reader, SECURITY_POLICY, Strictness,
    VALIDATOR, VALIDATORS,
    paths::DEFAULT_ROUTES,
    reader::json,
};
use crate::source::node::{Cursor, Node, Value};

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
    ("basePath", Fine),
    ("consumes", Fine),
    ("produces", Fine),
    ("components", Fine),
    ("definitions", Fine),
    ("parameters", Fine),
    ("responses", Fine),
    ("securityDefinitions", Fine),
    ("jsonSchemaDialect", Fine),
    ("security", Fine),
    ("webhooks", Unserved("webhooks are not routed")),
    (KEY_SOURCE, Fine),
    (BINARY_TYPES, Fine),
    (COMPRESSION, Fine),
    (POLICY, Fine),
    (VALIDATOR, Fine),
    (VALIDATORS, Fine),
    (GATEWAY_RESPONSES, Fine),
    (ENDPOINT, Fine),
    (SECURITY_POLICY, Fine),
    (ACCESS_MODE, Fine),
    (CORS, Fine),
    (EXPORT_VERSION, Fine),
    (DOCUMENTATION, Fine),
    ("x-amazon-apigateway-tag-value", Fine),
];

/// Root members for people.
const FOR_PEOPLE: &[&str] = &[
    "tags",
    "externalDocs",
    DOCUMENTATION,
    "x-amazon-apigateway-tag-value",
];
/// The same of `info`.
const INFO_FOR_PEOPLE: &[&str] = &["termsOfService", "contact", "license", "summary"];

impl<'a> Reader<'a> {
    pub(super) fn api(&mut self) -> Api {
        let root = self.cursor();
        if !matches!(root.node.value, Value::Mapping(_)) {
            self.error(
                &root,
                "this is not an OpenAPI document",
                "begin with `openapi: 3.0.1`, `info` and `paths`",
            );
            return Api::default();
        }
        self.version(&root);
        self.kind = kind_of(self.root);
        self.sort_out(&root, ROOT, Strictness::Loose);
        self.describe_members("", &root, FOR_PEOPLE);
        let info = root.get("info");
        if let Some(info) = &info {
            self.describe_members("/info", info, INFO_FOR_PEOPLE);
            self.stray(info, &[]);
        }
        if let Some(components) = root.get("components") {
            self.stray(&components, &[INTEGRATIONS]);
        }
        let mut of_info = |key: &str| {
            let text = info.as_ref().and_then(|info| self.text_of(info, key));
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (name, description) = (of_info("title").unwrap_or_default(), of_info("description"));
        let version = info.as_ref().and_then(|info| self.version_of(info));
        self.declared_models();
        let mut api = Api {
            kind: self.kind,
            id: id_of(&name),
            name,
            description,
            version,
            validators: self.validators(&root),
            authorizers: self.authorizers(),
            gateway_responses: self.gateway_responses(&root),
            policy: self.policy(&root),
            api_key_source: self.key_source(&root),
            binary_media_types: self.binary_types(&root),
            minimum_compression_bytes: self.compression(&root),
            endpoint: self.endpoint(&root),
            cors: self.cors(&root),
            ..Api::default()
        };
        self.paths(&root, &mut api);
        self.unused_integrations();
        api.models = std::mem::take(&mut self.models);
        api.descriptions = std::mem::take(&mut self.descriptions);
        api.descriptions.sort_by(|a, b| a.name.cmp(&b.name));
        api.descriptions
            .dedup_by(|later, kept| later.name == kept.name);
        api
    }

    fn version(&mut self, root: &Cursor<'a>) {
        const HINT: &str = "write `openapi: 3.0.1`, `openapi: 3.1.0` or `swagger: \"2.0\"`";
        let (at, good): (_, &[&str]) = match (root.get("openapi"), root.get("swagger")) {
            (Some(at), _) => (at, &["3.0", "3.1"]),
            (None, Some(at)) => {
                self.dialect = Dialect::Swagger;
                (at, &["2.0"])
            }
            (None, None) => {
                return self.error(root, "`openapi` or `swagger` is missing", HINT);
            }
        };
        let version = scalar(at.node);
        let is_good = good.iter().any(|good| {
            let rest = version.strip_prefix(good);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        if !is_good {
            self.error(&at, format!("version `{version}` is not read"), HINT);
        }
    }

    /// Versions are often written without quotes.
    fn version_of(&mut self, info: &Cursor<'a>) -> Option<String> {
        let member = info.get("version")?;
        match &member.node.value {
            Value::Integer(_) | Value::Float(_) => Some(scalar(member.node)),
            _ => {
                let text = self.text_of(info, "version")?;
                (!text.is_empty()).then(|| text.to_owned())
            }
        }
    }

    fn policy(&mut self, root: &Cursor<'a>) -> Option<Opaque> {
        let at = root.get(POLICY)?;
        match &at.node.value {
            Value::Null => return None,
            Value::Text(text) if text.is_empty() => return None,
            Value::Mapping(entries) if entries.is_empty() => return None,
            Value::Mapping(_) | Value::Text(_) => {}
            _ => {
                let _is_table = self.is_table(&at, "a policy");
                return None;
            }
        }
        Some(Opaque {
            value: json(at.node),
            pointer: at.pointer,
        })
    }

    fn binary_types(&mut self, root: &Cursor<'a>) -> Vec<MediaType> {
        let texts = self.texts_of(root, BINARY_TYPES);
        let media_type = |at: Cursor<'a>| MediaType {
            text: at.text().unwrap_or("").to_owned(),
            pointer: at.pointer,
        };
        texts.into_iter().map(media_type).collect()
    }

    fn compression(&mut self, root: &Cursor<'a>) -> Option<u32> {
        let is_null = |at: &Cursor<'a>| at.node.value == Value::Null;
        if root.get(COMPRESSION).as_ref().is_some_and(is_null) {
            return None;
        }
        let bytes = self.number_of(root, COMPRESSION, 0..=10_485_760)?;
        u32::try_from(bytes).ok()
    }

    fn cors(&mut self, root: &Cursor<'a>) -> Option<Cors> {
        const MEMBERS: &[(&str, Fate)] = &[
            ("allowOrigins", Fine),
            ("allowMethods", Fine),
            ("allowHeaders", Fine),
            ("exposeHeaders", Fine),
            ("allowCredentials", Fine),
            ("maxAge", Fine),
        ];
        let at = root.get(CORS)?;
        if !self.is_table(&at, "CORS") {
            return None;
        }
        self.sort_out(&at, MEMBERS, Strictness::Strict);
        let mut list = |key: &str| -> Vec<String> {
            let texts = self.texts_of(&at, key).into_iter();
            texts
                .filter_map(|at| at.text().map(str::to_owned))
                .collect()
        };
        let mut cors = Cors {
            allow_origins: list("allowOrigins"),
            allow_methods: list("allowMethods"),
            allow_headers: list("allowHeaders"),
            expose_headers: list("exposeHeaders"),
            ..Cors::default()
        };
        cors.allow_credentials = self.flag_of(&at, "allowCredentials").unwrap_or(false);
        let max_age = self.number_of(&at, "maxAge", -1..=86_400);
        cors.max_age_s = max_age.and_then(|seconds| i32::try_from(seconds).ok());
        if cors.allow_credentials && cors.allow_origins.iter().any(|origin| origin == "*") {
            let hint = "name the origins, or write `allowCredentials: false`";
            self.error(&at, "credentials cannot be allowed to every origin", hint);
        }
        cors.pointer = at.pointer;
        Some(cors)
    }
}

/// HTTP APIs tell themselves by the version of their export, by CORS, a default route, or events
/// of format 2.0; all else is a REST API.
fn kind_of(root: &Node) -> ApiKind {
    let member = |node: &'_ Node, key: &str| {
        let entry = node.entries().iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.node.clone())
    };
    let has_default_route = || {
        let paths = member(root, "paths");
        paths.is_some_and(|paths| {
            let mut keys = paths.entries().iter().map(|entry| entry.key.as_str());
            keys.any(|key| DEFAULT_ROUTES.contains(&key))
        })
    };
    let is_http = member(root, EXPORT_VERSION).is_some()
        || member(root, CORS).is_some()
        || has_default_route()
        || has_format_2(root);
    if is_http {
        ApiKind::Http
    } else {
        ApiKind::Rest
    }
}

fn has_format_2(node: &Node) -> bool {
    match &node.value {
        Value::Sequence(items) => items.iter().any(has_format_2),
        Value::Mapping(entries) => entries.iter().any(|entry| {
            let is_format = entry.key == "payloadFormatVersion";
            (is_format && scalar(&entry.node) == "2.0") || has_format_2(&entry.node)
        }),
        _ => false,
    }
}

/// A text or a number that stands for a version.
pub(super) fn scalar(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.clone(),
        Value::Float(number) if number.fract() == 0.0 => format!("{number:.1}"),
        Value::Float(number) => number.to_string(),
        Value::Integer(number) => number.to_string(),
        _ => node.kind().to_owned(),
    }
}

/// Ten characters that depend on the title alone, as the gateway's own identifiers look.
fn id_of(title: &str) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut hash = hash_of(title.bytes());
    (0..10)
        .map(|_| {
            let digit = usize::try_from(hash % 36).unwrap_or(0);
            hash /= 36;
            char::from(DIGITS.get(digit).copied().unwrap_or(b'0'))
        })
        .collect()
}

/// FNV-1a, 64 bits.
pub(super) fn hash_of(bytes: impl IntoIterator<Item = u8>) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    bytes.into_iter().fold(OFFSET, step)
}
