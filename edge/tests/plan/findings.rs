//! What the compiler says about faulty documents: every finding with its place.

mod rules;
mod streams;

use crate::documents::{api, findings_of, mock, ok_mock, proxy, settings};
use serde_json::{Value, json};
use tidegate_edge::model::api::Integration;

/// What one faulty API document leads to.
#[test]
fn faulty_apis_are_refused() {
    let late = |timeout_ms| {
        let mut late = proxy("http://o/", &[]);
        late.timeout_ms = timeout_ms;
        late
    };
    let uri = |text: &str| vec![("GET /{id}", proxy(text, &[]))];
    let mapped = |target, source| vec![("GET /{id}", proxy("http://o/{id}", &[(target, source)]))];
    let template = |text: &str| {
        let mock = mock(&[("application/json", text)], &[(None, 200, &[])]);
        vec![("GET /", mock)]
    };
    let pattern = |text: &str| {
        let mock = mock(
            &[("application/json", "{statusCode:200}")],
            &[(Some(text), 200, &[])],
        );
        vec![("GET /", mock)]
    };
    let twice = mock(
        &[("application/json", "{statusCode:200}")],
        &[(None, 200, &[]), (None, 201, &[])],
    );
    let rows: Vec<(Vec<(&str, Integration)>, &str)> = vec![
        (
            vec![("GET /a", ok_mock()), ("GET /a/", ok_mock())],
            "E api0 /paths/~1a~1/get: GET is declared twice",
        ),
        (
            vec![("GET /{a}", ok_mock()), ("PUT /{b}/x", ok_mock())],
            "E api0 /paths/~1{b}~1x: the variable `b` has a sibling named `a`",
        ),
        (
            vec![("GET /{a+}/b", ok_mock())],
            "E api0 /paths/~1{a+}~1b: the greedy variable",
        ),
        (
            vec![("GET /a b", ok_mock())],
            "E api0 /paths/~1a b: `a b` is no path part",
        ),
        (
            uri("ftp://o/"),
            "E api0 /i/uri: `ftp://o/` starts with neither",
        ),
        (
            uri("https://${stageVariables.none}/"),
            "E api0 /i/uri: `` is no host name",
        ),
        (
            uri("https://u@o/"),
            "E api0 /i/uri: the URI has a user name",
        ),
        (uri("https://o/{id"), "E api0 /i/uri: the braces in"),
        (
            uri("https://o/x#y"),
            "E api0 /i/uri: the URI has a fragment",
        ),
        (
            vec![("GET /", late(49))],
            "E api0 /i/timeoutInMillis: timeoutInMillis is 49",
        ),
        (
            vec![("GET /", late(29_001))],
            "E api0 /i/timeoutInMillis: timeoutInMillis is 29001",
        ),
        (
            mapped("path.id", "path.nope"),
            "E api0 /row/path.id: `method.request.path.nope` names an undeclared",
        ),
        (
            mapped("header.X", "querystring.no"),
            "`method.request.querystring.no` names an undeclared",
        ),
        (
            mapped("header.X", "header.X-No"),
            "`method.request.header.X-No` names an undeclared",
        ),
        (
            mapped("header.Content-Length", "'1'"),
            "E api0 /row/header.Content-Length: a mapping cannot set",
        ),
        (
            mapped("header.Transfer_Encoding", "'chunked'"),
            "a mapping cannot set",
        ),
        (mapped("header.X Y", "'1'"), "`X Y` is no header name"),
        (
            mapped("header.X", "'a\r\nb'"),
            "the value holds a control character",
        ),
        (mapped("header.Host", "'a/b'"), "the value is no host"),
        (
            mapped("path.other", "'1'"),
            "W api0 /row/path.other: the URI has no `{other}`",
        ),
        (
            mapped("header.Connection", "'close'"),
            "W api0 /row/header.Connection: `Connection` is the gateway's own",
        ),
        (
            uri("http://o/{what}"),
            "W api0 /i/uri: `{what}` has no value and is sent as written",
        ),
        (uri("http://o/{id}"), "W api0 /i/uri: `{id}` is not mapped"),
        (
            uri("http://127.0.0.1:9/"),
            "W api0 /i/uri: connections to http://127.0.0.1:9 are refused",
        ),
        (
            uri("http://o/${stageVariables.v}"),
            "W api0 /i/uri: the stage variable `v` is not defined",
        ),
        (
            template("#set($x = ){\"statusCode\": $x}"),
            "E api0 /template/application/json: the template does not compile: line 1, column",
        ),
        (
            template("{}"),
            "W api0 /template/application/json: requests that use this template",
        ),
        (
            pattern("2(00"),
            "E api0 /response/200: `2(00` is no selection pattern: unclosed group",
        ),
        (pattern("200)|(.*"), "is no selection pattern"),
        (pattern("(?=2).*"), "is no selection pattern"),
        (pattern("a{1000}{1000}"), "is no selection pattern"),
        (
            pattern("404"),
            "W api0 /template/application/json: no response is for status 200",
        ),
        (
            vec![("GET /", twice)],
            "E api0 /response/201: two responses are the default one",
        ),
        (vec![], "W api0 /paths: the API has no method"),
    ];
    for (methods, expected) in rows {
        let findings = findings_of(&settings(json!({})), &[api("a1", methods)]);
        assert!(
            findings.iter().any(|line| line.contains(expected)),
            "{expected}: {findings:#?}"
        );
    }
}

/// What one faulty settings file leads to, next to one good API.
#[test]
fn faulty_settings_are_refused() {
    let origin = |origin: Value| json!({ "origins": { "o": origin } });
    let endpoint =
        |endpoint: Value| origin(json!({ "match": "https://o.example", "endpoints": [endpoint] }));
    let throttled =
        |throttle: Value| json!({ "apis": [{ "document": "a.yaml", "throttle": throttle }] });
    let method = |path: &str, rate: f64| {
        throttled(json!({ "methods": [
            { "path": path, "method": "GET", "rate_limit": rate, "burst_limit": 1 },
        ] }))
    };
    let stages = |own: Value| json!({ "apis": [{ "document": "a", "stages": { "s": own } }] });
    let domain = |mappings: Value| json!({ "domains": [{ "name": "d", "mappings": mappings }] });
    let policy = |policy: &str| {
        let domain = json!({
            "name": "d", "certificate": "c", "key": "k", "security_policy": policy,
        });
        json!({ "domains": [domain] })
    };
    let rows: Vec<(Value, &str)> = vec![
        (
            json!({ "throttle": { "rate_limit": 5.0 } }),
            "E settings /throttle/rate_limit: `rate_limit` needs `burst_limit`",
        ),
        (
            json!({ "throttle": { "burst_limit": 5 } }),
            "E settings /throttle/burst_limit: `burst_limit` needs `rate_limit`",
        ),
        (
            json!({ "throttle": { "client": {
                "rate_limit": 5.0, "burst_limit": 5, "ipv4_prefix": 33,
            } } }),
            "E settings /throttle/client/ipv4_prefix: a prefix has 1 to 32 bits",
        ),
        (
            json!({ "throttle": { "client": {
                "rate_limit": 5.0, "burst_limit": 5, "ipv6_prefix": 0,
            } } }),
            "E settings /throttle/client/ipv6_prefix: a prefix has 1 to 128 bits",
        ),
        (
            json!({ "throttle": { "client": {
                "rate_limit": 5.0, "burst_limit": 5, "exempt": ["10.0.0.1/8"],
            } } }),
            "E settings /throttle/client/exempt/0: `10.0.0.1/8` is no address and no network",
        ),
        (
            json!({ "throttle": { "client": { "rate_limit": -1.0, "burst_limit": 5 } } }),
            "E settings /throttle/client/rate_limit: a rate is a number from 0 to 1000000",
        ),
        (
            json!({ "throttle": { "rate_limit": -1, "burst_limit": 5 } }),
            "E settings /throttle/rate_limit: a rate is a number from 0 to 1000000",
        ),
        (
            json!({ "throttle": { "rate_limit": 0.001, "burst_limit": 5_000_000 } }),
            "E settings /throttle/burst_limit: at this rate the burst takes more than a year",
        ),
        (
            throttled(json!({ "stages": ["prod"] })),
            "E settings /apis/0/throttle/stages: there is no stage `prod`",
        ),
        (
            throttled(json!({ "rate_limit": 2_000_000, "burst_limit": 5 })),
            "E settings /apis/0/throttle/rate_limit: a rate is a number",
        ),
        (
            method("/none", 1.0),
            "E settings /apis/0/throttle/methods/0/path: the API has no GET /none",
        ),
        (
            json!({ "limits": { "head_bytes_max": 65_537 } }),
            "E settings /limits/head_bytes_max: head_bytes_max is 65537, outside 512 to 65536",
        ),
        (
            json!({ "limits": { "target_bytes_max": 20_000 } }),
            "E settings /limits/target_bytes_max: a target cannot be longer",
        ),
        (
            json!({ "listen": [{ "address": "localhost" }] }),
            "E settings /listen/0/address: `localhost` is no address",
        ),
        (
            json!({ "listen": [{ "address": "[::1]:1" }, { "address": "[::1]:1" }] }),
            "E settings /listen/1/address: another listener",
        ),
        (
            json!({ "listen": [{ "address": "fd:x" }, { "address": "fd:x" }] }),
            "E settings /listen/1/address: another listener",
        ),
        (
            json!({ "listen": [{ "address": "fd:x", "tls": true }] }),
            "E settings /listen/0/tls: a TLS listener needs",
        ),
        (
            json!({ "listen": [{ "address": "fd:x", "proxy_protocol_from": ["10.0.0.1/8"] }] }),
            "E settings /listen/0/proxy_protocol_from/0: `10.0.0.1/8`",
        ),
        (
            json!({ "tls": { "ticket_rotation_hours": 0 } }),
            "E settings /tls/ticket_rotation_hours",
        ),
        (
            json!({ "server": { "cpus": [1, 0, 1] } }),
            "E settings /server/cpus: a CPU stands twice",
        ),
        (
            json!({ "trust": { "proxies": ["proxy.example"] } }),
            "E settings /trust/proxies/0: `proxy.example`",
        ),
        (
            json!({ "forwarding": { "via": "a b" } }),
            "E settings /forwarding/via: `a b` is no token",
        ),
        (
            json!({ "forwarding": { "request_id_header": "Connection" } }),
            "E settings /forwarding/request_id_header",
        ),
        (
            json!({ "access_log": { "path": "-", "buffer_bytes": 1 } }),
            "E settings /access_log/buffer_bytes",
        ),
        (
            json!({ "access_log": { "format": "a\nb" } }),
            "E settings /access_log/format: a format is one line",
        ),
        (
            json!({ "admin": { "address": "0.0.0.0:9901" } }),
            "E settings /admin/address: `0.0.0.0:9901` is no loopback",
        ),
        (
            json!({ "process": { "good_after_ms": 0 } }),
            "E settings /process/good_after_ms: good_after_ms is outside 1",
        ),
        (
            json!({ "process": { "trial_ms": 3_600_001 } }),
            "E settings /process/trial_ms: trial_ms is above",
        ),
        (
            json!({ "dns": { "servers": ["dns.example"] } }),
            "E settings /dns/servers/0",
        ),
        (
            json!({ "dns": { "attempts": 0 } }),
            "E settings /dns/attempts",
        ),
        (
            origin(json!({})),
            "E settings /origins/o/match: the origin captures no",
        ),
        (
            origin(json!({ "match": "https://a/b" })),
            "E settings /origins/o/match: `https://a/b` has a path",
        ),
        (
            origin(json!({ "match": ["https://a", "https://a:443"] })),
            "E settings /origins/o/match: `https://a` stands twice",
        ),
        (
            origin(json!({ "match": ["https://a", "https://b"] })),
            "E settings /origins/o/endpoints: an origin that matches several",
        ),
        (
            origin(json!({ "match": "https://a", "allow_addresses": ["everything"] })),
            "E settings /origins/o/allow_addresses/0",
        ),
        (
            origin(json!({ "match": "https://a", "max_connections": 0 })),
            "E settings /origins/o/max_connections: 0 is outside",
        ),
        (
            origin(json!({ "match": "https://a", "retry_percent_max": 101 })),
            "E settings /origins/o/retry_percent_max",
        ),
        (
            origin(json!({ "match": "https://a", "health": { "path": "up" } })),
            "E settings /origins/o/health/path",
        ),
        (
            origin(json!({ "match": "https://a", "health": { "statuses": ["2xx"] } })),
            "E settings /origins/o/health/statuses/0",
        ),
        (
            origin(json!({ "match": "https://a", "tls": { "client_key": "k.pem" } })),
            "E settings /origins/o/tls/client_key",
        ),
        (
            origin(json!({ "match": "https://a", "tls": { "server_name": "a b" } })),
            "E settings /origins/o/tls/server_name",
        ),
        (
            origin(json!({ "match": "http://127.0.0.1:81" })),
            "E settings /origins/o/endpoints/0/url: `127.0.0.1:81` is not a public address",
        ),
        (
            endpoint(json!({ "url": "https://10.0.0.1" })),
            "E settings /origins/o/endpoints/0/url: `10.0.0.1` is not a public",
        ),
        (
            endpoint(json!({ "url": "https://169.254.169.254" })),
            "is not a public address",
        ),
        (
            endpoint(json!({ "url": "tcp://a" })),
            "E settings /origins/o/endpoints/0/url: `tcp://a` starts with",
        ),
        (
            endpoint(json!({ "url": "https://a", "weight": 0 })),
            "E settings /origins/o/endpoints/0/weight",
        ),
        (
            endpoint(json!({ "url": "https://a", "region": "a b" })),
            "E settings /origins/o/endpoints/0/region",
        ),
        (
            origin(json!({ "match": "https://a" })),
            "W settings /origins/o/match: no integration URI belongs",
        ),
        (
            origin(json!({ "match": "https://a", "tls": { "insecure_skip_verification": true } })),
            "W settings /origins/o/tls/insecure_skip_verification",
        ),
        (
            json!({ "origins": { "a": { "match": "https://a" }, "b": { "match": "https://a" } } }),
            "E settings /origins/b/match: `https://a` already belongs to the origin `a`",
        ),
        (
            json!({ "apis": [{ "document": "a", "stage": "a/b" }] }),
            "E settings /apis/0/stage: `a/b` is no stage name",
        ),
        (
            json!({ "apis": [{ "document": "a", "stage": "a", "stages": ["b"] }] }),
            "E settings /apis/0/stage: `stage` and `stages`",
        ),
        (
            json!({ "apis": [{ "document": "a", "stages": ["b", "b"] }] }),
            "E settings /apis/0/stages: the stage `b` stands twice",
        ),
        (
            json!({ "apis": [{ "document": "a", "hosts": ["a"], "host_stage": "x" }] }),
            "E settings /apis/0/host_stage: there is no stage `x`",
        ),
        (
            json!({ "apis": [{ "document": "a", "host_stage": "dev" }] }),
            "E settings /apis/0/host_stage: `host_stage` needs",
        ),
        (
            json!({ "apis": [{ "document": "a", "hosts": ["a:80"] }] }),
            "E settings /apis/0/hosts/0: `a:80` is no host name",
        ),
        (
            json!({ "apis": [{ "document": "a", "variables": { "a-b": "x" } }] }),
            "E settings /apis/0/variables/a-b",
        ),
        (
            stages(json!({ "variables": { "a": "{" } })),
            "E settings /apis/0/stages/s/variables/a",
        ),
        (
            stages(json!({ "canary": { "percent": 5, "variables": { "": "x" } } })),
            "E settings /apis/0/stages/s/canary/variables/",
        ),
        (
            stages(json!({ "canary": { "percent": 100.5 } })),
            "E settings /apis/0/stages/s/canary/percent: a canary cannot serve 100.5 percent",
        ),
        (
            stages(json!({ "methods": { "GET": { "throttling_rate_limit": 1 } } })),
            "E settings /apis/0/stages/s/methods/GET: `GET` names no method",
        ),
        (
            stages(json!({ "methods": { "x/GET": {} } })),
            "E settings /apis/0/stages/s/methods/x~1GET: the API has no method",
        ),
        (
            stages(json!({ "methods": { "*/*": { "throttling_rate_limit": 1 } } })),
            "E settings /apis/0/stages/s/methods/*~1*/throttling_rate_limit: \
             `throttling_rate_limit` needs `throttling_burst_limit`",
        ),
        (
            stages(json!({ "methods": { "/GET": { "caching_enabled": true } } })),
            "E settings /apis/0/stages/s/methods: caching needs a cache",
        ),
        (
            stages(json!({ "methods": { "/GET": { "cache_ttl_in_seconds": 3601 } } })),
            "E settings /apis/0/stages/s/methods/~1GET/cache_ttl_in_seconds: a lifetime of 3601",
        ),
        (
            stages(json!({ "client_certificate_id": "none" })),
            "E settings /apis/0/stages/s/client_certificate_id: there is no client certificate",
        ),
        (
            json!({ "client_certificates": { "x": { "certificate": "c", "key": "k" } } }),
            "W settings /client_certificates/x: no stage shows the certificate `x`",
        ),
        (
            json!({ "domains": [{ "name": "a b" }] }),
            "E settings /domains/0/name: `a b` is no host name",
        ),
        (
            json!({ "domains": [{ "name": "d" }, { "name": "D" }] }),
            "E settings /domains/1/name: the host D stands twice",
        ),
        (
            json!({ "domains": [{ "name": "d", "certificate": "c" }] }),
            "E settings /domains/0: `certificate` and `key` belong together",
        ),
        (
            json!({ "domains": [{ "name": "d", "security_policy": "TLS_1_2" }] }),
            "E settings /domains/0/security_policy: a security policy needs a certificate",
        ),
        (
            policy("TLS_1_0"),
            "W settings /domains/0/security_policy: `TLS_1_0`: TLS 1.0 and 1.1 are not spoken",
        ),
        (
            policy("SecurityPolicy_TLS13_1_3_FIPS_2025_09"),
            "FIPS_2025_09`: the cryptographic module is not one",
        ),
        (
            policy("SecurityPolicy_TLS13_1_2_2099_01"),
            "`SecurityPolicy_TLS13_1_2_2099_01`: there is no such",
        ),
        (
            policy("TLS_1_22"),
            "E settings /domains/0/security_policy: `TLS_1_22`: there is no such",
        ),
        (
            domain(json!([{ "path": "x", "api": "a2" }])),
            "E settings /domains/0/mappings/0/api: there is no API `a2`",
        ),
        (
            domain(json!([{ "path": "x", "api": "a1", "stage": "prod" }])),
            "E settings /domains/0/mappings/0/stage: the API `a1` has no stage `prod`",
        ),
        (
            domain(json!([{ "path": "x//y", "api": "a1" }])),
            "E settings /domains/0/mappings/0/path: `x//y` is no base path",
        ),
        (
            domain(json!([{ "path": "/x/", "api": "a1" }, { "path": "x", "api": "a1" }])),
            "E settings /domains/0/mappings/1/path: the path `x` stands twice",
        ),
        (
            json!({ "listen": [{ "address": "0.0.0.0:80", "endpoint": "private" }] }),
            "E settings /listen/0/endpoint: a private listener needs `networks`",
        ),
        (
            json!({ "listen": [{ "address": "0.0.0.0:80", "networks": ["10.0.0.1/8"] }] }),
            "E settings /listen/0/networks/0",
        ),
    ];
    for (given, expected) in rows {
        let findings = findings_of(&settings(given), &[api("a1", vec![("GET /", ok_mock())])]);
        assert!(
            findings.iter().any(|line| line.contains(expected)),
            "{expected}: {findings:#?}"
        );
    }
}

#[test]
fn apis_that_overlap_are_refused() {
    let rows = [
        (
            json!([{ "document": "a" }, { "document": "b" }]),
            Some("E settings /apis/1/stage: /dev/ already serves the API `a1`"),
        ),
        (
            json!([{ "document": "a", "hosts": ["h"] }, { "document": "b", "hosts": ["H"] }]),
            Some("E settings /apis/1/hosts/0: another API already serves the root of H"),
        ),
        (
            json!([{ "document": "a", "hosts": ["a"] }, { "document": "b", "hosts": ["b"] }]),
            Some("W settings /apis/1/stage: several APIs have a stage `dev`"),
        ),
        (
            json!([{ "document": "a", "hosts": ["a"] }, { "document": "b" }]),
            None,
        ),
        (
            json!([{ "document": "a" }, { "document": "b", "stage": "two" }]),
            None,
        ),
    ];
    for (sources, expected) in rows {
        let apis = ["a1", "b2"].map(|id| api(id, vec![("GET /", ok_mock())]));
        let findings = findings_of(&settings(json!({ "apis": sources })), &apis);
        let found = findings.first().map_or("none", String::as_str);
        assert!(
            found.contains(expected.unwrap_or("none")),
            "{expected:?}: {found}"
        );
    }
    let apis = ["a1", "a1"].map(|id| api(id, vec![("GET /", ok_mock())]));
    let sources = json!([{ "document": "a" }, { "document": "b", "stage": "two" }]);
    let findings = findings_of(&settings(json!({ "apis": sources })), &apis);
    assert!(
        findings[0].contains("E settings /apis/1/id: the API id `a1` is taken"),
        "{findings:?}"
    );
}

/// Errors of all documents come in one run, and those of an API once for all its stages.
#[test]
fn all_findings_come_at_once() {
    let bad = || {
        vec![
            ("GET /a", proxy("ftp://x", &[])),
            ("GET /{b}{c}", ok_mock()),
        ]
    };
    let apis = [api("a1", bad()), api("b2", bad())];
    let settings = settings(json!({
        "limits": { "fields_max": 0 },
        "listen": [{ "address": "x" }],
        "origins": { "o": {} },
        "apis": [
            { "document": "a", "stages": ["s1", "s2", "s3"] },
            { "document": "b", "stage": "t1" },
        ],
    }));
    let errors: Vec<String> = findings_of(&settings, &apis)
        .into_iter()
        .filter(|line| line.starts_with("E "))
        .map(|line| line.split(": ").next().unwrap_or("").to_owned())
        .collect();
    assert_eq!(
        errors,
        [
            "E settings /limits/fields_max",
            "E settings /listen/0/address",
            "E settings /origins/o/match",
            "E api0 /i/uri",
            "E api0 /paths/~1{b}{c}",
            "E api1 /i/uri",
            "E api1 /paths/~1{b}{c}",
        ]
    );
}
