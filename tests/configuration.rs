//! Configuration from outside: documents and settings in, models or placed problems out.
//!
//! Shape: tables of texts with the expected line, column and words of the message or hint.
//! Units: lines and columns from 1.
//! Errors: a row that differs prints the whole report.
//! Source: `configs/` holds the good samples, `tests/corpus/configuration` the fuzz corpus.

use std::path::{Path, PathBuf};

use tidegate::{
    diagnostics::{Problem, Report, Severity},
    openapi::{self, Options},
    settings::{self, Configuration},
    source::Source,
};
use tidegate_edge::model::{
    api::{Api, Integration, IntegrationKind, ParameterSource, Passthrough, Place, Verb},
    settings::{Health, Limits, Roots, Settings, Workers},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn import(name: &str, text: &str) -> (Api, Report) {
    let imported = openapi::import(Source::new(name, text), &Options::default());
    (imported.api, imported.report)
}

/// Line, column, severity, and words of the message or the hint.
type Expected<'a> = &'a [(u32, u32, Severity, &'a str)];

/// The only place where rows of problems meet the report.
fn assert_problems(name: &str, report: &Report, expected: Expected<'_>) {
    let mut found: Vec<&Problem> = report.problems().iter().collect();
    found.sort_by_key(|problem| (problem.line, problem.column));
    assert_eq!(found.len(), expected.len(), "{name}:\n{report}");
    for (problem, (line, column, severity, words)) in found.iter().zip(expected) {
        let place = (problem.line, problem.column, problem.severity);
        assert_eq!(place, (*line, *column, *severity), "{name}:\n{report}");
        let hint = problem.hint.as_deref().unwrap_or("");
        let all = format!("{} | {hint}", problem.message);
        assert!(all.contains(words), "{name}: {words:?} not in {all:?}");
        assert!(!hint.is_empty(), "{name}: no hint for {}", problem.message);
        if *line > 0 {
            let shown = report.to_string();
            assert!(
                shown.contains(problem.source_line.trim()),
                "{name}:\n{shown}"
            );
        }
    }
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

const E: Severity = Severity::Error;
const W: Severity = Severity::Warning;

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
        let (_, report) = import("a.yaml", &with_integration(members));
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
            "one warning for all methods of a scheme",
            format!(
                "openapi: 3.0.1\nsecurity: [{{k: []}}]\ncomponents:\n  securitySchemes:\n    \
                 k: {{type: apiKey, in: header, name: Authorization}}\npaths:\n  /a:\n    \
                 get:\n      {OK}\n    put:\n      {OK}"
            ),
            &[(2, 1, W, "the authorizer `k` is not asked")],
        ),
        (
            "two authorizers",
            format!(
                "openapi: 3.0.1\ncomponents:\n  securitySchemes:\n    k: {{type: oauth2}}\n    \
                 l: {{type: http}}\npaths:\n  /a:\n    get:\n      \
                 security: [{{k: []}}, {{l: []}}]\n      {OK}"
            ),
            &[
                (9, 7, W, "refuse every call"),
                (9, 28, E, "a method has one authorizer"),
            ],
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
            &[(2, 1, W, "keys come from an authorizer")],
        ),
        (
            "signatures",
            format!(
                "openapi: 3.0.1\npaths:\n  /a:\n    get:\n      \
                 x-amazon-apigateway-auth: {{type: AWS_IAM}}\n      {OK}\n    put:\n      \
                 x-amazon-apigateway-auth: {{type: NONE}}\n      {OK}\n    post:\n      \
                 x-amazon-apigateway-auth: {{type: IAM}}\n      {OK}"
            ),
            &[
                (5, 7, W, "signatures are not checked"),
                (11, 7, E, "write NONE or AWS_IAM"),
            ],
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
                (2, 1, W, "every call of this API is refused"),
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
        let (_, report) = import("a.yaml", text);
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
        let (_, report) = import("a.json", text);
        assert_problems(name, &report, expected);
    }
}

fn settings_report(text: &str) -> (Settings, Report) {
    let loaded = settings::parse(
        Source::new("tidegate.toml", text),
        Path::new("/etc/tidegate"),
    );
    (loaded.settings, loaded.report)
}

#[test]
fn faulty_settings_are_placed_all_at_once() {
    let rows: &[(&str, &str, Expected<'static>)] = &[
        (
            "unknown keys at every level",
            "[limit]\nhead_ms = 1\n[limits]\nhead_bytes = 5\n[origins.a]\nbalanse = \"random\"\n\
             [origins.a.health]\npth = \"/\"\n",
            &[
                (1, 2, E, "did you mean `limits`?"),
                (4, 1, E, "`head_bytes` is not a known key here"),
                (6, 1, E, "did you mean `balance`?"),
                (8, 1, E, "did you mean `path`?"),
            ],
        ),
        (
            "wrong types",
            "[server]\nworkers = 0\ndrain_delay_ms = \"5s\"\n[limits]\nhead_ms = -1\nidle_ms = \
             1.5\n[tls]\nmin_version = \"1.1\"\n",
            &[
                (2, 11, E, "from 1 to 1024"),
                (3, 18, E, "a whole number"),
                (5, 11, E, "out of range"),
                (6, 11, E, "a whole number"),
                (8, 15, E, "did you mean `1.2`?"),
            ],
        ),
        (
            "missing and faulty fields",
            "[[apis]]\nid = \"a\"\n[[apis]]\ndocument = 5\n[[tls.certificates]]\nkey = \"k\"\n\
             [[origins.a.endpoints]]\nregion = \"x\"\n",
            &[
                (1, 1, E, "`document` is missing"),
                (4, 12, E, "a text in quotes"),
                (5, 1, E, "`certificate` is missing"),
                (7, 1, E, "`url` is missing"),
            ],
        ),
        (
            "word of an enumeration",
            "[origins.a]\nbalance = \"least_outstandin\"\nmatch = 3\n",
            &[
                (2, 11, E, "did you mean `least_outstanding`?"),
                (3, 9, E, "a text or a list of texts"),
            ],
        ),
        (
            "tables and lists mixed up",
            "limits = 5\nlisten = \"127.0.0.1:1\"\norigins = []\n",
            &[
                (1, 10, E, "a table"),
                (2, 10, E, "a list"),
                (3, 1, E, "a map"),
            ],
        ),
        (
            "syntax",
            "[server]\nworkers =\ncpus = [\n",
            &[(2, 10, E, "not valid TOML"), (3, 9, E, "not valid TOML")],
        ),
        (
            "twice",
            "[limits]\nhead_ms = 1\nhead_ms = 2\n",
            &[(3, 1, E, "duplicate key")],
        ),
    ];
    for (name, text, expected) in rows {
        let (_, report) = settings_report(text);
        assert_problems(name, &report, expected);
    }
}

#[test]
fn small_settings_and_a_lone_document_agree() {
    let small = Configuration::load(&root().join("configs/small.toml"));
    assert!(small.report.is_empty(), "{}", small.report);
    let document = root().join("configs/openapi/petstore.yaml");
    let lone = Configuration::for_api(&document);
    assert!(lone.report.is_empty(), "{}", lone.report);
    assert_eq!(small.models(), lone.models());
    assert_eq!(small.settings.listen, lone.settings.listen);
    assert_eq!(lone.settings.listen[0].address, "127.0.0.1:8080");
    assert_eq!(lone.settings.apis[0].stage_names(), ["dev"]);
    assert_eq!(small.settings.apis[0].stage_names(), ["dev"]);
    assert_eq!(small.settings.apis[0].document, Some(document));
}

#[test]
fn full_settings_name_every_key_and_every_default() {
    let path = root().join("configs/full.toml");
    let text = std::fs::read_to_string(&path).expect("full.toml");
    let (full, report) = settings_report(&text);
    assert!(report.is_empty(), "{report}");
    let loaded = settings::load(&path);
    assert!(loaded.report.is_empty(), "{}", loaded.report);

    // Lines that claim a default must hold it: what remains without them is the same.
    let is_claim = |line: &&str| {
        line.contains("# default;") || line.contains("# default:") || line.ends_with("# default")
    };
    let claims = text.lines().filter(is_claim).count();
    assert!(claims > 50, "{claims} claims");
    let without: Vec<&str> = text.lines().filter(|line| !is_claim(line)).collect();
    let (rest, report) = settings_report(&without.join("\n"));
    assert!(report.is_empty(), "{report}");
    assert_eq!(full, rest);
    assert_eq!(full.limits, Limits::default());
    assert_eq!(full.origins["pets"].health, Some(Health::default()));
    assert_eq!(full.server.workers, Workers::Auto);
    assert_eq!(full.origins["pets"].tls.roots, Roots::System);

    // Every field of the model stands in the file: its debug text names them all.
    let shown = format!("{full:?}");
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
    for (at, _) in shown.match_indices(": ") {
        let before = &shown[..at];
        let start = before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
        let name = match &before[start..] {
            "matches" => "match",
            "stage" => continue, // `stages` stands there instead
            name => name,
        };
        assert!(
            name.is_empty() || text.contains(name),
            "{name} is not in full.toml"
        );
    }
}

#[test]
fn relative_paths_begin_at_the_settings_file() {
    let (settings, report) = settings_report(
        "[[apis]]\ndocument = \"a.yaml\"\n[[apis]]\ndocument = \"/b.yaml\"\n[access_log]\npath = \
         \"log\"\n[origins.a.tls]\nroots = \"ca.pem\"\n[cache]\npath = \"c\"\nkey_file = \"k\"\n",
    );
    assert!(report.is_empty(), "{report}");
    let path = |index: usize| settings.apis[index].document.as_deref();
    assert_eq!(path(0), Some(Path::new("/etc/tidegate/a.yaml")));
    assert_eq!(path(1), Some(Path::new("/b.yaml")));
    assert_eq!(settings.access_log.path, "/etc/tidegate/log");
    let roots = Roots::File(PathBuf::from("/etc/tidegate/ca.pem"));
    assert_eq!(settings.origins["a"].tls.roots, roots);
    let cache = settings.cache.expect("a cache");
    assert_eq!(cache.path.as_deref(), Some(Path::new("/etc/tidegate/c")));
    assert_eq!(
        cache.key_file.as_deref(),
        Some(Path::new("/etc/tidegate/k"))
    );
    let (settings, _) = settings_report("[cache]\nkey_file = \"boot\"\n");
    let cache = settings.cache.expect("a cache");
    assert_eq!(cache.key_file.as_deref(), Some(Path::new("boot")));
    let (settings, _) = settings_report("[access_log]\npath = \"-\"\n");
    assert_eq!(settings.access_log.path, "-");
}

#[test]
fn faulty_caches_are_placed() {
    const API: &str = "[[apis]]\ndocument = \"openapi/petstore.yaml\"\nid = \"a\"\n";
    // What follows the API, whose id stands in line 3; where the problem is.
    let rows: &[(&str, Expected<'static>)] = &[
        ("[cache]\n", &[]),
        ("edge_cache = \"optimized\"\n[cache]\n", &[]),
        ("[cache]\ncapacity = \"6.1\"\n", &[]),
        (
            "[cache]\ncapacity = \"63 MiB\"\n",
            &[(5, 12, E, "stage size: 0.5, 1.6")],
        ),
        (
            "[cache]\ncapacity = \"1 GB\"\n",
            &[(5, 12, E, "from 64 MiB to 237 GiB")],
        ),
        (
            "[cache]\nobject_bytes_max = 1\n",
            &[(5, 20, E, "outside 4096 to 67108864")],
        ),
        (
            "[cache]\ncapasity = \"0.5\"\n",
            &[(5, 1, E, "did you mean `capacity`?")],
        ),
        (
            "edge_cache = \"standart\"\n[cache]\n",
            &[(4, 14, E, "there are optimized, standard")],
        ),
        (
            "edge_cache = \"standard\"\n",
            &[(4, 14, E, "add a `[cache]` table")],
        ),
        (
            "edge_cache = \"standard\"\nstage_cache = {}\n[cache]\n",
            &[(4, 14, E, "keep one of the two")],
        ),
        (
            "stage_cache = { ttl_s = 3601 }\n[cache]\n",
            &[(4, 25, E, "write 0, which keeps nothing, to 3600")],
        ),
        (
            "stage_cache = { stages = [\"prod\"] }\n[cache]\n",
            &[(4, 17, E, "there are dev")],
        ),
        (
            "stage_cache = { unauthorized = \"fail\" }\n[cache]\n",
            &[(4, 32, E, "fail_with_403")],
        ),
        (
            "[[apis.stage_cache.methods]]\npath = \"/pets\"\nmethod = \"PUT\"\n[cache]\n",
            &[(5, 8, E, "as the document has them")],
        ),
        (
            "[cache.policies.p]\nttl_min_s = 9\nttl_max_s = 8\n",
            &[(5, 13, E, "write at most 8")],
        ),
        (
            "[cache.policies.p]\nnegative_ttl_s = { \"200\" = 1 }\n",
            &[(5, 28, E, "write 400 to 599")],
        ),
        (
            "[cache.policies.p]\nquery = { only = [\"a\"] }\ncookies = { except = [\"b\"] }\n",
            &[],
        ),
        (
            "[cache.policies.p]\nquery = { onyl = [\"a\"] }\n",
            &[(5, 1, E, "did you mean `only`?")],
        ),
        (
            "[cache.policies.p]\nheaders = [\"a b\"]\n",
            &[(5, 1, E, "as requests have it")],
        ),
        (
            "[cache.policies.p]\ncookies = { only = [\"\"] }\n",
            &[(5, 1, E, "as requests have it")],
        ),
        ("stage_cache = { capacity = \"0.5\" }\n[cache]\n", &[]),
        ("stage_cache = { capacity = \"64 MiB\" }\n[cache]\n", &[]),
        (
            "stage_cache = { capacity = { dev = \"237\" } }\n[cache]\n",
            &[],
        ),
        (
            "stage_cache = { capacity = \"0.5\" }\n",
            &[(4, 1, E, "add a `[cache]` table")],
        ),
        (
            "stage_cache = { capacity = \"63 MiB\" }\n[cache]\n",
            &[(4, 28, E, "from 64 MiB to 237 GiB")],
        ),
        (
            "stage_cache = { capacity = \"238 GiB\" }\n[cache]\n",
            &[(4, 28, E, "from 64 MiB to 237 GiB")],
        ),
        (
            "stage_cache = { capacity = \"0.4\" }\n[cache]\n",
            &[(4, 28, E, "stage size: 0.5, 1.6")],
        ),
        (
            "stage_cache = { capacity = { dev = \"1 GB\" } }\n[cache]\n",
            &[(4, 36, E, "stage size: 0.5, 1.6")],
        ),
        (
            "stage_cache = { capacity = { prod = \"0.5\" } }\n[cache]\n",
            &[(4, 37, E, "it is for dev")],
        ),
        (
            "stages = [\"a\", \"b\"]\nstage_cache = { stages = [\"b\"], capacity = { a = \"0.5\" } }\n\
             [cache]\n",
            &[(5, 50, E, "it is for b")],
        ),
        (
            "stage_cache = { capacity = 1 }\n[cache]\n",
            &[(4, 28, E, "a text, or a table of texts by stage")],
        ),
    ];
    for (more, expected) in rows {
        let folder = tempfile::tempdir().expect("folder");
        let config = folder.path().join("t.toml");
        let api = API.replace(
            "openapi",
            &root().join("configs/openapi").display().to_string(),
        );
        std::fs::write(&config, format!("{api}{more}")).expect("settings");
        let sources = tidegate::process::Sources {
            config: Some(config),
            ..Default::default()
        };
        let loaded = tidegate::process::load::load(&sources, 1);
        assert_problems(more, &loaded.configuration.report, expected);
        assert_eq!(loaded.plan.is_some(), expected.is_empty(), "{more}");
    }
}

#[test]
fn a_missing_document_is_placed_in_the_settings() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("t.toml");
    std::fs::write(&path, "[[apis]]\ndocument = \"nowhere.yaml\"\n").expect("written");
    let mut configuration = Configuration::load(&path);
    let expected: &[_] = &[(2, 12, E, "nowhere.yaml")];
    assert_problems("missing", &configuration.report, expected);
    configuration.add_problem(None, E, "/listen/0/address", "bad", Some("fix".to_owned()));
    assert_eq!(configuration.report.error_count(), 2);
    let nothing = Configuration::load(&folder.path().join("none.toml"));
    assert!(nothing.report.to_string().contains("cannot be read"));
}

fn proxy(api: &Api, path: &str, verb: Verb) -> Integration {
    let found = integration(api, path, verb);
    assert_eq!(found.kind, IntegrationKind::HttpProxy);
    found
}

fn mock(api: &Api, path: &str, verb: Verb) -> Integration {
    let found = integration(api, path, verb);
    assert_eq!(found.kind, IntegrationKind::Mock);
    found
}

fn integration(api: &Api, path: &str, verb: Verb) -> Integration {
    let resource = api.resources.iter().find(|resource| resource.path == path);
    let methods = &resource.expect(path).methods;
    let method = methods.iter().find(|method| method.verb == verb);
    method.expect(path).integration.clone()
}

fn sample(name: &str) -> Api {
    let path = root().join("configs/openapi").join(name);
    let bytes = std::fs::read(path).expect("sample");
    let imported = openapi::import_bytes(name, &bytes, &Options::default());
    assert!(imported.report.is_empty(), "{}", imported.report);
    imported.api
}

#[test]
fn the_petstore_is_read_whole() {
    let api = sample("petstore.yaml");
    assert_eq!(api.name, "Petstore");
    assert_eq!(api.id.len(), 10);
    let paths: Vec<&str> = api.resources.iter().map(|r| r.path.as_str()).collect();
    assert_eq!(paths, ["/", "/pets", "/pets/{petId}", "/files/{proxy+}"]);

    let welcome = mock(&api, "/", Verb::Get);
    assert_eq!(welcome.passthrough, Passthrough::WhenNoMatch);
    assert_eq!(welcome.responses[0].status, 200);
    assert_eq!(welcome.responses[0].selection_pattern, None);
    assert_eq!(
        welcome.responses[0].parameters[0].source,
        ParameterSource::Static("text/plain".to_owned())
    );
    let text = &welcome.responses[0].templates[0].text;
    assert_eq!(text, "Welcome to the petstore.\n");

    let list = proxy(&api, "/pets", Verb::Get);
    assert_eq!(list.timeout_ms, 5_000);
    assert_eq!(list.request_parameters.len(), 3);
    assert_eq!(
        list.request_parameters[2].source,
        ParameterSource::Static("petstore".to_owned())
    );
    let declared = &api.resources[1].methods[0].parameters;
    assert_eq!(declared[1].name, "page");
    assert_eq!(declared[1].pointer, "/components/parameters/Page");

    let one = &api.resources[2].methods[0];
    assert_eq!(
        (one.parameters[0].place, one.parameters[0].required),
        (Place::Path, true)
    );
    let files = proxy(&api, "/files/{proxy+}", Verb::Any);
    assert_eq!(
        files.pointer,
        "/components/x-amazon-apigateway-integrations/files"
    );
    assert_eq!(files.http_method, Some(Verb::Any));
    assert_eq!(files.timeout_ms, 29_000);
}

#[test]
fn swagger_in_json_and_merged_yaml_are_read() {
    let api = sample("petstore.json");
    assert_eq!(
        api.id,
        sample("petstore.yaml").id,
        "the title alone makes it"
    );
    let preflight = mock(&api, "/pets", Verb::Options);
    assert_eq!(
        preflight.responses[0].parameters[0].source,
        ParameterSource::Static("*".to_owned())
    );
    assert_eq!(proxy(&api, "/pets", Verb::Get).http_method, Some(Verb::Get));

    let api = sample("httpbin.yaml");
    let merged = proxy(&api, "/{proxy+}", Verb::Get);
    assert_eq!(
        (merged.timeout_ms, merged.request_parameters.len()),
        (10_000, 1)
    );
    assert_eq!(merged.uri, "https://httpbin.org/{proxy}");
    let status = mock(&api, "/status", Verb::Get);
    assert_eq!(
        status.responses[0].selection_pattern.as_deref(),
        Some("204")
    );
    assert_eq!(status.passthrough, Passthrough::WhenNoTemplates);
}

#[test]
fn the_corpus_is_replayed() {
    let folder = root().join("tests/corpus/configuration");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("corpus") {
        let bytes = std::fs::read(entry.expect("entry").path()).expect("file");
        settings::fuzz_configuration(&bytes);
        count += 1;
    }
    assert!(count >= 12, "{count} files");
    // What is too large to keep as a file.
    let deep = |first: &str, part: &str, times: usize| format!("{first}{}", part.repeat(times));
    for text in [
        deep("0", "[", 50_000),
        deep("0", "- ", 20_000),
        deep("0", "? ", 20_000),
        deep("0", "{a: ", 20_000),
        deep("0", "a:\n ", 2_000),
        deep("1", "[", 200_000),
        deep("1", "{\"a\":", 100_000),
        deep("2", "a.", 50_000),
        deep("2a=", "[", 50_000),
        deep("2a=", "{a=", 50_000),
        deep("2[", "a.", 50_000),
    ] {
        settings::fuzz_configuration(text.as_bytes());
    }
}

/// Cuts and single-byte changes of good documents: the cheap half of fuzzing, on every run.
#[test]
fn damaged_samples_never_panic() {
    for (format, name) in [
        (b'0', "openapi/petstore.yaml"),
        (b'1', "openapi/petstore.json"),
        (b'2', "full.toml"),
    ] {
        let mut bytes = vec![format];
        bytes.extend(std::fs::read(root().join("configs").join(name)).expect("sample"));
        for at in (1..bytes.len()).step_by(37) {
            settings::fuzz_configuration(&bytes[..at]);
            for damage in [b'{', b'"', b'\n', b':', 0xff] {
                let mut changed = bytes.clone();
                changed[at] = damage;
                settings::fuzz_configuration(&changed);
            }
        }
    }
}
