//! What a backend is asked.
//!
//! What it is: maps parameters, converts and renders the client's payload, writes target and head.
//! Shape: [`http`] gives a [`Ready`] request, [`http_streamed`] a whole head, [`mock`] the status
//! that the rendered request asks for; [`Sent`] says where the payload lies. Units: bytes. Errors:
//! [`Fault`]: 415 without a template, 400 for a payload that mappings cannot read, 500 for a
//! mapping that cannot be. Source: Amazon API Gateway developer guide, "passthrough behaviors",
//! "parameter mapping"; recorded lists.

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
    target::write_target,
};
use crate::{
    integrate::{
        content::{MEDIA_TYPE_DEFAULT, RequestTemplate, request_conversion},
        headers::{Fate, Kind, Way, fate, streams_to_backend},
        parameter::MappingFault,
        status_code,
    },
    mapping::{Overrides, ParameterPlace},
    plan::HttpPlan,
    ring::{Buf, BufMut},
    wire::{fields::Field, framing::Framing, known::Known, method::Method, write::HeadWriter},
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

/// A request that can be sent.
pub(super) struct Ready {
    /// Its head, and behind it the payload if there was room for all of it: one piece to send.
    pub(super) first: Buf,
    pub(super) head_bytes: usize,
    /// Where the payload lies.
    pub(super) sent: Sent,
    /// What its template overrides.
    pub(super) overrides: Overrides,
}

/// Room that is left behind a payload, for what TLS adds to a record.
const LEFT_BYTES: usize = 64;

impl Ready {
    /// A request whose head is the first `head_bytes` of `out`.
    pub(super) fn new(
        mut out: BufMut,
        head_bytes: usize,
        (sent, overrides): (Sent, Overrides),
        room: &Room,
    ) -> Ready {
        out.commit(head_bytes);
        let payload = sent.bytes(room);
        if payload.len().saturating_add(LEFT_BYTES) <= out.spare().len() {
            out.extend(payload);
        }
        Ready {
            first: out.freeze(),
            head_bytes,
            sent,
            overrides,
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
    map_parameters(call, x, road, room)?;
    let (sent, overrides) = payload(call, x, road, room)?;
    let status = status_code(sent.bytes(room)).ok_or_else(|| journal::no_status(x))?;
    let status = u16::try_from(status).map_err(|_| journal::no_status(x))?;
    Ok(Chosen {
        by: By::Status(status),
        overrides,
    })
}

/// A request to an HTTP endpoint.
pub(super) fn http(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
    room: &mut Room,
) -> Result<Ready, Fault> {
    room.fields.clear();
    if road.plan.kind == Kind::HttpProxy {
        pass_fields(x, &mut room.fields, false);
    } else {
        own_fields(call, x, &mut room.fields);
    }
    mapped_parameters(call, x, road, room)?;
    let (sent, overrides) = payload(call, x, road, room)?;
    for (name, value) in &overrides.request_path {
        room.parameters.set_path(name, value.as_bytes(), false);
    }
    for (name, value) in &overrides.request_query {
        room.parameters.set_query(name, value.as_bytes());
    }
    override_fields(x, road, &overrides, &mut room.fields)?;
    let framing = Framing::Length(sent.bytes(room).len() as u64);
    let (out, head_bytes) = head(call, x, (road, plan), framing, room)?;
    Ok(Ready::new(out, head_bytes, (sent, overrides), room))
}

/// The head of a request to an HTTP endpoint whose payload passes while it comes.
pub(super) fn http_streamed(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
    room: &mut Room,
) -> Result<Buf, Fault> {
    room.fields.clear();
    pass_fields(x, &mut room.fields, true);
    mapped_parameters(call, x, road, room)?;
    let (mut out, head_bytes) = head(call, x, (road, plan), x.head.framing, room)?;
    out.commit(head_bytes);
    Ok(out.freeze())
}

/// Runs what is mapped and edited; fields and parameters are in the room then.
fn mapped_parameters(
    call: &Call<'_>,
    x: &Exchange,
    road: Road<'_>,
    room: &mut Room,
) -> Result<(), Fault> {
    map_parameters(call, x, road, room)?;
    if let Some(plan) = &road.plan.http_api {
        http_api::edit_request(call, x, (road, plan), room)?;
    }
    Ok(())
}

/// Target and fields as a head, for a payload that is framed so: a buffer, and how many bytes of
/// it the head takes.
fn head(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
    framing: Framing,
    room: &mut Room,
) -> Result<(BufMut, usize), Fault> {
    let query = client_query(x, road.plan.kind);
    write_target(plan, &room.parameters, query, &mut room.target)?;
    let mut out = call.local.core.pool().take().ok_or(Fault::Overload)?;
    let mut head = HeadWriter::new(out.spare());
    write_head(call, x, (road, plan), room, framing, &mut head);
    let head_bytes = head.end().map_err(head_fault)?;
    Ok((out, head_bytes))
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

/// The client's fields that pass; `keeps_coding`: the payload goes on as it is coded.
fn pass_fields(x: &Exchange, fields: &mut FieldList, keeps_coding: bool) {
    let bytes = x.head_bytes.bytes();
    let is_coding = |field: &&Field| field.known == Known::ContentEncoding;
    let passing = x
        .head
        .fields
        .iter()
        .filter(|field| streams_to_backend(field));
    for field in passing.filter(|field| keeps_coding || !is_coding(field)) {
        if rewrite::is_of_client(field) {
            fields.add_verified(field.name.of(bytes), field.value.of(bytes));
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
    fields.add_verified(b"Accept", b"application/json");
    fields.add_parts(b"User-Agent", &[b"AmazonAPIGateway_", api_id]);
    fields.add_verified(b"Content-Type", content_type);
}

/// Runs the parameter mapping.
pub(super) fn map_parameters(
    call: &Call<'_>,
    x: &Exchange,
    road: Road<'_>,
    room: &mut Room,
) -> Result<(), Fault> {
    let mapping = &road.plan.request.parameters;
    if mapping.is_empty() {
        return Ok(());
    }
    let shown = context(call, x, road, &room.body, None);
    let values = mapping
        .run(&shown, &mut room.mapping)
        .map_err(|fault| mapping_fault(x, &fault))?;
    let parameters = &mut room.parameters;
    for value in values {
        match value.place {
            ParameterPlace::Path => {
                parameters.set_path(value.name, value.value, value.is_encoded);
            }
            ParameterPlace::Query => {
                parameters.add_query(value.name, value.value, value.is_encoded);
            }
            ParameterPlace::Header => room.fields.set_verified(value.name.as_bytes(), value.value),
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
        RequestTemplate::Pass => match converted.into_bytes() {
            Cow::Borrowed(_) => Ok((Sent::Body, Overrides::default())),
            Cow::Owned(converted) => {
                room.out = converted;
                Ok((Sent::Out, Overrides::default()))
            }
        },
        RequestTemplate::Render(template) => {
            let body = converted.text();
            let shown = context(call, x, road, &room.body, None);
            let (memory, output) = (&mut room.inputs, &mut room.output);
            let overrides = inputs::render(template, &shown, &body, None, memory, output)?;
            Ok((Sent::Rendered, overrides))
        }
    }
}

/// Writes the head.
fn write_head(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &HttpPlan),
    room: &Room,
    framing: Framing,
    head: &mut HeadWriter<'_>,
) {
    let fields = &room.fields;
    let bytes = x.head_bytes.bytes();
    let method = match &plan.method {
        Some(method) => method.as_bytes(),
        None => x.head.method_name.of(bytes),
    };
    head.request_line(method, &[&room.target]);
    head.field(
        b"Host",
        fields.last(b"Host").unwrap_or(plan.host.as_bytes()),
    );
    fields.write_but(b"Host", head);
    if road.plan.kind == Kind::HttpProxy {
        rewrite::write_forwarding(head, call, x, bytes);
    }
    rewrite::write_gateway(head, call, x);
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
}
