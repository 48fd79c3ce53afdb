//! Integrations that call functions.
//!
//! Shape: one method at a time, within a [`MethodScope`]: the URI names a function and its region,
//! the settings who runs the functions of that region. Units: milliseconds. Ranges: as
//! `http_proxy` has them. Errors: findings on the API's document, also for services other than
//! functions, whose calls have to be signed. Source: Amazon API Gateway developer guide, "Lambda
//! proxy integrations"; AWS Lambda API reference, "Invoke".

use super::{
    super::fault::{Reporter, pointer_part},
    apis::MethodScope,
    http_proxy, mapped, stream, uri,
};
use crate::{
    integrate::function::FunctionUri,
    model::{
        api::{Integration, IntegrationKind, Verb},
        settings::Settings,
    },
    plan::mapped::{Backend, FunctionPlan, MappedPlan},
};

/// Judges `[functions.REGION]`.
pub(super) fn check(settings: &Settings, reporter: &mut Reporter<'_>) {
    for (region, described) in &settings.functions {
        if let Err(fault) = uri::parse_bare(&described.endpoint) {
            let pointer = format!("/functions/{}/endpoint", pointer_part(region));
            reporter.error(pointer, fault, "write `http://host:port`, without a path");
        }
    }
}

/// An integration with a function behind it, proxied or mapped.
pub(super) fn compile(
    described: &Integration,
    scope: &mut MethodScope<'_, '_>,
) -> Option<MappedPlan> {
    let function = function(described, scope);
    let mapped = mapped::mapped(described, Backend::Mock, scope);
    Some(MappedPlan {
        backend: Backend::Function(function?),
        ..mapped?
    })
}

fn function(described: &Integration, scope: &mut MethodScope<'_, '_>) -> Option<FunctionPlan> {
    let timeout_ms = http_proxy::timeout_ms(described, scope);
    let text = http_proxy::uri_text(described, scope);
    if !text.contains(":lambda:path/") {
        let message = match described.kind {
            IntegrationKind::AwsProxy => "only functions can be proxied",
            _ => "actions of services are not called yet: signed calls come later",
        };
        let hint = "call a function, or an HTTP endpoint that does the same";
        scope.reporter.error(described.uri_pointer(), message, hint);
        return None;
    }
    let named = match FunctionUri::parse(&text) {
        Ok(named) => named,
        Err(fault) => {
            let hint = "write arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/\
                        FUNCTION_ARN/invocations";
            let message = format!("the URI names no function: {fault}");
            scope.reporter.error(described.uri_pointer(), message, hint);
            return None;
        }
    };
    let idle_ms = stream::idle_ms(described, scope);
    if named.is_streamed != idle_ms.is_some() {
        let (message, hint) = match named.is_streamed {
            true => (
                "the URI streams, and the integration does not",
                "write `responseTransferMode: STREAM`, or end it with …/invocations",
            ),
            false => (
                "the integration streams, and the URI does not",
                "write …:path/2021-11-15/functions/ARN/response-streaming-invocations",
            ),
        };
        scope.reporter.error(described.uri_pointer(), message, hint);
    }
    if !matches!(described.http_method, None | Some(Verb::Post)) {
        let message = "functions are called by POST; the service answers 500 to any other";
        let pointer = format!("{}/httpMethod", described.pointer);
        scope.reporter.error(pointer, message, "write POST");
    }
    let Some(region) = scope.functions.get(&*named.region) else {
        let message = format!(
            "nobody runs the functions of `{}`: calls of the service itself have to be signed, \
             and signed calls come later",
            named.region
        );
        let hint = format!("[functions.{}] endpoint = \"http://…\"", named.region);
        scope.reporter.error(described.uri_pointer(), message, hint);
        return None;
    };
    // The settings were judged before.
    let authority = uri::parse_bare(&region.endpoint).ok()?;
    Some(FunctionPlan {
        origin: http_proxy::origin(described, &authority, scope),
        host: authority.host_field().into(),
        path: named.path().into(),
        account_id: named.account_id,
        arn: named.arn,
        timeout_ms,
        idle_ms,
    })
}
