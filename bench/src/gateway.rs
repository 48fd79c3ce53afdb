//! What: Tidegate under test: its configuration for a bench case, its start, its readiness.
//! Shape: a directory per gateway with `tidegate.toml`, `floor.json` (an OpenAPI document), and
//!   what the process writes.
//! Units: none.
//! Errors: `io::Error` with the gateway's own messages.
//! Source: the gateway's configuration reference.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::certificate::Certificate;
use crate::idle;
use crate::process::{Server, free_address};

/// What distinguishes the gateways of the cases.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Terminate TLS with this certificate.
    pub(crate) tls: Option<&'a Certificate>,
    /// Write the access log, JSON to a file.
    pub(crate) access_log: bool,
    /// Keep answers, so that all but the first of each URL are hits.
    pub(crate) cached: bool,
    /// Connections at most; what the host allows unless given.
    pub(crate) connections_max: Option<u32>,
    /// The stub origin behind it.
    pub(crate) origin: SocketAddr,
}

/// Starts a gateway on processor `cpu` and waits until it answers.
pub(crate) fn start(
    binary: &Path,
    cpu: usize,
    name: &str,
    setup: Setup,
    directory: &Path,
) -> io::Result<Server> {
    fs::create_dir_all(directory)?;
    let address = free_address()?;
    let document = directory.join("floor.json");
    fs::write(&document, openapi_document(setup.origin))?;
    let config = directory.join("tidegate.toml");
    fs::write(
        &config,
        tidegate_config(setup, address, &document, directory),
    )?;

    let mut command = Command::new(binary);
    command
        .arg("run")
        .arg("--config")
        .arg(&config)
        .current_dir(directory);
    let name = format!("the gateway ({name})");
    let messages = directory.join("messages.txt");
    let tls = setup.tls.map(Certificate::client_config).transpose()?;
    let ready = || idle::open_one(address, tls.as_ref()).map(|_| ());
    Server::foreign(cpu, &name, &mut command, address, &messages, &ready)
}

/// The whole configuration: change it here when a key changes its name.
fn tidegate_config(setup: Setup, address: SocketAddr, document: &Path, directory: &Path) -> String {
    let Setup {
        tls,
        access_log,
        cached,
        connections_max,
        origin,
    } = setup;
    let connections_max = connections_max.unwrap_or(0);
    let document = document.display();
    let mut config = format!(
        r#"
[server]
workers = 1

[limits]
connections_max = {connections_max}
connections_per_address_max = 100000
requests_per_connection_max = 0

[[listen]]
address = "{address}"
tls = {tls}

[[apis]]
document = "{document}"
stage = "dev"
{edge_cache}
[origins.floor]
match = "http://{origin}"
allow_addresses = ["loopback"]

[[origins.floor.endpoints]]
url = "http://{origin}"
region = "local"
"#,
        tls = tls.is_some(),
        edge_cache = if cached {
            "edge_cache = \"floor\"\n"
        } else {
            ""
        },
    );
    if cached {
        // The origin says nothing about keeping its answers.
        let path = directory.join("responses.cache");
        config += &format!(
            "\n[cache]\npath = \"{}\"\ncapacity = \"64 MiB\"\n\n\
             [cache.policies.floor]\nttl_default_s = 3600\n",
            path.display()
        );
    }
    if let Some(Certificate { certificate, key }) = tls {
        let (certificate, key) = (certificate.display(), key.display());
        config +=
            &format!("\n[[tls.certificates]]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n");
    }
    if access_log {
        let path = directory.join("access.log");
        config += &format!("\n[access_log]\npath = \"{}\"\n", path.display());
    }
    config
}

/// One greedy resource that forwards everything.
fn openapi_document(origin: SocketAddr) -> String {
    let integration = json!({
        "type": "http_proxy",
        "httpMethod": "ANY",
        "uri": format!("http://{origin}/{{proxy}}"),
        "requestParameters": { "integration.request.path.proxy": "method.request.path.proxy" },
        "passthroughBehavior": "when_no_match",
    });
    let document = json!({
        "openapi": "3.0.1",
        "info": { "title": "floor", "version": "1" },
        "paths": { "/{proxy+}": { "x-amazon-apigateway-any-method": {
            "parameters": [
                { "name": "proxy", "in": "path", "required": true, "schema": { "type": "string" } },
            ],
            "responses": { "200": { "description": "as the origin answers" } },
            "x-amazon-apigateway-integration": integration,
        }}},
    });
    format!("{document:#}\n")
}
