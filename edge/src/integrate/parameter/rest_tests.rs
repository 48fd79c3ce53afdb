//! Rows of REST mappings: what is sent, what is refused.

use super::{super::fixture::Fixture, *};

const BODY: &str = r#" {"a":"x","n":7,"o":{"k":[1,2]},"z":null,"e":""} "#;

fn shown(mapping: &ParameterMapping, body: &'static str) -> Result<Vec<String>, MappingFault> {
    let fixture = Fixture {
        body,
        answer_body: body,
    };
    let mut memory = MappingMemory::new();
    let values = mapping.run(&fixture, &mut memory)?;
    let shown = values.map(|found| {
        let place = match found.place {
            ParameterPlace::Path => "path",
            ParameterPlace::Query => "query",
            ParameterPlace::Header => "header",
        };
        let mark = if found.is_encoded { " encoded" } else { "" };
        let value = String::from_utf8_lossy(found.value);
        format!("{place} {}={value}{mark}", found.name)
    });
    Ok(shown.collect())
}

/// What one row of a request sends.
fn request(
    kind: Kind,
    key: &str,
    source: &str,
    body: &'static str,
) -> Result<Vec<String>, MappingFault> {
    let mapping = ParameterMapping::compile_request(kind, [(key, source)]);
    shown(&mapping.expect(source), body)
}

#[test]
fn every_source_of_a_request() {
    let rows: &[(&str, &[&str])] = &[
        ("method.request.path.id", &["a%2Fb encoded"]),
        ("method.request.path.none", &[]),
        ("method.request.querystring.q", &["last one"]),
        ("method.request.querystring.none", &[]),
        ("method.request.querystring.absent", &[]),
        ("method.request.multivaluequerystring.one", &["1"]),
        ("method.request.header.X-A", &["h2"]),
        ("method.request.header.x-a", &[]),
        ("method.request.header.X-Empty", &[]),
        ("method.request.multivalueheader.X-A", &["h1,h2"]),
        (
            "method.request.body",
            &[r#"{"a":"x","n":7,"o":{"k":[1,2]},"z":null,"e":""}"#],
        ),
        ("method.request.body.a", &["x"]),
        ("method.request.body.n", &["7"]),
        ("method.request.body.o", &[r#"{"k":[1,2]}"#]),
        ("method.request.body.o.k[1]", &["2"]),
        ("method.request.body['a']", &["x"]),
        ("method.request.body.z", &[]),
        ("method.request.body.e", &[]),
        ("method.request.body.none.x", &[]),
        ("context.requestId", &["r-1"]),
        ("context.identity.sourceIp", &["203.0.113.9"]),
        ("context.identity", &[]),
        ("context.empty", &[]),
        ("stageVariables.alias", &["DEV"]),
        ("stageVariables.none", &[]),
        ("stageVariables.absent", &[]),
        ("'static'", &["static"]),
        ("'it''s'", &["it''s"]),
        ("'method.request.path.id'", &["method.request.path.id"]),
        ("''", &[]),
    ];
    for (source, expected) in rows {
        for (key, start) in [
            ("integration.request.header.X-To", "header X-To="),
            ("integration.request.path.to", "path to="),
            ("integration.request.querystring.to", "query to="),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|value| format!("{start}{value}"))
                .collect();
            assert_eq!(
                request(Kind::Http, key, source, BODY),
                Ok(expected),
                "{source} to {key}"
            );
        }
    }
}

#[test]
fn several_values_come_each_or_joined() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "querystring",
            "multivaluequerystring.q",
            &["query to=first", "query to=last one"],
        ),
        (
            "header",
            "multivaluequerystring.q",
            &["header to=first,last one"],
        ),
        (
            "path",
            "multivaluequerystring.q",
            &["path to=first,last one"],
        ),
        ("querystring", "multivalueheader.X-A", &["query to=h1,h2"]),
        ("querystring", "multivaluequerystring.none", &[]),
    ];
    for (to, from, expected) in rows {
        let key = format!("integration.request.{to}.to");
        let source = format!("method.request.{from}");
        let found = request(Kind::Http, &key, &source, "").expect("mapped");
        assert_eq!(found, *expected, "{from} to {to}");
    }
}

#[test]
fn payloads_that_are_no_objects() {
    let key = "integration.request.querystring.to";
    let rows: &[(&'static str, &str, Result<&[&str], MappingFault>)] = &[
        ("", "body", Ok(&["query to={}"])),
        ("", "body.a", Ok(&[])),
        ("plain text", "body", Ok(&["query to=plain text"])),
        ("plain text", "body.a", Ok(&[])),
        ("  5 ", "body", Ok(&["query to=5"])),
        (" \n", "body", Ok(&[])),
        ("[1]", "body[0]", Ok(&["query to=1"])),
        ("\"s\"", "body", Ok(&["query to=\"s\""])),
        ("{\"a\":", "body", Err(MappingFault::RequestJson)),
        ("{\"a\":", "body.a", Err(MappingFault::RequestJson)),
        ("[1", "body", Err(MappingFault::RequestJson)),
        ("'s'", "body", Err(MappingFault::RequestJson)),
        ("\"s", "body.a", Err(MappingFault::RequestJson)),
        ("{\"a\":", "header.X-None", Ok(&[])),
    ];
    for (body, source, expected) in rows {
        let source = format!("method.request.{source}");
        let found = request(Kind::Http, key, &source, body);
        let expected = expected.clone();
        let expected = expected.map(|rows| rows.iter().map(|row| (*row).to_owned()).collect());
        assert_eq!(found, expected, "{body:?} {source}");
        if let Err(fault) = found {
            assert_eq!(
                (fault.status(), &*fault.to_string()),
                (400, "Invalid JSON in request body")
            );
        }
    }
}

#[test]
fn fields_are_refused_left_out_and_renamed() {
    let refused = |name: &str| Err(MappingFault::Refused(name.to_owned()));
    let rows = [
        (Kind::Http, "Content-Length", refused("Content-Length")),
        (Kind::Http, "x-amzn-trace-id", refused("x-amzn-trace-id")),
        (Kind::AwsProxy, "Authorization", refused("Authorization")),
        (Kind::AwsProxy, "X-Own", Ok(vec![])),
        (
            Kind::Http,
            "Authorization",
            Ok(vec!["header Authorization=v".to_owned()]),
        ),
        (Kind::Http, "Via", Ok(vec![])),
        (Kind::Aws, "Referer", Ok(vec![])),
    ];
    for (kind, name, expected) in rows {
        let key = format!("integration.request.header.{name}");
        assert_eq!(request(kind, &key, "'v'", ""), expected, "{kind:?} {name}");
        // What has no value is not sent, so it is not refused.
        assert_eq!(
            request(kind, &key, "context.none", ""),
            Ok(vec![]),
            "{kind:?} {name}"
        );
    }
    assert_eq!(
        refused("a").map_err(|fault: MappingFault| fault.status()),
        Err::<Vec<String>, _>(500)
    );
    let key = "integration.request.querystring.q";
    assert_eq!(request(Kind::AwsProxy, key, "'v'", ""), Ok(vec![]));
}

#[test]
fn a_field_holds_no_line_end() {
    let key = "integration.request.header.X-To";
    let fault = request(Kind::Http, key, "method.request.body", "{\n}");
    assert_eq!(fault, Err(MappingFault::RequestValue("X-To".to_owned())));
    let fault = request(
        Kind::Http,
        key,
        "method.request.body.a",
        r#"{"a":"x\r\nHost: y"}"#,
    );
    assert_eq!(fault, Err(MappingFault::RequestValue("X-To".to_owned())));
    let key = "integration.request.querystring.to";
    let found = request(Kind::Http, key, "method.request.body.a", r#"{"a":"x\ny"}"#);
    assert_eq!(found, Ok(vec!["query to=x\ny".to_owned()]));
}

#[test]
fn every_source_of_an_answer() {
    let body = r#"{"id":"i-1","l":[{"p":1},{"p":2}]}"#;
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "X-To",
            "integration.response.header.X-R",
            &["header X-To=r2"],
        ),
        ("X-To", "integration.response.header.x-r", &[]),
        (
            "X-To",
            "integration.response.multivalueheader.X-R",
            &["header X-To=r1,r2"],
        ),
        ("X-To", "integration.response.body.id", &["header X-To=i-1"]),
        (
            "X-To",
            "integration.response.body.l[*].p",
            &["header X-To=[1,2]"],
        ),
        ("X-To", "context.requestId", &["header X-To=r-1"]),
        ("X-To", "stageVariables.alias", &["header X-To=DEV"]),
        (
            "Access-Control-Allow-Origin",
            "'*'",
            &["header Access-Control-Allow-Origin=*"],
        ),
        ("Date", "'today'", &["header x-amzn-Remapped-Date=today"]),
        ("Transfer-Encoding", "'chunked'", &[]),
        ("X-To", "integration.response.header.None", &[]),
    ];
    for (name, source, expected) in rows {
        let key = format!("method.response.header.{name}");
        let mapping = ParameterMapping::compile_answer(Kind::Http, [(&*key, *source)]);
        let found = shown(&mapping.expect(source), body).expect("mapped");
        assert_eq!(found, *expected, "{source}");
    }
    let row = ("method.response.header.X", "integration.response.body.id");
    let mapping = ParameterMapping::compile_answer(Kind::Http, [row]).expect("a row");
    let fault = shown(&mapping, "{").expect_err("broken JSON");
    assert_eq!((fault.status(), fault), (500, MappingFault::AnswerJson));
    assert_eq!(shown(&mapping, "plain"), Ok(vec![]));
}

#[test]
fn gateway_responses_take_headers_of_the_request() {
    let rows = [
        ("gatewayresponse.header.Access-Control-Allow-Origin", "'*'"),
        ("gatewayresponse.header.X-Q", "method.request.querystring.q"),
        ("gatewayresponse.header.X-P", "method.request.path.id"),
        ("gatewayresponse.header.X-C", "context.requestId"),
        ("gatewayresponse.header.X-S", "stageVariables.alias"),
        ("gatewayresponse.header.X-N", "method.request.header.None"),
    ];
    let mapping = ParameterMapping::compile_gateway_response(rows).expect("rows");
    let expected = [
        "header Access-Control-Allow-Origin=*",
        "header X-Q=last one",
        "header X-P=a%2Fb encoded",
        "header X-C=r-1",
        "header X-S=DEV",
    ];
    assert_eq!(shown(&mapping, "{").expect("no body is read"), expected);
    let body = ("gatewayresponse.header.X", "method.request.body.a");
    assert!(ParameterMapping::compile_gateway_response([body]).is_err());
}

#[test]
fn rows_that_are_refused_where_they_fail() {
    use RowPart::{Key, Value};
    let good = "integration.request.header.X";
    let rows = [
        (
            "integration.request.body.x",
            "'v'",
            Key,
            0,
            "a key begins with",
        ),
        (
            "method.response.header.X",
            "'v'",
            Key,
            0,
            "a key begins with",
        ),
        ("integration.request.header.", "'v'", Key, 27, "a name"),
        (
            "integration.request.header.a b",
            "'v'",
            Key,
            27,
            "no name of a header",
        ),
        (good, "'v", Value, 2, "closing quote"),
        (good, "'", Value, 1, "closing quote"),
        (good, "'a\r\nb'", Value, 2, "control character"),
        (good, "v", Value, 0, "a source is method.request"),
        (good, "", Value, 0, "a source is method.request"),
        (
            good,
            "integration.response.header.X",
            Value,
            0,
            "a source is method.request",
        ),
        (good, "method.request.cookie.x", Value, 15, "must follow"),
        (good, "method.request.header.", Value, 22, "a name"),
        (good, "method.request.header.a b", Value, 23, "no blanks"),
        (good, "method.request.bodyx", Value, 15, "must follow"),
        (good, "method.request.body.", Value, 19, "JSONPath"),
        (good, "method.request.body.a[", Value, 19, "JSONPath"),
        (good, "context.", Value, 8, "a name"),
        (good, "stageVariables.", Value, 15, "a name"),
    ];
    for (key, value, part, at, words) in rows {
        let all = [("integration.request.path.p", "'v'"), (key, value)];
        let fault = ParameterMapping::compile_request(Kind::Http, all).expect_err(value);
        assert_eq!(
            (fault.row, fault.part, fault.at),
            (1, part, at),
            "{key} {value}: {fault}"
        );
        assert!(fault.reason.contains(words), "{key} {value}: {fault}");
    }
    let row = ("method.response.header.X", "method.request.header.X");
    let fault = ParameterMapping::compile_answer(Kind::Http, [row]).expect_err("a request's");
    assert!(fault.reason.contains("integration.response"), "{fault}");
}
