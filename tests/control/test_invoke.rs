//! `tidegate test-invoke` from outside, and the execution log of a running gateway.
//!
//! What it is: the binary asks backends of this test, a function among them. Shape: one document,
//! a row for each invocation. Units: none. Errors: what was printed. Source: Amazon API Gateway API
//! reference, `TestInvokeMethod`; developer guide, "CloudWatch log formats for API Gateway".

#![allow(clippy::disallowed_methods)] // real time: the outside world

use std::{
    fs,
    io::Write,
    process::{Command, Output},
};

use crate::common::{
    self, Client, Gateway, Origin, head_end, origin_settings, read_request, signal, wait_for, write,
};
use serde_json::Value;

const DOCUMENT: &str = r#"
openapi: 3.0.1
info: { title: Invoked, version: "1" }
paths:
  /mock:
    get:
      security: [{ key: [] }]
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: { application/json: '{"statusCode": 200}' }
        responses:
          default:
            statusCode: "200"
            responseTemplates: { application/json: '{"v": "$stageVariables.v"}' }
  /pets/{id}:
    post:
      parameters:
        - { name: id, in: path, required: true, schema: { type: string } }
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: POST
        uri: http://origin.test/${stageVariables.v}/{id}
        requestParameters:
          integration.request.path.id: method.request.path.id
  /f:
    get:
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        uri: arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:111122223333:function:f/invocations
components:
  securitySchemes:
    key: { type: apiKey, name: x-api-key, in: header }
"#;

/// Answers functions with an answer of theirs, everything else with what it got.
fn backend() -> Origin {
    Origin::serving(|mut stream| {
        let mut input = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut input) {
            let end = head_end(&request).expect("a head");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (head, body) = (text(&request[..end]), text(&request[end..]));
            let line = head.lines().next().unwrap_or("");
            let body = if line.contains("/invocations") {
                r#"{"statusCode": 201, "body": "made"}"#.to_owned()
            } else {
                format!("{line} {body}")
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

fn settings(backend: &Origin) -> String {
    let origin = origin_settings(&format!("http://{}", backend.address), "");
    format!(
        "[functions.us-east-1]\nendpoint = \"http://origin.test\"\n{origin}\n\
         [throttle]\nrate_limit = 0.0\nburst_limit = 0\n"
    )
}

fn invoke(folder: &tempfile::TempDir, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("test-invoke")
        .args(words)
        .arg("--config")
        .arg(folder.path().join("tidegate.toml"))
        .output()
        .expect("the binary starts")
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

fn folder(backend: &Origin) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder, "api.yaml", DOCUMENT);
    let api = "[[apis]]\ndocument = \"api.yaml\"\nid = \"a1\"\nvariables = { v = \"own\" }\n";
    let settings = format!("{}\n{api}", settings(backend));
    write(&folder, "tidegate.toml", &settings);
    folder
}

#[test]
fn requests_are_invoked() {
    let backend = backend();
    let folder = folder(&backend);
    // words, exit status, words that are said
    let rows: &[(&[&str], i32, &[&str])] = &[
        (
            // It needs a key, and the account may not do anything.
            &["GET", "/dev/mock"],
            0,
            &[
                "Status      200",
                "{\"v\": \"own\"}",
                "Log\nExecution log for request ",
                "UTC 20",
                " : Starting execution for request: ",
                " : Method request headers: {}\n",
                " : Method completed with status: 200\n",
            ],
        ),
        (
            &["GET", "/dev/mock", "--stage-variable", "v=other"],
            0,
            &["{\"v\": \"other\"}"],
        ),
        (
            &[
                "POST",
                "/dev/pets/7?q=1",
                "--body",
                "{\"n\": 1}",
                "--header",
                "Content-Type:application/json",
                "--header",
                "Authorization: abcdf2",
                "--stage-variable",
                "v=tried",
            ],
            0,
            &[
                "POST /tried/7?q=1 HTTP/1.1 {\"n\": 1}",
                "Method request query string: {q=1}",
                "Method request headers: {Content-Type=application/json, Authorization=****f2}",
                "Method request body before transformations: {\"n\": 1}",
                "Endpoint request URI: http://origin.test/tried/7?q=1",
                "Endpoint request body after transformations: {\"n\": 1}",
                "Received response. Status: 200, Integration latency: ",
                "Endpoint response body before transformations: POST /tried/7",
                "Successfully completed execution",
            ],
        ),
        (
            &["GET", "http://anything.test/dev/f"],
            0,
            &[
                "Status      201",
                "Response body\nmade",
                "\"resource\":\"/f\"",
            ],
        ),
        (
            &["GET", "/dev/nothing"],
            1,
            &[
                "Status      403",
                "no method of the configuration takes this request",
            ],
        ),
        (&["GET", "/dev/mock", "--header", "x"], 2, &["NAME:VALUE"]),
    ];
    for (words, status, expected) in rows {
        let output = invoke(&folder, words);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(*status), "{words:?}: {said}");
        for part in *expected {
            assert!(said.contains(part), "{words:?}: no {part:?} in {said}");
        }
    }
}

#[test]
fn json_is_that_of_the_service() {
    let backend = backend();
    let folder = folder(&backend);
    let output = invoke(&folder, &["GET", "/dev/f", "--json"]);
    let value: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    let mut names: Vec<&String> = value.as_object().expect("an object").keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "body",
            "headers",
            "latency",
            "log",
            "multiValueHeaders",
            "status"
        ]
    );
    assert_eq!(
        (&value["status"], &value["body"]),
        (&201.into(), &"made".into())
    );
    assert_eq!(value["headers"]["Content-Type"], "application/json");
    assert_eq!(
        value["multiValueHeaders"]["Content-Type"][0],
        "application/json"
    );
    let log = value["log"].as_str().expect("a log");
    assert!(
        log.ends_with(" : Method completed with status: 201\n"),
        "{log}"
    );
}

#[test]
fn a_running_gateway_writes_its_execution_log() {
    let backend = backend();
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("execution.log");
    let origin = origin_settings(&format!("http://{}", backend.address), "");
    let settings = format!(
        "[server]\nworkers = 1\ndrain_delay_ms = 0\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         [functions.us-east-1]\nendpoint = \"http://origin.test\"\n{origin}\n\
         [execution_log]\npath = \"{}\"\n\
         [[apis]]\ndocument = \"logged.yaml\"\nid = \"a1\"\nstage = \"unused\"\n",
        log.display()
    );
    let settings = settings.replace(
        "stage = \"unused\"",
        "variables = { v = \"own\" }\n[apis.stages.v1.methods.\"*/*\"]\nlogging_level = \"INFO\"",
    );
    write(&dir, "logged.yaml", &DOCUMENT.replace("Invoked", "Logged"));
    let gateway = Gateway::start_in(dir, &settings, common::DOCUMENT);
    let mut client = Client::connect(gateway.address());
    let request = "GET /v1/f HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(client.ask(request), 201, "{}", client.text());
    let read = || fs::read_to_string(&log).unwrap_or_default();
    let is_written = || read().contains("Method completed with status: 201");
    wait_for("a log", 10_000, is_written);
    let text = read();
    for line in text.lines() {
        assert!(
            line.contains("Z API-Gateway-Execution-Logs_a1/v1 ("),
            "{text}"
        );
    }
    assert!(!text.contains(" body "), "no payloads: {text}");
    let renamed = log.with_extension("1");
    fs::rename(&log, &renamed).expect("renamed");
    signal(gateway.pid(), libc::SIGUSR1);
    wait_for("a new log", 10_000, || log.exists());
    assert_eq!(client.ask(request), 201);
    wait_for("a line in the new log", 10_000, is_written);
    let (status, said) = gateway.stop();
    assert_eq!(status, Some(0), "{said}");
}
