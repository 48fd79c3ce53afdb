//! The event of format 2.0.
//!
//! Shape: see [`super::event`]; members in the recorded order, absent maps left out. Names of
//! fields are in lower case, repeated ones joined by commas; cookies have a list of their own.
//! Units: milliseconds in `timeEpoch`. Errors: none. Source: Amazon API Gateway developer guide,
//! "payload format version".

use super::{
    event::{self, EventWriter, member, member_or_null},
    facts::{AuthorizerFacts, EventBody, EventFacts, IamFacts},
    json,
};
use crate::integrate::headers::is_visible;

impl EventWriter {
    pub(super) fn write_v2(&mut self, facts: &EventFacts<'_>, out: &mut Vec<u8>) {
        member(out, b"{\"version\":", b"2.0");
        member(out, b",\"routeKey\":", facts.route_key.as_bytes());
        member(out, b",\"rawPath\":", facts.context.path);
        member(out, b",\"rawQueryString\":", facts.query);
        cookies(out, facts);
        self.groups.clear();
        for (name, value) in facts.headers {
            if is_visible(name) && !is_cookie(name) {
                self.groups.add_lower(name, value);
            }
        }
        self.groups.link(false);
        out.extend_from_slice(b",\"headers\":");
        event::joined_values(out, &self.groups);
        self.group_query(facts.query);
        if !self.groups.is_empty() {
            out.extend_from_slice(b",\"queryStringParameters\":");
            event::joined_values(out, &self.groups);
        }
        if !facts.path_parameters.is_empty() {
            out.extend_from_slice(b",\"pathParameters\":");
            event::path_parameters(out, facts.path_parameters);
        }
        if !facts.stage_variables.is_empty() {
            out.extend_from_slice(b",\"stageVariables\":");
            event::stage_variables(out, facts.stage_variables);
        }
        out.extend_from_slice(b",\"requestContext\":");
        context(out, facts);
        let is_base64 = match facts.body {
            EventBody::None | EventBody::Text([]) | EventBody::Binary([]) => false,
            body => {
                out.extend_from_slice(b",\"body\":");
                event::body(out, body)
            }
        };
        out.extend_from_slice(b",\"isBase64Encoded\":");
        out.extend_from_slice(if is_base64 { b"true}" } else { b"false}" });
    }
}

fn is_cookie(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"cookie")
}

/// The cookies of all of their fields, one by one.
fn cookies(out: &mut Vec<u8>, facts: &EventFacts<'_>) {
    let fields = facts.headers.iter().filter(|(name, _)| is_cookie(name));
    let crumbs = fields.flat_map(|(_, value)| value.split(|byte| *byte == b';'));
    let mut mark: &[u8] = b",\"cookies\":[";
    for cookie in crumbs.map(<[u8]>::trim_ascii) {
        if cookie.is_empty() {
            continue;
        }
        member(out, mark, cookie);
        mark = b",";
    }
    if mark == b"," {
        out.push(b']');
    }
}

fn context(out: &mut Vec<u8>, facts: &EventFacts<'_>) {
    let context = &facts.context;
    member(out, b"{\"accountId\":", context.account_id.as_bytes());
    member(out, b",\"apiId\":", context.api_id.as_bytes());
    if let Some(cert) = &context.identity.client_cert {
        out.extend_from_slice(b",\"authentication\":{\"clientCert\":");
        event::client_cert(out, cert);
        out.push(b'}');
    }
    authorizer(out, context.authorizer);
    member(out, b",\"domainName\":", context.domain_name.as_bytes());
    member(out, b",\"domainPrefix\":", context.domain_prefix.as_bytes());
    member(out, b",\"http\":{\"method\":", facts.method.as_bytes());
    member(out, b",\"path\":", context.path);
    member(out, b",\"protocol\":", context.protocol.as_bytes());
    member(
        out,
        b",\"sourceIp\":",
        context.identity.source_ip.as_bytes(),
    );
    member(
        out,
        b",\"userAgent\":",
        context.identity.user_agent.unwrap_or(b""),
    );
    member(out, b"},\"requestId\":", context.request_id.as_bytes());
    member(out, b",\"routeKey\":", facts.route_key.as_bytes());
    member(out, b",\"stage\":", context.stage.as_bytes());
    member(out, b",\"time\":", context.request_time.as_bytes());
    out.extend_from_slice(b",\"timeEpoch\":");
    json::number(out, context.request_time_epoch_ms);
    out.push(b'}');
}

fn authorizer(out: &mut Vec<u8>, authorizer: AuthorizerFacts<'_>) {
    match authorizer {
        AuthorizerFacts::None => {}
        AuthorizerFacts::Object(object) => {
            out.extend_from_slice(b",\"authorizer\":{\"lambda\":");
            out.extend_from_slice(object.as_bytes());
            out.push(b'}');
        }
        AuthorizerFacts::Jwt {
            claims,
            scopes: granted,
        } => {
            out.extend_from_slice(b",\"authorizer\":{\"jwt\":{\"claims\":");
            out.extend_from_slice(claims.as_bytes());
            scopes(out, granted);
            out.extend_from_slice(b"}}");
        }
        AuthorizerFacts::Iam(facts) => iam(out, &facts),
    }
}

/// The scopes of a token, as a list or null.
pub(super) fn scopes(out: &mut Vec<u8>, scopes: Option<&[&str]>) {
    out.extend_from_slice(b",\"scopes\":");
    let Some(scopes) = scopes else {
        return out.extend_from_slice(b"null");
    };
    out.push(b'[');
    for (position, scope) in scopes.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        json::string(out, scope.as_bytes());
    }
    out.push(b']');
}

fn iam(out: &mut Vec<u8>, facts: &IamFacts<'_>) {
    let text = |out: &mut Vec<u8>, start: &[u8], value: Option<&str>| {
        member_or_null(out, start, value.map(str::as_bytes));
    };
    text(
        out,
        b",\"authorizer\":{\"iam\":{\"accessKey\":",
        facts.access_key,
    );
    text(out, b",\"accountId\":", facts.account_id);
    text(out, b",\"callerId\":", facts.caller_id);
    out.extend_from_slice(b",\"cognitoIdentity\":");
    out.extend_from_slice(facts.cognito_identity.unwrap_or("null").as_bytes());
    text(out, b",\"principalOrgId\":", facts.principal_org_id);
    text(out, b",\"userArn\":", facts.user_arn);
    text(out, b",\"userId\":", facts.user_id);
    out.extend_from_slice(b"}}");
}
