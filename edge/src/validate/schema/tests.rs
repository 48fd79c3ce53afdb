//! Tables of what compiles, what does not and where, and of references.

use super::*;
use crate::validate::BodyFault;
use serde_json::{Value as Json, json};

fn compiled(models: &[(&str, Json)]) -> Result<Models, Vec<ModelFault>> {
    let sources: Vec<ModelSource<'_>> = models
        .iter()
        .map(|(name, schema)| ModelSource { name, schema })
        .collect();
    Models::compile(&sources)
}

/// Model, pointer and a part of the reason of the only fault.
fn refused(models: &[(&str, Json)]) -> (String, String, String) {
    let mut faults = compiled(models).expect_err("does not compile");
    let fault = faults.remove(0);
    assert!(faults.is_empty(), "{fault} and {faults:?}");
    (fault.model, fault.pointer, fault.reason)
}

fn is_valid(models: &Models, name: &str, body: &Json) -> bool {
    let id = models.find(name).expect("is a model");
    let result = models.check(id, body.to_string().as_bytes(), &mut String::new());
    assert_ne!(result, Err(BodyFault::Unfinished));
    result.is_ok()
}

#[test]
fn schemas_that_are_none_are_refused_where_they_are_wrong() {
    let rows = [
        (json!(true), "", "object"),
        (json!({"type": "any"}), "/type", "array, boolean"),
        (json!({"type": []}), "/type", "a type"),
        (json!({"type": 1}), "/type", "a type"),
        (json!({"type": ["string", 1]}), "/type", "array, boolean"),
        (json!({"properties": []}), "/properties", "for each name"),
        (
            json!({"properties": {"a/b": {"type": "any"}}}),
            "/properties/a~1b/type",
            "array",
        ),
        (
            json!({"properties": {"a": true}}),
            "/properties/a",
            "object",
        ),
        (
            json!({"patternProperties": {"(": {}}}),
            "/patternProperties/(",
            "unclosed",
        ),
        (
            json!({"additionalProperties": 1}),
            "/additionalProperties",
            "true, false",
        ),
        (
            json!({"additionalProperties": {"enum": []}}),
            "/additionalProperties/enum",
            "at least",
        ),
        (
            json!({"items": [{}, {"type": "x"}]}),
            "/items/1/type",
            "array",
        ),
        (json!({"items": []}), "/items", "not empty"),
        (json!({"items": true}), "/items", "object"),
        (
            json!({"additionalItems": "x"}),
            "/additionalItems",
            "true, false",
        ),
        (json!({"allOf": []}), "/allOf", "not empty"),
        (json!({"anyOf": {}}), "/anyOf", "list"),
        (json!({"oneOf": [{"not": []}]}), "/oneOf/0/not", "object"),
        (json!({"enum": 1}), "/enum", "at least one"),
        (json!({"enum": []}), "/enum", "at least one"),
        (json!({"required": []}), "/required", "at least one"),
        (json!({"required": true}), "/required", "names"),
        (json!({"required": ["a", "a"]}), "/required", "different"),
        (json!({"required": ["a", 1]}), "/required", "names"),
        (
            json!({"dependencies": []}),
            "/dependencies",
            "for each name",
        ),
        (
            json!({"dependencies": {"a": []}}),
            "/dependencies/a",
            "at least one",
        ),
        (
            json!({"dependencies": {"a": 1}}),
            "/dependencies/a",
            "object",
        ),
        (json!({"maxItems": -1}), "/maxItems", "not negative"),
        (json!({"minItems": 1.5}), "/minItems", "whole"),
        (json!({"maxLength": "1"}), "/maxLength", "whole"),
        (json!({"minLength": null}), "/minLength", "whole"),
        (json!({"maxProperties": -1}), "/maxProperties", "whole"),
        (json!({"minProperties": {}}), "/minProperties", "whole"),
        (json!({"maximum": "1"}), "/maximum", "a number"),
        (
            json!({"minimum": 1, "exclusiveMinimum": 1}),
            "/minimum",
            "draft 4",
        ),
        (
            json!({"exclusiveMaximum": true}),
            "/exclusiveMaximum",
            "without `maximum`",
        ),
        (json!({"multipleOf": 0}), "/multipleOf", "greater than 0"),
        (json!({"multipleOf": -0.5}), "/multipleOf", "greater than 0"),
        (json!({"pattern": 1}), "/pattern", "string"),
        (json!({"pattern": "^(?=a)"}), "/pattern", "look-around"),
        (json!({"uniqueItems": 1}), "/uniqueItems", "true or false"),
        (
            json!({"definitions": {"x": {"type": "x"}}}),
            "/definitions/x/type",
            "array",
        ),
        (json!({"$ref": "#/definitions/x"}), "/$ref", "leads nowhere"),
        (json!({"$ref": "#x"}), "/$ref", "by `id`"),
        (json!({"$ref": "#/a%2"}), "/$ref", "no reference"),
        (json!({"$ref": "other.json"}), "/$ref", "leads out"),
        (
            json!({"$ref": "http://example.com/m#/a"}),
            "/$ref",
            "leads out",
        ),
        (json!({"$ref": "file:///etc/passwd"}), "/$ref", "leads out"),
        (
            json!({"$ref": "https://apigateway.amazonaws.com/restapis/a1/models/Nobody"}),
            "/$ref",
            "no model `Nobody`",
        ),
        (
            json!({"$ref": "https://apigateway.amazonaws.com/restapis/a1/models/"}),
            "/$ref",
            "leads out",
        ),
        (json!({"$ref": "#"}), "", "back to itself"),
        (
            json!({"allOf": [{"$ref": "#"}]}),
            "/allOf/0",
            "back to itself",
        ),
        (
            json!({"not": {"anyOf": [{}, {"$ref": "#/not"}]}}),
            "/not/anyOf/1",
            "back to itself",
        ),
        (
            json!({"dependencies": {"a": {"$ref": "#"}}}),
            "/dependencies/a",
            "back to itself",
        ),
    ];
    for (schema, pointer, reason) in rows {
        let text = schema.to_string();
        let (model, place, found) = refused(&[("Pet", schema)]);
        assert_eq!((&*model, &*place), ("Pet", pointer), "{text}: {found}");
        assert!(found.contains(reason), "{text}: {found}");
    }
}

#[test]
fn references_lead_to_other_models() {
    let address =
        |name: &str| format!("https://apigateway.amazonaws.com/restapis/x9/models/{name}");
    let models = compiled(&[
        ("Name", json!({"type": "string", "minLength": 2})),
        (
            "Pet",
            json!({
                "type": "object",
                "properties": {
                    "name": {"$ref": address("Name")},
                    "tag": {"$ref": "#/definitions/Tag"},
                    "owner": {"$ref": "#/definitions/Owner"},
                    "friends": {"type": "array", "items": {"$ref": address("Pet")}},
                    "size": {"$ref": "#/components/schemas/Size"},
                    "part": {"$ref": format!("{}#/properties/name", address("Owner"))},
                },
                "definitions": {"Tag": {"enum": ["a", "b"]}}
            }),
        ),
        (
            "Owner",
            json!({"type": "object", "properties": {"name": {"type": "string"}}}),
        ),
        ("Size", json!({"type": "integer"})),
        ("Tag", json!({"type": "integer"})),
    ])
    .expect("compiles");
    let rows = [
        (json!({}), true),
        (json!({"name": "ab"}), true),
        (json!({"name": "a"}), false),
        (json!({"tag": "a"}), true),
        (json!({"tag": 1}), false),
        (json!({"owner": {"name": "x"}}), true),
        (json!({"owner": {"name": 1}}), false),
        (json!({"friends": [{"friends": [{"name": "ab"}]}]}), true),
        (json!({"friends": [{"friends": [{"name": "a"}]}]}), false),
        (json!({"size": 1}), true),
        (json!({"size": "1"}), false),
        (json!({"part": "x"}), true),
        (json!({"part": 1}), false),
    ];
    for (body, expected) in rows {
        assert_eq!(is_valid(&models, "Pet", &body), expected, "{body}");
    }
    assert!(models.find("Nobody").is_none());
}

#[test]
fn the_default_models() {
    let models = compiled(&[
        (
            "Empty",
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "title": "Empty Schema",
                   "type": "object"}),
        ),
        (
            "Error",
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "title": "Error Schema",
                   "type": "object", "properties": {"message": {"type": "string"}}}),
        ),
    ])
    .expect("compiles");
    assert!(is_valid(&models, "Empty", &json!({"any": [1]})));
    assert!(!is_valid(&models, "Empty", &json!([])));
    assert!(is_valid(&models, "Error", &json!({"message": "m"})));
    assert!(!is_valid(&models, "Error", &json!({"message": 1})));
}

#[test]
fn what_draft_4_does_not_know_is_left_alone() {
    let schema = json!({
        "type": "string", "format": "email", "nullable": true, "example": 1, "discriminator": "x",
        "readOnly": true, "const": 2, "if": {"type": "any"}, "$id": "x", "xml": {}, "default": 5,
    });
    let models = compiled(&[("M", schema)]).expect("compiles");
    assert!(is_valid(&models, "M", &json!("no address")));
    assert!(!is_valid(&models, "M", &Json::Null));
}

#[test]
fn models_are_bounded() {
    let twice = [("A", json!({})), ("A", json!({}))];
    let (model, _, reason) = refused(&twice);
    assert!(model == "A" && reason.contains("second"), "{reason}");
    let many: Vec<Json> = (0..NODES_MAX).map(|_| json!({})).collect();
    let (_, _, reason) = refused(&[("A", json!({"allOf": many}))]);
    assert!(reason.contains("10000"), "{reason}");
    let wrong: Vec<Json> = (0..1_000).map(|_| json!({"type": 1})).collect();
    let faults = compiled(&[("A", json!({"allOf": wrong}))]).expect_err("does not compile");
    assert_eq!(faults.len(), 100);
    let large = |at: usize| format!("^.{{0,{}}}$", 1_000 + at);
    let each = Pattern::compile(&large(0)).expect("compiles").bytes();
    let large: Vec<Json> = (0..=PATTERNS_BYTES_MAX / each)
        .map(|at| json!({"pattern": large(at)}))
        .collect();
    let faults = compiled(&[("A", json!({"allOf": large}))]).expect_err("does not compile");
    assert!(faults[0].reason.contains("expressions"), "{}", faults[0]);
    // Nested as deep as JSON can be read.
    let mut deep = json!({"type": "string"});
    for _ in 0..120 {
        deep = json!({"allOf": [deep]});
    }
    let models = compiled(&[("A", deep)]).expect("compiles");
    assert!(is_valid(&models, "A", &json!("x")) && !is_valid(&models, "A", &json!(1)));
}
