//! Requests, and every line that is noted of each.
//!
//! Shape: [`Row`]s in lists by what is integrated. Units: as the lines say. Errors: none. Source:
//! Amazon API Gateway developer guide, "CloudWatch log formats for API Gateway"; recorded texts.

use serde_json::{Value, json};

/// One request and what is noted of it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Its methods, or the whole API.
    pub(crate) api: Value,
    pub(crate) request: &'static str,
    pub(crate) answer: &'static str,
    pub(crate) log: &'static str,
}

const FUNCTION: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
                        arn:aws:lambda:us-east-1:111122223333:function:f/invocations";

pub(crate) fn mock(responses: &Value) -> Value {
    json!({ "type": "mock", "requestTemplates": { "application/json":
        "{\"statusCode\": $input.params('s')}" }, "responses": responses })
}

pub(crate) fn http(kind: &str, more: &Value) -> Value {
    let mut api = json!({ "type": kind, "httpMethod": "POST", "uri": "http://origin.test/b/{id}",
        "requestParameters": { "integration.request.path.id": "method.request.path.id" },
        "parameters": { "path.id": true } });
    for (name, value) in more.as_object().expect("members") {
        api[name] = value.clone();
    }
    json!({ "methods": { "POST /pets/{id}": api } })
}

fn function(kind: &str, more: &Value) -> Value {
    let mut api = json!({ "type": kind, "httpMethod": "POST", "uri": FUNCTION });
    for (name, value) in more.as_object().expect("members") {
        api[name] = value.clone();
    }
    json!({ "methods": { "POST /f": api } })
}

pub(crate) fn mocks() -> Vec<Row> {
    let answers = json!({
        "default": { "statusCode": "200", "responseTemplates": { "application/json": "{\"ok\": 1}" },
                     "responseParameters": { "method.response.header.X-A": "'b'" } },
        "5\\d{2}": { "statusCode": "503" },
    });
    let only = json!({ "5\\d{2}": { "statusCode": "503" } });
    vec![
        Row {
            name: "a mock",
            api: json!({ "methods": { "GET /m/{id}": mock(&answers) } }),
            request: "GET /m/7?s=200&t=a%20b&t=c HTTP/1.1\nHost: a\nAccept: */*\n\
                      Authorization: abcdf2\nX-Api-Key: 12345678901234F0yrv6\n\n",
            answer: "",
            log: "Starting execution for request: {id}
HTTP Method: GET, Resource Path: /m/7
Method request path: {id=7}
Method request query string: {s=200, t=a b, t=c}
Method request headers: {Accept=*/*, Authorization=****f2, X-Api-Key=**************F0yrv6}
Method request body before transformations: 
Method response body after transformations: {\"ok\": 1}
Method response headers: {Content-Type=application/json, X-A=b}
Successfully completed execution
Method completed with status: 200
",
        },
        Row {
            name: "a mock without a status",
            api: json!({ "methods": { "GET /m": mock(&answers) } }),
            request: "GET /m?s=x HTTP/1.1\nHost: a\n\n",
            answer: "",
            log: "Starting execution for request: {id}
HTTP Method: GET, Resource Path: /m
Method request path: {}
Method request query string: {s=x}
Method request headers: {}
Method request body before transformations: 
Execution failed due to configuration error: Unable to parse statusCode. It should be an integer that is defined in the request template.
Method completed with status: 500
",
        },
        Row {
            name: "no response for a mock",
            api: json!({ "methods": { "GET /m": mock(&only) } }),
            request: "GET /m?s=404 HTTP/1.1\nHost: a\n\n",
            answer: "",
            log: "Starting execution for request: {id}
HTTP Method: GET, Resource Path: /m
Method request path: {}
Method request query string: {s=404}
Method request headers: {}
Method request body before transformations: 
Execution failed due to configuration error: No match for output mapping and no default output mapping configured. Endpoint Response Status Code: 404
Method completed with status: 500
",
        },
    ]
}

/// What cannot be mapped, and what the log says of it.
pub(crate) fn unmapped() -> Vec<Row> {
    let asked = |template: &str| {
        http(
            "http",
            &json!({ "requestTemplates": { "application/json": template },
                     "responses": { "default": { "statusCode": "200" } } }),
        )
    };
    let row = |name, api, log| Row {
        name,
        api,
        request: "POST /pets/7?q=a%01b HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}",
        answer: "HTTP/1.1 200 OK\nContent-Length: 2\n\n[]",
        log,
    };
    let of_answer = json!({ "default": { "statusCode": "200", "responseTemplates": {
        "application/json": "ok\n#foreach($i in [1..1001])x#end" } } });
    let raw = json!({ "default": { "statusCode": "200", "contentHandling": "CONVERT_TO_BINARY" } });
    let mapped = json!({
        "parameters": { "path.id": true, "querystring.q": false },
        "requestParameters": { "integration.request.header.X-Q": "method.request.querystring.q" },
        "responses": { "default": { "statusCode": "200" } } });
    vec![
        row(
            "a template of the request that fails",
            asked("#set($s = \"abc\")\n$s.charAt(9)"),
            "Execution failed due to configuration error: Unable to transform request: line 2, column 1: charAt: 9 to 10 of 3
Method completed with status: 500
",
        ),
        row(
            "a field that no template may set",
            asked("#set($context.requestOverride.header.Content-Length = \"1\"){}"),
            "Execution failed due to configuration error: the mapping sets `Content-Length`, which it may not
Method completed with status: 500
",
        ),
        row(
            "a template of the answer that fails",
            http("http", &json!({ "responses": of_answer })),
            "Execution failed due to configuration error: Unable to transform response: line 2, column 1: a loop is longer than 1000 rounds
Method completed with status: 500
",
        ),
        row(
            "an answer that is no Base64",
            http("http", &json!({ "responses": raw })),
            "Execution failed due to configuration error: Unable to base64 decode the body.
Method completed with status: 500
",
        ),
        row(
            "a value that no field can hold",
            http("http", &mapped),
            "Execution failed due to configuration error: Illegal character in header X-Q
Method completed with status: 400
",
        ),
    ]
}

pub(crate) fn endpoints() -> Vec<Row> {
    vec![
        Row {
            name: "an HTTP endpoint",
            api: http(
                "http",
                &json!({
                    "requestTemplates": { "application/json": "{\"n\": $input.json('$.n')}" },
                    "responses": { "default": { "statusCode": "201",
                        "responseTemplates": { "application/json": "got $input.json('$.r')" } } },
                }),
            ),
            request: "POST /pets/7 HTTP/1.1\nHost: a\nContent-Length: 7\n\n{\"n\":1}",
            answer: "HTTP/1.1 200 OK\nSet-Cookie: id=secret\nContent-Length: 7\n\n{\"r\":2}",
            log: "Starting execution for request: {id}
HTTP Method: POST, Resource Path: /pets/7
Method request path: {id=7}
Method request query string: {}
Method request headers: {}
Method request body before transformations: {\"n\":1}
Endpoint request URI: http://origin.test/b/7
Endpoint request headers: {Host=origin.test, Accept=application/json, User-Agent=AmazonAPIGateway_a, Content-Type=application/json, X-Amzn-Trace-Id={trace}, X-Amzn-Apigateway-Api-Id=a, Content-Length=8}
Endpoint request body after transformations: {\"n\": 1}
Sending request to http://origin.test/b/7
Received response. Status: 200, Integration latency: {ms} ms
Endpoint response headers: {Set-Cookie=******ret, Content-Length=7}
Endpoint response body before transformations: {\"r\":2}
Method response body after transformations: got 2
Method response headers: {X-Amzn-Trace-Id={trace}, Content-Type=application/json}
Successfully completed execution
Method completed with status: 201
",
        },
        Row {
            name: "a proxied HTTP endpoint",
            api: http("http_proxy", &json!({})),
            request: "POST /pets/7?q=1 HTTP/1.1\nHost: a\nX-A: 1\nContent-Length: 2\n\nhi",
            answer: "HTTP/1.1 404 Not Found\nX-B: 2\nx-amzn-RequestId: theirs\nContent-Length: 4\n\nnone",
            log: "Starting execution for request: {id}
HTTP Method: POST, Resource Path: /pets/7
Method request path: {id=7}
Method request query string: {q=1}
Method request headers: {X-A=1}
Method request body before transformations: hi
Endpoint request URI: http://origin.test/b/7?q=1
Endpoint request headers: {Host=origin.test, X-A=1, Via=1.1 tidegate, X-Forwarded-For={ip}, X-Forwarded-Proto=http, X-Forwarded-Port={port}, X-Forwarded-Host=a, X-Amzn-Trace-Id={trace}, X-Amzn-Apigateway-Api-Id=a, Content-Length=2}
Endpoint request body after transformations: hi
Sending request to http://origin.test/b/7?q=1
Received response. Status: 404, Integration latency: {ms} ms
Endpoint response headers: {X-B=2, x-amzn-RequestId=theirs, Content-Length=4}
Endpoint response body before transformations: none
Method response body after transformations: none
Method response headers: {X-B=2, x-amzn-Remapped-x-amzn-RequestId=theirs, x-amzn-Remapped-Content-Length=4, Content-Type=application/json}
Successfully completed execution
Method completed with status: 404
AWS Integration Endpoint RequestId : theirs
",
        },
        Row {
            name: "an endpoint that is gone",
            api: http("http_proxy", &json!({})),
            request: "POST /pets/7 HTTP/1.1\nHost: a\nContent-Length: 2\n\nhi",
            answer: "close",
            log: "Starting execution for request: {id}
HTTP Method: POST, Resource Path: /pets/7
Method request path: {id=7}
Method request query string: {}
Method request headers: {}
Method request body before transformations: hi
Endpoint request URI: http://origin.test/b/7
Endpoint request headers: {Host=origin.test, Via=1.1 tidegate, X-Forwarded-For={ip}, X-Forwarded-Proto=http, X-Forwarded-Port={port}, X-Forwarded-Host=a, X-Amzn-Trace-Id={trace}, X-Amzn-Apigateway-Api-Id=a, Content-Length=2}
Endpoint request body after transformations: hi
Sending request to http://origin.test/b/7
Execution failed: the endpoint closed before its answer
Method completed with status: 502
",
        },
        Row {
            name: "an endpoint that is slow",
            api: http(
                "http",
                &json!({ "timeoutInMillis": 50, "responses": { "default": { "statusCode": "200" } } }),
            ),
            request: "POST /pets/7 HTTP/1.1\nHost: a\n\n",
            answer: "slow",
            log: "Starting execution for request: {id}
HTTP Method: POST, Resource Path: /pets/7
Method request path: {id=7}
Method request query string: {}
Method request headers: {}
Method request body before transformations: 
Endpoint request URI: http://origin.test/b/7
Endpoint request headers: {Host=origin.test, Accept=application/json, User-Agent=AmazonAPIGateway_a, Content-Type=application/json, X-Amzn-Trace-Id={trace}, X-Amzn-Apigateway-Api-Id=a, Content-Length=0}
Endpoint request body after transformations: 
Sending request to http://origin.test/b/7
Execution failed due to a timeout error
Method completed with status: 504
",
        },
    ]
}

pub(crate) fn validated() -> Vec<Row> {
    let api = || {
        json!({
            "methods": { "POST /v": { "type": "mock",
                "parameters": { "querystring.q": true },
                "requestTemplates": { "$default": "{\"statusCode\": 200}" },
                "responses": { "default": { "statusCode": "200" } },
                "validated": { "application/json": "Pet" } } },
            "models": { "Pet": { "type": "object", "required": ["name"] } },
        })
    };
    vec![
        Row {
            name: "a valid payload",
            api: api(),
            request: "POST /v?q=1 HTTP/1.1\nHost: a\nContent-Length: 10\n\n{\"name\":1}",
            answer: "",
            log: "Starting execution for request: {id}
HTTP Method: POST, Resource Path: /v
Method request path: {}
Method request query string: {q=1}
Method request headers: {}
Method request body before transformations: {\"name\":1}
Request validation succeeded for content type application/json
Method response body after transformations: 
Method response headers: {Content-Type=application/json}
Successfully completed execution
Method completed with status: 200
",
        },
        Row {
            name: "a payload that is not valid",
            api: api(),
            request: "POST /v?q=1 HTTP/1.1\nHost: a\nContent-Type: application/json\n\
                      Content-Length: 2\n\n{}",
            answer: "",
            log: "Starting execution for request: {id}
HTTP Method: POST, Resource Path: /v
Method request path: {}
Method request query string: {q=1}
Method request headers: {Content-Type=application/json}
Method request body before transformations: {}
Request body does not match model schema for content type application/json: [object has missing required properties ([\"name\"])]
Method completed with status: 400
",
        },
        Row {
            name: "a parameter that is missing",
            api: api(),
            request: "POST /v HTTP/1.1\nHost: a\n\n",
            answer: "",
            log: "Starting execution for request: {id}
HTTP Method: POST, Resource Path: /v
Method request path: {}
Method request query string: {}
Method request headers: {}
Method request body before transformations: 
Execution failed: Missing required request parameters: [q]
Method completed with status: 400
",
        },
    ]
}

pub(crate) const CALLED: &str = "Starting execution for request: {id}
HTTP Method: POST, Resource Path: /f
Method request path: {}
Method request query string: {}
Method request headers: {}
Method request body before transformations: 
Endpoint request URI: http://origin.test/2015-03-31/functions/arn:aws:lambda:us-east-1:111122223333:function:f/invocations
";

pub(crate) fn functions() -> Vec<Row> {
    let proxied = || function("aws_proxy", &json!({}));
    vec![
        Row {
            name: "a proxied function",
            api: proxied(),
            request: "POST /f HTTP/1.1\nHost: a\n\n",
            answer: "HTTP/1.1 200 OK\nx-amzn-RequestId: theirs\nContent-Length: {length}\n\n\
                     {\"statusCode\":201,\"headers\":{\"X-A\":\"1\"},\"body\":\"made\"}",
            log: "Endpoint request headers: {…}
Endpoint request body after transformations: {…}
Sending request to {…}
Received response. Status: 200, Integration latency: {ms} ms
Endpoint response headers: {x-amzn-RequestId=theirs, Content-Length=54}
Endpoint response body before transformations: {\"statusCode\":201,\"headers\":{\"X-A\":\"1\"},\"body\":\"made\"}
Method response body after transformations: made
Method response headers: {X-A=1, Content-Type=application/json, X-Amzn-Trace-Id={trace}}
Successfully completed execution
Method completed with status: 201
AWS Integration Endpoint RequestId : theirs
",
        },
        Row {
            name: "a function whose output is no answer",
            api: proxied(),
            request: "POST /f HTTP/1.1\nHost: a\n\n",
            answer: "HTTP/1.1 200 OK\nContent-Length: {length}\n\n\"text\"",
            log: "Endpoint request headers: {…}
Endpoint request body after transformations: {…}
Sending request to {…}
Received response. Status: 200, Integration latency: {ms} ms
Endpoint response headers: {Content-Length=6}
Endpoint response body before transformations: \"text\"
Execution failed due to configuration error: Malformed Lambda proxy response
Method completed with status: 502
",
        },
        Row {
            name: "a function that fails",
            api: proxied(),
            request: "POST /f HTTP/1.1\nHost: a\n\n",
            answer: "HTTP/1.1 200 OK\nX-Amz-Function-Error: Unhandled\nx-amzn-RequestId: theirs\n\
                     Content-Length: {length}\n\n{\"errorMessage\":\"it broke\"}",
            log: "Endpoint request headers: {…}
Endpoint request body after transformations: {…}
Sending request to {…}
Received response. Status: 200, Integration latency: {ms} ms
Endpoint response headers: {X-Amz-Function-Error=Unhandled, x-amzn-RequestId=theirs, Content-Length=27}
Endpoint response body before transformations: {\"errorMessage\":\"it broke\"}
Lambda execution failed with status 200 due to customer function error: it broke. Lambda request id: theirs
Method completed with status: 502
AWS Integration Endpoint RequestId : theirs
",
        },
        Row {
            name: "a function that may not be called",
            api: proxied(),
            request: "POST /f HTTP/1.1\nHost: a\n\n",
            answer: "HTTP/1.1 403 Forbidden\nContent-Length: 0\n\n",
            log: "Endpoint request headers: {…}
Endpoint request body after transformations: {…}
Sending request to {…}
Received response. Status: 403, Integration latency: {ms} ms
Endpoint response headers: {Content-Length=0}
Endpoint response body before transformations: 
Execution failed due to configuration error: Invalid permissions on Lambda function
Method completed with status: 500
",
        },
        Row {
            name: "no response for a function's error",
            api: function(
                "aws",
                &json!({ "responses": { "other": { "statusCode": "400" } } }),
            ),
            request: "POST /f HTTP/1.1\nHost: a\n\n",
            answer: "HTTP/1.1 200 OK\nX-Amz-Function-Error: Unhandled\n\
                     Content-Length: {length}\n\n{\"errorMessage\":\"it broke\"}",
            log: "Endpoint request headers: {…}
Endpoint request body after transformations: 
Sending request to {…}
Received response. Status: 200, Integration latency: {ms} ms
Endpoint response headers: {X-Amz-Function-Error=Unhandled, Content-Length=27}
Endpoint response body before transformations: {\"errorMessage\":\"it broke\"}
Execution failed due to configuration error: No match for output mapping and no default output mapping configured. Endpoint Response Status Code: 200
Method completed with status: 500
",
        },
    ]
}
