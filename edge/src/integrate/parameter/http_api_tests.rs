//! Rows of HTTP APIs' mappings: what is edited, what is refused.

use super::{super::fixture::Fixture, *};

fn shown(mapping: &HttpApiMapping, body: &'static str) -> Result<Vec<String>, MappingFault> {
    let fixture = Fixture {
        body,
        answer_body: body,
    };
    let mut memory = MappingMemory::new();
    let edits = mapping.run(&fixture, &mut memory)?;
    let shown = edits.map(|found| {
        let value = String::from_utf8_lossy(found.value);
        format!("{:?} {:?} {value}", found.edit, found.target)
    });
    Ok(shown.collect())
}

#[test]
fn every_edit_of_a_request() {
    let rows = [
        ("append:header.X-A", "v", Some(r#"Append Header("X-A") v"#)),
        (
            "overwrite:header.X-A",
            "v",
            Some(r#"Overwrite Header("X-A") v"#),
        ),
        ("remove:header.X-A", "''", Some(r#"Remove Header("X-A") "#)),
        ("append:querystring.q", "v", Some(r#"Append Query("q") v"#)),
        (
            "overwrite:querystring.q",
            "v",
            Some(r#"Overwrite Query("q") v"#),
        ),
        ("remove:querystring.q", "", Some(r#"Remove Query("q") "#)),
        (
            "overwrite:path",
            "/v2$request.path",
            Some("Overwrite Path /v2/pets/a%2Fb"),
        ),
        (
            "append:header.X",
            "$request.header.X-A",
            Some(r#"Append Header("X") h1,h2"#),
        ),
        (
            "append:header.X",
            "${request.header.X-A}",
            Some(r#"Append Header("X") h1,h2"#),
        ),
        (
            "append:header.X",
            "$request.querystring.one",
            Some(r#"Append Header("X") 1"#),
        ),
        (
            "append:header.X",
            "$request.path.id",
            Some(r#"Append Header("X") a%2Fb"#),
        ),
        (
            "append:header.X",
            "$request.path",
            Some(r#"Append Header("X") /pets/a%2Fb"#),
        ),
        (
            "append:header.X",
            "$request.body.o.k[0]",
            Some(r#"Append Header("X") 1"#),
        ),
        (
            "append:header.X",
            "$request.body",
            Some(r#"Append Header("X") {"a":"x","o":{"k":[1]}}"#),
        ),
        (
            "append:header.X",
            "${request.body.a}!",
            Some(r#"Append Header("X") x!"#),
        ),
        (
            "append:header.X",
            "$context.requestId",
            Some(r#"Append Header("X") r-1"#),
        ),
        (
            "append:header.X",
            "$context.identity.sourceIp",
            Some(r#"Append Header("X") 203.0.113.9"#),
        ),
        (
            "append:header.X",
            "$stageVariables.alias",
            Some(r#"Append Header("X") DEV"#),
        ),
        (
            "append:header.X",
            "a-${context.requestId}:$stageVariables.alias/$5$",
            Some(r#"Append Header("X") a-r-1:DEV/$5$"#),
        ),
        ("append:header.X", "$request.header.None", None),
        (
            "append:header.X",
            "${context.none}${stageVariables.none}",
            None,
        ),
        ("append:header.X", "", None),
        ("append:header.X", "$request.body.none", None),
    ];
    for (key, value, expected) in rows {
        let mapping = HttpApiMapping::compile_request([(key, value)]).expect(value);
        let found = shown(&mapping, r#"{"a":"x","o":{"k":[1]}}"#).expect("mapped");
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(found, expected, "{key}={value}");
    }
}

#[test]
fn every_edit_of_an_answer() {
    let rows = [
        ("overwrite:statuscode", "404", Some("Overwrite Status 404")),
        (
            "overwrite:statuscode",
            "$response.body.code",
            Some("Overwrite Status 418"),
        ),
        ("overwrite:statuscode", "$response.body.word", None),
        ("overwrite:statuscode", "$response.header.X-R", None),
        (
            "append:header.X",
            "$response.header.X-R",
            Some(r#"Append Header("X") r1,r2"#),
        ),
        (
            "overwrite:header.X",
            "${response.header.Location}#",
            Some(r#"Overwrite Header("X") /x#"#),
        ),
        ("remove:header.X", "", Some(r#"Remove Header("X") "#)),
        (
            "append:header.X",
            "$context.requestId",
            Some(r#"Append Header("X") r-1"#),
        ),
    ];
    for (key, value, expected) in rows {
        let mapping = HttpApiMapping::compile_answer([(key, value)]).expect(value);
        let found = shown(&mapping, r#"{"code":418,"word":"x"}"#).expect("mapped");
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(found, expected, "{key}={value}");
    }
}

#[test]
fn edits_come_in_order_and_broken_json_has_no_values() {
    let rows = [
        ("remove:header.A", ""),
        ("append:header.B", "$request.body.a"),
        ("append:header.C", "c"),
    ];
    let mapping = HttpApiMapping::compile_request(rows).expect("rows");
    let expected = [r#"Remove Header("A") "#, r#"Append Header("C") c"#];
    assert_eq!(shown(&mapping, "{").expect("no fault"), expected);
    assert_eq!(shown(&mapping, "").expect("no fault"), expected);
    let fault = shown(&mapping, r#"{"a":"x\ny"}"#);
    assert_eq!(fault, Err(MappingFault::RequestValue("B".to_owned())));
}

#[test]
fn rows_that_are_refused_where_they_fail() {
    use RowPart::{Key, Value};
    let good = "append:header.X";
    let rows = [
        ("header.X", "v", Key, 0, "append:"),
        ("set:header.X", "v", Key, 0, "append:"),
        ("append:cookie.X", "v", Key, 7, "must follow"),
        ("append:header.", "v", Key, 14, "no name"),
        ("append:header.Authorization", "v", Key, 14, "reserved"),
        ("remove:header.x-amzn-trace-id", "", Key, 14, "reserved"),
        ("append:querystring.", "v", Key, 19, "a name"),
        ("append:path", "v", Key, 7, "must follow"),
        ("overwrite:statuscode", "200", Key, 10, "must follow"),
        (good, "$foo.bar", Value, 1, "no such variable"),
        (good, "a${foo}", Value, 3, "no such variable"),
        (good, "a${request.header.X", Value, 1, "without"),
        (good, "$response.header.X", Value, 1, "direction"),
        (good, "$request.header.", Value, 16, "a name"),
        (good, "$request.cookie.x", Value, 9, "must follow"),
        (good, "$request.body.a[", Value, 13, "JSONPath"),
        (good, "$context.", Value, 9, "a name"),
        (good, "a\nb", Value, 0, "control"),
    ];
    for (key, value, part, at, words) in rows {
        let all = [("append:header.Y", "y"), (key, value)];
        let fault = HttpApiMapping::compile_request(all).expect_err(value);
        assert_eq!(
            (fault.row, fault.part, fault.at),
            (1, part, at),
            "{key} {value}: {fault}"
        );
        assert!(fault.reason.contains(words), "{key} {value}: {fault}");
    }
    let rows = [
        ("overwrite:statuscode", "OK"),
        ("append:querystring.q", "v"),
    ];
    for row in rows {
        assert!(HttpApiMapping::compile_answer([row]).is_err(), "{row:?}");
    }
}
