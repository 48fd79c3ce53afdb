//! `tidegate demo` from outside: what a person does in the first minute.
//!
//! Shape: the real binary, a plain TCP client. Units: seconds. Errors: a demonstration that prints
//! no URL, does not answer, does not fail over or does not end. Source: the README's quick start.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

struct Demo {
    child: Child,
    /// The text up to its last line.
    text: String,
}

impl Demo {
    fn start() -> Demo {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["demo", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut text = String::new();
        while !text.contains("Ctrl-C") {
            let read = lines.read_line(&mut text).expect("text");
            assert!(read > 0, "the demonstration ended:\n{text}");
        }
        Demo { child, text }
    }

    /// Its exit status; `None` when it does not end.
    fn end(&mut self) -> Option<i32> {
        for _ in 0..200 {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        None
    }

    fn first_url(&self) -> &str {
        let end = self.text.find('\n').expect("a first line");
        &self.text[..end]
    }

    fn base(&self) -> &str {
        self.first_url().trim_end_matches("/hello")
    }

    /// Status and body.
    fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let rest = self.base().strip_prefix("http://").expect("a URL");
        let (host, stage) = rest.split_once('/').expect("a path");
        let mut stream = TcpStream::connect(host).expect("a connection");
        let patience = Some(Duration::from_secs(10));
        stream.set_read_timeout(patience).expect("a timeout");
        let request = format!(
            "{method} /{stage}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).expect("a status");
        (status.parse().expect("a number"), body.to_owned())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_first_minute() {
    let mut demo = Demo::start();
    // method, path, status, a part of the body
    let rows = [
        ("GET", "/hello", 200, "\"region\":\"eu-west\""),
        ("GET", "/ping", 200, "pong"),
        ("GET", "/pets/7%2F8", 200, "\"id\":\"7%2F8\""),
        ("POST", "/pets", 201, "\"bodyBytes\":0"),
        ("PUT", "/echo/a/b?c=d", 200, "\"target\":\"/echo/a/b?c=d\""),
        ("GET", "/stream", 200, "line 10 of 10"),
        ("GET", "/too-slow", 504, "timed out"),
        ("GET", "/nothing", 403, "Missing Authentication Token"),
        ("POST", "/regions/eu-west/stop", 202, "eu-west"),
        ("GET", "/hello", 200, "\"region\":\"us-east\""),
        ("GET", "/pets", 200, "\"region\":\"us-east\""),
        ("GET", "/hello", 200, "\"region\":\"us-east\""),
    ];
    for (method, path, status, part) in rows {
        let (got, body) = demo.ask(method, path);
        assert_eq!(got, status, "{method} {path}: {body}");
        assert!(body.contains(part), "{method} {path}: {body}");
    }
    let id = demo.child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill runs").success());
    assert_eq!(demo.end(), Some(0), "Ctrl-C ends it in order");
    let folder = std::env::temp_dir().join(format!("tidegate-demo-{id}"));
    assert!(!folder.exists(), "its files are gone");
}
