//! Certificates, keys and roots from files: the only place of the data plane that reads them, on
//! the control thread.
//!
//! Shape: `*_from_pem` read text and are what tests use; `read_*` add the file; both give plain
//! DER values.
//! Units and ranges: a file has at most [`FILE_BYTES_MAX`].
//! Errors: [`LoadError`] names the file and says what is wrong with it and how to cure it.
//! Source: RFC 7468 (PEM), RFC 5958 (PKCS#8), RFC 8017 (PKCS#1), RFC 5915 (SEC1).

use super::Identity;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error as PemError, PemObject, SectionKind},
};
use std::{fs, io::Read, path::Path};
use zeroize::Zeroizing;

/// A file that cannot be used, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}: {fault}")]
pub struct LoadError {
    /// The file as it was named.
    pub file: String,
    /// What is wrong.
    pub fault: LoadFault,
}

/// What is wrong with a file of certificates or keys.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadFault {
    /// The system does not give it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Nobody has so many certificates.
    #[error("is larger than 4 MiB")]
    TooLarge,
    /// The text between BEGIN and END is broken.
    #[error("is not valid PEM: {0}")]
    BadPem(String),
    /// Binary, where text belongs.
    #[error("holds no PEM text; a DER file is converted with `openssl x509 -inform der`")]
    NotPem,
    /// PEM, but no certificate.
    #[error("holds no certificate{0}")]
    NoCertificate(&'static str),
    /// PEM, but no private key.
    #[error("holds no private key{0}")]
    NoKey(&'static str),
    /// Which one?
    #[error("holds {0} private keys; keep the one of the certificate")]
    SeveralKeys(usize),
    /// We ask for no pass phrases.
    #[error("holds an encrypted private key; decrypt it with `openssl pkey -in OLD -out NEW`")]
    EncryptedKey,
}

/// A chain and its key from two files (which may be one).
///
/// # Errors
/// The first file that cannot be used.
pub fn read_identity(chain_file: &Path, key_file: &Path) -> Result<Identity, LoadError> {
    Ok(Identity {
        chain: read_certificates(chain_file)?,
        key: at(key_file, read(key_file).and_then(|pem| key_from_pem(&pem)))?,
    })
}

/// Every certificate of a file: a chain, or a bundle of roots.
///
/// # Errors
/// The file, when it cannot be used or holds none.
pub fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    at(file, read(file).and_then(|pem| certificates_from_pem(&pem)))
}

/// The roots that the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` included).
///
/// # Errors
/// When there is not a single one, with what was in the way.
pub fn system_roots() -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let reasons = match reasons.is_empty() {
            true => "none found; install the package ca-certificates".to_owned(),
            false => reasons.join("; "),
        };
        return Err(LoadError {
            file: "system root certificates".to_owned(),
            fault: LoadFault::Unreadable(reasons),
        });
    }
    Ok(found.certs)
}

/// Every certificate of a PEM text.
///
/// # Errors
/// No certificate, or broken text.
pub fn certificates_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, LoadFault> {
    let sections = sections(pem)?;
    let has_key = sections.iter().any(|(kind, _)| is_key(*kind));
    let certificates: Vec<_> = sections
        .into_iter()
        .filter(|(kind, _)| *kind == SectionKind::Certificate)
        .map(|(_, der)| CertificateDer::from(der))
        .collect();
    match (certificates.is_empty(), has_key) {
        (false, _) => Ok(certificates),
        (true, true) => Err(LoadFault::NoCertificate(
            " but a private key: are the two files swapped?",
        )),
        (true, false) if find(pem, b"BEGIN TRUSTED CERTIFICATE") => Err(LoadFault::NoCertificate(
            " but OpenSSL's TRUSTED CERTIFICATE; write it again with `openssl x509`",
        )),
        (true, false) => Err(LoadFault::NoCertificate("")),
    }
}

/// The one private key of a PEM text.
///
/// # Errors
/// None, several, encrypted, or broken text.
pub fn key_from_pem(pem: &[u8]) -> Result<PrivateKeyDer<'static>, LoadFault> {
    // Traditional OpenSSL keys say so inside; their body would decode to rubbish.
    if find(pem, b"BEGIN ENCRYPTED PRIVATE KEY") || find(pem, b"Proc-Type: 4,ENCRYPTED") {
        return Err(LoadFault::EncryptedKey);
    }
    let sections = sections(pem)?;
    let has_certificate = sections
        .iter()
        .any(|(kind, _)| *kind == SectionKind::Certificate);
    let mut keys: Vec<_> = sections
        .into_iter()
        .filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der))
        .collect();
    match (keys.len(), keys.pop()) {
        (1, Some(key)) => Ok(key),
        (_, None) if has_certificate => Err(LoadFault::NoKey(
            " but a certificate: are the two files swapped?",
        )),
        (_, None) => Err(LoadFault::NoKey("")),
        (count, Some(_)) => Err(LoadFault::SeveralKeys(count)),
    }
}

fn sections(pem: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, LoadFault> {
    if !find(pem, b"-----BEGIN ") {
        return Err(LoadFault::NotPem);
    }
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|fault| LoadFault::BadPem(pem_fault(&fault)))
}

/// rustls prints lines as lists of numbers.
fn pem_fault(fault: &PemError) -> String {
    match fault {
        PemError::MissingSectionEnd { end_marker } => {
            format!(
                "the END line of {:?} is missing",
                String::from_utf8_lossy(end_marker)
            )
        }
        PemError::IllegalSectionStart { line } => {
            format!("the line {:?} is malformed", String::from_utf8_lossy(line))
        }
        other => other.to_string(),
    }
}

const fn is_key(kind: SectionKind) -> bool {
    matches!(
        kind,
        SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
    )
}

fn find(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

fn at<T>(file: &Path, result: Result<T, LoadFault>) -> Result<T, LoadError> {
    result.map_err(|fault| LoadError {
        file: file.display().to_string(),
        fault,
    })
}

/// Whole files, erased when dropped: one of them is a key.
fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, LoadFault> {
    let unreadable = |error: std::io::Error| LoadFault::Unreadable(error.to_string());
    let opened = fs::File::open(file).map_err(unreadable)?;
    let length = opened.metadata().map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(LoadFault::TooLarge);
    }
    // Sized at once: growing would leave copies of the key behind.
    let room = usize::try_from(length).unwrap_or(0).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    // A file that grows while it is read, or a device, ends here, too.
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    match bytes.len() as u64 > FILE_BYTES_MAX {
        true => Err(LoadFault::TooLarge),
        false => Ok(bytes),
    }
}

/// The largest file of certificates; the bundle of a distribution has 250 KiB.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::fixture;

    #[test]
    fn pem_texts_say_what_is_wrong_with_them() {
        let made = fixture::Authority::new().issue_pem(&["a.test"]);
        let (chain, key) = (made.0.as_str(), made.1.as_str());
        let both = format!("{chain}{key}");
        let cut = &chain[..chain.len() / 2];
        let two_keys = format!("{key}{key}");
        let sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n\
            -----END ENCRYPTED PRIVATE KEY-----\n";
        let old_sealed = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nAAAA\n\
            -----END RSA PRIVATE KEY-----\n";
        let certificate = |text: &str| certificates_from_pem(text.as_bytes()).map(|all| all.len());
        let key_of = |text: &str| key_from_pem(text.as_bytes()).map(|_| 1);
        let swapped = " but a private key: are the two files swapped?";
        assert_eq!(certificate(chain), Ok(1));
        assert_eq!(certificate(&both), Ok(1));
        assert_eq!(certificate(""), Err(LoadFault::NotPem));
        assert_eq!(certificate("\u{30}\u{82}"), Err(LoadFault::NotPem));
        assert_eq!(certificate(key), Err(LoadFault::NoCertificate(swapped)));
        let why = certificate(cut).expect_err("cut").to_string();
        assert!(why.contains("END"), "{why}");
        assert_eq!(key_of(key), Ok(1));
        assert_eq!(key_of(&both), Ok(1));
        assert_eq!(key_of(&two_keys), Err(LoadFault::SeveralKeys(2)));
        assert!(matches!(key_of(chain), Err(LoadFault::NoKey(why)) if why.contains("swapped")));
        assert_eq!(key_of(sealed), Err(LoadFault::EncryptedKey));
        assert_eq!(key_of(old_sealed), Err(LoadFault::EncryptedKey));
    }

    #[test]
    fn files_are_named_in_errors() {
        let folder = tempfile::tempdir().expect("a folder");
        let (chain, key) = fixture::Authority::new().issue_pem(&["a.test"]);
        let (chain_file, key_file) = (folder.path().join("a.pem"), folder.path().join("a.key"));
        fs::write(&chain_file, chain).expect("written");
        fs::write(&key_file, key).expect("written");
        assert!(read_identity(&chain_file, &key_file).is_ok());
        let swapped = read_identity(&key_file, &chain_file)
            .expect_err("swapped")
            .to_string();
        assert!(swapped.contains("a.key: holds no certificate"), "{swapped}");
        let missing = read_certificates(&folder.path().join("b.pem")).expect_err("missing");
        assert!(
            missing.to_string().contains("b.pem: cannot be read"),
            "{missing}"
        );
    }
}
