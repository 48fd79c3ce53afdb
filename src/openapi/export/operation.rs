//! One method: parameters, bodies, answers, security.
//!
//! Shape: the operation object of either format. Units: none.
//! Errors: none. Where Swagger 2 has one schema and the model has several by content type, the
//! members `x-tidegate-request-models` and `x-tidegate-response-models` hold them.
//! Source: OpenAPI "Operation Object"; exports of the service.

use serde_json::{Value, json};
use tidegate_edge::model::api::{
    ApiKind, Authorization, Method, MethodModel, MethodResponse, Parameter, Place,
};

use super::{
    super::{
        AUTH, HEADER_REQUIRED, INTEGRATION, REQUEST_MODELS, RESPONSE_MODELS, VALIDATOR,
        models::{REFERENCE, SWAGGER_REFERENCE},
        paths::route_key,
        responses::{described, described_default},
    },
    Object, Writer, put, put_list, put_object,
};
use crate::source::node::join;

impl Writer<'_> {
    pub(super) fn operation(&self, method: &Method, path: &str, place: &str) -> Object {
        let extensions = self.options.extensions;
        let mut operation = Object::new();
        self.describe(place, &mut operation);
        put(
            &mut operation,
            "operationId",
            method.operation_name.as_deref(),
        );
        let mut parameters: Vec<Value> = (method.parameters.iter())
            .map(|parameter| self.parameter(parameter, place))
            .collect();
        self.request(method, &mut operation, &mut parameters);
        put_list(&mut operation, "parameters", parameters);
        let answers = self.responses(method, path, place, &mut operation);
        operation.insert("responses".to_owned(), answers.into());
        put_list(&mut operation, "security", self.security(method));
        let is_signed = matches!(method.authorization, Authorization::Iam { .. });
        if is_signed && self.api.kind == ApiKind::Http && extensions.authorizers {
            operation.insert(AUTH.to_owned(), json!({"type": "AWS_IAM"}));
        }
        if extensions.validators {
            let validator = method.request_validator.as_ref();
            put(
                &mut operation,
                VALIDATOR,
                validator.map(|one| one.name.as_str()),
            );
        }
        if extensions.integrations {
            let described = join(place, INTEGRATION);
            let integration = self.integration(&method.integration, &described);
            operation.insert(INTEGRATION.to_owned(), integration.into());
        }
        operation
    }

    fn parameter(&self, parameter: &Parameter, place: &str) -> Value {
        let mut object = Object::new();
        object.insert("name".to_owned(), parameter.name.as_str().into());
        let word = match parameter.place {
            Place::Path => "path",
            Place::Querystring => "query",
            Place::Header => "header",
        };
        object.insert("in".to_owned(), word.into());
        let row = format!("{} {}", parameter.place.as_str(), parameter.name);
        self.describe(&join(&join(place, "parameters"), &row), &mut object);
        if parameter.required || self.is_swagger() {
            object.insert("required".to_owned(), parameter.required.into());
        }
        self.type_text(&mut object);
        object.into()
    }

    /// The service knows texts alone.
    fn type_text(&self, object: &mut Object) {
        match self.is_swagger() {
            true => object.insert("type".to_owned(), "string".into()),
            false => object.insert("schema".to_owned(), json!({"type": "string"})),
        };
    }

    fn request(&self, method: &Method, operation: &mut Object, parameters: &mut Vec<Value>) {
        let models = method.request_models.as_slice();
        let Some(first) = models.first() else {
            return;
        };
        if !self.is_swagger() {
            let body = json!({"content": self.content(models), "required": true});
            operation.insert("requestBody".to_owned(), body);
            return;
        }
        let types = models.iter().map(|one| one.content_type.as_str().into());
        put_list(operation, "consumes", types);
        let body = json!({
            "in": "body",
            "name": first.model,
            "required": true,
            "schema": self.reference(&first.model),
        });
        parameters.push(body);
        if models.iter().any(|one| one.model != first.model) {
            put_object(operation, REQUEST_MODELS, by_type(models));
        }
    }

    fn responses(
        &self,
        method: &Method,
        path: &str,
        place: &str,
        operation: &mut Object,
    ) -> Object {
        let mut answers = Object::new();
        let types = produced(&method.responses);
        if self.is_swagger() {
            let produces = types.iter().map(|one| Value::from(*one));
            put_list(operation, "produces", produces);
        }
        for response in &method.responses {
            let answer = self.response(response, &types);
            answers.insert(response.status.to_string(), answer.into());
        }
        for (rest, text) in self.below(&join(place, "responses")) {
            if let Some(key) = rest.strip_suffix("/description") {
                answers.insert(key.to_owned(), json!({"description": text}));
            }
        }
        if answers.is_empty() && self.api.kind == ApiKind::Http {
            let text = described_default(&route_key(method.verb, path));
            answers.insert("default".to_owned(), json!({"description": text}));
        }
        answers
    }

    fn response(&self, response: &MethodResponse, types: &[&str]) -> Object {
        let mut answer = Object::new();
        let text = response.description.clone();
        let text = text.unwrap_or_else(|| described(response.status));
        answer.insert("description".to_owned(), text.into());
        let mut headers = Object::new();
        for header in &response.headers {
            let mut object = Object::new();
            self.type_text(&mut object);
            if header.required {
                let key = match self.is_swagger() {
                    true => HEADER_REQUIRED,
                    false => "required",
                };
                object.insert(key.to_owned(), true.into());
            }
            headers.insert(header.name.clone(), object.into());
        }
        put_object(&mut answer, "headers", headers);
        let models = response.models.as_slice();
        if !self.is_swagger() {
            put_object(&mut answer, "content", self.content(models));
        } else if let Some(first) = models.first() {
            answer.insert("schema".to_owned(), self.reference(&first.model));
            let has_all = models.len() == types.len()
                && models
                    .iter()
                    .zip(types)
                    .all(|(one, kind)| one.content_type == *kind && one.model == first.model);
            if !has_all {
                put_object(&mut answer, RESPONSE_MODELS, by_type(models));
            }
        }
        answer
    }

    fn content(&self, models: &[MethodModel]) -> Object {
        let media = |one: &MethodModel| {
            let schema = json!({"schema": self.reference(&one.model)});
            (one.content_type.clone(), schema)
        };
        models.iter().map(media).collect()
    }

    fn reference(&self, model: &str) -> Value {
        let start = match self.is_swagger() {
            true => SWAGGER_REFERENCE,
            false => REFERENCE,
        };
        let name = model.replace('~', "~0").replace('/', "~1");
        json!({"$ref": format!("{start}{name}")})
    }

    fn security(&self, method: &Method) -> Vec<Value> {
        let mut list = Vec::new();
        match &method.authorization {
            Authorization::None => {}
            Authorization::Iam { .. } if self.api.kind == ApiKind::Http => {}
            Authorization::Iam { .. } => list.push(json!({&self.signature_scheme: []})),
            Authorization::Authorizer { name, scopes, .. } => list.push(json!({name: scopes})),
        }
        if method.api_key_required {
            list.push(json!({&self.key_scheme: []}));
        }
        list
    }
}

/// The content types of all answers, each once, in their order.
fn produced(responses: &[MethodResponse]) -> Vec<&str> {
    let mut types: Vec<&str> = Vec::new();
    for model in responses.iter().flat_map(|response| &response.models) {
        if !types.contains(&model.content_type.as_str()) {
            types.push(&model.content_type);
        }
    }
    types
}

fn by_type(models: &[MethodModel]) -> Object {
    let rows = models.iter();
    rows.map(|one| (one.content_type.clone(), one.model.as_str().into()))
        .collect()
}
