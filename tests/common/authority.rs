//! A certificate authority for tests: its root and what it issues, as PEM files.
//!
//! Shape: [`Authority`] writes into a given folder. Units: none. Errors: panics. Source: rcgen.

#![allow(dead_code, unreachable_pub)] // each test file uses a part

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one, whose root is the file `NAME.pem`.
    pub fn new(dir: &tempfile::TempDir, name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a root");
        super::write(dir, &format!("{name}.pem"), &root.pem());
        Authority {
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for `names` in `FILE.pem` and `FILE.key`.
    pub fn issue(&self, dir: &tempfile::TempDir, file: &str, names: &[&str]) -> PathBuf {
        let list: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(list).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, file);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("a leaf");
        super::write(dir, &format!("{file}.key"), &key.serialize_pem());
        super::write(dir, &format!("{file}.pem"), &leaf.pem())
    }
}
