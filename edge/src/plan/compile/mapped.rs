//! Integrations that map: templates, patterns and the endpoint behind them.
//!
//! Shape: one method at a time, within a [`MethodScope`]. Units: milliseconds, status numbers.
//! Ranges: timeouts as `http_proxy` has them, templates to 300 KB, answers of 200 to 599. Errors:
//! findings on the API's document; those of templates name line and column. Source: Amazon API
//! Gateway developer guide, "integration settings", "mapping template reference",
//! "selectionPattern".

use super::{
    apis::{MethodScope, verb_key},
    http_proxy, stream,
    uri::{self, Uri},
};
use crate::{
    integrate::{
        content::{ContentHandling, PassthroughBehavior, Templates},
        headers::Kind,
        parameter::{HttpApiMapping, ParameterMapping, RowFault, RowPart},
        selection::{Selection, SelectionFault},
    },
    mapping,
    model::api::{
        self, ApiKind, HttpMapping, Integration, IntegrationKind, IntegrationResponse, Passthrough,
        Place, Template,
    },
    plan::{
        TemplatePlan,
        mapped::{AnswerPlan, Backend, HttpApiPlan, HttpPlan, MappedPlan, Piece, RequestPlan},
    },
    route::VerbKey,
};

/// An integration with an HTTP endpoint behind mappings.
pub(super) fn http(described: &Integration, scope: &mut MethodScope<'_, '_>) -> Option<MappedPlan> {
    let endpoint = endpoint(described, scope);
    let mapped = mapped(described, Backend::Mock, scope);
    Some(MappedPlan {
        backend: Backend::Http(endpoint?),
        ..mapped?
    })
}

/// An integration that the gateway answers itself, by templates.
pub(super) fn mock(described: &Integration, scope: &mut MethodScope<'_, '_>) -> Option<MappedPlan> {
    mapped(described, Backend::Mock, scope)
}

pub(super) fn mapped(
    described: &Integration,
    backend: Backend,
    scope: &mut MethodScope<'_, '_>,
) -> Option<MappedPlan> {
    let request = RequestPlan {
        parameters: request_parameters(described, scope)?,
        templates: templates(&described.request_templates, scope),
        passthrough: match described.passthrough {
            Passthrough::WhenNoMatch => PassthroughBehavior::WhenNoMatch,
            Passthrough::WhenNoTemplates => PassthroughBehavior::WhenNoTemplates,
            Passthrough::Never => PassthroughBehavior::Never,
        },
        handling: handling(described.content_handling),
    };
    let selection = selection(&described.responses, scope);
    let kind = kind(described.kind);
    let answers = described.responses.iter();
    let answers = answers
        .map(|response| answer(kind, response, scope))
        .collect::<Option<_>>();
    Some(MappedPlan {
        kind,
        backend,
        request,
        selection: selection?,
        answers: answers?,
        http_api: http_api(described, scope)?,
        streams: false,
    })
}

/// What an HTTP API edits; the inner option is empty for a REST API.
fn http_api(
    described: &Integration,
    scope: &mut MethodScope<'_, '_>,
) -> Option<Option<Box<HttpApiPlan>>> {
    if scope.api_kind == ApiKind::Rest {
        return Some(None);
    }
    if let Some(subtype) = &described.subtype {
        let message = format!("`{subtype}` is an action of a service: signed calls come later");
        scope.reporter.error(&*described.pointer, message, "");
        return None;
    }
    let mut report = |fault: RowFault, rows: &[HttpMapping]| {
        let pointer = rows.get(fault.row).map_or("", |row| &row.pointer);
        scope.reporter.error(pointer, row_message(&fault), "");
    };
    let request = HttpApiMapping::compile_request(sides(&described.request_changes));
    let request = request.map_err(|fault| report(fault, &described.request_changes));
    let mut answers = Vec::new();
    for status in &described.response_changes {
        match HttpApiMapping::compile_answer(sides(&status.rows)) {
            Ok(mapping) => answers.push((status.status, mapping)),
            Err(fault) => report(fault, &status.rows),
        }
    }
    Some(Some(Box::new(HttpApiPlan {
        request: request.ok()?,
        answers: answers.into(),
        format: described.payload_format,
    })))
}

/// The kind whose header rules hold.
pub(super) fn kind(kind: IntegrationKind) -> Kind {
    match kind {
        IntegrationKind::Mock => Kind::Mock,
        IntegrationKind::Http => Kind::Http,
        IntegrationKind::HttpProxy => Kind::HttpProxy,
        IntegrationKind::Aws => Kind::Aws,
        IntegrationKind::AwsProxy => Kind::AwsProxy,
    }
}

fn handling(described: Option<api::ContentHandling>) -> ContentHandling {
    match described {
        None => ContentHandling::Unset,
        Some(api::ContentHandling::ConvertToBinary) => ContentHandling::ToBinary,
        Some(api::ContentHandling::ConvertToText) => ContentHandling::ToText,
    }
}

/// Compiled templates; those that do not compile are errors.
fn templates(described: &[Template], scope: &mut MethodScope<'_, '_>) -> Templates<TemplatePlan> {
    let mut compiled = Vec::new();
    for template in described {
        match mapping::Template::compile(&template.text) {
            Ok(program) => {
                let plan = TemplatePlan::new(program, &template.text);
                compiled.push((template.content_type.clone(), plan));
            }
            Err(fault) => {
                let message = format!("the template does not compile: {fault}");
                let hint = "`tidegate template run FILE` shows the place";
                scope.reporter.error(&*template.pointer, message, hint);
            }
        }
    }
    Templates::new(compiled)
}

/// Which of `responses` answers.
pub(super) fn selection(
    responses: &[IntegrationResponse],
    scope: &mut MethodScope<'_, '_>,
) -> Option<Selection> {
    let patterns = responses
        .iter()
        .map(|response| response.selection_pattern.as_deref());
    let fault = match Selection::compile(patterns) {
        Ok(selection) => return Some(selection),
        Err(fault) => fault,
    };
    let (response, hint) = match &fault {
        SelectionFault::Pattern { response, .. } => (
            *response,
            "look-around and back-references are not served; escape `\\d` once",
        ),
        SelectionFault::TwoDefaults { response } => {
            (*response, "give one of them a selection pattern")
        }
    };
    let pointer = responses
        .get(response)
        .map_or("", |response| &response.pointer);
    scope.reporter.error(pointer, &fault, hint);
    None
}

fn answer(
    kind: Kind,
    response: &IntegrationResponse,
    scope: &mut MethodScope<'_, '_>,
) -> Option<AnswerPlan> {
    if !(200..=599).contains(&response.status) {
        let message = format!("{} is no status of a final answer", response.status);
        let hint = "use 200 to 599";
        scope.reporter.error(&*response.pointer, message, hint);
    }
    let rows = texts(&response.parameters, "method.response");
    let pairs = rows.iter().map(|(key, source)| (&**key, &**source));
    let parameters = ParameterMapping::compile_answer(kind, pairs);
    let templates = templates(&response.templates, scope);
    Some(AnswerPlan {
        status: response.status,
        parameters: parameters
            .map_err(|fault| report_row(&fault, response.parameters.get(fault.row), scope))
            .ok()?,
        templates,
        handling: handling(response.content_handling),
    })
}

/// Rows as the document writes them.
fn texts<'r>(
    rows: impl IntoIterator<Item = &'r api::ParameterMapping>,
    side: &str,
) -> Vec<(String, String)> {
    let row = |row: &api::ParameterMapping| {
        let target = &row.target;
        let key = format!("{side}.{}.{}", target.place.as_str(), target.name);
        (key, row.source.to_string())
    };
    rows.into_iter().map(row).collect()
}

/// The parameters of the integration request. A name in the URI that is not mapped takes the path
/// parameter of the same name.
fn request_parameters(
    described: &Integration,
    scope: &mut MethodScope<'_, '_>,
) -> Option<ParameterMapping> {
    for row in &described.request_parameters {
        if let api::ParameterSource::Request { place, name }
        | api::ParameterSource::RequestValues { place, name } = &row.source
        {
            http_proxy::request_source(*place, name, &row.pointer, scope);
        }
    }
    // A proxy's client has sent its query itself.
    let own = described.request_parameters.iter();
    let own: Vec<_> = own.filter(|row| !passes_anyway(described, row)).collect();
    let mut rows = texts(own.iter().copied(), "integration.request");
    if matches!(
        described.kind,
        IntegrationKind::Http | IntegrationKind::HttpProxy
    ) {
        for name in http_proxy::unmapped_names(described, scope) {
            let key = format!("integration.request.path.{name}");
            rows.push((key, format!("method.request.path.{name}")));
        }
    }
    let pairs = rows.iter().map(|(key, source)| (&**key, &**source));
    ParameterMapping::compile_request(kind(described.kind), pairs)
        .map_err(|fault| report_row(&fault, own.get(fault.row).copied(), scope))
        .ok()
}

/// Whether a row maps a name of the query to itself although the query passes as it is.
fn passes_anyway(described: &Integration, row: &api::ParameterMapping) -> bool {
    let itself = match &row.source {
        api::ParameterSource::Request { place, name }
        | api::ParameterSource::RequestValues { place, name } => {
            (*place, name) == (Place::Querystring, &row.target.name)
        }
        _ => false,
    };
    described.kind == IntegrationKind::HttpProxy && row.target.place == Place::Querystring && itself
}

fn report_row(
    fault: &RowFault,
    row: Option<&api::ParameterMapping>,
    scope: &mut MethodScope<'_, '_>,
) {
    let pointer = row.map_or("", |row| &row.pointer);
    scope.reporter.error(pointer, row_message(fault), "");
}

fn sides(rows: &[HttpMapping]) -> impl Iterator<Item = (&str, &str)> {
    rows.iter().map(|row| (&*row.target, &*row.source))
}

fn row_message(fault: &RowFault) -> String {
    let side = match fault.part {
        RowPart::Key => "key",
        RowPart::Value => "value",
    };
    format!("byte {} of the {side}: {fault}", fault.at)
}

fn endpoint(described: &Integration, scope: &mut MethodScope<'_, '_>) -> Option<HttpPlan> {
    let timeout_ms = http_proxy::timeout_ms(described, scope);
    let text = http_proxy::uri_text(described, scope);
    let Uri {
        authority,
        path,
        query,
    } = match uri::parse(&text) {
        Ok(uri) => uri,
        Err(fault) => {
            let hint = "write https://host/path; names of path parameters stand in braces";
            scope.reporter.error(described.uri_pointer(), fault, hint);
            return None;
        }
    };
    let path = if path.is_empty() { "/" } else { path };
    let origin = http_proxy::origin(described, &authority, scope);
    Some(HttpPlan {
        origin,
        face: http_proxy::face(origin, scope),
        method: match described.http_method.map(verb_key) {
            Some(VerbKey::One(verb)) => verb.as_str().map(Into::into),
            Some(VerbKey::Any) | None => None,
        },
        host: authority.host_field().into(),
        path: pieces(path, described, scope)?,
        query: pieces(query, described, scope)?,
        uri: text.as_str().into(),
        timeout_ms,
        idle_ms: stream::idle_ms(described, scope),
    })
}

fn pieces(
    text: &str,
    described: &Integration,
    scope: &mut MethodScope<'_, '_>,
) -> Option<Box<[Piece]>> {
    match uri::pieces(text) {
        Ok(pieces) => {
            let piece = |piece| match piece {
                uri::Piece::Literal(text) => Piece::Literal(text.into()),
                uri::Piece::Name { name, written } => Piece::Name {
                    name: name.into(),
                    written: written.into(),
                },
            };
            Some(pieces.into_iter().map(piece).collect())
        }
        Err(fault) => {
            let hint = "write `{name}`";
            scope.reporter.error(described.uri_pointer(), fault, hint);
            None
        }
    }
}
