//! Random models, such as an import yields, and models without their places.
//!
//! Shape: proptest strategies, one per part; names are unique where documents have keys.

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};
use tidegate_edge::model::api::{
    Api, ApiKeySource, ApiKind, Authorization, Authorizer, CacheKeyPart, CacheKeySource,
    Connection, ContentHandling, Cors, Endpoint, EndpointType, GatewayResponse,
    GatewayResponseHeader, HttpMapping, Integration, IntegrationKind, IntegrationResponse,
    IntegrationTls, MediaType, Method, MethodModel, MethodResponse, MethodResponseHeader, Model,
    Named, Opaque, Parameter, ParameterMapping, ParameterSource, ParameterTarget, Passthrough,
    PayloadFormat, Place, RequestValidator, Resource, StatusMappings, Template, TransferMode, Verb,
};

/// What remains of an API when the places are left out, a line per value.
pub(crate) fn bare(api: &Api) -> String {
    let shown = format!("{api:#?}");
    let is_place = |line: &&str| line.trim_start().starts_with("pointer: ");
    let lines: Vec<&str> = shown.lines().filter(|line| !is_place(line)).collect();
    lines.join("\n")
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        4 => "[a-zA-Z0-9_.-]{0,8}",
        1 => "\\PC{0,6}",
        1 => ".{0,4}",
        1 => select(vec!["a\nb", "\t", "null", "<<", "~", "1", "a/b~c", "'", "$input.json('$')"])
            .prop_map(str::to_owned),
    ]
    .boxed()
}

fn name() -> BoxedStrategy<String> {
    text()
        .prop_filter("a name", |name| !name.is_empty())
        .boxed()
}

/// As many as there are names, each name once.
fn named<T: std::fmt::Debug>(
    one: impl Strategy<Value = T>,
    most: usize,
) -> impl Strategy<Value = Vec<(String, T)>> {
    vec((name(), one), 0..=most).prop_map(|rows| unique(rows, |row| row.0.clone()))
}

fn unique<T, K: PartialEq>(rows: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for row in rows {
        if !kept.iter().any(|other| key(other) == key(&row)) {
            kept.push(row);
        }
    }
    kept
}

fn json_value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6f64).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((text(), inner), 0..3).prop_map(|rows| {
                let rows = rows.into_iter().filter(|(key, _)| key != "$ref");
                Value::Object(rows.collect())
            }),
        ]
    })
    .boxed()
}

fn object() -> BoxedStrategy<Map<String, Value>> {
    let rows = vec((name(), json_value()), 1..4);
    rows.prop_map(|rows| rows.into_iter().collect()).boxed()
}

fn templates() -> impl Strategy<Value = Vec<Template>> {
    named(text(), 2).prop_map(|rows| {
        let template = |(content_type, text)| Template {
            content_type,
            text,
            pointer: String::new(),
        };
        rows.into_iter().map(template).collect()
    })
}

fn place() -> impl Strategy<Value = Place> {
    select(vec![Place::Path, Place::Querystring, Place::Header])
}

fn request_source() -> impl Strategy<Value = ParameterSource> {
    prop_oneof![
        (place(), name()).prop_map(|(place, name)| ParameterSource::Request { place, name }),
        (select(vec![Place::Querystring, Place::Header]), name())
            .prop_map(|(place, name)| ParameterSource::RequestValues { place, name }),
        text().prop_map(|path| ParameterSource::RequestBody { path }),
        name().prop_map(|name| ParameterSource::Context { name }),
        name().prop_map(|name| ParameterSource::StageVariable { name }),
        text().prop_map(ParameterSource::Static),
    ]
}

fn response_source() -> impl Strategy<Value = ParameterSource> {
    prop_oneof![
        name().prop_map(|name| ParameterSource::ResponseHeader { name }),
        name().prop_map(|name| ParameterSource::ResponseHeaderValues { name }),
        text().prop_map(|path| ParameterSource::ResponseBody { path }),
        name().prop_map(|name| ParameterSource::Context { name }),
        name().prop_map(|name| ParameterSource::StageVariable { name }),
        text().prop_map(ParameterSource::Static),
    ]
}

fn rows(
    places: Vec<Place>,
    source: impl Strategy<Value = ParameterSource>,
) -> impl Strategy<Value = Vec<ParameterMapping>> {
    let row = (select(places), name(), source);
    vec(row, 0..3).prop_map(|rows| {
        let rows = unique(rows, |row| (row.0, row.1.clone())).into_iter();
        rows.map(|(place, name, source)| ParameterMapping {
            target: ParameterTarget { place, name },
            source,
            pointer: String::new(),
        })
        .collect()
    })
}

fn handling() -> impl Strategy<Value = Option<ContentHandling>> {
    let both = vec![
        ContentHandling::ConvertToBinary,
        ContentHandling::ConvertToText,
    ];
    option::of(select(both))
}

fn answers() -> impl Strategy<Value = Vec<IntegrationResponse>> {
    let answer = (
        option::of(text()),
        100..=599u16,
        handling(),
        rows(vec![Place::Header], response_source()),
        templates(),
    );
    vec(answer, 0..3).prop_map(|rows| {
        let rows = rows.into_iter().map(
            |(pattern, status, content_handling, parameters, templates)| IntegrationResponse {
                pointer: String::new(),
                selection_pattern: pattern.filter(|pattern| pattern != "default"),
                status,
                content_handling,
                parameters,
                templates,
            },
        );
        unique(rows.collect(), |one| one.selection_pattern.clone())
    })
}

fn changes() -> impl Strategy<Value = Vec<HttpMapping>> {
    named(text(), 2).prop_map(|rows| {
        let row = |(target, source)| HttpMapping {
            target,
            source,
            pointer: String::new(),
        };
        rows.into_iter().map(row).collect()
    })
}

fn cache_key() -> impl Strategy<Value = Vec<CacheKeyPart>> {
    let source = prop_oneof![
        (place(), name()).prop_map(|(place, name)| CacheKeySource::Method { place, name }),
        (place(), name()).prop_map(|(place, name)| {
            CacheKeySource::Integration(ParameterTarget { place, name })
        }),
    ];
    let part = source.prop_map(|source| CacheKeyPart {
        source,
        pointer: String::new(),
    });
    vec(part, 0..3)
}

/// Boxed, as [`method`] is: trees of values this large do not fit on a thread's stack.
fn integration(kind: ApiKind) -> BoxedStrategy<Integration> {
    let is_http = kind == ApiKind::Http;
    let where_to = (
        select(IntegrationKind::ALL.to_vec()),
        text(),
        option::of(select(Verb::ALL.to_vec())),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
    );
    let how = (
        50..=900_000u32,
        select(vec![
            Passthrough::WhenNoMatch,
            Passthrough::WhenNoTemplates,
            Passthrough::Never,
        ]),
        handling(),
        any::<[bool; 3]>(),
        option::of(text()),
        cache_key(),
        option::of(text()),
    );
    let mapped = (
        rows(
            vec![Place::Path, Place::Querystring, Place::Header],
            request_source(),
        ),
        templates(),
        answers(),
        changes(),
        vec((200..=599u16, changes()), 0..3),
    );
    (where_to, how, mapped)
        .prop_map(move |(to, how, mapped)| {
            let (kind, uri, http_method, link, target, subtype, credentials) = to;
            let (timeout_ms, passthrough, content_handling, flags, namespace, cache_key, name) =
                how;
            let [skips, streams, second] = flags;
            let (parameters, request_templates, responses, request_changes, by_status) = mapped;
            let subtype = subtype.filter(|_| is_http);
            let uri = match kind {
                _ if subtype.is_some() || kind == IntegrationKind::Mock => uri,
                IntegrationKind::Aws | IntegrationKind::AwsProxy => format!("arn:{uri}"),
                _ => format!("https://{uri}"),
            };
            let connection = match link {
                Some(id) => Connection::VpcLink {
                    id,
                    pointer: String::new(),
                },
                None => Connection::Internet,
            };
            let response_changes = unique(by_status, |row| row.0).into_iter();
            let response_changes = response_changes.map(|(status, rows)| StatusMappings {
                status,
                rows,
                pointer: String::new(),
            });
            Integration {
                http_method,
                uri,
                connection,
                credentials,
                timeout_ms,
                passthrough,
                content_handling,
                request_parameters: if is_http { Vec::new() } else { parameters },
                request_templates,
                responses,
                cache_key,
                cache_namespace: namespace,
                tls: IntegrationTls {
                    insecure_skip_verification: skips,
                    server_name_to_verify: name,
                },
                transfer_mode: if streams {
                    TransferMode::Stream
                } else {
                    TransferMode::Buffered
                },
                payload_format: if second && is_http {
                    PayloadFormat::V2
                } else {
                    PayloadFormat::V1
                },
                subtype,
                target,
                request_changes: if is_http { request_changes } else { Vec::new() },
                response_changes: if is_http {
                    response_changes.collect()
                } else {
                    Vec::new()
                },
                ..Integration::new(kind, "")
            }
        })
        .boxed()
}

/// What methods name.
#[derive(Clone, Debug)]
struct Names {
    models: Vec<String>,
    validators: Vec<String>,
    authorizers: Vec<String>,
}

fn pick(names: &[String], index: prop::sample::Index) -> Option<String> {
    (!names.is_empty()).then(|| names[index.index(names.len())].clone())
}

fn models_of(names: Names) -> impl Strategy<Value = Vec<MethodModel>> {
    named(any::<prop::sample::Index>(), 2).prop_map(move |rows| {
        let rows = rows.into_iter();
        rows.filter_map(|(content_type, index)| {
            Some(MethodModel {
                content_type,
                model: pick(&names.models, index)?,
                pointer: String::new(),
            })
        })
        .collect()
    })
}

fn method_responses(names: Names) -> impl Strategy<Value = Vec<MethodResponse>> {
    let answer = (
        100..=599u16,
        named(any::<bool>(), 2),
        models_of(names),
        option::of(text()),
    );
    vec(answer, 0..3).prop_map(|rows| {
        let rows = rows
            .into_iter()
            .map(|(status, headers, models, description)| {
                let header = |(name, required)| MethodResponseHeader { name, required };
                MethodResponse {
                    status,
                    headers: headers.into_iter().map(header).collect(),
                    models,
                    description,
                    pointer: String::new(),
                }
            });
        unique(rows.collect(), |one| one.status)
    })
}

fn authorization(names: Names) -> impl Strategy<Value = Authorization> {
    let choice = (0..3u8, any::<prop::sample::Index>(), vec(text(), 0..3));
    choice.prop_map(move |(kind, index, scopes)| {
        let name = pick(&names.authorizers, index);
        let pointer = String::new();
        match (kind, name) {
            (1, _) => Authorization::Iam { pointer },
            (2, Some(name)) => Authorization::Authorizer {
                name,
                scopes,
                pointer,
            },
            _ => Authorization::None,
        }
    })
}

fn parameters() -> impl Strategy<Value = Vec<Parameter>> {
    vec((place(), name(), any::<bool>()), 0..3).prop_map(|rows| {
        let rows = rows.into_iter().map(|(place, name, required)| Parameter {
            place,
            name: match place {
                Place::Path => format!("{name}_"),
                _ => name,
            },
            required: required || place == Place::Path,
            pointer: String::new(),
        });
        unique(rows.collect(), |one| (one.place, one.name.clone()))
    })
}

fn method(kind: ApiKind, names: Names) -> BoxedStrategy<Method> {
    let validators = names.validators.clone();
    (
        select(Verb::ALL.to_vec()),
        integration(kind),
        option::of(text()),
        parameters(),
        authorization(names.clone()),
        any::<bool>(),
        any::<prop::sample::Index>(),
        models_of(names.clone()),
        method_responses(names),
    )
        .prop_map(
            move |(
                verb,
                integration,
                operation_name,
                parameters,
                authorization,
                key,
                index,
                request_models,
                responses,
            )| Method {
                operation_name,
                parameters,
                authorization,
                api_key_required: key,
                request_validator: pick(&validators, index).map(|name| Named {
                    name,
                    value: Value::Null,
                    pointer: String::new(),
                }),
                request_models,
                responses,
                ..Method::new(verb, "", integration)
            },
        )
        .boxed()
}

fn gateway_responses() -> impl Strategy<Value = Vec<GatewayResponse>> {
    let types = ["DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED", "WAF_FILTERED"];
    let one = (
        select(types.to_vec()),
        option::of(100..=599u16),
        named(text(), 2),
        named(text(), 2),
    );
    vec(one, 0..3).prop_map(|rows| {
        let rows = rows
            .into_iter()
            .map(|(response_type, status, headers, templates)| {
                let header = |(name, source)| GatewayResponseHeader {
                    name,
                    source,
                    pointer: String::new(),
                };
                GatewayResponse {
                    response_type: response_type.to_owned(),
                    status,
                    headers: headers.into_iter().map(header).collect(),
                    templates,
                    pointer: String::new(),
                }
            });
        unique(rows.collect(), |one| one.response_type.clone())
    })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let kinds = vec![
        EndpointType::Edge,
        EndpointType::Regional,
        EndpointType::Private,
    ];
    (
        option::of(select(kinds)),
        vec(text(), 0..3),
        any::<bool>(),
        option::of(text()),
        option::of(text()),
        option::of(text()),
    )
        .prop_map(
            |(kind, vpc_endpoint_ids, disabled, ip, policy, mode)| Endpoint {
                kind,
                vpc_endpoint_ids,
                disable_execute_api: disabled,
                ip_address_type: ip,
                security_policy: policy,
                access_mode: mode,
                pointer: String::new(),
            },
        )
}

fn cors() -> impl Strategy<Value = Cors> {
    let texts = || vec(name(), 0..3);
    (
        texts(),
        texts(),
        texts(),
        texts(),
        any::<bool>(),
        option::of(-1..=86_400i32),
    )
        .prop_map(
            |(origins, methods, headers, exposed, credentials, max_age_s)| Cors {
                allow_credentials: credentials && !origins.iter().any(|origin| origin == "*"),
                allow_origins: origins,
                allow_methods: methods,
                allow_headers: headers,
                expose_headers: exposed,
                max_age_s,
                pointer: String::new(),
            },
        )
}

/// Schemas, half of which refer to a model.
fn models() -> impl Strategy<Value = Vec<Model>> {
    named((object(), any::<bool>()), 3).prop_map(|rows| {
        let first = rows.first().map(|row| row.0.clone()).unwrap_or_default();
        let model = |(name, (mut schema, refers)): (String, (Map<String, Value>, bool))| {
            if refers {
                let items = json!({"$ref": format!("#/components/schemas/{first}")});
                schema.insert("items".to_owned(), items);
            }
            Model {
                name,
                schema: schema.into(),
                pointer: String::new(),
            }
        };
        rows.into_iter().map(model).collect()
    })
}

fn authorizers() -> impl Strategy<Value = Vec<Authorizer>> {
    named(object(), 2).prop_map(|rows| {
        let authorizer = |(name, rest): (String, Map<String, Value>)| {
            let mut scheme = rest;
            scheme.insert("type".to_owned(), "apiKey".into());
            let inner = json!({"type": "token", "authorizerUri": "arn:a"});
            scheme.insert("x-amazon-apigateway-authorizer".to_owned(), inner);
            Authorizer {
                name,
                scheme: scheme.into(),
                pointer: String::new(),
            }
        };
        rows.into_iter().map(authorizer).collect()
    })
}

fn validators() -> impl Strategy<Value = Vec<RequestValidator>> {
    named(any::<(bool, bool)>(), 2).prop_map(|rows| {
        let validator = |(name, (body, parameters))| RequestValidator {
            name,
            validates_body: body,
            validates_parameters: parameters,
            pointer: String::new(),
        };
        rows.into_iter().map(validator).collect()
    })
}

/// A random API.
pub(crate) fn api() -> impl Strategy<Value = Api> {
    let parts = (models(), validators(), authorizers());
    (select(vec![ApiKind::Rest, ApiKind::Http]), parts).prop_flat_map(|(kind, parts)| {
        let (models, validators, authorizers) = parts;
        let names = Names {
            models: models.iter().map(|one| one.name.clone()).collect(),
            validators: validators.iter().map(|one| one.name.clone()).collect(),
            authorizers: authorizers.iter().map(|one| one.name.clone()).collect(),
        };
        let resources = vec((text(), vec(method(kind, names.clone()), 0..3)), 1..3);
        let rest = (
            text(),
            option::of(name()),
            option::of(name()),
            option::of(object()),
            any::<bool>(),
            vec(text(), 0..3),
            option::of(0..=10_485_760u32),
        );
        let more = (
            endpoint(),
            option::of(cors()),
            gateway_responses(),
            option::of(method(kind, names)),
        );
        let described = vec((any::<prop::sample::Index>(), json_value()), 0..6);
        (resources, rest, more, described).prop_map(move |(resources, rest, more, described)| {
            let (name, description, version, policy, from_authorizer, types, compression) = rest;
            let (endpoint, cors, gateway_responses, default_route) = more;
            let is_http = kind == ApiKind::Http;
            let resources = resources.into_iter().map(|(path, methods)| Resource {
                path: format!("/{path}"),
                pointer: String::new(),
                methods: unique(methods, |one| one.verb),
            });
            let mut api = Api {
                kind,
                id: String::new(),
                name,
                description,
                version,
                resources: unique(resources.collect(), |one| one.path.clone()),
                default_route: default_route.filter(|_| is_http).map(|method| Method {
                    verb: Verb::Any,
                    ..method
                }),
                models: models.clone(),
                validators: validators.clone(),
                gateway_responses,
                authorizers: authorizers.clone(),
                policy: policy.map(|policy| Opaque {
                    value: policy.into(),
                    pointer: String::new(),
                }),
                api_key_source: if from_authorizer {
                    ApiKeySource::Authorizer
                } else {
                    ApiKeySource::Header
                },
                binary_media_types: (types.into_iter())
                    .map(|text| MediaType {
                        text,
                        pointer: String::new(),
                    })
                    .collect(),
                minimum_compression_bytes: compression,
                endpoint,
                cors: cors.filter(|_| is_http),
                descriptions: Vec::new(),
            };
            api.descriptions = descriptions(&api, described);
            api
        })
    })
}

/// Values under places that an import of `api` would give them.
fn descriptions(api: &Api, values: Vec<(prop::sample::Index, Value)>) -> Vec<Named> {
    let escaped = |text: &str| text.replace('~', "~0").replace('/', "~1");
    let mut places: Vec<String> = [
        "/tags",
        "/x-mine",
        "/x-amazon-apigateway-documentation",
        "/info/contact",
    ]
    .map(str::to_owned)
    .into();
    for resource in &api.resources {
        let item = format!("/paths/{}", escaped(&resource.path));
        places.push(format!("{item}/description"));
        for method in &resource.methods {
            let key = match method.verb {
                Verb::Any => "x-amazon-apigateway-any-method".to_owned(),
                verb => verb.as_str().to_ascii_lowercase(),
            };
            let operation = format!("{item}/{key}");
            places.push(format!("{operation}/summary"));
            places.push(format!("{operation}/responses/default/description"));
            places.push(format!(
                "{operation}/x-amazon-apigateway-integration/description"
            ));
            for one in &method.parameters {
                let row = escaped(&format!("{} {}", one.place.as_str(), one.name));
                places.push(format!("{operation}/parameters/{row}/description"));
            }
        }
    }
    let mut named: Vec<Named> = (values.into_iter())
        .map(|(index, value)| Named {
            name: index.get(&places).clone(),
            value,
            pointer: String::new(),
        })
        .collect();
    named.sort_by(|a, b| a.name.cmp(&b.name));
    named.dedup_by(|a, b| a.name == b.name);
    named
}
