//! What a client may ask of the binary at most, and what it gets then.
//!
//! What it is: rows of the limits table that exist, each with the limit lowered in the settings.
//! Shape: one gateway a test; raw clients. Units: milliseconds, bytes. Errors: a wrong status, a
//! connection that stays or ends too soon. Source: the limits table; the PROXY protocol, versions
//! 1 and 2.

#![allow(clippy::disallowed_methods)] // real time: the outside world

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use crate::common::{self, Client, End, Gateway, Origin, curl, settings, status, wait_for};

const GET: &str = "GET /dev/x HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn heads_and_bodies_have_a_size() {
    let origin = Origin::ok();
    let gateway = Gateway::start(&settings(
        origin.address,
        "[limits]\nhead_bytes_max = 1024\ntarget_bytes_max = 128\nfields_max = 5\n\
         body_bytes_max = 1000\nchunk_extension_bytes_max = 8\n",
    ));
    let head = |line: &str, fields: &str| format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let long = |count: usize| "y".repeat(count);
    // name, request, status, requests at the origin
    let rows: &[(&str, String, u16, usize)] = &[
        ("plain", head("GET /dev/x", ""), 200, 1),
        (
            "head",
            head("GET /dev/x", &format!("X: {}\r\n", long(1100))),
            431,
            0,
        ),
        ("fields", head("GET /dev/x", &"a: b\r\n".repeat(5)), 431, 0),
        (
            "fields exact",
            head("GET /dev/x", &"a: b\r\n".repeat(4)),
            200,
            1,
        ),
        (
            "target",
            head(&format!("GET /dev/{}", long(130)), ""),
            414,
            0,
        ),
        (
            "declared",
            head("POST /dev/x", "Content-Length: 1001\r\n"),
            413,
            0,
        ),
        (
            "declared and sent",
            head("POST /dev/x", "Content-Length: 1001\r\n") + &long(1001),
            413,
            0,
        ),
        (
            "exact",
            head("POST /dev/x", "Content-Length: 1000\r\n") + &long(1000),
            200,
            1,
        ),
        (
            "chunked",
            head("POST /dev/x", "Transfer-Encoding: chunked\r\n")
                + &format!("3e8\r\n{}\r\n1\r\nz\r\n0\r\n\r\n", long(1000)),
            413,
            0,
        ),
        (
            "extension",
            head("POST /dev/x", "Transfer-Encoding: chunked\r\n")
                + "1;aaaaaaaaaa\r\nz\r\n0\r\n\r\n",
            400,
            0,
        ),
    ];
    for (name, request, expected, forwarded) in rows {
        let before = origin.count_seen();
        let mut client = Client::connect(gateway.address());
        client.send(request);
        let refused = *expected != 200;
        let end = client.hear_until(3_000, |heard| !refused && heard.ends_with(b"ok"));
        assert_eq!(
            status(&client.heard),
            *expected,
            "{name}: {}",
            client.text()
        );
        assert_eq!(
            end == End::Closed,
            refused,
            "{name}: {end:?} {}",
            client.text()
        );
        assert_eq!(origin.count_seen() - before, *forwarded, "{name}");
    }
}

#[test]
fn slow_clients_are_given_up() {
    let origin = Origin::ok();
    let gateway = Gateway::start(&settings(
        origin.address,
        "[limits]\nhead_ms = 300\nprogress_grace_ms = 300\nprogress_bytes_per_s = 1000\n\
         still_ms = 500\nidle_ms = 400\ndrain_body_ms = 200\n",
    ));
    let upload = "POST /dev/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n";
    // name, sent at once, sent every 50 ms, status (0: none), earliest and latest end in ms
    let rows: &[(&str, &str, &str, u16, u64, u64)] = &[
        ("nothing at all", "", "", 0, 350, 2_000),
        ("half a head", "GET /dev/x HT", "", 408, 250, 2_000),
        (
            "a head by drops",
            "GET /dev/x HTTP/1.1\r\nHost: a\r\nX: ",
            "y",
            408,
            250,
            2_000,
        ),
        ("a body by drops", upload, "z", 408, 300, 2_500),
        ("a body that stands still", upload, "", 408, 300, 2_500),
        ("idle", GET, "", 200, 350, 2_000),
    ];
    for (name, first, drop, expected, earliest, latest) in rows {
        let mut client = Client::connect(gateway.address());
        let begun = Instant::now();
        client.send(first);
        let end = loop {
            let end = client.hear(50);
            let late = begun.elapsed().as_millis() > u128::from(*latest) + 1_000;
            if end != End::Open || late {
                break end;
            }
            client.send(drop);
        };
        let took = u64::try_from(begun.elapsed().as_millis()).expect("short");
        assert_eq!(
            status(&client.heard),
            *expected,
            "{name}: {end:?} {}",
            client.text()
        );
        assert_ne!(end, End::Open, "{name}: stays open");
        assert!((*earliest..*latest).contains(&took), "{name}: {took} ms");
    }
}

#[test]
fn a_fast_upload_that_pauses_shortly_is_served() {
    let origin = Origin::ok();
    let gateway = Gateway::start(&settings(
        origin.address,
        "[limits]\nprogress_grace_ms = 300\nprogress_bytes_per_s = 1000\nstill_ms = 1000\n",
    ));
    let mut client = Client::connect(gateway.address());
    client.send("POST /dev/x HTTP/1.1\r\nHost: a\r\nContent-Length: 6000\r\n\r\n");
    for _ in 0..6 {
        client.send("z".repeat(1000));
        thread::sleep(Duration::from_millis(150));
    }
    client.hear_until(3_000, |heard| heard.ends_with(b"ok"));
    assert_eq!(status(&client.heard), 200, "{}", client.text());
}

#[test]
fn a_reader_that_takes_nothing_is_reset() {
    let origin = Origin::serving(|mut stream| {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        let block = vec![b'x'; 1 << 16];
        while stream.write_all(&block).is_ok() {}
    });
    let gateway = Gateway::start(&settings(
        origin.address,
        "[limits]\nprogress_grace_ms = 300\nstill_ms = 500\n",
    ));
    let mut client = Client::connect(gateway.address());
    client.send(GET);
    thread::sleep(Duration::from_millis(2_000));
    let end = client.hear(2_000);
    assert_eq!(end, End::Reset, "{} bytes", client.heard.len());
    assert!(client.heard.len() < 50_000_000, "{}", client.heard.len());
}

#[test]
fn connections_are_counted() {
    let origin = Origin::ok();
    let gateway = Gateway::start(&settings(
        origin.address,
        "[limits]\nrequests_per_connection_max = 3\nconnections_per_address_max = 4\n",
    ));
    let mut client = Client::connect(gateway.address());
    for number in 1..=3 {
        assert_eq!(client.ask(GET), 200);
        let last = client
            .text()
            .to_ascii_lowercase()
            .contains("connection: close");
        assert_eq!(last, number == 3, "request {number}");
    }
    assert_eq!(client.hear(2_000), End::Closed, "after the third");
    drop(client);
    let mut open: Vec<Client> = (0..4).map(|_| Client::connect(gateway.address())).collect();
    for client in &mut open {
        assert_eq!(client.ask(GET), 200);
    }
    let mut refused = Client::connect(gateway.address());
    refused.send(GET);
    assert_ne!(refused.hear(2_000), End::Open, "a fifth connection");
    assert_eq!(refused.heard, b"", "closed at accept");
    let url = format!("http://{}/dev/x", gateway.address());
    assert_eq!(
        curl(&["--interface", "127.0.0.9", &url]),
        "ok",
        "another address"
    );
    open.pop();
    thread::sleep(Duration::from_millis(50));
    assert_eq!(
        Client::connect(gateway.address()).ask(GET),
        200,
        "room again"
    );
}

#[test]
fn an_origin_that_is_late_or_gone_is_told_as_such() {
    let silent = Origin::serving(|mut stream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    let document = common::DOCUMENT.replace("29000", "300");
    let dir = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start_in(dir, &settings(silent.address, ""), &document);
    let mut client = Client::connect(gateway.address());
    let begun = Instant::now();
    assert_eq!(client.ask(GET), 504, "{}", client.text());
    assert!(client.text().contains("Endpoint request timed out"));
    assert!(begun.elapsed() < Duration::from_secs(2));
    // The client's connection has not suffered.
    assert_eq!(client.ask("GET /dev/mock HTTP/1.1\r\nHost: a\r\n\r\n"), 200);

    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let gateway = Gateway::start(&settings(nobody, ""));
    let mut client = Client::connect(gateway.address());
    assert_eq!(client.ask(GET), 504, "{}", client.text());
}

/// A version 2 header: PROXY, TCP over IPv4, from 192.0.2.9.
const PROXY_V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\x00\x02\x09\x7f\0\0\x01\x04\xd2\0\x50";

#[test]
fn proxy_headers_count_from_listed_peers() {
    let origin = Origin::ok();
    let listen = "[[listen]]\naddress = \"127.0.0.2:0\"\nproxy_protocol_from = [\"127.0.0.0/8\"]\n";
    let gateway = Gateway::start(&settings(origin.address, listen));
    let v1 = b"PROXY TCP4 192.0.2.7 127.0.0.2 1234 80\r\n";
    let request = GET.as_bytes();
    // name, listener, sent, status (0: dropped), X-Forwarded-For at the origin
    let rows: &[(&str, u8, Vec<u8>, u16, &str)] = &[
        ("version 1", 2, [v1, request].concat(), 200, "192.0.2.7"),
        (
            "version 2",
            2,
            [PROXY_V2, request].concat(),
            200,
            "192.0.2.9",
        ),
        (
            "unknown",
            2,
            [b"PROXY UNKNOWN\r\n", request].concat(),
            200,
            "127.0.0.1",
        ),
        ("none from a listed peer", 2, request.to_vec(), 0, ""),
        (
            "broken",
            2,
            [b"PROXY TCP4 x y\r\n", request].concat(),
            0,
            "",
        ),
        ("version 1 unasked", 1, [v1, request].concat(), 400, ""),
        (
            "version 2 unasked",
            1,
            [PROXY_V2, request].concat(),
            400,
            "",
        ),
    ];
    for (name, listener, sent, expected, source) in rows {
        for piece in [sent.len(), 3] {
            let mut client = Client::connect(gateway.at(*listener));
            for part in sent.chunks(piece) {
                client.send(part);
            }
            let end = client.hear_until(3_000, |heard| heard.ends_with(b"ok"));
            assert_eq!(
                status(&client.heard),
                *expected,
                "{name} by {piece}: {}",
                client.text()
            );
            if *expected == 200 {
                let seen = origin.last_seen();
                let line = format!("X-Forwarded-For: {source}\r\n");
                assert!(seen.contains(&line), "{name}: {seen}");
            } else {
                assert_ne!(end, End::Open, "{name}");
            }
        }
    }
}

#[test]
fn the_client_behind_listed_proxies_is_the_one_logged() {
    let origin = Origin::ok();
    let gateway = Gateway::start(&settings(
        origin.address,
        "[[listen]]\naddress = \"127.0.0.2:0\"\nproxy_protocol_from = [\"127.0.0.0/8\"]\n\
         [trust]\nproxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n\
         [access_log]\npath = \"access.log\"\n\
         format = \"$context.requestId $context.identity.sourceIp $context.status\"\n",
    ));
    let direct = "";
    let proxied = "PROXY TCP4 10.0.0.9 127.0.0.2 1234 80\r\n";
    let stranger = "PROXY TCP4 192.0.2.9 127.0.0.2 1234 80\r\n";
    // listener, PROXY header, path, fields, logged
    let rows: &[(u8, &str, &str, &str, &str)] = &[
        (1, direct, "x", "", "127.0.0.1 200"),
        (
            1,
            direct,
            "x",
            "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.2\r\n",
            "192.0.2.1 200",
        ),
        (
            1,
            direct,
            "mock",
            "X-Forwarded-For: 192.0.2.2\r\n",
            "192.0.2.2 200",
        ),
        (
            1,
            direct,
            "x",
            "Forwarded: for=\"[2001:db8::1]:7\"\r\n",
            "2001:db8::1 200",
        ),
        (
            1,
            direct,
            "x",
            "X-Forwarded-For: \x1b[2J 6.6.6.6\u{202e}\r\n",
            "127.0.0.1 400",
        ),
        (
            1,
            direct,
            "x",
            "X-Forwarded-For: <b>, 10.0.0.3\r\n",
            "10.0.0.3 200",
        ),
        (
            1,
            direct,
            "x",
            "X-Forwarded-For: 6.6.6.6 200 oh\r\n",
            "127.0.0.1 200",
        ),
        (
            2,
            proxied,
            "x",
            "X-Forwarded-For: 192.0.2.3\r\n",
            "192.0.2.3 200",
        ),
        (
            2,
            stranger,
            "x",
            "X-Forwarded-For: 192.0.2.3\r\n",
            "192.0.2.9 200",
        ),
    ];
    for (listener, header, path, fields, _) in rows {
        let mut client = Client::connect(gateway.at(*listener));
        client.ask(&format!(
            "{header}GET /dev/{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"
        ));
    }
    // One connection, two clients: the source belongs to the request.
    let mut client = Client::connect(gateway.at(1));
    for ip in ["192.0.2.7", "192.0.2.8"] {
        client.ask(&GET.replace("\r\n\r\n", &format!("\r\nX-Forwarded-For: {ip}\r\n\r\n")));
    }
    client.ask(GET);
    let expected = rows.iter().map(|row| row.4);
    let expected = expected.chain(["192.0.2.7 200", "192.0.2.8 200", "127.0.0.1 200"]);
    let expected: Vec<&str> = expected.collect();
    assert_eq!(logged(&gateway, expected.len()), expected);
}

#[test]
fn a_log_field_is_escaped_and_cut() {
    let origin = Origin::ok();
    let us = |count: usize| "u".repeat(count);
    let hostile = "a\tb\"c\\\u{202e}";
    let plain = "u=$context.identity.userAgent; $context.requestId";
    let json = r#"{ "u": "$context.identity.userAgent", "i": "$context.requestId" }"#;
    // format, limit, what stands around the field; then User-Agent and the field
    let rows = [
        (
            plain,
            64,
            ("u=", "; "),
            vec![
                (us(64), us(64)),
                (us(65), us(64)),
                (
                    hostile.to_owned(),
                    r"a\x09b\x22c\x5c\xe2\x80\xae".to_owned(),
                ),
                ("a; b".to_owned(), r"a\x3b b".to_owned()), // the field's end cannot be faked
                (us(60) + "\"u", us(60) + r"\x22"),
                (us(61) + "\"u", us(61)), // an escape is not cut in two
            ],
        ),
        (
            json,
            64,
            ("{ \"u\": \"", "\", \"i\": \""),
            vec![
                (hostile.to_owned(), r#"a\tb\"c\\\u202e"#.to_owned()),
                (us(63) + "\"u", us(63)),
                ("\u{e9}".repeat(40), "\u{e9}".repeat(32)),
            ],
        ),
        (plain, 8192, ("u=", "; "), vec![(us(9000), us(8192))]),
    ];
    for (format, most, (before, behind), cases) in rows {
        let gateway = Gateway::start(&settings(
            origin.address,
            &format!(
                "[limits]\nlog_field_bytes_max = {most}\n\
                 [access_log]\npath = \"access.log\"\nformat = '{format}'\n"
            ),
        ));
        let mut client = Client::connect(gateway.address());
        for (agent, _) in &cases {
            let fields = format!("\r\nUser-Agent: {agent}\r\n\r\n");
            assert_eq!(client.ask(&GET.replace("\r\n\r\n", &fields)), 200);
        }
        let lines = log_lines(&gateway, cases.len());
        for (line, (_, field)) in lines.iter().zip(&cases) {
            let rest = line.strip_prefix(&format!("{before}{field}{behind}"));
            let is_id = |rest: &str| rest.trim_end_matches("\" }").len() == 36;
            assert!(rest.is_some_and(is_id), "{most} {field}: {line}");
        }
        assert_eq!(lines.len(), cases.len(), "one line each");
    }
}

/// The access log without the request ids, which begin its lines.
fn logged(gateway: &Gateway, count: usize) -> Vec<String> {
    let lines = log_lines(gateway, count).into_iter();
    lines
        .map(|line| line.split_once(' ').map_or("", |(_, rest)| rest).to_owned())
        .collect()
}

/// The access log, once it has `count` lines.
fn log_lines(gateway: &Gateway, count: usize) -> Vec<String> {
    let path = gateway.dir.path().join("access.log");
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    wait_for("the log", 10_000, || read().matches('\n').count() >= count);
    read().lines().map(str::to_owned).collect()
}

#[test]
fn it_ends_in_order() {
    let origin = Origin::ok();
    let gateway = Gateway::start(&settings(origin.address, ""));
    let mut client = Client::connect(gateway.address());
    assert_eq!(client.ask(GET), 200);
    let (code, said) = gateway.stop();
    assert_eq!(code, Some(0), "{said}");
    assert_ne!(client.hear(1_000), End::Open);
}
