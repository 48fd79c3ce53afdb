//! Functions: the call, and what comes of its answer.
//!
//! What it is: writes the event of a proxied request, or maps one; the head of the call; and reads
//! a proxied function's output. Shape: [`call_of`] gives the request, [`proxied`] leaves
//! fields and payload of the client's answer in the room. Units: status numbers, bytes. Errors:
//! [`Fault::Function`] and [`Fault::FunctionRefused`], as recorded. Source: Amazon API Gateway
//! developer guide, "Lambda proxy integrations"; AWS Lambda API reference, "Invoke".

use super::super::{
    context::Context,
    exchange::Exchange,
    fault::Fault,
    forward::Call,
    journal,
    room::{FieldList, Room, head_fault},
};
use super::{
    Road,
    answer::By,
    context,
    request::{Ready, Sent, map_parameters, override_fields, payload},
};
use crate::{
    integrate::{
        content::{MEDIA_TYPE_DEFAULT, is_text_in_http_apis},
        function::{
            AnswerFormat, AuthorizerFacts, ContextFacts, EventBody, EventFacts, EventFormat,
            FUNCTION_ERROR, Front, FunctionAnswer, INVOKE_FIELDS, IdentityFacts, InvokeFault,
            Invoked, PAYLOAD_BYTES_MAX, error_message, invoked,
        },
        headers::{Fate, Kind, REMAPPED_PREFIX, Way, fate, fate_in_http_apis},
    },
    mapping::Overrides,
    model::{
        api::{ApiKind, PayloadFormat},
        settings::Account,
    },
    plan::FunctionPlan,
    wire::{known::Known, write::HeadWriter},
};

/// The call.
pub(super) fn call_of(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &FunctionPlan),
    room: &mut Room,
) -> Result<Ready, Fault> {
    room.fields.clear();
    for (name, value) in INVOKE_FIELDS {
        room.fields.add_verified(name.as_bytes(), value.as_bytes());
    }
    map_parameters(call, x, road, room)?;
    let (sent, overrides) = if road.plan.kind == Kind::AwsProxy {
        write_event(call, x, (road, plan), room);
        (Sent::Out, Overrides::default())
    } else {
        payload(call, x, road, room)?
    };
    override_fields(x, road, &overrides, &mut room.fields)?;
    let payload_bytes = sent.bytes(room).len();
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(Fault::EventTooLarge);
    }
    let mut out = call.local.core.pool().take().ok_or(Fault::Overload)?;
    let mut head = HeadWriter::new(out.spare());
    head.request_line(b"POST", &[plan.path.as_bytes()]);
    head.field(b"Host", plan.host.as_bytes());
    room.fields.write(&mut head);
    head.field_verified(b"X-Amzn-Trace-Id", x.trace.as_bytes());
    head.field_decimal(b"Content-Length", payload_bytes as u64);
    let head_bytes = head.end().map_err(head_fault)?;
    Ok(Ready::new(out, head_bytes, (sent, overrides), room))
}

/// Writes the event of the request in `x` to `room.out`.
fn write_event(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &FunctionPlan),
    room: &mut Room,
) {
    let shown = context(call, x, road, &room.body, None);
    let mut seen = FieldList::default();
    shown.each_field(&mut |name, value| seen.add(name, value));
    let headers: Vec<(&[u8], &[u8])> = seen.iter().collect();
    let path_parameters: Vec<(&str, &[u8])> = shown.path_parameters().collect();
    let variables = shown.stage.map_or(&[][..], |stage| &stage.variables);
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let time = shown.request_time();
    let extended_id = super::super::trace::extended_id(&x.request_id);
    let key_id = x.limits.key.map(crate::limits::Id::text);
    let context = ContextFacts {
        // Who has not said whose APIs these are means those of the function's owner.
        account_id: match shown.account == &Account::default() {
            true => &plan.account_id,
            false => &shown.account.id,
        },
        api_id: shown.stage.map_or("", |stage| &stage.api_id),
        authorizer: AuthorizerFacts::None,
        deployment_id: shown.stage.map_or("", |stage| &stage.deployment_id),
        domain_name: text(shown.host()),
        domain_prefix: text(shown.host_prefix()),
        extended_request_id: text(&extended_id),
        identity: IdentityFacts {
            api_key: key_id.and(shown.known_field(Known::XApiKey)),
            api_key_id: key_id.as_ref().map(|id| text(id.as_bytes())),
            source_ip: text(x.source_ip(&call.peer)),
            user_agent: shown.known_field(Known::UserAgent),
            ..IdentityFacts::default()
        },
        operation_name: road.route.operation_name.as_deref(),
        path: shown.path_with_stage(),
        protocol: text(shown.protocol()),
        // In HTTP APIs the one id is the other.
        request_id: match road.api.kind {
            ApiKind::Rest => text(&x.request_id),
            ApiKind::Http => text(&extended_id),
        },
        request_time: text(&time),
        request_time_epoch_ms: x.received_wall.0,
        resource_id: &road.route.resource_id,
        stage: shown.stage.map_or("", |stage| &stage.name),
    };
    let facts = EventFacts {
        resource: &road.route.resource_path,
        route_key: &road.route.route_key,
        path: shown.resource_path(),
        method: text(x.head.method_name.of(x.head_bytes.bytes())),
        headers: &headers,
        query: x.head.query(x.head_bytes.bytes()),
        path_parameters: &path_parameters,
        stage_variables: &variables,
        context,
        body: event_body(&shown, road),
    };
    room.out.clear();
    let format = match road.plan.http_api.as_deref().map(|plan| plan.format) {
        None => EventFormat::Rest,
        Some(PayloadFormat::V1) => EventFormat::Http1,
        Some(PayloadFormat::V2) => EventFormat::Http2,
    };
    room.events.write(format, &facts, &mut room.out);
}

/// The payload: text, or Base64 where its type says that it is none.
fn event_body<'b>(shown: &Context<'b>, road: Road<'_>) -> EventBody<'b> {
    let content_type = shown.known_field(Known::ContentType);
    let is_text = match road.api.kind {
        ApiKind::Rest => !road.api.binary.is_binary(content_type),
        ApiKind::Http => is_text_in_http_apis(content_type),
    };
    match (shown.body, is_text) {
        ([], _) => EventBody::None,
        (body, true) => EventBody::Text(body),
        (body, false) => EventBody::Binary(body),
    }
}

/// What the call whose answer is in `x` came to.
pub(super) fn outcome(x: &Exchange) -> Result<Invoked, Fault> {
    let bytes = x.answer_bytes.bytes();
    let mut errors = x.answer.fields.named(bytes, FUNCTION_ERROR.as_bytes());
    let error = errors.next().map(|field| field.value.of(bytes));
    invoked(x.answer.status, error).map_err(fault_of)
}

fn fault_of(fault: InvokeFault) -> Fault {
    match fault.status() {
        502 => Fault::Function,
        _ => Fault::FunctionRefused,
    }
}

/// What chooses the response of a function behind mappings.
pub(super) fn chosen_by(x: &Exchange, room: &mut Room) -> Result<By, Fault> {
    let invoked = outcome(x)?;
    let message = error_message(invoked, &room.answer, &mut room.document);
    Ok(By::Error(message.into_owned()))
}

/// Makes the client's answer of a proxied function's output; gives its status.
pub(super) fn proxied(x: &Exchange, road: Road<'_>, room: &mut Room) -> Result<u16, Fault> {
    if outcome(x)? == Invoked::FunctionError {
        journal::function_failed(x, &room.answer);
        return Err(Fault::Function);
    }
    let format = match road.plan.http_api.as_deref().map(|plan| plan.format) {
        Some(PayloadFormat::V2) => AnswerFormat::V2,
        None | Some(PayloadFormat::V1) => AnswerFormat::V1,
    };
    let answer = room.answers.read(format, &room.answer);
    let answer = answer.map_err(|_| Fault::Function)?;
    pass_fields(x, road, &answer, &mut room.fields);
    let accept = x.head.fields.all(Known::Accept).last();
    let accept = accept.map(|field| x.text(field.value));
    let decodes = road.api.kind == ApiKind::Http || road.api.binary.is_accepted(accept);
    let body = answer
        .client_body(decodes)
        .map_err(|_| journal::no_conversion(x))?;
    room.out.clear();
    room.out.extend_from_slice(&body);
    Ok(answer.status)
}

/// Makes the head of the client's answer of what stands in front of a streamed output; gives its
/// status.
pub(super) fn streamed(
    x: &Exchange,
    road: Road<'_>,
    front: &Front,
    room: &mut Room,
) -> Result<u16, Fault> {
    let answer = room.answers.read(AnswerFormat::Streamed, front.metadata());
    let answer = answer.map_err(|_| Fault::StreamFraming)?;
    pass_fields(x, road, &answer, &mut room.fields);
    Ok(answer.status)
}

/// The fields that a function gives its answer.
fn pass_fields(x: &Exchange, road: Road<'_>, answer: &FunctionAnswer<'_>, fields: &mut FieldList) {
    fields.clear();
    for header in &answer.headers {
        let (name, value) = (header.name.as_bytes(), header.value.as_bytes());
        let fate = match road.api.kind {
            ApiKind::Rest => fate(Way::BackendToClient, Kind::AwsProxy, name),
            ApiKind::Http => fate_in_http_apis(Way::BackendToClient, Kind::AwsProxy, name),
        };
        match fate {
            Fate::Pass => fields.add(name, value),
            Fate::Rename => fields.add(&[REMAPPED_PREFIX.as_bytes(), name].concat(), value),
            Fate::Drop | Fate::Refuse => {}
        }
    }
    if fields.last(b"Content-Type").is_none() {
        fields.add(b"Content-Type", MEDIA_TYPE_DEFAULT.as_bytes());
    }
    if road.api.kind == ApiKind::Rest {
        fields.add(b"X-Amzn-Trace-Id", x.trace.as_bytes());
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}
