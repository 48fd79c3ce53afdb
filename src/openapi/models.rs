//! Models: schemas with names, and those without one that methods hold themselves.
//!
//! Shape: declared schemas come first, in document order; a schema that stands in a request or an
//! answer becomes a model named `MODEL` and six hexadecimal digits, which depend on the schema
//! alone. References between models have one form, `#/components/schemas/NAME`.
//! Units: none.
//! Errors: references that lead nowhere.
//! Source: Amazon API Gateway developer guide, "Models"; names of inline schemas as exports have
//! them.

use serde_json::Value;
use tidegate_edge::model::api::{MethodModel, Model};

use super::{Dialect, REQUEST_MODELS, Reader, reader::json, root::hash_of};
use crate::{
    diagnostics::did_you_mean,
    source::node::{Cursor, Value as Node},
};

/// How models refer to models.
pub(super) const REFERENCE: &str = "#/components/schemas/";
/// The same in Swagger 2.
pub(super) const SWAGGER_REFERENCE: &str = "#/definitions/";
/// The same in schemas written for the service.
const SERVICE_REFERENCE: &str = "https://apigateway.amazonaws.com/restapis/";

/// The content type of a body for which a document names none.
pub(super) const JSON: &str = "application/json";

impl<'a> Reader<'a> {
    pub(super) fn declared_models(&mut self) {
        let Some(schemas) = self.component("schemas", "definitions") else {
            return;
        };
        if !self.is_table(&schemas, "the models") {
            return;
        }
        for (entry, at) in schemas.members() {
            if entry.key.is_empty() {
                let hint = "give it a name of letters and digits";
                self.error(&at, "Model name must be non-empty", hint);
                continue;
            }
            self.models.push(Model {
                name: entry.key.clone(),
                schema: schema(&at),
                pointer: at.pointer,
            });
        }
    }

    /// The models of an operation's requests, by content type.
    pub(super) fn request_models(&mut self, operation: &Cursor<'a>) -> Vec<MethodModel> {
        if let Some(table) = operation.get(REQUEST_MODELS) {
            return self.models_by_name(&table);
        }
        match self.dialect {
            Dialect::OpenApi => {
                let Some(body) = operation.get("requestBody") else {
                    return Vec::new();
                };
                let Some(body) = self.resolve(&body) else {
                    return Vec::new();
                };
                self.content(&body)
            }
            Dialect::Swagger => {
                let Some(schema) = self.body_schema(operation) else {
                    return Vec::new();
                };
                let Some(model) = self.model_of(&schema) else {
                    return Vec::new();
                };
                let types = self.media_types(operation, "consumes");
                let row = |content_type: String| MethodModel {
                    content_type,
                    model: model.clone(),
                    pointer: schema.pointer.clone(),
                };
                types.into_iter().map(row).collect()
            }
        }
    }

    /// The schema of the parameter `in: body`.
    fn body_schema(&mut self, operation: &Cursor<'a>) -> Option<Cursor<'a>> {
        let list = operation.get("parameters")?;
        for item in list.items() {
            let Some(parameter) = self.resolve_quietly(&item) else {
                continue;
            };
            let place = parameter.get("in");
            if place.is_some_and(|place| place.text() == Some("body")) {
                return parameter.get("schema");
            }
        }
        None
    }

    /// Where a reference leads; those that lead nowhere are told of elsewhere.
    fn resolve_quietly(&mut self, at: &Cursor<'a>) -> Option<Cursor<'a>> {
        let before = std::mem::take(&mut self.report);
        let found = self.resolve(at);
        self.report = before;
        found
    }

    /// `consumes` or `produces` of an operation, or of the document.
    pub(super) fn media_types(&mut self, operation: &Cursor<'a>, key: &str) -> Vec<String> {
        let root = self.cursor();
        let holder = if operation.get(key).is_some() {
            operation
        } else {
            &root
        };
        let texts = self.texts_of(holder, key).into_iter();
        let types: Vec<String> = texts
            .filter_map(|at| at.text().map(str::to_owned))
            .collect();
        if types.is_empty() {
            return vec![JSON.to_owned()];
        }
        types
    }

    /// The models of `content`, by media type.
    pub(super) fn content(&mut self, holder: &Cursor<'a>) -> Vec<MethodModel> {
        let Some(content) = holder.get("content") else {
            return Vec::new();
        };
        if !self.is_table(&content, "`content`") {
            return Vec::new();
        }
        let mut models = Vec::new();
        for (entry, media) in content.members() {
            let Some(schema) = media.get("schema") else {
                continue;
            };
            if let Some(model) = self.model_of(&schema) {
                models.push(MethodModel {
                    content_type: entry.key.clone(),
                    model,
                    pointer: schema.pointer,
                });
            }
        }
        models
    }

    /// Models that are named by content type, as our exports in Swagger 2 have them.
    pub(super) fn models_by_name(&mut self, table: &Cursor<'a>) -> Vec<MethodModel> {
        let mut models = Vec::new();
        for (entry, at) in table.members() {
            let name = at.text().unwrap_or("");
            if self.is_declared(name, &at) {
                models.push(MethodModel {
                    content_type: entry.key.clone(),
                    model: name.to_owned(),
                    pointer: at.pointer,
                });
            }
        }
        models
    }

    fn is_declared(&mut self, name: &str, at: &Cursor<'a>) -> bool {
        let known: Vec<String> = self.models.iter().map(|model| model.name.clone()).collect();
        if known.iter().any(|known| known == name) {
            return true;
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let hint = did_you_mean(name, &known).unwrap_or_else(|| "declare it".to_owned());
        self.error(at, format!("Invalid model name specified: {name}"), hint);
        false
    }

    /// The name of the model at `at`; a schema that stands there itself becomes one.
    pub(super) fn model_of(&mut self, at: &Cursor<'a>) -> Option<String> {
        let reference = at.get("$ref");
        let target = reference.as_ref().and_then(|reference| reference.text());
        if let Some(name) = target.and_then(|target| model_name(&canonical(target))) {
            let place = reference.as_ref().unwrap_or(at);
            return self.is_declared(&name, place).then_some(name);
        }
        let found = self.resolve(at)?;
        if !matches!(found.node.value, Node::Mapping(_) | Node::Bool(_)) {
            let message = format!("a schema is a table, here it is {}", found.node.kind());
            self.error(
                &found,
                message,
                "write `type: object`, or a `$ref` to a model",
            );
            return None;
        }
        Some(self.inline(&found))
    }

    fn inline(&mut self, at: &Cursor<'a>) -> String {
        let schema = schema(at);
        let mut number = hash_of(schema.to_string().bytes()) & NUMBER_MASK;
        loop {
            let name = format!("MODEL{number:06x}");
            match self.models.iter().find(|model| model.name == name) {
                Some(model) if model.schema == schema => return name,
                Some(_) => number = number.wrapping_add(1) & NUMBER_MASK,
                None => {
                    self.models.push(Model {
                        name: name.clone(),
                        schema,
                        pointer: at.pointer.clone(),
                    });
                    return name;
                }
            }
        }
    }
}

/// Six hexadecimal digits.
const NUMBER_MASK: u64 = 0xff_ffff;

/// A schema whose references to models have the one form.
fn schema(at: &Cursor<'_>) -> Value {
    let mut value = json(at.node);
    for_references(&mut value, &|text| canonical(text));
    value
}

/// Rewrites every `$ref` of a schema.
pub(super) fn for_references(schema: &mut Value, rewrite: &impl Fn(&str) -> String) {
    match schema {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| for_references(item, rewrite)),
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "$ref" => *text = rewrite(text),
                    other => for_references(other, rewrite),
                }
            }
        }
        _ => {}
    }
}

/// A reference in the one form, if it leads to a model.
fn canonical(reference: &str) -> String {
    if let Some(rest) = reference.strip_prefix(SWAGGER_REFERENCE) {
        return format!("{REFERENCE}{rest}");
    }
    if let Some(rest) = reference.strip_prefix(SERVICE_REFERENCE)
        && let Some((_, name)) = rest.split_once("/models/")
    {
        return format!("{REFERENCE}{name}");
    }
    reference.to_owned()
}

/// The model that a reference names whole.
fn model_name(reference: &str) -> Option<String> {
    let name = reference.strip_prefix(REFERENCE)?;
    let is_whole = !name.is_empty() && !name.contains('/');
    is_whole.then(|| name.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_have_one_form() {
        let rows = [
            ("#/definitions/Pet", "#/components/schemas/Pet"),
            ("#/components/schemas/Pet", "#/components/schemas/Pet"),
            (
                "https://apigateway.amazonaws.com/restapis/a1/models/Pet",
                "#/components/schemas/Pet",
            ),
            ("#/properties/a", "#/properties/a"),
        ];
        for (given, expected) in rows {
            assert_eq!(canonical(given), expected);
        }
        let mut schema =
            json!({"items": [{"$ref": "#/definitions/A"}], "properties": {"$ref": {}}});
        for_references(&mut schema, &|text| canonical(text));
        let expected = json!({
            "items": [{"$ref": "#/components/schemas/A"}],
            "properties": {"$ref": {}},
        });
        assert_eq!(schema, expected);
    }
}
