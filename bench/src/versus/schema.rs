//! What: holds a JSON value against a schema, for the test of `bench/schema/versus.schema.json`.
//! Shape: the keywords that this schema uses and no others: an unknown one is a panic, so that no
//!   rule is passed over.
//! Units: none.
//! Errors: the first fault with its place, as text.
//! Source: JSON Schema 2020-12, sections 6 and 10.

use serde_json::Value;

/// The first fault of `value` against `schema`, whose references lead into `root`.
pub(crate) fn fault(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let rules = schema.as_object().expect("a schema is an object");
    rules.iter().find_map(|(keyword, rule)| {
        let is_kept = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#'));
                let target = pointer.and_then(|pointer| root.pointer(pointer));
                return fault(root, target.expect("a reference leads somewhere"), value);
            }
            "properties" | "items" => return fault_within(root, keyword, rule, value),
            "required" => {
                let mut names = rule.as_array().expect("names").iter();
                names.all(|name| value.get(name.as_str().expect("a name")).is_some())
            }
            "additionalProperties" => {
                assert_eq!(rule, &Value::Bool(false), "only false is understood");
                let known = schema.get("properties").expect("known properties");
                let mut names = value
                    .as_object()
                    .into_iter()
                    .flat_map(|object| object.keys());
                names.all(|name| known.get(name).is_some())
            }
            "type" => is_of_type(rule, value),
            "const" => rule == value,
            "enum" => rule.as_array().expect("values").contains(value),
            "anyOf" => kept(root, rule, value) > 0,
            "oneOf" => kept(root, rule, value) == 1,
            "minimum" => value.as_f64() >= rule.as_f64() || !value.is_number(),
            "maximum" => value.as_f64() <= rule.as_f64() || !value.is_number(),
            "exclusiveMinimum" => value.as_f64() > rule.as_f64() || !value.is_number(),
            other => panic!("the keyword {other} is not understood"),
        };
        (!is_kept).then(|| format!("{keyword} {rule} does not hold for {value}"))
    })
}

fn fault_within(root: &Value, keyword: &str, rule: &Value, value: &Value) -> Option<String> {
    if keyword == "items" {
        let mut items = value.as_array().into_iter().flatten();
        return items.find_map(|item| fault(root, rule, item));
    }
    let mut properties = rule.as_object().expect("properties").iter();
    properties.find_map(|(name, schema)| {
        let why = fault(root, schema, value.get(name)?)?;
        Some(format!("{name}: {why}"))
    })
}

fn kept(root: &Value, schemas: &Value, value: &Value) -> usize {
    let schemas = schemas.as_array().expect("schemas").iter();
    schemas
        .filter(|schema| fault(root, schema, value).is_none())
        .count()
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let types = rule
        .as_array()
        .map_or(std::slice::from_ref(rule), Vec::as_slice);
    types
        .iter()
        .any(|name| match name.as_str().expect("the name of a type") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "number" => value.is_number(),
            "integer" => value.is_u64() || value.is_i64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("the type {other} is not understood"),
        })
}
