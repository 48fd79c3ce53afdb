//! Where the load goes: the URL, its address, and whether it may be loaded at all.
//!
//! What it is: a small reader of `http://` and `https://` URLs, and the rule that only this host
//! is loaded unless somebody says otherwise. Shape: [`Url`] in, a socket address out. Errors:
//! [`Fault`]. Source: RFC 3986 section 3, RFC 9110 section 4.2.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tidegate_edge::net::tls::{load, provider};

use crate::plan::{Target, Tls};

/// The parts of a URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// `https`.
    pub is_tls: bool,
    /// Name or address, brackets of IPv6 kept.
    pub host: String,
    /// As written, or the scheme's.
    pub port: u16,
    /// Path and query, at least `/`.
    pub path: String,
}

/// How the server proves itself, and whether sessions are resumed.
#[derive(Clone, Debug, Default)]
pub struct TlsWishes {
    /// Roots to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Any certificate will do.
    pub insecure: bool,
    /// Every handshake is a full one.
    pub no_resumption: bool,
    /// Another name to ask for than that of the URL.
    pub server_name: Option<String>,
}

/// Why there is no target.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The text is no URL of ours.
    #[error("`{0}` is no URL of the form http://HOST[:PORT][/PATH] or https://…")]
    Url(String),
    /// The name has no address.
    #[error("{0} has no address: {1}")]
    Name(String, String),
    /// The address is not on this host.
    #[error("{0} is not on this host. Load only what is yours, with leave, and add --allow-remote")]
    Remote(SocketAddr),
    /// Certificates or names.
    #[error("TLS: {0}")]
    Tls(String),
}

impl Url {
    /// Reads a URL; holes in its path stay.
    ///
    /// # Errors
    /// The text is none.
    pub fn parse(text: &str) -> Result<Url, Fault> {
        let fault = || Fault::Url(text.to_owned());
        let (is_tls, rest) = if let Some(rest) = text.strip_prefix("http://") {
            (false, rest)
        } else {
            (true, text.strip_prefix("https://").ok_or_else(fault)?)
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let port_at = authority
            .rfind(':')
            .filter(|at| !authority[*at..].contains(']'));
        let (host, port) = match port_at {
            Some(at) => (
                &authority[..at],
                authority[at + 1..].parse().map_err(|_| fault())?,
            ),
            None => (authority, if is_tls { 443 } else { 80 }),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:%".contains(&byte);
        if host.is_empty() || port == 0 || !host.bytes().all(is_host) || path.contains('#') {
            return Err(fault());
        }
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok(Url {
            is_tls,
            host: host.to_owned(),
            port,
            path,
        })
    }

    /// The authority as a Host header has it.
    #[must_use]
    pub fn authority(&self) -> String {
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn plain_host(&self) -> &str {
        self.host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(&self.host)
    }
}

/// Finds the address and prepares TLS.
///
/// # Errors
/// No URL, no address, one that is not ours to load, or certificates that cannot be read.
pub fn resolve(text: &str, wishes: &TlsWishes, allow_remote: bool) -> Result<Target, Fault> {
    let url = Url::parse(text)?;
    let name = |why: String| Fault::Name(url.host.clone(), why);
    let mut addresses: Vec<SocketAddr> = (url.plain_host(), url.port)
        .to_socket_addrs()
        .map_err(|error| name(error.to_string()))?
        .collect();
    addresses.sort_by_key(|address| !address.is_ipv4());
    let address = *addresses.first().ok_or_else(|| name("none".to_owned()))?;
    if !allow_remote && !address.ip().to_canonical().is_loopback() {
        return Err(Fault::Remote(address));
    }
    let tls = if url.is_tls {
        Some(tls(&url, wishes)?)
    } else {
        None
    };
    Ok(Target {
        url: text.to_owned(),
        address,
        host: url.authority(),
        path: url.path,
        tls,
    })
}

fn tls(url: &Url, wishes: &TlsWishes) -> Result<Tls, Fault> {
    let text = |why: &dyn std::fmt::Display| Fault::Tls(why.to_string());
    let name = wishes.server_name.as_deref().unwrap_or(url.plain_host());
    let name = ServerName::try_from(name.to_owned()).map_err(|error| text(&error))?;
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| text(&error))?;
    let builder = if wishes.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        let roots = match &wishes.ca {
            Some(file) => load::read_certificates(file).map_err(|error| text(&error))?,
            None => load::system_roots().map_err(|error| text(&error))?,
        };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots);
        if store.is_empty() {
            return Err(Fault::Tls("no root certificate can be used".to_owned()));
        }
        builder.with_root_certificates(store)
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if wishes.no_resumption {
        config.resumption = Resumption::disabled();
    }
    Ok(Tls {
        config: Arc::new(config),
        name,
    })
}

/// Accepts every certificate, yet insists that the peer holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let rows = [
            (
                "http://localhost",
                Some((false, "localhost", 80, "/", "localhost")),
            ),
            (
                "https://h:8443/a?b=${1..9}",
                Some((true, "h", 8443, "/a?b=${1..9}", "h:8443")),
            ),
            (
                "http://[::1]:81/",
                Some((false, "[::1]", 81, "/", "[::1]:81")),
            ),
            ("http://[::1]", Some((false, "[::1]", 80, "/", "[::1]"))),
            ("http://h?x", Some((false, "h", 80, "/?x", "h"))),
            ("https://h:443/x", Some((true, "h", 443, "/x", "h"))),
            ("ftp://h/", None),
            ("http://", None),
            ("http://h:0/", None),
            ("http://h:x/", None),
            ("http://user@h/", None),
            ("http://h/#f", None),
            ("h/", None),
        ];
        for (text, expected) in rows {
            let url = Url::parse(text).ok();
            let parts = url.as_ref().map(|url| {
                (
                    url.is_tls,
                    url.host.as_str(),
                    url.port,
                    url.path.as_str(),
                    url.authority(),
                )
            });
            let expected = expected.map(|(t, h, p, path, a)| (t, h, p, path, a.to_owned()));
            assert_eq!(parts, expected, "{text}");
        }
    }

    #[test]
    fn only_this_host_is_loaded_without_leave() {
        let resolve = |url, allowed| resolve(url, &TlsWishes::default(), allowed);
        for url in [
            "http://127.0.0.1:9/",
            "http://127.8.8.8/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(resolve(url, false).is_ok(), "{url}");
        }
        for url in [
            "http://192.0.2.1/",
            "http://[2001:db8::1]/",
            "http://0.0.0.0/",
        ] {
            assert!(
                matches!(resolve(url, false), Err(Fault::Remote(_))),
                "{url}"
            );
            assert!(resolve(url, true).is_ok(), "{url}");
        }
    }
}
