//! What HTTP APIs do to requests and answers.
//!
//! What it is: edits of fields, query, path and status, and what browsers are told. Shape: the
//! edits run over the lists that the request or the answer is made of. Units: status numbers.
//! Errors: [`Fault`], as other mappings. Source: Amazon API Gateway developer guide, "transform API
//! requests and responses for HTTP APIs", "configure CORS for HTTP APIs".

use super::super::{exchange::Exchange, fault::Fault, forward::Call, room::Room};
use super::{Road, context, request::mapping_fault};
use crate::{
    integrate::{
        cors::is_cors_field,
        parameter::{Edit, EditTarget},
    },
    plan::HttpApiPlan,
    wire::known::Known,
};

/// Edits the request that goes to the backend.
pub(super) fn edit_request(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &HttpApiPlan),
    room: &mut Room,
) -> Result<(), Fault> {
    let parameters = &mut room.parameters;
    if plan.request.is_empty() {
        return Ok(());
    }
    let shown = context(call, x, road, &room.body, None);
    let edits = plan.request.run(&shown, &mut room.mapping);
    for edit in edits.map_err(|fault| mapping_fault(x, &fault))? {
        match (edit.target, edit.edit) {
            (EditTarget::Header(name), how) => {
                edit_field(&mut room.fields, name, edit.value, how);
            }
            (EditTarget::Query(name), how) => {
                if how != Edit::Append {
                    parameters.remove_query(name);
                }
                if how != Edit::Remove {
                    parameters.add_query(name, edit.value, false);
                }
            }
            (EditTarget::Path, _) => parameters.overwrite_path(edit.value),
            (EditTarget::Status, _) => {} // of answers alone
        }
    }
    Ok(())
}

/// Edits the answer in `room` that has this status; gives its new one.
pub(super) fn edit_answer(
    call: &Call<'_>,
    x: &Exchange,
    (road, plan): (Road<'_>, &HttpApiPlan),
    status: u16,
    room: &mut Room,
) -> Result<u16, Fault> {
    let edited = plan.answers.iter().find(|(wanted, _)| *wanted == status);
    let mut status = status;
    if let Some((_, mapping)) = edited {
        let shown = context(call, x, road, &room.body, Some(&room.out));
        let edits = mapping.run(&shown, &mut room.mapping);
        for edit in edits.map_err(|fault| mapping_fault(x, &fault))? {
            match edit.target {
                EditTarget::Header(name) => {
                    edit_field(&mut room.fields, name, edit.value, edit.edit);
                }
                EditTarget::Status => {
                    let text = std::str::from_utf8(edit.value).unwrap_or("");
                    status = text.parse().unwrap_or(status);
                }
                EditTarget::Query(_) | EditTarget::Path => {} // of requests alone
            }
        }
    }
    if let Some(cors) = &road.api.cors {
        room.fields.retain(|name| !is_cors_field(name));
        let origin = x.head.fields.all(Known::Origin).last();
        let origin = origin.map(|field| x.text(field.value));
        cors.answer(origin, |name, value| {
            room.fields.add(name.as_bytes(), value)
        });
    }
    Ok(status)
}

fn edit_field(fields: &mut super::super::room::FieldList, name: &str, value: &[u8], how: Edit) {
    match how {
        Edit::Append => fields.add(name.as_bytes(), value),
        Edit::Overwrite => fields.set(name.as_bytes(), value),
        Edit::Remove => fields.remove(name.as_bytes()),
    }
}
