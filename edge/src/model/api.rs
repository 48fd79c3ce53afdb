//! One API as its document describes it.
//!
//! Shape: an [`Api`] owns resources, a resource its methods, a method one integration. Each part
//! keeps the JSON pointer of the place in the document that defined it.
//! Units: milliseconds and HTTP status numbers.
//! Errors: [`ParameterTarget::parse`] and [`ParameterSource::parse`] answer `None` for other text.
//! Source: the gateway's REST API guide, "OpenAPI extensions" and "Integration settings".

use std::{collections::BTreeMap, fmt};

/// An API document, reduced to what this gateway serves.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Api {
    /// Short stable identifier: in logs, `$context.apiId` and the default host form.
    pub id: String,
    /// `info.title`, for people.
    pub name: String,
    /// In document order.
    pub resources: Vec<Resource>,
}

/// One path with its methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// As written: `/pets/{id}`, `/files/{proxy+}`, `/`.
    pub path: String,
    /// Pointer of the path item, for example `/paths/~1pets`.
    pub pointer: String,
    /// In document order, no verb twice.
    pub methods: Vec<Method>,
}

/// What happens to one verb of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    pub verb: Verb,
    /// Pointer of the operation, for example `/paths/~1pets/get`.
    pub pointer: String,
    /// Parameters declared by the operation and by its path item; the operation wins.
    pub parameters: Vec<Parameter>,
    pub integration: Integration,
    /// `apiKeyRequired`.
    pub api_key_required: bool,
}

/// The verbs a REST API can route, and `ANY` for those a resource does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Any,
}

impl Verb {
    /// Every verb, `ANY` last.
    pub const ALL: [Verb; 8] = [
        Verb::Get,
        Verb::Head,
        Verb::Post,
        Verb::Put,
        Verb::Patch,
        Verb::Delete,
        Verb::Options,
        Verb::Any,
    ];

    /// Upper case, as in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Head => "HEAD",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
            Verb::Options => "OPTIONS",
            Verb::Any => "ANY",
        }
    }

    /// Reads a verb in any case; `None` for what cannot be routed (`TRACE`, `CONNECT`).
    pub fn parse(text: &str) -> Option<Verb> {
        Verb::ALL
            .into_iter()
            .find(|verb| verb.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A declared parameter of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub place: Place,
    pub name: String,
    pub required: bool,
    pub pointer: String,
}

/// Where a request carries a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    Path,
    Querystring,
    Header,
}

impl Place {
    /// The word used in mapping expressions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Place::Path => "path",
            Place::Querystring => "querystring",
            Place::Header => "header",
        }
    }

    fn parse(text: &str) -> Option<Place> {
        [Place::Path, Place::Querystring, Place::Header]
            .into_iter()
            .find(|place| place.as_str() == text)
    }
}

/// Who answers a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integration {
    HttpProxy(HttpProxy),
    Mock(Mock),
}

impl Integration {
    /// Pointer of the integration object.
    pub fn pointer(&self) -> &str {
        match self {
            Integration::HttpProxy(proxy) => &proxy.pointer,
            Integration::Mock(mock) => &mock.pointer,
        }
    }
}

/// The whole request goes to an HTTP origin and its answer comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProxy {
    /// Pointer of the integration object; `uri_pointer` and others name its members.
    pub pointer: String,
    /// The verb sent to the origin; `None` and `ANY` send the client's.
    pub http_method: Option<Verb>,
    /// As written, `{name}` and `${stageVariables.name}` included.
    pub uri: String,
    /// 50 to 29,000; default 29,000.
    pub timeout_ms: u32,
    pub request_parameters: Vec<ParameterMapping>,
    /// `cacheKeyParameters`, in document order.
    pub cache_key: Vec<CacheKeyPart>,
    /// `cacheNamespace`; methods that name the same one share their answers.
    pub cache_namespace: Option<String>,
}

impl HttpProxy {
    /// Longest and default wait for an origin.
    pub const TIMEOUT_MS_DEFAULT: u32 = 29_000;
    /// Shortest wait a document may ask for.
    pub const TIMEOUT_MS_MIN: u32 = 50;

    pub fn uri_pointer(&self) -> String {
        format!("{}/uri", self.pointer)
    }

    /// The URI with `${stageVariables.NAME}` replaced; an unknown name becomes nothing.
    pub fn uri_for_stage(&self, variables: &BTreeMap<String, String>) -> String {
        const OPEN: &str = "${stageVariables.";
        let mut out = String::with_capacity(self.uri.len());
        let mut rest = self.uri.as_str();
        while let Some((before, after)) = rest.split_once(OPEN) {
            let Some((name, tail)) = after.split_once('}') else {
                break;
            };
            out.push_str(before);
            out.push_str(variables.get(name).map_or("", String::as_str));
            rest = tail;
        }
        out.push_str(rest);
        out
    }

    pub fn timeout_pointer(&self) -> String {
        format!("{}/timeoutInMillis", self.pointer)
    }
}

/// One row of `requestParameters`: `target` gets the value of `source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterMapping {
    pub target: ParameterTarget,
    pub source: ParameterSource,
    /// Pointer of the row's value.
    pub pointer: String,
}

/// `integration.request.{path|querystring|header}.NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterTarget {
    pub place: Place,
    pub name: String,
}

impl ParameterTarget {
    pub fn parse(text: &str) -> Option<ParameterTarget> {
        let (place, name) = place_and_name(text.strip_prefix("integration.request.")?)?;
        Some(ParameterTarget { place, name })
    }
}

/// One entry of `cacheKeyParameters`: a value that tells one stored answer from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKeyPart {
    pub source: CacheKeySource,
    /// Pointer of the entry.
    pub pointer: String,
}

/// Where a value of a stage cache's key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheKeySource {
    /// `method.request.{path|querystring|header}.NAME`.
    Method { place: Place, name: String },
    /// `integration.request.{path|querystring|header}.NAME`: whatever is mapped to it.
    Integration(ParameterTarget),
}

impl CacheKeySource {
    pub fn parse(text: &str) -> Option<CacheKeySource> {
        if let Some(target) = ParameterTarget::parse(text) {
            return Some(CacheKeySource::Integration(target));
        }
        let (place, name) = place_and_name(text.strip_prefix("method.request.")?)?;
        Some(CacheKeySource::Method { place, name })
    }
}

/// Where a mapped value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterSource {
    /// `method.request.{path|querystring|header}.NAME`: the first value.
    Request { place: Place, name: String },
    /// `'text'`: the text between the quotes.
    Static(String),
}

impl ParameterSource {
    pub fn parse(text: &str) -> Option<ParameterSource> {
        if let Some(inner) = text.strip_prefix('\'') {
            let inner = inner.strip_suffix('\'')?;
            return Some(ParameterSource::Static(inner.to_owned()));
        }
        let (place, name) = place_and_name(text.strip_prefix("method.request.")?)?;
        Some(ParameterSource::Request { place, name })
    }
}

/// The gateway itself answers, from templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mock {
    pub pointer: String,
    pub passthrough: Passthrough,
    /// By content type, in document order; each must render to an object with `statusCode`.
    pub request_templates: Vec<Template>,
    /// In document order.
    pub responses: Vec<MockResponse>,
}

/// What to do with a request whose content type has no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Passthrough {
    #[default]
    WhenNoMatch,
    WhenNoTemplates,
    Never,
}

impl Passthrough {
    /// Reads the words of `passthroughBehavior`, in any case.
    pub fn parse(text: &str) -> Option<Passthrough> {
        match text.to_ascii_lowercase().as_str() {
            "when_no_match" => Some(Passthrough::WhenNoMatch),
            "when_no_templates" => Some(Passthrough::WhenNoTemplates),
            "never" => Some(Passthrough::Never),
            _ => None,
        }
    }
}

/// A template for one content type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub content_type: String,
    pub text: String,
    pub pointer: String,
}

/// One answer a mock can give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockResponse {
    pub pointer: String,
    /// The member's name in `responses`: a pattern, or `default` (then `None`).
    pub selection_pattern: Option<String>,
    /// 100 to 599.
    pub status: u16,
    /// `method.response.header.NAME` with the text of its `'static'` value.
    pub response_parameters: Vec<ResponseHeader>,
    pub response_templates: Vec<Template>,
}

/// A header that a mock response sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    pub name: String,
    pub value: String,
    pub pointer: String,
}

fn place_and_name(text: &str) -> Option<(Place, String)> {
    let (place, name) = text.split_once('.')?;
    if name.is_empty() {
        return None;
    }
    Some((Place::parse(place)?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_expressions_read_or_refuse() {
        let rows = [
            ("method.request.path.id", Some((Place::Path, "id"))),
            (
                "method.request.querystring.a.b",
                Some((Place::Querystring, "a.b")),
            ),
            ("method.request.header.X-A", Some((Place::Header, "X-A"))),
            ("method.request.body.id", None),
            ("method.request.path.", None),
            ("method.request.path", None),
            ("context.requestId", None),
            ("", None),
        ];
        for (given, expected) in rows {
            let expected = expected.map(|(place, name)| ParameterSource::Request {
                place,
                name: name.to_owned(),
            });
            assert_eq!(ParameterSource::parse(given), expected, "{given}");
        }
        assert_eq!(
            ParameterSource::parse("'it''s'"),
            Some(ParameterSource::Static("it''s".to_owned()))
        );
        assert_eq!(ParameterSource::parse("'"), None);
        assert_eq!(
            ParameterTarget::parse("integration.request.header.X"),
            Some(ParameterTarget {
                place: Place::Header,
                name: "X".to_owned()
            })
        );
        assert_eq!(ParameterTarget::parse("method.request.header.X"), None);
    }

    #[test]
    fn stage_variables_are_put_in() {
        let variables = BTreeMap::from([("host".to_owned(), "h.example".to_owned())]);
        let rows = [
            ("https://a/b", "https://a/b"),
            (
                "https://${stageVariables.host}/{p}",
                "https://h.example/{p}",
            ),
            (
                "${stageVariables.host}${stageVariables.none}x",
                "h.examplex",
            ),
            (
                "https://${stageVariables.host",
                "https://${stageVariables.host",
            ),
        ];
        for (given, expected) in rows {
            let proxy = HttpProxy {
                pointer: String::new(),
                http_method: None,
                uri: given.to_owned(),
                timeout_ms: HttpProxy::TIMEOUT_MS_DEFAULT,
                request_parameters: Vec::new(),
                cache_key: Vec::new(),
                cache_namespace: None,
            };
            assert_eq!(proxy.uri_for_stage(&variables), expected, "{given}");
        }
    }

    #[test]
    fn verbs_read_in_any_case() {
        for verb in Verb::ALL {
            assert_eq!(
                Verb::parse(&verb.as_str().to_ascii_lowercase()),
                Some(verb),
                "{verb}"
            );
        }
        assert_eq!(Verb::parse("TRACE"), None);
    }
}
