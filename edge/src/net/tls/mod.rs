//! TLS without sockets: sessions, and the settings they are made from.
//!
//! Shape: [`session::TlsSession`] turns bytes into bytes; [`server::ServerTls`] and
//! [`client::OriginTls`] make sessions; [`policy::SecurityPolicy`] narrows what a name is served
//! by; [`ticket::TicketKeys`] is shared by all cores; [`load`] reads files on the control thread.
//! Units and ranges: TLS 1.2 and 1.3 only; a client hello has at most 16 KiB, or what is set.
//! Errors: [`TlsError`] for a session, [`TlsConfigError`] for settings.
//! Source: RFC 8446, RFC 5246, RFC 6066 section 3 (SNI), RFC 7301 (ALPN).

pub mod client;
pub mod load;
pub mod null;
pub mod policy;
pub mod server;
pub mod session;
pub mod ticket;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use crate::base::time::Wall;
use rustls::{
    SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
    time_provider::TimeProvider,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A protocol version that was negotiated, or the least that is accepted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    V12,
    /// TLS 1.3.
    V13,
}

impl TlsVersion {
    /// As access logs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TlsVersion::V12 => "TLSv1.2",
            TlsVersion::V13 => "TLSv1.3",
        }
    }
}

/// A certificate chain, leaf first, and its private key.
#[derive(Debug)]
pub struct Identity {
    /// Leaf first, then what leads to a root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the leaf.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Identity {
        Identity {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// Why a session ended or a handshake failed.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum TlsError {
    /// The client hello exceeds `tls_hello_bytes_max`.
    #[error("the client hello is larger than allowed")]
    HelloTooLarge,
    /// The first bytes are no TLS record: usually plain HTTP to a TLS port.
    #[error("the peer does not speak TLS")]
    NotTls,
    /// No version, suite or group in common.
    #[error("nothing in common with the peer: {0}")]
    Incompatible(rustls::Error),
    /// The peer offers only application protocols that we do not speak.
    #[error("no application protocol in common")]
    NoCommonAlpn,
    /// The peer's certificate does not convince us.
    #[error("the peer's certificate was refused: {0}")]
    CertificateRefused(rustls::Error),
    /// The peer had to show a certificate and did not.
    #[error("the peer showed no certificate")]
    CertificateMissing,
    /// The peer ended the session with an alert.
    #[error("the peer refused: {0}")]
    Alert(rustls::Error),
    /// The peer broke the protocol.
    #[error("TLS fault of the peer: {0}")]
    Protocol(rustls::Error),
    /// Something on our side: no clock, no randomness.
    #[error("TLS fault of ours: {0}")]
    Ours(rustls::Error),
    /// The session has failed before; the first error was reported then.
    #[error("the session has failed")]
    Failed,
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> TlsError {
        use rustls::{Error as E, InvalidMessage as M};
        match &error {
            E::InvalidMessage(M::InvalidContentType | M::UnknownProtocolVersion) => {
                TlsError::NotTls
            }
            E::NoApplicationProtocol => TlsError::NoCommonAlpn,
            E::NoCertificatesPresented => TlsError::CertificateMissing,
            E::InvalidCertificate(_) | E::InvalidCertRevocationList(_) => {
                TlsError::CertificateRefused(error)
            }
            E::PeerIncompatible(_) => TlsError::Incompatible(error),
            E::AlertReceived(_) => TlsError::Alert(error),
            E::FailedToGetCurrentTime | E::FailedToGetRandomBytes | E::General(_) => {
                TlsError::Ours(error)
            }
            _ => TlsError::Protocol(error),
        }
    }
}

/// Why settings do not make a TLS configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// A listener without certificates.
    #[error("no certificate is configured")]
    NoCertificate,
    /// More certificates than a listener holds.
    #[error("more than 65,535 certificates")]
    TooManyCertificates,
    /// The leaf cannot be read.
    #[error("certificate {index} cannot be read: {reason}")]
    BadCertificate {
        /// Position in the settings.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is of a kind that we do not support.
    #[error("the private key of certificate {index} is not usable: {reason}")]
    BadKey {
        /// Position in the settings.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not belong together.
    #[error("the private key does not belong to certificate {index}")]
    KeyMismatch {
        /// Position in the settings.
        index: usize,
    },
    /// A host name that no certificate can have.
    #[error("{name:?} is not a host name or a wildcard of one label")]
    BadName {
        /// As written.
        name: String,
    },
    /// Two certificates claim one name with different keys; the order would decide silently.
    #[error("{name:?} is listed twice, at certificates {first} and {second}")]
    NameTwice {
        /// The name.
        name: String,
        /// Position of the earlier certificate.
        first: usize,
        /// Position of the later one.
        second: usize,
    },
    /// Verification without a single root would refuse everybody.
    #[error("no trusted root certificate: {0}")]
    NoRoots(String),
    /// Whatever else the library says.
    #[error("{0}")]
    Library(String),
}

impl TlsConfigError {
    /// Sorts what rustls says about certificate `index`.
    fn of_certificate(index: usize, error: &rustls::Error) -> TlsConfigError {
        use rustls::{Error as E, InconsistentKeys};
        let reason = error.to_string();
        match error {
            E::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsConfigError::KeyMismatch { index }
            }
            E::InvalidCertificate(_) | E::NoCertificatesPresented => {
                TlsConfigError::BadCertificate { index, reason }
            }
            E::General(_) => TlsConfigError::BadKey { index, reason },
            _ => TlsConfigError::Library(reason),
        }
    }
}

/// The wall clock as TLS sees it: set by the loops, read in handshakes.
///
/// Until the first `set` there is no time and every handshake fails, which is loud.
#[derive(Default, Debug)]
pub struct TlsClock {
    wall_ms: AtomicU64,
}

impl TlsClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Wall) -> Arc<TlsClock> {
        let clock = TlsClock::default();
        clock.set(now);
        Arc::new(clock)
    }

    /// Moves the clock. Every core may call it every turn: it writes once per second, so that
    /// the line stays shared between them.
    pub fn set(&self, now: Wall) {
        // Relaxed: a handshake that sees the second before loses nothing.
        if self.wall_ms.load(Ordering::Relaxed) / 1000 != now.0 / 1000 {
            self.wall_ms.store(now.0, Ordering::Relaxed);
        }
    }
}

impl TimeProvider for TlsClock {
    fn current_time(&self) -> Option<UnixTime> {
        match self.wall_ms.load(Ordering::Relaxed) {
            0 => None,
            ms => Some(UnixTime::since_unix_epoch(Duration::from_millis(ms))),
        }
    }
}

/// The one provider; rustls picks the hybrid ML-KEM group first.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The versions from `least` on.
fn versions_from(least: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static ONLY_13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    match least {
        TlsVersion::V12 => rustls::ALL_VERSIONS,
        TlsVersion::V13 => ONLY_13,
    }
}

/// The application protocols we offer and accept.
const ALPN: &[&[u8]] = &[b"http/1.1"];
