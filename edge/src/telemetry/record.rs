//! The access record: all that one request's log line can say.
//!
//! Shape: borrowed slices and small integers, filled stage by stage, printed once at the end.
//! Units and ranges: latencies in microseconds, lengths in bytes, receipt in wall milliseconds.
//! An empty slice, a status of 0 and `None` mean "missing" and print as `-`.
//! Errors: none; text may be any bytes, the format escapes it.
//! Source: AWS guide, "Variables for access logging for API Gateway".

use super::context::Field;
use crate::base::time::Wall;

/// What is known of one request. `Default` is the record of which nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessRecord<'a> {
    /// The request id given to client and origin.
    pub request_id: &'a [u8],
    /// The second id, ending in `=`.
    pub extended_request_id: &'a [u8],
    /// When the first byte of the head came.
    pub received: Wall,

    /// The client's address in print.
    pub source_ip: &'a [u8],
    /// Id of the API key; its value is never logged.
    pub api_key_id: &'a [u8],
    /// Value of `User-Agent`.
    pub user_agent: &'a [u8],
    /// Request method as received.
    pub method: &'a [u8],
    /// Path as received, stage included.
    pub path: &'a [u8],
    /// The matched resource, for example `/pets/{id}`.
    pub resource_path: &'a [u8],
    /// Id of the matched resource.
    pub resource_id: &'a [u8],
    /// The matched route of an HTTP API, for example `GET /pets`.
    pub route_key: &'a [u8],
    /// Operation name of the matched method.
    pub operation_name: &'a [u8],
    /// `HTTP/1.1`, `HTTP/2.0`.
    pub protocol: &'a [u8],
    /// Bytes of head and body received.
    pub request_bytes: Option<u64>,

    /// Account of the API's owner.
    pub account_id: &'a [u8],
    /// The API.
    pub api_id: &'a [u8],
    /// Its stage.
    pub stage: &'a [u8],
    /// Its deployment.
    pub deployment_id: &'a [u8],
    /// Whether the canary of the stage served it; `None` where there is none.
    pub is_canary: Option<bool>,
    /// The host asked for.
    pub domain_name: &'a [u8],
    /// First label of that host.
    pub domain_prefix: &'a [u8],
    /// The base path mapping that matched on a custom domain.
    pub base_path: &'a [u8],

    /// Status sent to the client; 0 when none was sent.
    pub status: u16,
    /// Bytes of body sent to the client.
    pub response_bytes: Option<u64>,
    /// First byte of the request to last byte of the answer.
    pub response_latency_us: Option<u64>,

    /// Status of the origin's answer; 0 when there was none.
    pub integration_status: u16,
    /// Status in the output of a proxied function; 0 when there was none.
    pub function_status: u16,
    /// How the endpoint named the request.
    pub endpoint_request_id: &'a [u8],
    /// Request relayed to answer received.
    pub integration_latency_us: Option<u64>,
    /// What went wrong with the origin.
    pub integration_error: &'a [u8],
    /// Name of the origin group.
    pub origin: &'a [u8],
    /// Region of the endpoint that answered.
    pub origin_region: &'a [u8],
    /// The endpoint, `host:port`.
    pub origin_endpoint: &'a [u8],
    /// Tries made, the first included.
    pub origin_attempts: Option<u32>,

    /// The fault's text for the client.
    pub error_message: &'a [u8],
    /// Why the payload is not valid.
    pub validation_error: &'a [u8],
    /// The gateway response type, for example `THROTTLED`.
    pub error_response_type: &'a [u8],

    /// `TLSv1.3`.
    pub tls_version: &'a [u8],
    /// Cipher suite by its RFC name.
    pub tls_cipher: &'a [u8],
    /// Root of `X-Amzn-Trace-Id`.
    pub trace_id: &'a [u8],
}

/// A field in the form it is printed from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value<'a> {
    Missing,
    Number(u64),
    /// Any bytes; the format escapes them.
    Text(&'a [u8]),
    /// Text that is printed within quotes of its own.
    Quoted(&'a [u8]),
    /// The common-log-format stamp of this instant.
    Time(Wall),
}

impl<'a> AccessRecord<'a> {
    /// The value behind a variable of a log format.
    pub(super) fn value(&self, field: Field) -> Value<'a> {
        use Field as F;
        match field {
            F::AccountId => text(self.account_id),
            F::ApiId => text(self.api_id),
            F::ApiKeyId => text(self.api_key_id),
            F::BasePathMatched => text(self.base_path),
            F::DataProcessed => match (self.request_bytes, self.response_bytes) {
                (None, None) => Value::Missing,
                (a, b) => Value::Number(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
            },
            F::DeploymentId => text(self.deployment_id),
            F::DomainName => text(self.domain_name),
            F::DomainPrefix => text(self.domain_prefix),
            F::EndpointRequestId => text(self.endpoint_request_id),
            F::ErrorMessage => text(self.error_message),
            F::ErrorMessageString if self.error_message.is_empty() => Value::Missing,
            F::ErrorMessageString => Value::Quoted(self.error_message),
            F::ErrorResponseType => text(self.error_response_type),
            F::ExtendedRequestId => text(self.extended_request_id),
            F::FunctionStatus => match self.function_status {
                0 => status(self.integration_status),
                own => status(own),
            },
            F::HttpMethod => text(self.method),
            F::IntegrationError => text(self.integration_error),
            F::IntegrationLatency => number(self.integration_latency_us.map(|us| us / US_PER_MS)),
            F::IntegrationLatencyUs => number(self.integration_latency_us),
            F::IntegrationStatus => status(self.integration_status),
            F::IsCanaryRequest => match self.is_canary {
                None => Value::Missing,
                Some(true) => Value::Text(b"true"),
                Some(false) => Value::Text(b"false"),
            },
            F::OperationName => text(self.operation_name),
            F::OriginAttempts => number(self.origin_attempts.map(u64::from)),
            F::OriginEndpoint => text(self.origin_endpoint),
            F::OriginName => text(self.origin),
            F::OriginRegion => text(self.origin_region),
            F::Path => text(self.path),
            F::Protocol => text(self.protocol),
            F::RequestId => text(self.request_id),
            F::RequestLength => number(self.request_bytes),
            F::RequestTime => Value::Time(self.received),
            F::RequestTimeEpoch => Value::Number(self.received.0),
            F::ResourceId => text(self.resource_id),
            F::ResourcePath => text(self.resource_path),
            F::ResponseLatency => number(self.response_latency_us.map(|us| us / US_PER_MS)),
            F::ResponseLatencyUs => number(self.response_latency_us),
            F::ResponseLength => number(self.response_bytes),
            F::RouteKey => text(self.route_key),
            F::SourceIp => text(self.source_ip),
            F::Stage => text(self.stage),
            F::Status => status(self.status),
            F::TlsCipher => text(self.tls_cipher),
            F::TlsVersion => text(self.tls_version),
            F::TraceId => text(self.trace_id),
            F::UserAgent => text(self.user_agent),
            F::ValidationError => text(self.validation_error),
        }
    }
}

fn text(bytes: &[u8]) -> Value<'_> {
    if bytes.is_empty() {
        Value::Missing
    } else {
        Value::Text(bytes)
    }
}

fn number<'a>(number: Option<u64>) -> Value<'a> {
    number.map_or(Value::Missing, Value::Number)
}

fn status<'a>(code: u16) -> Value<'a> {
    if code == 0 {
        Value::Missing
    } else {
        Value::Number(u64::from(code))
    }
}

const US_PER_MS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::context::VARIABLES;

    #[test]
    fn nothing_known_is_missing_but_for_the_time() {
        let record = AccessRecord::default();
        for field in VARIABLES.iter().filter_map(|v| v.field) {
            let value = record.value(field);
            match field {
                Field::RequestTime => assert_eq!(value, Value::Time(Wall(0))),
                Field::RequestTimeEpoch => assert_eq!(value, Value::Number(0)),
                _ => assert_eq!(value, Value::Missing, "{field:?}"),
            }
        }
    }

    #[test]
    fn latencies_are_whole_milliseconds_unless_asked() {
        let record = AccessRecord {
            response_latency_us: Some(31_999),
            integration_latency_us: Some(999),
            request_bytes: Some(100),
            response_bytes: Some(u64::MAX),
            ..AccessRecord::default()
        };
        for (field, expected) in [
            (Field::ResponseLatency, 31),
            (Field::ResponseLatencyUs, 31_999),
            (Field::IntegrationLatency, 0),
            (Field::IntegrationLatencyUs, 999),
            (Field::DataProcessed, u64::MAX),
        ] {
            assert_eq!(record.value(field), Value::Number(expected), "{field:?}");
        }
    }
}
