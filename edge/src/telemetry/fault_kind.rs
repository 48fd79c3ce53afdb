//! The kinds of refusals and failures, as metrics and log lines name them.
//!
//! Shape: one closed enum and its table of names. The pipeline's `Fault` maps onto it.
//! Units and ranges: [`FaultKind::COUNT`] kinds, small indices. Errors: none.
//! Source: AWS guide, "Gateway response types"; the last rows are HTTP's own (RFC 9110 section 15)
//! and overload (RELIABILITY section 3).

/// Declares the enum and its names from one table, so that they cannot part.
macro_rules! fault_kinds {
    ($($kind:ident $name:literal,)*) => {
        /// What a request was refused with or failed by.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(missing_docs)] // The name says it.
        pub enum FaultKind { $($kind,)* }

        impl FaultKind {
            /// Every kind, in index order.
            pub const ALL: &[FaultKind] = &[$(FaultKind::$kind,)*];

            /// The name in metrics and in `$context.error.responseType`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(FaultKind::$kind => $name,)* }
            }
        }
    };
}

fault_kinds! {
    AccessDenied "ACCESS_DENIED",
    ApiConfigurationError "API_CONFIGURATION_ERROR",
    AuthorizerConfigurationError "AUTHORIZER_CONFIGURATION_ERROR",
    AuthorizerFailure "AUTHORIZER_FAILURE",
    BadRequestBody "BAD_REQUEST_BODY",
    BadRequestParameters "BAD_REQUEST_PARAMETERS",
    ExpiredToken "EXPIRED_TOKEN",
    IntegrationFailure "INTEGRATION_FAILURE",
    IntegrationTimeout "INTEGRATION_TIMEOUT",
    InvalidApiKey "INVALID_API_KEY",
    InvalidSignature "INVALID_SIGNATURE",
    MissingAuthenticationToken "MISSING_AUTHENTICATION_TOKEN",
    QuotaExceeded "QUOTA_EXCEEDED",
    RequestTooLarge "REQUEST_TOO_LARGE",
    ResourceNotFound "RESOURCE_NOT_FOUND",
    Throttled "THROTTLED",
    Unauthorized "UNAUTHORIZED",
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE",
    WafFiltered "WAF_FILTERED",
    BadRequest "BAD_REQUEST",
    MethodNotAllowed "METHOD_NOT_ALLOWED",
    RequestTimeout "REQUEST_TIMEOUT",
    UriTooLong "URI_TOO_LONG",
    ExpectationFailed "EXPECTATION_FAILED",
    Misdirected "MISDIRECTED_REQUEST",
    HeadTooLarge "REQUEST_HEADER_FIELDS_TOO_LARGE",
    Internal "INTERNAL_ERROR",
    NotImplemented "NOT_IMPLEMENTED",
    BadGateway "BAD_GATEWAY",
    Overloaded "OVERLOADED",
    VersionNotSupported "HTTP_VERSION_NOT_SUPPORTED",
}

impl FaultKind {
    /// The gateway answered 5xx by itself, and not for what the request asked.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            FaultKind::ApiConfigurationError
                | FaultKind::AuthorizerConfigurationError
                | FaultKind::AuthorizerFailure
                | FaultKind::IntegrationFailure
                | FaultKind::IntegrationTimeout
                | FaultKind::Internal
                | FaultKind::BadGateway
                | FaultKind::Overloaded
        )
    }

    /// How many kinds there are.
    pub const COUNT: usize = FaultKind::ALL.len();

    /// Position in [`FaultKind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_names_are_one_to_one() {
        for (i, kind) in FaultKind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), i);
            let same = FaultKind::ALL.iter().filter(|k| k.name() == kind.name());
            assert_eq!(same.count(), 1, "{}", kind.name());
        }
    }
}
