//! The settings around the APIs: limits, listeners, TLS, trust, log, admin, names.
//!
//! Shape: one function per table of the settings; each answers with a value that is only used
//! when nothing was wrong. Units: in the names. Ranges: [`Limits::ranges`] and the checks below.
//! Errors: findings on the settings. Source: `configs/full.toml`.

use std::net::{IpAddr, SocketAddr};

use super::super::{
    fault::Reporter,
    listen::{
        AccessLogPlan, AdminPlan, CertificatePlan, DnsPlan, ExecutionLogPlan, ForwardingPlan,
        ListenAddress, ListenTlsPlan, ListenerPlan, LogSink, NetworkSet, ProcessPlan, ServerPlan,
    },
};
use crate::{
    base::text::counted,
    model::{
        api::EndpointType,
        settings::{
            Domain, LISTEN_ADDRESS_DEFAULT, Limits, Listen, ListenEndpoint, Settings, Workers,
        },
    },
    net::{
        address::Network,
        tls::{policy::SecurityPolicy, provider, ticket::ROTATE_MS_MAX},
    },
};

pub(super) fn limits(settings: &Settings, reporter: &mut Reporter<'_>) -> Limits {
    let limits = &settings.limits;
    for row in limits.ranges() {
        if !(row.min..=row.max).contains(&row.value) {
            reporter.error(
                format!("/limits/{}", row.key),
                format!(
                    "{} is {}, outside {} to {}",
                    row.key, row.value, row.min, row.max
                ),
                "choose a value inside the range",
            );
        }
    }
    if limits.target_bytes_max > limits.head_bytes_max {
        reporter.error(
            "/limits/target_bytes_max",
            "a target cannot be longer than the head it stands in",
            "raise head_bytes_max too",
        );
    }
    limits.clone()
}

pub(super) fn listeners(settings: &Settings, reporter: &mut Reporter<'_>) -> Box<[ListenerPlan]> {
    let default = [Listen {
        address: LISTEN_ADDRESS_DEFAULT.to_owned(),
        ..Listen::default()
    }];
    let rows = if settings.listen.is_empty() {
        &default[..]
    } else {
        &settings.listen
    };
    let mut plans: Vec<ListenerPlan> = Vec::new();
    for (index, listen) in rows.iter().enumerate() {
        let pointer = format!("/listen/{index}/address");
        let Some(address) = listen_address(&listen.address) else {
            reporter.error(
                pointer,
                format!("`{}` is no address to listen on", listen.address),
                "write `127.0.0.1:8080`, `[::]:443` or `fd:NAME`",
            );
            continue;
        };
        // Without a port, each of them gets one of its own.
        let is_fixed = !matches!(address, ListenAddress::Socket(socket) if socket.port() == 0);
        if is_fixed && plans.iter().any(|plan| plan.address == address) {
            reporter.error(pointer, "another listener has this address", "");
        }
        let is_private = listen.endpoint == Some(ListenEndpoint::Private);
        let is_local =
            matches!(address, ListenAddress::Socket(socket) if socket.ip().is_loopback());
        if is_private && listen.networks.is_empty() && !is_local {
            reporter.error(
                format!("/listen/{index}/endpoint"),
                "a private listener needs `networks`",
                "list the networks whose clients may call private APIs",
            );
        }
        let mut domains = settings.domains.iter();
        let is_certified = !settings.tls.certificates.is_empty()
            || domains.any(|domain| domain.certificate.is_some());
        if listen.tls && !is_certified {
            reporter.error(
                format!("/listen/{index}/tls"),
                "a TLS listener needs a certificate",
                "add `[[tls.certificates]]` with `certificate` and `key`",
            );
        }
        let from = format!("/listen/{index}/proxy_protocol_from");
        plans.push(ListenerPlan {
            address,
            tls: listen.tls,
            proxy_protocol_from: networks(&from, &listen.proxy_protocol_from, reporter),
            endpoint: listen.endpoint.map(EndpointType::from),
            networks: networks(
                &format!("/listen/{index}/networks"),
                &listen.networks,
                reporter,
            ),
        });
    }
    plans.into()
}

pub(super) fn tls(settings: &Settings, reporter: &mut Reporter<'_>) -> ListenTlsPlan {
    const HOUR_MS: u64 = 3_600_000;
    const HOURS_MAX: u64 = ROTATE_MS_MAX / HOUR_MS;
    let tls = &settings.tls;
    let hours = u64::from(tls.ticket_rotation_hours);
    if !(1..=HOURS_MAX).contains(&hours) {
        reporter.error(
            "/tls/ticket_rotation_hours",
            format!("ticket_rotation_hours is outside 1 to {HOURS_MAX}"),
            "TLS 1.3 tickets live seven days at most",
        );
    }
    let rows = tls.certificates.iter().enumerate();
    let mut certificates: Vec<CertificatePlan> = rows
        .map(|(index, row)| CertificatePlan {
            chain: row.certificate.clone(),
            key: row.key.clone(),
            policy: None,
            pointer: format!("/tls/certificates/{index}").into(),
        })
        .collect();
    for (index, domain) in settings.domains.iter().enumerate() {
        let policy = security_policy(index, domain, reporter);
        match (&domain.certificate, &domain.key) {
            (Some(chain), Some(key)) => certificates.push(CertificatePlan {
                chain: chain.clone(),
                key: key.clone(),
                policy,
                pointer: format!("/domains/{index}/certificate").into(),
            }),
            (None, None) => {}
            _ => reporter.error(
                format!("/domains/{index}"),
                "`certificate` and `key` belong together",
                "name both files, or neither",
            ),
        }
    }
    ListenTlsPlan {
        certificates: certificates.into(),
        version_min: tls.min_version,
        ticket_rotation_ms: hours.saturating_mul(HOUR_MS),
    }
}

/// What a domain's policy serves its names by, as far as it can be done here.
fn security_policy(
    index: usize,
    domain: &Domain,
    reporter: &mut Reporter<'_>,
) -> Option<&'static SecurityPolicy> {
    let name = domain.security_policy.as_deref()?;
    let at = format!("/domains/{index}/security_policy");
    if domain.certificate.is_none() {
        let hint = "add `certificate` and `key`; what a name is served by follows its certificate";
        reporter.error(
            &*at,
            "a security policy needs a certificate of the domain's own",
            hint,
        );
    }
    match SecurityPolicy::find(name, &provider()) {
        Ok(policy) => {
            if policy.has_older() {
                let message = format!("`{name}`: TLS 1.0 and 1.1 are not spoken here");
                reporter.warning(at, message, "clients need TLS 1.2; write `TLS_1_2`");
            }
            Some(policy)
        }
        Err(refused) => {
            let hint = "write `TLS_1_2`, or `SecurityPolicy_TLS13_1_3_2025_09` for TLS 1.3 alone";
            reporter.error(at, format!("`{name}`: {refused}"), hint);
            None
        }
    }
}

pub(super) fn server(settings: &Settings, reporter: &mut Reporter<'_>) -> ServerPlan {
    let server = &settings.server;
    let mut sorted = server.cpus.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
        reporter.error("/server/cpus", "a CPU stands twice in the list", "");
    }
    if let Workers::Count(count) = server.workers
        && !server.cpus.is_empty()
        && usize::from(count) > server.cpus.len()
    {
        reporter.error(
            "/server/workers",
            format!(
                "{} cannot each have one of {}",
                counted(count, "worker"),
                counted(server.cpus.len(), "CPU")
            ),
            "list as many CPUs as workers, or leave one of the two out",
        );
    }
    ServerPlan {
        workers: server.workers,
        cpus: server.cpus.clone().into(),
        drain_delay_ms: server.drain_delay_ms,
        drain_deadline_ms: server.drain_deadline_ms,
    }
}

/// Networks of the list at `pointer`.
pub(super) fn networks(pointer: &str, rows: &[String], reporter: &mut Reporter<'_>) -> NetworkSet {
    let mut networks = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        match Network::parse(row) {
            Ok(network) => networks.push(network),
            Err(_) => reporter.error(
                format!("{pointer}/{index}"),
                format!("`{row}` is no address and no network"),
                "write `192.0.2.7` or `10.0.0.0/8`, with no bits set behind the prefix",
            ),
        }
    }
    NetworkSet(networks.into())
}

pub(super) fn forwarding(settings: &Settings, reporter: &mut Reporter<'_>) -> ForwardingPlan {
    let forwarding = &settings.forwarding;
    let mut token = |key: &str, text: &str| -> Option<Box<str>> {
        if !text.is_empty() && !is_token(text) {
            reporter.error(
                format!("/forwarding/{key}"),
                format!("`{text}` is no token"),
                "use letters, digits and `-`, or an empty text for none",
            );
        }
        (!text.is_empty()).then(|| text.into())
    };
    let via = token("via", &forwarding.via);
    let request_id_header = token("request_id_header", &forwarding.request_id_header);
    if let Some(name) = &request_id_header
        && crate::integrate::headers::is_reserved(name.as_bytes())
    {
        reporter.error(
            "/forwarding/request_id_header",
            format!("`{name}` belongs to the gateway's framing"),
            "choose another name, for example X-Request-Id",
        );
    }
    ForwardingPlan {
        via,
        x_forwarded: forwarding.x_forwarded,
        forwarded: forwarding.forwarded,
        request_id_header,
    }
}

pub(super) fn access_log(settings: &Settings, reporter: &mut Reporter<'_>) -> AccessLogPlan {
    let log = &settings.access_log;
    check_buffer("access_log", log.is_on(), log.buffer_bytes, reporter);
    if log.format.contains(['\n', '\r']) {
        reporter.error(
            "/access_log/format",
            "a format is one line",
            "remove the line break",
        );
    }
    AccessLogPlan {
        sink: log_sink(&log.path),
        format: log.format.as_str().into(),
        buffer_bytes: log.buffer_bytes,
    }
}

pub(super) fn execution_log(settings: &Settings, reporter: &mut Reporter<'_>) -> ExecutionLogPlan {
    let log = &settings.execution_log;
    check_buffer("execution_log", log.is_on(), log.buffer_bytes, reporter);
    ExecutionLogPlan {
        sink: log_sink(&log.path),
        buffer_bytes: log.buffer_bytes,
    }
}

fn check_buffer(table: &str, is_on: bool, buffer_bytes: u32, reporter: &mut Reporter<'_>) {
    const BUFFER_MIN: u32 = 64 * 1024;
    const BUFFER_MAX: u32 = 1 << 30;
    if is_on && !(BUFFER_MIN..=BUFFER_MAX).contains(&buffer_bytes) {
        reporter.error(
            format!("/{table}/buffer_bytes"),
            format!("buffer_bytes is outside {BUFFER_MIN} to {BUFFER_MAX}"),
            "",
        );
    }
}

fn log_sink(path: &str) -> LogSink {
    match path {
        "off" => LogSink::Off,
        "-" => LogSink::Stdout,
        path => LogSink::File(path.into()),
    }
}

pub(super) fn admin(settings: &Settings, reporter: &mut Reporter<'_>) -> AdminPlan {
    let text = settings.admin.address.as_deref();
    let address = text.and_then(|text| text.parse::<SocketAddr>().ok());
    let is_local = address.is_some_and(|address| address.ip().to_canonical().is_loopback());
    if let Some(text) = text
        && !is_local
    {
        reporter.error(
            "/admin/address",
            format!("`{text}` is no loopback address with a port"),
            "the admin port has no password; use `127.0.0.1:9901` or the socket",
        );
    }
    AdminPlan {
        socket: settings.admin.socket.clone(),
        address,
    }
}

pub(super) fn process(settings: &Settings, reporter: &mut Reporter<'_>) -> ProcessPlan {
    const DAY_MS: u32 = 86_400_000;
    const HOUR_MS: u32 = 3_600_000;
    let process = &settings.process;
    if !(1..=DAY_MS).contains(&process.good_after_ms) {
        reporter.error(
            "/process/good_after_ms",
            format!("good_after_ms is outside 1 to {DAY_MS}"),
            "choose a value inside the range",
        );
    }
    if process.trial_ms > HOUR_MS {
        reporter.error(
            "/process/trial_ms",
            format!("trial_ms is above {HOUR_MS}"),
            "a reload waits for its trial; a few seconds show what a change breaks",
        );
    }
    ProcessPlan {
        state_dir: process.state_dir.clone(),
        good_after_ms: process.good_after_ms,
        trial_ms: process.trial_ms,
    }
}

pub(super) fn dns(settings: &Settings, reporter: &mut Reporter<'_>) -> DnsPlan {
    const PORT: u16 = 53;
    let dns = &settings.dns;
    let mut servers = Vec::new();
    for (index, text) in dns.servers.iter().enumerate() {
        let plain = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
        match text.parse::<SocketAddr>().or(plain) {
            Ok(server) => servers.push(server),
            Err(_) => reporter.error(
                format!("/dns/servers/{index}"),
                format!("`{text}` is no address of a name server"),
                "write `192.0.2.53` or `192.0.2.53:5353`",
            ),
        }
    }
    for (key, value) in [
        ("timeout_ms", dns.timeout_ms),
        ("attempts", dns.attempts.into()),
    ] {
        if value == 0 {
            reporter.error(
                format!("/dns/{key}"),
                format!("{key} must be at least 1"),
                "",
            );
        }
    }
    DnsPlan {
        servers: servers.into(),
        timeout_ms: dns.timeout_ms,
        attempts: dns.attempts,
        ttl_max_s: dns.ttl_max_s,
        negative_ttl_max_s: dns.negative_ttl_max_s,
    }
}

/// Whether `text` is a token of RFC 9110 section 5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn listen_address(text: &str) -> Option<ListenAddress> {
    if let Some(name) = text.strip_prefix("fd:") {
        return is_token(name).then(|| ListenAddress::Passed(name.into()));
    }
    text.parse().ok().map(ListenAddress::Socket)
}
