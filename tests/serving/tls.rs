//! TLS of the binary, with curl and OpenSSL at the other end.
//!
//! What it is: towards clients, certificates by name, versions, resumption and limits; towards
//! origins, verification and a client certificate. Shape: one gateway a test, certificates of an
//! authority made for it. Units: milliseconds. Errors: a missing `curl` or `openssl` fails.
//! Source: RFC 8446, RFC 5246, RFC 6066, RFC 7301, RFC 9110 section 15.5.20.

#![allow(clippy::disallowed_methods)] // real time: the outside world

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Instant,
};

use tidegate_edge::{
    base::time::Wall,
    net::tls::{
        TlsClock, TlsVersion,
        client::{OriginTls, OriginTlsSettings, Verify, server_name},
        provider,
    },
};

use crate::common::{
    self, Client, End, Gateway, Origin, authority::Authority, curl, origin_settings, run, signal,
    status, text, wait_for, write,
};

const REQUEST: &str = "GET /dev/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// Settings with TLS on 127.0.0.1 and certificates for a.test and b.test.
fn settings(origin: SocketAddr, workers: u32, more: &str) -> String {
    format!(
        "[server]\nworkers = {workers}\ndrain_delay_ms = 0\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\ntls = true\n\
         {}{more}\n\
         [[tls.certificates]]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n\
         [[tls.certificates]]\ncertificate = \"b.pem\"\nkey = \"b.key\"\n",
        origin_settings(&format!("http://{origin}"), "")
    )
}

fn folder() -> (tempfile::TempDir, Authority) {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(&dir, "root");
    authority.issue(&dir, "a", &["a.test"]);
    authority.issue(&dir, "b", &["b.test", "*.b.test"]);
    (dir, authority)
}

fn gateway(origin: SocketAddr, workers: u32, more: &str) -> Gateway {
    let (dir, _) = folder();
    Gateway::start_in(dir, &settings(origin, workers, more), common::DOCUMENT)
}

fn file(gateway: &Gateway, name: &str) -> String {
    text(&gateway.dir.path().join(name)).to_owned()
}

/// What `openssl s_client` tells about a connection that sends one request.
fn s_client(gateway: &Gateway, name: &str, more: &[&str]) -> String {
    let (to, roots) = (gateway.address().to_string(), file(gateway, "root.pem"));
    let mut arguments = vec![
        "s_client",
        "-connect",
        &to,
        "-servername",
        name,
        "-CAfile",
        &roots,
    ];
    arguments.extend_from_slice(&["-verify_return_error", "-ign_eof"]);
    arguments.extend_from_slice(more);
    let output = run("openssl", &arguments, REQUEST);
    let (out, err) = (output.stdout, output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(&out),
        String::from_utf8_lossy(&err)
    )
}

/// curl's status and body for `https://NAME/dev/x`.
fn ask(gateway: &Gateway, name: &str, more: &[&str]) -> String {
    let (address, roots) = (gateway.address(), file(gateway, "root.pem"));
    let resolve = format!("{name}:{}:127.0.0.1", address.port());
    let url = format!("https://{name}:{}/dev/x", address.port());
    let mut arguments = vec![
        "--cacert",
        &roots,
        "--resolve",
        &resolve,
        "-w",
        " %{http_code}",
    ];
    arguments.extend_from_slice(more);
    arguments.push(&url);
    curl(&arguments)
}

#[test]
fn names_pick_certificates_and_versions_are_kept_to() {
    let origin = Origin::ok();
    let gateway = gateway(origin.address, 1, "");
    // name, more for curl, expected
    let rows: &[(&str, &[&str], &str)] = &[
        ("a.test", &[], "ok 200"),
        ("b.test", &[], "ok 200"),
        ("x.b.test", &[], "ok 200"),
        ("a.test", &["--tls-max", "1.2"], "ok 200"),
        ("a.test", &["--tlsv1.3"], "ok 200"),
        ("a.test", &["--http2"], "ok 200"),
        ("a.test", &["-H", "Host: b.test"], "421"),
        ("b.test", &["-H", "Host: c.b.test"], "ok 200"),
        ("b.test", &["-H", "Host: c.d.b.test"], "421"),
        ("c.test", &[], "curl: (60)"), // the first certificate does not verify
    ];
    for (name, more, expected) in rows {
        let got = ask(&gateway, name, more);
        assert!(got.contains(expected), "{name} {more:?}: {got}");
    }
    assert!(
        origin.last_seen().contains("X-Forwarded-Proto: https\r\n"),
        "{}",
        origin.last_seen()
    );
    // s_client's arguments, what it must say
    let rows: &[(&[&str], &[&str])] = &[
        (
            &["-tls1_2"],
            &["Protocol  : TLSv1.2", "Verify return code: 0 (ok)"],
        ),
        (&["-tls1_3"], &["New, TLSv1.3", "200 OK"]),
        (
            &["-alpn", "h2,http/1.1"],
            &["ALPN protocol: http/1.1", "200 OK"],
        ),
        (&[], &["No ALPN negotiated", "200 OK"]),
        (
            &["-alpn", "http/1.0,http/1.1"],
            &["ALPN protocol: http/1.1", "200 OK"],
        ),
        (&["-alpn", "h2"], &["alert number 120"]),
        (
            &["-alpn", "http/1.0"],
            &["alert number 120"], // no_application_protocol
        ),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], &["alert"]),
    ];
    for (arguments, expected) in rows {
        let said = s_client(&gateway, "a.test", arguments);
        let all = expected.iter().all(|words| said.contains(words));
        assert!(all, "{arguments:?} {expected:?}: {said}");
    }
}

#[test]
fn version_1_2_can_be_refused() {
    let origin = Origin::ok();
    let gateway = gateway(origin.address, 1, "[tls]\nmin_version = \"1.3\"\n");
    assert_eq!(ask(&gateway, "a.test", &["--tlsv1.3"]), "ok 200");
    let refused = ask(&gateway, "a.test", &["--tls-max", "1.2"]);
    assert!(refused.contains("curl: (35)"), "{refused}");
}

/// A domain brings its certificate and its policy; the names of `[tls]` keep theirs.
#[test]
fn a_domain_has_a_certificate_and_a_policy() {
    let origin = Origin::ok();
    let domain = |name: &str, policy: &str| {
        format!(
            "[[domains]]\nname = \"{name}.test\"\ncertificate = \"{name}.pem\"\n\
             key = \"{name}.key\"\nsecurity_policy = \"{policy}\"\n"
        )
    };
    let newest = "SecurityPolicy_TLS13_1_3_2025_09";
    // Nothing is mapped, so that a handshake that succeeds ends in 403.
    let domains = [
        domain("old", "TLS_1_2"),
        domain("new", newest),
        "[[domains]]\nname = \"*.old.test\"\n".to_owned(),
    ];
    let (refused, served) = ("curl: (35)", "403");
    // oldest version of the others, name, more for curl, expected
    let rows: &[(&str, &str, &[&str], &str)] = &[
        ("1.2", "old.test", &["--tls-max", "1.2"], served),
        ("1.2", "x.old.test", &["--tls-max", "1.2"], served),
        ("1.2", "new.test", &["--tls-max", "1.2"], refused),
        ("1.2", "new.test", &["--tlsv1.3"], served),
        ("1.2", "a.test", &["--tls-max", "1.2"], "ok 200"),
        ("1.2", "old.test", &["-H", "Host: new.test"], "421"),
        ("1.3", "old.test", &["--tls-max", "1.2"], served),
        ("1.3", "new.test", &["--tls-max", "1.2"], refused),
        ("1.3", "a.test", &["--tls-max", "1.2"], refused),
        ("1.3", "a.test", &["--tlsv1.3"], "ok 200"),
    ];
    for min_version in ["1.2", "1.3"] {
        let (dir, authority) = folder();
        authority.issue(&dir, "old", &["old.test", "*.old.test"]);
        authority.issue(&dir, "new", &["new.test"]);
        let more = format!(
            "{}[tls]\nmin_version = \"{min_version}\"\n",
            domains.concat()
        );
        let settings = settings(origin.address, 1, &more);
        let gateway = Gateway::start_in(dir, &settings, common::DOCUMENT);
        for (of, name, more, expected) in rows {
            if *of == min_version {
                let got = ask(&gateway, name, more);
                assert!(got.contains(expected), "{of} {name} {more:?}: {got}");
            }
        }
        for (name, subject) in [("old.test", "old"), ("new.test", "new"), ("b.test", "b")] {
            let said = s_client(&gateway, name, &[]);
            let found = said.contains(&format!("subject=CN = {subject}\n"))
                || said.contains(&format!("subject=CN={subject}\n"));
            assert!(found, "{name}: {said}");
        }
    }
}

/// Suites outside a domain's policy are refused, those inside are taken.
#[test]
fn a_policy_chooses_suites() {
    let origin = Origin::ok();
    let (dir, authority) = folder();
    let policies = [
        ("legacy", "TLS_1_2"),
        ("edge", "SecurityPolicy_TLS12_PFS_2025_EDGE"),
        ("hybrid", "SecurityPolicy_TLS13_1_2_PQ_2025_09"),
        ("new", "SecurityPolicy_TLS13_1_3_2025_09"),
    ];
    let mut domains = String::new();
    for (name, policy) in policies {
        authority.issue(&dir, name, &[&format!("{name}.test")]);
        domains += &format!(
            "[[domains]]\nname = \"{name}.test\"\ncertificate = \"{name}.pem\"\n\
             key = \"{name}.key\"\nsecurity_policy = \"{policy}\"\n"
        );
    }
    let settings = settings(origin.address, 1, &domains);
    let gateway = Gateway::start_in(dir, &settings, common::DOCUMENT);
    let (refused, no_version) = ("alert number 40", "alert number 70");
    let taken = |suite: &str| format!("Cipher is {suite}\n");
    let (gcm, chacha20) = (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    );
    let cbc = "ECDHE-ECDSA-AES128-SHA256";
    // name, a suite of TLS 1.2, expected
    for (name, suite, expected) in [
        ("legacy", gcm, &*taken(gcm)),
        ("legacy", chacha20, refused),
        ("legacy", cbc, refused),
        ("edge", gcm, &*taken(gcm)),
        ("edge", chacha20, &*taken(chacha20)),
        ("edge", cbc, refused),
        ("hybrid", gcm, &*taken(gcm)),
        ("hybrid", chacha20, refused),
        ("new", gcm, no_version),
        ("a", chacha20, &*taken(chacha20)), // as `[tls]` says
        ("a", cbc, refused),
    ] {
        let host = format!("{name}.test");
        let said = s_client(&gateway, &host, &["-tls1_2", "-cipher", suite]);
        assert!(said.contains(expected), "{name} {suite}: {said}");
    }
    for suite in [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    ] {
        for name in ["legacy", "edge", "hybrid", "new"] {
            let host = format!("{name}.test");
            let said = s_client(&gateway, &host, &["-tls1_3", "-ciphersuites", suite]);
            assert!(said.contains(&taken(suite)), "{name} {suite}: {said}");
        }
    }
}

#[test]
fn sessions_resume_on_every_worker() {
    let origin = Origin::ok();
    let gateway = gateway(origin.address, 2, "");
    for version in ["-tls1_2", "-tls1_3"] {
        let session = file(&gateway, &format!("session{version}"));
        let first = s_client(&gateway, "a.test", &[version, "-sess_out", &session]);
        assert!(first.contains("New, "), "{first}");
        // Connections are spread by their port: eight miss a worker once in 128 runs.
        for _ in 0..8 {
            let again = s_client(&gateway, "a.test", &[version, "-sess_in", &session]);
            assert!(again.contains("Reused, "), "{version}: {again}");
            assert!(again.contains("200 OK"), "{version}: {again}");
        }
    }
}

#[test]
fn a_session_of_one_name_does_not_open_another() {
    let origin = Origin::ok();
    let gateway = gateway(origin.address, 1, "");
    let session = file(&gateway, "session");
    s_client(&gateway, "a.test", &["-tls1_3", "-sess_out", &session]);
    let other = s_client(&gateway, "b.test", &["-tls1_3", "-sess_in", &session]);
    assert!(!other.contains("Reused, "), "{other}");
}

#[test]
fn certificates_follow_a_reload() {
    let origin = Origin::ok();
    let (dir, authority) = folder();
    let gateway = Gateway::start_in(dir, &settings(origin.address, 1, ""), common::DOCUMENT);
    let certificate = |gateway: &Gateway| {
        let said = s_client(gateway, "a.test", &[]);
        let from = said.find("-----BEGIN").unwrap_or_else(|| panic!("{said}"));
        said[from..]
            .split("-----END")
            .next()
            .unwrap_or("")
            .to_owned()
    };
    let before = certificate(&gateway);
    authority.issue(&gateway.dir, "a", &["a.test"]);
    signal(gateway.pid(), libc::SIGHUP);
    wait_for("revision 2", 10_000, || {
        gateway.said().contains("revision 2")
    });
    wait_for("the new certificate", 10_000, || {
        certificate(&gateway) != before
    });
    let now = certificate(&gateway);
    write(&gateway.dir, "a.key", "no key\n");
    signal(gateway.pid(), libc::SIGHUP);
    wait_for("a refusal", 10_000, || {
        gateway.said().contains("reload refused")
    });
    assert_eq!(certificate(&gateway), now, "the last good one serves");
}

#[test]
fn handshakes_have_their_time_and_number() {
    let origin = Origin::ok();
    let limits = "[limits]\ntls_handshake_ms = 400\ntls_handshakes_max = 2\n";
    let gateway = gateway(origin.address, 1, limits);
    let mut silent = Client::connect(gateway.address());
    let mut dripping = Client::connect(gateway.address());
    let begun = Instant::now();
    dripping.send([0x16, 3, 1, 2, 0, 1]);
    silent.hear(50);
    let mut third = Client::connect(gateway.address());
    assert_ne!(third.hear(200), End::Open, "a third handshake");
    for _ in 0..6 {
        dripping.send([0]);
        dripping.hear(50);
    }
    assert_ne!(silent.hear(2_000), End::Open, "silent");
    assert_ne!(dripping.hear(2_000), End::Open, "dripping");
    assert!(begun.elapsed().as_millis() < 2_000);
    assert_eq!(ask(&gateway, "a.test", &[]), "ok 200", "room again");
    let mut plain = Client::connect(gateway.address());
    plain.send(REQUEST);
    assert_ne!(plain.hear(2_000), End::Open, "no TLS at all");
    assert_eq!(status(&plain.heard), 0, "{}", plain.text());
}

/// A client hello of exactly `bytes_len` bytes, its record headers included.
fn hello(bytes_len: usize) -> Vec<u8> {
    const RECORD_BYTES_MAX: usize = 1 << 14;
    let now = Wall(1_781_481_600_000);
    let settings = OriginTlsSettings {
        verify: Verify::InsecureSkip,
        identity: None,
        version_min: TlsVersion::V12,
    };
    let tls = OriginTls::new(settings, &provider(), &TlsClock::new(now)).expect("a client");
    let name = server_name("a.test").expect("a name");
    let mut records = Vec::new();
    tls.session(&name)
        .expect("a session")
        .take_output(&mut records);
    // One record with one message: type, 24 bits of length, version, random, then three lists and
    // the extensions, which a padding extension (RFC 7685) makes longer.
    let mut message = records.split_off(5);
    let count = bytes_len.div_ceil(RECORD_BYTES_MAX + 5);
    let padding_len = bytes_len - count * 5 - message.len() - 4;
    let mut extensions_at = 4 + 2 + 32;
    extensions_at += 1 + usize::from(message[extensions_at]);
    extensions_at += 2 + usize::from(u16::from_be_bytes([
        message[extensions_at],
        message[extensions_at + 1],
    ]));
    extensions_at += 1 + usize::from(message[extensions_at]);
    message.extend_from_slice(&[0, 21]);
    message.extend_from_slice(&u16::try_from(padding_len).expect("short").to_be_bytes());
    message.resize(message.len() + padding_len, 0);
    let length = u32::try_from(message.len() - 4).expect("short");
    message[1..4].copy_from_slice(&length.to_be_bytes()[1..]);
    let length = u16::try_from(message.len() - extensions_at - 2).expect("short");
    message[extensions_at..extensions_at + 2].copy_from_slice(&length.to_be_bytes());
    let mut hello = Vec::new();
    for fragment in message.chunks(RECORD_BYTES_MAX) {
        hello.extend_from_slice(&[0x16, 3, 1]);
        hello.extend_from_slice(&u16::try_from(fragment.len()).expect("short").to_be_bytes());
        hello.extend_from_slice(fragment);
    }
    assert_eq!(hello.len(), bytes_len);
    hello
}

#[test]
fn a_hello_has_a_size() {
    let origin = Origin::ok();
    for (limits, most) in [
        ("", 16_384),
        ("[limits]\ntls_hello_bytes_max = 3000\n", 3_000),
        ("[limits]\ntls_hello_bytes_max = 40000\n", 40_000),
    ] {
        let gateway = gateway(origin.address, 1, limits);
        for (bytes_len, served) in [(most - 1, true), (most, true), (most + 1, false)] {
            let hello = hello(bytes_len);
            for piece in [hello.len(), 1_000] {
                let mut client = Client::connect(gateway.address());
                for part in hello.chunks(piece) {
                    client.send(part);
                }
                let end = client.hear_until(3_000, |heard| heard.starts_with(&[0x16, 3, 3]));
                let heard = client.heard.get(..client.heard.len().min(8));
                assert_eq!(end == End::Open, served, "{bytes_len} of {most}: {heard:?}");
                assert_eq!(
                    !client.heard.is_empty(),
                    served,
                    "{bytes_len} of {most}: {heard:?}"
                );
            }
        }
    }
}

#[test]
fn a_cut_answer_is_seen_as_cut() {
    let origin = Origin::serving(|mut stream| {
        let mut input = Vec::new();
        common::read_request(&mut stream, &mut input);
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
        let _ = stream.write_all(head);
    });
    let gateway = gateway(origin.address, 1, "");
    // An HTTP/1.0 client has nothing but the end to go by.
    for more in [&[][..], &["-0", "--no-alpn"][..]] {
        let got = ask(&gateway, "a.test", more);
        assert!(
            got.contains("curl: (56)") || got.contains("curl: (18)"),
            "{more:?}: {got}"
        );
    }
}

#[test]
fn the_proxy_header_stands_before_tls() {
    let origin = Origin::ok();
    let gateway = gateway(
        origin.address,
        1,
        "[[listen]]\naddress = \"127.0.0.2:0\"\ntls = true\n\
         proxy_protocol_from = [\"127.0.0.0/8\"]\n",
    );
    let (address, roots) = (gateway.at(2), file(&gateway, "root.pem"));
    let resolve = format!("a.test:{}:127.0.0.2", address.port());
    let url = format!("https://a.test:{}/dev/x", address.port());
    let common = [
        "--cacert",
        &roots,
        "--resolve",
        &resolve,
        "--interface",
        "127.0.0.7",
    ];
    let with = curl(&[&common[..], &["--haproxy-protocol", &url]].concat());
    assert_eq!(with, "ok");
    assert!(
        origin
            .last_seen()
            .contains("X-Forwarded-For: 127.0.0.7\r\n")
    );
    let without = curl(&[&common[..], &[&url]].concat());
    assert!(without.contains("curl: ("), "{without}");
}

/// `openssl s_server`, which answers any GET with a page about the connection.
struct TlsOrigin {
    child: Child,
    address: SocketAddr,
}

impl TlsOrigin {
    fn start(dir: &tempfile::TempDir, certificate: &str, more: &[&str]) -> TlsOrigin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let child = Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                &address.to_string(),
                "-www",
                "-quiet",
            ])
            .args(["-cert", &format!("{certificate}.pem")])
            .args(["-key", &format!("{certificate}.key")])
            .args(more)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is needed");
        wait_for("s_server", 10_000, || TcpStream::connect(address).is_ok());
        TlsOrigin { child, address }
    }
}

impl Drop for TlsOrigin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn origins_are_verified() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(&dir, "root");
    let stranger = Authority::new(&dir, "stranger");
    authority.issue(&dir, "good", &["origin.test"]);
    authority.issue(&dir, "other", &["other.test"]);
    authority.issue(&dir, "client", &["client.test"]);
    stranger.issue(&dir, "unknown", &["origin.test"]);
    let path = |name: &str| text(&dir.path().join(name)).to_owned();
    let roots = format!("roots = \"{}\"\n", path("root.pem"));
    let identity = format!(
        "client_certificate = \"{}\"\nclient_key = \"{}\"\n",
        path("client.pem"),
        path("client.key")
    );
    let asks: &[&str] = &[
        "-Verify",
        "1",
        "-CAfile",
        "root.pem",
        "-verify_return_error",
    ];
    // name, its certificate, its arguments, our settings, statuses
    let rows: &[(&str, &str, &[&str], String, &[u16])] = &[
        ("TLS 1.3", "good", &["-tls1_3"], roots.clone(), &[200]),
        ("TLS 1.2", "good", &["-tls1_2"], roots.clone(), &[200]),
        ("another name", "other", &[], roots.clone(), &[504]),
        (
            "another name, asked for",
            "other",
            &[],
            format!("{roots}server_name = \"other.test\"\n"),
            &[200],
        ),
        (
            "an unknown authority",
            "unknown",
            &[],
            roots.clone(),
            &[504],
        ),
        ("system roots", "good", &[], String::new(), &[504]),
        (
            "not verified",
            "unknown",
            &[],
            "insecure_skip_verification = true\n".to_owned(),
            &[200],
        ),
        (
            "our certificate",
            "good",
            asks,
            format!("{roots}{identity}"),
            &[200],
        ),
        // With TLS 1.3 the refusal comes behind our handshake.
        (
            "no certificate of ours",
            "good",
            asks,
            roots.clone(),
            &[502, 504],
        ),
    ];
    for (name, certificate, arguments, tls, expected) in rows {
        let origin = TlsOrigin::start(&dir, certificate, arguments);
        let settings = format!(
            "[server]\nworkers = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\n{}[origins.o.tls]\n{tls}",
            origin_settings(&format!("https://{}", origin.address), "")
        );
        let gateway = Gateway::start(&settings);
        let mut client = Client::connect(gateway.address());
        client.send(REQUEST);
        client.hear(10_000);
        let got = status(&client.heard);
        assert!(
            expected.contains(&got),
            "{name}: {}\n{}",
            client.text(),
            gateway.said()
        );
    }
}
