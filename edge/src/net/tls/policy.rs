//! Security policies of custom domains: the versions, suites and groups that a name is served by.
//!
//! What it is: every policy that Amazon API Gateway documents, as it documents it, and what of it
//! a provider can do. Shape: [`SecurityPolicy`] is a row of a fixed table; a row is found by its
//! name and narrows a provider. Suites that a policy has and the provider has not are left out; no
//! policy adds a suite. Units and ranges: TLS 1.2 and 1.3, whatever older versions a policy has.
//! Errors: [`PolicyRefused`].
//! Source: Amazon API Gateway developer guide, "Supported security policies".

use super::{TlsVersion, versions_from};
use rustls::{
    CipherSuite as Suite,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs::kx_group},
};
use std::sync::Arc;

/// A named choice of versions, suites and key exchange.
#[derive(PartialEq, Eq, Debug)]
pub struct SecurityPolicy {
    name: &'static str,
    version_min: TlsVersion,
    /// Whether it takes TLS 1.0 and 1.1 too, which nobody here speaks.
    has_older: bool,
    /// Lists that together are the policy's.
    suites: &'static [&'static [Suite]],
    /// `PQ` in the name: hybrid key exchange.
    is_hybrid: bool,
    /// `FIPS` in the name: only with a module that FIPS 140 validates.
    is_fips: bool,
}

/// Why there is no policy of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyRefused {
    /// No such name is documented.
    #[error("there is no such security policy")]
    Unknown,
    /// The provider's module is not one that FIPS 140 validates.
    #[error("the cryptographic module is not one that FIPS 140 validates")]
    NotFips,
    /// The provider has none of its suites.
    #[error("none of its cipher suites is available here")]
    NothingInCommon,
}

impl SecurityPolicy {
    /// The policy `name`, if `provider` can do some of it.
    ///
    /// # Errors
    /// Names that are not documented, and policies that `provider` has nothing for.
    pub fn find(
        name: &str,
        provider: &CryptoProvider,
    ) -> Result<&'static SecurityPolicy, PolicyRefused> {
        let mut rows = TABLE.iter();
        let policy = rows
            .find(|policy| policy.name == name)
            .ok_or(PolicyRefused::Unknown)?;
        if policy.is_fips && !provider.fips() {
            return Err(PolicyRefused::NotFips);
        }
        let versions = versions_from(policy.version_min);
        let is_served = provider.cipher_suites.iter().any(|suite| {
            policy.has(suite.suite()) && versions.iter().any(|version| *version == suite.version())
        });
        if !is_served {
            return Err(PolicyRefused::NothingInCommon);
        }
        Ok(policy)
    }

    /// The oldest version served, 1.2 where it takes older ones.
    #[must_use]
    pub fn version_min(&self) -> TlsVersion {
        self.version_min
    }

    /// Whether it takes clients of TLS 1.0 and 1.1, who are refused here.
    #[must_use]
    pub fn has_older(&self) -> bool {
        self.has_older
    }

    /// Whether `suite` is one of its list.
    fn has(&self, suite: Suite) -> bool {
        self.suites.iter().any(|list| list.contains(&suite))
    }

    /// What `provider` has of this policy: fewer suites, and more groups if it is hybrid.
    #[must_use]
    pub(super) fn narrow(&self, provider: &CryptoProvider) -> Arc<CryptoProvider> {
        let mut narrowed = provider.clone();
        narrowed
            .cipher_suites
            .retain(|suite| self.has(suite.suite()));
        if self.is_hybrid {
            let others = provider.kx_groups.iter().copied();
            let others = others.filter(|group| HYBRIDS.iter().all(|it| it.name() != group.name()));
            narrowed.kx_groups = HYBRIDS.iter().copied().chain(others).collect();
        }
        Arc::new(narrowed)
    }
}

/// All hybrid groups there are; the rest of a hybrid policy's groups are the provider's own.
const HYBRIDS: &[&dyn SupportedKxGroup] = &[kx_group::X25519MLKEM768, kx_group::SECP256R1MLKEM768];

const TABLE: &[SecurityPolicy] = &[
    SecurityPolicy {
        has_older: true,
        ..row("TLS_1_0", TlsVersion::V12, &[TLS13, GCM, CBC, STATIC, OLD])
    },
    row("TLS_1_2", TlsVersion::V12, &[TLS13, GCM, CBC, STATIC]),
    row(
        "SecurityPolicy_TLS13_1_3_2025_09",
        TlsVersion::V13,
        &[TLS13],
    ),
    SecurityPolicy {
        is_fips: true,
        ..row(
            "SecurityPolicy_TLS13_1_3_FIPS_2025_09",
            TlsVersion::V13,
            &[TLS13_GCM],
        )
    },
    SecurityPolicy {
        is_fips: true,
        is_hybrid: true,
        ..row(
            "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09",
            TlsVersion::V12,
            &[TLS13_GCM, GCM],
        )
    },
    // Named by the service's interface, not listed in its tables: no provider has more of it.
    SecurityPolicy {
        is_fips: true,
        is_hybrid: true,
        ..row(
            "SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09",
            TlsVersion::V12,
            &[TLS13_GCM, GCM],
        )
    },
    SecurityPolicy {
        is_hybrid: true,
        ..row(
            "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09",
            TlsVersion::V12,
            &[TLS13, GCM],
        )
    },
    SecurityPolicy {
        is_hybrid: true,
        ..row(
            "SecurityPolicy_TLS13_1_2_PQ_2025_09",
            TlsVersion::V12,
            &[TLS13, GCM, CBC, STATIC],
        )
    },
    row(
        "SecurityPolicy_TLS13_1_2_2021_06",
        TlsVersion::V12,
        &[TLS13, GCM, CBC, STATIC],
    ),
    row("SecurityPolicy_TLS13_2025_EDGE", TlsVersion::V13, &[TLS13]),
    row(
        "SecurityPolicy_TLS12_PFS_2025_EDGE",
        TlsVersion::V12,
        &[TLS13, GCM, CHACHA20],
    ),
    row(
        "SecurityPolicy_TLS12_2018_EDGE",
        TlsVersion::V12,
        &[TLS13, GCM, CHACHA20, CBC],
    ),
];

const fn row(
    name: &'static str,
    version_min: TlsVersion,
    suites: &'static [&'static [Suite]],
) -> SecurityPolicy {
    SecurityPolicy {
        name,
        version_min,
        has_older: false,
        suites,
        is_hybrid: false,
        is_fips: false,
    }
}

const TLS13: &[Suite] = &[
    Suite::TLS13_AES_128_GCM_SHA256,
    Suite::TLS13_AES_256_GCM_SHA384,
    Suite::TLS13_CHACHA20_POLY1305_SHA256,
];

/// The two of TLS 1.3 whose cipher FIPS 140 knows.
const TLS13_GCM: &[Suite] = &[
    Suite::TLS13_AES_128_GCM_SHA256,
    Suite::TLS13_AES_256_GCM_SHA384,
];

const GCM: &[Suite] = &[
    Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// In policies of edge-optimized domains alone.
const CHACHA20: &[Suite] = &[
    Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

const CBC: &[Suite] = &[
    Suite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
    Suite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
    Suite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,
];

/// Without forward secrecy.
const STATIC: &[Suite] = &[
    Suite::TLS_RSA_WITH_AES_128_GCM_SHA256,
    Suite::TLS_RSA_WITH_AES_128_CBC_SHA256,
    Suite::TLS_RSA_WITH_AES_256_GCM_SHA384,
    Suite::TLS_RSA_WITH_AES_256_CBC_SHA256,
];

/// With SHA-1, for versions before 1.2.
const OLD: &[Suite] = &[
    Suite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    Suite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
    Suite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
    Suite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
    Suite::TLS_RSA_WITH_AES_128_CBC_SHA,
    Suite::TLS_RSA_WITH_AES_256_CBC_SHA,
];

#[cfg(test)]
mod tests {
    use super::super::{fixture::*, provider, server::*, session::TlsSession, *};
    use super::*;

    /// What of each policy is served. The letters: of TLS 1.3 AES-GCM `a` (128) and `A` (256) and
    /// ChaCha20 `C`; of TLS 1.2 with ECDHE the same behind the comma, for ECDSA and RSA alike.
    #[test]
    fn each_policy_is_served_as_far_as_the_provider_goes() {
        use PolicyRefused::{NotFips, Unknown};
        // name, suites or refusal, oldest version, older ones wanted, hybrid groups
        let rows: &[(&str, Result<(&str, TlsVersion, bool, usize), PolicyRefused>)] = &[
            ("TLS_1_0", Ok(("aAC,aA", TlsVersion::V12, true, 1))),
            ("TLS_1_2", Ok(("aAC,aA", TlsVersion::V12, false, 1))),
            (
                "SecurityPolicy_TLS13_1_3_2025_09",
                Ok(("aAC,", TlsVersion::V13, false, 1)),
            ),
            (
                "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09",
                Ok(("aAC,aA", TlsVersion::V12, false, 2)),
            ),
            (
                "SecurityPolicy_TLS13_1_2_PQ_2025_09",
                Ok(("aAC,aA", TlsVersion::V12, false, 2)),
            ),
            (
                "SecurityPolicy_TLS13_1_2_2021_06",
                Ok(("aAC,aA", TlsVersion::V12, false, 1)),
            ),
            (
                "SecurityPolicy_TLS13_2025_EDGE",
                Ok(("aAC,", TlsVersion::V13, false, 1)),
            ),
            (
                "SecurityPolicy_TLS12_PFS_2025_EDGE",
                Ok(("aAC,aAC", TlsVersion::V12, false, 1)),
            ),
            (
                "SecurityPolicy_TLS12_2018_EDGE",
                Ok(("aAC,aAC", TlsVersion::V12, false, 1)),
            ),
            ("SecurityPolicy_TLS13_1_3_FIPS_2025_09", Err(NotFips)),
            ("SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09", Err(NotFips)),
            ("SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09", Err(NotFips)),
            ("SecurityPolicy_TLS13_1_3_", Err(Unknown)),
            ("tls_1_2", Err(Unknown)),
            ("", Err(Unknown)),
        ];
        for (name, expected) in rows {
            let found = SecurityPolicy::find(name, &provider()).map(|policy| {
                let narrowed = policy.narrow(&provider());
                let hybrids = narrowed.kx_groups.iter();
                let hybrids = hybrids.filter(|group| format!("{:?}", group.name()).contains("KEM"));
                let (min, older) = (policy.version_min(), policy.has_older());
                (letters(&narrowed), min, older, hybrids.count())
            });
            let expected = expected.map(|(suites, min, older, hybrids)| {
                let suites = suites.to_owned();
                (suites, min, older, hybrids)
            });
            assert_eq!(found, expected, "{name}");
        }
        let found = rows.iter().filter(|row| row.1 != Err(Unknown)).count();
        assert_eq!(found, TABLE.len(), "every policy has a row");
    }

    /// Suites as letters; panics where ECDSA and RSA differ.
    fn letters(provider: &CryptoProvider) -> String {
        let has = |suite: Suite| provider.cipher_suites.iter().any(|it| it.suite() == suite);
        let mut letters = String::new();
        for (suite, letter) in TLS13.iter().zip(["a", "A", "C"]) {
            letters += if has(*suite) { letter } else { "" };
        }
        letters += ",";
        let both = [(&GCM[..2], "a"), (&GCM[2..], "A"), (CHACHA20, "C")];
        for (pair, letter) in both {
            assert_eq!(has(pair[0]), has(pair[1]), "{pair:?}");
            letters += if has(pair[0]) { letter } else { "" };
        }
        assert_eq!(
            provider.cipher_suites.len(),
            3 + 2 * letters.split(',').next_back().map_or(0, str::len),
            "{letters}"
        );
        letters
    }

    #[test]
    fn a_provider_without_a_policys_suites_refuses_it() {
        let only = |suite: Suite| {
            let mut provider = (*provider()).clone();
            provider.cipher_suites.retain(|it| it.suite() == suite);
            provider
        };
        let chacha20 = only(Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256);
        let gcm = only(Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
        let nothing = Some(PolicyRefused::NothingInCommon);
        for (name, provider, expected) in [
            ("TLS_1_2", &chacha20, nothing),
            ("TLS_1_2", &gcm, None),
            ("SecurityPolicy_TLS12_2018_EDGE", &chacha20, None),
            ("SecurityPolicy_TLS13_1_3_2025_09", &gcm, nothing),
        ] {
            let refused = SecurityPolicy::find(name, provider).err();
            assert_eq!(refused, expected, "{name}");
        }
    }

    /// A client whose only group is the hybrid one of P-256 is served by hybrid policies alone.
    #[test]
    fn hybrid_policies_have_more_groups() {
        let authority = Authority::new();
        for (name, is_served) in [
            (Some("SecurityPolicy_TLS13_1_2_PQ_2025_09"), true),
            (Some("SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"), true),
            (Some("SecurityPolicy_TLS13_1_2_2021_06"), false),
            (None, false),
        ] {
            let mut certificate = plain(authority.issue(&["a.test"]));
            let find = |name| SecurityPolicy::find(name, &provider()).expect("a policy");
            certificate.policy = name.map(find);
            let tls = server_of(vec![certificate], &keys());
            for (group, expected) in [
                (kx_group::SECP256R1MLKEM768, is_served),
                (kx_group::X25519MLKEM768, true),
                (kx_group::SECP384R1, true),
            ] {
                let met = meet(&authority, &tls, group);
                assert_eq!(met, expected, "{name:?} {:?}", group.name());
            }
        }
    }

    /// Whether a client with one group reaches `tls`.
    fn meet(
        authority: &Authority,
        tls: &Arc<ServerTls>,
        group: &'static dyn SupportedKxGroup,
    ) -> bool {
        let mut provider = (*provider()).clone();
        provider.kx_groups = vec![group];
        let config =
            rustls::ClientConfig::builder_with_details(Arc::new(provider), TlsClock::new(NOW))
                .with_protocol_versions(rustls::ALL_VERSIONS)
                .expect("versions")
                .with_root_certificates(root_store(&authority.roots()).expect("roots"))
                .with_no_client_auth();
        let name = client::server_name("a.test").expect("a name");
        let mut client = TlsSession::client(Arc::new(config), name).expect("a session");
        let mut server = tls.session();
        let (ours, theirs) = pump(&mut client, &mut server, 100_000);
        let has_failed = ours.is_some() || theirs.is_some();
        assert_ne!(
            has_failed,
            !client.is_handshaking() && !server.is_handshaking()
        );
        !has_failed
    }
}
