//! The plan by examples: what origins are sent, and what mocks answer.

use crate::documents::{api, findings_of, mock, plan_of, proxy, settings};
use proptest::prelude::*;
use serde_json::json;
use tidegate_edge::{
    integrate::{MockOutcome, RequestParts},
    model::api::{ParameterMapping, ParameterSource, ParameterTarget, Passthrough, Place},
    plan::{IntegrationPlan, Plan, Resolution, compile},
    route::{Params, Verb},
    wire::target::check_path,
};

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
