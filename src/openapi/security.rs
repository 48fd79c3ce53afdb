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
        match operation.get("security") {
            Some(own) => self.asks_for_key(&own, true),
            None => {
                let root = self.document.cursor();
                let shared = root.get("security");
                shared.is_some_and(|shared| self.asks_for_key(&shared, false))
            }
        }
    }

    /// What the document says for operations that say nothing.
    pub(super) fn shared_security(&mut self, root: &Cursor<'a>) {
        if let Some(shared) = root.get("security") {
            self.asks_for_key(&shared, true);
        }
    }

    /// Whether the list `security` names an API key; what else it names is a warning.
    fn asks_for_key(&mut self, security: &Cursor<'a>, warns: bool) -> bool {
        let root = self.document.cursor();
        let (mut needs_key, mut needs_more) = (false, false);
        for requirement in security.items() {
            for (entry, _) in requirement.members() {
                if self.is_key_scheme(&root, &entry.key) {
                    needs_key = true;
                } else {
                    needs_more = true;
                }
            }
        }
        if needs_more && warns {
            self.unserved(security, "security", SECURITY);
        }
        needs_key
    }

    fn is_key_scheme(&mut self, root: &Cursor<'a>, name: &str) -> bool {
        let components = root.get("components");
        let schemes = components
            .and_then(|components| components.get("securitySchemes"))
            .or_else(|| root.get("securityDefinitions"));
        let scheme = schemes.and_then(|schemes| schemes.child(name));
        let Some(scheme) = scheme.and_then(|scheme| self.resolve(&scheme)) else {
            return false;
        };
        let is = |key: &str, word: &str| {
            let member = scheme.get(key);
            member.is_some_and(|at| {
                at.text()
                    .is_some_and(|text| text.eq_ignore_ascii_case(word))
            })
        };
        let is_key = is("type", "apiKey") && is("in", "header") && is("name", HEADER);
        is_key && scheme.get(AUTHORIZER).is_none()
    }
}
