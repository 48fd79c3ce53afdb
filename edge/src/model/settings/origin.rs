//! `[origins.NAME]`: a group of endpoints in regions that answers for integration URIs.
//!
//! Shape: [`Origin`] with its endpoints, health checks, TLS and ejection, all by value.
//! Units: in the names; `priority` 0 is asked first, a larger `weight` gets more.
//! Errors: none; `plan::compile` parses URLs, CIDRs and regions and reports by pointer.
//! Source: RELIABILITY section 4.

use std::{fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

/// A group of regional endpoints.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Origin {
    /// Scheme and authority of the integration URIs it answers: `"https://host"`, one or a list.
    #[serde(rename = "match", deserialize_with = "one_or_many")]
    pub matches: Vec<String>,
    /// The id of a VPC link: integrations that name it are answered here, whatever host their URIs
    /// name. It needs endpoints. None.
    pub vpc_link: Option<String>,
    /// `"least_outstanding"`.
    pub balance: Balance,
    /// `"loopback"`, `"private"`, `"link_local"` or CIDRs that may be connected to although they
    /// are not public. None.
    pub allow_addresses: Vec<String>,
    /// Connections of each core to this origin. 1,024.
    pub max_connections: u32,
    /// Requests of each core that wait for one. 1,024.
    pub max_waiters: u32,
    /// Connecting, TLS included; default `limits.connect_ms`.
    pub connect_ms: Option<u32>,
    /// Unused keep-alive connections are closed after this. 60,000.
    pub idle_ms: u32,
    /// Retries as a share of its requests. 10.
    pub retry_percent_max: u8,
    /// Empty: the matched authority itself, resolved by DNS.
    pub endpoints: Vec<Endpoint>,
    /// Absent: no active checks.
    pub health: Option<Health>,
    pub tls: OriginTls,
    pub ejection: Ejection,
}

impl Default for Origin {
    fn default() -> Self {
        Origin {
            matches: Vec::new(),
            vpc_link: None,
            balance: Balance::LeastOutstanding,
            allow_addresses: Vec::new(),
            max_connections: 1_024,
            max_waiters: 1_024,
            connect_ms: None,
            idle_ms: 60_000,
            retry_percent_max: 10,
            endpoints: Vec::new(),
            health: None,
            tls: OriginTls::default(),
            ejection: Ejection::default(),
        }
    }
}

/// How one endpoint is picked among those of the best priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Fewest unanswered requests per weight.
    #[default]
    LeastOutstanding,
    RoundRobin,
    Random,
}

/// One place that answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// A name for people, logs and `$context`; several endpoints may share one. `"default"`.
    #[serde(default = "region_default")]
    pub region: String,
    /// `https://10.0.0.1:8443` or with a host name; no path.
    pub url: String,
    /// 0 is asked first; the next only when none of the former is usable.
    #[serde(default)]
    pub priority: u8,
    /// Share among its priority. 1.
    #[serde(default = "weight_default")]
    pub weight: u16,
}

fn region_default() -> String {
    "default".to_owned()
}

fn weight_default() -> u16 {
    1
}

/// Active checks, once per host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// `"/"`.
    pub path: String,
    /// 5,000.
    pub interval_ms: u32,
    /// 2,000.
    pub timeout_ms: u32,
    /// Good answers in a row. 2.
    pub healthy_after: u8,
    /// Bad answers in a row. 3.
    pub unhealthy_after: u8,
    /// Statuses that count as good: numbers or ranges. `["200-399"]`.
    pub statuses: Vec<String>,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            path: "/".to_owned(),
            interval_ms: 5_000,
            timeout_ms: 2_000,
            healthy_after: 2,
            unhealthy_after: 3,
            statuses: vec!["200-399".to_owned()],
        }
    }
}

/// TLS towards the endpoints whose URL says `https`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OriginTls {
    /// `"system"`, or a PEM file.
    pub roots: Roots,
    /// PEM, with `client_key`, for origins that ask for one.
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    /// Name to verify and to send; default: the host of the matched URI.
    pub server_name: Option<String>,
    /// Accept any certificate. false; every start warns when it is true.
    pub insecure_skip_verification: bool,
}

/// Which authorities are believed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Roots {
    #[default]
    System,
    File(PathBuf),
}

impl<'de> Deserialize<'de> for Roots {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(match text.as_str() {
            "system" => Roots::System,
            _ => Roots::File(PathBuf::from(text)),
        })
    }
}

/// Passive ejection of endpoints that fail real requests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ejection {
    /// Failures in a row; 0 switches ejection off. 5.
    pub failures: u16,
    /// Times the number of ejections so far. 30,000.
    pub base_ms: u32,
    /// Share of the endpoints that may be out; never the last one. 50.
    pub max_percent: u8,
}

impl Default for Ejection {
    fn default() -> Self {
        Ejection {
            failures: 5,
            base_ms: 30_000,
            max_percent: 50,
        }
    }
}

/// Reads `"a"` as `["a"]`.
fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a text or a list of texts")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = items.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }
    from.deserialize_any(OneOrMany)
}
