//! Mapping expressions: what a value is mapped to, and where it comes from.
//!
//! Shape: a [`ParameterMapping`] is one row of `requestParameters` or `responseParameters`; the
//! expressions print as they are read. Units: none.
//! Errors: the `parse` functions answer `None` for other text.
//! Source: the gateway's REST API guide, "Request and response parameter mapping".

use std::fmt;

use super::Place;

/// One row of `requestParameters` or `responseParameters`: `target` gets the value of `source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterMapping {
    pub target: ParameterTarget,
    pub source: ParameterSource,
    /// Pointer of the row's value.
    pub pointer: String,
}

/// What a mapping sets: `integration.request.{path|querystring|header}.NAME`, or in a response
/// `method.response.header.NAME`, whose place is [`Place::Header`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterTarget {
    pub place: Place,
    pub name: String,
}

impl ParameterTarget {
    /// `integration.request.{path|querystring|header}.NAME`.
    pub fn parse(text: &str) -> Option<ParameterTarget> {
        let (place, name) = place_and_name(text.strip_prefix("integration.request.")?)?;
        Some(ParameterTarget { place, name })
    }

    /// `method.response.header.NAME`.
    pub fn parse_response(text: &str) -> Option<ParameterTarget> {
        let name = text.strip_prefix("method.response.header.")?;
        (!name.is_empty()).then(|| ParameterTarget {
            place: Place::Header,
            name: name.to_owned(),
        })
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

impl fmt::Display for CacheKeySource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, place, name) = match self {
            CacheKeySource::Method { place, name } => ("method", place, name),
            CacheKeySource::Integration(target) => ("integration", &target.place, &target.name),
        };
        write!(out, "{side}.request.{}.{name}", place.as_str())
    }
}

/// Where a mapped value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterSource {
    /// `method.request.{path|querystring|header}.NAME`: the last value.
    Request { place: Place, name: String },
    /// `method.request.multivalue{querystring|header}.NAME`: all values.
    RequestValues { place: Place, name: String },
    /// `method.request.body[.PATH]`: a JSONPath without its `$`.
    RequestBody { path: String },
    /// `integration.response.header.NAME`: the last value.
    ResponseHeader { name: String },
    /// `integration.response.multivalueheader.NAME`: all values.
    ResponseHeaderValues { name: String },
    /// `integration.response.body[.PATH]`.
    ResponseBody { path: String },
    /// `context.NAME`.
    Context { name: String },
    /// `stageVariables.NAME`.
    StageVariable { name: String },
    /// `'text'`: the text between the quotes.
    Static(String),
}

impl ParameterSource {
    pub fn parse(text: &str) -> Option<ParameterSource> {
        if let Some(inner) = text.strip_prefix('\'') {
            let inner = inner.strip_suffix('\'')?;
            return Some(ParameterSource::Static(inner.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("method.request.") {
            return Self::of_request(rest);
        }
        if let Some(rest) = text.strip_prefix("integration.response.") {
            return Self::of_response(rest);
        }
        if let Some(name) = text.strip_prefix("context.") {
            return named(name).map(|name| ParameterSource::Context { name });
        }
        let name = text.strip_prefix("stageVariables.")?;
        named(name).map(|name| ParameterSource::StageVariable { name })
    }

    fn of_request(rest: &str) -> Option<ParameterSource> {
        if let Some(path) = body_path(rest) {
            return Some(ParameterSource::RequestBody { path });
        }
        if let Some(plural) = rest.strip_prefix("multivalue") {
            let (place, name) = place_and_name(plural)?;
            let is_plural = place != Place::Path;
            return is_plural.then_some(ParameterSource::RequestValues { place, name });
        }
        let (place, name) = place_and_name(rest)?;
        Some(ParameterSource::Request { place, name })
    }

    fn of_response(rest: &str) -> Option<ParameterSource> {
        if let Some(path) = body_path(rest) {
            return Some(ParameterSource::ResponseBody { path });
        }
        if let Some(name) = rest.strip_prefix("multivalueheader.") {
            return named(name).map(|name| ParameterSource::ResponseHeaderValues { name });
        }
        let name = rest.strip_prefix("header.")?;
        named(name).map(|name| ParameterSource::ResponseHeader { name })
    }

    /// Whether it reads the answer of an integration, so that no request can be mapped from it.
    pub fn is_of_response(&self) -> bool {
        matches!(
            self,
            ParameterSource::ResponseHeader { .. }
                | ParameterSource::ResponseHeaderValues { .. }
                | ParameterSource::ResponseBody { .. }
        )
    }
}

impl fmt::Display for ParameterSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = |out: &mut fmt::Formatter<'_>, side: &str, path: &str| match path {
            "" => out.write_str(side),
            path => write!(out, "{side}.{path}"),
        };
        match self {
            ParameterSource::Request { place, name } => {
                write!(out, "method.request.{}.{name}", place.as_str())
            }
            ParameterSource::RequestValues { place, name } => {
                write!(out, "method.request.multivalue{}.{name}", place.as_str())
            }
            ParameterSource::RequestBody { path } => body(out, "method.request.body", path),
            ParameterSource::ResponseHeader { name } => {
                write!(out, "integration.response.header.{name}")
            }
            ParameterSource::ResponseHeaderValues { name } => {
                write!(out, "integration.response.multivalueheader.{name}")
            }
            ParameterSource::ResponseBody { path } => body(out, "integration.response.body", path),
            ParameterSource::Context { name } => write!(out, "context.{name}"),
            ParameterSource::StageVariable { name } => write!(out, "stageVariables.{name}"),
            ParameterSource::Static(text) => write!(out, "'{text}'"),
        }
    }
}

/// What follows `body`; empty for the whole of it.
fn body_path(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix("body")?;
    match rest.strip_prefix('.') {
        Some(path) => named(path),
        None => (rest.is_empty() || rest.starts_with('[')).then(|| rest.to_owned()),
    }
}

fn named(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

fn place_and_name(text: &str) -> Option<(Place, String)> {
    let (place, name) = text.split_once('.')?;
    Some((Place::parse(place)?, named(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_read_and_print_or_are_refused() {
        let request = |place, name: &str| ParameterSource::Request {
            place,
            name: name.to_owned(),
        };
        let body = |path: &str| ParameterSource::RequestBody {
            path: path.to_owned(),
        };
        let rows = [
            ("method.request.path.id", Some(request(Place::Path, "id"))),
            (
                "method.request.querystring.a.b",
                Some(request(Place::Querystring, "a.b")),
            ),
            (
                "method.request.header.X-A",
                Some(request(Place::Header, "X-A")),
            ),
            (
                "method.request.multivalueheader.X-A",
                Some(ParameterSource::RequestValues {
                    place: Place::Header,
                    name: "X-A".to_owned(),
                }),
            ),
            ("method.request.multivaluepath.id", None),
            ("method.request.body", Some(body(""))),
            ("method.request.body.a[0].b", Some(body("a[0].b"))),
            ("method.request.body.", None),
            ("method.request.bodyguard", None),
            (
                "integration.response.header.ETag",
                Some(ParameterSource::ResponseHeader {
                    name: "ETag".to_owned(),
                }),
            ),
            (
                "integration.response.multivalueheader.Set-Cookie",
                Some(ParameterSource::ResponseHeaderValues {
                    name: "Set-Cookie".to_owned(),
                }),
            ),
            (
                "integration.response.body.error",
                Some(ParameterSource::ResponseBody {
                    path: "error".to_owned(),
                }),
            ),
            ("integration.response.querystring.a", None),
            (
                "context.identity.sourceIp",
                Some(ParameterSource::Context {
                    name: "identity.sourceIp".to_owned(),
                }),
            ),
            (
                "stageVariables.alias",
                Some(ParameterSource::StageVariable {
                    name: "alias".to_owned(),
                }),
            ),
            ("'it''s'", Some(ParameterSource::Static("it''s".to_owned()))),
            ("''", Some(ParameterSource::Static(String::new()))),
            ("'", None),
            ("method.request.path.", None),
            ("method.request.path", None),
            ("context.", None),
            ("stageVariables.", None),
            ("", None),
        ];
        for (given, expected) in rows {
            let read = ParameterSource::parse(given);
            assert_eq!(read, expected, "{given}");
            if let Some(read) = read {
                assert_eq!(read.to_string(), given);
            }
        }
    }

    #[test]
    fn targets_read_or_are_refused() {
        let header = Some(ParameterTarget {
            place: Place::Header,
            name: "X".to_owned(),
        });
        assert_eq!(
            ParameterTarget::parse("integration.request.header.X"),
            header
        );
        assert_eq!(ParameterTarget::parse("method.request.header.X"), None);
        let read = ParameterTarget::parse_response("method.response.header.X");
        assert_eq!(read, header);
        assert_eq!(
            ParameterTarget::parse_response("method.response.header."),
            None
        );
        assert_eq!(
            ParameterTarget::parse_response("method.response.body.X"),
            None
        );
    }
}
