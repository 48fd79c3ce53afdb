//! Origin groups: those of the settings, and one for each authority that nobody captured.
//!
//! Shape: a table from scheme, host and port to a group. Units: in the names. Ranges: see the
//! checks. Errors: findings on the settings; an address literal that the policy can never connect
//! to is one when written into the settings, and a warning when a document brings it along.
//! Source: the rules for retry and origin pools; addresses are judged again at connect, after DNS.

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::{
    super::fault::{Document, Findings, Reporter, pointer_part},
    listen::is_token,
    uri::{self, Authority},
};
use crate::{
    model::settings::{Endpoint, Health, Origin, Roots, Settings},
    net::address::{AllowList, allowed},
    origin::{
        ClientIdentity, EjectionPlan, EndpointHost, EndpointPlan, Face, HealthPlan, OriginIndex,
        OriginPlan, OriginTlsPlan,
    },
};

/// All groups so far.
pub(super) struct OriginTable {
    origins: Vec<OriginPlan>,
    by_authority: BTreeMap<Authority, usize>,
    by_link: BTreeMap<String, usize>,
    used: Vec<bool>,
    connect_ms: u32,
}

impl OriginTable {
    /// The groups of the settings.
    pub(super) fn new(settings: &Settings, reporter: &mut Reporter<'_>) -> OriginTable {
        let mut table = OriginTable {
            origins: Vec::new(),
            by_authority: BTreeMap::new(),
            by_link: BTreeMap::new(),
            used: Vec::new(),
            connect_ms: settings.limits.connect_ms,
        };
        for (name, origin) in &settings.origins {
            let mut group = Group {
                name,
                origin,
                pointer: format!("/origins/{}", pointer_part(name)),
                reporter: &mut *reporter,
            };
            if let Some((plan, matches)) = group.compile(table.connect_ms) {
                let index = table.origins.len();
                table.add(plan, &matches, reporter);
                if let Some(link) = &origin.vpc_link
                    && table.by_link.insert(link.clone(), index).is_some()
                {
                    let pointer = format!("/origins/{}/vpc_link", pointer_part(name));
                    let message = format!("the VPC link `{link}` belongs to another origin");
                    reporter.error(pointer, message, "a link leads to one origin");
                }
            }
        }
        table
    }

    /// The group that answers for `authority`; made up when the settings name none.
    pub(super) fn find(&mut self, authority: &Authority) -> OriginIndex {
        let index = match self.by_authority.get(authority) {
            Some(index) => *index,
            None => {
                let index = self.origins.len();
                self.origins.push(implicit(authority, self.connect_ms));
                self.used.push(true);
                self.by_authority.insert(authority.clone(), index);
                index
            }
        };
        self.used[index] = true;
        OriginIndex(u32::try_from(index).expect("fewer origins than routes"))
    }

    /// The group that a VPC link leads to.
    pub(super) fn find_link(&mut self, id: &str) -> Option<OriginIndex> {
        let index = *self.by_link.get(id)?;
        if let Some(used) = self.used.get_mut(index) {
            *used = true;
        }
        u32::try_from(index).ok().map(OriginIndex)
    }

    /// As whom a stage with this certificate asks a group; plain connections show none.
    pub(super) fn face(&mut self, index: OriginIndex, identity: &ClientIdentity) -> Face {
        let Some(origin) = self.origins.get_mut(index.0 as usize) else {
            return Face::OWN;
        };
        if !origin.endpoints.iter().any(|endpoint| endpoint.tls) {
            return Face::OWN;
        }
        let faces = &mut origin.tls.faces;
        let known = faces.iter().position(|known| known == identity);
        let place = known.unwrap_or_else(|| {
            faces.push(identity.clone());
            faces.len() - 1
        });
        Face::of(place).expect("fewer client certificates than 65,535")
    }

    /// Whether connecting to an address literal of this group is refused for sure.
    pub(super) fn is_refused(&self, index: OriginIndex) -> bool {
        let origin = &self.origins[index.0 as usize];
        (origin.endpoints.iter()).any(|endpoint| is_refused(endpoint, &origin.allow))
    }

    /// The finished groups; those that nothing uses are named.
    pub(super) fn finish(self, findings: &mut Findings) -> Box<[OriginPlan]> {
        let mut reporter = Reporter {
            document: Document::Settings,
            findings,
        };
        for (origin, used) in self.origins.iter().zip(&self.used) {
            if !used {
                reporter.warning(
                    format!("/origins/{}/match", pointer_part(&origin.name)),
                    format!("no integration URI belongs to the origin `{}`", origin.name),
                    "compare `match` with scheme, host and port of the documents' URIs",
                );
            }
            if origin.tls.insecure_skip_verification {
                reporter.warning(
                    format!(
                        "/origins/{}/tls/insecure_skip_verification",
                        pointer_part(&origin.name)
                    ),
                    format!("the origin `{}` is not verified", origin.name),
                    "anyone on the way can answer in its place",
                );
            }
        }
        self.origins.into()
    }

    fn add(&mut self, plan: OriginPlan, matches: &[Authority], reporter: &mut Reporter<'_>) {
        let index = self.origins.len();
        let pointer = format!("/origins/{}/match", pointer_part(&plan.name));
        for authority in matches {
            if let Some(earlier) = self.by_authority.insert(authority.clone(), index) {
                let owner = self
                    .origins
                    .get(earlier)
                    .map_or(&plan.name, |origin| &origin.name);
                reporter.error(
                    &*pointer,
                    format!("`{authority}` already belongs to the origin `{owner}`"),
                    "a URI belongs to one origin",
                );
            }
        }
        self.origins.push(plan);
        self.used.push(false);
    }
}

/// One `[origins.NAME]`.
struct Group<'g, 'f> {
    name: &'g str,
    origin: &'g Origin,
    pointer: String,
    reporter: &'g mut Reporter<'f>,
}

impl Group<'_, '_> {
    fn compile(&mut self, connect_ms: u32) -> Option<(OriginPlan, Vec<Authority>)> {
        let origin = self.origin;
        if !is_token(self.name) {
            let message = format!("`{}` is no name for an origin", self.name);
            self.reporter.error(
                &*self.pointer,
                message,
                "use letters, digits, `-`, `_` and `.`",
            );
        }
        self.ranges();
        let matches = self.matches();
        let allow = self.allow();
        let endpoints = self.endpoints(&matches, &allow);
        let health = origin.health.as_ref().map(|health| self.health(health));
        let tls = self.tls(&matches);
        let plan = OriginPlan {
            name: self.name.into(),
            matches: matches.iter().map(|m| m.to_string().into()).collect(),
            implicit: false,
            endpoints: endpoints.into(),
            balance: origin.balance,
            tls,
            health,
            ejection: EjectionPlan {
                failures: origin.ejection.failures,
                base_ms: origin.ejection.base_ms,
                percent_max: origin.ejection.max_percent,
            },
            allow,
            connections_max: origin.max_connections,
            waiters_max: origin.max_waiters,
            connect_ms: origin.connect_ms.unwrap_or(connect_ms),
            idle_ms: origin.idle_ms,
            retry_percent_max: origin.retry_percent_max,
        };
        Some((plan, matches))
    }

    fn error(&mut self, key: &str, message: impl ToString, hint: &str) {
        self.reporter
            .error(format!("{}/{key}", self.pointer), message, hint);
    }

    fn ranges(&mut self) {
        const DAY_MS: u64 = 86_400_000;
        const MANY: u64 = 1 << 20;
        let origin = self.origin;
        let rows = [
            (
                "max_connections",
                u64::from(origin.max_connections),
                1,
                MANY,
            ),
            ("max_waiters", origin.max_waiters.into(), 0, MANY),
            (
                "connect_ms",
                origin.connect_ms.map_or(1, u64::from),
                1,
                DAY_MS,
            ),
            ("idle_ms", origin.idle_ms.into(), 1, DAY_MS),
            ("retry_percent_max", origin.retry_percent_max.into(), 0, 100),
            (
                "ejection/base_ms",
                origin.ejection.base_ms.into(),
                1,
                DAY_MS,
            ),
            (
                "ejection/max_percent",
                origin.ejection.max_percent.into(),
                0,
                100,
            ),
        ];
        for (key, value, min, max) in rows {
            if !(min..=max).contains(&value) {
                self.error(key, format!("{value} is outside {min} to {max}"), "");
            }
        }
    }

    fn matches(&mut self) -> Vec<Authority> {
        let mut matches = Vec::new();
        for text in &self.origin.matches {
            match uri::parse_bare(text) {
                Ok(authority) if matches.contains(&authority) => {
                    self.error("match", format!("`{authority}` stands twice"), "");
                }
                Ok(authority) => matches.push(authority),
                Err(fault) => self.error("match", fault, "write `https://host` or with a port"),
            }
        }
        if self.origin.matches.is_empty() && self.origin.vpc_link.is_none() {
            let hint = "add match = \"https://host\", as the documents' URIs begin";
            self.error("match", "the origin captures no integration URI", hint);
        }
        matches
    }

    fn allow(&mut self) -> AllowList {
        let mut rows = Vec::new();
        for (index, row) in self.origin.allow_addresses.iter().enumerate() {
            // The settings' words are written with an underscore, like their keys.
            let row = row.replace('_', "-");
            match AllowList::parse(&[&row]) {
                Ok(_) => rows.push(row),
                Err(fault) => self.error(
                    &format!("allow_addresses/{index}"),
                    fault,
                    "write `loopback`, `private`, `link_local`, an address or a network",
                ),
            }
        }
        AllowList::parse(&rows).unwrap_or_default()
    }

    fn endpoints(&mut self, matches: &[Authority], allow: &AllowList) -> Vec<EndpointPlan> {
        let mut plans: Vec<EndpointPlan> = Vec::new();
        for (index, endpoint) in self.origin.endpoints.iter().enumerate() {
            let key = format!("endpoints/{index}");
            if let Some(plan) = self.endpoint(endpoint, &key) {
                if plans.iter().any(|known| known.authority == plan.authority) {
                    self.error(
                        &format!("{key}/url"),
                        "another endpoint has this address",
                        "",
                    );
                }
                plans.push(plan);
            }
        }
        if self.origin.endpoints.is_empty() {
            match matches {
                [] if self.origin.vpc_link.is_some() => {
                    let hint = "add `[[origins.NAME.endpoints]]` with `url`";
                    self.error("endpoints", "a VPC link leads to endpoints", hint);
                }
                [] => {}
                [authority] => plans.push(endpoint_plan(authority, "default", 0, 1)),
                _ => self.error(
                    "endpoints",
                    "an origin that matches several hosts needs endpoints",
                    "add `[[origins.NAME.endpoints]]` with `url`, or one origin for each host",
                ),
            }
        }
        for (index, plan) in plans.iter().enumerate() {
            if is_refused(plan, allow) {
                self.error(
                    &format!("endpoints/{index}/url"),
                    format!(
                        "`{}` is not a public address; it would be refused",
                        plan.authority
                    ),
                    "add it to this origin, for example allow_addresses = [\"loopback\"]",
                );
            }
        }
        plans.sort_by_key(|plan| plan.priority);
        plans
    }

    fn endpoint(&mut self, endpoint: &Endpoint, key: &str) -> Option<EndpointPlan> {
        if !is_token(&endpoint.region) {
            let message = format!("`{}` is no name for a region", endpoint.region);
            self.error(
                &format!("{key}/region"),
                message,
                "use letters, digits, `-` and `_`",
            );
        }
        if endpoint.weight == 0 {
            let hint = "leave the endpoint out, or drain it while running";
            self.error(&format!("{key}/weight"), "a weight is at least 1", hint);
        }
        match uri::parse_bare(&endpoint.url) {
            Ok(authority) => Some(endpoint_plan(
                &authority,
                &endpoint.region,
                endpoint.priority,
                endpoint.weight,
            )),
            Err(fault) => {
                let hint = "write `https://10.0.0.1:8443` or with a host name";
                self.error(&format!("{key}/url"), fault, hint);
                None
            }
        }
    }

    fn health(&mut self, health: &Health) -> HealthPlan {
        let is_path = health.path.starts_with('/')
            && health
                .path
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !is_path {
            self.error(
                "health/path",
                format!("`{}` is no path", health.path),
                "begin with `/`",
            );
        }
        let counts = [
            ("health/interval_ms", health.interval_ms),
            ("health/timeout_ms", health.timeout_ms),
            ("health/healthy_after", health.healthy_after.into()),
            ("health/unhealthy_after", health.unhealthy_after.into()),
        ];
        for (key, value) in counts {
            if value == 0 {
                self.error(key, "must be at least 1", "");
            }
        }
        let mut statuses = Vec::new();
        for (index, text) in health.statuses.iter().enumerate() {
            match status_range(text) {
                Some(range) => statuses.push(range),
                None => self.error(
                    &format!("health/statuses/{index}"),
                    format!("`{text}` is no status and no range"),
                    "write `200` or `200-399`",
                ),
            }
        }
        if health.statuses.is_empty() {
            self.error(
                "health/statuses",
                "no status counts as healthy",
                "write [\"200-399\"]",
            );
        }
        HealthPlan {
            path: health.path.as_str().into(),
            interval_ms: health.interval_ms,
            timeout_ms: health.timeout_ms,
            healthy_after: health.healthy_after,
            unhealthy_after: health.unhealthy_after,
            statuses: statuses.into(),
        }
    }

    fn tls(&mut self, matches: &[Authority]) -> OriginTlsPlan {
        let tls = &self.origin.tls;
        let client_identity = match (&tls.client_certificate, &tls.client_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => {
                self.error(
                    "tls/client_certificate",
                    "the key is missing",
                    "add client_key",
                );
                None
            }
            (None, Some(_)) => {
                let hint = "add client_certificate";
                self.error("tls/client_key", "the certificate is missing", hint);
                None
            }
        };
        let named = tls.server_name.as_deref();
        if let Some(name) = named
            && uri::parse_bare(&format!("https://{name}")).is_err()
        {
            self.error("tls/server_name", format!("`{name}` is no host name"), "");
        }
        let first = matches.first().map_or("", Authority::bare_host);
        OriginTlsPlan {
            roots: tls.roots.clone(),
            client_identity,
            faces: Vec::new(),
            server_name: named.unwrap_or(first).into(),
            insecure_skip_verification: tls.insecure_skip_verification,
        }
    }
}

/// One endpoint, the authority itself; what it may connect to is judged after DNS.
fn implicit(authority: &Authority, connect_ms: u32) -> OriginPlan {
    let defaults = Origin::default();
    OriginPlan {
        name: authority.to_string().into(),
        matches: [authority.to_string().into()].into(),
        implicit: true,
        endpoints: [endpoint_plan(authority, "default", 0, 1)].into(),
        balance: defaults.balance,
        tls: OriginTlsPlan {
            roots: Roots::System,
            client_identity: None,
            faces: Vec::new(),
            server_name: authority.bare_host().into(),
            insecure_skip_verification: false,
        },
        health: None,
        ejection: EjectionPlan {
            failures: defaults.ejection.failures,
            base_ms: defaults.ejection.base_ms,
            percent_max: defaults.ejection.max_percent,
        },
        allow: AllowList::none(),
        connections_max: defaults.max_connections,
        waiters_max: defaults.max_waiters,
        connect_ms,
        idle_ms: defaults.idle_ms,
        retry_percent_max: defaults.retry_percent_max,
    }
}

fn endpoint_plan(authority: &Authority, region: &str, priority: u8, weight: u16) -> EndpointPlan {
    EndpointPlan {
        region: region.into(),
        host: authority.endpoint_host(),
        port: authority.port,
        tls: authority.tls,
        priority,
        weight,
        authority: authority.host_field().into(),
    }
}

fn is_refused(endpoint: &EndpointPlan, allow: &AllowList) -> bool {
    match &endpoint.host {
        EndpointHost::Address(ip) => !allowed(*ip, allow),
        EndpointHost::Name(_) => false,
    }
}

fn status_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (100 <= first && first <= last && last <= 599).then_some(first..=last)
}
