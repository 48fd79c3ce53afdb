//! Events of functions, to the byte, and read by types that others wrote.
//!
//! Shape: facts in, files of `tests/functions` out; a file's lines are joined without the blanks
//! at their starts. Units: bytes. Errors: an event that differs is printed. Source: recorded events
//! of format 1.0, the guide's of 2.0; the types of the `aws_lambda_events` crate.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use proptest::prelude::*;
use serde_json::Value;
use std::{fs, path::Path};
use tidegate_edge::integrate::function::{
    AuthorizerFacts, ClientCertFacts, ContextFacts, EventBody, EventFacts, EventFormat,
    EventWriter, IamFacts, IdentityFacts,
};

type Field = (&'static [u8], &'static [u8]);

const HEADERS: &[Field] = &[
    (b"Host", b"a1.execute-api.us-east-1.amazonaws.com"),
    (b"authorization", b"Bearer t"),
    (b"x-multi", b"v1"),
    (b"Connection", b"close"),
    (b"Content-Length", b"8"),
    (b"X-Multi", b"v2"),
    (b"user-agent", b"curl/8"),
    (b"Cookie", b"c=1; d=2"),
    (b"X-Amzn-Trace-Id", b"Root=1-5"),
];

const CERTIFICATE: ClientCertFacts<'_> = ClientCertFacts {
    pem: "-----BEGIN",
    subject_dn: "CN=a",
    issuer_dn: "CN=b",
    serial_number: "7",
    not_before: "May 28 12:30:02 2019 GMT",
    not_after: "Aug  5 09:36:04 2021 GMT",
};

const IDENTITY: IdentityFacts<'_> = IdentityFacts {
    access_key: Some("AKIA"),
    account_id: Some("111122223333"),
    api_key: Some(b"k"),
    api_key_id: Some("kid"),
    caller: Some("C"),
    client_cert: Some(CERTIFICATE),
    cognito_authentication_provider: Some("p"),
    cognito_authentication_type: Some("authenticated"),
    cognito_identity_id: Some("i"),
    cognito_identity_pool_id: Some("pool"),
    principal_org_id: Some("o-1"),
    source_ip: "203.0.113.9",
    user: Some("U"),
    user_agent: Some(b"curl/8"),
    user_arn: Some("arn:aws:iam::111122223333:user/x"),
};

fn context(identity: IdentityFacts<'static>) -> ContextFacts<'static> {
    ContextFacts {
        account_id: "111122223333",
        api_id: "a1",
        authorizer: AuthorizerFacts::None,
        deployment_id: "d1",
        domain_name: "a1.execute-api.us-east-1.amazonaws.com",
        domain_prefix: "a1",
        extended_request_id: "Kx=",
        identity,
        operation_name: None,
        path: b"/dev/pets/7%2Falias",
        protocol: "HTTP/1.1",
        request_id: "uuid",
        request_time: "09/Apr/2025:12:34:56 +0000",
        request_time_epoch_ms: 1_744_202_096_123,
        resource_id: "r1",
        stage: "dev",
    }
}

/// A request with nothing that may be left out.
fn bare() -> EventFacts<'static> {
    EventFacts {
        resource: "/pets/{id}",
        route_key: "POST /pets/{id}",
        path: b"/pets/7%2Falias",
        method: "GET",
        headers: &[],
        query: b"",
        path_parameters: &[],
        stage_variables: &[],
        context: context(IdentityFacts {
            source_ip: "203.0.113.9",
            ..IdentityFacts::default()
        }),
        body: EventBody::None,
    }
}

/// A request with everything.
fn full() -> EventFacts<'static> {
    EventFacts {
        method: "POST",
        headers: HEADERS,
        query: b"q=first&q=last+%2B&empty&%C3%A9+b=%zz",
        path_parameters: &[("id", b"7%2Falias")],
        stage_variables: &[("alias", "DEV"), ("a\"b", "\\")],
        context: ContextFacts {
            authorizer: AuthorizerFacts::Object(r#"{"principalId":"u"}"#),
            operation_name: Some("createPet"),
            ..context(IDENTITY)
        },
        body: EventBody::Text(b"{\"a\":1}\n"),
        ..bare()
    }
}

fn event(format: EventFormat, facts: &EventFacts<'_>) -> String {
    let mut writer = EventWriter::new();
    let mut out = b"before".to_vec();
    writer.write(format, &full(), &mut out);
    out.truncate("before".len());
    writer.write(format, facts, &mut out);
    let event = out.split_off("before".len());
    assert_eq!(out, b"before");
    String::from_utf8(event).expect("UTF-8")
}

fn expected(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/functions")
        .join(file);
    let text = fs::read_to_string(path).expect("a file");
    text.lines().map(str::trim_start).collect()
}

#[test]
fn events_are_the_recorded_ones_to_the_byte() {
    let with = |authorizer, body| EventFacts {
        context: ContextFacts {
            authorizer,
            ..full().context
        },
        body,
        ..full()
    };
    let jwt = AuthorizerFacts::Jwt {
        claims: r#"{"sub":"u"}"#,
        scopes: Some(&["s1", "s2"]),
    };
    let iam = AuthorizerFacts::Iam(IamFacts {
        access_key: Some("AKIA"),
        account_id: Some("1"),
        caller_id: Some("C"),
        user_arn: Some("arn:aws:iam::1:user/x"),
        user_id: Some("U"),
        ..IamFacts::default()
    });
    let signed = EventFacts {
        context: ContextFacts {
            authorizer: iam,
            ..bare().context
        },
        ..bare()
    };
    let rows = [
        ("rest_full.json", EventFormat::Rest, full()),
        ("rest_empty.json", EventFormat::Rest, bare()),
        ("rest_empty.json", EventFormat::Rest, signed),
        ("http1_empty.json", EventFormat::Http1, bare()),
        (
            "http2_full.json",
            EventFormat::Http2,
            with(jwt, EventBody::Binary(b"\0\xff")),
        ),
        ("http2_empty.json", EventFormat::Http2, signed),
    ];
    for (file, format, facts) in rows {
        assert_eq!(event(format, &facts), expected(file), "{file}");
    }
}

#[test]
fn authorizers_and_bodies_of_each_format() {
    let claims = r#"{"sub":"u"}"#;
    let rows = [
        (
            EventFormat::Rest,
            AuthorizerFacts::Object("{}"),
            r#""authorizer":{},"#,
        ),
        (
            EventFormat::Http2,
            AuthorizerFacts::Object("{}"),
            r#""authorizer":{"lambda":{}},"#,
        ),
        (
            EventFormat::Http1,
            AuthorizerFacts::Jwt {
                claims,
                scopes: Some(&["s1"]),
            },
            r#""authorizer":{"claims":{"sub":"u"},"scopes":["s1"]},"#,
        ),
        (
            EventFormat::Http2,
            AuthorizerFacts::Jwt {
                claims,
                scopes: None,
            },
            r#""authorizer":{"jwt":{"claims":{"sub":"u"},"scopes":null}},"#,
        ),
    ];
    for (format, authorizer, words) in rows {
        let mut facts = bare();
        facts.context.authorizer = authorizer;
        let event = event(format, &facts);
        assert!(event.contains(words), "{words} in {event}");
    }
    let rows = [
        (EventBody::None, r#""body":null,"isBase64Encoded":false}"#),
        (
            EventBody::Text(b""),
            r#""body":null,"isBase64Encoded":false}"#,
        ),
        (
            EventBody::Binary(b""),
            r#""body":null,"isBase64Encoded":false}"#,
        ),
        (
            EventBody::Text(b"a\xff"),
            "\"body\":\"a\u{fffd}\",\"isBase64Encoded\":false}",
        ),
        (
            EventBody::Binary(b"a\xff"),
            r#""body":"Yf8=","isBase64Encoded":true}"#,
        ),
    ];
    for (body, end) in rows {
        let facts = EventFacts { body, ..bare() };
        let event = event(EventFormat::Rest, &facts);
        assert!(event.ends_with(end), "{event}");
    }
}

#[test]
fn the_types_of_others_read_rest_events() {
    let text = event(EventFormat::Rest, &full());
    let read: ApiGatewayProxyRequest = serde_json::from_str(&text).expect("their type");
    assert_eq!(read.resource.as_deref(), Some("/pets/{id}"));
    assert_eq!(read.path.as_deref(), Some("/pets/7%2Falias"));
    assert_eq!(read.http_method.as_str(), "POST");
    assert_eq!(
        read.headers.get("x-multi").map(|value| value.as_bytes()),
        Some(&b"v2"[..])
    );
    assert_eq!(
        read.multi_value_headers.get_all("X-Multi").iter().count(),
        2
    );
    assert_eq!(read.query_string_parameters.first("q"), Some("last +"));
    let all = read.multi_value_query_string_parameters.all("q");
    assert_eq!(all, Some(vec!["first", "last +"]));
    assert_eq!(
        read.path_parameters.get("id").map(String::as_str),
        Some("7%2Falias")
    );
    assert_eq!(
        read.stage_variables.get("a\"b").map(String::as_str),
        Some("\\")
    );
    let context = &read.request_context;
    assert_eq!(context.apiid.as_deref(), Some("a1"));
    assert_eq!(context.operation_name.as_deref(), Some("createPet"));
    assert_eq!(context.request_time_epoch, 1_744_202_096_123);
    assert_eq!(context.identity.api_key_id.as_deref(), Some("kid"));
    assert_eq!(context.identity.source_ip.as_deref(), Some("203.0.113.9"));
    assert_eq!(
        context.authorizer.fields.get("principalId"),
        Some(&Value::from("u"))
    );
    assert_eq!(read.body.as_deref(), Some("{\"a\":1}\n"));
    let empty: ApiGatewayProxyRequest =
        serde_json::from_str(&event(EventFormat::Rest, &bare())).expect("their type");
    assert!(empty.headers.is_empty() && empty.query_string_parameters.is_empty());
    assert!(empty.path_parameters.is_empty() && empty.body.is_none());
    assert_eq!(empty.request_context.identity.api_key, None);
}

#[test]
fn the_types_of_others_read_http_events() {
    let mut facts = full();
    facts.context.authorizer = AuthorizerFacts::Jwt {
        claims: r#"{"sub":"u"}"#,
        scopes: Some(&["s1"]),
    };
    let text = event(EventFormat::Http2, &facts);
    let read: ApiGatewayV2httpRequest = serde_json::from_str(&text).expect("their type");
    assert_eq!(read.version.as_deref(), Some("2.0"));
    assert_eq!(read.route_key.as_deref(), Some("POST /pets/{id}"));
    assert_eq!(read.raw_path.as_deref(), Some("/dev/pets/7%2Falias"));
    assert_eq!(read.cookies, Some(vec!["c=1".to_owned(), "d=2".to_owned()]));
    assert_eq!(
        read.headers.get("x-multi").map(|value| value.as_bytes()),
        Some(&b"v1,v2"[..])
    );
    assert_eq!(read.headers.get("cookie"), None);
    assert_eq!(read.query_string_parameters.first("q"), Some("first"));
    let context = &read.request_context;
    assert_eq!(context.http.method.as_str(), "POST");
    assert_eq!(context.http.source_ip.as_deref(), Some("203.0.113.9"));
    assert_eq!(context.time_epoch, 1_744_202_096_123);
    let authorizer = context
        .authorizer
        .as_ref()
        .and_then(|found| found.jwt.as_ref());
    let claims = authorizer.map(|jwt| (jwt.claims.get("sub").cloned(), jwt.scopes.clone()));
    assert_eq!(
        claims,
        Some((Some("u".to_owned()), Some(vec!["s1".to_owned()])))
    );
    let certificate = context.authentication.as_ref().expect("a certificate");
    let certificate = certificate.client_cert.as_ref().expect("a certificate");
    assert_eq!(certificate.subject_dn.as_deref(), Some("CN=a"));
    assert_eq!(read.body.as_deref(), Some("{\"a\":1}\n"));
    let empty: ApiGatewayV2httpRequest =
        serde_json::from_str(&event(EventFormat::Http2, &bare())).expect("their type");
    assert!(empty.cookies.is_none() && empty.request_context.authorizer.is_none());
    let old: ApiGatewayProxyRequest =
        serde_json::from_str(&event(EventFormat::Http1, &full())).expect("their type");
    assert_eq!(old.http_method.as_str(), "POST");
}

/// Last and all values by name, the slow and obvious way.
fn model(pairs: &[(String, String)]) -> (Value, Value) {
    let (mut last, mut all) = (serde_json::Map::new(), serde_json::Map::new());
    for (name, value) in pairs {
        last.insert(name.clone(), Value::from(value.as_str()));
        let values = all
            .entry(name.clone())
            .or_insert_with(|| Value::Array(Vec::new()));
        values
            .as_array_mut()
            .expect("a list")
            .push(Value::from(value.as_str()));
    }
    if pairs.is_empty() {
        return (Value::Null, Value::Null);
    }
    (Value::Object(last), Value::Object(all))
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

proptest! {
    #[test]
    fn any_query_and_any_text_come_back(
        pairs in proptest::collection::vec(("[ab\u{e9}\"]{1,2}", ".{0,6}"), 0..60),
        path in ".*",
        body in proptest::collection::vec(0_u8.., 1..200),
    ) {
        let query: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let query = query.join("&");
        let facts = EventFacts {
            query: query.as_bytes(),
            path: path.as_bytes(),
            body: EventBody::Text(&body),
            ..bare()
        };
        let read: Value = serde_json::from_str(&event(EventFormat::Rest, &facts)).expect("JSON");
        let (last, all) = model(&pairs);
        prop_assert_eq!(&read["queryStringParameters"], &last);
        prop_assert_eq!(&read["multiValueQueryStringParameters"], &all);
        prop_assert_eq!(&read["path"], &Value::from(path.as_str()));
        let text = String::from_utf8_lossy(&body);
        prop_assert_eq!(&read["body"], &Value::from(&*text));
        let facts = EventFacts { body: EventBody::Binary(&body), ..facts };
        let read: Value = serde_json::from_str(&event(EventFormat::Http2, &facts)).expect("JSON");
        let joined = all.as_object().map(|all| {
            let join = |values: &Value| {
                let values = values.as_array().expect("a list").iter();
                values.map(|value| value.as_str().expect("a text")).collect::<Vec<_>>().join(",")
            };
            all.iter().map(|(name, values)| (name.clone(), Value::from(join(values)))).collect()
        });
        let joined = joined.map(Value::Object);
        prop_assert_eq!(read.get("queryStringParameters"), joined.as_ref());
    }
}
