//! What every `$context` variable says, in each of the places where it may be written.
//!
//! What it is: one request, told three times: to the backend by parameter mappings, to the client
//! by a template or a mapping of the answer, to the access log. Shape: rows of a name and what it
//! says there; a name without a row fails. `{…}` stands for what differs from run to run, an empty
//! text for a value that is missing. Units: none. Errors: all values that differ are listed at
//! once. Source: Amazon API Gateway developer guide, "`$context` variables" of REST APIs and
//! "logging variables" of HTTP APIs.

use std::{collections::BTreeMap, fs, sync::Arc};

use crate::{
    bed::Kind,
    mapped_api,
    play::{self, Answer, Lines, Stage},
};
use serde_json::{Map, Value, json};
use tidegate_edge::{
    limits::{Directory, Id, KeyHasher, KeyRecord, PlanRecord, PlanStage},
    telemetry::{
        context::{Scope, VARIABLES, Variable},
        writer::LogWriter,
    },
};

/// A name; what the log says, the backend is told, the client is told. `=`: as the log.
type Row = (&'static str, &'static str, &'static str, &'static str);

const KEY: &str = "abcdef1234ghijklmnop8901234567";
const TRACE: &str = "1-5f84c7a5-1234567890abcdef12345678";

/// Of a REST API with an HTTP endpoint, behind a base path of a domain.
const REST: &[Row] = &[
    ("accountId", "111122223333", "=", "="),
    ("apiId", "a", "=", "="),
    ("awsEndpointRequestId", "theirs", "", "="),
    ("customDomain.basePathMatched", "shop/v1", "=", "="),
    ("dataProcessed", "{ms}", "", ""),
    // Of what a document serves there is none.
    ("deploymentId", "", "=", "="),
    ("domainName", "api.example.com", "=", "="),
    ("domainPrefix", "api", "=", "="),
    ("error.message", "", "", ""),
    ("error.messageString", "", "", ""),
    ("error.responseType", "", "", ""),
    ("error.validationErrorString", "", "", ""),
    ("extendedRequestId", "{extended}", "=", "="),
    ("httpMethod", "POST", "=", "="),
    ("identity.apiKey", "", KEY, KEY),
    ("identity.apiKeyId", "k1", "=", "="),
    ("identity.sourceIp", "{ip}", "=", "="),
    ("identity.userAgent", "curl/8", "=", "="),
    ("integration.error", "", "", ""),
    ("integration.integrationStatus", "200", "", ""),
    ("integration.latency", "{ms}", "", ""),
    ("integration.requestId", "theirs", "", ""),
    ("integration.status", "200", "", ""),
    ("integrationErrorMessage", "", "", ""),
    ("integrationLatency", "{ms}", "", ""),
    ("integrationStatus", "200", "", ""),
    ("isCanaryRequest", "", "false", "false"),
    ("operationName", "createPet", "=", "="),
    ("path", "/shop/v1/pets/7", "=", "="),
    ("protocol", "HTTP/1.1", "=", "="),
    ("requestId", "{uuid}", "=", "="),
    ("requestTime", "{time}", "=", "="),
    ("requestTimeEpoch", "{epoch}", "=", "="),
    ("resourceId", "{6}", "=", "="),
    ("resourcePath", "/pets/{id}", "=", "="),
    ("responseLatency", "{ms}", "", ""),
    ("responseLength", "{ms}", "", ""),
    ("routeKey", "", "", ""),
    ("stage", "dev", "=", "="),
    ("status", "201", "", ""),
    ("xrayTraceId", TRACE, "=", "="),
];

/// What differs for a function in an HTTP API, which nobody needs a key for.
const HTTP: &[Row] = &[
    ("identity.apiKey", "", "", ""),
    ("identity.apiKeyId", "", "", ""),
    ("integration.status", "202", "", ""),
    ("path", "/pets/7", "=", "="),
    ("customDomain.basePathMatched", "", "", ""),
    ("requestId", "{extended}", "=", "="),
    ("routeKey", "POST /pets/{id}", "=", "="),
    ("status", "202", "", ""),
];

/// What differs for a request that is not valid, and is answered by a gateway response.
const INVALID: &[Row] = &[
    ("awsEndpointRequestId", "", "", ""),
    ("error.message", "Invalid request body", "", "="),
    ("error.messageString", "\"Invalid request body\"", "", "="),
    ("error.responseType", "BAD_REQUEST_BODY", "", "="),
    (
        "error.validationErrorString",
        "[object has missing required properties ([\"name\"])]",
        "",
        "=",
    ),
    ("integration.integrationStatus", "", "", ""),
    ("integration.latency", "", "", ""),
    ("integration.requestId", "", "", ""),
    ("integration.status", "", "", ""),
    ("integrationLatency", "", "", ""),
    ("integrationStatus", "", "", ""),
    ("status", "400", "", ""),
    ("xrayTraceId", "", "", ""),
];

/// The rows of `base`, those of `changed` in their places.
fn changed(base: &[Row], changed: &[Row]) -> Vec<Row> {
    let row = |row: &Row| *changed.iter().find(|one| one.0 == row.0).unwrap_or(row);
    assert!(
        changed
            .iter()
            .all(|one| base.iter().any(|row| row.0 == one.0))
    );
    base.iter().map(row).collect()
}

/// Names that other gateways know as well; families of open keys are written with a key.
fn variables() -> impl Iterator<Item = (String, &'static Variable)> {
    let all = VARIABLES.iter();
    let known = all.filter(|one| !matches!(one.scope, Scope::Own | Scope::Template));
    known.map(|one| (one.name.replace('*', "k"), one))
}

/// `wanted` as it stands for `found`, if that is such a value.
fn fits(wanted: &str, found: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let shape = |pattern: &str| {
        found.len() == pattern.len()
            && found
                .chars()
                .zip(pattern.chars())
                .all(|(one, kind)| match kind {
                    '0' => one.is_ascii_digit(),
                    'a' => one.is_ascii_alphanumeric(),
                    'x' => one.is_ascii_hexdigit(),
                    other => one == other,
                })
    };
    match wanted {
        "{6}" => shape("aaaaaa"),
        "{extended}" => found.len() == 16 && found.ends_with('='),
        "{uuid}" => shape("xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx"),
        "{ip}" => found.parse::<std::net::IpAddr>().is_ok(),
        "{ms}" => digits(found),
        "{epoch}" => digits(found),
        "{time}" => shape("00/aaa/0000:00:00:00 +0000"),
        text => text == found,
    }
}

/// What is wrong with `found`, in the column that `expected` picks.
fn complaints(
    place: &str,
    rows: &[Row],
    names: &[String],
    expected: impl Fn(&Row) -> &'static str,
    found: impl Fn(&str) -> String,
) -> Vec<String> {
    let complaint = |name: &String| {
        let row = rows.iter().find(|row| row.0 == name);
        let wanted = row.map_or("", |row| match expected(row) {
            "=" => row.1,
            text => text,
        });
        let found = found(name);
        (!fits(wanted, &found)).then(|| format!("{place} {name}: {wanted:?}, not {found:?}"))
    };
    names.iter().filter_map(complaint).collect()
}

fn ask(stage: &Stage, request: &str) -> (u16, BTreeMap<String, String>, Vec<u8>) {
    let (head, body) = request.split_once("\n\n").expect("a head");
    let request = format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n"));
    let heard = stage.talk(Lines {
        parts: vec![request.into_bytes()],
        piece: usize::MAX,
        enough: Box::new(|heard| play::first_answer(heard, false).is_some()),
        patience_ms: 5_000,
    });
    let (status, body, _) = play::first_answer(&heard.bytes, false).expect("an answer");
    (status, fields(&heard.bytes), body)
}

/// The fields of a head, their names in lower case.
fn fields(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let pairs = head.lines().filter_map(|line| line.split_once(": "));
    pairs
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect()
}

/// The only key, in a plan for the stage.
fn directory() -> Directory {
    let hasher = KeyHasher::new(&[5; 16]);
    let id = |text| Id::parse(text).expect("an id");
    let plan = PlanRecord {
        id: id("gold"),
        throttle: None,
        quota: None,
        stages: vec![PlanStage {
            api: "a".to_owned(),
            stage: "dev".to_owned(),
            methods: Vec::new(),
        }],
    };
    let key = KeyRecord {
        id: id("k1"),
        tag: hasher.tag(KEY.as_bytes()).expect("a tag"),
        enabled: true,
        plans: vec![id("gold")],
    };
    Directory::build(hasher.clone(), &[plan], [key]).expect("a directory")
}

/// Asks the API of `methods` and compares all that is told of it.
fn check(api: &Value, rows: &[Row], (request, answer): (&str, &str), told: Told) {
    let known: Vec<String> = variables().map(|(name, _)| name).collect();
    for (name, ..) in rows {
        assert!(known.iter().any(|known| known == name), "{name} is no name");
    }
    for (name, variable) in variables() {
        let is_here = rows.iter().any(|row| row.0 == name);
        let is_tested = is_here || variable.field.is_none();
        assert!(is_tested, "{name} has no row");
    }
    let format: Map<String, Value> = (known.iter())
        .map(|name| (name.clone(), format!("$context.{name}").into()))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let opened = path.clone();
    let open = move || fs::File::create(&opened);
    let (writer, mut sinks) = LogWriter::start_with(open, 1, 2).expect("a log");
    let settings = json!({
        "account": { "id": "111122223333" },
        "apis": [{ "document": "a.yaml", "hosts": ["a"], "stages": { "dev": {} } }],
        "domains": [{ "name": "api.example.com",
                      "mappings": [{ "path": "shop/v1", "api": "a", "stage": "dev" }] }],
        "access_log": { "path": path, "format": Value::from(format).to_string() },
    });
    let api = mapped_api::read(&serde_json::to_vec(api).expect("JSON"));
    let answers = vec![Answer {
        bytes: answer.as_bytes().to_vec(),
        ..Answer::default()
    }];
    let stage = Stage::logged(Kind::Twin, settings, &[api], answers, (None, sinks.pop()));
    stage.worker.local().set_directory(Arc::new(directory()));
    let (_, heard, body) = ask(&stage, request);
    let seen: Vec<_> = stage.seen().iter().map(|seen| fields(&seen.raw)).collect();
    let core = stage.bed.core();
    let until = core.now().plus_ms(1_000);
    while core.now() < until {
        core.turn(true);
    }
    stage.finish();
    assert!(writer.finish(5_000), "the log is written");
    let line = fs::read_to_string(&path).expect("a log");
    let logged: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));

    let of_log = |name: &str| match logged[name].as_str().expect("a text") {
        "-" => String::new(),
        text => text.to_owned(),
    };
    let mut wrong = complaints("log", rows, &known, |row| row.1, of_log);
    let mapped: Vec<String> = (variables())
        .filter(|(_, one)| one.scope == Scope::Any)
        .map(|(name, _)| name)
        .collect();
    let field = |from: &BTreeMap<String, String>, name: &str| {
        let value = from.get(&field_of(name).to_ascii_lowercase());
        value.cloned().unwrap_or_default()
    };
    if let Some(seen) = seen.first() {
        let of_backend = |name: &str| field(seen, name);
        wrong.extend(complaints(
            "backend",
            rows,
            &mapped,
            |row| row.2,
            of_backend,
        ));
    }
    if told == Told::Fields {
        let of_client = |name: &str| field(&heard, name);
        wrong.extend(complaints("client", rows, &mapped, |row| row.3, of_client));
    } else {
        let body: Value = serde_json::from_slice(&body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&body)));
        let names = if told == Told::Error { &known } else { &mapped };
        let names: Vec<String> = (names.iter())
            .filter(|name| body.get(name.as_str()).is_some())
            .cloned()
            .collect();
        assert!(names.len() > 5, "{body}");
        let of_client = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        wrong.extend(complaints("client", rows, &names, |row| row.3, of_client));
    }
    assert!(wrong.is_empty(), "{}\n{line}", wrong.join("\n"));
}

/// How the client is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// By a template of the answer.
    Body,
    /// By fields of the answer.
    Fields,
    /// By a gateway response.
    Error,
}

/// The field that a variable is mapped to.
fn field_of(name: &str) -> String {
    format!("X-{}", name.replace('.', "-"))
}

/// Mappings of all variables to fields, as `key` writes them.
fn rows_of(prefix: &str, source: impl Fn(&str) -> String) -> Value {
    let rows = variables().filter(|(_, one)| one.scope == Scope::Any);
    let row = |(name, _): (String, _)| {
        let target = format!("{prefix}{}", field_of(&name));
        (target, source(&name).into())
    };
    rows.map(row).collect::<Map<_, _>>().into()
}

/// A JSON object of all variables that templates know.
fn object_of_all() -> String {
    let wanted = variables().filter(|(_, one)| one.scope == Scope::Any);
    let member = |(name, _): (String, _)| format!("\"{name}\":\"$context.{name}\"");
    let members: Vec<String> = wanted.map(member).collect();
    format!("{{{}}}", members.join(","))
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\nx-amzn-RequestId: theirs\r\nContent-Length: 2\r\n\r\n{}";

fn rest() -> Value {
    json!({
        "methods": { "POST /pets/{id}": {
            "type": "http", "httpMethod": "POST", "uri": "http://origin.test/b",
            "operationId": "createPet", "apiKeyRequired": true,
            "validated": { "application/json": "Pet" },
            "requestParameters":
                rows_of("integration.request.header.", |name| format!("context.{name}")),
            "responses": { "default": { "statusCode": "201",
                "responseTemplates": { "application/json": object_of_all() } } },
        } },
        "models": { "Pet": { "type": "object", "required": ["name"] } },
        "gatewayResponses": { "BAD_REQUEST_BODY": { "responseTemplates": {
            "application/json": "{\"error.message\": \"$context.error.message\", \
                \"error.messageString\": $context.error.messageString, \
                \"error.responseType\": \"$context.error.responseType\", \
                \"requestId\": \"$context.requestId\", \"stage\": \"$context.stage\", \
                \"identity.apiKeyId\": \"$context.identity.apiKeyId\"}" } } },
    })
}

fn posted(path: &str, host: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\nHost: {host}\nUser-Agent: curl/8\nX-API-Key: {KEY}\n\
         X-Amzn-Trace-Id: Root={TRACE}\nContent-Length: {}\n\n{body}",
        body.len()
    )
}

#[test]
fn rest_apis_say_everything_everywhere() {
    let request = posted("/shop/v1/pets/7", "api.example.com", "{\"name\":1}");
    check(&rest(), REST, (&request, ANSWER), Told::Body);
}

#[test]
fn errors_say_what_was_wrong() {
    let request = posted("/shop/v1/pets/7", "api.example.com", "{}");
    let mut rows = changed(REST, INVALID);
    // A body in JSON has this text without its quotes.
    for row in &mut rows {
        if row.0 == "error.messageString" {
            row.3 = "Invalid request body";
        }
    }
    check(&rest(), &rows, (&request, ANSWER), Told::Error);
}

#[test]
fn http_apis_say_everything_everywhere() {
    const FUNCTION: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
                            arn:aws:lambda:us-east-1:111122223333:function:f/invocations";
    let answer = "{\"statusCode\":202,\"body\":\"made\"}";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nx-amzn-RequestId: theirs\r\nContent-Length: {}\r\n\r\n{answer}",
        answer.len()
    );
    let api = json!({
        "kind": "http",
        "methods": { "POST /pets/{id}": {
            "type": "aws_proxy", "httpMethod": "POST", "uri": FUNCTION, "operationId": "createPet",
            "payloadFormatVersion": "2.0",
            "responseChanges": {
                "202": rows_of("overwrite:header.", |name| format!("$context.{name}")) },
        } },
    });
    let mut rows = changed(REST, HTTP);
    for row in &mut rows {
        // Functions get events; the client is told what is known behind the answer.
        row.2 = "";
        match row.0 {
            "domainName" => row.1 = "a",
            "domainPrefix" => row.1 = "a",
            _ => {}
        }
    }
    let request = posted("/pets/7", "a", "{}").replace(&format!("X-API-Key: {KEY}\n"), "");
    check(&api, &rows, (&request, &answer), Told::Fields);
}
