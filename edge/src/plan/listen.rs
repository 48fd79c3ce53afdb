//! Listeners, trusted networks and the other settings that workers read at start.
//!
//! Shape: parsed values of the settings' tables, one struct per table. Units: in the names.
//! Ranges: as checked by the compiler. Errors: none here. Source: `configs/full.toml`.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use crate::{
    model::{
        api::EndpointType,
        settings::{LoggingLevel, TlsVersion, Workers},
    },
    net::{address::Network, tls::policy::SecurityPolicy},
};

/// One listening socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerPlan {
    pub address: ListenAddress,
    pub tls: bool,
    /// Peers here must begin with a PROXY header, others must not send one.
    pub proxy_protocol_from: NetworkSet,
    /// The only APIs that it leads to; `None`: all that are not private.
    pub endpoint: Option<EndpointType>,
    /// Where clients must come from; empty: from anywhere.
    pub networks: NetworkSet,
}

impl ListenerPlan {
    /// What a client at `ip` finds behind it.
    #[must_use]
    pub fn door(&self, ip: IpAddr) -> Door {
        if !self.networks.is_empty() && !self.networks.contains(ip) {
            return Door::Closed;
        }
        self.endpoint.map_or(Door::Public, Door::Only)
    }
}

/// Which APIs a listener leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// To all: nobody asks over the network.
    Any,
    /// To all that are not private.
    Public,
    /// To those of this type; those that do not say are edge and regional at once.
    Only(EndpointType),
    /// To none: the client is not in the listed networks.
    Closed,
}

impl Door {
    /// Whether an API of this type may be reached.
    #[must_use]
    pub fn leads_to(self, endpoint: Option<EndpointType>) -> bool {
        match self {
            Door::Any => true,
            Door::Public => endpoint != Some(EndpointType::Private),
            Door::Only(EndpointType::Private) => endpoint == Some(EndpointType::Private),
            Door::Only(only) => endpoint.is_none_or(|endpoint| endpoint == only),
            Door::Closed => false,
        }
    }

    /// Whether a header may name the API, as it may where private APIs are called.
    #[must_use]
    pub fn is_private(self) -> bool {
        self == Door::Only(EndpointType::Private)
    }
}

/// Where a listener comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenAddress {
    Socket(SocketAddr),
    /// The name of a socket passed by the service manager.
    Passed(Box<str>),
}

/// TLS towards clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenTlsPlan {
    /// The first serves unknown names.
    pub certificates: Box<[CertificatePlan]>,
    pub version_min: TlsVersion,
    /// Age at which the session ticket key is replaced.
    pub ticket_rotation_ms: u64,
}

/// A chain and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificatePlan {
    pub chain: PathBuf,
    pub key: PathBuf,
    /// What its names are served by; `None`: by the oldest version of all, and every suite.
    pub policy: Option<&'static SecurityPolicy>,
    /// Where the settings name them.
    pub pointer: Box<str>,
}

/// Cores and the end of the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerPlan {
    pub workers: Workers,
    pub cpus: Box<[u16]>,
    pub drain_delay_ms: u32,
    pub drain_deadline_ms: u32,
}

/// What a forwarded request says about its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForwardingPlan {
    /// Pseudonym in `Via`; `None` adds none.
    pub via: Option<Box<str>>,
    pub x_forwarded: bool,
    pub forwarded: bool,
    /// `None` adds none.
    pub request_id_header: Option<Box<str>>,
}

/// Where access lines go and what they hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessLogPlan {
    pub sink: LogSink,
    /// `json`, `clf` or a text with `$context.` names.
    pub format: Box<str>,
    pub buffer_bytes: u32,
}

/// Where the lines of execution logs go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecutionLogPlan {
    pub sink: LogSink,
    pub buffer_bytes: u32,
}

/// What the execution log tells of a route's requests.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RouteLog {
    pub level: LoggingLevel,
    /// With payloads.
    pub data: bool,
}

/// A log's destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogSink {
    Off,
    Stdout,
    File(PathBuf),
}

/// How the operator reaches the gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminPlan {
    /// `None`: the default path.
    pub socket: Option<PathBuf>,
    /// A loopback address.
    pub address: Option<SocketAddr>,
}

/// What starts and reloads go by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessPlan {
    /// `None`: where the service manager says, else nowhere.
    pub state_dir: Option<PathBuf>,
    pub good_after_ms: u32,
    /// 0: none.
    pub trial_ms: u32,
}

/// Name resolution.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnsPlan {
    /// Empty: those of the system.
    pub servers: Box<[SocketAddr]>,
    pub timeout_ms: u32,
    pub attempts: u8,
    pub ttl_max_s: u32,
    pub negative_ttl_max_s: u32,
}

/// A few networks, asked by address.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NetworkSet(pub(super) Box<[Network]>);

impl NetworkSet {
    /// Whether `ip` lies in one of them. IPv4 mapped into IPv6, as a dual-stack socket reports
    /// it, is IPv4; other embeddings are not unwrapped, for a peer chooses those itself.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(ip))
    }

    /// Whether no address is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
