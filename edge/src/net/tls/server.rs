//! The TLS side of a listener: which certificate answers which name, and under which rules.
//!
//! Shape: [`ServerTls`] is immutable and shared by all cores; each certificate has its own
//! rustls configuration, so that rules for client certificates differ by name. Exact names and
//! one-label wildcards are two sorted maps; no match means the first certificate.
//! Units and ranges: up to 65,535 certificates; names are lower-case ASCII.
//! Errors: [`TlsConfigError`], naming the certificate by its position.
//! Source: RFC 6066 section 3, RFC 6125 section 6.4.3 (wildcards), RFC 9110 section 15.5.20 (421).

use super::{
    ALPN, Identity, TlsClock, TlsConfigError, TlsVersion, policy::SecurityPolicy,
    session::TlsSession, ticket::Ticketer, versions_from,
};
use crate::net::tls::ticket::TicketKeys;
use aws_lc_rs::digest;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use std::{cell::Cell, collections::BTreeMap, net::IpAddr, sync::Arc};

/// What the operator wrote for one listener.
#[derive(Debug)]
pub struct ServerTlsSettings {
    /// In order; the first answers clients that name nothing we know.
    pub certificates: Vec<ServerCertificate>,
    /// The least version accepted.
    pub version_min: TlsVersion,
    /// Bytes of a client hello, all its records together.
    pub hello_bytes_max: usize,
}

/// A certificate and the rules of its names.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// Chain and key.
    pub identity: Identity,
    /// Names it answers; empty means those written in the certificate.
    pub names: Vec<String>,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// What its names are served by; `None`: the least version of all, and every suite.
    pub policy: Option<&'static SecurityPolicy>,
}

/// Whether clients show a certificate.
#[derive(Clone, Default, Debug)]
pub enum ClientAuth {
    /// Not asked for.
    #[default]
    Off,
    /// Asked for; verified when shown.
    Optional(Vec<CertificateDer<'static>>),
    /// Required and verified against these roots.
    Required(Vec<CertificateDer<'static>>),
}

/// The certificates of a listener, ready for handshakes.
#[derive(Debug)]
pub struct ServerTls {
    rows: Vec<Row>,
    exact: BTreeMap<String, u16>,
    /// Key is the name behind `*.`.
    wildcard: BTreeMap<String, u16>,
    hello_bytes_max: usize,
    /// Sessions are those of simulated links.
    is_null: bool,
}

#[derive(Debug)]
struct Row {
    config: Arc<ServerConfig>,
    leaf: CertificateDer<'static>,
    names: Vec<String>,
}

impl ServerTls {
    /// Checks the settings and prepares every configuration.
    ///
    /// # Errors
    /// The first certificate, key, name or root that cannot work.
    pub fn new(
        settings: ServerTlsSettings,
        provider: &Arc<CryptoProvider>,
        tickets: &Arc<TicketKeys>,
        clock: &Arc<TlsClock>,
    ) -> Result<Arc<ServerTls>, TlsConfigError> {
        if settings.certificates.is_empty() {
            return Err(TlsConfigError::NoCertificate);
        }
        let mut tls = ServerTls {
            rows: Vec::with_capacity(settings.certificates.len()),
            exact: BTreeMap::new(),
            wildcard: BTreeMap::new(),
            hello_bytes_max: settings.hello_bytes_max,
            is_null: false,
        };
        for (index, certificate) in settings.certificates.into_iter().enumerate() {
            let written = names_in(index, certificate.identity.chain.first())?;
            let chosen = if certificate.names.is_empty() {
                &written
            } else {
                &certificate.names
            };
            for name in chosen {
                tls.insert(name, index, certificate.names.is_empty())?;
            }
            let leaf = certificate.identity.chain.first().cloned();
            let version_min = settings.version_min;
            let config = match certificate.policy {
                None => server_config(index, certificate, version_min, provider, tickets, clock)?,
                Some(policy) => {
                    let (version_min, provider) = (policy.version_min(), policy.narrow(provider));
                    server_config(index, certificate, version_min, &provider, tickets, clock)?
                }
            };
            tls.rows.push(Row {
                config: Arc::new(config),
                leaf: leaf.ok_or(TlsConfigError::NoCertificate)?,
                names: written,
            });
        }
        Ok(Arc::new(tls))
    }

    /// For simulated links: sessions have the sizes and turns of TLS and hide nothing.
    #[must_use]
    pub fn null() -> Arc<ServerTls> {
        Arc::new(ServerTls {
            rows: Vec::new(),
            exact: BTreeMap::new(),
            wildcard: BTreeMap::new(),
            hello_bytes_max: 0,
            is_null: true,
        })
    }

    /// Bytes that a client hello may have.
    pub(super) fn hello_bytes_max(&self) -> usize {
        self.hello_bytes_max
    }

    /// A session for a connection that was just accepted.
    #[must_use]
    pub fn session(self: &Arc<ServerTls>) -> TlsSession {
        if self.is_null {
            return TlsSession::null_server();
        }
        TlsSession::server(Arc::clone(self))
    }

    /// The position of the certificate for `server_name`, which is lower case.
    pub(super) fn select(&self, server_name: Option<&str>) -> u16 {
        let Some(name) = server_name else {
            return 0;
        };
        if let Some(index) = self.exact.get(name) {
            return *index;
        }
        let parent = name.split_once('.').map(|(_, parent)| parent);
        parent
            .and_then(|parent| self.wildcard.get(parent))
            .copied()
            .unwrap_or(0)
    }

    pub(super) fn config(&self, index: u16) -> Option<&Arc<ServerConfig>> {
        self.rows.get(usize::from(index)).map(|row| &row.config)
    }

    /// Is `host` (lower case, without port) a name of certificate `index`, or an address that it
    /// holds? If not, the request was sent to the wrong connection: 421. An address that was found
    /// is left in `found`, and is not looked for again.
    #[must_use]
    pub fn covers(&self, index: u16, host: &str, found: &Cell<Option<IpAddr>>) -> bool {
        let Some(row) = self.rows.get(usize::from(index)) else {
            return false;
        };
        if row.names.iter().any(|name| name_matches(name, host)) {
            return true;
        }
        let host = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        let Ok(ip) = host.parse::<IpAddr>() else {
            return false;
        };
        if found.get() == Some(ip) {
            return true;
        }
        // The certificate is parsed again for an address.
        let name = ServerName::IpAddress(ip.into());
        let holds = webpki::EndEntityCert::try_from(&row.leaf)
            .is_ok_and(|leaf| leaf.verify_is_valid_for_subject_name(&name).is_ok());
        if holds {
            found.set(Some(ip));
        }
        holds
    }

    fn insert(&mut self, name: &str, index: usize, lenient: bool) -> Result<(), TlsConfigError> {
        let bad = || TlsConfigError::BadName {
            name: name.to_owned(),
        };
        let at = u16::try_from(index).map_err(|_| TlsConfigError::TooManyCertificates)?;
        let name = name.to_ascii_lowercase();
        let (map, key) = match name.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcard, parent),
            None => (&mut self.exact, name.as_str()),
        };
        if !is_host_name(key) {
            return Err(bad());
        }
        if let Some(first) = map.get(key) {
            // Names read from certificates overlap in practice (a renewal, RSA beside ECDSA):
            // the first wins. Names that somebody wrote must not.
            if lenient || usize::from(*first) == index {
                return Ok(());
            }
            return Err(TlsConfigError::NameTwice {
                name,
                first: usize::from(*first),
                second: index,
            });
        }
        map.insert(key.to_owned(), at);
        Ok(())
    }
}

/// The DNS names written in a leaf, lower case.
fn names_in(
    index: usize,
    leaf: Option<&CertificateDer<'static>>,
) -> Result<Vec<String>, TlsConfigError> {
    let leaf = leaf.ok_or(TlsConfigError::NoCertificate)?;
    let leaf =
        webpki::EndEntityCert::try_from(leaf).map_err(|fault| TlsConfigError::BadCertificate {
            index,
            reason: fault.to_string(),
        })?;
    Ok(leaf
        .valid_dns_names()
        .map(str::to_ascii_lowercase)
        .filter(|name| is_host_name(name.strip_prefix("*.").unwrap_or(name)))
        .collect())
}

fn server_config(
    index: usize,
    certificate: ServerCertificate,
    version_min: TlsVersion,
    provider: &Arc<CryptoProvider>,
    tickets: &Arc<TicketKeys>,
    clock: &Arc<TlsClock>,
) -> Result<ServerConfig, TlsConfigError> {
    let context = ticket_context(&certificate.client_auth);
    let clock = Arc::clone(clock);
    let builder = ServerConfig::builder_with_details(Arc::clone(provider), clock)
        .with_protocol_versions(versions_from(version_min))
        .map_err(|fault| TlsConfigError::Library(fault.to_string()))?;
    let builder = match &certificate.client_auth {
        ClientAuth::Off => builder.with_no_client_auth(),
        ClientAuth::Optional(roots) | ClientAuth::Required(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(
                Arc::new(root_store(roots)?),
                Arc::clone(provider),
            );
            let optional = matches!(certificate.client_auth, ClientAuth::Optional(_));
            let verifier = if optional {
                verifier.allow_unauthenticated()
            } else {
                verifier
            };
            let verifier = verifier
                .build()
                .map_err(|fault| TlsConfigError::NoRoots(fault.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(certificate.identity.chain, certificate.identity.key)
        .map_err(|fault| TlsConfigError::of_certificate(index, &fault))?;
    // A client that offers names has to offer ours; one that offers none is served.
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    config.ticketer = Arc::new(Ticketer::new(Arc::clone(tickets), context));
    // Stateless tickets serve both versions; a table of sessions would belong to one process.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = TICKETS_SENT;
    config.max_early_data_size = 0;
    Ok(config)
}

/// A store of exactly these roots.
pub(super) fn root_store(
    roots: &[CertificateDer<'static>],
) -> Result<RootCertStore, TlsConfigError> {
    let mut store = RootCertStore::empty();
    let (added, ignored) = store.add_parsable_certificates(roots.iter().cloned());
    if added == 0 {
        let reason = format!("{ignored} of {} could not be read", roots.len());
        return Err(TlsConfigError::NoRoots(reason));
    }
    Ok(store)
}

/// Names the rules for client certificates: tickets open only under the rules they were made by.
fn ticket_context(client_auth: &ClientAuth) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    let (word, roots): (&[u8], &[CertificateDer<'_>]) = match client_auth {
        ClientAuth::Off => (b"off", &[]),
        ClientAuth::Optional(roots) => (b"optional", roots),
        ClientAuth::Required(roots) => (b"required", roots),
    };
    hash.update(word);
    for root in roots {
        hash.update(&(root.len() as u64).to_be_bytes());
        hash.update(root);
    }
    let mut context = [0; 32];
    context.copy_from_slice(hash.finish().as_ref());
    context
}

/// Exact, or a wildcard that stands for exactly one label.
fn name_matches(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => name == host,
    }
}

fn is_host_name(name: &str) -> bool {
    let label_good = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label_good)
}

/// Browsers open a second connection soon; two tickets let both resume.
const TICKETS_SENT: usize = 2;
