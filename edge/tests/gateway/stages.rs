//! Stages, canaries, domains and private listeners, from the settings to the wire.
//!
//! Shape: tables over compiled plans, and conversations with a whole worker on the twin, whose
//! random numbers repeat. Units: requests. Errors: what differs from the service.
//! Source: API Gateway developer guide, "canary release deployment", "custom domain names" and
//! "private APIs".

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use crate::{
    bed::Kind,
    documents::{api, ok_mock, plan_of, proxy, settings},
    play::{Answer, Lines, Stage, first_answer},
};
use serde_json::{Value, json};
use tidegate_edge::{
    model::api::{Api, EndpointType, GatewayResponse, MethodModel, Model, Named, RequestValidator},
    plan::{
        CanaryRelease, Document, Door, IntegrationPlan, Plan, Release, Resolution, RouteCache,
        compile_releases,
    },
    route::{Asked, Headers, Params, Verb},
    wire::{HeadLimits, RequestHead, parse_request},
};

/// One method that asks the origin for what the stage variable `side` says.
fn sided() -> Api {
    let uri = "http://origin.test/${stageVariables.side}";
    api("a1", vec![("GET /v", proxy(uri, &[]))])
}

fn stage_of<'p>(plan: &'p Plan, host: &str, path: &str, door: Door, draw: u64) -> Option<&'p str> {
    let asked = Asked {
        host: host.as_bytes(),
        path: path.as_bytes(),
        api_id: None,
        headers: Headers::default(),
    };
    let mut params = Params::new();
    match plan.resolve_asked(&asked, Verb::Get, door, || draw, &mut params) {
        Resolution::Route { stage, .. } | Resolution::NoRoute { stage, .. } => {
            plan.stage(stage).map(|stage| &*stage.api_id)
        }
        Resolution::Health => Some("health"),
        Resolution::NoStage => None,
    }
}

/// Each stage has its own variables, over those of the API, and its own limits and cache.
#[test]
fn a_stage_has_settings_of_its_own() {
    let given = settings(json!({ "cache": {}, "apis": [{
        "document": "a.yaml",
        "variables": { "side": "all" },
        "stages": {
            "dev": {},
            "prod": {
                "variables": { "side": "prod" },
                "methods": {
                    "*/*": { "throttling_rate_limit": 10, "throttling_burst_limit": 20 },
                    "v/GET": { "throttling_rate_limit": 1, "throttling_burst_limit": 2,
                               "caching_enabled": true, "cache_ttl_in_seconds": 7 },
                },
            },
        },
    }]}));
    let plan = plan_of(&given, &[sided()]);
    let found: Vec<(String, usize, Option<u32>)> = (plan.routes.iter())
        .map(|route| {
            let uri = match &route.integration {
                tidegate_edge::plan::IntegrationPlan::HttpProxy(proxy) => proxy.uri.to_string(),
                other => panic!("{other:?}"),
            };
            let ttl_s = match &route.cache {
                Some(RouteCache::Stage(cache)) => Some(cache.ttl_s),
                _ => None,
            };
            (uri, route.limits.rates.len(), ttl_s)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("http://origin.test/all".to_owned(), 0, None),
            ("http://origin.test/prod".to_owned(), 2, Some(7)),
        ]
    );
}

/// What a method says of the cache in its own key holds, else what all methods' key says, else what
/// the API says.
#[test]
fn a_method_s_own_cache_settings_hold() {
    let allowed = json!({ "require_authorization_for_cache_control": false,
                          "unauthorized_cache_control_header_strategy": "fail_with_403" });
    let warned = json!({ "require_authorization_for_cache_control": true,
                         "unauthorized_cache_control_header_strategy":
                             "succeed_without_response_header" });
    // all methods, the method, its lifetime and what of fresh answers
    let rows = [
        (
            json!({ "caching_enabled": true }),
            json!({ "caching_enabled": false }),
            None,
        ),
        (
            json!({ "caching_enabled": false }),
            json!({ "caching_enabled": true }),
            Some((50, true, "SucceedWithResponseHeader")),
        ),
        (
            json!({ "cache_ttl_in_seconds": 60 }),
            json!({ "cache_ttl_in_seconds": 7 }),
            Some((7, true, "SucceedWithResponseHeader")),
        ),
        (
            json!({ "cache_ttl_in_seconds": 60 }),
            json!({ "caching_enabled": true }),
            Some((60, true, "SucceedWithResponseHeader")),
        ),
        (
            allowed.clone(),
            warned.clone(),
            Some((50, true, "SucceedWithoutResponseHeader")),
        ),
        (warned, allowed, Some((50, false, "FailWith403"))),
    ];
    for (all, own, expected) in rows {
        let given = settings(json!({ "cache": {}, "apis": [{
            "document": "a.yaml",
            "variables": { "side": "all" },
            "stage_cache": { "ttl_s": 50 },
            "stages": { "dev": { "methods": { "*/*": all, "v/GET": own } } },
        }]}));
        let plan = plan_of(&given, &[sided()]);
        let found = match &plan.routes[0].cache {
            Some(RouteCache::Stage(cache)) => {
                let unauthorized = format!("{:?}", cache.unauthorized);
                Some((cache.ttl_s, cache.require_authorization, unauthorized))
            }
            None => None,
            other => panic!("{other:?}"),
        };
        let expected = expected.map(|(ttl_s, asks, words): (_, _, &str)| {
            let words = words.to_owned();
            (ttl_s, asks, words)
        });
        assert_eq!(found, expected, "{all} {own}");
    }
}

/// Variables lie over each other: the API's, the stage's, those that were deployed, the canary's.
#[test]
fn variables_lie_over_each_other() {
    let given = settings(json!({ "apis": [{
        "document": "a.yaml",
        "variables": { "side": "api", "a": "api", "b": "api", "c": "api" },
        "stages": { "dev": { "variables": { "side": "stage", "b": "stage", "c": "stage" } } },
    }]}));
    let of = |rows: &[(&str, &str)]| {
        let rows = rows.iter();
        rows.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let release = Release {
        stage: "dev".to_owned(),
        variables: of(&[("side", "deployed"), ("c", "deployed")]),
        canary: Some(CanaryRelease {
            percent: 50.0,
            variables: of(&[("side", "canary")]),
            ..CanaryRelease::default()
        }),
        ..Release::default()
    };
    let plan = compile_releases(&given, &[sided()], &[release], 1);
    let plan = plan.expect("a plan").plan;
    let seen: Vec<String> = (plan.stages.iter())
        .map(|stage| {
            let rows = stage.variables.iter();
            let rows = rows.map(|(name, value)| format!("{name}={value}"));
            rows.collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(
        seen,
        [
            "a=api b=stage c=deployed side=deployed",
            "a=api b=stage c=deployed side=canary",
        ]
    );
}

/// A canary is a stage of its own in the plan; its answers are kept apart unless it serves the
/// same document or is told to share.
#[test]
fn a_canary_shares_what_it_should() {
    let given = settings(json!({ "apis": [{ "document": "a.yaml", "stages": { "dev": {} } }] }));
    let rows = [
        // the canary's document, whether it is to share, whether it does
        (0, false, true),
        (0, true, true),
        (1, false, false),
        (1, true, true),
    ];
    for (document, use_stage_cache, shares) in rows {
        let release = Release {
            stage: "dev".to_owned(),
            deployment: "d1".to_owned(),
            canary: Some(CanaryRelease {
                document,
                deployment: "d2".to_owned(),
                percent: 50.0,
                use_stage_cache,
                ..CanaryRelease::default()
            }),
            ..Release::default()
        };
        let documents = [sided(), api("a1", vec![("GET /w", ok_mock())])];
        let given = {
            let mut given = given.clone();
            given.apis[0]
                .variables
                .insert("side".to_owned(), "x".to_owned());
            given
        };
        let plan = compile_releases(&given, &documents, &[release], 1);
        let plan = plan.expect("a plan").plan;
        let [stage, canary] = &plan.stages[..] else {
            panic!("{} stages", plan.stages.len());
        };
        assert_eq!(stage.cache_scope == canary.cache_scope, shares);
        assert_eq!((stage.is_canary, canary.is_canary), (false, true));
        assert_eq!(
            (&*stage.deployment_id, &*canary.deployment_id),
            ("d1", "d2")
        );
        let share = stage.canary.expect("a canary");
        assert!(share.takes(0) && share.takes((1 << 63) - 1));
        assert!(!share.takes(1 << 63) && !share.takes(u64::MAX));
        // Limits are counted together.
        let stages: Vec<_> = plan.routes.iter().map(|route| route.limits.stage).collect();
        assert_eq!(stages.first(), stages.last());
    }
}

/// Of 2,000 requests 10.5 % are the canary's, give or take five standard deviations, and those
/// have its variables.
#[test]
fn a_canary_gets_its_percentage() {
    const REQUESTS: usize = 2_000;
    let given = json!({ "apis": [{
        "document": "a.yaml", "hosts": ["a"], "variables": { "side": "stage" },
        "stages": { "dev": {
            "canary": { "percent": 10.5, "variables": { "side": "canary" } },
        }},
    }]});
    let answer = Answer {
        bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ..Answer::default()
    };
    let stage = Stage::with(Kind::Twin, given, &[sided()], vec![answer]);
    let mut rest = REQUESTS;
    while rest > 0 {
        let count = rest.min(50);
        rest -= count;
        let text = "GET /v HTTP/1.1\r\nHost: a\r\n\r\n".repeat(count);
        let heard = stage.talk(Lines {
            parts: vec![text.into_bytes()],
            piece: usize::MAX,
            enough: Box::new(move |mut bytes| {
                let mut seen = 0;
                while let Some((200, _, length)) = first_answer(bytes, false) {
                    bytes = &bytes[length..];
                    seen += 1;
                }
                seen == count
            }),
            patience_ms: 3_000,
        });
        assert!(heard.bytes.starts_with(b"HTTP/1.1 200"));
    }
    let seen = stage.seen();
    let count = |target: &[u8]| {
        seen.iter()
            .filter(|seen| seen.raw.starts_with(target))
            .count()
    };
    let (canary, base) = (count(b"GET /canary "), count(b"GET /stage "));
    stage.finish();
    assert_eq!(canary + base, REQUESTS);
    // 210 expected; one standard deviation is 13.7.
    assert!((142..=278).contains(&canary), "{canary} of {REQUESTS}");
}

fn typed(id: &str, kind: Option<EndpointType>) -> Api {
    let mut api = api(id, vec![("GET /x", ok_mock())]);
    api.endpoint.kind = kind;
    api
}

/// Which listener leads to which API.
#[test]
fn listeners_lead_to_their_type_of_endpoint() {
    use EndpointType::{Edge, Private, Regional};
    let kinds = [None, Some(Edge), Some(Regional), Some(Private)];
    let apis: Vec<Api> = ["n", "e", "r", "p"]
        .iter()
        .zip(kinds)
        .map(|(id, kind)| typed(id, kind))
        .collect();
    let sources: Vec<Value> = ["n", "e", "r", "p"]
        .iter()
        .map(|id| json!({ "document": "a", "id": id, "stage": format!("s{id}") }))
        .collect();
    let given = settings(json!({ "apis": sources, "listen": [
        { "address": "127.0.0.1:1" },
        { "address": "127.0.0.1:2", "endpoint": "edge" },
        { "address": "127.0.0.1:3", "endpoint": "regional" },
        { "address": "127.0.0.1:4", "endpoint": "private", "networks": ["10.0.0.0/8"] },
    ]}));
    let plan = plan_of(&given, &apis);
    let rows = [
        // listener, client, APIs
        (0, "192.0.2.1", "ner"),
        (1, "192.0.2.1", "ne"),
        (2, "192.0.2.1", "nr"),
        (3, "10.1.2.3", "p"),
        (3, "192.0.2.1", ""),
    ];
    for (listener, client, expected) in rows {
        let client: IpAddr = client.parse().expect("an address");
        let door = plan.listeners[listener].door(client);
        let reached: String = ["n", "e", "r", "p"]
            .iter()
            .filter_map(|id| {
                let host = format!("{id}.execute-api.localhost");
                stage_of(&plan, &host, &format!("/s{id}/x"), door, 0)
            })
            .collect();
        assert_eq!(reached, expected, "listener {listener} from {client}");
        let by_path = stage_of(&plan, "any.test", "/sp/x", door, 0);
        assert_eq!(by_path, None, "a private API has no path of its own");
    }
    let closed = stage_of(&plan, "n.execute-api.localhost", "/ping", Door::Closed, 0);
    assert_eq!(closed, None);
}

/// Who has no default host has no path form either.
#[test]
fn a_disabled_default_host_leaves_the_domain() {
    let mut shut = typed("a1", None);
    shut.endpoint.disable_execute_api = true;
    let given = settings(json!({ "domains": [
        { "name": "api.test", "mappings": [{ "path": "v1", "api": "a1", "stage": "dev" }] },
    ]}));
    let plan = plan_of(&given, &[shut]);
    let rows = [
        ("a1.execute-api.localhost", "/dev/x", None),
        ("any.test", "/dev/x", None),
        ("api.test", "/v1/x", Some("a1")),
        ("api.test", "/dev/x", None),
    ];
    for (host, path, expected) in rows {
        assert_eq!(
            stage_of(&plan, host, path, Door::Public, 0),
            expected,
            "{host}{path}"
        );
    }
}

/// An API with a model, a validator and a gateway response.
fn validated() -> Api {
    let mut api = api(
        "a1",
        vec![
            ("POST /v", ok_mock()),
            ("PUT /v", ok_mock()),
            ("GET /w", ok_mock()),
        ],
    );
    api.models.push(Model {
        name: "Pet".to_owned(),
        schema: json!({ "type": "object", "required": ["name"] }),
        pointer: "/models/Pet".to_owned(),
    });
    api.validators.push(RequestValidator {
        name: "all".to_owned(),
        validates_body: true,
        validates_parameters: true,
        pointer: "/validators/all".to_owned(),
    });
    api.gateway_responses.push(GatewayResponse {
        response_type: "DEFAULT_4XX".to_owned(),
        status: Some(418),
        headers: Vec::new(),
        templates: Vec::new(),
        pointer: "/responses/DEFAULT_4XX".to_owned(),
    });
    let v = api.resources.first_mut().expect("a resource");
    for method in &mut v.methods {
        method.request_validator = Some(Named {
            name: "all".to_owned(),
            value: Value::Null,
            pointer: "/validator".to_owned(),
        });
        method.request_models.push(MethodModel {
            content_type: "application/json".to_owned(),
            model: "Pet".to_owned(),
            pointer: "/model".to_owned(),
        });
    }
    api
}

/// However many stages and canaries serve a document, its models, validators and gateway responses
/// are compiled once.
#[test]
fn what_stages_share_is_made_once() {
    const STAGES: usize = 20;
    let releases = (0..STAGES).map(|nth| Release {
        stage: format!("s{nth}"),
        canary: Some(CanaryRelease {
            // Every second canary serves the other document.
            document: nth % 2,
            percent: 10.0,
            ..CanaryRelease::default()
        }),
        ..Release::default()
    });
    let releases: Vec<Release> = releases.collect();
    let given = settings(json!({ "apis": [{ "document": "a.yaml" }] }));
    let documents = [validated(), validated()];
    let plan = compile_releases(&given, &documents, &releases, 1);
    let plan = plan.expect("a plan").plan;
    assert_eq!(plan.stages.len(), 2 * STAGES);
    let apis: Vec<BTreeSet<_>> = (0..2)
        .map(|document| {
            let stages = plan.stages.iter();
            let own = stages.filter(|stage| stage.document == Document::Api(document));
            own.map(|stage| Arc::as_ptr(&stage.api)).collect()
        })
        .collect();
    assert_eq!(apis.iter().map(BTreeSet::len).collect::<Vec<_>>(), [1, 1]);
    assert_ne!(apis.first(), apis.last(), "another document has its own");
    let asked: Vec<_> = (plan.routes.iter())
        .filter_map(|route| route.validation.as_ref())
        .map(Arc::as_ptr)
        .collect();
    // Two methods of each document ask something.
    assert_eq!(asked.len(), 2 * 2 * STAGES);
    assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), 2 * 2);
    // Each route has that of its own method.
    for route in &plan.routes {
        let is_v = &*route.resource_path == "/v";
        assert_eq!(route.validation.is_some(), is_v, "{}", route.resource_path);
    }
}

/// Headers and paths choose among the stages of one domain; a rule's stage may have a canary.
#[test]
fn rules_of_a_domain_choose_a_stage() {
    let when = |header: &str, glob: &str| {
        let any = json!([{ "header": header, "value_glob": glob }]);
        json!([{ "match_headers": any }])
    };
    let given = settings(json!({
        "apis": [{
            "document": "a.yaml", "variables": { "side": "x" },
            "stages": { "dev": {}, "beta": {}, "next": {
                "canary": { "percent": 100, "variables": { "side": "canary" } },
            } },
        }],
        "domains": [{
            "name": "*.test", "routing_mode": "ROUTING_RULE_THEN_API_MAPPING",
            "mappings": [{ "path": "p", "api": "a1", "stage": "dev" }],
            "rules": [
                { "priority": 7, "api": "a1", "stage": "next", "conditions": when("x-v", "*") },
                { "priority": 2, "api": "a1", "stage": "beta", "conditions": when("X-V", "b*") },
            ],
        }],
    }));
    let plan = plan_of(&given, &[sided()]);
    // head, (stage, canary, rule, base path, resource path)
    let rows = [
        ("GET /v", "X-V: beta\r\n", "beta None Some(2) / /v"),
        ("GET /v", "x-v: alpha\r\n", "next Some(true) Some(7) / /v"),
        ("GET /p/v", "X-V: beta\r\n", "beta None Some(2) / /p/v"),
        ("GET /p/v", "X-W: beta\r\n", "dev None None /p /v"),
        ("GET /v", "", "nothing"),
    ];
    for (line, fields, expected) in rows {
        let bytes = format!("{line} HTTP/1.1\r\nHost: h.test\r\n{fields}\r\n");
        let mut head = RequestHead::new();
        parse_request(bytes.as_bytes(), &HeadLimits::default(), &mut head).expect("a head");
        let path = head.path(bytes.as_bytes());
        let asked = Asked {
            host: b"h.test",
            path,
            api_id: None,
            headers: Headers::of(&head.fields, bytes.as_bytes()),
        };
        let mut params = Params::new();
        let found = plan.resolve_asked(&asked, Verb::Get, Door::Public, || 0, &mut params);
        let seen = match found {
            Resolution::Route {
                stage,
                canary,
                path_from,
                base_to,
                resource_from,
                rule,
                ..
            }
            | Resolution::NoRoute {
                stage,
                canary,
                path_from,
                base_to,
                resource_from,
                rule,
            } => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let base = text(&path[path_from + 1..base_to.max(path_from + 1)]);
                let name = plan.stage(stage).map_or("", |stage| &*stage.name);
                format!(
                    "{name} {canary:?} {rule:?} /{base} {}",
                    text(&path[resource_from..])
                )
            }
            Resolution::NoStage => "nothing".to_owned(),
            Resolution::Health => "health".to_owned(),
        };
        assert_eq!(seen, expected, "{line} {fields}");
    }
}

/// Stages and their canaries ask as whom the settings say; plain connections show nothing.
#[test]
fn client_certificates_belong_to_stages() {
    let given = settings(json!({
        "client_certificates": {
            "one": { "certificate": "1.pem", "key": "1.key" },
            "two": { "certificate": "2.pem", "key": "2.key" },
        },
        "apis": [{
            "document": "a.yaml",
            "stages": {
                "bare": {},
                "one": { "client_certificate_id": "one", "canary": { "percent": 1 } },
                "two": { "client_certificate_id": "two" },
                "again": { "client_certificate_id": "one" },
            },
        }],
    }));
    let secret = api(
        "a1",
        vec![
            ("GET /s", proxy("https://secret.test/", &[])),
            ("GET /p", proxy("http://plain.test/", &[])),
        ],
    );
    let plan = plan_of(&given, &[secret]);
    let mut seen: Vec<String> = (plan.routes.iter())
        .map(|route| {
            let proxy = match &route.integration {
                IntegrationPlan::HttpProxy(proxy) => proxy,
                other => panic!("{other:?}"),
            };
            let stage = plan.stage(route.stage).expect("a stage");
            let origin = plan.origin(proxy.origin).expect("an origin");
            let shown = origin.identity(proxy.face);
            let shown = shown.map_or("nothing", |shown| &*shown.name);
            let canary = if stage.is_canary { " canary" } else { "" };
            format!("{}{canary} {} {shown}", stage.name, route.resource_path)
        })
        .collect();
    seen.sort();
    assert_eq!(
        seen,
        [
            "again /p nothing",
            "again /s one",
            "bare /p nothing",
            "bare /s nothing",
            "one /p nothing",
            "one /s one",
            "one canary /p nothing",
            "one canary /s one",
            "two /p nothing",
            "two /s two",
        ]
    );
    let secret = plan
        .origins
        .iter()
        .find(|origin| origin.tls.faces.len() == 2);
    assert!(secret.is_some(), "each once: {:#?}", plan.origins);
}
