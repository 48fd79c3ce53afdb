//! `http_proxy` integrations: the URI as a template, mappings as sources.
//!
//! Shape: one method at a time, within a [`MethodScope`]. Units: milliseconds. Ranges: timeouts
//! from 50 ms to 29 s, or to `limits.integration_ms` where that is longer; to 15 min for an answer
//! that streams. Errors: findings on the
//! API's document. Source: Amazon API Gateway developer guide, "integration settings" and
//! "parameter mapping"; recorded lists of names that a mapping cannot set.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    apis::{MethodScope, verb_key},
    listen::is_token,
    stream,
    uri::{self, Authority, Piece},
};
use crate::{
    integrate::{
        encode::encoded,
        headers::{Fate, Kind, Way, fate},
        http_proxy::{HeaderMap, HttpProxyPlan, QueryPair, Segment, Source},
    },
    model::api::{
        ApiKind, Connection, Integration, IntegrationKind, ParameterMapping, ParameterSource, Place,
    },
    origin::{Face, OriginIndex},
    route::VerbKey,
};

pub(super) fn compile(
    proxy: &Integration,
    scope: &mut MethodScope<'_, '_>,
) -> Option<HttpProxyPlan> {
    let timeout_ms = timeout_ms(proxy, scope);
    let mappings = mappings(proxy, scope);
    let text = uri_text(proxy, scope);
    let uri = match uri::parse(&text) {
        Ok(uri) => uri,
        Err(fault) => {
            let hint = "write https://host/path; names of path parameters stand in braces";
            scope.reporter.error(proxy.uri_pointer(), fault, hint);
            return None;
        }
    };
    let path = if uri.path.is_empty() { "/" } else { uri.path };
    let mut template = Template {
        proxy,
        mappings: &mappings,
        named: BTreeSet::new(),
    };
    let path = template.segments(path, scope)?;
    let query = template.segments(uri.query, scope)?;
    template.report_unplaced(scope);
    let check_path = may_be_forbidden(&path);
    let (headers, host) = headers(proxy, &mappings, &uri.authority, scope);
    let origin = origin(proxy, &uri.authority, scope);
    Some(HttpProxyPlan {
        origin,
        face: face(origin, scope),
        method: match proxy.http_method.map(verb_key) {
            Some(VerbKey::One(verb)) => Some(verb),
            Some(VerbKey::Any) | None => None,
        },
        rules: scope.header_rules,
        host,
        uri: text.as_str().into(),
        timeout_ms,
        idle_ms: stream::idle_ms(proxy, scope),
        headers,
        path: path.into(),
        query: query.into(),
        pairs: pairs(&mappings),
        check_path,
    })
}

/// The URI in this stage; variables that are not defined are named.
pub(super) fn uri_text(proxy: &Integration, scope: &mut MethodScope<'_, '_>) -> String {
    for name in uri::undefined(&proxy.uri, scope.stage_variables) {
        scope.reporter.warning(
            proxy.uri_pointer(),
            format!("the stage variable `{name}` is not defined and renders as empty"),
            "define it in the API's `variables`",
        );
    }
    proxy.uri_for_stage(scope.stage_variables)
}

/// The rows of `requestParameters` that are in order.
type Mappings<'p> = BTreeMap<(Place, &'p str), (Source, &'p ParameterMapping)>;

fn mappings<'p>(proxy: &'p Integration, scope: &mut MethodScope<'_, '_>) -> Mappings<'p> {
    let mut mappings = Mappings::new();
    for row in &proxy.request_parameters {
        let Some(source) = source(row, scope) else {
            continue;
        };
        let key = (row.target.place, row.target.name.as_str());
        if mappings.insert(key, (source, row)).is_some() {
            let message = format!("`{}` is mapped twice", row.target.name);
            scope.reporter.error(&*row.pointer, message, "");
        }
    }
    mappings
}

/// Whether the payload can stream: no mapping needs more than the head, and nothing converts it.
pub(super) fn streams(proxy: &Integration) -> bool {
    let is_of_head = |row: &ParameterMapping| {
        matches!(
            row.source,
            ParameterSource::Static(_)
                | ParameterSource::Request { .. }
                | ParameterSource::StageVariable { .. }
        )
    };
    proxy.content_handling.is_none() && proxy.request_parameters.iter().all(is_of_head)
}

pub(super) fn source(row: &ParameterMapping, scope: &mut MethodScope<'_, '_>) -> Option<Source> {
    match &row.source {
        ParameterSource::Static(text) => Some(Source::Static(text.as_bytes().into())),
        ParameterSource::Request { place, name } => {
            request_source(*place, name, &row.pointer, scope)
        }
        ParameterSource::StageVariable { name } => {
            let value = scope.stage_variables.get(name);
            value.map(|value| Source::Static(value.as_bytes().into()))
        }
        other => {
            let message = format!("`{other}` cannot be the source of a request");
            scope.reporter.error(&*row.pointer, message, "");
            None
        }
    }
}

/// `method.request.PLACE.NAME`, if the method has such a parameter.
pub(super) fn request_source(
    place: Place,
    name: &str,
    pointer: &str,
    scope: &mut MethodScope<'_, '_>,
) -> Option<Source> {
    let declared = |same: &dyn Fn(&str) -> bool| {
        let mut parameters = scope.method.parameters.iter();
        parameters.any(|parameter| parameter.place == place && same(&parameter.name))
    };
    let (found, hint) = match place {
        Place::Path => {
            let ordinal = scope.variables.iter().position(|known| *known == name);
            let ordinal = ordinal.and_then(|ordinal| u8::try_from(ordinal).ok());
            let hint = match scope.variables {
                [] => "the resource path has no variables".to_owned(),
                names => format!("the resource path has {}", names.join(", ")),
            };
            (ordinal.map(Source::Param), hint)
        }
        Place::Querystring => (
            declared(&|known| known == name).then(|| Source::Query(name.as_bytes().into())),
            "declare it in the operation's `parameters` with `in: query`".to_owned(),
        ),
        Place::Header => (
            declared(&|known| known.eq_ignore_ascii_case(name))
                .then(|| Source::Header(name.into())),
            "declare it in the operation's `parameters` with `in: header`".to_owned(),
        ),
    };
    if found.is_none() {
        let message = format!(
            "`method.request.{}.{name}` names an undeclared parameter",
            place.as_str()
        );
        scope.reporter.error(pointer, message, hint);
    }
    found
}

/// Names in the URI that nothing is mapped to although the resource has such a variable.
pub(super) fn unmapped_names(proxy: &Integration, scope: &mut MethodScope<'_, '_>) -> Vec<String> {
    let mapped = |name: &str| {
        let mut rows = proxy.request_parameters.iter();
        rows.any(|row| row.target.place == Place::Path && row.target.name == name)
    };
    let text = proxy.uri_for_stage(scope.stage_variables);
    let Ok(pieces) = uri::pieces(&text) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for piece in pieces {
        if let Piece::Name { name, .. } = piece
            && !mapped(name)
        {
            if scope.variables.contains(&name) {
                report_unmapped(proxy, name, scope);
                names.push(name.to_owned());
            } else {
                report_valueless(proxy, name, scope);
            }
        }
    }
    names
}

fn report_unmapped(proxy: &Integration, name: &str, scope: &mut MethodScope<'_, '_>) {
    if scope.api_kind == ApiKind::Http {
        return; // there it is the rule
    }
    let message =
        format!("`{{{name}}}` is not mapped; it takes the path parameter of the same name");
    let hint = format!("say so: integration.request.path.{name}: method.request.path.{name}");
    scope.reporter.warning(proxy.uri_pointer(), message, hint);
}

fn report_valueless(proxy: &Integration, name: &str, scope: &mut MethodScope<'_, '_>) {
    let message = format!("`{{{name}}}` has no value and is sent as written");
    let hint = format!("map integration.request.path.{name}, or correct the name");
    scope.reporter.warning(proxy.uri_pointer(), message, hint);
}

/// A URI's path or query on the way to segments.
struct Template<'t> {
    proxy: &'t Integration,
    mappings: &'t Mappings<'t>,
    /// Names that stand in the URI.
    named: BTreeSet<String>,
}

impl Template<'_> {
    fn segments(&mut self, text: &str, scope: &mut MethodScope<'_, '_>) -> Option<Vec<Segment>> {
        let pieces = match uri::pieces(text) {
            Ok(pieces) => pieces,
            Err(fault) => {
                let hint = "write `{name}`";
                scope.reporter.error(self.proxy.uri_pointer(), fault, hint);
                return None;
            }
        };
        let mut segments = Vec::new();
        for piece in pieces {
            segments.push(match piece {
                Piece::Literal(text) => Segment::Literal(text.as_bytes().into()),
                Piece::Name { name, written } => self.value(name, written, scope),
            });
        }
        Some(segments)
    }

    fn value(&mut self, name: &str, written: &str, scope: &mut MethodScope<'_, '_>) -> Segment {
        self.named.insert(name.to_owned());
        let written = written.as_bytes().into();
        if let Some((source, _)) = self.mappings.get(&(Place::Path, name)) {
            return match source {
                Source::Static(text) => Segment::Literal(encoded(&String::from_utf8_lossy(text))),
                source => Segment::Value {
                    source: source.clone(),
                    written,
                },
            };
        }
        let ordinal = scope.variables.iter().position(|known| *known == name);
        match ordinal.and_then(|ordinal| u8::try_from(ordinal).ok()) {
            Some(ordinal) => {
                report_unmapped(self.proxy, name, scope);
                Segment::Value {
                    source: Source::Param(ordinal),
                    written,
                }
            }
            None => {
                report_valueless(self.proxy, name, scope);
                Segment::Literal(written)
            }
        }
    }

    fn report_unplaced(&self, scope: &mut MethodScope<'_, '_>) {
        for ((place, name), (_, row)) in self.mappings {
            if *place == Place::Path && !self.named.contains(*name) {
                let message = format!("the URI has no `{{{name}}}`, so the row has no effect");
                scope.reporter.warning(&*row.pointer, message, "");
            }
        }
    }
}

/// Query pairs to append. A name mapped to itself already stands in the client's query.
fn pairs(mappings: &Mappings<'_>) -> Box<[QueryPair]> {
    let rows = mappings.iter().filter_map(|((place, name), (source, _))| {
        let itself = matches!(source, Source::Query(own) if **own == *name.as_bytes());
        (*place == Place::Querystring && !itself).then(|| QueryPair {
            name: encoded(name),
            source: match source {
                Source::Static(text) => Source::Static(encoded(&String::from_utf8_lossy(text))),
                source => source.clone(),
            },
        })
    });
    rows.collect()
}

/// Mapped fields, and what `Host` says.
fn headers(
    proxy: &Integration,
    mappings: &Mappings<'_>,
    authority: &Authority,
    scope: &mut MethodScope<'_, '_>,
) -> (Box<[HeaderMap]>, Source) {
    let mut host = Source::Static(authority.host_field().as_bytes().into());
    let mut headers = Vec::new();
    // In document order, as they are sent.
    for row in &proxy.request_parameters {
        let key = (Place::Header, row.target.name.as_str());
        let Some((source, _)) = (mappings.get(&key)).filter(|(_, known)| *known == row) else {
            continue;
        };
        let name = key.1;
        if row.target.place != Place::Header {
            continue;
        }
        let fate = fate(Way::MappingToBackend, Kind::HttpProxy, name.as_bytes());
        if !is_token(name) {
            scope
                .reporter
                .error(&*row.pointer, format!("`{name}` is no header name"), "");
        } else if matches!(source, Source::Static(text) if !is_field_bytes(text)) {
            let message = "the value holds a control character";
            scope.reporter.error(&*row.pointer, message, "");
        } else if fate == Fate::Refuse {
            let message = format!("a mapping cannot set `{name}`");
            let hint = "the service answers such requests with 500; remove the row";
            scope.reporter.error(&*row.pointer, message, hint);
        } else if fate == Fate::Drop {
            let message = format!("`{name}` is the gateway's own; the row has no effect");
            scope.reporter.warning(&*row.pointer, message, "remove it");
        } else if name.eq_ignore_ascii_case("host") {
            if let Source::Static(text) = source
                && uri::parse_bare(&format!("http://{}", String::from_utf8_lossy(text))).is_err()
            {
                scope
                    .reporter
                    .error(&*row.pointer, "the value is no host", "");
            }
            host = source.clone();
        } else {
            headers.push(HeaderMap {
                name: name.into(),
                source: source.clone(),
            });
        }
    }
    (headers.into(), host)
}

pub(super) fn timeout_ms(proxy: &Integration, scope: &mut MethodScope<'_, '_>) -> u32 {
    let limit = match stream::idle_ms(proxy, scope) {
        // How long an answer may be under way is no wait for its head.
        Some(_) => (scope.limits.integration_ms).max(Integration::TIMEOUT_MS_MAX_STREAM),
        None => scope.limits.integration_ms,
    };
    let most = Integration::timeout_ms_default(scope.api_kind);
    let max = limit.max(most);
    if !(Integration::TIMEOUT_MS_MIN..=max).contains(&proxy.timeout_ms) {
        let message = format!(
            "timeoutInMillis is {}, outside {} to {max}",
            proxy.timeout_ms,
            Integration::TIMEOUT_MS_MIN
        );
        let hint = "longer waits need a larger `limits.integration_ms`, or STREAM as the \
                    `responseTransferMode`";
        scope.reporter.error(proxy.timeout_pointer(), message, hint);
    }
    // A limit that was lowered holds; the one that stands there anyway is that of a REST API.
    let is_lowered = limit < Integration::TIMEOUT_MS_DEFAULT;
    proxy.timeout_ms.min(if is_lowered { limit } else { max })
}

pub(super) fn origin(
    proxy: &Integration,
    authority: &Authority,
    scope: &mut MethodScope<'_, '_>,
) -> OriginIndex {
    if let Connection::VpcLink { id, pointer } = &proxy.connection {
        let id = stage_text(id, scope.stage_variables);
        if let Some(index) = scope.origins.find_link(&id) {
            return index;
        }
        let message = format!("no origin is behind the VPC link `{id}`");
        let hint = format!("name one in the settings: [origins.NAME] vpc_link = \"{id}\"");
        scope.reporter.error(&**pointer, message, hint);
    }
    let index = scope.origins.find(authority);
    if scope.origins.is_refused(index) {
        scope.reporter.warning(
            proxy.uri_pointer(),
            format!("connections to {authority} are refused: it is not a public address"),
            format!(
                "allow it in the settings: [origins.NAME] match = \"{authority}\", \
                 allow_addresses = [\"loopback\"]"
            ),
        );
    }
    index
}

/// As whom the stage asks `origin`.
pub(super) fn face(origin: OriginIndex, scope: &mut MethodScope<'_, '_>) -> Face {
    match scope.client_identity {
        Some(identity) => scope.origins.face(origin, identity),
        None => Face::OWN,
    }
}

/// `text` with stage variables put in.
fn stage_text(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut with_text = Integration::new(IntegrationKind::HttpProxy, "");
    text.clone_into(&mut with_text.uri);
    with_text.uri_for_stage(variables)
}

/// Whether a value could make a dot segment or a broken escape: path parameters that are whole
/// segments cannot, as the request was checked.
fn may_be_forbidden(segments: &[Segment]) -> bool {
    let ends = |segment: Option<&Segment>, slash_at: fn(&[u8]) -> Option<&u8>| match segment {
        None => true,
        Some(Segment::Literal(text)) => slash_at(text) == Some(&b'/'),
        Some(Segment::Value { .. }) => false,
    };
    segments
        .iter()
        .enumerate()
        .any(|(index, segment)| match segment {
            // Static values were encoded into literals, dots included.
            Segment::Literal(text) => text.contains(&b'.') && index > 0,
            Segment::Value {
                source: Source::Param(_),
                ..
            } => {
                let before = index.checked_sub(1).and_then(|before| segments.get(before));
                let whole = before.is_some()
                    && ends(before, <[u8]>::last)
                    && ends(segments.get(index + 1), <[u8]>::first);
                !whole
            }
            Segment::Value { .. } => true,
        })
}

/// Whether `text` can be a field value.
pub(super) fn is_field_value(text: &str) -> bool {
    is_field_bytes(text.as_bytes())
}

fn is_field_bytes(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}
