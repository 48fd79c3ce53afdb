//! The `$context` variables: every name an author may write and what this release fills.
//!
//! Shape: one table of [`Variable`]s; a name ending in `.*` stands for a family of open keys.
//! Units and ranges: names are case-sensitive ASCII without the `$context.` in front.
//! Errors: none here; an unknown name finds nothing, and [`nearest`] offers the likely one.
//! Source: AWS guide, "Variables for access logging" and "$context variables for data models,
//! authorizers, mapping templates"; rows of [`Scope::Own`] are this gateway's additions.

use self::{Field as F, Scope as S};

/// One row: a variable, or a family of variables when the name ends in `.*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variable {
    /// The name behind `$context.`.
    pub name: &'static str,
    /// Where it may be written.
    pub scope: Scope,
    /// Which field of the access record fills it; `None`: known, but always missing today.
    pub field: Option<Field>,
}

/// Where a variable may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Templates, parameter mappings and logs.
    Any,
    /// Gateway responses and logs.
    Error,
    /// Logs only.
    Log,
    /// Templates only, where it is assigned.
    Template,
    /// Logs only, and a name of ours that other gateways do not know.
    Own,
}

/// The value of an access record behind a variable; several names may share one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // The table below names the variable, `record.rs` the value.
pub enum Field {
    AccountId,
    ApiId,
    ApiKeyId,
    BasePathMatched,
    DataProcessed,
    DeploymentId,
    DomainName,
    DomainPrefix,
    EndpointRequestId,
    ErrorMessage,
    ErrorMessageString,
    ErrorResponseType,
    ExtendedRequestId,
    FunctionStatus,
    HttpMethod,
    IntegrationError,
    IntegrationLatency,
    IntegrationLatencyUs,
    IntegrationStatus,
    IsCanaryRequest,
    OperationName,
    OriginAttempts,
    OriginEndpoint,
    OriginName,
    OriginRegion,
    Path,
    Protocol,
    RequestId,
    RequestLength,
    RequestTime,
    RequestTimeEpoch,
    ResourceId,
    ResourcePath,
    ResponseLatency,
    ResponseLatencyUs,
    ResponseLength,
    RouteKey,
    SourceIp,
    Stage,
    Status,
    TlsCipher,
    TlsVersion,
    TraceId,
    UserAgent,
    ValidationError,
}

impl Variable {
    /// Whether an access-log format may hold it.
    #[must_use]
    pub const fn in_logs(&self) -> bool {
        !matches!(self.scope, Scope::Template)
    }

    /// Whether a template or parameter mapping may hold it.
    #[must_use]
    pub const fn in_templates(&self) -> bool {
        matches!(self.scope, Scope::Any | Scope::Template)
    }

    fn family(&self) -> Option<&'static str> {
        self.name.strip_suffix('*')
    }
}

/// The row of `name` (written without `$context.`), open families included.
#[must_use]
pub fn find(name: &str) -> Option<&'static Variable> {
    let exact = VARIABLES
        .iter()
        .find(|v| v.name == name && v.family().is_none());
    exact.or_else(|| {
        VARIABLES.iter().find(|v| {
            v.family()
                .is_some_and(|prefix| name.strip_prefix(prefix).is_some_and(|key| !key.is_empty()))
        })
    })
}

/// The known log variable that the author of `name` most likely meant.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or("");
    let fixed = || {
        VARIABLES
            .iter()
            .filter(|v| v.in_logs() && v.family().is_none())
    };
    let same_tail = || {
        fixed().find(|v| {
            let tail = v.name.rsplit('.').next().unwrap_or("");
            !last.is_empty() && tail.eq_ignore_ascii_case(last)
        })
    };
    if let Some(found) = fixed().find(|v| v.name.eq_ignore_ascii_case(&name)) {
        return Some(found.name);
    }
    if let Some(found) = same_tail() {
        return Some(found.name);
    }
    fixed()
        .map(|v| (edits(&name, &v.name.to_ascii_lowercase()), v.name))
        .min()
        .filter(|(count, _)| *count <= (name.len() / 3).max(2))
        .map(|(_, found)| found)
}

/// Levenshtein distance in bytes; names are short ASCII.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, cell) in b.bytes().zip(row.iter_mut().skip(1)) {
            let cost = (diagonal + usize::from(x != y))
                .min(*cell + 1)
                .min(left + 1);
            diagonal = *cell;
            *cell = cost;
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

const fn filled(name: &'static str, scope: Scope, field: Field) -> Variable {
    Variable {
        name,
        scope,
        field: Some(field),
    }
}

const fn later(name: &'static str, scope: Scope) -> Variable {
    Variable {
        name,
        scope,
        field: None,
    }
}

/// Every variable. A row that is `later` prints `-` in a log until its feature exists.
pub const VARIABLES: &[Variable] = &[
    filled("accountId", S::Any, F::AccountId),
    filled("apiId", S::Any, F::ApiId),
    filled("deploymentId", S::Any, F::DeploymentId),
    filled("domainName", S::Any, F::DomainName),
    filled("domainPrefix", S::Any, F::DomainPrefix),
    filled("extendedRequestId", S::Any, F::ExtendedRequestId),
    filled("httpMethod", S::Any, F::HttpMethod),
    filled("operationName", S::Any, F::OperationName),
    filled("path", S::Any, F::Path),
    filled("protocol", S::Any, F::Protocol),
    filled("requestId", S::Any, F::RequestId),
    filled("requestTime", S::Any, F::RequestTime),
    filled("requestTimeEpoch", S::Any, F::RequestTimeEpoch),
    filled("resourceId", S::Any, F::ResourceId),
    filled("resourcePath", S::Any, F::ResourcePath),
    filled("stage", S::Any, F::Stage),
    filled("status", S::Any, F::Status),
    filled("xrayTraceId", S::Any, F::TraceId),
    filled("customDomain.basePathMatched", S::Any, F::BasePathMatched),
    filled("identity.sourceIp", S::Any, F::SourceIp),
    filled("identity.userAgent", S::Any, F::UserAgent),
    filled("isCanaryRequest", S::Any, F::IsCanaryRequest),
    filled("awsEndpointRequestId", S::Any, F::EndpointRequestId),
    filled("routeKey", S::Any, F::RouteKey),
    later("wafResponseCode", S::Any),
    later("webaclArn", S::Any),
    later("identity.accessKey", S::Any),
    later("identity.accountId", S::Any),
    later("identity.apiKey", S::Any),
    filled("identity.apiKeyId", S::Any, F::ApiKeyId),
    later("identity.caller", S::Any),
    later("identity.cognitoAuthenticationProvider", S::Any),
    later("identity.cognitoAuthenticationType", S::Any),
    later("identity.cognitoIdentityId", S::Any),
    later("identity.cognitoIdentityPoolId", S::Any),
    later("identity.principalOrgId", S::Any),
    later("identity.user", S::Any),
    later("identity.userArn", S::Any),
    later("identity.vpcId", S::Any),
    later("identity.vpceId", S::Any),
    later("identity.clientCert.clientCertPem", S::Any),
    later("identity.clientCert.subjectDN", S::Any),
    later("identity.clientCert.issuerDN", S::Any),
    later("identity.clientCert.serialNumber", S::Any),
    later("identity.clientCert.validity.notBefore", S::Any),
    later("identity.clientCert.validity.notAfter", S::Any),
    later("authorizer.principalId", S::Any),
    filled("error.message", S::Error, F::ErrorMessage),
    filled("error.messageString", S::Error, F::ErrorMessageString),
    filled("error.responseType", S::Error, F::ErrorResponseType),
    filled("error.validationErrorString", S::Error, F::ValidationError),
    filled("dataProcessed", S::Log, F::DataProcessed),
    filled("integration.error", S::Log, F::IntegrationError),
    filled(
        "integration.integrationStatus",
        S::Log,
        F::IntegrationStatus,
    ),
    filled("integration.latency", S::Log, F::IntegrationLatency),
    filled("integration.requestId", S::Log, F::EndpointRequestId),
    filled("integration.status", S::Log, F::FunctionStatus),
    filled("integrationErrorMessage", S::Log, F::IntegrationError),
    filled("integrationLatency", S::Log, F::IntegrationLatency),
    filled("integrationStatus", S::Log, F::IntegrationStatus),
    filled("responseLatency", S::Log, F::ResponseLatency),
    filled("responseLength", S::Log, F::ResponseLength),
    later("authenticate.error", S::Log),
    later("authenticate.latency", S::Log),
    later("authenticate.status", S::Log),
    later("authorize.error", S::Log),
    later("authorize.latency", S::Log),
    later("authorize.status", S::Log),
    later("authorizer.error", S::Log),
    later("authorizer.integrationLatency", S::Log),
    later("authorizer.integrationStatus", S::Log),
    later("authorizer.latency", S::Log),
    later("authorizer.requestId", S::Log),
    later("authorizer.status", S::Log),
    later("waf.error", S::Log),
    later("waf.latency", S::Log),
    later("waf.status", S::Log),
    filled("integrationLatencyUs", S::Own, F::IntegrationLatencyUs),
    filled("origin.attempts", S::Own, F::OriginAttempts),
    filled("origin.endpoint", S::Own, F::OriginEndpoint),
    filled("origin.name", S::Own, F::OriginName),
    filled("origin.region", S::Own, F::OriginRegion),
    filled("requestLength", S::Own, F::RequestLength),
    filled("responseLatencyUs", S::Own, F::ResponseLatencyUs),
    filled("tls.cipher", S::Own, F::TlsCipher),
    filled("tls.version", S::Own, F::TlsVersion),
    later("authorizer.claims.*", S::Any),
    later("authorizer.*", S::Any),
    later("requestOverride.*", S::Template),
    later("responseOverride.*", S::Template),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_the_table() {
        // name, found row, fills a field
        let rows: &[(&str, Option<&str>, bool)] = &[
            ("requestId", Some("requestId"), true),
            ("identity.sourceIp", Some("identity.sourceIp"), true),
            ("identity.caller", Some("identity.caller"), false),
            ("authorizer.latency", Some("authorizer.latency"), false),
            ("authorizer.tenant", Some("authorizer.*"), false),
            ("authorizer.claims.sub", Some("authorizer.claims.*"), false),
            ("authorizer.", None, false),
            ("authorizer.*", Some("authorizer.*"), false),
            ("requestid", None, false),
            ("identity", None, false),
            ("", None, false),
        ];
        for (name, row, fills) in rows {
            let found = find(name);
            assert_eq!(found.map(|v| v.name), *row, "{name}");
            assert_eq!(found.is_some_and(|v| v.field.is_some()), *fills, "{name}");
        }
    }

    #[test]
    fn the_nearest_name_is_offered() {
        let rows: &[(&str, Option<&str>)] = &[
            ("requestid", Some("requestId")),
            ("sourceIp", Some("identity.sourceIp")),
            ("userAgent", Some("identity.userAgent")),
            ("requetsId", Some("requestId")),
            ("integrationLatancy", Some("integrationLatency")),
            ("identity.sourceIP", Some("identity.sourceIp")),
            ("statsu", Some("status")),
            ("weather", None),
            ("", None),
        ];
        for (given, expected) in rows {
            assert_eq!(nearest(given), *expected, "{given}");
        }
    }

    #[test]
    fn no_name_stands_twice() {
        for (i, v) in VARIABLES.iter().enumerate() {
            assert!(
                VARIABLES.iter().skip(i + 1).all(|w| w.name != v.name),
                "{}",
                v.name
            );
        }
    }

    #[test]
    fn scopes_decide_where_a_name_may_stand() {
        for (name, logs, templates) in [
            ("requestId", true, true),
            ("error.message", true, false),
            ("responseLatency", true, false),
            ("origin.region", true, false),
            ("requestOverride.path.p", false, true),
        ] {
            let found = find(name).expect("known");
            assert_eq!(
                (found.in_logs(), found.in_templates()),
                (logs, templates),
                "{name}"
            );
        }
    }
}
