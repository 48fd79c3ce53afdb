//! Gateway responses: what an API says instead of the gateway's own error answers.
//!
//! Shape: [`GatewayResponses::compile`] once, when an API is deployed; [`GatewayResponses::of`]
//! for an error: nothing, where the gateway's own bytes are the answer, or a [`GatewayResponse`],
//! which renders body and fields. A type that is set ignores the class's `DEFAULT_4XX` or
//! `DEFAULT_5XX`; one that is not takes all of it. Templates are plain substitution. Units: HTTP
//! statuses, bytes. Errors: [`ResponseFault`], with a pointer below the responses; a body longer
//! than [`BODY_BYTES_MAX`] is not rendered. Source: Amazon API Gateway developer guide, "gateway
//! responses" and "gateway response types".

mod substitute;

use super::variables::{ParameterPlace, Variables};
use crate::wire::token;
use std::{borrow::Cow, sync::Arc};
use substitute::{Pieces, Place};

/// Longest rendered body.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest template.
pub const TEMPLATE_BYTES_MAX: usize = 64 * 1024;

macro_rules! response_types {
    ($($variant:ident $name:literal $status:expr;)*) => {
        /// What a gateway response answers.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // The table names each.
        pub enum ResponseType { $($variant,)* }

        impl ResponseType {
            /// Every type, by name.
            pub const ALL: &'static [ResponseType] = &[$(ResponseType::$variant,)*];

            /// As documents and `$context.error.responseType` name it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(ResponseType::$variant => $name,)* }
            }

            /// The status it has of itself; the two defaults have none.
            #[must_use]
            pub const fn status(self) -> Option<u16> {
                match self { $(ResponseType::$variant => $status,)* }
            }
        }
    };
}

response_types! {
    AccessDenied "ACCESS_DENIED" Some(403);
    ApiConfigurationError "API_CONFIGURATION_ERROR" Some(500);
    AuthorizerConfigurationError "AUTHORIZER_CONFIGURATION_ERROR" Some(500);
    AuthorizerFailure "AUTHORIZER_FAILURE" Some(500);
    BadRequestBody "BAD_REQUEST_BODY" Some(400);
    BadRequestParameters "BAD_REQUEST_PARAMETERS" Some(400);
    Default4xx "DEFAULT_4XX" None;
    Default5xx "DEFAULT_5XX" None;
    ExpiredToken "EXPIRED_TOKEN" Some(403);
    IntegrationFailure "INTEGRATION_FAILURE" Some(504);
    IntegrationTimeout "INTEGRATION_TIMEOUT" Some(504);
    InvalidApiKey "INVALID_API_KEY" Some(403);
    InvalidSignature "INVALID_SIGNATURE" Some(403);
    MissingAuthenticationToken "MISSING_AUTHENTICATION_TOKEN" Some(403);
    QuotaExceeded "QUOTA_EXCEEDED" Some(429);
    RequestTooLarge "REQUEST_TOO_LARGE" Some(413);
    ResourceNotFound "RESOURCE_NOT_FOUND" Some(404);
    Throttled "THROTTLED" Some(429);
    Unauthorized "UNAUTHORIZED" Some(401);
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" Some(415);
    WafFiltered "WAF_FILTERED" Some(403);
}

impl ResponseType {
    /// The type of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<ResponseType> {
        let mut all = ResponseType::ALL.iter().copied();
        all.find(|kind| kind.name() == name)
    }

    /// The default of its class; that of a default is itself.
    #[must_use]
    pub fn class(self) -> ResponseType {
        match self.status() {
            Some(..500) => ResponseType::Default4xx,
            Some(_) => ResponseType::Default5xx,
            None => self,
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// One gateway response as it is written.
#[derive(Clone, Copy, Debug)]
pub struct ResponseSettings<'s> {
    /// What it answers.
    pub kind: ResponseType,
    /// `statusCode`.
    pub status: Option<u16>,
    /// `responseParameters`: `gatewayresponse.header.NAME` and its source.
    pub parameters: &'s [(&'s str, &'s str)],
    /// `responseTemplates`: media type and template.
    pub templates: &'s [(&'s str, &'s str)],
}

/// What is wrong with a gateway response.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{pointer}: {reason}")]
pub struct ResponseFault {
    /// Place below the responses, as `/DEFAULT_4XX/responseTemplates/text~1plain`.
    pub pointer: String,
    /// What is wrong there.
    pub reason: String,
}

/// The gateway responses of an API.
#[derive(Clone, Debug)]
pub struct GatewayResponses {
    by_type: [Option<Arc<GatewayResponse>>; ResponseType::ALL.len()],
}

impl Default for GatewayResponses {
    /// None set: every answer is the gateway's own.
    fn default() -> GatewayResponses {
        GatewayResponses {
            by_type: [const { None }; ResponseType::ALL.len()],
        }
    }
}

impl GatewayResponses {
    /// Compiles the responses of an API.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn compile(all: &[ResponseSettings<'_>]) -> Result<GatewayResponses, Vec<ResponseFault>> {
        let mut responses = GatewayResponses::default();
        let mut faults = Vec::new();
        for settings in all {
            let response = GatewayResponse::compile(settings, &mut faults);
            match responses.by_type.get_mut(settings.kind.index()) {
                Some(place @ None) => *place = Some(Arc::new(response)),
                _ => faults.push(fault(settings, "", "is set twice".to_owned())),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        for kind in ResponseType::ALL {
            if responses.of(*kind).is_none() {
                let inherited = responses
                    .by_type
                    .get(kind.class().index())
                    .cloned()
                    .flatten();
                if let Some(place) = responses.by_type.get_mut(kind.index()) {
                    *place = inherited;
                }
            }
        }
        Ok(responses)
    }

    /// What answers an error of this type; `None`: the gateway's own answer.
    #[must_use]
    #[inline]
    pub fn of(&self, kind: ResponseType) -> Option<&GatewayResponse> {
        self.by_type.get(kind.index())?.as_deref()
    }
}

/// A compiled gateway response.
#[derive(Clone, Debug)]
pub struct GatewayResponse {
    status: Option<u16>,
    fields: Box<[Field]>,
    /// By media type, as written; at least one.
    templates: Box<[(Box<str>, Pieces)]>,
}

#[derive(Clone, Debug)]
struct Field {
    name: Box<str>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Constant(Box<[u8]>),
    Variable(Place),
}

/// The body would be longer than [`BODY_BYTES_MAX`]; the gateway's own takes its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the body of the gateway response is longer than {BODY_BYTES_MAX} bytes")]
pub struct TooLong;

/// The template of a response that has none.
pub const TEMPLATE_DEFAULT: &str = r#"{"message":$context.error.messageString}"#;
/// Its media type.
pub const MEDIA_TYPE_DEFAULT: &str = "application/json";

impl GatewayResponse {
    fn compile(settings: &ResponseSettings<'_>, faults: &mut Vec<ResponseFault>) -> Self {
        if settings
            .status
            .is_some_and(|status| !(200..=599).contains(&status))
        {
            faults.push(fault(
                settings,
                "/statusCode",
                "a status is 200 to 599".to_owned(),
            ));
        }
        let mut fields: Vec<Field> = Vec::new();
        for (target, source) in settings.parameters {
            match field(target, source) {
                Ok(field) if fields.iter().any(|known| known.is(&field.name)) => {
                    let reason = "sets a header that is set already".to_owned();
                    faults.push(fault(
                        settings,
                        &member("responseParameters", target),
                        reason,
                    ));
                }
                Ok(field) => fields.push(field),
                Err(reason) => {
                    faults.push(fault(
                        settings,
                        &member("responseParameters", target),
                        reason,
                    ));
                }
            }
        }
        let mut templates = Vec::new();
        for (media_type, template) in settings.templates {
            let reason = if !is_media_type(media_type) {
                "not a media type"
            } else if template.len() > TEMPLATE_BYTES_MAX {
                "longer than 64 KiB"
            } else {
                templates.push(((*media_type).into(), Pieces::compile(template)));
                continue;
            };
            let place = member("responseTemplates", media_type);
            faults.push(fault(settings, &place, reason.to_owned()));
        }
        if templates.is_empty() {
            templates.push((MEDIA_TYPE_DEFAULT.into(), Pieces::compile(TEMPLATE_DEFAULT)));
        }
        GatewayResponse {
            status: settings.status.or(settings.kind.status()),
            fields: fields.into(),
            templates: templates.into(),
        }
    }

    /// The status; `None`: that of the error.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether it sets this field, in place of the one that the gateway would write.
    #[must_use]
    pub fn sets(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.is(name))
    }

    /// Hands out the fields it sets. One without a value, or with one that no field can have, is
    /// left out.
    pub fn fields(&self, variables: &dyn Variables, mut each: impl FnMut(&str, &[u8])) {
        for field in &self.fields {
            let value = match &field.source {
                Source::Constant(value) => Some(Cow::Borrowed(&**value)),
                Source::Variable(place) => place.value(variables),
            };
            let Some(value) = value else { continue };
            let value = value.trim_ascii();
            if !value.is_empty() && token::all(value, token::VALUE) {
                each(&field.name, value);
            }
        }
    }

    /// Appends the body for a client with this `Accept` to `out`, and tells its media type: that
    /// of the first media range, else JSON, else the first one.
    ///
    /// # Errors
    /// [`TooLong`]; `out` is then as it was.
    pub fn body(
        &self,
        accept: Option<&[u8]>,
        variables: &dyn Variables,
        out: &mut Vec<u8>,
    ) -> Result<&str, TooLong> {
        let named = |wanted: &[u8]| {
            (self.templates.iter()).find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(wanted))
        };
        let chosen = accept
            .and_then(|accept| named(first_media_type(accept)))
            .or_else(|| named(MEDIA_TYPE_DEFAULT.as_bytes()))
            .or_else(|| self.templates.first());
        let Some((media_type, pieces)) = chosen else {
            return Ok(MEDIA_TYPE_DEFAULT);
        };
        let before = out.len();
        let rendered = pieces.render(variables, out, before.saturating_add(BODY_BYTES_MAX));
        rendered.inspect_err(|_| out.truncate(before))?;
        Ok(media_type)
    }
}

impl Field {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// One of `responseParameters`.
fn field(target: &str, source: &str) -> Result<Field, String> {
    let name = target
        .strip_prefix("gatewayresponse.header.")
        .ok_or("only `gatewayresponse.header.NAME` can be set")?;
    if !token::is_token(name.as_bytes()) {
        return Err(format!("`{name}` is no header name"));
    }
    if GATEWAYS_OWN
        .iter()
        .any(|own| own.eq_ignore_ascii_case(name))
    {
        return Err(format!("`{name}` is written by the gateway alone"));
    }
    let constant = source
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    let source = match constant {
        Some(text) if token::all(text.as_bytes(), token::VALUE) => {
            Source::Constant(text.as_bytes().into())
        }
        Some(_) => return Err("a header value holds no control characters".to_owned()),
        None => Source::Variable(Place::parse(source).ok_or_else(|| {
            format!(
                "`{source}` is not `'text'`, `context.NAME`, `stageVariables.NAME` or \
                 `method.request.header|path|querystring.NAME`"
            )
        })?),
    };
    Ok(Field {
        name: name.into(),
        source,
    })
}

/// Fields that frame the answer or say when it was made.
const GATEWAYS_OWN: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn is_media_type(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, rest)| {
        token::is_token(kind.as_bytes())
            && !rest.is_empty()
            && token::all(rest.as_bytes(), token::VALUE)
    })
}

/// The first media range of an `Accept`, without its parameters.
fn first_media_type(accept: &[u8]) -> &[u8] {
    let end = accept.iter().position(|byte| matches!(byte, b',' | b';'));
    accept
        .get(..end.unwrap_or(accept.len()))
        .unwrap_or(accept)
        .trim_ascii()
}

fn member(object: &str, key: &str) -> String {
    format!("/{object}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn fault(settings: &ResponseSettings<'_>, place: &str, reason: String) -> ResponseFault {
    ResponseFault {
        pointer: format!("/{}{place}", settings.kind.name()),
        reason,
    }
}

/// A text as JSON prints it, with its quotes: `$context.error.messageString` of a message.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' => out.extend(b"\\\""),
            '\\' => out.extend(b"\\\\"),
            '\n' => out.extend(b"\\n"),
            '\r' => out.extend(b"\\r"),
            '\t' => out.extend(b"\\t"),
            control @ ('\0'..='\u{1f}' | '\u{7f}') => {
                out.extend(format!("\\u{:04x}", u32::from(control)).as_bytes());
            }
            other => out.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
#[path = "gateway_response/tests.rs"]
mod tests;
