//! What: Tidegate under test: its configuration for a bench case, its start, its readiness.
//! Shape: a directory per gateway with `tidegate.toml`, `floor.json` (an OpenAPI document), and
//!   what the process writes.
//! Units: none.
//! Errors: `io::Error` with the gateway's own messages.
//! Source: the gateway's configuration reference.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::certificate::Certificate;
use crate::idle;
use crate::process::{Server, free_address};
use crate::template;
use crate::wrk::API_KEY;

/// Of a region that hits come from.
pub(crate) const CACHE_MIB: u32 = 64;

/// What distinguishes the gateways of the cases.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Terminate TLS with this certificate.
    pub(crate) tls: Option<&'a Certificate>,
    /// Write the access log, JSON to a file.
    pub(crate) access_log: bool,
    /// Keep answers in a region of so many MiB, so that all but the first of each URL are hits.
    pub(crate) cache_mib: Option<u32>,
    /// Connections at most; what the host allows unless given.
    pub(crate) connections_max: Option<u32>,
    /// What stands before every request.
    pub(crate) throttle: Throttle,
    /// How requests become those of the origin.
    pub(crate) integration: Integration,
    /// The bench's origin, behind it.
    pub(crate) origin: SocketAddr,
}

/// The integration of a gateway under test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Integration {
    /// `http_proxy` by the header rules of a proxy: payloads stream.
    Proxied,
    /// The same by the header rules of API Gateway.
    Streamed,
    /// `http` without a template: payloads are read whole and pass.
    Passed,
    /// `http` with the template of `template` each way.
    Mapped,
}

/// Limits of a gateway under test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Throttle {
    /// None.
    Open,
    /// The stage refuses everything.
    Refuses,
    /// Account, stage, method, key, and key at the method: a key is needed and all are wide.
    Keyed,
}

/// A gateway that can be started, again and again.
pub(crate) struct Configured {
    /// Where it will answer.
    pub(crate) address: SocketAddr,
    /// Where it runs.
    pub(crate) directory: PathBuf,
    config: PathBuf,
}

impl Configured {
    /// Runs `binary` with this configuration.
    pub(crate) fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .arg("run")
            .arg("--config")
            .arg(&self.config)
            .current_dir(&self.directory);
        command
    }
}

/// Writes the files of a gateway on a free address.
pub(crate) fn configure(setup: Setup, directory: &Path) -> io::Result<Configured> {
    fs::create_dir_all(directory)?;
    let address = free_address()?;
    let document = directory.join("floor.json");
    fs::write(&document, openapi_document(setup))?;
    if setup.throttle == Throttle::Keyed {
        let path = directory.join(KEY_FILE);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(path)?.write_all(API_KEY.as_bytes())?;
    }
    let config = directory.join("tidegate.toml");
    fs::write(
        &config,
        tidegate_config(setup, address, &document, directory),
    )?;
    Ok(Configured {
        address,
        directory: directory.to_owned(),
        config,
    })
}

/// The region of a gateway that keeps answers.
pub(crate) fn region(directory: &Path) -> PathBuf {
    directory.join("responses.cache")
}

/// Starts a gateway on processor `cpu` and waits until it answers.
pub(crate) fn start(
    binary: &Path,
    cpu: usize,
    name: &str,
    setup: Setup,
    directory: &Path,
) -> io::Result<Server> {
    let configured = configure(setup, directory)?;
    let address = configured.address;
    let mut command = configured.command(binary);
    let name = format!("the gateway ({name})");
    let messages = directory.join("messages.txt");
    let tls = setup.tls.map(Certificate::client_config).transpose()?;
    let ready = || match setup.throttle {
        Throttle::Open => idle::open_one(address, tls.as_ref()).map(|_| ()),
        Throttle::Refuses => idle::ask_one(address, "429"),
        Throttle::Keyed => idle::ask_one(address, "403"), // it sends no key
    };
    Server::foreign(cpu, &name, &mut command, address, &messages, &ready)
}

/// The whole configuration: change it here when a key changes its name.
fn tidegate_config(setup: Setup, address: SocketAddr, document: &Path, directory: &Path) -> String {
    let Setup {
        tls,
        access_log,
        cache_mib,
        connections_max,
        throttle,
        integration,
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
id = "floor"
stage = "dev"
{header_rules}{variables}{edge_cache}{stage_throttle}
[origins.floor]
match = "http://{origin}"
allow_addresses = ["loopback"]

[[origins.floor.endpoints]]
url = "http://{origin}"
region = "local"
"#,
        tls = tls.is_some(),
        header_rules = if integration == Integration::Proxied {
            "header_rules = \"proxy\"\n"
        } else {
            ""
        },
        variables = if integration == Integration::Mapped {
            "variables = { host = \"orders.example.com\" }\n"
        } else {
            ""
        },
        edge_cache = if cache_mib.is_some() {
            "edge_cache = \"floor\"\n"
        } else {
            ""
        },
        stage_throttle = match throttle {
            Throttle::Open => "",
            Throttle::Refuses => "[apis.throttle]\nrate_limit = 0.0\nburst_limit = 0\n",
            Throttle::Keyed => WIDE_STAGE,
        },
    );
    if throttle != Throttle::Open {
        let table = directory.join("limits.table");
        config += &format!("\n[throttle]\npath = \"{}\"\n", table.display());
    }
    if throttle == Throttle::Keyed {
        config += &WIDE_KEY.replace("@DIRECTORY@", &directory.display().to_string());
    }
    if let Some(capacity_mib) = cache_mib {
        // The origin says nothing about keeping its answers.
        let path = region(directory);
        config += &format!(
            "\n[cache]\npath = \"{}\"\ncapacity = \"{capacity_mib} MiB\"\n\n\
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
fn openapi_document(setup: Setup) -> String {
    let Setup {
        throttle,
        integration: kind,
        origin,
        ..
    } = setup;
    let mut integration = json!({
        "type": match kind {
            Integration::Proxied | Integration::Streamed => "http_proxy",
            Integration::Passed | Integration::Mapped => "http",
        },
        "httpMethod": "ANY",
        "uri": format!("http://{origin}/{{proxy}}"),
        "requestParameters": { "integration.request.path.proxy": "method.request.path.proxy" },
        "passthroughBehavior": "when_no_match",
    });
    match kind {
        Integration::Proxied | Integration::Streamed => {}
        Integration::Passed => {
            integration["responses"] = json!({ "default": { "statusCode": "200" } });
        }
        Integration::Mapped => {
            integration["requestTemplates"] = json!({ "application/json": template::TEMPLATE });
            let answers = json!({ "application/json": template::answer_template() });
            integration["responses"] = json!({
                "default": { "statusCode": "200", "responseTemplates": answers },
            });
        }
    }
    let document = json!({
        "openapi": "3.0.1",
        "info": { "title": "floor", "version": "1" },
        "paths": { "/{proxy+}": { "x-amazon-apigateway-any-method": {
            "parameters": [
                { "name": "proxy", "in": "path", "required": true, "schema": { "type": "string" } },
            ],
            "responses": { "200": { "description": "as the origin answers" } },
            "x-amazon-apigateway-api-key-required": throttle == Throttle::Keyed,
            "x-amazon-apigateway-integration": integration,
        }}},
    });
    format!("{document:#}\n")
}

const KEY_FILE: &str = "key";
/// Limits that no load of a bench reaches.
const WIDE_STAGE: &str = r#"[apis.throttle]
rate_limit = 1000000.0
burst_limit = 1000000
[[apis.throttle.methods]]
path = "/{proxy+}"
method = "ANY"
rate_limit = 1000000.0
burst_limit = 1000000
"#;
/// Behind the line that opens `[throttle]`.
const WIDE_KEY: &str = r#"rate_limit = 1000000.0
burst_limit = 1000000

[process]
state_dir = "@DIRECTORY@/state"

[[usage_plans]]
id = "wide"
throttle = { rate_limit = 1000000.0, burst_limit = 1000000 }

[[usage_plans.api_stages]]
api = "floor"
stage = "dev"
throttle = { "/{proxy+}/ANY" = { rate_limit = 1000000.0, burst_limit = 1000000 } }

[[api_keys]]
id = "load"
value_file = "@DIRECTORY@/key"
plans = ["wide"]
"#;
