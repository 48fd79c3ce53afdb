//! Handshakes in memory: versions, names, resumption, refusals, cuts.
//!
//! Shape: a client and a server session joined by [`pump`]. Units: bytes. Ranges: every piece
//! size from 1. Errors: a panic with the row's name. Source: the rules in the sibling modules.

use super::{fixture::*, server::*, session::*, ticket::*, *};
use crate::net::tls::client::{OriginTlsSettings, Verify};

/// Says `text` from one end and reads it at the other.
fn say(from: &mut TlsSession, to: &mut TlsSession, text: &[u8]) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut rest = text;
    while heard.len() < text.len() {
        let written = from.write_plain(rest);
        rest = &rest[written..];
        let mut wire = Vec::new();
        from.take_output(&mut wire);
        assert!(!wire.is_empty() || written > 0, "stuck at {}", heard.len());
        let mut input = wire.as_slice();
        while !input.is_empty() {
            to.feed(&mut input).expect("a good record");
            let mut out = [0; 5000];
            loop {
                let count = to.read_plain(&mut out);
                if count == 0 {
                    break;
                }
                heard.extend_from_slice(&out[..count]);
            }
        }
    }
    heard
}

#[test]
fn both_versions_shake_hands_in_pieces_of_any_size() {
    let authority = Authority::new();
    let server_tls = server_of(vec![plain(authority.issue(&["a.test"]))], &keys());
    for (version, steps) in [
        (TlsVersion::V13, [1, 7, 100_000]),
        (TlsVersion::V12, [1, 7, 100_000]),
    ] {
        for step in steps {
            let only = match version {
                TlsVersion::V12 => &rustls::version::TLS12,
                TlsVersion::V13 => &rustls::version::TLS13,
            };
            let clock = TlsClock::new(NOW);
            let mut config = rustls::ClientConfig::builder_with_details(provider(), clock)
                .with_protocol_versions(&[only])
                .expect("versions")
                .with_root_certificates(root_store(&authority.roots()).expect("roots"))
                .with_no_client_auth();
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let name = super::client::server_name("a.test").expect("a name");
            let mut client = TlsSession::client(Arc::new(config), name).expect("a session");
            let mut server = server_tls.session();
            assert!(server.is_handshaking() && client.wants_write());
            assert_eq!(server.write_plain(b"too early"), 0);
            assert_eq!(pump(&mut client, &mut server, step), (None, None));
            assert!(!server.is_handshaking() && !client.is_handshaking());
            assert_eq!(
                (server.version(), client.version()),
                (Some(version), Some(version))
            );
            assert_eq!(server.alpn(), Some(b"http/1.1".as_slice()));
            assert_eq!(server.server_name(), Some("a.test"));
            assert_eq!((server.resumed(), client.resumed()), (false, false));
            assert!(server.cipher().is_some_and(|name| name.starts_with("TLS")));
            assert_eq!(say(&mut client, &mut server, b"GET /"), b"GET /");
            let large: Vec<u8> = (0..200_000u32).map(|i| i.to_le_bytes()[0]).collect();
            assert!(
                say(&mut server, &mut client, &large) == large,
                "200 kB come back whole"
            );
        }
    }
}

#[test]
fn the_name_chooses_the_certificate() {
    let authority = Authority::new();
    let tls = server_of(
        vec![
            plain(authority.issue(&["first.test"])),
            plain(authority.issue(&["b.test", "*.wild.test", "127.0.0.1"])),
            plain(authority.issue(&["exact.wild.test"])),
        ],
        &keys(),
    );
    for (name, expected) in [
        (Some("first.test"), 0),
        (Some("b.test"), 1),
        (Some("x.wild.test"), 1),
        (Some("exact.wild.test"), 2),
        (Some("x.y.wild.test"), 0),
        (Some("wild.test"), 0),
        (Some("unknown.test"), 0),
        (None, 0),
    ] {
        assert_eq!(tls.select(name), expected, "{name:?}");
    }
    for (index, host, expected) in [
        (0, "first.test", true),
        (0, "b.test", false),
        (1, "x.wild.test", true),
        (1, "x.y.wild.test", false),
        (1, "127.0.0.1", true),
        (1, "127.0.0.2", false),
        (1, "[::1]", false),
        (9, "first.test", false),
    ] {
        let found = std::cell::Cell::new(None);
        for time in ["first", "again"] {
            let covers = tls.covers(index, host, &found);
            assert_eq!(covers, expected, "{index} {host} {time}");
        }
        assert_eq!(found.get().is_some(), expected && host == "127.0.0.1");
    }
    let origin = origin_tls(client_of(authority.roots()));
    for (name, works) in [
        ("b.test", true),
        ("q.wild.test", true),
        ("q.q.wild.test", false),
    ] {
        let (mut client, mut server) = (open(&origin, name), tls.session());
        let (client_error, _) = pump(&mut client, &mut server, 10_000);
        assert_eq!(client_error.is_none(), works, "{name}: {client_error:?}");
        assert_eq!(server.covers(name), works, "{name}");
    }
}

/// One connection with `origin`'s cache; did it resume?
fn visit(origin: &super::client::OriginTls, tls: &Arc<ServerTls>) -> bool {
    let (mut client, mut server) = (open(origin, "a.test"), tls.session());
    assert_eq!(pump(&mut client, &mut server, 10_000), (None, None));
    assert_eq!(client.resumed(), server.resumed());
    assert_eq!(say(&mut server, &mut client, b"hello"), b"hello");
    server.resumed()
}

#[test]
fn sessions_resume_on_every_core_until_keys_are_over() {
    let authority = Authority::new();
    let identity = authority.issue(&["a.test"]);
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let keys = keys();
        let other = super::fixture::keys();
        let core = |keys: &Arc<TicketKeys>| {
            let mut tls = server_of(vec![plain(identity.clone())], keys);
            if version == TlsVersion::V12 {
                tls = server_12(&identity, keys);
            }
            tls
        };
        let (here, there, stranger) = (core(&keys), core(&keys), core(&other));
        let origin = origin_tls(client_of(authority.roots()));
        assert!(!visit(&origin, &here), "{version:?} first");
        assert!(visit(&origin, &there), "{version:?} on another core");
        assert!(visit(&origin, &here), "{version:?} again");
        assert!(!visit(&origin, &stranger), "{version:?} other keys");
        let origin = origin_tls(client_of(authority.roots()));
        assert!(!visit(&origin, &here), "{version:?} new client");
        keys.set_rotate_ms(HOUR_MS);
        keys.rotate(Wall(NOW.0 + HOUR_MS)).expect("randomness");
        assert!(visit(&origin, &there), "{version:?} after one rotation");
        let heir = TicketKeys::import(&keys.export()).expect("our bytes");
        assert!(visit(&origin, &core(&heir)), "{version:?} after an upgrade");
        // The visits renewed the ticket, with the second key, which is over an hour after the third.
        keys.rotate(Wall(NOW.0 + 2 * HOUR_MS)).expect("randomness");
        assert!(visit(&origin, &here), "{version:?} by the key before");
        for hours in [3, 4] {
            keys.rotate(Wall(NOW.0 + hours * HOUR_MS))
                .expect("randomness");
        }
        assert!(!visit(&origin, &here), "{version:?} after its life");
    }
}

const HOUR_MS: u64 = 3_600_000;

fn server_12(identity: &Identity, keys: &Arc<TicketKeys>) -> Arc<ServerTls> {
    let mut old = (*provider()).clone();
    old.cipher_suites.retain(|suite| suite.tls13().is_none());
    let settings = ServerTlsSettings {
        hello_bytes_max: crate::net::tls::session::HELLO_BYTES_MAX,
        certificates: vec![plain(identity.clone())],
        version_min: TlsVersion::V12,
    };
    ServerTls::new(settings, &Arc::new(old), keys, &TlsClock::new(NOW)).expect("good settings")
}

#[test]
fn origins_that_do_not_convince_are_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let tls = server_of(vec![plain(authority.issue(&["a.test"]))], &keys());
    let skip = OriginTlsSettings {
        verify: Verify::InsecureSkip,
        ..client_of(Vec::new())
    };
    let rows = [
        ("right", client_of(authority.roots()), "a.test", true),
        ("wrong name", client_of(authority.roots()), "b.test", false),
        ("wrong root", client_of(stranger.roots()), "a.test", false),
        ("address", client_of(authority.roots()), "127.0.0.1", false),
        ("skipped", skip, "b.test", true),
    ];
    for (row, settings, name, works) in rows {
        let (mut client, mut server) = (open(&origin_tls(settings), name), tls.session());
        let (client_error, server_error) = pump(&mut client, &mut server, 10_000);
        if works {
            assert_eq!((client_error, server_error), (None, None), "{row}");
        } else {
            assert!(
                matches!(client_error, Some(TlsError::CertificateRefused(_))),
                "{row}"
            );
            assert!(
                matches!(server_error, Some(TlsError::Alert(_))),
                "{row}: {server_error:?}"
            );
        }
    }
}

#[test]
fn clocks_outside_the_validity_refuse_and_no_clock_fails() {
    let authority = Authority::new();
    let tls = server_of(vec![plain(authority.issue(&["a.test"]))], &keys());
    for (now, expected) in [(Wall(1), "expired or not yet valid"), (Wall(0), "no clock")] {
        let settings = client_of(authority.roots());
        let origin = super::client::OriginTls::new(settings, &provider(), &TlsClock::new(now))
            .expect("good settings");
        let (mut client, mut server) = (open(&origin, "a.test"), tls.session());
        let (error, _) = pump(&mut client, &mut server, 10_000);
        let refused = matches!(
            error,
            Some(TlsError::CertificateRefused(_) | TlsError::Ours(_))
        );
        assert!(refused, "{expected}: {error:?}");
    }
}

#[test]
fn client_certificates_are_asked_for_by_name_and_tickets_do_not_get_around_it() {
    let authority = Authority::new();
    let (identity, guest) = (authority.issue(&["a.test"]), authority.issue(&["guest"]));
    let keys = keys();
    let server = |client_auth: ClientAuth| {
        let mut row = plain(identity.clone());
        row.client_auth = client_auth;
        server_of(vec![row], &keys)
    };
    let open_door = server(ClientAuth::Off);
    let required = server(ClientAuth::Required(authority.roots()));
    let optional = server(ClientAuth::Optional(authority.roots()));
    let anonymous = || origin_tls(client_of(authority.roots()));
    let named = origin_tls(OriginTlsSettings {
        identity: Some(guest.clone()),
        ..client_of(authority.roots())
    });
    let meet = |origin: &super::client::OriginTls, tls: &Arc<ServerTls>| {
        let (mut client, mut server) = (open(origin, "a.test"), tls.session());
        let (_, error) = pump(&mut client, &mut server, 10_000);
        (error, server.peer_certificate().map(<[u8]>::to_vec))
    };
    let leaf = Some(guest.chain[0].to_vec());
    assert_eq!(meet(&named, &required), (None, leaf.clone()));
    assert_eq!(
        meet(&named, &required),
        (None, leaf.clone()),
        "resumed, still known"
    );
    assert_eq!(
        meet(&anonymous(), &required),
        (Some(TlsError::CertificateMissing), None)
    );
    assert_eq!(meet(&anonymous(), &optional), (None, None));
    let sneaky = anonymous();
    assert_eq!(
        meet(&sneaky, &open_door),
        (None, None),
        "takes a ticket at the open door"
    );
    assert_eq!(
        meet(&sneaky, &required),
        (Some(TlsError::CertificateMissing), None)
    );
    let stranger = origin_tls(OriginTlsSettings {
        identity: Some(Authority::new().issue(&["guest"])),
        ..client_of(authority.roots())
    });
    let (error, _) = meet(&stranger, &required);
    assert!(
        matches!(error, Some(TlsError::CertificateRefused(_))),
        "{error:?}"
    );
}

#[test]
fn hostile_first_bytes_are_refused_early() {
    let authority = Authority::new();
    let tls = server_of(vec![plain(authority.issue(&["a.test"]))], &keys());
    // A hello of 60 KB, announced in records of 16 KB.
    let mut huge = Vec::new();
    for index in 0..4u8 {
        huge.extend_from_slice(&[22, 3, 1, 0x3f, 0xff]);
        let mut body = vec![0; 0x3fff];
        if index == 0 {
            body[..4].copy_from_slice(&[1, 0, 0xea, 0x60]);
        }
        huge.extend_from_slice(&body);
    }
    let rows: [(&str, &[u8], TlsError, bool); 2] = [
        ("hello too large", &huge, TlsError::HelloTooLarge, false),
        (
            "plain http",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            TlsError::NotTls,
            true,
        ),
    ];
    for (name, given, expected, alert) in rows {
        let mut server = tls.session();
        let mut input = given;
        let mut error = None;
        while error.is_none() && !input.is_empty() {
            error = server.feed(&mut input).err();
        }
        assert_eq!(error, Some(expected), "{name}");
        assert!(given.len() - input.len() <= HELLO_BYTES_MAX, "{name}");
        assert_eq!(server.wants_write(), alert, "{name}");
        let mut wire = Vec::new();
        assert_eq!(server.take_output(&mut wire) > 0, alert, "{name}");
        assert_eq!(
            server.feed(&mut b"more".as_slice()),
            Err(TlsError::Failed),
            "{name}"
        );
    }
}

#[test]
fn http_1_1_is_the_only_protocol_that_is_agreed_on() {
    let authority = Authority::new();
    let tls = server_of(vec![plain(authority.issue(&["a.test"]))], &keys());
    let roots = root_store(&authority.roots()).expect("roots");
    // what the client offers, what is agreed on; `None`: refused
    let rows: &[(&[&str], Option<&str>)] = &[
        (&[], Some("")),
        (&["http/1.1"], Some("http/1.1")),
        (&["h2", "http/1.0", "http/1.1"], Some("http/1.1")),
        (&["h2"], None),
        (&["http/1.0"], None),
        (&["HTTP/1.1"], None),
    ];
    for (offered, agreed) in rows {
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let name = super::client::server_name("a.test").expect("a name");
        let mut client = TlsSession::client(Arc::new(config), name).expect("a session");
        let mut server = tls.session();
        let errors = pump(&mut client, &mut server, 10_000);
        if let Some(agreed) = agreed {
            assert_eq!(errors, (None, None), "{offered:?}");
            let found = server.alpn().unwrap_or_default();
            assert_eq!(found, agreed.as_bytes(), "{offered:?}");
        } else {
            let alert = rustls::AlertDescription::NoApplicationProtocol;
            let alert = TlsError::Alert(rustls::Error::AlertReceived(alert));
            let expected = (Some(alert), Some(TlsError::NoCommonAlpn));
            assert_eq!(errors, expected, "{offered:?}");
        }
    }
}

#[test]
fn goodbyes_are_told_from_cuts() {
    let authority = Authority::new();
    let tls = server_of(vec![plain(authority.issue(&["a.test"]))], &keys());
    let origin = origin_tls(client_of(authority.roots()));
    let real = (open(&origin, "a.test"), tls.session());
    let null = (TlsSession::null_client("a.test"), TlsSession::null_server());
    for (mut client, mut server) in [real, null] {
        assert_eq!(pump(&mut client, &mut server, 10_000), (None, None));
        assert_eq!(client.write_plain(b"last words"), 10);
        client.close_notify();
        let mut wire = Vec::new();
        client.take_output(&mut wire);
        wire.extend_from_slice(b"ignored");
        let mut input = wire.as_slice();
        let progress = server.feed(&mut input).expect("good records");
        assert_eq!((progress.plain_bytes, progress.peer_closed), (10, true));
        assert!(input.is_empty());
        let mut out = [0; 20];
        assert_eq!(server.read_plain(&mut out), 10);
        assert_eq!(server.read_plain(&mut out), 0);
    }
}

#[test]
fn output_goes_into_small_sinks_piece_by_piece() {
    struct Small(Vec<u8>, usize);
    impl TlsSink for Small {
        fn append(&mut self, bytes: &[u8]) -> usize {
            let taken = bytes.len().min(self.1 - self.0.len());
            self.0.extend_from_slice(&bytes[..taken]);
            taken
        }
    }
    let authority = Authority::new();
    let tls = server_of(vec![plain(authority.issue(&["a.test"]))], &keys());
    let origin = origin_tls(client_of(authority.roots()));
    let real = (open(&origin, "a.test"), tls.session());
    let null = (TlsSession::null_client("a.test"), TlsSession::null_server());
    for (mut client, mut server) in [real, null] {
        assert_eq!(pump(&mut client, &mut server, 10_000), (None, None));
        let text = vec![7; 100_000];
        let written = server.write_plain(&text);
        assert!(
            (40_000..=OUTPUT_BYTES_MAX + 1).contains(&written),
            "{written}"
        );
        let mut heard = 0;
        while server.wants_write() {
            let mut sink = Small(Vec::new(), 1000);
            assert!(server.take_output(&mut sink) <= 1000);
            let mut input = sink.0.as_slice();
            while !input.is_empty() {
                client.feed(&mut input).expect("good records");
                let mut out = [0; 700];
                loop {
                    let count = client.read_plain(&mut out);
                    heard += count;
                    if count == 0 {
                        break;
                    }
                }
            }
        }
        client.trim();
        assert_eq!(heard, written);
    }
}

#[test]
fn the_null_cipher_has_the_sizes_of_tls_13() {
    let authority = Authority::new();
    let tls = server_of(vec![plain(authority.issue(&["a.test"]))], &keys());
    let origin = origin_tls(client_of(authority.roots()));
    let mut sizes = Vec::new();
    let real = (open(&origin, "a.test"), tls.session());
    let null = (TlsSession::null_client("a.test"), TlsSession::null_server());
    for (mut client, mut server) in [real, null] {
        let mut first = Vec::new();
        client.take_output(&mut first);
        server.feed(&mut first.as_slice()).expect("a hello");
        let hello = first.len();
        assert_eq!(pump(&mut client, &mut server, 1), (None, None));
        assert_eq!(server.server_name(), Some("a.test"));
        let mut records = Vec::new();
        for length in [0, 1, 100, 16_384, 16_385, 40_000] {
            let mut wire = Vec::new();
            client.write_plain(&vec![1; length]);
            client.take_output(&mut wire);
            records.push(wire.len());
            server.feed(&mut wire.as_slice()).expect("records");
            while server.read_plain(&mut [0; 4096]) > 0 {}
            server.feed(&mut [].as_slice()).expect("nothing");
        }
        sizes.push((hello, records));
    }
    assert_eq!(sizes[0].1[..4], sizes[1].1[..4], "records");
    let (real, null) = (sizes[0].0, sizes[1].0);
    assert!(real.abs_diff(null) < 200, "hello {real} against {null}");
}

#[test]
fn settings_that_cannot_work_say_why() {
    let authority = Authority::new();
    let (a, b) = (authority.issue(&["a.test"]), authority.issue(&["b.test"]));
    let crossed = Identity {
        chain: a.chain.clone(),
        key: b.key.clone_key(),
    };
    let broken = Identity {
        chain: vec![b"not a certificate".to_vec().into()],
        key: a.key.clone_key(),
    };
    let bad_key = Identity {
        chain: a.chain.clone(),
        key: rustls::pki_types::PrivatePkcs8KeyDer::from(b"no key".to_vec()).into(),
    };
    let named = |identity: &Identity, name: &str| {
        let mut row = plain(identity.clone());
        row.names = vec![name.to_owned()];
        row
    };
    let make = |certificates| {
        let settings = ServerTlsSettings {
            hello_bytes_max: crate::net::tls::session::HELLO_BYTES_MAX,
            certificates,
            version_min: TlsVersion::V13,
        };
        let made = ServerTls::new(settings, &provider(), &keys(), &TlsClock::new(NOW));
        made.expect_err("bad settings")
    };
    assert_eq!(make(vec![]), TlsConfigError::NoCertificate);
    assert_eq!(
        make(vec![plain(a.clone()), plain(crossed)]),
        TlsConfigError::KeyMismatch { index: 1 }
    );
    assert!(matches!(
        make(vec![plain(broken)]),
        TlsConfigError::BadCertificate { index: 0, .. }
    ));
    let fault = make(vec![plain(bad_key)]);
    assert!(
        matches!(fault, TlsConfigError::BadKey { index: 0, .. }),
        "{fault:?}"
    );
    let fault = make(vec![named(&a, "*.*.test")]);
    assert!(matches!(fault, TlsConfigError::BadName { .. }), "{fault:?}");
    let twice = make(vec![named(&a, "x.test"), named(&b, "X.test")]);
    let expected = TlsConfigError::NameTwice {
        name: "x.test".to_owned(),
        first: 0,
        second: 1,
    };
    assert_eq!(twice, expected);
    let mut row = plain(a);
    row.client_auth = ClientAuth::Required(Vec::new());
    assert!(matches!(make(vec![row]), TlsConfigError::NoRoots(_)));
}
