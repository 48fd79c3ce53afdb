//! What a backend is asked.
//!
//! What it is: maps parameters, converts and renders the client's payload, writes target and head.
//! Shape: [`http`] and [`http_streamed`] give a whole head, [`mock`] the status that the rendered request asks for;
//! [`Sent`] says where the payload lies. Units: bytes. Errors: [`Fault`]: 415 without a template,
//! 400 for a payload that mappings cannot read, 500 for a mapping that cannot be. Source: Amazon
//! API Gateway developer guide, "passthrough behaviors", "parameter mapping"; recorded lists.

use std::borrow::Cow;

use super::{
    super::{
        exchange::Exchange,
        fault::Fault,
        forward::Call,
        journal, rewrite,
        room::{FieldList, Room, head_fault},
    },
    Road,
    answer::{By, Chosen},
    context, http_api, inputs,
    target::{Parameters, write_target},
};
use crate::{
    integrate::{
        content::{MEDIA_TYPE_DEFAULT, RequestTemplate, request_conversion},
        headers::{Fate, Kind, Way, fate},
        parameter::MappingFault,
        status_code,
    },
    mapping::{Overrides, ParameterPlace},
    plan::HttpPlan,
    ring::Buf,
    wire::{framing::Framing, known::Known, method::Method, write::HeadWriter},
};

/// Where a payload on its way to a backend lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is the client's own.
    Body,
    /// It was converted.
    Out,
    /// A template has printed it.
    Rendered,
}

impl Sent {
    /// Its bytes.
    pub(super) fn bytes(self, room: &Room) -> &[u8] {
        match self {
            Sent::Body => &room.body,
            Sent::Out => &room.out,
            Sent::Rendered => room.output.text().as_bytes(),
        }
    }
}

/// The status that a mock's rendered request asks for.
pub(super) fn mock(
    call: &Call<'_>,
    x: &Exchange,
    road: Road<'_>,
    room: &mut Room,
) -> Result<Chosen, Fault> {
    map_parameters(call, x, road, room, &mut Parameters::default())?;
    let (sent, overrides) = payload(call, x, road, room)?;
    let status = status_code(sent.bytes(room)).ok_or_else(|| journal::no_status(x))?;
    let status = u16::try_from(status).map_err(|_| journal::no_status(x))?;
    Ok(Chosen {
        by: By::Status(status),
        overrides,
    })
}

/// A request to an HTTP endpoint: its head, where its payload lies, what its template overrides.
pub(super) fn http(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
    room: &mut Room,
) -> Result<(Buf, Sent, Overrides), Fault> {
    room.fields.clear();
    if road.plan.kind == Kind::HttpProxy {
        pass_fields(x, &mut room.fields);
    } else {
        own_fields(call, x, &mut room.fields);
    }
    let mut parameters = mapped_parameters(call, x, road, room)?;
    let (sent, overrides) = payload(call, x, road, room)?;
    for (name, value) in &overrides.request_path {
        parameters.set_path(name, value.as_bytes(), false);
    }
    for (name, value) in &overrides.request_query {
        parameters.set_query(name, value.as_bytes());
    }
    override_fields(x, road, &overrides, &mut room.fields)?;
    let framing = Framing::Length(sent.bytes(room).len() as u64);
    let head = head(call, x, (road, plan), &parameters, framing, room)?;
    Ok((head, sent, overrides))
}

/// The head of a request to an HTTP endpoint whose payload passes while it comes.
pub(super) fn http_streamed(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
    room: &mut Room,
) -> Result<Buf, Fault> {
    room.fields.clear();
    pass_fields(x, &mut room.fields);
    let bytes = x.head_bytes.bytes();
    for coding in x.head.fields.all(Known::ContentEncoding) {
        // The payload goes on as it is coded.
        let (name, value) = (coding.name.of(bytes), coding.value.of(bytes));
        room.fields.add(name, value);
    }
    let parameters = mapped_parameters(call, x, road, room)?;
    head(call, x, (road, plan), &parameters, x.head.framing, room)
}

/// Runs what is mapped and edited; fields are in the room then.
fn mapped_parameters(
    call: &Call<'_>,
    x: &Exchange,
    road: Road<'_>,
    room: &mut Room,
) -> Result<Parameters, Fault> {
    let mut parameters = Parameters::default();
    map_parameters(call, x, road, room, &mut parameters)?;
    if let Some(plan) = &road.plan.http_api {
        http_api::edit_request(call, x, (road, plan), room, &mut parameters)?;
    }
    Ok(parameters)
}

/// Target and fields as a head, for a payload that is framed so.
fn head(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
    parameters: &Parameters,
    framing: Framing,
    room: &mut Room,
) -> Result<Buf, Fault> {
    let mut target = std::mem::take(&mut room.target);
    let query = client_query(x, road.plan.kind);
    let written = write_target(plan, parameters, query, &mut target);
    let head =
        written.and_then(|()| write_head(call, x, (road, plan), &target, &room.fields, framing));
    room.target = target;
    head
}

/// Sets the fields that a template asks for.
pub(super) fn override_fields(
    x: &Exchange,
    road: Road<'_>,
    overrides: &Overrides,
    fields: &mut FieldList,
) -> Result<(), Fault> {
    for (name, value) in &overrides.request_header {
        match fate(Way::MappingToBackend, road.plan.kind, name.as_bytes()) {
            Fate::Pass | Fate::Rename => fields.set(name.as_bytes(), value.as_bytes()),
            Fate::Drop => {}
            Fate::Refuse => {
                return Err(mapping_fault(x, &MappingFault::Refused(name.clone())));
            }
        }
    }
    Ok(())
}

/// The client's query, for those to whom it passes.
fn client_query(x: &Exchange, kind: Kind) -> &[u8] {
    match kind {
        Kind::HttpProxy => x.head.query(x.head_bytes.bytes()),
        _ => b"",
    }
}

/// The client's fields that pass.
fn pass_fields(x: &Exchange, fields: &mut FieldList) {
    let bytes = x.head_bytes.bytes();
    for field in x.head.fields.iter().filter(|field| !field.hop_by_hop) {
        let name = field.name.of(bytes);
        let is_ours = matches!(
            field.known,
            Known::Forwarded
                | Known::XForwardedFor
                | Known::XForwardedProto
                | Known::XForwardedHost
                | Known::XForwardedPort
                | Known::XForwardedPrefix
                | Known::XForwardedServer
                | Known::XRealIp
                | Known::XRequestId
                | Known::XAmznRequestId
                | Known::XAmznTraceId
                | Known::XAmznApigatewayApiId
        );
        if !is_ours && fate(Way::ClientToBackend, Kind::HttpProxy, name) == Fate::Pass {
            fields.add(name, field.value.of(bytes));
        }
    }
}

/// What an endpoint behind mappings gets without any.
fn own_fields(call: &Call<'_>, x: &Exchange, fields: &mut FieldList) {
    let stage = x.stage.and_then(|stage| call.serving.plan.stage(stage));
    let api_id = stage.map_or(&b""[..], |stage| stage.api_id.as_bytes());
    let content_type = x.head.fields.all(Known::ContentType).last();
    let content_type =
        content_type.map_or(MEDIA_TYPE_DEFAULT.as_bytes(), |field| x.text(field.value));
    fields.add(b"Accept", b"application/json");
    fields.add(b"User-Agent", &[b"AmazonAPIGateway_", api_id].concat());
    fields.add(b"Content-Type", content_type);
}

/// Runs the parameter mapping.
pub(super) fn map_parameters(
    call: &Call<'_>,
    x: &Exchange,
    road: Road<'_>,
    room: &mut Room,
    parameters: &mut Parameters,
) -> Result<(), Fault> {
    let mapping = &road.plan.request.parameters;
    if mapping.is_empty() {
        return Ok(());
    }
    let shown = context(call, x, road, &room.body, None);
    let values = mapping
        .run(&shown, &mut room.mapping)
        .map_err(|fault| mapping_fault(x, &fault))?;
    for value in values {
        match value.place {
            ParameterPlace::Path => {
                parameters.set_path(value.name, value.value, value.is_encoded);
            }
            ParameterPlace::Query => {
                parameters.add_query(value.name, value.value, value.is_encoded);
            }
            ParameterPlace::Header => room.fields.set(value.name.as_bytes(), value.value),
        }
    }
    Ok(())
}

/// What a mapping that failed means for the client.
pub(super) fn mapping_fault(x: &Exchange, fault: &MappingFault) -> Fault {
    match fault {
        MappingFault::RequestJson => Fault::InvalidJson,
        MappingFault::RequestValue(name) => {
            journal::illegal_value(x, name);
            Fault::Target
        }
        MappingFault::AnswerValue(name) => journal::illegal_value(x, name),
        MappingFault::AnswerJson | MappingFault::Refused(_) | MappingFault::Bound(_) => {
            journal::misconfigured(x, format_args!("{fault}"))
        }
    }
}

/// Converts and renders the client's payload.
pub(super) fn payload(
    call: &Call<'_>,
    x: &Exchange,
    road: Road<'_>,
    room: &mut Room,
) -> Result<(Sent, Overrides), Fault> {
    let plan = &road.plan.request;
    let field = x.head.fields.all(Known::ContentType).last();
    let content_type = field.map(|field| x.text(field.value));
    let chosen = plan.templates.for_request(content_type, plan.passthrough);
    let is_binary = road.api.binary.is_binary(content_type);
    let conversion = request_conversion(is_binary, plan.handling);
    let converted = conversion.apply(&room.body);
    let converted = converted.map_err(|_| journal::no_conversion(x))?;
    match chosen {
        RequestTemplate::Unsupported => Err(Fault::UnsupportedMediaType),
        RequestTemplate::Pass => match converted {
            Cow::Borrowed(_) => Ok((Sent::Body, Overrides::default())),
            Cow::Owned(converted) => {
                room.out = converted;
                Ok((Sent::Out, Overrides::default()))
            }
        },
        RequestTemplate::Render(template) => {
            let body = String::from_utf8_lossy(&converted);
            let shown = context(call, x, road, &room.body, None);
            let (text, output) = (&mut room.text, &mut room.output);
            let overrides = inputs::render(template, &shown, &body, None, text, output)?;
            Ok((Sent::Rendered, overrides))
        }
    }
}

/// Writes the head.
fn write_head(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
    target: &[u8],
    fields: &FieldList,
    framing: Framing,
) -> Result<Buf, Fault> {
    let mut out = call.local.core.pool().take().ok_or(Fault::Overload)?;
    let mut head = HeadWriter::new(out.spare());
    let bytes = x.head_bytes.bytes();
    let method = match &plan.method {
        Some(method) => method.as_bytes(),
        None => x.head.method_name.of(bytes),
    };
    head.request_line(method, &[target]);
    head.field(
        b"Host",
        fields.last(b"Host").unwrap_or(plan.host.as_bytes()),
    );
    for (name, value) in fields.iter() {
        if !name.eq_ignore_ascii_case(b"host") {
            head.field(name, value);
        }
    }
    if road.plan.kind == Kind::HttpProxy {
        rewrite::write_forwarding(&mut head, call, x, bytes);
    }
    head.field(b"X-Amzn-Trace-Id", x.trace.as_bytes());
    let stage = x.stage.and_then(|stage| call.serving.plan.stage(stage));
    if let Some(stage) = stage {
        head.field(b"X-Amzn-Apigateway-Api-Id", stage.api_id.as_bytes());
    }
    match framing {
        Framing::Length(bytes) if bytes > 0 => {
            head.field_decimal(b"Content-Length", bytes);
        }
        Framing::Chunked => {
            head.lines(b"Transfer-Encoding: chunked\r\n");
        }
        Framing::None | Framing::Length(_) | Framing::UntilClose => {
            if matches!(
                Method::of(method),
                Method::Post | Method::Put | Method::Patch
            ) {
                head.lines(b"Content-Length: 0\r\n");
            }
        }
    }
    let head_bytes = head.end().map_err(head_fault)?;
    out.commit(head_bytes);
    Ok(out.freeze())
}
