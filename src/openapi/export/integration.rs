//! One integration, with the members that its kind of API knows.
//!
//! Shape: the extension's object. Units: milliseconds; statuses as texts.
//! Errors: none. Members at their defaults are left out, but those that the service writes always.
//! Source: exports of the service; "x-amazon-apigateway-integration object".

use serde_json::{Value, json};
use tidegate_edge::model::api::{
    ApiKind, Connection, HttpMapping, Integration, IntegrationKind, IntegrationResponse,
    IntegrationTls, ParameterMapping, Passthrough, Template, TransferMode,
};

use super::{Object, Writer, put, put_list, put_object};

impl Writer<'_> {
    pub(super) fn integration(&self, from: &Integration, place: &str) -> Object {
        let is_http = self.api.kind == ApiKind::Http;
        let mut object = Object::new();
        self.describe(place, &mut object);
        put(&mut object, "type", Some(from.kind.as_str()));
        put(
            &mut object,
            "httpMethod",
            from.http_method.map(|verb| verb.as_str()),
        );
        let has_uri = !from.uri.is_empty();
        put(&mut object, "uri", has_uri.then_some(from.uri.as_str()));
        put(&mut object, "credentials", from.credentials.as_deref());
        match &from.connection {
            Connection::VpcLink { id, .. } => {
                put(&mut object, "connectionType", Some("VPC_LINK"));
                put(&mut object, "connectionId", Some(id));
            }
            Connection::Internet if is_http => {
                put(&mut object, "connectionType", Some("INTERNET"));
            }
            Connection::Internet => {}
        }
        put(&mut object, "integrationTarget", from.target.as_deref());
        put(&mut object, "integrationSubtype", from.subtype.as_deref());
        if is_http {
            put(
                &mut object,
                "payloadFormatVersion",
                Some(from.payload_format.as_str()),
            );
            put_object(
                &mut object,
                "requestParameters",
                changes(&from.request_changes),
            );
            let answers = from.response_changes.iter();
            let answers = answers.map(|one| (one.status.to_string(), changes(&one.rows).into()));
            put_object(&mut object, "responseParameters", answers.collect());
        } else {
            let rows = mappings(&from.request_parameters, "integration.request");
            put_object(&mut object, "requestParameters", rows);
        }
        put_object(
            &mut object,
            "requestTemplates",
            templates(&from.request_templates),
        );
        if !is_http || from.passthrough != Passthrough::default() {
            put(
                &mut object,
                "passthroughBehavior",
                Some(from.passthrough.as_str()),
            );
        }
        let handling = from.content_handling.map(|handling| handling.as_str());
        put(&mut object, "contentHandling", handling);
        if from.timeout_ms != Integration::timeout_ms_default(self.api.kind) {
            object.insert("timeoutInMillis".to_owned(), from.timeout_ms.into());
        }
        put(
            &mut object,
            "cacheNamespace",
            from.cache_namespace.as_deref(),
        );
        let parts = from.cache_key.iter();
        let parts = parts.map(|part| part.source.to_string().into());
        put_list(&mut object, "cacheKeyParameters", parts);
        put_object(&mut object, "tlsConfig", tls(&from.tls));
        if from.transfer_mode != TransferMode::default() {
            put(
                &mut object,
                "responseTransferMode",
                Some(from.transfer_mode.as_str()),
            );
        }
        let answers = from.responses.iter();
        let answers: Object = answers.map(response).collect();
        // A mock has answers, or cannot be imported.
        if !answers.is_empty() || from.kind == IntegrationKind::Mock {
            object.insert("responses".to_owned(), answers.into());
        }
        object
    }
}

/// One answer under its pattern.
fn response(from: &IntegrationResponse) -> (String, Value) {
    let mut object = Object::new();
    object.insert("statusCode".to_owned(), from.status.to_string().into());
    let handling = from.content_handling.map(|handling| handling.as_str());
    put(&mut object, "contentHandling", handling);
    let rows = mappings(&from.parameters, "method.response");
    put_object(&mut object, "responseParameters", rows);
    put_object(&mut object, "responseTemplates", templates(&from.templates));
    let pattern = from.selection_pattern.as_deref().unwrap_or("default");
    (pattern.to_owned(), object.into())
}

fn mappings(rows: &[ParameterMapping], side: &str) -> Object {
    let row = |row: &ParameterMapping| {
        let target = format!("{side}.{}.{}", row.target.place.as_str(), row.target.name);
        (target, row.source.to_string().into())
    };
    rows.iter().map(row).collect()
}

fn changes(rows: &[HttpMapping]) -> Object {
    let row = |row: &HttpMapping| (row.target.clone(), row.source.as_str().into());
    rows.iter().map(row).collect()
}

fn templates(all: &[Template]) -> Object {
    let one = |one: &Template| (one.content_type.clone(), one.text.as_str().into());
    all.iter().map(one).collect()
}

fn tls(from: &IntegrationTls) -> Object {
    let mut object = Object::new();
    if from.insecure_skip_verification {
        object.insert("insecureSkipVerification".to_owned(), json!(true));
    }
    put(
        &mut object,
        "serverNameToVerify",
        from.server_name_to_verify.as_deref(),
    );
    object
}
