//! The plan by examples: where requests go, and what stages and routes have.

use std::path::Path;

use crate::documents::{api, findings_of, ok_mock, plan_of, proxy, settings};
use serde_json::json;
use tidegate_edge::{
    base::time::Wall,
    model::{api::ApiKind, settings::HeaderRules},
    net::tls::{TlsClock, ticket::TicketKeys},
    origin::EndpointHost,
    plan::{Backend, IntegrationPlan, Plan, Resolution, RoutePlan},
    route::{Params, Verb},
    server::{CacheSecrets, Keyring, LimitsHome},
};

/// Where a request goes: `VERB /resource @stage name=value` or what was missing.
fn resolve(plan: &Plan, host: &str, verb: &str, path: &str) -> String {
    let mut params = Params::new();
    let verb = Verb::from_token(verb.as_bytes());
    match plan.resolve(host.as_bytes(), path.as_bytes(), verb, &mut params) {
        Resolution::Route { route, stage, .. } => {
            let route = plan.route(route).expect("route");
            assert_eq!(route.stage, stage);
            let stage = plan.stage(stage).expect("stage");
            let mut text = format!(
                "{} {} @{}/{}",
                route.verb.token(),
                route.resource_path,
                stage.api_id,
                stage.name
            );
            for (nth, name) in route.variables.iter().enumerate() {
                let value = params.value(nth, path.as_bytes()).expect("value");
                text += &format!(" {name}={}", String::from_utf8_lossy(value));
            }
            assert_eq!(params.as_slice().len(), route.variables.len());
            text
        }
        Resolution::NoRoute { stage, .. } => {
            format!("no route @{}", plan.stage(stage).expect("stage").name)
        }
        Resolution::Health => "health".to_owned(),
        Resolution::NoStage => "no stage".to_owned(),
    }
}

#[test]
fn requests_are_resolved() {
    let apis = [
        api(
            "a1",
            vec![("GET /pets/{id}", ok_mock()), ("ANY /{proxy+}", ok_mock())],
        ),
        api("b2", vec![("GET /", ok_mock()), ("POST /dev/x", ok_mock())]),
        api("c3", vec![("GET /only", ok_mock())]),
    ];
    let settings = settings(json!({ "apis": [
        { "document": "a", "stages": ["dev", "prod"] },
        { "document": "b", "stages": ["dev", "beta"], "hosts": ["b.example", "*.b.example"] },
        { "document": "c", "stages": ["v1", "v2"], "host_stage": "v2", "hosts": ["c.example"] },
    ]}));
    let plan = plan_of(&settings, &apis);
    assert_eq!(
        (plan.revision, plan.stages.len(), plan.routes.len()),
        (7, 6, 10)
    );
    let rows = [
        ("any", "GET", "/dev/pets/7", "GET /pets/{id} @a1/dev id=7"),
        (
            "any:81",
            "PUT",
            "/prod/pets/7",
            "ANY /{proxy+} @a1/prod proxy=pets/7",
        ),
        (
            "any",
            "GET",
            "//dev//pets/7/",
            "GET /pets/{id} @a1/dev id=7",
        ),
        ("any", "GET", "/dev", "no route @dev"),
        ("any", "GET", "/nope/pets", "no stage"),
        ("B.example:8443", "GET", "/", "GET / @b2/dev"),
        ("x.b.example", "POST", "/dev/x", "POST /dev/x @b2/dev"),
        ("b.example", "GET", "/dev/pets/7", "no route @dev"),
        ("any", "POST", "/beta/dev/x", "POST /dev/x @b2/beta"),
        ("c.example", "GET", "/only", "GET /only @c3/v2"),
        ("any", "GET", "/v1/only", "GET /only @c3/v1"),
        ("any", "GET", "/v2/only", "GET /only @c3/v2"),
    ];
    for (host, verb, path, expected) in rows {
        assert_eq!(
            resolve(&plan, host, verb, path),
            expected,
            "{verb} {host}{path}"
        );
    }
}

#[test]
fn a_route_describes_itself() {
    let apis = [api(
        "a1",
        vec![("GET /pets/{id}", proxy("https://o.example/v1/{id}", &[]))],
    )];
    let settings = settings(json!({ "origins": { "pets": {
        "match": "https://o.example",
        "endpoints": [
            { "region": "far", "url": "http://far.example:8080", "priority": 1 },
            { "region": "near", "url": "https://10.1.2.3", "weight": 3 },
        ],
        "allow_addresses": ["private"],
        "health": { "path": "/up", "statuses": ["200", "300-302"] },
    }}}));
    let plan = plan_of(&settings, &apis);
    let mut params = Params::new();
    let found = plan.resolve(b"h", b"/dev/pets/7", Verb::Get, &mut params);
    let Resolution::Route {
        route,
        path_from,
        resource_from,
        ..
    } = found
    else {
        panic!("{found:?}");
    };
    assert_eq!((path_from, resource_from), (0, 4));
    let facts = plan.describe(route).expect("facts");
    let origin = facts.origin.expect("an origin");
    assert_eq!(
        (facts.revision, &*origin.name, origin.implicit),
        (7, "pets", false)
    );
    assert_eq!(facts.limits.body_bytes_max, 10 * 1024 * 1024);
    assert_eq!(&*facts.route.pointer, "/paths/~1pets~1{id}/get");
    let seen: Vec<_> = (origin.endpoints.iter())
        .map(|e| format!("{} {} {} {}", e.region, e.authority, e.tls, e.weight))
        .collect();
    assert_eq!(
        seen,
        ["near 10.1.2.3 true 3", "far far.example:8080 false 1"]
    );
    assert!(matches!(
        &origin.endpoints[0].host,
        EndpointHost::Address(_)
    ));
    assert_eq!(&*origin.tls.server_name, "o.example");
    let health = origin.health.as_ref().expect("health");
    assert!(health.is_good(200) && health.is_good(301) && !health.is_good(204));
}

#[test]
fn an_uncaptured_authority_gets_a_group_of_its_own() {
    let apis = [api(
        "a1",
        vec![
            ("GET /a", proxy("https://One.example/x", &[])),
            ("GET /b", proxy("https://one.example:443/y", &[])),
            ("GET /c", proxy("http://one.example/z", &[])),
        ],
    )];
    let plan = plan_of(&settings(json!({})), &apis);
    let names: Vec<&str> = plan.origins.iter().map(|origin| &*origin.name).collect();
    assert_eq!(names, ["https://one.example", "http://one.example"]);
    assert!(
        plan.origins
            .iter()
            .all(|origin| origin.implicit && origin.endpoints.len() == 1)
    );
}

#[test]
fn http_apis_wait_a_second_longer() {
    // Kind, what the document asks for, the host's limit, how long is waited.
    let rows = [
        (ApiKind::Rest, 29_000, None, 29_000),
        (ApiKind::Rest, 45_000, Some(60_000), 45_000),
        (ApiKind::Http, 30_000, None, 30_000),
        (ApiKind::Http, 29_500, Some(60_000), 29_500),
        (ApiKind::Http, 30_000, Some(5_000), 5_000),
    ];
    for (kind, asked, limit, waited) in rows {
        let mut asks = proxy("https://o.example/", &[]);
        asks.timeout_ms = asked;
        let mut api = api("a1", vec![("GET /", asks)]);
        api.kind = kind;
        let given = limit.map_or(
            json!({}),
            |ms: u32| json!({ "limits": { "integration_ms": ms } }),
        );
        let plan = plan_of(&settings(given), &[api]);
        let found = match &plan.routes[0].integration {
            IntegrationPlan::HttpProxy(proxy) => proxy.timeout_ms,
            IntegrationPlan::Mapped(mapped) => match &mapped.backend {
                Backend::Http(http) => http.timeout_ms,
                Backend::Mock | Backend::Function(_) => panic!("no endpoint"),
            },
            IntegrationPlan::Mock(_) => panic!("no endpoint"),
        };
        assert_eq!(found, waited, "{kind:?} {asked} {limit:?}");
    }
}

#[test]
fn header_rules_are_those_of_api_gateway_unless_said_otherwise() {
    let given = |rules: &str| json!({ "apis": [{ "document": "a", "header_rules": rules }] });
    let rows = [
        (json!({}), HeaderRules::ApiGateway),
        (given("api_gateway"), HeaderRules::ApiGateway),
        (given("proxy"), HeaderRules::Proxy),
    ];
    let methods = || {
        vec![
            ("GET /", proxy("https://o.example/", &[])),
            ("GET /m", ok_mock()),
        ]
    };
    for (given, expected) in rows {
        let plan = plan_of(&settings(given), &[api("a1", methods())]);
        let IntegrationPlan::HttpProxy(proxy) = &plan.routes[0].integration else {
            panic!("no proxy");
        };
        assert_eq!(proxy.rules, expected);
        let names = plan.routes.iter().map(RoutePlan::speaks_as_gateway);
        let expected = [expected == HeaderRules::ApiGateway, true];
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }
    let mut http = api("a1", methods());
    http.kind = ApiKind::Http;
    let findings = findings_of(&settings(given("proxy")), &[http]);
    let expected = "E settings /apis/0/header_rules: HTTP APIs have header rules of their own";
    assert!(
        findings.iter().any(|line| line == expected),
        "{findings:#?}"
    );
}

#[test]
fn stage_variables_and_limits_reach_the_routes() {
    let apis = [api(
        "a1",
        vec![(
            "GET /",
            proxy("https://${stageVariables.h}/v${stageVariables.n}", &[]),
        )],
    )];
    let given = json!({
        "limits": { "integration_ms": 5_000 },
        "apis": [{ "document": "a", "variables": { "h": "o.example:8443", "n": "2" } }],
    });
    let plan = plan_of(&settings(given), &apis);
    let IntegrationPlan::HttpProxy(proxy) = &plan.routes[0].integration else {
        panic!("no proxy");
    };
    assert_eq!(&*proxy.uri, "https://o.example:8443/v2");
    assert_eq!(proxy.timeout_ms, 5_000, "never longer than the host allows");
    assert_eq!(&*plan.origins[0].endpoints[0].authority, "o.example:8443");
    let networks = json!({ "trust": { "proxies": ["10.0.0.0/8", "fd00::/8"] } });
    let plan = plan_of(
        &settings(networks),
        &[api("a1", vec![("GET /", ok_mock())])],
    );
    let rows = [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("11.0.0.1", false),
        ("fd12::1", true),
        ("2002:a01:203::1", false), // chosen by the peer, so not unwrapped
    ];
    for (ip, expected) in rows {
        assert_eq!(
            plan.trusted_proxies.contains(ip.parse().expect("ip")),
            expected,
            "{ip}"
        );
    }
}

#[test]
fn ticket_keys_are_replaced_at_the_age_that_the_plan_says() {
    const HOUR_MS: u64 = 3_600_000;
    for (given, hours) in [
        (json!({}), 12),
        (json!({ "tls": { "ticket_rotation_hours": 1 } }), 1),
        (json!({ "tls": { "ticket_rotation_hours": 168 } }), 168),
    ] {
        let plan = plan_of(&settings(given), &[api("a1", vec![("GET /", ok_mock())])]);
        let keyring = Keyring {
            tickets: TicketKeys::new(Wall(1)).expect("randomness"),
            clock: TlsClock::new(Wall(1)),
            cache: CacheSecrets::fresh().expect("randomness"),
            limits: LimitsHome::private([1, 2]),
        };
        keyring.follow(&plan);
        for (now_ms, changed) in [(hours * HOUR_MS, false), (hours * HOUR_MS + 1, true)] {
            assert_eq!(
                keyring.tickets.rotate(Wall(now_ms)),
                Ok(changed),
                "{hours} {now_ms}"
            );
        }
    }
}

/// Regions of the plan: whose, how large, where the settings say so; then which one each stage uses.
#[test]
fn stages_use_the_regions_that_they_name() {
    let common = "common 536870912 /cache/capacity";
    let rows = [
        (json!(null), vec![common], vec![0, 0]),
        (json!({}), vec![common], vec![0, 0]),
        (
            json!({ "capacity": "64 MiB" }),
            vec![
                common,
                "a1/dev 67108864 /apis/0/stage_cache/capacity",
                "a1/prod 67108864 /apis/0/stage_cache/capacity",
            ],
            vec![1, 2],
        ),
        (
            json!({ "capacity": { "prod": "0.5" } }),
            vec![
                common,
                "a1/prod 536870912 /apis/0/stage_cache/capacity/prod",
            ],
            vec![0, 1],
        ),
        (
            json!({ "stages": ["dev"], "capacity": "1.6" }),
            vec![common, "a1/dev 1717986918 /apis/0/stage_cache/capacity"],
            vec![1, 0],
        ),
    ];
    for (stage_cache, regions, indices) in rows {
        let mut source = json!({ "document": "a", "stages": ["dev", "prod"] });
        if !stage_cache.is_null() {
            source["stage_cache"] = stage_cache.clone();
        }
        let given = settings(json!({ "apis": [source], "cache": { "path": "/r/c" } }));
        let plan = plan_of(&given, &[api("a1", vec![("GET /", ok_mock())])]);
        let cache = plan.cache.as_ref().expect("a cache");
        let found: Vec<String> = (cache.regions.iter())
            .map(|region| format!("{} {} {}", region.of, region.capacity_bytes, region.pointer))
            .collect();
        assert_eq!(found, regions, "{stage_cache}");
        let used: Vec<u32> = (plan.stages.iter())
            .map(|stage| stage.cache_region.0)
            .collect();
        assert_eq!(used, indices, "{stage_cache}");
        for (stage, index) in plan.stages.iter().zip(used) {
            let path = match index {
                0 => "/r/c".to_owned(),
                _ => format!("/r/c.a1@{}", stage.name),
            };
            let region = plan.region_of(stage).expect("a region");
            assert_eq!(region.path.as_deref(), Some(Path::new(&path)));
        }
    }
}

#[test]
fn stage_sizes_have_names() {
    let gib = |tenths: u64| (tenths << 30) / 10;
    let rows = [
        ("0.5", gib(5)),
        ("1.6", gib(16)),
        ("6.1", gib(61)),
        ("13.5", gib(135)),
        ("28.4", gib(284)),
        ("58.2", gib(582)),
        ("118", gib(1180)),
        ("237", gib(2370)),
        ("64 MiB", 64 << 20),
        ("237GiB", 237 << 30),
    ];
    for (text, bytes) in rows {
        let source = json!({ "document": "a", "stage_cache": { "capacity": text } });
        let given = settings(json!({ "apis": [source], "cache": { "capacity": text } }));
        let plan = plan_of(&given, &[api("a1", vec![("GET /", ok_mock())])]);
        let regions = &plan.cache.as_ref().expect("a cache").regions;
        let sizes: Vec<u64> = regions.iter().map(|region| region.capacity_bytes).collect();
        assert_eq!(sizes, [bytes, bytes], "{text}");
        assert!(regions.iter().all(|region| region.path.is_none()));
    }
}
