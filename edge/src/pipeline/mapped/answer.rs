//! What the client gets of a backend's answer.
//!
//! What it is: chooses the integration response, converts and renders the payload, maps fields.
//! Shape: [`map`] leaves fields and payload in the room and gives the status. Units: status
//! numbers, bytes. Errors: [`Fault::Configuration`] when no response is for the answer, or a
//! mapping fails. Source: Amazon API Gateway developer guide, "selectionPattern", "content type
//! conversions", "header mapping"; recorded lists.

use std::borrow::Cow;

use super::super::{
    exchange::Exchange,
    fault::Fault,
    forward::Call,
    journal,
    room::{FieldList, Room},
};
use super::{Road, context, inputs, request::mapping_fault};
use crate::{
    integrate::{
        content::{MEDIA_TYPE_DEFAULT, response_conversion},
        headers::{Fate, Kind, REMAPPED_PREFIX, Way, fate, fate_in_http_apis},
    },
    mapping::Overrides,
    model::api::ApiKind,
    wire::{known::Known, method::Method},
};

/// What chooses the response, and what the request's template has overridden.
pub(super) struct Chosen {
    pub(super) by: By,
    pub(super) overrides: Overrides,
}

/// What patterns are matched with.
pub(super) enum By {
    /// A status.
    Status(u16),
    /// What a function's error says; empty without one.
    Error(String),
}

impl By {
    /// The status that the endpoint gave.
    fn status(&self, x: &Exchange) -> u16 {
        match self {
            By::Status(status) => *status,
            By::Error(_) => x.answer.status,
        }
    }
}

/// Makes the answer; gives its status.
pub(super) fn map(
    call: &Call<'_>,
    x: &Exchange,
    road: Road<'_>,
    chosen: Chosen,
    room: &mut Room,
) -> Result<u16, Fault> {
    let plan = road.plan;
    let position = match &chosen.by {
        By::Status(status) => plan.selection.choose_status(*status),
        By::Error(message) => plan.selection.choose(message),
    };
    let answer = position.and_then(|position| plan.answers.get(position));
    let answer = answer.ok_or_else(|| journal::no_response(x, chosen.by.status(x)))?;
    let is_mock = plan.kind == Kind::Mock;
    let bytes = x.answer_bytes.bytes();
    let last = |fields: &crate::wire::fields::Fields, known| {
        fields.all(known).last().map(|field| field.value)
    };
    let content_type = last(&x.answer.fields, Known::ContentType).filter(|_| !is_mock);
    let content_type = content_type.map(|value| value.of(bytes));
    let accept = last(&x.head.fields, Known::Accept).map(|value| x.text(value));
    let binary = &road.api.binary;
    let (is_binary, is_accepted) = (binary.is_binary(content_type), binary.is_accepted(accept));
    let conversion = response_conversion(is_binary, is_accepted, answer.handling);
    let came = if is_mock { &[][..] } else { &room.answer };
    let payload = conversion.apply(came);
    let payload = payload.map_err(|_| journal::no_conversion(x))?;
    let shown = context(call, x, road, &room.body, Some(&room.answer));
    let fields = &mut room.fields;
    fields.clear();
    fields.add_verified(b"Content-Type", MEDIA_TYPE_DEFAULT.as_bytes());
    if !is_mock {
        fields.add_verified(b"X-Amzn-Trace-Id", x.trace.as_bytes());
    }
    let template = answer.templates.for_answer(accept);
    let mut overrides = chosen.overrides;
    if let Some((media_type, template)) = template {
        let body = payload.text();
        let (memory, output) = (&mut room.inputs, &mut room.output);
        overrides = inputs::render(template, &shown, &body, Some(&overrides), memory, output)?;
        fields.set(b"Content-Type", media_type.as_bytes());
    }
    let values = answer.parameters.run(&shown, &mut room.mapping);
    for value in values.map_err(|fault| mapping_fault(x, &fault))? {
        fields.set_verified(value.name.as_bytes(), value.value);
    }
    for (name, value) in &overrides.response_header {
        set_field(fields, plan.kind, name, value.as_bytes());
    }
    match (template, payload.into_bytes()) {
        (Some(_), _) => {
            room.out.clear();
            room.out.extend_from_slice(room.output.text().as_bytes());
        }
        (None, Cow::Owned(payload)) => room.out = payload,
        (None, Cow::Borrowed([])) => room.out.clear(),
        (None, Cow::Borrowed(_)) => std::mem::swap(&mut room.out, &mut room.answer),
    }
    let status = overrides.status.filter(|status| *status >= 200);
    Ok(status.unwrap_or(answer.status))
}

/// The backend's answer as it is, but for fields that are the gateway's own; `is_decoded`: its
/// payload has no content coding any more. Gives its status.
pub(super) fn pass(x: &Exchange, road: Road<'_>, room: &mut Room, is_decoded: bool) -> u16 {
    pass_fields(x, road, &mut room.fields, is_decoded);
    std::mem::swap(&mut room.out, &mut room.answer);
    if x.head.method == Method::Head {
        room.left_out_bytes = x.answer.content_length;
    }
    x.answer.status
}

/// The backend's fields, as [`pass`] has them.
pub(super) fn pass_fields(x: &Exchange, road: Road<'_>, fields: &mut FieldList, is_decoded: bool) {
    let bytes = x.answer_bytes.bytes();
    fields.clear();
    for field in x.answer.fields.iter() {
        let (name, value) = (field.name.of(bytes), field.value.of(bytes));
        let is_coding = field.known == Known::ContentEncoding && !is_decoded;
        let fate = match road.api.kind {
            ApiKind::Rest => fate(Way::BackendToClient, Kind::HttpProxy, name),
            ApiKind::Http => fate_in_http_apis(Way::BackendToClient, Kind::HttpProxy, name),
        };
        match fate {
            Fate::Rename => {
                fields.add(&[REMAPPED_PREFIX.as_bytes(), name].concat(), value);
            }
            Fate::Pass if !field.hop_by_hop => fields.add_verified(name, value),
            _ if is_coding => fields.add_verified(name, value),
            Fate::Pass | Fate::Drop | Fate::Refuse => {}
        }
    }
    if !x.answer.fields.has(Known::ContentType) {
        fields.add(b"Content-Type", MEDIA_TYPE_DEFAULT.as_bytes());
    }
}

/// Sets a field that a mapping or a template asks for.
fn set_field(fields: &mut FieldList, kind: Kind, name: &str, value: &[u8]) {
    match fate(Way::MappingToClient, kind, name.as_bytes()) {
        Fate::Pass => fields.set(name.as_bytes(), value),
        Fate::Rename => {
            let renamed = [REMAPPED_PREFIX, name].concat();
            fields.set(renamed.as_bytes(), value);
        }
        Fate::Drop | Fate::Refuse => {}
    }
}
