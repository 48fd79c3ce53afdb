//! What stands beside the paths: models, security schemes, validators, gateway responses, and
//! settings of the whole.
//!
//! Shape: members of the root. Units: bytes, seconds. Errors: none.
//! Source: exports of the service; OpenAPI "Components Object".

use serde_json::{Value, json};
use tidegate_edge::model::api::{
    ApiKeySource, ApiKind, Authorization, Cors, Endpoint, GatewayResponse, Method,
};

use super::{
    super::{
        ACCESS_MODE, AUTH_TYPE, BINARY_TYPES, COMPRESSION, CORS, ENDPOINT, EXPORT_VERSION,
        GATEWAY_RESPONSES, KEY_SOURCE, POLICY, SECURITY_POLICY, VALIDATORS,
        authorizers::{KEY_HEADER, SIGNED},
        gateway_responses::HEADER,
        models::{REFERENCE, SWAGGER_REFERENCE, for_references},
    },
    Object, Writer, put, put_list, put_object,
};

impl Writer<'_> {
    pub(super) fn parts(&self, root: &mut Object) {
        let (models, schemes) = (self.models(), self.schemes());
        if self.is_swagger() {
            put_object(root, "securityDefinitions", schemes);
            put_object(root, "definitions", models);
        } else {
            let mut components = Object::new();
            put_object(&mut components, "schemas", models);
            put_object(&mut components, "securitySchemes", schemes);
            put_object(root, "components", components);
        }
        let extensions = self.options.extensions;
        if extensions.validators {
            put_object(root, VALIDATORS, self.validators());
        }
        if extensions.gateway_responses {
            let responses = self.api.gateway_responses.iter();
            let responses = responses.map(|one| (one.response_type.clone(), gateway(one).into()));
            put_object(root, GATEWAY_RESPONSES, responses.collect());
        }
        if extensions.api_gateway {
            self.settings(root);
        }
    }

    fn settings(&self, root: &mut Object) {
        let api = self.api;
        if let Some(policy) = &api.policy {
            root.insert(POLICY.to_owned(), policy.value.clone());
        }
        if api.api_key_source == ApiKeySource::Authorizer {
            put(root, KEY_SOURCE, Some(api.api_key_source.as_str()));
        }
        let types = api.binary_media_types.iter();
        put_list(
            root,
            BINARY_TYPES,
            types.map(|one| one.text.as_str().into()),
        );
        if let Some(bytes) = api.minimum_compression_bytes {
            root.insert(COMPRESSION.to_owned(), bytes.into());
        }
        put_object(root, ENDPOINT, endpoint(&api.endpoint));
        put(
            root,
            SECURITY_POLICY,
            api.endpoint.security_policy.as_deref(),
        );
        put(root, ACCESS_MODE, api.endpoint.access_mode.as_deref());
        if let Some(rules) = &api.cors {
            root.insert(CORS.to_owned(), cors(rules).into());
        }
        if api.kind == ApiKind::Http {
            put(root, EXPORT_VERSION, Some("1.0"));
        }
    }

    fn models(&self) -> Object {
        let model = |model: &tidegate_edge::model::api::Model| {
            let mut schema = model.schema.clone();
            if self.is_swagger() {
                for_references(&mut schema, &|text| match text.strip_prefix(REFERENCE) {
                    Some(name) => format!("{SWAGGER_REFERENCE}{name}"),
                    None => text.to_owned(),
                });
            }
            (model.name.clone(), schema)
        };
        self.api.models.iter().map(model).collect()
    }

    fn schemes(&self) -> Object {
        let api = self.api;
        let mut schemes = Object::new();
        for authorizer in &api.authorizers {
            let mut scheme = authorizer.scheme.clone();
            if let Value::Object(members) = &mut scheme
                && !self.options.extensions.authorizers
            {
                members.retain(|key, _| !key.starts_with("x-amazon-apigateway-"));
            }
            schemes.insert(authorizer.name.clone(), scheme);
        }
        let methods = || {
            let resources = api.resources.iter();
            let methods = resources.flat_map(|resource| &resource.methods);
            methods.chain(&api.default_route)
        };
        if methods().any(|method| method.api_key_required) {
            let scheme = json!({"type": "apiKey", "name": KEY_HEADER, "in": "header"});
            schemes.insert(self.key_scheme.clone(), scheme);
        }
        let is_signed = |method: &Method| matches!(method.authorization, Authorization::Iam { .. });
        if api.kind == ApiKind::Rest && methods().any(is_signed) {
            let mut scheme = json!({"type": "apiKey", "name": "Authorization", "in": "header"});
            if self.options.extensions.authorizers {
                scheme[AUTH_TYPE] = SIGNED.into();
            }
            schemes.insert(self.signature_scheme.clone(), scheme);
        }
        schemes
    }

    fn validators(&self) -> Object {
        let validators = self.api.validators.iter();
        validators
            .map(|one| {
                let object = json!({
                    "validateRequestParameters": one.validates_parameters,
                    "validateRequestBody": one.validates_body,
                });
                (one.name.clone(), object)
            })
            .collect()
    }
}

fn gateway(from: &GatewayResponse) -> Object {
    let mut object = Object::new();
    if let Some(status) = from.status {
        object.insert("statusCode".to_owned(), status.into());
    }
    let headers = from.headers.iter();
    let headers = headers.map(|one| (format!("{HEADER}{}", one.name), one.source.as_str().into()));
    put_object(&mut object, "responseParameters", headers.collect());
    let templates = from.templates.iter();
    let templates = templates.map(|(kind, text)| (kind.clone(), text.as_str().into()));
    put_object(&mut object, "responseTemplates", templates.collect());
    object
}

fn endpoint(from: &Endpoint) -> Object {
    let mut object = Object::new();
    let types = from.kind.iter();
    put_list(&mut object, "types", types.map(|kind| kind.as_str().into()));
    let ids = from.vpc_endpoint_ids.iter();
    put_list(
        &mut object,
        "vpcEndpointIds",
        ids.map(|id| id.as_str().into()),
    );
    if from.disable_execute_api {
        object.insert("disableExecuteApiEndpoint".to_owned(), true.into());
    }
    put(
        &mut object,
        "ipAddressType",
        from.ip_address_type.as_deref(),
    );
    object
}

fn cors(from: &Cors) -> Object {
    let mut object = Object::new();
    let rows = [
        ("allowOrigins", &from.allow_origins),
        ("allowMethods", &from.allow_methods),
        ("allowHeaders", &from.allow_headers),
        ("exposeHeaders", &from.expose_headers),
    ];
    for (key, texts) in rows {
        put_list(
            &mut object,
            key,
            texts.iter().map(|text| text.as_str().into()),
        );
    }
    object.insert("allowCredentials".to_owned(), from.allow_credentials.into());
    if let Some(seconds) = from.max_age_s {
        object.insert("maxAge".to_owned(), seconds.into());
    }
    object
}
