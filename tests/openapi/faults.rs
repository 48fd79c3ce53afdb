//! Faulty documents: every problem with its place and a hint.
//!
//! Shape: tables of texts with the expected line, column and words of the message or hint.

use tidegate::{
    diagnostics::{Report, Severity},
    openapi::{self, Options},
    source::Source,
};

use tidegate_edge::plan::Access;

use super::problems::{E, Expected, assert_problems};

const W: Severity = Severity::Warning;

fn import(name: &str, text: &str) -> Report {
    let imported = openapi::import(Source::new(name, text), &Options::default());
    imported.report
}

/// A document around one GET integration, whose first member stands at line 6, column 9.
fn with_integration(members: &str) -> String {
    let mut text = String::from("openapi: 3.0.1\npaths:\n  /a:\n    get:\n");
    text.push_str("      x-amazon-apigateway-integration:\n");
    for line in members.lines() {
        text.push_str(&format!("        {line}\n"));
    }
    text
}

#[test]
fn faulty_integrations_are_placed() {
    const PROXY: &str = "type: http_proxy\nuri: https://h/p\n";
    const MOCK: &str = "type: mock\nresponses:\n  default:\n    statusCode: 200\n";
    let rows: &[(&str, String, Expected<'static>)] = &[
        (
            "slip in a member",
            "type: http_proxy\nurii: https://h/p".into(),
            &[(5, 7, E, "no `uri`"), (7, 9, E, "did you mean `uri`?")],
        ),
        (
            "no type",
            "uri: https://h/p".into(),
            &[(5, 7, E, "no `type`")],
        ),
        (
            "function without address",
            "type: aws_proxy".into(),
            &[(5, 7, E, "no `uri`")],
        ),
        (
            "function whose address is none",
            "type: aws\nuri: https://h/p".into(),
            &[(7, 14, E, "Invalid ARN specified in the request")],
        ),
        (
            "subtype of a REST API",
            "type: aws_proxy\nintegrationSubtype: SQS-SendMessage\nuri: 'arn:a'".into(),
            &[(7, 9, E, "REST APIs have no integration subtypes")],
        ),
        (
            "unknown type",
            "type: http_prxy".into(),
            &[(6, 15, E, "did you mean `http_proxy`?")],
        ),
        (
            "uri without scheme",
            "type: http_proxy\nuri: example.com".into(),
            &[(7, 14, E, "http:// or https://")],
        ),
        (
            "uri no text",
            "type: http_proxy\nuri: 5".into(),
            &[(7, 14, E, "must be a text")],
        ),
        (
            "timeout too long",
            format!("{PROXY}timeoutInMillis: 900001"),
            &[(8, 26, E, "write 50 to 900000")],
        ),
        (
            "timeout too short",
            format!("{PROXY}timeoutInMillis: 49"),
            &[(8, 26, E, "out of range")],
        ),
        (
            "timeout a text",
            format!("{PROXY}timeoutInMillis: long"),
            &[(8, 26, E, "must be a number")],
        ),
        (
            "unknown verb",
            format!("{PROXY}httpMethod: GETT"),
            &[(8, 21, E, "did you mean `GET`?")],
        ),
        (
            "mapping target",
            format!("{PROXY}requestParameters:\n  integration.header.X: \"'a'\""),
            &[(9, 11, E, "integration.request.")],
        ),
        (
            "mapping constant without inner quotes",
            format!("{PROXY}requestParameters:\n  integration.request.header.X: 'a'"),
            &[(9, 41, E, "in both quotes")],
        ),
        (
            "mapping from the context",
            format!("{PROXY}requestParameters:\n  integration.request.header.X: context.requestId"),
            &[],
        ),
        (
            "mapping from the answer",
            format!(
                "{PROXY}requestParameters:\n  \
                 integration.request.header.X: integration.response.header.X"
            ),
            &[(9, 41, E, "no source of a mapping")],
        ),
        (
            "mapping that is no text",
            format!("{PROXY}requestParameters:\n  integration.request.header.X: true"),
            &[(
                9,
                11,
                W,
                "Invalid format for 'requestParameters'. Expected type string for property \
                 'integration.request.header.X' of resource '/a' and method 'GET' but got 'true'",
            )],
        ),
        (
            "mappings as a list",
            format!("{PROXY}requestParameters: [a]"),
            &[(8, 9, E, "must be a table")],
        ),
        (
            "VPC link",
            format!("{PROXY}connectionType: VPC_LINK"),
            &[(8, 25, E, "a VPC link without `connectionId`")],
        ),
        (
            "link that is not used",
            format!("{PROXY}connectionId: abc"),
            &[(8, 9, W, "add `connectionType: VPC_LINK`")],
        ),
        (
            "members of other types",
            format!("{PROXY}credentials: arn\ntlsConfig: {{insecureSkipVerification: true}}"),
            &[],
        ),
        (
            "slips in words",
            format!(
                "{PROXY}contentHandling: CONVERT_TO_TXT\nresponseTransferMode: STREM\n\
                 payloadFormatVersion: 3\ntlsConfig: {{serverNameToVerfy: h}}"
            ),
            &[
                (8, 26, E, "did you mean `CONVERT_TO_TEXT`?"),
                (9, 31, E, "did you mean `STREAM`?"),
                (10, 31, E, "write \"1.0\" or \"2.0\""),
                (11, 21, E, "did you mean `serverNameToVerify`?"),
            ],
        ),
        (
            "cache key",
            format!("{PROXY}cacheKeyParameters: [method.request.body]"),
            &[(8, 30, E, "no parameter of a cache key")],
        ),
        (
            "passthrough word",
            format!("{MOCK}passthroughBehavior: when_no_mach"),
            &[(10, 30, E, "did you mean `when_no_match`?")],
        ),
        (
            "mock without responses",
            "type: mock".into(),
            &[(5, 7, E, "no `responses`")],
        ),
        (
            "status out of range",
            "type: mock\nresponses:\n  default: {statusCode: 99}".into(),
            &[(8, 33, E, "100 to 599")],
        ),
        (
            "status missing",
            "type: mock\nresponses:\n  default: {}".into(),
            &[(8, 11, E, "no `statusCode`")],
        ),
        (
            "slip in a response",
            format!("{MOCK}    responseTemplate: {{}}"),
            &[(10, 13, E, "did you mean `responseTemplates`?")],
        ),
        (
            "header target",
            format!("{MOCK}    responseParameters:\n      X-A: \"'a'\""),
            &[(11, 15, E, "method.response.header.NAME")],
        ),
        (
            "header from the origin",
            format!(
                "{MOCK}    responseParameters:\n      \
                 method.response.header.A: integration.response.header.A"
            ),
            &[],
        ),
        (
            "header from the request",
            format!(
                "{MOCK}    responseParameters:\n      \
                 method.response.header.A: method.request.header.A"
            ),
            &[(11, 41, E, "write integration.response.")],
        ),
        (
            "template with mapping language",
            format!("{MOCK}    responseTemplates:\n      application/json: $input.body"),
            &[],
        ),
        (
            "template that is no text",
            format!("{MOCK}    responseTemplates:\n      application/json: [1]"),
            &[(11, 15, E, "a template is a text")],
        ),
    ];
    for (name, members, expected) in rows {
        let report = import("a.yaml", &with_integration(members));
        assert_problems(name, &report, expected);
    }
}

#[test]
fn faulty_documents_are_placed() {
    const OK: &str = "x-amazon-apigateway-integration: {type: http_proxy, uri: 'http://h'}";
    let rows: &[(&str, String, Expected<'static>)] = &[
        (
            "empty",
            String::new(),
            &[(1, 1, E, "not an OpenAPI document")],
        ),
        (
            "no version, no paths",
            "info: {title: t}".into(),
            &[(1, 1, E, "is missing"), (1, 1, E, "is missing")],
        ),
        (
            "version",
            format!("openapi: 2.5\npaths: {{/a: {{get: {{{OK}}}}}}}"),
            &[(1, 10, E, "version `2.5`")],
        ),
        (
            "unquoted Swagger version",
            format!("swagger: 2.0\npaths: {{/a: {{get: {{{OK}}}}}}}"),
            &[],
        ),
        (
            "no path",
            "openapi: 3.0.1\npaths: {}".into(),
            &[(2, 1, E, "holds no path")],
        ),
        (
            "path without slash",
            format!("openapi: 3.0.1\npaths:\n  pets: {{get: {{{OK}}}}}"),
            &[(3, 3, E, "write `/pets`")],
        ),
        (
            "verb with a slip",
            format!("openapi: 3.0.1\npaths:\n  /a:\n    gett: {{{OK}}}"),
            &[(4, 5, E, "did you mean `get`?")],
        ),
        (
            "verb in capitals",
            format!("openapi: 3.0.1\npaths:\n  /a:\n    GET: {{{OK}}}"),
            &[(4, 5, E, "did you mean `get`?")],
        ),
        (
            "TRACE",
            format!("openapi: 3.0.1\npaths:\n  /a:\n    trace: {{{OK}}}"),
            &[(4, 5, W, "405")],
        ),
        (
            "method without integration",
            "openapi: 3.0.1\npaths:\n  /a:\n    get:\n      summary: x".into(),
            &[(4, 5, E, "no integration")],
        ),
        (
            "schemes that are not there",
            format!(
                "openapi: 3.0.1\nsecurity: [{{k: []}}]\npaths:\n  /a:\n    get:\n      \
                 security: [{{l: []}}]\n      {OK}\n    put:\n      {OK}"
            ),
            &[
                (2, 13, E, "there is no security scheme `k`"),
                (6, 19, E, "there is no security scheme `l`"),
            ],
        ),
        (
            "a scheme for all methods",
            format!(
                "openapi: 3.0.1\nsecurity: [{{k: []}}]\ncomponents:\n  securitySchemes:\n    \
                 k: {{type: apiKey, in: header, name: Authorization}}\npaths:\n  /a:\n    \
                 get:\n      {OK}\n    put:\n      {OK}"
            ),
            &[],
        ),
        (
            "two authorizers",
            format!(
                "openapi: 3.0.1\ncomponents:\n  securitySchemes:\n    k: {{type: oauth2}}\n    \
                 l: {{type: http}}\npaths:\n  /a:\n    get:\n      \
                 security: [{{k: []}}, {{l: []}}]\n      {OK}"
            ),
            &[(9, 28, E, "a method has one authorizer")],
        ),
        (
            "an API key",
            format!(
                "openapi: 3.0.1\nx-amazon-apigateway-api-key-source: HEADER\ncomponents:\n  \
                 securitySchemes:\n    api_key: {{type: apiKey, in: header, name: x-api-key}}\n\
                 paths:\n  /a:\n    get:\n      security: [{{api_key: []}}]\n      {OK}"
            ),
            &[],
        ),
        (
            "keys of an authorizer",
            format!(
                "openapi: 3.0.1\nx-amazon-apigateway-api-key-source: AUTHORIZER\n\
                 paths:\n  /a:\n    get: {{{OK}}}"
            ),
            &[],
        ),
        (
            "signatures",
            format!(
                "openapi: 3.0.1\npaths:\n  /a:\n    get:\n      \
                 x-amazon-apigateway-auth: {{type: AWS_IAM}}\n      {OK}\n    put:\n      \
                 x-amazon-apigateway-auth: {{type: NONE}}\n      {OK}\n    post:\n      \
                 x-amazon-apigateway-auth: {{type: IAM}}\n      {OK}"
            ),
            &[(11, 7, E, "write NONE or AWS_IAM")],
        ),
        (
            "empty security is no check",
            format!("openapi: 3.0.1\npaths:\n  /a:\n    get:\n      security: []\n      {OK}"),
            &[],
        ),
        (
            "settings of the whole",
            format!(
                "openapi: 3.0.1\nx-amazon-apigateway-policy: {{a: 1}}\n\
                 x-amazon-apigateway-binary-media-types: [image/png, 5]\n\
                 x-amazon-apigateway-minimum-compression-size: 10485761\n\
                 x-amazon-apigateway-request-validator: all\n\
                 x-amazon-apigateway-gateway-responses: {{DEFAULT_4X: {{}}}}\n\
                 x-amazon-apigateway-endpoint-configuration: {{types: [EDGE, REGIONL]}}\n\
                 x-amazon-apigateway-security-policy: TLS_1_2\n\
                 x-amazon-apigateway-something: 1\nx-mine: 1\n\
                 paths:\n  /a:\n    get: {{{OK}}}"
            ),
            &[
                (3, 53, E, "quote the value"),
                (4, 47, E, "write 0 to 10485760"),
                (5, 40, E, "there is no request validator `all`"),
                (6, 41, E, "did you mean `DEFAULT_4XX`?"),
                (7, 60, E, "multiple Endpoint Types"),
                (8, 1, W, "min_version"),
                (9, 1, W, "not known"),
            ],
        ),
        (
            "gateway responses",
            format!(
                "openapi: 3.0.1\nx-amazon-apigateway-gateway-responses:\n  THROTTLED:\n    \
                 statusCode: 99\n    responseParameters:\n      gatewayresponse.path.X: \"'a'\"\n      \
                 gatewayresponse.header.X: [a]\n    responseTemplates: {{application/json: [a]}}\n    \
                 responseTemplate: {{}}\npaths:\n  /a:\n    get: {{{OK}}}"
            ),
            &[
                (4, 17, E, "write 100 to 599"),
                (6, 7, E, "write gatewayresponse.header.NAME"),
                (7, 7, E, "no source of a mapping"),
                (8, 25, E, "a template is a text"),
                (9, 5, E, "did you mean `responseTemplates`?"),
            ],
        ),
        (
            "CORS",
            format!(
                "openapi: 3.0.1\nx-amazon-apigateway-cors:\n  allowOrigins: ['*']\n  \
                 allowCredentials: true\n  maxAge: 86401\n  allowMethod: [GET]\n\
                 paths:\n  /a:\n    get: {{{OK}}}"
            ),
            &[
                (2, 1, E, "credentials cannot be allowed to every origin"),
                (5, 11, E, "write -1 to 86400"),
                (6, 3, E, "did you mean `allowMethods`?"),
            ],
        ),
        (
            "models and answers",
            format!(
                "openapi: 3.0.1\ncomponents:\n  schemas:\n    Pet: {{type: object}}\n\
                 paths:\n  /a:\n    post:\n      requestBody:\n        content:\n          \
                 application/json: {{schema: {{$ref: '#/components/schemas/Pat'}}}}\n          \
                 text/plain: {{schema: 5}}\n      responses:\n        20: {{}}\n        \
                 2XX: {{description: fine}}\n        default: {{description: other}}\n      {OK}"
            ),
            &[
                (10, 45, E, "did you mean `Pet`?"),
                (11, 32, E, "a schema is a table"),
                (13, 9, E, "is no HTTP status"),
            ],
        ),
        (
            "a named integration that nothing names",
            format!(
                "openapi: 3.0.1\npaths:\n  /a:\n    get: {{{OK}}}\ncomponents:\n  \
                 x-amazon-apigateway-integrations:\n    spare: {{type: mock}}"
            ),
            &[(7, 5, W, "no method refers to the integration `spare`")],
        ),
        (
            "the default route takes every verb",
            format!("openapi: 3.0.1\npaths:\n  /$default:\n    get: {{{OK}}}"),
            &[(4, 5, E, "write `x-amazon-apigateway-any-method`")],
        ),
        (
            "reference to nowhere",
            "openapi: 3.0.1\npaths:\n  /a:\n    get:\n      \
             x-amazon-apigateway-integration:\n        $ref: '#/components/x'"
                .into(),
            &[(6, 15, E, "leads nowhere")],
        ),
        (
            "reference out of the document",
            "openapi: 3.0.1\npaths:\n  /a:\n    $ref: other.yaml#/a".into(),
            &[(4, 11, E, "leads out")],
        ),
        (
            "circle",
            "openapi: 3.0.1\npaths:\n  /a:\n    $ref: '#/paths/~1a'".into(),
            &[(3, 3, E, "back to itself")],
        ),
        (
            "parameters",
            format!(
                "openapi: 3.0.1\npaths:\n  /a:\n    parameters:\n      - {{name: a}}\n      \
                 - {{in: query}}\n      - {{in: nowhere, name: a}}\n      - {{in: cookie, \
                 name: c}}\n    get: {{{OK}}}"
            ),
            &[
                (5, 9, E, "no `in`"),
                (6, 9, E, "no `name`"),
                (7, 14, E, "cannot stand in `nowhere`"),
            ],
        ),
        (
            "duplicate key",
            "openapi: 3.0.1\npaths:\n  /a: {}\n  /a: {}".into(),
            &[(4, 3, E, "second time")],
        ),
        (
            "several at once",
            format!(
                "openapi: 4.0\npaths:\n  a: {{gett: 1}}\n  /b:\n    get: {{}}\n    put: 5\n    \
                 post: {{{OK}}}"
            ),
            &[
                (1, 10, E, "version"),
                (3, 3, E, "begin with `/`"),
                (3, 7, E, "did you mean `get`?"),
                (5, 5, E, "no integration"),
                (6, 10, E, "must be a table"),
            ],
        ),
    ];
    for (name, text, expected) in rows {
        let report = import("a.yaml", text);
        assert_problems(name, &report, expected);
    }
}

#[test]
fn json_keeps_its_own_rules() {
    let rows: &[(&str, &str, Expected<'static>)] = &[
        (
            "duplicate",
            "{\"openapi\": \"3.0.1\",\n \"openapi\": \"3.0.1\"}",
            &[(2, 2, E, "second time")],
        ),
        (
            "trailing comma",
            "{\"openapi\": \"3.0.1\",}",
            &[(1, 21, E, "no comma before `}`")],
        ),
        ("comment", "{} # a", &[(1, 4, E, "follows the end")]),
    ];
    for (name, text, expected) in rows {
        let report = import("a.json", text);
        assert_problems(name, &report, expected);
    }
}

#[test]
fn what_refuses_calls_is_said_when_the_plan_is_compiled() {
    const OK: &str = "x-amazon-apigateway-integration: {type: http_proxy, uri: 'http://h'}";
    // What the document says, what the operation says, line and column, words, who may call.
    let rows = [
        (
            "x-amazon-apigateway-policy: {Version: '2012-10-17'}",
            "summary: a",
            (2, 1, "every request is answered with 403"),
            Access::ByPolicy,
        ),
        (
            "components: {securitySchemes: {a: {type: http, scheme: bearer}}}",
            "security: [{a: []}]",
            (6, 19, "every call is answered with 500"),
            Access::Authorized,
        ),
        (
            "x-a: 1",
            "x-amazon-apigateway-auth: {type: AWS_IAM}",
            (6, 7, "every call is answered with 403"),
            Access::Signed,
        ),
        (
            "x-amazon-apigateway-api-key-source: AUTHORIZER",
            "x-amazon-apigateway-api-key-required: true",
            (5, 5, "keys come from an authorizer"),
            Access::Authorized,
        ),
    ];
    for (root, operation, (line, column, words), access) in rows {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.yaml");
        let text = format!(
            "openapi: 3.0.1\n{root}\npaths:\n  /a:\n    get:\n      {operation}\n      {OK}\n"
        );
        std::fs::write(&path, text).expect("written");
        let sources = tidegate::process::Sources {
            apis: vec![path],
            ..Default::default()
        };
        let loaded = tidegate::process::load::load(&sources, 1);
        let report = &loaded.configuration.report;
        assert_problems(root, report, &[(line, column, W, words)]);
        let plan = loaded.plan.expect("a plan");
        assert!(
            plan.routes.iter().all(|route| route.access == access),
            "{root}"
        );
    }
}
