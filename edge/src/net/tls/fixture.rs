//! What the TLS tests share: an authority, certificates, and a wire between two sessions.
//!
//! Shape: [`Authority`] signs leaves; [`pump`] moves output to input until both rest.
//! Units: bytes; the clock stands at [`NOW`]. Errors: tests panic. Source: none.

use super::{
    Identity, TlsClock, TlsError, TlsVersion,
    client::{OriginTls, OriginTlsSettings, Verify, server_name},
    load::{certificates_from_pem, key_from_pem},
    provider,
    server::{ClientAuth, ServerCertificate, ServerTls, ServerTlsSettings},
    session::TlsSession,
    ticket::TicketKeys,
};
use crate::base::time::Wall;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use std::sync::Arc;

/// 2026-06-15, inside the validity of everything issued here.
pub(super) const NOW: Wall = Wall(1_781_481_600_000);

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a root").der().clone();
        Authority {
            issuer: Issuer::new(params, key),
            root,
        }
    }

    pub(super) fn roots(&self) -> Vec<CertificateDer<'static>> {
        vec![self.root.clone()]
    }

    pub(super) fn issue_pem(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("parameters");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("a leaf");
        (leaf.pem(), key.serialize_pem())
    }

    pub(super) fn issue(&self, names: &[&str]) -> Identity {
        let (chain, key) = self.issue_pem(names);
        Identity {
            chain: certificates_from_pem(chain.as_bytes()).expect("a chain"),
            key: key_from_pem(key.as_bytes()).expect("a key"),
        }
    }
}

pub(super) fn plain(identity: Identity) -> ServerCertificate {
    ServerCertificate {
        identity,
        names: Vec::new(),
        client_auth: ClientAuth::Off,
        policy: None,
    }
}

pub(super) fn keys() -> Arc<TicketKeys> {
    TicketKeys::new(NOW).expect("keys")
}

pub(super) fn server_of(
    certificates: Vec<ServerCertificate>,
    keys: &Arc<TicketKeys>,
) -> Arc<ServerTls> {
    let settings = ServerTlsSettings {
        hello_bytes_max: crate::net::tls::session::HELLO_BYTES_MAX,
        certificates,
        version_min: TlsVersion::V12,
    };
    ServerTls::new(settings, &provider(), keys, &TlsClock::new(NOW)).expect("good settings")
}

pub(super) fn client_of(roots: Vec<CertificateDer<'static>>) -> OriginTlsSettings {
    OriginTlsSettings {
        verify: Verify::Roots(roots),
        identity: None,
        version_min: TlsVersion::V12,
    }
}

pub(super) fn origin_tls(settings: OriginTlsSettings) -> OriginTls {
    OriginTls::new(settings, &provider(), &TlsClock::new(NOW)).expect("good settings")
}

pub(super) fn open(tls: &OriginTls, name: &str) -> TlsSession {
    tls.session(&server_name(name).expect("a name"))
        .expect("a session")
}

/// Moves bytes both ways, `step` at a time, until nothing moves; the first error of each side.
pub(super) fn pump(
    client: &mut TlsSession,
    server: &mut TlsSession,
    step: usize,
) -> (Option<TlsError>, Option<TlsError>) {
    let (mut client_error, mut server_error) = (None, None);
    loop {
        let up = carry(client, server, step, &mut server_error);
        let down = carry(server, client, step, &mut client_error);
        if up + down == 0 {
            return (client_error, server_error);
        }
    }
}

fn carry(
    from: &mut TlsSession,
    to: &mut TlsSession,
    step: usize,
    error: &mut Option<TlsError>,
) -> usize {
    let mut wire = Vec::new();
    from.take_output(&mut wire);
    for piece in wire.chunks(step) {
        let mut input = piece;
        while !input.is_empty() && error.is_none() {
            let before = input.len();
            match to.feed(&mut input) {
                Ok(_) if input.len() == before => break,
                Ok(_) => {}
                Err(fault) => *error = Some(fault),
            }
        }
    }
    wire.len()
}
