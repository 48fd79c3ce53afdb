//! Beside wrk: both count what the server counts.
//!
//! Shape: one server, one load after the other. Units: requests. Errors: without wrk the test says
//! so and ends. Source: wrk(1).

use std::process::Command;

use tidegate_loadtest::options::Pace;

use crate::{
    SECOND, figures, options,
    server::{Request, answer, serve},
};

#[test]
fn wrk_and_we_count_what_the_server_counts() {
    let server = serve(|_: &Request| answer("200 OK", "", b"hello"));
    let mut wanted = options(&server, 1.0, SECOND);
    wanted.pace = Pace::Closed { think_ns: 0 };
    wanted.connections = 4;
    let ours = figures(&wanted);
    assert_eq!(server.count(), ours.counts.ok);
    let before = server.count();
    let wrk = Command::new("wrk")
        .args(["-t1", "-c4", "-d1s"])
        .arg(format!("http://{}/", server.address))
        .output();
    let Ok(output) = wrk else {
        eprintln!("skipped: wrk is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains("requests in"))
        .expect("a summary");
    let count: u64 = line
        .trim()
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a count");
    let seen = server.count() - before;
    // It does not wait for what is under way at its end, one on each connection.
    assert!(
        seen >= count && seen - count <= 4,
        "wrk {count}, server {seen}"
    );
    println!("ours {} requests, wrk {count}", ours.counts.ok);
}
