//! Answers that cannot stream.

use serde_json::json;
use tidegate_edge::model::api::{ApiKind, Integration, IntegrationKind, TransferMode};

use crate::documents::{api, findings_of, mock, ok_mock, proxy, settings};

/// What `responseTransferMode: STREAM` may stand beside, and for how long.
#[test]
fn streams_are_for_proxies_of_rest_apis() {
    let function = |uri: &str, kind: IntegrationKind| Integration {
        uri: format!("arn:aws:apigateway:us-east-1:lambda:path/{uri}",),
        ..Integration::new(kind, "/i")
    };
    let arn = "arn:aws:lambda:us-east-1:111122223333:function:f";
    let whole = format!("2015-03-31/functions/{arn}/invocations");
    let streamed = format!("2021-11-15/functions/{arn}/response-streaming-invocations");
    let stream = |integration: Integration, timeout_ms: u32| Integration {
        transfer_mode: TransferMode::Stream,
        timeout_ms,
        ..integration
    };
    let mapped = |mut integration: Integration| {
        integration.responses = mock(&[], &[(None, 200, &[("application/json", "{}")])]).responses;
        integration
    };
    let http = || proxy("http://o/", &[]);
    let (proxied, mapping) = (IntegrationKind::AwsProxy, IntegrationKind::Aws);
    let rows: Vec<(Integration, ApiKind, &str)> = vec![
        (stream(http(), 900_000), ApiKind::Rest, ""),
        (
            stream(function(&streamed, proxied), 900_000),
            ApiKind::Rest,
            "",
        ),
        (
            stream(http(), 900_001),
            ApiKind::Rest,
            "E api0 /i/timeoutInMillis: timeoutInMillis is 900001, outside 50 to 900000",
        ),
        (
            stream(function(&whole, proxied), 29_000),
            ApiKind::Rest,
            "E api0 /i/uri: the integration streams, and the URI does not",
        ),
        (
            function(&streamed, proxied),
            ApiKind::Rest,
            "E api0 /i/uri: the URI streams, and the integration does not",
        ),
        (
            stream(function(&streamed, mapping), 29_000),
            ApiKind::Rest,
            "E api0 /i/responseTransferMode: answers of `aws` do not stream",
        ),
        (
            stream(ok_mock(), 29_000),
            ApiKind::Rest,
            "E api0 /i/responseTransferMode: answers of `mock` do not stream",
        ),
        (
            stream(http(), 29_000),
            ApiKind::Http,
            "E api0 /i/responseTransferMode: HTTP APIs have no transfer mode",
        ),
        (
            mapped(stream(http(), 29_000)),
            ApiKind::Rest,
            "W api0 /response/200: an answer that streams is not mapped",
        ),
    ];
    let given = json!({
        "functions": { "us-east-1": { "endpoint": "http://f" } },
        "cache": { "path": "/c", "capacity": "64 MiB" },
    });
    for (integration, kind, expected) in rows {
        let mut api = api("a1", vec![("GET /", integration.clone())]);
        api.kind = kind;
        let findings = findings_of(&settings(given.clone()), &[api]);
        let says = |line: &String| line.contains(expected) && !expected.is_empty();
        let errors = findings.iter().filter(|line| line.starts_with('E')).count();
        assert!(
            findings.iter().any(says) || (expected.is_empty() && errors == 0),
            "{expected}: {findings:#?}"
        );
    }
    let mut kept = given;
    kept["apis"] = json!([{ "document": "a", "stage_cache": { "ttl_s": 60 } }]);
    let findings = findings_of(
        &settings(kept),
        &[api("a1", vec![("GET /", stream(http(), 29_000))])],
    );
    let expected =
        "W api0 /i/responseTransferMode: an answer that streams is not kept by its stage";
    assert!(
        findings.iter().any(|line| line == expected),
        "{findings:#?}"
    );
}
