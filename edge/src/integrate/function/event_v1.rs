//! The event of format 1.0.
//!
//! Shape: see [`super::event`]; members in the recorded order. Units: milliseconds in
//! `requestTimeEpoch`. Errors: none. Source: recorded events of REST APIs; those of HTTP APIs say
//! `"version":"1.0"` before all else.

use super::{
    event::{self, EventWriter, member, member_or_null},
    facts::{AuthorizerFacts, ContextFacts, EventFacts, IdentityFacts},
    json,
};

impl EventWriter {
    pub(super) fn write_v1(
        &mut self,
        facts: &EventFacts<'_>,
        version: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        out.push(b'{');
        if let Some(version) = version {
            member(out, b"\"version\":", version.as_bytes());
            out.push(b',');
        }
        member(out, b"\"resource\":", facts.resource.as_bytes());
        member(out, b",\"path\":", facts.path);
        member(out, b",\"httpMethod\":", facts.method.as_bytes());
        self.groups.clear();
        for (name, value) in event::visible_headers(facts) {
            self.groups.add(name, value);
        }
        self.groups.link(true);
        self.both_maps(out, b",\"headers\":", b",\"multiValueHeaders\":");
        self.group_query(facts.query);
        self.both_maps(
            out,
            b",\"queryStringParameters\":",
            b",\"multiValueQueryStringParameters\":",
        );
        out.extend_from_slice(b",\"pathParameters\":");
        if facts.path_parameters.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            event::path_parameters(out, facts.path_parameters);
        }
        out.extend_from_slice(b",\"stageVariables\":");
        if facts.stage_variables.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            event::stage_variables(out, facts.stage_variables);
        }
        out.extend_from_slice(b",\"requestContext\":");
        context(out, facts);
        out.extend_from_slice(b",\"body\":");
        let is_base64 = event::body(out, facts.body);
        out.extend_from_slice(b",\"isBase64Encoded\":");
        out.extend_from_slice(if is_base64 { b"true}" } else { b"false}" });
    }

    /// The last and all values of each name, or two nulls.
    fn both_maps(&self, out: &mut Vec<u8>, single: &[u8], multiple: &[u8]) {
        out.extend_from_slice(single);
        if self.groups.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            event::last_values(out, &self.groups);
        }
        out.extend_from_slice(multiple);
        if self.groups.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            event::all_values(out, &self.groups);
        }
    }
}

fn context(out: &mut Vec<u8>, facts: &EventFacts<'_>) {
    let context = &facts.context;
    member(out, b"{\"accountId\":", context.account_id.as_bytes());
    member(out, b",\"apiId\":", context.api_id.as_bytes());
    authorizer(out, context);
    member(out, b",\"deploymentId\":", context.deployment_id.as_bytes());
    member(out, b",\"domainName\":", context.domain_name.as_bytes());
    member(out, b",\"domainPrefix\":", context.domain_prefix.as_bytes());
    member(
        out,
        b",\"extendedRequestId\":",
        context.extended_request_id.as_bytes(),
    );
    member(out, b",\"httpMethod\":", facts.method.as_bytes());
    out.extend_from_slice(b",\"identity\":");
    identity(out, &context.identity);
    if let Some(name) = context.operation_name {
        member(out, b",\"operationName\":", name.as_bytes());
    }
    member(out, b",\"path\":", context.path);
    member(out, b",\"protocol\":", context.protocol.as_bytes());
    member(out, b",\"requestId\":", context.request_id.as_bytes());
    member(out, b",\"requestTime\":", context.request_time.as_bytes());
    out.extend_from_slice(b",\"requestTimeEpoch\":");
    json::number(out, context.request_time_epoch_ms);
    member(out, b",\"resourceId\":", context.resource_id.as_bytes());
    member(out, b",\"resourcePath\":", facts.resource.as_bytes());
    member(out, b",\"stage\":", context.stage.as_bytes());
    out.push(b'}');
}

/// Left out when there is none; a signature shows in the identity.
fn authorizer(out: &mut Vec<u8>, context: &ContextFacts<'_>) {
    match context.authorizer {
        AuthorizerFacts::None | AuthorizerFacts::Iam(_) => {}
        AuthorizerFacts::Object(object) => {
            out.extend_from_slice(b",\"authorizer\":");
            out.extend_from_slice(object.as_bytes());
        }
        AuthorizerFacts::Jwt { claims, scopes } => {
            out.extend_from_slice(b",\"authorizer\":{\"claims\":");
            out.extend_from_slice(claims.as_bytes());
            super::event_v2::scopes(out, scopes);
            out.push(b'}');
        }
    }
}

fn identity(out: &mut Vec<u8>, identity: &IdentityFacts<'_>) {
    let text = |out: &mut Vec<u8>, start: &[u8], value: Option<&str>| {
        member_or_null(out, start, value.map(str::as_bytes));
    };
    text(out, b"{\"accessKey\":", identity.access_key);
    text(out, b",\"accountId\":", identity.account_id);
    if let Some(key) = identity.api_key {
        member(out, b",\"apiKey\":", key);
    }
    if let Some(id) = identity.api_key_id {
        member(out, b",\"apiKeyId\":", id.as_bytes());
    }
    text(out, b",\"caller\":", identity.caller);
    if let Some(cert) = &identity.client_cert {
        out.extend_from_slice(b",\"clientCert\":");
        event::client_cert(out, cert);
    }
    text(
        out,
        b",\"cognitoAuthenticationProvider\":",
        identity.cognito_authentication_provider,
    );
    text(
        out,
        b",\"cognitoAuthenticationType\":",
        identity.cognito_authentication_type,
    );
    text(
        out,
        b",\"cognitoIdentityId\":",
        identity.cognito_identity_id,
    );
    text(
        out,
        b",\"cognitoIdentityPoolId\":",
        identity.cognito_identity_pool_id,
    );
    text(out, b",\"principalOrgId\":", identity.principal_org_id);
    member(out, b",\"sourceIp\":", identity.source_ip.as_bytes());
    text(out, b",\"user\":", identity.user);
    member_or_null(out, b",\"userAgent\":", identity.user_agent);
    text(out, b",\"userArn\":", identity.user_arn);
    out.push(b'}');
}
