//! Reloads of the real binary, and what operators see of it.
//!
//! Shape: settings are rewritten under a running gateway. Units: none. Errors: a refused
//! configuration that does not say why, a listener that does not follow. Source: RELIABILITY
//! section 9.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use crate::running::{
    client::{Client, Load},
    gateway::{Gateway, settings},
    origin,
};

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

#[test]
fn a_bad_file_leaves_the_last_good_one_serving() {
    let origin = origin::start();
    let gateway = Gateway::start(origin, "");
    let load = Load::start(gateway.address, "/dev/now", 2, 0);
    gateway.configure("[server]\nworkerz = 2\n");
    gateway.signal(libc::SIGHUP);
    gateway.await_that("the reload is counted", |gateway| {
        gateway.ask("GET", "/config").1.contains("\"failed\": 1")
    });
    let (_, config) = gateway.ask("GET", "/config");
    for words in [
        "\"ok\": false",
        "workerz",
        "did you mean",
        "\"revision\": 1",
    ] {
        assert!(config.contains(words), "no {words:?} in {config}");
    }
    let (_, metrics) = gateway.ask("GET", "/metrics");
    assert!(metrics.contains("tidegate_config_loaded 0\n"), "{metrics}");
    let (_, ready) = gateway.ask("GET", "/readyz?verbose");
    assert!(ready.contains("refused"), "{ready}");

    gateway.configure(
        &settings(
            origin,
            "workers = 3\n[process]\ntrial_ms = 0",
            "127.0.0.1:0",
        )
        .replacen("workers = 2\n", "", 1),
    );
    let (status, body) = gateway.ask("POST", "/reload");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("a reload does not change this"), "{body}");
    let (_, metrics) = gateway.ask("GET", "/metrics");
    for line in ["tidegate_config_loaded 1\n", "tidegate_config_revision 2\n"] {
        assert!(metrics.contains(line), "no {line:?}");
    }
    let counted = |metrics: &str| {
        let mut lines = metrics.lines();
        let line = lines.find(|line| {
            line.starts_with("tidegate_latency_seconds_count") && line.contains("dev")
        });
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    let tally = load.stop();
    assert!(tally.failures.is_empty(), "{tally:?}");
    gateway.await_that("histograms know every request", |gateway| {
        counted(&gateway.ask("GET", "/metrics").1).is_some_and(|count| count >= tally.answered)
    });
}

#[test]
fn listeners_follow_a_reload() {
    let origin = origin::start();
    let gateway = Gateway::start(origin, "");
    let port = free_port();
    let second = format!("127.0.0.1:{port}");
    let mut staying = Client::new(gateway.address);
    staying.get("/dev/now").expect("before");
    let both = settings(origin, "", &second) + "[[listen]]\naddress = \"127.0.0.1:0\"\n";
    // Not at the end of a file's tables: the listener of the start is now the second one.
    gateway.configure(&both);
    assert_eq!(gateway.ask("POST", "/reload").0, 200);
    let new = second.parse().expect("an address");
    gateway.await_that("the new one accepts", |_| {
        Client::new(new).get("/dev/now").is_ok()
    });
    Client::new(gateway.address)
        .get("/dev/now")
        .expect("the old one goes on");
    staying.get("/dev/now").expect("its connections too");

    gateway.configure(&settings(origin, "", &second));
    assert_eq!(gateway.ask("POST", "/reload").0, 200);
    gateway.await_that("the old one is closed", |gateway| {
        TcpStream::connect(gateway.address).is_err()
    });
    staying
        .get("/dev/now")
        .expect("connections outlive their listener");
    Client::new(new)
        .get("/dev/now")
        .expect("the new one goes on");

    let occupied = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = occupied.local_addr().expect("bound");
    gateway.configure(&settings(origin, "", &taken.to_string()));
    let (status, body) = gateway.ask("POST", "/reload");
    assert_eq!(status, 409, "{body}");
    assert!(body.contains("another process listens there"), "{body}");
    Client::new(new)
        .get("/dev/now")
        .expect("nothing has changed");
    drop(occupied);
}

/// The status of one request on a connection of its own, behind `greeting`; 0: none.
fn ask(to: SocketAddr, greeting: &str) -> u16 {
    let Ok(mut stream) = TcpStream::connect(to) else {
        return 0;
    };
    let request =
        format!("{greeting}GET /dev/now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer); // a refused greeting may end with a reset
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.unwrap_or(0)
}

#[test]
fn listeners_on_one_address_without_a_port_get_one_each() {
    const GREETING: &str = "PROXY TCP4 192.0.2.1 127.0.0.1 1234 80\r\n";
    let origin = origin::start();
    let greeted = "[[listen]]\naddress = \"127.0.0.1:0\"\nproxy_protocol_from = [\"127.0.0.1\"]\n";
    let mut gateway = Gateway::start(origin, greeted);
    let addresses = |gateway: &Gateway| -> Vec<SocketAddr> {
        let log = gateway.log();
        let rows = log.split("listening on ").skip(1);
        rows.filter_map(|row| row.split(',').next()?.parse().ok())
            .collect()
    };
    let found = addresses(&gateway);
    let &[first, second] = &found[..] else {
        panic!("not two: {found:?}");
    };
    assert_ne!(first, second);
    // Each has its own rules; connections are spread over both workers.
    let both_serve = || {
        for _ in 0..8 {
            let rows = [
                (first, GREETING, 200),
                (first, "", 0),
                (second, "", 200),
                (second, GREETING, 400),
            ];
            for (to, greeting, status) in rows {
                assert_eq!(ask(to, greeting), status, "{to} {greeting:?}");
            }
        }
    };
    both_serve();
    assert_eq!(gateway.ask("POST", "/reload").0, 200);
    both_serve();
    gateway.upgrade();
    assert_eq!(gateway.wait(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(
        addresses(&gateway),
        [first, second, first, second],
        "handed over"
    );
    both_serve();
    // What is left is the first of its address.
    gateway.configure(&settings(origin, "", "127.0.0.1:0"));
    assert_eq!(gateway.ask("POST", "/reload").0, 200);
    gateway.await_that("the second one is closed", |_| {
        TcpStream::connect(second).is_err()
    });
    gateway.await_that("the first one follows", |_| ask(first, "") == 200);
}

#[test]
fn the_command_line_finds_the_gateway_or_says_that_there_is_none() {
    let gateway = Gateway::start(origin::start(), "");
    let (code, said) = gateway.cli(&["origins", "list"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ORIGIN") && said.contains("here"), "{said}");
    let (code, said) = gateway.cli(&["origins", "drain", "test/here"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(Client::new(gateway.address).get("/dev/now").is_err());
    let (code, said) = gateway.cli(&["origins", "drain", "test/there"]);
    assert_eq!(code, Some(1), "{said}");
    let (code, _) = gateway.cli(&["origins", "undrain", "test"]);
    assert_eq!(code, Some(0));
    Client::new(gateway.address)
        .get("/dev/now")
        .expect("in use again");
    let socket = gateway.socket();
    std::fs::rename(&socket, gateway.folder.path().join("elsewhere")).expect("moved");
    let (code, said) = gateway.cli(&["origins", "list"]);
    assert_eq!(code, Some(69), "{said}");
}
