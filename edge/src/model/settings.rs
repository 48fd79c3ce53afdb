//! The host's settings: one TOML file, every key optional.
//!
//! Shape: [`Settings`] mirrors the tables of `configs/full.toml` one to one. Addresses, CIDRs and
//! URLs stay text here; `plan::compile` parses them and reports by pointer (`/listen/0/address`).
//! Units: in the names: `_ms`, `_s`, `_hours`, `_bytes`, `_percent`.
//! Errors: unknown keys are refused by serde; values are judged by `plan::compile`.
//! Source: RELIABILITY section 2 for the limits (their home is [`limits`]).

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use super::api::EndpointType;

pub mod cache;
pub mod domains;
pub mod functions;
pub mod limits;
pub mod origin;
pub mod plans;
pub mod stages;
pub mod throttle;

pub use self::{
    cache::{Cache, CachePolicy, Choice, MethodCache, StageCache, StageCapacity, Unauthorized},
    domains::{Domain, Mapping, MatchHeader, RoutingCondition, RoutingMode, RoutingRule},
    functions::FunctionRegion,
    limits::Limits,
    origin::{Balance, Ejection, Endpoint, Health, Origin, OriginTls, Roots},
    plans::{ApiKey, PlanQuota, PlanStage, PlanThrottle, UsagePlan},
    stages::{Canary, LoggingLevel, MethodSettings, StageSettings, Stages},
    throttle::{MethodThrottle, StageThrottle, Throttle, ThrottlePreset},
};

/// Everything the host's operator sets.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub server: Server,
    /// Empty means one plain listener on `127.0.0.1:8080`.
    pub listen: Vec<Listen>,
    pub tls: Tls,
    pub apis: Vec<ApiSource>,
    pub domains: Vec<Domain>,
    pub account: Account,
    /// By id: what stages show to origins that ask for a certificate.
    pub client_certificates: BTreeMap<String, Certificate>,
    /// By name; the name is what logs, metrics and `tidegate origins` show.
    pub origins: BTreeMap<String, Origin>,
    /// By region.
    pub functions: BTreeMap<String, FunctionRegion>,
    pub limits: Limits,
    pub throttle: Throttle,
    /// Absent: nothing is kept.
    pub cache: Option<Cache>,
    pub trust: Trust,
    pub access_log: AccessLog,
    pub execution_log: ExecutionLog,
    pub admin: Admin,
    pub process: Process,
    pub forwarding: Forwarding,
    pub dns: Dns,
    /// Made at every start and reload as they stand here.
    pub usage_plans: Vec<UsagePlan>,
    /// The same.
    pub api_keys: Vec<ApiKey>,
}

/// Where a gateway without `[[listen]]` listens.
pub const LISTEN_ADDRESS_DEFAULT: &str = "127.0.0.1:8080";

/// The stage of an API that names none.
pub const STAGE_DEFAULT: &str = "dev";

/// Cores and the life of the process.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// `"auto"`: one worker per allowed CPU, by the cgroup quota; or a number.
    pub workers: Workers,
    /// CPUs to pin workers to, in order; empty: those the process may use.
    pub cpus: Vec<u16>,
    /// Between SIGTERM (`/readyz` turns 503) and the first closed listener. 5,000.
    pub drain_delay_ms: u32,
    /// From then on to the end of the last request. 30,000.
    pub drain_deadline_ms: u32,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            workers: Workers::Auto,
            cpus: Vec::new(),
            drain_delay_ms: 5_000,
            drain_deadline_ms: 30_000,
        }
    }
}

/// How many worker threads to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Workers {
    #[default]
    Auto,
    /// 1 to 1,024.
    Count(u16),
}

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Workers;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("\"auto\" or a number from 1 to 1024")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Workers, E> {
                if text == "auto" {
                    return Ok(Workers::Auto);
                }
                Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Workers, E> {
                match u16::try_from(number) {
                    Ok(count @ 1..=1024) => Ok(Workers::Count(count)),
                    _ => Err(E::invalid_value(
                        serde::de::Unexpected::Signed(number),
                        &self,
                    )),
                }
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// `127.0.0.1:8080`, `[::]:443`, or `fd:NAME` for a socket passed by systemd.
    pub address: String,
    /// Whether clients speak TLS here; then `[[tls.certificates]]` must not be empty.
    pub tls: bool,
    /// CIDRs whose connections must begin with a PROXY header; others must not send one.
    pub proxy_protocol_from: Vec<String>,
    /// The only APIs that it leads to; absent: all that are not private.
    pub endpoint: Option<ListenEndpoint>,
    /// CIDRs that clients must come from; empty: from anywhere.
    pub networks: Vec<String>,
}

/// The APIs of which endpoint type a listener leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListenEndpoint {
    Edge,
    Regional,
    Private,
}

impl From<ListenEndpoint> for EndpointType {
    fn from(endpoint: ListenEndpoint) -> EndpointType {
        match endpoint {
            ListenEndpoint::Edge => EndpointType::Edge,
            ListenEndpoint::Regional => EndpointType::Regional,
            ListenEndpoint::Private => EndpointType::Private,
        }
    }
}

/// TLS towards clients.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Chosen by SNI; the first serves clients without one or with an unknown one.
    pub certificates: Vec<Certificate>,
    /// `"1.2"`.
    pub min_version: TlsVersion,
    /// Age at which the shared session ticket key is replaced. 12.
    pub ticket_rotation_hours: u32,
}

impl Default for Tls {
    fn default() -> Self {
        Tls {
            certificates: Vec::new(),
            min_version: TlsVersion::V1_2,
            ticket_rotation_hours: 12,
        }
    }
}

/// A certificate chain and its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Leaf first.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The oldest protocol a handshake may agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

/// Whose APIs these are: what documents mean by `${AWS::AccountId}`, `${AWS::Region}` and
/// `${AWS::Partition}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// `"000000000000"`.
    pub id: String,
    /// `"us-east-1"`.
    pub region: String,
    /// `"aws"`.
    pub partition: String,
}

impl Default for Account {
    fn default() -> Self {
        Account {
            id: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            partition: "aws".to_owned(),
        }
    }
}

/// One API document and where it is served.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSource {
    /// OpenAPI 3 or Swagger 2, YAML or JSON.
    #[serde(default)]
    pub document: Option<PathBuf>,
    /// Its documents are those that were deployed; in place of `document`.
    #[serde(default)]
    pub deployed: bool,
    /// Default: ten characters made from the document's title.
    #[serde(default)]
    pub id: Option<String>,
    /// What becomes of the document's base path. `"ignore"`.
    #[serde(default)]
    pub base_path: BasePath,
    /// One stage; not together with `stages`.
    #[serde(default)]
    pub stage: Option<String>,
    /// Several stages: names, or a table with what each has of its own.
    #[serde(default)]
    pub stages: Stages,
    /// Hosts whose paths need no stage prefix: the host form. `*.example.com` is allowed.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The stage those hosts serve; default the first.
    #[serde(default)]
    pub host_stage: Option<String>,
    /// Stage variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Which header fields pass where nothing maps. `"api_gateway"`.
    #[serde(default)]
    pub header_rules: HeaderRules,
    /// The `[cache.policies]` by which answers of its origins are kept.
    #[serde(default)]
    pub edge_cache: Option<String>,
    /// A cache as API Gateway's stages have it; not together with `edge_cache`.
    #[serde(default)]
    pub stage_cache: Option<StageCache>,
    /// How often its stages and methods may be called.
    #[serde(default)]
    pub throttle: Option<StageThrottle>,
    /// Its execution log tells everything, whatever its stages say: a test invocation.
    #[serde(skip)]
    pub tells_all: bool,
}

impl ApiSource {
    /// A document served under the default stage.
    pub fn new(document: PathBuf) -> ApiSource {
        ApiSource {
            document: Some(document),
            deployed: false,
            id: None,
            base_path: BasePath::Ignore,
            stage: None,
            stages: Stages::default(),
            hosts: Vec::new(),
            host_stage: None,
            variables: BTreeMap::new(),
            header_rules: HeaderRules::ApiGateway,
            edge_cache: None,
            stage_cache: None,
            throttle: None,
            tells_all: false,
        }
    }

    /// Names of its stages, at least one.
    pub fn stage_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.stage.iter().map(String::as_str).collect();
        names.extend(self.stages.names());
        if names.is_empty() {
            names.push(STAGE_DEFAULT);
        }
        names
    }

    /// The stage that the hosts serve.
    pub fn host_stage_name(&self) -> &str {
        let first = || self.stage_names().first().copied();
        (self.host_stage.as_deref())
            .or_else(first)
            .unwrap_or(STAGE_DEFAULT)
    }
}

/// By which rules header fields pass an `http_proxy` in which nothing maps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderRules {
    /// As they pass an API Gateway, which speaks for itself: what an origin says under a name of
    /// the gateway's own gets a second one.
    #[default]
    ApiGateway,
    /// As they pass a proxy, which is not seen: for origins that are gateways themselves.
    Proxy,
}

impl HeaderRules {
    /// The word of settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            HeaderRules::ApiGateway => "api_gateway",
            HeaderRules::Proxy => "proxy",
        }
    }
}

/// What becomes of the base path that a document names: `basePath`, or the path of its first
/// server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BasePath {
    /// Paths are routed as they stand.
    #[default]
    Ignore,
    /// It goes before every path.
    Prepend,
    /// It goes before every path, without its first part.
    Split,
}

impl BasePath {
    /// Every mode.
    pub const ALL: [BasePath; 3] = [BasePath::Ignore, BasePath::Prepend, BasePath::Split];

    /// The word of settings and command lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            BasePath::Ignore => "ignore",
            BasePath::Prepend => "prepend",
            BasePath::Split => "split",
        }
    }

    pub fn parse(text: &str) -> Option<BasePath> {
        BasePath::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Whose word about the client counts.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// CIDRs of proxies whose `X-Forwarded-*` and `Forwarded` tell of the client. None.
    pub proxies: Vec<String>,
}

/// One line per request.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLog {
    /// `"off"`, `"-"` for standard output, or a file, reopened on SIGUSR1. `"off"`.
    pub path: String,
    /// `"json"`, `"clf"`, or a text with `$context.` names. `"json"`.
    pub format: String,
    /// Records wait here, per core, for the writer; a full buffer drops and counts. 1 MiB.
    pub buffer_bytes: u32,
}

impl AccessLog {
    /// Whether anything is written at all.
    pub fn is_on(&self) -> bool {
        self.path != "off"
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        AccessLog {
            path: "off".to_owned(),
            format: "json".to_owned(),
            buffer_bytes: 1024 * 1024,
        }
    }
}

/// What the stages of a request did, for the methods whose `logging_level` asks for it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExecutionLog {
    /// `"off"`, `"-"` for standard output, or a file, reopened on SIGUSR1. `"off"`.
    pub path: String,
    /// Lines wait here, per core, for the writer; a full buffer drops and counts. 1 MiB.
    pub buffer_bytes: u32,
}

impl ExecutionLog {
    /// Whether anything is written at all.
    pub fn is_on(&self) -> bool {
        self.path != "off"
    }
}

impl Default for ExecutionLog {
    fn default() -> Self {
        ExecutionLog {
            path: "off".to_owned(),
            buffer_bytes: 1024 * 1024,
        }
    }
}

/// How the operator reaches the running gateway.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Unix socket, mode 0600; default `admin.sock` in the runtime directory.
    pub socket: Option<PathBuf>,
    /// Loopback address for `/metrics`, `/livez` and `/readyz`; default: on the socket only.
    pub address: Option<String>,
}

/// What starts and reloads go by.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    /// Where the last good configuration is kept; default `$STATE_DIRECTORY`, else nowhere.
    pub state_dir: Option<PathBuf>,
    /// A configuration that has served so long is good; started twice within it and not good, it
    /// gives way to the last that was. 30,000.
    pub good_after_ms: u32,
    /// How long one worker alone serves a reloaded configuration; 0, or one worker in all: not at
    /// all. 2,000.
    pub trial_ms: u32,
}

impl Default for Process {
    fn default() -> Self {
        Process {
            state_dir: None,
            good_after_ms: 30_000,
            trial_ms: 2_000,
        }
    }
}

/// What a forwarded request says about its way.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forwarding {
    /// Pseudonym in `Via`; empty adds none. `"tidegate"`.
    pub via: String,
    /// `X-Forwarded-For`, `-Proto` and `-Port`. true.
    pub x_forwarded: bool,
    /// RFC 7239 `Forwarded`. false.
    pub forwarded: bool,
    /// Header that carries the request id; empty adds none. `"X-Request-Id"`.
    pub request_id_header: String,
}

impl Default for Forwarding {
    fn default() -> Self {
        Forwarding {
            via: "tidegate".to_owned(),
            x_forwarded: true,
            forwarded: false,
            request_id_header: "X-Request-Id".to_owned(),
        }
    }
}

/// Name resolution for origins.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// `IP` or `IP:port`, asked in order; empty: those of `/etc/resolv.conf`.
    pub servers: Vec<String>,
    /// One query to one server. 2,000.
    pub timeout_ms: u32,
    /// Rounds over all servers. 2.
    pub attempts: u8,
    /// Longest time an answer is used, whatever its TTL says. 3,600.
    pub ttl_max_s: u32,
    /// Longest time a missing name is believed. 30.
    pub negative_ttl_max_s: u32,
}

impl Default for Dns {
    fn default() -> Self {
        Dns {
            servers: Vec::new(),
            timeout_ms: 2_000,
            attempts: 2,
            ttl_max_s: 3_600,
            negative_ttl_max_s: 30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_names_are_never_empty() {
        let mut api = ApiSource::new(PathBuf::from("a.yaml"));
        assert_eq!(api.stage_names(), ["dev"]);
        assert_eq!(api.host_stage_name(), "dev");
        api.stages = ["v1", "v2"].into_iter().collect();
        assert_eq!(api.stage_names(), ["v1", "v2"]);
        assert_eq!(api.host_stage_name(), "v1");
        api.host_stage = Some("v2".to_owned());
        assert_eq!(api.host_stage_name(), "v2");
    }

    #[test]
    fn workers_are_a_word_or_a_number() {
        let rows = [
            ("\"auto\"", Some(Workers::Auto)),
            ("4", Some(Workers::Count(4))),
            ("0", None),
            ("1025", None),
            ("\"many\"", None),
        ];
        for (given, expected) in rows {
            // JSON numbers arrive unsigned, TOML ones signed; the file's reader gives signed.
            let value: serde_json::Value = serde_json::from_str(given).expect("JSON");
            let read = match value.as_i64() {
                Some(number) => Workers::deserialize(serde::de::value::I64Deserializer::<
                    serde::de::value::Error,
                >::new(number))
                .ok(),
                None => Workers::deserialize(value).ok(),
            };
            assert_eq!(read, expected, "{given}");
        }
    }
}
