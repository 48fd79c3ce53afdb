//! The last stage, which always runs: counters, and the access-log line.
//!
//! What it is: turns a finished exchange into an access record. Shape: borrowed slices; the log
//! prints them at once. Units: microseconds for latencies. Errors: none; a line that finds no room
//! is dropped and counted. Source: API Gateway developer guide, "access logging variables".

use super::{
    context::prefix_of,
    exchange::{Exchange, Peer},
    fault::Fault,
    journal,
    local::{Local, Serving},
    trace::{extended_id, root_of},
};
use crate::{
    net::conn::Conn,
    plan::IntegrationPlan,
    telemetry::{metrics::Metric, record::AccessRecord},
};

/// Records a finished exchange.
pub(super) fn record(local: &Local, serving: &Serving, peer: Peer, conn: &Conn, x: &Exchange) {
    journal::close(local, serving, x);
    let now = local.core.now();
    let latency_us = now.since_ns(x.received) / 1000;
    let integration_us = (x.integration.attempts > 0).then_some(x.integration.latency_ns / 1000);
    let stage = x.stage.map(|index| index.0 as usize);
    serving.stage_cells.count(stage, x.status);
    if let Some(hit) = x.cache.counted {
        serving.stage_cells.count_cached(stage, hit);
        let metric = if hit {
            Metric::CacheHits
        } else {
            Metric::CacheMisses
        };
        local.metrics.cell(metric).add(1);
    }
    local.metrics.cell(Metric::BytesIn).add(x.request_bytes);
    local.metrics.cell(Metric::BytesOut).add(x.response_bytes);
    if let Some(fault) = x.fault {
        local.metrics.fault(fault.kind()).add(1);
    }
    local
        .histograms
        .borrow_mut()
        .record(stage, latency_us, integration_us);
    let mut log = local.log.borrow_mut();
    let (Some(sink), Some(format)) = (&mut *log, &serving.log_format) else {
        return;
    };
    let bytes = x.head_bytes.bytes();
    let unparsed = matches!(x.fault, Some(Fault::Head(_) | Fault::HeadTimeout));
    let parsed = x.status != 0 && !unparsed;
    let text = |slice: &'_ [u8]| if parsed { slice.len() } else { 0 };
    let method = x.head.method_name.of(bytes);
    let path = x.head.path(bytes);
    let path = path.get(x.path_from..).unwrap_or(path);
    let host = x.head.host.name.of(bytes);
    let user_agent = x
        .head
        .fields
        .all(crate::wire::known::Known::UserAgent)
        .last()
        .map_or(&b""[..], |field| field.value.of(bytes));
    let stage = x.stage.and_then(|index| serving.plan.stage(index));
    let route = x.route.and_then(|index| serving.plan.route(index));
    let operation_name = route.and_then(|route| route.operation_name.as_deref());
    let operation_name = operation_name.unwrap_or("");
    let origin = route.and_then(|route| match &route.integration {
        IntegrationPlan::HttpProxy(proxy) => serving.plan.origin(proxy.origin),
        IntegrationPlan::Mapped(plan) => plan.origin().and_then(|at| serving.plan.origin(at)),
        IntegrationPlan::Mock(_) => None,
    });
    let endpoint = origin
        .zip(x.integration.endpoint)
        .and_then(|(origin, index)| origin.endpoints.get(index));
    let message = x.fault.map_or("", |fault| message(x, fault));
    let response_type = x.fault.map_or("", Fault::response_type);
    let detail = x.fault.map_or("", Fault::detail);
    let tls = conn.tls();
    let key = x.limits.key.map(crate::limits::Id::text);
    let extended_id = extended_id(&x.request_id);
    let domain_name = &host[..text(host)];
    let record = AccessRecord {
        // In HTTP APIs the one id is the other.
        request_id: match x.is_http_api {
            true => &extended_id[..],
            false => &x.request_id[..],
        },
        extended_request_id: &extended_id,
        received: x.received_wall,
        source_ip: x.source_ip(&peer),
        api_key_id: key.as_ref().map_or(b"", |key| key.as_bytes()),
        user_agent: &user_agent[..text(user_agent)],
        method: &method[..text(method)],
        path: &path[..text(path)],
        resource_path: route.map_or(b"", |route| route.resource_path.as_bytes()),
        resource_id: route.map_or(b"", |route| route.resource_id.as_bytes()),
        route_key: route.map_or(b"", |route| route.route_key.as_bytes()),
        operation_name: operation_name.as_bytes(),
        protocol: if x.head.minor == 0 {
            b"HTTP/1.0"
        } else {
            b"HTTP/1.1"
        },
        request_bytes: Some(x.request_bytes),
        account_id: serving.plan.account.id.as_bytes(),
        api_id: stage.map_or(b"", |stage| stage.api_id.as_bytes()),
        stage: stage.map_or(b"", |stage| stage.name.as_bytes()),
        deployment_id: stage.map_or(b"", |stage| stage.deployment_id.as_bytes()),
        is_canary: x.canary,
        base_path: x.base_path(),
        domain_name,
        domain_prefix: prefix_of(domain_name),
        status: x.status,
        response_bytes: Some(x.response_bytes),
        response_latency_us: Some(latency_us),
        integration_status: x.integration.status,
        function_status: x.integration.function_status,
        endpoint_request_id: x.endpoint_id(),
        integration_latency_us: integration_us,
        integration_error: if x.integration.attempts > 0 {
            detail.as_bytes()
        } else {
            b""
        },
        origin: origin.map_or(b"", |origin| origin.name.as_bytes()),
        origin_region: endpoint.map_or(b"", |endpoint| endpoint.region.as_bytes()),
        origin_endpoint: endpoint.map_or(b"", |endpoint| endpoint.authority.as_bytes()),
        origin_attempts: Some(x.integration.attempts),
        error_message: message.as_bytes(),
        validation_error: x.validation.as_bytes(),
        error_response_type: response_type.as_bytes(),
        tls_version: tls
            .and_then(|tls| tls.version())
            .map_or(b"", |version| version.as_str().as_bytes()),
        tls_cipher: tls.and_then(|tls| tls.cipher()).map_or(b"", str::as_bytes),
        trace_id: root_of(&x.trace).map_or(b"", str::as_bytes),
    };
    if !sink.log(format, &record, now) {
        local.metrics.cell(Metric::LogLinesDropped).add(1);
    }
}

/// What the client reads of `fault`, which may be more than its name.
fn message(x: &Exchange, fault: Fault) -> &str {
    match (x.is_http_api, &*x.detail) {
        (true, _) => fault.of_http_api().1,
        (false, "") => fault.message(),
        (false, detail) => detail,
    }
}
