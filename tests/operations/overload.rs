//! The real binary under pressure: what clients and operators get, and that it passes.
//!
//! Shape: small limits and connections that are only held. Units: connections, bytes. Errors: a
//! request that is served or refused when it should not be, an operator left alone. Source:
//! RELIABILITY section 3.
#![allow(clippy::disallowed_methods)] // a test waits on the clock of the host

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::running::{self, gateway::Gateway, origin};

const GET: &str = "GET /dev/now HTTP/1.1\r\nHost: gateway.test\r\n\r\n";
/// Longer than a worker takes to look again, and nothing must come.
const SILENCE: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(20);

fn connect(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).expect("the kernel takes it")
}

/// What came as an answer's head; empty when nothing did.
fn hear(stream: &mut TcpStream, patience: Duration) -> String {
    stream.set_read_timeout(Some(patience)).expect("an option");
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    while !heard.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => heard.extend_from_slice(&piece[..count]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

fn ask(stream: &mut TcpStream, patience: Duration) -> String {
    stream.write_all(GET.as_bytes()).expect("sent");
    hear(stream, patience)
}

/// The step of every worker, once it is `wanted`.
fn await_step(gateway: &Gateway, what: &str, wanted: impl Fn(u64) -> bool) {
    gateway.await_that(what, |gateway| {
        let (_, metrics) = gateway.ask("GET", "/metrics");
        let lines = metrics.lines();
        let steps = lines.filter(|line| line.starts_with("tidegate_pressure_step{"));
        let steps: Vec<u64> = steps
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        steps.len() == 2 && steps.into_iter().all(&wanted)
    });
}

fn operators_are_answered(gateway: &Gateway, words: &str) {
    assert_eq!(gateway.ask("GET", "/livez").0, 200);
    assert_eq!(gateway.ask("GET", "/readyz").0, 200);
    let (_, said) = gateway.ask("GET", "/readyz?verbose");
    assert!(said.contains(words), "no {words:?} in {said}");
    assert_eq!(gateway.cli(&["origins", "list"]).0, Some(0));
}

#[test]
fn many_connections_press_until_they_are_gone() {
    let limits = "[limits]\nconnections_max = 50\nidle_pressure_ms = 60000\n";
    let gateway = Gateway::start(origin::start(), limits);
    let mut held: Vec<TcpStream> = (0..46).map(|_| connect(gateway.address)).collect();
    await_step(&gateway, "it refuses", |step| step == 4);
    for request in [
        GET.to_owned(),
        GET.replace("GET", "POST")
            .replace("\r\n\r\n", "\r\nContent-Length: 9\r\n\r\n"),
    ] {
        let mut fresh = connect(gateway.address);
        fresh.write_all(request.as_bytes()).expect("sent");
        let heard = hear(&mut fresh, PATIENCE);
        assert!(heard.starts_with("HTTP/1.1 503"), "{heard}");
        let lower = heard.to_ascii_lowercase();
        assert!(lower.contains("\r\nretry-after: "), "{heard}");
        assert!(lower.contains("\r\nconnection: close\r\n"), "{heard}");
    }
    operators_are_answered(&gateway, "pressure: requests are refused");

    held.extend((46..48).map(|_| connect(gateway.address)));
    await_step(&gateway, "it accepts nothing", |step| step == 5);
    let mut waiting = connect(gateway.address);
    assert_eq!(ask(&mut waiting, SILENCE), "", "nobody accepts it");
    operators_are_answered(&gateway, "pressure: nothing is accepted");

    held.truncate(30);
    let heard = hear(&mut waiting, PATIENCE);
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    held.clear();
    await_step(&gateway, "all is calm", |step| step == 0);
    operators_are_answered(&gateway, "pressure: calm");
    let heard = ask(&mut connect(gateway.address), PATIENCE);
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    let (_, metrics) = gateway.ask("GET", "/metrics");
    let counted = "tidegate_faults_total{type=\"OVERLOADED\"} 2\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn memory_presses_until_the_settings_grant_more() {
    let origin = origin::start();
    let gateway = Gateway::start(origin, "[limits]\nmemory_bytes_max = 4096\n");
    await_step(&gateway, "it accepts nothing", |step| step == 5);
    let mut waiting = connect(gateway.address);
    assert_eq!(ask(&mut waiting, SILENCE), "", "nobody accepts it");
    operators_are_answered(&gateway, "pressure: nothing is accepted");
    let (_, metrics) = gateway.ask("GET", "/metrics");
    let cause = "tidegate_pressure_percent{core=\"0\",cause=\"memory\"} 100\n";
    assert!(metrics.contains(cause), "{metrics}");

    gateway.configure(&running::gateway::settings(
        origin,
        "[process]\ntrial_ms = 0",
        "127.0.0.1:0",
    ));
    assert_eq!(gateway.ask("POST", "/reload").0, 200);
    let heard = hear(&mut waiting, PATIENCE);
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    await_step(&gateway, "all is calm", |step| step == 0);
}
