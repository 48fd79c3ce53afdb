//! What an event says of a request.
//!
//! Shape: borrowed texts and bytes, no owner's types; what is `None` is null in the event or left
//! out, as each member's format has it. Units: milliseconds since 1970. Ranges: bytes that are no
//! UTF-8 become U+FFFD. Errors: none. Source: Amazon API Gateway developer guide, "input format
//! of a Lambda function for proxy integration"; recorded events.

/// A name and a value, as they came.
pub(super) type Field<'r> = (&'r [u8], &'r [u8]);

/// Everything that an event says.
#[derive(Clone, Copy, Debug)]
pub struct EventFacts<'r> {
    /// The resource's path, `/pets/{id}`.
    pub resource: &'r str,
    /// `POST /pets/{id}` or `$default`; format 2.0 alone.
    pub route_key: &'r str,
    /// The path without stage, as it came: `/pets/7`.
    pub path: &'r [u8],
    /// The client's verb.
    pub method: &'r str,
    /// The client's fields and the gateway's own, in order. Those that nobody sees
    /// ([`crate::integrate::headers::is_visible`]) are left out by the writer.
    pub headers: &'r [Field<'r>],
    /// The raw query, without `?`.
    pub query: &'r [u8],
    /// Path parameters, still percent-encoded.
    pub path_parameters: &'r [(&'r str, &'r [u8])],
    /// Variables of the stage.
    pub stage_variables: &'r [(&'r str, &'r str)],
    /// `requestContext`.
    pub context: ContextFacts<'r>,
    /// The payload.
    pub body: EventBody<'r>,
}

/// The payload of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventBody<'r> {
    /// There is none; an empty one is none too.
    None,
    /// Goes as text.
    Text(&'r [u8]),
    /// Goes as Base64.
    Binary(&'r [u8]),
}

impl<'r> EventBody<'r> {
    /// The payload, as Base64 if its type is binary.
    #[must_use]
    pub fn of(payload: &'r [u8], is_binary: bool) -> EventBody<'r> {
        match (payload, is_binary) {
            ([], _) => EventBody::None,
            (bytes, true) => EventBody::Binary(bytes),
            (text, false) => EventBody::Text(text),
        }
    }
}

/// `requestContext`.
#[derive(Clone, Copy, Debug)]
pub struct ContextFacts<'r> {
    /// Account of the API.
    pub account_id: &'r str,
    /// The API.
    pub api_id: &'r str,
    /// What the authorizer found.
    pub authorizer: AuthorizerFacts<'r>,
    /// The deployment; format 1.0.
    pub deployment_id: &'r str,
    /// The host that was asked.
    pub domain_name: &'r str,
    /// Its first label.
    pub domain_prefix: &'r str,
    /// Ends with `=`; format 1.0.
    pub extended_request_id: &'r str,
    /// Who asks.
    pub identity: IdentityFacts<'r>,
    /// The method's name in the document; format 1.0.
    pub operation_name: Option<&'r str>,
    /// The path with the stage: `/dev/pets/7`.
    pub path: &'r [u8],
    /// `HTTP/1.1`.
    pub protocol: &'r str,
    /// The request's id.
    pub request_id: &'r str,
    /// `09/Apr/2025:12:34:56 +0000`.
    pub request_time: &'r str,
    /// The same, as a number.
    pub request_time_epoch_ms: u64,
    /// The resource's id; format 1.0.
    pub resource_id: &'r str,
    /// The stage.
    pub stage: &'r str,
}

/// What an authorizer found. Objects come as JSON texts that were prepared when it answered.
#[derive(Clone, Copy, Debug)]
pub enum AuthorizerFacts<'r> {
    /// There is none.
    None,
    /// A function's or a user pool's: the object of format 1.0, `lambda` of format 2.0.
    Object(&'r str),
    /// A token's.
    Jwt {
        /// The object of its claims.
        claims: &'r str,
        /// Scopes that were granted; null without.
        scopes: Option<&'r [&'r str]>,
    },
    /// A signature's; in format 1.0 the identity says it.
    Iam(IamFacts<'r>),
}

/// `authorizer.iam` of format 2.0.
#[derive(Clone, Copy, Debug, Default)]
pub struct IamFacts<'r> {
    pub access_key: Option<&'r str>,
    pub account_id: Option<&'r str>,
    pub caller_id: Option<&'r str>,
    /// Prepared JSON; null without.
    pub cognito_identity: Option<&'r str>,
    pub principal_org_id: Option<&'r str>,
    pub user_arn: Option<&'r str>,
    pub user_id: Option<&'r str>,
}

/// `requestContext.identity`.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdentityFacts<'r> {
    pub access_key: Option<&'r str>,
    pub account_id: Option<&'r str>,
    /// Left out without a key.
    pub api_key: Option<&'r [u8]>,
    /// Left out without a key.
    pub api_key_id: Option<&'r str>,
    pub caller: Option<&'r str>,
    /// Left out without a certificate.
    pub client_cert: Option<ClientCertFacts<'r>>,
    pub cognito_authentication_provider: Option<&'r str>,
    pub cognito_authentication_type: Option<&'r str>,
    pub cognito_identity_id: Option<&'r str>,
    pub cognito_identity_pool_id: Option<&'r str>,
    pub principal_org_id: Option<&'r str>,
    pub source_ip: &'r str,
    pub user: Option<&'r str>,
    pub user_agent: Option<&'r [u8]>,
    pub user_arn: Option<&'r str>,
}

/// The client's certificate.
#[derive(Clone, Copy, Debug)]
pub struct ClientCertFacts<'r> {
    pub pem: &'r str,
    pub subject_dn: &'r str,
    pub issuer_dn: &'r str,
    pub serial_number: &'r str,
    /// `May 28 12:30:02 2019 GMT`.
    pub not_before: &'r str,
    pub not_after: &'r str,
}
