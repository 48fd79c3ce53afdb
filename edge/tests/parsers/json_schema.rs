//! The official JSON Schema test suite, draft 4, and the crate `jsonschema` as a second judge.
//!
//! The files in `tests/json_schema` are the suite's, with its licence; those of formats are not
//! there, as `format` says nothing about validity. Each case is judged by the gateway's validator
//! and, apart from it, by the crate; random schemas and bodies by both.

use jsonschema::{Draft, PatternOptions, Validator};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{fs, path::Path};
use tidegate_edge::validate::{BodyFault, ModelFault, ModelSource, Models};

/// Groups that are not judged: what is said when they are compiled. Nothing is fetched, not even
/// the metaschema; references by `id` are not followed; expressions know no properties of
/// characters, which ECMA 262 got after draft 4.
const LEFT_OUT: &[(&str, &str, &str)] = &[
    (
        "definitions.json",
        "validate definition against metaschema",
        "leads out",
    ),
    (
        "ref.json",
        "$ref prevents a sibling id from changing the base uri",
        "leads out",
    ),
    (
        "ref.json",
        "remote ref, containing refs itself",
        "leads out",
    ),
    (
        "ref.json",
        "Recursive references between schemas",
        "leads out",
    ),
    ("ref.json", "Location-independent identifier", "by `id`"),
    (
        "ref.json",
        "Location-independent identifier with base URI change in subschema",
        "leads out",
    ),
    (
        "ref.json",
        "id must be resolved against nearest parent, not just immediate parent",
        "leads out",
    ),
    ("refRemote.json", "", "leads out"),
    ("optional/id.json", "", "leads out"),
    (
        "optional/ecmascript-regex.json",
        "patterns always use unicode semantics with pattern",
        "properties of characters",
    ),
    (
        "optional/ecmascript-regex.json",
        "pattern with non-ASCII digits",
        "properties of characters",
    ),
    (
        "optional/ecmascript-regex.json",
        "patterns always use unicode semantics with patternProperties",
        "properties of characters",
    ),
    (
        "optional/ecmascript-regex.json",
        "patternProperties with non-ASCII digits",
        "properties of characters",
    ),
];

fn compiled(schema: &Value) -> Result<Models, Vec<ModelFault>> {
    Models::compile(&[ModelSource {
        name: "Suite",
        schema,
    }])
}

/// What the gateway says of a body.
fn verdict(models: &Models, body: &Value) -> Result<bool, String> {
    let model = models.find("Suite").expect("was compiled");
    let text = serde_json::to_vec(body).expect("prints");
    let mut detail = String::new();
    match models.check(model, &text, &mut detail) {
        Ok(()) if detail.is_empty() => Ok(true),
        Err(BodyFault::Invalid) if detail.len() > 2 => Ok(false),
        result => Err(format!("{result:?} with `{detail}`")),
    }
}

fn other_judge(schema: &Value) -> Option<Validator> {
    jsonschema::options()
        .with_draft(Draft::Draft4)
        .should_validate_formats(false)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .ok()
}

fn files() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/json_schema/draft4");
    let mut found = Vec::new();
    for folder in ["", "optional/"] {
        for entry in fs::read_dir(root.join(folder)).expect("readable folder") {
            let path = entry.expect("directory entry").path();
            if path.extension().is_some_and(|ext| ext == "json") {
                let name = path.file_name().expect("has a name").to_string_lossy();
                let text = fs::read(&path).expect("readable file");
                let groups = serde_json::from_slice(&text).expect("is JSON");
                found.push((format!("{folder}{name}"), groups));
            }
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

#[test]
fn the_official_suite() {
    let (mut judged, mut left_out, mut faults) = (0, 0, Vec::new());
    for (file, groups) in files() {
        for group in groups.as_array().expect("a list") {
            let name = group["description"].as_str().expect("a text");
            let row = LEFT_OUT
                .iter()
                .find(|(known, group, _)| *known == file && (group.is_empty() || *group == name));
            let models = match (compiled(&group["schema"]), row) {
                (Err(found), Some((.., words)))
                    if found.iter().all(|fault| fault.reason.contains(words)) =>
                {
                    left_out += 1;
                    continue;
                }
                (Ok(models), None) => models,
                (result, _) => {
                    faults.push(format!("{file}, {name}: {:?}", result.err()));
                    continue;
                }
            };
            let other = other_judge(&group["schema"]);
            for case in group["tests"].as_array().expect("a list") {
                let title = &case["description"];
                let expected = case["valid"].as_bool().expect("a truth");
                let found = verdict(&models, &case["data"]);
                if found != Ok(expected) {
                    faults.push(format!("{file}, {name}, {title}: {found:?}"));
                }
                let other = other.as_ref().map(|other| other.is_valid(&case["data"]));
                if other.is_some_and(|other| other != expected) {
                    faults.push(format!("the crate, {file}, {name}, {title}"));
                }
                judged += 1;
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    println!("{judged} cases judged, {left_out} groups left out");
    assert!(judged > 650, "the suite was read");
}

/// Schemas of everything but references.
fn schemas() -> impl Strategy<Value = Value> {
    let types = prop::sample::subsequence(
        vec![
            "array", "boolean", "integer", "null", "number", "object", "string",
        ],
        1..4,
    );
    let number = || {
        prop_oneof![
            (-3i64..6).prop_map(Value::from),
            (-4i64..9).prop_map(halves)
        ]
    };
    let leaf = prop_oneof![
        Just(json!({})),
        types.prop_map(|types| json!({"type": types})),
        (number(), any::<bool>()).prop_map(|(n, x)| json!({"minimum": n, "exclusiveMinimum": x})),
        (number(), any::<bool>()).prop_map(|(n, x)| json!({"maximum": n, "exclusiveMaximum": x})),
        (1i64..5).prop_map(|n| json!({"multipleOf": halves(n)})),
        (0u64..4).prop_map(|n| json!({"minLength": n})),
        (0u64..4).prop_map(|n| json!({"maxLength": n})),
        (0u64..4).prop_map(|n| json!({"minItems": n})),
        (0u64..4).prop_map(|n| json!({"maxItems": n})),
        (0u64..3).prop_map(|n| json!({"minProperties": n, "maxProperties": n + 1})),
        prop::sample::subsequence(vec!["a", "b", "c"], 1..4).prop_map(|n| json!({"required": n})),
        prop::sample::select(vec!["^a", "b$", "[0-9]+", "^.{2}$", r"^\w*$"])
            .prop_map(|source| json!({"pattern": source})),
        Just(json!({"uniqueItems": true})),
        Just(json!({"dependencies": {"a": ["b"], "b": {"required": ["c"]}}})),
        prop::collection::vec(bodies(), 1..4).prop_map(|options| json!({"enum": options})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop::sample::select(vec!["a", "b", "c"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| json!({"allOf": all})),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|any| json!({"anyOf": any})),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|one| json!({"oneOf": one})),
            inner.clone().prop_map(|not| json!({"not": not})),
            inner.clone().prop_map(|each| json!({"items": each})),
            (prop::collection::vec(inner.clone(), 1..3), any::<bool>())
                .prop_map(|(first, more)| json!({"items": first, "additionalItems": more})),
            (prop::collection::vec(inner.clone(), 1..3), inner.clone())
                .prop_map(|(first, more)| json!({"items": first, "additionalItems": more})),
            (
                prop::collection::hash_map(name, inner.clone(), 1..3),
                any::<bool>()
            )
                .prop_map(
                    |(named, more)| json!({"properties": named, "additionalProperties": more})
                ),
            (inner.clone(), inner.clone(), inner).prop_map(|(named, matching, more)| json!({
                "properties": {"a": named},
                "patternProperties": {"^[ab]": matching},
                "additionalProperties": more
            })),
        ]
    })
}

fn halves(number: i64) -> Value {
    Value::from(number as f64 / 2.0)
}

fn bodies() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..6).prop_map(Value::from),
        (-4i64..9).prop_map(halves),
        "[ab1é]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop::sample::select(vec!["a", "b", "c", "d"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

/// No file of failures: a seed that fails becomes a row.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn both_judges_agree(schema in schemas(), all in prop::collection::vec(bodies(), 1..6)) {
        let models = compiled(&schema).expect("compiles");
        let other = other_judge(&schema).expect("compiles");
        for body in all {
            let expected = Ok(other.is_valid(&body));
            prop_assert_eq!(verdict(&models, &body), expected, "{} on {}", schema, body);
        }
    }
}
