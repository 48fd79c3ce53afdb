//! The stage that looks whether a request is what its method asks for.
//!
//! What it is: required parameters behind the limits, the payload as soon as it is there. Shape:
//! two functions. Units: none. Errors: [`Fault::MissingParameters`] with the client's words in the
//! exchange, [`Fault::InvalidBody`] with its reason for the log. Source: Amazon API Gateway
//! developer guide, "request validation".

use super::{context::Context, exchange::Exchange, fault::Fault, journal, respond::At};
use crate::{
    mapping::{ParameterPlace, Variables},
    model::api::Place,
    plan::{ApiPlan, RoutePlan},
    validate::BodyFault,
    wire::known::Known,
};

/// Looks for the required parameters.
#[inline]
pub(super) fn parameters(at: At<'_>, x: &mut Exchange, route: &RoutePlan) -> Result<(), Fault> {
    match &route.validation {
        Some(validation) if !validation.parameters.is_empty() => {
            let mut message = String::new();
            let context = Context::of(at, x, Some(route));
            let value = |place, name: &str| {
                let place = match place {
                    Place::Path => ParameterPlace::Path,
                    Place::Querystring => ParameterPlace::Query,
                    Place::Header => ParameterPlace::Header,
                };
                context.parameter(place, name)
            };
            let checked = validation.parameters.check(value, &mut message);
            x.detail = message;
            checked.map_err(|_| Fault::MissingParameters)
        }
        _ => Ok(()),
    }
}

/// Checks the payload against its model.
pub(super) fn body(
    api: &ApiPlan,
    route: &RoutePlan,
    x: &mut Exchange,
    body: &[u8],
) -> Result<(), Fault> {
    let Some(validation) = &route.validation else {
        return Ok(());
    };
    let content_type = x.head.fields.all(Known::ContentType).last();
    let content_type = content_type.map(|field| x.text(field.value));
    let Some(model) = validation.bodies.model(content_type) else {
        return Ok(());
    };
    let checked = api.models.check(model, body, &mut x.validation);
    journal::validated(x, checked);
    checked.map_err(|fault| match fault {
        BodyFault::Invalid => Fault::InvalidBody,
        BodyFault::Unfinished => Fault::Configuration,
    })
}
