//! Exports: their shapes, and that an import of one gives the same API.
//!
//! Shape: documents in, documents out; random models there and back.

use proptest::{prelude::*, test_runner::Config};
use serde_json::{Value, json};
use tidegate::{
    openapi::{
        self, Options,
        export::{ExportFault, ExportFormat, ExportOptions, Extensions, export, to_yaml},
    },
    source::Source,
};
use tidegate_edge::model::api::{Api, ApiKind};

use super::models::{self, bare};

fn import(name: &str, text: &str) -> Api {
    let imported = openapi::import(Source::new(name, text), &Options::default());
    let errors = imported.report.error_count();
    assert_eq!(errors, 0, "{name}:\n{text}\n{}", imported.report);
    imported.api
}

/// The one round: out in every format and back again.
fn assert_comes_back(api: &Api) {
    for format in ExportFormat::ALL {
        let document = match export(api, &ExportOptions::whole(format)) {
            Ok(document) => document,
            Err(fault) => {
                assert_eq!(
                    (fault, api.kind),
                    (ExportFault::HttpApiAsSwagger, ApiKind::Http)
                );
                continue;
            }
        };
        let texts = [
            ("a.json", format!("{document:#}")),
            ("a.yaml", to_yaml(&document)),
        ];
        for (name, text) in texts {
            let mut again = import(name, &text);
            again.id.clone_from(&api.id);
            assert_eq!(bare(&again), bare(api), "{name}:\n{text}");
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 96, ..Config::default() })]

    #[test]
    fn random_apis_come_back(api in models::api()) {
        assert_comes_back(&api);
    }
}

#[test]
fn the_samples_come_back() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/openapi");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("samples") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a sample");
        let name = path.display().to_string();
        let imported = openapi::import_bytes(&name, &bytes, &Options::default());
        assert!(imported.report.is_empty(), "{name}: {}", imported.report);
        assert_comes_back(&imported.api);
        count += 1;
    }
    assert!(count >= 11, "{count} samples");
}

const PETS: &str = r##"
openapi: 3.0.1
info: { title: Pets, version: "1.0" }
components:
  schemas: { Pet: { type: object, items: { $ref: "#/components/schemas/Pet" } } }
  securitySchemes: { k: { type: apiKey, in: header, name: x-api-key } }
x-amazon-apigateway-request-validators: { v: { validateRequestBody: true } }
x-amazon-apigateway-gateway-responses: { THROTTLED: { statusCode: 420 } }
x-amazon-apigateway-binary-media-types: [image/png]
paths:
  /pets:
    post:
      summary: New.
      security: [{ k: [] }]
      x-amazon-apigateway-request-validator: v
      parameters:
        - { name: q, in: query, required: true, schema: { type: integer } }
      requestBody:
        content:
          application/json: { schema: { $ref: "#/components/schemas/Pet" } }
      responses:
        201:
          description: made
          headers: { Location: { required: true } }
          content: { application/json: { schema: { $ref: "#/components/schemas/Pet" } } }
        404: { description: 404 response }
      x-amazon-apigateway-integration:
        type: HTTP
        httpMethod: POST
        uri: https://h/p
        responses: { default: { statusCode: 201 } }
    x-amazon-apigateway-any-method:
      x-amazon-apigateway-auth: { type: AWS_IAM }
      x-amazon-apigateway-integration: { type: MOCK, responses: { default: { statusCode: 200 } } }
"##;

fn exported(format: ExportFormat, extensions: &[&str]) -> Value {
    let mut options = ExportOptions {
        stage: "prod".to_owned(),
        extensions: Extensions::default(),
        ..ExportOptions::whole(format)
    };
    for word in extensions {
        assert!(options.extensions.add(word), "{word}");
    }
    let mut api = import("a.yaml", PETS);
    api.id = "a1b2c3".to_owned();
    export(&api, &options).expect("a document")
}

#[test]
fn openapi_has_the_services_shape() {
    let server = json!([{
        "url": "https://a1b2c3.execute-api.us-east-1.amazonaws.com/{basePath}",
        "variables": {"basePath": {"default": "/prod"}},
    }]);
    let schema = json!({"schema": {"$ref": "#/components/schemas/Pet"}});
    let expected = json!({
        "openapi": "3.0.1",
        "info": {"title": "Pets", "version": "1.0"},
        "servers": server,
        "paths": {"/pets": {
            "post": {
                "summary": "New.",
                "parameters": [
                    {"name": "q", "in": "query", "required": true, "schema": {"type": "string"}},
                ],
                "requestBody": {"content": {"application/json": schema}, "required": true},
                "responses": {
                    "201": {
                        "description": "made",
                        "headers": {"Location": {"schema": {"type": "string"}, "required": true}},
                        "content": {"application/json": schema},
                    },
                    "404": {"description": "404 response"},
                },
                "security": [{"api_key": []}],
                "x-amazon-apigateway-integration": {
                    "type": "http",
                    "httpMethod": "POST",
                    "uri": "https://h/p",
                    "passthroughBehavior": "when_no_match",
                    "responses": {"default": {"statusCode": "201"}},
                },
            },
            "x-amazon-apigateway-any-method": {
                "responses": {},
                "security": [{"sigv4": []}],
                "x-amazon-apigateway-integration": {
                    "type": "mock",
                    "passthroughBehavior": "when_no_match",
                    "responses": {"default": {"statusCode": "200"}},
                },
            },
        }},
        "components": {
            "schemas": {"Pet": {"type": "object", "items": {"$ref": "#/components/schemas/Pet"}}},
            "securitySchemes": {
                "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
                "sigv4": {
                    "type": "apiKey", "name": "Authorization", "in": "header",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                },
            },
        },
    });
    assert_eq!(
        exported(ExportFormat::Oas30, &["integrations", "authorizers"]),
        expected
    );
}

#[test]
fn swagger_has_the_services_shape() {
    let document = exported(ExportFormat::Swagger, &[]);
    let schema = json!({"$ref": "#/definitions/Pet"});
    let expected = json!({
        "swagger": "2.0",
        "info": {"title": "Pets", "version": "1.0"},
        "host": "a1b2c3.execute-api.us-east-1.amazonaws.com",
        "basePath": "/prod",
        "schemes": ["https"],
        "paths": {"/pets": {
            "post": {
                "summary": "New.",
                "consumes": ["application/json"],
                "parameters": [
                    {"name": "q", "in": "query", "required": true, "type": "string"},
                    {"in": "body", "name": "Pet", "required": true, "schema": schema},
                ],
                "produces": ["application/json"],
                "responses": {
                    "201": {
                        "description": "made",
                        "headers": {"Location": {"type": "string", "x-tidegate-required": true}},
                        "schema": schema,
                    },
                    "404": {"description": "404 response"},
                },
                "security": [{"api_key": []}],
            },
            "x-amazon-apigateway-any-method": {"responses": {}, "security": [{"sigv4": []}]},
        }},
        "securityDefinitions": {
            "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
            "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header"},
        },
        "definitions": {"Pet": {"type": "object", "items": {"$ref": "#/definitions/Pet"}}},
    });
    assert_eq!(document, expected);
}

#[test]
fn extensions_come_when_asked_for() {
    // words, vendor members that appear beside ANY
    let rows: &[(&[&str], &[&str])] = &[
        (&[], &[]),
        (&["integrations"], &["integration"]),
        (&["authorizers"], &["authtype"]),
        (
            &["validators"],
            &["request-validator", "request-validators"],
        ),
        (&["gatewayresponses"], &["gateway-responses"]),
        (&["documentation"], &[]),
        (
            &["apigateway"],
            &[
                "authtype",
                "binary-media-types",
                "gateway-responses",
                "integration",
                "request-validator",
                "request-validators",
            ],
        ),
    ];
    for (words, expected) in rows {
        for format in ExportFormat::ALL {
            let mut found = Vec::new();
            collect(&exported(format, words), &mut found);
            found.sort();
            found.dedup();
            found.retain(|key| key != "any-method");
            assert_eq!(found, *expected, "{words:?} {format:?}");
        }
    }
    assert!(!Extensions::default().add("postman"));
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(members) => {
            for (key, value) in members {
                let vendor = key.strip_prefix("x-amazon-apigateway-");
                found.extend(vendor.map(str::to_owned));
                collect(value, found);
            }
        }
        _ => {}
    }
}
