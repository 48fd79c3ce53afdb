//! Who may call a method: API keys, so far.
//!
//! Shape: `security` of an operation, or else of the document, names schemes; a scheme of type
//! `apiKey` in the header `x-api-key` without an authorizer is API Gateway's way to say
//! `apiKeyRequired`. Units: none.
//! Errors: a key source that nothing here can answer; schemes that are not served are warnings.
//! Source: OpenAPI "Security Requirement Object"; `x-amazon-apigateway-api-key-source`.

use super::{Reader, SECURITY};
use crate::source::node::{Cursor, Value};

/// The header that carries a key.
const HEADER: &str = "x-api-key";
const KEY_REQUIRED: &str = "x-amazon-apigateway-api-key-required";
const KEY_SOURCE: &str = "x-amazon-apigateway-api-key-source";
const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";

/// What a scheme asks for.
enum Scheme {
    ApiKey,
    Other,
}

impl<'a> Reader<'a> {
    /// Keys come in a header; no authorizer gives them yet.
    pub(super) fn key_source(&mut self, root: &Cursor<'a>) {
        let Some(source) = root.get(KEY_SOURCE) else {
            return;
        };
        match self.text_of(root, KEY_SOURCE) {
            Some("HEADER") | None => {}
            Some("AUTHORIZER") => {
                let message = "keys of an authorizer are not served: there is no authorizer yet";
                self.error(
                    &source,
                    message,
                    "write `HEADER`, and send keys in `x-api-key`",
                );
            }
            Some(other) => {
                let message = format!("`{other}` is no source of API keys");
                self.error(&source, message, "write `HEADER`");
            }
        }
    }

    /// Whether `operation` asks for an API key.
    pub(super) fn needs_key(&mut self, operation: &Cursor<'a>) -> bool {
        if let Some(flag) = operation.get(KEY_REQUIRED)
            && flag.node.value == Value::Bool(true)
        {
            return true;
        }
        let root = self.document.cursor();
        let own = operation.get("security");
        let Some(security) = own.clone().or_else(|| root.get("security")) else {
            return false;
        };
        let mut needs_key = false;
        for requirement in security.items() {
            for (entry, at) in requirement.members() {
                match self.scheme(&root, &entry.key) {
                    Some(Scheme::ApiKey) => needs_key = true,
                    Some(Scheme::Other) | None => self.unserved(&at, &entry.key, SECURITY),
                }
            }
        }
        needs_key
    }

    fn scheme(&mut self, root: &Cursor<'a>, name: &str) -> Option<Scheme> {
        let components = root.get("components");
        let schemes = components
            .and_then(|components| components.get("securitySchemes"))
            .or_else(|| root.get("securityDefinitions"))?;
        let scheme = self.resolve(&schemes.child(name)?)?;
        let is = |key: &str, word: &str| {
            let member = scheme.get(key);
            member.is_some_and(|at| {
                at.text()
                    .is_some_and(|text| text.eq_ignore_ascii_case(word))
            })
        };
        let is_key = is("type", "apiKey") && is("in", "header") && is("name", HEADER);
        if is_key && scheme.get(AUTHORIZER).is_none() {
            return Some(Scheme::ApiKey);
        }
        Some(Scheme::Other)
    }
}
