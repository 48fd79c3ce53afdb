//! `responseTransferMode: STREAM`: who may, how long, and what goes with it.
//!
//! Shape: one method at a time, within a [`MethodScope`]. Units: milliseconds. Ranges: silences as
//! the type of the endpoint has them. Errors: findings on the API's document. Source: Amazon API
//! Gateway developer guide, "stream the integration response for your proxy integrations": proxies
//! of REST APIs alone; no endpoint caching, no content encoding, no templates of answers.

use super::apis::MethodScope;
use crate::{
    model::api::{ApiKind, EndpointType, Integration, IntegrationKind, TransferMode},
    plan::RouteCache,
};

/// Longest silence behind an edge-optimized endpoint.
const EDGE_IDLE_MS: u32 = 30_000;
/// Longest silence behind the others.
const IDLE_MS: u32 = 300_000;

/// How long an answer may be silent that streams because its document says so.
pub(super) fn idle_ms(described: &Integration, scope: &MethodScope<'_, '_>) -> Option<u32> {
    (described.transfer_mode == TransferMode::Stream).then_some(match scope.endpoint {
        Some(EndpointType::Edge) => EDGE_IDLE_MS,
        Some(EndpointType::Regional | EndpointType::Private) | None => IDLE_MS,
    })
}

/// Judges what stands beside the mode.
pub(super) fn check(described: &Integration, scope: &mut MethodScope<'_, '_>) {
    if described.transfer_mode != TransferMode::Stream {
        return;
    }
    let pointer = format!("{}/responseTransferMode", described.pointer);
    let is_proxy = matches!(
        described.kind,
        IntegrationKind::HttpProxy | IntegrationKind::AwsProxy
    );
    if !is_proxy {
        let message = format!("answers of `{}` do not stream", described.kind.as_str());
        let hint = "only those of http_proxy and aws_proxy do";
        scope.reporter.error(&*pointer, message, hint);
    } else if scope.api_kind == ApiKind::Http {
        let message = "HTTP APIs have no transfer mode";
        let hint = "take it away: answers of http_proxy stream there in any case";
        scope.reporter.error(&*pointer, message, hint);
    }
    for response in &described.responses {
        let is_mapped = !response.templates.is_empty()
            || !response.parameters.is_empty()
            || response.content_handling.is_some();
        if is_mapped {
            let message = "an answer that streams is not mapped; this has no effect";
            scope
                .reporter
                .warning(&*response.pointer, message, "remove it");
        }
    }
}

/// What is left of the store for an answer: a stage does not keep one that streams.
pub(super) fn cache(
    described: &Integration,
    cache: Option<RouteCache>,
    scope: &mut MethodScope<'_, '_>,
) -> Option<RouteCache> {
    match cache {
        Some(RouteCache::Stage(_)) if described.transfer_mode == TransferMode::Stream => {
            let message = "an answer that streams is not kept by its stage";
            let hint = "leave the method out of the stage's cache, or write BUFFERED";
            let pointer = format!("{}/responseTransferMode", described.pointer);
            scope.reporter.warning(&*pointer, message, hint);
            None
        }
        cache => cache,
    }
}
