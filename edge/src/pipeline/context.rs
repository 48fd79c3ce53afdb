//! What mappings can read of one exchange.
//!
//! What it is: the one provider of `$context`, parameters, stage variables and payloads, for
//! templates, parameter mappings, events and gateway responses. Shape: [`Context`] borrows the
//! exchange and makes a value when it is asked for. Units: milliseconds since 1970. Errors: none;
//! what is not known is `None`. Source: Amazon API Gateway developer guide, "`$context`
//! variables" and "parameter mapping".

use std::borrow::Cow;

use super::{
    exchange::{Exchange, Peer},
    local::Local,
    respond::At,
    trace::{extended_id, root_of},
};
use crate::{
    integrate::headers::is_visible,
    mapping::{ParameterPlace, Variables, gateway_response::quote},
    model::settings::Account,
    plan::{RoutePlan, StagePlan},
    wire::{
        forwarded::Scheme,
        known::Known,
        query::{decode_query, pairs},
    },
};

/// One exchange, as mappings see it.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) local: &'a Local,
    pub(super) peer: &'a Peer,
    pub(super) x: &'a Exchange,
    /// Whose APIs these are.
    pub(super) account: &'a Account,
    pub(super) stage: Option<&'a StagePlan>,
    pub(super) route: Option<&'a RoutePlan>,
    /// The client's payload.
    pub(super) body: &'a [u8],
    /// The payload of the integration's answer, once there is one; its fields are in `x`.
    pub(super) answer: Option<&'a [u8]>,
}

type Text<'a> = Option<Cow<'a, [u8]>>;

impl<'a> Context<'a> {
    /// An exchange whose payloads are not looked at.
    pub(super) fn of(at: At<'a>, x: &'a Exchange, route: Option<&'a RoutePlan>) -> Context<'a> {
        Context {
            local: at.local,
            peer: at.peer,
            x,
            account: &at.serving.plan.account,
            stage: x.stage.and_then(|stage| at.serving.plan.stage(stage)),
            route,
            body: &[],
            answer: None,
        }
    }

    /// The value of `$context.NAME`.
    pub(super) fn value(&self, name: &str) -> Text<'a> {
        let x = self.x;
        let bytes = x.head_bytes.bytes();
        let known = |text: &'a [u8]| (!text.is_empty()).then_some(Cow::Borrowed(text));
        let plan = |text: Option<&'a str>| text.and_then(|text| known(text.as_bytes()));
        let number = |number: u64| Some(Cow::Owned(number.to_string().into_bytes()));
        match name {
            "awsEndpointRequestId" => known(x.endpoint_id()),
            "accountId" => known(self.account.id.as_bytes()),
            "apiId" => plan(self.stage.map(|stage| &*stage.api_id)),
            "domainName" => known(self.host()),
            "domainPrefix" => known(self.host_prefix()),
            "extendedRequestId" => Some(Cow::Owned(extended_id(&x.request_id).to_vec())),
            "httpMethod" => known(x.head.method_name.of(bytes)),
            "deploymentId" => plan(self.stage.map(|stage| &*stage.deployment_id)),
            "isCanaryRequest" => Some(Cow::Borrowed(match self.x.canary {
                Some(true) => b"true",
                Some(false) | None => b"false",
            })),
            "operationName" => plan(self.route.and_then(|route| route.operation_name.as_deref())),
            "path" => known(self.path_with_stage()),
            "protocol" => known(self.protocol()),
            // In HTTP APIs the one id is the other.
            "requestId" if x.is_http_api => self.value("extendedRequestId"),
            "requestId" => Some(Cow::Borrowed(&x.request_id[..])),
            "requestTime" => Some(Cow::Owned(self.request_time().to_vec())),
            "requestTimeEpoch" => number(x.received_wall.0),
            "resourceId" => plan(self.route.map(|route| &*route.resource_id)),
            "resourcePath" => plan(self.route.map(|route| &*route.resource_path)),
            "routeKey" => plan(self.route.map(|route| &*route.route_key)),
            "stage" => plan(self.stage.map(|stage| &*stage.name)),
            "status" => (x.status > 0).then(|| number(x.status.into())).flatten(),
            "xrayTraceId" => root_of(&x.trace).and_then(|root| known(root.as_bytes())),
            "customDomain.basePathMatched" => known(x.base_path()),
            "identity.sourceIp" => Some(Cow::Borrowed(x.source_ip(self.peer))),
            "identity.userAgent" => self.known_field(Known::UserAgent).and_then(known),
            "identity.apiKey" if x.limits.key.is_some() => {
                self.known_field(Known::XApiKey).and_then(known)
            }
            "identity.apiKeyId" => {
                let id = x.limits.key.map(crate::limits::Id::text);
                id.map(|id| Cow::Owned(id.as_bytes().to_vec()))
            }
            _ => self.error_value(name),
        }
    }

    fn error_value(&self, name: &str) -> Text<'a> {
        let member = name.strip_prefix("error.")?;
        let fault = self.x.fault?;
        let message = || match &*self.x.detail {
            "" => fault.message().as_bytes(),
            detail => detail.as_bytes(),
        };
        match member {
            "message" => Some(Cow::Borrowed(message())),
            "messageString" => {
                let mut quoted = Vec::new();
                quote(message(), &mut quoted);
                Some(Cow::Owned(quoted))
            }
            "responseType" => Some(Cow::Borrowed(fault.response_type().as_bytes())),
            "validationErrorString" if !self.x.validation.is_empty() => {
                Some(Cow::Borrowed(self.x.validation.as_bytes()))
            }
            _ => None,
        }
    }

    /// `$context.path`.
    pub(super) fn path_with_stage(&self) -> &'a [u8] {
        let path = self.x.head.path(self.x.head_bytes.bytes());
        path.get(self.x.path_from..).unwrap_or(path)
    }

    /// The path behind the stage, without doubled slashes at its beginning.
    pub(super) fn resource_path(&self) -> &'a [u8] {
        let path = self.x.head.path(self.x.head_bytes.bytes());
        let mut rest = path.get(self.x.resource_from..).unwrap_or(b"");
        while let [b'/', tail @ ..] = rest
            && tail.first() == Some(&b'/')
        {
            rest = tail;
        }
        if rest.is_empty() { b"/" } else { rest }
    }

    /// The host that was asked.
    pub(super) fn host(&self) -> &'a [u8] {
        self.x.head.host.name.of(self.x.head_bytes.bytes())
    }

    /// Its first label.
    pub(super) fn host_prefix(&self) -> &'a [u8] {
        prefix_of(self.host())
    }

    /// `HTTP/1.1`.
    pub(super) fn protocol(&self) -> &'static [u8] {
        match self.x.head.minor {
            0 => b"HTTP/1.0",
            _ => b"HTTP/1.1",
        }
    }

    /// `09/Apr/2025:12:34:56 +0000`.
    pub(super) fn request_time(&self) -> [u8; crate::telemetry::stamp::STAMP_BYTES] {
        *self.local.stamp.borrow_mut().text(self.x.received_wall)
    }

    /// The last field of a known name.
    pub(super) fn known_field(&self, known: Known) -> Option<&'a [u8]> {
        let field = self.x.head.fields.all(known).last()?;
        Some(field.value.of(self.x.head_bytes.bytes()))
    }

    /// All fields that mappings see, in order: the client's own, and behind them what the gateway
    /// says of the request's way.
    pub(super) fn each_field(&self, each: &mut dyn FnMut(&[u8], &[u8])) {
        self.each_field_of(|_| true, each);
    }

    /// The same for the names that `wants` likes.
    pub(super) fn each_field_of(
        &self,
        wants: impl Fn(&[u8]) -> bool,
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) {
        let bytes = self.x.head_bytes.bytes();
        for field in self.x.head.fields.iter() {
            let name = field.name.of(bytes);
            if !wants(name) {
                continue;
            }
            let is_ours = matches!(
                field.known,
                Known::XForwardedFor
                    | Known::XForwardedPort
                    | Known::XForwardedProto
                    | Known::XAmznTraceId
                    | Known::XAmznRequestId
            );
            if !is_ours && is_visible(name) {
                each(name, field.value.of(bytes));
            }
        }
        let mut room = Vec::new();
        for (name, known) in OWN_FIELDS {
            if wants(name.as_bytes()) && self.own_field(*known, &mut room) {
                each(name.as_bytes(), &room);
            }
        }
    }

    /// Writes what the gateway itself says in a field; `false` when it says nothing.
    pub(super) fn own_field(&self, known: Known, out: &mut Vec<u8>) -> bool {
        out.clear();
        let trusted = self.x.told.is_some();
        match known {
            Known::XAmznTraceId => out.extend_from_slice(self.x.trace.as_bytes()),
            Known::XForwardedFor => {
                let bytes = self.x.head_bytes.bytes();
                let before = self.x.head.fields.all(known).filter(|_| trusted);
                for field in before {
                    out.extend_from_slice(field.value.of(bytes));
                    out.extend_from_slice(b", ");
                }
                out.extend_from_slice(self.peer.ip_text.as_bytes());
            }
            Known::XForwardedPort => match self.known_field(known).filter(|_| trusted) {
                Some(port) => out.extend_from_slice(port),
                None => out.extend_from_slice(self.peer.local_port.to_string().as_bytes()),
            },
            Known::XForwardedProto => {
                let told = self.x.told.and_then(|told| told.scheme);
                let own = match self.peer.tls {
                    true => Scheme::Https,
                    false => Scheme::Http,
                };
                out.extend_from_slice(told.unwrap_or(own).as_bytes());
            }
            _ => {}
        }
        !out.is_empty()
    }

    /// The path parameter `name`, as it was matched.
    fn path_parameter(&self, name: &str) -> Option<&'a [u8]> {
        let variables = &self.route?.variables;
        let ordinal = variables.iter().position(|known| **known == *name)?;
        let path = self.x.head.path(self.x.head_bytes.bytes());
        self.x.params.value(ordinal, path)
    }

    /// All path parameters, as they were matched.
    pub(super) fn path_parameters(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let path = self.x.head.path(self.x.head_bytes.bytes());
        let (x, route) = (self.x, self.route);
        let variables = route.map_or(&[][..], |route| &route.variables);
        variables
            .iter()
            .enumerate()
            .filter_map(move |(ordinal, name)| Some((&**name, x.params.value(ordinal, path)?)))
    }

    fn each_query(&self, wanted: &str, each: &mut dyn FnMut(&[u8])) {
        let query = self.x.head.query(self.x.head_bytes.bytes());
        let mut room = Vec::new();
        for pair in pairs(query) {
            if decoded(pair.name, &mut room) == wanted.as_bytes() {
                each(decoded(pair.value, &mut room));
            }
        }
    }

    fn last_query(&self, wanted: &str) -> Text<'a> {
        let query = self.x.head.query(self.x.head_bytes.bytes());
        let mut room = Vec::new();
        let mut last = None;
        for pair in pairs(query) {
            if decoded(pair.name, &mut room) == wanted.as_bytes() {
                last = Some(pair.value);
            }
        }
        let raw = last?;
        Some(match is_plain(raw) {
            true => Cow::Borrowed(raw),
            false => Cow::Owned(decoded(raw, &mut room).to_vec()),
        })
    }

    fn last_header(&self, wanted: &str) -> Text<'a> {
        let known = Known::of(wanted.as_bytes());
        if OWN_FIELDS.iter().any(|(_, own)| *own == known) {
            let mut room = Vec::new();
            return self.own_field(known, &mut room).then_some(Cow::Owned(room));
        }
        if !is_visible(wanted.as_bytes()) {
            return None;
        }
        let bytes = self.x.head_bytes.bytes();
        let field = self.x.head.fields.named(bytes, wanted.as_bytes()).last()?;
        Some(Cow::Borrowed(field.value.of(bytes)))
    }

    fn each_header(&self, wanted: &str, each: &mut dyn FnMut(&[u8])) {
        let known = Known::of(wanted.as_bytes());
        if OWN_FIELDS.iter().any(|(_, own)| *own == known) {
            let mut room = Vec::new();
            if self.own_field(known, &mut room) {
                each(&room);
            }
            return;
        }
        if !is_visible(wanted.as_bytes()) {
            return;
        }
        let bytes = self.x.head_bytes.bytes();
        for field in self.x.head.fields.named(bytes, wanted.as_bytes()) {
            each(field.value.of(bytes));
        }
    }
}

/// The first label of a host.
pub(super) fn prefix_of(host: &[u8]) -> &[u8] {
    host.split(|byte| *byte == b'.').next().unwrap_or(host)
}

/// What the gateway says of a request's way.
const OWN_FIELDS: &[(&str, Known)] = &[
    ("X-Amzn-Trace-Id", Known::XAmznTraceId),
    ("X-Forwarded-For", Known::XForwardedFor),
    ("X-Forwarded-Port", Known::XForwardedPort),
    ("X-Forwarded-Proto", Known::XForwardedProto),
];

/// A name or value of a query, decoded into `room`.
pub(super) fn decoded<'r>(raw: &'r [u8], room: &'r mut Vec<u8>) -> &'r [u8] {
    if is_plain(raw) {
        return raw;
    }
    room.clear();
    room.resize(raw.len(), 0);
    decode_query(raw, room).unwrap_or(raw)
}

/// Whether a name or value of a query is written as it is.
fn is_plain(raw: &[u8]) -> bool {
    memchr::memchr2(b'%', b'+', raw).is_none()
}

impl Variables for Context<'_> {
    fn context(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.value(name)
    }

    fn stage_variable(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let variables = &self.stage?.variables;
        let found = variables.iter().find(|(known, _)| **known == *name);
        found.map(|(_, value)| Cow::Borrowed(value.as_bytes()))
    }

    fn parameter(&self, place: ParameterPlace, name: &str) -> Option<Cow<'_, [u8]>> {
        match place {
            ParameterPlace::Path => self.path_parameter(name).map(Cow::Borrowed),
            ParameterPlace::Query => self.last_query(name),
            ParameterPlace::Header => self.last_header(name),
        }
    }

    fn each_parameter(&self, place: ParameterPlace, name: &str, each: &mut dyn FnMut(&[u8])) {
        match place {
            ParameterPlace::Path => {
                if let Some(value) = self.path_parameter(name) {
                    each(value);
                }
            }
            ParameterPlace::Query => self.each_query(name, each),
            ParameterPlace::Header => self.each_header(name, each),
        }
    }

    fn path(&self) -> &[u8] {
        self.resource_path()
    }

    fn body(&self) -> &[u8] {
        self.body
    }

    fn answer_header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.answer?;
        let bytes = self.x.answer_bytes.bytes();
        let fields = self.x.answer.fields.named(bytes, name.as_bytes());
        fields
            .last()
            .map(|field| Cow::Borrowed(field.value.of(bytes)))
    }

    fn each_answer_header(&self, name: &str, each: &mut dyn FnMut(&[u8])) {
        if self.answer.is_some() {
            let bytes = self.x.answer_bytes.bytes();
            for field in self.x.answer.fields.named(bytes, name.as_bytes()) {
                each(field.value.of(bytes));
            }
        }
    }

    fn answer_body(&self) -> &[u8] {
        self.answer.unwrap_or(&[])
    }
}
