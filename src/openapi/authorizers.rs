//! Who may call a method: keys, signatures and authorizers.
//!
//! Shape: a method's `security`, or else the document's, names schemes. A scheme of type `apiKey`
//! in the header `x-api-key` is the service's way to say `apiKeyRequired`, one with the authtype
//! `awsSigv4` asks for signatures, every other one is an [`Authorizer`] and kept whole.
//! Units: none.
//! Errors: schemes that are not there, two authorizers of one method. What nothing here can check
//! makes methods refuse every call, of which the plan compiler warns; also where the service would
//! ignore a scheme without an authorizer.
//! Source: OpenAPI "Security Requirement Object"; `x-amazon-apigateway-authorizer`, `-authtype`,
//! `-auth` and `-api-key-source`.

use tidegate_edge::model::api::{ApiKeySource, Authorization, Authorizer};

use super::{AUTH, AUTH_TYPE, AUTHORIZER, Fate, KEY_SOURCE, Reader, Strictness, reader::json};
use crate::{
    diagnostics::did_you_mean,
    source::node::{Cursor, Value},
};

/// The header that carries a key.
pub(super) const KEY_HEADER: &str = "x-api-key";
/// The authtype of signed requests.
pub(super) const SIGNED: &str = "awsSigv4";
const KEY_REQUIRED: &str = "x-amazon-apigateway-api-key-required";

/// What a scheme asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Key,
    Signature,
    Authorizer,
}

/// What `security` asks for.
#[derive(Default)]
struct Asked {
    needs_key: bool,
    authorization: Authorization,
}

impl<'a> Reader<'a> {
    /// Every scheme but keys and signatures.
    pub(super) fn authorizers(&mut self) -> Vec<Authorizer> {
        let Some(schemes) = self.schemes() else {
            return Vec::new();
        };
        let mut authorizers = Vec::new();
        for (entry, at) in schemes.members() {
            let Some(scheme) = self.resolve(&at) else {
                continue;
            };
            if !self.is_table(&scheme, "a security scheme") {
                continue;
            }
            self.stray(&scheme, &[AUTHORIZER, AUTH_TYPE]);
            if what(&scheme) == Scheme::Authorizer {
                authorizers.push(Authorizer {
                    name: entry.key.clone(),
                    scheme: json(scheme.node),
                    pointer: scheme.pointer,
                });
            }
        }
        authorizers
    }

    pub(super) fn key_source(&mut self, root: &Cursor<'a>) -> ApiKeySource {
        let words = [ApiKeySource::Header, ApiKeySource::Authorizer];
        let parse = |text: &str| words.into_iter().find(|word| word.as_str() == text);
        self.word_of(root, KEY_SOURCE, parse, &words.map(ApiKeySource::as_str))
            .unwrap_or_default()
    }

    /// Whether `operation` needs a key, and who else may refuse its calls.
    pub(super) fn security(&mut self, operation: &Cursor<'a>) -> (bool, Authorization) {
        let list = match operation.get("security") {
            Some(own) => Some(own),
            None => self.cursor().get("security"),
        };
        let mut asked = Asked::default();
        if let Some(list) = list
            && self.is_list(&list, "`security`")
        {
            self.requirements(&list, &mut asked);
        }
        if self.flag_of(operation, KEY_REQUIRED) == Some(true) {
            asked.needs_key = true;
        }
        if let Some(at) = operation.get(AUTH) {
            self.auth(&at, &mut asked.authorization);
        }
        if operation.get(AUTHORIZER).is_some() {
            let at = operation
                .get(AUTHORIZER)
                .unwrap_or_else(|| operation.clone());
            let message = format!("`{AUTHORIZER}` stands in a security scheme");
            let hint = "move it there, and name the scheme in `security`";
            self.error_at_key(&at, message, Some(hint.to_owned()));
        }
        (asked.needs_key, asked.authorization)
    }

    fn requirements(&mut self, list: &Cursor<'a>, asked: &mut Asked) {
        for requirement in list.items() {
            for (entry, scopes) in requirement.members() {
                let Some(scheme) = self.scheme(&entry.key, &scopes) else {
                    continue;
                };
                let wanted = match scheme {
                    Scheme::Key => {
                        asked.needs_key = true;
                        continue;
                    }
                    Scheme::Signature => Authorization::Iam {
                        pointer: scopes.pointer.clone(),
                    },
                    Scheme::Authorizer => Authorization::Authorizer {
                        name: entry.key.clone(),
                        scopes: scopes
                            .items()
                            .filter_map(|scope| scope.text().map(str::to_owned))
                            .collect(),
                        pointer: scopes.pointer.clone(),
                    },
                };
                if asked.authorization != Authorization::None {
                    let message = "a method has one authorizer, and this is the second";
                    let hint = "keep one of them; an API key may stand beside it";
                    self.error_at_key(&scopes, message.to_owned(), Some(hint.to_owned()));
                } else {
                    asked.authorization = wanted;
                }
            }
        }
    }

    /// `x-amazon-apigateway-auth`, which has the last word.
    fn auth(&mut self, at: &Cursor<'a>, authorization: &mut Authorization) {
        if !self.is_table(at, "`x-amazon-apigateway-auth`") {
            return;
        }
        self.sort_out(at, &[("type", Fate::Fine)], Strictness::Strict);
        match self.text_of(at, "type") {
            Some(word) if word.eq_ignore_ascii_case("NONE") => *authorization = Authorization::None,
            Some(word) if word.eq_ignore_ascii_case("AWS_IAM") => {
                *authorization = Authorization::Iam {
                    pointer: at.pointer.clone(),
                };
            }
            other => {
                let message = match other {
                    Some(word) => format!("`{word}` is no type of authorization"),
                    None => "this authorization has no `type`".to_owned(),
                };
                self.error(at, message, "write NONE or AWS_IAM");
            }
        }
    }

    fn schemes(&self) -> Option<Cursor<'a>> {
        self.component("securitySchemes", "securityDefinitions")
    }

    fn scheme(&mut self, name: &str, at: &Cursor<'a>) -> Option<Scheme> {
        let schemes = self.schemes();
        let found = schemes.as_ref().and_then(|schemes| schemes.get(name));
        let Some(found) = found else {
            let entries = schemes.as_ref().map_or(&[][..], |at| at.node.entries());
            let known: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
            let hint = did_you_mean(name, &known);
            let hint = hint.unwrap_or_else(|| "add it to the security schemes".to_owned());
            let message = format!("there is no security scheme `{name}`");
            self.error_at_key(at, message, Some(hint));
            return None;
        };
        self.resolve(&found).map(|scheme| what(&scheme))
    }
}

fn what(scheme: &Cursor<'_>) -> Scheme {
    let is = |key: &str, word: &str| {
        let member = scheme.get(key);
        member.is_some_and(|at| {
            at.text()
                .is_some_and(|text| text.eq_ignore_ascii_case(word))
        })
    };
    let has_authorizer = scheme
        .get(AUTHORIZER)
        .is_some_and(|at| at.node.value != Value::Null);
    if has_authorizer {
        Scheme::Authorizer
    } else if is(AUTH_TYPE, SIGNED) {
        Scheme::Signature
    } else if is("type", "apiKey") && is("in", "header") && is("name", KEY_HEADER) {
        Scheme::Key
    } else {
        Scheme::Authorizer
    }
}
