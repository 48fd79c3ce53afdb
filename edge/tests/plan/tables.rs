//! The plan by examples: where requests go, what origins and clients get to see.

use std::path::Path;

use crate::documents::{api, findings_of, mock, ok_mock, plan_of, proxy, settings};
use proptest::prelude::*;
use serde_json::json;
use tidegate_edge::{
    base::time::Wall,
    integrate::{MockOutcome, RequestParts},
    model::{
        api::{ApiKind, ParameterMapping, ParameterSource, ParameterTarget, Passthrough, Place},
        settings::HeaderRules,
    },
    net::tls::{TlsClock, ticket::TicketKeys},
    origin::EndpointHost,
    plan::{Backend, IntegrationPlan, Plan, Resolution, RoutePlan, compile},
    route::{Params, Verb},
    server::{CacheSecrets, Keyring, LimitsHome},
    wire::target::check_path,
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

/// The outgoing target of one request; the one function that writes targets.
fn target(uri: &str, rows: &[(&str, &str)], path: &str, query: &str, buffer: usize) -> String {
    let apis = [api("a1", vec![("GET /p/{id}/{rest+}", proxy(uri, rows))])];
    let plan = plan_of(&settings(json!({})), &apis);
    let mut params = Params::new();
    let found = plan.resolve(b"h", path.as_bytes(), Verb::Get, &mut params);
    let Resolution::Route { route, .. } = found else {
        panic!("{path}: {found:?}");
    };
    let IntegrationPlan::HttpProxy(proxy) = &plan.route(route).expect("route").integration else {
        panic!("no proxy");
    };
    let header = |name: &str| {
        name.eq_ignore_ascii_case("x-in")
            .then_some(&b"h/1 &\xe4"[..])
    };
    let request = RequestParts {
        path: path.as_bytes(),
        query: query.as_bytes(),
        params: &params,
        header: &header,
    };
    let mut out = vec![0; buffer];
    match proxy.write_target(&request, &mut out) {
        Ok(len) => String::from_utf8_lossy(&out[..len]).into_owned(),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn targets_are_written() {
    const PATH: &str = "/dev/p/a%2Fb@c/x//y%20z/";
    type Row<'r> = (&'r str, &'r [(&'r str, &'r str)], &'r str, &'r str);
    let rows: &[Row<'_>] = &[
        ("http://o", &[], "", "/"),
        ("http://o?k=v", &[], "", "/?k=v"),
        ("http://o/", &[], "q=1&q=2", "/?q=1&q=2"),
        ("http://o/a?k=v", &[], "q=a+b%20c&&x", "/a?k=v&q=a+b%20c&&x"),
        ("http://o/{id}", &[("path.id", "path.id")], "", "/a%2Fb@c"),
        ("http://o/{id}/{rest}", &[], "", "/a%2Fb@c/x//y%20z"),
        ("http://o/{rest+}", &[], "", "/x//y%20z"),
        (
            "http://o/v/{it}.js",
            &[("path.it", "path.id")],
            "",
            "/v/a%2Fb@c.js",
        ),
        ("http://o/{nope}/x", &[], "", "/{nope}/x"),
        ("http://o/{s}", &[("path.s", "'a b/c'")], "", "/a%20b%2Fc"),
        (
            "http://o/{v}",
            &[("path.v", "querystring.q")],
            "q=1&q=a+b/c%41",
            "/a%20b%2Fc%41?q=1&q=a+b/c%41",
        ),
        ("http://o/{v}", &[("path.v", "querystring.q")], "", "/{v}"), // absent: as written
        (
            "http://o/{v}",
            &[("path.v", "header.X-In")],
            "",
            "/h%2F1%20%26%E4",
        ),
        ("http://o/x?i={id}", &[], "", "/x?i=a%2Fb%40c"),
        (
            "http://o/",
            &[("querystring.n", "path.id")],
            "",
            "/?n=a%2Fb%40c",
        ),
        (
            "http://o/",
            &[("querystring.q", "'foo'")],
            "q=bar",
            "/?q=bar&q=foo",
        ), // recorded
        (
            "http://o/",
            &[("querystring.q", "querystring.q")],
            "q=bar",
            "/?q=bar",
        ),
        (
            "http://o/",
            &[("querystring.n", "querystring.q")],
            "q=1&%71=2%26",
            "/?q=1&%71=2%26&n=2%26",
        ),
        (
            "http://o/",
            &[("querystring.n", "querystring.q")],
            "q=",
            "/?q=",
        ), // empty: not sent
        (
            "http://o/",
            &[("querystring.a b", "header.X-In")],
            "",
            "/?a%20b=h%2F1%20%26%E4",
        ),
        (
            "http://o/",
            &[("querystring.n", "'a&b=c'")],
            "",
            "/?n=a%26b%3Dc",
        ),
        // values that would climb are refused, however they are spelled
        (
            "http://o/a/{v}/b",
            &[("path.v", "querystring.q")],
            "q=..",
            "the mapped values make a forbidden path",
        ),
        (
            "http://o/a/{v}",
            &[("path.v", "querystring.q")],
            "q=%2e%2E",
            "the mapped values make a forbidden path",
        ),
        (
            "http://o/a/{v}",
            &[("path.v", "querystring.q")],
            "q=x/../y",
            "the mapped values make a forbidden path",
        ),
        (
            "http://o/a/.{v}",
            &[("path.v", "querystring.q")],
            "q=.",
            "the mapped values make a forbidden path",
        ),
        (
            "http://o/a/{v}",
            &[("path.v", "'..'")],
            "",
            "the mapped values make a forbidden path",
        ),
        (
            "http://o/a/{v}",
            &[("path.v", "querystring.q")],
            "q=...",
            "/a/...?q=...",
        ),
        (
            "http://o/a/{v}",
            &[("path.v", "querystring.q")],
            "q=%zz",
            "the mapped values make a forbidden path",
        ),
    ];
    for (uri, mappings, query, expected) in rows {
        assert_eq!(
            target(uri, mappings, PATH, query, 256),
            *expected,
            "{uri} {mappings:?} {query}"
        );
    }
    let full = "/a%2Fb@c?x=1";
    assert_eq!(target("http://o/{id}", &[], PATH, "x=1", full.len()), full);
    let short = target("http://o/{id}", &[], PATH, "x=1", full.len() - 1);
    assert!(short.contains("longer than its buffer"), "{short}");
}

#[test]
fn mapped_fields_are_written() {
    let rows = [
        ("header.X-A", "path.id"),
        ("header.X-B", "'lit eral'"),
        ("header.X-C", "querystring.q"),
        ("header.X-D", "header.X-In"),
        ("header.X-E", "querystring.other"),
        ("header.Host", "header.Host"),
        ("header.Via", "'dropped'"),
    ];
    let apis = [api(
        "a1",
        vec![("GET /{id}", proxy("http://o:8080/", &rows))],
    )];
    let compiled = compile(&settings(json!({})), &apis, 1).expect("legal");
    assert!(
        compiled
            .warnings
            .iter()
            .any(|warning| warning.message.contains("`Via`"))
    );
    let mut params = Params::new();
    compiled
        .plan
        .resolve(b"h", b"/dev/7%20", Verb::Get, &mut params);
    let IntegrationPlan::HttpProxy(proxy) = &compiled.plan.routes[0].integration else {
        panic!("no proxy");
    };
    let write = |query: &str| {
        let header = |name: &str| match name {
            "X-In" => Some(&b"in"[..]),
            "Host" => Some(&b"client.example"[..]),
            _ => None,
        };
        let request = RequestParts {
            path: b"/dev/7%20",
            query: query.as_bytes(),
            params: &params,
            header: &header,
        };
        let mut out = [0; 64];
        let mut lines = Vec::new();
        let host = ("Host", &proxy.host);
        let mapped = proxy.headers.iter().map(|map| (&*map.name, &map.source));
        for (name, source) in std::iter::once(host).chain(mapped) {
            lines.push(match source.write_field_value(&request, &mut out) {
                Ok(Some(len)) => format!("{name}: {}", String::from_utf8_lossy(&out[..len])),
                Ok(None) => continue,
                Err(fault) => format!("{name}! {fault}"),
            });
        }
        lines.join(", ")
    };
    assert_eq!(
        write("q=a%20b+c"),
        "Host: client.example, X-A: 7%20, X-B: lit eral, X-C: a b c, X-D: in"
    );
    assert!(write("q=a%0d%0aX:y").contains("X-C! a mapped field value holds a control character"));
}

#[test]
fn mocks_answer() {
    type Responses<'r> = &'r [(Option<&'r str>, u16, &'r [(&'r str, &'r str)])];
    const JSON: &str = "application/json";
    let two: Responses<'_> = &[
        (Some("2\\d{2}"), 201, &[("text/html", "<p>"), (JSON, "{}")]),
        (None, 500, &[("text/plain", "no")]),
    ];
    let default: Responses<'_> = &[(None, 200, &[])];
    type Row<'r> = (
        &'r [(&'r str, &'r str)],
        Responses<'r>,
        Passthrough,
        &'r [(&'r str, &'r str, &'r str)],
    );
    let rows: &[Row<'_>] = &[
        (
            &[
                (JSON, "{\"statusCode\": 200}"),
                ("text/xml", "{statusCode: 404,}"),
            ],
            two,
            Passthrough::WhenNoMatch,
            &[
                ("", "", "201 application/json {}"),
                (
                    "application/json; charset=utf-8",
                    "text/html;q=1, */*",
                    "201 text/html <p>",
                ),
                ("Application/JSON", "image/png", "201 application/json {}"),
                ("text/xml", "", "500 text/plain no"),
                ("text/csv", "", "passes"), // the body is the template
            ],
        ),
        (
            &[(JSON, "{statusCode:200}")],
            default,
            Passthrough::Never,
            &[("", "", "200"), ("text/csv", "", "unsupported")],
        ),
        (
            &[("text/xml", "{statusCode:200}")],
            default,
            Passthrough::WhenNoTemplates,
            &[("", "", "unsupported"), ("text/xml", "", "200")],
        ),
        (
            &[
                ("$default", "{statusCode:200}"),
                (JSON, "{'statusCode': '200'}"),
            ],
            default,
            Passthrough::Never,
            &[("", "", "misconfigured"), ("a/b", "", "200")], // a text is no status
        ),
        (
            &[],
            default,
            Passthrough::WhenNoTemplates,
            &[("", "", "passes")],
        ),
        (
            &[(JSON, "{statusCode:200}")],
            &[(Some("20"), 200, &[]), (Some("0|3.."), 300, &[])], // whole texts only
            Passthrough::Never,
            &[("", "", "misconfigured")],
        ),
        (
            &[(JSON, "{statusCode:302}")],
            &[(Some("2..|3.."), 200, &[]), (None, 400, &[])],
            Passthrough::Never,
            &[("", "", "200")],
        ),
    ];
    for (index, (request, responses, passthrough, asks)) in rows.iter().enumerate() {
        let mut given = mock(request, responses);
        given.passthrough = *passthrough;
        let apis = [api("a1", vec![("GET /", given)])];
        let plan = plan_of(&settings(json!({})), &apis);
        let IntegrationPlan::Mock(mock) = &plan.routes[0].integration else {
            panic!("no mock");
        };
        for (content_type, accept, expected) in *asks {
            let field = |text: &'static str| (!text.is_empty()).then_some(text.as_bytes());
            let seen = match mock.answer(field(content_type), field(accept)) {
                MockOutcome::Misconfigured => "misconfigured".to_owned(),
                MockOutcome::UnsupportedMediaType => "unsupported".to_owned(),
                MockOutcome::Passes => "passes".to_owned(),
                MockOutcome::Answer { answer, body: None } => answer.status.to_string(),
                MockOutcome::Answer {
                    answer,
                    body: Some(body),
                } => {
                    let text = String::from_utf8_lossy(&body.text);
                    format!("{} {} {text}", answer.status, body.media_type)
                }
            };
            assert_eq!(seen, *expected, "row {index}: {content_type:?} {accept:?}");
        }
    }
}

#[test]
fn mock_fields_are_prepared() {
    let mut given = mock(
        &[("application/json", "{statusCode:200}")],
        &[(None, 200, &[])],
    );
    let field = |name: &str, value: &str| ParameterMapping {
        target: ParameterTarget {
            place: Place::Header,
            name: name.to_owned(),
        },
        source: ParameterSource::Static(value.to_owned()),
        pointer: format!("/field/{name}"),
    };
    given.responses[0].parameters = vec![
        field("Access-Control-Allow-Origin", "*"),
        field("Server", "mine"),
        field("Transfer-Encoding", "chunked"),
    ];
    let apis = [api("a1", vec![("GET /", given.clone())])];
    let plan = plan_of(&settings(json!({})), &apis);
    let IntegrationPlan::Mock(mock) = &plan.routes[0].integration else {
        panic!("no mock");
    };
    let fields: Vec<String> = mock.answers()[0]
        .fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    assert_eq!(
        fields,
        [
            "Access-Control-Allow-Origin: *",
            "x-amzn-Remapped-Server: mine"
        ]
    );
    for (name, value) in [("X Y", "a"), ("X", "a\r\nY: b")] {
        given.responses[0].parameters = vec![field(name, value)];
        let apis = [api("a1", vec![("GET /", given.clone())])];
        let findings = findings_of(&settings(json!({})), &apis);
        assert!(findings[0].contains("is no header field"), "{findings:?}");
    }
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

/// A plan whose target takes values from everywhere.
fn mapped_plan() -> Plan {
    let rows = [
        ("path.v", "querystring.q"),
        ("path.h", "header.X-In"),
        ("querystring.n", "path.id"),
        ("querystring.m", "querystring.other"),
    ];
    let uri = "http://o/a/{v}/.{h}{id}/{rest}?k={v}";
    let apis = [api("a1", vec![("ANY /{id}/{rest+}", proxy(uri, &rows))])];
    plan_of(&settings(json!({})), &apis)
}

proptest! {
    #[test]
    fn any_request_is_harmless(
        host in prop::collection::vec(any::<u8>(), 0..20),
        path in "/dev/[.%2eEfF/a]{1,6}/[.%2eEfF/a]{0,12}",
        query in "(q=[.%2eEfF/a+]{0,6}&?)?(other=[a&=+]{0,3})?",
        field in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        // Only what the parser lets through comes here.
        prop_assume!(check_path(path.as_bytes()).is_ok());
        let plan = mapped_plan();
        let mut params = Params::new();
        let found = plan.resolve(&host, path.as_bytes(), Verb::Get, &mut params);
        let Resolution::Route { route, .. } = found else { return Ok(()) };
        let IntegrationPlan::HttpProxy(proxy) = &plan.route(route).expect("route").integration
        else {
            panic!("no proxy");
        };
        let header = |_: &str| Some(&field[..]);
        let request = RequestParts {
            path: path.as_bytes(),
            query: query.as_bytes(),
            params: &params,
            header: &header,
        };
        let mut out = [0; 512];
        if let Ok(len) = proxy.write_target(&request, &mut out) {
            let target = &out[..len];
            prop_assert!(target.iter().all(u8::is_ascii_graphic));
            let end = target.iter().position(|byte| *byte == b'?').unwrap_or(len);
            let shown = String::from_utf8_lossy(target);
            prop_assert!(check_path(&target[..end]).is_ok(), "{}", shown);
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
