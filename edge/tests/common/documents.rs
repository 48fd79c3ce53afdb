//! Documents for tests of the plan: settings from JSON, APIs from short lines.
//!
//! Shape: functions that make one value of the model each. Units and ranges: the model's. Errors:
//! a malformed test panics. Source: own.

#![allow(dead_code, unreachable_pub)]

use serde_json::{Value, json};
use tidegate_edge::{
    model::{
        api::{
            Api, Integration, IntegrationKind, IntegrationResponse, Method, Parameter,
            ParameterMapping, ParameterSource, ParameterTarget, Place, Resource, Template,
            Verb as ModelVerb,
        },
        settings::Settings,
    },
    plan::{Document, Findings, Plan, compile},
};

/// A settings value; `apis` defaults to one document with the stage `dev`.
pub fn settings(mut given: Value) -> Settings {
    if given.get("apis").is_none() {
        given["apis"] = json!([{ "document": "a.yaml" }]);
    }
    serde_json::from_value(given).expect("settings")
}

/// An API of methods, written `VERB /path`.
pub fn api(id: &str, methods: Vec<(&str, Integration)>) -> Api {
    let mut resources: Vec<Resource> = Vec::new();
    for (head, integration) in methods {
        let (verb, path) = head.split_once(' ').expect("VERB /path");
        let pointer = format!("/paths/{}", path.replace('/', "~1"));
        let declared = [
            (Place::Querystring, "q"),
            (Place::Querystring, "other"),
            (Place::Header, "X-In"),
            (Place::Header, "Host"),
        ];
        let declared = declared.into_iter().map(|(place, name)| Parameter {
            place,
            name: name.to_owned(),
            required: false,
            pointer: String::new(),
        });
        let verb_at = format!("{pointer}/{}", verb.to_lowercase());
        let verb = ModelVerb::parse(verb).expect("verb");
        let method = Method {
            parameters: declared.collect(),
            ..Method::new(verb, verb_at, integration)
        };
        match resources.iter_mut().find(|resource| resource.path == path) {
            Some(resource) => resource.methods.push(method),
            None => resources.push(Resource {
                path: path.to_owned(),
                pointer,
                methods: vec![method],
            }),
        }
    }
    Api {
        id: id.to_owned(),
        name: format!("API {id}"),
        resources,
        ..Api::default()
    }
}

/// `http_proxy` to `uri`; rows are `integration.request.…`, `method.request.…` without the heads.
pub fn proxy(uri: &str, rows: &[(&str, &str)]) -> Integration {
    let row = |(target, source): &(&str, &str)| ParameterMapping {
        target: ParameterTarget::parse(&format!("integration.request.{target}")).expect("target"),
        source: match source.strip_prefix('\'') {
            Some(_) => ParameterSource::parse(source),
            None => ParameterSource::parse(&format!("method.request.{source}")),
        }
        .expect("source"),
        pointer: format!("/row/{target}"),
    };
    Integration {
        uri: uri.to_owned(),
        request_parameters: rows.iter().map(row).collect(),
        ..Integration::new(IntegrationKind::HttpProxy, "/i")
    }
}

pub fn template(content_type: &str, text: &str) -> Template {
    Template {
        content_type: content_type.to_owned(),
        text: text.to_owned(),
        pointer: format!("/template/{content_type}"),
    }
}

pub fn mock(
    request: &[(&str, &str)],
    responses: &[(Option<&str>, u16, &[(&str, &str)])],
) -> Integration {
    Integration {
        request_templates: request
            .iter()
            .map(|(kind, text)| template(kind, text))
            .collect(),
        responses: responses
            .iter()
            .map(|(pattern, status, bodies)| IntegrationResponse {
                pointer: format!("/response/{status}"),
                selection_pattern: pattern.map(str::to_owned),
                status: *status,
                content_handling: None,
                parameters: Vec::new(),
                templates: bodies
                    .iter()
                    .map(|(kind, text)| template(kind, text))
                    .collect(),
            })
            .collect(),
        ..Integration::new(IntegrationKind::Mock, "/i")
    }
}

pub fn ok_mock() -> Integration {
    mock(
        &[("application/json", "{\"statusCode\": 200}")],
        &[(None, 200, &[("application/json", "{}")])],
    )
}

pub fn plan_of(settings: &Settings, apis: &[Api]) -> Plan {
    match compile(settings, apis, 7) {
        Ok(compiled) => compiled.plan,
        Err(findings) => panic!("{findings:#?}"),
    }
}

/// Errors and warnings as `E document pointer: message`.
pub fn findings_of(settings: &Settings, apis: &[Api]) -> Vec<String> {
    let Findings { errors, warnings } = match compile(settings, apis, 1) {
        Ok(compiled) => Findings {
            errors: Vec::new(),
            warnings: compiled.warnings,
        },
        Err(findings) => findings,
    };
    let line = |kind: &str, fault: &tidegate_edge::plan::PlanFault| {
        let document = match fault.document {
            Document::Settings => "settings".to_owned(),
            Document::Api(index) => format!("api{index}"),
        };
        format!("{kind} {document} {}: {}", fault.pointer, fault.message)
    };
    let errors = errors.iter().map(|fault| line("E", fault));
    errors
        .chain(warnings.iter().map(|fault| line("W", fault)))
        .collect()
}
