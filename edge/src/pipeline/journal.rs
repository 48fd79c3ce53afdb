//! What the stages of a request did, for its execution log.
//!
//! What it is: the notes of a request whose method is logged. Shape: the exchange of such a request
//! has a [`Journal`], all others have none and pay one branch a hook; each stage has a function
//! here that writes its lines, in the order of the way; the last one hands them over. Units: wall
//! milliseconds, bytes. Errors: none. Source: Amazon API Gateway developer guide, "CloudWatch log
//! formats for API Gateway" (texts and order as recorded).

mod limits;

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    rc::Rc,
};

pub(super) use limits::{limited, no_lease};

use super::{
    ask::Unasked,
    context::{Context, decoded},
    exchange::Exchange,
    fault::Fault,
    forward::Call,
    local::{Local, Serving},
    respond::At,
    trace::extended_id,
};
use crate::{
    exec::Core,
    integrate::{
        MockAnswer,
        content::MEDIA_TYPE_DEFAULT,
        function::{Invoked, error_message},
    },
    mapping::{Document, RenderError},
    model::settings::LoggingLevel,
    origin::{AcquireFault, OriginIndex},
    plan::{RoutePlan, StagePlan},
    telemetry::{
        execution::{EVENT_BYTES_MAX, Event, Execution, cut, map_text, masked, payload_text},
        metrics::Metric,
    },
    wire::{events::Failure, known::Known, query::pairs},
};

/// The notes of one request.
pub struct Journal {
    core: Rc<Core>,
    tells_all: bool,
    with_data: bool,
    /// Somebody invoked it to see how it goes.
    is_test: bool,
    event_bytes_max: usize,
    notes: RefCell<Notes>,
}

#[derive(Default)]
struct Notes {
    events: Vec<Event>,
    /// Why it failed has been told.
    has_failed: bool,
    /// Its payload has been told.
    has_payload: bool,
}

impl Journal {
    /// A line for those who want to know everything.
    fn info(&self, text: fmt::Arguments<'_>) {
        if self.tells_all {
            self.add(text);
        }
    }

    /// A line for those who want to know what failed; only the first cause is one.
    fn error(&self, text: fmt::Arguments<'_>) {
        if !std::mem::replace(&mut self.notes.borrow_mut().has_failed, true) {
            self.add(text);
        }
    }

    /// A line with a payload.
    fn data(&self, name: &str, payload: &[u8]) {
        if self.with_data {
            let text = payload_text(payload, self.event_bytes_max);
            self.info(format_args!("{name}: {text}"));
        }
    }

    fn add(&self, text: fmt::Arguments<'_>) {
        let mut line = String::new();
        // Writing to a string does not fail.
        let _ = line.write_fmt(text);
        cut(&mut line, self.event_bytes_max);
        self.notes.borrow_mut().events.push(Event {
            at: self.core.wall(),
            text: line,
        });
    }
}

/// Begins the notes of a request, if its method is logged.
#[inline]
pub(super) fn begin(local: &Local, serving: &Serving, x: &mut Exchange, route: &RoutePlan) {
    if route.log.level != LoggingLevel::Off {
        open(local, serving, x, route);
    }
}

#[cold]
fn open(local: &Local, serving: &Serving, x: &mut Exchange, route: &RoutePlan) {
    let sink = local.execution.borrow();
    let Some(sink) = &*sink else { return };
    let journal = Journal {
        core: Rc::clone(&local.core),
        tells_all: route.log.level == LoggingLevel::Info,
        with_data: route.log.data,
        is_test: sink.is_held(),
        event_bytes_max: if sink.is_held() {
            usize::MAX
        } else {
            EVENT_BYTES_MAX
        },
        notes: RefCell::default(),
    };
    if !journal.is_test {
        let id = text(&x.request_id);
        let extended = extended_id(&x.request_id);
        journal.info(format_args!("Extended Request Id: {}", text(&extended)));
        let key = api_key(x);
        let stage = stage_text(serving, x);
        journal.info(format_args!(
            "Verifying Usage Plan for request: {id}. API Key: {key} API Stage: {stage}"
        ));
    }
    x.journal = Some(Box::new(journal));
}

/// The limits let it pass, or something did not. `is_bare`: it has no payload.
#[inline]
pub(super) fn passed(at: At<'_>, x: &Exchange, passed: Result<&RoutePlan, Fault>, is_bare: bool) {
    if let (Some(journal), Ok(route)) = (&x.journal, passed) {
        journal.passed(&Context::of(at, x, Some(route)), route);
        if is_bare {
            payload(x, b"");
        }
    }
}

impl Journal {
    #[cold]
    fn passed(&self, context: &Context<'_>, route: &RoutePlan) {
        let x = context.x;
        if !self.is_test {
            let stage = context.stage.map_or(String::new(), label);
            let key = x.limits.key.map(crate::limits::Id::text);
            let key = key.as_ref().map_or("", |key| text(key.as_bytes()));
            if key.is_empty() {
                let (verb, path) = (route.verb.token(), &route.resource_path);
                self.info(format_args!(
                    "API Key authorized because method '{verb} {path}' does not require API Key. \
                     Request will not contribute to throttle or quota limits"
                ));
            }
            self.info(format_args!(
                "Usage Plan check succeeded for API Key {key} and API Stage {stage}"
            ));
        }
        let id = text(&x.request_id);
        self.info(format_args!("Starting execution for request: {id}"));
        let method = String::from_utf8_lossy(x.head.method_name.of(x.head_bytes.bytes()));
        let path = String::from_utf8_lossy(context.resource_path());
        self.info(format_args!("HTTP Method: {method}, Resource Path: {path}"));
        let rows = context.path_parameters();
        let path = map_text(rows.map(|(name, value)| (name.as_bytes(), value)));
        self.info(format_args!("Method request path: {path}"));
        let mut rooms = (Vec::new(), Vec::new());
        let mut query: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for pair in pairs(x.head.query(x.head_bytes.bytes())) {
            let name = decoded(pair.name, &mut rooms.0).to_vec();
            query.push((name, decoded(pair.value, &mut rooms.1).to_vec()));
        }
        let query = map_text(query.iter().map(|(name, value)| (&**name, &**value)));
        self.info(format_args!("Method request query string: {query}"));
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        context.each_field(&mut |name, value| fields.push((name.to_vec(), value.to_vec())));
        let fields = fields
            .iter()
            .filter(|(name, _)| !self.is_test || !is_of_invoker(name));
        let fields = map_text(fields.map(|(name, value)| (&**name, &**value)));
        self.info(format_args!("Method request headers: {fields}"));
    }
}

/// Fields that stand in the request for the sake of the way on which a test sends it.
fn is_of_invoker(name: &[u8]) -> bool {
    const OWN: &[&str] = &[
        "host",
        "connection",
        "content-length",
        "x-amzn-trace-id",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
    ];
    OWN.iter()
        .any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// The client's payload is there, whole.
#[inline]
pub(super) fn payload(x: &Exchange, payload: &[u8]) {
    if let Some(journal) = &x.journal
        && !std::mem::replace(&mut journal.notes.borrow_mut().has_payload, true)
    {
        journal.data("Method request body before transformations", payload);
    }
}

/// `origin` is asked what `head` and `payload` say.
#[inline]
pub(super) fn asks(
    call: &Call<'_>,
    x: &Exchange,
    origin: OriginIndex,
    head: &[u8],
    payload: Option<&[u8]>,
) {
    if let Some(journal) = &x.journal {
        let origin = call.serving.plan.origin(origin);
        let tls = origin.and_then(|origin| origin.endpoints.first());
        journal.asks(tls.is_some_and(|endpoint| endpoint.tls), head, payload);
    }
}

impl Journal {
    #[cold]
    fn asks(&self, tls: bool, head: &[u8], payload: Option<&[u8]>) {
        let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let line = lines.next().unwrap_or(b"");
        let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or(b"");
        let fields: Vec<(&[u8], &[u8])> = lines
            .filter_map(|line| {
                let colon = memchr::memchr(b':', line)?;
                let (name, value) = line.split_at_checked(colon)?;
                Some((name, value.get(1..)?.trim_ascii()))
            })
            .collect();
        let hosts = fields.iter();
        let mut hosts = hosts.filter(|(name, _)| name.eq_ignore_ascii_case(b"host"));
        let host = hosts.next().map_or(&b""[..], |(_, value)| value);
        let scheme = if tls { "https" } else { "http" };
        let (host, target) = (
            String::from_utf8_lossy(host),
            String::from_utf8_lossy(target),
        );
        let uri = format!("{scheme}://{host}{target}");
        self.info(format_args!("Endpoint request URI: {uri}"));
        let fields = map_text(fields.into_iter());
        self.info(format_args!("Endpoint request headers: {fields}"));
        if let Some(payload) = payload {
            self.data("Endpoint request body after transformations", payload);
        }
        self.info(format_args!("Sending request to {uri}"));
    }
}

/// What came of asking; `payload` is the answer's.
#[inline]
pub(super) fn asked(x: &Exchange, asked: &Result<(), Unasked>, payload: &[u8]) {
    if asked.is_ok() {
        answered(x, Some(payload));
    }
}

/// The head of the endpoint's answer is in the exchange, and its payload has come if there is one.
#[inline]
pub(super) fn answered(x: &Exchange, payload: Option<&[u8]>) {
    if let Some(journal) = &x.journal {
        journal.answered(x, payload);
    }
}

impl Journal {
    #[cold]
    fn answered(&self, x: &Exchange, payload: Option<&[u8]>) {
        let (status, ms) = (x.answer.status, x.integration.latency_ns / 1_000_000);
        self.info(format_args!(
            "Received response. Status: {status}, Integration latency: {ms} ms"
        ));
        let bytes = x.answer_bytes.bytes();
        let fields = x.answer.fields.iter();
        let fields = map_text(fields.map(|field| (field.name.of(bytes), field.value.of(bytes))));
        self.info(format_args!("Endpoint response headers: {fields}"));
        if let Some(payload) = payload {
            self.data("Endpoint response body before transformations", payload);
        }
    }
}

/// The payload was checked against a model; `x` knows what was wrong.
#[inline]
pub(super) fn validated<F>(x: &Exchange, checked: Result<(), F>) {
    if let Some(journal) = &x.journal {
        journal.validated(x, checked.is_ok());
    }
}

impl Journal {
    #[cold]
    fn validated(&self, x: &Exchange, is_valid: bool) {
        let field = x.head.fields.all(Known::ContentType).last();
        let media_type = field.map_or(MEDIA_TYPE_DEFAULT.as_bytes(), |field| x.text(field.value));
        let media_type = String::from_utf8_lossy(media_type);
        if is_valid {
            self.info(format_args!(
                "Request validation succeeded for content type {media_type}"
            ));
        } else if !x.validation.is_empty() {
            self.error(format_args!(
                "Request body does not match model schema for content type {media_type}: {}",
                x.validation
            ));
        }
    }
}

/// A function says that it failed; its output is `output`.
#[inline]
pub(super) fn function_failed(x: &Exchange, output: &[u8]) {
    if let Some(journal) = &x.journal {
        journal.function_failed(x, output);
    }
}

impl Journal {
    #[cold]
    fn function_failed(&self, x: &Exchange, output: &[u8]) {
        let mut document = Document::default();
        let message = error_message(Invoked::FunctionError, output, &mut document);
        let id = String::from_utf8_lossy(x.endpoint_id()).into_owned();
        let status = x.answer.status;
        self.error(format_args!(
            "Lambda execution failed with status {status} due to customer function error: \
             {message}. Lambda request id: {id}"
        ));
    }
}

/// A function has failed while it streamed.
#[cold]
pub(super) fn stream_failed(x: &Exchange, failure: &Failure) {
    if let Some(journal) = &x.journal {
        let id = String::from_utf8_lossy(x.endpoint_id()).into_owned();
        let status = x.answer.status;
        journal.error(format_args!(
            "Lambda execution failed with status {status} due to customer function error: {}: {}. \
             Lambda request id: {id}",
            failure.code, failure.details
        ));
    }
}

/// The mapped request of a mock has no status.
pub(super) fn no_status(x: &Exchange) -> Fault {
    misconfigured(
        x,
        format_args!(
            "Unable to parse statusCode. It should be an integer that is defined in the request \
             template."
        ),
    )
}

/// No integration response is for what came; `status` is the endpoint's.
pub(super) fn no_response(x: &Exchange, status: u16) -> Fault {
    misconfigured(
        x,
        format_args!(
            "No match for output mapping and no default output mapping configured. Endpoint \
             Response Status Code: {status}"
        ),
    )
}

/// A template that ended early; `side` is what it makes.
pub(super) fn no_render(x: &Exchange, side: &str, error: &RenderError) -> Fault {
    misconfigured(x, format_args!("Unable to transform {side}: {error}"))
}

/// A payload that is to be decoded is no Base64.
pub(super) fn no_conversion(x: &Exchange) -> Fault {
    misconfigured(x, format_args!("Unable to base64 decode the body."))
}

/// The mapped value for the field `name` cannot be sent.
pub(super) fn illegal_value(x: &Exchange, name: &str) -> Fault {
    misconfigured(x, format_args!("Illegal character in header {name}"))
}

/// An integration that cannot answer as it is configured, and why.
pub(super) fn misconfigured(x: &Exchange, reason: fmt::Arguments<'_>) -> Fault {
    if let Some(journal) = &x.journal {
        journal.error(format_args!(
            "Execution failed due to configuration error: {reason}"
        ));
    }
    Fault::Configuration
}

/// It is answered with a fault.
#[inline]
pub(super) fn failed(x: &Exchange, fault: Fault) {
    if let Some(journal) = &x.journal {
        journal.failed(x, fault);
    }
}

impl Journal {
    #[cold]
    fn failed(&self, x: &Exchange, fault: Fault) {
        let why = match &*x.detail {
            "" => fault.detail(),
            detail => detail,
        };
        let misconfigured = "Execution failed due to configuration error:";
        match fault {
            Fault::Unsigned | Fault::Authorizer | Fault::Policy | Fault::InvalidApiKey => {
                let id = text(&x.request_id);
                self.error(format_args!("Unauthorized request: {id}"));
            }
            Fault::Function => {
                self.error(format_args!(
                    "{misconfigured} Malformed Lambda proxy response"
                ));
            }
            Fault::FunctionRefused => self.error(format_args!(
                "{misconfigured} Invalid permissions on Lambda function"
            )),
            Fault::Unreachable(AcquireFault::NoAddress | AcquireFault::Forbidden) => {
                self.error(format_args!("{misconfigured} Invalid endpoint address"));
            }
            Fault::Configuration => self.error(format_args!("{misconfigured} {why}")),
            Fault::OriginTimeout | Fault::Unreachable(AcquireFault::Timeout) => {
                self.error(format_args!("Execution failed due to a timeout error"));
            }
            _ => self.error(format_args!("Execution failed: {why}")),
        }
    }
}

/// The client gets `fields`, and `payload` where it is at hand.
#[inline]
pub(super) fn responds<'f>(
    x: &Exchange,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    payload: Option<&[u8]>,
) {
    if let Some(journal) = &x.journal {
        if let Some(payload) = payload {
            journal.data("Method response body after transformations", payload);
        }
        let fields = map_text(fields);
        journal.info(format_args!("Method response headers: {fields}"));
        journal.info(format_args!("Successfully completed execution"));
    }
}

/// The client gets a prepared answer.
#[inline]
pub(super) fn mocks(x: &Exchange, answer: &MockAnswer, media_type: &str, payload: &[u8]) {
    if x.journal.is_some() {
        let fields = answer.fields.iter();
        let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mut rows: Vec<(&[u8], &[u8])> = fields.collect();
        let mut names = rows.iter().map(|(name, _)| name);
        if !names.any(|name| name.eq_ignore_ascii_case(b"content-type")) {
            rows.insert(0, (b"Content-Type", media_type.as_bytes()));
        }
        responds(x, rows.into_iter(), Some(payload));
    }
}

/// The client gets the endpoint's fields, under the names that they go on with.
#[inline]
pub(super) fn relays(x: &Exchange) {
    if x.journal.is_some() {
        told_relay(x);
    }
}

#[cold]
fn told_relay(x: &Exchange) {
    let bytes = x.answer_bytes.bytes();
    let fields = x.answer.fields.iter().filter(|field| !field.hop_by_hop);
    let texts = fields.map(|field| {
        let name = [field.prefix(), field.name.of(bytes)].concat();
        (name, field.value.of(bytes))
    });
    let texts: Vec<_> = texts.collect();
    let fields = texts.iter().map(|(name, value)| (&name[..], *value));
    responds(x, fields, None);
}

/// The request is over: its lines go where they belong.
#[inline]
pub(super) fn close(local: &Local, serving: &Serving, x: &Exchange) {
    if let Some(journal) = &x.journal {
        journal.close(local, serving, x);
    }
}

impl Journal {
    #[cold]
    fn close(&self, local: &Local, serving: &Serving, x: &Exchange) {
        if x.status > 0 {
            self.info(format_args!("Method completed with status: {}", x.status));
        }
        let id = x.endpoint_id();
        if !id.is_empty() {
            self.info(format_args!(
                "AWS Integration Endpoint RequestId : {}",
                String::from_utf8_lossy(id)
            ));
        }
        let events = std::mem::take(&mut self.notes.borrow_mut().events);
        let mut sink = local.execution.borrow_mut();
        let Some(sink) = sink.as_mut().filter(|_| !events.is_empty()) else {
            return;
        };
        let mut stage = stage_text(serving, x);
        if x.canary == Some(true) {
            stage.push_str("/Canary");
        }
        let execution = Execution {
            request_id: text(&x.request_id).to_owned(),
            stage,
            events,
        };
        let dropped = sink.take(execution, local.core.now());
        local.metrics.cell(Metric::LogLinesDropped).add(dropped);
    }
}

/// The client's key, masked.
fn api_key(x: &Exchange) -> String {
    let field = x.head.fields.all(Known::XApiKey).last();
    field.map_or_else(String::new, |field| masked(x.text(field.value)))
}

fn stage_text(serving: &Serving, x: &Exchange) -> String {
    let stage = x.stage.and_then(|stage| serving.plan.stage(stage));
    stage.map_or_else(String::new, label)
}

fn label(stage: &StagePlan) -> String {
    format!("{}/{}", stage.api_id, stage.name)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}
