//! Mock integrations: templates to outcomes, answers with prepared fields and bodies.
//!
//! Shape: each request template is read once, its status matched against the selection patterns.
//! Units: none. Ranges: statuses 100 to 599, patterns of linear time and bounded size. Errors:
//! findings on the API's document; what the service answers with 500 at run time is a warning.
//! Mocks with a template in them are compiled by `mapped`, see [`is_static`].
//! Source: Amazon API Gateway developer guide, "mock integrations" and "selectionPattern".

use super::{apis::MethodScope, http_proxy, listen::is_token, mapped};
use crate::integrate::{
    headers::{Fate, Kind, REMAPPED_PREFIX, Way, fate},
    mock::{MockAnswer, MockBody, MockPlan, Selection},
    selection, status_code,
};
use crate::model::api::{
    Integration, IntegrationResponse, ParameterMapping, ParameterSource, Passthrough, Template,
};

/// Whether what the mock answers is known when compiling: nothing in it is a template.
pub(super) fn is_static(mock: &Integration) -> bool {
    let is_text = |template: &Template| !template.text.contains(['#', '$']);
    let is_static = |row: &ParameterMapping| matches!(row.source, ParameterSource::Static(_));
    mock.request_templates.iter().all(is_text)
        && mock.responses.iter().all(|response| {
            response.templates.iter().all(is_text)
                && response.parameters.iter().all(is_static)
                && response.content_handling.is_none()
        })
}

pub(super) fn compile(mock: &Integration, scope: &mut MethodScope<'_, '_>) -> Option<MockPlan> {
    let choices = mapped::selection(&mock.responses, scope)?;
    let answers = mock
        .responses
        .iter()
        .map(|response| answer(response, scope))
        .collect();
    let mut templates: Vec<(Box<str>, Selection)> = Vec::new();
    for template in &mock.request_templates {
        let selection = selection(template, &choices, scope);
        templates.push((media_type(&template.content_type), selection));
    }
    templates.sort_by_key(|(media_type, _)| &**media_type == "$default");
    let otherwise = match (mock.passthrough, templates.is_empty()) {
        (Passthrough::Never, _) | (Passthrough::WhenNoTemplates, false) => {
            Selection::UnsupportedMediaType
        }
        _ => Selection::Passes,
    };
    if templates.is_empty() {
        let hint = "add requestTemplates: {application/json: '{\"statusCode\": 200}'}";
        let message = "a mock without request templates answers every request with 500, but for \
                       one whose body is an object with a statusCode";
        scope.reporter.warning(&*mock.pointer, message, hint);
    }
    Some(MockPlan {
        templates: templates.into(),
        otherwise,
        answers,
    })
}

fn selection(
    template: &Template,
    choices: &selection::Selection,
    scope: &mut MethodScope<'_, '_>,
) -> Selection {
    let Some(status) = status_code(template.text.as_bytes()) else {
        let hint = "the template must be an object with an integer `statusCode`";
        let message = "requests that use this template are answered with 500";
        scope.reporter.warning(&*template.pointer, message, hint);
        return Selection::Misconfigured;
    };
    match choices.choose(&status.to_string()) {
        Some(answer) => Selection::Answer(answer),
        None => {
            let message = format!("no response is for status {status}, so the answer is 500");
            let hint = "add a response with that status or a `default` one";
            scope.reporter.warning(&*template.pointer, message, hint);
            Selection::Misconfigured
        }
    }
}

fn answer(response: &IntegrationResponse, scope: &mut MethodScope<'_, '_>) -> MockAnswer {
    if !(200..=599).contains(&response.status) {
        let message = format!("{} is no status of a final answer", response.status);
        scope
            .reporter
            .error(&*response.pointer, message, "use 200 to 599");
    }
    let mut fields: Vec<(Box<str>, Box<str>)> = Vec::new();
    for header in &response.parameters {
        if let Some(field) = field(header, scope) {
            fields.push(field);
        }
    }
    let body = |template: &Template| MockBody {
        media_type: media_type(&template.content_type),
        text: template.text.as_bytes().into(),
    };
    MockAnswer {
        status: response.status,
        fields: fields.into(),
        bodies: response.templates.iter().map(body).collect(),
    }
}

fn field(row: &ParameterMapping, scope: &mut MethodScope<'_, '_>) -> Option<(Box<str>, Box<str>)> {
    let (name, pointer) = (&row.target.name, &row.pointer);
    let ParameterSource::Static(value) = &row.source else {
        return None; // then the mock is not static
    };
    if !is_token(name) || !http_proxy::is_field_value(value) {
        let message = format!("`{name}: {value}` is no header field");
        scope
            .reporter
            .error(&**pointer, message, "no control characters");
        return None;
    }
    let name = match fate(Way::MappingToClient, Kind::Mock, name.as_bytes()) {
        Fate::Pass => name.clone(),
        Fate::Rename => [REMAPPED_PREFIX, name].concat(),
        Fate::Drop | Fate::Refuse => {
            let message = format!("{name} is never set by a mapping; the row has no effect");
            scope.reporter.warning(&**pointer, message, "remove it");
            return None;
        }
    };
    Some((name.into(), value.as_str().into()))
}

fn media_type(text: &str) -> Box<str> {
    let plain = text.split(';').next().unwrap_or(text);
    plain.trim().to_ascii_lowercase().into()
}
