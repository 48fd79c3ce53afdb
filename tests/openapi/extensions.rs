//! Every member of every vendor extension: kept, or named in the report at its place.
//!
//! What it is: a small document, once without and once with the member, as OpenAPI 3.0 and as
//! Swagger 2, in JSON and in YAML. Shape: rows of a place, a value and what becomes of it; what is
//! kept makes another API than the document without it, and comes back in an export. Units: none.
//! Errors: all rows that differ are listed at once. Source: Amazon API Gateway developer guide,
//! "OpenAPI extensions".

use serde_json::{Value, json};
use tidegate::{
    diagnostics::{Report, Severity},
    openapi::{
        self, Options,
        export::{ExportFormat, ExportOptions, export, to_yaml},
    },
    source::Source,
};
use tidegate_edge::model::api::{Api, ApiKind};

use super::models::bare;

/// What becomes of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// It is in the model, and in exports.
    Kept,
    /// It says what is so anyway.
    Implied,
    /// A warning at its place says what happens instead.
    Warned,
    /// An error at its place.
    Refused,
}
use Fate::{Implied, Kept, Refused, Warned};

/// Which documents a row is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum For {
    /// REST APIs, in both formats.
    Rest,
    /// REST APIs in OpenAPI, for what Swagger has no place.
    OpenApi,
    /// HTTP APIs, which Swagger cannot describe.
    Http,
}
use For::{Http, OpenApi, Rest};

/// Where a member stands, without the extensions' common beginning; what it says; its fate. `~` is
/// that beginning, `@OP` an operation, `@INT` its integration, `@SCHEME` a security scheme.
type Row = (For, &'static str, Value, Fate);

const PREFIX: &str = "x-amazon-apigateway-";

fn of_documents() -> Vec<Row> {
    let templates = json!({ "application/json": "{}" });
    let header = json!({ "gatewayresponse.header.X": "'a'" });
    vec![
        (Rest, "/~api-key-source", json!("AUTHORIZER"), Kept),
        (Rest, "/~api-key-source", json!("HEADER"), Implied),
        (Rest, "/~api-key-source", json!("COOKIE"), Refused),
        (Rest, "/~binary-media-types", json!(["image/png"]), Kept),
        (Rest, "/~minimum-compression-size", json!(5), Kept),
        (Rest, "/~minimum-compression-size", json!(null), Implied),
        (Rest, "/~minimum-compression-size", json!(-1), Refused),
        (Rest, "/~policy", json!({ "Version": "2012-10-17" }), Kept),
        (
            Rest,
            "/~request-validators/w/validateRequestBody",
            json!(true),
            Kept,
        ),
        (
            Rest,
            "/~request-validators/w/validateRequestParameters",
            json!(true),
            Kept,
        ),
        (
            Rest,
            "/~request-validators/w/validateHeaders",
            json!(true),
            Refused,
        ),
        (Rest, "/~request-validator", json!("v"), Kept),
        (Rest, "/~request-validator", json!("none"), Refused),
        (
            Rest,
            "/~gateway-responses/THROTTLED/statusCode",
            json!(420),
            Kept,
        ),
        (
            Rest,
            "/~gateway-responses/THROTTLED/statusCode",
            json!("420"),
            Kept,
        ),
        (
            Rest,
            "/~gateway-responses/THROTTLED/responseParameters",
            header,
            Kept,
        ),
        (
            Rest,
            "/~gateway-responses/THROTTLED/responseTemplates",
            templates,
            Kept,
        ),
        (
            Rest,
            "/~gateway-responses/DEFAULT_4XX/responseType",
            json!("DEFAULT_4XX"),
            Implied,
        ),
        (
            Rest,
            "/~gateway-responses/DEFAULT_4XX/defaultResponse",
            json!(false),
            Implied,
        ),
        (
            Rest,
            "/~gateway-responses/DEFAULT_4XX/headers",
            json!({}),
            Refused,
        ),
        (Rest, "/~gateway-responses/TEAPOT", json!({}), Refused),
        (
            Rest,
            "/~endpoint-configuration/types",
            json!(["PRIVATE"]),
            Kept,
        ),
        (
            Rest,
            "/~endpoint-configuration/vpcEndpointIds",
            json!(["vpce-1"]),
            Kept,
        ),
        (
            Rest,
            "/~endpoint-configuration/disableExecuteApiEndpoint",
            json!(true),
            Kept,
        ),
        (
            Rest,
            "/~endpoint-configuration/ipAddressType",
            json!("dualstack"),
            Kept,
        ),
        (Rest, "/~endpoint-configuration/nonsense", json!(1), Warned),
        (
            OpenApi,
            "/servers/0/~endpoint-configuration/vpcEndpointIds",
            json!(["vpce-1"]),
            Kept,
        ),
        (Rest, "/~security-policy", json!("TLS_1_2"), Warned),
        (Rest, "/~endpoint-access-mode", json!("STRICT"), Warned),
        (
            Rest,
            "/~documentation",
            json!({ "version": "1", "documentationParts": [] }),
            Kept,
        ),
        (Rest, "/tags/0/~tag-value", json!("shop"), Kept),
        (OpenApi, "/~importexport-version", json!("1.0"), Kept),
        (
            OpenApi,
            "/components/~integrations/spare",
            json!({ "type": "mock" }),
            Warned,
        ),
        (
            Http,
            "/~cors/allowOrigins",
            json!(["https://a.example"]),
            Kept,
        ),
        (Http, "/~cors/allowMethods", json!(["GET"]), Kept),
        (Http, "/~cors/allowHeaders", json!(["X-A"]), Kept),
        (Http, "/~cors/exposeHeaders", json!(["X-B"]), Kept),
        (Http, "/~cors/allowCredentials", json!(true), Kept),
        (Http, "/~cors/maxAge", json!(60), Kept),
        (Http, "/~cors/nonsense", json!(60), Refused),
        (Rest, "/~nonsense", json!(1), Warned),
        (Rest, "/info/~nonsense", json!(1), Warned),
        (OpenApi, "/servers/0/~nonsense", json!(1), Warned),
        (OpenApi, "/components/~nonsense", json!(1), Warned),
        (Rest, "/paths/~nonsense", json!(1), Warned),
        (Rest, "/paths/~1a/~nonsense", json!(1), Refused),
        (
            Rest,
            "/paths/~1a/~cors",
            json!({ "allowOrigins": ["*"] }),
            Warned,
        ),
    ]
}

fn of_methods() -> Vec<Row> {
    let mock = json!({ "~integration": { "type": "mock",
        "responses": { "default": { "statusCode": "200" } } } });
    let authorizer = json!({ "type": "token" });
    vec![
        (Rest, "/paths/~1a/~any-method", mock, Kept),
        (Rest, "@OP/~auth", json!({ "type": "AWS_IAM" }), Kept),
        (Rest, "@OP/~auth", json!({ "type": "none" }), Kept),
        (Rest, "@OP/~auth", json!({ "type": "IAM" }), Refused),
        (Rest, "@OP/~auth/nonsense", json!(1), Refused),
        (Rest, "@OP/~api-key-required", json!(true), Kept),
        (Rest, "@OP/~request-validator", json!("v"), Kept),
        (
            Rest,
            "@OP/~documentation",
            json!({ "properties": "{}" }),
            Kept,
        ),
        (Rest, "@OP/~authorizer", authorizer, Refused),
        (Rest, "@OP/~nonsense", json!(1), Warned),
        (Rest, "@OP/parameters/0/~nonsense", json!(1), Warned),
        (Rest, "@OP/responses/200/~nonsense", json!(1), Warned),
        (
            Http,
            "/paths/~1$default/~any-method/~integration",
            json!({ "type": "http_proxy", "uri": "https://h/d" }),
            Kept,
        ),
        (Rest, "@SCHEME/~authtype", json!("awsSigv4"), Kept),
        (Rest, "@SCHEME/~authtype", json!("custom"), Kept),
        (
            Rest,
            "@SCHEME/~authorizer/type",
            json!("cognito_user_pools"),
            Kept,
        ),
        (
            Rest,
            "@SCHEME/~authorizer/authorizerUri",
            json!("arn:a"),
            Kept,
        ),
        (
            Rest,
            "@SCHEME/~authorizer/authorizerCredentials",
            json!("arn:r"),
            Kept,
        ),
        (
            Rest,
            "@SCHEME/~authorizer/identitySource",
            json!("method.request.header.A"),
            Kept,
        ),
        (
            Rest,
            "@SCHEME/~authorizer/identityValidationExpression",
            json!("a+"),
            Kept,
        ),
        (
            Rest,
            "@SCHEME/~authorizer/authorizerResultTtlInSeconds",
            json!(60),
            Kept,
        ),
        (
            Rest,
            "@SCHEME/~authorizer/providerARNs",
            json!(["arn:p"]),
            Kept,
        ),
        (
            Http,
            "@SCHEME/~authorizer/jwtConfiguration",
            json!({ "issuer": "https://i", "audience": ["a"] }),
            Kept,
        ),
        (
            Http,
            "@SCHEME/~authorizer/authorizerPayloadFormatVersion",
            json!("2.0"),
            Kept,
        ),
        (
            Http,
            "@SCHEME/~authorizer/enableSimpleResponses",
            json!(true),
            Kept,
        ),
    ]
}

fn of_integrations() -> Vec<Row> {
    let rows = json!({ "integration.request.header.X": "method.request.header.Y" });
    let headers = json!({ "method.response.header.X": "integration.response.header.Y" });
    let templates = json!({ "text/plain": "$input.body" });
    let uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations";
    let edits = json!({ "append:header.X": "$request.header.Y" });
    vec![
        (Rest, "@INT/type", json!("http_proxy"), Kept),
        (Rest, "@INT/type", json!("HTTP_PROXY"), Kept),
        (Rest, "@INT/type", json!("lambda"), Refused),
        (Rest, "@INT/httpMethod", json!("PUT"), Kept),
        (Rest, "@INT/uri", json!("https://other/"), Kept),
        (Rest, "@INT/uri", json!(uri), Refused),
        (
            Rest,
            "@INT/credentials",
            json!("arn:aws:iam::1:role/r"),
            Kept,
        ),
        (Rest, "@INT/connectionType", json!("INTERNET"), Implied),
        (Rest, "@INT/connectionType", json!("VPC_LINK"), Refused),
        (Rest, "@INT/connectionId", json!("link"), Warned),
        (Rest, "@INT/integrationTarget", json!("arn:lb"), Kept),
        (
            Rest,
            "@INT/integrationSubtype",
            json!("SQS-SendMessage"),
            Refused,
        ),
        (Rest, "@INT/requestParameters", rows, Kept),
        (Rest, "@INT/requestTemplates", templates.clone(), Kept),
        (Rest, "@INT/passthroughBehavior", json!("never"), Kept),
        (
            Rest,
            "@INT/passthroughBehavior",
            json!("WHEN_NO_TEMPLATES"),
            Kept,
        ),
        (Rest, "@INT/contentHandling", json!("CONVERT_TO_TEXT"), Kept),
        (Rest, "@INT/cacheNamespace", json!("n"), Kept),
        (
            Rest,
            "@INT/cacheKeyParameters",
            json!(["method.request.querystring.q"]),
            Kept,
        ),
        (Rest, "@INT/timeoutInMillis", json!(5_000), Kept),
        (Rest, "@INT/timeoutInMillis", json!(49), Refused),
        (
            Rest,
            "@INT/tlsConfig/insecureSkipVerification",
            json!(true),
            Kept,
        ),
        (Rest, "@INT/tlsConfig/serverNameToVerify", json!("h"), Kept),
        (Rest, "@INT/tlsConfig/nonsense", json!("h"), Refused),
        (Rest, "@INT/responseTransferMode", json!("STREAM"), Kept),
        (
            Rest,
            "@INT/responseTransferMode",
            json!("BUFFERED"),
            Implied,
        ),
        (Rest, "@INT/description", json!("for people"), Kept),
        (
            Rest,
            "@INT/responseParameters",
            json!({ "200": edits }),
            Warned,
        ),
        (Rest, "@INT/responses/5../statusCode", json!("502"), Kept),
        (Rest, "@INT/responses/default/statusCode", json!(201), Kept),
        (
            Rest,
            "@INT/responses/default/contentHandling",
            json!("CONVERT_TO_BINARY"),
            Kept,
        ),
        (
            Rest,
            "@INT/responses/default/responseParameters",
            headers,
            Kept,
        ),
        (
            Rest,
            "@INT/responses/default/responseTemplates",
            templates,
            Kept,
        ),
        (
            Rest,
            "@INT/responses/default/selectionPattern",
            json!("5.."),
            Refused,
        ),
        (Rest, "@INT/nonsense", json!(1), Refused),
        (OpenApi, "@INT/payloadFormatVersion", json!("1.0"), Implied),
        (OpenApi, "@INT/payloadFormatVersion", json!("2.0"), Kept),
        (Http, "@INT/payloadFormatVersion", json!("2.0"), Kept),
        (Http, "@INT/payloadFormatVersion", json!("3.0"), Refused),
        (
            Http,
            "@INT/integrationSubtype",
            json!("SQS-SendMessage"),
            Kept,
        ),
        (Http, "@INT/requestParameters", edits.clone(), Kept),
        (
            Http,
            "@INT/responseParameters",
            json!({ "200": edits }),
            Kept,
        ),
        (Http, "@INT/timeoutInMillis", json!(29_000), Kept),
        (Http, "@INT/timeoutInMillis", json!(30_000), Implied),
    ]
}

/// The document without the member.
fn base(kind: For, format: ExportFormat) -> Value {
    let integration = json!({ "type": "http", "httpMethod": "POST", "uri": "https://h/p",
        "responses": { "default": { "statusCode": "200" } } });
    let operation = json!({
        "parameters": [{ "name": "q", "in": "query", "required": false }],
        "responses": { "200": { "description": "200 response" } },
        "security": [{ "s": [] }],
        "x-amazon-apigateway-integration": integration,
    });
    let schemes = json!({ "s": { "type": "apiKey", "in": "header", "name": "Authorization" } });
    let mut document = json!({
        "info": { "title": "All", "version": "1" },
        "tags": [{ "name": "pets" }],
        "paths": { "/a": { "get": operation } },
        "x-amazon-apigateway-request-validators": { "v": {} },
    });
    match format {
        ExportFormat::Oas30 => {
            document["openapi"] = json!("3.0.1");
            document["components"] = json!({ "securitySchemes": schemes });
            document["servers"] = json!([{ "url": "https://h/" }]);
        }
        ExportFormat::Swagger => {
            document["swagger"] = json!("2.0");
            document["securityDefinitions"] = schemes;
        }
    }
    if kind == Http {
        document["x-amazon-apigateway-importexport-version"] = json!("1.0");
    }
    document
}

/// The pointer that a row's place stands for.
fn pointer_of(place: &str, format: ExportFormat) -> String {
    let scheme = match format {
        ExportFormat::Oas30 => "/components/securitySchemes/s",
        ExportFormat::Swagger => "/securityDefinitions/s",
    };
    let place = place.replace("@INT", "@OP/~integration");
    let place = place.replace("@OP", "/paths/~1a/get");
    let place = place.replace("@SCHEME", scheme);
    // `~1` is the pointer's own.
    place
        .replace("/~1", "\0")
        .replace("/~", &format!("/{PREFIX}"))
        .replace('\0', "/~1")
}

/// Puts `value` at `pointer`, with the tables on the way.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let mut at = document;
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        at = match at {
            Value::Array(items) => &mut items[name.parse::<usize>().expect("a position")],
            other => &mut other[name.as_str()],
        };
    }
    *at = expanded(value);
}

/// `~NAME` as a key, written out.
fn expanded(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter();
            let member = |(key, value): (String, Value)| {
                let key = match key.strip_prefix('~') {
                    Some(rest) => format!("{PREFIX}{rest}"),
                    None => key,
                };
                (key, expanded(value))
            };
            Value::Object(members.map(member).collect())
        }
        other => other,
    }
}

fn import(document: &Value, is_yaml: bool) -> (Api, Report) {
    let (name, text) = match is_yaml {
        true => ("a.yaml", to_yaml(document)),
        false => ("a.json", format!("{document:#}")),
    };
    let imported = openapi::import(Source::new(name, text), &Options::default());
    (imported.api, imported.report)
}

/// Whether an export of `api` makes the same API.
fn comes_back(api: &Api) -> bool {
    ExportFormat::ALL.into_iter().all(|format| {
        let Ok(document) = export(api, &ExportOptions::whole(format)) else {
            return api.kind == ApiKind::Http && format == ExportFormat::Swagger;
        };
        let (again, report) = import(&document, false);
        report.error_count() == 0 && bare(&again) == bare(api).replace(&api.id, &again.id)
    })
}

/// What is wrong with a row, in one format and notation.
fn complaint(
    (kind, place, value, fate): &Row,
    format: ExportFormat,
    is_yaml: bool,
) -> Option<String> {
    let without = base(*kind, format);
    let pointer = pointer_of(place, format);
    let mut document = without.clone();
    put(&mut document, &pointer, value.clone());
    // The table of an extension alone may say something.
    let mut around = without.clone();
    if let Some((outer, _)) = pointer.rsplit_once('/')
        && outer.contains(PREFIX)
        && without.pointer(outer).is_none()
    {
        put(&mut around, outer, json!({}));
    }
    let (before, _) = import(&around, is_yaml);
    let (api, report) = import(&document, is_yaml);
    let key = pointer.rsplit('/').next().unwrap_or_default();
    let is_named = |severity: Severity| {
        report.problems().iter().any(|problem| {
            let is_here =
                problem.pointer == pointer || problem.pointer.starts_with(&format!("{pointer}/"));
            problem.severity == severity && is_here && problem.line > 0 && problem.hint.is_some()
        })
    };
    let is_same = bare(&api) == bare(&before);
    let is_right = match fate {
        Kept => report.is_empty() && !is_same && comes_back(&api),
        Implied => report.is_empty() && is_same && comes_back(&api),
        Warned => report.error_count() == 0 && is_named(Severity::Warning) && comes_back(&api),
        Refused => is_named(Severity::Error),
    };
    (!is_right).then(|| {
        let same = if is_same {
            "the same API"
        } else {
            "another API"
        };
        format!(
            "{format:?} yaml={is_yaml} {place} = {value}: not {fate:?} ({key}), {same}\n{report}"
        )
    })
}

#[test]
fn every_member_is_kept_or_named() {
    let rows = [of_documents(), of_methods(), of_integrations()].concat();
    let mut complaints = Vec::new();
    for row in &rows {
        let formats = match row.0 {
            Rest => &ExportFormat::ALL[..],
            OpenApi | Http => &[ExportFormat::Oas30],
        };
        for format in formats {
            for is_yaml in [false, true] {
                complaints.extend(complaint(row, *format, is_yaml));
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "{} differ:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn every_extension_has_a_row() {
    const NAMES: &[&str] = &[
        "any-method",
        "api-key-required",
        "api-key-source",
        "auth",
        "authorizer",
        "authtype",
        "binary-media-types",
        "cors",
        "documentation",
        "endpoint-access-mode",
        "endpoint-configuration",
        "gateway-responses",
        "importexport-version",
        "integration",
        "integrations",
        "minimum-compression-size",
        "policy",
        "request-validator",
        "request-validators",
        "security-policy",
        "tag-value",
    ];
    let rows = [of_documents(), of_methods(), of_integrations()].concat();
    for name in NAMES {
        let part = format!("/{PREFIX}{name}");
        let has = rows.iter().any(|row| {
            let pointer = pointer_of(row.1, ExportFormat::Oas30);
            pointer.ends_with(&part) || pointer.contains(&format!("{part}/"))
        });
        assert!(has, "{name}");
    }
}

#[test]
fn a_row_that_is_wrong_is_found() {
    let rows: [Row; 4] = [
        (Rest, "/~policy", json!({ "a": 1 }), Implied),
        (Rest, "/~security-policy", json!("TLS_1_2"), Kept),
        (Rest, "@INT/nonsense", json!(1), Warned),
        (Rest, "/~binary-media-types", json!(["a/b"]), Refused),
    ];
    for row in &rows {
        assert!(
            complaint(row, ExportFormat::Oas30, false).is_some(),
            "{}",
            row.1
        );
    }
}
