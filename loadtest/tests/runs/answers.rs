//! Answers: right ones, wrong ones, and those of somebody else.
//!
//! Shape: a table of servers and of the failures they must give. Units: counts. Errors: as the
//! rows say. Source: docs/load-testing.md, "Checks".

use std::sync::Mutex;

use tidegate_loadtest::options::Options;

use crate::{
    SECOND, figures, options,
    server::{Answer, Request, Server, answer, serve},
};

/// A server, what is asked of its answers, and by which cause all of them fail.
type Row = (&'static str, Server, fn(&mut Options), Option<&'static str>);

fn rows() -> Vec<Row> {
    let plain = || serve(|_: &Request| answer("200 OK", "", b"hello"));
    let echo = |request: &Request| request.field("x-id").unwrap_or("none").to_owned();
    let with_echo =
        |request: &mut Options| request.request.expect.echo_header = Some("X-Id".into());
    let last: Mutex<String> = Mutex::default();
    vec![
        (
            "right",
            plain(),
            |o| o.request.expect.contains = Some("ell".into()),
            None,
        ),
        (
            "status",
            serve(|_: &Request| answer("503 No", "", b"")),
            |_| {},
            Some("status"),
        ),
        (
            "pattern",
            plain(),
            |o| o.request.expect.contains = Some("bye".into()),
            Some("body"),
        ),
        (
            "length",
            plain(),
            |o| o.request.expect.body_bytes = Some(4),
            Some("body"),
        ),
        (
            "digest",
            plain(),
            |o| {
                // Of "hello".
                let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
                o.request.expect.sha256 = Some(digest.into());
            },
            None,
        ),
        (
            "chunked",
            serve(|_: &Request| {
                let chunks = "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                Answer([head, chunks].concat().into_bytes(), false)
            }),
            |o| o.request.expect.contains = Some("hello".into()),
            None,
        ),
        (
            "until the end",
            serve(|_: &Request| Answer(b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec(), true)),
            |o| o.request.expect.body_bytes = Some(5),
            None,
        ),
        (
            "cut",
            serve(|_: &Request| {
                Answer(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello".to_vec(),
                    true,
                )
            }),
            |_| {},
            Some("closed"),
        ),
        (
            "nonsense",
            serve(|_: &Request| Answer(b"SSH-2.0-x\r\n\r\n".to_vec(), true)),
            |_| {},
            Some("malformed"),
        ),
        (
            "own id",
            serve(move |request: &Request| {
                answer("200 OK", &format!("X-Id: {}\r\n", echo(request)), b"x")
            }),
            with_echo,
            None,
        ),
        (
            // Everybody gets the id of the request before; the first one its own is not.
            "id of another",
            serve(move |request: &Request| {
                let own = request.field("x-id").unwrap_or("none").to_owned();
                let mut last = last.lock().expect("no panic");
                let before = std::mem::replace(&mut *last, own);
                answer("200 OK", &format!("X-Id: {before}\r\n"), b"x")
            }),
            with_echo,
            Some("foreign"),
        ),
    ]
}

#[test]
fn answers_are_judged_by_what_was_asked() {
    for (name, server, wish, cause) in rows() {
        let mut wanted = options(&server, 200.0, SECOND / 5);
        wanted.connections = 4;
        wish(&mut wanted);
        let figures = figures(&wanted);
        let counts = &figures.counts;
        assert_eq!(counts.scheduled, 40, "{name}");
        match cause {
            None => assert_eq!(counts.ok, 40, "{name}: {counts:?}"),
            Some(cause) => assert_eq!(counts.failed.get(cause), Some(&40), "{name}: {counts:?}"),
        }
        assert_eq!(server.count(), 40, "{name}");
    }
}

#[test]
fn bytes_that_nobody_asked_for_are_seen() {
    let server = serve(|_: &Request| {
        let twice = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na".repeat(2);
        Answer(twice.into_bytes(), false)
    });
    let mut wanted = options(&server, 20.0, SECOND / 2);
    wanted.connections = 1;
    let figures = figures(&wanted);
    assert!(figures.counts.unasked > 0, "{:?}", figures.counts);
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let server = serve(|_: &Request| {
        std::thread::sleep(std::time::Duration::from_secs(2));
        Answer(Vec::new(), true)
    });
    let mut wanted = options(&server, 40.0, SECOND / 5);
    wanted.timeout_ns = SECOND / 4;
    let figures = figures(&wanted);
    assert_eq!(
        figures.counts.failed.get("timeout"),
        Some(&8),
        "{:?}",
        figures.counts
    );
}
