//! Tables of types, inheritance, substitution and fields.

use super::*;
use proptest::prelude::*;

/// A request that was refused.
#[derive(Default)]
struct Refused {
    message: Option<&'static str>,
}

const REFUSED: Refused = Refused {
    message: Some("Missing \"x\"\n"),
};

impl Variables for Refused {
    fn context(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let value = match name {
            "error.message" => self.message?,
            "error.responseType" => "BAD_REQUEST_PARAMETERS",
            "requestId" => "r-1",
            "authorizer.cognito:user-name" => "ann",
            "identity.sourceIp" => "203.0.113.9",
            "evil" => "a\r\nset-cookie: b",
            "empty" => "",
            _ => return None,
        };
        Some(Cow::Borrowed(value.as_bytes()))
    }

    fn stage_variable(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        (name == "site").then(|| Cow::Owned(b"https://a.example".to_vec()))
    }

    fn parameter(&self, place: ParameterPlace, name: &str) -> Option<Cow<'_, [u8]>> {
        match (place, name) {
            (ParameterPlace::Header, "X-Tenant") => Some(Cow::Borrowed(b"blue")),
            (ParameterPlace::Path, "id") => Some(Cow::Borrowed(b"7")),
            (ParameterPlace::Query, "page.size") => Some(Cow::Borrowed(b"20")),
            _ => None,
        }
    }

    fn each_parameter(&self, place: ParameterPlace, name: &str, each: &mut dyn FnMut(&[u8])) {
        self.parameter(place, name)
            .iter()
            .for_each(|value| each(value));
    }

    fn path(&self) -> &[u8] {
        b"/pets/7"
    }

    fn body(&self) -> &[u8] {
        b""
    }
}

const EMPTY: ResponseSettings<'static> = ResponseSettings {
    kind: ResponseType::Default4xx,
    status: None,
    parameters: &[],
    templates: &[],
};

fn with_template<'t>(templates: &'t [(&'t str, &'t str)]) -> GatewayResponse {
    let settings = ResponseSettings { templates, ..EMPTY };
    let responses = GatewayResponses::compile(&[settings]).expect("compiles");
    responses
        .of(ResponseType::Default4xx)
        .expect("is set")
        .clone()
}

fn rendered(template: &str) -> String {
    let mut out = Vec::new();
    let response = with_template(&[("application/json", template)]);
    response.body(None, &REFUSED, &mut out).expect("fits");
    String::from_utf8(out).expect("is text")
}

#[test]
fn types_have_their_names_and_statuses() {
    let rows = [
        ("ACCESS_DENIED", Some(403)),
        ("API_CONFIGURATION_ERROR", Some(500)),
        ("AUTHORIZER_CONFIGURATION_ERROR", Some(500)),
        ("AUTHORIZER_FAILURE", Some(500)),
        ("BAD_REQUEST_BODY", Some(400)),
        ("BAD_REQUEST_PARAMETERS", Some(400)),
        ("DEFAULT_4XX", None),
        ("DEFAULT_5XX", None),
        ("EXPIRED_TOKEN", Some(403)),
        ("INTEGRATION_FAILURE", Some(504)),
        ("INTEGRATION_TIMEOUT", Some(504)),
        ("INVALID_API_KEY", Some(403)),
        ("INVALID_SIGNATURE", Some(403)),
        ("MISSING_AUTHENTICATION_TOKEN", Some(403)),
        ("QUOTA_EXCEEDED", Some(429)),
        ("REQUEST_TOO_LARGE", Some(413)),
        ("RESOURCE_NOT_FOUND", Some(404)),
        ("THROTTLED", Some(429)),
        ("UNAUTHORIZED", Some(401)),
        ("UNSUPPORTED_MEDIA_TYPE", Some(415)),
        ("WAF_FILTERED", Some(403)),
    ];
    assert_eq!(rows.len(), ResponseType::ALL.len());
    for (at, (name, status)) in rows.into_iter().enumerate() {
        let kind = ResponseType::parse(name).expect(name);
        assert_eq!(
            (kind.name(), kind.status(), kind.index()),
            (name, status, at)
        );
    }
    assert_eq!(ResponseType::parse("access_denied"), None);
}

#[test]
fn unset_types_take_the_whole_default_of_their_class() {
    let default_4xx = ResponseSettings {
        status: Some(418),
        parameters: &[("gatewayresponse.header.X-A", "'4'")],
        templates: &[("application/json", "four")],
        ..EMPTY
    };
    let set = ResponseSettings {
        kind: ResponseType::Throttled,
        parameters: &[("gatewayresponse.header.X-B", "'t'")],
        ..EMPTY
    };
    let responses = GatewayResponses::compile(&[set, default_4xx]).expect("compiles");
    let shown = |kind: ResponseType| {
        responses.of(kind).map(|response| {
            let (mut out, mut fields) = (Vec::new(), String::new());
            response.body(None, &REFUSED, &mut out).expect("fits");
            response.fields(&REFUSED, |name, value| {
                fields += &format!("{name}={}", String::from_utf8_lossy(value));
            });
            let body = String::from_utf8(out).expect("is text");
            (response.status(), fields, body)
        })
    };
    let own = r#"{"message":"Missing \"x\"\n"}"#;
    for kind in ResponseType::ALL.iter().copied() {
        let expected = match kind {
            ResponseType::Throttled => Some((Some(429), "X-B=t".to_owned(), own.to_owned())),
            kind if kind.class() == ResponseType::Default4xx => {
                Some((Some(418), "X-A=4".to_owned(), "four".to_owned()))
            }
            _ => None,
        };
        assert_eq!(shown(kind), expected, "{kind:?}");
    }
    let headers_alone = ResponseSettings {
        kind: ResponseType::Default5xx,
        ..EMPTY
    };
    let responses = GatewayResponses::compile(&[headers_alone]).expect("compiles");
    let inherited = responses
        .of(ResponseType::IntegrationFailure)
        .expect("inherits");
    assert_eq!(inherited.status(), None, "each keeps its own status");
    assert!(responses.of(ResponseType::AccessDenied).is_none());
    assert!(
        GatewayResponses::default()
            .of(ResponseType::Default4xx)
            .is_none()
    );
}

#[test]
fn variables_are_substituted() {
    let rows = [
        ("", ""),
        ("plain", "plain"),
        (TEMPLATE_DEFAULT, r#"{"message":"Missing \"x\"\n"}"#),
        ("$context.error.message", "Missing \"x\"\n"),
        ("$context.error.responseType.", "BAD_REQUEST_PARAMETERS."),
        ("[$context.error.validationErrorString]", "[]"),
        ("$context.requestId$context.requestId", "r-1r-1"),
        ("$context.requestId-1", "r-1-1"),
        ("$context.requestIds", ""),
        ("$context.authorizer.cognito:user-name", "ann"),
        ("\"$context.identity.sourceIp\"", "\"203.0.113.9\""),
        ("$stageVariables.site/help", "https://a.example/help"),
        ("$stageVariables.none|", "|"),
        ("$method.request.header.X-Tenant", "blue"),
        ("$method.request.header.X-Tenant.", "blue."),
        ("$method.request.path.id", "7"),
        ("$method.request.querystring.page.size", "20"),
        ("$method.request.querystring.page", ""),
        ("$method.request.body", "$method.request.body"),
        ("$method.request.header.", "$method.request.header."),
        (
            "$input.body $util.x #if(1)#end",
            "$input.body $util.x #if(1)#end",
        ),
        ("$$context.requestId", "$r-1"),
        ("$context.", "$context."),
        ("$context..", "$context.."),
        ("$context", "$context"),
        ("$", "$"),
        ("é$context.requestIdé", "ér-1é"),
        ("${context.requestId}", "${context.requestId}"),
    ];
    for (template, expected) in rows {
        assert_eq!(rendered(template), expected, "{template}");
    }
    let mut out = Vec::new();
    let response = with_template(&[("application/json", TEMPLATE_DEFAULT)]);
    response
        .body(None, &Refused::default(), &mut out)
        .expect("fits");
    assert_eq!(out, br#"{"message":null}"#);
}

#[test]
fn the_template_follows_accept() {
    let both = with_template(&[
        ("text/html", "h"),
        ("application/json", "j"),
        ("text/plain", "p"),
    ]);
    let no_json = with_template(&[("text/html", "h"), ("text/plain", "p")]);
    let rows: &[(Option<&str>, &str, &str)] = &[
        (None, "application/json", "text/html"),
        (Some(""), "application/json", "text/html"),
        (Some("*/*"), "application/json", "text/html"),
        (Some("text/plain"), "text/plain", "text/plain"),
        (
            Some("Text/Plain; q=0.5, text/html"),
            "text/plain",
            "text/plain",
        ),
        (
            Some("image/png, text/plain"),
            "application/json",
            "text/html",
        ),
        (Some("text/*"), "application/json", "text/html"),
    ];
    for (accept, expected, without) in rows {
        let accept = accept.map(str::as_bytes);
        for (response, expected) in [(&both, expected), (&no_json, without)] {
            let mut out = b"kept".to_vec();
            assert_eq!(
                response.body(accept, &REFUSED, &mut out),
                Ok(*expected),
                "{accept:?}"
            );
            assert_eq!(out.len(), 5);
        }
    }
}

#[test]
fn fields_come_from_their_sources() {
    let rows: &[(&str, &str)] = &[
        ("'*'", "*"),
        ("''", ""),
        ("'it''s'", "it''s"),
        ("context.requestId", "r-1"),
        ("context.error.messageString", ""),
        ("context.evil", ""),
        ("context.empty", ""),
        ("context.none", ""),
        ("stageVariables.site", "https://a.example"),
        ("method.request.header.X-Tenant", "blue"),
        ("method.request.path.id", "7"),
        ("method.request.querystring.page.size", "20"),
    ];
    for (source, expected) in rows {
        let settings = ResponseSettings {
            parameters: &[("gatewayresponse.header.X-A", source)],
            ..EMPTY
        };
        let responses = GatewayResponses::compile(&[settings]).expect(source);
        let response = responses.of(ResponseType::Unauthorized).expect("inherits");
        assert!(response.sets("x-a") && !response.sets("x"));
        let mut found = Vec::new();
        response.fields(
            &Refused {
                message: Some("\u{1}"),
            },
            |name, value| {
                found.push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
            },
        );
        let message = ("X-A".to_owned(), r#""\u0001""#.to_owned());
        let expected = match *source {
            "context.error.messageString" => vec![message],
            _ if expected.is_empty() => Vec::new(),
            _ => vec![("X-A".to_owned(), (*expected).to_owned())],
        };
        assert_eq!(found, expected, "{source}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let long = "x".repeat(TEMPLATE_BYTES_MAX + 1);
    let parameter = |target, source| vec![(target, source)];
    let rows: Vec<(&str, Option<u16>, Vec<(&str, &str)>, Vec<(&str, &str)>)> = vec![
        ("/DEFAULT_4XX/statusCode", Some(199), vec![], vec![]),
        ("/DEFAULT_4XX/statusCode", Some(600), vec![], vec![]),
        (
            "/DEFAULT_4XX/responseParameters/method.response.header.A",
            None,
            parameter("method.response.header.A", "'a'"),
            vec![],
        ),
        (
            "/DEFAULT_4XX/responseParameters/gatewayresponse.header.A B",
            None,
            parameter("gatewayresponse.header.A B", "'a'"),
            vec![],
        ),
        (
            "/DEFAULT_4XX/responseParameters/gatewayresponse.header.Content-length",
            None,
            parameter("gatewayresponse.header.Content-length", "'0'"),
            vec![],
        ),
        (
            "/DEFAULT_4XX/responseParameters/gatewayresponse.header.A",
            None,
            parameter("gatewayresponse.header.A", "'a\n'"),
            vec![],
        ),
        (
            "/DEFAULT_4XX/responseParameters/gatewayresponse.header.A",
            None,
            parameter("gatewayresponse.header.A", "text"),
            vec![],
        ),
        (
            "/DEFAULT_4XX/responseParameters/gatewayresponse.header.A",
            None,
            parameter("gatewayresponse.header.A", "context.requestId!"),
            vec![],
        ),
        (
            "/DEFAULT_4XX/responseParameters/gatewayresponse.header.A",
            None,
            parameter("gatewayresponse.header.A", "method.request.body"),
            vec![],
        ),
        (
            "/DEFAULT_4XX/responseParameters/gatewayresponse.header.a",
            None,
            vec![
                ("gatewayresponse.header.A", "'a'"),
                ("gatewayresponse.header.a", "'a'"),
            ],
            vec![],
        ),
        (
            "/DEFAULT_4XX/responseTemplates/text",
            None,
            vec![],
            parameter("text", ""),
        ),
        (
            "/DEFAULT_4XX/responseTemplates/text~1plain",
            None,
            vec![],
            parameter("text/plain", &long),
        ),
        (
            "/DEFAULT_4XX/responseTemplates/text~1a\r\n",
            None,
            vec![],
            parameter("text/a\r\n", ""),
        ),
    ];
    for (pointer, status, parameters, templates) in &rows {
        let settings = ResponseSettings {
            status: *status,
            parameters,
            templates,
            ..EMPTY
        };
        let faults = GatewayResponses::compile(&[settings]).expect_err(pointer);
        let places: Vec<&str> = faults.iter().map(|fault| &*fault.pointer).collect();
        assert_eq!(places, [*pointer], "{faults:?}");
    }
    let faults = GatewayResponses::compile(&[EMPTY, EMPTY]).expect_err("twice");
    assert_eq!(faults.len(), 1);
}

#[test]
fn a_body_is_bounded() {
    let most = TEMPLATE_BYTES_MAX / "$context.error.message".len();
    let template = "$context.error.message".repeat(most);
    let response = with_template(&[("application/json", &template)]);
    let fits = "x".repeat(BODY_BYTES_MAX / most).leak();
    let mut out = b"kept".to_vec();
    let result = response.body(
        None,
        &Refused {
            message: Some(fits),
        },
        &mut out,
    );
    assert_eq!(result, Ok("application/json"));
    assert_eq!(out.len(), 4 + fits.len() * most);
    out.truncate(4);
    let message = format!("{fits}x").leak();
    let result = response.body(
        None,
        &Refused {
            message: Some(message),
        },
        &mut out,
    );
    assert_eq!((result, &*out), (Err(TooLong), &b"kept"[..]));
}

proptest! {
    #[test]
    fn any_text_is_a_template(
        words in prop::collection::vec(prop_oneof![
            Just("$".to_owned()), Just("$context.".to_owned()), Just("error.message".to_owned()),
            Just("$stageVariables.".to_owned()), Just("$method.request.".to_owned()),
            Just("header.".to_owned()), Just("authorizer.".to_owned()), any::<String>(),
        ], 0..12),
    ) {
        let template = words.concat();
        let found = rendered(&template);
        if !template.contains('$') {
            prop_assert_eq!(found, template);
        }
    }

    #[test]
    fn a_quoted_text_is_json(text in any::<String>()) {
        let mut out = Vec::new();
        quote(text.as_bytes(), &mut out);
        let read: String = serde_json::from_slice(&out).expect("is JSON");
        prop_assert_eq!(read, text);
    }
}
