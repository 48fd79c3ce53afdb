//! TLS towards origins: verified unless somebody wrote otherwise.
//!
//! Shape: [`OriginTls`] holds one rustls configuration with its cache of sessions to resume; it is
//! immutable and may be shared or built per core. A session is made for one [`ServerName`].
//! Units and ranges: TLS 1.2 and 1.3; [`SESSIONS_MAX`] servers are remembered.
//! Errors: [`TlsConfigError`] for settings; the handshake's own are [`super::TlsError`].
//! Source: RFC 8446, RFC 6125, RFC 5280 (path validation, done by webpki).

use super::{
    ALPN, Identity, TlsClock, TlsConfigError, TlsError, TlsVersion, server::root_store,
    session::TlsSession, versions_from,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::sync::Arc;

/// What the operator wrote for an origin.
#[derive(Clone, Debug)]
pub struct OriginTlsSettings {
    /// How the origin proves itself.
    pub verify: Verify,
    /// What we show when the origin asks.
    pub identity: Option<Identity>,
    /// The least version accepted.
    pub version_min: TlsVersion,
}

/// How an origin proves itself.
#[derive(Clone, Debug)]
pub enum Verify {
    /// A chain to one of these roots, for the right name, in time. System roots come from
    /// [`super::load::system_roots`].
    Roots(Vec<CertificateDer<'static>>),
    /// Any certificate will do: encrypted, but to whom? Written explicitly or not at all.
    InsecureSkip,
}

/// The TLS configuration of one group of origins.
#[derive(Clone, Debug)]
pub struct OriginTls {
    /// None for simulated links.
    config: Option<Arc<ClientConfig>>,
}

impl OriginTls {
    /// Checks the settings.
    ///
    /// # Errors
    /// No usable root, or a client certificate that does not fit its key (index 0).
    pub fn new(
        settings: OriginTlsSettings,
        provider: &Arc<CryptoProvider>,
        clock: &Arc<TlsClock>,
    ) -> Result<OriginTls, TlsConfigError> {
        let clock = Arc::clone(clock);
        let library = |fault: rustls::Error| TlsConfigError::Library(fault.to_string());
        let builder = ClientConfig::builder_with_details(Arc::clone(provider), clock)
            .with_protocol_versions(versions_from(settings.version_min))
            .map_err(library)?;
        let builder = match &settings.verify {
            Verify::Roots(roots) => {
                let verifier = WebPkiServerVerifier::builder_with_provider(
                    Arc::new(root_store(roots)?),
                    Arc::clone(provider),
                )
                .build()
                .map_err(|fault| TlsConfigError::NoRoots(fault.to_string()))?;
                builder.with_webpki_verifier(verifier)
            }
            Verify::InsecureSkip => {
                let verifier = Arc::new(SkipVerifier(Arc::clone(provider)));
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(verifier)
            }
        };
        let mut config = match settings.identity {
            Some(identity) => builder
                .with_client_auth_cert(identity.chain, identity.key)
                .map_err(|fault| TlsConfigError::of_certificate(0, &fault))?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        config.enable_early_data = false;
        Ok(OriginTls {
            config: Some(Arc::new(config)),
        })
    }

    /// For simulated links: sessions have the sizes and turns of TLS and hide nothing.
    #[must_use]
    pub fn null() -> OriginTls {
        OriginTls { config: None }
    }

    /// A session for a connection that was just opened; its hello waits in the output.
    ///
    /// # Errors
    /// No randomness.
    pub fn session(&self, name: &ServerName<'static>) -> Result<TlsSession, TlsError> {
        match &self.config {
            Some(config) => TlsSession::client(Arc::clone(config), name.clone()),
            None => Ok(TlsSession::null_client(&name.to_str())),
        }
    }
}

/// A host name or address as certificates name it. An override in the settings goes through here
/// once, at compile time.
///
/// # Errors
/// Text that can stand in no certificate.
pub fn server_name(text: &str) -> Result<ServerName<'static>, TlsConfigError> {
    let plain = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .unwrap_or(text);
    ServerName::try_from(plain.to_owned()).map_err(|_| TlsConfigError::BadName {
        name: text.to_owned(),
    })
}

/// Accepts every certificate, yet insists that the peer holds its key.
#[derive(Debug)]
struct SkipVerifier(Arc<CryptoProvider>);

impl ServerCertVerifier for SkipVerifier {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Servers whose sessions are remembered, per configuration.
pub const SESSIONS_MAX: usize = 64;
