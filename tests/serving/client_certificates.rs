//! Client certificates of stages, with nginx at the other end.
//!
//! What it is: which certificate nginx is shown on which connection, that stages share none, and how
//! a certificate is rotated. Shape: one nginx that tells whom it sees, one gateway of three stages.
//! Units: requests. Errors: a missing nginx fails with a word about it (it is the Debian package
//! `nginx-light`). Source: nginx's documentation of `ssl_verify_client`; Amazon API Gateway developer
//! guide, "generate and configure an SSL certificate for backend authentication".

#![allow(clippy::disallowed_methods)] // real time: the outside world

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::common::{
    self, Client, Gateway, authority::Authority, origin_settings, run, signal, text, wait_for,
    write,
};

/// Tells the subject and the serial number of what it was shown, whether the session was resumed,
/// and which connection it is. Each connection carries four requests.
const CONFIGURATION: &str = r#"
daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 4;
    ssl_certificate origin.pem;
    ssl_certificate_key origin.key;
    ssl_session_cache shared:sessions:1m;
    ssl_client_certificate trusted.pem;
    server {
        listen ADDRESS ssl;
        ssl_verify_client MODE;
        location / {
            default_type text/plain;
            add_header Cache-Control "max-age=1, stale-while-revalidate=60";
            return 200 "$ssl_client_verify|$ssl_client_s_dn|$ssl_client_serial|$connection|$ssl_session_reused|$msec";
        }
    }
}
"#;

/// Every stage has an endpoint that streams and one that maps.
const DOCUMENT: &str = r#"
openapi: 3.0.1
info: { title: Shown, version: "1" }
paths:
  /streams:
    get:
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        { type: http_proxy, httpMethod: GET, uri: "https://origin.test/streams" }
  /maps:
    get:
      responses: { "200": { description: ok } }
      x-amazon-apigateway-integration:
        type: http
        httpMethod: GET
        uri: https://origin.test/maps
        responses: { default: { statusCode: "200" } }
"#;

struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// In `dir`, which holds its certificates; `mode` is that of `ssl_verify_client`.
    fn start(dir: &Path, mode: &str) -> Nginx {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let configuration = CONFIGURATION.replace("ADDRESS", &address.to_string());
        let configuration = configuration.replace("MODE", mode);
        fs::write(dir.join("nginx.conf"), configuration).expect("written");
        let known = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
        let Some(program) = known.into_iter().find(|path| Path::new(path).exists()) else {
            panic!("nginx is needed as an origin: install the package `nginx-light`");
        };
        let child = Command::new(program)
            .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
            .arg(format!("{}/", text(dir)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let nginx = Nginx { child, address };
        wait_for("nginx", 10_000, || TcpStream::connect(address).is_ok());
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with their master only when it is asked, not when it is killed.
        if self.child.try_wait().ok().flatten().is_none() {
            signal(self.child.id(), libc::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

/// Makes a certificate with the product's own command.
fn generate(dir: &Path, name: &str, more: &[&str]) {
    let arguments = ["client-certificate", "generate", name, "--out", text(dir)];
    let output = run(
        env!("CARGO_BIN_EXE_tidegate"),
        &[&arguments, more].concat(),
        "",
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}

/// A folder with the origin's certificate and those of the stages `one` and `two`.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(&dir, "root");
    authority.issue(&dir, "origin", &["origin.test"]);
    generate(dir.path(), "one", &[]);
    generate(dir.path(), "two", &[]);
    trust(dir.path(), &["one", "two"]);
    dir
}

/// What nginx believes from its next start or reload on.
fn trust(dir: &Path, names: &[&str]) {
    let all: String = names
        .iter()
        .map(|name| fs::read_to_string(dir.join(format!("{name}.pem"))).expect("a certificate"))
        .collect();
    fs::write(dir.join("trusted.pem"), all).expect("written");
}

/// A gateway of one core with the stages `one`, `two` and `bare` in front of nginx.
fn gateway(folder: &tempfile::TempDir, nginx: &Nginx, more: &str) -> Gateway {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let shown = |name: &str| {
        format!(
            "[client_certificates.{name}]\ncertificate = \"{}\"\nkey = \"{}\"\n",
            path(&format!("{name}.pem")),
            path(&format!("{name}.key"))
        )
    };
    let origin = origin_settings(&format!("https://{}", nginx.address), more);
    let own = tempfile::tempdir().expect("a folder");
    write(&own, "shown.yaml", DOCUMENT);
    let settings = format!(
        "[server]\nworkers = 1\ndrain_delay_ms = 0\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         {}{}{origin}[origins.o.tls]\nroots = \"{}\"\n\
         [[apis]]\ndocument = \"shown.yaml\"\nid = \"shown\"\n[apis.stages.bare]\n\
         [apis.stages.one]\nclient_certificate_id = \"one\"\n\
         [apis.stages.two]\nclient_certificate_id = \"two\"\n\
         [[apis]]\ndocument = \"shown.yaml\"\nid = \"kept\"\nedge_cache = \"brief\"\n\
         [apis.stages.kept]\nclient_certificate_id = \"one\"\n\
         [cache]\npath = \"{}\"\ncapacity = \"64 MiB\"\n[cache.policies.brief]\n",
        shown("one"),
        shown("two"),
        path("root.pem"),
        own.path().join("cache").display(),
    );
    Gateway::start_in(own, &settings, common::DOCUMENT)
}

/// What nginx says about one request.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Seen {
    verified: String,
    subject: String,
    serial: String,
    connection: String,
    resumed: bool,
    moment: String,
}

fn ask(client: &mut Client, stage: &str, path: &str) -> Seen {
    let request = format!("GET /{stage}/{path} HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.ask(&request), 200, "{}", client.text());
    let text = client.text();
    let body = text.split("\r\n\r\n").nth(1).unwrap_or("");
    let parts: Vec<&str> = body.split('|').collect();
    let [verified, subject, serial, connection, resumed, moment] = parts[..] else {
        panic!("{text}");
    };
    Seen {
        verified: verified.to_owned(),
        subject: subject.to_owned(),
        serial: serial.to_owned(),
        connection: connection.to_owned(),
        resumed: resumed == "r",
        moment: moment.to_owned(),
    }
}

const STAGES: [(&str, &str, &str); 3] = [
    ("bare", "NONE", ""),
    ("one", "SUCCESS", "CN=one"),
    ("two", "SUCCESS", "CN=two"),
];

#[test]
fn stages_never_share_a_connection() {
    let dir = folder();
    let nginx = Nginx::start(dir.path(), "optional");
    // With room for all connections, and for one alone, where each stage closes the other's.
    for (more, is_kept) in [("", true), ("max_connections = 1\n", false)] {
        let gateway = gateway(&dir, &nginx, more);
        let mut client = Client::connect(gateway.address());
        let mut connections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut resumed = BTreeSet::new();
        for turn in 0..24 {
            for (stage, verified, subject) in STAGES {
                let path = if turn % 2 == 0 { "streams" } else { "maps" };
                let seen = ask(&mut client, stage, path);
                assert_eq!(seen.verified, verified, "{stage}/{path}: {seen:?}");
                assert_eq!(seen.subject, subject, "{stage}/{path}: {seen:?}");
                if seen.resumed {
                    resumed.insert(stage);
                }
                connections.entry(stage).or_default().push(seen.connection);
            }
        }
        let each = |list: &Vec<String>| list.iter().cloned().collect::<BTreeSet<String>>();
        let sets: Vec<BTreeSet<String>> = connections.values().map(each).collect();
        let all: BTreeSet<&String> = sets.iter().flatten().collect();
        let sum: usize = sets.iter().map(BTreeSet::len).sum();
        assert_eq!(
            all.len(),
            sum,
            "a connection of two stages: {connections:?}"
        );
        // Connections were used again, and there were others whose sessions were resumed.
        for (stage, list) in &connections {
            let count = each(list).len();
            let expected = if is_kept { list.len() / 4 } else { list.len() };
            assert_eq!(count, expected, "{stage} {more}");
            assert!(resumed.contains(stage), "{stage} never resumed a session");
        }
    }
}

#[test]
fn a_backend_refuses_whom_it_does_not_know() {
    let dir = folder();
    trust(dir.path(), &["one"]);
    let nginx = Nginx::start(dir.path(), "on");
    let gateway = gateway(&dir, &nginx, "");
    let mut client = Client::connect(gateway.address());
    for (stage, expected) in [("one", 200), ("two", 400), ("bare", 400), ("one", 200)] {
        let request = format!("GET /{stage}/streams HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.ask(&request), expected, "{stage}: {}", client.text());
    }
}

#[test]
fn a_certificate_is_rotated_by_a_reload() {
    let dir = folder();
    // nginx trusts the next certificate already.
    let next = dir.path().join("next");
    fs::create_dir(&next).expect("made");
    generate(&next, "one", &[]);
    trust(dir.path(), &["one", "next/one", "two"]);
    let nginx = Nginx::start(dir.path(), "optional");
    let gateway = gateway(&dir, &nginx, "");
    let mut client = Client::connect(gateway.address());
    let before = ask(&mut client, "one", "streams");
    let other = ask(&mut client, "two", "streams");
    for file in ["one.pem", "one.key"] {
        fs::rename(next.join(file), dir.path().join(file)).expect("moved");
    }
    assert_eq!(
        ask(&mut client, "one", "streams").serial,
        before.serial,
        "nothing changes by itself"
    );
    signal(gateway.pid(), libc::SIGHUP);
    wait_for("revision 2", 10_000, || {
        gateway.said().contains("revision 2")
    });
    let mut client = Client::connect(gateway.address());
    for _ in 0..8 {
        let now = ask(&mut client, "one", "streams");
        assert_eq!((&*now.verified, &*now.subject), ("SUCCESS", "CN=one"));
        assert_ne!(now.serial, before.serial);
        assert_eq!(ask(&mut client, "two", "streams").serial, other.serial);
    }
    // A pair that does not fit is refused, and the last good one is shown on.
    generate(dir.path(), "stranger", &[]);
    fs::copy(dir.path().join("stranger.key"), dir.path().join("one.key")).expect("copied");
    let now = ask(&mut client, "one", "streams");
    signal(gateway.pid(), libc::SIGHUP);
    wait_for("a refusal", 10_000, || {
        gateway.said().contains("reload refused")
    });
    let said = gateway.said();
    assert!(said.contains("[client_certificates.one]"), "{said}");
    assert_eq!(ask(&mut client, "one", "streams").serial, now.serial);
}

/// What is fetched anew behind a stale answer is asked for as the stage, too.
#[test]
fn a_refresh_shows_what_its_stage_shows() {
    let dir = folder();
    let nginx = Nginx::start(dir.path(), "optional");
    let gateway = gateway(&dir, &nginx, "");
    let mut client = Client::connect(gateway.address());
    let first = ask(&mut client, "kept", "streams");
    assert_eq!(first.subject, "CN=one");
    wait_for("a newer answer", 20_000, || {
        let seen = ask(&mut client, "kept", "streams");
        assert_eq!(seen.subject, "CN=one", "{seen:?}");
        seen.moment != first.moment
    });
}

/// openssl reads what was made: who it is about, how long it is valid, what it is for.
#[test]
fn a_generated_certificate_is_valid_for_a_year() {
    let dir = tempfile::tempdir().expect("a folder");
    generate(dir.path(), "backend", &[]);
    let file = dir.path().join("backend.pem");
    let read = |more: &[&str]| {
        let arguments = ["x509", "-in", text(&file), "-noout"];
        let output = run("openssl", &[&arguments, more].concat(), "");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let about = read(&[
        "-subject",
        "-issuer",
        "-ext",
        "extendedKeyUsage,basicConstraints",
    ]);
    for words in [
        "subject=CN = backend",
        "issuer=CN = backend",
        "TLS Web Client",
        "CA:FALSE",
    ] {
        let plain = words.replace(" = ", "=");
        assert!(
            about.contains(words) || about.contains(&plain),
            "{words}: {about}"
        );
    }
    // Valid in 364 days, not in 366.
    for (days, expected) in [(364, "will not expire"), (366, "will expire")] {
        let seconds = (days * 86_400).to_string();
        let said = read(&["-checkend", &seconds]);
        assert!(said.contains(expected), "{days}: {said}");
    }
    // Backends that trust an old one beside it take both.
    let (old, both) = (dir.path().join("old.pem"), dir.path().join("both.pem"));
    fs::rename(&file, &old).expect("moved");
    generate(dir.path(), "backend", &["--replace"]);
    let trusted = [&old, &file].map(|file| fs::read(file).expect("a certificate"));
    fs::write(&both, trusted.concat()).expect("written");
    for file in [&old, &file] {
        let purpose = ["verify", "-purpose", "sslclient", "-CAfile", text(&both)];
        let output = run("openssl", &[&purpose[..], &[text(file)]].concat(), "");
        assert!(output.status.success(), "{output:?}");
    }
    let arguments = [
        "client-certificate",
        "generate",
        "backend",
        "--out",
        text(dir.path()),
    ];
    let again = run(env!("CARGO_BIN_EXE_tidegate"), &arguments, "");
    assert_eq!(again.status.code(), Some(1), "{again:?}");
}
