//! APIs of examples that map, read from JSON.
//!
//! Shape: `{"methods": {"POST /pets/{id}": INTEGRATION}, …}`, where an integration has the members
//! of `x-amazon-apigateway-integration`, and beside them those of the operation that examples need
//! (`parameters`, `security`, `operationId`, `apiKeyRequired`; `validated` are its models, and `validator` says that
//! only `parameters` or only the `body` is looked at). Units: the model's. Errors: a malformed
//! example panics. Source: Amazon API Gateway developer guide, "OpenAPI extensions".

#![allow(dead_code, unreachable_pub)]

use serde_json::{Map, Value};
use tidegate_edge::model::api::{
    Api, ApiKind, Authorization, CacheKeyPart, CacheKeySource, Connection, ContentHandling, Cors,
    EndpointType, GatewayResponse, GatewayResponseHeader, HttpMapping, Integration,
    IntegrationKind, IntegrationResponse, MediaType, Method, MethodModel, Model, Named, Opaque,
    Parameter, ParameterMapping, ParameterSource, ParameterTarget, Passthrough, PayloadFormat,
    Place, RequestValidator, Resource, StatusMappings, Template, TransferMode, Verb,
};

/// The API that `text` describes, under the id `a`.
pub fn read(text: &[u8]) -> Api {
    let value: Value = serde_json::from_slice(text).expect("an API in JSON");
    let mut api = Api {
        id: "a".to_owned(),
        name: "API a".to_owned(),
        ..Api::default()
    };
    for (head, described) in value["methods"].as_object().expect("methods") {
        if head == "$default" {
            api.default_route = Some(method(Verb::Any, "/$default", described));
            continue;
        }
        let (verb, path) = head.split_once(' ').expect("VERB /path");
        let at = format!("/methods/{head}");
        let method = method(Verb::parse(verb).expect("a verb"), &at, described);
        match api
            .resources
            .iter_mut()
            .find(|resource| resource.path == path)
        {
            Some(resource) => resource.methods.push(method),
            None => api.resources.push(Resource {
                path: path.to_owned(),
                pointer: at,
                methods: vec![method],
            }),
        }
    }
    let types = value["binaryMediaTypes"].as_array().into_iter().flatten();
    api.binary_media_types = types
        .map(|text| MediaType {
            text: text_of(text),
            pointer: "/binaryMediaTypes".to_owned(),
        })
        .collect();
    api.minimum_compression_bytes = value["minimumCompressionSize"]
        .as_u64()
        .map(|bytes| u32::try_from(bytes).expect("a size"));
    api.models = members(&value["models"])
        .map(|(name, schema)| Model {
            name: name.clone(),
            schema: schema.clone(),
            pointer: format!("/models/{name}"),
        })
        .collect();
    let validators = [
        ("all", true, true),
        ("body", true, false),
        ("parameters", false, true),
    ];
    api.validators = validators
        .map(
            |(name, validates_body, validates_parameters)| RequestValidator {
                name: name.to_owned(),
                validates_body,
                validates_parameters,
                pointer: format!("/validators/{name}"),
            },
        )
        .into();
    api.gateway_responses = members(&value["gatewayResponses"])
        .map(|(name, described)| gateway_response(name, described))
        .collect();
    if value["kind"] == "http" {
        api.kind = ApiKind::Http;
    }
    api.endpoint.kind = match value["endpoint"].as_str() {
        Some("EDGE") => Some(EndpointType::Edge),
        Some("PRIVATE") => Some(EndpointType::Private),
        Some("REGIONAL") => Some(EndpointType::Regional),
        _ => None,
    };
    if value["cors"].is_object() {
        let list = |name: &str| {
            let texts = value["cors"][name].as_array().into_iter().flatten();
            texts.map(text_of).collect()
        };
        api.cors = Some(Cors {
            allow_origins: list("allowOrigins"),
            allow_methods: list("allowMethods"),
            allow_headers: list("allowHeaders"),
            expose_headers: list("exposeHeaders"),
            allow_credentials: value["cors"]["allowCredentials"] == true,
            max_age_s: match value["cors"]["maxAge"].as_i64() {
                Some(seconds) => Some(i32::try_from(seconds).expect("seconds")),
                None => Some(60),
            },
            pointer: "/cors".to_owned(),
        });
    }
    if !value["policy"].is_null() {
        api.policy = Some(Opaque {
            value: value["policy"].clone(),
            pointer: "/policy".to_owned(),
        });
    }
    api
}

fn gateway_response(name: &str, described: &Value) -> GatewayResponse {
    let at = format!("/gatewayResponses/{name}");
    GatewayResponse {
        response_type: name.to_owned(),
        status: described["statusCode"]
            .as_str()
            .map(|status| status.parse().expect("a status")),
        headers: members(&described["responseParameters"])
            .map(|(key, source)| GatewayResponseHeader {
                name: key
                    .strip_prefix("gatewayresponse.header.")
                    .expect("a header")
                    .to_owned(),
                source: text_of(source),
                pointer: format!("{at}/{key}"),
            })
            .collect(),
        templates: members(&described["responseTemplates"])
            .map(|(kind, text)| (kind.clone(), text_of(text)))
            .collect(),
        pointer: at,
    }
}

fn method(verb: Verb, at: &str, described: &Value) -> Method {
    let integration = integration(at, described);
    let parameters = described["parameters"].as_object();
    let parameters = parameters.into_iter().flatten().map(|(name, required)| {
        let (place, name) = name.split_once('.').expect("place.name");
        let places = [Place::Path, Place::Querystring, Place::Header];
        let found = places.into_iter().find(|known| known.as_str() == place);
        Parameter {
            place: found.expect("a place"),
            name: name.to_owned(),
            required: required.as_bool().expect("whether it is required"),
            pointer: at.to_owned(),
        }
    });
    let authorization = match described["security"].as_str() {
        None => Authorization::None,
        Some("iam") => Authorization::Iam {
            pointer: at.to_owned(),
        },
        Some(name) => Authorization::Authorizer {
            name: name.to_owned(),
            scopes: Vec::new(),
            pointer: at.to_owned(),
        },
    };
    Method {
        parameters: parameters.collect(),
        request_validator: described["validated"].is_object().then(|| Named {
            name: described["validator"].as_str().unwrap_or("all").to_owned(),
            value: Value::Null,
            pointer: at.to_owned(),
        }),
        request_models: members(&described["validated"])
            .map(|(content_type, model)| MethodModel {
                content_type: content_type.clone(),
                model: text_of(model),
                pointer: at.to_owned(),
            })
            .collect(),
        operation_name: described["operationId"].as_str().map(str::to_owned),
        authorization,
        api_key_required: described["apiKeyRequired"] == true,
        ..Method::new(verb, at, integration)
    }
}

fn integration(at: &str, described: &Value) -> Integration {
    let kind = described["type"].as_str().and_then(IntegrationKind::parse);
    let at = &format!("{at}/integration");
    let word = |name: &str| described[name].as_str();
    let responses = described["responses"].as_object();
    Integration {
        uri: word("uri").unwrap_or("").to_owned(),
        http_method: word("httpMethod").and_then(Verb::parse),
        connection: match word("connectionId") {
            Some(id) => Connection::VpcLink {
                id: id.to_owned(),
                pointer: at.clone(),
            },
            None => Connection::Internet,
        },
        passthrough: (word("passthroughBehavior")
            .map(|word| Passthrough::parse(word).expect("it")))
        .unwrap_or_default(),
        content_handling: word("contentHandling").and_then(ContentHandling::parse),
        timeout_ms: described["timeoutInMillis"]
            .as_u64()
            .map_or(Integration::TIMEOUT_MS_DEFAULT, |ms| {
                u32::try_from(ms).expect("ms")
            }),
        request_parameters: rows(at, &described["requestParameters"], ParameterTarget::parse),
        request_templates: templates(at, &described["requestTemplates"]),
        responses: (responses.into_iter().flatten())
            .map(|(pattern, described)| response(at, pattern, described))
            .collect(),
        transfer_mode: match word("responseTransferMode") {
            Some("STREAM") => TransferMode::Stream,
            _ => TransferMode::Buffered,
        },
        payload_format: match word("payloadFormatVersion") {
            Some("2.0") => PayloadFormat::V2,
            _ => PayloadFormat::V1,
        },
        request_changes: changes(at, &described["requestChanges"]),
        response_changes: members(&described["responseChanges"])
            .map(|(status, rows)| StatusMappings {
                status: status.parse().expect("a status"),
                rows: changes(at, rows),
                pointer: at.clone(),
            })
            .collect(),
        cache_key: (described["cacheKeyParameters"]
            .as_array()
            .into_iter()
            .flatten())
        .map(|text| CacheKeyPart {
            source: CacheKeySource::parse(&text_of(text)).expect("a part of a key"),
            pointer: at.clone(),
        })
        .collect(),
        ..Integration::new(kind.expect("a type"), at.as_str())
    }
}

fn response(at: &str, pattern: &str, described: &Value) -> IntegrationResponse {
    let at = format!("{at}/responses/{pattern}");
    let status = described["statusCode"].as_str().expect("statusCode");
    let target = ParameterTarget::parse_response;
    IntegrationResponse {
        selection_pattern: (pattern != "default").then(|| pattern.to_owned()),
        status: status.parse().expect("a status"),
        content_handling: described["contentHandling"]
            .as_str()
            .and_then(ContentHandling::parse),
        parameters: rows(&at, &described["responseParameters"], target),
        templates: templates(&at, &described["responseTemplates"]),
        pointer: at,
    }
}

fn rows(
    at: &str,
    described: &Value,
    target: impl Fn(&str) -> Option<ParameterTarget>,
) -> Vec<ParameterMapping> {
    let rows = members(described).map(|(key, source)| ParameterMapping {
        target: target(key).unwrap_or_else(|| panic!("{key}")),
        source: ParameterSource::parse(&text_of(source)).unwrap_or_else(|| panic!("{source}")),
        pointer: format!("{at}/{key}"),
    });
    rows.collect()
}

fn changes(at: &str, described: &Value) -> Vec<HttpMapping> {
    let rows = members(described).map(|(target, source)| HttpMapping {
        target: target.clone(),
        source: text_of(source),
        pointer: format!("{at}/{target}"),
    });
    rows.collect()
}

fn templates(at: &str, described: &Value) -> Vec<Template> {
    let templates = members(described).map(|(content_type, text)| Template {
        content_type: content_type.clone(),
        text: text_of(text),
        pointer: format!("{at}/{content_type}"),
    });
    templates.collect()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
