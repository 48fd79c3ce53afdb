//! The oldest samples, read whole.
//!
//! Shape: files of `configs/openapi` and the parts of the model that come of them.

use tidegate::openapi::{self, Options};
use tidegate_edge::model::api::{
    Api, Integration, IntegrationKind, ParameterSource, Passthrough, Place, Verb,
};

fn proxy(api: &Api, path: &str, verb: Verb) -> Integration {
    let found = integration(api, path, verb);
    assert_eq!(found.kind, IntegrationKind::HttpProxy);
    found
}

fn mock(api: &Api, path: &str, verb: Verb) -> Integration {
    let found = integration(api, path, verb);
    assert_eq!(found.kind, IntegrationKind::Mock);
    found
}

fn integration(api: &Api, path: &str, verb: Verb) -> Integration {
    let resource = api.resources.iter().find(|resource| resource.path == path);
    let methods = &resource.expect(path).methods;
    let method = methods.iter().find(|method| method.verb == verb);
    method.expect(path).integration.clone()
}

fn sample(name: &str) -> Api {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/openapi");
    let path = std::path::Path::new(folder).join(name);
    let bytes = std::fs::read(path).expect("sample");
    let imported = openapi::import_bytes(name, &bytes, &Options::default());
    assert!(imported.report.is_empty(), "{}", imported.report);
    imported.api
}

#[test]
fn the_petstore_is_read_whole() {
    let api = sample("petstore.yaml");
    assert_eq!(api.name, "Petstore");
    assert_eq!(api.id.len(), 10);
    let paths: Vec<&str> = api.resources.iter().map(|r| r.path.as_str()).collect();
    assert_eq!(paths, ["/", "/pets", "/pets/{petId}", "/files/{proxy+}"]);

    let welcome = mock(&api, "/", Verb::Get);
    assert_eq!(welcome.passthrough, Passthrough::WhenNoMatch);
    assert_eq!(welcome.responses[0].status, 200);
    assert_eq!(welcome.responses[0].selection_pattern, None);
    assert_eq!(
        welcome.responses[0].parameters[0].source,
        ParameterSource::Static("text/plain".to_owned())
    );
    let text = &welcome.responses[0].templates[0].text;
    assert_eq!(text, "Welcome to the petstore.\n");

    let list = proxy(&api, "/pets", Verb::Get);
    assert_eq!(list.timeout_ms, 5_000);
    assert_eq!(list.request_parameters.len(), 3);
    assert_eq!(
        list.request_parameters[2].source,
        ParameterSource::Static("petstore".to_owned())
    );
    let declared = &api.resources[1].methods[0].parameters;
    assert_eq!(declared[1].name, "page");
    assert_eq!(declared[1].pointer, "/components/parameters/Page");

    let one = &api.resources[2].methods[0];
    assert_eq!(
        (one.parameters[0].place, one.parameters[0].required),
        (Place::Path, true)
    );
    let files = proxy(&api, "/files/{proxy+}", Verb::Any);
    assert_eq!(
        files.pointer,
        "/components/x-amazon-apigateway-integrations/files"
    );
    assert_eq!(files.http_method, Some(Verb::Any));
    assert_eq!(files.timeout_ms, 29_000);
}

#[test]
fn swagger_in_json_and_merged_yaml_are_read() {
    let api = sample("petstore.json");
    assert_eq!(
        api.id,
        sample("petstore.yaml").id,
        "the title alone makes it"
    );
    let preflight = mock(&api, "/pets", Verb::Options);
    assert_eq!(
        preflight.responses[0].parameters[0].source,
        ParameterSource::Static("*".to_owned())
    );
    assert_eq!(proxy(&api, "/pets", Verb::Get).http_method, Some(Verb::Get));

    let api = sample("httpbin.yaml");
    let merged = proxy(&api, "/{proxy+}", Verb::Get);
    assert_eq!(
        (merged.timeout_ms, merged.request_parameters.len()),
        (10_000, 1)
    );
    assert_eq!(merged.uri, "https://httpbin.org/{proxy}");
    let status = mock(&api, "/status", Verb::Get);
    assert_eq!(
        status.responses[0].selection_pattern.as_deref(),
        Some("204")
    );
    assert_eq!(status.passthrough, Passthrough::WhenNoTemplates);
}
