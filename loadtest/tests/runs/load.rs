//! Load: how requests reach a server, and what they look like there.
//!
//! Shape: a server that notes what it saw beside the generator's own figures. Units: counts.
//! Errors: as the tests say. Source: docs/load-testing.md.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex, atomic::Ordering},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tidegate_loadtest::{options::Pace, run};

use crate::{
    SECOND, figures, options,
    server::{Request, answer, serve, serve_tls},
};

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

#[test]
fn the_server_sees_as_many_as_were_sent() {
    let server = serve(|_: &Request| answer("200 OK", "", b"x"));
    // Name, pipelining, new connections, closed, rate.
    let rows = [
        ("kept", 1, false, false),
        ("pipelined", 8, false, false),
        ("new", 1, true, false),
        ("closed", 1, false, true),
        ("closed, pipelined", 4, false, true),
    ];
    for (name, pipelining, fresh, closed) in rows {
        let before = (server.count(), server.connections.load(Ordering::SeqCst));
        let mut wanted = options(&server, 1000.0, SECOND / 2);
        wanted.pipelining = pipelining;
        wanted.fresh = fresh;
        wanted.requests_max = 2000;
        if closed {
            wanted.pace = Pace::Closed { think_ns: 0 };
        }
        let figures = figures(&wanted);
        let seen = server.count() - before.0;
        let connections = server.connections.load(Ordering::SeqCst) - before.1;
        assert_eq!(seen, figures.counts.sent, "{name}");
        assert_eq!(
            figures.counts.ok, figures.counts.sent,
            "{name}: {:?}",
            figures.counts
        );
        assert!(closed || figures.counts.scheduled == 500, "{name}");
        assert!(figures.counts.scheduled <= 2000, "{name}: bounded in count");
        assert_eq!(connections, if fresh { seen } else { 8 }, "{name}");
    }
}

#[test]
fn scenarios_keys_and_holes_arrive() {
    let seen: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let server = serve(move |request: &Request| {
        let line = request.head.lines().next().unwrap_or("").to_owned();
        let key = request.field("x-api-key").unwrap_or("-").to_owned();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let word = format!("{line} {key} {body}");
        *noted.lock().expect("no panic").entry(word).or_default() += 1;
        answer("200 OK", "", b"x")
    });
    let scenario = file(
        "[[request]]\nweight = 3\npath = \"/a/${1..2}\"\n[[request]]\npath = \"/b\"\n\
         body = \"n=${7..7}\"\nheaders = { x-api-key = \"${key}\" }\n",
    );
    let keys = file("# keys\nalpha\n\nbeta\n");
    let mut wanted = options(&server, 2000.0, SECOND / 2);
    wanted.scenario = Some(scenario.path().to_owned());
    wanted.keys = Some(keys.path().to_owned());
    let figures = figures(&wanted);
    assert_eq!(figures.counts.ok, 1000);
    let seen = seen.lock().expect("no panic");
    let share = |word: &str| seen.get(word).copied().unwrap_or(0) as f64 / 1000.0;
    for (word, expected) in [
        ("GET /a/1 HTTP/1.1 - ", 0.375),
        ("GET /a/2 HTTP/1.1 - ", 0.375),
        ("POST /b HTTP/1.1 alpha n=7", 0.125),
        ("POST /b HTTP/1.1 beta n=7", 0.125),
    ] {
        assert!((share(word) - expected).abs() < 0.06, "{word}: {seen:?}");
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn an_access_log_is_replayed() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let server = serve(move |request: &Request| {
        let line = request.head.lines().next().unwrap_or("").to_owned();
        noted.lock().expect("no panic").push(line);
        answer("200 OK", "", b"x")
    });
    let line = |ms: u32, method: &str, path: &str| {
        format!("{{\"httpMethod\":\"{method}\",\"path\":\"{path}\",\"requestTimeEpoch\":{ms}}}\n")
    };
    let log = file(
        &[
            line(1000, "GET", "/a"),
            line(1400, "DELETE", "/b"),
            line(1800, "GET", "/a"),
        ]
        .concat(),
    );
    let mut wanted = options(&server, 1.0, SECOND);
    wanted.replay = Some(log.path().to_owned());
    wanted.replay_speed = 2.0;
    let figures = figures(&wanted);
    assert_eq!(figures.plan.arrivals, "trace");
    assert!(
        (figures.plan.duration_s - 0.4).abs() < 1e-6,
        "{}",
        figures.plan.duration_s
    );
    let seen = seen.lock().expect("no panic");
    assert_eq!(
        *seen,
        ["GET /a HTTP/1.1", "DELETE /b HTTP/1.1", "GET /a HTTP/1.1"]
    );
}

#[test]
fn tls_resumes_or_does_not() {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let roots = file(&certificate.pem());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("a server");
    let server = serve_tls(Arc::new(config), |_: &Request| answer("200 OK", "", b"x"));
    for (no_resumption, fresh) in [(false, true), (true, true), (false, false)] {
        let mut wanted = options(&server, 40.0, SECOND / 2);
        wanted.url = format!("https://localhost:{}/", server.address.port());
        wanted.connections = 2;
        wanted.fresh = fresh;
        wanted.tls.ca = Some(roots.path().to_owned());
        wanted.tls.no_resumption = no_resumption;
        let counts = figures(&wanted).counts;
        assert_eq!(counts.ok, 20, "{counts:?}");
        let expected = if no_resumption || !fresh {
            0..=0
        } else {
            10..=20
        };
        assert!(
            expected.contains(&counts.resumed),
            "{no_resumption} {fresh}: {counts:?}"
        );
        assert_eq!(counts.connects, if fresh { 20 } else { 2 });
    }
    // Nobody vouches for it without its root.
    let mut wanted = options(&server, 40.0, SECOND / 5);
    wanted.url = format!("https://localhost:{}/", server.address.port());
    let stranger = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let stranger = stranger
        .self_signed(&KeyPair::generate().expect("a key"))
        .expect("a root");
    let other = file(&stranger.pem());
    wanted.tls.ca = Some(other.path().to_owned());
    let plan = Arc::new(wanted.plan().expect("a plan"));
    let fault = run::run(&plan, &Arc::default(), &mut ()).expect_err("nobody trusts it");
    assert!(fault.to_string().contains("TLS"), "{fault}");
}

#[test]
fn nobody_there_is_said_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let mut wanted = tidegate_loadtest::options::Options::new(&format!("http://127.0.0.1:{port}/"));
    wanted.duration_ns = SECOND / 5;
    let plan = Arc::new(wanted.plan().expect("a plan"));
    let fault = run::run(&plan, &Arc::default(), &mut ()).expect_err("refused");
    assert!(matches!(fault, run::Fault::Unreachable(..)), "{fault}");
}

#[test]
fn what_cannot_be_had_is_refused_before_a_byte_leaves() {
    let server = serve(|_: &Request| answer("200 OK", "", b"x"));
    let refused = |change: fn(&mut tidegate_loadtest::options::Options)| {
        let mut wanted = options(&server, 10.0, SECOND);
        change(&mut wanted);
        wanted
            .plan()
            .err()
            .map(|fault| fault.to_string())
            .unwrap_or_default()
    };
    assert!(refused(|o| o.url = "http://192.0.2.1/".into()).contains("--allow-remote"));
    assert!(refused(|o| o.connections = 2_000_000).contains("--connections"));
    assert!(refused(|o| o.connections = 900_000).contains("descriptors"));
    assert!(refused(|o| o.duration_ns = 100_000 * SECOND).contains("24 hours"));
    assert!(refused(|o| o.request.path = Some("/${key}".into())).contains("--key-file"));
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}
