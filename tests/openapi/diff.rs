//! What `tidegate diff` finds.
//!
//! Shape: a document, a change to its text, and the lines that tell of it.

use tidegate::{
    diagnostics::Colour,
    openapi::{
        self, Options,
        diff::{diff, to_json, to_text},
    },
    source::Source,
};
use tidegate_edge::model::api::Api;

use super::models::bare;

const PETS: &str = r##"openapi: 3.0.1
info: { title: Pets, version: "1.0" }
x-amazon-apigateway-minimum-compression-size: 10
components:
  schemas: { Pet: { type: object } }
  securitySchemes: { key: { type: apiKey, in: header, name: x-api-key } }
x-amazon-apigateway-request-validators: { v: { validateRequestBody: true } }
x-amazon-apigateway-gateway-responses: { THROTTLED: { statusCode: 420 } }
paths:
  /pets:
    get:
      parameters:
        - { name: q, in: query }
        - { name: r, in: query }
      security: [{ key: [] }]
      responses: { 200: { description: fine } }
      x-amazon-apigateway-integration:
        type: mock
        timeoutInMillis: 5000
        requestTemplates: { a/b: "one\ntwo\nthree\n", c/d: x }
        responses: { default: { statusCode: 200 }, 404: { statusCode: 404 } }
    put:
      x-amazon-apigateway-integration: { type: http, uri: "http://h" }
"##;

fn import(text: &str) -> Api {
    let imported = openapi::import(Source::new("a.yaml", text), &Options::default());
    assert_eq!(
        imported.report.error_count(),
        0,
        "{text}\n{}",
        imported.report
    );
    imported.api
}

#[test]
fn every_change_is_told_in_a_line() {
    // from, to, lines
    let rows = [
        ("", "", ""),
        (
            "title: Pets",
            "title: Shop",
            "~ API\n    ~ info.title: \"Pets\" → \"Shop\"\n",
        ),
        (
            "-size: 10",
            "-size: 11",
            "~ API\n    ~ minimum-compression-size: 10 → 11\n",
        ),
        (
            "Millis: 5000",
            "Millis: 50",
            "~ route GET /pets\n    ~ integration.timeoutInMillis: 5000 → 50\n",
        ),
        (
            "        timeoutInMillis: 5000\n",
            "",
            "~ route GET /pets\n    - integration.timeoutInMillis: 5000\n",
        ),
        (
            "name: q, in: query",
            "name: q, required: true, in: query",
            "~ route GET /pets\n    + parameters.query q.required: true\n",
        ),
        (
            "        - { name: r, in: query }\n",
            "",
            "~ route GET /pets\n    - parameters.query r: {\"schema\":{\"type\":\"string\"}}\n",
        ),
        (
            "      security: [{ key: [] }]\n",
            "",
            "~ route GET /pets\n    - security: {\"api_key\":[]}\n- security scheme api_key\n",
        ),
        (
            "two\\n",
            "2\\nmore\\n",
            "~ route GET /pets\n    ~ integration.requestTemplates.a/b: 3 → 4 lines, \
             from line 2 on: \"two\" → \"2\"\n",
        ),
        (
            "{ default: { statusCode: 200 }, 404: { statusCode: 404 } }",
            "{ 404: { statusCode: 404 }, default: { statusCode: 200 } }",
            "~ route GET /pets\n    ~ integration.responses.order: [\"default\",\"404\"] → \
             [\"404\",\"default\"]\n",
        ),
        (
            "    put:",
            "    post:",
            "- route PUT /pets\n+ route POST /pets\n",
        ),
        ("Pet: {", "Dog: {", "- model Pet\n+ model Dog\n"),
        (
            "Pet: { type: object }",
            "Pet: { type: array }",
            "~ model Pet\n    ~ type: \"object\" → \"array\"\n",
        ),
        (
            "validateRequestBody: true",
            "validateRequestBody: false",
            "~ request validator v\n    ~ validateRequestBody: true → false\n",
        ),
        (
            "THROTTLED: {",
            "QUOTA_EXCEEDED: {",
            "- gateway response THROTTLED\n+ gateway response QUOTA_EXCEEDED\n",
        ),
        // How it is written makes no difference.
        ("key: { type", "\"k\\u0065y\": { type", ""),
        ("[{ key: [] }]", "[ {key: []} ]", ""),
        ("statusCode: 420", "statusCode: \"420\"", ""),
    ];
    let before = import(PETS);
    for (from, to, expected) in rows {
        assert!(PETS.contains(from), "{from}");
        let after = import(&PETS.replacen(from, to, 1));
        let changes = diff(&before, &after);
        assert_eq!(to_text(&changes, Colour::Never), expected, "{from}");
        assert_eq!(to_json(&changes)["same"], changes.is_empty(), "{from}");
    }
}

#[test]
fn programs_read_what_people_read() {
    let after = import(&PETS.replacen("Millis: 5000", "Millis: 50", 1));
    let expected = serde_json::json!({
        "same": false,
        "changes": [{
            "change": "changed",
            "part": "route",
            "name": "GET /pets",
            "members": [{"member": ["integration", "timeoutInMillis"], "before": 5000, "after": 50}],
        }],
    });
    assert_eq!(to_json(&diff(&import(PETS), &after)), expected);
    let shown = to_text(&diff(&import(PETS), &after), Colour::Always);
    assert!(
        shown.contains("\u{1b}[33m~ route\u{1b}[0m GET /pets"),
        "{shown:?}"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 48, ..Default::default() })]

    /// No changes are told of where the models are the same, and some where they are not.
    #[test]
    fn random_apis_differ_as_their_models_do(
        a in super::models::api(),
        b in super::models::api(),
    ) {
        proptest::prop_assert!(diff(&a, &a).is_empty());
        let differ = bare(&a) != bare(&b);
        proptest::prop_assert_eq!(!diff(&a, &b).is_empty(), differ);
    }
}
