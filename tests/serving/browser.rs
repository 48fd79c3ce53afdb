//! Cross-origin calls of a real browser, as CORS of both kinds of API allows them.
//!
//! What it is: one page, served by two origins, calls a REST API, whose CORS is a mock and gateway
//! responses, and an HTTP API, whose CORS the gateway speaks itself. Chromium decides what the page
//! may do and read, and the page writes down what came of it. Shape: a table of calls with what
//! each origin must see. Units: none. Errors: what differs; without Chromium the test says that it
//! was skipped. Source: Fetch standard, "CORS protocol"; Amazon API Gateway developer guide, "CORS
//! for REST APIs", "configure CORS for HTTP APIs".

#![allow(clippy::disallowed_methods)] // real time: the outside world

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use crate::common::{self, Gateway, Origin, read_request, write};

/// A call of the page, and the line that it writes for it.
struct Call {
    name: &'static str,
    verb: &'static str,
    path: &'static str,
    /// Beside `Content-Type: application/json`, in JSON; or `simple`, without that one too.
    headers: &'static str,
    body: &'static str,
    /// On a page of the allowed origin; one of another reads nothing.
    seen: &'static str,
}

const REFUSED: &str = "refused";

/// Two lines a call: its name; then verb and path, headers, body (`-` for none), and what is read:
/// `status x-total x-hidden body`, or [`REFUSED`].
const CALLS: &str = r#"rest: a preflighted PUT reads the field that is exposed
PUT /dev/items/1 | {"X-Own": "own"} | {"name": "n"} | 200 7 null from PUT
rest: what the endpoint itself exposes passes a proxy
DELETE /dev/items/1 | {} | - | 200 null 1 from DELETE
rest: a verb that the mock does not name
PATCH /dev/items/1 | {} | {} | refused
rest: a header that the mock does not name
PUT /dev/items/1 | {"X-Other": "o"} | {"name": "n"} | refused
rest: an error of the gateway can be read, as its class has the field
PUT /dev/items/1 | {} | {} | 400 null null {"message":"Invalid request body"}
rest: no resource, so no preflight either
PUT /dev/none | {} | {} | refused
rest: a simple call is made, but its answer names no origin
GET /dev/items/1 | simple | - | refused
rest: a simple call of what is not there
GET /dev/none | simple | - | 403 null null {"message":"Missing Authentication Token"}
http: a preflighted PUT reads the field that is exposed, not the endpoint's
PUT /web/items/1 | {"X-Own": "own"} | {"name": "n"} | 200 7 null from PUT
http: a preflighted DELETE
DELETE /web/items/1 | {"X-Own": "own"} | - | 200 7 null from DELETE
http: a verb that is not allowed
PATCH /web/items/1 | {} | {} | refused
http: a header that is not allowed
PUT /web/items/1 | {"X-Other": "o"} | {} | refused
http: the preflight of a path without a route, and its error
PUT /web/none | {} | {} | 404 null null {"message":"Not Found"}
http: a simple call is made, and read by those who may
GET /web/items/1 | simple | - | 200 7 null from GET"#;

fn calls() -> Vec<Call> {
    let lines: Vec<&str> = CALLS.lines().collect();
    let calls = lines.chunks(2).map(|call| {
        let [name, row] = *call else {
            panic!("{call:?}: a name and a row");
        };
        let cells: Vec<&str> = row.split(" | ").collect();
        let [asked, headers, body, seen] = cells[..] else {
            panic!("{row}: four cells");
        };
        let (verb, path) = asked.split_once(' ').expect("a verb and a path");
        Call {
            name,
            verb,
            path,
            headers,
            body: if body == "-" { "" } else { body },
            seen,
        }
    });
    calls.collect()
}

/// What the endpoint gets of it all, call by call, from pages of the allowed origin and of another.
const ASKED: [&[&str]; 2] = [
    &[
        "PUT /items/1 own",
        "DELETE /items/1 ",
        "GET /items/1 ",
        "PUT /items/1 own",
        "DELETE /items/1 own",
        "GET /items/1 ",
    ],
    &["GET /items/1 ", "GET /items/1 "],
];

const REST: &str = r##"
openapi: 3.0.1
info: { title: Shop, version: "1" }
x-amazon-apigateway-request-validators:
  all: { validateRequestBody: true, validateRequestParameters: true }
x-amazon-apigateway-gateway-responses:
  DEFAULT_4XX:
    responseParameters:
      gatewayresponse.header.Access-Control-Allow-Origin: "'ORIGIN'"
paths:
  /items/{id}:
    parameters:
      - { name: id, in: path, required: true, schema: { type: string } }
      - { name: X-Own, in: header, schema: { type: string } }
    options:
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: { application/json: '{"statusCode": 200}' }
        responses:
          default:
            statusCode: "200"
            responseParameters:
              method.response.header.Access-Control-Allow-Origin: "'ORIGIN'"
              method.response.header.Access-Control-Allow-Methods: "'PUT,DELETE,OPTIONS'"
              method.response.header.Access-Control-Allow-Headers: "'Content-Type,X-Own'"
    put:
      x-amazon-apigateway-request-validator: all
      requestBody:
        content: { application/json: { schema: { $ref: "#/components/schemas/Item" } } }
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: http
        httpMethod: PUT
        uri: http://origin.test/items/{id}
        requestParameters:
          integration.request.path.id: method.request.path.id
          integration.request.header.X-Own: method.request.header.X-Own
        responses:
          default:
            statusCode: "200"
            responseParameters:
              method.response.header.Access-Control-Allow-Origin: "'ORIGIN'"
              method.response.header.Access-Control-Expose-Headers: "'X-Total'"
              method.response.header.X-Total: integration.response.header.X-Total
              method.response.header.X-Hidden: integration.response.header.X-Hidden
    delete:
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: DELETE
        uri: http://origin.test/items/{id}
        requestParameters: { integration.request.path.id: method.request.path.id }
    patch:
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: PATCH
        uri: http://origin.test/items/{id}
        requestParameters: { integration.request.path.id: method.request.path.id }
    get:
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: http
        httpMethod: GET
        uri: http://origin.test/items/{id}
        requestParameters: { integration.request.path.id: method.request.path.id }
        responses: { default: { statusCode: "200" } }
components:
  schemas:
    Item: { type: object, required: [name] }
"##;

const WEB: &str = r#"
openapi: 3.0.1
info: { title: Web, version: "1" }
x-amazon-apigateway-cors:
  allowOrigins: [ORIGIN]
  allowMethods: [PUT, DELETE]
  allowHeaders: [content-type, x-own]
  exposeHeaders: [x-total]
  maxAge: 0
paths:
  /items/{id}:
    x-amazon-apigateway-any-method:
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      responses: { default: { description: any } }
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: ANY
        uri: http://origin.test/items/{id}
        payloadFormatVersion: "1.0"
"#;

/// Makes the calls one after the other, and says in the end that it has.
const PAGE: &str = r#"<!doctype html><title>calls</title><pre id="out"></pre><script>
const calls = CALLS;
(async () => {
  const out = document.getElementById("out");
  for (const call of calls) {
    const simple = call.headers === "simple";
    const headers = simple ? {} : {"Content-Type": "application/json", ...call.headers};
    const asked = {method: call.verb, headers, cache: "no-store"};
    if (call.body) asked.body = call.body;
    let line;
    try {
      const answer = await fetch("GATEWAY" + call.path, asked);
      const of = name => answer.headers.get(name);
      line = `${answer.status} ${of("x-total")} ${of("x-hidden")} ${await answer.text()}`;
    } catch (error) {
      line = error instanceof TypeError ? "refused" : String(error);
    }
    out.append(`[${line}]\n`);
  }
  out.append("[done]\n");
})();
</script>"#;

#[test]
fn a_browser_calls_both_kinds_of_api_across_origins() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let endpoint = endpoint(Arc::clone(&asked));
    let servers = [1, 2].map(|last| {
        let address = SocketAddr::from(([127, 0, 0, last], 0));
        TcpListener::bind(address).expect("a port")
    });
    let origins = (servers.each_ref()).map(|server| server.local_addr().expect("an address"));
    let allowed = format!("http://{}", origins[0]);
    let gateway = gateway(endpoint.address, &allowed);
    let calls = calls();
    let page = page(&calls, gateway.address());
    for server in servers {
        serve(server, page.clone());
    }
    for (which, origin) in origins.iter().enumerate() {
        asked.lock().expect("whole").clear();
        let Some(lines) = lines(*origin) else {
            println!("skipped: there is no chromium");
            return;
        };
        for (call, line) in calls.iter().zip(&lines) {
            let seen = if which == 0 { call.seen } else { REFUSED };
            assert_eq!(line, seen, "{} on {origin}", call.name);
        }
        assert_eq!(lines.len(), calls.len() + 1, "{lines:?}");
        let asked = asked.lock().expect("whole").clone();
        assert_eq!(asked, ASKED[which], "what the endpoint got from {origin}");
    }
}

/// An endpoint that would let every page read everything.
fn endpoint(asked: Arc<Mutex<Vec<String>>>) -> Origin {
    Origin::serving(move |mut stream| {
        let mut input = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut input) {
            let text = String::from_utf8_lossy(&request).into_owned();
            let line = text.lines().next().unwrap_or_default();
            let line = line.trim_end_matches(" HTTP/1.1").to_owned();
            let own = common::field(&request, "x-own").unwrap_or_default();
            let verb = line.split(' ').next().unwrap_or_default().to_owned();
            asked.lock().expect("whole").push(format!("{line} {own}"));
            let body = format!("from {verb}");
            let answer = format!(
                "HTTP/1.1 200 OK\r\nX-Total: 7\r\nX-Hidden: 1\r\nAccess-Control-Allow-Origin: *\r\n\
                 Access-Control-Expose-Headers: X-Hidden\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// A gateway with both APIs, which allow pages of one origin.
fn gateway(endpoint: SocketAddr, allowed: &str) -> Gateway {
    let dir = tempfile::tempdir().expect("a folder");
    write(&dir, "web.yaml", &WEB.replace("ORIGIN", allowed));
    let web = "[[apis]]\ndocument = \"web.yaml\"\nid = \"web\"\nstage = \"web\"";
    let settings = common::settings(endpoint, web);
    Gateway::start_in(dir, &settings, &REST.replace("ORIGIN", allowed))
}

/// The page whose calls go to `gateway`.
fn page(calls: &[Call], gateway: SocketAddr) -> String {
    let calls = calls.iter().map(|call| {
        let headers = match call.headers {
            "simple" => "\"simple\"",
            members => members,
        };
        format!(
            "{{verb: {:?}, path: {:?}, headers: {headers}, body: {:?}}}",
            call.verb, call.path, call.body
        )
    });
    let calls: Vec<String> = calls.collect();
    PAGE.replace("CALLS", &format!("[{}]", calls.join(",\n")))
        .replace("GATEWAY", &format!("http://{gateway}"))
}

/// Serves the page on every path.
fn serve(server: TcpListener, page: String) {
    thread::spawn(move || {
        for mut stream in server.incoming().map_while(Result::ok) {
            let page = page.clone();
            thread::spawn(move || {
                let mut input = Vec::new();
                while read_request(&mut stream, &mut input).is_some() {
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n",
                        page.len()
                    );
                    if stream.write_all((head + &page).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// What the page of `origin` has written in the end; none where there is no browser.
fn lines(origin: SocketAddr) -> Option<Vec<String>> {
    let profile = tempfile::tempdir().expect("a folder");
    let output = Command::new("timeout")
        .args(["120", "chromium", "--headless", "--no-sandbox"])
        .args(["--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-sync"])
        .args(["--disable-component-update", "--no-proxy-server"])
        .args(["--virtual-time-budget=60000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{origin}/"))
        .output()
        .expect("timeout(1)");
    // 127: timeout(1) found no such program.
    if output.status.code() == Some(127) {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {said}", output.status);
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = dom.split_once("<pre id=\"out\">").expect("the page's own");
    let (written, _) = rest.split_once("</pre>").expect("its end");
    let line = |line: &str| line.trim_matches(['[', ']']).to_owned();
    let lines: Vec<String> = written.lines().map(line).collect();
    assert_eq!(lines.last().map(String::as_str), Some("done"), "{dom}");
    Some(lines)
}
