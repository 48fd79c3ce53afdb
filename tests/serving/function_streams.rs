//! Functions that stream, behind the binary, run by a server that others wrote.
//!
//! What it is: Python's HTTP server answers the calls, with events framed by Python's own CRC-32 or
//! with what the function writes; it waits in the middle until it is told to go on. Shape: one
//! gateway for all. Units: bytes, milliseconds. Errors: a missing Python fails with a word about it.
//! Source: AWS Lambda API reference, "InvokeWithResponseStream"; Amazon API Gateway developer guide,
//! "Lambda proxy integration with payload response streaming".

#![allow(clippy::disallowed_methods)] // real time: the outside world

use std::process::Command;

use crate::common::{
    Client, End, Gateway, curl,
    foreign::{Server, free_port},
    write,
};
use serde_json::{Value, json};

const SERVER: &str = r#"
import json, struct, sys, threading, zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FRONT = json.dumps({"statusCode": 203, "headers": {"Content-Type": "text/plain"},
                    "cookies": ["a=1"]}).encode() + bytes(8)
go, gone = threading.Event(), threading.Event()

def event(kind, payload):
    headers = b""
    for name, value in ((":event-type", kind), (":content-type", "application/octet-stream"),
                        (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07"
        headers += struct.pack(">H", len(value)) + value.encode()
    frame = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    frame += struct.pack(">I", zlib.crc32(frame)) + headers + payload
    return frame + struct.pack(">I", zlib.crc32(frame))

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def chunk(self, body):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
        self.wfile.flush()

    def do_POST(self):
        called = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path.endswith("function:tales:BLUE/response-streaming-invocations"), self.path
        path = called["path"]
        self.send_response(200)
        raw = path == "/raw"
        if not raw:
            self.send_header("Content-Type", "application/vnd.amazon.eventstream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        say = (lambda text: self.chunk(text)) if raw else \
              (lambda text: self.chunk(event("PayloadChunk", text)))
        say(FRONT + b"one ")
        if path == "/endless":
            try:
                while True:
                    say(b"x" * 65536)
            except OSError:
                gone.set()
            self.close_connection = True
            return
        go.wait(20)
        say(called["queryStringParameters"]["word"].encode())
        if path == "/fails":
            end = {"ErrorCode": "Unhandled", "ErrorDetails": "on purpose"}
            self.chunk(event("InvokeComplete", json.dumps(end).encode()))
        elif not raw:
            self.chunk(event("InvokeComplete", b"{}"))
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self):
        if self.path == "/go":
            go.set()
        else:
            go.clear()
        done = gone.wait(10) if self.path == "/gone" else True
        body = b"yes" if done else b"no"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

fn document() -> Value {
    let function = "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/arn:aws:lambda:\
                    us-east-1:111122223333:function:tales:BLUE/response-streaming-invocations";
    let operation = json!({
        "responses": { "200": { "description": "" } },
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy", "httpMethod": "POST", "uri": function,
            "responseTransferMode": "STREAM", "timeoutInMillis": 900_000,
        },
    });
    json!({
        "openapi": "3.0.1",
        "info": { "title": "Tales", "version": "1" },
        "paths": { "/{tale}": { "get": operation } },
    })
}

#[test]
fn tales_are_told_while_they_are_made() {
    let dir = tempfile::tempdir().expect("a folder");
    let backend = free_port();
    let script = write(&dir, "server.py", SERVER);
    let mut python = Command::new("python3");
    python.arg(&script).arg(backend.port().to_string());
    let _python = Server::start(&mut python, backend);
    let settings = format!(
        "[server]\nworkers = 1\ndrain_delay_ms = 0\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         [functions.us-east-1]\nendpoint = \"http://backend.test\"\n\
         [origins.backend]\nmatch = \"http://backend.test\"\nallow_addresses = [\"loopback\"]\n\
         [[origins.backend.endpoints]]\nurl = \"http://{backend}\"\n"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start_in(folder, &settings, &document().to_string());
    let tell = |word: &str| assert_eq!(curl(&[&format!("http://{backend}/{word}")]), "yes");
    for path in ["events", "raw", "fails"] {
        tell("stop");
        let mut client = Client::connect(gateway.address());
        client.send(format!(
            "GET /dev/{path}?word=two HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        // The line end behind a chunk's data may come with the next chunk.
        client.hear_until(10_000, |heard| {
            heard.windows(6).any(|part| part == b"\r\none ")
        });
        let begun = client.text();
        assert!(begun.starts_with("HTTP/1.1 203 "), "{path}: {begun}");
        assert!(begun.contains("\r\nset-cookie: a=1\r\n"), "{path}: {begun}");
        assert!(
            begun.contains("\r\nTransfer-Encoding: chunked\r\n"),
            "{path}: {begun}"
        );
        assert!(
            !begun.contains("two"),
            "{path}: nobody has said it yet: {begun}"
        );
        tell("go");
        if path == "fails" {
            let end = client.hear(10_000);
            assert_ne!(end, End::Open, "{}", client.text());
            assert!(!client.heard.ends_with(b"0\r\n\r\n"), "{}", client.text());
            continue;
        }
        client.hear_until(10_000, |heard| heard.ends_with(b"0\r\n\r\n"));
        assert!(client.text().contains("two"), "{path}: {}", client.text());
    }
    let mut client = Client::connect(gateway.address());
    client.send("GET /dev/endless HTTP/1.1\r\nHost: a\r\n\r\n");
    client.hear_until(10_000, |heard| heard.len() > 1 << 20);
    drop(client);
    tell("gone");
}
