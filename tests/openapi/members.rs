//! Whether random models reach every member, and whether an export that drops one is noticed.
//!
//! What it is: the test of the tests in `export`. Shape: the same models each time; a member is
//! dropped from every document of theirs, and some document has to come back as another API, or
//! not at all. Units: none. Errors: the members that nobody would miss. Source: own.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::Value;
use tidegate::{
    openapi::{
        self, Options,
        export::{ExportFormat, ExportOptions, export},
    },
    source::Source,
};
use tidegate_edge::model::api::Api;

use super::models::{self, bare};

/// How many models; the rarest members stand in one of fifty.
const APIS: usize = 200;

fn apis() -> Vec<Api> {
    let mut runner = TestRunner::deterministic();
    let strategy = models::api();
    let one = |_| strategy.new_tree(&mut runner).expect("a model").current();
    (0..APIS).map(one).collect()
}

/// Members of exports in either format that say something of an API.
const MEMBERS: &[&str] = &[
    "title",
    "version",
    "description",
    "operationId",
    "parameters",
    "name",
    "in",
    "required",
    "responses",
    "headers",
    "security",
    "type",
    "httpMethod",
    "uri",
    "credentials",
    "connectionType",
    "connectionId",
    "integrationTarget",
    "requestParameters",
    "requestTemplates",
    "passthroughBehavior",
    "contentHandling",
    "timeoutInMillis",
    "cacheNamespace",
    "cacheKeyParameters",
    "tlsConfig",
    "insecureSkipVerification",
    "serverNameToVerify",
    "responseTransferMode",
    "statusCode",
    "responseParameters",
    "responseTemplates",
    "validateRequestBody",
    "validateRequestParameters",
    "types",
    "vpcEndpointIds",
    "disableExecuteApiEndpoint",
    "ipAddressType",
    "summary",
    "tags",
    "x-amazon-apigateway-any-method",
    "x-amazon-apigateway-api-key-source",
    "x-amazon-apigateway-authorizer",
    "x-amazon-apigateway-authtype",
    "x-amazon-apigateway-binary-media-types",
    "x-amazon-apigateway-documentation",
    "x-amazon-apigateway-endpoint-access-mode",
    "x-amazon-apigateway-endpoint-configuration",
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-integration",
    "x-amazon-apigateway-minimum-compression-size",
    "x-amazon-apigateway-policy",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-request-validators",
    "x-amazon-apigateway-security-policy",
];
/// Those of OpenAPI alone, HTTP APIs among them.
const OPENAPI: &[&str] = &[
    "requestBody",
    "content",
    "schemas",
    "securitySchemes",
    "integrationSubtype",
    "payloadFormatVersion",
    "allowOrigins",
    "allowMethods",
    "allowHeaders",
    "exposeHeaders",
    "allowCredentials",
    "maxAge",
    "/$default",
    "x-amazon-apigateway-auth",
    "x-amazon-apigateway-cors",
    "x-amazon-apigateway-importexport-version",
];
/// Those of Swagger alone.
const SWAGGER: &[&str] = &[
    "consumes",
    "produces",
    "definitions",
    "securityDefinitions",
    "x-tidegate-request-models",
    "x-tidegate-response-models",
    "x-tidegate-required",
];

/// Takes every member of this name out of `value`; whether there was one.
fn drop_all(value: &mut Value, name: &str) -> bool {
    match value {
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |any, item| drop_all(item, name) | any),
        Value::Object(members) => {
            let had = members.shift_remove(name).is_some();
            members
                .values_mut()
                .fold(had, |any, member| drop_all(member, name) | any)
        }
        _ => false,
    }
}

/// Whether `document` is read as `api`.
fn is_whole(api: &Api, document: &Value) -> bool {
    let source = Source::new("a.json", format!("{document:#}"));
    let mut imported = openapi::import(source, &Options::default());
    imported.api.id.clone_from(&api.id);
    imported.report.error_count() == 0 && bare(&imported.api) == bare(api)
}

#[test]
fn an_export_without_a_member_is_noticed() {
    let apis = apis();
    for format in ExportFormat::ALL {
        let options = ExportOptions::whole(format);
        let whole: Vec<(&Api, Value)> = (apis.iter())
            .filter_map(|api| Some((api, export(api, &options).ok()?)))
            .collect();
        let own = match format {
            ExportFormat::Oas30 => OPENAPI,
            ExportFormat::Swagger => SWAGGER,
        };
        let is_noticed = |name: &&&str| {
            whole.iter().any(|(api, document)| {
                let mut cut = document.clone();
                drop_all(&mut cut, name) && !is_whole(api, &cut)
            })
        };
        let members = MEMBERS.iter().chain(own);
        let missed: Vec<_> = members.filter(|name| !is_noticed(name)).collect();
        assert!(missed.is_empty(), "{format:?}: nobody misses {missed:?}");
        // What says nothing is not missed, or the test could not fail.
        assert!(!is_noticed(&&"schemes") && !is_noticed(&&"no such member"));
    }
}

#[test]
fn random_models_reach_every_member() {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut words: BTreeSet<String> = BTreeSet::new();
    for api in apis() {
        for line in bare(&api).lines().map(str::trim) {
            if let Some((name, value)) = line.split_once(": ")
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            {
                let kept = values.entry(name.to_owned()).or_default();
                kept.insert(value.to_owned());
            }
            let word = line.rsplit(": ").next().unwrap_or(line);
            let end = word.find(|char: char| !char.is_ascii_alphanumeric());
            words.insert(word[..end.unwrap_or(word.len())].to_owned());
        }
    }
    const FIELDS: &[&str] = &[
        "access_mode",
        "allow_credentials",
        "allow_headers",
        "allow_methods",
        "allow_origins",
        "api_key_required",
        "api_key_source",
        "authorization",
        "authorizers",
        "binary_media_types",
        "cache_key",
        "cache_namespace",
        "connection",
        "content_handling",
        "content_type",
        "cors",
        "credentials",
        "default_route",
        "description",
        "descriptions",
        "disable_execute_api",
        "endpoint",
        "expose_headers",
        "gateway_responses",
        "headers",
        "http_method",
        "insecure_skip_verification",
        "ip_address_type",
        "kind",
        "max_age_s",
        "minimum_compression_bytes",
        "model",
        "models",
        "name",
        "operation_name",
        "parameters",
        "passthrough",
        "path",
        "payload_format",
        "place",
        "policy",
        "request_changes",
        "request_models",
        "request_parameters",
        "request_templates",
        "request_validator",
        "required",
        "response_changes",
        "response_type",
        "responses",
        "rows",
        "schema",
        "scopes",
        "security_policy",
        "selection_pattern",
        "server_name_to_verify",
        "source",
        "status",
        "subtype",
        "target",
        "templates",
        "text",
        "timeout_ms",
        "transfer_mode",
        "uri",
        "validates_body",
        "validates_parameters",
        "validators",
        "verb",
        "version",
        "vpc_endpoint_ids",
    ];
    let one = |name: &&&str| values.get(**name).is_none_or(|values| values.len() < 2);
    // Values of several lines begin alike: empty or not is all that can be seen of them.
    let alike = ["schema", "endpoint", "descriptions"];
    let poor: Vec<_> = (FIELDS.iter())
        .filter(one)
        .filter(|name| !alike.contains(name))
        .collect();
    assert!(poor.is_empty(), "always the same: {poor:?}");
    const WORDS: &[&str] = &[
        "Rest",
        "Http",
        "Mock",
        "HttpProxy",
        "Aws",
        "AwsProxy",
        "Internet",
        "VpcLink",
        "WhenNoMatch",
        "WhenNoTemplates",
        "Never",
        "ConvertToBinary",
        "ConvertToText",
        "Buffered",
        "Stream",
        "V1",
        "V2",
        "Request",
        "RequestValues",
        "RequestBody",
        "ResponseHeader",
        "ResponseHeaderValues",
        "ResponseBody",
        "Context",
        "StageVariable",
        "Static",
        "Method",
        "Integration",
        "Path",
        "Querystring",
        "Header",
        "None",
        "Iam",
        "Authorizer",
        "Edge",
        "Regional",
        "Private",
        "Get",
        "Head",
        "Post",
        "Put",
        "Patch",
        "Delete",
        "Options",
        "Any",
    ];
    let unseen: Vec<_> = (WORDS.iter())
        .filter(|word| !words.contains(**word))
        .collect();
    assert!(unseen.is_empty(), "never: {unseen:?}");
}
