//! What an idle TLS session keeps in memory, whoever allocated it.
//!
//! Shape: 512 handshaken server sessions after an exchange of full records; the growth of the C heap divided by
//! their number. The C library under rustls allocates its cipher contexts itself, so a counting
//! Rust allocator would miss them; both use one heap here.
//! A program of its own, because the heap is one for the whole process.
//! Units: bytes. Ranges: the target of the product is 14 KiB with everything else a connection
//! has. Errors: a panic with the figure. Source: mallinfo2(3).

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tidegate_edge::{
    base::time::Wall,
    net::tls::{
        Identity, TlsClock, TlsVersion,
        client::{OriginTls, OriginTlsSettings, Verify, server_name},
        provider,
        server::{ClientAuth, ServerCertificate, ServerTls, ServerTlsSettings},
        session::TlsSession,
        ticket::TicketKeys,
    },
};

const SESSIONS: usize = 512;

/// What a session may keep; the rest of the 14 KiB belongs to the connection around it.
const SESSION_BYTES_MAX: usize = 9 * 1024;

fn heap_bytes() -> usize {
    // SAFETY: mallinfo2 has no arguments and only reads the heap's own counters.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

fn carry(from: &mut TlsSession, to: &mut TlsSession, wire: &mut Vec<u8>) -> bool {
    wire.clear();
    from.take_output(wire);
    // In segments, so that large records wait inside for their ends.
    for mut input in wire.chunks(1_400) {
        while !input.is_empty() {
            to.feed(&mut input).expect("good records");
            while to.read_plain(&mut [0; 512]) > 0 {}
        }
    }
    !wire.is_empty()
}

#[test]
fn an_idle_session_fits_its_budget() {
    let clock = TlsClock::new(Wall(1_781_481_600_000));
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["a.test".to_owned()]).expect("parameters");
    let leaf = params.self_signed(&key).expect("a leaf").der().clone();
    let settings = ServerTlsSettings {
        hello_bytes_max: tidegate_edge::net::tls::session::HELLO_BYTES_MAX,
        certificates: vec![ServerCertificate {
            identity: Identity {
                chain: vec![leaf],
                key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            },
            names: Vec::new(),
            client_auth: ClientAuth::Off,
            policy: None,
        }],
        version_min: TlsVersion::V12,
    };
    let keys = TicketKeys::new(Wall(1_781_481_600_000)).expect("keys");
    let tls = ServerTls::new(settings, &provider(), &keys, &clock).expect("good settings");
    let origin = OriginTlsSettings {
        verify: Verify::InsecureSkip,
        identity: None,
        version_min: TlsVersion::V12,
    };
    let origin = OriginTls::new(origin, &provider(), &clock).expect("good settings");
    let name = server_name("a.test").expect("a name");

    let mut wire = Vec::with_capacity(64 * 1024);
    let mut sessions = Vec::with_capacity(SESSIONS);
    let request = [b'x'; 16_000];
    let mut shake = |sessions: &mut Vec<TlsSession>| {
        let mut client = origin.session(&name).expect("a session");
        let mut server = tls.session();
        while carry(&mut client, &mut server, &mut wire)
            | carry(&mut server, &mut client, &mut wire)
        {}
        assert_eq!(client.write_plain(&request), request.len());
        carry(&mut client, &mut server, &mut wire);
        assert_eq!(server.write_plain(&request), request.len());
        carry(&mut server, &mut client, &mut wire);
        server.trim();
        sessions.push(server);
    };
    // The first ones fill caches that all share.
    for _ in 0..32 {
        shake(&mut sessions);
    }
    let before = heap_bytes();
    for _ in 32..SESSIONS {
        shake(&mut sessions);
    }
    let each = heap_bytes().saturating_sub(before) / (SESSIONS - 32);
    println!("{each} bytes per idle session");
    assert!(each > 1024, "the heap was not measured: {each}");
    assert!(each <= SESSION_BYTES_MAX, "{each} bytes per idle session");
}
