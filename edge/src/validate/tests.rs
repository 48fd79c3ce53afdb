//! Recorded messages, the choice of models, and the bounds of a check.

use super::*;
use serde_json::{Value as Json, json};

fn models(schema: &Json) -> Models {
    Models::compile(&[ModelSource { name: "M", schema }]).expect("compiles")
}

/// What is said of a body; nothing of a valid one.
fn said(schema: &Json, body: &str) -> String {
    let models = models(schema);
    let id = models.find("M").expect("is a model");
    let mut detail = String::new();
    let result = models.check(id, body.as_bytes(), &mut detail);
    assert_eq!(result.is_ok(), detail.is_empty(), "{result:?} {detail}");
    detail
}

/// A model as services have them, with what tests of theirs recorded.
fn transaction() -> Json {
    json!({
        "type": "object",
        "required": ["type", "transactionId", "timestamp"],
        "properties": {
            "type": {"type": "string", "enum": ["DEPOSIT", "REFUND"]},
            "transactionId": {"type": "string"},
            "timestamp": {"type": "number", "minimum": 315_529_200_000_u64},
            "amount": {"type": "number"},
            "name": {"type": "string", "pattern": "[A-Za-z0-9]{4,10}"},
            "method": {"oneOf": [
                {"type": "object", "required": ["card"]},
                {"type": "object", "required": ["bank"]}
            ]}
        },
        "additionalProperties": false
    })
}

#[test]
fn recorded_messages() {
    let whole = |more: &str| {
        format!(r#"{{"type":"REFUND","transactionId":"t","timestamp":315529200000{more}}}"#)
    };
    let rows = [
        (whole(""), ""),
        (
            r#"{"type":"REFUND","timestamp":315529200000}"#.to_owned(),
            r#"[object has missing required properties (["transactionId"])]"#,
        ),
        (
            "{}".to_owned(),
            r#"[object has missing required properties (["timestamp","transactionId","type"])]"#,
        ),
        (
            String::new(),
            r#"[object has missing required properties (["timestamp","transactionId","type"])]"#,
        ),
        (
            r#"{"type":"REFUND","transactionId":"t","timestamp":1}"#.to_owned(),
            "[numeric instance is lower than the required minimum (minimum: 315529200000, found: \
             1)]",
        ),
        (
            r#"{"type":"REFUND","transactionId":"t","timestamp":"1664985327329"}"#.to_owned(),
            "[instance type (string) does not match any allowed primitive type (allowed: \
             [\"integer\",\"number\"])]",
        ),
        (
            r#"{"type":"REFUND","transactionId":true,"timestamp":315529200000}"#.to_owned(),
            "[instance type (boolean) does not match any allowed primitive type (allowed: \
             [\"string\"])]",
        ),
        (
            r#"{"type":"INVALID","transactionId":"t","timestamp":315529200000}"#.to_owned(),
            "[instance value (\"INVALID\") not found in enum (possible values: \
             [\"DEPOSIT\",\"REFUND\"])]",
        ),
        (
            whole(r#","method":{}"#),
            "[instance failed to match exactly one schema (matched 0 out of 2)]",
        ),
        (
            whole(r#","method":{"card":1,"bank":2}"#),
            "[instance failed to match exactly one schema (matched 2 out of 2)]",
        ),
        (
            whole(r#","name":"n@me!!""#),
            r#"[ECMA 262 regex "[A-Za-z0-9]{4,10}" does not match input string "n@me!!"]"#,
        ),
        (
            whole(r#","foo":"bar""#),
            r#"[object instance has properties which are not allowed by the schema: ["foo"]]"#,
        ),
        ("{".to_owned(), "[Unknown error parsing request body]"),
        ("no json".to_owned(), "[Unknown error parsing request body]"),
        (" ".to_owned(), "[Unknown error parsing request body]"),
    ];
    for (body, expected) in rows {
        assert_eq!(said(&transaction(), &body), expected, "{body}");
    }
}

#[test]
fn messages_of_each_keyword() {
    let rows: &[(Json, &str, &str)] = &[
        (
            json!({"items": [{}, {}], "additionalItems": false}),
            "[1,2,3]",
            "schema only allows 2 elements in array but instance has 3 elements",
        ),
        (
            json!({"maxItems": 1}),
            "[1,2]",
            "array is too long: must have at most 1 elements but instance has 2 elements",
        ),
        (
            json!({"minItems": 1}),
            "[]",
            "array is too short: must have at least 1 elements but instance has 0 elements",
        ),
        (
            json!({"uniqueItems": true}),
            "[1,{},1.0]",
            "array must not contain duplicate elements",
        ),
        (
            json!({"minimum": 1.5}),
            "1",
            "numeric instance is lower than the required minimum (minimum: 1.5, found: 1)",
        ),
        (
            json!({"minimum": 1, "exclusiveMinimum": true}),
            "1.0",
            "numeric instance is not strictly greater than the required minimum 1",
        ),
        (
            json!({"minimum": 1, "exclusiveMinimum": true}),
            "0",
            "numeric instance is lower than the required minimum (minimum: 1, found: 0)",
        ),
        (
            json!({"maximum": 1}),
            "2",
            "numeric instance is greater than the required maximum (maximum: 1, found: 2)",
        ),
        (
            json!({"maximum": 1, "exclusiveMaximum": true}),
            "1",
            "numeric instance is not strictly lower than the required maximum 1",
        ),
        (
            json!({"multipleOf": 2}),
            "7",
            "remainder of division is not zero (7 / 2)",
        ),
        (
            json!({"minLength": 3}),
            "\"é\\\"\"",
            "string \"é\"\" is too short (length: 2, required minimum: 3)",
        ),
        (
            json!({"maxLength": 1}),
            "\"🐲🐲\"",
            "string \"🐲🐲\" is too long (length: 2, maximum allowed: 1)",
        ),
        (
            json!({"minProperties": 2}),
            "{\"a\":1}",
            "object has too few properties (found 1 but schema requires at least 2)",
        ),
        (
            json!({"maxProperties": 0}),
            "{\"a\":1}",
            "object has too many properties (found 1 but schema requires at most 0)",
        ),
        (
            json!({"dependencies": {"a": ["c", "b"]}}),
            "{\"a\":1,\"c\":2}",
            "property \"a\" of object has missing property dependencies (schema requires \
             [\"b\",\"c\"]; missing: [\"b\"])",
        ),
        (
            json!({"dependencies": {"a": {"required": ["b"]}}}),
            "{\"a\":1}",
            "object has missing required properties ([\"b\"])",
        ),
        (
            json!({"anyOf": [{"type": "null"}, {"type": "array"}]}),
            "1",
            "instance failed to match at least one required schema among 2",
        ),
        (
            json!({"allOf": [{"type": "integer"}, {"type": "array"}, {"minimum": 0}]}),
            "1",
            "instance failed to match all required schemas (matched only 2 out of 3)",
        ),
        (
            json!({"not": {}}),
            "1",
            "instance matched a schema which it should not have",
        ),
        (
            json!({"type": ["string", "null", "object"]}),
            "1.5",
            "instance type (number) does not match any allowed primitive type (allowed: \
             [\"null\",\"object\",\"string\"])",
        ),
        (
            json!({"type": "integer"}),
            "1.0",
            "instance type (number) does not match any allowed primitive type (allowed: \
             [\"integer\"])",
        ),
        (
            json!({"enum": [{"a": [1, "x"]}, null]}),
            "{ \"b\" : [ true ] }",
            "instance value ({\"b\":[true]}) not found in enum (possible values: \
             [{\"a\":[1,\"x\"]},null])",
        ),
    ];
    for (schema, body, expected) in rows {
        assert_eq!(said(schema, body), format!("[{expected}]"), "{schema}");
    }
}

#[test]
fn several_errors_stand_in_the_order_of_the_service() {
    let text = "instance type (integer) does not match any allowed primitive type (allowed: \
                [\"string\"])";
    let missing = |name: &str| format!("object has missing required properties ([\"{name}\"])");
    let object = json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "b": {"type": "array"},
            "a": {"type": "string"},
            "deep": {"type": "object", "required": ["x"], "properties": {"y": {"type": "string"}}},
        },
        "additionalProperties": false
    });
    let rows = [
        (
            "keywords by name",
            object.clone(),
            r#"{"a":1,"z":1,"y":1}"#,
            format!(
                "object instance has properties which are not allowed by the schema: \
                 [\"y\",\"z\"], {}",
                missing("id")
            ),
        ),
        (
            "nothing of what is deeper",
            object.clone(),
            r#"{"id":1,"b":1,"a":1}"#,
            // `id` is not declared.
            "object instance has properties which are not allowed by the schema: [\"id\"]"
                .to_owned(),
        ),
        (
            "members by name, whatever their order",
            json!({"properties": object["properties"]}),
            r#"{"b":1,"a":1}"#,
            format!("{text}, {}", text.replace("string", "array")),
        ),
        (
            "below a member only while nothing is wrong",
            json!({"properties": object["properties"]}),
            r#"{"a":1,"deep":{"x":1,"y":1}}"#,
            text.to_owned(),
        ),
        (
            "but the member itself",
            json!({"properties": object["properties"]}),
            r#"{"a":1,"deep":{"y":1}}"#,
            format!("{text}, {}", missing("x")),
        ),
        (
            "items in their order",
            json!({"items": {"type": "string"}}),
            r#"[1,"x",2]"#,
            format!("{text}, {text}"),
        ),
        (
            "a pattern and a name",
            json!({
                "properties": {"a": {"minimum": 5}},
                "patternProperties": {"a": {"maximum": 0}}
            }),
            r#"{"a":1}"#,
            "numeric instance is lower than the required minimum (minimum: 5, found: 1), numeric \
             instance is greater than the required maximum (maximum: 0, found: 1)"
                .to_owned(),
        ),
        (
            "a member of that name twice",
            json!({"properties": {"a": {"type": "string"}}}),
            r#"{"a":1,"a":"x"}"#,
            text.to_owned(),
        ),
    ];
    for (name, schema, body, expected) in rows {
        assert_eq!(said(&schema, body), format!("[{expected}]"), "{name}");
    }
}

#[test]
fn a_long_message_is_cut() {
    let list = format!("[{}1]", "1,".repeat(5_000));
    let said_of_list = said(&json!({"items": {"type": "string"}}), &list);
    let text = format!("\"{}\"", "é".repeat(100_000));
    let said_of_text = said(&json!({"maxLength": 1}), &text);
    for said in [said_of_list, said_of_text] {
        assert!(said.len() <= WORDS_BYTES_MAX + "…]".len(), "{}", said.len());
        assert!(said.len() > WORDS_BYTES_MAX - 4 && said.ends_with("…]"));
    }
}

#[test]
fn a_model_is_chosen_by_media_type() {
    let schema = json!({});
    let source = |name| ModelSource {
        name,
        schema: &schema,
    };
    let models = Models::compile(&[source("J"), source("X")]).expect("compiles");
    let named = [("application/json", "J"), ("application/xml", "X")];
    let chosen = RequestModels::compile(&models, &named).expect("compiles");
    let rows = [
        (None, Some("J")),
        (Some(""), Some("J")),
        (Some("application/json"), Some("J")),
        (Some("Application/JSON; charset=utf-8"), Some("J")),
        (Some(" application/xml ;q"), Some("X")),
        (Some("text/plain"), None),
        (Some("application/vnd.api+json"), None),
    ];
    for (content_type, expected) in rows {
        let expected = expected.and_then(|name| models.find(name));
        let found = chosen.model(content_type.map(str::as_bytes));
        assert_eq!(found, expected, "{content_type:?}");
    }
    assert!(RequestModels::default().is_empty() && !chosen.is_empty());
    assert_eq!(RequestModels::default().model(None), None);
    let unknown = RequestModels::compile(&models, &[("text/plain", "N")]).expect_err("no model");
    assert_eq!((&*unknown.model, &*unknown.media_type), ("N", "text/plain"));
}

#[test]
fn a_check_that_takes_too_long_ends() {
    // Two ways to go at each level: the way of a body of depth 60 doubles 60 times.
    let tree = json!({
        "type": "object",
        "properties": {"next": {"anyOf": [
            {"allOf": [{"$ref": "#"}, {"required": ["none"]}]},
            {"allOf": [{"$ref": "#"}, {"required": ["none"]}]}
        ]}}
    });
    let models = models(&tree);
    let id = models.find("M").expect("is a model");
    let body = |depth: usize| format!("{}{{}}{}", "{\"next\":".repeat(depth), "}".repeat(depth));
    let mut detail = String::new();
    let result = models.check(id, body(60).as_bytes(), &mut detail);
    assert_eq!((result, &*detail), (Err(BodyFault::Unfinished), ""));
    let result = models.check(id, body(3).as_bytes(), &mut detail);
    assert_eq!(result, Err(BodyFault::Invalid));
}

#[test]
fn schemas_within_each_other_are_bounded() {
    // A chain of definitions that all look at the same value.
    let chain = |length: usize| {
        let mut definitions = serde_json::Map::new();
        for at in 1..length {
            let next = format!("#/definitions/d{}", at + 1);
            definitions.insert(format!("d{at}"), json!({"not": {"not": {"$ref": next}}}));
        }
        definitions.insert(format!("d{length}"), json!({"type": "string"}));
        json!({"definitions": definitions, "allOf": [{"$ref": "#/definitions/d1"}]})
    };
    let check = |schema: &Json, body: &str| {
        let models = models(schema);
        let id = models.find("M").expect("is a model");
        models.check(id, body.as_bytes(), &mut String::new())
    };
    let fits = chain(DEPTH_MAX / 2);
    assert_eq!(check(&fits, "\"x\""), Ok(()));
    assert_eq!(check(&fits, "1"), Err(BodyFault::Invalid));
    let deeper = chain(DEPTH_MAX / 2 + 1);
    assert_eq!(check(&deeper, "\"x\""), Err(BodyFault::Unfinished));
}

#[test]
fn equal_items_are_found_among_many() {
    let unique = json!({"uniqueItems": true});
    let many: Vec<Json> = (0..50_000).map(|at| json!({"id": at, "x": [at]})).collect();
    let mut text = Json::Array(many).to_string();
    assert_eq!(said(&unique, &text), "");
    text.truncate(text.len() - 1);
    text += ",{\"x\":[77.0],\"id\":77}]";
    assert_eq!(
        said(&unique, &text),
        "[array must not contain duplicate elements]"
    );
}
