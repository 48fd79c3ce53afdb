//! Mock integrations: templates to outcomes, answers with prepared fields and bodies.
//!
//! Shape: each request template is read once, its status matched against the selection patterns.
//! Units: none. Ranges: statuses 100 to 599, patterns of linear time and bounded size. Errors:
//! findings on the API's document; what the service answers with 500 at run time is a warning,
//! unless it is a mapping template, which would be served wrongly.
//! Source: Amazon API Gateway developer guide, "mock integrations" and "selectionPattern".

use regex_automata::{
    meta::{Config, Regex},
    util::syntax,
};

use super::{apis::MethodScope, http_proxy, listen::is_token};
use crate::integrate::{
    mock::{MockAnswer, MockBody, MockPlan, Selection},
    status_code,
};
use crate::model::api::{
    Integration, IntegrationResponse, ParameterMapping, ParameterSource, Passthrough, Template,
};

/// Most bytes a compiled selection pattern may take.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

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
    let choices = choices(mock, scope);
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
        // The body itself is then the template; what clients send is hardly ever one.
        _ => Selection::Misconfigured,
    };
    if templates.is_empty() {
        let hint = "add requestTemplates: {application/json: '{\"statusCode\": 200}'}";
        let message = "a mock without request templates answers every request with 500";
        scope.reporter.warning(&*mock.pointer, message, hint);
    }
    Some(MockPlan {
        templates: templates.into(),
        otherwise,
        answers,
    })
}

/// A response with its pattern; `None` for the default one.
struct Choice {
    answer: usize,
    pattern: Option<Regex>,
}

fn choices(mock: &Integration, scope: &mut MethodScope<'_, '_>) -> Vec<Choice> {
    let mut choices: Vec<Choice> = Vec::new();
    for (answer, response) in mock.responses.iter().enumerate() {
        let pattern = match response.selection_pattern.as_deref() {
            None | Some("") => None,
            Some(text) => match whole(text) {
                Ok(pattern) => Some(pattern),
                Err(cause) => {
                    let hint = "look-around and back-references are not served; escape `\\d` once";
                    let message = format!("`{text}` is no selection pattern: {cause}");
                    scope.reporter.error(&*response.pointer, message, hint);
                    continue;
                }
            },
        };
        if pattern.is_none() && choices.iter().any(|choice| choice.pattern.is_none()) {
            let hint = "give one of them a selection pattern";
            let message = "two responses are the default one";
            scope.reporter.error(&*response.pointer, message, hint);
        }
        choices.push(Choice { answer, pattern });
    }
    choices
}

/// A pattern that must match the whole text, as Java's `matches` does.
fn whole(pattern: &str) -> Result<Regex, String> {
    let config = Config::new()
        .nfa_size_limit(Some(PATTERN_BYTES_MAX))
        .utf8_empty(false);
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    // Checked alone first, so that an unbalanced parenthesis cannot escape the group.
    let mut builder = Regex::builder();
    builder.configure(config).syntax(syntax);
    builder.build(pattern).map_err(|fault| cause(&fault))?;
    builder
        .build(&format!("\\A(?:{pattern})\\z"))
        .map_err(|fault| cause(&fault))
}

fn cause(fault: &regex_automata::meta::BuildError) -> String {
    let text = match fault.syntax_error() {
        Some(syntax) => syntax.to_string(),
        None => fault.to_string(),
    };
    // The last line of a syntax error says what is wrong, those above draw it.
    let last = text.lines().last().unwrap_or("");
    last.trim_start_matches("error: ").to_owned()
}

fn selection(
    template: &Template,
    choices: &[Choice],
    scope: &mut MethodScope<'_, '_>,
) -> Selection {
    let Some(status) = status_code(template.text.as_bytes()) else {
        if template.text.contains(['#', '$']) {
            let hint = "write a plain object such as {\"statusCode\": 200}";
            let message = "mapping templates in a mock's request are not served yet";
            scope.reporter.error(&*template.pointer, message, hint);
        } else {
            let hint = "the template must be an object with an integer `statusCode`";
            let message = "requests that use this template are answered with 500";
            scope.reporter.warning(&*template.pointer, message, hint);
        }
        return Selection::Misconfigured;
    };
    let text = status.to_string();
    let matched = |choice: &&Choice| {
        let pattern = choice.pattern.as_ref();
        pattern.is_some_and(|pattern| pattern.is_match(text.as_bytes()))
    };
    let default = || choices.iter().find(|choice| choice.pattern.is_none());
    match choices.iter().find(matched).or_else(default) {
        Some(choice) => Selection::Answer(choice.answer),
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
        let message = format!(
            "`{}` is not served here yet; the row has no effect",
            row.source
        );
        scope.reporter.warning(&**pointer, message, "");
        return None;
    };
    if !is_token(name) || !http_proxy::is_field_value(value) {
        let message = format!("`{name}: {value}` is no header field");
        scope
            .reporter
            .error(&**pointer, message, "no control characters");
        return None;
    }
    if name.eq_ignore_ascii_case("transfer-encoding") {
        let message = "Transfer-Encoding is never set by a mapping; the row has no effect";
        scope.reporter.warning(&**pointer, message, "remove it");
        return None;
    }
    // Recorded: these are the gateway's own, a mapped one appears under another name.
    let renamed = REMAPPED
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    let name = if renamed {
        format!("x-amzn-Remapped-{name}").into()
    } else {
        name.as_str().into()
    };
    Some((name, value.as_str().into()))
}

/// Names that a mapping cannot set towards the client.
const REMAPPED: &[&str] = &[
    "Authorization",
    "Connection",
    "Content-Length",
    "Content-MD5",
    "Date",
    "Expect",
    "Host",
    "Max-Forwards",
    "Proxy-Authenticate",
    "Server",
    "Trailer",
    "Upgrade",
    "User-Agent",
    "WWW-Authenticate",
];

fn media_type(text: &str) -> Box<str> {
    let plain = text.split(';').next().unwrap_or(text);
    plain.trim().to_ascii_lowercase().into()
}
