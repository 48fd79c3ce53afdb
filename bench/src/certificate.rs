//! What: the one certificate of a run, for the gateway, the TLS relay and the peers alike.
//! Shape: two PEM files, self-signed, ECDSA P-256 (what ACME issuers hand out by default now).
//! Units: none.
//! Errors: `io::Error` from generating, writing or reading.
//! Source: rcgen; rustls `ServerConfig`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Where certificate and key lie.
pub(crate) struct Certificate {
    /// PEM, the certificate alone.
    pub(crate) certificate: PathBuf,
    /// PEM, PKCS #8.
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Makes a new one in `directory`, for localhost and 127.0.0.1.
    pub(crate) fn generate(directory: &Path) -> io::Result<Self> {
        Certificate::generate_for(
            vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            directory,
        )
    }

    /// Makes a new one in `directory`, for these names and addresses.
    pub(crate) fn generate_for(names: Vec<String>, directory: &Path) -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let paths = Certificate {
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
        };
        fs::write(&paths.certificate, made.cert.pem())?;
        fs::write(&paths.key, made.signing_key.serialize_pem())?;
        Ok(paths)
    }

    /// A client that trusts this certificate and nothing else.
    pub(crate) fn client_config(&self) -> io::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(read_certificate(&self.certificate)?)
            .map_err(io::Error::other)?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?;
        Ok(Arc::new(
            builder.with_root_certificates(roots).with_no_client_auth(),
        ))
    }
}

/// The TLS 1.3 server side of the relay.
pub(crate) fn server_config(certificate: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![read_certificate(certificate)?], key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

fn read_certificate(path: &Path) -> io::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_file(path).map_err(io::Error::other)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
