//! nginx as a real origin behind the binary.
//!
//! What it is: what people put behind a gateway, used as they use it. Shape: one nginx and one
//! gateway a test. Units: bytes, milliseconds. Errors: a missing nginx fails with a word about it
//! (it is the Debian package `nginx-light`). Source: nginx's documentation.

#![allow(clippy::disallowed_methods)] // real time: the outside world

use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::common::{Client, Gateway, curl, settings, signal, text, wait_for, write};

struct Nginx {
    child: Child,
    dir: tempfile::TempDir,
    address: SocketAddr,
}

const CONFIGURATION: &str = r#"
daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 256; }
http {
    log_format short '$connection $connection_requests $status $request';
    access_log access.log short;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_max_body_size 100m;
    keepalive_requests 100000;
    types { text/plain txt; }
    default_type application/octet-stream;
    gzip on;
    gzip_types text/plain;
    gzip_min_length 100;
    gzip_proxied any;
    gzip_http_version 1.0;
    server {
        listen ADDRESS;
        root www;
        location /put/ { dav_methods PUT DELETE; create_full_put_path on; }
        location /moved { return 301 /elsewhere; }
        location /empty { return 204; }
    }
}
"#;

impl Nginx {
    fn start() -> Nginx {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let dir = tempfile::tempdir().expect("a folder");
        write(
            &dir,
            "nginx.conf",
            &CONFIGURATION.replace("ADDRESS", &address.to_string()),
        );
        fs::create_dir(dir.path().join("www")).expect("made");
        let lines: String = (0..20_000).map(|line| format!("line {line}\n")).collect();
        write(&dir, "www/lines.txt", &lines);
        write(&dir, "www/small.bin", "0123456789abcdefghij");
        let child = run(&dir);
        let nginx = Nginx {
            child,
            dir,
            address,
        };
        nginx.wait_listening();
        nginx
    }

    fn wait_listening(&self) {
        wait_for("nginx", 10_000, || TcpStream::connect(self.address).is_ok());
    }

    fn stop(&mut self) {
        signal(self.child.id(), libc::SIGTERM);
        self.child.wait().expect("ended");
    }

    fn restart(&mut self) {
        self.child = run(&self.dir);
        self.wait_listening();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("www").join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default()
    }
}

fn run(dir: &tempfile::TempDir) -> Child {
    let program = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false));
    let Some(program) = program else {
        panic!("nginx is needed as an origin: install the package `nginx-light`");
    };
    Command::new(program)
        .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
        .arg(format!("{}/", text(dir.path())))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx starts")
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

#[test]
fn what_nginx_serves_arrives() {
    let nginx = Nginx::start();
    let gateway = Gateway::start(&settings(nginx.address, ""));
    let base = format!("http://{}/dev", gateway.address());
    let lines = fs::read(nginx.file("lines.txt")).expect("the file");
    let url = |path: &str| format!("{base}{path}");
    let kept = gateway.dir.path().join("kept");
    let kept = text(&kept);
    // name, curl's arguments, path, what it prints
    let form = "%{http_code} %{size_download}";
    let rows: &[(&str, &[&str], &str, &str)] = &[
        ("whole", &[], "/lines.txt", "200 208890"),
        ("head", &["-I"], "/small.bin", "200 0"),
        ("range", &["-r", "10-13"], "/small.bin", "206 4"),
        ("no such range", &["-r", "100-"], "/small.bin", "416"),
        ("missing", &[], "/none", "404"),
        ("moved", &[], "/moved", "301"),
        ("empty", &[], "/empty", "204 0"),
        (
            "gzip",
            &["-H", "Accept-Encoding: gzip"],
            "/lines.txt",
            "200 ",
        ),
        ("old client", &["-0"], "/lines.txt", "200 208890"),
        (
            "old client, gzip",
            &["-0", "--compressed"],
            "/lines.txt",
            "200 ",
        ),
        ("delete nothing", &["-X", "DELETE"], "/put/none", "404"),
    ];
    for (name, arguments, path, expected) in rows {
        let target = url(path);
        let got = curl(&[*arguments, &["-o", kept, "-w", form, &target]].concat());
        assert!(got.starts_with(expected), "{name}: {got}");
    }
    for more in [&["--compressed"][..], &["--compressed", "-0"], &[]] {
        let target = url("/lines.txt");
        curl(&[more, &["-o", kept, &target]].concat());
        assert_eq!(fs::read(kept).expect("kept"), lines, "{more:?}");
    }
    let unchanged = curl(&[
        "-z",
        text(&nginx.file("lines.txt")),
        "-o",
        kept,
        "-w",
        form,
        &url("/lines.txt"),
    ]);
    assert!(unchanged.starts_with("304"), "{unchanged}");
}

#[test]
fn what_is_sent_to_nginx_arrives() {
    let nginx = Nginx::start();
    let gateway = Gateway::start(&settings(
        nginx.address,
        "[limits]\nbody_bytes_max = 50000000\n",
    ));
    let base = format!("http://{}/dev/put", gateway.address());
    let large: Vec<u8> = (0..20_000_000u32)
        .map(|index| (index % 251).to_le_bytes()[0])
        .collect();
    let sent = gateway.dir.path().join("sent");
    fs::write(&sent, &large).expect("written");
    let from = text(&sent);
    // name, curl's arguments: declared and announced, chunked, by an old client
    let rows: &[(&str, &[&str])] = &[
        ("declared", &["-T", from]),
        ("not announced", &["-T", from, "-H", "Expect:"]),
        ("chunked", &["-T", from, "-H", "Transfer-Encoding: chunked"]),
        ("old", &["-0", "-T", from]),
    ];
    for (index, (name, arguments)) in rows.iter().enumerate() {
        let target = format!("{base}/{index}.bin");
        let got = curl(&[*arguments, &["-w", "%{http_code}", &target]].concat());
        assert!(got.ends_with("201"), "{name}: {got}");
        let stored = fs::read(nginx.file(&format!("put/{index}.bin"))).expect("stored");
        assert!(stored == large, "{name}: {} bytes", stored.len());
    }
}

#[test]
fn connections_to_nginx_are_used_again() {
    let nginx = Nginx::start();
    let gateway = Gateway::start(&settings(nginx.address, ""));
    let mut client = Client::connect(gateway.address());
    for _ in 0..50 {
        assert_eq!(
            client.ask("GET /dev/small.bin HTTP/1.1\r\nHost: a\r\n\r\n"),
            200
        );
        assert_eq!(client.ask("GET /dev/none HTTP/1.1\r\nHost: a\r\n\r\n"), 404);
    }
    wait_for("the log", 5_000, || nginx.log().lines().count() >= 100);
    let log = nginx.log();
    let numbers: BTreeSet<&str> = log
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(numbers.len(), 1, "{log}");
}

#[test]
fn nginx_may_reload_and_restart() {
    let mut nginx = Nginx::start();
    let gateway = Gateway::start(&settings(nginx.address, ""));
    let (stopped, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stopped, asked) = (Arc::clone(&stopped), Arc::clone(&asked));
            let to = gateway.address();
            thread::spawn(move || {
                let mut failed = Vec::new();
                let mut client = Client::connect(to);
                while !stopped.load(Ordering::Relaxed) {
                    let got = client.ask("GET /dev/small.bin HTTP/1.1\r\nHost: a\r\n\r\n");
                    asked.fetch_add(1, Ordering::Relaxed);
                    if got != 200 {
                        failed.push(client.text());
                    }
                }
                failed
            })
        })
        .collect();
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(200));
        signal(nginx.child.id(), libc::SIGHUP);
    }
    thread::sleep(Duration::from_millis(300));
    stopped.store(true, Ordering::Relaxed);
    let failed: Vec<String> = clients
        .into_iter()
        .flat_map(|client| client.join().expect("ended"))
        .collect();
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked > 100, "only {asked} requests");
    assert_eq!(failed, Vec::<String>::new(), "of {asked}");

    let mut client = Client::connect(gateway.address());
    let request = "GET /dev/small.bin HTTP/1.1\r\nHost: a\r\n\r\n";
    nginx.stop();
    assert_eq!(client.ask(request), 504, "{}", client.text());
    nginx.restart();
    assert_eq!(client.ask(request), 200, "{}", client.text());
}
