//! What can go wrong with a request, in the gateway's terms.
//!
//! What it is: one variant per gateway response type that exists so far, plus the protocol faults.
//! Shape: a small `Copy` enum with two texts, for the client and for the log, and whose fault it
//! is. Units: HTTP statuses. Errors: it is them.
//! Source: API Gateway developer guide, "gateway response types"; RFC 9110 section 15.

use crate::{
    origin::AcquireFault,
    telemetry::fault_kind::FaultKind,
    wire::fault::{BodyFault, HeadFault},
};

/// Whose mistake a fault is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blame {
    /// The client's.
    Client,
    /// The origin's.
    Origin,
    /// The gateway's, or its configuration's.
    Gateway,
}

/// Why a request is not answered by its integration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No such resource or verb.
    NoRoute,
    /// Neither host nor path names a stage.
    NoStage,
    /// The head breaks a rule.
    Head(HeadFault),
    /// The body breaks a rule.
    Body(BodyFault),
    /// The head did not come in time.
    HeadTimeout,
    /// The body came too slowly.
    BodyTimeout,
    /// The connection's certificate does not cover the host.
    Misdirected,
    /// An integration that cannot answer as it is configured.
    Configuration,
    /// No template for this media type.
    UnsupportedMediaType,
    /// Only signed requests may pass, and this one is not known to be.
    Unsigned,
    /// An authorizer would have to be asked, and none can be.
    Authorizer,
    /// The API's policy would have to allow it, and none is read.
    Policy,
    /// Required parameters are missing; the exchange says which.
    MissingParameters,
    /// The payload is not valid against its model.
    InvalidBody,
    /// The payload is to be looked into, and is no JSON.
    InvalidJson,
    /// The answer's payload is longer than it may be.
    AnswerTooLarge,
    /// The function failed, or its output is no answer.
    Function,
    /// What a function streams is not framed as it must be.
    StreamFraming,
    /// The function may not or cannot be called.
    FunctionRefused,
    /// The event is longer than a function takes.
    EventTooLarge,
    /// The mapped target breaks a rule.
    Target,
    /// No connection to the origin.
    Unreachable(AcquireFault),
    /// The origin closed or failed before its answer.
    OriginGone,
    /// The origin did not answer in time.
    OriginTimeout,
    /// The origin's answer breaks a rule.
    OriginAnswer(HeadFault),
    /// Nothing is left to serve it with.
    Overload,
    /// The core is pressed: refused before its body was read.
    Shed,
    /// Only a stored answer was wanted, and there is none.
    NotStored,
    /// A fresh answer was asked for by somebody who may not.
    InvalidationDenied,
    /// The route needs an API key, and there is none that is valid for it.
    InvalidApiKey,
    /// A rate limit has no token left.
    Throttled,
    /// The quota of the key is used up.
    QuotaExceeded,
    /// A part of the quota is on its way; refused only when it does not come.
    AwaitsLease,
}

impl Fault {
    /// What an HTTP API says instead: it has few words for its errors.
    #[must_use]
    pub fn of_http_api(self) -> (u16, &'static str) {
        match self {
            Fault::NoRoute => (404, "Not Found"),
            Fault::Unreachable(_) | Fault::OriginGone | Fault::OriginTimeout => {
                (503, "Service Unavailable")
            }
            Fault::Function | Fault::OriginAnswer(_) => (500, "Internal Server Error"),
            Fault::Unsigned | Fault::Policy => (403, "Forbidden"),
            Fault::Body(BodyFault::TooLarge) | Fault::EventTooLarge => {
                (413, "Request Entity Too Large")
            }
            other if other.status() == 500 => (500, "Internal Server Error"),
            other => (other.status(), other.message()),
        }
    }

    /// The client's status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Fault::NoRoute
            | Fault::NoStage
            | Fault::InvalidationDenied
            | Fault::InvalidApiKey
            | Fault::Unsigned
            | Fault::Policy => 403,
            Fault::Throttled | Fault::QuotaExceeded | Fault::AwaitsLease => 429,
            Fault::Head(fault) => fault.status(),
            Fault::Body(fault) => fault.status(),
            Fault::HeadTimeout | Fault::BodyTimeout => 408,
            Fault::Misdirected => 421,
            Fault::Configuration
            | Fault::Authorizer
            | Fault::AnswerTooLarge
            | Fault::StreamFraming
            | Fault::FunctionRefused => 500,
            Fault::EventTooLarge => 413,
            Fault::UnsupportedMediaType => 415,
            Fault::Target | Fault::InvalidJson | Fault::MissingParameters | Fault::InvalidBody => {
                400
            }
            Fault::Unreachable(AcquireFault::Overloaded) | Fault::Overload | Fault::Shed => 503,
            Fault::Unreachable(_) | Fault::OriginTimeout | Fault::NotStored => 504,
            Fault::OriginGone | Fault::OriginAnswer(_) | Fault::Function => 502,
        }
    }

    /// What the client reads.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Fault::NoRoute | Fault::Unsigned => "Missing Authentication Token",
            Fault::NoStage | Fault::InvalidApiKey => "Forbidden",
            Fault::Throttled => "Too Many Requests",
            Fault::QuotaExceeded | Fault::AwaitsLease => "Limit Exceeded",
            Fault::Misdirected => "Misdirected Request",
            Fault::UnsupportedMediaType => "Unsupported Media Type",
            Fault::HeadTimeout | Fault::BodyTimeout => "Request Timeout",
            Fault::Configuration
            | Fault::Authorizer
            | Fault::AnswerTooLarge
            | Fault::Function
            | Fault::StreamFraming
            | Fault::FunctionRefused
            | Fault::OriginGone
            | Fault::OriginAnswer(_) => "Internal server error",
            Fault::EventTooLarge => "Request Too Long",
            Fault::InvalidJson => "Invalid JSON in request body",
            Fault::MissingParameters => "Missing required request parameters",
            Fault::InvalidBody => crate::validate::INVALID_BODY,
            Fault::Unreachable(AcquireFault::Overloaded) | Fault::Overload | Fault::Shed => {
                "Service Unavailable"
            }
            Fault::Unreachable(AcquireFault::Timeout) | Fault::OriginTimeout => {
                "Endpoint request timed out"
            }
            Fault::Unreachable(_) => "Network error communicating with endpoint",
            Fault::Target => "Bad Request",
            Fault::NotStored => "Gateway Timeout",
            Fault::InvalidationDenied | Fault::Policy => {
                "User is not authorized to access this resource"
            }
            Fault::Head(fault) => crate::wire::status::reason(fault.status()),
            Fault::Body(fault) => crate::wire::status::reason(fault.status()),
        }
    }

    /// Under which name the client reads it: recorded, refusals by policies are spelled so.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Fault::Policy => "Message",
            _ => "message",
        }
    }

    /// What the log reads.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Fault::NoRoute => "no resource and verb match",
            Fault::NoStage => "neither host nor path names a stage",
            Fault::Head(_) => "the request head breaks a rule",
            Fault::Body(_) => "the request body breaks a rule",
            Fault::HeadTimeout => "the request head did not come in time",
            Fault::BodyTimeout => "the request body came too slowly",
            Fault::Misdirected => "the certificate does not cover the host",
            Fault::Configuration => "the integration cannot answer as it is configured",
            Fault::UnsupportedMediaType => "no template for this media type",
            Fault::Unsigned => "the method takes signed requests, which are not known yet",
            Fault::Authorizer => "the method has an authorizer, and none is asked yet",
            Fault::Policy => "the API has a resource policy, and none is read yet",
            Fault::MissingParameters => "a required parameter is missing",
            Fault::InvalidBody => "the request body is not valid against its model",
            Fault::InvalidJson => "a mapping looks into a payload that is no JSON",
            Fault::AnswerTooLarge => "the endpoint's answer is longer than it may be",
            Fault::Function => "the function failed, or its output is no answer",
            Fault::StreamFraming => "what the function streams is not framed as it must be",
            Fault::FunctionRefused => "the function may not or cannot be called",
            Fault::EventTooLarge => "the event is longer than a function takes",
            Fault::Target => "the mapped target breaks a rule",
            Fault::Unreachable(fault) => match fault {
                AcquireFault::NoEndpoint => "every endpoint is drained",
                AcquireFault::NoAddress => "the endpoint's name has no address",
                AcquireFault::Forbidden => "the endpoint's address is not allowed",
                AcquireFault::Connect(_) => "connecting to the endpoint failed",
                AcquireFault::Tls => "the TLS handshake with the endpoint failed",
                AcquireFault::Timeout => "connecting to the endpoint took too long",
                AcquireFault::Overloaded => "too many requests wait for the endpoint",
            },
            Fault::OriginGone => "the endpoint closed before its answer",
            Fault::OriginTimeout => "the endpoint did not answer in time",
            Fault::OriginAnswer(_) => "the endpoint's answer breaks a rule",
            Fault::Overload => "no buffer or slot is free",
            Fault::Shed => "refused under pressure, before its body",
            Fault::NotStored => "only a stored answer was wanted, and there is none",
            Fault::InvalidApiKey => "no API key that is valid here",
            Fault::Throttled => "a rate limit has no token left",
            Fault::QuotaExceeded => "the quota of the API key is used up",
            Fault::AwaitsLease => "no part of the quota was granted in time",
            Fault::InvalidationDenied => "a fresh answer was asked for without permission",
        }
    }

    /// The gateway response type, as `$context.error.responseType` names it.
    #[must_use]
    pub fn response_type(self) -> &'static str {
        match self {
            Fault::NoRoute | Fault::Unsigned => "MISSING_AUTHENTICATION_TOKEN",
            Fault::NoStage | Fault::InvalidationDenied | Fault::Policy => "ACCESS_DENIED",
            Fault::Authorizer => "AUTHORIZER_CONFIGURATION_ERROR",
            Fault::InvalidApiKey => "INVALID_API_KEY",
            Fault::Throttled => "THROTTLED",
            Fault::QuotaExceeded | Fault::AwaitsLease => "QUOTA_EXCEEDED",
            Fault::Configuration => "API_CONFIGURATION_ERROR",
            Fault::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Fault::Unreachable(AcquireFault::Timeout) | Fault::OriginTimeout => {
                "INTEGRATION_TIMEOUT"
            }
            Fault::Unreachable(_)
            | Fault::OriginGone
            | Fault::OriginAnswer(_)
            | Fault::AnswerTooLarge
            | Fault::Function
            | Fault::StreamFraming
            | Fault::FunctionRefused => "INTEGRATION_FAILURE",
            Fault::EventTooLarge => "REQUEST_TOO_LARGE",
            Fault::MissingParameters | Fault::InvalidJson => "BAD_REQUEST_PARAMETERS",
            Fault::InvalidBody => "BAD_REQUEST_BODY",
            Fault::Body(BodyFault::TooLarge) => "REQUEST_TOO_LARGE",
            Fault::Overload | Fault::Shed | Fault::NotStored => "DEFAULT_5XX",
            _ => "DEFAULT_4XX",
        }
    }

    /// What the metrics count it as.
    #[must_use]
    pub fn kind(self) -> FaultKind {
        match self {
            Fault::NoRoute | Fault::Unsigned => FaultKind::MissingAuthenticationToken,
            Fault::NoStage | Fault::InvalidationDenied | Fault::Policy => FaultKind::AccessDenied,
            Fault::Authorizer => FaultKind::AuthorizerConfigurationError,
            Fault::InvalidApiKey => FaultKind::InvalidApiKey,
            Fault::Throttled => FaultKind::Throttled,
            Fault::QuotaExceeded | Fault::AwaitsLease => FaultKind::QuotaExceeded,
            Fault::Configuration => FaultKind::ApiConfigurationError,
            Fault::UnsupportedMediaType => FaultKind::UnsupportedMediaType,
            Fault::Overload | Fault::Shed | Fault::Unreachable(AcquireFault::Overloaded) => {
                FaultKind::Overloaded
            }
            Fault::Unreachable(AcquireFault::Timeout) | Fault::OriginTimeout => {
                FaultKind::IntegrationTimeout
            }
            Fault::NotStored => FaultKind::IntegrationTimeout,
            Fault::Unreachable(_) | Fault::OriginGone => FaultKind::IntegrationFailure,
            Fault::OriginAnswer(_) => FaultKind::BadGateway,
            Fault::HeadTimeout | Fault::BodyTimeout => FaultKind::RequestTimeout,
            Fault::Misdirected => FaultKind::Misdirected,
            Fault::AnswerTooLarge
            | Fault::Function
            | Fault::StreamFraming
            | Fault::FunctionRefused => FaultKind::IntegrationFailure,
            Fault::EventTooLarge => FaultKind::RequestTooLarge,
            Fault::Target => FaultKind::BadRequest,
            Fault::MissingParameters | Fault::InvalidJson => FaultKind::BadRequestParameters,
            Fault::InvalidBody => FaultKind::BadRequestBody,
            Fault::Head(_) | Fault::Body(_) => match self.status() {
                405 => FaultKind::MethodNotAllowed,
                413 => FaultKind::RequestTooLarge,
                414 => FaultKind::UriTooLong,
                417 => FaultKind::ExpectationFailed,
                431 => FaultKind::HeadTooLarge,
                501 => FaultKind::NotImplemented,
                505 => FaultKind::VersionNotSupported,
                _ => FaultKind::BadRequest,
            },
        }
    }

    /// `x-amzn-ErrorType`.
    #[must_use]
    pub fn error_type(self) -> Option<&'static str> {
        match self {
            Fault::NoRoute | Fault::Unsigned => Some("MissingAuthenticationTokenException"),
            Fault::Authorizer => Some("AuthorizerConfigurationException"),
            Fault::NoStage | Fault::InvalidApiKey => Some("ForbiddenException"),
            Fault::Throttled => Some("TooManyRequestsException"),
            Fault::QuotaExceeded | Fault::AwaitsLease => Some("LimitExceededException"),
            Fault::InvalidationDenied | Fault::Policy => Some("AccessDeniedException"),
            Fault::UnsupportedMediaType
            | Fault::Target
            | Fault::MissingParameters
            | Fault::InvalidBody
            | Fault::InvalidJson => Some("BadRequestException"),
            Fault::EventTooLarge => None,
            Fault::Configuration
            | Fault::AnswerTooLarge
            | Fault::Function
            | Fault::StreamFraming
            | Fault::FunctionRefused
            | Fault::Unreachable(_)
            | Fault::OriginGone
            | Fault::OriginTimeout
            | Fault::OriginAnswer(_) => Some("InternalServerErrorException"),
            Fault::Overload | Fault::Shed => Some("ServiceUnavailableException"),
            Fault::Head(_)
            | Fault::Body(_)
            | Fault::HeadTimeout
            | Fault::BodyTimeout
            | Fault::Misdirected
            | Fault::NotStored => None,
        }
    }

    /// The connection cannot go on: where its next request begins is in doubt.
    #[must_use]
    pub fn closes(self) -> bool {
        matches!(
            self,
            Fault::Head(_)
                | Fault::Body(_)
                | Fault::HeadTimeout
                | Fault::BodyTimeout
                | Fault::Misdirected
                | Fault::Overload
                | Fault::Shed
        )
    }

    /// Whose mistake it is.
    #[must_use]
    pub fn blame(self) -> Blame {
        match self {
            Fault::Unreachable(_)
            | Fault::OriginGone
            | Fault::OriginTimeout
            | Fault::AnswerTooLarge
            | Fault::Function
            | Fault::StreamFraming
            | Fault::FunctionRefused
            | Fault::OriginAnswer(_) => Blame::Origin,
            Fault::Configuration
            | Fault::Authorizer
            | Fault::Policy
            | Fault::Overload
            | Fault::Shed => Blame::Gateway,
            _ => Blame::Client,
        }
    }
}
