//! Tables and properties of log formats: text in, compiled or refused; record in, one line out.

use super::*;
use crate::base::time::Wall;
use proptest::prelude::*;

fn record() -> AccessRecord<'static> {
    AccessRecord {
        request_id: b"d3b07384-d9a0-4c9b-8b1f-1c2d3e4f5a6b",
        extended_request_id: b"KxAbCdEf12345=",
        received: Wall(1_744_202_096_123),
        source_ip: b"203.0.113.9",
        user_agent: b"curl/8.5.0",
        method: b"GET",
        path: b"/dev/pets/7",
        resource_path: b"/pets",
        protocol: b"HTTP/1.1",
        api_id: b"a1b2c3",
        stage: b"dev",
        status: 200,
        response_bytes: Some(512),
        response_latency_us: Some(31_999),
        integration_status: 200,
        integration_latency_us: Some(30_100),
        origin_region: b"eu-west-1",
        ..AccessRecord::default()
    }
}

fn line(format: &LogFormat, record: &AccessRecord<'_>) -> String {
    let mut out = vec![0u8; 512 * 1024];
    let used = format
        .write(record, &mut Stamp::default(), FIELD_BYTES_MAX, &mut out)
        .expect("fits");
    String::from_utf8(out[..used].to_vec()).expect("UTF-8")
}

#[test]
fn records_print_as_the_format_says() {
    let hostile = AccessRecord {
        user_agent: b"a\"b\r\n{\"status\":\"200\"}\xff",
        error_message: b"Forbidden \"x\"",
        ..record()
    };
    let id = "d3b07384-d9a0-4c9b-8b1f-1c2d3e4f5a6b";
    let clf = format!(
        "203.0.113.9 - - [09/Apr/2025:12:34:56 +0000] \"GET /pets HTTP/1.1\" 200 512 {id} \
         KxAbCdEf12345="
    );
    // format, record, line without its newline
    let rows: &[(&str, AccessRecord<'_>, &str)] = &[
        ("clf", record(), &clf),
        ("$context.requestId", AccessRecord::default(), "-"),
        (
            r#"{"id":"$context.requestId","s":$context.status,"m":$context.error.messageString}"#,
            AccessRecord::default(),
            r#"{"id":"-","s":null,"m":null}"#,
        ),
        (
            r#"{"x":"$context.extendedRequestId","s":$context.status,"t":$context.requestTime}"#,
            record(),
            r#"{"x":"KxAbCdEf12345=","s":200,"t":"09/Apr/2025:12:34:56 +0000"}"#,
        ),
        (
            r#"{"id":"$context.extendedRequestId","ua":"$context.identity.userAgent"}"#,
            hostile,
            r#"{"id":"KxAbCdEf12345=","ua":"a\"b\r\n{\"status\":\"200\"}\u00ff"}"#,
        ),
        (
            r#"{"x":"$context.extendedRequestId","m":$context.error.messageString,"n":"$context.error.messageString"}"#,
            hostile,
            r#"{"x":"KxAbCdEf12345=","m":"Forbidden \"x\"","n":"\"Forbidden \"x\"\""}"#,
        ),
        (
            r#"<r id="$context.extendedRequestId"><ua>$context.identity.userAgent</ua></r>"#,
            hostile,
            r#"<r id="KxAbCdEf12345="><ua>a&quot;b\x0d\x0a{&quot;status&quot;:&quot;200&quot;}\xff</ua></r>"#,
        ),
        (
            "$context.error.message,$context.requestTimeEpoch,$context.extendedRequestId",
            AccessRecord {
                error_message: b"a,b c",
                ..record()
            },
            r"a\x2cb c,1744202096123,KxAbCdEf12345=",
        ),
        (
            "cost $5 $$ $context.extendedRequestId. $context.origin.region$context.stage",
            record(),
            "cost $5 $$ KxAbCdEf12345=. eu-west-1dev",
        ),
        (
            "$context.extendedRequestId $context.responseLatency $context.responseLatencyUs \
             $context.authorizer.claims.custom:x $context.identity.user",
            record(),
            "KxAbCdEf12345= 31 31999 - -",
        ),
        // Reads like JSON but is not: plain escapes, and an unquoted text stays as it is.
        (
            "{$context.extendedRequestId $context.identity.userAgent}",
            record(),
            "{KxAbCdEf12345= curl/8.5.0}",
        ),
    ];
    for (text, record, expected) in rows {
        let format = LogFormat::named(text).expect(text);
        let got = line(&format, record);
        assert_eq!(got, format!("{expected}\n"), "{text}");
    }
}

#[test]
fn the_json_preset_holds_what_tools_ask_for() {
    let format = LogFormat::named("json").expect("compiles");
    let parsed: serde_json::Value = serde_json::from_str(&line(&format, &record())).expect("JSON");
    for (key, expected) in [
        ("requestId", "d3b07384-d9a0-4c9b-8b1f-1c2d3e4f5a6b"),
        ("extendedRequestId", "KxAbCdEf12345="),
        ("ip", "203.0.113.9"),
        ("requestTime", "09/Apr/2025:12:34:56 +0000"),
        ("httpMethod", "GET"),
        ("resourcePath", "/pets"),
        ("path", "/dev/pets/7"),
        ("status", "200"),
        ("protocol", "HTTP/1.1"),
        ("responseLength", "512"),
        ("responseLatency", "31"),
        ("integrationLatency", "30"),
        ("region", "eu-west-1"),
        ("userAgent", "curl/8.5.0"),
        ("errorType", "-"),
    ] {
        assert_eq!(parsed[key], expected, "{key}");
    }
}

#[test]
fn bad_formats_are_refused_with_a_place_and_a_hint() {
    // format, position, part of the message, part of the hint
    let long = format!("$context.requestId{}", "x".repeat(9_000));
    let many = "$context.requestId".repeat(129);
    let rows: &[(&str, usize, &str, &str)] = &[
        ("", 0, "must hold", "json"),
        ("$context.status", 15, "must hold", "$context.requestId"),
        (
            "$context.requestId $context.sourceIp",
            19,
            "unknown",
            "identity.sourceIp",
        ),
        ("$context.requestid", 0, "unknown", "$context.requestId"),
        ("$context.requestId $context.weather", 19, "unknown", ""),
        (
            "$context.requestId\n$context.status",
            18,
            "one line",
            "line break",
        ),
        ("$context.requestId\u{1b}[0m", 18, "control", ""),
        (
            "$context.requestId $stageVariables.x",
            19,
            "no variable",
            "$context.",
        ),
        (
            "${context.requestId}",
            0,
            "no variable",
            "$context.requestId",
        ),
        (
            "$context.requestId $status",
            19,
            "no variable",
            "$context.status",
        ),
        (
            "$context.requestId $context.requestOverride.path.p",
            19,
            "templates",
            "",
        ),
        ("$context.requestId $context.", 19, "unknown", ""),
        (&long, 8192, "at most", ""),
        (&many, 129 * 18, "at most 128", ""),
    ];
    for (text, position, message, hint) in rows {
        let error = LogFormat::compile(text).expect_err(text);
        assert_eq!(error.position, *position, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        let told = error.hint.unwrap_or_default();
        assert!(told.contains(hint), "{text}: {told}");
        assert_eq!(hint.is_empty(), told.is_empty(), "{text}: {told}");
    }
}

#[test]
fn what_this_release_never_fills_is_named() {
    let format = LogFormat::named("clf").expect("compiles");
    let names: Vec<&str> = format.unfilled().collect();
    assert_eq!(names, ["identity.caller", "identity.user"]);
    assert_eq!(
        LogFormat::named("json")
            .expect("compiles")
            .unfilled()
            .count(),
        0
    );
}

#[test]
fn a_line_with_short_fields_always_fits() {
    let text = format!(
        "<a>{}{}",
        "$context.error.messageString".repeat(127),
        "$context.requestId"
    );
    let text = format!("{text} {}", "y".repeat(8191 - text.len()));
    let format = LogFormat::compile(&text).expect("compiles");
    let long = [b'"'; 20_000];
    let record = AccessRecord {
        request_id: &long,
        error_message: &long,
        ..AccessRecord::default()
    };
    let mut stamp = Stamp::default();
    let mut out = vec![0u8; LINE_BYTES_MIN];
    assert!(
        format
            .write(&record, &mut stamp, FIELD_BYTES_MIN, &mut out)
            .is_some()
    );
    assert!(
        format
            .write(&record, &mut stamp, FIELD_BYTES_MAX, &mut out)
            .is_none()
    );
}

#[test]
fn a_field_is_cut_at_8_kib() {
    let format = LogFormat::compile("$context.requestId").expect("compiles");
    let long = vec![b'a'; 100_000];
    let record = AccessRecord {
        request_id: &long,
        ..AccessRecord::default()
    };
    assert_eq!(line(&format, &record).len(), FIELD_BYTES_MAX + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No bytes in any peer-made field make a second line, a second field or broken JSON.
    #[test]
    fn any_bytes_make_one_line_and_valid_json(
        agent in proptest::collection::vec(any::<u8>(), 1..300),
        path in "\\PC*|[\\x00-\\x20\"\\\\<>&,|é\u{85}\u{2028}]{1,40}",
        field_bytes_max in 1usize..200,
    ) {
        let record = AccessRecord {
            user_agent: &agent,
            path: path.as_bytes(),
            error_message: &agent,
            ..record()
        };
        let own = r#"{"id":"$context.requestId","path":"$context.path","ua":$context.identity.userAgent,"e":"$context.error.messageString"}"#;
        let keys = [18, 4];
        for (text, keys) in ["json", own].into_iter().zip(keys) {
            let format = LogFormat::named(text).expect("compiles");
            let mut out = vec![0u8; 64 * 1024];
            let used = format
                .write(&record, &mut Stamp::default(), field_bytes_max, &mut out)
                .expect("fits");
            let printed = &out[..used];
            let newlines = printed.iter().filter(|b| **b == b'\n').count();
            prop_assert_eq!(newlines, 1);
            prop_assert!(printed.ends_with(b"\n"));
            prop_assert!(!printed[..used - 1].iter().any(|b| *b < 0x20 || *b == 0x7f));
            let parsed: serde_json::Value = serde_json::from_slice(printed).expect("JSON");
            prop_assert_eq!(parsed.as_object().map(serde_json::Map::len), Some(keys));
        }
        let csv = "$context.path,$context.identity.userAgent,$context.extendedRequestId";
        let printed = line(&LogFormat::compile(csv).expect("compiles"), &record);
        prop_assert_eq!(printed.matches(',').count(), 2);
        prop_assert_eq!(printed.lines().count(), 1);
    }
}
