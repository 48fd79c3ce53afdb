//! Execution logs of whole requests, line by line.
//!
//! What it is: an API in JSON, a request, the backend's answer, and every line that the stages
//! note. Shape: [`Row`]s; what differs from run to run is replaced by `{words}`. Units: as the
//! lines say. Errors: all rows that differ are listed at once. Source: Amazon API Gateway developer
//! guide, "CloudWatch log formats for API Gateway"; recorded order and texts.

mod rows;

use std::{
    fs,
    rc::Rc,
    sync::{Arc, mpsc},
};

use crate::{
    bed::Kind,
    mapped_api,
    play::{self, Answer, Lines, Stage},
};
use rows::{CALLED, Row, endpoints, functions, http, mock, mocks, unmapped, validated};
use serde_json::{Value, json};
use tidegate_edge::{
    limits::{
        Directory, Id, KeyHasher, KeyRecord, LeaseSource, MethodRate, Period, PlanRecord,
        PlanStage, Quota, Rate, Wish,
    },
    telemetry::{
        execution::{Execution, ExecutionSink},
        writer::LogWriter,
    },
};
fn wired(text: &str) -> Vec<u8> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let head = head.replace('\n', "\r\n");
    let head = head.replace("{length}", &body.len().to_string());
    format!("{head}\r\n\r\n{body}").into_bytes()
}

fn answer(text: &str) -> Answer {
    Answer {
        bytes: match text {
            "" | "close" => Vec::new(),
            "slow" => wired("HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
            text => wired(text),
        },
        close: text == "close",
        delay_ms: if text == "slow" { 500 } else { 0 },
        ..Answer::default()
    }
}

fn ask(stage: &Stage, request: &str) {
    let to_end = |heard: &[u8]| play::first_answer(heard, false).is_some();
    stage.talk(Lines {
        parts: vec![wired(request)],
        piece: usize::MAX,
        enough: Box::new(to_end),
        patience_ms: 5_000,
    });
}

/// The text behind each `from`, up to one of `ends`, replaced by `word`.
fn replaced(text: &str, from: &str, ends: &[char], word: &str) -> String {
    let mut parts = text.split(from);
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let end = part.find(ends).unwrap_or(part.len());
        out.push_str(from);
        out.push_str(word);
        out.push_str(&part[end..]);
    }
    out
}

fn normal(text: &str, id: &str) -> String {
    let mut text = text.replace(id, "{id}");
    text = replaced(&text, "Integration latency: ", &[' '], "{ms}");
    text = replaced(&text, "X-Amzn-Trace-Id=", &[',', '}'], "{trace}");
    text = replaced(&text, "X-Forwarded-For=", &[',', '}'], "{ip}");
    text = replaced(&text, "X-Forwarded-Port=", &[',', '}'], "{port}");
    replaced(&text, "Extended Request Id: ", &['\n'], "{extended}")
}

/// The lines as the console shows them, without their times.
fn lines(execution: &Execution) -> String {
    let text = execution.text();
    let (first, rest) = text.split_once('\n').expect("a first line");
    let id = &execution.request_id;
    assert_eq!(first, format!("Execution log for request {id}"));
    let texts = rest.lines().map(|line| {
        let (time, text) = line.split_once(" : ").expect("a time");
        assert_eq!(time.len(), "Tue Apr 09 12:34:56 UTC 2025".len(), "{time}");
        format!("{text}\n")
    });
    normal(&texts.collect::<String>(), id)
}

/// What is noted of `row`.
fn noted(row: &Row, kind: Kind) -> String {
    let (tell, told) = mpsc::channel();
    let api = mapped_api::read(&serde_json::to_vec(&row.api).expect("JSON"));
    let sink = Some(ExecutionSink::Held(tell));
    let stage = Stage::told(kind, json!({}), &[api], vec![answer(row.answer)], sink);
    ask(&stage, row.request);
    let mut execution = told.try_recv();
    while execution.is_err() {
        // The client may hear the last byte before the request is recorded.
        stage.bed.core().turn(true);
        execution = told.try_recv();
    }
    stage.finish();
    lines(&execution.expect("an execution"))
}

fn complaint(row: &Row, kind: Kind) -> Option<String> {
    let mut found = noted(row, kind);
    if row.log.contains("{…}") {
        // Event and head of a call have tables of their own.
        found = found.replace(CALLED, "");
        for name in [
            "Endpoint request headers: {",
            "Endpoint request body after transformations: {",
        ] {
            found = replaced(&found, name, &['\n'], "…}");
        }
        found = replaced(&found, "Sending request to ", &['\n'], "{…}");
    }
    (found != row.log).then(|| format!("{}:\n{found}\n", row.name))
}

#[test]
fn what_cannot_be_mapped_is_named() {
    let complaints = unmapped().into_iter().filter_map(|row| {
        let found = noted(&row, Kind::Twin);
        (!found.ends_with(row.log)).then(|| format!("{}:\n{found}\n", row.name))
    });
    let complaints: Vec<String> = complaints.collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_step_is_noted() {
    let rows = [mocks(), endpoints(), validated(), functions()];
    for kind in [Kind::Twin, Kind::Kernel] {
        let complaints = rows.iter().flatten().filter_map(|row| complaint(row, kind));
        let complaints: Vec<String> = complaints.collect();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}

const KEY: &str = "abcdef1234ghijklmnop89012345F0yrv6";

/// The only key, in a plan `p1` with these limits: of the key, of the key at `/m`, of a day.
fn directory(of_key: Option<Rate>, of_method: Option<Rate>, of_day: Option<u64>) -> Directory {
    let hasher = KeyHasher::new(&[5; 16]);
    let id = |text| Id::parse(text).expect("an id");
    let method = of_method.map(|rate| MethodRate {
        verb: "GET".to_owned(),
        path: "/m".to_owned(),
        rate,
    });
    let plan = PlanRecord {
        id: id("p1"),
        throttle: of_key,
        quota: of_day.and_then(|limit| Quota::new(limit, 0, Period::Day)),
        stages: vec![PlanStage {
            api: "a".to_owned(),
            stage: "dev".to_owned(),
            methods: method.into_iter().collect(),
        }],
    };
    let key = KeyRecord {
        id: id("k1"),
        tag: hasher.tag(KEY.as_bytes()).expect("a tag"),
        enabled: true,
        plans: vec![id("p1")],
    };
    Directory::build(hasher.clone(), &[plan], [key]).expect("a directory")
}

/// Gives nothing: a quota that is used up, or a store that does not answer.
struct Nothing;

impl LeaseSource for Nothing {
    fn lease(&mut self, _: &[Wish], answers: &mut [u32]) -> Result<(), String> {
        answers.fill(0);
        Ok(())
    }
}

/// The last lines but one, of requests with the key until one is refused.
fn refused(settings: &Value, keys: Directory, tends: bool) -> String {
    let (tell, told) = mpsc::channel();
    let mut api = json!({ "methods": {
        "GET /m": mock(&json!({ "default": { "statusCode": "200" } })) } });
    api["methods"]["GET /m"]["apiKeyRequired"] = true.into();
    let api = mapped_api::read(&serde_json::to_vec(&api).expect("JSON"));
    let sink = Some(ExecutionSink::Held(tell));
    let stage = Stage::told(Kind::Twin, settings.clone(), &[api], vec![], sink);
    stage.worker.local().set_directory(Arc::new(keys));
    let (limits, core) = (stage.limits.clone(), stage.bed.core());
    if tends {
        let inner = Rc::clone(&core);
        stage.bed.spawn(async move {
            for _ in 0..500 {
                limits.tend(&mut Nothing).expect("tended");
                inner.sleep_until(inner.now().plus_ms(1)).await;
            }
        });
    }
    let request = format!("GET /m?s=200 HTTP/1.1\nHost: a\nX-Api-Key: {KEY}\n\n");
    let mut text = String::new();
    while !text.contains("429") {
        ask(&stage, &request);
        let mut execution = told.try_recv();
        while execution.is_err() {
            core.turn(true);
            execution = told.try_recv();
        }
        text = lines(&execution.expect("an execution"));
    }
    let until = core.now().plus_ms(SETTLED_MS);
    while core.now() < until {
        core.turn(true);
    }
    stage.finish();
    text
}

#[test]
fn refusals_name_the_limit_and_its_plan() {
    let rate = |per_s, burst| Some(Rate::new(per_s, burst).expect("a rate"));
    let throttled = "API Key ****************************F0yrv6 exceeded throttle limit for API \
                     Stage a/dev: ";
    let method = "RestApi a, Stage dev, Resource {resource}, HttpMethod GET. ";
    let quota = "API Key ****************************F0yrv6 exceeded quota limit for API Stage \
                 a/dev: Key quota exhausted for Usage Plan ID p1. Limit: 500 Period: DAY";
    let of = |settings: Value, keys, tends| refused(&settings, keys, tends);
    let stage = json!({ "api_throttle": { "rate_limit": 0.25, "burst_limit": 1 } });
    let account = json!({ "throttle": { "rate_limit": 0.0, "burst_limit": 0 } });
    let rows = [
        (
            of(json!({}), directory(rate(0.5, 2), None, None), false),
            format!(
                "{throttled}Key throttle limit exceeded for Usage Plan ID p1, {method}Limit: 0.50 Burst: 2"
            ),
        ),
        (
            of(
                json!({}),
                directory(rate(5.0, 10), rate(0.25, 1), None),
                false,
            ),
            format!(
                "{throttled}Key throttle limit exceeded for Usage Plan ID p1, {method}Limit: 0.25 Burst: 1"
            ),
        ),
        (
            of(stage, directory(None, None, None), false),
            format!("{throttled}Stage throttle limit exceeded for {method}Limit: 0.25 Burst: 1"),
        ),
        (
            of(account, directory(None, None, None), false),
            format!("{throttled}Account throttle limit exceeded for {method}Limit: 0.00 Burst: 0"),
        ),
        (
            of(json!({}), directory(None, None, Some(500)), true),
            quota.to_owned(),
        ),
        (
            of(json!({}), directory(None, None, Some(500)), false),
            "Usage Plan check failed due to an internal error".to_owned(),
        ),
    ];
    for (found, expected) in rows {
        let found = replaced(&found, "Resource ", &[','], "{resource}");
        let expected = format!("{expected}\nMethod completed with status: 429\n");
        assert_eq!(found, expected);
    }
}

/// Time enough for what was answered to be recorded; the twin's.
const SETTLED_MS: u64 = 1_000;

/// What stands in the log behind requests to an API whose method settings are `methods`.
fn logged(methods: &Value, requests: &[&str], answers: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("execution.log");
    let opened = path.clone();
    let open = move || fs::File::create(&opened);
    let (writer, mut sinks) = LogWriter::start_with(open, 1, 2).expect("a log");
    let settings = json!({
        "apis": [{ "document": "a.yaml", "hosts": ["a"],
                   "stages": { "dev": { "methods": methods } } }],
        "execution_log": { "path": path },
    });
    let mut api = http("http_proxy", &json!({}));
    api["methods"]["GET /m"] = mock(&json!({ "default": { "statusCode": "200" } }));
    let api = mapped_api::read(&serde_json::to_vec(&api).expect("JSON"));
    let sink = sinks.pop().map(ExecutionSink::Log);
    let stage = Stage::told(Kind::Twin, settings, &[api], vec![answer(answers)], sink);
    for request in requests {
        ask(&stage, request);
    }
    let core = stage.bed.core();
    let until = core.now().plus_ms(SETTLED_MS);
    while core.now() < until {
        core.turn(true);
    }
    stage.finish();
    assert!(writer.finish(5_000), "the log is written");
    let text = fs::read_to_string(&path).expect("a log");
    let lines = text.lines().map(|line| {
        let (time, rest) = line.split_once(' ').expect("a time");
        assert_eq!(time.len(), "2025-04-09T12:34:56.123Z".len(), "{line}");
        let rest = rest
            .strip_prefix("API-Gateway-Execution-Logs_a/dev (")
            .expect("a group");
        let (id, text) = rest.split_once(") ").expect("an id");
        normal(text, id)
    });
    lines.collect()
}

const MOCKED: &str = "GET /m?s=200 HTTP/1.1\nHost: a\nX-Api-Key: 12345678901234F0yrv6\n\n";
const BROKEN: &str = "GET /m?s=x HTTP/1.1\nHost: a\n\n";
const POSTED: &str = "POST /pets/7 HTTP/1.1\nHost: a\nContent-Length: 5\n\na\r\n\u{1b}b";

#[test]
fn levels_say_what_is_written() {
    let both = [MOCKED, BROKEN];
    let none: Vec<String> = Vec::new();
    assert_eq!(logged(&json!({}), &both, ""), none);
    let off = json!({ "*/*": { "logging_level": "OFF", "data_trace_enabled": true } });
    assert_eq!(logged(&off, &both, ""), none);
    let error = json!({ "*/*": { "logging_level": "ERROR", "data_trace_enabled": true } });
    assert_eq!(
        logged(&error, &both, ""),
        [
            "Execution failed due to configuration error: Unable to parse statusCode. It should be \
             an integer that is defined in the request template."
        ]
    );
    let info = json!({
        "*/*": { "logging_level": "ERROR" }, "m/GET": { "logging_level": "INFO" },
    });
    assert_eq!(
        logged(&info, &[MOCKED], ""),
        [
            "Extended Request Id: {extended}",
            "Verifying Usage Plan for request: {id}. API Key: **************F0yrv6 API Stage: a/dev",
            "API Key authorized because method 'GET /m' does not require API Key. Request will not \
             contribute to throttle or quota limits",
            "Usage Plan check succeeded for API Key  and API Stage a/dev",
            "Starting execution for request: {id}",
            "HTTP Method: GET, Resource Path: /m",
            "Method request path: {}",
            "Method request query string: {s=200}",
            "Method request headers: {Host=a, X-Api-Key=**************F0yrv6, \
             X-Forwarded-For={ip}, X-Forwarded-Port={port}, X-Forwarded-Proto=http}",
            "Method response headers: {Content-Type=application/json}",
            "Successfully completed execution",
            "Method completed with status: 200",
        ]
    );
}

#[test]
fn payloads_are_written_where_they_are_asked_for() {
    let long = format!(
        "HTTP/1.1 200 OK\nContent-Length: 2000\n\n{}",
        "x".repeat(2_000)
    );
    let long: &'static str = long.leak();
    let of = |data: bool| {
        let methods = json!({ "*/*": { "logging_level": "INFO", "data_trace_enabled": data } });
        let lines = logged(&methods, &[POSTED], long);
        assert!(lines.iter().all(|line| line.len() <= 1_024), "{lines:#?}");
        let bodies = lines.into_iter().filter(|line| line.contains(" body "));
        bodies.collect::<Vec<_>>()
    };
    assert_eq!(of(false), Vec::<String>::new());
    let name = "Endpoint response body before transformations: ";
    let client = "Method response body after transformations: ";
    let cut = |name: &str| format!("{name}{}[TRUNCATED]", "x".repeat(1_024 - 11 - name.len()));
    assert_eq!(
        of(true),
        [
            "Method request body before transformations: a\\r\\n\\u001bb".to_owned(),
            "Endpoint request body after transformations: a\\r\\n\\u001bb".to_owned(),
            cut(name),
            cut(client),
        ]
    );
}

#[test]
fn streams_tell_their_heads() {
    let methods = json!({ "*/*": { "logging_level": "INFO" } });
    let answer = "HTTP/1.1 200 OK\nX-B: 2\nContent-Length: 2\n\nok";
    let lines = logged(&methods, &[POSTED], answer);
    let from = lines
        .iter()
        .position(|line| line.starts_with("Endpoint request URI"));
    assert_eq!(
        lines[from.expect("an endpoint")..],
        [
            "Endpoint request URI: http://origin.test/b/7",
            "Endpoint request headers: {Host=origin.test, Via=1.1 tidegate, \
             X-Forwarded-For={ip}, X-Forwarded-Proto=http, X-Forwarded-Port={port}, \
             X-Forwarded-Host=a, X-Amzn-Trace-Id={trace}, X-Amzn-Apigateway-Api-Id=a, \
             Content-Length=5}",
            "Sending request to http://origin.test/b/7",
            "Received response. Status: 200, Integration latency: {ms} ms",
            "Endpoint response headers: {X-B=2, Content-Length=2}",
            "Method response headers: {X-B=2, x-amzn-Remapped-Content-Length=2, \
             Content-Type=application/json}",
            "Successfully completed execution",
            "Method completed with status: 200",
        ]
    );
}
