//! The demonstration: two embedded origins and the gateway before them, from ordinary files.
//!
//! What it is: starts the origins, writes settings and API document into a folder of its own and
//! runs the gateway on them, so that whoever tries it can edit both and reload. Shape: [`run`]
//! lives until the gateway ends, then removes the folder. Units: TCP ports on 127.0.0.1. Errors:
//! an [`Exit`] with its reason on standard error. Source: `openapi.yaml` beside this file.

mod origin;

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tidegate_edge::ring::probe;

use crate::{
    cli::Exit,
    process::{self, Sources},
};

/// Serves the demonstration; `None` takes port 8080 if it is free, else any.
#[must_use]
pub fn run(port: Option<u16>) -> Exit {
    if let Err(refusal) = probe::probe(probe::RingSize::DEFAULT) {
        eprintln!("tidegate: {refusal}");
        return Exit::RingRefused;
    }
    let stand = match Stand::build(port) {
        Ok(stand) => stand,
        Err(reason) => {
            eprintln!("tidegate demo: {reason}");
            return Exit::Failed;
        }
    };
    let text = stand.text();
    let gateway = stand.gateway;
    let greeter = thread::Builder::new()
        .name("greeter".to_owned())
        .spawn(move || greet(gateway, &text));
    if let Err(error) = greeter {
        eprintln!("tidegate demo: {error}");
    }
    process::run(&Sources {
        config: Some(stand.folder.join(SETTINGS_FILE)),
        ..Sources::default()
    })
}

/// Everything around the gateway; dropped, its folder is removed.
struct Stand {
    folder: PathBuf,
    gateway: SocketAddr,
}

const SETTINGS_FILE: &str = "tidegate.toml";
const PORT_FIRST: u16 = 8080;
const OPENAPI: &str = include_str!("openapi.yaml");

impl Stand {
    fn build(port: Option<u16>) -> Result<Stand, String> {
        let gateway = address(port).map_err(|error| format!("no port can be had: {error}"))?;
        let eu_west = origin::start("eu-west")?;
        let us_east = origin::start("us-east")?;
        let folder = folder().map_err(|error| format!("no folder for its files: {error}"))?;
        let stand = Stand { folder, gateway };
        stand
            .write("openapi.yaml", OPENAPI)
            .and_then(|()| stand.write(SETTINGS_FILE, &settings(gateway, eu_west, us_east)))
            .map_err(|error| format!("its files cannot be written: {error}"))?;
        Ok(stand)
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.folder.join(name), text)
    }

    fn text(&self) -> String {
        text(self.gateway, &self.folder)
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // A folder that cannot be removed is left to whoever cleans the temporary directory.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A new folder that only this user may enter.
fn folder() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("tidegate-demo-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

/// Where the gateway is to listen. The port is tried here and let go; whoever takes it before
/// the gateway does makes the gateway say so.
fn address(port: Option<u16>) -> io::Result<SocketAddr> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr();
    match port {
        Some(port) => bind(port),
        None => bind(PORT_FIRST).or_else(|_| bind(0)),
    }
}

/// The settings of the demonstration, as a user would write them.
fn settings(gateway: SocketAddr, eu_west: SocketAddr, us_east: SocketAddr) -> String {
    format!(
        r#"# Written by `tidegate demo`. Change what you like and send SIGHUP.
[server]
workers = 1
drain_delay_ms = 0
drain_deadline_ms = 2000

[[listen]]
address = "{gateway}"

[[apis]]
document = "openapi.yaml"
stage = "dev"
hosts = ["shop.localhost"]

# eu-west answers; us-east takes over while it does not.
[origins.shop]
match = "http://shop.example.com"
allow_addresses = ["loopback"]
endpoints = [
  {{ region = "eu-west", url = "http://{eu_west}", priority = 0 }},
  {{ region = "us-east", url = "http://{us_east}", priority = 1 }},
]
health = {{ path = "/health", interval_ms = 1000, timeout_ms = 500, unhealthy_after = 2 }}
ejection = {{ failures = 2, base_ms = 5000 }}

[origins.eu-west]
match = "http://eu-west.example.com"
allow_addresses = ["loopback"]
endpoints = [{{ region = "eu-west", url = "http://{eu_west}" }}]

[origins.us-east]
match = "http://us-east.example.com"
allow_addresses = ["loopback"]
endpoints = [{{ region = "us-east", url = "http://{us_east}" }}]

[admin]
socket = "admin.sock"
"#
    )
}

/// What is printed once the gateway answers.
fn text(gateway: SocketAddr, folder: &Path) -> String {
    let url = format!("http://{gateway}/dev");
    let rows = [
        (format!("curl {url}/hello"), "which region answers"),
        (format!("curl {url}/pets/7"), "a path parameter"),
        (format!("curl {url}/ping"), "answered by the gateway itself"),
        (format!("curl -N {url}/stream"), "a streamed body"),
        (format!("curl -i {url}/too-slow"), "a timeout: 504"),
        (format!("curl -i {url}/nothing"), "no such route: 403"),
        (
            format!("curl -d hi {url}/echo/a/b?c=d"),
            "what the origin sees",
        ),
        (
            format!("curl http://shop.localhost:{}/hello", gateway.port()),
            "the host form",
        ),
    ];
    let mut text = format!("{url}/hello\n\nTry:\n");
    let widest = rows
        .iter()
        .map(|(command, _)| command.len())
        .max()
        .unwrap_or(0);
    for (command, what) in &rows {
        let _ = writeln!(text, "  {command:widest$}  # {what}");
    }
    let _ = write!(
        text,
        "\nFail-over: stop a region for ten seconds and ask again, us-east takes over.
  curl -X POST {url}/regions/eu-west/stop
  curl {url}/hello
  tidegate origins list --admin {0}/admin.sock

Settings and API document: {0}
  kill -HUP {1}   # after a change
Ctrl-C ends it.
",
        folder.display(),
        std::process::id()
    );
    text
}

/// Waits until the gateway answers, then says where it is.
fn greet(gateway: SocketAddr, text: &str) {
    for _ in 0..GREET_TRIES {
        if answers(gateway) {
            // A reader that left does not need it.
            let _ = io::stdout().lock().write_all(text.as_bytes());
            return;
        }
        thread::park_timeout(Duration::from_millis(GREET_PAUSE_MS));
    }
}

fn answers(gateway: SocketAddr) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&gateway, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        let request =
            format!("GET /dev/hello HTTP/1.1\r\nHost: {gateway}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

const GREET_TRIES: u32 = 200;
const GREET_PAUSE_MS: u64 = 50;
