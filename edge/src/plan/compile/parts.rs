//! The parts of an API that are the same in all of its stages: models, gateway responses, CORS, and
//! what the validators of its methods ask.
//!
//! Shape: one function for each; together they make [`Parts`], once for each document, which every
//! stage and canary that serves it points to. Units: none. Ranges: as the parts have them. Errors:
//! findings on the API's document, at the place of each part.
//! Source: Amazon API Gateway developer guide, "data models", "gateway response types", "CORS".

use std::sync::Arc;

use super::super::{
    api::{ApiPlan, Validation},
    fault::Reporter,
};
use crate::{
    integrate::{
        compression::COMPRESSION_BYTES_MIN_MAX,
        content::BinaryTypes,
        cors::{Cors, CorsSettings},
    },
    mapping::gateway_response::{GatewayResponses, ResponseSettings, ResponseType},
    model::api::{self, Api, Method},
    validate::{ModelSource, Models, RequestModels, RequiredParameters},
};

/// What the stages of a document share.
pub(super) struct Parts {
    pub(super) plan: Arc<ApiPlan>,
    /// What each method asks, in the shape of the document's resources and methods.
    pub(super) validations: Vec<Vec<Option<Arc<Validation>>>>,
    /// What the default route asks.
    pub(super) default_validation: Option<Arc<Validation>>,
}

/// Everything that the stages of `api` share.
pub(super) fn compile(api: &Api, reporter: &mut Reporter<'_>) -> Parts {
    let plan = api_plan(api, reporter);
    let mut asked = |method: &Method| validation(api, &plan.models, method, reporter);
    let validations = (api.resources.iter())
        .map(|resource| resource.methods.iter().map(&mut asked).collect())
        .collect();
    let default_validation = api.default_route.as_ref().and_then(asked);
    Parts {
        plan: Arc::new(plan),
        validations,
        default_validation,
    }
}

fn api_plan(api: &Api, reporter: &mut Reporter<'_>) -> ApiPlan {
    if api
        .minimum_compression_bytes
        .is_some_and(|bytes| bytes > COMPRESSION_BYTES_MIN_MAX)
    {
        let message = format!("a minimum compression size is at most {COMPRESSION_BYTES_MIN_MAX}");
        reporter.error("/x-amazon-apigateway-minimum-compression-size", message, "");
    }
    if let Some(policy) = &api.policy {
        let message = "resource policies are not read yet, so every request is answered with 403";
        let hint = "remove the policy to let everybody in";
        reporter.warning(&*policy.pointer, message, hint);
    }
    ApiPlan {
        kind: api.kind,
        binary: BinaryTypes::new(api.binary_media_types.iter().map(|entry| &*entry.text)),
        compression_bytes_min: api.minimum_compression_bytes,
        responses: responses(api, reporter),
        cors: api
            .cors
            .as_ref()
            .and_then(|cors| self::cors(cors, reporter)),
        models: models(api, reporter),
    }
}

fn models(api: &Api, reporter: &mut Reporter<'_>) -> Models {
    let sources = api.models.iter().map(|model| ModelSource {
        name: &model.name,
        schema: &model.schema,
    });
    match Models::compile(&sources.collect::<Vec<_>>()) {
        Ok(models) => models,
        Err(faults) => {
            for fault in faults {
                let model = api.models.iter().find(|model| model.name == fault.model);
                let at = model.map_or("", |model| &model.pointer);
                let message = format!("the model `{}`: {}", fault.model, fault.reason);
                reporter.error(format!("{at}{}", fault.pointer), message, "");
            }
            Models::default()
        }
    }
}

fn responses(api: &Api, reporter: &mut Reporter<'_>) -> Option<Box<GatewayResponses>> {
    let mut named = Vec::new();
    for response in &api.gateway_responses {
        match ResponseType::parse(&response.response_type) {
            Some(kind) => {
                let key = |name: &str| format!("gatewayresponse.header.{name}");
                let headers = response.headers.iter();
                let rows: Vec<_> = headers
                    .map(|header| (key(&header.name), &*header.source))
                    .collect();
                named.push((kind, response, rows));
            }
            None => {
                let message = format!("`{}` is no gateway response", response.response_type);
                reporter.error(&*response.pointer, message, "");
            }
        }
    }
    let lists: Vec<(Vec<_>, Vec<_>)> = (named.iter())
        .map(|(_, response, rows)| {
            let templates = response.templates.iter();
            let templates = templates.map(|(kind, text)| (&**kind, &**text)).collect();
            (
                rows.iter().map(|(key, source)| (&**key, *source)).collect(),
                templates,
            )
        })
        .collect();
    let settings = named
        .iter()
        .zip(&lists)
        .map(|((kind, response, _), lists)| ResponseSettings {
            kind: *kind,
            status: response.status,
            parameters: &lists.0,
            templates: &lists.1,
        });
    match GatewayResponses::compile(&settings.collect::<Vec<_>>()) {
        Ok(_) if named.is_empty() => None,
        Ok(responses) => Some(Box::new(responses)),
        Err(faults) => {
            for fault in faults {
                let of = |(kind, _, _): &&(ResponseType, &api::GatewayResponse, _)| {
                    fault.pointer.split('/').nth(1) == Some(kind.name())
                };
                let found = named.iter().find(of);
                let at = found.map_or("", |(_, response, _)| &response.pointer);
                let within = fault.pointer.splitn(3, '/').nth(2);
                let within = within.map_or(String::new(), |rest| format!("/{rest}"));
                reporter.error(format!("{at}{within}"), fault.reason, "");
            }
            None
        }
    }
}

fn cors(described: &api::Cors, reporter: &mut Reporter<'_>) -> Option<Cors> {
    // The lists live as long as the settings that borrow them.
    let lists = [
        texts(&described.allow_origins),
        texts(&described.allow_methods),
        texts(&described.allow_headers),
        texts(&described.expose_headers),
    ];
    let [origins, methods, headers, exposed] = &lists;
    let settings = CorsSettings {
        allow_origins: origins,
        allow_methods: methods,
        allow_headers: headers,
        expose_headers: exposed,
        allow_credentials: described.allow_credentials,
        max_age_s: described.max_age_s.map(i64::from),
    };
    match Cors::compile(&settings) {
        Ok(cors) => Some(cors),
        Err(faults) => {
            for fault in faults {
                let at = format!("{}{}", described.pointer, fault.pointer);
                reporter.error(at, fault.reason, "");
            }
            None
        }
    }
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

/// What the validator of `method` asks; `None`: nothing.
fn validation(
    api: &Api,
    models: &Models,
    method: &Method,
    reporter: &mut Reporter<'_>,
) -> Option<Arc<Validation>> {
    let named = method.request_validator.as_ref()?;
    let Some(validator) = api.validators.iter().find(|known| known.name == named.name) else {
        let message = format!("there is no request validator `{}`", named.name);
        reporter.error(&*named.pointer, message, "");
        return None;
    };
    let required = (method.parameters.iter())
        .filter(|parameter| parameter.required && validator.validates_parameters)
        .map(|parameter| (parameter.place, &*parameter.name));
    let rows: Vec<(&str, &str)> = (method.request_models.iter())
        .filter(|_| validator.validates_body)
        .map(|row| (&*row.content_type, &*row.model))
        .collect();
    let bodies = match RequestModels::compile(models, &rows) {
        Ok(bodies) => bodies,
        Err(unknown) => {
            let is_it = |row: &&api::MethodModel| row.model == unknown.model;
            let row = method.request_models.iter().find(is_it);
            let at = row.map_or(&*method.pointer, |row| &row.pointer);
            // A model that did not compile has its own finding.
            if api.models.iter().all(|model| model.name != unknown.model) {
                reporter.error(at, &unknown, "");
            }
            return None;
        }
    };
    let parameters = RequiredParameters::compile(required);
    (!parameters.is_empty() || !bodies.is_empty())
        .then(|| Arc::new(Validation { parameters, bodies }))
}
