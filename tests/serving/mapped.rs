//! Integrations that map, behind the binary, before servers that others wrote.
//!
//! What it is: an API document with a function, an HTTP endpoint and a mock; Python's HTTP server
//! runs the function and echoes requests, nginx serves a file. Shape: one gateway for all. Units:
//! bytes, milliseconds. Errors: a missing nginx or Python fails with a word about it. Source:
//! Amazon API Gateway developer guide, "Lambda proxy integrations"; AWS Lambda API reference.

#![allow(clippy::disallowed_methods)] // real time: the outside world

use std::{fs, process::Command};

use crate::common::{
    Gateway, curl,
    foreign::{Server, free_port},
    text, write,
};
use serde_json::{Value, json};

/// A function that tells what it got, and an endpoint that sends back what was sent.
const SERVER: &str = r#"
import base64, json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, fields=()):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/invocations"):
            event = json.loads(body)
            if event["path"] == "/fails":
                return self.answer(200, b'{"errorMessage": "no"}', [("X-Amz-Function-Error", "Unhandled")])
            text = event["body"] or ""
            if event["isBase64Encoded"]:
                text = base64.b64decode(text).hex()
            said = {"method": event["httpMethod"], "id": (event["pathParameters"] or {}).get("id"),
                    "query": event["multiValueQueryStringParameters"], "text": text,
                    "alias": self.path.rsplit(":", 1)[1].split("/")[0]}
            output = {"statusCode": 201, "headers": {"X-Made": "1"}, "body": json.dumps(said)}
            return self.answer(200, json.dumps(output).encode())
        said = {"method": self.command, "path": self.path, "type": self.headers["Content-Type"],
                "agent": self.headers["User-Agent"], "body": body.decode()}
        self.answer(200, json.dumps(said).encode(), [("Content-Type", "application/json")])

    do_GET = do_PUT = do_POST

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

const NGINX: &str = r#"
daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    default_type application/json;
    server { listen ADDRESS; root www; }
}
"#;

fn document() -> Value {
    let function = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:\
                    us-east-1:111122223333:function:pets:BLUE/invocations";
    let template = "{\"wanted\": $input.json('$.name'), \"who\": \"$context.httpMethod\"}";
    let listed = "#set($pets = $input.path('$.pets'))[#foreach($pet in $pets)\"$pet.name\"\
                  #if($foreach.hasNext), #end#end]";
    let integration = |value: Value| json!({ "x-amazon-apigateway-integration": value });
    let any = json!({ "responses": { "200": { "description": "" } } });
    let with = |value: Value| {
        let mut operation = any.clone();
        operation["x-amazon-apigateway-integration"] =
            integration(value)["x-amazon-apigateway-integration"].clone();
        operation
    };
    let proxied = json!({ "type": "aws_proxy", "httpMethod": "POST", "uri": function });
    json!({
        "openapi": "3.0.1",
        "info": { "title": "Mapped", "version": "1" },
        "x-amazon-apigateway-binary-media-types": ["image/*"],
        "paths": {
            "/pets/{id}": {
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }],
                "x-amazon-apigateway-any-method": with(proxied.clone()),
            },
            "/fails": { "get": with(proxied) },
            "/echo": { "post": with(json!({
                "type": "http", "httpMethod": "PUT", "uri": "http://backend.test/made?x=1",
                "requestTemplates": { "application/json": template },
                "responses": { "default": { "statusCode": "200" } },
            })) },
            "/list": { "get": with(json!({
                "type": "http", "httpMethod": "GET", "uri": "http://files.test/pets.json",
                "responses": {
                    "2\\d{2}": { "statusCode": "200", "responseTemplates": { "application/json": listed } },
                    "default": { "statusCode": "502" },
                },
            })) },
        },
    })
}

#[test]
fn servers_of_others_answer_behind_mappings() {
    let dir = tempfile::tempdir().expect("a folder");
    let (backend, files) = (free_port(), free_port());
    let script = write(&dir, "server.py", SERVER);
    let mut python = Command::new("python3");
    python.arg(&script).arg(backend.port().to_string());
    let _python = Server::start(&mut python, backend);
    write(
        &dir,
        "nginx.conf",
        &NGINX.replace("ADDRESS", &files.to_string()),
    );
    fs::create_dir(dir.path().join("www")).expect("made");
    write(
        &dir,
        "www/pets.json",
        r#"{"pets": [{"name": "Ada"}, {"name": "Bo"}]}"#,
    );
    let program = ["/usr/sbin/nginx", "/usr/bin/nginx"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false));
    let mut nginx = Command::new(program.expect("nginx: install the package `nginx-light`"));
    nginx
        .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
        .arg(format!("{}/", text(dir.path())));
    let _nginx = Server::start(&mut nginx, files);

    let settings = format!(
        "[server]\nworkers = 1\ndrain_delay_ms = 0\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         [functions.us-east-1]\nendpoint = \"http://backend.test\"\n\
         [origins.backend]\nmatch = \"http://backend.test\"\nallow_addresses = [\"loopback\"]\n\
         [[origins.backend.endpoints]]\nurl = \"http://{backend}\"\n\
         [origins.files]\nmatch = \"http://files.test\"\nallow_addresses = [\"loopback\"]\n\
         [[origins.files.endpoints]]\nurl = \"http://{files}\"\n"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start_in(folder, &settings, &document().to_string());
    let base = format!("http://{}/dev", gateway.address());
    let rows: &[(&[&str], &str, &str)] = &[
        (
            &["-d", "hello", "-H", "Content-Type: text/plain"],
            "/pets/7?a=1&a=2",
            r#"201 {"method": "POST", "id": "7", "query": {"a": ["1", "2"]}, "text": "hello", "alias": "BLUE"}"#,
        ),
        (
            &["-d", "PNG", "-H", "Content-Type: image/png"],
            "/pets/8",
            r#"201 {"method": "POST", "id": "8", "query": null, "text": "504e47", "alias": "BLUE"}"#,
        ),
        (&[], "/fails", r#"502 {"message":"Internal server error"}"#),
        (
            &[
                "-d",
                r#"{"name": "Cy"}"#,
                "-H",
                "Content-Type: application/json",
            ],
            "/echo",
            r#""body": "{\"wanted\": \"Cy\", \"who\": \"POST\"}""#,
        ),
        (&[], "/list", r#"200 ["Ada", "Bo"]"#),
    ];
    for (arguments, path, expected) in rows {
        let got = curl(
            &[
                *arguments,
                &["-w", " %{http_code}", &format!("{base}{path}")],
            ]
            .concat(),
        );
        let (body, status) = got.rsplit_once(' ').expect("a status");
        let got = format!("{status} {body}");
        assert!(got.contains(expected), "{path}: {got}");
    }
}
