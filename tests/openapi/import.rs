//! What an import keeps, part by part.
//!
//! Shape: documents as texts, and the parts of the model that come of them.

use serde_json::json;
use tidegate::{
    openapi::{self, Account, BasePath, Options},
    source::Source,
};
use tidegate_edge::model::api::{
    Api, ApiKeySource, ApiKind, Authorization, Connection, ContentHandling, EndpointType,
    IntegrationKind, Method, PayloadFormat, TransferMode, Verb,
};

/// The one way in: the API, and how many errors and warnings came with it.
fn read(text: &str, options: &Options) -> (Api, usize, usize) {
    let name = if text.starts_with('{') {
        "a.json"
    } else {
        "a.yaml"
    };
    let imported = openapi::import(Source::new(name, text), options);
    let (errors, warnings) = (
        imported.report.error_count(),
        imported.report.warning_count(),
    );
    assert_eq!(errors, 0, "{}", imported.report);
    (imported.api, errors, warnings)
}

fn import(text: &str) -> Api {
    read(text, &Options::default()).0
}

fn method<'a>(api: &'a Api, path: &str, verb: Verb) -> &'a Method {
    let resource = api.resources.iter().find(|resource| resource.path == path);
    let methods = &resource.expect(path).methods;
    methods
        .iter()
        .find(|method| method.verb == verb)
        .expect(path)
}

const REST: &str = r##"
openapi: 3.0.1
info: { title: All, description: Every part., version: 1.5, contact: { name: me } }
tags: [{ name: pets, x-amazon-apigateway-tag-value: shop }]
servers:
  - url: https://a1.execute-api.eu-west-1.amazonaws.com/{basePath}
    variables: { basePath: { default: /base/part } }
    x-amazon-apigateway-endpoint-configuration: { vpcEndpointIds: [vpce-1] }
x-amazon-apigateway-endpoint-configuration:
  types: [PRIVATE]
  disableExecuteApiEndpoint: true
  ipAddressType: dualstack
x-amazon-apigateway-binary-media-types: [image/png, "*/*"]
x-amazon-apigateway-minimum-compression-size: 0
x-amazon-apigateway-api-key-source: AUTHORIZER
x-amazon-apigateway-policy: { Version: "2012-10-17", Statement: [] }
x-amazon-apigateway-request-validators:
  all: { validateRequestBody: true, validateRequestParameters: true }
  none: {}
x-amazon-apigateway-request-validator: all
x-amazon-apigateway-gateway-responses:
  DEFAULT_4XX:
    statusCode: 404
    responseParameters: { gatewayresponse.header.X: "'a'" }
    responseTemplates: { application/json: "{}" }
x-amazon-apigateway-documentation: { version: "1" }
components:
  schemas:
    Pet: { type: object, properties: { next: { $ref: "#/components/schemas/Pet" } } }
  securitySchemes:
    api_key: { type: apiKey, name: x-api-key, in: header }
    sigv4: { type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: awsSigv4 }
    auth:
      type: apiKey
      name: Authorization
      in: header
      x-amazon-apigateway-authtype: custom
      x-amazon-apigateway-authorizer:
        type: token
        authorizerUri: "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/${AWS::AccountId}"
paths:
  /pets/{id}:
    parameters:
      - { name: id, in: path, schema: { type: string } }
      - { name: q, in: query, description: What to look for. }
    post:
      operationId: change
      summary: Changes a pet.
      security: [{ api_key: [] }, { auth: [a, b] }]
      x-amazon-apigateway-request-validator: none
      parameters: [{ name: X, in: header, required: true }]
      requestBody:
        content:
          application/json: { schema: { $ref: "#/components/schemas/Pet" } }
          application/xml: { schema: { type: string } }
      responses:
        200:
          description: 200 response
          headers: { X-A: { schema: { type: string } }, X-B: { required: true } }
          content: { application/json: { schema: { type: string } } }
        404: { description: none such }
        default: { description: all else }
      x-amazon-apigateway-integration:
        type: AWS
        httpMethod: POST
        uri: arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations
        credentials: arn:aws:iam::${AWS::AccountId}:role/r
        timeoutInMillis: 50
        passthroughBehavior: WHEN_NO_TEMPLATES
        contentHandling: CONVERT_TO_TEXT
        cacheNamespace: pets
        cacheKeyParameters: [method.request.path.id]
        tlsConfig: { insecureSkipVerification: true, serverNameToVerify: h }
        responseTransferMode: STREAM
        requestParameters:
          integration.request.header.Y: context.requestId
          integration.request.querystring.z: method.request.multivaluequerystring.q
        requestTemplates: { application/json: "$input.body" }
        responses:
          default: { statusCode: "200" }
          "4\\d{2}":
            statusCode: 404
            contentHandling: CONVERT_TO_BINARY
            responseParameters: { method.response.header.X-A: integration.response.header.b }
            responseTemplates: { application/json: "$input.path('$')" }
    put:
      security: [{ sigv4: [] }]
      x-amazon-apigateway-integration:
        type: http_proxy
        uri: http://h/
        connectionType: VPC_LINK
        connectionId: ${stageVariables.link}
        integrationTarget: arn:aws:elasticloadbalancing:x
"##;

#[test]
fn every_part_of_a_rest_api_is_kept() {
    let options = Options {
        account: Account {
            id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            ..Account::default()
        },
        ..Options::default()
    };
    let (api, _, warnings) = read(REST, &options);
    assert_eq!(warnings, 0);
    assert_eq!(api.kind, ApiKind::Rest);
    assert_eq!(api.version.as_deref(), Some("1.5"));
    assert_eq!(api.description.as_deref(), Some("Every part."));
    assert_eq!(api.api_key_source, ApiKeySource::Authorizer);
    assert_eq!(api.minimum_compression_bytes, Some(0));
    let types: Vec<&str> = api
        .binary_media_types
        .iter()
        .map(|one| &*one.text)
        .collect();
    assert_eq!(types, ["image/png", "*/*"]);
    assert_eq!(api.endpoint.kind, Some(EndpointType::Private));
    assert!(api.endpoint.disable_execute_api);
    assert_eq!(api.endpoint.vpc_endpoint_ids, ["vpce-1"]);
    assert_eq!(api.endpoint.ip_address_type.as_deref(), Some("dualstack"));
    let policy = api.policy.as_ref().map(|policy| &policy.value);
    assert_eq!(
        policy,
        Some(&json!({"Version": "2012-10-17", "Statement": []}))
    );
    let validators: Vec<_> = api
        .validators
        .iter()
        .map(|one| (&*one.name, one.validates_body))
        .collect();
    assert_eq!(validators, [("all", true), ("none", false)]);
    let response = &api.gateway_responses[0];
    assert_eq!(
        (&*response.response_type, response.status),
        ("DEFAULT_4XX", Some(404))
    );
    assert_eq!(
        (&*response.headers[0].name, &*response.headers[0].source),
        ("X", "'a'")
    );
    assert_eq!(
        response.templates,
        [("application/json".to_owned(), "{}".to_owned())]
    );
    assert_eq!(api.authorizers.len(), 1);
    assert_eq!(
        api.authorizers[0].scheme["x-amazon-apigateway-authorizer"]["authorizerUri"],
        "arn:aws:apigateway:eu-west-1:lambda:path/111122223333"
    );
    let names: Vec<&str> = api.models.iter().map(|model| &*model.name).collect();
    assert_eq!(names.len(), 2, "two inline schemas are the same: {names:?}");
    assert_eq!(names[0], "Pet");
    assert!(
        names[1].len() == 11 && names[1].starts_with("MODEL"),
        "{names:?}"
    );

    let post = method(&api, "/pets/{id}", Verb::Post);
    assert_eq!(post.operation_name.as_deref(), Some("change"));
    assert!(post.api_key_required);
    let Authorization::Authorizer { name, scopes, .. } = &post.authorization else {
        panic!("{:?}", post.authorization);
    };
    assert_eq!(
        (&**name, scopes.as_slice()),
        ("auth", &["a".to_owned(), "b".to_owned()][..])
    );
    let parameters: Vec<_> = post
        .parameters
        .iter()
        .map(|one| (&*one.name, one.required))
        .collect();
    assert_eq!(parameters, [("X", true), ("id", true), ("q", false)]);
    assert_eq!(
        post.request_validator.as_ref().map(|one| &*one.name),
        Some("none")
    );
    let models: Vec<_> = post
        .request_models
        .iter()
        .map(|one| (&*one.content_type, &*one.model))
        .collect();
    assert_eq!(
        models,
        [("application/json", "Pet"), ("application/xml", names[1])]
    );
    let statuses: Vec<_> = post
        .responses
        .iter()
        .map(|one| (one.status, one.description.as_deref()))
        .collect();
    assert_eq!(statuses, [(200, None), (404, Some("none such"))]);
    let headers: Vec<_> = post.responses[0]
        .headers
        .iter()
        .map(|one| (&*one.name, one.required))
        .collect();
    assert_eq!(headers, [("X-A", false), ("X-B", true)]);
    assert_eq!(post.responses[0].models[0].model, names[1]);

    let put = method(&api, "/pets/{id}", Verb::Put);
    assert!(matches!(put.authorization, Authorization::Iam { .. }));
    assert_eq!(
        put.request_validator.as_ref().map(|one| &*one.name),
        Some("all")
    );
    assert!(
        matches!(&put.integration.connection, Connection::VpcLink { id, .. } if id == "${stageVariables.link}")
    );
    assert_eq!(
        put.integration.target.as_deref(),
        Some("arn:aws:elasticloadbalancing:x")
    );

    let described: Vec<&str> = api.descriptions.iter().map(|one| &*one.name).collect();
    assert_eq!(
        described,
        [
            "/info/contact",
            "/paths/~1pets~1{id}/post/parameters/querystring q/description",
            "/paths/~1pets~1{id}/post/responses/default/description",
            "/paths/~1pets~1{id}/post/summary",
            "/paths/~1pets~1{id}/put/parameters/querystring q/description",
            "/tags",
            "/x-amazon-apigateway-documentation",
        ]
    );
}

#[test]
fn every_member_of_an_integration_is_kept() {
    let api = import(REST);
    let found = &method(&api, "/pets/{id}", Verb::Post).integration;
    assert_eq!(found.kind, IntegrationKind::Aws);
    assert_eq!(found.http_method, Some(Verb::Post));
    assert_eq!(
        found.credentials.as_deref(),
        Some("arn:aws:iam::000000000000:role/r")
    );
    assert_eq!(found.timeout_ms, 50);
    assert_eq!(found.passthrough.as_str(), "when_no_templates");
    assert_eq!(found.content_handling, Some(ContentHandling::ConvertToText));
    assert_eq!(found.cache_namespace.as_deref(), Some("pets"));
    assert_eq!(
        found.cache_key[0].source.to_string(),
        "method.request.path.id"
    );
    assert!(found.tls.insecure_skip_verification);
    assert_eq!(found.tls.server_name_to_verify.as_deref(), Some("h"));
    assert_eq!(found.transfer_mode, TransferMode::Stream);
    let sources: Vec<String> = found
        .request_parameters
        .iter()
        .map(|row| row.source.to_string())
        .collect();
    assert_eq!(
        sources,
        [
            "context.requestId",
            "method.request.multivaluequerystring.q"
        ]
    );
    assert_eq!(found.request_templates[0].text, "$input.body");
    let [plain, missing] = found.responses.as_slice() else {
        panic!("{:?}", found.responses);
    };
    assert_eq!(
        (plain.selection_pattern.as_deref(), plain.status),
        (None, 200)
    );
    assert_eq!(
        (missing.selection_pattern.as_deref(), missing.status),
        (Some(r"4\d{2}"), 404)
    );
    assert_eq!(
        missing.content_handling,
        Some(ContentHandling::ConvertToBinary)
    );
    assert_eq!(
        missing.parameters[0].source.to_string(),
        "integration.response.header.b"
    );
    assert_eq!(missing.templates[0].text, "$input.path('$')");
}

const HTTP: &str = r##"{
  "openapi": "3.0.1",
  "info": {"title": "Routes"},
  "paths": {
    "/$default": {
      "x-amazon-apigateway-any-method": {
        "isDefaultRoute": true,
        "responses": {"default": {"description": "Default response for $default"}},
        "x-amazon-apigateway-integration": {
          "payloadFormatVersion": "2.0", "type": "aws_proxy", "httpMethod": "POST",
          "uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations",
          "connectionType": "INTERNET"
        }
      }
    },
    "/files/{proxy+}": {
      "get": {
        "security": [{"jwt": ["read"]}],
        "x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/files"}
      },
      "parameters": [{"name": "proxy+", "in": "path", "required": true, "schema": {"type": "string"}}]
    },
    "/queue": {
      "post": {
        "x-amazon-apigateway-integration": {
          "type": "aws_proxy", "integrationSubtype": "SQS-SendMessage", "payloadFormatVersion": "1.0",
          "credentials": "arn:aws:iam::111122223333:role/r",
          "requestParameters": {"QueueUrl": "https://q", "MessageBody": "$request.body.message"}
        }
      }
    }
  },
  "components": {
    "securitySchemes": {
      "jwt": {
        "type": "oauth2", "flows": {},
        "x-amazon-apigateway-authorizer": {
          "type": "jwt", "identitySource": "$request.header.Authorization",
          "jwtConfiguration": {"issuer": "https://i", "audience": ["a"]}
        }
      }
    },
    "x-amazon-apigateway-integrations": {
      "files": {
        "type": "http_proxy", "httpMethod": "ANY", "uri": "https://h/{proxy}",
        "requestParameters": {"append:header.a": "$request.querystring.b", "overwrite:path": "/x"},
        "responseParameters": {"404": {"overwrite:statuscode": "403", "remove:header.c": "''"}}
      }
    }
  },
  "x-amazon-apigateway-cors": {
    "allowOrigins": ["https://a"], "allowMethods": ["GET"], "allowHeaders": ["x"],
    "exposeHeaders": ["y"], "allowCredentials": true, "maxAge": 300
  },
  "x-amazon-apigateway-importexport-version": "1.0"
}"##;

#[test]
fn every_part_of_an_http_api_is_kept() {
    let (api, _, warnings) = read(HTTP, &Options::default());
    assert_eq!(warnings, 0);
    assert_eq!(api.kind, ApiKind::Http);
    let default = api.default_route.as_ref().expect("a default route");
    assert_eq!(default.verb, Verb::Any);
    assert_eq!(default.integration.payload_format, PayloadFormat::V2);
    let paths: Vec<&str> = api.resources.iter().map(|one| &*one.path).collect();
    assert_eq!(paths, ["/files/{proxy+}", "/queue"]);
    let files = method(&api, "/files/{proxy+}", Verb::Get);
    assert_eq!(files.parameters[0].name, "proxy");
    let changes: Vec<_> = (files.integration.request_changes.iter())
        .map(|row| (&*row.target, &*row.source))
        .collect();
    assert_eq!(
        changes,
        [
            ("append:header.a", "$request.querystring.b"),
            ("overwrite:path", "/x")
        ]
    );
    let answers = &files.integration.response_changes[0];
    assert_eq!((answers.status, answers.rows.len()), (404, 2));
    assert_eq!(answers.rows[0].source, "403");
    let queue = &method(&api, "/queue", Verb::Post).integration;
    assert_eq!(queue.subtype.as_deref(), Some("SQS-SendMessage"));
    assert_eq!(queue.request_changes[1].source, "$request.body.message");
    let cors = api.cors.as_ref().expect("CORS");
    assert_eq!(cors.allow_origins, ["https://a"]);
    assert_eq!((cors.allow_credentials, cors.max_age_s), (true, Some(300)));
    assert!(api.descriptions.is_empty(), "{:?}", api.descriptions);
}

#[test]
fn the_kind_of_an_api_shows() {
    let with = |member: &str, path: &str, format: &str| {
        format!(
            "openapi: 3.0.1\n{member}\npaths:\n  {path}:\n    x-amazon-apigateway-any-method:\n      \
             x-amazon-apigateway-integration: {{type: http_proxy, uri: 'http://h'{format}}}"
        )
    };
    let rows = [
        (with("x-a: 1", "/a", ""), ApiKind::Rest),
        (
            with("x-a: 1", "/a", ", payloadFormatVersion: '1.0'"),
            ApiKind::Rest,
        ),
        (
            with("x-a: 1", "/a", ", payloadFormatVersion: 2.0"),
            ApiKind::Http,
        ),
        (with("x-a: 1", "$default", ""), ApiKind::Http),
        (
            with("x-amazon-apigateway-cors: {}", "/a", ""),
            ApiKind::Http,
        ),
        (
            with("x-amazon-apigateway-importexport-version: '1.0'", "/a", ""),
            ApiKind::Http,
        ),
    ];
    for (text, kind) in rows {
        assert_eq!(import(&text).kind, kind, "{text}");
    }
}

#[test]
fn swagger_has_models_in_parameters_and_schemas() {
    let text = r##"
swagger: "2.0"
info: { title: Old, version: "1" }
basePath: /base-url/part
consumes: [application/json, text/plain]
produces: [application/xml]
definitions:
  A: { type: array, items: { $ref: "#/definitions/B" } }
  B: { type: string }
responses:
  Gone: { description: gone, schema: { $ref: "#/definitions/B" } }
parameters:
  Body: { name: b, in: body, schema: { $ref: "#/definitions/A" } }
securityDefinitions:
  k: { type: apiKey, name: X-API-Key, in: header }
security: [{ k: [] }]
paths:
  /test:
    post:
      parameters: [{ $ref: "#/parameters/Body" }]
      responses: { 410: { $ref: "#/responses/Gone" }, 200: { description: fine } }
      x-amazon-apigateway-integration: { type: http_proxy, uri: "http://h" }
"##;
    let api = import(text);
    assert_eq!(
        api.models[0].schema,
        json!({"type": "array", "items": {"$ref": "#/components/schemas/B"}})
    );
    let post = method(&api, "/test", Verb::Post);
    assert!(post.api_key_required);
    let models: Vec<_> = post
        .request_models
        .iter()
        .map(|one| (&*one.content_type, &*one.model))
        .collect();
    assert_eq!(models, [("application/json", "A"), ("text/plain", "A")]);
    assert_eq!(post.responses[0].models[0].content_type, "application/xml");
    let rows = [
        (BasePath::Ignore, "/test"),
        (BasePath::Prepend, "/base-url/part/test"),
        (BasePath::Split, "/part/test"),
    ];
    for (mode, path) in rows {
        let (api, _, _) = read(text, &Options::with_base_path(mode));
        assert_eq!(api.resources[0].path, path, "{mode:?}");
    }
    let (api, _, _) = read(REST, &Options::with_base_path(BasePath::Split));
    assert_eq!(
        api.resources[0].path, "/part/pets/{id}",
        "servers have base paths too"
    );
}
